//! `mode=aim` and `mode=victim`: a partition whose device is sent where it is told on the console, and one that tells
//! whether anything of its own was reached.
#![expect(
    unsafe_code,
    reason = "writes and reads memory that nothing else of the payload uses"
)]

use crate::console::println;
use crate::hcall::{Page, hcall};
use crate::pci::{Edu, edu};
use crate::rtas;
use crate::suite::{Fail, Outcome, holds, ok};
use crate::tree::Platform;
use papr_abi::token;

/// What a victim fills its memory with, from here to shortly before its device tree: this in the upper half, the address below.
const FIRST: u64 = 16 << 20;
const SPARED: u64 = 2 << 20;
const MARK: u64 = 0x5649_4354 << 32;
/// What the attacker's device carries.
pub(crate) const LOADED: u64 = 0x1122_3344_5566_7788;
pub(crate) const UNTOUCHED: u64 = 0x00c0_ffee_00c0_ffee;
/// I/O bus addresses, as offsets into the window: of what the device loads, and of what may be hit.
pub(crate) const SOURCE_AT: u64 = 0x6_0000;
pub(crate) const TARGET_AT: u64 = 0x5_0000;
/// What a victim leaves in its device's register, which gives it inverted.
const LIVE: u64 = 0x1234_5678;

pub(crate) static SOURCE: Page = Page::new();
pub(crate) static TARGET: Page = Page::new();

/// Reads the console until the end of a line; the words of it, as hexadecimal numbers, those that are none being zero.
fn command() -> ([u64; 2], usize, bool) {
    let (mut words, mut count, mut is_word, mut is_end) = ([0u64; 2], 0, false, false);
    loop {
        let [length, first, second, ..] = hcall(token::H_GET_TERM_CHAR, [0]).out;
        let text = (u128::from(first) << 64 | u128::from(second)).to_be_bytes();
        for byte in text.iter().take(length as usize) {
            match byte {
                b'\r' | b'\n' => return (words, count, is_end),
                b' ' => is_word = false,
                _ => {
                    count += usize::from(!is_word);
                    is_word = true;
                    is_end |= *byte == b'!';
                    let digit = char::from(*byte).to_digit(16).unwrap_or(0);
                    if let Some(word) = words.get_mut(count - 1) {
                        *word = *word << 4 | u64::from(digit);
                    }
                }
            }
        }
    }
}

/// Sends the device to each address that is typed, to write and to read; with a second number, to write that as a message.
pub(crate) fn aim(platform: &Platform) {
    let tried = Edu::find(platform, 0).and_then(|device| {
        starts_with_nothing(&device)?;
        put(&device, SOURCE_AT, SOURCE.real() | 1)?;
        put(&device, TARGET_AT, TARGET.real() | 3)?;
        println!("guest-test: aims from {:x}", base(&device));
        loop {
            let ([address, data], count, is_end) = command();
            if is_end {
                return Ok(());
            }
            TARGET.fill(UNTOUCHED);
            let leaked = if count > 1 {
                message(&device, address, data)?;
                false
            } else {
                page(&device, address)?
            };
            let hit = !TARGET.is_all(UNTOUCHED);
            println!(
                "guest-test: aimed at {:x}: hit {} leaked {}",
                address, hit, leaked
            );
        }
    });
    if tried.is_err() {
        println!("guest-test: aim FAILED");
    }
}

/// Writes a page to `address` and reads one from there; whether what was read is a victim's.
fn page(device: &Edu, address: u64) -> Result<bool, Fail> {
    SOURCE.fill(LOADED);
    device.dma_in(base(device) + SOURCE_AT, edu::BUFFER_BYTES)?;
    device.dma_out(address, edu::BUFFER_BYTES)?;
    device.dma_in(address, edu::BUFFER_BYTES)?;
    let hit = !TARGET.is_all(UNTOUCHED);
    device.dma_out(base(device) + TARGET_AT, edu::BUFFER_BYTES)?;
    let leaked = (0..512).any(|n| TARGET.get(n) & !0xffff_ffff == MARK);
    if !hit {
        TARGET.fill(UNTOUCHED);
    }
    Ok(leaked)
}

/// Writes a message.
fn message(device: &Edu, address: u64, data: u64) -> Outcome {
    SOURCE.set32(0, (data as u32).swap_bytes());
    device.dma_in(base(device) + SOURCE_AT, 4)?;
    device.dma_out(address, 4)
}

/// The first I/O bus address of its window.
pub(crate) fn base(device: &Edu) -> u64 {
    device.function.bridge.window.base
}

/// Sets the entry for the page at an offset into its window.
pub(crate) fn put(device: &Edu, at: u64, tce: u64) -> Outcome {
    let window = device.function.bridge.window;
    let args = [u64::from(window.liobn), window.base + at, tce];
    ok("H_PUT_TCE", hcall(token::H_PUT_TCE, args)).map(drop)
}

/// Nothing is mapped, and what a former owner has mapped leads nowhere, here or there.
pub(crate) fn starts_with_nothing(device: &Edu) -> Outcome {
    TARGET.fill(UNTOUCHED);
    for at in [TARGET_AT, SOURCE_AT] {
        let window = device.function.bridge.window;
        let args = [u64::from(window.liobn), window.base + at];
        let entry = ok("H_GET_TCE", hcall(token::H_GET_TCE, args))?[0];
        holds("nothing is mapped", (entry == 0).then_some(()))?;
        device.dma_out(window.base + at, edu::BUFFER_BYTES)?;
        device.dma_in(window.base + at, edu::BUFFER_BYTES)?;
    }
    holds(
        "its memory is untouched",
        TARGET.is_all(UNTOUCHED).then_some(()),
    )
}

fn cell(address: u64) -> *mut u64 {
    core::ptr::with_exposed_provenance_mut(address as usize)
}

/// Fills its memory, listens for its device's messages, and tells at each line that is typed what has become of both;
/// with two words, after its device has sent a message.
pub(crate) fn victim(platform: &Platform) {
    let tried =
        Edu::find(platform, 0).and_then(|device| prepare(platform, &device).map(|()| device));
    let Ok(device) = tried else {
        println!("guest-test: victim FAILED");
        return;
    };
    let last = platform.memory_end - SPARED;
    let all = || (FIRST..last).step_by(8);
    for address in all() {
        // SAFETY: nothing of the payload lives there: it is above its image and below the device tree.
        unsafe { cell(address).write_volatile(MARK | address) };
    }
    println!("guest-test: victim is filled");
    loop {
        let (_, count, is_end) = command();
        if is_end {
            return;
        }
        if count > 1 {
            // What the others' messages would have come to.
            let _ = device.store(edu::IRQ_RAISE, 1);
            crate::cpu::spin(10 * crate::cpu::TICKS_PER_MS);
        }
        // SAFETY: as above.
        let wrong = |address: &u64| unsafe { cell(*address).read_volatile() } != MARK | address;
        let wrong = all().filter(wrong).count();
        let live = device.load(edu::LIVENESS).unwrap_or(0);
        let xirr = hcall(token::H_XIRR, [0]).out[0];
        println!(
            "guest-test: victim has {} wrong, {:x}, {:x}",
            wrong, live, xirr
        );
    }
}

/// Has the victim's device send messages to its first processor, and tells of it.
fn prepare(platform: &Platform, device: &Edu) -> Outcome {
    let function = &device.function;
    device.store(edu::LIVENESS, LIVE)?;
    function.change_msi(platform, 3, 1)?;
    let irq = function.source(platform, 0)?.out[0];
    let route = [irq, platform.servers[0], 5];
    let _ = rtas::named(platform, "ibm,set-xive", &route, 1);
    let _ = rtas::named(platform, "ibm,int-on", &[irq], 1);
    ok("H_CPPR", hcall(token::H_CPPR, [0xff]))?;
    let at = function.capability(platform, 5)?.unwrap_or(0);
    let control = function.get(platform, at, 4)? >> 16;
    function.set(platform, at + 2, 2, control | 1)?;
    let is_wide = control & 0x80 != 0;
    let low = function.get(platform, at + 4, 4)?;
    let high = if is_wide {
        function.get(platform, at + 8, 4)?
    } else {
        0
    };
    let data = function.get(platform, at + if is_wide { 12 } else { 8 }, 2)?;
    println!(
        "guest-test: victim's bar {:x} message {:x} {:x} irq {:x}",
        function.get(platform, 0x10, 4)? & !0xf,
        u64::from(high) << 32 | u64::from(low),
        data,
        irq
    );
    Ok(())
}
