//! Makes the raw image: the ELF's loadable bytes from real address 0, then the symbol table for back-traces.

use crate::symbols::{self, Function};
use anyhow::{Context, Result, bail, ensure};
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, SectionKind, SymbolKind};

/// The largest image that QEMU loads.
const MAX_IMAGE_BYTES: u64 = 16 << 20;

/// A raw image and what is worth saying about it.
#[derive(Debug)]
pub(crate) struct Image {
    /// The bytes, for real address 0.
    pub(crate) bytes: Vec<u8>,
    /// How many of them are the symbol table, at the end.
    pub(crate) symbol_bytes: usize,
    /// How many functions it names.
    pub(crate) symbols: usize,
}

/// Makes the image of the ELF file `elf`, linked by `linker/hypervisor.ld`.
pub(crate) fn make(elf: &[u8]) -> Result<Image> {
    let file = object::File::parse(elf).context("the hypervisor is no ELF file")?;
    let mut bytes = loadable(&file)?;
    let start = symbol(&file, "__symbols_start")?;
    let end = symbol(&file, "__symbols_end")?;
    ensure!(
        bytes.len() as u64 <= start && start <= end && end <= MAX_IMAGE_BYTES,
        "the image's {} bytes reach past `__symbols_start` ({start:#x}), or `__symbols_end` ({end:#x}) is before it: \
         correct linker/hypervisor.ld",
        bytes.len()
    );
    let functions = functions(&file)?;
    let table = symbols::table(&functions)?;
    let room = end - start;
    if table.len() as u64 > room {
        bail!(
            "the symbol table has {} bytes, linker/hypervisor.ld leaves {room}: move `__symbols_end`",
            table.len()
        );
    }
    bytes.resize(usize::try_from(start)?, 0);
    bytes.extend_from_slice(&table);
    Ok(Image {
        bytes,
        symbol_bytes: table.len(),
        symbols: functions.len(),
    })
}

/// The loadable segments' bytes, each at its address, zeros between.
fn loadable(file: &object::File<'_>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for segment in file.segments() {
        let data = segment
            .data()
            .context("a segment lies outside the ELF file")?;
        if data.is_empty() {
            continue;
        }
        let start = segment.address();
        let end = start
            .checked_add(data.len() as u64)
            .filter(|&end| end <= MAX_IMAGE_BYTES);
        let Some(end) = end else {
            bail!(
                "a segment at {start:#x} lies above 16 MiB, where no image is loaded: correct linker/hypervisor.ld"
            );
        };
        let (start, end) = (usize::try_from(start)?, usize::try_from(end)?);
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[start..end].copy_from_slice(data);
    }
    ensure!(
        !bytes.is_empty(),
        "the hypervisor's ELF file has nothing to load: was linker/hypervisor.ld used?"
    );
    Ok(bytes)
}

fn symbol(file: &object::File<'_>, name: &str) -> Result<u64> {
    let found = file.symbols().find(|symbol| symbol.name() == Ok(name));
    Ok(found
        .with_context(|| {
            format!("the hypervisor has no symbol `{name}`: linker/hypervisor.ld must define it")
        })?
        .address())
}

/// Functions and assembler labels of the code sections, sorted by address, no two at one address.
fn functions(file: &object::File<'_>) -> Result<Vec<Function>> {
    let mut functions = Vec::new();
    for section in file
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
    {
        let end = section.address() + section.size();
        let mut inside: Vec<(u64, u64, bool, String)> = file
            .symbols()
            .filter(|symbol| symbol.section_index() == Some(section.index()))
            .filter(|symbol| {
                matches!(
                    symbol.kind(),
                    SymbolKind::Text | SymbolKind::Label | SymbolKind::Unknown
                )
            })
            .filter_map(|symbol| {
                let name = symbol
                    .name()
                    .ok()
                    .filter(|name| !name.is_empty() && !name.starts_with(['.', '$']))?;
                let name = short(&format!("{:#}", rustc_demangle::demangle(name)));
                Some((symbol.address(), symbol.size(), symbol.size() == 0, name))
            })
            .collect();
        // Sized symbols first at each address: those are functions, the others marks.
        inside.sort_by(|a, b| (a.0, a.2, &a.3).cmp(&(b.0, b.2, &b.3)));
        inside.dedup_by_key(|symbol| symbol.0);
        let nexts: Vec<u64> = inside
            .iter()
            .skip(1)
            .map(|symbol| symbol.0)
            .chain([end])
            .collect();
        for ((address, bytes, ..), (next, name)) in inside.iter().zip(
            nexts
                .iter()
                .zip(inside.iter().map(|symbol| symbol.3.clone())),
        ) {
            // An assembler label has no size: it reaches to the next symbol.
            let bytes = if *bytes == 0 {
                next.saturating_sub(*address)
            } else {
                *bytes
            };
            let function = Function {
                address: u32::try_from(*address)?,
                bytes: u32::try_from(bytes)?,
                name,
            };
            if function.bytes > 0 {
                functions.push(function);
            }
        }
    }
    functions.sort_by_key(|function| function.address);
    functions.dedup_by_key(|function| function.address);
    Ok(functions)
}

/// Returns `name` without what few need of types in it: their modules, and their own parameters.
///
/// Names are a tenth of the image; half of that would be spelled-out types.
fn short(name: &str) -> String {
    let mut text = String::new();
    let (mut depth, mut last) = (0u32, ' ');
    // Where the path begins in `text` that is being read.
    let mut path = 0;
    for c in name.chars() {
        // The arrow of a function's type closes nothing.
        let closes = c == '>' && last != '-';
        if closes {
            depth = depth.saturating_sub(1);
        }
        if depth < 2 {
            if c == '<' && depth == 1 {
                text.push_str("<_");
            } else {
                text.push(c);
            }
            if depth > 0 && text.ends_with("::") {
                text.truncate(path);
            } else if !(c.is_alphanumeric() || "_:".contains(c)) {
                path = text.len();
            }
        }
        if c == '<' {
            depth += 1;
        }
        last = c;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_elf::{Elf, Segment};

    fn elf() -> Elf {
        Elf::powerpc64_be()
            .segment(Segment {
                address: 0x100,
                bytes: vec![0x60; 0x80],
                memory_bytes: 0x80,
            })
            .segment(Segment {
                address: 0x1000,
                bytes: vec![0x11; 0x10],
                memory_bytes: 0x5000,
            })
            .function("_RNvCs1234_4boot5entry", 0x100, 0x20)
            .function("vector_0x200", 0x140, 0)
            .function("_ZN4core3fmt5write17h0123456789abcdefE", 0x120, 0x10)
            .absolute("__symbols_start", 0x2000)
            .absolute("__symbols_end", 0x3000)
    }

    #[test]
    fn the_image_has_segments_at_their_addresses_and_symbols_behind() {
        let image = make(&elf().build()).expect("an image");
        assert_eq!(image.bytes[..0x100], [0; 0x100]);
        assert_eq!(image.bytes[0x100..0x180], [0x60; 0x80]);
        assert_eq!(image.bytes[0x1000..0x1010], [0x11; 0x10]);
        assert_eq!(image.bytes[0x1010..0x2000], [0; 0xFF0]);
        assert_eq!(image.bytes[0x2000..0x2008], symtab::MAGIC);
        assert_eq!(image.bytes.len(), 0x2000 + image.symbol_bytes);
        assert_eq!(image.symbols, 3);
    }

    #[test]
    fn the_hypervisors_own_reader_finds_demangled_functions() {
        let image = make(&elf().build()).expect("an image");
        let symbols = symtab::Symbols::parse(&image.bytes[0x2000..]).expect("a table");
        let name = |address| {
            symbols
                .find(address)
                .map(|symbol| (symbol.to_string(), symbol.offset))
        };
        assert_eq!(name(0x104), Some(("boot::entry".to_owned(), 4)));
        assert_eq!(name(0x120), Some(("core::fmt::write".to_owned(), 0)));
        assert_eq!(name(0x138), None);
        // A label reaches to the end of its section.
        assert_eq!(name(0x17F), Some(("vector_0x200".to_owned(), 0x3F)));
        assert_eq!(name(0x180), None);
    }

    #[test]
    fn types_in_names_are_short() {
        for (long, wanted) in [
            ("boot::entry", "boot::entry"),
            (
                "<console::ring::Ring<B> as console::mux::Output>::peek",
                "<Ring<_> as Output>::peek",
            ),
            (
                "<core::iter::adapters::Map<I,fn(a::B) -> c::D<E>> as core::x::Y>::next::<z::Z>",
                "<Map<_> as Y>::next::<Z>",
            ),
            (
                "<spin::once::Once<T>>::call<fn(u32) -> u8>",
                "<Once<_>>::call<fn(u32) -> u8>",
            ),
            (
                "lpar::hcall::serve::{closure#0}",
                "lpar::hcall::serve::{closure#0}",
            ),
            ("a<b", "a<b"),
            ("a>>b::c", "a>>b::c"),
        ] {
            assert_eq!(short(long), wanted);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_file_to_change() {
        let error = |elf: Elf| make(&elf.build()).expect_err("refused").to_string();
        let base = || {
            Elf::powerpc64_be()
                .segment(Segment {
                    address: 0x100,
                    bytes: vec![1; 0x80],
                    memory_bytes: 0x80,
                })
                .function("f", 0x100, 0x20)
        };
        assert!(error(base()).contains("no symbol `__symbols_start`"));
        let small = base()
            .absolute("__symbols_start", 0x180)
            .absolute("__symbols_end", 0x184);
        assert!(error(small).contains("move `__symbols_end`"));
        let inside = base()
            .absolute("__symbols_start", 0x170)
            .absolute("__symbols_end", 0x1000);
        assert!(error(inside).contains("reach past `__symbols_start`"));
        let high = elf().segment(Segment {
            address: 32 << 20,
            bytes: vec![1],
            memory_bytes: 1,
        });
        assert!(error(high).contains("lies above 16 MiB"));
        assert!(
            make(b"plain bytes")
                .expect_err("refused")
                .to_string()
                .contains("no ELF file")
        );
    }
}
