//! One run of a machine: its console as text, expectations, and its end.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use regex::Regex;

use crate::interrupt::{self, SharedChild};

/// What every line of the hypervisor itself begins with; all other lines come from partitions.
pub const HYPERVISOR_PREFIX: &str = "bulkhead| ";
/// What the last line of a machine that stopped holds, before the reason.
const STOP: &str = "bulkhead| STOP ";
/// How many lines of the console an error shows.
const TAIL_LINES: usize = 12;

/// Whose lines an expectation looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// All lines.
    Any,
    /// Lines of partitions: those without [`HYPERVISOR_PREFIX`].
    Partitions,
}

/// Why a machine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The emulator is not there.
    #[error(
        "`{program}` is not installed: run `cargo xtask setup`, or install the package that holds it"
    )]
    Missing {
        /// The program looked for.
        program: String,
    },
    /// The emulator could not be started.
    #[error("`{program}` could not be started: {source}")]
    Start {
        /// The program.
        program: String,
        /// What starting it failed with.
        source: io::Error,
    },
    /// The log file could not be made.
    #[error("the log {} cannot be written: {source}", path.display())]
    Log {
        /// Its path.
        path: PathBuf,
        /// What making it failed with.
        source: io::Error,
    },
}

/// Why an expectation was not met. The text ends with the console's last lines.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// Time ran out.
    #[error("`{wanted}` did not appear within {seconds} s\n{tail}")]
    Timeout {
        /// The regular expression.
        wanted: String,
        /// The time given, in seconds.
        seconds: u64,
        /// The console's last lines.
        tail: String,
    },
    /// The hypervisor stopped the machine.
    #[error("the machine stopped ({reason}) before `{wanted}` appeared\n{tail}")]
    Stopped {
        /// The regular expression.
        wanted: String,
        /// What the STOP line gave.
        reason: String,
        /// The console's last lines.
        tail: String,
    },
    /// A line came that [`Session::fail_on`] had named.
    #[error("the console shows a failure before `{wanted}`: {line}\n{tail}")]
    Failed {
        /// The regular expression that was waited for.
        wanted: String,
        /// The line.
        line: String,
        /// The console's last lines.
        tail: String,
    },
    /// QEMU ended.
    #[error("QEMU ended ({status}) before `{wanted}` appeared\n{tail}")]
    Exited {
        /// The regular expression.
        wanted: String,
        /// How it ended.
        status: String,
        /// The console's last lines.
        tail: String,
    },
}

/// What the reader threads have gathered.
#[derive(Default)]
struct Console {
    /// The serial line, as text without carriage returns.
    text: String,
    /// QEMU's own messages.
    messages: String,
    /// Bytes at the end that are no whole UTF-8 character yet.
    partial: Vec<u8>,
    /// Readers that have not met the end of their pipe.
    readers: usize,
}

#[derive(Default)]
struct Shared {
    console: Mutex<Console>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Console> {
        self.console.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running machine. QEMU is ended, by its process handle, when the session is dropped.
pub struct Session {
    child: SharedChild,
    stdin: Option<ChildStdin>,
    shared: Arc<Shared>,
    log: PathBuf,
    failures: Vec<Regex>,
    /// Where in the text the next expectation begins.
    cursor: usize,
    started: Instant,
}

impl Session {
    /// Starts `command`, whose standard streams must be pipes, and logs its console to the file `log`.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn start(mut command: Command, log: &Path) -> Result<Self, SessionError> {
        let log_error = |source| SessionError::Log {
            path: log.to_owned(),
            source,
        };
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder).map_err(log_error)?;
        }
        let file = File::create(log).map_err(log_error)?;
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => SessionError::Missing { program },
            _ => SessionError::Start { program, source },
        })?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let child = Arc::new(Mutex::new(child));
        interrupt::register(&child);
        let shared = Arc::new(Shared::default());
        let log_file = Arc::new(Mutex::new(file));
        if let Some(pipe) = stdout {
            read_on(pipe, &shared, &log_file, take_console);
        }
        if let Some(pipe) = stderr {
            read_on(pipe, &shared, &log_file, take_message);
        }
        Ok(Self {
            child,
            stdin,
            shared,
            log: log.to_owned(),
            failures: Vec::new(),
            cursor: 0,
            started: Instant::now(),
        })
    }

    /// Makes any later expectation fail at once when a line matching `regex` comes before what it waits for.
    pub fn fail_on(&mut self, regex: Regex) {
        self.failures.push(regex);
    }

    /// Waits until a whole line matches `regex`, and returns what matched. What QEMU leaves unfinished when it ends is whole.
    ///
    /// The search goes on where the last match ended, so expectations are met in order; it is made line by line.
    ///
    /// # Errors
    /// [`WaitError`], with the console's last lines.
    pub fn wait_for(&mut self, regex: &Regex, timeout: Duration) -> Result<String, WaitError> {
        self.wait_for_in(Source::Any, regex, timeout)
    }

    /// As [`wait_for`](Self::wait_for), looking only at lines of `source`.
    ///
    /// # Errors
    /// [`WaitError`], with the console's last lines.
    pub fn wait_for_in(
        &mut self,
        source: Source,
        regex: &Regex,
        timeout: Duration,
    ) -> Result<String, WaitError> {
        self.wait(source, Lines::Finished, regex, timeout)
    }

    /// As [`wait_for_in`](Self::wait_for_in), and a line that has not ended counts too, such as a prompt. What is still being
    /// printed may match before it is whole.
    ///
    /// # Errors
    /// [`WaitError`], with the console's last lines.
    pub fn wait_for_prompt(
        &mut self,
        source: Source,
        regex: &Regex,
        timeout: Duration,
    ) -> Result<String, WaitError> {
        self.wait(source, Lines::Any, regex, timeout)
    }

    fn wait(
        &mut self,
        source: Source,
        lines: Lines,
        regex: &Regex,
        timeout: Duration,
    ) -> Result<String, WaitError> {
        let goal = Goal {
            source,
            lines,
            regex,
        };
        let deadline = Instant::now() + timeout;
        let shared = Arc::clone(&self.shared);
        let mut console = shared.lock();
        loop {
            // Asked before looking: output that came before the end is then surely in the text.
            let ended = console.readers == 0;
            let wanted = || goal.regex.to_string();
            match self.scan(&console, goal, ended) {
                Scan::Match(text) => return Ok(text),
                Scan::Failed(line) => {
                    return Err(WaitError::Failed {
                        wanted: wanted(),
                        line,
                        tail: self.tail(&console),
                    });
                }
                Scan::Stopped(reason) => {
                    return Err(WaitError::Stopped {
                        wanted: wanted(),
                        reason,
                        tail: self.tail(&console),
                    });
                }
                Scan::Nothing => {}
            }
            if ended {
                let tail = self.tail(&console);
                drop(console);
                let status = self
                    .wait_for_exit(Duration::from_secs(5))
                    .map_or("still there".to_owned(), |status| status.to_string());
                return Err(WaitError::Exited {
                    wanted: wanted(),
                    status,
                    tail,
                });
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(WaitError::Timeout {
                    wanted: wanted(),
                    seconds: timeout.as_secs(),
                    tail: self.tail(&console),
                });
            }
            console = shared
                .changed
                .wait_timeout(console, deadline - now)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits for the hypervisor's STOP line and returns its reason.
    ///
    /// # Errors
    /// [`WaitError`], with the console's last lines.
    pub fn wait_for_stop(&mut self, timeout: Duration) -> Result<String, WaitError> {
        let stop = Regex::new(r"^bulkhead\| STOP \S+\s*$").expect("a constant that the tests use");
        let failures = std::mem::take(&mut self.failures);
        let line = self.wait(Source::Any, Lines::Finished, &stop, timeout);
        self.failures = failures;
        line.map(|line| line.trim_start_matches(STOP).trim().to_owned())
    }

    /// Waits for QEMU to end by itself; `None` when it is still there after `timeout`.
    #[must_use]
    pub fn wait_for_exit(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            match child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => {}
                _ => return None,
            }
            drop(child);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types `text` on the console.
    ///
    /// # Errors
    /// What writing to QEMU's input fails with: it has ended.
    pub fn send(&mut self, text: &str) -> io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(text.as_bytes())?;
        stdin.flush()
    }

    /// Returns all lines so far, the unfinished one last.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.shared.lock().text.lines().map(str::to_owned).collect()
    }

    /// Returns a mark of what has come so far, for [`lines_from`](Self::lines_from).
    #[must_use]
    pub fn mark(&self) -> usize {
        self.shared.lock().text.len()
    }

    /// Returns all lines since `mark`, the unfinished one last.
    #[must_use]
    pub fn lines_from(&self, mark: usize) -> Vec<String> {
        let console = self.shared.lock();
        let text = console.text.get(mark..).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Returns QEMU's own messages so far (its standard error).
    #[must_use]
    pub fn messages(&self) -> String {
        self.shared.lock().messages.clone()
    }

    /// Returns the log's path.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Ends QEMU and returns all its lines.
    #[must_use]
    pub fn stop(mut self) -> Vec<String> {
        self.stdin = None;
        interrupt::kill(&self.child);
        let mut console = self.shared.lock();
        while console.readers > 0 {
            console = self
                .shared
                .changed
                .wait(console)
                .unwrap_or_else(PoisonError::into_inner);
        }
        console.text.lines().map(str::to_owned).collect()
    }

    /// Looks through the lines after the cursor and moves it past those that no later output can change.
    fn scan(&mut self, console: &Console, goal: Goal<'_>, ended: bool) -> Scan {
        while let Some(rest) = console
            .text
            .get(self.cursor..)
            .filter(|rest| !rest.is_empty())
        {
            let end = rest.find('\n');
            let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
            // The cursor may be inside a line; whose line it is shows at its start.
            let start = console
                .text
                .get(..self.cursor)
                .and_then(|before| before.rfind('\n'))
                .map_or(0, |at| at + 1);
            let whole = console
                .text
                .get(start..self.cursor + line.len())
                .unwrap_or(line);
            let hypervisors = whole.starts_with(HYPERVISOR_PREFIX);
            // A line that could still become one of the hypervisor's is nobody's yet.
            let undecided = end.is_none() && !hypervisors && HYPERVISOR_PREFIX.starts_with(whole);
            let visible = (goal.source == Source::Any || !(hypervisors || undecided))
                && (goal.lines == Lines::Any || end.is_some() || ended);
            if let Some(found) = goal.regex.find(line).filter(|_| visible) {
                let text = found.as_str().to_owned();
                // An empty match must not stand still.
                self.cursor += if found.end() == 0 {
                    line.len()
                } else {
                    found.end()
                };
                return Scan::Match(text);
            }
            let Some(end) = end else { return Scan::Nothing };
            if self.failures.iter().any(|failure| failure.is_match(whole)) {
                return Scan::Failed(whole.to_owned());
            }
            if let Some(reason) = whole.strip_prefix(STOP) {
                return Scan::Stopped(reason.trim().to_owned());
            }
            self.cursor += end + 1;
        }
        Scan::Nothing
    }

    fn tail(&self, console: &Console) -> String {
        let lines: Vec<&str> = console.text.lines().collect();
        let from = lines.len().saturating_sub(TAIL_LINES);
        let mut tail: String = lines
            .iter()
            .skip(from)
            .map(|line| format!("    {line}\n"))
            .collect();
        tail.extend(
            console
                .messages
                .lines()
                .map(|line| format!("    qemu: {line}\n")),
        );
        tail + &format!("the whole log: {}", self.log.display())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        interrupt::kill(&self.child);
    }
}

/// What is waited for.
#[derive(Debug, Clone, Copy)]
struct Goal<'a> {
    source: Source,
    lines: Lines,
    regex: &'a Regex,
}

/// Whether a line without its end may match: a prompt must, a word that is still being printed must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    Any,
    Finished,
}

enum Scan {
    Match(String),
    Failed(String),
    Stopped(String),
    Nothing,
}

/// Feeds everything `pipe` gives to `take`, on a thread of its own.
fn read_on(
    mut pipe: impl Read + Send + 'static,
    shared: &Arc<Shared>,
    log: &Arc<Mutex<File>>,
    take: fn(&mut Console, &[u8], &mut File),
) {
    let (shared, log) = (Arc::clone(shared), Arc::clone(log));
    shared.lock().readers += 1;
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = pipe.read(&mut chunk) {
            let bytes = chunk.get(..length).unwrap_or(&chunk);
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            take(&mut shared.lock(), bytes, &mut log);
            drop(log);
            shared.changed.notify_all();
        }
        shared.lock().readers -= 1;
        shared.changed.notify_all();
    });
}

/// Takes bytes of the serial line. A log that cannot be written (a full disk) does not stop the run.
fn take_console(console: &mut Console, bytes: &[u8], log: &mut File) {
    let _ = log.write_all(bytes);
    let mut pending = std::mem::take(&mut console.partial);
    pending.extend_from_slice(bytes);
    let mut rest = pending.as_slice();
    loop {
        let (valid, error) = match std::str::from_utf8(rest) {
            Ok(text) => (text, None),
            Err(error) => {
                let (valid, _) = rest.split_at(error.valid_up_to());
                (std::str::from_utf8(valid).unwrap_or_default(), Some(error))
            }
        };
        console
            .text
            .extend(valid.chars().filter(|&character| character != '\r'));
        let Some(error) = error else { return };
        let after = error.valid_up_to() + error.error_len().unwrap_or(0);
        rest = rest.get(after..).unwrap_or_default();
        if error.error_len().is_none() {
            // The rest of a character that came in two pieces.
            console.partial = rest.to_vec();
            return;
        }
        console.text.push(char::REPLACEMENT_CHARACTER);
    }
}

/// Takes bytes of QEMU's standard error.
fn take_message(console: &mut Console, bytes: &[u8], log: &mut File) {
    let text = String::from_utf8_lossy(bytes);
    text.lines().for_each(|line| {
        let _ = writeln!(log, "qemu: {line}");
    });
    console.messages.push_str(&text);
}

#[cfg(test)]
mod tests;
