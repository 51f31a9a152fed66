//! The hashed page table of a partition: the table that the processors search.
//!
//! The hardware reads entries and sets their R and C bits at any time, and every processor of the
//! partition may be in here at once. Each entry is its own lock, as LoPAR 2.9, "Page Frame Table
//! Access", lays down for H_ENTER: software bit 57 of its first doubleword, [`v::HV_LOCK`]. A group
//! is searched without a lock; a slot is taken by the one who sets its bit. An entry that is neither
//! valid nor locked is all zeroes.
//!
//! [`Hpt`] knows host-real entries and order of updates (Power ISA 2.07, Book III-S 5.10.1);
//! `page` what entries mean; `hcall::hpt` what a partition may enter.

mod page;

pub use page::{PageSize, tlbie_rb};

use crate::Refusal;
use crate::machine::Tlb;
use core::hint::spin_loop;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use ioda::BeU64;
use papr_abi::hpte::{HPTE_BYTES, PTEG_SLOTS, bulk, r, v};
use papr_abi::{HError, PteIndex};

/// How often an entry that another processor holds is looked at again. Its holder waits for nothing
/// but tlbie, so even an emulated machine under load is done long before; what comes after is an
/// error, not a wait without end.
const SPINS: u32 = if cfg!(test) { 1 << 21 } else { 1 << 24 };

/// Why the table was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HptError {
    /// The table has no such entry.
    Index,
    /// The entry is not valid, or not the one meant.
    NotFound,
    /// Every slot that may be used is in use.
    Full,
    /// Another processor did not let go of the entry.
    Busy,
}

impl From<HptError> for Refusal {
    fn from(error: HptError) -> Self {
        match error {
            HptError::Index => Self::new(HError::Parameter, "no such page table entry"),
            HptError::NotFound => Self::ordinary(HError::NotFound),
            HptError::Full => Self::ordinary(HError::PtegFull),
            HptError::Busy => Self::new(HError::Busy, "the page table entry stays locked"),
        }
    }
}

/// Which slots an entry may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The one given.
    Exact,
    /// The first free one of its group.
    Group,
}

/// What the first doubleword of an entry must be like to be the one meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Match {
    mask: u64,
    value: u64,
    forbidden: u64,
}

impl Match {
    /// Any valid entry.
    pub const ANY: Self = Self {
        mask: 0,
        value: 0,
        forbidden: 0,
    };

    /// Also asks that segment size and abbreviated virtual page number be `avpn`.
    #[must_use]
    pub const fn avpn(self, avpn: u64) -> Self {
        Self {
            mask: v::AVPN,
            value: avpn,
            ..self
        }
    }

    /// Also asks that none of `bits` be set.
    #[must_use]
    pub const fn without(self, bits: u64) -> Self {
        Self {
            forbidden: bits,
            ..self
        }
    }

    const fn fits(self, v: u64) -> bool {
        v & self.mask == self.value && v & self.forbidden == 0
    }
}

type Entry = [BeU64; 2];

/// A partition's page table in the memory that the processors search.
#[derive(Debug)]
pub struct Hpt {
    entries: &'static [Entry],
}

impl Hpt {
    /// Bytes of the smallest table. Source: Power ISA 2.07, Book III-S 5.7.7.1.
    pub const MIN_BYTES: u64 = 1 << 18;

    /// Takes `cells`, the doublewords of the table, and clears it. `None` when its size is not a
    /// power of two or below [`Hpt::MIN_BYTES`].
    #[must_use]
    pub fn new(cells: &'static [BeU64]) -> Option<Self> {
        let bytes = (cells.len() as u64).checked_mul(8)?;
        if !bytes.is_power_of_two() || bytes < Self::MIN_BYTES {
            return None;
        }
        let hpt = Self {
            entries: cells.as_chunks().0,
        };
        hpt.clear();
        Some(hpt)
    }

    /// Empties the table. No processor of the partition may run, and all must forget its
    /// translations before one does.
    pub fn clear(&self) {
        // Four entries in a turn: turns are most of the work.
        let (fours, rest) = self.entries.as_chunks::<4>();
        for [[a, b], [c, d], [e, f], [g, h]] in fours {
            for cell in [a, b, c, d, e, f, g, h] {
                cell.store(0);
            }
        }
        for cell in rest.iter().flatten() {
            cell.store(0);
        }
    }

    /// Returns log2 of the table's bytes, for SDR1 and `ibm,pft-size`.
    #[must_use]
    pub const fn log2_bytes(&self) -> u32 {
        (self.entries.len() as u64 * HPTE_BYTES).ilog2()
    }

    /// Returns how many entries there are.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Returns false: a table always has entries, valid or not.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Puts an entry in a free slot and returns which. `prepare` runs once the slot is taken, before
    /// the entry is valid. Lock and valid bit of `v` are the table's to set.
    ///
    /// # Errors
    /// [`HptError::Index`], [`HptError::Full`].
    #[inline]
    pub fn enter(
        &self,
        tlb: &dyn Tlb,
        index: PteIndex,
        placement: Placement,
        (v, r): (u64, u64),
        prepare: impl FnOnce(),
    ) -> Result<PteIndex, HptError> {
        self.entry(index)?;
        let (first, count) = match placement {
            Placement::Exact => (index.0, 1),
            Placement::Group => (index.0 & !(PTEG_SLOTS - 1), PTEG_SLOTS),
        };
        let slots = self
            .entries
            .get(first as usize..(first + count) as usize)
            .ok_or(HptError::Index)?;
        for (entry, place) in slots.iter().zip(first..) {
            let [v_cell, r_cell] = entry;
            // Looked at before it is tried for: most slots of a busy group are in use.
            if v_cell.load() == 0 && exchange(v_cell, 0, v::HV_LOCK) {
                prepare();
                r_cell.store(r);
                release(v_cell, v & !v::HV_SOFTWARE | v::VALID);
                tlb.publish();
                return Ok(PteIndex(place));
            }
        }
        Err(HptError::Full)
    }

    /// Returns both doublewords of an entry as one moment had them; zeroes when it is not valid.
    ///
    /// # Errors
    /// [`HptError::Index`], [`HptError::Busy`].
    pub fn read(&self, index: PteIndex) -> Result<(u64, u64), HptError> {
        let entry = self.entry(index)?;
        match lock(entry, Match::ANY, KEEP_VALID, SPINS) {
            Ok(v) => {
                let r = entry[1].load();
                release(&entry[0], v);
                Ok((v, r))
            }
            Err(HptError::NotFound) => Ok((0, 0)),
            Err(e) => Err(e),
        }
    }

    /// Removes an entry and returns what it was, with its last R and C.
    ///
    /// # Errors
    /// [`HptError::Index`], [`HptError::NotFound`], [`HptError::Busy`].
    pub fn remove(
        &self,
        tlb: &dyn Tlb,
        lpid: u32,
        index: PteIndex,
        like: Match,
    ) -> Result<(u64, u64), HptError> {
        let entry = self.entry(index)?;
        let v = lock(entry, like, INVALIDATE, SPINS)?;
        tlb.invalidate(lpid, index.0, v, entry[1].load());
        Ok((v, take(entry)))
    }

    /// Changes the second doubleword of an entry, which is not valid meanwhile; returns what it was.
    /// `change` may touch neither page number nor page size.
    ///
    /// # Errors
    /// [`HptError::Index`], [`HptError::NotFound`], [`HptError::Busy`].
    pub fn modify(
        &self,
        tlb: &dyn Tlb,
        lpid: u32,
        index: PteIndex,
        like: Match,
        change: impl FnOnce(u64) -> u64,
    ) -> Result<u64, HptError> {
        let entry = self.entry(index)?;
        let v = lock(entry, like, INVALIDATE, SPINS)?;
        let [v_cell, r_cell] = entry;
        tlb.invalidate(lpid, index.0, v, r_cell.load());
        let old = r_cell.load();
        r_cell.store(change(old));
        release(v_cell, v);
        tlb.publish();
        Ok(old)
    }

    /// Clears R of an entry, which stays valid; returns its second doubleword as it was.
    ///
    /// # Errors
    /// [`HptError::Index`], [`HptError::NotFound`], [`HptError::Busy`].
    pub fn clear_referenced(
        &self,
        tlb: &dyn Tlb,
        lpid: u32,
        index: PteIndex,
    ) -> Result<u64, HptError> {
        let entry = self.entry(index)?;
        let v = lock(entry, Match::ANY, KEEP_VALID, SPINS)?;
        let [v_cell, r_cell] = entry;
        // One step, so that a C set by the hardware at the same time is not lost.
        let old = u64::from_be(r_cell.cell().fetch_and((!r::R).to_be(), Relaxed));
        if old & r::R != 0 {
            tlb.invalidate(lpid, index.0, v, old);
        }
        release(v_cell, v);
        Ok(old)
    }

    /// Clears C of an entry if it is set; returns its second doubleword as it was.
    ///
    /// # Errors
    /// [`HptError::Index`], [`HptError::NotFound`], [`HptError::Busy`].
    pub fn clear_changed(
        &self,
        tlb: &dyn Tlb,
        lpid: u32,
        index: PteIndex,
    ) -> Result<u64, HptError> {
        let (v, r) = self.read(index)?;
        if v & v::VALID == 0 {
            return Err(HptError::NotFound);
        }
        if r & r::C == 0 {
            return Ok(r);
        }
        // The same entry still, not one that took its place meanwhile.
        let same = Match {
            mask: !0,
            value: v,
            forbidden: 0,
        };
        self.modify(tlb, lpid, index, same, |r| r & !r::C)
    }

    #[inline]
    fn entry(&self, index: PteIndex) -> Result<&'static Entry, HptError> {
        usize::try_from(index.0)
            .ok()
            .and_then(|i| self.entries.get(i))
            .ok_or(HptError::Index)
    }
}

/// Mask of what [`lock`] leaves of the first doubleword: all of it.
const KEEP_VALID: u64 = !0;
/// Mask of what [`lock`] leaves of the first doubleword: all but the valid bit.
const INVALIDATE: u64 = !v::VALID;

/// Locks a valid entry that is `like` and returns its first doubleword as it was.
#[inline]
fn lock([v_cell, _]: &Entry, like: Match, keep: u64, spins: u32) -> Result<u64, HptError> {
    for _ in 0..spins {
        let v = v_cell.load();
        if v & v::HV_LOCK != 0 {
            spin_loop();
        } else if v & v::VALID == 0 || !like.fits(v) {
            return Err(HptError::NotFound);
        } else if exchange(v_cell, v, v & keep | v::HV_LOCK) {
            return Ok(v);
        }
    }
    Err(HptError::Busy)
}

/// Frees a locked entry that no thread can still use and returns its second doubleword.
#[inline]
fn take([v_cell, r_cell]: &Entry) -> u64 {
    let r = r_cell.load();
    r_cell.store(0);
    release(v_cell, 0);
    r
}

#[inline]
fn exchange(cell: &BeU64, old: u64, new: u64) -> bool {
    cell.cell()
        .compare_exchange(old.to_be(), new.to_be(), Acquire, Relaxed)
        .is_ok()
}

/// Stores a first doubleword after everything that was stored before: unlocks it.
#[inline]
fn release(cell: &BeU64, v: u64) {
    cell.cell().store(v.to_be(), Release);
}

/// Removals whose invalidations are waited for together.
pub struct Batch<'a> {
    hpt: &'a Hpt,
    tlb: &'a dyn Tlb,
    lpid: u32,
    pending: [Option<(PteIndex, &'static Entry)>; bulk::MAX],
}

impl core::fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Batch").finish_non_exhaustive()
    }
}

impl<'a> Batch<'a> {
    /// Begins an empty batch.
    #[must_use]
    pub const fn new(hpt: &'a Hpt, tlb: &'a dyn Tlb, lpid: u32) -> Self {
        Self {
            hpt,
            tlb,
            lpid,
            pending: [None; bulk::MAX],
        }
    }

    /// Takes an entry out of use; `place`, below [`bulk::MAX`], names it to `done` later. When
    /// another processor holds it, all pending removals are finished first: no processor waits
    /// for an entry while it holds one.
    ///
    /// # Errors
    /// [`HptError::Index`], [`HptError::NotFound`], [`HptError::Busy`].
    pub fn remove(
        &mut self,
        place: usize,
        index: PteIndex,
        like: Match,
        done: &mut impl FnMut(usize, u64),
    ) -> Result<(), HptError> {
        let entry = self.hpt.entry(index)?;
        if place >= bulk::MAX {
            return Err(HptError::Index);
        }
        let pending = self.pending.iter().flatten();
        if pending.clone().any(|&(other, _)| other == index) {
            return Err(HptError::NotFound);
        }
        let v = match lock(entry, like, INVALIDATE, 1) {
            Err(HptError::Busy) => {
                self.finish(done);
                lock(entry, like, INVALIDATE, SPINS)?
            }
            other => other?,
        };
        if let Some(slot) = self.pending.get_mut(place) {
            *slot = Some((index, entry));
        }
        self.tlb
            .invalidate_later(self.lpid, index.0, v, entry[1].load());
        Ok(())
    }

    /// Waits for the invalidations, frees the entries, and tells `done` each one's place and its
    /// second doubleword with the last R and C.
    pub fn finish(&mut self, done: &mut impl FnMut(usize, u64)) {
        if self.pending.iter().all(Option::is_none) {
            return;
        }
        self.tlb.complete();
        for (place, slot) in self.pending.iter_mut().enumerate() {
            if let Some((_, entry)) = slot.take() {
                done(place, take(entry));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cells;
    use std::sync::atomic::{AtomicBool, AtomicU64};
    use std::time::{Duration, Instant};

    struct NoTlb;

    impl Tlb for NoTlb {
        fn invalidate(&self, _: u32, _: u64, _: u64, _: u64) {}
    }

    #[test]
    fn only_tables_of_a_power_of_two_of_bytes_are_taken() {
        let words = cells(1 << 16);
        for (words, log2) in [
            (1 << 15, Some(18)),
            (1 << 16, Some(19)),
            (1 << 14, None),
            (50_000, None),
            (0, None),
        ]
        .map(|(count, log2)| (&words[..count], log2))
        {
            words.iter().for_each(|word| word.store(1));
            assert_eq!(Hpt::new(words).map(|hpt| hpt.log2_bytes()), log2);
            assert!(log2.is_none() || words.iter().all(|word| word.load() == 0));
        }
    }

    /// Waits until both threads are here for the `round`th time; counts from 1.
    fn meet(arrived: &AtomicU64, round: u64) {
        arrived.fetch_add(1, Release);
        while arrived.load(Acquire) < 2 * round {
            std::thread::yield_now();
        }
    }

    /// Each round both threads enter the same slot, then both remove it: each time one must win. They read
    /// it meanwhile: each enters a page number that goes with its AVPN, so half an entry would show.
    #[test]
    fn of_two_threads_at_one_slot_one_wins_and_both_see_it_whole() {
        const ROUNDS: u64 = 20_000;
        /// A machine with other things to do makes fewer rounds; no thread may end alone, or the other waits for ever.
        const ENOUGH: Duration = Duration::from_secs(3);
        let hpt = Hpt::new(cells(Hpt::MIN_BYTES as usize / 8)).unwrap();
        let [before, between] = [AtomicU64::new(0), AtomicU64::new(0)];
        let [entered, removed, rounds, torn] = [const { AtomicU64::new(0) }; 4];
        let is_over = AtomicBool::new(false);
        let index = PteIndex(12);
        let started = Instant::now();
        let run = |id: u64| {
            let entry = (id << 7, id << 16);
            for round in 1..=ROUNDS {
                meet(&before, round);
                if is_over.load(Relaxed) {
                    break;
                }
                let won = hpt.enter(&NoTlb, index, Placement::Exact, entry, || {});
                entered.fetch_add(u64::from(won.is_ok()), Relaxed);
                let seen = hpt.read(index);
                let is_whole = seen.is_ok_and(|(v, r)| v & v::HV_LOCK == 0 && v >> 7 == r >> 16);
                torn.fetch_add(u64::from(!is_whole), Relaxed);
                meet(&between, round);
                let won = hpt.remove(&NoTlb, 1, index, Match::ANY);
                removed.fetch_add(u64::from(won.is_ok()), Relaxed);
                rounds.fetch_max(round, Relaxed);
                // Before the other can pass the next meeting, so that both see it there.
                is_over.fetch_or(started.elapsed() > ENOUGH, Relaxed);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| run(1));
            scope.spawn(|| run(2));
        });
        let rounds = rounds.into_inner();
        assert!(rounds > 0);
        assert_eq!(entered.into_inner(), rounds);
        assert_eq!(removed.into_inner(), rounds);
        assert_eq!(torn.into_inner(), 0, "of {rounds} rounds");
    }
}
