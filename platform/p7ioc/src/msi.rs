//! Message interrupts: which are handed out, to whom, and how many each may have.

use crate::port::MSIS;
use crate::{PES, Phb, RESERVED};
use ioda::driver::Chip;
use ioda::{Irq, MsiBlock, MsiBlocks, MsiError, PeNumber, RegIo};

/// The most interrupts of one block: what a function can ask for (message interrupts, not MSI-X).
pub(crate) const BLOCK_MAX: u16 = 32;
/// Where messages of 32 bits go; the entry's number is in bits 11:4.
const MSI32: u32 = 0xffff_0000;
/// Where messages of 64 bits go; the entry's number is in bits 59:48.
const MSI64: u64 = 9 << 60;

/// The endpoint of each interrupt, and the quotas.
#[derive(Clone, Debug)]
pub(crate) struct MsiMap {
    owners: [Option<PeNumber>; MSIS as usize],
    blocks: MsiBlocks<{ MSIS as usize }>,
    quotas: [u16; PES as usize],
}

impl MsiMap {
    pub(crate) const fn new() -> Self {
        Self {
            owners: [None; MSIS as usize],
            blocks: MsiBlocks::new(),
            quotas: [MSIS; PES as usize],
        }
    }

    pub(crate) fn set_quota(&mut self, pe: PeNumber, most: u16) {
        if let Some(quota) = self.quotas.get_mut(usize::from(pe.0)) {
            *quota = most;
        }
    }

    /// How many `pe` has.
    pub(crate) fn count_of(&self, pe: PeNumber) -> u16 {
        self.owners
            .iter()
            .filter(|owner| **owner == Some(pe))
            .count() as u16
    }

    /// Takes the lowest free `count` in a row, aligned to `count`, a power of two.
    fn take(&mut self, pe: PeNumber, count: u16) -> Option<u16> {
        let quota = self.quotas.get(usize::from(pe.0)).copied().unwrap_or(0);
        self.count_of(pe)
            .checked_add(count)
            .filter(|all| *all <= quota)?;
        let places = (0..MSIS).step_by(count.into());
        let first = self.blocks.take(places, count)?;
        self.owners_of(first, count)?.fill(Some(pe));
        Some(first)
    }

    /// Gives back what [`Self::take`] gave; who had it. `None`, and nothing done, for anything else.
    fn give_back(&mut self, first: u16, count: u16) -> Option<PeNumber> {
        self.blocks.give_back(first, count)?;
        let owners = self.owners_of(first, count)?;
        let pe = owners.first().copied().flatten();
        owners.fill(None);
        pe
    }

    fn owners_of(&mut self, first: u16, count: u16) -> Option<&mut [Option<PeNumber>]> {
        let owners = self.owners.get_mut(usize::from(first)..)?;
        owners.get_mut(..usize::from(count))
    }
}

impl<R: RegIo> Phb<R> {
    pub(crate) fn take_msis(&mut self, pe: PeNumber, count: u16) -> Result<MsiBlock, MsiError> {
        if !count.is_power_of_two() || count > BLOCK_MAX {
            return Err(MsiError::Count);
        }
        Self::check_owned(pe).map_err(|_| MsiError::Pe(pe))?;
        let first = self.msis.take(pe, count).ok_or(MsiError::NoVector)?;
        for msi in first..first.saturating_add(count) {
            self.port.set_msi_pe(msi, pe);
        }
        self.write_mve(pe);
        Ok(MsiBlock {
            first: Irq(self.layout.msi_irq.wrapping_add(first.into())),
            count,
            address32: MSI32 | u32::from(pe.0) << 4,
            address64: MSI64 | u64::from(pe.0) << 48,
            data: first,
        })
    }

    pub(crate) fn give_back_msis(&mut self, block: &MsiBlock) -> Result<(), MsiError> {
        let first = block.first.0.checked_sub(self.layout.msi_irq);
        let first = first.and_then(|msi| u16::try_from(msi).ok());
        let first = first.ok_or(MsiError::Irq)?;
        let pe = self
            .msis
            .give_back(first, block.count)
            .ok_or(MsiError::Irq)?;
        for msi in first..first.saturating_add(block.count) {
            self.port.set_msi_pe(msi, RESERVED);
        }
        self.write_mve(pe);
        Ok(())
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;

    fn every_interrupt_is_given_once_within_the_quota() {
        let mut map = MsiMap::new();
        map.set_quota(PeNumber(3), 5);
        assert_eq!(map.take(PeNumber(3), 4), Some(0));
        assert_eq!(map.take(PeNumber(3), 2), None, "beyond the quota");
        assert_eq!(map.take(PeNumber(3), 1), Some(4));
        assert_eq!(map.take(PeNumber(4), 4), Some(8));
        assert_eq!(map.give_back(5, 1), None, "never given");
        let rest = core::iter::from_fn(|| map.take(PeNumber(5), 1)).count();
        assert_eq!(rest, 256 - 9);
        assert_eq!(map.give_back(6, 4), None, "two owners");
        assert_eq!(map.give_back(254, 4), None);
        assert_eq!(map.give_back(8, 2), None, "half of a block");
        assert_eq!(map.give_back(300, 1), None, "no such interrupt");
        assert_eq!(map.give_back(8, 4), Some(PeNumber(4)));
        assert_eq!(map.give_back(8, 4), None);
    }

    cases::cases!(every_interrupt_is_given_once_within_the_quota,);
}
