//! DMA windows, their translation tables, and how a bridge is told of changed entries.

use crate::{BeU64, PeNumber};
use bitflags::bitflags;

/// A DMA window of a bridge: the index of its TVE, whatever the bridge numbers them by.
#[doc(alias = "TVE")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TveIndex(pub u16);

bitflags! {
    /// What a device may do with a page. The bits are those of a TCE on every IODA version.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Permission: u64 {
        /// b(63): the device may read it.
        const READ = 0x1;
        /// b(62): the device may write it.
        const WRITE = 0x2;
    }
}

/// The TCE that maps the page at `real` (page-aligned by the caller) with `permission`; 0 maps nothing.
#[must_use]
#[inline]
pub const fn host_tce(real: u64, permission: Permission) -> u64 {
    if permission.is_empty() {
        0
    } else {
        (real & !0xfff) | permission.bits()
    }
}

/// A translation table of one level: entry n maps page n of its window.
///
/// Tables of several levels are a [`TceTree`].
#[derive(Clone, Copy, Debug)]
pub struct TceTable {
    /// The entries, big-endian TCEs; as many as the window has pages.
    pub cells: &'static [BeU64],
    /// Real address of the first, in bytes.
    pub real: u64,
    /// log2 of a page's bytes.
    pub page_shift: u8,
}

impl TceTable {
    /// Fewest entries: bridges take tables of 4 KiB and up.
    pub const MIN_ENTRIES: usize = 512;

    /// A table of `cells` at `real`, for pages of 2^`page_shift` bytes.
    ///
    /// `None` unless the entries are a power of two, at least [`Self::MIN_ENTRIES`], `real` is a multiple of
    /// their bytes, and the window has less than 2^59 bytes.
    #[must_use]
    pub fn new(cells: &'static [BeU64], real: u64, page_shift: u8) -> Option<Self> {
        let entries = cells.len();
        let bytes = u64::try_from(entries).ok()?.checked_mul(8)?;
        let shift = entries
            .checked_ilog2()?
            .checked_add(u32::from(page_shift))?;
        let good = entries.is_power_of_two()
            && entries >= Self::MIN_ENTRIES
            && real & bytes.checked_sub(1)? == 0
            && (12..59).contains(&page_shift)
            && shift < 59;
        good.then_some(Self {
            cells,
            real,
            page_shift,
        })
    }

    /// Bytes of the window it translates.
    #[must_use]
    pub const fn window_bytes(&self) -> u64 {
        (self.cells.len() as u64) << self.page_shift
    }

    /// log2 of the table's own bytes.
    #[must_use]
    pub const fn table_shift(&self) -> u8 {
        // A table made by `new` has a power of two of entries.
        self.cells.len().trailing_zeros() as u8 + 3
    }
}

/// Translation tables of several levels, all of one size: an entry above the last level is the real address of
/// a table with any permission, or zero.
#[derive(Clone, Copy, Debug)]
pub struct TceTree {
    /// The table at the top; what is below it is its owner's.
    pub root: TceTable,
    /// Levels, the top included: 2 to 5.
    pub levels: u8,
}

impl TceTree {
    /// A tree of `levels` below the table `root`, whose pages are those of the last level.
    ///
    /// `None` unless there are 2 to 5 levels and the window has less than 2^59 bytes.
    #[must_use]
    pub fn new(root: TceTable, levels: u8) -> Option<Self> {
        let tree = Self { root, levels };
        let good = matches!(levels, 2..=5) && tree.window_shift() < 59;
        good.then_some(tree)
    }

    /// log2 of the bytes of the window it translates.
    #[must_use]
    pub const fn window_shift(&self) -> u8 {
        let index_bits = self.root.table_shift().saturating_sub(3);
        self.root
            .page_shift
            .saturating_add(index_bits.saturating_mul(self.levels))
    }
}

/// An open DMA window. Everything that [`TceFlush::tce_flush`] needs, so that it can be kept beside the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaWindow {
    /// The bridge's name for it.
    pub tve: TveIndex,
    /// The endpoint whose DMA it translates.
    pub pe: PeNumber,
    /// Its first address on the PCI bus: an output, since some bridges can not choose it.
    pub bus_base: u64,
    /// Its bytes.
    pub bytes: u64,
    /// log2 of a page's bytes.
    pub page_shift: u8,
    /// Real address of its table.
    pub table_real: u64,
}

/// Pages of a window, by index from its first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TceRange {
    /// `count` pages from page `first`.
    Pages {
        /// Index of the first.
        first: u64,
        /// How many.
        count: u64,
    },
    /// The whole window.
    All,
}

/// Tells a bridge that entries of a table were changed.
pub trait TceFlush: Sync {
    /// Makes the bridge forget what it has cached of `range` of `window`.
    ///
    /// Orders the caller's stores to the table before it. May forget more than was asked for. Needs no
    /// lock; takes a constant, small number of register writes.
    ///
    /// It may return before the bridge is done, as [`Self::tce_wait`] tells: a page that was unmapped may
    /// change hands only after that.
    fn tce_flush(&self, window: &DmaWindow, range: TceRange);

    /// As [`Self::tce_flush`] for the page that begins at bus address `bus`: the way of every H_PUT_TCE, for bridges that
    /// have a shorter one.
    #[inline]
    fn tce_flush_page(&self, window: &DmaWindow, bus: u64) {
        let first = bus.wrapping_sub(window.bus_base) >> (window.page_shift & 63);
        self.tce_flush(window, TceRange::Pages { first, count: 1 });
    }

    /// Returns when DMA that used entries forgotten by earlier flushes has ended, as far as the bridge can
    /// tell; gives up after a bounded number of polls.
    ///
    /// For memory that goes to another owner; the guest that unmaps its own page needs no such wait.
    fn tce_wait(&self) -> Result<(), crate::ResetError>;
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;
    use cases::prelude::*;

    fn cells(entries: usize) -> &'static [BeU64] {
        Box::leak((0..entries).map(|_| BeU64::new(0)).collect())
    }

    fn a_table_is_a_power_of_two_naturally_aligned_and_large_enough() {
        let table = TceTable::new(cells(1024), 0x2000, 12).expect("8 KiB at 8 KiB");
        assert_eq!(table.window_bytes(), 4 << 20);
        assert_eq!(table.table_shift(), 13);
        assert!(TceTable::new(cells(1024), 0x1000, 12).is_none());
        assert!(TceTable::new(cells(256), 0x2000, 12).is_none());
        assert!(TceTable::new(cells(1000), 0x2000, 12).is_none());
        assert!(TceTable::new(cells(0), 0x2000, 12).is_none());
        assert!(TceTable::new(cells(512), 0x1000, 11).is_none());
        assert!(TceTable::new(cells(512), 0x1000, 49).is_some());
        assert!(TceTable::new(cells(512), 0x1000, 50).is_none());
    }

    fn a_tree_has_two_to_five_levels_and_less_than_the_bus() {
        let root = |shift| TceTable::new(cells(512), 0x1000, shift).expect("4 KiB at 4 KiB");
        let shift = |page_shift, levels| {
            TceTree::new(root(page_shift), levels).map(|tree| tree.window_shift())
        };
        assert_eq!(shift(12, 3), Some(39));
        assert_eq!(shift(12, 5), Some(57));
        assert_eq!(shift(16, 5), None);
        assert_eq!((shift(12, 1), shift(12, 6)), (None, None));
    }

    fn a_tce_without_permission_is_zero() {
        assert_eq!(host_tce(0x1234_5000, Permission::empty()), 0);
        assert_eq!(host_tce(0x1234_5000, Permission::READ), 0x1234_5001);
        assert_eq!(host_tce(0x1234_5fff, Permission::all()), 0x1234_5003);
    }

    struct Flushed(core::sync::atomic::AtomicU64);

    impl TceFlush for Flushed {
        fn tce_flush(&self, window: &DmaWindow, range: TceRange) {
            assert_eq!(window.tve, TveIndex(9));
            let TceRange::Pages { first, count: 1 } = range else {
                panic!("one page, not {range:?}");
            };
            self.0.store(first, core::sync::atomic::Ordering::Relaxed);
        }
        fn tce_wait(&self) -> Result<(), crate::ResetError> {
            Ok(())
        }
    }

    fn a_page_is_forgotten_by_its_bus_address() {
        let flushed = Flushed(u64::MAX.into());
        let mut window = DmaWindow {
            tve: TveIndex(9),
            pe: PeNumber(3),
            bus_base: 0x4000_0000,
            bytes: 0x4000_0000,
            page_shift: 12,
            table_real: 0,
        };
        for (page_shift, bus, page) in [
            (12, 0x4000_0000, 0),
            (12, 0x4001_3000, 0x13),
            (16, 0x4013_0000, 0x13),
            (24, 0x5300_0000, 0x13),
        ] {
            window.page_shift = page_shift;
            flushed.tce_flush_page(&window, bus);
            let first = flushed.0.load(core::sync::atomic::Ordering::Relaxed);
            assert_eq!(first, page, "{bus:#x}");
        }
    }

    cases::cases!(
        a_page_is_forgotten_by_its_bus_address,
        a_table_is_a_power_of_two_naturally_aligned_and_large_enough,
        a_tree_has_two_to_five_levels_and_less_than_the_bus,
        a_tce_without_permission_is_zero,
    );
}
