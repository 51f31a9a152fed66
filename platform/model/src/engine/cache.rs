//! What a bridge has fetched from memory and keeps: translations ([`TceCache`]), endpoints ([`RidCache`]).
//!
//! Both are larger than the chips' own, so that what a driver forgets to invalidate is noticed. Their size is
//! fixed; an entry goes when another takes its line, as on the chip.

use alloc::boxed::Box;
use alloc::vec;

const TCE_LINES: usize = 1024;
const RID_LINES: usize = 512;

#[derive(Clone, Copy)]
struct TceLine {
    key: u64,
    /// The endpoint, where the cache goes by endpoints.
    pe: u16,
    is_valid: bool,
    words: [u64; 2],
}

/// Translations: by real address of a pair of entries, or by endpoint and bus address of the page.
pub(crate) struct TceCache {
    lines: Box<[TceLine]>,
}

impl TceCache {
    pub(crate) fn new() -> Self {
        const EMPTY: TceLine = TceLine {
            key: 0,
            pe: 0,
            is_valid: false,
            words: [0; 2],
        };
        Self {
            lines: vec![EMPTY; TCE_LINES].into_boxed_slice(),
        }
    }

    /// Spreads keys in a row, pairs (16 bytes apart) as well as pages: the golden ratio's multiples lie apart in
    /// their upper bits, which are taken.
    const fn line(pe: u16, key: u64) -> usize {
        let owner = (pe as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let mixed = (key >> 4 ^ owner).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> (64 - TCE_LINES.ilog2())) as usize
    }

    pub(crate) fn get(&self, pe: u16, key: u64) -> Option<[u64; 2]> {
        self.lines
            .get(Self::line(pe, key))
            .filter(|line| line.is_valid && line.pe == pe && line.key == key)
            .map(|line| line.words)
    }

    pub(crate) fn set(&mut self, pe: u16, key: u64, words: [u64; 2]) {
        if let Some(line) = self.lines.get_mut(Self::line(pe, key)) {
            *line = TceLine {
                key,
                pe,
                is_valid: true,
                words,
            };
        }
    }

    pub(crate) fn remove(&mut self, pe: u16, key: u64) {
        if let Some(line) = self.lines.get_mut(Self::line(pe, key)) {
            line.is_valid &= line.pe != pe || line.key != key;
        }
    }

    pub(crate) fn remove_pe(&mut self, pe: u16) {
        self.lines
            .iter_mut()
            .for_each(|line| line.is_valid &= line.pe != pe);
    }

    pub(crate) fn clear(&mut self) {
        self.lines.iter_mut().for_each(|line| line.is_valid = false);
    }
}

/// Endpoints by requester.
pub(crate) struct RidCache {
    lines: Box<[Option<(u16, u16)>]>,
}

impl RidCache {
    pub(crate) fn new() -> Self {
        Self {
            lines: vec![None; RID_LINES].into_boxed_slice(),
        }
    }

    const fn line(rid: u16) -> usize {
        (rid ^ rid >> 5) as usize % RID_LINES
    }

    pub(crate) fn get(&self, rid: u16) -> Option<u16> {
        let (tag, pe) = (*self.lines.get(Self::line(rid))?)?;
        (tag == rid).then_some(pe)
    }

    pub(crate) fn set(&mut self, rid: u16, pe: u16) {
        if let Some(line) = self.lines.get_mut(Self::line(rid)) {
            *line = Some((rid, pe));
        }
    }

    pub(crate) fn remove(&mut self, rid: u16) {
        if self.get(rid).is_some()
            && let Some(line) = self.lines.get_mut(Self::line(rid))
        {
            *line = None;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.lines.fill(None);
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;

    fn neighbours_do_not_push_each_other_out() {
        for step in [16u64, 4096, 65536] {
            let mut cache = TceCache::new();
            let keys = || (0..512).map(|n| 0x4000_0000 + n * step);
            keys().for_each(|key| cache.set(3, key, [key, 0]));
            let kept = keys().filter(|key| cache.get(3, *key).is_some()).count();
            assert!(kept > 300, "{step}: {kept}");
            assert!(keys().all(|key| cache.get(4, key).is_none()));
            // Another endpoint's pages do not have the same lines one by one.
            keys().for_each(|key| cache.set(7, key, [key, 0]));
            let kept = keys().filter(|key| cache.get(3, *key).is_some()).count();
            assert!(kept > 64, "{step}: {kept} beside another's");
            cache.remove_pe(3);
            assert!(keys().all(|key| cache.get(3, key).is_none()));
        }
    }

    fn an_endpoint_is_kept_until_its_requester_is_invalidated() {
        let mut cache = RidCache::new();
        cache.set(0x300, 7);
        cache.remove(0x301);
        assert_eq!(cache.get(0x300), Some(7));
        cache.remove(0x300);
        assert_eq!(cache.get(0x300), None);
    }

    cases::cases!(
        neighbours_do_not_push_each_other_out,
        an_endpoint_is_kept_until_its_requester_is_invalidated
    );
}
