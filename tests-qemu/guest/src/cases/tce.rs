//! H_PUT_TCE and H_GET_TCE. Source: LoPAR 2.9, "Translation Control Entry Access".

use crate::hcall::{PAGES, hcall};
use crate::suite::{Fail, Outcome, cases, ok, refused, same};
use crate::tree::{Platform, Window};
use papr_abi::{HError, token};

cases!("tce":
    put_then_get,
    put_clears,
    put_and_get_refuse_an_address_outside_the_window,
    put_and_get_refuse_a_foreign_liobn;
    beyond_qemu: put_refuses_a_foreign_page, put_takes_any_address_in_the_page, put_refuses_a_wide_liobn,
);

/// The window that the cases use.
pub(super) fn window(platform: &Platform) -> Result<Window, Fail> {
    let window = platform
        .bridges()
        .iter()
        .map(|bridge| bridge.window)
        .find(|window| window.bytes > 0x40_0000);
    window.ok_or(Fail::Skip("no DMA window in the device tree"))
}
/// A logical bus number that is no window's.
pub(super) fn foreign_liobn(platform: &Platform) -> u64 {
    let taken = |liobn: u64| {
        platform
            .bridges()
            .iter()
            .any(|bridge| u64::from(bridge.window.liobn) == liobn)
    };
    (1..100)
        .map(|n| 0x7abc_0000 + n)
        .find(|liobn| !taken(*liobn))
        .unwrap_or(0)
}
pub(super) fn put(window: Window, ioba: u64, tce: u64) -> crate::hcall::Answer {
    hcall(token::H_PUT_TCE, [u64::from(window.liobn), ioba, tce])
}
pub(super) fn get(window: Window, ioba: u64) -> Result<u64, Fail> {
    Ok(ok(
        "H_GET_TCE",
        hcall(token::H_GET_TCE, [u64::from(window.liobn), ioba]),
    )?[0])
}

fn put_then_get(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    for (permissions, offset) in [(1, 0), (2, 0x1000), (3, window.bytes - 0x1000)] {
        let tce = PAGES[0].real() | permissions;
        let before = get(window, window.base + (offset ^ 0x2000))?;
        ok("H_PUT_TCE", put(window, window.base + offset, tce))?;
        same("the entry", get(window, window.base + offset)?, tce)?;
        same(
            "a neighbour",
            get(window, window.base + (offset ^ 0x2000))?,
            before,
        )?;
        ok("H_PUT_TCE", put(window, window.base + offset, 0))?;
    }
    Ok(())
}

fn put_clears(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    ok("H_PUT_TCE", put(window, window.base, PAGES[0].real() | 3))?;
    ok("H_PUT_TCE", put(window, window.base, 0))?;
    same("the entry", get(window, window.base)? & 3, 0)?;
    // With neither permission the page number means nothing, so it is not checked.
    ok("H_PUT_TCE", put(window, window.base, 0x7fff_ffff_f000))?;
    same("permissions", get(window, window.base)? & 3, 0)?;
    ok("H_PUT_TCE", put(window, window.base, 0)).map(drop)
}

fn put_and_get_refuse_an_address_outside_the_window(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    let end = window.base + window.bytes;
    for ioba in [
        end,
        end + 0x1000,
        1 << 48,
        u64::MAX,
        u64::MAX & !0xfff,
        1 << 63,
    ] {
        refused(
            "H_PUT_TCE",
            put(window, ioba, PAGES[0].real() | 3),
            HError::Parameter,
        )?;
        refused(
            "H_GET_TCE",
            hcall(token::H_GET_TCE, [u64::from(window.liobn), ioba]),
            HError::Parameter,
        )?;
    }
    Ok(())
}

fn put_and_get_refuse_a_foreign_liobn(platform: &Platform) -> Outcome {
    let liobn = foreign_liobn(platform);
    for liobn in [liobn, 0xffff_ffff] {
        refused(
            "H_PUT_TCE",
            hcall(token::H_PUT_TCE, [liobn, 0, PAGES[0].real() | 3]),
            HError::Parameter,
        )?;
        refused(
            "H_GET_TCE",
            hcall(token::H_GET_TCE, [liobn, 0]),
            HError::Parameter,
        )?;
    }
    Ok(())
}

fn put_refuses_a_wide_liobn(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    let liobn = u64::from(window.liobn) | 1 << 32;
    refused(
        "H_PUT_TCE",
        hcall(token::H_PUT_TCE, [liobn, window.base, 0]),
        HError::Parameter,
    )?;
    refused(
        "H_GET_TCE",
        hcall(token::H_GET_TCE, [liobn, window.base]),
        HError::Parameter,
    )
}

fn put_refuses_a_foreign_page(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    let ours = PAGES[0].real() | 3;
    ok("H_PUT_TCE", put(window, window.base, ours))?;
    let end = platform.memory_end;
    for real in [
        end,
        end + 0x1000,
        2 * end,
        1 << 40,
        1 << 50,
        1 << 62,
        0xffff_ffff_ffff_f000,
    ] {
        for permissions in 1..4 {
            refused(
                "H_PUT_TCE",
                put(window, window.base, real | permissions),
                HError::Parameter,
            )?;
            same("the entry", get(window, window.base)?, ours)?;
        }
    }
    ok(
        "the last page",
        put(window, window.base, (end - 0x1000) | 3),
    )?;
    ok("H_PUT_TCE", put(window, window.base, 0)).map(drop)
}

fn put_takes_any_address_in_the_page(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    let tce = PAGES[0].real() | 3;
    ok("H_PUT_TCE", put(window, window.base + 0x1fff, tce))?;
    same("the entry", get(window, window.base + 0x1000)?, tce)?;
    same(
        "by another address",
        get(window, window.base + 0x1008)?,
        tce,
    )?;
    ok("H_PUT_TCE", put(window, window.base + 0x1000, 0)).map(drop)
}
