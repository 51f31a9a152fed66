//! A partition's PCI functions: how it gets them, what its calls do to them, how they are taken back.
//!
//! [`Owners::assign`] gives a function to a partition, with its endpoint, DMA window, messages and wire. From then on the
//! partition's calls come through [`Access`] (configuration space, messages), [`Flush`] (translations that the bridge has
//! cached) and [`AllSources`] (interrupts), which `lpar` calls by traits of its own; [`quiesce`] is for its end, and [`Owners::transfer`] gives one of
//! them to another partition. Whoever has
//! the machine gives a [`Bridge`] for each host bridge: how it is locked and reached. Nothing here knows which chip it is.
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

extern crate alloc;

mod access;
mod assign;
mod bridge;
mod describe;
mod endpoint;
mod error;
mod flush;
mod revival;
mod sources;
mod transfer;

#[cfg(test)]
mod tests;

pub use access::{Access, quiesce};
pub use assign::{Given, Owner, Owners, Wish};
pub use bridge::{Bridge, Bridges, HostBridge};
pub use endpoint::end_resets;
pub use error::AssignError;
pub use flush::Flush;
pub use revival::{Lost, Revival, Revived};
pub use sources::{AllSources, Strays};
pub use transfer::TransferError;
