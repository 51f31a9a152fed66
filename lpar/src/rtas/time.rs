//! Time of day. Source: LoPAR 2.9, "Time of Day".
//!
//! Each partition has a clock of its own: the machine's, which no partition changes, plus an offset.

use super::{Call, Failure, Inputs, Outputs, Row, RtasResult};
use crate::hcall::Caller;
use crate::machine::CivilTime;
use core::sync::atomic::Ordering::Relaxed;
use papr_abi::rtas::Status;

/// First year that a clock may show.
const FIRST_YEAR: u16 = 1970;
/// Last year that a clock may show; nanoseconds since [`FIRST_YEAR`] stay below 2^63 until 2262.
const LAST_YEAR: u16 = 2199;

const DAY_SECONDS: i64 = 86_400;
const NANOS: i64 = 1_000_000_000;

const fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn year_days(year: u16) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn month_days(year: u16, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the nanoseconds from the start of [`FIRST_YEAR`] to `time`; `None` for dates that do not
/// exist or lie outside the years that a clock may show.
pub(crate) fn to_nanos(time: &CivilTime) -> Option<i64> {
    let valid = (FIRST_YEAR..=LAST_YEAR).contains(&time.year)
        && (1..=12).contains(&time.month)
        && (1..=month_days(time.year, time.month)).contains(&time.day)
        && time.hour < 24
        && time.minute < 60
        && time.second < 60
        && i64::from(time.nanosecond) < NANOS;
    if !valid {
        return None;
    }
    let years: i64 = (FIRST_YEAR..time.year).map(year_days).sum();
    let months: i64 = (1..time.month)
        .map(|month| i64::from(month_days(time.year, month)))
        .sum();
    let days = years + months + i64::from(time.day) - 1;
    let minutes = i64::from(time.hour) * 60 + i64::from(time.minute);
    let seconds = days * DAY_SECONDS + minutes * 60 + i64::from(time.second);
    Some(seconds * NANOS + i64::from(time.nanosecond))
}

/// The opposite of [`to_nanos`].
pub(crate) fn from_nanos(nanos: i64) -> Option<CivilTime> {
    let seconds = nanos.div_euclid(NANOS);
    let of_day = seconds.rem_euclid(DAY_SECONDS);
    let mut days = u32::try_from(seconds.div_euclid(DAY_SECONDS)).ok()?;
    let mut year = FIRST_YEAR;
    while i64::from(days) >= year_days(year) {
        days -= year_days(year) as u32;
        year += 1;
        if year > LAST_YEAR {
            return None;
        }
    }
    let mut month = 1;
    while days >= month_days(year, month).into() {
        days -= u32::from(month_days(year, month));
        month += 1;
    }
    Some(CivilTime {
        year,
        month,
        day: days as u8 + 1,
        hour: (of_day / 3600) as u8,
        minute: (of_day / 60 % 60) as u8,
        second: (of_day % 60) as u8,
        nanosecond: nanos.rem_euclid(NANOS) as u32,
    })
}

fn machine_nanos(caller: &Caller<'_>) -> Result<i64, Failure> {
    let civil = caller.lpar.machine.clock.civil();
    let civil = civil.map_err(|_| Failure::new(Status::Hardware, "the clock failed"))?;
    to_nanos(&civil).ok_or(Failure::new(Status::Hardware, "the clock makes no sense"))
}

/// `get-time-of-day`: returns the partition's time, UTC.
///
/// Source: LoPAR 2.9, "get-time-of-day". No inputs. Outputs: year, month, day, hour, minute, second,
/// nanosecond. Failures:
/// - [`Status::Hardware`]: the machine's clock failed or shows a date that does not exist.
#[doc(alias = "get-time-of-day")]
#[derive(Debug)]
pub(super) struct GetTimeOfDay;

impl Call for GetTimeOfDay {
    const ROW: Row = Row::new(1, "get-time-of-day", 0, 8);

    fn decode(_: &Inputs) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn run(self, caller: &mut Caller<'_>, outputs: &mut Outputs) -> RtasResult {
        let offset = caller.lpar.time_offset_ns.load(Relaxed);
        let now = machine_nanos(caller)?
            .checked_add(offset)
            .and_then(from_nanos)
            .ok_or(Failure::new(Status::Hardware, "the clock ran out"))?;
        outputs.set::<1>(now.year.into());
        outputs.set::<2>(now.month.into());
        outputs.set::<3>(now.day.into());
        outputs.set::<4>(now.hour.into());
        outputs.set::<5>(now.minute.into());
        outputs.set::<6>(now.second.into());
        outputs.set::<7>(now.nanosecond);
        Ok(Status::Success)
    }
}

/// `set-time-of-day`: sets the partition's time, UTC, and nobody else's.
///
/// Source: LoPAR 2.9, "set-time-of-day"; "RTAS Access to Hypervisor Virtualized Resources", R1-4.
/// No outputs but the status. Failures, in this order:
/// - [`Status::Parameter`]: there is no such date and time, or its year is not 1970 to 2199.
/// - [`Status::Hardware`]: the machine's clock failed.
#[doc(alias = "set-time-of-day")]
#[derive(Debug)]
pub(super) struct SetTimeOfDay {
    /// The new time, as [`to_nanos`] counts.
    nanos: i64,
}

impl Call for SetTimeOfDay {
    const ROW: Row = Row::new(2, "set-time-of-day", 7, 1);

    /// Inputs: year, month, day, hour, minute, second, nanosecond.
    fn decode(
        &[year, month, day, hour, minute, second, nanosecond, ..]: &Inputs,
    ) -> Result<Self, Failure> {
        let no_such_time = Failure::parameter("no such date or time");
        let byte = |value: u32| u8::try_from(value).map_err(|_| no_such_time);
        let time = CivilTime {
            year: u16::try_from(year).map_err(|_| no_such_time)?,
            month: byte(month)?,
            day: byte(day)?,
            hour: byte(hour)?,
            minute: byte(minute)?,
            second: byte(second)?,
            nanosecond,
        };
        let nanos = to_nanos(&time).ok_or(no_such_time)?;
        Ok(Self { nanos })
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        let offset = self.nanos.saturating_sub(machine_nanos(caller)?);
        caller.lpar.time_offset_ns.store(offset, Relaxed);
        Ok(Status::Success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: u16, month: u8, day: u8) -> CivilTime {
        CivilTime {
            year,
            month,
            day,
            hour: 0,
            minute: 0,
            second: 0,
            nanosecond: 0,
        }
    }

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        for (time, days) in [
            (date(1970, 1, 1), 0),
            (date(1970, 12, 31), 364),
            (date(1972, 3, 1), 790),
            (date(2000, 2, 29), 11_016),
            (date(2026, 11, 23), 20_780),
            (date(2100, 3, 1), 47_541),
            (date(2199, 12, 31), 84_005),
        ] {
            let nanos = days * DAY_SECONDS * NANOS;
            assert_eq!(to_nanos(&time), Some(nanos), "{time:?}");
            assert_eq!(from_nanos(nanos), Some(time));
        }
    }

    #[test]
    fn every_day_comes_back_as_it_went_in() {
        let last = to_nanos(&date(2199, 12, 31)).unwrap();
        let step = DAY_SECONDS * NANOS + 1_234_567;
        for nanos in (0..last).step_by(step as usize) {
            let time = from_nanos(nanos).unwrap();
            assert_eq!(to_nanos(&time), Some(nanos));
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_no_dates() {
        for time in [
            date(1969, 12, 31),
            date(2200, 1, 1),
            date(2023, 2, 29),
            date(2100, 2, 29),
            date(2024, 4, 31),
            date(2024, 0, 1),
            date(2024, 13, 1),
            date(2024, 1, 0),
        ] {
            assert_eq!(to_nanos(&time), None, "{time:?}");
        }
        assert_eq!(from_nanos(-1), None);
        assert_eq!(from_nanos(i64::MAX), None);
    }
}
