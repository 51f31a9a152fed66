//! The virtual processor area. Source: LoPAR 2.9, "Per Virtual Processor Area", "H_REGISTER_VPA".

/// Offset of the area's size, 2 bytes; of a dispatch trace log or SLB shadow buffer, 4 bytes.
pub const SIZE: u64 = 4;
/// Smallest area that may be registered, bytes.
pub const MIN_BYTES: u64 = 640;
/// Smallest dispatch trace log, and one entry of it, bytes.
pub const DTL_ENTRY_BYTES: u64 = 48;
/// Smallest SLB shadow buffer, bytes.
pub const SLB_SHADOW_MIN_BYTES: u64 = 8;
/// What every registered area is aligned to: a line of the first cache, bytes.
pub const ALIGN: u64 = 128;
/// What neither a virtual processor area nor an SLB shadow buffer may cross, bytes.
pub const BOUNDARY: u64 = 4096;
/// Offset of the status byte; bit 6 (0x02) says that the processor is shared.
pub const STATUS: u64 = 9;
/// See [`STATUS`].
pub const STATUS_SHARED: u64 = 0x02;
/// Offset of the byte that enables the dispatch trace log; see [`DTL_VOLUNTARY`].
pub const DTL_ENABLE: u64 = 0xb8;
/// Bit 7 of [`DTL_ENABLE`]: log waits that the partition asked for (H_CEDE, H_CONFER).
pub const DTL_VOLUNTARY: u64 = 0x01;
/// Bit 6 of [`DTL_ENABLE`]: log that others had the processor's thread.
pub const DTL_PREEMPT: u64 = 0x02;
/// Offset of the dispatch (yield) count, 4 bytes: odd while the processor does not run.
pub const YIELD_COUNT: u64 = 0x100;
/// Offset of the dispersion count, 4 bytes.
pub const DISPERSION_COUNT: u64 = 0x104;
/// Offset of three accumulated waits, 8 bytes each, time base ticks: for a thread, for its partition's
/// entitlement, to become ready (the wait intervals 3, 2 and 1).
pub const WAITS: u64 = 0x158;
/// Offset of the index of the next dispatch trace log entry, 8 bytes.
pub const DTL_INDEX: u64 = 0x218;

/// Functions of H_REGISTER_VPA, flag bits 16:18; the rest of bits 16:23 is zero.
pub mod function {
    #![expect(missing_docs, reason = "LoPAR's names")]
    pub const REGISTER_VPA: u64 = 1;
    pub const REGISTER_DTL: u64 = 2;
    pub const REGISTER_SLB_SHADOW: u64 = 3;
    pub const DEREGISTER_VPA: u64 = 5;
    pub const DEREGISTER_DTL: u64 = 6;
    pub const DEREGISTER_SLB_SHADOW: u64 = 7;
}
