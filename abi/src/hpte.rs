//! The hashed page table entry as a partition sees it: Power ISA 2.07, Book III-S 5.7.6.1.
//!
//! Bits in comments are numbered as IBM does, 0 the most significant.

/// Bytes of one entry.
pub const HPTE_BYTES: u64 = 16;
/// Entries of one group.
pub const PTEG_SLOTS: u64 = 8;

/// The first doubleword.
pub mod v {
    /// 0:1, segment size: 0 is 256 MiB, 1 is 1 TiB.
    pub const B: u64 = 0xc000_0000_0000_0000;
    /// 0:1 holding 1: a 1 TiB segment.
    pub const B_1T: u64 = 0x4000_0000_0000_0000;
    /// 0:56, everything that H_AVPN compares: segment size and abbreviated virtual page number.
    pub const AVPN: u64 = !0x7f;
    /// 57:58, software bits that LoPAR keeps for the hypervisor.
    pub const HV_SOFTWARE: u64 = 0x60;
    /// 57, used as the lock of the entry.
    pub const HV_LOCK: u64 = 0x40;
    /// 59, software bit: bolted.
    pub const BOLTED: u64 = 0x10;
    /// 61: large page.
    pub const LARGE: u64 = 0x4;
    /// 62: secondary hash.
    pub const SECONDARY: u64 = 0x2;
    /// 63: valid.
    pub const VALID: u64 = 0x1;
}

/// The second doubleword.
pub mod r {
    /// 0: the high bit of the page protection.
    pub const PP0: u64 = 0x8000_0000_0000_0000;
    /// 2:3: the high storage key bits.
    pub const KEY_HI: u64 = 0x3000_0000_0000_0000;
    /// 4:51, real page number, 4 KiB units; the low bits of a large page hold the LP encoding.
    pub const RPN: u64 = 0x0fff_ffff_ffff_f000;
    /// 52:54: the low storage key bits.
    pub const KEY_LO: u64 = 0xe00;
    /// 55: referenced.
    pub const R: u64 = 0x100;
    /// 56: changed.
    pub const C: u64 = 0x80;
    /// 57: write through.
    pub const W: u64 = 0x40;
    /// 58: cache inhibited.
    pub const I: u64 = 0x20;
    /// 59: memory coherence.
    pub const M: u64 = 0x10;
    /// 60: guarded.
    pub const G: u64 = 0x8;
    /// 57:60: all storage attributes.
    pub const WIMG: u64 = 0x78;
    /// 61: no execute.
    pub const N: u64 = 0x4;
    /// 62:63: page protection.
    pub const PP: u64 = 0x3;
}

/// The LP field of a large page (dword0 L = 1): page size encodings in the low bits of the RPN,
/// where base and actual page size are the same. Source: the POWER8 processor's user manual and
/// `ibm,segment-page-sizes`; Power ISA 2.07 leaves the values to the processor.
pub mod lp {
    /// Bits that tell a 64 KiB page: 48:51.
    pub const MASK_64K: u64 = 0xf000;
    /// A 64 KiB page.
    pub const PAGE_64K: u64 = 0x1000;
    /// Bits that tell a 16 MiB page: 44:51.
    pub const MASK_16M: u64 = 0xf_f000;
    /// A 16 MiB page.
    pub const PAGE_16M: u64 = 0;
}

/// A translation specifier of H_BULK_REMOVE, high doubleword. Source: LoPAR 2.9, H_BULK_REMOVE.
pub mod bulk {
    /// How many of them one call has.
    pub const MAX: usize = 4;
    /// 0:1, what it is.
    pub const TYPE: u64 = 0xc000_0000_0000_0000;
    /// In [`TYPE`]: remove an entry.
    pub const REQUEST: u64 = 0x4000_0000_0000_0000;
    /// In [`TYPE`]: the answer to a request.
    pub const RESPONSE: u64 = 0x8000_0000_0000_0000;
    /// In [`TYPE`]: there are no more.
    pub const END: u64 = 0xc000_0000_0000_0000;
    /// 2:3 of a response: removed.
    pub const SUCCESS: u64 = 0;
    /// 2:3 of a response: there is no such translation.
    pub const NOT_FOUND: u64 = 0x1000_0000_0000_0000;
    /// 2:3 of a response: a parameter is not valid; no more were looked at.
    pub const PARAMETER: u64 = 0x2000_0000_0000_0000;
    /// 2:3 of a response: the hardware failed; no more were looked at.
    pub const HARDWARE: u64 = 0x3000_0000_0000_0000;
    /// 4 of a response: the entry's referenced bit.
    pub const R: u64 = 0x0800_0000_0000_0000;
    /// 5 of a response: the entry's changed bit.
    pub const C: u64 = 0x0400_0000_0000_0000;
    /// 6:7 of a request: how to compare.
    pub const COMPARE: u64 = 0x0300_0000_0000_0000;
    /// In [`COMPARE`]: with the AVPN.
    pub const AVPN: u64 = 0x0200_0000_0000_0000;
    /// In [`COMPARE`]: not when any of the given bits is set.
    pub const ANDCOND: u64 = 0x0100_0000_0000_0000;
    /// 8:63: the entry's index.
    pub const PTEX: u64 = 0x00ff_ffff_ffff_ffff;
}

/// Flags of the page table hcalls, r4. Source: LoPAR 2.9, "Page Frame Table Access".
pub mod flag {
    /// 24: use exactly the given slot.
    pub const EXACT: u64 = 1 << (63 - 24);
    /// 25: translate the entry's page number to a logical one.
    pub const R_XLATE: u64 = 1 << (63 - 25);
    /// 26: return four entries.
    pub const READ_4: u64 = 1 << (63 - 26);
    /// 32: compare the AVPN.
    pub const AVPN: u64 = 1 << (63 - 32);
    /// 33: refuse when any of the given bits is set.
    pub const ANDCOND: u64 = 1 << (63 - 33);
    /// 40: make the instruction caches forget the page.
    pub const ICACHE_INVALIDATE: u64 = 1 << (63 - 40);
    /// 41: write the data caches back, then make the instruction caches forget the page.
    pub const ICACHE_SYNCHRONIZE: u64 = 1 << (63 - 41);
    /// 55: the high bit of the page protection (H_PROTECT).
    pub const PP0: u64 = 1 << (63 - 55);
    /// 61: no execute (H_PROTECT).
    pub const N: u64 = 1 << (63 - 61);
    /// 62:63: the low bits of the page protection (H_PROTECT).
    pub const PP: u64 = 0x3;
    /// 48: fill the page with zeroes.
    pub const ZERO_PAGE: u64 = 1 << (63 - 48);
    /// 49: copy the page.
    pub const COPY_PAGE: u64 = 1 << (63 - 49);
}
