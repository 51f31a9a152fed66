//! Cache-inhibited loads and stores by real address, for device registers.
#![expect(unsafe_code, reason = "device registers by real address")]

use crate::percpu::PerCpu;
use core::arch::asm;

unsafe extern "C" {
    fn ppc64_probe_load(cpu: *const PerCpu, at: u64, bytes: u64) -> u64;
    fn ppc64_probe_store(cpu: *const PerCpu, at: u64, bytes: u64, value: u64);
}

/// Access to device registers in hypervisor real mode. Every address it is used with comes from
/// the machine's device tree or from a bridge's window, checked when the driver was built.
#[derive(Clone, Copy, Debug)]
pub struct RealModeIo(());

impl RealModeIo {
    /// Makes the accessor.
    ///
    /// # Safety
    /// 1. It is used only in hypervisor real mode (MSR HV = 1, DR = 0).
    /// 2. It is used only with addresses of device registers, never of memory.
    #[must_use]
    pub const unsafe fn new() -> Self {
        Self(())
    }

    /// Loads `bytes` (1, 2, 4 or 8) at real address `at`, where a device may not answer: all ones then, as a bridge
    /// gives them where the machine does not make that a machine check.
    #[must_use]
    pub fn probe_load(self, at: u64, bytes: u64) -> u64 {
        // SAFETY: the constructor's duties; a machine check by the load comes back from it.
        unsafe { ppc64_probe_load(PerCpu::current(), at, bytes) }
    }

    /// Stores the low `bytes` (1, 2, 4 or 8) of `value` at real address `at`; nothing where no device answers.
    pub fn probe_store(self, at: u64, bytes: u64, value: u64) {
        // SAFETY: as of `probe_load`.
        unsafe { ppc64_probe_store(PerCpu::current(), at, bytes, value) }
    }
}

macro_rules! access {
    ($load:ident, $store:ident, $type:ty, $load_op:literal, $store_op:literal) => {
        impl RealModeIo {
            #[doc = concat!("Loads a `", stringify!($type), "` at real address `at` (", $load_op, ").")]
            #[must_use]
            #[inline]
            pub fn $load(self, at: u64) -> $type {
                let value: u64;
                // SAFETY: the constructor's duties: a device register, in hypervisor real mode.
                unsafe { asm!(concat!($load_op, " {}, 0, {}"), out(reg) value, in(reg) at, options(nostack)) }
                value as $type
            }
            #[doc = concat!("Stores a `", stringify!($type), "` at real address `at` (", $store_op, ").")]
            #[inline]
            pub fn $store(self, at: u64, value: $type) {
                // SAFETY: the constructor's duties: a device register, in hypervisor real mode.
                unsafe { asm!(concat!($store_op, " {}, 0, {}"), in(reg) u64::from(value), in(reg) at, options(nostack)) }
            }
        }
    };
}

access!(load8, store8, u8, "lbzcix", "stbcix");
access!(load16, store16, u16, "lhzcix", "sthcix");
access!(load32, store32, u32, "lwzcix", "stwcix");
access!(load64, store64, u64, "ldcix", "stdcix");
