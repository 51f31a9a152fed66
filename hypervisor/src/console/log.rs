//! The log: lines with a time stamp, and lines without, on their way to the console.

use super::{FOREGROUND, LOG, WAITING, all};
use console::{LINE_BYTES, Line, Mark};
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

static TIMEBASE_HZ: AtomicU64 = AtomicU64::new(512_000_000);

/// Starts it.
pub(super) fn start() {
    // Fails only when a logger was set before, which is this one.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(log::LevelFilter::Info);
}

/// Says how long a tick of the time base is, for time stamps.
pub(crate) fn set_timebase_hz(hz: u64) {
    TIMEBASE_HZ.store(hz.max(1), Relaxed);
}

/// Writes a line of the hypervisor's without a time stamp. It comes after what the console that is attached to
/// has printed so far.
pub(crate) fn line(text: &str) {
    let console = FOREGROUND.load(Relaxed) as usize;
    let mark = all().get(console).map_or(Mark::default(), |found| {
        Mark::new(console, found.output.lock().position())
    });
    LOG.lock().put(text, mark);
    WAITING.store(true, Relaxed);
}

/// Gives the last `count` lines, the oldest first.
pub(crate) fn last_lines(count: usize, each: &mut dyn FnMut(&str)) {
    let numbers = LOG.lock().numbers();
    let first = numbers.end.saturating_sub(count as u64).max(numbers.start);
    for number in first..numbers.end {
        // A copy: others must not wait for what is done with it.
        let line = LOG.lock().line(number).copied();
        if let Some(line) = line {
            each(line.text());
        }
    }
}

struct Log;
static LOGGER: Log = Log;

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        let ticks = ppc64::spr::timebase();
        let hz = TIMEBASE_HZ.load(Relaxed);
        let micros = ::trace::in_units(ticks, hz, 1_000_000);
        let mut text = Line::<LINE_BYTES>::new();
        // A line that is too long is cut, and shows it.
        let _ = write!(
            text,
            "{:5}.{:06} cpu{} {:5} {}",
            micros / 1_000_000,
            micros % 1_000_000,
            ppc64::PerCpu::current().index,
            record.level(),
            record.args()
        );
        line(text.as_str());
    }
    fn flush(&self) {}
}
