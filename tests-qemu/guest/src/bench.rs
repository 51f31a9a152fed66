//! `mode=bench`: what hcalls cost, in instructions.
//!
//! Meant for QEMU with `-icount shift=0`, where an instruction takes one virtual nanosecond and the
//! timebase has 512 MHz: ticks * 1000 / 512 are instructions, and repeat exactly. Each line is
//! `bench NAME VALUE instructions`; elsewhere the same numbers are nanoseconds.

use crate::console::println;
use crate::cpu::{self, DEC_FAR, TICKS_PER_MS};
use crate::hcall::{PAGES, Page, Waiting, cede_until, hcall, stamped, ticks_of};
use crate::smp::{self, Order};
use crate::trap::expecting;
use crate::tree::Platform;
use papr_abi::hpte::{flag, r, v};
use papr_abi::token;

pub(crate) mod handover;
pub(crate) mod latency;

static LIST: Page = Page::new();

fn line(name: &str, ticks: u64, rounds: u64) {
    println!(
        "bench {} {} instructions",
        name,
        ticks * 1000 / 512 / rounds.max(1)
    );
}

/// Measures, and prints one line for each.
pub(crate) fn run(platform: &Platform) {
    cede_until(platform.options.after);
    let measure = |name, calls: &[[u64; 5]], rounds| line(name, ticks_of(calls, rounds), rounds);
    measure("unknown_hcall", &[[0xfff0, 0, 0, 0, 0]], 2000);
    if let Some(window) = platform
        .bridges()
        .iter()
        .map(|bridge| bridge.window)
        .find(|window| window.bytes > 0x80_0000)
    {
        let (liobn, page) = (u64::from(window.liobn), PAGES[0].real() | 3);
        (0..512).for_each(|n| LIST.set(n, page));
        measure(
            "put_tce",
            &[[token::H_PUT_TCE, liobn, window.base, page, 0]],
            2000,
        );
        measure(
            "put_tce_indirect_512",
            &[[
                token::H_PUT_TCE_INDIRECT,
                liobn,
                window.base,
                LIST.real(),
                512,
            ]],
            50,
        );
        measure(
            "put_tce_indirect_1",
            &[[
                token::H_PUT_TCE_INDIRECT,
                liobn,
                window.base,
                LIST.real(),
                1,
            ]],
            1000,
        );
        measure(
            "stuff_tce_512",
            &[[token::H_STUFF_TCE, liobn, window.base, 0, 512]],
            50,
        );
        measure(
            "stuff_tce_1",
            &[[token::H_STUFF_TCE, liobn, window.base, 0, 1]],
            1000,
        );
    } else {
        println!("bench put_tce skipped: no DMA window");
    }
    let (index, high) = (8 * 0x155, 0x0012_3456_789a_bc80 | v::VALID);
    let enter = [
        token::H_ENTER,
        flag::EXACT,
        index,
        high,
        PAGES[0].real() & r::RPN | r::M | 2,
    ];
    measure(
        "enter_remove",
        &[enter, [token::H_REMOVE, 0, index, 0, 0]],
        1000,
    );
    let me = u64::from(platform.servers[0]);
    let [raise, lower] = [4, 0xff].map(|mfrr| [token::H_IPI, me, mfrr, 0, 0]);
    let (take, end) = (
        [token::H_XIRR, 0, 0, 0, 0],
        [token::H_EOI, 0xff00_0002, 0, 0, 0],
    );
    let _ = hcall(token::H_CPPR, [0xff]);
    measure("ipi_xirr_ipi_eoi", &[raise, take, lower, end], 1000);
    measure("ipi_ipi", &[raise, lower], 1000);
    measure(
        "put_term_char_0",
        &[[token::H_PUT_TERM_CHAR, 0, 0, 0, 0]],
        1000,
    );
    cede_with_ipi_pending(me);
    cede_woken_by_another(platform);
    println!("bench done");
}

fn cede_with_ipi_pending(me: u64) {
    const ROUNDS: u64 = 200;
    let mut ticks = 0;
    for _ in 0..ROUNDS {
        cpu::set_dec(DEC_FAR);
        let _ = hcall(token::H_IPI, [me, 4]);
        let [before, after] = stamped(0x500, Waiting::Ceded);
        ticks += after - before;
        let _ = hcall(token::H_XIRR, []);
        let _ = hcall(token::H_IPI, [me, 0xff]);
        let _ = hcall(token::H_EOI, [0xff00_0002]);
    }
    line("cede_wake_self", ticks, ROUNDS);
}

/// From H_IPI on this processor to the other one's return from H_CEDE, which lies behind its vector.
///
/// On hardware the two run at once; under `-icount` they take turns, and this one's way to its own nap would
/// count too. So it lets the other run as soon as H_IPI is back. The median counts: now and then an event of
/// the host's has QEMU give the turn back in the middle.
fn cede_woken_by_another(platform: &Platform) {
    const ROUNDS: usize = 51;
    if smp::start(platform, 1).is_err() {
        println!("bench cede_wake_cross skipped: no second processor");
        return;
    }
    smp::give(1, Order::CedeForEver);
    let nap = || {
        let _ = expecting(|| {
            cpu::set_dec(5 * TICKS_PER_MS);
            let _ = hcall(token::H_CEDE, []);
            cpu::set_ee(0);
        });
    };
    nap();
    let mut ticks = [u64::MAX; ROUNDS];
    for round in &mut ticks {
        let before = smp::result(1)[2];
        let start = cpu::timebase();
        let _ = hcall(token::H_IPI, [u64::from(platform.servers[1]), 4]);
        cpu::give_way();
        nap();
        let woken = smp::result(1)[2];
        if woken != before && woken > start {
            *round = woken - start;
        }
    }
    ticks.sort_unstable();
    match ticks[ROUNDS / 2] {
        u64::MAX => println!("bench cede_wake_cross skipped: the second processor was not woken"),
        median => line("cede_wake_cross", median, 1),
    }
}
