//! The consoles of all partitions, the log and the monitor on the one UART: here are the locks and the device, the crate
//! `console` decides. Moved while a thread has nothing better to do, or at its tick; no hcall waits for the UART.
//!
//! Lock order: `LINE` → one console's ring, or `LOG`. The monitor (`operator`) runs without `LINE`.

use crate::{memory, operator, program, trace};
use alloc::string::String;
use alloc::vec::Vec;
use console::{LogLine, LogRing, Mark, Mux, Output, Ring, Routed, Sources, View};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use frames::{MAX_ENCODED, Request};
use lock::Mutex;
use lpar::machine::Terminal;
use powernv::{EccbLpc, Uart};
use realio::Io;
use realmem::NoMemory;
use spin::Once;

pub(crate) use self::log::{last_lines, line, set_timebase_hz};
mod log;

/// Bytes of a console's output that are kept: half a boot of Linux. Of those, so many wait at most.
const OUTPUT: u64 = 64 * 1024;
const KEPT: usize = 8 * 1024;
/// Bytes of input that may wait, for each console.
const INPUT: usize = 256;
/// Lines of the log that are kept.
const LOG_LINES: usize = 512;
/// Bytes that a UART takes at once.
const CHUNK: usize = 16;
/// Bytes read from the UART in one go.
const INPUT_BURST: usize = 64;
/// Ticks in a millisecond at the 512 MHz of every POWER machine.
const MILLISECOND: u64 = 512_000;
const SECOND: u64 = 1000 * MILLISECOND;
/// How often the UART is looked at while nothing waits to be sent.
const POLL: u64 = 5 * MILLISECOND;
/// How long after something was typed more is expected.
const TYPING: u64 = 50 * MILLISECOND;
/// How long a line may wait for its end while several consoles are shown.
const PATIENCE: u64 = 200 * MILLISECOND;

/// The UART's driver on POWER8: LPC behind XSCOM.
pub(crate) type MachineUart = Uart<EccbLpc<Io>>;

struct SerialLine {
    uart: Option<MachineUart>,
    mux: Mux,
    typed_at: Option<u64>,
}

static LINE: Mutex<SerialLine> = Mutex::new(SerialLine {
    uart: None,
    mux: Mux::new(),
    typed_at: None,
});
static LOG: Mutex<LogRing<LOG_LINES>> = Mutex::new(LogRing::new());
static CONSOLES: Once<Vec<Console>> = Once::new();
/// Whether something may wait to be sent, and when the UART was last looked at.
static WAITING: AtomicBool = AtomicBool::new(false);
static LOOKED_AT: AtomicU64 = AtomicU64::new(0);
/// Whether the machine stops.
static SEIZED: AtomicBool = AtomicBool::new(false);
/// The index of the console that is attached to; a large one when none is.
static FOREGROUND: AtomicU32 = AtomicU32::new(u32::MAX);

/// A partition's console.
pub(crate) struct Console {
    number: u32,
    name: String,
    output: Mutex<Ring<&'static mut [u8]>>,
    input: Mutex<Ring<[u8; INPUT]>>,
}

/// Starts the log, and the console on `uart`.
pub(crate) fn start(uart: MachineUart) {
    let mut line = LINE.lock();
    line.uart = Some(uart);
    line.mux.set_patience(PATIENCE);
    drop(line);
    log::start();
}

/// Makes the consoles of the `partitions`, numbers and names.
///
/// # Errors
/// [`NoMemory`] for their rings.
pub(crate) fn open<'a>(partitions: impl Iterator<Item = (u32, &'a str)>) -> Result<(), NoMemory> {
    let mut consoles = Vec::new();
    for (number, name) in partitions {
        let bytes = memory::take_bytes(OUTPUT)?;
        consoles.push(Console {
            number,
            name: name.into(),
            output: Mutex::new(Ring::new(bytes, KEPT)),
            input: Mutex::new(Ring::new([0; INPUT], 0)),
        });
    }
    CONSOLES.call_once(|| consoles);
    let mut line = LINE.lock();
    line.mux.begin(&All);
    line.note_foreground();
    Ok(())
}

/// Returns the console of partition `number`, if it has one.
pub(crate) fn of(number: u32) -> Option<&'static Console> {
    all().iter().find(|console| console.number == number)
}

fn all() -> &'static [Console] {
    CONSOLES.get().map_or(&[], Vec::as_slice)
}

/// Moves waiting output to the UART, at most `limit` bytes and no more than it takes, and input
/// from it. Returns whether more is to be moved soon. Returns at once when another thread is at it.
#[inline]
pub(crate) fn service(limit: usize) -> bool {
    let now = ppc64::spr::timebase();
    if !WAITING.load(Relaxed) && now.wrapping_sub(LOOKED_AT.load(Relaxed)) < POLL {
        return false;
    }
    move_bytes(limit, now)
}

#[cold]
fn move_bytes(limit: usize, now: u64) -> bool {
    let Some(mut line) = LINE.try_lock() else {
        return false;
    };
    LOOKED_AT.store(now, Relaxed);
    // Whoever puts something from now on says so again; should this store come late, POLL helps.
    WAITING.store(false, Relaxed);
    let typing = line.receive(now);
    let left = line.send(limit, now);
    if line.mux.broken() {
        operator::broken();
    }
    drop(line);
    // It may take other locks, and a while; the line is another thread's meanwhile.
    let busy = !SEIZED.load(Relaxed) && operator::work();
    if left || busy {
        WAITING.store(true, Relaxed);
    }
    left || busy || typing
}

/// Shows something else on the line.
pub(crate) fn show(view: View) {
    let mut line = LINE.lock();
    line.mux.show(view, &All);
    line.note_foreground();
}

/// Attaches the line to the console of partition `number`, if it has one.
pub(crate) fn attach(number: u32) {
    if let Some(console) = all().iter().position(|console| console.number == number) {
        show(View::Console(console));
    }
}

impl Console {
    /// Puts what is typed for it where it finds that; returns how many bytes fit.
    pub(crate) fn type_in(&self, bytes: &[u8]) -> usize {
        self.input.lock().put(bytes)
    }

    /// Returns how many bytes were printed, and how many of them wait.
    pub(crate) fn usage(&self) -> (u64, usize) {
        let output = self.output.lock();
        (output.position(), output.pending())
    }
}

impl SerialLine {
    /// Takes what was typed to whom it is for. Returns whether more may come soon.
    fn receive(&mut self, now: u64) -> bool {
        let Some(uart) = self.uart.as_mut() else {
            return false;
        };
        for _ in 0..INPUT_BURST {
            let Ok(Some(byte)) = uart.read() else { break };
            self.typed_at = Some(now);
            match self.mux.input(byte, &All) {
                // What does not fit is lost, as on any serial line without flow control.
                Routed::Console(console, byte) => {
                    if let Some(console) = all().get(console) {
                        console.type_in(&[byte]);
                    }
                }
                Routed::Monitor(byte) => operator::typed(byte),
                Routed::EnterMonitor => operator::enter(),
                Routed::Request => serve(&mut self.mux),
                Routed::Nobody => {}
            }
        }
        self.note_foreground();
        self.typed_at
            .is_some_and(|at| now.wrapping_sub(at) < TYPING)
    }

    fn note_foreground(&self) {
        trace::set_counting(self.mux.view() == View::Program);
        let console = match self.mux.view() {
            View::Console(console) => console as u32,
            View::All | View::Monitor | View::Program => u32::MAX,
        };
        FOREGROUND.store(console, Relaxed);
    }

    /// Sends at most `limit` bytes. Returns whether some are left.
    fn send(&mut self, limit: usize, now: u64) -> bool {
        let Some(uart) = self.uart.as_mut() else {
            return false;
        };
        let mut moved = 0;
        while moved < limit {
            self.mux.fill(&All, now);
            let mut chunk = [0; CHUNK];
            let count = self.mux.peek(&mut chunk);
            if count == 0 && self.mux.is_idle() {
                break;
            }
            match uart.write(chunk.get(..count).unwrap_or_default()) {
                Ok(0) if count > 0 => break,
                Err(_) => break,
                Ok(taken) => {
                    self.mux.discard(taken);
                    // What was looked at and gave nothing to send counts too: there may be no end to it.
                    moved += taken.max(1);
                }
            }
        }
        !self.mux.is_idle()
    }
}

/// Does what a program asks for: nothing before it has said hello.
fn serve(mux: &mut Mux) {
    let Some((tag, request)) = mux.request() else {
        return;
    };
    let is_listening = mux.view() == View::Program;
    match request {
        Ok(Request::Hello { .. }) => {
            operator::enter();
            program::asked(tag, request);
            mux.show(View::Program, &All);
        }
        Ok(Request::Bye) if is_listening => mux.show(View::All, &All),
        _ if is_listening => program::asked(tag, request),
        _ => {}
    }
}

/// Moves all output to the UART, waiting for it: only when the machine stops, or before partitions run.
pub(crate) fn flush() {
    flush_within(8 * SECOND);
}

fn flush_within(ticks: u64) {
    let start = ppc64::spr::timebase();
    while move_bytes(usize::MAX, ppc64::spr::timebase())
        && ppc64::spr::timebase().wrapping_sub(start) < ticks
    {
        ppc64::power::relax();
    }
}

/// Takes the locks from whoever holds them: the machine is stopping, and its holder may never go on. What
/// partitions have printed goes out first, in a bounded time, before anything that is said from now on.
pub(crate) fn seize() {
    for _ in 0..1_000_000 {
        if LOG.try_lock().is_some() && LINE.try_lock().is_some() {
            break;
        }
        ppc64::power::relax();
    }
    crate::stop::break_lock(&LOG);
    crate::stop::break_lock(&LINE);
    for console in all() {
        crate::stop::break_lock(&console.output);
        crate::stop::break_lock(&console.input);
    }
    operator::seize();
    program::seize();
    // A failure in what follows must not come back here for ever.
    if !SEIZED.swap(true, Relaxed) {
        let mut line = LINE.lock();
        // Unfinished lines: nobody will end them.
        line.mux.set_patience(0);
        // Whoever looks on now is to see why.
        if line.mux.view() == View::Program {
            line.mux.show(View::All, &All);
        }
        drop(line);
        flush_within(2 * SECOND);
    }
}

/// Where the line's bytes come from.
struct All;

impl Sources for All {
    fn consoles(&self) -> usize {
        all().len()
    }
    fn partition(&self, console: usize) -> (u32, &str) {
        all()
            .get(console)
            .map_or((0, ""), |console| (console.number, &console.name))
    }
    fn output(&self, console: usize, see: &mut dyn FnMut(&mut dyn Output)) {
        if let Some(console) = all().get(console) {
            see(&mut *console.output.lock());
        }
    }
    fn log_mark(&self) -> Option<Mark> {
        LOG.lock().first().map(LogLine::mark)
    }
    fn log_line(&self) -> Option<LogLine> {
        LOG.lock().take()
    }
    fn lost_lines(&self) -> Option<u32> {
        LOG.lock().lost()
    }
    fn monitor(&self, to: &mut [u8]) -> usize {
        operator::output(to)
    }
    fn is_monitor_busy(&self) -> bool {
        operator::is_busy()
    }
    fn reply(&self, to: &mut [u8; MAX_ENCODED]) -> usize {
        program::take(to)
    }
}

impl Terminal for Console {
    fn put(&self, bytes: &[u8]) -> usize {
        let count = self.output.lock().put(bytes);
        WAITING.store(true, Relaxed);
        count
    }
    fn room(&self) -> usize {
        self.output.lock().room()
    }
    fn get(&self, to: &mut [u8]) -> usize {
        self.input.lock().take(to)
    }
}
