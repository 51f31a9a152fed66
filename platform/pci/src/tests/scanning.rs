use super::*;
use crate::{Bar, BarKind, BridgePort, Isolation, MsixTable, Path, Role};
use ioda::{CfgOffset, CfgWidth};

fn paths(topology: &Topology) -> Vec<String> {
    topology
        .functions
        .iter()
        .map(|function| function.path.to_string())
        .collect()
}

/// A switch with a two-function device and a bridge to conventional PCI with two devices.
fn rich() -> Fabric {
    let mut fabric = Fabric::new(root());
    let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
    let down = fabric.add(
        up,
        0x10,
        Device::bridge(0x104c, 0x8233, 6)
            .with_extended(0x0d, 8, &[(4, 0xffff_0000)])
            .with_config(0x14c, 2, 0x1f),
    );
    let other = fabric.add(up, 0x18, Device::bridge(0x104c, 0x8233, 6));
    let nic = |pin| {
        Device::endpoint(0x8086, 0x10d3, 0x02_0000)
            .multifunction()
            .with_bar32(0, 128 << 10)
            .with_bar64(2, 16 << 20)
            .with_config(0x2c, 4, 0x0001_8086)
            .with_intx(pin)
            .with_power()
            .with_msi(2)
            .with_express(0, 1 << 28)
            .with_msix(5, 0, 0x2000)
    };
    fabric.add(down, 0, nic(0));
    fabric.add(down, 1, nic(1));
    let pci = fabric.add(other, 0, Device::bridge(0x10b5, 0x8112, 7));
    fabric.add(
        pci,
        0x08,
        Device::endpoint(0x1af4, 0x1000, 0x01_0000)
            .with_bar32(1, 4096)
            .with_intx(0),
    );
    fabric.add(
        pci,
        0x50,
        Device::endpoint(0x1af4, 0x1001, 0x01_0000).with_intx(0),
    );
    fabric
}

fn every_function_is_found_with_what_it_has() {
    for kind in [Kind::Emulator, Kind::Chip] {
        let mut bench = Bench::of(kind, rich());
        let topology = bench.scan();
        assert_eq!(
            paths(&topology),
            [
                "phb0/00.0",
                "phb0/00.0/00.0",
                "phb0/00.0/00.0/02.0",
                "phb0/00.0/00.0/02.0/00.0",
                "phb0/00.0/00.0/02.0/00.1",
                "phb0/00.0/00.0/03.0",
                "phb0/00.0/00.0/03.0/00.0",
                "phb0/00.0/00.0/03.0/00.0/01.0",
                "phb0/00.0/00.0/03.0/00.0/0a.0",
            ]
        );
        let nic = &topology.functions[4];
        assert_eq!(
            (nic.vendor, nic.device, nic.class, nic.revision),
            (0x8086, 0x10d3, 0x02_0000, 1)
        );
        assert_eq!(
            (nic.subsystem, nic.intx, nic.has_flr),
            ((0x8086, 1), Some(1), true)
        );
        assert_eq!(
            nic.bars[0],
            Some(Bar {
                kind: BarKind::Mem32,
                bytes: 128 << 10,
                flags: 0
            })
        );
        assert_eq!(
            nic.bars[2],
            Some(Bar {
                kind: BarKind::Mem64Prefetch,
                bytes: 16 << 20,
                flags: 0xc
            })
        );
        assert_eq!(nic.bars[3], None);
        let msix = nic.msix.expect("it has");
        assert_eq!(
            (msix.vectors, msix.table),
            (
                5,
                MsixTable {
                    bar: 0,
                    offset: 0x2000
                }
            )
        );
        let msi = nic.msi.expect("it has");
        assert_eq!((msi.vectors, msi.has_64bit, msi.has_mask), (4, true, true));
        let ports: Vec<_> = topology
            .functions
            .iter()
            .filter_map(|function| match function.role {
                Role::Bridge {
                    port,
                    secondary,
                    subordinate,
                } => Some((port, secondary, subordinate)),
                Role::Endpoint => None,
            })
            .collect();
        use BridgePort::{Conventional, Down, Up};
        assert_eq!(
            ports,
            [
                (Down, 1, 5),
                (Up, 2, 5),
                (Down, 3, 3),
                (Down, 4, 5),
                (Conventional, 5, 5)
            ]
        );
        assert_eq!(nic.isolation, Isolation::Alone);
        assert_eq!(
            topology.functions[8].isolation,
            Isolation::Behind { first: 5, last: 5 }
        );
        let path: Path = "phb0/00.0/00.0/03.0/00.0/0a.0".parse().expect("good");
        assert_eq!(topology.find(&path).map(|(index, _)| index), Some(8));
        bench.good();
    }
}

fn siblings_below_a_switch_are_kept_apart_where_it_can() {
    let mut bench = Bench::new(rich());
    let topology = bench.scan();
    let port = topology.functions[2].bdf;
    let control = bench
        .host
        .cfg_read(port, CfgOffset::at(0x14e), CfgWidth::Half);
    assert_eq!(
        control,
        Ok(0x1d),
        "validation, redirection and forwarding up; no blocking"
    );
}

fn nothing_found_decodes_or_masters() {
    let mut bench = Bench::new(rich());
    let topology = bench.scan();
    for function in &topology.functions {
        let command = bench
            .host
            .cfg_read(function.bdf, CfgOffset::at(4), CfgWidth::Half)
            .expect("it answers");
        assert_eq!(command & 7, 0, "{function}");
    }
}

fn chains_that_go_in_circles_or_nowhere_end() {
    let looped = Device::endpoint(0x1234, 1, 0)
        .with_power()
        .with_msi(0)
        .with_express(0, 0);
    let looped = looped
        .with_config(0x61, 1, 0x48)
        .with_extended(1, 0x48, &[])
        .with_extended(3, 12, &[]);
    let looped = looped.with_config(0x148, 4, 0x1481_0003);
    let out = Device::endpoint(0x1234, 2, 0)
        .with_express(0, 0)
        .with_config(0x34, 1, 0xff)
        .with_config(0xfd, 1, 0x08);
    for device in [looped, out] {
        let mut fabric = Fabric::new(root());
        fabric.add(0, 0, device);
        assert_eq!(Bench::new(fabric).scan().functions.len(), 2);
    }
}

fn bars_that_make_no_sense_are_left_alone() {
    let wild = Device::endpoint(0x1234, 1, 0)
        .with_bar32(1, 4096)
        .with_config(0x10, 4, 0x6)
        // The last BAR claims to have an upper half.
        .with_bar32(5, 4096)
        .with_config(0x24, 4, 0x4)
        // An MSI-X table beyond its BAR.
        .with_msix(2048, 1, 0x800);
    let mut fabric = Fabric::new(root());
    fabric.add(0, 0, wild);
    let mut bench = Bench::new(fabric);
    let topology = bench.scan();
    let function = &topology.functions[1];
    let kinds: Vec<_> = function
        .bars
        .iter()
        .map(|bar| bar.map(|bar| bar.kind))
        .collect();
    assert_eq!(kinds, [None, Some(BarKind::Mem32), None, None, None, None]);
    assert_eq!(function.msix, None);
}

fn bridges_nested_without_end_are_cut_off() {
    let mut fabric = Fabric::new(root());
    let mut above = 0;
    for _ in 0..300 {
        above = fabric.add(above, 0, Device::bridge(0x104c, 0x8233, 7));
    }
    let mut bench = Bench::new(fabric);
    assert_eq!(bench.scan().functions.len(), Path::MAX_DEPTH);
}

fn more_bridges_than_buses_are_cut_off() {
    let mut fabric = Fabric::new(root());
    let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
    for devfn in 0..=255 {
        let port = fabric.add(up, devfn, Device::bridge(0x104c, 0x8233, 6).multifunction());
        fabric.add(port, 0, Device::endpoint(0x1234, 1, 0));
    }
    let mut bench = Bench::new(fabric);
    let topology = bench.scan();
    let below = |function: &&crate::Function| function.is_endpoint();
    assert_eq!(topology.functions.iter().filter(below).count(), 253);
    bench.good();
}

cases::cases!(
    every_function_is_found_with_what_it_has,
    siblings_below_a_switch_are_kept_apart_where_it_can,
    nothing_found_decodes_or_masters,
    chains_that_go_in_circles_or_nowhere_end,
    bars_that_make_no_sense_are_left_alone,
    bridges_nested_without_end_are_cut_off,
    more_bridges_than_buses_are_cut_off,
);
