//! The terms and traits every PCI host bridge (PHB) is driven by.
//!
//! IODA is IBM's I/O device architecture: a bridge sorts requesters ([`Rid`]) into partitionable
//! endpoints ([`PeNumber`]), gives each endpoint its MMIO segments, its DMA windows and its message
//! interrupts, and stops ("freezes") an endpoint that errs.
//!
//! - [`Ioda`]: what a partition manager needs of every bridge; one caller at a time.
//! - [`IoSpace`], [`M64Segments`], [`Inject`]: what only some bridges have.
//! - [`MsiSource`]: hands out message interrupts.
//! - [`TceFlush`], [`IrqBackend`]: what hcalls do many times a second; shared, no lock of the bridge.
//! - [`RegIo`], [`XscomIo`], [`MmioIo`]: what a driver needs of the machine it runs on.
//! - [`driver`]: what the drivers of P7IOC and PHB3 share.
//! - [`Watch`], [`EndpointWatch`]: what is new of a bridge's errors.
//! - [`BeU64`] and its kin, [`DmaTable`], [`TceTable`]: memory that a bridge reads and writes too.
//!
//! A bridge driver (crate `phb3`) implements the first three over the fourth; `pci` plans with
//! them; `lpar` writes TCEs. Sources: the comparison of P7IOC, PHB3 and PHB4 drivers in skiboot
//! (`hw/p7ioc-phb.c`, `hw/phb3.c`, `hw/phb4.c`) and in Linux (`pci-ioda.c`).
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

mod blocks;
mod bridge;
mod caps;
mod cell;
mod dma;
pub mod driver;
mod error;
mod id;
mod io;
mod irq;
mod special;
mod watch;

pub use blocks::MsiBlocks;
pub use bridge::{Event, Freeze, Ioda, M64Map, Pest, ResetKind, Step};
pub use caps::{Caps, DmaModel, M32Caps, M64Caps, M64Kinds, PageShifts, RidRule};
pub use cell::{BeU16, BeU32, BeU64, DmaTable};
pub use dma::{DmaWindow, Permission, TceFlush, TceRange, TceTable, TceTree, TveIndex, host_tce};
pub use error::{CfgError, IodaError, MsiError, ResetError};
pub use id::{
    Bdf, CfgOffset, CfgWidth, IoSegment, M32Segment, M64Window, PeNumber, PhbId, Rid, RidSel,
};
pub use io::{MmioIo, Reg, Reg8, Reg16, Reg32, Reg64, RegIo, XscomError, XscomIo};
pub use irq::{IrqBackend, IrqKind, MsiBlock, MsiSource};
pub use papr_abi::Irq;
pub use special::{
    Inject, InjectAccess, InjectError, InjectRepeat, InjectTarget, Injection, IoCaps, IoSpace,
    M64Segments,
};
pub use watch::{Change, EndpointWatch, News, Pace, Seen, Watch};

#[cfg(any(test, feature = "cases"))]
cases::table!(
    blocks::tests,
    caps::tests,
    cell::tests,
    dma::tests,
    driver::tests::chip,
    driver::tests::registers,
    error::tests,
    id::tests,
    io::tests,
    watch::tests,
);
