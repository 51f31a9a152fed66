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

/// Bridges of a P7IOC.
const HUB_PHBS: usize = 6;

/// The bridges that the device tree `blob` names, with their indices in locations.
pub(super) fn phbs(blob: &[u8]) -> Result<Vec<PlannedPhb>> {
    let hubs = powernv::io_hubs(blob).map_err(|error| anyhow!("{error}"))?;
    let mut phbs = Vec::new();
    // Hub after hub; a bridge that is absent keeps its number, as a PHB3's index does.
    for (number, hub) in hubs.iter().enumerate() {
        let present = hub.presence.unwrap_or(0xfc);
        let its = (0..HUB_PHBS).filter(|index| present & (0x80 >> index) != 0);
        for index in its {
            phbs.push(planned(number * HUB_PHBS + index, Generation::Ioda1)?);
        }
    }
    if !phbs.is_empty() {
        return Ok(phbs);
    }
    let info = MachineInfo::from_fdt(blob).map_err(|error| anyhow!("{error}"))?;
    for phb in &info.phbs {
        // As the hypervisor counts them, over all chips.
        let index = if phb.chip == 0 {
            phb.index as usize
        } else {
            phbs.len()
        };
        phbs.push(planned(index, Generation::Ioda2)?);
    }
    Ok(phbs)
}

fn planned(index: usize, generation: Generation) -> Result<PlannedPhb> {
    let index = u8::try_from(index).context("more bridges than locations can name")?;
    Ok(PlannedPhb { index, generation })
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

#[cfg(test)]
mod tests {
    use super::*;
    use vm_fdt::FdtWriter;

    #[test]
    fn bridges_of_power7_are_those_of_its_hubs() {
        let mut tree = FdtWriter::new().expect("a tree");
        let root = tree.begin_node("").expect("its root");
        for chip in 0..2u32 {
            let node = tree.begin_node(&format!("io-hub@{chip}")).expect("a node");
            let number = |base: u64, shift: u32| ((base + u64::from(chip)) << shift).to_be_bytes();
            let presence = if chip == 0 { 0xa0u32 } else { 0xfc };
            for (name, value) in [
                ("compatible", b"ibm,p7ioc\0ibm,ioda-hub\0".to_vec()),
                ("ibm,chip-id", chip.to_be_bytes().to_vec()),
                ("ibm,gx-index", vec![0; 4]),
                ("ibm,gx-bar-1", number(0x3e0, 36).to_vec()),
                ("ibm,gx-bar-2", number(0x100, 40).to_vec()),
                ("ibm,buid-ext", (0x20 + chip).to_be_bytes().to_vec()),
                ("ibm,br1-presence-detect", presence.to_be_bytes().to_vec()),
            ] {
                tree.property(name, &value).expect("a property");
            }
            tree.end_node(node).expect("its end");
        }
        tree.end_node(root).expect("its end");
        let phbs = phbs(&tree.finish().expect("the bytes")).expect("two hubs");
        let indices: Vec<u8> = phbs.iter().map(|phb| phb.index).collect();
        assert_eq!(indices, [0, 2, 6, 7, 8, 9, 10, 11]);
        assert!(phbs.iter().all(|phb| phb.generation == Generation::Ioda1));
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        assert!(phbs(&[]).is_err());
        assert!(phbs(&[0xff; 64]).is_err());
    }
}
