//! An MC146818 compatible real-time clock: [`Rtc`] and [`DateTime`].
//!
//! Source: Motorola MC146818 data sheet, "Address Map" and "Registers"; the century is where the ACPI specification's
//! FADT lets PCs have it, and QEMU and skiboot look for it.

use core::fmt;

use crate::chip::IsaDevice;
use crate::io::IsaIo;
use crate::lpc::LpcError;

/// Registers of the chip.
const SECONDS: u8 = 0x00;
const MINUTES: u8 = 0x02;
const HOURS: u8 = 0x04;
const WEEKDAY: u8 = 0x06;
const DAY: u8 = 0x07;
const MONTH: u8 = 0x08;
const YEAR: u8 = 0x09;
const REGISTER_A: u8 = 0x0a;
const REGISTER_B: u8 = 0x0b;
const REGISTER_D: u8 = 0x0d;
const CENTURY: u8 = 0x32;

/// Register A: an update is near or under way; the divider, which runs at 2 for a 32768 Hz crystal.
const UPDATE_IN_PROGRESS: u8 = 0x80;
const DIVIDER: u8 = 0x70;
const DIVIDER_RUNNING: u8 = 0x20;
/// Register B: no updates; values are binary, not BCD; hours count to 24.
const SET: u8 = 0x80;
const BINARY: u8 = 0x04;
const HOURS_24: u8 = 0x02;
/// Register D: the time survived without mains.
const VALID: u8 = 0x80;
/// Hours, where they count to 12: afternoon.
const PM: u8 = 0x80;

/// Polls for the end of an update, which takes 2.2 ms at most; a poll is two accesses of a microsecond or more each.
const UPDATE_POLLS: u32 = 20_000;
/// Tries for two readings alike; the clock ticks once a second, so the second or third is.
const READ_TRIES: u32 = 8;

/// A time of day of the Gregorian calendar. The clock's time zone is UTC by convention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime {
    /// 1900 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

impl DateTime {
    /// Whether each field is in range, and the month has that day.
    pub fn is_valid(&self) -> bool {
        let leap = self.year.is_multiple_of(4)
            && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let days = match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            _ => 0,
        };
        matches!(self.year, 1900..=9999)
            && (1..=days).contains(&self.day)
            && matches!((self.hour, self.minute, self.second), (0..24, 0..60, 0..60))
    }

    /// Day of the week, Sunday 0.
    fn weekday(&self) -> u8 {
        // Sakamoto's method: January and February count to the year before.
        const MONTHS: [u8; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
        let month = usize::from(self.month.saturating_sub(1));
        let year = u32::from(self.year.saturating_sub(u16::from(self.month < 3)));
        let days = [
            year,
            year / 4,
            year / 400,
            MONTHS.get(month).copied().unwrap_or(0).into(),
            self.day.into(),
        ];
        (days
            .iter()
            .fold(0, |sum: u32, part| sum.saturating_add(*part))
            .saturating_sub(year / 100)
            % 7) as u8
    }
}

/// Why the clock was not read or set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcError {
    /// The bus in front of it failed.
    Lpc(LpcError),
    /// It never finished an update, or never read the same twice.
    Unsteady,
    /// It lost its battery: its time means nothing until it is set.
    PowerLost,
    /// That is no date and time.
    NotATime,
}

impl From<LpcError> for RtcError {
    fn from(error: LpcError) -> Self {
        Self::Lpc(error)
    }
}

impl fmt::Display for RtcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lpc(error) => error.fmt(f),
            Self::Unsteady => f.write_str("the clock does not come to rest"),
            Self::PowerLost => f.write_str("the clock has lost its battery"),
            Self::NotATime => f.write_str("not a date and time"),
        }
    }
}

impl core::error::Error for RtcError {}

/// An MC146818 compatible clock, in whichever format it was set up for (BCD or binary, 12 or 24 hours).
///
/// An access takes two ports: the caller holds one lock over each method.
#[derive(Debug, Clone, Copy)]
pub struct Rtc<P> {
    io: P,
    base: u16,
}

impl<P: IsaIo> Rtc<P> {
    /// The clock at the ports of `device` ([`crate::Lpc::rtc`]).
    pub const fn new(io: P, device: &IsaDevice) -> Self {
        Self {
            io,
            base: device.port,
        }
    }

    /// Reads date and time.
    ///
    /// # Errors
    /// Any [`RtcError`]. [`RtcError::NotATime`]: the chip's registers hold no date and time.
    pub fn read(&self) -> Result<DateTime, RtcError> {
        if self.register(REGISTER_D)? & VALID == 0 {
            return Err(RtcError::PowerLost);
        }
        let mut before = None;
        for _ in 0..READ_TRIES {
            self.wait_for_update()?;
            let now = self.snapshot()?;
            if before == Some(now) {
                return now
                    .decode(self.register(REGISTER_B)?)
                    .ok_or(RtcError::NotATime);
            }
            before = Some(now);
        }
        Err(RtcError::Unsteady)
    }

    /// Sets date and time, and starts the clock if it stands.
    ///
    /// # Errors
    /// [`RtcError::NotATime`] before anything is written; [`RtcError::Lpc`].
    pub fn set(&self, time: &DateTime) -> Result<(), RtcError> {
        if !time.is_valid() {
            return Err(RtcError::NotATime);
        }
        let format = self.register(REGISTER_B)? & !SET;
        let Snapshot {
            century,
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = Snapshot::encode(time, format);
        let weekday = time.weekday().saturating_add(1);
        self.set_register(REGISTER_B, format | SET)?;
        let values = [
            (SECONDS, second),
            (MINUTES, minute),
            (HOURS, hour),
            (WEEKDAY, weekday),
            (DAY, day),
            (MONTH, month),
            (YEAR, year),
            (CENTURY, century),
        ];
        for (register, value) in values {
            self.set_register(register, value)?;
        }
        let control = self.register(REGISTER_A)?;
        if control & DIVIDER != DIVIDER_RUNNING {
            self.set_register(REGISTER_A, control & !DIVIDER | DIVIDER_RUNNING)?;
        }
        Ok(self.set_register(REGISTER_B, format)?)
    }

    fn wait_for_update(&self) -> Result<(), RtcError> {
        for _ in 0..UPDATE_POLLS {
            if self.register(REGISTER_A)? & UPDATE_IN_PROGRESS == 0 {
                return Ok(());
            }
        }
        Err(RtcError::Unsteady)
    }

    fn snapshot(&self) -> Result<Snapshot, LpcError> {
        Ok(Snapshot {
            century: self.register(CENTURY)?,
            year: self.register(YEAR)?,
            month: self.register(MONTH)?,
            day: self.register(DAY)?,
            hour: self.register(HOURS)?,
            minute: self.register(MINUTES)?,
            second: self.register(SECONDS)?,
        })
    }

    fn register(&self, register: u8) -> Result<u8, LpcError> {
        self.io.write8(self.base, register)?;
        self.io.read8(self.base.wrapping_add(1))
    }

    fn set_register(&self, register: u8, value: u8) -> Result<(), LpcError> {
        self.io.write8(self.base, register)?;
        self.io.write8(self.base.wrapping_add(1), value)
    }
}

/// The time registers as the chip has them.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Snapshot {
    century: u8,
    year: u8,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

impl Snapshot {
    /// The time in the format that register B shows.
    fn decode(self, format: u8) -> Option<DateTime> {
        let number = |value| {
            if format & BINARY != 0 {
                Some(value)
            } else {
                from_bcd(value)
            }
        };
        let hour = match format & HOURS_24 {
            0 => {
                let afternoon = if self.hour & PM != 0 { 12 } else { 0 };
                match number(self.hour & !PM)? {
                    12 => afternoon,
                    hour @ 1..=11 => hour.saturating_add(afternoon),
                    _ => return None,
                }
            }
            _ => number(self.hour)?,
        };
        // Not every chip has a century; what cannot be one is taken for the present.
        let century = number(self.century)
            .filter(|century| matches!(century, 19..=99))
            .unwrap_or(20);
        let year = number(self.year).filter(|year| *year < 100)?;
        let time = DateTime {
            year: u16::from(century)
                .saturating_mul(100)
                .saturating_add(year.into()),
            month: number(self.month)?,
            day: number(self.day)?,
            hour,
            minute: number(self.minute)?,
            second: number(self.second)?,
        };
        time.is_valid().then_some(time)
    }

    /// The registers for a valid `time`, in that format.
    fn encode(time: &DateTime, format: u8) -> Self {
        let number = |value| {
            if format & BINARY != 0 {
                value
            } else {
                to_bcd(value)
            }
        };
        let hour = match (format & HOURS_24, time.hour) {
            (0, 0) => number(12),
            (0, hour @ 1..=11) => number(hour),
            (0, 12) => number(12) | PM,
            (0, hour) => number(hour.saturating_sub(12)) | PM,
            (_, hour) => number(hour),
        };
        Self {
            century: number((time.year / 100) as u8),
            year: number((time.year % 100) as u8),
            month: number(time.month),
            day: number(time.day),
            hour,
            minute: number(time.minute),
            second: number(time.second),
        }
    }
}

fn from_bcd(value: u8) -> Option<u8> {
    let (tens, ones) = (value >> 4, value & 0xf);
    (tens < 10 && ones < 10).then(|| tens.saturating_mul(10).saturating_add(ones))
}

/// `value` is below 100.
fn to_bcd(value: u8) -> u8 {
    ((value / 10) << 4) | (value % 10)
}

#[cfg(test)]
mod tests;
