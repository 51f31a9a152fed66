//! Configuration cycles.

use super::Bench;
use crate::against::bench::{EDU, OTHER, PE, ROOT};
use ioda::{Reg8, Reg16, Reg32};

pub(super) fn widths(bench: &mut Bench<'_>) {
    let root = bench.config(ROOT, 0);
    bench.see("the root port's ids", root);
    let edu = bench.config(EDU, 0);
    bench.see("the edu's ids", edu);
    let halves = [bench.config16(EDU, 0), bench.config16(EDU, 2)];
    bench.see("its vendor", halves[0]);
    bench.see("its device", halves[1]);
    let bytes = [0, 1, 2, 3].map(|at| bench.config8(EDU, at));
    bench.see(
        "its ids by bytes",
        bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24,
    );
    let header = bench.config8(EDU, 0x0e);
    bench.see("its header type", header);
    let pin = bench.config8(EDU, 0x3d);
    bench.see("its wire", pin);
    let command = bench.config16(EDU, 4);
    bench.see("its command", command);
    let buses = bench.config(ROOT, 0x18);
    bench.see("the root port's buses", buses);
}

pub(super) fn narrow_writes(bench: &mut Bench<'_>) {
    let lane = bench.select(EDU, 0x3c, PE);
    bench.side.regs().write8(Reg8::at(lane), 0x2a);
    let line = bench.config(EDU, 0x3c);
    bench.see("a byte", line & 0xffff);
    let lane = bench.select(EDU, 0x06, PE);
    bench.side.regs().write16(Reg16::at(lane), 0);
    let lane = bench.select(EDU, 0x04, PE);
    bench
        .side
        .regs()
        .write16(Reg16::at(lane), 0x0402u16.swap_bytes());
    let command = bench.config16(EDU, 0x04);
    bench.see("two bytes", command);
}

pub(super) fn absent_functions(bench: &mut Bench<'_>) {
    let absent = bench.config(0x107, 0);
    bench.see("an absent function", absent);
    let freezes = bench.table(7, 255);
    bench.see("its endpoint's PESTA", freezes);
    bench.thaw(255);
    let absent = bench.config(0x300, 0);
    bench.see("a bus without a function", absent);
    bench.thaw(255);
}

pub(super) fn wrong_endpoint(bench: &mut Bench<'_>) {
    let lane = bench.select(EDU, 0, OTHER);
    let ids = bench.side.regs().read32(Reg32::at(lane)).swap_bytes();
    bench.see("ids, blaming another", ids.into());
}

pub(super) fn bar_sizes(bench: &mut Bench<'_>) {
    let bar = bench.config(EDU, 0x10);
    bench.see("BAR 0", bar);
    bench.set_config(EDU, 0x10, u32::MAX);
    let size = bench.config(EDU, 0x10);
    bench.see("its size", size);
    bench.set_config(EDU, 0x10, bar as u32);
    let none = bench.config(EDU, 0x14);
    bench.see("BAR 1", none);
    bench.set_config(EDU, 0x14, u32::MAX);
    let none = bench.config(EDU, 0x14);
    bench.see("its size: none", none);
    bench.set_config(EDU, 0x3c, 0x17);
    let line = bench.config8(EDU, 0x3c);
    bench.see("the interrupt line", line);
}

pub(super) fn a_function_bus_0_has_not(bench: &mut Bench<'_>) {
    let ones = bench.config(0x08, 0);
    bench.see("device 1 of bus 0", ones);
    let nfir = bench.side.xscom().read(0x0201_2000).unwrap_or(0);
    bench.see("fenced", nfir);
}
