//! What a partition prints while the line is its own: [`Raw`] keeps it from passing for the hypervisor's.

use crate::PREFIX;

/// Ends whatever control sequence a terminal is in (CAN). Source: ECMA-48 8.3.6, and what xterm and the VT500 do.
pub(crate) const CANCEL: &[u8] = b"\x18\r\n";
/// What is put into a prefix that is not the hypervisor's, and where.
const MARK: u8 = b'?';
const MARK_AT: u8 = PREFIX.len().saturating_sub(2) as u8;
/// No prefix any more until the next line.
const NONE: u8 = u8::MAX;

/// What a terminal takes the next byte for. Source: ECMA-48 5.3 to 5.6 (C1, CSI, strings), and the control sequences
/// that xterm documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Terminal {
    Text,
    Escape,
    Sequence,
    /// Ends with BEL too.
    Command,
    String,
}

/// Follows a console's bytes as a terminal does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw {
    terminal: Terminal,
    /// How much of the prefix the line has so far.
    matched: u8,
    last: u8,
}

impl Raw {
    pub(crate) const fn new() -> Self {
        Self {
            terminal: Terminal::Text,
            matched: 0,
            last: 0,
        }
    }

    /// Takes `byte`; returns what goes before it, if something does.
    pub(crate) fn pass(&mut self, byte: u8) -> Option<u8> {
        let last = core::mem::replace(&mut self.last, byte);
        if [last, byte] == frames::START {
            // Nobody but the hypervisor begins a frame.
            return Some(MARK);
        }
        // A byte of C1 counts where it is no part of a longer character.
        let c1 = matches!(byte, 0x80..=0x9f) && (last < 0x80 || last == 0xc2);
        self.terminal = match (self.terminal, byte) {
            (_, 0x1b) => Terminal::Escape,
            (_, 0x18 | 0x1a) => Terminal::Text,
            (Terminal::Text, _) if c1 => introduced(byte.wrapping_sub(0x40)),
            (Terminal::Text, _) => return self.text(byte),
            (Terminal::Escape, 0x20..=0x2f) => Terminal::Escape,
            (Terminal::Escape, 0x30..) => introduced(byte),
            (Terminal::Sequence, 0x40..) => Terminal::Text,
            (Terminal::Command, 0x07) => Terminal::Text,
            (state, _) => state,
        };
        if byte == b'\n' || byte == b'\r' {
            self.matched = 0;
        }
        None
    }

    fn text(&mut self, byte: u8) -> Option<u8> {
        let before = self.matched;
        self.matched = match byte {
            b'\n' | b'\r' => 0,
            _ if byte.is_ascii_control() => before,
            _ if PREFIX.as_bytes().get(usize::from(before)) == Some(&byte) => {
                before.saturating_add(1)
            }
            _ => NONE,
        };
        (before == MARK_AT && self.matched != before && self.matched != NONE && self.matched != 0)
            .then_some(MARK)
    }

    /// Returns what ends a sequence that the terminal is in, and follows what comes after it.
    pub(crate) fn interrupt(&mut self) -> &'static [u8] {
        let open = self.terminal != Terminal::Text;
        *self = Self::new();
        if open { CANCEL } else { b"" }
    }
}

/// What begins with ESC and `byte`, or with the C1 byte that stands for both.
const fn introduced(byte: u8) -> Terminal {
    match byte {
        b'[' => Terminal::Sequence,
        b']' => Terminal::Command,
        b'P' | b'X' | b'^' | b'_' => Terminal::String,
        _ => Terminal::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(raw: &mut Raw, bytes: &[u8]) -> String {
        let mut all = Vec::new();
        for &byte in bytes {
            all.extend(raw.pass(byte));
            all.push(byte);
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    #[test]
    fn a_line_that_begins_as_the_hypervisors_is_marked() {
        let mut raw = Raw::new();
        for (bytes, wanted) in [
            (
                "bulkhead| STOP\nbulkhead| x",
                "bulkhead?| STOP\nbulkhead?| x",
            ),
            ("\rbulkhead|", "\rbulkhead?|"),
            ("\n\0bulk\x1b[mhead|", "\n\0bulk\x1b[mhead?|"),
            ("\nx bulkhead| y", "\nx bulkhead| y"),
            ("\nbulkheadx| bulkhead|", "\nbulkheadx| bulkhead|"),
            ("\nbulkhead\n|", "\nbulkhead\n|"),
            (
                "\x1b]0;a\nbulkhead|\x07\nbulkhead|",
                "\x1b]0;a\nbulkhead|\x07\nbulkhead?|",
            ),
        ] {
            assert_eq!(pass(&mut raw, bytes.as_bytes()), wanted);
        }
    }

    #[test]
    fn a_sequence_without_an_end_is_ended() {
        for bytes in [
            &b"\x1b"[..],
            b"\x1b[1;3",
            b"\x1b]0;title",
            b"\x1bPq",
            b"\x1bP\x07\n",
            b"\x1b(",
            b"\x9b1",
            b"\xc2\x90x",
        ] {
            let mut raw = Raw::new();
            pass(&mut raw, bytes);
            assert_eq!(raw.interrupt(), CANCEL, "{bytes:?}");
            assert_eq!(raw.interrupt(), b"", "{bytes:?}");
        }
    }

    #[test]
    fn what_has_ended_is_not_ended_again() {
        for bytes in [
            &b"text"[..],
            b"\x1b[1;31mred\x1b[0m",
            b"\x1b]0;title\x07",
            b"\x1bPq\x1b\\",
            b"\x1b[1\x18",
            b"\x1b(B",
            b"\x1bM",
            "größe Ð Ð".as_bytes(),
        ] {
            let mut raw = Raw::new();
            pass(&mut raw, bytes);
            assert_eq!(raw.interrupt(), b"", "{bytes:?}");
        }
    }
}
