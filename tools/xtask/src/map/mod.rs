//! `map`: draws who owns what of the PCI host bridges.
//!
//! Before boot from a manifest and a device tree, after boot from what the hypervisor printed (docs/map.md). The drawing is
//! the crate `machine-map`'s.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use machine_map::{Generation, Ink, Map, Owner, PlannedPhb, Want};
use regex::Regex;

use crate::manifest::Manifest;
use crate::workspace::{Workspace, read_log};
use crate::{build, guests, run, setup, ui};

mod tree;

/// How long the hypervisor may take to print its map.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Draws who owns what of the PCI host bridges: functions, PEs, MMIO segments and windows, DMA windows, interrupts.
///
/// Without --dump or --run it is what can be known before boot.
#[derive(Debug, Args)]
pub(crate) struct MapArguments {
    /// The manifest.
    #[arg(long, value_name = "FILE", default_value = "examples/linux.toml")]
    manifest: PathBuf,
    /// The machine's device tree, as a blob; that of the manifest's QEMU machine if not given.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dump", "run"])]
    dtb: Option<PathBuf>,
    /// A console log with what the hypervisor printed (`cargo xtask run --map`); `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    dump: Option<PathBuf>,
    /// Boots the manifest and takes what the hypervisor prints.
    #[arg(long)]
    run: bool,
    /// Writes an SVG picture instead of text.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Draws this bridge alone.
    #[arg(long, value_name = "INDEX")]
    phb: Option<u8>,
}

/// Runs as `arguments` say.
pub(crate) fn map(workspace: &Workspace, arguments: &MapArguments) -> Result<()> {
    let mut map = match &arguments.dump {
        Some(file) => {
            let log = read_log(file)?;
            Map::from_dump(&log).with_context(|| file.display().to_string())?
        }
        None if arguments.run => boot(workspace, &arguments.manifest)?,
        None => planned(workspace, arguments)?,
    };
    if let Some(index) = arguments.phb {
        let known: Vec<String> = map.phbs.iter().map(|phb| phb.index.to_string()).collect();
        if !map.keep_phb(index) {
            bail!(
                "there is no bridge {index}. Remedy: one of {}",
                known.join(", ")
            );
        }
    }
    match &arguments.svg {
        Some(file) => std::fs::write(file, map.svg())
            .with_context(|| format!("{} cannot be written", file.display()))?,
        // Colours are taken out again where they are not wanted: no terminal, NO_COLOR.
        None => anstream::print!("{}", map.text(Ink::Colour)),
    }
    Ok(())
}

fn boot(workspace: &Workspace, manifest: &Path) -> Result<Map> {
    qemu_run::stop_all_on_interrupt(|| ());
    setup::tools()?;
    let text = std::fs::read_to_string(manifest).unwrap_or_default();
    guests::provide(workspace, &guests::needed_by(&text))?;
    build::build(workspace)?;
    let machine = run::prepare(workspace, &workspace.image(), manifest, "")?
        .arg("-append")
        .arg(run::MAP_ARGUMENT);
    ui::step("booting until the hypervisor has printed its map");
    let log = workspace.logs().join("map.log");
    let mut session = machine.spawn(&log)?;
    session.wait_for(&Regex::new(r"^bulkhead\| map1 end ")?, TIMEOUT)?;
    let _ = session.stop();
    Map::from_dump(&read_log(&log)?).with_context(|| workspace.show(&log))
}

fn planned(workspace: &Workspace, arguments: &MapArguments) -> Result<Map> {
    let manifest = Manifest::load_plan(workspace, &arguments.manifest)?;
    let phbs = match &arguments.dtb {
        Some(file) => {
            let blob = std::fs::read(file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            tree::phbs(&blob).with_context(|| file.display().to_string())?
        }
        None => {
            let named = named(&manifest);
            tree::of_qemu(&named).unwrap_or_else(|error| {
                ui::note(format!(
                    "the device tree of QEMU's machine cannot be had: {error:#}"
                ));
                ui::note("drawn are PHB3 bridges where the manifest names some");
                let phb3 = |index| PlannedPhb {
                    index,
                    generation: Generation::Ioda2,
                };
                named.into_iter().map(phb3).collect()
            })
        }
    };
    plan(&manifest, &phbs)
}

/// The bridges that a manifest names.
fn named(manifest: &Manifest) -> BTreeSet<u8> {
    let machine = manifest.machine.iter().flat_map(|part| &part.devices);
    let given = manifest.partitions.iter().flat_map(|part| &part.devices);
    machine
        .map(|device| device.at.phb())
        .chain(given.map(|device| device.path.phb()))
        .collect()
}

fn plan(manifest: &Manifest, phbs: &[PlannedPhb]) -> Result<Map> {
    let names: Vec<&str> = manifest
        .partitions
        .iter()
        .map(|partition| partition.name.as_str())
        .collect();
    let mut map = Map::planned(phbs, &names);
    let mut place = |at: String, owner, want| -> Result<()> {
        let path = at.parse().map_err(|error| anyhow!("{at}: {error}"))?;
        if !map.want(path, owner, want) {
            bail!(
                "the machine has no bridge for {at}. Remedy: correct the manifest, or name another --dtb"
            );
        }
        Ok(())
    };
    for device in manifest.machine.iter().flat_map(|part| &part.devices) {
        let want = Want {
            model: Some(device.model.clone()),
            ..Want::default()
        };
        place(device.at.to_string(), Owner::Nobody, want)?;
    }
    for (partition, lpid) in manifest.partitions.iter().zip(1u32..) {
        for device in &partition.devices {
            let want = Want {
                model: None,
                dma_bytes: Some(device.dma_window_bytes),
                msi_quota: Some(device.msi_quota),
            };
            place(device.path.to_string(), Owner::Partition(lpid), want)?;
        }
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_and_a_tree_make_a_map() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folder = tempfile::tempdir().expect("a folder");
        let text = "[machine]\n\
            [[machine.device]]\nat = \"phb0/00.0/00.0\"\nmodel = \"pcie-pci-bridge\"\n\
            [[machine.device]]\nat = \"phb0/00.0/00.0/01.0\"\nmodel = \"edu\"\n\
            [[machine.device]]\nat = \"phb1/00.0/00.0\"\nmodel = \"edu\"\n\
            [[partition]]\nname = \"one\"\nmemory = \"64M\"\ncpus = 1\nkernel = \"kernel\"\nload-address = 0\n\
            [[partition.device]]\nat = \"phb0/00.0/00.0/01.0\"\ndma-window = \"256M\"\nmsi-quota = 4\n";
        let file = folder.path().join("m.toml");
        std::fs::write(&file, text).expect("written");
        // Its kernel is not there, and not needed.
        let manifest = Manifest::load_plan(&Workspace::at(folder.path()), &file).expect("sound");
        assert_eq!(named(&manifest), BTreeSet::from([0, 1]));
        let blob = std::fs::read(root.join("platform/powernv/testdata/powernv8.dtb"));
        let phbs = tree::phbs(&blob.expect("kept")).expect("a tree");
        assert_eq!(phbs.iter().map(|phb| phb.index).collect::<Vec<_>>(), [0, 1]);
        let text = plan(&manifest, &phbs).expect("it fits").text(Ink::Plain);
        for line in [
            "     └─ 01.0 edu",
            "A one",
            "A 256 MiB for phb0/00.0/00.0/01.0, address at boot",
            "A up to 4 for phb0/00.0/00.0/01.0",
            "phb1  PHB3 (IODA2)",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        let error = plan(&manifest, &phbs[..1]).expect_err("no bridge 1");
        assert!(error.to_string().contains("no bridge for phb1/00.0/00.0"));
    }
}
