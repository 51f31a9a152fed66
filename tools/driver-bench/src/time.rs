//! Measuring short times.

use std::time::Instant;

/// How often what is measured is done.
pub(crate) const ROUNDS: usize = 4001;

/// A stopwatch.
pub(crate) struct Watch(Instant);

impl Watch {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
    pub(crate) fn start(&mut self) {
        self.0 = Instant::now();
    }
    /// Since the start.
    pub(crate) fn nanoseconds(&self) -> f64 {
        self.0.elapsed().as_nanos() as f64
    }
}

/// The one in the middle; 0 of none. Others on this host disturb some rounds, hardly half of them.
pub(crate) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}
