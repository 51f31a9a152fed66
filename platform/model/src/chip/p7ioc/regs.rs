//! The P7IOC's registers as a driver meets them: five blocks, [`P7iocRegs`].

use super::{P7ioc, P7iocChip};
use crate::bits::bit;
use crate::chip::Chip;
use crate::engine::State;
use alloc::format;
use ioda::{Reg8, Reg16, Reg32, Reg64, RegIo};

const CONFIG: u16 = 0x160;
const TRAINING: u16 = 0x640;
const RESET: u16 = 0x808;
/// `CONFIG`: toggled, it makes the bridge forget its translations.
const TCE_64B: u64 = bit(2);
/// What the fast path does not work without.
const CREDITS: [u16; 6] = [0x818, 0x820, 0x828, 0x840, 0x858, 0x868];

/// A block of 64 KiB of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum P7iocBlock {
    /// The bridge by the slow path, which always works.
    Asb,
    /// The bridge by the fast path, which the hub has to route.
    Aib,
    /// The hub from 0x3c0000 on.
    Bus,
    /// The hub from 0x3d0000 on.
    Crossbar,
    /// The hub from 0x3e0000 on.
    Global,
}

/// A block of registers of a model, as a driver sees it.
#[derive(Clone, Copy)]
pub struct P7iocRegs {
    model: &'static P7ioc,
    block: P7iocBlock,
}

impl P7iocRegs {
    pub(super) const fn new(model: &'static P7ioc, block: P7iocBlock) -> Self {
        Self { model, block }
    }

    fn hub_offset(self, at: u16) -> Option<u32> {
        let base = match self.block {
            P7iocBlock::Bus => 0x3c_0000,
            P7iocBlock::Crossbar => 0x3d_0000,
            P7iocBlock::Global => 0x3e_0000,
            P7iocBlock::Asb | P7iocBlock::Aib => return None,
        };
        Some(base | u32::from(at))
    }

    fn lane(self, at: u16, bytes: u16, value: Option<u32>) -> u32 {
        let mut state = self.model.state.lock();
        let ones = u32::MAX >> 32u32.saturating_sub(8 * u32::from(bytes));
        if self.hub_offset(at).is_some() {
            state.complain(|| format!("{bytes} bytes at {at:#x} of {:?}", self.block));
            return ones;
        }
        if !state.check_lane(at, bytes) || !state.answers(self.block) {
            return ones;
        }
        state.config(at, bytes, value).unwrap_or(ones)
    }
}

impl RegIo for P7iocRegs {
    fn read64(&self, reg: Reg64) -> u64 {
        let mut state = self.model.state.lock();
        let at = reg.offset();
        match self.hub_offset(at) {
            Some(at) => state.hub_read(at),
            None if state.answers(self.block) => state.read(at),
            None => u64::MAX,
        }
    }
    fn write64(&self, reg: Reg64, value: u64) {
        let mut state = self.model.state.lock();
        let at = reg.offset();
        match self.hub_offset(at) {
            Some(at) => state.hub_write(at, value),
            None if state.answers(self.block) => state.write(at, value),
            None => {}
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

impl State<P7iocChip> {
    /// Whether the bridge takes an access by this path.
    fn answers(&mut self, block: P7iocBlock) -> bool {
        if self.chip.hub.is_silent() {
            return false;
        }
        if self.chip.hub.is_held(self.chip.index) {
            self.complain(|| "the bridge is held in reset".into());
            return false;
        }
        if block == P7iocBlock::Asb {
            return true;
        }
        let is_ready = self.has_fast_path() && CREDITS.iter().all(|at| self.reg(*at) != 0);
        if !is_ready {
            self.complain(|| "the fast path is not set up".into());
        }
        is_ready && !self.chip.hub.is_fenced(self.chip.index)
    }

    pub(super) fn read_own(&mut self, at: u16) -> Option<u64> {
        // A load comes back only behind the stores before it.
        self.arrive();
        let is_table = (0x228..=0x230).contains(&at);
        if is_table && self.reg(RESET) == 0 {
            self.complain(|| "a table while the cores are held".into());
            return Some(u64::MAX);
        }
        match at {
            TRAINING => Some(self.train()),
            // Neither of them is known to be for reading.
            0x210 | 0xc08 | 0xc10 => {
                self.complain(|| format!("a load from {at:#x}"));
                Some(u64::MAX)
            }
            _ => None,
        }
    }

    pub(super) fn write_own(&mut self, at: u16, value: u64) -> bool {
        match at {
            0x228 | 0x230 if self.reg(RESET) == 0 => {
                self.complain(|| "a table while the cores are held".into());
            }
            CONFIG => {
                if self.reg(at) & TCE_64B != 0 && value & TCE_64B == 0 {
                    self.post(None);
                }
                self.regs.set(at, value);
            }
            TRAINING => {
                let is_off = value & bit(1) != 0;
                if is_off != self.link.is_off {
                    self.link.off_looks = 2;
                    self.link.up_looks = 3;
                }
                self.link.is_off = is_off;
            }
            RESET => {
                if self.reg(at) & bit(2) != 0 && value & bit(2) == 0 {
                    self.check_link_down("PERST");
                    self.fabric.reset_below();
                    self.fabric.reset_root();
                }
                self.regs.set(at, value);
                self.tell_below(crate::Change::RootPort);
            }
            _ => return false,
        }
        true
    }

    pub(super) fn check_link_down(&mut self, what: &str) {
        if !self.link.is_off || self.link.off_looks != 0 {
            self.complain(|| format!("{what} while the link is up"));
        }
    }

    /// Link training: each look brings it on.
    fn train(&mut self) -> u64 {
        let link = &mut self.link;
        if link.looks_held() {
            return bit(22);
        }
        if link.is_off {
            link.off_looks = link.off_looks.saturating_sub(1);
            let is_seen = link.off_looks == 0;
            return bit(1) | if is_seen { bit(16) } else { 0 };
        }
        link.up_looks = link.up_looks.saturating_sub(1);
        if link.up_looks == 0 && Self::is_plugged(self) {
            bit(21) | bit(23)
        } else {
            0
        }
    }

    fn is_plugged(&self) -> bool {
        P7iocChip::has_link(self)
    }

    /// A kill is on its way. The bridge holds so many; before more, the first ones arrive.
    pub(super) fn post(&mut self, pair: Option<u64>) {
        if let Some(below) = self.below {
            below.kill(pair);
            return;
        }
        if self.chip.posted.is_full() {
            self.arrive();
        }
        let _ = self.chip.posted.try_push(pair);
    }

    fn arrive(&mut self) {
        for kill in core::mem::take(&mut self.chip.posted) {
            match kill {
                Some(pair) => self.tces.remove(0, pair),
                None => self.tces.clear(),
            }
        }
    }
}
