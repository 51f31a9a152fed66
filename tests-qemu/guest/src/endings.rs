//! The modes that end the partition in other ways, and the one that listens.

use crate::console::{print, println};
use crate::hcall::{Page, hcall};
use crate::rtas;
use crate::tree::Platform;
use papr_abi::token;

static BUFFER: Page = Page::new();
/// Where NVRAM keeps how often `mode=reboot` was started.
const COUNTER_AT: u32 = 0x100;

fn nvram(platform: &Platform, name: &str) -> i64 {
    rtas::named(platform, name, &[COUNTER_AT, BUFFER.real() as u32, 8], 2)
        .map_or(-3, |reply| reply.status)
}

/// Restarts twice; says each time how often it was started, and whether memory was as new.
pub(crate) fn reboot(platform: &Platform) {
    const MAGIC: u64 = 0x5265_626f_6f74_0000;
    let fetched = nvram(platform, "nvram-fetch");
    let starts = BUFFER
        .get(0)
        .checked_sub(MAGIC)
        .filter(|starts| *starts < 10)
        .unwrap_or(0)
        + 1;
    println!(
        "guest-test: start number {} (nvram-fetch {})",
        starts, fetched
    );
    BUFFER.set(0, if starts == 3 { 0 } else { MAGIC + starts });
    let stored = nvram(platform, "nvram-store");
    if starts < 3 && fetched == 0 && stored == 0 {
        let status =
            rtas::named(platform, "system-reboot", &[], 1).map_or(-3, |reply| reply.status);
        println!("guest-test: system-reboot came back with {}", status);
    }
}

/// Tells the platform that it has died.
pub(crate) fn os_term(platform: &Platform) {
    for (n, chunk) in b"guest-test says good-bye\0\0\0\0\0\0\0\0"
        .as_chunks::<8>()
        .0
        .iter()
        .enumerate()
    {
        BUFFER.set(n, u64::from_be_bytes(*chunk));
    }
    let status = rtas::named(platform, "ibm,os-term", &[BUFFER.real() as u32], 1)
        .map_or(-3, |reply| reply.status);
    println!("guest-test: os-term came back with {}", status);
}

/// The class of environmental and power warnings in an event mask.
const EPOW: u32 = 1 << 30;

/// Takes no notice of anything but the interrupt that asks it to shut down; then tells why, and ends.
pub(crate) fn orderly(platform: &Platform) {
    let irq = platform.epow_irq.unwrap_or(0);
    let route = [irq, platform.servers[0], 5];
    let routed = rtas::named(platform, "ibm,set-xive", &route, 1).map_or(-3, |reply| reply.status);
    let on = rtas::named(platform, "ibm,int-on", &[irq], 1).map_or(-3, |reply| reply.status);
    hcall(token::H_CPPR, [0xff]);
    println!("guest-test: waits for {:x}: {} {}", irq, routed, on);
    let warned = 0xff00_0000 | u64::from(irq);
    while hcall(token::H_XIRR, [0]).out[0] != warned {
        crate::cpu::spin(crate::cpu::TICKS_PER_MS);
    }
    let sensor = rtas::named(platform, "get-sensor-state", &[9, 0], 2);
    let (at, bytes) = (BUFFER.real() as u32, 4096);
    let question = [0x500, irq, EPOW, 0, at, bytes];
    let told = rtas::named(platform, "check-exception", &question, 1);
    println!(
        "guest-test: asked to shut down: status {} sensor {} log {:x} section {:x} {:x}",
        told.map_or(-3, |reply| reply.status),
        sensor.map_or(0, |reply| reply.out[0]),
        BUFFER.get(0) >> 32,
        BUFFER.get(12) >> 32,
        BUFFER.get(13) >> 32
    );
    hcall(token::H_EOI, [warned]);
}

/// Writes back what H_GET_TERM_CHAR brings, until a line ends in `end`.
pub(crate) fn echo() {
    println!("guest-test: echo");
    let mut last = [0u8; 3];
    loop {
        let answer = hcall(token::H_GET_TERM_CHAR, [0]);
        let [length, first, second, ..] = answer.out;
        let text = (u128::from(first) << 64 | u128::from(second)).to_be_bytes();
        for byte in text.iter().take(length as usize) {
            print!("{}", char::from(*byte));
            if last == *b"end" && (*byte == b'\n' || *byte == b'\r') {
                println!("guest-test: echo ended");
                return;
            }
            last = [last[1], last[2], *byte];
        }
    }
}

/// Prints numbered lines without a pause, until something is typed.
pub(crate) fn flood() {
    let mut number = 0u64;
    while hcall(token::H_GET_TERM_CHAR, [0]).out[0] == 0 {
        println!("guest-test: flood {}", number);
        number += 1;
    }
    println!("guest-test: flood ended after {} lines", number);
}

/// Lets others run, for ever.
pub(crate) fn wait() {
    crate::hcall::cede_until(u64::MAX);
}
