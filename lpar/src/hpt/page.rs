//! What an entry says of its page, and what tlbie must be told of it.

use crate::GuestRam;
use alloc::vec::Vec;
use papr_abi::PteIndex;
use papr_abi::hpte::{PTEG_SLOTS, lp, v};

/// A page size that partitions may use, the same as the base page size of its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageSize {
    /// 4 KiB
    K4,
    /// 64 KiB
    K64,
    /// 16 MiB
    M16,
}

impl PageSize {
    /// Returns the page size that an entry of doublewords `v` and `r` says; `None` when it is
    /// none of those offered, such as 64 KiB pages in a segment of 4 KiB ones.
    #[must_use]
    #[inline]
    pub const fn of(v: u64, r: u64) -> Option<Self> {
        if v & v::LARGE == 0 {
            Some(Self::K4)
        } else if r & lp::MASK_64K == lp::PAGE_64K {
            Some(Self::K64)
        } else if r & lp::MASK_16M == lp::PAGE_16M {
            Some(Self::M16)
        } else {
            None
        }
    }

    /// Returns whether a partition with memory `ram` may use it: memory must begin and end on a boundary
    /// of each page size offered (LoPAR 2.9, "Page Frame Table Access", R1-7 and R1-9).
    #[must_use]
    #[inline]
    pub const fn is_offered(self, ram: &GuestRam) -> bool {
        (ram.base().0 | ram.bytes()) & (self.bytes() - 1) == 0
    }

    /// Returns the cells of `ibm,segment-page-sizes` for a partition with memory `ram`.
    ///
    /// Source: LoPAR 2.9, "Properties of the Node of Type cpu": for each segment base page size its
    /// log2, the SLB's L and LP bits as in the VSID doubleword, the number of page sizes in it, and
    /// for each of those log2 and LP encoding.
    #[must_use]
    pub fn segment_cells(ram: &GuestRam) -> Vec<u32> {
        [
            (Self::K4, 0, 0),
            (Self::K64, 0x110, lp::PAGE_64K >> 12),
            (Self::M16, 0x100, lp::PAGE_16M >> 12),
        ]
        .into_iter()
        .filter(|(size, ..)| size.is_offered(ram))
        .flat_map(|(size, slb, lp)| [size.shift(), slb, 1, size.shift(), lp as u32])
        .collect()
    }

    /// Returns log2 of the bytes.
    #[must_use]
    #[inline]
    pub const fn shift(self) -> u32 {
        match self {
            Self::K4 => 12,
            Self::K64 => 16,
            Self::M16 => 24,
        }
    }

    /// Returns the bytes.
    #[must_use]
    #[inline]
    pub const fn bytes(self) -> u64 {
        1 << self.shift()
    }

    /// Returns the part of the second doubleword's RPN that encodes this page size.
    #[must_use]
    #[inline]
    pub const fn lp_mask(self) -> u64 {
        match self {
            Self::K4 => 0,
            Self::K64 => lp::MASK_64K,
            Self::M16 => lp::MASK_16M,
        }
    }
}

/// Returns RB of the tlbie that invalidates the translation of the entry with doublewords `v` and
/// `r` at `index`. The entry must be of a table of at least 2^11 groups, as any is.
///
/// Source: Power ISA 2.07, Book III-S 5.9.3.3, tlbie; the hash functions of 5.7.7.3. RB holds the
/// virtual address from bit 14 down to the page, of which an entry keeps only what is above 2^23:
/// the rest is in the number of its group, which the hash made of it and the segment's id.
#[must_use]
pub fn tlbie_rb(index: PteIndex, v: u64, r: u64) -> u64 {
    /// 63: the base page size is not 4 KiB.
    const L: u64 = 1;
    /// 56:62: bits 58:64 of the virtual address.
    const AVAL: u64 = 0xfe;
    let size = PageSize::of(v, r).unwrap_or(PageSize::K4);
    let mut hash = index.0 / PTEG_SLOTS;
    if v & v::SECONDARY != 0 {
        hash = !hash;
    }
    // The AVPN holds the virtual address from 2^23 up, at 2^7: its segment id begins at 2^28 or 2^40.
    let segment = if v & v::B == v::B_1T {
        v >> (40 - 23 + 7)
    } else {
        v >> (28 - 23 + 7)
    };
    // The page's number in its segment, as far as it is below 2^23 bytes.
    let page = (hash ^ segment) & 0x7ff;
    let low = (page << size.shift()) & 0x7f_ffff;
    let address = ((v & v::AVPN) << 16 | low) & !(size.bytes() - 1);
    let rb = address | (v & v::B) >> 54;
    match size {
        PageSize::K4 => rb,
        PageSize::K64 | PageSize::M16 => rb | r & size.lp_mask() | (address >> 12) & AVAL | L,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GROUPS: u64 = 1 << 11;

    /// Makes an entry for a 78-bit virtual address as software that follows the ISA would, going the
    /// way that `tlbie_rb` goes back.
    fn entry(va: u128, size: PageSize, terabyte: bool, secondary: bool) -> (PteIndex, u64, u64) {
        let segment_shift = if terabyte { 40 } else { 28 };
        let vsid = (va >> segment_shift) as u64;
        let page = ((va & ((1 << segment_shift) - 1)) >> size.shift()) as u64;
        let primary = if terabyte {
            (vsid ^ vsid << 25) ^ page
        } else {
            vsid ^ page
        };
        let hash = if secondary { !primary } else { primary };
        let mut v = ((va >> 23) as u64) << 7 | v::VALID;
        v = v & !v::B | if terabyte { v::B_1T } else { 0 };
        if size == PageSize::M16 {
            v &= !(1 << 7);
        }
        if secondary {
            v |= v::SECONDARY;
        }
        let r = match size {
            PageSize::K4 => 0x7_f000,
            PageSize::K64 => 0xa_1000,
            PageSize::M16 => 0xff00_0000,
        };
        if size != PageSize::K4 {
            v |= v::LARGE;
        }
        (PteIndex((hash & (GROUPS - 1)) * 8 + 5), v, r)
    }

    proptest! {
        #[test]
        fn the_address_hidden_in_the_group_number_comes_back(
            // The table's AVPN keeps 78 - 23 = 55 bits, of which B takes the top two.
            va in 0u128..1 << 76,
            size in prop::sample::select(&[PageSize::K4, PageSize::K64, PageSize::M16][..]),
            terabyte: bool,
            secondary: bool,
        ) {
            let (index, v, r) = entry(va, size, terabyte, secondary);
            let rb = tlbie_rb(index, v, r);
            // RB bit k is virtual address bit k + 14: the low 64 of the 78 bits.
            let page = va as u64 & !(size.bytes() - 1);
            let b = if terabyte { 1 << 8 } else { 0 };
            let expected = match size {
                PageSize::K4 => page | b,
                // LP = 0001 in 48:51; bits 58:61 of the address in 56:59.
                PageSize::K64 => page | 0x1000 | b | (page >> 12 & 0xf0) | 1,
                PageSize::M16 => page | b | 1,
            };
            prop_assert_eq!(rb, expected);
        }
    }

    #[test]
    fn a_page_size_is_offered_where_memory_has_its_boundaries() {
        use crate::testing::cells;
        use papr_abi::RealAddr;
        let words = |bytes: usize| &cells(32 << 17)[..bytes / 8];
        let small = [12, 0, 1, 12, 0, 16, 0x110, 1, 16, 1];
        let all = [12, 0, 1, 12, 0, 16, 0x110, 1, 16, 1, 24, 0x100, 1, 24, 0];
        for (bytes, base, expected) in [
            (32 << 20, 0x4000_0000, &all[..]),
            (16 << 20, 0x4100_0000, &all[..]),
            (31 << 20, 0x4000_0000, &small[..]),
            (16 << 20, 0x4080_0000, &small[..]),
            (0x1_1000, 0x4000_0000, &small[..5]),
        ] {
            let ram = GuestRam::new(words(bytes), RealAddr(base));
            assert_eq!(
                PageSize::segment_cells(&ram),
                expected,
                "{bytes:#x} {base:#x}"
            );
        }
    }

    #[test]
    fn encodings_of_mixed_page_sizes_are_none() {
        assert_eq!(PageSize::of(0, 0x7000), Some(PageSize::K4));
        assert_eq!(PageSize::of(v::LARGE, 0x1000), Some(PageSize::K64));
        assert_eq!(PageSize::of(v::LARGE, 0xff00_0000), Some(PageSize::M16));
        // 64 KiB and 16 MiB in a segment of 4 KiB; 16 MiB in one of 64 KiB; 16 GiB.
        for lp in [0x7000, 0x3_8000, 0x8000, 0x3000] {
            assert_eq!(PageSize::of(v::LARGE, lp), None);
        }
    }
}
