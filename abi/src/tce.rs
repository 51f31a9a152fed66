//! The translation control entry. Source: LoPAR 2.9, "Translation Control Entry"; the same bits on
//! P7IOC, PHB3 and PHB4.

/// The device may read the page.
pub const READ: u64 = 0x1;
/// The device may write the page.
pub const WRITE: u64 = 0x2;
/// Both permission bits; an entry with neither translates nothing.
pub const PERMISSIONS: u64 = 0x3;
/// 0:51, the real page number; with neither permission bit it means nothing.
pub const RPN: u64 = !0xfff;
/// log2 of the default TCE page, bytes.
pub const PAGE_SHIFT: u8 = 12;
/// How many entries one H_PUT_TCE_INDIRECT or H_STUFF_TCE may name.
pub const MAX_LIST: u64 = 512;
