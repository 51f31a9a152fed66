//! The logical LAN's formats. Source: LoPAR 2.9, "Interpartition Logical LAN (ILLAN) Option".
//!
//! Bits in comments are numbered as IBM does, 0 the most significant.

/// A buffer descriptor: control byte, 3 bytes of length, 4 bytes of I/O address.
pub mod descriptor {
    /// 0: the descriptor names a buffer.
    pub const VALID: u64 = 1 << 63;
    /// 1, of the receive queue: entries are now enqueued with their valid bit 0.
    pub const TOGGLE: u64 = 1 << 62;
    /// 8:31, the length in bytes.
    pub const LENGTH_SHIFT: u32 = 32;
    /// See [`LENGTH_SHIFT`].
    pub const LENGTH: u64 = 0xff_ffff;
    /// 32:63, the I/O address.
    pub const ADDRESS: u64 = 0xffff_ffff;
}

/// The first doubleword of a receive queue entry; the second is the buffer's opaque handle.
pub mod entry {
    /// 0, XORed with the queue's toggle: the entry was written in this round.
    pub const VALID: u64 = 1 << 63;
    /// 1: the buffer holds a message; without it the driver takes its buffer back.
    pub const MESSAGE: u64 = 1 << 62;
    /// 16:31, where in its buffer the message begins; its length is in 32:63.
    pub const OFFSET_SHIFT: u32 = 32;
    /// Bytes of an entry, and what a queue is a multiple of and aligned to.
    pub const BYTES: u64 = 16;
}

/// Bytes of the opaque handle that a receive buffer begins with.
pub const HANDLE_BYTES: u32 = 8;
/// Offset of the receive queue's descriptor in the buffer list page.
pub const LIST_QUEUE: u64 = 0;
/// Offset of the filter list's descriptor there.
pub const LIST_FILTERS: u64 = 8;
/// Offset of the count of frames for which there was no buffer there.
pub const LIST_DROPPED: u64 = 4096 - 8;
/// Smallest receive buffer, bytes; its address is a multiple of 4.
pub const MIN_BUFFER_BYTES: u32 = 16;
/// Buffer descriptors of one H_SEND_LOGICAL_LAN.
pub const SEND_DESCRIPTORS: usize = 6;

/// Flags of H_MULTICAST_CTRL.
pub mod multicast {
    /// 44: set whether frames are received as [`RECEIVE`] says.
    pub const SET_RECEIVE: u64 = 0x8_0000;
    /// 45: set whether they are filtered as [`FILTER`] says.
    pub const SET_FILTER: u64 = 0x4_0000;
    /// 46: frames to groups are received; also in the answer.
    pub const RECEIVE: u64 = 0x2_0000;
    /// 47: only those to groups in the filter table; also in the answer.
    pub const FILTER: u64 = 0x1_0000;
    /// 62:63: what to do with the filter table.
    pub const TABLE: u64 = 3;
    /// In [`TABLE`]: put the address in.
    pub const ADD: u64 = 1;
    /// In [`TABLE`]: take the address out.
    pub const REMOVE: u64 = 2;
    /// In [`TABLE`]: empty the table.
    pub const CLEAR: u64 = 3;
    /// All that is defined.
    pub const ALL: u64 = 0xf_0003;
}
