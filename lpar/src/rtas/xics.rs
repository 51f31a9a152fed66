//! Interrupt sources. Source: LoPAR 2.9, "PowerPC External Interrupt Option" of the RTAS calls, and
//! "RTAS Access to Hypervisor Virtualized Resources", R1-20 to R1-24.
//!
//! LoPAR has two answers for a source that is not the partition's: -3 when the platform has no such
//! source, silent success without any effect when it is somebody else's. Both are kept.

use super::{Call, Failure, Inputs, Outputs, Row, RtasResult};
use crate::hcall::Caller;
use crate::xics::{Xive, XiveError};
use papr_abi::rtas::Status;
use papr_abi::xics::LEAST_FAVORED;
use papr_abi::{Irq, Server};

const fn bad(cause: &'static str) -> Failure {
    Failure::parameter(cause)
}

fn change(caller: &Caller<'_>, irq: Irq, change: impl FnOnce(&mut Xive)) -> RtasResult {
    match caller.lpar.change_xive(irq, change) {
        Ok(()) => Ok(Status::Success),
        Err(error) => not_done(caller, irq, error),
    }
}

fn not_done(caller: &Caller<'_>, irq: Irq, error: XiveError) -> RtasResult {
    match error {
        XiveError::NotOwned if caller.lpar.machine.sources.exists(irq) => Ok(Status::Success),
        XiveError::NotOwned => Err(bad("no such interrupt source")),
        XiveError::NoServer => Err(bad("no such server")),
        XiveError::Hardware => Err(Failure::new(Status::Hardware, "the bridge refused")),
    }
}

/// `ibm,set-xive`: sets server and priority of a source. While the source is off they are only kept.
///
/// Source: LoPAR 2.9, "ibm,set-xive", R1-4. Failures, in this order:
/// - [`Status::Parameter`]: the priority is more than 0xff.
/// - [`Status::Parameter`]: no such source.
/// - [`Status::Parameter`]: the partition has no such server.
/// - [`Status::Hardware`]: the machine did not do it.
#[doc(alias = "ibm,set-xive")]
#[derive(Debug)]
pub(super) struct SetXive {
    irq: Irq,
    server: Server,
    priority: u8,
}

impl Call for SetXive {
    const ROW: Row = Row::new(0xa, "ibm,set-xive", 3, 1);

    fn decode(&[irq, server, priority, ..]: &Inputs) -> Result<Self, Failure> {
        Ok(Self {
            irq: Irq(irq),
            server: Server(server),
            priority: u8::try_from(priority).map_err(|_| bad("no such priority"))?,
        })
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        change(caller, self.irq, |xive| {
            xive.server = self.server;
            xive.priority = self.priority;
        })
    }
}

/// `ibm,get-xive`: returns server and priority of a source as ibm,set-xive set them, whether it is on
/// or not.
///
/// Source: LoPAR 2.9, "ibm,get-xive", R1-4. Outputs: server, priority; for a source of somebody else
/// all ones and the least favoured. Failures:
/// - [`Status::Parameter`]: no such source.
#[doc(alias = "ibm,get-xive")]
#[derive(Debug)]
pub(super) struct GetXive {
    irq: Irq,
}

impl Call for GetXive {
    const ROW: Row = Row::new(0xb, "ibm,get-xive", 1, 3);

    fn decode(&[irq, ..]: &Inputs) -> Result<Self, Failure> {
        Ok(Self { irq: Irq(irq) })
    }

    fn run(self, caller: &mut Caller<'_>, outputs: &mut Outputs) -> RtasResult {
        match caller.lpar.xive(self.irq) {
            Ok(xive) => {
                outputs.set::<1>(xive.server.0);
                outputs.set::<2>(xive.priority.into());
                Ok(Status::Success)
            }
            Err(error) => {
                outputs.set::<1>(u32::MAX);
                outputs.set::<2>(LEAST_FAVORED.into());
                not_done(caller, self.irq, error)
            }
        }
    }
}

/// `ibm,int-off`: masks a source; its priority is kept for ibm,int-on.
///
/// Source: LoPAR 2.9, "ibm,int-off", R1-5. Failures:
/// - [`Status::Parameter`]: no such source.
/// - [`Status::Hardware`]: the machine did not do it.
#[doc(alias = "ibm,int-off")]
#[derive(Debug)]
pub(super) struct IntOff {
    irq: Irq,
}

impl Call for IntOff {
    const ROW: Row = Row::new(0xc, "ibm,int-off", 1, 1);

    fn decode(&[irq, ..]: &Inputs) -> Result<Self, Failure> {
        Ok(Self { irq: Irq(irq) })
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        change(caller, self.irq, |xive| xive.on = false)
    }
}

/// `ibm,int-on`: gives a source the priority that was set for it.
///
/// Source: LoPAR 2.9, "ibm,int-on", R1-5. Failures:
/// - [`Status::Parameter`]: no such source.
/// - [`Status::Hardware`]: the machine did not do it.
#[doc(alias = "ibm,int-on")]
#[derive(Debug)]
pub(super) struct IntOn {
    irq: Irq,
}

impl Call for IntOn {
    const ROW: Row = Row::new(0xd, "ibm,int-on", 1, 1);

    fn decode(&[irq, ..]: &Inputs) -> Result<Self, Failure> {
        Ok(Self { irq: Irq(irq) })
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        change(caller, self.irq, |xive| xive.on = true)
    }
}
