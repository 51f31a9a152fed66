//! Virtual Ethernet between partitions: their adapters with what these need of the machine's memory, and the
//! LANs that they are on.

use crate::memory::{self, keep};
use crate::partition::Partition;
use alloc::vec::Vec;
use bundle::Partition as Image;
use llan::{Adapter, Lan, MAX_BUFFERS};
use lpar::dma::{DmaWindow, NoBridge};
use lpar::vio;
use papr_abi::{IoAddr, tce};

/// The adapters of a partition, and their windows.
type Made = (Vec<&'static Adapter>, Vec<DmaWindow>);

/// Makes the adapters of `image`, connected to nothing yet.
///
/// # Errors
/// Why one cannot be made.
pub(crate) fn make(image: &Image<'_>) -> Result<Made, &'static str> {
    let take = |bytes| memory::take(bytes, 4096).map_err(|_| "no memory is left for it");
    let (mut adapters, mut windows) = (Vec::new(), Vec::new());
    for (number, ethernet) in (0..).zip(image.ethernets()) {
        let [a, b, c, d, e, f] = ethernet.mac;
        let mac = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let settings = vio::settings(number, mac);
        let (table, _) = take((vio::WINDOW_BYTES >> tce::PAGE_SHIFT) * 8)?;
        let (store, _) = take(MAX_BUFFERS as u64 * 8)?;
        let window = DmaWindow::new(settings.liobn, IoAddr(0), tce::PAGE_SHIFT, table, &NoBridge);
        windows.push(window.map_err(|_| "its window cannot be")?);
        adapters.push(keep(Adapter::new(settings, store)));
    }
    Ok((adapters, windows))
}

/// Connects all adapters of `partitions`: those that name the same switch and VLAN with each other.
pub(crate) fn connect(partitions: &'static [Partition]) {
    let mut left = Vec::new();
    for partition in partitions {
        for (named, adapter) in partition.image.ethernets().zip(&partition.lpar.ethernet) {
            left.push((named.switch, named.vlan, partition, *adapter));
        }
    }
    while let Some(&(switch, vlan, ..)) = left.first() {
        let mut members = Vec::new();
        left.retain(|&(other, number, partition, adapter)| {
            let on_it = (other, number) == (switch, vlan);
            if on_it {
                members.push((partition, adapter));
            }
            !on_it
        });
        log::info!("switch {switch}, VLAN {vlan}: {} adapter(s)", members.len());
        let lan = keep(Lan::new(members.iter().map(|member| member.1).collect()));
        for (partition, adapter) in members {
            adapter.connect(&partition.lpar, lan);
        }
    }
}
