//! Which virtual processor a thread of a shared pool runs next, and for how long.
//!
//! A [`Pool`] has threads and partitions. A partition is *entitled* to so many hundredths of a processor
//! ([`Share`]). It earns credit at that rate, and pays for the time that its virtual processors have
//! threads; all of them draw on one account. Who has credit runs first, the one that is
//! owed most time in front; what is left goes to partitions that are not capped, by weight. Credit is
//! kept for [`Timing::kept_windows`] windows, so that nobody saves up for a burst.
//!
//! Time is whatever the caller counts it in ("ticks"), and given to every call. Nothing here knows a
//! processor, waits, or allocates once a pool was made; the work of a call is bounded by the number of
//! partitions and virtual processors.
//!
//! Source: LoPAR 2.9, "Shared Processor LPAR Option", for entitlement, capping, weight and the three
//! intervals of a wait; the rest is this crate's own choice (docs/adr/0009-shared-processors.md).
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

mod account;
mod pool;
mod share;

pub use pool::{Choice, Dispatch, Pool, Stop, VcpuId, Waited};
pub use share::{HUNDREDTHS, MIN_PER_VCPU, Share, ShareError, Timing};

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
