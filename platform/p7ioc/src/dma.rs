//! DMA windows: slots of the one address space that all endpoints share.
//!
//! The entry that translates a 32-bit address is the one numbered by its 256 MiB. Those from 3 GiB on belong to
//! the 32-bit MMIO window, and how 64-bit addresses choose an entry is not known: both stay closed.

use crate::regs::{Tve0, Tve1, table};
use crate::rids::Filter;
use crate::{Phb, RESERVED};
use ioda::driver::Chip;
use ioda::{DmaWindow, IodaError, PeNumber, RegIo, TceTable, TveIndex};

/// Slots below the 32-bit MMIO window.
pub(crate) const SLOTS: u16 = 12;
/// log2 of a slot's bytes.
pub(crate) const SLOT_SHIFT: u8 = 28;
const SLOT_BYTES: u64 = 1 << SLOT_SHIFT;
/// log2 of the smallest window's bytes less one: what a size in an entry counts from.
const SIZE_SHIFT: u32 = 26;
/// log2 of the only size of pages.
const PAGE_SHIFT: u8 = 12;
const _: () = assert!((SLOTS as u64) << SLOT_SHIFT == crate::hub::M32_PCI);

/// A window, kept at its first slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pe: PeNumber,
    count: u16,
    table_real: u64,
}

/// An entry that translates nothing. Its filter matches nobody, so that nothing rests on what the chip makes
/// of a window of no size.
pub(crate) fn closed() -> [u64; 2] {
    Filter::NOBODY.tve(RESERVED, [0, 0])
}

impl<R: RegIo> Phb<R> {
    /// The entries that translate for `pe`.
    pub(crate) fn windows_of(&self, pe: PeNumber) -> impl Iterator<Item = u16> + use<R> {
        let mut entries = 0u16;
        for (slot, first) in self.slots.iter().zip(0u16..) {
            if let Some(slot) = slot.filter(|slot| slot.pe == pe) {
                entries |= run(first, slot.count);
            }
        }
        (0..SLOTS).filter(move |tve| entries & run(*tve, 1) != 0)
    }

    pub(crate) fn tve(&self, index: u16) -> [u64; 2] {
        self.shadow
            .tvt
            .get(usize::from(index))
            .copied()
            .unwrap_or_else(closed)
    }

    pub(crate) fn write_tve(&mut self, index: u16, entry: [u64; 2]) {
        if let Some(shadow) = self.shadow.tvt.get_mut(usize::from(index)) {
            *shadow = entry;
            self.port.io.sync();
            self.port.write_pair(table::TVT, index, entry);
        }
    }

    fn taken(&self) -> u16 {
        self.slots
            .iter()
            .zip(0u16..)
            .filter_map(|(slot, first)| Some(run(first, (*slot)?.count)))
            .fold(0, |all, slots| all | slots)
    }

    pub(crate) fn open_window(
        &mut self,
        pe: PeNumber,
        table: &TceTable,
        at: Option<TveIndex>,
    ) -> Result<DmaWindow, IodaError> {
        Self::check_owned(pe)?;
        if table.page_shift != PAGE_SHIFT {
            return Err(IodaError::PageShift(table.page_shift));
        }
        // The fields can be set by hand, so what the constructor checked is checked again.
        let table =
            TceTable::new(table.cells, table.real, table.page_shift).ok_or(IodaError::Table)?;
        let bytes = table.window_bytes();
        let size = u64::from(bytes.ilog2().saturating_sub(SIZE_SHIFT));
        let count = u16::try_from(bytes.div_ceil(SLOT_BYTES)).map_err(|_| IodaError::NoWindow)?;
        if size == 0 || table.real >> 48 != 0 {
            return Err(IodaError::Table);
        }
        if count > SLOTS {
            return Err(IodaError::NoWindow);
        }
        let last = SLOTS.saturating_sub(count);
        let taken = self.taken();
        let is_free = |first: &u16| taken & run(*first, count) == 0;
        let first = match at {
            Some(TveIndex(first)) if first > last => return Err(IodaError::Window),
            Some(TveIndex(first)) if !is_free(&first) => return Err(IodaError::WindowInUse),
            Some(TveIndex(first)) => first,
            None => (0..=last).find(is_free).ok_or(IodaError::NoWindow)?,
        };
        if let Some(slot) = self.slots.get_mut(usize::from(first)) {
            *slot = Some(Slot {
                pe,
                count,
                table_real: table.real,
            });
        }
        let filter = self.filter_of(pe);
        let size = size.min(u64::from(SLOT_SHIFT) - u64::from(SIZE_SHIFT));
        for part in 0..count {
            // Each slot has the piece of the table that is its own.
            let offset = u64::from(part).wrapping_mul(SLOT_BYTES >> PAGE_SHIFT << 3);
            let real = table.real.wrapping_add(offset);
            let open = [
                (Tve0::TABLE.val(real >> 12) + Tve0::SIZE.val(size)).into(),
                Tve1::PAGE_SIZE.val(u64::from(PAGE_SHIFT) - 11).into(),
            ];
            // Nothing of it can be cached: what was there was killed when it was closed.
            self.write_tve(first.saturating_add(part), filter.tve(pe, open));
        }
        Ok(DmaWindow {
            tve: TveIndex(first),
            pe,
            bus_base: u64::from(first).wrapping_shl(SLOT_SHIFT.into()),
            bytes,
            page_shift: table.page_shift,
            table_real: table.real,
        })
    }
}

impl<R: RegIo + Sync> Phb<R> {
    pub(crate) fn close_window(&mut self, window: &DmaWindow) -> Result<(), IodaError> {
        let place = self.slots.get_mut(usize::from(window.tve.0));
        let place = place.ok_or(IodaError::Window)?;
        let slot = place.ok_or(IodaError::Window)?;
        if slot.pe != window.pe || slot.table_real != window.table_real {
            return Err(IodaError::Window);
        }
        *place = None;
        for part in 0..slot.count {
            self.write_tve(window.tve.0.saturating_add(part), closed());
        }
        ioda::TceFlush::tce_wait(self.port).map_err(|_| IodaError::Fenced)
    }
}

/// `count` bits from bit `first`; slots are fewer than 16.
fn run(first: u16, count: u16) -> u16 {
    let ones = 1u32.wrapping_shl(count.min(16).into()).wrapping_sub(1);
    ones.wrapping_shl(first.min(16).into()) as u16
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;

    fn a_closed_entry_has_no_size_and_matches_nobody() {
        let [first, second] = closed();
        assert_eq!(Tve0::SIZE.read(first), 0);
        assert_eq!(Tve0::BUS_VALID.read(first), 7);
        assert_eq!(Tve1::PE.read(second), 127);
        assert_ne!(second & (1 << 61), 0);
        assert_eq!(run(3, 2), 0b11000);
    }

    cases::cases!(a_closed_entry_has_no_size_and_matches_nobody,);
}
