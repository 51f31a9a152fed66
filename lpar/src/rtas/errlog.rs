//! Error logs of version 6, as RTAS returns them: [`Log`].
//!
//! Source: LoPAR 2.9, "RTAS Event Return Format (Fixed Part)"; "RTAS General Extended Event Log Format, Version 6";
//! "Platform Event Log Format, Version 6", sections Main-A (PH), Main-B (UH), Primary SRC (PS) and EPOW (EP). User data is in sections
//! UD, whose content is the platform's to choose.

use crate::epow::SYSTEM_SHUTDOWN;
use crate::pci::PciFunction;
use crate::{GuestRam, Lpar};
use core::fmt::{self, Write};
use core::sync::atomic::Ordering::Relaxed;
use ioda::Pest;
use papr_abi::GuestRealAddr;

/// How grave it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Severity {
    Event = 1,
    Warning = 2,
    Error = 4,
}

/// How far the platform has recovered from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Disposition {
    NotRecovered = 2,
}

/// Bytes of the fixed part, with the length of the rest.
pub(super) const FIXED: usize = 8;
/// Of the extended part before the sections.
const EXTENDED: usize = 16;
/// Of a section before its content.
const HEADER: usize = 8;
/// Where Main-A counts the sections.
const COUNT_AT: usize = FIXED + EXTENDED + 0x1b;

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// An error of a PCI function.
    Pci,
    /// A warning, here that the partition is to shut itself down.
    Epow,
}

impl Subject {
    /// The initiator, and the target, where they are known.
    const fn initiator(self) -> u8 {
        match self {
            Self::Pci => 2,
            Self::Epow => 0,
        }
    }

    /// The type: a platform error, or an EPOW event.
    const fn kind(self) -> u8 {
        match self {
            Self::Pci => 224,
            Self::Epow => 64,
        }
    }
}

/// Registers of configuration space to tell of, by words: LoPAR's suggested minimum that every function has.
const REGISTERS: [u16; 5] = [0x00, 0x04, 0x08, 0x2c, 0x3c];

/// An error log that is being put together.
pub(super) struct Log {
    bytes: [u8; Self::MOST],
    used: usize,
    room: usize,
}

impl Log {
    /// The most bytes of a log: `rtas-error-log-max`.
    pub(super) const MOST: usize = 2048;

    /// A log for a buffer of `room` bytes: the fixed part, then the two main sections, if there is room for them
    /// and the third that a platform error must have.
    pub(super) fn new(
        lpar: &Lpar,
        room: usize,
        subject: Subject,
        severity: Severity,
        disposition: Disposition,
    ) -> Self {
        const MAIN: usize = FIXED + EXTENDED + 48 + 24 + 80;
        let is_extended = room >= MAIN;
        let mut log = Self {
            bytes: [0; Self::MOST],
            used: 0,
            room: if is_extended { room } else { FIXED },
        };
        let presence = if is_extended { 1 << 2 } else { 0 };
        log.put(&[
            6,
            (severity as u8) << 5 | (disposition as u8) << 3 | presence,
            subject.initiator() << 4 | subject.initiator(),
            subject.kind(),
            0,
            0,
            0,
            0,
        ]);
        if is_extended {
            // Valid, recoverable, new, big-endian; a platform event log in PowerPC format.
            log.put(&[0x80 | 0x20 | 0x04 | 0x02, 0, 0x80 | 14, 0]);
            log.put(&[0; 8]);
            log.put(b"IBM\0");
            log.main_a(lpar);
            log.main_b(subject, severity);
        }
        log
    }

    /// The log.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }

    /// When, by whom, and which it is.
    fn main_a(&mut self, lpar: &Lpar) {
        let mut content = [0; 40];
        if let Ok(now) = lpar.machine.clock.civil() {
            let bcd = |value: u8| ((value / 10 % 10) << 4) | (value % 10);
            let (century, year) = ((now.year / 100) as u8, (now.year % 100) as u8);
            let date = [century, year, now.month, now.day].map(bcd);
            let hundredths = (now.nanosecond / 10_000_000) as u8;
            let time = [now.hour, now.minute, now.second, hundredths].map(bcd);
            let place = content.iter_mut().zip(date.into_iter().chain(time));
            place.for_each(|(to, from)| *to = from);
        }
        // The hypervisor.
        set(&mut content, 0x10, b"H");
        let id = lpar.log_ids.fetch_add(1, Relaxed).wrapping_add(1);
        set(&mut content, 0x20, &id.to_be_bytes());
        self.section(*b"PH", &[&content]);
    }

    fn main_b(&mut self, subject: Subject, severity: Severity) {
        let mut content = [0; 16];
        let (subsystem, subtype) = match subject {
            // The I/O subsystem.
            Subject::Pci => (0x30, 0),
            // The external environment; a normal shutdown.
            Subject::Epow => (0xa0, 0xd0),
        };
        // No error; recovered, or unrecoverable as far as the platform goes.
        let event = match severity {
            Severity::Event => 0,
            Severity::Warning => 0x10,
            Severity::Error => 0x40,
        };
        set(&mut content, 0, &[subsystem, 0, event, subtype]);
        self.section(*b"UH", &[&content]);
    }

    /// Adds which function it is about, what the bridge has noted, and registers of the function.
    pub(super) fn function(&mut self, function: &PciFunction, cause: Pest) {
        let mut text = Text {
            bytes: [b' '; 32],
            used: 0,
        };
        // What is too long is cut.
        let _ = write!(text, "EEH {}", function.location);
        let mut content = [0; 72];
        // Version 2; as many words as the reference code has before its text.
        set(&mut content, 0, &[2, 0, 0, 9]);
        set(&mut content, 8, &function.ids.class.to_be_bytes());
        set(&mut content, 40, &text.bytes);
        self.section(*b"PS", &[&content]);
        let mut detail = [0; 16];
        set(&mut detail, 0, &cause.a.to_be_bytes());
        set(&mut detail, 8, &cause.b.to_be_bytes());
        let mut registers = [0; REGISTERS.len() * 4];
        let (words, _) = registers.as_chunks_mut::<4>();
        for (word, at) in words.iter_mut().zip(REGISTERS) {
            // What cannot be read gives ones, as the bus does.
            *word = function
                .access
                .read(at, 4)
                .unwrap_or(u32::MAX)
                .to_be_bytes();
        }
        self.section(*b"UD", &[&detail, &registers]);
    }

    /// Adds that the partition, and it alone, is to shut itself down without further delay.
    pub(super) fn shutdown(&mut self) {
        const NORMAL: u8 = 1;
        const THIS_PARTITION: u8 = 1;
        let mut content = [0; 12];
        set(&mut content, 0, &[SYSTEM_SHUTDOWN, NORMAL, THIS_PARTITION]);
        self.section(*b"EP", &[&content]);
    }

    /// Adds what a driver has at `at`, as far as there is room.
    pub(super) fn driver(&mut self, ram: &GuestRam, at: GuestRealAddr, bytes: u32) {
        let room = self.room.saturating_sub(self.used).saturating_sub(HEADER);
        let count = (bytes as usize).min(room) & !3;
        if count == 0 {
            return;
        }
        let start = self.used;
        self.header(*b"UD", count);
        let end = self.used.saturating_add(count);
        let place = self.bytes.get_mut(self.used..end);
        if place.is_some_and(|place| ram.read(at, place).is_ok()) {
            self.close(end);
        } else {
            self.used = start;
        }
    }

    /// Adds a section, or leaves it out where there is no room for all of it.
    fn section(&mut self, id: [u8; 2], content: &[&[u8]]) {
        let bytes = content.iter().map(|part| part.len()).sum::<usize>();
        let end = self.used.saturating_add(HEADER).saturating_add(bytes);
        if end > self.room {
            return;
        }
        self.header(id, bytes);
        content.iter().for_each(|part| self.put(part));
        self.close(end);
    }

    fn header(&mut self, id: [u8; 2], bytes: usize) {
        let length = bytes.saturating_add(HEADER) as u16;
        self.put(&id);
        self.put(&length.to_be_bytes());
        // Version 1, no subtype, no component.
        self.put(&[1, 0, 0, 0]);
    }

    /// Counts the section that ends at `end`.
    fn close(&mut self, end: usize) {
        self.used = end;
        if let Some(count) = self.bytes.get_mut(COUNT_AT) {
            *count = count.saturating_add(1);
        }
        let length = self.used.saturating_sub(FIXED) as u32;
        set(&mut self.bytes, 4, &length.to_be_bytes());
    }

    fn put(&mut self, bytes: &[u8]) {
        set(&mut self.bytes, self.used, bytes);
        self.used = self.used.saturating_add(bytes.len());
    }
}

/// Stores `bytes` at `at`; nothing where they do not fit.
fn set(to: &mut [u8], at: usize, bytes: &[u8]) {
    let place = at
        .checked_add(bytes.len())
        .and_then(|end| to.get_mut(at..end));
    if let Some(place) = place {
        place.copy_from_slice(bytes);
    }
}

struct Text {
    bytes: [u8; 32],
    used: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            *self.bytes.get_mut(self.used).ok_or(fmt::Error)? = byte;
            self.used = self.used.saturating_add(1);
        }
        Ok(())
    }
}
