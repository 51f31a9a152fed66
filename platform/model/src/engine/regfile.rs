//! The registers of a bridge as cells: [`Registers`].

use crate::chip::{How, Span};
use alloc::vec;
use alloc::vec::Vec;

pub(crate) struct Registers {
    cells: Vec<u64>,
    /// A bit per register: whether somebody stored to it since it was lost.
    written: Vec<u64>,
    spans: &'static [Span],
    reset: &'static [(u16, u64)],
}

impl Registers {
    pub(crate) fn new(bytes: u16, spans: &'static [Span], reset: &'static [(u16, u64)]) -> Self {
        let cells = usize::from(bytes / 8);
        let mut this = Self {
            cells: vec![0; cells],
            written: vec![0; cells.div_ceil(64)],
            spans,
            reset,
        };
        this.lose();
        this
    }

    /// Back to what they hold out of reset.
    pub(crate) fn lose(&mut self) {
        self.cells.fill(0);
        self.written.fill(0);
        for (at, value) in self.reset {
            self.set(*at, *value);
        }
    }

    pub(crate) fn get(&self, at: u16) -> u64 {
        self.cells.get(usize::from(at / 8)).copied().unwrap_or(0)
    }

    /// `None` if nobody stored to it since it was lost.
    pub(crate) fn stored(&self, at: u16) -> Option<u64> {
        let index = usize::from(at / 8);
        let flags = self.written.get(index / 64)?;
        (flags >> (index % 64) & 1 != 0).then(|| self.get(at))
    }

    pub(crate) fn set(&mut self, at: u16, value: u64) {
        let index = usize::from(at / 8);
        if let Some(cell) = self.cells.get_mut(index) {
            *cell = value;
        }
        if let Some(flags) = self.written.get_mut(index / 64) {
            *flags |= 1 << (index % 64);
        }
    }

    pub(crate) fn or(&mut self, at: u16, bits: u64) {
        self.set(at, self.get(at) | bits);
    }

    /// How the register takes stores; `None` if the chip has none there.
    pub(crate) fn how(&self, at: u16) -> Option<How> {
        self.spans
            .iter()
            .find(|span| (span.first..=span.last).contains(&at) && at.is_multiple_of(8))
            .map(|span| span.how)
    }
}
