//! What a driver may do by the bridge's own registers: those that all chips have, and tables behind an index.

use super::errors::{FIR, FIR_AND, FIR_OR, INJECT};
use super::tables::{Kind, PESTA, PESTB};
use super::{Change, State, tables};
use crate::bits::{bit, field};
use crate::chip::{Chip, How};
use alloc::format;

const IODA_ADDR: u16 = 0x220;
const IODA_DATA0: u16 = 0x228;
const IODA_DATA1: u16 = 0x230;
const TCE_KILL: u16 = 0x210;
const ERROR_SUMMARY: u16 = 0x2c8;

impl<C: Chip> State<C> {
    /// A load of a register, by a path that reaches it.
    pub(crate) fn read(&mut self, at: u16) -> u64 {
        self.check_link_layer(at);
        if let Some(value) = C::read(self, at) {
            return value;
        }
        match (at, self.regs.how(at)) {
            (IODA_DATA0, _) => self.table_read(0),
            (IODA_DATA1, Some(_)) => self.table_read(1),
            (ERROR_SUMMARY, _) => self.error_summary(),
            (_, Some(How::Plain | How::ReadOnly | How::OnesClear)) => self.reg(at),
            (_, Some(How::Unknown)) => {
                self.complain(|| format!("nobody knows what register {at:#x} holds"));
                u64::MAX
            }
            (_, None) => {
                self.complain(|| format!("there is no register {at:#x} to load"));
                u64::MAX
            }
        }
    }

    /// A store to a register, by a path that reaches it.
    pub(crate) fn write(&mut self, at: u16, value: u64) {
        self.check_link_layer(at);
        if C::write(self, at, value) {
            return;
        }
        match (at, self.regs.how(at)) {
            (IODA_ADDR, _) => {
                self.regs.set(at, value);
                self.second = None;
            }
            (IODA_DATA0, _) => self.table_write(value),
            (IODA_DATA1, Some(_)) => self.second = Some(value),
            (TCE_KILL, _) => C::kill(self, value),
            (INJECT, _) => self.arm(value),
            (FIR_AND, _) => self.regs.set(FIR, self.reg(FIR) & value),
            (FIR_OR, _) => self.latch_fir(value),
            (_, Some(How::Plain)) => self.regs.set(at, value),
            (_, Some(How::OnesClear)) => self.regs.set(at, self.reg(at) & !value),
            (_, Some(How::ReadOnly)) => {
                self.complain(|| format!("register {at:#x} is read-only"));
            }
            (_, Some(How::Unknown)) => {
                self.complain(|| format!("nobody knows what register {at:#x} does"));
            }
            (_, None) => self.complain(|| format!("there is no register {at:#x} to store to")),
        }
    }

    fn check_link_layer(&mut self, at: u16) {
        if C::PARAMS.link_registers.contains(&at) && self.link.layer_looks != 0 {
            self.complain(|| {
                format!("register {at:#x} is touched while the link layer is in reset")
            });
        }
    }

    /// The entry that the index register points to: table, index, shape. Steps it if it is set to.
    fn selected(&mut self) -> Option<(u8, u16, &'static tables::Shape)> {
        let select = self.reg(IODA_ADDR);
        let table = field(select, 11, 15) as u8;
        let bits = C::PARAMS.index_bits;
        let index = field(select, bits, 63) as u16;
        let Some(shape) = self.tables.shape(table) else {
            self.complain(|| format!("table {table}, of which nothing is known"));
            return None;
        };
        if shape.kind == Kind::Unknown {
            self.complain(|| format!("table {table}, of whose entries nothing is known"));
            return None;
        }
        if index >= shape.entries {
            self.complain(|| format!("table {table} has no entry {index}"));
            return None;
        }
        if select & bit(0) != 0 {
            let mask = field(u64::MAX, bits, 63);
            let next = u64::from(index).wrapping_add(1) & mask;
            self.regs.set(IODA_ADDR, select & !mask | next);
        }
        Some((table, index, shape))
    }

    fn table_read(&mut self, word: usize) -> u64 {
        let Some((table, index, shape)) = self.selected() else {
            return u64::MAX;
        };
        if word >= usize::from(shape.words) {
            self.complain(|| format!("table {table} has no second word"));
            return u64::MAX;
        }
        let entry = self.tables.get(table, index);
        entry
            .and_then(|entry| entry.get(word).copied())
            .unwrap_or(u64::MAX)
    }

    fn table_write(&mut self, first: u64) {
        let second = self.second.take();
        let Some((table, index, shape)) = self.selected() else {
            return;
        };
        let words = shape.words;
        if (words == 2) != second.is_some() {
            self.complain(|| {
                format!("table {table} has {words} words an entry, and not so many came")
            });
        }
        let entry = [first, second.unwrap_or(0)];
        if let Some(why) = C::objection(self, table, index, entry) {
            self.complain(|| format!("entry {index} of table {table}, {entry:#x?}: {why}"));
        }
        let is_derived = matches!(shape.kind, Kind::Summary | Kind::Clearable);
        if is_derived && first != 0 {
            self.complain(|| format!("table {table} is the chip's own, to be cleared at most"));
        }
        let is_side = table == PESTA || table == PESTB;
        if is_side && self.tables.is_stopped(table, index) && first & bit(0) == 0 {
            self.check_thaw(index);
        }
        let entry = C::compose(self, table, index, entry);
        self.tables.set(table, index, entry);
        self.tell_below(Change::Entry(table.into(), index.into()));
    }
}
