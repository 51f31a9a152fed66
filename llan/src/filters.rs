//! Which frames to groups an adapter receives: H_MULTICAST_CTRL.

use crate::{Problem, bad, mac, ordinary};
use papr_abi::HError;
use papr_abi::llan::multicast;

/// Group addresses that an adapter's table holds: `ibm,mac-address-filters`.
pub const MAX_FILTERS: usize = 32;

/// The table of one adapter, and what of it counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filters {
    table: [u64; MAX_FILTERS],
    count: usize,
    /// [`multicast::RECEIVE`] and [`multicast::FILTER`].
    enables: u64,
}

impl Filters {
    /// Receives no group but that of all.
    pub(crate) const CLOSED: Self = Self {
        table: [0; MAX_FILTERS],
        count: 0,
        enables: 0,
    };

    fn used(&self) -> &[u64] {
        self.table.get(..self.count).unwrap_or(&self.table)
    }

    /// Whether a frame to group `group` is received.
    pub(crate) fn pass(&self, group: u64) -> bool {
        group == mac::BROADCAST
            || self.enables & multicast::RECEIVE != 0
                && (self.enables & multicast::FILTER == 0 || self.used().contains(&group))
    }

    /// Returns enables and number of entries as r4 has them.
    pub(crate) fn state(&self) -> u64 {
        self.enables | self.count as u64
    }

    /// Does what `flags` ask for, with `address` if they ask for one. See [`crate::Adapter::multicast`].
    pub(crate) fn control(&mut self, flags: u64, address: u64) -> Result<(), Problem> {
        if flags & !multicast::ALL != 0 {
            return Err(bad("undefined flags"));
        }
        if address & !mac::BITS != 0 {
            return Err(bad("address of more than 48 bits"));
        }
        for (set, value) in [
            (multicast::SET_RECEIVE, multicast::RECEIVE),
            (multicast::SET_FILTER, multicast::FILTER),
        ] {
            if flags & set != 0 {
                self.enables = self.enables & !value | flags & value;
            }
        }
        let place = self.used().iter().position(|known| *known == address);
        match (flags & multicast::TABLE, place) {
            (multicast::ADD, None) => {
                let free = self.table.get_mut(self.count);
                *free.ok_or(ordinary(HError::Constrained))? = address;
                self.count += 1;
            }
            (multicast::REMOVE, None) => return Err(ordinary(HError::NotFound)),
            (multicast::REMOVE, Some(place)) => {
                self.count -= 1;
                self.table.swap(place, self.count);
            }
            (multicast::CLEAR, _) => self.count = 0,
            _ => {}
        }
        Ok(())
    }
}
