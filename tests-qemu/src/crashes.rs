//! How Bulkhead tells of its own failures: cause, registers, a back-trace with names, and a stop.

use anyhow::{Context as _, Result, ensure};

use crate::case::{Case, Outcome};
use crate::context::{Context, stop_reason};
use crate::passed;

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "crashes/panic",
        run: |context| crash(context, "panic", "panic", "panic at hypervisor/src/stop.rs"),
    },
    Case {
        name: "crashes/machine-check",
        run: |context| crash(context, "machine-check", "machine-check", "vector 0x200"),
    },
    Case {
        name: "crashes/interrupt",
        run: |context| crash(context, "interrupt", "unexpected-interrupt", "vector 0x700"),
    },
];

/// Has the hypervisor fail as `how`, and checks that it stops for `reason` after lines with `cause` and the
/// function that failed.
fn crash(context: &Context, how: &str, reason: &str, cause: &str) -> Outcome {
    let words = format!("bulkhead.crash={how}");
    // QEMU hands boot arguments over only beside a kernel; Bulkhead looks at none.
    let machine = ["-kernel", "/dev/null", "-append", &words]
        .into_iter()
        .fold(context.machine(), |machine, word| machine.arg(word));
    let mut session = context.start(machine)?;
    let stopped = stop_reason(&mut session, context.limit(60))?;
    let lines = session.stop();
    ensure!(
        stopped == reason,
        "stopped with `{stopped}`, not `{reason}`"
    );
    let has = |what: &str| -> Result<()> {
        let found = lines.iter().any(|line| line.contains(what));
        ensure!(found, "no line of the hypervisor has `{what}`");
        Ok(())
    };
    has(cause)?;
    has("back-trace:")?;
    has("crash_if_asked+0x").context("the back-trace has no names")?;
    has("bulkhead_main+0x").context("the back-trace ends early")?;
    passed()
}
