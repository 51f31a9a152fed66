//! What a chip is like, for [`super::Spec`]: written down from its description, asked of no driver.

use crate::Chip;
use ioda_model::{P7ioc, Phb3};

/// Equal segments of a range of real addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segments {
    /// Real address of the first.
    pub(crate) real: u64,
    /// PCI address of the first.
    pub(crate) pci: u64,
    /// log2 of the bytes of one.
    pub(crate) shift: u8,
    /// How many.
    pub(crate) count: u16,
}

impl Segments {
    pub(crate) const fn bytes(&self) -> u64 {
        (self.count as u64) << self.shift
    }
}

/// How DMA finds its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DmaSpace {
    /// One space for all; windows start at multiples of 256 MiB, below this many of them.
    Shared { slots: u16 },
    /// A space for each endpoint, with windows at 0 and at 2^59.
    Own,
}

/// The facts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) chip: Chip,
    /// Endpoints.
    pub(crate) pes: u16,
    /// The endpoint of nobody.
    pub(crate) reserved: u16,
    /// Those that programs use: words and nibbles of every table differ.
    pub(crate) used: [u16; 6],
    pub(crate) m32: Segments,
    pub(crate) io: Option<Segments>,
    /// Real address and bytes of the 64-bit area.
    pub(crate) m64: (u64, u64),
    /// log2 of the smallest 64-bit window of one endpoint, and of the smallest of segments.
    pub(crate) m64_least: (u8, u8),
    pub(crate) dma: DmaSpace,
    /// The machine's numbers of the message interrupts: first, how many.
    pub(crate) msis: (u32, u16),
    /// The machine's number of INTA.
    pub(crate) inta: u32,
    /// What is left of a priority.
    pub(crate) priority_mask: u8,
}

impl Facts {
    pub(crate) const fn of(chip: Chip) -> Self {
        match chip {
            Chip::P7ioc => Self::p7ioc(),
            Chip::Phb3 => Self::phb3(),
        }
    }

    const fn p7ioc() -> Self {
        let bridge = P7IOC_BRIDGE as u64;
        let buid = (P7ioc::BUID_EXT as u32) << 9;
        let first = buid + 0x40 * P7IOC_BRIDGE as u32;
        Self {
            chip: Chip::P7ioc,
            pes: 128,
            reserved: 127,
            used: [1, 17, 63, 64, 101, 126],
            m32: Segments {
                real: P7ioc::BAR2 + (bridge << 32) + 0xc000_0000,
                pci: 0xc000_0000,
                shift: 23,
                count: 128,
            },
            io: Some(Segments {
                real: P7ioc::BAR1 + 0x100_0000 + bridge * 0x80_0000,
                pci: 0,
                shift: 16,
                count: 128,
            }),
            m64: (P7ioc::BAR2 + (bridge + 1) * 0x8_0000_0000, 32 << 30),
            m64_least: (24, 64),
            dma: DmaSpace::Shared { slots: 12 },
            msis: ((first + 0x60) << 4, 256),
            inta: (first + 0x40) << 4,
            priority_mask: 0xf8,
        }
    }

    const fn phb3() -> Self {
        Self {
            chip: Chip::Phb3,
            pes: 256,
            reserved: 255,
            used: [1, 17, 63, 64, 200, 254],
            m32: Segments {
                real: Phb3::MMIO1,
                pci: 0x8000_0000,
                shift: 23,
                count: 256,
            },
            io: None,
            m64: (Phb3::MMIO0, 64 << 30),
            m64_least: (25, 28),
            dma: DmaSpace::Own,
            msis: (0x800, 0x7f8),
            inta: 0x800 + 0x7f8,
            priority_mask: 0xff,
        }
    }

    /// Whether a write to `address` is a message.
    pub(crate) const fn is_message(&self, address: u64) -> bool {
        let wide = match self.chip {
            Chip::P7ioc => 9,
            Chip::Phb3 => 1,
        };
        address >> 16 == 0xffff || address >> 60 == wide
    }
}

/// Which of the hub's six bridges is used.
pub(crate) const P7IOC_BRIDGE: u8 = 2;
