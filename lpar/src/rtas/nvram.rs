//! Non-volatile memory. Source: LoPAR 2.9, "NVRAM Access Functions".

use super::{Call, Failure, Inputs, Outputs, Row, RtasResult};
use crate::hcall::Caller;
use crate::nvram::NvramError;
use papr_abi::GuestRealAddr;
use papr_abi::rtas::Status;

/// Which bytes to copy where.
#[derive(Debug)]
struct Copy {
    index: u32,
    buffer: GuestRealAddr,
    count: u32,
}

impl Copy {
    fn decode(&[index, buffer, count, ..]: &Inputs) -> Self {
        Self {
            index,
            buffer: GuestRealAddr(buffer.into()),
            count,
        }
    }

    fn finish(&self, result: Result<(), NvramError>, outputs: &mut Outputs) -> RtasResult {
        result.map_err(|error| match error {
            NvramError::OutsideNvram => Failure::parameter("outside the NVRAM"),
            NvramError::OutsideRam => Failure::parameter("buffer outside the partition's memory"),
        })?;
        outputs.set::<1>(self.count);
        Ok(Status::Success)
    }
}

/// `nvram-fetch`: copies from the partition's non-volatile memory.
///
/// Source: LoPAR 2.9, "nvram-fetch". Inputs: index of the first byte, buffer, count. Output: count.
/// Failures, nothing being copied:
/// - [`Status::Parameter`]: the bytes are not all inside, or the buffer is not in the partition's
///   memory.
#[doc(alias = "nvram-fetch")]
#[derive(Debug)]
pub(super) struct NvramFetch(Copy);

impl Call for NvramFetch {
    const ROW: Row = Row::new(0x12, "nvram-fetch", 3, 2);

    fn decode(inputs: &Inputs) -> Result<Self, Failure> {
        Ok(Self(Copy::decode(inputs)))
    }

    fn run(self, caller: &mut Caller<'_>, outputs: &mut Outputs) -> RtasResult {
        let Self(copy) = self;
        let (nvram, ram) = (&caller.lpar.nvram, &caller.lpar.ram);
        let result = nvram.fetch(copy.index, copy.count, ram, copy.buffer);
        copy.finish(result, outputs)
    }
}

/// `nvram-store`: copies to the partition's non-volatile memory.
///
/// Source: LoPAR 2.9, "nvram-store". Inputs, output and failures as [`NvramFetch`].
#[doc(alias = "nvram-store")]
#[derive(Debug)]
pub(super) struct NvramStore(Copy);

impl Call for NvramStore {
    const ROW: Row = Row::new(0x13, "nvram-store", 3, 2);

    fn decode(inputs: &Inputs) -> Result<Self, Failure> {
        Ok(Self(Copy::decode(inputs)))
    }

    fn run(self, caller: &mut Caller<'_>, outputs: &mut Outputs) -> RtasResult {
        let Self(copy) = self;
        let (nvram, ram) = (&caller.lpar.nvram, &caller.lpar.ram);
        let result = nvram.store(copy.index, copy.count, ram, copy.buffer);
        copy.finish(result, outputs)
    }
}
