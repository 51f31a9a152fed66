//! The symbol table that the build appends to the image: for back-traces, read as untrusted bytes.
//!
//! It is small, since names are a tenth of the image, and slow: a back-trace can wait. Layout:
//!
//! - the magic `BHSYMS\0\x02`;
//! - u8 pairs; for each two bytes: what stands for byte 255, 254 and so on downwards wherever it appears in a name. Either
//!   may be such a byte itself, of a pair before;
//! - u16, big-endian: how many symbols; for each, in the order of their addresses: how many bytes it begins behind the
//!   one before it (the first: behind 0), 7 bits to a byte, the least first, all but the last with bit 7 set; its name,
//!   ended by a zero byte. What lies behind the end of a function, and is none, has an empty name.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

use core::fmt::{self, Write as _};

/// What the table begins with.
pub const MAGIC: [u8; 8] = *b"BHSYMS\0\x02";
/// The most pairs: the bytes that no name has, which is ASCII.
pub const MAX_PAIRS: usize = 128;
/// How deep pairs may lie in pairs: what is deeper is left out.
pub const MAX_DEPTH: u32 = 16;
/// The most bytes and pairs that make a name: it ends there.
pub const MAX_STEPS: u32 = 1000;

/// A symbol table.
#[derive(Clone, Copy, Debug)]
pub struct Symbols<'a> {
    pairs: &'a [[u8; 2]],
    count: u16,
    symbols: &'a [u8],
}

/// A function that an address lies in.
#[derive(Clone, Copy, Debug)]
pub struct Symbol<'a> {
    pairs: &'a [[u8; 2]],
    name: &'a [u8],
    /// The address's distance from its start, in bytes.
    pub offset: u64,
}

impl<'a> Symbols<'a> {
    /// Reads the table at the start of `bytes`; `None` when there is none or it does not fit.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&pairs, rest) = bytes.strip_prefix(&MAGIC)?.split_first()?;
        let (pairs, rest) = rest.split_at_checked(usize::from(pairs) * 2)?;
        let (&count, symbols) = rest.split_first_chunk()?;
        Some(Self {
            pairs: pairs.as_chunks().0,
            count: u16::from_be_bytes(count),
            symbols,
        })
    }

    /// Finds the function that `address` lies in.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<Symbol<'a>> {
        let mut rest = self.symbols;
        let mut start = 0u64;
        let mut found = None;
        for _ in 0..self.count {
            start = start.checked_add(number(&mut rest)?)?;
            let end = rest.iter().position(|&byte| byte == 0)?;
            let (name, behind) = rest.split_at_checked(end)?;
            rest = behind.get(1..)?;
            let Some(offset) = address.checked_sub(start) else {
                break;
            };
            found = Some((name, offset));
        }
        let (name, offset) = found.filter(|(name, _)| !name.is_empty())?;
        Some(Symbol {
            pairs: self.pairs,
            name,
            offset,
        })
    }
}

/// Takes a number from the front of `bytes`.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

impl fmt::Display for Symbol<'_> {
    /// Writes the demangled name.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut steps = MAX_STEPS;
        self.name
            .iter()
            .try_for_each(|&byte| spell(byte, self.pairs, MAX_DEPTH, &mut steps, out))
    }
}

/// Writes what `byte` stands for.
fn spell(
    byte: u8,
    pairs: &[[u8; 2]],
    depth: u32,
    steps: &mut u32,
    out: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let (Some(left), Some(deeper)) = (steps.checked_sub(1), depth.checked_sub(1)) else {
        return Ok(());
    };
    *steps = left;
    match pairs.get(usize::from(!byte)) {
        Some(pair) => pair
            .iter()
            .try_for_each(|&half| spell(half, pairs, deeper, steps, out)),
        None => out.write_char(char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "alpha" at 0x2000, nothing from 0x2010 on, "beta" from 0x2020 to 0x2040.
    fn table() -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend([2, b'a', b'l', 255, b'p', 0, 4]);
        out.extend([0x80, 0x40, 254, b'h', b'a', 0]);
        out.extend([0x10, 0]);
        out.extend([0x10, b'b', b'e', b't', b'a', 0]);
        out.extend([0x20, 0]);
        out
    }

    fn find(bytes: &[u8], address: u64) -> Option<(String, u64)> {
        let symbol = Symbols::parse(bytes)?.find(address)?;
        Some((symbol.to_string(), symbol.offset))
    }

    #[test]
    fn an_address_is_found_in_its_function_only() {
        let found = |address| find(&table(), address);
        assert_eq!(found(0x1fff), None);
        assert_eq!(found(0x200c), Some(("alpha".to_owned(), 0xc)));
        assert_eq!(found(0x2010), None);
        assert_eq!(found(0x2020), Some(("beta".to_owned(), 0)));
        assert_eq!(found(0x203f), Some(("beta".to_owned(), 0x1f)));
        assert_eq!(found(0x2040), None);
        assert_eq!(found(u64::MAX), None);
    }

    #[test]
    fn truncated_or_changed_tables_never_panic_or_last() {
        let bytes = table();
        for len in 0..bytes.len() {
            assert_eq!(find(&bytes[..len], 0x2040), None);
        }
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xfe, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                for address in [0, 0x2000, 0x2021, u64::MAX] {
                    find(&changed, address);
                }
            }
        }
    }

    #[test]
    fn a_pair_of_itself_comes_to_an_end() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 255, 255, 0, 1, 1, 255, 0]);
        assert_eq!(find(&bytes, 1), Some((String::new(), 0)));
        let mut steps = MAX_STEPS;
        let pairs = [[255, b'x']];
        let text = core::fmt::from_fn(|out| spell(255, &pairs, MAX_DEPTH, &mut steps.clone(), out));
        assert_eq!(text.to_string(), "x".repeat(MAX_DEPTH as usize - 1));
        steps = 3;
        let text = core::fmt::from_fn(|out| spell(255, &pairs, MAX_DEPTH, &mut steps.clone(), out));
        assert_eq!(text.to_string(), "");
    }
}
