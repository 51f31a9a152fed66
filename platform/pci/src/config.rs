//! Config space of one function, and the registers every function has: [`ConfigSpace`].

use ioda::{Bdf, CfgError, CfgOffset, CfgWidth, Ioda};

pub(crate) const VENDOR: CfgOffset = CfgOffset::at(0x00);
pub(crate) const COMMAND: CfgOffset = CfgOffset::at(0x04);
pub(crate) const STATUS: CfgOffset = CfgOffset::at(0x06);
pub(crate) const REVISION: CfgOffset = CfgOffset::at(0x08);
pub(crate) const HEADER_TYPE: CfgOffset = CfgOffset::at(0x0e);
pub(crate) const BAR0: u16 = 0x10;
pub(crate) const SUBSYSTEM: CfgOffset = CfgOffset::at(0x2c);
pub(crate) const ROM: CfgOffset = CfgOffset::at(0x30);
pub(crate) const CAP_POINTER: CfgOffset = CfgOffset::at(0x34);
pub(crate) const INTERRUPT_PIN: CfgOffset = CfgOffset::at(0x3d);

/// Registers of a bridge's header.
pub(crate) mod bridge {
    use super::CfgOffset;
    pub(crate) const BUSES: CfgOffset = CfgOffset::at(0x18);
    pub(crate) const IO: CfgOffset = CfgOffset::at(0x1c);
    pub(crate) const MEMORY: CfgOffset = CfgOffset::at(0x20);
    pub(crate) const PREFETCH: CfgOffset = CfgOffset::at(0x24);
    pub(crate) const PREFETCH_BASE_UPPER: CfgOffset = CfgOffset::at(0x28);
    pub(crate) const PREFETCH_LIMIT_UPPER: CfgOffset = CfgOffset::at(0x2c);
    pub(crate) const ROM: CfgOffset = CfgOffset::at(0x38);
}

/// Bits of the command register.
pub(crate) mod command {
    pub(crate) const MEMORY: u32 = 1 << 1;
    pub(crate) const MASTER: u32 = 1 << 2;
    pub(crate) const MWI: u32 = 1 << 4;
    pub(crate) const PARITY: u32 = 1 << 6;
    pub(crate) const SERR: u32 = 1 << 8;
    pub(crate) const INTX_OFF: u32 = 1 << 10;
}

/// Config space of function `bdf` of a bridge.
pub struct ConfigSpace<'a> {
    bridge: &'a mut dyn Ioda,
    bdf: Bdf,
}

impl<'a> ConfigSpace<'a> {
    /// That of `bdf`, reached through `bridge`.
    pub fn new(bridge: &'a mut dyn Ioda, bdf: Bdf) -> Self {
        Self { bridge, bdf }
    }

    /// Reads `width` bytes.
    ///
    /// # Errors
    /// The bridge's.
    pub fn read(&mut self, at: CfgOffset, width: CfgWidth) -> Result<u32, CfgError> {
        self.bridge.cfg_read(self.bdf, at, width)
    }
    /// Writes `width` bytes.
    ///
    /// # Errors
    /// The bridge's.
    pub fn write(&mut self, at: CfgOffset, width: CfgWidth, value: u32) -> Result<(), CfgError> {
        self.bridge.cfg_write(self.bdf, at, width, value)
    }

    pub(crate) fn read8(&mut self, at: CfgOffset) -> Result<u8, CfgError> {
        self.read(at, CfgWidth::Byte).map(|value| value as u8)
    }
    pub(crate) fn read16(&mut self, at: CfgOffset) -> Result<u16, CfgError> {
        self.read(at, CfgWidth::Half).map(|value| value as u16)
    }
    pub(crate) fn read32(&mut self, at: CfgOffset) -> Result<u32, CfgError> {
        self.read(at, CfgWidth::Word)
    }
    pub(crate) fn write16(&mut self, at: CfgOffset, value: u16) -> Result<(), CfgError> {
        self.write(at, CfgWidth::Half, value.into())
    }
    pub(crate) fn write32(&mut self, at: CfgOffset, value: u32) -> Result<(), CfgError> {
        self.write(at, CfgWidth::Word, value)
    }
}
