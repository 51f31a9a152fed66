//! Errors: frozen endpoints, a fenced bridge, and clearing what was latched.

use crate::config::ROOT;
use crate::regs::{self, nest, table};
use crate::{PES, Phb3, RESERVED};
use ioda::driver::table::Table;
use ioda::{CfgOffset, CfgWidth, Event, Freeze, PeNumber, Pest, RegIo, XscomIo};

/// PESTA and PESTB, bit 0.
const STOPPED: u64 = regs::bit(0);

impl<R: RegIo, X: XscomIo> Phb3<R, X> {
    /// Whether the bridge has shut itself off; one that does not answer by XSCOM has.
    pub(crate) fn is_fenced(&mut self) -> bool {
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

    pub(crate) fn frozen(&mut self, pe: PeNumber) -> Freeze {
        if pe.0 >= PES || self.is_fenced() {
            return Freeze::all();
        }
        if !self.is_flagged(pe) {
            return Freeze::empty();
        }
        let mut state = Freeze::empty();
        for (what, table) in SIDES {
            let stopped = self.port.read_entry(table, pe.0) & STOPPED != 0;
            state.set(what, stopped);
        }
        state
    }

    /// The summary bit of `pe`.
    fn is_flagged(&self, pe: PeNumber) -> bool {
        self.port.read_entry(table::PEEV, pe.0 / 64) & regs::bit(u32::from(pe.0 % 64)) != 0
    }

    pub(crate) fn set_frozen(&mut self, pe: PeNumber, what: Freeze) {
        for (side, table) in SIDES {
            if what.contains(side) {
                self.port.write_entry(table, pe.0, STOPPED);
            }
        }
    }

    pub(crate) fn clear_frozen(&mut self, pe: PeNumber, what: Freeze) {
        self.disarm_one_shot(pe);
        if self.port.io.read64(regs::ETU_ERR_SUMMARY) != 0 {
            self.clear_latched();
        }
        for (side, table) in SIDES {
            if what.contains(side) {
                self.port.write_entry(table, pe.0, 0);
            }
        }
    }

    /// The detail is in memory, what is stopped on the chip.
    pub(crate) fn read_pest(&mut self, pe: PeNumber) -> Pest {
        let state = self.frozen(pe);
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
            Ok(nfir) if nfir & nest::NFIR_DEAD != 0 => return Some(Event::Dead),
            Ok(_) => {}
        }
        if self.is_fenced() {
            return Some(Event::Fenced);
        }
        let frozen = (0..PES / 64).find_map(|word| {
            let flags = self.port.read_entry(table::PEEV, word);
            let first = u16::try_from(flags.leading_zeros()).ok()?;
            (flags != 0).then_some(PeNumber(word.saturating_mul(64).saturating_add(first)))
        });
        if let Some(pe) = frozen {
            return Some(Event::Frozen(pe));
        }
        match self.port.io.read64(regs::LEM_FIR_ACCUM) {
            0 => None,
            fir => Some(Event::Info(fir)),
        }
    }

    /// Clears every latched error, without unmasking any (skiboot, `phb3_err_ER_clear`).
    pub(crate) fn clear_latched(&mut self) {
        let io = &self.port.io;
        let fir = io.read64(regs::LEM_FIR_ACCUM);
        self.clear_root_port_errors();
        let io = &self.port.io;
        for reg in [
            regs::UTL_SYS_BUS_AGENT_STATUS,
            regs::UTL_PCIE_PORT_STATUS,
            regs::UTL_RC_STATUS,
        ] {
            io.write64(reg, io.read64(reg));
        }
        for block in &regs::TRAPS {
            io.write64(block.status, io.read64(block.status));
            for reg in [block.first, block.logs[0], block.logs[1]] {
                io.write64(reg, 0);
            }
        }
        io.write64(regs::LEM_FIR_AND_MASK, !fir);
        io.write64(regs::LEM_WOF, 0);
    }

    pub(crate) fn clear_root_port_errors(&mut self) {
        // Secondary status, then the device status of the PCI Express capability: both by writing ones.
        self.raw_write(ROOT, CfgOffset::at(0x1e), CfgWidth::Half, 0xf900);
        if let Some(status) = self.pcie_cap.and_then(|cap| cap.plus(0xa)) {
            self.raw_write(ROOT, status, CfgWidth::Half, 0xf);
        }
        for status in AER_STATUS {
            self.raw_write(ROOT, status, CfgWidth::Word, u32::MAX);
        }
    }

    /// Thaws the endpoint of functions that nobody owns: asking for one that is not there freezes it.
    pub(crate) fn thaw_reserved(&mut self) {
        if self.is_flagged(RESERVED) {
            self.clear_frozen(RESERVED, Freeze::all());
        }
    }
}

/// What can be stopped, and the table that says so.
const SIDES: [(Freeze, Table); 2] = [(Freeze::MMIO, table::PEST_A), (Freeze::DMA, table::PEST_B)];

/// The root port's error registers that clear by ones: uncorrectable, correctable, root.
const AER_STATUS: [CfgOffset; 3] = [
    CfgOffset::at(0x104),
    CfgOffset::at(0x110),
    CfgOffset::at(0x130),
];
