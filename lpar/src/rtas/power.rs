//! The end of a partition's life, and its last words. Source: LoPAR 2.9, "power-off",
//! "system-reboot", "ibm,os-term".

use super::{Call, Failure, Inputs, Outputs, Row, RtasResult};
use crate::AfterCrash;
use crate::hcall::{After, Caller};
use papr_abi::GuestRealAddr;
use papr_abi::rtas::Status;

/// `power-off`: stops the calling partition for good.
///
/// Source: LoPAR 2.9, "power-off"; "RTAS Access to Hypervisor Virtualized Resources", R1-17. Inputs:
/// two masks of power-on triggers, ignored: there are none. Does not return.
#[doc(alias = "power-off")]
#[derive(Debug)]
pub(super) struct PowerOff;

impl Call for PowerOff {
    const ROW: Row = Row::new(3, "power-off", 2, 1);

    fn decode(_: &Inputs) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        caller.after = After::PowerOff;
        Ok(Status::Success)
    }
}

/// `system-reboot`: starts the calling partition anew.
///
/// Source: LoPAR 2.9, "system-reboot"; "RTAS Access to Hypervisor Virtualized Resources", R1-13. No
/// inputs. Does not return.
#[doc(alias = "system-reboot")]
#[derive(Debug)]
pub(super) struct SystemReboot;

impl Call for SystemReboot {
    const ROW: Row = Row::new(4, "system-reboot", 0, 1);

    fn decode(_: &Inputs) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        caller.after = After::Restart;
        Ok(Status::Success)
    }
}

/// The most bytes of a message that are kept.
const MESSAGE_BYTES: usize = 256;

/// `ibm,os-term`: the operating system tells why it ends.
///
/// Source: LoPAR 2.9, "ibm,os-term". The text, as far as it lies in the partition's memory and up to
/// 256 bytes, goes to the log with everything that is not plain text escaped. It returns, as the property
/// `ibm,extended-os-term` says, unless its owner has chosen for the partition what is to follow
/// ([`AfterCrash`]). Failures:
/// - [`Status::Parameter`]: the text does not begin in the partition's memory.
#[doc(alias = "ibm,os-term")]
#[derive(Debug)]
pub(super) struct OsTerm {
    /// Where the text begins; it ends before the first zero byte.
    text: GuestRealAddr,
}

impl Call for OsTerm {
    const ROW: Row = Row::new(0x1f, "ibm,os-term", 1, 1);

    fn decode(&[text, ..]: &Inputs) -> Result<Self, Failure> {
        Ok(Self {
            text: GuestRealAddr(text.into()),
        })
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        let ram = &caller.lpar.ram;
        let mut text = [0u8; MESSAGE_BYTES];
        for (address, byte) in (self.text.0..).zip(&mut text) {
            match ram.load(GuestRealAddr(address), 1) {
                Ok(0) => break,
                Ok(value) => *byte = value as u8,
                Err(_) if address == self.text.0 => {
                    return Err(Failure::parameter("text outside the partition's memory"));
                }
                Err(_) => break,
            }
        }
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        caller.lpar.tell(
            log::Level::Error,
            format_args!("os-term: {}", text.escape_ascii()),
        );
        match caller.lpar.after_crash {
            AfterCrash::GoOn => {}
            AfterCrash::Restart => caller.after = After::Restart,
            AfterCrash::Stop => caller.after = After::Crashed,
        }
        Ok(Status::Success)
    }
}
