//! Tests of the clock, against one in software that ticks and updates.
use core::cell::{Cell, RefCell};

use super::*;
use crate::lpc::tests::{chip, lpc};

const DEVICE: IsaDevice = IsaDevice {
    port: 0x70,
    irq: None,
    clock_hz: None,
};
const TIME: DateTime = DateTime {
    year: 2024,
    month: 2,
    day: 29,
    hour: 23,
    minute: 59,
    second: 58,
};

/// A chip whose time advances by a second when `until_tick` accesses to its data port have been made.
struct FakeRtc {
    memory: RefCell<[u8; 128]>,
    index: Cell<u8>,
    until_tick: Cell<u32>,
    /// Reads of register A that still show an update.
    updating: Cell<u32>,
}

impl Default for FakeRtc {
    fn default() -> Self {
        let mut memory = [0; 128];
        (memory[0xa], memory[0xb], memory[0xd]) = (0x26, 0x02, 0x80);
        Self {
            memory: RefCell::new(memory),
            index: Cell::new(0),
            until_tick: Cell::new(u32::MAX),
            updating: Cell::new(0),
        }
    }
}

impl FakeRtc {
    fn with(format: u8, hour: u8, rest: [u8; 6]) -> Self {
        let device = Self::default();
        {
            let [century, year, month, day, minute, second] = rest;
            let mut memory = device.memory.borrow_mut();
            memory[0xb] = format;
            for (at, value) in [
                (0x32, century),
                (9, year),
                (8, month),
                (7, day),
                (4, hour),
                (2, minute),
                (0, second),
            ] {
                memory[at] = value;
            }
        }
        device
    }

    /// One second on, for the carry that the tests need: BCD seconds into minutes.
    fn tick(&self) {
        let mut memory = self.memory.borrow_mut();
        if memory[0xb] & 0x80 != 0 {
            return;
        }
        memory[0] = match memory[0] {
            0x59 => {
                memory[2] += 1;
                0
            }
            second => second + 1,
        };
    }
}

impl IsaIo for FakeRtc {
    fn read8(&self, port: u16) -> Result<u8, LpcError> {
        assert_eq!(port, 0x71);
        match self.until_tick.get() {
            0 => {
                self.until_tick.set(u32::MAX);
                self.tick();
            }
            left => self.until_tick.set(left - 1),
        }
        let mut value = self.memory.borrow()[usize::from(self.index.get())];
        if self.index.get() == 0xa && self.updating.get() > 0 {
            self.updating.set(self.updating.get() - 1);
            value |= 0x80;
        }
        Ok(value)
    }
    fn write8(&self, port: u16, value: u8) -> Result<(), LpcError> {
        match port {
            0x70 => self.index.set(value & 0x7f),
            0x71 => {
                let mut memory = self.memory.borrow_mut();
                let index = self.index.get();
                assert!(
                    index >= 10 && index != 0x32 || memory[0xb] & 0x80 != 0,
                    "time written while it runs"
                );
                if index != 0xd {
                    memory[usize::from(index)] = value;
                }
            }
            _ => panic!("port {port:#x}"),
        }
        Ok(())
    }
}

fn time(hour: u8) -> DateTime {
    DateTime { hour, ..TIME }
}

#[test]
fn every_format_is_read() {
    let bcd = [0x20, 0x24, 0x02, 0x29, 0x59, 0x58];
    let binary = [20, 24, 2, 29, 59, 58];
    let cases = [
        (FakeRtc::with(0x02, 0x23, bcd), 23),
        (FakeRtc::with(0x00, 0x91, bcd), 23),
        (FakeRtc::with(0x00, 0x92, bcd), 12),
        (FakeRtc::with(0x00, 0x12, bcd), 0),
        (FakeRtc::with(0x00, 0x11, bcd), 11),
        (FakeRtc::with(0x06, 23, binary), 23),
        (FakeRtc::with(0x04, 0x80 | 11, binary), 23),
        (FakeRtc::with(0x04, 12, binary), 0),
    ];
    for (device, hour) in cases {
        assert_eq!(Rtc::new(&device, &DEVICE).read(), Ok(time(hour)));
    }
}

#[test]
fn every_format_is_set_and_read_back() {
    for format in [0, 2, 4, 6] {
        for hour in 0..24 {
            let device = FakeRtc::with(format, 0, [0; 6]);
            let rtc = Rtc::new(&device, &DEVICE);
            assert_eq!(rtc.set(&time(hour)), Ok(()));
            assert_eq!(rtc.read(), Ok(time(hour)));
            let memory = device.memory.borrow();
            assert_eq!(
                (memory[0xb], memory[6]),
                (format, 5),
                "format kept, running, a Thursday"
            );
        }
    }
}

#[test]
fn setting_starts_a_clock_that_stands() {
    let device = FakeRtc::default();
    device.memory.borrow_mut()[0xa] = 0x66;
    device.memory.borrow_mut()[0xb] = 0x82;
    Rtc::new(&device, &DEVICE).set(&TIME).unwrap();
    assert_eq!(
        (device.memory.borrow()[0xa], device.memory.borrow()[0xb]),
        (0x26, 0x02)
    );
}

#[test]
fn a_reading_across_a_tick_is_done_again() {
    // The tick comes between minutes and seconds: 10:59 would read as 10:00.
    for access in 0..40 {
        let device = FakeRtc::with(0x02, 0x10, [0x20, 0x24, 0x02, 0x28, 0x10, 0x59]);
        device.until_tick.set(access);
        let read = Rtc::new(&device, &DEVICE).read().unwrap();
        assert!(
            matches!((read.minute, read.second), (10, 59) | (11, 0)),
            "{access}: {read:?}"
        );
    }
}

#[test]
fn an_update_is_waited_for_but_not_for_ever() {
    let device = FakeRtc::with(0x02, 0x23, [0x20, 0x24, 0x02, 0x29, 0x59, 0x58]);
    device.updating.set(100);
    assert_eq!(Rtc::new(&device, &DEVICE).read(), Ok(TIME));
    assert_eq!(device.updating.get(), 0);
    device.updating.set(u32::MAX);
    assert_eq!(Rtc::new(&device, &DEVICE).read(), Err(RtcError::Unsteady));
}

#[test]
fn what_is_no_time_is_refused() {
    let cases = [
        FakeRtc::with(0x02, 0x24, [0x20, 0x24, 0x02, 0x29, 0, 0]),
        FakeRtc::with(0x02, 0x1a, [0x20, 0x24, 0x02, 0x29, 0, 0]),
        FakeRtc::with(0x00, 0x13, [0x20, 0x24, 0x02, 0x29, 0, 0]),
        FakeRtc::with(0x02, 0, [0x20, 0x23, 0x02, 0x29, 0, 0]),
        FakeRtc::with(0x02, 0, [0x20, 0x24, 0x13, 0x01, 0, 0]),
        FakeRtc::with(0x02, 0, [0x20, 0xff, 0x12, 0x01, 0, 0]),
        FakeRtc::with(0x02, 0, [0x20, 0x24, 0x00, 0x01, 0, 0]),
        FakeRtc::with(0x02, 0, [0x20, 0x24, 0x01, 0x00, 0, 0]),
        FakeRtc::with(0x06, 0, [20, 100, 1, 1, 0, 0]),
        FakeRtc::with(0x06, 0, [20, 24, 1, 1, 60, 0]),
    ];
    for device in cases {
        assert_eq!(Rtc::new(&device, &DEVICE).read(), Err(RtcError::NotATime));
    }
    let device = FakeRtc::default();
    let wrong = DateTime { day: 30, ..TIME };
    assert_eq!(
        Rtc::new(&device, &DEVICE).set(&wrong),
        Err(RtcError::NotATime)
    );
    device.memory.borrow_mut()[0xd] = 0;
    assert_eq!(Rtc::new(&device, &DEVICE).read(), Err(RtcError::PowerLost));
}

#[test]
fn a_chip_without_a_century_is_in_this_one() {
    let device = FakeRtc::with(0x02, 0x23, [0x00, 0x24, 0x02, 0x29, 0x59, 0x58]);
    assert_eq!(Rtc::new(&device, &DEVICE).read(), Ok(TIME));
}

#[test]
fn weekdays_and_leap_years() {
    let date = |year, month, day| DateTime {
        year,
        month,
        day,
        hour: 0,
        minute: 0,
        second: 0,
    };
    let weekdays = [
        date(1970, 1, 1),
        date(2000, 2, 29),
        date(2023, 12, 31),
        date(2038, 1, 19),
        date(1900, 3, 1),
    ];
    assert_eq!(weekdays.map(|date| date.weekday()), [4, 2, 0, 2, 4]);
    assert!(
        !date(1900, 2, 29).is_valid()
            && !date(2100, 2, 29).is_valid()
            && date(2000, 2, 29).is_valid()
    );
    assert!(
        !date(1899, 12, 31).is_valid()
            && !date(2024, 4, 31).is_valid()
            && !date(10_000, 1, 1).is_valid()
    );
}

#[test]
fn it_works_through_lpc_and_xscom() {
    let chip = chip(FakeRtc::default());
    let rtc = Rtc::new(lpc(&chip), &DEVICE);
    rtc.set(&TIME).unwrap();
    assert_eq!(rtc.read(), Ok(TIME));
}
