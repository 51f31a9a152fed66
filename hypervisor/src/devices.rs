//! The machine's PCI functions: which partition owns which, and what a partition's calls do to its own.

use crate::bridge::{Bridge, start_all};
use crate::function::{Access, Flush};
use crate::host;
use crate::memory::{self, keep};
use crate::stop::{self, Reason};
use alloc::format;
use alloc::vec::Vec;
use bundle::Partition as Image;
use ioda::{Ioda, IrqBackend, IrqKind, MsiSource, TceFlush, TceTable};
use lpar::Lpar;
use lpar::dma::DmaWindow;
use lpar::mmio::MmioRange;
use lpar::pci::{BarSpace, Buid, PciAccess, PciBar, PciFunction, PciFunctionConfig, PciIds};
use papr_abi::{GuestRealAddr, IoAddr, Irq, Liobn, RealAddr};
use pci::{BarKind, Function, FunctionPlan, GuestFunction, Intx, Path};
use powernv::MachineInfo;
use spin::{Mutex, Once};

static BRIDGES: Once<Vec<Bridge>> = Once::new();
/// Which device, by bridge and index in its topology, belongs to which partition (by lpid), and which
/// INTx wires are taken.
static OWNERS: Mutex<Vec<Owner>> = Mutex::new(Vec::new());

struct Owner {
    bridge: usize,
    index: usize,
    lpid: u32,
    lsi: Option<u32>,
    window: ioda::DmaWindow,
    block: Option<ioda::MsiBlock>,
}

/// The most messages a function is given: one block of the bridge, whose messages share an address.
const MOST_MSIS: u16 = 32;

/// Brings up the bridges.
pub(crate) fn start(info: &MachineInfo<'_>) {
    BRIDGES.call_once(|| start_all(info));
}

/// Returns the bridges that work.
pub(crate) fn bridges() -> &'static [Bridge] {
    BRIDGES.get().map_or(&[], Vec::as_slice)
}

/// Logs every function with its ids, endpoint, owner and BARs.
pub(crate) fn report() {
    let owners = OWNERS.lock();
    for (number, bridge) in bridges().iter().enumerate() {
        for (index, (function, plan)) in bridge
            .topology
            .functions
            .iter()
            .zip(&bridge.plan.functions)
            .enumerate()
        {
            let owner = owners
                .iter()
                .find(|owner| owner.bridge == number && owner.index == index);
            let (owner, pe) = match owner {
                Some(owner) => (format!("partition {}", owner.lpid), plan.pe),
                None if function.is_endpoint() => {
                    ("nobody".into(), bridge.host.lock().caps().reserved_pe)
                }
                None => (
                    "the hypervisor".into(),
                    bridge.host.lock().caps().reserved_pe,
                ),
            };
            log::info!(
                "  {function} class {:06x}: {pe}, owned by {owner}",
                function.class
            );
            for (bar, place) in plan.bars.iter().enumerate() {
                if let Some(place) = place {
                    log::info!(
                        "    BAR {bar}: {:#x} bytes at {:#x}, bus {:#x}",
                        place.bytes,
                        place.real,
                        place.pci
                    );
                }
            }
        }
    }
}

/// Returns what was given away of the bridge that is `number` in [`bridges`].
pub(crate) fn grants(number: usize) -> Vec<map_dump::Grant> {
    let owners = OWNERS.lock();
    let its = owners.iter().filter(|owner| owner.bridge == number);
    its.map(|owner| map_dump::Grant {
        index: owner.index,
        lpid: owner.lpid,
        window: owner.window,
        msis: owner.block,
        lsi: owner.lsi,
    })
    .collect()
}

/// What the devices of a partition's manifest have become.
pub(crate) struct Owned {
    /// Their registers.
    pub(crate) mmio: Vec<MmioRange>,
    /// Their DMA windows.
    pub(crate) windows: Vec<DmaWindow>,
    /// The functions.
    pub(crate) functions: Vec<PciFunction>,
    /// The way to each.
    pub(crate) accesses: Vec<&'static Access>,
}

/// Gives the devices that `image` names to partition `lpid`. Stops the machine when one does not exist
/// or cannot be given.
pub(crate) fn assign(lpid: u32, image: &Image<'_>) -> Owned {
    let mut owned = Owned {
        mmio: Vec::new(),
        windows: Vec::new(),
        functions: Vec::new(),
        accesses: Vec::new(),
    };
    for device in image.devices() {
        if let Err(problem) = assign_one(lpid, &device, &mut owned) {
            log::error!(
                "partition {}: device {}: {problem}",
                image.name,
                device.path
            );
            stop::machine(Reason::BadBundle);
        }
    }
    owned
}

fn assign_one(
    lpid: u32,
    device: &bundle::Device,
    owned: &mut Owned,
) -> Result<(), alloc::string::String> {
    let mut path = Some(Path::root(device.path.phb()));
    for &hop in device.path.hops() {
        path = path.and_then(|path| path.child(hop));
    }
    let found = path.and_then(|path| {
        let (number, bridge) = bridges()
            .iter()
            .enumerate()
            .find(|(_, bridge)| bridge.index == path.phb())?;
        let (index, function) = bridge.topology.find(&path)?;
        Some((
            number,
            bridge,
            index,
            function,
            bridge.plan.functions.get(index)?,
        ))
    });
    let Some((number, bridge, index, function, plan)) = found else {
        return Err("the machine has no such function; the log lists all it has".into());
    };
    let mut owners = OWNERS.lock();
    // Behind a bridge to conventional PCI several functions are one requester, so one endpoint.
    let shares = |owner: &&Owner| {
        let other = bridge.plan.functions.get(owner.index);
        owner.bridge == number && other.is_some_and(|other| other.pe == plan.pe)
    };
    if let Some(other) = owners.iter().find(shares) {
        return Err(format!(
            "the bridge above it makes it one with a function of partition {}: give away only one of them",
            other.lpid
        ));
    }
    let lsi = intx_source(bridge, function)
        .filter(|irq| !owners.iter().any(|owner| owner.lsi == Some(*irq)));
    let wire = if lsi.is_some() {
        Intx::Granted
    } else {
        Intx::Denied
    };
    let Some(guest) = GuestFunction::new(function, plan, wire) else {
        return Err("it is a bridge; name the function behind it".into());
    };
    if let Some(other) = owners
        .iter()
        .find(|owner| owner.bridge == number && owner.index == index)
    {
        return Err(format!("it belongs to partition {} already", other.lpid));
    }
    let mut host = bridge.host.lock();
    bridge
        .plan
        .activate(&bridge.topology, index, &mut *host)
        .map_err(|error| format!("{error}"))?;
    // The window, and the messages.
    let pages = host::window_bytes(host.caps(), device.dma_window_bytes) >> 12;
    let (cells, real) = memory::take_zeroed(pages * 8, (pages * 8).max(4096))
        .map_err(|_| format!("dma_window: no memory for its table of {pages} entries"))?;
    let table = TceTable::new(cells, real, 12).ok_or("dma_window: its table is impossible")?;
    let window = host
        .dma_create(plan.pe, &table, None)
        .map_err(|error| format!("dma_window: {error}"))?;
    let want = device.msi_quota.min(MOST_MSIS).min(host.msi_block_max());
    let block = if function.msi.is_some() || function.msix.is_some() {
        let count = if want.is_power_of_two() {
            want
        } else {
            want.next_power_of_two() / 2
        };
        Some(
            host.msi_alloc(plan.pe, count.max(1))
                .map_err(|error| format!("msi_quota: {error}"))?,
        )
    } else {
        None
    };
    if lsi.is_none() && function.intx.is_some() {
        log::warn!("{function}: its INTx wire is another function's: it has messages only");
    }
    owners.push(Owner {
        bridge: number,
        index,
        lpid,
        lsi,
        window,
        block,
    });
    let liobn = Liobn(0x8000_0000 | u32::from(bridge.index) << 16 | u32::from(plan.pe.0));
    let flush = keep(Flush::new(bridge.port, window));
    let made = DmaWindow::new(liobn, IoAddr(window.bus_base), 12, cells, flush);
    owned
        .windows
        .push(made.map_err(|error| format!("dma_window: {error:?}"))?);
    drop(host);
    owned
        .mmio
        .extend(plan.bars.iter().flatten().map(|place| MmioRange {
            start: GuestRealAddr(place.real),
            // Up to the next step nothing else lies behind a BAR, so whole pages of 64 KiB can be given.
            bytes: place.bytes.next_multiple_of(pci::BAR_STEP),
        }));
    let access = keep(Access::new(bridge, guest, block));
    access.release_msi();
    owned.accesses.push(access);
    owned.functions.push(PciFunction::new(PciFunctionConfig {
        buid: Buid(0x0800_0000_0000_0000 | u64::from(liobn.0)),
        location: format!("{}", function.path),
        ids: ids(function),
        bars: bars(function, plan),
        lsi: lsi.map(Irq),
        first_msi: Irq(block.map_or(0, |block| block.first.0)),
        reserved_msis: block.map_or(0, |block| block.count.into()),
        msi_capability: function.msi.map_or(0, |cap| cap.vectors.into()),
        msix_capability: function.msix.map_or(0, |cap| cap.vectors.into()),
        liobn,
        window_start: window.bus_base,
        window_bytes: window.bytes,
        access,
    }));
    Ok(())
}

fn ids(function: &Function) -> PciIds {
    PciIds {
        vendor: function.vendor,
        device: function.device,
        class: function.class,
        revision: function.revision,
        subsystem_vendor: function.subsystem.0,
        subsystem: function.subsystem.1,
    }
}

fn bars(function: &Function, plan: &FunctionPlan) -> Vec<PciBar> {
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

/// The machine's number of the source that the function's INTx wire ends at. Each bridge turns the
/// wires by the device number below it (PCI-to-PCI Bridge Architecture 1.2, 9.1).
fn intx_source(bridge: &Bridge, function: &Function) -> Option<u32> {
    let mut wire = function.intx?;
    let mut at = function;
    while let Some(parent) = at
        .parent
        .and_then(|index| bridge.topology.functions.get(index))
    {
        wire = (wire + at.bdf.device()) % 4;
        at = parent;
    }
    bridge
        .port
        .irqs()
        .find(|&irq| bridge.port.kind(ioda::Irq(irq)) == Some(IrqKind::Lsi(wire)))
}

/// Silences all functions of a partition: no DMA, no message comes from them afterwards.
pub(crate) fn quiesce(lpar: &Lpar, accesses: &[&Access]) {
    for access in accesses {
        access.silence();
    }
    for window in lpar.dma.iter() {
        window.clear_all();
    }
    for bridge in bridges() {
        if bridge.port.tce_wait().is_err() {
            log::warn!("phb{}: DMA does not end", bridge.index);
        }
    }
}
