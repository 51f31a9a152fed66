//! The tables on the chip: [`Tables`], of shapes that differ from chip to chip.

use crate::bits::bit;
use alloc::vec;
use alloc::vec::Vec;

/// A table on the chip.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Its code in the index register.
    pub(crate) code: u8,
    pub(crate) entries: u16,
    /// Doublewords of an entry, 1 or 2.
    pub(crate) words: u8,
    /// The bits of the first word that the chip keeps.
    pub(crate) mask: u64,
    /// What an entry holds that nobody wrote since it was lost: nothing good.
    pub(crate) garbage: [u64; 2],
    /// Whether drivers write it: some tables are the chip's own, or only derived.
    pub(crate) kind: Kind,
}

/// Whose a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The driver's.
    Plain,
    /// A bit per endpoint, derived from the two that say what is stopped.
    Summary,
    /// There, but what it holds is not known: accesses are complaints.
    Unknown,
    /// There, and may be cleared by the driver.
    Clearable,
}

impl Shape {
    pub(crate) const fn plain(code: u8, entries: u16, garbage: u64) -> Self {
        Self {
            code,
            entries,
            words: 1,
            mask: u64::MAX,
            garbage: [garbage, 0],
            kind: Kind::Plain,
        }
    }
    pub(crate) const fn pairs(code: u8, entries: u16, garbage: [u64; 2]) -> Self {
        Self {
            words: 2,
            garbage,
            ..Self::plain(code, entries, 0)
        }
    }
    pub(crate) const fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
    pub(crate) const fn keeping(self, mask: u64) -> Self {
        Self { mask, ..self }
    }
}

pub(crate) const LXIVT: u8 = 2;
pub(crate) const PESTA: u8 = 7;
pub(crate) const PESTB: u8 = 8;
pub(crate) const TVT: u8 = 9;
pub(crate) const PEEV: u8 = 20;

pub(crate) struct Tables {
    shapes: &'static [Shape],
    /// By code: the index in `shapes` and the first doubleword.
    places: [Option<(u8, u16)>; 32],
    cells: Vec<u64>,
    /// A bit per doubleword.
    written: Vec<u64>,
}

impl Tables {
    pub(crate) fn new(shapes: &'static [Shape]) -> Self {
        let mut places = [None; 32];
        let mut first = 0u16;
        for (index, shape) in (0u8..).zip(shapes) {
            if let Some(place) = places.get_mut(usize::from(shape.code)) {
                *place = Some((index, first));
            }
            first = first.wrapping_add(shape.entries.wrapping_mul(shape.words.into()));
        }
        let mut this = Self {
            shapes,
            places,
            cells: vec![0; first.into()],
            written: vec![0; usize::from(first).div_ceil(64)],
        };
        this.lose();
        this
    }

    /// Fills all of them with garbage.
    pub(crate) fn lose(&mut self) {
        let garbage = self.shapes.iter().flat_map(|shape| {
            let words = usize::from(shape.words);
            shape
                .garbage
                .into_iter()
                .take(words)
                .cycle()
                .take(words.wrapping_mul(shape.entries.into()))
        });
        self.cells
            .iter_mut()
            .zip(garbage)
            .for_each(|(cell, garbage)| *cell = garbage);
        self.written.fill(0);
    }

    pub(crate) fn shape(&self, code: u8) -> Option<&'static Shape> {
        let (index, _) = (*self.places.get(usize::from(code))?)?;
        self.shapes.get(usize::from(index))
    }

    fn at(&self, code: u8, index: u16) -> Option<(usize, &'static Shape)> {
        let (shape, first) = (*self.places.get(usize::from(code))?)?;
        let shape = self.shapes.get(usize::from(shape))?;
        let at = first.wrapping_add(index.wrapping_mul(shape.words.into()));
        (index < shape.entries).then_some((at.into(), shape))
    }

    /// The words of an entry; the second is 0 where there is one alone. `None` if there is no such entry.
    pub(crate) fn get(&self, code: u8, index: u16) -> Option<[u64; 2]> {
        let (at, shape) = self.at(code, index)?;
        if shape.kind == Kind::Summary {
            return Some([self.summary(index), 0]);
        }
        let first = self.cells.get(at).copied()?;
        let second = match shape.words {
            2 => self.cells.get(at.wrapping_add(1)).copied()?,
            _ => 0,
        };
        Some([first, second])
    }

    /// The first word of an entry; 0 if there is no such entry.
    pub(crate) fn word(&self, code: u8, index: u16) -> u64 {
        self.get(code, index).map_or(0, |[first, _]| first)
    }

    pub(crate) fn set(&mut self, code: u8, index: u16, entry: [u64; 2]) {
        let Some((at, shape)) = self.at(code, index) else {
            return;
        };
        let words = [entry[0] & shape.mask, entry[1]];
        for (by, value) in (0..usize::from(shape.words)).zip(words) {
            let at = at.wrapping_add(by);
            if let Some(cell) = self.cells.get_mut(at) {
                *cell = value;
            }
            if let Some(flags) = self.written.get_mut(at / 64) {
                *flags |= 1 << (at % 64);
            }
        }
    }

    /// Entries of the driver's tables that nobody wrote since they were lost: table and index.
    pub(crate) fn unwritten(&self) -> Vec<(u64, usize)> {
        let is_written = |at: usize| {
            self.written
                .get(at / 64)
                .is_some_and(|flags| flags >> (at % 64) & 1 != 0)
        };
        self.shapes
            .iter()
            .filter(|shape| shape.kind != Kind::Unknown)
            .flat_map(|shape| (0..shape.entries).map(move |index| (shape.code, index)))
            .filter(|(code, index)| {
                self.at(*code, *index)
                    .is_some_and(|(at, _)| !is_written(at))
            })
            .map(|(code, index)| (code.into(), index.into()))
            .collect()
    }

    /// Whether `side`, [`PESTA`] or [`PESTB`], is stopped for `pe`; what is no endpoint is.
    pub(crate) fn is_stopped(&self, side: u8, pe: u16) -> bool {
        self.get(side, pe)
            .is_none_or(|[word, _]| word & bit(0) != 0)
    }

    /// The endpoints of word `word` of the summary that are stopped, the first in bit 0.
    fn summary(&self, word: u16) -> u64 {
        (0..64u16)
            .filter(|pe| {
                let pe = word.wrapping_mul(64).wrapping_add(*pe);
                self.at(PESTA, pe).is_some()
                    && (self.is_stopped(PESTA, pe) || self.is_stopped(PESTB, pe))
            })
            .fold(0, |all, pe| all | bit(pe.into()))
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;

    static SHAPES: [Shape; 5] = [
        Shape::plain(2, 3, 0xaa),
        Shape::plain(PESTA, 128, 0).keeping(bit(0)),
        Shape::plain(PESTB, 128, 0).keeping(bit(0)),
        Shape::pairs(TVT, 2, [1, 2]),
        Shape::plain(PEEV, 2, 0).kind(Kind::Summary),
    ];

    fn entries_are_kept_apart_and_lost_together() {
        let mut tables = Tables::new(&SHAPES);
        assert_eq!(tables.unwritten().len(), 3 + 256 + 2 + 2);
        tables.set(TVT, 1, [7, 8]);
        tables.set(TVT, 2, [9, 9]);
        tables.set(PESTA, 127, [u64::MAX, 5]);
        assert_eq!(tables.get(TVT, 0), Some([1, 2]));
        assert_eq!(tables.get(TVT, 1), Some([7, 8]));
        assert_eq!(tables.get(TVT, 2), None);
        assert_eq!(tables.get(2, 2), Some([0xaa, 0]));
        assert_eq!(tables.get(3, 0), None);
        assert_eq!(tables.get(PESTA, 127), Some([bit(0), 0]));
        assert_eq!(tables.get(PEEV, 1), Some([1, 0]));
        assert_eq!(tables.unwritten().len(), 3 + 255 + 1 + 2);
        tables.lose();
        assert_eq!(tables.get(TVT, 1), Some([1, 2]));
        assert_eq!(tables.unwritten().len(), 3 + 256 + 2 + 2);
    }

    cases::cases!(entries_are_kept_apart_and_lost_together);
}
