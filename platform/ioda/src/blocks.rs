//! Which message interrupts are handed out: [`MsiBlocks`].

/// `N` message interrupts, numbered from 0, and the blocks of them that are handed out.
#[derive(Clone, Debug)]
pub struct MsiBlocks<const N: usize> {
    /// 0 for a free one, the size of the block at its first one, [`INSIDE`] at its others.
    states: [u8; N],
}

const INSIDE: u8 = u8::MAX;

impl<const N: usize> MsiBlocks<N> {
    /// All are free.
    #[must_use]
    pub const fn new() -> Self {
        Self { states: [0; N] }
    }

    /// Hands out a block of `count` at the first of `places` where all of it is free; `None`, and nothing done, if
    /// there is none or `count` is not 1 to 254.
    pub fn take(&mut self, places: impl IntoIterator<Item = u16>, count: u16) -> Option<u16> {
        let size = u8::try_from(count).ok().filter(|size| is_size(*size))?;
        places.into_iter().find(|first| {
            let block = block_of(&mut self.states, *first, count);
            let Some(block) = block.filter(|block| block.iter().all(|state| *state == 0)) else {
                return false;
            };
            block.fill(INSIDE);
            if let Some(first) = block.first_mut() {
                *first = size;
            }
            true
        })
    }

    /// Takes back what [`Self::take`] gave, whole; `None`, and nothing done, for anything else.
    pub fn give_back(&mut self, first: u16, count: u16) -> Option<()> {
        let block = block_of(&mut self.states, first, count)?;
        let size = block.first().copied().filter(|size| is_size(*size))?;
        if u16::from(size) != count {
            return None;
        }
        block.fill(0);
        Some(())
    }
}

impl<const N: usize> Default for MsiBlocks<N> {
    fn default() -> Self {
        Self::new()
    }
}

const fn is_size(state: u8) -> bool {
    state != 0 && state != INSIDE
}

fn block_of(states: &mut [u8], first: u16, count: u16) -> Option<&mut [u8]> {
    let end = first.checked_add(count)?;
    states.get_mut(usize::from(first)..usize::from(end))
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;

    fn a_block_is_given_back_whole_or_not_at_all() {
        let mut blocks = MsiBlocks::<24>::new();
        assert_eq!(blocks.take((0..24).step_by(8), 8), Some(0));
        assert_eq!(blocks.take((0..24).step_by(4), 4), Some(8));
        for (first, count) in [(0, 4), (4, 4), (0, 12), (0, 0), (1, 1), (12, 4), (24, 1)] {
            assert_eq!(blocks.give_back(first, count), None, "{first}+{count}");
        }
        assert_eq!(blocks.give_back(u16::MAX, 8), None);
        // Inside a block is no size, and nothing of it was given back.
        assert_eq!(blocks.give_back(1, INSIDE.into()), None);
        assert_eq!(blocks.take([0, 8, 16], 8), Some(16));
        assert_eq!(blocks.take(0..24, 8), None);
        assert_eq!(blocks.give_back(0, 8), Some(()));
        assert_eq!(blocks.give_back(0, 8), None);
        assert_eq!(blocks.take(0..24, 8), Some(0));
    }

    fn places_are_tried_in_the_order_given_and_none_is_beyond_the_end() {
        let mut blocks = MsiBlocks::<6>::new();
        assert_eq!(blocks.take([4, 2, 0], 4), Some(2));
        assert_eq!(blocks.take([4, u16::MAX, 1], 1), Some(1));
        assert_eq!(blocks.take(0..6, 0), None);
        assert_eq!(blocks.take(0..6, 255), None);
        assert_eq!(blocks.take(0..6, 256), None);
        assert_eq!(blocks.take(0..6, 1), Some(0));
        assert_eq!(blocks.take(0..6, 1), None);
    }

    cases::cases!(
        a_block_is_given_back_whole_or_not_at_all,
        places_are_tried_in_the_order_given_and_none_is_beyond_the_end,
    );
}
