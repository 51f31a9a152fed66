//! The DMA hcalls.

use super::PARAMETER;
use crate::bench::{Bench, RAM_BASE, RAM_BYTES, WINDOWS, code};
use lpar::hcall::Args;
use papr_abi::tce::{MAX_LIST, PERMISSIONS, RPN};
use papr_abi::{HError, token};
use std::ops::Range;

/// A checked place: which window, and which of its entries.
type Place = (usize, Range<usize>);

/// The entries that a call names, when there are such.
fn place(liobn: u64, address: u64, count: u64) -> Option<Place> {
    let number = WINDOWS.iter().position(|window| window.liobn == liobn)?;
    let window = WINDOWS[number];
    let first = address.checked_sub(window.first)? >> window.shift;
    // Outside the window even an empty list is refused.
    let fits = first < window.pages && count <= window.pages - first;
    fits.then_some((number, first as usize..(first + count) as usize))
}

/// A guest's entry as the bridge must see it; `None` when it permits what is not the partition's.
fn host(number: usize, tce: u64) -> Option<u64> {
    if tce & PERMISSIONS == 0 {
        return Some(tce & RPN);
    }
    let (page, bytes) = (tce & !PERMISSIONS, 1 << WINDOWS[number].shift);
    let own = page.is_multiple_of(bytes) && page < RAM_BYTES && bytes <= RAM_BYTES - page;
    own.then(|| tce + RAM_BASE)
}

/// Checks an answer; returns the bus addresses that the bridge must have forgotten by then, each the first of so many
/// pages.
pub(super) fn check(
    bench: &mut Bench,
    token: u64,
    args: &Args,
    status: i64,
    regs: &Args,
) -> Vec<(u64, u64)> {
    let expected = match token {
        token::H_GET_TCE => {
            get(bench, args, status, regs);
            return vec![];
        }
        token::H_PUT_TCE => entries(place(args[0], args[1], 1), |_| Some(args[2])),
        token::H_STUFF_TCE => stuff(args),
        _ => indirect(bench, args),
    };
    match expected {
        Ok((number, first, list)) => {
            assert_eq!(status, 0, "of {args:x?}");
            bench.tces[number][first..first + list.len()].copy_from_slice(&list);
            let window = WINDOWS[number];
            let address = window.first + ((first as u64) << window.shift);
            let pages = list.len() as u64;
            (pages > 0)
                .then_some((address, pages))
                .into_iter()
                .collect()
        }
        Err(code) => {
            assert_eq!(status, code, "of {args:x?}");
            vec![]
        }
    }
}

fn get(bench: &Bench, args: &Args, status: i64, regs: &Args) {
    let Some((number, entries)) = place(args[0], args[1], 1) else {
        return assert_eq!(status, PARAMETER);
    };
    let entry = bench.tces[number][entries.start];
    let shown = if entry & PERMISSIONS == 0 {
        entry
    } else {
        entry - RAM_BASE
    };
    assert_eq!((status, regs[0]), (0, shown));
}

type Entries = Result<(usize, usize, Vec<u64>), i64>;

/// The entries that `place` must hold when the `n`th is `tce(n)` to the guest.
fn entries(place: Option<Place>, tce: impl Fn(usize) -> Option<u64>) -> Entries {
    let (number, range) = place.ok_or(PARAMETER)?;
    let list = (0..range.len()).map(|n| host(number, tce(n)?));
    let list = list.collect::<Option<Vec<u64>>>().ok_or(PARAMETER)?;
    Ok((number, range.start, list))
}

fn stuff(args: &Args) -> Entries {
    let [liobn, address, tce, count, ..] = *args;
    let (number, _) = place(liobn, address, 0).ok_or(PARAMETER)?;
    if count > MAX_LIST {
        return Err(code(HError::P4));
    }
    let place = place(liobn, address, count).ok_or(PARAMETER)?;
    // Checked even if it is stored nowhere.
    host(number, tce).ok_or(PARAMETER)?;
    entries(Some(place), |_| Some(tce))
}

fn indirect(bench: &Bench, args: &Args) -> Entries {
    let [liobn, address, list, count, ..] = *args;
    if liobn >> 63 != 0 {
        return Err(code(HError::Function));
    }
    if count > MAX_LIST || !list.is_multiple_of(4096) || list >= RAM_BYTES {
        return Err(PARAMETER);
    }
    entries(place(liobn, address, count), |n| {
        bench.peek(list + 8 * n as u64, 8)
    })
}
