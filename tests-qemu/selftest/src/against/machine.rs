//! Bridge 0 of the machine as a [`Side`], with QEMU's edu below its root port.

use super::bench::{Arena, BAR, BAR_BEHIND};
use super::side::{Admission, MACHINE_CHECK, Side, Who};
use crate::print::XSCOM;
use crate::stop;
use ioda::{RegIo, XscomIo};
use phb3::Layout;
use powernv::{Icp, PhysIo, Xscom};
use ppc64::spr::timebase;
use realio::{IO, Io, Registers, SideBand};

/// The edu's registers, and its buffer as its DMA engine names it.
mod edu {
    pub(super) const RAISE: u64 = 0x60;
    pub(super) const ACKNOWLEDGE: u64 = 0x64;
    pub(super) const SOURCE: u64 = 0x80;
    pub(super) const DESTINATION: u64 = 0x88;
    pub(super) const COUNT: u64 = 0x90;
    pub(super) const COMMAND: u64 = 0x98;
    pub(super) const BUFFER: u64 = 0x4_0000;
    pub(super) const START: u64 = 1;
    pub(super) const TO_MEMORY: u64 = 2;
}

/// Ticks of the time base in a millisecond.
const TICKS_PER_MS: u64 = 512_000;

/// The machine's bridge.
pub(crate) struct Machine {
    registers: Registers,
    side_band: SideBand,
    icp: Icp<Io>,
    /// Real address of the edu's registers.
    edu: u64,
    /// And of the one behind the bridge.
    behind: u64,
}

impl Machine {
    /// Starts the bridge. Whatever an earlier program did to it is undone.
    pub(crate) fn start(arena: Arena) -> Self {
        let side_band = || SideBand::new(Xscom::new(IO, XSCOM));
        let layout: Layout = arena.start(Registers::at, side_band(), wait);
        let icp = Icp::new(IO, crate::machine::icp().expect("the thread has one"));
        icp.set_mfrr(0xff);
        icp.set_priority(0xff);
        let mut this = Self {
            registers: Registers::at(layout.registers),
            side_band: side_band(),
            icp,
            edu: layout.m32.real + (BAR - 0x8000_0000),
            behind: layout.m32.real + (BAR_BEHIND - 0x8000_0000),
        };
        while this.accept() != 0 {}
        this
    }

    const fn base(&self, who: Who) -> u64 {
        match who {
            Who::Edu => self.edu,
            Who::Behind => self.behind,
        }
    }

    fn dma(&self, who: Who, from: u64, to: u64, bytes: u64, command: u64) {
        // An edu's 64-bit registers take eight bytes at once, in the byte order of QEMU's target.
        let base = self.base(who);
        IO.write64(base + edu::SOURCE, from);
        IO.write64(base + edu::DESTINATION, to);
        IO.write64(base + edu::COUNT, bytes);
        ppc64::spr::sync();
        IO.write64(base + edu::COMMAND, command | edu::START);
        let start = timebase();
        // The device takes 100 ms for a transfer, whatever it comes to.
        while IO.read64(base + edu::COMMAND) & edu::START != 0 {
            assert!(
                timebase().wrapping_sub(start) < 5000 * TICKS_PER_MS,
                "a transfer of the edu does not end"
            );
        }
        ppc64::spr::sync();
    }
}

fn wait(ms: u32) {
    let start = timebase();
    while timebase().wrapping_sub(start) < u64::from(ms) * TICKS_PER_MS {
        ppc64::power::relax();
    }
}

impl Side for Machine {
    fn regs(&self) -> &dyn RegIo {
        &self.registers
    }
    fn xscom(&self) -> &dyn XscomIo {
        &self.side_band
    }
    fn load(&mut self, real: u64) -> u64 {
        stop::try_load(real).map_or(MACHINE_CHECK, |value| value.swap_bytes().into())
    }
    fn store(&mut self, real: u64, value: u32) {
        IO.write32(real, value.swap_bytes());
    }
    fn fill(&mut self, who: Who, bus: u64) {
        self.dma(who, bus, edu::BUFFER, 4096, 0);
    }
    fn dma_in(&mut self, who: Who, bus: u64, slot: usize) {
        self.dma(who, bus, edu::BUFFER + 8 * slot as u64, 8, 0);
    }
    fn dma_out(&mut self, who: Who, bus: u64, slot: usize) {
        self.dma(who, edu::BUFFER + 8 * slot as u64, bus, 8, edu::TO_MEMORY);
    }
    fn raise(&mut self) {
        IO.write32(self.edu + edu::RAISE, 1);
    }
    fn lower(&mut self) {
        IO.write32(self.edu + edu::ACKNOWLEDGE, 1);
    }
    fn admit(&mut self, admission: Admission) {
        self.icp.set_priority(match admission {
            Admission::Nothing => 0,
            Admission::Everything => 0xff,
        });
    }
    fn accept(&mut self) -> u64 {
        let accepted = self.icp.accept();
        let Some(source) = accepted.source() else {
            return 0;
        };
        let priority = self.icp.poll().priority();
        // A wire that is still pulled when its interrupt ends comes again.
        self.lower();
        self.icp.end(accepted);
        u64::from(source) << 8 | u64::from(priority)
    }
}
