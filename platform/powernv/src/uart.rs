//! A 16550 compatible UART, without interrupts: [`Uart`].
//!
//! Source: National Semiconductor PC16550D data sheet, section 8, "Registers".

use crate::chip::IsaDevice;
use crate::io::IsaIo;
use crate::lpc::LpcError;

/// Registers, from the first port.
const DATA: u16 = 0;
const INTERRUPT_ENABLE: u16 = 1;
const INTERRUPT_ID: u16 = 2;
const FIFO_CONTROL: u16 = 2;
const LINE_CONTROL: u16 = 3;
const MODEM_CONTROL: u16 = 4;
const LINE_STATUS: u16 = 5;
const SCRATCH: u16 = 7;
/// The divisor's bytes, while `DIVISOR_LATCH` is set.
const DIVISOR_LOW: u16 = 0;
const DIVISOR_HIGH: u16 = 1;

/// FIFO control: enable both FIFOs and empty them.
const FIFO_ENABLE_AND_CLEAR: u8 = 0x07;
/// Interrupt identification 7:6: the FIFOs are on.
const FIFOS_ON: u8 = 0xc0;
/// Line control: eight data bits, no parity, one stop bit.
const EIGHT_N_ONE: u8 = 0x03;
const DIVISOR_LATCH: u8 = 0x80;
/// Modem control: data terminal ready, request to send.
const DTR_RTS: u8 = 0x03;
/// Line status: a byte was received; it came with a parity error, framing error or break; there is room in the
/// transmitter (in FIFO mode: its FIFO is empty).
const RECEIVED: u8 = 0x01;
const DAMAGED: u8 = 0x1c;
const TRANSMITTER_EMPTY: u8 = 0x20;

/// Clock of a UART whose tree node names none.
const DEFAULT_CLOCK_HZ: u32 = 1_843_200;
/// Clocks to a bit, per unit of the divisor.
const OVERSAMPLING: u32 = 16;
const BAUD: u32 = 115_200;
/// Bytes that the transmit FIFO takes.
const FIFO_BYTES: u8 = 16;

/// A 16550 compatible UART at 115200 8N1, polled.
///
/// No method waits: what does not fit stays with the caller.
#[derive(Debug)]
pub struct Uart<P> {
    io: P,
    base: u16,
    /// Bytes that an empty transmitter takes.
    capacity: u8,
    /// Bytes that it is known to take now.
    room: u8,
}

impl<P: IsaIo> Uart<P> {
    /// Sets the UART up, dropping what is in its FIFOs. `None` if there is none.
    ///
    /// # Errors
    /// [`LpcError`] of the bus.
    pub fn new(io: P, device: &IsaDevice) -> Result<Option<Self>, LpcError> {
        let mut uart = Self {
            io,
            base: device.port,
            capacity: 1,
            room: 0,
        };
        uart.write_register(INTERRUPT_ENABLE, 0)?;
        for probe in [0x5a, 0xa5] {
            uart.write_register(SCRATCH, probe)?;
            if uart.read_register(SCRATCH)? != probe {
                return Ok(None);
            }
        }
        let [high, low] = divisor(device.clock_hz.unwrap_or(DEFAULT_CLOCK_HZ)).to_be_bytes();
        uart.write_register(LINE_CONTROL, DIVISOR_LATCH | EIGHT_N_ONE)?;
        uart.write_register(DIVISOR_LOW, low)?;
        uart.write_register(DIVISOR_HIGH, high)?;
        uart.write_register(LINE_CONTROL, EIGHT_N_ONE)?;
        uart.write_register(FIFO_CONTROL, FIFO_ENABLE_AND_CLEAR)?;
        uart.write_register(MODEM_CONTROL, DTR_RTS)?;
        if uart.read_register(INTERRUPT_ID)? & FIFOS_ON == FIFOS_ON {
            uart.capacity = FIFO_BYTES;
        }
        Ok(Some(uart))
    }

    /// Transmits as many of the first `bytes` as there is room for, and returns how many; up to 16 after one look at
    /// the line status.
    ///
    /// # Errors
    /// [`LpcError`] of the bus; some of the bytes may have gone.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, LpcError> {
        if !bytes.is_empty() && self.room == 0 {
            self.line_status()?;
        }
        let fitting = bytes.get(..usize::from(self.room)).unwrap_or(bytes);
        for byte in fitting {
            self.write_register(DATA, *byte)?;
            self.room = self.room.saturating_sub(1);
        }
        Ok(fitting.len())
    }

    /// The next byte received, if there is one. Bytes damaged on the line, and breaks, are dropped.
    ///
    /// # Errors
    /// [`LpcError`] of the bus.
    pub fn read(&mut self) -> Result<Option<u8>, LpcError> {
        // The receive FIFO holds 16; more damaged bytes than that are a line gone bad, for the next call.
        for _ in 0..FIFO_BYTES {
            let status = self.line_status()?;
            if status & RECEIVED == 0 {
                return Ok(None);
            }
            let byte = self.read_register(DATA)?;
            if status & DAMAGED == 0 {
                return Ok(Some(byte));
            }
        }
        Ok(None)
    }

    /// Reads the line status, and notes the room that it shows.
    fn line_status(&mut self) -> Result<u8, LpcError> {
        let status = self.read_register(LINE_STATUS)?;
        if status & TRANSMITTER_EMPTY != 0 {
            self.room = self.capacity;
        }
        Ok(status)
    }

    fn read_register(&self, register: u16) -> Result<u8, LpcError> {
        self.io.read8(self.base.wrapping_add(register))
    }

    fn write_register(&self, register: u16, value: u8) -> Result<(), LpcError> {
        self.io.write8(self.base.wrapping_add(register), value)
    }
}

/// The divisor nearest to [`BAUD`], at least 1.
fn divisor(clock_hz: u32) -> u16 {
    const PER_UNIT: u32 = BAUD * OVERSAMPLING;
    u16::try_from(clock_hz.saturating_add(PER_UNIT / 2) / PER_UNIT)
        .unwrap_or(u16::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use core::cell::{Cell, RefCell};
    use std::collections::VecDeque;

    use super::*;
    use crate::lpc::tests::{chip, lpc};

    const COM1: IsaDevice = IsaDevice {
        port: 0x3f8,
        irq: Some(4),
        clock_hz: Some(1_843_200),
    };

    /// A 16550 at 0x3f8 whose line moves only when the test says so.
    #[derive(Default)]
    struct Fake16550 {
        registers: RefCell<[u8; 8]>,
        divisor: Cell<u16>,
        fifos: Cell<bool>,
        /// A UART of the older kind, without FIFOs.
        is_16450: bool,
        transmit: RefCell<VecDeque<u8>>,
        sent: RefCell<Vec<u8>>,
        /// Bytes received, each with the error bits of the line status.
        receive: RefCell<VecDeque<(u8, u8)>>,
        status_reads: Cell<u32>,
    }

    impl Fake16550 {
        fn latch(&self) -> bool {
            self.registers.borrow()[3] & 0x80 != 0
        }

        /// Lets the line take `bytes` bytes.
        fn drain(&self, bytes: usize) {
            let mut transmit = self.transmit.borrow_mut();
            let bytes = bytes.min(transmit.len());
            self.sent.borrow_mut().extend(transmit.drain(..bytes));
        }
    }

    impl IsaIo for Fake16550 {
        fn read8(&self, port: u16) -> Result<u8, LpcError> {
            let Some(register @ 0..8) = port.checked_sub(0x3f8) else {
                return Ok(0xff);
            };
            Ok(match register {
                0 if self.latch() => self.divisor.get() as u8,
                0 => self
                    .receive
                    .borrow_mut()
                    .pop_front()
                    .map_or(0, |(byte, _)| byte),
                2 => 1 | if self.fifos.get() { 0xc0 } else { 0 },
                5 => {
                    self.status_reads.set(self.status_reads.get() + 1);
                    let received = self
                        .receive
                        .borrow()
                        .front()
                        .map_or(0, |(_, errors)| 1 | errors);
                    received
                        | if self.transmit.borrow().is_empty() {
                            0x60
                        } else {
                            0
                        }
                }
                _ => self.registers.borrow()[usize::from(register)],
            })
        }

        fn write8(&self, port: u16, value: u8) -> Result<(), LpcError> {
            let Some(register @ 0..8) = port.checked_sub(0x3f8) else {
                return Ok(());
            };
            match register {
                0 if self.latch() => self
                    .divisor
                    .set(self.divisor.get() & 0xff00 | u16::from(value)),
                1 if self.latch() => self
                    .divisor
                    .set(self.divisor.get() & 0xff | u16::from(value) << 8),
                0 => {
                    self.transmit.borrow_mut().push_back(value);
                    let capacity = if self.fifos.get() { 16 } else { 1 };
                    assert!(
                        self.transmit.borrow().len() <= capacity,
                        "overrun: byte lost"
                    );
                }
                2 => {
                    self.fifos.set(value & 1 != 0 && !self.is_16450);
                    if value & 2 != 0 {
                        self.receive.borrow_mut().clear();
                    }
                    if value & 4 != 0 {
                        self.transmit.borrow_mut().clear();
                    }
                }
                5 | 6 => {}
                _ => self.registers.borrow_mut()[usize::from(register)] = value,
            }
            Ok(())
        }
    }

    #[test]
    fn set_up_programs_115200_8n1_and_fifos() {
        let device = Fake16550::default();
        device.receive.borrow_mut().push_back((b'?', 0));
        let mut uart = Uart::new(&device, &COM1).unwrap().expect("a UART");
        assert_eq!(device.divisor.get(), 1);
        let [_, interrupts, _, line, modem, ..] = *device.registers.borrow();
        assert_eq!((interrupts, line, modem), (0, 3, 3));
        assert!(device.fifos.get());
        assert_eq!(
            uart.read(),
            Ok(None),
            "what came before the set-up is dropped"
        );
    }

    #[test]
    fn the_divisor_follows_the_clock() {
        assert_eq!(divisor(1_843_200), 1);
        assert_eq!(divisor(24_000_000), 13);
        assert_eq!(divisor(0), 1);
        assert_eq!(divisor(u32::MAX), 2330);
    }

    #[test]
    fn an_empty_bus_has_no_uart() {
        assert!(
            Uart::new(
                &Fake16550::default(),
                &IsaDevice {
                    port: 0x2f8,
                    ..COM1
                }
            )
            .unwrap()
            .is_none()
        );
    }

    #[test]
    fn sixteen_bytes_go_for_one_look_and_no_more_until_the_fifo_is_empty() {
        let device = Fake16550::default();
        let mut uart = Uart::new(&device, &COM1).unwrap().expect("a UART");
        let text: Vec<u8> = (0..40).collect();
        assert_eq!(uart.write(&text), Ok(16));
        assert_eq!(device.status_reads.get(), 1);
        assert_eq!(uart.write(&text[16..]), Ok(0));
        device.drain(15);
        assert_eq!(
            uart.write(&text[16..]),
            Ok(0),
            "the status does not show room before the FIFO is empty"
        );
        device.drain(1);
        assert_eq!(uart.write(&text[16..19]), Ok(3));
        assert_eq!(uart.write(&text[19..]), Ok(13));
        device.drain(16);
        assert_eq!(uart.write(&text[32..]), Ok(8));
        device.drain(16);
        assert_eq!(*device.sent.borrow(), text);
        assert_eq!(uart.write(&[]), Ok(0));
    }

    #[test]
    fn without_fifos_one_byte_goes_at_a_time() {
        let device = Fake16550 {
            is_16450: true,
            ..Fake16550::default()
        };
        let mut uart = Uart::new(&device, &COM1).unwrap().expect("a UART");
        assert_eq!(uart.write(b"ab"), Ok(1));
        assert_eq!(uart.write(b"b"), Ok(0));
        device.drain(1);
        assert_eq!(uart.write(b"b"), Ok(1));
    }

    #[test]
    fn damaged_bytes_are_dropped() {
        let device = Fake16550::default();
        let mut uart = Uart::new(&device, &COM1).unwrap().expect("a UART");
        device.receive.borrow_mut().extend([
            (0, 0x10),
            (b'x', 0x08),
            (b'y', 0x04),
            (b'z', 0x02),
            (b'!', 0),
        ]);
        assert_eq!(
            uart.read(),
            Ok(Some(b'z')),
            "an overrun lost others, not this one"
        );
        assert_eq!(uart.read(), Ok(Some(b'!')));
        assert_eq!(uart.read(), Ok(None));
        device.receive.borrow_mut().extend([(0, 0x10); 100]);
        assert_eq!(uart.read(), Ok(None), "a line gone bad does not hold us up");
    }

    #[test]
    fn it_works_through_lpc_and_xscom() {
        let chip = chip(Fake16550::default());
        let mut uart = Uart::new(lpc(&chip), &COM1).unwrap().expect("a UART");
        assert_eq!(uart.write(b"bulkhead"), Ok(8));
        chip.unit.ports.receive.borrow_mut().push_back((b'k', 0));
        assert_eq!(uart.read(), Ok(Some(b'k')));
        chip.unit.ports.drain(8);
        assert_eq!(*chip.unit.ports.sent.borrow(), b"bulkhead");
    }
}
