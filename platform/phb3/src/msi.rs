//! Which message interrupts are handed out: [`MsiMap`].

use crate::port::MSIS;
use ioda::MsiBlocks;

/// Those that are no LSIs.
#[derive(Clone, Debug)]
pub(crate) struct MsiMap(MsiBlocks<{ MSIS as usize }>);

/// The most interrupts whose messages differ in the data's low five bits alone.
pub(crate) const BLOCK_MAX: u16 = 32;

impl MsiMap {
    /// Nothing taken.
    pub(crate) const fn new() -> Self {
        Self(MsiBlocks::new())
    }

    /// Takes the lowest free `count` in a row, aligned to `count`, a power of two up to [`BLOCK_MAX`].
    ///
    /// Blocks of even number come first: QEMU's bridge forgets a message that the processor did not
    /// take at once when bit 5 of its number is set (10.0, `phb3_msi_reject` in `pnv_phb3_msi.c`).
    pub(crate) fn take(&mut self, count: u16) -> Option<u16> {
        const ODD: u16 = BLOCK_MAX;
        let places = |odd| {
            let aligned = (0..MSIS).step_by(count.into());
            aligned.filter(move |first| first & ODD == odd)
        };
        self.0.take(places(0).chain(places(ODD)), count)
    }

    /// Gives back what [`Self::take`] gave; `None`, and nothing done, for anything else.
    pub(crate) fn give_back(&mut self, first: u16, count: u16) -> Option<()> {
        self.0.give_back(first, count)
    }
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
