//! Comparing what came of a step with what must: answers, what is frozen, interrupts, complaints.

use super::Run;
use crate::spec::{Deliveries, Delivery};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Debug;
use ioda::{Freeze, IodaError, PeNumber};

impl Run {
    /// A driver's answer is the specification's.
    pub(super) fn same<T: PartialEq + Debug, E: PartialEq + Debug>(
        &mut self,
        call: &str,
        got: &Result<T, E>,
        want: &Result<T, E>,
    ) -> Result<(), String> {
        match got {
            Ok(_) => self.summary.done += 1,
            Err(_) => self.summary.refused += 1,
        }
        if got == want {
            Ok(())
        } else {
            Err(format!("{call} gives {got:x?}, not {want:x?}"))
        }
    }

    /// As [`Self::same`]; any requester that is taken may be named.
    pub(super) fn same_taken(
        &mut self,
        call: &str,
        got: &Result<(), IodaError>,
        want: &Result<(), IodaError>,
        pe: u16,
    ) -> Result<(), String> {
        if let (Err(IodaError::RidTaken(rid, owner)), Err(IodaError::RidTaken(..))) = (got, want)
            && self.spec.is_foreign(rid.0, pe)
            && self.spec.owner(*rid) == owner.0
        {
            self.summary.refused += 1;
            return Ok(());
        }
        self.same(call, got, want)
    }

    /// No complaints, no interrupts that nobody expects, nothing frozen that must not be.
    pub(super) fn check_machine(&mut self) -> Result<(), String> {
        let complaints = self.machine.model().complaints();
        if let Some(complaint) = complaints.first() {
            return Err(format!("the model complains: {complaint}"));
        }
        self.expect(&Deliveries::default())?;
        for pe in self.spec.watched() {
            let (got, want) = (self.freeze_state(pe), self.want_frozen(pe));
            if got != want {
                return Err(format!("PE#{pe:02x} is stopped for {got:?}, not {want:?}"));
            }
        }
        Ok(())
    }

    pub(super) fn freeze_state(&mut self, pe: u16) -> Freeze {
        self.machine.ioda().freeze_state(PeNumber(pe))
    }

    fn want_frozen(&self, pe: u16) -> Freeze {
        if self.spec.is_off() {
            Freeze::all()
        } else {
            self.spec.frozen(pe)
        }
    }

    /// A request of `pe` was refused, or a device of it has told an error: it stops now if it did not before.
    /// `row`: with whom, for sure.
    pub(super) fn refused(&mut self, pe: u16, row: Row) -> Result<(), String> {
        if self.spec.is_off() {
            return Ok(());
        }
        let was_stopped = self.spec.is_dma_frozen(pe) && row == Row::Perhaps;
        let children: Vec<u16> = self.spec.children(pe).collect();
        for other in self.spec.watched() {
            let before = self.spec.frozen(other);
            let is_child = children.contains(&other);
            let must = if other == pe && !was_stopped || is_child && row == Row::Surely {
                Freeze::all()
            } else {
                before
            };
            let may = if other == pe || is_child {
                Freeze::all()
            } else {
                before
            };
            let got = self.freeze_state(other);
            if !got.contains(must | before) || !(may | before).contains(got) {
                return Err(format!(
                    "an error of PE#{pe:02x} stops PE#{other:02x} for {got:?}; before it was {before:?}"
                ));
            }
            self.spec.set_frozen(other, got);
        }
        Ok(())
    }

    /// The interrupts that came are those that must, or may.
    pub(super) fn expect(&mut self, want: &Deliveries) -> Result<(), String> {
        let got: Vec<Delivery> = self
            .machine
            .model()
            .deliveries()
            .into_iter()
            .map(|got| Delivery {
                irq: got.irq,
                server: got.server,
                priority: got.priority,
            })
            .collect();
        let mut rest = got.iter();
        for must in &want.must {
            if rest.next() != Some(must) {
                return Err(format!("interrupts {got:x?}, not {:x?}", want.must));
            }
        }
        for more in rest {
            if !want.may.contains(more) {
                return Err(format!("interrupts {got:x?}, not {want:x?}"));
            }
            self.spec.settle(more);
        }
        Ok(())
    }
}

/// Whether the children of an endpoint stop with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    Surely,
    Perhaps,
}
