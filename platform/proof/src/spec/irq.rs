//! Who owns which interrupt, and where it goes.

use super::Spec;
use crate::Chip;
use alloc::vec::Vec;
use ioda::{MsiBlock, MsiError, PeNumber};

/// Whether an edge waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    No,
    Yes,
    /// Nobody can tell from outside.
    Maybe,
}

/// A source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    /// Thread and priority; `None` masks.
    pub(crate) target: Option<(u32, u8)>,
    /// It was presented and not ended (PHB3).
    pub(crate) presented: bool,
    pub(crate) waiting: Waiting,
}

impl Source {
    pub(crate) const MASKED: Self = Self {
        target: None,
        presented: false,
        waiting: Waiting::No,
    };
}

/// Interrupts handed out together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) pe: u16,
    pub(crate) given: MsiBlock,
}

impl Block {
    pub(crate) fn irqs(&self) -> core::ops::Range<u32> {
        let first = self.given.first.0;
        first..first + u32::from(self.given.count)
    }

    /// The interrupt that a message of this address and data is to raise.
    fn irq_of(&self, address: u64, data: u32) -> Option<u32> {
        let given = &self.given;
        let is_its = address == given.address32.into() || address == given.address64;
        let index = data.checked_sub(given.data.into())?;
        (is_its && index < given.count.into()).then(|| given.first.0 + index)
    }
}

/// An interrupt as a processor gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) irq: u32,
    pub(crate) server: u32,
    pub(crate) priority: u8,
}

/// Which interrupts a step delivers: these, and perhaps those.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deliveries {
    pub(crate) must: Vec<Delivery>,
    pub(crate) may: Vec<Delivery>,
}

impl Spec {
    /// Whether [`ioda::MsiSource::msi_alloc`] has to succeed.
    pub(crate) fn can_take_msis(&self, pe: u16, count: u16) -> Result<(), MsiError> {
        if !count.is_power_of_two() || count > 32 {
            return Err(MsiError::Count);
        }
        self.check_owned(pe)
            .map_err(|_| MsiError::Pe(PeNumber(pe)))?;
        let has: u16 = self
            .blocks
            .iter()
            .filter(|block| block.pe == pe)
            .map(|block| block.given.count)
            .sum();
        if has + count > self.quotas.get(&pe).copied().unwrap_or(self.facts.msis.1) {
            return Err(MsiError::NoVector);
        }
        let (first, all) = self.facts.msis;
        let runs = (0..all / count).map(|run| first + u32::from(run * count));
        let mut free = runs.filter(|start| {
            let run = *start..start + u32::from(count);
            self.blocks
                .iter()
                .all(|block| !block.irqs().any(|irq| run.contains(&irq)))
        });
        free.next().map(|_| ()).ok_or(MsiError::NoVector)
    }

    /// Takes the driver's choice over, or tells what is wrong with it.
    pub(crate) fn add_block(
        &mut self,
        pe: u16,
        count: u16,
        given: MsiBlock,
    ) -> Result<(), &'static str> {
        let block = Block { pe, given };
        let (first, all) = self.facts.msis;
        let numbers = first..first + u32::from(all);
        if given.count != count {
            return Err("another count");
        }
        if !block.irqs().all(|irq| numbers.contains(&irq)) {
            return Err("no such interrupts");
        }
        if !given.data.is_multiple_of(count) {
            return Err("the data of a block is not aligned");
        }
        if self
            .blocks
            .iter()
            .any(|other| other.irqs().any(|irq| block.irqs().contains(&irq)))
        {
            return Err("interrupts that are handed out");
        }
        for irq in block.irqs() {
            self.sources.insert(irq, Source::MASKED);
        }
        self.blocks.push(block);
        Ok(())
    }

    /// [`ioda::MsiSource::msi_free`].
    pub(crate) fn remove_block(&mut self, block: &MsiBlock) -> Result<(), MsiError> {
        let found = self
            .blocks
            .iter()
            .position(|other| other.given.first == block.first && other.given.count == block.count);
        let block = self.blocks.swap_remove(found.ok_or(MsiError::Irq)?);
        for irq in block.irqs() {
            self.sources.remove(&irq);
        }
        Ok(())
    }

    /// The interrupt that a message is to raise, and its endpoint.
    pub(crate) fn irq_of(&self, address: u64, data: u32) -> Option<(u32, u16)> {
        self.blocks
            .iter()
            .find_map(|block| Some((block.irq_of(address, data)?, block.pe)))
    }

    pub(crate) fn delivery(&self, irq: u32) -> Option<Delivery> {
        let (server, priority) = self.sources.get(&irq)?.target?;
        let priority = priority & self.facts.priority_mask;
        Some(Delivery {
            irq,
            server,
            priority,
        })
    }

    /// A message raises `irq`.
    pub(crate) fn raise(&mut self, irq: u32) -> Deliveries {
        let mut list = Deliveries::default();
        let delivery = self.delivery(irq);
        let keeps = self.facts.chip == Chip::Phb3;
        let Some(source) = self.sources.get_mut(&irq) else {
            return list;
        };
        match delivery {
            Some(delivery) if !source.presented => {
                list.must.push(delivery);
                source.presented = keeps;
            }
            _ if keeps => source.waiting = Waiting::Yes,
            _ => {}
        }
        list
    }

    /// An edge that waits is sent if it can be.
    fn send_waiting(&mut self, irq: u32) -> Deliveries {
        let mut list = Deliveries::default();
        let Some(delivery) = self.delivery(irq) else {
            return list;
        };
        let is_off = self.is_off();
        let Some(source) = self
            .sources
            .get_mut(&irq)
            .filter(|source| !source.presented)
        else {
            return list;
        };
        match source.waiting {
            Waiting::No => {}
            _ if is_off => source.waiting = Waiting::Maybe,
            Waiting::Yes => {
                list.must.push(delivery);
                source.presented = true;
                source.waiting = Waiting::No;
            }
            // Whoever sees the delivery settles it.
            Waiting::Maybe => list.may.push(delivery),
        }
        list
    }

    /// [`ioda::IrqBackend::set_target`].
    pub(crate) fn set_target(&mut self, irq: u32, server: u32, priority: u8) -> Deliveries {
        if let Some(source) = self.sources.get_mut(&irq) {
            source.target = (priority != 0xff).then_some((server, priority));
        }
        self.send_waiting(irq)
    }

    /// [`ioda::IrqBackend::eoi`].
    pub(crate) fn eoi(&mut self, irq: u32) -> Deliveries {
        if let Some(source) = self.sources.get_mut(&irq) {
            source.presented = false;
        }
        self.send_waiting(irq)
    }

    /// [`ioda::IrqBackend::reset`].
    pub(crate) fn reset_irq(&mut self, irq: u32) {
        if let Some(source) = self.sources.get_mut(&irq) {
            *source = Source::MASKED;
        }
    }

    /// A delivery that did not have to be: whoever waited does not any more.
    pub(crate) fn settle(&mut self, delivery: &Delivery) {
        if let Some(source) = self.sources.get_mut(&delivery.irq) {
            source.presented = self.facts.chip == Chip::Phb3;
            source.waiting = Waiting::Maybe;
        }
    }

    /// An edge may wait at any interrupt of `pe`.
    pub(crate) fn doubt(&mut self, pe: u16) {
        let irqs: Vec<u32> = self
            .blocks
            .iter()
            .filter(|block| block.pe == pe)
            .flat_map(Block::irqs)
            .collect();
        for irq in irqs {
            if let Some(source) = self.sources.get_mut(&irq) {
                source.waiting = Waiting::Maybe;
            }
        }
    }

    /// After a reset of the bridge nobody counts on edges from before.
    pub(crate) fn doubt_all(&mut self) {
        if self.facts.chip == Chip::Phb3 {
            for source in self.sources.values_mut() {
                source.waiting = Waiting::Maybe;
            }
        }
    }
}
