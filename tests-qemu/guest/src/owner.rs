//! `mode=owner`: what a partition finds of an edu that the operator gives it, and takes away while it transfers.

use crate::aim::{LOADED, SOURCE, SOURCE_AT, TARGET, TARGET_AT, UNTOUCHED};
use crate::aim::{base, put, starts_with_nothing};
use crate::cpu;
use crate::pci::{Edu, edu};
use crate::rtas::Panel;
use crate::suite::{Fail, Outcome, holds};
use crate::tree::Platform;
use core::fmt::{self, Write};

/// Tells on the operator's panel whether there is an edu and whether it works, and has it transfer for ever.
pub(crate) fn run(platform: &Platform) -> ! {
    let count = platform.functions().len();
    let token = platform.rtas_token("display-character").unwrap_or(0);
    let tell = |what: fmt::Arguments<'_>| {
        let _ = Panel(token).write_fmt(format_args!("owner: {what}\r"));
    };
    // The last: the one that was given last.
    match Edu::find(platform, count.saturating_sub(1)) {
        Ok(device) => {
            let tried = starts_with_nothing(&device).and_then(|()| works(&device));
            let target = TARGET.real();
            match tried {
                Ok(()) => tell(format_args!(
                    "{count} functions, works, buffer at {target:x}"
                )),
                Err(Fail::Because(why) | Fail::Skip(why)) => {
                    tell(format_args!("FAILED: {why}"));
                }
                Err(_) => tell(format_args!("FAILED: a call was refused")),
            }
            loop {
                // Whatever the device still writes after its owner was stopped would be seen.
                TARGET.fill(UNTOUCHED);
                let _ = device.dma_out(base(&device) + TARGET_AT, edu::BUFFER_BYTES);
            }
        }
        Err(_) => {
            tell(format_args!("{count} functions, no edu"));
            loop {
                cpu::spin(cpu::TICKS_PER_MS);
            }
        }
    }
}

/// It computes, and moves a page.
fn works(device: &Edu) -> Outcome {
    device.store(edu::FACTORIAL, 5)?;
    while device.load(edu::STATUS)? & 1 != 0 {}
    let factorial = device.load(edu::FACTORIAL)?;
    holds("it computes", (factorial == 120).then_some(()))?;
    SOURCE.fill(LOADED);
    put(device, SOURCE_AT, SOURCE.real() | 1)?;
    put(device, TARGET_AT, TARGET.real() | 3)?;
    device.dma_in(base(device) + SOURCE_AT, edu::BUFFER_BYTES)?;
    device.dma_out(base(device) + TARGET_AT, edu::BUFFER_BYTES)?;
    holds("the page is moved", TARGET.is_all(LOADED).then_some(()))
}
