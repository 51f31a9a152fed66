//! Which bridge the image drives: the machine's PHB3s, or P7IOCs whose registers are a model and whose PCI side is
//! those PHB3s. What differs between the two for the rest of the image is here and nowhere else.

#[cfg(feature = "p7ioc")]
mod p7ioc;
#[cfg(not(feature = "p7ioc"))]
mod phb3;

#[cfg(feature = "p7ioc")]
pub(crate) use p7ioc::{
    DEVICE_MEMORY, DEVICE_REGISTERS, Host, HostPort, make_error, message_block, open, plan_caps,
    report, shut_off, watch_hubs, why, why_off,
};
#[cfg(not(feature = "p7ioc"))]
pub(crate) use phb3::{
    DEVICE_MEMORY, DEVICE_REGISTERS, Host, HostPort, make_error, message_block, open, plan_caps,
    report, shut_off, watch_hubs, why, why_off,
};
