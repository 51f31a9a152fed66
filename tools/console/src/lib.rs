//! The other end of the serial line, for programs: [`Client`] speaks to the hypervisor in the frames of docs/console.md,
//! [`Sample`] is what it tells of the machine at one time, with what happened since another;
//! [`report`] writes that for other programs.
#![forbid(unsafe_code)]

mod client;
mod report;
mod sample;

pub use client::{Client, ClientError, Event};
pub use frames::{LOG, MONITOR, State};
pub use report::report;
pub use sample::{Endpoint, Partition, Rates, Sample};
