//! The console: lines written to the UART, each as a whole.

use console::Line;
use core::fmt::{Arguments, Write};
use lock::Mutex;
use powernv::{EccbLpc, IsaDevice, Pcb, Uart, Xscom};
use realio::{IO, Io};

/// Where every POWER8 system has its first chip's XSCOM window. Source: skiboot `include/chip.h`, QEMU powernv8.
pub(crate) const XSCOM: u64 = 0x0003_fc00_0000_0000;
/// The LPC bus's first register.
const ECCB: Pcb = Pcb(0xb0020);
/// The first serial port.
const UART: IsaDevice = IsaDevice {
    port: 0x3f8,
    irq: Some(4),
    clock_hz: None,
};

static OUT: Mutex<Option<Uart<EccbLpc<Io>>>> = Mutex::new(None);

/// The LPC bus.
pub(crate) fn lpc() -> EccbLpc<Io> {
    EccbLpc::new(Xscom::new(IO, XSCOM), ECCB)
}

/// Starts the console.
pub(crate) fn start() {
    if let Ok(uart) = Uart::new(lpc(), &UART) {
        *OUT.lock() = uart;
    }
}

/// Writes a line, its own line ends as `; `. A long one is cut.
pub(crate) fn line(args: Arguments<'_>) {
    /// Writes one line.
    struct Flat(Line<600>);
    impl Write for Flat {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            for (number, part) in text.split('\n').enumerate() {
                if number > 0 {
                    self.0.write_str("; ")?;
                }
                self.0.write_str(part)?;
            }
            Ok(())
        }
    }
    // Formatted before the lock is taken: what is shown may panic.
    let mut text = Flat(Line::new());
    // It fails when the line is full, which it then shows.
    let _ = text.write_fmt(args);
    let mut out = OUT.lock();
    let Some(uart) = out.as_mut() else { return };
    for mut bytes in [text.0.as_str().as_bytes(), b"\r\n"] {
        while !bytes.is_empty() {
            match uart.write(bytes) {
                Ok(taken) => bytes = bytes.get(taken..).unwrap_or_default(),
                Err(_) => return,
            }
        }
    }
}

/// Writes a line.
macro_rules! println {
    ($($arg:tt)*) => { $crate::print::line(format_args!($($arg)*)) };
}
pub(crate) use println;
