//! Virtual functions: [`Sriov`].

use super::{BarKind, Device};
use crate::fabric::Address;

const CAPABILITY: u16 = 0x10;
/// In the capability.
const CONTROL: usize = 0x08;
const INITIAL: usize = 0x0c;
const TOTAL: usize = 0x0e;
const NUMBER: usize = 0x10;
const OFFSET: usize = 0x14;
const STRIDE: usize = 0x16;
const DEVICE_ID: usize = 0x1a;
const PAGE_SIZES: usize = 0x1c;
const PAGE_SIZE: usize = 0x20;
const BARS: usize = 0x24;
/// Control: the functions are there; they decode memory.
const ENABLE: u32 = 0x1;
const DECODE: u32 = 0x8;

/// What a function says of the virtual functions that it can have.
#[derive(Clone, Debug)]
pub struct Sriov {
    /// How many at most.
    pub total: u16,
    /// From the function's own number to that of the first.
    pub first_offset: u16,
    /// From one to the next.
    pub stride: u16,
    /// Their device id.
    pub device: u16,
    /// Their 64-bit BARs: index (0, 2, 4) and bytes, a power of two.
    pub bars: [Option<u64>; 3],
    /// Page sizes that they can have: bit n is 2^(n+12) bytes. A BAR takes a page at least.
    pub page_sizes: u32,
}

#[derive(Clone)]
pub(super) struct Virtuals {
    at: usize,
    facts: Sriov,
}

impl Device {
    /// Can have virtual functions.
    #[must_use]
    pub fn with_sriov(mut self, facts: Sriov) -> Self {
        let at = self.add_extended(CAPABILITY, 0x40);
        let by = |by: usize| at.wrapping_add(by);
        let space = &mut self.space;
        space.allow(by(CONTROL), 2, ENABLE | DECODE | 0x10);
        space.set(by(INITIAL), 2, facts.total.into());
        space.set(by(TOTAL), 2, facts.total.into());
        space.allow(by(NUMBER), 2, 0xffff);
        space.set(by(OFFSET), 2, facts.first_offset.into());
        space.set(by(STRIDE), 2, facts.stride.into());
        space.set(by(DEVICE_ID), 2, facts.device.into());
        space.set(by(PAGE_SIZES), 4, facts.page_sizes | 1);
        space.set(by(PAGE_SIZE), 4, 1);
        space.allow(by(PAGE_SIZE), 4, u32::MAX);
        for (index, bar) in facts.bars.iter().enumerate() {
            if bar.is_some() {
                space.set(by(BARS.wrapping_add(index.wrapping_mul(8))), 4, 0xc);
            }
        }
        self.virtuals = Some(alloc::boxed::Box::new(Virtuals { at, facts }));
        self.settle_virtuals();
        self
    }

    /// All the virtual functions that it can have, as they are when nobody has touched them.
    pub(crate) fn virtual_functions(&self) -> impl Iterator<Item = Self> + use<> {
        let total = self.virtuals.as_ref().map_or(0, |of| of.facts.total);
        let class = self.get(0x08, 4) >> 8;
        (0..total).map(move |_| {
            // The ids read as all ones; the physical function has them.
            Self::endpoint(0xffff, 0xffff, class)
                .with_express(0, 1 << 28)
                .with_msix(1, 0, 0)
                .with_config(0x04, 2, 0)
                .only_mastering()
        })
    }

    /// Keeps of the command register what a virtual function has.
    fn only_mastering(mut self) -> Self {
        self.space.allow(0x04, 2, super::MASTER);
        self
    }

    fn virtuals_word(&self, by: usize, bytes: usize) -> u32 {
        self.virtuals
            .as_ref()
            .map_or(0, |of| self.get(of.at.wrapping_add(by), bytes))
    }

    /// Whether virtual function `number`, from 0, is there.
    pub(crate) fn has_vf(&self, number: u16) -> bool {
        let enabled = self.virtuals_word(CONTROL, 2) & ENABLE != 0;
        enabled && u32::from(number) < self.virtuals_word(NUMBER, 2)
    }

    /// From the function's number to that of its virtual function `number`.
    pub(crate) fn vf_offset(&self, number: u16) -> u16 {
        self.virtuals.as_ref().map_or(0, |of| {
            let by = of.facts.stride.wrapping_mul(number);
            of.facts.first_offset.wrapping_add(by)
        })
    }

    /// log2 of the bytes of a virtual function's BAR: a page at least.
    fn vf_bar_shift(&self, bytes: u64) -> u32 {
        let page = self.virtuals_word(PAGE_SIZE, 4).trailing_zeros();
        let page = page.saturating_add(12).min(43);
        bytes.checked_ilog2().unwrap_or(0).max(page)
    }

    /// The virtual function, its BAR and the offset there that answer at PCI address `pci`.
    pub(crate) fn claims_for_vf(&self, pci: Address) -> Option<(u16, usize, u64)> {
        let of = self.virtuals.as_ref()?;
        let Address::Memory(pci) = pci else {
            return None;
        };
        let both = ENABLE | DECODE;
        if self.virtuals_word(CONTROL, 2) & both != both {
            return None;
        }
        let mut bars = [0usize, 2, 4].into_iter().zip(of.facts.bars);
        bars.find_map(|(index, bar)| {
            let at = of.at.wrapping_add(BARS).wrapping_add(index.wrapping_mul(4));
            let shift = self.vf_bar_shift(bar?);
            let offset = pci.checked_sub(self.base(at, BarKind::Wide))?;
            let number = u16::try_from(offset >> shift).ok()?;
            let rest = offset & !(u64::MAX << shift);
            (self.has_vf(number) && rest < bar?).then_some((number, index, rest))
        })
    }

    /// What of a write to the capability counts: while the functions are there their number and page size stay,
    /// and a page size is one of those that there are.
    pub(super) fn filter_virtuals(&self, at: usize, bytes: usize, value: u32) -> u32 {
        let Some(of) = self.virtuals.as_ref() else {
            return value;
        };
        let by = at.wrapping_sub(of.at);
        let is_size = (PAGE_SIZE..PAGE_SIZE + 4).contains(&by);
        let is_number = (NUMBER..NUMBER + 2).contains(&by);
        let is_fixed = self.virtuals_word(CONTROL, 2) & ENABLE != 0;
        let sizes = self.virtuals_word(PAGE_SIZES, 4);
        let is_wrong = is_size
            && (by != PAGE_SIZE || bytes != 4 || !value.is_power_of_two() || value & sizes == 0)
            || is_number && value > self.virtuals_word(TOTAL, 2);
        if is_wrong || is_fixed && (is_size || is_number) {
            self.get(at, bytes)
        } else {
            value
        }
    }

    /// Gives the capability's BARs the sizes that the page size makes.
    pub(super) fn settle_virtuals(&mut self) {
        let Some(of) = self.virtuals.as_ref() else {
            return;
        };
        let (at, bars) = (of.at, of.facts.bars);
        for (index, bar) in bars.into_iter().enumerate() {
            let Some(bytes) = bar else { continue };
            let mask = u64::MAX << self.vf_bar_shift(bytes) & !0xf;
            let at = at.wrapping_add(BARS).wrapping_add(index.wrapping_mul(8));
            let high = at.wrapping_add(4);
            self.space.allow(at, 4, mask as u32);
            self.space.allow(high, 4, (mask >> 32) as u32);
            // What it has no room for any more is gone.
            let (low_now, high_now) = (self.get(at, 4), self.get(high, 4));
            self.space.poke(at, 4, low_now & (mask as u32 | 0xf));
            self.space.poke(high, 4, high_now & (mask >> 32) as u32);
        }
    }
}
