//! Why a bridge did not do it.

use crate::{PeNumber, Rid, XscomError};
use core::fmt;

/// A config access was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CfgError {
    /// The offset is not a multiple of the width.
    Align,
    /// The bridge itself cannot address that function (bus 0 has only 00:00.0).
    NoFunction,
    /// The bridge has shut itself off; only a complete reset brings it back.
    Fenced,
    /// A reset is under way.
    Blocked,
}

/// The bridge cannot be set up so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IodaError {
    /// The bridge has no such endpoint.
    Pe(PeNumber),
    /// The bridge cannot match this set of requesters.
    RidRule,
    /// This requester already belongs to another endpoint.
    RidTaken(Rid, PeNumber),
    /// The bridge has no such segment.
    Segment,
    /// The bridge has no such 64-bit window.
    M64Window,
    /// Address or size of a 64-bit window is out of its area, not aligned, or not a power of two.
    M64Range,
    /// The bridge has no such DMA window, or it belongs to another endpoint.
    Window,
    /// The DMA window is open already.
    WindowInUse,
    /// The bridge has no free DMA window for this endpoint.
    NoWindow,
    /// The bridge cannot translate pages of this size.
    PageShift(u8),
    /// The bridge cannot take a translation table of this size or at this address.
    Table,
    /// The bridge has shut itself off.
    Fenced,
}

impl fmt::Display for IodaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pe(pe) => write!(f, "the bridge has no {pe}"),
            Self::RidRule => f.write_str("the bridge cannot match this set of requesters"),
            Self::RidTaken(rid, pe) => write!(f, "{rid} belongs to {pe}"),
            Self::Segment => f.write_str("no such segment"),
            Self::M64Window => f.write_str("no such 64-bit window"),
            Self::M64Range => f.write_str("the bridge has no 64-bit window of this place and size"),
            Self::Window => f.write_str("no such DMA window"),
            Self::WindowInUse => f.write_str("the DMA window is in use"),
            Self::NoWindow => f.write_str("no DMA window left"),
            Self::PageShift(shift) => write!(f, "no DMA pages of 2^{shift} bytes"),
            Self::Table => f.write_str("TCE table of a wrong size or place"),
            Self::Fenced => f.write_str("the bridge is fenced"),
        }
    }
}

/// The bridge has no such interrupts to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsiError {
    /// Not a power of two, or more than one block can hold.
    Count,
    /// No free block of this size is left.
    NoVector,
    /// The bridge has no such endpoint.
    Pe(PeNumber),
    /// No such interrupt, or not one of the caller's.
    Irq,
}

impl fmt::Display for MsiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count => f.write_str("not a power of two, or too many"),
            Self::NoVector => f.write_str("no message interrupt left"),
            Self::Pe(pe) => write!(f, "the bridge has no {pe}"),
            Self::Irq => f.write_str("no such message interrupt"),
        }
    }
}

/// A bridge could not be started or reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetError {
    /// XSCOM did not carry out an access.
    Xscom(XscomError),
    /// The version register says that this is another device.
    Version(u64),
    /// A memory table has a wrong size or alignment.
    Table(&'static str),
    /// The machine has not given the bridge this address window.
    Window(&'static str),
    /// What was waited for did not happen in time.
    TimeOut(&'static str),
    /// The bridge has latched errors right after its start (the error summary).
    Broken(u64),
    /// The bridge is fenced, and only a complete reset could help.
    Fenced,
}

impl From<XscomError> for ResetError {
    fn from(error: XscomError) -> Self {
        Self::Xscom(error)
    }
}

impl fmt::Display for ResetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xscom(error) => error.fmt(f),
            Self::Version(version) => write!(f, "no bridge of this kind: version {version:#018x}"),
            Self::Table(name) => write!(f, "{name} has a wrong size or alignment"),
            Self::Window(name) => write!(f, "{name} has no usable address"),
            Self::TimeOut(what) => write!(f, "timed out: {what}"),
            Self::Broken(summary) => write!(f, "errors right after the start: {summary:#018x}"),
            Self::Fenced => f.write_str("fenced"),
        }
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;
    use crate::{InjectError, PhbId};
    use cases::prelude::*;

    fn errors_name_whom_they_are_about() {
        let pe = PeNumber(0x65);
        let xscom = XscomError { pcb: 0x10 };
        assert_eq!(ResetError::from(xscom), ResetError::Xscom(xscom));
        for (said, want) in [
            (IodaError::Pe(pe).to_string(), "the bridge has no PE#65"),
            (
                IodaError::RidTaken(Rid::new(3, 0, 1), pe).to_string(),
                "03:00.1 belongs to PE#65",
            ),
            (MsiError::Pe(pe).to_string(), "the bridge has no PE#65"),
            (
                InjectError::Shared(pe).to_string(),
                "PE#65 would be hit too",
            ),
            (
                ResetError::Xscom(xscom).to_string(),
                "XSCOM register 0x00000010 does not answer",
            ),
            (
                ResetError::TimeOut("the link").to_string(),
                "timed out: the link",
            ),
            (PhbId { chip: 1, index: 2 }.to_string(), "chip 1 PHB 2"),
        ] {
            assert_eq!(said, want);
        }
    }

    cases::cases!(errors_name_whom_they_are_about,);
}
