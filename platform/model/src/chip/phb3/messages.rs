//! The PHB3's interrupts: the vector table in memory, its cache on the chip, P and Q.

use super::Phb3Chip;
use super::codec::{IVT_BAR, LSI_SOURCE};
use crate::bits::{bit, field};
use crate::chip::{Chip, Refused};
use crate::engine::State;
use crate::engine::tables::{LXIVT, PESTB};
use crate::{Act, Refusal};
use alloc::format;
use arrayvec::ArrayVec;
use ioda::Rid;

const MSIS: u16 = 0x7f8;
const MASKED: u8 = 0xff;
/// As many as the chip's own cache has.
const ENTRIES: usize = 32;
/// PESTA: the message's interrupt is wrong.
const INTERRUPT: u64 = bit(15);

/// An entry of the interrupt vector table, as the bridge has cached it.
#[derive(Clone, Copy)]
pub(super) struct Ive {
    server: u32,
    priority: u8,
    generation: u8,
    p: bool,
    q: bool,
    pe: u16,
}

pub(super) enum Ambush {
    Evict(u16),
    Message(Rid, u64, u32),
}

/// The cache; the oldest goes first.
pub(super) struct Entries(ArrayVec<(u16, Ive), ENTRIES>);

impl Entries {
    pub(super) fn new() -> Self {
        Self(ArrayVec::new())
    }

    fn get(&mut self, msi: u16) -> Option<&mut Ive> {
        let found = self.0.iter_mut().find(|(number, _)| *number == msi);
        found.map(|(_, ive)| ive)
    }

    fn set(&mut self, msi: u16, ive: Ive) {
        if let Some(kept) = self.get(msi) {
            *kept = ive;
            return;
        }
        if self.0.is_full() {
            self.0.remove(0);
        }
        let _ = self.0.try_push((msi, ive));
    }

    pub(super) fn remove(&mut self, msi: u16) {
        self.0.retain(|(number, _)| *number != msi);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl State<Phb3Chip> {
    /// The number of a message's interrupt: address bits and the low bits of the data.
    pub(super) fn take_message(
        &mut self,
        rid: Rid,
        number: u64,
        data: u32,
    ) -> Result<u16, Refused> {
        let pe = Phb3Chip::endpoint(self, rid).map_err(Refused::quietly)?;
        if self.tables.is_stopped(PESTB, pe) {
            return Err(Refused::quietly(Refusal::Frozen));
        }
        let wrong = |why| Refused::blaming(why, pe, INTERRUPT);
        let number = number | u64::from(data & 0x1f);
        let msi = u16::try_from(number)
            .ok()
            .filter(|number| *number < MSIS)
            .ok_or(wrong(Refusal::NoMessage))?;
        let ive = self.ive(msi).ok_or(wrong(Refusal::NoMessage))?;
        if ive.pe != pe {
            return Err(wrong(Refusal::ForeignMessage));
        }
        self.edge(msi, ive);
        Ok(pe)
    }

    fn edge(&mut self, msi: u16, mut ive: Ive) {
        if ive.priority == MASKED || ive.p {
            ive.q = true;
        } else {
            ive.p = true;
            self.present(msi.into(), ive.server >> 2, ive.priority);
        }
        self.write_ive(msi, ive);
    }

    /// `FFI_REQUEST`: sends an interrupt again, whoever asked.
    pub(super) fn force(&mut self, value: u64) {
        if !self.chip.ffi_locked {
            self.complain(|| format!("an interrupt is forced without the lock: {value:#x}"));
        }
        self.chip.ffi_locked &= value & bit(3) == 0;
        let msi = field(value, 49, 59) as u16;
        if let Some(ive) = self.ive(msi) {
            self.edge(msi, ive);
        }
    }

    pub(super) fn pull(&mut self, wire: u8) {
        let entry = self.tables.word(LXIVT, (wire & 7).into());
        let priority = field(entry, 24, 31) as u8;
        if priority != MASKED {
            let first = field(self.reg(LSI_SOURCE), 5, 12) << 3;
            let server = field(entry, 8, 23) as u32 >> 2;
            self.present(first | u64::from(wire & 7), server, priority);
        }
    }

    fn present(&mut self, source: u64, server: u32, priority: u8) {
        // The numbers come from the PowerBus side, and only when both sides agree where the LSIs are.
        let local = field(self.reg(LSI_SOURCE), 5, 12);
        let nest = |reg| self.chip.nest.get(&reg).copied().unwrap_or(0);
        let global = field(nest(0x1f), 0, 7);
        let base = nest(0x1a) >> 45;
        if local != global || base != u64::from(self.chip.irq_base) {
            self.complain(|| format!("interrupt {source:#x} is raised before its number is known"));
            return;
        }
        self.deliver(base.wrapping_add(source), server.into(), priority);
    }

    /// The entry of `msi`, from the cache if it is there.
    fn ive(&mut self, msi: u16) -> Option<Ive> {
        if let Some(ive) = self.chip.entries.get(msi) {
            return Some(*ive);
        }
        let word = self.memory.load64(self.ive_address(msi)?)?;
        let ive = Ive {
            server: field(word, 0, 23) as u32,
            priority: field(word, 24, 31) as u8,
            generation: field(word, 37, 38) as u8,
            p: word & bit(39) != 0,
            q: word & bit(47) != 0,
            pe: field(word, 48, 63) as u16,
        };
        self.chip.entries.set(msi, ive);
        Some(ive)
    }

    fn ive_address(&self, msi: u16) -> Option<u64> {
        let bar = self.table(IVT_BAR)?;
        let stride = if self.reg(0x810) & bit(24) != 0 {
            128
        } else {
            16
        };
        let is_there = u64::from(msi) < self.reg(IVT_BAR) & 0xfff;
        is_there.then(|| bar.wrapping_add(u64::from(msi).wrapping_mul(stride)))
    }

    /// Puts P and Q in the cache and in memory, byte by byte as the chip does.
    fn write_ive(&mut self, msi: u16, ive: Ive) {
        self.chip.entries.set(msi, ive);
        if let Some(at) = self.ive_address(msi) {
            let generation = u64::from(ive.generation << 1 | u8::from(ive.p));
            self.memory.store(at.wrapping_add(4), 1, generation);
            self.memory.store(at.wrapping_add(5), 1, ive.q.into());
        }
    }

    /// `IVC_UPDATE`: changes the cached copy alone.
    pub(super) fn update_ivc(&mut self, value: u64) {
        for ambush in core::mem::take(&mut self.chip.ambush) {
            match ambush {
                Ambush::Evict(msi) => self.chip.entries.remove(msi),
                Ambush::Message(rid, address, data) => {
                    self.play(rid, Act::Message { address, data });
                }
            }
        }
        let sid = field(value, 48, 63) as u16;
        let Some(ive) = self.chip.entries.get(sid) else {
            return;
        };
        if value & bit(5) != 0 && u64::from(ive.generation) != field(value, 6, 7) {
            return;
        }
        if value & bit(0) != 0 {
            ive.p = value & bit(34) != 0;
        }
        if value & bit(1) != 0 {
            ive.q = value & bit(35) != 0;
        }
        if value & bit(2) != 0 {
            ive.server = field(value, 8, 23) as u32;
        }
        if value & bit(3) != 0 {
            ive.priority = field(value, 24, 31) as u8;
        }
        if value & bit(4) != 0 {
            ive.generation = field(value, 32, 33) as u8;
        }
    }
}
