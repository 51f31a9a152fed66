//! 64-bit windows of one endpoint each: [`open`].

use super::{FunctionPlan, M64Share, Place, PlanError};
use crate::Function;
use ioda::{M64Caps, M64Map, M64Window};

/// Numbers the 64-bit windows of BARs that have their places, now that their endpoints are known.
pub(super) fn open(
    functions: &[Function],
    plans: &mut [FunctionPlan],
    m64: &M64Caps,
) -> Result<(), PlanError> {
    let end = m64.real.saturating_add(m64.bytes);
    let mut next = 0u8;
    for (function, plan) in functions.iter().zip(plans) {
        let pe = plan.pe;
        for (bar, slot) in plan.bars.iter_mut().zip(plan.m64.iter_mut()) {
            let Some(bar) = bar else { continue };
            let Place::M64(window) = &mut bar.place else {
                continue;
            };
            let bytes = bar.bytes.max(1 << m64.single_pe_shift);
            if next >= m64.windows || bar.pci.saturating_add(bytes) > end {
                return Err(PlanError::M64 {
                    path: function.path,
                    bytes: bar.bytes,
                });
            }
            *window = M64Window(next);
            next = next.saturating_add(1);
            let map = M64Map::SinglePe {
                base: bar.pci,
                shift: bytes.trailing_zeros() as u8,
                pe,
            };
            *slot = Some(M64Share::Whole(*window, map));
        }
    }
    Ok(())
}
