//! Offsets, sizes and limits of the format; docs/bundle.md describes it in words.

/// The first eight bytes of every bundle, whatever its version.
pub(crate) const MAGIC: [u8; 8] = *b"BHBUNDLE";
/// The version that this crate writes, and the only one it reads.
pub const VERSION: u32 = 2;

/// The header's layout; offsets in bytes from the start of the file.
pub(crate) mod header {
    pub(crate) const VERSION: usize = 8;
    pub(crate) const CRC: usize = 12;
    pub(crate) const TOTAL_BYTES: usize = 16;
    pub(crate) const PARTITIONS: usize = 24;
    pub(crate) const DEVICES: usize = 28;
    pub(crate) const ETHERNETS: usize = 32;
    pub(crate) const RESERVED: usize = 36;
    pub(crate) const BYTES: usize = 64;
}

/// A partition's record; offsets in bytes from its start.
pub(crate) mod partition {
    pub(crate) const NAME: usize = 0;
    pub(crate) const NAME_BYTES: usize = 32;
    pub(crate) const MEMORY_BYTES: usize = 32;
    pub(crate) const CPUS: usize = 40;
    pub(crate) const CONSOLE: usize = 44;
    pub(crate) const KERNEL_KIND: usize = 45;
    pub(crate) const AFTER_CRASH: usize = 46;
    pub(crate) const RESERVED_A: usize = 47;
    pub(crate) const KERNEL: usize = 48;
    pub(crate) const LOAD_ADDRESS: usize = 64;
    pub(crate) const ENTRY: usize = 72;
    pub(crate) const INITRD: usize = 80;
    pub(crate) const COMMAND_LINE: usize = 96;
    pub(crate) const FIRST_DEVICE: usize = 112;
    pub(crate) const DEVICES: usize = 116;
    pub(crate) const PROCESSORS: usize = 120;
    pub(crate) const WEIGHT: usize = 121;
    pub(crate) const RESERVED_B: usize = 122;
    pub(crate) const ENTITLEMENT: usize = 124;
    pub(crate) const BYTES: usize = 128;
}

/// A device's record; offsets in bytes from its start.
pub(crate) mod device {
    pub(crate) const PHB: usize = 0;
    pub(crate) const HOPS: usize = 1;
    pub(crate) const MSIS: usize = 2;
    pub(crate) const RESERVED: usize = 4;
    pub(crate) const DMA_WINDOW_BYTES: usize = 8;
    pub(crate) const PATH: usize = 16;
    pub(crate) const BYTES: usize = 32;
}

/// A virtual Ethernet adapter's record; offsets in bytes from its start.
pub(crate) mod ethernet {
    pub(crate) const PARTITION: usize = 0;
    pub(crate) const VLAN: usize = 4;
    pub(crate) const MAC: usize = 6;
    pub(crate) const RESERVED: usize = 12;
    pub(crate) const SWITCH: usize = 16;
    pub(crate) const BYTES: usize = 48;
}

/// Values of the kernel kind byte.
pub(crate) const KERNEL_ELF: u8 = 0;
pub(crate) const KERNEL_RAW: u8 = 1;
/// Values of the console byte.
pub(crate) const CONSOLE_NONE: u8 = 0;
pub(crate) const CONSOLE_VTY: u8 = 1;

/// Values of the byte for what follows a crash.
pub(crate) const AFTER_CRASH_GO_ON: u8 = 0;
pub(crate) const AFTER_CRASH_RESTART: u8 = 1;
pub(crate) const AFTER_CRASH_STOP: u8 = 2;

/// Values of the processors byte.
pub(crate) const PROCESSORS_DEDICATED: u8 = 0;
pub(crate) const PROCESSORS_SHARED: u8 = 1;

/// Images begin on multiples of this, in bytes, so that they can be copied in whole cache lines.
pub(crate) const IMAGE_ALIGN: u64 = 4096;

/// Most partitions in one bundle.
pub const MAX_PARTITIONS: usize = 64;
/// Most devices in one bundle, of all its partitions together.
pub const MAX_DEVICES: usize = 256;
/// Most virtual Ethernet adapters in one bundle, of all its partitions together.
pub const MAX_ETHERNETS: usize = 128;
/// Most virtual Ethernet adapters of one partition.
pub const MAX_PARTITION_ETHERNETS: usize = 16;
/// Largest VLAN id; the smallest is 1.
pub const MAX_VLAN: u16 = 4094;
/// Longest name of a partition or switch, in bytes.
pub const MAX_NAME_BYTES: usize = 31;
/// Longest kernel command line, in bytes: what Linux takes on this architecture (`COMMAND_LINE_SIZE`, less its NUL).
pub const MAX_COMMAND_LINE_BYTES: usize = 2047;
/// Most CPUs of one partition; the machine has fewer, and the hypervisor compares.
pub const MAX_CPUS: u32 = 1024;
/// Least entitlement of a shared CPU, in hundredths of a processor.
pub const MIN_ENTITLEMENT_PER_CPU: u32 = 5;
/// Most entitlement of a shared CPU, in hundredths of a processor: a whole one.
pub const MAX_ENTITLEMENT_PER_CPU: u32 = 100;
/// Partition memory comes in multiples of this, in bytes: the large page of POWER hash translation.
pub const MEMORY_GRANULE_BYTES: u64 = 16 << 20;
/// Most memory of one partition, in bytes; keeps sums of addresses far from overflow.
pub const MAX_MEMORY_BYTES: u64 = 1 << 46;
/// Longest device path, in steps.
pub const MAX_HOPS: usize = 16;
/// Smallest DMA window, in bytes.
pub const MIN_DMA_WINDOW_BYTES: u64 = 1 << 20;
/// Largest DMA window, in bytes: 32-bit devices' space ends where the bridge's own 32-bit MMIO window begins.
pub const MAX_DMA_WINDOW_BYTES: u64 = 2 << 30;
/// Most message-signalled interrupts of one device.
pub const MAX_MSIS: u16 = 2048;
