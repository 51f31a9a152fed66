//! The sixteen 64-bit windows of eight segments each, which open, move and grow while others run.

use crate::regs::{M64bt, table};
use crate::{Phb, RESERVED, hub, shadow};
use ioda::driver::Chip;
use ioda::{IodaError, M64Window, PeNumber, RegIo};

/// Segments of a 64-bit window.
pub const M64_SEGMENTS: usize = 8;
/// How many there are.
pub(crate) const WINDOWS: u8 = 16;
/// log2 of what addresses and sizes are multiples of, bytes.
pub(crate) const UNIT_SHIFT: u8 = 24;
const UNITS: u64 = 1 << 24;

impl<R: RegIo> Phb<R> {
    /// Opens a 64-bit window of 2^`shift` bytes at `base` in eight equal segments that belong to `pes`.
    ///
    /// One that is open is closed first, so a window can be moved and resized; others are not touched.
    ///
    /// # Errors
    /// [`IodaError::M64Window`], [`IodaError::Pe`]; [`IodaError::M64Range`] if it is out of the bridge's area,
    /// not aligned to its size, smaller than 16 MiB, or meets another window. Nothing is changed then.
    pub(crate) fn m64_open(
        &mut self,
        window: M64Window,
        base: u64,
        shift: u8,
        pes: [PeNumber; M64_SEGMENTS],
    ) -> Result<(), IodaError> {
        if window.0 >= WINDOWS {
            return Err(IodaError::M64Window);
        }
        for pe in pes {
            Self::check_pe(pe)?;
        }
        self.check_m64(window, base, shift)?;
        self.write_m64bt(window, 0);
        // Segments first: from the moment it opens, it is its owners'.
        for (segment, pe) in (0u8..).zip(pes) {
            self.write_m64dt(window, segment, pe);
        }
        let units = 1u64.wrapping_shl(u32::from(shift.saturating_sub(UNIT_SHIFT)));
        let entry = M64bt::ENABLE::SET
            + M64bt::BASE.val(base >> UNIT_SHIFT)
            + M64bt::MASK.val(UNITS.wrapping_sub(units));
        self.write_m64bt(window, entry.into());
        Ok(())
    }

    /// See [`ioda::M64Segments::map_m64`].
    pub(crate) fn m64_segment(
        &mut self,
        window: M64Window,
        segment: u8,
        pe: PeNumber,
    ) -> Result<(), IodaError> {
        let entry = self.shadow.m64bt.get(usize::from(window.0));
        if !entry.is_some_and(|entry| M64bt::ENABLE.is_set(*entry)) {
            return Err(IodaError::M64Window);
        }
        if usize::from(segment) >= M64_SEGMENTS {
            return Err(IodaError::Segment);
        }
        Self::check_pe(pe)?;
        self.write_m64dt(window, segment, pe);
        Ok(())
    }

    /// Closes a 64-bit window; its segments go to nobody.
    pub(crate) fn m64_close(&mut self, window: M64Window) -> Result<(), IodaError> {
        if window.0 >= WINDOWS {
            return Err(IodaError::M64Window);
        }
        self.write_m64bt(window, 0);
        for segment in 0..M64_SEGMENTS as u8 {
            self.write_m64dt(window, segment, RESERVED);
        }
        Ok(())
    }

    fn write_m64bt(&mut self, window: M64Window, entry: u64) {
        if let Some(shadow) = self.shadow.m64bt.get_mut(usize::from(window.0)) {
            *shadow = entry;
            self.port.write_entry(table::M64BT, window.0.into(), entry);
        }
    }

    fn write_m64dt(&mut self, window: M64Window, segment: u8, pe: PeNumber) {
        let index = u16::from(window.0)
            .saturating_mul(M64_SEGMENTS as u16)
            .saturating_add(segment.into());
        if let Some(shadow) = self.shadow.m64dt.get_mut(usize::from(index)) {
            *shadow = shadow::segment(pe);
            self.port.write_entry(table::M64DT, index, *shadow);
        }
    }

    /// A window below the bridge's own area can fence it (skiboot), and which of two that meet wins is not known.
    fn check_m64(&self, window: M64Window, base: u64, shift: u8) -> Result<(), IodaError> {
        let bytes = 1u64.checked_shl(shift.into()).ok_or(IodaError::M64Range)?;
        let offset = base
            .checked_sub(self.layout.m64)
            .ok_or(IodaError::M64Range)?;
        let end = offset.checked_add(bytes).ok_or(IodaError::M64Range)?;
        let meets = |entry: u64| {
            let start = M64bt::BASE.read(entry) << UNIT_SHIFT;
            let length = UNITS.wrapping_sub(M64bt::MASK.read(entry)) << UNIT_SHIFT;
            M64bt::ENABLE.is_set(entry)
                && start < base.wrapping_add(bytes)
                && base < start.wrapping_add(length)
        };
        let is_alone = self
            .shadow
            .m64bt
            .iter()
            .zip(0u8..)
            .all(|(entry, other)| other == window.0 || !meets(*entry));
        let is_good = shift >= UNIT_SHIFT
            && base & bytes.wrapping_sub(1) == 0
            && end <= hub::M64_BYTES
            && is_alone;
        if is_good {
            Ok(())
        } else {
            Err(IodaError::M64Range)
        }
    }
}
