//! The warning that the partition is to shut itself down.

use super::eeh::{be32, log_at};
use super::*;
use crate::vio::EPOW_IRQ;
use crate::xics::Xive;
use crate::{PoolShare, Processors, Shutdown};
use papr_abi::Server;

const EPOW: u32 = 1 << 30;
const NONE: u64 = 0xff00_0000;
/// As H_XIRR tells of it, to a processor that takes everything.
const WARNED: u64 = NONE | EPOW_IRQ.0 as u64;

/// What the sensor says: status and value.
fn sensor(bench: &Bench) -> Vec<i32> {
    rtas(bench, "get-sensor-state", &[9, 0], 2).0
}

fn ask(bench: &Bench, mask: u32, urgent: u32, bytes: u32) -> i32 {
    let inputs = [0x500, EPOW_IRQ.0, mask, urgent, BUFFER + 0x1000, bytes];
    status(bench, "check-exception", &inputs, 1)
}

/// A partition that takes the warning's interrupt on processor 1.
fn listening(processors: Processors) -> Bench {
    let bench = Bench::with(|config| config.processors = processors);
    for server in [0, 1] {
        call_on(&bench, server, token::H_CPPR, &[0xff]);
    }
    assert_eq!(status(&bench, "ibm,set-xive", &[EPOW_IRQ.0, 1, 5], 1), OK);
    assert_eq!(status(&bench, "ibm,int-on", &[EPOW_IRQ.0], 1), OK);
    bench
}

fn xirr(bench: &Bench, server: usize) -> u64 {
    call_on(bench, server, token::H_XIRR, &[]).1[0]
}

#[test]
fn a_partition_that_is_asked_is_interrupted_and_told_once() {
    let bench = listening(Processors::Dedicated);
    assert_eq!(bench.lpar.shutdown(), Shutdown::Unasked);
    assert_eq!(sensor(&bench), [OK, 0]);
    assert_eq!(ask(&bench, u32::MAX, 0, 2048), 1);
    assert_eq!(xirr(&bench, 1), NONE);
    bench.lpar.ask_to_shut_down();
    assert_eq!(bench.lpar.shutdown(), Shutdown::Asked);
    assert_eq!((xirr(&bench, 0), xirr(&bench, 1)), (NONE, WARNED));
    assert_eq!(sensor(&bench), [OK, 3]);
    logged();
    assert_eq!(ask(&bench, EPOW, 0, 2048), OK);
    assert_eq!(
        logged(),
        ["partition test: it has taken the request to shut itself down"]
    );
    assert_eq!(bench.lpar.shutdown(), Shutdown::Told);
    assert_eq!(ask(&bench, u32::MAX, 0, 2048), 1);
    // The warning stands for as long as the partition does.
    assert_eq!(sensor(&bench), [OK, 3]);
    assert_eq!(call_on(&bench, 1, token::H_EOI, &[WARNED]).0, 0);
    assert_eq!(xirr(&bench, 1), NONE);
    assert_eq!(bench.sources.ended(), [], "no bridge has this source");
}

#[test]
fn the_log_says_what_linux_shuts_down_for() {
    let bench = Bench::new();
    bench.lpar.ask_to_shut_down();
    assert_eq!(ask(&bench, EPOW, 0, 2048), OK);
    let log = log_at(&bench, 128);
    // Version 6; an event, not recovered, with an extended part; nobody's; EPOW.
    assert_eq!(log[..4], [6, 1 << 5 | 2 << 3 | 4, 0, 64]);
    assert_eq!(8 + be32(&log, 4), 24 + 48 + 24 + 20);
    assert_eq!(log[20..24], *b"IBM\0");
    let third = 24 + 48 + 24;
    assert_eq!(log[24..26], *b"PH");
    assert_eq!(log[72..74], *b"UH");
    // The external environment, informational, a normal shutdown.
    assert_eq!(log[80..84], [0xa0, 0, 0, 0xd0]);
    assert_eq!(log[third..third + 4], [b'E', b'P', 0, 20]);
    // System shutdown; without further delay; of this partition alone.
    assert_eq!(log[third + 8..third + 12], [3, 1, 1, 0]);
    assert_eq!(log[24 + 8 + 0x13], 3, "sections");
}

#[test]
fn event_scan_and_other_masks_leave_the_warning_to_who_acts_on_it() {
    let bench = Bench::new();
    bench.lpar.ask_to_shut_down();
    let inputs = [u32::MAX, 0, BUFFER + 0x1000, 2048];
    assert_eq!(status(&bench, "event-scan", &inputs, 1), 1);
    assert_eq!(ask(&bench, !EPOW, 0, 2048), 1);
    assert_eq!(bench.lpar.shutdown(), Shutdown::Asked);
    // An urgent caller has the fixed part.
    assert_eq!(ask(&bench, u32::MAX, 1, 2048), OK);
    assert_eq!(log_at(&bench, 2)[1] & 4, 0);
}

#[test]
fn a_foreign_buffer_does_not_lose_the_warning_and_errors_come_after_it() {
    let bench = Bench::new();
    bench.lpar.ask_to_shut_down();
    bench.lpar.pci[0].note_error(ioda::Pest { a: 1, b: 2 });
    let end = RAM_BYTES as u32;
    let inputs = [0, 0, u32::MAX, 0, end - 8, 16];
    assert_eq!(status(&bench, "check-exception", &inputs, 1), PARAMETER);
    assert_eq!(bench.lpar.shutdown(), Shutdown::Asked);
    assert_eq!(ask(&bench, u32::MAX, 0, 2048), OK);
    assert_eq!(log_at(&bench, 4)[3], 64);
    assert_eq!(ask(&bench, u32::MAX, 0, 2048), OK);
    assert_eq!(log_at(&bench, 4)[3], 224);
    assert_eq!(ask(&bench, u32::MAX, 0, 2048), 1);
}

#[test]
fn one_that_was_deaf_hears_it_later_and_can_be_asked_again() {
    let bench = Bench::new();
    call(&bench, token::H_CPPR, &[0xff]);
    bench.lpar.ask_to_shut_down();
    bench.lpar.ask_to_shut_down();
    assert_eq!(xirr(&bench, 0), NONE);
    let change = |xive: &mut Xive| (xive.server, xive.priority, xive.on) = (Server(0), 5, true);
    assert_eq!(bench.lpar.change_xive(EPOW_IRQ, change), Ok(()));
    assert_eq!(xirr(&bench, 0), WARNED);
    assert_eq!(call(&bench, token::H_EOI, &[WARNED]).0, 0);
    // It was noted once more while it was raised.
    assert_eq!(xirr(&bench, 0), WARNED);
    assert_eq!(call(&bench, token::H_EOI, &[WARNED]).0, 0);
    assert_eq!(xirr(&bench, 0), NONE);
    assert_eq!(ask(&bench, EPOW, 0, 2048), OK);
    bench.lpar.ask_to_shut_down();
    assert_eq!(bench.lpar.shutdown(), Shutdown::Asked);
    assert_eq!(xirr(&bench, 0), WARNED);
    assert_eq!(ask(&bench, EPOW, 0, 2048), OK);
}

#[test]
fn a_new_life_knows_nothing_of_it() {
    let bench = listening(Processors::Dedicated);
    bench.lpar.ask_to_shut_down();
    bench.lpar.reset();
    assert_eq!(bench.lpar.shutdown(), Shutdown::Unasked);
    assert_eq!(sensor(&bench), [OK, 0]);
    call_on(&bench, 1, token::H_CPPR, &[0xff]);
    assert_eq!(status(&bench, "ibm,set-xive", &[EPOW_IRQ.0, 1, 5], 1), OK);
    assert_eq!(status(&bench, "ibm,int-on", &[EPOW_IRQ.0], 1), OK);
    assert_eq!(xirr(&bench, 1), NONE);
    assert_eq!(ask(&bench, u32::MAX, 0, 2048), 1);
}

#[test]
fn an_inter_processor_interrupt_meanwhile_loses_neither() {
    let bench = listening(Processors::Dedicated);
    bench.lpar.ask_to_shut_down();
    // Taken back, as processors do that had one before: the warning is still to come.
    for mfrr in [0xff, 4] {
        assert_eq!(call(&bench, token::H_IPI, &[1, mfrr]).0, 0);
    }
    assert_eq!(xirr(&bench, 1), NONE | 2);
    call(&bench, token::H_IPI, &[1, 0xff]);
    assert_eq!(call_on(&bench, 1, token::H_EOI, &[NONE | 2]).0, 0);
    assert_eq!(xirr(&bench, 1), WARNED);
}

#[test]
fn processors_that_share_threads_are_warned_by_their_software_controller() {
    let share = PoolShare {
        entitlement: 50,
        weight: 0,
    };
    let bench = Bench::with(|config| config.processors = Processors::Shared(share));
    let place = bench.lpar.xics.place(EPOW_IRQ).unwrap();
    let soft = &bench.lpar.soft_xics;
    let _ = soft.route(place, Server(1), 5);
    let _ = soft.set_cppr(Server(1), 0xff);
    bench.lpar.ask_to_shut_down();
    assert_eq!(bench.threads.kicked(), [PIRS[1]]);
    assert_eq!(u64::from(soft.poll(Server(1))), WARNED);
}

#[test]
fn there_are_no_other_sensors() {
    let bench = Bench::new();
    for inputs in [[9, 1], [9, u32::MAX], [0, 0], [9001, 0], [u32::MAX, 0]] {
        assert_eq!(
            status(&bench, "get-sensor-state", &inputs, 2),
            PARAMETER,
            "{inputs:x?}"
        );
    }
}
