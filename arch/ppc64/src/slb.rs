//! The segment lookaside buffer of a partition: 32 entries on POWER7 and POWER8.
#![expect(unsafe_code, reason = "SLB instructions")]

use core::arch::asm;

/// Entries of the buffer.
const ENTRIES: usize = 32;
/// ESID doubleword, 36: valid.
const VALID: u64 = 1 << 27;

/// A saved segment lookaside buffer: (ESID, VSID) doublewords as `slbmte` takes them.
#[derive(Clone, Debug)]
pub struct Slb([(u64, u64); ENTRIES]);

impl Slb {
    /// Without entries.
    pub const EMPTY: Self = Self([(0, 0); ENTRIES]);

    /// Reads the thread's buffer.
    pub fn save(&mut self) {
        for (index, slot) in (0u64..).zip(&mut self.0) {
            let (esid, vsid): (u64, u64);
            // SAFETY: reads an entry below the buffer's size; the hypervisor runs untranslated.
            unsafe {
                asm!("slbmfee {e}, {i}", "slbmfev {v}, {i}", e = out(reg) esid, v = out(reg) vsid,
                    i = in(reg) index, options(nostack, nomem));
            }
            // slbmte wants the entry's number in the low bits.
            *slot = if esid & VALID == 0 {
                (0, 0)
            } else {
                (esid | index, vsid)
            };
        }
    }

    /// The entries as they were saved; those that were not valid are zero.
    #[must_use]
    pub const fn entries(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// Replaces the thread's buffer.
    pub fn load(&self) {
        // SAFETY: the hypervisor runs untranslated, so it needs no segment. `slbia` leaves entry 0,
        // which the store of an invalid entry clears.
        unsafe {
            asm!("isync", "slbmte {z}, {z}", "slbia", "isync", z = in(reg) 0u64, options(nostack));
        }
        for &(esid, vsid) in &self.0 {
            if esid & VALID != 0 {
                // SAFETY: as above; the index in `esid` is below the buffer's size.
                unsafe {
                    asm!("slbmte {v}, {e}", e = in(reg) esid, v = in(reg) vsid, options(nostack))
                }
            }
        }
        crate::spr::isync();
    }
}
