//! The upper levels of the real bridge's DMA tables: [`Trees`].
//!
//! An endpoint with slots of the P7IOC's one address space gets a tree of three levels of 4 KiB tables: an
//! entry at the top stands for 1 GiB, one in the middle for 2 MiB. The last level is the P7IOC driver's own
//! flat tables, 4 KiB of which are one table here: what H_PUT_TCE stores there is what both bridges see. All
//! entries outside the endpoint's slots are zero, so bounds hold whatever the real bridge makes of addresses.

use crate::RESERVED;
use crate::entry::Window;
use ioda::{
    BeU64, DmaTable, DmaWindow, Ioda, IodaError, PeNumber, RegIo, TceFlush, TceRange, TceTable,
    TceTree, XscomIo,
};
use phb3::{Phb3, Port};

/// Slots of the shared address space below the 32-bit window.
pub(crate) const SLOTS: usize = 12;
/// Entries of a table of 4 KiB.
const ENTRIES: usize = 512;
const TABLE_BYTES: u64 = 4096;
const LEVELS: u8 = 3;
/// log2 of a page's bytes.
const PAGE_SHIFT: u8 = 12;
/// What a last-level table, so an entry in the middle, translates.
const LEAF_BYTES: u64 = (ENTRIES as u64) << PAGE_SHIFT;
/// Entries in the middle for one slot.
const PER_SLOT: usize = (Window::SLOT / LEAF_BYTES) as usize;
/// Slots below one entry at the top.
const PER_TOP: usize = ENTRIES / PER_SLOT;
/// Tables in the middle.
const MIDDLES: usize = SLOTS / PER_TOP;
/// Tables of a tree that are ours: the top, then those in the middle.
const TABLES: usize = 1 + MIDDLES;
/// An upper entry with its permissions, which are not used.
const POINTS: u64 = 3;

/// The slots of one endpoint.
pub(crate) type Slots = [Option<Window>; SLOTS];

/// Memory for one tree per slot: no more endpoints than slots can have any.
pub struct Trees {
    memory: DmaTable<BeU64>,
    pub(crate) owners: [Option<(PeNumber, DmaWindow)>; SLOTS],
}

impl Trees {
    /// Doublewords of the memory that it needs, zeroed.
    pub const ENTRIES: usize = SLOTS * TABLES * ENTRIES;
    /// Its alignment, bytes.
    pub const ALIGN: u64 = TABLE_BYTES;

    /// Trees in `memory`; `None` if it is too small or not aligned.
    #[must_use]
    pub fn new(memory: DmaTable<BeU64>) -> Option<Self> {
        let good = memory.cells.len() >= Self::ENTRIES && memory.real.is_multiple_of(Self::ALIGN);
        good.then_some(Self {
            memory,
            owners: [None; SLOTS],
        })
    }

    /// Makes the real bridge translate for `pe` just what its `slots` do; closed when there are none.
    ///
    /// # Errors
    /// [`IodaError`]: of the real bridge; `pe` reaches nothing then.
    pub(crate) fn renew<R: RegIo + Sync, X: XscomIo>(
        &mut self,
        phb: &mut Phb3<R, X>,
        port: &Port<R>,
        pe: PeNumber,
        slots: &Slots,
    ) -> Result<(), IodaError> {
        debug_assert!(pe != RESERVED, "nobody owns it");
        let has_slots = slots.iter().any(Option::is_some);
        let owner = |wanted: Option<PeNumber>| {
            self.owners
                .iter()
                .position(|owner| owner.map(|(pe, _)| pe) == wanted)
        };
        match (owner(Some(pe)), has_slots) {
            (None, false) => Ok(()),
            (Some(tree), true) => {
                if self.fill(tree, slots) {
                    self.forget(port, tree);
                    return port.tce_wait().map_err(|_| IodaError::Fenced);
                }
                Ok(())
            }
            (Some(tree), false) => {
                let owner = self.owners.get_mut(tree);
                let closed = match owner.as_ref().and_then(|owner| owner.as_ref()) {
                    Some((_, window)) => phb.dma_destroy(window),
                    None => Ok(()),
                };
                // What may be in use still is nobody else's.
                if let Some(owner) = owner.filter(|_| closed.is_ok()) {
                    *owner = None;
                }
                self.fill(tree, slots);
                closed
            }
            (None, true) => {
                let tree = owner(None).ok_or(IodaError::NoWindow)?;
                self.fill(tree, slots);
                let root = self.table(tree, 0).ok_or(IodaError::Table)?;
                let levels = TceTree::new(root, LEVELS).ok_or(IodaError::Table)?;
                let window = phb.dma_create_tree(pe, &levels, None)?;
                if let Some(owner) = self.owners.get_mut(tree) {
                    *owner = Some((pe, window));
                }
                Ok(())
            }
        }
    }

    fn forget<R: RegIo + Sync>(&self, port: &Port<R>, tree: usize) {
        if let Some((_, window)) = self.owners.get(tree).and_then(Option::as_ref) {
            port.tce_flush(window, TceRange::All);
        }
    }

    /// The `nth` table of a tree.
    fn table(&self, tree: usize, nth: usize) -> Option<TceTable> {
        let first = tree
            .checked_mul(TABLES)?
            .checked_add(nth)?
            .checked_mul(ENTRIES)?;
        let cells = self.memory.cells.get(first..)?.get(..ENTRIES)?;
        let real = self
            .memory
            .real
            .checked_add((first as u64).checked_mul(8)?)?;
        TceTable::new(cells, real, PAGE_SHIFT)
    }

    /// Writes a tree's entries; `true` if one was taken away or changed.
    fn fill(&self, tree: usize, slots: &Slots) -> bool {
        let mut is_less = false;
        let mut put = |cell: Option<&BeU64>, entry: u64| {
            if let Some(cell) = cell.filter(|cell| cell.load() != entry) {
                is_less |= cell.load() != 0;
                cell.store(entry);
            }
        };
        for (nth, of_top) in slots.chunks(PER_TOP).enumerate() {
            let (Some(top), Some(middle)) =
                (self.table(tree, 0), self.table(tree, nth.saturating_add(1)))
            else {
                continue;
            };
            let cells = of_top.iter().zip(middle.cells.chunks(PER_SLOT));
            for (slot, cells) in cells {
                for (cell, offset) in cells.iter().zip((0u64..).step_by(LEAF_BYTES as usize)) {
                    let leaf = slot
                        .filter(|slot| offset < slot.bytes)
                        .map(|slot| slot.table.wrapping_add(offset >> PAGE_SHIFT << 3));
                    put(Some(cell), leaf.map_or(0, |leaf| leaf | POINTS));
                }
            }
            let is_used = of_top.iter().any(Option::is_some);
            let entry = if is_used { middle.real | POINTS } else { 0 };
            put(top.cells.get(nth), entry);
        }
        is_less
    }
}
