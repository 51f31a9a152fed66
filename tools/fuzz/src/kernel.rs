//! Kernels to load: ELF files of whatever content, and raw images.

use ioda::BeU64;
use lpar::GuestRam;
use lpar::load::{self, Loaded};
use papr_abi::RealAddr;

const RAM_BYTES: u64 = 0x1_0000;

fn ram() -> GuestRam {
    thread_local! {
        static WORDS: &'static [BeU64] =
            Vec::leak((0..RAM_BYTES / 8).map(|_| BeU64::new(0)).collect());
    }
    let ram = GuestRam::new(WORDS.with(|words| *words), RealAddr(0x4000_0000));
    ram.scrub();
    ram
}

/// Loads `data` as an ELF file, and, as its first bytes say, as a raw image.
///
/// # Panics
/// When an invariant breaks: what was loaded lies in memory, begins inside itself, was copied once at most, and
/// everything outside it is untouched.
pub fn target(data: &[u8]) {
    let ram = ram();
    if let Ok(loaded) = load::elf(&ram, data) {
        assert_inside(&ram, &loaded);
    }
    let Some((head, image)) = data.split_first_chunk::<16>() else {
        return;
    };
    let ram = self::ram();
    let (at, entry) = head.split_at(8);
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("8 bytes"));
    let (at, entry) = (number(at), number(entry));
    // Both as given, and brought near memory's size.
    for (at, entry) in [(at, entry), (at % RAM_BYTES, entry % RAM_BYTES)] {
        if let Ok(loaded) = load::raw(&ram, image, at, entry) {
            assert_inside(&ram, &loaded);
            assert_eq!((loaded.start, loaded.entry), (at, entry));
            assert_eq!(loaded.copied, image.len() as u64);
            let mut found = vec![0; image.len()];
            ram.read(papr_abi::GuestRealAddr(at), &mut found)
                .expect("inside");
            assert_eq!(found, image);
        }
    }
}

/// Makes an ELF64 executable for POWER of segments: physical address, bytes in the file, bytes in memory. It begins
/// with the first one.
#[must_use]
pub fn elf(big_endian: bool, segments: &[(u64, u64, u64)]) -> Vec<u8> {
    let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1 + u8::from(big_endian), 1];
    out.resize(16, 0);
    let mut put = |bytes: usize, value: u64| {
        let all = value.to_be_bytes();
        let big = &all[8 - bytes..];
        if big_endian {
            out.extend(big);
        } else {
            out.extend(big.iter().rev());
        }
    };
    let entry = segments.first().map_or(0, |segment| segment.0);
    let header = [
        (2, 2),
        (2, 21),
        (4, 1),
        (8, entry),
        (8, 64),
        (8, 0),
        (4, 2),
        (2, 64),
        (2, 56),
        (2, segments.len() as u64),
        (2, 64),
        (2, 0),
        (2, 0),
    ];
    header.iter().for_each(|&(bytes, value)| put(bytes, value));
    let mut offset = 64 + 56 * segments.len() as u64;
    for &(at, in_file, in_memory) in segments {
        put(4, 1);
        put(4, 7);
        for value in [offset, at, at, in_file, in_memory, 8] {
            put(8, value);
        }
        offset += in_file;
    }
    out.resize(offset as usize, 0xee);
    out
}

fn assert_inside(ram: &GuestRam, loaded: &Loaded) {
    let &Loaded {
        entry,
        start,
        end,
        copied,
    } = loaded;
    assert!(
        start <= entry && entry < end && end <= RAM_BYTES,
        "{loaded:x?}"
    );
    assert!(
        copied <= end - start,
        "copied more than there is room for: {loaded:x?}"
    );
    for at in (0..start / 8 * 8)
        .step_by(8)
        .chain((end.next_multiple_of(8)..RAM_BYTES).step_by(8))
    {
        let word = ram.load(papr_abi::GuestRealAddr(at), 8);
        assert_eq!(word, Ok(0), "{at:#x} is outside {loaded:x?}");
    }
}
