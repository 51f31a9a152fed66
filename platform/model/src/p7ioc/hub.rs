//! The hub as far as the bridge depends on it: routing, resets, fences.

use super::{Change, Link, P7ioc, State, Tables, bit, field, registers};
use alloc::format;

const CCRR: u32 = 0x3e_1c00;
const FENCE: u32 = 0x3e_c010;
const FENCE_WOF: u32 = 0x3e_c018;
const GEM_XFIR: u32 = 0x3e_0008;
const RULES: u32 = 0x3d_0400;

impl State {
    fn hub_reg(&self, at: u32) -> u64 {
        self.hub.get(&at).copied().unwrap_or(0)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.hub_reg(GEM_XFIR) == u64::MAX
    }

    /// The ports that something goes to: those of the first rule that takes it.
    pub(super) fn route(&self, valid: u64, value: u64) -> u64 {
        (0..48)
            .map(|rule| {
                let at = RULES + 16 * rule;
                (self.hub_reg(at), self.hub_reg(at + 8))
            })
            .find(|(rule, mask)| rule & valid != 0 && (rule ^ value) & mask & 0xffff_ffff == 0)
            .map_or(0, |(rule, _)| rule & 0xff << 56)
    }

    pub(super) fn reaches_bridge(&self, real: u64) -> bool {
        self.route(bit(16), real >> 16) == self.bridge_port()
    }

    pub(super) fn answers_interrupts(&self, buid: u64) -> bool {
        self.route(bit(17), buid << 20) == self.bridge_port()
    }

    fn bridge_port(&self) -> u64 {
        bit(2 + u32::from(self.index))
    }

    /// Whether the bridge's fast registers are where they should be.
    pub(super) fn has_fast_path(&self) -> bool {
        let base = P7ioc::BAR1 + 0x8_0000 + u64::from(self.index) * 0x1_0000;
        self.hub_reg(0x3e_1080 + 8 * u32::from(self.index)) == base && self.reaches_bridge(base)
    }

    fn fence_bits(&self) -> (u64, u64) {
        let first = 4 * u32::from(self.index);
        (bit(14 + first), bit(15 + first))
    }

    pub(super) fn is_fenced(&self) -> bool {
        let (first, second) = self.fence_bits();
        self.hub_reg(FENCE) & (first | second) != 0
    }

    pub(super) fn set_fence(&mut self, tries: u32) {
        let (first, second) = self.fence_bits();
        *self.hub.entry(FENCE).or_default() |= first | second;
        *self.hub.entry(FENCE_WOF).or_default() |= second;
        *self.hub.entry(0x3e_1e00).or_default() |= bit(18);
        *self.hub.entry(0x3e_1e40).or_default() |= bit(18);
        self.fences = tries;
        self.tell(Change::Lost);
    }

    pub(super) fn hub_read(&mut self, at: u32) -> u64 {
        if self.is_dead() {
            return u64::MAX;
        }
        self.hub_reg(at)
    }

    pub(super) fn hub_write(&mut self, at: u32, value: u64) {
        match at {
            // Error masks: AND takes bits out; out of reset all are set.
            _ if is_mask_and(at) => {
                let mask = self.hub.entry(at - 8).or_insert(u64::MAX);
                *mask &= value;
            }
            0x3e_1820 => self.hub_table = (field(value, 11, 15), value & 0xffff),
            0x3e_1830 => {
                let (table, index) = self.hub_table;
                let entries = [4, 2, 16].get(table as usize).copied().unwrap_or(0);
                if index >= entries {
                    self.complain(format!("the hub has no entry {index} of table {table}"));
                }
                self.hub_table.1 += 1;
                self.hub
                    .insert(0x100_0000 + (table << 8 | index) as u32, value);
            }
            CCRR => self.change_resets(value),
            FENCE => self.complain("the fence is not for writing".into()),
            _ => {}
        }
        self.hub.insert(at, value);
    }

    fn change_resets(&mut self, value: u64) {
        let index = u32::from(self.index);
        let own = bit(9 + 2 * (index + 2)) | bit(32 + index);
        let old = self.hub_reg(CCRR);
        if value & !own != old & !own {
            self.complain(format!("another bridge is reset: {value:#x}"));
        }
        if value & own != 0 && value & own != own {
            self.complain(format!("half a reset: {value:#x}"));
        }
        if value & own == own && old & own == 0 {
            // Everything goes, what is below too.
            self.regs = registers::at_reset();
            self.tables = Tables::garbage();
            self.second = None;
            self.tce_cache.clear();
            self.posted.clear();
            self.link = Link {
                is_empty: self.link.is_empty,
                ..Link::at_reset()
            };
            self.fir = 0;
            self.fabric.device_mut(0).reset();
            self.fabric.reset_below(0);
            self.tell(Change::Lost);
        }
        if value & own == 0 && old & own == own {
            self.fences = self.fences.saturating_sub(1);
            if self.fences == 0 {
                let (first, second) = self.fence_bits();
                *self.hub.entry(FENCE).or_default() &= !(first | second);
            }
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.hub_reg(CCRR) & bit(32 + u32::from(self.index)) != 0
    }
}

fn is_mask_and(at: u32) -> bool {
    let is_port = at & 0xff_0fff == 0x3d_0220;
    is_port
        || matches!(
            at,
            0x3c_0020 | 0x3c_0070 | 0x3e_1e20 | 0x3e_a020 | 0x3e_b020
        )
}
