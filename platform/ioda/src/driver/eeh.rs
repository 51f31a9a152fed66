//! Endpoints that are stopped ("frozen"): who is, and an end to it.

use super::table::{PEEV, PEST_A, PEST_B, Table};
use super::{Chip, regs};
use crate::{CfgError, Freeze, IodaError, PeNumber, RegIo};

/// PESTA and PESTB, bit 0.
pub const STOPPED: u64 = regs::bit(0);

/// What can be stopped, and the table that says so.
pub const SIDES: [(Freeze, Table); 2] = [(Freeze::MMIO, PEST_A), (Freeze::DMA, PEST_B)];

/// What is stopped for `pe`: everything, if the bridge is fenced or has no such endpoint.
pub fn frozen<C: Chip>(chip: &mut C, pe: PeNumber) -> Freeze {
    if pe.0 >= C::PES || chip.is_fenced() {
        return Freeze::all();
    }
    if !is_flagged(chip, pe) {
        return Freeze::empty();
    }
    let mut state = Freeze::empty();
    for (what, table) in SIDES {
        let stopped = chip.read_entry(table, pe.0) & STOPPED != 0;
        state.set(what, stopped);
    }
    state
}

/// The summary bit of `pe`.
fn is_flagged<C: Chip>(chip: &C, pe: PeNumber) -> bool {
    chip.read_entry(PEEV, pe.0 / 64) & regs::bit(u32::from(pe.0 % 64)) != 0
}

/// The first endpoint whose summary bit is set.
pub fn first_frozen<C: Chip>(chip: &C) -> Option<PeNumber> {
    (0..C::PES / 64).find_map(|word| {
        let flags = chip.read_entry(PEEV, word);
        let first = u16::try_from(flags.leading_zeros()).ok()?;
        (flags != 0).then_some(PeNumber(word.saturating_mul(64).saturating_add(first)))
    })
}

/// Lets `what` go on for `pe`, latched errors being cleared before.
///
/// # Errors
/// [`IodaError::Pe`], [`IodaError::Fenced`].
pub fn thaw<C: Chip>(chip: &mut C, pe: PeNumber, what: Freeze) -> Result<(), IodaError> {
    C::check_pe(pe)?;
    if chip.is_fenced() {
        return Err(IodaError::Fenced);
    }
    clear_frozen(chip, pe, what);
    Ok(())
}

fn clear_frozen<C: Chip>(chip: &mut C, pe: PeNumber, what: Freeze) {
    chip.disarm_one_shot(pe);
    if chip.io().read64(regs::ETU_ERR_SUMMARY) != 0 {
        chip.clear_latched();
    }
    for (side, table) in SIDES {
        if what.contains(side) {
            chip.write_entry(table, pe.0, 0);
        }
    }
}

/// After a config read of a function of `owner` that gave all ones: thaws the endpoint of functions that nobody owns,
/// which asking for one that is not there freezes.
///
/// # Errors
/// [`CfgError::Fenced`] if the bridge answered, not a function.
pub fn after_no_answer<C: Chip>(chip: &mut C, owner: PeNumber) -> Result<(), CfgError> {
    if chip.is_fenced() {
        return Err(CfgError::Fenced);
    }
    if owner == C::RESERVED && is_flagged(chip, owner) {
        clear_frozen(chip, owner, Freeze::all());
    }
    Ok(())
}
