//! How the P7IOC codes its tables and what it looks up in them: the chip's part of the engine.

use super::params::{HRT, IODT, M32DT, M64BT, M64DT, MVT, MXIVT, PARAMS, PELTM};
use super::{P7ioc, P7iocChip};
use crate::Refusal;
use crate::bits::{bit, field};
use crate::chip::{Aim, Chip, Choice, Params, Place, Refused, Tve};
use crate::engine::State;
use crate::engine::tables::{LXIVT, PESTB, TVT};
use crate::fabric::Address;
use alloc::format;
use ioda::Rid;

const BUID: u16 = 0x100;
const IO_BASE: u16 = 0x170;
const M32_BASE: u16 = 0x190;
const CONFIG: u16 = 0x160;
const RESET: u16 = 0x808;
/// `CONFIG`: messages by 32-bit and by 64-bit address, I/O, M32.
const MSI32: u64 = bit(8);
const IO: u64 = bit(12);
const MSI64: u64 = bit(14);
const M32: u64 = bit(16);
/// The endpoint of whom no other takes.
const LAST: u16 = 127;
/// A DMA slot.
const SLOT_SHIFT: u32 = 28;
/// PESTA: a message or an MMIO address leads nowhere.
const NO_TRANSLATION: u64 = bit(16);

/// What is compared of a requester: how much of the bus, the bus, and device and function if they are.
struct Match {
    bus_valid: u64,
    bus: u64,
    device: Option<u64>,
    function: Option<u64>,
}

impl Match {
    fn takes(&self, rid: Rid) -> bool {
        let bus = match self.bus_valid {
            0 => true,
            // Not defined.
            1 => false,
            upper => (u64::from(rid.bus()) ^ self.bus) >> 7u64.saturating_sub(upper) == 0,
        };
        bus && self
            .device
            .is_none_or(|device| device == u64::from(rid.device()))
            && self
                .function
                .is_none_or(|function| function == u64::from(rid.function()))
    }
}

fn compared(entry: u64, flag: u32, first: u32, last: u32) -> Option<u64> {
    (entry & bit(flag) != 0).then(|| field(entry, first, last))
}

impl State<P7iocChip> {
    /// The first entry of the requester table that takes `rid`; what none takes is the last one's.
    pub(super) fn sorted(&self, rid: Rid) -> u16 {
        (0..LAST)
            .find(|pe| {
                let entry = self.tables.word(PELTM, *pe);
                Match {
                    bus_valid: field(entry, 16, 18),
                    bus: field(entry, 0, 7),
                    device: compared(entry, 19, 8, 12),
                    function: compared(entry, 20, 13, 15),
                }
                .takes(rid)
            })
            .unwrap_or(LAST)
    }

    /// The entry that a write to `address` names, if it is a message.
    pub(super) fn message_entry(&self, address: u64) -> Option<u64> {
        let config = self.reg(CONFIG);
        if address >> 16 == 0xffff && config & MSI32 != 0 {
            Some(address >> 4 & 0xfff)
        } else if address >> 60 == 9 && config & MSI64 != 0 {
            Some(address >> 48 & 0xfff)
        } else {
            None
        }
    }

    /// The endpoint and the route of a message.
    pub(super) fn sort_message(
        &self,
        rid: Rid,
        entry: u64,
        data: u32,
    ) -> Result<(u16, u64), Refused> {
        let stranger = |why| Refused::blaming(why, self.sorted(rid), NO_TRANSLATION);
        let mve = match u16::try_from(entry) {
            Ok(index) => self.tables.word(MVT, index),
            Err(_) => 0,
        };
        if mve & bit(0) == 0 {
            return Err(stranger(Refusal::NoEntry));
        }
        let filter = Match {
            bus_valid: field(mve, 21, 23),
            bus: field(mve, 24, 31),
            device: compared(mve, 50, 51, 55),
            function: compared(mve, 60, 61, 63),
        };
        if !filter.takes(rid) {
            return Err(stranger(Refusal::ForeignEntry));
        }
        let pe = field(mve, 41, 47) as u16;
        if self.tables.is_stopped(PESTB, pe) {
            return Err(Refused::quietly(Refusal::Frozen));
        }
        let route = u16::try_from(data)
            .ok()
            .and_then(|data| self.tables.get(MXIVT, data));
        match route {
            None => Err(Refused::blaming(Refusal::NoMessage, pe, NO_TRANSLATION)),
            Some([route, _]) if field(route, 41, 47) == u64::from(pe) => Ok((pe, route)),
            Some(_) => Err(Refused::blaming(
                Refusal::ForeignMessage,
                pe,
                NO_TRANSLATION,
            )),
        }
    }

    /// Presents an interrupt, unless it is masked. What becomes of it then is not known.
    fn present(&mut self, buid: u64, level: u32, route: u64) {
        let (server, priority) = (field(route, 8, 23), field(route, 24, 31));
        if server == 0 && priority == 0xff {
            return;
        }
        let buid = buid.wrapping_add(u64::from(level >> 4));
        if !self.answers_interrupts(buid) {
            self.complain(|| format!("answers to source {buid:#x} do not come back"));
        }
        let linked = server << 3 | priority >> 5;
        let irq = (u64::from(P7ioc::BUID_EXT) << 9 | buid & 0x1ff) << 4 | u64::from(level & 0xf);
        self.deliver(irq, linked >> 2, ((priority & 0x1f) << 3) as u8);
    }

    fn bad_window(&self, index: u16, entry: u64) -> Option<&'static str> {
        let range = |entry: u64| {
            let base = field(entry, 8, 31);
            let size = 0x100_0000u64.saturating_sub(field(entry, 40, 63));
            (base, base.wrapping_add(size))
        };
        let (base, end) = range(entry);
        let area = (P7ioc::BAR2 >> 24)
            .wrapping_add((u64::from(self.chip.index).wrapping_add(1)).wrapping_mul(0x800));
        let meets = (0..16).filter(|other| *other != index).any(|other| {
            let theirs = self.tables.word(M64BT, other);
            let (start, stop) = range(theirs);
            theirs & bit(0) != 0 && start < end && base < stop
        });
        if field(entry, 40, 63) == 0 || base < area || end > area.wrapping_add(0x800) {
            Some("it can fence the bridge")
        } else if meets {
            Some("which window wins")
        } else {
            None
        }
    }

    /// A window of equal segments: its base register, its table, its enable, its space of addresses.
    fn equal_segments(
        &self,
        real: u64,
        (base, table, enable, space): (u16, u8, u64, fn(u64) -> Address),
    ) -> Option<Place> {
        let bytes = self.reg(base.wrapping_add(8)).wrapping_neg();
        let offset = real.checked_sub(self.reg(base))?;
        if self.reg(CONFIG) & enable == 0 || offset >= bytes {
            return None;
        }
        let segment = offset.checked_div(bytes / 128)?;
        Some(Place {
            pe: field(self.tables.word(table, segment as u16), 0, 6) as u16,
            pci: space(self.reg(base.wrapping_add(16)).wrapping_add(offset)),
        })
    }
}

impl Chip for P7iocChip {
    const PARAMS: Params = PARAMS;

    fn is_off(state: &State<Self>) -> bool {
        let hub = &state.chip.hub;
        hub.is_dead() || hub.is_fenced(state.chip.index) || hub.is_held(state.chip.index)
    }

    fn fence(state: &mut State<Self>) {
        state.set_fence(1);
    }

    fn read(state: &mut State<Self>, at: u16) -> Option<u64> {
        state.read_own(at)
    }

    fn write(state: &mut State<Self>, at: u16, value: u64) -> bool {
        state.write_own(at, value)
    }

    /// DD1.0 strikes only if both directions are set.
    fn injects_halves(state: &State<Self>) -> bool {
        state.reg(0x800) as u32 & 0xffff != 1
    }

    fn endpoint(state: &mut State<Self>, rid: Rid) -> Result<u16, Refusal> {
        Ok(state.sorted(rid))
    }

    fn owner(state: &State<Self>, rid: Rid) -> Option<u16> {
        Some(state.sorted(rid))
    }

    fn aim(state: &State<Self>, address: u64) -> Aim {
        state
            .message_entry(address)
            .map_or(Aim::Memory, Aim::Message)
    }

    /// The address chooses the window; its entry has its own copy of the filter and of the endpoint's number.
    fn choose(state: &mut State<Self>, rid: Rid, address: u64) -> Result<Choice, Refused> {
        const NO_WINDOW: u64 = PARAMS.no_window;
        let sorted = |why, state: &State<Self>| Refused::blaming(why, state.sorted(rid), NO_WINDOW);
        // Which entry a 64-bit address chooses is not known: nobody may count on it.
        let index = address >> SLOT_SHIFT;
        if address >> 32 != 0 {
            return Err(sorted(Refusal::NoWindow, state));
        }
        let [first, second] = state.tables.get(TVT, index as u16).unwrap_or_default();
        if field(first, 51, 55) == 0 || field(second, 19, 23) == 0 {
            return Err(sorted(Refusal::NoWindow, state));
        }
        let filter = Match {
            bus_valid: field(first, 48, 50),
            bus: field(first, 56, 63),
            device: compared(second, 2, 3, 7),
            function: compared(second, 12, 13, 15),
        };
        if !filter.takes(rid) {
            return Err(sorted(Refusal::ForeignWindow, state));
        }
        Ok(Choice {
            pe: field(second, 57, 63) as u16,
            window: index as u16,
        })
    }

    fn window(state: &mut State<Self>, choice: Choice, address: u64) -> Option<Tve> {
        let [first, second] = state.tables.get(TVT, choice.window)?;
        let page_shift = (field(second, 19, 23) as u32).wrapping_add(11);
        // 128 MiB is 1.
        let window_shift = (field(first, 51, 55) as u32).wrapping_add(26);
        Some(Tve {
            table: field(first, 0, 47) << 12,
            levels: 1,
            entries_shift: window_shift.saturating_sub(page_shift),
            page_shift,
            offset: address & 0x0fff_ffff,
        })
    }

    fn message(state: &mut State<Self>, rid: Rid, aim: u64, data: u32) -> Result<u16, Refused> {
        let (pe, route) = state.sort_message(rid, aim, data)?;
        let buid = field(state.reg(BUID), 23, 31);
        if buid & 0xf != 0 {
            state.complain(|| format!("source number {buid:#x} is not a multiple of 16"));
        }
        state.present(buid, data, route);
        Ok(pe)
    }

    fn level(state: &mut State<Self>, wire: u8) {
        let route = state.tables.word(LXIVT, (wire & 7).into());
        let buid = field(state.reg(BUID), 7, 15);
        state.present(buid, (wire & 7).into(), route);
    }

    fn takes(state: &State<Self>, real: u64) -> bool {
        state.chip.hub.route(bit(16), real >> 16) == state.bridge_port()
    }

    fn place(state: &State<Self>, real: u64) -> Option<Place> {
        let m64 = (0u16..16).find_map(|window| {
            let entry = state.tables.word(M64BT, window);
            let bytes = 0x100_0000u64.wrapping_sub(field(entry, 40, 63)) << 24;
            let offset = real.checked_sub(field(entry, 8, 31) << 24)?;
            if entry & bit(0) == 0 || offset >= bytes {
                return None;
            }
            let segment = offset.checked_div(bytes / 8)? as u16;
            let at = window.wrapping_mul(8).wrapping_add(segment);
            let pe = field(state.tables.word(M64DT, at), 0, 6) as u16;
            Some(Place {
                pe,
                pci: Address::Memory(real),
            })
        });
        m64.or_else(|| state.equal_segments(real, (M32_BASE, M32DT, M32, Address::Memory)))
            .or_else(|| state.equal_segments(real, (IO_BASE, IODT, IO, Address::Io)))
    }

    fn kill(state: &mut State<Self>, value: u64) {
        if value & bit(0) == 0 || value & !(bit(0) | 0x0000_ffff_ffff_fff0) != 0 {
            state.complain(|| format!("a kill of {value:#x}"));
        }
        state.post(Some(value & 0x0000_ffff_ffff_fff0));
    }

    fn objection(
        state: &State<Self>,
        table: u8,
        index: u16,
        [first, second]: [u64; 2],
    ) -> Option<&'static str> {
        let own_route = u64::from(state.chip.index).wrapping_add(1);
        match table {
            HRT if first != own_route => Some("not the one known"),
            LXIVT | MXIVT if field(first, 58, 59) != 0 => Some("hub route"),
            MVT if first & bit(0) != 0 && field(first, 21, 23) == 1 => Some("bus bits"),
            PELTM if field(first, 16, 18) == 1 => Some("bus bits"),
            TVT if field(first, 51, 55) == 0 => None,
            TVT if index >= 16 => Some("which addresses choose it"),
            TVT if index >= 12 => Some("it lies over the MMIO window"),
            TVT if field(second, 19, 23) != 1 => Some("how page and window sizes go together"),
            TVT if field(first, 51, 55) > 2 => Some("what is beyond its slot"),
            TVT if field(first, 48, 50) == 1 => Some("bus bits"),
            M64BT if first & bit(0) != 0 => state.bad_window(index, first),
            _ => None,
        }
    }

    /// GEM hears of what is not masked.
    fn latched(state: &mut State<Self>, fir: u64) {
        if fir & !state.reg(0xc18) != 0 {
            let gem = u32::from(state.chip.index).wrapping_add(16);
            state.chip.hub.report(gem);
        }
    }

    fn blamed(_address: u64) -> Option<u16> {
        None
    }

    fn config_obstacle(state: &State<Self>, rid: Rid) -> Option<&'static str> {
        let is_down = state.link.is_off || Self::holds_perst(state);
        (rid.bus() != 0 && is_down).then_some("below a port that is being reset")
    }

    fn has_link(state: &State<Self>) -> bool {
        let link = &state.link;
        !link.is_empty && !link.is_off && !Self::holds_perst(state)
    }

    fn holds_perst(state: &State<Self>) -> bool {
        state.reg(RESET) & bit(2) == 0
    }

    fn bus_reset(state: &mut State<Self>) {
        state.check_link_down("a bus reset");
    }
}
