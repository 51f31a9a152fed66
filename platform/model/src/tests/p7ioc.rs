//! What only the P7IOC has: copies of filters, the hub, resets that lose everything.

use super::rig7::{INDEX, Rig7, start};
use super::*;
use crate::{Act, HubUnit, P7iocBlock, Reached};
use ioda::{Reg64, RegIo};

const GEM: u32 = 0x3e_0028;

fn mapped() -> Rig7 {
    let rig = start();
    for cells in rig.tces() {
        cells[0].store(0x4000_0003);
    }
    rig
}

fn a_window_and_a_message_go_by_their_copies_of_the_filter() {
    let rig = mapped();
    // The requester table forgets the left device; what was copied does not.
    rig.entry(
        6,
        PE_LEFT.into(),
        [1 << 48 | 7 << 45 | bit(19) | bit(20), 0],
    );
    assert!(rig.model.act(LEFT, Act::Read(0)).result.is_ok());
    let (address, data) = rig.message(PE_LEFT);
    let sent = rig.model.act(LEFT, Act::Message { address, data });
    assert_eq!(sent.result, Ok(Reached::Interrupt));
    // Its errors are nobody's now.
    rig.model.act(LEFT, Act::Error(crate::Severity::Fatal));
    assert_eq!(rig.model.frozen(PE_LEFT), Freeze::empty());
    assert_eq!(rig.model.frozen(127), Freeze::all());
}

fn filters_compare_what_they_say_and_the_lowest_entry_wins() {
    let rig = start();
    let sorted = |bus, device, function| rig.model.endpoint(Rid::new(bus, device, function)).0;
    // The upper three bits of the bus; bus 32 to 63 then.
    rig.entry(6, 5, [32 << 56 | 2 << 45, 0]);
    assert_eq!((sorted(63, 3, 1), sorted(64, 3, 1)), (5, 127));
    // All of the bus and the function.
    rig.entry(6, 4, [33 << 56 | 7 << 45 | 2 << 48 | bit(20), 0]);
    assert_eq!((sorted(33, 9, 2), sorted(33, 9, 3)), (4, 5));
    // Any bus: the device.
    rig.entry(6, 3, [7 << 51 | bit(19), 0]);
    assert_eq!((sorted(33, 7, 2), sorted(200, 7, 0)), (3, 3));
    good(&rig, "filters");
    // One bit of the bus is not defined.
    rig.entry(6, 2, [1 << 45, 0]);
    assert_eq!(rig.model.complaints().len(), 1);
    assert_eq!(sorted(200, 1, 0), 127);
}

fn messages_need_a_valid_entry_a_number_and_the_same_endpoint_in_both() {
    let rig = start();
    for (address, data, why) in [
        (9 << 60 | 40 << 48, 17, Refusal::NoEntry),
        (9 << 60 | 256 << 48, 17, Refusal::NoEntry),
        (0xffff_ffff, 17, Refusal::NoEntry),
        (9 << 60 | 101 << 48, 101, Refusal::ForeignEntry),
        (9 << 60 | 17 << 48, 101, Refusal::ForeignMessage),
        (9 << 60 | 17 << 48, 256, Refusal::NoMessage),
        (9 << 60 | 17 << 48, u32::MAX, Refusal::NoMessage),
    ] {
        let outcome = rig.model.act(LEFT, Act::Message { address, data });
        assert_eq!(outcome.result, Err(why), "{outcome}");
        assert_eq!(rig.model.frozen(PE_LEFT), Freeze::all());
        assert_eq!(rig.model.frozen(PE_RIGHT), Freeze::empty());
        recover(&rig, PE_LEFT);
    }
    let sent = rig.model.act(
        LEFT,
        Act::Message {
            address: 0xffff_0000 | 17 << 4,
            data: 17,
        },
    );
    assert_eq!(sent.result, Ok(Reached::Interrupt));
    let irq = (0x21 << 9 | 0x61) << 4 | 1;
    let deliveries = rig.model.deliveries();
    assert_eq!(deliveries.len(), 1);
    assert_eq!((deliveries[0].irq, deliveries[0].server), (irq, 2));
    assert_eq!(deliveries[0].priority, 0x20);
    good(&rig, "messages");
}

fn io_segments_are_of_64_kib_and_m64_has_16_by_8() {
    let rig = start();
    let at = |real| rig.model.segment_pe(real).map(|pe| pe.0);
    let io = crate::P7ioc::BAR1 + (1 << 24);
    assert_eq!(at(io + 0x2_0000), Some(PE_LEFT));
    assert_eq!(at(io + 0x1_ffff), Some(127));
    let base = crate::P7ioc::BAR2 + 3 * 0x8_0000_0000;
    rig.entry(16, 15, [bit(0) | (base >> 24) << 32 | (0x100_0000 - 8), 0]);
    for segment in 0..8 {
        rig.entry(19, 15 * 8 + segment, [(20 + segment) << 57, 0]);
    }
    let pes: Vec<_> = (0..9).map(|segment| at(base + (segment << 24))).collect();
    let want: Vec<_> = (20..28).map(Some).chain([None]).collect();
    assert_eq!(pes, want);
    good(&rig, "windows");
    // Over another, outside the bridge's area, of no size: it can fence the bridge, or nobody knows.
    for entry in [
        bit(0) | (base >> 24) << 32 | (0x100_0000 - 1),
        bit(0) | (base >> 24) << 32,
        bit(0) | (crate::P7ioc::BAR2 >> 24) << 32 | (0x100_0000 - 1),
    ] {
        rig.entry(16, 0, [entry, 0]);
        assert_eq!(rig.model.complaints().len(), 1, "{entry:#x}");
    }
}

fn io_and_memory_are_spaces_of_their_own() {
    let rig = start();
    let io = crate::P7ioc::BAR1 + (1 << 24);
    rig.model.with_fabric(|fabric| {
        let device = fabric.device(RIGHT).clone().with_io_bar(1, 64);
        *fabric.device_mut(RIGHT) = device;
    });
    // Segment 3 of either window is the right endpoint's; the same address in memory is nobody's.
    for bdf in [Bdf::new(0, 0, 0), Bdf::new(1, 0, 0), Bdf::new(2, 1, 0)] {
        rig.config(bdf, 0x1c, Some(0xe0_31));
        rig.config(bdf, 0x30, Some(0x0003_0003));
        rig.config(bdf, 0x04, Some(0x7));
    }
    rig.config(RIGHT_BDF, 0x14, Some(0x3_4000));
    assert_eq!(
        Model::load(rig.model, io + 0x3_4000),
        Err(Refusal::Unclaimed)
    );
    recover(&rig, PE_RIGHT);
    rig.config(RIGHT_BDF, 0x04, Some(0x7));
    rig.model.store(io + 0x3_403c, 5).expect("it decodes");
    assert_eq!(Model::load(rig.model, io + 0x3_403c), Ok(5));
    assert_eq!(
        Model::load(rig.model, io + 0x3_4040),
        Err(Refusal::Unclaimed)
    );
    recover(&rig, PE_RIGHT);
    // Injection goes by 64 KiB there.
    rig.set(0x2b8, io + 0x3_0000);
    rig.set(0x2c0, 0xffff_ffff << 16);
    rig.set(0x2b0, bit(1) | bit(2) | bit(4));
    assert_eq!(
        Model::load(rig.model, io + 0x3_403c),
        Err(Refusal::Injected)
    );
    recover(&rig, PE_RIGHT);
    assert_eq!(Model::load(rig.model, rig.segment(RIGHT_SEGMENT)), Ok(0));
    good(&rig, "I/O");
}

fn entries_whose_meaning_is_not_known_are_complained_of() {
    let rig = start();
    let open = |shift: u64, page: u64| [0x200 << 16 | shift << 8, page << 40];
    for (table, index, entry) in [
        (9, 12, open(1, 1)),
        (9, 16, open(1, 1)),
        (9, 3, open(3, 1)),
        (9, 3, open(1, 5)),
        (9, 3, [0x200 << 16 | 1 << 13 | 1 << 8, 1 << 40]),
        (5, 3, [bit(0) | 1 << 40, 0]),
        (4, 3, [0xff << 32 | 1 << 4, 0]),
        (0, 3, [9, 0]),
    ] {
        rig.entry(table, index, entry);
        let said = rig.model.complaints();
        assert_eq!(said.len(), 1, "{table} {index} {entry:x?}: {said:?}");
    }
    rig.entry(9, 11, open(2, 1));
    good(&rig, "known");
    // A table has one word or two, and as many must come.
    rig.set(0x220, 9 << 48 | 3);
    rig.set(0x228, 0);
    rig.set(0x220, 18 << 48 | 3);
    rig.set(0x230, 0);
    rig.set(0x228, 0);
    assert_eq!(rig.model.complaints().len(), 2);
    rig.set(0x220, 18 << 48 | 3);
    rig.get(0x230);
    assert_eq!(rig.model.complaints().len(), 1, "no second word");
}

fn interrupts_need_aligned_sources_and_a_way_back() {
    let rig = start();
    let (address, data) = rig.message(PE_LEFT);
    let send = || rig.model.act(LEFT, Act::Message { address, data }).result;
    // Priority 0xff masks server 0 alone.
    rig.entry(
        4,
        data.into(),
        [1 << 40 | 0xff << 32 | u64::from(PE_LEFT) << 16, 0],
    );
    assert_eq!(send(), Ok(Reached::Interrupt));
    assert_eq!(rig.model.deliveries().len(), 1);
    good(&rig, "priority");
    rig.set(0x100, 0x50 << 48 | 0x68 << 32);
    assert_eq!(send(), Ok(Reached::Interrupt));
    assert_eq!(rig.model.complaints().len(), 1, "not a multiple of 16");
    rig.set(0x100, 0x50 << 48 | 0x60 << 32);
    rig.set_hub(0x3d_0400, bit(2 + u32::from(INDEX)) | bit(16));
    assert_eq!(send(), Ok(Reached::Interrupt));
    assert_eq!(rig.model.complaints().len(), 1, "no way back");
}

fn a_second_word_counts_for_the_entry_that_was_chosen_before_it() {
    let rig = start();
    rig.set(0x230, 1 << 40);
    rig.set(0x220, 9 << 48 | 3);
    rig.set(0x228, 0);
    assert_eq!(rig.model.complaints().len(), 1);
}

fn nothing_is_below_while_the_link_is_down() {
    let rig = start();
    let real = rig.segment(LEFT_SEGMENT);
    assert_eq!(Model::load(rig.model, real), Ok(0));
    rig.set(0x640, bit(1));
    assert_eq!(Model::load(rig.model, real), Err(Refusal::Unclaimed));
    recover(&rig, PE_LEFT);
    good(&rig, "link");
    rig.config(LEFT_BDF, 0, None);
    assert_eq!(rig.model.complaints().len(), 1);
    rig.set(0x640, 0);
    rig.model.take_link_down();
    assert_eq!(Model::load(rig.model, real), Err(Refusal::Unclaimed));
}

fn a_fence_takes_as_many_resets_as_it_takes_and_the_link_layer_a_while() {
    let rig = start();
    rig.model.fence_for(3);
    let own = bit(9 + 2 * (u32::from(INDEX) + 2)) | bit(32 + u32::from(INDEX));
    for left in [2, 1, 0] {
        assert!(!rig.model.is_open());
        rig.set_hub(0x3e_1c00, own);
        rig.set_hub(0x3e_1c00, 0);
        assert_eq!(rig.model.is_open(), left == 0);
    }
    good(&rig, "resets");
    rig.set(0x410, 0);
    assert_eq!(
        rig.model.complaints().len(),
        1,
        "the link layer is in reset"
    );
    rig.get(0x228);
    assert_eq!(rig.model.complaints().len(), 1, "the cores are held");
    rig.set(0x808, 0xe800 << 48);
    while rig.get(0x640) & bit(22) != 0 {}
    rig.set(0x410, 0);
    good(&rig, "started");
}

fn kills_are_posted_by_pairs_and_more_than_fit_still_arrive() {
    let rig = start();
    let [left, _] = rig.tces();
    let read = |page: u64| rig.model.act(LEFT, Act::Read(page << 12)).result;
    left[..200].iter().for_each(|cell| cell.store(0x4000_0003));
    assert!((0..200).all(|page| read(page).is_ok()));
    left[..200].iter().for_each(|cell| cell.store(0x5000_0003));
    for pair in 0..100 {
        rig.set(0x210, bit(0) | (LEFT_TABLE + 16 * pair));
    }
    let old = (0..200).filter(|page| read(*page) == Ok(Reached::Memory(0x4000_0000)));
    let old = old.count();
    assert!((1..100).contains(&old), "some wait, not all: {old}");
    rig.get(0x160);
    assert!((0..200).all(|page| read(page) == Ok(Reached::Memory(0x5000_0000))));
    good(&rig, "kills");
    rig.set(0x210, LEFT_TABLE);
    assert_eq!(rig.model.complaints().len(), 1);
}

fn error_registers_of_the_hub_have_their_aliases() {
    let rig = start();
    for base in [
        0x3e_1e00, 0x3c_0000, 0x3c_0050, 0x3e_a000, 0x3e_b000, 0x3d_0200, 0x3d_7200,
    ] {
        rig.set_hub(base, 0xf0);
        rig.set_hub(base + 0x08, !0x10);
        rig.set_hub(base + 0x10, 0x3);
        assert_eq!(rig.hub(base), 0xe3, "{base:#x}");
        assert_eq!(rig.hub(base + 0x18), u64::MAX, "masked out of reset");
        rig.set_hub(base + 0x20, 0xff);
        rig.set_hub(base + 0x28, 0x100);
        assert_eq!(rig.hub(base + 0x18), 0x1ff);
        rig.set_hub(base + 0x40, 0x55);
        assert_eq!(rig.hub(base + 0x40), 0x55);
    }
    good(&rig, "aliases");
    rig.hub(0x3c_0300);
    rig.set_hub(0x3e_4000, 1);
    rig.set_hub(0x3e_c010, 1);
    assert_eq!(rig.model.complaints().len(), 3);
}

fn gem_tells_of_units_whose_errors_are_not_masked() {
    for (unit, base, gem) in [
        (HubUnit::Global, 0x3e_1e00, 1),
        (HubUnit::BusUp, 0x3c_0000, 2),
        (HubUnit::BusDown, 0x3c_0050, 3),
        (HubUnit::Crossbar(0), 0x3d_0200, 4),
        (HubUnit::Crossbar(7), 0x3d_7200, 11),
        (HubUnit::Misc, 0x3e_a000, 24),
        (HubUnit::I2c, 0x3e_b000, 25),
    ] {
        let rig = start();
        rig.model.latch_hub(unit, bit(63));
        assert_eq!(rig.hub(base) & 1, 1);
        assert_eq!(rig.hub(GEM), 0, "{unit:?} is masked");
        rig.set_hub(base + 0x20, 0);
        rig.model.latch_hub(unit, bit(62));
        assert_eq!(rig.hub(GEM), bit(gem), "{unit:?}");
        rig.set_hub(GEM, 0);
        rig.set_hub(0x3e_0020, bit(gem));
        rig.model.latch_hub(unit, bit(62));
        assert_eq!(rig.hub(GEM), 0, "{unit:?} is masked in GEM");
        good(&rig, "GEM");
    }
    let rig = start();
    rig.set(0xc18, bit(3));
    rig.model.latch_errors(bit(3));
    assert_eq!(rig.hub(GEM), 0);
    rig.model.latch_errors(bit(4));
    assert_eq!(rig.hub(GEM), bit(16 + u32::from(INDEX)));
}

fn errors_of_a_port_fence_its_bridge_or_end_the_hub() {
    let port = INDEX + 2;
    for (port, errors, is_off) in [
        (port, bit(0), true),
        (port, bit(1), true),
        (port, bit(60), false),
        (port + 1, bit(0), false),
        (port + 1, bit(1), true),
    ] {
        let rig = mapped();
        rig.model.latch_hub(HubUnit::Crossbar(port), errors);
        let read = rig.model.act(LEFT, Act::Read(0)).result;
        assert_eq!(read == Err(Refusal::Off), is_off, "{port} {errors:#x}");
        assert_eq!(rig.model.is_open(), !is_off);
    }
    let rig = mapped();
    rig.model.kill_hub();
    assert_eq!(rig.hub(0x3e_0008), u64::MAX);
    assert_eq!(rig.hub(0x3e_1e00), u64::MAX);
    assert_eq!(rig.get(0x800), u64::MAX);
    assert!(!rig.model.is_open());
}

fn a_reset_by_the_hub_loses_everything_and_a_lesser_one_nothing() {
    let rig = mapped();
    assert!(rig.model.act(LEFT, Act::Read(0)).result.is_ok());
    // PERST, with the link taken down before.
    rig.set(0x640, bit(1));
    while rig.get(0x640) & bit(16) == 0 {}
    rig.set(0x808, rig.get(0x808) & !bit(2));
    rig.set(0x808, rig.get(0x808) | bit(2));
    good(&rig, "PERST");
    assert_eq!(rig.model.unwritten(), [(20, 0), (20, 1)]);
    assert_eq!(rig.config(Bdf::new(0, 0, 0), 0x18, None), 0);
    let forged = rig.model.forge(LEFT_BDF, Act::Read(0));
    assert_eq!(forged.result, Ok(Reached::Memory(0x4000_0000)));
    let own = bit(9 + 2 * (u32::from(INDEX) + 2)) | bit(32 + u32::from(INDEX));
    rig.set_hub(0x3e_1c00, own);
    assert!(!rig.model.is_open());
    rig.set_hub(0x3e_1c00, 0);
    assert!(rig.model.is_open());
    good(&rig, "the hub's reset");
    assert!(rig.model.unwritten().len() > 1000);
    assert_eq!(rig.model.register(0x160), None);
    // Half of it, or somebody else's, is a mistake.
    rig.set_hub(0x3e_1c00, bit(32 + u32::from(INDEX)));
    rig.set_hub(
        0x3e_1c00,
        bit(33 + u32::from(INDEX)) | bit(32 + u32::from(INDEX)),
    );
    assert_eq!(rig.model.complaints().len(), 3);
}

fn a_reset_below_with_the_link_up_is_complained_of() {
    let rig = start();
    rig.config(Bdf::new(0, 0, 0), 0x3c, Some(0x40 << 16));
    assert_eq!(rig.model.complaints(), ["a bus reset while the link is up"]);
    assert!(rig.model.holds_below());
    assert_eq!(
        rig.config(LEFT_BDF, 0x10, None),
        u32::MAX,
        "its bus has no number"
    );
}

fn the_fast_path_answers_only_when_the_hub_routes_it() {
    let rig = start();
    let fast = rig.block(P7iocBlock::Aib);
    let version = Reg64::at(0x800);
    assert_eq!(fast.read64(version), u64::MAX);
    assert_eq!(rig.model.complaints().len(), 1);
    let base = crate::P7ioc::BAR1 + 0x8_0000 + u64::from(INDEX) * 0x1_0000;
    rig.set_hub(0x3e_1080 + 8 * u32::from(INDEX), base);
    for at in [0x818, 0x820, 0x828, 0x840, 0x858, 0x868] {
        rig.set(at, 1);
    }
    assert_eq!(fast.read64(version) >> 32, 0xa2);
    let rule = rig.hub(0x3d_0400);
    rig.set_hub(0x3d_0400, 0);
    assert_eq!(fast.read64(version), u64::MAX);
    assert_eq!(rig.model.complaints().len(), 1, "not routed");
    rig.set_hub(0x3d_0400, rule);
    rig.model.fence();
    assert_eq!(fast.read64(version), u64::MAX);
    assert_eq!(rig.get(0x800) >> 32, 0xa2, "the slow path does not fence");
    good(&rig, "paths");
}

/// What real functions below would be told.
#[derive(Default)]
struct Told {
    changes: Vec<crate::Change>,
    kills: Vec<Option<u64>>,
    cycles: Vec<Bdf>,
}

#[derive(Default)]
struct Real(lock::Mutex<Told>);

impl crate::Below for Real {
    fn config(&self, bdf: Bdf, _at: u16, _bytes: usize, value: Option<u32>) -> Option<u32> {
        self.0.lock().cycles.push(bdf);
        (bdf == LEFT_BDF).then_some(value.map_or(0x1234, |_| 0))
    }
    fn changed(&self, what: crate::Change) {
        self.0.lock().changes.push(what);
    }
    fn kill(&self, pair: Option<u64>) {
        self.0.lock().kills.push(pair);
    }
}

fn real_functions_below_are_told_of_all_that_matters() {
    use crate::Change;
    let rig = start();
    let below: &'static Real = Box::leak(Box::default());
    rig.model.attach(below);
    let told = || core::mem::take(&mut *below.0.lock());
    assert_eq!(rig.config(LEFT_BDF, 0, None), 0x1234);
    assert_eq!(rig.config(RIGHT_BDF, 0, None), u32::MAX);
    let Told {
        changes, cycles, ..
    } = told();
    assert_eq!(cycles, [LEFT_BDF, RIGHT_BDF]);
    let stopped = [7, 8].map(|table| Change::Entry(table, PE_RIGHT.into()));
    assert_eq!(changes, stopped, "nobody answers there");
    recover(&rig, PE_RIGHT);
    told();
    rig.entry(18, 5, [17 << 57, 0]);
    rig.set(0x210, bit(0) | 0x20_0010);
    rig.kill_all();
    let Told { changes, kills, .. } = told();
    assert_eq!(changes, [Change::Entry(18, 5)]);
    assert_eq!(kills, [Some(0x20_0010), None]);
    rig.config(Bdf::new(0, 0, 0), 0x18, Some(0xff_0100));
    assert_eq!(
        told().changes,
        [Change::RootPort],
        "the root port is the model's"
    );
    rig.model.stop(
        PeNumber(PE_LEFT),
        Pest {
            a: 2 << 56 | bit(18) | 0x300 << 16,
            b: 0x1000,
        },
    );
    let Pest { a, b } = rig.model.pest(PeNumber(PE_LEFT));
    assert_eq!(
        (a >> 56 & 7, a & bit(18), a >> 16 & 0xffff),
        (2, bit(18), 0x300)
    );
    assert_eq!(b, bit(0) | 0x1000);
    assert_ne!(rig.get(0x2c8), 0, "it is latched like any other");
    let (address, data) = rig.message(PE_LEFT);
    let checked = rig.model.check_message(LEFT_BDF, address, data);
    assert_eq!(checked, Err(Refusal::Frozen));
    recover(&rig, PE_LEFT);
    let checked = rig.model.check_message(LEFT_BDF, address, data);
    assert_eq!(checked, Ok(PeNumber(PE_LEFT)));
    assert_eq!(rig.model.deliveries().len(), 0, "nothing happened");
    told();
    rig.model.fence();
    assert_eq!(told().changes, [Change::Lost]);
    good(&rig, "below");
}

cases::cases!(
    real_functions_below_are_told_of_all_that_matters,
    a_window_and_a_message_go_by_their_copies_of_the_filter,
    filters_compare_what_they_say_and_the_lowest_entry_wins,
    messages_need_a_valid_entry_a_number_and_the_same_endpoint_in_both,
    io_segments_are_of_64_kib_and_m64_has_16_by_8,
    io_and_memory_are_spaces_of_their_own,
    entries_whose_meaning_is_not_known_are_complained_of,
    interrupts_need_aligned_sources_and_a_way_back,
    a_second_word_counts_for_the_entry_that_was_chosen_before_it,
    nothing_is_below_while_the_link_is_down,
    a_fence_takes_as_many_resets_as_it_takes_and_the_link_layer_a_while,
    kills_are_posted_by_pairs_and_more_than_fit_still_arrive,
    error_registers_of_the_hub_have_their_aliases,
    gem_tells_of_units_whose_errors_are_not_masked,
    errors_of_a_port_fence_its_bridge_or_end_the_hub,
    a_reset_by_the_hub_loses_everything_and_a_lesser_one_nothing,
    a_reset_below_with_the_link_up_is_complained_of,
    the_fast_path_answers_only_when_the_hub_routes_it,
);
