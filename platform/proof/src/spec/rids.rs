//! Who owns which requester.

use super::{Facts, Spec};
use crate::Chip;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use ioda::{IodaError, PeNumber, Rid, RidSel};

/// The endpoint of each of the 65,536 requesters.
pub(super) struct Owners(Box<[u16]>);

/// Whether `rids` holds `rid`: by the numbers, as the words of a selection say.
fn holds(rids: &RidSel, rid: u16) -> bool {
    let (bus, device, function) = (rid >> 8, rid >> 3 & 31, rid & 7);
    bus >> rids.bus_shift == u16::from(rids.bus) >> rids.bus_shift
        && rids.device.is_none_or(|want| u16::from(want) == device)
        && rids.function.is_none_or(|want| u16::from(want) == function)
}

fn is_aligned(rids: &RidSel) -> bool {
    rids.bus_shift <= 8
        && u16::from(rids.bus) % (1 << rids.bus_shift) == 0
        && rids.device.is_none_or(|device| device < 32)
        && rids.function.is_none_or(|function| function < 8)
}

/// The requesters of a good selection.
fn all(rids: RidSel) -> impl Iterator<Item = u16> {
    let first = u16::from(rids.bus) << 8;
    let last = first | ((1u32 << (8 + rids.bus_shift)) - 1) as u16;
    (first..=last).filter(move |rid| holds(&rids, *rid))
}

impl Owners {
    pub(super) fn nobody(facts: &Facts) -> Self {
        Self(vec![facts.reserved; 0x1_0000].into())
    }

    fn of(&self, pe: u16) -> impl Iterator<Item = u16> {
        let owners = self.0.iter().zip(0..=u16::MAX);
        owners.filter_map(move |(owner, rid)| (*owner == pe).then_some(rid))
    }
}

impl Spec {
    /// The endpoint of `rid`.
    pub(crate) fn owner(&self, rid: Rid) -> u16 {
        self.rids.0[usize::from(rid.0)]
    }

    /// [`ioda::Ioda::assign_pe`]. Of several requesters that are taken any may be named: the first here.
    pub(crate) fn assign(&mut self, rids: RidSel, pe: u16) -> Result<(), IodaError> {
        self.check_owned(pe)?;
        let widths = match self.facts.chip {
            Chip::P7ioc => [0, 1, 2, 3, 4, 5, 8].as_slice(),
            Chip::Phb3 => &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        };
        if !is_aligned(&rids) || !widths.contains(&rids.bus_shift) {
            return Err(IodaError::RidRule);
        }
        if let Some(rid) = all(rids).find(|rid| self.is_foreign(*rid, pe)) {
            let owner = self.owner(Rid(rid));
            return Err(IodaError::RidTaken(Rid(rid), PeNumber(owner)));
        }
        if self.facts.chip == Chip::P7ioc {
            // One filter: what it has must be part of what it gets, or hold it.
            let keeps = self.rids.of(pe).all(|rid| holds(&rids, rid));
            let has = all(rids).all(|rid| self.owner(Rid(rid)) == pe);
            if !keeps && !has {
                return Err(IodaError::RidRule);
            }
        }
        for rid in all(rids) {
            self.rids.0[usize::from(rid)] = pe;
        }
        Ok(())
    }

    /// Whether `rid` is somebody's, and not `pe`'s.
    pub(crate) fn is_foreign(&self, rid: u16, pe: u16) -> bool {
        let owner = self.owner(Rid(rid));
        owner != pe && owner != self.facts.reserved
    }

    /// [`ioda::Ioda::release_pe`].
    pub(crate) fn release(&mut self, rids: RidSel) -> Result<(), IodaError> {
        if !is_aligned(&rids) {
            return Err(IodaError::RidRule);
        }
        if self.facts.chip == Chip::P7ioc {
            // One filter: all of it, or nothing.
            for pe in self.facts.used {
                let mut parts = [false, false];
                for rid in self.rids.of(pe) {
                    parts[usize::from(holds(&rids, rid))] = true;
                }
                if parts == [true, true] {
                    return Err(IodaError::RidRule);
                }
            }
        }
        for rid in all(rids) {
            self.rids.0[usize::from(rid)] = self.facts.reserved;
        }
        Ok(())
    }

    /// Selections that make up what `pe` has: the one that was last assigned where a chip has one, else each
    /// requester by itself, as far as they are few; a whole bus as one.
    pub(crate) fn selections_of(&self, pe: u16) -> Vec<RidSel> {
        let has: Vec<u16> = self.rids.of(pe).collect();
        if self.facts.chip == Chip::P7ioc {
            // The narrowest selection that holds all.
            let (Some(first), Some(last)) = (has.first(), has.last()) else {
                return Vec::new();
            };
            let mut bus_shift = 0;
            while bus_shift < 8 && first >> 8 >> bus_shift != last >> 8 >> bus_shift {
                bus_shift += 1;
            }
            let same = |of: fn(u16) -> u16| {
                has.iter()
                    .all(|rid| of(*rid) == of(*first))
                    .then(|| of(*first) as u8)
            };
            return vec![RidSel {
                bus: (first >> 8 >> bus_shift << bus_shift) as u8,
                bus_shift,
                device: same(|rid| rid >> 3 & 31),
                function: same(|rid| rid & 7),
            }];
        }
        let mut selections = Vec::new();
        for bus in 0..=255u8 {
            let on_bus = has.iter().filter(|rid| *rid >> 8 == bus.into());
            if on_bus.clone().count() == 256 {
                selections.push(RidSel::bus(bus));
            } else {
                selections.extend(on_bus.map(|rid| RidSel::one(Rid(*rid))));
            }
        }
        selections
    }
}
