//! Registers of the hub, by offset from its first window. No logic.
//!
//! Source: skiboot as of 2018, `include/p7ioc-regs.h` and `hw/p7ioc-inits.c`.

use ioda::Reg64;

pub(crate) use crate::regs::bit;

/// A block of 64 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Bus,
    Crossbar,
    Global,
}

/// A register of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HubReg {
    pub(crate) block: Block,
    pub(crate) reg: Reg64,
}

impl HubReg {
    /// The register at this offset from the first window, known when the code is compiled.
    pub(crate) const fn at(offset: u32) -> Self {
        let block = match offset >> 16 {
            0x3c => Block::Bus,
            0x3d => Block::Crossbar,
            _ => Block::Global,
        };
        assert!(
            matches!(offset >> 16, 0x3c..=0x3e),
            "the hub has three blocks"
        );
        Self {
            block,
            reg: Reg64::at(offset as u16),
        }
    }
    /// The register `by` bytes further on in the same block; itself if there is none.
    pub(crate) const fn plus(self, by: u16) -> Self {
        let reg = match self.reg.offset().checked_add(by) {
            Some(offset) => Reg64::new(offset),
            None => None,
        };
        match reg {
            Some(reg) => Self {
                block: self.block,
                reg,
            },
            None => self,
        }
    }
}

/// Error registers of a unit, from its base.
pub(crate) mod lem {
    pub(crate) const FIR: u16 = 0x00;
    /// Takes bits out of the errors.
    pub(crate) const FIR_AND: u16 = 0x08;
    pub(crate) const MASK: u16 = 0x18;
    /// Takes bits out of the mask.
    pub(crate) const MASK_AND: u16 = 0x20;
    /// Puts bits in the mask.
    pub(crate) const MASK_OR: u16 = 0x28;
    pub(crate) const ACTION0: u16 = 0x30;
    pub(crate) const ACTION1: u16 = 0x38;
    pub(crate) const WOF: u16 = 0x40;
}

pub(crate) const BI_UP_LEM: HubReg = HubReg::at(0x3c_0000);
pub(crate) const BI_DOWN_LEM: HubReg = HubReg::at(0x3c_0050);
pub(crate) const MISC_LEM: HubReg = HubReg::at(0x3e_a000);
pub(crate) const I2C_LEM: HubReg = HubReg::at(0x3e_b000);
/// The first port of the crossbar; the others follow 0x1000 apart.
pub(crate) const CI: HubReg = HubReg::at(0x3d_0000);
pub(crate) const CI_PORT_STRIDE: u16 = 0x1000;
/// Error registers of a crossbar port.
pub(crate) const CI_LEM: u16 = 0x200;
/// Errors of a bridge's port that fence the bridge.
pub(crate) const CI_FENCE_ERRORS: u64 = 0xa4f4_0000_0000_0000;
/// The first routing rule: what to compare with; its mask 8 bytes on, the next rule 16.
pub(crate) const CI_RULES: HubReg = HubReg::at(0x3d_0400);

/// All ones: the hub is dead.
pub(crate) const GEM_XFIR: HubReg = HubReg::at(0x3e_0008);
pub(crate) const GEM_MASK: HubReg = HubReg::at(0x3e_0020);
pub(crate) const GEM_WOF: HubReg = HubReg::at(0x3e_0028);
pub(crate) const RGC_AIB_BASE: HubReg = HubReg::at(0x3e_1080);
pub(crate) const RGC_BUID: HubReg = HubReg::at(0x3e_1800);
pub(crate) const RGC_IODA_ADDR: HubReg = HubReg::at(0x3e_1820);
pub(crate) const RGC_IODA_DATA: HubReg = HubReg::at(0x3e_1830);
pub(crate) const RGC_IODA_LOCK: HubReg = HubReg::at(0x3e_1840);
/// Resets of the crossbar's ports and of the bridges.
pub(crate) const CCRR: HubReg = HubReg::at(0x3e_1c00);
pub(crate) const RGC_CONFIG: HubReg = HubReg::at(0x3e_1c08);
pub(crate) const RGC_LEM: HubReg = HubReg::at(0x3e_1e00);
/// Two bits per bridge.
pub(crate) const FENCE: HubReg = HubReg::at(0x3e_c010);
/// The same, kept until cleared.
pub(crate) const FENCE_WOF: HubReg = HubReg::at(0x3e_c018);
/// The lanes of the first bridge; the others follow 0x200 apart.
pub(crate) const HSS: HubReg = HubReg::at(0x3e_8000);
pub(crate) const HSS_STRIDE: u16 = 0x200;
