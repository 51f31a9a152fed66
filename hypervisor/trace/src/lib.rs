//! What the hypervisor did and when: [`Event`]s in [`TraceRing`]s, one for each CPU, and [`Record`]s, their form as text.
//!
//! A ring is written by its CPU alone, with a few stores and no lock, and read by any; [`Merged`] reads several by time. A
//! dump is a sequence of records, one a line, from [`Record::Begin`] to [`Record::End`]; a record's `Display` writes its line
//! and [`Record::parse`] reads one; [`Told`] is for people. docs/trace.md describes both.
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

mod event;
mod merge;
mod record;
mod ring;
mod show;
mod time;

pub use event::{Dispatched, Event, Kind, Preempted, WORDS, endpoint, endpoint_of};
pub use merge::{MAX_CPUS, Merged};
pub use record::{PREFIX, ParseError, Record};
pub use ring::TraceRing;
pub use show::Told;
pub use time::in_units;
