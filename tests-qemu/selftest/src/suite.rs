//! Runs the cases, each after the other, whatever becomes of one.
#![expect(unsafe_code, reason = "goes to a fresh stack")]

use crate::print::println;
use crate::{machine, stop};
use cases::Case;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use spin::Once;

/// A crate's tables.
pub(crate) type Tables = &'static [&'static [&'static [Case]]];

static TABLES: Once<Tables> = Once::new();
/// How many cases were begun, how many came to a good end, and how many did not.
static BEGUN: AtomicUsize = AtomicUsize::new(0);
static PASSED: AtomicUsize = AtomicUsize::new(0);
static FAILED: AtomicUsize = AtomicUsize::new(0);

core::arch::global_asm!(
    "# Calls r3 on the stack that ends at r4. Nothing returns.",
    ".global selftest_call_on",
    "selftest_call_on:",
    "mr %r1, %r4",
    "li %r0, 0",
    "stdu %r0, -112(%r1)",
    "mr %r12, %r3",
    "mtctr %r3",
    "bctr",
);

unsafe extern "C" {
    /// # Safety
    /// 1. `stack_end` is the high end of a stack, aligned to 16, that nobody will use again.
    fn selftest_call_on(run: extern "C" fn() -> !, stack_end: u64) -> !;
}

/// Runs all cases of `tables`, prints the summary, and stops the machine.
pub(crate) fn run(tables: Tables) -> ! {
    TABLES.call_once(|| tables);
    go_on()
}

/// Runs the cases that have not begun, on an empty stack: the caller's frames are lost.
fn go_on() -> ! {
    let Some(stack_end) = machine::stack_end() else {
        stop::machine("bad-machine")
    };
    // SAFETY: the stack of cases, of which none runs any more; a panic, like this function, does not return.
    unsafe { selftest_call_on(rest, stack_end) }
}

/// The cases, in the order of their tables.
fn all() -> impl Iterator<Item = &'static Case> {
    let tables = TABLES.get().copied().unwrap_or_default();
    tables.iter().copied().flatten().copied().flatten()
}

extern "C" fn rest() -> ! {
    while let Some(case) = all().nth(BEGUN.fetch_add(1, Relaxed)) {
        (case.run)();
        PASSED.fetch_add(1, Relaxed);
        println!("test {} ... ok", case.name);
    }
    end("power-off")
}

/// Counts the case that runs as failed and goes on with the next. Returns when none runs.
pub(crate) fn fail(why: core::fmt::Arguments<'_>) {
    if count_failure(why) {
        go_on();
    }
}

/// As [`fail`], but nothing can be run any more: prints the summary and stops the machine for `reason`.
pub(crate) fn fail_for_good(why: core::fmt::Arguments<'_>, reason: &str) -> ! {
    count_failure(why);
    end(reason)
}

fn count_failure(why: core::fmt::Arguments<'_>) -> bool {
    let running = BEGUN
        .load(Relaxed)
        .checked_sub(1)
        .and_then(|index| all().nth(index));
    let Some(case) = running else { return false };
    FAILED.fetch_add(1, Relaxed);
    println!("test {} ... FAILED: {}", case.name, why);
    true
}

fn end(reason: &str) -> ! {
    println!("heap: {} KiB in use", machine::heap_used() >> 10);
    println!(
        "{} passed, {} failed",
        PASSED.load(Relaxed),
        FAILED.load(Relaxed)
    );
    stop::machine(reason)
}
