//! Recovery from errors of PCI functions. Source: LoPAR 2.9, the sections of the calls; "PE state" is the output "PE Reset
//! State" of ibm,read-slot-reset-state2.
//!
//! Each function is an endpoint (PE) of its own, whose PE configuration address is the function's. One that cannot be
//! reset without others is in no PE: it has no EEH.

use super::errlog::{Disposition, Log, Severity, Subject};
use super::pci::FunctionName;
use super::{Call, Failure, Inputs, Outputs, Row, RtasResult};
use crate::eeh::{EehError, PeState};
use crate::hcall::Caller;
use crate::pci::PciFunction;
use ioda::Freeze;
use papr_abi::GuestRealAddr;
use papr_abi::rtas::Status;

const NO_EEH: Failure = Failure::parameter("the function has no EEH");

impl From<EehError> for Failure {
    fn from(error: EehError) -> Self {
        match error {
            EehError::Unsupported => NO_EEH,
            EehError::State => Self::new(
                Status::UnexpectedState,
                "not in the state that the endpoint is in",
            ),
            EehError::Hardware => Self::new(Status::Hardware, "the bridge or the function failed"),
            EehError::Later(ms) => Self::new(
                if ms > 10 {
                    Status::Again100Ms
                } else {
                    Status::Again10Ms
                },
                "the reset is not over",
            ),
        }
    }
}

/// A function that must be the caller's and have EEH.
fn with_eeh<'a>(name: &FunctionName, caller: &Caller<'a>) -> Result<&'a PciFunction, Failure> {
    let function = name.function(caller)?;
    if function.recovery.is_none() {
        return Err(NO_EEH);
    }
    Ok(function)
}

/// `ibm,set-eeh-option`: enables EEH, or lets an endpoint go on without a reset.
///
/// Source: LoPAR 2.9, "ibm,set-eeh-option". EEH is always enabled. Failures, in this order, nothing being changed:
/// - [`Status::Parameter`]: no function 0 to 3 (there is no interrupt for slot level events); the register part of the
///   address is not zero; the partition has no such function, or it has no EEH.
/// - [`Status::UnexpectedState`]: functions 2 and 3 in PE states 1 and 5, 3 in PE state 2.
/// - [`Status::Hardware`]: the bridge failed.
#[doc(alias = "ibm,set-eeh-option")]
#[derive(Debug)]
pub(super) struct SetEehOption {
    name: FunctionName,
    release: Option<Freeze>,
}

impl Call for SetEehOption {
    const ROW: Row = Row::new(0x20, "ibm,set-eeh-option", 4, 1);

    /// Inputs: configuration address, upper and lower half of the unit id; 0 disable, 1 enable, 2 release MMIO, 3 release
    /// DMA.
    fn decode(&[address, buid_high, buid_low, option, ..]: &Inputs) -> Result<Self, Failure> {
        let release = match option {
            0 | 1 => None,
            2 => Some(Freeze::MMIO),
            3 => Some(Freeze::DMA),
            _ => return Err(Failure::parameter("no such EEH option")),
        };
        Ok(Self {
            name: FunctionName::new(address, buid_high, buid_low),
            release,
        })
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        let function = with_eeh(&self.name, caller)?;
        if let Some(what) = self.release {
            function.release(what, caller.lpar.machine.clock)?;
        }
        Ok(Status::Success)
    }
}

/// `ibm,get-config-addr-info2`: returns the PE configuration address of a function, or whether it has one.
///
/// Source: LoPAR 2.9, "ibm,get-config-addr-info2". Output: function 0, the address; function 1, 1 for a PE of one
/// function, 0 for none. Failures:
/// - [`Status::Parameter`]: another function; the register part of the address is not zero; the partition has no such
///   function; for function 0, it has no EEH.
#[doc(alias = "ibm,get-config-addr-info2")]
#[derive(Debug)]
pub(super) struct GetConfigAddrInfo2 {
    name: FunctionName,
    wants: Info,
}

#[derive(Clone, Copy, Debug)]
enum Info {
    Address,
    Sharing,
}

impl Call for GetConfigAddrInfo2 {
    const ROW: Row = Row::new(0x21, "ibm,get-config-addr-info2", 4, 2);

    /// Inputs: configuration address, upper and lower half of the unit id, function.
    fn decode(&[address, buid_high, buid_low, wants, ..]: &Inputs) -> Result<Self, Failure> {
        let wants = match wants {
            0 => Info::Address,
            1 => Info::Sharing,
            _ => return Err(Failure::parameter("no such information")),
        };
        Ok(Self {
            name: FunctionName::new(address, buid_high, buid_low),
            wants,
        })
    }

    fn run(self, caller: &mut Caller<'_>, outputs: &mut Outputs) -> RtasResult {
        let function = self.name.function(caller)?;
        outputs.set::<1>(match (self.wants, function.recovery) {
            (Info::Address, Some(_)) => crate::pci::CONFIG_ADDRESS,
            (Info::Address, None) => return Err(NO_EEH),
            (Info::Sharing, Some(_)) => 1,
            (Info::Sharing, None) => 0,
        });
        Ok(Status::Success)
    }
}

/// `ibm,read-slot-reset-state2`: returns the state of an endpoint.
///
/// Source: LoPAR 2.9, "ibm,read-slot-reset-state2". Outputs: PE state 0, 1, 2, 4 or 5; 1 if the function has EEH; in PE
/// state 5, the milliseconds until it may have another, 0 if it never will. Failures:
/// - [`Status::Parameter`]: the register part of the address is not zero, or the partition has no such function.
#[doc(alias = "ibm,read-slot-reset-state2")]
#[derive(Debug)]
pub(super) struct ReadSlotResetState2(FunctionName);

impl Call for ReadSlotResetState2 {
    const ROW: Row = Row::new(0x22, "ibm,read-slot-reset-state2", 3, 4);

    /// Inputs: configuration address, upper and lower half of the unit id.
    fn decode(&[address, buid_high, buid_low, ..]: &Inputs) -> Result<Self, Failure> {
        Ok(Self(FunctionName::new(address, buid_high, buid_low)))
    }

    fn run(self, caller: &mut Caller<'_>, outputs: &mut Outputs) -> RtasResult {
        let function = self.0.function(caller)?;
        let Ok(state) = function.pe_state(caller.lpar.machine.clock) else {
            // Zeroes: no EEH.
            return Ok(Status::Success);
        };
        outputs.set::<1>(match state {
            PeState::Works => 0,
            PeState::Reset => 1,
            PeState::Stopped => 2,
            PeState::DmaStopped => 4,
            PeState::Unavailable(_) => 5,
        });
        outputs.set::<2>(1);
        if let PeState::Unavailable(Some(ms)) = state {
            outputs.set::<3>(ms.max(1));
        }
        Ok(Status::Success)
    }
}

/// What [`SetSlotReset`] is to do.
#[derive(Clone, Copy, Debug)]
enum SlotReset {
    Deactivate,
    Activate,
    Fundamental,
}

/// `ibm,set-slot-reset`: activates or deactivates the reset of an endpoint.
///
/// Source: LoPAR 2.9, "ibm,set-slot-reset". A reset is the function's own where it has one (`ibm,pe-reset-is-flr`), else
/// that of the bus that it is alone on. After deactivation the endpoint is in PE state 5 as long as it takes, and then
/// not stopped. Failures, in this order:
/// - [`Status::Parameter`]: no function 0, 1 or 3; the register part of the address is not zero; the partition has no
///   such function, or it has no EEH.
/// - [`Status::NoFundamentalReset`]: function 3.
/// - [`Status::UnexpectedState`]: it is not available for good.
/// - [`Status::Hardware`]: the bridge or the function failed.
#[doc(alias = "ibm,set-slot-reset")]
#[derive(Debug)]
pub(super) struct SetSlotReset {
    name: FunctionName,
    reset: SlotReset,
}

impl Call for SetSlotReset {
    const ROW: Row = Row::new(0x23, "ibm,set-slot-reset", 4, 1);

    /// Inputs: configuration address, upper and lower half of the unit id; 0 deactivate, 1 activate, 3 activate a
    /// fundamental reset.
    fn decode(&[address, buid_high, buid_low, reset, ..]: &Inputs) -> Result<Self, Failure> {
        let reset = match reset {
            0 => SlotReset::Deactivate,
            1 => SlotReset::Activate,
            3 => SlotReset::Fundamental,
            _ => return Err(Failure::parameter("no such reset")),
        };
        Ok(Self {
            name: FunctionName::new(address, buid_high, buid_low),
            reset,
        })
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        let function = with_eeh(&self.name, caller)?;
        match self.reset {
            SlotReset::Deactivate => function.deactivate_reset(caller.lpar.machine.clock)?,
            SlotReset::Activate => function.activate_reset()?,
            SlotReset::Fundamental => {
                return Err(Failure::new(
                    Status::NoFundamentalReset,
                    "it would reset others too",
                ));
            }
        }
        Ok(Status::Success)
    }
}

/// `ibm,configure-pe`: puts the configuration of an endpoint back after a reset.
///
/// Source: LoPAR 2.9, "ibm,configure-pe". Base addresses, the command register and the messages that ibm,change-msi gave
/// are put back; nothing is done if the endpoint was not reset since. What the function does not take shows when it is
/// used, so that is no failure. Failures, in this order:
/// - [`Status::Parameter`]: the register part of the address is not zero; the partition has no such function, or it has
///   no EEH.
/// - [`Status::Again10Ms`], [`Status::Again100Ms`]: the reset is not over.
#[doc(alias = "ibm,configure-pe")]
#[derive(Debug)]
pub(super) struct ConfigurePe(FunctionName);

impl Call for ConfigurePe {
    const ROW: Row = Row::new(0x24, "ibm,configure-pe", 3, 1);

    /// Inputs: configuration address, upper and lower half of the unit id.
    fn decode(&[address, buid_high, buid_low, ..]: &Inputs) -> Result<Self, Failure> {
        Ok(Self(FunctionName::new(address, buid_high, buid_low)))
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        let function = with_eeh(&self.0, caller)?;
        match function.configure(caller.lpar.machine.clock) {
            Ok(()) => Ok(Status::Success),
            // As the call is meant to be made again, this is nothing to log.
            Err(EehError::Later(ms)) => Ok(Failure::from(EehError::Later(ms)).status),
            Err(error) => Err(error.into()),
        }
    }
}

/// `ibm,slot-error-detail`: returns a log of the error that has stopped an endpoint, or gives the endpoint up.
///
/// Source: LoPAR 2.9, "ibm,slot-error-detail". The log is of version 6: what the bridge has noted, registers of the
/// function's configuration space as they can be read, and what the driver has to add, last. Sections that the buffer
/// has no room for are left out. Returns [`Status::Nothing`] if the endpoint is neither stopped nor unavailable. With
/// function 2 it is unavailable from then on, until the partition starts anew. Failures, in this order, nothing being
/// changed:
/// - [`Status::Parameter`]: no function 1 or 2; the register part of the address is not zero; the partition has no such
///   function, or it has no EEH; a buffer is not all in the partition's memory.
#[doc(alias = "ibm,slot-error-detail")]
#[derive(Debug)]
pub(super) struct SlotErrorDetail {
    name: FunctionName,
    driver: Buffer,
    log: Buffer,
    gives_up: GivesUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GivesUp {
    No,
    Yes,
}

/// A part of the caller's memory as it names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buffer {
    at: GuestRealAddr,
    bytes: u32,
}

impl Buffer {
    pub(super) fn new(at: u32, bytes: u32) -> Self {
        Self {
            at: GuestRealAddr(at.into()),
            bytes,
        }
    }

    pub(super) fn check(&self, caller: &Caller<'_>) -> Result<(), Failure> {
        // Of nothing it does not matter where it is.
        if self.bytes == 0 {
            return Ok(());
        }
        let real = caller.lpar.ram.real(self.at, self.bytes.into());
        real.map(drop)
            .map_err(|_| Failure::parameter("buffer outside the partition's memory"))
    }

    /// What of it a log has room for.
    pub(super) fn room(&self) -> usize {
        (self.bytes as usize).min(Log::MOST)
    }

    pub(super) fn fill(&self, caller: &Caller<'_>, log: &Log) -> Result<(), Failure> {
        let bytes = log.bytes();
        let bytes = bytes.get(..self.room()).unwrap_or(bytes);
        if bytes.is_empty() {
            return Ok(());
        }
        let written = caller.lpar.ram.write(self.at, bytes);
        written.map_err(|_| Failure::parameter("buffer outside the partition's memory"))
    }
}

impl Call for SlotErrorDetail {
    const ROW: Row = Row::new(0x25, "ibm,slot-error-detail", 8, 1);

    /// Inputs: configuration address, upper and lower half of the unit id; address and bytes of what the driver adds, and
    /// of the buffer for the log; 1 temporary, 2 permanent.
    fn decode(
        &[
            address,
            buid_high,
            buid_low,
            driver,
            driver_bytes,
            log,
            log_bytes,
            severity,
            ..,
        ]: &Inputs,
    ) -> Result<Self, Failure> {
        let gives_up = match severity {
            1 => GivesUp::No,
            2 => GivesUp::Yes,
            _ => return Err(Failure::parameter("no such severity")),
        };
        Ok(Self {
            name: FunctionName::new(address, buid_high, buid_low),
            driver: Buffer::new(driver, driver_bytes),
            log: Buffer::new(log, log_bytes),
            gives_up,
        })
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        let function = with_eeh(&self.name, caller)?;
        self.driver.check(caller)?;
        self.log.check(caller)?;
        let lpar = caller.lpar;
        if self.gives_up == GivesUp::Yes {
            function.give_up()?;
        }
        let Some(cause) = function.error(lpar.machine.clock)? else {
            return Ok(Status::Nothing);
        };
        let mut log = Log::new(
            lpar,
            self.log.room(),
            Subject::Pci,
            Severity::Error,
            Disposition::NotRecovered,
        );
        log.function(function, cause);
        log.driver(&lpar.ram, self.driver.at, self.driver.bytes);
        self.log.fill(caller, &log)?;
        Ok(Status::Success)
    }
}
