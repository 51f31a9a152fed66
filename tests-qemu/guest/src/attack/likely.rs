//! Arguments that a call may well be served with, so that what comes after the checks is attacked, too.

use super::arguments::Dice;
use super::{LIST, PLAYGROUND, PLAYGROUND_MASK};
use crate::pci::{Edu, edu};
use crate::tree::Platform;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use papr_abi::token;

const PAGE: u64 = 4096;
/// RTAS calls that name a function by its first three inputs, and what to do by a small number.
const OF_FUNCTIONS: [&str; 8] = [
    "ibm,change-msi",
    "ibm,query-interrupt-source-number",
    "ibm,set-eeh-option",
    "ibm,get-config-addr-info2",
    "ibm,read-slot-reset-state2",
    "ibm,set-slot-reset",
    "ibm,configure-pe",
    "ibm,slot-error-detail",
];
/// The partition's own numbers.
static LIOBN: AtomicU64 = AtomicU64::new(0);
static WINDOW: AtomicU64 = AtomicU64::new(0);
static WINDOW_PAGES: AtomicU64 = AtomicU64::new(0);
static BUID: AtomicU64 = AtomicU64::new(0);
static FUNCTION: AtomicU64 = AtomicU64::new(0);
static REGISTERS: AtomicU64 = AtomicU64::new(0);

/// Learns what the partition has.
pub(super) fn learn(platform: &Platform) {
    if let Some(function) = platform.functions().first() {
        let window = function.bridge.window;
        LIOBN.store(u64::from(window.liobn), SeqCst);
        WINDOW.store(window.base, SeqCst);
        WINDOW_PAGES.store(window.bytes / PAGE, SeqCst);
        BUID.store(function.bridge.buid, SeqCst);
        FUNCTION.store(u64::from(function.config_addr), SeqCst);
    }
    if let Ok(edu) = Edu::find(platform, 0) {
        REGISTERS.store(edu.base, SeqCst);
    }
}

/// Sets the arguments of hcall `token` to such ones, if there are any for it.
pub(super) fn in_hcall(dice: &mut Dice, token: u64, args: &mut [u64; 9]) {
    let page = |dice: &mut Dice| PLAYGROUND + (dice.value() & PLAYGROUND_MASK & !(PAGE - 1));
    let ioba = |dice: &mut Dice| {
        let number = dice.below(WINDOW_PAGES.load(SeqCst));
        WINDOW.load(SeqCst) + number * PAGE
    };
    let liobn = LIOBN.load(SeqCst);
    match token {
        token::H_PUT_TCE | token::H_GET_TCE => {
            *args = [liobn, ioba(dice), dice.tce(), 0, 0, 0, 0, 0, 0];
        }
        token::H_STUFF_TCE => {
            *args = [
                liobn,
                ioba(dice),
                dice.tce(),
                dice.below(513),
                0,
                0,
                0,
                0,
                0,
            ];
        }
        token::H_PUT_TCE_INDIRECT => {
            *args = [liobn, ioba(dice), LIST, dice.below(513), 0, 0, 0, 0, 0];
        }
        // Few groups, so that processors meet in them.
        token::H_ENTER => {
            let flags = dice.known();
            let v = dice.below(4) << 12 | 1;
            *args = [flags, dice.below(64), v, page(dice) | 0x190, 0, 0, 0, 0, 0];
        }
        token::H_REMOVE
        | token::H_PROTECT
        | token::H_READ
        | token::H_CLEAR_MOD
        | token::H_CLEAR_REF => {
            args[1] = dice.below(64);
            args[0] = if token == token::H_PROTECT {
                dice.below(4)
            } else {
                0
            };
        }
        token::H_BULK_REMOVE => {
            for pair in args.as_chunks_mut::<2>().0 {
                *pair = [0x4000_0000_0000_0000 | dice.below(64), 0];
            }
        }
        token::H_PAGE_INIT => {
            *args = [dice.known(), page(dice), page(dice), 0, 0, 0, 0, 0, 0];
        }
        // Not those of its transfers: QEMU 10.0's writes past its buffer if asked, into the emulator's own memory.
        token::H_LOGICAL_CI_LOAD | token::H_LOGICAL_CI_STORE => {
            let bytes = 1 << dice.below(4);
            let address = REGISTERS.load(SeqCst) + dice.below(edu::DMA_SRC / 8) * 8;
            *args = [bytes, address, dice.value(), 0, 0, 0, 0, 0, 0];
        }
        _ => {}
    }
}

/// Sets the inputs of RTAS call `name` to such ones, if there are any for it.
pub(super) fn in_rtas(dice: &mut Dice, name: &str, args: &mut [u32]) {
    let buid = BUID.load(SeqCst);
    let own = [
        FUNCTION.load(SeqCst) as u32,
        (buid >> 32) as u32,
        buid as u32,
    ];
    if name.ends_with("pci-config") {
        let register = dice.below(0x1000) as u32;
        let address = own[0] | (register & 0xf00) << 20 | register & 0xfc;
        let bytes = 1 << dice.below(3);
        let all = [address, own[1], own[2], bytes, dice.value() as u32];
        args.iter_mut()
            .zip(all)
            .for_each(|(slot, value)| *slot = value);
    } else if OF_FUNCTIONS.contains(&name) {
        args.iter_mut()
            .zip(own)
            .for_each(|(slot, value)| *slot = value);
        if let Some(slot) = args.get_mut(3) {
            *slot = dice.below(5) as u32;
        }
    } else if name.starts_with("nvram-") {
        let all = [0, page_of_32_bits(dice), dice.below(0x1_0000) as u32];
        args.iter_mut()
            .zip(all)
            .for_each(|(slot, value)| *slot = value);
    }
}

fn page_of_32_bits(dice: &mut Dice) -> u32 {
    (PLAYGROUND + dice.below(PLAYGROUND_MASK)) as u32
}
