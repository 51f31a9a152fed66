//! `sc 1`, and memory to give to it.
#![expect(unsafe_code, reason = "the hcall instruction, and assembly around it")]

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// How many doublewords [`state_across`] takes.
pub(crate) const STATE_DWORDS: usize = 32 + 128;

global_asm!(include_str!("state.S"), state_dwords = const STATE_DWORDS);
global_asm!(
    include_str!("bench.S"),
    h_cede = const papr_abi::token::H_CEDE,
    msr_ee = const crate::cpu::MSR_EE,
);

unsafe extern "C" {
    fn state_across_hcall(token: u64, a: u64, b: u64, c: u64, d: u64, state: *mut u64) -> i64;
    fn problem_state_hcall(token: u64, argument: u64, msr: u64) -> i64;
    fn bench_hcalls(calls: *const [u64; 5], calls_left: u64, rounds: u64);
    fn bench_nothing(calls: *const [u64; 5], calls_left: u64, rounds: u64);
    fn bench_cede();
    fn bench_spin();
    static bench_vector: u32;
    static bench_vector_end: u32;
}

/// What an hcall gave back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// r3.
    pub(crate) status: i64,
    /// r4 to r12.
    pub(crate) out: [u64; 9],
}

/// Does hcall `token`; `args` go into r4 and up, the rest up to r12 is zero.
pub(crate) fn hcall<const N: usize>(token: u64, args: [u64; N]) -> Answer {
    let arg = |n: usize| args.get(n).copied().unwrap_or(0);
    let (status, mut out): (i64, [u64; 9]);
    out = core::array::from_fn(arg);
    // SAFETY: a hypervisor may change r0, r3-r12, CTR, XER and CR0, 1, 5-7 only, and of memory what
    // the call names: that is a `Page`, made of atomics, or memory nothing else here uses.
    unsafe {
        asm!(
            "sc 1",
            inlateout("r3") token => status,
            inlateout("r4") out[0],
            inlateout("r5") out[1],
            inlateout("r6") out[2],
            inlateout("r7") out[3],
            inlateout("r8") out[4],
            inlateout("r9") out[5],
            inlateout("r10") out[6],
            inlateout("r11") out[7],
            inlateout("r12") out[8],
            lateout("r0") _, lateout("ctr") _, lateout("xer") _,
            lateout("cr0") _, lateout("cr1") _, lateout("cr5") _, lateout("cr6") _, lateout("cr7") _,
            options(nostack),
        );
    }
    Answer { status, out }
}

/// Does an hcall with `state` in the registers it must preserve, and stores what they held after.
///
/// The order of `state` is told in `state.S`.
pub(crate) fn state_across(token: u64, args: [u64; 4], state: &mut [u64; STATE_DWORDS]) -> i64 {
    let [a, b, c, d] = args;
    // SAFETY: the routine saves and restores all it changes, and `state` has the length it expects.
    unsafe { state_across_hcall(token, a, b, c, d, state.as_mut_ptr()) }
}

/// Does an hcall in problem state, under `msr`, which must translate the payload to itself.
///
/// # Safety
/// 1. `msr` has IR and DR set and the payload is mapped one to one, open to problem state.
pub(crate) unsafe fn from_problem_state(token: u64, argument: u64, msr: u64) -> i64 {
    // SAFETY: duty 1; the trap handler returns from the routine's `sc 0` privileged.
    unsafe { problem_state_hcall(token, argument, msr) }
}

/// Timebase ticks of `rounds` times all of `calls` (token and four arguments each), the loop taken out.
pub(crate) fn ticks_of(calls: &[[u64; 5]], rounds: u64) -> u64 {
    let timed = |run: unsafe extern "C" fn(*const [u64; 5], u64, u64)| {
        let start = crate::cpu::timebase();
        // SAFETY: the routine reads `calls` and does what they say, as `hcall` does.
        unsafe { run(calls.as_ptr(), calls.len() as u64, rounds) };
        crate::cpu::timebase() - start
    };
    let busy = timed(bench_hcalls);
    busy.saturating_sub(timed(bench_nothing))
}

/// How the processor waits for an interrupt.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waiting {
    /// In one H_CEDE.
    Ceded,
    /// In a loop with MSR\[EE\] on.
    Spinning,
}

/// The timebase when the interrupt with vector 0x500 or 0x900, which must come, has reached its vector's first
/// instruction; of an H_CEDE the time before it, too, else 0. The vector is replaced for that time.
pub(crate) fn stamped(vector: usize, how: Waiting) -> [u64; 2] {
    let (from, end) = (&raw const bench_vector, &raw const bench_vector_end);
    let words = (end.addr() - from.addr()) / 4;
    let place = core::ptr::with_exposed_provenance_mut::<u32>(vector);
    let mut kept = [0u32; 16];
    for (n, slot) in kept.iter_mut().enumerate().take(words) {
        // SAFETY: the vector's own 0x80 bytes, which are the payload's.
        *slot = unsafe { place.add(n).read_volatile() };
        // SAFETY: as above; no interrupt is open meanwhile.
        unsafe { place.add(n).write_volatile(from.add(n).read()) };
    }
    crate::cpu::sync_instructions(vector as u64);
    let before = match how {
        Waiting::Ceded => {
            // SAFETY: changes volatile registers and SPRG2 alone, and leaves MSR[EE] off.
            unsafe { bench_cede() };
            crate::cpu::sprg2()
        }
        Waiting::Spinning => {
            // SAFETY: changes volatile registers alone, and leaves MSR[EE] off.
            unsafe { bench_spin() };
            0
        }
    };
    for (n, word) in kept.iter().enumerate().take(words) {
        // SAFETY: as above.
        unsafe { place.add(n).write_volatile(*word) };
    }
    crate::cpu::sync_instructions(vector as u64);
    [before, crate::cpu::sprg0()]
}

/// Waits in H_CEDE until `milliseconds` after the machine's start, if they are not over.
pub(crate) fn cede_until(milliseconds: u64) {
    let end = milliseconds.saturating_mul(crate::cpu::TICKS_PER_MS);
    while let left @ 1.. = end.saturating_sub(crate::cpu::timebase()) {
        crate::cpu::set_dec(left.min(crate::cpu::DEC_FAR));
        stamped(0x900, Waiting::Ceded);
    }
    crate::cpu::set_dec(crate::cpu::DEC_FAR);
}

/// A 4 KiB page that hypervisor and devices may read and write at any time.
#[repr(C, align(4096))]
pub(crate) struct Page([AtomicU64; 512]);

impl Page {
    /// A page of zeroes.
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 512])
    }
    /// Its real address.
    pub(crate) fn real(&self) -> u64 {
        (&raw const *self).addr() as u64
    }
    /// Doubleword `index`, 0 to 511.
    pub(crate) fn get(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, |word| word.load(SeqCst))
    }
    /// Sets doubleword `index`.
    pub(crate) fn set(&self, index: usize, value: u64) {
        if let Some(word) = self.0.get(index) {
            word.store(value, SeqCst);
        }
    }
    /// Fills the page with `value`.
    pub(crate) fn fill(&self, value: u64) {
        (0..512).for_each(|n| self.set(n, value));
    }
    /// Whether every doubleword is `value`.
    pub(crate) fn is_all(&self, value: u64) -> bool {
        (0..512).all(|n| self.get(n) == value)
    }
    /// The 32-bit big-endian word `index`, 0 to 1023.
    pub(crate) fn get32(&self, index: usize) -> u32 {
        let pair = self.get(index / 2);
        if index.is_multiple_of(2) {
            (pair >> 32) as u32
        } else {
            pair as u32
        }
    }
    /// Sets the 32-bit big-endian word `index`.
    pub(crate) fn set32(&self, index: usize, value: u32) {
        let pair = self.get(index / 2);
        let value = u64::from(value);
        self.set(
            index / 2,
            if index.is_multiple_of(2) {
                pair & 0xffff_ffff | value << 32
            } else {
                pair & !0xffff_ffff | value
            },
        );
    }
}

/// Pages that the cases share; a case that uses one leaves it to the next as it is.
pub(crate) static PAGES: [Page; 8] = [const { Page::new() }; 8];
