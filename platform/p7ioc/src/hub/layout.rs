//! Where everything is: [`Facts`] of the machine, [`Layout`] of a bridge.
//!
//! Only the slow register windows are wired; the rest is the order that firmware has always given the address
//! space of the hub.

use core::fmt;
use ioda::PhbId;

/// PCI address of the 32-bit window: below it are twelve DMA slots, above it nothing of 32 bits.
pub(crate) const M32_PCI: u64 = 0xc000_0000;
/// log2 of the bytes of one of its 128 segments.
pub(crate) const M32_SEGMENT_SHIFT: u8 = 23;
/// Bytes of a bridge's I/O window.
pub(crate) const IO_BYTES: u64 = 0x80_0000;
/// log2 of the bytes of one of its 128 segments.
pub(crate) const IO_SEGMENT_SHIFT: u8 = 16;
/// Bytes of a bridge's 64-bit area.
pub(crate) const M64_BYTES: u64 = 0x8_0000_0000;

/// What is before the hub; some values of its bus interface depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    /// POWER7.
    Power7,
    /// POWER7+.
    Power7Plus,
}

/// What the machine tells of a hub: the properties of its `io-hub` node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `ibm,chip-id`: the processor it hangs on.
    pub chip: u8,
    /// `ibm,gx-index`: which of that processor's two links, 0 or 1.
    pub gx: u8,
    /// What that is.
    pub processor: Processor,
    /// `ibm,gx-bar-1`: real address of the first window, 8 GiB: registers and I/O space.
    pub gx_bar1: u64,
    /// `ibm,gx-bar-2`: real address of the second, 384 GiB: memory space.
    pub gx_bar2: u64,
    /// `ibm,buid-ext`: the 7 bits above the 9 of an interrupt source's number.
    pub buid_ext: u8,
    /// `ibm,br1-presence-detect`: 0x80 for the first bridge, 0x40 for the second; absent: all six are there.
    pub presence: Option<u8>,
}

/// A machine cannot have such a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactsError {
    /// `ibm,gx-bar-1` or `ibm,gx-bar-2` is not aligned, beyond 48 bits, or they meet.
    Bar(&'static str, u64),
    /// `ibm,gx-index` names a third link.
    Gx(u8),
    /// `ibm,buid-ext` has more than 7 bits.
    BuidExt(u8),
    /// `ibm,br1-presence-detect` names a seventh bridge, or none.
    Presence(u8),
}

impl fmt::Display for FactsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bar(name, real) => write!(f, "{name} is unusable: {real:#x}"),
            Self::Gx(gx) => write!(f, "ibm,gx-index names no link of a processor: {gx}"),
            Self::BuidExt(ext) => write!(f, "ibm,buid-ext has more than 7 bits: {ext:#x}"),
            Self::Presence(mask) => {
                write!(f, "ibm,br1-presence-detect is no mask of six: {mask:#04x}")
            }
        }
    }
}

/// Where one bridge is and how its interrupts are numbered. Real addresses, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Its name: the second link's bridges of a chip count on from the first one's.
    pub id: PhbId,
    /// Its place on its hub, 0 to 5.
    pub bridge: u8,
    /// Its registers by the slow path, wired; 64 KiB.
    pub asb: u64,
    /// Its registers by the fast path, once the hub routes it; 64 KiB.
    pub aib: u64,
    /// Its I/O window, 8 MiB.
    pub io: u64,
    /// 4 GiB, of which the part that PCI addresses from 3 GiB on fall on is used.
    pub m32: u64,
    /// Its 64-bit area, 32 GiB.
    pub m64: u64,
    /// The first LSI's interrupt number.
    pub lsi_irq: u32,
    /// The first message's.
    pub msi_irq: u32,
}

impl Layout {
    /// Real address of the 32-bit window, 1 GiB.
    #[must_use]
    pub const fn m32_real(&self) -> u64 {
        self.m32.wrapping_add(M32_PCI)
    }
    /// The 9-bit source number of the LSIs.
    pub(crate) const fn lsi_buid(&self) -> u64 {
        (self.lsi_irq >> 4 & 0x1ff) as u64
    }
    /// The 9-bit source number of the first sixteen messages.
    pub(crate) const fn msi_buid(&self) -> u64 {
        (self.msi_irq >> 4 & 0x1ff) as u64
    }
}

impl Facts {
    /// Bridges of a hub.
    pub const PHBS: u8 = 6;
    /// Where the bus interface's registers are in the first window; 64 KiB.
    pub const BUS_OFFSET: u64 = 0x3c_0000;
    /// Where the crossbar's are; 64 KiB.
    pub const CROSSBAR_OFFSET: u64 = 0x3d_0000;
    /// Where the rest of the hub's are; 64 KiB.
    pub const GLOBAL_OFFSET: u64 = 0x3e_0000;

    const AIB_OFFSET: u64 = 0x8_0000;
    const IO_OFFSET: u64 = 0x100_0000;
    const M32_BYTES: u64 = 0x1_0000_0000;
    const GX_BAR1_BYTES: u64 = 8 << 30;
    const GX_BAR2_BYTES: u64 = 384 << 30;

    /// A hub by what its `io-hub` node says, checked: `gx_bars` are the real addresses of its first and its
    /// second window. The node does not say what `processor` is.
    ///
    /// # Errors
    /// [`FactsError`].
    pub fn new(
        processor: Processor,
        chip: u8,
        gx: u8,
        gx_bars: [u64; 2],
        buid_ext: u8,
        presence: Option<u8>,
    ) -> Result<Self, FactsError> {
        let [gx_bar1, gx_bar2] = gx_bars;
        let facts = Self {
            chip,
            gx,
            processor,
            gx_bar1,
            gx_bar2,
            buid_ext,
            presence,
        };
        facts.check()?;
        Ok(facts)
    }

    /// Checks what came from outside.
    ///
    /// # Errors
    /// [`FactsError`].
    pub fn check(&self) -> Result<(), FactsError> {
        // The routing rules compare whole blocks, so that each must be aligned to its own size; 32 GiB is
        // the largest.
        let bars = [
            (
                "ibm,gx-bar-1",
                self.gx_bar1,
                Self::GX_BAR1_BYTES,
                8u64 << 30,
            ),
            ("ibm,gx-bar-2", self.gx_bar2, Self::GX_BAR2_BYTES, M64_BYTES),
        ];
        for (name, real, bytes, align) in bars {
            let is_reachable = real.checked_add(bytes).is_some_and(|end| end <= 1 << 48);
            if !is_reachable || real & align.wrapping_sub(1) != 0 {
                return Err(FactsError::Bar(name, real));
            }
        }
        let apart = self.gx_bar1 >= self.gx_bar2.wrapping_add(Self::GX_BAR2_BYTES)
            || self.gx_bar2 >= self.gx_bar1.wrapping_add(Self::GX_BAR1_BYTES);
        if !apart {
            return Err(FactsError::Bar("ibm,gx-bar-2", self.gx_bar2));
        }
        if self.gx > 1 {
            return Err(FactsError::Gx(self.gx));
        }
        if self.buid_ext > 0x7f {
            return Err(FactsError::BuidExt(self.buid_ext));
        }
        match self.presence {
            Some(mask) if mask & 0xfc == 0 || mask & 0x3 != 0 => Err(FactsError::Presence(mask)),
            _ => Ok(()),
        }
    }

    /// Whether bridge `index` is there.
    #[must_use]
    pub const fn has(&self, index: u8) -> bool {
        let mask = match self.presence {
            Some(mask) => mask,
            None => 0xfc,
        };
        index < Self::PHBS && mask & (0x80 >> index) != 0
    }

    /// The bridges that are there, if the facts are good ([`Self::check`]).
    pub fn phbs(&self) -> impl Iterator<Item = Layout> + use<> {
        let facts = *self;
        (0..Self::PHBS)
            .filter(move |index| facts.has(*index))
            .map(move |index| facts.layout(index))
    }

    fn layout(&self, index: u8) -> Layout {
        let nth = |bytes: u64| bytes.wrapping_mul(index.into());
        let bar1 = |offset: u64, bytes| self.gx_bar1.wrapping_add(offset).wrapping_add(nth(bytes));
        let irq = |buid: u32| {
            let buid = buid.wrapping_add(0x40u32.wrapping_mul(index.into()));
            (u32::from(self.buid_ext) << 9 | buid) << 4
        };
        Layout {
            id: PhbId {
                chip: self.chip,
                index: self.gx.wrapping_mul(Self::PHBS).wrapping_add(index),
            },
            bridge: index,
            asb: bar1(0, 0x1_0000),
            aib: bar1(Self::AIB_OFFSET, 0x1_0000),
            io: bar1(Self::IO_OFFSET, IO_BYTES),
            m32: self.gx_bar2.wrapping_add(nth(Self::M32_BYTES)),
            m64: self
                .gx_bar2
                .wrapping_add(M64_BYTES)
                .wrapping_add(nth(M64_BYTES)),
            lsi_irq: irq(0x40),
            msi_irq: irq(0x60),
        }
    }

    /// The 9-bit source numbers below this are units of the processor chip.
    pub const ON_CHIP_BUIDS: u16 = 0x10;

    /// The 9-bit source number of the hub's own errors.
    pub(crate) const RGC_BUID: u64 = 0x10;

    /// The interrupt number of the hub's own errors, a level.
    #[must_use]
    pub fn hub_irq(&self) -> u32 {
        (u32::from(self.buid_ext) << 9 | Self::RGC_BUID as u32) << 4
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests;
