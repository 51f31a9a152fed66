//! What a driver needs of the machine: [`RegIo`], [`XscomIo`], [`MmioIo`]. Tests plug in fakes.

use core::fmt;
use core::marker::PhantomData;
use core::mem::size_of;

/// The offset of a register `T` wide from its device's base, aligned to that width.
pub struct Reg<T> {
    offset: u16,
    width: PhantomData<fn() -> T>,
}

/// A register of eight bytes.
pub type Reg64 = Reg<u64>;
/// A register, or lane of one, of four bytes.
pub type Reg32 = Reg<u32>;
/// A lane of two bytes.
pub type Reg16 = Reg<u16>;
/// A lane of one byte.
pub type Reg8 = Reg<u8>;

impl<T> Reg<T> {
    /// The register at `offset` bytes, known when the code is compiled.
    ///
    /// # Panics
    /// At compile time, when used in a constant, if `offset` is not aligned.
    #[must_use]
    pub const fn at(offset: u16) -> Self {
        assert!(
            (offset as usize).is_multiple_of(size_of::<T>()),
            "a register is aligned to its width"
        );
        Self {
            offset,
            width: PhantomData,
        }
    }
    /// The register at `offset` bytes, if that is aligned.
    #[must_use]
    pub const fn new(offset: u16) -> Option<Self> {
        if (offset as usize).is_multiple_of(size_of::<T>()) {
            Some(Self {
                offset,
                width: PhantomData,
            })
        } else {
            None
        }
    }
    /// The offset in bytes.
    #[must_use]
    pub const fn offset(self) -> u16 {
        self.offset
    }
}

impl<T> Clone for Reg<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Reg<T> {}
impl<T> PartialEq for Reg<T> {
    fn eq(&self, other: &Self) -> bool {
        self.offset == other.offset
    }
}
impl<T> Eq for Reg<T> {}
impl<T> fmt::Debug for Reg<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reg{}({:#x})", size_of::<T>() * 8, self.offset)
    }
}

/// The registers of one device, by offset from its base: cache-inhibited, guarded, in program order.
///
/// Values are big-endian on the bus, as `ldcix` or `lhzcix` of a big-endian processor see them: the
/// byte at the lowest address is the most significant. Where a device keeps a little-endian value
/// (PCI config data) the driver swaps it.
pub trait RegIo {
    /// Loads eight bytes.
    fn read64(&self, reg: Reg64) -> u64;
    /// Stores eight bytes.
    fn write64(&self, reg: Reg64, value: u64);
    /// Loads four bytes.
    fn read32(&self, reg: Reg32) -> u32;
    /// Stores four bytes.
    fn write32(&self, reg: Reg32, value: u32);
    /// Loads two bytes.
    fn read16(&self, reg: Reg16) -> u16;
    /// Stores two bytes.
    fn write16(&self, reg: Reg16, value: u16);
    /// Loads a byte.
    fn read8(&self, reg: Reg8) -> u8;
    /// Stores a byte.
    fn write8(&self, reg: Reg8, value: u8);
    /// Orders every access before, to memory as well as to registers, against all after (`sync`).
    fn sync(&self);
    /// Writes back and forgets the processor's cache line that holds real address `real` (`dcbf`),
    /// so that a bridge sees in memory what was stored there.
    fn flush_line(&self, real: u64);
}

impl<T: RegIo + ?Sized> RegIo for &T {
    fn read64(&self, reg: Reg64) -> u64 {
        (**self).read64(reg)
    }
    fn write64(&self, reg: Reg64, value: u64) {
        (**self).write64(reg, value);
    }
    fn read32(&self, reg: Reg32) -> u32 {
        (**self).read32(reg)
    }
    fn write32(&self, reg: Reg32, value: u32) {
        (**self).write32(reg, value);
    }
    fn read16(&self, reg: Reg16) -> u16 {
        (**self).read16(reg)
    }
    fn write16(&self, reg: Reg16, value: u16) {
        (**self).write16(reg, value);
    }
    fn read8(&self, reg: Reg8) -> u8 {
        (**self).read8(reg)
    }
    fn write8(&self, reg: Reg8, value: u8) {
        (**self).write8(reg, value);
    }
    fn sync(&self) {
        (**self).sync();
    }
    fn flush_line(&self, real: u64) {
        (**self).flush_line(real);
    }
}

/// An access to XSCOM register `pcb` failed; the implementer has logged or counted why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XscomError {
    /// The register.
    pub pcb: u32,
}

impl fmt::Display for XscomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "XSCOM register {:#010x} does not answer", self.pcb)
    }
}

/// The side-band registers (XSCOM) of the chip that a bridge is on. The implementer serialises accesses.
pub trait XscomIo {
    /// Reads register `pcb`.
    ///
    /// # Errors
    /// [`XscomError`] if the access was not carried out.
    fn read(&self, pcb: u32) -> Result<u64, XscomError>;
    /// Writes register `pcb`.
    ///
    /// # Errors
    /// [`XscomError`] if the access was not carried out.
    fn write(&self, pcb: u32, value: u64) -> Result<(), XscomError>;
}

impl<T: XscomIo + ?Sized> XscomIo for &T {
    fn read(&self, pcb: u32) -> Result<u64, XscomError> {
        (**self).read(pcb)
    }
    fn write(&self, pcb: u32, value: u64) -> Result<(), XscomError> {
        (**self).write(pcb, value)
    }
}

/// Four-byte registers of PCI devices by real address, cache-inhibited and guarded.
///
/// Values are the numbers PCI defines, so on the bus they are little-endian (`lwzcix` and a byte swap).
pub trait MmioIo {
    /// Loads the register at real address `real`, a multiple of 4.
    fn read32(&self, real: u64) -> u32;
    /// Stores `value` to the register at real address `real`, a multiple of 4.
    fn write32(&self, real: u64, value: u32);
}

impl<T: MmioIo + ?Sized> MmioIo for &T {
    fn read32(&self, real: u64) -> u32 {
        (**self).read32(real)
    }
    fn write32(&self, real: u64, value: u32) {
        (**self).write32(real, value);
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;
    use cases::prelude::*;
    use core::cell::RefCell;

    /// Keeps every access in words, and answers each load with its offset and width.
    #[derive(Default)]
    struct Told(RefCell<Vec<String>>);

    impl Told {
        fn tell(&self, what: String) {
            self.0.borrow_mut().push(what);
        }
    }

    impl RegIo for Told {
        fn read64(&self, reg: Reg64) -> u64 {
            0x64_0000 | u64::from(reg.offset())
        }
        fn write64(&self, reg: Reg64, value: u64) {
            self.tell(format!("64 {reg:?} {value:x}"));
        }
        fn read32(&self, reg: Reg32) -> u32 {
            0x32_0000 | u32::from(reg.offset())
        }
        fn write32(&self, reg: Reg32, value: u32) {
            self.tell(format!("32 {reg:?} {value:x}"));
        }
        fn read16(&self, reg: Reg16) -> u16 {
            0x1600 | reg.offset()
        }
        fn write16(&self, reg: Reg16, value: u16) {
            self.tell(format!("16 {reg:?} {value:x}"));
        }
        fn read8(&self, reg: Reg8) -> u8 {
            0x80 | reg.offset() as u8
        }
        fn write8(&self, reg: Reg8, value: u8) {
            self.tell(format!("8 {reg:?} {value:x}"));
        }
        fn sync(&self) {
            self.tell("sync".into());
        }
        fn flush_line(&self, real: u64) {
            self.tell(format!("flush {real:x}"));
        }
    }

    impl XscomIo for Told {
        fn read(&self, pcb: u32) -> Result<u64, XscomError> {
            Ok(0xc0_0000 | u64::from(pcb))
        }
        fn write(&self, pcb: u32, value: u64) -> Result<(), XscomError> {
            self.tell(format!("xscom {pcb:x} {value:x}"));
            Err(XscomError { pcb })
        }
    }

    struct Device(Told);

    impl MmioIo for Device {
        fn read32(&self, real: u64) -> u32 {
            0x11_0000 | real as u32
        }
        fn write32(&self, real: u64, value: u32) {
            self.0.tell(format!("mmio {real:x} {value:x}"));
        }
    }

    fn use_registers(io: impl RegIo) {
        assert_eq!(io.read64(Reg64::at(8)), 0x64_0008);
        assert_eq!(io.read32(Reg32::at(4)), 0x32_0004);
        assert_eq!(io.read16(Reg16::at(2)), 0x1602);
        assert_eq!(io.read8(Reg8::at(3)), 0x83);
        io.write64(Reg64::at(8), 0x10);
        io.write32(Reg32::at(4), 0x20);
        io.write16(Reg16::at(2), 0x30);
        io.write8(Reg8::at(3), 0x40);
        io.sync();
        io.flush_line(0x80);
    }

    fn use_xscom(io: impl XscomIo) {
        assert_eq!(io.read(5), Ok(0xc0_0005));
        assert_eq!(io.write(6, 7), Err(XscomError { pcb: 6 }));
    }

    fn use_device(io: impl MmioIo) {
        assert_eq!(io.read32(8), 0x11_0008);
        io.write32(0xc, 9);
    }

    fn a_reference_passes_every_access_on() {
        let told = Told::default();
        use_registers(&told);
        use_xscom(&told);
        let want = [
            "64 Reg64(0x8) 10",
            "32 Reg32(0x4) 20",
            "16 Reg16(0x2) 30",
            "8 Reg8(0x3) 40",
            "sync",
            "flush 80",
            "xscom 6 7",
        ];
        assert_eq!(*told.0.borrow(), want);
        let device = Device(Told::default());
        use_device(&device);
        assert_eq!(*device.0.0.borrow(), ["mmio c 9"]);
    }

    fn registers_are_the_same_where_their_offsets_are() {
        assert!(Reg64::at(8) == Reg64::at(8));
        assert!(Reg64::at(8) != Reg64::at(0x10));
        assert_eq!(
            XscomError { pcb: 0x0201_1811 }.to_string(),
            "XSCOM register 0x02011811 does not answer"
        );
    }

    fn a_register_is_aligned_to_its_width() {
        assert_eq!(Reg64::new(0x134), None);
        assert_eq!(Reg32::new(0x134).map(Reg::offset), Some(0x134));
        assert_eq!(Reg16::new(0x133), None);
        assert_eq!(Reg8::new(0x133).map(Reg::offset), Some(0x133));
    }

    cases::cases!(
        a_reference_passes_every_access_on,
        registers_are_the_same_where_their_offsets_are,
        a_register_is_aligned_to_its_width,
    );
}
