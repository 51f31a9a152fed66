//! A function in the words of `lpar`, and the wire that its level-sensitive interrupt comes by.

use crate::Bridge;
use alloc::vec::Vec;
use ioda::{IrqBackend, IrqKind};
use lpar::mmio::MmioRange;
use lpar::pci::{BarSpace, PciBar, PciIds};
use papr_abi::{GuestRealAddr, RealAddr};
use pci::{BarKind, Function, FunctionPlan};

/// What it is.
pub(crate) const fn ids(function: &Function) -> PciIds {
    PciIds {
        vendor: function.vendor,
        device: function.device,
        class: function.class,
        revision: function.revision,
        subsystem_vendor: function.subsystem.0,
        subsystem: function.subsystem.1,
    }
}

/// Its BARs that have a place.
pub(crate) fn bars(function: &Function, plan: &FunctionPlan) -> Vec<PciBar> {
    let placed = function.bars.iter().zip(&plan.bars).zip(0..);
    placed
        .filter_map(|((bar, place), index)| {
            let (bar, place) = (bar.as_ref()?, place.as_ref()?);
            Some(PciBar {
                index,
                bus: place.pci,
                real: RealAddr(place.real),
                bytes: place.bytes,
                space: match bar.kind {
                    BarKind::Mem64 | BarKind::Mem64Prefetch => BarSpace::Memory64,
                    BarKind::Mem32 | BarKind::Io => BarSpace::Memory32,
                },
                prefetchable: bar.kind == BarKind::Mem64Prefetch,
            })
        })
        .collect()
}

/// The pages that its owner may map. Up to the next step nothing else lies behind a BAR, so whole pages of 64 KiB can be
/// given.
pub(crate) fn pages(plan: &FunctionPlan) -> Vec<MmioRange> {
    let places = plan.bars.iter().flatten();
    places
        .map(|place| MmioRange {
            start: GuestRealAddr(place.real),
            bytes: place.bytes.next_multiple_of(pci::BAR_STEP),
        })
        .collect()
}

/// The machine's number of the source that the function's INTx wire ends at. Each bridge turns the wires by the device
/// number below it (PCI-to-PCI Bridge Architecture 1.2, 9.1).
pub(crate) fn wire(bridge: &impl Bridge, function: &Function) -> Option<u32> {
    let functions = &bridge.topology().functions;
    let mut wire = function.intx?;
    let mut at = function;
    // A parent comes before what is below it, so this ends.
    while let Some(parent) = at.parent.and_then(|index| functions.get(index)) {
        wire = (wire + at.bdf.device()) % 4;
        at = parent;
    }
    let port = bridge.port();
    let mut irqs = port.irqs();
    irqs.find(|&irq| port.kind(ioda::Irq(irq)) == Some(IrqKind::Lsi(wire)))
}
