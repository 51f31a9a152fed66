//! What can be below a bridge in place of the model's own fabric: [`Below`].

use super::{Bridge, Error, Operation, State};
use crate::chip::Chip;
use ioda::{Bdf, PeNumber, Pest, Rid};

/// What of the bridge's state has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This entry of this table ([`Bridge::entry`]).
    Entry(u64, usize),
    /// The root port's config space, or whether what is below it is held in reset ([`Bridge::holds_below`]).
    RootPort,
    /// All tables are lost, or nothing passes any more ([`Bridge::is_open`]).
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

#[expect(private_bounds, reason = "nobody else makes a chip")]
impl<C: Chip> Bridge<C> {
    /// Puts `below` behind the root port in place of the fabric. There are no DMA, messages and MMIO through the
    /// model then: `below` has to see that the bridge's tables hold for the real ones.
    pub fn attach(&self, below: &'static dyn Below) {
        self.state.lock().below = Some(below);
    }

    /// Whether anything passes: the bridge is neither fenced nor held in reset nor dead.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.state.lock().is_off()
    }

    /// Whether what is below the root port is held in reset, by PERST or by the port.
    #[must_use]
    pub fn holds_below(&self) -> bool {
        let state = self.state.lock();
        C::holds_perst(&state) || state.fabric.holds_bus()
    }

    /// The endpoint that requester `rid` is sorted to, if it has one.
    #[must_use]
    pub fn endpoint_of(&self, rid: Rid) -> Option<PeNumber> {
        self.state.lock().endpoint(rid).map(PeNumber)
    }

    /// An error stops `pe`, with this cause; whatever else an error does happens too.
    pub fn stop(&self, pe: PeNumber, cause: Pest) {
        let operation = Operation::of(cause.a);
        self.state.lock().fail(
            pe.0,
            &Error {
                operation,
                detail: cause.a & ERRORS,
                rid: Rid((cause.a >> 16) as u16),
                data: cause.a as u32 & 0xffff,
                address: cause.b & (u64::MAX >> 3),
            },
        );
    }
}

/// PESTA 8:25, which say what is wrong.
const ERRORS: u64 = 0x00ff_ffc0_0000_0000;

impl<C: Chip> State<C> {
    /// Tells whoever is below of a change.
    pub(crate) fn tell_below(&self, what: Change) {
        if let Some(below) = self.below {
            below.changed(what);
        }
    }
}
