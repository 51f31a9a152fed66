//! The tables in memory of a bridge that is a model: [`Memory`]. For every crate that runs this driver on `ioda-model`.

use crate::{Ive, Tables};
use alloc::boxed::Box;
use alloc::vec::Vec;
use ioda::{BeU16, BeU64, DmaTable};
use ioda_model::{Phb3 as Model, SharedMemory};

const RTT: u64 = 0x10_0000;
const PELTV: u64 = 0x14_0000;
const PEST: u64 = 0x14_4000;
const IVT: u64 = 0x18_0000;

/// What a bridge keeps in memory.
#[derive(Clone, Copy)]
pub struct Memory {
    rtt: &'static [BeU16],
    peltv: &'static [BeU64],
    pest: &'static [BeU64],
    ivt: &'static [Ive],
}

impl Memory {
    /// New memory, zeroed. It is never freed: bridges keep what they are given for ever.
    #[must_use]
    pub fn leak() -> Self {
        Self {
            rtt: leak(|| BeU16::new(0), Tables::RTT_ENTRIES),
            peltv: leak(|| BeU64::new(0), Tables::PELTV_ENTRIES),
            pest: leak(|| BeU64::new(0), Tables::PEST_ENTRIES),
            ivt: leak(Ive::zeroed, Tables::IVT_ENTRIES),
        }
    }

    /// Lets `model` reach it, and gives the tables for its driver. Their places are the same for each model: real
    /// addresses from 1 MiB to below 2 MiB.
    #[must_use]
    pub fn attach(self, model: &Model) -> Tables {
        model.add_memory(RTT, Box::new(self.rtt));
        model.add_memory(PELTV, Box::new(self.peltv));
        model.add_memory(PEST, Box::new(self.pest));
        model.add_memory(IVT, Box::new(IvtBytes(self.ivt)));
        Tables {
            rtt: table(self.rtt, RTT),
            peltv: table(self.peltv, PELTV),
            pest: table(self.pest, PEST),
            ivt: table(self.ivt, IVT),
        }
    }
}

const fn table<T>(cells: &'static [T], real: u64) -> DmaTable<T> {
    DmaTable { cells, real }
}

fn leak<T>(make: impl Fn() -> T, count: usize) -> &'static [T] {
    Vec::leak((0..count).map(|_| make()).collect())
}

struct IvtBytes(&'static [Ive]);

impl IvtBytes {
    /// The entry that the byte at `offset` is in, and which of it that is.
    fn find(&self, offset: u64) -> Option<(&Ive, usize)> {
        let offset = usize::try_from(offset).ok()?;
        let entry = self.0.get(offset / Tables::IVE_BYTES)?;
        Some((entry, offset % Tables::IVE_BYTES))
    }
}

impl SharedMemory for IvtBytes {
    fn bytes(&self) -> u64 {
        size_of_val(self.0) as u64
    }
    fn load(&self, offset: u64) -> u8 {
        self.find(offset).map_or(0, |(entry, at)| entry.byte(at))
    }
    fn store(&self, offset: u64, value: u8) {
        let done = self
            .find(offset)
            .and_then(|(entry, at)| entry.set_byte(at, value));
        assert!(done.is_some(), "the bridge writes P and Q alone");
    }
}
