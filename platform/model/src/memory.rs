//! Memory that a driver and the model both use: [`SharedMemory`].

use alloc::boxed::Box;
use alloc::vec::Vec;
use ioda::{BeU16, BeU32, BeU64};

/// A piece of memory, by bytes.
pub trait SharedMemory: Send + Sync {
    /// How many bytes.
    fn bytes(&self) -> u64;
    /// Reads the byte at `offset`.
    fn load(&self, offset: u64) -> u8;
    /// Writes the byte at `offset`.
    fn store(&self, offset: u64, value: u8);
}

macro_rules! shared {
    ($($cell:ident, $int:ident, $bytes:literal;)*) => {$(
        impl SharedMemory for &'static [$cell] {
            fn bytes(&self) -> u64 {
                self.len() as u64 * $bytes
            }
            fn load(&self, offset: u64) -> u8 {
                self[(offset / $bytes) as usize].load().to_be_bytes()[(offset % $bytes) as usize]
            }
            fn store(&self, offset: u64, value: u8) {
                let cell = &self[(offset / $bytes) as usize];
                let mut bytes = cell.load().to_be_bytes();
                bytes[(offset % $bytes) as usize] = value;
                cell.store($int::from_be_bytes(bytes));
            }
        }
    )*};
}

shared! {
    BeU16, u16, 2;
    BeU32, u32, 4;
    BeU64, u64, 8;
}

/// All memory, by real address.
#[derive(Default)]
pub(crate) struct Memory {
    pieces: Vec<(u64, Box<dyn SharedMemory>)>,
}

impl Memory {
    pub(crate) fn add(&mut self, real: u64, piece: Box<dyn SharedMemory>) {
        self.pieces.push((real, piece));
    }

    /// Reads `bytes` bytes at `real`, big-endian; `None` outside all pieces.
    pub(crate) fn load(&self, real: u64, bytes: u64) -> Option<u64> {
        (0..bytes).try_fold(0, |value, at| {
            let (piece, offset) = self.find(real + at)?;
            Some(value << 8 | u64::from(piece.load(offset)))
        })
    }

    /// Writes the low `bytes` bytes of `value` at `real`, big-endian.
    pub(crate) fn store(&self, real: u64, bytes: u64, value: u64) {
        for at in 0..bytes {
            if let Some((piece, offset)) = self.find(real + at) {
                piece.store(offset, (value >> (8 * (bytes - 1 - at))) as u8);
            }
        }
    }

    fn find(&self, real: u64) -> Option<(&dyn SharedMemory, u64)> {
        self.pieces.iter().find_map(|(base, piece)| {
            let offset = real.checked_sub(*base)?;
            (offset < piece.bytes()).then_some((&**piece, offset))
        })
    }
}
