//! One line being typed, with those before it: [`Editor`].

use core::fmt::{self, Write};

/// The most characters of a line.
pub(crate) const LINE: usize = 100;
/// Lines that are remembered.
const HISTORY: usize = 8;

/// A line of ASCII.
#[derive(Clone, Copy, Debug)]
struct Text {
    bytes: [u8; LINE],
    used: u8,
}

impl Text {
    const EMPTY: Self = Self {
        bytes: [0; LINE],
        used: 0,
    };

    fn len(&self) -> usize {
        usize::from(self.used)
    }

    fn as_str(&self) -> &str {
        self.from(0)
    }

    fn from(&self, start: usize) -> &str {
        let bytes = self.bytes.get(start..self.len()).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Puts `byte` in at `at`; returns whether there was room.
    fn insert(&mut self, at: usize, byte: u8) -> bool {
        if self.len() >= LINE || at > self.len() {
            return false;
        }
        self.used = self.used.saturating_add(1);
        let mut byte = byte;
        for place in self.bytes.iter_mut().take(self.used.into()).skip(at) {
            core::mem::swap(place, &mut byte);
        }
        true
    }

    /// Takes out the bytes from `at` to `end`.
    fn remove(&mut self, at: usize, end: usize) {
        let (count, used) = (end.saturating_sub(at), self.len());
        if let Some(rest) = self.bytes.get_mut(at..used)
            && count <= rest.len()
        {
            rest.copy_within(count.., 0);
            self.used = self.used.saturating_sub(count as u8);
        }
    }
}

/// What a byte asks for beyond the line itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Nothing.
    Nothing,
    /// The line is complete.
    Enter,
    /// Complete the word before the cursor.
    Complete,
}

/// Where a terminal's key of several bytes is. Source: ECMA-48 8.3 (cursor keys), and what xterm sends for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Plain,
    Escape,
    Sequence(u8),
}

/// The line, the cursor, and the lines before.
#[derive(Clone, Debug)]
pub(crate) struct Editor {
    text: Text,
    cursor: u8,
    history: [Text; HISTORY],
    remembered: u8,
    /// How many lines back the text is from; 0 for the one being typed.
    back: u8,
    key: Key,
    after_return: bool,
}

impl Editor {
    pub(crate) const fn new() -> Self {
        Self {
            text: Text::EMPTY,
            cursor: 0,
            history: [Text::EMPTY; HISTORY],
            remembered: 0,
            back: 0,
            key: Key::Plain,
            after_return: false,
        }
    }

    /// Returns the line.
    pub(crate) fn text(&self) -> &str {
        self.text.as_str()
    }

    /// Returns what is before the cursor.
    pub(crate) fn before_cursor(&self) -> &str {
        self.text().get(..self.at()).unwrap_or_default()
    }

    fn at(&self) -> usize {
        usize::from(self.cursor)
    }

    /// Takes a typed byte, and writes what changes on the terminal.
    pub(crate) fn take(&mut self, byte: u8, out: &mut dyn Write) -> Result<Edit, fmt::Error> {
        let after_return = core::mem::take(&mut self.after_return);
        match (self.key, byte) {
            (Key::Plain, 0x1b) => self.key = Key::Escape,
            (Key::Plain, b'\n') if after_return => {}
            (Key::Plain, b'\r' | b'\n') => {
                self.after_return = byte == b'\r';
                return Ok(Edit::Enter);
            }
            (Key::Plain, b'\t') => return Ok(Edit::Complete),
            (Key::Plain, _) => self.plain(byte, out)?,
            (Key::Escape, b'[' | b'O') => self.key = Key::Sequence(0),
            (Key::Escape, _) => self.key = Key::Plain,
            (Key::Sequence(_), b'0'..=b'9') => self.key = Key::Sequence(byte),
            (Key::Sequence(number), _) => {
                self.key = Key::Plain;
                let same = match (byte, number) {
                    (b'A', _) => 0x10,
                    (b'B', _) => 0x0e,
                    (b'C', _) => 0x06,
                    (b'D', _) => 0x02,
                    (b'H', _) | (b'~', b'1' | b'7') => 0x01,
                    (b'F', _) | (b'~', b'4' | b'8') => 0x05,
                    (b'~', b'3') => 0x04,
                    _ => return Ok(Edit::Nothing),
                };
                self.plain(same, out)?;
            }
        }
        Ok(Edit::Nothing)
    }

    /// A character, or a control character as readline and its like have them.
    fn plain(&mut self, byte: u8, out: &mut dyn Write) -> fmt::Result {
        let (at, len) = (self.at(), self.text.len());
        match byte {
            b' '..=b'~' => self.insert(byte, out)?,
            0x01 => self.go(0, out)?,
            0x02 => self.go(at.saturating_sub(1), out)?,
            0x05 => self.go(len, out)?,
            0x06 => self.go(at.saturating_add(1).min(len), out)?,
            0x04 => self.cut(at, at.saturating_add(1).min(len), out)?,
            0x08 | 0x7f => self.cut(at.saturating_sub(1), at, out)?,
            0x0b => self.cut(at, len, out)?,
            0x15 => self.cut(0, at, out)?,
            0x17 => {
                let before = self.before_cursor().trim_ascii_end();
                let start = before.rfind(' ').map_or(0, |space| space.saturating_add(1));
                self.cut(start, at, out)?;
            }
            0x03 => {
                self.cut(0, len, out)?;
                self.back = 0;
            }
            0x10 if self.back < self.remembered => self.recall(self.back.saturating_add(1), out)?,
            0x0e if self.back > 0 => self.recall(self.back.saturating_sub(1), out)?,
            _ => {}
        }
        Ok(())
    }

    /// Puts in a character at the cursor.
    pub(crate) fn insert(&mut self, byte: u8, out: &mut dyn Write) -> fmt::Result {
        if self.text.insert(self.at(), byte) {
            let at = self.at();
            out.write_str(self.text.from(at).get(..1).unwrap_or_default())?;
            self.cursor = self.cursor.saturating_add(1);
            self.rest(0, out)?;
        }
        Ok(())
    }

    /// Writes what is after the cursor, `blanks` over what was there, and goes back.
    fn rest(&self, blanks: usize, out: &mut dyn Write) -> fmt::Result {
        let rest = self.text.from(self.at());
        out.write_str(rest)?;
        (0..blanks).try_for_each(|_| out.write_char(' '))?;
        let back = rest.len().saturating_add(blanks);
        (0..back).try_for_each(|_| out.write_char('\x08'))
    }

    fn go(&mut self, to: usize, out: &mut dyn Write) -> fmt::Result {
        let at = self.at();
        if to < at {
            (to..at).try_for_each(|_| out.write_char('\x08'))?;
        } else {
            out.write_str(self.text().get(at..to).unwrap_or_default())?;
        }
        self.cursor = to as u8;
        Ok(())
    }

    fn cut(&mut self, start: usize, end: usize, out: &mut dyn Write) -> fmt::Result {
        self.go(start, out)?;
        self.text.remove(start, end);
        self.rest(end.saturating_sub(start), out)
    }

    /// Shows the line that is `back` lines before this one.
    fn recall(&mut self, back: u8, out: &mut dyn Write) -> fmt::Result {
        self.cut(0, self.text.len(), out)?;
        self.back = back;
        let index = usize::from(back).checked_sub(1);
        let found = index.and_then(|index| self.history.get(index));
        self.text = found.copied().unwrap_or(Text::EMPTY);
        self.go(self.text.len(), out)
    }

    /// Writes the line again on a new one, behind `prompt`.
    pub(crate) fn redraw(&self, prompt: &str, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{prompt}{}", self.text())?;
        let after = self.text.len().saturating_sub(self.at());
        (0..after).try_for_each(|_| out.write_char('\x08'))
    }

    /// Begins a new line and remembers this one, unless it is the one before.
    pub(crate) fn next_line(&mut self) {
        let text = core::mem::replace(&mut self.text, Text::EMPTY);
        self.cursor = 0;
        self.back = 0;
        let same = self
            .history
            .first()
            .is_some_and(|last| self.remembered > 0 && last.as_str() == text.as_str());
        if text.used > 0 && !same {
            let mut text = text;
            for place in &mut self.history {
                core::mem::swap(place, &mut text);
            }
            self.remembered = self.remembered.saturating_add(1).min(HISTORY as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal of one line: what the editor writes must leave there what it holds.
    #[derive(Default)]
    struct Screen {
        cells: Vec<char>,
        at: usize,
    }

    impl Write for Screen {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for c in text.chars() {
                if c == '\x08' {
                    self.at -= 1;
                } else {
                    if self.at == self.cells.len() {
                        self.cells.push(' ');
                    }
                    self.cells[self.at] = c;
                    self.at += 1;
                }
            }
            Ok(())
        }
    }

    struct Typed {
        editor: Editor,
        screen: Screen,
    }

    impl Typed {
        fn new() -> Self {
            Self {
                editor: Editor::new(),
                screen: Screen::default(),
            }
        }

        fn keys(&mut self, keys: &str) -> &str {
            for byte in keys.bytes() {
                let edit = self.editor.take(byte, &mut self.screen).unwrap();
                if edit == Edit::Enter {
                    self.editor.next_line();
                    self.screen = Screen::default();
                }
                let shown: String = self.screen.cells.iter().collect();
                assert_eq!(shown.trim_end(), self.editor.text().trim_end());
                assert_eq!(self.screen.at, self.editor.at());
            }
            self.editor.text()
        }
    }

    #[test]
    fn characters_go_in_and_out_at_the_cursor() {
        let mut typed = Typed::new();
        assert_eq!(typed.keys("lpxr\x02\x7fa\x02\x06\x06"), "lpar");
        assert_eq!(typed.keys("\x01X\x05Y"), "XlparY");
        assert_eq!(typed.keys("\x1b[D\x1b[D\x1b[3~"), "XlpaY");
        assert_eq!(typed.keys("\x1b[H\x1b[C\x0b"), "X");
        assert_eq!(typed.keys(" one two  \x17"), "X one ");
        assert_eq!(typed.keys("\x15"), "");
        assert_eq!(typed.keys("abc\x03d"), "d");
    }

    #[test]
    fn a_full_line_takes_no_more_and_strange_bytes_do_nothing() {
        let mut typed = Typed::new();
        assert_eq!(typed.keys(&"x".repeat(LINE + 5)).len(), LINE);
        assert_eq!(typed.keys("\x02y").len(), LINE);
        assert_eq!(typed.keys("\x15\x00\x7f\x04\x1f\u{ff}\x1b[99Q\x1bx"), "");
        assert_eq!(typed.keys("\x1b[4~\x1bOHa"), "a");
    }

    #[test]
    fn lines_come_back_and_a_repeated_one_only_once() {
        let mut typed = Typed::new();
        typed.keys("one\rtwo\rtwo\r\r");
        assert_eq!(typed.keys("typ\x10"), "two");
        assert_eq!(typed.keys("\x1b[A"), "one");
        assert_eq!(typed.keys("\x10"), "one");
        assert_eq!(typed.keys("\x1b[B"), "two");
        assert_eq!(typed.keys("\x0e"), "");
        for n in 0..20 {
            typed.keys(&format!("line {n}\r"));
        }
        assert_eq!(typed.keys(&"\x10".repeat(30)), "line 12");
    }

    #[test]
    fn a_return_with_a_line_feed_enters_once() {
        let mut editor = Editor::new();
        let mut out = String::new();
        let entered: Vec<Edit> = b"\r\n\n\r"
            .iter()
            .map(|byte| editor.take(*byte, &mut out).unwrap())
            .collect();
        let wanted = [Edit::Enter, Edit::Nothing, Edit::Enter, Edit::Enter];
        assert_eq!(entered, wanted);
    }

    #[test]
    fn the_line_is_drawn_again_with_its_cursor() {
        let mut typed = Typed::new();
        typed.keys("abc\x02");
        let mut out = String::new();
        typed.editor.redraw("> ", &mut out).unwrap();
        assert_eq!(out, "> abc\x08");
    }
}
