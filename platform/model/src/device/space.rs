//! The bytes of a function's config space: [`Space`].

use alloc::vec;
use alloc::vec::Vec;

/// Bytes, which of their bits can be written, which clear by ones, and what a reset brings back.
///
/// It grows as capabilities are added; what is not there reads as zero.
#[derive(Clone)]
pub(super) struct Space {
    bytes: Vec<Byte>,
}

#[derive(Clone, Copy, Default)]
struct Byte {
    value: u8,
    initial: u8,
    writable: u8,
    clearing: u8,
}

impl Space {
    pub(super) const LIMIT: usize = 4096;

    pub(super) fn new() -> Self {
        Self {
            bytes: vec![Byte::default(); 256],
        }
    }

    fn grow(&mut self, end: usize) {
        if end > self.bytes.len() && end <= Self::LIMIT {
            self.bytes.resize(end, Byte::default());
        }
    }

    fn run(&mut self, at: usize, bytes: usize) -> impl Iterator<Item = &mut Byte> {
        self.bytes.iter_mut().skip(at).take(bytes.min(4))
    }

    /// Sets up to four bytes, now and after resets.
    pub(super) fn set(&mut self, at: usize, bytes: usize, value: u32) {
        self.grow(at.saturating_add(bytes));
        for (byte, new) in self.run(at, bytes).zip(value.to_le_bytes()) {
            byte.value = new;
            byte.initial = new;
        }
    }

    /// Sets up to four bytes until the next reset.
    pub(super) fn poke(&mut self, at: usize, bytes: usize, value: u32) {
        for (byte, new) in self.run(at, bytes).zip(value.to_le_bytes()) {
            byte.value = new;
        }
    }

    /// Says which bits of up to four bytes can be written.
    pub(super) fn allow(&mut self, at: usize, bytes: usize, mask: u32) {
        self.grow(at.saturating_add(bytes));
        for (byte, mask) in self.run(at, bytes).zip(mask.to_le_bytes()) {
            byte.writable = mask;
        }
    }

    /// Says which bits of up to four bytes clear by ones.
    pub(super) fn clears(&mut self, at: usize, bytes: usize, mask: u32) {
        self.grow(at.saturating_add(bytes));
        for (byte, mask) in self.run(at, bytes).zip(mask.to_le_bytes()) {
            byte.clearing = mask;
        }
    }

    /// Up to four bytes.
    pub(super) fn get(&self, at: usize, bytes: usize) -> u32 {
        let run = self.bytes.iter().skip(at).take(bytes.min(4));
        run.rev()
            .fold(0, |all, byte| all << 8 | u32::from(byte.value))
    }

    pub(super) fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).map_or(0, |byte| byte.value)
    }

    /// Up to four bytes written from outside; those that `keep` names stay.
    pub(super) fn write(
        &mut self,
        at: usize,
        bytes: usize,
        value: u32,
        keep: impl Fn(usize) -> bool,
    ) {
        let indices = at..;
        for ((byte, new), index) in self
            .bytes
            .iter_mut()
            .skip(at)
            .take(bytes.min(4))
            .zip(value.to_le_bytes())
            .zip(indices)
        {
            if !keep(index) {
                let kept = byte.value & !(byte.clearing & new);
                byte.value = kept & !byte.writable | new & byte.writable;
            }
        }
    }

    pub(super) fn reset(&mut self) {
        self.bytes
            .iter_mut()
            .for_each(|byte| byte.value = byte.initial);
    }
}
