//! Who owns what: requesters, segments, error propagation.

use crate::regs::{Mve, table};
use crate::rids::{Filter, common, holds};
use crate::{Phb, shadow};
use ioda::driver::Chip;
use ioda::{IodaError, PeNumber, RegIo, RidSel};

/// A window whose segments go to any endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    M32,
    Io,
}

impl<R: RegIo> Phb<R> {
    pub(crate) fn add_rids(&mut self, rids: RidSel, pe: PeNumber) -> Result<(), IodaError> {
        if Filter::new(rids).is_none() {
            return Err(IodaError::RidRule);
        }
        if let Some(overlap) = self.overlap(rids, pe) {
            return Err(IodaError::RidTaken(overlap.rid, overlap.owner));
        }
        match self.rids_of(pe) {
            Some(has) if holds(has, rids) => return Ok(()),
            Some(has) if !holds(rids, has) => return Err(IodaError::RidRule),
            _ => {}
        }
        self.set_rids(pe, Some(rids));
        Ok(())
    }

    pub(crate) fn remove_rids(&mut self, rids: RidSel) -> Result<(), IodaError> {
        if !rids.is_valid() {
            return Err(IodaError::RidRule);
        }
        let is_part = |has: &RidSel| common(*has, rids).is_some() && !holds(rids, *has);
        if self.rids.iter().flatten().any(is_part) {
            return Err(IodaError::RidRule);
        }
        for pe in (0..crate::PES).map(PeNumber) {
            if self.rids_of(pe).is_some_and(|has| holds(rids, has)) {
                self.set_rids(pe, None);
            }
        }
        Ok(())
    }

    pub(crate) fn rids_of(&self, pe: PeNumber) -> Option<RidSel> {
        self.rids.get(usize::from(pe.0)).copied().flatten()
    }

    /// The filter of `pe`, as everything that copies it must have it.
    pub(crate) fn filter_of(&self, pe: PeNumber) -> Filter {
        self.rids_of(pe)
            .and_then(Filter::new)
            .unwrap_or(Filter::NOBODY)
    }

    /// Sets the selection of `pe`: first where errors are sorted, then in every copy.
    fn set_rids(&mut self, pe: PeNumber, rids: Option<RidSel>) {
        if let Some(slot) = self.rids.get_mut(usize::from(pe.0)) {
            *slot = rids;
        }
        let filter = self.filter_of(pe);
        if let Some(entry) = self.shadow.peltm.get_mut(usize::from(pe.0)) {
            *entry = filter.peltm();
            self.port.write_entry(table::PELTM, pe.0, *entry);
        }
        for tve in self.windows_of(pe) {
            let entry = filter.tve(pe, self.tve(tve));
            self.write_tve(tve, entry);
        }
        self.write_mve(pe);
    }

    /// Lets `pe` send messages if it has any and is somebody. The entry has the endpoint's number.
    pub(crate) fn write_mve(&mut self, pe: PeNumber) {
        let filter = self.filter_of(pe);
        let entry = if filter != Filter::NOBODY && self.msis.count_of(pe) != 0 {
            filter.mve(pe)
        } else {
            Mve::VALID::CLEAR.into()
        };
        if let Some(shadow) = self.shadow.mvt.get_mut(usize::from(pe.0)) {
            *shadow = entry;
            self.port.write_entry(table::MVT, pe.0, entry);
        }
    }

    pub(crate) fn set_peltv(
        &mut self,
        parent: PeNumber,
        child: PeNumber,
        change: fn(u64, u64) -> u64,
    ) -> Result<(), IodaError> {
        Self::check_pe(child)?;
        let [first, second] = shadow::row_bit(child);
        let row = self
            .shadow
            .peltv
            .get_mut(usize::from(parent.0))
            .ok_or(IodaError::Pe(parent))?;
        *row = [change(row[0], first), change(row[1], second)];
        self.port.write_pair(table::PELTV, parent.0, *row);
        Ok(())
    }

    pub(crate) fn set_segment(
        &mut self,
        space: Space,
        segment: u16,
        pe: PeNumber,
    ) -> Result<(), IodaError> {
        Self::check_pe(pe)?;
        let (table, entries) = match space {
            Space::M32 => (table::M32DT, &mut self.shadow.m32dt),
            Space::Io => (table::IODT, &mut self.shadow.iodt),
        };
        let entry = entries
            .get_mut(usize::from(segment))
            .ok_or(IodaError::Segment)?;
        *entry = shadow::segment(pe);
        self.port.write_entry(table, segment, *entry);
        Ok(())
    }
}
