//! What can be wrong with a bundle.

use core::fmt;

use crate::format::partition::NAME_BYTES;
use crate::path::DevicePath;

/// A partition's name, for messages that outlive the bundle's bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name {
    bytes: [u8; NAME_BYTES],
    length: usize,
}

impl Name {
    /// Keeps the first 32 bytes of `text`; nothing if they split a character.
    pub(crate) fn new(text: &str) -> Self {
        let length = text.len().min(NAME_BYTES);
        let mut bytes = [0; NAME_BYTES];
        bytes
            .iter_mut()
            .zip(text.bytes())
            .for_each(|(to, from)| *to = from);
        Self { bytes, length }
    }

    /// Returns the name as text; empty when the bundle's was no valid name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.bytes
            .get(..self.length)
            .and_then(|name| core::str::from_utf8(name).ok())
            .unwrap_or("")
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What is wrong with one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// It is zero, and must not be.
    Zero,
    /// It is larger than the format allows.
    TooLarge {
        /// The largest value allowed.
        limit: u64,
        /// The value found.
        found: u64,
    },
    /// It is smaller than the format allows.
    TooSmall {
        /// The smallest value allowed.
        limit: u64,
        /// The value found.
        found: u64,
    },
    /// It is no multiple of `of`.
    NotMultiple {
        /// The unit.
        of: u64,
        /// The value found.
        found: u64,
    },
    /// It is no power of two.
    NotPowerOfTwo {
        /// The value found.
        found: u64,
    },
    /// It has no meaning in this version.
    Unknown {
        /// The value found.
        found: u64,
    },
    /// It points outside the file, or into its header and records.
    OutOfBounds,
    /// It points to bytes that another image partly covers.
    Overlaps,
    /// A name or command line holds a character that is not allowed there.
    BadCharacter,
    /// Reserved bytes are not zero.
    ReservedNotZero,
    /// A raw kernel does not fit into the partition's memory, or begins outside its own bytes.
    OutsideMemory,
    /// A path is malformed: no steps, too many, unused bytes set, or it names a root port.
    BadPath,
    /// Records are not in the one order that the format has: each partition's devices follow the former partition's.
    BadOrder,
}

/// Why a bundle is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleError {
    /// The bytes end before the bundle does.
    TooShort {
        /// Bytes needed.
        needed: u64,
        /// Bytes there.
        found: u64,
    },
    /// It does not begin as a bundle.
    BadMagic,
    /// It has another format version.
    Version {
        /// The version found.
        found: u32,
    },
    /// Its bytes are not those that were written.
    Crc {
        /// The CRC-32 in the header.
        stored: u32,
        /// The CRC-32 of the bytes.
        computed: u32,
    },
    /// A field of the header is wrong.
    Header {
        /// Its name in docs/bundle.md.
        field: &'static str,
        /// What is wrong.
        problem: Problem,
    },
    /// A field of a partition is wrong.
    Partition {
        /// Number of the partition, from 0.
        index: usize,
        /// Its name; empty when that is what is wrong.
        name: Name,
        /// The field's name in docs/bundle.md.
        field: &'static str,
        /// What is wrong.
        problem: Problem,
    },
    /// A field of a device is wrong.
    Device {
        /// Number of the device, from 0.
        index: usize,
        /// Name of the partition that it is for.
        partition: Name,
        /// The field's name in docs/bundle.md.
        field: &'static str,
        /// What is wrong.
        problem: Problem,
    },
    /// A field of a virtual Ethernet adapter is wrong.
    Ethernet {
        /// Number of the adapter, from 0.
        index: usize,
        /// The field's name in docs/bundle.md.
        field: &'static str,
        /// What is wrong.
        problem: Problem,
    },
    /// Two virtual Ethernet adapters on one VLAN of a switch have one address.
    DuplicateMac {
        /// Number of the second, from 0.
        index: usize,
    },
    /// Two partitions have one name.
    DuplicateName {
        /// The name.
        name: Name,
    },
    /// One device is given out twice, or a bridge and something behind it are.
    DuplicateDevice {
        /// The device named first.
        first: DevicePath,
        /// The device named again, equal to `first`, above or below it.
        second: DevicePath,
        /// Name of the partition that names `first`.
        first_partition: Name,
        /// Name of the partition that names `second`.
        second_partition: Name,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Zero => write!(f, "is zero"),
            Self::TooLarge { limit, found } => write!(f, "is {found}, at most {limit} is allowed"),
            Self::TooSmall { limit, found } => write!(f, "is {found}, at least {limit} is needed"),
            Self::NotMultiple { of, found } => write!(f, "is {found}, no multiple of {of}"),
            Self::NotPowerOfTwo { found } => write!(f, "is {found}, no power of two"),
            Self::Unknown { found } => write!(f, "is {found}, which has no meaning"),
            Self::OutOfBounds => write!(f, "lies outside the bundle's images"),
            Self::Overlaps => write!(f, "overlaps another image"),
            Self::BadCharacter => write!(f, "has a character that is not allowed"),
            Self::ReservedNotZero => write!(f, "has reserved bytes that are not zero"),
            Self::OutsideMemory => write!(f, "is outside the partition's memory"),
            Self::BadPath => write!(f, "is no path to a device behind a root port"),
            Self::BadOrder => write!(f, "is out of order"),
        }
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort { needed, found } => {
                write!(
                    f,
                    "bundle is truncated: {needed} bytes needed, {found} found"
                )
            }
            Self::BadMagic => write!(f, "no bundle: it does not begin with `BHBUNDLE`"),
            Self::Version { found } => {
                write!(
                    f,
                    "bundle has version {found}, this hypervisor reads {}",
                    crate::VERSION
                )
            }
            Self::Crc { stored, computed } => {
                write!(
                    f,
                    "bundle is damaged: CRC is {computed:08x}, its header says {stored:08x}"
                )
            }
            Self::Header { field, problem } => write!(f, "bundle header: {field} {problem}"),
            Self::Partition {
                index,
                name,
                field,
                problem,
            } => {
                write!(f, "partition {index}")?;
                if !name.as_str().is_empty() {
                    write!(f, " ({})", name.as_str())?;
                }
                write!(f, ": {field} {problem}")
            }
            Self::Device {
                index,
                partition,
                field,
                problem,
            } => {
                write!(
                    f,
                    "device {index} of partition {}: {field} {problem}",
                    partition.as_str()
                )
            }
            Self::Ethernet {
                index,
                field,
                problem,
            } => write!(f, "ethernet adapter {index}: {field} {problem}"),
            Self::DuplicateMac { index } => write!(
                f,
                "ethernet adapter {index}: another on its VLAN has its mac"
            ),
            Self::DuplicateName { name } => {
                write!(f, "two partitions are named {}", name.as_str())
            }
            Self::DuplicateDevice {
                first,
                second,
                first_partition,
                second_partition,
            } => {
                let (one, two) = (first_partition.as_str(), second_partition.as_str());
                if first == second {
                    write!(
                        f,
                        "device {first} is given to partition {one} and again to {two}"
                    )
                } else {
                    write!(
                        f,
                        "device {second} of partition {two} and {first} of {one} are in one path"
                    )
                }
            }
        }
    }
}

impl core::error::Error for BundleError {}
