//! A partition's non-volatile memory: bytes that outlive its restarts, not the machine's.

use crate::{GuestRam, OutsideRam};
use alloc::boxed::Box;
use core::ops::Range;
use lock::Mutex;
use papr_abi::GuestRealAddr;

/// Why nothing was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NvramError {
    /// The bytes are not all inside the non-volatile memory.
    OutsideNvram,
    /// The partition's buffer is not all inside its memory.
    OutsideRam,
}

impl From<OutsideRam> for NvramError {
    fn from(OutsideRam: OutsideRam) -> Self {
        Self::OutsideRam
    }
}

/// The non-volatile memory of one partition.
#[derive(Debug)]
pub struct Nvram {
    bytes: Mutex<Box<[u8]>>,
}

impl Nvram {
    /// Makes `bytes` of it, all zero.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self {
            bytes: Mutex::new(alloc::vec![0; bytes].into_boxed_slice()),
        }
    }

    /// Returns how many bytes there are.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.lock().len()
    }

    /// Copies `count` bytes from `index` to `buffer` in `ram`.
    ///
    /// # Errors
    /// See [`NvramError`], in the order of its variants; nothing is then copied.
    pub fn fetch(
        &self,
        index: u32,
        count: u32,
        ram: &GuestRam,
        buffer: GuestRealAddr,
    ) -> Result<(), NvramError> {
        let bytes = self.bytes.lock();
        let from = bytes.get(range(index, count)?);
        Ok(ram.write(buffer, from.ok_or(NvramError::OutsideNvram)?)?)
    }

    /// Copies `count` bytes from `buffer` in `ram` to `index`.
    ///
    /// # Errors
    /// See [`NvramError`], in the order of its variants; nothing is then copied.
    pub fn store(
        &self,
        index: u32,
        count: u32,
        ram: &GuestRam,
        buffer: GuestRealAddr,
    ) -> Result<(), NvramError> {
        let mut bytes = self.bytes.lock();
        let to = bytes.get_mut(range(index, count)?);
        Ok(ram.read(buffer, to.ok_or(NvramError::OutsideNvram)?)?)
    }
}

fn range(index: u32, count: u32) -> Result<Range<usize>, NvramError> {
    let end = index.checked_add(count).ok_or(NvramError::OutsideNvram)?;
    Ok(index as usize..end as usize)
}
