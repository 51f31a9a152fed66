//! The on-chip tables: [`Table`], and how an entry is reached: its table and index in one register, then its content
//! in another.
//!
//! Who uses these functions holds a lock around each call: the registers remember one index for everybody.

use super::regs::{IODA_ADDR, IODA_DATA0, IodaAddr};
use crate::RegIo;

/// A table on the chip, by the code that selects it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table(pub u8);

// Those that both chips have under the same code; what an entry looks like may differ all the same.

/// Routing of LSIs.
pub const LXIVT: Table = Table(2);
/// Why an endpoint's MMIO is stopped.
pub const PEST_A: Table = Table(7);
/// Why its DMA is.
pub const PEST_B: Table = Table(8);
/// DMA windows.
pub const TVT: Table = Table(9);
/// 64-bit windows.
pub const M64BT: Table = Table(16);
/// Which endpoints are stopped: a bit for each, the first the most significant.
pub const PEEV: Table = Table(20);

/// Points `IODA_DATA0` at entry `index` of `table`.
pub fn select(io: &impl RegIo, table: Table, index: u16) {
    let address = IodaAddr::TSEL.val(table.0.into()) + IodaAddr::TADR.val(index.into());
    io.write64(IODA_ADDR, address.into());
}

/// Points `IODA_DATA0` at the first entry of `table`, from where each access steps on.
pub fn start(io: &impl RegIo, table: Table) {
    let address = IodaAddr::AUTOINC::SET + IodaAddr::TSEL.val(table.0.into());
    io.write64(IODA_ADDR, address.into());
}

/// Reads entry `index` of a table of one word.
#[must_use]
pub fn read(io: &impl RegIo, table: Table, index: u16) -> u64 {
    select(io, table, index);
    io.read64(IODA_DATA0)
}

/// Writes entry `index` of a table of one word.
pub fn write(io: &impl RegIo, table: Table, index: u16, entry: u64) {
    select(io, table, index);
    io.write64(IODA_DATA0, entry);
}

/// Writes `entries` to a table of one word, from its first on.
pub fn load(io: &impl RegIo, table: Table, entries: impl Iterator<Item = u64>) {
    start(io, table);
    for entry in entries {
        io.write64(IODA_DATA0, entry);
    }
}
