//! The escape key: [`Keys`] tells what is typed for a partition from what is typed for the console itself.

/// Ctrl-], as telnet has it. Ctrl-a is QEMU's and screen's.
pub const ESCAPE: u8 = 0x1d;
/// What makes it the beginning of a frame, which no key gives.
const STX: u8 = 0x02;
const _: () = assert!(frames::START[0] == ESCAPE && frames::START[1] == STX);

/// What a byte means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// It is for whoever is listening.
    Byte(u8),
    /// Nothing yet: the next one tells.
    Begun,
    /// Attach to the partition with this number.
    Attach(u32),
    /// Show all consoles.
    All,
    /// Enter the monitor.
    Monitor,
    /// A program's frame begins.
    Frame,
    /// Tell what there is.
    Help,
}

/// Remembers whether the escape key was the last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keys {
    escaped: bool,
}

impl Keys {
    /// Before the first byte.
    #[must_use]
    pub const fn new() -> Self {
        Self { escaped: false }
    }

    /// Has the next byte come after the escape key.
    pub const fn escape(&mut self) {
        self.escaped = true;
    }

    /// Says what the next `byte` means.
    pub fn key(&mut self, byte: u8) -> Key {
        if !core::mem::take(&mut self.escaped) {
            if byte == ESCAPE {
                self.escaped = true;
                return Key::Begun;
            }
            return Key::Byte(byte);
        }
        match byte {
            ESCAPE => Key::Byte(ESCAPE),
            b'1'..=b'9' => Key::Attach(u32::from(byte.saturating_sub(b'0'))),
            b'a' => Key::All,
            b'm' => Key::Monitor,
            STX => Key::Frame,
            _ => Key::Help,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_escape_key_and_one_more_is_for_the_console_and_twice_is_itself() {
        let mut keys = Keys::new();
        let mut of = |bytes: &[u8]| bytes.iter().map(|b| keys.key(*b)).collect::<Vec<_>>();
        assert_eq!(of(b"a1"), [Key::Byte(b'a'), Key::Byte(b'1')]);
        assert_eq!(of(b"\x1d1"), [Key::Begun, Key::Attach(1)]);
        assert_eq!(of(b"\x1dm"), [Key::Begun, Key::Monitor]);
        assert_eq!(of(b"\x1da"), [Key::Begun, Key::All]);
        assert_eq!(of(b"\x1d0"), [Key::Begun, Key::Help]);
        assert_eq!(of(&frames::START), [Key::Begun, Key::Frame]);
        assert_eq!(
            of(b"\x1d\x1dm"),
            [Key::Begun, Key::Byte(ESCAPE), Key::Byte(b'm')]
        );
    }
}
