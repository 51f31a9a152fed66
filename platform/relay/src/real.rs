//! The real bridge, and the functions behind it that do not decode because their endpoint is stopped: [`Real`].

use crate::rids::RidSet;
use ioda::{Bdf, CfgError, CfgOffset, CfgWidth, Ioda, RegIo, RidSel, XscomIo};
use phb3::Phb3;

const VENDOR: CfgOffset = CfgOffset::at(0x00);
const COMMAND: CfgOffset = CfgOffset::at(0x04);
const HEADER_TYPE: CfgOffset = CfgOffset::at(0x0e);
const BUSES: CfgOffset = CfgOffset::at(0x18);
/// The doubleword of a bridge's control register, and its bit that holds the bus below in reset.
const INTERRUPT: u16 = 0x3c;
const BUS_RESET: u32 = 0x40 << 16;
/// The command register's bit that makes a function answer at its BARs.
const MEMORY: u32 = 2;

/// The real bridge.
pub(crate) struct Real<R: 'static, X> {
    pub(crate) phb: Phb3<R, X>,
    /// Who is kept from decoding. Places without a function are among them: what appears there is kept from it too.
    silent: RidSet,
    /// Which of these their owners have decode.
    wanted: RidSet,
}

impl<R: RegIo + Sync, X: XscomIo> Real<R, X> {
    pub(crate) fn new(phb: Phb3<R, X>) -> Self {
        Self {
            phb,
            silent: RidSet::new(),
            wanted: RidSet::new(),
        }
    }

    /// A config cycle for the model; `None` if nothing answers.
    pub(crate) fn config(
        &mut self,
        bdf: Bdf,
        at: u16,
        bytes: usize,
        value: Option<u32>,
    ) -> Option<u32> {
        let at = CfgOffset::new(at)?;
        let width = CfgWidth::from_bytes(u32::try_from(bytes).ok()?)?;
        let done = match value {
            Some(value) => self.write(bdf, at, width, value),
            None => self.read(bdf, at, width),
        };
        done.ok().flatten()
    }

    fn read(&mut self, bdf: Bdf, at: CfgOffset, width: CfgWidth) -> Result<Option<u32>, CfgError> {
        let value = self.phb.cfg_read(bdf, at, width)?;
        if value == width.ones() && !self.is_there(bdf)? {
            return Ok(None);
        }
        if at == COMMAND && self.silent.contains(bdf) && self.is_device(bdf)? {
            let wanted = if self.wanted.contains(bdf) { MEMORY } else { 0 };
            return Ok(Some(value & !MEMORY | wanted));
        }
        Ok(Some(value))
    }

    fn write(
        &mut self,
        bdf: Bdf,
        at: CfgOffset,
        width: CfgWidth,
        mut value: u32,
    ) -> Result<Option<u32>, CfgError> {
        if !self.is_there(bdf)? {
            return Ok(None);
        }
        if at == COMMAND && self.silent.contains(bdf) && self.is_device(bdf)? {
            self.note_wanted(bdf, value);
            value &= !MEMORY;
        }
        self.phb.cfg_write(bdf, at, width, value)?;
        if at.get() & !3 == INTERRUPT {
            self.note_bus_reset(bdf)?;
        }
        Ok(Some(0))
    }

    fn note_wanted(&mut self, bdf: Bdf, command: u32) {
        if command & MEMORY == 0 {
            self.wanted.remove(bdf);
        } else {
            self.wanted.insert(bdf);
        }
    }

    /// What a bridge holds in reset forgets that it decodes.
    fn note_bus_reset(&mut self, bdf: Bdf) -> Result<(), CfgError> {
        let control = CfgOffset::at(INTERRUPT);
        if !self.is_device(bdf)?
            && self.phb.cfg_read(bdf, control, CfgWidth::Word)? & BUS_RESET != 0
        {
            let [_, first, last, _] = self.phb.cfg_read(bdf, BUSES, CfgWidth::Word)?.to_le_bytes();
            self.wanted.clear_buses(first..=last);
        }
        Ok(())
    }

    /// Everything below the root port was reset.
    pub(crate) fn note_reset(&mut self) {
        self.wanted.clear_buses(0..=u8::MAX);
    }

    fn is_there(&mut self, bdf: Bdf) -> Result<bool, CfgError> {
        Ok(self.phb.cfg_read(bdf, VENDOR, CfgWidth::Word)? != u32::MAX)
    }

    fn is_device(&mut self, bdf: Bdf) -> Result<bool, CfgError> {
        const IS_BRIDGE: u32 = 0x7f;
        Ok(self.is_there(bdf)?
            && self.phb.cfg_read(bdf, HEADER_TYPE, CfgWidth::Byte)? & IS_BRIDGE == 0)
    }

    /// Keeps the devices among `rids` from decoding, and what appears there later.
    pub(crate) fn silence(&mut self, rids: RidSel) {
        for bdf in rids.iter().filter(|bdf| bdf.bus() != 0) {
            if !self.silent.contains(bdf) {
                self.silent.insert(bdf);
                self.wanted.remove(bdf);
                // Fails only where nothing decodes any more.
                let _ = self.silence_one(bdf);
            }
        }
    }

    fn silence_one(&mut self, bdf: Bdf) -> Result<(), CfgError> {
        if self.is_device(bdf)? {
            let command = self.phb.cfg_read(bdf, COMMAND, CfgWidth::Half)?;
            self.note_wanted(bdf, command);
            self.phb
                .cfg_write(bdf, COMMAND, CfgWidth::Half, command & !MEMORY)?;
        }
        Ok(())
    }

    /// Lets those of `rids` that `may` choose decode again, as their owner has it.
    pub(crate) fn restore(&mut self, rids: RidSel, may: impl Fn(Bdf) -> bool) {
        if self.silent.is_empty() {
            return;
        }
        for bdf in rids.iter() {
            if self.silent.contains(bdf) && may(bdf) {
                self.silent.remove(bdf);
                if self.wanted.contains(bdf) {
                    self.wanted.remove(bdf);
                    // Fails only where nothing decodes any more.
                    let _ = self.restore_one(bdf);
                }
            }
        }
    }

    fn restore_one(&mut self, bdf: Bdf) -> Result<(), CfgError> {
        if self.is_device(bdf)? {
            let command = self.phb.cfg_read(bdf, COMMAND, CfgWidth::Half)?;
            self.phb
                .cfg_write(bdf, COMMAND, CfgWidth::Half, command | MEMORY)?;
        }
        Ok(())
    }
}
