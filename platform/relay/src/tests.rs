//! The P7IOC's driver over the relay, with a model of a PHB3 for the real bridge.

mod stopped;

use super::*;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use ioda::{
    BeU64, CfgOffset, CfgWidth, DmaTable, DmaWindow, Event, Freeze, Inject, InjectAccess,
    InjectRepeat, InjectTarget, Injection, Ioda, Irq, IrqBackend, M32Segment, MsiSource, PhbId,
    ResetKind, RidSel, Step, TceFlush, TceRange, TceTable,
};
use ioda_model::{Device, Fabric, Kind, Phb3 as Chip};
use p7ioc::hub::{Facts, Hub, Processor, Units};
use phb3::on_model::Memory;
use phb3::{Bases, Pbcq};

type Regs = RelayRegs<&'static Chip, &'static Chip>;

/// The real bridge, and which of the hub's stands for it.
const PHB: u8 = 1;
const TREES: u64 = 0x80_0000;

const LEFT: usize = 4;
const RIGHT: usize = 5;
const LEFT_BDF: Bdf = Bdf::new(3, 0, 0);
const RIGHT_BDF: Bdf = Bdf::new(4, 0, 0);
/// In segments 2 and 3 of the P7IOC's window.
const LEFT_PCI: u32 = 0xc100_0000;
const RIGHT_PCI: u32 = 0xc180_0000;
const PE_LEFT: PeNumber = PeNumber(17);
const PE_RIGHT: PeNumber = PeNumber(101);
const SLOT: usize = 0x1_0000;

fn leak<T>(make: impl Fn() -> T, count: usize) -> &'static [T] {
    Vec::leak((0..count).map(|_| make()).collect())
}

fn fabric() -> Fabric {
    let mut fabric = Fabric::new(Device::bridge(0x1014, 0x03dc, 4));
    let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
    let left = fabric.add(up, 0, Device::bridge(0x104c, 0x8233, 6));
    let right = fabric.add(up, 0x08, Device::bridge(0x104c, 0x8233, 6));
    let device = || {
        Device::endpoint(0x1234, 0x11e8, 0x00ff00)
            .with_bar32(0, 1 << 20)
            .with_msi(0)
            .with_express(0, 0)
    };
    assert_eq!(fabric.add(left, 0, device()), LEFT);
    assert_eq!(fabric.add(right, 0, device()), RIGHT);
    fabric
}

struct Bench {
    chip: &'static Chip,
    relay: &'static Relay<&'static Chip, &'static Chip>,
    port: RelayPort<&'static Chip, &'static Chip>,
    phb: p7ioc::Phb<Regs>,
}

fn run(mut poll: impl FnMut() -> Result<Step, ioda::ResetError>) {
    for _ in 0..10_000 {
        if poll().expect("it starts") == Step::Done {
            return;
        }
    }
    panic!("it never ends");
}

fn real_bridge(
    fabric: Fabric,
) -> (
    &'static Chip,
    Phb3<&'static Chip, &'static Chip>,
    &'static Port<&'static Chip>,
) {
    let chip: &'static Chip = Box::leak(Box::new(Chip::new(Kind::Emulator, fabric)));
    let tables = Memory::leak().attach(chip);
    let id = PhbId { chip: 0, index: 0 };
    chip.number_interrupts(numbering(PHB).base);
    let pbcq = Pbcq::open_numbered(chip, id, Bases::of(0), numbering(PHB)).expect("it answers");
    let port = &*Box::leak(Box::new(Port::new(chip, pbcq.irq_base(), &tables)));
    let mut phb = Phb3::new(pbcq, port, tables).expect("the tables are good");
    run(|| phb.poll());
    (chip, phb, port)
}

impl Bench {
    fn new() -> Self {
        Self::over(fabric())
    }

    fn over(fabric: Fabric) -> Self {
        let (chip, phb3, port) = real_bridge(fabric);
        let m32 = phb3.pbcq().layout().m32.real + M32_OFFSET;
        let trees = leak(|| BeU64::new(0), Trees::ENTRIES);
        chip.add_memory(TREES, Box::new(trees));
        let trees = Trees::new(DmaTable {
            cells: trees,
            real: TREES,
        })
        .expect("enough");
        let index = bridge_of(PHB).expect("one of three");
        let root = Device::bridge(0x1014, 0x03b9, 4).with_config(0x08, 4, 0x1200_0001);
        let model = P7ioc::new(index, Fabric::new(root));
        let relay = &*Box::leak(Box::new(Relay::new(model, phb3, port, trees)));
        relay.attach();
        let regs = |block| relay.regs(block);
        let units = Box::leak(Box::new(Units::new(
            regs(P7iocBlock::Bus),
            regs(P7iocBlock::Crossbar),
            regs(P7iocBlock::Global),
        )));
        let facts = Facts {
            chip: 0,
            gx: 0,
            processor: Processor::Power7,
            gx_bar1: P7ioc::BAR1,
            gx_bar2: P7ioc::BAR2,
            buid_ext: P7ioc::BUID_EXT,
            presence: Some(0x80 >> index),
        };
        let mut hub = Hub::new(facts, units).expect("good facts");
        run(|| hub.poll());
        let mut layout = facts.phbs().next().expect("the one");
        layout.m32 = m32.wrapping_sub(0xc000_0000);
        let p7 = &*Box::leak(Box::new(p7ioc::Port::new(regs(P7iocBlock::Aib), &layout)));
        let hub_port = hub.port(index).expect("there");
        let mut phb = p7ioc::Phb::new(layout, regs(P7iocBlock::Asb), p7, hub_port);
        run(|| phb.poll());
        let mut bench = Self {
            chip,
            relay,
            port: RelayPort::new(relay, p7, phb.caps().m32),
            phb,
        };
        bench.place();
        bench.good();
        bench
    }

    fn place(&mut self) {
        for (bdf, buses) in [
            (Bdf::new(0, 0, 0), 0x0004_0100),
            (Bdf::new(1, 0, 0), 0x0004_0201),
            (Bdf::new(2, 0, 0), 0x0003_0302),
            (Bdf::new(2, 1, 0), 0x0004_0402),
        ] {
            self.write(bdf, 0x18, buses);
            if bdf.bus() != 0 {
                self.write(bdf, 0x20, 0xfff0_c000);
            }
            self.write(bdf, 0x04, 0x6);
        }
        for (bdf, pci) in [(LEFT_BDF, LEFT_PCI), (RIGHT_BDF, RIGHT_PCI)] {
            self.write(bdf, 0x10, pci);
            self.write(bdf, 0x04, 0x6);
        }
    }

    fn write(&mut self, bdf: Bdf, at: u16, value: u32) {
        self.phb
            .cfg_write(bdf, CfgOffset::at(at), CfgWidth::Word, value)
            .expect("it is written");
    }

    fn own(&mut self, bdf: Bdf, pe: PeNumber, real: u64) -> (DmaWindow, TceTable) {
        self.phb.assign_pe(RidSel::one(bdf), pe).expect("free");
        let cells = leak(|| BeU64::new(0), SLOT);
        self.chip.add_memory(real, Box::new(cells));
        let table = TceTable::new(cells, real, 12).expect("a good table");
        (
            self.phb.dma_create(pe, &table, None).expect("a slot"),
            table,
        )
    }

    fn both(&mut self) -> [(DmaWindow, TceTable); 2] {
        [
            self.own(LEFT_BDF, PE_LEFT, 0x100_0000),
            self.own(RIGHT_BDF, PE_RIGHT, 0x200_0000),
        ]
    }

    fn map(&self, (window, table): &(DmaWindow, TceTable), page: usize, tce: u64) {
        table.cells[page].store(tce);
        let first = page as u64;
        self.port
            .tce_flush(window, TceRange::Pages { first, count: 1 });
    }

    /// Nothing that the P7IOC's driver or the real bridge's did was wrong.
    fn good(&self) {
        assert_eq!(self.relay.model().complaints(), Vec::<String>::new());
        assert_eq!(self.chip.complaints(), Vec::<String>::new());
    }

    fn real_of(&self, pci: u32) -> u64 {
        self.phb.caps().m32.real + u64::from(pci - 0xc000_0000)
    }
}

#[test]
fn each_device_reaches_its_pages_at_its_slots_address() {
    let mut bench = Bench::new();
    let [left, right] = bench.both();
    assert_eq!((left.0.bus_base, right.0.bus_base), (0, 1 << 28));
    bench.map(&left, 1, 0x4000_5003);
    bench.map(&right, 0xffff, 0x5000_6003);
    assert_eq!(bench.chip.dma_write(LEFT, 0x1008), Ok(0x4000_5008));
    assert_eq!(bench.chip.dma_read(RIGHT, 0x1fff_fff8), Ok(0x5000_6ff8));
    // The other's slot is nothing to it, at any distance.
    for address in [0x1fff_f000, 1 << 32 | 0x1000, 1 << 39 | 0x1000, 0x3000_0000] {
        assert!(bench.chip.dma_read(LEFT, address).is_err(), "{address:#x}");
        bench
            .relay
            .real
            .lock()
            .phb
            .thaw(PE_LEFT, Freeze::all())
            .expect("thawed");
    }
    assert!(bench.chip.dma_read(RIGHT, 0x1000).is_err());
    bench
        .relay
        .real
        .lock()
        .phb
        .thaw(PE_RIGHT, Freeze::all())
        .expect("thawed");
    // Unmapped is out of reach after the kill.
    bench.map(&left, 1, 0);
    assert!(bench.chip.dma_read(LEFT, 0x1000).is_err());
    bench.good();
}

#[test]
fn a_closed_window_reaches_nothing_and_its_slot_serves_another() {
    let mut bench = Bench::new();
    let [left, _] = bench.both();
    bench.map(&left, 0, 0x4000_5003);
    assert!(bench.chip.dma_read(LEFT, 0).is_ok());
    bench.phb.dma_destroy(&left.0).expect("closed");
    assert!(bench.chip.dma_read(LEFT, 0).is_err());
    let again = bench
        .phb
        .dma_create(PE_RIGHT, &left.1, None)
        .expect("the slot");
    assert_eq!(again.bus_base, 0);
    assert_eq!(bench.chip.dma_read(RIGHT, 0), Ok(0x4000_5000));
    bench.good();
}

#[test]
fn messages_have_the_p7iocs_numbers_and_come_from_their_owner_alone() {
    let mut bench = Bench::new();
    bench.both();
    let block = bench.phb.msi_alloc(PE_LEFT, 4).expect("four");
    let given = bench
        .relay
        .message_block(LEFT_BDF, &block)
        .expect("its own");
    assert_eq!(
        bench.relay.message_block(RIGHT_BDF, &block),
        Err(Refusal::ForeignEntry)
    );
    assert_eq!(given.first, block.first);
    let irq = Irq(block.first.0 + 2);
    bench.port.set_target(irq, 8, 0x28);
    let data = u32::from(given.data) + 2;
    let wide = given.address64;
    bench.chip.message(LEFT, wide, data).expect("taken");
    let came = bench.chip.deliveries();
    assert_eq!(
        (came.len(), came[0].irq, came[0].server, came[0].priority),
        (1, irq.0, 8, 0x28)
    );
    // A second one waits until the first has ended.
    bench
        .chip
        .message(LEFT, given.address32.into(), data)
        .expect("taken");
    assert!(bench.chip.deliveries().is_empty());
    bench.port.eoi(irq);
    assert_eq!(bench.chip.deliveries().len(), 1);
    bench.port.eoi(irq);
    assert!(bench.chip.message(RIGHT, wide, data).is_err());
    assert!(bench.chip.deliveries().is_empty());
    bench.phb.msi_free(&block).expect("given back");
    assert!(bench.chip.message(LEFT, wide, data).is_err());
    bench.good();
}

#[test]
fn level_interrupts_have_the_p7iocs_numbers() {
    let bench = Bench::new();
    let irq = bench.port.irqs().start + 2;
    assert_eq!(irq, 0x21 << 13 | 0xc00 | 2);
    bench.port.set_target(Irq(irq), 9, 0x10);
    bench.chip.pull_intx(2);
    let came = bench.chip.deliveries();
    assert_eq!(
        (came[0].irq, came[0].server, came[0].priority),
        (irq, 9, 0x10)
    );
    bench.port.eoi(Irq(irq));
    bench.good();
}

#[test]
fn segments_lead_to_the_same_addresses_and_owners() {
    let mut bench = Bench::new();
    bench.phb.map_m32(M32Segment(2), PE_LEFT).expect("there");
    let real = bench.real_of(LEFT_PCI);
    assert_eq!(bench.chip.segment_pe(real), Some(PE_LEFT));
    assert_eq!(
        bench.chip.segment_pe(bench.real_of(RIGHT_PCI)),
        Some(REAL_RESERVED)
    );
    ioda::MmioIo::write32(bench.chip, real + 8, 7);
    assert_eq!(ioda::MmioIo::read32(bench.chip, real + 8), 7);
    bench.good();
}

#[test]
fn a_stopped_endpoint_is_stopped_below_and_nobody_else_is() {
    let mut bench = Bench::new();
    let [left, right] = bench.both();
    for (segment, pe) in [(2, PE_LEFT), (3, PE_RIGHT)] {
        bench.phb.map_m32(M32Segment(segment), pe).expect("there");
    }
    bench.map(&left, 0, 0x4000_5003);
    bench.map(&right, 0, 0x5000_6003);
    let block = bench.phb.msi_alloc(PE_LEFT, 1).expect("one");
    let given = bench
        .relay
        .message_block(LEFT_BDF, &block)
        .expect("its own");
    bench.phb.freeze(PE_LEFT, Freeze::all()).expect("there");
    let state = |bench: &Bench, index| {
        let base = if index == LEFT { 0 } else { 1 << 28 };
        let decodes = bench
            .chip
            .with_fabric(|fabric| fabric.device(index).get(4, 2) & 2 != 0);
        (bench.chip.dma_read(index, base).is_ok(), decodes)
    };
    assert_eq!(state(&bench, LEFT), (false, false));
    assert_eq!(state(&bench, RIGHT), (true, true));
    assert!(
        bench
            .chip
            .message(LEFT, given.address64, given.data.into())
            .is_err()
    );
    assert!(bench.relay.is_dark(2) && !bench.relay.is_dark(3));
    // Its owner still sees the command register as it was left, and may change it.
    let read = |bench: &mut Bench| {
        bench
            .phb
            .cfg_read(LEFT_BDF, CfgOffset::at(4), CfgWidth::Half)
    };
    assert_eq!(read(&mut bench), Ok(6));
    bench.phb.thaw(PE_LEFT, Freeze::MMIO).expect("there");
    assert_eq!(state(&bench, LEFT), (false, true));
    assert!(!bench.relay.is_dark(2));
    bench.phb.thaw(PE_LEFT, Freeze::DMA).expect("there");
    // What the real bridge stopped by itself meanwhile is its own.
    bench
        .relay
        .real
        .lock()
        .phb
        .thaw(REAL_RESERVED, Freeze::all())
        .expect("thawed");
    assert_eq!(state(&bench, LEFT), (true, true));
    bench.good();
}

#[test]
fn a_complete_reset_brings_everything_back() {
    let mut bench = Bench::new();
    let [left, right] = bench.both();
    bench.map(&left, 0, 0x4000_5003);
    bench.map(&right, 0, 0x5000_6003);
    let block = bench.phb.msi_alloc(PE_RIGHT, 1).expect("one");
    bench.port.set_target(block.first, 8, 0x28);
    bench.phb.reset(ResetKind::Complete);
    run(|| bench.phb.poll());
    assert!(bench.chip.dma_read(LEFT, 0).is_err(), "it masters no more");
    bench.place();
    assert_eq!(bench.chip.dma_read(LEFT, 0), Ok(0x4000_5000));
    assert_eq!(bench.chip.dma_read(RIGHT, 1 << 28), Ok(0x5000_6000));
    let given = bench
        .relay
        .message_block(RIGHT_BDF, &block)
        .expect("its own");
    bench
        .chip
        .message(RIGHT, given.address64, given.data.into())
        .expect("taken");
    assert_eq!(bench.chip.deliveries().len(), 1);
    bench.good();
}

#[test]
fn a_fence_lets_nothing_through() {
    let mut bench = Bench::new();
    let [left, _] = bench.both();
    bench.map(&left, 0, 0x4000_5003);
    bench.relay.model().fence();
    // The next access to it has the real bridge follow.
    assert_eq!(bench.phb.next_event(), Some(Event::Fenced));
    bench.phb.clear_errors();
    assert!(bench.chip.dma_read(LEFT, 0).is_err());
}

#[test]
fn an_injected_error_stops_the_endpoint_that_it_names_at_once() {
    let mut bench = Bench::new();
    let [left, right] = bench.both();
    bench.map(&left, 0, 0x4000_5003);
    bench.map(&right, 0, 0x5000_6003);
    let injection = Injection {
        target: InjectTarget::Dma(left.0.tve),
        access: InjectAccess::Write,
        repeat: InjectRepeat::Once,
    };
    bench.phb.inject(PE_LEFT, injection).expect("armed");
    assert_eq!(bench.phb.freeze_state(PE_LEFT), Freeze::all());
    assert_eq!(bench.phb.freeze_state(PE_RIGHT), Freeze::empty());
    assert!(bench.chip.dma_read(LEFT, 0).is_err());
    assert!(bench.chip.dma_read(RIGHT, 1 << 28).is_ok());
    assert_eq!(bench.phb.next_event(), Some(Event::Frozen(PE_LEFT)));
    bench.phb.thaw(PE_LEFT, Freeze::all()).expect("thawed");
    bench
        .relay
        .real
        .lock()
        .phb
        .thaw(REAL_RESERVED, Freeze::all())
        .expect("thawed");
    assert!(bench.chip.dma_read(LEFT, 0).is_ok());
    bench.good();
}
