//! What the device reaches by DMA.

use super::Bench;
use crate::against::bench::{Arena, BEHIND, BEHIND_BRIDGE, EDU, GOOD, OTHER, PE, bit, table};
use crate::against::side::Who;

const PAGE: u64 = Arena::PAGE;
const TABLE: u64 = Arena::TABLE;

pub(super) fn a_mapped_page(bench: &mut Bench<'_>) {
    bench.map(TABLE, 3, PAGE, 3);
    let landed = bench.write(0x3008);
    bench.see("a write", landed);
    let read = bench.reads(0x3ff8, PAGE + 0xff8);
    bench.see("a read", read);
    bench.map(TABLE, 511, Arena::PAGE_2, 3);
    let landed = bench.write(0x1f_fff8);
    bench.see("at the end", landed);
}

pub(super) fn permissions(bench: &mut Bench<'_>) {
    for (names, bits) in [
        (["a write, both", "a read, both"], 3),
        (["a write, write only", "a read, write only"], 2),
        (["a write, read only", "a read, read only"], 1),
        (["a write, none", "a read, none"], 0),
    ] {
        bench.map(TABLE, 0, PAGE, bits);
        let landed = bench.write(0x10);
        bench.see(names[0], landed);
        bench.thaw(PE);
        let read = bench.reads(0x20, PAGE + 0x20);
        // A read that is refused freezes the endpoint, and the way out with it.
        bench.see(names[1], read);
        bench.thaw(PE);
    }
}

pub(super) fn bounds(bench: &mut Bench<'_>) {
    bench.map(TABLE, 0, PAGE, 3);
    for (name, bus) in [
        ("inside", 0x8),
        ("2 MiB on", (2 << 20) + 0x10),
        ("4 GiB on", (4 << 30) + 0x18),
        ("2^58 on", (1 << 58) + 0x20),
    ] {
        let landed = bench.write(bus);
        bench.see(name, landed);
        bench.thaw(PE);
    }
}

pub(super) fn two_levels(bench: &mut Bench<'_>) {
    // The upper table's entry 1 leads to the lower one's 512 pages.
    let lower = Arena::TABLE_2;
    bench.map(TABLE, 1, lower, 3);
    bench.map(lower, 2, PAGE, 3);
    bench.set_table(table::TVT, 2 * PE, bench.tve(TABLE, 2, 1));
    let landed = bench.write((2 << 20) + 0x2008);
    bench.see("a write", landed);
    let read = bench.reads((2 << 20) + 0x2010, PAGE + 0x10);
    bench.see("a read", read);
    let landed = bench.write(0x2018);
    bench.see("an upper entry that is empty", landed);
    bench.thaw(PE);
    let landed = bench.write((1 << 30) + (2 << 20) + 0x2020);
    bench.see("1 GiB on", landed);
    bench.thaw(PE);
}

pub(super) fn larger_pages(bench: &mut Bench<'_>) {
    for (names, psize, shift) in [
        (["64 KiB: a write", "64 KiB: a read"], 5, 16),
        (["16 MiB: a write", "16 MiB: a read"], 13, 24),
    ] {
        let real = bench.arena.real + PAGE;
        let page = real >> shift << shift;
        bench.arena.at(TABLE + 8).store(page | 3);
        bench.kill_all();
        bench.set_table(table::TVT, 2 * PE, bench.tve(TABLE, 1, psize));
        let bus = (1 << shift) + (real - page);
        let landed = bench.write(bus + 8);
        bench.see(names[0], landed);
        let read = bench.reads(bus + 0x10, PAGE + 0x10);
        bench.see(names[1], read);
    }
}

pub(super) fn no_window(bench: &mut Bench<'_>) {
    bench.map(TABLE, 0, PAGE, 3);
    bench.set_table(table::TVT, 2 * PE, 0);
    let landed = bench.write(8);
    bench.see("a write", landed);
    bench.thaw(PE);
    let landed = bench.write(GOOD + 0x1008);
    bench.see("the other window", landed);
}

pub(super) fn bypass(bench: &mut Bench<'_>) {
    // From 16 MiB to 16 MiB: nothing. Start and end take the bits of the address and of the levels.
    let tve = bit(51) | 1 << 40 | 1 << 16;
    bench.set_table(table::TVT, 2 * PE, tve);
    let landed = bench.write(bench.arena.real + PAGE);
    bench.see("a write outside the bounds", landed);
    bench.thaw(PE);
}

pub(super) fn a_change_without_a_kill(bench: &mut Bench<'_>) {
    bench.map(TABLE, 0, PAGE, 3);
    let landed = bench.write(8);
    bench.see("before", landed);
    bench.map_quietly(TABLE, 0, Arena::PAGE_2, 3);
    let landed = bench.write(0x10);
    bench.see("changed", landed);
    bench.set_reg(0x210, bit(2) | PE);
    let landed = bench.write(0x18);
    bench.see("the page killed", landed);
    bench.map_quietly(TABLE, 0, PAGE, 3);
    bench.set_reg(0x210, bit(1) | OTHER);
    let landed = bench.write(0x20);
    bench.see("another endpoint killed", landed);
    bench.set_reg(0x210, bit(1) | PE);
    let landed = bench.write(0x28);
    bench.see("the endpoint killed", landed);
    bench.map_quietly(TABLE, 0, PAGE, 0);
    let landed = bench.write(0x30);
    bench.see("cleared", landed);
    bench.kill_all();
    let landed = bench.write(0x38);
    bench.see("all killed", landed);
    bench.thaw(PE);
}

pub(super) fn a_requester_moves(bench: &mut Bench<'_>) {
    bench.map(TABLE, 0, PAGE, 3);
    bench.map(Arena::TABLE_2, 0, Arena::PAGE_2, 3);
    bench.window(OTHER, 0, Arena::TABLE_2);
    let landed = bench.write(8);
    bench.see("before", landed);
    bench.owns(EDU, OTHER);
    let landed = bench.write(0x10);
    bench.see("moved, the bridge not told", landed);
    bench.set_reg(0x208, 0x777 << 32);
    let landed = bench.write(0x18);
    bench.see("told of another", landed);
    bench.set_reg(0x208, 0x100 << 32);
    let landed = bench.write(0x20);
    bench.see("told of it", landed);
    bench.owns(EDU, PE);
    bench.forget_owners();
    let landed = bench.write(0x28);
    bench.see("back", landed);
}

pub(super) fn an_invalid_owner(bench: &mut Bench<'_>) {
    bench.map(TABLE, 0, PAGE, 3);
    bench.owns(EDU, 0x1ff);
    bench.forget_owners();
    let landed = bench.write(8);
    bench.see("a write", landed);
    bench.owns(EDU, PE);
    bench.forget_owners();
    let landed = bench.write(0x10);
    bench.see("put right", landed);
}

pub(super) fn no_owners(bench: &mut Bench<'_>) {
    bench.map(TABLE, 0, PAGE, 3);
    let bar = bench.reg(0x168);
    bench.set_reg(0x168, 0);
    bench.forget_owners();
    let landed = bench.write(8);
    bench.see("no table of requesters", landed);
    bench.set_reg(0x168, bar);
    bench.forget_owners();
    let landed = bench.write(0x10);
    bench.see("put right", landed);
}

pub(super) fn a_refusal_freezes(bench: &mut Bench<'_>) {
    bench.map(TABLE, 0, PAGE, 3);
    let landed = bench.write(0x5008);
    bench.see("not mapped", landed);
    let landed = bench.write(0x8);
    bench.see("mapped, but after that", landed);
    let frozen = [bench.table(table::PESTA, PE), bench.table(table::PESTB, PE)];
    bench.see("PESTA", frozen[0]);
    bench.see("PESTB", frozen[1]);
    let noted = [0, 8].map(|at| bench.arena.at(Arena::PEST + 16 * PE + at).load());
    bench.see("the requester noted", noted[0] >> 16 & 0xffff);
    bench.see("the address noted", noted[1] & !0xfff);
    let summary = bench.reg(0x2c8);
    bench.see("the summary", u64::from(summary != 0));
    bench.thaw(PE);
    let landed = bench.write(0x10);
    bench.see("thawed", landed);
}

pub(super) fn not_a_master(bench: &mut Bench<'_>) {
    bench.map(TABLE, 0, PAGE, 3);
    bench.set_config(EDU, 4, 2);
    let landed = bench.write(8);
    bench.see("the device", landed);
    bench.set_config(EDU, 4, 6);
    bench.set_config(0, 4, 2);
    let landed = bench.write(0x10);
    bench.see("the root port", landed);
    bench.set_config(0, 4, 6);
    let landed = bench.write(0x18);
    bench.see("both are", landed);
}

pub(super) fn a_frozen_endpoint(bench: &mut Bench<'_>) {
    bench.map(TABLE, 0, PAGE, 3);
    bench.set_table(table::PESTB, PE, bit(0));
    let landed = bench.write(8);
    bench.see("DMA stopped", landed);
    bench.thaw(PE);
    bench.set_table(table::PESTA, PE, bit(0));
    let landed = bench.write(0x10);
    bench.see("MMIO frozen", landed);
    bench.thaw(PE);
}

pub(super) fn behind_a_conventional_bridge(bench: &mut Bench<'_>) {
    bench.map(Arena::TABLE_2, 0, Arena::PAGE_2, 3);
    bench.window(OTHER, 0, Arena::TABLE_2);
    bench.window(OTHER, 1, Arena::GOOD_TABLE);
    bench.owns(BEHIND_BRIDGE, OTHER);
    bench.forget_owners();
    bench.side.fill(Who::Behind, GOOD);
    let landed = bench.write_by(Who::Behind, 8);
    bench.see("by the bridge's id", landed);
    bench.owns(BEHIND_BRIDGE, 255);
    bench.owns(BEHIND, OTHER);
    bench.forget_owners();
    let landed = bench.write_by(Who::Behind, 0x10);
    bench.see("by its own", landed);
    bench.thaw(255);
}
