//! Who owns what: requesters, segments, DMA windows, error propagation.

use crate::regs::table;
use crate::regs::{self, M32dt, M64bt, RtcInvalidate, Tve};
use crate::tables::PELTV_ROW;
use crate::{PES, Phb3, WINDOWS};
use ioda::driver::Chip;
use ioda::{
    DmaWindow, IodaError, M32Segment, M64Map, M64Window, PeNumber, RegIo, RidSel, TceFlush,
    TceTable, TceTree, TveIndex, XscomIo,
};

/// log2 of the smallest single-endpoint 64-bit window, bytes.
pub(crate) const SINGLE_SHIFT: u8 = 25;
/// log2 of the smallest segmented one: Linux's documentation says at least 256 MiB.
const SEGMENTED_SHIFT: u8 = 28;
/// The address bit that tells an endpoint's two DMA windows apart.
pub(crate) const WINDOW_SHIFT: u32 = 59;
/// What log2 sizes in a TVE are less than the sizes.
const TVE_SHIFT: u8 = 11;

/// The entry of a segment that belongs to `pe`.
pub(crate) const fn m32_entry(pe: PeNumber) -> u64 {
    // `M32dt::PE.val` is not const over a run-time value's `into`.
    (pe.0 as u64 & 0xff) << M32dt::PE.shift
}

impl<R: RegIo, X: XscomIo> Phb3<R, X> {
    pub(crate) fn write_rtt(&mut self, rids: RidSel, pe: PeNumber) {
        let mut only = None;
        let mut count = 0u32;
        for rid in rids.iter() {
            if let Some(entry) = self.tables.rtt.cells.get(usize::from(rid.0)) {
                entry.store(pe.0);
            }
            only = Some(rid);
            count = count.saturating_add(1);
        }
        self.port.io.sync();
        let invalidate = match only {
            Some(rid) if count == 1 => RtcInvalidate::RID.val(rid.0.into()),
            _ => RtcInvalidate::ALL::SET,
        };
        self.port
            .io
            .write64(regs::RTC_INVALIDATE, invalidate.into());
    }

    pub(crate) fn set_peltv(
        &mut self,
        parent: PeNumber,
        child: PeNumber,
        change: fn(u64, u64) -> u64,
    ) -> Result<(), IodaError> {
        Self::check_pe(parent)?;
        Self::check_pe(child)?;
        let word = usize::from(parent.0)
            .saturating_mul(PELTV_ROW)
            .saturating_add(usize::from(child.0 / 64));
        let cell = self
            .tables
            .peltv
            .cells
            .get(word)
            .ok_or(IodaError::Pe(parent))?;
        cell.store(change(cell.load(), regs::bit(u32::from(child.0 % 64))));
        self.port.io.sync();
        Ok(())
    }

    pub(crate) fn set_m32(&mut self, segment: M32Segment, pe: PeNumber) -> Result<(), IodaError> {
        Self::check_pe(pe)?;
        let shadow = self
            .m32dt
            .get_mut(usize::from(segment.0))
            .ok_or(IodaError::Segment)?;
        *shadow = m32_entry(pe);
        self.port.write_entry(table::M32DT, segment.0, *shadow);
        Ok(())
    }

    pub(crate) fn set_m64bt(
        &mut self,
        window: M64Window,
        map: Option<M64Map>,
    ) -> Result<(), IodaError> {
        let slot = usize::from(window.0);
        if slot >= self.m64bt.len() {
            return Err(IodaError::M64Window);
        }
        let entry = match map {
            None => 0,
            Some(M64Map::SinglePe { base, shift, pe }) => {
                Self::check_pe(pe)?;
                self.check_m64(base, shift, SINGLE_SHIFT)?;
                let entry = M64bt::ENABLE::SET
                    + M64bt::SINGLE_PE::SET
                    + M64bt::SINGLE_BASE.val(base >> SINGLE_SHIFT)
                    + M64bt::SINGLE_MASK.val((1u64 << (shift - SINGLE_SHIFT)).wrapping_neg())
                    + M64bt::PE_HIGH.val(u64::from(pe.0 >> 5))
                    + M64bt::PE_LOW.val(u64::from(pe.0 & 0x1f));
                entry.into()
            }
            Some(M64Map::AnyMap { .. }) => return Err(IodaError::M64Range),
            Some(M64Map::SegmentIsPe { base, shift }) => {
                self.check_m64(base, shift, SEGMENTED_SHIFT)?;
                let entry = M64bt::ENABLE::SET
                    + M64bt::BASE.val(base >> 20)
                    + M64bt::MASK.val((1u64 << (shift - 20)).wrapping_neg());
                entry.into()
            }
        };
        if let Some(shadow) = self.m64bt.get_mut(slot) {
            *shadow = entry;
        }
        self.port.write_entry(table::M64BT, window.0.into(), entry);
        Ok(())
    }

    fn check_m64(&self, base: u64, shift: u8, least: u8) -> Result<(), IodaError> {
        let area = self.pbcq.layout().m64.ok_or(IodaError::M64Range)?;
        let bytes = 1u64.checked_shl(shift.into()).ok_or(IodaError::M64Range)?;
        let offset = base.checked_sub(area.real).ok_or(IodaError::M64Range)?;
        let end = offset.checked_add(bytes).ok_or(IodaError::M64Range)?;
        let good = shift >= least && base & bytes.wrapping_sub(1) == 0 && end <= area.bytes;
        if good {
            Ok(())
        } else {
            Err(IodaError::M64Range)
        }
    }
}

impl<R: RegIo + Sync, X: XscomIo> Phb3<R, X> {
    pub(crate) fn open_tve(
        &mut self,
        pe: PeNumber,
        table: &TceTable,
        at: Option<TveIndex>,
    ) -> Result<DmaWindow, IodaError> {
        self.open_levels(pe, table, 1, at)
    }

    pub(crate) fn open_levels(
        &mut self,
        pe: PeNumber,
        table: &TceTable,
        levels: u8,
        at: Option<TveIndex>,
    ) -> Result<DmaWindow, IodaError> {
        Self::check_owned(pe)?;
        if !matches!(table.page_shift, 12 | 16 | 24 | 28) {
            return Err(IodaError::PageShift(table.page_shift));
        }
        // The fields can be set by hand, so what the constructors checked is checked again.
        let table =
            TceTable::new(table.cells, table.real, table.page_shift).ok_or(IodaError::Table)?;
        let bytes = if levels == 1 {
            table.window_bytes()
        } else {
            let tree = TceTree::new(table, levels).ok_or(IodaError::Table)?;
            1u64.wrapping_shl(tree.window_shift().into())
        };
        let first = pe.0.saturating_mul(WINDOWS);
        let own = first..first.saturating_add(WINDOWS);
        let is_open = |tve: u16| {
            self.tvt
                .get(usize::from(tve))
                .is_none_or(|entry| *entry != 0)
        };
        let tve = match at {
            Some(TveIndex(tve)) if !own.contains(&tve) => return Err(IodaError::Window),
            Some(TveIndex(tve)) if is_open(tve) => return Err(IodaError::WindowInUse),
            Some(TveIndex(tve)) => tve,
            None => own
                .into_iter()
                .find(|tve| !is_open(*tve))
                .ok_or(IodaError::NoWindow)?,
        };
        let entry = Tve::TABLE.val(table.real >> 12)
            + Tve::LEVELS.val(u64::from(levels.saturating_sub(1)))
            + Tve::TABLE_SIZE.val(u64::from(table.table_shift().saturating_sub(TVE_SHIFT)))
            + Tve::PAGE_SIZE.val(u64::from(table.page_shift.saturating_sub(TVE_SHIFT)));
        // Nothing of it can be cached: what was there was killed when it was closed.
        self.write_tve(tve, entry.into());
        Ok(DmaWindow {
            tve: TveIndex(tve),
            pe,
            bus_base: u64::from(tve % WINDOWS).wrapping_shl(WINDOW_SHIFT),
            bytes,
            page_shift: table.page_shift,
            table_real: table.real,
        })
    }

    pub(crate) fn close_tve(&mut self, window: &DmaWindow) -> Result<(), IodaError> {
        let tve = window.tve.0;
        let entry = self.tvt.get(usize::from(tve)).copied().unwrap_or(0);
        let is_its = tve / WINDOWS == window.pe.0 && window.pe.0 < PES;
        if entry == 0 || !is_its || Tve::TABLE.read(entry) != window.table_real >> 12 {
            return Err(IodaError::Window);
        }
        self.write_tve(tve, 0);
        self.port.kill_pe(window.pe);
        self.port.tce_wait().map_err(|_| IodaError::Fenced)
    }

    fn write_tve(&mut self, tve: u16, entry: u64) {
        if let Some(shadow) = self.tvt.get_mut(usize::from(tve)) {
            *shadow = entry;
            self.port.io.sync();
            self.port.write_entry(table::TVT, tve, entry);
        }
    }
}
