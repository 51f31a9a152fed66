//! The dialogue: [`Monitor`].

use crate::COMMANDS;
use crate::command::{Action, Command, Request, Run, find};
use crate::complete::{candidates, complete};
use crate::editor::{Edit, Editor, LINE};
use crate::facts::Facts;
use crate::page::{COLUMNS, DUMP_COLUMNS, Page};
use core::fmt::Write;

/// What every line to be typed begins with.
const PROMPT: &str = "monitor> ";
/// What waits at the end of a page.
const MORE: &str = "-- more: space, enter, q --";
/// Lines of a page: a terminal has 24.
const PAGE: u32 = 22;
/// Lines of a dump that are written at a time, which are longer.
const DUMP: u32 = 9;
/// The most bytes that one call writes: a page, its end, and a line to be typed.
pub const OUTPUT_BYTES: usize = (PAGE as usize + 2) * (4 * COLUMNS + 8);
const _: () = assert!((DUMP as usize + 2) * (4 * DUMP_COLUMNS + 8) <= OUTPUT_BYTES);

/// An answer of which a part was shown.
#[derive(Clone, Copy, Debug)]
struct Running {
    command: &'static Command,
    /// The words after the command.
    words: [u8; LINE],
    used: usize,
    shown: u32,
}

impl core::fmt::Debug for Command {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.words)
    }
}

/// The monitor.
#[derive(Debug)]
pub struct Monitor {
    editor: Editor,
    running: Option<Running>,
}

impl Monitor {
    /// Makes one that nothing was typed to yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            editor: Editor::new(),
            running: None,
        }
    }

    /// Begins: shows the line to be typed, with what was typed before.
    pub fn enter(&mut self, out: &mut dyn Write) {
        self.running = None;
        self.redraw(out);
    }

    /// Shows the line again that something else has broken.
    pub fn redraw(&mut self, out: &mut dyn Write) {
        // What cannot be written is lost, here as elsewhere.
        let _ = match self.running {
            Some(_) if self.is_dumping() => Ok(()),
            Some(_) => out.write_str(MORE),
            None => self.editor.redraw(PROMPT, out),
        };
    }

    /// Returns whether [`Monitor::dump`] has more to give.
    #[must_use]
    pub fn is_dumping(&self) -> bool {
        self.running
            .is_some_and(|running| matches!(running.command.run, Run::Dump(_)))
    }

    /// Writes the next part of an answer that does not wait for a key.
    pub fn dump(&mut self, facts: &dyn Facts, out: &mut dyn Write) {
        if self.is_dumping() {
            self.show(DUMP, facts, out);
        }
    }

    /// Takes a typed byte, and writes the answer. Returns what is left to the caller.
    pub fn take(&mut self, byte: u8, facts: &dyn Facts, out: &mut dyn Write) -> Option<Action> {
        if self.running.is_some() {
            self.turn(byte, facts, out);
            return None;
        }
        match self.editor.take(byte, out) {
            Ok(Edit::Enter) => {
                let _ = out.write_str("\r\n");
                let action = self.start(facts, out);
                self.editor.next_line();
                if self.running.is_none() && action.is_none() {
                    self.redraw(out);
                }
                action
            }
            Ok(Edit::Complete) => {
                self.complete(facts, out);
                None
            }
            Ok(Edit::Nothing) | Err(_) => None,
        }
    }

    /// A key at the end of a page.
    fn turn(&mut self, byte: u8, facts: &dyn Facts, out: &mut dyn Write) {
        let lines = match byte {
            b'q' | b'Q' | 0x03 => 0,
            b'\r' => 1,
            b' ' => PAGE,
            _ => return,
        };
        // The words that wait there go.
        let _ = write!(out, "\r{:1$}\r", "", MORE.len());
        if lines == 0 {
            self.running = None;
            self.redraw(out);
        } else {
            self.show(lines, facts, out);
        }
    }

    /// Carries out the line that was typed.
    fn start(&mut self, facts: &dyn Facts, out: &mut dyn Write) -> Option<Action> {
        let line = self.editor.text();
        let Some((command, rest)) = find(COMMANDS, line) else {
            if !line.trim_ascii().is_empty() {
                let _ = out.write_str("no such command; help lists all\r\n");
            }
            return None;
        };
        let request = Request::new(rest, facts);
        let word = request.word;
        let mut beyond = request.more.split_ascii_whitespace();
        let problem = match (beyond.nth(command.more.len()), command.argument, word) {
            (Some(more), _, _) => Err(("one word too many", more)),
            (None, None, "") => Ok(()),
            (None, None, more) => Err(("one word too many", more)),
            (None, Some(argument), "") if command.required => Err(("missing", argument.name())),
            (None, Some(_), _) => Ok(()),
        };
        if let Err((problem, what)) = problem {
            let _ = write!(out, "{}: {problem}: {what}\r\n", command.words);
            return None;
        }
        if let Run::Act(act) = command.run {
            return act(&request)
                .inspect_err(|problem| {
                    let _ = write!(out, "{}: {problem}\r\n", command.words);
                })
                .ok();
        }
        if let Run::Do(run) = command.run {
            let _ = match run(&request) {
                Ok(done) => write!(out, "{done}\r\n"),
                Err(problem) => write!(out, "{}: {problem}\r\n", command.words),
            };
            return None;
        }
        let words = rest.trim_ascii();
        let mut running = Running {
            command,
            words: [0; LINE],
            used: words.len(),
            shown: 0,
        };
        for (to, from) in running.words.iter_mut().zip(words.bytes()) {
            *to = from;
        }
        self.running = Some(running);
        let lines = if self.is_dumping() { DUMP } else { PAGE };
        self.show(lines, facts, out);
        None
    }

    /// Shows so many more lines of the answer.
    fn show(&mut self, lines: u32, facts: &dyn Facts, out: &mut dyn Write) {
        let Some(running) = self.running.as_mut() else {
            return;
        };
        let words = running.words.get(..running.used).unwrap_or_default();
        let words = core::str::from_utf8(words).unwrap_or_default();
        let request = Request::new(words, facts);
        let columns = match running.command.run {
            Run::Dump(_) => DUMP_COLUMNS,
            _ => COLUMNS,
        };
        let mut page = Page::new(out, running.shown, lines, columns);
        let done = match running.command.run {
            Run::Show(show) | Run::Dump(show) => show(&request, &mut page),
            Run::Act(_) | Run::Do(_) => Ok(()),
        };
        let more = page.is_full();
        running.shown = running.shown.saturating_add(lines);
        if let Err(problem) = done {
            let _ = write!(out, "{}: {problem}\r\n", running.command.words);
        } else if more {
            if !self.is_dumping() {
                let _ = out.write_str(MORE);
            }
            return;
        }
        let entered = running.shown > lines;
        self.running = None;
        // The first page's caller shows the line to be typed itself.
        if entered {
            self.redraw(out);
        }
    }

    /// Completes the word before the cursor, or shows what it can become.
    fn complete(&mut self, facts: &dyn Facts, out: &mut dyn Write) {
        let mut before = [0; LINE];
        let text = self.editor.before_cursor();
        let used = text.len();
        for (to, from) in before.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        let line = core::str::from_utf8(before.get(..used).unwrap_or_default());
        let line = line.unwrap_or_default();
        let last = line.rsplit(' ').next().unwrap_or_default();
        let found = complete(COMMANDS, line, facts);
        let more = found.common().get(last.len()..).unwrap_or_default();
        let end = if found.count == 1 { " " } else { "" };
        for byte in more.bytes().chain(end.bytes()) {
            let _ = self.editor.insert(byte, out);
        }
        if found.count > 1 && more.is_empty() {
            let _ = out.write_str("\r\n");
            let mut left = 8 * COLUMNS;
            candidates(COMMANDS, line, facts, &mut |word| {
                if let Some(rest) = left.checked_sub(word.len().saturating_add(2)) {
                    left = rest;
                    let _ = write!(out, "{word}  ");
                }
            });
            let _ = out.write_str("\r\n");
            self.redraw(out);
        }
    }
}

impl Default for Monitor {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Change;
    use crate::testing::Machine;

    struct Dialogue {
        monitor: Monitor,
        machine: Machine,
    }

    impl Dialogue {
        fn new() -> Self {
            Self {
                monitor: Monitor::new(),
                machine: Machine::new(),
            }
        }

        /// What is written while `keys` are typed, and the last action.
        fn keys(&mut self, keys: &str) -> (String, Option<Action>) {
            let (mut text, mut action) = (String::new(), None);
            for byte in keys.bytes() {
                let before = text.len();
                action = self.monitor.take(byte, &self.machine, &mut text);
                assert!(text.len() - before <= OUTPUT_BYTES);
            }
            (text.replace('\r', ""), action)
        }
    }

    #[test]
    fn a_command_is_answered_and_the_next_one_can_be_typed() {
        let mut dialogue = Dialogue::new();
        let (text, _) = dialogue.keys("lpar list\r");
        assert!(text.starts_with("lpar list\n"), "{text}");
        assert!(text.contains("linux"), "{text}");
        assert!(text.ends_with("\nmonitor> "), "{text}");
        assert_eq!(text.matches("monitor> ").count(), 1);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut dialogue = Dialogue::new();
        for (line, wanted) in [
            ("x", "no such command; help lists all"),
            ("lpar", "no such command; help lists all"),
            ("lpar show", "lpar show: missing: LPAR"),
            ("lpar show x", "lpar show: there is no such partition"),
            ("lpar show db db", "lpar show: one word too many: db"),
            ("lpar list db", "lpar list: one word too many: db"),
            ("pe show 9:9", "pe show: there is no such endpoint"),
            ("tce show 7", "tce show: there is no such DMA window"),
            ("log x", "log: that is no number"),
            ("attach quiet", "attach: there is no such partition"),
            ("lpar dump", "lpar dump: missing: LPAR"),
            ("lpar dump db x", "lpar dump: that is no number"),
            ("lpar dump db 0 0 0", "lpar dump: one word too many: 0"),
            ("lpar start x", "lpar start: there is no such partition"),
            ("lpar start linux", "lpar start: it runs; lpar restart"),
            ("lpar stop db", "lpar stop: it is off; lpar start"),
            ("lpar stop db --orderly", "lpar stop: it is off; lpar start"),
            ("lpar stop linux now", "lpar stop: it takes no such word"),
            (
                "lpar stop linux --orderly now",
                "lpar stop: one word too many: now",
            ),
        ] {
            let (text, action) = dialogue.keys(&format!("{line}\r"));
            assert!(text.contains(&format!("\n{wanted}")), "{line}: {text}");
            assert!(text.ends_with("\nmonitor> "), "{line}: {text}");
            assert_eq!(action, None);
        }
        assert_eq!(dialogue.keys("  \r").0, "  \nmonitor> ");
    }

    #[test]
    fn partitions_are_started_and_stopped() {
        let mut dialogue = Dialogue::new();
        for (line, wanted, change) in [
            ("lpar stop linux", "it is being stopped", (1, Change::Stop)),
            (
                "lpar stop linux --orderly",
                "it is asked to shut itself down; lpar list tells whether it has taken notice",
                (1, Change::ShutDown),
            ),
            ("lpar restart 1", "it begins anew", (1, Change::Restart)),
            ("lpar start db", "it is being started", (2, Change::Start)),
            ("lpar restart db", "it begins anew", (2, Change::Restart)),
        ] {
            let (text, _) = dialogue.keys(&format!("{line}\r"));
            assert!(text.ends_with(&format!("\n{wanted}\nmonitor> ")), "{text}");
            assert_eq!(dialogue.machine.changed.take(), Some(change));
        }
    }

    #[test]
    fn the_trace_of_hcalls_is_turned_on_and_off() {
        let mut dialogue = Dialogue::new();
        dialogue.keys("trace hcalls on\r");
        assert!(dialogue.machine.hcalls.get());
        dialogue.keys("trace hcalls off\r");
        assert!(!dialogue.machine.hcalls.get());
    }

    #[test]
    fn long_answers_stop_after_a_page() {
        let mut dialogue = Dialogue::new();
        let (first, _) = dialogue.keys("log 60\r");
        assert_eq!(first.lines().count(), 1 + PAGE as usize + 1);
        assert!(first.ends_with(MORE));
        let (second, _) = dialogue.keys("\r");
        assert_eq!(second.matches("line ").count(), 1);
        let (third, _) = dialogue.keys("x ");
        assert_eq!(third.matches("line ").count(), PAGE as usize);
        let (last, _) = dialogue.keys(" ");
        assert!(last.contains("line 99\n"), "{last}");
        assert!(last.ends_with("\nmonitor> "), "{last}");
        dialogue.keys("log 60\r");
        let (quit, _) = dialogue.keys("q");
        assert!(quit.ends_with("monitor> "), "{quit}");
    }

    #[test]
    fn what_is_exactly_a_page_does_not_wait() {
        let mut dialogue = Dialogue::new();
        let (text, _) = dialogue.keys(&format!("log {PAGE}\r"));
        assert!(text.ends_with("line 99\nmonitor> "), "{text}");
    }

    #[test]
    fn a_dump_goes_on_without_a_key_and_does_not_repeat_the_prompt() {
        let mut dialogue = Dialogue::new();
        let (mut text, _) = dialogue.keys("map\r");
        while dialogue.monitor.is_dumping() {
            let mut part = String::new();
            dialogue.monitor.dump(&dialogue.machine, &mut part);
            text += &part.replace('\r', "");
        }
        assert!(text.contains("bulkhead| map1 begin\n"), "{text}");
        let end = text.lines().rev().nth(1).unwrap();
        assert!(end.starts_with("bulkhead| map1 end lines="), "{text}");
        assert_eq!(text.matches("monitor> ").count(), 1);
    }

    #[test]
    fn a_dump_of_one_part_gives_one_prompt() {
        let mut dialogue = Dialogue::new();
        let (text, _) = dialogue.keys("trace dump\r");
        assert!(text.ends_with("trace1 end events=4\nmonitor> "), "{text}");
        assert_eq!(text.matches("monitor> ").count(), 1);
    }

    #[test]
    fn a_tab_completes_or_shows_what_there_is() {
        let mut dialogue = Dialogue::new();
        assert_eq!(dialogue.keys("lp\t").0, "lpar ");
        let (text, _) = dialogue.keys("\t");
        assert_eq!(
            text,
            "\nlist  show  stop  start  restart  dump  \nmonitor> lpar "
        );
        assert_eq!(
            dialogue.keys("sh\td\t\x15").0.replace('\x08', ""),
            "show db ".to_owned() + &" ".repeat(13)
        );
        assert_eq!(dialogue.keys("nothing\t").0, "nothing");
    }

    #[test]
    fn consoles_are_left_to_the_caller() {
        let mut dialogue = Dialogue::new();
        assert_eq!(dialogue.keys("attach db\r").1, Some(Action::Attach(2)));
        assert_eq!(dialogue.keys("attach 1\r").1, Some(Action::Attach(1)));
        assert_eq!(dialogue.keys("consoles\r").1, Some(Action::AllConsoles));
    }

    #[test]
    fn the_line_is_shown_again_when_it_was_broken_or_left() {
        let mut dialogue = Dialogue::new();
        dialogue.keys("lpa");
        let mut text = String::new();
        dialogue.monitor.redraw(&mut text);
        assert_eq!(text, "monitor> lpa");
        dialogue.keys("\x15log 60\r");
        text.clear();
        dialogue.monitor.redraw(&mut text);
        assert_eq!(text, MORE);
        text.clear();
        dialogue.monitor.enter(&mut text);
        assert_eq!(text, "monitor> ");
    }

    #[test]
    fn no_command_writes_more_than_it_may() {
        for command in COMMANDS {
            let mut dialogue = Dialogue::new();
            dialogue.keys(&format!("{}\r", command.words));
            for word in ["linux", "0:1", "0x80000001", "3"] {
                dialogue.keys(&format!("q\x03{} {word}\r", command.words));
            }
        }
    }
}
