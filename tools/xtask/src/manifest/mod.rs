//! The manifest: one TOML file with the partitions of a machine, and the QEMU machine to try them on.
//!
//! [`Manifest::load`] checks it completely and reports everything that is wrong at once, each time with file, line, key,
//! value and remedy. docs/manifest.md describes the keys.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bundle::build::{EthernetSpec, Load, PartitionSpec};
use bundle::{AfterCrash, Console, Device, DevicePath, Processors};
use qemu_run::{Machine, disk};

use crate::ui;
use crate::workspace::Workspace;

mod check;
mod ethernet;
mod kernel;
mod processors;
mod reader;
mod report;
mod section;
#[cfg(test)]
mod tests;

/// The most that QEMU loads into the initrd area, in bytes.
const MAX_BUNDLE_BYTES: u64 = 128 << 20;

/// A manifest that was found to be sound.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    /// What QEMU is to have; without it the manifest is for a machine that exists already.
    pub(crate) machine: Option<MachinePart>,
    /// The partitions, at least one.
    pub(crate) partitions: Vec<PartitionPart>,
}

/// The QEMU machine of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MachinePart {
    pub(crate) memory_mib: u64,
    pub(crate) cpus: u32,
    pub(crate) devices: Vec<MachineDevice>,
}

/// One of its devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MachineDevice {
    pub(crate) at: DevicePath,
    /// As after QEMU's `-device`.
    pub(crate) model: String,
    /// The disk image of an NVMe controller and its size in bytes.
    pub(crate) disk: Option<(PathBuf, u64)>,
}

/// One partition.
#[derive(Debug, Clone)]
pub(crate) struct PartitionPart {
    pub(crate) name: String,
    pub(crate) memory_bytes: u64,
    pub(crate) cpus: u32,
    pub(crate) processors: Processors,
    pub(crate) console: Console,
    /// What follows when it has crashed.
    pub(crate) after_crash: AfterCrash,
    pub(crate) kernel: PathBuf,
    pub(crate) load: Load,
    pub(crate) initrd: Option<PathBuf>,
    pub(crate) command_line: String,
    pub(crate) devices: Vec<Device>,
    pub(crate) ethernets: Vec<EthernetSpec>,
}

/// Whether kernels and initrds are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Images {
    /// They are, and checked.
    Checked,
    /// They need not even be there.
    Unread,
}

fn text_of(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| {
        format!(
            "the manifest {} cannot be read. Remedy: name one with --manifest; examples/ has some",
            file.display()
        )
    })
}

impl Manifest {
    /// Reads and checks the manifest `file`; an error lists all that is wrong.
    pub(crate) fn load(workspace: &Workspace, file: &Path) -> Result<Self> {
        Self::parse(workspace, file, &text_of(file)?)
    }

    /// The same without looking at kernels and initrds: to plan with, not to pack.
    pub(crate) fn load_plan(workspace: &Workspace, file: &Path) -> Result<Self> {
        Self::read(workspace, file, &text_of(file)?, Images::Unread)
    }

    fn parse(workspace: &Workspace, file: &Path, text: &str) -> Result<Self> {
        Self::read(workspace, file, text, Images::Checked)
    }

    fn read(workspace: &Workspace, file: &Path, text: &str, images: Images) -> Result<Self> {
        let mut report = report::Report::new(workspace.show(file), text);
        let folder = file.parent().unwrap_or(Path::new("."));
        let manifest = reader::read(
            &mut report,
            &section::Places {
                folder,
                target: workspace.target(),
            },
            images,
        );
        report.finish()?;
        manifest.context("the manifest has no content")
    }

    /// Packs the partitions and their images; `append` is added to every partition's command line.
    pub(crate) fn pack(&self, append: &str) -> Result<Vec<u8>> {
        let read = |path: &Path| {
            std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
        };
        let spec = |part: &PartitionPart| -> Result<PartitionSpec> {
            Ok(PartitionSpec {
                name: part.name.clone(),
                memory_bytes: part.memory_bytes,
                cpus: part.cpus,
                processors: part.processors,
                console: part.console,
                after_crash: part.after_crash,
                kernel: read(&part.kernel)?,
                load: part.load,
                initrd: part.initrd.as_deref().map(read).transpose()?,
                command_line: format!("{} {append}", part.command_line).trim().to_owned(),
                devices: part.devices.clone(),
                ethernets: part.ethernets.clone(),
            })
        };
        let specs = self
            .partitions
            .iter()
            .map(spec)
            .collect::<Result<Vec<_>>>()?;
        let bytes = bundle::build::pack(&specs)?;
        anyhow::ensure!(
            bytes.len() as u64 <= MAX_BUNDLE_BYTES,
            "the bundle has {} MiB, and QEMU takes at most 128. Remedy: smaller images, or partitions that share them",
            bytes.len() >> 20
        );
        Ok(bytes)
    }

    /// Describes the QEMU machine with firmware `image`; makes disk images that are not there.
    pub(crate) fn qemu(&self, image: &Path) -> Result<Machine> {
        let part = self.machine.clone().context(
            "the manifest describes no machine to run on. Remedy: add a section `[machine]` (docs/manifest.md)",
        )?;
        let mut machine = Machine::new(image)
            .memory_mib(part.memory_mib)
            .cpus(part.cpus);
        for device in &part.devices {
            let at = device.at.to_string();
            machine = match (&device.disk, device.model.as_str()) {
                (Some((path, bytes)), _) => {
                    provide_disk(path, *bytes)?;
                    machine.nvme(&at, path)?
                }
                (None, model @ ("e1000e" | "igb")) => machine.nic(&at, model)?,
                (None, model) => machine.device(&at, model)?,
            };
        }
        Ok(machine)
    }
}

/// Makes the disk image `path` unless it is there; what a guest wrote to it is kept.
fn provide_disk(path: &Path, bytes: u64) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    ui::step(format!(
        "making the disk {} ({} MiB)",
        path.display(),
        bytes >> 20
    ));
    disk::create(path, bytes).with_context(|| format!("the disk {} cannot be made", path.display()))
}
