//! Why a device tree is refused: [`TreeError`], and [`BlobError`] for what is wrong with its bytes.
//!
//! Both are printed on the console just before the machine stops, so their messages name the node, the property and
//! the value.

use core::fmt;

/// Why the bytes are no flattened device tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobError {
    /// The bytes end before the tree does.
    Truncated,
    /// The first word is not `0xd00dfeed`.
    Magic(u32),
    /// The header claims a size, in bytes, below its own length or above [`crate::MAX_TREE_BYTES`].
    Size(u32),
    /// The header asks for a format older than version 17, or newer than a version 17 reader may read.
    Version {
        /// Version of the format.
        version: u32,
        /// The oldest version that it is compatible with.
        compatible: u32,
    },
    /// A block is misaligned, outside the tree, or over another.
    Block(&'static str),
    /// The word at this offset in the structure block is no token, or a token out of place.
    Token {
        /// Offset in the structure block, in bytes.
        offset: usize,
    },
    /// Nodes are nested deeper than any machine nests them.
    Depth,
    /// A node's or property's name is empty, too long, unterminated, outside its block, or not printable.
    Name {
        /// Offset of the node or property in the structure block, in bytes.
        offset: usize,
    },
    /// A property's value reaches past the structure block.
    Value {
        /// Offset of the property in the structure block, in bytes.
        offset: usize,
    },
    /// The reader disagrees with our check of the bytes; a defect of this firmware.
    Reader,
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated => f.write_str("it ends early"),
            Self::Magic(word) => write!(f, "it starts with {word:#010x}, not 0xd00dfeed"),
            Self::Size(bytes) => write!(f, "it claims {bytes} bytes"),
            Self::Version {
                version,
                compatible,
            } => {
                write!(
                    f,
                    "it has format version {version} (compatible to {compatible}), not 17"
                )
            }
            Self::Block(block) => write!(f, "its {block} block is out of place"),
            Self::Token { offset } => write!(f, "unexpected token at {offset:#x} of the structure"),
            Self::Depth => f.write_str("its nodes are nested too deeply"),
            Self::Name { offset } => write!(f, "bad name at {offset:#x} of the structure"),
            Self::Value { offset } => {
                write!(f, "property at {offset:#x} of the structure is too long")
            }
            Self::Reader => f.write_str("the reader cannot follow it"),
        }
    }
}

/// Why a device tree does not describe a machine to run on.
///
/// `node` is the kind of node (`cpu`, `memory`, ...), not its full name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeError {
    /// The bytes are no flattened device tree.
    Blob(BlobError),
    /// There is not one node of this kind.
    NoNode(&'static str),
    /// A property is missing.
    Missing {
        /// Kind of node.
        node: &'static str,
        /// Name of the property.
        property: &'static str,
    },
    /// A property has the wrong length, or its text or list does not parse.
    Malformed {
        /// Kind of node.
        node: &'static str,
        /// Name of the property.
        property: &'static str,
    },
    /// A value that no machine has: zero where it counts something, out of range, or past the end of the address space.
    Absurd {
        /// Kind of node.
        node: &'static str,
        /// Name of the property.
        property: &'static str,
        /// The value.
        value: u64,
    },
    /// Two nodes claim what can be only once.
    Duplicate {
        /// What is claimed.
        what: &'static str,
        /// Its number.
        value: u64,
    },
    /// Two address ranges overlap.
    Overlap {
        /// What the ranges are.
        what: &'static str,
        /// Base of one of them, a real address.
        first: u64,
        /// Base of the other.
        second: u64,
    },
    /// More of something than this firmware keeps account of.
    TooMany(&'static str),
    /// Processors that this firmware does not know, or of more than one kind.
    Processor {
        /// The processor version (PVR) found.
        pvr: u32,
    },
}

impl From<BlobError> for TreeError {
    fn from(error: BlobError) -> Self {
        Self::Blob(error)
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("device tree: ")?;
        match *self {
            Self::Blob(error) => error.fmt(f),
            Self::NoNode(node) => write!(f, "no {node}"),
            Self::Missing { node, property } => write!(f, "{node} without {property}"),
            Self::Malformed { node, property } => write!(f, "{node}: {property} is malformed"),
            Self::Absurd {
                node,
                property,
                value,
            } => write!(f, "{node}: {property} cannot be {value:#x}"),
            Self::Duplicate { what, value } => write!(f, "{what} {value:#x} appears twice"),
            Self::Overlap {
                what,
                first,
                second,
            } => write!(f, "{what} at {first:#x} and at {second:#x} overlap"),
            Self::TooMany(what) => write!(f, "too many {what}"),
            Self::Processor { pvr } => write!(
                f,
                "processor version {pvr:#010x} is not a POWER8, or not that of all"
            ),
        }
    }
}

impl core::error::Error for TreeError {}
