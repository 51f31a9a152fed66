//! A partition's interrupts: which sources it owns, where each is sent, and what is presented.
//!
//! Sources have the machine's numbers, so that presenting one costs no translation; servers are
//! virtual processor numbers. [`Xics::trigger`] is the ownership check of every XICS hcall: no lock,
//! no allocation. Where a source is sent changes by RTAS alone, under a lock of that source.
//!
//! The presentation side is `Machine::presenter`. For dedicated processors it is the machine's own: they
//! take their interrupts without the hypervisor, at 0x500, and come here by H_XIRR. For those that share
//! threads it is software ([`crate::icp`]).

use crate::machine::Machine;
use crate::{Lpar, Vcpu};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::SeqCst;
use lock::Mutex;
use papr_abi::xics::{LEAST_FAVORED, MOST_FAVORED};
use papr_abi::{Irq, Server, xics};

/// How a source signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// By a message; its end of interrupt is also told to the source.
    Edge,
    /// By a level; presented again at the end of interrupt while it lasts.
    Level,
    /// By the hypervisor, as by a message: no bridge has it. See [`crate::vio`].
    Virtual,
}

/// Consecutive sources of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IrqBlock {
    /// The first.
    pub first: Irq,
    /// How many.
    pub count: u32,
    /// How each of them signals.
    pub trigger: Trigger,
}

impl IrqBlock {
    /// Returns the `index`th source.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<Irq> {
        (index < self.count).then(|| Irq(self.first.0.saturating_add(index)))
    }

    /// Iterates over the sources.
    pub fn iter(&self) -> impl Iterator<Item = Irq> + use<> {
        (self.first.0..self.end()).map(Irq)
    }

    fn end(&self) -> u32 {
        self.first.0.saturating_add(self.count)
    }
}

/// Where a source is sent. Source: LoPAR 2.9, "ibm,set-xive".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xive {
    /// The virtual processor.
    pub server: Server,
    /// The priority that the partition chose, which the source has while [`Xive::on`].
    pub priority: u8,
    /// Whether ibm,int-on came after the last ibm,int-off.
    pub on: bool,
}

impl Xive {
    const RESET: Self = Self {
        server: Server(0),
        priority: LEAST_FAVORED,
        on: false,
    };

    fn effective(self) -> u8 {
        if self.on {
            self.priority
        } else {
            LEAST_FAVORED
        }
    }
}

/// Why a source was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XiveError {
    /// The partition does not own it.
    NotOwned,
    /// The partition has no such virtual processor.
    NoServer,
    /// The machine did not do it.
    Hardware,
}

/// The interrupt sources of a partition, fixed when it is built.
#[derive(Debug)]
pub struct Xics {
    /// By rising number, none overlapping or empty.
    blocks: Box<[IrqBlock]>,
    /// One for each source, in the order of the blocks.
    xives: Box<[Mutex<Xive>]>,
}

impl Xics {
    /// Makes the table of `blocks`, which may repeat and overlap (functions that share a
    /// level-sensitive source); of two kinds for one number the first counts.
    #[must_use]
    pub fn new(blocks: &[IrqBlock]) -> Self {
        let mut sorted: Vec<IrqBlock> = Vec::new();
        for block in blocks {
            let at = sorted.partition_point(|other| other.first.0 <= block.first.0);
            sorted.insert(at, *block);
        }
        let mut free = 0;
        let mut disjoint = Vec::with_capacity(sorted.len());
        for block in sorted {
            let first = block.first.0.max(free);
            if first < block.end() {
                free = block.end();
                disjoint.push(IrqBlock {
                    first: Irq(first),
                    count: free - first,
                    ..block
                });
            }
        }
        let count = disjoint.iter().map(|block| block.count as usize).sum();
        Self {
            blocks: disjoint.into_boxed_slice(),
            xives: (0..count).map(|_| Mutex::new(Xive::RESET)).collect(),
        }
    }

    /// Returns how `irq` signals, if the partition owns it. The inter-processor interrupt is no
    /// source and not among them.
    #[must_use]
    #[inline]
    pub fn trigger(&self, irq: Irq) -> Option<Trigger> {
        let after = self.blocks.partition_point(|block| block.first.0 <= irq.0);
        let block = self.blocks.get(after.wrapping_sub(1))?;
        (irq.0.wrapping_sub(block.first.0) < block.count).then_some(block.trigger)
    }

    /// Iterates over all sources with how they signal.
    pub fn sources(&self) -> impl Iterator<Item = (Irq, Trigger)> {
        self.blocks
            .iter()
            .flat_map(|block| block.iter().map(|irq| (irq, block.trigger)))
    }

    /// Returns the place of `irq` among the sources, if the partition owns it.
    #[must_use]
    pub fn place(&self, irq: Irq) -> Option<usize> {
        let mut before = 0usize;
        for block in &self.blocks {
            let offset = irq.0.wrapping_sub(block.first.0);
            if offset < block.count {
                return before.checked_add(offset as usize);
            }
            before = before.checked_add(block.count as usize)?;
        }
        None
    }

    fn xive(&self, irq: Irq) -> Option<&Mutex<Xive>> {
        self.xives.get(self.place(irq)?)
    }
}

impl Lpar {
    /// Returns where `irq` is sent.
    ///
    /// # Errors
    /// [`XiveError::NotOwned`].
    pub fn xive(&self, irq: Irq) -> Result<Xive, XiveError> {
        Ok(*self.xics.xive(irq).ok_or(XiveError::NotOwned)?.lock())
    }

    /// Changes where `irq` is sent by `change`, here and at the source.
    ///
    /// # Errors
    /// See [`XiveError`]; nothing is then changed.
    pub fn change_xive(&self, irq: Irq, change: impl FnOnce(&mut Xive)) -> Result<(), XiveError> {
        // Held over the change at the source, so that two callers leave both alike.
        let mut xive = self.xics.xive(irq).ok_or(XiveError::NotOwned)?.lock();
        let mut new = *xive;
        change(&mut new);
        let server = self.vcpu(new.server).ok_or(XiveError::NoServer)?;
        if !self.route_virtual(irq, xive.server, server, new.effective()) {
            self.machine
                .sources
                .set_target(irq, server.pir, new.effective())
                .map_err(|_| XiveError::Hardware)?;
        }
        *xive = new;
        Ok(())
    }

    /// Masks `irq`, forgets what it has pending, and what the partition chose for it.
    pub fn reset_source(&self, irq: Irq) {
        if let Some(xive) = self.xics.xive(irq) {
            let mut xive = xive.lock();
            if !self.reset_virtual(irq) {
                self.machine.sources.reset(irq);
            }
            *xive = Xive::RESET;
        }
    }

    /// Makes all interrupts as LoPAR wants them before a partition runs: sources masked, processors
    /// taking none. All its processors must be stopped.
    ///
    /// Source: LoPAR 2.9, "PowerPC External Interrupt Option Requirements", R1-13; "RTAS
    /// Requirements" of the LPAR option, R1-2.
    pub fn reset_interrupts(&self) {
        for (irq, _) in self.xics.sources() {
            self.reset_source(irq);
        }
        for vcpu in &self.vcpus {
            reset_server(&self.machine, vcpu);
        }
        // A level-sensitive source that was accepted and never ended would stay silent for good.
        if let Some(vcpu) = self.vcpus.first() {
            let levels = self.xics.sources().filter(|(_, t)| *t == Trigger::Level);
            for (irq, _) in levels {
                let xirr = xics::xirr(MOST_FAVORED, irq);
                self.machine.presenter.eoi(vcpu.pir, xirr);
            }
        }
    }
}

/// Writes the MFRR of `vcpu` as [`Vcpu::wanted_mfrr`] has it now. Whoever changes a part of that calls this
/// afterwards, so that the last to write has seen all changes.
pub fn show_mfrr(machine: &Machine, vcpu: &Vcpu) {
    /// Each further round is another change meanwhile.
    const ROUNDS: usize = 4;
    for _ in 0..ROUNDS {
        let mfrr = vcpu.wanted_mfrr();
        machine.presenter.set_mfrr(vcpu.pir, mfrr);
        if vcpu.wanted_mfrr() == mfrr {
            return;
        }
    }
    // Too favoured is an interrupt too many, after which it is looked at again; one too few would be for ever.
    machine.presenter.set_mfrr(vcpu.pir, MOST_FAVORED + 1);
}

/// Makes the presentation of `vcpu` as it must be when it starts: it takes nothing, and has no
/// inter-processor interrupt. For the thread that starts it.
pub fn reset_server(machine: &Machine, vcpu: &Vcpu) {
    vcpu.mfrr.store(LEAST_FAVORED, SeqCst);
    machine.presenter.set_cppr(vcpu.pir, MOST_FAVORED);
    show_mfrr(machine, vcpu);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(first: u32, count: u32, trigger: Trigger) -> IrqBlock {
        IrqBlock {
            first: Irq(first),
            count,
            trigger,
        }
    }

    #[test]
    fn only_numbers_inside_a_block_are_owned() {
        let xics = Xics::new(&[
            block(0x1ff8, 1, Trigger::Level),
            block(0x1020, 32, Trigger::Edge),
            block(0x1010, 4, Trigger::Edge),
            block(0x1ff8, 1, Trigger::Level),
            block(0x3000, 0, Trigger::Edge),
        ]);
        for (number, expected) in [
            (0, None),
            (2, None),
            (0x100f, None),
            (0x1010, Some(Trigger::Edge)),
            (0x1013, Some(Trigger::Edge)),
            (0x1014, None),
            (0x1020, Some(Trigger::Edge)),
            (0x103f, Some(Trigger::Edge)),
            (0x1040, None),
            (0x1ff8, Some(Trigger::Level)),
            (0x1ff9, None),
            (0x3000, None),
            (0x00ff_ffff, None),
            (u32::MAX, None),
        ] {
            assert_eq!(xics.trigger(Irq(number)), expected, "{number:#x}");
            assert_eq!(xics.xive(Irq(number)).is_some(), expected.is_some());
        }
        assert_eq!(xics.sources().count(), 37);
        assert_eq!(xics.xives.len(), 37);
    }

    #[test]
    fn overlapping_blocks_own_each_number_once() {
        let xics = Xics::new(&[
            block(10, 10, Trigger::Edge),
            block(12, 4, Trigger::Level),
            block(15, 10, Trigger::Level),
        ]);
        assert_eq!(xics.sources().count(), 15);
        assert_eq!(xics.trigger(Irq(12)), Some(Trigger::Edge));
        assert_eq!(xics.trigger(Irq(20)), Some(Trigger::Level));
    }

    #[test]
    fn a_partition_without_sources_owns_none() {
        let xics = Xics::new(&[]);
        assert_eq!(xics.trigger(Irq(0)), None);
        assert_eq!(xics.trigger(Irq::IPI), None);
    }
}
