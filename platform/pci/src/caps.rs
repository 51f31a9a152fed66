//! Capability chains: which capabilities a function has, where, and which of them a guest is not shown.

use crate::config::{CAP_POINTER, ConfigSpace, STATUS};
use ioda::{CfgError, CfgOffset};

/// Capabilities that this crate knows what to do with, by id.
pub(crate) mod id {
    pub(crate) const POWER: u32 = 0x01;
    pub(crate) const VPD: u32 = 0x03;
    pub(crate) const SLOT: u32 = 0x04;
    pub(crate) const MSI: u32 = 0x05;
    pub(crate) const HOT_SWAP: u32 = 0x06;
    pub(crate) const HYPERTRANSPORT: u32 = 0x08;
    pub(crate) const HOT_PLUG: u32 = 0x0c;
    pub(crate) const EXPRESS: u32 = 0x10;
    pub(crate) const MSIX: u32 = 0x11;
    pub(crate) const ADVANCED_FEATURES: u32 = 0x13;
    pub(crate) const ENHANCED_ALLOCATION: u32 = 0x14;

    /// Extended ones.
    pub(crate) mod ext {
        pub(crate) const AER: u32 = 0x01;
        pub(crate) const ACS: u32 = 0x0d;
        pub(crate) const ATS: u32 = 0x0f;
        pub(crate) const SRIOV: u32 = 0x10;
        pub(crate) const MRIOV: u32 = 0x11;
        pub(crate) const MULTICAST: u32 = 0x12;
        pub(crate) const PAGE_REQUEST: u32 = 0x13;
        pub(crate) const RESIZABLE_BAR: u32 = 0x15;
        pub(crate) const PASID: u32 = 0x1b;
        pub(crate) const VF_RESIZABLE_BAR: u32 = 0x24;
    }
}

/// Not shown to a guest: they move BARs, or belong to the slot and not to the function.
const HIDDEN: [u32; 5] = [
    id::SLOT,
    id::HOT_SWAP,
    id::HYPERTRANSPORT,
    id::HOT_PLUG,
    id::ENHANCED_ALLOCATION,
];
/// Not shown to a guest: they let DMA bypass TCEs, make requesters, or change BARs.
const HIDDEN_EXTENDED: [u32; 8] = [
    id::ext::ATS,
    id::ext::SRIOV,
    id::ext::MRIOV,
    id::ext::MULTICAST,
    id::ext::PAGE_REQUEST,
    id::ext::RESIZABLE_BAR,
    id::ext::PASID,
    id::ext::VF_RESIZABLE_BAR,
];

/// A link of a chain as a guest sees it: bits `mask` of the word at `at` read as `bits`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Link {
    at: u16,
    mask: u32,
    bits: u32,
}

/// Links that differ from the device's. A chain that would need more ends there.
const LINKS: usize = 12;

/// Where a function's capabilities are; the first of each kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CapSet {
    pub(crate) power: Option<CfgOffset>,
    pub(crate) vpd: Option<CfgOffset>,
    pub(crate) msi: Option<CfgOffset>,
    pub(crate) msix: Option<CfgOffset>,
    pub(crate) express: Option<CfgOffset>,
    pub(crate) advanced: Option<CfgOffset>,
    pub(crate) aer: Option<CfgOffset>,
    pub(crate) acs: Option<CfgOffset>,
    links: [Link; LINKS],
    link_count: u8,
}

/// The status register says that there is a chain.
const HAS_CHAIN: u16 = 1 << 4;
/// Where chains of capabilities, and of extended ones, may be.
const FIRST: u16 = 0x40;
const FIRST_EXTENDED: u16 = 0x100;

impl CapSet {
    /// Walks both chains. Ends at a link that leads out of config space, back, or nowhere.
    pub(crate) fn read(config: &mut ConfigSpace<'_>) -> Result<Self, CfgError> {
        let mut set = Self::default();
        if config.read16(STATUS)? & HAS_CHAIN != 0 {
            set.walk(config)?;
        }
        if set.express.is_some() {
            set.walk_extended(config)?;
        }
        Ok(set)
    }

    /// What a guest sees where the device says `word` at `at`, a multiple of 4.
    pub(crate) fn as_shown(&self, at: u16, word: u32) -> u32 {
        let links = self
            .links
            .iter()
            .take(self.link_count.into())
            .filter(|link| link.at == at);
        links.fold(word, |word, link| word & !link.mask | link.bits)
    }

    fn walk(&mut self, config: &mut ConfigSpace<'_>) -> Result<(), CfgError> {
        let mut seen = 0u64;
        // The byte that leads to the next capability: its word, and how far up in it.
        let mut from = (CAP_POINTER.get(), 0u32);
        let mut next = u16::from(config.read8(CAP_POINTER)?) & 0xfc;
        while let Some(at) = CfgOffset::new(next).filter(|_| next >= FIRST) {
            let bit = 1u64 << (next >> 2 & 63);
            if seen & bit != 0 {
                break;
            }
            seen |= bit;
            let header = config.read32(at)?;
            next = (header >> 8) as u16 & 0xfc;
            if HIDDEN.contains(&(header & 0xff)) {
                self.link(from.0, 0xff << from.1, u32::from(next) << from.1);
                continue;
            }
            from = (at.get(), 8);
            let slot = match header & 0xff {
                id::POWER => &mut self.power,
                id::VPD => &mut self.vpd,
                id::MSI => &mut self.msi,
                id::MSIX => &mut self.msix,
                id::EXPRESS => &mut self.express,
                id::ADVANCED_FEATURES => &mut self.advanced,
                _ => continue,
            };
            slot.get_or_insert(at);
        }
        Ok(())
    }

    fn walk_extended(&mut self, config: &mut ConfigSpace<'_>) -> Result<(), CfgError> {
        let mut seen = [0u64; 16];
        let mut from = None;
        let mut next = FIRST_EXTENDED;
        while let Some(at) = CfgOffset::new(next).filter(|_| next >= FIRST_EXTENDED) {
            let Some(word) = seen.get_mut(usize::from(next >> 8)) else {
                break;
            };
            let bit = 1u64 << (next >> 2 & 63);
            let header = config.read32(at)?;
            if *word & bit != 0 || header == 0 || header == u32::MAX {
                break;
            }
            *word |= bit;
            next = (header >> 20) as u16 & 0xffc;
            if HIDDEN_EXTENDED.contains(&(header & 0xffff)) {
                match from {
                    Some(from) => self.link(from, 0xfff << 20, u32::from(next) << 20),
                    // The first has no link that leads to it: it becomes one of no kind.
                    None => self.link(at.get(), 0xf_ffff, 0),
                }
                from = from.or(Some(at.get()));
                continue;
            }
            from = Some(at.get());
            let slot = match header & 0xffff {
                id::ext::AER => &mut self.aer,
                id::ext::ACS => &mut self.acs,
                _ => continue,
            };
            slot.get_or_insert(at);
        }
        Ok(())
    }

    /// Shows `bits` in `mask` of the word at `at`.
    fn link(&mut self, at: u16, mask: u32, bits: u32) {
        let count = usize::from(self.link_count);
        let known = self
            .links
            .iter_mut()
            .take(count)
            .find(|link| link.at == at && link.mask == mask);
        if let Some(link) = known {
            link.bits = bits;
        } else if let Some(link) = self.links.get_mut(count) {
            *link = Link { at, mask, bits };
            self.link_count = self.link_count.saturating_add(1);
        } else if let Some(last) = self.links.last_mut() {
            // No room: the chain ends where it last could be changed.
            last.bits = 0;
        }
    }
}
