//! [`Ioda`]: a bridge, in IODA's terms.

use crate::{
    Bdf, Caps, CfgError, CfgOffset, CfgWidth, DmaWindow, IodaError, M32Segment, M64Segments,
    M64Window, PeNumber, ResetError, RidSel, TceTable, TveIndex,
};
use bitflags::bitflags;

bitflags! {
    /// What is stopped for an endpoint.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Freeze: u8 {
        /// Loads give all ones, stores are dropped (PESTA, bit 0).
        const MMIO = 1;
        /// DMA and messages are refused (PESTB, bit 0).
        const DMA = 2;
    }
}

/// What a 64-bit window holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum M64Map {
    /// 2^`shift` bytes at `base`, all to `pe`.
    SinglePe {
        /// Real and PCI address, a multiple of the size.
        base: u64,
        /// log2 of its bytes.
        shift: u8,
        /// The endpoint.
        pe: PeNumber,
    },
    /// 2^`shift` bytes at `base` in eight equal segments, each to the endpoint that it is given
    /// ([`crate::M64Kinds::ANY_MAP`]).
    AnyMap {
        /// Real and PCI address, a multiple of the size.
        base: u64,
        /// log2 of its bytes.
        shift: u8,
        /// The endpoint of each segment.
        pes: [PeNumber; 8],
    },
    /// 2^`shift` bytes at `base` in equal segments; segment n to endpoint n.
    SegmentIsPe {
        /// Real and PCI address, a multiple of the size.
        base: u64,
        /// log2 of its bytes.
        shift: u8,
    },
}

/// Why an endpoint was frozen, as the bridge reports it; to be read before thawing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pest {
    /// PESTA.
    pub a: u64,
    /// PESTB.
    pub b: u64,
}

/// Something a bridge has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Errors that stopped nothing were latched: the FIR.
    Info(u64),
    /// This endpoint is frozen.
    Frozen(PeNumber),
    /// The bridge has shut itself off; a complete reset may bring it back.
    Fenced,
    /// The bridge is gone.
    Dead,
}

/// How far a reset goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetKind {
    /// The bus below the root port.
    Hot,
    /// PERST: the link and everything below.
    Fundamental,
    /// The bridge too; its tables are loaded again afterwards.
    Complete,
}

/// How a start or reset is getting on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Finished.
    Done,
    /// Call again, not sooner than in `ms` milliseconds.
    Pending {
        /// The wait.
        ms: u32,
    },
}

/// A PCI host bridge. `&mut self`: the caller holds its lock. No method waits or allocates.
///
/// All of it is object-safe. What only some bridges have is another trait.
pub trait Ioda {
    /// What the bridge offers.
    fn caps(&self) -> &Caps;

    /// Reads config space of `bdf`; a function that is not there reads as all ones.
    ///
    /// # Errors
    /// [`CfgError::Align`], [`CfgError::NoFunction`], [`CfgError::Blocked`], [`CfgError::Fenced`], in this order.
    fn cfg_read(&mut self, bdf: Bdf, at: CfgOffset, width: CfgWidth) -> Result<u32, CfgError>;

    /// Writes the low bytes of `value` to config space of `bdf`.
    ///
    /// # Errors
    /// As [`Self::cfg_read`].
    fn cfg_write(
        &mut self,
        bdf: Bdf,
        at: CfgOffset,
        width: CfgWidth,
        value: u32,
    ) -> Result<(), CfgError>;

    /// Puts the requesters `rids` in `pe` (IODA1: PELT-M; IODA2: RTT).
    ///
    /// # Errors
    /// [`IodaError::Pe`] also for the reserved one; [`IodaError::RidRule`]; [`IodaError::RidTaken`] if one of them is in another
    /// endpoint than this or the reserved one. Nothing is changed then.
    fn assign_pe(&mut self, rids: RidSel, pe: PeNumber) -> Result<(), IodaError>;

    /// Puts the requesters `rids` back in the reserved endpoint.
    ///
    /// # Errors
    /// [`IodaError::RidRule`].
    fn release_pe(&mut self, rids: RidSel) -> Result<(), IodaError>;

    /// From now on an error of `parent` freezes `child` too (PELT-V).
    ///
    /// # Errors
    /// [`IodaError::Pe`].
    fn link_pe(&mut self, parent: PeNumber, child: PeNumber) -> Result<(), IodaError>;

    /// Undoes [`Self::link_pe`].
    ///
    /// # Errors
    /// [`IodaError::Pe`], also for an endpoint and itself: its own errors always freeze it.
    fn unlink_pe(&mut self, parent: PeNumber, child: PeNumber) -> Result<(), IodaError>;

    /// Gives a segment of the 32-bit window to `pe`.
    ///
    /// # Errors
    /// [`IodaError::Pe`], [`IodaError::Segment`].
    fn map_m32(&mut self, segment: M32Segment, pe: PeNumber) -> Result<(), IodaError>;

    /// Opens a 64-bit window as `map`, or closes it. One that is open moves; the others are not touched.
    ///
    /// # Errors
    /// [`IodaError::M64Window`], [`IodaError::Pe`], [`IodaError::M64Range`]; the last one also for a kind that
    /// the bridge does not have ([`crate::M64Caps::kinds`]).
    fn set_m64(&mut self, window: M64Window, map: Option<M64Map>) -> Result<(), IodaError>;

    /// The segments of its 64-bit windows, where each is any endpoint's.
    fn m64_segments(&mut self) -> Option<&mut dyn M64Segments> {
        None
    }

    /// Opens a DMA window for `pe` alone, translated by `table`, at the first free place or at `at` if given.
    ///
    /// Clear `table` before. There is no way to ask for DMA without translation.
    ///
    /// # Errors
    /// [`IodaError::Pe`], [`IodaError::PageShift`], [`IodaError::Table`], [`IodaError::Window`],
    /// [`IodaError::WindowInUse`], [`IodaError::NoWindow`].
    fn dma_create(
        &mut self,
        pe: PeNumber,
        table: &TceTable,
        at: Option<TveIndex>,
    ) -> Result<DmaWindow, IodaError>;

    /// Closes a DMA window. When it returns no DMA uses the table any more.
    ///
    /// # Errors
    /// [`IodaError::Window`] if no such window is open; [`IodaError::Fenced`] if the bridge did not
    /// say that DMA has ended: the table must not be used again then.
    fn dma_destroy(&mut self, window: &DmaWindow) -> Result<(), IodaError>;

    /// What is stopped for `pe`. Everything, if the bridge is fenced or has no such endpoint.
    fn freeze_state(&mut self, pe: PeNumber) -> Freeze;

    /// Stops `what` for `pe`.
    ///
    /// # Errors
    /// [`IodaError::Pe`].
    fn freeze(&mut self, pe: PeNumber, what: Freeze) -> Result<(), IodaError>;

    /// Lets `what` go on for `pe`, latched errors being cleared before.
    ///
    /// # Errors
    /// [`IodaError::Pe`], [`IodaError::Fenced`].
    fn thaw(&mut self, pe: PeNumber, what: Freeze) -> Result<(), IodaError>;

    /// Why `pe` was frozen.
    ///
    /// # Errors
    /// [`IodaError::Pe`].
    fn pest(&mut self, pe: PeNumber) -> Result<Pest, IodaError>;

    /// Clears latched errors: after [`Event::Info`], which stopped nothing, or before a reset.
    fn clear_errors(&mut self);

    /// The gravest thing there is to tell, if any; tells it again until it was dealt with.
    fn next_event(&mut self) -> Option<Event>;

    /// Starts a reset; [`Self::poll`] carries it on. Config space below the root port is blocked until it is done.
    fn reset(&mut self, kind: ResetKind);

    /// Carries a start or reset on by one step.
    ///
    /// # Errors
    /// [`ResetError`]; it is over then, and the bridge is not usable.
    fn poll(&mut self) -> Result<Step, ResetError>;
}
