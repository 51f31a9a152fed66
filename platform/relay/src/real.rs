//! The real bridge, and the functions behind it that do not decode because their endpoint is stopped: [`Real`].

use ioda::{Bdf, CfgError, CfgOffset, CfgWidth, Ioda, PeNumber, RegIo, RidSel, XscomIo};
use phb3::Phb3;

const VENDOR: CfgOffset = CfgOffset::at(0x00);
const COMMAND: CfgOffset = CfgOffset::at(0x04);
const HEADER_TYPE: CfgOffset = CfgOffset::at(0x0e);
/// The command register's bit that makes a function answer at its BARs.
const MEMORY: u32 = 2;
/// The most functions that can be kept from decoding at a time.
const MOST: usize = 64;

/// A function that does not decode.
#[derive(Clone, Copy, Debug)]
struct Silent {
    bdf: Bdf,
    pe: PeNumber,
    /// What its owner has of [`MEMORY`].
    wanted: u32,
}

/// There are more functions to be kept from decoding than can be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooMany;

/// The real bridge.
pub(crate) struct Real<R: 'static, X> {
    pub(crate) phb: Phb3<R, X>,
    silent: [Option<Silent>; MOST],
}

impl<R: RegIo + Sync, X: XscomIo> Real<R, X> {
    pub(crate) const fn new(phb: Phb3<R, X>) -> Self {
        Self {
            phb,
            silent: [None; MOST],
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
        Ok(Some(match self.silent(bdf) {
            Some(silent) if at == COMMAND => value & !MEMORY | silent.wanted,
            _ => value,
        }))
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
        if let Some(silent) = self.silent(bdf).filter(|_| at == COMMAND) {
            silent.wanted = value & MEMORY;
            value &= !MEMORY;
        }
        self.phb.cfg_write(bdf, at, width, value)?;
        Ok(Some(0))
    }

    fn silent(&mut self, bdf: Bdf) -> Option<&mut Silent> {
        self.silent
            .iter_mut()
            .flatten()
            .find(|silent| silent.bdf == bdf)
    }

    fn is_there(&mut self, bdf: Bdf) -> Result<bool, CfgError> {
        Ok(self.phb.cfg_read(bdf, VENDOR, CfgWidth::Word)? != u32::MAX)
    }

    /// Keeps the devices among `rids` from decoding.
    ///
    /// # Errors
    /// [`TooMany`]: some decode still.
    pub(crate) fn silence(&mut self, pe: PeNumber, rids: RidSel) -> Result<(), TooMany> {
        for bdf in rids.iter().filter(|bdf| bdf.bus() != 0) {
            if let Ok(true) = self.is_device(bdf) {
                self.silence_one(pe, bdf)?;
            }
        }
        Ok(())
    }

    fn is_device(&mut self, bdf: Bdf) -> Result<bool, CfgError> {
        const IS_BRIDGE: u32 = 0x7f;
        Ok(self.is_there(bdf)?
            && self.phb.cfg_read(bdf, HEADER_TYPE, CfgWidth::Byte)? & IS_BRIDGE == 0)
    }

    fn silence_one(&mut self, pe: PeNumber, bdf: Bdf) -> Result<(), TooMany> {
        if self.silent(bdf).is_some() {
            return Ok(());
        }
        let place = self.silent.iter_mut().find(|place| place.is_none());
        let place = place.ok_or(TooMany)?;
        let Ok(command) = self.phb.cfg_read(bdf, COMMAND, CfgWidth::Half) else {
            return Ok(());
        };
        *place = Some(Silent {
            bdf,
            pe,
            wanted: command & MEMORY,
        });
        // Fails only where nothing decodes any more.
        let _ = self
            .phb
            .cfg_write(bdf, COMMAND, CfgWidth::Half, command & !MEMORY);
        Ok(())
    }

    /// Lets the devices of `pe` decode again, as their owner has it.
    pub(crate) fn restore(&mut self, pe: PeNumber) {
        for place in &mut self.silent {
            let Some(silent) = place.filter(|silent| silent.pe == pe) else {
                continue;
            };
            *place = None;
            if let Ok(command) = self.phb.cfg_read(silent.bdf, COMMAND, CfgWidth::Half) {
                let command = command & !MEMORY | silent.wanted;
                let _ = self
                    .phb
                    .cfg_write(silent.bdf, COMMAND, CfgWidth::Half, command);
            }
        }
    }
}
