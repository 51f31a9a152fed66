//! The hypervisor's own lines: [`LogRing`].

use crate::line::printable;

/// The most bytes of a line, without [`crate::PREFIX`] and its end; what is longer is cut.
pub const LINE_BYTES: usize = 240;

/// After which output of a console a line was written: it is shown after that, where that console is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Mark {
    /// The console, plus one; 0 for none.
    console: u16,
    /// Bytes that had been put there.
    position: u64,
}

impl Mark {
    /// After byte `position` of `console`.
    #[must_use]
    pub const fn new(console: usize, position: u64) -> Self {
        Self {
            console: (console as u16).saturating_add(1),
            position,
        }
    }

    /// Returns the position, if it is one of `console`.
    #[must_use]
    pub const fn of(self, console: usize) -> Option<u64> {
        if self.console as usize == console.wrapping_add(1) {
            Some(self.position)
        } else {
            None
        }
    }
}

/// One line.
#[derive(Clone, Copy, Debug)]
pub struct LogLine {
    mark: Mark,
    used: u8,
    text: [u8; LINE_BYTES],
}

impl LogLine {
    /// A line of nothing: all zero.
    pub const EMPTY: Self = Self {
        mark: Mark {
            console: 0,
            position: 0,
        },
        used: 0,
        text: [0; LINE_BYTES],
    };

    /// Makes a line of `text`. Control characters become `?`, so that no text from a partition can look like a line
    /// of the hypervisor's.
    fn new(text: &str, mark: Mark) -> Self {
        let mut line = Self {
            mark,
            ..Self::EMPTY
        };
        let end = text.floor_char_boundary(LINE_BYTES);
        let text = text.get(..end).unwrap_or_default();
        let mut rest = &mut line.text[..];
        printable(text.as_bytes(), &mut |part| {
            if let Some((to, left)) = core::mem::take(&mut rest).split_at_mut_checked(part.len()) {
                to.copy_from_slice(part);
                rest = left;
            }
        });
        line.used = LINE_BYTES.saturating_sub(rest.len()) as u8;
        line
    }

    /// Returns its text.
    #[must_use]
    pub fn text(&self) -> &str {
        let bytes = self.text.get(..self.used.into()).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or("(text lost)")
    }

    /// Returns after what it is to be shown.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        self.mark
    }
}

/// The last `N` lines, of which some wait to be shown.
#[derive(Debug)]
pub struct LogRing<const N: usize> {
    lines: [LogLine; N],
    /// Lines ever put.
    put: u64,
    /// Lines ever taken.
    taken: u64,
    lost: u32,
}

impl<const N: usize> LogRing<N> {
    /// Makes an empty ring, all zero.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lines: [LogLine::EMPTY; N],
            put: 0,
            taken: 0,
            lost: 0,
        }
    }

    /// Puts a line; while `N` wait already it is lost and counted.
    pub fn put(&mut self, text: &str, mark: Mark) {
        if self.pending() >= N {
            self.lost = self.lost.saturating_add(1);
        } else if let Some(slot) = self.lines.get_mut(Self::place(self.put)) {
            *slot = LogLine::new(text, mark);
            self.put = self.put.saturating_add(1);
        }
    }

    /// Returns how many lines wait.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.put.saturating_sub(self.taken) as usize
    }

    /// Returns the oldest line that waits; it stays until [`LogRing::take`] gives it.
    #[must_use]
    pub fn first(&self) -> Option<&LogLine> {
        (self.pending() > 0).then(|| self.lines.get(Self::place(self.taken)))?
    }

    /// Takes the oldest line that waits.
    pub fn take(&mut self) -> Option<LogLine> {
        let line = *self.first()?;
        self.taken = self.taken.saturating_add(1);
        Some(line)
    }

    /// Returns how many lines were lost since the last time, once none waits.
    pub fn lost(&mut self) -> Option<u32> {
        (self.lost > 0 && self.pending() == 0).then(|| core::mem::take(&mut self.lost))
    }

    /// Returns the numbers of the lines that are still there, rising.
    #[must_use]
    pub fn numbers(&self) -> core::ops::Range<u64> {
        self.put.saturating_sub(N as u64)..self.put
    }

    /// Returns line `number`, if it is still there.
    #[must_use]
    pub fn line(&self, number: u64) -> Option<&LogLine> {
        let there = self.numbers().contains(&number);
        there.then(|| self.lines.get(Self::place(number)))?
    }

    fn place(number: u64) -> usize {
        number.checked_rem(N as u64).unwrap_or(0) as usize
    }
}

impl<const N: usize> Default for LogRing<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_in_order_and_stay_readable() {
        let mut log = LogRing::<3>::new();
        for text in ["one", "two", "three"] {
            log.put(text, Mark::default());
        }
        assert_eq!(log.first().map(LogLine::text), Some("one"));
        assert_eq!(log.take().unwrap().text(), "one");
        log.put("four", Mark::new(2, 7));
        assert_eq!(log.take().unwrap().text(), "two");
        assert_eq!(log.numbers(), 1..4);
        assert_eq!(log.line(1).unwrap().text(), "two");
        assert!(log.line(0).is_none() && log.line(4).is_none());
        assert_eq!(log.line(3).unwrap().mark().of(2), Some(7));
        assert_eq!(log.line(3).unwrap().mark().of(1), None);
        assert_eq!(log.line(1).unwrap().mark().of(0), None);
    }

    #[test]
    fn lines_that_do_not_fit_are_counted_and_told_once_there_is_room() {
        let mut log = LogRing::<2>::new();
        for text in ["one", "two", "three", "four"] {
            log.put(text, Mark::default());
        }
        log.take();
        assert_eq!(log.lost(), None);
        assert_eq!(log.take().unwrap().text(), "two");
        assert_eq!((log.lost(), log.lost()), (Some(2), None));
        assert!(log.take().is_none());
    }

    #[test]
    fn control_characters_cannot_forge_a_line() {
        let line = LogLine::new("os-term: x\r\nbulkhead| STOP", Mark::default());
        assert_eq!(line.text(), "os-term: x??bulkhead| STOP");
        let line = LogLine::new("a\u{9b}2J\u{202e}b", Mark::default());
        assert_eq!(line.text(), "a?2J?b");
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let line = LogLine::new(&"é".repeat(150), Mark::default());
        assert_eq!(line.text(), "é".repeat(120));
        let line = LogLine::new(&format!("x{}", "é".repeat(150)), Mark::default());
        assert_eq!(line.text().len(), 239);
    }
}
