//! What drivers register and lend, and what is refused.

use super::*;
use papr_abi::llan::multicast;

#[test]
fn registering_writes_the_list_and_nothing_else() {
    let [one] = lan(1)[..] else { panic!() };
    for at in (0..0x1000).step_by(8) {
        one.partition.set_word(LIST + at, 0x5555);
    }
    one.open().unwrap();
    assert_eq!(one.partition.word(LIST), describe(QUEUE, 64));
    assert_eq!(one.partition.word(LIST + 8), describe(FILTERS, 4096));
    let rest = (16..4096)
        .step_by(8)
        .map(|at| one.partition.word(LIST + at));
    assert!(rest.clone().all(|word| word == 0));
    assert!(
        one.partition.pages[1..]
            .iter()
            .all(|page| page.iter().all(|word| word.load() == 0))
    );
    assert_eq!(code(one.open()), Some(HError::Resource));
    assert_eq!(one.adapter.free(), Ok(()));
    assert_eq!(code(one.adapter.free()), Some(HError::Resource));
    assert_eq!(one.open(), Ok(()));
}

#[test]
fn lists_and_queues_that_are_not_mapped_or_aligned_are_refused() {
    let [one] = lan(1)[..] else { panic!() };
    let queue = describe(QUEUE, 64);
    let end = (PAGES as u64) << 12;
    let before = one.partition.image();
    for (list, queue, filters) in [
        (LIST + 8, queue, FILTERS),
        (LIST, queue, FILTERS + 0x800),
        (end, queue, FILTERS),
        (!0xfff, queue, FILTERS),
        (LIST, queue, end),
        (LIST, queue & !descriptor::VALID, FILTERS),
        (LIST, describe(QUEUE, 0), FILTERS),
        (LIST, describe(QUEUE, 65), FILTERS),
        (LIST, describe(QUEUE + 8, 64), FILTERS),
        (LIST, describe(end - 16, 32), FILTERS),
        (LIST, describe(0xffff_fff0, 0xff_fff0), FILTERS),
    ] {
        let result = one.adapter.register(list, queue, filters, mac(0));
        assert_eq!(
            code(result),
            Some(HError::Parameter),
            "{list:#x} {queue:#x} {filters:#x}"
        );
    }
    for (at, access) in [
        (LIST, tce::READ),
        (FILTERS, tce::WRITE),
        (QUEUE, tce::READ),
        (QUEUE, 0),
    ] {
        one.partition.permit(at, access);
        assert_eq!(code(one.open()), Some(HError::Parameter));
        one.partition.permit(at, BOTH);
    }
    assert_eq!(one.partition.image(), before);
    assert_eq!(one.open(), Ok(()));
}

#[test]
fn no_two_adapters_have_one_address() {
    let [one, two] = lan(2)[..] else { panic!() };
    let queue = describe(QUEUE, 64);
    for stolen in [mac(1), 0x0100_5e00_0001, BROADCAST] {
        let result = one.adapter.register(LIST, queue, FILTERS, stolen);
        assert_eq!(code(result), Some(HError::Parameter));
        assert_eq!(
            code(one.adapter.change_mac(stolen)),
            Some(HError::Parameter)
        );
    }
    // The upper half of the register does not count.
    assert_eq!(
        one.adapter.change_mac(0xabcd << 48 | 0x0200_0000_0001),
        Ok(())
    );
    assert_eq!(one.adapter.mac(), 0x0200_0000_0001);
    assert_eq!(
        code(two.adapter.change_mac(0x0200_0000_0001)),
        Some(HError::Parameter)
    );
    // What the other has from the start stays its own.
    assert_eq!(
        code(two.adapter.change_mac(mac(0))),
        Some(HError::Parameter)
    );
    one.adapter.reset();
    assert_eq!(one.adapter.mac(), mac(0));
    assert_eq!(two.adapter.change_mac(0x0200_0000_0001), Ok(()));
}

#[test]
fn buffers_are_checked_when_they_are_lent() {
    let [one] = lan(1)[..] else { panic!() };
    let add = |given| code(one.adapter.add_buffer(given));
    assert_eq!(add(describe(RX, 512)), Some(HError::Resource));
    one.open().unwrap();
    let end = (PAGES as u64) << 12;
    for given in [
        describe(RX, 512) & !descriptor::VALID,
        describe(RX + 2, 512),
        describe(RX, 15),
        describe(RX, 0),
        describe(RX, 128 * 1024 + 1),
        describe(RX, 0xff_ffff),
        describe(end - 16, 20),
        describe(0xffff_fffc, 16),
    ] {
        assert_eq!(add(given), Some(HError::Parameter), "{given:#x}");
    }
    one.partition.permit(RX + 0x1000, tce::READ);
    assert_eq!(add(describe(RX, 4096 + 4)), Some(HError::Parameter));
    assert_eq!(add(describe(RX, 4096)), None);
    // The handle must be readable, the rest need not.
    one.partition.permit(RX, tce::WRITE);
    assert_eq!(add(describe(RX, 4096)), Some(HError::Parameter));
    for _ in 0..63 {
        assert_eq!(add(describe(RX + 0x2000, 16)), None);
    }
    assert_eq!(add(describe(RX + 0x2000, 16)), Some(HError::Resource));
    one.adapter.free().unwrap();
    one.open().unwrap();
    assert_eq!(add(describe(RX + 0x2000, 16)), None);
}

#[test]
fn a_buffer_comes_back_without_a_message() {
    let [one] = open_lan(1)[..] else { panic!() };
    one.lend(RX, 512);
    for absent in [511, 513, 1 << 32 | 512] {
        assert_eq!(
            code(one.adapter.free_buffer(absent)),
            Some(HError::NotFound)
        );
    }
    assert_eq!(one.adapter.free_buffer(512), Ok(()));
    assert_eq!(one.entry(0), (entry::VALID, 0xabcd << 48 | RX));
    assert_eq!(one.partition.interrupts(), 1);
    assert_eq!(code(one.adapter.free_buffer(512)), Some(HError::NotFound));
}

#[test]
fn filters_are_counted_and_the_table_has_an_end() {
    let [one] = open_lan(1)[..] else { panic!() };
    let control = |flags, group| {
        let (state, result) = one.adapter.multicast(flags, group);
        (state, code(result))
    };
    for (flags, group) in [
        (4, 0),
        (1 << 20, 0),
        (1 << 63, 0),
        (multicast::ADD, 1 << 48),
    ] {
        assert_eq!(control(flags, group), (0, Some(HError::Parameter)));
    }
    for n in 1..=32 {
        assert_eq!(control(multicast::ADD, 0x0100_5e00_0000 | n), (n, None));
        assert_eq!(control(multicast::ADD, 0x0100_5e00_0000 | n), (n, None));
    }
    assert_eq!(
        control(multicast::ADD, 0x0100_5e01_0000),
        (32, Some(HError::Constrained))
    );
    assert_eq!(control(multicast::REMOVE, 0x0100_5e00_0001), (31, None));
    assert_eq!(
        control(multicast::REMOVE, 0x0100_5e00_0001),
        (31, Some(HError::NotFound))
    );
    let both = multicast::RECEIVE | multicast::FILTER;
    let set = multicast::SET_RECEIVE | multicast::SET_FILTER;
    assert_eq!(
        control(both | multicast::SET_FILTER, 0),
        (multicast::FILTER | 31, None)
    );
    assert_eq!(control(both | set, 0), (both | 31, None));
    assert_eq!(control(set | multicast::CLEAR, 0), (0, None));
}
