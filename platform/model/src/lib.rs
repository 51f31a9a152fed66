//! PCI host bridges of the IODA family and what hangs on them, in software, for proving drivers.
//!
//! One engine ([`Bridge`]) does what all of them do: segments and their endpoints, bounds and permissions of DMA
//! windows, whose a message is, config cycles, frozen endpoints and what they take with them, traps and logs of
//! errors, injected errors, resets that lose tables, caches that keep what they have until they are told to
//! forget. What differs is facts and codes of a chip:
//!
//! - [`P7ioc`]: IODA1, the POWER7 hub with one of its bridges, behind its five blocks of registers. Real
//!   functions can stand below it in place of a fabric ([`Below`]).
//! - [`Phb3`]: IODA2, a PHB3 behind its registers ([`ioda::RegIo`]) and its XSCOM registers
//!   ([`ioda::XscomIo`]).
//! - [`Phb4`], [`Phb4Small`]: its successor, as far as its description goes.
//!
//! All have MMIO windows ([`ioda::MmioIo`]). What a driver must not do, and what rests on something that nobody
//! has published, is kept as a complaint ([`Bridge::complaints`]).
//!
//! [`Device`] makes functions for the [`Fabric`] below a bridge; a test plays a device by sending DMA, messages
//! and worse under its own requester id or another ([`Bridge::play`], [`Act`]), and hears which check refused it
//! ([`Outcome`], [`Refusal`]). [`SharedMemory`] is how the model reaches the tables that a driver keeps in memory.
//!
//! It is written from the chips' descriptions and shares no code with a driver but the traits and the memory
//! cells of `ioda`. It needs the heap, and nothing reached through registers makes it panic or grow without end.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(any(test, feature = "cases")),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

extern crate alloc;

mod bits;
mod chip;
mod device;
mod engine;
mod fabric;
mod log;
mod memory;
mod refusal;
mod request;
#[cfg(any(test, feature = "cases"))]
mod tests;

pub use chip::p7ioc::{HubUnit, P7ioc, P7iocBlock, P7iocChip, P7iocRegs};
pub use chip::phb3::{Kind, Phb3, Phb3Chip};
pub use chip::phb4::{Phb4, Phb4Chip, Phb4Small};
pub use device::{Device, Sriov};
pub use engine::{Below, Bridge, Change};
pub use fabric::{Fabric, Way};
pub use memory::SharedMemory;
pub use refusal::{Delivery, Refusal};
pub use request::{Act, Outcome, Posing, Reached, Severity};

#[cfg(any(test, feature = "cases"))]
cases::table!(
    bits::tests,
    log::tests,
    memory::tests,
    request::tests,
    engine::tables::tests,
    engine::cache::tests,
    tests::checks,
    tests::fabric,
    tests::injection,
    tests::p7ioc,
    tests::phb3,
    tests::phb4,
    tests::storm,
);
