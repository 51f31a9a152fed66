//! A function that goes from one partition to another, none of whose processors run: [`Access::renew`], then
//! [`Owners::transfer`].
//!
//! What leads to it keeps its numbers (endpoint, window, messages), all of which are taken back and given anew; the objects
//! that were made for it when it was first given are used again, so that nothing is left over however often it goes.

use crate::assign::intx;
use crate::{Access, Bridge, HostBridge, Owner, Owners};
use ioda::Freeze;
use lpar::eeh::Endpoint;
use lpar::machine::Failed;
use pci::GuestFunction;

/// How long a bus is held in reset, at least a millisecond (PCI Express Base 3.1, 6.6.1).
const HELD_MS: u32 = 2;

/// Why a function did not get to another partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// Nobody has it.
    NotOwned,
    /// Its bridge did not close its window.
    Close,
    /// Its bridge did not take it back, or the function did not go silent.
    Back,
    /// Its messages could not be taken back and given anew.
    Messages,
    /// Its bridge, or the function, does not take it.
    Give,
    /// Its bridge did not open its window again, as it was.
    Open,
}

impl<B: Bridge> Access<B> {
    /// Resets the function, alone, and lets it go on as it was when it was first given: its owner's processors are all stopped.
    /// `wait` lets that many milliseconds pass.
    ///
    /// # Errors
    /// [`Failed`]: nothing resets it alone, its bridge is off, or it does not come back. It is stopped then, until its owner
    /// starts anew.
    pub fn renew(&self, wait: &mut dyn FnMut(u32)) -> Result<(), Failed> {
        self.begin_reset()?;
        wait(HELD_MS);
        if !self.finish_reset(wait) || !self.restore()? {
            return Err(Failed);
        }
        self.thaw(Freeze::all())
    }

    /// Takes everything back that `owner` has of it, and gives it anew.
    fn give_anew(&self, owner: &Owner) -> Result<(), TransferError> {
        let mut state = self.state.lock();
        self.bridge.locked(|host| {
            self.take_back(owner, host)?;
            // Whatever the former owner had mapped, and the bridge wrote.
            self.table.cells.iter().for_each(|cell| cell.store(0));
            let (topology, plan) = (self.bridge.topology(), self.bridge.plan());
            plan.activate(topology, self.index, host)
                .map_err(|_| TransferError::Give)?;
            let window = host
                .dma_create(self.pe, &self.table, Some(owner.window.tve))
                .map_err(|_| TransferError::Open)?;
            if window != owner.window {
                return Err(TransferError::Open);
            }
            let function = topology.functions.get(self.index);
            let its = function.zip(plan.functions.get(self.index));
            let fresh = its
                .and_then(|(function, plan)| GuestFunction::new(function, plan, intx(owner.lsi)));
            *state = fresh.ok_or(TransferError::Give)?;
            Ok(())
        })
    }

    /// Makes it nobody's. Its messages are taken back and reserved at once: nobody else is to get them meanwhile.
    fn take_back(&self, owner: &Owner, host: &mut dyn HostBridge) -> Result<(), TransferError> {
        let (topology, plan) = (self.bridge.topology(), self.bridge.plan());
        plan.deactivate(topology, self.index, host)
            .map_err(|_| TransferError::Back)?;
        host.dma_destroy(&owner.window)
            .map_err(|_| TransferError::Close)?;
        if let Some(block) = &owner.block {
            let again = host
                .msi_free(block)
                .and_then(|()| host.msi_alloc(self.pe, block.count));
            if again.ok() != Some(*block) {
                return Err(TransferError::Messages);
            }
        }
        Ok(())
    }
}

impl Owners {
    /// Gives the function of `access`, which was reset ([`Access::renew`]), to partition `to`: its requesters, segments, window
    /// and messages are taken back and given anew. The window maps nothing then, all its interrupts are masked, and its
    /// configuration space is as it was when it was first given.
    ///
    /// # Errors
    /// [`TransferError`]; after all but [`TransferError::NotOwned`] the function is silent and nobody's, for good.
    pub fn transfer<B: Bridge>(
        &mut self,
        bridges: &[B],
        access: &Access<B>,
        to: u32,
    ) -> Result<(), TransferError> {
        let is_its = |owner: &Owner| {
            let bridge = bridges.get(owner.bridge);
            bridge.is_some_and(|bridge| bridge.index() == access.bridge.index())
                && owner.index == access.index
        };
        let place = self.list.iter().position(is_its);
        let place = place.ok_or(TransferError::NotOwned)?;
        let owner = self.list.get_mut(place).ok_or(TransferError::NotOwned)?;
        let given = access.give_anew(owner);
        if given.is_ok() {
            owner.lpid = to;
        } else {
            self.list.remove(place);
            access.abandon();
        }
        given
    }
}

impl<B: Bridge> Access<B> {
    /// Silences a function that is nobody's, as far as it can be.
    fn abandon(&self) {
        let mut state = self.state.lock();
        self.bridge.locked(|host| {
            // It is told by the error that led here.
            let _ = self.stop_locked(&mut state, host, Freeze::all());
        });
    }
}
