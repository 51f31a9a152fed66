//! Checks the images of a partition: that they are there, are what they should be, and fit into its memory.

use std::path::Path;

use bundle::build::Load;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, elf};

use super::PartitionPart;
use super::reader::PartitionFields;
use super::report::Report;
use super::section::{Field, Places};

/// What the hypervisor puts into a partition's memory besides kernel and initrd (device tree, RTAS), with room to spare.
const RESERVED_BYTES: u64 = 1 << 20;

/// The most segments of a kernel that the hypervisor loads.
const MAX_SEGMENTS: usize = 32;

/// Checks kernel and initrd; `None` goes with complaints.
pub(crate) fn check_images(
    report: &mut Report<'_>,
    places: &Places<'_>,
    partition: PartitionFields,
) -> Option<PartitionPart> {
    let place = partition.place();
    let kernel = read(report, places, &place, "kernel", &partition.kernel);
    let initrd = partition
        .initrd
        .as_ref()
        .map(|initrd| read(report, places, &place, "initrd", initrd));
    let span = partition.kernel.span.clone();
    let kernel = kernel?;
    let memory = partition.memory_bytes.value;
    let (load, end) = match &partition.raw {
        Some((address, entry)) => raw(report, &place, &kernel, address, entry.as_ref(), memory)?,
        None => match elf_end(&kernel) {
            Ok(end) => (Load::Elf, end),
            Err(problem) => {
                let remedy = "name an ELF64 executable for PowerPC, or add `load-address` and `entry` for a raw image";
                report.value(&place, "kernel", span, problem, remedy);
                return None;
            }
        },
    };
    let initrd = initrd.map_or(Some(0), |initrd| initrd.map(|initrd| initrd.len() as u64))?;
    let needed = end.saturating_add(initrd).saturating_add(RESERVED_BYTES);
    if needed > memory {
        let problem = format!(
            "kernel, initrd and device tree need {} MiB, `memory` gives {}",
            needed.div_ceil(1 << 20),
            memory >> 20
        );
        report.value(
            &place,
            "kernel",
            span,
            problem,
            "give the partition more memory",
        );
        return None;
    }
    Some(partition.into_part(load))
}

fn read(
    report: &mut Report<'_>,
    places: &Places<'_>,
    place: &str,
    key: &str,
    file: &Field<std::path::PathBuf>,
) -> Option<Vec<u8>> {
    let (problem, remedy) = match std::fs::read(&file.value) {
        Ok(bytes) if !bytes.is_empty() => return Some(bytes),
        Ok(_) => (
            "the file is empty".to_owned(),
            "name another, or remove this one and run `cargo xtask setup`",
        ),
        Err(error) => (
            format!("{} cannot be read: {error}", file.value.display()),
            remedy_for(places, &file.value),
        ),
    };
    report.value(place, key, file.span.clone(), problem, remedy);
    None
}

/// Who makes `file`.
fn remedy_for(places: &Places<'_>, file: &Path) -> &'static str {
    let below = |folder: &str| file.starts_with(places.target.join(folder));
    if below("guests") {
        "run `cargo xtask setup`, which downloads it"
    } else if below("bulkhead") {
        "run `cargo xtask build`, which makes it"
    } else {
        "correct the path; it starts at the manifest's folder"
    }
}

fn raw(
    report: &mut Report<'_>,
    place: &str,
    kernel: &[u8],
    address: &Field<u64>,
    entry: Option<&Field<u64>>,
    memory: u64,
) -> Option<(Load, u64)> {
    let end = address
        .value
        .checked_add(kernel.len() as u64)
        .filter(|&end| end <= memory);
    let Some(end) = end else {
        let problem = format!(
            "the image's {} bytes do not fit between there and the end of its memory",
            kernel.len()
        );
        report.value(
            place,
            "load-address",
            address.span.clone(),
            problem,
            "lower it, or give the partition more memory",
        );
        return None;
    };
    let at = entry.map_or(address.value, |entry| entry.value);
    if !(address.value..end).contains(&at) || !at.is_multiple_of(4) {
        let (key, span) = entry.map_or(("load-address", &address.span), |entry| {
            ("entry", &entry.span)
        });
        let problem = "the partition would not begin with an instruction of the image";
        report.value(
            place,
            key,
            span.clone(),
            problem,
            "use a multiple of 4 inside the image",
        );
        return None;
    }
    Some((
        Load::Raw {
            load_address: address.value,
            entry: at,
        },
        end,
    ))
}

/// Returns the first physical address past an ELF kernel, or what is wrong with it.
pub(crate) fn elf_end(kernel: &[u8]) -> Result<u64, String> {
    if kernel.get(..4) != Some(&elf::ELFMAG) {
        return Err("it is no ELF file".to_owned());
    }
    if kernel.get(4) != Some(&elf::ELFCLASS64.0) {
        return Err("it is an ELF file, but not a 64-bit one".to_owned());
    }
    let file: ElfFile64<'_, Endianness> =
        ElfFile64::parse(kernel).map_err(|error| format!("it is a damaged ELF file: {error}"))?;
    let (header, endian) = (file.elf_header(), file.endian());
    if header.e_machine(endian) != elf::EM_PPC64 {
        return Err(format!(
            "it is for another machine (ELF machine {}, PowerPC64 is 21)",
            header.e_machine(endian)
        ));
    }
    if header.e_type(endian) != elf::ET_EXEC && header.e_type(endian) != elf::ET_DYN {
        return Err("it is an ELF file, but no executable".to_owned());
    }
    let mut loads: Vec<(u64, u64)> = Vec::new();
    let mut entry_is_inside = false;
    for segment in file.elf_program_headers() {
        if segment.p_type(endian) != elf::PT_LOAD || segment.p_memsz(endian) == 0 {
            continue;
        }
        let (start, bytes) = (segment.p_paddr(endian), segment.p_memsz(endian));
        let end = start
            .checked_add(bytes)
            .ok_or("a segment reaches around the end of the address space")?;
        if segment.p_filesz(endian) > bytes || segment.data(endian, kernel).is_err() {
            return Err("it is truncated: a segment's bytes are not in the file".to_owned());
        }
        let virtual_start = segment.p_vaddr(endian);
        entry_is_inside |= header
            .e_entry(endian)
            .checked_sub(virtual_start)
            .is_some_and(|offset| offset < bytes);
        if loads
            .iter()
            .any(|&(other, other_end)| start < other_end && other < end)
        {
            return Err(format!("its segments overlap at {start:#x}"));
        }
        if loads.len() == MAX_SEGMENTS {
            return Err(format!("it has more than {MAX_SEGMENTS} segments to load"));
        }
        loads.push((start, end));
    }
    let end = loads
        .iter()
        .map(|load| load.1)
        .max()
        .ok_or("it has nothing to load")?;
    if !entry_is_inside {
        return Err(format!(
            "its entry {:#x} is in none of its segments",
            header.e_entry(endian)
        ));
    }
    Ok(end)
}
