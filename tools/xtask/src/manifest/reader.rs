//! From TOML to the manifest's types: what a key's own value can show. `check` compares keys with each other.

use std::ops::Range;
use std::path::{Path, PathBuf};

use bundle::build::Load;
use bundle::{Console, Device, DevicePath};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::Report;
use super::{MachineDevice, MachinePart, Manifest, PartitionPart, check, kernel};

/// A device's DMA window where the manifest gives none.
const DEFAULT_DMA_WINDOW_BYTES: u64 = 1 << 30;
/// A device's MSI quota where the manifest gives none.
const DEFAULT_MSI_QUOTA: u16 = 16;
/// Size of a disk image where the manifest gives none.
const DEFAULT_DISK_BYTES: u64 = 64 << 20;
const SIZE_REMEDY: &str = "write a size with its unit, like \"512M\" or \"1G\"";
const PATH_REMEDY: &str =
    "write the path of device.function from the root port down, like \"phb0/00.0/00.0\"";

/// Where relative paths start, and what `${target}` stands for.
pub(crate) struct Places<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) target: &'a Path,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Field<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

/// A partition with the places that later checks point at.
pub(crate) struct PartitionFields {
    pub(crate) name: Field<String>,
    pub(crate) memory_bytes: Field<u64>,
    pub(crate) cpus: Field<u32>,
    pub(crate) devices: Vec<Field<Device>>,
    pub(crate) console: Console,
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
pub(crate) fn read(report: &mut Report<'_>, places: &Places<'_>) -> Option<Manifest> {
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
    let partitions: Vec<_> = sections
        .into_iter()
        .filter_map(|section| read_partition(report, places, section))
        .collect();
    top.finish(report);
    check::together(report, machine.as_ref(), &partitions);
    let partitions = partitions
        .into_iter()
        .filter_map(|fields| kernel::check_images(report, places, fields));
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
    let devices = section.tables(report, "device");
    let devices = devices
        .into_iter()
        .filter_map(|device| read_device(report, device))
        .collect();
    section.finish(report);
    Some(PartitionFields {
        name: name?,
        memory_bytes: memory_bytes?,
        cpus: cpus.map(|cpus| Field {
            value: cpus.value as u32,
            span: cpus.span,
        })?,
        devices,
        console,
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
            console: self.console,
            kernel: self.kernel.value,
            load,
            initrd: self.initrd.map(|initrd| initrd.value),
            command_line: self.command_line,
            devices: self
                .devices
                .into_iter()
                .map(|device| device.value)
                .collect(),
        }
    }
}

/// One table of the file; remembers which keys were asked for, so that the others can be refused.
pub(crate) struct Section<'a> {
    pub(crate) place: String,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    fn new(place: String, table: &'a DeTable<'a>, span: Range<usize>) -> Self {
        Self {
            place,
            table,
            span,
            asked: Vec::new(),
        }
    }

    fn has(&self, key: &str) -> bool {
        self.table.keys().any(|other| other.get_ref() == key)
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.push(key);
        self.table
            .iter()
            .find(|(other, _)| other.get_ref() == key)
            .map(|(_, value)| value)
    }

    /// Complains about the value of `key` at `span`.
    pub(crate) fn complain(
        &self,
        report: &mut Report<'_>,
        key: &str,
        span: Range<usize>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        report.value(&self.place, key, span, problem, remedy);
    }

    fn missing(&self, report: &mut Report<'_>, key: &str, remedy: &str) {
        report.add(
            &self.place,
            key,
            self.span.clone(),
            "the key is missing",
            remedy,
        );
    }

    fn string(&mut self, report: &mut Report<'_>, key: &'static str) -> Option<Field<String>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Field {
                value: text.to_string(),
                span: value.span(),
            }),
            _ => {
                self.complain(
                    report,
                    key,
                    value.span(),
                    "it is no string",
                    "write it in quotes",
                );
                None
            }
        }
    }

    fn required_string(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        remedy: &str,
    ) -> Option<Field<String>> {
        if !self.has(key) {
            self.missing(report, key, remedy);
        }
        self.string(report, key)
    }

    fn integer(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        low: u64,
        high: u64,
    ) -> Option<Field<u64>> {
        let value = self.get(key)?;
        let DeValue::Integer(number) = value.get_ref() else {
            self.complain(
                report,
                key,
                value.span(),
                "it is no whole number",
                format!("write {key} = 2 or the like, without quotes"),
            );
            return None;
        };
        let digits = number.as_str().replace('_', "");
        let parsed = u64::from_str_radix(digits.trim_start_matches('+'), number.radix()).ok();
        match parsed.filter(|number| (low..=high).contains(number)) {
            Some(number) => Some(Field {
                value: number,
                span: value.span(),
            }),
            None => {
                let range = if high == i64::MAX as u64 {
                    format!("{low} or more")
                } else {
                    format!("{low} to {high}")
                };
                self.complain(
                    report,
                    key,
                    value.span(),
                    format!("it must be {range}"),
                    "write a number in that range",
                );
                None
            }
        }
    }

    /// A number of bytes, written with a unit.
    fn size(&mut self, report: &mut Report<'_>, key: &'static str) -> Option<Field<u64>> {
        let value = self.get(key)?;
        let bytes = match value.get_ref() {
            DeValue::String(text) => parse_size(text),
            _ => None,
        };
        if bytes.is_none() {
            self.complain(report, key, value.span(), "it is no size", SIZE_REMEDY);
        }
        Some(Field {
            value: bytes?,
            span: value.span(),
        })
    }

    /// The device path under the key `at`, which is required.
    fn path(&mut self, report: &mut Report<'_>) -> Option<Field<DevicePath>> {
        let text = self.required_string(report, "at", PATH_REMEDY)?;
        match text.value.parse() {
            Ok(path) => {
                self.place = format!(
                    "{}device {path}",
                    self.place.strip_suffix("device").unwrap_or(&self.place)
                );
                Some(Field {
                    value: path,
                    span: text.span,
                })
            }
            Err(error) => {
                self.complain(
                    report,
                    "at",
                    text.span,
                    bundle::PathError::to_string(&error),
                    PATH_REMEDY,
                );
                None
            }
        }
    }

    /// A file's path, from the manifest's folder; `${target}` is the target folder.
    fn file(
        &mut self,
        report: &mut Report<'_>,
        places: &Places<'_>,
        key: &'static str,
    ) -> Option<Field<PathBuf>> {
        let text = self.string(report, key)?;
        let path = match text.value.strip_prefix("${target}/") {
            Some(rest) => places.target.join(rest),
            None => places.folder.join(&text.value),
        };
        if text.value.is_empty() || text.value.contains('$') != text.value.starts_with("${target}/")
        {
            let remedy = "write a path from the manifest's folder, an absolute one, or one that begins with `${target}/`";
            self.complain(report, key, text.span.clone(), "it is no path", remedy);
            return None;
        }
        Some(Field {
            value: path,
            span: text.span,
        })
    }

    fn table(&mut self, report: &mut Report<'_>, key: &'static str) -> Option<Section<'a>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(key.to_owned(), table, value.span())),
            _ => {
                self.complain(
                    report,
                    key,
                    value.span(),
                    "it is no section",
                    format!("write it as `[{key}]`"),
                );
                None
            }
        }
    }

    /// The tables of the array `key`; none when it is not there.
    fn tables(&mut self, report: &mut Report<'_>, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let place = if self.place.is_empty() {
            key.to_owned()
        } else {
            format!("{}: {key}", self.place)
        };
        let header = if self.table.is_empty() || self.place.is_empty() {
            key.to_owned()
        } else {
            format!("partition.{key}")
        };
        let array = match value.get_ref() {
            DeValue::Array(array) => array.iter().collect(),
            _ => Vec::from([value]),
        };
        let mut sections = Vec::new();
        for item in array {
            match (value.get_ref(), item.get_ref()) {
                (DeValue::Array(_), DeValue::Table(table)) => {
                    sections.push(Section::new(place.clone(), table, item.span()));
                }
                _ => {
                    let remedy = format!("write each as a section of its own, `[[{header}]]`");
                    self.complain(
                        report,
                        key,
                        item.span(),
                        "it is no list of sections",
                        remedy,
                    );
                }
            }
        }
        sections
    }

    /// Refuses the keys that nobody has asked for.
    fn finish(&self, report: &mut Report<'_>) {
        for (key, value) in self.table {
            if self.asked.iter().any(|asked| asked == key.get_ref()) {
                continue;
            }
            let known = self.asked.join("`, `");
            let near = self
                .asked
                .iter()
                .min_by_key(|asked| distance(asked, key.get_ref()));
            let near = near.filter(|asked| distance(asked, key.get_ref()) <= 2);
            let remedy = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("remove it; here go `{known}`"),
            };
            let place = self.place.as_str();
            let entry = match value.get_ref() {
                DeValue::Table(_) | DeValue::Array(_) => key.get_ref().to_string(),
                _ => format!(
                    "{} = {}",
                    key.get_ref(),
                    report.text.get(value.span()).unwrap_or("")
                ),
            };
            report.add(place, entry, key.span(), "there is no such key", remedy);
        }
    }
}

/// Reads `512M` and the like: a whole number and a unit of 2^10, 2^20, 2^30 or 2^40 bytes.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let shift = match unit {
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| number.parse::<u64>().ok()?.checked_mul(1 << shift))
        .flatten()
}

/// How many letters must be changed, added or removed to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let best = (diagonal + usize::from(x != y))
                .min(row[j] + 1)
                .min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    row.last().copied().unwrap_or(0)
}
