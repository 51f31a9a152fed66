//! Device registers by real address, for every driver: the one place that makes a `RealModeIo`.
#![expect(unsafe_code, reason = "vouches for real mode, once")]

use papr_abi::RealAddr;
use powernv::{PhysIo, XscomIo};
use ppc64::io::RealModeIo;
use ppc64::{mfspr, mtspr};

/// Cache-inhibited access by real address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Io(RealModeIo);

/// The accessor that all drivers share.
// SAFETY: 1. The hypervisor never leaves real mode. 2. Drivers get their addresses from the checked
// device tree and from bridge windows; a partition's accesses are checked against its own windows.
pub(crate) static IO: Io = Io(unsafe { RealModeIo::new() });

impl PhysIo for Io {
    fn read8(&self, address: u64) -> u8 {
        self.0.load8(address)
    }
    fn read16(&self, address: u64) -> u16 {
        self.0.load16(address)
    }
    fn read32(&self, address: u64) -> u32 {
        self.0.load32(address)
    }
    fn read64(&self, address: u64) -> u64 {
        self.0.load64(address)
    }
    fn write8(&self, address: u64, value: u8) {
        self.0.store8(address, value);
    }
    fn write16(&self, address: u64, value: u16) {
        self.0.store16(address, value);
    }
    fn write32(&self, address: u64, value: u32) {
        self.0.store32(address, value);
    }
    fn write64(&self, address: u64, value: u64) {
        self.0.store64(address, value);
    }
    fn sync(&self) {
        ppc64::spr::sync();
    }
}

impl XscomIo for Io {
    fn hmer(&self) -> u64 {
        mfspr!(HMER)
    }
    fn hmer_and(&self, keep: u64) {
        // SAFETY: HMER ANDs what is written; maintenance interrupts are off (HMEER = 0).
        unsafe { mtspr!(HMER, keep) }
    }
}

impl lpar::machine::DeviceMemory for Io {
    fn load(&self, at: RealAddr, bytes: u64) -> u64 {
        match bytes {
            1 => self.0.load8(at.0).into(),
            2 => self.0.load16(at.0).into(),
            4 => self.0.load32(at.0).into(),
            _ => self.0.load64(at.0),
        }
    }
    fn store(&self, at: RealAddr, bytes: u64, value: u64) {
        match bytes {
            1 => self.0.store8(at.0, value as u8),
            2 => self.0.store16(at.0, value as u16),
            4 => self.0.store32(at.0, value as u32),
            _ => self.0.store64(at.0, value),
        }
    }
}
