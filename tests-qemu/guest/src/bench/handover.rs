//! `mode=handover`: when this partition gave its thread away, and when it had one again.
//!
//! Two partitions that do this on one thread hand it to each other: each works longer than the other waits. The machine's
//! time base is the same in both, so their times can be put in order by who reads them.

use crate::console::println;
use crate::cpu::{self, DEC_FAR, TICKS_PER_MS};
use crate::hcall::{PAGES, Waiting, cede_until, stamped};
use crate::tree::Platform;

const ROUNDS: usize = 200;
/// How long it works, and then waits, in ticks.
const WORK: u64 = 3 * TICKS_PER_MS / 10;
const WAIT: u64 = TICKS_PER_MS / 10;

/// Prints the time of each H_CEDE, when it was due to end, and
/// when it had ended, in ticks.
pub(crate) fn run(platform: &Platform) {
    cede_until(platform.options.after);
    let [gave, due, had, ..] = &PAGES;
    for round in 0..ROUNDS {
        cpu::spin(WORK);
        cpu::set_dec(WAIT);
        due.set(round, cpu::timebase() + WAIT);
        let [before, after] = stamped(0x900, Waiting::Ceded);
        gave.set(round, before);
        had.set(round, after);
    }
    cpu::set_dec(DEC_FAR);
    for round in 0..ROUNDS {
        println!(
            "bench handover {} {} {}",
            gave.get(round),
            due.get(round),
            had.get(round)
        );
    }
    println!("bench handover done");
}
