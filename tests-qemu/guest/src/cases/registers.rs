//! What an hcall preserves: r1, r2, r13 to r31, LR, CR2 to CR4, and all of FP, VMX and VSX.

use crate::cpu;
use crate::hcall::{PAGES, STATE_DWORDS, hcall, state_across};
use crate::suite::{Outcome, cases, holds, same};
use crate::trap::expecting;
use crate::tree::Platform;
use papr_abi::token;

cases!("registers":
    kept_over_an_unknown_hcall,
    kept_over_hcalls_served_early,
    kept_over_hcalls_served_late,
    kept_over_rtas,
    kept_over_cede,
    special_registers_are_kept,
    nothing_of_the_hypervisor_leaks,
);

fn pattern(n: usize) -> u64 {
    0x0101_0101_0101_0101u64.wrapping_mul(n as u64 + 1) ^ 0xfeed_0000_dead_0000
}
/// Does the hcall and compares everything it must keep.
fn keeps(token: u64, args: [u64; 4]) -> Outcome {
    let mut state: [u64; STATE_DWORDS] = core::array::from_fn(pattern);
    let _ = state_across(token, args, &mut state);
    same("r1 (as its difference)", state[0], 0)?;
    same("r2", state[1], pattern(1))?;
    for (n, value) in state.iter().enumerate().take(21).skip(2) {
        same("one of r13 to r31", *value, pattern(n))?;
    }
    same("LR", state[21], pattern(21))?;
    same(
        "CR2 to CR4",
        state[22] & 0x00ff_f000,
        pattern(22) & 0x00ff_f000,
    )?;
    for (n, value) in state.iter().enumerate().skip(32) {
        same("a doubleword of a VSX register", *value, pattern(n))?;
    }
    Ok(())
}

fn kept_over_an_unknown_hcall(_: &Platform) -> Outcome {
    keeps(0xfff0, [1, 2, 3, 4])
}
fn kept_over_hcalls_served_early(_: &Platform) -> Outcome {
    keeps(token::H_PUT_TERM_CHAR, [0, 0, 0, 0])?;
    keeps(token::H_XIRR, [0; 4])?;
    keeps(token::H_CPPR, [0xff, 0, 0, 0])?;
    keeps(token::H_PUT_TCE, [0x7abc_0000, 0, 0, 0])
}
fn kept_over_hcalls_served_late(_: &Platform) -> Outcome {
    keeps(token::H_READ, [0, 0, 0, 0])?;
    keeps(token::H_PAGE_INIT, [1 << 15, PAGES[1].real(), 0, 0])?;
    keeps(token::H_GET_CPU_CHARACTERISTICS, [0; 4])
}
fn kept_over_rtas(platform: &Platform) -> Outcome {
    let token = platform.rtas_token("get-time-of-day").unwrap_or(0);
    [token, 0, 8]
        .iter()
        .enumerate()
        .for_each(|(n, word)| PAGES[0].set32(n, *word));
    keeps(token::H_RTAS, [PAGES[0].real(), 0, 0, 0])
}
fn kept_over_cede(_: &Platform) -> Outcome {
    // The decrementer wakes it: its interrupt comes before the next instruction, and closes MSR[EE].
    let mut outcome = Ok(());
    let (count, _) = expecting(|| {
        cpu::set_dec(cpu::TICKS_PER_MS);
        outcome = keeps(token::H_CEDE, [0; 4]);
    });
    outcome?;
    same("interrupts", count, 1)
}

fn special_registers_are_kept(platform: &Platform) -> Outcome {
    let before = cpu::partition_registers();
    // FSCR[TAR], a DSCR, a TAR, storage keys, VRSAVE, and no event-based branches.
    let values = [
        1 << 8,
        0x35,
        0x1234_5678_9abc_def0,
        0xcccc_3333_0000_ffff,
        0xdead_beef,
        0,
    ];
    cpu::set_partition_registers(values);
    // What the processor really keeps of that; all but an empty AMR (UAMOR off) and VRSAVE are whole.
    let kept = cpu::partition_registers();
    let calls = [
        (token::H_XIRR, 0),
        (token::H_READ, 0),
        (0xfff0, 0),
        (token::H_RTAS, PAGES[0].real()),
        (token::H_CEDE, 0),
    ];
    let get_time = [platform.rtas_token("get-time-of-day").unwrap_or(0), 0, 8];
    get_time
        .iter()
        .enumerate()
        .for_each(|(n, word)| PAGES[0].set32(n, *word));
    let mut outcome = same("TAR takes its value", kept[2], values[2]);
    for (token, argument) in calls {
        let _ = expecting(|| {
            cpu::set_dec(cpu::TICKS_PER_MS);
            let _ = hcall(token, [argument]);
            cpu::set_ee(0);
        });
        cpu::set_dec(cpu::DEC_FAR);
        for (got, want) in cpu::partition_registers().into_iter().zip(kept) {
            outcome = outcome.and(same(
                "one of FSCR, DSCR, TAR, AMR, VRSAVE, BESCR",
                got,
                want,
            ));
        }
    }
    cpu::set_partition_registers(before);
    outcome
}

fn nothing_of_the_hypervisor_leaks(_: &Platform) -> Outcome {
    // The volatile registers hold what the call defines, what the caller put there, or zero: never
    // something that looks like an address of the hypervisor.
    let mut state: [u64; STATE_DWORDS] = core::array::from_fn(pattern);
    let _ = state_across(0xfff0, [1, 2, 3, 4], &mut state);
    for (n, value) in state.iter().enumerate().take(32).skip(23) {
        let known = *value == pattern(n) || *value == 0 || (n < 27 && *value <= 4);
        holds("r0 and r5 to r12 hold nothing foreign", known.then_some(()))?;
    }
    Ok(())
}
