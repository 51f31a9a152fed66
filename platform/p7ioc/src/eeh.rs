//! Errors: frozen endpoints, a fenced bridge, a dead hub, and clearing what was latched.

use crate::config::ROOT;
use crate::regs::{self, fir, table};
use crate::{PES, Phb, RESERVED};
use ioda::driver::table::Table;
use ioda::{CfgOffset, CfgWidth, Event, Freeze, PeNumber, Pest, RegIo};

/// PESTA and PESTB, bit 0.
const STOPPED: u64 = regs::bit(0);
const AER_UNCORRECTABLE: CfgOffset = CfgOffset::at(0x104);
const MALFORMED: u32 = 1 << 18;

impl<R: RegIo> Phb<R> {
    /// Whether the bridge has shut itself off, or the hub has gone with all six.
    pub(crate) fn is_fenced(&mut self) -> bool {
        self.fenced |= self.hub.is_dead() || self.hub.is_fenced();
        self.fenced
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

    /// Keeps the detail that is there.
    pub(crate) fn set_frozen(&mut self, pe: PeNumber, what: Freeze) {
        for (side, table) in SIDES {
            if what.contains(side) {
                let entry = self.port.read_entry(table, pe.0);
                self.port.write_entry(table, pe.0, entry | STOPPED);
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
        let frozen = (0..PES / 64).find_map(|word| {
            let flags = self.port.read_entry(table::PEEV, word);
            let first = u16::try_from(flags.leading_zeros()).ok()?;
            (flags != 0).then_some(PeNumber(word.saturating_mul(64).saturating_add(first)))
        });
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
    pub(crate) fn has_malformed(&self, latched: u64) -> bool {
        latched != u64::MAX
            && latched & fir::MALFORMED != 0
            && self.raw_read(ROOT, AER_UNCORRECTABLE, CfgWidth::Word) & MALFORMED != 0
    }

    /// Clears every latched error, without unmasking any.
    pub(crate) fn clear_latched(&mut self) {
        let fir = self.port.io.read64(regs::LEM_FIR_ACCUM);
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
        self.hub.forget_errors();
    }

    pub(crate) fn clear_root_port_errors(&mut self) {
        // Status (which skiboot writes to 0x40), secondary status, the device status of the PCI Express
        // capability: all by writing ones.
        self.raw_write(ROOT, CfgOffset::at(0x06), CfgWidth::Half, 0xf900);
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
    AER_UNCORRECTABLE,
    CfgOffset::at(0x110),
    CfgOffset::at(0x130),
];
