//! A line of text being formatted: [`Line`].

use core::fmt;

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
        put(&mut self.bytes, &mut self.used, text)
    }
}

/// Puts `text` into `bytes`, of which so many are used, or as much of it as fits. Once for lines of all lengths.
fn put(bytes: &mut [u8], used: &mut usize, text: &str) -> fmt::Result {
    for c in text.chars() {
        let mut utf8 = [0; 4];
        let c = c.encode_utf8(&mut utf8).as_bytes();
        let end = used.saturating_add(c.len());
        // Room for "..." stays free until it is needed.
        if end.saturating_add(3) > bytes.len() {
            let dots_end = used.saturating_add(3);
            if let Some(dots) = bytes.get_mut(*used..dots_end) {
                dots.copy_from_slice(b"...");
                *used = dots_end;
            }
            return Err(fmt::Error);
        }
        if let Some(to) = bytes.get_mut(*used..end) {
            to.copy_from_slice(c);
            *used = end;
        }
    }
    Ok(())
}

/// Whether a terminal does something else with `c` than to show it: control characters, C1 among them, what changes
/// the direction of writing (Unicode UAX 9), and separators of lines.
pub(crate) const fn is_control(c: char) -> bool {
    matches!(
        c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Gives `bytes` in parts, with `?` for each character but the tab that is not just shown, and for each run of bytes
/// that is no UTF-8: never more bytes.
pub(crate) fn printable(bytes: &[u8], part: &mut dyn FnMut(&[u8])) {
    for chunk in bytes.utf8_chunks() {
        let mut shown = chunk.valid().split(|c| c != '\t' && is_control(c));
        if let Some(first) = shown.next() {
            part(first.as_bytes());
        }
        for more in shown {
            part(b"?");
            part(more.as_bytes());
        }
        if !chunk.invalid().is_empty() {
            part(b"?");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;

    #[test]
    fn a_long_line_is_cut_visibly() {
        let mut line = Line::<16>::new();
        assert!(write!(line, "{}", "x".repeat(40)).is_err());
        assert_eq!(line.as_str(), "xxxxxxxxxxxxx...");
    }

    #[test]
    fn what_is_not_just_shown_is_replaced() {
        let shown = |bytes: &[u8]| {
            let mut all = Vec::new();
            printable(bytes, &mut |part| all.extend_from_slice(part));
            assert!(all.len() <= bytes.len());
            String::from_utf8(all).unwrap()
        };
        assert_eq!(shown("größe\t€".as_bytes()), "größe\t€");
        assert_eq!(shown(b"a\x1b[mb\x7f"), "a?[mb?");
        assert_eq!(shown("a\u{9b}2Jb\u{202e}c\u{2028}".as_bytes()), "a?2Jb?c?");
        assert_eq!(shown(b"a\x9b2J\xff\xfeb\xc3"), "a?2J??b?");
    }
}
