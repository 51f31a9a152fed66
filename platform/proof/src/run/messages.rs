//! Messages: the interrupts that devices raise.

use super::Run;
use crate::machine::function_of;
use crate::spec::{Access, Deliveries};
use alloc::format;
use alloc::string::String;
use ioda::{Irq, Rid};

impl Run {
    /// One message.
    pub(super) fn message(&mut self, rid: Rid, address: u64, data: u32) -> Result<(), String> {
        if !self.spec.facts.is_message(address) {
            return self.dma(rid, address, Access::Write);
        }
        let pe = self.spec.owner(rid);
        let is_stopped = self.spec.is_off() || self.spec.is_dma_frozen(pe);
        let named = self.spec.irq_of(address, data);
        let got = self
            .machine
            .model()
            .message(rid, function_of(rid), address, data);
        self.summary.transactions += 1;
        if got.is_ok() {
            self.summary.granted += 1;
        }
        match (named, got) {
            (Some((irq, owner)), got) if owner == pe && !is_stopped => match got {
                Ok(()) => {
                    let want = self.spec.raise(irq);
                    self.expect(&want)
                }
                Err(why) => Err(format!(
                    "{rid} of PE#{pe:02x} may raise {irq:#x} by {address:#x}, {data:#x}, and does not: {why}"
                )),
            },
            (Some((irq, owner)), Ok(())) => Err(format!(
                "{rid} of PE#{pe:02x} raises {irq:#x} of PE#{owner:02x} by {address:#x}, {data:#x}"
            )),
            (None, Ok(())) if is_stopped => {
                Err(format!("{rid} of stopped PE#{pe:02x} sends a message"))
            }
            (None, Ok(())) => self.after_alias(rid, pe, address, data),
            (_, Err(why)) => {
                self.after_refusal(rid, why)?;
                self.expect(&Deliveries::default())
            }
        }
    }

    /// The bridge took a message of another form than it was told to be sent in: fine if it raised an interrupt
    /// of the sender, or makes one wait that cannot be sent now.
    fn after_alias(&mut self, rid: Rid, pe: u16, address: u64, data: u32) -> Result<(), String> {
        let mut may = Deliveries::default();
        let mut owns = false;
        for block in self.spec.blocks.iter().filter(|block| block.pe == pe) {
            owns = true;
            let deliveries = block.irqs().filter_map(|irq| self.spec.delivery(irq));
            may.may.extend(deliveries);
        }
        // What nobody owns is nobody's endpoint's: masked, and made anew before somebody gets it.
        if !owns && pe != self.spec.facts.reserved {
            return Err(format!(
                "{rid} of PE#{pe:02x}, which owns no interrupt, sends {address:#x}, {data:#x}"
            ));
        }
        self.spec.doubt(pe);
        self.expect(&may)
    }

    /// Ends an interrupt.
    pub(super) fn end(&mut self, irq: u32) -> Result<(), String> {
        self.machine.irqs().eoi(Irq(irq));
        let want = self.spec.eoi(irq);
        self.expect(&want)
    }

    /// Sends a message that must come through if anything is as it should be, and ends what it raised.
    pub(super) fn exercise(&mut self, rid: Rid, address: u64, data: u32) -> Result<(), String> {
        self.message(rid, address, data)?;
        let raised = self.spec.irq_of(address, data).map(|(irq, _)| irq);
        let is_presented = raised.is_some_and(|irq| {
            self.spec
                .sources
                .get(&irq)
                .is_some_and(|source| source.presented)
        });
        match raised {
            Some(irq) if is_presented => self.end(irq),
            _ => Ok(()),
        }
    }
}
