//! Which bridge the image drives: the machine's PHB3s, or P7IOCs whose registers are a model and whose PCI side is
//! those PHB3s. What differs between the two for the rest of the image is here and nowhere else.

#[cfg(feature = "p7ioc")]
mod fault;
#[cfg(feature = "p7ioc")]
mod p7ioc;
#[cfg(not(feature = "p7ioc"))]
mod phb3;

#[cfg(feature = "p7ioc")]
pub(crate) use fault::{arm as arm_fault, tick};
#[cfg(feature = "p7ioc")]
pub(crate) use p7ioc::{
    DEVICE_MEMORY, DEVICE_REGISTERS, Host, HostPort, flush_page, message_block, open, plan_caps,
    report,
};
#[cfg(not(feature = "p7ioc"))]
pub(crate) use phb3::{
    DEVICE_MEMORY, DEVICE_REGISTERS, Host, HostPort, flush_page, message_block, open, plan_caps,
    report,
};

use ioda::{Caps, DmaModel};

/// The bytes of a DMA window for which a manifest asks for `bytes`: where windows lie in slots of one address space,
/// half a slot is the least.
pub(crate) fn window_bytes(caps: &Caps, bytes: u64) -> u64 {
    match caps.dma {
        DmaModel::SharedSlots { slot_shift, .. } => {
            bytes.max(1u64.wrapping_shl(u32::from(slot_shift).saturating_sub(1)))
        }
        DmaModel::PerPe { .. } => bytes,
    }
}

/// Errors are injected where the bridge makes them stop something, which QEMU's PHB3 does not.
#[cfg(not(feature = "p7ioc"))]
pub(crate) const fn arm_fault(_bootargs: &str) {}
/// Nothing is due.
#[cfg(not(feature = "p7ioc"))]
#[inline]
pub(crate) const fn tick() {}
