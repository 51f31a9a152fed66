//! Many consoles over one serial line: everything about them that is no device and no lock.
//!
//! - [`Ring`]: bytes between a partition and the line, with what was sent kept for later.
//! - [`LogRing`]: lines of the hypervisor, which begin at column 0 with [`PREFIX`], so that people and programs can
//!   tell them from a partition's.
//! - [`Mux`]: what goes over the line next, and for whom a typed byte is; what it takes is behind [`Sources`].
//!
//! Nothing here waits: what does not fit is not taken, and lost lines of the hypervisor are counted. docs/console.md
//! says how it looks from outside.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod keys;
mod line;
mod log;
mod mux;
mod raw;
mod ring;
mod split;
#[cfg(test)]
mod tests;

pub use keys::{ESCAPE, Key, Keys};
pub use line::Line;
pub use log::{LINE_BYTES, LogLine, LogRing, Mark};
pub use mux::{MAX_CONSOLES, Mux, Output, Routed, Sources, View};
pub use ring::Ring;

/// What every line of the hypervisor begins with.
pub const PREFIX: &str = "bulkhead| ";
