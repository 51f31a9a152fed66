//! A PCI function of the partition: configuration space, BAR, interrupts, and QEMU's `edu` device.
//!
//! Source of edu's registers: QEMU, "EDU device" (docs/specs/edu). They are in the byte order of the
//! processor that QEMU emulates, so no swap is needed here.

use crate::cpu;
use crate::hcall::hcall;
use crate::rtas::{self, Reply};
use crate::suite::{Fail, Outcome, holds, ok, status};
use crate::tree::{Bridge, Function, Platform};
use papr_abi::token;

/// Vendor and device of edu.
const EDU: u32 = 0x1234_11e8;
/// edu's registers, offsets into BAR 0.
pub(crate) mod edu {
    pub(crate) const ID: u64 = 0x00;
    pub(crate) const LIVENESS: u64 = 0x04;
    pub(crate) const FACTORIAL: u64 = 0x08;
    pub(crate) const STATUS: u64 = 0x20;
    pub(crate) const IRQ_STATUS: u64 = 0x24;
    pub(crate) const IRQ_RAISE: u64 = 0x60;
    pub(crate) const IRQ_ACK: u64 = 0x64;
    pub(crate) const DMA_SRC: u64 = 0x80;
    pub(crate) const DMA_DST: u64 = 0x88;
    pub(crate) const DMA_COUNT: u64 = 0x90;
    pub(crate) const DMA_COMMAND: u64 = 0x98;
    /// Where its own 4 KiB buffer is, as the DMA engine names it.
    pub(crate) const BUFFER: u64 = 0x4_0000;
    pub(crate) const BUFFER_BYTES: u64 = 4096;
}

fn address(config_addr: u32, register: u32) -> u32 {
    config_addr | (register & 0xf00) << 20 | register & 0xff
}
fn high(bridge: Bridge) -> u32 {
    (bridge.buid >> 32) as u32
}

/// ibm,read-pci-config of any function.
pub(crate) fn read(
    platform: &Platform,
    bridge: Bridge,
    config_addr: u32,
    register: u32,
    bytes: u32,
) -> Reply {
    let args = [
        address(config_addr, register),
        high(bridge),
        bridge.buid as u32,
        bytes,
    ];
    rtas::named(platform, "ibm,read-pci-config", &args, 2).unwrap_or(Reply {
        status: i64::MIN,
        out: [0; 8],
    })
}
/// ibm,write-pci-config of any function; the status.
pub(crate) fn write(
    platform: &Platform,
    bridge: Bridge,
    config_addr: u32,
    register: u32,
    bytes: u32,
    value: u32,
) -> i64 {
    let args = [
        address(config_addr, register),
        high(bridge),
        bridge.buid as u32,
        bytes,
        value,
    ];
    rtas::named(platform, "ibm,write-pci-config", &args, 1).map_or(i64::MIN, |reply| reply.status)
}

impl Function {
    /// Reads a register that must be readable.
    pub(crate) fn get(&self, platform: &Platform, register: u32, bytes: u32) -> Result<u32, Fail> {
        let reply = read(platform, self.bridge, self.config_addr, register, bytes);
        status("ibm,read-pci-config", reply.status, 0)?;
        Ok(reply.out[0])
    }
    /// Writes a register that must take it without complaint.
    pub(crate) fn set(
        &self,
        platform: &Platform,
        register: u32,
        bytes: u32,
        value: u32,
    ) -> Outcome {
        status(
            "ibm,write-pci-config",
            write(
                platform,
                self.bridge,
                self.config_addr,
                register,
                bytes,
                value,
            ),
            0,
        )
    }
    /// The configuration offset of capability `id`.
    pub(crate) fn capability(&self, platform: &Platform, id: u32) -> Result<Option<u32>, Fail> {
        let mut at = self.get(platform, 0x34, 1)?;
        for _ in 0..48 {
            if at < 0x40 || at == 0xff {
                return Ok(None);
            }
            let head = self.get(platform, at & !3, 2)?;
            if head & 0xff == id {
                return Ok(Some(at & !3));
            }
            at = head >> 8;
        }
        Ok(None)
    }
    /// ibm,change-msi: function code, how many; the reply of four words.
    pub(crate) fn change_msi(
        &self,
        platform: &Platform,
        function: u32,
        count: u32,
    ) -> Result<Reply, Fail> {
        let args = [
            self.config_addr,
            high(self.bridge),
            self.bridge.buid as u32,
            function,
            count,
            1,
        ];
        rtas::named(platform, "ibm,change-msi", &args, 4)
            .ok_or(Fail::Because("the device tree offers ibm,change-msi"))
    }
    /// ibm,query-interrupt-source-number of interrupt `index`.
    pub(crate) fn source(&self, platform: &Platform, index: u32) -> Result<Reply, Fail> {
        let args = [
            self.config_addr,
            high(self.bridge),
            self.bridge.buid as u32,
            index,
        ];
        let reply = rtas::named(platform, "ibm,query-interrupt-source-number", &args, 3);
        reply.ok_or(Fail::Because(
            "the device tree offers ibm,query-interrupt-source-number",
        ))
    }
}

/// An edu device, ready to be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edu {
    pub(crate) function: Function,
    /// Logical real address of BAR 0, 1 MiB.
    pub(crate) base: u64,
}

impl Edu {
    /// The partition's `number`th edu, with memory and bus mastering on.
    pub(crate) fn find(platform: &Platform, number: usize) -> Result<Self, Fail> {
        let mut edus = platform
            .functions()
            .iter()
            .filter(|function| function.id == EDU);
        let function = *edus
            .nth(number)
            .ok_or(Fail::Skip("no edu device (or no second one)"))?;
        let (pci, real, bytes) = function.bridge.mem32;
        let mut bar = function.get(platform, 0x10, 4)? & !0xf;
        if bar == 0 {
            // QEMU's own machine leaves this to firmware, which is not there.
            bar = u32::try_from(pci).unwrap_or(0) + 0x10_0000 * (number as u32 + 1);
            function.set(platform, 0x10, 4, bar)?;
        }
        let command = function.get(platform, 4, 2)?;
        function.set(platform, 4, 2, command | 6)?;
        let offset = u64::from(bar)
            .checked_sub(pci)
            .filter(|offset| *offset < bytes);
        let offset = offset.ok_or(Fail::Because("BAR 0 lies in the bridge's 32-bit range"))?;
        Ok(Self {
            function,
            base: real + offset,
        })
    }
    /// Reads a 32-bit register by H_LOGICAL_CI_LOAD.
    pub(crate) fn load(&self, register: u64) -> Result<u64, Fail> {
        Ok(ok(
            "H_LOGICAL_CI_LOAD",
            hcall(token::H_LOGICAL_CI_LOAD, [4, self.base + register]),
        )?[0])
    }
    /// Writes a 32-bit register by H_LOGICAL_CI_STORE.
    pub(crate) fn store(&self, register: u64, value: u64) -> Outcome {
        ok(
            "H_LOGICAL_CI_STORE",
            hcall(token::H_LOGICAL_CI_STORE, [4, self.base + register, value]),
        )
        .map(drop)
    }
    /// Writes a 64-bit DMA register as two halves, the upper at the lower address.
    fn store64(&self, register: u64, value: u64) -> Outcome {
        ok(
            "H_LOGICAL_CI_STORE",
            hcall(token::H_LOGICAL_CI_STORE, [8, self.base + register, value]),
        )
        .map(drop)
    }
    /// Begins a transfer and does not wait for its end; `command` adds to the command that starts it.
    pub(crate) fn begin(&self, from: u64, to: u64, bytes: u64, command: u64) -> Outcome {
        self.store64(edu::DMA_SRC, from)?;
        self.store64(edu::DMA_DST, to)?;
        self.store64(edu::DMA_COUNT, bytes)?;
        self.store64(edu::DMA_COMMAND, command | 1)
    }
    fn dma(&self, from: u64, to: u64, bytes: u64, command: u64) -> Outcome {
        self.begin(from, to, bytes, command)?;
        let start = cpu::timebase();
        let idle = || {
            ok(
                "H_LOGICAL_CI_LOAD",
                hcall(token::H_LOGICAL_CI_LOAD, [8, self.base + edu::DMA_COMMAND]),
            )
        };
        // The device takes 100 ms for a transfer, whatever it comes to.
        while idle()?[0] & 1 != 0 {
            holds(
                "a DMA ends in time",
                (cpu::timebase() - start < cpu::PATIENCE).then_some(()),
            )?;
        }
        Ok(())
    }
    /// Reads `bytes` from I/O bus address `ioba` into the device's buffer.
    pub(crate) fn dma_in(&self, ioba: u64, bytes: u64) -> Outcome {
        self.dma(ioba, edu::BUFFER, bytes, 0)
    }
    /// Writes `bytes` of the device's buffer to I/O bus address `ioba`.
    pub(crate) fn dma_out(&self, ioba: u64, bytes: u64) -> Outcome {
        self.dma(edu::BUFFER, ioba, bytes, 2)
    }
}
