//! The half of a bridge's driver that all processors share without its lock: [`Port`].
//!
//! Killing translations, and routing interrupts. All on-chip tables are reached from here, behind a small lock
//! of their own, since the routing is two of them.

use crate::Layout;
use crate::regs::{self, PhbConfig, TceKill, Xivt, table};
use core::ops::Range;
use ioda::driver::table::Table;
use ioda::{DmaWindow, Irq, IrqBackend, IrqKind, PeNumber, RegIo, ResetError, TceFlush, TceRange};
use lock::Mutex;

/// Message interrupts of a bridge.
pub(crate) const MSIS: u16 = 256;
/// LSIs: the four INTx wires, then the bridge's own.
const LSIS: usize = 8;
const INTX: u32 = 4;
/// The priority that masks.
const MASKED: u8 = 0xff;
/// Beyond this many pairs of entries, all translations of the bridge are forgotten at once.
const PAIR_KILLS: u64 = 32;

/// `PHB_CONFIG` as it is while the bridge runs.
pub(crate) fn running_config() -> u64 {
    let on = PhbConfig::TCE_64B::SET
        + PhbConfig::MSI32::SET
        + PhbConfig::MSI64::SET
        + PhbConfig::M32::SET;
    u64::from(on) | regs::CONFIG_IO
}

/// Where an interrupt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Route {
    /// PIR of the thread.
    server: u32,
    priority: u8,
    pe: PeNumber,
}

impl Route {
    const fn masked(pe: PeNumber) -> Self {
        Self {
            server: 0,
            priority: MASKED,
            pe,
        }
    }

    fn entry(self) -> u64 {
        let (server, priority) = packed_route(self.server, self.priority);
        (Xivt::SERVER.val(server) + Xivt::PRIORITY.val(priority) + Xivt::PE.val(self.pe.0.into()))
            .into()
    }
}

/// The fields of a routing entry, the server (of a PIR) and the priority: the low three bits of the server sit above
/// the priority, which loses as many.
pub(crate) fn packed_route(pir: u32, priority: u8) -> (u64, u64) {
    if priority == MASKED {
        return (0, MASKED.into());
    }
    // Two link bits below the PIR, unused.
    let server = u64::from(pir.wrapping_shl(2));
    (server >> 3, u64::from(priority >> 3) | (server & 7) << 5)
}

/// What is behind the lock of the index register: shadows, unpacked, of the routing.
struct Routes {
    lsis: [Route; LSIS],
    msis: [Route; MSIS as usize],
}

/// The shared half of a bridge.
pub struct Port<R> {
    pub(crate) io: R,
    lsi_irq: u32,
    msi_irq: u32,
    routes: Mutex<Routes>,
}

impl<R: RegIo> Port<R> {
    /// The bridge at `layout` whose registers `io` reaches by the fast path ([`Layout::aib`]).
    pub fn new(io: R, layout: &Layout) -> Self {
        let masked = Route::masked(crate::RESERVED);
        Self {
            io,
            lsi_irq: layout.lsi_irq,
            msi_irq: layout.msi_irq,
            routes: Mutex::new(Routes {
                lsis: [masked; LSIS],
                msis: [masked; MSIS as usize],
            }),
        }
    }

    /// Writes an entry of a table of one word.
    pub(crate) fn write_entry(&self, table: Table, index: u16, entry: u64) {
        let _index_register = self.routes.lock();
        table::write(&self.io, table, index, entry);
    }

    /// Writes an entry of a table of two words: the second first, since the first one takes both over.
    pub(crate) fn write_pair(&self, table: Table, index: u16, [first, second]: [u64; 2]) {
        let _index_register = self.routes.lock();
        table::select(&self.io, table, index);
        self.io.write64(regs::IODA_DATA1, second);
        self.io.write64(regs::IODA_DATA0, first);
    }

    /// Reads an entry of a table of one word.
    pub(crate) fn read_entry(&self, table: Table, index: u16) -> u64 {
        let _index_register = self.routes.lock();
        table::read(&self.io, table, index)
    }

    /// Writes `entries` to a table of one word, from its first on.
    pub(crate) fn write_entries(&self, table: Table, entries: impl Iterator<Item = u64>) {
        let _index_register = self.routes.lock();
        table::load(&self.io, table, entries);
    }

    /// Writes `entries` to a table of two words, from its first on.
    pub(crate) fn write_pairs(&self, table: Table, entries: impl Iterator<Item = [u64; 2]>) {
        let _index_register = self.routes.lock();
        table::start(&self.io, table);
        for [first, second] in entries {
            self.io.write64(regs::IODA_DATA1, second);
            self.io.write64(regs::IODA_DATA0, first);
        }
    }

    /// Loads the routing from its shadows.
    pub(crate) fn replay_routes(&self) {
        let routes = self.routes.lock();
        let lsis = routes.lsis.iter().map(|route| route.entry());
        table::load(&self.io, table::LXIVT, lsis);
        let msis = routes.msis.iter().map(|route| route.entry());
        table::load(&self.io, table::MXIVT, msis);
    }

    /// Makes message interrupt `msi` count from `pe` alone; masks it.
    pub(crate) fn set_msi_pe(&self, msi: u16, pe: PeNumber) {
        let mut routes = self.routes.lock();
        if let Some(route) = routes.msis.get_mut(usize::from(msi)) {
            *route = Route::masked(pe);
            table::write(&self.io, table::MXIVT, msi, route.entry());
        }
    }

    /// Forgets every translation that is cached; the load behind it comes back after that.
    pub(crate) fn kill_all(&self) -> u64 {
        // Between the two stores nobody else may change the register.
        let _config_register = self.routes.lock();
        let on = running_config();
        self.io.sync();
        self.io
            .write64(regs::PHB_CONFIG, on & !u64::from(PhbConfig::TCE_64B::SET));
        self.io.write64(regs::PHB_CONFIG, on);
        self.io.read64(regs::PHB_CONFIG)
    }

    fn msi(&self, irq: Irq) -> Option<u16> {
        let msi = u16::try_from(irq.0.checked_sub(self.msi_irq)?).ok()?;
        (msi < MSIS).then_some(msi)
    }

    fn lsi(&self, irq: Irq) -> Option<u16> {
        let lsi = u16::try_from(irq.0.checked_sub(self.lsi_irq)?).ok()?;
        (usize::from(lsi) < LSIS).then_some(lsi)
    }

    fn set_route(&self, irq: Irq, server: u32, priority: u8) {
        let mut routes = self.routes.lock();
        let (table, index, route) = match (self.msi(irq), self.lsi(irq)) {
            (Some(msi), _) => (table::MXIVT, msi, routes.msis.get_mut(usize::from(msi))),
            (None, Some(lsi)) => (table::LXIVT, lsi, routes.lsis.get_mut(usize::from(lsi))),
            (None, None) => return,
        };
        if let Some(route) = route {
            route.server = server;
            route.priority = priority;
            table::write(&self.io, table, index, route.entry());
        }
    }
}

impl<R: RegIo + Sync> IrqBackend for Port<R> {
    /// Holds numbers of no source as well, between the LSIs and the messages.
    fn irqs(&self) -> Range<u32> {
        self.lsi_irq..self.msi_irq.saturating_add(MSIS.into())
    }

    fn kind(&self, irq: Irq) -> Option<IrqKind> {
        if self.msi(irq).is_some() {
            return Some(IrqKind::Msi);
        }
        self.lsi(irq).map(|lsi| match lsi {
            lsi if u32::from(lsi) < INTX => IrqKind::Lsi(lsi as u8),
            lsi => IrqKind::Bridge(lsi as u8),
        })
    }

    /// The chip knows priorities in steps of 8 alone: lower bits are dropped, towards more favoured.
    /// Whether it keeps an edge that came while masked is not known.
    fn set_target(&self, irq: Irq, server: u32, priority: u8) {
        self.set_route(irq, server, priority);
    }

    fn reset(&self, irq: Irq) {
        self.set_route(irq, 0, MASKED);
    }

    /// The presenter's end of interrupt is all that this chip needs.
    fn eoi(&self, _irq: Irq) {}
}

impl<R: RegIo + Sync> TceFlush for Port<R> {
    /// By pairs of entries, which is how the chip caches them; beyond a few, all.
    #[inline]
    fn tce_flush(&self, window: &DmaWindow, range: TceRange) {
        let TceRange::Pages { first, count } = range else {
            self.kill_all();
            return;
        };
        let Some(last) = count
            .checked_sub(1)
            .and_then(|more| first.checked_add(more))
        else {
            return;
        };
        let pairs = first >> 1..=last >> 1;
        if (last >> 1).wrapping_sub(first >> 1) >= PAIR_KILLS {
            self.kill_all();
            return;
        }
        self.io.sync();
        for pair in pairs {
            let real = window.table_real.wrapping_add(pair.wrapping_shl(4));
            let kill = TceKill::PAIR::SET + TceKill::ADDRESS.val(real >> 4);
            self.io.write64(regs::TCE_KILL, kill.into());
        }
    }

    /// Kills are posted and the chip tells nothing of their end, so this forgets everything again in the one
    /// way that a load orders, and takes the load's return for the end.
    fn tce_wait(&self) -> Result<(), ResetError> {
        if self.kill_all() == u64::MAX {
            return Err(ResetError::Fenced);
        }
        self.io.sync();
        Ok(())
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;

    fn the_low_bits_of_the_server_sit_above_a_priority_in_steps_of_eight() {
        let entry = |server, priority| {
            let route = Route {
                server,
                priority,
                pe: PeNumber(0x55),
            };
            let entry = route.entry();
            assert_eq!(entry & 0xffff_ffff, 0x55 << 16);
            (entry >> 40, entry >> 32 & 0xff)
        };
        assert_eq!(entry(0, 0), (0, 0));
        assert_eq!(entry(1, 0), (0, 0x80));
        assert_eq!(entry(0x25, 0x28), (0x12, 0x85));
        assert_eq!(entry(0x24, 5), (0x12, 0));
        assert_eq!(entry(3, 0xfe), (1, 0x9f));
        assert_eq!(entry(3, MASKED), (0, 0xff));
    }

    cases::cases!(the_low_bits_of_the_server_sit_above_a_priority_in_steps_of_eight,);
}
