//! The root port: a PCI bridge, in config space at [`ROOT`].
//!
//! Sources: PCI Express Base Specification, "PCI Express Capability Structure" and "Advanced Error Reporting"; the values
//! are those that skiboot's `p7ioc_phb_init_rc_cfg` and `phb3_init_rc_cfg` have in common.

use super::Chip;
use super::config::ROOT;
use crate::{CfgOffset, CfgWidth};

const BRIDGE_CONTROL: CfgOffset = CfgOffset::at(0x3e);
const SECONDARY_BUS_RESET: u32 = 0x40;
/// Uncorrectable errors: status, mask.
pub const AER_UNCORRECTABLE: CfgOffset = CfgOffset::at(0x104);
/// Uncorrectable errors that are not reported.
pub const AER_UNCORRECTABLE_MASK: CfgOffset = CfgOffset::at(0x108);
/// Correctable errors: status.
const AER_CORRECTABLE: CfgOffset = CfgOffset::at(0x110);
/// Correctable errors that are not reported.
pub const AER_CORRECTABLE_MASK: CfgOffset = CfgOffset::at(0x114);
/// The correctable error that a link going down makes.
pub const RECEIVER_ERROR: u32 = 1;
/// Errors that the root port was told.
const AER_ROOT: CfgOffset = CfgOffset::at(0x130);

/// Status registers of the PCI header and of the PCI Express capability: which bits clear by ones.
pub const STATUS_ERRORS: u32 = 0xf900;
const SECONDARY_STATUS: CfgOffset = CfgOffset::at(0x1e);
const DEVICE_STATUS: u16 = 0x0a;
const DEVICE_ERRORS: u32 = 0xf;

/// Reads a register, changes it and writes it back.
pub fn change(
    chip: &mut impl Chip,
    at: CfgOffset,
    width: CfgWidth,
    change: impl FnOnce(u32) -> u32,
) {
    let value = chip.raw_read(ROOT, at, width);
    chip.raw_write(ROOT, at, width, change(value));
}

/// Holds the bus below in hot reset.
pub fn begin_hot_reset(chip: &mut impl Chip) {
    change(chip, BRIDGE_CONTROL, CfgWidth::Half, |control| {
        control | SECONDARY_BUS_RESET
    });
}

/// Ends it.
pub fn end_hot_reset(chip: &mut impl Chip) {
    change(chip, BRIDGE_CONTROL, CfgWidth::Half, |control| {
        control & !SECONDARY_BUS_RESET
    });
}

/// Walks the capabilities to that of PCI Express.
pub fn find_pcie_cap(chip: &mut impl Chip) -> Option<CfgOffset> {
    const PCIE: u32 = 0x10;
    let mut at = chip.raw_read(ROOT, CfgOffset::at(0x34), CfgWidth::Byte);
    // No more than fit: a chain that goes in circles ends all the same.
    for _ in 0..48 {
        let cap = CfgOffset::new(at as u16 & 0xfc).filter(|cap| cap.get() >= 0x40)?;
        let header = chip.raw_read(ROOT, cap, CfgWidth::Half);
        if header & 0xff == PCIE {
            return Some(cap);
        }
        at = header >> 8;
    }
    None
}

/// What the chips differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reporting {
    /// Device control 2: completion time-out, ARI forwarding.
    pub device_control2: u32,
    /// Correctable errors that are not reported.
    pub correctable_mask: u32,
}

/// Clears the errors of the PCI Express capability `cap`, if there is one, and of AER, and has those that come reported.
pub fn report_errors(chip: &mut impl Chip, cap: Option<CfgOffset>, reporting: &Reporting) {
    if let Some(cap) = cap {
        // Status cleared; all errors reported, payloads of 128 bytes; SERR on errors and CRS visible.
        for (by, value) in [
            (DEVICE_STATUS, DEVICE_ERRORS),
            (0x8, 0xf),
            (0x1c, 0x17),
            (0x28, reporting.device_control2),
        ] {
            if let Some(at) = cap.plus(by) {
                chip.raw_write(ROOT, at, CfgWidth::Half, value);
            }
        }
    }
    // AER: status cleared; poisoned, time-out, completer abort and ECRC masked; what is fatal; ECRC on;
    // all reported at the root.
    for (at, value) in [
        (AER_UNCORRECTABLE, u32::MAX),
        (AER_UNCORRECTABLE_MASK, 0x0008_d000),
        (CfgOffset::at(0x10c), 0x0007_2030),
        (AER_CORRECTABLE, u32::MAX),
        (AER_CORRECTABLE_MASK, reporting.correctable_mask),
        (CfgOffset::at(0x118), 0x0000_0140),
        (CfgOffset::at(0x12c), 0x7),
        (AER_ROOT, u32::MAX),
    ] {
        chip.raw_write(ROOT, at, CfgWidth::Word, value);
    }
}

/// Clears the secondary status, the device status of the PCI Express capability `cap` and AER's: all by ones.
pub fn clear_errors(chip: &mut impl Chip, cap: Option<CfgOffset>) {
    chip.raw_write(ROOT, SECONDARY_STATUS, CfgWidth::Half, STATUS_ERRORS);
    if let Some(status) = cap.and_then(|cap| cap.plus(DEVICE_STATUS)) {
        chip.raw_write(ROOT, status, CfgWidth::Half, DEVICE_ERRORS);
    }
    for status in [AER_UNCORRECTABLE, AER_CORRECTABLE, AER_ROOT] {
        chip.raw_write(ROOT, status, CfgWidth::Word, u32::MAX);
    }
}
