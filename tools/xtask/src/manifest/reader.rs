//! From TOML to the manifest's types: what a key's own value can show. `check` compares keys with each other.

use std::path::PathBuf;

use bundle::build::Load;
use bundle::{AfterCrash, Console, Device, Processors};
use toml::de::DeTable;

use super::report::Report;
use super::section::{Field, Places, SIZE_REMEDY, Section};
use super::{
    Images, MachineDevice, MachinePart, Manifest, PartitionPart, check, ethernet, kernel,
    processors,
};

/// A device's DMA window where the manifest gives none.
const DEFAULT_DMA_WINDOW_BYTES: u64 = 1 << 30;
/// A device's MSI quota where the manifest gives none.
const DEFAULT_MSI_QUOTA: u16 = 16;
/// Size of a disk image where the manifest gives none.
const DEFAULT_DISK_BYTES: u64 = 64 << 20;

/// A partition with the places that later checks point at.
pub(crate) struct PartitionFields {
    pub(crate) name: Field<String>,
    pub(crate) memory_bytes: Field<u64>,
    pub(crate) cpus: Field<u32>,
    pub(crate) processors: Field<Processors>,
    pub(crate) devices: Vec<Field<Device>>,
    pub(crate) ethernets: Vec<ethernet::Fields>,
    pub(crate) console: Console,
    pub(crate) after_crash: AfterCrash,
    pub(crate) kernel: Field<PathBuf>,
    pub(crate) raw: Option<(Field<u64>, Option<Field<u64>>)>,
    pub(crate) initrd: Option<Field<PathBuf>>,
    pub(crate) command_line: String,
}

/// The machine with the places that later checks point at.
pub(crate) struct MachineFields {
    pub(crate) memory_bytes: u64,
    pub(crate) cpus: u32,
    pub(crate) devices: Vec<Field<MachineDevice>>,
}

/// Reads a whole manifest; `None`, or something incomplete, goes with complaints in `report`.
pub(super) fn read(
    report: &mut Report<'_>,
    places: &Places<'_>,
    images: Images,
) -> Option<Manifest> {
    let document = match DeTable::parse(report.text) {
        Ok(document) => document,
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            let line = report
                .text
                .get(span.start..)
                .and_then(|rest| rest.lines().next())
                .unwrap_or("")
                .to_owned();
            report.add(
                "",
                line,
                span,
                format!("this is no TOML: {}", error.message()),
                "correct the syntax (toml.io)",
            );
            return None;
        }
    };
    let mut top = Section::new(String::new(), document.get_ref(), 0..0);
    let machine = top
        .table(report, "machine")
        .map(|mut section| read_machine(report, places, &mut section));
    let switches = ethernet::read_switches(report, &mut top);
    let sections = top.tables(report, "partition");
    if sections.is_empty() {
        report.add(
            "",
            "partition",
            0..0,
            "no partition is described",
            "add a section `[[partition]]` (docs/manifest.md)",
        );
    }
    let mut partitions: Vec<_> = sections
        .into_iter()
        .filter_map(|section| read_partition(report, places, section))
        .collect();
    top.finish(report);
    check::together(report, machine.as_ref(), &partitions);
    ethernet::together(report, &switches, &mut partitions);
    let partitions = partitions.into_iter().filter_map(|fields| match images {
        Images::Checked => kernel::check_images(report, places, fields),
        // How it is loaded is not known then, and nobody asks.
        Images::Unread => Some(fields.into_part(Load::Elf)),
    });
    Some(Manifest {
        partitions: partitions.collect(),
        machine: machine.map(MachineFields::into_part),
    })
}

fn read_machine(
    report: &mut Report<'_>,
    places: &Places<'_>,
    section: &mut Section<'_>,
) -> MachineFields {
    let memory = section.size(report, "memory");
    if let Some(memory) = &memory
        && (memory.value < 1 << 30 || memory.value % (1 << 20) != 0)
    {
        let problem = "the machine has whole mebibytes and at least 1 GiB";
        section.complain(
            report,
            "memory",
            memory.span.clone(),
            problem,
            "give it \"1G\" or more",
        );
    }
    let cpus = section.integer(report, "cpus", 1, 12);
    let devices = section.tables(report, "device");
    let devices = devices
        .into_iter()
        .filter_map(|device| read_machine_device(report, places, device))
        .collect();
    section.finish(report);
    MachineFields {
        memory_bytes: memory.map_or(2 << 30, |memory| memory.value),
        cpus: cpus.map_or(2, |cpus| cpus.value as u32),
        devices,
    }
}

impl MachineFields {
    fn into_part(self) -> MachinePart {
        let devices = self
            .devices
            .into_iter()
            .map(|device| device.value)
            .collect();
        MachinePart {
            memory_mib: self.memory_bytes >> 20,
            cpus: self.cpus,
            devices,
        }
    }
}

fn read_machine_device(
    report: &mut Report<'_>,
    places: &Places<'_>,
    mut section: Section<'_>,
) -> Option<Field<MachineDevice>> {
    let at = section.path(report);
    let model = section.required_string(
        report,
        "model",
        "name a device of QEMU, like \"nvme\", \"e1000e\" or \"edu\"",
    );
    let disk = section.file(report, places, "disk");
    let bytes = section.size(report, "disk-size");
    if let Some(model) = &model {
        let is_nvme = model.value == "nvme";
        if is_nvme && disk.is_none() {
            section.missing(report, "disk", "name the disk's image, like \"${target}/disks/linux.img\"; it is made when missing");
        }
        for (key, span) in [
            ("disk", disk.as_ref().map(|disk| disk.span.clone())),
            ("disk-size", bytes.as_ref().map(|bytes| bytes.span.clone())),
        ] {
            if let Some(span) = span.filter(|_| !is_nvme) {
                section.complain(
                    report,
                    key,
                    span,
                    "only an nvme device has a disk",
                    "remove the key",
                );
            }
        }
    }
    if let Some(bytes) = &bytes
        && bytes.value < qemu_run::disk::MIN_BYTES
    {
        section.complain(
            report,
            "disk-size",
            bytes.span.clone(),
            "it is too small for the test files",
            "give it \"16M\" or more",
        );
    }
    section.finish(report);
    let (at, model) = (at?, model?);
    let disk = disk.map(|disk| {
        (
            disk.value,
            bytes.map_or(DEFAULT_DISK_BYTES, |bytes| bytes.value),
        )
    });
    Some(Field {
        value: MachineDevice {
            at: at.value,
            model: model.value,
            disk,
        },
        span: at.span,
    })
}

fn read_partition(
    report: &mut Report<'_>,
    places: &Places<'_>,
    mut section: Section<'_>,
) -> Option<PartitionFields> {
    let name = section.required_string(
        report,
        "name",
        "give the partition a name, like name = \"linux\"",
    );
    if let Some(name) = &name {
        section.place = format!("partition {}", name.value);
        check::name(report, &section, name);
    }
    let memory_bytes = section.size(report, "memory");
    match &memory_bytes {
        None if section.has("memory") => {}
        None => section.missing(report, "memory", SIZE_REMEDY),
        Some(memory) => check::partition_memory(report, &section, memory),
    }
    let cpus = section.integer(report, "cpus", 1, bundle::MAX_CPUS.into());
    if !section.has("cpus") {
        section.missing(report, "cpus", "say how many CPUs it has, like cpus = 2");
    }
    let cpus = cpus.map(|cpus| Field {
        value: cpus.value as u32,
        span: cpus.span,
    });
    let processors = processors::read(report, &mut section, cpus.as_ref());
    let kernel = section.file(report, places, "kernel");
    if !section.has("kernel") {
        section.missing(
            report,
            "kernel",
            "name the kernel's file, like \"${target}/guests/debian-6.1/vmlinux\"",
        );
    }
    let load_address = section.integer(report, "load-address", 0, i64::MAX as u64);
    let entry = section.integer(report, "entry", 0, i64::MAX as u64);
    if let (None, Some(entry)) = (&load_address, &entry) {
        let remedy =
            "add `load-address` for a raw image, or remove `entry`: an ELF file has its own";
        section.complain(
            report,
            "entry",
            entry.span.clone(),
            "there is no `load-address` with it",
            remedy,
        );
    }
    let initrd = section.file(report, places, "initrd");
    let command_line = section.string(report, "command-line");
    if let Some(line) = &command_line {
        check::command_line(report, &section, line);
    }
    let console = match section.string(report, "console") {
        None => Console::Vty,
        Some(console) => match console.value.as_str() {
            "vty" => Console::Vty,
            "none" => Console::None,
            _ => {
                section.complain(
                    report,
                    "console",
                    console.span,
                    "there is no such console",
                    "write \"vty\" or \"none\"",
                );
                Console::Vty
            }
        },
    };
    let after_crash = match section.string(report, "after-crash") {
        None => AfterCrash::GoOn,
        Some(what) => match what.value.as_str() {
            "go-on" => AfterCrash::GoOn,
            "restart" => AfterCrash::Restart,
            "stop" => AfterCrash::Stop,
            _ => {
                section.complain(
                    report,
                    "after-crash",
                    what.span,
                    "nothing of that name can follow a crash",
                    "write \"go-on\", \"restart\" or \"stop\"",
                );
                AfterCrash::GoOn
            }
        },
    };
    let devices = section.tables(report, "device");
    let devices = devices
        .into_iter()
        .filter_map(|device| read_device(report, device))
        .collect();
    let ethernets = section.tables(report, "ethernet");
    let ethernets = ethernets
        .into_iter()
        .filter_map(|ethernet| ethernet::read(report, ethernet))
        .collect();
    section.finish(report);
    Some(PartitionFields {
        name: name?,
        memory_bytes: memory_bytes?,
        cpus: cpus?,
        processors: processors?,
        devices,
        ethernets,
        console,
        after_crash,
        kernel: kernel?,
        raw: load_address.map(|address| (address, entry)),
        initrd,
        command_line: command_line.map_or(String::new(), |line| line.value),
    })
}

fn read_device(report: &mut Report<'_>, mut section: Section<'_>) -> Option<Field<Device>> {
    let at = section.path(report);
    let window = section.size(report, "dma-window");
    if let Some(window) = &window {
        let allowed = bundle::MIN_DMA_WINDOW_BYTES..=bundle::MAX_DMA_WINDOW_BYTES;
        if !window.value.is_power_of_two() || !allowed.contains(&window.value) {
            let problem = "a DMA window is a power of two from 1M to 2G";
            section.complain(
                report,
                "dma-window",
                window.span.clone(),
                problem,
                "write \"512M\", \"1G\" or the like",
            );
        }
    }
    let quota = section.integer(report, "msi-quota", 1, bundle::MAX_MSIS.into());
    section.finish(report);
    let at = at?;
    let device = Device {
        path: at.value,
        dma_window_bytes: window.map_or(DEFAULT_DMA_WINDOW_BYTES, |window| window.value),
        msi_quota: quota.map_or(DEFAULT_MSI_QUOTA, |quota| quota.value as u16),
    };
    Some(Field {
        value: device,
        span: at.span,
    })
}

impl PartitionFields {
    /// The section's name in messages.
    pub(crate) fn place(&self) -> String {
        format!("partition {}", self.name.value)
    }

    pub(crate) fn into_part(self, load: Load) -> PartitionPart {
        PartitionPart {
            name: self.name.value,
            memory_bytes: self.memory_bytes.value,
            cpus: self.cpus.value,
            processors: self.processors.value,
            console: self.console,
            after_crash: self.after_crash,
            kernel: self.kernel.value,
            load,
            initrd: self.initrd.map(|initrd| initrd.value),
            command_line: self.command_line,
            devices: self
                .devices
                .into_iter()
                .map(|device| device.value)
                .collect(),
            ethernets: self
                .ethernets
                .into_iter()
                .map(ethernet::Fields::into_spec)
                .collect(),
        }
    }
}
