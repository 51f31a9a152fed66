//! A bridge under comparison, in words that programs use: [`Bench`]; the memory it works with: [`Arena`].

use super::side::{Side, Who};
use crate::machine;
use alloc::boxed::Box;
use alloc::vec::Vec;
use ioda::{
    BeU16, BeU64, DmaTable, Ioda, PhbId, Reg8, Reg16, Reg32, Reg64, RegIo, Step as StartStep,
    XscomIo,
};
use phb3::{Bases, Ive, Layout, Pbcq, Phb3, Port, Tables};
use spin::Once;

/// Memory that the bridge's tables and the device's targets are in, the same for all sides.
#[derive(Clone, Copy)]
pub(crate) struct Arena {
    pub(crate) cells: &'static [BeU64],
    pub(crate) real: u64,
}

impl Arena {
    /// Bytes, and alignment.
    const BYTES: u64 = 4 << 20;
    pub(crate) const RTT: u64 = 0;
    const PELTV: u64 = 0x2_0000;
    pub(crate) const PEST: u64 = 0x2_2000;
    pub(crate) const IVT: u64 = 0x4_0000;
    /// The table of the window that always works: its first page is the source, the second the sink.
    pub(crate) const GOOD_TABLE: u64 = 0x8_0000;
    const SOURCE: u64 = 0x8_1000;
    const SINK: u64 = 0x8_2000;
    /// The table of the window that programs try things on: 512 entries.
    pub(crate) const TABLE: u64 = 0x8_3000;
    /// Another.
    pub(crate) const TABLE_2: u64 = 0x8_4000;
    /// Pages to write to.
    pub(crate) const PAGE: u64 = 0x10_0000;
    pub(crate) const PAGE_2: u64 = 0x10_1000;

    /// The arena.
    pub(crate) fn get() -> Self {
        static ARENA: Once<Arena> = Once::new();
        *ARENA.call_once(|| {
            let (cells, real) = machine::take(Self::BYTES, Self::BYTES).expect("there is memory");
            Self { cells, real }
        })
    }

    fn clear(self) {
        self.cells.iter().for_each(|cell| cell.store(0));
    }

    /// The doubleword at `offset`.
    pub(crate) fn at(self, offset: u64) -> &'static BeU64 {
        &self.cells[(offset / 8) as usize]
    }

    /// Puts `bytes` bytes at `offset`.
    pub(crate) fn put(self, offset: u64, bytes: u64, value: u64) {
        let cell = self.at(offset);
        let shift = 64 - 8 * (offset % 8 + bytes);
        let mask = (u64::MAX >> (64 - 8 * bytes)) << shift;
        cell.store(cell.load() & !mask | value << shift & mask);
    }

    /// The bridge's tables in it.
    fn tables(self) -> Tables {
        Tables {
            rtt: DmaTable {
                cells: machine::view::<BeU16>(self.cells, Self::RTT, Tables::RTT_ENTRIES),
                real: self.real + Self::RTT,
            },
            peltv: DmaTable {
                cells: machine::view::<BeU64>(self.cells, Self::PELTV, Tables::PELTV_ENTRIES),
                real: self.real + Self::PELTV,
            },
            pest: DmaTable {
                cells: machine::view::<BeU64>(self.cells, Self::PEST, Tables::PEST_ENTRIES),
                real: self.real + Self::PEST,
            },
            ivt: DmaTable {
                cells: machine::view::<Ive>(self.cells, Self::IVT, Tables::IVT_ENTRIES),
                real: self.real + Self::IVT,
            },
        }
    }

    /// Clears the arena, has the driver start a bridge with tables in it, and returns where the bridge answers.
    pub(crate) fn start<R, X>(self, regs: impl FnOnce(u64) -> R, xscom: X, wait: fn(u32)) -> Layout
    where
        R: RegIo + Send + Sync + 'static,
        X: XscomIo,
    {
        self.clear();
        let tables = self.tables();
        let id = PhbId { chip: 0, index: 0 };
        let pbcq = Pbcq::open(xscom, id, Bases::of(0)).expect("the bridge answers");
        let layout = *pbcq.layout();
        let port = Port::new(regs(layout.registers), pbcq.irq_base(), &tables);
        let port = Box::leak(Box::new(port));
        let mut host = Phb3::new(pbcq, port, tables).expect("the tables are good");
        for _ in 0..10_000 {
            match host.poll().expect("the bridge starts") {
                StartStep::Done => return layout,
                StartStep::Pending { ms } => wait(ms),
            }
        }
        panic!("the bridge does not start");
    }
}

/// What a program saw at one place.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) value: u64,
}

/// IBM bit `n` of a doubleword.
pub(crate) const fn bit(n: u32) -> u64 {
    1 << (63 - n)
}

/// On-chip tables.
pub(crate) mod table {
    pub(crate) const LXIVT: u64 = 2;
    pub(crate) const PESTA: u64 = 7;
    pub(crate) const PESTB: u64 = 8;
    pub(crate) const TVT: u64 = 9;
    pub(crate) const M64BT: u64 = 16;
    pub(crate) const M32DT: u64 = 17;
    pub(crate) const PEEV: u64 = 20;
}

/// Bus, device and function of the root port, the edu, the ivshmem, the bridge to conventional PCI, and the edu there.
pub(crate) const ROOT: u64 = 0;
pub(crate) const EDU: u64 = 0x100;
pub(crate) const SHARED: u64 = 0x101;
const BRIDGE: u64 = 0x102;
pub(crate) const BEHIND: u64 = 0x218;
/// The id that the bridge gives to what comes from behind it: its secondary bus, 00.0.
pub(crate) const BEHIND_BRIDGE: u64 = 0x200;
/// The endpoints of both functions, and one more.
pub(crate) const PE: u64 = 5;
pub(crate) const SHARED_PE: u64 = 6;
pub(crate) const OTHER: u64 = 9;
/// Bus address of the edu's BAR, in segment 1 of 256.
pub(crate) const BAR: u64 = 0x8080_0000;
/// And of the one behind the bridge, in segment 2.
pub(crate) const BAR_BEHIND: u64 = 0x8100_0000;
/// Bus address of the window that always works; of its sink.
pub(crate) const GOOD: u64 = 1 << 59;
const GOOD_SINK: u64 = GOOD + 0x1000;
/// What the edu's buffer is filled with: this plus the number of the doubleword.
const FILL: u64 = 0x5eed_0000_0000_0000;
/// The doubleword of the buffer that reads go to.
const READ_SLOT: usize = 511;
/// What [`Bench::write`] gives when the write went nowhere.
pub(crate) const NOWHERE: u64 = 0xffff_ffff;

/// A started bridge with both functions placed, and the steps taken so far.
pub(crate) struct Bench<'a> {
    pub(crate) side: &'a mut dyn Side,
    pub(crate) arena: Arena,
    pub(crate) steps: Vec<Step>,
    writes: usize,
}

impl<'a> Bench<'a> {
    /// Places the functions of the started bridge `side`: the edu in endpoint [`PE`] with a window that works.
    pub(crate) fn new(side: &'a mut dyn Side, arena: Arena) -> Self {
        let mut bench = Self {
            side,
            arena,
            steps: Vec::new(),
            writes: 0,
        };
        bench.owns(ROOT, 255);
        bench.owns(EDU, PE);
        bench.owns(SHARED, SHARED_PE);
        bench.forget_owners();
        bench.set_config(ROOT, 0x18, 0x00ff_0100);
        // What an earlier program did to the functions is undone by a reset of their bus.
        bench.set_config(ROOT, 0x3c, 0x0040_0000);
        bench.set_config(ROOT, 0x3c, 0);
        bench.set_config(ROOT, 0x20, 0xfff0_8000);
        bench.set_config(ROOT, 0x04, 0x6);
        bench.set_config(EDU, 0x10, BAR as u32);
        bench.set_config(EDU, 0x04, 0x6);
        bench.set_config(BRIDGE, 0x18, 0x0002_0201);
        bench.set_config(BRIDGE, 0x20, 0x8100_8100);
        bench.set_config(BRIDGE, 0x04, 0x6);
        bench.set_config(BEHIND, 0x10, BAR_BEHIND as u32);
        bench.set_config(BEHIND, 0x04, 0x6);
        bench.set_table(table::M32DT, 1, PE << 48);
        for slot in 0..512 {
            arena.at(Arena::SOURCE + 8 * slot).store(FILL + slot);
        }
        arena
            .at(Arena::GOOD_TABLE)
            .store(arena.real + Arena::SOURCE + 3);
        arena
            .at(Arena::GOOD_TABLE + 8)
            .store(arena.real + Arena::SINK + 3);
        bench.window(PE, 1, Arena::GOOD_TABLE);
        bench.window(PE, 0, Arena::TABLE);
        bench.side.fill(Who::Edu, GOOD);
        // Nothing below would mean anything if the device reached nothing at all.
        assert_eq!(bench.write(GOOD_SINK), Arena::SINK, "the window works");
        bench
    }

    /// Notes what the program sees.
    pub(crate) fn see(&mut self, name: &'static str, value: u64) {
        self.steps.push(Step { name, value });
    }

    /// Reads a register.
    pub(crate) fn reg(&self, at: u16) -> u64 {
        self.side.regs().read64(Reg64::at(at))
    }

    /// Writes a register.
    pub(crate) fn set_reg(&mut self, at: u16, value: u64) {
        self.side.regs().write64(Reg64::at(at), value);
        self.side.regs().sync();
    }

    /// Reads an entry of a table on the chip.
    pub(crate) fn table(&mut self, table: u64, index: u64) -> u64 {
        self.set_reg(0x220, table << 48 | index);
        self.reg(0x228)
    }

    /// Writes an entry of a table on the chip.
    pub(crate) fn set_table(&mut self, table: u64, index: u64, value: u64) {
        self.set_reg(0x220, table << 48 | index);
        self.set_reg(0x228, value);
    }

    /// Selects a config register, blaming endpoint `pe`, and returns its data's first lane.
    pub(crate) fn select(&mut self, bdf: u64, at: u64, pe: u64) -> u16 {
        self.set_reg(0x140, bit(0) | bdf << 44 | (at & !3) << 32 | pe << 16);
        0x130 + (at & 3) as u16
    }

    /// The endpoint that config cycles to `bdf` are to blame.
    fn blamed(&self, bdf: u64) -> u64 {
        self.arena.at(Arena::RTT + 2 * bdf & !7).load() >> (48 - 16 * (bdf & 3)) & 0xff
    }

    /// Reads a word of config space.
    pub(crate) fn config(&mut self, bdf: u64, at: u64) -> u64 {
        let lane = self.select(bdf, at, self.blamed(bdf));
        self.side.regs().read32(Reg32::at(lane)).swap_bytes().into()
    }

    /// Reads two bytes of config space.
    pub(crate) fn config16(&mut self, bdf: u64, at: u64) -> u64 {
        let lane = self.select(bdf, at, self.blamed(bdf));
        self.side.regs().read16(Reg16::at(lane)).swap_bytes().into()
    }

    /// Reads a byte of config space.
    pub(crate) fn config8(&mut self, bdf: u64, at: u64) -> u64 {
        let lane = self.select(bdf, at, self.blamed(bdf));
        self.side.regs().read8(Reg8::at(lane)).into()
    }

    /// Writes a word of config space.
    pub(crate) fn set_config(&mut self, bdf: u64, at: u64, value: u32) {
        let lane = self.select(bdf, at, self.blamed(bdf));
        self.side
            .regs()
            .write32(Reg32::at(lane), value.swap_bytes());
    }

    /// Puts requester `bdf` in `pe`, in memory alone.
    pub(crate) fn owns(&mut self, bdf: u64, pe: u64) {
        self.arena.put(Arena::RTT + 2 * bdf, 2, pe);
    }

    /// Has the bridge forget all that it knows of requesters.
    pub(crate) fn forget_owners(&mut self) {
        self.set_reg(0x208, bit(0));
    }

    /// A window's entry: `levels` tables of 512 entries, the first at arena offset `table`; pages of 2^(`psize` + 11) bytes.
    pub(crate) fn tve(&self, table: u64, levels: u64, psize: u64) -> u64 {
        (self.arena.real + table) >> 12 << 16 | (levels - 1) << 13 | 1 << 8 | psize
    }

    /// Opens window 0 or 1 of `pe`: one table of 512 entries of 4 KiB at `table`.
    pub(crate) fn window(&mut self, pe: u64, window: u64, table: u64) {
        self.set_table(table::TVT, 2 * pe + window, self.tve(table, 1, 1));
    }

    /// Sets entry `index` of the table at `table` to arena offset `page` with permission `bits`, and tells the bridge.
    pub(crate) fn map(&mut self, table: u64, index: u64, page: u64, bits: u64) {
        self.map_quietly(table, index, page, bits);
        self.kill_all();
    }

    /// As [`map`](Self::map), but the bridge is not told.
    pub(crate) fn map_quietly(&mut self, table: u64, index: u64, page: u64, bits: u64) {
        let entry = (self.arena.real + page) | bits;
        self.arena.at(table + 8 * index).store(entry);
        self.side.regs().sync();
    }

    /// Has the bridge forget all entries of windows.
    pub(crate) fn kill_all(&mut self) {
        self.set_reg(0x210, bit(0));
    }

    /// The edu writes eight bytes at `bus`: the arena offset where they landed, [`NOWHERE`] if they did not.
    pub(crate) fn write(&mut self, bus: u64) -> u64 {
        self.write_by(Who::Edu, bus)
    }

    /// As [`write`](Self::write), by either edu.
    pub(crate) fn write_by(&mut self, who: Who, bus: u64) -> u64 {
        let slot = self.writes % READ_SLOT;
        self.writes += 1;
        self.side.dma_out(who, bus, slot);
        let pattern = FILL + slot as u64;
        // The source has them all along.
        let offsets = (0..self.arena.cells.len() as u64).map(|cell| 8 * cell);
        let mut landed = offsets.filter(|at| {
            !(Arena::SOURCE..Arena::SOURCE + 0x1000).contains(at)
                && self.arena.at(*at).load() == pattern
        });
        landed.next().unwrap_or(NOWHERE)
    }

    /// Whether the edu, reading eight bytes at `bus`, gets what is at arena offset `offset`. It passes them on through the
    /// window that works, which must do so.
    pub(crate) fn reads(&mut self, bus: u64, offset: u64) -> u64 {
        let pattern = 0xfeed_0000_0000_0000 + self.steps.len() as u64;
        self.arena.at(offset).store(pattern);
        self.arena.at(Arena::SINK).store(0);
        self.side.dma_in(Who::Edu, bus, READ_SLOT);
        self.side.dma_out(Who::Edu, GOOD_SINK, READ_SLOT);
        u64::from(self.arena.at(Arena::SINK).load() == pattern)
    }

    /// Thaws `pe`, errors first.
    pub(crate) fn thaw(&mut self, pe: u64) {
        self.set_reg(0xc00, 0);
        self.set_table(table::PESTA, pe, 0);
        self.set_table(table::PESTB, pe, 0);
    }

    /// Real address of what is at bus address `bus` of the 32-bit window.
    pub(crate) fn real(&self, bus: u64) -> u64 {
        self.reg(0x190) + (bus - self.reg(0x1a0))
    }
}
