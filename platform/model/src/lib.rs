//! A PCI host bridge and what hangs on it, in software, for proving drivers.
//!
//! [`Phb3`] is a PHB3 behind its registers ([`ioda::RegIo`]), its XSCOM registers ([`ioda::XscomIo`]) and its
//! MMIO windows ([`ioda::MmioIo`]). It enforces what the chip does and QEMU's model does not: segments and their
//! endpoints, bounds of DMA windows, frozen endpoints, and caches that keep what they have until they are told
//! to forget. What a driver must not do is kept as a complaint ([`Phb3::complaints`]).
//! [`P7ioc`] is the POWER7 hub with one of its bridges, as strict, behind its five blocks of registers. Real
//! functions can stand below it in place of a fabric ([`Below`]).
//!
//! [`Device`] makes functions for the fabric below it; a test plays a device by sending DMA and messages under
//! any requester id. [`SharedMemory`] is how the model reaches the tables that a driver keeps in memory.
//!
//! It is written from the chip's description and shares no code with a driver but the traits and the memory
//! cells of `ioda`. It runs on a host, in tests, and needs the heap.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod device;
mod fabric;
mod memory;
mod p7ioc;
mod phb3;
mod refusal;

pub use device::Device;
pub use fabric::Fabric;
pub use memory::SharedMemory;
pub use p7ioc::{Below, Change, P7ioc, P7iocBlock, P7iocRegs};
pub use phb3::{Kind, Phb3};
pub use refusal::{Delivery, Refusal};

#[cfg(any(test, feature = "cases"))]
cases::table!();
