//! Keys as the bytes that a terminal sends for them: [`bytes`].

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Returns what a VT220 sends for `key`; nothing for keys that it does not have.
pub(crate) fn bytes(key: &KeyEvent) -> Vec<u8> {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    let mut bytes = match key.code {
        KeyCode::Char(character) if is_control => control(character).into_iter().collect(),
        KeyCode::Char(character) => character.to_string().into_bytes(),
        KeyCode::Enter => b"\r".to_vec(),
        KeyCode::Tab => b"\t".to_vec(),
        KeyCode::Backspace => vec![0x7f],
        KeyCode::Esc => vec![0x1b],
        KeyCode::Up => b"\x1b[A".to_vec(),
        KeyCode::Down => b"\x1b[B".to_vec(),
        KeyCode::Right => b"\x1b[C".to_vec(),
        KeyCode::Left => b"\x1b[D".to_vec(),
        KeyCode::Home => b"\x1b[1~".to_vec(),
        KeyCode::Insert => b"\x1b[2~".to_vec(),
        KeyCode::Delete => b"\x1b[3~".to_vec(),
        KeyCode::End => b"\x1b[4~".to_vec(),
        KeyCode::PageUp => b"\x1b[5~".to_vec(),
        KeyCode::PageDown => b"\x1b[6~".to_vec(),
        _ => Vec::new(),
    };
    if key.modifiers.contains(KeyModifiers::ALT) && !bytes.is_empty() {
        bytes.insert(0, 0x1b);
    }
    bytes
}

/// The control character of a key; terminals give Ctrl-] as Ctrl-5.
fn control(character: char) -> Option<u8> {
    match character {
        '@' | ' ' | '2' => Some(0),
        '3' | '[' => Some(0x1b),
        '4' | '\\' => Some(0x1c),
        '5' | ']' => Some(0x1d),
        '6' | '^' => Some(0x1e),
        '7' | '_' | '/' => Some(0x1f),
        '8' => Some(0x7f),
        letter if letter.is_ascii_alphabetic() => Some(letter.to_ascii_lowercase() as u8 & 0x1f),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_a_terminal_sends() {
        let of = |code, modifiers| bytes(&KeyEvent::new(code, modifiers));
        let none = KeyModifiers::NONE;
        for (code, modifiers, wanted) in [
            (KeyCode::Char('é'), none, "é".as_bytes()),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, b"\x03"),
            (KeyCode::Char('5'), KeyModifiers::CONTROL, b"\x1d"),
            (KeyCode::Char(']'), KeyModifiers::CONTROL, b"\x1d"),
            (KeyCode::Char('x'), KeyModifiers::ALT, b"\x1bx"),
            (KeyCode::Enter, none, b"\r"),
            (KeyCode::Up, none, b"\x1b[A"),
            (KeyCode::F(1), none, b""),
        ] {
            assert_eq!(of(code, modifiers), wanted, "{code:?}");
        }
    }
}
