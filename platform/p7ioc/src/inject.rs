//! Errors made on purpose.
//!
//! One set of registers compares every access with an address; how finely depends on the kind: config cycles by
//! bus, memory by 16 MiB, I/O by 64 KiB, DMA by window. What another endpoint has in the same unit would be hit
//! too, so that is refused. How 64-bit memory windows are compared is not known.

use crate::regs::PaprErrInjCtl;
use crate::{PES, Phb, RESERVED, hub, shadow};
use ioda::driver::Chip;
use ioda::driver::inject::{self, Compared};
use ioda::{InjectError, InjectTarget, Injection, IoSpace, PeNumber, RegIo, RidSel, TveIndex};

/// What is compared. 4:11, the bus of a config cycle.
const CONFIG_BUS: u64 = 0x0ff0_0000_0000_0000;
/// 16:39 of a real address.
const MMIO: u64 = 0x0000_ffff_ff00_0000;
const MMIO_SHIFT: u8 = MMIO.trailing_zeros() as u8;
/// 16:47 of a real address.
const IO: u64 = 0x0000_ffff_ffff_0000;
const IO_SHIFT: u8 = IO.trailing_zeros() as u8;
/// 60:63, the number of a DMA window.
const DMA: u64 = 0xf;

impl<R: RegIo> Phb<R> {
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
            InjectTarget::Io(real) => self.io_injection(pe, real)?,
            InjectTarget::Dma(tve) => self.dma_injection(pe, tve)?,
        };
        let directions = if self.is_dd10 {
            // HW100549: the first revision takes neither for one alone (skiboot, whose test for it never matches).
            PaprErrInjCtl::READ::SET + PaprErrInjCtl::WRITE::SET
        } else {
            inject::direction(what.access)
        };
        let whose = (pe, what.repeat);
        self.injector
            .arm(&self.port.io, whose, &compared, directions);
        Ok(())
    }

    fn config_injection(&self, pe: PeNumber) -> Result<Compared, InjectError> {
        let rids = self.rids_of(pe).ok_or(InjectError::NotOwned)?;
        // Of any bus there is no first one, and the root port's is nobody's.
        if rids.bus_shift == 8 {
            return Err(InjectError::Unsupported);
        }
        if rids.bus == 0 {
            return Err(InjectError::Shared(RESERVED));
        }
        if let Some(overlap) = self.overlap(RidSel::bus(rids.bus), pe) {
            return Err(InjectError::Shared(overlap.owner));
        }
        Ok(Compared {
            kind: PaprErrInjCtl::CONFIG::SET,
            address: u64::from(rids.bus) << (63 - 11),
            mask: CONFIG_BUS,
        })
    }

    fn mmio_injection(&self, pe: PeNumber, real: u64) -> Result<Compared, InjectError> {
        let m32 = self.caps.m32;
        let area = self.layout.m64..self.layout.m64.saturating_add(hub::M64_BYTES);
        if area.contains(&real) {
            return Err(InjectError::Unsupported);
        }
        let offset = real.checked_sub(m32.real).ok_or(InjectError::NotOwned)?;
        Self::check_segments(
            &self.shadow.m32dt,
            offset,
            m32.segment_shift,
            MMIO_SHIFT,
            pe,
        )?;
        Ok(Compared {
            kind: PaprErrInjCtl::OUTBOUND::SET,
            address: real & MMIO,
            mask: MMIO,
        })
    }

    fn io_injection(&self, pe: PeNumber, real: u64) -> Result<Compared, InjectError> {
        let caps = self.io_caps();
        let offset = real.checked_sub(caps.real).ok_or(InjectError::NotOwned)?;
        Self::check_segments(&self.shadow.iodt, offset, caps.segment_shift, IO_SHIFT, pe)?;
        Ok(Compared {
            kind: PaprErrInjCtl::OUTBOUND::SET,
            address: real & IO,
            mask: IO,
        })
    }

    /// The segment at `offset` must be there and the endpoint's; so must all others that the comparison cannot tell from
    /// it, or nobody's.
    fn check_segments(
        table: &[u64; PES as usize],
        offset: u64,
        segment_shift: u8,
        unit_shift: u8,
        pe: PeNumber,
    ) -> Result<(), InjectError> {
        let owners = || {
            let places = (0u64..).map(|segment| segment << segment_shift);
            places.zip(table.iter().map(|entry| shadow::segment_pe(*entry)))
        };
        let mut its = owners().filter(|(place, owner)| {
            *owner == pe && place >> segment_shift == offset >> segment_shift
        });
        its.next().ok_or(InjectError::NotOwned)?;
        let mut others = owners().filter(|(place, owner)| {
            *owner != pe && *owner != RESERVED && place >> unit_shift == offset >> unit_shift
        });
        match others.next() {
            Some((_, other)) => Err(InjectError::Shared(other)),
            None => Ok(()),
        }
    }

    fn dma_injection(&self, pe: PeNumber, tve: TveIndex) -> Result<Compared, InjectError> {
        if !self.windows_of(pe).any(|own| own == tve.0) {
            return Err(InjectError::NotOwned);
        }
        Ok(Compared {
            kind: PaprErrInjCtl::INBOUND::SET,
            address: u64::from(tve.0) & DMA,
            mask: DMA,
        })
    }
}
