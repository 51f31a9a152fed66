//! Config cycles: whether and by which path, and a root port that calls itself something else.

use crate::{Phase, Phb};
use ioda::driver::config::Place;
pub(crate) use ioda::driver::config::ROOT;
use ioda::{Bdf, CfgError, CfgOffset, CfgWidth, RegIo};

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
    pub(crate) fn config_check(&self, place: &Place) -> Result<(), CfgError> {
        place.check()?;
        match self.phase {
            Phase::Ready if !self.fenced => Ok(()),
            Phase::Ready | Phase::Failed(_) => Err(CfgError::Fenced),
            _ => Err(CfgError::Blocked),
        }
    }

    /// The path that works.
    pub(crate) fn config_io(&self) -> &R {
        if self.fenced {
            &self.asb
        } else {
            &self.port.io
        }
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
