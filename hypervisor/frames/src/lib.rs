//! What programs and the hypervisor say to each other over the serial line.
//!
//! - [`encode`] and [`Decoder`]: frames, which no console can forge and which are found again after any damage.
//! - [`Request`]: what a program asks for. [`Reply`]: what it is told.
//!
//! Numbers are big-endian. docs/console.md describes all of it. Nothing here allocates, and no bytes whatever make it fail but
//! by an error.
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

mod frame;
mod reply;
mod request;
mod words;

pub use frame::{Decoder, END, Frame, MAX_ENCODED, MAX_PAYLOAD, START, Step, VERSION, encode};
pub use reply::{Denial, Endpoint, LOG, MONITOR, Partition, Reply, State};
pub use request::Request;
