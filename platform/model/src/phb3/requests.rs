//! What comes through the bridge: MMIO, DMA, messages, interrupts.

use super::{Ambush, CachedIve, MASKED, MSIS, PES, State, bit, field};
use crate::{Delivery, Refusal};
use alloc::format;
use ioda::Rid;

impl State {
    /// The endpoint of `rid`, from the cache if it is there.
    pub(super) fn endpoint(&mut self, rid: Rid) -> Result<u16, Refusal> {
        if self.is_fenced() || self.is_held() {
            return Err(Refusal::Off);
        }
        if let Some(pe) = self.rtt_cache.get(&rid.0) {
            return Ok(*pe);
        }
        let rtt = self.table(0x168).ok_or(Refusal::NoEndpoint)?;
        let entry = self
            .memory
            .load(rtt + 2 * u64::from(rid.0), 2)
            .ok_or(Refusal::NoEndpoint)?;
        let pe = entry as u16;
        if usize::from(pe) >= PES {
            self.complain(format!("RTE of {rid} is invalid: {pe:#x}"));
            return Err(Refusal::NoEndpoint);
        }
        self.rtt_cache.insert(rid.0, pe);
        Ok(pe)
    }

    fn is_stopped(&self, pe: u16) -> bool {
        self.on_chip.pest[1][usize::from(pe)]
    }

    /// One access; `permission` is 1 to read, 2 to write.
    pub(super) fn dma(&mut self, rid: Rid, address: u64, permission: u64) -> Result<u64, Refusal> {
        let pe = self.endpoint(rid)?;
        if self.is_stopped(pe) {
            return Err(Refusal::Frozen);
        }
        let result = self.translate(pe, address, permission);
        if result.is_err() {
            self.freeze(pe, u64::from(rid.0) << 16, address);
        }
        result
    }

    fn translate(&mut self, pe: u16, address: u64, permission: u64) -> Result<u64, Refusal> {
        if address >> 60 != 0 {
            return Err(Refusal::NoWindow);
        }
        let tve = self.on_chip.tvt[usize::from(pe) * 2 + (address >> 59 & 1) as usize];
        let size = field(tve, 59, 63);
        if tve == 0 || size == 0 {
            return Err(Refusal::NoWindow);
        }
        let shift = size + 11;
        // All levels have tables of one size.
        let index_bits = field(tve, 51, 55) + 11 - 3;
        let levels = field(tve, 48, 50);
        if levels > 4 {
            self.complain(format!("a DMA window of {} levels", levels + 1));
            return Err(Refusal::NoWindow);
        }
        let page = (address & (bit(4) - 1)) >> shift;
        if page
            .checked_shr((index_bits * (levels + 1)) as u32)
            .unwrap_or(0)
            != 0
        {
            return Err(Refusal::Bounds);
        }
        let key = (pe, address >> shift << shift);
        let tce = match self.tce_cache.get(&key) {
            Some(tce) => *tce,
            None => {
                let mut tce = field(tve, 0, 47) << 12;
                for level in (0..=levels).rev() {
                    let index = page >> (index_bits * level) & ((1 << index_bits) - 1);
                    let table = tce & !0xfff;
                    tce = self
                        .memory
                        .load(table + 8 * index, 8)
                        .ok_or(Refusal::NoWindow)?;
                    // An upper entry without any permission leads nowhere.
                    if level != 0 && tce & 3 == 0 {
                        return Err(Refusal::Permission);
                    }
                }
                self.tce_cache.insert(key, tce);
                tce
            }
        };
        if tce & permission == 0 {
            return Err(Refusal::Permission);
        }
        let offset = address & ((1 << shift) - 1);
        Ok(tce >> shift << shift | offset)
    }

    pub(super) fn message(&mut self, rid: Rid, address: u64, data: u32) -> Result<(), Refusal> {
        let config = self.reg(0x160);
        let is_narrow = address >> 16 == 0xffff && config & bit(8) != 0;
        let is_wide = address >> 60 == 1 && config & bit(14) != 0;
        if !is_narrow && !is_wide {
            return self.dma(rid, address, 2).map(|_| ());
        }
        let pe = self.endpoint(rid)?;
        if self.is_stopped(pe) {
            return Err(Refusal::Frozen);
        }
        let number = address >> 4 & 0x7ff | u64::from(data & 0x1f);
        let result = self.raise(pe, number);
        if result.is_err() {
            self.freeze(pe, 1 << 56 | u64::from(rid.0) << 16 | number, address);
        }
        result
    }

    fn raise(&mut self, pe: u16, number: u64) -> Result<(), Refusal> {
        let msi = u16::try_from(number)
            .ok()
            .filter(|_| number < MSIS)
            .ok_or(Refusal::NoMessage)?;
        let mut ive = self.ive(msi).ok_or(Refusal::NoMessage)?;
        if ive.pe != pe {
            return Err(Refusal::ForeignMessage);
        }
        if ive.priority == MASKED || ive.p {
            ive.q = true;
        } else {
            ive.p = true;
            self.deliver(msi.into(), ive.server >> 2, ive.priority);
        }
        self.write_ive(msi, ive);
        Ok(())
    }

    /// Sends an interrupt again, whoever asked.
    pub(super) fn resend(&mut self, msi: u16) {
        let Some(mut ive) = self.ive(msi) else { return };
        if ive.priority == MASKED || ive.p {
            ive.q = true;
        } else {
            ive.p = true;
            self.deliver(msi.into(), ive.server >> 2, ive.priority);
        }
        self.write_ive(msi, ive);
    }

    pub(super) fn level(&mut self, wire: u8) {
        let entry = self.on_chip.lxivt[usize::from(wire & 7)];
        let priority = field(entry, 24, 31) as u8;
        if priority != MASKED {
            let first = field(self.reg(0x100), 5, 12) << 3;
            self.deliver(
                first + u64::from(wire & 7),
                field(entry, 8, 23) as u32 >> 2,
                priority,
            );
        }
    }

    fn deliver(&mut self, source: u64, server: u32, priority: u8) {
        // The numbers come from the PowerBus side, and only when both sides agree where the LSIs are.
        let local = field(self.reg(0x100), 5, 12);
        let global = self.nest.get(&0x1f).map_or(0, |id| field(*id, 0, 7));
        let base = self.nest.get(&0x1a).map_or(0, |compare| compare >> 45);
        if local != global || base as u32 != self.irq_base {
            self.complain(format!(
                "interrupt {source:#x} is raised before its number is known"
            ));
            return;
        }
        self.deliveries.push(Delivery {
            irq: base as u32 + source as u32,
            server,
            priority,
        });
    }

    /// The entry of `msi`, from the cache if it is there.
    fn ive(&mut self, msi: u16) -> Option<CachedIve> {
        if let Some(ive) = self.ivc.get(&msi) {
            return Some(*ive);
        }
        let at = self.ive_address(msi)?;
        let word = self.memory.load(at, 8)?;
        let ive = CachedIve {
            server: field(word, 0, 23) as u32,
            priority: field(word, 24, 31) as u8,
            generation: field(word, 37, 38) as u8,
            p: word & bit(39) != 0,
            q: word & bit(47) != 0,
            pe: field(word, 48, 63) as u16,
        };
        self.ivc.insert(msi, ive);
        Some(ive)
    }

    fn ive_address(&self, msi: u16) -> Option<u64> {
        let bar = self.table(0x150)?;
        let stride = if self.reg(0x810) & bit(24) != 0 {
            128
        } else {
            16
        };
        (u64::from(msi) < self.reg(0x150) & 0xfff).then_some(bar + u64::from(msi) * stride)
    }

    /// Puts P and Q in the cache and in memory, byte by byte as the chip does.
    fn write_ive(&mut self, msi: u16, ive: CachedIve) {
        self.ivc.insert(msi, ive);
        if let Some(at) = self.ive_address(msi) {
            self.memory
                .store(at + 4, 1, u64::from(ive.generation << 1 | u8::from(ive.p)));
            self.memory.store(at + 5, 1, ive.q.into());
        }
    }

    /// `IVC_UPDATE`: changes the cached copy alone.
    pub(super) fn update_ivc(&mut self, value: u64) {
        for ambush in core::mem::take(&mut self.ambush) {
            match ambush {
                Ambush::Evict(msi) => {
                    self.ivc.remove(&msi);
                }
                Ambush::Message(rid, address, data) => {
                    let _ = self.message(rid, address, data);
                }
            }
        }
        let sid = field(value, 48, 63) as u16;
        let Some(ive) = self.ivc.get_mut(&sid) else {
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

    /// The PCI address and the endpoint of real address `real`.
    pub(super) fn window(&self, real: u64) -> Option<(u64, u16)> {
        let m64 = self
            .on_chip
            .m64bt
            .iter()
            .filter(|entry| **entry & bit(0) != 0)
            .find_map(|entry| {
                let is_single = entry & bit(1) != 0;
                let (base, bytes) = if is_single {
                    let bytes = (1 << 25) - field(*entry, 34, 58);
                    (field(*entry, 2, 26) << 25, bytes << 25)
                } else {
                    let bytes = (1 << 30) - field(*entry, 34, 63);
                    (field(*entry, 2, 31) << 20, bytes << 20)
                };
                let offset = real.checked_sub(base).filter(|offset| *offset < bytes)?;
                let single = field(*entry, 27, 31) << 5 | field(*entry, 59, 63);
                Some((
                    real,
                    if is_single {
                        single as u16
                    } else {
                        (offset / (bytes / 256)) as u16
                    },
                ))
            });
        m64.or_else(|| {
            let bytes = self.reg(0x198).wrapping_neg();
            let offset = real
                .checked_sub(self.reg(0x190))
                .filter(|offset| *offset < bytes)?;
            let segment = (offset / (bytes / 256)) as usize;
            let pe = field(self.on_chip.m32dt[segment], 8, 15) as u16;
            (self.reg(0x160) & bit(16) != 0).then_some((self.reg(0x1a0) + offset, pe))
        })
    }

    /// A load, or with a value a store, of a processor.
    pub(super) fn mmio(&mut self, real: u64, value: Option<u32>) -> u32 {
        let enables = self.nest.get(&0x45).copied().unwrap_or(0);
        let Some((pci, pe)) = self
            .window(real)
            .filter(|_| enables & (bit(0) | bit(1)) == bit(0) | bit(1))
        else {
            self.complain(format!("nothing answers at {real:#x}"));
            return u32::MAX;
        };
        if self.is_fenced() || self.on_chip.pest[0][usize::from(pe)] {
            return u32::MAX;
        }
        let Some((index, bar, offset)) = self.fabric.claim(pci) else {
            self.freeze(pe, bit(2) | bit(9), pci);
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
