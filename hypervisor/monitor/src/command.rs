//! What a command is: [`Command`], a row of [`crate::COMMANDS`].

use crate::facts::{Facts, Partition, PeName};
use crate::page::Page;
use core::fmt;

/// What a word after a command names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A partition, by name or number.
    Partition,
    /// An endpoint: bridge and number, as `0:1`.
    Pe,
    /// A DMA window, by LIOBN.
    Window,
    /// How many.
    Count,
    /// A real address of a partition.
    Address,
    /// `--orderly`, as it stands there.
    Orderly,
}

impl Argument {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Partition => "LPAR",
            Self::Pe => "PE",
            Self::Window => "LIOBN",
            Self::Count => "COUNT",
            Self::Address => "ADDRESS",
            Self::Orderly => "--orderly",
        }
    }
}

/// What the monitor leaves to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Attach to the console of the partition with this id.
    Attach(u32),
    /// Show all consoles.
    AllConsoles,
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There is no such partition.
    NoPartition,
    /// The partition has no console.
    NoConsole,
    /// There is no such endpoint.
    NoPe,
    /// There is no such DMA window.
    NoWindow,
    /// An argument is missing.
    Missing(Argument),
    /// An argument is no number.
    NoNumber,
    /// The command takes no such word.
    NoOption,
    /// The partition is off.
    Off,
    /// The partition runs.
    Running,
    /// The partition is between the two.
    Between,
    /// Nobody owns the endpoint.
    NoOwner,
    /// The endpoint or its bridge is being reset, or was given up.
    InReset,
    /// The bridge did not do it.
    Failed,
    /// The endpoint is that partition's already.
    Same,
    /// Its owner, or the partition that is to have it, is not off.
    NotOff,
    /// Another endpoint is on its way.
    Moving,
    /// Nothing resets the endpoint alone.
    NoReset,
    /// The partition cannot have the endpoint besides what it has of these.
    NoRoom(&'static str),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPartition => f.write_str("there is no such partition; lpar list shows all"),
            Self::NoConsole => f.write_str("that partition has no console"),
            Self::NoPe => f.write_str("there is no such endpoint; pe list shows all"),
            Self::NoWindow => f.write_str("there is no such DMA window; tce list shows all"),
            Self::Missing(argument) => write!(f, "{} is missing", argument.name()),
            Self::NoNumber => f.write_str("that is no number"),
            Self::NoOption => f.write_str("it takes no such word; help lists what it takes"),
            Self::Off => f.write_str("it is off; lpar start starts it"),
            Self::Running => f.write_str("it runs; lpar restart starts it anew"),
            Self::NoOwner => {
                f.write_str("nobody owns that endpoint; pe list shows those that are owned")
            }
            Self::InReset => f.write_str("it is being reset, or was given up by its owner"),
            Self::Failed => f.write_str("the bridge did not do it; its owner has to reset it"),
            Self::Same => f.write_str("it is that partition's already"),
            Self::NotOff => f.write_str(
                "its owner and the other partition must both be off; lpar stop stops them",
            ),
            Self::Moving => f.write_str("another is being moved; try again"),
            Self::NoReset => f.write_str(
                "nothing resets it without others, so it would keep what its owner left",
            ),
            Self::NoRoom(what) => write!(f, "that partition has no room for its {what}"),
            Self::Between => f.write_str("it is being started or stopped; try again"),
        }
    }
}

/// How a command is carried out.
#[derive(Clone, Copy)]
pub enum Run {
    /// Tells something; runs again for each page.
    Show(fn(&Request<'_>, &mut Page<'_>) -> Result<(), Problem>),
    /// As [`Run::Show`], without stopping after each page: for what a program reads.
    Dump(fn(&Request<'_>, &mut Page<'_>) -> Result<(), Problem>),
    /// Checks what is asked for, and leaves it to the monitor's caller.
    Act(fn(&Request<'_>) -> Result<Action, Problem>),
    /// Has the machine do it; returns what is said of that.
    Do(fn(&Request<'_>) -> Result<&'static str, Problem>),
}

/// A row of the table.
#[derive(Clone, Copy)]
pub struct Command {
    /// Its words: `lpar show`.
    pub words: &'static str,
    /// What may follow.
    pub argument: Option<Argument>,
    /// Whether it must follow.
    pub required: bool,
    /// What may follow that.
    pub more: &'static [Argument],
    /// What it does, for people.
    pub help: &'static str,
    /// How.
    pub run: Run,
}

/// A command that was typed.
pub struct Request<'a> {
    /// The word after it, empty if there is none.
    pub word: &'a str,
    /// What follows that, empty if nothing does.
    pub more: &'a str,
    /// The machine.
    pub facts: &'a dyn Facts,
}

impl<'a> Request<'a> {
    /// Makes the request that the `words` after a command are.
    #[must_use]
    pub fn new(words: &'a str, facts: &'a dyn Facts) -> Self {
        let words = words.trim_ascii();
        let (word, more) = words.split_once(' ').unwrap_or((words, ""));
        Self {
            word,
            more: more.trim_ascii_start(),
            facts,
        }
    }

    /// Has `see` look at the partition that the word names.
    ///
    /// # Errors
    /// [`Problem::NoPartition`].
    pub fn partition<T>(&self, mut see: impl FnMut(&Partition<'_>) -> T) -> Result<T, Problem> {
        let number = self.word.parse().ok();
        let mut found = None;
        self.facts.partitions(&mut |partition| {
            if partition.name == self.word || number == Some(partition.lpid) {
                found = Some(see(partition));
            }
        });
        found.ok_or(Problem::NoPartition)
    }

    /// Returns the logical partition id of the partition that the word names.
    ///
    /// # Errors
    /// [`Problem::NoPartition`].
    #[inline(never)]
    pub fn lpid(&self) -> Result<u32, Problem> {
        self.partition(|partition| partition.lpid)
    }

    /// Returns the endpoint that the word names, if it exists.
    ///
    /// # Errors
    /// [`Problem::NoPe`].
    pub fn pe(&self) -> Result<PeName, Problem> {
        let pe = PeName::parse(self.word).ok_or(Problem::NoPe)?;
        self.facts.freeze(pe).map(|_| pe).ok_or(Problem::NoPe)
    }

    /// Returns the endpoint that the word names, by its own name or as the location of a function in it that has an owner.
    ///
    /// # Errors
    /// [`Problem::NoPe`].
    pub fn pe_or_location(&self) -> Result<PeName, Problem> {
        self.facts.pe_at(self.word).map_or_else(|| self.pe(), Ok)
    }

    /// Returns the number that the word is, decimal or with 0x; `None` without a word.
    ///
    /// # Errors
    /// [`Problem::NoNumber`].
    pub fn number(&self) -> Result<Option<u32>, Problem> {
        let parsed = number(self.word)?.map(u32::try_from);
        parsed.transpose().map_err(|_| Problem::NoNumber)
    }

    /// Returns the numbers that the first two words of [`Request::more`] are, as [`Request::number`] does.
    ///
    /// # Errors
    /// [`Problem::NoNumber`].
    pub fn more_numbers(&self) -> Result<[Option<u64>; 2], Problem> {
        let mut words = self.more.split_ascii_whitespace();
        let mut next = || number(words.next().unwrap_or_default());
        Ok([next()?, next()?])
    }
}

fn number(word: &str) -> Result<Option<u64>, Problem> {
    let parsed = match (word, word.strip_prefix("0x")) {
        ("", _) => return Ok(None),
        (_, Some(hex)) => u64::from_str_radix(hex, 16),
        (decimal, None) => decimal.parse(),
    };
    parsed.map(Some).map_err(|_| Problem::NoNumber)
}

/// Finds the command that `line` begins with, and returns the words after it.
pub(crate) fn find<'a>(
    table: &'static [Command],
    line: &'a str,
) -> Option<(&'static Command, &'a str)> {
    table
        .iter()
        .filter_map(|command| Some((command, after(line, command.words)?)))
        .max_by_key(|(command, _)| command.words.len())
}

/// Returns what follows `words` in `line`, however many spaces are between.
fn after<'a>(line: &'a str, words: &str) -> Option<&'a str> {
    words.split(' ').try_fold(line, |line, word| {
        let rest = line.trim_ascii_start().strip_prefix(word)?;
        (rest.is_empty() || rest.starts_with(' ')).then_some(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::COMMANDS;

    #[test]
    fn commands_are_found_by_whole_words() {
        let found = |line| find(COMMANDS, line).map(|(command, rest)| (command.words, rest));
        assert_eq!(found("lpar list"), Some(("lpar list", "")));
        assert_eq!(found("  lpar   show  db x"), Some(("lpar show", "  db x")));
        for line in ["lpar", "lparlist", "lpar lists", "", "x"] {
            assert_eq!(found(line), None, "{line}");
        }
    }

    #[test]
    fn endpoints_have_names() {
        let name = PeName::parse("2:17").unwrap();
        assert_eq!((name.phb, name.pe.0), (2, 17));
        assert_eq!(format!("[{name:<6}]"), "[2:17  ]");
        for text in ["", "2", "2:", ":1", "a:1", "256:1", "1:65536", "1:1:1"] {
            assert_eq!(PeName::parse(text), None, "{text}");
        }
    }
}
