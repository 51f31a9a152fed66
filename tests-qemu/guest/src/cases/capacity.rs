//! H_GET_PPP and H_PURR. Source: LoPAR 2.9, "Shared Processor LPAR Option".

use crate::cpu::purr;
use crate::hcall::hcall;
use crate::suite::{Fail, Outcome, cases, holds, ok, same};
use crate::tree::Platform;
use papr_abi::token;

cases!("capacity": ;
    beyond_qemu:
    ppp_tells_what_the_partition_has,
    purr_is_what_the_register_says,
);

/// What hcall `token` gives in its first `outputs` registers; the others are as before.
fn given(what: &'static str, token: u64, outputs: usize) -> Result<[u64; 9], Fail> {
    let before = [9, 8, 7, 6, 5, 4, 3, 2, 1];
    let out = ok(what, hcall(token, before))?;
    for (got, want) in out.iter().zip(before).skip(outputs) {
        same("a register that is no output", *got, want)?;
    }
    Ok(out)
}

fn ppp_tells_what_the_partition_has(platform: &Platform) -> Outcome {
    let [entitlement, left, place, resources, ..] = given("H_GET_PPP", token::H_GET_PPP, 4)?;
    let field = |shift: u32, bits: u32| resources >> shift & ((1 << bits) - 1);
    let (capped, weight) = (field(48, 8), field(40, 8));
    let (of_pool, of_machine) = (field(16, 16), field(0, 16));
    let cpus = platform.cpus as u64;
    same("reserved for the platform", field(56, 8), 0)?;
    same("reserved for aggregations", place >> 32, 0)?;
    same("weight of nobody", field(32, 8), 0)?;
    same("capped", capped, u64::from(weight == 0))?;
    let is = |truth: bool| truth.then_some(());
    holds("a group of its own", is(place >> 16 != 0))?;
    if place & 0xffff == 0xffff {
        same("dedicated: entitlement", entitlement, 100 * cpus)?;
        same("dedicated: left", left, 0)?;
        same("dedicated: weight", weight, 0)?;
        same("dedicated: processors of the pool", of_pool, 0)?;
        return holds("processors of the machine", is(of_machine >= cpus));
    }
    same("pool", place & 0xffff, 0)?;
    holds(
        "entitlement",
        is((5 * cpus..=100 * cpus).contains(&entitlement)),
    )?;
    holds("left", is(left + entitlement <= 100 * of_pool))?;
    holds(
        "processors of the pool",
        is((1..=of_machine).contains(&of_pool)),
    )
}

fn purr_is_what_the_register_says(_: &Platform) -> Outcome {
    let before = purr();
    let called = given("H_PURR", token::H_PURR, 1)?[0];
    let after = purr();
    let is_between = (before..=after).contains(&called);
    holds("between two looks", is_between.then_some(()))
}
