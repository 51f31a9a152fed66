//! Writing a bundle: for `xtask` and tests, not for the hypervisor.

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::{BundleError, Problem};
use crate::format::{
    self, AFTER_CRASH_GO_ON, AFTER_CRASH_RESTART, AFTER_CRASH_STOP, CONSOLE_NONE, CONSOLE_VTY,
    IMAGE_ALIGN, KERNEL_ELF, KERNEL_RAW, PROCESSORS_DEDICATED, PROCESSORS_SHARED,
};
use crate::parse::{AfterCrash, Bundle, Console, Device, Processors, crc_of};

/// A partition to be packed; the fields are those of [`Partition`](crate::Partition).
#[derive(Debug, Clone)]
pub struct PartitionSpec {
    /// Its name.
    pub name: String,
    /// Its memory in bytes.
    pub memory_bytes: u64,
    /// Its virtual CPUs.
    pub cpus: u32,
    /// Where these run.
    pub processors: Processors,
    /// Its console.
    pub console: Console,
    /// What follows when it has crashed.
    pub after_crash: AfterCrash,
    /// Its kernel's bytes.
    pub kernel: Vec<u8>,
    /// How the kernel is loaded.
    pub load: Load,
    /// Its initial RAM disk.
    pub initrd: Option<Vec<u8>>,
    /// Its kernel's command line.
    pub command_line: String,
    /// Its devices.
    pub devices: Vec<Device>,
    /// Its virtual Ethernet adapters.
    pub ethernets: Vec<EthernetSpec>,
}

/// A virtual Ethernet adapter to be packed; the fields are those of [`Ethernet`](crate::Ethernet).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EthernetSpec {
    /// The name of its switch.
    pub switch: String,
    /// Its VLAN id.
    pub vlan: u16,
    /// Its address.
    pub mac: [u8; 6],
}

/// How a kernel is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// As its ELF headers say.
    Elf,
    /// As plain bytes.
    Raw {
        /// Where they go, in the partition's real addresses.
        load_address: u64,
        /// Where the partition begins.
        entry: u64,
    },
}

/// Packs `partitions`; images that are the same are stored once.
///
/// # Errors
/// What [`Bundle::parse`] would find wrong with the result.
pub fn pack(partitions: &[PartitionSpec]) -> Result<Vec<u8>, BundleError> {
    let bytes = pack_unchecked(partitions);
    // A name longer than its field would otherwise be cut and pass.
    for (index, partition) in partitions.iter().enumerate() {
        let found = partition.name.len() as u64;
        if found > format::MAX_NAME_BYTES as u64 {
            let problem = Problem::TooLarge {
                limit: format::MAX_NAME_BYTES as u64,
                found,
            };
            let name = crate::Name::new("");
            return Err(BundleError::Partition {
                index,
                name,
                field: "name",
                problem,
            });
        }
    }
    Bundle::parse(&bytes)?;
    Ok(bytes)
}

/// Packs `partitions` without checking them: for tests of what readers refuse.
#[must_use]
pub fn pack_unchecked(partitions: &[PartitionSpec]) -> Vec<u8> {
    let devices: usize = partitions
        .iter()
        .map(|partition| partition.devices.len())
        .sum();
    let ethernets: usize = partitions.iter().map(|each| each.ethernets.len()).sum();
    let records = partitions.len() * format::partition::BYTES
        + devices * format::device::BYTES
        + ethernets * format::ethernet::BYTES;
    let mut images = Images {
        start: (format::header::BYTES + records) as u64,
        ..Images::default()
    };
    let mut partition_records = Vec::new();
    let mut device_records = Vec::new();
    let mut ethernet_records = Vec::new();
    let mut first_device = 0;
    for (number, partition) in (0..).zip(partitions) {
        for ethernet in &partition.ethernets {
            ethernet_records.extend(ethernet_record(number, ethernet));
        }
        partition_records.extend(partition_record(partition, first_device, &mut images));
        partition
            .devices
            .iter()
            .for_each(|device| device_records.extend(device_record(device)));
        first_device += partition.devices.len() as u32;
    }
    let total = images.end();
    let mut bytes = Vec::with_capacity(total as usize);
    bytes.extend(format::MAGIC);
    bytes.extend(format::VERSION.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(total.to_be_bytes());
    bytes.extend((partitions.len() as u32).to_be_bytes());
    bytes.extend((devices as u32).to_be_bytes());
    bytes.extend((ethernets as u32).to_be_bytes());
    bytes.resize(format::header::BYTES, 0);
    bytes.extend(partition_records);
    bytes.extend(device_records);
    bytes.extend(ethernet_records);
    for (offset, image) in &images.placed {
        bytes.resize(*offset as usize, 0);
        bytes.extend_from_slice(image);
    }
    seal(&mut bytes);
    bytes
}

/// Puts the right CRC into the bytes of a bundle, whatever else is wrong with them.
pub fn seal(bytes: &mut [u8]) {
    if let Some(crc) = crc_of(bytes) {
        let field = bytes.get_mut(format::header::CRC..format::header::TOTAL_BYTES);
        field
            .into_iter()
            .for_each(|field| field.copy_from_slice(&crc.to_be_bytes()));
    }
}

/// Images and where they have been put.
#[derive(Default)]
struct Images<'a> {
    start: u64,
    placed: Vec<(u64, &'a [u8])>,
}

impl<'a> Images<'a> {
    fn end(&self) -> u64 {
        self.placed
            .last()
            .map_or(self.start, |(offset, image)| offset + image.len() as u64)
    }

    /// Places `image` and returns its extent: offset and length.
    fn place(&mut self, image: &'a [u8]) -> [u64; 2] {
        if image.is_empty() {
            return [0, 0];
        }
        let length = image.len() as u64;
        let known = self
            .placed
            .iter()
            .find(|(_, other)| *other == image)
            .map(|&(offset, _)| offset);
        let offset = known.unwrap_or_else(|| {
            let offset = self.end().next_multiple_of(IMAGE_ALIGN);
            self.placed.push((offset, image));
            offset
        });
        [offset, length]
    }
}

fn partition_record<'a>(
    partition: &'a PartitionSpec,
    first_device: u32,
    images: &mut Images<'a>,
) -> Vec<u8> {
    let mut record = Vec::with_capacity(format::partition::BYTES);
    record.extend(partition.name.bytes().take(format::MAX_NAME_BYTES));
    record.resize(format::partition::NAME_BYTES, 0);
    record.extend(partition.memory_bytes.to_be_bytes());
    record.extend(partition.cpus.to_be_bytes());
    record.push(match partition.console {
        Console::None => CONSOLE_NONE,
        Console::Vty => CONSOLE_VTY,
    });
    let (kind, load_address, entry) = match partition.load {
        Load::Elf => (KERNEL_ELF, 0, 0),
        Load::Raw {
            load_address,
            entry,
        } => (KERNEL_RAW, load_address, entry),
    };
    let after_crash = match partition.after_crash {
        AfterCrash::GoOn => AFTER_CRASH_GO_ON,
        AfterCrash::Restart => AFTER_CRASH_RESTART,
        AfterCrash::Stop => AFTER_CRASH_STOP,
    };
    record.extend([kind, after_crash, 0]);
    let kernel = images.place(&partition.kernel);
    let initrd = images.place(partition.initrd.as_deref().unwrap_or_default());
    let command_line = images.place(partition.command_line.as_bytes());
    for word in [kernel, [load_address, entry], initrd, command_line].as_flattened() {
        record.extend(word.to_be_bytes());
    }
    record.extend(first_device.to_be_bytes());
    record.extend((partition.devices.len() as u32).to_be_bytes());
    let (kind, weight, entitlement) = match partition.processors {
        Processors::Dedicated => (PROCESSORS_DEDICATED, 0, 0),
        Processors::Shared {
            entitlement,
            weight,
        } => (PROCESSORS_SHARED, weight, entitlement),
    };
    record.extend([kind, weight, 0, 0]);
    record.extend(entitlement.to_be_bytes());
    record.resize(format::partition::BYTES, 0);
    record
}

fn ethernet_record(partition: u32, ethernet: &EthernetSpec) -> Vec<u8> {
    let mut record = Vec::with_capacity(format::ethernet::BYTES);
    record.extend(partition.to_be_bytes());
    record.extend(ethernet.vlan.to_be_bytes());
    record.extend(ethernet.mac);
    record.resize(format::ethernet::SWITCH, 0);
    record.extend(ethernet.switch.bytes().take(format::partition::NAME_BYTES));
    record.resize(format::ethernet::BYTES, 0);
    record
}

fn device_record(device: &Device) -> Vec<u8> {
    let hops = device.path.hops();
    let mut record = Vec::with_capacity(format::device::BYTES);
    // A path has at most 16 steps.
    record.extend([device.path.phb(), hops.len() as u8]);
    record.extend(device.msi_quota.to_be_bytes());
    record.extend([0; 4]);
    record.extend(device.dma_window_bytes.to_be_bytes());
    record.extend(hops);
    record.resize(format::device::BYTES, 0);
    record
}
