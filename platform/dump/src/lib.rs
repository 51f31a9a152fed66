//! The machine's bridges and who owns what, as lines of text: what the hypervisor prints and `cargo xtask map` reads.
//!
//! A dump is a sequence of [`Record`]s, one a line, from [`Record::Begin`] to [`Record::End`]. [`bridge`] and
//! [`partition`] make them of what the hypervisor holds, through [`ioda::Caps`] alone, so for every bridge; a
//! record's `Display` writes its line and [`Record::parse`] reads one. docs/map.md describes the lines.
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

mod field;
mod record;
mod show;
mod walk;

#[cfg(test)]
mod tests;

pub use field::ParseError;
pub use record::{FunctionRole, Generation, M64Owner, Owner, PREFIX, Record};
pub use walk::{BridgeView, Grant, bridge, first_msi, partition};
