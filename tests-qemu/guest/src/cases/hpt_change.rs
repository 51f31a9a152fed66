//! H_REMOVE, H_BULK_REMOVE, H_PROTECT, H_CLEAR_REF and H_CLEAR_MOD. Source: LoPAR 2.9, "Page Frame
//! Table Access".

use super::hpt::{GROUP, HIGH, clear, enter, low, seen};
use crate::hcall::{PAGES, hcall};
use crate::suite::{Fail, Outcome, cases, ok, refused, same, status};
use crate::tree::Platform;
use papr_abi::hpte::{flag, r, v};
use papr_abi::{HError, token};

cases!("hpt":
    remove_gives_the_old_entry,
    remove_refuses_an_entry_that_is_not_valid,
    remove_compares_the_avpn,
    remove_honours_andcond,
    remove_refuses_an_index_past_the_table,
    bulk_remove_answers_each_request,
    bulk_remove_stops_at_a_bad_index,
    bulk_remove_refuses_an_unused_type,
    bulk_remove_refuses_both_flags,
    protect_changes_protection_alone,
    protect_refuses;
    beyond_qemu: bulk_remove_tells_r_and_c, protect_clears_r, clear_ref_clears_r_alone, clear_mod_clears_c_alone, clear_refuses,
);

const REQUEST: u64 = 1 << 62;
const RESPONSE: u64 = 2 << 62;
const END: u64 = 3 << 62;
const ANDCOND: u64 = 1 << 56;
const AVPN: u64 = 2 << 56;
const RESULT: u64 = 0xff << 56;

/// An entry at slot 0 with R and C set and protection `0b10`.
fn with_rc() -> Result<u64, Fail> {
    clear();
    let entry = low(PAGES[0].real()) | r::R | r::C;
    ok(
        "H_ENTER",
        hcall(token::H_ENTER, [flag::EXACT, GROUP, HIGH, entry]),
    )?;
    Ok(entry)
}
fn read() -> Result<u64, Fail> {
    let answer = ok("H_READ", hcall(token::H_READ, [flag::R_XLATE, GROUP]))?;
    same("first doubleword", seen(answer[0]), HIGH)?;
    Ok(answer[1])
}

fn remove_gives_the_old_entry(_: &Platform) -> Outcome {
    let entry = with_rc()?;
    let old = ok("H_REMOVE", hcall(token::H_REMOVE, [0, GROUP, 0]))?;
    same("first doubleword", seen(old[0]), HIGH)?;
    same("second doubleword", old[1] & !r::RPN, entry & !r::RPN)?;
    same(
        "entry",
        seen(ok("H_READ", hcall(token::H_READ, [0, GROUP]))?[0]),
        0,
    )
}

fn remove_refuses_an_entry_that_is_not_valid(_: &Platform) -> Outcome {
    clear();
    refused(
        "H_REMOVE",
        hcall(token::H_REMOVE, [0, GROUP, 0]),
        HError::NotFound,
    )?;
    refused(
        "with AVPN",
        hcall(token::H_REMOVE, [flag::AVPN, GROUP, HIGH & v::AVPN]),
        HError::NotFound,
    )
}

fn remove_compares_the_avpn(_: &Platform) -> Outcome {
    clear();
    enter(flag::EXACT, GROUP)?;
    for wrong in [HIGH & v::AVPN ^ 0x80, HIGH & v::AVPN ^ 1 << 62, 0] {
        refused(
            "another AVPN",
            hcall(token::H_REMOVE, [flag::AVPN, GROUP, wrong]),
            HError::NotFound,
        )?;
    }
    ok(
        "the AVPN",
        hcall(token::H_REMOVE, [flag::AVPN, GROUP, HIGH & v::AVPN]),
    )
    .map(drop)
}

fn remove_honours_andcond(_: &Platform) -> Outcome {
    clear();
    ok(
        "H_ENTER",
        hcall(
            token::H_ENTER,
            [flag::EXACT, GROUP, HIGH | v::BOLTED, low(PAGES[0].real())],
        ),
    )?;
    refused(
        "bolted",
        hcall(token::H_REMOVE, [flag::ANDCOND, GROUP, v::BOLTED]),
        HError::NotFound,
    )?;
    ok(
        "not secondary",
        hcall(token::H_REMOVE, [flag::ANDCOND, GROUP, v::SECONDARY]),
    )
    .map(drop)
}

fn remove_refuses_an_index_past_the_table(platform: &Platform) -> Outcome {
    for index in [8 * platform.ptegs, 1 << 60, u64::MAX] {
        refused(
            "H_REMOVE",
            hcall(token::H_REMOVE, [0, index, 0]),
            HError::Parameter,
        )?;
    }
    Ok(())
}

fn bulk_remove_answers_each_request(_: &Platform) -> Outcome {
    clear();
    let page = low(PAGES[0].real());
    for (slot, rc) in [(0, r::R | r::C), (1, r::R), (2, 0), (3, 0)] {
        ok(
            "H_ENTER",
            hcall(token::H_ENTER, [flag::EXACT, GROUP + slot, HIGH, page | rc]),
        )?;
    }
    let wrong = HIGH & v::AVPN ^ 0x1000;
    let out = ok(
        "H_BULK_REMOVE",
        hcall(
            token::H_BULK_REMOVE,
            [
                REQUEST | GROUP,
                0,
                REQUEST | AVPN | (GROUP + 1),
                HIGH & v::AVPN,
                REQUEST | AVPN | (GROUP + 2),
                wrong,
                END,
                0,
            ],
        ),
    )?;
    let third = hcall(token::H_READ, [0, GROUP + 2]);
    let more = ok(
        "H_BULK_REMOVE",
        hcall(
            token::H_BULK_REMOVE,
            [
                REQUEST | (GROUP + 2),
                0,
                REQUEST | (GROUP + 2),
                0,
                REQUEST | ANDCOND | (GROUP + 3),
                v::VALID,
                REQUEST | (GROUP + 3),
                0,
            ],
        ),
    )?;
    // Bits 2:3 tell the result: 0 removed, 1 not found.
    same("first", out[0] & (0xf << 60), RESPONSE)?;
    same("second", out[2] & (0xf << 60), RESPONSE)?;
    same("third", out[4] & (0xf << 60), RESPONSE | 1 << 60)?;
    same("end", out[6] & RESULT, END)?;
    same("the third entry is still there", seen(third.out[0]), HIGH)?;
    same("removed", more[0] & (0xf << 60), RESPONSE)?;
    same("removed twice", more[2] & (0xf << 60), RESPONSE | 1 << 60)?;
    clear();
    Ok(())
}

fn bulk_remove_tells_r_and_c(_: &Platform) -> Outcome {
    for rc in [0, r::R, r::R | r::C] {
        clear();
        let entry = low(PAGES[0].real()) | rc;
        ok(
            "H_ENTER",
            hcall(token::H_ENTER, [flag::EXACT, GROUP, HIGH, entry]),
        )?;
        let answer = ok(
            "H_BULK_REMOVE",
            hcall(token::H_BULK_REMOVE, [REQUEST | GROUP, 0, END, 0]),
        )?;
        // Bits 4:5 of the response; R and C are bits 55:56 of the entry.
        same(
            "response, R and C",
            answer[0] & 0xfc << 56,
            RESPONSE | rc << 51,
        )?;
    }
    Ok(())
}

fn bulk_remove_stops_at_a_bad_index(platform: &Platform) -> Outcome {
    clear();
    enter(flag::EXACT, GROUP)?;
    enter(flag::EXACT, GROUP + 1)?;
    let answer = hcall(
        token::H_BULK_REMOVE,
        [
            REQUEST | GROUP,
            0,
            REQUEST | (8 * platform.ptegs),
            0,
            REQUEST | (GROUP + 1),
            0,
            END,
            0,
        ],
    );
    let left = hcall(token::H_READ, [0, GROUP + 1]);
    clear();
    refused("H_BULK_REMOVE", answer, HError::Parameter)?;
    same("the one before it", answer.out[0] & (0xf << 60), RESPONSE)?;
    same("itself", answer.out[2] & (0xf << 60), RESPONSE | 2 << 60)?;
    same("the one after it is still there", seen(left.out[0]), HIGH)
}

fn bulk_remove_refuses_an_unused_type(_: &Platform) -> Outcome {
    refused(
        "type 0",
        hcall(token::H_BULK_REMOVE, [GROUP, 0, END, 0]),
        HError::Parameter,
    )?;
    refused(
        "type response",
        hcall(token::H_BULK_REMOVE, [RESPONSE | GROUP, 0, END, 0]),
        HError::Parameter,
    )
}

fn bulk_remove_refuses_both_flags(_: &Platform) -> Outcome {
    clear();
    enter(flag::EXACT, GROUP)?;
    let answer = hcall(
        token::H_BULK_REMOVE,
        [REQUEST | AVPN | ANDCOND | GROUP, 0, END, 0],
    );
    let left = hcall(token::H_READ, [0, GROUP]);
    clear();
    refused("H_BULK_REMOVE", answer, HError::Parameter)?;
    same("the entry is still there", seen(left.out[0]), HIGH)
}

fn protect_changes_protection_alone(_: &Platform) -> Outcome {
    let entry = with_rc()?;
    // pp = 0b11, N, key 0b10101, pp0 = 1; in the flags key0-key1 are bits 50:51, key2-4 bits 52:54.
    let flags = 3 | r::N | 0x100 | 0x2000 | 0xa00;
    ok("H_PROTECT", hcall(token::H_PROTECT, [flags, GROUP, 0]))?;
    let got = read()?;
    ok(
        "back, with AVPN",
        hcall(token::H_PROTECT, [flag::AVPN | 2, GROUP, HIGH & v::AVPN]),
    )?;
    let back = read()?;
    clear();
    let kept = r::RPN | r::C | r::WIMG;
    same("what is kept", got & kept, entry & kept)?;
    same("pp and N", got & (r::PP | r::N), 3 | r::N)?;
    // Storage keys may be treated as reserved; if they are taken, then as given.
    let key = got & (r::KEY_HI | r::KEY_LO);
    if key != 0 {
        same("key", key, 0x2000_0000_0000_0000 | 0xa00)?;
    }
    same(
        "back",
        back & (r::PP0 | r::KEY_HI | r::KEY_LO | r::N | r::PP),
        2,
    )
}

fn protect_clears_r(_: &Platform) -> Outcome {
    with_rc()?;
    ok("H_PROTECT", hcall(token::H_PROTECT, [3, GROUP, 0]))?;
    let got = read()?;
    clear();
    same("R and C", got & (r::R | r::C), r::C)
}

fn protect_refuses(platform: &Platform) -> Outcome {
    with_rc()?;
    let other = hcall(
        token::H_PROTECT,
        [flag::AVPN | 3, GROUP, HIGH & v::AVPN ^ 0x80],
    );
    let kept = read()? & r::PP;
    clear();
    refused("another AVPN", other, HError::NotFound)?;
    same("protection", kept, 2)?;
    refused(
        "no entry",
        hcall(token::H_PROTECT, [3, GROUP, 0]),
        HError::NotFound,
    )?;
    refused(
        "past the table",
        hcall(token::H_PROTECT, [3, 8 * platform.ptegs, 0]),
        HError::Parameter,
    )?;
    refused(
        "far past it",
        hcall(token::H_PROTECT, [3, u64::MAX, 0]),
        HError::Parameter,
    )
}

fn clears_alone(what: &'static str, token: u64, bit: u64) -> Outcome {
    let entry = with_rc()?;
    let old = ok(what, hcall(token, [0, GROUP]))?;
    let got = read()?;
    let again = ok("again", hcall(token, [0, GROUP]))?;
    clear();
    same("old entry", old[0] & !r::RPN, entry & !r::RPN)?;
    same("entry", got, entry & !bit)?;
    same(
        "old entry, again",
        again[0] & !r::RPN,
        entry & !r::RPN & !bit,
    )
}
fn clear_ref_clears_r_alone(_: &Platform) -> Outcome {
    clears_alone("H_CLEAR_REF", token::H_CLEAR_REF, r::R)
}
fn clear_mod_clears_c_alone(_: &Platform) -> Outcome {
    clears_alone("H_CLEAR_MOD", token::H_CLEAR_MOD, r::C)
}
fn clear_refuses(platform: &Platform) -> Outcome {
    clear();
    for token in [token::H_CLEAR_REF, token::H_CLEAR_MOD] {
        status(
            "no entry",
            hcall(token, [0, GROUP]).status,
            HError::NotFound.code(),
        )?;
        for index in [8 * platform.ptegs, u64::MAX] {
            refused(
                "past the table",
                hcall(token, [0, index]),
                HError::Parameter,
            )?;
        }
    }
    Ok(())
}
