//! `mode=latency`: how long after a device's interrupt the first instruction of its vector comes.
//!
//! QEMU's edu ends a transfer, and sends its message, 100 ms after it began, by a clock of whole milliseconds. Counting
//! instructions (`-icount shift=0`) that clock is the time base's: the message is sent at a multiple of 512,000
//! ticks, and the rest of the time that the vector notes is the latency. Elsewhere the numbers mean nothing.

use crate::cases::msi::{one_message, release};
use crate::cases::xics::{eoi, quiet, xirr};
use crate::console::println;
use crate::cpu::{self, DEC_FAR, TICKS_PER_MS};
use crate::hcall::{PAGES, Waiting, hcall, stamped};
use crate::pci::{Edu, edu};
use crate::suite::{Fail, Outcome, holds, ok, same};
use crate::tree::Platform;
use papr_abi::token;

const ROUNDS: usize = 20;
/// The command bit by which edu sends a message at the end.
const WITH_MESSAGE: u64 = 4;

/// Prints one line for each message, first those met in H_CEDE and then those met while spinning.
pub(crate) fn run(platform: &Platform) {
    match measure(platform) {
        Ok(()) => println!("bench latency done"),
        Err(Fail::Because(what) | Fail::Skip(what)) => println!("bench latency failed: {}", what),
        Err(Fail::Differs { what, got, want }) => {
            println!("bench latency failed: {}: {:x}, not {:x}", what, got, want);
        }
        Err(Fail::Status { what, got, want }) => {
            println!("bench latency failed: {}: {}, not {}", what, got, want);
        }
    }
}

fn measure(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    let window = device.function.bridge.window;
    let map = |tce| {
        hcall(
            token::H_PUT_TCE,
            [u64::from(window.liobn), window.base, tce],
        )
    };
    ok("H_PUT_TCE", map(PAGES[0].real() | 3))?;
    quiet(platform)?;
    let source = u64::from(one_message(platform, &device)?);
    for (name, how) in [("waiting", Waiting::Ceded), ("running", Waiting::Spinning)] {
        for _ in 0..ROUNDS {
            let ticks = round(&device, window.base, source, how)?;
            println!("bench latency {} {}", name, ticks * 1000 / 512);
        }
    }
    ok("H_PUT_TCE", map(0))?;
    release(platform, &device)
}

/// Ticks from one message to the first instruction of the vector.
fn round(device: &Edu, ioba: u64, source: u64, how: Waiting) -> Result<u64, Fail> {
    cpu::set_dec(DEC_FAR);
    let start = cpu::timebase();
    device.begin(ioba, edu::BUFFER, 64, WITH_MESSAGE)?;
    let [_, came] = stamped(0x500, how);
    let word = xirr()?;
    device.store(edu::IRQ_ACK, device.load(edu::IRQ_STATUS)?)?;
    eoi(word)?;
    same("XIRR", word, 0xff00_0000 | source)?;
    let took = came - start;
    let in_time = (99 * TICKS_PER_MS..1000 * TICKS_PER_MS).contains(&took);
    holds("it comes when the transfer ends", in_time.then_some(()))?;
    Ok(came % TICKS_PER_MS)
}
