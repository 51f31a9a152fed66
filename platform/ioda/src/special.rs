//! What only some bridges have: [`IoSpace`], [`M64Segments`], [`Inject`].

use crate::{IoSegment, IodaError, M64Window, PeNumber, TveIndex};
use core::fmt;

/// The I/O window: equal segments, any segment to any endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoCaps {
    /// Where the processor sees it: real address, in bytes.
    pub real: u64,
    /// Where PCI sees it: I/O address, in bytes.
    pub pci: u64,
    /// log2 of a segment's bytes.
    pub segment_shift: u8,
    /// How many segments.
    pub segments: u16,
}

/// A bridge with I/O space (P7IOC).
pub trait IoSpace {
    /// The window.
    fn io_caps(&self) -> IoCaps;

    /// Gives a segment of it to `pe`.
    ///
    /// # Errors
    /// [`IodaError::Pe`], [`IodaError::Segment`].
    fn map_io(&mut self, segment: IoSegment, pe: PeNumber) -> Result<(), IodaError>;
}

/// A bridge whose 64-bit windows have segments that belong to any endpoint
/// ([`crate::M64Kinds::ANY_MAP`]; P7IOC).
pub trait M64Segments {
    /// Gives one segment of an open 64-bit window to `pe`; the others and the window's place stay.
    ///
    /// # Errors
    /// [`IodaError::M64Window`] also for a window that is closed; [`IodaError::Segment`], [`IodaError::Pe`].
    fn map_m64(&mut self, window: M64Window, segment: u8, pe: PeNumber) -> Result<(), IodaError>;
}

/// Which accesses are made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InjectTarget {
    /// Config cycles to the endpoint's functions, those of its first bus if there are several.
    Config,
    /// A processor's loads or stores in the segment that holds this real address, of a memory window.
    Mmio(u64),
    /// The same of the I/O window.
    Io(u64),
    /// The endpoint's DMA through this window.
    Dma(TveIndex),
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InjectAccess {
    /// Loads, config reads, DMA reads of memory.
    Read,
    /// Stores, config writes, DMA writes to memory.
    Write,
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InjectRepeat {
    /// Until the endpoint is thawed.
    Once,
    /// Until it is cleared.
    Sticky,
}

/// An error to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injection {
    /// Which accesses.
    pub target: InjectTarget,
    /// Which way.
    pub access: InjectAccess,
    /// How often.
    pub repeat: InjectRepeat,
}

/// An error could not be injected; nothing is armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InjectError {
    /// There is no such endpoint, or nobody may own it.
    Pe(PeNumber),
    /// The endpoint has no requester, segment or window there.
    NotOwned,
    /// The bridge cannot tell this endpoint's accesses from those of another, which would fail too.
    Shared(PeNumber),
    /// The bridge cannot do it, or nobody knows how it does.
    Unsupported,
    /// The bridge has shut itself off.
    Fenced,
}

impl fmt::Display for InjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pe(pe) => write!(f, "no error can be injected for {pe}"),
            Self::NotOwned => f.write_str("the endpoint has nothing there"),
            Self::Shared(pe) => write!(f, "{pe} would be hit too"),
            Self::Unsupported => f.write_str("the bridge cannot inject such an error"),
            Self::Fenced => f.write_str("the bridge is fenced"),
        }
    }
}

/// A bridge that makes errors on purpose, to see what they stop: one at a time, and of one endpoint alone.
pub trait Inject {
    /// Makes accesses of `pe` fail as `what` says, which freezes it. Replaces what was armed before.
    ///
    /// # Errors
    /// [`InjectError`]; the endpoint comes first, then what it owns, then who else would be hit.
    fn inject(&mut self, pe: PeNumber, what: Injection) -> Result<(), InjectError>;

    /// Takes back what is armed. A reset of any kind does too, and a thaw of its endpoint unless it is
    /// [`InjectRepeat::Sticky`].
    fn clear_injection(&mut self);
}
