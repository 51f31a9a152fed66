//! The PHB3's registers, by MMIO and by XSCOM.

use super::codec::RESET;
use super::{Kind, Phb3, Phb3Chip};
use crate::bits::{bit, field};
use crate::chip::{How, ioda2};
use crate::engine::State;
use alloc::format;
use ioda::{Bdf, Reg8, Reg16, Reg32, Reg64, RegIo, XscomError, XscomIo};

const NEST: u32 = 0x0201_2000;
const PCI: u32 = 0x0901_2000;
const SPCI: u32 = 0x0901_3c00;
const ETU_RESET: u32 = 0x0a;

impl State<Phb3Chip> {
    fn is_reachable(&mut self, at: u16) -> bool {
        let enables = self.chip.nest.get(&0x45).copied().unwrap_or(0);
        if enables & bit(2) == 0 || self.is_held() {
            self.complain(|| format!("register {at:#x} is touched while the bridge is off"));
            return false;
        }
        !self.is_fenced()
    }

    pub(super) fn read_own(&mut self, at: u16) -> Option<u64> {
        let is_emulator = self.chip.kind == Kind::Emulator;
        match at {
            0x200 => {
                self.chip.sync_polls = self.chip.sync_polls.saturating_sub(1);
                let is_done = self.chip.sync_polls == 0;
                Some(if is_done { bit(1) } else { 0 })
            }
            0x240 => {
                let before = core::mem::replace(&mut self.chip.ffi_locked, true);
                Some(if before { bit(0) } else { 0 })
            }
            0x250..=0x268 if is_emulator => Some(0),
            0x600 if is_emulator => Some(0x4411_00fc_3000_0000),
            0x640 => Some(self.train()),
            _ => None,
        }
    }

    pub(super) fn write_own(&mut self, at: u16, value: u64) -> bool {
        match at {
            0x200 => self.chip.sync_polls = 2,
            0x208 => ioda2::invalidate_rids(self, value),
            0x238 => self.force(value),
            0x240 => self.complain(|| "the lock is for reading".into()),
            0x2a0 if value & bit(0) != 0 => self.chip.entries.clear(),
            0x2a0 => self.chip.entries.remove(field(value, 16, 31) as u16),
            0x2a8 => self.update_ivc(value),
            RESET => {
                if self.reg(RESET) & bit(2) != 0 && value & bit(2) == 0 {
                    self.link.up_looks = 3;
                    self.fabric.reset_below();
                }
                self.regs.set(at, value);
                self.tell_below(crate::Change::RootPort);
            }
            // The emulator keeps what it is given, where the chip clears.
            0x400..0x700 if self.chip.kind == Kind::Emulator => {
                if self.regs.how(at) != Some(How::OnesClear) {
                    return false;
                }
                self.regs.set(at, value);
            }
            _ => return false,
        }
        true
    }

    /// `DLP_TRAIN_CTL`: each look brings the link on.
    fn train(&mut self) -> u64 {
        if self.chip.kind == Kind::Emulator {
            // There is a link as soon as the buses are numbered and something answers behind it.
            let is_visible = self.fabric.route(Bdf::new(1, 0, 0)).is_some();
            return if is_visible { bit(19) | bit(23) } else { 0 };
        }
        if self.link.looks_held() {
            return bit(22);
        }
        if self.reg(RESET) & bit(2) == 0 || self.link.is_empty {
            return 0;
        }
        self.link.up_looks = self.link.up_looks.saturating_sub(1);
        match self.link.up_looks {
            0 => bit(19) | bit(23),
            1 => bit(19),
            _ => 0,
        }
    }
}

impl Phb3 {
    fn lane(&self, at: u16, bytes: u16, value: Option<u32>) -> u32 {
        let mut state = self.state.lock();
        let ones = u32::MAX >> 32u32.saturating_sub(8 * u32::from(bytes));
        if !state.check_lane(at, bytes) || !state.is_reachable(at) {
            return ones;
        }
        state.config(at, bytes, value).unwrap_or(ones)
    }
}

impl RegIo for Phb3 {
    fn read64(&self, reg: Reg64) -> u64 {
        let mut state = self.state.lock();
        if state.is_reachable(reg.offset()) {
            state.read(reg.offset())
        } else {
            u64::MAX
        }
    }
    fn write64(&self, reg: Reg64, value: u64) {
        let mut state = self.state.lock();
        if state.is_reachable(reg.offset()) {
            state.write(reg.offset(), value);
        }
    }
    // On the bus the lowest address comes first, and config data is little-endian.
    fn read32(&self, reg: Reg32) -> u32 {
        self.lane(reg.offset(), 4, None).swap_bytes()
    }
    fn write32(&self, reg: Reg32, value: u32) {
        self.lane(reg.offset(), 4, Some(value.swap_bytes()));
    }
    fn read16(&self, reg: Reg16) -> u16 {
        (self.lane(reg.offset(), 2, None) as u16).swap_bytes()
    }
    fn write16(&self, reg: Reg16, value: u16) {
        self.lane(reg.offset(), 2, Some(value.swap_bytes().into()));
    }
    fn read8(&self, reg: Reg8) -> u8 {
        self.lane(reg.offset(), 1, None) as u8
    }
    fn write8(&self, reg: Reg8, value: u8) {
        self.lane(reg.offset(), 1, Some(value.into()));
    }
    fn sync(&self) {}
    fn flush_line(&self, _real: u64) {}
}

/// A register by XSCOM.
enum Side {
    Nest(u32),
    Pci(u32),
    Spci(u32),
}

fn side(pcb: u32) -> Result<Side, XscomError> {
    let within = |base: u32, size: u32| pcb.checked_sub(base).filter(|reg| *reg < size);
    within(NEST, 0x46)
        .map(Side::Nest)
        .or_else(|| within(PCI, 0x15).map(Side::Pci))
        .or_else(|| within(SPCI, 3).map(Side::Spci))
        .ok_or(XscomError { pcb })
}

impl State<Phb3Chip> {
    fn check_asb(&mut self, reg: u32) {
        if !self.chip.asb_was_read {
            self.complain(|| format!("PCI register {reg:#x} before the ASB status: HW275117"));
        }
    }
}

impl XscomIo for Phb3 {
    fn read(&self, pcb: u32) -> Result<u64, XscomError> {
        let state = &mut *self.state.lock();
        Ok(match side(pcb)? {
            Side::Nest(0x00) => state.chip.nfir,
            Side::Nest(0x0f) => {
                state.chip.busy_looks = state.chip.busy_looks.saturating_sub(1);
                if state.chip.busy_looks == 0 {
                    0
                } else {
                    bit(0)
                }
            }
            Side::Nest(reg) => state.chip.nest.get(&reg).copied().unwrap_or(0),
            Side::Pci(reg) => {
                state.check_asb(reg);
                state.chip.pci.get(&reg).copied().unwrap_or(0)
            }
            Side::Spci(0) => state.chip.asb_address.into(),
            Side::Spci(1) => {
                state.chip.asb_was_read = true;
                0
            }
            Side::Spci(_) if state.is_held() => u64::MAX,
            Side::Spci(_) => state.read(state.chip.asb_address),
        })
    }

    fn write(&self, pcb: u32, value: u64) -> Result<(), XscomError> {
        let state = &mut *self.state.lock();
        let is_chip = state.chip.kind == Kind::Chip;
        match side(pcb)? {
            Side::Nest(0x00) => state.chip.nfir = value,
            Side::Nest(0x01) => state.chip.nfir &= value,
            Side::Nest(0x02) if value != 0 && is_chip => state.chip.nfir |= value | bit(16),
            Side::Nest(0x02) => {}
            Side::Nest(0x18) if !is_chip => {}
            Side::Nest(reg) => {
                state.chip.nest.insert(reg, value);
            }
            Side::Pci(ETU_RESET) if !is_chip => state.check_asb(ETU_RESET),
            Side::Pci(reg) => {
                state.check_asb(reg);
                if reg == ETU_RESET && value & bit(0) != 0 {
                    state.hold();
                }
                state.chip.pci.insert(reg, value);
            }
            Side::Spci(0) => state.chip.asb_address = value as u16,
            Side::Spci(2) => {
                let at = state.chip.asb_address;
                state.write(at, value);
            }
            Side::Spci(_) => return Err(XscomError { pcb }),
        }
        Ok(())
    }
}
