//! Interrupts of a device: ibm,change-msi, its messages, its level-sensitive line, and a message that
//! is not its own. Source: LoPAR 2.9, "MSI Support".

use super::xics::{eoi, quiet, xirr};
use crate::cpu::{self, TICKS_PER_MS};
use crate::hcall::{Page, hcall};
use crate::mmu::{self, Base, EA_4K};
use crate::pci::{self, Edu, edu};
use crate::rtas;
use crate::suite::{Fail, Outcome, cases, holds, ok, refused, same, status};
use crate::trap::{expecting, so_far};
use crate::tree::Platform;
use papr_abi::hpte::r;
use papr_abi::{HError, token};

cases!("msi":
    change_msi_gives_and_takes_back,
    a_message_arrives_at_its_server,
    a_masked_source_waits_until_it_is_on,
    the_line_is_level_sensitive;
    beyond_qemu:
    change_msi_is_asked_and_taken_back_twice,
    change_msi_refuses,
    the_message_is_not_the_guests_to_write,
    a_message_of_another_function_is_dropped,
    registers_are_reached_through_the_page_table,
    registers_refuse_wrong_storage_attributes,
);

static PAGE: Page = Page::new();
const PRIORITY: u32 = 5;

/// Gives the device one message, routed to this processor; its source.
pub(crate) fn one_message(platform: &Platform, device: &Edu) -> Result<u32, Fail> {
    let reply = device.function.change_msi(platform, 3, 1)?;
    status("ibm,change-msi", reply.status, 0)?;
    same("messages granted", u64::from(reply.out[0]), 1)?;
    let source = device.function.source(platform, 0)?;
    status("ibm,query-interrupt-source-number", source.status, 0)?;
    same("trigger", u64::from(source.out[1]), 1)?;
    route(platform, source.out[0], PRIORITY)?;
    enable(platform, device, 1)?;
    Ok(source.out[0])
}
/// Sets MSI enable as an operating system does once it has its sources.
pub(crate) fn enable(platform: &Platform, device: &Edu, on: u32) -> Outcome {
    if let Some(at) = device.function.capability(platform, 5)? {
        let control = device.function.get(platform, at + 2, 2)?;
        device
            .function
            .set(platform, at + 2, 2, control & !1 | on)?;
    }
    Ok(())
}
/// Takes the message back, and ends what it has brought.
pub(crate) fn release(platform: &Platform, device: &Edu) -> Outcome {
    device.store(edu::IRQ_ACK, 0xffff_ffff)?;
    enable(platform, device, 0)?;
    status(
        "ibm,change-msi",
        device.function.change_msi(platform, 3, 0)?.status,
        0,
    )?;
    quiet(platform)
}
pub(crate) fn route(platform: &Platform, source: u32, priority: u32) -> Outcome {
    let reply = rtas::named(
        platform,
        "ibm,set-xive",
        &[source, platform.servers[0], priority],
        1,
    );
    status("ibm,set-xive", reply.map_or(-3, |reply| reply.status), 0)?;
    // Never switched on since boot, a source keeps what set-xive gave for the time when it is.
    let call = if priority == 0xff {
        "ibm,int-off"
    } else {
        "ibm,int-on"
    };
    status(
        call,
        rtas::named(platform, call, &[source], 1).map_or(-3, |reply| reply.status),
        0,
    )
}
/// How long an interrupt may take that must come.
pub(crate) const PATIENCE_MS: u64 = cpu::PATIENCE / TICKS_PER_MS;

/// The interrupt that becomes pending within `ms`, taken by H_XIRR; 0 when none does.
pub(crate) fn pending(ms: u64) -> Result<u64, Fail> {
    let start = cpu::timebase();
    loop {
        let word = xirr()?;
        if word & 0x00ff_ffff != 0 {
            return Ok(word);
        }
        if cpu::timebase() - start > ms * TICKS_PER_MS {
            return Ok(0);
        }
    }
}

fn change_msi_gives_and_takes_back(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    for _ in 0..3 {
        let source = one_message(platform, &device)?;
        holds(
            "a source number",
            (source > 2 && source < 0x0100_0000).then_some(()),
        )?;
        release(platform, &device)?;
    }
    Ok(())
}

fn change_msi_is_asked_and_taken_back_twice(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    one_message(platform, &device)?;
    for (count, function) in [(1, 0), (0, 3), (0, 0), (0, 3), (0, 0)] {
        let reply = device.function.change_msi(platform, function, 0)?;
        status("ibm,change-msi", reply.status, 0)?;
        same("messages", u64::from(reply.out[0]), count)?;
    }
    release(platform, &device)
}

fn change_msi_refuses(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    let code = |function, count| {
        Ok(device
            .function
            .change_msi(platform, function, count)?
            .status)
    };
    status("MSI-X, which it lacks", code(4, 1)?, -3)?;
    for function in [6, 9, u32::MAX] {
        status("an unknown function", code(function, 1)?, -3)?;
    }
    // More than it has: fewer are given, or none with an error.
    let many = device.function.change_msi(platform, 3, 64)?;
    holds(
        "at most what it has",
        (many.status < 0 || many.out[0] <= device.function.msis).then_some(()),
    )?;
    release(platform, &device)?;
    let mut other = device.function;
    other.config_addr |= 7 << 8;
    status(
        "a foreign function",
        other.change_msi(platform, 3, 1)?.status,
        -3,
    )?;
    let source = device.function.source(platform, 99)?;
    status("an interrupt that it does not have", source.status, 1)
}

fn a_message_arrives_at_its_server(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    quiet(platform)?;
    let source = u64::from(one_message(platform, &device)?);
    let mut outcome = Ok(());
    for _ in 0..3 {
        device.store(edu::IRQ_RAISE, 1)?;
        let (count, trap) = expecting(|| {
            cpu::set_ee(cpu::MSR_EE);
            let _ = cpu::until(|| so_far().0 > 0);
            cpu::set_ee(0);
        });
        let word = xirr()?;
        same("edu's status", device.load(edu::IRQ_STATUS)?, 1)?;
        device.store(edu::IRQ_ACK, 1)?;
        if word & 0x00ff_ffff != 0 {
            eoi(word)?;
        }
        let this = same("interrupts", count, 1).and(same("vector", trap.vector, 0x500));
        outcome = outcome
            .and(this)
            .and(same("XIRR", word, 0xff00_0000 | source))
            .and(same("after EOI", pending(5)?, 0));
    }
    release(platform, &device)?;
    outcome
}

fn a_masked_source_waits_until_it_is_on(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    quiet(platform)?;
    let source = one_message(platform, &device)?;
    let off = rtas::named(platform, "ibm,int-off", &[source], 1).map_or(-3, |reply| reply.status);
    device.store(edu::IRQ_RAISE, 1)?;
    let masked = pending(20)?;
    let on = rtas::named(platform, "ibm,int-on", &[source], 1).map_or(-3, |reply| reply.status);
    let shown = pending(PATIENCE_MS)?;
    device.store(edu::IRQ_ACK, 1)?;
    if shown != 0 {
        eoi(shown)?;
    }
    release(platform, &device)?;
    status("ibm,int-off", off, 0)?;
    status("ibm,int-on", on, 0)?;
    same("XIRR while it is off", masked, 0)?;
    same("XIRR once it is on", shown & 0x00ff_ffff, u64::from(source))
}

fn the_line_is_level_sensitive(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    enable(platform, &device, 0)?;
    let source = device.function.source(platform, 0)?;
    if source.status != 0 {
        return Err(Fail::Skip("no level-sensitive interrupt"));
    }
    same("trigger", u64::from(source.out[1]), 0)?;
    // With no message assigned, the platform has the line on.
    same(
        "INTx disable in the command register",
        u64::from(device.function.get(platform, 4, 2)?) & 0x400,
        0,
    )?;
    route(platform, source.out[0], PRIORITY)?;
    device.store(edu::IRQ_RAISE, 2)?;
    let first = pending(PATIENCE_MS)?;
    // Not acknowledged at the device, it is back once it is ended.
    let mut again = 0;
    if first != 0 {
        eoi(first)?;
        again = pending(PATIENCE_MS)?;
    }
    device.store(edu::IRQ_ACK, 2)?;
    if again != 0 {
        eoi(again)?;
    }
    // One more may have been on its way; then it is over.
    let late = pending(20)?;
    if late != 0 {
        eoi(late)?;
    }
    let after = pending(20)?;
    route(platform, source.out[0], 0xff)?;
    quiet(platform)?;
    same("source", first & 0x00ff_ffff, u64::from(source.out[0]))?;
    same(
        "source, again",
        again & 0x00ff_ffff,
        u64::from(source.out[0]),
    )?;
    same("XIRR once acknowledged", after, 0)
}

/// Address and data of the device's message, as its capability holds them.
fn message(platform: &Platform, device: &Edu) -> Result<(u64, u32, u32), Fail> {
    let at = device
        .function
        .capability(platform, 5)?
        .ok_or(Fail::Because("edu has an MSI capability"))?;
    let wide = device.function.get(platform, at + 2, 2)? & 0x80 != 0;
    let low = u64::from(device.function.get(platform, at + 4, 4)?);
    let high = if wide {
        u64::from(device.function.get(platform, at + 8, 4)?)
    } else {
        0
    };
    let data = device
        .function
        .get(platform, at + if wide { 12 } else { 8 }, 2)?;
    Ok((high << 32 | low, data, at))
}

fn the_message_is_not_the_guests_to_write(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    quiet(platform)?;
    let source = one_message(platform, &device)?;
    let (address, data, at) = message(platform, &device)?;
    let function = device.function;
    for offset in [4, 8, 12] {
        let _ = pci::write(
            platform,
            function.bridge,
            function.config_addr,
            at + offset,
            4,
            0x5a5a_5a58,
        );
    }
    device.store(edu::IRQ_RAISE, 1)?;
    let word = pending(PATIENCE_MS)?;
    if word != 0 {
        eoi(word)?;
    }
    let (address_after, data_after, _) = message(platform, &device)?;
    release(platform, &device)?;
    same("address", address_after, address)?;
    same("data", u64::from(data_after), u64::from(data))?;
    same("source that arrived", word & 0x00ff_ffff, u64::from(source))
}

fn a_message_of_another_function_is_dropped(platform: &Platform) -> Outcome {
    let (first, second) = (Edu::find(platform, 0)?, Edu::find(platform, 1)?);
    quiet(platform)?;
    let ours = one_message(platform, &first)?;
    let theirs = one_message(platform, &second)?;
    let (_, own_data, _) = message(platform, &first)?;
    let (address, data, _) = message(platform, &second)?;
    // The first device's DMA sends what its own message is, which must arrive, then the other's.
    let window = first.function.bridge.window;
    let send = |data: u32| {
        PAGE.set32(0, data.swap_bytes());
        first.dma_in(window.base, 4)?;
        first.dma_out(address, 4)?;
        pending(20)
    };
    ok(
        "H_PUT_TCE",
        hcall(
            token::H_PUT_TCE,
            [u64::from(window.liobn), window.base, PAGE.real() | 1],
        ),
    )?;
    let own = send(own_data)?;
    if own != 0 {
        eoi(own)?;
    }
    let stolen = send(data)?;
    if stolen != 0 {
        eoi(stolen)?;
    }
    ok(
        "H_PUT_TCE",
        hcall(token::H_PUT_TCE, [u64::from(window.liobn), window.base, 0]),
    )?;
    // The second one still works.
    second.store(edu::IRQ_RAISE, 1)?;
    let real = pending(PATIENCE_MS)?;
    if real != 0 {
        eoi(real)?;
    }
    release(platform, &second)?;
    release(platform, &first)?;
    same("its own message", own & 0x00ff_ffff, u64::from(ours))?;
    same("the other's message", stolen, 0)?;
    same(
        "the other's message from itself",
        real & 0x00ff_ffff,
        u64::from(theirs),
    )
}

fn registers_are_reached_through_the_page_table(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    let id = device.load(edu::ID)?;
    for attributes in [r::I | r::G, r::I] {
        let index = mmu::map(platform, EA_4K, Base::K4, device.base | attributes | 2)?;
        let mut got = 0;
        let outcome = mmu::translated(platform, || {
            let (count, _) = expecting(|| got = mmu::load32(EA_4K, 0));
            same("interrupts", count, 0)
        });
        mmu::unmap(index)?;
        outcome?;
        same("id", got, id)?;
    }
    Ok(())
}

fn registers_refuse_wrong_storage_attributes(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    let enter = |real, attributes| {
        hcall(
            token::H_ENTER,
            [
                0,
                super::hpt::GROUP,
                mmu::high(EA_4K, Base::K4),
                real | attributes | 2,
            ],
        )
    };
    for wrong in [0, r::M, r::W | r::I, r::G, r::I | r::W | r::G] {
        refused(
            "a cacheable mapping",
            enter(device.base, wrong),
            HError::Parameter,
        )?;
    }
    // The BAR's last page is the device's; the next one belongs to nobody or to somebody else.
    let last = enter(device.base + 0xf_f000, r::I | r::G);
    super::hpt::clear();
    ok("the last page", last)?;
    for beyond in [0x10_0000, 0x20_0000] {
        let next = device.base + beyond;
        let owned = Edu::find(platform, 1)
            .is_ok_and(|other| (other.base..other.base + 0x10_0000).contains(&next));
        if !owned {
            refused(
                "the page after the BAR",
                enter(next, r::I | r::G),
                HError::Parameter,
            )?;
            let load = hcall(token::H_LOGICAL_CI_LOAD, [4, next]);
            refused("a load after the BAR", load, HError::Parameter)?;
        }
    }
    refused(
        "memory that is not MMIO",
        enter(PAGE.real(), r::I | r::G),
        HError::Parameter,
    )
}
