//! The hub's own interrupt, which tells that [`Hub::scan`] has something to say: [`HubIrq`].

use super::regs;
use super::{Hub, Units};
use crate::port::packed_route;
use core::ops::Range;
use ioda::{Irq, IrqBackend, IrqKind, RegIo};

/// The table of the hub's routing, and its only interrupt in use.
const XIVT: u64 = 2;
const LEVEL: u64 = 0;
const MASKED: u8 = 0xff;

/// Routes the hub's interrupt; shared by all processors.
pub struct HubIrq<R: 'static> {
    units: &'static Units<R>,
    irq: u32,
}

impl<R: RegIo> Hub<R> {
    /// Its interrupt, a level, masked at the start.
    pub fn irq(&self) -> HubIrq<R> {
        HubIrq {
            units: self.units,
            irq: self.facts().hub_irq(),
        }
    }
}

impl<R: RegIo> HubIrq<R> {
    fn route(&self, irq: Irq, server: u32, priority: u8) {
        if irq.0 != self.irq {
            return;
        }
        // The index register is shared: one at a time.
        let _index_register = self.units.resets.lock();
        let select = XIVT << (63 - 15) | LEVEL;
        self.units.write_alias(regs::RGC_IODA_ADDR, select);
        let (server, priority) = packed_route(server, priority);
        let entry = server << (63 - 23) | priority << (63 - 31);
        self.units.write_alias(regs::RGC_IODA_DATA, entry);
        self.units.write(regs::RGC_IODA_LOCK, 0);
    }
}

impl<R: RegIo + Sync> IrqBackend for HubIrq<R> {
    fn irqs(&self) -> Range<u32> {
        self.irq..self.irq.saturating_add(1)
    }

    fn kind(&self, irq: Irq) -> Option<IrqKind> {
        (irq.0 == self.irq).then_some(IrqKind::Bridge(LEVEL as u8))
    }

    fn set_target(&self, irq: Irq, server: u32, priority: u8) {
        self.route(irq, server, priority);
    }

    fn reset(&self, irq: Irq) {
        self.route(irq, 0, MASKED);
    }

    fn eoi(&self, _irq: Irq) {}
}
