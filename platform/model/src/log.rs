//! What a model keeps for whoever drives it, in bounded room: complaints, interrupts.

use crate::Delivery;
use alloc::string::String;
use alloc::vec::Vec;
use arrayvec::ArrayVec;

/// Complaints that are kept word by word; of the rest only the number is.
const COMPLAINTS: usize = 64;
/// Interrupts that are kept.
const DELIVERIES: usize = 256;

#[derive(Default)]
pub(crate) struct Log {
    complaints: Vec<String>,
    more: u64,
    deliveries: ArrayVec<Delivery, DELIVERIES>,
    lost: u64,
}

impl Log {
    pub(crate) fn complain(&mut self, what: impl FnOnce() -> String) {
        if self.complaints.len() < COMPLAINTS {
            self.complaints.push(what());
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    pub(crate) fn take_complaints(&mut self) -> Vec<String> {
        let mut all = core::mem::take(&mut self.complaints);
        match core::mem::take(&mut self.more) {
            0 => {}
            more => all.push(alloc::format!("and {more} more")),
        }
        all
    }

    pub(crate) fn deliver(&mut self, delivery: Delivery) {
        if self.deliveries.try_push(delivery).is_err() {
            self.lost = self.lost.saturating_add(1);
        }
    }

    pub(crate) fn take_deliveries(&mut self) -> Vec<Delivery> {
        self.deliveries.drain(..).collect()
    }

    /// How many interrupts came while there was no room to keep them.
    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;

    fn a_log_that_nobody_reads_stops_growing() {
        let mut log = Log::default();
        for n in 0..1000u32 {
            log.complain(|| alloc::format!("{n}"));
            log.deliver(Delivery {
                irq: n,
                server: 0,
                priority: 0,
            });
        }
        let complaints = log.take_complaints();
        assert_eq!(complaints.len(), COMPLAINTS + 1);
        assert_eq!(complaints.last().map(String::as_str), Some("and 936 more"));
        assert_eq!((log.take_deliveries().len(), log.lost()), (256, 744));
        assert_eq!(log.take_complaints(), Vec::<String>::new());
    }

    cases::cases!(a_log_that_nobody_reads_stops_growing);
}
