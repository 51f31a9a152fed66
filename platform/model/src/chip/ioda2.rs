//! What PHB3 and its successors share: the requester table in memory, and DMA windows of each endpoint's own.

use super::{Chip, Choice, Refused, Tve};
use crate::Refusal;
use crate::bits::{bit, field};
use crate::engine::State;
use crate::engine::cache::RidCache;
use crate::engine::tables::{PESTB, TVT};
use alloc::format;
use ioda::Rid;

const RTT_BAR: u16 = 0x168;
/// PESTA: the entry of a window does not exist.
pub(super) const PAGE_FAULT: u64 = bit(18);

/// A chip with a requester table in memory.
pub(crate) trait Ioda2: Chip {
    /// What it has fetched of the table.
    fn rids(&mut self) -> &mut RidCache;
}

/// What the requester table in memory says now.
pub(super) fn owner<C: Chip>(state: &State<C>, rid: Rid) -> Option<u16> {
    let at = state.table(RTT_BAR)?.wrapping_add(2 * u64::from(rid.0));
    state.memory.load(at, 2).map(|pe| pe as u16)
}

/// The endpoint of `rid`, from the cache if it is there.
pub(super) fn endpoint<C: Ioda2>(state: &mut State<C>, rid: Rid) -> Result<u16, Refusal> {
    if let Some(pe) = state.chip.rids().get(rid.0) {
        return Ok(pe);
    }
    let pe = owner(state, rid).ok_or(Refusal::NoEndpoint)?;
    if pe >= C::PARAMS.pes {
        // HW278969: a message from such a requester upsets the chip.
        state.complain(|| format!("the requester table's entry of {rid} is invalid: {pe:#x}"));
        return Err(Refusal::NoEndpoint);
    }
    state.chip.rids().set(rid.0, pe);
    Ok(pe)
}

/// A store to `RTC_INVALIDATE`.
pub(super) fn invalidate_rids<C: Ioda2>(state: &mut State<C>, value: u64) {
    let rids = state.chip.rids();
    if value & bit(0) != 0 {
        rids.clear();
    } else {
        rids.remove(field(value, 16, 31) as u16);
    }
}

/// Bit 59 of the address chooses one of the endpoint's two windows.
pub(super) fn choose<C: Ioda2>(
    state: &mut State<C>,
    rid: Rid,
    address: u64,
) -> Result<Choice, Refused> {
    let pe = C::endpoint(state, rid).map_err(Refused::quietly)?;
    // Who is stopped is refused first, wherever it goes.
    if address >> 60 != 0 && !state.tables.is_stopped(PESTB, pe) {
        return Err(Refused::blaming(Refusal::NoWindow, pe, PAGE_FAULT));
    }
    let second = u16::from(address & bit(4) != 0);
    Ok(Choice {
        pe,
        window: pe.wrapping_mul(2) | second,
    })
}

pub(super) fn window<C: Chip>(state: &State<C>, choice: Choice, address: u64) -> Option<Tve> {
    let tve = state.tables.word(TVT, choice.window);
    let size = field(tve, 59, 63) as u32;
    let levels = (field(tve, 48, 50) as u32).wrapping_add(1);
    if size == 0 || levels > 5 {
        return None;
    }
    Some(Tve {
        table: field(tve, 0, 47) << 12,
        levels,
        // log2 of a table's bytes less 11, and eight bytes an entry.
        entries_shift: (field(tve, 51, 55) as u32).wrapping_add(11 - 3),
        page_shift: size.wrapping_add(11),
        offset: address & (bit(4) - 1),
    })
}

/// Why a window's entry must not be. `sizes` are the codes of the pages that the chip has.
pub(super) fn bad_window(tve: u64, sizes: &[u64]) -> Option<&'static str> {
    let size = field(tve, 59, 63);
    if tve == 0 {
        None
    } else if size == 0 && tve & bit(51) != 0 {
        Some("a way around translation")
    } else if field(tve, 48, 50) > 4 {
        Some("more levels than there are")
    } else if size != 0 && !sizes.contains(&size) {
        Some("no page of this size")
    } else {
        None
    }
}
