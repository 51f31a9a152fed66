//! The bundle: bytes of whatever content, and descriptions of partitions to pack.

use arbitrary::{Arbitrary, Result, Unstructured};
use bundle::build::{EthernetSpec, Load, PartitionSpec, pack, pack_unchecked, seal};
use bundle::{
    AfterCrash, Bundle, Console, Device, DevicePath, Ethernet, Kernel, MAX_COMMAND_LINE_BYTES,
    MAX_CPUS, MAX_ENTITLEMENT_PER_CPU, MAX_MEMORY_BYTES, MAX_MSIS, MAX_VLAN, MEMORY_GRANULE_BYTES,
    MIN_ENTITLEMENT_PER_CPU, Partition, Processors,
};

/// What data begins with that describes partitions; anything else is a bundle's bytes.
pub const DESCRIPTION: u8 = b'D';

/// Reads `data`: as it is, and with the right CRC, as whoever wrote it on purpose would have it. Or packs what it
/// describes.
///
/// # Panics
/// When an invariant breaks: what is accepted is in range, is the same packed and read again, and bytes behind its end
/// do not matter; what packs is read, and what the reader refuses does not pack.
pub fn target(data: &[u8]) {
    if let Some((&DESCRIPTION, description)) = data.split_first() {
        return described(description);
    }
    let _ = Bundle::check_crc(data);
    read(data);
    let mut sealed = data.to_vec();
    seal(&mut sealed);
    read(&sealed);
}

/// Reads a bundle's bytes, and packs what is accepted again.
fn read(data: &[u8]) {
    let Ok(bundle) = Bundle::parse(data) else {
        return;
    };
    let total = bundle.total_bytes();
    assert_images_apart(&bundle);
    assert!(total <= data.len() as u64);
    let mut sealed = data[..total as usize].to_vec();
    seal(&mut sealed);
    assert_eq!(
        Bundle::check_crc(&sealed),
        Ok(()),
        "sealed, so the CRC is right"
    );
    let mut longer = sealed.clone();
    longer.extend([0xa5; 9]);
    assert_eq!(
        Bundle::check_crc(&longer),
        Ok(()),
        "bytes behind it do not matter"
    );
    let specs = specs(&bundle);
    let packed = pack(&specs).expect("what was accepted can be packed");
    let again = Bundle::parse(&packed).expect("what was packed is accepted");
    assert_eq!(Bundle::check_crc(&packed), Ok(()));
    assert_same(&bundle, &again);
    let twice = pack(&self::specs(&again)).expect("packed before");
    assert!(packed == twice, "packing is not canonical");
}

/// Panics when two images share some of their bytes, but not all.
fn assert_images_apart(bundle: &Bundle<'_>) {
    let mut images = Vec::new();
    for partition in bundle.partitions() {
        let line = partition.command_line.as_bytes();
        images.extend([Some(partition.kernel.image()), partition.initrd, Some(line)]);
    }
    let ranges = images.iter().flatten().map(|image| image.as_ptr_range());
    let mut ranges: Vec<_> = ranges.filter(|range| !range.is_empty()).collect();
    ranges.sort_by_key(|range| (range.start, range.end));
    ranges.dedup();
    let apart = ranges.windows(2).all(|pair| pair[0].end <= pair[1].start);
    assert!(apart, "images overlap: {ranges:?}");
}

fn described(description: &[u8]) {
    let Ok(specs) = partitions(&mut Unstructured::new(description)) else {
        return;
    };
    let unchecked = pack_unchecked(&specs);
    match pack(&specs) {
        Ok(packed) => {
            assert!(packed == unchecked);
            read(&packed);
            let bundle = Bundle::parse(&packed).expect("packed");
            for (read, spec) in bundle.partitions().zip(&specs) {
                assert_eq!(read.name, spec.name);
                assert_eq!(read.kernel.image(), spec.kernel);
                assert_eq!(read.command_line, spec.command_line);
                assert!(read.devices().eq(spec.devices.iter().copied()));
            }
        }
        Err(_) => read(&unchecked),
    }
}

fn specs(bundle: &Bundle<'_>) -> Vec<PartitionSpec> {
    bundle
        .partitions()
        .map(|partition| spec(&partition))
        .collect()
}

/// The partition as somebody would describe it; checks that its values are in range.
fn spec(partition: &Partition<'_>) -> PartitionSpec {
    let memory = partition.memory_bytes;
    assert!(
        memory > 0 && memory <= MAX_MEMORY_BYTES && memory.is_multiple_of(MEMORY_GRANULE_BYTES)
    );
    assert!((1..=MAX_CPUS).contains(&partition.cpus));
    if let Processors::Shared { entitlement, .. } = partition.processors {
        let limits = [MIN_ENTITLEMENT_PER_CPU, MAX_ENTITLEMENT_PER_CPU];
        let [least, most] = limits.map(|limit| limit * partition.cpus);
        assert!((least..=most).contains(&entitlement));
    }
    assert!(
        partition
            .name
            .starts_with(|first: char| first.is_ascii_lowercase())
    );
    assert!(partition.command_line.len() <= MAX_COMMAND_LINE_BYTES);
    assert!(
        partition
            .command_line
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte))
    );
    let load = match partition.kernel {
        Kernel::Elf(_) => Load::Elf,
        Kernel::Raw {
            image,
            load_address,
            entry,
        } => {
            assert!(load_address <= memory && image.len() as u64 <= memory - load_address);
            assert!(entry >= load_address && entry - load_address < image.len() as u64);
            Load::Raw {
                load_address,
                entry,
            }
        }
    };
    let devices: Vec<Device> = partition.devices().collect();
    for device in &devices {
        assert!((1..=MAX_MSIS).contains(&device.msi_quota));
        assert!(device.dma_window_bytes.is_power_of_two());
        let text = device.path.to_string();
        assert_eq!(text.parse::<DevicePath>(), Ok(device.path), "{text}");
    }
    PartitionSpec {
        name: partition.name.to_owned(),
        memory_bytes: memory,
        cpus: partition.cpus,
        processors: partition.processors,
        console: partition.console,
        after_crash: partition.after_crash,
        kernel: partition.kernel.image().to_vec(),
        load,
        initrd: partition.initrd.map(<[u8]>::to_vec),
        command_line: partition.command_line.to_owned(),
        devices,
        ethernets: partition.ethernets().map(adapter).collect(),
    }
}

/// The adapter as somebody would describe it; checks that its values are in range.
fn adapter(ethernet: Ethernet<'_>) -> EthernetSpec {
    assert!((1..=MAX_VLAN).contains(&ethernet.vlan));
    assert!(ethernet.mac != [0; 6] && ethernet.mac[0] & 1 == 0);
    EthernetSpec {
        switch: ethernet.switch.to_owned(),
        vlan: ethernet.vlan,
        mac: ethernet.mac,
    }
}

fn assert_same(first: &Bundle<'_>, second: &Bundle<'_>) {
    assert_eq!(first.partitions().count(), second.partitions().count());
    for (one, other) in first.partitions().zip(second.partitions()) {
        // Everything but the places of images and devices in the file.
        assert_eq!(format!("{:?}", spec(&one)), format!("{:?}", spec(&other)));
    }
}

/// Partitions as somebody might describe them, right and wrong.
fn partitions(u: &mut Unstructured<'_>) -> Result<Vec<PartitionSpec>> {
    let count = u8::arbitrary(u)? % 5;
    (0..count).map(|_| partition(u)).collect()
}

fn partition(u: &mut Unstructured<'_>) -> Result<PartitionSpec> {
    let text = |u: &mut Unstructured<'_>, most: u8| -> Result<String> {
        let length = u8::arbitrary(u)? % most;
        let bytes = (0..length).map(|_| Ok(0x20 + u8::arbitrary(u)? % 96));
        let bytes = bytes.collect::<Result<Vec<u8>>>()?;
        Ok(String::from_utf8(bytes).expect("ASCII"))
    };
    let image = |u: &mut Unstructured<'_>| -> Result<Vec<u8>> {
        Ok(vec![u.arbitrary()?; usize::from(u16::arbitrary(u)? % 5000)])
    };
    let choice = u8::arbitrary(u)?;
    let name = if choice & 1 == 0 {
        format!("p{}", choice >> 4)
    } else {
        text(u, 40)?
    };
    let memory_bytes = match choice & 6 {
        0 => u.arbitrary()?,
        _ => u64::from(u8::arbitrary(u)?) * MEMORY_GRANULE_BYTES,
    };
    let kernel = image(u)?;
    let load = if choice & 8 == 0 {
        Load::Elf
    } else {
        let load_address = u64::from(u32::arbitrary(u)?);
        let entry = load_address.wrapping_add(u16::arbitrary(u)?.into());
        Load::Raw {
            load_address,
            entry,
        }
    };
    let devices = u8::arbitrary(u)? % 4;
    let devices = (0..devices)
        .map(|_| device(u))
        .collect::<Result<Vec<_>>>()?;
    let ethernets = (0..u8::arbitrary(u)? % 3).map(|_| {
        Ok(EthernetSpec {
            switch: format!("s{}", u8::arbitrary(u)? % 4),
            vlan: u.arbitrary()?,
            mac: u.arbitrary()?,
        })
    });
    let ethernets = ethernets.collect::<Result<Vec<_>>>()?;
    Ok(PartitionSpec {
        name,
        memory_bytes,
        cpus: u16::arbitrary(u)?.into(),
        processors: if choice & 64 == 0 {
            Processors::Dedicated
        } else {
            Processors::Shared {
                entitlement: u16::arbitrary(u)?.into(),
                weight: u.arbitrary()?,
            }
        },
        console: if choice & 16 == 0 {
            Console::None
        } else {
            Console::Vty
        },
        after_crash: if choice & 128 == 0 {
            AfterCrash::GoOn
        } else {
            AfterCrash::Stop
        },
        kernel,
        load,
        initrd: if choice & 32 == 0 {
            None
        } else {
            Some(image(u)?)
        },
        command_line: text(u, 60)?,
        devices: devices.into_iter().flatten().collect(),
        ethernets,
    })
}

fn device(u: &mut Unstructured<'_>) -> Result<Option<Device>> {
    let hops = u8::arbitrary(u)? % 18;
    let hops = (0..hops)
        .map(|_| u8::arbitrary(u))
        .collect::<Result<Vec<u8>>>()?;
    Ok(DevicePath::new(u8::arbitrary(u)? % 4, &hops)
        .ok()
        .map(|path| Device {
            path,
            dma_window_bytes: 1 << (u8::arbitrary(u).unwrap_or(20) & 63),
            msi_quota: u16::arbitrary(u).unwrap_or(1),
        }))
}
