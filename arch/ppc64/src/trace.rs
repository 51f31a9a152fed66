//! The chain of stack frames, for back-traces. Source: OpenPOWER ELFv2 ABI 2.2.2 (stack frames).
#![expect(unsafe_code, reason = "reads stack frames")]

use core::ops::Range;

/// Walks return addresses from stack pointer `sp`, staying inside `stack`; at most `limit` of them.
///
/// A frame's first doubleword points to the next higher frame, whose third holds the return
/// address. A pointer that is not aligned, not rising or outside ends the walk.
pub fn frames(sp: u64, stack: Range<u64>, limit: usize) -> impl Iterator<Item = u64> {
    let mut frame = sp;
    core::iter::from_fn(move || {
        let next = read(frame, &stack)?;
        if next <= frame {
            return None;
        }
        frame = next;
        read(next + 16, &stack)
    })
    .take(limit)
}

fn read(at: u64, stack: &Range<u64>) -> Option<u64> {
    if at & 7 != 0 || !stack.contains(&at) || !stack.contains(&at.checked_add(7)?) {
        return None;
    }
    // SAFETY: aligned and inside the hypervisor's own memory that `stack` names.
    Some(unsafe { core::ptr::read_volatile(at as *const u64) })
}

/// Returns the caller's stack pointer.
#[must_use]
#[inline(always)]
pub fn stack_pointer() -> u64 {
    let sp;
    // SAFETY: copies a register.
    unsafe { core::arch::asm!("mr {}, 1", out(reg) sp, options(nostack, nomem)) };
    sp
}

/// Takes a program interrupt.
pub fn trap() {
    // SAFETY: an interrupt of the hypervisor ends in its exception handler, which does not return.
    unsafe { core::arch::asm!("trap", options(nostack)) }
}
