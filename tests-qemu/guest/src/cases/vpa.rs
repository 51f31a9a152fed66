//! H_REGISTER_VPA. Source: LoPAR 2.9, "H_REGISTER_VPA" and "Virtual Processor Area".

use crate::cpu::{self, TICKS_PER_MS};
use crate::hcall::{Answer, PAGES, hcall};
use crate::suite::{Outcome, cases, holds, ok, refused, same};
use crate::tree::Platform;
use papr_abi::vpa::{MIN_BYTES, STATUS, STATUS_SHARED, YIELD_COUNT, function};
use papr_abi::{HError, token};

cases!("vpa":
    register_and_deregister,
    register_refuses_a_bad_area,
    register_refuses_a_foreign_processor,
    unknown_functions_are_refused,
    slb_shadow_and_trace_log_need_a_vpa,
    slb_shadow_and_trace_log_refuse_a_bad_area,
    dispatch_count_is_even_while_running_and_moves_over_a_cede,
);

fn vpa(platform: &Platform, function: u64, address: u64) -> Answer {
    hcall(
        token::H_REGISTER_VPA,
        [function << 45, u64::from(platform.servers[0]), address],
    )
}
/// Writes the area's own size where registration reads it: 2 bytes at 4 (VPA) or 4 bytes at 4.
fn sized(bytes: u64) -> u64 {
    PAGES[0].fill(0);
    PAGES[0].set(0, bytes << 16 | bytes);
    PAGES[0].real()
}
fn none_registered(platform: &Platform) {
    for function in [
        function::DEREGISTER_DTL,
        function::DEREGISTER_SLB_SHADOW,
        function::DEREGISTER_VPA,
    ] {
        let _ = vpa(platform, function, 0);
    }
}

fn register_and_deregister(platform: &Platform) -> Outcome {
    none_registered(platform);
    for _ in 0..2 {
        ok(
            "register",
            vpa(platform, function::REGISTER_VPA, sized(MIN_BYTES)),
        )?;
        ok(
            "again",
            vpa(platform, function::REGISTER_VPA, sized(MIN_BYTES)),
        )?;
        ok("deregister", vpa(platform, function::DEREGISTER_VPA, 0))?;
    }
    // No check is made that one is registered.
    ok(
        "deregister nothing",
        vpa(platform, function::DEREGISTER_VPA, 0),
    )
    .map(drop)
}

fn register_refuses_a_bad_area(platform: &Platform) -> Outcome {
    none_registered(platform);
    let register = |address| vpa(platform, function::REGISTER_VPA, address);
    refused(
        "639 bytes",
        register(sized(MIN_BYTES - 1)),
        HError::Parameter,
    )?;
    refused("no bytes", register(sized(0)), HError::Parameter)?;
    refused("past its page", register(sized(4097)), HError::Parameter)?;
    // 640 bytes at 0xd80 of a page end right at its end; one cache line on they do not.
    PAGES[0].set(0xe00 / 8, MIN_BYTES << 16);
    refused(
        "over a 4 KiB boundary",
        register(PAGES[0].real() + 0xe00),
        HError::Parameter,
    )?;
    PAGES[0].set(0x40 / 8, MIN_BYTES << 16);
    refused(
        "off its 128 byte boundary",
        register(PAGES[0].real() + 0x40),
        HError::Parameter,
    )?;
    for foreign in [platform.memory_end, 1 << 40, u64::MAX & !0x7f] {
        refused("foreign", register(foreign), HError::Parameter)?;
    }
    PAGES[0].set(0xd80 / 8, MIN_BYTES << 16);
    ok("up to the boundary", register(PAGES[0].real() + 0xd80))?;
    ok("deregister", vpa(platform, function::DEREGISTER_VPA, 0)).map(drop)
}

fn register_refuses_a_foreign_processor(platform: &Platform) -> Outcome {
    let address = sized(MIN_BYTES);
    let next = platform
        .servers
        .iter()
        .take(platform.cpus)
        .max()
        .copied()
        .unwrap_or(0)
        + 1;
    for server in [u64::from(next), 0x7fff_ffff, u64::MAX] {
        for function in [function::REGISTER_VPA, function::DEREGISTER_VPA] {
            let answer = hcall(token::H_REGISTER_VPA, [function << 45, server, address]);
            refused("H_REGISTER_VPA", answer, HError::Parameter)?;
        }
    }
    Ok(())
}

fn unknown_functions_are_refused(platform: &Platform) -> Outcome {
    for function in [0, 4] {
        refused(
            "H_REGISTER_VPA",
            vpa(platform, function, sized(MIN_BYTES)),
            HError::Parameter,
        )?;
    }
    Ok(())
}

fn slb_shadow_and_trace_log_need_a_vpa(platform: &Platform) -> Outcome {
    none_registered(platform);
    PAGES[1].set(0, 128);
    let shadow = PAGES[1].real();
    refused(
        "trace log",
        vpa(platform, function::REGISTER_DTL, shadow),
        HError::Resource,
    )?;
    refused(
        "SLB shadow",
        vpa(platform, function::REGISTER_SLB_SHADOW, shadow),
        HError::Resource,
    )?;
    ok(
        "VPA",
        vpa(platform, function::REGISTER_VPA, sized(MIN_BYTES)),
    )?;
    ok("trace log", vpa(platform, function::REGISTER_DTL, shadow))?;
    ok(
        "SLB shadow",
        vpa(platform, function::REGISTER_SLB_SHADOW, shadow),
    )?;
    refused(
        "VPA under both",
        vpa(platform, function::DEREGISTER_VPA, 0),
        HError::Resource,
    )?;
    ok("trace log off", vpa(platform, function::DEREGISTER_DTL, 0))?;
    refused(
        "VPA under the shadow",
        vpa(platform, function::DEREGISTER_VPA, 0),
        HError::Resource,
    )?;
    ok(
        "SLB shadow off",
        vpa(platform, function::DEREGISTER_SLB_SHADOW, 0),
    )?;
    ok("VPA off", vpa(platform, function::DEREGISTER_VPA, 0)).map(drop)
}

fn slb_shadow_and_trace_log_refuse_a_bad_area(platform: &Platform) -> Outcome {
    none_registered(platform);
    ok(
        "VPA",
        vpa(platform, function::REGISTER_VPA, sized(MIN_BYTES)),
    )?;
    PAGES[1].set(0, 47);
    let short_log = vpa(platform, function::REGISTER_DTL, PAGES[1].real());
    PAGES[1].set(0, 7);
    let short_shadow = vpa(platform, function::REGISTER_SLB_SHADOW, PAGES[1].real());
    PAGES[1].set(0, 4097);
    let long_shadow = vpa(platform, function::REGISTER_SLB_SHADOW, PAGES[1].real());
    let foreign = vpa(platform, function::REGISTER_DTL, platform.memory_end);
    none_registered(platform);
    refused("a log of 47 bytes", short_log, HError::Parameter)?;
    refused("a shadow of 7 bytes", short_shadow, HError::Parameter)?;
    refused("a shadow past its page", long_shadow, HError::Parameter)?;
    refused("a foreign log", foreign, HError::Parameter)
}

fn dispatch_count_is_even_while_running_and_moves_over_a_cede(platform: &Platform) -> Outcome {
    none_registered(platform);
    ok(
        "VPA",
        vpa(platform, function::REGISTER_VPA, sized(MIN_BYTES)),
    )?;
    let count = || PAGES[0].get32(YIELD_COUNT as usize / 4);
    let before = count();
    cpu::spin(TICKS_PER_MS);
    let still = count();
    let is_shared = PAGES[0].get32((STATUS / 4) as usize) >> 16 & STATUS_SHARED as u32 != 0;
    let (_, _) = crate::trap::expecting(|| {
        cpu::set_dec(2 * TICKS_PER_MS);
        let _ = hcall(token::H_CEDE, []);
        cpu::set_ee(0);
    });
    let after = count();
    none_registered(platform);
    same("count while running, parity", u64::from(before & 1), 0)?;
    if is_shared {
        // It may have waited for its thread in between.
        same("count while running, parity later", u64::from(still & 1), 0)?;
    } else {
        same("count while running", u64::from(still), u64::from(before))?;
    }
    same("count after a cede, parity", u64::from(after & 1), 0)?;
    holds(
        "the count moves over a cede",
        (after != before).then_some(()),
    )
}
