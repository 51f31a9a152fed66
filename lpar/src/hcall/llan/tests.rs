use super::*;
use crate::dma::{DmaWindow, DmaWindows, NoBridge};
use crate::hcall::Args;
use crate::testing::bench::{Bench, MSI, PIRS, call, call_on, logged};
use crate::testing::{cells, leak};
use crate::xics::XiveError;
use crate::{Lpar, PoolShare, Processors, vio};
use ::llan::Lan;
use papr_abi::llan::{descriptor, entry, multicast};
use papr_abi::{GuestRealAddr, IoAddr, Irq, Server};

const UNIT: u64 = vio::FIRST_ETHERNET as u64;
const IRQ: Irq = Irq(0xff_f001);
const MACS: [u64; 2] = [0x0242_4800_0000, 0x0242_4800_0100];
/// Pages of the partition's memory that the windows' first pages are mapped to, at the same distance.
const MAPPED: u64 = 0x4_0000;
const PAGES: u64 = 16;
const QUEUE: u64 = 0x2000;
const RX: u64 = 0x4000;
const TX: u64 = 0x8000;

fn bench(number: usize, processors: Processors) -> (Bench, &'static Adapter) {
    let settings = vio::settings(0, MACS[number]);
    let adapter: &'static Adapter = leak(Adapter::new(settings, cells(64)));
    let bench = Bench::with(|config| {
        let window = DmaWindow::new(settings.liobn, IoAddr(0), 12, cells(64), &NoBridge).unwrap();
        config.dma = DmaWindows::new(vec![window], &config.ram).unwrap();
        config.ethernet = vec![adapter];
        config.processors = processors;
    });
    for page in 0..PAGES {
        let words = [UNIT, page << 12, (MAPPED + (page << 12)) | 3];
        assert_eq!(call(&bench, token::H_PUT_TCE, &words).0, 0);
    }
    (bench, adapter)
}

/// Two partitions on one LAN; the first has processors of that kind.
fn two(processors: Processors) -> [Bench; 2] {
    let (one, first) = bench(0, processors);
    let (two, second) = bench(1, Processors::Dedicated);
    let lan: &'static Lan = leak(Lan::new(vec![first, second]));
    first.connect(one.lpar, lan);
    second.connect(two.lpar, lan);
    [one, two]
}

fn describe(at: u64, bytes: u64) -> u64 {
    descriptor::VALID | bytes << descriptor::LENGTH_SHIFT | at
}

fn does(bench: &Bench, token: u64, words: &[u64]) -> Args {
    let (code, out, _) = call(bench, token, words);
    assert_eq!(code, 0, "{token:#x}");
    out
}

/// Registers the adapter of `bench`, lends it buffers and lets it interrupt.
fn open(bench: &Bench, number: usize) {
    let words = [UNIT, 0, describe(QUEUE, 256), 0x1000, MACS[number]];
    does(bench, token::H_REGISTER_LOGICAL_LAN, &words);
    for buffer in 0..8 {
        let words = [UNIT, describe(RX + buffer * 512, 512)];
        does(bench, token::H_ADD_LOGICAL_LAN_BUFFER, &words);
    }
    does(bench, token::H_VIO_SIGNAL, &[UNIT, 1]);
}

/// Sends a frame from `bench` to the adapter of the other.
fn send(bench: &Bench, to: u64) -> (i64, Args) {
    bench.write(MAPPED + TX, 8, to << 16);
    let words = [UNIT, describe(TX, 60), 0, 0, 0, 0, 0, 0];
    let (code, out, _) = call(bench, token::H_SEND_LOGICAL_LAN, &words);
    (code, out)
}

fn route(lpar: &Lpar, server: u32, priority: u8) {
    let change = |xive: &mut crate::xics::Xive| {
        xive.server = Server(server);
        xive.priority = priority;
        xive.on = true;
    };
    assert_eq!(lpar.change_xive(IRQ, change), Ok(()));
}

fn xirr(bench: &Bench, server: usize) -> u64 {
    call_on(bench, server, token::H_XIRR, &[]).1[0]
}

/// Two partitions; the first is open, takes interrupts, and its adapter's go to its first processor.
fn ready() -> [Bench; 2] {
    let [one, two] = two(Processors::Dedicated);
    open(&one, 0);
    open(&two, 1);
    does(&one, token::H_CPPR, &[0xff]);
    route(one.lpar, 0, 5);
    [one, two]
}

const PRESENTED: u64 = 0xff00_0000 | IRQ.0 as u64;

#[test]
fn a_frame_crosses_and_interrupts() {
    let [one, two] = ready();
    assert_eq!(send(&two, MACS[0]).0, 0);
    let head = entry::VALID | entry::MESSAGE | 8 << entry::OFFSET_SHIFT | 60;
    assert_eq!(one.read(MAPPED + QUEUE, 8), head);
    // What was lent last is used first.
    let at = MAPPED + RX + 7 * 512 + 8;
    assert_eq!(one.read(at, 8), MACS[0] << 16);
    assert_eq!(one.icp.mfrr(PIRS[0]), 5);
    assert_eq!(xirr(&one, 0), PRESENTED);
    assert_eq!((one.icp.cppr(PIRS[0]), one.icp.mfrr(PIRS[0])), (5, 0xff));
    does(&one, token::H_EOI, &[PRESENTED]);
    assert_eq!(one.icp.cppr(PIRS[0]), 0xff);
    // Nobody but the partition hears of its end.
    assert_eq!(
        (one.icp.ended(PIRS[0]), one.sources.ended()),
        (vec![], vec![])
    );
    assert_eq!(xirr(&one, 0), 0xff00_0000);
}

#[test]
fn what_comes_before_the_end_of_an_interrupt_interrupts_once_more() {
    let [one, two] = ready();
    for _ in 0..3 {
        assert_eq!(send(&two, MACS[0]).0, 0);
    }
    assert_eq!(xirr(&one, 0), PRESENTED);
    assert_eq!(xirr(&one, 0), 0x0500_0000);
    assert_eq!(send(&two, MACS[0]).0, 0);
    assert_eq!(xirr(&one, 0), 0x0500_0000);
    does(&one, token::H_EOI, &[PRESENTED]);
    assert_eq!(xirr(&one, 0), PRESENTED);
    does(&one, token::H_EOI, &[PRESENTED]);
    assert_eq!(xirr(&one, 0), 0xff00_0000);
}

#[test]
fn an_interrupt_waits_while_masked_and_goes_where_it_is_sent() {
    let [one, two] = ready();
    assert_eq!(one.lpar.change_xive(IRQ, |xive| xive.on = false), Ok(()));
    assert_eq!(send(&two, MACS[0]).0, 0);
    assert_eq!((one.icp.mfrr(PIRS[0]), xirr(&one, 0)), (0xff, 0xff00_0000));
    route(one.lpar, 0, 5);
    assert_eq!(one.icp.mfrr(PIRS[0]), 5);
    // Sent elsewhere before it is accepted, it is there and no longer here.
    route(one.lpar, 1, 6);
    assert_eq!((one.icp.mfrr(PIRS[0]), one.icp.mfrr(PIRS[1])), (0xff, 6));
    assert_eq!(xirr(&one, 0), 0xff00_0000);
    call_on(&one, 1, token::H_CPPR, &[0xff]);
    assert_eq!(xirr(&one, 1), PRESENTED);
    assert_eq!(one.icp.cppr(PIRS[1]), 6);
    let nowhere = |xive: &mut crate::xics::Xive| xive.server = Server(9);
    assert_eq!(one.lpar.change_xive(IRQ, nowhere), Err(XiveError::NoServer));
}

#[test]
fn a_priority_that_shuts_it_out_does_not_lose_it() {
    let [one, two] = ready();
    does(&one, token::H_CPPR, &[5]);
    assert_eq!(send(&two, MACS[0]).0, 0);
    assert_eq!(xirr(&one, 0), 0x0500_0000);
    // A kick accepts at a priority that lets it not in.
    one.icp.kick(PIRS[0], 1);
    assert_eq!(xirr(&one, 0), 0x0500_0000);
    assert_eq!((one.icp.cppr(PIRS[0]), one.icp.mfrr(PIRS[0])), (5, 5));
    does(&one, token::H_CPPR, &[0xff]);
    one.icp.kick(PIRS[0], 1);
    assert_eq!(xirr(&one, 0), PRESENTED);
    assert_eq!((one.icp.cppr(PIRS[0]), one.icp.mfrr(PIRS[0])), (5, 0xff));
}

#[test]
fn inter_processor_interrupts_and_others_come_by_priority_beside_it() {
    let [one, two] = ready();
    assert_eq!(send(&two, MACS[0]).0, 0);
    // More favoured, the partition's own comes first; taken back, the other is still there.
    call_on(&one, 1, token::H_IPI, &[0, 4]);
    assert_eq!(one.icp.mfrr(PIRS[0]), 4);
    let polled = call_on(&one, 1, token::H_IPOLL, &[0]).1;
    assert_eq!(polled[..2], [0xff00_0002, 4]);
    assert_eq!(xirr(&one, 0), 0xff00_0002);
    does(&one, token::H_IPI, &[0, 0xff]);
    does(&one, token::H_EOI, &[0xff00_0002]);
    assert_eq!(one.icp.mfrr(PIRS[0]), 5);
    // Less favoured, it comes second.
    call_on(&one, 1, token::H_IPI, &[0, 6]);
    let polled = call_on(&one, 1, token::H_IPOLL, &[0]).1;
    assert_eq!(polled[..2], [PRESENTED, 6]);
    assert_eq!(xirr(&one, 0), PRESENTED);
    assert_eq!(one.icp.mfrr(PIRS[0]), 6);
    one.icp.present(PIRS[0], MSI, 3);
    assert_eq!(xirr(&one, 0), 0x0500_0000 | u64::from(MSI.0));
    does(&one, token::H_EOI, &[0x0500_0000 | u64::from(MSI.0)]);
    does(&one, token::H_EOI, &[PRESENTED]);
    assert_eq!(xirr(&one, 0), 0xff00_0002);
}

#[test]
fn an_ipi_that_comes_while_the_mfrr_is_written_is_not_overwritten() {
    let [one, two] = ready();
    let lpar = one.lpar;
    one.icp.before_set_mfrr(move |icp| {
        lpar.vcpus[0]
            .mfrr
            .store(3, core::sync::atomic::Ordering::SeqCst);
        icp.kick(PIRS[0], 3);
    });
    assert_eq!(send(&two, MACS[0]).0, 0);
    assert_eq!(one.icp.mfrr(PIRS[0]), 3);
}

#[test]
fn processors_that_share_threads_get_it_from_their_software_controller() {
    let share = PoolShare {
        entitlement: 50,
        weight: 1,
    };
    let [one, two] = two(Processors::Shared(share));
    open(&one, 0);
    open(&two, 1);
    let soft = &one.lpar.soft_xics;
    let place = one.lpar.xics.place(IRQ).unwrap();
    let _ = soft.route(place, Server(1), 5);
    let _ = soft.set_cppr(Server(1), 0xff);
    assert_eq!(send(&two, MACS[0]).0, 0);
    assert_eq!(one.threads.kicked(), [PIRS[1]]);
    assert_eq!(soft.poll(Server(1)), PRESENTED as u32);
    assert_eq!(one.icp.mfrr(PIRS[1]), 0xff);
}

#[test]
fn a_restart_closes_adapter_and_window_and_forgets_its_interrupt() {
    let [one, two] = ready();
    assert_eq!(send(&two, MACS[0]).0, 0);
    one.lpar.reset();
    assert_eq!(one.lpar.vcpus[0].wanted_mfrr(), 0xff);
    assert_eq!(send(&two, MACS[0]).0, HError::Dropped.code());
    assert_eq!(call(&one, token::H_GET_TCE, &[UNIT, 0]).1[0], 0);
    let words = [UNIT, 0, describe(QUEUE, 256), 0x1000, MACS[0]];
    assert_eq!(call(&one, token::H_REGISTER_LOGICAL_LAN, &words).0, -4);
    does(&one, token::H_CPPR, &[0xff]);
    route(one.lpar, 0, 5);
    assert_eq!(xirr(&one, 0), 0xff00_0000);
}

#[test]
fn every_call_refuses_what_is_no_adapter_of_the_partition() {
    let [one, _] = ready();
    let vterm = crate::hcall::term::VTERM;
    for (token, units) in [
        (token::H_REGISTER_LOGICAL_LAN, &[0, vterm][..]),
        (token::H_FREE_LOGICAL_LAN, &[0, vterm]),
        (token::H_ADD_LOGICAL_LAN_BUFFER, &[0, vterm]),
        (token::H_FREE_LOGICAL_LAN_BUFFER, &[0, vterm]),
        (token::H_SEND_LOGICAL_LAN, &[0, vterm]),
        (token::H_MULTICAST_CTRL, &[0, vterm]),
        (token::H_CHANGE_LOGICAL_LAN_MAC, &[0, vterm]),
        (token::H_ILLAN_ATTRIBUTES, &[0, vterm]),
        (token::H_VIO_SIGNAL, &[0]),
    ] {
        let others = [UNIT + 1, UNIT - 1, 1 << 32 | UNIT, u64::MAX];
        for unit in units.iter().copied().chain(others) {
            logged();
            assert_eq!(call(&one, token, &[unit, 1]).0, -4, "{token:#x} {unit:#x}");
        }
    }
    assert_eq!(call(&one, token::H_VIO_SIGNAL, &[vterm, 1]).0, 0);
}

#[test]
fn refusals_say_why_and_lost_frames_do_not() {
    let [one, two] = ready();
    logged();
    assert_eq!(
        call(&one, token::H_ADD_LOGICAL_LAN_BUFFER, &[UNIT, 0]).0,
        -4
    );
    assert_eq!(
        call(&one, token::H_CHANGE_LOGICAL_LAN_MAC, &[UNIT, MACS[1]]).0,
        -4
    );
    assert_eq!(logged().len(), 2);
    for _ in 0..8 {
        assert_eq!(send(&two, MACS[0]).0, 0);
    }
    assert_eq!(send(&two, MACS[0]).0, HError::Dropped.code());
    assert_eq!(send(&two, 0x0242_0000_0000).0, HError::Dropped.code());
    assert_eq!(
        call(&one, token::H_FREE_LOGICAL_LAN_BUFFER, &[UNIT, 512]).0,
        -7
    );
    assert_eq!(logged(), Vec::<String>::new());
    assert_eq!(one.read(MAPPED + 4088, 8), 1);
}

#[test]
fn the_remaining_calls_answer_as_their_contracts_say() {
    let [one, _] = ready();
    let (code, out, _) = call(&one, token::H_ILLAN_ATTRIBUTES, &[UNIT, u64::MAX, u64::MAX]);
    assert_eq!((code, out[0]), (0, 0));
    let flags = multicast::SET_RECEIVE | multicast::RECEIVE | multicast::ADD;
    let out = does(
        &one,
        token::H_MULTICAST_CTRL,
        &[UNIT, flags, 0x0100_5e00_0001],
    );
    assert_eq!(out[0], multicast::RECEIVE | 1);
    let (code, out, _) = call(&one, token::H_MULTICAST_CTRL, &[UNIT, multicast::REMOVE, 7]);
    assert_eq!((code, out[0]), (-7, multicast::RECEIVE | 1));
    does(
        &one,
        token::H_CHANGE_LOGICAL_LAN_MAC,
        &[UNIT, 0x0200_0000_0001],
    );
    does(&one, token::H_FREE_LOGICAL_LAN_BUFFER, &[UNIT, 512]);
    does(&one, token::H_FREE_LOGICAL_LAN, &[UNIT]);
    assert_eq!(call(&one, token::H_FREE_LOGICAL_LAN, &[UNIT]).0, -16);
}

#[test]
fn a_page_is_reached_only_as_the_window_permits() {
    let [one, _] = ready();
    let page =
        |at, access| ::llan::Host::page(one.lpar, papr_abi::Liobn(UNIT as u32), IoAddr(at), access);
    let cell = one.lpar.ram.page(GuestRealAddr(MAPPED + 0x1000)).unwrap();
    assert!(core::ptr::eq(page(0x1ff8, 3).unwrap(), cell));
    does(&one, token::H_PUT_TCE, &[UNIT, 0x1000, MAPPED | 1]);
    assert!(page(0x1000, 1).is_some() && page(0x1000, 2).is_none() && page(0x1000, 3).is_none());
    assert!(page(PAGES << 12, 1).is_none() && page(1 << 40, 1).is_none());
    assert!(::llan::Host::page(one.lpar, papr_abi::Liobn(1), IoAddr(0), 1).is_none());
}
