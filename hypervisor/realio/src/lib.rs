//! Device registers by real address, for every driver: the one place that makes a `RealModeIo`.
//!
//! - [`IO`]: any register of the machine.
//! - [`Registers`], [`SideBand`]: what a bridge's driver needs; [`DeviceRegisters`]: devices behind it.
//!
//! For images that stay in hypervisor real mode.
#![no_std]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![expect(unsafe_code, reason = "vouches for real mode, once")]

use ioda::{MmioIo, Reg8, Reg16, Reg32, Reg64, RegIo, XscomError};
use papr_abi::RealAddr;
use powernv::{Pcb, PhysIo, Xscom, XscomIo};
use ppc64::io::RealModeIo;
use ppc64::{mfspr, mtspr};

/// Cache-inhibited access by real address.
#[derive(Clone, Copy, Debug)]
pub struct Io(RealModeIo);

/// The accessor that all drivers share.
// SAFETY: 1. The hypervisor never leaves real mode. 2. Drivers get their addresses from the checked
// device tree and from bridge windows; a partition's accesses are checked against its own windows.
pub static IO: Io = Io(unsafe { RealModeIo::new() });

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
        self.0.probe_load(at.0, bytes)
    }
    fn store(&self, at: RealAddr, bytes: u64, value: u64) {
        self.0.probe_store(at.0, bytes, value);
    }
}

/// A bridge's registers.
#[derive(Clone, Copy, Debug)]
pub struct Registers(u64);

impl Registers {
    /// The registers at real address `base`, a page that does not wrap.
    #[must_use]
    pub const fn at(base: u64) -> Self {
        Self(base)
    }

    fn address<T>(self, reg: ioda::Reg<T>) -> u64 {
        self.0.wrapping_add(reg.offset().into())
    }
}

impl RegIo for Registers {
    fn read64(&self, reg: Reg64) -> u64 {
        IO.read64(self.address(reg))
    }
    fn write64(&self, reg: Reg64, value: u64) {
        IO.write64(self.address(reg), value);
    }
    fn read32(&self, reg: Reg32) -> u32 {
        IO.read32(self.address(reg))
    }
    fn write32(&self, reg: Reg32, value: u32) {
        IO.write32(self.address(reg), value);
    }
    fn read16(&self, reg: Reg16) -> u16 {
        IO.read16(self.address(reg))
    }
    fn write16(&self, reg: Reg16, value: u16) {
        IO.write16(self.address(reg), value);
    }
    fn read8(&self, reg: Reg8) -> u8 {
        IO.read8(self.address(reg))
    }
    fn write8(&self, reg: Reg8, value: u8) {
        IO.write8(self.address(reg), value);
    }
    fn sync(&self) {
        ppc64::spr::sync();
    }
    fn flush_line(&self, real: u64) {
        ppc64::cache::flush(real, 1);
    }
}

/// The side band of the bridge's chip. The threads of one core share the register that tells how an
/// access went; no two of them run the hypervisor's bridge code at a time while cores have one thread each.
#[derive(Debug)]
pub struct SideBand(Xscom<Io>);

impl SideBand {
    /// The side band behind `xscom`.
    #[must_use]
    pub const fn new(xscom: Xscom<Io>) -> Self {
        Self(xscom)
    }
}

impl ioda::XscomIo for SideBand {
    fn read(&self, pcb: u32) -> Result<u64, XscomError> {
        self.0.read(Pcb(pcb)).map_err(|_| XscomError { pcb })
    }
    fn write(&self, pcb: u32, value: u64) -> Result<(), XscomError> {
        self.0
            .write(Pcb(pcb), value)
            .map_err(|_| XscomError { pcb })
    }
}

/// Registers of devices behind bridges.
#[derive(Clone, Copy, Debug)]
pub struct DeviceRegisters;

impl MmioIo for DeviceRegisters {
    fn read32(&self, real: u64) -> u32 {
        IO.read32(real).swap_bytes()
    }
    fn write32(&self, real: u64, value: u32) {
        IO.write32(real, value.swap_bytes());
    }
}
