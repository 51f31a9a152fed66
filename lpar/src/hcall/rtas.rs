//! The hcall behind RTAS.

use super::{Args, Caller, Class, Hcall, Row};
use crate::rtas::{self, BlockError};
use crate::{HResult, Refusal};
use papr_abi::{GuestRealAddr, HError, token};

/// `H_RTAS`: makes an RTAS call.
///
/// Private, not in LoPAR, which leaves to the platform how RTAS reaches the hypervisor ("RTAS
/// Requirements" of the LPAR option); the number and argument are those of QEMU-era firmware.
///
/// Outputs: none; those of the call are in the argument block. Errors, nothing being done or stored
/// on any of them:
/// - [`HError::Parameter`]: the block is not 4-byte aligned, not all in the partition's memory, or of
///   impossible shape.
#[doc(alias = "H_RTAS")]
#[derive(Debug)]
pub struct Rtas {
    /// R4: the argument block.
    pub block: GuestRealAddr,
}

impl Hcall for Rtas {
    const ROW: Row = Row::new(token::H_RTAS, "H_RTAS", Class::Normal, "");

    fn decode(&[block, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self {
            block: GuestRealAddr(block),
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        rtas::serve(caller, self.block).map_err(|error| {
            let cause = match error {
                BlockError::Place => "argument block misplaced",
                BlockError::Shape => "argument block of impossible shape",
            };
            Refusal::new(HError::Parameter, cause)
        })
    }
}
