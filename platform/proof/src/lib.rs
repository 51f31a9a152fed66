//! Bridge drivers held against a specification of ownership, by random programs.
//!
//! A program ([`Op`]) allocates, maps, moves, freezes, resets and destroys, and lets hostile devices try what
//! they like. It runs against a driver on a model of its bridge (`ioda-model`) and against a specification in
//! plain sets and maps of who owns which requester, segment, DMA page and interrupt. After every step what the
//! fabric can reach is compared with what the specification allows, both ways: nothing that it forbids is
//! reachable, everything that it grants is. Drivers must answer as it predicts; the model must have no complaint.
//!
//! On top of that, [`run_lpars_seed`] has two partitions make random and malformed calls of the hypervisor's (`lpar`)
//! while their devices try what they like: whatever is asked, nothing crosses.
//!
//! [`run_seed`] runs one program made from a seed, [`run_program`] a given one, [`Sabotage`] shows that mistakes
//! are noticed. No harness and no `std` is needed: firmware runs the same programs.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod lpars;
mod machine;
mod op;
mod run;
mod spec;
#[cfg(any(test, feature = "cases"))]
mod tests;

pub use lpars::{Mistake, run_lpars_seed, run_lpars_with};
pub use machine::{Action, Sabotage, Store};
pub use op::Op;
pub use run::{Effort, Failure, Summary, run_program, run_seed, run_seed_with};

use core::fmt;

/// A kind of bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chip {
    /// The POWER7 I/O hub's (IODA1).
    P7ioc,
    /// POWER8's (IODA2).
    Phb3,
}

impl Chip {
    /// All.
    pub const ALL: [Self; 2] = [Self::P7ioc, Self::Phb3];
}

impl fmt::Display for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::P7ioc => "p7ioc",
            Self::Phb3 => "phb3",
        })
    }
}

#[cfg(any(test, feature = "cases"))]
cases::table!(tests, lpars::tests);
