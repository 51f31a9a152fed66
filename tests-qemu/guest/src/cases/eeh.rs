//! Recovery from errors of functions. Source: LoPAR 2.9, "ibm,set-eeh-option" and the sections of the other calls.
//!
//! A function that cannot be reset alone has no EEH: the edus, which share a card. QEMU's NVMe controller can.
//! [`CASES`] are for a machine where nothing fails; [`STOPPED`] (`mode=eeh`) follow each other on one that stops the
//! controller's endpoint some seconds after its owner took messages for it.
#![expect(unsafe_code, reason = "MSR[RI]")]

use super::pci::{NVME, NVME_AQA, NVME_CAP, registers};
use crate::cpu::{self, TICKS_PER_MS};
use crate::hcall::{PAGES, hcall};
use crate::mmu::{self, Base, EA_4K};
use crate::pci::{Edu, edu};
use crate::rtas::{self, Reply};
use crate::suite::{Case, Fail, Outcome, cases, holds, ok, same, status};
use crate::trap::expecting;
use crate::tree::{Function, Platform};
use papr_abi::hpte::r;
use papr_abi::token;

cases!("eeh":
    ; beyond_qemu:
    endpoints_are_functions_that_can_be_reset_alone,
    names_that_are_no_endpoint_of_ours_are_refused,
    options_are_checked,
    resets_that_there_are_not_are_refused,
    without_an_error_there_is_no_log_and_no_event,
    a_reset_is_held_waited_for_and_configured,
    a_mapped_register_gives_ones_in_reset,
    a_function_given_up_is_gone,
);

/// Cases of `mode=eeh`.
pub(super) const STOPPED: &[Case] = &[
    case("eeh::before_the_error_it_works", before_the_error_it_works),
    case("eeh::an_error_stops_it", an_error_stops_it),
    case("eeh::an_event_tells_of_it_once", an_event_tells_of_it_once),
    case("eeh::a_log_tells_of_it", a_log_tells_of_it),
    case(
        "eeh::released_in_order_it_works",
        released_in_order_it_works,
    ),
];

/// Cases of `mode=fenced`, on a machine whose bridge shuts itself off some seconds after the controller's
/// owner took messages for it.
pub(super) const FENCED: &[Case] = &[
    case("fenced::before_that_it_works", works_before_the_fence),
    case(
        "fenced::the_endpoint_is_unavailable_and_then_stopped",
        unavailable_and_then_stopped,
    ),
    case("fenced::an_event_tells_of_it", an_event_comes),
    case(
        "fenced::without_a_reset_it_does_not_go_on",
        does_not_go_on_without_a_reset,
    ),
    case(
        "fenced::reset_and_configured_it_works",
        reset_and_configured_it_works,
    ),
    case(
        "fenced::who_cannot_be_reset_stays_stopped",
        who_cannot_be_reset_stays_stopped,
    ),
];

const fn case(name: &'static str, run: fn(&Platform) -> Outcome) -> Case {
    Case {
        name,
        run,
        beyond_qemu: 1,
    }
}

/// How long a reset, or the error, may take to come.
const PATIENCE: u64 = 60_000 * TICKS_PER_MS;
/// The byte of a log that has the flag of its extended part, and that flag.
const EXTENDED: u32 = 1 << 18;

fn nvme(platform: &Platform) -> Result<&Function, Fail> {
    let mut all = platform.functions().iter();
    all.find(|function| function.id == NVME)
        .ok_or(Fail::Skip("no function that can be reset alone"))
}
fn shared(platform: &Platform) -> Result<&Function, Fail> {
    let mut all = platform.functions().iter();
    all.find(|function| function.id != NVME)
        .ok_or(Fail::Skip("no function that cannot be reset alone"))
}

/// A call that has the function as its first three arguments.
fn of(
    platform: &Platform,
    name: &str,
    function: &Function,
    rest: &[u32],
    returns: u32,
) -> Result<Reply, Fail> {
    let buid = function.bridge.buid;
    let mut args = [0; 8];
    let names = [function.config_addr, (buid >> 32) as u32, buid as u32];
    let all = names.iter().chain(rest);
    let count = args
        .iter_mut()
        .zip(all)
        .map(|(to, from)| *to = *from)
        .count();
    rtas::named(platform, name, args.get(..count).unwrap_or(&[]), returns)
        .ok_or(Fail::Because("the device tree offers the call"))
}
fn expect(
    platform: &Platform,
    name: &'static str,
    function: &Function,
    rest: &[u32],
    want: i64,
) -> Outcome {
    status(name, of(platform, name, function, rest, 1)?.status, want)
}
/// The state of a function: PE state, whether it has EEH, milliseconds.
fn state(platform: &Platform, function: &Function) -> Result<[u32; 3], Fail> {
    let reply = of(platform, "ibm,read-slot-reset-state2", function, &[], 4)?;
    status("ibm,read-slot-reset-state2", reply.status, 0)?;
    Ok([reply.out[0], reply.out[1], reply.out[2]])
}
fn is(platform: &Platform, function: &Function, want: u32) -> Outcome {
    let [number, has_eeh, _] = state(platform, function)?;
    same("has EEH", has_eeh.into(), 1)?;
    same("PE state", number.into(), want.into())
}
/// Waits until the function's state is `want`.
fn wait(platform: &Platform, function: &Function, want: u32) -> Outcome {
    let start = cpu::timebase();
    while state(platform, function)?[0] != want {
        holds(
            "the endpoint's state changes in time",
            (cpu::timebase() - start < PATIENCE).then_some(()),
        )?;
    }
    Ok(())
}
fn buffer() -> u32 {
    PAGES[2].real() as u32
}
/// ibm,slot-error-detail with a buffer of 2 KiB and no word of a driver's.
fn detail(platform: &Platform, function: &Function, severity: u32) -> Result<i64, Fail> {
    let rest = [0, 0, buffer(), 2048, severity];
    Ok(of(platform, "ibm,slot-error-detail", function, &rest, 1)?.status)
}
fn scan(platform: &Platform, name: &str, lead: &[u32]) -> Result<i64, Fail> {
    let mut args = [0; 6];
    let rest = [u32::MAX, 0, buffer(), 2048];
    let all = lead.iter().chain(&rest);
    let count = args
        .iter_mut()
        .zip(all)
        .map(|(to, from)| *to = *from)
        .count();
    let reply = rtas::named(platform, name, args.get(..count).unwrap_or(&[]), 1);
    reply
        .map(|reply| reply.status)
        .ok_or(Fail::Because("the device tree offers the call"))
}
/// Checks that a log is where `buffer` is, with its first word.
fn log_is_there(first: u32) -> Outcome {
    same(
        "first word",
        PAGES[2].get32(0).into(),
        (first | EXTENDED).into(),
    )?;
    let length = PAGES[2].get32(1);
    holds(
        "a length that fits",
        (168..=2040).contains(&length).then_some(()),
    )?;
    same("format", PAGES[2].get32(5).into(), 0x4942_4d00)?;
    same("first section", u64::from(PAGES[2].get32(6) >> 16), 0x5048)
}

fn endpoints_are_functions_that_can_be_reset_alone(platform: &Platform) -> Outcome {
    const CALL: &str = "ibm,get-config-addr-info2";
    let alone = nvme(platform)?;
    let reply = of(platform, CALL, alone, &[1], 2)?;
    status(CALL, reply.status, 0)?;
    same("not shared", reply.out[0].into(), 1)?;
    let reply = of(platform, CALL, alone, &[0], 2)?;
    status(CALL, reply.status, 0)?;
    same("address", reply.out[0].into(), alone.config_addr.into())?;
    holds(
        "an address that Linux takes",
        (reply.out[0] != 0).then_some(()),
    )?;
    for what in [2, u32::MAX] {
        status(CALL, of(platform, CALL, alone, &[what], 2)?.status, -3)?;
    }
    same("PE state", state(platform, alone)?[0].into(), 0)?;

    let shared = shared(platform)?;
    let reply = of(platform, CALL, shared, &[1], 2)?;
    status(CALL, reply.status, 0)?;
    same("no endpoint", reply.out[0].into(), 0)?;
    status(CALL, of(platform, CALL, shared, &[0], 2)?.status, -3)?;
    same("no EEH", state(platform, shared)?[1].into(), 0)?;
    expect(platform, "ibm,set-eeh-option", shared, &[1], -3)?;
    expect(platform, "ibm,set-slot-reset", shared, &[1], -3)?;
    expect(platform, "ibm,configure-pe", shared, &[], -3)?;
    status("ibm,slot-error-detail", detail(platform, shared, 2)?, -3)
}

fn names_that_are_no_endpoint_of_ours_are_refused(platform: &Platform) -> Outcome {
    let own = nvme(platform)?;
    let mut wrong = [*own; 5];
    wrong[0].config_addr ^= 0x100;
    wrong[1].config_addr ^= 0x2_0000;
    wrong[2].config_addr |= 4;
    wrong[3].bridge.buid ^= 1 << 40;
    wrong[4].bridge.buid = 0;
    for function in &wrong {
        for (name, rest, returns) in [
            ("ibm,set-eeh-option", &[1][..], 1),
            ("ibm,get-config-addr-info2", &[1], 2),
            ("ibm,read-slot-reset-state2", &[], 4),
            ("ibm,set-slot-reset", &[1], 1),
            ("ibm,configure-pe", &[], 1),
        ] {
            let reply = of(platform, name, function, rest, returns)?;
            status("a foreign name", reply.status, -3)?;
        }
        status("ibm,slot-error-detail", detail(platform, function, 2)?, -3)?;
    }
    is(platform, own, 0)
}

fn options_are_checked(platform: &Platform) -> Outcome {
    let own = nvme(platform)?;
    for option in 0..4 {
        expect(platform, "ibm,set-eeh-option", own, &[option], 0)?;
    }
    for option in [4, 5, 6, u32::MAX] {
        expect(platform, "ibm,set-eeh-option", own, &[option], -3)?;
    }
    is(platform, own, 0)
}

fn resets_that_there_are_not_are_refused(platform: &Platform) -> Outcome {
    let own = nvme(platform)?;
    expect(platform, "ibm,set-slot-reset", own, &[3], -8)?;
    for reset in [2, 4, u32::MAX] {
        expect(platform, "ibm,set-slot-reset", own, &[reset], -3)?;
    }
    // There is none to end.
    expect(platform, "ibm,set-slot-reset", own, &[0], 0)?;
    is(platform, own, 0)
}

fn without_an_error_there_is_no_log_and_no_event(platform: &Platform) -> Outcome {
    let own = nvme(platform)?;
    PAGES[2].fill(0x55);
    status("ibm,slot-error-detail", detail(platform, own, 1)?, 1)?;
    status("event-scan", scan(platform, "event-scan", &[])?, 1)?;
    status(
        "check-exception",
        scan(platform, "check-exception", &[0x500, 0])?,
        1,
    )?;
    holds("the buffer", PAGES[2].is_all(0x55).then_some(()))?;
    for severity in [0, 3] {
        status("severity", detail(platform, own, severity)?, -3)?;
    }
    let end = platform.memory_end as u32;
    for rest in [
        [end, 4, buffer(), 2048, 1],
        [0, 0, end - 8, 16, 1],
        [0, 0, end, 8, 2],
    ] {
        let reply = of(platform, "ibm,slot-error-detail", own, &rest, 1)?;
        status("a buffer outside memory", reply.status, -3)?;
    }
    is(platform, own, 0)
}

fn load(base: u64, bytes: u64) -> Result<u64, Fail> {
    let answer = hcall(token::H_LOGICAL_CI_LOAD, [bytes, base]);
    Ok(ok("H_LOGICAL_CI_LOAD", answer)?[0])
}

fn a_reset_is_held_waited_for_and_configured(platform: &Platform) -> Outcome {
    let own = nvme(platform)?;
    let base = registers(platform, own)?;
    let capabilities = load(base + NVME_CAP, 4)?;
    let bar = own.get(platform, 0x10, 4)?;
    expect(platform, "ibm,set-slot-reset", own, &[1], 0)?;
    is(platform, own, 1)?;
    expect(platform, "ibm,set-slot-reset", own, &[1], 0)?;
    for option in [2, 3] {
        expect(platform, "ibm,set-eeh-option", own, &[option], -7)?;
    }
    for bytes in [1, 2, 4, 8] {
        let ones = u64::MAX >> (64 - 8 * bytes);
        same("in reset", load(base + NVME_CAP, bytes)?, ones)?;
    }
    expect(platform, "ibm,set-slot-reset", own, &[0], 0)?;
    let [number, _, ms] = state(platform, own)?;
    same("PE state", number.into(), 5)?;
    holds(
        "a time that is left",
        (1..=1000).contains(&ms).then_some(()),
    )?;
    let reply = of(platform, "ibm,configure-pe", own, &[], 1)?;
    holds(
        "to be called again",
        [9901, 9902].contains(&reply.status).then_some(()),
    )?;
    wait(platform, own, 0)?;
    expect(platform, "ibm,configure-pe", own, &[], 0)?;
    expect(platform, "ibm,configure-pe", own, &[], 0)?;
    same("BAR 0", own.get(platform, 0x10, 4)?.into(), bar.into())?;
    let command = own.get(platform, 4, 2)?;
    own.set(platform, 4, 2, command | 2)?;
    same(
        "capabilities again",
        load(base + NVME_CAP, 4)?,
        capabilities,
    )
}

/// Maps the page of registers at `base` at [`EA_4K`]; the entry's index.
pub(super) fn map_registers(platform: &Platform, base: u64) -> Result<u64, Fail> {
    /// Memory-mapped registers: inhibited and guarded, for reading and writing.
    const ATTRIBUTES: u64 = r::I | r::G | r::R | r::C | 2;
    mmu::map(platform, EA_4K, Base::K4, base & !0xfff | ATTRIBUTES)
}

/// Loads a register through a mapping at `at`, which must give `want`, and stores one; no interrupt may come of either.
pub(super) fn through_mapping(
    platform: &Platform,
    at: u64,
    want: u64,
    (store_at, value): (u64, u64),
) -> Outcome {
    const RI: u64 = 2;
    let msr = cpu::msr();
    // SAFETY: RI alone; nothing depends on SRR0 and SRR1 here.
    unsafe { cpu::set_msr(msr | RI) };
    let outcome = mmu::translated(platform, || {
        let mut got = 0;
        let (count, _) = expecting(|| {
            got = mmu::load32(at, !want);
        });
        same("interrupts of a load", count, 0)?;
        same("loaded", got, want)?;
        let (count, _) = expecting(|| mmu::store32(store_at, value));
        same("interrupts of a store", count, 0)
    });
    // SAFETY: as it was.
    unsafe { cpu::set_msr(msr) };
    outcome
}

/// Loads from and stores to the function's registers through a mapping of them, in translated mode.
fn mapped(platform: &Platform, base: u64, want: u64) -> Outcome {
    let index = map_registers(platform, base)?;
    let at = EA_4K + (base & 0xfff);
    let store = (at + NVME_AQA, 0x0700_0700);
    let outcome = through_mapping(platform, at + NVME_CAP, want, store);
    mmu::unmap(index)?;
    outcome
}

fn a_mapped_register_gives_ones_in_reset(platform: &Platform) -> Outcome {
    let own = nvme(platform)?;
    let base = registers(platform, own)?;
    let capabilities = load(base + NVME_CAP, 4)?;
    let kept = load(base + NVME_AQA, 4)?;
    mapped(platform, base, capabilities)?;
    hcall(token::H_LOGICAL_CI_STORE, [4, base + NVME_AQA, kept]);
    expect(platform, "ibm,set-slot-reset", own, &[1], 0)?;
    let in_reset = mapped(platform, base, 0xffff_ffff);
    expect(platform, "ibm,set-slot-reset", own, &[0], 0)?;
    wait(platform, own, 0)?;
    expect(platform, "ibm,configure-pe", own, &[], 0)?;
    in_reset?;
    same(
        "capabilities again",
        load(base + NVME_CAP, 4)?,
        capabilities,
    )
}

fn a_function_given_up_is_gone(platform: &Platform) -> Outcome {
    let own = nvme(platform)?;
    let base = registers(platform, own)?;
    PAGES[2].fill(0);
    status("ibm,slot-error-detail", detail(platform, own, 2)?, 0)?;
    log_is_there(0x0690_22e0)?;
    let [number, has_eeh, ms] = state(platform, own)?;
    same("PE state", number.into(), 5)?;
    same("has EEH", has_eeh.into(), 1)?;
    same("for good", ms.into(), 0)?;
    same("registers", load(base + NVME_CAP, 4)?, 0xffff_ffff)?;
    for reset in [0, 1] {
        expect(platform, "ibm,set-slot-reset", own, &[reset], -7)?;
    }
    for option in [2, 3] {
        expect(platform, "ibm,set-eeh-option", own, &[option], -7)?;
    }
    same("PE state", state(platform, own)?[0].into(), 5)
}

/// The error comes some seconds after the messages that are taken here.
fn before_the_error_it_works(platform: &Platform) -> Outcome {
    let own = nvme(platform)?;
    is(platform, own, 0)?;
    let given = own.change_msi(platform, 4, 1)?;
    status("ibm,change-msi", given.status, 0)?;
    same("messages", given.out[0].into(), 1)?;
    let capabilities = load(registers(platform, own)? + NVME_CAP, 4)?;
    holds("it answers", (capabilities != 0xffff_ffff).then_some(()))
}

fn an_error_stops_it(platform: &Platform) -> Outcome {
    let own = nvme(platform)?;
    let base = registers(platform, own)?;
    wait(platform, own, 2)?;
    same("registers", load(base + NVME_CAP, 4)?, 0xffff_ffff)?;
    mapped(platform, base, 0xffff_ffff)?;
    // The others do not notice.
    let shared = shared(platform)?;
    let id = shared.get(platform, 0, 4)?;
    same("another's id", id.rotate_left(16).into(), shared.id.into())
}

fn an_event_tells_of_it_once(platform: &Platform) -> Outcome {
    nvme(platform)?;
    let start = cpu::timebase();
    PAGES[2].fill(0);
    while scan(platform, "event-scan", &[])? != 0 {
        holds(
            "the event comes in time",
            (cpu::timebase() - start < PATIENCE).then_some(()),
        )?;
    }
    log_is_there(0x0650_22e0)?;
    status("event-scan", scan(platform, "event-scan", &[])?, 1)?;
    status(
        "check-exception",
        scan(platform, "check-exception", &[0x500, 0])?,
        1,
    )
}

fn a_log_tells_of_it(platform: &Platform) -> Outcome {
    let own = nvme(platform)?;
    PAGES[2].fill(0);
    status("ibm,slot-error-detail", detail(platform, own, 1)?, 0)?;
    log_is_there(0x0690_22e0)?;
    is(platform, own, 2)
}

fn released_in_order_it_works(platform: &Platform) -> Outcome {
    let own = nvme(platform)?;
    let base = registers(platform, own)?;
    expect(platform, "ibm,set-eeh-option", own, &[3], -7)?;
    expect(platform, "ibm,set-eeh-option", own, &[2], 0)?;
    is(platform, own, 4)?;
    let capabilities = load(base + NVME_CAP, 4)?;
    holds("it answers", (capabilities != 0xffff_ffff).then_some(()))?;
    mapped(platform, base, capabilities)?;
    expect(platform, "ibm,set-eeh-option", own, &[3], 0)?;
    is(platform, own, 0)?;
    status("ibm,slot-error-detail", detail(platform, own, 1)?, 1)?;
    // The hypervisor looks ten times a second, and is to see this before the partition ends.
    cpu::spin(500 * TICKS_PER_MS);
    Ok(())
}

fn works_before_the_fence(platform: &Platform) -> Outcome {
    before_the_error_it_works(platform)?;
    let edu = Edu::find(platform, 0)?.load(edu::ID)?;
    holds("so does the other", (edu != 0xffff_ffff).then_some(()))
}

fn unavailable_and_then_stopped(platform: &Platform) -> Outcome {
    let own = nvme(platform)?;
    let start = cpu::timebase();
    let mut was_unavailable = false;
    loop {
        let [number, has_eeh, ms] = state(platform, own)?;
        same("has EEH", has_eeh.into(), 1)?;
        if number == 5 {
            was_unavailable = true;
            holds("a time that is left", (ms > 0).then_some(()))?;
            let reply = of(platform, "ibm,configure-pe", own, &[], 1)?;
            holds(
                "to be called again, or the bridge is back",
                [9901, 9902, 0].contains(&reply.status).then_some(()),
            )?;
        } else if number == 2 && was_unavailable {
            break;
        }
        holds(
            "the endpoint's state changes in time",
            (cpu::timebase() - start < PATIENCE).then_some(()),
        )?;
    }
    let base = registers(platform, own)?;
    same("registers", load(base + NVME_CAP, 4)?, 0xffff_ffff)?;
    mapped(platform, base, 0xffff_ffff)
}

fn an_event_comes(platform: &Platform) -> Outcome {
    let start = cpu::timebase();
    PAGES[2].fill(0);
    while scan(platform, "event-scan", &[])? != 0 {
        holds(
            "the event comes in time",
            (cpu::timebase() - start < PATIENCE).then_some(()),
        )?;
    }
    log_is_there(0x0650_22e0)
}

fn does_not_go_on_without_a_reset(platform: &Platform) -> Outcome {
    let own = nvme(platform)?;
    expect(platform, "ibm,set-eeh-option", own, &[2], -1)?;
    is(platform, own, 2)
}

fn reset_and_configured_it_works(platform: &Platform) -> Outcome {
    let own = nvme(platform)?;
    let bar = own.get(platform, 0x10, 4)?;
    expect(platform, "ibm,set-slot-reset", own, &[1], 0)?;
    expect(platform, "ibm,set-slot-reset", own, &[0], 0)?;
    wait(platform, own, 0)?;
    expect(platform, "ibm,configure-pe", own, &[], 0)?;
    same("BAR 0", own.get(platform, 0x10, 4)?.into(), bar.into())?;
    let base = registers(platform, own)?;
    let capabilities = load(base + NVME_CAP, 4)?;
    holds("it answers", (capabilities != 0xffff_ffff).then_some(()))?;
    mapped(platform, base, capabilities)
}

fn who_cannot_be_reset_stays_stopped(platform: &Platform) -> Outcome {
    let id = Edu::find(platform, 0)?.load(edu::ID)?;
    same("its registers", id, 0xffff_ffff)?;
    // The hypervisor looks ten times a second, and is to see the other go on before the partition ends.
    cpu::spin(500 * TICKS_PER_MS);
    Ok(())
}
