//! A frame to be sent, where it lies in the sender's memory.

use crate::copy::{self, PAGE};
use crate::{Host, Problem, bad};
use papr_abi::llan::{SEND_DESCRIPTORS, descriptor};
use papr_abi::{IoAddr, Liobn, tce};

/// Longest frame, bytes: so that copying one is a bounded part of what a call may take.
pub const MAX_FRAME_BYTES: u32 = 16 << 10;
/// Destination, source and type.
const MIN_FRAME_BYTES: u32 = 14;

/// Where memory is: a partition, and the window of an adapter.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) host: &'static dyn Host,
    pub(crate) liobn: Liobn,
}

impl Memory {
    /// Returns the page of `at` and where in it that is, if `access` is permitted.
    pub(crate) fn page(&self, at: u64, access: u64) -> Option<(&'static [ioda::BeU64], usize)> {
        let page = self.host.page(self.liobn, IoAddr(at), access)?;
        Some((page, at as usize & (PAGE - 1)))
    }

    /// Whether all pages of `bytes` from `at` on permit `access`.
    pub(crate) fn permits(&self, at: u64, bytes: u64, access: u64) -> bool {
        let end = at + bytes;
        let first = at & !(PAGE as u64 - 1);
        let mut pages = (first..end).step_by(PAGE);
        pages.all(|at| self.page(at, access).is_some())
    }
}

/// Which side of a copy has taken its page away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    Source,
    Target,
}

/// Stretches of the sender's memory, one after the other: I/O address and bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    parts: [(u64, u32); SEND_DESCRIPTORS],
    pub(crate) bytes: u32,
}

impl Frame {
    /// Takes the frame that `descriptors` name, up to the first without a length.
    ///
    /// # Errors
    /// [`papr_abi::HError::Parameter`]: one of them is not valid, the frame is too short or too long, or not all
    /// of it may be read.
    pub(crate) fn new(
        memory: &Memory,
        descriptors: &[u64; SEND_DESCRIPTORS],
    ) -> Result<Self, Problem> {
        let mut frame = Self {
            parts: [(0, 0); SEND_DESCRIPTORS],
            bytes: 0,
        };
        for (part, given) in frame.parts.iter_mut().zip(descriptors) {
            let bytes = (given >> descriptor::LENGTH_SHIFT & descriptor::LENGTH) as u32;
            if bytes == 0 {
                break;
            }
            if given & descriptor::VALID == 0 {
                return Err(bad("descriptor not valid"));
            }
            *part = (given & descriptor::ADDRESS, bytes);
            frame.bytes += bytes;
        }
        if frame.bytes < MIN_FRAME_BYTES || frame.bytes > MAX_FRAME_BYTES {
            return Err(bad("frame of less than 14 bytes or more than 16 KiB"));
        }
        let readable = |&(at, bytes): &(u64, u32)| memory.permits(at, bytes.into(), tce::READ);
        if !frame.parts.iter().all(readable) {
            return Err(bad("frame not mapped for reading"));
        }
        Ok(frame)
    }

    /// Returns the address that the frame is for; `None` when it may no longer be read.
    pub(crate) fn destination(&self, memory: &Memory) -> Option<u64> {
        let addresses = self.parts.iter();
        let bytes = addresses.flat_map(|&(at, bytes)| at..at + u64::from(bytes));
        bytes.take(6).try_fold(0, |mac, at| {
            let (page, offset) = memory.page(at, tce::READ)?;
            Some(mac << 8 | copy::eight(page, offset) >> 56)
        })
    }

    /// Copies the frame to `to` of `target`.
    ///
    /// # Errors
    /// Whose page went away; part of the frame may be there.
    #[inline(never)]
    pub(crate) fn copy(&self, source: &Memory, target: &Memory, mut to: u64) -> Result<(), Gone> {
        for &(mut from, bytes) in &self.parts {
            let mut left = bytes as usize;
            while left > 0 {
                let (read, start) = source.page(from, tce::READ).ok_or(Gone::Source)?;
                let (write, end) = target.page(to, tce::WRITE).ok_or(Gone::Target)?;
                let count = left.min(PAGE - start).min(PAGE - end);
                copy::copy(read, start, write, end, count);
                from += count as u64;
                to += count as u64;
                left -= count;
            }
        }
        Ok(())
    }
}
