//! Host bridges and PCI functions. Source: LoPAR 2.9, "PCI Host Bridge" and "PCI" properties; Open
//! Firmware's PCI Bus Binding 2.1.

use super::nodes::XICS;
use super::writer::{Tree, split};
use super::{TreeError, writer};
use crate::eeh::ResetBy;
use crate::pci::{BarSpace, CONFIG_ADDRESS, MsiKind, PciBar, PciFunction};
use alloc::format;
use alloc::vec::Vec;

/// The high cell of a PCI address.
mod high {
    /// The address is fixed.
    pub(super) const FIXED: u32 = 0x8000_0000;
    pub(super) const PREFETCHABLE: u32 = 0x4000_0000;
    /// Memory below 4 GiB.
    pub(super) const MEMORY_32: u32 = 0x0200_0000;
    pub(super) const MEMORY_64: u32 = 0x0300_0000;
    /// Bus, device and function.
    pub(super) const FUNCTION: u32 = 0x00ff_ff00;
}

/// Offset of the first base address register in configuration space.
const FIRST_BAR: u32 = 0x10;

/// The only bus below a host bridge.
const BUS: u32 = CONFIG_ADDRESS >> 16;

/// Windows that Linux takes from a bridge's `ranges`.
const MOST_WINDOWS: usize = 3;

/// A part of the bus behind which there is memory of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    bus: u64,
    end: u64,
    real: u64,
    space: u32,
}

/// Joins the registers that are equally far from their real addresses and alike in kind. What lies
/// between them is not the partition's, and mapping it is refused when it is tried.
fn windows(function: &PciFunction) -> Result<Vec<Window>, TreeError> {
    let mut windows: Vec<Window> = Vec::new();
    for bar in &function.bars {
        let end = bar.bus.saturating_add(bar.bytes);
        let space = if end <= 1 << 32 {
            high::MEMORY_32
        } else {
            high::MEMORY_64
        };
        let offset = bar.real.0.wrapping_sub(bar.bus);
        let alike = windows
            .iter_mut()
            .find(|w| w.space == space && w.real.wrapping_sub(w.bus) == offset);
        match alike {
            Some(window) => {
                window.bus = window.bus.min(bar.bus);
                window.end = window.end.max(end);
                window.real = window.bus.wrapping_add(offset);
            }
            None => windows.push(Window {
                bus: bar.bus,
                end,
                real: bar.real.0,
                space,
            }),
        }
    }
    if windows.len() > MOST_WINDOWS {
        return Err(TreeError::TooManyWindows(function.location.clone()));
    }
    Ok(windows)
}

/// Writes the host bridge of `function`, with the function behind it. `domain` is its number towards
/// Linux.
pub(super) fn host_bridge(tree: &mut Tree, domain: u32, function: &PciFunction) {
    let windows = match windows(function) {
        Ok(windows) => windows,
        Err(error) => return tree.fail(error),
    };
    let mut ranges = Vec::new();
    for window in windows {
        // Never prefetchable: such a window would not take the other registers.
        ranges.push(window.space);
        ranges.extend(split(window.bus));
        ranges.extend(split(window.real));
        ranges.extend(split(window.end.saturating_sub(window.bus)));
    }
    let [buid_high, buid_low] = split(function.buid.0);
    tree.node(&format!("pci@{:x}", function.buid.0), |tree| {
        tree.text("device_type", "pci");
        tree.text("compatible", "IBM,Logical_PHB");
        tree.cells("reg", &[buid_high, buid_low, 0, 0]);
        tree.text("ibm,loc-code", &function.location);
        tree.cell("linux,pci-domain", domain);
        tree.cell("#address-cells", 3);
        tree.cell("#size-cells", 2);
        tree.cells("bus-range", &[BUS, BUS]);
        tree.cells("ranges", &ranges);
        tree.cell("ibm,pci-config-space-type", 1);
        tree.cell("ibm,pe-total-#msi", function.reserved_msis);
        tree.cell("#interrupt-cells", 1);
        if let Some(lsi) = function.lsi {
            // Its only function's only pin goes to that source, level-sensitive.
            tree.cells("interrupt-map-mask", &[high::FUNCTION, 0, 0, 7]);
            tree.cells("interrupt-map", &[CONFIG_ADDRESS, 0, 0, 1, XICS, lsi.0, 1]);
        }
        tree.cell("ibm,#dma-address-cells", 2);
        tree.cell("ibm,#dma-size-cells", 2);
        let [start_high, start_low] = writer::split(function.window_start);
        let [bytes_high, bytes_low] = writer::split(function.window_bytes);
        let liobn = function.liobn.0;
        tree.cells(
            "ibm,dma-window",
            &[liobn, start_high, start_low, bytes_high, bytes_low],
        );
        device(tree, function)
    })
}

fn device(tree: &mut Tree, function: &PciFunction) {
    let ids = &function.ids;
    tree.node(&format!("pci{:x},{:x}@0", ids.vendor, ids.device), |tree| {
        tree.cell("vendor-id", ids.vendor.into());
        tree.cell("device-id", ids.device.into());
        tree.cell("class-code", ids.class);
        tree.cell("revision-id", ids.revision.into());
        tree.cell("subsystem-vendor-id", ids.subsystem_vendor.into());
        tree.cell("subsystem-id", ids.subsystem.into());
        tree.text("ibm,loc-code", &function.location);
        let mut reg = [CONFIG_ADDRESS, 0, 0, 0, 0].to_vec();
        let mut assigned = Vec::new();
        for bar in &function.bars {
            let high = address_high(bar);
            reg.extend([high, 0, 0]);
            reg.extend(split(bar.bytes));
            assigned.push(high | high::FIXED);
            assigned.extend(split(bar.bus));
            assigned.extend(split(bar.bytes));
        }
        tree.cells("reg", &reg);
        tree.cells("assigned-addresses", &assigned);
        if function.lsi.is_some() {
            tree.cell("interrupts", 1);
        }
        for (name, kind) in [
            ("ibm,req#msi", MsiKind::Msi),
            ("ibm,req#msi-x", MsiKind::MsiX),
        ] {
            let most = function.most(kind);
            if most > 0 {
                tree.cell(name, most);
            }
        }
        if function
            .recovery
            .is_some_and(|recovery| recovery.by == ResetBy::Function)
        {
            tree.flag("ibm,pe-reset-is-flr");
        }
        tree.cell("ibm,pci-config-space-type", 1)
    })
}

/// Returns the high cell of `bar`'s address, but for whether it is fixed.
fn address_high(bar: &PciBar) -> u32 {
    let space = match bar.space {
        BarSpace::Memory32 => high::MEMORY_32,
        BarSpace::Memory64 => high::MEMORY_64,
    };
    let prefetchable = if bar.prefetchable {
        high::PREFETCHABLE
    } else {
        0
    };
    space | prefetchable | CONFIG_ADDRESS | FIRST_BAR.saturating_add(u32::from(bar.index) * 4)
}
