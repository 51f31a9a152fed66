//! Starts and resets, as far as they go alike: PERST, and the phases' way on.

use super::regs::{self, Reset};
use crate::{RegIo, ResetError, Step};

/// Holds PERST.
pub fn hold_perst(io: &impl RegIo) {
    let reset = io.read64(regs::RESET);
    io.write64(regs::RESET, reset & !u64::from(Reset::PERST_OFF::SET));
}

/// Ends PERST.
pub fn release_perst(io: &impl RegIo) {
    let reset = io.read64(regs::RESET);
    io.write64(regs::RESET, reset | u64::from(Reset::PERST_OFF::SET));
}

/// A driver that starts and resets its bridge phase by phase.
pub trait Phases {
    /// How the start or reset ended, if it has.
    fn ended(&self) -> Option<Result<(), ResetError>>;
    /// Does what the phase asks for and goes on to the next; gives the milliseconds before that, which may be 0.
    fn step(&mut self) -> u32;
}

/// Carries a start or reset on to where it has to wait, or ends.
///
/// # Errors
/// How it ended.
pub fn advance(phases: &mut impl Phases) -> Result<Step, ResetError> {
    // Phases that need no wait follow each other in one call; there are fewer of them than this.
    for _ in 0..8 {
        if let Some(end) = phases.ended() {
            return end.map(|()| Step::Done);
        }
        let ms = phases.step();
        if ms != 0 {
            return Ok(Step::Pending { ms });
        }
    }
    Ok(Step::Pending { ms: 1 })
}
