//! RTAS status words. Source: LoPAR 2.9, "RTAS Status Word Values".

/// `rets[0]` of an RTAS call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// 0
    Success = 0,
    /// 1: event-scan and check-exception found nothing.
    NoEvent = 1,
    /// -1: the hardware failed, or there is no such device.
    Hardware = -1,
    /// -2: busy, repeat.
    Busy = -2,
    /// -3: a parameter is not valid or not supported.
    Parameter = -3,
    /// -9002: not authorized.
    NotAuthorized = -9002,
    /// -9999: the system parameter may not be given for a reason of its value.
    SystemParameter = -9999,
}
