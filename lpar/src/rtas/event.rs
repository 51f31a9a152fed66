//! Events. Source: LoPAR 2.9, "event-scan", "check-exception", "RTAS Error and Event Classes".
//!
//! The only events are errors that have stopped an endpoint of the partition's; each is told once, by whichever of the two
//! calls comes first. No interrupt tells that there is one.

use super::eeh::Buffer;
use super::errlog::{Disposition, Log, Severity};
use super::{Call, Failure, Inputs, Outputs, Row, RtasResult};
use crate::hcall::Caller;
use core::sync::atomic::Ordering::Relaxed;
use papr_abi::rtas::Status;

/// The class of internal errors in an event mask: bit 0.
const INTERNAL_ERRORS: u32 = 1 << 31;

/// What both calls ask for.
#[derive(Clone, Copy, Debug)]
struct Question {
    mask: u32,
    /// Not zero: no more than the fixed part.
    critical: u32,
    buffer: Buffer,
}

impl Question {
    /// Fills the buffer with the first event there is.
    fn answer(self, caller: &Caller<'_>) -> RtasResult {
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
        let room = if self.critical == 0 {
            self.buffer.room()
        } else {
            0
        };
        let mut log = Log::new(lpar, room, Severity::Warning, Disposition::NotRecovered);
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
        let status = self.0.answer(caller)?;
        if status == Status::Success {
            caller.lpar.scanned.store(true, Relaxed);
        }
        Ok(status)
    }
}

/// `check-exception`: tells of an error that has stopped an endpoint, for whoever took an exception.
///
/// Source: LoPAR 2.9, "check-exception". No interrupt or exception tells of these errors, so vector and additional
/// information lead to none: the mask alone chooses. Returns and fails as [`EventScan`].
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
        self.0.answer(caller)
    }
}
