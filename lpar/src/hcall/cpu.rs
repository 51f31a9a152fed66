//! Registers and facts of the calling processor.

use super::{After, Args, Caller, Class, Hcall, Row};
use crate::{HResult, Refusal};
use papr_abi::{HError, token};

/// What H_GET_CPU_CHARACTERISTICS tells of speculation, which depends on the processor and its
/// firmware. Bits are those of [`CpuSecurity::characteristics`] and [`CpuSecurity::behaviour`] in
/// Linux's `H_CPU_CHAR_*` and `H_CPU_BEHAV_*`; LoPAR 2.9 does not describe the hcall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuSecurity {
    /// What the processor has, r4.
    pub characteristics: u64,
    /// What a partition should do about it, r5.
    pub behaviour: u64,
}

impl CpuSecurity {
    const fn bit(ibm: u32) -> u64 {
        1 << (63 - ibm)
    }

    /// A processor that is emulated and does not speculate: branch hints are honoured (bit 5);
    /// security comes first (bit 0), with no need to flush the first data cache when entering the
    /// kernel (7) or on its user accesses (8).
    pub const EMULATED: Self = Self {
        characteristics: Self::bit(5),
        behaviour: Self::bit(0) | Self::bit(7) | Self::bit(8),
    };

    /// A POWER7 or POWER8 whose firmware offers no cache flush of its own: security comes first,
    /// flush the first data cache (1) and use speculation barriers (2) where privilege changes.
    pub const CAUTIOUS: Self = Self {
        characteristics: Self::bit(5),
        behaviour: Self::bit(0) | Self::bit(1) | Self::bit(2),
    };
}

/// `H_SET_SPRG0`: sets the calling processor's SPRG0.
///
/// Source: LoPAR 2.9, "H_SET_SPRG0". No outputs, no errors.
#[doc(alias = "H_SET_SPRG0")]
#[derive(Debug)]
pub struct SetSprg0 {
    /// R4: any value.
    pub value: u64,
}

impl Hcall for SetSprg0 {
    const ROW: Row = Row::new(
        token::H_SET_SPRG0,
        "H_SET_SPRG0",
        Class::Critical,
        "hcall-sprg0",
    );

    fn decode(&[value, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self { value })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        caller.after = After::SetSprg0(self.value);
        Ok(())
    }
}

/// `H_SET_DABR`: would set the data address breakpoint, which is not offered.
///
/// Source: LoPAR 2.9, "H_SET_DABR", deprecated and not required of processors of ISA 2.07 on. It is
/// served, with an error and announced by no function set, because boot code calls it with 0 just to
/// see whether hcalls arrive at all. No arguments are looked at, no outputs. Errors:
/// - [`HError::Hardware`]: always; there is no such register.
#[doc(alias = "H_SET_DABR")]
#[derive(Debug)]
pub struct SetDabr;

impl Hcall for SetDabr {
    const ROW: Row = Row::new(token::H_SET_DABR, "H_SET_DABR", Class::Critical, "");

    fn decode(_: &Args) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn run(self, _: &mut Caller<'_>) -> HResult {
        Err(Refusal::new(HError::Hardware, "no breakpoint register"))
    }
}

/// `H_GET_CPU_CHARACTERISTICS`: tells which precautions against speculation are worth taking.
///
/// Source: Linux, `arch/powerpc/include/asm/hvcall.h`; LoPAR 2.9 does not describe it. No
/// arguments, no errors.
///
/// Outputs: r4, r5: see [`CpuSecurity`].
#[doc(alias = "H_GET_CPU_CHARACTERISTICS")]
#[derive(Debug)]
pub struct GetCpuCharacteristics;

impl Hcall for GetCpuCharacteristics {
    const ROW: Row = Row::new(
        token::H_GET_CPU_CHARACTERISTICS,
        "H_GET_CPU_CHARACTERISTICS",
        Class::Normal,
        "",
    );

    fn decode(_: &Args) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let security = caller.lpar.security;
        caller.out::<0>(security.characteristics);
        caller.out::<1>(security.behaviour);
        Ok(())
    }
}

/// `H_RANDOM`: returns a random number.
///
/// Source: LoPAR 2.9, "H_RANDOM". No arguments.
///
/// Outputs: r4, 64 random bits. Errors:
/// - [`HError::Hardware`]: the machine has no source of random numbers, or it failed.
#[doc(alias = "H_RANDOM")]
#[derive(Debug)]
pub struct Random;

impl Hcall for Random {
    const ROW: Row = Row::new(token::H_RANDOM, "H_RANDOM", Class::Critical, "hcall-random");

    fn decode(_: &Args) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let random = caller.lpar.machine.clock.random();
        let value = random.map_err(|_| Refusal::new(HError::Hardware, "no random source"))?;
        caller.out::<0>(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bench::{Bench, call};

    #[test]
    fn sprg0_takes_any_value() {
        let bench = Bench::new();
        for value in [0, 1, u64::MAX] {
            let (code, _, after) = call(&bench, token::H_SET_SPRG0, &[value]);
            assert_eq!((code, after), (0, After::SetSprg0(value)));
        }
    }

    #[test]
    fn the_probe_for_working_hcalls_gets_neither_function_nor_privilege() {
        let bench = Bench::new();
        let (code, _, after) = call(&bench, token::H_SET_DABR, &[0]);
        assert_eq!((code, after), (-1, After::Return));
        assert_eq!(SetDabr::ROW.function_set, "");
    }

    #[test]
    fn the_machine_s_characteristics_are_passed_on() {
        let bench = Bench::new();
        let (code, out, _) = call(&bench, token::H_GET_CPU_CHARACTERISTICS, &[7, 7]);
        assert_eq!(code, 0);
        assert_eq!(out[..2], [0x0400_0000_0000_0000, 0x8180_0000_0000_0000]);
    }

    #[test]
    fn random_numbers_come_from_the_machine_or_not_at_all() {
        let bench = Bench::new();
        let (code, first, _) = call(&bench, token::H_RANDOM, &[]);
        let (_, second, _) = call(&bench, token::H_RANDOM, &[]);
        assert_eq!(code, 0);
        assert_ne!(first[0], second[0]);
        bench.clock.break_random();
        let (code, out, _) = call(&bench, token::H_RANDOM, &[9]);
        assert_eq!((code, out[0]), (-1, 9));
    }
}
