//! The POWER7 I/O hub, P7IOC, and its six PCI host bridges (IODA1).
//!
//! [`hub`] starts the chip and says where its bridges are ([`Layout`]). A bridge is two values: [`Port`] is
//! what all processors share without a lock (`ioda`'s [`ioda::TceFlush`] and [`ioda::IrqBackend`]); [`Phb`] is
//! the rest, for one caller at a time ([`ioda::Ioda`] and [`ioda::MsiSource`]). All tables are on the chip; a
//! complete reset loses them, and the shadows kept here bring them back.
//!
//! What is not as on other bridges: an endpoint has *one* filter of requesters; DMA windows and message entries
//! hold copies of it, which are written again whenever it changes; all endpoints share one DMA address
//! space, in slots of 256 MiB, so where a window lies is an output; the 64 KiB below 4 GiB are the messages'.
//!
//! Source: skiboot as of 2018, `hw/p7ioc.c`, `hw/p7ioc-inits.c` and `hw/p7ioc-phb.c`. No part of this has met
//! the chip. What those sources do not tell is left alone: 64-bit DMA, LIST, MIST, TCAM, the capability registers.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(any(test, feature = "cases")),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod cause;
mod config;
mod dma;
mod eeh;
mod errlog;
pub mod hub;
mod init;
mod inject;
mod m64;
mod msi;
mod owners;
mod port;
mod regs;
mod rids;
mod shadow;
mod start;

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests;

pub use cause::Cause;
pub use errlog::{ErrorClass, ErrorLog, TrapBlock, TrapLog};
pub use hub::{HubPort, Layout};
pub use m64::M64_SEGMENTS;
pub use port::Port;
pub use rids::Overlap;

use ioda::driver::config::Place;
use ioda::driver::inject::Injector;
use ioda::driver::{self, Chip};
use ioda::{
    Bdf, Caps, CfgError, CfgOffset, CfgWidth, DmaModel, DmaWindow, Event, Freeze, Inject,
    InjectError, Injection, IoCaps, IoSegment, IoSpace, Ioda, IodaError, M32Caps, M32Segment,
    M64Caps, M64Kinds, M64Map, M64Segments, M64Window, MsiBlock, MsiError, MsiSource, PageShifts,
    PeNumber, Pest, RegIo, ResetError, ResetKind, RidRule, RidSel, Step, TceTable, TveIndex,
};
use msi::MsiMap;
use shadow::Shadow;
pub(crate) use start::Phase;

/// Endpoints, and segments of the windows.
pub(crate) const PES: u16 = 128;
/// The endpoint of everything that nobody owns.
pub(crate) const RESERVED: PeNumber = PeNumber(127);

/// One bridge, exclusively. The lock around it is its owner's.
pub struct Phb<R: 'static> {
    /// The registers by the slow path, which works before the fast one is set up, and through a fence.
    asb: R,
    port: &'static Port<R>,
    hub: HubPort<R>,
    layout: Layout,
    caps: Caps,
    phase: Phase,
    fenced: bool,
    pcie_cap: Option<CfgOffset>,
    /// The root port's bus numbers, which a reset of it loses.
    buses: u32,
    /// Whether this is the chip's first revision, and has its faults.
    is_dd10: bool,
    injector: Injector,
    msis: MsiMap,
    /// The selection of each endpoint.
    rids: [Option<RidSel>; PES as usize],
    /// The endpoint of each DMA slot and how many slots its window has, at the window's first slot.
    slots: [Option<dma::Slot>; dma::SLOTS as usize],
    shadow: Shadow,
}

impl<R: RegIo> Phb<R> {
    /// The bridge at `layout`, whose registers `asb` reaches by the slow path ([`Layout::asb`]) and `port` by
    /// the fast one, on the hub behind `hub`.
    ///
    /// Nothing is done to it before [`Ioda::poll`]; the hub must be ready by then.
    pub fn new(layout: Layout, asb: R, port: &'static Port<R>, hub: HubPort<R>) -> Self {
        Self {
            asb,
            port,
            hub,
            layout,
            caps: caps(&layout),
            phase: Phase::Off,
            fenced: false,
            pcie_cap: None,
            buses: 0x00ff_0100,
            is_dd10: false,
            injector: Injector::new(),
            msis: MsiMap::new(),
            rids: [None; PES as usize],
            slots: [None; dma::SLOTS as usize],
            shadow: Shadow::new(),
        }
    }

    /// Where it is.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The endpoint of a requester.
    pub fn pe_of(&self, rid: Bdf) -> PeNumber {
        let owner = self
            .rids
            .iter()
            .position(|rids| rids.is_some_and(|rids| rids.contains(rid)));
        owner.map_or(RESERVED, |pe| PeNumber(pe as u16))
    }

    /// Who would have to share a requester if `pe` got `rids` as well.
    pub fn overlap(&self, rids: RidSel, pe: PeNumber) -> Option<Overlap> {
        self.rids
            .iter()
            .zip(0u16..)
            .filter(|(_, owner)| *owner != pe.0)
            .find_map(|(theirs, owner)| {
                Some(Overlap {
                    rid: rids::common((*theirs)?, rids)?,
                    owner: PeNumber(owner),
                    wanted: pe,
                })
            })
    }
}

fn caps(layout: &Layout) -> Caps {
    Caps {
        pes: PES,
        reserved_pe: RESERVED,
        rids: RidRule::OneSelection {
            max_bus_shift: rids::MAX_BUS_SHIFT,
        },
        m32: M32Caps {
            real: layout.m32_real(),
            pci: hub::M32_PCI,
            segment_shift: hub::M32_SEGMENT_SHIFT,
            segments: PES,
        },
        m64: Some(M64Caps {
            real: layout.m64,
            bytes: hub::M64_BYTES,
            windows: m64::WINDOWS,
            kinds: M64Kinds::SINGLE_PE | M64Kinds::ANY_MAP,
            single_pe_shift: m64::UNIT_SHIFT,
            segments: M64_SEGMENTS as u16,
        }),
        dma: DmaModel::SharedSlots {
            count: dma::SLOTS,
            slot_shift: dma::SLOT_SHIFT,
        },
        // The chip has more, but not how a window's size is to be given with them.
        page_shifts: PageShifts::of(&[12]),
        tce_levels: 1,
        msis: port::MSIS,
    }
}

impl<R: RegIo + Sync> Ioda for Phb<R> {
    fn caps(&self) -> &Caps {
        &self.caps
    }

    fn cfg_read(&mut self, bdf: Bdf, at: CfgOffset, width: CfgWidth) -> Result<u32, CfgError> {
        self.config_check(&Place { bdf, at, width })?;
        let value = self.raw_read(bdf, at, width);
        if value == width.ones() {
            driver::eeh::after_no_answer(self, self.pe_of(bdf))?;
        }
        Ok(config::correct_class(bdf, at, width, value))
    }

    fn cfg_write(
        &mut self,
        bdf: Bdf,
        at: CfgOffset,
        width: CfgWidth,
        value: u32,
    ) -> Result<(), CfgError> {
        self.config_check(&Place { bdf, at, width })?;
        self.raw_write(bdf, at, width, value);
        Ok(())
    }

    /// [`IodaError::RidRule`] also if the union of `rids` and what `pe` has is no one selection;
    /// [`Phb::overlap`] names both owners of [`IodaError::RidTaken`].
    fn assign_pe(&mut self, rids: RidSel, pe: PeNumber) -> Result<(), IodaError> {
        Self::check_owned(pe)?;
        self.add_rids(rids, pe)
    }

    /// [`IodaError::RidRule`] also for a part of an endpoint's selection: what is left would be none.
    fn release_pe(&mut self, rids: RidSel) -> Result<(), IodaError> {
        self.remove_rids(rids)
    }

    fn link_pe(&mut self, parent: PeNumber, child: PeNumber) -> Result<(), IodaError> {
        self.set_peltv(parent, child, |row, bit| row | bit)
    }

    fn unlink_pe(&mut self, parent: PeNumber, child: PeNumber) -> Result<(), IodaError> {
        if parent == child {
            return Err(IodaError::Pe(child));
        }
        self.set_peltv(parent, child, |row, bit| row & !bit)
    }

    fn map_m32(&mut self, segment: M32Segment, pe: PeNumber) -> Result<(), IodaError> {
        self.set_segment(owners::Space::M32, segment.0, pe)
    }

    fn set_m64(&mut self, window: M64Window, map: Option<M64Map>) -> Result<(), IodaError> {
        match map {
            None => self.m64_close(window),
            Some(M64Map::SinglePe { base, shift, pe }) => {
                self.m64_open(window, base, shift, [pe; M64_SEGMENTS])
            }
            Some(M64Map::AnyMap { base, shift, pes }) => self.m64_open(window, base, shift, pes),
            // Segments do not number endpoints here.
            Some(M64Map::SegmentIsPe { .. }) => Err(IodaError::M64Range),
        }
    }

    fn m64_segments(&mut self) -> Option<&mut dyn M64Segments> {
        Some(self)
    }

    /// A window is 128 MiB or 256 MiB, or a multiple of 256 MiB up to what is free in a row; `at` is its
    /// first slot. The bus address is that of the slot. [`IodaError::Table`] for other sizes.
    fn dma_create(
        &mut self,
        pe: PeNumber,
        table: &TceTable,
        at: Option<TveIndex>,
    ) -> Result<DmaWindow, IodaError> {
        self.open_window(pe, table, at)
    }

    fn dma_destroy(&mut self, window: &DmaWindow) -> Result<(), IodaError> {
        self.close_window(window)
    }

    fn freeze_state(&mut self, pe: PeNumber) -> Freeze {
        driver::eeh::frozen(self, pe)
    }

    fn freeze(&mut self, pe: PeNumber, what: Freeze) -> Result<(), IodaError> {
        Self::check_pe(pe)?;
        self.set_frozen(pe, what);
        Ok(())
    }

    fn thaw(&mut self, pe: PeNumber, what: Freeze) -> Result<(), IodaError> {
        driver::eeh::thaw(self, pe, what)
    }

    fn pest(&mut self, pe: PeNumber) -> Result<Pest, IodaError> {
        Self::check_pe(pe)?;
        Ok(self.read_pest(pe))
    }

    fn clear_errors(&mut self) {
        self.clear_latched();
    }

    fn next_event(&mut self) -> Option<Event> {
        self.find_event()
    }

    fn reset(&mut self, kind: ResetKind) {
        self.begin_reset(kind);
    }

    fn poll(&mut self) -> Result<Step, ResetError> {
        driver::reset::advance(self)
    }
}

impl<R: RegIo> IoSpace for Phb<R> {
    fn io_caps(&self) -> IoCaps {
        IoCaps {
            real: self.layout.io,
            pci: 0,
            segment_shift: hub::IO_SEGMENT_SHIFT,
            segments: PES,
        }
    }

    fn map_io(&mut self, segment: IoSegment, pe: PeNumber) -> Result<(), IodaError> {
        self.set_segment(owners::Space::Io, segment.0, pe)
    }
}

impl<R: RegIo> M64Segments for Phb<R> {
    fn map_m64(&mut self, window: M64Window, segment: u8, pe: PeNumber) -> Result<(), IodaError> {
        self.m64_segment(window, segment, pe)
    }
}

impl<R: RegIo> Inject for Phb<R> {
    fn inject(&mut self, pe: PeNumber, what: Injection) -> Result<(), InjectError> {
        self.arm_injection(pe, what)
    }

    fn clear_injection(&mut self) {
        self.injector.disarm(&self.port.io);
    }
}

impl<R: RegIo> Phb<R> {
    /// Lets `pe` have no more than `most` message interrupts at a time; what it has already stays.
    ///
    /// # Errors
    /// [`MsiError::Pe`].
    pub fn set_msi_quota(&mut self, pe: PeNumber, most: u16) -> Result<(), MsiError> {
        Self::check_owned(pe).map_err(|_| MsiError::Pe(pe))?;
        self.msis.set_quota(pe, most);
        Ok(())
    }
}

impl<R: RegIo + Sync> MsiSource for Phb<R> {
    fn msi_block_max(&self) -> u16 {
        msi::BLOCK_MAX
    }

    /// [`MsiError::NoVector`] also beyond the endpoint's quota.
    fn msi_alloc(&mut self, pe: PeNumber, count: u16) -> Result<MsiBlock, MsiError> {
        self.take_msis(pe, count)
    }

    fn msi_free(&mut self, block: &MsiBlock) -> Result<(), MsiError> {
        self.give_back_msis(block)
    }
}

#[cfg(any(test, feature = "cases"))]
cases::table!(
    cause::tests,
    config::tests,
    dma::tests,
    hub::layout::tests,
    msi::tests,
    port::tests,
    rids::tests,
    shadow::tests,
    tests::dma,
    tests::eeh,
    tests::forgotten,
    tests::inject,
    tests::between,
    tests::clear,
    tests::latched,
    tests::order,
    tests::published,
    tests::waits,
    tests::skiboot,
    tests::hub,
    tests::interrupts,
    tests::resets,
    tests::start,
    tests::windows,
);
