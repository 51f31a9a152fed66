//! What the drivers of P7IOC's bridges and of PHB3 share, because the chips do: PHB3 grew out of the other.
//!
//! Only what the sources tell of both chips alike is here; what merely looks alike stays with each driver.
//!
//! - [`regs`]: registers that stand at the same place with the same fields.
//! - [`table`]: the two registers behind which all on-chip tables are.
//!
//! Sources: skiboot, `include/p7ioc-regs.h` (as of 2018) and `include/phb3-regs.h`, which were read side by side.

pub mod regs;
pub mod table;

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests;
