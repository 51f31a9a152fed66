//! A partition that floods whatever others see or wait for, and one beside it that tells whether it is held up.

use crate::cases::msi::one_message;
use crate::cases::xics::{eoi, ipi, quiet, xirr};
use crate::console::println;
use crate::cpu::{self, TICKS_PER_MS};
use crate::endings;
use crate::hcall::hcall;
use crate::pci::{Edu, edu};
use crate::rtas::{self, Panel};
use crate::suite::{Fail, Outcome, ok};
use crate::tree::Platform;
use core::fmt::Write;
use papr_abi::token;

/// How often [`watch`] tells the time, and how long it waits in between.
const TIMES: u64 = 40;
const PAUSE: u64 = 50 * TICKS_PER_MS;
/// "flood flood fl" and a line's end.
const TEXT: [u64; 2] = [0x666c_6f6f_6420_666c, 0x6f6f_6420_666c_0d0a];

/// Interrupts all the time: its device does, and it itself.
struct Storm<'a> {
    platform: &'a Platform,
    device: Edu,
    source: u64,
    taken: u64,
}

impl<'a> Storm<'a> {
    fn begin(platform: &'a Platform) -> Result<Self, Fail> {
        let device = Edu::find(platform, 0)?;
        quiet(platform)?;
        let source = one_message(platform, &device)?.into();
        Ok(Self {
            platform,
            device,
            source,
            taken: 0,
        })
    }

    /// Takes what has come, and has all come again: until the next time it is pending, whoever runs.
    fn go_on(&mut self) -> Outcome {
        for _ in 0..2 {
            let word = xirr()?;
            if word & 0xff_ffff == 0 {
                break;
            }
            self.taken += u64::from(word & 0xff_ffff == self.source);
            let _ = ipi(self.platform, 0xff);
            eoi(word)?;
        }
        self.device.store(edu::IRQ_ACK, 1)?;
        self.device.store(edu::IRQ_RAISE, 1)?;
        ok("H_IPI", ipi(self.platform, 0)).map(drop)
    }
}

/// Floods its console, the operator's panel, the log by requests that are refused, and whoever takes its interrupts, for as long
/// as `ms=N` says; then it tells that it crashed.
pub(crate) fn flood(platform: &Platform) {
    let mut storm = Storm::begin(platform);
    let token = |name: &str| platform.rtas_token(name).unwrap_or(0);
    let [panel, start] = ["display-character", "start-cpu"].map(token);
    let end = cpu::timebase() + platform.options.milliseconds * TICKS_PER_MS;
    let mut number = 0;
    while cpu::timebase() < end {
        number += 1;
        let _ = hcall(token::H_PUT_TERM_CHAR, [0, 16, TEXT[0], TEXT[1]]);
        for character in *b"flood\n" {
            let _ = rtas::call(panel, &[character.into()], 1);
        }
        let _ = hcall(token::H_ENTER, [0, u64::MAX, number, 0]);
        let _ = hcall(0x7000 + 4 * (number & 0x7f), [number]);
        let _ = rtas::call(start, &[u32::MAX, 0, 0], 1);
        let _ = rtas::call(number as u32, &[], 1);
        let _ = hcall(token::H_RANDOM, []);
        if let Ok(storm) = &mut storm
            && storm.go_on().is_err()
        {
            println!("guest-test: the storm failed");
        }
    }
    if let Ok(storm) = storm {
        println!("guest-test: {} messages of the device's", storm.taken);
    }
    endings::os_term(platform);
}

/// Tells the time on its console and on the operator's panel, and how long that took at most; then it echoes.
pub(crate) fn watch(platform: &Platform) {
    let mut panel = Panel(platform.rtas_token("display-character").unwrap_or(0));
    let mut longest = 0;
    for number in 1..=TIMES {
        let start = cpu::timebase();
        println!("guest-test: watch {} at {}", number, start / 512);
        let _ = panel.write_fmt(format_args!("watch {}\r", number));
        longest = longest.max(cpu::timebase() - start);
        // As one that waits, so that its time is free for others.
        let _ = crate::trap::expecting(|| {
            cpu::set_dec(PAUSE);
            let _ = hcall(token::H_CEDE, []);
            cpu::set_ee(0);
        });
    }
    println!("guest-test: watched, {} us at most", longest / 512);
    endings::echo();
}
