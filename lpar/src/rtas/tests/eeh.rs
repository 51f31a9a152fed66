//! Errors of functions and the way back from them.

use super::*;
use crate::eeh::{EehError, Outage};
use crate::pci::PciAccess;
use crate::testing::bench::FakePe;
use ioda::{Freeze, Pest};

const STATE: i32 = -7;
const NO_FUNDAMENTAL: i32 = -8;
const CAUSE: Pest = Pest {
    a: 0x8000_0000_0100_0008,
    b: 0x8000_0000_1234_5000,
};

/// A call that has the function as its first inputs.
fn of(bench: &Bench, number: usize, name: &str, rest: &[u32], outputs: usize) -> Vec<i32> {
    let inputs = [&function(number)[..], rest].concat();
    rtas(bench, name, &inputs, outputs).0
}

fn option(bench: &Bench, option: u32) -> i32 {
    of(bench, 0, "ibm,set-eeh-option", &[option], 1)[0]
}
fn reset(bench: &Bench, what: u32) -> i32 {
    of(bench, 0, "ibm,set-slot-reset", &[what], 1)[0]
}
fn configure(bench: &Bench) -> i32 {
    of(bench, 0, "ibm,configure-pe", &[], 1)[0]
}
/// The state of the first function: number, whether it has EEH, milliseconds.
fn state(bench: &Bench) -> [i32; 3] {
    let outputs = of(bench, 0, "ibm,read-slot-reset-state2", &[], 4);
    assert_eq!(outputs[0], OK);
    [outputs[1], outputs[2], outputs[3]]
}
fn detail(bench: &Bench, driver: u32, log: u32, function: u32) -> i32 {
    let rest = [BUFFER, driver, BUFFER + 0x1000, log, function];
    of(bench, 0, "ibm,slot-error-detail", &rest, 1)[0]
}
pub(super) fn log_at(bench: &Bench, bytes: u64) -> Vec<u8> {
    let at = u64::from(BUFFER) + 0x1000;
    (at..at + bytes).map(|at| bench.read(at, 1) as u8).collect()
}
pub(super) fn be32(log: &[u8], at: usize) -> usize {
    u32::from_be_bytes(log[at..at + 4].try_into().unwrap()) as usize
}

/// A partition whose first function was stopped by an error.
fn stopped() -> Bench {
    let bench = Bench::new();
    stop(&bench);
    bench
}
fn stop(bench: &Bench) {
    bench.endpoint.with(|pe| {
        pe.stopped = Freeze::all();
        pe.cause = CAUSE;
    });
}

#[test]
fn a_function_that_can_be_reset_alone_is_its_own_endpoint() {
    let bench = Bench::new();
    let info = |number, what| of(&bench, number, "ibm,get-config-addr-info2", &[what], 2);
    assert_eq!(info(0, 1), [OK, 1]);
    assert_eq!(info(0, 0), [OK, CONFIG_ADDRESS as i32]);
    assert_ne!(CONFIG_ADDRESS, 0, "Linux takes it for none");
    // The other cannot.
    assert_eq!(info(1, 1), [OK, 0]);
    assert_eq!(info(1, 0)[0], PARAMETER);
    for what in [2, u32::MAX] {
        assert_eq!(info(0, what)[0], PARAMETER);
    }
}

#[test]
fn what_cannot_be_reset_alone_has_no_eeh() {
    let bench = Bench::new();
    assert_eq!(
        of(&bench, 1, "ibm,read-slot-reset-state2", &[], 4),
        [OK, 0, 0, 0]
    );
    for (name, rest) in [
        ("ibm,set-eeh-option", &[1][..]),
        ("ibm,set-slot-reset", &[1]),
        ("ibm,configure-pe", &[]),
        ("ibm,slot-error-detail", &[BUFFER, 0, BUFFER, 64, 2]),
    ] {
        assert_eq!(of(&bench, 1, name, rest, 1)[0], PARAMETER, "{name}");
    }
}

#[test]
fn functions_of_others_and_register_parts_are_refused_by_all_calls() {
    let bench = stopped();
    let [address, high, low] = function(0);
    for (name, rest, outputs) in [
        ("ibm,set-eeh-option", &[2][..], 1),
        ("ibm,get-config-addr-info2", &[1], 2),
        ("ibm,read-slot-reset-state2", &[], 4),
        ("ibm,set-slot-reset", &[1], 1),
        ("ibm,configure-pe", &[], 1),
        ("ibm,slot-error-detail", &[BUFFER, 0, BUFFER, 64, 2], 1),
    ] {
        for place in [
            [address ^ 0x100, high, low],
            [address ^ 0x1_0000, high, low],
            [address | 4, high, low],
            [address | 1 << 28, high, low],
            [address, high ^ 1, low],
            [address, high, low ^ 0x100],
            [address, 0, 0],
        ] {
            let inputs = [&place[..], rest].concat();
            assert_eq!(status(&bench, name, &inputs, outputs), PARAMETER, "{name}");
        }
    }
    assert_eq!(bench.endpoint.did(), [""; 0]);
    assert_eq!(state(&bench), [2, 1, 0]);
}

#[test]
fn options_are_checked_and_enabling_changes_nothing() {
    let bench = stopped();
    assert_eq!([option(&bench, 0), option(&bench, 1)], [OK, OK]);
    for wrong in [4, 5, 6, u32::MAX] {
        assert_eq!(option(&bench, wrong), PARAMETER);
    }
    assert_eq!(bench.endpoint.did(), [""; 0]);
}

#[test]
fn without_a_reset_mmio_goes_on_first_and_then_dma() {
    let bench = stopped();
    assert_eq!(state(&bench), [2, 1, 0]);
    assert_eq!(option(&bench, 3), STATE);
    assert_eq!(state(&bench), [2, 1, 0]);
    assert_eq!(option(&bench, 2), OK);
    assert_eq!(state(&bench), [4, 1, 0]);
    assert_eq!(option(&bench, 2), OK);
    assert_eq!(bench.endpoint.did(), ["thaw"]);
    assert_eq!(option(&bench, 3), OK);
    assert_eq!(state(&bench), [0, 1, 0]);
    // Nothing is left to do.
    assert_eq!([option(&bench, 2), option(&bench, 3)], [OK, OK]);
    assert_eq!(bench.endpoint.did(), ["thaw"]);
    stop(&bench);
    bench.endpoint.with(|pe| pe.fails = true);
    assert_eq!(option(&bench, 2), HARDWARE);
}

#[test]
fn a_reset_is_held_let_go_and_waited_for() {
    let bench = stopped();
    bench.endpoint.with(|pe| pe.waits = vec![250, 1000]);
    assert_eq!(reset(&bench, 1), OK);
    assert_eq!(state(&bench), [1, 1, 0]);
    assert_eq!([option(&bench, 2), option(&bench, 3)], [STATE, STATE]);
    assert_eq!(configure(&bench), OK);
    assert_eq!(reset(&bench, 1), OK);
    assert_eq!(bench.endpoint.did(), ["begin"]);

    assert_eq!(reset(&bench, 0), OK);
    assert_eq!(state(&bench), [5, 1, 1000]);
    assert_eq!([option(&bench, 2), configure(&bench)], [STATE, 9902]);
    bench.clock.pass(600);
    assert_eq!(state(&bench), [5, 1, 400]);
    assert_eq!(bench.endpoint.did(), ["end", "settle"]);
    bench.clock.pass(400);
    assert_eq!(state(&bench), [5, 1, 250]);
    bench.clock.pass(245);
    assert_eq!(configure(&bench), 9901);
    bench.clock.pass(5);
    assert_eq!(state(&bench), [0, 1, 0]);
    // What was stopped is not any more.
    assert_eq!(bench.endpoint.did(), ["settle", "settle", "thaw"]);
    assert_eq!(bench.endpoint.with(|pe| pe.stopped), Freeze::empty());
    assert_eq!(reset(&bench, 0), OK);
    assert_eq!(bench.endpoint.did(), [""; 0]);
}

#[test]
fn ending_no_reset_lets_go_what_is_stopped() {
    let bench = stopped();
    assert_eq!(reset(&bench, 0), OK);
    assert_eq!(state(&bench), [0, 1, 0]);
    assert_eq!(bench.endpoint.did(), ["thaw"]);
}

#[test]
fn asking_for_configuration_space_carries_a_reset_on() {
    let [address, high, low] = function(0);
    let config = |bench: &Bench, name: &str, rest: &[u32], outputs| {
        let inputs = [&[address | 4, high, low], rest].concat();
        status(bench, name, &inputs, outputs)
    };
    // As Linux does: it waits some time and puts the registers back before it asks for the state.
    for (name, rest, outputs) in [
        ("ibm,write-pci-config", &[2, 6][..], 1),
        ("ibm,read-pci-config", &[2], 2),
    ] {
        let bench = stopped();
        bench.endpoint.with(|pe| pe.waits = vec![100]);
        assert_eq!([reset(&bench, 1), reset(&bench, 0)], [OK, OK]);
        bench.endpoint.did();
        assert_eq!(config(&bench, name, rest, outputs), OK);
        assert_eq!(bench.endpoint.did(), [""; 0]);
        bench.clock.pass(100);
        assert_eq!(config(&bench, name, rest, outputs), OK);
        assert_eq!(bench.endpoint.did(), ["settle", "thaw"]);
        assert_eq!(state(&bench), [0, 1, 0]);
    }
}

#[test]
fn a_reset_may_begin_again_before_the_last_is_over() {
    let bench = stopped();
    bench.endpoint.with(|pe| pe.waits = vec![1000]);
    assert_eq!([reset(&bench, 1), reset(&bench, 0)], [OK, OK]);
    assert_eq!(state(&bench)[0], 5);
    assert_eq!(reset(&bench, 1), OK);
    assert_eq!(state(&bench)[0], 1);
    assert_eq!(reset(&bench, 0), OK);
    assert_eq!(state(&bench)[0], 0);
    assert_eq!(
        bench.endpoint.did(),
        ["begin", "end", "settle", "begin", "end", "settle", "thaw"]
    );
}

#[test]
fn resets_that_there_are_not_are_refused() {
    let bench = stopped();
    assert_eq!(reset(&bench, 3), NO_FUNDAMENTAL);
    for wrong in [2, 4, u32::MAX] {
        assert_eq!(reset(&bench, wrong), PARAMETER);
    }
    bench.endpoint.with(|pe| pe.fails = true);
    assert_eq!(reset(&bench, 1), HARDWARE);
    assert_eq!(state(&bench)[0], 2);
    assert_eq!(bench.endpoint.did(), [""; 0]);
}

#[test]
fn a_bridge_that_does_not_come_back_is_unavailable_for_good() {
    let bench = stopped();
    bench.endpoint.with(|pe| pe.waits = vec![10]);
    assert_eq!([reset(&bench, 1), reset(&bench, 0)], [OK, OK]);
    bench.endpoint.with(|pe| pe.fails = true);
    bench.clock.pass(10);
    assert_eq!(state(&bench), [5, 1, 0]);
    bench.endpoint.with(|pe| pe.fails = false);
    assert_eq!(state(&bench), [5, 1, 0]);
    assert_eq!([reset(&bench, 1), configure(&bench)], [STATE, OK]);
}

#[test]
fn configuration_is_put_back_once_after_a_reset_with_the_messages_of_now() {
    let bench = Bench::new();
    assert_eq!(configure(&bench), OK);
    assert_eq!(bench.endpoint.did(), [""; 0]);
    let change = |what, count| of(&bench, 0, "ibm,change-msi", &[what, count, 1], 4);
    assert_eq!(change(4, 3), [OK, 3, 1, 2]);
    assert_eq!([reset(&bench, 1), reset(&bench, 0)], [OK, OK]);
    *bench.pci[0].programmed.lock().unwrap() = None;
    bench.endpoint.did();
    // The function is not back yet: that is seen later, and tried again.
    bench.endpoint.with(|pe| pe.takes = false);
    assert_eq!(configure(&bench), OK);
    assert_eq!(*bench.pci[0].programmed.lock().unwrap(), None);
    bench.endpoint.with(|pe| pe.takes = true);
    assert_eq!(configure(&bench), OK);
    let programmed = *bench.pci[0].programmed.lock().unwrap();
    assert_eq!(programmed, Some((MsiKind::MsiX, MsiAddress::Any, MSI, 3)));
    assert_eq!(configure(&bench), OK);
    assert_eq!(bench.endpoint.did(), ["restore", "restore"]);
}

#[test]
fn a_log_tells_where_when_and_what_the_bridge_has_noted() {
    let bench = stopped();
    for (at, byte) in (u64::from(BUFFER)..).zip(*b"driver's word") {
        bench.write(at, 1, byte.into());
    }
    assert_eq!(detail(&bench, 12, 2048, 1), OK);
    let log = log_at(&bench, 2048);
    assert_eq!(log[..4], [6, 4 << 5 | 2 << 3 | 4, 0x22, 224]);
    let end = 8 + be32(&log, 4);
    assert_eq!(log[8..12], [0xa6, 0, 0x8e, 0]);
    assert_eq!(&log[20..24], b"IBM\0");
    let mut sections = vec![];
    let mut at = 24;
    while at < end {
        let bytes = usize::from(log[at + 2]) << 8 | usize::from(log[at + 3]);
        sections.push((&log[at..at + 2], &log[at..at + bytes]));
        at += bytes;
    }
    assert_eq!(at, end);
    let ids: Vec<_> = sections.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [b"PH", b"UH", b"PS", b"UD", b"UD"]);
    let [main_a, main_b, src, data, driver] = [0, 1, 2, 3, 4].map(|n| sections[n].1);
    assert_eq!([main_a, main_b, src].map(<[u8]>::len), [48, 24, 80]);
    assert_eq!(main_a[8..16], [0x20, 0x26, 0x11, 0x23, 4, 0x13, 0x56, 0]);
    assert_eq!([main_a[0x18], main_a[0x1b]], [b'H', 5]);
    assert_eq!([main_b[8], main_b[10]], [0x30, 0x40]);
    assert_eq!(&src[0x30..], b"EEH phb0/00.0/00.0              ");
    assert_eq!(data[8..16], CAUSE.a.to_be_bytes());
    assert_eq!(data[16..24], CAUSE.b.to_be_bytes());
    let vendor = bench.pci[0].read(0, 4).unwrap();
    assert_eq!(data[24..28], vendor.to_be_bytes());
    assert_eq!(&driver[8..], b"driver's wor");
    // Each has a number of its own.
    assert_eq!(detail(&bench, 0, 2048, 1), OK);
    let id = 24 + 0x28;
    assert_eq!(be32(&log_at(&bench, 128), id), be32(&log, id) + 1);
}

#[test]
fn a_log_fits_its_buffer_and_leaves_out_whole_sections() {
    let bench = stopped();
    for room in 0..600u32 {
        for at in 0..640 {
            bench.write(u64::from(BUFFER) + 0x1000 + at, 1, 0x5a);
        }
        assert_eq!(detail(&bench, 400, room, 1), OK);
        let log = log_at(&bench, 640);
        assert!(
            log[room as usize..].iter().all(|byte| *byte == 0x5a),
            "{room}"
        );
        if room < 8 {
            continue;
        }
        let is_extended = log[1] & 4 != 0;
        assert_eq!(is_extended, room >= 176, "{room}");
        let length = be32(&log, 4);
        if is_extended {
            assert!(8 + length <= room as usize, "{room}");
            let mut at = 24;
            let mut count = 0;
            while at < 8 + length {
                at += usize::from(log[at + 2]) << 8 | usize::from(log[at + 3]);
                count += 1;
            }
            assert_eq!((at, count), (8 + length, log[24 + 0x1b]), "{room}");
        } else {
            assert_eq!(length, 0);
        }
    }
}

#[test]
fn without_an_error_there_is_no_log() {
    let bench = Bench::new();
    assert_eq!(detail(&bench, 0, 2048, 1), 1);
    stop(&bench);
    assert_eq!(option(&bench, 2), OK);
    // Stopped for DMA still; and the note outlives the bridge's own.
    assert_eq!(detail(&bench, 0, 2048, 1), OK);
    assert_eq!([reset(&bench, 1), detail(&bench, 0, 2048, 1)], [OK, 1]);
    assert_eq!([reset(&bench, 0), detail(&bench, 0, 2048, 1)], [OK, 1]);
}

#[test]
fn a_noted_error_is_told_though_the_bridge_has_forgotten_it() {
    let bench = stopped();
    bench.lpar.pci[0].note_error(CAUSE);
    assert_eq!(option(&bench, 2), OK);
    assert_eq!(detail(&bench, 0, 2048, 1), OK);
    assert_eq!(log_at(&bench, 192)[184..192], CAUSE.a.to_be_bytes());
}

#[test]
fn buffers_outside_memory_and_other_severities_are_refused() {
    let bench = stopped();
    let end = RAM_BYTES as u32;
    for rest in [
        [end, 4, BUFFER, 2048, 1],
        [end - 4, 8, BUFFER, 2048, 1],
        [BUFFER, 0, end - 8, 9, 1],
        [BUFFER, 0, u32::MAX, u32::MAX, 1],
        [u32::MAX, u32::MAX, BUFFER, 2048, 2],
        [BUFFER, 0, BUFFER, 2048, 0],
        [BUFFER, 0, BUFFER, 2048, 3],
    ] {
        let got = of(&bench, 0, "ibm,slot-error-detail", &rest, 1);
        assert_eq!(got, [PARAMETER], "{rest:x?}");
    }
    // None of them gave it up.
    assert_eq!(state(&bench), [2, 1, 0]);
}

#[test]
fn given_up_it_stays_unavailable_until_the_partition_starts_anew() {
    let bench = Bench::new();
    assert_eq!(detail(&bench, 0, 2048, 2), OK);
    assert_eq!(bench.endpoint.with(|pe| pe.stopped), Freeze::all());
    assert_eq!(state(&bench), [5, 1, 0]);
    assert_eq!([option(&bench, 2), option(&bench, 3)], [STATE, STATE]);
    assert_eq!([reset(&bench, 0), reset(&bench, 1)], [STATE, STATE]);
    assert_eq!(configure(&bench), OK);
    assert_eq!(detail(&bench, 0, 2048, 1), OK);
    assert_eq!(bench.endpoint.did(), ["stop"]);
    bench.lpar.reset();
    assert_eq!(state(&bench), [0, 1, 0]);
    assert_eq!(detail(&bench, 0, 2048, 1), 1);
}

#[test]
fn a_partition_that_starts_anew_finds_no_reset_and_no_event() {
    let bench = stopped();
    bench.lpar.pci[0].note_error(CAUSE);
    assert_eq!(reset(&bench, 1), OK);
    bench.endpoint.did();
    bench.lpar.reset();
    assert_eq!(bench.endpoint.did(), ["end", "thaw"]);
    assert_eq!(state(&bench), [0, 1, 0]);
    assert_eq!(scan(&bench, u32::MAX, 2048), 1);
}

fn scan(bench: &Bench, mask: u32, bytes: u32) -> i32 {
    let inputs = [mask, 0, BUFFER + 0x1000, bytes];
    status(bench, "event-scan", &inputs, 1)
}

#[test]
fn an_error_is_one_event_of_internal_errors() {
    let bench = stopped();
    assert_eq!(scan(&bench, u32::MAX, 2048), 1);
    bench.lpar.pci[0].note_error(CAUSE);
    assert_eq!(scan(&bench, u32::MAX >> 1, 2048), 1);
    assert_eq!(scan(&bench, 1 << 31, 2048), OK);
    let log = log_at(&bench, 192);
    // Never graver than a warning.
    assert_eq!(log[..4], [6, 2 << 5 | 2 << 3 | 4, 0x22, 224]);
    assert_eq!(log[184..192], CAUSE.a.to_be_bytes());
    assert_eq!(scan(&bench, u32::MAX, 2048), 1);
    assert_eq!(scan(&bench, u32::MAX, 2048), 1);
}

#[test]
fn after_an_event_comes_an_answer_that_there_is_none() {
    let bench = stopped();
    bench.lpar.pci[0].note_error(CAUSE);
    bench.lpar.pci[1].note_error(CAUSE);
    let answers = [(); 4].map(|()| scan(&bench, u32::MAX, 2048));
    assert_eq!(answers, [OK, 1, OK, 1]);
}

#[test]
fn events_outlive_the_reset_of_their_function() {
    let bench = stopped();
    bench.lpar.pci[0].note_error(CAUSE);
    assert_eq!([reset(&bench, 1), reset(&bench, 0)], [OK, OK]);
    assert_eq!(scan(&bench, u32::MAX, 2048), OK);
}

#[test]
fn check_exception_takes_six_inputs_or_seven_and_tells_the_same() {
    let bench = stopped();
    let inputs = [0x500, 9, u32::MAX, 0, BUFFER + 0x1000, 2048, 0];
    assert_eq!(status(&bench, "check-exception", &inputs, 1), 1);
    for inputs in [&inputs[..6], &inputs] {
        bench.lpar.pci[0].note_error(CAUSE);
        assert_eq!(status(&bench, "check-exception", inputs, 1), OK);
        assert_eq!(log_at(&bench, 192)[184..192], CAUSE.a.to_be_bytes());
        assert_eq!(scan(&bench, u32::MAX, 2048), 1);
    }
    for wrong in [&inputs[..5], &[0; 8]] {
        assert_eq!(status(&bench, "check-exception", wrong, 1), PARAMETER);
    }
}

#[test]
fn an_urgent_or_short_answer_is_the_fixed_part_and_a_foreign_buffer_loses_no_event() {
    let bench = stopped();
    bench.lpar.pci[0].note_error(CAUSE);
    let end = RAM_BYTES as u32;
    for name in ["event-scan", "check-exception"] {
        let lead: &[u32] = if name == "event-scan" { &[] } else { &[0, 0] };
        let inputs = [lead, &[u32::MAX, 0, end - 8, 16]].concat();
        assert_eq!(status(&bench, name, &inputs, 1), PARAMETER);
    }
    let urgent = [u32::MAX, 1, BUFFER + 0x1000, 2048];
    assert_eq!(status(&bench, "event-scan", &urgent, 1), OK);
    assert_eq!(log_at(&bench, 2)[1] & 4, 0);
    assert_eq!(scan(&bench, u32::MAX, 2048), 1);
}

#[test]
fn nothing_a_partition_asks_for_gets_an_endpoint_out_of_step() {
    // The fake checks what no bridge would forgive: letting go while held in reset, or asking then.
    proptest!(|(steps: Vec<(u8, u8, bool)>)| {
        let bench = Bench::new();
        for (step, wait, fails) in steps {
            bench.endpoint.with(|pe: &mut FakePe| {
                pe.waits = vec![wait.into()];
                pe.fails = fails && step & 0x80 != 0;
            });
            match step & 7 {
                0 | 1 => drop(reset(&bench, u32::from(step & 1))),
                2 | 3 => drop(option(&bench, u32::from(step & 7))),
                4 => drop(configure(&bench)),
                5 => bench.clock.pass(wait.into()),
                6 => stop(&bench),
                _ => bench.lpar.reset(),
            }
            let [number, has_eeh, ms] = state(&bench);
            prop_assert!(matches!(number, 0 | 1 | 2 | 4 | 5));
            prop_assert_eq!(has_eeh, 1);
            prop_assert!(ms == 0 || number == 5);
        }
    });
}

#[test]
fn while_its_bridge_is_reset_it_is_unavailable_and_then_stopped() {
    let bench = stopped();
    bench
        .endpoint
        .with(|pe| pe.outage = Some(Outage::Passing(250)));
    assert_eq!(state(&bench), [5, 1, 250]);
    assert_eq!(configure(&bench), 9902);
    for what in [0, 1] {
        assert_eq!(reset(&bench, what), STATE);
    }
    for what in [2, 3] {
        assert_eq!(option(&bench, what), STATE);
    }
    let function = &bench.lpar.pci[0];
    assert_eq!(function.freeze(), Err(EehError::State));
    assert_eq!(function.thaw(Freeze::all()), Err(EehError::State));
    assert_eq!(bench.endpoint.did(), [""; 0]);
    bench.endpoint.with(|pe| pe.outage = None);
    assert_eq!(state(&bench), [2, 1, 0]);
    assert_eq!(reset(&bench, 1), OK);
}

#[test]
fn a_reset_that_an_outage_has_overtaken_is_ended_by_its_owner_and_over_after_it() {
    let bench = stopped();
    assert_eq!(reset(&bench, 1), OK);
    bench
        .endpoint
        .with(|pe| pe.outage = Some(Outage::Passing(3)));
    assert_eq!(state(&bench), [1, 1, 0]);
    assert_eq!(reset(&bench, 1), OK);
    assert_eq!(reset(&bench, 0), OK);
    assert_eq!(reset(&bench, 0), OK);
    assert_eq!(state(&bench), [5, 1, 3]);
    assert_eq!(configure(&bench), 9901);
    bench.endpoint.with(|pe| pe.outage = None);
    assert_eq!(state(&bench), [0, 1, 0]);
    assert_eq!(configure(&bench), OK);
    assert_eq!(
        bench.endpoint.did(),
        ["begin", "end", "settle", "thaw", "restore"]
    );
}

#[test]
fn a_bridge_that_does_not_come_back_is_gone_for_its_owners() {
    let bench = stopped();
    bench.endpoint.with(|pe| pe.outage = Some(Outage::Final));
    assert_eq!(state(&bench), [5, 1, 0]);
    assert_eq!(configure(&bench), OK);
    assert_eq!(reset(&bench, 1), STATE);
    assert_eq!(bench.endpoint.did(), [""; 0]);
}

#[test]
fn the_operator_stops_and_lets_go_but_not_in_a_reset() {
    let bench = Bench::new();
    let function = &bench.lpar.pci[0];
    assert_eq!(function.freeze(), Ok(()));
    assert_eq!(state(&bench), [2, 1, 0]);
    assert_eq!(function.thaw(Freeze::MMIO), Ok(()));
    assert_eq!(state(&bench), [4, 1, 0]);
    assert_eq!(function.thaw(Freeze::all()), Ok(()));
    assert_eq!(state(&bench), [0, 1, 0]);
    assert_eq!(reset(&bench, 1), OK);
    bench.endpoint.did();
    assert_eq!(function.freeze(), Err(EehError::State));
    assert_eq!(function.thaw(Freeze::all()), Err(EehError::State));
    assert_eq!(bench.endpoint.did(), [""; 0]);
    bench.endpoint.with(|pe| pe.fails = true);
    assert_eq!(reset(&bench, 0), -1);
    // The other has no way back from errors.
    assert_eq!(bench.lpar.pci[1].freeze(), Err(EehError::Unsupported));
}
