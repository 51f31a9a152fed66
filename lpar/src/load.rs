//! Loads a kernel into a partition's memory. The image is untrusted.

use crate::GuestRam;
use core::fmt;
use elf::ElfBytes;
use elf::abi::{EM_PPC64, ET_DYN, ET_EXEC, PT_LOAD};
use elf::endian::AnyEndian;
use elf::file::Class;
use papr_abi::GuestRealAddr;

/// Why a kernel cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// It is no ELF file, or a damaged one.
    NotElf,
    /// It is an ELF file, but not a 64-bit executable.
    NotExecutable64,
    /// It is for another processor: the ELF machine number.
    Machine(u16),
    /// It has nothing to load.
    Nothing,
    /// A part of it lies outside the file: the number of the segment.
    OutsideFile(usize),
    /// A part of it would lie outside the partition's memory: its address and bytes.
    OutsideMemory(u64, u64),
    /// Two of its parts would lie over each other: the number of the later segment.
    Overlap(usize),
    /// It has more parts to load than any kernel: the most that are taken.
    TooMany(usize),
    /// Its entry is in none of its parts.
    Entry(u64),
}

/// The most segments that are loaded. Kernels have up to four; the limit bounds the comparison of each with all.
const MAX_SEGMENTS: usize = 32;

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotElf => f.write_str("the kernel is no ELF file, or a damaged one"),
            Self::NotExecutable64 => f.write_str("the kernel is no 64-bit executable"),
            Self::Machine(number) => write!(
                f,
                "the kernel is for ELF machine {number}, not for 64-bit POWER ({EM_PPC64})"
            ),
            Self::Nothing => f.write_str("the kernel has nothing to load"),
            Self::OutsideFile(segment) => {
                write!(f, "segment {segment} of the kernel is outside its file")
            }
            Self::OutsideMemory(at, bytes) => {
                write!(
                    f,
                    "{bytes} bytes of the kernel at {at:#x} do not fit the partition's memory"
                )
            }
            Self::Overlap(segment) => {
                write!(f, "segment {segment} of the kernel lies over another one")
            }
            Self::TooMany(most) => write!(f, "the kernel has more than {most} segments to load"),
            Self::Entry(entry) => write!(f, "the kernel's entry {entry:#x} is in no segment"),
        }
    }
}

/// A kernel in a partition's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Where it begins, a logical real address.
    pub entry: u64,
    /// Its lowest byte.
    pub start: u64,
    /// One past its highest byte, `.bss` included.
    pub end: u64,
    /// Bytes that were copied.
    pub copied: u64,
}

/// Loads an ELF64 executable of either byte order at the physical addresses that it names, into
/// memory that was scrubbed before.
///
/// # Errors
/// [`LoadError`]; memory may then hold parts of it.
pub fn elf(ram: &GuestRam, image: &[u8]) -> Result<Loaded, LoadError> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(image).map_err(|_| LoadError::NotElf)?;
    let header = file.ehdr;
    if header.class != Class::ELF64 || (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
        return Err(LoadError::NotExecutable64);
    }
    if header.e_machine != EM_PPC64 {
        return Err(LoadError::Machine(header.e_machine));
    }
    let segments = file.segments().ok_or(LoadError::Nothing)?;
    let (mut start, mut end, mut copied, mut entry) = (u64::MAX, 0, 0, None);
    // What is taken already, so that no byte of memory is written twice, however many segments there are.
    let mut taken = [(0, 0); MAX_SEGMENTS];
    let mut used = 0;
    for (number, segment) in segments.iter().enumerate() {
        if segment.p_type != PT_LOAD || segment.p_memsz == 0 {
            continue;
        }
        if segment.p_filesz > segment.p_memsz {
            return Err(LoadError::NotElf);
        }
        let bytes = file
            .segment_data(&segment)
            .map_err(|_| LoadError::OutsideFile(number))?;
        let outside = |_| LoadError::OutsideMemory(segment.p_paddr, segment.p_memsz);
        ram.real(GuestRealAddr(segment.p_paddr), segment.p_memsz)
            .map_err(outside)?;
        let (from, to) = (segment.p_paddr, segment.p_paddr + segment.p_memsz);
        if taken.iter().any(|&(first, last)| from < last && first < to) {
            return Err(LoadError::Overlap(number));
        }
        *taken
            .get_mut(used)
            .ok_or(LoadError::TooMany(MAX_SEGMENTS))? = (from, to);
        used += 1;
        ram.write(GuestRealAddr(segment.p_paddr), bytes)
            .map_err(outside)?;
        copied += bytes.len() as u64;
        start = start.min(from);
        end = end.max(to);
        if let Some(offset) = header.e_entry.checked_sub(segment.p_vaddr)
            && offset < segment.p_memsz
        {
            entry = entry.or(Some(segment.p_paddr + offset));
        }
    }
    if end == 0 {
        return Err(LoadError::Nothing);
    }
    let entry = entry.ok_or(LoadError::Entry(header.e_entry))?;
    Ok(Loaded {
        entry,
        start,
        end,
        copied,
    })
}

/// Loads plain bytes at `at`, to begin at `entry`.
///
/// # Errors
/// [`LoadError::OutsideMemory`], [`LoadError::Entry`].
pub fn raw(ram: &GuestRam, image: &[u8], at: u64, entry: u64) -> Result<Loaded, LoadError> {
    let bytes = image.len() as u64;
    ram.write(GuestRealAddr(at), image)
        .map_err(|_| LoadError::OutsideMemory(at, bytes))?;
    if entry < at || entry - at >= bytes {
        return Err(LoadError::Entry(entry));
    }
    Ok(Loaded {
        entry,
        start: at,
        end: at + bytes,
        copied: bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioda::BeU64;
    use papr_abi::RealAddr;

    fn ram() -> GuestRam {
        let cells: Vec<BeU64> = (0..0x2_0000).map(|_| BeU64::new(0)).collect();
        GuestRam::new(Vec::leak(cells), RealAddr(0))
    }

    /// A little-endian ELF64 executable with one segment of `data`, loaded at `paddr`.
    fn kernel(paddr: u64, data: &[u8], memsz: u64, entry: u64) -> Vec<u8> {
        let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        out.extend(2u16.to_le_bytes());
        out.extend(21u16.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        for word in [entry, 64, 0] {
            out.extend(word.to_le_bytes());
        }
        out.extend(0u32.to_le_bytes());
        for half in [64u16, 56, 1, 64, 0, 0] {
            out.extend(half.to_le_bytes());
        }
        out.extend(1u32.to_le_bytes());
        out.extend(7u32.to_le_bytes());
        for word in [
            120,
            0xc000_0000_0000_0000_u64.wrapping_add(paddr),
            paddr,
            data.len() as u64,
            memsz,
            8,
        ] {
            out.extend(word.to_le_bytes());
        }
        out.extend(data);
        out
    }

    #[test]
    fn a_kernel_goes_to_its_physical_addresses_and_its_entry_follows() {
        let ram = ram();
        let image = kernel(0x1000, b"kernel!!more", 0x100, 0xc000_0000_0000_1008);
        let loaded = elf(&ram, &image).unwrap();
        assert_eq!(
            loaded,
            Loaded {
                entry: 0x1008,
                start: 0x1000,
                end: 0x1100,
                copied: 12
            }
        );
        assert_eq!(
            ram.load(GuestRealAddr(0x1000), 8),
            Ok(u64::from_be_bytes(*b"kernel!!"))
        );
    }

    #[test]
    fn a_kernel_that_does_not_fit_is_refused() {
        let ram = ram();
        let image = kernel(0xf_f000, b"x", 0x2000, 0xc000_0000_000f_f000);
        assert_eq!(
            elf(&ram, &image),
            Err(LoadError::OutsideMemory(0xf_f000, 0x2000))
        );
        let image = kernel(u64::MAX - 8, b"x", 0x20, 0);
        assert!(matches!(
            elf(&ram, &image),
            Err(LoadError::OutsideMemory(..))
        ));
    }

    /// `kernel` with its program header `count` times, each `step` further on in memory, and data of `len` bytes.
    fn segments(count: u16, step: u64, len: usize) -> Vec<u8> {
        let one = kernel(0x1000, &[], len as u64, 0xc000_0000_0000_1000);
        let (header, program) = one.split_at(64);
        let mut image = header.to_vec();
        image[56..58].copy_from_slice(&count.to_le_bytes());
        for number in 0..u64::from(count) {
            let mut program = program.to_vec();
            program[8..16].copy_from_slice(&0u64.to_le_bytes());
            program[24..32].copy_from_slice(&(0x1000 + step * number).to_le_bytes());
            program[32..40].copy_from_slice(&(len as u64).to_le_bytes());
            image.extend(program);
        }
        image
    }

    #[test]
    fn segments_that_overlap_are_refused_before_anything_is_copied_twice() {
        let ram = ram();
        let loaded = elf(&ram, &segments(3, 64, 64)).unwrap();
        assert_eq!((loaded.end, loaded.copied), (0x1000 + 192, 192));
        for step in [0, 1, 63] {
            assert_eq!(
                elf(&ram, &segments(2, step, 64)),
                Err(LoadError::Overlap(1)),
                "{step}"
            );
        }
        assert_eq!(
            elf(&ram, &segments(u16::MAX - 1, 0, 64)),
            Err(LoadError::Overlap(1))
        );
    }

    #[test]
    fn more_segments_than_a_kernel_has_are_refused() {
        let ram = ram();
        assert!(elf(&ram, &segments(MAX_SEGMENTS as u16, 64, 64)).is_ok());
        assert_eq!(
            elf(&ram, &segments(MAX_SEGMENTS as u16 + 1, 64, 64)),
            Err(LoadError::TooMany(MAX_SEGMENTS))
        );
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        let ram = ram();
        assert_eq!(elf(&ram, b"#!/bin/sh\n"), Err(LoadError::NotElf));
        let image = kernel(0x1000, b"x", 1, 0x5000);
        assert_eq!(elf(&ram, &image), Err(LoadError::Entry(0x5000)));
        let mut other = kernel(0x1000, b"x", 1, 0);
        other[18] = 62;
        assert_eq!(elf(&ram, &other), Err(LoadError::Machine(62)));
    }

    #[test]
    fn truncated_and_changed_kernels_never_panic() {
        let ram = ram();
        let image = kernel(0x1000, b"kernel!!more", 0x100, 0xc000_0000_0000_1008);
        for len in 0..image.len() {
            assert!(elf(&ram, &image[..len]).is_err());
        }
        for at in 0..image.len() * 8 {
            let mut changed = image.clone();
            changed[at / 8] ^= 1 << (at % 8);
            let _ = elf(&ram, &changed);
        }
    }

    #[test]
    fn raw_bytes_are_checked_against_memory_and_entry() {
        let ram = ram();
        assert_eq!(
            raw(&ram, b"12345678", 0x100, 0x104).map(|l| l.entry),
            Ok(0x104)
        );
        assert_eq!(
            raw(&ram, b"12345678", 0x100, 0x108),
            Err(LoadError::Entry(0x108))
        );
        assert!(raw(&ram, b"1", u64::MAX, 0).is_err());
    }
}
