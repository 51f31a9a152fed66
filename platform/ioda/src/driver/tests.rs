use super::{regs, table};
use crate::{Reg8, Reg16, Reg32, Reg64, RegIo};
use cases::prelude::*;
use core::cell::RefCell;

/// Registers that keep what they are given, and tell every access in order: `r64 228`, `w64 220 8007...`.
#[derive(Default)]
pub(crate) struct Told {
    said: RefCell<Vec<String>>,
    /// The newest of a register is its value.
    values: RefCell<Vec<(u16, u64)>>,
}

impl Told {
    /// What was said since the last call.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.take()
    }

    pub(crate) fn set(&self, reg: u16, value: u64) {
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

fn a_trap_block_has_its_registers_behind_its_base() {
    let [bridge, .., inbound_b] = regs::TRAPS;
    assert_eq!(bridge.status.offset(), 0xc80);
    assert_eq!(inbound_b.status.offset(), 0xe00);
    let all = [
        inbound_b.first,
        inbound_b.lem_enable,
        inbound_b.irq_enable,
        inbound_b.freeze_enable,
        inbound_b.fence_enable,
        inbound_b.logs[0],
        inbound_b.logs[1],
        inbound_b.status_mask,
        inbound_b.first_mask,
    ];
    let want = [
        0xe08, 0xe18, 0xe20, 0xe28, 0xe30, 0xe40, 0xe48, 0xe50, 0xe58,
    ];
    assert_eq!(all.map(Reg64::offset), want);
    assert_eq!(regs::bit(0), 1 << 63);
    assert_eq!(regs::bit(63), 1);
}

fn an_entry_of_a_table_is_reached_by_table_and_index() {
    let io = Told::default();
    io.set(0x228, 0x55);
    assert_eq!(table::read(&io, table::PEST_B, 0x7f), 0x55);
    assert_eq!(io.said(), ["w64 220 800000000007f", "r64 228"]);
    table::write(&io, table::PEEV, 1, 2);
    assert_eq!(io.said(), ["w64 220 14000000000001", "w64 228 2"]);
    table::load(&io, table::M64BT, [7, 8].into_iter());
    let want = ["w64 220 8010000000000000", "w64 228 7", "w64 228 8"];
    assert_eq!(io.said(), want);
}

cases::cases!(
    a_trap_block_has_its_registers_behind_its_base,
    an_entry_of_a_table_is_reached_by_table_and_index,
);
