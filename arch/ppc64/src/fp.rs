//! Floating point and vector registers of a guest; the hypervisor itself has no use for them.
#![expect(unsafe_code, reason = "vector registers, in assembly")]

use crate::context::{FpRegs, offset};

/// The facilities that the assembly turns on for itself.
const AVAILABLE: u64 = crate::msr::FP | crate::msr::VEC | crate::msr::VSX;

core::arch::global_asm!(
    include_str!("fp.S"),
    vscr = const offset::VSCR,
    fpscr = const offset::FPSCR,
    available_high = const AVAILABLE >> 16,
    available_low = const AVAILABLE & 0xffff,
);

unsafe extern "C" {
    fn ppc64_fp_save(to: *mut FpRegs);
    fn ppc64_fp_load(from: *const FpRegs);
}

/// Saves the thread's registers.
pub fn save(to: &mut FpRegs) {
    // SAFETY: writes one `FpRegs`, whose offsets the assembly was given.
    unsafe { ppc64_fp_save(to) }
}

/// Loads the thread's registers. No Rust code has a value in them.
pub fn load(from: &FpRegs) {
    // SAFETY: reads one `FpRegs`, whose offsets the assembly was given.
    unsafe { ppc64_fp_load(from) }
}
