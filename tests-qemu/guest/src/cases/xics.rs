//! H_XIRR, H_XIRR_X, H_CPPR, H_EOI, H_IPI and H_IPOLL. Source: LoPAR 2.9, "Interrupt Support hcall()s".

use crate::cpu::{self, TICKS_PER_MS};
use crate::hcall::hcall;
use crate::suite::{Fail, Outcome, cases, holds, ok, refused, same};
use crate::tree::Platform;
use papr_abi::{HError, token};

cases!("xics":
    xirr_is_empty_when_nothing_is_pending,
    ipi_is_accepted_once_and_ended,
    cppr_holds_back_equal_and_less_favoured,
    mfrr_left_on_comes_back_after_eoi,
    ipoll_has_no_side_effects,
    ipi_takes_the_low_byte,
    ipi_and_ipoll_refuse_a_foreign_server;
    beyond_qemu:
    raising_the_cppr_presents_what_waited,
    xirr_when_empty_keeps_the_cppr,
    xirr_x_tells_the_time,
    eoi_refuses_a_foreign_source,
    eoi_refuses_a_more_favoured_priority,
);

/// Puts this processor's presentation controller to rest: nothing pending, all priorities open.
pub(crate) fn quiet(platform: &Platform) -> Outcome {
    ok("H_CPPR", hcall(token::H_CPPR, [0xff]))?;
    ok("H_IPI", ipi(platform, 0xff))?;
    // What was presented before the MFRR went back is pending still.
    for _ in 0..8 {
        match xirr()? & 0x00ff_ffff {
            0 => break,
            source => eoi(0xff00_0000 | source)?,
        }
    }
    ok("H_CPPR", hcall(token::H_CPPR, [0xff])).map(drop)
}
pub(crate) fn ipi(platform: &Platform, mfrr: u64) -> crate::hcall::Answer {
    hcall(token::H_IPI, [u64::from(platform.servers[0]), mfrr])
}
pub(crate) fn xirr() -> Result<u64, Fail> {
    Ok(ok("H_XIRR", hcall(token::H_XIRR, []))?[0])
}
pub(crate) fn eoi(xirr: u64) -> Outcome {
    ok("H_EOI", hcall(token::H_EOI, [xirr])).map(drop)
}
fn ipoll(platform: &Platform) -> Result<(u64, u64), Fail> {
    let out = ok(
        "H_IPOLL",
        hcall(token::H_IPOLL, [u64::from(platform.servers[0])]),
    )?;
    Ok((out[0], out[1]))
}

fn xirr_is_empty_when_nothing_is_pending(platform: &Platform) -> Outcome {
    quiet(platform)?;
    same("XIRR", xirr()?, 0xff00_0000)?;
    ok("H_CPPR", hcall(token::H_CPPR, [0x05]))?;
    same("XIRR", xirr()?, 0x0500_0000)?;
    quiet(platform)
}

fn xirr_when_empty_keeps_the_cppr(platform: &Platform) -> Outcome {
    quiet(platform)?;
    ok("H_CPPR", hcall(token::H_CPPR, [0x05]))?;
    for _ in 0..2 {
        same("XIRR", xirr()?, 0x0500_0000)?;
        same("XIRR by H_IPOLL", ipoll(platform)?.0, 0x0500_0000)?;
    }
    quiet(platform)
}

fn ipi_is_accepted_once_and_ended(platform: &Platform) -> Outcome {
    quiet(platform)?;
    ok("H_IPI", ipi(platform, 4))?;
    same("XIRR", xirr()?, 0xff00_0002)?;
    same("XIRR once accepted", xirr()?, 0x0400_0000)?;
    ok("H_IPI", ipi(platform, 0xff))?;
    eoi(0xff00_0002)?;
    same("XIRR once ended", xirr()?, 0xff00_0000)
}

fn cppr_holds_back_equal_and_less_favoured(platform: &Platform) -> Outcome {
    quiet(platform)?;
    for (cppr, mfrr, source) in [
        (4, 4, 0),
        (4, 5, 0),
        (4, 3, 2),
        (0, 0, 0),
        (1, 0, 2),
        (0xff, 0xfe, 2),
    ] {
        ok("H_CPPR", hcall(token::H_CPPR, [cppr]))?;
        ok("H_IPI", ipi(platform, mfrr))?;
        same("XIRR", xirr()?, cppr << 24 | source)?;
        if source != 0 {
            same("CPPR", ipoll(platform)?.0 >> 24, mfrr)?;
            ok("H_IPI", ipi(platform, 0xff))?;
            eoi(cppr << 24 | 2)?;
        }
        quiet(platform)?;
    }
    Ok(())
}

fn raising_the_cppr_presents_what_waited(platform: &Platform) -> Outcome {
    quiet(platform)?;
    ok("H_CPPR", hcall(token::H_CPPR, [0]))?;
    ok("H_IPI", ipi(platform, 4))?;
    same("XIRR", xirr()?, 0)?;
    ok("H_CPPR", hcall(token::H_CPPR, [0xff]))?;
    // Lowered again, the pending one is rejected; raised, it is back.
    ok("H_CPPR", hcall(token::H_CPPR, [3]))?;
    same("XIRR", xirr()?, 0x0300_0000)?;
    ok("H_CPPR", hcall(token::H_CPPR, [5]))?;
    same("XIRR", xirr()?, 0x0500_0002)?;
    ok("H_IPI", ipi(platform, 0xff))?;
    eoi(0xff00_0002)
}

fn mfrr_left_on_comes_back_after_eoi(platform: &Platform) -> Outcome {
    quiet(platform)?;
    ok("H_IPI", ipi(platform, 4))?;
    for _ in 0..3 {
        same("XIRR", xirr()?, 0xff00_0002)?;
        eoi(0xff00_0002)?;
    }
    quiet(platform)?;
    same("XIRR", xirr()?, 0xff00_0000)
}

fn ipoll_has_no_side_effects(platform: &Platform) -> Outcome {
    quiet(platform)?;
    ok("H_IPI", ipi(platform, 6))?;
    for _ in 0..2 {
        let (pending, mfrr) = ipoll(platform)?;
        same("XIRR", pending, 0xff00_0002)?;
        same("MFRR", mfrr, 6)?;
    }
    same("XIRR", xirr()?, 0xff00_0002)?;
    ok("H_IPI", ipi(platform, 0xff))?;
    eoi(0xff00_0002)?;
    same("MFRR", ipoll(platform)?.1, 0xff)
}

fn ipi_takes_the_low_byte(platform: &Platform) -> Outcome {
    quiet(platform)?;
    ok("H_IPI", ipi(platform, 0xffff_ff05))?;
    same("MFRR", ipoll(platform)?.1, 5)?;
    quiet(platform)?;
    ok("H_CPPR", hcall(token::H_CPPR, [0x1234_5607]))?;
    same("CPPR", xirr()? >> 24, 7)?;
    quiet(platform)
}

fn ipi_and_ipoll_refuse_a_foreign_server(platform: &Platform) -> Outcome {
    let next = platform
        .servers
        .iter()
        .take(platform.cpus)
        .max()
        .copied()
        .unwrap_or(0)
        + 1;
    for server in [u64::from(next), 0x1000, u64::from(u32::MAX), u64::MAX] {
        refused("H_IPI", hcall(token::H_IPI, [server, 4]), HError::Parameter)?;
        refused(
            "H_IPOLL",
            hcall(token::H_IPOLL, [server]),
            HError::Parameter,
        )?;
    }
    Ok(())
}

fn xirr_x_tells_the_time(platform: &Platform) -> Outcome {
    quiet(platform)?;
    let before = cpu::timebase();
    ok("H_IPI", ipi(platform, 4))?;
    let out = ok("H_XIRR_X", hcall(token::H_XIRR_X, [0xff]))?;
    let after = cpu::timebase();
    ok("H_IPI", ipi(platform, 0xff))?;
    eoi(0xff00_0002)?;
    same("XIRR", out[0], 0xff00_0002)?;
    let near = before.saturating_sub(TICKS_PER_MS)..=after;
    holds(
        "the time is about that of the IPI",
        near.contains(&out[1]).then_some(()),
    )
}

fn eoi_refuses_a_foreign_source(platform: &Platform) -> Outcome {
    quiet(platform)?;
    for source in [0x00ff_fffe, 0x0012_3456, 3] {
        refused(
            "H_EOI",
            hcall(token::H_EOI, [0xff00_0000 | source]),
            HError::Parameter,
        )?;
    }
    same("XIRR", xirr()?, 0xff00_0000)
}

fn eoi_refuses_a_more_favoured_priority(platform: &Platform) -> Outcome {
    quiet(platform)?;
    refused(
        "H_EOI",
        hcall(token::H_EOI, [0x0400_0002]),
        HError::Parameter,
    )?;
    same("XIRR", xirr()?, 0xff00_0000)
}
