//! What can be below a bridge in place of the model's own fabric: [`Below`].

use super::{P7ioc, State, bit, tables};
use crate::Refusal;
use ioda::{Bdf, PeNumber, Pest, Rid};

/// What of the bridge's state has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This entry of this table ([`P7ioc::entry`]).
    Entry(u64, usize),
    /// The root port's config space, or whether what is below it is held in reset ([`P7ioc::holds_below`]).
    RootPort,
    /// All tables are lost, or nothing passes any more ([`P7ioc::is_open`]).
    Lost,
}

/// Real functions below the root port, which is the model's own. The bridge decides; this carries it out.
///
/// All methods are called while the bridge's state is locked, so none may call the model.
pub trait Below: Send + Sync {
    /// A config cycle, a write with a value, of `bytes` bytes at `at` of `bdf`. `None`: nothing answers.
    fn config(&self, bdf: Bdf, at: u16, bytes: usize, value: Option<u32>) -> Option<u32>;
    /// Something has changed.
    fn changed(&self, what: Change);
    /// Forgets what is cached of the pair of entries at this real address, or everything; returns when that is
    /// done.
    fn kill(&self, pair: Option<u64>);
}

impl P7ioc {
    /// Puts `below` behind the root port in place of the fabric. There are no DMA, messages and MMIO through the
    /// model then: `below` has to see that the bridge's tables hold for the real ones.
    pub fn attach(&self, below: &'static dyn Below) {
        self.state.lock().below = Some(below);
    }

    /// Whether anything passes: the hub is alive, the bridge neither fenced nor held in reset.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.state.lock().is_off()
    }

    /// Whether what is below the root port is held in reset, by PERST or by the port.
    #[must_use]
    pub fn holds_below(&self) -> bool {
        let state = self.state.lock();
        let is_bus_reset = state.fabric.device(0).get(0x3e, 2) & 0x40 != 0;
        state.reg(0x808) & bit(2) == 0 || is_bus_reset
    }

    /// The endpoint that requester `rid` is sorted to.
    #[must_use]
    pub fn endpoint(&self, rid: Rid) -> PeNumber {
        PeNumber(self.state.lock().tables.endpoint(rid))
    }

    /// What would become of the message `data` that `rid` sends to `address`: the endpoint that it counts for.
    /// Nothing happens.
    ///
    /// # Errors
    /// [`Refusal`]; [`Refusal::NoEntry`] also for what is no message.
    pub fn check_message(&self, rid: Rid, address: u64, data: u32) -> Result<PeNumber, Refusal> {
        let state = self.state.lock();
        let entry = state.message_entry(address).ok_or(Refusal::NoEntry)?;
        state
            .sort_message(rid, entry, data)
            .map(|(pe, _)| PeNumber(pe))
            .map_err(|(refusal, _)| refusal)
    }

    /// An error stops `pe`, with this cause.
    pub fn stop(&self, pe: PeNumber, cause: Pest) {
        self.state.lock().freeze(pe.0 & 0x7f, cause.a, cause.b);
    }
}

impl State {
    pub(super) fn tell(&self, what: Change) {
        if let Some(below) = self.below {
            below.changed(what);
        }
    }

    /// A PE has been stopped.
    pub(super) fn tell_stopped(&self, pe: u16) {
        self.tell(Change::Entry(tables::PESTA, pe.into()));
        self.tell(Change::Entry(tables::PESTB, pe.into()));
    }
}
