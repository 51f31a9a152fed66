//! Cases that do not pass, to show that the image says so.

use cases::Case;

/// A panic, a pass, a fault, and what a fault keeps from running.
pub(crate) const CASES: &[&[&[Case]]] = &[&[&[
    Case {
        name: "selftest::failing::panics",
        run: || assert_eq!(1, 2, "one is not two"),
    },
    Case {
        name: "selftest::failing::runs_after_a_panic",
        run: || {},
    },
    Case {
        name: "selftest::failing::faults",
        run: ppc64::trace::trap,
    },
    Case {
        name: "selftest::failing::does_not_run_after_a_fault",
        run: || {},
    },
]]];
