//! A P7IOC on a machine that has none: its registers are the model's (`ioda-model`), its PCI side is a real PHB3.
//!
//! The P7IOC's driver runs unchanged over [`RelayRegs`]. Every access goes to the model, which checks it as the chip
//! would; after that the real bridge is brought in line with what the model's tables say now ([`Relay`]). So who
//! owns what is the model's word alone:
//!
//! - Requesters: a PELT-M entry puts its requesters in the endpoint of the same number, unless DMA is stopped.
//! - DMA: a TVE with the endpoint's filter puts its slot, at the slot's bus address, in the endpoint's tree of
//!   tables (`trees`), whose last level is the P7IOC driver's own table. Kills are passed on.
//! - Messages: MXIVT entries route the real bridge's interrupts of the same machine-wide numbers ([`numbering`]),
//!   from the entry's endpoint if an MVE with its filter lets it send. A device must be given the real bridge's
//!   address and data: [`Relay::message_block`] asks the model first.
//! - Segments: segment n of the 32-bit window is the real bridge's 128 + n: same size, same PCI addresses.
//! - Config cycles below the root port are the real ones; the root port is the model's, mirrored below.
//! - Stopped endpoints: no requester of theirs is let through (DMA), none of their functions decodes (MMIO),
//!   nor does one that nobody owns and that was theirs.
//!
//! What the real bridge cannot do: 64-bit windows and I/O space are not there.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

mod copies;
mod entry;
mod inject;
mod pending;
mod port;
mod real;
mod regs;
mod rids;
mod root;
mod settle;
mod trees;

#[cfg(test)]
mod tests;

pub use port::RelayPort;
pub use regs::RelayRegs;
pub use trees::Trees;

use copies::Copies;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use ioda::{Bdf, MsiBlock, PeNumber, RegIo, XscomIo};
use ioda_model::{Below, Change, P7ioc, P7iocBlock, Refusal};
use lock::Mutex;
use pending::Pending;
use phb3::{Numbering, Phb3, Port};
use real::Real;

/// The P7IOC's endpoint of nobody, and the real bridge's.
pub(crate) const RESERVED: PeNumber = PeNumber(127);
pub(crate) const REAL_RESERVED: PeNumber = PeNumber(255);
/// Segments of the P7IOC's window, and the real bridge's segment that the first one is.
pub(crate) const SEGMENTS: u16 = 128;
pub(crate) const FIRST_SEGMENT: u16 = 128;
/// The real bridge's message that the P7IOC's first one is.
pub(crate) const FIRST_MSI: u16 = 0x600;
/// Where the P7IOC's 32-bit window begins in the real bridge's.
pub const M32_OFFSET: u64 = 0x4000_0000;

/// Which of the hub's six bridges stands for the real bridge `phb` of its chip: every other one, since one of these
/// has half as many interrupt numbers. `None` beyond the third.
#[must_use]
pub const fn bridge_of(phb: u8) -> Option<u8> {
    if phb < 3 {
        Some(phb.wrapping_mul(2))
    } else {
        None
    }
}

/// How the real bridge `phb` has to number its interrupts, for each to have the P7IOC's number.
#[must_use]
pub const fn numbering(phb: u8) -> Numbering {
    Numbering {
        // 9 bits of unit and 4 of level below the extension; the LSIs 0x400 into each 0x800.
        base: (P7ioc::BUID_EXT as u32) << 13 | (phb as u32) << 11,
        lsi_id: 0x400u16.wrapping_shr(3) as u8,
    }
}

/// A P7IOC over a real PHB3.
pub struct Relay<R: 'static, X> {
    model: P7ioc,
    port: &'static Port<R>,
    /// First machine-wide number of the real bridge's messages.
    irq_base: u32,
    pending: Pending,
    /// What the model's tables said when the real bridge was last brought in line. Whoever holds its lock may have
    /// the model locked; the real bridge's comes last.
    copies: Mutex<Copies>,
    real: Mutex<Real<R, X>>,
    trees: Mutex<Trees>,
    /// Endpoints with a tree, for kills, which wait for nobody.
    translating: [AtomicU64; 2],
    /// Segments behind which nothing answers: their endpoint's MMIO is stopped, or nothing at all passes.
    dark: [AtomicU64; 2],
    /// Held for each access that [`Self::reach`] makes. Whoever has it waits for nothing and takes no other lock.
    accesses: Mutex<()>,
}

impl<R: RegIo + Sync + Send, X: XscomIo + Send> Relay<R, X> {
    /// The P7IOC `model` over the real bridge `phb`, which was started, and its `port`; `trees` is memory for its
    /// DMA tables.
    ///
    /// It does nothing before [`Self::attach`].
    pub fn new(model: P7ioc, phb: Phb3<R, X>, port: &'static Port<R>, trees: Trees) -> Self {
        Self {
            model,
            port,
            irq_base: phb.pbcq().irq_base(),
            pending: Pending::new(),
            copies: Mutex::new(Copies::new()),
            real: Mutex::new(Real::new(phb)),
            trees: Mutex::new(trees),
            translating: [const { AtomicU64::new(0) }; 2],
            dark: [const { AtomicU64::new(u64::MAX) }; 2],
            accesses: Mutex::new(()),
        }
    }

    /// Has the model hear of the real functions, and the real bridge of the model.
    pub fn attach(&'static self) {
        self.model.attach(self);
    }

    /// A block of the P7IOC's registers.
    #[must_use]
    pub const fn regs(&'static self, block: P7iocBlock) -> RelayRegs<R, X> {
        RelayRegs::new(self, block)
    }

    /// The model, for who wants to see what it complains of.
    #[must_use]
    pub const fn model(&self) -> &P7ioc {
        &self.model
    }

    /// What function `bdf` has to be given for `block` of the P7IOC's messages to arrive.
    ///
    /// # Errors
    /// [`Refusal`]: why the P7IOC would refuse one of these messages from there.
    pub fn message_block(&self, bdf: Bdf, block: &MsiBlock) -> Result<MsiBlock, Refusal> {
        for message in 0..block.count {
            let data = u32::from(block.data).saturating_add(message.into());
            self.model
                .check_message(bdf, block.address32.into(), data)?;
            self.model.check_message(bdf, block.address64, data)?;
        }
        let first = FIRST_MSI.saturating_add(block.data);
        Ok(self.real.lock().phb.msi_block(first, block.count))
    }

    /// Makes one access to registers behind segment `segment` of the 32-bit window; `None`, and no access, if nothing
    /// there may be asked: its endpoint's MMIO is stopped, or nothing passes the bridge. For the processor, a load
    /// from there would be an error; the P7IOC gives all ones.
    ///
    /// Nothing stops answering while `access` runs, so it must not wait, and not come back here.
    pub fn reach<T>(&self, segment: u16, access: impl FnOnce() -> T) -> Option<T> {
        let _held = self.accesses.lock();
        (!self.is_dark(segment)).then(access)
    }

    pub(crate) fn is_dark(&self, segment: u16) -> bool {
        self.dark
            .get(usize::from(segment / 64))
            .is_none_or(|word| word.load(SeqCst) >> (segment % 64) & 1 == 1)
    }

    /// Returns when no access is under way that saw less than what is dark now.
    pub(crate) fn drain(&self) {
        drop(self.accesses.lock());
    }
}

impl<R: RegIo + Sync + Send, X: XscomIo + Send> Below for Relay<R, X> {
    fn config(&self, bdf: Bdf, at: u16, bytes: usize, value: Option<u32>) -> Option<u32> {
        self.real.lock().config(bdf, at, bytes, value)
    }

    fn changed(&self, what: Change) {
        self.pending.note(what);
    }

    fn kill(&self, _pair: Option<u64>) {
        // More than was asked for, in one store for each endpoint that translates.
        for (word, first) in self.translating.iter().zip([0u16, 64]) {
            let mut pes = word.load(SeqCst);
            while pes != 0 {
                self.port
                    .kill_pe(PeNumber(first.saturating_add(pes.trailing_zeros() as u16)));
                pes &= pes.wrapping_sub(1);
            }
        }
    }
}
