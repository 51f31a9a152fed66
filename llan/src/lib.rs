//! Virtual Ethernet between partitions: PAPR's logical LAN (Linux: `ibmveth`), adapters and the switches
//! between them. Pure logic: what it needs of a partition is [`Host`].
//!
//! An [`Adapter`] is what a partition has: receive buffers that its driver lends, a receive queue in the
//! partition's memory, filters, an interrupt. A [`Lan`] is one VLAN of one switch: all adapters that hear each
//! other. Which one an adapter is on is fixed when it is made; addresses are known too, so nothing is learned.
//!
//! What keeps partitions apart and moving:
//! - All addresses are I/O addresses in the adapter's own DMA window. Each page is looked up there when it is
//!   read or written, and not remembered: a partition that changes its window or its lists only harms itself.
//! - Frames are copied by the sender's call, from memory to memory, without a lock. An adapter's lock is held
//!   while a buffer is taken out or an entry put in, never longer; never two at once. A receiver that has no
//!   buffer loses the frame. So nobody waits for a receiver, and a receiver not for senders.
//! - One call copies no more than [`COPY_BYTES`] and [`COPY_FRAMES`]; the rest is done by the next.
//! - An adapter counts the frames on their way into its memory; it is closed only when there are none.
//!
//! Source: LoPAR 2.9, "Interpartition Logical LAN (ILLAN) Option".
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

extern crate alloc;

mod adapter;
mod buffers;
mod copy;
mod filters;
mod frame;
mod send;

pub use adapter::{Adapter, Lan, Settings, Signals};
pub use filters::MAX_FILTERS;
pub use frame::MAX_FRAME_BYTES;
pub use send::{COPY_BYTES, COPY_FRAMES, Sent};

use ioda::BeU64;
use papr_abi::{HError, IoAddr, Irq, Liobn};

/// Receive buffers that an adapter holds at most, of all sizes together.
pub const MAX_BUFFERS: usize = 2048;
/// Bytes of a receive buffer at most: Linux lends ones of 64 KiB, whatever its frames have. Also
/// `ibm,max-virtual-dma-size`.
pub const MAX_BUFFER_BYTES: u32 = 128 << 10;
/// Sizes of receive buffers that it holds at one time.
pub const POOLS: usize = 8;

/// Bytes of the longest receive queue: 65536 entries.
pub const MAX_QUEUE_BYTES: u64 = 1 << 20;

/// What an adapter needs of the partition that it belongs to.
pub trait Host: Sync {
    /// Returns the 512 doublewords of the 4 KiB page that I/O address `at` lies in; `None` unless window
    /// `liobn` permits all of `access` (bits of [`papr_abi::tce`]) to it now.
    fn page(&self, liobn: Liobn, at: IoAddr, access: u64) -> Option<&'static [BeU64]>;
    /// Raises interrupt `irq`, from whatever thread calls.
    fn interrupt(&self, irq: Irq);
}

/// Why a request was refused: the code for the partition, and the cause in words for the log; no cause when it
/// is nobody's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The code.
    pub code: HError,
    /// The cause.
    pub cause: &'static str,
}

pub(crate) const fn bad(cause: &'static str) -> Problem {
    let code = HError::Parameter;
    Problem { code, cause }
}

pub(crate) const fn resource(cause: &'static str) -> Problem {
    let code = HError::Resource;
    Problem { code, cause }
}

pub(crate) const fn ordinary(code: HError) -> Problem {
    Problem { code, cause: "" }
}

/// An Ethernet address, in the low 48 bits.
pub(crate) mod mac {
    /// All that an address has.
    pub(crate) const BITS: u64 = 0xffff_ffff_ffff;
    /// The address of all.
    pub(crate) const BROADCAST: u64 = BITS;

    /// Whether it names more than one adapter.
    pub(crate) const fn is_group(mac: u64) -> bool {
        mac >> 40 & 1 != 0
    }
}

#[cfg(test)]
mod tests;
