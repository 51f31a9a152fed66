//! The bundle: partitions and their images in one checked file.
//!
//! `xtask` packs a manifest and its images into a bundle ([`build`], behind the feature of that name); the hypervisor
//! finds the bundle in the machine's initrd area and takes nothing in it on trust: [`Bundle::check_crc`], then
//! [`Bundle::parse`]. Reading needs no memory but the file's own; docs/bundle.md has the format byte by byte.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

#[cfg(any(test, feature = "build"))]
extern crate alloc;

#[cfg(any(test, feature = "build"))]
pub mod build;
mod check;
mod error;
mod format;
mod parse;
mod path;
mod read;

pub use error::{BundleError, Name, Problem};
pub use format::{
    MAX_COMMAND_LINE_BYTES, MAX_CPUS, MAX_DEVICES, MAX_DMA_WINDOW_BYTES, MAX_ENTITLEMENT_PER_CPU,
    MAX_ETHERNETS, MAX_HOPS, MAX_MEMORY_BYTES, MAX_MSIS, MAX_NAME_BYTES, MAX_PARTITION_ETHERNETS,
    MAX_PARTITIONS, MAX_VLAN, MEMORY_GRANULE_BYTES, MIN_DMA_WINDOW_BYTES, MIN_ENTITLEMENT_PER_CPU,
    VERSION,
};
pub use parse::{AfterCrash, Bundle, Console, Device, Ethernet, Kernel, Partition, Processors};
pub use path::{DevicePath, PathError};

#[cfg(test)]
mod tests;
