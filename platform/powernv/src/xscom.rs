//! XSCOM, the chips' side-band registers, by loads and stores: [`Xscom`], [`Pcb`] and [`XscomError`].
//!
//! Source: skiboot `hw/xscom.c` and `include/xscom.h` for POWER8 addresses and the HMER fields.

use core::fmt;

use crate::io::XscomIo;

/// IBM bit `n` of a doubleword.
const fn bit(n: u32) -> u64 {
    1 << 63_u32.saturating_sub(n)
}

/// HMER 8: the access failed. 9: it is done. 21:23: how it failed.
const HMER_FAIL: u64 = bit(8);
const HMER_DONE: u64 = bit(9);
const HMER_STATUS_SHIFT: u32 = 63 - 23;
const HMER_STATUS: u64 = 7 << HMER_STATUS_SHIFT;
const HMER_ALL: u64 = HMER_FAIL | HMER_DONE | HMER_STATUS;

/// Polls of HMER for one access; on hardware it is done at the first or second.
const DONE_POLLS: u32 = 10_000;
/// Tries of one access while its target is busy with another.
const BUSY_TRIES: u32 = 10_000;

/// Number of an XSCOM register on a chip ("PCB address").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pcb(pub u32);

impl Pcb {
    /// The register `by` further on.
    #[must_use]
    pub const fn offset(self, by: u32) -> Self {
        Self(self.0.wrapping_add(by))
    }

    /// Its place in a POWER8 chip's XSCOM window: 16 registers in a block of 256 bytes, the upper 128 of them unused.
    const fn window_offset(self) -> u64 {
        let pcb = self.0 as u64;
        ((pcb & !0xf) << 4) | ((pcb & 0xf) << 3)
    }
}

/// How an access to XSCOM failed, by HMER 21:23.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XscomError {
    /// The processor never reported the access done.
    NotDone(Pcb),
    /// The target stayed busy with other accesses.
    Busy(Pcb),
    /// The target chiplet is off or asleep.
    Offline(Pcb),
    /// The target is not functional on this chip.
    PartialGood(Pcb),
    /// There is no such register.
    Address(Pcb),
    /// The target's clocks do not run.
    Clock(Pcb),
    /// The transfer was corrupted.
    Parity(Pcb),
    /// The target did not answer.
    TimeOut(Pcb),
    /// It failed, and does not say how.
    Failed(Pcb),
}

impl fmt::Display for XscomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pcb, what) = match self {
            Self::NotDone(pcb) => (pcb, "never done"),
            Self::Busy(pcb) => (pcb, "busy"),
            Self::Offline(pcb) => (pcb, "offline"),
            Self::PartialGood(pcb) => (pcb, "not functional"),
            Self::Address(pcb) => (pcb, "no such register"),
            Self::Clock(pcb) => (pcb, "clock stopped"),
            Self::Parity(pcb) => (pcb, "transfer corrupted"),
            Self::TimeOut(pcb) => (pcb, "no answer"),
            Self::Failed(pcb) => (pcb, "failed"),
        };
        write!(f, "XSCOM {:#010x}: {what}", pcb.0)
    }
}

impl core::error::Error for XscomError {}

/// The XSCOM registers of one POWER8 chip.
///
/// One access at a time: the caller holds the one lock of XSCOM (and of whatever is reached through it).
#[derive(Debug, Clone, Copy)]
pub struct Xscom<I> {
    io: I,
    base: u64,
}

impl<I: XscomIo> Xscom<I> {
    /// The chip whose XSCOM window starts at real address `base` ([`crate::Chip::xscom`]).
    pub const fn new(io: I, base: u64) -> Self {
        Self { io, base }
    }

    /// Reads the register `pcb`.
    ///
    /// # Errors
    /// [`XscomError`], with [`XscomError::Busy`] only after many tries.
    pub fn read(&self, pcb: Pcb) -> Result<u64, XscomError> {
        self.access(pcb, |io, address| io.read64(address))
    }

    /// Writes the register `pcb`.
    ///
    /// # Errors
    /// [`XscomError`], with [`XscomError::Busy`] only after many tries.
    pub fn write(&self, pcb: Pcb, value: u64) -> Result<(), XscomError> {
        self.access(pcb, |io, address| io.write64(address, value))
    }

    fn access<T>(&self, pcb: Pcb, act: impl Fn(&I, u64) -> T) -> Result<T, XscomError> {
        let address = self.base.wrapping_add(pcb.window_offset());
        for _ in 0..BUSY_TRIES {
            self.io.hmer_and(!HMER_ALL);
            let value = act(&self.io, address);
            match self.outcome(pcb) {
                Err(XscomError::Busy(_)) => {}
                outcome => return outcome.map(|()| value),
            }
        }
        Err(XscomError::Busy(pcb))
    }

    fn outcome(&self, pcb: Pcb) -> Result<(), XscomError> {
        let done = (0..DONE_POLLS)
            .map(|_| self.io.hmer())
            .find(|hmer| hmer & HMER_DONE != 0);
        let hmer = done.ok_or(XscomError::NotDone(pcb))?;
        match (hmer & HMER_STATUS) >> HMER_STATUS_SHIFT {
            0 if hmer & HMER_FAIL == 0 => Ok(()),
            1 => Err(XscomError::Busy(pcb)),
            2 => Err(XscomError::Offline(pcb)),
            3 => Err(XscomError::PartialGood(pcb)),
            4 => Err(XscomError::Address(pcb)),
            5 => Err(XscomError::Clock(pcb)),
            6 => Err(XscomError::Parity(pcb)),
            7 => Err(XscomError::TimeOut(pcb)),
            _ => Err(XscomError::Failed(pcb)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use core::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    use super::*;
    use crate::io::PhysIo;

    pub(crate) const BASE: u64 = 0x0003_fc00_0000_0000;

    /// What answers to XSCOM accesses in a [`FakeChip`].
    pub(crate) trait FakeUnit {
        /// The register's value, or the status of the failure.
        fn read(&self, pcb: u32) -> Result<u64, u64>;
        fn write(&self, pcb: u32, value: u64) -> Result<(), u64>;
    }

    /// A processor with a chip whose XSCOM window is at [`BASE`]. HMER shows the result of an access only after
    /// `delay` looks at it, and bits of an earlier access stay until they are cleared.
    pub(crate) struct FakeChip<U> {
        pub(crate) unit: U,
        hmer: Cell<u64>,
        pending: Cell<Option<(u32, u64)>>,
        pub(crate) delay: Cell<u32>,
    }

    impl<U: FakeUnit> FakeChip<U> {
        pub(crate) fn new(unit: U) -> Self {
            Self {
                unit,
                hmer: Cell::new(0),
                pending: Cell::new(None),
                delay: Cell::new(0),
            }
        }

        /// The register at `address`, as the chip decodes it: bits 31:8 select the block, bits 6:3 the register.
        fn pcb(address: u64) -> u32 {
            let offset = address
                .checked_sub(BASE)
                .filter(|offset| *offset < 1 << 35)
                .expect("inside the window");
            assert_eq!(offset & 0x87, 0, "{offset:#x} is between registers");
            u32::try_from(((offset >> 8) << 4) | ((offset >> 3) & 0xf)).expect("35 bits of offset")
        }

        fn finish<T: Default>(&self, result: Result<T, u64>) -> T {
            assert_eq!(
                self.hmer.get() & HMER_ALL,
                0,
                "the result of the access before is still there"
            );
            let bits = HMER_DONE
                | result
                    .as_ref()
                    .err()
                    .map_or(0, |status| HMER_FAIL | (status << 40));
            self.pending.set(Some((self.delay.get(), bits)));
            result.unwrap_or_default()
        }
    }

    impl<U: FakeUnit> PhysIo for FakeChip<U> {
        fn read8(&self, _: u64) -> u8 {
            panic!("XSCOM takes doublewords alone")
        }
        fn read16(&self, _: u64) -> u16 {
            panic!("XSCOM takes doublewords alone")
        }
        fn read32(&self, _: u64) -> u32 {
            panic!("XSCOM takes doublewords alone")
        }
        fn read64(&self, address: u64) -> u64 {
            self.finish(self.unit.read(Self::pcb(address)))
        }
        fn write8(&self, _: u64, _: u8) {
            panic!("XSCOM takes doublewords alone")
        }
        fn write16(&self, _: u64, _: u16) {
            panic!("XSCOM takes doublewords alone")
        }
        fn write32(&self, _: u64, _: u32) {
            panic!("XSCOM takes doublewords alone")
        }
        fn write64(&self, address: u64, value: u64) {
            self.finish(self.unit.write(Self::pcb(address), value));
        }
        fn sync(&self) {}
    }

    impl<U: FakeUnit> XscomIo for FakeChip<U> {
        fn hmer(&self) -> u64 {
            match self.pending.take() {
                Some((0, bits)) => self.hmer.set(self.hmer.get() | bits),
                Some((looks, bits)) => self.pending.set(Some((looks - 1, bits))),
                None => {}
            }
            self.hmer.get()
        }
        fn hmer_and(&self, keep: u64) {
            self.hmer.set(self.hmer.get() & keep);
        }
    }

    /// Plain registers; those not there fail with status 4, and `busy` accesses with status 1 before that.
    #[derive(Default)]
    struct Registers {
        values: RefCell<BTreeMap<u32, u64>>,
        busy: Cell<u32>,
        status: Cell<Option<u64>>,
    }

    impl Registers {
        fn gate(&self) -> Result<(), u64> {
            match (self.busy.get(), self.status.get()) {
                (0, None) => Ok(()),
                (0, Some(status)) => Err(status),
                (left, _) => {
                    self.busy.set(left - 1);
                    Err(1)
                }
            }
        }
    }

    impl FakeUnit for Registers {
        fn read(&self, pcb: u32) -> Result<u64, u64> {
            self.gate()?;
            self.values.borrow().get(&pcb).copied().ok_or(4)
        }
        fn write(&self, pcb: u32, value: u64) -> Result<(), u64> {
            self.gate()?;
            self.values.borrow_mut().insert(pcb, value);
            Ok(())
        }
    }

    #[test]
    fn addresses_are_scrambled_as_power8_does() {
        // As QEMU's memory tree shows them: the ECCB at 0xb00200, the chip id register in a block of its own.
        assert_eq!(Pcb(0xb_0020).window_offset(), 0xb0_0200);
        assert_eq!(Pcb(0xb_0023).window_offset(), 0xb0_0218);
        assert_eq!(Pcb(0xf_000f).window_offset(), 0xf0_0078);
        assert_eq!(Pcb(0x0901_3c45).window_offset(), 0x9013_c428);
        assert_eq!(Pcb(0xffff_ffff).window_offset(), 0xf_ffff_ff78);
    }

    #[test]
    fn a_value_written_is_read_back_after_the_processor_says_done() {
        let chip = FakeChip::new(Registers::default());
        chip.delay.set(3);
        let xscom = Xscom::new(&chip, BASE);
        assert_eq!(xscom.write(Pcb(0x0201_2045), 0xf8 << 56), Ok(()));
        assert_eq!(xscom.write(Pcb(0x0201_2046), 7), Ok(()));
        assert_eq!(xscom.read(Pcb(0x0201_2045)), Ok(0xf8 << 56));
        assert_eq!(xscom.read(Pcb(0x0201_2046)), Ok(7));
    }

    #[test]
    fn a_busy_target_is_tried_again_but_not_for_ever() {
        let chip = FakeChip::new(Registers::default());
        let xscom = Xscom::new(&chip, BASE);
        chip.unit.busy.set(5);
        assert_eq!(xscom.write(Pcb(1), 1), Ok(()));
        chip.unit.busy.set(u32::MAX);
        assert_eq!(xscom.read(Pcb(1)), Err(XscomError::Busy(Pcb(1))));
    }

    #[test]
    fn each_status_has_its_error() {
        let chip = FakeChip::new(Registers::default());
        let xscom = Xscom::new(&chip, BASE);
        assert_eq!(xscom.read(Pcb(1)), Err(XscomError::Address(Pcb(1))));
        let errors = [
            (0, XscomError::Failed(Pcb(1))),
            (2, XscomError::Offline(Pcb(1))),
            (3, XscomError::PartialGood(Pcb(1))),
            (5, XscomError::Clock(Pcb(1))),
            (6, XscomError::Parity(Pcb(1))),
            (7, XscomError::TimeOut(Pcb(1))),
        ];
        for (status, error) in errors {
            chip.unit.status.set(Some(status));
            assert_eq!(xscom.write(Pcb(1), 0), Err(error));
        }
        chip.delay.set(u32::MAX);
        assert_eq!(xscom.write(Pcb(1), 0), Err(XscomError::NotDone(Pcb(1))));
    }
}
