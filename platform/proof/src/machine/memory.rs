//! Memory that driver and model share, for one machine after the other: [`Pool`].

use crate::Chip;
use alloc::boxed::Box;
use alloc::vec::Vec;
use ioda::BeU64;
use lock::Mutex;
use phb3::on_model::Memory;

/// A translation table.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    pub(crate) cells: &'static [BeU64],
    pub(crate) real: u64,
    pub(crate) page_shift: u8,
}

/// The memory of a machine. Bridges keep what they are given for ever, so it is never freed, but used again
/// once its machine is gone.
pub(crate) struct Pool {
    chip: Chip,
    parts: Option<Parts>,
}

struct Parts {
    tables: &'static [Table],
    in_memory: Option<Memory>,
}

/// What is free.
static FREE: Mutex<Vec<(Chip, Parts)>> = Mutex::new(Vec::new());

/// Entries and page sizes of the tables that programs choose from.
const P7IOC: [(usize, u8); 6] = [
    (0x8000, 12),
    (0x8000, 12),
    (0x8000, 12),
    (0x8000, 12),
    (0x1_0000, 12),
    (0x2_0000, 12),
];
const PHB3: [(usize, u8); 6] = [
    (512, 12),
    (512, 12),
    (512, 12),
    (2048, 12),
    (512, 16),
    (512, 24),
];
/// Real address of the first table; they are [`STRIDE`] apart, so that each is aligned to its size.
const FIRST: u64 = 0x2000_0000;
const STRIDE: u64 = 0x10_0000;

fn leak<T>(make: impl Fn() -> T, count: usize) -> &'static [T] {
    Vec::leak((0..count).map(|_| make()).collect())
}

impl Parts {
    fn new(chip: Chip) -> Self {
        let shapes = match chip {
            Chip::P7ioc => P7IOC,
            Chip::Phb3 => PHB3,
        };
        let tables = shapes
            .into_iter()
            .zip(0..)
            .map(|((entries, page_shift), index)| Table {
                cells: leak(|| BeU64::new(0), entries),
                real: FIRST + index * STRIDE,
                page_shift,
            });
        let in_memory = (chip == Chip::Phb3).then(Memory::leak);
        Self {
            tables: Box::leak(tables.collect::<Vec<_>>().into_boxed_slice()),
            in_memory,
        }
    }
}

impl Pool {
    /// Memory for a machine, zeroed but for what a driver fills.
    pub(crate) fn take(chip: Chip) -> Self {
        let mut free = FREE.lock();
        let found = free.iter().position(|(of, _)| *of == chip);
        let parts = found.map(|index| free.swap_remove(index).1);
        drop(free);
        let parts = parts.unwrap_or_else(|| Parts::new(chip));
        for table in parts.tables {
            table.cells.iter().for_each(|cell| cell.store(0));
        }
        Self {
            chip,
            parts: Some(parts),
        }
    }

    /// The translation tables.
    pub(crate) fn tables(&self) -> &'static [Table] {
        self.parts.as_ref().map_or(&[], |parts| parts.tables)
    }

    pub(super) fn in_memory(&self) -> Option<Memory> {
        self.parts.as_ref()?.in_memory
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            FREE.lock().push((self.chip, parts));
        }
    }
}
