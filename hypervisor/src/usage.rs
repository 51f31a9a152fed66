//! What a virtual processor has used of the machine: [`Usage`].

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Counted by the thread that runs the processor; others may read, and see each count by itself.
pub(crate) struct Usage {
    runs: AtomicBool,
    /// Since when it runs, or does not, by the time base.
    since: AtomicU64,
    /// How long it ran before that, ticks.
    ran: AtomicU64,
    /// Hcalls and interrupts, while somebody counts them.
    hcalls: AtomicU64,
    interrupts: AtomicU64,
}

impl Usage {
    pub(crate) const fn new() -> Self {
        Self {
            runs: AtomicBool::new(false),
            since: AtomicU64::new(0),
            ran: AtomicU64::new(0),
            hcalls: AtomicU64::new(0),
            interrupts: AtomicU64::new(0),
        }
    }

    /// Notes that it runs from `now` on. Returns how long it has not, ticks.
    pub(crate) fn begin(&self, now: u64) -> u64 {
        let rested = now.wrapping_sub(self.since.load(Relaxed));
        self.since.store(now, Relaxed);
        self.runs.store(true, Relaxed);
        rested
    }

    /// Notes that it ceases to at `now`. Returns how long it has, ticks.
    pub(crate) fn end(&self, now: u64) -> u64 {
        let ran = now.wrapping_sub(self.since.load(Relaxed));
        self.runs.store(false, Relaxed);
        self.since.store(now, Relaxed);
        add(&self.ran, ran);
        ran
    }

    /// Counts an hcall; `interrupts` that it has accepted.
    pub(crate) fn hcall(&self, interrupts: u64) {
        add(&self.hcalls, 1);
        add(&self.interrupts, interrupts);
    }

    /// Returns how long it has run until `now`, ticks.
    pub(crate) fn ran(&self, now: u64) -> u64 {
        let before = self.ran.load(Relaxed);
        // A processor that begins just now may have done so after `now` was read.
        let current = now.saturating_sub(self.since.load(Relaxed));
        if self.runs.load(Relaxed) {
            before.saturating_add(current)
        } else {
            before
        }
    }

    /// Returns how many hcalls were counted.
    pub(crate) fn hcalls(&self) -> u64 {
        self.hcalls.load(Relaxed)
    }

    /// Returns how many interrupts were.
    pub(crate) fn interrupts(&self) -> u64 {
        self.interrupts.load(Relaxed)
    }
}

/// For the only one who writes.
fn add(to: &AtomicU64, more: u64) {
    to.store(to.load(Relaxed).wrapping_add(more), Relaxed);
}
