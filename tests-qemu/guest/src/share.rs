//! `mode=share`: has something to do for `ms=N` milliseconds, then tells how much of the time it had a
//! processor, and what it is told of its part (H_GET_PPP, r4 to r7). It tells by os-term, which every partition's
//! hypervisor logs: only one has the console.
#![expect(unsafe_code, reason = "a loop whose length is known")]

use crate::cpu::{self, TICKS_PER_MS, purr};
use crate::hcall::{PAGES, Page, hcall};
use crate::rtas;
use crate::tree::Platform;
use core::arch::asm;
use core::fmt::Write;
use papr_abi::{token, vpa};

static TEXT: Page = Page::new();
/// What is done between two looks at the time.
const STEPS: u64 = 4000;

/// Text in a page of its own, ended by a zero byte.
struct LastWords(usize);

impl Write for LastWords {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            let shift = 56 - 8 * (self.0 % 8);
            let word = TEXT.get(self.0 / 8) | u64::from(byte) << shift;
            TEXT.set(self.0 / 8, word);
            self.0 += 1;
        }
        Ok(())
    }
}

/// [`STEPS`] instructions without a look at the time.
fn work() {
    // SAFETY: counts CTR down.
    unsafe {
        asm!("mtctr {0}", "2: bdnz 2b", in(reg) STEPS, out("ctr") _, options(nomem, nostack))
    };
}

/// Runs for the time asked for, and tells.
pub(crate) fn run(platform: &Platform) {
    let area = &PAGES[0];
    area.fill(0);
    area.set(0, 640 << 16);
    let registered = hcall(token::H_REGISTER_VPA, [1 << 45, 0, area.real()]);
    let length = platform.options.milliseconds * TICKS_PER_MS;
    let at = (vpa::WAITS / 8) as usize;
    let waits = || [0, 1, 2].map(|n| area.get(at + n));
    let before = waits();
    let (start, had) = (cpu::timebase(), purr());
    let mut done = 0;
    while cpu::timebase() - start < length {
        work();
        done += STEPS;
    }
    let (took, had) = (cpu::timebase() - start, purr() - had);
    let after = waits();
    let [thread, entitlement, ready] = [0, 1, 2].map(|n: usize| (after[n] - before[n]) / 512);
    let [entitlement_of, left, place, resources, ..] = hcall(token::H_GET_PPP, []).out;
    TEXT.fill(0);
    // Microseconds.
    let _ = write!(
        LastWords(0),
        "share {} of {} waits {thread} {entitlement} {ready} did {done} count {} vpa {} \
         ppp {entitlement_of} {left} {place:x} {resources:x}",
        had / 512,
        took / 512,
        area.get32((vpa::YIELD_COUNT / 4) as usize),
        registered.status
    );
    let _ = rtas::named(platform, "ibm,os-term", &[TEXT.real() as u32], 1);
}
