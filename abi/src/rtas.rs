//! RTAS: argument block, status words, and the code that brings a call to the hypervisor.
//!
//! Source: LoPAR 2.9, "RTAS Argument Call Buffer", "RTAS Status Word Values". An argument block is
//! big-endian 32-bit cells: token, number of inputs, number of outputs, inputs, outputs; the first
//! output is the status.

/// `rets[0]` of an RTAS call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// 0
    Success = 0,
    /// 1: there is nothing of what was asked for: no event (event-scan), no such interrupt
    /// (ibm,query-interrupt-source-number). Not an error.
    Nothing = 1,
    /// -1: the hardware failed, or there is no such device.
    Hardware = -1,
    /// -2: busy, repeat.
    Busy = -2,
    /// -3: a parameter is not valid or not supported.
    Parameter = -3,
    /// -7: the state has changed, or is not one for this.
    UnexpectedState = -7,
    /// -8: there is no fundamental reset (ibm,set-slot-reset).
    NoFundamentalReset = -8,
    /// 9901: call again in 10 ms.
    Again10Ms = 9901,
    /// 9902: call again in 100 ms.
    Again100Ms = 9902,
    /// -9002: not authorized.
    NotAuthorized = -9002,
    /// -9999: a parameter of a system parameter call is not valid.
    SystemParameter = -9999,
}

/// Cells of an argument block before the inputs.
pub const HEADER_CELLS: u64 = 3;
/// The most inputs that any defined call has, and more than any: a block with more is refused.
pub const MAX_INPUTS: usize = 16;
/// The most outputs, status included.
pub const MAX_OUTPUTS: usize = 16;
/// What `/rtas` publishes as a call's token is this plus the call's index. LoPAR leaves tokens
/// free; these follow QEMU, which firmware of that family expects.
pub const TOKEN_BASE: u32 = 0x2000;

/// What a partition runs at `linux,rtas-entry`, big-endian: passes the argument block (r3) to
/// [`crate::token::H_RTAS`] and returns.
///
/// In order: `mr r4,r3`, `lis r3,0`, `ori r3,r3,0xf000`, `sc 1`, `blr`.
pub const ENTRY_CODE: [u32; 5] = [
    0x7c64_1b78,
    0x3c60_0000 | (crate::token::H_RTAS >> 16) as u32,
    0x6063_0000 | (crate::token::H_RTAS & 0xffff) as u32,
    0x4400_0022,
    0x4e80_0020,
];
