//! Bridges out of a machine's device tree.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use machine_map::{Generation, PlannedPhb};
use powernv::MachineInfo;

use crate::fdt::qmp;

/// Where QEMU's powernv machines put the device tree, and the most bytes of one. Source: QEMU `hw/ppc/pnv.c`.
const QEMU_TREE: u64 = 0x0100_0000;
const QEMU_TREE_BYTES: u64 = 0x10_0000;

/// The bridges that the device tree `blob` names, with their indices in locations.
pub(super) fn phbs(blob: &[u8]) -> Result<Vec<PlannedPhb>> {
    let info = MachineInfo::from_fdt(blob).map_err(|error| anyhow!("{error}"))?;
    let mut phbs = Vec::new();
    for phb in &info.phbs {
        // As the hypervisor counts them, over all chips.
        let index = if phb.chip == 0 {
            phb.index as usize
        } else {
            phbs.len()
        };
        phbs.push(PlannedPhb {
            index: u8::try_from(index).context("more bridges than locations can name")?,
            generation: Generation::Ioda2,
        });
    }
    Ok(phbs)
}

/// The bridges of QEMU's machine when it has those of `indices`, from the tree that firmware would meet there.
pub(super) fn of_qemu(indices: &BTreeSet<u8>) -> Result<Vec<PlannedPhb>> {
    qemu_run::stop_all_on_interrupt(|| ());
    // Short and private: a unix socket's path has little room, and nobody else should talk to QEMU.
    let folder = std::env::temp_dir().join(format!("bulkhead-map-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let blob = read_tree(indices, &folder);
    std::fs::remove_dir_all(&folder)?;
    phbs(&blob?)
}

fn read_tree(indices: &BTreeSet<u8>, folder: &Path) -> Result<Vec<u8>> {
    /// How long QEMU may take to open its socket.
    const PATIENCE: u32 = 200;
    let (firmware, socket, dump) = (folder.join("rom"), folder.join("qmp"), folder.join("tree"));
    // It never runs: the machine is only there to make its tree.
    std::fs::write(&firmware, [0; 64])?;
    let machine = qemu_run::Machine::new(firmware)
        .memory_mib(1024)
        .cpus(1)
        .qmp(&socket)
        .arg("-S");
    let machine = indices
        .iter()
        .fold(machine, |machine, index| machine.phb(*index));
    let session = machine.spawn(&folder.join("log"))?;
    for _ in 0..PATIENCE {
        if socket.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    ensure!(socket.exists(), "QEMU does not start");
    qmp::save_memory(&socket, QEMU_TREE, QEMU_TREE_BYTES, &dump)?;
    drop(session);
    std::fs::read(&dump).context("QEMU has written no tree")
}
