//! The symbol table that the build appends to the image: for back-traces, read as untrusted bytes.
//!
//! Layout, all big-endian: the magic `BHSYMS\0\x01`; u32 count; u32 bytes of names; `count` records
//! of u32 address, u32 size in bytes, u32 offset of the name, sorted by address; then the names,
//! each ended by a zero byte.
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

/// What the table begins with.
pub const MAGIC: [u8; 8] = *b"BHSYMS\0\x01";
const RECORD: usize = 12;

/// A symbol table, checked as far as its bounds go.
#[derive(Clone, Copy, Debug)]
pub struct Symbols<'a> {
    records: &'a [[u8; RECORD]],
    names: &'a [u8],
}

/// A function that an address lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Its demangled name.
    pub name: &'a str,
    /// The address's distance from its start, in bytes.
    pub offset: u64,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl<'a> Symbols<'a> {
    /// Reads the table at the start of `bytes`; `None` when there is none or it does not fit.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.first_chunk() != Some(&MAGIC) {
            return None;
        }
        let count = word(bytes, 8)? as usize;
        let name_bytes = word(bytes, 12)? as usize;
        let records_end = count.checked_mul(RECORD)?.checked_add(16)?;
        let (records, rest) = bytes.get(16..records_end)?.as_chunks();
        if !rest.is_empty() {
            return None;
        }
        let names = bytes.get(records_end..records_end.checked_add(name_bytes)?)?;
        Some(Self { records, names })
    }

    /// Finds the function that `address` lies in.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<Symbol<'a>> {
        let address = u32::try_from(address).ok()?;
        let after = self
            .records
            .partition_point(|record| word(record, 0).is_some_and(|start| start <= address));
        let record = self.records.get(after.checked_sub(1)?)?;
        let offset = address.checked_sub(word(record, 0)?)?;
        if offset >= word(record, 4)?.max(1) {
            return None;
        }
        let name = self.names.get(word(record, 8)? as usize..)?;
        let end = name.iter().position(|&byte| byte == 0)?;
        let name = core::str::from_utf8(name.get(..end)?).ok()?;
        Some(Symbol {
            name,
            offset: offset.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let names = b"alpha\0beta\0";
        for value in [2, names.len() as u32, 0x2000, 0x10, 0, 0x2010, 0x20, 6] {
            out.extend(value.to_be_bytes());
        }
        out.extend(names);
        out
    }

    #[test]
    fn an_address_is_found_in_its_function_only() {
        let bytes = table();
        let symbols = Symbols::parse(&bytes).unwrap();
        assert_eq!(symbols.find(0x1fff), None);
        assert_eq!(
            symbols.find(0x200c),
            Some(Symbol {
                name: "alpha",
                offset: 0xc
            })
        );
        assert_eq!(
            symbols.find(0x2010),
            Some(Symbol {
                name: "beta",
                offset: 0
            })
        );
        assert_eq!(symbols.find(0x2030), None);
        assert_eq!(symbols.find(u64::MAX), None);
    }

    #[test]
    fn truncated_or_changed_tables_never_panic() {
        let bytes = table();
        for len in 0..bytes.len() {
            assert!(Symbols::parse(&bytes[..len]).is_none());
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            if let Some(symbols) = Symbols::parse(&changed) {
                for address in [0, 0x2000, 0x2011, u64::MAX] {
                    let _ = symbols.find(address);
                }
            }
        }
    }
}
