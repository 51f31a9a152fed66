//! What was last taken over from the model's tables: [`Copies`].

use crate::entry::{Filter, Route, Sender, Window};
use crate::root::Pass;
use crate::trees::{SLOTS, Slots};
use crate::{RESERVED, SEGMENTS};
use ioda::{Freeze, PeNumber, Rid, RidSel};

pub(crate) const PES: usize = 128;
pub(crate) const MSIS: usize = 256;
pub(crate) const WIRES: usize = 8;

/// One endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint {
    /// Its requesters.
    pub(crate) filter: Option<Filter>,
    pub(crate) stopped: Freeze,
    /// The requesters that the real bridge sorts to it.
    pub(crate) bound: Option<RidSel>,
    /// The requesters that were kept from decoding for it.
    pub(crate) silenced: Option<RidSel>,
    /// The real bridge does not translate for it as it should: nothing of it is let through.
    pub(crate) is_refused: bool,
}

/// One message interrupt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) route: Route,
    /// What the real bridge has: whom it takes the message from.
    pub(crate) pe: PeNumber,
    /// And where it sends it.
    pub(crate) sent: Route,
}

pub(crate) struct Copies {
    pub(crate) endpoints: [Endpoint; PES],
    pub(crate) windows: [Option<Window>; SLOTS],
    pub(crate) senders: [Option<Sender>; MSIS],
    pub(crate) messages: [Message; MSIS],
    pub(crate) wires: [Route; WIRES],
    pub(crate) segments: [PeNumber; SEGMENTS as usize],
    pub(crate) pass: Pass,
}

impl Endpoint {
    /// Its requesters.
    pub(crate) fn rids(&self) -> Option<RidSel> {
        self.filter.and_then(Filter::rids)
    }

    /// Whether its functions are to be kept from decoding.
    pub(crate) const fn is_silent(&self) -> bool {
        self.stopped.contains(Freeze::MMIO)
    }

    const NONE: Self = Self {
        filter: None,
        stopped: Freeze::empty(),
        bound: None,
        silenced: None,
        is_refused: false,
    };
}

impl Message {
    const NONE: Self = Self {
        route: Route::NONE,
        pe: crate::REAL_RESERVED,
        sent: Route::NONE,
    };
}

impl Copies {
    pub(crate) const fn new() -> Self {
        Self {
            endpoints: [Endpoint::NONE; PES],
            windows: [None; SLOTS],
            senders: [None; MSIS],
            messages: [Message::NONE; MSIS],
            wires: [Route::NONE; WIRES],
            segments: [RESERVED; SEGMENTS as usize],
            pass: Pass::Shut,
        }
    }

    pub(crate) fn endpoint(&self, pe: PeNumber) -> Option<&Endpoint> {
        self.endpoints.get(usize::from(pe.0))
    }

    /// Whether nothing behind `segment` is to answer.
    pub(crate) fn is_dark(&self, segment: u16) -> bool {
        let owner = self.segments.get(usize::from(segment));
        self.pass != Pass::Open
            || owner.is_none_or(|owner| self.endpoint(*owner).is_none_or(Endpoint::is_silent))
    }

    /// Whether `rid` may decode again: it has an owner, and none that is stopped.
    pub(crate) fn may_decode(&self, rid: Rid) -> bool {
        let mut is_owned = false;
        for endpoint in &self.endpoints {
            if endpoint.rids().is_some_and(|rids| rids.contains(rid)) {
                if endpoint.is_silent() {
                    return false;
                }
                is_owned = true;
            }
        }
        is_owned
    }

    /// The slots that translate for `pe`: those of its own filter. A stale copy of the filter lets in whom the P7IOC
    /// would let in, and the real bridge has no such thing: nobody gets in.
    pub(crate) fn slots_of(&self, pe: PeNumber) -> Slots {
        let filter = self.endpoint(pe).and_then(|endpoint| endpoint.filter);
        self.windows
            .map(|window| window.filter(|window| window.pe == pe && Some(window.filter) == filter))
    }

    /// Whether a message entry lets `pe` send, by its own filter.
    pub(crate) fn may_send(&self, pe: PeNumber) -> bool {
        let filter = self.endpoint(pe).and_then(|endpoint| endpoint.filter);
        filter.is_some()
            && self
                .senders
                .iter()
                .flatten()
                .any(|sender| sender.pe == pe && Some(sender.filter) == filter)
    }
}
