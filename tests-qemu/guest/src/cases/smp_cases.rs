//! start-cpu, stop-self, query-cpu-stopped-state, and what processors do to each other.

use crate::cpu::{self, MSR_EE, MSR_IR_DR, TICKS_PER_MS};
use crate::hcall::{PAGES, hcall};
use crate::rtas;
use crate::smp::{self, Order};
use crate::suite::{Fail, Outcome, cases, holds, ok, same, status};
use crate::tree::Platform;
use papr_abi::{token, vpa};

cases!("smp":
    second_processor_starts_stops_and_starts_again,
    start_refuses_a_running_or_foreign_processor,
    ipi_crosses_over,
    ipi_wakes_a_ceded_processor,
    prod_wakes_a_ceded_processor;
    beyond_qemu: sys_reset_reaches_a_processor_that_slept_and_spins, dispatch_count_of_a_ceded_processor_is_odd,
);

fn two(platform: &Platform) -> Outcome {
    if platform.cpus < 2 {
        Err(Fail::Skip("one processor only"))
    } else {
        Ok(())
    }
}

fn second_processor_starts_stops_and_starts_again(platform: &Platform) -> Outcome {
    two(platform)?;
    same(
        "this one's state",
        u64::from(smp::state(platform, 0).unwrap_or(9)),
        2,
    )?;
    for _ in 0..3 {
        same(
            "the other's state before",
            u64::from(smp::state(platform, 1).unwrap_or(9)),
            0,
        )?;
        smp::start(platform, 1)?;
        let msr = smp::result(1)[0];
        same(
            "state while it runs",
            u64::from(smp::state(platform, 1).unwrap_or(9)),
            2,
        )?;
        smp::stop(platform, 1)?;
        same("MSR[SF] it started with", msr >> 63, 1)?;
        same(
            "MSR[EE, PR, IR, DR, LE] it started with",
            msr & (MSR_EE | cpu::MSR_PR | MSR_IR_DR | 1),
            0,
        )?;
    }
    Ok(())
}

fn start_refuses_a_running_or_foreign_processor(platform: &Platform) -> Outcome {
    let call = |server: u32| {
        rtas::named(platform, "start-cpu", &[server, 0x40_0000, 0], 1)
            .map_or(0, |reply| reply.status)
    };
    holds(
        "a running one",
        (call(platform.servers[0]) < 0).then_some(()),
    )?;
    for server in [0x7777, u32::MAX] {
        holds("a foreign one", (call(server) < 0).then_some(()))?;
        let query = rtas::named(platform, "query-cpu-stopped-state", &[server], 2)
            .map_or(0, |reply| reply.status);
        holds("a query for a foreign one", (query < 0).then_some(()))?;
    }
    Ok(())
}

fn ipi(platform: &Platform, cpu: usize, mfrr: u64) -> Outcome {
    ok(
        "H_IPI",
        hcall(token::H_IPI, [u64::from(platform.servers[cpu]), mfrr]),
    )
    .map(drop)
}
fn took_the_ipi(outcome: Outcome) -> Outcome {
    outcome?;
    let [vector, xirr, ..] = smp::result(1);
    same("vector", vector, 0x500)?;
    same("XIRR", xirr, 0xff00_0002)
}

fn ipi_crosses_over(platform: &Platform) -> Outcome {
    two(platform)?;
    smp::start(platform, 1)?;
    let mut outcome = Ok(());
    for _ in 0..20 {
        let before = smp::give(1, Order::TakeInterrupt);
        outcome = outcome.and(ipi(platform, 1, 4));
        outcome =
            outcome.and_then(|()| took_the_ipi(smp::wait(1, before, "the IPI arrives in time")));
    }
    smp::stop(platform, 1)?;
    outcome
}

fn ceded(platform: &Platform, wake: impl Fn() -> Outcome) -> Outcome {
    two(platform)?;
    smp::start(platform, 1)?;
    let mut outcome = Ok(());
    for _ in 0..5 {
        let before = smp::give(1, Order::Cede);
        cpu::spin(20 * TICKS_PER_MS);
        if smp::is_done(1, before) {
            let [vector, xirr, ..] = smp::result(1);
            let what = "the processor waits until it is woken (its vector and XIRR)";
            outcome = outcome.and(same(what, vector << 32 | xirr, 0));
            outcome = outcome.and(Err(Fail::Because("the processor waits until it is woken")));
        }
        outcome = outcome.and(wake());
        outcome = outcome.and(smp::wait(1, before, "the processor wakes in time"));
    }
    smp::stop(platform, 1)?;
    outcome
}

fn ipi_wakes_a_ceded_processor(platform: &Platform) -> Outcome {
    ceded(platform, || ipi(platform, 1, 4))?;
    took_the_ipi(Ok(()))
}

fn prod_wakes_a_ceded_processor(platform: &Platform) -> Outcome {
    let prod = || {
        ok(
            "H_PROD",
            hcall(token::H_PROD, [u64::from(platform.servers[1])]),
        )
        .map(drop)
    };
    ceded(platform, prod)?;
    let [vector, xirr, ..] = smp::result(1);
    // What the hypervisor sent to its thread may reach it as an interrupt that has no source, which PAPR allows.
    let nothing = vector == 0x500 && xirr & 0xff_ffff == 0;
    same("vector", if nothing { 0 } else { vector }, 0)
}

fn sys_reset_reaches_a_processor_that_slept_and_spins(platform: &Platform) -> Outcome {
    two(platform)?;
    // Nothing but the hypervisor's own tick gets it out: it must not have lost that in its sleep.
    smp::start(platform, 1)?;
    let before = smp::give(1, Order::CedeThenSpin);
    // How soon it gets there is its host's affair, and that of who shares its thread.
    let spins = cpu::until(|| smp::result(1)[1] == smp::SPINS);
    let reset = ok(
        "H_SIGNAL_SYS_RESET",
        hcall(token::H_SIGNAL_SYS_RESET, [u64::from(platform.servers[1])]),
    );
    let done = smp::wait(1, before, "the processor is back in time");
    let vector = smp::result(1)[0];
    smp::stop(platform, 1)?;
    holds("it spins in time", spins.then_some(()))?;
    reset?;
    done?;
    same("vector", vector, 0x100)
}

fn dispatch_count_of_a_ceded_processor_is_odd(platform: &Platform) -> Outcome {
    two(platform)?;
    let count = || u64::from(PAGES[3].get32(64));
    PAGES[3].fill(0);
    PAGES[3].set(0, 640 << 16);
    smp::start(platform, 1)?;
    let registered = smp::register_vpa(1, PAGES[3].real());
    let shared = PAGES[3].get32((vpa::STATUS / 4) as usize) >> 16 & vpa::STATUS_SHARED as u32;
    let running = count();
    let before = smp::give(1, Order::Cede);
    let ceded = cpu::until(|| count() & 1 == 1);
    cpu::spin(20 * TICKS_PER_MS);
    let asleep = count();
    let woken = ipi(platform, 1, 4).and(smp::wait(1, before, "the processor wakes in time"));
    let awake = count();
    let off = smp::register_vpa(1, 0);
    smp::stop(platform, 1)?;
    registered?;
    woken?;
    off?;
    // One that shares its thread need not run while another one looks.
    if shared == 0 {
        same("parity while it runs", running & 1, 0)?;
        same("parity once woken", awake & 1, 0)?;
    }
    holds("it cedes in time", ceded.then_some(()))?;
    same("parity while it has ceded", asleep & 1, 1)?;
    status(
        "counts rise",
        i64::from(running < asleep && asleep < awake),
        1,
    )
}
