//! Arguments for virtual Ethernet: two adapters of the partition's own, on one VLAN, whose windows show memory that is
//! played with.

use super::arguments::Dice;
use super::{PLAYGROUND, store};
use crate::hcall::hcall;
use crate::tree::Platform;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use papr_abi::llan::{descriptor, entry};
use papr_abi::token;

/// Where an adapter's pages are on its bus.
const LIST: u64 = 0;
const FILTERS: u64 = 0x1000;
const QUEUE: u64 = 0x2000;
const QUEUE_BYTES: u64 = 256 * entry::BYTES;
const BUFFERS: u64 = 0x1_0000;
const BUFFER_BYTES: u64 = 0x5000;
const FRAME: u64 = 0x10_0000;
/// How much of the window shows memory.
const SHOWN: u64 = 0x11_0000;
/// What it shows.
const MEMORY: u64 = PLAYGROUND + 0x80_0000;
/// The longest frame, and one more.
const FRAME_BYTES: u64 = 0x4001;
const BROADCAST: u64 = 0xffff_ffff_ffff;

static UNITS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
static ADDRESSES: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

const fn describe(at: u64, bytes: u64) -> u64 {
    descriptor::VALID | bytes << descriptor::LENGTH_SHIFT | at
}

/// Learns which adapters there are, and has their windows show memory.
pub(super) fn learn(platform: &Platform) {
    for (number, adapter) in platform.adapters().iter().enumerate().take(2) {
        UNITS[number].store(adapter.unit.into(), SeqCst);
        ADDRESSES[number].store(adapter.mac, SeqCst);
        for at in (0..SHOWN).step_by(4096) {
            let tce = MEMORY + at | 3;
            let _ = hcall(token::H_PUT_TCE, [adapter.window.liobn.into(), at, tce]);
        }
    }
}

/// Sets the arguments of hcall `token` to such as it may be served with, if it is one of these.
pub(super) fn in_hcall(dice: &mut Dice, token: u64, args: &mut [u64; 9]) {
    let number = dice.below(2) as usize;
    let unit = UNITS[number].load(SeqCst);
    let other = ADDRESSES[1 - number].load(SeqCst);
    let buffer =
        |dice: &mut Dice| BUFFERS + dice.below(32) * (BUFFER_BYTES + 8) + dice.below(2) * 4;
    match token {
        token::H_REGISTER_LOGICAL_LAN => {
            let queue = describe(QUEUE, QUEUE_BYTES);
            let own = ADDRESSES[number].load(SeqCst);
            *args = [unit, LIST, queue, FILTERS, own, 0, 0, 0, 0];
        }
        token::H_ADD_LOGICAL_LAN_BUFFER => {
            *args = [
                unit,
                describe(buffer(dice), BUFFER_BYTES),
                0,
                0,
                0,
                0,
                0,
                0,
                0,
            ];
        }
        token::H_FREE_LOGICAL_LAN_BUFFER => *args = [unit, BUFFER_BYTES, 0, 0, 0, 0, 0, 0, 0],
        token::H_SEND_LOGICAL_LAN => {
            let to = if dice.below(2) == 0 { other } else { BROADCAST };
            store(MEMORY + FRAME, to);
            let whole = describe(FRAME + 2, 14 + dice.below(FRAME_BYTES - 14));
            *args = [unit, whole, 0, 0, 0, 0, 0, 0, 0];
        }
        token::H_VIO_SIGNAL
        | token::H_MULTICAST_CTRL
        | token::H_CHANGE_LOGICAL_LAN_MAC
        | token::H_ILLAN_ATTRIBUTES => args[0] = unit,
        // Rarely, as nothing arrives after it.
        token::H_FREE_LOGICAL_LAN if dice.below(8) == 0 => args[0] = unit,
        _ => {}
    }
}
