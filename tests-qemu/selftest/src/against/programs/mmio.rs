//! Loads and stores of the processor.

use super::Bench;
use crate::against::bench::{BAR, EDU, OTHER, PE, ROOT, SHARED, SHARED_PE, bit, table};

/// A register of the edu that keeps what it is given: the low half of its DMA engine's source.
const KEEPS: u64 = 0x80;
/// The 64-bit window: real address, as on the bus.
const WINDOW: u64 = 0x3_d000_0000_0000;

pub(super) fn a_device_register(bench: &mut Bench<'_>) {
    let real = bench.real(BAR + KEEPS);
    bench.side.store(real, 0x1234_5678);
    let back = bench.side.load(real);
    bench.see("what was stored", back);
    bench.set_config(EDU, 0x10, BAR as u32 + 0x10_0000);
    let moved = bench.side.load(real + 0x10_0000);
    bench.see("after the BAR moved", moved);
    bench.set_config(EDU, 0x10, BAR as u32);
}

pub(super) fn a_segment_of_another(bench: &mut Bench<'_>) {
    let real = bench.real(BAR + KEEPS);
    bench.side.store(real, 0x1234_5678);
    bench.set_table(table::M32DT, 1, OTHER << 48);
    let back = bench.side.load(real);
    bench.see("through another endpoint's segment", back);
    bench.set_table(table::PESTA, OTHER, bit(0));
    let back = bench.side.load(real);
    bench.see("when that is frozen", back);
    bench.thaw(OTHER);
    bench.set_table(table::M32DT, 1, PE << 48);
}

pub(super) fn a_frozen_segment(bench: &mut Bench<'_>) {
    let real = bench.real(BAR + KEEPS);
    bench.side.store(real, 1);
    bench.set_table(table::PESTA, PE, bit(0));
    let ones = bench.side.load(real);
    bench.see("a load", ones);
    bench.side.store(real, 2);
    bench.thaw(PE);
    let value = bench.side.load(real);
    bench.see("after a store that is dropped", value);
    bench.set_table(table::PESTB, PE, bit(0));
    let value = bench.side.load(real);
    bench.see("a load with DMA stopped", value);
    bench.thaw(PE);
}

pub(super) fn an_unclaimed_address(bench: &mut Bench<'_>) {
    let real = bench.real(BAR + 0x40_0000);
    let nothing = bench.side.load(real);
    bench.see("a load", nothing);
    let frozen = bench.table(table::PESTA, PE);
    bench.see("PESTA", frozen);
    bench.thaw(PE);
}

pub(super) fn windows_off(bench: &mut Bench<'_>) {
    const ENABLES: u32 = 0x0201_2045;
    let real = bench.real(BAR + KEEPS);
    bench.side.store(real, 9);
    let config = bench.reg(0x160);
    bench.set_reg(0x160, config & !bit(16));
    let value = bench.side.load(real);
    bench.see("the 32-bit window off in PHB3_CONFIG", value);
    bench.thaw(PE);
    bench.set_reg(0x160, config);
    let enables = bench.side.xscom().read(ENABLES).unwrap_or(0);
    let _ = bench.side.xscom().write(ENABLES, enables & !bit(1));
    let value = bench.side.load(real);
    bench.see("MMIO1 off", value);
    bench.thaw(PE);
    let _ = bench.side.xscom().write(ENABLES, enables);
    let value = bench.side.load(real);
    bench.see("on", value);
    bench.thaw(PE);
    let base = bench.reg(0x190);
    bench.set_reg(0x190, 0);
    bench.set_reg(0x190, base);
    let value = bench.side.load(real);
    bench.see("on, its base written anew", value);
}

pub(super) fn root_port_windows(bench: &mut Bench<'_>) {
    let real = bench.real(BAR + KEEPS);
    bench.side.store(real, 7);
    // Base above limit: the chip's root port then forwards everything.
    bench.set_config(ROOT, 0x20, 0x0000_fff0);
    let value = bench.side.load(real);
    bench.see("closed", value);
    bench.thaw(PE);
    bench.set_config(ROOT, 0x20, 0x9ff0_9000);
    let value = bench.side.load(real);
    bench.see("elsewhere", value);
    bench.thaw(PE);
    bench.set_config(ROOT, 0x20, 0xfff0_8000);
    let value = bench.side.load(real);
    bench.see("around it", value);
    bench.set_config(ROOT, 0x2c, 0x1234);
    let upper = bench.config(ROOT, 0x2c);
    bench.see("the prefetch limit's upper half", upper);
}

/// Opens the root port for the 64-bit window and places the ivshmem's memory there.
fn place_shared(bench: &mut Bench<'_>) {
    // The chip's root port loses the upper halves: closed, it forwards everything.
    bench.set_config(ROOT, 0x24, 0xfff1_0001);
    bench.set_config(ROOT, 0x28, (WINDOW >> 32) as u32);
    bench.set_config(ROOT, 0x2c, (WINDOW >> 32) as u32);
    bench.set_config(SHARED, 0x18, WINDOW as u32);
    bench.set_config(SHARED, 0x1c, (WINDOW >> 32) as u32);
    bench.set_config(SHARED, 0x04, 0x2);
    bench.set_config(ROOT, 0x20, 0x0000_fff0);
    if bench.config(ROOT, 0x28) != 0 {
        bench.set_config(ROOT, 0x20, 0xfff0_8000);
    }
}

/// The single endpoint's window `pe` of 2^`shift` bytes at `base`.
const fn single(base: u64, shift: u32, pe: u64) -> u64 {
    let mask = 0x2000_0000 - (1u64 << (shift - 25));
    bit(0) | bit(1) | (base >> 25) << 37 | (pe >> 5) << 32 | mask << 5 & 0x3fff_ffe0 | pe & 0x1f
}

pub(super) fn a_64_bit_window(bench: &mut Bench<'_>) {
    place_shared(bench);
    let bars = [bench.config(SHARED, 0x18), bench.config(SHARED, 0x1c)];
    bench.see("BAR 2", bars[0]);
    bench.see("BAR 3", bars[1]);
    bench.set_table(table::M64BT, 0, single(WINDOW, 26, SHARED_PE & !0x1f));
    bench.side.store(WINDOW + 0x10, 0xcafe_f00d);
    let back = bench.side.load(WINDOW + 0x10);
    bench.see("what was stored", back);
    bench.side.store(WINDOW + 0x3ff_fffc, 0x0dd);
    let back = bench.side.load(WINDOW + 0x3ff_fffc);
    bench.see("at the end", back);
    bench.set_table(table::M64BT, 0, 0);
}

pub(super) fn a_small_64_bit_window(bench: &mut Bench<'_>) {
    place_shared(bench);
    bench.set_table(table::M64BT, 0, single(WINDOW, 26, SHARED_PE));
    bench.side.store(WINDOW + 0x10, 0xcafe_f00d);
    let back = bench.side.load(WINDOW + 0x10);
    bench.see("at the start", back);
    let back = bench.side.load(WINDOW + 0x3ff_fffc);
    bench.see("at the end", back);
    bench.thaw(SHARED_PE);
    bench.set_table(table::M64BT, 0, 0);
}
