//! Starting and stopping, of processors and the partition; its words.

use super::*;

#[test]
fn power_off_and_reboot_concern_the_partition() {
    let bench = Bench::new();
    let (_, after) = rtas(&bench, "power-off", &[u32::MAX, u32::MAX], 1);
    assert_eq!(after, After::PowerOff);
    assert_eq!(rtas(&bench, "system-reboot", &[], 1).1, After::Restart);
}

#[test]
fn a_processor_is_started_once_where_it_was_told() {
    let bench = Bench::new();
    let other = &bench.lpar.vcpus[1];
    let query = || rtas(&bench, "query-cpu-stopped-state", &[1], 2).0;
    assert_eq!(query(), [OK, 0]);
    assert_eq!(status(&bench, "start-cpu", &[1, 0x60, 0x77], 1), OK);
    assert_eq!(bench.threads.kicked(), [PIRS[1]]);
    assert_eq!(other.start_point(), (0x60, 0x77));
    assert_eq!(query(), [OK, 2]);
    assert_eq!(status(&bench, "start-cpu", &[1, 0x80, 0], 1), HARDWARE);
    assert_eq!(status(&bench, "start-cpu", &[0, 0x80, 0], 1), HARDWARE);
    assert_eq!(other.start_point(), (0x60, 0x77));
    other.set_state(VcpuState::Stopping);
    assert_eq!(query(), [OK, 1]);
}

#[test]
fn processors_and_places_that_do_not_exist_are_refused() {
    let bench = Bench::new();
    for inputs in [
        [2, 0x60, 0],
        [PIRS[1], 0x60, 0],
        [u32::MAX, 0x60, 0],
        [1, RAM_BYTES as u32, 0],
        [1, 0x62, 0],
        [1, u32::MAX, 0],
    ] {
        assert_eq!(
            status(&bench, "start-cpu", &inputs, 1),
            PARAMETER,
            "{inputs:x?}"
        );
    }
    assert_eq!(bench.lpar.vcpus[1].state(), VcpuState::Stopped);
    assert_eq!(bench.threads.kicked(), []);
    assert_eq!(
        status(&bench, "query-cpu-stopped-state", &[2], 2),
        PARAMETER
    );
}

#[test]
fn the_last_processor_that_stops_ends_the_partition() {
    let bench = Bench::new();
    bench.lpar.vcpus[1].set_state(VcpuState::Running);
    let (_, after) = rtas_on(&bench, 1, "stop-self", &[], 1);
    assert_eq!(after, After::StopSelf);
    assert_eq!(bench.lpar.vcpus[1].state(), VcpuState::Stopping);
    assert_eq!(rtas(&bench, "stop-self", &[], 1).1, After::PowerOff);
}

#[test]
fn last_words_are_logged_escaped_and_cut_and_the_call_returns() {
    let bench = Bench::new();
    logged();
    let text = b"Fatal \x1b[31mexception\nbulkhead| STOP panic\0rest";
    let at = papr_abi::GuestRealAddr(BUFFER.into());
    bench.lpar.ram.write(at, text).unwrap();
    assert_eq!(status(&bench, "ibm,os-term", &[BUFFER], 1), OK);
    assert_eq!(
        logged(),
        [r"partition test: os-term: Fatal \x1b[31mexception\nbulkhead| STOP panic"]
    );
    bench.lpar.ram.write(at, &[b'x'; 1000]).unwrap();
    assert_eq!(status(&bench, "ibm,os-term", &[BUFFER], 1), OK);
    assert_eq!(logged()[0].matches('x').count(), 256);
    // Text that runs into the end of memory ends there.
    let last = RAM_BYTES as u32 - 3;
    bench
        .lpar
        .ram
        .write(papr_abi::GuestRealAddr(last.into()), b"end")
        .unwrap();
    assert_eq!(status(&bench, "ibm,os-term", &[last], 1), OK);
    assert_eq!(logged(), ["partition test: os-term: end"]);
    assert_eq!(
        status(&bench, "ibm,os-term", &[RAM_BYTES as u32], 1),
        PARAMETER
    );
}

#[test]
fn panel_text_is_logged_by_the_line_and_there_are_no_events() {
    let bench = Bench::new();
    logged();
    for &byte in b"Booting\r\n" {
        assert_eq!(status(&bench, "display-character", &[byte.into()], 1), OK);
    }
    assert_eq!(logged(), ["partition test: panel: Booting"]);
    let inputs = [u32::MAX, 0, BUFFER, 2048];
    assert_eq!(status(&bench, "event-scan", &inputs, 1), 1);
}
