//! How a processor of a partition takes an interrupt that the hypervisor gives it.

use crate::hcall::mode::{Ail, InterruptMode};

/// MSR bits. Source: Power ISA 2.07, Book III-S 3.2.1.
mod msr {
    pub(super) const SF: u64 = 1 << 63;
    pub(super) const ME: u64 = 1 << 12;
    pub(super) const IR: u64 = 1 << 5;
    pub(super) const DR: u64 = 1 << 4;
    pub(super) const LE: u64 = 1;
}

/// SRR1 33:36 and 42:47, which an interrupt sets to its cause; MSR bits fill the rest.
pub const CAUSE: u64 = 0x783f_0000;
/// SRR1 44, of a program interrupt: an instruction that does not exist or is not allowed.
pub const ILLEGAL: u64 = 0x8_0000;
/// SRR1 45, of a program interrupt: a privileged instruction in problem state.
pub const PRIVILEGED: u64 = 0x4_0000;

/// The registers of a processor that has just taken an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// SRR0: where it was.
    pub srr0: u64,
    /// SRR1: its MSR, and the cause.
    pub srr1: u64,
    /// Where it goes on.
    pub pc: u64,
    /// Its MSR there.
    pub msr: u64,
}

/// Returns what a processor in `mode` that was at `pc` with `msr` looks like once it has taken the
/// interrupt at `vector` with `cause` (bits of [`CAUSE`]).
///
/// Source: Power ISA 2.07, Book III-S 6.4.3 (MSR of an interrupt), 6.5; AIL in 2.2: system reset and
/// machine check are never relocated, nor is any interrupt unless translation was on for both
/// instructions and data.
#[must_use]
pub fn take(mode: InterruptMode, vector: u64, cause: u64, pc: u64, msr: u64) -> Taken {
    let translated = msr & (msr::IR | msr::DR) == msr::IR | msr::DR;
    let offset = match mode.ail {
        _ if !translated || vector <= 0x200 => None,
        Ail::None => None,
        Ail::Offset18000 => Some(0x1_8000),
        Ail::OffsetC000 => Some(0xc000_0000_0000_4000),
    };
    let relocation = if offset.is_some() {
        msr::IR | msr::DR
    } else {
        0
    };
    let order = if mode.little_endian { msr::LE } else { 0 };
    Taken {
        srr0: pc,
        srr1: (msr & !CAUSE) | (cause & CAUSE),
        pc: offset.unwrap_or(0) + vector,
        msr: msr::SF | msr::ME | relocation | order,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: u64 = 0x8000_0000_0000_f033;

    #[test]
    fn a_big_endian_real_mode_processor_goes_to_the_vector() {
        let taken = take(
            InterruptMode::START,
            0x700,
            ILLEGAL,
            0x4000,
            msr::SF | msr::ME,
        );
        assert_eq!(
            taken,
            Taken {
                srr0: 0x4000,
                srr1: msr::SF | msr::ME | ILLEGAL,
                pc: 0x700,
                msr: msr::SF | msr::ME
            }
        );
    }

    #[test]
    fn ail_moves_interrupts_of_translated_code_only_and_never_a_system_reset() {
        let mode = InterruptMode {
            little_endian: true,
            ail: Ail::OffsetC000,
        };
        assert_eq!(take(mode, 0x700, 0, 0x10, USER).pc, 0xc000_0000_0000_4700);
        assert_eq!(take(mode, 0x700, 0, 0x10, USER).msr, 0x8000_0000_0000_1031);
        assert_eq!(take(mode, 0x700, 0, 0x10, USER & !msr::DR).pc, 0x700);
        assert_eq!(take(mode, 0x100, 0, 0x10, USER).pc, 0x100);
        let mode = InterruptMode {
            little_endian: false,
            ail: Ail::Offset18000,
        };
        assert_eq!(take(mode, 0x700, 0, 0x10, USER).pc, 0x1_8700);
    }

    #[test]
    fn causes_replace_what_was_in_their_bits() {
        let taken = take(InterruptMode::START, 0x700, PRIVILEGED, 0, USER | 0x20_0000);
        assert_eq!(taken.srr1, USER | PRIVILEGED);
    }
}
