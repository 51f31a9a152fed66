//! What a driver may do: the bridge's registers, config cycles, tables.

use super::tables::{M64BT, MVT, MXIVT, PEEV, TVT};
use super::{Change, P7iocBlock, P7iocRegs, State, Tables, bit, field};
use alloc::collections::BTreeMap;
use alloc::format;
use ioda::{Reg8, Reg16, Reg32, Reg64, RegIo, Rid};

/// What registers hold out of reset.
pub(super) fn at_reset() -> BTreeMap<u16, u64> {
    [
        (0x800, 0x0000_00a2_0000_0002),
        (0x600, 0x4228_00fc_2000_0000),
    ]
    .into_iter()
    .collect()
}

/// Registers that have no effect here but are there.
const PLAIN: [u16; 46] = [
    0x100, 0x110, 0x120, 0x140, 0x170, 0x178, 0x180, 0x190, 0x198, 0x1a0, 0x1f0, 0x218, 0x410,
    0x418, 0x420, 0x4d0, 0x4e0, 0x4f0, 0x520, 0x530, 0x540, 0x548, 0x550, 0x558, 0x560, 0x600,
    0x660, 0x668, 0x680, 0x688, 0x690, 0x698, 0x6a0, 0x6a8, 0x810, 0x818, 0x820, 0x828, 0x840,
    0x850, 0x858, 0x868, 0x878, 0x880, 0xc18, 0xfb0,
];
/// What the fast path does not work without.
const CREDITS: [u16; 6] = [0x818, 0x820, 0x828, 0x840, 0x858, 0x868];

fn is_plain(at: u16) -> bool {
    let is_trap = (0xc80..0xe80).contains(&at) && at % 0x80 <= 0x58 && at.is_multiple_of(8);
    PLAIN.contains(&at) || is_trap || matches!(at, 0xc10 | 0xc30 | 0xc38 | 0xc40)
}

impl P7iocRegs {
    fn hub_offset(self, at: u16) -> Option<u32> {
        let base = match self.block {
            P7iocBlock::Bus => 0x3c_0000,
            P7iocBlock::Crossbar => 0x3d_0000,
            P7iocBlock::Global => 0x3e_0000,
            P7iocBlock::Asb | P7iocBlock::Aib => return None,
        };
        Some(base + u32::from(at))
    }

    fn lane(self, at: u16, bytes: u16, value: Option<u32>) -> u32 {
        let mut state = self.model.state.lock();
        let ones = (u64::MAX >> (64 - 8 * bytes)) as u32;
        if self.hub_offset(at).is_some() || !(0x130..0x134).contains(&at) {
            state.complain(format!("{bytes} bytes at {at:#x} of {:?}", self.block));
            return ones;
        }
        if !state.answers(self.block) {
            return ones;
        }
        state
            .config(at - 0x130, bytes.into(), value)
            .unwrap_or(ones)
    }
}

impl RegIo for P7iocRegs {
    fn read64(&self, reg: Reg64) -> u64 {
        let mut state = self.model.state.lock();
        let at = reg.offset();
        match self.hub_offset(at) {
            Some(at) => state.hub_read(at),
            None if state.answers(self.block) => state.read(at),
            None => u64::MAX,
        }
    }
    fn write64(&self, reg: Reg64, value: u64) {
        let mut state = self.model.state.lock();
        let at = reg.offset();
        match self.hub_offset(at) {
            Some(at) => state.hub_write(at, value),
            None if state.answers(self.block) => state.write(at, value),
            None => {}
        }
    }
    // On the bus the lowest address comes first, and config data is little-endian.
    fn read32(&self, reg: Reg32) -> u32 {
        self.lane(reg.offset(), 4, None).swap_bytes()
    }
    fn write32(&self, reg: Reg32, value: u32) {
        self.lane(reg.offset(), 4, Some(value.swap_bytes()));
    }
    fn read16(&self, reg: Reg16) -> u16 {
        (self.lane(reg.offset(), 2, None) as u16).swap_bytes()
    }
    fn write16(&self, reg: Reg16, value: u16) {
        self.lane(reg.offset(), 2, Some(value.swap_bytes().into()));
    }
    fn read8(&self, reg: Reg8) -> u8 {
        self.lane(reg.offset(), 1, None) as u8
    }
    fn write8(&self, reg: Reg8, value: u8) {
        self.lane(reg.offset(), 1, Some(value.into()));
    }
    fn sync(&self) {}
    fn flush_line(&self, _real: u64) {}
}

impl State {
    /// Whether the bridge takes an access by this path.
    fn answers(&mut self, block: P7iocBlock) -> bool {
        if self.is_dead() {
            return false;
        }
        if self.is_held() {
            self.complain("the bridge is held in reset".into());
            return false;
        }
        if block == P7iocBlock::Asb {
            return true;
        }
        let is_ready = self.has_fast_path() && CREDITS.iter().all(|at| self.reg(*at) != 0);
        if !is_ready {
            self.complain("the fast path is not set up".into());
        }
        is_ready && !self.is_fenced()
    }

    fn read(&mut self, at: u16) -> u64 {
        // A load comes back only behind the stores before it.
        self.arrive();
        match at {
            0x228 => self.table_read(0),
            0x230 => self.table_read(1),
            0x2c8 => u64::from(self.fir != 0),
            0x640 => self.train(),
            0xc00 => self.fir,
            0x160 | 0x800 | 0x808 => self.reg(at),
            _ if is_plain(at) => self.reg(at),
            _ => {
                self.complain(format!("a load from {at:#x}"));
                u64::MAX
            }
        }
    }

    fn write(&mut self, at: u16, value: u64) {
        match at {
            0x160 => {
                if self.reg(at) & bit(2) != 0 && value & bit(2) == 0 {
                    self.post(None);
                }
                self.regs.insert(at, value);
            }
            0x210 => self.kill(value),
            0x220 => {
                self.regs.insert(at, value);
                self.second = None;
            }
            0x228 => self.table_write(value),
            0x230 => self.second = Some(value),
            0x640 => {
                let is_off = value & bit(1) != 0;
                if is_off != self.link.is_off {
                    self.link.off_looks = 2;
                    self.link.up_looks = 3;
                }
                self.link.is_off = is_off;
            }
            0x808 => {
                let falls = self.reg(at) & bit(2) != 0 && value & bit(2) == 0;
                if falls {
                    self.reset_below("PERST");
                    self.fabric.device_mut(0).reset();
                }
                self.regs.insert(at, value);
                self.tell(Change::RootPort);
            }
            0xc00 => self.fir = value,
            0xc08 => self.fir &= value,
            _ if is_plain(at) => {
                self.regs.insert(at, value);
            }
            _ => self.complain(format!("a store to {at:#x}")),
        }
    }

    fn reset_below(&mut self, what: &str) {
        if !self.link.is_off || self.link.off_looks != 0 {
            self.complain(format!("{what} while the link is up"));
        }
        self.fabric.reset_below(0);
    }

    /// Link training: each look brings it on.
    fn train(&mut self) -> u64 {
        let link = &mut self.link;
        let mut value = 0;
        if link.layer_looks != 0 {
            link.layer_looks -= 1;
            return bit(22);
        }
        if link.is_off {
            value |= bit(1);
            link.off_looks = link.off_looks.saturating_sub(1);
            if link.off_looks == 0 {
                value |= bit(16);
            }
        } else {
            link.up_looks = link.up_looks.saturating_sub(1);
            if link.up_looks == 0 && !link.is_empty {
                value |= bit(21) | bit(23);
            }
        }
        value
    }

    fn kill(&mut self, value: u64) {
        if value & bit(0) == 0 || value & !(bit(0) | 0x0000_ffff_ffff_fff0) != 0 {
            self.complain(format!("a kill of {value:#x}"));
        }
        self.post(Some(value & 0x0000_ffff_ffff_fff0));
    }

    /// A kill is on its way.
    fn post(&mut self, pair: Option<u64>) {
        match self.below {
            Some(below) => below.kill(pair),
            None => self.posted.push(pair),
        }
    }

    fn arrive(&mut self) {
        for kill in core::mem::take(&mut self.posted) {
            match kill {
                Some(pair) => {
                    self.tce_cache.remove(&pair);
                }
                None => self.tce_cache.clear(),
            }
        }
    }

    fn selected(&mut self) -> Option<(u64, usize, usize)> {
        let select = self.reg(0x220);
        let (table, index) = (field(select, 11, 15), (select & 0xffff) as usize);
        if self.reg(0x808) == 0 {
            self.complain("a table while the cores are held".into());
            return None;
        }
        match Tables::shape(table) {
            Some((entries, words)) if index < entries => {
                if select & bit(0) != 0 {
                    self.regs.insert(0x220, select + 1);
                }
                Some((table, index, words))
            }
            Some(_) => {
                self.complain(format!("entry {index} of table {table}"));
                None
            }
            None => {
                self.complain(format!("table {table}, of which nothing is known"));
                None
            }
        }
    }

    fn table_read(&mut self, word: usize) -> u64 {
        let Some((table, index, words)) = self.selected() else {
            return u64::MAX;
        };
        if word >= words {
            self.complain(format!("a second word of table {table}"));
        }
        self.tables
            .get(table, index)
            .map_or(u64::MAX, |entry| entry[word])
    }

    fn table_write(&mut self, first: u64) {
        let Some((table, index, words)) = self.selected() else {
            return;
        };
        let second = self.second.take();
        if (words == 2) != second.is_some() {
            self.complain(format!(
                "table {table} has {words} words, and not so many came"
            ));
        }
        let entry = [first, second.unwrap_or(0)];
        if let Some(why) = self.unknown(table, index, entry) {
            self.complain(format!(
                "entry {index} of table {table}, {entry:#x?}: {why}"
            ));
        }
        if table == PEEV && first != 0 {
            self.complain("the summary is set by freezing".into());
        }
        self.tables.set(table, index, entry);
        self.tell(Change::Entry(table, index));
    }

    /// Why nobody knows what the chip makes of this entry.
    fn unknown(&self, table: u64, index: usize, [first, second]: [u64; 2]) -> Option<&'static str> {
        match table {
            super::tables::HRT if first != u64::from(self.index) + 1 => Some("not the one known"),
            super::tables::LXIVT | MXIVT if field(first, 58, 59) != 0 => Some("hub route"),
            MVT if first & bit(0) != 0 && field(first, 21, 23) == 1 => Some("bus bits"),
            super::tables::PELTM if field(first, 16, 18) == 1 => Some("bus bits"),
            TVT if field(first, 51, 55) == 0 => None,
            TVT if index >= 16 => Some("which addresses choose it"),
            TVT if index >= 12 => Some("it lies over the MMIO window"),
            TVT if field(second, 19, 23) != 1 => Some("how page and window sizes go together"),
            TVT if field(first, 51, 55) > 2 => Some("what is beyond its slot"),
            TVT if field(first, 48, 50) == 1 => Some("bus bits"),
            M64BT if first & bit(0) != 0 => self.bad_window(index, first),
            _ => None,
        }
    }

    fn bad_window(&self, index: usize, entry: u64) -> Option<&'static str> {
        let range = |entry: u64| {
            let base = field(entry, 8, 31);
            (base, base + 0x100_0000 - field(entry, 40, 63))
        };
        let (base, end) = range(entry);
        let area = (super::P7ioc::BAR2 + (u64::from(self.index) + 1) * 0x8_0000_0000) >> 24;
        let meets = (0..16).filter(|other| *other != index).any(|other| {
            let theirs = self.tables.word(M64BT, other);
            let (start, stop) = range(theirs);
            theirs & bit(0) != 0 && start < end && base < stop
        });
        if field(entry, 40, 63) == 0 || base < area || end > area + 0x800 {
            Some("it can fence the bridge")
        } else if meets {
            Some("which window wins")
        } else {
            None
        }
    }

    fn config(&mut self, lane: u16, bytes: usize, value: Option<u32>) -> Option<u32> {
        let address = self.reg(0x140);
        let bdf = Rid(field(address, 4, 19) as u16);
        let at = (field(address, 20, 31) as u16 | lane).into();
        if address & bit(0) == 0 || lane + bytes as u16 > 4 {
            self.complain(format!("a config cycle for {address:#x}"));
            return None;
        }
        if bdf.bus() == 0 && bdf.0 != 0 {
            self.complain(format!("a config cycle for {bdf}"));
            self.set_fence(1);
            return None;
        }
        if bdf.0 != 0 && (self.link.is_off || self.reg(0x808) & bit(2) == 0) {
            self.complain(format!("a config cycle for {bdf} during a reset"));
            return None;
        }
        let outside = self.below.filter(|_| bdf.0 != 0);
        let answer = outside.and_then(|below| below.config(bdf, at as u16, bytes, value));
        if answer.is_some() {
            return answer;
        }
        let inside = self.fabric.route(bdf).filter(|_| outside.is_none());
        let Some(index) = inside else {
            let pe = self.tables.endpoint(bdf);
            let kind = if value.is_some() { bit(4) } else { bit(3) };
            self.freeze(pe, kind | bit(9) | u64::from(bdf.0) << 16, 0);
            return None;
        };
        let device = self.fabric.device_mut(index);
        match value {
            Some(value) => {
                let was_reset = device.get(0x3e, 2) & 0x40 != 0;
                device.write(at, bytes, value);
                let is_reset = index == 0 && device.get(0x3e, 2) & 0x40 != 0;
                if is_reset && !was_reset {
                    self.reset_below("a bus reset");
                }
                if index == 0 {
                    self.tell(Change::RootPort);
                }
                None
            }
            None => Some(device.get(at, bytes)),
        }
    }
}
