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
mod tests;
