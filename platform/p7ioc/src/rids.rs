//! The filters that requesters are told apart by: [`Filter`], and how selections overlap.
//!
//! A filter compares none or the upper three to eight bits of the bus, all or nothing of the device, all or
//! nothing of the function. The same filter is kept in three tables, packed differently in each.

use crate::regs::{Mve, Peltm, Tve0, Tve1};
use ioda::{PeNumber, Rid, RidSel};

/// log2 of the most buses that a filter can tell from the rest.
pub(crate) const MAX_BUS_SHIFT: u8 = 5;

/// What is compared of a requester id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    bus: u8,
    /// 0: no bit of the bus, else one more than this many of its upper bits.
    bus_valid: u8,
    device: Option<u8>,
    function: Option<u8>,
}

impl Filter {
    /// Matches 00:00.1, which can not exist: the root port has one function.
    pub(crate) const NOBODY: Self = Self {
        bus: 0,
        bus_valid: 7,
        device: Some(0),
        function: Some(1),
    };
    /// Matches everything.
    pub(crate) const ANYBODY: Self = Self {
        bus: 0,
        bus_valid: 0,
        device: None,
        function: None,
    };

    /// The filter of a selection, if the chip can have it.
    pub(crate) const fn new(rids: RidSel) -> Option<Self> {
        let bus_valid = match rids.bus_shift {
            8 => 0,
            shift if shift <= MAX_BUS_SHIFT => 7 - shift,
            _ => return None,
        };
        if !rids.is_valid() {
            return None;
        }
        Some(Self {
            bus: rids.bus,
            bus_valid,
            device: rids.device,
            function: rids.function,
        })
    }

    pub(crate) fn peltm(self) -> u64 {
        let (device, function) = self.numbers();
        (Peltm::BUS.val(self.bus.into())
            + Peltm::DEV.val(device)
            + Peltm::FUNC.val(function)
            + Peltm::BUS_VALID.val(self.bus_valid.into())
            + Peltm::DEV_VALID.val(self.device.is_some().into())
            + Peltm::FUNC_VALID.val(self.function.is_some().into()))
        .into()
    }

    pub(crate) fn mve(self, pe: PeNumber) -> u64 {
        let (device, function) = self.numbers();
        (Mve::VALID::SET
            + Mve::BUS_VALID.val(self.bus_valid.into())
            + Mve::BUS.val(self.bus.into())
            + Mve::PE.val(pe.0.into())
            + Mve::DEV_VALID.val(self.device.is_some().into())
            + Mve::DEV.val(device)
            + Mve::FUNC_VALID.val(self.function.is_some().into())
            + Mve::FUNC.val(function))
        .into()
    }

    /// Puts the filter and `pe` in a DMA window, the rest of which stays.
    pub(crate) fn tve(self, pe: PeNumber, [first, second]: [u64; 2]) -> [u64; 2] {
        let (device, function) = self.numbers();
        let in_first = Tve0::BUS_VALID.val(self.bus_valid.into()) + Tve0::BUS.val(self.bus.into());
        let in_second = Tve1::DEV_VALID.val(self.device.is_some().into())
            + Tve1::DEV.val(device)
            + Tve1::FUNC_VALID.val(self.function.is_some().into())
            + Tve1::FUNC.val(function)
            + Tve1::PE.val(pe.0.into());
        [in_first.modify(first), in_second.modify(second)]
    }

    fn numbers(self) -> (u64, u64) {
        (
            self.device.unwrap_or(0).into(),
            self.function.unwrap_or(0).into(),
        )
    }
}

/// Two endpoints want the same requester.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The first requester that both would have.
    pub rid: Rid,
    /// Who has it.
    pub owner: PeNumber,
    /// Who wanted it.
    pub wanted: PeNumber,
}

impl core::fmt::Display for Overlap {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { rid, owner, wanted } = self;
        write!(f, "{rid} is wanted for {wanted} and belongs to {owner}")
    }
}

/// A requester that is in both selections, the lowest.
pub(crate) fn common(a: RidSel, b: RidSel) -> Option<Rid> {
    let part = |a: Option<u8>, b: Option<u8>| a.or(b).unwrap_or(0);
    // Of two aligned ranges of buses that meet, one holds the other, so the higher start is in both. Should
    // the selections want different devices or functions, or be crooked, they do not hold it.
    let rid = Rid::new(
        a.bus.max(b.bus),
        part(a.device, b.device),
        part(a.function, b.function),
    );
    (a.contains(rid) && b.contains(rid)).then_some(rid)
}

/// Whether all of `inner` is in `outer`.
pub(crate) fn holds(outer: RidSel, inner: RidSel) -> bool {
    let part = |outer: Option<u8>, inner: Option<u8>| outer.is_none() || outer == inner;
    common(outer, inner).is_some()
        && outer.bus_shift >= inner.bus_shift
        && part(outer.device, inner.device)
        && part(outer.function, inner.function)
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;
    use cases::prelude::*;

    fn selections() -> Vec<RidSel> {
        let mut all = Vec::new();
        for (bus, bus_shift) in [(0, 0), (0, 3), (0, 8), (5, 0), (4, 1), (8, 3), (32, 5)] {
            for device in [None, Some(0), Some(31)] {
                for function in [None, Some(0), Some(7)] {
                    all.push(RidSel {
                        bus,
                        bus_shift,
                        device,
                        function,
                    });
                }
            }
        }
        all
    }

    fn overlaps_are_what_counting_says() {
        for a in selections() {
            for b in selections() {
                assert_eq!(
                    common(a, b),
                    a.iter().find(|rid| b.contains(*rid)),
                    "{a:?} {b:?}"
                );
                assert_eq!(
                    holds(a, b),
                    b.iter().all(|rid| a.contains(rid)),
                    "{a:?} {b:?}"
                );
            }
        }
    }

    fn the_chip_compares_three_to_eight_bits_of_a_bus_or_none() {
        let valid = |bus_shift| {
            Filter::new(RidSel {
                bus: 0,
                bus_shift,
                device: None,
                function: None,
            })
            .map(|filter| filter.bus_valid)
        };
        let found: Vec<_> = (0..=9).map(valid).collect();
        let want = [7, 6, 5, 4, 3, 2].map(Some);
        assert_eq!(found[..6], want);
        assert_eq!(found[6..], [None, None, Some(0), None]);
    }

    fn filters_are_packed_as_skiboot_packs_them() {
        assert_eq!(Filter::NOBODY.peltm(), 0x0001_f800_0000_0000);
        assert_eq!(Filter::ANYBODY.peltm(), 0);
        let filter = Filter::new(RidSel::one(Rid::new(0x12, 0x1e, 5))).expect("one is fine");
        assert_eq!(filter.peltm(), 0x12f5_f800_0000_0000);
        let [first, second] = filter.tve(PeNumber(0x7f), [0, 0]);
        assert_eq!(first, 7 << 13 | 0x12);
        assert_eq!(second, 1 << 61 | 0x1e << 56 | 1 << 51 | 5 << 48 | 0x7f);
        assert_eq!(
            filter.mve(PeNumber(0x7f)),
            1 << 63 | 7 << 40 | 0x12 << 32 | 0x7f << 16 | 1 << 13 | 0x1e << 8 | 1 << 3 | 5
        );
    }

    cases::cases!(
        overlaps_are_what_counting_says,
        the_chip_compares_three_to_eight_bits_of_a_bus_or_none,
        filters_are_packed_as_skiboot_packs_them,
    );
}
