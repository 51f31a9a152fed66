//! The tables on the chip: [`Tables`].

use super::{bit, field};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use ioda::Rid;

/// Table, entries, words of an entry. Those whose content nobody has published are not here.
const SHAPES: [(u64, usize, usize); 14] = [
    (0, 4, 1),
    (2, 8, 1),
    (4, 256, 1),
    (5, 256, 1),
    (6, 128, 1),
    (7, 128, 1),
    (8, 128, 1),
    (9, 128, 2),
    (12, 128, 2),
    (16, 16, 1),
    (17, 128, 1),
    (18, 128, 1),
    (19, 128, 1),
    (20, 2, 1),
];

pub(super) const HRT: u64 = 0;
pub(super) const LXIVT: u64 = 2;
pub(super) const MXIVT: u64 = 4;
pub(super) const MVT: u64 = 5;
pub(super) const PELTM: u64 = 6;
pub(super) const PESTA: u64 = 7;
pub(super) const PESTB: u64 = 8;
pub(super) const TVT: u64 = 9;
pub(super) const PELTV: u64 = 12;
pub(super) const M64BT: u64 = 16;
pub(super) const IODT: u64 = 17;
pub(super) const M32DT: u64 = 18;
pub(super) const M64DT: u64 = 19;
pub(super) const PEEV: u64 = 20;

/// What is compared of a requester: how much of the bus, the bus, and device and function if they are.
pub(super) struct Match {
    pub(super) bus_valid: u64,
    pub(super) bus: u64,
    pub(super) device: Option<u64>,
    pub(super) function: Option<u64>,
}

impl Match {
    pub(super) fn takes(&self, rid: Rid) -> bool {
        let bus = match self.bus_valid {
            0 => true,
            // Not defined.
            1 => false,
            upper => (u64::from(rid.bus()) ^ self.bus) >> (7 - upper) == 0,
        };
        bus && self
            .device
            .is_none_or(|device| device == u64::from(rid.device()))
            && self
                .function
                .is_none_or(|function| function == u64::from(rid.function()))
    }
}

pub(super) struct Tables {
    entries: BTreeMap<(u64, usize), [u64; 2]>,
}

impl Tables {
    /// Nothing in particular, and nothing good: a driver must write all of it.
    pub(super) const fn garbage() -> Self {
        Self {
            entries: BTreeMap::new(),
        }
    }

    pub(super) fn shape(table: u64) -> Option<(usize, usize)> {
        SHAPES
            .iter()
            .find(|(code, ..)| *code == table)
            .map(|(_, entries, words)| (*entries, *words))
    }

    pub(super) fn get(&self, table: u64, index: usize) -> Option<[u64; 2]> {
        let (entries, _) = Self::shape(table)?;
        if index >= entries {
            return None;
        }
        if table == PEEV {
            return Some([self.summary(index), 0]);
        }
        Some(self.word2(table, index))
    }

    pub(super) fn set(&mut self, table: u64, index: usize, entry: [u64; 2]) {
        self.entries.insert((table, index), entry);
    }

    pub(super) fn unwritten(&self) -> Vec<(u64, usize)> {
        SHAPES
            .iter()
            .flat_map(|(table, entries, _)| (0..*entries).map(|index| (*table, index)))
            .filter(|place| !self.entries.contains_key(place))
            .collect()
    }

    pub(super) fn word(&self, table: u64, index: usize) -> u64 {
        self.word2(table, index)[0]
    }

    /// What was never written lets everybody in.
    pub(super) fn word2(&self, table: u64, index: usize) -> [u64; 2] {
        let garbage = match table {
            MVT => [bit(0) | 3 << 16, 0],
            MXIVT | LXIVT => [3 << 16 | 5 << 32, 0],
            TVT => [0x0000_0001_0000_0000 | 2 << 8, 1 << 40 | 3],
            PELTV => [u64::MAX, u64::MAX],
            IODT | M32DT | M64DT => [3 << 57, 0],
            _ => [0, 0],
        };
        self.entries
            .get(&(table, index))
            .copied()
            .unwrap_or(garbage)
    }

    pub(super) fn is_stopped(&self, side: u64, pe: u16) -> bool {
        self.word(side, pe.into()) & bit(0) != 0
    }

    pub(super) fn stop(&mut self, pe: u16, a: u64, b: u64) {
        self.set(PESTA, pe.into(), [a | bit(0), 0]);
        self.set(PESTB, pe.into(), [b | bit(0), 0]);
    }

    fn summary(&self, word: usize) -> u64 {
        (0..64u16)
            .filter(|pe| {
                let pe = pe + 64 * word as u16;
                self.is_stopped(PESTA, pe) || self.is_stopped(PESTB, pe)
            })
            .map(|pe| bit(pe.into()))
            .sum()
    }

    /// The first entry of the requester table that takes `rid`; what none takes is the last one's.
    pub(super) fn endpoint(&self, rid: Rid) -> u16 {
        (0..128u16)
            .find(|pe| {
                let entry = self.word(PELTM, (*pe).into());
                let matcher = Match {
                    bus_valid: field(entry, 16, 18),
                    bus: field(entry, 0, 7),
                    device: (entry & bit(19) != 0).then(|| field(entry, 8, 12)),
                    function: (entry & bit(20) != 0).then(|| field(entry, 13, 15)),
                };
                matcher.takes(rid)
            })
            .unwrap_or(127)
    }

    pub(super) fn children(&self, parent: u16) -> Vec<u16> {
        let row = self.word2(PELTV, parent.into());
        (0..128u16)
            .filter(|pe| row[usize::from(pe / 64)] & bit(u32::from(pe % 64)) != 0)
            .collect()
    }
}
