//! Calls at the same time.

use super::*;
use crate::Sent;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_receiver_is_not_closed_while_a_frame_is_on_its_way_in() {
    let [one, two] = open_lan(2)[..] else {
        panic!()
    };
    two.lend(RX, 512);
    let adapter = two.adapter;
    static SEEN: AtomicBool = AtomicBool::new(false);
    // In the middle of the copy its driver closes it: twice, and then opens it, all in vain.
    two.partition.after(1, move || {
        assert_eq!(code(adapter.free()), Some(HError::Busy));
        assert_eq!(code(adapter.free()), Some(HError::Busy));
        let queue = describe(QUEUE, 64);
        let result = adapter.register(LIST, queue, FILTERS, mac(1));
        assert_eq!(code(result), Some(HError::Resource));
        SEEN.store(true, SeqCst);
    });
    assert_eq!(one.send(mac(1), 60), Ok(Sent::All));
    assert!(SEEN.load(SeqCst));
    // No entry, no interrupt, no other frame; and now it closes.
    assert_eq!((two.entry(0), two.partition.interrupts()), ((0, 0), 0));
    assert_eq!(one.send(mac(1), 60), Ok(Sent::Dropped));
    assert_eq!(adapter.free(), Ok(()));
    assert_eq!(two.open(), Ok(()));
}

#[test]
fn after_a_reset_nothing_is_written_however_many_send() {
    let stations = open_lan(4);
    let [two, one, three, four] = stations[..] else {
        panic!()
    };
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let end = Instant::now() + Duration::from_secs(2);
    thread::scope(|scope| {
        for sender in [one, three, four] {
            let (stop, sent) = (&stop, &sent);
            scope.spawn(move || {
                while !stop.load(SeqCst) {
                    if sender.send(mac(0), 3000) == Ok(Sent::All) {
                        sent.fetch_add(1, SeqCst);
                    }
                }
            });
        }
        let mut rounds = 0;
        while Instant::now() < end && rounds < 300 {
            for number in 0..8 {
                two.lend(RX + number * 0x1000, 3100);
            }
            while two.entry(0).0 == 0 && Instant::now() < end {
                thread::yield_now();
            }
            two.adapter.reset();
            // Its memory is another's now, who finds it as it is.
            for page in &two.partition.pages {
                page.iter().for_each(|word| word.store(0x3333));
            }
            thread::yield_now();
            let kept = two.partition.image().into_iter().all(|word| word == 0x3333);
            if !kept {
                stop.store(true, SeqCst);
            }
            assert!(kept, "written after the reset");
            for entry in 0..ENTRIES {
                two.partition.set_word(QUEUE + entry * 16, 0);
            }
            two.open().unwrap();
            rounds += 1;
        }
        stop.store(true, SeqCst);
        assert!(rounds > 10, "{rounds} rounds");
    });
    assert!(sent.load(SeqCst) > 10);
}

#[test]
fn all_send_to_each_other_at_once_and_none_waits_for_ever() {
    let stations = open_lan(4);
    let end = Instant::now() + Duration::from_millis(500);
    let calls = AtomicUsize::new(0);
    thread::scope(|scope| {
        for station in &stations {
            let calls = &calls;
            scope.spawn(move || {
                for round in 0.. {
                    if Instant::now() > end {
                        break;
                    }
                    let _ = station.adapter.add_buffer(describe(RX, 2048));
                    let _ = station.send([mac(round % 4), BROADCAST][round & 1], 1500);
                    let _ = station.adapter.change_mac(mac(round % 5));
                    if round % 64 == 63 {
                        while station.adapter.free().is_err() {}
                        let queue = describe(QUEUE, 64);
                        let _ = station.adapter.register(LIST, queue, FILTERS, mac(9));
                        let _ = station.open();
                    }
                    calls.fetch_add(1, SeqCst);
                }
            });
        }
    });
    assert!(calls.load(SeqCst) > 100);
    for station in stations {
        station.adapter.reset();
    }
}
