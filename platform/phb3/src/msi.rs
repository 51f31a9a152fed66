//! Which message interrupts are handed out: [`MsiMap`].

use crate::port::MSIS;

/// One bit per message interrupt, in words of one block each.
#[derive(Clone, Debug)]
pub(crate) struct MsiMap {
    taken: [u32; WORDS],
    /// Those of them that are the first of what was handed out together.
    firsts: [u32; WORDS],
}

/// The most interrupts whose messages differ in the data's low five bits alone.
pub(crate) const BLOCK_MAX: u16 = 32;
const WORDS: usize = 64;

impl MsiMap {
    /// Nothing taken; those numbers that are LSIs can never be.
    pub(crate) const fn new() -> Self {
        let mut taken = [0; WORDS];
        taken[WORDS - 1] = !0 << (MSIS % BLOCK_MAX);
        Self {
            taken,
            firsts: [0; WORDS],
        }
    }

    /// Takes the lowest free `count` in a row, aligned to `count`, a power of two up to [`BLOCK_MAX`].
    ///
    /// Blocks of even number come first: QEMU's bridge forgets a message that the processor did not
    /// take at once when bit 5 of its number is set (10.0, `phb3_msi_reject` in `pnv_phb3_msi.c`).
    pub(crate) fn take(&mut self, count: u16) -> Option<u16> {
        let even = (0..WORDS).step_by(2);
        let odd = (1..WORDS).step_by(2);
        even.chain(odd).find_map(|word| {
            let taken = self.taken.get_mut(word)?;
            let first = (0..BLOCK_MAX)
                .step_by(count.into())
                .find(|first| *taken & mask(*first, count) == 0)?;
            *taken |= mask(first, count);
            *self.firsts.get_mut(word)? |= mask(first, 1);
            u16::try_from(word)
                .ok()?
                .checked_mul(BLOCK_MAX)?
                .checked_add(first)
        })
    }

    /// Gives back what [`Self::take`] gave; `None`, and nothing done, for anything else.
    pub(crate) fn give_back(&mut self, first: u16, count: u16) -> Option<()> {
        let end = first.checked_add(count).filter(|end| *end <= MSIS)?;
        let word = usize::from(first / BLOCK_MAX);
        let (at, stop) = (
            first % BLOCK_MAX,
            end.checked_sub(first - first % BLOCK_MAX)?,
        );
        let bits = mask(at, count);
        let taken = self.taken.get_mut(word)?;
        let firsts = self.firsts.get_mut(word)?;
        // It begins there, no other begins in it, and it does not go on behind it.
        let is_one = count != 0 && *firsts & bits == mask(at, 1);
        let ends = stop == BLOCK_MAX
            || stop < BLOCK_MAX && (*taken & mask(stop, 1) == 0 || *firsts & mask(stop, 1) != 0);
        if !is_one || !ends || *taken & bits != bits {
            return None;
        }
        *taken &= !bits;
        *firsts &= !bits;
        Some(())
    }
}

/// `count` bits from bit `first`, up to 32 of both together.
const fn mask(first: u16, count: u16) -> u32 {
    let ones = if count >= 32 {
        u32::MAX
    } else {
        (1u32 << count).wrapping_sub(1)
    };
    ones.wrapping_shl(first as u32)
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;
    use cases::prelude::*;

    fn every_interrupt_is_given_once_and_no_lsi_is() {
        let mut map = MsiMap::new();
        let mut all: Vec<u16> = core::iter::from_fn(|| map.take(1)).collect();
        assert!(
            all[..1020].iter().all(|msi| msi & 32 == 0),
            "the good ones first"
        );
        all.sort_unstable();
        assert!(all.into_iter().eq(0..MSIS));
    }

    fn blocks_are_aligned_and_can_be_given_back_once() {
        let mut map = MsiMap::new();
        assert_eq!(map.take(1), Some(0));
        assert_eq!(map.take(4), Some(4));
        assert_eq!(map.take(32), Some(64));
        assert_eq!(map.take(2), Some(2));
        assert_eq!(map.give_back(4, 4), Some(()));
        assert_eq!(map.give_back(4, 4), None);
        assert_eq!(map.give_back(64, 16), None, "half of a block");
        assert_eq!(map.give_back(80, 16), None, "the other half");
        assert_eq!(map.give_back(0, 2), None, "more than a block");
        assert_eq!(map.give_back(0, 0), None);
        assert_eq!(map.give_back(1, 1), None, "never given");
        assert_eq!(map.give_back(64, 64), None);
        assert_eq!(map.give_back(MSIS, 1), None);
        assert_eq!(map.give_back(u16::MAX, 2), None);
        assert_eq!(map.take(4), Some(4));
    }

    cases::cases!(
        every_interrupt_is_given_once_and_no_lsi_is,
        blocks_are_aligned_and_can_be_given_back_once,
    );
}
