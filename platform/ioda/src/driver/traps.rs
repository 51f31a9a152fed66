//! Error traps, and the local error macro (LEM) that they tell.

use super::regs::{self, TRAPS};
use crate::RegIo;

/// What a block of error traps is set up to do with each error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapSet {
    /// Tell the LEM.
    pub lem: u64,
    /// Freeze the endpoint.
    pub freeze: u64,
    /// Fence the bridge.
    pub fence: u64,
    /// Raise an interrupt.
    pub irq: u64,
    /// Nothing.
    pub ignored: u64,
}

/// Sets up the four blocks and the LEM, nothing being latched and no interrupt raised yet; `action1` is
/// `LEM_ACTION1`.
pub fn set_up(io: &impl RegIo, sets: &[TrapSet; 4], action1: u64) {
    io.write64(regs::LEM_ERROR_MASK, u64::MAX);
    for (block, set) in TRAPS.iter().zip(sets) {
        let [log0, log1] = block.logs;
        for (reg, value) in [
            (block.status, u64::MAX),
            (block.first, 0),
            (block.lem_enable, set.lem),
            (block.freeze_enable, set.freeze),
            (block.fence_enable, set.fence),
            (log0, 0),
            (log1, 0),
            (block.status_mask, set.ignored),
            (block.first_mask, set.ignored),
        ] {
            io.write64(reg, value);
        }
    }
    io.write64(regs::LEM_FIR_ACCUM, 0);
    io.write64(regs::LEM_ACTION0, u64::MAX);
    io.write64(regs::LEM_ACTION1, action1);
    io.write64(regs::LEM_WOF, 0);
}

/// Lets errors raise interrupts, all but those in `mask`.
pub fn enable_interrupts(io: &impl RegIo, sets: &[TrapSet; 4], mask: u64) {
    for (block, set) in TRAPS.iter().zip(sets) {
        io.write64(block.irq_enable, set.irq);
    }
    io.write64(regs::LEM_ERROR_MASK, mask);
}

/// Clears what the UTL and the blocks have latched, and of the LEM what is in `fir`, without unmasking any.
pub fn clear(io: &impl RegIo, fir: u64) {
    for reg in [
        regs::UTL_SYS_BUS_AGENT_STATUS,
        regs::UTL_PCIE_PORT_STATUS,
        regs::UTL_RC_STATUS,
    ] {
        io.write64(reg, io.read64(reg));
    }
    for block in &TRAPS {
        let [log0, log1] = block.logs;
        io.write64(block.status, io.read64(block.status));
        for reg in [block.first, log0, log1] {
            io.write64(reg, 0);
        }
    }
    io.write64(regs::LEM_FIR_AND_MASK, !fir);
    io.write64(regs::LEM_WOF, 0);
}
