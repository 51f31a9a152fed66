//! The console: a ring that partitions and the log write to, drained to the UART while a thread has
//! nothing better to do. No hcall waits for the UART.

use console::{Line, Ring};
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use lpar::machine::Terminal;
use powernv::{EccbLpc, Uart};
use realio::Io;
use spin::Mutex;

/// Bytes of output that may wait: half a boot of Linux.
const OUTPUT: usize = 64 * 1024;
/// Bytes of input that may wait.
const INPUT: usize = 256;
/// Bytes that a UART takes at once.
const CHUNK: usize = 16;

/// The UART's driver on POWER8: LPC behind XSCOM.
pub(crate) type MachineUart = Uart<EccbLpc<Io>>;

static OUT: Mutex<Ring<OUTPUT>> = Mutex::new(Ring::new());
static IN: Mutex<Ring<INPUT>> = Mutex::new(Ring::new());
static UART: Mutex<Option<MachineUart>> = Mutex::new(None);
static TIMEBASE_HZ: AtomicU64 = AtomicU64::new(512_000_000);

/// Starts the log, and the console on `uart`.
pub(crate) fn start(uart: MachineUart) {
    *UART.lock() = Some(uart);
    // Fails only when a logger was set before, which is this one.
    let _ = log::set_logger(&LOG);
    log::set_max_level(log::LevelFilter::Info);
}

/// Says how long a tick of the time base is, for time stamps.
pub(crate) fn set_timebase_hz(hz: u64) {
    TIMEBASE_HZ.store(hz.max(1), Relaxed);
}

/// Moves waiting output to the UART, at most `limit` bytes and no more than it takes, and input
/// from it. Returns whether output is left. Returns at once when another thread is at it.
pub(crate) fn service(limit: usize) -> bool {
    let Some(mut uart) = UART.try_lock() else {
        return false;
    };
    let Some(uart) = uart.as_mut() else {
        return false;
    };
    while let Ok(Some(byte)) = uart.read() {
        // What does not fit is lost, as on any serial line without flow control.
        if IN.lock().put(&[byte]) == 0 {
            break;
        }
    }
    let mut moved = 0;
    while moved < limit {
        let mut chunk = [0; CHUNK];
        let count = OUT.lock().peek(&mut chunk);
        let Some(bytes) = chunk.get(..count) else {
            break;
        };
        match uart.write(bytes) {
            Ok(0) | Err(_) => break,
            Ok(taken) => {
                OUT.lock().discard(taken);
                moved += taken;
            }
        }
    }
    !OUT.lock().is_empty()
}

/// Moves all output to the UART, waiting for it: only when the machine stops, or before partitions run.
pub(crate) fn flush() {
    /// Some seconds at 115200 baud.
    const PATIENCE: u64 = 8 * 512_000_000;
    let start = ppc64::spr::timebase();
    while service(usize::MAX) && ppc64::spr::timebase().wrapping_sub(start) < PATIENCE {
        ppc64::power::relax();
    }
}

/// Takes the locks from whoever holds them: the machine is stopping, and its holder may never go on.
pub(crate) fn seize() {
    for _ in 0..1_000_000 {
        if OUT.try_lock().is_some() && UART.try_lock().is_some() {
            return;
        }
        ppc64::power::relax();
    }
    crate::stop::break_lock(&OUT);
    crate::stop::break_lock(&UART);
}

/// Writes a line of the hypervisor's without a time stamp.
pub(crate) fn line(text: &str) {
    OUT.lock().put_line(text);
}

struct Log;
static LOG: Log = Log;

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        let ticks = ppc64::spr::timebase();
        let hz = TIMEBASE_HZ.load(Relaxed);
        let micros = (u128::from(ticks) * 1_000_000 / u128::from(hz)) as u64;
        let mut text = Line::<240>::new();
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
        OUT.lock().put_line(text.as_str());
    }
    fn flush(&self) {}
}

/// The terminal of the partition that owns the console.
#[derive(Debug)]
pub(crate) struct ConsoleTerminal;

impl Terminal for ConsoleTerminal {
    fn put(&self, bytes: &[u8]) -> usize {
        OUT.lock().put(bytes)
    }
    fn room(&self) -> usize {
        OUT.lock().room()
    }
    fn get(&self, to: &mut [u8]) -> usize {
        let mut ring = IN.lock();
        let mut count = 0;
        for slot in to {
            let Some(byte) = ring.pop() else { break };
            *slot = byte;
            count += 1;
        }
        count
    }
}
