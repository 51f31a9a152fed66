//! Bus numbers where an endpoint's requesters are one aligned block: on the model of a P7IOC.

use super::*;
use crate::{ApplyError, BridgePort, Isolation, Role};
use ioda::{Bdf, DmaWindow, PeNumber, TceTable};
use ioda_model::{P7ioc, P7iocBlock, P7iocRegs, Posing};
use p7ioc::hub::{Facts, Hub, Processor, Units};

pub(super) struct Bench7 {
    pub(super) model: &'static P7ioc,
    pub(super) host: p7ioc::Phb<P7iocRegs>,
}

impl Bench7 {
    /// Entries of a window of 128 MiB, the smallest.
    pub(super) const SMALL: usize = 0x8000;

    pub(super) fn new(fabric: Fabric) -> Self {
        const INDEX: u8 = 2;
        let model: &'static P7ioc = Box::leak(Box::new(P7ioc::new(INDEX, fabric)));
        let facts = Facts {
            chip: 0,
            gx: 0,
            processor: Processor::Power7,
            gx_bar1: P7ioc::BAR1,
            gx_bar2: P7ioc::BAR2,
            buid_ext: P7ioc::BUID_EXT,
            presence: None,
        };
        let units = Box::leak(Box::new(Units::new(
            model.regs(P7iocBlock::Bus),
            model.regs(P7iocBlock::Crossbar),
            model.regs(P7iocBlock::Global),
        )));
        let mut hub = Hub::new(facts, units).expect("good facts");
        while hub.poll().expect("it starts") != Step::Done {}
        let layout = facts.phbs().nth(INDEX.into()).expect("six");
        let port = Box::leak(Box::new(p7ioc::Port::new(
            model.regs(P7iocBlock::Aib),
            &layout,
        )));
        let hub = hub.port(INDEX).expect("there");
        let mut host = p7ioc::Phb::new(layout, model.regs(P7iocBlock::Asb), port, hub);
        while host.poll().expect("it starts") != Step::Done {}
        Self { model, host }
    }

    pub(super) fn scan(&mut self) -> Topology {
        scan(0, &mut self.host).expect("config space answers")
    }

    /// Hands the function at `path` to its endpoint, with a window whose first page is mapped; it masters the bus.
    fn give(
        &mut self,
        topology: &Topology,
        plan: &Plan,
        path: &str,
        table: u64,
    ) -> (PeNumber, DmaWindow) {
        let index = index_of(topology, path);
        plan.activate(topology, index, &mut self.host)
            .expect("it is free");
        let pe = plan.functions[index].pe;
        let cells = leak(|| BeU64::new(0), Self::SMALL);
        self.model.add_memory(table, Box::new(cells));
        cells[0].store(0x4000_0003 + table);
        let table = TceTable::new(cells, table, 12).expect("a table");
        let window = self.host.dma_create(pe, &table, None).expect("a slot");
        let command = ioda::CfgOffset::at(4);
        self.host
            .cfg_write(
                topology.functions[index].bdf,
                command,
                ioda::CfgWidth::Half,
                6,
            )
            .expect("written");
        (pe, window)
    }
}

pub(super) fn index_of(topology: &Topology, path: &str) -> usize {
    let found = topology
        .functions
        .iter()
        .position(|function| function.path.to_string() == path);
    found.unwrap_or_else(|| panic!("{path} is found"))
}

pub(super) fn device() -> Device {
    Device::endpoint(0x1af4, 0x1000, 0x01_0000).with_bar32(0, 4096)
}

pub(super) fn conventional() -> Device {
    Device::bridge(0x10b5, 0x8112, 7)
}

/// A switch: below its first port a device, below the others a bridge to conventional PCI with so many more behind it.
/// The fabric and the index of the last device behind each.
pub(super) fn switch(inner: &[usize]) -> (Fabric, Vec<usize>) {
    let mut fabric = Fabric::new(root());
    let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
    let first = fabric.add(up, 0, Device::bridge(0x104c, 0x8233, 6));
    fabric.add(first, 0, device().with_express(0, 0));
    let mut devices = Vec::new();
    for (count, port) in inner.iter().zip(1u8..) {
        let port = fabric.add(up, port << 3, Device::bridge(0x104c, 0x8233, 6));
        let mut bridge = fabric.add(port, 0, conventional());
        for _ in 0..*count {
            fabric.add(bridge, 0x18, device());
            bridge = fabric.add(bridge, 0x20, conventional());
        }
        devices.push(fabric.add(bridge, 0x08, device()));
    }
    (fabric, devices)
}

/// The ranges of buses behind bridges to conventional PCI that are behind no other such.
pub(super) fn blocks(topology: &Topology) -> Vec<(u8, u8)> {
    let outer = topology
        .functions
        .iter()
        .filter(|function| function.isolation == Isolation::Alone);
    let blocks = outer.filter_map(|function| match function.role {
        Role::Bridge {
            port: BridgePort::Conventional,
            secondary,
            subordinate,
        } => Some((secondary, subordinate)),
        _ => None,
    });
    blocks.collect()
}

fn what_is_behind_a_bridge_to_conventional_pci_gets_an_aligned_block() {
    for (inner, want) in [
        // Buses 1 and 2 are the switch's, 3 its first port's, then each port's and what is below.
        (vec![0], vec![(5, 5)]),
        (vec![1], vec![(6, 7)]),
        (vec![2], vec![(8, 11)]),
        (vec![3, 0, 1], vec![(8, 11), (13, 13), (16, 17)]),
        (vec![4], vec![(8, 15)]),
    ] {
        let mut bench = Bench7::new(switch(&inner).0);
        let topology = bench.scan();
        assert_eq!(blocks(&topology), want, "{inner:?}");
        for function in &topology.functions {
            if let Isolation::Behind { first, last } = function.isolation {
                assert!((first..=last).contains(&function.bdf.bus()), "{function}");
                assert!(want.contains(&(first, last)));
            }
        }
        assert_eq!(bench.model.complaints(), Vec::<String>::new());
    }
}

/// Each bridge has the buses that the topology says, and none that another one has, but for those above it.
fn assert_buses_are_told_apart(topology: &Topology, host: &mut dyn Ioda) {
    let mut bridges: Vec<(usize, u8, u8)> = Vec::new();
    for (index, function) in topology.functions.iter().enumerate() {
        let Role::Bridge {
            secondary,
            subordinate,
            ..
        } = function.role
        else {
            continue;
        };
        let at = ioda::CfgOffset::at(0x18);
        let buses = host
            .cfg_read(function.bdf, at, ioda::CfgWidth::Word)
            .expect("it answers");
        let want = [function.bdf.bus(), secondary, subordinate, 0];
        assert_eq!(buses.to_le_bytes(), want, "{function}");
        if secondary == 0 {
            continue;
        }
        for (other, first, last) in &bridges {
            let is_above =
                core::iter::successors(function.parent, |above| topology.functions[*above].parent)
                    .any(|above| above == *other);
            let (inside, apart) = (
                *first < secondary && subordinate <= *last,
                subordinate < *first || *last < secondary,
            );
            assert!(
                if is_above { inside } else { apart },
                "{function}: {:?}",
                (secondary, subordinate, first, last)
            );
        }
        bridges.push((index, secondary, subordinate));
    }
}

fn bridges_side_by_side_are_told_apart_when_their_buses_are_numbered_anew() {
    // How many ports come before decides where the block would begin, and how the old numbers lie to the new ones.
    for before in 0..9u8 {
        let mut fabric = Fabric::new(root());
        let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
        for port in 0..before {
            fabric.add(up, port << 3, Device::bridge(0x104c, 0x8233, 6));
        }
        let port = fabric.add(up, before << 3, Device::bridge(0x104c, 0x8233, 6));
        let outer = fabric.add(port, 0, conventional());
        // On a bus that two claim, the first one here answers: it is found last.
        let found_last = fabric.add(outer, 0x28, conventional());
        let found_first = fabric.add(outer, 0x20, conventional());
        let behind = |id| Device::endpoint(0x1af4, id, 0x01_0000).with_bar32(0, 4096);
        let last = fabric.add(found_last, 0x08, behind(0x1005));
        let first = fabric.add(found_first, 0x08, behind(0x1004));
        // One more level, of which only the second bridge has one.
        let inner = fabric.add(found_last, 0x30, conventional());
        let innermost = fabric.add(inner, 0x10, behind(0x1006));
        let mut bench = Bench7::new(fabric);
        let topology = bench.scan();
        let top = format!("phb0/00.0/00.0/{before:02x}.0/00.0");
        for (path, id, device) in [
            ("04.0/01.0", 0x1004, first),
            ("05.0/01.0", 0x1005, last),
            ("05.0/06.0/02.0", 0x1006, innermost),
        ] {
            let function = &topology.functions[index_of(&topology, &format!("{top}/{path}"))];
            assert_eq!(function.device, id, "{before} ports before: {function}");
            let bdf = bench.model.with_fabric(|fabric| fabric.bdf(device));
            assert_eq!(function.bdf, bdf, "{before} ports before: {function}");
        }
        // The switch's two and the root's, its ports, four bridges to conventional PCI, three devices.
        assert_eq!(topology.functions.len(), usize::from(before) + 10);
        let start = (before + 4).next_multiple_of(4);
        assert_eq!(blocks(&topology), [(start, start + 3)]);
        assert_buses_are_told_apart(&topology, &mut bench.host);
        assert_eq!(bench.model.complaints(), Vec::<String>::new());
    }
}

fn a_block_that_would_end_behind_the_last_bus_is_refused_and_its_numbers_are_given_on() {
    // The bus of the outer bridge, the bridges below it, and the block they get.
    for (first, inner, want) in [
        (255u8, 0u8, Some((255, 255))),
        (252, 2, Some((252, 255))),
        (253, 1, Some((254, 255))),
        (253, 2, None),
        // There is a number for one of them.
        (254, 3, Some((254, 255))),
        // There is none for the last of them.
        (253, 3, None),
        (250, 5, None),
    ] {
        let mut fabric = Fabric::new(root());
        let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
        let mut ports = (0u8..).map(|devfn| {
            let port = Device::bridge(0x104c, 0x8233, 6).multifunction();
            (devfn, port)
        });
        let mut next = || ports.next().expect("there are enough");
        // The root's and the switch's own buses, one for each port, and that of the port above the outer bridge.
        for _ in 3..first - 1 {
            let (devfn, port) = next();
            fabric.add(up, devfn, port);
        }
        let (devfn, port) = next();
        let port = fabric.add(up, devfn, port);
        let outer = fabric.add(port, 0, conventional());
        let mut nested = Vec::new();
        for number in 0..inner {
            // Every second one is below the one before.
            let above = nested.last().filter(|_| number % 2 == 1);
            let above = above.copied().unwrap_or(outer);
            let bridge = fabric.add(above, number << 3, conventional());
            fabric.add(bridge, 0xf8, device());
            nested.push(bridge);
        }
        let (devfn, port) = next();
        let after = fabric.add(up, devfn, port);
        let other = fabric.add(after, 0, device().with_express(0, 0));
        let mut bench = Bench7::new(fabric);
        let topology = bench.scan();
        let case = (first, inner);
        assert_eq!(blocks(&topology), [want.unwrap_or((0, 0))], "{case:?}");
        let buses = |bench: &Bench7, index| {
            let get = |fabric: &mut Fabric| fabric.device(index).get(0x19, 2) as u16;
            bench.model.with_fabric(get).to_le_bytes()
        };
        let alone = topology
            .functions
            .iter()
            .filter(|function| function.is_endpoint() && function.isolation == Isolation::Alone);
        let alone: Vec<Bdf> = alone.map(|function| function.bdf).collect();
        if want.is_some() {
            assert_eq!((buses(&bench, after), alone), ([0, 0], vec![]), "{case:?}");
        } else {
            assert_eq!(buses(&bench, after), [first; 2], "{case:?}");
            assert_eq!(alone, [Bdf::new(first, 0, 0)], "{case:?}");
            assert_eq!(
                bench.model.with_fabric(|fabric| fabric.bdf(other)),
                alone[0]
            );
            for index in nested {
                assert_eq!(buses(&bench, index), [0, 0], "{case:?}: a bus kept");
            }
        }
        assert_buses_are_told_apart(&topology, &mut bench.host);
        assert_eq!(bench.model.complaints(), Vec::<String>::new());
    }
}

fn where_any_set_is_one_endpoint_numbers_follow_each_other() {
    let mut bench = Bench::new(switch(&[1, 2]).0);
    assert_eq!(blocks(&bench.scan()), [(5, 6), (8, 10)]);
    bench.good();
}

fn a_block_of_buses_is_one_endpoint_whatever_id_its_requests_have() {
    let (fabric, devices) = switch(&[1, 2]);
    let mut bench = Bench7::new(fabric);
    let topology = bench.scan();
    let plan = plan(&topology, bench.host.caps()).expect("it fits");
    plan.apply(&topology, &mut bench.host).expect("it is kept");
    let first = "phb0/00.0/00.0/01.0/00.0/04.0/01.0";
    let second = "phb0/00.0/00.0/02.0/00.0/04.0/04.0/01.0";
    let (left, left_window) = bench.give(&topology, &plan, first, 0x100_0000);
    let (right, right_window) = bench.give(&topology, &plan, second, 0x200_0000);
    assert_ne!(left, right);
    let bdf = topology.functions[index_of(&topology, first)].bdf;
    // As the bridge sends it, and under its own id.
    assert_eq!(
        bench.model.dma_read(devices[0], left_window.bus_base),
        Ok(0x4100_0000)
    );
    assert_eq!(
        bench.model.forged_read(bdf, left_window.bus_base),
        Ok(0x4100_0000)
    );
    assert_eq!(
        bench.model.dma_read(devices[1], right_window.bus_base),
        Ok(0x4200_0000)
    );
    assert!(
        bench
            .model
            .dma_read(devices[1], left_window.bus_base)
            .is_err()
    );
    assert!(
        bench
            .model
            .play(
                devices[0],
                Posing::Truly,
                ioda_model::Act::Read(right_window.bus_base)
            )
            .result
            .is_err()
    );
    let index = index_of(&topology, first);
    plan.deactivate(&topology, index, &mut bench.host)
        .expect("taken back");
    assert_eq!(bench.host.pe_of(bdf), bench.host.caps().reserved_pe);
    assert_eq!(
        bench.host.pe_of(Bdf::new(bdf.bus(), 0, 0)),
        bench.host.caps().reserved_pe
    );
}

fn more_buses_than_a_filter_can_tell_are_left_alone_and_nothing_else_is() {
    let mut fabric = Fabric::new(root());
    let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
    let many = fabric.add(up, 0, Device::bridge(0x104c, 0x8233, 6));
    let wide = fabric.add(many, 0, conventional());
    for devfn in 0..40u8 {
        fabric.add(wide, devfn.rotate_left(3), conventional().multifunction());
    }
    let other = fabric.add(up, 8, Device::bridge(0x104c, 0x8233, 6));
    let pci = fabric.add(other, 0, conventional());
    fabric.add(pci, 0x08, device());
    let mut bench = Bench7::new(fabric);
    let topology = bench.scan();
    // The bridge is there, and nothing below it.
    assert_eq!(blocks(&topology), [(0, 0), (5, 5)]);
    assert_eq!(
        topology
            .functions
            .iter()
            .filter(|function| function.is_endpoint())
            .count(),
        1
    );
    assert_eq!(bench.model.complaints(), Vec::<String>::new());
}

fn a_requester_that_is_taken_is_told_with_both_owners() {
    let (fabric, _) = switch(&[0]);
    let mut bench = Bench7::new(fabric);
    let topology = bench.scan();
    let plan = plan(&topology, bench.host.caps()).expect("it fits");
    plan.apply(&topology, &mut bench.host).expect("it is kept");
    let index = index_of(&topology, "phb0/00.0/00.0/01.0/00.0/01.0");
    let rid = topology.functions[index].bdf;
    bench
        .host
        .assign_pe(ioda::RidSel::one(rid), PeNumber(77))
        .expect("free");
    let error = plan
        .activate(&topology, index, &mut bench.host)
        .expect_err("taken");
    let wanted = plan.functions[index].pe;
    assert!(matches!(
        error,
        ApplyError::Taken {
            owner: PeNumber(77),
            ..
        }
    ));
    let said = error.to_string();
    assert!(
        said.contains(&wanted.to_string()) && said.contains("PE#4d"),
        "{said}"
    );
}

cases::cases!(
    what_is_behind_a_bridge_to_conventional_pci_gets_an_aligned_block,
    bridges_side_by_side_are_told_apart_when_their_buses_are_numbered_anew,
    a_block_that_would_end_behind_the_last_bus_is_refused_and_its_numbers_are_given_on,
    where_any_set_is_one_endpoint_numbers_follow_each_other,
    a_block_of_buses_is_one_endpoint_whatever_id_its_requests_have,
    more_buses_than_a_filter_can_tell_are_left_alone_and_nothing_else_is,
    a_requester_that_is_taken_is_told_with_both_owners,
);
