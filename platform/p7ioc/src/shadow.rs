//! What the tables on the chip hold, in memory: [`Shadow`], and loading them from it.

use crate::regs::{Segment, table};
use crate::rids::Filter;
use crate::{PES, Phb, RESERVED, dma};
use ioda::{PeNumber, RegIo};

/// All entries of all tables but the routing of interrupts, which [`crate::Port`] has.
pub(crate) struct Shadow {
    pub(crate) mvt: [u64; 256],
    pub(crate) peltm: [u64; PES as usize],
    pub(crate) peltv: [[u64; 2]; PES as usize],
    pub(crate) tvt: [[u64; 2]; 128],
    pub(crate) m64bt: [u64; 16],
    pub(crate) iodt: [u64; 128],
    pub(crate) m32dt: [u64; 128],
    pub(crate) m64dt: [u64; 128],
}

/// The entry of a segment that belongs to `pe`.
pub(crate) const fn segment(pe: PeNumber) -> u64 {
    // `Segment::PE.val` is not const over a run-time value's `into`.
    (pe.0 as u64 & 0x7f) << Segment::PE.shift
}

/// The endpoint of such an entry.
pub(crate) fn segment_pe(entry: u64) -> PeNumber {
    PeNumber(Segment::PE.read(entry) as u16)
}

/// The doublewords of an endpoint's row of the propagation table that name `child`.
pub(crate) const fn row_bit(child: PeNumber) -> [u64; 2] {
    let bit = 1u64 << (63 - (child.0 & 0x3f));
    if child.0 < 64 { [bit, 0] } else { [0, bit] }
}

impl Shadow {
    /// Nobody owns anything; each endpoint freezes itself.
    pub(crate) fn new() -> Self {
        let mut peltm = [Filter::NOBODY.peltm(); PES as usize];
        if let Some(last) = peltm.last_mut() {
            *last = Filter::ANYBODY.peltm();
        }
        let nobodys = segment(RESERVED);
        Self {
            mvt: [0; 256],
            peltm,
            peltv: core::array::from_fn(|pe| row_bit(PeNumber(pe as u16))),
            tvt: [dma::closed(); 128],
            m64bt: [0; 16],
            iodt: [nobodys; 128],
            m32dt: [nobodys; 128],
            m64dt: [nobodys; 128],
        }
    }
}

impl<R: RegIo> Phb<R> {
    /// Loads every entry of every table, in skiboot's order, and forgets what was cached.
    ///
    /// All 128: skiboot stops at 126 for most tables and leaves the last as the chip has it.
    pub(crate) fn replay(&self) {
        let port = self.port;
        let shadow = &self.shadow;
        // What it means is not known there either; routing names entry 0.
        let hub_route = u64::from(self.layout.bridge).saturating_add(1);
        port.write_entries(table::HRT, [hub_route; 4].into_iter());
        port.replay_routes();
        port.write_entries(table::MVT, shadow.mvt.into_iter());
        port.write_entries(table::PELTM, shadow.peltm.into_iter());
        port.write_pairs(table::PELTV, shadow.peltv.into_iter());
        port.write_pairs(table::TVT, shadow.tvt.into_iter());
        port.write_entries(table::M64BT, shadow.m64bt.into_iter());
        port.write_entries(table::IODT, shadow.iodt.into_iter());
        port.write_entries(table::M32DT, shadow.m32dt.into_iter());
        port.write_entries(table::M64BT, shadow.m64bt.into_iter());
        port.write_entries(table::M64DT, shadow.m64dt.into_iter());
        port.kill_all();
        port.write_entries(table::PEST_A, [0; PES as usize].into_iter());
        port.write_entries(table::PEST_B, [0; PES as usize].into_iter());
        port.write_entries(table::PEEV, [0; 2].into_iter());
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;

    fn every_endpoint_has_a_bit_of_its_own_in_a_row() {
        // skiboot masks the number with 0x2f, so that 16 and 0 share one.
        let mut seen = [0; 2];
        for pe in 0..PES {
            let [low, high] = row_bit(PeNumber(pe));
            assert_eq!(low.count_ones() + high.count_ones(), 1);
            assert_eq!((low & seen[0], high & seen[1]), (0, 0), "{pe}");
            seen = [seen[0] | low, seen[1] | high];
        }
        assert_eq!(row_bit(PeNumber(0)), [1 << 63, 0]);
        assert_eq!(row_bit(PeNumber(16)), [1 << 47, 0]);
        assert_eq!(row_bit(PeNumber(64)), [0, 1 << 63]);
        assert_eq!(row_bit(PeNumber(127)), [0, 1]);
    }

    cases::cases!(every_endpoint_has_a_bit_of_its_own_in_a_row,);
}
