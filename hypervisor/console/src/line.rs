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
        for c in text.chars() {
            let mut utf8 = [0; 4];
            let c = c.encode_utf8(&mut utf8).as_bytes();
            let end = self.used.saturating_add(c.len());
            // Room for "..." stays free until it is needed.
            if end.saturating_add(3) > N {
                let dots_end = self.used.saturating_add(3);
                if let Some(dots) = self.bytes.get_mut(self.used..dots_end) {
                    dots.copy_from_slice(b"...");
                    self.used = dots_end;
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

    #[test]
    fn a_long_line_is_cut_visibly() {
        let mut line = Line::<16>::new();
        assert!(write!(line, "{}", "x".repeat(40)).is_err());
        assert_eq!(line.as_str(), "xxxxxxxxxxxxx...");
    }
}
