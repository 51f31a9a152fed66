//! The virtual processor area. Source: LoPAR 2.9, "Virtual Processor Area", "Register VPA".

/// Offset of the area's size, 2 bytes.
pub const SIZE: u64 = 4;
/// Smallest area that may be registered, bytes.
pub const MIN_BYTES: u64 = 640;
/// Offset of the status byte; bit 6 (0x02) says that the processor is shared.
pub const SHARED_PROC: u64 = 9;
/// Offset of the dispatch (yield) count, 4 bytes: odd while the processor does not run.
pub const YIELD_COUNT: u64 = 256;
/// Offset of the dispersion count, 4 bytes.
pub const DISPERSION_COUNT: u64 = 260;
/// Functions of H_REGISTER_VPA, flag bits 16:18.
pub mod function {
    #![expect(missing_docs, reason = "LoPAR's names")]
    pub const REGISTER_VPA: u64 = 1;
    pub const REGISTER_DTL: u64 = 2;
    pub const REGISTER_SLB_SHADOW: u64 = 3;
    pub const DEREGISTER_VPA: u64 = 5;
    pub const DEREGISTER_DTL: u64 = 6;
    pub const DEREGISTER_SLB_SHADOW: u64 = 7;
}
