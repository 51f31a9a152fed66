//! Registers behind which somebody may sit: [`Tap`], [`Sabotage`].

use crate::Chip;
use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use ioda::{Reg8, Reg16, Reg32, Reg64, RegIo};
use lock::Mutex;

/// A store of eight bytes to a bridge's register.
#[derive(Clone, Copy, Debug)]
pub struct Store {
    /// The register.
    pub at: u16,
    /// What is stored.
    pub value: u64,
    /// Table and index behind the table's data registers.
    pub entry: (u64, u64),
    /// A table is loaded whole.
    pub replays: bool,
    /// The machine was up before: this is not its first start.
    pub armed: bool,
    /// What was last stored to this register or entry.
    pub before: u64,
}

/// What becomes of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is done.
    Keep,
    /// It is lost.
    Lose,
    /// Another value is stored.
    Change(u64),
    /// It goes to this entry of the same table.
    Elsewhere(u64),
}

/// A mistake that a driver could make, at its registers: the tests have to notice.
#[derive(Clone, Copy, Debug)]
pub struct Sabotage {
    /// What the driver seems to do wrong.
    pub name: &'static str,
    /// Whose driver.
    pub chip: Chip,
    /// What becomes of each store.
    pub act: fn(&Store) -> Action,
}

/// What is kept of one machine's registers.
pub(super) struct Wire {
    sabotage: Option<&'static Sabotage>,
    armed: AtomicBool,
    address: AtomicU64,
    before: Mutex<BTreeMap<(u16, u64, u64), u64>>,
}

impl Wire {
    pub(super) const fn new(sabotage: Option<&'static Sabotage>) -> Self {
        Self {
            sabotage,
            armed: AtomicBool::new(false),
            address: AtomicU64::new(0),
            before: Mutex::new(BTreeMap::new()),
        }
    }

    pub(super) fn arm(&self) {
        self.armed.store(true, Relaxed);
    }
}

/// A block of registers with `wire` in front of it.
#[derive(Clone, Copy)]
pub(super) struct Tap<R> {
    pub(super) inner: R,
    pub(super) wire: &'static Wire,
}

const IODA_ADDR: u16 = 0x220;
const IODA_DATA0: u16 = 0x228;
const IODA_DATA1: u16 = 0x230;
const AUTOINC: u64 = 1 << 63;

impl<R: RegIo> Tap<R> {
    fn sabotaged(&self, sabotage: &Sabotage, reg: Reg64, value: u64) {
        let at = reg.offset();
        let address = self.wire.address.load(Relaxed);
        if at == IODA_ADDR {
            self.wire.address.store(value, Relaxed);
            return self.inner.write64(reg, value);
        }
        let is_entry = at == IODA_DATA0 || at == IODA_DATA1;
        let entry = if is_entry {
            (address >> 48 & 0x1f, address & 0xffff)
        } else {
            (0, 0)
        };
        if at == IODA_DATA0 && address & AUTOINC != 0 {
            self.wire.address.store(address + 1, Relaxed);
        }
        let key = (at, entry.0, entry.1);
        let before = self.wire.before.lock().insert(key, value).unwrap_or(0);
        let store = Store {
            at,
            value,
            entry,
            replays: is_entry && address & AUTOINC != 0,
            armed: self.wire.armed.load(Relaxed),
            before,
        };
        match (sabotage.act)(&store) {
            Action::Keep => self.inner.write64(reg, value),
            Action::Lose if at == IODA_DATA0 && store.replays => {
                // The index steps all the same.
                let next = self.wire.address.load(Relaxed);
                self.inner.write64(Reg64::at(IODA_ADDR), next);
            }
            Action::Lose => {}
            Action::Change(value) => self.inner.write64(reg, value),
            Action::Elsewhere(index) => {
                let other = address & !0xffff & !AUTOINC | index;
                self.inner.write64(Reg64::at(IODA_ADDR), other);
                self.inner.write64(reg, value);
                self.inner
                    .write64(Reg64::at(IODA_ADDR), self.wire.address.load(Relaxed));
            }
        }
    }
}

impl<R: RegIo> RegIo for Tap<R> {
    fn read64(&self, reg: Reg64) -> u64 {
        self.inner.read64(reg)
    }
    fn write64(&self, reg: Reg64, value: u64) {
        match self.wire.sabotage {
            None => self.inner.write64(reg, value),
            Some(sabotage) => self.sabotaged(sabotage, reg, value),
        }
    }
    fn read32(&self, reg: Reg32) -> u32 {
        self.inner.read32(reg)
    }
    fn write32(&self, reg: Reg32, value: u32) {
        self.inner.write32(reg, value);
    }
    fn read16(&self, reg: Reg16) -> u16 {
        self.inner.read16(reg)
    }
    fn write16(&self, reg: Reg16, value: u16) {
        self.inner.write16(reg, value);
    }
    fn read8(&self, reg: Reg8) -> u8 {
        self.inner.read8(reg)
    }
    fn write8(&self, reg: Reg8, value: u8) {
        self.inner.write8(reg, value);
    }
    fn sync(&self) {
        self.inner.sync();
    }
    fn flush_line(&self, real: u64) {
        self.inner.flush_line(real);
    }
}
