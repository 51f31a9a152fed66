//! How a request comes up through the buses: under which id, and whether at all.

use super::{Address, DEPTH, Fabric};
use crate::{Act, Posing, Refusal};
use ioda::Rid;

/// Where a request of a function goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the host bridge, under this id.
    Host(Rid),
    /// It ends on the way, under this id, for this reason.
    Ends(Rid, Refusal),
}

impl Fabric {
    /// The way of a request of function `index`.
    ///
    /// Each bridge above must master the bus. A port whose ACS validates sources lets only ids of its own buses
    /// up. A bridge to conventional PCI gives everything from behind it its own id: its secondary bus, 00.0.
    /// What a function beside it claims goes to that one: on a conventional bus always, in a switch unless the
    /// port below which the request came redirects it upward.
    #[must_use]
    pub fn ascend(&self, index: usize, posing: Posing, act: Act) -> Way {
        let mut rid = match posing {
            Posing::Truly => self.bdf(index),
            Posing::As(rid) => rid,
        };
        if !self.is_present(index) {
            return Way::Ends(rid, Refusal::Absent);
        }
        // Messages of errors are no requests; what lets them pass are other bits, which are not looked at.
        let is_memory = !matches!(act, Act::Error(_) | Act::Malformed);
        let mut redirects = false;
        let mut from = index;
        for node in self.path(index) {
            let device = &node.device;
            if is_memory && !device.masters() {
                return Way::Ends(rid, Refusal::NotMaster);
            }
            if device.is_bridge() {
                let buses = device.secondary()..=device.subordinate();
                if device.validates_sources() && !buses.contains(&rid.bus()) {
                    return Way::Ends(rid, Refusal::Source);
                }
                if device.is_conventional() {
                    rid = Rid::new(device.secondary(), 0, 0);
                }
                // Once a port has sent it up to be judged, no switch turns it round.
                redirects |= device.redirects_requests();
            }
            let Some(parent) = node.parent else { break };
            let turns = self.nodes.get(parent).is_some_and(|above| {
                above.device.is_conventional() || above.device.is_switch() && !redirects
            });
            if turns && self.has_peer(from, parent, address(act)) {
                return Way::Ends(rid, Refusal::Peer);
            }
            from = parent;
        }
        Way::Host(rid)
    }

    /// Whether a function beside `own`, or below one beside it, claims the address.
    fn has_peer(&self, own: usize, parent: usize, address: Option<u64>) -> bool {
        let Some(address) = address.map(Address::Memory) else {
            return false;
        };
        self.below(parent)
            .filter(|peer| *peer != own)
            .any(|peer| self.claim_from(peer, address, DEPTH).is_some())
    }
}

const fn address(act: Act) -> Option<u64> {
    match act {
        Act::Read(address)
        | Act::Write(address)
        | Act::BadSize(address)
        | Act::Message { address, .. } => Some(address),
        Act::Malformed | Act::Unsupported | Act::Error(_) => None,
    }
}
