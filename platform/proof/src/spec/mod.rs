//! The specification: who owns what, in plain sets and maps. It shares nothing with a driver or a model but the
//! words of `ioda`, and is written from the chips' descriptions.
//!
//! A method that stands for a driver's call changes the sets as the call must, and gives what it must answer.

mod dma;
mod facts;
mod irq;
mod mmio;
mod rids;

pub(crate) use dma::{Access, Offer, Target, Window};
pub(crate) use facts::{DmaSpace, Facts, P7IOC_BRIDGE, Segments};
pub(crate) use irq::{Deliveries, Delivery, Source};
pub(crate) use mmio::Share;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use ioda::{Freeze, IodaError, PeNumber};

/// Who owns what.
pub(crate) struct Spec {
    pub(crate) facts: Facts,
    rids: rids::Owners,
    /// By segment; what is not here is nobody's.
    m32: BTreeMap<u16, u16>,
    io: BTreeMap<u16, u16>,
    m64: BTreeMap<u8, mmio::Wide>,
    pub(crate) windows: Vec<dma::Window>,
    pub(crate) blocks: Vec<irq::Block>,
    quotas: BTreeMap<u16, u16>,
    pub(crate) sources: BTreeMap<u32, Source>,
    /// Whom an endpoint's errors stop besides itself.
    links: BTreeMap<u16, BTreeSet<u16>>,
    frozen: BTreeMap<u16, Freeze>,
    /// The bridge has shut itself off.
    pub(crate) fenced: bool,
    /// A reset failed: only a complete one can follow.
    pub(crate) failed: bool,
}

impl Spec {
    /// Nobody owns anything.
    pub(crate) fn new(facts: Facts) -> Self {
        let lsis = (facts.inta..facts.inta + 4).map(|irq| (irq, Source::MASKED));
        Self {
            facts,
            rids: rids::Owners::nobody(&facts),
            m32: BTreeMap::new(),
            io: BTreeMap::new(),
            m64: BTreeMap::new(),
            windows: Vec::new(),
            blocks: Vec::new(),
            quotas: BTreeMap::new(),
            sources: lsis.collect(),
            links: BTreeMap::new(),
            frozen: BTreeMap::new(),
            fenced: false,
            failed: false,
        }
    }

    /// Nothing goes through the bridge.
    pub(crate) const fn is_off(&self) -> bool {
        self.fenced
    }

    /// The endpoints whose state is followed.
    pub(crate) fn watched(&self) -> impl Iterator<Item = u16> + use<> {
        self.facts.used.into_iter().chain([self.facts.reserved])
    }

    pub(crate) fn frozen(&self, pe: u16) -> Freeze {
        self.frozen.get(&pe).copied().unwrap_or(Freeze::empty())
    }

    pub(crate) fn set_frozen(&mut self, pe: u16, what: Freeze) {
        self.frozen.insert(pe, what);
    }

    pub(crate) fn is_dma_frozen(&self, pe: u16) -> bool {
        self.frozen(pe).contains(Freeze::DMA)
    }

    pub(crate) fn thaw_all(&mut self) {
        self.frozen.clear();
    }

    /// Whom an error of `pe` stops besides itself.
    pub(crate) fn children(&self, pe: u16) -> impl Iterator<Item = u16> {
        self.links.get(&pe).into_iter().flatten().copied()
    }

    /// [`ioda::Ioda::link_pe`].
    pub(crate) fn link(&mut self, parent: u16, child: u16) -> Result<(), IodaError> {
        self.check_pair(parent, child)?;
        self.links.entry(parent).or_default().insert(child);
        Ok(())
    }

    /// [`ioda::Ioda::unlink_pe`].
    pub(crate) fn unlink(&mut self, parent: u16, child: u16) -> Result<(), IodaError> {
        if parent == child {
            return Err(IodaError::Pe(PeNumber(child)));
        }
        self.check_pair(parent, child)?;
        self.links.entry(parent).or_default().remove(&child);
        Ok(())
    }

    fn check_pair(&self, parent: u16, child: u16) -> Result<(), IodaError> {
        match [parent, child].into_iter().find(|pe| *pe >= self.facts.pes) {
            Some(pe) => Err(IodaError::Pe(PeNumber(pe))),
            None => Ok(()),
        }
    }

    /// What `used` endpoints own of the segments.
    pub(crate) fn segments_of(&self, pe: u16) -> (Vec<u16>, Vec<u16>) {
        let of = |map: &BTreeMap<u16, u16>| {
            let mut own = Vec::new();
            own.extend(
                map.iter()
                    .filter(|(_, owner)| **owner == pe)
                    .map(|(segment, _)| *segment),
            );
            own
        };
        (of(&self.m32), of(&self.io))
    }

    /// Endpoint and segment of the open 64-bit windows that `pe` has a part in.
    pub(crate) fn wide_of(&self, pe: u16) -> Vec<u8> {
        let mut own = Vec::new();
        let parts = self
            .m64
            .iter()
            .filter(|(_, wide)| wide.segments.len() <= 8 && wide.segments.contains(&pe));
        own.extend(parts.map(|(window, _)| *window));
        own
    }

    pub(crate) fn set_quota(&mut self, pe: u16, most: u16) {
        self.quotas.insert(pe, most);
    }
}
