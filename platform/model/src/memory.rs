//! Memory that a driver and the model both use: [`SharedMemory`].

use alloc::boxed::Box;
use alloc::vec::Vec;
use ioda::{BeU16, BeU32, BeU64};

/// A piece of memory, by bytes.
pub trait SharedMemory: Send + Sync {
    /// How many bytes.
    fn bytes(&self) -> u64;
    /// Reads the byte at `offset`, which is less than [`Self::bytes`].
    fn load(&self, offset: u64) -> u8;
    /// Writes the byte at `offset`, which is less than [`Self::bytes`].
    fn store(&self, offset: u64, value: u8);
    /// Reads the eight bytes at `offset`, a multiple of 8 with that many behind it, big-endian.
    fn load64(&self, offset: u64) -> u64 {
        (0..8).fold(0, |value, at| {
            value << 8 | u64::from(self.load(offset.wrapping_add(at)))
        })
    }
}

macro_rules! shared {
    ($($cell:ident, $int:ident, $bytes:literal;)*) => {$(
        impl SharedMemory for &'static [$cell] {
            fn bytes(&self) -> u64 {
                (self.len() as u64).wrapping_mul($bytes)
            }
            fn load(&self, offset: u64) -> u8 {
                let value = self.get((offset / $bytes) as usize).map_or(0, $cell::load);
                (value >> (8 * ($bytes - 1 - offset % $bytes))) as u8
            }
            fn store(&self, offset: u64, value: u8) {
                if let Some(cell) = self.get((offset / $bytes) as usize) {
                    let shift = 8 * ($bytes - 1 - offset % $bytes);
                    let kept = cell.load() & !(0xff << shift);
                    cell.store(kept | $int::from(value) << shift);
                }
            }
            shared!(@whole $cell);
        }
    )*};
    (@whole BeU64) => {
        fn load64(&self, offset: u64) -> u64 {
            self.get((offset / 8) as usize).map_or(0, BeU64::load)
        }
    };
    (@whole $other:ident) => {};
}

shared! {
    BeU16, u16, 2;
    BeU32, u32, 4;
    BeU64, u64, 8;
}

struct Piece {
    base: u64,
    bytes: u64,
    memory: Box<dyn SharedMemory>,
}

/// All memory, by real address. Where pieces overlap, the first that was given counts.
#[derive(Default)]
pub(crate) struct Memory {
    pieces: Vec<Piece>,
}

impl Memory {
    pub(crate) fn add(&mut self, base: u64, memory: Box<dyn SharedMemory>) {
        let bytes = memory.bytes();
        self.pieces.push(Piece {
            base,
            bytes,
            memory,
        });
    }

    /// Reads the doubleword at `real`, a multiple of 8; `None` where there is no memory.
    pub(crate) fn load64(&self, real: u64) -> Option<u64> {
        let (piece, offset) = self.find(real)?;
        if offset.is_multiple_of(8) && piece.bytes.checked_sub(8)? >= offset {
            return Some(piece.memory.load64(offset));
        }
        self.load(real, 8)
    }

    /// Reads `bytes` bytes at `real`, up to 8, big-endian; `None` where there is no memory.
    pub(crate) fn load(&self, real: u64, bytes: u64) -> Option<u64> {
        (0..bytes).try_fold(0, |value, at| {
            let (piece, offset) = self.find(real.checked_add(at)?)?;
            Some(value << 8 | u64::from(piece.memory.load(offset)))
        })
    }

    /// Writes the low `bytes` bytes of `value` at `real`, up to 8, big-endian.
    pub(crate) fn store(&self, real: u64, bytes: u64, value: u64) {
        for at in 0..bytes {
            if let Some((piece, offset)) = real.checked_add(at).and_then(|at| self.find(at)) {
                let byte = value.to_be_bytes();
                let index = 8usize
                    .wrapping_sub(bytes as usize)
                    .wrapping_add(at as usize);
                piece
                    .memory
                    .store(offset, byte.get(index).copied().unwrap_or(0));
            }
        }
    }

    fn find(&self, real: u64) -> Option<(&Piece, u64)> {
        self.pieces.iter().find_map(|piece| {
            let offset = real.checked_sub(piece.base)?;
            (offset < piece.bytes).then_some((piece, offset))
        })
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;

    fn bytes_of_a_cell_are_big_endian_and_pieces_have_edges() {
        let cells: &'static [BeU16] = Box::leak(Box::new([BeU16::new(0x1234), BeU16::new(0)]));
        let words: &'static [BeU64] = Box::leak(Box::new([BeU64::new(0x0102_0304_0506_0708)]));
        let mut memory = Memory::default();
        memory.add(0x1000, Box::new(cells));
        memory.add(0x2000, Box::new(words));
        assert_eq!(memory.load(0x1000, 2), Some(0x1234));
        memory.store(0x1003, 1, 0x56);
        memory.store(0x1000, 1, 0x78);
        assert_eq!(memory.load(0x1000, 4), Some(0x7834_0056));
        assert_eq!(memory.load(0x1000, 5), None);
        assert_eq!(memory.load(u64::MAX, 2), None);
        assert_eq!(memory.load64(0x2000), Some(0x0102_0304_0506_0708));
        assert_eq!(memory.load64(0x2008), None);
        memory.store(0x2002, 2, 0xaabb);
        assert_eq!(words[0].load(), 0x0102_aabb_0506_0708);
    }

    cases::cases!(bytes_of_a_cell_are_big_endian_and_pieces_have_edges);
}
