//! Who owns which page of DMA.

use super::{DmaSpace, Spec};
use crate::Chip;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use ioda::{DmaWindow, IodaError, PeNumber, Permission, Rid};

/// What a page of a window leads to: a real address and what may be done there.
pub(crate) type Target = Option<(u64, Permission)>;

/// A page of a window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    /// What it was made last.
    pub(crate) now: Target,
    /// What it was before, as far as the bridge may not have been told, or may not be through with it.
    pub(crate) before: Vec<Target>,
    /// The bridge was told since the last change.
    pub(crate) told: bool,
}

/// A window.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) pe: u16,
    pub(crate) base: u64,
    pub(crate) bytes: u64,
    pub(crate) page_shift: u8,
    /// Which of the tables it has.
    pub(crate) table: usize,
    /// What the driver gave.
    pub(crate) given: DmaWindow,
    pub(crate) pages: BTreeMap<u64, Page>,
}

/// A table as a program offers it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) table: usize,
    pub(crate) entries: u64,
    pub(crate) page_shift: u8,
}

/// Whether a device reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Access {
    const fn needs(self) -> Permission {
        match self {
            Self::Read => Permission::READ,
            Self::Write => Permission::WRITE,
        }
    }
}

const SLOT: u64 = 1 << 28;

impl Spec {
    /// [`ioda::Ioda::dma_create`] of `offer`: where it has to be.
    pub(crate) fn place_window(
        &self,
        pe: u16,
        offer: Offer,
        at: Option<u16>,
    ) -> Result<(u16, u64), IodaError> {
        self.check_owned(pe)?;
        let bytes = offer.entries << offer.page_shift;
        let shifts: &[u8] = match self.facts.chip {
            Chip::P7ioc => &[12],
            Chip::Phb3 => &[12, 16, 24, 28],
        };
        if !shifts.contains(&offer.page_shift) {
            return Err(IodaError::PageShift(offer.page_shift));
        }
        let places: Vec<(u16, u64)> = match self.facts.dma {
            DmaSpace::Shared { slots } => {
                if bytes < SLOT / 2 {
                    return Err(IodaError::Table);
                }
                (0..slots)
                    .map(|slot| (slot, u64::from(slot) * SLOT))
                    .filter(|(_, base)| {
                        base + bytes.next_multiple_of(SLOT) <= u64::from(slots) * SLOT
                    })
                    .collect()
            }
            DmaSpace::Own => [(pe * 2, 0), (pe * 2 + 1, 1 << 59)].into(),
        };
        let is_free = |place: &(u16, u64)| {
            let end = place.1 + bytes.next_multiple_of(SLOT);
            self.windows.iter().all(|window| {
                let other_end = window.base + window.bytes.next_multiple_of(SLOT);
                let is_apart = place.1 >= other_end || window.base >= end;
                is_apart || self.facts.dma == DmaSpace::Own && window.pe != pe
            })
        };
        match at {
            None => places.into_iter().find(is_free).ok_or(IodaError::NoWindow),
            Some(at) => {
                let place = places.into_iter().find(|place| place.0 == at);
                let place = place.ok_or(IodaError::Window)?;
                is_free(&place)
                    .then_some(place)
                    .ok_or(IodaError::WindowInUse)
            }
        }
    }

    /// The window that a driver has opened, where it had to.
    pub(crate) fn add_window(&mut self, offer: Offer, given: DmaWindow) {
        self.windows.push(Window {
            pe: given.pe.0,
            base: given.bus_base,
            bytes: offer.entries << offer.page_shift,
            page_shift: offer.page_shift,
            table: offer.table,
            given,
            pages: BTreeMap::new(),
        });
    }

    /// Changes a page; nobody has been told.
    pub(crate) fn set_page(&mut self, window: usize, page: u64, target: Target) {
        let page = self.windows[window].pages.entry(page).or_default();
        let old = core::mem::replace(&mut page.now, target);
        if !page.before.contains(&old) {
            page.before.push(old);
        }
        page.told = false;
    }

    /// [`ioda::TceFlush::tce_flush`].
    pub(crate) fn tell(&mut self, window: usize, pages: core::ops::Range<u64>) {
        for (_, page) in self.windows[window].pages.range_mut(pages) {
            page.told = true;
        }
    }

    /// [`ioda::TceFlush::tce_wait`]: what was told counts from now on.
    pub(crate) fn wait(&mut self) {
        let pages = self
            .windows
            .iter_mut()
            .flat_map(|window| window.pages.values_mut());
        pages
            .filter(|page| page.told)
            .for_each(|page| page.before.clear());
    }

    /// All that was cached is gone.
    pub(crate) fn forget_cached(&mut self) {
        let pages = self
            .windows
            .iter_mut()
            .flat_map(|window| window.pages.values_mut());
        pages.for_each(|page| page.before.clear());
    }

    /// The window of `pe` that holds bus address `address`.
    pub(crate) fn window_at(&self, pe: u16, address: u64) -> Option<&Window> {
        self.windows.iter().find(|window| {
            window.pe == pe
                && address
                    .checked_sub(window.base)
                    .is_some_and(|at| at < window.bytes)
        })
    }

    /// What may become of a DMA: real addresses that it may reach, and whether it may be refused.
    pub(crate) fn dma(&self, rid: Rid, address: u64, access: Access) -> (Vec<u64>, bool) {
        let pe = self.owner(rid);
        let window = self.window_at(pe, address);
        let Some(window) = window.filter(|_| !self.is_off() && !self.is_dma_frozen(pe)) else {
            return (Vec::new(), true);
        };
        let offset = address - window.base;
        let none = Page::default();
        let page = window
            .pages
            .get(&(offset >> window.page_shift))
            .unwrap_or(&none);
        let mask = (1 << window.page_shift) - 1;
        let mut real = Vec::new();
        let mut refused = false;
        for target in page.before.iter().chain([&page.now]) {
            match target {
                Some((page, permission)) if permission.contains(access.needs()) => {
                    real.push(page & !mask | offset & mask);
                }
                _ => refused = true,
            }
        }
        (real, refused)
    }

    /// [`ioda::Ioda::dma_destroy`] of the window with this endpoint and table there.
    pub(crate) fn find_window(&self, window: &DmaWindow) -> Result<usize, IodaError> {
        let found = self.windows.iter().position(|open| {
            let DmaWindow {
                tve,
                table_real,
                pe,
                ..
            } = open.given;
            (tve, table_real, pe) == (window.tve, window.table_real, window.pe)
        });
        found.ok_or(IodaError::Window)
    }

    pub(crate) fn check_owned(&self, pe: u16) -> Result<(), IodaError> {
        if pe < self.facts.pes && pe != self.facts.reserved {
            Ok(())
        } else {
            Err(IodaError::Pe(PeNumber(pe)))
        }
    }
}
