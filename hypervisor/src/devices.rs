//! The machine's PCI functions: which partition gets which.

use crate::bridge::{Bridge, start_all};
use crate::memory;
use crate::stop::{self, Reason};
use alloc::format;
use alloc::vec::Vec;
use bundle::Partition as Image;
use ioda::Ioda;
use lock::Mutex;
use lpar::dma::DmaWindow;
use lpar::mmio::MmioRange;
use lpar::pci::PciFunction;
use lpar_pci::{Access, AssignError, Given, Owner, Owners, TransferError, Wish};
use map_dump::{BridgeView, Grant, Record};
use pci::Path;
use powernv::MachineInfo;
use spin::Once;

static BRIDGES: Once<Vec<Bridge>> = Once::new();
static OWNERS: Mutex<Owners> = Mutex::new(Owners::new());

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

fn grant(owner: &Owner) -> Grant {
    Grant {
        index: owner.index,
        lpid: owner.lpid,
        window: owner.window,
        msis: owner.block,
        lsi: owner.lsi,
    }
}

/// Gives who owns what of every bridge, as records of a map.
pub(crate) fn map(to: &mut dyn FnMut(Record<'_>)) {
    for (number, bridge) in bridges().iter().enumerate() {
        let caps = *bridge.host.lock().caps();
        let view = BridgeView {
            phb: bridge.index,
            caps: &caps,
            first_msi: map_dump::first_msi(bridge.port),
            topology: &bridge.topology,
            plan: &bridge.plan,
        };
        let owners = OWNERS.lock();
        let grant_of = |index| {
            let mut its = owners.iter();
            let owner = its.find(|owner| (owner.bridge, owner.index) == (number, index))?;
            Some(grant(owner))
        };
        map_dump::bridge(&view, &grant_of, to);
    }
}

/// Returns who owns a function of the bridge that is `number` in [`bridges`]: its window, the partition's id, where the
/// function is.
pub(crate) fn owners_of(number: usize) -> Vec<(ioda::DmaWindow, u32, Path)> {
    let owners = OWNERS.lock();
    let its = owners.iter().filter(|owner| owner.bridge == number);
    its.filter_map(|owner| {
        let functions = &bridges().get(number)?.topology.functions;
        Some((owner.window, owner.lpid, functions.get(owner.index)?.path))
    })
    .collect()
}

/// Gives a function, which was reset, to partition `lpid` in place of its owner.
///
/// # Errors
/// [`TransferError`]: it is nobody's then.
pub(crate) fn transfer(access: &Access<Bridge>, lpid: u32) -> Result<(), TransferError> {
    OWNERS.lock().transfer(bridges(), access, lpid)
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
    pub(crate) accesses: Vec<&'static Access<Bridge>>,
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
        match assign_one(lpid, &device) {
            Ok(given) => {
                owned.mmio.extend(given.mmio);
                owned.windows.push(given.window);
                owned.functions.push(PciFunction::new(given.function));
                owned.accesses.push(given.access);
            }
            Err(problem) => {
                log::error!(
                    "partition {}: device {}: {problem}",
                    image.name,
                    device.path
                );
                stop::machine(Reason::BadBundle);
            }
        }
    }
    owned
}

fn assign_one(lpid: u32, device: &bundle::Device) -> Result<Given<Bridge>, AssignError> {
    let root = Path::root(device.path.phb());
    let mut hops = device.path.hops().iter();
    let path = hops.try_fold(root, |path, &hop| path.child(hop));
    let path = path.ok_or(AssignError::NoFunction)?;
    let wish = Wish {
        window_bytes: device.dma_window_bytes,
        msis: device.msi_quota,
    };
    let take = |bytes, align| memory::take_zeroed(bytes, align).ok();
    OWNERS.lock().assign(bridges(), &path, lpid, wish, take)
}
