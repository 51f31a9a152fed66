//! What the drivers of P7IOC's bridges and of PHB3 share, because the chips do: PHB3 grew out of the other.
//!
//! Only what the sources tell of both chips alike is here; what merely looks alike stays with each driver. Nothing of it
//! is for who manages partitions: that is [`crate::Ioda`].
//!
//! - [`regs`]: registers that stand at the same place with the same fields.
//! - [`table`], [`config`], [`inject`], [`traps`]: what is reached by several of them in turn.
//! - [`eeh`], [`root_port`], [`reset`]: what is done with these in a [`Chip`].
//!
//! Sources: skiboot, `include/p7ioc-regs.h` (as of 2018) and `include/phb3-regs.h`, which were read side by side, and what
//! `hw/p7ioc-phb.c` and `hw/phb3.c` do in the same order.

pub mod config;
pub mod eeh;
pub mod inject;
pub mod regs;
pub mod reset;
pub mod root_port;
pub mod table;
pub mod traps;

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests;

use crate::{Bdf, CfgOffset, CfgWidth, IodaError, PeNumber, RegIo};

/// What the shared parts of a driver need of the bridge that it drives. Nothing here checks who asks.
pub trait Chip {
    /// The registers.
    type Io: RegIo;
    /// Endpoints; a multiple of 64.
    const PES: u16;
    /// The endpoint of everything that nobody owns.
    const RESERVED: PeNumber;

    /// The registers, by the way that works while the bridge runs.
    fn io(&self) -> &Self::Io;
    /// Reads entry `index` of a table of one word ([`table::read`]).
    fn read_entry(&self, table: table::Table, index: u16) -> u64;
    /// Writes entry `index` of a table of one word ([`table::write`]).
    fn write_entry(&self, table: table::Table, index: u16, entry: u64);
    /// Reads config space of an aligned register, whatever state the bridge is in.
    fn raw_read(&mut self, bdf: Bdf, at: CfgOffset, width: CfgWidth) -> u32;
    /// Writes config space of an aligned register, whatever state the bridge is in.
    fn raw_write(&mut self, bdf: Bdf, at: CfgOffset, width: CfgWidth, value: u32);
    /// Whether the bridge has shut itself off.
    fn is_fenced(&mut self) -> bool;
    /// Takes back an injected error of `pe` that should have ended by itself ([`inject::Injector::disarm_one_shot`]).
    fn disarm_one_shot(&mut self, pe: PeNumber);
    /// Clears every latched error, without unmasking any.
    fn clear_latched(&mut self);

    /// Whether there is such an endpoint.
    ///
    /// # Errors
    /// [`IodaError::Pe`].
    fn check_pe(pe: PeNumber) -> Result<(), IodaError> {
        if pe.0 < Self::PES {
            Ok(())
        } else {
            Err(IodaError::Pe(pe))
        }
    }

    /// Whether somebody may own the endpoint, so that it can have requesters, DMA and messages.
    ///
    /// # Errors
    /// [`IodaError::Pe`].
    fn check_owned(pe: PeNumber) -> Result<(), IodaError> {
        Self::check_pe(pe)?;
        if pe == Self::RESERVED {
            Err(IodaError::Pe(pe))
        } else {
            Ok(())
        }
    }
}
