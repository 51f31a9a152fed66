//! Writes a flattened device tree: the few shapes of nodes and properties that a partition's has.
//!
//! Source: Devicetree Specification 0.4, "Flattened Devicetree (DTB) Format", version 17. Written
//! here because the crates that write the format keep to its limit of 31 characters for property
//! names, and PAPR does not: `ibm,query-interrupt-source-number` has 33. Readers take any length.

use super::TreeError;
use alloc::vec::Vec;
use core::ops::Range;

const MAGIC: u32 = 0xd00d_feed;
const VERSION: u32 = 17;
const LAST_COMPATIBLE_VERSION: u32 = 16;
const HEADER_BYTES: usize = 40;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const END: u32 = 9;

/// A tree that is being written, inside its root node.
///
/// What writes is nowhere inlined: it is called at two hundred places, once for each partition's start.
pub(super) struct Tree {
    /// Pairs of address and bytes.
    reserved: Vec<u8>,
    structure: Vec<u8>,
    /// Property names, each once and ended by a zero byte.
    strings: Vec<u8>,
    /// Where each is, by name.
    offsets: Vec<(&'static str, u32)>,
    /// The first thing that could not be written: told at the end, so that no property has to be asked.
    error: Option<TreeError>,
}

impl Tree {
    /// Begins a tree that reserves `reserved` of memory, of which none may be empty.
    pub(super) fn new(reserved: &[Range<u64>]) -> Self {
        let pairs = reserved
            .iter()
            .map(|range| [range.start, range.end.saturating_sub(range.start)])
            .chain([[0, 0]]);
        let mut tree = Self {
            reserved: pairs.flatten().flat_map(u64::to_be_bytes).collect(),
            structure: Vec::new(),
            strings: Vec::new(),
            offsets: Vec::new(),
            error: None,
        };
        tree.token(BEGIN_NODE);
        tree.token(0);
        tree
    }

    /// Has the tree's end tell of `error`, unless there was one before.
    pub(super) fn fail(&mut self, error: TreeError) {
        self.error.get_or_insert(error);
    }

    /// Ends the tree.
    ///
    /// # Errors
    /// What could not be written, or that it is too large.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, TreeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.token(END_NODE);
        self.token(END);
        let structure_at = HEADER_BYTES + self.reserved.len();
        let strings_at = structure_at + self.structure.len();
        let total = strings_at + self.strings.len();
        let number = |value: usize| u32::try_from(value).map_err(|_| TreeError::TooLarge);
        let header = [
            MAGIC,
            number(total)?,
            number(structure_at)?,
            number(strings_at)?,
            number(HEADER_BYTES)?,
            VERSION,
            LAST_COMPATIBLE_VERSION,
            // The processor that begins is the first.
            0,
            number(self.strings.len())?,
            number(self.structure.len())?,
        ];
        let mut out = Vec::with_capacity(total);
        out.extend(header.into_iter().flat_map(u32::to_be_bytes));
        out.extend(self.reserved);
        out.extend(self.structure);
        out.extend(self.strings);
        Ok(out)
    }

    /// Writes node `name`, whose properties and then children `fill` writes.
    pub(super) fn node(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.begin(name);
        fill(self);
        self.token(END_NODE);
    }

    #[inline(never)]
    fn begin(&mut self, name: &str) {
        self.token(BEGIN_NODE);
        self.structure.extend(name.as_bytes());
        self.structure.push(0);
        self.align();
    }

    /// Writes a property of bytes.
    #[inline(never)]
    pub(super) fn bytes(&mut self, name: &'static str, value: &[u8]) {
        let offset = self.offset(name);
        let Ok(bytes) = u32::try_from(value.len()) else {
            return self.fail(TreeError::TooLarge);
        };
        self.token(PROPERTY);
        self.token(bytes);
        self.token(offset);
        self.structure.extend(value);
        self.align();
    }

    /// Writes a property without a value.
    pub(super) fn flag(&mut self, name: &'static str) {
        self.bytes(name, &[]);
    }

    /// Writes a property of one 32-bit cell.
    #[inline(never)]
    pub(super) fn cell(&mut self, name: &'static str, value: u32) {
        self.bytes(name, &value.to_be_bytes());
    }

    /// Writes a property of 32-bit cells.
    #[inline(never)]
    pub(super) fn cells(&mut self, name: &'static str, values: &[u32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        self.bytes(name, &bytes);
    }

    /// Writes a property of one number of two cells.
    #[inline(never)]
    pub(super) fn wide(&mut self, name: &'static str, value: u64) {
        self.bytes(name, &value.to_be_bytes());
    }

    /// Writes a property of one text.
    #[inline(never)]
    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        self.texts(name, &[value]);
    }

    /// Writes a property of several texts.
    #[inline(never)]
    pub(super) fn texts(&mut self, name: &'static str, values: &[&str]) {
        let mut bytes = Vec::new();
        for value in values {
            if value.contains('\0') {
                return self.fail(TreeError::ZeroByte(name));
            }
            bytes.extend(value.as_bytes());
            bytes.push(0);
        }
        self.bytes(name, &bytes);
    }

    /// Writes the node's own handle.
    #[inline(never)]
    pub(super) fn phandle(&mut self, handle: u32) {
        self.cell("phandle", handle);
        // Older kernels look for this name.
        self.cell("linux,phandle", handle);
    }

    /// Returns where `name` is among the strings.
    #[inline(never)]
    fn offset(&mut self, name: &'static str) -> u32 {
        let place = self.offsets.partition_point(|(other, _)| *other < name);
        if let Some(&(other, offset)) = self.offsets.get(place)
            && other == name
        {
            return offset;
        }
        let Ok(offset) = u32::try_from(self.strings.len()) else {
            self.fail(TreeError::TooLarge);
            return 0;
        };
        self.strings.extend(name.as_bytes());
        self.strings.push(0);
        self.offsets.insert(place, (name, offset));
        offset
    }

    #[inline(never)]
    fn token(&mut self, token: u32) {
        self.structure.extend(token.to_be_bytes());
    }

    #[inline(never)]
    fn align(&mut self) {
        let aligned = self.structure.len().next_multiple_of(4);
        self.structure.resize(aligned, 0);
    }
}

/// Splits a number into its two cells.
pub(super) const fn split(value: u64) -> [u32; 2] {
    [(value >> 32) as u32, value as u32]
}
