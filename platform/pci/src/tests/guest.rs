use super::*;
use crate::{GuestFunction, Intx, MsiKind, MsiSetupError, Refusal};
use ioda::{Irq, MmioIo, MsiBlock};

/// The device's index in the fabric and in the topology.
const DEVICE: usize = 1;
/// Where its capabilities are: power, MSI, MSI-X, VPD, PCI Express.
const POWER: u32 = 0x40;
const MSI: u32 = 0x48;
const MSIX: u32 = 0x60;
const VPD: u32 = 0x6c;
const EXPRESS: u32 = 0x74;
/// Extended: AER, SR-IOV, a serial number.
const AER: u32 = 0x100;

fn device() -> Device {
    Device::endpoint(0x8086, 0x10c9, 0x02_0000)
        .with_bar32(0, 128 << 10)
        .with_bar64(2, 1 << 20)
        .with_intx(0)
        .with_power()
        .with_msi(2)
        .with_msix(16, 0, 0x4000)
        .with_cap(0x03, 8)
        .with_express(0, 1 << 28)
        .with_cap(0x14, 8)
        .with_extended(
            0x01,
            0x48,
            &[
                (0x08, u32::MAX),
                (0x0c, u32::MAX),
                (0x14, u32::MAX),
                (0x18, u32::MAX),
            ],
        )
        .with_extended(0x10, 0x40, &[(0x08, u32::MAX)])
        .with_extended(0x03, 12, &[])
}

struct Owner {
    bench: Bench,
    guest: GuestFunction,
    bars: [u64; 2],
}

impl Owner {
    fn new(intx: Intx) -> Self {
        let mut fabric = Fabric::new(root());
        assert_eq!(fabric.add(0, 0, device()), DEVICE);
        let mut bench = Bench::new(fabric);
        let (topology, plan) = bench.planned();
        plan.activate(&topology, DEVICE, &mut bench.host)
            .expect("it is free");
        let planned = &plan.functions[DEVICE];
        let guest =
            GuestFunction::new(&topology.functions[DEVICE], planned, intx).expect("a device");
        assert!(
            GuestFunction::new(&topology.functions[0], &plan.functions[0], intx).is_none(),
            "bridges are nobody's"
        );
        let bars = [0, 2].map(|bar| planned.bars[bar].expect("it has").pci);
        Self { bench, guest, bars }
    }

    fn read(&mut self, at: u32, bytes: u32) -> u32 {
        self.guest
            .read(&mut self.bench.host, at, bytes)
            .expect("it answers")
    }
    fn write(&mut self, at: u32, bytes: u32, value: u32) {
        self.guest
            .write(&mut self.bench.host, at, bytes, value)
            .expect("it answers");
    }
    /// What the device has.
    fn truth(&self, at: u32, bytes: usize) -> u32 {
        self.bench
            .model
            .with_fabric(|fabric| fabric.device(DEVICE).get(at as usize, bytes))
    }
    /// All of the device's config space.
    fn image(&self) -> Vec<u32> {
        (0..1024).map(|word| self.truth(word * 4, 4)).collect()
    }
}

fn who_is_stopped_does_not_decode_whatever_its_owner_or_a_reset_does() {
    const COMMAND: u32 = 4;
    let mut owner = Owner::new(Intx::Granted);
    owner.write(COMMAND, 2, 6);
    owner.guest.stop(&mut owner.bench.host).expect("it answers");
    assert_eq!(owner.truth(COMMAND, 2) & 7, 4);
    // The owner's own bit is as it was.
    assert_eq!(owner.read(COMMAND, 2) & 7, 6);
    owner.write(COMMAND, 2, 2);
    owner.write(COMMAND, 2, 6);
    assert_eq!(owner.truth(COMMAND, 2) & 7, 4);
    owner.write(EXPRESS + 8, 2, 1 << 15);
    assert_eq!(owner.guest.restore(&mut owner.bench.host), Ok(true));
    assert_eq!(owner.truth(COMMAND, 2) & 2, 0);
    assert_eq!(u64::from(owner.truth(0x10, 4)), owner.bars[0]);
    owner
        .guest
        .restart(&mut owner.bench.host)
        .expect("it answers");
    assert_eq!(owner.truth(COMMAND, 2) & 2, 0);
    owner
        .guest
        .go_on(&mut owner.bench.host)
        .expect("it answers");
    assert_eq!(owner.truth(COMMAND, 2) & 2, 2);
}

fn who_goes_on_while_in_reset_decodes_once_it_is_back() {
    const COMMAND: u32 = 4;
    let mut owner = Owner::new(Intx::Granted);
    owner.guest.stop(&mut owner.bench.host).expect("it answers");
    let started = owner.guest.start_flr(&mut owner.bench.host);
    assert_eq!(started, Ok(Some(100)));
    owner
        .guest
        .go_on(&mut owner.bench.host)
        .expect("it answers");
    assert_eq!(owner.truth(COMMAND, 2) & 2, 0);
    assert_eq!(owner.guest.restore(&mut owner.bench.host), Ok(true));
    assert_eq!(owner.truth(COMMAND, 2) & 2, 2);
    assert_eq!(u64::from(owner.truth(0x10, 4)), owner.bars[0]);
    // Nothing is left to put back.
    let before = owner.image();
    assert_eq!(owner.guest.restore(&mut owner.bench.host), Ok(true));
    assert_eq!(owner.image(), before);
}

fn what_a_reset_of_its_bus_undid_is_put_back() {
    let mut owner = Owner::new(Intx::Denied);
    owner
        .guest
        .set_msi(&mut owner.bench.host, &block(2), MsiKind::Msi)
        .expect("it can");
    let wanted = [0x10, 0x18, 0x1c, MSI + 4, MSI + 8, MSI + 12].map(|at| (at, owner.truth(at, 4)));
    owner
        .bench
        .model
        .with_fabric(|fabric| fabric.device_mut(DEVICE).reset());
    owner.guest.note_bus_reset();
    assert_eq!(owner.read(4, 2) & 2, 0, "its owner has it decode anew");
    for (at, value) in wanted {
        assert_eq!(owner.truth(at, 4), value, "{at:#x}");
    }
}

fn block(count: u16) -> MsiBlock {
    MsiBlock {
        first: Irq(0x840),
        count,
        address32: 0xffff_0400,
        address64: 1 << 60 | 0x400,
        data: 8,
    }
}

fn bars_can_be_sized_and_never_move() {
    let mut owner = Owner::new(Intx::Denied);
    let [low, high] = owner.bars;
    let before = owner.image();
    assert_eq!(u64::from(owner.read(0x10, 4)), low);
    for (at, size, place) in [
        (0x10, 0xfffe_0000, low as u32),
        (0x14, 0, 0),
        (0x18, 0xfff0_000c, high as u32 | 0xc),
        (0x1c, 0xffff_ffff, (high >> 32) as u32),
        (0x20, 0, 0),
        (0x24, 0, 0),
    ] {
        owner.write(at, 4, u32::MAX);
        assert_eq!(owner.read(at, 4), size, "{at:#x}");
        owner.write(at, 4, place);
        assert_eq!(owner.read(at, 4), place, "{at:#x}");
    }
    for attack in [0, 0x8000_0000, 0xdead_0000, low as u32 + 0x2_0000] {
        owner.write(0x10, 4, attack);
        assert_eq!(u64::from(owner.read(0x10, 4)), low);
    }
    owner.write(0x10, 4, 0xffff_fff0);
    assert_eq!(
        owner.read(0x10, 4),
        0xfffe_0000,
        "the flags' bits do not matter"
    );
    owner.write(0x10, 4, 0);
    owner.write(0x12, 2, 0x1234);
    owner.write(0x11, 1, 0x12);
    assert_eq!(u64::from(owner.read(0x12, 2)), low >> 16);
    owner.write(0x30, 4, u32::MAX);
    assert_eq!(owner.read(0x30, 4), 0, "there is no ROM");
    assert_eq!(owner.image(), before, "none of it reached the device");
}

fn the_device_decodes_as_its_owner_says_and_after_a_reset() {
    let mut owner = Owner::new(Intx::Denied);
    assert_eq!(owner.read(0x04, 2), 0x402);
    owner.write(0x04, 2, 0xffff);
    assert_eq!(owner.read(0x04, 2), 0x546);
    assert_eq!(owner.truth(0x04, 2) & 0x1, 0, "no I/O");
    assert!(
        owner
            .bench
            .model
            .with_fabric(|fabric| fabric.masters(DEVICE))
    );
    owner.write(0x04, 2, 0);
    assert_eq!(owner.read(0x04, 2), 0x400, "memory is off for the owner");
    assert_eq!(owner.truth(0x04, 2), 0x400, "and for the device");
    assert!(
        !owner
            .bench
            .model
            .with_fabric(|fabric| fabric.masters(DEVICE))
    );
    // Through a sleep too.
    owner.write(POWER + 4, 2, 3);
    owner.write(POWER + 4, 2, 0);
    assert_eq!(owner.read(0x04, 2), 0x400);
    assert_eq!(owner.truth(0x04, 2), 0x400);
    // The byte above is written by itself.
    owner.write(0x05, 1, 1);
    assert_eq!(owner.truth(0x04, 2), 0x500);
    owner.write(0x04, 2, 2);
    assert_eq!(owner.truth(0x04, 2), 0x402);
    let real = owner.bars[0] - 0x8000_0000 + Model::MMIO1;
    owner.bench.model.write32(real, 5);
    assert_eq!(owner.bench.model.read32(real), 5);
    // A reset has it decode, so that the hypervisor can set it up; the owner sees what it would see of the function.
    owner.write(0x04, 2, 0);
    assert_eq!(owner.guest.start_flr(&mut owner.bench.host), Ok(Some(100)));
    assert_eq!(owner.read(0x04, 2), 0x400);
    assert_eq!(owner.truth(0x04, 2), 0x402);
    owner.bench.good();
}

fn intx_is_its_owners_only_if_granted() {
    let mut denied = Owner::new(Intx::Denied);
    assert_eq!(denied.read(0x3d, 1), 0);
    denied.write(0x04, 2, 0x6);
    assert_eq!(denied.truth(0x04, 2) & 0x400, 0x400);
    let mut granted = Owner::new(Intx::Granted);
    assert_eq!(granted.read(0x3c, 2), 0x100);
    granted.write(0x04, 2, 0x6);
    assert_eq!(granted.truth(0x04, 2), 0x6);
}

fn messages_are_the_hypervisors_to_set_and_the_owners_to_enable() {
    let mut owner = Owner::new(Intx::Denied);
    owner.write(MSI + 2, 2, 1);
    assert_eq!(
        owner.truth(MSI + 2, 2) & 1,
        0,
        "there is nothing to enable yet"
    );
    owner
        .guest
        .set_msi(&mut owner.bench.host, &block(4), MsiKind::Msi)
        .expect("it has four");
    let words = |owner: &mut Owner| [4, 8, 12].map(|by| owner.read(MSI + by, 4));
    assert_eq!(words(&mut owner), [0x400, 0x1000_0000, 8]);
    for attack in [4, 8, 12] {
        owner.write(MSI + attack, 4, 0xdead_beec);
    }
    assert_eq!(words(&mut owner), [0x400, 0x1000_0000, 8]);
    owner.write(MSI + 2, 2, 0x71);
    assert_eq!(
        owner.read(MSI + 2, 2),
        0x1a5,
        "enabled; the count is what was given"
    );
    owner.write(MSI + 16, 4, 0xf);
    assert_eq!(owner.truth(MSI + 16, 4), 0xf, "the mask is the owner's");
    owner
        .guest
        .set_msi(&mut owner.bench.host, &block(1), MsiKind::Msi32)
        .expect("it has one");
    assert_eq!(words(&mut owner), [0xffff_0400, 0, 8]);
    owner
        .guest
        .clear_msi(&mut owner.bench.host)
        .expect("it answers");
    assert_eq!(owner.truth(MSI + 2, 2) & 0x71, 0);
    assert_eq!(
        owner
            .guest
            .set_msi(&mut owner.bench.host, &block(8), MsiKind::Msi),
        Err(MsiSetupError::Count)
    );
    assert_eq!(
        owner
            .guest
            .set_msi(&mut owner.bench.host, &block(3), MsiKind::Msi),
        Err(MsiSetupError::Count)
    );
}

fn an_msix_table_is_filled_through_its_bar() {
    let mut owner = Owner::new(Intx::Denied);
    // As Linux does: enabled and all masked before the messages are asked for.
    owner.write(MSIX + 2, 2, 0xc000);
    assert_eq!(owner.read(MSIX + 2, 2), 0xc00f);
    let blocks = [
        block(2),
        MsiBlock {
            data: 0,
            address64: 1 << 60 | 0x600,
            ..block(1)
        },
    ];
    let table = owner.bars[0] - 0x8000_0000 + Model::MMIO1 + 0x4000;
    let model = owner.bench.model;
    model.write32(table + 16 + 12, 1);
    owner
        .guest
        .set_msix(&mut owner.bench.host, &model, &blocks)
        .expect("16 entries");
    let entry = |index: u64| [0, 4, 8, 12].map(|by| model.read32(table + 16 * index + by));
    assert_eq!(entry(0), [0x400, 0x1000_0000, 8, 0]);
    assert_eq!(entry(1), [0x400, 0x1000_0000, 9, 1], "masked as before");
    assert_eq!(entry(2), [0x600, 0x1000_0000, 0, 0]);
    assert_eq!(entry(3), [0; 4]);
    owner.write(MSIX + 2, 2, 0x8000);
    assert_eq!(owner.read(MSIX + 2, 2), 0x800f);
    owner.write(MSIX + 4, 4, 0x5000);
    assert_eq!(owner.read(MSIX + 4, 4), 0x4000, "the table stays");
    let many = [block(16), block(1)];
    assert_eq!(
        owner.guest.set_msix(&mut owner.bench.host, &model, &many),
        Err(MsiSetupError::Count)
    );
    owner.write(POWER + 4, 2, 3);
    let asleep = owner.guest.set_msix(&mut owner.bench.host, &model, &blocks);
    assert_eq!(
        asleep,
        Err(MsiSetupError::Asleep),
        "no access to a device that does not answer"
    );
    owner.bench.good();
}

/// Remembers what is stored, in order.
#[derive(Default)]
struct Recorder(core::cell::RefCell<Vec<(u64, u32)>>);

impl MmioIo for Recorder {
    fn read32(&self, _: u64) -> u32 {
        0
    }
    fn write32(&self, real: u64, value: u32) {
        self.0.borrow_mut().push((real, value));
    }
}

fn an_msix_entry_changes_only_while_it_is_masked() {
    let mut owner = Owner::new(Intx::Denied);
    let recorder = Recorder::default();
    owner
        .guest
        .set_msix(&mut owner.bench.host, &recorder, &[block(1)])
        .expect("16 entries");
    let stores = recorder.0.into_inner();
    let table = owner.bars[0] - 0x8000_0000 + Model::MMIO1 + 0x4000;
    assert_eq!(stores.first(), Some(&(table + 12, 1)));
    assert_eq!(stores.last(), Some(&(table + 12, 0)));
    assert_eq!(stores.len(), 5);
}

fn a_function_that_resets_itself_gets_back_what_it_lost() {
    for wake in [false, true] {
        let mut owner = Owner::new(Intx::Denied);
        owner
            .guest
            .set_msi(&mut owner.bench.host, &block(2), MsiKind::Msi)
            .expect("it has");
        if wake {
            owner.write(POWER + 4, 2, 3);
            owner.write(POWER + 4, 2, 0);
        } else {
            let control = owner.read(EXPRESS + 8, 2);
            owner.write(EXPRESS + 8, 2, control | 0x8000);
        }
        assert_eq!(
            owner
                .bench
                .model
                .with_fabric(|fabric| fabric.device(DEVICE).resets),
            1
        );
        assert_eq!(owner.truth(0x10, 4), 0, "it was lost");
        assert_eq!(u64::from(owner.read(0x10, 4)), owner.bars[0]);
        assert_eq!(u64::from(owner.truth(0x10, 4)), owner.bars[0]);
        assert_eq!(owner.truth(0x18, 4) & !0xf, owner.bars[1] as u32);
        assert_eq!(
            owner.truth(0x04, 2),
            0x402,
            "it decodes, and INTx stays off"
        );
        assert_eq!(owner.truth(MSI + 12, 2), 8);
        owner.bench.good();
    }
}

fn the_hypervisor_can_reset_the_function_itself() {
    let mut owner = Owner::new(Intx::Denied);
    owner.write(0x04, 2, 6);
    assert_eq!(owner.guest.start_flr(&mut owner.bench.host), Ok(Some(100)));
    assert_eq!(owner.read(0x04, 2), 0x400);
    assert_eq!(u64::from(owner.truth(0x10, 4)), owner.bars[0]);
    owner.write(0x04, 2, 6);
    owner
        .guest
        .restart(&mut owner.bench.host)
        .expect("it answers");
    assert_eq!((owner.read(0x04, 2), owner.truth(0x04, 2)), (0x402, 0x402));
}

fn express_control_gives_what_harms_nobody() {
    let mut owner = Owner::new(Intx::Denied);
    owner.write(EXPRESS + 8, 2, 0x7fff);
    // Not the payload size (7:5), phantom functions (9), auxiliary power (10), no snoop (11).
    assert_eq!(owner.truth(EXPRESS + 8, 2), 0x711f);
    owner.write(EXPRESS + 0x28, 2, 0xffff);
    assert_eq!(owner.truth(EXPRESS + 0x28, 2), 0x1f);
    owner.write(EXPRESS + 0x10, 2, 0xffff);
    assert_eq!(
        owner.truth(EXPRESS + 0x10, 2),
        0,
        "the link is not the function's"
    );
}

fn vital_product_data_is_read_and_never_written() {
    let mut owner = Owner::new(Intx::Denied);
    owner.write(VPD + 2, 2, 0x8123);
    assert_eq!(owner.truth(VPD + 2, 2), 0x0123);
    owner.write(VPD + 4, 4, 0xdead_beef);
    assert_eq!(owner.truth(VPD + 4, 4), 0);
    // The device says that a read is done by the bit that starts a write.
    let host = &mut owner.bench.host;
    let bdf = owner.guest.bdf();
    host.cfg_write(
        bdf,
        ioda::CfgOffset::at(VPD as u16 + 2),
        ioda::CfgWidth::Half,
        0x8123,
    )
    .expect("written");
    owner.write(VPD + 2, 1, 0x44);
    owner.write(VPD + 3, 1, 0x01);
    assert_eq!(owner.truth(VPD + 2, 2), 0x0144);
}

fn capabilities_that_break_out_are_not_there() {
    let mut owner = Owner::new(Intx::Denied);
    let mut chain = Vec::new();
    let mut at = owner.read(0x34, 1);
    while at != 0 {
        chain.push(owner.read(at, 1));
        at = owner.read(at + 1, 1);
    }
    assert_eq!(
        chain,
        [0x01, 0x05, 0x11, 0x03, 0x10],
        "no enhanced allocation"
    );
    let mut extended = Vec::new();
    let mut at = AER;
    while at != 0 {
        let header = owner.read(at, 4);
        extended.push(header & 0xffff);
        at = header >> 20;
    }
    assert_eq!(extended, [0x01, 0x03], "no virtual functions");
    let before = owner.image();
    owner.write(0x150, 4, 0x19);
    assert_eq!(owner.image(), before, "nor can they be switched on blindly");
    owner.write(AER + 0x0c, 4, 0x1234);
    assert_eq!(owner.truth(AER + 0x0c, 4), 0x1234);
    owner.write(AER + 0x18, 4, 0xffff);
    assert_eq!(owner.truth(AER + 0x18, 4), 0);
}

fn a_hidden_first_extended_capability_leaves_those_behind_it() {
    let hidden = Device::endpoint(0x8086, 1, 0).with_express(0, 0);
    let hidden = hidden
        .with_extended(0x10, 0x40, &[])
        .with_extended(0x0f, 8, &[])
        .with_extended(0x03, 12, &[]);
    let mut fabric = Fabric::new(root());
    fabric.add(0, 0, hidden);
    let mut bench = Bench::new(fabric);
    let (topology, plan) = bench.planned();
    let mut guest = GuestFunction::new(&topology.functions[1], &plan.functions[1], Intx::Denied)
        .expect("a device");
    let header = guest.read(&mut bench.host, 0x100, 4).expect("it answers");
    assert_eq!(header, 0x1480_0000, "of no kind, and past the second");
    assert_eq!(guest.read(&mut bench.host, 0x148, 4), Ok(0x0001_0003));
}

fn everything_not_listed_is_read_only() {
    let mut owner = Owner::new(Intx::Denied);
    let before = owner.image();
    // What the list allows to change is left out.
    let listed = [
        0x04,
        0x0c,
        0x3c,
        POWER + 4,
        MSI + 16,
        MSIX,
        VPD,
        EXPRESS + 8,
        EXPRESS + 0x28,
        AER + 8,
        AER + 12,
        AER + 20,
    ];
    for word in (0..0x1000).step_by(4).filter(|word| !listed.contains(word)) {
        owner.write(word, 4, u32::MAX);
        owner.write(word, 4, 0);
    }
    assert_eq!(owner.image(), before);
    owner.bench.good();
}

fn status_bits_clear_one_by_one() {
    let mut owner = Owner::new(Intx::Denied);
    owner.bench.model.with_fabric(|fabric| {
        let device = fabric
            .device_mut(DEVICE)
            .clone()
            .with_config(0x06, 2, 0xf910);
        *fabric.device_mut(DEVICE) = device;
    });
    owner.write(0x06, 2, 0x4000);
    assert_eq!(owner.read(0x06, 2), 0xb910);
    owner.write(0x04, 2, 0x6);
    assert_eq!(
        owner.read(0x06, 2),
        0xb910,
        "a write of the command clears none"
    );
    owner.write(0x04, 4, 0x0000_0006);
    assert_eq!(owner.read(0x06, 2), 0xb910);
}

fn accesses_that_are_none_are_refused() {
    let mut owner = Owner::new(Intx::Denied);
    let host = &mut owner.bench.host;
    for (at, bytes) in [
        (1, 2),
        (2, 4),
        (0, 3),
        (0, 8),
        (0, 0),
        (0x1000, 1),
        (u32::MAX, 4),
    ] {
        assert_eq!(owner.guest.read(host, at, bytes), Err(Refusal::Parameter));
        assert_eq!(
            owner.guest.write(host, at, bytes, 0),
            Err(Refusal::Parameter)
        );
    }
    assert_eq!(owner.guest.read(host, 0xffc, 4), Ok(0));
    owner.bench.model.fence();
    assert_eq!(owner.guest.read(host, 0, 4), Err(Refusal::Hardware));
    host.reset(ioda::ResetKind::Complete);
    assert_eq!(owner.guest.read(host, 0, 4), Err(Refusal::Busy));
}

cases::cases!(
    who_is_stopped_does_not_decode_whatever_its_owner_or_a_reset_does,
    who_goes_on_while_in_reset_decodes_once_it_is_back,
    what_a_reset_of_its_bus_undid_is_put_back,
    bars_can_be_sized_and_never_move,
    the_device_decodes_as_its_owner_says_and_after_a_reset,
    intx_is_its_owners_only_if_granted,
    messages_are_the_hypervisors_to_set_and_the_owners_to_enable,
    an_msix_table_is_filled_through_its_bar,
    an_msix_entry_changes_only_while_it_is_masked,
    a_function_that_resets_itself_gets_back_what_it_lost,
    the_hypervisor_can_reset_the_function_itself,
    express_control_gives_what_harms_nobody,
    vital_product_data_is_read_and_never_written,
    capabilities_that_break_out_are_not_there,
    a_hidden_first_extended_capability_leaves_those_behind_it,
    everything_not_listed_is_read_only,
    status_bits_clear_one_by_one,
    accesses_that_are_none_are_refused,
);
