//! Translated mode: segments, hashed pages entered by H_ENTER, and the way in and out.
//!
//! The payload is mapped to itself in 4 KiB pages, so that code goes on where it is. Segments are of
//! 256 MiB and have the number [`VSID`] + ESID.
#![expect(unsafe_code, reason = "segment registers and MSR[IR, DR]")]

use crate::cpu::{self, MSR_IR_DR};
use crate::hcall::hcall;
use crate::suite::{Fail, Outcome, ok};
use crate::tree::Platform;
use core::arch::asm;
use papr_abi::hpte::{r, v};
use papr_abi::token;

/// What ESIDs are added to.
const VSID: u64 = 0x1_2340;
/// Where the image is linked.
const IMAGE: u64 = 0x40_0000;
/// Base page of a segment, as an SLB entry tells it.
const SEGMENTS: [(u64, Base); 4] = [
    (0, Base::K4),
    (2, Base::K64),
    (3, Base::K4),
    (0xc_0000_0000, Base::K4),
];

/// Base page size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// 4 KiB
    K4,
    /// 64 KiB: L = 1, LP = 1.
    K64,
}

/// An effective address in the segment of 64 KiB pages.
pub(crate) const EA_64K: u64 = 0x2000_0000;
/// An effective address in a segment of 4 KiB pages where nothing is mapped.
pub(crate) const EA_4K: u64 = 0x3000_0000;
/// An effective address without a segment.
pub(crate) const EA_NO_SEGMENT: u64 = 0x5000_0000;

fn segment_number(ea: u64) -> u64 {
    // ESID 0xc00000000 would not fit beside the others; 40 is free.
    VSID + (ea >> 28 & 0x3f) + if ea >> 60 == 0xc { 40 } else { 0 }
}

/// The first doubleword of the entry for `ea`.
pub(crate) fn high(ea: u64, base: Base) -> u64 {
    let virtual_address = segment_number(ea) << 28 | ea & 0xfff_ffff;
    let large = if base == Base::K64 { v::LARGE } else { 0 };
    virtual_address >> 23 << 7 | large | v::VALID
}

/// Enters a page for `ea` with second doubleword `low`; the index of the entry.
pub(crate) fn map(platform: &Platform, ea: u64, base: Base, low: u64) -> Result<u64, Fail> {
    let shift = if base == Base::K64 { 16 } else { 12 };
    let hash = segment_number(ea) ^ (ea & 0xfff_ffff) >> shift;
    let group = (hash & (platform.ptegs - 1)) * 8;
    Ok(ok(
        "H_ENTER",
        hcall(token::H_ENTER, [0, group, high(ea, base), low]),
    )?[0])
}

/// Removes entry `index`.
pub(crate) fn unmap(index: u64) -> Outcome {
    ok("H_REMOVE", hcall(token::H_REMOVE, [0, index, 0])).map(drop)
}

/// Runs `act` with MSR[IR] and MSR[DR] on. It must not reach what lies outside the payload, the
/// device tree among it.
pub(crate) fn translated<T>(
    platform: &Platform,
    act: impl FnOnce() -> Result<T, Fail>,
) -> Result<T, Fail> {
    let mut entries = [0u64; 512];
    let mut count = 0;
    let mut outcome = Ok(());
    // The vectors as AIL 2 and AIL 3 find them, then the payload.
    let vectors = [
        (0x1_8000, 0x1_8000),
        (0x1_9000, 0x1_9000),
        (0xc << 60 | 0x4000, 0x4000),
        (0xc << 60 | 0x5000, 0x5000),
    ];
    let image = (IMAGE..cpu::image_end())
        .step_by(0x1000)
        .map(|real| (real, real));
    for (ea, real) in vectors.into_iter().chain(image) {
        match (
            entries.get_mut(count),
            map(platform, ea, Base::K4, real | r::R | r::C | r::M | 2),
        ) {
            (Some(slot), Ok(index)) => {
                *slot = index;
                count += 1;
            }
            (_, Err(fail)) => outcome = Err(fail),
            (None, Ok(_)) => {
                outcome = Err(Fail::Because(
                    "the payload is larger than the list of its pages",
                ))
            }
        }
    }
    let outcome = outcome.and_then(|()| {
        set_segments();
        let msr = cpu::msr();
        // SAFETY: payload and stacks are mapped one to one; vectors run in real mode or are mapped.
        unsafe { cpu::set_msr(msr | MSR_IR_DR) };
        let outcome = act();
        // SAFETY: back to the MSR that the payload was entered with.
        unsafe { cpu::set_msr(msr) };
        outcome
    });
    for index in entries.iter().take(count) {
        unmap(*index)?;
    }
    outcome
}

fn set_segments() {
    // SAFETY: translation is off; segments matter once it is on.
    unsafe { asm!("isync", "slbia", options(nostack)) };
    for (slot, (esid, base)) in SEGMENTS.into_iter().enumerate() {
        let ea = esid << 28;
        let size = if base == Base::K64 { 0x110 } else { 0 };
        let (rs, rb) = (segment_number(ea) << 12 | size, ea | 1 << 27 | slot as u64);
        // SAFETY: as above; each slot is written once after slbia.
        unsafe { asm!("slbmte {}, {}", in(reg) rs, in(reg) rb, options(nostack)) };
    }
    // SAFETY: orders the above before what follows.
    unsafe { asm!("isync", options(nostack)) };
}

/// Loads a doubleword at effective address `ea`; a fault leaves `default`.
pub(crate) fn load(ea: u64, default: u64) -> u64 {
    let mut value = default;
    // SAFETY: reads what the caller mapped, or faults, and the trap handler steps over it.
    unsafe { asm!("ld {0}, 0({1})", inout(reg) value, in(reg_nonzero) ea, options(nostack)) };
    value
}

/// Loads a word at effective address `ea`, for device registers; a fault leaves `default`.
pub(crate) fn load32(ea: u64, default: u64) -> u64 {
    let mut value = default;
    // SAFETY: as `load`.
    unsafe { asm!("lwz {0}, 0({1})", inout(reg) value, in(reg_nonzero) ea, options(nostack)) };
    value
}

/// Stores a word at effective address `ea`, for device registers.
pub(crate) fn store32(ea: u64, value: u64) {
    // SAFETY: as `store`; what the caller mapped are registers that it may change.
    unsafe { asm!("stw {0}, 0({1})", in(reg) value, in(reg_nonzero) ea, options(nostack)) };
}

/// Stores a doubleword at effective address `ea`.
pub(crate) fn store(ea: u64, value: u64) {
    // SAFETY: writes a `Page` that the caller mapped, or faults, and the trap handler steps over it.
    unsafe { asm!("std {0}, 0({1})", in(reg) value, in(reg_nonzero) ea, options(nostack)) };
}

/// Calls the code at effective address `ea`.
pub(crate) fn call(ea: u64) {
    // SAFETY: the caller put a `blr` there, or fetching faults and the trap handler returns here.
    unsafe {
        asm!("mtctr {0}", "bctrl", in(reg) ea, lateout("ctr") _, lateout("lr") _, options(nostack))
    };
}

/// Writes the MSR by `mtmsrd`. Used with values that keep the payload running: facilities and HV alone differ.
pub(crate) fn set_msr_by_mtmsrd(value: u64) {
    // SAFETY: IR, DR, SF and LE are as they were, by the above.
    unsafe { cpu::set_msr(value) };
}

/// Writes the MSR by `rfid`, to the next instruction. As above.
pub(crate) fn set_msr_by_rfid(value: u64) {
    // SAFETY: goes on after the rfid, in the state that the caller runs in; LR and two registers are lost.
    unsafe {
        asm!(
            "bcl 20, 31, 2f", "2: mflr {t}", "addi {t}, {t}, 3f - 2b", "mtsrr0 {t}", "mtsrr1 {v}", "rfid", "3:",
            t = out(reg_nonzero) _, v = in(reg) value, lateout("lr") _, options(nostack)
        );
    }
}

/// Adds in little-endian mode.
pub(crate) fn little_endian_sum(a: u64, b: u64) -> u64 {
    let (sum, lr_lost): (u64, u64);
    // SAFETY: MSR[LE] is on for the bytes between the two rfid, which are written in that order:
    // add r3, r3, r4; mtsrr0 r6; mtsrr1 r5; rfid. No memory is touched meanwhile, no interrupt open.
    unsafe {
        asm!(
            "mfmsr 5",
            "ori 7, 5, 1",
            "bcl 20, 31, 2f",
            "2: mflr 8",
            "addi 6, 8, 4f - 2b",
            "addi 8, 8, 3f - 2b",
            "mtsrr0 8",
            "mtsrr1 7",
            "rfid",
            ".balign 8",
            "3: .long 0x1422637c",
            ".long 0xa603da7c",
            ".long 0xa603bb7c",
            ".long 0x2400004c",
            "4:",
            inlateout("r3") a => sum,
            in("r4") b,
            lateout("r5") _, lateout("r6") lr_lost, lateout("r7") _, lateout("r8") _, lateout("lr") _,
            options(nostack)
        );
    }
    let _ = lr_lost;
    sum
}
