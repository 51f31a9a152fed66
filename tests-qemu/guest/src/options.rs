//! The kernel command line: `only=PREFIX`, `skip=PREFIX[,PREFIX...]`, `mode=MODE`, `ms=N`, `after=N`, `calls=N`, `seed=N`, `again=1`.

use crate::suite::Case;

/// What the payload is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Run the cases.
    Test,
    /// Run the cases that QEMU's own `pseries` machine can pass.
    Pseries,
    /// Run the cases of an endpoint that is stopped meanwhile.
    Frozen,
    /// Run the cases of a function whose endpoint is stopped, and its recovery.
    Eeh,
    /// Run the cases of a bridge that shuts itself off.
    Fenced,
    /// Measure hcalls.
    Bench,
    /// Give the processor to another partition and back, and tell when.
    Handover,
    /// Measure a device's interrupts.
    Latency,
    /// Wait, for ever.
    Wait,
    /// Restart by RTAS until NVRAM says that this is the second start, then power off.
    Reboot,
    /// End by os-term.
    OsTerm,
    /// Wait until asked to shut down, and do that.
    Orderly,
    /// Send an edu where the console says.
    Aim,
    /// Tell whether anything was reached.
    Victim,
    /// Use an edu, if there is one, until stopped.
    Owner,
    /// Echo the console's input until a line says `end`.
    Echo,
    /// Use all the time that the partition is given, and tell how much it was.
    Share,
    /// Make calls with random arguments.
    Attack,
    /// Print lines as fast as they are taken, until something is typed.
    Flood,
    /// Cause lines and calls of every kind as fast as they are taken, then crash.
    Floods,
    /// Tell the time now and then, then echo.
    Watch,
    /// Run the cases in which all processors meet.
    Race,
}

/// The command line, parsed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    only: &'static str,
    skip: &'static str,
    pub(crate) mode: Mode,
    /// How long `mode=share` runs, each race of `mode=race`, or each life of `mode=floods`.
    pub(crate) milliseconds: u64,
    /// How long after the machine's start `mode=bench` and `mode=handover` begin, at the earliest.
    pub(crate) after: u64,
    /// How many calls each processor makes with `mode=attack`, and what they are chosen by.
    pub(crate) calls: u64,
    pub(crate) seed: u64,
    /// Whether `mode=attack` reboots when it is done, and attacks again with another seed.
    pub(crate) again: bool,
}

impl Options {
    /// Reads the words it knows; the others are left alone.
    pub(crate) fn parse(line: &'static str) -> Self {
        let value = |key: &str| {
            line.split_whitespace()
                .rev()
                .find_map(|word| word.strip_prefix(key))
                .unwrap_or("")
        };
        let mode = match value("mode=") {
            "pseries" => Mode::Pseries,
            "frozen" => Mode::Frozen,
            "eeh" => Mode::Eeh,
            "fenced" => Mode::Fenced,
            "bench" => Mode::Bench,
            "handover" => Mode::Handover,
            "latency" => Mode::Latency,
            "wait" => Mode::Wait,
            "reboot" => Mode::Reboot,
            "os-term" => Mode::OsTerm,
            "orderly" => Mode::Orderly,
            "aim" => Mode::Aim,
            "victim" => Mode::Victim,
            "owner" => Mode::Owner,
            "echo" => Mode::Echo,
            "share" => Mode::Share,
            "attack" => Mode::Attack,
            "flood" => Mode::Flood,
            "floods" => Mode::Floods,
            "watch" => Mode::Watch,
            "race" => Mode::Race,
            _ => Mode::Test,
        };
        Self {
            only: value("only="),
            skip: value("skip="),
            mode,
            milliseconds: value("ms=").parse().unwrap_or(1000),
            after: value("after=").parse().unwrap_or(0),
            calls: value("calls=").parse().unwrap_or(10_000),
            seed: value("seed=").parse().unwrap_or(1),
            again: value("again=") == "1",
        }
    }
    /// Whether `case` is to be run.
    pub(crate) fn chooses(&self, case: &Case) -> bool {
        let left_out = self
            .skip
            .split(',')
            .any(|prefix| !prefix.is_empty() && case.name.starts_with(prefix));
        let lacking = case.beyond_qemu != 0 && self.mode == Mode::Pseries;
        case.name.starts_with(self.only) && !left_out && !lacking
    }
}
