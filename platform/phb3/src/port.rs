//! The half of the driver that all processors share without the bridge's lock: [`Port`].
//!
//! Flushing translations, and routing and ending interrupts. The on-chip tables are reached from
//! here as well, behind a small lock of their own, since the routing of LSIs is one of them.

use crate::Tables;
use crate::regs::{self, DmardSync, FfiRequest, IvcInvalidate, IvcUpdate, Lxivt, TceKill, table};
use crate::tables::Ive;
use core::hint::spin_loop;
use core::ops::Range;
use core::sync::atomic::Ordering::Relaxed;
use ioda::driver::table::Table;
use ioda::{DmaWindow, Irq, IrqBackend, IrqKind, PeNumber, RegIo, ResetError, TceFlush, TceRange};
use lock::Mutex;

/// Message interrupts of a bridge; the rest of its sources are LSIs.
pub(crate) const MSIS: u16 = 0x7f8;
/// All sources.
const SOURCES: u16 = 0x800;
/// LSIs: the four INTx wires, then the bridge's own.
const LSIS: usize = 8;
const INTX: u16 = 4;
/// The priority that masks.
const MASKED: u8 = 0xff;
/// The routing of all LSIs to nobody: `Lxivt::PRIORITY`.
pub(crate) const MASKED_LSIS: [u64; LSIS] = [(MASKED as u64) << 32; LSIS];
/// Beyond this many pages, all translations of the endpoint are forgotten at once.
const PAGE_KILLS: u64 = 4;
/// Looks at a register that should change within microseconds.
const POLLS: u32 = 1_000_000;

/// The shared half of a bridge.
pub struct Port<R> {
    pub(crate) io: R,
    ivt: &'static [Ive],
    ivt_real: u64,
    irq_base: u32,
    /// Shadow of the LSIs' routing; its lock also guards the index register of the on-chip tables.
    lxivt: Mutex<[u64; LSIS]>,
}

impl<R: RegIo> Port<R> {
    /// The bridge whose registers are `io`, whose first interrupt source is `irq_base`
    /// ([`crate::Pbcq::irq_base`]) and whose tables are `tables`.
    pub fn new(io: R, irq_base: u32, tables: &Tables) -> Self {
        Self {
            io,
            ivt: tables.ivt.cells,
            ivt_real: tables.ivt.real,
            irq_base,
            lxivt: Mutex::new(MASKED_LSIS),
        }
    }

    /// Forgets the translation of the page at bus address `bus` of a window of `pe`.
    #[inline]
    fn kill_page(&self, pe: PeNumber, bus: u64) {
        self.io.sync();
        let kill = TceKill::PAGE::SET + TceKill::PE_NUMBER.val(pe.0.into());
        self.io
            .write64(regs::TCE_KILL, (bus & PAGE_ADDRESS) | u64::from(kill));
    }

    /// Writes entry `index` of an on-chip table.
    pub(crate) fn write_entry(&self, table: Table, index: u16, entry: u64) {
        let _index_register = self.lxivt.lock();
        table::write(&self.io, table, index, entry);
    }

    /// Writes `entries` to an on-chip table, from its first on.
    pub(crate) fn write_entries(&self, table: Table, entries: impl Iterator<Item = u64>) {
        let _index_register = self.lxivt.lock();
        table::load(&self.io, table, entries);
    }

    /// Reads entry `index` of an on-chip table.
    pub(crate) fn read_entry(&self, table: Table, index: u16) -> u64 {
        let _index_register = self.lxivt.lock();
        table::read(&self.io, table, index)
    }

    /// Loads the routing of the LSIs from its shadow.
    pub(crate) fn replay_lsis(&self) {
        let shadow = *self.lxivt.lock();
        self.write_entries(table::LXIVT, shadow.into_iter());
    }

    /// Makes message interrupt `msi` count from `pe` alone. For who hands them out without [`ioda::MsiSource`].
    pub fn set_msi_pe(&self, msi: u16, pe: PeNumber) {
        if let Some(ive) = self.ive(msi) {
            ive.pe.store(pe.0);
            self.io.sync();
            self.io.write64(
                regs::IVC_INVALIDATE,
                IvcInvalidate::SID.val(msi.into()).into(),
            );
        }
    }

    /// Orders every access before against all after, as [`RegIo::sync`].
    pub fn sync(&self) {
        self.io.sync();
    }

    /// Forgets all translations of `pe`.
    pub fn kill_pe(&self, pe: PeNumber) {
        self.io.sync();
        self.io.write64(
            regs::TCE_KILL,
            (TceKill::PE::SET + TceKill::PE_NUMBER.val(pe.0.into())).into(),
        );
    }

    fn ive(&self, msi: u16) -> Option<&'static Ive> {
        self.ivt.get(usize::from(msi)).filter(|_| msi < MSIS)
    }

    fn source(&self, irq: Irq) -> Option<u16> {
        let source = u16::try_from(irq.0.checked_sub(self.irq_base)?).ok()?;
        (source < SOURCES).then_some(source)
    }

    fn set_msi_target(&self, msi: u16, ive: &Ive, server: u32, priority: u8) {
        ive.target
            .store(server.wrapping_shl(10) | u32::from(priority));
        let update = IvcUpdate::ENABLE_SERVER::SET
            + IvcUpdate::ENABLE_PRIORITY::SET
            + IvcUpdate::SERVER.val(u64::from(server).wrapping_shl(2))
            + IvcUpdate::PRIORITY.val(priority.into())
            + IvcUpdate::SID.val(msi.into());
        self.update_ivc(update.into());
    }

    /// As [`IrqBackend::set_target`] of LSI `lsi`, 0 to 7, whatever its number is.
    pub fn set_lsi_target(&self, lsi: u16, server: u32, priority: u8) {
        let mut shadow = self.lxivt.lock();
        let entry = lxive(server, priority);
        if let Some(slot) = shadow.get_mut(usize::from(lsi)) {
            *slot = entry;
            table::write(&self.io, table::LXIVT, lsi, entry);
        }
    }

    /// Sends the edge that Q stands for, if there is one and nothing is in service.
    fn resend(&self, msi: u16, ive: &Ive) {
        if ive.q.load(Relaxed) == 0 {
            // The bridge may still hold the store of Q: a load from it comes back only after that.
            self.flush(msi);
            let _ = self.io.read64(regs::IVC_UPDATE);
            self.io.sync();
            if ive.q.load(Relaxed) == 0 {
                return;
            }
        }
        if ive.gen_p.load(Relaxed) & 1 != 0 || !self.lock_ffi() {
            return;
        }
        ive.q.store(0, Relaxed);
        self.update_ivc((IvcUpdate::ENABLE_Q::SET + IvcUpdate::SID.val(msi.into())).into());
        let request = FfiRequest::ISN.val(msi.into()) + FfiRequest::LOCK_CLEAR::SET;
        self.io.write64(regs::FFI_REQUEST, request.into());
    }

    /// Takes the lock of the resend register; a fenced bridge reads as all ones and never gives it.
    fn lock_ffi(&self) -> bool {
        for _ in 0..POLLS {
            match self.io.read64(regs::FFI_LOCK) {
                0 => return true,
                u64::MAX => return false,
                _ => spin_loop(),
            }
        }
        false
    }

    fn update_ivc(&self, update: u64) {
        self.io.sync();
        self.io.write64(regs::IVC_UPDATE, update);
    }

    fn flush(&self, msi: u16) {
        let offset = u64::from(msi).wrapping_mul(Tables::IVE_BYTES as u64);
        self.io.flush_line(self.ivt_real.wrapping_add(offset));
    }
}

/// An entry of the LSIs' routing.
fn lxive(server: u32, priority: u8) -> u64 {
    (Lxivt::SERVER.val(u64::from(server).wrapping_shl(2)) + Lxivt::PRIORITY.val(priority.into()))
        .into()
}

impl<R: RegIo + Sync> IrqBackend for Port<R> {
    fn irqs(&self) -> Range<u32> {
        self.irq_base..self.irq_base.saturating_add(SOURCES.into())
    }

    fn kind(&self, irq: Irq) -> Option<IrqKind> {
        let source = self.source(irq)?;
        Some(match source.checked_sub(MSIS) {
            None => IrqKind::Msi,
            Some(lsi) if lsi < INTX => IrqKind::Lsi(lsi as u8),
            Some(lsi) => IrqKind::Bridge(lsi as u8),
        })
    }

    fn set_target(&self, irq: Irq, server: u32, priority: u8) {
        let Some(source) = self.source(irq) else {
            return;
        };
        match self.ive(source) {
            Some(ive) => {
                self.set_msi_target(source, ive, server, priority);
                if priority != MASKED {
                    self.resend(source, ive);
                }
            }
            None => self.set_lsi_target(source.saturating_sub(MSIS), server, priority),
        }
    }

    fn reset(&self, irq: Irq) {
        let Some(source) = self.source(irq) else {
            return;
        };
        let Some(ive) = self.ive(source) else {
            return self.set_lsi_target(source.saturating_sub(MSIS), 0, MASKED);
        };
        self.set_msi_target(source, ive, 0, MASKED);
        // Behind the load, no store of P or Q by the bridge is still to come: it is masked now.
        let _ = self.io.read64(regs::IVC_UPDATE);
        self.io.sync();
        ive.gen_p.store(0, Relaxed);
        ive.q.store(0, Relaxed);
        let update = IvcUpdate::ENABLE_P::SET
            + IvcUpdate::ENABLE_Q::SET
            + IvcUpdate::ENABLE_GEN::SET
            + IvcUpdate::SID.val(source.into());
        self.update_ivc(update.into());
    }

    fn eoi(&self, irq: Irq) {
        let Some(source) = self.source(irq) else {
            return;
        };
        let Some(ive) = self.ive(source) else { return };
        let old = ive.gen_p.load(Relaxed) >> 1 & 3;
        let new = old.wrapping_add(1) & 3;
        // P goes in memory first, under a new generation. If the bridge drops its copy now, reads ours
        // again and takes a new edge, the update below finds a generation that it does not know and
        // leaves the new P alone (skiboot, phb3_pci_msi_eoi).
        ive.gen_p.store(new << 1, Relaxed);
        let update = IvcUpdate::ENABLE_P::SET
            + IvcUpdate::ENABLE_GEN::SET
            + IvcUpdate::CONDITIONAL::SET
            + IvcUpdate::GEN_MATCH.val(old.into())
            + IvcUpdate::GEN.val(new.into())
            + IvcUpdate::SID.val(source.into());
        self.update_ivc(update.into());
        self.resend(source, ive);
        self.flush(source);
    }
}

impl<R: RegIo + Sync> TceFlush for Port<R> {
    #[inline]
    fn tce_flush(&self, window: &DmaWindow, range: TceRange) {
        match range {
            TceRange::Pages { first, count } if count <= PAGE_KILLS => {
                self.io.sync();
                for page in 0..count {
                    let offset = first
                        .wrapping_add(page)
                        .wrapping_shl(window.page_shift.into());
                    self.kill_page(window.pe, window.bus_base.wrapping_add(offset));
                }
            }
            _ => self.kill_pe(window.pe),
        }
    }

    #[inline]
    fn tce_flush_page(&self, window: &DmaWindow, bus: u64) {
        self.kill_page(window.pe, bus);
    }

    fn tce_wait(&self) -> Result<(), ResetError> {
        self.io.sync();
        self.io
            .write64(regs::DMARD_SYNC, DmardSync::START::SET.into());
        for _ in 0..POLLS {
            match self.io.read64(regs::DMARD_SYNC) {
                u64::MAX => return Err(ResetError::Fenced),
                status if DmardSync::COMPLETE.is_set(status) => return Ok(()),
                _ => spin_loop(),
            }
        }
        Err(ResetError::TimeOut("the end of DMA"))
    }
}

/// The bits of a page's address in `TCE_KILL`.
const PAGE_ADDRESS: u64 = 0x0fff_ffff_ffff_f000;

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;

    fn a_routing_entry_has_the_server_above_two_link_bits() {
        assert_eq!(lxive(8, 5), (8 << 2) << 40 | 5 << 32);
        assert_eq!(lxive(0, MASKED), 0xff << 32);
    }

    cases::cases!(a_routing_entry_has_the_server_above_two_link_bits,);
}
