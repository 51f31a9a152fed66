//! How many lines of the log a partition may cause: [`Lines`].
//!
//! The log is shared: whoever starts processors, restarts or crashes without a pause must not push the lines of others out of
//! it. Refused requests are told ever more rarely anyway ([`Refusals`](crate::refusal::Refusals)).

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Lines that may come at once.
const BURST: u64 = 128;
/// Lines that may come in a second, on and on.
const PER_SECOND: u64 = 16;

/// Counts a partition's lines.
///
/// Processors that count at the same time may get a line more than there is room for.
#[derive(Debug)]
pub(crate) struct Lines {
    /// When the last one would have been due, had they come evenly; time base.
    due: AtomicU64,
    untold: AtomicU32,
}

impl Lines {
    pub(crate) const fn new() -> Self {
        Self {
            due: AtomicU64::new(0),
            untold: AtomicU32::new(0),
        }
    }

    /// Takes a line's place at `now`, ticks of a time base with `hz` in a second; returns whether there is one.
    pub(crate) fn take(&self, now: u64, hz: u64) -> bool {
        let each = hz / PER_SECOND;
        let due = self.due.load(Relaxed).max(now);
        let is_free = due.wrapping_sub(now) < each.wrapping_mul(BURST);
        if is_free {
            self.due.store(due.wrapping_add(each), Relaxed);
        }
        is_free
    }

    /// Notes a line that had no place.
    pub(crate) fn leave_out(&self) {
        self.untold.fetch_add(1, Relaxed);
    }

    /// Returns how many had none since the last time.
    pub(crate) fn left_out(&self) -> u32 {
        self.untold.swap(0, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HZ: u64 = 512_000_000;

    #[test]
    fn after_a_burst_lines_come_as_often_as_they_may() {
        let lines = Lines::new();
        let burst = (0..1000).filter(|_| lines.take(5, HZ)).count();
        assert_eq!(burst as u64, BURST);
        // Asked every millisecond for ten seconds.
        let later = (0..10_000).filter(|ms| lines.take(5 + ms * HZ / 1000, HZ));
        let count = later.count() as u64;
        assert!(count.abs_diff(10 * PER_SECOND) <= 1, "{count}");
    }

    #[test]
    fn who_was_quiet_has_a_whole_burst_again() {
        let lines = Lines::new();
        while lines.take(0, HZ) {}
        let later = HZ * BURST / PER_SECOND;
        let burst = (0..1000).filter(|_| lines.take(later, HZ)).count();
        assert_eq!(burst as u64, BURST);
    }

    #[test]
    fn lines_left_out_are_told_once() {
        let lines = Lines::new();
        lines.leave_out();
        lines.leave_out();
        assert_eq!((lines.left_out(), lines.left_out()), (2, 0));
    }
}
