//! The hub in front of the six bridges: its facts ([`Facts`], [`Layout`]), its start ([`Hub`]), and what a
//! bridge needs of it while it runs ([`HubPort`]).
//!
//! The hub is a chain of units: BI (the bus to the processor), CI (a crossbar of eight ports: 0 upwards, 1 the
//! global registers, 2 and on the bridges), RGC (the global registers and the hub's own interrupts), HSS
//! (lanes), MISC, I2C, and GEM, which sums up errors. It is set up once; [`HubPort`] takes single bridges
//! through resets later.

pub(crate) mod gx;
mod irq;
pub(crate) mod layout;
mod port;
mod regs;
mod routing;
mod scan;
mod start;
mod values;

pub use gx::{GxError, Reservation};
pub use irq::HubIrq;
pub use layout::{Facts, FactsError, Layout, Processor};
pub(crate) use layout::{IO_BYTES, IO_SEGMENT_SHIFT, M32_PCI, M32_SEGMENT_SHIFT, M64_BYTES};
pub use port::HubPort;
pub use scan::{Class, HubError, HubEvent, Unit};
pub use start::Hub;

use core::sync::atomic::{AtomicU8, Ordering};
use ioda::RegIo;
use lock::Mutex;
use regs::{Block, HubReg};

/// The hub's registers, shared by its driver and those of its bridges: three blocks of 64 KiB.
pub struct Units<R> {
    /// The bus interface: [`Facts::BUS_OFFSET`] into the first window.
    bus: R,
    /// The crossbar: [`Facts::CROSSBAR_OFFSET`].
    crossbar: R,
    /// Everything else: [`Facts::GLOBAL_OFFSET`].
    global: R,
    /// What the reset register was last given: six bridges use it, and they keep out of each other's way.
    resets: Mutex<u64>,
    /// Bridges that are kept shut because of errors found: 0x80 for the first, 0x40 for the second; [`DEAD`].
    shut: AtomicU8,
}

/// All bridges are shut for good.
const DEAD: u8 = 1;

impl<R: RegIo> Units<R> {
    /// The hub whose register blocks these are.
    pub const fn new(bus: R, crossbar: R, global: R) -> Self {
        Self {
            bus,
            crossbar,
            global,
            resets: Mutex::new(0),
            shut: AtomicU8::new(0),
        }
    }

    fn io(&self, block: Block) -> &R {
        match block {
            Block::Bus => &self.bus,
            Block::Crossbar => &self.crossbar,
            Block::Global => &self.global,
        }
    }

    fn read(&self, at: HubReg) -> u64 {
        self.io(at.block).read64(at.reg)
    }

    /// Writes and reads back, which is how skiboot orders every write to the hub.
    fn write(&self, at: HubReg, value: u64) {
        self.io(at.block).write64(at.reg, value);
        let _ = self.read(at);
    }

    /// Writes a register that does not give back what it is given.
    fn write_alias(&self, at: HubReg, value: u64) {
        self.io(at.block).write64(at.reg, value);
    }

    /// GEM forgets that the unit of its bit `gem` had errors; under the lock of what bridges share. No store that takes
    /// nothing back: it would take back what the hub says in the meantime.
    fn forget(&self, gem: u32) {
        let flagged = self.read(regs::GEM_WOF);
        if flagged & regs::bit(gem & 63) != 0 {
            self.write(regs::GEM_WOF, flagged & !regs::bit(gem & 63));
        }
    }

    fn shut(&self, bridge: u8) {
        self.shut.fetch_or(0x80 >> (bridge & 7), Ordering::Relaxed);
    }

    fn shut_all(&self) {
        self.shut.fetch_or(DEAD, Ordering::Relaxed);
    }

    fn open(&self, bridge: u8) {
        let others = !(0x80u8 >> (bridge & 7));
        self.shut.fetch_and(others, Ordering::Relaxed);
    }

    fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Relaxed) & DEAD != 0
    }

    fn has_shut(&self, bridge: u8) -> bool {
        self.shut.load(Ordering::Relaxed) & 0x80 >> (bridge & 7) != 0
    }
}
