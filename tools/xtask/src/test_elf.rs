//! Writes small ELF64 files for tests.

/// A loadable segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) address: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) memory_bytes: u64,
}

/// An ELF64 executable in the making; fields may be spoilt before it is built.
#[derive(Debug, Clone)]
pub(crate) struct Elf {
    pub(crate) big_endian: bool,
    pub(crate) machine: u16,
    pub(crate) kind: u16,
    pub(crate) entry: u64,
    pub(crate) segments: Vec<Segment>,
    /// Name, address, size, section: 1 is .text, 0xFFF1 absolute.
    pub(crate) symbols: Vec<(String, u64, u64, u16)>,
    pub(crate) content_section: &'static str,
}

impl Elf {
    pub(crate) fn powerpc64_be() -> Self {
        Self {
            big_endian: true,
            machine: 21,
            kind: 2,
            entry: 0,
            segments: Vec::new(),
            symbols: Vec::new(),
            content_section: ".text",
        }
    }

    pub(crate) fn segment(mut self, segment: Segment) -> Self {
        self.segments.push(segment);
        self
    }

    /// Adds a function of the first segment, or a label if `bytes` is 0.
    pub(crate) fn function(mut self, name: &str, address: u64, bytes: u64) -> Self {
        self.symbols.push((name.to_owned(), address, bytes, 1));
        self
    }

    pub(crate) fn absolute(mut self, name: &str, value: u64) -> Self {
        self.symbols.push((name.to_owned(), value, 0, 0xFFF1));
        self
    }

    /// Names the section that covers the first segment's bytes; `.text` if not called.
    pub(crate) fn content_section(mut self, name: &'static str) -> Self {
        self.content_section = name;
        self
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let u16 = |value: u16| {
            if self.big_endian {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let u32 = |value: u32| {
            if self.big_endian {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let u64 = |value: u64| {
            if self.big_endian {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let mut body = Vec::new();
        let body_start = 64 + 56 * self.segments.len() as u64;
        let mut headers = Vec::new();
        let mut first = (0, 0, 0);
        for segment in &self.segments {
            let offset = body_start + body.len() as u64;
            if first == (0, 0, 0) {
                first = (segment.address, offset, segment.bytes.len() as u64);
            }
            headers.extend(u32(1));
            headers.extend(u32(7));
            for word in [
                offset,
                segment.address,
                segment.address,
                segment.bytes.len() as u64,
                segment.memory_bytes,
                1,
            ] {
                headers.extend(u64(word));
            }
            body.extend(&segment.bytes);
        }
        let mut names = vec![0];
        let mut table = vec![0; 24];
        for (name, value, bytes, section) in &self.symbols {
            table.extend(u32(names.len() as u32));
            // Global; a function where it has a size.
            table.extend([0x10 | if *bytes > 0 { 2 } else { 0 }, 0]);
            table.extend(u16(*section));
            table.extend(u64(*value));
            table.extend(u64(*bytes));
            names.extend(name.bytes());
            names.push(0);
        }
        let symbols_at = body_start + body.len() as u64;
        let names_at = symbols_at + table.len() as u64;
        let content = self.content_section;
        let section_names = format!("\0.symtab\0.strtab\0.shstrtab\0{content}\0").into_bytes();
        let section_names_at = names_at + names.len() as u64;
        let sections_at = section_names_at + section_names.len() as u64;
        let mut sections = vec![0; 64];
        for (name, kind, flags, [address, offset, bytes], link, info, entry) in [
            (27, 1, 6_u64, [first.0, first.1, first.2], 0, 0, 0_u64),
            (1, 2, 0, [0, symbols_at, table.len() as u64], 3, 1, 24),
            (9, 3, 0, [0, names_at, names.len() as u64], 0, 0, 0),
            (
                17,
                3,
                0,
                [0, section_names_at, section_names.len() as u64],
                0,
                0,
                0,
            ),
        ] {
            sections.extend(u32(name));
            sections.extend(u32(kind));
            for word in [flags, address, offset, bytes] {
                sections.extend(u64(word));
            }
            sections.extend(u32(link));
            sections.extend(u32(info));
            sections.extend(u64(1));
            sections.extend(u64(entry));
        }
        let mut file = vec![
            0x7F,
            b'E',
            b'L',
            b'F',
            2,
            if self.big_endian { 2 } else { 1 },
            1,
        ];
        file.resize(16, 0);
        file.extend(u16(self.kind));
        file.extend(u16(self.machine));
        file.extend(u32(1));
        for word in [self.entry, 64, sections_at] {
            file.extend(u64(word));
        }
        file.extend(u32(2));
        for half in [64, 56, self.segments.len() as u16, 64, 5, 4] {
            file.extend(u16(half));
        }
        for part in [
            headers.as_slice(),
            &body,
            &table,
            &names,
            &section_names,
            &sections,
        ] {
            file.extend(part);
        }
        file
    }
}
