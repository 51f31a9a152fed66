//! Config cycles: an address register, then a data register.
//!
//! Who uses these functions has the bridge to itself: the address register remembers one place for everybody.

use super::regs::{self, ConfigAddress};
use crate::{Bdf, CfgError, CfgOffset, CfgWidth, Reg, RegIo};

/// The one function of bus 0, the root port.
pub const ROOT: Bdf = Bdf::new(0, 0, 0);

/// A place in config space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The function.
    pub bdf: Bdf,
    /// The register, a multiple of `width`.
    pub at: CfgOffset,
    /// How much of it.
    pub width: CfgWidth,
}

impl Place {
    /// Whether a bridge can be asked for it at all.
    ///
    /// # Errors
    /// [`CfgError::Align`], [`CfgError::NoFunction`], in this order.
    pub fn check(&self) -> Result<(), CfgError> {
        if !self.at.is_aligned(self.width) {
            Err(CfgError::Align)
        } else if self.bdf.bus() == 0 && self.bdf != ROOT {
            // The chip takes an error when asked for another.
            Err(CfgError::NoFunction)
        } else {
            Ok(())
        }
    }

    /// Points `CONFIG_DATA` at the word that holds it; gives its lane in that.
    fn select(&self, io: &impl RegIo, more: u64) -> u16 {
        let address = ConfigAddress::ENABLE::SET
            + ConfigAddress::BDF.val(self.bdf.0.into())
            + ConfigAddress::REG.val((self.at.get() & !3).into());
        io.write64(regs::CONFIG_ADDRESS, u64::from(address) | more);
        regs::CONFIG_DATA | self.at.get() & 3
    }

    /// Reads it. `more` are bits that the chip alone has in its address register. All ones if it is not aligned.
    #[must_use]
    pub fn read(&self, io: &impl RegIo, more: u64) -> u32 {
        let lane = self.select(io, more);
        let value = match self.width {
            CfgWidth::Byte => Reg::new(lane).map(|reg| io.read8(reg).into()),
            CfgWidth::Half => Reg::new(lane).map(|reg| io.read16(reg).swap_bytes().into()),
            CfgWidth::Word => Reg::new(lane).map(|reg| io.read32(reg).swap_bytes()),
        };
        value.unwrap_or(self.width.ones())
    }

    /// Writes the low bytes of `value` to it; `more` as for [`Self::read`]. Nothing is stored if it is not aligned.
    pub fn write(&self, io: &impl RegIo, more: u64, value: u32) {
        let lane = self.select(io, more);
        let done = match self.width {
            CfgWidth::Byte => Reg::new(lane).map(|reg| io.write8(reg, value as u8)),
            CfgWidth::Half => {
                Reg::new(lane).map(|reg| io.write16(reg, (value as u16).swap_bytes()))
            }
            CfgWidth::Word => Reg::new(lane).map(|reg| io.write32(reg, value.swap_bytes())),
        };
        debug_assert!(done.is_some(), "callers align");
    }
}
