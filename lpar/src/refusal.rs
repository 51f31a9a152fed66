//! Why a request was not served: the code for the guest and the cause for the log.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use papr_abi::HError;

/// A refused hcall: what r3 answers, and why in words for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code that the guest sees.
    pub code: HError,
    /// The cause, for people: a short phrase without the partition's name.
    pub cause: &'static str,
}

impl Refusal {
    /// Makes a refusal of `code` because of `cause`.
    #[must_use]
    pub const fn new(code: HError, cause: &'static str) -> Self {
        Self { code, cause }
    }

    /// Makes an answer that is no fault of the caller, such as a full page table group: not logged.
    #[must_use]
    pub const fn ordinary(code: HError) -> Self {
        Self { code, cause: "" }
    }

    /// Returns whether it is worth a line in the log.
    #[must_use]
    #[inline]
    pub const fn is_notable(&self) -> bool {
        !self.cause.is_empty()
    }
}

/// What serving an hcall results in; outputs are set through [`crate::hcall::Caller::out`].
pub type HResult = Result<(), Refusal>;

/// Counts what a partition can make happen as often as it likes, and says which times are worth a line in the log: the
/// first four, then each whose number is a power of two.
#[derive(Debug)]
pub struct Rarely(AtomicU32);

impl Rarely {
    /// Makes one that has counted nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Counts once more. Returns the number, if it is to be told.
    pub fn count(&self) -> Option<u32> {
        let number = self.0.fetch_add(1, Relaxed).wrapping_add(1);
        (number <= 4 || number.is_power_of_two()).then_some(number)
    }
}

impl Default for Rarely {
    fn default() -> Self {
        Self::new()
    }
}

/// Groups of refusals that are counted apart.
const GROUPS: usize = 32;

/// Counts the refusals of a partition, and says which are worth a line in the log.
///
/// Refusals of the same call with the same cause are one group, but for a few that share one by chance. Each group is told
/// [`Rarely`]: a flood of one does not hide the first of another, and whatever a partition does, 32 times 33 lines are the
/// most of each 2^32 refusals.
#[derive(Debug)]
pub(crate) struct Refusals {
    all: AtomicU32,
    groups: [Rarely; GROUPS],
}

impl Refusals {
    pub(crate) const fn new() -> Self {
        Self {
            all: AtomicU32::new(0),
            groups: [const { Rarely::new() }; GROUPS],
        }
    }

    /// Returns how many there were.
    pub(crate) fn count(&self) -> u32 {
        self.all.load(Relaxed)
    }

    /// Counts one. Returns its number in its group, if it is to be told.
    pub(crate) fn add(&self, call: &str, cause: &str) -> Option<u32> {
        self.all.fetch_add(1, Relaxed);
        self.groups.get(group(call, cause))?.count()
    }
}

/// Returns the group of a call and a cause, by where the texts lie: they are all constants.
fn group(call: &str, cause: &str) -> usize {
    let mixed = call.as_ptr().addr().rotate_left(17) ^ cause.as_ptr().addr();
    // The fraction of the golden ratio spreads numbers that lie close together.
    let spread = (mixed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (spread >> 59) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_ever_more_rarely() {
        let refusals = Refusals::new();
        let told: Vec<u32> = (0..1000)
            .filter_map(|_| refusals.add("H_ENTER", "no such page"))
            .collect();
        assert_eq!(told, [1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert_eq!(refusals.count(), 1000);
    }

    #[test]
    fn a_flood_does_not_hide_the_first_of_another_kind() {
        // Texts that lie apart, as constants do; two may share a group, so most are enough.
        const CAUSES: &str = "abcdefghijklmnopqrstuvwxyz";
        let refusals = Refusals::new();
        for _ in 0..1000 {
            refusals.add("H_ENTER", &CAUSES[..1]);
        }
        let firsts = (1..CAUSES.len())
            .filter(|at| refusals.add("H_ENTER", &CAUSES[*at..]).is_some())
            .count();
        assert!(firsts >= 20, "{firsts} of {}", CAUSES.len() - 1);
    }

    #[test]
    fn every_group_is_one_that_there_is() {
        assert_eq!(u64::MAX >> 59, GROUPS as u64 - 1);
    }
}
