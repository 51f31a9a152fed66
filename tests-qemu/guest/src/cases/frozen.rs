//! An endpoint that an injected error stops while the partition runs, and the one beside it (`mode=frozen`).
//!
//! The hypervisor was told to stop the first edu's endpoint some seconds after it was asked to, to let its registers go
//! on, not its DMA, some seconds later, and then its DMA. The cases follow each other.

use super::eeh::{map_registers, through_mapping};
use super::msi::{PATIENCE_MS, one_message, pending};
use super::xics::{eoi, quiet};
use crate::cpu::{self, PATIENCE};
use crate::hcall::{Page, hcall};
use crate::mmu::EA_4K;
use crate::pci::{Edu, edu};
use crate::suite::{Fail, Outcome, cases, holds, ok, same};
use crate::tree::Platform;
use papr_abi::token;

cases!("frozen":
    before_the_error_both_reach_memory_and_answer,
    the_errors_endpoint_stops_answering,
    the_other_still_reaches_memory_and_answers,
    thawed_for_mmio_it_answers_but_reaches_nothing,
    the_other_reaches_memory_all_the_while,
    thawed_wholly_it_reaches_memory_and_sends,
);

static TARGET: [Page; 2] = [const { Page::new() }; 2];
static SOURCE: Page = Page::new();
const UNTOUCHED: u64 = 0x00c0_ffee_00c0_ffee;
const LOADED: u64 = 0x1122_3344_5566_7788;
const SOURCE_AT: u64 = 0x30_0000;
const TARGET_AT: u64 = 0x10_0000;

/// Edu `number`, its window's pages mapped.
fn device(platform: &Platform, number: usize) -> Result<Edu, Fail> {
    let device = Edu::find(platform, number)?;
    let window = device.function.bridge.window;
    for (at, tce) in [
        (SOURCE_AT, SOURCE.real() | 1),
        (TARGET_AT, TARGET[number].real() | 3),
    ] {
        ok(
            "H_PUT_TCE",
            hcall(
                token::H_PUT_TCE,
                [window.liobn.into(), window.base + at, tce],
            ),
        )?;
    }
    Ok(device)
}

/// Whether a page goes from memory through device `number` back to memory.
fn reaches(platform: &Platform, number: usize) -> Result<bool, Fail> {
    let device = device(platform, number)?;
    let base = device.function.bridge.window.base;
    SOURCE.fill(LOADED);
    TARGET[number].fill(UNTOUCHED);
    device.dma_in(base + SOURCE_AT, 4096)?;
    device.dma_out(base + TARGET_AT, 4096)?;
    if TARGET[number].is_all(LOADED) {
        return Ok(true);
    }
    holds(
        "nothing of the page is written",
        TARGET[number].is_all(UNTOUCHED).then_some(()),
    )?;
    Ok(false)
}

/// Checks that a device has its registers: what is written to one comes back inverted.
fn answers(device: &Edu) -> Outcome {
    device.store(edu::LIVENESS, 0x1234_5678)?;
    // The registers are little-endian, the calls are not.
    same(
        "liveness",
        device.load(edu::LIVENESS)?,
        !0x1234_5678 & 0xffff_ffff,
    )
}

/// Whether a message of the device arrives; it was given one.
fn sends(device: &Edu, ms: u64) -> Result<bool, Fail> {
    device.store(edu::IRQ_RAISE, 1)?;
    let word = pending(ms)?;
    device.store(edu::IRQ_ACK, 1)?;
    if word != 0 {
        eoi(word)?;
    }
    Ok(word != 0)
}

/// Looks at the device through the mapping that it has from the start: what its liveness register must give.
fn mapping_gives(platform: &Platform, device: &Edu, want: u64) -> Outcome {
    let at = EA_4K + (device.base & 0xfff) + edu::LIVENESS;
    through_mapping(platform, at, want, (at, 0x1234_5678))
}

/// Waits until loads from a device do, or do not, give all ones.
fn wait(device: &Edu, dark: bool) -> Outcome {
    let start = cpu::timebase();
    while (device.load(edu::ID)? == 0xffff_ffff) != dark {
        holds(
            "the endpoint's state changes in time",
            (cpu::timebase() - start < PATIENCE).then_some(()),
        )?;
    }
    Ok(())
}

fn before_the_error_both_reach_memory_and_answer(platform: &Platform) -> Outcome {
    for number in 0..2 {
        answers(&device(platform, number)?)?;
        holds(
            "it reaches memory",
            reaches(platform, number)?.then_some(()),
        )?;
    }
    quiet(platform)?;
    let device = Edu::find(platform, 0)?;
    one_message(platform, &device)?;
    holds("it sends", sends(&device, PATIENCE_MS)?.then_some(()))?;
    map_registers(platform, device.base)?;
    mapping_gives(platform, &device, !0x1234_5678 & 0xffff_ffff)
}

fn the_errors_endpoint_stops_answering(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    wait(&device, true)?;
    device.store(edu::LIVENESS, 0x1234_5678)?;
    same("liveness", device.load(edu::LIVENESS)?, 0xffff_ffff)?;
    // Calls find it stopped at once. Where the bridge is a model, the device below it follows.
    let start = cpu::timebase();
    loop {
        let outcome = mapping_gives(platform, &device, 0xffff_ffff);
        if outcome.is_ok() || cpu::timebase() - start >= PATIENCE {
            return outcome;
        }
    }
}

fn the_other_still_reaches_memory_and_answers(platform: &Platform) -> Outcome {
    answers(&device(platform, 1)?)?;
    holds("it reaches memory", reaches(platform, 1)?.then_some(()))?;
    // And this happened while the first was stopped.
    same(
        "the first's id",
        Edu::find(platform, 0)?.load(edu::ID)?,
        0xffff_ffff,
    )
}

fn thawed_for_mmio_it_answers_but_reaches_nothing(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    wait(&device, false)?;
    answers(&device)?;
    holds(
        "it reaches no memory",
        (!reaches(platform, 0)?).then_some(()),
    )?;
    holds("it sends nothing", (!sends(&device, 200)?).then_some(()))?;
    mapping_gives(platform, &device, !0x1234_5678 & 0xffff_ffff)
}

fn the_other_reaches_memory_all_the_while(platform: &Platform) -> Outcome {
    holds("it reaches memory", reaches(platform, 1)?.then_some(()))
}

fn thawed_wholly_it_reaches_memory_and_sends(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    let start = cpu::timebase();
    while !sends(&device, 100)? {
        holds(
            "the endpoint's state changes in time",
            (cpu::timebase() - start < PATIENCE).then_some(()),
        )?;
    }
    holds("it reaches memory", reaches(platform, 0)?.then_some(()))?;
    answers(&device)?;
    // The hypervisor looks ten times a second, and is to see this before the partition ends.
    cpu::spin(500 * cpu::TICKS_PER_MS);
    Ok(())
}
