//! Hands out the machine's memory at boot, in aligned contiguous blocks. Nothing is given back: what
//! a partition or a bridge gets it keeps.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

use arrayvec::ArrayVec;

/// How many separate free ranges are kept.
const RANGES: usize = 64;

/// A range of real addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// No free block is large enough, or too many pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

/// The free memory of the machine.
#[derive(Debug, Default)]
pub struct FreeMemory {
    free: ArrayVec<Range, RANGES>,
    taken: u64,
}

impl FreeMemory {
    /// Makes it empty.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            free: ArrayVec::new_const(),
            taken: 0,
        }
    }

    /// Adds memory; ranges may come in any order and must not overlap.
    ///
    /// # Errors
    /// [`NoMemory`] when there are too many ranges.
    pub fn add(&mut self, range: Range) -> Result<(), NoMemory> {
        if range.start >= range.end {
            return Ok(());
        }
        let place = self.free.partition_point(|other| other.start < range.start);
        self.free.try_insert(place, range).map_err(|_| NoMemory)
    }

    /// Takes out what is used by something else; parts that are not free are ignored.
    ///
    /// # Errors
    /// [`NoMemory`] when the rest is in too many pieces.
    pub fn reserve(&mut self, range: Range) -> Result<(), NoMemory> {
        let old = core::mem::take(&mut self.free);
        for piece in old {
            if range.end <= piece.start || piece.end <= range.start {
                self.add(piece)?;
                continue;
            }
            self.add(Range {
                start: piece.start,
                end: range.start.max(piece.start),
            })?;
            self.add(Range {
                start: range.end.min(piece.end),
                end: piece.end,
            })?;
        }
        Ok(())
    }

    /// Takes `bytes` at a multiple of `align` (a power of two), lowest fit, and returns the address.
    ///
    /// # Errors
    /// [`NoMemory`] when no free range has such a block.
    pub fn take(&mut self, bytes: u64, align: u64) -> Result<u64, NoMemory> {
        let mask = align.checked_sub(1).ok_or(NoMemory)?;
        for index in 0..self.free.len() {
            let Some(&piece) = self.free.get(index) else {
                break;
            };
            let Some(start) = piece.start.checked_add(mask).map(|s| s & !mask) else {
                continue;
            };
            let Some(end) = start.checked_add(bytes) else {
                continue;
            };
            if end <= piece.end {
                self.reserve(Range { start, end })?;
                self.taken = self.taken.saturating_add(bytes);
                return Ok(start);
            }
        }
        Err(NoMemory)
    }

    /// Returns how many bytes [`FreeMemory::take`] gave out.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Returns the bytes left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.free.iter().map(|range| range.end - range.start).sum()
    }

    /// Returns the free ranges, rising.
    pub fn ranges(&self) -> impl Iterator<Item = Range> + '_ {
        self.free.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(ranges: &[(u64, u64)]) -> FreeMemory {
        let mut memory = FreeMemory::new();
        for &(start, end) in ranges {
            memory.add(Range { start, end }).unwrap();
        }
        memory
    }

    #[test]
    fn blocks_are_aligned_lowest_first_and_never_overlap() {
        let mut m = memory(&[(0x1000, 0x10_0000)]);
        assert_eq!(m.take(0x1000, 0x1000), Ok(0x1000));
        assert_eq!(m.take(0x4000, 0x4000), Ok(0x4000));
        assert_eq!(m.take(0x1000, 0x1000), Ok(0x2000));
        assert_eq!(m.take(0x1000, 0x1000), Ok(0x3000));
        assert_eq!(m.take(0x1000, 0x1000), Ok(0x8000));
        assert_eq!(m.taken(), 0x8000);
    }

    #[test]
    fn reserved_parts_are_never_given_out() {
        let mut m = memory(&[(0, 0x8000)]);
        m.reserve(Range {
            start: 0x1000,
            end: 0x7000,
        })
        .unwrap();
        assert_eq!(m.take(0x1000, 0x1000), Ok(0));
        assert_eq!(m.take(0x1000, 0x1000), Ok(0x7000));
        assert_eq!(m.take(0x1000, 0x1000), Err(NoMemory));
        assert_eq!(m.left(), 0);
    }

    #[test]
    fn absurd_requests_are_refused() {
        let mut m = memory(&[(0x1000, u64::MAX)]);
        assert_eq!(m.take(u64::MAX, 0x1000), Err(NoMemory));
        assert_eq!(m.take(1, 0), Err(NoMemory));
        assert!(m.take(0x1000, 1 << 63).is_ok());
        assert_eq!(m.take(0x1000, 1 << 63), Err(NoMemory));
    }
}
