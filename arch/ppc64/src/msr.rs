//! The machine state register. Source: Power ISA 2.07, Book III-S 3.2.1.

/// 0: 64-bit mode.
pub const SF: u64 = 1 << 63;
/// 3: hypervisor state.
pub const HV: u64 = 1 << 60;
/// 38: vector facility available.
pub const VEC: u64 = 1 << 25;
/// 40: vector-scalar facility available.
pub const VSX: u64 = 1 << 23;
/// 48: external interrupts enabled.
pub const EE: u64 = 1 << 15;
/// 49: problem state.
pub const PR: u64 = 1 << 14;
/// 50: floating point available.
pub const FP: u64 = 1 << 13;
/// 51: machine checks enabled.
pub const ME: u64 = 1 << 12;
/// 58: instruction relocation.
pub const IR: u64 = 1 << 5;
/// 59: data relocation.
pub const DR: u64 = 1 << 4;
/// 62: recoverable interrupt.
pub const RI: u64 = 1 << 1;
/// 63: little-endian.
pub const LE: u64 = 1;
