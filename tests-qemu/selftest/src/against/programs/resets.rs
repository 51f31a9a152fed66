//! Resets, fences, and waiting for the bridge.

use super::Bench;
use crate::against::bench::{EDU, PE, ROOT, bit, table};

pub(super) fn secondary_bus(bench: &mut Bench<'_>) {
    let bar = bench.config(EDU, 0x10);
    bench.see("BAR 0", bar);
    bench.set_config(ROOT, 0x3c, 0x0040_0000);
    bench.set_config(ROOT, 0x3c, 0);
    let bar = bench.config(EDU, 0x10);
    bench.see("after the reset", bar);
    let command = bench.config16(EDU, 4);
    bench.see("its command", command);
}

pub(super) fn perst(bench: &mut Bench<'_>) {
    let reset = bench.reg(0x808);
    bench.set_reg(0x808, reset & !bit(2));
    bench.set_reg(0x808, reset | bit(2));
    for _ in 0..16 {
        bench.reg(0x640);
    }
    let bar = bench.config(EDU, 0x10);
    bench.see("BAR 0 after PERST", bar);
}

pub(super) fn logic_held(bench: &mut Bench<'_>) {
    // The status of the back door comes first: erratum HW275117.
    let _ = bench.side.xscom().read(0x0901_3c01);
    let _ = bench.side.xscom().write(0x0901_200a, bit(0));
    let version = bench.reg(0x800);
    bench.see("VERSION while held", version);
    let _ = bench.side.xscom().write(0x0901_200a, 0);
    let entry = bench.table(table::M32DT, 1);
    bench.see("M32DT is kept", u64::from(entry == PE << 48));
    let bar = bench.reg(0x168);
    bench.see("RTT_BAR is kept", u64::from(bar != 0));
}

pub(super) fn fence(bench: &mut Bench<'_>) {
    let _ = bench.side.xscom().write(0x0201_2002, 0x0000_00f0_0000_0000);
    let nfir = bench.side.xscom().read(0x0201_2000).unwrap_or(0);
    bench.see("fenced", nfir & bit(16));
    let version = bench.reg(0x800);
    bench.see("VERSION", version);
}

pub(super) fn sync_of_reads(bench: &mut Bench<'_>) {
    bench.set_reg(0x200, bit(0));
    let first = bench.reg(0x200);
    bench.see("at once", first & bit(1));
    for _ in 0..4 {
        bench.reg(0x200);
    }
    let later = bench.reg(0x200);
    bench.see("later", later & bit(1));
}
