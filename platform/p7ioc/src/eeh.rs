//! Errors: frozen endpoints, a fenced bridge, a dead hub, and clearing what was latched.
//!
//! What is not here the chip has in common with PHB3: [`ioda::driver::eeh`].

use crate::regs::{self, fir, table};
use crate::{PES, Phb, RESERVED};
use ioda::driver::config::{Place, ROOT};
use ioda::driver::eeh::{self, SIDES, STOPPED};
use ioda::driver::table::Table;
use ioda::driver::{Chip, root_port, traps};
use ioda::{Bdf, CfgOffset, CfgWidth, Event, Freeze, PeNumber, Pest, RegIo};

const STATUS: CfgOffset = CfgOffset::at(0x06);

const MALFORMED: u32 = 1 << 18;

impl<R: RegIo> Phb<R> {
    /// Keeps the detail that is there.
    pub(crate) fn set_frozen(&mut self, pe: PeNumber, what: Freeze) {
        for (side, table) in SIDES {
            if what.contains(side) {
                let entry = self.port.read_entry(table, pe.0);
                self.port.write_entry(table, pe.0, entry | STOPPED);
            }
        }
    }

    pub(crate) fn read_pest(&self, pe: PeNumber) -> Pest {
        Pest {
            a: self.port.read_entry(table::PEST_A, pe.0),
            b: self.port.read_entry(table::PEST_B, pe.0),
        }
    }

    pub(crate) fn find_event(&mut self) -> Option<Event> {
        if let Some(gone) = self.find_gone() {
            return Some(gone);
        }
        let event = self.find_latched()?;
        // One that shuts itself off while it is asked answers ones, which look like anything.
        Some(self.find_gone().unwrap_or(event))
    }

    /// Whether the bridge is out of reach by the fast path.
    fn find_gone(&mut self) -> Option<Event> {
        if self.hub.is_dead() {
            return Some(Event::Dead);
        }
        self.is_fenced().then_some(Event::Fenced)
    }

    fn find_latched(&mut self) -> Option<Event> {
        let latched = self.port.io.read64(regs::LEM_FIR_ACCUM);
        if latched == u64::MAX {
            return Some(Event::Dead);
        }
        let frozen = eeh::first_frozen(self);
        let is_fence = latched & fir::FENCE != 0;
        if is_fence || (frozen.is_some() && self.has_malformed(latched)) {
            self.fenced = true;
            return Some(Event::Fenced);
        }
        if let Some(pe) = frozen {
            return Some(Event::Frozen(pe));
        }
        // Those that freeze endpoints are told too where none is frozen: they keep later ones from being noted.
        (latched != 0).then_some(Event::Info(latched))
    }

    /// Whether the root port too says that a malformed packet came in, if `latched` does.
    pub(crate) fn has_malformed(&mut self, latched: u64) -> bool {
        latched != u64::MAX
            && latched & fir::MALFORMED != 0
            && self.raw_read(ROOT, root_port::AER_UNCORRECTABLE, CfgWidth::Word) & MALFORMED != 0
    }
}

impl<R: RegIo> Chip for Phb<R> {
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
        Place { bdf, at, width }.read(self.config_io(), 0)
    }

    fn raw_write(&mut self, bdf: Bdf, at: CfgOffset, width: CfgWidth, value: u32) {
        if bdf == ROOT && at.get() == 0x18 && width == CfgWidth::Word {
            self.buses = value & 0x00ff_ffff;
        }
        Place { bdf, at, width }.write(self.config_io(), 0, value);
    }

    /// Or the hub has gone with all six.
    fn is_fenced(&mut self) -> bool {
        self.fenced |= self.hub.is_dead() || self.hub.is_fenced();
        self.fenced
    }

    fn disarm_one_shot(&mut self, pe: PeNumber) {
        self.injector.disarm_one_shot(&self.port.io, pe);
    }

    fn clear_latched(&mut self) {
        let fir = self.port.io.read64(regs::LEM_FIR_ACCUM);
        // skiboot writes this to 0x40.
        self.raw_write(ROOT, STATUS, CfgWidth::Half, root_port::STATUS_ERRORS);
        root_port::clear_errors(self, self.pcie_cap);
        traps::clear(&self.port.io, fir);
        self.hub.forget_errors();
    }
}
