//! Reading a bundle: the views that the hypervisor works with.

use crc::{CRC_32_ISO_HDLC, Crc, Table};

use crate::check;
use crate::error::{BundleError, Name, Problem};
use crate::format::{
    self, AFTER_CRASH_GO_ON, AFTER_CRASH_RESTART, AFTER_CRASH_STOP, CONSOLE_NONE, CONSOLE_VTY,
    KERNEL_ELF, KERNEL_RAW, PROCESSORS_DEDICATED, PROCESSORS_SHARED,
};
use crate::path::DevicePath;
use crate::read::{array, span, u8_at, u16_at, u32_at, u64_at, zeros};

/// CRC-32 as in Ethernet and zip, with sixteen tables, since images are tens of megabytes.
///
/// The 16 KiB of tables are made anew, in a thousandth of the time that a bundle takes: they would be 3 % of the hypervisor.
#[inline(never)]
pub(crate) fn crc() -> Crc<u32, Table<16>> {
    Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC)
}

/// A bundle whose header and records have been checked; the images behind them are plain bytes.
#[derive(Clone, Copy)]
pub struct Bundle<'a> {
    bytes: &'a [u8],
    partitions: &'a [u8],
    devices: &'a [u8],
    ethernets: &'a [u8],
}

/// One partition of a bundle.
#[derive(Debug, Clone, Copy)]
pub struct Partition<'a> {
    /// Its name: 1 to 31 of `a-z`, `0-9`, `-` and `_`, beginning with a letter; unique in the bundle.
    pub name: &'a str,
    /// Its memory in bytes: a multiple of 16 MiB, not zero.
    pub memory_bytes: u64,
    /// Its virtual CPUs: 1 to 1024.
    pub cpus: u32,
    /// Where these run.
    pub processors: Processors,
    /// What its operator sees.
    pub console: Console,
    /// What follows when it has crashed.
    pub after_crash: AfterCrash,
    /// What it starts.
    pub kernel: Kernel<'a>,
    /// What its kernel is given besides; no image is empty.
    pub initrd: Option<&'a [u8]>,
    /// Its kernel's command line: printable ASCII, at most 2047 bytes.
    pub command_line: &'a str,
    devices: &'a [u8],
    index: usize,
    ethernets: &'a [u8],
}

/// Where a partition's virtual CPUs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processors {
    /// Each has a thread of the machine to itself.
    Dedicated,
    /// They share the threads that no dedicated one has with those of other partitions.
    Shared {
        /// What the partition may have whenever it can use it, in hundredths of a processor: 5 to 100 for
        /// each of its CPUs.
        entitlement: u32,
        /// Its part of what is left over, relative to that of others; 0 when it may have no more than its
        /// entitlement.
        weight: u8,
    },
}

/// A partition's console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// None: what the partition prints is not shown.
    None,
    /// A PAPR virtual terminal, `hvc0` to Linux.
    Vty,
}

/// What follows when a partition tells that it has crashed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AfterCrash {
    /// It goes on, and does what it is set up to do.
    #[default]
    GoOn,
    /// It begins anew.
    Restart,
    /// It is stopped.
    Stop,
}

/// A partition's kernel.
#[derive(Debug, Clone, Copy)]
pub enum Kernel<'a> {
    /// An ELF64 executable, to be loaded at the physical addresses it names. Its bytes are not checked here.
    Elf(&'a [u8]),
    /// Plain bytes.
    Raw {
        /// The bytes.
        image: &'a [u8],
        /// Where they go, in the partition's real addresses; they fit into its memory.
        load_address: u64,
        /// Where the partition begins: inside the image, a multiple of 4.
        entry: u64,
    },
}

/// One device of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Where it sits; no other device of the bundle is there, above or below.
    pub path: DevicePath,
    /// Size of its DMA window in bytes: a power of two from 1 MiB to 2 GiB.
    pub dma_window_bytes: u64,
    /// How many message-signalled interrupts it may have: 1 to 2048.
    pub msi_quota: u16,
}

/// One virtual Ethernet adapter of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ethernet<'a> {
    /// The name of the switch that it is on: as a partition's name.
    pub switch: &'a str,
    /// Its VLAN id there: 1 to 4094. Adapters of one switch and VLAN hear each other, and nobody else.
    pub vlan: u16,
    /// Its address: of one adapter, and no other on its VLAN has it.
    pub mac: [u8; 6],
}

impl<'a> Bundle<'a> {
    /// Checks the CRC-32 over the whole bundle: all of it but the CRC's own four bytes.
    ///
    /// Costs time for every byte; [`parse`](Self::parse) only for header and records. To be called first: what it
    /// lets through was written by somebody on purpose.
    ///
    /// # Errors
    /// [`BundleError::TooShort`], [`BundleError::BadMagic`], [`BundleError::Version`], [`BundleError::Crc`]; the
    /// header's size field out of range is [`BundleError::Header`].
    pub fn check_crc(bytes: &[u8]) -> Result<(), BundleError> {
        let (bytes, stored) = check_start(bytes)?;
        let computed = crc_of(bytes).ok_or(BundleError::BadMagic)?;
        if stored == computed {
            Ok(())
        } else {
            Err(BundleError::Crc { stored, computed })
        }
    }

    /// Reads and checks header and records: every value in range, every image inside the bundle and overlapping no
    /// other (two that are the same bytes may share them), no name and no device twice.
    ///
    /// Bytes after the bundle's end are ignored. The CRC is not looked at: see [`check_crc`](Self::check_crc).
    ///
    /// # Errors
    /// The first thing that is wrong, as a [`BundleError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BundleError> {
        let (bytes, _) = check_start(bytes)?;
        let header = |field| move |problem| BundleError::Header { field, problem };
        let count = |offset, field, limit: usize| {
            let count = u32_at(bytes, offset).map_err(header(field))?;
            let (found, limit) = (u64::from(count), limit as u64);
            if found > limit {
                Err(header(field)(Problem::TooLarge { limit, found }))
            } else {
                Ok(found)
            }
        };
        let partitions = count(
            format::header::PARTITIONS,
            "partitions",
            format::MAX_PARTITIONS,
        )?;
        let devices = count(format::header::DEVICES, "devices", format::MAX_DEVICES)?;
        let ethernets = count(
            format::header::ETHERNETS,
            "ethernets",
            format::MAX_ETHERNETS,
        )?;
        if partitions == 0 {
            return Err(header("partitions")(Problem::Zero));
        }
        zeros(bytes, format::header::RESERVED, format::header::BYTES)
            .map_err(header("reserved"))?;
        // Counts are limited, so none of these products and sums comes near overflow.
        let partitions_at = format::header::BYTES as u64;
        let partitions_bytes = partitions.saturating_mul(format::partition::BYTES as u64);
        let devices_at = partitions_at.saturating_add(partitions_bytes);
        let devices_bytes = devices.saturating_mul(format::device::BYTES as u64);
        let ethernets_at = devices_at.saturating_add(devices_bytes);
        let ethernets_bytes = ethernets.saturating_mul(format::ethernet::BYTES as u64);
        let needed = ethernets_at.saturating_add(ethernets_bytes);
        let short = || BundleError::TooShort {
            needed,
            found: bytes.len() as u64,
        };
        let bundle = Self {
            bytes,
            partitions: span(bytes, partitions_at, partitions_bytes).ok_or_else(short)?,
            devices: span(bytes, devices_at, devices_bytes).ok_or_else(short)?,
            ethernets: span(bytes, ethernets_at, ethernets_bytes).ok_or_else(short)?,
        };
        check::records(&bundle)?;
        Ok(bundle)
    }

    /// Returns the partitions in the order of the manifest; at least one.
    pub fn partitions(&self) -> impl Iterator<Item = Partition<'a>> + use<'a> {
        let bundle = *self;
        // `parse` read every record without an error, so none is dropped here.
        (0..bundle.partition_count()).filter_map(move |index| bundle.partition(index).ok())
    }

    /// Returns the size of the bundle in bytes, without what may follow it.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(crate) fn partition_count(&self) -> usize {
        self.partitions.len() / format::partition::BYTES
    }

    pub(crate) fn device_count(&self) -> usize {
        self.devices.len() / format::device::BYTES
    }

    /// Every virtual Ethernet adapter's record.
    pub(crate) fn ethernet_records(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.ethernets.chunks_exact(format::ethernet::BYTES)
    }

    /// Where images may begin, in bytes from the start of the bundle.
    pub(crate) fn images_start(&self) -> u64 {
        let records = self.partitions.len().saturating_add(self.devices.len());
        let records = records.saturating_add(self.ethernets.len());
        records.saturating_add(format::header::BYTES) as u64
    }

    pub(crate) fn partition_record(&self, index: usize) -> &'a [u8] {
        self.partitions
            .chunks_exact(format::partition::BYTES)
            .nth(index)
            .unwrap_or(&[])
    }

    /// The bytes of the extent (offset and length, 8 bytes each) at `offset` of `record`.
    pub(crate) fn extent(&self, record: &[u8], offset: usize) -> Result<(u64, &'a [u8]), Problem> {
        let start = u64_at(record, offset)?;
        let length = u64_at(record, offset.saturating_add(8))?;
        if length == 0 {
            // An extent without bytes has no place either, so that there is one way to write it.
            return if start == 0 {
                Ok((0, &[]))
            } else {
                Err(Problem::OutOfBounds)
            };
        }
        if start < self.images_start() {
            return Err(Problem::OutOfBounds);
        }
        if !start.is_multiple_of(format::IMAGE_ALIGN) {
            return Err(Problem::NotMultiple {
                of: format::IMAGE_ALIGN,
                found: start,
            });
        }
        span(self.bytes, start, length)
            .map(|bytes| (start, bytes))
            .ok_or(Problem::OutOfBounds)
    }

    /// Reads and checks one partition's record by itself; `check` compares it with the others.
    pub(crate) fn partition(&self, index: usize) -> Result<Partition<'a>, BundleError> {
        use format::partition as at;
        let record = self.partition_record(index);
        let no_name = Name::new("");
        let error = |name, field| {
            move |problem| BundleError::Partition {
                index,
                name,
                field,
                problem,
            }
        };
        let field = record.get(at::NAME..at::MEMORY_BYTES);
        let name = field.ok_or(Problem::OutOfBounds).and_then(check::name);
        let name = name.map_err(error(no_name, "name"))?;
        let error = |field| error(Name::new(name), field);
        let memory_bytes = u64_at(record, at::MEMORY_BYTES)
            .and_then(check::memory)
            .map_err(error("memory"))?;
        let cpus = u32_at(record, at::CPUS)
            .and_then(check::cpus)
            .map_err(error("cpus"))?;
        let processors =
            processors(record, cpus).map_err(|(field, problem)| error(field)(problem))?;
        let console = match u8_at(record, at::CONSOLE).map_err(error("console"))? {
            CONSOLE_NONE => Console::None,
            CONSOLE_VTY => Console::Vty,
            found => {
                return Err(error("console")(Problem::Unknown {
                    found: found.into(),
                }));
            }
        };
        let after_crash = match u8_at(record, at::AFTER_CRASH).map_err(error("after crash"))? {
            AFTER_CRASH_GO_ON => AfterCrash::GoOn,
            AFTER_CRASH_RESTART => AfterCrash::Restart,
            AFTER_CRASH_STOP => AfterCrash::Stop,
            found => {
                return Err(error("after crash")(Problem::Unknown {
                    found: found.into(),
                }));
            }
        };
        let (_, image) = self.extent(record, at::KERNEL).map_err(error("kernel"))?;
        if image.is_empty() {
            return Err(error("kernel")(Problem::Zero));
        }
        let load_address = u64_at(record, at::LOAD_ADDRESS).map_err(error("load address"))?;
        let entry = u64_at(record, at::ENTRY).map_err(error("entry"))?;
        let kernel = match u8_at(record, at::KERNEL_KIND).map_err(error("kernel kind"))? {
            KERNEL_ELF if load_address != 0 => {
                return Err(error("load address")(Problem::ReservedNotZero));
            }
            KERNEL_ELF if entry != 0 => return Err(error("entry")(Problem::ReservedNotZero)),
            KERNEL_ELF => Kernel::Elf(image),
            KERNEL_RAW => {
                check::raw_load(load_address, image, memory_bytes)
                    .map_err(error("load address"))?;
                check::raw_entry(entry, load_address, image).map_err(error("entry"))?;
                Kernel::Raw {
                    image,
                    load_address,
                    entry,
                }
            }
            found => {
                return Err(error("kernel kind")(Problem::Unknown {
                    found: found.into(),
                }));
            }
        };
        let (_, initrd) = self.extent(record, at::INITRD).map_err(error("initrd"))?;
        if initrd.len() as u64 > memory_bytes {
            return Err(error("initrd")(Problem::OutsideMemory));
        }
        let (_, line) = self
            .extent(record, at::COMMAND_LINE)
            .map_err(error("command line"))?;
        let command_line = check::command_line(line).map_err(error("command line"))?;
        zeros(record, at::RESERVED_A, at::KERNEL).map_err(error("reserved"))?;
        zeros(record, at::RESERVED_B, at::ENTITLEMENT).map_err(error("reserved"))?;
        let (first, devices) = device_range(record).map_err(error("devices"))?;
        let devices = span(
            self.devices,
            first.saturating_mul(format::device::BYTES as u64),
            devices.saturating_mul(format::device::BYTES as u64),
        );
        let devices = devices.ok_or_else(|| error("devices")(Problem::OutOfBounds))?;
        let initrd = Some(initrd).filter(|image| !image.is_empty());
        Ok(Partition {
            name,
            memory_bytes,
            cpus,
            processors,
            console,
            after_crash,
            kernel,
            initrd,
            command_line,
            devices,
            index,
            ethernets: self.ethernets,
        })
    }
}

impl<'a> Partition<'a> {
    /// Returns the partition's devices in the order of the manifest.
    pub fn devices(&self) -> impl Iterator<Item = Device> + use<'a> {
        // `Bundle::parse` read every record without an error, so none is dropped here.
        self.device_records()
            .filter_map(|record| device(record).ok())
    }

    pub(crate) fn device_records(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.devices.chunks_exact(format::device::BYTES)
    }
}

impl<'a> Partition<'a> {
    /// Returns the partition's virtual Ethernet adapters in the order of the manifest.
    pub fn ethernets(&self) -> impl Iterator<Item = Ethernet<'a>> + use<'a> {
        let (records, index) = (self.ethernets, self.index as u64);
        let records = records.chunks_exact(format::ethernet::BYTES);
        // `Bundle::parse` read every record without an error, so none is dropped here.
        let all = records.filter_map(|record| ethernet(record).ok());
        all.filter_map(move |(owner, ethernet)| (owner == index).then_some(ethernet))
    }
}

impl<'a> Kernel<'a> {
    /// Returns the kernel's bytes, whatever its kind.
    #[must_use]
    pub fn image(&self) -> &'a [u8] {
        match *self {
            Self::Elf(image) | Self::Raw { image, .. } => image,
        }
    }
}

/// Reads where the `cpus` CPUs of a partition's record run; an error names the field.
fn processors(record: &[u8], cpus: u32) -> Result<Processors, (&'static str, Problem)> {
    use format::partition as at;
    let in_field = |field| move |problem| (field, problem);
    let weight = u8_at(record, at::WEIGHT).map_err(in_field("weight"))?;
    let entitlement = u32_at(record, at::ENTITLEMENT).map_err(in_field("entitlement"))?;
    match u8_at(record, at::PROCESSORS).map_err(in_field("processors"))? {
        PROCESSORS_DEDICATED if weight != 0 => Err(("weight", Problem::ReservedNotZero)),
        PROCESSORS_DEDICATED if entitlement != 0 => Err(("entitlement", Problem::ReservedNotZero)),
        PROCESSORS_DEDICATED => Ok(Processors::Dedicated),
        PROCESSORS_SHARED => Ok(Processors::Shared {
            entitlement: check::entitlement(entitlement, cpus).map_err(in_field("entitlement"))?,
            weight,
        }),
        found => Err((
            "processors",
            Problem::Unknown {
                found: found.into(),
            },
        )),
    }
}

/// First device and number of devices of a partition's record.
pub(crate) fn device_range(record: &[u8]) -> Result<(u64, u64), Problem> {
    let first = u32_at(record, format::partition::FIRST_DEVICE)?;
    Ok((
        first.into(),
        u32_at(record, format::partition::DEVICES)?.into(),
    ))
}

/// Reads one device's record; an error names the field.
pub(crate) fn device(record: &[u8]) -> Result<Device, (&'static str, Problem)> {
    use format::device as at;
    let in_field = |field| move |problem| (field, problem);
    let phb = u8_at(record, at::PHB).map_err(in_field("phb"))?;
    let length = usize::from(u8_at(record, at::HOPS).map_err(in_field("path"))?);
    let steps: [u8; format::MAX_HOPS] = array(record, at::PATH).map_err(in_field("path"))?;
    let bad_path = || ("path", Problem::BadPath);
    let (used, unused) = steps.split_at_checked(length).ok_or_else(bad_path)?;
    if unused.iter().any(|&step| step != 0) {
        return Err(bad_path());
    }
    let path = DevicePath::new(phb, used).map_err(|_| bad_path())?;
    let msi_quota = u16_at(record, at::MSIS)
        .and_then(check::msis)
        .map_err(in_field("msi quota"))?;
    zeros(record, at::RESERVED, at::DMA_WINDOW_BYTES).map_err(in_field("reserved"))?;
    let window = u64_at(record, at::DMA_WINDOW_BYTES).and_then(check::dma_window);
    Ok(Device {
        path,
        dma_window_bytes: window.map_err(in_field("dma window"))?,
        msi_quota,
    })
}

/// Reads one virtual Ethernet adapter's record, and the number of its partition; an error names the field.
pub(crate) fn ethernet(record: &[u8]) -> Result<(u64, Ethernet<'_>), (&'static str, Problem)> {
    use format::ethernet as at;
    let in_field = |field| move |problem| (field, problem);
    let partition = u32_at(record, at::PARTITION).map_err(in_field("partition"))?;
    let vlan = u16_at(record, at::VLAN).and_then(check::vlan);
    let mac = array(record, at::MAC).and_then(check::mac);
    zeros(record, at::RESERVED, at::SWITCH).map_err(in_field("reserved"))?;
    let switch = record.get(at::SWITCH..at::BYTES);
    let switch = switch.ok_or(Problem::OutOfBounds).and_then(check::name);
    let ethernet = Ethernet {
        switch: switch.map_err(in_field("switch"))?,
        vlan: vlan.map_err(in_field("vlan"))?,
        mac: mac.map_err(in_field("mac"))?,
    };
    Ok((partition.into(), ethernet))
}

/// Checks magic, version and size; returns the bundle's own bytes and the CRC that its header gives.
fn check_start(bytes: &[u8]) -> Result<(&[u8], u32), BundleError> {
    let found = bytes.len() as u64;
    let short = |_| BundleError::TooShort {
        needed: format::header::BYTES as u64,
        found,
    };
    let magic: [u8; 8] = array(bytes, 0).map_err(short)?;
    if magic != format::MAGIC {
        return Err(BundleError::BadMagic);
    }
    let version = u32_at(bytes, format::header::VERSION).map_err(short)?;
    if version != format::VERSION {
        return Err(BundleError::Version { found: version });
    }
    let stored = u32_at(bytes, format::header::CRC).map_err(short)?;
    let needed = u64_at(bytes, format::header::TOTAL_BYTES).map_err(short)?;
    let limit = format::header::BYTES as u64;
    if needed < limit {
        let problem = Problem::TooSmall {
            limit,
            found: needed,
        };
        return Err(BundleError::Header {
            field: "total bytes",
            problem,
        });
    }
    let bytes = span(bytes, 0, needed).ok_or(BundleError::TooShort { needed, found })?;
    Ok((bytes, stored))
}

/// CRC-32 of all of `bytes` but the CRC field itself; `None` when they are too few to have one.
pub(crate) fn crc_of(bytes: &[u8]) -> Option<u32> {
    let crc = crc();
    let mut digest = crc.digest();
    digest.update(bytes.get(..format::header::CRC)?);
    digest.update(bytes.get(format::header::TOTAL_BYTES..)?);
    Some(digest.finalize())
}
