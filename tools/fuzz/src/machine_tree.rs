//! The machine's device tree: bytes of whatever content, and edits of real trees.

use arbitrary::{Arbitrary, Result, Unstructured};
use powernv::{MachineInfo, RealRange, tree_bytes};

/// What data begins with that edits a tree; anything else is a tree's bytes.
pub const EDITS: u8 = b'E';

/// The trees that are edited.
pub const TREES: [&[u8]; 2] = [
    include_bytes!("../../../platform/powernv/testdata/powernv8.dtb"),
    include_bytes!("../../../platform/powernv/testdata/powernv8-2chip.dtb"),
];

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// Part of a tree's structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A node begins.
    Begin(Vec<u8>),
    /// A property of it: name and value.
    Property(Vec<u8>, Vec<u8>),
    /// It ends.
    End,
}

/// Reads `data`, or what is left of a real tree after the edits that it describes.
///
/// # Panics
/// When an invariant breaks: what is accepted is sorted, apart from each other and inside what must hold it, and
/// depends on the tree's own bytes alone, all of them.
pub fn target(data: &[u8]) {
    match data.split_first() {
        Some((&EDITS, edits)) => {
            let mut u = Unstructured::new(edits);
            read(&edited(&mut u));
        }
        _ => read(data),
    }
}

fn read(tree: &[u8]) {
    let result = MachineInfo::from_fdt(tree);
    if let Err(error) = &result {
        assert!(error.to_string().len() < 300);
        return;
    }
    let machine = result.expect("no error");
    let bytes = tree_bytes(tree).expect("accepted");
    let mut longer = tree[..bytes].to_vec();
    longer.extend([0xd0; 5]);
    assert!(MachineInfo::from_fdt(&longer).as_ref() == Ok(&machine));
    assert!(MachineInfo::from_fdt(&tree[..bytes - 1]).is_err());

    assert_eq!(machine.memory[0].range.base, 0);
    assert_apart(machine.memory.iter().map(|memory| memory.range));
    let sum: u64 = machine.memory.iter().map(|memory| memory.range.size).sum();
    assert_eq!(machine.memory_bytes(), sum);
    let mut icps = Vec::new();
    for thread in machine.threads() {
        assert_eq!(machine.icp(thread.pir), Some(thread.icp), "one for each");
        icps.push(RealRange::new(thread.icp, 0x1000).expect("a real address"));
    }
    assert!(!icps.is_empty());
    icps.sort_by_key(|icp| icp.base);
    assert_apart(icps.iter().copied());
    for memory in &machine.memory {
        assert!(machine.chip(memory.chip).is_some());
        assert!(!icps.iter().any(|icp| icp.overlaps(&memory.range)));
    }
    for phbs in machine.phbs.windows(2) {
        assert!((phbs[0].chip, phbs[0].index) < (phbs[1].chip, phbs[1].index));
    }
    if let Some(initrd) = machine.initrd {
        assert!(
            machine
                .memory
                .iter()
                .any(|memory| memory.range.contains(&initrd))
        );
    }
}

/// Panics unless the ranges rise and have no address in common.
fn assert_apart(ranges: impl Iterator<Item = RealRange>) {
    let mut end = 0;
    for range in ranges {
        assert!(range.size > 0 && range.base >= end, "{range:x?}");
        end = range.end();
    }
}

/// Reads the structure of a tree; `None` when it has none that is whole.
#[must_use]
pub fn flatten(tree: &[u8]) -> Option<Vec<Token>> {
    let word = |bytes: &[u8], at: usize| {
        let word = bytes.get(at..)?.first_chunk()?;
        Some(u32::from_be_bytes(*word))
    };
    let text = |bytes: &[u8]| {
        let length = bytes.iter().position(|&byte| byte == 0)?;
        Some(bytes[..length].to_vec())
    };
    let [structure, strings] = [8, 12].map(|at| tree.get(word(tree, at)? as usize..));
    let (structure, strings) = (structure?, strings?);
    let (mut tokens, mut at, mut depth) = (Vec::new(), 0, 0_usize);
    loop {
        let token = word(structure, at)?;
        at += 4;
        match token {
            BEGIN_NODE => {
                let name = text(structure.get(at..)?)?;
                at += (name.len() + 1).next_multiple_of(4);
                depth += 1;
                tokens.push(Token::Begin(name));
            }
            PROPERTY => {
                let bytes = word(structure, at)? as usize;
                let name = text(strings.get(word(structure, at + 4)? as usize..)?)?;
                let value = structure.get(at + 8..)?.get(..bytes)?.to_vec();
                at += 8 + bytes.next_multiple_of(4);
                tokens.push(Token::Property(name, value));
            }
            END_NODE => {
                depth = depth.checked_sub(1)?;
                tokens.push(Token::End);
            }
            NOP => {}
            END if depth == 0 => return Some(tokens),
            _ => return None,
        }
    }
}

/// Writes a tree.
#[must_use]
pub fn unflatten(reserved: &[[u64; 2]], tokens: &[Token]) -> Vec<u8> {
    let (mut structure, mut strings) = (Vec::new(), Vec::new());
    let pad = |bytes: &mut Vec<u8>| bytes.resize(bytes.len().next_multiple_of(4), 0);
    for token in tokens {
        match token {
            Token::Begin(name) => {
                structure.extend(BEGIN_NODE.to_be_bytes());
                structure.extend(name);
                structure.push(0);
            }
            Token::Property(name, value) => {
                let words = [PROPERTY, value.len() as u32, strings.len() as u32];
                structure.extend(words.into_iter().flat_map(u32::to_be_bytes));
                structure.extend(value);
                strings.extend(name);
                strings.push(0);
            }
            Token::End => structure.extend(END_NODE.to_be_bytes()),
        }
        pad(&mut structure);
    }
    structure.extend(END.to_be_bytes());
    let reserved = reserved.iter().chain([&[0, 0]]).flatten();
    let reserved: Vec<u8> = reserved.flat_map(|word| word.to_be_bytes()).collect();
    let structure_at = 40 + reserved.len();
    let strings_at = structure_at + structure.len();
    let header = [
        0xd00d_feed,
        strings_at + strings.len(),
        structure_at,
        strings_at,
        40,
        17,
        16,
        0,
        strings.len(),
        structure.len(),
    ];
    let header = header
        .into_iter()
        .flat_map(|word| (word as u32).to_be_bytes());
    header
        .chain(reserved)
        .chain(structure)
        .chain(strings)
        .collect()
}

/// One of the real trees after the edits that follow in the data.
fn edited(u: &mut Unstructured<'_>) -> Vec<u8> {
    let number = usize::from(u8::arbitrary(u).unwrap_or(0));
    let mut tokens = flatten(TREES[number % TREES.len()]).expect("real trees are whole");
    let mut reserved = Vec::new();
    while !u.is_empty() && tokens.len() < 4096 {
        if edit(u, &mut tokens, &mut reserved).is_err() {
            break;
        }
    }
    unflatten(&reserved, &tokens)
}

fn edit(
    u: &mut Unstructured<'_>,
    tokens: &mut Vec<Token>,
    reserved: &mut Vec<[u64; 2]>,
) -> Result<()> {
    let kind = u8::arbitrary(u)? % 8;
    if kind == 7 {
        reserved.push([u.arbitrary()?, u.arbitrary()?]);
        return Ok(());
    }
    if tokens.is_empty() {
        return Ok(());
    }
    let at = usize::from(u16::arbitrary(u)?) % tokens.len();
    let other = tokens[usize::from(u8::arbitrary(u)?) % tokens.len()].clone();
    match (&mut tokens[at], kind) {
        (Token::Property(_, value), 0) => {
            let bytes = u8::arbitrary(u)? % 33;
            *value = (0..bytes).map(|_| u.arbitrary()).collect::<Result<_>>()?;
        }
        (Token::Property(_, value), 1) => {
            let cell = u32::arbitrary(u)?.to_be_bytes();
            let place = usize::from(u8::arbitrary(u)?) * 4;
            for (to, from) in value.iter_mut().skip(place).zip(cell) {
                *to = from;
            }
        }
        (Token::Property(_, value), 2) => {
            let bytes = usize::from(u8::arbitrary(u)?);
            value.truncate(value.len().saturating_sub(bytes));
        }
        (Token::Property(name, value), 3) => {
            // Another one's name or value.
            if let Token::Property(other_name, other_value) = other {
                match u8::arbitrary(u)? & 1 {
                    0 => *name = other_name,
                    _ => *value = other_value,
                }
            }
        }
        (Token::Begin(name), 0..=3) => {
            let place = usize::from(u8::arbitrary(u)?);
            if let Some(byte) = name.get_mut(place) {
                *byte = u.arbitrary()?;
            }
        }
        (_, 4) => {
            let end = subtree(tokens, at);
            tokens.drain(at..end);
        }
        (_, 5) => {
            let end = subtree(tokens, at);
            let copy = tokens[at..end].to_vec();
            tokens.splice(at..at, copy);
        }
        _ => tokens.insert(at, other),
    }
    Ok(())
}

/// One past the last token of what begins at `at`.
fn subtree(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate().skip(at) {
        match token {
            Token::Begin(_) => depth += 1,
            Token::End => depth = depth.saturating_sub(1),
            Token::Property(..) => {}
        }
        if depth == 0 {
            return place + 1;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_tree_written_anew_is_read_alike() {
        for tree in TREES {
            let tokens = flatten(tree).expect("whole");
            let anew = unflatten(&[], &tokens);
            assert_eq!(flatten(&anew), Some(tokens));
            assert!(MachineInfo::from_fdt(&anew) == MachineInfo::from_fdt(tree));
            assert!(MachineInfo::from_fdt(&anew).is_ok());
        }
    }
}
