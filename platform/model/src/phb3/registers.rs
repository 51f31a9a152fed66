//! The bridge's registers, XSCOM registers and MMIO windows, as a driver meets them.

use super::{Kind, PES, Phb3, State, bit, field};
use alloc::format;
use ioda::{Bdf, MmioIo, Reg8, Reg16, Reg32, Reg64, RegIo, XscomError, XscomIo};

const NEST: u32 = 0x0201_2000;
const PCI: u32 = 0x0901_2000;
const SPCI: u32 = 0x0901_3c00;

/// Ranges of registers that the chip has, first and last.
const KNOWN: [(u16, u16); 18] = [
    (0x100, 0x100),
    (0x110, 0x110),
    (0x120, 0x128),
    (0x140, 0x140),
    (0x150, 0x168),
    (0x188, 0x1a8),
    (0x1f0, 0x228),
    (0x238, 0x240),
    (0x250, 0x268),
    (0x2a0, 0x2c8),
    (0x400, 0x5c8),
    (0x600, 0x608),
    (0x630, 0x6e8),
    (0x800, 0x888),
    (0xc00, 0xc40),
    (0xc80, 0xcd8),
    (0xd00, 0xe58),
    (0xfb0, 0xfb0),
];
/// Registers that are reached over the link layer, and wait for its reset.
const LINK: core::ops::Range<u16> = 0x400..0x600;

impl State {
    fn is_reachable(&mut self, at: u16) -> bool {
        let is_on = self
            .nest
            .get(&0x45)
            .is_some_and(|enables| enables & bit(2) != 0);
        if !is_on || self.is_held() {
            self.complain(format!(
                "register {at:#x} is touched while the bridge is off"
            ));
            return false;
        }
        !self.is_fenced()
    }

    fn check(&mut self, at: u16) {
        if !KNOWN
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&at))
        {
            self.complain(format!("there is no register {at:#x}"));
        }
        if LINK.contains(&at) && self.layer_looks != 0 && self.kind == Kind::Chip {
            self.complain(format!(
                "register {at:#x} is touched while the link layer is in reset"
            ));
        }
    }

    fn read(&mut self, at: u16) -> u64 {
        if !self.is_reachable(at) {
            return u64::MAX;
        }
        self.check(at);
        self.value(at)
    }

    fn value(&mut self, at: u16) -> u64 {
        match at {
            0x800 => 0x0000_00a3_0000_0005,
            0x200 => {
                self.sync_polls = self.sync_polls.saturating_sub(1);
                if self.sync_polls == 0 { bit(1) } else { 0 }
            }
            0x228 => self.table_access(None),
            0x240 => {
                let before = core::mem::replace(&mut self.ffi_locked, true);
                if before { bit(0) } else { 0 }
            }
            0x2c8 => u64::from(self.fir != 0),
            0x600 if self.kind == Kind::Emulator => 0x4411_00fc_3000_0000,
            0x640 => self.link(),
            0xc00 => self.fir,
            _ => self.reg(at),
        }
    }

    /// `DLP_TRAIN_CTL`.
    fn link(&mut self) -> u64 {
        if self.kind == Kind::Emulator {
            // There is a link as soon as the buses are numbered and something answers behind it.
            let is_visible = self.fabric.route(Bdf::new(1, 0, 0)).is_some();
            return if is_visible { bit(19) | bit(23) } else { 0 };
        }
        if self.layer_looks != 0 {
            self.layer_looks -= 1;
            return bit(22);
        }
        if self.reg(0x808) & bit(2) == 0 {
            return 0;
        }
        self.link_looks = self.link_looks.saturating_sub(1);
        match self.link_looks {
            0 => bit(19) | bit(23),
            1 => bit(19),
            _ => 0,
        }
    }

    fn write(&mut self, at: u16, value: u64) {
        if !self.is_reachable(at) {
            return;
        }
        self.check(at);
        match at {
            0x200 => self.sync_polls = 2,
            0x208 if value & bit(0) != 0 => self.rtt_cache.clear(),
            0x208 => {
                self.rtt_cache.remove(&(field(value, 16, 31) as u16));
            }
            0x210 => self.kill(value),
            0x228 => {
                self.table_access(Some(value));
            }
            0x238 => self.force(value),
            0x240 | 0x800 | 0x2c8 => self.complain(format!("register {at:#x} is read-only")),
            0x2a0 if value & bit(0) != 0 => self.ivc.clear(),
            0x2a0 => {
                self.ivc.remove(&(field(value, 16, 31) as u16));
            }
            0x2a8 => self.update_ivc(value),
            0x808 => {
                if self.reg(0x808) & bit(2) != 0 && value & bit(2) == 0 {
                    self.link_looks = 3;
                    self.fabric.reset_below(0);
                }
                self.regs.insert(at, value);
            }
            0xc00 => self.fir = value,
            0xc08 => self.fir &= value,
            0xc10 => self.fir |= value,
            _ => {
                self.regs.insert(at, value);
            }
        }
    }

    fn kill(&mut self, value: u64) {
        let pe = (value & 0xff) as u16;
        if value & bit(0) != 0 {
            self.tce_cache.clear();
        } else if value & bit(1) != 0 {
            self.tce_cache.retain(|(owner, _), _| *owner != pe);
        } else if value & bit(2) != 0 {
            let page = value & 0x0fff_ffff_ffff_f000;
            self.tce_cache.remove(&(pe, page));
        } else {
            self.complain(format!("a TCE kill of nothing: {value:#x}"));
        }
    }

    fn force(&mut self, value: u64) {
        if !self.ffi_locked {
            self.complain(format!(
                "an interrupt is forced without the lock: {value:#x}"
            ));
        }
        self.ffi_locked &= value & bit(3) == 0;
        self.resend(field(value, 49, 59) as u16);
    }

    /// One access to the table behind the index register.
    fn table_access(&mut self, value: Option<u64>) -> u64 {
        let address = self.reg(0x220);
        let table = field(address, 11, 15);
        let index = field(address, 55, 63) as usize;
        let entries = match table {
            1 | 2 | 6 => 8,
            3 | 4 => 32,
            5 | 10 | 11 => 64,
            7 | 8 | 17 => PES,
            9 => 512,
            16 => 16,
            20 => 4,
            _ => 0,
        };
        if index >= entries {
            self.complain(format!("table {table} has no entry {index}"));
            return u64::MAX;
        }
        if address & bit(0) != 0 {
            let next = (index + 1) % entries;
            self.regs.insert(0x220, address & !0x1ff | next as u64);
        }
        let slot = match table {
            2 => &mut self.on_chip.lxivt[index],
            9 => &mut self.on_chip.tvt[index],
            16 => &mut self.on_chip.m64bt[index],
            17 => &mut self.on_chip.m32dt[index],
            7 | 8 => return self.pest_access(table as usize - 7, index, value),
            20 => return self.flagged(index),
            _ => return 0,
        };
        if let Some(value) = value {
            *slot = value;
        }
        *slot
    }

    fn pest_access(&mut self, side: usize, index: usize, value: Option<u64>) -> u64 {
        let before = self.on_chip.pest[side][index];
        if let Some(value) = value {
            let after = value & bit(0) != 0;
            if before && !after && self.fir != 0 {
                self.complain(format!("PE#{index:02x} is thawed while errors are latched"));
            }
            self.on_chip.pest[side][index] = after;
        }
        if before { bit(0) } else { 0 }
    }

    /// A config cycle: the function, the offset, and the endpoint it is blamed on.
    fn config(&mut self, lane: u16, bytes: u16) -> Option<(Bdf, usize, u16)> {
        if !self.is_reachable(lane) {
            return None;
        }
        let address = self.reg(0x140);
        let bdf = Bdf::new(
            field(address, 4, 11) as u8,
            field(address, 12, 16) as u8,
            field(address, 17, 19) as u8,
        );
        let pe = field(address, 40, 47) as u16;
        let at = field(address, 20, 31) as u16 & !3 | lane & 3;
        let wrong = if address & bit(0) == 0 {
            Some("without its enable bit")
        } else if !at.is_multiple_of(bytes) {
            Some("not aligned")
        } else if [0x168, 0x188, 0x1a8]
            .into_iter()
            .any(|bar| self.table(bar).is_none())
        {
            Some("before the tables in memory are there")
        } else if self.layer_looks != 0 && self.kind == Kind::Chip {
            Some("while the link layer is in reset")
        } else if bdf.bus() == 0 && bdf.0 != 0 {
            self.nfir |= bit(16);
            Some("to a function that bus 0 does not have")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            self.complain(format!("config cycle {wrong}: {address:#x}"));
            return None;
        }
        let owner = self
            .table(0x168)
            .and_then(|rtt| self.memory.load(rtt + 2 * u64::from(bdf.0), 2));
        if owner != Some(pe.into()) {
            self.complain(format!("config cycle for {bdf} blames PE#{pe:02x}"));
        }
        Some((bdf, at.into(), pe))
    }

    fn config_read(&mut self, lane: u16, bytes: u16) -> u32 {
        let Some((bdf, at, pe)) = self.config(lane, bytes) else {
            return u32::MAX;
        };
        match self.reachable(bdf) {
            Some(index) => self.fabric.device(index).get(at, bytes.into()),
            None => {
                self.freeze(pe, bit(3) | bit(9), 0);
                u32::MAX
            }
        }
    }

    fn config_write(&mut self, lane: u16, bytes: u16, value: u32) {
        let Some((bdf, at, pe)) = self.config(lane, bytes) else {
            return;
        };
        let Some(index) = self.reachable(bdf) else {
            return self.freeze(pe, bit(4) | bit(9), 0);
        };
        let before = self.fabric.device(index).get(0x3e, 2) & 0x40;
        self.fabric.device_mut(index).write(at, bytes.into(), value);
        let device = self.fabric.device(index);
        if device.is_bridge() && before == 0 && device.get(0x3e, 2) & 0x40 != 0 {
            self.fabric.reset_below(index);
        }
    }

    /// The function that answers, given the state of the link.
    fn reachable(&self, bdf: Bdf) -> Option<usize> {
        let is_up =
            self.kind == Kind::Emulator || self.reg(0x808) & bit(2) != 0 && self.link_looks == 0;
        if bdf.bus() != 0 && !is_up {
            return None;
        }
        self.fabric.route(bdf)
    }

    /// Holding the logic in reset loses all that is on the chip.
    fn hold(&mut self) {
        self.on_chip = super::OnChip::garbage();
        self.regs.clear();
        self.rtt_cache.clear();
        self.tce_cache.clear();
        self.ivc.clear();
        self.ffi_locked = false;
        self.layer_looks = 2;
        self.link_looks = 3;
        self.busy_looks = 2;
        self.fir = 0;
        self.fabric.device_mut(0).reset();
        self.fabric.reset_below(0);
    }
}

impl RegIo for Phb3 {
    fn read64(&self, reg: Reg64) -> u64 {
        self.state.lock().read(reg.offset())
    }
    fn write64(&self, reg: Reg64, value: u64) {
        self.state.lock().write(reg.offset(), value);
    }
    fn read32(&self, reg: Reg32) -> u32 {
        self.lane(reg.offset());
        self.state.lock().config_read(reg.offset(), 4).swap_bytes()
    }
    fn write32(&self, reg: Reg32, value: u32) {
        self.lane(reg.offset());
        self.state
            .lock()
            .config_write(reg.offset(), 4, value.swap_bytes());
    }
    fn read16(&self, reg: Reg16) -> u16 {
        self.lane(reg.offset());
        (self.state.lock().config_read(reg.offset(), 2) as u16).swap_bytes()
    }
    fn write16(&self, reg: Reg16, value: u16) {
        self.lane(reg.offset());
        self.state
            .lock()
            .config_write(reg.offset(), 2, value.swap_bytes().into());
    }
    fn read8(&self, reg: Reg8) -> u8 {
        self.lane(reg.offset());
        self.state.lock().config_read(reg.offset(), 1) as u8
    }
    fn write8(&self, reg: Reg8, value: u8) {
        self.lane(reg.offset());
        self.state
            .lock()
            .config_write(reg.offset(), 1, value.into());
    }
    fn sync(&self) {}
    fn flush_line(&self, _: u64) {}
}

impl Phb3 {
    /// Only config data takes accesses of less than eight bytes.
    fn lane(&self, at: u16) {
        if at & !3 != 0x130 {
            self.state
                .lock()
                .complain(format!("register {at:#x} takes eight bytes alone"));
        }
    }
}

impl XscomIo for Phb3 {
    fn read(&self, pcb: u32) -> Result<u64, XscomError> {
        let mut state = self.state.lock();
        let state = &mut *state;
        Ok(match (pcb & !0x3f, pcb & 0x3f) {
            _ if (NEST..NEST + 0x46).contains(&pcb) => match pcb - NEST {
                0x00 => state.nfir,
                0x0f => {
                    state.busy_looks = state.busy_looks.saturating_sub(1);
                    if state.busy_looks == 0 { 0 } else { bit(0) }
                }
                reg => state.nest.get(&reg).copied().unwrap_or(0),
            },
            _ if (PCI..PCI + 0x15).contains(&pcb) => {
                if !state.asb_was_read {
                    state.complain(format!(
                        "PCI register {pcb:#x} before the ASB status: HW275117"
                    ));
                }
                state.pci.get(&(pcb - PCI)).copied().unwrap_or(0)
            }
            (SPCI, 0) => state.asb_address.into(),
            (SPCI, 1) => {
                state.asb_was_read = true;
                0
            }
            (SPCI, 2) => {
                let at = state.asb_address;
                if state.is_held() {
                    u64::MAX
                } else {
                    state.value(at)
                }
            }
            _ => return Err(XscomError { pcb }),
        })
    }

    fn write(&self, pcb: u32, value: u64) -> Result<(), XscomError> {
        let mut state = self.state.lock();
        let state = &mut *state;
        match pcb {
            _ if (NEST..NEST + 0x46).contains(&pcb) => match pcb - NEST {
                0x00 => state.nfir = value,
                0x01 => state.nfir &= value,
                0x02 if value != 0 && state.kind == Kind::Chip => state.nfir |= value | bit(16),
                0x18 if state.kind == Kind::Emulator => {}
                reg => {
                    state.nest.insert(reg, value);
                }
            },
            _ if (PCI..PCI + 0x15).contains(&pcb) => {
                if !state.asb_was_read {
                    state.complain(format!(
                        "PCI register {pcb:#x} before the ASB status: HW275117"
                    ));
                }
                if pcb == PCI + 0x0a && state.kind == Kind::Emulator {
                    return Ok(());
                }
                if pcb == PCI + 0x0a && value & bit(0) != 0 {
                    state.hold();
                }
                state.pci.insert(pcb - PCI, value);
            }
            _ if pcb == SPCI => state.asb_address = value as u16,
            _ if pcb == SPCI + 2 => {
                let at = state.asb_address;
                state.regs.insert(at, value);
            }
            _ => return Err(XscomError { pcb }),
        }
        Ok(())
    }
}

impl MmioIo for Phb3 {
    fn read32(&self, real: u64) -> u32 {
        self.state.lock().mmio(real, None)
    }
    fn write32(&self, real: u64, value: u32) {
        self.state.lock().mmio(real, Some(value));
    }
}
