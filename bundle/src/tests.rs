//! Bundles good, bad and random.

use proptest::prelude::*;

use crate::build::{EthernetSpec, Load, PartitionSpec, pack, pack_unchecked, seal};
use crate::format::{device, ethernet, header, partition};
use crate::*;

fn nvme(path: &str) -> Device {
    Device {
        path: path.parse().expect("a path"),
        dma_window_bytes: 1 << 30,
        msi_quota: 16,
    }
}

fn linux(name: &str) -> PartitionSpec {
    PartitionSpec {
        name: name.into(),
        memory_bytes: 1 << 30,
        cpus: 2,
        processors: Processors::Dedicated,
        console: Console::Vty,
        after_crash: AfterCrash::Restart,
        kernel: vec![0x7F; 10_000],
        load: Load::Elf,
        initrd: Some(vec![0x1F; 5000]),
        command_line: "console=hvc0".into(),
        devices: vec![nvme("phb0/00.0/00.0"), nvme("phb1/00.0/00.0")],
        ethernets: vec![adapter("lan", 1, 1), adapter("lan", 2, 1)],
    }
}

fn adapter(switch: &str, vlan: u16, last: u8) -> EthernetSpec {
    EthernetSpec {
        switch: switch.into(),
        vlan,
        mac: [2, 0x42, 0x48, 0, 0, last],
    }
}

fn two() -> Vec<PartitionSpec> {
    let raw = PartitionSpec {
        name: "raw".into(),
        console: Console::None,
        after_crash: AfterCrash::Stop,
        load: Load::Raw {
            load_address: 0x100,
            entry: 0x104,
        },
        initrd: None,
        command_line: String::new(),
        devices: vec![nvme("phb2/00.0/00.0/1f.7")],
        ethernets: vec![adapter("lan", 1, 2)],
        ..linux("")
    };
    vec![linux("linux"), raw]
}

/// Packs `two()` after `change` was made to its first partition.
fn refused(change: impl FnOnce(&mut PartitionSpec)) -> BundleError {
    let mut partitions = two();
    change(&mut partitions[0]);
    pack(&partitions).expect_err("must be refused")
}

/// Overwrites bytes of a good bundle and parses it.
fn patched(offset: usize, bytes: &[u8]) -> BundleError {
    let mut bundle = pack(&two()).expect("packs");
    bundle[offset..offset + bytes.len()].copy_from_slice(bytes);
    seal(&mut bundle);
    assert_eq!(Bundle::check_crc(&bundle), Ok(()));
    Bundle::parse(&bundle).err().expect("must be refused")
}

const RECORD: usize = header::BYTES;
const DEVICE: usize = header::BYTES + 2 * partition::BYTES;

#[test]
fn what_was_packed_is_read_back() {
    let specs = two();
    let bytes = pack(&specs).expect("packs");
    Bundle::check_crc(&bytes).expect("the CRC is right");
    let bundle = Bundle::parse(&bytes).expect("parses");
    assert_eq!(bundle.total_bytes(), bytes.len() as u64);
    let partitions: Vec<_> = bundle.partitions().collect();
    assert_eq!(partitions.len(), 2);
    for (read, spec) in partitions.iter().zip(&specs) {
        assert_eq!(read.name, spec.name);
        assert_eq!(read.memory_bytes, spec.memory_bytes);
        assert_eq!(read.cpus, spec.cpus);
        assert_eq!(read.console, spec.console);
        assert_eq!(read.after_crash, spec.after_crash);
        assert_eq!(read.kernel.image(), spec.kernel);
        assert_eq!(read.initrd, spec.initrd.as_deref());
        assert_eq!(read.command_line, spec.command_line);
        assert_eq!(read.devices().collect::<Vec<_>>(), spec.devices);
        let ethernets: Vec<_> = read.ethernets().map(spec_of).collect();
        assert_eq!(ethernets, spec.ethernets);
    }
    assert!(matches!(partitions[0].kernel, Kernel::Elf(_)));
    assert!(matches!(
        partitions[1].kernel,
        Kernel::Raw {
            load_address: 0x100,
            entry: 0x104,
            ..
        }
    ));
}

#[test]
fn the_format_is_as_documented() {
    let bytes = pack(&two()).expect("packs");
    assert_eq!(bytes[..12], *b"BHBUNDLE\0\0\0\x02");
    assert_eq!(bytes[16..24], (bytes.len() as u64).to_be_bytes());
    assert_eq!(bytes[24..32], [0, 0, 0, 2, 0, 0, 0, 3]);
    assert_eq!(bytes[32..36], [0, 0, 0, 3]);
    assert_eq!(bytes[RECORD..RECORD + 6], *b"linux\0");
    assert_eq!(
        bytes[RECORD + 32..RECORD + 46],
        [0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 2, 1, 0]
    );
    assert_eq!(
        bytes[RECORD + 48..RECORD + 64],
        [0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x27, 0x10]
    );
    let third = DEVICE + 2 * device::BYTES;
    assert_eq!(bytes[third..third + 8], [2, 3, 0, 16, 0, 0, 0, 0]);
    assert_eq!(bytes[third + 16..third + 20], [0, 0, 0xFF, 0]);
    let last = third + device::BYTES + 2 * ethernet::BYTES;
    assert_eq!(
        bytes[last..last + 20],
        *b"\0\0\0\x01\0\x01\x02\x42\x48\0\0\x02\0\0\0\0lan\0"
    );
    // CRC-32 of "123456789", the check value that every description of this CRC gives.
    assert_eq!(crate::parse::crc().checksum(b"123456789"), 0xCBF4_3926);
}

#[test]
fn equal_images_are_stored_once() {
    let mut partitions = two();
    let shared = pack(&partitions).expect("packs").len();
    partitions[1].kernel[0] = 1;
    assert!(pack(&partitions).expect("packs").len() > shared + 9000);
}

#[test]
fn bytes_after_the_end_are_ignored() {
    let mut bytes = pack(&two()).expect("packs");
    bytes.extend([0xFF; 100]);
    assert_eq!(Bundle::check_crc(&bytes), Ok(()));
    assert!(Bundle::parse(&bytes).is_ok());
}

#[test]
fn no_bundle_at_all_is_named() {
    assert_eq!(
        Bundle::check_crc(&[]),
        Err(BundleError::TooShort {
            needed: 64,
            found: 0
        })
    );
    assert_eq!(Bundle::check_crc(&[0; 64]), Err(BundleError::BadMagic));
    assert_eq!(
        Bundle::parse(b"BHBUNDLE").err(),
        Some(BundleError::TooShort {
            needed: 64,
            found: 8
        })
    );
}

#[test]
fn every_truncation_is_refused() {
    let bytes = pack(&two()).expect("packs");
    for length in 0..bytes.len() {
        let error = Bundle::check_crc(&bytes[..length]).expect_err("truncated");
        assert!(
            matches!(error, BundleError::TooShort { .. }),
            "{length}: {error}"
        );
        assert!(Bundle::parse(&bytes[..length]).is_err());
    }
}

#[test]
fn another_version_is_named_before_the_crc() {
    let mut bytes = pack(&two()).expect("packs");
    bytes[11] = 1;
    assert_eq!(
        Bundle::check_crc(&bytes),
        Err(BundleError::Version { found: 1 })
    );
    assert_eq!(
        Bundle::parse(&bytes).err(),
        Some(BundleError::Version { found: 1 })
    );
}

#[test]
fn every_flipped_bit_is_found() {
    // Small images keep this quick; CRC-32 finds any single bit at any length.
    let mut partitions = two();
    for partition in &mut partitions {
        partition.kernel.truncate(0x400);
        partition.initrd = None;
    }
    let mut bytes = pack(&partitions).expect("packs");
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Bundle::check_crc(&bytes).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert_eq!(Bundle::check_crc(&bytes), Ok(()));
}

#[test]
fn bad_values_of_a_partition_name_partition_and_field() {
    let text = |change: fn(&mut PartitionSpec)| refused(change).to_string();
    for (change, expected) in [
        (
            (|p| p.cpus = 0) as fn(&mut PartitionSpec),
            "partition 0 (linux): cpus is zero",
        ),
        (
            |p| p.cpus = 1025,
            "partition 0 (linux): cpus is 1025, at most 1024 is allowed",
        ),
        (
            |p| p.memory_bytes = 0,
            "partition 0 (linux): memory is zero",
        ),
        (
            |p| p.memory_bytes = 1,
            "partition 0 (linux): memory is 1, no multiple of 16777216",
        ),
        (
            |p| p.memory_bytes = u64::MAX << 24,
            "partition 0 (linux): memory is 18446744073692774400, at most 70368744177664 is allowed",
        ),
        (|p| p.kernel.clear(), "partition 0 (linux): kernel is zero"),
        (
            |p| p.command_line = "a\nb".into(),
            "partition 0 (linux): command line has a character that is not allowed",
        ),
        (
            |p| p.command_line = "x".repeat(2048),
            "partition 0 (linux): command line is 2048, at most 2047 is allowed",
        ),
        (|p| p.name.clear(), "partition 0: name is zero"),
        (
            |p| p.name = "Linux".into(),
            "partition 0: name has a character that is not allowed",
        ),
        (
            |p| p.name = "1st".into(),
            "partition 0: name has a character that is not allowed",
        ),
        (
            |p| p.name = "x".repeat(32),
            "partition 0: name is 32, at most 31 is allowed",
        ),
        (|p| p.name = "raw".into(), "two partitions are named raw"),
        (
            |p| {
                p.load = Load::Raw {
                    load_address: 1 << 30,
                    entry: 1 << 30,
                }
            },
            "partition 0 (linux): load address is outside the partition's memory",
        ),
        (
            |p| {
                p.load = Load::Raw {
                    load_address: u64::MAX,
                    entry: 0,
                }
            },
            "partition 0 (linux): load address is outside the partition's memory",
        ),
        (
            |p| {
                p.load = Load::Raw {
                    load_address: 0,
                    entry: 2,
                }
            },
            "partition 0 (linux): entry is 2, no multiple of 4",
        ),
        (
            |p| {
                p.load = Load::Raw {
                    load_address: 8,
                    entry: 4,
                }
            },
            "partition 0 (linux): entry is outside the partition's memory",
        ),
        (
            |p| {
                p.load = Load::Raw {
                    load_address: 0,
                    entry: 10_000,
                }
            },
            "partition 0 (linux): entry is outside the partition's memory",
        ),
        (
            |p| (p.memory_bytes, p.initrd) = (16 << 20, Some(vec![1; (16 << 20) + 1])),
            "partition 0 (linux): initrd is outside the partition's memory",
        ),
    ] {
        assert_eq!(text(change), expected);
    }
}

#[test]
fn bad_values_of_a_device_name_it() {
    let text = |change: fn(&mut Device)| refused(|p| change(&mut p.devices[1])).to_string();
    for (change, expected) in [
        (
            (|d| d.msi_quota = 0) as fn(&mut Device),
            "device 1 of partition linux: msi quota is zero",
        ),
        (
            |d| d.msi_quota = 2049,
            "device 1 of partition linux: msi quota is 2049, at most 2048 is allowed",
        ),
        (
            |d| d.dma_window_bytes = 0,
            "device 1 of partition linux: dma window is 0, at least 1048576 is needed",
        ),
        (
            |d| d.dma_window_bytes = 3 << 20,
            "device 1 of partition linux: dma window is 3145728, no power of two",
        ),
        (
            |d| d.dma_window_bytes = 4 << 30,
            "device 1 of partition linux: dma window is 4294967296, at most 2147483648 is allowed",
        ),
    ] {
        assert_eq!(text(change), expected);
    }
}

#[test]
fn a_device_belongs_to_one_partition() {
    let twice = refused(|p| p.devices[1] = nvme("phb2/00.0/00.0/1f.7"));
    assert_eq!(
        twice.to_string(),
        "device phb2/00.0/00.0/1f.7 is given to partition linux and again to raw"
    );
    let above = refused(|p| p.devices[1] = nvme("phb2/00.0/00.0"));
    assert_eq!(
        above.to_string(),
        "device phb2/00.0/00.0/1f.7 of partition raw and phb2/00.0/00.0 of linux are in one path"
    );
    let below = refused(|p| p.devices[0] = nvme("phb1/00.0/00.0/00.0"));
    assert!(matches!(below, BundleError::DuplicateDevice { .. }));
}

#[test]
fn hostile_records_are_refused() {
    let first = |offset: usize, bytes: &[u8]| patched(RECORD + offset, bytes).to_string();
    let be = u64::to_be_bytes;
    let total = pack(&two()).expect("packs").len() as u64;
    assert_eq!(
        first(partition::CONSOLE, &[9]),
        "partition 0 (linux): console is 9, which has no meaning"
    );
    assert_eq!(
        first(partition::AFTER_CRASH, &[3]),
        "partition 0 (linux): after crash is 3, which has no meaning"
    );
    assert_eq!(
        first(partition::KERNEL_KIND, &[2]),
        "partition 0 (linux): kernel kind is 2, which has no meaning"
    );
    assert_eq!(
        first(partition::LOAD_ADDRESS, &be(4)),
        "partition 0 (linux): load address has reserved bytes that are not zero"
    );
    assert_eq!(
        first(partition::ENTRY, &be(4)),
        "partition 0 (linux): entry has reserved bytes that are not zero"
    );
    assert_eq!(
        first(partition::RESERVED_A, &[1]),
        "partition 0 (linux): reserved has reserved bytes that are not zero"
    );
    assert_eq!(
        first(partition::RESERVED_B + 1, &[1]),
        "partition 0 (linux): reserved has reserved bytes that are not zero"
    );
    assert_eq!(
        first(6, &[1]),
        "partition 0: name has reserved bytes that are not zero"
    );
    // Images that point into the records, past the end, around the end of the address space, beside a page.
    for start in [0, 64, total.next_multiple_of(4096), !4095] {
        assert_eq!(
            first(partition::KERNEL, &be(start)),
            "partition 0 (linux): kernel lies outside the bundle's images"
        );
    }
    assert_eq!(
        first(partition::KERNEL, &be(0x1001)),
        "partition 0 (linux): kernel is 4097, no multiple of 4096"
    );
    assert_eq!(
        first(partition::INITRD + 8, &be(u64::MAX)),
        "partition 0 (linux): initrd lies outside the bundle's images"
    );
    assert_eq!(
        first(partition::INITRD + 8, &be(0)),
        "partition 0 (linux): initrd lies outside the bundle's images"
    );
    // The initrd begins inside the kernel.
    assert_eq!(
        first(partition::INITRD, &be(0x2000)),
        "partition 0 (linux): initrd overlaps another image"
    );
    // Devices shared, left over, out of the list.
    assert_eq!(
        first(partition::DEVICES, &[0, 0, 0, 1]),
        "partition 1 (raw): devices is out of order"
    );
    assert_eq!(
        first(partition::DEVICES, &[0, 0, 0, 9]),
        "partition 0 (linux): devices lies outside the bundle's images"
    );
    assert_eq!(
        first(partition::FIRST_DEVICE, &[0xFF; 4]),
        "partition 0 (linux): devices lies outside the bundle's images"
    );
    let last = RECORD + partition::BYTES + partition::DEVICES;
    assert_eq!(
        patched(last, &[0; 4]).to_string(),
        "bundle header: devices is 3, at most 2 is allowed"
    );
}

#[test]
fn hostile_device_records_are_refused() {
    let at = |offset: usize, bytes: &[u8]| patched(DEVICE + offset, bytes).to_string();
    let bad_path = "device 0 of partition linux: path is no path to a device behind a root port";
    for hops in [0, 1, 17, 255] {
        assert_eq!(at(device::HOPS, &[hops]), bad_path);
    }
    assert_eq!(at(device::PATH + 2, &[8]), bad_path);
    assert_eq!(
        at(device::RESERVED, &[1]),
        "device 0 of partition linux: reserved has reserved bytes that are not zero"
    );
}

#[test]
fn hostile_headers_are_refused() {
    assert_eq!(
        patched(header::PARTITIONS, &[0; 4]).to_string(),
        "bundle header: partitions is zero"
    );
    assert_eq!(
        patched(header::PARTITIONS, &[0xFF; 4]).to_string(),
        "bundle header: partitions is 4294967295, at most 64 is allowed"
    );
    assert_eq!(
        patched(header::DEVICES, &[0, 0, 1, 1]).to_string(),
        "bundle header: devices is 257, at most 256 is allowed"
    );
    assert!(
        patched(63, &[1])
            .to_string()
            .starts_with("bundle header: reserved")
    );
    let mut bytes = pack(&two()).expect("packs");
    bytes[16..24].copy_from_slice(&63_u64.to_be_bytes());
    assert_eq!(
        Bundle::parse(&bytes).err().expect("refused").to_string(),
        "bundle header: total bytes is 63, at least 64 is needed"
    );
    bytes[16..24].copy_from_slice(&[0xFF; 8]);
    let found = bytes.len() as u64;
    assert_eq!(
        Bundle::check_crc(&bytes),
        Err(BundleError::TooShort {
            needed: u64::MAX,
            found
        })
    );
    // A bundle that says it ends inside its records.
    bytes[16..24].copy_from_slice(&100_u64.to_be_bytes());
    assert_eq!(
        Bundle::parse(&bytes).err(),
        Some(BundleError::TooShort {
            needed: 64 + 256 + 96 + 144,
            found: 100
        })
    );
}

#[test]
fn shared_processors_are_read_as_they_were_packed() {
    for (entitlement, weight) in [(10, 0), (200, 255), (57, 128)] {
        let processors = Processors::Shared {
            entitlement,
            weight,
        };
        let mut partitions = two();
        partitions[1].processors = processors;
        let bytes = pack(&partitions).expect("sound");
        let bundle = Bundle::parse(&bytes).expect("sound");
        let read: Vec<Processors> = bundle.partitions().map(|p| p.processors).collect();
        assert_eq!(read, [Processors::Dedicated, processors]);
    }
}

#[test]
fn entitlements_outside_what_the_cpus_can_have_are_refused() {
    let problem = |processors| {
        let mut partition = linux("linux");
        partition.processors = processors;
        match pack(&[partition]) {
            Err(BundleError::Partition { field, problem, .. }) => (field, problem),
            other => panic!("{:?}", other.map(|_| ())),
        }
    };
    let shared = |entitlement| Processors::Shared {
        entitlement,
        weight: 1,
    };
    let small = Problem::TooSmall {
        limit: 10,
        found: 9,
    };
    assert_eq!(problem(shared(9)), ("entitlement", small));
    let large = Problem::TooLarge {
        limit: 200,
        found: 201,
    };
    assert_eq!(problem(shared(201)), ("entitlement", large));
    // The record says dedicated, and something else besides; or what nobody knows.
    for (offset, field, expected) in [
        (partition::WEIGHT, "weight", Problem::ReservedNotZero),
        (
            partition::ENTITLEMENT + 3,
            "entitlement",
            Problem::ReservedNotZero,
        ),
        (
            partition::PROCESSORS,
            "processors",
            Problem::Unknown { found: 9 },
        ),
        (partition::RESERVED_B, "reserved", Problem::ReservedNotZero),
    ] {
        let mut bytes = pack(&[linux("linux")]).expect("sound");
        bytes[header::BYTES + offset] = 9;
        match Bundle::parse(&bytes).map(|_| ()) {
            Err(BundleError::Partition {
                field: found,
                problem,
                ..
            }) => assert_eq!((found, problem), (field, expected)),
            other => panic!("{field}: {other:?}"),
        }
    }
}

fn spec_of(read: Ethernet<'_>) -> EthernetSpec {
    EthernetSpec {
        switch: read.switch.into(),
        vlan: read.vlan,
        mac: read.mac,
    }
}

#[test]
fn bad_values_of_an_ethernet_adapter_name_it() {
    let text = |change: fn(&mut EthernetSpec)| refused(|p| change(&mut p.ethernets[1])).to_string();
    for (message, expected) in [
        (text(|e| e.vlan = 0), "ethernet adapter 1: vlan is zero"),
        (
            text(|e| e.vlan = 4095),
            "ethernet adapter 1: vlan is 4095, at most 4094 is allowed",
        ),
        (text(|e| e.mac = [0; 6]), "ethernet adapter 1: mac is zero"),
        (
            text(|e| e.mac[0] = 3),
            "ethernet adapter 1: mac is 3, which has no meaning",
        ),
        (
            text(|e| e.switch = "Lan".into()),
            "ethernet adapter 1: switch has a character that is not allowed",
        ),
        (
            text(|e| e.switch = "x".repeat(40)),
            "ethernet adapter 1: switch is 32, at most 31 is allowed",
        ),
        (
            text(|e| e.vlan = 1),
            "ethernet adapter 1: another on its VLAN has its mac",
        ),
    ] {
        assert_eq!(message, expected);
    }
}

#[test]
fn ethernet_adapters_are_counted_and_belong_to_partitions_in_order() {
    let ethernets = header::BYTES + 2 * partition::BYTES + 3 * device::BYTES;
    let owner = |number: usize, owner: u32| {
        let at = ethernets + number * ethernet::BYTES + ethernet::PARTITION;
        patched(at, &owner.to_be_bytes()).to_string()
    };
    assert_eq!(
        owner(2, 2),
        "ethernet adapter 2: partition is 2, at most 1 is allowed"
    );
    assert_eq!(owner(0, 1), "ethernet adapter 1: partition is out of order");
    assert_eq!(
        patched(ethernets + ethernet::RESERVED, &[1]).to_string(),
        "ethernet adapter 0: reserved has reserved bytes that are not zero"
    );
    assert_eq!(
        patched(header::ETHERNETS, &129_u32.to_be_bytes()).to_string(),
        "bundle header: ethernets is 129, at most 128 is allowed"
    );
    let many = |count: u8| {
        let mut partitions = two();
        let adapters = (10..).take(count.into());
        partitions[0].ethernets = adapters.map(|last| adapter("lan", 1, last)).collect();
        pack(&partitions)
    };
    assert!(many(MAX_PARTITION_ETHERNETS as u8).is_ok());
    assert_eq!(
        many(MAX_PARTITION_ETHERNETS as u8 + 1)
            .expect_err("too many")
            .to_string(),
        "ethernet adapter 16: partition is 17, at most 16 is allowed"
    );
}

#[test]
fn limits_are_inclusive() {
    let mut partition = linux(&"a".repeat(31));
    partition.cpus = MAX_CPUS;
    partition.memory_bytes = MAX_MEMORY_BYTES;
    partition.command_line = "x".repeat(MAX_COMMAND_LINE_BYTES);
    partition.devices[0].dma_window_bytes = MAX_DMA_WINDOW_BYTES;
    partition.devices[1].dma_window_bytes = MIN_DMA_WINDOW_BYTES;
    partition.devices[1].msi_quota = MAX_MSIS;
    pack(&[partition]).expect("all at their limits");
    let many = |count: usize| {
        let empty = |index| PartitionSpec {
            devices: Vec::new(),
            ethernets: Vec::new(),
            ..linux(&format!("p{index}"))
        };
        pack(&(0..count).map(empty).collect::<Vec<_>>())
    };
    assert!(many(MAX_PARTITIONS).is_ok());
    assert!(many(MAX_PARTITIONS + 1).is_err());
}

/// Reads everything that can be read.
fn walk(bytes: &[u8]) -> Option<usize> {
    let _ = Bundle::check_crc(bytes).map_err(|error| error.to_string());
    let bundle = Bundle::parse(bytes)
        .map_err(|error| error.to_string())
        .ok()?;
    let sizes = bundle.partitions().map(|p| {
        assert!(
            (1..=MAX_CPUS).contains(&p.cpus) && p.memory_bytes > 0 && !p.kernel.image().is_empty()
        );
        p.devices().count()
            + p.kernel.image().len()
            + p.initrd.map_or(0, <[u8]>::len)
            + p.command_line.len()
    });
    Some(sizes.sum())
}

proptest! {
    #[test]
    fn no_bytes_panic_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
        walk(&bytes);
        let mut headed = pack(&two()).expect("packs")[..16].to_vec();
        headed.extend(bytes);
        walk(&headed);
    }

    #[test]
    fn no_mutation_panics_the_parser_or_hides_a_partition(
        changes in prop::collection::vec((0_usize..512, prop_oneof![any::<u8>(), Just(0), Just(0xFF)]), 1..8),
        length in 0_usize..40_000,
    ) {
        let mut bytes = pack_unchecked(&two());
        for (offset, value) in changes {
            bytes[offset] = value;
        }
        bytes.truncate(length.max(512));
        walk(&bytes);
        if let Ok(bundle) = Bundle::parse(&bytes) {
            prop_assert_eq!(bundle.partitions().count(), bundle.partition_count());
            let devices: usize = bundle.partitions().map(|partition| partition.devices().count()).sum();
            prop_assert_eq!(devices, bundle.device_count());
        }
    }

    #[test]
    fn any_valid_partition_survives_the_round_trip(
        name in "[a-z][a-z0-9_-]{0,30}",
        memory in 1_u64..4096,
        cpus in 1..=MAX_CPUS,
        kernel in prop::collection::vec(any::<u8>(), 1..9000),
        initrd in prop::option::of(prop::collection::vec(any::<u8>(), 1..9000)),
        command_line in "[ -~]{0,100}",
        window in 20_u32..=31,
    ) {
        let mut spec = linux(&name);
        spec.memory_bytes = memory * MEMORY_GRANULE_BYTES;
        (spec.cpus, spec.kernel, spec.initrd, spec.command_line) = (cpus, kernel, initrd, command_line);
        spec.devices[0].dma_window_bytes = 1 << window;
        let bytes = pack(std::slice::from_ref(&spec)).expect("packs");
        let bundle = Bundle::parse(&bytes).expect("parses");
        let read = bundle.partitions().next().expect("one partition");
        prop_assert_eq!(read.name, &spec.name);
        prop_assert_eq!(read.kernel.image(), &spec.kernel);
        prop_assert_eq!(read.initrd, spec.initrd.as_deref());
        prop_assert_eq!(read.command_line, &spec.command_line);
        prop_assert_eq!(read.devices().collect::<Vec<_>>(), spec.devices);
    }
}
