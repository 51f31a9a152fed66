//! What is around the bridge on the hub: routing, resets, fences, error registers of the units.

use super::{P7ioc, P7iocChip};
use crate::bits::{bit, field};
use crate::engine::State;
use alloc::collections::BTreeMap;
use alloc::format;

const CCRR: u32 = 0x3e_1c00;
const FENCE: u32 = 0x3e_c010;
const FENCE_WOF: u32 = 0x3e_c018;
const GEM_XFIR: u32 = 0x3e_0008;
const GEM_MASK: u32 = 0x3e_0020;
const GEM_WOF: u32 = 0x3e_0028;
const RULES: u32 = 0x3d_0400;
const AIB_BASES: u32 = 0x3e_1080;
const IODA_ADDR: u32 = 0x3e_1820;
const IODA_DATA: u32 = 0x3e_1830;
/// Where entries of the hub's own tables are kept here.
const TABLES: u32 = 0x100_0000;
/// RGC notes a fenced bridge.
const FENCE_NOTED: u64 = bit(18);
/// Of a crossbar port to a bridge: the errors that end the hub, and those that fence the bridge.
const PORT_DEAD: u64 = 0x5b0b << 48;
const PORT_FENCE: u64 = 0xa4f4 << 48;

/// In a unit's block of error registers.
const FIR: u32 = 0x00;
const MASK: u32 = 0x18;
const WOF: u32 = 0x40;

/// A part of the hub that has error registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HubUnit {
    /// The global registers (RGC).
    Global,
    /// The bus interface, towards the processor.
    BusUp,
    /// The bus interface, towards the bridges.
    BusDown,
    /// A port of the crossbar: 0 upwards, 1 the global registers, 2 to 7 the bridges.
    Crossbar(u8),
    /// MISC.
    Misc,
    /// I2C.
    I2c,
}

impl HubUnit {
    /// Its error registers and its bit in GEM.
    fn place(self) -> (u32, u32) {
        match self {
            Self::Global => (0x3e_1e00, 1),
            Self::BusUp => (0x3c_0000, 2),
            Self::BusDown => (0x3c_0050, 3),
            Self::Crossbar(port) => {
                let port = u32::from(port & 7);
                (0x3d_0200 | port << 12, 4 + port)
            }
            Self::Misc => (0x3e_a000, 24),
            Self::I2c => (0x3e_b000, 25),
        }
    }
}

/// The blocks of error registers.
const LEMS: [u32; 13] = [
    0x3e_1e00, 0x3c_0000, 0x3c_0050, 0x3e_a000, 0x3e_b000, 0x3d_0200, 0x3d_1200, 0x3d_2200,
    0x3d_3200, 0x3d_4200, 0x3d_5200, 0x3d_6200, 0x3d_7200,
];

/// The hub's other registers, first and last.
const KNOWN: [(u32, u32); 19] = [
    (0x3c_00a0, 0x3c_00b0),
    (0x3c_00c8, 0x3c_00d8),
    (0x3c_00e8, 0x3c_00f0),
    (0x3c_0100, 0x3c_0130),
    (0x3c_0148, 0x3c_0148),
    (0x3c_0180, 0x3c_0190),
    (0x3c_0200, 0x3c_0208),
    (RULES, 0x3d_06f8),
    (GEM_XFIR, GEM_XFIR),
    (GEM_MASK, GEM_WOF),
    (0x3e_1018, 0x3e_1018),
    (AIB_BASES, 0x3e_10a8),
    (0x3e_1800, 0x3e_1800),
    (IODA_ADDR, IODA_ADDR),
    (IODA_DATA, IODA_DATA),
    (0x3e_1840, 0x3e_1840),
    (CCRR, 0x3e_1c20),
    (0x3e_b0a8, 0x3e_b0a8),
    (FENCE, FENCE_WOF),
];

fn is_known(at: u32) -> bool {
    let is_port = at >> 16 == 0x3d && at & 0xfff <= 0x70;
    let is_lane = (0x3e_8000..0x3e_8c00).contains(&at) && at & 0x1ff <= 0xb8;
    is_port
        || is_lane
        || KNOWN
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&at))
}

/// The block of error registers that `at` is in, and where.
fn error_register(at: u32) -> Option<(u32, u32)> {
    LEMS.iter().find_map(|base| {
        let by = at.checked_sub(*base)?;
        (by <= WOF).then_some((*base, by))
    })
}

pub(super) struct Hub {
    /// Only what there is, so it does not grow without end.
    regs: BTreeMap<u32, u64>,
    /// The table and the index that the hub's own port to its tables points to.
    table: (u64, u64),
    fences: u32,
    is_silent: bool,
    is_lost: bool,
}

impl Hub {
    pub(super) const fn new() -> Self {
        Self {
            regs: BTreeMap::new(),
            table: (0, 0),
            fences: 0,
            is_silent: false,
            is_lost: false,
        }
    }

    fn get(&self, at: u32) -> u64 {
        self.stored(at).unwrap_or(0)
    }

    pub(super) fn stored(&self, at: u32) -> Option<u64> {
        self.regs.get(&at).copied()
    }

    fn or(&mut self, at: u32, bits: u64) {
        *self.regs.entry(at).or_default() |= bits;
    }

    /// The errors of a unit that are not reported; out of reset all are not.
    fn mask(&self, base: u32) -> u64 {
        self.stored(base + MASK).unwrap_or(u64::MAX)
    }

    pub(super) const fn kill(&mut self) {
        self.is_silent = true;
    }

    /// Whether none of its registers answers.
    pub(super) const fn is_silent(&self) -> bool {
        self.is_silent
    }

    pub(super) const fn is_dead(&self) -> bool {
        self.is_silent || self.is_lost
    }

    /// The ports that something goes to: those of the first rule that takes it.
    pub(super) fn route(&self, valid: u64, value: u64) -> u64 {
        (0..48)
            .map(|rule| {
                let at = RULES + 16 * rule;
                (self.get(at), self.get(at + 8))
            })
            .find(|(rule, mask)| rule & valid != 0 && (rule ^ value) & mask & 0xffff_ffff == 0)
            .map_or(0, |(rule, _)| rule & 0xff << 56)
    }

    pub(super) fn is_fenced(&self, index: u8) -> bool {
        let (first, second) = fence_bits(index);
        self.get(FENCE) & (first | second) != 0
    }

    pub(super) fn set_fence(&mut self, index: u8, tries: u32) {
        let (first, second) = fence_bits(index);
        self.or(FENCE, first | second);
        self.or(FENCE_WOF, second);
        self.latch(HubUnit::Global, FENCE_NOTED);
        self.fences = tries;
    }

    pub(super) fn is_held(&self, index: u8) -> bool {
        self.get(CCRR) & bit(32 + u32::from(index & 7)) != 0
    }

    pub(super) fn latch(&mut self, unit: HubUnit, errors: u64) {
        let (base, gem) = unit.place();
        self.or(base + FIR, errors);
        self.or(base + WOF, errors);
        if errors & !self.mask(base) != 0 {
            self.report(gem);
        }
        let to_bridge = matches!(unit, HubUnit::Crossbar(2..));
        self.is_lost |= to_bridge && errors & PORT_DEAD != 0;
    }

    /// GEM notes that a unit has an error.
    pub(super) fn report(&mut self, gem: u32) {
        if self.get(GEM_MASK) & bit(gem & 63) == 0 {
            self.or(GEM_WOF, bit(gem & 63));
        }
    }
}

/// The bits of a bridge in the fence registers.
fn fence_bits(index: u8) -> (u64, u64) {
    let first = 4 * u32::from(index & 7);
    (bit(14 + first), bit(15 + first))
}

impl State<P7iocChip> {
    pub(super) fn bridge_port(&self) -> u64 {
        bit(2 + u32::from(self.chip.index & 7))
    }

    pub(super) fn answers_interrupts(&self, buid: u64) -> bool {
        self.chip.hub.route(bit(17), buid << 20) == self.bridge_port()
    }

    /// Whether the bridge's fast registers are where they should be.
    pub(super) fn has_fast_path(&self) -> bool {
        let index = u32::from(self.chip.index & 7);
        let base = P7ioc::BAR1 + 0x8_0000 + u64::from(index) * 0x1_0000;
        let hub = &self.chip.hub;
        hub.get(AIB_BASES + 8 * index) == base
            && hub.route(bit(16), base >> 16) == self.bridge_port()
    }

    pub(super) fn latch_hub(&mut self, unit: HubUnit, errors: u64) {
        self.chip.hub.latch(unit, errors);
        let own = self.chip.index.wrapping_add(2);
        if unit == HubUnit::Crossbar(own) && errors & PORT_FENCE != 0 {
            self.set_fence(1);
        }
    }

    pub(super) fn hub_read(&mut self, at: u32) -> u64 {
        let hub = &self.chip.hub;
        if hub.is_silent {
            return u64::MAX;
        }
        match error_register(at) {
            // The ways to change the mask read as the mask.
            Some((base, MASK | 0x20 | 0x28)) => hub.mask(base),
            Some((base, FIR | 0x08 | 0x10)) => hub.get(base + FIR),
            Some(_) => hub.get(at),
            None if is_known(at) => hub.get(at),
            None => {
                self.complain(|| format!("the hub has no register {at:#x} to load"));
                u64::MAX
            }
        }
    }

    pub(super) fn hub_write(&mut self, at: u32, value: u64) {
        let hub = &mut self.chip.hub;
        if hub.is_silent {
            return;
        }
        let change = match error_register(at) {
            Some((base, 0x08)) => Some((base + FIR, hub.get(base + FIR) & value)),
            Some((base, 0x10)) => Some((base + FIR, hub.get(base + FIR) | value)),
            Some((base, 0x20)) => Some((base + MASK, hub.mask(base) & value)),
            Some((base, 0x28)) => Some((base + MASK, hub.mask(base) | value)),
            Some(_) => Some((at, value)),
            None => None,
        };
        if let Some((at, value)) = change {
            hub.regs.insert(at, value);
            return;
        }
        if !is_known(at) {
            self.complain(|| format!("the hub has no register {at:#x} to store to"));
            return;
        }
        match at {
            IODA_ADDR => hub.table = (field(value, 11, 15), value & 0xffff),
            IODA_DATA => self.hub_table_write(value),
            CCRR => self.change_resets(value),
            FENCE => self.complain(|| "the fence is not for writing".into()),
            _ => {}
        }
        self.chip.hub.regs.insert(at, value);
    }

    fn hub_table_write(&mut self, value: u64) {
        let hub = &mut self.chip.hub;
        let (table, index) = hub.table;
        let entries = [4, 2, 16].get(table as usize).copied().unwrap_or(0);
        if index >= entries {
            self.complain(|| format!("the hub has no entry {index} of table {table}"));
            return;
        }
        hub.table.1 = index.wrapping_add(1);
        hub.regs.insert(TABLES | (table << 8 | index) as u32, value);
    }

    fn change_resets(&mut self, value: u64) {
        let index = u32::from(self.chip.index & 7);
        let own = bit(9 + 2 * (index + 2)) | bit(32 + index);
        let old = self.chip.hub.get(CCRR);
        if value & !own != old & !own {
            self.complain(|| format!("another bridge is reset: {value:#x}"));
        }
        if value & own != 0 && value & own != own {
            self.complain(|| format!("half a reset: {value:#x}"));
        }
        if value & own == own && old & own == 0 {
            self.chip.posted.clear();
            self.lose();
        }
        if value & own == 0 && old & own == own {
            let (first, second) = fence_bits(self.chip.index);
            let hub = &mut self.chip.hub;
            hub.fences = hub.fences.saturating_sub(1);
            if hub.fences == 0 {
                let fence = hub.get(FENCE) & !(first | second);
                hub.regs.insert(FENCE, fence);
            }
        }
    }
}
