//! Numbers and bytes in a payload: [`Writer`], [`Reader`].

use crate::frame::MAX_PAYLOAD;

/// A payload being written; what does not fit is cut.
#[derive(Debug)]
pub(crate) struct Writer {
    bytes: [u8; MAX_PAYLOAD],
    used: usize,
}

impl Writer {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; MAX_PAYLOAD],
            used: 0,
        }
    }

    #[inline(never)]
    pub(crate) fn put(&mut self, bytes: &[u8]) -> &mut Self {
        let room = self.bytes.get_mut(self.used..).unwrap_or_default();
        let count = room.len().min(bytes.len());
        if let Some((to, from)) = room.get_mut(..count).zip(bytes.get(..count)) {
            to.copy_from_slice(from);
        }
        self.used = self.used.saturating_add(count);
        self
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }
}

/// What of a payload has not been read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.chunk().map(u8::from_be_bytes)
    }
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.chunk().map(u16::from_be_bytes)
    }
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_be_bytes)
    }
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_be_bytes)
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    /// All that is left, as text.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.rest()).ok()
    }

    /// Succeeds when nothing is left.
    pub(crate) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
