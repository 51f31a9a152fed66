//! Colours and letters of owners.

use crate::{Map, Owner};
use anstyle::{AnsiColor, Color, Style};

/// How an owner is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// One letter.
    pub(crate) letter: char,
    /// What fills its areas.
    pub(crate) fill: &'static str,
    /// Text on that.
    pub(crate) ink: &'static str,
    /// On a terminal.
    pub(crate) ansi: Style,
}

const fn look(letter: char, fill: &'static str, ink: &'static str, ansi: AnsiColor) -> Look {
    Look {
        letter,
        fill,
        ink,
        ansi: Style::new().fg_color(Some(Color::Ansi(ansi))).bold(),
    }
}

/// Of partitions, in turn; told apart by everybody (Okabe and Ito, "Color Universal Design"), with ink of at
/// least 4.5 to 1.
const PARTITIONS: [Look; 7] = [
    look('A', "#0072b2", "#ffffff", AnsiColor::BrightBlue),
    look('B', "#e69f00", "#000000", AnsiColor::BrightYellow),
    look('C', "#009e73", "#000000", AnsiColor::BrightGreen),
    look('D', "#cc79a7", "#000000", AnsiColor::BrightMagenta),
    look('E', "#56b4e9", "#000000", AnsiColor::BrightCyan),
    look('F', "#d55e00", "#000000", AnsiColor::BrightRed),
    look('G', "#f0e442", "#000000", AnsiColor::Yellow),
];

pub(crate) const HYPERVISOR: Look = Look {
    letter: 'h',
    fill: "#5b6470",
    ink: "#ffffff",
    ansi: Style::new().bold(),
};

/// Nobody's areas have no fill of their own: `class="free"` gives them the background's.
pub(crate) const NOBODY: Look = Look {
    letter: '.',
    fill: "",
    ink: "",
    ansi: Style::new().dimmed(),
};

impl Map {
    pub(crate) fn look(&self, owner: Owner) -> Look {
        match owner {
            Owner::Nobody => NOBODY,
            Owner::Hypervisor => HYPERVISOR,
            Owner::Partition(lpid) => {
                let turn = self
                    .partitions
                    .iter()
                    .position(|partition| partition.lpid == lpid)
                    .unwrap_or(0);
                let letter = char::from(b'A' + (turn % 26) as u8);
                Look {
                    letter,
                    ..PARTITIONS[turn % PARTITIONS.len()]
                }
            }
        }
    }

    /// All owners, for a legend.
    pub(crate) fn owners(&self) -> Vec<Owner> {
        let partitions = self.partitions.iter();
        partitions
            .map(|partition| Owner::Partition(partition.lpid))
            .chain([Owner::Hypervisor, Owner::Nobody])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance, WCAG 2.1.
    fn luminance(hex: &str) -> f64 {
        let part = |at: usize| {
            let value = u8::from_str_radix(&hex[at..at + 2], 16).expect("digits");
            let value = f64::from(value) / 255.0;
            if value <= 0.03928 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    #[test]
    fn text_on_every_colour_can_be_read() {
        for look in PARTITIONS.into_iter().chain([HYPERVISOR]) {
            let (a, b) = (luminance(look.fill), luminance(look.ink));
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(contrast >= 4.5, "{look:?}: {contrast:.2}");
        }
    }
}
