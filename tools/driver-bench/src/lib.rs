//! Bridge drivers on the models of their chips: started, their register accesses counted, their speed measured.
//!
//! [`start_p7ioc`] and [`start_phb3`] give a started [`Bridge`] over any fabric, behind the traits of `ioda`. [`rates`] tells
//! how fast operations are, [`measure`] what windows cost while more and more endpoints have theirs. The program of
//! this crate prints both.
#![forbid(unsafe_code)]

mod chips;
mod count;
mod growth;
mod rate;
mod time;

pub use chips::{Bridge, Host, SharedPort, p7ioc_root, phb3_root, start_p7ioc, start_phb3};
pub use count::{Counted, Counter};
pub use growth::{ACTS, Act, Cost, Window, measure};
pub use rate::{Rate, rates};

use std::fmt;

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

    /// One with nothing but its root port.
    fn start(self) -> Bridge {
        use ioda_model::Fabric;
        match self {
            Self::P7ioc => start_p7ioc(Fabric::new(p7ioc_root())),
            Self::Phb3 => start_phb3(Fabric::new(phb3_root())),
        }
    }
}

impl fmt::Display for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P7ioc => "P7IOC",
            Self::Phb3 => "PHB3",
        })
    }
}
