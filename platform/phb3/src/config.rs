//! Config cycles, and the root port's prefetch window where the chip does not keep it.

use crate::regs::ConfigPe;
use crate::{Phase, Phb3};
use ioda::driver::config::Place;
use ioda::{Bdf, CfgError, CfgOffset, CfgWidth, RegIo, XscomIo};

/// The root port's prefetch window, as written: registers 0x24, 0x28 and 0x2c.
///
/// The chip's root port forwards whatever those say, and does not keep the upper halves (skiboot,
/// `phb3_check_device_quirks`).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PrefetchShadow {
    bytes: [u8; 12],
    /// Whether the port was seen to lose what it is given.
    pub(crate) is_needed: bool,
}

impl PrefetchShadow {
    const FIRST: u16 = 0x24;

    fn slice(&mut self, at: CfgOffset, width: CfgWidth) -> Option<&mut [u8]> {
        let first = usize::from(at.get().checked_sub(Self::FIRST)?);
        self.bytes
            .get_mut(first..first.checked_add(width.bytes().into())?)
    }
    pub(crate) fn write(&mut self, at: CfgOffset, width: CfgWidth, value: u32) {
        if let Some(bytes) = self.slice(at, width) {
            bytes
                .iter_mut()
                .zip(value.to_le_bytes())
                .for_each(|(byte, new)| *byte = new);
        }
    }
    pub(crate) fn read(&mut self, at: CfgOffset, width: CfgWidth) -> Option<u32> {
        if !self.is_needed {
            return None;
        }
        let mut value = [0; 4];
        value
            .iter_mut()
            .zip(self.slice(at, width)?.iter())
            .for_each(|(byte, kept)| *byte = *kept);
        // The low nibbles of base and limit say that the window has 64-bit addresses.
        let fixed = if at.get() == Self::FIRST {
            0x0001_0001 & width.ones()
        } else {
            0
        };
        Some(u32::from_le_bytes(value) | fixed)
    }
}

impl<R: RegIo, X: XscomIo> Phb3<R, X> {
    pub(crate) fn config_check(&self, place: &Place) -> Result<(), CfgError> {
        place.check()?;
        match self.phase {
            Phase::Ready if !self.fenced => Ok(()),
            Phase::Ready | Phase::Failed(_) => Err(CfgError::Fenced),
            _ => Err(CfgError::Blocked),
        }
    }

    /// What the address register is given besides the place: who freezes if the access fails.
    pub(crate) fn config_pe(&self, bdf: Bdf) -> u64 {
        ConfigPe::PE.val(self.pe_of(bdf).0.into()).into()
    }
}
