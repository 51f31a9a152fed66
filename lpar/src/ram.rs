//! A partition's memory as the hypervisor reaches it: checked, word-wise, without locks.
//!
//! The partition changes its memory at any time, so every access is a relaxed atomic and every
//! value read is read once. Memory is big-endian towards this interface whatever the guest runs.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use ioda::BeU64;
use papr_abi::{GuestRealAddr, RealAddr};

/// The access is not wholly inside the partition's memory, or not aligned as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutsideRam;

/// Bytes of a base page.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// The contiguous memory of one partition, from its logical real address 0.
#[derive(Debug)]
pub struct GuestRam {
    words: &'static [BeU64],
    base: RealAddr,
}

impl GuestRam {
    /// Wraps `words`, the partition's memory, which begins at real address `base`.
    #[must_use]
    pub const fn new(words: &'static [BeU64], base: RealAddr) -> Self {
        Self { words, base }
    }

    /// Returns the size in bytes.
    #[must_use]
    #[inline]
    pub const fn bytes(&self) -> u64 {
        (self.words.len() as u64) << 3
    }

    /// Returns where the memory lies in the machine.
    #[must_use]
    #[inline]
    pub const fn base(&self) -> RealAddr {
        self.base
    }

    /// Returns the real address of `at`, when `bytes` from there are all inside.
    ///
    /// # Errors
    /// [`OutsideRam`] when any of them is not.
    #[inline]
    pub fn real(&self, at: GuestRealAddr, bytes: u64) -> Result<RealAddr, OutsideRam> {
        if at.0 < self.bytes() && bytes <= self.bytes() - at.0 {
            Ok(RealAddr(self.base.0 + at.0))
        } else {
            Err(OutsideRam)
        }
    }

    /// Returns the logical address of real address `at`, if it is this partition's memory.
    #[must_use]
    #[inline]
    pub fn logical(&self, at: RealAddr) -> Option<GuestRealAddr> {
        let offset = at.0.checked_sub(self.base.0)?;
        (offset < self.bytes()).then_some(GuestRealAddr(offset))
    }

    /// Returns the `count` doublewords from `at`, which must be 8-byte aligned.
    ///
    /// # Errors
    /// [`OutsideRam`] when they are not all inside, or `at` is not aligned.
    #[inline]
    pub fn words(&self, at: GuestRealAddr, count: usize) -> Result<&'static [BeU64], OutsideRam> {
        if at.0 & 7 != 0 {
            return Err(OutsideRam);
        }
        let first = usize::try_from(at.0 >> 3).map_err(|_| OutsideRam)?;
        let end = first.checked_add(count).ok_or(OutsideRam)?;
        self.words.get(first..end).ok_or(OutsideRam)
    }

    /// Returns the 512 doublewords of the 4 KiB page at `at`.
    ///
    /// # Errors
    /// [`OutsideRam`] when it is outside or `at` is not 4 KiB aligned.
    #[inline]
    pub fn page(&self, at: GuestRealAddr) -> Result<&'static [BeU64], OutsideRam> {
        if at.0 & (PAGE_BYTES - 1) != 0 {
            return Err(OutsideRam);
        }
        self.words(at, 512)
    }

    /// Reads `bytes` (1, 2, 4 or 8) at `at`, naturally aligned, as a big-endian number.
    ///
    /// # Errors
    /// [`OutsideRam`] when outside, not aligned, or of another size.
    #[inline]
    pub fn load(&self, at: GuestRealAddr, bytes: u64) -> Result<u64, OutsideRam> {
        let (word, shift, mask) = self.part(at, bytes)?;
        Ok((word.load() >> shift) & mask)
    }

    /// Writes the low `bytes` (1, 2, 4 or 8) of `value` at `at`, naturally aligned, big-endian. No
    /// neighbouring byte that the guest writes at the same time is lost.
    ///
    /// # Errors
    /// [`OutsideRam`] when outside, not aligned, or of another size.
    pub fn store(&self, at: GuestRealAddr, bytes: u64, value: u64) -> Result<(), OutsideRam> {
        let (word, shift, mask) = self.part(at, bytes)?;
        if bytes == 8 {
            word.store(value);
            return Ok(());
        }
        let cell: &AtomicU64 = word.cell();
        // Clear, then set: two atomic steps that no guest can hold up, unlike a compare loop. The
        // guest may see zeroes in between, in a field that is the hypervisor's to write.
        cell.fetch_and((!(mask << shift)).to_be(), Relaxed);
        cell.fetch_or(((value & mask) << shift).to_be(), Relaxed);
        Ok(())
    }

    /// Copies bytes from `at` into `to`. Aligned stretches go by doublewords.
    ///
    /// # Errors
    /// [`OutsideRam`] when any of them is outside; `to` is then unchanged.
    pub fn read(&self, at: GuestRealAddr, to: &mut [u8]) -> Result<(), OutsideRam> {
        self.real(at, to.len() as u64)?;
        let (head, rest) = to.split_at_mut(lead(at, to.len()));
        let (chunks, tail) = rest.as_chunks_mut::<8>();
        let middle = at.0 + head.len() as u64;
        let end = middle + 8 * chunks.len() as u64;
        for (address, byte) in (at.0..).zip(head) {
            *byte = self.load(GuestRealAddr(address), 1)? as u8;
        }
        for (word, chunk) in self.middle(middle, chunks.len())?.iter().zip(chunks) {
            *chunk = word.load().to_be_bytes();
        }
        for (address, byte) in (end..).zip(tail) {
            *byte = self.load(GuestRealAddr(address), 1)? as u8;
        }
        Ok(())
    }

    /// Copies `from` to the bytes from `at`. Aligned stretches go by doublewords.
    ///
    /// # Errors
    /// [`OutsideRam`] when any of them is outside; nothing is then written.
    pub fn write(&self, at: GuestRealAddr, from: &[u8]) -> Result<(), OutsideRam> {
        self.real(at, from.len() as u64)?;
        let (head, rest) = from.split_at(lead(at, from.len()));
        let (chunks, tail) = rest.as_chunks::<8>();
        let middle = at.0 + head.len() as u64;
        let end = middle + 8 * chunks.len() as u64;
        for (address, &byte) in (at.0..).zip(head) {
            self.store(GuestRealAddr(address), 1, u64::from(byte))?;
        }
        let words = self.middle(middle, chunks.len())?;
        // Four in a turn: an initrd is long.
        let ((words, last_words), (fours, last)) = (words.as_chunks(), chunks.as_chunks());
        for ([a, b, c, d], [e, f, g, h]) in words.iter().zip(fours) {
            for (word, chunk) in [(a, e), (b, f), (c, g), (d, h)] {
                word.store(u64::from_be_bytes(*chunk));
            }
        }
        for (word, chunk) in last_words.iter().zip(last) {
            word.store(u64::from_be_bytes(*chunk));
        }
        for (address, &byte) in (end..).zip(tail) {
            self.store(GuestRealAddr(address), 1, u64::from(byte))?;
        }
        Ok(())
    }

    /// The `count` doublewords from `at`, which is aligned unless there are none.
    fn middle(&self, at: u64, count: usize) -> Result<&'static [BeU64], OutsideRam> {
        match count {
            0 => Ok(&[]),
            count => self.words(GuestRealAddr(at), count),
        }
    }

    /// Fills all of the partition's memory with zeroes.
    pub fn scrub(&self) {
        for word in self.words {
            word.store(0);
        }
    }

    #[inline]
    fn part(
        &self,
        at: GuestRealAddr,
        bytes: u64,
    ) -> Result<(&'static BeU64, u32, u64), OutsideRam> {
        let mask = match bytes {
            1 => 0xff,
            2 => 0xffff,
            4 => 0xffff_ffff,
            8 => u64::MAX,
            _ => return Err(OutsideRam),
        };
        if at.0 & (bytes - 1) != 0 {
            return Err(OutsideRam);
        }
        let index = usize::try_from(at.0 >> 3).map_err(|_| OutsideRam)?;
        let word = self.words.get(index).ok_or(OutsideRam)?;
        Ok((word, ((8 - bytes - (at.0 & 7)) << 3) as u32, mask))
    }
}

/// How many of `count` bytes from `at` lie before the first doubleword.
fn lead(at: GuestRealAddr, count: usize) -> usize {
    count.min(((8 - (at.0 & 7)) & 7) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ram(words: usize) -> GuestRam {
        let cells: Vec<BeU64> = (0..words).map(|_| BeU64::new(0)).collect();
        GuestRam::new(Vec::leak(cells), RealAddr(0x1000_0000))
    }

    #[test]
    fn parts_of_a_word_are_big_endian_and_leave_their_neighbours() {
        let ram = ram(4);
        ram.store(GuestRealAddr(8), 8, 0x1122_3344_5566_7788)
            .unwrap();
        assert_eq!(ram.load(GuestRealAddr(9), 1), Ok(0x22));
        assert_eq!(ram.load(GuestRealAddr(12), 4), Ok(0x5566_7788));
        ram.store(GuestRealAddr(10), 2, 0xabcd).unwrap();
        assert_eq!(ram.load(GuestRealAddr(8), 8), Ok(0x1122_abcd_5566_7788));
    }

    #[test]
    fn accesses_past_the_end_or_across_it_are_refused() {
        let ram = ram(4);
        assert_eq!(ram.load(GuestRealAddr(32), 1), Err(OutsideRam));
        assert_eq!(ram.load(GuestRealAddr(30), 4), Err(OutsideRam));
        assert_eq!(ram.load(GuestRealAddr(u64::MAX), 1), Err(OutsideRam));
        assert_eq!(ram.real(GuestRealAddr(8), u64::MAX), Err(OutsideRam));
        assert_eq!(ram.write(GuestRealAddr(28), &[1; 5]), Err(OutsideRam));
        assert_eq!(ram.load(GuestRealAddr(28), 4), Ok(0));
        assert!(ram.words(GuestRealAddr(4), 1).is_err());
    }

    #[test]
    fn bytes_are_written_and_read_back_at_any_alignment() {
        for start in 0..8u64 {
            for len in 0..20usize {
                let ram = ram(6);
                let data: Vec<u8> = (1..=len as u8).collect();
                ram.write(GuestRealAddr(start), &data).unwrap();
                let mut back = vec![0; len];
                ram.read(GuestRealAddr(start), &mut back).unwrap();
                assert_eq!(back, data);
                assert_eq!(ram.load(GuestRealAddr(start + len as u64), 1), Ok(0));
            }
        }
    }
}
