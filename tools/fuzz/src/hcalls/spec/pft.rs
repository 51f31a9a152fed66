//! The page table hcalls.

use super::PARAMETER;
use crate::bench::{Bench, HPT_ENTRIES, MMIO, RAM_BASE, RAM_BYTES, code};
use lpar::hcall::Args;
use papr_abi::hpte::{PTEG_SLOTS, bulk, flag, r, v};
use papr_abi::{HError, token};

const NOT_FOUND: i64 = code(HError::NotFound);

/// Checks an answer; returns the entries that every processor must have forgotten by then.
pub(super) fn check(
    bench: &mut Bench,
    token: u64,
    args: &Args,
    status: i64,
    regs: &Args,
) -> Vec<u64> {
    let index = args[1];
    match token {
        token::H_ENTER => enter(bench, args, status, regs),
        token::H_READ => read(bench, args, status, regs),
        token::H_BULK_REMOVE => return bulk_remove(bench, args, status, regs),
        _ if index >= HPT_ENTRIES => assert_eq!(status, PARAMETER),
        _ if one(bench, token, args, status, regs) => return vec![index],
        _ => {}
    }
    vec![]
}

/// An entry in the machine's terms.
struct Host {
    first: u64,
    second: u64,
    /// Its page in the partition's memory, unless it is a device's, and its bytes.
    memory: Option<(u64, u64)>,
}

/// What of a guest's entry goes into the table; `None` when nothing may.
fn host(first: u64, second: u64) -> Option<Host> {
    let (bytes, page_size) = match first & v::LARGE {
        0 => (0x1000, 0),
        // Pages of 16 MiB do not fit memory of 128 KiB.
        _ if second & 0xf000 == 0x1000 => (0x1_0000, 0x1000),
        _ => return None,
    };
    if first >> 62 > 1 {
        return None;
    }
    let at = second & r::RPN & !(bytes - 1) | second & r::RPN & (bytes - 1) & !0xf000;
    let wimg = second & r::WIMG;
    let (real, attributes, memory) = if at < RAM_BYTES {
        let fits = bytes <= RAM_BYTES - at && wimg == r::M;
        fits.then_some((at + RAM_BASE, r::M, Some((at, bytes))))?
    } else {
        let offset = at.checked_sub(MMIO.start.0)?;
        let fits = offset < MMIO.bytes && bytes <= MMIO.bytes - offset;
        let inhibited = wimg & (r::W | r::I) == r::I;
        (fits && inhibited).then_some((at, r::I | wimg & r::G, None))?
    };
    let kept = second & (r::PP0 | r::R | r::C | r::N | r::PP);
    Some(Host {
        first: first & !v::HV_SOFTWARE | v::VALID,
        second: real | page_size | attributes | kept,
        memory,
    })
}

/// A second doubleword as a guest may see it.
fn guest(second: u64) -> u64 {
    let page = second & r::RPN;
    if (RAM_BASE..RAM_BASE + RAM_BYTES).contains(&page) {
        second - RAM_BASE
    } else {
        second
    }
}

fn enter(bench: &mut Bench, args: &Args, status: i64, regs: &Args) {
    let [flags, index, first, second, ..] = *args;
    let host = (index < HPT_ENTRIES).then(|| host(first, second)).flatten();
    let Some(host) = host else {
        return assert_eq!(status, PARAMETER);
    };
    let slots = if flags & flag::EXACT != 0 {
        index..index + 1
    } else {
        let group = index & !(PTEG_SLOTS - 1);
        group..group + PTEG_SLOTS
    };
    let Some(free) = slots
        .into_iter()
        .find(|&slot| bench.hpt[slot as usize] == [0, 0])
    else {
        return assert_eq!(status, code(HError::PtegFull));
    };
    assert_eq!((status, regs[0]), (0, free));
    bench.hpt[free as usize] = [host.first, host.second];
    if let Some((at, bytes)) = host.memory
        && flags & flag::ZERO_PAGE != 0
    {
        bench.expect_zero(at, bytes);
    }
}

fn read(bench: &Bench, args: &Args, status: i64, regs: &Args) {
    let (first, count) = match args[0] & flag::READ_4 {
        0 => (args[1], 1),
        _ => (args[1] & !3, 4),
    };
    if first >= HPT_ENTRIES {
        return assert_eq!(status, PARAMETER);
    }
    assert_eq!(status, 0);
    for (pair, entry) in regs.chunks(2).zip(&bench.hpt[first as usize..][..count]) {
        assert_eq!(pair, [entry[0], guest(entry[1])]);
    }
}

fn is_like(first: u64, flags: u64, avpn: u64) -> bool {
    let same = flags & flag::AVPN == 0 || first & v::AVPN == avpn;
    let without = flags & flag::ANDCOND == 0 || first & avpn == 0;
    first & v::VALID != 0 && same && without
}

/// The hcalls that work on one entry that is there; returns whether its translation must be forgotten.
fn one(bench: &mut Bench, token: u64, args: &Args, status: i64, regs: &Args) -> bool {
    let [flags, index, avpn, ..] = *args;
    let [first, second] = bench.hpt[index as usize];
    let flags_used = match token {
        token::H_REMOVE => flags,
        token::H_PROTECT => flags & flag::AVPN,
        _ => 0,
    };
    if !is_like(first, flags_used, avpn) {
        assert_eq!(status, NOT_FOUND);
        return false;
    }
    assert_eq!(status, 0);
    let mut forgotten = true;
    let after = match token {
        token::H_REMOVE => {
            assert_eq!(regs[..2], [first, guest(second)]);
            [0, 0]
        }
        token::H_CLEAR_MOD | token::H_CLEAR_REF => {
            assert_eq!(regs[0], guest(second));
            let bit = if token == token::H_CLEAR_MOD {
                r::C
            } else {
                r::R
            };
            // Nothing changes when the bit was not set.
            forgotten = second & bit != 0;
            [first, second & !bit]
        }
        _ => {
            let kept = second & !(r::PP0 | r::N | r::PP | r::R);
            let high = if flags & flag::PP0 != 0 { r::PP0 } else { 0 };
            [first, kept | high | flags & (r::N | r::PP)]
        }
    };
    bench.hpt[index as usize] = after;
    forgotten
}

fn bulk_remove(bench: &mut Bench, args: &Args, status: i64, regs: &Args) -> Vec<u64> {
    let mut removed = vec![];
    let mut expected = *args;
    let mut answer = 0;
    for place in 0..bulk::MAX {
        let [high, avpn] = [args[2 * place], args[2 * place + 1]];
        let index = high & bulk::PTEX;
        let response = match high & bulk::TYPE {
            bulk::END => break,
            bulk::REQUEST if high & bulk::COMPARE == bulk::COMPARE => None,
            bulk::REQUEST if index < HPT_ENTRIES => {
                let flags = match high & bulk::COMPARE {
                    bulk::AVPN => flag::AVPN,
                    bulk::ANDCOND => flag::ANDCOND,
                    _ => 0,
                };
                let avpn = if flags == flag::ANDCOND {
                    avpn & v::AVPN
                } else {
                    avpn
                };
                let entry = &mut bench.hpt[index as usize];
                let [first, second] = *entry;
                Some(if is_like(first, flags, avpn) {
                    *entry = [0, 0];
                    removed.push(index);
                    let bits = [(r::R, bulk::R), (r::C, bulk::C)];
                    bits.iter()
                        .filter(|(bit, _)| second & bit != 0)
                        .fold(bulk::SUCCESS, |code, (_, shown)| code | shown)
                } else {
                    bulk::NOT_FOUND
                })
            }
            _ => None,
        };
        let shown = high & (bulk::COMPARE | bulk::PTEX) | bulk::RESPONSE;
        expected[2 * place] = shown | response.unwrap_or(bulk::PARAMETER);
        if response.is_none() {
            answer = PARAMETER;
            break;
        }
    }
    assert_eq!((status, regs), (answer, &expected), "of {args:x?}");
    removed
}
