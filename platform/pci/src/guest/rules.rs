//! Which bits of config space a guest may write: [`Rule`]. The table above [`GuestFunction`] in words.

use super::{ADVANCED_FLR, EXPRESS_FLR, GuestFunction, INTERRUPT, Intx, POWER_STATE};
use crate::config::command;
use crate::msi::{MSI_ENABLE, MSIX_ENABLE, MSIX_MASK_ALL};

/// Bits of a word that a guest may write.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rule {
    /// Written through.
    pub(super) write: u32,
    /// Cleared by writing ones; never written as one otherwise.
    pub(super) clear: u32,
    /// Always written as zero.
    pub(super) zero: u32,
}

impl Rule {
    const fn write(write: u32) -> Self {
        Self {
            write,
            clear: 0,
            zero: 0,
        }
    }
    const fn or(self, more: Self) -> Self {
        Self {
            write: self.write | more.write,
            clear: self.clear | more.clear,
            zero: self.zero | more.zero,
        }
    }
}

impl GuestFunction {
    /// What may be written in a word.
    pub(super) fn rule(&self, word: u16) -> Rule {
        let header = match word {
            0x04 => Rule {
                write: self.command_bits(),
                clear: 0xf900 << 16,
                zero: 0,
            },
            // Cache line and latency timer; header type and BIST are above them.
            0x0c => Rule::write(0xffff),
            // The interrupt line.
            INTERRUPT => Rule::write(0xff),
            _ => Rule::default(),
        };
        let caps = &self.caps;
        let parts = [
            (caps.power, 8, power_rule as fn(&Self, u16) -> Rule),
            (caps.vpd, 8, vpd_rule),
            (caps.msi, 24, msi_rule),
            (caps.msix, 12, msix_rule),
            (caps.express, 60, express_rule),
            (caps.advanced, 8, advanced_rule),
            (caps.aer, 72, aer_rule),
        ];
        parts.into_iter().fold(header, |sum, (cap, bytes, rule)| {
            let offset = cap
                .and_then(|cap| word.checked_sub(cap.get()))
                .filter(|offset| *offset < bytes);
            offset.map_or(sum, |offset| sum.or(rule(self, offset)))
        })
    }

    fn command_bits(&self) -> u32 {
        let mut bits = command::MASTER | command::MWI | command::PARITY | command::SERR;
        if self.intx == Intx::Granted {
            bits |= command::INTX_OFF;
        }
        if !self.is_stopped {
            bits |= command::MEMORY;
        }
        bits
    }
}

fn power_rule(_: &GuestFunction, offset: u16) -> Rule {
    match offset {
        // State and PME enable; PME status.
        4 => Rule {
            write: POWER_STATE | 1 << 8,
            clear: 1 << 15,
            zero: 0,
        },
        _ => Rule::default(),
    }
}

fn vpd_rule(_: &GuestFunction, offset: u16) -> Rule {
    match offset {
        // The upper bit says that a read is done, and would start a write.
        0 => Rule {
            write: 0x7fff << 16,
            clear: 0,
            zero: 1 << 31,
        },
        _ => Rule::default(),
    }
}

fn msi_rule(this: &GuestFunction, offset: u16) -> Rule {
    let Some(cap) = &this.msi else {
        return Rule::default();
    };
    let mask_at = if cap.has_64bit { 16 } else { 12 };
    match offset {
        0 if this.messages.is_some() => Rule::write(u32::from(MSI_ENABLE) << 16),
        _ if offset == mask_at && cap.has_mask => Rule::write(u32::MAX),
        _ => Rule::default(),
    }
}

fn msix_rule(this: &GuestFunction, offset: u16) -> Rule {
    match (&this.msix, offset) {
        (Some(_), 0) => Rule::write(u32::from(MSIX_ENABLE | MSIX_MASK_ALL) << 16),
        _ => Rule::default(),
    }
}

fn express_rule(this: &GuestFunction, offset: u16) -> Rule {
    // Error reporting, relaxed ordering, extended tags, read request size.
    const CONTROL: u32 = 0xf | 1 << 4 | 1 << 8 | 7 << 12;
    // Completion time-out: its range, and off.
    const CONTROL2: u32 = 0x1f;
    let flr = if this.has_flr { EXPRESS_FLR } else { 0 };
    match offset {
        8 => Rule {
            write: CONTROL | flr,
            clear: 0xf << 16,
            zero: 0,
        },
        0x28 => Rule::write(CONTROL2),
        _ => Rule::default(),
    }
}

fn advanced_rule(this: &GuestFunction, offset: u16) -> Rule {
    match offset {
        4 if this.has_flr => Rule::write(ADVANCED_FLR),
        _ => Rule::default(),
    }
}

fn aer_rule(_: &GuestFunction, offset: u16) -> Rule {
    match offset {
        // Status of uncorrectable and of correctable errors.
        0x04 | 0x10 => Rule {
            write: 0,
            clear: u32::MAX,
            zero: 0,
        },
        // Masks and severity.
        0x08 | 0x0c | 0x14 => Rule::write(u32::MAX),
        _ => Rule::default(),
    }
}
