//! The shared parts over registers and a bridge that tell what is done with them.

pub(crate) mod chip;
pub(crate) mod registers;

use crate::{Reg8, Reg16, Reg32, Reg64, RegIo};
use cases::prelude::*;
use core::cell::RefCell;

/// Registers that keep what they are given, and tell every access in order: `r64 228`, `w64 220 8007...`.
#[derive(Default)]
struct Told {
    said: RefCell<Vec<String>>,
    /// The newest of a register is its value.
    values: RefCell<Vec<(u16, u64)>>,
}

impl Told {
    /// What was said since the last call.
    fn said(&self) -> Vec<String> {
        self.said.take()
    }

    fn set(&self, reg: u16, value: u64) {
        self.values.borrow_mut().push((reg, value));
    }

    fn read(&self, bits: u32, reg: u16) -> u64 {
        self.said.borrow_mut().push(format!("r{bits} {reg:x}"));
        let values = self.values.borrow();
        let newest = values.iter().rev().find(|(of, _)| *of == reg);
        newest.map_or(0, |(_, value)| *value)
    }

    fn write(&self, bits: u32, reg: u16, value: u64) {
        self.said
            .borrow_mut()
            .push(format!("w{bits} {reg:x} {value:x}"));
        self.set(reg, value);
    }
}

impl RegIo for Told {
    fn read64(&self, reg: Reg64) -> u64 {
        self.read(64, reg.offset())
    }
    fn write64(&self, reg: Reg64, value: u64) {
        self.write(64, reg.offset(), value);
    }
    fn read32(&self, reg: Reg32) -> u32 {
        self.read(32, reg.offset()) as u32
    }
    fn write32(&self, reg: Reg32, value: u32) {
        self.write(32, reg.offset(), value.into());
    }
    fn read16(&self, reg: Reg16) -> u16 {
        self.read(16, reg.offset()) as u16
    }
    fn write16(&self, reg: Reg16, value: u16) {
        self.write(16, reg.offset(), value.into());
    }
    fn read8(&self, reg: Reg8) -> u8 {
        self.read(8, reg.offset()) as u8
    }
    fn write8(&self, reg: Reg8, value: u8) {
        self.write(8, reg.offset(), value.into());
    }
    fn sync(&self) {
        self.said.borrow_mut().push("sync".into());
    }
    fn flush_line(&self, _real: u64) {}
}
