//! What is stopped stays stopped, whatever changes meanwhile.

extern crate std;

use super::*;
use core::sync::atomic::AtomicBool;
use core::time::Duration;
use std::thread;

fn decodes(bench: &Bench, index: usize) -> bool {
    let command = bench
        .chip
        .with_fabric(|fabric| fabric.device(index).get(4, 2));
    command & 2 != 0
}

fn command(bench: &mut Bench, bdf: Bdf) -> u32 {
    bench
        .phb
        .cfg_read(bdf, CfgOffset::at(4), CfgWidth::Half)
        .expect("it answers")
}

fn reached(bench: &Bench, segment: u16) -> bool {
    let asked = AtomicBool::new(false);
    let answer = bench.relay.reach(segment, || asked.store(true, SeqCst));
    assert_eq!(answer.is_some(), asked.load(SeqCst));
    answer.is_some()
}

#[test]
fn who_comes_to_a_stopped_endpoint_is_stopped_and_who_leaves_it_waits_for_another() {
    let mut bench = Bench::new();
    bench.both();
    bench.phb.freeze(PE_LEFT, Freeze::all()).expect("there");
    let [left, right] = [LEFT_BDF, RIGHT_BDF].map(RidSel::one);
    bench.phb.release_pe(left).expect("its own");
    assert!(!decodes(&bench, LEFT), "it was stopped, and is nobody's");
    bench.phb.release_pe(right).expect("its own");
    assert!(decodes(&bench, RIGHT));
    bench.phb.assign_pe(right, PE_LEFT).expect("free");
    assert!(!decodes(&bench, RIGHT));
    assert_eq!(command(&mut bench, RIGHT_BDF), 6);
    bench.phb.assign_pe(left, PE_RIGHT).expect("free");
    assert!(decodes(&bench, LEFT) && !decodes(&bench, RIGHT));
    bench.phb.thaw(PE_LEFT, Freeze::all()).expect("there");
    assert!(decodes(&bench, RIGHT));
    bench.good();
}

#[test]
fn requesters_that_move_in_one_store_are_followed_and_who_is_stopped_of_two_wins() {
    let mut bench = Bench::new();
    bench.both();
    bench.phb.freeze(PE_LEFT, Freeze::all()).expect("there");
    let regs = bench.relay.regs(P7iocBlock::Asb);
    // The left endpoint's entry: bus, 7 for all its bits, device and function.
    for (bus, want) in [(4, (false, false)), (3, (false, true))] {
        ioda::RegIo::write64(
            &regs,
            ioda::Reg64::at(0x220),
            6 << 48 | u64::from(PE_LEFT.0),
        );
        let entry = bus << 56 | 7 << 45 | 1 << 44 | 1 << 43;
        ioda::RegIo::write64(&regs, ioda::Reg64::at(0x228), entry);
        assert_eq!((decodes(&bench, LEFT), decodes(&bench, RIGHT)), want);
    }
}

#[test]
fn a_segment_that_a_stopped_endpoint_gets_or_loses_is_dark_or_light_at_once() {
    let mut bench = Bench::new();
    bench.both();
    assert!(reached(&bench, 2));
    bench.phb.freeze(PE_LEFT, Freeze::all()).expect("there");
    assert!(reached(&bench, 2), "it is nobody's");
    for (pe, is_light) in [(PE_LEFT, false), (PE_RIGHT, true), (PE_LEFT, false)] {
        bench.phb.map_m32(M32Segment(2), pe).expect("there");
        assert_eq!(reached(&bench, 2), is_light, "{pe}");
    }
    bench.phb.thaw(PE_LEFT, Freeze::MMIO).expect("there");
    assert!(reached(&bench, 2));
    assert!(!reached(&bench, SEGMENTS), "there is no such segment");
    bench.good();
}

/// Functions beside the ports of the switch: more than a hundred.
const FIRST: u8 = 0x10;
const LATE: u8 = 0x90;

#[test]
fn any_number_of_functions_is_stopped_and_one_that_appears_meanwhile_too() {
    let mut fabric = fabric();
    let function = || Device::endpoint(0x1234, 0x11e8, 0x00ff00).multifunction();
    let of = |devfn: u8| Bdf::new(2, devfn >> 3, devfn & 7);
    let functions: Vec<_> = (FIRST..LATE)
        .map(|devfn| fabric.add(1, devfn, function()))
        .collect();
    let mut bench = Bench::over(fabric);
    (FIRST..LATE).for_each(|devfn| bench.write(of(devfn), 4, 6));
    let decoding = |bench: &Bench| functions.iter().filter(|at| decodes(bench, **at)).count();
    assert_eq!(decoding(&bench), functions.len());
    bench
        .phb
        .assign_pe(RidSel::bus(2), PE_LEFT)
        .expect("nobody's");
    bench.phb.freeze(PE_LEFT, Freeze::all()).expect("there");
    assert_eq!(decoding(&bench), 0);
    assert!(decodes(&bench, 2), "a bridge goes on");
    // One does not want to decode any more; one was not there before and does want.
    bench.write(of(FIRST + 9), 4, 4);
    let late = bench
        .chip
        .with_fabric(|fabric| fabric.add(1, LATE, function()));
    bench.write(of(LATE), 4, 6);
    assert!(!decodes(&bench, late));
    assert_eq!(command(&mut bench, of(LATE)), 6);
    bench.phb.thaw(PE_LEFT, Freeze::all()).expect("there");
    assert_eq!(decoding(&bench), functions.len() - 1);
    assert!(decodes(&bench, late));
    assert_eq!(command(&mut bench, of(FIRST + 9)), 4);
    bench.good();
}

#[test]
fn what_was_reset_while_stopped_does_not_decode_afterwards() {
    let mut bench = Bench::new();
    bench.both();
    for pe in [PE_LEFT, PE_RIGHT] {
        bench.phb.freeze(pe, Freeze::all()).expect("there");
    }
    let port = Bdf::new(2, 0, 0);
    for hold in [0x40 << 16, 0] {
        bench.write(port, 0x3c, hold);
    }
    assert_eq!(command(&mut bench, LEFT_BDF), 0);
    for pe in [PE_LEFT, PE_RIGHT] {
        bench.phb.thaw(pe, Freeze::all()).expect("there");
    }
    assert!(!decodes(&bench, LEFT) && decodes(&bench, RIGHT));
    bench.good();
}

#[test]
fn nothing_stops_answering_while_it_is_asked() {
    let mut bench = Bench::new();
    bench.both();
    bench.phb.map_m32(M32Segment(2), PE_LEFT).expect("there");
    let (relay, chip) = (bench.relay, bench.chip);
    let is_inside = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            relay.reach(2, || {
                is_inside.store(true, SeqCst);
                while !relay.is_dark(2) {
                    thread::yield_now();
                }
                thread::sleep(Duration::from_millis(50));
                chip.with_fabric(|fabric| fabric.device(LEFT).get(4, 2)) & 2
            })
        });
        while !is_inside.load(SeqCst) {
            thread::yield_now();
        }
        bench.phb.freeze(PE_LEFT, Freeze::all()).expect("there");
        assert_eq!(asking.join().expect("it ends"), Some(2));
    });
    assert!(!decodes(&bench, LEFT) && !reached(&bench, 2));
}

#[test]
fn nothing_is_asked_that_nothing_would_answer() {
    let mut bench = Bench::new();
    bench.both();
    let root = Bdf::new(0, 0, 0);
    for (command, is_light) in [(4, false), (6, true)] {
        bench.write(root, 4, command);
        assert_eq!(reached(&bench, 5), is_light);
    }
    for (hold, is_light) in [(0x40 << 16, false), (0, true)] {
        bench.write(root, 0x3c, hold);
        assert_eq!(reached(&bench, 5), is_light);
    }
    // The link should have been taken down before.
    assert_eq!(bench.relay.model().complaints().len(), 1);
    bench.place();
    bench.good();
    bench.relay.model().fence();
    assert_eq!(bench.phb.next_event(), Some(Event::Fenced));
    bench.phb.clear_errors();
    let real = bench
        .chip
        .with_fabric(|fabric| fabric.device(0).get(4, 2) & 6);
    assert!(!reached(&bench, 5) && real == 0);
    bench.phb.reset(ResetKind::Complete);
    run(|| bench.phb.poll());
    bench.place();
    assert!(reached(&bench, 5) && decodes(&bench, LEFT));
}

#[test]
fn a_tree_that_could_not_be_closed_serves_nobody_else() {
    let mut bench = Bench::new();
    let [left, right] = bench.both();
    bench.chip.fence();
    let _ = bench.phb.dma_destroy(&left.0);
    let again = bench.phb.dma_create(PE_RIGHT, &left.1, None);
    assert!(again.is_ok_and(|window| window.bus_base != right.0.bus_base));
    let trees = bench.relay.trees.lock();
    let owners = |pe| {
        trees
            .owners
            .iter()
            .flatten()
            .filter(move |(owner, _)| *owner == pe)
    };
    assert_eq!(owners(PE_LEFT).count(), 1, "it is kept");
    let kills = bench.relay.translating[0].load(SeqCst);
    assert_eq!(kills >> PE_LEFT.0 & 1, 1, "and kills are passed on still");
    let copies = bench.relay.copies.lock();
    let endpoint = copies.endpoint(PE_LEFT).expect("there");
    assert!(endpoint.is_refused && endpoint.bound.is_none());
}
