//! Boots Bulkhead under QEMU, again and again, and checks what comes of it.
//!
//! A case is a row of a table: [`payload`] runs `guest-test` as a partition, [`refusals`] offers what must be
//! refused, [`linux`] boots Debian's kernels, [`eeh`] has their devices fail, [`lan`] has two of them on a virtual
//! network, [`shared`] has partitions share processors, [`attacks`] has one attack the others, [`races`] has its processors meet, [`floods`] has one flood what all have,
//! [`consoles`] types and reads where several partitions have a console, [`map`] reads what the hypervisor tells of itself, [`monitor`] asks it, [`trace`] reads what happened, [`program`] is a program at its serial line, [`life`] has it stop and start partitions, [`soak`] does all of it at once for as long as wanted, [`selftest`] runs the host's tests on the machine itself. Each prints `test NAME ... ok`; the last line is `N passed, N failed`.
//! [`context`] knows where images and logs are; the machines are `qemu-run`'s, the bundles `bundle`'s.

use std::process::ExitCode;

use clap::Parser;

mod attacks;
mod case;
mod consoles;
mod context;
mod crashes;
mod eeh;
mod floods;
mod lan;
mod life;
mod linux;
mod map;
mod monitor;
mod p7ioc;
mod payload;
mod program;
mod races;
mod refusals;
mod selftest;
mod shared;
mod soak;
mod trace;

use case::{Case, Outcome, Tally};
use context::Context;

/// Boots Bulkhead under QEMU and checks what comes of it.
#[derive(Debug, Parser)]
#[command(name = "tests-qemu")]
struct Arguments {
    #[command(flatten)]
    context: Context,
    /// Only cases whose name contains this.
    #[arg(long)]
    filter: Option<String>,
    /// Prints the names of the cases and ends.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = arguments.filter.as_deref().unwrap_or("");
    let cases = [
        payload::CASES,
        refusals::CASES,
        crashes::CASES,
        consoles::CASES,
        linux::CASES,
        eeh::CASES,
        lan::CASES,
        shared::CASES,
        attacks::CASES,
        races::CASES,
        floods::CASES,
        p7ioc::CASES,
        map::CASES,
        monitor::CASES,
        trace::CASES,
        program::CASES,
        life::CASES,
        soak::CASES,
        selftest::CASES,
    ]
    .concat();
    let chosen: Vec<Case> = cases
        .into_iter()
        .filter(|case| case.name.contains(filter))
        .collect();
    if arguments.list {
        chosen.iter().for_each(|case| println!("{}", case.name));
        return ExitCode::SUCCESS;
    }
    qemu_run::stop_all_on_interrupt(|| ());
    let mut tally = Tally::default();
    for case in &chosen {
        tally.add(case.name, case.outcome(&arguments.context.of(case.name)));
    }
    if chosen.is_empty() {
        tally.add(
            "filter",
            Err(anyhow::anyhow!("no case's name contains `{filter}`")),
        );
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What a case without parts returns.
fn passed() -> Outcome {
    Ok(Vec::new())
}
