//! Config cycles: an address register, then a data register.

use crate::regs::{self, ConfigAddress};
use crate::{Phase, Phb};
use ioda::{Bdf, CfgError, CfgOffset, CfgWidth, Reg, RegIo};

/// The one function of bus 0.
pub(crate) const ROOT: Bdf = Bdf::new(0, 0, 0);
/// Revision and class of a function.
const CLASS: u16 = 0x08;
/// A bridge between PCI buses: what the root port should say it is.
const BRIDGE_CLASS: u32 = 0x06_0400;

/// `value` as read, but the root port's class as it should be: the chip says another.
pub(crate) fn correct_class(bdf: Bdf, at: CfgOffset, width: CfgWidth, value: u32) -> u32 {
    let Some(offset) = at.get().checked_sub(CLASS).filter(|offset| *offset < 4) else {
        return value;
    };
    if bdf != ROOT {
        return value;
    }
    let shift = u32::from(offset).wrapping_mul(8);
    let is_class = (0xffff_ff00u32 >> shift) & width.ones();
    value & !is_class | (BRIDGE_CLASS << 8 >> shift) & is_class
}

impl<R: RegIo> Phb<R> {
    pub(crate) fn config_check(
        &self,
        bdf: Bdf,
        at: CfgOffset,
        width: CfgWidth,
    ) -> Result<(), CfgError> {
        if !at.is_aligned(width) {
            Err(CfgError::Align)
        } else if bdf.bus() == 0 && bdf != ROOT {
            // The chip takes an error when asked for another.
            Err(CfgError::NoFunction)
        } else {
            match self.phase {
                Phase::Ready if !self.fenced => Ok(()),
                Phase::Ready | Phase::Failed(_) => Err(CfgError::Fenced),
                _ => Err(CfgError::Blocked),
            }
        }
    }

    /// Reads config space of an aligned register.
    pub(crate) fn raw_read(&self, bdf: Bdf, at: CfgOffset, width: CfgWidth) -> u32 {
        let (io, lane) = self.config_select(bdf, at);
        let value = match width {
            CfgWidth::Byte => Reg::new(lane).map(|reg| io.read8(reg).into()),
            CfgWidth::Half => Reg::new(lane).map(|reg| io.read16(reg).swap_bytes().into()),
            CfgWidth::Word => Reg::new(lane).map(|reg| io.read32(reg).swap_bytes()),
        };
        value.unwrap_or(width.ones())
    }

    /// Writes config space of an aligned register.
    pub(crate) fn raw_write(&mut self, bdf: Bdf, at: CfgOffset, width: CfgWidth, value: u32) {
        if bdf == ROOT && at.get() == 0x18 && width == CfgWidth::Word {
            self.buses = value & 0x00ff_ffff;
        }
        let (io, lane) = self.config_select(bdf, at);
        let done = match width {
            CfgWidth::Byte => Reg::new(lane).map(|reg| io.write8(reg, value as u8)),
            CfgWidth::Half => {
                Reg::new(lane).map(|reg| io.write16(reg, (value as u16).swap_bytes()))
            }
            CfgWidth::Word => Reg::new(lane).map(|reg| io.write32(reg, value.swap_bytes())),
        };
        debug_assert!(done.is_some(), "callers align");
    }

    /// Points `CONFIG_DATA` at the word that holds `at`; gives the path that works and the lane of `at` in it.
    fn config_select(&self, bdf: Bdf, at: CfgOffset) -> (&R, u16) {
        let io = if self.fenced {
            &self.asb
        } else {
            &self.port.io
        };
        let address = ConfigAddress::ENABLE::SET
            + ConfigAddress::BDF.val(bdf.0.into())
            + ConfigAddress::REG.val((at.get() & !3).into());
        io.write64(regs::CONFIG_ADDRESS, address.into());
        (io, regs::CONFIG_DATA | at.get() & 3)
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;

    fn the_root_port_is_a_bridge_whatever_it_says() {
        let read = |at, width, value| correct_class(ROOT, CfgOffset::at(at), width, value);
        assert_eq!(read(0x08, CfgWidth::Word, 0x1200_0001), 0x0604_0001);
        assert_eq!(read(0x0a, CfgWidth::Half, 0x1200), 0x0604);
        assert_eq!(read(0x08, CfgWidth::Half, 0xff07), 0x0007);
        assert_eq!(read(0x0b, CfgWidth::Byte, 0x12), 0x06);
        assert_eq!(read(0x08, CfgWidth::Byte, 0x07), 0x07);
        assert_eq!(read(0x0c, CfgWidth::Word, 0x0001_0010), 0x0001_0010);
        let card = Bdf::new(1, 0, 0);
        assert_eq!(correct_class(card, CfgOffset::at(8), CfgWidth::Word, 7), 7);
    }

    cases::cases!(the_root_port_is_a_bridge_whatever_it_says,);
}
