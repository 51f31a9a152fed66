//! The PHB4's registers, by MMIO and by XSCOM.

use super::Phb4Chip;
use super::codec::{CONTROL, CRESET, PERST_OFF};
use crate::Bridge;
use crate::bits::{bit, field, place};
use crate::chip::{Chip, ioda2};
use crate::engine::State;
use crate::fabric::Effect;
use alloc::format;
use ioda::{Bdf, Reg8, Reg16, Reg32, Reg64, RegIo, XscomError, XscomIo};

/// XSCOM: the PEC, its first stack on either side, the back door to registers.
const PEC: u32 = 0x0401_0c00;
const NEST: u32 = PEC + 0x40;
const PCI: u32 = 0x0d01_0840;
const ETU: u32 = 0x0d01_0900;
const ETU_RESET: u32 = 0x0a;
/// NFIR: shuts the bridge off.
const FORCE_FENCE: u64 = 0x0000_0020_0000_0000;
/// The root port's config space.
const ROOT_PORT: core::ops::Range<u16> = 0x1000..0x1800;
/// `CONTROL`: what is there and not modelled: P and Q elsewhere, stores to the controller's pages, no freeze for
/// MMIO, config blocked when frozen, more windows, the second one at 4 GiB.
const BEYOND: u64 = bit(9) | bit(10) | bit(14) | bit(15) | place(7, 17, 19) | bit(24);

impl<const PES: u16> State<Phb4Chip<PES>> {
    fn is_reachable(&mut self, at: u16) -> bool {
        if self.nest(0x14) & bit(2) == 0 || self.is_held() {
            self.complain(|| format!("register {at:#x} is touched while the bridge is off"));
            return false;
        }
        !self.chip.is_fenced
    }

    pub(super) fn read_own(&mut self, at: u16) -> Option<u64> {
        let look = |looks: &mut u32| {
            *looks = looks.saturating_sub(1);
            *looks == 0
        };
        match at {
            0x200 => Some(if look(&mut self.chip.sync_looks) {
                bit(1)
            } else {
                0
            }),
            // Until there is room in the queue.
            0x210 => Some(if look(&mut self.chip.queue_looks) {
                0
            } else {
                bit(0)
            }),
            0x260 => Some(Self::SOURCES.into()),
            0x268 => Some(u64::from(PES) << 52),
            0x888 => {
                if look(&mut self.chip.kill_looks) {
                    self.arrive();
                    Some(0)
                } else {
                    Some(bit(7))
                }
            }
            0x1a40 => Some(self.train()),
            _ if ROOT_PORT.contains(&at) => {
                self.complain(|| format!("eight bytes at {at:#x}, which takes four alone"));
                Some(u64::MAX)
            }
            _ => None,
        }
    }

    pub(super) fn write_own(&mut self, at: u16, value: u64) -> bool {
        match at {
            0x200 => self.chip.sync_looks = 2,
            0x208 => ioda2::invalidate_rids(self, value),
            CONTROL => {
                if value & BEYOND != 0 {
                    self.complain(|| format!("nobody knows what control {value:#x} does"));
                }
                self.regs.set(at, value);
            }
            CRESET => {
                if self.reg(at) & PERST_OFF != 0 && value & PERST_OFF == 0 {
                    self.link.up_looks = 3;
                    self.fabric.reset_below();
                }
                self.regs.set(at, value);
                self.tell_below(crate::Change::RootPort);
            }
            _ if ROOT_PORT.contains(&at) => {
                self.complain(|| format!("eight bytes at {at:#x}, which takes four alone"));
            }
            _ => return false,
        }
        true
    }

    pub(super) fn arrive(&mut self) {
        for kill in core::mem::take(&mut self.chip.kills) {
            if kill & bit(0) != 0 {
                self.tces.clear();
            } else {
                self.tces.remove_pe(field(kill, 55, 63) as u16);
            }
        }
    }

    /// `DLP_TRAIN_CTL`: each look brings the link on.
    fn train(&mut self) -> u64 {
        if self.link.looks_held() {
            return bit(22);
        }
        if Phb4Chip::<PES>::holds_perst(self) || self.link.is_empty {
            return 0;
        }
        self.link.up_looks = self.link.up_looks.saturating_sub(1);
        match self.link.up_looks {
            0 => bit(19) | bit(23),
            1 => bit(19) | bit(20),
            _ => 0,
        }
    }

    /// A word of the root port's config space.
    fn root_port(&mut self, at: u16, value: Option<u32>) -> Option<u32> {
        let (root, offset) = (Bdf::new(0, 0, 0), at - ROOT_PORT.start);
        let Some(value) = value else {
            return self.fabric.config_read(root, offset, 4);
        };
        let effect = self.fabric.config_write(root, offset, 4, value)?;
        if effect == Effect::BusReset {
            Phb4Chip::<PES>::bus_reset(self);
        }
        self.tell_below(crate::Change::RootPort);
        Some(0)
    }

    fn lane(&mut self, at: u16, bytes: u16, value: Option<u32>) -> u32 {
        let ones = u32::MAX >> 32u32.saturating_sub(8 * u32::from(bytes));
        let answer = if ROOT_PORT.contains(&at) && bytes == 4 {
            if !self.is_reachable(at) {
                return ones;
            }
            self.root_port(at, value)
        } else if self.check_lane(at, bytes) && self.is_reachable(at) {
            self.config(at, bytes, value)
        } else {
            None
        };
        answer.unwrap_or(ones)
    }
}

impl<const PES: u16> RegIo for Bridge<Phb4Chip<PES>> {
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
        self.state.lock().lane(reg.offset(), 4, None).swap_bytes()
    }
    fn write32(&self, reg: Reg32, value: u32) {
        let value = Some(value.swap_bytes());
        self.state.lock().lane(reg.offset(), 4, value);
    }
    fn read16(&self, reg: Reg16) -> u16 {
        (self.state.lock().lane(reg.offset(), 2, None) as u16).swap_bytes()
    }
    fn write16(&self, reg: Reg16, value: u16) {
        let value = Some(value.swap_bytes().into());
        self.state.lock().lane(reg.offset(), 2, value);
    }
    fn read8(&self, reg: Reg8) -> u8 {
        self.state.lock().lane(reg.offset(), 1, None) as u8
    }
    fn write8(&self, reg: Reg8, value: u8) {
        self.state.lock().lane(reg.offset(), 1, Some(value.into()));
    }
    fn sync(&self) {}
    fn flush_line(&self, _real: u64) {}
}

/// A register by XSCOM.
enum Side {
    Pec(u32),
    Nest(u32),
    Pci(u32),
    Etu(u32),
}

fn side(pcb: u32) -> Result<Side, XscomError> {
    let within = |base: u32, size: u32| pcb.checked_sub(base).filter(|reg| *reg < size);
    within(PEC, 0x40)
        .map(Side::Pec)
        .or_else(|| within(NEST, 0x17).map(Side::Nest))
        .or_else(|| within(PCI, 0x10).map(Side::Pci))
        .or_else(|| within(ETU, 2).map(Side::Etu))
        .ok_or(XscomError { pcb })
}

/// A fault register and its two aliases: `None` if it is none of them.
fn faults(reg: u32, before: u64, value: u64) -> Option<u64> {
    match reg {
        0 => Some(value),
        1 => Some(before & value),
        2 => Some(before | value),
        _ => None,
    }
}

impl<const PES: u16> State<Phb4Chip<PES>> {
    /// The register that the back door points to; four bytes of it are not modelled.
    fn etu_register(&mut self) -> Option<u16> {
        let address = self.chip.etu_address;
        let at = field(address, 51, 63) as u16 & !7;
        if address & bit(0) == 0 || address & bit(1) != 0 {
            self.complain(|| format!("the back door is not for {address:#x}"));
            return None;
        }
        if address & bit(2) != 0 {
            self.chip.etu_address = address & !0x1fff | u64::from(at.wrapping_add(8) & 0x1fff);
        }
        Some(at)
    }

    fn write_pci(&mut self, reg: u32, value: u64) {
        let before = self.chip.pci.get(&0).copied().unwrap_or(0);
        if let Some(pfir) = faults(reg, before, value) {
            self.chip.pci.insert(0, pfir);
            return;
        }
        if reg == ETU_RESET {
            let was_held = self.is_held();
            if value & bit(0) != 0 {
                self.hold();
            } else if was_held && before == 0 && self.nest(0) == 0 {
                // Released with its faults cleared, it is open again.
                self.chip.is_fenced = false;
            }
        }
        self.chip.pci.insert(reg, value);
    }
}

impl<const PES: u16> XscomIo for Bridge<Phb4Chip<PES>> {
    fn read(&self, pcb: u32) -> Result<u64, XscomError> {
        let state = &mut *self.state.lock();
        Ok(match side(pcb)? {
            Side::Pec(reg) => state.nest(reg | 0x100),
            // Nothing is pending in a model.
            Side::Nest(0x0c) => 0,
            Side::Nest(reg) => state.nest(reg),
            Side::Pci(reg) => state.chip.pci.get(&reg).copied().unwrap_or(0),
            Side::Etu(0) => state.chip.etu_address,
            Side::Etu(_) if state.is_held() => u64::MAX,
            Side::Etu(_) => match state.etu_register() {
                Some(at) => state.read(at),
                None => u64::MAX,
            },
        })
    }

    fn write(&self, pcb: u32, value: u64) -> Result<(), XscomError> {
        let state = &mut *self.state.lock();
        match side(pcb)? {
            Side::Pec(reg) => {
                state.chip.nest.insert(reg | 0x100, value);
            }
            Side::Nest(reg) => match faults(reg, state.nest(0), value) {
                Some(nfir) => {
                    state.chip.is_fenced |= nfir & FORCE_FENCE != 0;
                    state.chip.nest.insert(0, nfir);
                }
                None => {
                    state.chip.nest.insert(reg, value);
                }
            },
            Side::Pci(reg) => state.write_pci(reg, value),
            Side::Etu(0) => state.chip.etu_address = value,
            Side::Etu(_) => {
                if let Some(at) = state.etu_register() {
                    state.write(at, value);
                }
            }
        }
        Ok(())
    }
}
