//! H_SET_MODE. Source: LoPAR 2.9, "H_SET_MODE".

use crate::hcall::hcall;
use crate::suite::{Outcome, cases, holds, ok, refused, status};
use crate::tree::Platform;
use papr_abi::{HError, token};

cases!("mode":
    endian_is_set_and_back,
    endian_refuses,
    ail_is_set_and_back,
    ail_refuses,
    breakpoints_are_set_or_unknown,
    unknown_resources_are_refused;
    beyond_qemu: ail_2_is_set_and_back, ail_1_is_refused_with_its_own_code,
);

const ENDIAN: u64 = 4;
const AIL: u64 = 3;

fn set(flags: u64, resource: u64, value1: u64, value2: u64) -> crate::hcall::Answer {
    hcall(token::H_SET_MODE, [flags, resource, value1, value2])
}
/// Refused as a flag that is not supported; which one is "the most convenient".
fn unsupported_flag(what: &'static str, got: i64) -> Outcome {
    holds(what, (-256 - 63..=-256).contains(&got).then_some(()))
}

fn endian_is_set_and_back(_: &Platform) -> Outcome {
    // No interrupt comes between: MSR[EE] is off and nothing faults.
    let little = set(1, ENDIAN, 0, 0);
    let big = set(0, ENDIAN, 0, 0);
    ok("little", little)?;
    ok("big", big).map(drop)
}

fn endian_refuses(_: &Platform) -> Outcome {
    unsupported_flag("flag 2", set(2, ENDIAN, 0, 0).status)?;
    unsupported_flag("flag bit 0", set(1 << 63, ENDIAN, 0, 0).status)?;
    refused("value1", set(0, ENDIAN, 1, 0), HError::P3)?;
    refused("value2", set(0, ENDIAN, 0, 1), HError::P4)
}

fn ail_is_set_and_back(_: &Platform) -> Outcome {
    let there = set(3, AIL, 0, 0);
    let back = set(0, AIL, 0, 0);
    ok("set", there)?;
    ok("back", back).map(drop)
}

fn ail_2_is_set_and_back(_: &Platform) -> Outcome {
    let there = set(2, AIL, 0, 0);
    let back = set(0, AIL, 0, 0);
    ok("set", there)?;
    ok("back", back).map(drop)
}

fn ail_refuses(_: &Platform) -> Outcome {
    unsupported_flag("AIL 1", set(1, AIL, 0, 0).status)?;
    unsupported_flag("AIL 4", set(4, AIL, 0, 0).status)?;
    unsupported_flag("flag bit 0", set(1 << 63, AIL, 0, 0).status)?;
    refused("value1", set(0, AIL, 1, 0), HError::P3)?;
    refused("value2", set(0, AIL, 0, 1), HError::P4)
}

fn ail_1_is_refused_with_its_own_code(_: &Platform) -> Outcome {
    status(
        "AIL 1",
        set(1, AIL, 0, 0).status,
        HError::UnsupportedFlag { bit: 62 }.code(),
    )
}

fn breakpoints_are_set_or_unknown(_: &Platform) -> Outcome {
    // CIABR, then DAWR0: a platform without them answers H_P2 to all.
    let known = set(0, 1, 0, 0).status;
    if known != HError::P2.code() {
        status("no instruction breakpoint", known, 0)?;
        refused("CIABR, value2", set(0, 1, 0, 1), HError::P4)?;
        refused("CIABR for the hypervisor", set(0, 1, 3, 0), HError::P3)?;
        unsupported_flag("CIABR, flags", set(1, 1, 0, 0).status)?;
    }
    let known = set(0, 2, 0, 0).status;
    if known != HError::P2.code() {
        status("no watchpoint", known, 0)?;
        unsupported_flag("DAWR0, flags", set(1, 2, 0, 0).status)?;
        refused("DAWR0 for the hypervisor", set(0, 2, 0, 4), HError::P4)?;
    }
    Ok(())
}

fn unknown_resources_are_refused(_: &Platform) -> Outcome {
    for resource in [0, 6, 7, 1 << 32 | 4, u64::MAX] {
        refused("H_SET_MODE", set(0, resource, 0, 0), HError::P2)?;
    }
    Ok(())
}
