//! A trace out of a console log: [`Dump`], its events by time; as a table ([`Dump::table`]) and in the format that
//! `chrome://tracing` and Perfetto read ([`Dump::chrome`]). The lines are the crate `trace`'s; docs/trace.md describes both.
#![forbid(unsafe_code)]

mod chrome;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write;

use thiserror::Error;
pub use trace::{Event, Kind};
use trace::{Record, Told};

/// What the hypervisor writes before each of its lines.
const CONSOLE: &str = "bulkhead| ";

/// The events of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    /// Ticks of the time base in a second.
    pub hz: u64,
    /// Names of partitions by id.
    pub partitions: BTreeMap<u32, String>,
    /// CPU and event, by time.
    pub events: Vec<(u32, Event)>,
}

/// Why a log gives no trace.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DumpError {
    /// There is no dump in it.
    #[error(
        "the log has no line `trace1 begin`. Remedy: give the monitor the command `trace dump`"
    )]
    None,
    /// It ends before the dump does.
    #[error("the log ends before the dump's last line, `trace1 end`")]
    Cut,
    /// This line, from 1, is none of a dump.
    #[error("line {0}: no line of a trace")]
    Line(usize),
    /// The number of events is not the one that the last line gives.
    #[error("line {0}: the dump had {1} events, {2} of them are in the log")]
    Lost(usize, u32, usize),
}

impl Dump {
    /// Reads the last whole dump in `log`, which may be a whole console log.
    ///
    /// # Errors
    /// [`DumpError`], of the last dump.
    pub fn from_log(log: &str) -> Result<Self, DumpError> {
        let mut last = Err(DumpError::None);
        let mut current: Option<Self> = None;
        for (number, line) in (1..).zip(log.lines()) {
            let line = line.trim_end();
            let line = line.strip_prefix(CONSOLE).unwrap_or(line);
            let Some(parsed) = Record::parse(line) else {
                continue;
            };
            match (parsed, &mut current) {
                (Ok(Record::Begin { hz }), _) if hz > 0 => {
                    current = Some(Self {
                        hz,
                        partitions: BTreeMap::new(),
                        events: Vec::new(),
                    });
                    last = Err(DumpError::Cut);
                }
                (Ok(Record::Partition { lpid, name }), Some(dump)) => {
                    dump.partitions.insert(lpid, name.to_owned());
                }
                (Ok(Record::Event { cpu, event }), Some(dump)) => dump.events.push((cpu, event)),
                (Ok(Record::End { events }), Some(_)) => {
                    last = current.take().ok_or(DumpError::Cut).and_then(|dump| {
                        let found = dump.events.len();
                        if found == events as usize {
                            Ok(dump.sorted())
                        } else {
                            Err(DumpError::Lost(number, events, found))
                        }
                    });
                }
                (Ok(Record::Begin { .. }), None) | (_, Some(_)) => {
                    current = None;
                    last = Err(DumpError::Line(number));
                }
                // The rest of a dump whose beginning is damaged, or not there.
                (_, None) => {}
            }
        }
        last
    }

    fn sorted(mut self) -> Self {
        self.events.sort_by_key(|(cpu, event)| (event.at, *cpu));
        self
    }

    /// Returns the events as lines: seconds, CPU, virtual processor, what.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::from("        seconds  cpu  vcpu              what\n");
        for (cpu, event) in &self.events {
            // Infallible: a String takes everything.
            let _ = writeln!(
                text,
                "{:15.9}  {cpu:3}  {:16}  {}",
                self.seconds(event.at),
                self.who(event),
                told(event)
            );
        }
        text
    }

    fn seconds(&self, ticks: u64) -> f64 {
        ticks as f64 / self.hz as f64
    }

    /// Partition and virtual processor; the partition alone of what is no processor's.
    fn who(&self, event: &Event) -> String {
        let name = self.name(event.lpid.into());
        match event.kind {
            Kind::Freeze | Kind::Thaw | Kind::Reset => name,
            _ => format!("{name}/{}", event.vcpu),
        }
    }

    fn name(&self, lpid: u32) -> String {
        match (self.partitions.get(&lpid), lpid) {
            (Some(name), _) => name.clone(),
            (None, 0) => "-".to_owned(),
            (None, lpid) => lpid.to_string(),
        }
    }
}

/// The name of the call that `event` is about.
fn call(event: &Event) -> Option<&'static str> {
    match event.kind {
        Kind::Hcall | Kind::Refused => Some(lpar::hcall::find(event.code.into())?.row.name),
        Kind::Rtas => Some(lpar::rtas::find(event.code)?.row.name),
        _ => None,
    }
}

fn told(event: &Event) -> Told<'_> {
    let call = call(event);
    Told { event, call }
}
