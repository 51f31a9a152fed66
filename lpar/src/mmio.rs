//! The device memory of a partition: which real addresses are registers of its own functions.
//!
//! On this platform a partition sees device memory at the machine's own real addresses, above all
//! of its memory.

use alloc::vec::Vec;
use core::fmt;
use papr_abi::{GuestRealAddr, RealAddr};

/// Device memory that belongs to one partition alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmioRange {
    /// Where it begins.
    pub start: GuestRealAddr,
    /// Its size.
    pub bytes: u64,
}

/// What is wrong with a list of ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MmioError {
    /// This one is empty, not of whole 4 KiB pages, or wraps around.
    Malformed(MmioRange),
    /// This one begins inside the partition's memory, or inside the range before it.
    Overlap(MmioRange),
}

impl fmt::Display for MmioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (range, what) = match self {
            Self::Malformed(range) => (range, "no whole pages"),
            Self::Overlap(range) => (range, "not free"),
        };
        write!(
            f,
            "{:#x} bytes at {:#x}: {what}",
            range.bytes, range.start.0
        )
    }
}

/// All device memory of a partition.
#[derive(Debug, Default)]
pub struct Mmio {
    /// By rising start, none touching the next.
    ranges: Vec<MmioRange>,
}

impl Mmio {
    /// Takes the ranges of a partition with `ram_bytes` of memory; neighbours become one. A guest
    /// maps by pages of 64 KiB, so what is meant to be mapped should be made of those: a device's
    /// whole segments, rather than its registers.
    ///
    /// # Errors
    /// [`MmioError`], naming the range.
    pub fn new(mut ranges: Vec<MmioRange>, ram_bytes: u64) -> Result<Self, MmioError> {
        ranges.sort_unstable_by_key(|range| range.start);
        let mut joined: Vec<MmioRange> = Vec::with_capacity(ranges.len());
        for range in ranges {
            let whole_pages = (range.start.0 | range.bytes) & 0xfff == 0;
            let end = range.start.0.checked_add(range.bytes);
            if range.bytes == 0 || !whole_pages || end.is_none() {
                return Err(MmioError::Malformed(range));
            }
            let free_from = joined
                .last()
                .map_or(ram_bytes, |last| last.start.0 + last.bytes);
            match joined.last_mut() {
                _ if range.start.0 < free_from => return Err(MmioError::Overlap(range)),
                Some(last) if range.start.0 == free_from => last.bytes += range.bytes,
                _ => joined.push(range),
            }
        }
        Ok(Self { ranges: joined })
    }

    /// Returns the real address of `at`, when `bytes` from there are all in one range.
    #[must_use]
    pub fn real(&self, at: GuestRealAddr, bytes: u64) -> Option<RealAddr> {
        let next = self.ranges.partition_point(|range| range.start <= at);
        let range = self.ranges.get(next.checked_sub(1)?)?;
        let offset = at.0 - range.start.0;
        (offset < range.bytes && bytes <= range.bytes - offset).then_some(RealAddr(at.0))
    }

    /// Returns the ranges, neighbours joined.
    #[must_use]
    pub fn ranges(&self) -> &[MmioRange] {
        &self.ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, bytes: u64) -> MmioRange {
        MmioRange {
            start: GuestRealAddr(start),
            bytes,
        }
    }

    #[test]
    fn only_what_lies_wholly_in_a_range_is_found() {
        let mmio = Mmio::new(
            vec![
                range(0x5_0000, 0x1000),
                range(0x2_0000, 0x1_0000),
                range(0x3_0000, 0x1_0000),
            ],
            0x1_0000,
        )
        .unwrap();
        assert_eq!(
            mmio.ranges(),
            [range(0x2_0000, 0x2_0000), range(0x5_0000, 0x1000)]
        );
        // Across the seam of two neighbours.
        assert_eq!(
            mmio.real(GuestRealAddr(0x2_f000), 0x2000),
            Some(RealAddr(0x2_f000))
        );
        assert_eq!(
            mmio.real(GuestRealAddr(0x3_ffff), 1),
            Some(RealAddr(0x3_ffff))
        );
        for (at, bytes) in [
            (0x3_ffff, 2),
            (0x4_0000, 1),
            (0x1_ffff, 1),
            (0x1_ffff, 2),
            (0x5_0000, 0x1_0000),
            (0x5_0000, u64::MAX),
            (u64::MAX, u64::MAX),
            (0, 1),
        ] {
            assert_eq!(
                mmio.real(GuestRealAddr(at), bytes),
                None,
                "{at:#x} {bytes:#x}"
            );
        }
    }

    #[test]
    fn bad_ranges_are_named() {
        for bad in [
            range(0x2_0000, 0),
            range(0x2_0800, 0x1000),
            range(0x2_0000, 0x1800),
            range(!0xfff, 0x2000),
        ] {
            assert_eq!(
                Mmio::new(vec![bad], 0).unwrap_err(),
                MmioError::Malformed(bad)
            );
        }
        let inside = range(0xf000, 0x2000);
        assert_eq!(
            Mmio::new(vec![inside], 0x1_0000).unwrap_err(),
            MmioError::Overlap(inside)
        );
        let second = range(0x2_1000, 0x1000);
        assert_eq!(
            Mmio::new(vec![second, range(0x2_0000, 0x2000)], 0).unwrap_err(),
            MmioError::Overlap(second)
        );
    }
}
