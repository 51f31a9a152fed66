//! Keeps calls from what would end the attack before its time: the payload's own memory written over, its
//! vectors made little-endian, its processors stopped.

use super::PLAYGROUND;
use super::calls;
use crate::cpu::{self, MAX_CPUS, TICKS_PER_MS};
use crate::hcall::hcall;
use crate::tree::Platform;
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use papr_abi::token;

/// RTAS calls that end the partition, or the processor that makes them.
const ENDINGS: [&str; 4] = ["power-off", "system-reboot", "ibm,os-term", "stop-self"];
/// Resource of H_SET_MODE: the byte order of interrupts.
const BYTE_ORDER: u64 = 4;
/// Which input of start-cpu is the address at which the processor begins.
const ENTRY: usize = 1;

static ENDING: [AtomicU32; ENDINGS.len()] = [const { AtomicU32::new(0) }; ENDINGS.len()];
static SERVERS: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(u32::MAX) }; MAX_CPUS];

/// Learns the numbers of calls and processors.
pub(super) fn learn(platform: &Platform) {
    for (name, slot) in ENDINGS.iter().zip(&ENDING) {
        slot.store(platform.rtas_token(name).unwrap_or(0), SeqCst);
    }
    for (server, slot) in platform.servers.iter().zip(&SERVERS).take(platform.cpus) {
        slot.store(*server, SeqCst);
    }
}

/// `address`, or one that is played with if that is the payload's own.
pub(super) fn lifted(address: u64) -> u64 {
    // The upper four bits do not count in real mode.
    if address << 4 >> 4 < PLAYGROUND {
        address + PLAYGROUND
    } else {
        address
    }
}

/// Makes of hcall `token` one that processor `number` survives.
pub(super) fn in_hcall(token: u64, args: &mut [u64; 9], number: usize) {
    let servers = || SERVERS.iter().map(|server| u64::from(server.load(SeqCst)));
    let own = servers().nth(number).unwrap_or(0);
    match token {
        token::H_ENTER => args[3] = lifted(args[3]),
        token::H_PUT_TCE | token::H_STUFF_TCE | token::H_REGISTER_VPA => args[2] = lifted(args[2]),
        token::H_PAGE_INIT | token::H_LOGICAL_CACHE_STORE => args[1] = lifted(args[1]),
        token::H_SET_DABR | token::H_RTAS => args[0] = lifted(args[0]),
        token::H_SET_MODE => {
            if args[1] == BYTE_ORDER {
                args[0] = 0;
            }
            // A breakpoint.
            args[2] = lifted(args[2]);
        }
        // Another processor may be in its handler just then, which has one place to return to.
        token::H_SIGNAL_SYS_RESET => {
            if args[0].cast_signed() < 0 || servers().any(|server| server == args[0]) {
                args[0] = own;
            }
        }
        token::H_CONFER if args[0] == own => {
            let _ = hcall(token::H_PROD, [own]);
        }
        token::H_CEDE => cpu::set_dec(TICKS_PER_MS / 16),
        _ => {}
    }
}

/// Makes of an RTAS call one that the partition survives.
pub(super) fn in_rtas(token: &mut u32, args: &mut [u32]) {
    if ENDING.iter().any(|ending| ending.load(SeqCst) == *token) {
        *token = 0;
    }
    let Some(call) = calls::by_token(*token) else {
        return;
    };
    for &place in call.writes_at {
        if let Some(address) = args.get_mut(place) {
            *address = lifted(u64::from(*address)) as u32;
        }
    }
    if call.name == calls::START_CPU
        && let Some(entry) = args.get_mut(ENTRY)
    {
        // Past the partition's memory.
        *entry |= 0xf000_0000;
    }
}
