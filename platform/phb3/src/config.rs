//! Config cycles, and the root port's prefetch window where the chip does not keep it.

use crate::regs::{self, ConfigAddress, ConfigPe};
use crate::{Phase, Phb3};
use ioda::{Bdf, CfgError, CfgOffset, CfgWidth, Reg, RegIo, XscomIo};

/// The one function of bus 0.
pub(crate) const ROOT: Bdf = Bdf::new(0, 0, 0);

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
    fn write(&mut self, at: CfgOffset, width: CfgWidth, value: u32) {
        if let Some(bytes) = self.slice(at, width) {
            bytes
                .iter_mut()
                .zip(value.to_le_bytes())
                .for_each(|(byte, new)| *byte = new);
        }
    }
    fn read(&mut self, at: CfgOffset, width: CfgWidth) -> Option<u32> {
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

    /// Reads config space. `None` where the access is not aligned.
    pub(crate) fn raw_read(&mut self, bdf: Bdf, at: CfgOffset, width: CfgWidth) -> u32 {
        let lane = self.config_select(bdf, at);
        let io = &self.port.io;
        let value = match width {
            CfgWidth::Byte => Reg::new(lane).map(|reg| io.read8(reg).into()),
            CfgWidth::Half => Reg::new(lane).map(|reg| io.read16(reg).swap_bytes().into()),
            CfgWidth::Word => Reg::new(lane).map(|reg| io.read32(reg).swap_bytes()),
        };
        let kept = if bdf == ROOT {
            self.prefetch.read(at, width)
        } else {
            None
        };
        kept.or(value).unwrap_or(width.ones())
    }

    /// Writes config space.
    pub(crate) fn raw_write(&mut self, bdf: Bdf, at: CfgOffset, width: CfgWidth, value: u32) {
        if bdf == ROOT {
            self.prefetch.write(at, width, value);
        }
        let lane = self.config_select(bdf, at);
        let io = &self.port.io;
        let done = match width {
            CfgWidth::Byte => Reg::new(lane).map(|reg| io.write8(reg, value as u8)),
            CfgWidth::Half => {
                Reg::new(lane).map(|reg| io.write16(reg, (value as u16).swap_bytes()))
            }
            CfgWidth::Word => Reg::new(lane).map(|reg| io.write32(reg, value.swap_bytes())),
        };
        debug_assert!(done.is_some(), "callers align");
    }

    /// Points `CONFIG_DATA` at the word that holds `at`, and returns the lane of `at` in it.
    fn config_select(&self, bdf: Bdf, at: CfgOffset) -> u16 {
        let pe = self.pe_of(bdf);
        let address = ConfigAddress::ENABLE::SET
            + ConfigAddress::BDF.val(bdf.0.into())
            + ConfigAddress::REG.val((at.get() & !3).into());
        let pe = ConfigPe::PE.val(pe.0.into());
        self.port
            .io
            .write64(regs::CONFIG_ADDRESS, u64::from(address) | u64::from(pe));
        regs::CONFIG_DATA | at.get() & 3
    }
}
