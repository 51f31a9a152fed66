//! Reset state, thread identity, waiting.
#![expect(unsafe_code, reason = "thread control")]

use crate::{mfspr, mtspr};

/// The processor version register's upper half: the family.
#[must_use]
pub fn processor_family() -> u16 {
    (mfspr!(PVR) >> 16) as u16
}

/// Whether the thread is a POWER8 (Murano, Venice or Naples).
#[must_use]
pub fn is_power8() -> bool {
    matches!(processor_family(), 0x4b..=0x4d)
}

/// Returns the thread's processor identification.
#[must_use]
pub fn pir() -> u32 {
    mfspr!(PIR) as u32
}

/// Sets the thread's own hypervisor state to known values: interrupts of a hypervisor decrementer
/// far away, no maintenance interrupts, big-endian vectors.
pub fn reset_thread() {
    // SAFETY: LPID 0 is the hypervisor's; nothing here changes how real mode works. HID0 keeps its
    // value: HILE is clear out of reset and firmware before us leaves it so.
    unsafe {
        mtspr!(LPIDR, 0);
        mtspr!(HMEER, 0);
        mtspr!(HDEC, 0x7fff_ffff);
        mtspr!(LPCR, crate::spr::lpcr::LPES | crate::spr::lpcr::WAKE);
    }
    crate::spr::isync();
}

/// Arms the hypervisor decrementer: it interrupts a guest in `ticks` of the time base.
#[inline]
pub fn set_hypervisor_decrementer(ticks: u32) {
    // SAFETY: it interrupts only while a guest runs, as the hypervisor has MSR[EE] = 0.
    unsafe { mtspr!(HDEC, u64::from(ticks & 0x7fff_ffff)) }
}

/// Reads the guest's decrementer: ticks left, negative when it has expired.
#[must_use]
#[inline]
pub fn decrementer() -> i32 {
    mfspr!(DEC) as u32 as i32
}

/// Sets the guest's decrementer.
#[inline]
pub fn set_decrementer(ticks: i32) {
    // SAFETY: it interrupts only with MSR[EE] = 1, which the hypervisor never sets.
    unsafe { mtspr!(DEC, ticks as u32 as u64) }
}

/// Lowers the thread's priority for one turn of a waiting loop.
#[inline]
pub fn relax() {
    // SAFETY: priority hints.
    unsafe { core::arch::asm!("or 31,31,31", "or 2,2,2", options(nostack, nomem)) }
}

/// Stops the thread for good.
pub fn park() -> ! {
    loop {
        // SAFETY: priority hint.
        unsafe { core::arch::asm!("or 31,31,31", options(nostack, nomem)) }
    }
}
