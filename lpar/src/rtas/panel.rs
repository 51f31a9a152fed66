//! The operator panel. Source: LoPAR 2.9, "display-character".

use super::{Call, Failure, Inputs, Outputs, Row, RtasResult};
use crate::hcall::Caller;
use lock::Mutex;
use papr_abi::rtas::Status;

/// Characters of a line of the panel.
pub(crate) const LINE_CHARACTERS: usize = 80;

const LINE_FEED: u8 = 0x0a;
const FORM_FEED: u8 = 0x0c;
const CARRIAGE_RETURN: u8 = 0x0d;

/// A partition's operator panel: one line, whose text goes to the log when it ends, so that an
/// operator can tell the partitions' messages apart.
#[derive(Debug)]
pub struct Panel(Mutex<Line>);

#[derive(Debug)]
struct Line {
    text: [u8; LINE_CHARACTERS],
    used: usize,
}

impl Panel {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Line {
            text: [0; LINE_CHARACTERS],
            used: 0,
        }))
    }

    pub(crate) fn reset(&self) {
        self.0.lock().used = 0;
    }

    /// Takes `character`; calls `show` with the line when that ends it, which stays if it is not shown; returns whether it was
    /// taken. What goes past the end of a line is dropped, and so is what ASCII does not display.
    fn put(&self, character: u8, show: impl FnOnce(&[u8]) -> bool) -> bool {
        let mut line = self.0.lock();
        match character {
            CARRIAGE_RETURN | LINE_FEED | FORM_FEED => {
                let text = line.text.get(..line.used).unwrap_or_default();
                if !text.is_empty() && !show(text) {
                    return false;
                }
                line.used = 0;
            }
            0x20..=0x7e => {
                let at = line.used;
                if let Some(place) = line.text.get_mut(at) {
                    *place = character;
                    line.used += 1;
                }
            }
            _ => {}
        }
        true
    }
}

/// `display-character`: shows a character on the partition's operator panel.
///
/// Source: LoPAR 2.9, "display-character"; "RTAS Access to Hypervisor Virtualized Resources", R1-11.
/// Input: the character, its low 8 bits. Carriage return, line feed and form feed end the line. No
/// failures; returns [`Status::Busy`] for one that ends a line, while the partition has caused too many lines of the log of late.
#[doc(alias = "display-character")]
#[derive(Debug)]
pub(super) struct DisplayCharacter {
    character: u8,
}

impl Call for DisplayCharacter {
    const ROW: Row = Row::new(0, "display-character", 1, 1);

    fn decode(&[character, ..]: &Inputs) -> Result<Self, Failure> {
        Ok(Self {
            character: character as u8,
        })
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        let lpar = caller.lpar;
        let is_taken = lpar.panel.put(self.character, |line| {
            lpar.try_tell(
                log::Level::Info,
                format_args!("panel: {}", line.escape_ascii()),
            )
        });
        Ok(if is_taken {
            Status::Success
        } else {
            Status::Busy
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<String> {
        let panel = Panel::new();
        let mut lines = vec![];
        for &byte in text {
            panel.put(byte, |line| {
                lines.push(String::from_utf8(line.to_vec()).unwrap());
                true
            });
        }
        lines
    }

    #[test]
    fn a_line_is_shown_when_it_ends_and_empty_ones_are_not() {
        assert_eq!(
            lines(b"Linux ppc64le\r\n#1\r\x0crest"),
            ["Linux ppc64le", "#1"]
        );
    }

    #[test]
    fn a_line_that_is_not_shown_stays_and_is_shown_later() {
        let panel = Panel::new();
        assert!(panel.put(b'a', |_| false));
        assert!(!panel.put(b'\n', |_| false));
        let mut shown: Vec<u8> = vec![];
        assert!(panel.put(b'\n', |line| {
            shown.extend(line);
            true
        }));
        assert_eq!(shown, b"a");
    }

    #[test]
    fn what_cannot_be_displayed_is_dropped_and_long_lines_are_cut() {
        assert_eq!(lines(b"a\x1b[2J\x80b\n"), ["a[2Jb"]);
        let long = [b'x'; 200];
        assert_eq!(
            lines(&[&long[..], b"\n"].concat())[0].len(),
            LINE_CHARACTERS
        );
    }
}
