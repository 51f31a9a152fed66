//! What values may be, and how records may stand to each other.

use crate::error::{BundleError, Name, Problem};
use crate::format::{self, partition as at};
use crate::parse::{Bundle, Device, device, device_range, ethernet};
use crate::path::DevicePath;

/// Checks all records of `bundle`, each by itself and against the others.
pub(crate) fn records(bundle: &Bundle<'_>) -> Result<(), BundleError> {
    for index in 0..bundle.partition_count() {
        let partition = bundle.partition(index)?;
        for (number, record) in partition.device_records().enumerate() {
            let index = first_device(bundle, index).saturating_add(number);
            let name = Name::new(partition.name);
            device(record).map_err(|(field, problem)| BundleError::Device {
                index,
                partition: name,
                field,
                problem,
            })?;
        }
    }
    device_order(bundle)?;
    ethernets(bundle)?;
    names(bundle)?;
    images(bundle)?;
    devices(bundle)
}

fn first_device(bundle: &Bundle<'_>, index: usize) -> usize {
    let first = device_range(bundle.partition_record(index)).map_or(0, |(first, _)| first);
    usize::try_from(first).unwrap_or(usize::MAX)
}

/// Each partition's devices follow the former's, and the last ones end the list: so no device is shared or left over.
fn device_order(bundle: &Bundle<'_>) -> Result<(), BundleError> {
    let mut next = 0_u64;
    for index in 0..bundle.partition_count() {
        let range = device_range(bundle.partition_record(index));
        match range {
            Ok((first, count)) if first == next => next = next.saturating_add(count),
            _ => {
                let name = bundle
                    .partition(index)
                    .map_or(Name::new(""), |partition| Name::new(partition.name));
                return Err(BundleError::Partition {
                    index,
                    name,
                    field: "devices",
                    problem: Problem::BadOrder,
                });
            }
        }
    }
    let found = bundle.device_count() as u64;
    if next == found {
        return Ok(());
    }
    Err(BundleError::Header {
        field: "devices",
        problem: Problem::TooLarge { limit: next, found },
    })
}

/// Each adapter's own fields, whose it is, and that no other is taken for it.
fn ethernets(bundle: &Bundle<'_>) -> Result<(), BundleError> {
    let (mut last, mut of_last) = (0, 0_usize);
    for (index, record) in bundle.ethernet_records().enumerate() {
        let wrong = |(field, problem)| BundleError::Ethernet {
            index,
            field,
            problem,
        };
        let (owner, adapter) = ethernet(record).map_err(wrong)?;
        let limit = (bundle.partition_count() as u64).saturating_sub(1);
        at_most(owner, limit).map_err(|problem| wrong(("partition", problem)))?;
        if owner < last {
            return Err(wrong(("partition", Problem::BadOrder)));
        }
        of_last = if owner == last {
            of_last.saturating_add(1)
        } else {
            1
        };
        last = owner;
        let limit = format::MAX_PARTITION_ETHERNETS as u64;
        at_most(of_last as u64, limit).map_err(|problem| wrong(("partition", problem)))?;
        let mut earlier = bundle.ethernet_records().take(index);
        if earlier.any(|other| ethernet(other).is_ok_and(|(_, other)| other == adapter)) {
            return Err(BundleError::DuplicateMac { index });
        }
    }
    Ok(())
}

fn names(bundle: &Bundle<'_>) -> Result<(), BundleError> {
    for (index, partition) in bundle.partitions().enumerate() {
        if bundle
            .partitions()
            .take(index)
            .any(|earlier| earlier.name == partition.name)
        {
            return Err(BundleError::DuplicateName {
                name: Name::new(partition.name),
            });
        }
    }
    Ok(())
}

/// All extents of all partitions: partition index, field, start, length.
fn extents<'a>(
    bundle: &'a Bundle<'_>,
) -> impl Iterator<Item = (usize, &'static str, u64, u64)> + use<'a> {
    const FIELDS: [(usize, &str); 3] = [
        (at::KERNEL, "kernel"),
        (at::INITRD, "initrd"),
        (at::COMMAND_LINE, "command line"),
    ];
    (0..bundle.partition_count()).flat_map(move |index| {
        let record = bundle.partition_record(index);
        FIELDS.into_iter().filter_map(move |(offset, field)| {
            let (start, bytes) = bundle.extent(record, offset).ok()?;
            (!bytes.is_empty()).then_some((index, field, start, bytes.len() as u64))
        })
    })
}

/// No two extents overlap, unless they are one and the same: partitions may share an image.
fn images(bundle: &Bundle<'_>) -> Result<(), BundleError> {
    for (number, (index, field, start, length)) in extents(bundle).enumerate() {
        for (_, _, other_start, other_length) in extents(bundle).take(number) {
            let same = start == other_start && length == other_length;
            let apart = start.saturating_add(length) <= other_start
                || other_start.saturating_add(other_length) <= start;
            if !same && !apart {
                let name = bundle
                    .partition(index)
                    .map_or(Name::new(""), |partition| Name::new(partition.name));
                return Err(BundleError::Partition {
                    index,
                    name,
                    field,
                    problem: Problem::Overlaps,
                });
            }
        }
    }
    Ok(())
}

/// All devices with their partition's name.
fn owned<'a>(bundle: &Bundle<'a>) -> impl Iterator<Item = (&'a str, DevicePath)> + use<'a> {
    bundle.partitions().flat_map(|partition| {
        let name = partition.name;
        partition
            .devices()
            .map(move |Device { path, .. }| (name, path))
    })
}

fn devices(bundle: &Bundle<'_>) -> Result<(), BundleError> {
    for (index, (second_partition, second)) in owned(bundle).enumerate() {
        let clash = owned(bundle)
            .take(index)
            .find(|(_, first)| first.contains(&second) || second.contains(first));
        if let Some((first_partition, first)) = clash {
            return Err(BundleError::DuplicateDevice {
                first,
                second,
                first_partition: Name::new(first_partition),
                second_partition: Name::new(second_partition),
            });
        }
    }
    Ok(())
}

/// The name of a partition or switch, all of `field`: NUL-padded, and such that it can stand in a node name, a
/// path or a log line.
pub(crate) fn name(field: &[u8]) -> Result<&str, Problem> {
    let length = field
        .iter()
        .position(|&byte| byte == 0)
        .ok_or(Problem::TooLarge {
            limit: format::MAX_NAME_BYTES as u64,
            found: at::NAME_BYTES as u64,
        })?;
    let (name, padding) = field.split_at_checked(length).ok_or(Problem::OutOfBounds)?;
    if padding.iter().any(|&byte| byte != 0) {
        return Err(Problem::ReservedNotZero);
    }
    let first = name.first().ok_or(Problem::Zero)?;
    let allowed = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if !first.is_ascii_lowercase() || !name.iter().all(allowed) {
        return Err(Problem::BadCharacter);
    }
    core::str::from_utf8(name).map_err(|_| Problem::BadCharacter)
}

fn at_most(found: u64, limit: u64) -> Result<u64, Problem> {
    if found > limit {
        Err(Problem::TooLarge { limit, found })
    } else {
        Ok(found)
    }
}

pub(crate) fn memory(found: u64) -> Result<u64, Problem> {
    let of = format::MEMORY_GRANULE_BYTES;
    match found {
        0 => Err(Problem::Zero),
        _ if !found.is_multiple_of(of) => Err(Problem::NotMultiple { of, found }),
        _ => at_most(found, format::MAX_MEMORY_BYTES),
    }
}

pub(crate) fn vlan(found: u16) -> Result<u16, Problem> {
    match found {
        0 => Err(Problem::Zero),
        _ => at_most(found.into(), format::MAX_VLAN.into()).map(|_| found),
    }
}

/// An Ethernet address is not zero, and not that of a group.
pub(crate) fn mac(found: [u8; 6]) -> Result<[u8; 6], Problem> {
    match found {
        [0, 0, 0, 0, 0, 0] => Err(Problem::Zero),
        [first, ..] if first & 1 != 0 => Err(Problem::Unknown {
            found: first.into(),
        }),
        _ => Ok(found),
    }
}

pub(crate) fn cpus(found: u32) -> Result<u32, Problem> {
    match found {
        0 => Err(Problem::Zero),
        _ => at_most(found.into(), format::MAX_CPUS.into()).map(|_| found),
    }
}

/// Each of the `cpus` CPUs gets enough to be worth dispatching, and no more than there is of it.
pub(crate) fn entitlement(found: u32, cpus: u32) -> Result<u32, Problem> {
    let least = u64::from(cpus).saturating_mul(format::MIN_ENTITLEMENT_PER_CPU.into());
    let most = u64::from(cpus).saturating_mul(format::MAX_ENTITLEMENT_PER_CPU.into());
    if u64::from(found) < least {
        return Err(Problem::TooSmall {
            limit: least,
            found: found.into(),
        });
    }
    at_most(found.into(), most).map(|_| found)
}

pub(crate) fn msis(found: u16) -> Result<u16, Problem> {
    match found {
        0 => Err(Problem::Zero),
        _ => at_most(found.into(), format::MAX_MSIS.into()).map(|_| found),
    }
}

pub(crate) fn dma_window(found: u64) -> Result<u64, Problem> {
    let limit = format::MIN_DMA_WINDOW_BYTES;
    match found {
        _ if found < limit => Err(Problem::TooSmall { limit, found }),
        _ if !found.is_power_of_two() => Err(Problem::NotPowerOfTwo { found }),
        _ => at_most(found, format::MAX_DMA_WINDOW_BYTES),
    }
}

/// A raw image must fit between its load address and the end of memory.
pub(crate) fn raw_load(load_address: u64, image: &[u8], memory_bytes: u64) -> Result<(), Problem> {
    let end = load_address.checked_add(image.len() as u64);
    if end.is_some_and(|end| end <= memory_bytes) {
        Ok(())
    } else {
        Err(Problem::OutsideMemory)
    }
}

/// A raw image begins with one of its own instructions.
pub(crate) fn raw_entry(entry: u64, load_address: u64, image: &[u8]) -> Result<(), Problem> {
    if !entry.is_multiple_of(4) {
        return Err(Problem::NotMultiple {
            of: 4,
            found: entry,
        });
    }
    // The image fits into memory, so its length plus the address does not overflow.
    let inside = entry
        .checked_sub(load_address)
        .is_some_and(|offset| offset < image.len() as u64);
    if inside {
        Ok(())
    } else {
        Err(Problem::OutsideMemory)
    }
}

pub(crate) fn command_line(line: &[u8]) -> Result<&str, Problem> {
    at_most(line.len() as u64, format::MAX_COMMAND_LINE_BYTES as u64)?;
    if !line.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Problem::BadCharacter);
    }
    core::str::from_utf8(line).map_err(|_| Problem::BadCharacter)
}
