//! What the drivers here need from a machine: [`PhysIo`] and [`XscomIo`]; and what LPC devices need: [`IsaIo`].

use crate::lpc::LpcError;

/// Loads and stores at real addresses, cache-inhibited and guarded, in program order.
///
/// Wider values are in big-endian order on the bus, as `lwzcix` or `stdcix` of a big-endian processor have it: the byte
/// at the lowest address is the most significant. Addresses are multiples of the width. The image implements it with
/// the `l*cix` and `st*cix` instructions.
pub trait PhysIo {
    /// Loads the byte at `address`.
    fn read8(&self, address: u64) -> u8;
    /// Loads two bytes at `address`.
    fn read16(&self, address: u64) -> u16;
    /// Loads four bytes at `address`.
    fn read32(&self, address: u64) -> u32;
    /// Loads eight bytes at `address`.
    fn read64(&self, address: u64) -> u64;
    /// Stores a byte at `address`.
    fn write8(&self, address: u64, value: u8);
    /// Stores two bytes at `address`.
    fn write16(&self, address: u64, value: u16);
    /// Stores four bytes at `address`.
    fn write32(&self, address: u64, value: u32);
    /// Stores eight bytes at `address`.
    fn write64(&self, address: u64, value: u64);
    /// Orders all accesses before against all after (`sync`), memory included.
    fn sync(&self);
}

/// [`PhysIo`] of a processor that also shows the result of its XSCOM accesses.
///
/// The register is the core's: while an access is under way, no other thread of the core may do one, nor clear it.
pub trait XscomIo: PhysIo {
    /// Reads HMER (SPR 336).
    fn hmer(&self) -> u64;
    /// Writes HMER: bits that are 0 in `keep` are cleared, the others stay as they are.
    fn hmer_and(&self, keep: u64);
}

/// Byte access to LPC I/O space, as the devices of PC descent want it.
///
/// POWER8 reaches it by [`crate::EccbLpc`]; on later chips it is a window of real addresses.
pub trait IsaIo {
    /// Reads `port`.
    ///
    /// # Errors
    /// [`LpcError`] if the bus did not carry the access out.
    fn read8(&self, port: u16) -> Result<u8, LpcError>;

    /// Writes `value` to `port`.
    ///
    /// # Errors
    /// [`LpcError`] if the bus did not carry the access out.
    fn write8(&self, port: u16, value: u8) -> Result<(), LpcError>;
}

impl<T: PhysIo + ?Sized> PhysIo for &T {
    fn read8(&self, address: u64) -> u8 {
        (**self).read8(address)
    }
    fn read16(&self, address: u64) -> u16 {
        (**self).read16(address)
    }
    fn read32(&self, address: u64) -> u32 {
        (**self).read32(address)
    }
    fn read64(&self, address: u64) -> u64 {
        (**self).read64(address)
    }
    fn write8(&self, address: u64, value: u8) {
        (**self).write8(address, value);
    }
    fn write16(&self, address: u64, value: u16) {
        (**self).write16(address, value);
    }
    fn write32(&self, address: u64, value: u32) {
        (**self).write32(address, value);
    }
    fn write64(&self, address: u64, value: u64) {
        (**self).write64(address, value);
    }
    fn sync(&self) {
        (**self).sync();
    }
}

impl<T: XscomIo + ?Sized> XscomIo for &T {
    fn hmer(&self) -> u64 {
        (**self).hmer()
    }
    fn hmer_and(&self, keep: u64) {
        (**self).hmer_and(keep);
    }
}

impl<T: IsaIo + ?Sized> IsaIo for &T {
    fn read8(&self, port: u16) -> Result<u8, LpcError> {
        (**self).read8(port)
    }
    fn write8(&self, port: u16, value: u8) -> Result<(), LpcError> {
        (**self).write8(port, value)
    }
}
