//! Who gets a frame, and from where it comes.

use super::*;
use crate::{COPY_FRAMES, MAX_FRAME_BYTES, Sent};
use papr_abi::llan::multicast;
use proptest::prelude::*;

#[test]
fn nobody_gets_what_is_for_nobody_or_for_oneself() {
    let [one, two] = open_lan(2)[..] else {
        panic!()
    };
    one.lend(RX, 512);
    two.lend(RX, 512);
    for to in [mac(0), mac(9), 0] {
        assert_eq!(one.send(to, 60), Ok(Sent::Dropped));
    }
    assert_eq!((one.entry(0).0, two.entry(0).0), (0, 0));
    assert_eq!((one.adapter.dropped(), two.adapter.dropped()), (0, 0));
    // To the changed address it goes, and no longer to the former.
    two.adapter.change_mac(0x0200_0000_0005).unwrap();
    assert_eq!(one.send(mac(1), 60), Ok(Sent::Dropped));
    assert_eq!(one.send(0x0200_0000_0005, 60), Ok(Sent::All));
}

#[test]
fn an_adapter_that_is_not_registered_sends_nothing() {
    let [one, two] = lan(2)[..] else { panic!() };
    two.open().unwrap();
    two.lend(RX, 512);
    assert_eq!(one.send(mac(1), 60), Ok(Sent::Dropped));
    assert_eq!(two.entry(0).0, 0);
}

#[test]
fn all_get_a_broadcast_and_one_without_a_buffer_does_not_hold_up_the_rest() {
    let stations = open_lan(4);
    for station in [stations[0], stations[1], stations[3]] {
        station.lend(RX, 512);
    }
    assert_eq!(stations[0].send(BROADCAST, 60), Ok(Sent::Dropped));
    for (number, got) in [(0, 0), (1, head(60)), (2, 0), (3, head(60))] {
        assert_eq!(stations[number].entry(0).0, got, "{number}");
    }
    assert_eq!(stations[2].adapter.dropped(), 1);
    for station in &stations[1..] {
        station.lend(RX, 512);
    }
    assert_eq!(stations[0].send(BROADCAST, 60), Ok(Sent::All));
}

#[test]
fn groups_are_received_as_the_filters_say() {
    let [one, two] = open_lan(2)[..] else {
        panic!()
    };
    let group = 0x0100_5e00_00fb;
    let arrives = |group| {
        let before = two.partition.interrupts.lock().unwrap().len();
        two.lend(RX, 512);
        // Whom a frame does not interest has not lost it.
        assert_eq!(one.send(group, 60), Ok(Sent::All));
        two.partition.interrupts.lock().unwrap().len() > before
    };
    let set = |flags, group| two.adapter.multicast(flags, group).1.unwrap();
    assert!(!arrives(group));
    set(multicast::SET_RECEIVE | multicast::RECEIVE, 0);
    assert!(arrives(group));
    set(multicast::SET_FILTER | multicast::FILTER, 0);
    assert!(!arrives(group));
    set(multicast::ADD, group);
    assert!(arrives(group));
    assert!(!arrives(group + 1));
    assert!(arrives(BROADCAST));
    set(multicast::REMOVE, group);
    assert!(!arrives(group));
}

#[test]
fn one_call_copies_no_more_than_its_limit_and_the_next_goes_on() {
    let stations = open_lan(COPY_FRAMES as usize * 2 + 4);
    for station in &stations[1..] {
        station.lend(RX, 512);
    }
    stations[7].adapter.free_buffer(512).unwrap();
    let mut descriptors = [0; 6];
    descriptors[0] = describe(TX, 60);
    let (mut token, mut calls) = (0, 0);
    stations[0].partition.set_bytes(TX, &frame(BROADCAST, 60));
    let end = loop {
        let got = |s: &&Station| s.entry(0).0 == head(60);
        let before = stations.iter().filter(got).count();
        let sent = stations[0].adapter.send(&descriptors, token).unwrap();
        calls += 1;
        assert!(stations.iter().filter(got).count() - before <= COPY_FRAMES as usize);
        match sent {
            Sent::More(next) => token = next,
            end => break end,
        }
    };
    // One lost it, in the first call.
    assert_eq!((calls, end), (3, Sent::Dropped));
    for (number, station) in stations.iter().enumerate() {
        let expected = match number {
            0 => 0,
            7 => entry::VALID,
            _ => head(60),
        };
        assert_eq!(station.entry(0).0, expected, "{number}");
        assert_eq!(station.entry(1).0, 0, "{number}");
    }
    let more = MAX_FRAME_BYTES as usize / 2 + 1;
    for station in &stations[1..4] {
        station.lend(RX, 72 * 1024);
    }
    assert!(matches!(
        stations[0].send(BROADCAST, more),
        Ok(Sent::More(_))
    ));
    assert_eq!(stations[1].entry(1).0, head(more as u64));
    assert_eq!(stations[2].entry(1).0, 0);
}

#[test]
fn tokens_that_were_never_given_are_refused() {
    let [one, two] = open_lan(2)[..] else {
        panic!()
    };
    two.lend(RX, 512);
    one.partition.set_bytes(TX, &frame(mac(1), 60));
    let mut descriptors = [0; 6];
    descriptors[0] = describe(TX, 60);
    for token in [1, 1 << 31, 1 << 32 | 2, 1 << 33, u64::MAX, 1 << 63] {
        let result = one.adapter.send(&descriptors, token);
        assert_eq!(code(result), Some(HError::Parameter), "{token:#x}");
    }
    assert_eq!(two.entry(0).0, 0);
    assert_eq!(one.adapter.send(&descriptors, 1 << 32), Ok(Sent::All));
}

#[test]
fn frames_too_short_too_long_or_not_mapped_are_refused() {
    let [one, two] = open_lan(2)[..] else {
        panic!()
    };
    two.lend(RX, 512);
    let end = (PAGES as u64) << 12;
    let send = |descriptors| code(one.adapter.send(&descriptors, 0));
    one.partition.permit(TX + 0x2000, tce::WRITE);
    for descriptors in [
        [0; 6],
        [describe(TX, 13), 0, 0, 0, 0, 0],
        [describe(TX, 60) & !descriptor::VALID, 0, 0, 0, 0, 0],
        [
            describe(TX, 14),
            describe(TX, 60) & !descriptor::VALID,
            0,
            0,
            0,
            0,
        ],
        // What follows one without a length does not count.
        [describe(TX, 13), describe(TX, 0), describe(TX, 60), 0, 0, 0],
        [describe(TX, 0x2001), 0, 0, 0, 0, 0],
        [describe(end - 13, 14), 0, 0, 0, 0, 0],
        [describe(0xffff_ffff, 14), 0, 0, 0, 0, 0],
        [
            describe(TX, MAX_FRAME_BYTES as u64),
            describe(TX, 1),
            0,
            0,
            0,
            0,
        ],
        [describe(TX, 0xff_ffff); 6],
    ] {
        assert_eq!(
            send(descriptors),
            Some(HError::Parameter),
            "{descriptors:x?}"
        );
    }
    assert_eq!((two.entry(0).0, two.adapter.dropped()), (0, 0));
}

#[test]
fn a_frame_that_is_unmapped_on_its_way_is_no_message() {
    let [one, two] = open_lan(2)[..] else {
        panic!()
    };
    two.lend(RX, 0x4000);
    let partition = one.partition;
    partition.set_bytes(TX, &frame(mac(1), 0x1800));
    // Two lookups of the check, six of the address, one of the first page.
    partition.after(9, move || partition.permit(TX + 0x1000, 0));
    let mut descriptors = [0; 6];
    descriptors[0] = describe(TX, 0x1800);
    assert_eq!(
        code(one.adapter.send(&descriptors, 0)),
        Some(HError::Parameter)
    );
    assert_eq!(two.entry(0), (entry::VALID, 0xabcd << 48 | RX));
    assert_eq!(two.adapter.free(), Ok(()));
}

proptest! {
    #[test]
    fn a_frame_in_pieces_arrives_whole(
        pieces in prop::collection::vec((0u64..0x2000, 1u64..0xaa0), 1..=6), to in 0u64..0x400
    ) {
        let [one, two] = open_lan(2)[..] else { panic!() };
        let to = RX + to * 4;
        two.lend(to, 0x8000);
        let total: u64 = pieces.iter().map(|(_, bytes)| bytes).sum();
        prop_assume!(total >= 14);
        let whole = frame(mac(1), total as usize);
        let (mut descriptors, mut done) = ([0; 6], 0usize);
        for (index, (start, bytes)) in pieces.iter().enumerate() {
            let at = TX + index as u64 * 0x4000 + start;
            one.partition.set_bytes(at, &whole[done..][..*bytes as usize]);
            descriptors[index] = describe(at, *bytes);
            done += *bytes as usize;
        }
        prop_assert_eq!(one.adapter.send(&descriptors, 0), Ok(Sent::All));
        prop_assert_eq!(two.partition.bytes(to + 8, total as usize), whole);
        prop_assert_eq!(two.entry(0), (head(total), 0xabcd << 48 | to));
        prop_assert!(two.partition.bytes(to + 8 + total, 64).iter().all(|&byte| byte == 0));
        prop_assert!(two.partition.bytes(to - 8, 8).iter().all(|&byte| byte == 0));
    }
}
