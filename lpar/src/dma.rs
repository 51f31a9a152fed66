//! The DMA windows of a partition: tables in memory that its bridges translate bus addresses with.
//!
//! A window's table has one entry (TCE) for each page of the window, never more, so that no entry
//! exists that no hcall reaches. There are no locks: an entry is one doubleword that is stored whole,
//! and only after it was checked. Two processors that store to the same entry race as they would on
//! hardware.

use crate::GuestRam;
use crate::machine::TceInvalidate;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::AtomicU64;
use ioda::BeU64;
use papr_abi::tce::{MAX_LIST, PERMISSIONS, RPN};
use papr_abi::{IoAddr, Liobn, RealAddr};

/// One DMA window.
pub struct DmaWindow {
    liobn: Liobn,
    page_shift: u8,
    first: IoAddr,
    cells: &'static [BeU64],
    /// What of a bus address names its page.
    page_mask: u64,
    /// Permits nothing until the window has joined a partition.
    map: TceMap,
    invalidate: &'static dyn TceInvalidate,
}

/// For windows that no bridge translates: the hypervisor looks into their tables each time.
#[derive(Clone, Copy, Debug)]
pub struct NoBridge;

impl TceInvalidate for NoBridge {
    fn invalidate(&self, _: u64, _: u64) {}
}

/// What is wrong with DMA windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmaError {
    /// The window's pages are below 4 KiB or above 16 GiB.
    PageSize(Liobn),
    /// The window does not begin on a page of its own, or passes the end of the bus.
    Place(Liobn),
    /// The window has no pages.
    Empty(Liobn),
    /// The partition's memory is not aligned to the window's pages.
    Memory(Liobn),
    /// Two windows have the same number.
    Twice(Liobn),
}

impl fmt::Display for DmaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (liobn, what) = match self {
            Self::PageSize(liobn) => (liobn, "no such page size"),
            Self::Place(liobn) => (liobn, "not on its pages, or past the end of the bus"),
            Self::Empty(liobn) => (liobn, "no pages"),
            Self::Memory(liobn) => (liobn, "the memory is not aligned to its pages"),
            Self::Twice(liobn) => (liobn, "there twice"),
        };
        write!(f, "window {:#x}: {what}", liobn.0)
    }
}

impl DmaWindow {
    /// Makes the window `liobn` of `cells.len()` pages of 2^`page_shift` bytes from bus address
    /// `first`, translated by `cells`, and closes it. `invalidate` makes its bridge forget.
    ///
    /// # Errors
    /// [`DmaError::PageSize`], [`DmaError::Place`], [`DmaError::Empty`].
    pub fn new(
        liobn: Liobn,
        first: IoAddr,
        page_shift: u8,
        cells: &'static [BeU64],
        invalidate: &'static dyn TceInvalidate,
    ) -> Result<Self, DmaError> {
        if !(12..=34).contains(&page_shift) {
            return Err(DmaError::PageSize(liobn));
        }
        if cells.is_empty() {
            return Err(DmaError::Empty(liobn));
        }
        let pages = cells.len() as u64;
        let last_page = (first.0 >> page_shift).checked_add(pages - 1);
        let fits = last_page.is_some_and(|last| last <= u64::MAX >> page_shift);
        if first.0 & ((1 << page_shift) - 1) != 0 || !fits {
            return Err(DmaError::Place(liobn));
        }
        let window = Self {
            liobn,
            page_shift,
            first,
            cells,
            page_mask: u64::MAX << page_shift,
            map: TceMap::NOTHING,
            invalidate,
        };
        window.clear_all();
        Ok(window)
    }

    /// Returns the number that the partition knows it by.
    #[must_use]
    pub const fn liobn(&self) -> Liobn {
        self.liobn
    }

    /// Returns its first bus address.
    #[must_use]
    pub const fn first(&self) -> IoAddr {
        self.first
    }

    /// Returns its size in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        (self.cells.len() as u64) << self.page_shift
    }

    /// Returns log2 of the bytes of a page.
    #[must_use]
    pub const fn page_shift(&self) -> u8 {
        self.page_shift
    }

    /// Forbids all DMA through the window, and returns when the bridge knows it.
    pub fn clear_all(&self) {
        self.cells.iter().for_each(|cell| cell.store(0));
        self.invalidate
            .invalidate(self.first.0, self.cells.len() as u64);
    }

    /// Iterates over what is mapped: bus address and entry, as the bridge has it, of each page that permits something.
    pub fn mapped(&self) -> impl Iterator<Item = (IoAddr, u64)> {
        let pages = (0u64..).zip(self.cells);
        pages.filter_map(|(page, cell)| {
            let entry = cell.load();
            let bus = self.first.0.wrapping_add(page << self.page_shift);
            (entry & PERMISSIONS != 0).then_some((IoAddr(bus), entry))
        })
    }

    /// Returns the entry of the page that holds bus address `at`.
    #[inline]
    pub(crate) fn entry(&self, at: IoAddr) -> Option<&'static BeU64> {
        self.cells.get(self.index(at))
    }

    /// Returns `count` entries from the one of the page that holds `at`.
    #[inline]
    pub(crate) fn entries(&self, at: IoAddr, count: u64) -> Option<&'static [BeU64]> {
        let from = self.cells.get(self.index(at)..)?;
        from.get(..usize::try_from(count).ok()?)
    }

    /// Has the bridge forget `count` translations from the page that holds `at`.
    #[inline]
    pub(crate) fn forget(&self, at: IoAddr, count: u64) {
        self.invalidate.invalidate(at.0 & self.page_mask, count);
    }

    /// Returns what checks a partition's entries for this window.
    #[inline]
    pub(crate) const fn map(&self) -> TceMap {
        self.map
    }

    /// Returns where the entry of `at` is, past the end of the table when `at` is outside: the window
    /// does not wrap, so an address before it comes out beyond it.
    #[inline]
    const fn index(&self, at: IoAddr) -> usize {
        (at.0.wrapping_sub(self.first.0) >> (self.page_shift & 63)) as usize
    }
}

impl fmt::Debug for DmaWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmaWindow")
            .field("liobn", &self.liobn)
            .field("first", &self.first)
            .field("page_shift", &self.page_shift)
            .field("pages", &self.cells.len())
            .finish()
    }
}

/// An entry that was checked: host-real, or without permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostTce(u64);

impl HostTce {
    /// Returns the entry's bits.
    #[inline]
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }
}

/// Checks a partition's entries for one window and makes them the bridge's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TceMap {
    /// Whole pages of the partition's memory.
    pages: u64,
    /// Its real address.
    base: u64,
    /// Rotating left so far brings the page number down.
    rotation: u32,
}

impl TceMap {
    const NOTHING: Self = Self {
        pages: 0,
        base: 0,
        rotation: 0,
    };

    const fn new(page_shift: u8, ram: &GuestRam) -> Self {
        Self {
            pages: ram.bytes() >> page_shift,
            base: ram.base().0,
            rotation: 64 - page_shift as u32,
        }
    }

    /// Returns a guest's entry as the bridge must see it. `None` when it permits access to what is not
    /// one whole page of the partition's memory, or has bits between page number and permissions.
    #[inline(always)]
    pub(crate) const fn host(self, tce: u64) -> Option<HostTce> {
        if tce & PERMISSIONS == 0 {
            return Some(HostTce(tce & RPN));
        }
        // Rotated, bits below the page come out on top: one comparison refuses them too.
        let page = (tce & !PERMISSIONS).rotate_left(self.rotation);
        if page < self.pages {
            // Nothing carries: memory ends within the address space.
            Some(HostTce(tce.wrapping_add(self.base)))
        } else {
            None
        }
    }
}

/// The DMA windows of a partition, found by number.
#[derive(Debug, Default)]
pub struct DmaWindows {
    /// A hash table: each window is at its number's place or right behind, before any gap.
    slots: Vec<Option<DmaWindow>>,
    /// What of a number is its place.
    mask: u32,
}

impl DmaWindows {
    /// Takes all windows of a partition with memory `ram`. They are found fastest when their numbers
    /// differ in the low bits, as those that count up by one do.
    ///
    /// # Errors
    /// [`DmaError::Memory`], [`DmaError::Twice`].
    pub fn new(windows: Vec<DmaWindow>, ram: &GuestRam) -> Result<Self, DmaError> {
        let mut this = Self::sized(windows.len());
        for mut window in windows {
            this.check(&window, ram)?;
            window.map = TceMap::new(window.page_shift, ram);
            this.keep(window);
        }
        Ok(this)
    }

    /// An empty table with room for `windows`.
    fn sized(windows: usize) -> Self {
        let places = (windows * 2).next_power_of_two();
        let length = places + windows;
        Self {
            slots: Vec::from_iter((0..length).map(|_| None)),
            mask: places as u32 - 1,
        }
    }

    /// Whether a partition with memory `ram` can have the window besides these.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn check(&self, window: &DmaWindow, ram: &GuestRam) -> Result<(), DmaError> {
        let liobn = window.liobn;
        if ram.base().0 & ((1 << window.page_shift) - 1) != 0 {
            return Err(DmaError::Memory(liobn));
        }
        if self.find(liobn).is_some() {
            return Err(DmaError::Twice(liobn));
        }
        Ok(())
    }

    #[inline(never)]
    fn keep(&mut self, window: DmaWindow) {
        // As many slots follow the last place as there are windows, so one is free.
        let start = self.place(window.liobn);
        let free = self.slots.iter_mut().skip(start).find(|s| s.is_none());
        if let Some(slot) = free {
            *slot = Some(window);
        }
    }

    /// Takes window `liobn` from a partition whose processors are all stopped, if it has it. It maps nothing then.
    pub(crate) fn remove(&mut self, liobn: Liobn) -> Option<DmaWindow> {
        let mut all = self.take_all();
        let place = all.iter().position(|window| window.liobn == liobn);
        let mut taken = place.map(|place| all.swap_remove(place));
        self.keep_all(all);
        if let Some(window) = &mut taken {
            window.map = TceMap::NOTHING;
            window.clear_all();
        }
        taken
    }

    /// Adds a window to those of a partition with memory `ram`, whose processors are all stopped.
    ///
    /// # Errors
    /// As [`Self::new`]; nothing is changed then.
    pub(crate) fn insert(&mut self, mut window: DmaWindow, ram: &GuestRam) -> Result<(), DmaError> {
        self.check(&window, ram)?;
        window.map = TceMap::new(window.page_shift, ram);
        let mut all = self.take_all();
        all.push(window);
        self.keep_all(all);
        Ok(())
    }

    #[inline(never)]
    fn take_all(&mut self) -> Vec<DmaWindow> {
        let mut all = Vec::new();
        for slot in &mut self.slots {
            all.extend(slot.take());
        }
        all
    }

    /// Makes the table anew, of `windows`.
    #[inline(never)]
    fn keep_all(&mut self, windows: Vec<DmaWindow>) {
        *self = Self::sized(windows.len());
        for window in windows {
            self.keep(window);
        }
    }

    /// Returns window `liobn`, if the partition has it.
    #[must_use]
    #[inline]
    pub fn find(&self, liobn: Liobn) -> Option<&DmaWindow> {
        match self.slots.get(self.place(liobn))? {
            Some(window) if window.liobn == liobn => Some(window),
            _ => self.find_behind(liobn),
        }
    }

    /// Returns every window.
    pub fn iter(&self) -> impl Iterator<Item = &DmaWindow> {
        self.slots.iter().flatten()
    }

    #[cold]
    fn find_behind(&self, liobn: Liobn) -> Option<&DmaWindow> {
        let slots = self.slots.get(self.place(liobn)..)?;
        slots
            .iter()
            .map_while(Option::as_ref)
            .find(|window| window.liobn == liobn)
    }

    #[inline]
    const fn place(&self, liobn: Liobn) -> usize {
        (liobn.0 & self.mask) as usize
    }
}

/// Where a processor keeps a list of entries between checking and storing them.
#[derive(Debug)]
pub(crate) struct Scratch(Box<[AtomicU64]>);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self((0..MAX_LIST).map(|_| AtomicU64::new(0)).collect())
    }

    /// Returns the cells, [`MAX_LIST`] of them.
    #[inline]
    pub(crate) fn cells(&self) -> &[AtomicU64] {
        &self.0
    }
}

/// Returns real address and permissions of an entry of a table.
#[inline]
pub(crate) const fn parts(entry: u64) -> (RealAddr, u64) {
    (RealAddr(entry & RPN), entry & PERMISSIONS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeBridge, cells, leak};
    use papr_abi::GuestRealAddr;

    fn window(liobn: u32, first: u64, shift: u8, pages: usize) -> Result<DmaWindow, DmaError> {
        let bridge: &'static FakeBridge = leak(FakeBridge::default());
        DmaWindow::new(Liobn(liobn), IoAddr(first), shift, cells(pages), bridge)
    }

    #[test]
    fn what_permits_something_is_mapped() {
        let window = window(7, 0x8000_0000, 16, 8).unwrap();
        assert_eq!(window.mapped().count(), 0);
        for (page, entry) in [(0, 0x1_0001), (3, 0x5_0003), (4, 0xf_0000)] {
            window.cells[page].store(entry);
        }
        let mapped: Vec<_> = window.mapped().map(|(bus, entry)| (bus.0, entry)).collect();
        assert_eq!(mapped, [(0x8000_0000, 0x1_0001), (0x8003_0000, 0x5_0003)]);
    }

    fn ram(bytes: usize, base: u64) -> GuestRam {
        GuestRam::new(cells(bytes / 8), RealAddr(base))
    }

    #[test]
    fn a_window_must_be_of_whole_pages_on_the_bus() {
        let liobn = Liobn(1);
        assert_eq!(window(1, 0, 11, 1).unwrap_err(), DmaError::PageSize(liobn));
        assert_eq!(window(1, 0, 64, 1).unwrap_err(), DmaError::PageSize(liobn));
        assert_eq!(window(1, 0, 12, 0).unwrap_err(), DmaError::Empty(liobn));
        assert_eq!(
            window(1, 0x1000, 16, 1).unwrap_err(),
            DmaError::Place(liobn)
        );
        assert_eq!(
            window(1, !0xfff, 12, 2).unwrap_err(),
            DmaError::Place(liobn)
        );
        assert!(window(1, !0xfff, 12, 1).is_ok());
        let refusal = window(0x1b, 0x1000, 16, 1).unwrap_err().to_string();
        assert_eq!(
            refusal,
            "window 0x1b: not on its pages, or past the end of the bus"
        );
    }

    #[test]
    fn a_window_says_where_it_is_and_how_large() {
        let window = window(0x8000_0001, 0x1000_0000, 16, 4).unwrap();
        assert_eq!(window.liobn(), Liobn(0x8000_0001));
        assert_eq!(window.first(), IoAddr(0x1000_0000));
        assert_eq!((window.page_shift(), window.bytes()), (16, 0x4_0000));
        let said = format!("{window:?}");
        assert!(said.contains("page_shift: 16, pages: 4"), "{said}");
    }

    #[test]
    fn the_bridge_is_told_of_whole_pages() {
        let bridge: &'static FakeBridge = leak(FakeBridge::default());
        let first = IoAddr(0x1_0000);
        let window = DmaWindow::new(Liobn(1), first, 16, cells(4), bridge).unwrap();
        bridge.take();
        window.forget(IoAddr(0x2_1234), 2);
        assert_eq!(bridge.take(), [(0x2_0000, 2)]);
    }

    #[test]
    fn a_new_window_is_closed_and_told_so() {
        let bridge: &'static FakeBridge = leak(FakeBridge::default());
        let table = cells(4);
        table[2].store(0x1003);
        DmaWindow::new(Liobn(1), IoAddr(0x1_0000), 16, table, bridge).unwrap();
        assert_eq!(table[2].load(), 0);
        assert_eq!(bridge.take(), [(0x1_0000, 4)]);
    }

    #[test]
    fn windows_are_found_by_number_and_no_other_is() {
        let ram = ram(0x1_0000, 0x1000_0000);
        for count in [0u32, 1, 2, 3, 7, 40] {
            let numbers = (0..count).map(|n| 0x8000_0000 | n << 8);
            let windows = numbers.clone().map(|n| window(n, 0, 12, 1).unwrap());
            let found = DmaWindows::new(windows.collect(), &ram).unwrap();
            assert_eq!(found.iter().count(), count as usize);
            for n in numbers {
                assert_eq!(found.find(Liobn(n)).unwrap().liobn(), Liobn(n));
                assert!(found.find(Liobn(n + 1)).is_none());
            }
            assert!(found.find(Liobn(u32::MAX)).is_none());
            assert!(found.find(Liobn(0)).is_none());
        }
        assert!(DmaWindows::default().find(Liobn(0)).is_none());
    }

    #[test]
    fn windows_whose_numbers_count_up_by_one_are_found_at_the_first_look() {
        let windows = (0x8000_0000..)
            .take(5)
            .map(|n| window(n, 0, 12, 1).unwrap());
        let found = DmaWindows::new(windows.collect(), &ram(0x1_0000, 0x1000_0000)).unwrap();
        for window in found.iter() {
            let first = found.slots[found.place(window.liobn())].as_ref();
            assert_eq!(first.unwrap().liobn(), window.liobn());
        }
    }

    #[test]
    fn a_window_twice_or_with_larger_pages_than_memory_allows_is_refused() {
        let ram = ram(0x1_0000, 0x1000_1000);
        let pair = vec![window(5, 0, 12, 1).unwrap(), window(5, 0, 12, 1).unwrap()];
        assert_eq!(
            DmaWindows::new(pair, &ram).unwrap_err(),
            DmaError::Twice(Liobn(5))
        );
        let large = vec![window(6, 0, 16, 1).unwrap()];
        assert_eq!(
            DmaWindows::new(large, &ram).unwrap_err(),
            DmaError::Memory(Liobn(6))
        );
    }

    #[test]
    fn only_whole_pages_of_memory_can_be_permitted() {
        // One page and a half of 64 KiB, at a real address.
        let ram = ram(0x1_8000, 0x1000_0000);
        let small = TceMap::new(12, &ram);
        let large = TceMap::new(16, &ram);
        let host = |map: TceMap, tce| map.host(tce).map(HostTce::bits);
        assert_eq!(host(small, 0x1_7003), Some(0x1001_7003));
        assert_eq!(host(small, 0x1_8003), None);
        assert_eq!(host(large, 0x3), Some(0x1000_0003));
        assert_eq!(host(large, 0x1_0003), None);
        for permission in 1..4 {
            for stray in (2..12).map(|bit| 1 << bit) {
                assert_eq!(host(small, stray | permission), None);
            }
            assert_eq!(host(large, 0x1000 | permission), None);
            for page in [0x1000_0000, !0xfff, 1 << 63] {
                assert_eq!(host(small, page | permission), None);
                assert_eq!(host(large, page | permission), None);
            }
        }
        assert_eq!(TceMap::NOTHING.host(1), None);
        // Without permissions nothing is looked at and nothing is translated.
        assert_eq!(host(small, 0xdead_bead_f00c), Some(0xdead_bead_f000));
        assert_eq!(
            ram.logical(RealAddr(0x1001_7000)),
            Some(GuestRealAddr(0x1_7000))
        );
    }
}
