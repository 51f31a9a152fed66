//! Errors: frozen endpoints, a fenced bridge, and clearing what was latched.
//!
//! What is not here the chip has in common with P7IOC's bridges: [`ioda::driver::eeh`].

use crate::regs::{self, nest};
use crate::{PES, Phb3, RESERVED};
use ioda::driver::config::{Place, ROOT};
use ioda::driver::eeh::{self, SIDES, STOPPED};
use ioda::driver::table::Table;
use ioda::driver::{Chip, root_port, traps};
use ioda::{Bdf, CfgOffset, CfgWidth, Event, Freeze, PeNumber, Pest, RegIo, XscomIo};

impl<R: RegIo, X: XscomIo> Phb3<R, X> {
    pub(crate) fn set_frozen(&mut self, pe: PeNumber, what: Freeze) {
        for (side, table) in SIDES {
            if what.contains(side) {
                self.port.write_entry(table, pe.0, STOPPED);
            }
        }
    }

    /// The detail is in memory, what is stopped on the chip.
    pub(crate) fn read_pest(&mut self, pe: PeNumber) -> Pest {
        let state = eeh::frozen(self, pe);
        let word = |offset: usize| {
            let cell = usize::from(pe.0).saturating_mul(2).saturating_add(offset);
            self.tables
                .pest
                .cells
                .get(cell)
                .map_or(0, |cell| cell.load())
        };
        let stopped = |side| if state.contains(side) { STOPPED } else { 0 };
        Pest {
            a: word(0) | stopped(Freeze::MMIO),
            b: word(1) | stopped(Freeze::DMA),
        }
    }

    pub(crate) fn find_event(&mut self) -> Option<Event> {
        match self.pbcq.nfir() {
            Err(_) => return Some(Event::Dead),
            Ok(nfir) if nfir & nest::NFIR_DEAD != 0 && !self.forced => return Some(Event::Dead),
            Ok(_) => {}
        }
        if self.is_fenced() {
            return Some(Event::Fenced);
        }
        let frozen = eeh::first_frozen(self);
        if let Some(pe) = frozen {
            return Some(Event::Frozen(pe));
        }
        match self.port.io.read64(regs::LEM_FIR_ACCUM) {
            0 => None,
            fir => Some(Event::Info(fir)),
        }
    }
}

impl<R: RegIo, X: XscomIo> Chip for Phb3<R, X> {
    type Io = R;
    const PES: u16 = PES;
    const RESERVED: PeNumber = RESERVED;

    fn io(&self) -> &R {
        &self.port.io
    }

    fn read_entry(&self, table: Table, index: u16) -> u64 {
        self.port.read_entry(table, index)
    }

    fn write_entry(&self, table: Table, index: u16, entry: u64) {
        self.port.write_entry(table, index, entry);
    }

    fn raw_read(&mut self, bdf: Bdf, at: CfgOffset, width: CfgWidth) -> u32 {
        let value = Place { bdf, at, width }.read(&self.port.io, self.config_pe(bdf));
        let kept = if bdf == ROOT {
            self.prefetch.read(at, width)
        } else {
            None
        };
        kept.unwrap_or(value)
    }

    fn raw_write(&mut self, bdf: Bdf, at: CfgOffset, width: CfgWidth, value: u32) {
        if bdf == ROOT {
            self.prefetch.write(at, width, value);
        }
        Place { bdf, at, width }.write(&self.port.io, self.config_pe(bdf), value);
    }

    /// One that does not answer by XSCOM has.
    fn is_fenced(&mut self) -> bool {
        if self
            .pbcq
            .nfir()
            .is_ok_and(|nfir| nfir & nest::NFIR_FENCED == 0)
        {
            return self.fenced;
        }
        self.fenced = true;
        true
    }

    fn disarm_one_shot(&mut self, pe: PeNumber) {
        self.injector.disarm_one_shot(&self.port.io, pe);
    }

    /// As skiboot's `phb3_err_ER_clear`.
    fn clear_latched(&mut self) {
        let fir = self.port.io.read64(regs::LEM_FIR_ACCUM);
        root_port::clear_errors(self, self.pcie_cap);
        traps::clear(&self.port.io, fir);
    }
}
