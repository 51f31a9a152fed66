//! One line of a dump: [`Record`].

use crate::event::{Event, WORDS};
use core::fmt;

/// What every line begins with: the format's name and version.
pub const PREFIX: &str = "trace1";

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// The first line.
    Begin {
        /// Ticks of the time base in a second.
        hz: u64,
    },
    /// A partition.
    Partition {
        /// Its logical partition id.
        lpid: u32,
        /// Its name.
        name: &'a str,
    },
    /// An event.
    Event {
        /// The CPU, as the hypervisor numbers it.
        cpu: u32,
        /// The event.
        event: Event,
    },
    /// The last line.
    End {
        /// How many events there were.
        events: u32,
    },
}

/// A line that begins as one of a dump and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError;

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no line of a trace")
    }
}

impl core::error::Error for ParseError {}

impl<'a> Record<'a> {
    /// Reads the line `text`, from [`PREFIX`] on; `None` if it does not begin with it.
    ///
    /// # Errors
    /// [`ParseError`]: a field is missing, out of range or too many.
    pub fn parse(text: &'a str) -> Option<Result<Self, ParseError>> {
        let rest = text.strip_prefix(PREFIX)?.strip_prefix(' ')?;
        Some(Self::fields(rest).ok_or(ParseError))
    }

    fn fields(text: &'a str) -> Option<Self> {
        let mut words = text.split(' ');
        let record = match words.next()? {
            "begin" => Self::Begin {
                hz: words.next()?.strip_prefix("hz=")?.parse().ok()?,
            },
            "partition" => Self::Partition {
                lpid: words.next()?.strip_prefix("lpid=")?.parse().ok()?,
                name: words.next()?.strip_prefix("name=")?,
            },
            "event" => {
                let cpu = words.next()?.strip_prefix("cpu=")?.parse().ok()?;
                let mut event = [0; WORDS];
                for word in &mut event {
                    *word = u64::from_str_radix(words.next()?, 16).ok()?;
                }
                Self::Event {
                    cpu,
                    event: Event::from_words(event)?,
                }
            }
            "end" => Self::End {
                events: words.next()?.strip_prefix("events=")?.parse().ok()?,
            },
            _ => return None,
        };
        words.next().is_none().then_some(record)
    }
}

impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX} ")?;
        match self {
            Self::Begin { hz } => write!(f, "begin hz={hz}"),
            Self::Partition { lpid, name } => write!(f, "partition lpid={lpid} name={name}"),
            Self::Event { cpu, event } => {
                write!(f, "event cpu={cpu}")?;
                event
                    .to_words()
                    .iter()
                    .try_for_each(|word| write!(f, " {word:x}"))
            }
            Self::End { events } => write!(f, "end events={events}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::PUT_TCE;

    #[test]
    fn every_record_is_read_as_it_was_written() {
        let event = Record::Event {
            cpu: 7,
            event: PUT_TCE,
        };
        for (record, text) in [
            (
                Record::Begin { hz: 512_000_000 },
                "trace1 begin hz=512000000",
            ),
            (
                Record::Partition {
                    lpid: 2,
                    name: "db",
                },
                "trace1 partition lpid=2 name=db",
            ),
            (
                event,
                "trace1 event cpu=7 123456789abc 100200300000067 20fffffffc 80000001",
            ),
            (Record::End { events: 3 }, "trace1 end events=3"),
        ] {
            assert_eq!(record.to_string(), text);
            assert_eq!(Record::parse(text), Some(Ok(record)));
        }
    }

    #[test]
    fn other_lines_are_none_of_it_and_damaged_ones_are_refused() {
        for text in ["", "trace", "trace1", "trace10 begin", "map1 begin"] {
            assert_eq!(Record::parse(text), None, "{text}");
        }
        for text in [
            "",
            "begin",
            "begin hz=",
            "begin hz=1 2",
            "partition lpid=x name=a",
            "event cpu=0 1 2 3",
            "event cpu=0 1 2 3 4",
            "event cpu=0 1 100200300000067 3 4 5",
            "event cpu=0 1 100200300000067 3 10000000000000000",
            "event cpu=-1 1 100200300000067 3 4",
            "end events=4294967296",
            "more",
        ] {
            let text = format!("trace1 {text}");
            assert_eq!(Record::parse(&text), Some(Err(ParseError)), "{text}");
        }
    }
}
