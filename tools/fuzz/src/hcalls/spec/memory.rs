//! The hcalls that reach memory and device registers, and the one that registers areas.

use super::PARAMETER;
use crate::bench::{Bench, MMIO, RAM_BYTES};
use lpar::hcall::Args;
use papr_abi::hpte::flag;
use papr_abi::{token, vpa};

pub(super) fn check(bench: &mut Bench, token: u64, args: &Args, status: i64, regs: &Args) {
    let [bytes, at, value, ..] = *args;
    let sized = matches!(bytes, 1 | 2 | 4 | 8) && at.is_multiple_of(bytes);
    let memory = sized && at < RAM_BYTES;
    let device = sized && at >= MMIO.start.0 && at - MMIO.start.0 < MMIO.bytes;
    let own = match token {
        token::H_PAGE_INIT => page_init(bench, args, status),
        token::H_LOGICAL_CI_LOAD => {
            let fits = bytes >= 8 || regs[0] < 1 << (8 * bytes.min(7));
            assert!(
                !device || fits,
                "{:#x} is wider than {bytes} bytes",
                regs[0]
            );
            device
        }
        token::H_LOGICAL_CI_STORE => device,
        token::H_LOGICAL_CACHE_LOAD => {
            if memory {
                assert_eq!(Some(regs[0]), bench.peek(at, bytes));
            }
            memory
        }
        token::H_LOGICAL_CACHE_STORE => {
            if memory {
                bench.expect(at, bytes, value);
            }
            memory
        }
        // H_LOGICAL_ICBI and H_LOGICAL_DCBF: any address of memory.
        _ => args[0] < RAM_BYTES,
    };
    assert_eq!(status, if own { 0 } else { PARAMETER }, "of {args:x?}");
}

/// Returns whether the call must succeed.
fn page_init(bench: &mut Bench, args: &Args, status: i64) -> bool {
    let [flags, to, from, ..] = *args;
    let page = |at: u64| at < RAM_BYTES && at.is_multiple_of(4096);
    let copy = flags & flag::COPY_PAGE != 0;
    if !page(to) || copy && !page(from) {
        return false;
    }
    if status == 0 && copy {
        bench.expect_copy(to, from);
    } else if status == 0 && flags & flag::ZERO_PAGE != 0 {
        bench.expect_zero(to, 4096);
    }
    true
}

/// H_REGISTER_VPA has succeeded: what it writes into a processor's area, and nothing else.
pub(super) fn registered(bench: &mut Bench, args: &Args) {
    let [flags, processor, at, ..] = *args;
    let vcpu = &bench.lpar.vcpus[processor as usize];
    let registered = [&vcpu.vpa, &vcpu.dispatch_log, &vcpu.slb_shadow]
        .map(|area| area.load(std::sync::atomic::Ordering::Relaxed));
    let function = flags >> 45 & 7;
    let expected = if function < 4 { at } else { u64::MAX };
    assert_eq!(registered[(function & 3) as usize - 1], expected);
    if function < 4 {
        assert_area(bench, function, at);
    }
    if function == vpa::function::REGISTER_VPA {
        bench.accept(at + vpa::YIELD_COUNT, 8);
        bench.accept(at + vpa::STATUS, 1);
        assert_eq!(bench.peek(at + vpa::DISPERSION_COUNT, 4), Some(0));
        let status = bench.peek(at + vpa::STATUS, 1).expect("inside");
        assert_eq!(status & vpa::STATUS_SHARED, 0);
    }
}

/// Panics unless an area that was registered is aligned, large enough, in memory, and where it must be in one page.
fn assert_area(bench: &Bench, function: u64, at: u64) {
    let (bytes, least) = match function {
        vpa::function::REGISTER_VPA => (2, vpa::MIN_BYTES),
        vpa::function::REGISTER_DTL => (4, vpa::DTL_ENTRY_BYTES),
        _ => (4, vpa::SLB_SHADOW_MIN_BYTES),
    };
    let size = bench.peek(at + vpa::SIZE, bytes).expect("inside");
    let page = at % vpa::BOUNDARY + size <= vpa::BOUNDARY;
    assert!(at.is_multiple_of(vpa::ALIGN) && size >= least);
    assert!(
        at < RAM_BYTES && size <= RAM_BYTES - at,
        "{size} at {at:#x}"
    );
    assert!(
        page || function == vpa::function::REGISTER_DTL,
        "{size} at {at:#x}"
    );
}
