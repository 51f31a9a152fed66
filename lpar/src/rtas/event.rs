//! Events. Source: LoPAR 2.9, "event-scan", "check-exception", "get-sensor-state", "RTAS Error and Event Classes".
//!
//! - Errors that have stopped an endpoint of the partition's: each is told once, by whichever of the two calls comes first.
//!   No interrupt tells that there is one.
//! - The warning that the partition is to shut itself down ([`crate::epow`]): it has an interrupt, and check-exception alone
//!   tells it, so that who only keeps a record of events does not take it from the one who acts on it.

use super::eeh::Buffer;
use super::errlog::{Disposition, Log, Severity, Subject};
use super::{Call, Failure, Inputs, Outputs, Row, RtasResult};
use crate::hcall::Caller;
use core::sync::atomic::Ordering::Relaxed;
use papr_abi::rtas::Status;

/// The class of internal errors in an event mask: bit 0.
const INTERNAL_ERRORS: u32 = 1 << 31;
/// The class of environmental and power warnings: bit 1.
const EPOW: u32 = 1 << 30;
/// The sensor of these warnings.
pub(crate) const EPOW_SENSOR: u32 = 9;

/// What both calls ask for.
#[derive(Clone, Copy, Debug)]
struct Question {
    mask: u32,
    /// Not zero: no more than the fixed part.
    critical: u32,
    buffer: Buffer,
}

impl Question {
    /// How much of an event is wanted.
    fn room(&self) -> usize {
        if self.critical == 0 {
            self.buffer.room()
        } else {
            0
        }
    }

    /// Fills the buffer with the warning, if there is one.
    fn warning(self, caller: &Caller<'_>) -> RtasResult {
        self.buffer.check(caller)?;
        let lpar = caller.lpar;
        if self.mask & EPOW == 0 || !lpar.epow.take() {
            return Ok(Status::Nothing);
        }
        let (severity, disposition) = (Severity::Event, Disposition::NotRecovered);
        let mut log = Log::new(lpar, self.room(), Subject::Epow, severity, disposition);
        log.shutdown();
        self.buffer
            .fill(caller, &log)
            .inspect_err(|_| lpar.epow.put_back())?;
        log::info!(
            "partition {}: it has taken the request to shut itself down",
            lpar.name
        );
        Ok(Status::Success)
    }

    /// Fills the buffer with the first error there is.
    fn error(self, caller: &Caller<'_>) -> RtasResult {
        self.buffer.check(caller)?;
        if self.mask & INTERNAL_ERRORS == 0 {
            return Ok(Status::Nothing);
        }
        let lpar = caller.lpar;
        let mut functions = lpar.pci.iter();
        let event = functions.find_map(|function| Some((function, function.take_news()?)));
        let Some((function, cause)) = event else {
            return Ok(Status::Nothing);
        };
        let (severity, disposition) = (Severity::Warning, Disposition::NotRecovered);
        let mut log = Log::new(lpar, self.room(), Subject::Pci, severity, disposition);
        log.function(function, cause);
        self.buffer
            .fill(caller, &log)
            .inspect_err(|_| function.put_news_back(cause))?;
        Ok(Status::Success)
    }
}

/// `event-scan`: tells of an error that has stopped an endpoint.
///
/// Source: LoPAR 2.9, "event-scan"; one event is told, then once that there is none, whatever there is (R1-8). Events are
/// of the class of internal errors. Returns [`Status::Nothing`] if there is none. Failures:
/// - [`Status::Parameter`]: the buffer is not all in the partition's memory.
#[doc(alias = "event-scan")]
#[derive(Debug)]
pub(super) struct EventScan(Question);

impl Call for EventScan {
    const ROW: Row = Row::new(0xf, "event-scan", 4, 1);

    /// Inputs: event mask; whether it is urgent, for the fixed part alone; buffer and its length.
    fn decode(&[mask, critical, buffer, bytes, ..]: &Inputs) -> Result<Self, Failure> {
        Ok(Self(Question {
            mask,
            critical,
            buffer: Buffer::new(buffer, bytes),
        }))
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        if caller.lpar.scanned.swap(false, Relaxed) {
            return Ok(Status::Nothing);
        }
        let status = self.0.error(caller)?;
        if status == Status::Success {
            caller.lpar.scanned.store(true, Relaxed);
        }
        Ok(status)
    }
}

/// `check-exception`: tells that the partition is to shut itself down, or else of an error that has stopped an endpoint, for
/// whoever took an interrupt.
///
/// Source: LoPAR 2.9, "check-exception". There is one interrupt, which leads to one warning, so vector and additional
/// information tell nothing: the mask alone chooses. Returns and fails as [`EventScan`]; warnings are of the class of
/// environmental and power warnings.
#[doc(alias = "check-exception")]
#[derive(Debug)]
pub(super) struct CheckException(Question);

impl Call for CheckException {
    const ROW: Row = Row {
        optional_inputs: 1,
        ..Row::new(0xe, "check-exception", 7, 1)
    };

    /// Inputs: vector offset, additional information, event mask, whether it is urgent, buffer and its length; the upper
    /// half of the additional information, if there is one.
    fn decode(&[_, _, mask, critical, buffer, bytes, ..]: &Inputs) -> Result<Self, Failure> {
        Ok(Self(Question {
            mask,
            critical,
            buffer: Buffer::new(buffer, bytes),
        }))
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        match self.0.warning(caller)? {
            Status::Nothing => self.0.error(caller),
            status => Ok(status),
        }
    }
}

/// `get-sensor-state`: returns the value of a sensor.
///
/// Source: LoPAR 2.9, "get-sensor-state"; "EPOW Action Codes". The only sensor is that of environmental and power warnings
/// (9), index 0. Output: 0, nothing to warn of; 3, the partition is to shut itself down. Failures:
/// - [`Status::Parameter`]: another sensor or index.
#[doc(alias = "get-sensor-state")]
#[derive(Debug)]
pub(super) struct GetSensorState;

impl Call for GetSensorState {
    const ROW: Row = Row::new(0x1d, "get-sensor-state", 2, 2);

    /// Inputs: sensor and its index.
    fn decode(&[sensor, index, ..]: &Inputs) -> Result<Self, Failure> {
        match (sensor, index) {
            (EPOW_SENSOR, 0) => Ok(Self),
            _ => Err(Failure::parameter("no such sensor")),
        }
    }

    fn run(self, caller: &mut Caller<'_>, outputs: &mut Outputs) -> RtasResult {
        outputs.set::<1>(caller.lpar.epow.sensor());
        Ok(Status::Success)
    }
}
