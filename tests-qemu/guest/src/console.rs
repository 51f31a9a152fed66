//! Text on virtual terminal 0.

use crate::hcall::hcall;
use core::fmt::{self, Write};
use papr_abi::token;

/// Writes formatted text through H_PUT_TERM_CHAR, 16 bytes at a time.
pub(crate) struct Console {
    pending: [u8; 16],
    len: usize,
}

impl Console {
    /// A console with nothing pending.
    pub(crate) const fn new() -> Self {
        Self {
            pending: [0; 16],
            len: 0,
        }
    }
    /// Sends what is pending, waiting while the terminal is busy.
    pub(crate) fn flush(&mut self) {
        let chars = u128::from_be_bytes(self.pending);
        if self.len > 0 {
            while hcall(
                token::H_PUT_TERM_CHAR,
                [0, self.len as u64, (chars >> 64) as u64, chars as u64],
            )
            .status
                == 1
            {}
        }
        self.len = 0;
    }
}

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.pending[self.len] = byte;
            self.len += 1;
            if self.len == self.pending.len() {
                self.flush();
            }
        }
        Ok(())
    }
}

/// Writes one line.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let mut console = Console::new();
    let _ = console.write_fmt(text);
    let _ = console.write_str("\n");
    console.flush();
}

/// Writes text without ending the line.
pub(crate) fn part(text: fmt::Arguments<'_>) {
    let mut console = Console::new();
    let _ = console.write_fmt(text);
    console.flush();
}

macro_rules! println {
    ($($arg:tt)*) => { $crate::console::line(format_args!($($arg)*)) };
}
macro_rules! print {
    ($($arg:tt)*) => { $crate::console::part(format_args!($($arg)*)) };
}
pub(crate) use {print, println};
