//! Programs of hcalls and RTAS calls as kernels make them, and at the edges.

use super::Seeds;
use crate::hcalls::argument::{Argument, Argument::*, LARGE, SMALL};
use crate::hcalls::{self, Step};
use crate::rtas::{self, Cell};
use lpar::hcall::HCALLS;
use lpar::rtas::CALLS;
use papr_abi::hpte::r;
use papr_abi::token;

fn call(token: u64, arguments: &[Argument]) -> Step {
    let row = HCALLS.iter().position(|entry| entry.row.token == token);
    Step::Call {
        server: 0,
        row: row.map_or(u8::MAX, |row| row as u8),
        arguments: arguments.to_vec(),
    }
}

/// WIMG of memory, protection 2, referenced and changed.
const MEMORY: u16 = (r::M | r::R | r::C | 2) as u16;
/// WIMG of device registers.
const DEVICE: u16 = (r::I | r::G | 2) as u16;

/// Programs of hcalls: one for each function set, and each hcall by itself.
#[must_use]
pub fn hcalls() -> Seeds {
    let enter = |index, first, second| {
        call(
            token::H_ENTER,
            &[Flags(1, 0), Index(index), First(3, first), second],
        )
    };
    let table = [
        enter(8, SMALL, Second(5, MEMORY)),
        enter(9, LARGE, Second(0x11, MEMORY)),
        enter(10, SMALL, SecondDevice(1, DEVICE)),
        call(
            token::H_ENTER,
            &[Flags(11, 7), Index(8), First(3, 0), Second(6, MEMORY)],
        ),
        Step::Touch {
            index: 8,
            bits: 0xc0,
        },
        call(token::H_READ, &[Flags(3, 2), Index(8)]),
        call(token::H_CLEAR_REF, &[Small(0), Index(8)]),
        call(token::H_CLEAR_MOD, &[Small(0), Index(8)]),
        call(token::H_PROTECT, &[Flags(4, 10), Index(8), First(3, 0)]),
        call(token::H_REMOVE, &[Flags(4, 0), Index(9), First(3, 0)]),
        call(
            token::H_BULK_REMOVE,
            &[
                Bulk(0x40, 8),
                Small(0),
                Bulk(0x42, 10),
                First(3, 0),
                Bulk(0xc0, 0),
                Small(0),
            ],
        ),
    ];
    let dma = [
        call(token::H_PUT_TCE, &[Window(0), Bus(0, 1), Tce(3, 3)]),
        call(token::H_GET_TCE, &[Window(0), Bus(0, 1)]),
        call(
            token::H_STUFF_TCE,
            &[Window(0), Bus(0, 4), Tce(2, 1), Small(20)],
        ),
        Step::Fill {
            page: 2,
            offset: 0,
            count: 40,
            value: Tce(0, 3),
            step: 0x1000,
        },
        call(
            token::H_PUT_TCE_INDIRECT,
            &[Window(0), Bus(0, 0), Page(2), Small(30)],
        ),
        call(token::H_PUT_TCE, &[Window(1), Bus(1, 0), Tce(0x10, 3)]),
    ];
    let interrupts = [
        call(token::H_CPPR, &[Small(0xff)]),
        Step::Interrupt {
            thread: 0,
            irq: Xirr(3, 0),
            priority: 5,
        },
        call(token::H_IPOLL, &[Small(0)]),
        call(token::H_XIRR, &[]),
        call(token::H_EOI, &[Xirr(3, 0xff)]),
        call(token::H_IPI, &[Small(0), Small(4)]),
        call(token::H_XIRR_X, &[]),
        Step::Kick {
            thread: 0,
            mfrr: 0,
            attention: 4,
        },
        call(token::H_XIRR, &[]),
        Step::Interrupt {
            thread: 0,
            irq: Xirr(19, 0),
            priority: 3,
        },
        call(token::H_XIRR, &[]),
    ];
    let area = |page: u8, bytes: u64| Step::Fill {
        page,
        offset: 0,
        count: 0,
        value: Any(bytes << 16 | bytes),
        step: 0,
    };
    let dispatch = [
        area(1, 640),
        area(2, 96),
        area(3, 48),
        call(token::H_REGISTER_VPA, &[Flags(13, 0), Small(0), Page(1)]),
        call(token::H_REGISTER_VPA, &[Flags(14, 0), Small(0), Page(2)]),
        call(token::H_REGISTER_VPA, &[Flags(15, 0), Small(0), Page(3)]),
        call(token::H_PROD, &[Small(0)]),
        call(token::H_CEDE, &[]),
        call(token::H_CONFER, &[Negative(0)]),
        call(token::H_REGISTER_VPA, &[Known(5), Small(0)]),
        call(token::H_SIGNAL_SYS_RESET, &[Negative(0)]),
        call(token::H_GET_PPP, &[]),
        call(token::H_PURR, &[]),
        call(token::H_SET_MODE, &[Small(3), Small(3)]),
    ];
    let memory = [
        call(token::H_PAGE_INIT, &[Flags(11, 6), Page(3)]),
        call(
            token::H_LOGICAL_CACHE_STORE,
            &[Small(4), Place(9, 2), Any(0x1234_5678)],
        ),
        call(token::H_LOGICAL_CACHE_LOAD, &[Small(8), Place(9, 0)]),
        call(token::H_PAGE_INIT, &[Flags(12, 7), Page(4), Page(1)]),
        call(
            token::H_LOGICAL_CI_STORE,
            &[Small(2), Device(0, 6), Small(9)],
        ),
        call(token::H_LOGICAL_CI_LOAD, &[Small(8), Device(1, 8)]),
        call(token::H_LOGICAL_ICBI, &[Place(1, 1)]),
        call(token::H_LOGICAL_DCBF, &[End(-1)]),
        call(
            token::H_PUT_TERM_CHAR,
            &[Known(0), Small(5), Any(0x6865_6c6c_6f00_0000)],
        ),
        Step::Terminal { typed: 20, room: 9 },
        call(token::H_GET_TERM_CHAR, &[Small(0)]),
    ];
    // At memory's end and past it, at a window's end and past it, one entry too many, and across a page.
    let edges = [
        call(token::H_PUT_TCE, &[Window(0), Bus(0, 599), Tce(0x1f, 3)]),
        call(token::H_PUT_TCE, &[Window(0), Bus(0, 600), Tce(0, 3)]),
        call(token::H_PUT_TCE, &[Window(0), Bus(0, 0), Tce(0x20, 3)]),
        call(token::H_PUT_TCE, &[Window(1), Bus(1, 0), Tce(0x20, 3)]),
        call(token::H_PUT_TCE, &[Window(1), Bus(1, 0), Tce(0x11, 3)]),
        call(
            token::H_STUFF_TCE,
            &[Window(0), Bus(0, 0), Tce(0, 3), Any(512)],
        ),
        call(
            token::H_STUFF_TCE,
            &[Window(0), Bus(0, 0), Tce(0, 3), Any(513)],
        ),
        call(
            token::H_STUFF_TCE,
            &[Window(0), Bus(0, 89), Tce(0, 3), Any(512)],
        ),
        call(
            token::H_PUT_TCE_INDIRECT,
            &[Window(0), Bus(0, 0), Page(2), Any(512)],
        ),
        call(
            token::H_PUT_TCE_INDIRECT,
            &[Window(0), Bus(0, 0), Page(2), Any(513)],
        ),
        call(
            token::H_PUT_TCE_INDIRECT,
            &[Window(0), Bus(0, 0), Page(0x20), Small(1)],
        ),
        enter(0, SMALL, Second(0x1f, MEMORY)),
        enter(1, SMALL, Second(0x20, MEMORY)),
        enter(2, LARGE, Second(0x21, MEMORY)),
        enter(3, SMALL, SecondDevice(0x1f, DEVICE)),
        enter(4, SMALL, SecondDevice(0x20, DEVICE)),
        call(token::H_READ, &[Flags(3, 0), Index(0x3fff)]),
        call(token::H_READ, &[Small(0), Index(0x4000)]),
        call(
            token::H_LOGICAL_CACHE_STORE,
            &[Small(8), End(-1), Negative(0)],
        ),
        call(token::H_LOGICAL_CACHE_STORE, &[Small(1), End(0), Small(1)]),
        Step::Fill {
            page: 2,
            offset: 0xe0,
            count: 0,
            value: Any(2300 << 16),
            step: 0,
        },
        call(
            token::H_REGISTER_VPA,
            &[Flags(13, 0), Small(0), Any(0x2700)],
        ),
        Step::Fill {
            page: 2,
            offset: 0xe0,
            count: 0,
            value: Any(2304 << 16),
            step: 0,
        },
        call(
            token::H_REGISTER_VPA,
            &[Flags(13, 0), Small(0), Any(0x2700)],
        ),
        Step::Fill {
            page: 2,
            offset: 0xe0,
            count: 0,
            value: Any(2305 << 16),
            step: 0,
        },
        call(
            token::H_REGISTER_VPA,
            &[Flags(13, 0), Small(0), Any(0x2700)],
        ),
    ];
    let named: [(&str, &[Step]); 6] = [
        ("edges", &edges),
        ("table", &table),
        ("dma", &dma),
        ("interrupts", &interrupts),
        ("dispatch", &dispatch),
        ("memory", &memory),
    ];
    let mut seeds: Seeds = named
        .iter()
        .map(|(name, steps)| ((*name).to_owned(), hcalls::encode(0, steps)))
        .collect();
    let each: Vec<Step> = HCALLS
        .iter()
        .map(|entry| call(entry.row.token, &[Small(0), Small(1), Small(2), Small(3)]))
        .collect();
    seeds.push(("each".into(), hcalls::encode(0, &each)));
    seeds
}

fn rtas_call(name: &str, inputs: &[Cell]) -> rtas::Step {
    let row = CALLS.iter().position(|entry| entry.row.name == name);
    rtas::Step::Call {
        server: 0,
        block: 0x400,
        skew: 0,
        row: row.map_or(u8::MAX, |row| row as u8),
        shape: 0,
        inputs: inputs.to_vec(),
    }
}

/// Programs of RTAS calls: each call as a kernel makes it.
#[must_use]
pub fn rtas() -> Seeds {
    use Cell::*;
    let function = |low: Cell| [low, BuidHigh(0), BuidLow(0)];
    let with = |low: Cell, rest: &[Cell]| [&function(low), rest].concat();
    let config = [
        rtas_call("ibm,read-pci-config", &with(Config(0, 0, 99), &[Small(4)])),
        rtas_call("ibm,read-pci-config", &with(Config(2, 1, 99), &[Small(2)])),
        rtas_call(
            "ibm,write-pci-config",
            &with(Config(4, 0, 99), &[Small(2), Small(6)]),
        ),
        rtas_call("ibm,read-pci-config", &with(Config(4, 0, 99), &[Small(1)])),
    ];
    let messages = [
        rtas_call(
            "ibm,change-msi",
            &with(Small(0), &[Small(1), Small(4), Small(1)]),
        ),
        rtas_call(
            "ibm,query-interrupt-source-number",
            &with(Small(0), &[Small(1)]),
        ),
        rtas_call("ibm,set-xive", &[Irq(1), Small(0), Small(5)]),
        rtas_call("ibm,int-on", &[Irq(1)]),
        rtas_call("ibm,get-xive", &[Irq(1)]),
        rtas_call("ibm,int-off", &[Irq(17)]),
        rtas_call(
            "ibm,change-msi",
            &with(Small(0), &[Small(3), Small(0), Small(1)]),
        ),
        rtas_call(
            "ibm,query-interrupt-source-number",
            &with(Small(0), &[Small(0)]),
        ),
        rtas_call("system-reboot", &[]),
    ];
    let buffers = [
        rtas_call(
            "ibm,get-system-parameter",
            &[Small(55), Place(0x1000), Small(64)],
        ),
        rtas_call(
            "ibm,get-system-parameter",
            &[Small(20), Place(0x1001), Small(90)],
        ),
        rtas_call("nvram-store", &[Small(5), Place(0x1000), Small(70)]),
        rtas_call("nvram-fetch", &[Small(3), Place(0x2003), Small(90)]),
        rtas_call("ibm,os-term", &[Place(0x1000)]),
        rtas_call("event-scan", &[Small(1), Small(0), Place(0x40), Small(64)]),
        rtas_call("nvram-fetch", &[Small(3), End(-8), Small(8)]),
    ];
    let clock = [
        rtas_call("get-time-of-day", &[]),
        rtas_call(
            "set-time-of-day",
            &[
                Any(2199),
                Small(12),
                Small(31),
                Small(23),
                Small(59),
                Small(59),
                Small(0),
            ],
        ),
        rtas_call("get-time-of-day", &[]),
        rtas_call("display-character", &[Small(b'L')]),
        rtas_call("display-character", &[Small(10)]),
    ];
    let processors = [
        rtas_call("query-cpu-stopped-state", &[Small(1)]),
        rtas_call("start-cpu", &[Small(1), Place(0x100), Small(7)]),
        rtas_call("stop-self", &[]),
        rtas_call("power-off", &[]),
    ];
    let named: [(&str, &[rtas::Step]); 5] = [
        ("config", &config),
        ("messages", &messages),
        ("buffers", &buffers),
        ("clock", &clock),
        ("processors", &processors),
    ];
    named
        .iter()
        .map(|(name, steps)| ((*name).to_owned(), rtas::encode(0, steps)))
        .collect()
}
