//! System parameters. Source: LoPAR 2.9, "System Parameters Option".

use super::{Call, Failure, Inputs, Outputs, Row, RtasResult};
use crate::hcall::Caller;
use core::fmt::{self, Write};
use papr_abi::GuestRealAddr;
use papr_abi::rtas::Status;

/// Parameter 20, "SPLPAR Characteristics".
const SPLPAR_CHARACTERISTICS: u32 = 20;
/// Parameter 55, "LPAR Name".
const LPAR_NAME: u32 = 55;

/// Bytes of the longest parameter and its length field; LoPAR's limit is 4002.
const MAX_BYTES: usize = 512;

/// A parameter as it is returned: two bytes of length, text, zero byte.
struct Text {
    bytes: [u8; MAX_BYTES],
    used: usize,
}

impl Text {
    fn new(text: fmt::Arguments<'_>) -> Self {
        let mut new = Self {
            bytes: [0; MAX_BYTES],
            used: 2,
        };
        // What is too long is cut; the last byte stays zero.
        let _ = new.write_fmt(text);
        new.used += 1;
        let length = (new.used - 2) as u16;
        for (to, from) in new.bytes.iter_mut().zip(length.to_be_bytes()) {
            *to = from;
        }
        new
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            let place = self.bytes.get_mut(..MAX_BYTES - 1);
            let place = place.and_then(|bytes| bytes.get_mut(self.used));
            *place.ok_or(fmt::Error)? = byte;
            self.used += 1;
        }
        Ok(())
    }
}

/// `ibm,get-system-parameter`: copies a system parameter to the partition's buffer, cut to its
/// length.
///
/// Source: LoPAR 2.9, "ibm,get-system-parameter"; "SPLPAR Characteristics Definitions". Served are 20
/// (what a partition of dedicated processors has of those characteristics: `MaxEntCap`, `DesMem` in
/// MB, `DesProcs`, `MaxPlatProcs`) and 55 (the partition's name). No outputs but the status.
/// Failures, in this order:
/// - [`Status::Parameter`]: another parameter.
/// - [`Status::SystemParameter`]: the buffer is not all in the partition's memory.
#[doc(alias = "ibm,get-system-parameter")]
#[derive(Debug)]
pub(super) struct GetSystemParameter {
    parameter: u32,
    buffer: GuestRealAddr,
    bytes: u32,
}

impl Call for GetSystemParameter {
    const ROW: Row = Row::new(8, "ibm,get-system-parameter", 3, 1);

    fn decode(&[parameter, buffer, bytes, ..]: &Inputs) -> Result<Self, Failure> {
        Ok(Self {
            parameter,
            buffer: GuestRealAddr(buffer.into()),
            bytes,
        })
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        let lpar = caller.lpar;
        let processors = lpar.vcpus.len();
        let text = match self.parameter {
            SPLPAR_CHARACTERISTICS => Text::new(format_args!(
                "MaxEntCap={},DesMem={},DesProcs={processors},MaxPlatProcs={processors}",
                processors * 100,
                lpar.ram.bytes() >> 20,
            )),
            LPAR_NAME => Text::new(format_args!("{}", lpar.name)),
            _ => return Err(Failure::parameter("no such system parameter")),
        };
        if self.bytes == 0 {
            return Ok(Status::Success);
        }
        let outside = Failure::new(
            Status::SystemParameter,
            "buffer outside the partition's memory",
        );
        lpar.ram
            .real(self.buffer, self.bytes.into())
            .map_err(|_| outside)?;
        let count = text.used.min(self.bytes as usize);
        let bytes = text.bytes.get(..count).unwrap_or_default();
        lpar.ram.write(self.buffer, bytes).map_err(|_| outside)?;
        Ok(Status::Success)
    }
}
