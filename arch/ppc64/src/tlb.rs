//! Translation invalidation. Source: Power ISA 2.07, Book III-S 5.9.3.3 and 5.10.1.2.
#![expect(unsafe_code, reason = "tlbie and its barriers")]

use core::arch::asm;

/// Broadcasts the invalidation of what `rb` names in partition `lpid`, without waiting.
///
/// The machine allows one such broadcast at a time: the caller holds the lock that says so, and
/// calls [`complete`] before it lets go.
pub fn invalidate(rb: u64, lpid: u32) {
    // SAFETY: removing translations never gives access to anything; the hypervisor runs untranslated.
    unsafe {
        asm!("ptesync", "tlbie {}, {}", in(reg) rb, in(reg) u64::from(lpid), options(nostack))
    }
}

/// Waits until all threads have done what [`invalidate`] asked.
pub fn complete() {
    // SAFETY: barriers.
    unsafe { asm!("eieio", "tlbsync", "ptesync", options(nostack)) }
}

/// Orders the stores that made a page table entry valid before any later search of the table.
pub fn publish() {
    // SAFETY: barrier.
    unsafe { asm!("ptesync", options(nostack)) }
}

/// Empties this thread's TLB of the current partition's entries.
pub fn flush_local() {
    /// Congruence classes of the POWER8 TLB.
    const SETS: u64 = 512;
    /// RB 52:53, invalidation selector 2: all that match the partition.
    const BY_LPID: u64 = 0x800;
    // SAFETY: barrier.
    unsafe { asm!("ptesync", options(nostack)) }
    for set in 0..SETS {
        // SAFETY: as for `invalidate`.
        unsafe { asm!("tlbiel {}", in(reg) BY_LPID | (set << 12), options(nostack)) }
    }
    // SAFETY: barriers.
    unsafe { asm!("ptesync", "isync", options(nostack)) }
}
