//! How the PHB3 codes its tables and what it looks up in them: the chip's part of the engine.

use super::params::{M32DT, M64BT, PARAMS, PELTV_BAR, PEST_BAR};
use super::{Kind, Phb3Chip};
use crate::Refusal;
use crate::bits::{bit, field};
use crate::chip::ioda2::{self, Ioda2};
use crate::chip::{Aim, Chip, Choice, Params, Place, Refused, Tve};
use crate::engine::State;
use crate::engine::cache::RidCache;
use crate::engine::tables::TVT;
use crate::fabric::Address;
use alloc::format;
use ioda::Rid;

pub(super) const LSI_SOURCE: u16 = 0x100;
pub(super) const IVT_BAR: u16 = 0x150;
const CONFIG: u16 = 0x160;
const RTT_BAR: u16 = 0x168;
const M32_BASE: u16 = 0x190;
const M32_MASK: u16 = 0x198;
const M32_START: u16 = 0x1a0;
pub(super) const RESET: u16 = 0x808;
/// `CONFIG`: messages by 32-bit and by 64-bit address, M32.
const MSI32: u64 = bit(8);
const MSI64: u64 = bit(14);
const M32: u64 = bit(16);
/// Codes of pages of 4 KiB, 64 KiB, 16 MiB, 256 MiB.
const PAGES: [u64; 4] = [1, 5, 13, 17];
/// NFIR: of the class that ends the bridge.
const DEAD: u64 = 0x0180_00f8_0000_0000;

impl Ioda2 for Phb3Chip {
    fn rids(&mut self) -> &mut RidCache {
        &mut self.rids
    }
}

impl Chip for Phb3Chip {
    const PARAMS: Params = PARAMS;

    fn is_off(state: &State<Self>) -> bool {
        state.is_fenced() || state.is_held() || state.chip.nfir & DEAD != 0
    }

    fn fence(state: &mut State<Self>) {
        state.chip.nfir |= bit(16);
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
            Aim::Message(address >> 4 & 0x7ff)
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

    fn takes(state: &State<Self>, _real: u64) -> bool {
        let enables = state.chip.nest.get(&0x45).copied().unwrap_or(0);
        let both = bit(0) | bit(1);
        enables & both == both
    }

    /// The lowest of the 64-bit windows that has it, then the 32-bit one.
    fn place(state: &State<Self>, real: u64) -> Option<Place> {
        let m64 = (0u16..16).find_map(|window| {
            let entry = state.tables.word(M64BT, window);
            let is_single = entry & bit(1) != 0;
            let (base, bytes) = if is_single {
                let size = (1u64 << 25).wrapping_sub(field(entry, 34, 58));
                (field(entry, 2, 26) << 25, size << 25)
            } else {
                let size = (1u64 << 30).wrapping_sub(field(entry, 34, 63));
                (field(entry, 2, 31) << 20, size << 20)
            };
            let offset = real.checked_sub(base).filter(|offset| *offset < bytes)?;
            if entry & bit(0) == 0 {
                return None;
            }
            let pe = if is_single {
                field(entry, 27, 31) << 5 | field(entry, 59, 63)
            } else {
                offset.checked_div(bytes / 256)?
            };
            Some(Place {
                pe: pe as u16,
                pci: Address::Memory(real),
            })
        });
        m64.or_else(|| {
            let bytes = state.reg(M32_MASK).wrapping_neg();
            let offset = real
                .checked_sub(state.reg(M32_BASE))
                .filter(|offset| *offset < bytes)?;
            let segment = offset.checked_div(bytes / 256)?;
            let pe = field(state.tables.word(M32DT, segment as u16), 8, 15) as u16;
            (state.reg(CONFIG) & M32 != 0).then(|| Place {
                pe,
                pci: Address::Memory(state.reg(M32_START).wrapping_add(offset)),
            })
        })
    }

    fn kill(state: &mut State<Self>, value: u64) {
        let pe = (value & 0xff) as u16;
        if value & bit(0) != 0 {
            state.tces.clear();
        } else if value & bit(1) != 0 {
            state.tces.remove_pe(pe);
        } else if value & bit(2) != 0 {
            state.tces.remove(pe, value & 0x0fff_ffff_ffff_f000);
        } else {
            state.complain(|| format!("a TCE kill of nothing: {value:#x}"));
        }
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

    fn blamed(address: u64) -> Option<u16> {
        Some(field(address, 40, 47) as u16)
    }

    fn config_obstacle(state: &State<Self>, _rid: Rid) -> Option<&'static str> {
        let tables = [RTT_BAR, PELTV_BAR, PEST_BAR];
        if tables.into_iter().any(|bar| state.table(bar).is_none()) {
            Some("before the tables in memory are there")
        } else if state.link.layer_looks != 0 {
            Some("while the link layer is in reset")
        } else {
            None
        }
    }

    fn has_link(state: &State<Self>) -> bool {
        let is_up = state.link.up_looks == 0 && !state.link.is_empty;
        state.chip.kind == Kind::Emulator || is_up && !Self::holds_perst(state)
    }

    fn holds_perst(state: &State<Self>) -> bool {
        state.chip.kind == Kind::Chip && state.reg(RESET) & bit(2) == 0
    }
}
