//! How frames come in.

use super::*;
use crate::Sent;

#[test]
fn a_frame_arrives_with_its_entry_and_one_interrupt() {
    let [one, two, three] = open_lan(3)[..] else {
        panic!()
    };
    two.lend(RX, 2048);
    three.lend(RX, 2048);
    let before = three.partition.image();
    assert_eq!(one.send(mac(1), 1000), Ok(Sent::All));
    assert_eq!(two.partition.bytes(RX + 8, 1000), frame(mac(1), 1000));
    assert_eq!(two.entry(0), (head(1000), 0xabcd << 48 | RX));
    assert_eq!(two.entry(1), (0, 0));
    assert_eq!(
        (two.partition.interrupts(), one.partition.interrupts()),
        (1, 0)
    );
    assert_eq!(three.partition.image(), before);
    assert_eq!(
        (two.adapter.dropped(), three.partition.interrupts()),
        (0, 0)
    );
}

#[test]
fn interrupts_come_only_when_asked_for() {
    let [one, two] = open_lan(2)[..] else {
        panic!()
    };
    two.adapter.signal(Signals::Disabled);
    two.lend(RX, 512);
    assert_eq!(one.send(mac(1), 60), Ok(Sent::All));
    assert_eq!(two.entry(0).0, head(60));
    assert_eq!(two.partition.interrupts(), 0);
    // Registered anew, it is silent until told otherwise.
    two.adapter.signal(Signals::Enabled);
    two.adapter.free().unwrap();
    two.open().unwrap();
    two.lend(RX, 512);
    assert_eq!(one.send(mac(1), 60), Ok(Sent::All));
    assert_eq!(two.partition.interrupts(), 0);
}

#[test]
fn the_queue_wraps_and_its_toggle_turns_each_time() {
    let [one, two] = open_lan(2)[..] else {
        panic!()
    };
    for number in 0..3 * ENTRIES {
        let second = number / ENTRIES % 2 == 1;
        let toggle = if second { descriptor::TOGGLE } else { 0 };
        assert_eq!(two.partition.word(LIST), describe(QUEUE, 64) | toggle);
        let at = RX + number * 0x100;
        two.lend(at, 256);
        assert_eq!(one.send(mac(1), 60 + number as usize), Ok(Sent::All));
        let expected = head(60 + number) ^ if second { entry::VALID } else { 0 };
        assert_eq!(two.entry(number % ENTRIES), (expected, 0xabcd << 48 | at));
    }
}

#[test]
fn without_a_buffer_that_is_large_enough_the_frame_is_lost_and_counted() {
    let [one, two] = open_lan(2)[..] else {
        panic!()
    };
    two.lend(RX, 256);
    let dropped = || two.partition.word(LIST + 4088);
    // The handle takes 8 bytes of it.
    assert_eq!(one.send(mac(1), 249), Ok(Sent::Dropped));
    assert_eq!((dropped(), two.adapter.dropped()), (1, 1));
    assert_eq!(one.send(mac(1), 248), Ok(Sent::All));
    assert_eq!(one.send(mac(1), 60), Ok(Sent::Dropped));
    assert_eq!((dropped(), two.adapter.dropped()), (2, 2));
    assert_eq!((two.entry(0).0, two.entry(1).0), (head(248), 0));
    assert_eq!(two.partition.interrupts(), 1);
    two.lend(RX, 256);
    assert_eq!(one.send(mac(1), 60), Ok(Sent::All));
    assert_eq!(dropped(), 2);
}

#[test]
fn a_buffer_that_was_unmapped_comes_back_as_no_message() {
    let [one, two] = open_lan(2)[..] else {
        panic!()
    };
    two.lend(RX + 0xf00, 0x400);
    two.partition.permit(RX + 0x1000, tce::READ);
    let before = two.partition.pages[(RX as usize >> 12) + 1]
        .iter()
        .map(BeU64::load);
    let before: Vec<u64> = before.collect();
    assert_eq!(one.send(mac(1), 0x300), Ok(Sent::Dropped));
    assert_eq!(two.entry(0), (entry::VALID, 0xabcd << 48 | (RX + 0xf00)));
    let after = two.partition.pages[(RX as usize >> 12) + 1]
        .iter()
        .map(BeU64::load);
    assert_eq!(after.collect::<Vec<u64>>(), before);
    // Without its handle there is nothing to tell the driver of.
    two.lend(RX, 512);
    two.partition.permit(RX, 0);
    assert_eq!(one.send(mac(1), 60), Ok(Sent::Dropped));
    assert_eq!(two.entry(1), (0, 0));
}

#[test]
fn lists_that_were_unmapped_harm_their_owner_alone() {
    let [one, two] = open_lan(2)[..] else {
        panic!()
    };
    two.partition.permit(LIST, 0);
    two.partition.permit(QUEUE, 0);
    let before = two.partition.image();
    assert_eq!(one.send(mac(1), 60), Ok(Sent::Dropped));
    assert_eq!(two.partition.image(), before);
    two.lend(RX, 512);
    assert_eq!(one.send(mac(1), 60), Ok(Sent::All));
    two.partition.permit(QUEUE, BOTH);
    assert_eq!(two.entry(0), (0, 0));
    two.lend(RX, 512);
    assert_eq!(one.send(mac(1), 61), Ok(Sent::All));
    assert_eq!(two.entry(1).0, head(61));
}

#[test]
fn what_was_lent_is_forgotten_when_closed() {
    let [one, two] = open_lan(2)[..] else {
        panic!()
    };
    two.lend(RX, 512);
    two.adapter.free().unwrap();
    let before = two.partition.image();
    assert_eq!(one.send(mac(1), 60), Ok(Sent::Dropped));
    assert_eq!(one.send(BROADCAST, 60), Ok(Sent::All));
    assert_eq!(two.partition.image(), before);
    two.open().unwrap();
    assert_eq!(one.send(mac(1), 60), Ok(Sent::Dropped));
    assert_eq!(two.adapter.dropped(), 1);
}
