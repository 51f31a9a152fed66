//! Writes the symbol table of an image, small: crate `symtab` says how, and reads it.

use std::collections::HashMap;

use anyhow::{Context, Result};
use symtab::{MAGIC, MAX_DEPTH, MAX_PAIRS};

/// A pair that is rarer costs more than it saves.
const RAREST_PAIR: usize = 4;

/// A function in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) address: u32,
    pub(crate) bytes: u32,
    pub(crate) name: String,
}

/// Writes the table of `functions`, which are sorted by address and do not overlap.
pub(crate) fn table(functions: &[Function]) -> Result<Vec<u8>> {
    let mut symbols: Vec<(u32, Vec<u8>)> = Vec::new();
    for (at, function) in functions.iter().enumerate() {
        let name = function.name.bytes();
        let name = name.map(|byte| {
            if (b' '..0x7f).contains(&byte) {
                byte
            } else {
                b'?'
            }
        });
        symbols.push((function.address, name.collect()));
        let end = function.address + function.bytes;
        let next = functions.get(at + 1);
        // What lies between two functions within 16 bytes is there for alignment.
        if next.is_none_or(|next| next.address > end.next_multiple_of(16)) {
            symbols.push((end, Vec::new()));
        }
    }
    let mut names: Vec<Vec<u8>> = symbols.iter().map(|(_, name)| name.clone()).collect();
    let pairs = shorten(&mut names);

    let mut table = MAGIC.to_vec();
    table.push(u8::try_from(pairs.len())?);
    table.extend(pairs.as_flattened());
    let count = u16::try_from(symbols.len()).context("an image has at most 65,535 symbols")?;
    table.extend(count.to_be_bytes());
    let mut last = 0;
    for ((address, _), name) in symbols.iter().zip(names) {
        number(&mut table, address - last);
        last = *address;
        table.extend(name);
        table.push(0);
    }
    Ok(table)
}

/// Has the commonest pair of bytes stand for itself in one, again and again.
fn shorten(names: &mut [Vec<u8>]) -> Vec<[u8; 2]> {
    let mut pairs: Vec<[u8; 2]> = Vec::new();
    let mut depths: HashMap<u8, u32> = HashMap::new();
    let depth_of = |depths: &HashMap<u8, u32>, pair: [u8; 2]| {
        1 + pair
            .map(|half| depths.get(&half).copied().unwrap_or(1))
            .into_iter()
            .max()
            .unwrap_or(1)
    };
    while pairs.len() < MAX_PAIRS {
        let mut counts: HashMap<[u8; 2], usize> = HashMap::new();
        for window in names.iter().flat_map(|name| name.array_windows()) {
            *counts.entry(*window).or_default() += 1;
        }
        let best = counts
            .into_iter()
            .filter(|&(pair, count)| count >= RAREST_PAIR && depth_of(&depths, pair) <= MAX_DEPTH)
            .max_by_key(|&(pair, count)| (count, pair));
        let Some((pair, _)) = best else { break };
        let byte = u8::MAX - u8::try_from(pairs.len()).unwrap_or(u8::MAX);
        depths.insert(byte, depth_of(&depths, pair));
        pairs.push(pair);
        for name in names.iter_mut() {
            replace(name, pair, byte);
        }
    }
    pairs
}

/// Puts `byte` for each `pair` in `name`, from the front.
fn replace(name: &mut Vec<u8>, pair: [u8; 2], byte: u8) {
    let mut rest = name.as_slice();
    let mut out = Vec::with_capacity(name.len());
    while let Some((&first, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(&pair) {
            out.push(byte);
            rest = behind;
        } else {
            out.push(first);
            rest = behind;
        }
    }
    *name = out;
}

/// Writes a number, 7 bits to a byte, the least first.
fn number(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn function(address: u32, bytes: u32, name: &str) -> Function {
        Function {
            address,
            bytes,
            name: name.to_owned(),
        }
    }

    fn find(table: &[u8], address: u32) -> Option<(String, u64)> {
        let symbol = symtab::Symbols::parse(table)?.find(address.into())?;
        Some((symbol.to_string(), symbol.offset))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn each_function_is_found_by_the_hypervisors_reader(
            shapes in prop::collection::vec((1u32..0x300, 0u32..0x40, "[a-d:<_>&]{1,60}"), 0..60)
        ) {
            let mut end = 0x100;
            let mut functions = Vec::new();
            for (bytes, gap, name) in shapes {
                functions.push(function(end + gap, bytes, &name));
                end += gap + bytes;
            }
            let bytes = table(&functions).expect("few symbols");
            for function in &functions {
                let inside = |at| Some((function.name.clone(), at));
                prop_assert_eq!(find(&bytes, function.address), inside(0));
                let last = function.bytes - 1;
                prop_assert_eq!(find(&bytes, function.address + last), inside(last.into()));
            }
            prop_assert_eq!(find(&bytes, end), None);
        }
    }

    #[test]
    fn what_repeats_takes_little_room() {
        let functions: Vec<_> = (0..100)
            .map(|n| function(0x100 + n * 4, 4, "lpar::hcall::serve"))
            .collect();
        let bytes = table(&functions).expect("few symbols").len();
        assert!(bytes < 11 + 2 * 30 + 100 * 3 + 4, "{bytes}");
    }
}
