//! Prints a flattened device tree as source text. It comes out of a machine's memory, so nothing in it is trusted.

use std::fmt::Write;

use anyhow::{Context, Result, bail, ensure};

const MAGIC: u32 = 0xD00D_FEED;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;
/// Deeper nesting is no device tree.
const MAX_DEPTH: usize = 64;

/// Returns the source text of `blob`.
pub(crate) fn print(blob: &[u8]) -> Result<String> {
    let header =
        |field: usize| word(blob, field * 4).context("the device tree has no whole header");
    ensure!(
        header(0)? == MAGIC,
        "this is no device tree: it begins with {:#x}",
        header(0)?
    );
    let part = |offset: u32, bytes: u32| {
        let (offset, bytes) = (offset as usize, bytes as usize);
        blob.get(offset..)
            .and_then(|rest| rest.get(..bytes))
            .context("a block lies outside the device tree")
    };
    let strings = part(header(3)?, header(8)?)?;
    let mut reader = Reader {
        bytes: part(header(2)?, header(9)?)?,
        at: 0,
    };
    let mut text = String::from("/dts-v1/;\n\n");
    reservations(blob, header(4)? as usize, &mut text)?;
    nodes(&mut reader, strings, &mut text)?;
    Ok(text)
}

fn reservations(blob: &[u8], mut at: usize, text: &mut String) -> Result<()> {
    loop {
        let entry = blob
            .get(at..)
            .and_then(|rest| rest.first_chunk::<16>())
            .context("the memory reservations do not end")?;
        let (address, bytes) = entry.split_at(8);
        let value = |half: &[u8]| {
            half.iter()
                .fold(0_u64, |value, &byte| value << 8 | u64::from(byte))
        };
        if entry.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        writeln!(
            text,
            "/memreserve/ {:#x} {:#x};",
            value(address),
            value(bytes)
        )?;
        at += 16;
    }
}

fn nodes(reader: &mut Reader<'_>, strings: &[u8], text: &mut String) -> Result<()> {
    let mut depth = 0_usize;
    loop {
        match reader.word()? {
            BEGIN_NODE => {
                ensure!(
                    depth < MAX_DEPTH,
                    "the device tree is deeper than {MAX_DEPTH}"
                );
                let name = reader.name()?;
                let name = if name.is_empty() { "/" } else { &name };
                writeln!(text, "{}{name} {{", "\t".repeat(depth))?;
                depth += 1;
            }
            END_NODE => {
                depth = depth
                    .checked_sub(1)
                    .context("the device tree ends a node that has not begun")?;
                writeln!(text, "{}}};", "\t".repeat(depth))?;
            }
            PROPERTY => {
                let (bytes, name) = (reader.word()?, reader.word()?);
                let value = reader.take(bytes as usize)?;
                let name = until_nul(strings.get(name as usize..).unwrap_or_default())
                    .context("a property has no name")?;
                writeln!(text, "{}{name}{};", "\t".repeat(depth), value_text(value))?;
            }
            NOP => {}
            END if depth == 0 => return Ok(()),
            END => bail!("the device tree ends inside a node"),
            token => bail!("the device tree has an unknown token {token:#x}"),
        }
    }
}

/// ` = …` in the form that suits the bytes, as a tree does not tell what they are.
fn value_text(value: &[u8]) -> String {
    if value.is_empty() {
        return String::new();
    }
    if let Some(strings) = strings_of(value) {
        let quoted: Vec<String> = strings.iter().map(|string| format!("{string:?}")).collect();
        return format!(" = {}", quoted.join(", "));
    }
    let (words, rest) = value.as_chunks::<4>();
    if rest.is_empty() {
        let words: Vec<String> = words
            .iter()
            .map(|word| format!("{:#x}", u32::from_be_bytes(*word)))
            .collect();
        return format!(" = <{}>", words.join(" "));
    }
    let bytes: Vec<String> = value.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(" = [{}]", bytes.join(" "))
}

/// The strings of a value that is nothing but printable strings, each with its NUL and none empty.
fn strings_of(value: &[u8]) -> Option<Vec<&str>> {
    let strings = value.strip_suffix(&[0])?.split(|&byte| byte == 0);
    let printable = |string: &&[u8]| {
        !string.is_empty() && string.iter().all(|byte| matches!(byte, b' '..=b'~'))
    };
    strings
        .map(|string| {
            Some(string)
                .filter(printable)
                .and_then(|string| std::str::from_utf8(string).ok())
        })
        .collect()
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn until_nul(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn word(&mut self) -> Result<u32> {
        let value = word(self.bytes, self.at).context("the device tree is truncated")?;
        self.at += 4;
        Ok(value)
    }

    /// `length` bytes, and what fills them up to a multiple of 4.
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let value = rest
            .get(..length)
            .context("a property reaches past the device tree")?;
        self.at += length.next_multiple_of(4);
        Ok(value)
    }

    fn name(&mut self) -> Result<String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let name = until_nul(rest).context("a node's name does not end")?;
        self.at += (name.len() + 1).next_multiple_of(4);
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(structure: &[u32]) -> Vec<u8> {
        let strings = b"reg\0compatible\0";
        let structure: Vec<u8> = structure
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .collect();
        let (reserved, start) = (40, 72);
        let strings_at = start + structure.len();
        let total = strings_at + strings.len();
        let fields = [
            MAGIC as usize,
            total,
            start,
            strings_at,
            reserved,
            17,
            16,
            0,
            strings.len(),
            structure.len(),
        ];
        let mut bytes: Vec<u8> = fields
            .iter()
            .flat_map(|field| (*field as u32).to_be_bytes())
            .collect();
        bytes.extend(0x1000_u64.to_be_bytes());
        bytes.extend(0x20_u64.to_be_bytes());
        bytes.extend([0; 16]);
        bytes.extend(structure);
        bytes.extend(strings);
        bytes
    }

    fn text(bytes: &[u8; 4]) -> u32 {
        u32::from_be_bytes(*bytes)
    }

    #[test]
    fn a_tree_is_printed_as_source() {
        let tree = blob(&[
            BEGIN_NODE,
            0,
            PROPERTY,
            4,
            4,
            text(b"a\0b\0"),
            NOP,
            BEGIN_NODE,
            text(b"cpu\0"),
            PROPERTY,
            8,
            0,
            0,
            0x1F,
            PROPERTY,
            0,
            0,
            PROPERTY,
            3,
            0,
            text(b"\x01\x02\x03\0"),
            END_NODE,
            END_NODE,
            END,
        ]);
        let expected = "/dts-v1/;\n\n/memreserve/ 0x1000 0x20;\n/ {\n\tcompatible = \"a\", \"b\";\n\tcpu {\n\
                        \t\treg = <0x0 0x1f>;\n\t\treg;\n\t\treg = [01 02 03];\n\t};\n};\n";
        assert_eq!(print(&tree).expect("a tree"), expected);
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        let error = |bytes: &[u8]| print(bytes).expect_err("refused").to_string();
        assert!(error(&[]).contains("no whole header"));
        assert!(error(&[0; 64]).contains("this is no device tree"));
        assert!(error(&blob(&[BEGIN_NODE, 0, END])).contains("ends inside a node"));
        assert!(error(&blob(&[END_NODE])).contains("has not begun"));
        assert!(error(&blob(&[BEGIN_NODE, 0])).contains("truncated"));
        assert!(error(&blob(&[BEGIN_NODE, 0, PROPERTY, 100, 0])).contains("reaches past"));
        assert!(error(&blob(&[BEGIN_NODE, 0, PROPERTY, 0, 1000])).contains("has no name"));
        assert!(error(&blob(&[7])).contains("unknown token 0x7"));
        let tree = blob(&[BEGIN_NODE, 0, END_NODE, END]);
        for length in 0..tree.len() {
            assert!(print(&tree[..length]).is_err(), "{length}");
        }
    }
}
