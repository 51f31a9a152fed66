//! What has changed in the model and not yet below: [`Pending`].

use crate::entry::table;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use ioda_model::Change;

/// A set of small numbers.
#[derive(Debug)]
pub(crate) struct Marks<const WORDS: usize>([AtomicU64; WORDS]);

impl<const WORDS: usize> Marks<WORDS> {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; WORDS])
    }

    /// Puts `index` in; nothing if the set has no such number.
    pub(crate) fn set(&self, index: usize) {
        if let Some(word) = self.0.get(index / 64) {
            word.fetch_or(1 << (index % 64), SeqCst);
        }
    }

    /// Empties the set; what was in it.
    pub(crate) fn take(&self) -> impl Iterator<Item = u16> + use<WORDS> {
        let words = self.0.each_ref().map(|word| word.swap(0, SeqCst));
        (0u16..).zip(words).flat_map(|(index, word)| {
            (0..64u16).filter_map(move |bit| {
                (word >> bit & 1 == 1).then_some(index.wrapping_mul(64).wrapping_add(bit))
            })
        })
    }

    /// Puts everything in.
    pub(crate) fn set_all(&self) {
        self.0.iter().for_each(|word| word.store(u64::MAX, SeqCst));
    }
}

/// Entries of the model's tables that were written, and the rest of its state that counts below.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Requesters of an endpoint.
    pub(crate) requesters: Marks<2>,
    /// Endpoints whose stopping has changed.
    pub(crate) stopped: Marks<2>,
    pub(crate) windows: Marks<1>,
    pub(crate) senders: Marks<4>,
    pub(crate) messages: Marks<4>,
    pub(crate) wires: Marks<1>,
    pub(crate) segments: Marks<2>,
    pub(crate) m64: Marks<1>,
    /// The root port.
    pub(crate) root: AtomicBool,
    /// All tables.
    pub(crate) lost: AtomicBool,
    /// Any of these.
    any: AtomicBool,
}

impl Pending {
    pub(crate) const fn new() -> Self {
        Self {
            requesters: Marks::new(),
            stopped: Marks::new(),
            windows: Marks::new(),
            senders: Marks::new(),
            messages: Marks::new(),
            wires: Marks::new(),
            segments: Marks::new(),
            m64: Marks::new(),
            root: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            any: AtomicBool::new(false),
        }
    }

    /// Notes a change, if it counts below.
    pub(crate) fn note(&self, what: Change) {
        match what {
            Change::Entry(table, index) => match table {
                table::PELTM => self.requesters.set(index),
                table::PESTA | table::PESTB => self.stopped.set(index),
                table::TVT => self.windows.set(index),
                table::MVT => self.senders.set(index),
                table::MXIVT => self.messages.set(index),
                table::LXIVT => self.wires.set(index),
                table::M32DT => self.segments.set(index),
                table::M64BT => self.m64.set(index),
                _ => return,
            },
            Change::RootPort => self.root.store(true, SeqCst),
            Change::Lost => {
                self.lost.store(true, SeqCst);
                self.root.store(true, SeqCst);
            }
        }
        self.any.store(true, SeqCst);
    }

    /// Whether anything was noted since the last time.
    pub(crate) fn take_any(&self) -> bool {
        self.any.swap(false, SeqCst)
    }
}
