//! What partitions are promised, and the lengths of time that a pool works with.

use core::fmt;

/// Hundredths of a processor in a processor: the unit of entitlement.
pub const HUNDREDTHS: u32 = 100;
/// The least entitlement of a virtual processor, hundredths: what it gets in a window is long enough to be
/// worth a switch.
pub const MIN_PER_VCPU: u32 = 5;

/// What a partition is promised of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its entitlement, hundredths of a processor: what it gets whenever it can use it.
    pub entitlement: u32,
    /// Its part of what nobody is entitled to, relative to the others' weights; 0 caps the partition at
    /// its entitlement.
    pub weight: u8,
    /// How many virtual processors it has.
    pub vcpus: u32,
}

/// Why a pool cannot keep what partitions are promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareError {
    /// The entitlement of this partition (by its place in the list) is not between [`MIN_PER_VCPU`] and a
    /// whole processor for each of its virtual processors.
    Entitlement {
        /// Its place.
        partition: usize,
    },
    /// All together are entitled to more than the pool's threads.
    Overcommitted {
        /// What they are entitled to, hundredths.
        entitlement: u64,
        /// What there is, hundredths.
        capacity: u64,
    },
}

impl fmt::Display for ShareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entitlement { partition } => write!(
                f,
                "partition {partition} of the pool is entitled to less than {MIN_PER_VCPU} or more than {HUNDREDTHS} \
                 hundredths for each of its virtual processors"
            ),
            Self::Overcommitted {
                entitlement,
                capacity,
            } => write!(
                f,
                "the partitions are entitled to {entitlement} hundredths of a processor, the pool has {capacity}"
            ),
        }
    }
}

/// Checks that a pool of `threads` can keep `shares`.
///
/// # Errors
/// See [`ShareError`].
pub(crate) fn check(threads: usize, shares: &[Share]) -> Result<(), ShareError> {
    let mut entitlement = 0u64;
    for (partition, share) in shares.iter().enumerate() {
        let least = u64::from(share.vcpus) * u64::from(MIN_PER_VCPU);
        let most = u64::from(share.vcpus) * u64::from(HUNDREDTHS);
        let own = u64::from(share.entitlement);
        if share.vcpus == 0 || !(least..=most).contains(&own) {
            return Err(ShareError::Entitlement { partition });
        }
        entitlement = entitlement.saturating_add(own);
    }
    let capacity = (threads as u64).saturating_mul(HUNDREDTHS.into());
    if entitlement > capacity {
        return Err(ShareError::Overcommitted {
            entitlement,
            capacity,
        });
    }
    Ok(())
}

/// The lengths of time that a pool works with, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The dispatch window: within it an entitlement is meant to be had.
    pub window: u64,
    /// The shortest time that a virtual processor is given a thread for, unless something happens.
    pub least_slice: u64,
    /// The longest.
    pub most_slice: u64,
    /// What being dispatched costs at least, however short: it pays for the switch.
    pub least_charge: u64,
    /// For how many windows an entitlement that was not used is kept.
    pub kept_windows: u64,
}

impl Timing {
    /// Windows of 10 ms, of which an unused entitlement is kept for four, slices of 0.5 to 2 ms, at a time base of
    /// `hz` ticks a second.
    #[must_use]
    pub const fn standard(hz: u64) -> Self {
        Self {
            window: hz / 100,
            least_slice: hz / 2000,
            most_slice: hz / 500,
            least_charge: hz / 20_000,
            kept_windows: 4,
        }
    }
}
