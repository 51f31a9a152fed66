//! Programming the messages of a function: [`MsiKind`]. The hypervisor does it, when `ibm,change-msi` asks.
//!
//! An MSI-X table is in a BAR that its owner maps, so the owner can overwrite what is programmed here. That
//! harms nobody else: a message is a DMA write, and the bridge takes it only if its requester's endpoint is
//! the endpoint that the interrupt was handed out to.

use crate::config::ConfigSpace;
use crate::{MsiCap, MsixTable};
use core::fmt;
use ioda::{CfgError, MmioIo, MsiBlock};

/// Control bits of the two capabilities.
pub(crate) const MSI_ENABLE: u16 = 1;
pub(crate) const MSI_COUNT: u16 = 7 << 4;
pub(crate) const MSIX_ENABLE: u16 = 1 << 15;
pub(crate) const MSIX_MASK_ALL: u16 = 1 << 14;

/// Bytes of an entry of an MSI-X table, and where in it the mask bit's word is.
const ENTRY: u64 = 16;
const ENTRY_CONTROL: u64 = 12;
const ENTRY_MASKED: u32 = 1;

/// Which messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsiKind {
    /// The MSI capability, with addresses as wide as the function takes.
    Msi,
    /// The MSI capability, with 32-bit addresses.
    Msi32,
    /// The MSI-X table.
    MsiX,
}

/// The function's messages could not be programmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsiSetupError {
    /// The function has no such capability.
    Missing,
    /// The function, or the capability, cannot have so many; or none, or for MSI not a power of two.
    Count,
    /// The function sleeps, or was reset and is not back.
    Asleep,
    /// Config space cannot be reached.
    Config(CfgError),
}

impl From<CfgError> for MsiSetupError {
    fn from(error: CfgError) -> Self {
        Self::Config(error)
    }
}

impl fmt::Display for MsiSetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the function has no such capability"),
            Self::Count => f.write_str("the function cannot send that many messages"),
            Self::Asleep => f.write_str("the function does not answer at its BARs"),
            Self::Config(error) => write!(f, "config space: {error:?}"),
        }
    }
}

/// Puts `block` in the MSI capability `cap`, leaving its enable bit as it is. `None` clears it.
pub(crate) fn write_msi(
    config: &mut ConfigSpace<'_>,
    cap: &MsiCap,
    block: Option<(&MsiBlock, MsiKind)>,
) -> Result<(), MsiSetupError> {
    let at = |by| cap.at.plus(by).ok_or(MsiSetupError::Missing);
    let (address, data, count) = match block {
        None => (0, 0, 1),
        Some((block, kind)) => {
            let is_wide = cap.has_64bit && kind == MsiKind::Msi;
            let address = if is_wide {
                block.address64
            } else {
                block.address32.into()
            };
            (address, block.data, block.count)
        }
    };
    if !count.is_power_of_two() || count > cap.vectors {
        return Err(MsiSetupError::Count);
    }
    let flags = config.read16(at(2)?)? & !MSI_COUNT;
    config.write32(at(4)?, address as u32)?;
    if cap.has_64bit {
        config.write32(at(8)?, (address >> 32) as u32)?;
        config.write16(at(12)?, data)?;
    } else {
        config.write16(at(8)?, data)?;
    }
    let enable = if block.is_some() {
        flags
    } else {
        flags & !MSI_ENABLE
    };
    Ok(config.write16(at(2)?, enable | (count.trailing_zeros() as u16) << 4)?)
}

/// Puts message `entry` of an MSI-X table at `table_real`, masked or not as it is. The BAR must be decoded.
pub(crate) fn write_msix_entry(
    mmio: &dyn MmioIo,
    table_real: u64,
    entry: u16,
    address: u64,
    data: u32,
) {
    let at = table_real.wrapping_add(u64::from(entry).wrapping_mul(ENTRY));
    let control = mmio.read32(at.wrapping_add(ENTRY_CONTROL));
    // An entry may change only while it is masked (PCI 3.0, 6.8.2).
    mmio.write32(at.wrapping_add(ENTRY_CONTROL), control | ENTRY_MASKED);
    mmio.write32(at, address as u32);
    mmio.write32(at.wrapping_add(4), (address >> 32) as u32);
    mmio.write32(at.wrapping_add(8), data);
    mmio.write32(at.wrapping_add(ENTRY_CONTROL), control);
}

impl MsixTable {
    /// Its real address, if its BAR starts at `bar_real`.
    #[must_use]
    pub const fn real(&self, bar_real: u64) -> u64 {
        bar_real.wrapping_add(self.offset as u64)
    }
}
