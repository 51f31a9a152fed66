//! PCI enumeration, BAR placement, and a guest's view of config space.
//!
//! At boot, per bridge: [`scan`] finds the functions ([`Topology`], [`Function`]); [`plan`] gives every
//! function an endpoint and its BARs a place ([`Plan`]), so that no two endpoints share a segment;
//! [`Plan::apply`] programs BARs and bridge windows, leaving every function silent; [`Plan::activate`] hands
//! one function to its endpoint. From then on its owner sees config space through [`GuestFunction`].
//!
//! Devices are not trusted: chains are bounded, sizes are checked, and nothing a device answers can make
//! this crate fault or loop. The heap is used at boot alone; [`GuestFunction`] has a fixed size.
//!
//! Sources: PCI Local Bus Specification 3.0; PCI-to-PCI Bridge Architecture 1.2; PCI Express Base 3.1.
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

mod apply;
mod caps;
mod config;
mod describe;
mod function;
mod guest;
mod msi;
mod path;
mod plan;
mod scan;

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests;

pub use apply::ApplyError;
pub use config::ConfigSpace;
pub use function::{
    Bar, BarKind, BridgePort, Function, Isolation, MsiCap, MsixCap, MsixTable, Role,
};
pub use guest::{GuestFunction, Intx, Refusal};
pub use msi::{MsiKind, MsiSetupError};
pub use path::{Path, PathParseError};
pub use plan::{
    BAR_STEP, BarPlace, FunctionPlan, M64Share, Place, Plan, PlanError, SharedWindow, Window, plan,
};
pub use scan::{ScanError, Topology, scan};

#[cfg(any(test, feature = "cases"))]
cases::table!(
    path::tests,
    tests::blocks,
    tests::guest,
    tests::liars,
    tests::planner,
    tests::scanning,
    tests::segments,
    tests::shared,
);
