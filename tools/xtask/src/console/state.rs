//! What is on the screen, without drawing it: [`Screen`].

use std::collections::VecDeque;
use std::num::NonZero;

use operator_console::{Event, LOG, MONITOR, Sample};

/// A console's own size: what a serial terminal is taken for.
const ROWS: NonZero<u16> = NonZero::new(24).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(80).unwrap();
/// Lines of the log that are kept.
const LOG_LINES: usize = 100;
/// The escape key, as on the serial line itself: Ctrl-].
pub(crate) const ESCAPE: u8 = 0x1d;

/// A partition's console, or the monitor's.
pub(crate) struct Pane {
    /// The partition, or [`MONITOR`].
    pub(crate) source: u32,
    /// What its terminal shows.
    pub(crate) terminal: vt100::Parser,
}

impl Pane {
    fn new(source: u32) -> Self {
        Self {
            source,
            terminal: vt100::Parser::new(ROWS, COLUMNS, 0),
        }
    }

    /// Returns the last `count` rows down to the cursor's, `columns` wide.
    pub(crate) fn rows(&self, count: u16, columns: u16) -> Vec<String> {
        let screen = self.terminal.screen();
        let last = screen.cursor_position().0;
        let first = (last + 1).saturating_sub(count);
        let rows = screen.rows(0, columns.min(COLUMNS.get()));
        let rows = rows.skip(first.into()).take(count.into());
        let mut rows: Vec<String> = rows.collect();
        rows.truncate(usize::from(last + 1 - first));
        rows
    }
}

/// What a key asks for besides what it changes on the screen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing.
    Nothing,
    /// These bytes are to be typed to the selected console.
    Type(Vec<u8>),
    /// The end.
    Quit,
}

/// Everything that is shown.
pub(crate) struct Screen {
    /// Partitions in their order; the monitor is the last.
    pub(crate) panes: Vec<Pane>,
    /// Which one has the keys.
    pub(crate) selected: usize,
    /// The last sample, and the one before.
    pub(crate) samples: [Sample; 2],
    /// The log's last lines, and what came outside frames.
    pub(crate) log: VecDeque<String>,
    /// Whether only the selected partition is shown.
    pub(crate) is_zoomed: bool,
    /// Whether the escape key was the last.
    escaped: bool,
    /// The beginning of a line outside frames.
    unfinished: String,
    /// Whether there is nobody at the other end any more.
    pub(crate) is_closed: bool,
}

impl Screen {
    /// An empty one; partitions come with the first sample.
    pub(crate) fn new() -> Self {
        Self {
            panes: vec![Pane::new(MONITOR)],
            selected: 0,
            samples: [Sample::default(), Sample::default()],
            log: VecDeque::new(),
            is_zoomed: false,
            escaped: false,
            unfinished: String::new(),
            is_closed: false,
        }
    }

    /// Takes a sample.
    pub(crate) fn sample(&mut self, sample: Sample) {
        for partition in &sample.partitions {
            self.pane(partition.lpid);
        }
        let [last, before] = &mut self.samples;
        *before = std::mem::replace(last, sample);
    }

    /// Takes what came unasked.
    pub(crate) fn take(&mut self, event: Event) {
        match event {
            Event::Output { from: LOG, bytes } => {
                self.line(String::from_utf8_lossy(&bytes).into_owned());
            }
            Event::Output { from, bytes } => self.pane(from).terminal.process(&bytes),
            Event::Plain(bytes) => self.plain(&String::from_utf8_lossy(&bytes)),
            Event::Closed => self.is_closed = true,
        }
    }

    /// The pane of `source`, made before the monitor's if there is none yet.
    fn pane(&mut self, source: u32) -> &mut Pane {
        let found = self.panes.iter().position(|pane| pane.source == source);
        let at = found.unwrap_or_else(|| {
            let last = self.panes.len() - 1;
            self.panes.insert(last, Pane::new(source));
            // Who typed to the monitor goes on doing so; at the start the first partition has the keys.
            if self.selected >= last && last > 0 {
                self.selected += 1;
            }
            last
        });
        &mut self.panes[at]
    }

    fn plain(&mut self, text: &str) {
        self.unfinished += text;
        while let Some((line, rest)) = self.unfinished.split_once('\n') {
            let (line, rest) = (line.trim_end().to_owned(), rest.to_owned());
            self.unfinished = rest;
            if !line.is_empty() {
                self.line(line);
            }
        }
    }

    fn line(&mut self, line: String) {
        if self.log.len() == LOG_LINES {
            self.log.pop_front();
        }
        // Nothing of it may move the cursor.
        let shown = line.replace(|character: char| character.is_control(), "?");
        self.log.push_back(shown);
    }

    /// Says something about the console itself.
    pub(crate) fn note(&mut self, text: &str) {
        self.line(format!("console: {text}"));
    }

    /// Takes a key as the bytes that a terminal sends for it.
    pub(crate) fn key(&mut self, bytes: &[u8]) -> Act {
        if std::mem::take(&mut self.escaped) {
            return self.command(bytes);
        }
        if bytes == [ESCAPE] {
            self.escaped = true;
            return Act::Nothing;
        }
        if bytes.is_empty() {
            return Act::Nothing;
        }
        Act::Type(bytes.to_vec())
    }

    /// The key after the escape key.
    fn command(&mut self, bytes: &[u8]) -> Act {
        let last = self.panes.len() - 1;
        match bytes {
            [ESCAPE] => return Act::Type(vec![ESCAPE]),
            b"q" => return Act::Quit,
            b"m" => self.selected = last,
            b"n" | b"\t" => self.selected = (self.selected + 1) % self.panes.len(),
            b"z" => self.is_zoomed = !self.is_zoomed,
            [digit @ b'1'..=b'9'] => {
                let lpid = u32::from(digit - b'0');
                let found = self.panes.iter().position(|pane| pane.source == lpid);
                self.selected = found.unwrap_or(self.selected);
            }
            _ => {}
        }
        Act::Nothing
    }

    /// The source that has the keys.
    pub(crate) fn selected(&self) -> u32 {
        self.panes[self.selected].source
    }

    /// What the last line says.
    pub(crate) const fn hint(&self) -> &'static str {
        match (self.is_closed, self.escaped) {
            (true, _) => "the machine has ended: Ctrl-] q leaves",
            (_, true) => {
                "1 to 9: that partition, n: next, m: monitor, z: zoom, q: quit, Ctrl-]: itself"
            }
            _ => "keys go to the marked console; Ctrl-] and then 1 to 9, n, m, z, q",
        }
    }
}
