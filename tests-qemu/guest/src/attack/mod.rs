//! `mode=attack`: every hcall and RTAS call, and numbers that are none, with random and boundary arguments from
//! all processors at once, and DMA to random addresses. It tells on the operator's panel how many calls there were and
//! what came of them, and on its console, if it has one, how long the longest of each took. Then it ends by os-term; or
//! with `again=1` it reboots and attacks anew.
//!
//! What it does is chosen by `seed=N`, or by the time with `again=1`; on one processor nothing else has a part in it.
//! [`arguments`] chooses numbers, [`likely`] those that calls may be served with, [`spare`] keeps it from what would
//! end the attack: its own code, its own end.
#![expect(
    unsafe_code,
    reason = "writes memory that nothing else of the payload uses"
)]

mod arguments;
mod calls;
mod lan;
mod likely;
mod spare;

use crate::console::println;
use crate::cpu::{self, DEC_FAR, MAX_CPUS};
use crate::hcall::hcall;
use crate::pci::{Edu, edu};
use crate::rtas::{self, Panel};
use crate::smp::{self, Order};
use crate::trap;
use crate::tree::Platform;
pub(crate) use arguments::Dice;
use calls::{HCALLS, RTAS};
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use papr_abi::rtas::MAX_INPUTS;
use papr_abi::token;

/// The memory below is the payload's own, and is spared; that from here on is what it plays with.
const PLAYGROUND: u64 = 16 << 20;
/// How much of that there is at least, less 1.
const PLAYGROUND_MASK: u64 = 0xff_ffff;
/// The list that H_PUT_TCE_INDIRECT is given most often, rewritten all the time.
const LIST: u64 = PLAYGROUND + 0x10_0000;
/// Where each processor has its argument blocks.
const BLOCKS: u64 = PLAYGROUND + 0x20_0000;
const BLOCK_BYTES: u64 = 0x1_0000;
/// The device takes 100 ms for a transfer.
const DMA_TICKS: u64 = 150 * cpu::TICKS_PER_MS;

static SEED: AtomicU64 = AtomicU64::new(0);
static MADE: AtomicU64 = AtomicU64::new(0);
static DONE: AtomicU64 = AtomicU64::new(0);
static TRANSFERS: AtomicU64 = AtomicU64::new(0);
/// Timebase ticks of the longest call of each kind.
static LONGEST: [AtomicU64; HCALLS.len()] = [const { AtomicU64::new(0) }; HCALLS.len()];
static LONGEST_RTAS: [AtomicU64; RTAS.len()] = [const { AtomicU64::new(0) }; RTAS.len()];

/// Has every processor make as many calls as the command line asks for, and tells what came of it.
pub(crate) fn run(platform: &Platform) {
    let token = |name: &str| platform.rtas_token(name).unwrap_or(0);
    let [os_term, reboot, panel] = ["ibm,os-term", "system-reboot", "display-character"].map(token);
    arguments::learn(platform);
    spare::learn(platform);
    calls::learn(platform);
    likely::learn(platform);
    lan::learn(platform);
    let seed = if platform.options.again {
        cpu::timebase() & 0xff_ffff
    } else {
        platform.options.seed
    };
    SEED.store(seed, SeqCst);
    let calls = platform.options.calls;
    let mut orders = [None; MAX_CPUS];
    for (number, order) in orders.iter_mut().enumerate().take(platform.cpus).skip(1) {
        if smp::start(platform, number).is_ok() {
            *order = Some(smp::give_with(number, Order::Attack, calls));
        }
    }
    storm(0, calls, Edu::find(platform, 0).ok());
    let is_missing = |(number, order): &(usize, &Option<u64>)| {
        order.is_some_and(|before| smp::wait(*number, before, "it has made its calls").is_err())
    };
    let missing = orders.iter().enumerate().filter(is_missing).count();
    let longest = HCALLS.iter().map(|(_, name)| *name).zip(&LONGEST);
    let longest_rtas = RTAS.iter().map(|call| call.name).zip(&LONGEST_RTAS);
    for (name, ticks) in longest.chain(longest_rtas) {
        match ticks.load(SeqCst) {
            0 => println!("longest {} never", name),
            ticks => println!("longest {} {}", name, ticks),
        }
    }
    // A random call may have left half a line.
    let _ = Panel(panel).write_fmt(format_args!(
        "\rattack {}: {} calls, {} done, {} transfers, {} missing\r",
        seed,
        MADE.load(SeqCst),
        DONE.load(SeqCst),
        TRANSFERS.load(SeqCst),
        missing
    ));
    let _ = if platform.options.again {
        rtas::call(reboot, &[], 1)
    } else {
        rtas::call(os_term, &[LIST as u32], 1)
    };
}

/// Makes `calls` calls on processor `number`, and transfers with `device` meanwhile.
pub(crate) fn storm(number: usize, calls: u64, device: Option<Edu>) {
    let mut dice = Dice::new(SEED.load(SeqCst) << 8 | number as u64);
    let mut last = cpu::timebase();
    let _ = trap::expecting(|| {
        for _ in 0..calls {
            store(LIST + 8 * dice.below(512), dice.tce());
            if dice.below(3) == 0 {
                rtas_call(&mut dice, number);
            } else {
                any_hcall(&mut dice, number);
            }
            if let Some(device) = device
                && cpu::timebase() - last > DMA_TICKS
            {
                transfer(&mut dice, &device);
                last = cpu::timebase();
            }
        }
    });
}

/// Makes one hcall, and notes how long it took and whether it was served.
fn any_hcall(dice: &mut Dice, number: usize) {
    let place = dice.below(HCALLS.len() as u64 + 2) as usize;
    let known = HCALLS.get(place).map(|(token, _)| *token);
    let token = known.unwrap_or_else(|| dice.value());
    let mut args = core::array::from_fn(|_| dice.value());
    if dice.below(2) == 0 {
        likely::in_hcall(dice, token, &mut args);
        lan::in_hcall(dice, token, &mut args);
    }
    spare::in_hcall(token, &mut args, number);
    let ticks = timed(token, args);
    // How long that one waits is for the caller to say.
    if token != token::H_CEDE
        && let Some(longest) = LONGEST.get(place)
    {
        longest.fetch_max(ticks, SeqCst);
    }
}

/// Does an hcall; how many ticks it took.
fn timed(token: u64, args: [u64; 9]) -> u64 {
    let start = cpu::timebase();
    let answer = hcall(token, args);
    let ticks = cpu::timebase() - start;
    cpu::set_ee(0);
    cpu::set_dec(DEC_FAR);
    MADE.fetch_add(1, SeqCst);
    DONE.fetch_add(u64::from(answer.status >= 0), SeqCst);
    ticks
}

/// Makes one RTAS call, mostly with as many arguments as it has.
fn rtas_call(dice: &mut Dice, number: usize) {
    let place = dice.below(RTAS.len() as u64 + 1) as usize;
    let mut token = calls::token_of(place).unwrap_or_else(|| dice.value() as u32);
    let shape = RTAS.get(place).map_or([3, 2], |call| call.shape);
    let shape = if dice.below(8) == 0 {
        [dice.value() as u32, dice.value() as u32]
    } else {
        shape
    };
    let mut args: [u32; MAX_INPUTS] = core::array::from_fn(|_| dice.value() as u32);
    if let Some(call) = RTAS.get(place)
        && dice.below(2) == 0
    {
        likely::in_rtas(dice, call.name, &mut args);
    }
    spare::in_rtas(&mut token, &mut args);
    let own = BLOCKS + BLOCK_BYTES * (number % MAX_CPUS) as u64;
    let block = own + dice.below(BLOCK_BYTES / 16) * 8;
    let mut words = [0u32; 4 + MAX_INPUTS];
    let all = [token].into_iter().chain(shape).chain(args);
    words
        .iter_mut()
        .zip(all)
        .for_each(|(word, value)| *word = value);
    for (n, [high, low]) in words.as_chunks::<2>().0.iter().enumerate() {
        store(
            block + 8 * n as u64,
            u64::from(*high) << 32 | u64::from(*low),
        );
    }
    let block = match dice.below(16) {
        0 => spare::lifted(dice.value()),
        _ => block,
    };
    let ticks = timed(token::H_RTAS, [block, 0, 0, 0, 0, 0, 0, 0, 0]);
    if let Some(longest) = LONGEST_RTAS.get(place) {
        longest.fetch_max(ticks, SeqCst);
    }
}

/// Starts a transfer between `device` and a random address, and does not wait for it.
fn transfer(dice: &mut Dice, device: &Edu) {
    let (out, address) = (dice.below(2), dice.value());
    let (from, to) = if out == 1 {
        (edu::BUFFER, address)
    } else {
        (address, edu::BUFFER)
    };
    // No more than its buffer holds, which QEMU 10.0 does not check.
    let bytes = dice.below(edu::BUFFER_BYTES + 1);
    for (register, value) in [
        (edu::DMA_SRC, from),
        (edu::DMA_DST, to),
        (edu::DMA_COUNT, bytes),
        (edu::DMA_COMMAND, out << 1 | 1),
    ] {
        let _ = hcall(
            token::H_LOGICAL_CI_STORE,
            [8, device.base + register, value],
        );
    }
    TRANSFERS.fetch_add(1, SeqCst);
}

/// Stores to memory that is played with.
fn store(address: u64, value: u64) {
    let pointer = core::ptr::with_exposed_provenance_mut::<u64>(address as usize);
    // SAFETY: at and above `PLAYGROUND` nothing of the payload lives; the partition has 32 MiB or more.
    unsafe { pointer.write_volatile(value) };
}
