//! From what the hypervisor holds of a bridge to records: [`bridge`].

use crate::record::{FunctionRole, Generation, M64Owner, Owner, Record};
use ioda::{
    Caps, DmaModel, DmaWindow, Irq, IrqBackend, IrqKind, M64Map, M64Window, MsiBlock, PeNumber,
};
use pci::{FunctionPlan, M64Share, Plan, Role, SharedWindow, Topology};

/// A bridge, as far as it is shown.
#[derive(Clone, Copy)]
pub struct BridgeView<'a> {
    /// Its index in locations.
    pub phb: u8,
    /// What it offers.
    pub caps: &'a Caps,
    /// The machine's number of its first message interrupt, see [`first_msi`].
    pub first_msi: u32,
    /// What is behind it.
    pub topology: &'a Topology,
    /// Where that lies.
    pub plan: &'a Plan,
}

/// A function that was given to a partition, with what else it was given.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// Its index in the bridge's topology.
    pub index: usize,
    /// The partition's logical partition id.
    pub lpid: u32,
    /// Its DMA window.
    pub window: DmaWindow,
    /// Its message interrupts.
    pub msis: Option<MsiBlock>,
    /// The machine's number of the source that its INTx wire ends at.
    pub lsi: Option<u32>,
}

/// Returns the machine's number of the first message interrupt of a bridge; 0 if it has none.
pub fn first_msi(port: &dyn IrqBackend) -> u32 {
    let mut irqs = port.irqs();
    irqs.find(|irq| port.kind(Irq(*irq)) == Some(IrqKind::Msi))
        .unwrap_or(0)
}

/// Gives the record of a partition to `to`.
pub fn partition(lpid: u32, name: &str, to: &mut dyn FnMut(Record<'_>)) {
    to(Record::Partition { lpid, name });
}

/// Gives the records of one bridge to `to`; `grant_of` tells a function's by its index in the bridge's topology.
///
/// Segments and 64-bit windows are an endpoint's only once its function was given to somebody, as
/// [`Plan::activate`] sets them.
pub fn bridge(
    view: &BridgeView<'_>,
    grant_of: &dyn Fn(usize) -> Option<Grant>,
    to: &mut dyn FnMut(Record<'_>),
) {
    let (phb, caps) = (view.phb, view.caps);
    to(Record::Phb {
        phb,
        generation: match caps.dma {
            DmaModel::SharedSlots { .. } => Generation::Ioda1,
            DmaModel::PerPe { .. } => Generation::Ioda2,
        },
        pes: caps.pes,
        reserved: caps.reserved_pe,
        rids: caps.rids,
        dma: caps.dma,
        msis: caps.msis,
        first_msi: view.first_msi,
        m32: caps.m32,
    });
    if let Some(m64) = caps.m64 {
        to(Record::M64Area {
            phb,
            real: m64.real,
            bytes: m64.bytes,
            windows: m64.windows,
        });
    }
    let functions = view.topology.functions.iter().zip(&view.plan.functions);
    for (index, (function, plan)) in functions.enumerate() {
        let grant = grant_of(index);
        let (owner, pe) = match grant {
            Some(grant) => (Owner::Partition(grant.lpid), plan.pe),
            None if function.is_endpoint() => (Owner::Nobody, caps.reserved_pe),
            None => (Owner::Hypervisor, caps.reserved_pe),
        };
        to(Record::Function {
            path: function.path,
            bdf: function.bdf,
            id: (function.vendor, function.device),
            class: function.class,
            pe,
            owner,
            role: match function.role {
                Role::Endpoint => FunctionRole::Device,
                Role::Bridge {
                    secondary,
                    subordinate,
                    ..
                } => FunctionRole::Bridge {
                    first: secondary,
                    last: subordinate,
                    memory: plan.memory,
                    prefetch: plan.prefetch,
                },
            },
        });
        for (bar, place) in (0u8..).zip(&plan.bars) {
            if let Some(place) = place {
                to(Record::Bar {
                    phb,
                    bdf: function.bdf,
                    bar,
                    pci: place.pci,
                    real: place.real,
                    bytes: place.bytes,
                    place: place.place,
                });
            }
        }
        let Some(grant) = grant else { continue };
        if !plan.segments.is_empty() {
            to(Record::Segments {
                phb,
                first: plan.segments.start,
                count: plan.segments.end.saturating_sub(plan.segments.start),
                pe,
            });
        }
        for share in plan.m64.iter().flatten() {
            let M64Share::Whole(window, map) = *share else {
                continue;
            };
            to(m64(phb, window, map));
        }
        to(Record::Dma {
            phb,
            pe: grant.window.pe,
            tve: grant.window.tve.0,
            base: grant.window.bus_base,
            bytes: grant.window.bytes,
            page_shift: grant.window.page_shift,
        });
        if let Some(block) = &grant.msis {
            to(Record::Msi {
                phb,
                pe,
                first: block.first.0,
                count: block.count,
            });
        }
        if let Some(irq) = grant.lsi {
            to(Record::Lsi { phb, pe, irq });
        }
    }
    for window in &view.plan.windows {
        let mut pes = [caps.reserved_pe; 8];
        for (index, plan) in view.plan.functions.iter().enumerate() {
            if grant_of(index).is_some() {
                give(&mut pes, window, plan);
            }
        }
        if pes.iter().any(|pe| *pe != caps.reserved_pe) {
            let SharedWindow { base, shift, .. } = *window;
            to(m64(phb, window.window, M64Map::AnyMap { base, shift, pes }));
        }
    }
}

/// Puts a function's endpoint in its segments of `window`.
fn give(pes: &mut [PeNumber; 8], window: &SharedWindow, plan: &FunctionPlan) {
    for share in plan.m64.iter().flatten() {
        let M64Share::Segments {
            window: number,
            first,
            last,
        } = *share
        else {
            continue;
        };
        let slots = pes.get_mut(first.into()..=last.into());
        if number == window.window {
            slots.into_iter().for_each(|slots| slots.fill(plan.pe));
        }
    }
}

fn m64(phb: u8, window: M64Window, map: M64Map) -> Record<'static> {
    let (base, shift, owner) = match map {
        M64Map::SinglePe { base, shift, pe } => (base, shift, M64Owner::Single(pe)),
        M64Map::AnyMap { base, shift, pes } => (base, shift, M64Owner::Segments(pes)),
        M64Map::SegmentIsPe { base, shift } => (base, shift, M64Owner::SegmentIsPe),
    };
    Record::M64 {
        phb,
        window,
        base,
        bytes: 1u64.checked_shl(shift.into()).unwrap_or(0),
        owner,
    }
}
