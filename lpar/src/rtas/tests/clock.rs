//! Time of day.

use super::*;

const NOW: [i32; 8] = [OK, 2026, 11, 23, 4, 13, 56, 7];

#[test]
fn a_partition_begins_with_the_machine_s_time() {
    let bench = Bench::new();
    assert_eq!(rtas(&bench, "get-time-of-day", &[], 8).0, NOW);
}

#[test]
fn a_set_time_is_kept_as_the_machine_s_goes_on() {
    let bench = Bench::new();
    let set = [2030, 2, 28, 23, 59, 59, 999_999_999];
    assert_eq!(status(&bench, "set-time-of-day", &set, 1), OK);
    let (outputs, _) = rtas(&bench, "get-time-of-day", &[], 8);
    assert_eq!(outputs[1..], set.map(|value| value as i32));
    let later = CivilTime {
        second: 57,
        ..bench.clock.civil.lock().unwrap().unwrap()
    };
    *bench.clock.civil.lock().unwrap() = Ok(later);
    let (outputs, _) = rtas(&bench, "get-time-of-day", &[], 8);
    assert_eq!(outputs, [OK, 2030, 3, 1, 0, 0, 0, 999_999_999]);
}

#[test]
fn a_time_that_does_not_exist_is_refused_and_changes_nothing() {
    let bench = Bench::new();
    for bad in [
        [1969, 12, 31, 0, 0, 0, 0],
        [2200, 1, 1, 0, 0, 0, 0],
        [2027, 2, 29, 0, 0, 0, 0],
        [2028, 13, 1, 0, 0, 0, 0],
        [2028, 1, 1, 24, 0, 0, 0],
        [2028, 1, 1, 0, 60, 0, 0],
        [2028, 1, 1, 0, 0, 60, 0],
        [2028, 1, 1, 0, 0, 0, 1_000_000_000],
        [0x1_07ec, 1, 1, 0, 0, 0, 0],
        [2028, 0x101, 1, 0, 0, 0, 0],
    ] {
        assert_eq!(
            status(&bench, "set-time-of-day", &bad, 1),
            PARAMETER,
            "{bad:?}"
        );
    }
    assert_eq!(rtas(&bench, "get-time-of-day", &[], 8).0, NOW);
}

#[test]
fn a_broken_clock_is_a_hardware_error() {
    let bench = Bench::new();
    *bench.clock.civil.lock().unwrap() = Err(Failed);
    assert_eq!(status(&bench, "get-time-of-day", &[], 8), HARDWARE);
    let set = [2030, 1, 1, 0, 0, 0, 0];
    assert_eq!(status(&bench, "set-time-of-day", &set, 1), HARDWARE);
}
