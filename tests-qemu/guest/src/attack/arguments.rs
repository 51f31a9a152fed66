//! Numbers to make calls with: most of them near one that means something.

use super::{PLAYGROUND, PLAYGROUND_MASK};
use crate::tree::Platform;
use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

/// Numbers at which something begins or ends.
const EDGES: [u64; 32] = [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    16,
    0xff,
    0x100,
    0x200,
    512,
    513,
    0xfff,
    0x1000,
    0x7fff,
    0xffff,
    0x1_0000,
    0xff_ffff,
    0x100_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    1 << 45,
    1 << 52,
    1 << 60,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];
const MOST: usize = 128;
static LEARNT: [AtomicU64; MOST] = [const { AtomicU64::new(0) }; MOST];
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn note(value: u64) {
    let place = COUNT.fetch_add(1, SeqCst);
    match LEARNT.get(place) {
        Some(slot) => slot.store(value, SeqCst),
        None => COUNT.store(MOST, SeqCst),
    }
}

/// Learns what the platform's own numbers are: what belongs to the partition, and what lies next to that.
pub(super) fn learn(platform: &Platform) {
    let end = platform.memory_end;
    for value in [
        PLAYGROUND,
        end,
        end - 8,
        end - 4096,
        end - (1 << 20),
        2 * end,
    ] {
        note(value);
    }
    note(platform.ptegs * 8);
    note(platform.ptegs * 128);
    note(u64::from(platform.vty));
    for server in platform.servers.iter().take(platform.cpus) {
        note(u64::from(*server));
    }
    for bridge in platform.bridges() {
        let window = bridge.window;
        note(u64::from(window.liobn));
        note(window.base);
        note(window.base + window.bytes);
        note(bridge.buid);
        note(bridge.buid >> 32);
        note(bridge.mem32.0);
        note(bridge.mem32.1);
        note(bridge.mem32.1 + bridge.mem32.2);
    }
    for adapter in platform.adapters() {
        note(u64::from(adapter.unit));
        note(u64::from(adapter.irq));
        note(adapter.window.bytes);
    }
    for function in platform.functions() {
        note(u64::from(function.config_addr));
        if let Ok(source) = function.source(platform, 0) {
            note(u64::from(source.out[0]));
        }
    }
}

/// A stream of numbers.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number less than `limit`, which is small.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit.max(1)
    }

    /// A number that means something.
    pub(super) fn known(&mut self) -> u64 {
        let count = COUNT.load(SeqCst).min(MOST);
        let place = self.below((EDGES.len() + count) as u64) as usize;
        let learnt = || place.checked_sub(EDGES.len()).and_then(|n| LEARNT.get(n));
        match EDGES.get(place) {
            Some(edge) => *edge,
            None => learnt().map_or(0, |value| value.load(SeqCst)),
        }
    }

    /// Any argument.
    pub(super) fn value(&mut self) -> u64 {
        match self.below(8) {
            0..=3 => self.known(),
            4 => {
                let bit = self.below(64);
                self.known() ^ 1 << bit
            }
            5 => {
                let distance = self.below(33);
                self.known().wrapping_add(distance).wrapping_sub(16)
            }
            6 => {
                let bits = self.below(64);
                self.0.next_u64() >> bits
            }
            _ => PLAYGROUND + (self.0.next_u64() & PLAYGROUND_MASK),
        }
    }

    /// A TCE: mostly one of a page that is played with.
    pub(super) fn tce(&mut self) -> u64 {
        let page = PLAYGROUND + (self.0.next_u64() & PLAYGROUND_MASK & !0xfff);
        let access = self.below(4);
        match self.below(8) {
            0 => super::spare::lifted(self.value()),
            _ => page | access,
        }
    }
}
