//! The registers that make errors on purpose: what is compared with every access, and how.
//!
//! What they compare with is each chip's own; so is who else would be hit.

use super::regs::{self, PaprErrInjCtl};
use crate::{InjectAccess, InjectRepeat, PeNumber, RegIo};
use tock_registers::fields::FieldValue;

/// Fields of `PAPR_ERR_INJ_CTL`.
pub type Control = FieldValue<u64, PaprErrInjCtl::Register>;

/// The accesses that fail.
#[derive(Clone, Copy)]
pub struct Compared {
    /// Of which kind.
    pub kind: Control,
    /// What they go to, as the chip compares it.
    pub address: u64,
    /// Which bits of that count.
    pub mask: u64,
}

/// The bit of `PAPR_ERR_INJ_CTL` for accesses that go this way.
#[must_use]
pub fn direction(access: InjectAccess) -> Control {
    match access {
        InjectAccess::Read => PaprErrInjCtl::READ::SET,
        InjectAccess::Write => PaprErrInjCtl::WRITE::SET,
    }
}

/// Whose accesses are made to fail, and how often; or nobody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Injector {
    armed: Option<(PeNumber, InjectRepeat)>,
}

impl Injector {
    /// Nothing is armed.
    #[must_use]
    pub const fn new() -> Self {
        Self { armed: None }
    }

    /// Makes those of `pe`'s accesses fail that are `compared` and go in `directions`, in place of what was armed
    /// before.
    pub fn arm(
        &mut self,
        io: &impl RegIo,
        (pe, repeat): (PeNumber, InjectRepeat),
        compared: &Compared,
        directions: Control,
    ) {
        self.disarm(io);
        let mut control = compared.kind + directions;
        if repeat == InjectRepeat::Sticky {
            control += PaprErrInjCtl::STICKY::SET;
        }
        io.write64(regs::PAPR_ERR_INJ_ADDR, compared.address);
        io.write64(regs::PAPR_ERR_INJ_MASK, compared.mask);
        io.write64(regs::PAPR_ERR_INJ_CTL, control.into());
        self.armed = Some((pe, repeat));
    }

    /// Takes back what is armed, if anything.
    pub fn disarm(&mut self, io: &impl RegIo) {
        if self.armed.take().is_some() {
            io.write64(regs::PAPR_ERR_INJ_CTL, 0);
        }
    }

    /// Takes back what is armed for `pe` once. It should end by itself: on P7IOC it does not, on PHB3 it may not, and
    /// armed still it would freeze the endpoint again.
    pub fn disarm_one_shot(&mut self, io: &impl RegIo, pe: PeNumber) {
        if self.armed == Some((pe, InjectRepeat::Once)) {
            self.disarm(io);
        }
    }
}
