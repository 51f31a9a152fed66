//! Which bytes go over the serial line next, and for whom what is typed is: [`Mux`].

use crate::keys::{ESCAPE, Key, Keys};
use crate::line::{Line, printable};
use crate::raw::Raw;
use crate::split::{Splitter, TEXT_BYTES};
use crate::{LINE_BYTES, LogLine, Mark, PREFIX, Ring};
use core::fmt::Write;
use frames::{Decoder, MAX_ENCODED, Step};

mod program;

/// The most consoles: one for each partition that a bundle can have.
pub const MAX_CONSOLES: usize = 64;

/// Bytes that wait for the line itself.
const STAGED: usize = 2048;
/// Room for one line of any kind, its prefix, its end, and the end of a line that it breaks; or for a frame.
const PIECE: usize = if MAX_ENCODED > LINE_BYTES + 40 {
    MAX_ENCODED
} else {
    LINE_BYTES + 40
};
/// Room for a turn: a line of the log and one of a console.
const TURN: usize = 2 * PIECE;
const _: () = assert!(TEXT_BYTES < LINE_BYTES && 2 * CHUNK < PIECE && TURN < STAGED);
/// A line of the log fits a frame.
const _: () = assert!(LINE_BYTES + 4 <= frames::MAX_PAYLOAD);
/// Bytes looked at in one go.
const CHUNK: usize = 64;
/// Lines of the log that go in a row before the console that is attached to has its turn, unless they belong before what
/// it has printed.
const IN_A_ROW: u8 = 16;
/// Bytes of partitions' output that one call looks at, most: what is only control sequences is work too.
const BUDGET: usize = 1024;
/// What is shown of a console that is attached to: lines, and bytes.
const SCROLL_LINES: usize = 24;
const SCROLL_BYTES: usize = 4096;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum View {
    /// All consoles, line by line, each after its partition's name. What is typed goes nowhere.
    #[default]
    All,
    /// One console, as it is; what is typed goes there.
    Console(usize),
    /// The monitor.
    Monitor,
    /// All of it in frames, for a program.
    Program,
}

/// For whom a typed byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routed {
    /// A console.
    Console(usize, u8),
    /// The monitor.
    Monitor(u8),
    /// Nobody; the monitor is to begin.
    EnterMonitor,
    /// A program: its request is whole, see [`Mux::request`].
    Request,
    /// Nobody.
    Nobody,
}

/// Where everything comes from. Each method locks what it needs by itself and does not wait.
pub trait Sources {
    /// Returns how many consoles there are, at most [`MAX_CONSOLES`].
    fn consoles(&self) -> usize;
    /// Returns the number and name of the partition of `console`.
    fn partition(&self, console: usize) -> (u32, &str);
    /// Has `see` look at the output of `console`.
    fn output(&self, console: usize, see: &mut dyn FnMut(&mut dyn Output));
    /// Returns the mark of the next line of the log.
    fn log_mark(&self) -> Option<Mark>;
    /// Takes the next line of the log.
    fn log_line(&self) -> Option<LogLine>;
    /// Returns how many lines of the log were lost, once.
    fn lost_lines(&self) -> Option<u32>;
    /// Takes output of the monitor.
    fn monitor(&self, to: &mut [u8]) -> usize;
    /// Returns whether there is more of that, or soon will be without a key.
    fn is_monitor_busy(&self) -> bool;
    /// Takes one frame for a program, whole.
    fn reply(&self, to: &mut [u8; MAX_ENCODED]) -> usize;
}

/// The output of a console: a [`Ring`] of any size.
pub trait Output {
    /// See [`Ring::peek`].
    fn peek(&self, to: &mut [u8]) -> usize;
    /// See [`Ring::discard`].
    fn discard(&mut self, count: usize);
    /// See [`Ring::taken`].
    fn taken(&self) -> u64;
    /// See [`Ring::rewind`].
    fn rewind(&mut self, lines: usize, most: usize);
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Output for Ring<B> {
    fn peek(&self, to: &mut [u8]) -> usize {
        Self::peek(self, to)
    }
    fn discard(&mut self, count: usize) {
        Self::discard(self, count);
    }
    fn taken(&self) -> u64 {
        Self::taken(self)
    }
    fn rewind(&mut self, lines: usize, most: usize) {
        Self::rewind(self, lines, most);
    }
}

/// A line about the console itself that is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
enum Notice {
    /// None: zero, see [`Mux::new`].
    #[default]
    Nothing,
    View(View),
    Keys,
    NoConsole(u32),
}

/// The state of the one serial line.
#[derive(Debug)]
pub struct Mux {
    staged: Ring<[u8; STAGED]>,
    /// Whether the last byte staged has not ended its line.
    mid_line: bool,
    /// What the terminal makes of the console that is attached to.
    raw: Raw,
    /// One for each console.
    splitters: [Splitter; MAX_CONSOLES],
    /// How many of these there are.
    consoles: usize,
    /// The console whose turn it is.
    turn: usize,
    /// How long a line may wait for its end, or the log for that, ticks.
    patience: u64,
    /// Since when the log waits for the end of a line of the console that is attached to.
    held_since: Option<u64>,
    /// How long it has done so before, since nothing of it was left.
    held: u64,
    /// How many of its lines went since the console that is attached to had its turn.
    logged: u8,
    view: View,
    keys: Keys,
    /// What a program sends.
    frame: Decoder,
    notice: Notice,
    /// Whether somebody who types to nobody was told.
    hinted: bool,
    /// Whether a line of the log broke the monitor's.
    broken: bool,
    /// Whether the last call of [`Mux::fill`] has left something.
    more: bool,
}

impl Mux {
    /// Nothing is shown yet. All zero, so that a static one needs no room in the image.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            staged: Ring::new([0; STAGED], 0),
            mid_line: false,
            raw: Raw::new(),
            splitters: [Splitter::EMPTY; MAX_CONSOLES],
            consoles: 0,
            turn: 0,
            patience: 0,
            held_since: None,
            held: 0,
            logged: 0,
            view: View::All,
            keys: Keys::new(),
            frame: Decoder::new(),
            notice: Notice::Nothing,
            hinted: false,
            broken: false,
            more: false,
        }
    }

    /// Begins with the consoles of `sources`: the only one is attached to, of several all are shown.
    pub fn begin(&mut self, sources: &dyn Sources) {
        self.consoles = sources.consoles().min(MAX_CONSOLES);
        if sources.consoles() == 1 {
            self.view = View::Console(0);
        }
    }

    /// Says how long a line may wait for its end before it is shown without, and how long the log waits at most for ends
    /// of lines of the console that is attached to, in ticks of the time base.
    pub const fn set_patience(&mut self, ticks: u64) {
        self.patience = ticks;
    }

    /// Returns what is shown.
    #[must_use]
    pub const fn view(&self) -> View {
        self.view
    }

    /// Shows something else.
    pub fn show(&mut self, view: View, sources: &dyn Sources) {
        self.view = view;
        self.hinted = false;
        self.broken = false;
        self.notice = Notice::View(view);
        for console in 0..sources.consoles() {
            if view == View::Console(console) || view == View::Program {
                sources.output(console, &mut |output| {
                    output.rewind(SCROLL_LINES, SCROLL_BYTES);
                });
            }
        }
        // What was kept back of lines would be shown again, or be torn out of its place.
        if view != View::All {
            self.splitters.iter_mut().for_each(Splitter::clear);
        }
    }

    /// Says for whom the typed `byte` is, and does what the escape key asks for.
    pub fn input(&mut self, byte: u8, sources: &dyn Sources) -> Routed {
        if self.frame.is_inside() {
            match self.frame.push(byte) {
                Step::Whole | Step::Damaged => return Routed::Request,
                // Somebody types while a program's frame has not ended: it never will.
                Step::Broken => self.keys.escape(),
                Step::Inside | Step::Outside => return Routed::Nobody,
            }
            if byte == ESCAPE {
                return Routed::Nobody;
            }
        }
        match self.keys.key(byte) {
            Key::Byte(byte) => match self.view {
                View::Console(console) => return Routed::Console(console, byte),
                View::Monitor => return Routed::Monitor(byte),
                View::Program => {}
                View::All => {
                    if !core::mem::replace(&mut self.hinted, true) {
                        self.notice = Notice::Keys;
                    }
                }
            },
            Key::Begun => {}
            Key::Frame => self.frame.begin(),
            Key::All => self.show(View::All, sources),
            Key::Help => self.notice = Notice::Keys,
            Key::Monitor => {
                self.show(View::Monitor, sources);
                return Routed::EnterMonitor;
            }
            Key::Attach(number) => {
                let mut consoles = 0..sources.consoles();
                match consoles.find(|console| sources.partition(*console).0 == number) {
                    Some(console) => self.show(View::Console(console), sources),
                    None => self.notice = Notice::NoConsole(number),
                }
            }
        }
        Routed::Nobody
    }

    /// Returns once whether the monitor has to show its unfinished line again.
    pub fn broken(&mut self) -> bool {
        self.view == View::Monitor
            && self.staged.pending() == 0
            && core::mem::take(&mut self.broken)
    }

    /// Returns whether nothing waits for the line, or would be shown now.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.staged.pending() == 0 && !self.more && matches!(self.notice, Notice::Nothing)
    }

    /// Copies what goes over the line next, as [`Ring::peek`] does.
    pub fn peek(&self, to: &mut [u8]) -> usize {
        self.staged.peek(to)
    }

    /// Drops what has gone over the line.
    pub fn discard(&mut self, count: usize) {
        self.staged.discard(count);
    }

    /// Gathers what goes over the line next, at `now` by the time base: in turn one line of the log and one of a
    /// console, so that nobody holds up another. Drops what is not shown: it stays in its ring for later.
    pub fn fill(&mut self, sources: &dyn Sources, now: u64) {
        for console in 0..sources.consoles() {
            let is_shown = match self.view {
                View::All | View::Program => true,
                View::Console(shown) => shown == console,
                View::Monitor => false,
            };
            if !is_shown {
                sources.output(console, &mut |output| output.discard(usize::MAX));
            }
        }
        let mut budget = BUDGET;
        self.more = true;
        while self.staged.room() >= TURN && budget > 0 {
            if self.notice != Notice::Nothing {
                let notice = core::mem::take(&mut self.notice);
                self.announce(notice, sources);
                continue;
            }
            let logged = self.log(sources, now);
            let shown = match self.view {
                View::All => self.line(sources, now, &mut budget),
                View::Console(console) => self.raw(console, sources, &mut budget),
                View::Monitor => self.monitor(sources),
                View::Program => self.program(sources, &mut budget),
            };
            if !logged && !shown {
                self.more = budget == 0;
                break;
            }
        }
    }

    /// Stages a line of the log, if one may be shown now.
    fn log(&mut self, sources: &dyn Sources, now: u64) -> bool {
        // What is typed may be broken, and is shown again; an answer is not.
        if self.view == View::Monitor && self.mid_line && sources.is_monitor_busy() {
            return false;
        }
        let line = match sources.log_mark() {
            Some(mark) if self.is_early(mark, sources) => None,
            Some(_) if self.holds(now) => None,
            Some(_) => sources.log_line(),
            None => {
                (self.held, self.held_since) = (0, None);
                let lost = sources.lost_lines();
                if let Some(lost) = lost {
                    let mut text = Line::<LINE_BYTES>::new();
                    let _ = write!(text, "{lost} lines were lost, the console being full");
                    self.logged(text.as_str());
                }
                return lost.is_some();
            }
        };
        let Some(line) = line else { return false };
        self.logged = self.logged.saturating_add(1);
        self.broken |= self.mid_line && self.view != View::Program;
        self.logged(line.text());
        true
    }

    /// Stages a line of the log.
    fn logged(&mut self, text: &str) {
        match self.view {
            View::Program => self.framed(frames::LOG, text.as_bytes()),
            _ => self.own(format_args!("{text}")),
        }
    }

    /// Returns whether a line with `mark` comes after output that has not been shown.
    fn is_early(&self, mark: Mark, sources: &dyn Sources) -> bool {
        let View::Console(console) = self.view else {
            return false;
        };
        mark.of(console)
            .is_some_and(|position| taken(console, sources) < position)
    }

    /// Returns whether the log waits until the console that is attached to has ended its line. All lines that wait
    /// together do so for [`Mux::patience`] at most: no partition can hold up the log by what it prints.
    fn holds(&mut self, now: u64) -> bool {
        let is_raw = matches!(self.view, View::Console(_));
        let since = *self.held_since.get_or_insert(now);
        let held = self.held.saturating_add(now.saturating_sub(since));
        let holds = is_raw && self.mid_line && held < self.patience;
        if !holds {
            self.held = held;
            self.held_since = None;
        }
        holds
    }

    /// Stages output of the console that is attached to, up to where a line of the log belongs, or to the end of the line
    /// that the log waits for.
    fn raw(&mut self, console: usize, sources: &dyn Sources, budget: &mut usize) -> bool {
        let mark = sources.log_mark();
        let until = mark.and_then(|mark| mark.of(console));
        let is_between = !self.mid_line && (until.is_some() || self.logged < IN_A_ROW);
        let mut chunk = [0; CHUNK];
        let mut count = 0;
        sources.output(console, &mut |output| {
            let left = until.map_or(0, |position| position.saturating_sub(output.taken()));
            let most = match left {
                0 => CHUNK,
                left => usize::try_from(left).unwrap_or(CHUNK).min(CHUNK),
            };
            count = output.peek(chunk.get_mut(..most).unwrap_or_default());
            if mark.is_some() && left == 0 {
                if is_between {
                    count = 0;
                }
                let mut bytes = chunk.iter().take(count);
                let end = bytes.position(|byte| *byte == b'\n');
                count = end.map_or(count, |end| end.saturating_add(1));
            }
            output.discard(count);
        });
        if count > 0 {
            self.logged = 0;
        }
        *budget = budget.saturating_sub(count);
        for &byte in chunk.iter().take(count) {
            if let Some(before) = self.raw.pass(byte) {
                self.stage(&[before]);
            }
            self.stage(&[byte]);
        }
        count > 0
    }

    /// Stages the next line of the consoles, each having its turn.
    fn line(&mut self, sources: &dyn Sources, now: u64, budget: &mut usize) -> bool {
        let consoles = self.consoles;
        for _ in 0..consoles {
            let console = self.next_turn();
            if self.line_of(console, sources, now, budget) {
                let text = self.splitters.get(console).copied();
                let text = text.unwrap_or(Splitter::EMPTY);
                let (_, name) = sources.partition(console);
                if self.mid_line {
                    self.stage(b"\r\n");
                }
                self.stage(name.as_bytes());
                self.stage(b": ");
                printable(text.text(), &mut |part| self.stage(part));
                self.stage(b"\r\n");
                if let Some(splitter) = self.splitters.get_mut(console) {
                    splitter.clear();
                }
                return true;
            }
        }
        false
    }

    /// Reads `console` up to the end of a line; returns whether there is one to be shown.
    fn line_of(
        &mut self,
        console: usize,
        sources: &dyn Sources,
        now: u64,
        budget: &mut usize,
    ) -> bool {
        let Some(splitter) = self.splitters.get_mut(console) else {
            return false;
        };
        while *budget > 0 {
            let mut chunk = [0; CHUNK];
            let (mut count, mut used, mut done) = (0, 0usize, false);
            sources.output(console, &mut |output| {
                count = output.peek(&mut chunk);
                for &byte in chunk.iter().take(count) {
                    used = used.saturating_add(1);
                    done = splitter.take(byte, now);
                    if done {
                        break;
                    }
                }
                output.discard(used);
            });
            *budget = budget.saturating_sub(used);
            if done {
                return true;
            }
            if count == 0 {
                break;
            }
        }
        splitter
            .waits(now)
            .is_some_and(|waited| waited >= self.patience)
    }

    fn monitor(&mut self, sources: &dyn Sources) -> bool {
        let mut chunk = [0; CHUNK];
        let count = sources.monitor(&mut chunk);
        self.stage(chunk.get(..count).unwrap_or_default());
        count > 0
    }

    /// Returns the console whose turn it is, and gives it to the next.
    fn next_turn(&mut self) -> usize {
        let console = self.turn;
        self.turn = match console.saturating_add(1) {
            next if next < self.consoles => next,
            _ => 0,
        };
        console
    }

    /// Stages what a notice says.
    fn announce(&mut self, notice: Notice, sources: &dyn Sources) {
        match notice {
            Notice::View(View::All) => {
                self.own(format_args!("console: all, each line after its name"));
            }
            Notice::View(View::Monitor) => {
                self.own(format_args!("console: the monitor; help lists commands"));
            }
            Notice::Nothing | Notice::View(View::Program) => {}
            Notice::View(View::Console(console)) => {
                let (number, name) = sources.partition(console);
                self.own(format_args!("console: {number}, {name}; Ctrl-] ? helps"));
            }
            Notice::NoConsole(number) => {
                self.own(format_args!("console: partition {number} has none"));
            }
            Notice::Keys => {
                let mut text = Line::<LINE_BYTES>::new();
                let _ = text
                    .write_str("console: Ctrl-] and m: monitor, a: all consoles, Ctrl-]: itself, ");
                for console in 0..sources.consoles() {
                    let (number, name) = sources.partition(console);
                    if number < 10 {
                        let _ = write!(text, "{number}: {name}, ");
                    }
                }
                let text = text.as_str();
                self.own(format_args!("{}", text.strip_suffix(", ").unwrap_or(text)));
            }
        }
    }

    /// Stages a line of the hypervisor's, on a line of its own.
    fn own(&mut self, text: core::fmt::Arguments<'_>) {
        let mut line = Line::<{ LINE_BYTES + 4 }>::new();
        let _ = line.write_fmt(text);
        let end = self.raw.interrupt();
        self.stage(end);
        if self.mid_line {
            self.stage(b"\r\n");
        }
        for part in [PREFIX, line.as_str(), "\r\n"] {
            self.stage(part.as_bytes());
        }
    }

    fn stage(&mut self, bytes: &[u8]) {
        self.staged.put(bytes);
        if let Some(last) = bytes.last() {
            self.mid_line = *last != b'\n';
        }
    }
}

impl Default for Mux {
    fn default() -> Self {
        Self::new()
    }
}

fn taken(console: usize, sources: &dyn Sources) -> u64 {
    let mut taken = 0;
    sources.output(console, &mut |output| taken = output.taken());
    taken
}
