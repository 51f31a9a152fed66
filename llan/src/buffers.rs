//! The receive buffers that a driver has lent: pools of one size each, linked lists in a fixed store.

use crate::POOLS;
use ioda::BeU64;
use papr_abi::HError;

/// Stands for "no buffer".
const NONE: u16 = u16::MAX;

#[derive(Clone, Copy, Debug)]
struct Pool {
    bytes: u32,
    first: u16,
}

/// A receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffer {
    /// Its I/O address.
    pub(crate) at: u32,
    /// Its size.
    pub(crate) bytes: u32,
}

/// The pools, which hold no more buffers than `nodes` are long.
#[derive(Debug)]
pub(crate) struct Buffers {
    pools: [Pool; POOLS],
    /// A buffer's I/O address in the low half; in the low 16 bits of the high one what follows it.
    nodes: &'static [BeU64],
    /// The first of those that were used and are free again.
    free: u16,
    /// All from here on were never used.
    fresh: u16,
}

impl Buffers {
    pub(crate) fn new(nodes: &'static [BeU64]) -> Self {
        let (bytes, first) = (0, NONE);
        Self {
            pools: [Pool { bytes, first }; POOLS],
            nodes: nodes.get(..NONE.into()).unwrap_or(nodes),
            free: NONE,
            fresh: 0,
        }
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.nodes);
    }

    /// Puts `buffer` in.
    ///
    /// # Errors
    /// [`HError::Resource`] when there are too many, or of too many sizes.
    pub(crate) fn put(&mut self, buffer: Buffer) -> Result<(), HError> {
        let mut pools = self.pools.iter_mut();
        let same = |pool: &Pool| pool.bytes == buffer.bytes && pool.first != NONE;
        let pool = match pools.position(|pool| same(pool)) {
            Some(index) => self.pools.get_mut(index),
            None => self.pools.iter_mut().find(|pool| pool.first == NONE),
        };
        let pool = pool.ok_or(HError::Resource)?;
        let index = if self.free == NONE {
            self.fresh
        } else {
            self.free
        };
        let node = self.nodes.get(usize::from(index)).ok_or(HError::Resource)?;
        if self.free == NONE {
            self.fresh += 1;
        } else {
            self.free = (node.load() >> 32) as u16;
        }
        node.store(u64::from(pool.first) << 32 | u64::from(buffer.at));
        pool.bytes = buffer.bytes;
        pool.first = index;
        Ok(())
    }

    /// Takes out one of the smallest that have `bytes`.
    pub(crate) fn take(&mut self, bytes: u32) -> Option<Buffer> {
        let fits = |pool: &&mut Pool| pool.first != NONE && pool.bytes >= bytes;
        let pool = self.pools.iter_mut().filter(fits);
        let pool = pool.min_by_key(|pool| pool.bytes)?;
        let node = self.nodes.get(usize::from(pool.first))?;
        let value = node.load();
        let next = (value >> 32) as u16;
        node.store(u64::from(self.free) << 32);
        self.free = core::mem::replace(&mut pool.first, next);
        Some(Buffer {
            at: value as u32,
            bytes: pool.bytes,
        })
    }

    /// Takes out one of exactly `bytes`.
    pub(crate) fn take_exact(&mut self, bytes: u32) -> Option<Buffer> {
        let mut pools = self.pools.iter();
        pools.find(|pool| pool.bytes == bytes && pool.first != NONE)?;
        // It is the smallest of those that fit.
        self.take(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn buffers(count: usize) -> Buffers {
        Buffers::new(Vec::leak((0..count).map(|_| BeU64::new(0)).collect()))
    }

    #[test]
    fn the_smallest_that_fits_is_taken() {
        let mut buffers = buffers(8);
        for (at, bytes) in [(1, 2048), (2, 512), (3, 65536)] {
            buffers.put(Buffer { at, bytes }).unwrap();
        }
        assert_eq!(buffers.take(513).map(|b| b.at), Some(1));
        assert_eq!(buffers.take(512).map(|b| b.at), Some(2));
        assert_eq!(buffers.take(65537), None);
        assert_eq!(buffers.take_exact(2048), None);
        assert_eq!(buffers.take(16).map(|b| b.at), Some(3));
        assert_eq!(buffers.take(0), None);
    }

    #[test]
    fn more_buffers_or_sizes_than_there_is_room_for_are_refused() {
        let mut buffers = buffers(POOLS + 1);
        let sizes = (16..).step_by(4);
        for bytes in sizes.take(POOLS) {
            buffers.put(Buffer { at: 0, bytes }).unwrap();
        }
        let other = Buffer { at: 0, bytes: 999 };
        assert_eq!(buffers.put(other), Err(HError::Resource));
        let known = Buffer { at: 7, bytes: 16 };
        assert_eq!(buffers.put(known), Ok(()));
        assert_eq!(buffers.put(known), Err(HError::Resource));
        // An empty pool makes room for another size.
        assert_eq!(buffers.take_exact(20).map(|b| b.at), Some(0));
        assert_eq!(buffers.put(other), Ok(()));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_taken_twice(steps in prop::collection::vec((0u8..4, 0u32..12), 0..300)) {
            let mut buffers = buffers(20);
            let mut model: Vec<Buffer> = vec![];
            let mut next = 0;
            for (step, size) in steps {
                let bytes = 16 + size * 4;
                match step {
                    0 | 1 => {
                        next += 1;
                        let buffer = Buffer { at: next, bytes };
                        let mut sizes: Vec<u32> = model.iter().map(|b| b.bytes).chain([bytes]).collect();
                        sizes.sort_unstable();
                        sizes.dedup();
                        let fits = model.len() < 20 && sizes.len() <= POOLS;
                        prop_assert_eq!(buffers.put(buffer).is_ok(), fits);
                        if fits { model.push(buffer); }
                    }
                    2 => {
                        let got = buffers.take(bytes);
                        let best = model.iter().map(|b| b.bytes).filter(|&b| b >= bytes).min();
                        prop_assert_eq!(got.map(|b| b.bytes), best);
                        if let Some(got) = got {
                            let at = model.iter().position(|b| *b == got);
                            prop_assert!(at.is_some(), "never put in: {:?}", got);
                            model.remove(at.unwrap());
                        }
                    }
                    _ if size == 0 => { buffers.clear(); model.clear(); }
                    _ => {
                        let got = buffers.take_exact(bytes);
                        prop_assert_eq!(got.is_some(), model.iter().any(|b| b.bytes == bytes));
                        if let Some(got) = got { model.retain(|b| *b != got); }
                    }
                }
            }
        }
    }
}
