//! What devices send: DMA, messages, errors.

use super::errors::{FIR_INFO, FIR_MALFORMED, Target};
use super::tables::PESTB;
use super::{Error, Operation, State};
use crate::Refusal;
use crate::bits::bit;
use crate::chip::{Aim, Caching, Chip, Refused, Tve};
use crate::fabric::RootError;
use crate::request::{Act, Outcome, Reached, Severity};
use ioda::{PeNumber, Rid};

/// What a DMA does to memory; the permission of a TCE that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Access {
    const fn permission(self) -> u64 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
        }
    }
    const fn operation(self) -> Operation {
        match self {
            Self::Read => Operation::DmaRead,
            Self::Write => Operation::DmaWrite,
        }
    }
}

/// PESTA: a table entry does not exist, does not permit.
pub(crate) const PAGE_FAULT: u64 = bit(18);
pub(crate) const ACCESS_FAULT: u64 = bit(19);
/// PESTA: completer abort, unsupported request, by message: not fatal, fatal; size.
pub(crate) const ABORT: u64 = bit(8);
pub(crate) const UNSUPPORTED: u64 = bit(9);
const NON_FATAL: u64 = bit(10);
const FATAL: u64 = bit(11);
const SIZE: u64 = bit(21);

impl<C: Chip> State<C> {
    /// A request under `rid` arrives at the bridge.
    pub(crate) fn play(&mut self, rid: Rid, act: Act) -> Outcome {
        let heard = match act {
            Act::Read(address) => self.dma(rid, address, Access::Read),
            Act::Write(address) => self.write_or_message(rid, address, 0),
            Act::Message { address, data } => self.write_or_message(rid, address, data),
            Act::Malformed | Act::BadSize(_) | Act::Unsupported => self.misbehave(rid, act),
            Act::Error(severity) => self.error_message(rid, severity),
        };
        let (pe, result) = match heard {
            Ok((pe, reached)) => (Some(pe), Ok(reached)),
            Err((pe, refusal)) => (pe, Err(refusal)),
        };
        Outcome {
            rid,
            act,
            pe: pe.map(PeNumber),
            result,
        }
    }

    fn write_or_message(&mut self, rid: Rid, address: u64, data: u32) -> Heard {
        match C::aim(self, address) {
            Aim::Memory => self.dma(rid, address, Access::Write),
            Aim::Message(aim) => self.message(rid, address, aim, data),
        }
    }

    fn dma(&mut self, rid: Rid, address: u64, access: Access) -> Heard {
        if self.is_off() {
            return Err((None, Refusal::Off));
        }
        let error = Error {
            operation: access.operation(),
            detail: 0,
            rid,
            data: 0,
            address,
        };
        let choice =
            C::choose(self, rid, address).map_err(|refused| self.punish(refused, &error))?;
        let pe = choice.pe;
        if self.tables.is_stopped(PESTB, pe) {
            return Err((Some(pe), Refusal::Frozen));
        }
        let target = Target::Dma(u64::from(choice.window), address);
        let refused = if self.injected(target, access == Access::Read) {
            Refused::blaming(Refusal::Injected, pe, ABORT)
        } else {
            match C::window(self, choice, address) {
                None => Refused::blaming(Refusal::NoWindow, pe, C::PARAMS.no_window),
                Some(window) => match self.translate(pe, address, &window, access) {
                    Ok(real) => return Ok((pe, Reached::Memory(real))),
                    Err((why, detail)) => Refused::blaming(why, pe, detail),
                },
            }
        };
        Err(self.punish(refused, &error))
    }

    fn message(&mut self, rid: Rid, address: u64, aim: u64, data: u32) -> Heard {
        if self.is_off() {
            return Err((None, Refusal::Off));
        }
        let error = Error {
            operation: Operation::Message,
            detail: 0,
            rid,
            data,
            address,
        };
        match C::message(self, rid, aim, data) {
            Ok(pe) => Ok((pe, Reached::Interrupt)),
            Err(refused) => Err(self.punish(refused, &error)),
        }
    }

    /// Stops whoever a refusal blames.
    fn punish(&mut self, refused: Refused, error: &Error) -> (Option<u16>, Refusal) {
        if let Some(pe) = refused.blame {
            let detail = refused.detail;
            self.fail(pe, &Error { detail, ..*error });
        }
        (refused.blame, refused.why)
    }

    fn translate(
        &mut self,
        pe: u16,
        address: u64,
        window: &Tve,
        access: Access,
    ) -> Result<u64, (Refusal, u64)> {
        let page = window.offset >> window.page_shift;
        let bits = window.levels.saturating_mul(window.entries_shift);
        if bits < 64 && page >> bits != 0 {
            return Err((Refusal::Bounds, PAGE_FAULT));
        }
        let tce = match C::PARAMS.caching {
            Caching::Pairs => self.paired_tce(window, page)?,
            Caching::Pages => {
                let key = address >> window.page_shift << window.page_shift;
                match self.tces.get(pe, key) {
                    Some([tce, _]) => tce,
                    None => {
                        let tce = self.walk(window, page)?;
                        self.tces.set(pe, key, [tce, 0]);
                        tce
                    }
                }
            }
        };
        if tce & access.permission() == 0 {
            let detail = if tce & 3 == 0 {
                PAGE_FAULT
            } else {
                ACCESS_FAULT
            };
            return Err((Refusal::Permission, detail));
        }
        let offset = window.offset & !(u64::MAX << window.page_shift);
        Ok(tce >> window.page_shift << window.page_shift | offset)
    }

    /// One level, two entries at a time.
    fn paired_tce(&mut self, window: &Tve, page: u64) -> Result<u64, (Refusal, u64)> {
        let real = window.table.wrapping_add(page << 3);
        let key = real & !0xf;
        let pair = match self.tces.get(0, key) {
            Some(pair) => pair,
            None => {
                let load = |at| self.memory.load64(at);
                let (first, second) = load(key)
                    .zip(load(key | 8))
                    .ok_or((Refusal::NoTable, PAGE_FAULT))?;
                self.tces.set(0, key, [first, second]);
                [first, second]
            }
        };
        let [first, second] = pair;
        Ok(if real & 8 == 0 { first } else { second })
    }

    /// Down the levels of a window's tables.
    fn walk(&self, window: &Tve, page: u64) -> Result<u64, (Refusal, u64)> {
        let mask = !(u64::MAX << window.entries_shift);
        let mut table = window.table;
        for level in (0..window.levels).rev() {
            // With many levels of large tables the upper ones have no bits left.
            let shift = level.wrapping_mul(window.entries_shift);
            let index = page.checked_shr(shift).unwrap_or(0) & mask;
            let entry = self
                .memory
                .load64(table.wrapping_add(index << 3))
                .ok_or((Refusal::NoTable, PAGE_FAULT))?;
            if level == 0 {
                return Ok(entry);
            }
            if entry & 3 == 0 {
                return Err((Refusal::Permission, PAGE_FAULT));
            }
            table = entry & !0xfff;
        }
        Err((Refusal::NoWindow, PAGE_FAULT))
    }

    /// A request that is none.
    fn misbehave(&mut self, rid: Rid, act: Act) -> Heard {
        if self.is_off() {
            return Err((None, Refusal::Off));
        }
        let (why, detail, address) = match act {
            Act::Malformed => {
                self.fabric.root_error(RootError::Malformed);
                self.latch_fir(FIR_MALFORMED);
                (Refusal::Malformed, FATAL, 0)
            }
            Act::BadSize(address) => (Refusal::Size, SIZE, address),
            _ => (Refusal::Unsupported, UNSUPPORTED, 0),
        };
        let pe = C::endpoint(self, rid).map_err(|why| (None, why))?;
        self.fail(
            pe,
            &Error {
                operation: Operation::Inbound,
                detail,
                rid,
                data: 0,
                address,
            },
        );
        Err((Some(pe), why))
    }

    /// A device tells of an error of its own.
    pub(crate) fn error_message(&mut self, rid: Rid, severity: Severity) -> Heard {
        if self.is_off() {
            return Err((None, Refusal::Off));
        }
        let pe = C::endpoint(self, rid).map_err(|why| (None, why))?;
        let detail = match severity {
            Severity::Correctable => {
                self.fabric.root_error(RootError::Correctable);
                self.latch_fir(bit(FIR_INFO));
                return Ok((pe, Reached::Noted));
            }
            Severity::NonFatal => NON_FATAL,
            Severity::Fatal => FATAL,
        };
        self.fabric.root_error(RootError::Uncorrectable);
        self.fail(
            pe,
            &Error {
                operation: Operation::Inbound,
                detail,
                rid,
                data: 0,
                address: 0,
            },
        );
        Ok((pe, Reached::Noted))
    }
}

/// Whose a request was and what became of it.
pub(crate) type Heard = Result<(u16, Reached), (Option<u16>, Refusal)>;
