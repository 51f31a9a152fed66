//! Message interrupts and wires, up to the presentation controller.

use super::Bench;
use crate::against::bench::{Arena, EDU, OTHER, PE, bit, table};
use crate::against::side::Admission;

/// The message that is tried: number mod 64 below 32, which QEMU does not lose when it is rejected.
const MSI: u64 = 0x43;
const PRIORITY: u64 = 5;
/// The 32-bit and the 64-bit message address.
const NARROW: u64 = 0xffff_0000;
const WIDE: u64 = 1 << 60;

/// Where the entry of message `msi` is: 16 or 128 bytes apart, as the bridge was told.
fn entry(bench: &Bench<'_>, msi: u64) -> u64 {
    let stride = if bench.reg(0x810) & bit(24) != 0 {
        128
    } else {
        16
    };
    Arena::IVT + stride * msi
}

/// Sets the entry of `msi`: this thread, `priority`, endpoint `pe`, nothing pending; the bridge forgets its own.
fn route(bench: &mut Bench<'_>, msi: u64, priority: u64, pe: u64) {
    let server = u64::from(ppc64::power::pir()) << 2;
    let at = entry(bench, msi);
    bench.arena.at(at).store(server << 40 | priority << 32 | pe);
    bench.set_reg(0x2a0, bit(0));
}

/// Has the edu send `msi` from now on, to the block's address above `base`.
fn send_by(bench: &mut Bench<'_>, base: u64, msi: u64) {
    let cap = bench.config8(EDU, 0x34);
    let address = base | msi << 4 & 0xfe0f;
    bench.set_config(EDU, cap + 4, address as u32);
    bench.set_config(EDU, cap + 8, (address >> 32) as u32);
    bench.set_config(EDU, cap + 12, (msi & 0x1f) as u32);
    bench.set_config(EDU, cap, 0x0001_0000);
}

/// The edu interrupts; what comes of it.
fn fire(bench: &mut Bench<'_>) -> u64 {
    bench.side.raise();
    let came = bench.side.accept();
    bench.side.lower();
    came
}

/// P and Q in memory.
fn pending(bench: &Bench<'_>, msi: u64) -> u64 {
    let word = bench.arena.at(entry(bench, msi)).load();
    word >> 24 & 1 | (word >> 16 & 1) << 1
}

pub(super) fn a_message(bench: &mut Bench<'_>) {
    let capability = bench.config8(EDU, 0x34);
    bench.see("the capability", capability);
    let id = bench.config8(EDU, capability);
    bench.see("its id", id);
    route(bench, MSI, PRIORITY, PE);
    send_by(bench, NARROW, MSI);
    let came = fire(bench);
    bench.see("the interrupt", came);
    let bits = pending(bench, MSI);
    bench.see("P and Q", bits);
    let came = fire(bench);
    bench.see("again", came);
    let bits = pending(bench, MSI);
    bench.see("P and Q then", bits);
}

pub(super) fn the_entry_says_who(bench: &mut Bench<'_>) {
    route(bench, 0x7c5, 3, PE);
    send_by(bench, NARROW, 0x7c5);
    let came = fire(bench);
    bench.see("another number and priority", came);
}

pub(super) fn a_foreign_message(bench: &mut Bench<'_>) {
    route(bench, MSI, PRIORITY, OTHER);
    send_by(bench, NARROW, MSI);
    let came = fire(bench);
    bench.see("nothing comes", came);
    let bits = pending(bench, MSI);
    bench.see("P and Q", bits);
    let frozen = bench.table(table::PESTB, PE);
    bench.see("the sender's PESTB", frozen);
    bench.thaw(PE);
}

pub(super) fn masked_and_pending(bench: &mut Bench<'_>) {
    route(bench, MSI, 0xff, PE);
    send_by(bench, NARROW, MSI);
    let came = fire(bench);
    bench.see("masked", came);
    let bits = pending(bench, MSI);
    bench.see("P and Q", bits);
}

pub(super) fn end_of_interrupt(bench: &mut Bench<'_>) {
    route(bench, MSI, PRIORITY, PE);
    send_by(bench, NARROW, MSI);
    let came = fire(bench);
    bench.see("the first", came);
    let came = fire(bench);
    bench.see("the second waits", came);
    // P goes, the generation steps from 0 to 1.
    let at = entry(bench, MSI);
    bench.arena.put(at + 4, 1, 1 << 1);
    bench.set_reg(0x2a8, bit(0) | bit(4) | bit(5) | 1 << 30 | MSI);
    let lock = bench.reg(0x240);
    bench.see("the lock", lock);
    bench.arena.put(at + 5, 1, 0);
    bench.set_reg(0x2a8, bit(1) | MSI);
    bench.set_reg(0x238, MSI << 4 | bit(3));
    let came = bench.side.accept();
    bench.see("the second comes", came);
    let word = bench.arena.at(at).load();
    bench.see("generation, P and Q", word >> 16 & 0xffff);
}

pub(super) fn changes_in_memory(bench: &mut Bench<'_>) {
    route(bench, MSI, PRIORITY, PE);
    send_by(bench, NARROW, MSI);
    let came = fire(bench);
    bench.see("priority 5", came);
    let server = u64::from(ppc64::power::pir()) << 2;
    let at = entry(bench, MSI);
    bench.arena.at(at).store(server << 40 | 7 << 32 | PE);
    let came = fire(bench);
    bench.see("changed in memory alone", came);
    route(bench, MSI, 7, PE);
    let came = fire(bench);
    bench.see("the bridge told", came);
}

pub(super) fn past_the_end(bench: &mut Bench<'_>) {
    send_by(bench, NARROW, 0x7f9);
    let came = fire(bench);
    bench.see("an LSI's number", came);
    bench.thaw(PE);
    route(bench, 0x7f7, PRIORITY, PE);
    send_by(bench, NARROW, 0x7f7);
    let came = fire(bench);
    bench.see("the last", came);
}

pub(super) fn a_short_table(bench: &mut Bench<'_>) {
    let bar = bench.reg(0x150);
    bench.set_reg(0x150, bar & !0xfff | MSI);
    route(bench, MSI, PRIORITY, PE);
    send_by(bench, NARROW, MSI);
    let came = fire(bench);
    bench.see("just past its end", came);
    bench.thaw(PE);
    bench.set_reg(0x150, bar & !0xfff | (MSI + 1));
    let came = fire(bench);
    bench.see("its last", came);
}

pub(super) fn short_entries(bench: &mut Bench<'_>) {
    let control = bench.reg(0x810);
    bench.set_reg(0x810, control & !bit(24));
    route(bench, MSI, PRIORITY, PE);
    send_by(bench, NARROW, MSI);
    let came = fire(bench);
    bench.see("the interrupt", came);
    let bits = pending(bench, MSI);
    bench.see("P and Q", bits);
    bench.set_reg(0x810, control);
}

pub(super) fn while_nothing_is_admitted(bench: &mut Bench<'_>) {
    for (name, msi) in [("message 0x43", 0x43), ("message 0x63", 0x63)] {
        route(bench, msi, PRIORITY, PE);
        send_by(bench, NARROW, msi);
        bench.side.admit(Admission::Nothing);
        bench.side.raise();
        bench.side.lower();
        bench.side.admit(Admission::Everything);
        let came = bench.side.accept();
        bench.see(name, came);
    }
}

pub(super) fn messages_off(bench: &mut Bench<'_>) {
    route(bench, MSI, PRIORITY, PE);
    send_by(bench, NARROW, MSI);
    let config = bench.reg(0x160);
    bench.set_reg(0x160, config & !bit(8));
    let came = fire(bench);
    bench.see("narrow ones off", came);
    bench.thaw(PE);
    bench.set_reg(0x160, config);
    let came = fire(bench);
    bench.see("on", came);
}

pub(super) fn a_wide_message(bench: &mut Bench<'_>) {
    route(bench, MSI, PRIORITY, PE);
    send_by(bench, WIDE, MSI);
    let config = bench.reg(0x160);
    bench.set_reg(0x160, config & !bit(14));
    let came = fire(bench);
    bench.see("wide ones off", came);
    bench.thaw(PE);
    bench.set_reg(0x160, config);
    let came = fire(bench);
    bench.see("on", came);
}

pub(super) fn forced(bench: &mut Bench<'_>) {
    route(bench, MSI, PRIORITY, PE);
    let lock = bench.reg(0x240);
    bench.see("the lock", lock);
    bench.set_reg(0x238, MSI << 4 | bit(3));
    let came = bench.side.accept();
    bench.see("the interrupt", came);
    let bits = pending(bench, MSI);
    bench.see("P and Q", bits);
}

pub(super) fn the_lock(bench: &mut Bench<'_>) {
    let first = bench.reg(0x240);
    bench.see("taken", first);
    let second = bench.reg(0x240);
    bench.see("held", second);
    route(bench, MSI, 0xff, PE);
    bench.set_reg(0x238, MSI << 4 | bit(3));
    let third = bench.reg(0x240);
    bench.see("freed", third);
    bench.set_reg(0x238, MSI << 4 | bit(3));
}

pub(super) fn a_wire(bench: &mut Bench<'_>) {
    let server = u64::from(ppc64::power::pir()) << 2;
    bench.set_table(table::LXIVT, 0, server << 40 | PRIORITY << 32);
    let came = fire(bench);
    bench.see("INTA", came);
    bench.set_table(table::LXIVT, 0, server << 40 | 0xff << 32);
    let came = fire(bench);
    bench.see("masked", came);
    bench.set_table(table::LXIVT, 0, server << 40 | 3 << 32);
    let came = fire(bench);
    bench.see("another priority", came);
    bench.set_table(table::LXIVT, 0, server << 40 | 0xff << 32);
}
