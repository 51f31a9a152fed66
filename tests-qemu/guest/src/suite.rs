//! What a case is, how it says what went wrong, and how the chosen ones are run.

use crate::console::println;
use crate::hcall::Answer;
use crate::tree::Platform;
use papr_abi::HError;

/// Why a case did not pass.
pub(crate) enum Fail {
    /// The platform offers nothing to try it on; not a failure.
    Skip(&'static str),
    /// A number differs from what it should be.
    Differs {
        what: &'static str,
        got: u64,
        want: u64,
    },
    /// A status differs from what it should be.
    Status {
        what: &'static str,
        got: i64,
        want: i64,
    },
    /// Something else.
    Because(&'static str),
}
/// What running a case gave.
pub(crate) type Outcome = Result<(), Fail>;

/// A named trial of the platform.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Platform) -> Outcome,
    /// QEMU's own `pseries` machine fails it, by a choice or an omission of its own.
    pub(crate) beyond_qemu: u8,
}

/// Makes a table of cases from functions; those after `beyond_qemu` are left out with `mode=pseries`.
macro_rules! cases {
    ($group:literal: $($name:ident),* $(,)? $(; beyond_qemu: $($more:ident),* $(,)?)?) => {
        /// The cases of this file.
        pub(crate) const CASES: &[$crate::suite::Case] = &[
            $($crate::suite::Case { name: concat!($group, "::", stringify!($name)), run: $name, beyond_qemu: 0 },)*
            $($($crate::suite::Case { name: concat!($group, "::", stringify!($more)), run: $more, beyond_qemu: 1 },)*)?
        ];
    };
}
pub(crate) use cases;

/// Checks that two numbers are the same.
pub(crate) fn same(what: &'static str, got: u64, want: u64) -> Outcome {
    if got == want {
        Ok(())
    } else {
        Err(Fail::Differs { what, got, want })
    }
}
/// Checks that something holds.
pub(crate) fn holds(what: &'static str, truth: Option<()>) -> Outcome {
    truth.ok_or(Fail::Because(what))
}
/// Checks that an hcall succeeded, and gives its outputs.
pub(crate) fn ok(what: &'static str, answer: Answer) -> Result<[u64; 9], Fail> {
    if answer.status == 0 {
        Ok(answer.out)
    } else {
        Err(Fail::Status {
            what,
            got: answer.status,
            want: 0,
        })
    }
}
/// Checks that an hcall was refused with exactly `error`.
pub(crate) fn refused(what: &'static str, answer: Answer, error: HError) -> Outcome {
    status(what, answer.status, error.code())
}
/// Checks a status word.
pub(crate) fn status(what: &'static str, got: i64, want: i64) -> Outcome {
    if got == want {
        Ok(())
    } else {
        Err(Fail::Status { what, got, want })
    }
}

/// Runs every case of `tables` that the command line chose; prints the summary; gives the number of failures.
pub(crate) fn run(platform: &Platform, tables: &[&[Case]]) -> u64 {
    let (mut passed, mut failed) = (0u64, 0u64);
    for case in tables
        .iter()
        .copied()
        .flatten()
        .filter(|case| platform.options.chooses(case))
    {
        // A line of its own, so that a case that never ends has a name; the result is one piece, as a
        // hypervisor that reports what it refuses does so between lines.
        println!("trying {}", case.name);
        let name = case.name;
        match (case.run)(platform) {
            Ok(()) => {
                passed += 1;
                println!("test {} ... ok", name);
                continue;
            }
            Err(Fail::Skip(why)) => {
                println!("test {} ... skipped: {}", name, why);
                continue;
            }
            Err(Fail::Differs { what, got, want }) => {
                println!(
                    "test {} ... FAILED: {}: got 0x{:x}, want 0x{:x}",
                    name, what, got, want
                );
            }
            Err(Fail::Status { what, got, want }) => {
                println!(
                    "test {} ... FAILED: {}: got {}, want {}",
                    name, what, got, want
                );
            }
            Err(Fail::Because(why)) => println!("test {} ... FAILED: {}", name, why),
        }
        failed += 1;
    }
    println!("guest-test: {} passed, {} failed", passed, failed);
    failed
}
