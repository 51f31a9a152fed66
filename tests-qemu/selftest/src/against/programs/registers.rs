//! What registers and tables on the chip read back as.

use super::Bench;
use crate::against::bench::{Arena, OTHER, PE, bit, table};

pub(super) fn started(bench: &mut Bench<'_>) {
    let arena = bench.arena.real;
    for (name, at) in [
        ("VERSION", 0x800),
        ("LSI_SOURCE_ID", 0x100),
        ("PHB3_CONFIG", 0x160),
        ("M32_BASE", 0x190),
        ("M32_MASK", 0x198),
        ("M32_START", 0x1a0),
        ("M64_UPPER_BITS", 0x1f0),
        ("CONTROL", 0x810),
        ("RESET", 0x808),
        ("DLP_TRAIN_CTL", 0x640),
        ("SYSTEM_CONFIG", 0x600),
        ("ETU_ERR_SUMMARY", 0x2c8),
        ("LEM_FIR", 0xc00),
        ("LEM_MASK", 0xc18),
        ("GEN_CAP", 0x250),
        ("TCE_CAP", 0x258),
        ("IRQ_CAP", 0x260),
        ("EEH_CAP", 0x268),
    ] {
        let value = bench.reg(at);
        bench.see(name, value);
    }
    for (name, at) in [
        ("RTT_BAR", 0x168),
        ("PELTV_BAR", 0x188),
        ("PEST_BAR", 0x1a8),
        ("IVT_BAR", 0x150),
    ] {
        let value = bench.reg(at);
        bench.see(name, value.wrapping_sub(arena));
    }
    for (name, pcb) in [
        ("NFIR", 0x0201_2000),
        ("IRSN compare", 0x0201_201a),
        ("IRSN mask", 0x0201_201b),
        ("LSI id", 0x0201_201f),
        ("MMIO0 BAR", 0x0201_2040),
        ("MMIO0 mask", 0x0201_2043),
        ("MMIO1 BAR", 0x0201_2041),
        ("MMIO1 mask", 0x0201_2044),
        ("PHB BAR", 0x0201_2042),
        ("BAR enable", 0x0201_2045),
        ("hardware config", 0x0201_2018),
    ] {
        let value = bench.side.xscom().read(pcb).unwrap_or(u64::MAX);
        bench.see(name, value);
    }
}

pub(super) fn values_of_the_start(bench: &mut Bench<'_>) {
    for (name, at) in [
        ("DMARD_SYNC", 0x200),
        ("INTREP_TIMER", 0x1f8),
        ("TCE_SPEC_CTL", 0x218),
        ("DMA_CHAN_STATUS", 0x110),
        ("CPU_LOADSTORE_STATUS", 0x120),
        ("UTL 410", 0x410),
        ("UTL 418", 0x418),
        ("UTL 420", 0x420),
        ("UTL 540", 0x540),
        ("UTL 548", 0x548),
        ("UTL 550", 0x550),
        ("AIB 818", 0x818),
        ("AIB 820", 0x820),
        ("AIB 828", 0x828),
        ("AIB 840", 0x840),
        ("AIB 858", 0x858),
        ("TIMEOUT 878", 0x878),
        ("TIMEOUT 880", 0x880),
        ("PHB LEM enable", 0xc98),
        ("PHB freeze enable", 0xca8),
        ("PHB fence enable", 0xcb0),
        ("OUT freeze enable", 0xd28),
        ("INA freeze enable", 0xda8),
        ("INB freeze enable", 0xe28),
        ("LEM action 0", 0xc30),
        ("LEM action 1", 0xc38),
        ("LEM WOF", 0xc40),
    ] {
        let value = bench.reg(at);
        bench.see(name, value);
    }
}

pub(super) fn tables_keep_what_they_are_given(bench: &mut Bench<'_>) {
    let tve = bench.tve(Arena::TABLE, 1, 1);
    for (name, which, index, value) in [
        ("LXIVT", table::LXIVT, 3, 0x0020_0500_0000_0000),
        ("TVT", table::TVT, 2 * OTHER, tve),
        ("the last TVE", table::TVT, 511, tve),
        ("M32DT", table::M32DT, 200, OTHER << 48),
        ("M64BT", table::M64BT, 15, 0x003d_0000_3fff_0000),
    ] {
        bench.set_table(which, index, value);
        let back = bench.table(which, index);
        bench.see(name, back.wrapping_sub(value));
    }
}

pub(super) fn indexes_step(bench: &mut Bench<'_>) {
    let first = bit(0) | table::M32DT << 48 | 10;
    bench.set_reg(0x220, first);
    bench.set_reg(0x228, OTHER << 48);
    bench.set_reg(0x228, PE << 48);
    let index = bench.reg(0x220);
    bench.see("the index after two writes", index - first);
    bench.set_reg(0x220, first);
    let values = [bench.reg(0x228), bench.reg(0x228)];
    bench.see("the first", values[0]);
    bench.see("the second", values[1]);
    let index = bench.reg(0x220);
    bench.see("the index after two reads", index - first);
}

pub(super) fn error_bits(bench: &mut Bench<'_>) {
    bench.set_reg(0xc00, 0);
    let clear = bench.reg(0xc00);
    bench.see("cleared", clear);
    bench.set_reg(0xc10, 0x30);
    let set = bench.reg(0xc00);
    bench.see("two bits set", set);
    let summary = bench.reg(0x2c8);
    bench.see("the summary", u64::from(summary != 0));
    bench.set_reg(0xc08, !0x10);
    let left = bench.reg(0xc00);
    bench.see("one left", left);
    bench.set_reg(0xc00, 0);
}

pub(super) fn freeze_bits(bench: &mut Bench<'_>) {
    let before = [
        bench.table(table::PESTA, OTHER),
        bench.table(table::PESTB, OTHER),
    ];
    bench.see("PESTA before", before[0]);
    bench.see("PESTB before", before[1]);
    bench.set_table(table::PESTA, OTHER, bit(0));
    bench.set_table(table::PESTB, OTHER, bit(0));
    let after = [
        bench.table(table::PESTA, OTHER),
        bench.table(table::PESTB, OTHER),
    ];
    bench.see("PESTA set", after[0]);
    bench.see("PESTB set", after[1]);
    let flags = bench.table(table::PEEV, 0);
    bench.see("PEEV", flags);
    bench.thaw(OTHER);
    let after = bench.table(table::PESTA, OTHER);
    bench.see("PESTA cleared", after);
}
