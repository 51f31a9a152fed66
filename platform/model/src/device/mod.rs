//! Functions for the fabric: [`Device`]. `build` has what they are made of, `sriov` their virtual functions.

mod build;
mod space;
mod sriov;

pub use sriov::Sriov;

use crate::fabric::{Address, RootError};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use space::Space;
use sriov::Virtuals;

/// Words behind the BARs that a function keeps.
const REGISTERS: usize = 1024;
/// Command: decodes I/O, decodes memory, masters the bus.
const IO: u32 = 1;
const MEMORY: u32 = 2;
const MASTER: u32 = 4;

/// A PCI function: config space, BARs and the registers behind them.
#[derive(Clone)]
pub struct Device {
    space: Space,
    bars: [Option<ModelBar>; 6],
    /// Words behind the BARs that were written.
    registers: BTreeMap<(usize, u64), u32>,
    express: Option<usize>,
    power: Option<usize>,
    last_cap: Option<usize>,
    next_cap: usize,
    last_ext: Option<usize>,
    next_ext: usize,
    /// Extended capabilities: error reporting, access control.
    aer: Option<usize>,
    acs: Option<usize>,
    virtuals: Option<Box<Virtuals>>,
    is_bridge: bool,
    /// The port loses the upper halves of its prefetch window, as the chip's root port does.
    pub(crate) loses_prefetch: bool,
    /// How often the function was reset.
    pub resets: u32,
}

#[derive(Clone, Copy)]
struct ModelBar {
    bytes: u64,
    kind: BarKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BarKind {
    Narrow,
    Wide,
    Io,
}

impl Device {
    /// Reads up to four bytes of config space; what is not there is zero.
    #[must_use]
    pub fn get(&self, at: usize, bytes: usize) -> u32 {
        self.space.get(at, bytes)
    }

    /// A config write, as the function takes it.
    pub(crate) fn write(&mut self, at: usize, bytes: usize, value: u32) {
        let sleeps = self.is_asleep();
        let value = self.filter_virtuals(at, bytes, value);
        let loses = self.loses_prefetch;
        self.space.write(at, bytes, value, |byte| {
            loses && (0x28..0x30).contains(&byte)
        });
        self.settle_virtuals();
        let is_flr = self.express.is_some_and(|cap| {
            let control = cap.wrapping_add(9);
            self.get(cap.wrapping_add(4), 4) & 1 << 28 != 0
                && control.checked_sub(at).is_some_and(|by| {
                    by < bytes
                        && value
                            .to_le_bytes()
                            .get(by)
                            .is_some_and(|byte| byte & 0x80 != 0)
                })
        });
        if is_flr || sleeps && !self.is_asleep() {
            self.reset();
        }
    }

    fn is_asleep(&self) -> bool {
        self.power
            .is_some_and(|cap| self.get(cap.wrapping_add(4), 1) & 3 == 3)
    }

    /// Forgets everything that was written.
    pub fn reset(&mut self) {
        self.space.reset();
        self.registers.clear();
        self.settle_virtuals();
        self.resets = self.resets.wrapping_add(1);
    }

    /// Whether it decodes addresses of this space.
    fn decodes(&self, pci: Address) -> bool {
        let space = match pci {
            Address::Memory(_) => MEMORY,
            Address::Io(_) => IO,
        };
        self.get(0x04, 2) & space != 0 && !self.is_asleep()
    }

    /// The BAR and the offset in it that answer at PCI address `pci`.
    pub(crate) fn claims(&self, pci: Address) -> Option<(usize, u64)> {
        if !self.decodes(pci) {
            return None;
        }
        let mut registers = (0x10..).step_by(4);
        self.bars.iter().enumerate().find_map(|(index, bar)| {
            let at: usize = registers.next()?;
            let bar = (*bar)?;
            let is_io = bar.kind == BarKind::Io;
            let offset = pci.get().checked_sub(self.base(at, bar.kind))?;
            let is_its_own = is_io == matches!(pci, Address::Io(_));
            (is_its_own && offset < bar.bytes).then_some((index, offset))
        })
    }

    /// What the BAR register at `at` holds.
    fn base(&self, at: usize, kind: BarKind) -> u64 {
        let flags = if kind == BarKind::Io { 0x3 } else { 0xf };
        let low = u64::from(self.get(at, 4) & !flags);
        let high = if kind == BarKind::Wide {
            u64::from(self.get(at.wrapping_add(4), 4))
        } else {
            0
        };
        high << 32 | low
    }

    pub(crate) fn load(&self, bar: usize, offset: u64) -> u32 {
        self.registers
            .get(&(bar, offset & !3))
            .copied()
            .unwrap_or(0)
    }

    /// What does not fit any more is dropped: no driver of a model gets so far.
    pub(crate) fn store(&mut self, bar: usize, offset: u64, value: u32) {
        let key = (bar, offset & !3);
        if self.registers.len() < REGISTERS || self.registers.contains_key(&key) {
            self.registers.insert(key, value);
        }
    }

    pub(crate) const fn is_bridge(&self) -> bool {
        self.is_bridge
    }
    pub(crate) fn masters(&self) -> bool {
        self.get(0x04, 2) & MASTER != 0
    }
    pub(crate) fn secondary(&self) -> u8 {
        self.space.byte(0x19)
    }
    pub(crate) fn subordinate(&self) -> u8 {
        self.space.byte(0x1a)
    }

    /// The kind of port: 4 a root port, 5 a switch's port up, 6 one down, 7 a bridge to conventional PCI.
    fn port(&self) -> Option<u32> {
        let cap = self.express.filter(|_| self.is_bridge)?;
        Some(self.get(cap.wrapping_add(2), 1) >> 4)
    }
    /// Whether only device 0 can be below.
    pub(crate) fn is_down(&self) -> bool {
        matches!(self.port(), Some(4 | 6))
    }
    /// Whether what is below has the function number of its bus for all eight bits.
    pub(crate) fn forwards_ari(&self) -> bool {
        self.express
            .is_some_and(|cap| self.get(cap.wrapping_add(0x28), 2) & 0x20 != 0)
    }
    /// Whether its secondary bus is inside a switch.
    pub(crate) fn is_switch(&self) -> bool {
        self.port() == Some(5)
    }
    /// Whether its secondary bus is a conventional one, where everybody hears everything.
    pub(crate) fn is_conventional(&self) -> bool {
        self.is_bridge && matches!(self.port(), None | Some(7))
    }

    fn acs_control(&self) -> u32 {
        self.acs.map_or(0, |cap| self.get(cap.wrapping_add(6), 2))
    }
    pub(crate) fn validates_sources(&self) -> bool {
        self.is_down() && self.acs_control() & 0x1 != 0
    }
    pub(crate) fn redirects_requests(&self) -> bool {
        self.is_down() && self.acs_control() & 0x4 != 0
    }

    /// Notes an error in the registers for it, as a root port does.
    pub(crate) fn note_error(&mut self, error: RootError) {
        let Some(aer) = self.aer else { return };
        let (by, bits) = match error {
            RootError::Malformed => (0x04, 1 << 18),
            RootError::Correctable => (0x30, 0x1),
            RootError::Uncorrectable => (0x30, 0x4),
        };
        let at = aer.wrapping_add(by);
        let noted = self.get(at, 4) | bits;
        self.space.poke(at, 4, noted);
    }

    pub(crate) fn has_malformed(&self) -> bool {
        self.aer
            .is_some_and(|aer| self.get(aer.wrapping_add(4), 4) & 1 << 18 != 0)
    }

    /// Whether the bridge forwards `pci` downward. With `open`, a closed window forwards everything.
    pub(crate) fn forwards(&self, pci: Address, open: bool) -> bool {
        if !self.decodes(pci) {
            return false;
        }
        let pci = match pci {
            Address::Memory(pci) => pci,
            Address::Io(pci) => {
                // 4 KiB at a time; the upper half of 32 bits is elsewhere.
                let upper = |at| u64::from(self.get(at, 2)) << 16;
                let base = u64::from(self.get(0x1c, 1) & 0xf0) << 8 | upper(0x30);
                let limit = u64::from(self.get(0x1d, 1) & 0xf0) << 8 | 0xfff | upper(0x32);
                return open && base > limit || (base..=limit).contains(&pci);
            }
        };
        let range = |at: usize| {
            let base = u64::from(self.get(at, 2) & 0xfff0) << 16;
            let limit = u64::from(self.get(at.wrapping_add(2), 2) & 0xfff0) << 16 | 0xf_ffff;
            (base, limit)
        };
        let (base, limit) = range(0x20);
        let (low, high) = range(0x24);
        let low = u64::from(self.get(0x28, 4)) << 32 | low;
        let high = u64::from(self.get(0x2c, 4)) << 32 | high;
        if open && base > limit {
            return true;
        }
        (base..=limit).contains(&pci) || (low..=high).contains(&pci)
    }
}
