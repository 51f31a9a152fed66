//! H_CEDE, H_PROD and H_CONFER. Source: LoPAR 2.9, "Shared Processor LPAR Option".

use super::xics;
use crate::cpu::{self, DEC_FAR, MSR_EE, TICKS_PER_MS};
use crate::hcall::{Answer, hcall};
use crate::suite::{Outcome, cases, holds, ok, refused, same};
use crate::trap::{Trap, expecting};
use crate::tree::Platform;
use papr_abi::{HError, token};

cases!("sched":
    cede_waits_for_the_decrementer,
    cede_with_an_interrupt_pending_takes_it;
    beyond_qemu:
    cede_switches_interrupts_on,
    a_prod_is_kept_for_the_next_cede,
    confer_returns,
    confer_to_oneself_waits_for_a_prod,
    prod_and_confer_refuse_a_foreign_processor,
    prod_and_confer_change_r3_alone,
);

fn me(platform: &Platform) -> u64 {
    u64::from(platform.servers[0])
}
/// Nearly as far away as the decrementer goes.
const LONG_MS: u64 = 4000;

/// H_CEDE with the decrementer `ms` away; its answer, the MSR after it, how long it took, what came.
fn cede(ms: u64) -> (Answer, u64, u64, u64, Trap) {
    let (mut answer, mut msr, mut took) = (None, 0, 0);
    let (count, trap) = expecting(|| {
        let start = cpu::timebase();
        cpu::set_dec(ms * TICKS_PER_MS);
        answer = Some(hcall(token::H_CEDE, []));
        msr = cpu::msr();
        took = cpu::timebase() - start;
        // An interrupt that waits still is taken here if it was not before.
        cpu::set_ee(MSR_EE);
        cpu::set_ee(0);
        cpu::set_dec(DEC_FAR);
    });
    (
        answer.unwrap_or(Answer {
            status: i64::MIN,
            out: [0; 9],
        }),
        msr,
        took,
        count,
        trap,
    )
}

fn cede_waits_for_the_decrementer(platform: &Platform) -> Outcome {
    xics::quiet(platform)?;
    let (answer, _, took, count, trap) = cede(20);
    ok("H_CEDE", answer)?;
    same("interrupts", count, 1)?;
    same("vector", trap.vector, 0x900)?;
    holds(
        "not before its time",
        (took >= 20 * TICKS_PER_MS).then_some(()),
    )?;
    holds(
        "not long after its time",
        (took < cpu::PATIENCE).then_some(()),
    )
}

fn cede_with_an_interrupt_pending_takes_it(platform: &Platform) -> Outcome {
    xics::quiet(platform)?;
    ok("H_IPI", xics::ipi(platform, 4))?;
    let (answer, _, took, count, trap) = cede(LONG_MS);
    let pending = xics::xirr()?;
    ok("H_IPI", xics::ipi(platform, 0xff))?;
    xics::eoi(pending)?;
    ok("H_CEDE", answer)?;
    same("XIRR", pending, 0xff00_0002)?;
    same("vector", trap.vector, 0x500)?;
    holds("an interrupt came", (count >= 1).then_some(()))?;
    holds("at once", (took < LONG_MS * TICKS_PER_MS / 2).then_some(()))
}

fn cede_switches_interrupts_on(platform: &Platform) -> Outcome {
    xics::quiet(platform)?;
    ok("H_PROD", hcall(token::H_PROD, [me(platform)]))?;
    let (answer, msr, _, count, _) = cede(LONG_MS);
    ok("H_CEDE", answer)?;
    same("interrupts", count, 0)?;
    same("MSR[EE]", msr & MSR_EE, MSR_EE)
}

fn a_prod_is_kept_for_the_next_cede(platform: &Platform) -> Outcome {
    xics::quiet(platform)?;
    for _ in 0..2 {
        ok("H_PROD", hcall(token::H_PROD, [me(platform)]))?;
    }
    let (answer, _, took, count, _) = cede(LONG_MS);
    ok("H_CEDE", answer)?;
    same("interrupts", count, 0)?;
    holds("at once", (took < LONG_MS * TICKS_PER_MS / 2).then_some(()))?;
    // One cede has consumed it, however many prods there were.
    let (answer, _, _, count, trap) = cede(10);
    ok("H_CEDE", answer)?;
    same("interrupts", count, 1)?;
    same("vector", trap.vector, 0x900)
}

fn confer_returns(platform: &Platform) -> Outcome {
    ok("to all", hcall(token::H_CONFER, [u64::MAX, 0]))?;
    match platform.servers.get(1) {
        // An even dispatch count: that processor runs, or never did.
        Some(other) if platform.cpus > 1 => {
            ok("to another", hcall(token::H_CONFER, [u64::from(*other), 0])).map(drop)
        }
        _ => Ok(()),
    }
}

fn confer_to_oneself_waits_for_a_prod(platform: &Platform) -> Outcome {
    ok("H_PROD", hcall(token::H_PROD, [me(platform)]))?;
    let start = cpu::timebase();
    ok("H_CONFER", hcall(token::H_CONFER, [me(platform), 0]))?;
    holds(
        "at once",
        (cpu::timebase() - start < cpu::PATIENCE).then_some(()),
    )
}

fn prod_and_confer_refuse_a_foreign_processor(platform: &Platform) -> Outcome {
    let next = platform
        .servers
        .iter()
        .take(platform.cpus)
        .max()
        .copied()
        .unwrap_or(0)
        + 1;
    for server in [u64::from(next), 0x7fff_ffff, 1 << 40] {
        refused("H_PROD", hcall(token::H_PROD, [server]), HError::Parameter)?;
        refused(
            "H_CONFER",
            hcall(token::H_CONFER, [server, 0]),
            HError::Parameter,
        )?;
    }
    Ok(())
}

fn prod_and_confer_change_r3_alone(platform: &Platform) -> Outcome {
    for (token, target) in [
        (token::H_PROD, me(platform)),
        (token::H_CONFER, me(platform)),
    ] {
        let args: [u64; 9] =
            core::array::from_fn(|n| if n == 0 { target } else { 0x7700 + n as u64 });
        let answer = hcall(token, args);
        same("status", answer.status.cast_unsigned(), 0)?;
        for (n, want) in args.iter().enumerate() {
            same("a register from r4", answer.out[n], *want)?;
        }
    }
    // The prod left over is consumed.
    let _ = cede(1);
    Ok(())
}
