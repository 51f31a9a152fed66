//! Completion of what was typed so far: [`complete`].

use crate::command::{Argument, Command};
use crate::facts::{Facts, PeName};
use core::fmt::{self, Write};
use map_dump::Record;

/// The most characters of a word that completes another: a partition's name has 31.
const WORD: usize = 32;

/// What words begin with in common, as far as they have been looked at.
#[derive(Debug)]
pub(crate) struct Completion {
    word: [u8; WORD],
    used: usize,
    /// How many different words there were.
    pub(crate) count: usize,
}

impl Completion {
    /// Returns what all have in common.
    pub(crate) fn common(&self) -> &str {
        let bytes = self.word.get(..self.used).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }

    fn add(&mut self, word: &str) {
        if self.count == 0 {
            self.used = word.len().min(WORD);
            for (to, from) in self.word.iter_mut().zip(word.bytes()) {
                *to = from;
            }
        } else {
            let same = self.common().bytes().zip(word.bytes());
            self.used = same.take_while(|(a, b)| a == b).count();
        }
        self.count = self.count.saturating_add(1);
    }
}

/// Returns what the last word of `line` can become.
pub(crate) fn complete(table: &'static [Command], line: &str, facts: &dyn Facts) -> Completion {
    let mut completion = Completion {
        word: [0; WORD],
        used: 0,
        count: 0,
    };
    candidates(table, line, facts, &mut |word| completion.add(word));
    completion
}

/// Gives every word that the last word of `line` can become, each once.
pub(crate) fn candidates(
    table: &'static [Command],
    line: &str,
    facts: &dyn Facts,
    each: &mut dyn FnMut(&str),
) {
    let (before, last) = line.rsplit_once(' ').unwrap_or(("", line));
    for (index, command) in table.iter().enumerate() {
        match next_word(command, before) {
            Next::Word(word) if word.starts_with(last) => {
                // Commands with the same words so far stand side by side.
                let others = table.get(..index).unwrap_or_default();
                let seen = others
                    .iter()
                    .any(|other| matches!(next_word(other, before), Next::Word(w) if w == word));
                if !seen {
                    each(word);
                }
            }
            Next::Argument(argument) => arguments(argument, facts, &mut |word| {
                if word.starts_with(last) {
                    each(word);
                }
            }),
            _ => {}
        }
    }
}

enum Next {
    Word(&'static str),
    Argument(Argument),
    Nothing,
}

/// Returns what follows `before` in `command`.
fn next_word(command: &Command, before: &str) -> Next {
    let mut words = command.words.split(' ');
    let mut typed = before.split_ascii_whitespace();
    loop {
        match (typed.next(), words.next()) {
            (None, Some(word)) => return Next::Word(word),
            (Some(typed), Some(word)) if typed == word => {}
            (None, None) => return command.argument.map_or(Next::Nothing, Next::Argument),
            // The first argument was typed, and perhaps more.
            (Some(_), None) => {
                let place = typed.count();
                let argument = command.more.get(place).copied();
                return argument.map_or(Next::Nothing, Next::Argument);
            }
            _ => return Next::Nothing,
        }
    }
}

/// Gives every value of `argument` that there is.
fn arguments(argument: Argument, facts: &dyn Facts, each: &mut dyn FnMut(&str)) {
    match argument {
        Argument::Partition => facts.partitions(&mut |partition| each(partition.name)),
        Argument::Pe => facts.map(&mut |record| {
            // Each endpoint that somebody owns has one DMA window.
            if let Record::Dma { phb, pe, .. } = *record {
                spell(format_args!("{}", PeName { phb, pe }), each);
            }
        }),
        Argument::Window => {
            facts.partitions(&mut |partition| {
                facts.windows(partition.lpid, &mut |window| {
                    spell(format_args!("{:#x}", window.liobn), each);
                });
            });
        }
        Argument::Orderly => each(argument.name()),
        Argument::Count | Argument::Address => {}
    }
}

/// Gives what `text` says as a word.
fn spell(text: fmt::Arguments<'_>, each: &mut dyn FnMut(&str)) {
    struct Word {
        bytes: [u8; WORD],
        used: usize,
    }
    impl Write for Word {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let end = self.used.saturating_add(text.len());
            let to = self.bytes.get_mut(self.used..end).ok_or(fmt::Error)?;
            to.copy_from_slice(text.as_bytes());
            self.used = end;
            Ok(())
        }
    }
    let mut word = Word {
        bytes: [0; WORD],
        used: 0,
    };
    if word.write_fmt(text).is_ok() {
        let bytes = word.bytes.get(..word.used).unwrap_or_default();
        each(core::str::from_utf8(bytes).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::COMMANDS;
    use crate::testing::Machine;

    fn all(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        candidates(COMMANDS, line, &Machine::new(), &mut |word| {
            words.push(word.to_owned());
        });
        words
    }

    #[test]
    fn commands_and_what_they_name_are_completed() {
        assert_eq!(all("lp"), ["lpar"]);
        let words = ["list", "show", "stop", "start", "restart", "dump"];
        assert_eq!(all("lpar "), words);
        assert_eq!(all("lpar sh"), ["show"]);
        assert_eq!(all("lpar show "), ["linux", "db"]);
        assert_eq!(all("lpar  show d"), ["db"]);
        assert_eq!(all("pe show "), ["0:1", "1:2"]);
        assert_eq!(all("tce show 0x8001"), ["0x80010002"]);
        assert_eq!(all("lpar stop db "), ["--orderly"]);
        assert_eq!(all("pe move 0:1 "), ["linux", "db"]);
        assert_eq!(all("lpar stop db --orderly "), [""; 0]);
        assert!(all("").contains(&"help".to_owned()));
        for line in ["x", "lpar show db ", "lpar dump db ", "lpar list ", "log "] {
            assert_eq!(all(line), [""; 0], "{line}");
        }
    }

    #[test]
    fn several_words_have_their_beginning_in_common() {
        let completion = |line| {
            let found = complete(COMMANDS, line, &Machine::new());
            (found.common().to_owned(), found.count)
        };
        assert_eq!(completion("tce show "), ("0x800".to_owned(), 2));
        assert_eq!(completion("lpar show "), (String::new(), 2));
        assert_eq!(completion("he"), ("help".to_owned(), 1));
        assert_eq!(completion("x"), (String::new(), 0));
    }
}
