//! The POWER8 PCI host bridge, PHB3 (IODA2).
//!
//! A bridge is three values. [`Pbcq`] is its PowerBus side, which tells where it answers; [`Port`] is what
//! all processors share without a lock (`ioda`'s [`ioda::TceFlush`] and [`ioda::IrqBackend`]); [`Phb3`] is
//! the rest, for one caller at a time ([`ioda::Ioda`] and [`ioda::MsiSource`]). [`Tables`] is the memory
//! that the bridge reads.
//!
//! [`Phb3::new`] touches nothing; [`ioda::Ioda::poll`] starts the bridge step by step and never waits. The
//! sequence is the chip's own. Steps that wait for a link are left out where the chip's timer register
//! does not keep its value, as on QEMU's `powernv8`: there is no link to train there.
//!
//! Source: skiboot `hw/phb3.c`; names are those of its `include/phb3-regs.h`.
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

#[cfg(any(test, feature = "model"))]
extern crate alloc;

mod config;
mod eeh;
mod init;
mod inject;
mod msi;
#[cfg(any(test, feature = "model"))]
pub mod on_model;
mod pbcq;
mod port;
mod regs;
mod start;
mod tables;
mod windows;

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests;

pub use pbcq::{Bases, Layout, Numbering, Pbcq, Window};
pub use port::Port;
pub use tables::{Ive, Tables};

use config::PrefetchShadow;
use ioda::driver::config::Place;
use ioda::driver::inject::Injector;
use ioda::driver::{self, Chip};
use ioda::{
    Bdf, Caps, CfgError, CfgOffset, CfgWidth, DmaModel, DmaWindow, Event, Freeze, Inject,
    InjectError, Injection, Ioda, IodaError, IrqBackend, M32Caps, M32Segment, M64Caps, M64Kinds,
    M64Map, M64Window, MsiBlock, MsiError, MsiSource, PageShifts, PeNumber, Pest, RegIo,
    ResetError, ResetKind, RidRule, RidSel, Step, TceTable, TceTree, TveIndex, XscomIo,
};
use msi::MsiMap;
pub(crate) use start::Phase;

/// Endpoints, and segments of the windows.
pub(crate) const PES: u16 = 256;
/// The endpoint of everything that nobody owns.
pub(crate) const RESERVED: PeNumber = PeNumber(255);
/// DMA windows of an endpoint, by bit 59 of the address.
pub(crate) const WINDOWS: u16 = 2;
/// Where messages of 32 bits go; the number is in bits 14:9 here and in the data.
const MSI32: u32 = 0xffff_0000;
/// Where messages of 64 bits go.
const MSI64: u64 = 1 << 60;
/// PCI address of the end of the 32-bit window.
const M32_END: u64 = 1 << 32;

/// One bridge, exclusively. The lock around it is its owner's.
pub struct Phb3<R: 'static, X> {
    port: &'static Port<R>,
    pbcq: Pbcq<X>,
    tables: Tables,
    caps: Caps,
    phase: Phase,
    /// Whether there are links to train and logic to wait for.
    has_link_logic: bool,
    fenced: bool,
    /// Whether it was told to shut itself off: as errors its PowerBus side shows what else means its end.
    forced: bool,
    prefetch: PrefetchShadow,
    /// Whether the tables in memory have their first content.
    tables_filled: bool,
    pcie_cap: Option<CfgOffset>,
    injector: Injector,
    msis: MsiMap,
    /// Shadows of the on-chip tables, for the reset that loses them.
    tvt: [u64; 512],
    m32dt: [u64; 256],
    m64bt: [u64; 16],
}

impl<R: RegIo, X: XscomIo> Phb3<R, X> {
    /// The bridge behind `pbcq`, whose registers `port` has, with its memory `tables`.
    ///
    /// Nothing is done to it before [`Ioda::poll`].
    ///
    /// # Errors
    /// [`ResetError::Table`] for a table of a wrong size or alignment.
    pub fn new(pbcq: Pbcq<X>, port: &'static Port<R>, tables: Tables) -> Result<Self, ResetError> {
        tables.check()?;
        let caps = caps(pbcq.layout());
        Ok(Self {
            port,
            pbcq,
            tables,
            caps,
            phase: Phase::Off,
            has_link_logic: false,
            fenced: false,
            forced: false,
            prefetch: PrefetchShadow::default(),
            tables_filled: false,
            pcie_cap: None,
            injector: Injector::new(),
            msis: MsiMap::new(),
            tvt: [0; 512],
            m32dt: [windows::m32_entry(RESERVED); 256],
            m64bt: [0; 16],
        })
    }

    /// Its PowerBus side.
    pub const fn pbcq(&self) -> &Pbcq<X> {
        &self.pbcq
    }

    /// The endpoint of a requester.
    pub fn pe_of(&self, rid: Bdf) -> PeNumber {
        self.tables
            .rtt
            .cells
            .get(usize::from(rid.0))
            .map_or(RESERVED, |entry| PeNumber(entry.load()))
    }
}

fn caps(layout: &Layout) -> Caps {
    let m32 = M32Caps {
        real: layout.m32.real,
        pci: M32_END.saturating_sub(layout.m32.bytes),
        segment_shift: (layout.m32.bytes.trailing_zeros() as u8).saturating_sub(8),
        segments: PES,
    };
    let m64 = layout.m64.map(|window| M64Caps {
        real: window.real,
        bytes: window.bytes,
        windows: 16,
        kinds: M64Kinds::SINGLE_PE | M64Kinds::SEGMENT_IS_PE,
        single_pe_shift: windows::SINGLE_SHIFT,
        segments: PES,
    });
    Caps {
        pes: PES,
        reserved_pe: RESERVED,
        rids: RidRule::AnySet,
        m32,
        m64,
        dma: DmaModel::PerPe {
            windows: WINDOWS as u8,
        },
        page_shifts: PageShifts::of(&[12, 16, 24, 28]),
        tce_levels: 5,
        msis: port::MSIS,
    }
}

impl<R: RegIo + Sync, X: XscomIo> Ioda for Phb3<R, X> {
    fn caps(&self) -> &Caps {
        &self.caps
    }

    fn cfg_read(&mut self, bdf: Bdf, at: CfgOffset, width: CfgWidth) -> Result<u32, CfgError> {
        self.config_check(&Place { bdf, at, width })?;
        let value = self.raw_read(bdf, at, width);
        if value == width.ones() {
            driver::eeh::after_no_answer(self, self.pe_of(bdf))?;
        }
        Ok(value)
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

    fn assign_pe(&mut self, rids: RidSel, pe: PeNumber) -> Result<(), IodaError> {
        Self::check_owned(pe)?;
        if !rids.is_valid() {
            return Err(IodaError::RidRule);
        }
        for rid in rids.iter() {
            let owner = self.pe_of(rid);
            if owner != RESERVED && owner != pe {
                return Err(IodaError::RidTaken(rid, owner));
            }
        }
        self.write_rtt(rids, pe);
        Ok(())
    }

    fn release_pe(&mut self, rids: RidSel) -> Result<(), IodaError> {
        if !rids.is_valid() {
            return Err(IodaError::RidRule);
        }
        self.write_rtt(rids, RESERVED);
        Ok(())
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
        self.set_m32(segment, pe)
    }

    fn set_m64(&mut self, window: M64Window, map: Option<M64Map>) -> Result<(), IodaError> {
        self.set_m64bt(window, map)
    }

    fn dma_create(
        &mut self,
        pe: PeNumber,
        table: &TceTable,
        at: Option<TveIndex>,
    ) -> Result<DmaWindow, IodaError> {
        self.open_tve(pe, table, at)
    }

    fn dma_destroy(&mut self, window: &DmaWindow) -> Result<(), IodaError> {
        self.close_tve(window)
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

impl<R: RegIo + Sync, X: XscomIo> Phb3<R, X> {
    /// As [`Ioda::dma_create`], translated by tables of several levels. All of `tree` that has no entries is
    /// closed to the endpoint.
    ///
    /// # Errors
    /// As [`Ioda::dma_create`].
    pub fn dma_create_tree(
        &mut self,
        pe: PeNumber,
        tree: &TceTree,
        at: Option<TveIndex>,
    ) -> Result<DmaWindow, IodaError> {
        self.open_levels(pe, &tree.root, tree.levels, at)
    }
}

impl<R: RegIo + Sync, X: XscomIo> MsiSource for Phb3<R, X> {
    fn msi_block_max(&self) -> u16 {
        msi::BLOCK_MAX
    }

    fn msi_alloc(&mut self, pe: PeNumber, count: u16) -> Result<MsiBlock, MsiError> {
        if !count.is_power_of_two() || count > msi::BLOCK_MAX {
            return Err(MsiError::Count);
        }
        Self::check_owned(pe).map_err(|_| MsiError::Pe(pe))?;
        let first = self.msis.take(count).ok_or(MsiError::NoVector)?;
        let block = self.msi_block(first, count);
        for msi in first..first.saturating_add(count) {
            self.port.reset(self.irq(msi));
            self.port.set_msi_pe(msi, pe);
        }
        Ok(block)
    }

    fn msi_free(&mut self, block: &MsiBlock) -> Result<(), MsiError> {
        let first = block
            .first
            .0
            .checked_sub(self.pbcq.irq_base())
            .and_then(|msi| u16::try_from(msi).ok());
        let first = first.ok_or(MsiError::Irq)?;
        if !block.count.is_power_of_two()
            || block.count > msi::BLOCK_MAX
            || !first.is_multiple_of(block.count)
        {
            return Err(MsiError::Irq);
        }
        self.msis
            .give_back(first, block.count)
            .ok_or(MsiError::Irq)?;
        for msi in first..first.saturating_add(block.count) {
            self.port.set_msi_pe(msi, RESERVED);
            self.port.reset(self.irq(msi));
        }
        Ok(())
    }
}

impl<R: RegIo, X: XscomIo> Inject for Phb3<R, X> {
    fn inject(&mut self, pe: PeNumber, what: Injection) -> Result<(), InjectError> {
        self.arm_injection(pe, what)
    }

    fn clear_injection(&mut self) {
        self.injector.disarm(&self.port.io);
    }
}

impl<R: RegIo, X: XscomIo> Phb3<R, X> {
    const fn irq(&self, msi: u16) -> ioda::Irq {
        ioda::Irq(self.pbcq.irq_base().wrapping_add(msi as u32))
    }

    /// What devices write for `count` messages from number `first` on, for who hands them out without
    /// [`MsiSource`]: a power of two up to 32, of which `first` is a multiple.
    ///
    /// The bridge adds up a message's address and the low five bits of its data.
    pub const fn msi_block(&self, first: u16, count: u16) -> MsiBlock {
        let high = (first & !0x1f) as u32;
        MsiBlock {
            first: self.irq(first),
            count,
            address32: MSI32 | high << 4,
            address64: MSI64 | (high << 4) as u64,
            data: first & 0x1f,
        }
    }
}

#[cfg(any(test, feature = "cases"))]
cases::table!(
    msi::tests,
    pbcq::tests,
    port::tests,
    tests::eeh,
    tests::inject,
    tests::interrupts,
    tests::isolation,
    tests::start,
);
