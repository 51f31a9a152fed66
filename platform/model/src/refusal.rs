//! Why a request was refused: [`Refusal`]. What an interrupt came out as: [`Delivery`].

use core::fmt;

/// The check that refused a request of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The function or a bridge above it may not master the bus.
    NotMaster,
    /// The bridge is fenced, held in reset, or the hub that it is part of is dead.
    Off,
    /// The requester has no valid endpoint (IODA2: its entry in the requester table).
    NoEndpoint,
    /// The endpoint is stopped.
    Frozen,
    /// The address is in no open window.
    NoWindow,
    /// The window is for other requesters (IODA1: the filter in the TVE).
    ForeignWindow,
    /// The address is beyond the window.
    Bounds,
    /// The entry of the window's table does not permit it.
    Permission,
    /// The message names no valid entry (IODA1: MVE).
    NoEntry,
    /// The message's entry is for other requesters (IODA1: the filter in the MVE).
    ForeignEntry,
    /// There is no such message interrupt.
    NoMessage,
    /// The interrupt belongs to another endpoint.
    ForeignMessage,
    /// The window's table is not where its entry says.
    NoTable,
    /// An error was injected here.
    Injected,
    /// The packet breaks the rules.
    Malformed,
    /// The bridge does not take this size.
    Size,
    /// No host takes requests of this kind.
    Unsupported,
    /// Of a processor's access: no function claims the address.
    Unclaimed,
    /// A port above does not let this requester id pass (ACS source validation).
    Source,
    /// Another function has the address and took the request: it never came to the bridge.
    Peer,
    /// The function is not there now: a virtual function that is not enabled, or one whose bus has no number.
    Absent,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotMaster => "the function or a bridge above it may not master the bus",
            Self::Off => "the bridge is fenced, held in reset or dead",
            Self::NoEndpoint => "the requester has no valid endpoint",
            Self::Frozen => "the endpoint is stopped",
            Self::NoWindow => "the address is in no open window",
            Self::ForeignWindow => "the window is for other requesters",
            Self::Bounds => "the address is beyond the window",
            Self::Permission => "the window's entry does not permit it",
            Self::NoEntry => "the message names no valid entry",
            Self::ForeignEntry => "the message's entry is for other requesters",
            Self::NoMessage => "there is no such message interrupt",
            Self::ForeignMessage => "the interrupt belongs to another endpoint",
            Self::NoTable => "the window's table is not where its entry says",
            Self::Injected => "an error was injected here",
            Self::Malformed => "the packet breaks the rules",
            Self::Size => "the bridge does not take this size",
            Self::Unsupported => "no host takes requests of this kind",
            Self::Unclaimed => "no function claims the address",
            Self::Source => "a port above does not let this requester id pass",
            Self::Peer => "another function took it before it came to the bridge",
            Self::Absent => "the function is not there now",
        })
    }
}

impl core::error::Error for Refusal {}

/// An interrupt presented to a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The machine's number of the source.
    pub irq: u32,
    /// PIR of the thread.
    pub server: u32,
    /// Its priority.
    pub priority: u8,
}
