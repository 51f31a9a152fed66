//! Errors made on purpose.
//!
//! One set of registers compares every access with an address: config cycles by function, memory by bytes. DMA is
//! compared by its PCI address alone, whoever sends it, and endpoints have address spaces of their own.
//!
//! Beside those, a bridge can be told to shut itself off.
//!
//! Source: skiboot `hw/phb3.c`, `phb3_err_inject`; `phb3_creset` for the fence.

use crate::port::MASKED_LSIS;
use crate::regs::{self, M32dt, M64bt, PaprErrInjCtl, Tve, table};
use crate::windows::{SINGLE_SHIFT, WINDOW_SHIFT};
use crate::{PES, Phb3, WINDOWS};
use ioda::driver::config::ROOT;
use ioda::driver::inject::{self, Compared};
use ioda::driver::{Chip, root_port};
use ioda::{
    CfgOffset, CfgWidth, InjectError, InjectTarget, Injection, PeNumber, RegIo, ResetError, Rid,
    TveIndex, XscomIo,
};

/// What is compared. 4:19, the function of a config cycle.
const CONFIG_BDF: u64 = 0x0fff_f000_0000_0000;
/// 16:63 of a real address.
const MMIO: u64 = 0x0000_ffff_ffff_ffff;

/// The registers by which the bridge finds its tables in memory and opens its windows.
const FOUND_BY: [ioda::Reg64; 8] = [
    regs::PHB_CONFIG,
    regs::RTT_BAR,
    regs::PELTV_BAR,
    regs::IVT_BAR,
    regs::PEST_BAR,
    regs::M32_START_ADDR,
    regs::M32_BASE_MASK,
    // Last: an emulator closes the window at this one.
    regs::M32_BASE_ADDR,
];
/// The root port's registers that say what it forwards, as they are when it is reset.
const CLOSED: [(CfgOffset, u32); 6] = [
    (CfgOffset::at(0x04), 0),
    (CfgOffset::at(0x18), 0),
    (CfgOffset::at(0x20), 0x0000_fff0),
    (CfgOffset::at(0x24), 0x0001_fff1),
    (CfgOffset::at(0x28), 0),
    (CfgOffset::at(0x2c), 0),
];

impl<R: RegIo, X: XscomIo> Phb3<R, X> {
    /// Has the bridge shut itself off, as an error does that fences it. A complete reset brings it back.
    ///
    /// An emulator notes no fence, goes on, and resets nothing that it is told to reset. So what a fence stops and a complete
    /// reset loses is lost here then: windows, tables, the root port's registers, and the state of all devices below.
    ///
    /// # Errors
    /// [`ResetError::Xscom`].
    pub fn shut_off(&mut self) -> Result<(), ResetError> {
        self.pbcq.fence()?;
        self.forced = true;
        if !self.is_fenced() {
            self.lose_all();
            self.fenced = true;
        }
        Ok(())
    }

    fn lose_all(&mut self) {
        root_port::begin_hot_reset(self);
        root_port::end_hot_reset(self);
        for (at, value) in CLOSED {
            self.raw_write(ROOT, at, CfgWidth::Word, value);
        }
        let port = self.port;
        for reg in FOUND_BY {
            port.io.write64(reg, 0);
        }
        port.write_entries(table::LXIVT, MASKED_LSIS.into_iter());
        for (table, entries) in [
            (table::TVT, PES.saturating_mul(WINDOWS)),
            (table::M32DT, PES),
            (table::M64BT, 16),
        ] {
            port.write_entries(table, (0..entries).map(|_| 0));
        }
    }

    pub(crate) fn arm_injection(
        &mut self,
        pe: PeNumber,
        what: Injection,
    ) -> Result<(), InjectError> {
        Self::check_owned(pe).map_err(|_| InjectError::Pe(pe))?;
        if self.is_fenced() {
            return Err(InjectError::Fenced);
        }
        let compared = match what.target {
            InjectTarget::Config => self.config_injection(pe)?,
            InjectTarget::Mmio(real) => self.mmio_injection(pe, real)?,
            // There is no I/O space.
            InjectTarget::Io(_) => return Err(InjectError::Unsupported),
            InjectTarget::Dma(tve) => self.dma_injection(pe, tve)?,
        };
        let whose = (pe, what.repeat);
        let direction = inject::direction(what.access);
        self.injector
            .arm(&self.port.io, whose, &compared, direction);
        Ok(())
    }

    /// The endpoint's first function.
    fn config_injection(&self, pe: PeNumber) -> Result<Compared, InjectError> {
        let mut all = (0..=u16::MAX).map(Rid);
        let rid = all.find(|rid| self.pe_of(*rid) == pe);
        let rid = rid.ok_or(InjectError::NotOwned)?;
        Ok(Compared {
            kind: PaprErrInjCtl::CONFIG::SET,
            address: u64::from(rid.0) << (63 - 19),
            mask: CONFIG_BDF,
        })
    }

    fn mmio_injection(&self, pe: PeNumber, real: u64) -> Result<Compared, InjectError> {
        let place = self.m32_place(real).or_else(|| self.m64_place(real));
        let (base, bytes, owner) = place.ok_or(InjectError::NotOwned)?;
        if owner != pe {
            return Err(InjectError::NotOwned);
        }
        Ok(Compared {
            kind: PaprErrInjCtl::OUTBOUND::SET,
            address: base & MMIO,
            mask: bytes.wrapping_neg() & MMIO,
        })
    }

    /// The segment of the 32-bit window that holds `real`: its base, bytes and endpoint.
    fn m32_place(&self, real: u64) -> Option<(u64, u64, PeNumber)> {
        let m32 = self.caps.m32;
        let segment = real.checked_sub(m32.real)? >> m32.segment_shift;
        let entry = self.m32dt.get(usize::try_from(segment).ok()?)?;
        let base = m32.real.checked_add(segment << m32.segment_shift)?;
        Some((
            base,
            1 << m32.segment_shift,
            PeNumber(M32dt::PE.read(*entry) as u16),
        ))
    }

    /// The same of the 64-bit windows; the first that holds it is the one that counts.
    fn m64_place(&self, real: u64) -> Option<(u64, u64, PeNumber)> {
        let area = self.pbcq.layout().m64?;
        self.m64bt.iter().find_map(|entry| {
            if !M64bt::ENABLE.is_set(*entry) {
                return None;
            }
            if M64bt::SINGLE_PE.is_set(*entry) {
                let unit = u32::from(SINGLE_SHIFT);
                let base = within(area.real, M64bt::SINGLE_BASE.read(*entry) << unit);
                let bytes = size(M64bt::SINGLE_MASK.read(*entry), 25) << unit;
                let pe = M64bt::PE_HIGH.read(*entry) << 5 | M64bt::PE_LOW.read(*entry);
                (real.checked_sub(base)? < bytes).then_some((base, bytes, PeNumber(pe as u16)))
            } else {
                let base = within(area.real, M64bt::BASE.read(*entry) << 20);
                let bytes = (size(M64bt::MASK.read(*entry), 30) << 20) / u64::from(PES);
                let segment = real.checked_sub(base)?.checked_div(bytes)?;
                let pe = u16::try_from(segment).ok().filter(|pe| *pe < PES)?;
                let base = base.checked_add(segment.checked_mul(bytes)?)?;
                Some((base, bytes, PeNumber(pe)))
            }
        })
    }

    fn dma_injection(&self, pe: PeNumber, tve: TveIndex) -> Result<Compared, InjectError> {
        let open = |tve: u16| {
            self.tvt
                .get(usize::from(tve))
                .copied()
                .filter(|entry| *entry != 0)
        };
        let entry = open(tve.0).filter(|_| tve.0 / WINDOWS == pe.0);
        let entry = entry.ok_or(InjectError::NotOwned)?;
        let mut same = (tve.0 % WINDOWS..PES.saturating_mul(WINDOWS)).step_by(WINDOWS.into());
        if let Some(other) = same.find(|other| *other != tve.0 && open(*other).is_some()) {
            return Err(InjectError::Shared(PeNumber(other / WINDOWS)));
        }
        // log2 of the entries of a table, and of the bytes of a page.
        let entries = Tve::TABLE_SIZE.read(entry).saturating_add(11 - 3);
        let page = Tve::PAGE_SIZE.read(entry).saturating_add(11);
        let shift = u32::try_from(entries.saturating_add(page)).unwrap_or(63);
        Ok(Compared {
            kind: PaprErrInjCtl::INBOUND::SET,
            address: u64::from(tve.0 % WINDOWS) << WINDOW_SHIFT,
            mask: u64::MAX.checked_shl(shift).unwrap_or(0),
        })
    }
}

/// The size in a mask of `bits` bits: minus the size, as far as the field goes.
const fn size(mask: u64, bits: u32) -> u64 {
    (1u64 << bits).wrapping_sub(mask)
}

/// An address whose upper bits, which the entry has no room for, are those of the area.
const fn within(area: u64, low: u64) -> u64 {
    const KEPT: u64 = (1 << 50) - 1;
    area & !KEPT | low & KEPT
}
