//! What differs from chip to chip: [`Params`], plain facts, and [`Chip`], how a chip codes its tables.
//!
//! Everything else is the engine's, once for all of them.

pub(crate) mod p7ioc;
pub(crate) mod phb3;
pub(crate) mod phb4;

mod ioda2;

use crate::Refusal;
use crate::engine::State;
use crate::engine::tables::Shape;
use crate::fabric::Address;
use ioda::Rid;

/// A run of registers that a chip has, and how they take stores.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) first: u16,
    pub(crate) last: u16,
    pub(crate) how: How,
}

/// How a register takes a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// It keeps it.
    Plain,
    /// A store is a mistake.
    ReadOnly,
    /// Ones clear.
    OnesClear,
    /// There, but what it holds or does is not known: accesses are complaints.
    Unknown,
}

impl Span {
    pub(crate) const fn plain(first: u16, last: u16) -> Self {
        Self {
            first,
            last,
            how: How::Plain,
        }
    }
    pub(crate) const fn one(at: u16) -> Self {
        Self::plain(at, at)
    }
    pub(crate) const fn how(self, how: How) -> Self {
        Self { how, ..self }
    }
}

/// Where an error is trapped: a block of trap registers, the bit in it, the bit of the FIR.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trap {
    pub(crate) block: u16,
    pub(crate) bit: u32,
    pub(crate) fir: u32,
}

/// The traps of each kind of error. The memo gives the bits that freeze, as a set; which of them stands for what
/// is not published, so one of the set was chosen for each. A driver cannot tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traps {
    pub(crate) blocks: &'static [u16],
    pub(crate) mmio: Trap,
    pub(crate) config: Trap,
    pub(crate) dma: Trap,
    pub(crate) message: Trap,
    pub(crate) inbound: Trap,
}

/// What becomes of an injection that is not sticky.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OneShot {
    /// It stays armed until it is cleared (P7IOC).
    Stays,
    /// It is cleared once it has struck.
    Clears,
}

/// What an injection is compared with, as far as its mask goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    /// The bus of a config cycle, 16 MiB of memory, 64 KiB of I/O space, the number of a DMA window (P7IOC).
    Blocks,
    /// The function of a config cycle, the address of all else.
    Addresses,
}

/// How translations are cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// Two entries of a table at once, by their real address.
    Pairs,
    /// Page by page, by endpoint and bus address.
    Pages,
}

/// Where a table that only some chips have on the chip is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// On the chip, under this code.
    Chip(u8),
    /// In memory, at the address in this register.
    Memory(u16),
}

/// The facts of a chip.
#[derive(Debug)]
pub(crate) struct Params {
    /// Endpoints.
    pub(crate) pes: u16,
    /// Bytes of registers.
    pub(crate) register_bytes: u16,
    pub(crate) registers: &'static [Span],
    pub(crate) reset: &'static [(u16, u64)],
    pub(crate) tables: &'static [Shape],
    /// The first bit of the index in `IODA_ADDR`, which ends at bit 63.
    pub(crate) index_bits: u32,
    pub(crate) peltv: Home,
    /// Where the detail of a freeze is kept.
    pub(crate) pest: Home,
    pub(crate) traps: Traps,
    pub(crate) one_shot: OneShot,
    pub(crate) compared: Compared,
    pub(crate) caching: Caching,
    /// The registers over which the link layer's are reached.
    /// PESTA of a request without a window.
    pub(crate) no_window: u64,
    pub(crate) link_registers: core::ops::Range<u16>,
}

/// A DMA window as its entry describes it, for one address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tve {
    /// Real address of its table.
    pub(crate) table: u64,
    /// Tables between the window and a page, 1 to 5.
    pub(crate) levels: u32,
    /// log2 of the entries of one table.
    pub(crate) entries_shift: u32,
    pub(crate) page_shift: u32,
    /// The address's offset in the window.
    pub(crate) offset: u64,
}

/// What a request chose before its window was looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub(crate) pe: u16,
    pub(crate) window: u16,
}

/// A refusal, and the endpoint that is stopped for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) why: Refusal,
    pub(crate) blame: Option<u16>,
    /// Bits of PESTA that say it more exactly.
    pub(crate) detail: u64,
}

impl Refused {
    /// Refused, with nobody to stop.
    pub(crate) const fn quietly(why: Refusal) -> Self {
        Self {
            why,
            blame: None,
            detail: 0,
        }
    }
    pub(crate) const fn blaming(why: Refusal, pe: u16, detail: u64) -> Self {
        Self {
            why,
            blame: Some(pe),
            detail,
        }
    }
}

/// What a write of a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// To memory.
    Memory,
    /// A message: to this entry or number, as the chip codes it.
    Message(u64),
}

/// How a config cycle ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Good,
    Unsupported,
    Abort,
}

/// A place in an MMIO window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) pe: u16,
    pub(crate) pci: Address,
}

/// A chip: what it codes in its own way.
pub(crate) trait Chip: Sized + Send {
    const PARAMS: Params;

    /// Whether nothing gets through: fenced, held in reset, dead.
    fn is_off(state: &State<Self>) -> bool;
    /// Shuts the bridge off, and latches that it is.
    fn fence(state: &mut State<Self>);
    /// A register of its own, read.
    fn read(state: &mut State<Self>, at: u16) -> Option<u64>;
    /// A register of its own, written; `false` if it is none.
    fn write(state: &mut State<Self>, at: u16, value: u64) -> bool;
    /// Whether an injection strikes that is set for one direction alone.
    fn injects_halves(_state: &State<Self>) -> bool {
        true
    }

    /// The endpoint that errors of `rid` are put down to.
    fn endpoint(state: &mut State<Self>, rid: Rid) -> Result<u16, Refusal>;
    /// The same as the table says now, whatever is cached; what config cycles go by.
    fn owner(state: &State<Self>, rid: Rid) -> Option<u16>;
    /// What a write to `address` is.
    fn aim(state: &State<Self>, address: u64) -> Aim;
    /// Finds who asks and which window that leads to, and checks whatever says whether he may.
    fn choose(state: &mut State<Self>, rid: Rid, address: u64) -> Result<Choice, Refused>;
    /// The window as its entry says; `None` if it is closed.
    fn window(state: &mut State<Self>, choice: Choice, address: u64) -> Option<Tve>;
    /// Takes a message: checks it, and presents or keeps the interrupt. Gives whose it was.
    fn message(state: &mut State<Self>, rid: Rid, aim: u64, data: u32) -> Result<u16, Refused>;
    /// A wire is pulled, or the bridge's own interrupt `wire`, 0 to 7.
    fn level(state: &mut State<Self>, wire: u8);

    /// Whether an access of a processor to `real` comes to the bridge at all.
    fn takes(state: &State<Self>, real: u64) -> bool;
    /// Where `real` leads by the windows.
    fn place(state: &State<Self>, real: u64) -> Option<Place>;

    /// A store to the kill register arrives.
    fn kill(state: &mut State<Self>, value: u64);
    /// Why nobody knows what the chip makes of this entry, or why it must not be.
    fn objection(
        state: &State<Self>,
        table: u8,
        index: u16,
        entry: [u64; 2],
    ) -> Option<&'static str>;
    /// What an entry is once these words were written to it.
    fn compose(_state: &State<Self>, _table: u8, _index: u16, entry: [u64; 2]) -> [u64; 2] {
        entry
    }

    /// Errors were latched in the FIR.
    fn latched(_state: &mut State<Self>, _fir: u64) {}

    /// The endpoint that the address register blames for a config cycle; `None` if the chip has no such field.
    fn blamed(address: u64) -> Option<u16>;
    /// What else keeps a config cycle from being made.
    fn config_obstacle(state: &State<Self>, rid: Rid) -> Option<&'static str>;
    /// A config cycle was made.
    fn config_ended(_state: &mut State<Self>, _status: Status) {}
    /// Whether the link is up.
    fn has_link(state: &State<Self>) -> bool;
    /// Whether PERST is held.
    fn holds_perst(state: &State<Self>) -> bool;
    /// The secondary bus of the root port is reset.
    fn bus_reset(_state: &mut State<Self>) {}
}
