//! Requests of bus masters, as their makers say them: [`Act`], [`Outcome`].

use crate::Refusal;
use core::fmt;
use ioda::{PeNumber, Rid};

/// What a bus master does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It reads memory at this PCI address.
    Read(u64),
    /// It writes memory at this PCI address, zeroes say; where messages go it is one.
    Write(u64),
    /// It writes four bytes: a message, if `address` is where messages go.
    Message {
        /// The PCI address.
        address: u64,
        /// The bytes.
        data: u32,
    },
    /// It sends a packet that breaks the rules of PCI Express.
    Malformed,
    /// It writes at this address, more than the bridge takes at once.
    BadSize(u64),
    /// It sends a request of a kind that no host takes: I/O, config.
    Unsupported,
    /// It tells of an error of its own.
    Error(Severity),
}

/// How grave a device's error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It was made good.
    Correctable,
    /// A transaction is lost.
    NonFatal,
    /// The link can no longer be relied on.
    Fatal,
}

/// Under which requester id a bus master speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posing {
    /// Its own.
    Truly,
    /// This one.
    As(Rid),
}

/// What a request reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Memory at this real address.
    Memory(u64),
    /// The interrupt of a message; [`crate::Delivery`], if it was presented.
    Interrupt,
    /// The bridge's notes of errors.
    Noted,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Under which id it came to the bridge, or would have.
    pub rid: Rid,
    /// What it was.
    pub act: Act,
    /// Whose it was taken for, as far as the bridge got; of a refused one, who was stopped or was stopped already.
    pub pe: Option<PeNumber>,
    /// What it reached, or the check that refused it.
    pub result: Result<Reached, Refusal>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.act {
            Act::Read(address) => write!(f, "read at {address:#x}")?,
            Act::Write(address) => write!(f, "write at {address:#x}")?,
            Act::Message { address, data } => write!(f, "message {data:#x} to {address:#x}")?,
            Act::Malformed => f.write_str("malformed packet")?,
            Act::BadSize(address) => write!(f, "write of a bad size at {address:#x}")?,
            Act::Unsupported => f.write_str("unsupported request")?,
            Act::Error(severity) => write!(f, "{severity:?} error")?,
        }
        write!(f, " by {}", self.rid)?;
        if let Some(pe) = self.pe {
            write!(f, " in {pe}")?;
        }
        match self.result {
            Ok(Reached::Memory(real)) => write!(f, " reached {real:#x}"),
            Ok(Reached::Interrupt) => f.write_str(" was taken as an interrupt"),
            Ok(Reached::Noted) => f.write_str(" was noted"),
            Err(refusal) => write!(f, " was refused: {refusal}"),
        }
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;
    use cases::prelude::*;

    fn an_outcome_is_a_sentence() {
        let outcome = Outcome {
            rid: Rid::new(3, 0, 1),
            act: Act::Read(0x1000),
            pe: Some(PeNumber(17)),
            result: Err(Refusal::ForeignWindow),
        };
        assert_eq!(
            outcome.to_string(),
            "read at 0x1000 by 03:00.1 in PE#11 was refused: the window is for other requesters"
        );
        let outcome = Outcome {
            result: Ok(Reached::Memory(0x4000_0000)),
            pe: None,
            ..outcome
        };
        assert_eq!(
            outcome.to_string(),
            "read at 0x1000 by 03:00.1 reached 0x40000000"
        );
    }

    cases::cases!(an_outcome_is_a_sentence);
}
