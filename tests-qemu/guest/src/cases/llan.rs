//! Virtual Ethernet: two adapters of the partition on one VLAN, a third on another. Source: LoPAR 2.9,
//! "Interpartition Logical LAN (ILLAN) Option".

use super::xics;
use crate::hcall::{Answer, Page, hcall};
use crate::rtas;
use crate::suite::{Fail, Outcome, cases, ok, refused, same, status};
use crate::tree::{Adapter, Platform};
use papr_abi::llan::{descriptor, entry, multicast};
use papr_abi::{HError, token};

cases!("llan":
    every_call_refuses_a_foreign_unit,
    register_refuses_what_is_not_mapped_or_aligned,
    calls_on_a_closed_adapter_are_refused,
    buffers_are_refused_unless_mapped_and_aligned,
    a_frame_arrives_with_its_entry,
    a_frame_in_six_parts_arrives_whole,
    a_frame_for_which_there_is_no_buffer_is_dropped_and_counted,
    the_queue_wraps_and_its_toggle_turns,
    a_frame_interrupts_once_when_asked_to,
    another_vlan_hears_nothing,
    frames_not_mapped_or_of_no_allowed_size_are_refused,
    groups_are_received_as_the_filters_say,
    addresses_of_others_are_refused,
    a_buffer_is_given_back,
);

/// Where an adapter's pages are on its bus.
const LIST: u64 = 0;
const FILTERS: u64 = 0x1000;
const QUEUE: u64 = 0x2000;
const RX: u64 = 0x3000;
const TX: u64 = 0x4000;
const ENTRIES: u64 = 4;
const BROADCAST: u64 = 0xffff_ffff_ffff;

static PAGES: [[Page; 5]; 3] = [const { [const { Page::new() }; 5] }; 3];

/// An adapter with its pages, in the order of their places.
#[derive(Clone, Copy)]
struct Station {
    adapter: Adapter,
    pages: &'static [Page; 5],
}

const fn describe(at: u64, bytes: u64) -> u64 {
    descriptor::VALID | bytes << descriptor::LENGTH_SHIFT | at
}

impl Station {
    fn call<const N: usize>(&self, token: u64, args: [u64; N]) -> Answer {
        let mut all = [0; 9];
        all[0] = self.adapter.unit.into();
        for (to, from) in all.iter_mut().skip(1).zip(args) {
            *to = from;
        }
        hcall(token, all)
    }
    fn tce(&self, at: u64, tce: u64) -> Outcome {
        let liobn = self.adapter.window.liobn.into();
        ok("H_PUT_TCE", hcall(token::H_PUT_TCE, [liobn, at, tce])).map(drop)
    }
    fn page(&self, at: u64) -> &'static Page {
        &self.pages[at as usize >> 12]
    }
    fn register(&self, list: u64, queue: u64, filters: u64) -> Answer {
        let words = [list, queue, filters, self.adapter.mac];
        self.call(token::H_REGISTER_LOGICAL_LAN, words)
    }
    /// Closes it, maps its pages and opens it.
    fn open(&self) -> Outcome {
        let _ = self.call(token::H_FREE_LOGICAL_LAN, []);
        for (page, at) in self.pages.iter().zip((0..).step_by(4096)) {
            page.fill(0);
            self.tce(at, page.real() | 3)?;
        }
        let queue = describe(QUEUE, ENTRIES * entry::BYTES);
        let answer = self.register(LIST, queue, FILTERS);
        ok("H_REGISTER_LOGICAL_LAN", answer).map(drop)
    }
    fn lend(&self, at: u64, bytes: u64) -> Outcome {
        self.page(at).set(at as usize % 4096 / 8, 0xabcd << 48 | at);
        let answer = self.call(token::H_ADD_LOGICAL_LAN_BUFFER, [describe(at, bytes)]);
        ok("H_ADD_LOGICAL_LAN_BUFFER", answer).map(drop)
    }
    /// Sends `bytes` of its page to `to`.
    fn send(&self, to: u64, bytes: u64) -> Answer {
        let page = self.page(TX);
        page.set(0, to << 16 | 0x1122);
        (1..512).for_each(|n| page.set(n, 0x0101_0101_0101_0101 * (n as u64 & 0xff)));
        self.call(token::H_SEND_LOGICAL_LAN, [describe(TX, bytes)])
    }
    /// Entry `index` of its queue: head and handle.
    fn entry(&self, index: u64) -> [u64; 2] {
        let index = index as usize * 2;
        [index, index + 1].map(|word| self.page(QUEUE).get(word))
    }
    fn got(&self, index: u64, head: u64, handle: u64) -> Outcome {
        let [got_head, got_handle] = self.entry(index);
        same("head of the entry", got_head, head)?;
        same("handle of the entry", got_handle, handle)
    }
    fn dropped(&self) -> u64 {
        self.page(LIST).get(511)
    }
}

const fn head(bytes: u64) -> u64 {
    entry::VALID | entry::MESSAGE | 8 << entry::OFFSET_SHIFT | bytes
}

fn stations(platform: &Platform) -> Result<[Station; 3], Fail> {
    let [a, b, c] = platform.adapters() else {
        return Err(Fail::Skip("not three Ethernet adapters"));
    };
    let [first, second, third] = &PAGES;
    let station = |adapter: &Adapter, pages| Station {
        adapter: *adapter,
        pages,
    };
    Ok([station(a, first), station(b, second), station(c, third)])
}

/// All three opened anew, without buffers.
fn open(platform: &Platform) -> Result<[Station; 3], Fail> {
    let stations = stations(platform)?;
    for station in &stations {
        station.open()?;
    }
    Ok(stations)
}

const CALLS: [(&str, u64); 9] = [
    ("H_REGISTER_LOGICAL_LAN", token::H_REGISTER_LOGICAL_LAN),
    ("H_FREE_LOGICAL_LAN", token::H_FREE_LOGICAL_LAN),
    ("H_ADD_LOGICAL_LAN_BUFFER", token::H_ADD_LOGICAL_LAN_BUFFER),
    (
        "H_FREE_LOGICAL_LAN_BUFFER",
        token::H_FREE_LOGICAL_LAN_BUFFER,
    ),
    ("H_SEND_LOGICAL_LAN", token::H_SEND_LOGICAL_LAN),
    ("H_MULTICAST_CTRL", token::H_MULTICAST_CTRL),
    ("H_CHANGE_LOGICAL_LAN_MAC", token::H_CHANGE_LOGICAL_LAN_MAC),
    ("H_ILLAN_ATTRIBUTES", token::H_ILLAN_ATTRIBUTES),
    ("H_VIO_SIGNAL", token::H_VIO_SIGNAL),
];

fn every_call_refuses_a_foreign_unit(platform: &Platform) -> Outcome {
    let [.., last] = stations(platform)?;
    let unit = u64::from(last.adapter.unit);
    for (name, token) in CALLS {
        for foreign in [unit + 1, 0, 1 << 32 | unit, u64::MAX] {
            refused(name, hcall(token, [foreign]), HError::Parameter)?;
        }
    }
    ok(
        "H_VIO_SIGNAL",
        hcall(token::H_VIO_SIGNAL, [platform.vty.into(), 1]),
    )
    .map(drop)
}

fn register_refuses_what_is_not_mapped_or_aligned(platform: &Platform) -> Outcome {
    let [one, ..] = open(platform)?;
    let queue = describe(QUEUE, 64);
    let refused = |list, queue, filters| {
        let answer = one.register(list, queue, filters);
        refused("H_REGISTER_LOGICAL_LAN", answer, HError::Parameter)
    };
    let twice = one.register(LIST, queue, FILTERS);
    status("a second time", twice.status, HError::Resource.code())?;
    ok(
        "H_FREE_LOGICAL_LAN",
        one.call(token::H_FREE_LOGICAL_LAN, []),
    )?;
    refused(LIST + 8, queue, FILTERS)?;
    refused(LIST, queue, FILTERS + 8)?;
    refused(one.adapter.window.bytes, queue, FILTERS)?;
    refused(LIST, queue & !descriptor::VALID, FILTERS)?;
    refused(LIST, describe(QUEUE, 0), FILTERS)?;
    refused(LIST, describe(QUEUE + 8, 64), FILTERS)?;
    refused(LIST, describe(QUEUE, 72), FILTERS)?;
    refused(LIST, describe(TX, 0x2000), FILTERS)?;
    one.tce(QUEUE, one.page(QUEUE).real() | 1)?;
    refused(LIST, queue, FILTERS)?;
    one.tce(QUEUE, one.page(QUEUE).real() | 3)?;
    ok("H_REGISTER_LOGICAL_LAN", one.register(LIST, queue, FILTERS)).map(drop)
}

fn calls_on_a_closed_adapter_are_refused(platform: &Platform) -> Outcome {
    let [one, ..] = open(platform)?;
    let free = || one.call(token::H_FREE_LOGICAL_LAN, []);
    ok("H_FREE_LOGICAL_LAN", free())?;
    refused("H_FREE_LOGICAL_LAN", free(), HError::Resource)?;
    let buffer = one.call(token::H_ADD_LOGICAL_LAN_BUFFER, [describe(RX, 512)]);
    refused("H_ADD_LOGICAL_LAN_BUFFER", buffer, HError::Resource)?;
    let sent = one.send(BROADCAST, 60);
    refused("H_SEND_LOGICAL_LAN", sent, HError::Dropped)
}

fn buffers_are_refused_unless_mapped_and_aligned(platform: &Platform) -> Outcome {
    let [one, ..] = open(platform)?;
    for given in [
        0,
        describe(RX, 512) & !descriptor::VALID,
        describe(RX + 2, 512),
        describe(RX, 15),
        describe(RX, 0xff_ffff),
        describe(TX + 0xff0, 0x20),
        describe(0xffff_fff0, 0x100),
    ] {
        let answer = one.call(token::H_ADD_LOGICAL_LAN_BUFFER, [given]);
        refused("H_ADD_LOGICAL_LAN_BUFFER", answer, HError::Parameter)?;
    }
    Ok(())
}

fn a_frame_arrives_with_its_entry(platform: &Platform) -> Outcome {
    let [one, two, _] = open(platform)?;
    two.lend(RX + 0x100, 0x800)?;
    ok("H_SEND_LOGICAL_LAN", one.send(two.adapter.mac, 1000))?;
    two.got(0, head(1000), 0xabcd << 48 | (RX + 0x100))?;
    for n in 0..125 {
        let got = two.page(RX).get(0x108 / 8 + n);
        same("a doubleword of the frame", got, one.page(TX).get(n))?;
    }
    same("what is behind", two.page(RX).get(0x108 / 8 + 125), 0)?;
    two.got(1, 0, 0)
}

fn a_frame_in_six_parts_arrives_whole(platform: &Platform) -> Outcome {
    let [one, two, _] = open(platform)?;
    two.lend(RX, 0x800)?;
    let _ = one.send(0, 60);
    one.page(TX).set(0, two.adapter.mac << 16);
    let parts = [0, 3, 16, 17, 30, 50, 60];
    let mut descriptors = [0; 6];
    for (given, ends) in descriptors.iter_mut().zip(parts.windows(2)) {
        *given = describe(TX + ends[0], ends[1] - ends[0]);
    }
    let answer = one.call(token::H_SEND_LOGICAL_LAN, descriptors);
    ok("H_SEND_LOGICAL_LAN", answer)?;
    two.got(0, head(60), 0xabcd << 48 | RX)?;
    for n in 0..7 {
        let got = two.page(RX).get(1 + n);
        same("a doubleword of the frame", got, one.page(TX).get(n))?;
    }
    let last = one.page(TX).get(7) >> 32 << 32;
    same("the last bytes", two.page(RX).get(8), last)
}

fn a_frame_for_which_there_is_no_buffer_is_dropped_and_counted(platform: &Platform) -> Outcome {
    let [one, two, _] = open(platform)?;
    let send = |bytes| one.send(two.adapter.mac, bytes);
    refused("without buffers", send(60), HError::Dropped)?;
    same("frames counted", two.dropped(), 1)?;
    two.lend(RX, 0x100)?;
    refused("too long", send(0xf9), HError::Dropped)?;
    same("frames counted", two.dropped(), 2)?;
    ok("H_SEND_LOGICAL_LAN", send(0xf8))?;
    refused("to nobody", one.send(0x0200_0000_0000, 60), HError::Dropped)?;
    refused("to itself", one.send(one.adapter.mac, 60), HError::Dropped)?;
    same("frames counted", two.dropped(), 2)?;
    same("frames counted of the sender", one.dropped(), 0)
}

fn the_queue_wraps_and_its_toggle_turns(platform: &Platform) -> Outcome {
    let [one, two, _] = open(platform)?;
    for number in 0..3 * ENTRIES {
        let second = number / ENTRIES == 1;
        let toggle = if second { descriptor::TOGGLE } else { 0 };
        let queue = describe(QUEUE, ENTRIES * entry::BYTES);
        same(
            "the queue's descriptor",
            two.page(LIST).get(0),
            queue | toggle,
        )?;
        let at = RX + number * 0x100;
        two.lend(at, 0x100)?;
        ok("H_SEND_LOGICAL_LAN", one.send(two.adapter.mac, 60 + number))?;
        let valid = if second { entry::VALID } else { 0 };
        two.got(
            number % ENTRIES,
            head(60 + number) ^ valid,
            0xabcd << 48 | at,
        )?;
    }
    Ok(())
}

fn route(platform: &Platform, irq: u32, priority: u32) -> Outcome {
    let args = [irq, platform.servers[0], priority];
    let reply = rtas::named(platform, "ibm,set-xive", &args, 1);
    let reply = reply.ok_or(Fail::Because("the device tree offers the call"))?;
    status("ibm,set-xive", reply.status, 0)?;
    let reply = rtas::named(platform, "ibm,int-on", &[irq], 1);
    let reply = reply.ok_or(Fail::Because("the device tree offers the call"))?;
    status("ibm,int-on", reply.status, 0)
}

fn a_frame_interrupts_once_when_asked_to(platform: &Platform) -> Outcome {
    let [one, two, _] = open(platform)?;
    xics::quiet(platform)?;
    route(platform, two.adapter.irq, 5)?;
    for number in 0..4 {
        two.lend(RX + number * 0x100, 0x100)?;
    }
    let send = || ok("H_SEND_LOGICAL_LAN", one.send(two.adapter.mac, 60));
    send()?;
    same("XIRR while it is silent", xics::xirr()?, 0xff00_0000)?;
    ok("H_VIO_SIGNAL", two.call(token::H_VIO_SIGNAL, [1]))?;
    send()?;
    let presented = 0xff00_0000 | u64::from(two.adapter.irq);
    same("XIRR", xics::xirr()?, presented)?;
    send()?;
    same("XIRR before its end", xics::xirr()?, 0x0500_0000)?;
    xics::eoi(presented)?;
    same("XIRR after its end", xics::xirr()?, presented)?;
    xics::eoi(presented)?;
    same("XIRR", xics::xirr()?, 0xff00_0000)?;
    // With the partition's own: by priority, and none is lost.
    send()?;
    ok("H_IPI", xics::ipi(platform, 4))?;
    same("XIRR of the first", xics::xirr()?, 0xff00_0002)?;
    ok("H_IPI", xics::ipi(platform, 0xff))?;
    xics::eoi(0xff00_0002)?;
    same("XIRR of the second", xics::xirr()?, presented)?;
    xics::eoi(presented)?;
    route(platform, two.adapter.irq, 0xff)
}

fn another_vlan_hears_nothing(platform: &Platform) -> Outcome {
    let [one, two, three] = open(platform)?;
    two.lend(RX, 0x100)?;
    three.lend(RX, 0x100)?;
    refused(
        "to the other VLAN",
        one.send(three.adapter.mac, 60),
        HError::Dropped,
    )?;
    ok("a broadcast", one.send(BROADCAST, 60))?;
    two.got(0, head(60), 0xabcd << 48 | RX)?;
    three.got(0, 0, 0)?;
    // Alone there, it reaches nobody and nobody loses it.
    ok("a broadcast", three.send(BROADCAST, 60))?;
    same("frames counted", three.dropped(), 0)
}

fn frames_not_mapped_or_of_no_allowed_size_are_refused(platform: &Platform) -> Outcome {
    let [one, two, _] = open(platform)?;
    two.lend(RX, 0x100)?;
    let _ = one.send(two.adapter.mac, 60);
    two.lend(RX + 0x100, 0x100)?;
    for descriptors in [
        [0, 0],
        [describe(TX, 13), 0],
        [describe(TX, 60) & !descriptor::VALID, 0],
        [describe(TX, 0x1001), 0],
        [describe(TX, 60), describe(0xffff_fff0, 60)],
        [describe(TX, 60), describe(TX, 0xff_ffff)],
    ] {
        let answer = one.call(token::H_SEND_LOGICAL_LAN, descriptors);
        refused("H_SEND_LOGICAL_LAN", answer, HError::Parameter)?;
    }
    let words = [describe(TX, 60), 0, 0, 0, 0, 0, 1];
    let answer = one.call(token::H_SEND_LOGICAL_LAN, words);
    refused("a made up token", answer, HError::Parameter)?;
    two.got(1, 0, 0)
}

fn groups_are_received_as_the_filters_say(platform: &Platform) -> Outcome {
    let [one, two, _] = open(platform)?;
    let group = 0x0100_5e00_00fb;
    let control = |flags, group| two.call(token::H_MULTICAST_CTRL, [flags, group]);
    let state = |flags, group| Ok::<_, Fail>(ok("H_MULTICAST_CTRL", control(flags, group))?[0]);
    two.lend(RX, 0x100)?;
    two.lend(RX + 0x100, 0x100)?;
    ok("to a group", one.send(group, 60))?;
    two.got(0, 0, 0)?;
    let receive = multicast::SET_RECEIVE | multicast::RECEIVE;
    let filter = multicast::SET_FILTER | multicast::FILTER;
    let all = multicast::RECEIVE | multicast::FILTER | 1;
    same(
        "state",
        state(receive | filter | multicast::ADD, group)?,
        all,
    )?;
    ok("to another group", one.send(group + 1, 60))?;
    two.got(0, 0, 0)?;
    ok("to the group", one.send(group, 60))?;
    same("head of the entry", two.entry(0)[0], head(60))?;
    refused("undefined flags", control(4, 0), HError::Parameter)?;
    refused(
        "a wide address",
        control(multicast::ADD, 1 << 48),
        HError::Parameter,
    )?;
    refused(
        "an unknown one",
        control(multicast::REMOVE, 2),
        HError::NotFound,
    )?;
    same("state", state(multicast::REMOVE, group)?, all - 1)
}

fn addresses_of_others_are_refused(platform: &Platform) -> Outcome {
    let [one, two, _] = open(platform)?;
    let change = |mac| one.call(token::H_CHANGE_LOGICAL_LAN_MAC, [mac]);
    for mac in [two.adapter.mac, BROADCAST, 0x0100_0000_0000] {
        refused("H_CHANGE_LOGICAL_LAN_MAC", change(mac), HError::Parameter)?;
    }
    ok("H_CHANGE_LOGICAL_LAN_MAC", change(0x0200_0000_0001))?;
    one.lend(RX, 0x100)?;
    refused(
        "to the former",
        two.send(one.adapter.mac, 60),
        HError::Dropped,
    )?;
    ok("to the new one", two.send(0x0200_0000_0001, 60))?;
    ok("H_CHANGE_LOGICAL_LAN_MAC", change(one.adapter.mac))?;
    let attributes = one.call(token::H_ILLAN_ATTRIBUTES, [u64::MAX, u64::MAX]);
    same("attributes", ok("H_ILLAN_ATTRIBUTES", attributes)?[0], 0)
}

fn a_buffer_is_given_back(platform: &Platform) -> Outcome {
    let [one, ..] = open(platform)?;
    one.lend(RX, 0x100)?;
    let back = |bytes| one.call(token::H_FREE_LOGICAL_LAN_BUFFER, [bytes]);
    refused("of another size", back(0x101), HError::NotFound)?;
    ok("H_FREE_LOGICAL_LAN_BUFFER", back(0x100))?;
    one.got(0, entry::VALID, 0xabcd << 48 | RX)?;
    refused("once more", back(0x100), HError::NotFound)
}
