//! How the payload was entered, tokens nobody has, and the small hcalls.

use crate::cpu::{self, MSR_EE, MSR_IR_DR};
use crate::hcall::{PAGES, hcall};
use crate::suite::{Fail, Outcome, cases, holds, ok, refused, same};
use crate::trap::{Trap, expecting};
use crate::tree::Platform;
use papr_abi::{HError, token};

cases!("basics":
    entered_in_real_mode_big_endian,
    unknown_tokens_are_h_function,
    set_sprg0_sets_it,
    set_dabr_is_no_privilege_matter,
    cpu_characteristics_are_told,
    page_init_zeroes_and_copies,
    page_init_refuses,
    sys_reset_reaches_its_target,
    sys_reset_refuses_a_foreign_processor;
    beyond_qemu: random_numbers_differ, page_init_refuses_a_foreign_page, sys_reset_leaves_stopped_processors_alone,
);

fn entered_in_real_mode_big_endian(_: &Platform) -> Outcome {
    let msr = cpu::msr();
    same("MSR[SF]", msr >> 63, 1)?;
    same("MSR[HV]", msr >> 60 & 1, 0)?;
    same("MSR[EE, IR, DR, LE]", msr & (MSR_EE | MSR_IR_DR | 1), 0)
}

fn unknown_tokens_are_h_function(_: &Platform) -> Outcome {
    // Below, between and above the known ones, odd ones, and known ones with bits set above them.
    let none = [
        0, 1, 2, 3, 5, 0x06, 0x2a8, 0x398, 0xf004, 0xf080, 0xefff, 0xffff, 0x1_0000,
    ];
    let wide = [
        0x1_0000_0008,
        0x8000_0000_0000_0004,
        0x1_0000_f000,
        u64::MAX,
        u64::MAX - 3,
        i64::MIN.cast_unsigned(),
    ];
    for token in none.into_iter().chain(wide) {
        refused(
            "an unknown token",
            hcall(token, [1, 2, 3]),
            HError::Function,
        )?;
    }
    Ok(())
}

fn set_sprg0_sets_it(_: &Platform) -> Outcome {
    for value in [0x0123_4567_89ab_cdef, u64::MAX, 0] {
        ok("H_SET_SPRG0", hcall(token::H_SET_SPRG0, [value]))?;
        same("SPRG0", cpu::sprg0(), value)?;
    }
    Ok(())
}

fn set_dabr_is_no_privilege_matter(_: &Platform) -> Outcome {
    // POWER8 has no DABR: success and H_HARDWARE are both in use; clients look for H_PRIVILEGE.
    let status = hcall(token::H_SET_DABR, [0]).status;
    let fine = [0, HError::Hardware.code(), HError::ReservedDabr.code()].contains(&status);
    holds(
        "H_SET_DABR answers 0, H_HARDWARE or H_RESERVED_DABR",
        fine.then_some(()),
    )
}

fn cpu_characteristics_are_told(_: &Platform) -> Outcome {
    ok(
        "H_GET_CPU_CHARACTERISTICS",
        hcall(token::H_GET_CPU_CHARACTERISTICS, []),
    )
    .map(drop)
}

const ZERO: u64 = 1 << (63 - 48);
const COPY: u64 = 1 << (63 - 49);

fn page_init_zeroes_and_copies(_: &Platform) -> Outcome {
    let init = |flags| {
        hcall(
            token::H_PAGE_INIT,
            [flags, PAGES[1].real(), PAGES[2].real()],
        )
    };
    for (flags, want) in [
        (0, 0x1111),
        (ZERO, 0),
        (COPY, 0x2222),
        (ZERO | COPY, 0x2222),
    ] {
        PAGES[0].fill(0xaaaa);
        PAGES[1].fill(0x1111);
        PAGES[2].fill(0x2222);
        ok("H_PAGE_INIT", init(flags))?;
        holds("the page", PAGES[1].is_all(want).then_some(()))?;
        holds("the page before", PAGES[0].is_all(0xaaaa).then_some(()))?;
        holds("the page after", PAGES[2].is_all(0x2222).then_some(()))?;
    }
    // Without the copy flag the source is not looked at.
    ok(
        "no source",
        hcall(token::H_PAGE_INIT, [ZERO, PAGES[1].real(), 1]),
    )
    .map(drop)
}

fn page_init_refuses(_: &Platform) -> Outcome {
    let [page, source] = [PAGES[1].real(), PAGES[2].real()];
    PAGES[1].fill(0x1111);
    for [to, from] in [
        [page + 8, source],
        [page + 0x800, source],
        [page, source + 1],
    ] {
        refused(
            "off its boundary",
            hcall(token::H_PAGE_INIT, [COPY, to, from]),
            HError::Parameter,
        )?;
    }
    holds("the page", PAGES[1].is_all(0x1111).then_some(()))
}

fn page_init_refuses_a_foreign_page(platform: &Platform) -> Outcome {
    let page = PAGES[1].real();
    for foreign in [platform.memory_end, 1 << 40, u64::MAX & !0xfff] {
        refused(
            "destination",
            hcall(token::H_PAGE_INIT, [ZERO, foreign, 0]),
            HError::Parameter,
        )?;
        refused(
            "source",
            hcall(token::H_PAGE_INIT, [COPY, page, foreign]),
            HError::Parameter,
        )?;
    }
    Ok(())
}

fn random_numbers_differ(_: &Platform) -> Outcome {
    let mut last = 0;
    for _ in 0..16 {
        let number = ok("H_RANDOM", hcall(token::H_RANDOM, []))?[0];
        holds(
            "a number differs from the one before",
            (number != last).then_some(()),
        )?;
        last = number;
    }
    Ok(())
}

fn sys_reset(target: u64) -> Result<(u64, Trap), Fail> {
    let mut status = i64::MIN;
    let came = expecting(|| {
        status = hcall(token::H_SIGNAL_SYS_RESET, [target]).status;
        cpu::spin(cpu::TICKS_PER_MS);
    });
    same("status", status.cast_unsigned(), 0)?;
    Ok(came)
}

fn sys_reset_reaches_its_target(platform: &Platform) -> Outcome {
    let (count, trap) = sys_reset(u64::from(platform.servers[0]))?;
    same("interrupts", count, 1)?;
    same("vector", trap.vector, 0x100)
}

fn sys_reset_leaves_stopped_processors_alone(_: &Platform) -> Outcome {
    // -1 is all processors, -2 all but the caller; the others are in the RTAS stopped state and stay so.
    let (count, trap) = sys_reset(u64::MAX)?;
    same("interrupts by all", count, 1)?;
    same("vector", trap.vector, 0x100)?;
    let (count, _) = sys_reset(u64::MAX - 1)?;
    same("interrupts by all others", count, 0)
}

fn sys_reset_refuses_a_foreign_processor(_: &Platform) -> Outcome {
    for target in [0x7777, 0x7fff_ffff, u64::MAX - 2] {
        refused(
            "H_SIGNAL_SYS_RESET",
            hcall(token::H_SIGNAL_SYS_RESET, [target]),
            HError::Parameter,
        )?;
    }
    Ok(())
}
