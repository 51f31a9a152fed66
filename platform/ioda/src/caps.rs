//! What differs between bridges, for those who plan with them.

use bitflags::bitflags;

/// Which sets of requesters one endpoint can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RidRule {
    /// One [`crate::RidSel`] of at most 2^`max_bus_shift` buses, or all (P7IOC).
    OneSelection {
        /// log2 of the most buses, if not all.
        max_bus_shift: u8,
    },
    /// Any set (PHB3, PHB4).
    AnySet,
}

/// How DMA addresses find their window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmaModel {
    /// One address space for all endpoints, cut in slots that are handed out (P7IOC).
    SharedSlots {
        /// How many slots.
        count: u16,
        /// log2 of a slot's bytes.
        slot_shift: u8,
    },
    /// Each endpoint has an address space of its own with this many windows (PHB3, PHB4).
    PerPe {
        /// How many windows.
        windows: u8,
    },
}

/// The 32-bit MMIO window: equal segments, any segment to any endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct M32Caps {
    /// Where the processor sees it: real address, in bytes.
    pub real: u64,
    /// Where PCI sees it: bus address, in bytes.
    pub pci: u64,
    /// log2 of a segment's bytes.
    pub segment_shift: u8,
    /// How many segments.
    pub segments: u16,
}

impl M32Caps {
    /// Bytes of the window.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        (self.segments as u64) << self.segment_shift
    }
}

bitflags! {
    /// What a 64-bit window can be.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct M64Kinds: u8 {
        /// All of it to one endpoint.
        const SINGLE_PE = 1;
        /// Segments, and the number of a segment is that of its endpoint.
        const SEGMENT_IS_PE = 2;
        /// Eight segments, any to any endpoint.
        const ANY_MAP = 4;
    }
}

/// The 64-bit MMIO area and the windows that can be opened in it. PCI addresses equal real ones there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct M64Caps {
    /// Real and PCI address of the area, in bytes.
    pub real: u64,
    /// Bytes of the area.
    pub bytes: u64,
    /// How many windows.
    pub windows: u8,
    /// What a window can be.
    pub kinds: M64Kinds,
    /// log2 of the smallest window that is one endpoint's, or whose segments are any endpoint's, bytes.
    pub single_pe_shift: u8,
    /// Segments of a segmented window.
    pub segments: u16,
}

/// The page sizes that TCEs can have: bit n set for 2^n bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageShifts(pub u64);

impl PageShifts {
    /// The set of `shifts`, each log2 of bytes below 64.
    #[must_use]
    pub const fn of(shifts: &[u8]) -> Self {
        let mut set = 0;
        let mut rest = shifts;
        while let [shift, more @ ..] = rest {
            set |= 1u64 << (*shift & 63);
            rest = more;
        }
        Self(set)
    }
    /// Whether pages of 2^`shift` bytes can be translated.
    #[must_use]
    pub const fn contains(self, shift: u8) -> bool {
        shift < 64 && self.0 >> shift & 1 == 1
    }
}

/// What one bridge offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Endpoints are numbered from 0 to one less than this.
    pub pes: u16,
    /// The endpoint of everything that nobody owns.
    pub reserved_pe: crate::PeNumber,
    /// Which sets of requesters an endpoint can have.
    pub rids: RidRule,
    /// The 32-bit MMIO window.
    pub m32: M32Caps,
    /// The 64-bit MMIO area, where the machine gives the bridge one.
    pub m64: Option<M64Caps>,
    /// How DMA finds its window.
    pub dma: DmaModel,
    /// DMA page sizes.
    pub page_shifts: PageShifts,
    /// Levels that a TCE table may have.
    pub tce_levels: u8,
    /// How many message interrupts there are.
    pub msis: u16,
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;

    fn a_window_is_its_segments() {
        let m32 = M32Caps {
            real: 0,
            pci: 0xc000_0000,
            segment_shift: 23,
            segments: 128,
        };
        assert_eq!(m32.bytes(), 1 << 30);
    }

    fn page_sizes_are_a_set_of_bits() {
        let shifts = PageShifts::of(&[12, 16, 24, 63]);
        assert_eq!(shifts.0, 1 << 12 | 1 << 16 | 1 << 24 | 1 << 63);
        for shift in 0..=u8::MAX {
            let want = matches!(shift, 12 | 16 | 24 | 63);
            assert_eq!(shifts.contains(shift), want, "{shift}");
        }
        assert_eq!(PageShifts::of(&[]).0, 0);
        // One that is given twice is there once.
        assert_eq!(PageShifts::of(&[12, 12]).0, 1 << 12);
    }

    cases::cases!(a_window_is_its_segments, page_sizes_are_a_set_of_bits,);
}
