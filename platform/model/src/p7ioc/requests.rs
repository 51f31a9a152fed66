//! What comes through the bridge: MMIO, DMA, messages, interrupts.

use super::tables::{IODT, LXIVT, M32DT, M64BT, M64DT, MVT, MXIVT, Match, PESTA, PESTB, TVT};
use super::{P7ioc, State, bit, field};
use crate::{Delivery, Refusal};
use alloc::format;
use ioda::{MmioIo, Rid};

/// A place in an MMIO window.
pub(super) struct Place {
    pub(super) pe: u16,
    pci: u64,
}

impl State {
    pub(super) fn is_off(&self) -> bool {
        self.is_dead() || self.is_fenced() || self.is_held()
    }

    /// One access; `permission` is 1 to read, 2 to write.
    pub(super) fn dma(&mut self, rid: Rid, address: u64, permission: u64) -> Result<u64, Refusal> {
        if self.is_off() {
            return Err(Refusal::Off);
        }
        let cause = if permission == 1 { 2 << 56 } else { 0 } | u64::from(rid.0) << 16;
        let sorted = self.tables.endpoint(rid);
        // Which entry a 64-bit address chooses is not known: nobody may count on it.
        let index = (address >> 28) as usize;
        if address >> 32 != 0 {
            self.freeze(sorted, cause | bit(17), address);
            return Err(Refusal::NoWindow);
        }
        let [first, second] = self.tables.word2(TVT, index);
        let size = field(first, 51, 55);
        if size == 0 || field(second, 19, 23) == 0 {
            self.freeze(sorted, cause | bit(17), address);
            return Err(Refusal::NoWindow);
        }
        let filter = Match {
            bus_valid: field(first, 48, 50),
            bus: field(first, 56, 63),
            device: (second & bit(2) != 0).then(|| field(second, 3, 7)),
            function: (second & bit(12) != 0).then(|| field(second, 13, 15)),
        };
        if !filter.takes(rid) {
            self.freeze(sorted, cause | bit(17), address);
            return Err(Refusal::ForeignWindow);
        }
        let pe = field(second, 57, 63) as u16;
        if self.tables.is_stopped(PESTB, pe) {
            return Err(Refusal::Frozen);
        }
        let offset = address & 0x0fff_ffff;
        let result = if offset >> (size + 26) != 0 {
            Err(Refusal::Bounds)
        } else {
            self.translate(field(first, 0, 47) << 12, offset, permission)
        };
        if let Err(fault) = result {
            let detail = match fault {
                Refusal::Permission => bit(19),
                _ => bit(18),
            };
            self.freeze(pe, cause | detail, address);
        }
        result
    }

    fn translate(&mut self, table: u64, offset: u64, permission: u64) -> Result<u64, Refusal> {
        let real = table + 8 * (offset >> 12);
        let pair = match self.tce_cache.get(&(real & !0xf)) {
            Some(pair) => *pair,
            None => {
                let load = |at| self.memory.load(at, 8).ok_or(Refusal::NoWindow);
                let pair = [load(real & !0xf)?, load(real | 8)?];
                self.tce_cache.insert(real & !0xf, pair);
                pair
            }
        };
        let tce = pair[(real >> 3 & 1) as usize];
        if tce & permission == 0 {
            return Err(Refusal::Permission);
        }
        Ok(tce & !0xfff | offset & 0xfff)
    }

    pub(super) fn message(&mut self, rid: Rid, address: u64, data: u32) -> Result<(), Refusal> {
        let Some(entry) = self.message_entry(address) else {
            return self.dma(rid, address, 2).map(|_| ());
        };
        match self.sort_message(rid, entry, data) {
            Ok((_, route)) => {
                let buid = field(self.reg(0x100), 23, 31);
                if buid & 0xf != 0 {
                    self.complain(format!("source number {buid:#x} is not a multiple of 16"));
                }
                self.deliver(buid, data, route);
                Ok(())
            }
            Err((refusal, blamed)) => {
                if let Some(pe) = blamed {
                    let cause = 1 << 56 | u64::from(rid.0) << 16 | u64::from(data & 0xffff);
                    self.freeze(pe, cause, address);
                }
                Err(refusal)
            }
        }
    }

    /// The entry that a write to `address` names, if it is a message.
    pub(super) fn message_entry(&self, address: u64) -> Option<u64> {
        let config = self.reg(0x160);
        if address >> 16 == 0xffff && config & bit(8) != 0 {
            Some(address >> 4 & 0xfff)
        } else if address >> 60 == 9 && config & bit(14) != 0 {
            Some(address >> 48 & 0xfff)
        } else {
            None
        }
    }

    /// The endpoint and the route of a message; or why there is none and who is frozen for it.
    pub(super) fn sort_message(
        &self,
        rid: Rid,
        entry: u64,
        data: u32,
    ) -> Result<(u16, u64), (Refusal, Option<u16>)> {
        if self.is_off() {
            return Err((Refusal::Off, None));
        }
        let sorted = self.tables.endpoint(rid);
        let mve = if entry < 256 {
            self.tables.word(MVT, entry as usize)
        } else {
            0
        };
        let filter = Match {
            bus_valid: field(mve, 21, 23),
            bus: field(mve, 24, 31),
            device: (mve & bit(50) != 0).then(|| field(mve, 51, 55)),
            function: (mve & bit(60) != 0).then(|| field(mve, 61, 63)),
        };
        if mve & bit(0) == 0 {
            return Err((Refusal::NoEntry, Some(sorted)));
        }
        if !filter.takes(rid) {
            return Err((Refusal::ForeignEntry, Some(sorted)));
        }
        let pe = field(mve, 41, 47) as u16;
        if self.tables.is_stopped(PESTB, pe) {
            return Err((Refusal::Frozen, None));
        }
        if data >= 256 {
            return Err((Refusal::NoMessage, Some(pe)));
        }
        let route = self.tables.word(MXIVT, data as usize);
        if field(route, 41, 47) == u64::from(pe) {
            Ok((pe, route))
        } else {
            Err((Refusal::ForeignMessage, Some(pe)))
        }
    }

    pub(super) fn level(&mut self, wire: u8) {
        let route = self.tables.word(LXIVT, usize::from(wire & 7));
        let buid = field(self.reg(0x100), 7, 15);
        self.deliver(buid, (wire & 7).into(), route);
    }

    /// Presents an interrupt, unless it is masked. What becomes of it then is not known.
    fn deliver(&mut self, buid: u64, level: u32, route: u64) {
        let (server, priority) = (field(route, 8, 23), field(route, 24, 31));
        if server == 0 && priority == 0xff {
            return;
        }
        let buid = buid + u64::from(level >> 4);
        if !self.answers_interrupts(buid) {
            self.complain(format!("answers to source {buid:#x} do not come back"));
        }
        let linked = server << 3 | priority >> 5;
        let irq = (u64::from(P7ioc::BUID_EXT) << 9 | buid) << 4 | u64::from(level & 0xf);
        self.deliveries.push(Delivery {
            irq: irq as u32,
            server: (linked >> 2) as u32,
            priority: ((priority & 0x1f) << 3) as u8,
        });
    }

    /// Where real address `real` leads.
    pub(super) fn window(&self, real: u64) -> Option<Place> {
        let config = self.reg(0x160);
        let m64 = (0..16).find_map(|window| {
            let entry = self.tables.word(M64BT, window);
            let bytes = (0x100_0000 - field(entry, 40, 63)) << 24;
            let offset = real.checked_sub(field(entry, 8, 31) << 24)?;
            if entry & bit(0) == 0 || offset >= bytes {
                return None;
            }
            let segment = window * 8 + (offset / (bytes / 8)) as usize;
            let pe = field(self.tables.word(M64DT, segment), 0, 6) as u16;
            Some(Place { pe, pci: real })
        });
        let equal = |base: u16, table: u64, enable: u64| {
            let bytes = self.reg(base + 8).wrapping_neg();
            let offset = real.checked_sub(self.reg(base))?;
            if config & enable == 0 || offset >= bytes {
                return None;
            }
            let segment = (offset / (bytes / 128)) as usize;
            let pe = field(self.tables.word(table, segment), 0, 6) as u16;
            let pci = self.reg(base + 16) + offset;
            Some(Place { pe, pci })
        };
        m64.or_else(|| equal(0x190, M32DT, bit(16)))
            .or_else(|| equal(0x170, IODT, bit(12)))
    }

    /// A load, or with a value a store, of a processor.
    fn mmio(&mut self, real: u64, value: Option<u32>) -> u32 {
        let place = if self.reaches_bridge(real) {
            self.window(real)
        } else {
            None
        };
        let Some(Place { pe, pci }) = place else {
            self.complain(format!("nothing answers at {real:#x}"));
            return u32::MAX;
        };
        if self.is_off() || self.tables.is_stopped(PESTA, pe) {
            return u32::MAX;
        }
        let Some((index, bar, offset)) = self.fabric.claim(pci) else {
            let kind = if value.is_some() { 5 } else { 4 };
            self.freeze(pe, bit(2) | kind << 56 | bit(9), pci);
            return u32::MAX;
        };
        let device = self.fabric.device_mut(index);
        match value {
            Some(value) => device.store(bar, offset, value),
            None => return device.load(bar, offset),
        }
        0
    }
}

impl MmioIo for P7ioc {
    fn read32(&self, real: u64) -> u32 {
        self.state.lock().mmio(real, None)
    }
    fn write32(&self, real: u64, value: u32) {
        self.state.lock().mmio(real, Some(value));
    }
}
