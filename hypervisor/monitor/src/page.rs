//! A part of a command's answer: [`Page`].

use core::fmt::{self, Write};

/// Columns of a line for people; what is longer is cut.
pub(crate) const COLUMNS: usize = 118;
/// Columns of a line for programs.
pub(crate) const DUMP_COLUMNS: usize = 240;

/// Lines of an answer, of which some were shown before and some are for later.
pub struct Page<'a> {
    out: &'a mut dyn Write,
    skip: u32,
    room: u32,
    columns: usize,
    more: bool,
}

impl<'a> Page<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, skip: u32, room: u32, columns: usize) -> Self {
        Self {
            out,
            skip,
            room,
            columns,
            more: false,
        }
    }

    /// Writes a line, if it is one of this page.
    pub fn line(&mut self, text: fmt::Arguments<'_>) {
        if self.skip > 0 {
            self.skip = self.skip.saturating_sub(1);
        } else if self.room == 0 {
            self.more = true;
        } else {
            self.room = self.room.saturating_sub(1);
            let mut clip = Clip {
                out: self.out,
                left: self.columns,
            };
            // What is too long is cut, and shows it.
            let cut = clip.write_fmt(text).is_err();
            let end = if cut { "...\r\n" } else { "\r\n" };
            let _ = self.out.write_str(end);
        }
    }

    /// Passes over as many of the next `lines` lines as were shown before, without their text; returns how many.
    pub fn skip(&mut self, lines: u32) -> u32 {
        let skipped = self.skip.min(lines);
        self.skip = self.skip.saturating_sub(skipped);
        skipped
    }

    /// Returns whether all further lines are for later: a command may end.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.more
    }
}

/// Writes at most so many characters, none of them a control character.
struct Clip<'a> {
    out: &'a mut dyn Write,
    left: usize,
}

impl Write for Clip<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.out.write_char(if c.is_control() { '?' } else { c })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_part_of_an_answer() {
        let mut out = String::new();
        let mut page = Page::new(&mut out, 2, 3, COLUMNS);
        for n in 0..9 {
            page.line(format_args!("line {n}"));
            assert_eq!(page.is_full(), n >= 5);
        }
        assert_eq!(out, "line 2\r\nline 3\r\nline 4\r\n");
    }

    #[test]
    fn lines_that_were_shown_can_be_passed_over() {
        let mut out = String::new();
        let mut page = Page::new(&mut out, 5, 2, COLUMNS);
        assert_eq!((page.skip(3), page.skip(9), page.skip(9)), (3, 2, 0));
        page.line(format_args!("line 5"));
        assert_eq!(out, "line 5\r\n");
    }

    #[test]
    fn lines_are_cut_and_clean() {
        let mut out = String::new();
        let mut page = Page::new(&mut out, 0, 9, COLUMNS);
        page.line(format_args!("a\r\n\x1bb"));
        page.line(format_args!("{}", "x".repeat(300)));
        let cut = format!("a???b\r\n{}...\r\n", "x".repeat(COLUMNS));
        assert_eq!(out, cut);
    }
}
