//! The one console's buffer. Partition output passes through as it is; lines of the hypervisor begin
//! at column 0 with [`PREFIX`], so that people and programs can tell them apart. Nothing here waits:
//! what does not fit is not taken, and lost lines of the hypervisor are counted.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

use core::fmt;

/// What every line of the hypervisor begins with.
pub const PREFIX: &str = "bulkhead| ";

/// A ring of `N` bytes between those who write and the UART.
#[derive(Debug)]
pub struct Ring<const N: usize> {
    bytes: [u8; N],
    first: usize,
    used: usize,
    /// Whether a line has begun and not ended. All zero is an empty ring, so that it needs no room in the image.
    mid_line: bool,
    lost_lines: u32,
}

impl<const N: usize> Ring<N> {
    /// Makes an empty ring.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            first: 0,
            used: 0,
            mid_line: false,
            lost_lines: 0,
        }
    }

    /// Returns how many bytes can be taken.
    #[must_use]
    pub const fn room(&self) -> usize {
        N - self.used
    }

    /// Returns whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Takes partition output, as much as fits; returns how many bytes that is.
    pub fn put(&mut self, from: &[u8]) -> usize {
        let count = from.len().min(self.room());
        for &byte in from.iter().take(count) {
            self.push(byte);
        }
        count
    }

    /// Takes one line of the hypervisor, whole or not at all. Control characters become `?`, so
    /// that no text from a partition can look like a line of the hypervisor's.
    pub fn put_line(&mut self, line: &str) {
        let extra = PREFIX.len() + 4;
        if self.lost_lines > 0 && self.room() > line.len() + 2 * extra + 40 {
            let mut text = Line::<64>::new();
            let lost = core::mem::take(&mut self.lost_lines);
            let _ = fmt::Write::write_fmt(
                &mut text,
                format_args!("{lost} lines were lost, the console being full"),
            );
            self.put_line(text.as_str());
        }
        if self.room() < line.len() + extra {
            self.lost_lines = self.lost_lines.saturating_add(1);
            return;
        }
        if self.mid_line {
            self.push(b'\r');
            self.push(b'\n');
        }
        for byte in PREFIX.bytes().chain(
            line.bytes()
                .map(|b| if b.is_ascii_control() { b'?' } else { b }),
        ) {
            self.push(byte);
        }
        self.push(b'\r');
        self.push(b'\n');
    }

    /// Gives the oldest byte.
    pub fn pop(&mut self) -> Option<u8> {
        if self.used == 0 {
            return None;
        }
        let byte = self.bytes.get(self.first).copied();
        self.first = (self.first + 1) % N;
        self.used -= 1;
        byte
    }

    /// Copies the oldest bytes into `to`, which stay in the ring; returns how many.
    pub fn peek(&self, to: &mut [u8]) -> usize {
        let count = to.len().min(self.used);
        for (offset, slot) in to.iter_mut().take(count).enumerate() {
            if let Some(&byte) = self.bytes.get((self.first + offset) % N) {
                *slot = byte;
            }
        }
        count
    }

    /// Drops the `count` oldest bytes.
    pub fn discard(&mut self, count: usize) {
        let count = count.min(self.used);
        self.first = (self.first + count) % N;
        self.used -= count;
    }

    fn push(&mut self, byte: u8) {
        let place = (self.first + self.used) % N;
        if let Some(slot) = self.bytes.get_mut(place) {
            *slot = byte;
            self.used += 1;
            self.mid_line = byte != b'\n';
        }
    }
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// A line being formatted: text past `N` bytes is cut and shown to be.
#[derive(Debug)]
pub struct Line<const N: usize> {
    bytes: [u8; N],
    used: usize,
}

impl<const N: usize> Line<N> {
    /// Makes an empty line.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            used: 0,
        }
    }

    /// Returns the text so far.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.used).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or("(text lost)")
    }
}

impl<const N: usize> Default for Line<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Write for Line<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let mut utf8 = [0; 4];
            let c = c.encode_utf8(&mut utf8).as_bytes();
            let end = self.used + c.len();
            // Room for "..." stays free until it is needed.
            if end + 3 > N {
                if let Some(dots) = self.bytes.get_mut(self.used..self.used + 3) {
                    dots.copy_from_slice(b"...");
                    self.used += 3;
                }
                return Err(fmt::Error);
            }
            if let Some(to) = self.bytes.get_mut(self.used..end) {
                to.copy_from_slice(c);
                self.used = end;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;

    fn text<const N: usize>(ring: &mut Ring<N>) -> String {
        String::from_utf8(core::iter::from_fn(|| ring.pop()).collect()).unwrap()
    }

    #[test]
    fn a_hypervisor_line_breaks_a_partition_line_and_starts_at_column_zero() {
        let mut ring = Ring::<128>::new();
        assert_eq!(ring.put(b"login: "), 7);
        ring.put_line("hello");
        ring.put(b"x");
        assert_eq!(text(&mut ring), "login: \r\nbulkhead| hello\r\nx");
    }

    #[test]
    fn output_past_the_end_is_not_taken_and_order_survives_wrapping() {
        let mut ring = Ring::<8>::new();
        assert_eq!(ring.put(b"0123456789"), 8);
        assert_eq!(ring.pop(), Some(b'0'));
        assert_eq!(ring.put(b"ab"), 1);
        assert_eq!(text(&mut ring), "1234567a");
        assert_eq!(ring.pop(), None);
    }

    #[test]
    fn what_was_peeked_stays_until_it_is_discarded() {
        let mut ring = Ring::<8>::new();
        ring.put(b"abcdefgh");
        ring.discard(6);
        ring.put(b"ijk");
        let mut some = [0; 4];
        assert_eq!(ring.peek(&mut some), 4);
        assert_eq!(&some, b"ghij");
        ring.discard(2);
        assert_eq!(text(&mut ring), "ijk");
        ring.discard(9);
        assert!(ring.is_empty());
    }

    #[test]
    fn a_line_that_does_not_fit_is_counted_and_told_later() {
        let mut ring = Ring::<160>::new();
        ring.put(&[b'a'; 155]);
        ring.put_line("lost");
        text(&mut ring);
        ring.put_line("next");
        let out = text(&mut ring);
        assert!(out.contains("bulkhead| 1 lines were lost"), "{out}");
        assert!(out.ends_with("bulkhead| next\r\n"), "{out}");
    }

    #[test]
    fn control_characters_cannot_forge_a_line() {
        let mut ring = Ring::<128>::new();
        ring.put_line("os-term: x\r\nbulkhead| STOP power-off");
        assert_eq!(
            text(&mut ring),
            "bulkhead| os-term: x??bulkhead| STOP power-off\r\n"
        );
    }

    #[test]
    fn a_long_line_is_cut_visibly() {
        let mut line = Line::<16>::new();
        assert!(write!(line, "{}", "x".repeat(40)).is_err());
        assert_eq!(line.as_str(), "xxxxxxxxxxxxx...");
    }
}
