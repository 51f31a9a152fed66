//! The LPC bus of a POWER8 chip, behind the ECCB registers in XSCOM: [`EccbLpc`].
//!
//! Source: skiboot `hw/lpc.c`. The ECCB moves 1, 2 or 4 bytes to or from an address of the OPB, in which the LPC
//! address spaces appear as windows.

use core::fmt;

use crate::io::{IsaIo, XscomIo};
use crate::xscom::{Pcb, Xscom, XscomError};

/// Registers of the ECCB, from its first.
const CONTROL: u32 = 0;
const STATUS: u32 = 2;
const DATA: u32 = 3;

/// Control 0:3: must be 0xd. 4:7: bytes. 15: read. 23:25: length of an address, 4. 32:63: OPB address.
const CONTROL_MAGIC: u64 = 0xd << 60;
const CONTROL_SIZE_SHIFT: u32 = 63 - 7;
const CONTROL_READ: u64 = 1 << (63 - 15);
const CONTROL_ADDRESS_LENGTH: u64 = 4 << (63 - 25);

/// Status 0:5: error on the PIB. 6:37: data read, first byte first. 45:51, 53:55: errors on the OPB. 52: done.
const STATUS_DATA_SHIFT: u32 = 63 - 37;
const STATUS_ERRORS: u64 = (0x3f << (63 - 5)) | (0x7f << (63 - 51)) | (0x7 << (63 - 55));
const STATUS_DONE: u64 = 1 << (63 - 52);

/// Where LPC I/O space (64 KiB) is on the OPB.
const OPB_LPC_IO: u32 = 0xd001_0000;

/// Polls of the status register for one access. Each is an XSCOM access of about a microsecond itself.
const DONE_POLLS: u32 = 100_000;

/// How an access to the LPC bus failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LpcError {
    /// XSCOM in front of it failed.
    Xscom(XscomError),
    /// The bus reported an error at this OPB address, with these status bits.
    Bus {
        /// The OPB address.
        address: u32,
        /// The ECCB status register.
        status: u64,
    },
    /// The bus never finished an access to this OPB address.
    TimeOut {
        /// The OPB address.
        address: u32,
    },
}

impl From<XscomError> for LpcError {
    fn from(error: XscomError) -> Self {
        Self::Xscom(error)
    }
}

impl fmt::Display for LpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xscom(error) => error.fmt(f),
            Self::Bus { address, status } => {
                write!(f, "LPC {address:#010x}: bus error, status {status:#018x}")
            }
            Self::TimeOut { address } => write!(f, "LPC {address:#010x}: no answer"),
        }
    }
}

impl core::error::Error for LpcError {}

/// The LPC bus of a POWER8 chip.
///
/// An access takes three accesses to XSCOM that belong together: the caller holds one lock over each method.
#[derive(Debug, Clone, Copy)]
pub struct EccbLpc<I> {
    xscom: Xscom<I>,
    eccb: Pcb,
}

impl<I: XscomIo> EccbLpc<I> {
    /// The bus whose ECCB registers start at `eccb` ([`crate::Lpc::eccb`]) of the chip of `xscom`.
    pub const fn new(xscom: Xscom<I>, eccb: Pcb) -> Self {
        Self { xscom, eccb }
    }

    /// Reads `N` bytes (1, 2 or 4) at the OPB address, a multiple of `N`; the byte at `address` comes first.
    ///
    /// # Errors
    /// Any [`LpcError`].
    pub fn opb_read<const N: usize>(&self, address: u32) -> Result<[u8; N], LpcError> {
        self.xscom.write(
            self.eccb.offset(CONTROL),
            control::<N>(address) | CONTROL_READ,
        )?;
        let data = (self.wait(address)? >> STATUS_DATA_SHIFT) as u32;
        // `control` has checked that there are no more than four.
        Ok(*data.to_be_bytes().first_chunk().unwrap_or(&[0; N]))
    }

    /// Writes `bytes` (1, 2 or 4) at the OPB address, a multiple of their number; the first goes to `address`.
    ///
    /// # Errors
    /// Any [`LpcError`].
    pub fn opb_write<const N: usize>(&self, address: u32, bytes: [u8; N]) -> Result<(), LpcError> {
        let mut data = [0; 8];
        data.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        self.xscom
            .write(self.eccb.offset(DATA), u64::from_be_bytes(data))?;
        self.xscom
            .write(self.eccb.offset(CONTROL), control::<N>(address))?;
        self.wait(address).map(|_| ())
    }

    /// The status of the access under way, once it is done. Reading it clears it.
    fn wait(&self, address: u32) -> Result<u64, LpcError> {
        for _ in 0..DONE_POLLS {
            let status = self.xscom.read(self.eccb.offset(STATUS))?;
            if status & STATUS_ERRORS != 0 {
                return Err(LpcError::Bus { address, status });
            }
            if status & STATUS_DONE != 0 {
                return Ok(status);
            }
        }
        Err(LpcError::TimeOut { address })
    }
}

/// The control word of an access to `N` bytes at `address`.
const fn control<const N: usize>(address: u32) -> u64 {
    const { assert!(matches!(N, 1 | 2 | 4), "the ECCB moves 1, 2 or 4 bytes") };
    CONTROL_MAGIC | ((N as u64) << CONTROL_SIZE_SHIFT) | CONTROL_ADDRESS_LENGTH | address as u64
}

impl<I: XscomIo> IsaIo for EccbLpc<I> {
    fn read8(&self, port: u16) -> Result<u8, LpcError> {
        self.opb_read(OPB_LPC_IO | u32::from(port))
            .map(|[byte]| byte)
    }

    fn write8(&self, port: u16, value: u8) -> Result<(), LpcError> {
        self.opb_write(OPB_LPC_IO | u32::from(port), [value])
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use core::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    use super::*;
    use crate::xscom::tests::{BASE, FakeChip, FakeUnit};

    const ECCB: u32 = 0xb_0020;

    /// The ECCB of a chip with an OPB behind it: memory for ordinary addresses, `ports` for LPC I/O space.
    #[derive(Default)]
    pub(crate) struct FakeEccb<P> {
        pub(crate) ports: P,
        memory: RefCell<BTreeMap<u32, u8>>,
        data: Cell<u64>,
        status: Cell<u64>,
        /// Status reads before an access is done.
        delay: Cell<u32>,
        waited: Cell<u32>,
        /// Error bits for the next access.
        errors: Cell<u64>,
        /// Sizes of the accesses seen.
        sizes: RefCell<Vec<usize>>,
    }

    impl<P: IsaIo> FakeEccb<P> {
        fn run(&self, control: u64) {
            assert_eq!(control >> 60, 0xd, "magic");
            assert_eq!((control >> 38) & 7, 4, "address length");
            assert_eq!(control & 0x00fe_fe38_0000_0000, 0, "reserved bits");
            let (size, read) = ((control >> 56) as usize & 0xf, (control >> 48) & 1 == 1);
            let address = control as u32;
            assert!([1, 2, 4].contains(&size) && (address as usize).is_multiple_of(size));
            self.sizes.borrow_mut().push(size);
            let mut bytes = self.data.get().to_be_bytes();
            for (byte, address) in bytes.iter_mut().zip(address..).take(size) {
                let port = address
                    .checked_sub(0xd001_0000)
                    .and_then(|port| u16::try_from(port).ok());
                match (port, read) {
                    (Some(port), true) => *byte = self.ports.read8(port).expect("fake device"),
                    (Some(port), false) => self.ports.write8(port, *byte).expect("fake device"),
                    (None, true) => {
                        *byte = self.memory.borrow().get(&address).copied().unwrap_or(0xff)
                    }
                    (None, false) => drop(self.memory.borrow_mut().insert(address, *byte)),
                }
            }
            let data = u32::from_be_bytes(*bytes.first_chunk().unwrap());
            self.status.set(
                (if read { u64::from(data) << 26 } else { 0 }) | (1 << 11) | self.errors.take(),
            );
            self.waited.set(0);
        }
    }

    impl<P: IsaIo> FakeUnit for FakeEccb<P> {
        fn read(&self, pcb: u32) -> Result<u64, u64> {
            match pcb.checked_sub(ECCB) {
                Some(2) if self.waited.get() < self.delay.get() => {
                    self.waited.set(self.waited.get() + 1);
                    // Busy.
                    Ok(1 << 19)
                }
                Some(2) => Ok(self.status.take()),
                Some(3) => Ok(self.data.get()),
                _ => Err(4),
            }
        }
        fn write(&self, pcb: u32, value: u64) -> Result<(), u64> {
            match pcb.checked_sub(ECCB) {
                Some(0) => self.run(value),
                Some(3) => self.data.set(value),
                _ => return Err(4),
            }
            Ok(())
        }
    }

    /// No devices at all: the bus floats.
    #[derive(Default)]
    struct NoPorts;

    impl IsaIo for NoPorts {
        fn read8(&self, _: u16) -> Result<u8, LpcError> {
            Ok(0xff)
        }
        fn write8(&self, _: u16, _: u8) -> Result<(), LpcError> {
            Ok(())
        }
    }

    /// The LPC bus with `ports` on it, behind a chip.
    pub(crate) fn chip<P: IsaIo + Default>(ports: P) -> FakeChip<FakeEccb<P>> {
        FakeChip::new(FakeEccb {
            ports,
            ..FakeEccb::default()
        })
    }

    pub(crate) fn lpc<P: IsaIo>(chip: &FakeChip<FakeEccb<P>>) -> EccbLpc<&FakeChip<FakeEccb<P>>> {
        EccbLpc::new(Xscom::new(chip, BASE), Pcb(ECCB))
    }

    #[test]
    fn control_words_are_as_the_hardware_wants_them() {
        assert_eq!(control::<1>(0xd001_03f8), 0xd100_0100_d001_03f8);
        assert_eq!(
            control::<4>(0xc001_0000) | CONTROL_READ,
            0xd401_0100_c001_0000
        );
    }

    #[test]
    fn bytes_keep_their_order_in_every_width() {
        let chip = chip(NoPorts);
        let lpc = lpc(&chip);
        lpc.opb_write(0xc001_2000, [1, 2, 3, 4]).unwrap();
        lpc.opb_write(0xc001_2002, [5, 6]).unwrap();
        lpc.opb_write(0xc001_2001, [7]).unwrap();
        assert_eq!(lpc.opb_read(0xc001_2000), Ok([1, 7, 5, 6]));
        assert_eq!(lpc.opb_read(0xc001_2002), Ok([5, 6]));
        assert_eq!(lpc.opb_read(0xc001_2003), Ok([6]));
        assert_eq!(*chip.unit.sizes.borrow(), [4, 2, 1, 4, 2, 1]);
    }

    #[test]
    fn a_slow_bus_is_waited_for_but_not_for_ever() {
        let chip = chip(NoPorts);
        let lpc = lpc(&chip);
        chip.unit.delay.set(20);
        assert_eq!(lpc.read8(0x3f8), Ok(0xff));
        chip.unit.delay.set(u32::MAX);
        assert_eq!(
            lpc.read8(0x3f8),
            Err(LpcError::TimeOut {
                address: 0xd001_03f8
            })
        );
    }

    #[test]
    fn errors_of_the_bus_are_reported() {
        let chip = chip(NoPorts);
        let lpc = lpc(&chip);
        for bit in [0, 5, 45, 51, 53, 55] {
            chip.unit.errors.set(1 << (63 - bit));
            assert!(
                matches!(
                    lpc.write8(0x80, 0),
                    Err(LpcError::Bus {
                        address: 0xd001_0080,
                        ..
                    })
                ),
                "{bit}"
            );
        }
        assert_eq!(lpc.write8(0x80, 0), Ok(()));
    }

    #[test]
    fn errors_of_xscom_are_passed_on() {
        let chip = chip(NoPorts);
        let lpc = EccbLpc::new(Xscom::new(&chip, BASE), Pcb(0xb_1020));
        assert_eq!(
            lpc.read8(0),
            Err(LpcError::Xscom(XscomError::Address(Pcb(0xb_1020))))
        );
    }
}
