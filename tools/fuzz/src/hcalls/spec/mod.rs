//! What each hcall may answer and do, written from its contract and apart from its code.
//!
//! [`check`] compares an answer with it, and brings the bench's copies up to date with what the call was allowed to
//! change. What is not named there must stay as it is, which the end of the program shows.

mod memory;
mod pft;
mod tce;

use crate::bench::fakes::{Forgotten, OWN_IRQS};
use crate::bench::{Bench, Small, code};
use crate::rtas;
use lpar::hcall::{After, Args, find};
use papr_abi::{HError, Irq, Order, token, xics};
use std::sync::atomic::Ordering::Relaxed;

const PARAMETER: i64 = code(HError::Parameter);

/// A call, and what there was before it.
#[derive(Debug)]
pub struct Before {
    server: usize,
    token: u64,
    args: Args,
    small: Small,
    mfrrs: [u8; 2],
    rtas: Option<rtas::Expected>,
}

impl Before {
    /// Notes what there is before the call.
    #[must_use]
    pub fn of(bench: &Bench, server: usize, token: u64, args: Args) -> Self {
        Self {
            server,
            token,
            args,
            small: Small::of(bench),
            mfrrs: [0, 1].map(|number| bench.lpar.vcpus[number].mfrr.load(Relaxed)),
            rtas: (token == token::H_RTAS).then(|| rtas::Expected::of(bench, args[0])),
        }
    }

    /// Panics unless processors, interrupts and functions are as they were.
    pub(crate) fn assert_unchanged(&self, bench: &Bench) {
        assert_eq!(self.small, Small::of(bench), "changed by {self:x?}");
    }
}

/// How many registers from r4 on an hcall that succeeds may set.
fn outputs(token: u64, args: &Args) -> usize {
    match token {
        token::H_READ if args[0] & papr_abi::hpte::flag::READ_4 != 0 => 8,
        token::H_BULK_REMOVE => 8,
        token::H_GET_PPP => 4,
        token::H_GET_TERM_CHAR => 3,
        token::H_REMOVE
        | token::H_READ
        | token::H_XIRR_X
        | token::H_IPOLL
        | token::H_GET_CPU_CHARACTERISTICS => 2,
        token::H_ENTER
        | token::H_CLEAR_MOD
        | token::H_CLEAR_REF
        | token::H_GET_TCE
        | token::H_LOGICAL_CI_LOAD
        | token::H_LOGICAL_CACHE_LOAD
        | token::H_XIRR
        | token::H_PURR
        | token::H_RANDOM => 1,
        _ => 0,
    }
}

/// Checks what a call answered.
///
/// # Panics
/// When it breaks its contract.
pub fn check(bench: &mut Bench, before: &Before, status: i64, regs: &Args, after: After) {
    let Before { token, args, .. } = before;
    let context = || format!("{before:x?}: status {status}, registers {regs:x?}, then {after:?}");
    if find(*token).is_none() {
        let expected = (code(HError::Function), args, After::Return);
        assert_eq!((status, regs, after), expected);
        return before.assert_unchanged(bench);
    }
    assert!(is_known(status), "{}", context());
    let busy_mode = *token == token::H_SET_MODE && status == code(HError::LongBusy(Order::Ms1));
    if status != 0 && *token != token::H_BULK_REMOVE {
        assert_eq!(regs, args, "{}", context());
    }
    if status != 0 && !busy_mode {
        assert_eq!(after, After::Return, "{}", context());
        before.assert_unchanged(bench);
    }
    let free = if status == 0 {
        outputs(*token, args)
    } else {
        8
    };
    assert_eq!(regs[free..], args[free..], "{}", context());
    let mut forgotten = Forgotten::default();
    match *token {
        token::H_ENTER..=token::H_PROTECT | token::H_REMOVE | token::H_BULK_REMOVE => {
            before.assert_unchanged(bench);
            forgotten.entries = pft::check(bench, *token, args, status, regs);
        }
        token::H_GET_TCE | token::H_PUT_TCE | token::H_STUFF_TCE | token::H_PUT_TCE_INDIRECT => {
            before.assert_unchanged(bench);
            forgotten.pages = tce::check(bench, *token, args, status, regs);
        }
        token::H_PAGE_INIT..=token::H_LOGICAL_DCBF => {
            if *token != token::H_LOGICAL_CI_STORE {
                before.assert_unchanged(bench);
            }
            memory::check(bench, *token, args, status, regs);
        }
        token::H_GET_PPP | token::H_PURR => {
            assert_eq!(status, 0, "{}", context());
            before.assert_unchanged(bench);
        }
        token::H_REGISTER_VPA if status == 0 => memory::registered(bench, args),
        token::H_XIRR | token::H_XIRR_X => presented(before, before.server, regs[0]),
        token::H_IPOLL if status == 0 => {
            let server = args[0] as usize;
            presented(before, server, regs[0]);
            assert_eq!(regs[1], before.mfrrs[server].into());
        }
        token::H_GET_TERM_CHAR if status == 0 => {
            assert!(regs[0] <= 16, "{}", context());
            let text = u128::from(regs[1]) << 64 | u128::from(regs[2]);
            let rest = 8 * (16 - regs[0] as u32);
            assert!(text.trailing_zeros() >= rest, "{}", context());
        }
        token::H_RTAS => {
            if let Some(expected) = &before.rtas {
                rtas::check(bench, before, expected, status);
            }
        }
        _ => {}
    }
    assert_eq!(bench.machine.take_forgotten(), forgotten, "{}", context());
    if let After::SetSprg0(value) = after {
        assert_eq!((*token, value), (token::H_SET_SPRG0, args[0]));
    }
}

/// Whether an hcall may answer this at all.
fn is_known(status: i64) -> bool {
    matches!(status, 0..=5 | -13..=-1 | -16 | -57..=-55 | -64 | -75 | -319..=-256 | 9900)
}

/// Panics unless an interrupt that is shown to processor `server` is its partition's.
fn presented(before: &Before, server: usize, xirr: u64) {
    let xirr = u32::try_from(xirr).expect("32 bits");
    let irq = xics::source(xirr);
    let own = match irq {
        Irq::IPI => before.mfrrs[server] != xics::LEAST_FAVORED,
        xics::NONE => true,
        Irq(number) => OWN_IRQS.contains(&number),
    };
    assert!(own, "foreign interrupt {xirr:#x} at {before:x?}");
}
