//! The PHB4, as far as its description goes: [`Phb4`], [`Phb4Small`]. `codec` has its tables, `sources` its
//! interrupts, `regs` its registers.
//!
//! What it has and the description leaves open is complained of when it is used: more than two DMA windows of an
//! endpoint, the second one at 4 GiB, 4 KiB pages of sources, what PHB5 does with P and Q elsewhere, the four-byte
//! back door.

mod codec;
mod params;
mod regs;
mod sources;

use crate::Fabric;
use crate::bits::bit;
use crate::engine::cache::RidCache;
use crate::engine::{Bridge, State};
use crate::fabric::RootQuirks;
use alloc::collections::BTreeMap;
use arrayvec::ArrayVec;

/// Kills that wait.
const PENDING: usize = 16;

/// What only this chip has; `PES` endpoints, 512 or 256.
pub struct Phb4Chip<const PES: u16> {
    /// XSCOM registers of the stack: PowerBus side, PCI side. Only what there is.
    nest: BTreeMap<u32, u64>,
    pci: BTreeMap<u32, u64>,
    etu_address: u64,
    is_fenced: bool,
    rids: RidCache,
    kills: ArrayVec<u64, PENDING>,
    queue_looks: u32,
    kill_looks: u32,
    sync_looks: u32,
}

/// A big PHB4 (0 and 3 of a chip: 512 endpoints, 4096 sources) with a fabric below it.
pub type Phb4 = Bridge<Phb4Chip<512>>;
/// A small PHB4 (the others: 256 endpoints, 2048 sources) with a fabric below it.
pub type Phb4Small = Bridge<Phb4Chip<256>>;

impl<const PES: u16> Bridge<Phb4Chip<PES>> {
    /// The stack of PHB 0 of chip 0, with `fabric` below it; its addresses are the driver's to give.
    #[must_use]
    pub fn new(mut fabric: Fabric) -> Self {
        fabric.set_quirks(RootQuirks {
            closed_is_open: true,
            loses_prefetch: true,
        });
        Self::of(
            Phb4Chip {
                nest: BTreeMap::new(),
                pci: [(0x0a, bit(0))].into_iter().collect(),
                etu_address: 0,
                is_fenced: false,
                rids: RidCache::new(),
                kills: ArrayVec::new(),
                queue_looks: 0,
                kill_looks: 0,
                sync_looks: 0,
            },
            fabric,
        )
    }

    /// A processor loads eight bytes at real address `real` of the sources' pages; all ones where there is none.
    #[must_use]
    pub fn load_source(&self, real: u64) -> u64 {
        self.state.lock().source_load(real)
    }

    /// A processor stores eight bytes at real address `real` of the sources' pages.
    pub fn store_source(&self, real: u64) {
        self.state.lock().source_store(real);
    }
}

impl<const PES: u16> State<Phb4Chip<PES>> {
    /// Interrupt sources; the last eight are the wires.
    const SOURCES: u16 = PES * 8;

    fn nest(&self, reg: u32) -> u64 {
        self.chip.nest.get(&reg).copied().unwrap_or(0)
    }

    fn is_held(&self) -> bool {
        self.chip
            .pci
            .get(&0x0a)
            .is_some_and(|reset| reset & bit(0) != 0)
    }

    /// Holding the logic in reset loses all that is on the chip.
    fn hold(&mut self) {
        self.chip.rids.clear();
        self.chip.kills.clear();
        self.chip.queue_looks = 0;
        self.chip.kill_looks = 0;
        self.lose();
    }
}
