//! Cache management. Source: Power ISA 2.07, Book II 4.3; POWER7 and POWER8 lines are 128 bytes.
#![expect(unsafe_code, reason = "cache instructions")]

use core::arch::asm;

/// Bytes of a cache line.
pub const LINE_BYTES: u64 = 128;

fn lines(at: u64, bytes: u64) -> impl Iterator<Item = u64> {
    let first = at & !(LINE_BYTES - 1);
    let end = at.saturating_add(bytes);
    (first..end).step_by(LINE_BYTES as usize)
}

/// Writes back and forgets the data cache lines of `bytes` from real address `at`, which is memory.
pub fn flush(at: u64, bytes: u64) {
    for line in lines(at, bytes) {
        // SAFETY: writing back a line changes no memory as any program sees it.
        unsafe { asm!("dcbf 0, {}", in(reg) line, options(nostack)) }
    }
    crate::spr::sync();
}

/// Makes what was stored to `bytes` from real address `at`, which is memory, be what is fetched from
/// there.
pub fn fetch_anew(at: u64, bytes: u64) {
    for line in lines(at, bytes) {
        // SAFETY: as for `flush`.
        unsafe { asm!("dcbst 0, {}", in(reg) line, options(nostack)) }
    }
    crate::spr::sync();
    for line in lines(at, bytes) {
        // SAFETY: forgetting fetched instructions changes no memory.
        unsafe { asm!("icbi 0, {}", in(reg) line, options(nostack)) }
    }
    crate::spr::sync();
    crate::spr::isync();
}

/// Fills the cache lines of `bytes` from real address `at` with zeroes; both are multiples of
/// [`LINE_BYTES`].
///
/// # Safety
/// 1. It is memory that the caller alone uses.
pub unsafe fn zero(at: u64, bytes: u64) {
    for line in lines(at, bytes) {
        // SAFETY: the duty of this function; dcbz zeroes the line that holds the address.
        unsafe { asm!("dcbz 0, {}", in(reg) line, options(nostack)) }
    }
    crate::spr::sync();
}
