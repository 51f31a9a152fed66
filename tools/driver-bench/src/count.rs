//! Registers that count: [`Counted`].

use ioda::{Reg8, Reg16, Reg32, Reg64, RegIo};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many registers were loaded and stored.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// All accesses until now.
    #[must_use]
    pub fn accesses(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn count(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// The registers of `R`, each access to them being counted.
pub struct Counted<R> {
    registers: R,
    counter: Counter,
}

impl<R> Counted<R> {
    /// Counts accesses to `registers` in `counter`.
    pub const fn new(registers: R, counter: Counter) -> Self {
        Self { registers, counter }
    }
}

impl<R: RegIo> RegIo for Counted<R> {
    fn read64(&self, reg: Reg64) -> u64 {
        self.counter.count();
        self.registers.read64(reg)
    }
    fn write64(&self, reg: Reg64, value: u64) {
        self.counter.count();
        self.registers.write64(reg, value);
    }
    fn read32(&self, reg: Reg32) -> u32 {
        self.counter.count();
        self.registers.read32(reg)
    }
    fn write32(&self, reg: Reg32, value: u32) {
        self.counter.count();
        self.registers.write32(reg, value);
    }
    fn read16(&self, reg: Reg16) -> u16 {
        self.counter.count();
        self.registers.read16(reg)
    }
    fn write16(&self, reg: Reg16, value: u16) {
        self.counter.count();
        self.registers.write16(reg, value);
    }
    fn read8(&self, reg: Reg8) -> u8 {
        self.counter.count();
        self.registers.read8(reg)
    }
    fn write8(&self, reg: Reg8, value: u8) {
        self.counter.count();
        self.registers.write8(reg, value);
    }
    fn sync(&self) {
        self.registers.sync();
    }
    fn flush_line(&self, real: u64) {
        self.registers.flush_line(real);
    }
}
