//! Why a function was not given to a partition: [`AssignError`].

use core::fmt;
use ioda::{IodaError, MsiError};
use lpar::dma::DmaError;
use pci::ApplyError;

/// A function was not given; nothing has changed, but for memory that was taken for its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignError {
    /// The machine has no function there.
    NoFunction,
    /// It is a bridge.
    Bridge,
    /// It is given already, to this partition.
    Owned(u32),
    /// Its endpoint is given already, with another function, to this partition.
    Shared(u32),
    /// There is no memory for a table of so many entries.
    Memory(u64),
    /// No table can be like that of the window.
    Table,
    /// The bridge, or the function, does not take what was planned.
    Activate(ApplyError),
    /// The bridge does not open the window.
    Window(IodaError),
    /// No partition can have the window that the bridge has opened.
    Dma(DmaError),
    /// The bridge does not hand out the messages.
    Messages(MsiError),
}

impl fmt::Display for AssignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFunction => {
                f.write_str("the machine has no such function; the log lists all it has")
            }
            Self::Bridge => f.write_str("it is a bridge; name the function behind it"),
            Self::Owned(lpid) => write!(f, "it belongs to partition {lpid} already"),
            Self::Shared(lpid) => write!(
                f,
                "the bridge above it makes it one with a function of partition {lpid}: give away only one of them"
            ),
            Self::Memory(entries) => write!(
                f,
                "dma_window: no memory for its table of {entries} entries"
            ),
            Self::Table => f.write_str("dma_window: its table is impossible"),
            Self::Activate(error) => error.fmt(f),
            Self::Window(error) => write!(f, "dma_window: {error}"),
            Self::Dma(error) => write!(f, "dma_window: {error}"),
            Self::Messages(error) => write!(f, "msi_quota: {error}"),
        }
    }
}
