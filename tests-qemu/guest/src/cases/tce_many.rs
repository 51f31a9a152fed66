//! H_STUFF_TCE and H_PUT_TCE_INDIRECT. Source: LoPAR 2.9, "Translation Control Entry Access".

use super::tce::{foreign_liobn, get, window};
use crate::hcall::{Answer, PAGES, Page, hcall};
use crate::suite::{Outcome, cases, ok, refused, same};
use crate::tree::{Platform, Window};
use papr_abi::{HError, token};

cases!("tce":
    stuff_fills_the_range,
    stuff_refuses_a_foreign_liobn,
    indirect_fills_the_range,
    indirect_refuses_more_than_512,
    indirect_refuses_a_list_off_its_boundary,
    indirect_refuses_a_foreign_liobn;
    beyond_qemu:
    an_empty_range_changes_nothing,
    stuff_refuses_a_range_past_the_window,
    indirect_refuses_a_range_past_the_window,
    stuff_refuses_more_than_512,
    stuff_refuses_a_foreign_page,
    indirect_refuses_a_foreign_list,
    indirect_refuses_a_foreign_page_and_stores_nothing,
    indirect_refuses_a_negative_liobn,
);

static LIST: Page = Page::new();

fn stuff(window: Window, ioba: u64, tce: u64, count: u64) -> Answer {
    hcall(
        token::H_STUFF_TCE,
        [u64::from(window.liobn), ioba, tce, count],
    )
}
fn indirect(window: Window, ioba: u64, list: u64, count: u64) -> Answer {
    hcall(
        token::H_PUT_TCE_INDIRECT,
        [u64::from(window.liobn), ioba, list, count],
    )
}
/// `count` entries from the second one of the window hold what `want` says, and their neighbours 0.
fn range_is(window: Window, count: u64, want: impl Fn(u64) -> u64) -> Outcome {
    for n in 0..count {
        same(
            "an entry of the range",
            get(window, window.base + 0x1000 * (n + 1))?,
            want(n),
        )?;
    }
    same("the entry before", get(window, window.base)? & 3, 0)?;
    same(
        "the entry after",
        get(window, window.base + 0x1000 * (count + 1))? & 3,
        0,
    )
}

fn stuff_fills_the_range(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    let tce = PAGES[1].real() | 3;
    ok("clear", stuff(window, window.base, 0, 512))?;
    ok("clear", stuff(window, window.base + 512 * 0x1000, 0, 2))?;
    ok("512", stuff(window, window.base + 0x1000, tce, 512))?;
    range_is(window, 512, |_| tce)?;
    ok("clear", stuff(window, window.base + 0x1000, 0, 512))?;
    range_is(window, 512, |_| 0)
}

fn an_empty_range_changes_nothing(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    LIST.fill(PAGES[0].real() | 3);
    ok("clear", stuff(window, window.base, 0, 4))?;
    ok(
        "H_STUFF_TCE",
        stuff(window, window.base + 0x1000, PAGES[0].real() | 3, 0),
    )?;
    ok(
        "H_PUT_TCE_INDIRECT",
        indirect(window, window.base + 0x1000, LIST.real(), 0),
    )?;
    range_is(window, 1, |_| 0)
}

fn stuff_refuses_more_than_512(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    for count in [513, 1 << 32, u64::MAX] {
        refused(
            "H_STUFF_TCE",
            stuff(window, window.base, 0, count),
            HError::P4,
        )?;
    }
    // The bus number is looked at first.
    let answer = hcall(token::H_STUFF_TCE, [foreign_liobn(platform), 0, 0, 513]);
    refused("foreign and too many", answer, HError::Parameter)
}

fn stuff_refuses_a_range_past_the_window(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    let last = window.base + window.bytes - 0x1000;
    refused(
        "two at the last",
        stuff(window, last, PAGES[0].real() | 3, 2),
        HError::Parameter,
    )?;
    same("the last entry", get(window, last)? & 3, 0)?;
    refused(
        "at the end",
        stuff(window, last + 0x1000, 0, 1),
        HError::Parameter,
    )?;
    refused(
        "far away",
        stuff(window, u64::MAX & !0xfff, 0, 1),
        HError::Parameter,
    )?;
    ok("one at the last", stuff(window, last, 0, 1)).map(drop)
}

fn stuff_refuses_a_foreign_liobn(platform: &Platform) -> Outcome {
    refused(
        "H_STUFF_TCE",
        hcall(token::H_STUFF_TCE, [foreign_liobn(platform), 0, 0, 1]),
        HError::Parameter,
    )
}

fn stuff_refuses_a_foreign_page(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    ok("clear", stuff(window, window.base, 0, 10))?;
    for real in [platform.memory_end, 1 << 40, 1 << 62] {
        refused(
            "H_STUFF_TCE",
            stuff(window, window.base + 0x1000, real | 3, 4),
            HError::Parameter,
        )?;
        range_is(window, 4, |_| 0)?;
    }
    Ok(())
}

fn indirect_fills_the_range(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    let tce = |n: u64| (0x0010_0000 + 0x1000 * n) | (n % 3 + 1);
    (0..512).for_each(|n| LIST.set(n as usize, tce(n)));
    ok("clear", stuff(window, window.base, 0, 512))?;
    ok("clear", stuff(window, window.base + 512 * 0x1000, 0, 2))?;
    ok(
        "three",
        indirect(window, window.base + 0x1000, LIST.real(), 3),
    )?;
    range_is(window, 3, tce)?;
    ok(
        "512",
        indirect(window, window.base + 0x1000, LIST.real(), 512),
    )?;
    range_is(window, 512, tce)?;
    ok("clear", stuff(window, window.base + 0x1000, 0, 512)).map(drop)
}

fn indirect_refuses_more_than_512(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    for count in [513, 1 << 32, u64::MAX] {
        refused(
            "H_PUT_TCE_INDIRECT",
            indirect(window, window.base, LIST.real(), count),
            HError::Parameter,
        )?;
    }
    Ok(())
}

fn indirect_refuses_a_range_past_the_window(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    LIST.fill(PAGES[0].real() | 3);
    let last = window.base + window.bytes - 0x1000;
    refused(
        "two at the last",
        indirect(window, last, LIST.real(), 2),
        HError::Parameter,
    )?;
    same("the last entry", get(window, last)? & 3, 0)?;
    refused(
        "far away",
        indirect(window, u64::MAX & !0xfff, LIST.real(), 2),
        HError::Parameter,
    )
}

fn indirect_refuses_a_list_off_its_boundary(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    for offset in [1, 8, 0x800] {
        let answer = indirect(window, window.base, LIST.real() + offset, 1);
        refused("H_PUT_TCE_INDIRECT", answer, HError::Parameter)?;
    }
    Ok(())
}

fn indirect_refuses_a_foreign_list(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    for list in [platform.memory_end, 1 << 40, 0xffff_ffff_ffff_f000] {
        refused(
            "H_PUT_TCE_INDIRECT",
            indirect(window, window.base, list, 1),
            HError::Parameter,
        )?;
    }
    Ok(())
}

fn indirect_refuses_a_foreign_liobn(platform: &Platform) -> Outcome {
    let answer = hcall(
        token::H_PUT_TCE_INDIRECT,
        [foreign_liobn(platform), 0, LIST.real(), 1],
    );
    refused("H_PUT_TCE_INDIRECT", answer, HError::Parameter)
}

fn indirect_refuses_a_negative_liobn(_: &Platform) -> Outcome {
    // That is the Multi-TCE Table option, which no partition here has.
    let answer = hcall(token::H_PUT_TCE_INDIRECT, [u64::MAX, 0, LIST.real(), 1]);
    refused("H_PUT_TCE_INDIRECT", answer, HError::Function)
}

fn indirect_refuses_a_foreign_page_and_stores_nothing(platform: &Platform) -> Outcome {
    let window = window(platform)?;
    ok("clear", stuff(window, window.base, 0, 10))?;
    LIST.fill(PAGES[0].real() | 3);
    for real in [platform.memory_end, 1 << 40, 1 << 62] {
        LIST.set(2, real | 3);
        let answer = indirect(window, window.base + 0x1000, LIST.real(), 4);
        refused("H_PUT_TCE_INDIRECT", answer, HError::Parameter)?;
        // Every word is checked before the first entry is stored.
        range_is(window, 4, |_| 0)?;
    }
    Ok(())
}
