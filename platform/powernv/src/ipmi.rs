//! IPMI over the block transfer (BT) interface to the service processor: [`IpmiBt`], for power-off and reset.
//!
//! Source: IPMI specification 2.0, section 11 "Block Transfer (BT) Interface", section 28.3 "Chassis Control Command".

use core::fmt;

use crate::chip::IsaDevice;
use crate::io::IsaIo;
use crate::lpc::LpcError;

/// Ports, from the first.
const CONTROL: u16 = 0;
const BUFFER: u16 = 1;

/// Bits of the control port. Writing 1 sets `H2B_ATN`, clears `B2H_ATN`, and turns `H_BUSY` over; 0 leaves alone.
const CLEAR_WRITE_POINTER: u8 = 0x01;
const CLEAR_READ_POINTER: u8 = 0x02;
const H2B_ATN: u8 = 0x04;
const B2H_ATN: u8 = 0x08;
const H_BUSY: u8 = 0x40;
const B_BUSY: u8 = 0x80;

/// Network functions: chassis; and the bit that tells a response from its request.
const NETFN_CHASSIS: u8 = 0x00;
const NETFN_RESPONSE: u8 = 0x01;
const CHASSIS_CONTROL: u8 = 0x02;
/// Bytes behind the length byte: network function and LUN, sequence, command; and in a response, completion code.
const REQUEST_HEADER: u8 = 3;
const RESPONSE_HEADER: u8 = 4;

/// What chassis control can do to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ChassisControl {
    /// Power off at once.
    PowerDown = 0,
    /// Power off, wait, power on.
    PowerCycle = 2,
    /// Reset all processors.
    HardReset = 3,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpmiError {
    /// The bus in front of the interface failed.
    Lpc(LpcError),
    /// The interface was not ready, or gave no answer, before time was up.
    TimeOut,
    /// The request has more data than the interface can take, or the answer more than there is space for.
    TooLong,
    /// The answer is not one.
    Malformed,
    /// The service processor refused, with this completion code.
    Refused(u8),
}

impl From<LpcError> for IpmiError {
    fn from(error: LpcError) -> Self {
        Self::Lpc(error)
    }
}

impl fmt::Display for IpmiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lpc(error) => error.fmt(f),
            Self::TimeOut => f.write_str("IPMI: no answer from the service processor"),
            Self::TooLong => f.write_str("IPMI: message too long"),
            Self::Malformed => f.write_str("IPMI: answer malformed"),
            Self::Refused(code) => write!(f, "IPMI: refused with completion code {code:#04x}"),
        }
    }
}

impl core::error::Error for IpmiError {}

/// The BT interface to the service processor.
///
/// One request at a time. Each method that waits takes `expired`, which says when the time for all of it is up: five
/// seconds is what the specification lets a service processor take.
#[derive(Debug)]
pub struct IpmiBt<P> {
    io: P,
    base: u16,
    sequence: u8,
}

impl<P: IsaIo> IpmiBt<P> {
    /// The interface at the ports of `device` ([`crate::Lpc::ipmi_bt`]).
    pub const fn new(io: P, device: &IsaDevice) -> Self {
        Self {
            io,
            base: device.port,
            sequence: 0,
        }
    }

    /// Has the service processor power off, cycle or reset the machine. The machine may be gone before this returns; it
    /// may as well go on for a while after.
    ///
    /// # Errors
    /// Any [`IpmiError`].
    pub fn chassis(
        &mut self,
        control: ChassisControl,
        expired: impl FnMut() -> bool,
    ) -> Result<(), IpmiError> {
        self.request(
            NETFN_CHASSIS,
            CHASSIS_CONTROL,
            &[control as u8],
            &mut [],
            expired,
        )
        .map(|_| ())
    }

    /// Sends the request `command` of `netfn` (even, below 64) with `data`, puts the data of the answer at the start of
    /// `answer`, and returns how much it was.
    ///
    /// # Errors
    /// Any [`IpmiError`].
    pub fn request(
        &mut self,
        netfn: u8,
        command: u8,
        data: &[u8],
        answer: &mut [u8],
        mut expired: impl FnMut() -> bool,
    ) -> Result<usize, IpmiError> {
        let length = u8::try_from(data.len())
            .ok()
            .and_then(|length| length.checked_add(REQUEST_HEADER));
        let length = length.ok_or(IpmiError::TooLong)?;
        self.sequence = self.sequence.wrapping_add(1);
        let head = [length, (netfn & 0x3e) << 2, self.sequence, command];
        self.settle(&mut expired)?;
        self.set_control(CLEAR_WRITE_POINTER)?;
        for byte in head.iter().chain(data) {
            self.io.write8(self.base.wrapping_add(BUFFER), *byte)?;
        }
        self.set_control(H2B_ATN)?;
        loop {
            self.wait(B2H_ATN, B2H_ATN, &mut expired)?;
            if let Some(length) = self.receive(head, answer)? {
                return Ok(length);
            }
            if expired() {
                return Err(IpmiError::TimeOut);
            }
        }
    }

    /// Brings the interface to where a request can be written: an answer that nobody took is thrown away.
    fn settle(&self, expired: &mut impl FnMut() -> bool) -> Result<(), IpmiError> {
        if self.control()? & H_BUSY != 0 {
            self.set_control(H_BUSY)?;
        }
        self.wait(B_BUSY | H2B_ATN, 0, expired)?;
        if self.control()? & B2H_ATN != 0 {
            self.set_control(B2H_ATN)?;
        }
        Ok(())
    }

    /// Takes the message that waits. `None` if it answers another request than `head`.
    fn receive(&self, head: [u8; 4], answer: &mut [u8]) -> Result<Option<usize>, IpmiError> {
        self.set_control(H_BUSY)?;
        self.set_control(B2H_ATN)?;
        self.set_control(CLEAR_READ_POINTER)?;
        let message = self.receive_body(head, answer);
        self.set_control(H_BUSY)?;
        message
    }

    fn receive_body(
        &self,
        [_, netfn, sequence, command]: [u8; 4],
        answer: &mut [u8],
    ) -> Result<Option<usize>, IpmiError> {
        let length = self
            .next()?
            .checked_sub(RESPONSE_HEADER)
            .ok_or(IpmiError::Malformed)?;
        let found = [self.next()?, self.next()?, self.next()?];
        if found != [netfn | NETFN_RESPONSE << 2, sequence, command] {
            return Ok(None);
        }
        match self.next()? {
            0 => {}
            code => return Err(IpmiError::Refused(code)),
        }
        let length = usize::from(length);
        for byte in answer.get_mut(..length).ok_or(IpmiError::TooLong)? {
            *byte = self.next()?;
        }
        Ok(Some(length))
    }

    /// Polls until the bits of `mask` read `value`.
    fn wait(
        &self,
        mask: u8,
        value: u8,
        expired: &mut impl FnMut() -> bool,
    ) -> Result<(), IpmiError> {
        loop {
            // Time is looked at first, so that a long pause between the two does not pass for a time-out.
            let expired = expired();
            if self.control()? & mask == value {
                return Ok(());
            }
            if expired {
                return Err(IpmiError::TimeOut);
            }
        }
    }

    fn next(&self) -> Result<u8, LpcError> {
        self.io.read8(self.base.wrapping_add(BUFFER))
    }

    fn control(&self) -> Result<u8, LpcError> {
        self.io.read8(self.base.wrapping_add(CONTROL))
    }

    fn set_control(&self, bits: u8) -> Result<(), LpcError> {
        self.io.write8(self.base.wrapping_add(CONTROL), bits)
    }
}

#[cfg(test)]
mod tests {
    use core::cell::{Cell, RefCell};

    use super::*;
    use crate::lpc::tests::{chip, lpc};

    const DEVICE: IsaDevice = IsaDevice {
        port: 0xe4,
        irq: Some(10),
        clock_hz: None,
    };

    /// A service processor behind a BT interface. It takes a request up after `delay` reads of the control port.
    #[derive(Default)]
    struct FakeBt {
        control: Cell<u8>,
        inbox: RefCell<Vec<u8>>,
        outbox: RefCell<Vec<u8>>,
        read_at: Cell<usize>,
        delay: Cell<u32>,
        left: Cell<u32>,
        /// Requests carried out: network function, command, data.
        served: RefCell<Vec<(u8, u8, Vec<u8>)>>,
        /// Answers to put in front of the right one.
        stray: RefCell<Vec<Vec<u8>>>,
        /// Completion code of every answer.
        code: u8,
        /// Data of every answer.
        data: Vec<u8>,
        /// Breaks the length byte of answers.
        short: bool,
    }

    impl FakeBt {
        fn serve(&self) {
            let message = self.inbox.borrow().clone();
            assert_eq!(usize::from(message[0]), message.len() - 1, "length byte");
            let (netfn, sequence, command) = (message[1], message[2], message[3]);
            self.served
                .borrow_mut()
                .push((netfn >> 2, command, message[4..].to_vec()));
            let mut answer = vec![
                4 + self.data.len() as u8,
                netfn | 4,
                sequence,
                command,
                self.code,
            ];
            answer.extend(&self.data);
            if self.short {
                answer[0] = 3;
            }
            self.stray.borrow_mut().push(answer);
            self.control.set(self.control.get() & !(B_BUSY | H2B_ATN));
            self.offer();
        }

        fn offer(&self) {
            let mut answers = self.stray.borrow_mut();
            if !answers.is_empty() && self.control.get() & (H_BUSY | B2H_ATN) == 0 {
                *self.outbox.borrow_mut() = answers.remove(0);
                self.control.set(self.control.get() | B2H_ATN);
            }
        }
    }

    impl IsaIo for FakeBt {
        fn read8(&self, port: u16) -> Result<u8, LpcError> {
            match port {
                0xe4 => {
                    if self.control.get() & H2B_ATN != 0 {
                        match self.left.get() {
                            0 => self.serve(),
                            left => self.left.set(left - 1),
                        }
                    }
                    Ok(self.control.get())
                }
                0xe5 => {
                    assert_ne!(self.control.get() & H_BUSY, 0, "buffer read without H_BUSY");
                    let at = self.read_at.replace(self.read_at.get() + 1);
                    Ok(self.outbox.borrow().get(at).copied().unwrap_or(0xff))
                }
                _ => panic!("port {port:#x}"),
            }
        }

        fn write8(&self, port: u16, value: u8) -> Result<(), LpcError> {
            match port {
                0xe4 => {
                    let mut control = self.control.get();
                    if value & CLEAR_WRITE_POINTER != 0 {
                        self.inbox.borrow_mut().clear();
                    }
                    if value & CLEAR_READ_POINTER != 0 {
                        self.read_at.set(0);
                    }
                    if value & H2B_ATN != 0 {
                        control |= H2B_ATN;
                        self.left.set(self.delay.get());
                    }
                    control &= !(value & B2H_ATN);
                    control ^= value & H_BUSY;
                    self.control.set(control);
                    self.offer();
                }
                0xe5 => {
                    assert_eq!(
                        self.control.get() & (B_BUSY | H2B_ATN),
                        0,
                        "buffer written while not ours"
                    );
                    self.inbox.borrow_mut().push(value);
                }
                _ => panic!("port {port:#x}"),
            }
            Ok(())
        }
    }

    /// Expires after as many looks.
    fn after(looks: u32) -> impl FnMut() -> bool {
        let mut left = looks;
        move || {
            left = left.saturating_sub(1);
            left == 0
        }
    }

    #[test]
    fn chassis_control_reaches_the_service_processor() {
        let device = FakeBt {
            delay: Cell::new(10),
            ..FakeBt::default()
        };
        let mut bt = IpmiBt::new(&device, &DEVICE);
        assert_eq!(bt.chassis(ChassisControl::PowerDown, after(100)), Ok(()));
        assert_eq!(bt.chassis(ChassisControl::HardReset, after(100)), Ok(()));
        assert_eq!(*device.served.borrow(), [(0, 2, vec![0]), (0, 2, vec![3])]);
        assert_eq!(device.control.get(), 0, "the interface is left idle");
    }

    #[test]
    fn data_goes_both_ways() {
        let device = FakeBt {
            data: vec![9, 8, 7],
            ..FakeBt::default()
        };
        let mut bt = IpmiBt::new(&device, &DEVICE);
        let mut answer = [0; 4];
        assert_eq!(bt.request(6, 1, &[1, 2], &mut answer, after(100)), Ok(3));
        assert_eq!(answer, [9, 8, 7, 0]);
        assert_eq!(*device.served.borrow(), [(6, 1, vec![1, 2])]);
        assert_eq!(
            bt.request(6, 1, &[], &mut [0; 2], after(100)),
            Err(IpmiError::TooLong)
        );
        assert_eq!(
            bt.request(6, 1, &[0; 253], &mut [], after(100)),
            Err(IpmiError::TooLong)
        );
        assert_eq!(bt.request(6, 1, &[0; 252], &mut answer, after(100)), Ok(3));
    }

    #[test]
    fn answers_to_others_are_passed_over() {
        let device = FakeBt::default();
        // One that waited before we came, one that arrives late.
        *device.outbox.borrow_mut() = vec![4, 4, 99, 2, 0];
        device.control.set(B2H_ATN);
        device.stray.borrow_mut().push(vec![4, 4, 98, 2, 0xc0]);
        let mut bt = IpmiBt::new(&device, &DEVICE);
        assert_eq!(bt.chassis(ChassisControl::PowerCycle, after(100)), Ok(()));
        assert_eq!(*device.served.borrow(), [(0, 2, vec![2])]);
    }

    #[test]
    fn a_host_left_busy_is_put_right() {
        let device = FakeBt::default();
        device.control.set(H_BUSY);
        assert_eq!(
            IpmiBt::new(&device, &DEVICE).chassis(ChassisControl::PowerDown, after(100)),
            Ok(())
        );
        assert_eq!(device.control.get(), 0);
    }

    #[test]
    fn a_silent_service_processor_is_given_up() {
        let device = FakeBt {
            delay: Cell::new(u32::MAX),
            ..FakeBt::default()
        };
        let mut bt = IpmiBt::new(&device, &DEVICE);
        assert_eq!(
            bt.chassis(ChassisControl::PowerDown, after(50)),
            Err(IpmiError::TimeOut)
        );
        device.control.set(B_BUSY);
        assert_eq!(
            bt.chassis(ChassisControl::PowerDown, after(50)),
            Err(IpmiError::TimeOut)
        );
        assert!(device.served.borrow().is_empty());
        let device = FakeBt::default();
        *device.stray.borrow_mut() = vec![vec![4, 4, 98, 2, 0]; 1000];
        assert_eq!(
            IpmiBt::new(&device, &DEVICE).chassis(ChassisControl::PowerDown, after(50)),
            Err(IpmiError::TimeOut)
        );
    }

    #[test]
    fn refusals_and_broken_answers_are_told_apart() {
        let device = FakeBt {
            code: 0xd5,
            ..FakeBt::default()
        };
        let mut bt = IpmiBt::new(&device, &DEVICE);
        assert_eq!(
            bt.chassis(ChassisControl::PowerDown, after(50)),
            Err(IpmiError::Refused(0xd5))
        );
        let device = FakeBt {
            short: true,
            ..FakeBt::default()
        };
        let mut bt = IpmiBt::new(&device, &DEVICE);
        assert_eq!(
            bt.chassis(ChassisControl::PowerDown, after(50)),
            Err(IpmiError::Malformed)
        );
        assert_eq!(device.control.get(), 0, "the interface is left idle");
    }

    #[test]
    fn it_works_through_lpc_and_xscom() {
        let chip = chip(FakeBt::default());
        assert_eq!(
            IpmiBt::new(lpc(&chip), &DEVICE).chassis(ChassisControl::PowerDown, after(50)),
            Ok(())
        );
        assert_eq!(chip.unit.ports.served.borrow().len(), 1);
    }
}
