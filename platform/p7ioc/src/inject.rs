//! Errors made on purpose.
//!
//! One set of registers compares every access with an address; how finely depends on the kind: config cycles by
//! bus, memory by 16 MiB, I/O by 64 KiB, DMA by window. What another endpoint has in the same unit would be hit
//! too, so that is refused. How 64-bit memory windows are compared is not known.

use crate::regs::{self, PaprErrInjCtl};
use crate::{PES, Phb, RESERVED, hub, shadow};
use ioda::{
    InjectAccess, InjectError, InjectRepeat, InjectTarget, Injection, IoSpace, PeNumber, RegIo,
    RidSel, TveIndex,
};
use tock_registers::fields::FieldValue;

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

/// What the registers are given.
struct Armed {
    kind: FieldValue<u64, PaprErrInjCtl::Register>,
    address: u64,
    mask: u64,
}

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
        let armed = match what.target {
            InjectTarget::Config => self.config_injection(pe)?,
            InjectTarget::Mmio(real) => self.mmio_injection(pe, real)?,
            InjectTarget::Io(real) => self.io_injection(pe, real)?,
            InjectTarget::Dma(tve) => self.dma_injection(pe, tve)?,
        };
        self.disarm_injection();
        let mut control = armed.kind;
        // HW100549: the first revision takes neither for one alone (skiboot, whose test for it never matches).
        if self.is_dd10 || what.access == InjectAccess::Read {
            control += PaprErrInjCtl::READ::SET;
        }
        if self.is_dd10 || what.access == InjectAccess::Write {
            control += PaprErrInjCtl::WRITE::SET;
        }
        if what.repeat == InjectRepeat::Sticky {
            control += PaprErrInjCtl::STICKY::SET;
        }
        let io = &self.port.io;
        io.write64(regs::PAPR_ERR_INJ_ADDR, armed.address);
        io.write64(regs::PAPR_ERR_INJ_MASK, armed.mask);
        io.write64(regs::PAPR_ERR_INJ_CTL, control.into());
        self.injected = Some((pe, what.repeat));
        Ok(())
    }

    pub(crate) fn disarm_injection(&mut self) {
        if self.injected.take().is_some() {
            self.port.io.write64(regs::PAPR_ERR_INJ_CTL, 0);
        }
    }

    /// What should end by itself does not on this chip: armed still, it would freeze the endpoint again.
    pub(crate) fn disarm_one_shot(&mut self, pe: PeNumber) {
        if self.injected == Some((pe, InjectRepeat::Once)) {
            self.disarm_injection();
        }
    }

    fn config_injection(&self, pe: PeNumber) -> Result<Armed, InjectError> {
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
        Ok(Armed {
            kind: PaprErrInjCtl::CONFIG::SET,
            address: u64::from(rids.bus) << (63 - 11),
            mask: CONFIG_BUS,
        })
    }

    fn mmio_injection(&self, pe: PeNumber, real: u64) -> Result<Armed, InjectError> {
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
        Ok(Armed {
            kind: PaprErrInjCtl::OUTBOUND::SET,
            address: real & MMIO,
            mask: MMIO,
        })
    }

    fn io_injection(&self, pe: PeNumber, real: u64) -> Result<Armed, InjectError> {
        let caps = self.io_caps();
        let offset = real.checked_sub(caps.real).ok_or(InjectError::NotOwned)?;
        Self::check_segments(&self.shadow.iodt, offset, caps.segment_shift, IO_SHIFT, pe)?;
        Ok(Armed {
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

    fn dma_injection(&self, pe: PeNumber, tve: TveIndex) -> Result<Armed, InjectError> {
        if !self.windows_of(pe).any(|own| own == tve.0) {
            return Err(InjectError::NotOwned);
        }
        Ok(Armed {
            kind: PaprErrInjCtl::INBOUND::SET,
            address: u64::from(tve.0) & DMA,
            mask: DMA,
        })
    }
}
