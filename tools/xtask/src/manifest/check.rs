//! What values may be, and how the parts of a manifest must fit together.

use super::reader::{MachineFields, PartitionFields};
use super::report::Report;
use super::section::{Field, Section};

/// Complains about a name that the bundle would not take.
pub(crate) fn name(report: &mut Report<'_>, section: &Section<'_>, name: &Field<String>) {
    let text = name.value.as_bytes();
    let letters = text
        .iter()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
    let length = (1..=bundle::MAX_NAME_BYTES).contains(&text.len());
    if !letters || !length || !text.first().is_some_and(u8::is_ascii_lowercase) {
        let problem = "a name is 1 to 31 of a-z, 0-9, - and _, and begins with a letter";
        section.complain(
            report,
            "name",
            name.span.clone(),
            problem,
            "write it like \"web-1\"",
        );
    }
}

/// Complains about memory that no partition can have.
pub(crate) fn partition_memory(
    report: &mut Report<'_>,
    section: &Section<'_>,
    memory: &Field<u64>,
) {
    let granule = bundle::MEMORY_GRANULE_BYTES;
    if memory.value == 0
        || !memory.value.is_multiple_of(granule)
        || memory.value > bundle::MAX_MEMORY_BYTES
    {
        let problem = "a partition has a multiple of 16 MiB, at most 64 TiB, and not nothing";
        let up = memory
            .value
            .clamp(1, bundle::MAX_MEMORY_BYTES)
            .next_multiple_of(granule)
            >> 20;
        section.complain(
            report,
            "memory",
            memory.span.clone(),
            problem,
            format!("\"{up}M\" would do"),
        );
    }
}

/// Complains about a command line that the bundle would not take.
pub(crate) fn command_line(report: &mut Report<'_>, section: &Section<'_>, line: &Field<String>) {
    if line.value.len() > bundle::MAX_COMMAND_LINE_BYTES {
        let problem = format!(
            "it has {} bytes, Linux takes {}",
            line.value.len(),
            bundle::MAX_COMMAND_LINE_BYTES
        );
        section.complain(
            report,
            "command-line",
            line.span.clone(),
            problem,
            "shorten it",
        );
    }
    if let Some(bad) = line
        .value
        .chars()
        .find(|character| !matches!(character, ' '..='~'))
    {
        let problem = format!("it holds the character {bad:?}");
        section.complain(
            report,
            "command-line",
            line.span.clone(),
            problem,
            "use printable ASCII",
        );
    }
}

/// Compares partitions with each other and with the machine.
pub(crate) fn together(
    report: &mut Report<'_>,
    machine: Option<&MachineFields>,
    partitions: &[PartitionFields],
) {
    names(report, partitions);
    partition_devices(report, partitions);
    let Some(machine) = machine else { return };
    machine_devices(report, machine);
    resources(report, machine, partitions);
    super::processors::pool(report, machine, partitions);
    for partition in partitions {
        for device in &partition.devices {
            let path = device.value.path;
            if machine.devices.iter().any(|other| other.value.at == path) {
                continue;
            }
            let there: Vec<String> = machine
                .devices
                .iter()
                .map(|other| other.value.at.to_string())
                .collect();
            let remedy = if there.is_empty() {
                "add a section `[[machine.device]]`".to_owned()
            } else {
                format!(
                    "add a section `[[machine.device]]`, or choose of {}",
                    there.join(", ")
                )
            };
            report.value(
                &partition.place(),
                "at",
                device.span.clone(),
                "the machine has no device there",
                remedy,
            );
        }
    }
}

fn names(report: &mut Report<'_>, partitions: &[PartitionFields]) {
    for (index, partition) in partitions.iter().enumerate() {
        if partitions[..index]
            .iter()
            .any(|earlier| earlier.name.value == partition.name.value)
        {
            let problem = "another partition has this name";
            report.value(
                &partition.place(),
                "name",
                partition.name.span.clone(),
                problem,
                "give each its own",
            );
        }
    }
}

fn partition_devices(report: &mut Report<'_>, partitions: &[PartitionFields]) {
    let all: Vec<_> = partitions
        .iter()
        .flat_map(|partition| {
            partition
                .devices
                .iter()
                .map(move |device| (partition, device))
        })
        .collect();
    for (index, (partition, device)) in all.iter().enumerate() {
        let path = device.value.path;
        for (owner, earlier) in &all[..index] {
            let other = earlier.value.path;
            let owner = &owner.name.value;
            let (problem, remedy) = if path == other {
                (
                    format!("the device is given to partition {owner} already"),
                    "give each device to one partition, once",
                )
            } else if path.contains(&other) || other.contains(&path) {
                (
                    format!("partition {owner} has {other}, and one is behind the other"),
                    "give out the functions at the ends of the paths, not the bridges above them",
                )
            } else {
                continue;
            };
            report.value(
                &partition.place(),
                "at",
                device.span.clone(),
                problem,
                remedy,
            );
        }
    }
}

fn machine_devices(report: &mut Report<'_>, machine: &MachineFields) {
    for (index, device) in machine.devices.iter().enumerate() {
        let earlier = &machine.devices[..index];
        let (place, path) = ("machine: device", device.value.at);
        if earlier.iter().any(|other| other.value.at == path) {
            report.value(
                place,
                "at",
                device.span.clone(),
                "another device is there",
                "give each its own place",
            );
        }
        let hops = path.hops();
        if hops.first() != Some(&0) {
            let remedy = format!("begin the path with \"phb{}/00.0/\"", path.phb());
            report.value(
                place,
                "at",
                device.span.clone(),
                "the only root port of a PHB is 00.0",
                remedy,
            );
        } else if let Some(above) = hops.get(..hops.len() - 1).filter(|above| above.len() > 1) {
            let bridge = |other: &super::MachineDevice| {
                other.at.phb() == path.phb() && other.at.hops() == above
            };
            if !earlier.iter().any(|other| bridge(&other.value)) {
                let remedy =
                    "describe the bridge in a `[[machine.device]]` before what is behind it";
                report.value(
                    place,
                    "at",
                    device.span.clone(),
                    "there is no bridge above it",
                    remedy,
                );
            }
        }
        let phbs = 3;
        if path.phb() >= phbs {
            let problem = format!("QEMU's POWER8 chip has {phbs} PHBs");
            report.value(
                place,
                "at",
                device.span.clone(),
                problem,
                "use phb0 to phb2",
            );
        }
    }
}

/// Complains about the first partition that does not fit any more.
fn resources(report: &mut Report<'_>, machine: &MachineFields, partitions: &[PartitionFields]) {
    let (mut memory, mut cpus) = (0_u64, 0_u32);
    let shares = |partition: &PartitionFields| {
        matches!(
            partition.processors.value,
            bundle::Processors::Shared { .. }
        )
    };
    let (mut memory_fits, mut cpus_fit) = (true, true);
    for partition in partitions {
        memory = memory.saturating_add(partition.memory_bytes.value);
        if !shares(partition) {
            cpus = cpus.saturating_add(partition.cpus.value);
        }
        if memory >= machine.memory_bytes && memory_fits {
            memory_fits = false;
            let problem = format!(
                "the partitions up to this one have {} MiB, the machine has {} MiB and the hypervisor needs some",
                memory >> 20,
                machine.memory_bytes >> 20
            );
            let remedy = "give the partitions less, or the machine more (`memory` in `[machine]`)";
            report.value(
                &partition.place(),
                "memory",
                partition.memory_bytes.span.clone(),
                problem,
                remedy,
            );
        }
        if cpus > machine.cpus && cpus_fit {
            cpus_fit = false;
            let problem = format!(
                "the partitions up to this one have {cpus} CPUs to themselves, the machine has {}",
                machine.cpus
            );
            let remedy = "give the partitions fewer, or the machine more (`cpus` in `[machine]`), or share some (`processors = \"shared\"`)";
            report.value(
                &partition.place(),
                "cpus",
                partition.cpus.span.clone(),
                problem,
                remedy,
            );
        }
    }
}
