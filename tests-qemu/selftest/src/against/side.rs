//! What a program works on: [`Side`].

use ioda::{RegIo, XscomIo};

/// What [`Side::load`] gives when the processor takes a machine check: no 32-bit value.
pub(crate) const MACHINE_CHECK: u64 = 0xbad_0000_0000;

/// Which edu acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The one below the root port.
    Edu,
    /// The one behind a bridge to conventional PCI.
    Behind,
}

/// What a processor lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Nothing,
    Everything,
}

/// A started bridge with a card of three functions below its root port: an edu, an ivshmem, and a bridge to
/// conventional PCI with another edu behind it.
///
/// An edu has a buffer of 512 doublewords. Its transfers come to an end whatever becomes of them; a read that is
/// refused fills with zeroes.
pub(crate) trait Side {
    /// The bridge's registers.
    fn regs(&self) -> &dyn RegIo;
    /// Its side band.
    fn xscom(&self) -> &dyn XscomIo;
    /// Loads the little-endian word at real address `real`, [`MACHINE_CHECK`] if that is what it comes to.
    fn load(&mut self, real: u64) -> u64;
    /// Stores the little-endian word `value` at real address `real`.
    fn store(&mut self, real: u64, value: u32);
    /// An edu reads its whole buffer from bus address `bus`.
    fn fill(&mut self, who: Who, bus: u64);
    /// An edu reads doubleword `slot` of its buffer from bus address `bus`.
    fn dma_in(&mut self, who: Who, bus: u64, slot: usize);
    /// An edu writes doubleword `slot` of its buffer to bus address `bus`.
    fn dma_out(&mut self, who: Who, bus: u64, slot: usize);
    /// The edu below the root port interrupts: by a message if that is enabled, else by its wire.
    fn raise(&mut self);
    /// The edu's interrupt is served.
    fn lower(&mut self);
    /// Lets no interrupt through to this thread, or all of them.
    fn admit(&mut self, admission: Admission);
    /// Accepts the interrupt that is presented to this thread, serves the edu's and ends it: its number, then its priority
    /// in the low byte; 0 if there is none.
    fn accept(&mut self) -> u64;
}
