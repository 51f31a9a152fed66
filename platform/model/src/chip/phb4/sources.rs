//! The PHB4's interrupt sources: P and Q, the pages by which processors reach them, who may fire them.

use super::Phb4Chip;
use super::codec::{CONTROL, PAGES_64K, STORE_EOI};
use super::params::{LIST, MIST};
use crate::Refusal;
use crate::bits::{bit, field, place};
use crate::chip::{Chip, Refused};
use crate::engine::State;
use crate::engine::tables::PESTB;
use alloc::format;
use ioda::Rid;

const LSI_SOURCE: u16 = 0x100;
const NOTIFY: u16 = 0x300;
const NOTIFY_INDEX: u16 = 0x308;
/// In a source's page: end of interrupt, look at P and Q, set them.
const EOI: u64 = 0x000;
const STORED_EOI: u64 = 0x400;
const GET: u64 = 0x800;
const SET: u64 = 0xc00;
/// PESTA: the message's interrupt is wrong.
const INTERRUPT: u64 = bit(15);

impl<const PES: u16> State<Phb4Chip<PES>> {
    /// P and Q of a source, as two bits.
    fn pq(&self, source: u16) -> u64 {
        match source.checked_sub(Self::SOURCES - 8) {
            Some(wire) => field(self.tables.word(LIST, wire), 6, 7),
            None => quad(self.tables.word(MIST, source / 4), source) >> 14,
        }
    }

    fn set_pq(&mut self, source: u16, pq: u64) {
        let (table, index, at) = match source.checked_sub(Self::SOURCES - 8) {
            Some(wire) => (LIST, wire, 6),
            None => (MIST, source / 4, 16 * u32::from(source % 4)),
        };
        let word = self.tables.word(table, index) & !place(3, at, at + 1);
        self.tables
            .set(table, index, [word | place(pq, at, at + 1), 0]);
    }

    /// A source fires: from 00 on to 10, and it is told of; else Q is kept. 01 is off.
    fn trigger(&mut self, source: u16) {
        let (next, is_told) = match self.pq(source) {
            0b00 => (0b10, true),
            0b10 | 0b11 => (0b11, false),
            _ => (0b01, false),
        };
        self.set_pq(source, next);
        if is_told {
            self.notify(source);
        }
    }

    fn end(&mut self, source: u16) {
        let (next, is_told) = match self.pq(source) {
            0b00 | 0b10 => (0b00, false),
            0b11 => (0b10, true),
            _ => (0b01, false),
        };
        self.set_pq(source, next);
        if is_told {
            self.notify(source);
        }
    }

    /// What a store to the interrupt controller says: the source's number there. Server and priority are its own
    /// tables'.
    fn notify(&mut self, source: u16) {
        if self.reg(NOTIFY) == 0 {
            self.complain(|| format!("source {source:#x} fires and nobody is to be told"));
            return;
        }
        let index = self.reg(NOTIFY_INDEX);
        if index & (u64::from(Self::SOURCES) - 1) != 0 {
            self.complain(|| format!("the first source's number, {index:#x}, is not aligned"));
        }
        self.deliver(index | u64::from(source), 0, 0);
    }

    pub(super) fn take_message(
        &mut self,
        rid: Rid,
        number: u64,
        data: u32,
    ) -> Result<u16, Refused> {
        let pe = Phb4Chip::<PES>::endpoint(self, rid).map_err(Refused::quietly)?;
        if self.tables.is_stopped(PESTB, pe) {
            return Err(Refused::quietly(Refusal::Frozen));
        }
        let wrong = |why| Refused::blaming(why, pe, INTERRUPT);
        let number = number | u64::from(data & 0x1f);
        let source = u16::try_from(number)
            .ok()
            .filter(|source| *source < Self::SOURCES - 8)
            .ok_or(wrong(Refusal::NoMessage))?;
        if quad(self.tables.word(MIST, source / 4), source) & 0xfff != u64::from(pe) {
            return Err(wrong(Refusal::ForeignMessage));
        }
        self.trigger(source);
        Ok(pe)
    }

    pub(super) fn pull(&mut self, wire: u8) {
        let last = u64::from(Self::SOURCES - 1) >> 3;
        if field(self.reg(LSI_SOURCE), 4, 12) != last {
            self.complain(|| "a wire is pulled before its number is known".into());
            return;
        }
        self.trigger(Self::SOURCES - 8 + u16::from(wire & 7));
    }

    /// The source and the place in its page that `real` is.
    fn page(&mut self, real: u64) -> Option<(u16, u64)> {
        let base = self.nest(0x13) >> 8;
        let offset = real
            .checked_sub(base)
            .filter(|_| self.nest(0x14) & bit(3) != 0);
        let source = offset
            .and_then(|offset| u16::try_from(offset >> 16).ok())
            .filter(|source| *source < Self::SOURCES);
        if source.is_none() || self.reg(CONTROL) & PAGES_64K == 0 {
            self.complain(|| format!("no source has a page of 64 KiB at {real:#x}"));
            return None;
        }
        Some((source?, offset? & 0xfff))
    }

    pub(super) fn source_load(&mut self, real: u64) -> u64 {
        let Some((source, at)) = self.page(real) else {
            return u64::MAX;
        };
        let before = self.pq(source);
        match at {
            EOI => self.end(source),
            GET => {}
            SET.. => self.set_pq(source, at >> 8 & 3),
            _ => self.complain(|| format!("a load at {at:#x} of a source's page")),
        }
        before
    }

    pub(super) fn source_store(&mut self, real: u64) {
        let Some((source, at)) = self.page(real) else {
            return;
        };
        match at {
            EOI => self.trigger(source),
            STORED_EOI if self.reg(CONTROL) & STORE_EOI != 0 => self.end(source),
            SET.. => self.set_pq(source, at >> 8 & 3),
            _ => self.complain(|| format!("a store at {at:#x} of a source's page")),
        }
    }
}

/// The sixteen bits of a source in its entry: P, Q, two unused, its endpoint.
fn quad(word: u64, source: u16) -> u64 {
    word >> (48 - 16 * u32::from(source % 4)) & 0xffff
}
