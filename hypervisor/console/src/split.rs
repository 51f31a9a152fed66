//! A partition's output as lines of text: [`Splitter`].

/// The most bytes of a line; a longer one becomes several.
pub(crate) const TEXT_BYTES: usize = 160;

/// Where the reading of a terminal's control sequence is. Source: ECMA-48, 5.4 and 8.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
enum Control {
    /// In none.
    #[default]
    Text = 0,
    /// After ESC.
    Escape,
    /// In a control sequence (ESC \[), which ends with a byte from 0x40 on.
    Sequence,
    /// In a string (ESC \], ESC P, ...), which ends with BEL, or ESC and one more.
    String,
}

/// What of a console has come since its last line end, without control characters. All zero is nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Splitter {
    text: [u8; TEXT_BYTES],
    used: u8,
    control: Control,
    after_return: bool,
    /// When the first of it came, ticks of the time base.
    since: u64,
}

impl Splitter {
    pub(crate) const EMPTY: Self = Self {
        text: [0; TEXT_BYTES],
        used: 0,
        control: Control::Text,
        after_return: false,
        since: 0,
    };

    /// Takes `byte`, which comes `now`. Returns whether a line is complete.
    ///
    /// A return ends a line as well as a line feed does, so that progress that overwrites itself is seen; both
    /// together end one.
    pub(crate) fn take(&mut self, byte: u8, now: u64) -> bool {
        match self.control {
            Control::Text => return self.text_byte(byte, now),
            Control::Escape => {
                self.control = match byte {
                    b'[' => Control::Sequence,
                    b']' | b'P' | b'X' | b'^' | b'_' => Control::String,
                    // Intermediate bytes: one more follows.
                    0x20..=0x2f => Control::Escape,
                    _ => Control::Text,
                };
            }
            Control::Sequence => {
                if byte >= 0x40 || byte.is_ascii_control() {
                    self.control = Control::Text;
                }
            }
            Control::String => match byte {
                0x07 => self.control = Control::Text,
                0x1b => self.control = Control::Escape,
                // No string goes on over a line end: what follows must not be lost for ever.
                b'\n' => {
                    self.control = Control::Text;
                    return self.text_byte(byte, now);
                }
                _ => {}
            },
        }
        false
    }

    fn text_byte(&mut self, byte: u8, now: u64) -> bool {
        let after_return = core::mem::replace(&mut self.after_return, byte == b'\r');
        match byte {
            b'\n' => !after_return,
            b'\r' => self.used > 0,
            0x1b => {
                self.after_return = after_return;
                self.control = Control::Escape;
                false
            }
            _ if byte.is_ascii_control() && byte != b'\t' => false,
            _ => {
                if self.used == 0 {
                    self.since = now;
                }
                if let Some(slot) = self.text.get_mut(usize::from(self.used)) {
                    *slot = byte;
                    self.used = self.used.saturating_add(1);
                }
                // An end that comes right now has been made already.
                self.after_return = usize::from(self.used) == TEXT_BYTES;
                self.after_return
            }
        }
    }

    /// Returns how long the text has waited for its end; `None` without text.
    pub(crate) fn waits(&self, now: u64) -> Option<u64> {
        (self.used > 0).then(|| now.wrapping_sub(self.since))
    }

    /// Returns the text.
    pub(crate) fn text(&self) -> &[u8] {
        self.text.get(..self.used.into()).unwrap_or_default()
    }

    /// Begins the next line.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut splitter = Splitter::EMPTY;
        let mut lines = Vec::new();
        for &byte in bytes {
            if splitter.take(byte, 0) {
                lines.push(String::from_utf8_lossy(splitter.text()).into_owned());
                splitter.clear();
            }
        }
        if splitter.waits(0).is_some() {
            let rest = String::from_utf8_lossy(splitter.text());
            lines.push(format!("{rest}..."));
        }
        lines
    }

    #[test]
    fn line_feeds_and_returns_end_lines_once() {
        assert_eq!(
            lines(b"a\nb\r\nc\r\r\n\n\nd"),
            ["a", "b", "c", "", "", "d..."]
        );
        assert_eq!(lines(b" 10%\r 20%\r\n"), [" 10%", " 20%"]);
        assert_eq!(lines(b"\r\r\r"), [""; 0]);
    }

    #[test]
    fn control_sequences_vanish_and_cannot_swallow_what_follows() {
        assert_eq!(lines(b"\x1b[1;32mok\x1b[0m\r\n"), ["ok"]);
        assert_eq!(lines(b"\x1b]0;title\x07x\n\x1b(By\n"), ["x", "y"]);
        assert_eq!(lines(b"\x1b]0;title\x1b\\z\n"), ["z"]);
        assert_eq!(lines(b"\x1b]no end\nnext\n"), ["", "next"]);
        assert_eq!(lines(b"a\x08b\x07\x00\tc\n"), ["ab\tc"]);
        assert_eq!(lines("größe\n".as_bytes()), ["größe"]);
        assert_eq!(lines(b"a\r\x1b[K\nb\n"), ["a", "b"]);
    }

    #[test]
    fn long_lines_become_several() {
        let bytes = [b'x'; 2 * TEXT_BYTES + 1];
        let lines = lines(&bytes);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2], "x...");
        let mut bytes = vec![b'x'; TEXT_BYTES];
        bytes.extend(b"\r\nnext\n");
        assert_eq!(super::tests::lines(&bytes)[1..], ["next"]);
    }

    #[test]
    fn a_text_waits_from_its_first_byte_on() {
        let mut splitter = Splitter::EMPTY;
        assert_eq!(splitter.waits(9), None);
        splitter.take(b'a', 10);
        splitter.take(b'b', 20);
        assert_eq!(splitter.waits(25), Some(15));
    }
}
