//! Any set of requesters: [`RidSet`].

use alloc::boxed::Box;
use alloc::vec;
use core::ops::RangeInclusive;
use ioda::Bdf;

/// One bit for each of the 65536: it has room for all, so there is nothing to do when it is full.
pub(crate) struct RidSet {
    words: Box<[u64]>,
    count: usize,
}

/// Words of the bits of one bus.
const BUS_WORDS: usize = 4;

impl RidSet {
    pub(crate) fn new() -> Self {
        Self {
            words: vec![0; BUS_WORDS << 8].into_boxed_slice(),
            count: 0,
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    const fn bit(bdf: Bdf) -> (usize, u64) {
        ((bdf.0 >> 6) as usize, 1 << (bdf.0 & 63))
    }

    pub(crate) fn contains(&self, bdf: Bdf) -> bool {
        let (word, bit) = Self::bit(bdf);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    pub(crate) fn insert(&mut self, bdf: Bdf) {
        let (word, bit) = Self::bit(bdf);
        if let Some(word) = self.words.get_mut(word)
            && *word & bit == 0
        {
            *word |= bit;
            self.count = self.count.saturating_add(1);
        }
    }

    pub(crate) fn remove(&mut self, bdf: Bdf) {
        let (word, bit) = Self::bit(bdf);
        if let Some(word) = self.words.get_mut(word)
            && *word & bit != 0
        {
            *word &= !bit;
            self.count = self.count.saturating_sub(1);
        }
    }

    /// Takes out all requesters of these buses.
    pub(crate) fn clear_buses(&mut self, buses: RangeInclusive<u8>) {
        let first = usize::from(*buses.start());
        let count = usize::from(*buses.end())
            .saturating_add(1)
            .saturating_sub(first);
        let of_buses = self
            .words
            .iter_mut()
            .skip(first.saturating_mul(BUS_WORDS))
            .take(count.saturating_mul(BUS_WORDS));
        for word in of_buses {
            self.count = self.count.saturating_sub(word.count_ones() as usize);
            *word = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_requesters_have_room_and_buses_are_cleared_by_themselves() {
        let mut set = RidSet::new();
        (0..=u16::MAX).for_each(|bdf| set.insert(ioda::Rid(bdf)));
        assert!((0..=u16::MAX).all(|bdf| set.contains(ioda::Rid(bdf))));
        set.clear_buses(3..=4);
        for bdf in 0..=u16::MAX {
            assert_eq!(set.contains(ioda::Rid(bdf)), !(3..=4).contains(&(bdf >> 8)));
        }
        #[expect(clippy::reversed_empty_ranges, reason = "as a bridge may have it")]
        set.clear_buses(9..=2);
        assert!(set.contains(Bdf::new(5, 0, 0)));
        set.clear_buses(0..=255);
        assert!(set.is_empty());
    }
}
