//! The processor's end of the link: which interrupt sources are its own ([`Reservation`]).
//!
//! Sources 0 to 15 of a link are units of the processor chip. Its GX controller must know of those that are used,
//! or it sends their interrupts' answers down to the hub. This is the one thing that needs the side-band.
//!
//! Source: skiboot as of 2018, `hw/gx.c`; it sets PSI's alone. What the fields of NX mean beyond their names is not
//! known: they are written only where a caller asks.

use super::{Facts, Processor};
use core::fmt;
use ioda::{XscomError, XscomIo};
use tock_registers::register_bitfields;

register_bitfields![u64,
    /// SCOM 0x0201180a of POWER7.
    P7Mode1 [
        /// 18:26
        PSI OFFSET(63 - 26) NUMBITS(9) [],
        /// 27
        PSI_OFF OFFSET(63 - 27) NUMBITS(1) [],
    ],
    /// SCOM 0x02011811 of POWER7+.
    P7PlusMode4 [
        /// 0
        NX_ON OFFSET(63) NUMBITS(1) [],
        /// 1:9
        NX_BASE OFFSET(63 - 9) NUMBITS(9) [],
        /// 10:18
        NX_MASK OFFSET(63 - 18) NUMBITS(9) [],
        /// 19:27
        PSI OFFSET(63 - 27) NUMBITS(9) [],
        /// 28
        PSI_OFF OFFSET(63 - 28) NUMBITS(1) [],
    ],
];

const P7_MODE1: u32 = 0x0201_180a;
const P7_PLUS_MODE4: u32 = 0x0201_1811;

/// Sources that the processor chip keeps: 9-bit numbers below [`Facts::ON_CHIP_BUIDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The service interface's.
    pub psi: u16,
    /// The accelerators': the first, and which bits of a number are compared. POWER7+ alone has them.
    pub nx: Option<(u16, u16)>,
}

/// Nothing was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GxError {
    /// No number of a source on the processor chip.
    Buid(u16),
    /// This processor has no accelerators.
    NoNx,
    /// The side-band does not answer.
    Xscom(XscomError),
}

impl From<XscomError> for GxError {
    fn from(error: XscomError) -> Self {
        Self::Xscom(error)
    }
}

impl fmt::Display for GxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Buid(buid) => write!(f, "source {buid:#x} is not on the processor chip"),
            Self::NoNx => f.write_str("this processor has no accelerators"),
            Self::Xscom(error) => error.fmt(f),
        }
    }
}

impl Reservation {
    /// What firmware has always given the service interface.
    pub const PSI: Self = Self { psi: 3, nx: None };

    /// Tells the GX controller of the chip behind `xscom`. All else in its register stays.
    ///
    /// # Errors
    /// [`GxError`].
    pub fn apply(self, processor: Processor, xscom: &impl XscomIo) -> Result<(), GxError> {
        for buid in [Some(self.psi), self.nx.map(|(base, _)| base)]
            .into_iter()
            .flatten()
        {
            if buid >= Facts::ON_CHIP_BUIDS {
                return Err(GxError::Buid(buid));
            }
        }
        let psi = u64::from(self.psi);
        match (processor, self.nx) {
            (Processor::Power7, Some(_)) => return Err(GxError::NoNx),
            (Processor::Power7, None) => {
                let set = P7Mode1::PSI.val(psi) + P7Mode1::PSI_OFF::CLEAR;
                let mode = xscom.read(P7_MODE1)?;
                xscom.write(P7_MODE1, set.modify(mode))?;
            }
            (Processor::Power7Plus, nx) => {
                let mut set = P7PlusMode4::PSI.val(psi) + P7PlusMode4::PSI_OFF::CLEAR;
                if let Some((base, mask)) = nx {
                    if u64::from(mask) > P7PlusMode4::NX_MASK.mask {
                        return Err(GxError::Buid(mask));
                    }
                    set += P7PlusMode4::NX_ON::SET
                        + P7PlusMode4::NX_BASE.val(base.into())
                        + P7PlusMode4::NX_MASK.val(mask.into());
                }
                let mode = xscom.read(P7_PLUS_MODE4)?;
                xscom.write(P7_PLUS_MODE4, set.modify(mode))?;
            }
        }
        Ok(())
    }
}
