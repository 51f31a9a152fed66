//! The nodes that every partition has, but for its processors.

use super::layout::RTAS_BYTES;
use super::writer::{Tree, split};
use super::{BootFacts, Layout};
use crate::hcall::term::VTERM;
use crate::hcall::{HCALLS, Hcall, cpu};
use crate::rtas::{CALLS, EPOW_SENSOR, LINE_CHARACTERS};
use crate::{Lpar, vio};
use alloc::format;
use alloc::vec::Vec;
use llan::Adapter;

/// The handle of the interrupt presentation controller.
pub(super) const XICS: u32 = 1;

/// Path of the only terminal.
const TERMINAL: &str = "/vdevice/vty@30000000";

/// What an Ethernet adapter's network is like: kind, megabits a second, connector, duplex.
const NETWORK: &str = "ethernet,1000,auto,full";

/// Bytes of `rng-seed`.
const SEED_BYTES: usize = 32;

/// Bytes of the longest log that RTAS returns, and the most that any system has asked for.
const ERROR_LOG_BYTES: u32 = 2048;

/// How often a minute a partition is to scan for events.
const EVENT_SCANS_A_MINUTE: u32 = 6;

/// `ibm,architecture-vec-5`: its length less one, then the bytes 1 to 26 of the option vector as they
/// were negotiated. All zero: XICS interrupts (byte 23), hashed page table (24), no memory or
/// processors that come and go (5, 22).
const ARCHITECTURE_VECTOR_5: [u8; 27] = {
    let mut vector = [0; 27];
    vector[0] = 26;
    vector
};

/// Writes the properties of the root.
pub(super) fn root(tree: &mut Tree, lpar: &Lpar) {
    tree.cell("#address-cells", 2);
    tree.cell("#size-cells", 2);
    // What tells Linux that this is a PAPR platform.
    tree.text("device_type", "chrp");
    tree.text("model", "Bulkhead logical partition");
    tree.texts("compatible", &["bulkhead,lpar", "IBM,pSeries"]);
    tree.text("ibm,partition-name", &lpar.name);
    tree.cell("ibm,partition-no", lpar.lpid);
    // Errors stop a function whether or not its driver has said that it knows of that.
    tree.cell("ibm,eeh-default", 1);
    tree.cell("interrupt-parent", XICS)
}

/// Writes `/chosen`.
pub(super) fn chosen(tree: &mut Tree, lpar: &Lpar, facts: &BootFacts<'_>, layout: &Layout) {
    tree.node("chosen", |tree| {
        tree.text("bootargs", facts.bootargs);
        if let Some(initrd) = &layout.initrd {
            tree.wide("linux,initrd-start", initrd.start);
            tree.wide("linux,initrd-end", initrd.end);
        }
        tree.text("stdout-path", TERMINAL);
        tree.text("linux,stdout-path", TERMINAL);
        // The hypervisor has placed all base address registers, and none can move.
        tree.cell("linux,pci-probe-only", 1);
        tree.bytes("ibm,architecture-vec-5", &ARCHITECTURE_VECTOR_5);
        if let Some(seed) = seed(lpar) {
            tree.bytes("rng-seed", &seed);
        }
    })
}

fn seed(lpar: &Lpar) -> Option<Vec<u8>> {
    let mut seed = Vec::with_capacity(SEED_BYTES);
    while seed.len() < SEED_BYTES {
        seed.extend(lpar.machine.clock.random().ok()?.to_be_bytes());
    }
    Some(seed)
}

/// Writes the memory nodes: first what real mode reaches, then the rest.
pub(super) fn memory(tree: &mut Tree, lpar: &Lpar, facts: &BootFacts<'_>) {
    let all = lpar.ram.bytes();
    let rma = facts.rma_bytes.min(all);
    for (start, bytes) in [(0, rma), (rma, all - rma)] {
        if bytes == 0 {
            continue;
        }
        tree.node(&format!("memory@{start:x}"), |tree| {
            tree.text("device_type", "memory");
            tree.cells("reg", &[split(start), split(bytes)].concat())
        });
    }
}

/// Writes `/rtas`: every call's token, and the function sets of the hcalls.
pub(super) fn rtas(tree: &mut Tree, lpar: &Lpar, layout: &Layout) {
    tree.node("rtas", |tree| {
        tree.texts("ibm,hypertas-functions", &function_sets(lpar));
        for call in CALLS {
            tree.cell(call.row.name, call.row.token());
        }
        let [_, rtas] = split(layout.rtas.0);
        tree.cell("linux,rtas-base", rtas);
        tree.cell("linux,rtas-entry", rtas);
        tree.cell("rtas-size", RTAS_BYTES as u32);
        tree.cell("rtas-version", 1);
        tree.cell("rtas-error-log-max", ERROR_LOG_BYTES);
        tree.cell("rtas-event-scan-rate", EVENT_SCANS_A_MINUTE);
        // Each sensor with its last index.
        tree.cells("rtas-sensors", &[EPOW_SENSOR, 0]);
        tree.cell("ibm,display-line-length", LINE_CHARACTERS as u32);
        tree.cell("ibm,display-number-of-lines", 1);
        tree.flag("ibm,form-feed");
        tree.flag("ibm,change-msix-capable");
        tree.flag("ibm,extended-os-term")
    })
}

/// Returns the function sets of all hcalls, each once, without those that this machine lacks.
fn function_sets(lpar: &Lpar) -> Vec<&'static str> {
    let mut sets: Vec<&str> = Vec::new();
    for entry in HCALLS {
        let set = entry.row.function_set;
        let absent = set == cpu::Random::ROW.function_set && !has_random(lpar);
        if !set.is_empty() && !absent && !sets.contains(&set) {
            sets.push(set);
        }
    }
    sets
}

fn has_random(lpar: &Lpar) -> bool {
    lpar.machine.clock.random().is_ok()
}

/// Writes the interrupt presentation controller.
pub(super) fn interrupt_controller(tree: &mut Tree, lpar: &Lpar) {
    let servers = u32::try_from(lpar.vcpus.len()).unwrap_or(u32::MAX);
    tree.node("interrupt-controller", |tree| {
        let kind = "PowerPC-External-Interrupt-Presentation";
        tree.text("device_type", kind);
        tree.text("compatible", "IBM,ppc-xicp");
        tree.flag("interrupt-controller");
        tree.cell("#address-cells", 0);
        tree.cell("#interrupt-cells", 2);
        tree.cells("ibm,interrupt-server-ranges", &[0, servers]);
        tree.phandle(XICS)
    })
}

/// Writes the virtual devices: the terminal, Ethernet adapters.
pub(super) fn vdevice(tree: &mut Tree, lpar: &Lpar) {
    tree.node("vdevice", |tree| {
        tree.text("device_type", "vdevice");
        tree.text("compatible", "IBM,vdevice");
        tree.cell("#address-cells", 1);
        tree.cell("#size-cells", 0);
        tree.cell("#interrupt-cells", 2);
        tree.flag("interrupt-controller");
        tree.cell("ibm,max-virtual-dma-size", llan::MAX_BUFFER_BYTES);
        tree.node(&format!("vty@{VTERM:x}"), |tree| {
            tree.text("device_type", "serial");
            tree.text("compatible", "hvterm1");
            tree.cell("reg", VTERM as u32)
        });
        (vio::FIRST_ETHERNET..)
            .zip(&lpar.ethernet)
            .for_each(|(unit, adapter)| ethernet(tree, unit, adapter))
    })
}

/// Writes the Ethernet adapter with unit address `unit`. Source: LoPAR 2.9, "Logical LAN Device Tree Node".
#[inline(never)]
fn ethernet(tree: &mut Tree, unit: u32, adapter: &Adapter) {
    let settings = adapter.settings();
    tree.node(&format!("l-lan@{unit:x}"), |tree| {
        for (name, text) in [
            ("device_type", "network"),
            ("compatible", "IBM,l-lan"),
            ("supported-network-types", NETWORK),
            ("chosen-network-type", NETWORK),
        ] {
            tree.text(name, text);
        }
        for (name, cell) in [
            ("reg", unit),
            ("ibm,#dma-address-cells", 2),
            ("ibm,#dma-size-cells", 2),
            ("ibm,mac-address-filters", llan::MAX_FILTERS as u32),
            ("max-frame-size", llan::MAX_FRAME_BYTES),
            ("address-bits", 48),
        ] {
            tree.cell(name, cell);
        }
        tree.text("ibm,loc-code", &format!("V1-C{}", unit & 0xffff));
        let [high, low] = split(vio::WINDOW_BYTES);
        let window = [settings.liobn.0, 0, 0, high, low];
        tree.cells("ibm,my-dma-window", &window);
        tree.cells("interrupts", &[settings.irq.0, 0]);
        let [_, _, mac @ ..] = settings.mac.to_be_bytes();
        tree.bytes("local-mac-address", &mac)
    })
}

/// Writes the interrupts that tell of events. Source: LoPAR 2.9, "Event Sources Node".
pub(super) fn event_sources(tree: &mut Tree) {
    let irq = vio::EPOW_IRQ.0;
    tree.node("event-sources", |tree| {
        tree.text("device_type", "event-sources");
        tree.flag("interrupt-controller");
        tree.cell("#interrupt-cells", 2);
        tree.cells("interrupt-ranges", &[irq, 1]);
        // Its end is told, as a message's is.
        tree.node("epow-events", |tree| tree.cells("interrupts", &[irq, 0]))
    })
}

/// Writes the random number facility, if the machine has one.
pub(super) fn random(tree: &mut Tree, lpar: &Lpar) {
    if !has_random(lpar) {
        return;
    }
    tree.node("ibm,platform-facilities", |tree| {
        tree.text("device_type", "ibm,platform-facilities");
        tree.cell("#address-cells", 1);
        tree.cell("#size-cells", 0);
        tree.node("ibm,random-v1@0", |tree| {
            tree.text("device_type", "ibm,random-v1");
            tree.text("compatible", "ibm,random");
            tree.cell("reg", 0)
        })
    })
}
