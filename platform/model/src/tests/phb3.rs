//! What only the PHB3 has: the requester table and its cache, levels of tables, segments that are endpoints,
//! P and Q in memory, a PowerBus side.

use super::rig8::{IVT, NEST, RTT, Rig8, start};
use super::*;
use crate::{Act, Phb3, Reached};
use ioda::XscomIo;

const MASKED: u64 = 0xff << 32;

fn mapped() -> Rig8 {
    let rig = start();
    rig.tces()[0][0].store(0x4000_0003);
    rig.tces()[1][0].store(0x5000_0003);
    rig
}

fn read(rig: &Rig8) -> Result<Reached, Refusal> {
    rig.model.act(LEFT, Act::Read(0)).result
}

fn a_requester_is_who_it_was_until_that_is_invalidated() {
    let rig = mapped();
    assert_eq!(read(&rig), Ok(Reached::Memory(0x4000_0000)));
    rig.owner(LEFT_BDF).store(PE_RIGHT);
    assert_eq!(read(&rig), Ok(Reached::Memory(0x4000_0000)));
    rig.set(0x208, u64::from(RIGHT_BDF.0) << 32);
    assert_eq!(read(&rig), Ok(Reached::Memory(0x4000_0000)), "another");
    rig.set(0x208, u64::from(LEFT_BDF.0) << 32);
    assert_eq!(read(&rig), Ok(Reached::Memory(0x5000_0000)));
    good(&rig, "requesters");
    // An entry without an endpoint upsets the chip.
    rig.owner(LEFT_BDF).store(256);
    rig.set(0x208, bit(0));
    assert_eq!(read(&rig), Err(Refusal::NoEndpoint));
    assert_eq!(rig.model.complaints().len(), 1);
    rig.set(0x168, RTT);
    assert_eq!(read(&rig), Err(Refusal::NoEndpoint), "the table is off");
}

fn translations_are_killed_by_page_by_endpoint_or_all() {
    let kills: [(u64, [bool; 3]); 5] = [
        (bit(2) | 0x1000 | PE_LEFT as u64, [false, true, false]),
        (bit(2) | 0x1000 | PE_RIGHT as u64, [false, false, false]),
        (bit(1) | PE_LEFT as u64, [true, true, false]),
        (bit(1) | PE_RIGHT as u64, [false, false, true]),
        (bit(0), [true, true, true]),
    ];
    for (kill, gone) in kills {
        let rig = mapped();
        let tries = [(LEFT, 0, 0), (LEFT, 0, 1), (RIGHT, 1, 0)];
        let all = |value: u64| {
            tries.map(|(index, side, page)| {
                rig.tces()[side][page].store(value);
                rig.model.act(index, Act::Read((page as u64) << 12)).result
            })
        };
        let old = Ok(Reached::Memory(0x4000_0000));
        assert_eq!(all(0x4000_0003), [old; 3]);
        rig.set(0x210, kill);
        let now = all(0x6000_0003);
        let now = now.map(|result| result != old);
        assert_eq!(now, gone, "{kill:#x}");
        good(&rig, "kills");
    }
    let rig = mapped();
    rig.set(0x210, PE_LEFT.into());
    assert_eq!(rig.model.complaints().len(), 1);
}

fn a_window_has_up_to_five_levels_and_pages_of_four_sizes() {
    let rig = start();
    // Two levels of 4 KiB: 512 times 512 pages.
    let tables: &'static [BeU64] = leak(|| BeU64::new(0), 1024);
    rig.model.add_memory(0x60_0000, Box::new(tables));
    let window = 2 * u64::from(PE_LEFT);
    rig.entry(9, window, [0x600 << 16 | 1 << 13 | 1 << 8 | 1, 0]);
    tables[3].store(0x60_1000 | 3);
    tables[512 + 5].store(0x7000_0003);
    let page = |index: u64| rig.model.act(LEFT, Act::Read(index << 12)).result;
    assert_eq!(page(3 << 9 | 5), Ok(Reached::Memory(0x7000_0000)));
    for (index, why) in [
        (4 << 9 | 5, Refusal::Permission),
        (3 << 9 | 6, Refusal::Permission),
        (512 << 9, Refusal::Bounds),
    ] {
        assert_eq!(page(index), Err(why), "{index:#x}");
        recover(&rig, PE_LEFT);
    }
    // 64 KiB pages, one level; the second window.
    rig.entry(9, window + 1, [0x601 << 16 | 1 << 8 | 5, 0]);
    tables[512 + 1].store(0x7001_0001);
    let read = rig.model.act(LEFT, Act::Read(1 << 59 | 0x1_2345)).result;
    assert_eq!(read, Ok(Reached::Memory(0x7001_2345)));
    good(&rig, "levels");
    for (entry, what) in [
        (bit(51), "a way around"),
        (0x600 << 16 | 5 << 13 | 1 << 8 | 1, "levels"),
        (0x600 << 16 | 1 << 8 | 2, "page"),
    ] {
        rig.entry(9, window, [entry, 0]);
        let said = rig.model.complaints();
        assert!(said.len() == 1 && said[0].contains(what), "{said:?}");
    }
}

fn a_64_bit_window_s_segments_are_endpoints_or_it_is_one_s() {
    let rig = start();
    let at = |real: u64| rig.model.segment_pe(real).map(|pe| pe.0);
    let base = Phb3::MMIO0;
    let size = |bytes: u64, shift: u32| (1 << 30) - (bytes >> shift);
    rig.entry(16, 9, [bit(0) | (base >> 20) << 32 | size(1 << 28, 20), 0]);
    assert_eq!(
        (at(base), at(base + (200 << 20)), at(base + (255 << 20))),
        (Some(0), Some(200), Some(255))
    );
    assert_eq!(at(base + (256 << 20)), None);
    // One endpoint's, 32 MiB, over the middle of it: the lower window counts.
    let middle = base + (64 << 20);
    let single = bit(0) | bit(1) | (middle >> 25) << 37 | ((1 << 25) - 1) << 5 | 3 << 32 | 7;
    rig.entry(16, 3, [single, 0]);
    assert_eq!(
        (at(middle), at(middle + (32 << 20) - 1)),
        (Some(0x67), Some(0x67))
    );
    assert_eq!(at(middle + (32 << 20)), Some(96));
    good(&rig, "windows");
}

fn an_edge_in_service_is_kept_and_sent_again_under_the_lock() {
    let rig = start();
    let (address, data) = rig.message(PE_LEFT);
    let send = || rig.model.act(LEFT, Act::Message { address, data }).result;
    let ive = 2 * usize::from(PE_LEFT);
    assert_eq!(
        (send(), send()),
        (Ok(Reached::Interrupt), Ok(Reached::Interrupt))
    );
    assert_eq!(rig.model.deliveries().len(), 1, "one is in service");
    assert_eq!(rig.ivt[ive].load() >> 16 & 0xffff, 0x0101, "P and Q");
    // The end: P in memory, then in the cache, if the generation is the one that was seen.
    let update = |value: u64| rig.set(0x2a8, value | u64::from(PE_LEFT));
    let ended = |seen: u64| bit(0) | bit(4) | bit(5) | seen << 56 | 1 << 30;
    update(ended(2));
    assert_eq!(send(), Ok(Reached::Interrupt));
    assert_eq!(
        rig.model.deliveries().len(),
        0,
        "another generation: no end"
    );
    update(ended(0));
    update(bit(1));
    let request = u64::from(PE_LEFT) << 4 | bit(3);
    rig.set(0x238, request);
    assert_eq!(rig.model.complaints().len(), 1, "without the lock");
    update(ended(1));
    assert_eq!((rig.get(0x240), rig.get(0x240)), (0, bit(0)));
    let _ = rig.model.deliveries();
    update(bit(0));
    rig.set(0x238, request);
    assert_eq!(rig.model.deliveries().len(), 1);
    assert_eq!(rig.get(0x240), 0, "the request let go of it");
    good(&rig, "ends");
}

fn a_masked_message_is_kept() {
    let rig = start();
    let ive = &rig.ivt[2 * usize::from(PE_LEFT)];
    ive.store(MASKED | u64::from(PE_LEFT));
    let (address, data) = rig.message(PE_LEFT);
    let sent = rig.model.act(LEFT, Act::Message { address, data });
    assert_eq!(sent.result, Ok(Reached::Interrupt));
    assert_eq!(rig.model.deliveries().len(), 0);
    assert_eq!(ive.load() >> 16 & 0xffff, 1, "Q alone");
    good(&rig, "masked");
}

fn an_entry_counts_as_it_was_fetched_until_it_is_invalidated() {
    let rig = start();
    let (address, data) = rig.message(PE_LEFT);
    let send = || rig.model.act(LEFT, Act::Message { address, data }).result;
    assert_eq!(send(), Ok(Reached::Interrupt));
    let ive = &rig.ivt[2 * usize::from(PE_LEFT)];
    ive.store(MASKED | u64::from(PE_RIGHT));
    assert_eq!(send(), Ok(Reached::Interrupt), "as it was");
    rig.set(0x2a0, u64::from(PE_LEFT) << 32);
    assert_eq!(send(), Err(Refusal::ForeignMessage));
    recover(&rig, PE_LEFT);
    // More entries than the table says there are.
    rig.set(0x150, IVT | 16 | bit(0));
    rig.set(0x2a0, bit(0));
    assert_eq!(send(), Err(Refusal::NoMessage));
    good(&rig, "entries");
}

fn a_reset_of_the_logic_forgets_what_was_cached() {
    let rig = mapped();
    let (address, data) = rig.message(PE_LEFT);
    assert!(read(&rig).is_ok());
    assert!(rig.model.act(RIGHT, Act::Read(0)).result.is_ok());
    rig.model.act(LEFT, Act::Message { address, data });
    assert_eq!(rig.model.deliveries().len(), 1);
    rig.model.write(0x0901_200a, bit(0)).expect("there");
    rig.model.write(0x0901_200a, 0).expect("there");
    for (at, value) in [
        (0x100, 0xff << 51),
        (0x168, RTT | bit(0)),
        (0x150, IVT | 0x800 | bit(0)),
        (0x160, bit(8) | bit(14)),
    ] {
        rig.set(at, value);
    }
    rig.owner(LEFT_BDF).store(PE_RIGHT);
    rig.tces()[1][0].store(0x6000_0003);
    rig.entry(
        9,
        2 * u64::from(PE_RIGHT),
        [RIGHT_TABLE << 4 | 7 << 8 | 1, 0],
    );
    let forged = rig.model.forge(LEFT_BDF, Act::Read(0));
    assert_eq!(forged.result, Ok(Reached::Memory(0x6000_0000)));
    // The entry in memory is read again: P, which was set in both, is clear there now.
    let ive = 2 * usize::from(PE_LEFT);
    rig.ivt[ive].store((9 << 2) << 40 | 5 << 32 | u64::from(PE_RIGHT));
    let forged = rig.model.forge(LEFT_BDF, Act::Message { address, data });
    assert_eq!(forged.result, Ok(Reached::Interrupt));
    assert_eq!(rig.model.deliveries().len(), 1);
    good(&rig, "reset");
    // Both sides must agree where the wires are.
    rig.set(0x100, 0);
    rig.model.forge(LEFT_BDF, Act::Message { address, data });
    rig.entry(2, 0, [9 << 42 | 5 << 32, 0]);
    rig.model.pull_intx(0);
    assert_eq!(rig.model.complaints().len(), 1);
    let fresh = Phb3::new(crate::Kind::Chip, fabric());
    fresh.write(0x0901_200a, 0).expect("there");
    assert_eq!(fresh.complaints().len(), 1, "HW275117");
}

fn config_cycles_blame_an_endpoint_and_it_must_be_the_right_one() {
    let rig = start();
    rig.set(0x140, bit(0) | u64::from(LEFT_BDF.0) << 44 | 5 << 16);
    rig.four(0x130);
    let said = rig.model.complaints();
    assert!(said.len() == 1 && said[0].contains("blames"), "{said:?}");
    rig.set(0x188, 0);
    rig.config(LEFT_BDF, 0, None);
    let said = rig.model.complaints();
    assert!(said.len() == 1 && said[0].contains("tables"), "{said:?}");
}

fn the_powerbus_side_fences_ends_and_holds_the_bridge() {
    let rig = mapped();
    rig.model.latch_nest(bit(7));
    assert_eq!(read(&rig), Err(Refusal::Off), "of the class that ends it");
    rig.model.write(NEST + 1, 0).expect("there");
    assert!(read(&rig).is_ok());
    rig.model.write(NEST + 2, 0xf0 << 32).expect("there");
    assert_eq!(rig.model.read(NEST).map(|nfir| nfir & bit(16)), Ok(bit(16)));
    assert_eq!(rig.get(0x800), u64::MAX);
    rig.model.write(NEST + 1, 0).expect("there");
    rig.model.write(0x0901_200a, bit(0)).expect("there");
    let forged = rig.model.forge(LEFT_BDF, Act::Read(0));
    assert_eq!(forged.result, Err(Refusal::Off));
    good(&rig, "the nest");
    rig.get(0x800);
    assert_eq!(rig.model.complaints().len(), 1, "held");
    rig.model.write(0x0901_200a, 0).expect("there");
    assert_eq!(rig.model.register(0x168), None, "all is lost");
    assert!(rig.model.read(0x0777_0000).is_err());
}

cases::cases!(
    a_requester_is_who_it_was_until_that_is_invalidated,
    translations_are_killed_by_page_by_endpoint_or_all,
    a_window_has_up_to_five_levels_and_pages_of_four_sizes,
    a_64_bit_window_s_segments_are_endpoints_or_it_is_one_s,
    an_edge_in_service_is_kept_and_sent_again_under_the_lock,
    a_masked_message_is_kept,
    an_entry_counts_as_it_was_fetched_until_it_is_invalidated,
    a_reset_of_the_logic_forgets_what_was_cached,
    config_cycles_blame_an_endpoint_and_it_must_be_the_right_one,
    the_powerbus_side_fences_ends_and_holds_the_bridge,
);
