//! The check of a flattened device tree's bytes, before any reader sees them.
//!
//! Source: Devicetree Specification 0.4, chapter 5, "Flattened Devicetree (DTB) Format".
//! After [`check`] every offset is inside its block, every name ends in its block and is printable ASCII, nodes nest
//! properly and not deeply. [`crate::node`] builds on that (ADR 0004).

use core::ops::Range;

use crate::error::BlobError;

/// Bytes of a tree's header; [`tree_bytes`] wants as many.
pub const TREE_HEADER_BYTES: usize = 40;
/// The largest tree taken, in bytes: QEMU reserves as much, and real machines deliver about 200 KiB.
pub const MAX_TREE_BYTES: usize = 1 << 20;

const MAGIC: u32 = 0xd00d_feed;
const VERSION: u32 = 17;
/// Deepest nesting taken; a POWER machine's tree, PCI slots included, stays below 10.
const MAX_DEPTH: usize = 16;
/// The specification says 31, but IBM's trees go past it.
const MAX_NAME: usize = 128;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// Size in bytes of the tree that starts with `header` (its first [`TREE_HEADER_BYTES`] bytes are looked at), so that
/// the caller knows how much memory to show to [`crate::MachineInfo::from_fdt`].
///
/// # Errors
/// [`BlobError::Truncated`], [`BlobError::Magic`] or [`BlobError::Size`].
pub fn tree_bytes(header: &[u8]) -> Result<usize, BlobError> {
    if header.len() < TREE_HEADER_BYTES {
        return Err(BlobError::Truncated);
    }
    let magic = word(header, 0)?;
    if magic != MAGIC {
        return Err(BlobError::Magic(magic));
    }
    let claimed = word(header, 4)?;
    match usize::try_from(claimed) {
        Ok(bytes @ TREE_HEADER_BYTES..=MAX_TREE_BYTES) => Ok(bytes),
        _ => Err(BlobError::Size(claimed)),
    }
}

/// Checks `blob` from end to end, and returns it cut to the tree's own size.
pub(crate) fn check(blob: &[u8]) -> Result<&[u8], BlobError> {
    let tree = blob.get(..tree_bytes(blob)?).ok_or(BlobError::Truncated)?;
    let (version, compatible) = (word(tree, 20)?, word(tree, 24)?);
    if version < VERSION || compatible > VERSION {
        return Err(BlobError::Version {
            version,
            compatible,
        });
    }
    let structure = block(tree, "structure", 8, 36)?;
    let strings = block(tree, "strings", 12, 32)?;
    if !structure.start.is_multiple_of(4) || !structure.len().is_multiple_of(4) {
        return Err(BlobError::Block("structure"));
    }
    if structure.start < strings.end && strings.start < structure.end {
        return Err(BlobError::Block("strings"));
    }
    for entry in reservations(tree) {
        entry?;
    }
    let structure = tree.get(structure).ok_or(BlobError::Truncated)?;
    let strings = tree.get(strings).ok_or(BlobError::Truncated)?;
    Walk {
        structure,
        strings,
        at: 0,
    }
    .run()?;
    Ok(tree)
}

/// The entries (real address, bytes) of the memory reservation block, up to its end mark.
pub(crate) fn reservations(tree: &[u8]) -> impl Iterator<Item = Result<(u64, u64), BlobError>> {
    let offset = word(tree, 16)
        .and_then(offset)
        .ok()
        .filter(|at| *at >= TREE_HEADER_BYTES && at.is_multiple_of(8));
    let mut rest = offset.and_then(|at| tree.get(at..));
    let mut done = false;
    core::iter::from_fn(move || {
        if done {
            return None;
        }
        let entry = rest.and_then(|bytes| {
            let (address, bytes) = bytes.split_first_chunk()?;
            let (size, bytes) = bytes.split_first_chunk()?;
            rest = Some(bytes);
            Some((u64::from_be_bytes(*address), u64::from_be_bytes(*size)))
        });
        done = matches!(entry, None | Some((0, 0)));
        match entry {
            Some((0, 0)) => None,
            Some(entry) => Some(Ok(entry)),
            None => Some(Err(BlobError::Block("memory reservation"))),
        }
    })
}

fn word(bytes: &[u8], at: usize) -> Result<u32, BlobError> {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
    word.map(|word| u32::from_be_bytes(*word))
        .ok_or(BlobError::Truncated)
}

fn offset(word: u32) -> Result<usize, BlobError> {
    usize::try_from(word).map_err(|_| BlobError::Truncated)
}

/// The range of the block whose offset and size the header gives at `offset_at` and `size_at`.
fn block(
    tree: &[u8],
    name: &'static str,
    offset_at: usize,
    size_at: usize,
) -> Result<Range<usize>, BlobError> {
    let start = offset(word(tree, offset_at)?)?;
    let end = start.checked_add(offset(word(tree, size_at)?)?);
    match end {
        Some(end) if start >= TREE_HEADER_BYTES && end <= tree.len() => Ok(start..end),
        _ => Err(BlobError::Block(name)),
    }
}

/// A walk over the tokens of a structure block.
struct Walk<'t> {
    structure: &'t [u8],
    strings: &'t [u8],
    /// Offset of the next token; always a multiple of 4.
    at: usize,
}

impl Walk<'_> {
    fn run(mut self) -> Result<(), BlobError> {
        let mut depth = 0_usize;
        // A node's properties come before its child nodes; the reader counts on it.
        let mut properties_allowed = false;
        let mut roots = 0_usize;
        loop {
            let offset = self.at;
            match (self.next()?, depth) {
                (NOP, _) => {}
                (BEGIN_NODE, MAX_DEPTH..) => return Err(BlobError::Depth),
                (BEGIN_NODE, 0) => {
                    // The root's name is empty, and it is the only root.
                    if roots != 0 || self.next()? != 0 {
                        return Err(BlobError::Name { offset });
                    }
                    (roots, depth, properties_allowed) = (1, 1, true);
                }
                (BEGIN_NODE, _) => {
                    let length =
                        name_length(self.structure, self.at).ok_or(BlobError::Name { offset })?;
                    self.skip(length.saturating_add(1))
                        .ok_or(BlobError::Name { offset })?;
                    depth = depth.saturating_add(1);
                    properties_allowed = true;
                }
                (PROP, _) if properties_allowed => self.property(offset)?,
                (END_NODE, 1..) => {
                    depth = depth.saturating_sub(1);
                    properties_allowed = false;
                }
                (END, 0) if roots == 1 && self.at == self.structure.len() => return Ok(()),
                _ => return Err(BlobError::Token { offset }),
            }
        }
    }

    fn property(&mut self, at: usize) -> Result<(), BlobError> {
        let length = offset(self.next()?)?;
        let name = offset(self.next()?)?;
        name_length(self.strings, name).ok_or(BlobError::Name { offset: at })?;
        self.skip(length).ok_or(BlobError::Value { offset: at })
    }

    fn next(&mut self) -> Result<u32, BlobError> {
        let token = word(self.structure, self.at)?;
        self.at = self.at.saturating_add(4);
        Ok(token)
    }

    /// Moves over `bytes` and the padding behind them; `None` where the block ends before.
    fn skip(&mut self, bytes: usize) -> Option<()> {
        let next = self.at.checked_add(bytes)?.checked_next_multiple_of(4)?;
        (next <= self.structure.len()).then(|| self.at = next)
    }
}

/// Length of the NUL-terminated name at `at`; `None` where it is empty, unterminated, too long or not printable.
fn name_length(block: &[u8], at: usize) -> Option<usize> {
    let name = block.get(at..)?;
    let length = name.iter().take(MAX_NAME).position(|byte| *byte == 0)?;
    let printable = name
        .iter()
        .take(length)
        .all(|byte| byte.is_ascii_graphic() && *byte != b'/');
    (length > 0 && printable).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &[u8] = include_bytes!("../testdata/powernv8.dtb");

    /// A tree of the structure words given, with the strings block "reg\0".
    fn tree(words: &[u32]) -> Vec<u8> {
        let structure: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let (start, strings) = (56, 56 + structure.len());
        let header = [
            MAGIC,
            strings as u32 + 4,
            start,
            strings as u32,
            40,
            17,
            16,
            0,
            4,
            structure.len() as u32,
        ];
        let mut blob: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
        blob.extend([0; 16]);
        blob.extend(structure);
        blob.extend(b"reg\0");
        blob
    }

    fn name(text: &[u8; 4]) -> u32 {
        u32::from_be_bytes(*text)
    }

    #[test]
    fn real_trees_pass_and_are_cut_to_their_size() {
        let mut longer = TREE.to_vec();
        longer.extend([0xaa; 100]);
        assert_eq!(check(&longer), Ok(TREE));
        assert!(check(include_bytes!("../testdata/powernv9.dtb")).is_ok());
    }

    #[test]
    fn every_truncation_is_refused() {
        for length in 0..TREE.len() {
            assert_eq!(
                check(&TREE[..length]),
                Err(BlobError::Truncated),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn every_smaller_claimed_size_is_refused() {
        // The strings block ends a QEMU tree, so no smaller size holds all blocks.
        let mut blob = TREE.to_vec();
        for size in 0..TREE.len() as u32 {
            blob[4..8].copy_from_slice(&size.to_be_bytes());
            assert!(
                matches!(check(&blob), Err(BlobError::Size(_) | BlobError::Block(_))),
                "{size} bytes"
            );
        }
        blob[4..8].copy_from_slice(&(MAX_TREE_BYTES as u32 + 1).to_be_bytes());
        assert_eq!(
            check(&blob),
            Err(BlobError::Size(MAX_TREE_BYTES as u32 + 1))
        );
    }

    #[test]
    fn header_fields_are_checked_one_by_one() {
        let patched = |at: usize, value: u32| {
            let mut blob = TREE.to_vec();
            blob[at..at + 4].copy_from_slice(&value.to_be_bytes());
            check(&blob).map(|_| ())
        };
        assert_eq!(patched(0, 0xedfe_0dd0), Err(BlobError::Magic(0xedfe_0dd0)));
        assert_eq!(
            patched(20, 16),
            Err(BlobError::Version {
                version: 16,
                compatible: 16
            })
        );
        assert_eq!(
            patched(24, 18),
            Err(BlobError::Version {
                version: 17,
                compatible: 18
            })
        );
        assert_eq!(patched(8, 58), Err(BlobError::Block("structure")));
        assert_eq!(patched(8, 36), Err(BlobError::Block("structure")));
        assert_eq!(patched(36, u32::MAX), Err(BlobError::Block("structure")));
        assert_eq!(patched(36, 3206), Err(BlobError::Block("structure")));
        assert_eq!(patched(12, 56), Err(BlobError::Block("strings")));
        assert_eq!(patched(32, 691), Err(BlobError::Block("strings")));
        assert_eq!(patched(16, 44), Err(BlobError::Block("memory reservation")));
        assert_eq!(
            patched(16, u32::MAX - 7),
            Err(BlobError::Block("memory reservation"))
        );
    }

    #[test]
    fn tokens_out_of_place_are_refused() {
        let cases: &[(&[u32], Result<(), BlobError>)] = &[
            (&[1, 0, 2, 9], Ok(())),
            (
                &[
                    4,
                    1,
                    0,
                    4,
                    3,
                    2,
                    0,
                    0xffff_0000,
                    1,
                    name(b"a\0\0\0"),
                    2,
                    4,
                    2,
                    4,
                    9,
                ],
                Ok(()),
            ),
            (&[1, 0, 2], Err(BlobError::Truncated)),
            (&[9], Err(BlobError::Token { offset: 0 })),
            (&[1, 0, 2, 9, 9], Err(BlobError::Token { offset: 12 })),
            (&[1, 0, 9], Err(BlobError::Token { offset: 8 })),
            (&[2], Err(BlobError::Token { offset: 0 })),
            (&[3, 0, 0], Err(BlobError::Token { offset: 0 })),
            (&[1, 0, 2, 1, 0, 2, 9], Err(BlobError::Name { offset: 12 })),
            (&[1, 0, 2, 3, 0, 0, 9], Err(BlobError::Token { offset: 12 })),
            (&[1, 0, 7, 2, 9], Err(BlobError::Token { offset: 8 })),
            (
                &[1, name(b"x\0\0\0"), 2, 9],
                Err(BlobError::Name { offset: 0 }),
            ),
            (&[1, 0, 1, 0, 2, 2, 9], Err(BlobError::Name { offset: 8 })),
            (
                &[1, 0, 1, name(b"a/b\0"), 2, 2, 9],
                Err(BlobError::Name { offset: 8 }),
            ),
            (
                &[1, 0, 1, name(b"abcd")],
                Err(BlobError::Name { offset: 8 }),
            ),
            (
                &[1, 0, 1, name(b"a\0\0\0"), 2, 3, 0, 0, 2, 9],
                Err(BlobError::Token { offset: 20 }),
            ),
            (&[1, 0, 3, 0, 4, 2, 9], Err(BlobError::Name { offset: 8 })),
            (&[1, 0, 3, 0, 3, 2, 9], Err(BlobError::Name { offset: 8 })),
            (
                &[1, 0, 3, 0, u32::MAX, 2, 9],
                Err(BlobError::Name { offset: 8 }),
            ),
            (&[1, 0, 3, 9, 0, 2, 9], Err(BlobError::Value { offset: 8 })),
            (
                &[1, 0, 3, u32::MAX, 0, 2, 9],
                Err(BlobError::Value { offset: 8 }),
            ),
        ];
        for (words, expected) in cases {
            assert_eq!(check(&tree(words)).map(|_| ()), *expected, "{words:?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| {
            let mut words = vec![1, 0];
            words.extend([1, name(b"a\0\0\0")].repeat(depth - 1));
            words.extend(vec![2; depth]);
            words.push(9);
            check(&tree(&words)).map(|_| ())
        };
        assert_eq!(nested(MAX_DEPTH), Ok(()));
        assert_eq!(nested(MAX_DEPTH + 1), Err(BlobError::Depth));
    }

    #[test]
    fn reservations_need_their_end_mark() {
        let mut blob = tree(&[1, 0, 2, 9]);
        let end = blob.len() as u32 / 8 * 8;
        blob[16..20].copy_from_slice(&end.to_be_bytes());
        assert_eq!(check(&blob), Err(BlobError::Block("memory reservation")));
    }
}
