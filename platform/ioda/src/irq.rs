//! Interrupts that a bridge raises: message interrupts to hand out, and what every source needs.

use crate::{Irq, MsiError, PeNumber};
use core::ops::Range;

/// Message interrupts handed out together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsiBlock {
    /// The machine's number of the first; the others follow it.
    pub first: Irq,
    /// How many, a power of two.
    pub count: u16,
    /// Where a device with 32-bit messages writes.
    pub address32: u32,
    /// Where a device with 64-bit messages writes.
    pub address64: u64,
    /// What it writes for the first; for the n-th this plus n (message interrupts put n in the low bits).
    pub data: u16,
}

/// Hands out message interrupts. Needs no heap, so that a partition may ask for them while it runs.
pub trait MsiSource {
    /// How many interrupts one block can have.
    fn msi_block_max(&self) -> u16;
    /// Takes `count` interrupts (a power of two) for `pe`, masked; a message from any other endpoint is refused.
    ///
    /// # Errors
    /// [`MsiError::Count`], [`MsiError::Pe`], [`MsiError::NoVector`], in this order.
    fn msi_alloc(&mut self, pe: PeNumber, count: u16) -> Result<MsiBlock, MsiError>;
    /// Gives a block back: masked, forgotten, and refused to every endpoint until it is handed out again.
    ///
    /// # Errors
    /// [`MsiError::Irq`] if it was not handed out as that block.
    fn msi_free(&mut self, block: &MsiBlock) -> Result<(), MsiError>;
}

/// What raises a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqKind {
    /// A message: an edge.
    Msi,
    /// One of the four INTx wires of the bridge, 0 for INTA: a level.
    Lsi(u8),
    /// The bridge itself (errors, hot plug): the hypervisor's, a level.
    Bridge(u8),
}

/// Routing and end of interrupt of a bridge's sources, by machine number; shared by all processors.
///
/// Calls for *one* source are one at a time (its owner's lock); calls for different sources are not.
/// A source outside [`Self::irqs`] is ignored, never a fault. `server` is the PIR of a thread that exists.
pub trait IrqBackend: Sync {
    /// The machine's numbers of the bridge's sources.
    fn irqs(&self) -> Range<u32>;
    /// What raises `irq`; `None` if it is not one of the bridge's.
    fn kind(&self, irq: Irq) -> Option<IrqKind>;
    /// Sends `irq` to thread `server` at `priority`, 0 the most favoured; 0xff masks it, keeping what is
    /// pending. An edge that came while it was masked is sent now.
    fn set_target(&self, irq: Irq, server: u32, priority: u8);
    /// Masks `irq` and forgets what is pending or in service, as after a reset.
    fn reset(&self, irq: Irq);
    /// Does at the source what the end of interrupt needs; the caller ends it at the presenter as well,
    /// in either order. No edge that came meanwhile is lost.
    fn eoi(&self, irq: Irq);
}
