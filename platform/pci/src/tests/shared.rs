//! Whose memory a device reaches, alone and behind a bridge to conventional PCI: on the models of a PHB3 and a P7IOC.

use super::blocks::{Bench7, conventional, device, index_of, switch};
use super::*;
use crate::Place;
use ioda::{CfgOffset, CfgWidth, DmaWindow, Freeze, PeNumber, Permission, Rid, TceTable, host_tce};
use ioda_model::{Act, Posing, Reached, Refusal, SharedMemory};

const PAGE: u64 = 4096;

/// Where page `page` of the window of endpoint number `who` is.
fn real(who: usize, page: usize) -> u64 {
    0x4000_0000 + who as u64 * 0x100_0000 + page as u64 * PAGE
}

/// Hands the function at `path` to its endpoint; it masters the bus.
fn hand_over(topology: &Topology, plan: &Plan, index: usize, host: &mut dyn Ioda) {
    plan.activate(topology, index, host).expect("it is free");
    let bdf = topology.functions[index].bdf;
    host.cfg_write(bdf, CfgOffset::at(4), CfgWidth::Half, 6)
        .expect("written");
}

/// A window of `pe` with `entries` pages, of which `pages` are mapped.
fn open(
    host: &mut dyn Ioda,
    add_memory: impl FnOnce(u64, Box<dyn SharedMemory>),
    (pe, who): (PeNumber, usize),
    entries: usize,
    pages: &[usize],
) -> DmaWindow {
    let cells = leak(|| BeU64::new(0), entries);
    let at = 0x100_0000 * (who as u64 + 1);
    add_memory(at, Box::new(cells));
    for page in pages {
        let both = Permission::READ | Permission::WRITE;
        cells[*page].store(host_tce(real(who, *page), both));
    }
    let table = TceTable::new(cells, at, 12).expect("a table");
    host.dma_create(pe, &table, None).expect("a window")
}

/// The page that every window has, after those that one has alone.
const COMMON: usize = 7;

fn what_is_behind_a_bridge_to_conventional_pci_reaches_its_own_window_alone() {
    for kind in [Kind::Emulator, Kind::Chip] {
        let (fabric, behind) = switch(&[1, 2]);
        // The device below the switch's first port comes after that, the third function.
        let devices = [3, behind[0], behind[1]];
        let paths = [
            "phb0/00.0/00.0/00.0/00.0",
            "phb0/00.0/00.0/01.0/00.0/04.0/01.0",
            "phb0/00.0/00.0/02.0/00.0/04.0/04.0/01.0",
        ];
        let mut bench = Bench::of(kind, fabric);
        let (topology, plan) = bench.planned();
        let indices = paths.map(|path| index_of(&topology, path));
        let pes = indices.map(|index| plan.functions[index].pe);
        let mut windows = Vec::new();
        for (who, index) in indices.into_iter().enumerate() {
            hand_over(&topology, &plan, index, &mut bench.host);
            let add = |at, cells| bench.model.add_memory(at, cells);
            let own = [who, COMMON];
            windows.push(open(&mut bench.host, add, (pes[who], who), 512, &own));
        }
        for (who, device) in devices.into_iter().enumerate() {
            // Its own id, and that of each of the others: who is behind such a bridge has the bridge's whatever it says.
            let others = devices.into_iter().filter(|other| *other != device);
            let claims = others.map(|other| bench.model.with_fabric(|fabric| fabric.bdf(other)));
            let mut posings = vec![Posing::Truly];
            if who != 0 {
                posings.extend(claims.map(Posing::As));
            }
            for posing in posings {
                for page in [0, 1, 2, COMMON] {
                    let address = windows[who].bus_base + page as u64 * PAGE;
                    let outcome = bench.model.play(device, posing, Act::Read(address));
                    let told = (who, posing, page);
                    if page == who || page == COMMON {
                        let want = Ok(real(who, page));
                        let reached = outcome.result.map(|reached| match reached {
                            Reached::Memory(real) => real,
                            other => panic!("{told:?}: {other:?}"),
                        });
                        assert_eq!(reached, want, "{told:?}");
                        continue;
                    }
                    assert_eq!(outcome.result, Err(Refusal::Permission), "{told:?}");
                    for (other, pe) in pes.into_iter().enumerate() {
                        let is_stopped = bench.model.freeze_state(pe) != Freeze::empty();
                        assert_eq!(is_stopped, other == who, "{told:?} stops {pe}");
                    }
                    bench.host.thaw(pes[who], Freeze::all()).expect("thawed");
                }
            }
        }
        bench.good();
    }
}

/// A bridge to conventional PCI and two devices behind it, and their indices in the fabric.
fn pair() -> (Fabric, [usize; 2]) {
    let mut fabric = Fabric::new(root());
    let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
    let port = fabric.add(up, 0, Device::bridge(0x104c, 0x8233, 6));
    let bridge = fabric.add(port, 0, conventional());
    let devices = [0x08, 0x10].map(|devfn| fabric.add(bridge, devfn, device()));
    (fabric, devices)
}

/// What a model is asked.
struct Asked<'a> {
    read: &'a dyn Fn(usize, u64) -> Result<u64, Refusal>,
    endpoint: &'a dyn Fn(Rid) -> Option<PeNumber>,
    segment: &'a dyn Fn(u64) -> Option<PeNumber>,
    add_memory: &'a dyn Fn(u64, Box<dyn SharedMemory>),
    stopped: &'a dyn Fn(PeNumber) -> Freeze,
}

/// Both of one endpoint are handed over, then one is taken back: it is silent and its segments are nobody's. The other
/// keeps its segments, but with the requester that they share it can reach nothing until it is handed over again.
fn take_one_of_two_back(
    host: &mut dyn Ioda,
    asked: &Asked<'_>,
    devices: [usize; 2],
    entries: usize,
) {
    let topology = scan(0, host).expect("config space answers");
    let plan = plan(&topology, host.caps()).expect("it fits");
    plan.apply(&topology, host).expect("it is kept");
    let [gone, kept] = ["01.0", "02.0"]
        .map(|last| index_of(&topology, &format!("phb0/00.0/00.0/00.0/00.0/{last}")));
    let pe = plan.functions[gone].pe;
    assert_eq!(pe, plan.functions[kept].pe);
    let bar = |index: usize| plan.functions[index].bars[0].expect("it has one").real;
    let shared = Rid::new(topology.functions[gone].bdf.bus(), 0, 0);
    let reserved = host.caps().reserved_pe;
    for index in [gone, kept] {
        hand_over(&topology, &plan, index, host);
    }
    let window = open(host, asked.add_memory, (pe, 0), entries, &[0]);
    for (device, index) in devices.into_iter().zip([gone, kept]) {
        assert_eq!((asked.read)(device, window.bus_base), Ok(real(0, 0)));
        assert_eq!((asked.segment)(bar(index)), Some(pe));
    }
    assert_eq!((asked.endpoint)(shared), Some(pe));

    // Twice is as good as once.
    for _ in 0..2 {
        plan.deactivate(&topology, gone, host).expect("taken back");
        assert_eq!(
            (asked.read)(devices[0], window.bus_base),
            Err(Refusal::NotMaster)
        );
        assert_eq!((asked.segment)(bar(gone)), Some(reserved));
        assert_eq!((asked.endpoint)(shared), Some(reserved));
        assert!((asked.read)(devices[1], window.bus_base).is_err());
        assert_eq!((asked.segment)(bar(kept)), Some(pe));
        // What it tried was nobody's, so nobody's endpoint is stopped for it.
        assert_eq!((asked.stopped)(pe), Freeze::empty());
    }

    hand_over(&topology, &plan, kept, host);
    assert_eq!((asked.endpoint)(shared), Some(pe));
    assert_eq!((asked.read)(devices[1], window.bus_base), Ok(real(0, 0)));
    assert_eq!((asked.segment)(bar(gone)), Some(reserved));
    plan.deactivate(&topology, kept, host).expect("taken back");
    assert_eq!((asked.segment)(bar(kept)), Some(reserved));
    assert_eq!((asked.endpoint)(shared), Some(reserved));
}

fn one_of_two_that_share_an_endpoint_takes_the_requester_with_it() {
    for kind in [Kind::Emulator, Kind::Chip] {
        let (fabric, devices) = pair();
        let mut bench = Bench::of(kind, fabric);
        let model = bench.model;
        let asked = Asked {
            read: &|device, address| model.dma_read(device, address),
            endpoint: &|rid| model.endpoint_of(rid),
            segment: &|real| model.segment_pe(real),
            add_memory: &|at, cells| model.add_memory(at, cells),
            stopped: &|pe| model.freeze_state(pe),
        };
        take_one_of_two_back(&mut bench.host, &asked, devices, 512);
        bench.good();
    }
}

fn one_of_two_in_a_block_of_buses_takes_the_block_with_it() {
    let (fabric, devices) = pair();
    let mut bench = Bench7::new(fabric);
    let model = bench.model;
    let asked = Asked {
        read: &|device, address| model.dma_read(device, address),
        endpoint: &|rid| model.endpoint_of(rid),
        segment: &|real| model.segment_pe(real),
        add_memory: &|at, cells| model.add_memory(at, cells),
        stopped: &|pe| model.freeze_state(pe),
    };
    take_one_of_two_back(&mut bench.host, &asked, devices, Bench7::SMALL);
    assert_eq!(model.complaints(), Vec::<String>::new());
}

fn a_bar_too_large_for_32_bits_is_in_segments_of_its_own_endpoint() {
    let mut fabric = Fabric::new(root());
    let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
    // The 32-bit window has less than 1 GiB.
    for (devfn, bytes) in [(0, 4u64 << 30), (8, 1 << 30), (16, 1 << 20)] {
        let port = fabric.add(up, devfn, Device::bridge(0x104c, 0x8233, 6));
        let device = Device::endpoint(0x10de, 1, 0x03_0000)
            .with_bar64(0, bytes)
            .with_bar32(2, 1 << 20)
            .with_express(0, 0);
        fabric.add(port, 0, device);
    }
    let mut bench = Bench7::new(fabric);
    let topology = bench.scan();
    let plan = plan(&topology, bench.host.caps()).expect("it fits");
    plan.apply(&topology, &mut bench.host).expect("it is kept");
    let indices =
        [0, 1, 2].map(|port| index_of(&topology, &format!("phb0/00.0/00.0/{port:02x}.0/00.0")));
    let m64 = bench.host.caps().m64.expect("it has");
    let mut in_windows = Vec::new();
    for index in indices {
        plan.activate(&topology, index, &mut bench.host)
            .expect("it is free");
        let planned = &plan.functions[index];
        let [Some(large), _, Some(small), ..] = planned.bars else {
            panic!("both have a place");
        };
        assert_eq!(small.place, Place::M32);
        if let Place::M64(window) = large.place {
            assert!(large.real >= m64.real && large.real + large.bytes <= m64.real + m64.bytes);
            assert_eq!(large.real % large.bytes, 0);
            in_windows.push((window.0, large.bytes));
        }
    }
    assert_eq!(in_windows, [(0, 4 << 30), (0, 1 << 30)]);
    // After all of them, since a later window must not take from an earlier one.
    for (index, value) in indices.into_iter().zip(1u32..) {
        let planned = &plan.functions[index];
        for place in planned.bars.iter().flatten() {
            for part in 0..8 {
                let start = place.real + part * (place.bytes / 8);
                let end = start + place.bytes / 8 - 4;
                for real in [start, end] {
                    assert_eq!(bench.model.segment_pe(real), Some(planned.pe), "{real:#x}");
                    bench.model.store(real, value).expect("it answers");
                    assert_eq!(bench.model.load(real), Ok(value), "{real:#x}");
                }
            }
        }
    }
    let pe = plan.functions[indices[0]].pe;
    bench.host.freeze(pe, Freeze::MMIO).expect("it is there");
    let large = |index: usize| plan.functions[index].bars[0].expect("it has one");
    let last = |index: usize| large(index).real + large(index).bytes - 4;
    assert_eq!(bench.model.load(last(indices[0])), Err(Refusal::Frozen));
    assert_eq!(bench.model.load(last(indices[1])), Ok(2));
    plan.deactivate(&topology, indices[1], &mut bench.host)
        .expect("taken back");
    let reserved = bench.host.caps().reserved_pe;
    assert_eq!(bench.model.segment_pe(last(indices[1])), Some(reserved));
    assert_eq!(bench.model.segment_pe(last(indices[0])), Some(pe));
    assert_eq!(bench.model.complaints(), Vec::<String>::new());
}

cases::cases!(
    what_is_behind_a_bridge_to_conventional_pci_reaches_its_own_window_alone,
    one_of_two_that_share_an_endpoint_takes_the_requester_with_it,
    one_of_two_in_a_block_of_buses_takes_the_block_with_it,
    a_bar_too_large_for_32_bits_is_in_segments_of_its_own_endpoint,
);
