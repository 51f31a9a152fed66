//! How the PHB4 codes its tables and what it looks up in them: the chip's part of the engine.

use super::Phb4Chip;
use super::params::{MBT, MDT, MIST, PELTV_BAR, PEST_BAR, params};
use crate::Refusal;
use crate::bits::{bit, field};
use crate::chip::ioda2::{self, Ioda2};
use crate::chip::{Aim, Chip, Choice, Params, Place, Refused, Status, Tve};
use crate::engine::State;
use crate::engine::cache::RidCache;
use crate::engine::tables::TVT;
use crate::fabric::Address;
use alloc::format;
use ioda::Rid;

const CONFIG_ADDRESS: u16 = 0x140;
const CONFIG: u16 = 0x160;
const RTT_BAR: u16 = 0x168;
const M32_START: u16 = 0x1a0;
const IODA_ADDR: u16 = 0x220;
pub(super) const CONTROL: u16 = 0x810;
/// `CONTROL`: 64 KiB pages of sources; an end of interrupt by a store.
pub(super) const PAGES_64K: u64 = bit(11);
pub(super) const STORE_EOI: u64 = bit(12);
/// Core resets: PERST released.
pub(super) const CRESET: u16 = 0x1a10;
pub(super) const PERST_OFF: u64 = bit(3);
/// `CONFIG`: messages by 32-bit and by 64-bit address.
const MSI32: u64 = bit(8);
const MSI64: u64 = bit(14);
/// Codes of pages of 4 KiB, 64 KiB, 2 MiB, 1 GiB.
const PAGES: [u64; 4] = [1, 5, 10, 19];
/// Address bits of a window's entry.
const ADDRESS: u64 = 0x00ff_ffff_ffff_f000;

impl<const PES: u16> Ioda2 for Phb4Chip<PES> {
    fn rids(&mut self) -> &mut RidCache {
        &mut self.rids
    }
}

impl<const PES: u16> State<Phb4Chip<PES>> {
    /// Where `real` leads by window `window`.
    fn window_place(&self, window: u16, real: u64) -> Option<Place> {
        let first = self.tables.word(MBT, window.wrapping_mul(2));
        let second = self.tables.word(MBT, window.wrapping_mul(2) | 1);
        if first & second & bit(0) == 0 {
            return None;
        }
        let bytes = (!second & ADDRESS | 0xfff).wrapping_add(1);
        let offset = real.checked_sub(first & ADDRESS)?;
        if offset >= bytes {
            return None;
        }
        let code = field(first, 4, 5) as u32;
        let segment = |count: u64| offset.checked_div(bytes / count);
        let pe = match field(first, 2, 3) {
            0 => {
                let count = [PES.into(), 128, 64, 8].get(code as usize).copied()?;
                segment(count)?.wrapping_add(field(second, 55, 63))
            }
            1 => {
                let entry = self.tables.word(MDT, segment(PES.into())? as u16);
                field(entry, 16 * code, 16 * code + 15)
            }
            2 => field(second, 55, 63),
            _ => return None,
        };
        let pci = if first & bit(1) != 0 {
            self.reg(M32_START).wrapping_add(offset)
        } else {
            real
        };
        Some(Place {
            pe: pe as u16,
            pci: Address::Memory(pci),
        })
    }

    /// Whether MMIO BAR 0 or 1 is open and has `real`; their registers are `bar` and the next.
    fn bar_has(&self, real: u64, bar: u32, enable: u64) -> bool {
        let base = self.nest(bar) >> 8;
        let mask = self.nest(bar + 1) >> 8;
        self.nest(0x14) & enable != 0 && mask != 0 && real & mask == base
    }
}

impl<const PES: u16> Chip for Phb4Chip<PES> {
    const PARAMS: Params = params(PES);

    fn is_off(state: &State<Self>) -> bool {
        state.chip.is_fenced || state.is_held()
    }

    fn fence(state: &mut State<Self>) {
        state.chip.is_fenced = true;
        state.tell_below(crate::Change::Lost);
    }

    fn read(state: &mut State<Self>, at: u16) -> Option<u64> {
        state.read_own(at)
    }

    fn write(state: &mut State<Self>, at: u16, value: u64) -> bool {
        state.write_own(at, value)
    }

    fn endpoint(state: &mut State<Self>, rid: Rid) -> Result<u16, Refusal> {
        ioda2::endpoint(state, rid)
    }

    fn owner(state: &State<Self>, rid: Rid) -> Option<u16> {
        ioda2::owner(state, rid)
    }

    fn aim(state: &State<Self>, address: u64) -> Aim {
        let config = state.reg(CONFIG);
        let is_narrow = address >> 16 == 0xffff && config & MSI32 != 0;
        let is_wide = address >> 60 == 1 && config & MSI64 != 0;
        if is_narrow || is_wide {
            Aim::Message(address >> 4 & u64::from(State::<Self>::SOURCES - 1))
        } else {
            Aim::Memory
        }
    }

    fn choose(state: &mut State<Self>, rid: Rid, address: u64) -> Result<Choice, Refused> {
        ioda2::choose(state, rid, address)
    }

    fn window(state: &mut State<Self>, choice: Choice, address: u64) -> Option<Tve> {
        ioda2::window(state, choice, address)
    }

    fn message(state: &mut State<Self>, rid: Rid, aim: u64, data: u32) -> Result<u16, Refused> {
        state.take_message(rid, aim, data)
    }

    fn level(state: &mut State<Self>, wire: u8) {
        state.pull(wire);
    }

    fn takes(state: &State<Self>, real: u64) -> bool {
        state.bar_has(real, 0x0e, bit(0)) || state.bar_has(real, 0x10, bit(1))
    }

    /// The lowest window that has it.
    fn place(state: &State<Self>, real: u64) -> Option<Place> {
        (0..PES / 16).find_map(|window| state.window_place(window, real))
    }

    fn kill(state: &mut State<Self>, value: u64) {
        if state.chip.queue_looks != 0 {
            state.complain(|| format!("a TCE kill before there was room: {value:#x}"));
            return;
        }
        if value & (bit(0) | bit(1)) == 0 {
            // HW560152: one of a page can be dropped under load.
            state.complain(|| format!("a TCE kill that may not arrive: {value:#x}"));
            return;
        }
        if state.chip.kills.is_full() {
            state.arrive();
        }
        let _ = state.chip.kills.try_push(value);
        state.chip.queue_looks = 1;
        state.chip.kill_looks = 2;
    }

    fn objection(
        _state: &State<Self>,
        table: u8,
        _index: u16,
        [entry, _]: [u64; 2],
    ) -> Option<&'static str> {
        match table {
            TVT => ioda2::bad_window(entry, &PAGES),
            _ => None,
        }
    }

    /// Of the sources' table only the quads that the index register names are written, and their P and Q cleared.
    fn compose(state: &State<Self>, table: u8, index: u16, [entry, second]: [u64; 2]) -> [u64; 2] {
        if table != MIST {
            return [entry, second];
        }
        let named = field(state.reg(IODA_ADDR), 28, 31);
        let mask = (0..4u32)
            .filter(|quad| named & (8 >> quad) != 0)
            .fold(0u64, |mask, quad| mask | 0xffff << (48 - 16 * quad));
        let pq = 0xc000_c000_c000_c000;
        [
            state.tables.word(MIST, index) & !mask | entry & mask & !pq,
            0,
        ]
    }

    fn blamed(address: u64) -> Option<u16> {
        Some(field(address, 39, 47) as u16)
    }

    fn config_obstacle(state: &State<Self>, rid: Rid) -> Option<&'static str> {
        let bars = [RTT_BAR, PELTV_BAR, PEST_BAR];
        if bars.into_iter().any(|bar| state.table(bar).is_none()) {
            Some("before the tables in memory are there")
        } else if rid.bus() == 0 {
            Some("to the root port, which has registers of its own")
        } else if field(state.reg(CONFIG_ADDRESS), 30, 31) != 0 {
            Some("whose address is not of a word")
        } else {
            None
        }
    }

    fn config_ended(state: &mut State<Self>, status: Status) {
        let code = match status {
            Status::Good => 0,
            Status::Unsupported => 1,
            Status::Abort => 4,
        };
        let address = state.reg(CONFIG_ADDRESS) & !crate::bits::place(7, 1, 3);
        let address = address | crate::bits::place(code, 1, 3);
        state.regs.set(CONFIG_ADDRESS, address);
    }

    fn has_link(state: &State<Self>) -> bool {
        let is_up = state.link.up_looks == 0 && !state.link.is_empty;
        is_up && !Self::holds_perst(state)
    }

    fn holds_perst(state: &State<Self>) -> bool {
        state.reg(CRESET) & PERST_OFF == 0
    }
}
