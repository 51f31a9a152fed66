//! The other end of the serial line, for programs: [`Client`] speaks to the hypervisor in the frames of docs/console.md,
//! [`Sample`] is what it tells of the machine at one time, with what happened since another.
#![forbid(unsafe_code)]

mod client;
mod sample;

pub use client::{Client, ClientError, Event};
pub use frames::{LOG, MONITOR, State};
pub use sample::{Endpoint, Partition, Rates, Sample};
