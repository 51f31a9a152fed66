//! H_ENTER and H_READ. Source: LoPAR 2.9, "Page Frame Table Access".

use crate::hcall::{PAGES, hcall};
use crate::suite::{Fail, Outcome, cases, holds, ok, refused, same, status};
use crate::tree::Platform;
use papr_abi::hpte::{flag, r, v};
use papr_abi::{HError, token};

cases!("hpt":
    enter_takes_a_slot_of_the_group,
    enter_exact_takes_that_slot,
    enter_exact_refuses_a_used_slot,
    enter_refuses_when_the_group_is_full,
    enter_refuses_an_index_past_the_table,
    enter_refuses_a_foreign_page,
    enter_refuses_wrong_storage_attributes,
    enter_refuses_an_unknown_page_size,
    read_gives_back_what_was_entered,
    read_4_gives_the_aligned_four,
    read_refuses_an_index_past_the_table;
    beyond_qemu:
    enter_clears_the_hypervisors_software_bits,
    enter_refuses_foreign_registers,
    enter_zero_page_clears_it,
    enter_makes_an_entry_valid,
    enter_refuses_a_64k_page_past_the_end,
);

/// A group that nothing else uses.
pub(super) const GROUP: u64 = 8 * 0x155;
/// The first doubleword of an entry for no address in use: 256 MiB segment, 4 KiB page, valid.
pub(super) const HIGH: u64 = 0x0012_3456_789a_bc80 | v::VALID;
/// The second doubleword of an entry for `real`: coherent memory, read and write.
pub(super) fn low(real: u64) -> u64 {
    real & r::RPN | r::M | 2
}
/// A read-write 4 KiB mapping of the first shared page; the index it went to.
pub(super) fn enter(flags: u64, index: u64) -> Result<u64, Fail> {
    Ok(ok(
        "H_ENTER",
        hcall(token::H_ENTER, [flags, index, HIGH, low(PAGES[0].real())]),
    )?[0])
}
/// A first doubleword without the two bits that are the hypervisor's, which a guest does not look at.
pub(super) fn seen(high: u64) -> u64 {
    high & !v::HV_SOFTWARE
}
/// Makes sure that nothing is left in [`GROUP`].
pub(super) fn clear() {
    for slot in 0..8 {
        let _ = hcall(token::H_REMOVE, [0, GROUP + slot, 0]);
    }
}

fn enter_takes_a_slot_of_the_group(_: &Platform) -> Outcome {
    clear();
    // Without H_EXACT the low three bits of the index are ignored.
    let first = enter(0, GROUP + 5)?;
    let second = enter(0, GROUP + 5)?;
    same("group of the first", first & !7, GROUP)?;
    same("group of the second", second & !7, GROUP)?;
    let outcome = holds(
        "two entries have two slots",
        (first != second).then_some(()),
    );
    clear();
    outcome
}

fn enter_exact_takes_that_slot(_: &Platform) -> Outcome {
    clear();
    let index = enter(flag::EXACT, GROUP + 5)?;
    clear();
    same("index", index, GROUP + 5)
}

fn enter_exact_refuses_a_used_slot(_: &Platform) -> Outcome {
    clear();
    enter(flag::EXACT, GROUP + 6)?;
    let again = hcall(
        token::H_ENTER,
        [flag::EXACT, GROUP + 6, HIGH, low(PAGES[1].real())],
    );
    let removed = hcall(token::H_REMOVE, [0, GROUP + 6, 0]);
    refused("H_ENTER", again, HError::PtegFull)?;
    ok("H_REMOVE", removed)?;
    clear();
    Ok(())
}

fn enter_refuses_when_the_group_is_full(_: &Platform) -> Outcome {
    clear();
    let mut slots = 0u64;
    for _ in 0..8 {
        slots |= 1 << (enter(0, GROUP)? & 7);
    }
    let ninth = hcall(token::H_ENTER, [0, GROUP, HIGH, low(PAGES[0].real())]);
    clear();
    same("slots used", slots, 0xff)?;
    refused("ninth", ninth, HError::PtegFull)?;
    enter(0, GROUP)?;
    clear();
    Ok(())
}

fn enter_clears_the_hypervisors_software_bits(_: &Platform) -> Outcome {
    clear();
    let high = HIGH | v::HV_SOFTWARE | v::BOLTED;
    ok(
        "H_ENTER",
        hcall(
            token::H_ENTER,
            [flag::EXACT, GROUP, high, low(PAGES[0].real())],
        ),
    )?;
    let read = ok("H_READ", hcall(token::H_READ, [0, GROUP]))?;
    clear();
    same("first doubleword", read[0], HIGH | v::BOLTED)
}

fn enter_makes_an_entry_valid(_: &Platform) -> Outcome {
    clear();
    // Neither leaves a slot that is neither free nor found again.
    let answer = hcall(
        token::H_ENTER,
        [flag::EXACT, GROUP, HIGH & !v::VALID, low(PAGES[0].real())],
    );
    let read = ok("H_READ", hcall(token::H_READ, [0, GROUP]))?;
    clear();
    match answer.status {
        0 => same("valid bit", read[0] & v::VALID, v::VALID),
        -4 => same("entry", read[0], 0),
        got => status("H_ENTER", got, -4),
    }
}

fn enter_refuses_an_index_past_the_table(platform: &Platform) -> Outcome {
    for index in [
        8 * platform.ptegs,
        8 * platform.ptegs + 7,
        1 << 40,
        1 << 60,
        u64::MAX,
        1 << 63,
    ] {
        let answer = hcall(token::H_ENTER, [0, index, HIGH, low(PAGES[0].real())]);
        refused("H_ENTER", answer, HError::Parameter)?;
    }
    Ok(())
}

fn enter_refuses_a_foreign_page(platform: &Platform) -> Outcome {
    clear();
    let end = platform.memory_end;
    for real in [
        end,
        end + 0x1000,
        2 * end,
        1 << 40,
        1 << 50,
        0x0003_fff0_0000_0000,
        r::RPN,
    ] {
        refused(
            "H_ENTER",
            hcall(token::H_ENTER, [flag::EXACT, GROUP, HIGH, low(real)]),
            HError::Parameter,
        )?;
    }
    // Nothing may have been left behind.
    let read = ok("H_READ", hcall(token::H_READ, [0, GROUP]))?;
    same("entry", seen(read[0]), 0)?;
    // The last page that is ours.
    ok(
        "H_ENTER of the last page",
        hcall(
            token::H_ENTER,
            [flag::EXACT, GROUP, HIGH, low(end - 0x1000)],
        ),
    )?;
    clear();
    Ok(())
}

fn enter_refuses_foreign_registers(platform: &Platform) -> Outcome {
    clear();
    // Not memory, and no BAR of the partition's: the machine's own registers among them.
    let end = platform.memory_end;
    for real in [
        end,
        2 * end,
        1 << 40,
        0x0003_fc00_0000_0000,
        0x0003_ffff_8000_8000,
        0x0003_fffe_4000_0000,
        r::RPN,
    ] {
        for attributes in [r::I, r::I | r::G, r::M] {
            let answer = hcall(
                token::H_ENTER,
                [flag::EXACT, GROUP, HIGH, real & r::RPN | attributes | 2],
            );
            refused("H_ENTER", answer, HError::Parameter)?;
        }
    }
    let read = ok("H_READ", hcall(token::H_READ, [0, GROUP]))?;
    same("entry", read[0], 0)
}

fn enter_refuses_wrong_storage_attributes(_: &Platform) -> Outcome {
    clear();
    let page = PAGES[0].real() | 2;
    for wimg in [
        0,
        r::I,
        r::I | r::G,
        r::I | r::M,
        r::W | r::M,
        r::M | r::G,
        r::W,
        r::W | r::I | r::G,
    ] {
        let answer = hcall(token::H_ENTER, [flag::EXACT, GROUP, HIGH, page | wimg]);
        refused("memory that is not WIMG = 0010", answer, HError::Parameter)?;
    }
    Ok(())
}

fn enter_refuses_an_unknown_page_size(_: &Platform) -> Outcome {
    clear();
    // L = 1 with an LP encoding that no implementation has.
    let answer = hcall(
        token::H_ENTER,
        [
            flag::EXACT,
            GROUP,
            HIGH | v::LARGE,
            low(PAGES[0].real() | 0xff_f000),
        ],
    );
    refused("H_ENTER", answer, HError::Parameter)
}

fn enter_refuses_a_64k_page_past_the_end(platform: &Platform) -> Outcome {
    clear();
    // 64 KiB actual and base page: L = 1, LP = 1.
    let answer = hcall(
        token::H_ENTER,
        [
            flag::EXACT,
            GROUP,
            HIGH | v::LARGE,
            low(platform.memory_end) | 0x1000,
        ],
    );
    refused("H_ENTER", answer, HError::Parameter)?;
    let last = low(platform.memory_end - 0x1_0000) | 0x1000;
    ok(
        "the last 64 KiB",
        hcall(token::H_ENTER, [flag::EXACT, GROUP, HIGH | v::LARGE, last]),
    )?;
    clear();
    Ok(())
}

fn enter_zero_page_clears_it(_: &Platform) -> Outcome {
    clear();
    PAGES[0].fill(u64::MAX);
    PAGES[1].fill(u64::MAX);
    enter(flag::ZERO_PAGE, GROUP)?;
    clear();
    holds("the page is zero", PAGES[0].is_all(0).then_some(()))?;
    holds(
        "its neighbour is not touched",
        PAGES[1].is_all(u64::MAX).then_some(()),
    )
}

fn read_gives_back_what_was_entered(_: &Platform) -> Outcome {
    clear();
    let entry = low(PAGES[0].real()) | r::R | r::C | r::N;
    ok(
        "H_ENTER",
        hcall(token::H_ENTER, [flag::EXACT, GROUP + 3, HIGH, entry]),
    )?;
    let plain = ok("H_READ", hcall(token::H_READ, [0, GROUP + 3]))?;
    let translated = ok("H_READ", hcall(token::H_READ, [flag::R_XLATE, GROUP + 3]))?;
    clear();
    let gone = ok("H_READ", hcall(token::H_READ, [0, GROUP + 3]))?;
    same("first doubleword", seen(plain[0]), HIGH)?;
    // Without R_XLATE the page number is undefined.
    same("second doubleword", plain[1] & !r::RPN, entry & !r::RPN)?;
    same("translated second doubleword", translated[1], entry)?;
    same("first doubleword once removed", seen(gone[0]), 0)
}

fn read_4_gives_the_aligned_four(_: &Platform) -> Outcome {
    clear();
    for slot in 4..8 {
        let high = HIGH + (slot << 12);
        ok(
            "H_ENTER",
            hcall(
                token::H_ENTER,
                [flag::EXACT, GROUP + slot, high, low(PAGES[0].real())],
            ),
        )?;
    }
    // The low two bits of the index are taken as zero.
    let four = ok(
        "H_READ",
        hcall(token::H_READ, [flag::READ_4 | flag::R_XLATE, GROUP + 6]),
    )?;
    clear();
    for slot in 0..4 {
        same(
            "first doubleword",
            seen(four[2 * slot]),
            HIGH + ((slot as u64 + 4) << 12),
        )?;
        same(
            "second doubleword",
            four[2 * slot + 1],
            low(PAGES[0].real()),
        )?;
    }
    Ok(())
}

fn read_refuses_an_index_past_the_table(platform: &Platform) -> Outcome {
    for flags in [0, flag::READ_4, flag::R_XLATE] {
        for index in [8 * platform.ptegs, 1 << 60, u64::MAX] {
            refused(
                "H_READ",
                hcall(token::H_READ, [flags, index]),
                HError::Parameter,
            )?;
        }
    }
    Ok(())
}
