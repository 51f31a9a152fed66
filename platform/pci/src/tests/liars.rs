//! Devices that tell something else when buses are looked at again: on the model of a P7IOC.

use super::blocks::{Bench7, blocks};
use super::*;
use core::sync::atomic::{AtomicU32, Ordering};
use ioda::Bdf;
use ioda_model::{Below, Change};

const BUSES: u16 = 0x18;

/// A bridge to conventional PCI at 01:00.0, and below it as many bridges as it pleases: two while its secondary bus is
/// the first that it got, after that another number.
struct Liar {
    later: u8,
    /// The first bus below it that it was told; 0 before that.
    first: AtomicU32,
    /// Its bus numbers, then those of the bridges below.
    buses: [AtomicU32; 9],
}

impl Liar {
    fn new(later: u8) -> &'static Self {
        Box::leak(Box::new(Self {
            later,
            first: AtomicU32::new(0),
            buses: core::array::from_fn(|_| AtomicU32::new(0)),
        }))
    }

    /// Its secondary and subordinate bus, or those of one of the bridges below.
    fn buses(&self, index: usize) -> [u8; 2] {
        let [_, secondary, subordinate, _] =
            self.buses[index].load(Ordering::Relaxed).to_le_bytes();
        [secondary, subordinate]
    }

    fn find(&self, bdf: Bdf) -> Option<usize> {
        if bdf == Bdf::new(1, 0, 0) {
            return Some(0);
        }
        let [secondary, _] = self.buses(0);
        let is_first = u32::from(secondary) == self.first.load(Ordering::Relaxed);
        let count = if is_first { 2 } else { self.later };
        let is_there = secondary != 0 && bdf.bus() == secondary && bdf.function() == 0;
        (is_there && bdf.device() < count).then(|| usize::from(bdf.device()) + 1)
    }
}

impl Below for Liar {
    fn config(&self, bdf: Bdf, at: u16, bytes: usize, value: Option<u32>) -> Option<u32> {
        let buses = &self.buses[self.find(bdf)?];
        let Some(value) = value else {
            return Some(match at {
                0x00 => 0x8112_10b5,
                0x0e => 1,
                BUSES => buses.load(Ordering::Relaxed),
                _ => 0,
            });
        };
        if at == BUSES {
            assert_eq!(bytes, 4);
            buses.store(value, Ordering::Relaxed);
            let secondary = value >> 8 & 0xff;
            if bdf.bus() == 1 && self.first.load(Ordering::Relaxed) == 0 {
                self.first.store(secondary, Ordering::Relaxed);
            }
        }
        Some(0)
    }

    fn changed(&self, _: Change) {}

    fn kill(&self, _: Option<u64>) {}
}

fn more_bridges_than_a_block_was_made_for_are_left_alone_and_give_their_buses_back() {
    // Bridges found the second time, and the block: the first time there are three buses, so four from bus 4 on.
    for (later, want) in [
        (2u8, (4, 7)),
        (0, (4, 7)),
        (3, (4, 7)),
        (4, (0, 0)),
        (8, (0, 0)),
    ] {
        let liar = Liar::new(later);
        let mut bench = Bench7::new(Fabric::new(root()));
        bench.model.attach(liar);
        let topology = bench.scan();
        assert_eq!(blocks(&topology), [want], "{later}");
        let buses = |index: usize| liar.buses(index + 1);
        let (first, last) = want;
        assert_eq!(liar.buses(0), [first, last], "{later}");
        let is_refused = first == 0;
        let found = if is_refused { 0 } else { usize::from(later) };
        assert_eq!(topology.functions.len(), 2 + found, "{later}");
        for index in 0..8usize {
            let bus = if index < found { 5 + index as u8 } else { 0 };
            assert_eq!(buses(index), [bus; 2], "{later}: bridge {index}");
        }
    }
}

cases::cases!(more_bridges_than_a_block_was_made_for_are_left_alone_and_give_their_buses_back,);
