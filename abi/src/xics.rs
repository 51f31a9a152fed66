//! The XICS interrupt presentation words. Source: LoPAR 2.9, "Interrupt Support hcall()s"; PowerPC
//! External Interrupt Architecture.
//!
//! XIRR: bits 0:7 CPPR, the processor's current priority; bits 8:31 XISR, the source number. Of
//! priorities 0 is the most favoured.

use crate::Irq;

/// The least favoured priority: a source with it is masked, an MFRR with it asks for nothing, a
/// processor with it takes everything else.
pub const LEAST_FAVORED: u8 = 0xff;
/// The most favoured priority: a processor with it takes nothing.
pub const MOST_FAVORED: u8 = 0;
/// XISR when nothing is pending.
pub const NONE: Irq = Irq(0);

/// Returns the priority part of an XIRR.
#[must_use]
#[inline]
pub const fn cppr(xirr: u32) -> u8 {
    (xirr >> 24) as u8
}

/// Returns the source part of an XIRR.
#[must_use]
#[inline]
pub const fn source(xirr: u32) -> Irq {
    Irq(xirr & 0x00ff_ffff)
}

/// Makes an XIRR; of `irq` the low 24 bits count.
#[must_use]
#[inline]
pub const fn xirr(cppr: u8, irq: Irq) -> u32 {
    (cppr as u32) << 24 | irq.0 & 0x00ff_ffff
}

const _: () = assert!(xirr(0xff, Irq::IPI) == 0xff00_0002);
const _: () = assert!(cppr(0x0500_1234) == 5 && source(0x0500_1234).0 == 0x1234);
