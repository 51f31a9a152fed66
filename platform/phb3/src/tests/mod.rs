//! The driver against `ioda-model`, which enforces what the chip does.

pub(crate) mod eeh;
pub(crate) mod inject;
pub(crate) mod interrupts;
pub(crate) mod isolation;
pub(crate) mod start;

use crate::on_model::Memory;
use crate::{Bases, Numbering, Pbcq, Phb3, Port, Tables};
use cases::prelude::*;
use ioda::{
    Bdf, BeU16, BeU64, CfgOffset, CfgWidth, DmaTable, DmaWindow, Ioda, PeNumber, PhbId, RidSel,
    Step, TceTable,
};
use ioda_model::{Device, Fabric, Kind, Phb3 as Model};

/// Two devices of one function and their switch: the fabric's indices.
const LEFT: usize = 4;
const RIGHT: usize = 5;

fn leak<T>(make: impl Fn() -> T, count: usize) -> &'static [T] {
    Box::leak((0..count).map(|_| make()).collect())
}

struct Bench {
    model: &'static Model,
    port: &'static Port<&'static Model>,
    phb: Phb3<&'static Model, &'static Model>,
}

/// A root port, a switch with two ports down, a device below each.
fn fabric() -> Fabric {
    let mut fabric = Fabric::new(Device::bridge(0x1014, 0x03dc, 4));
    let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
    let left = fabric.add(up, 0, Device::bridge(0x104c, 0x8233, 6));
    let right = fabric.add(up, 0x08, Device::bridge(0x104c, 0x8233, 6));
    let device = || {
        Device::endpoint(0x1234, 0x11e8, 0x00ff00)
            .with_bar32(0, 1 << 20)
            .with_msi(0)
            .with_express(0, 0)
    };
    assert_eq!(fabric.add(left, 0, device()), LEFT);
    assert_eq!(fabric.add(right, 0, device()), RIGHT);
    fabric
}

impl Bench {
    fn new(kind: Kind) -> Self {
        Self::numbered(kind, Numbering::of(PhbId { chip: 0, index: 0 }))
    }

    fn numbered(kind: Kind, numbering: Numbering) -> Self {
        let model: &'static Model = Box::leak(Box::new(Model::new(kind, fabric())));
        let tables = Memory::leak().attach(model);
        let id = PhbId { chip: 0, index: 0 };
        let pbcq = Pbcq::open_numbered(model, id, Bases::of(0), numbering).expect("it answers");
        let port = Box::leak(Box::new(Port::new(model, pbcq.irq_base(), &tables)));
        let phb = Phb3::new(pbcq, port, tables).expect("the tables are good");
        Self { model, port, phb }
    }

    /// Polls until the bridge is done, and gives the milliseconds it asked for.
    fn run(&mut self) -> u32 {
        let mut waited = 0;
        for _ in 0..10_000 {
            match self.phb.poll().expect("it starts") {
                Step::Done => return waited,
                Step::Pending { ms } => waited += ms,
            }
        }
        panic!("it never ends");
    }

    /// Started, with buses numbered and both devices placed in segments 2 and 3, decoding and mastering.
    fn started(kind: Kind) -> Self {
        let mut bench = Self::new(kind);
        bench.run();
        bench.place();
        bench
    }

    /// Numbers the buses and places both devices in segments 2 and 3, decoding and mastering.
    fn place(&mut self) {
        let bench = self;
        let buses = [
            (Bdf::new(0, 0, 0), 0x0004_0100),
            (Bdf::new(1, 0, 0), 0x0004_0201),
        ];
        for (bdf, buses) in buses.into_iter().chain([
            (Bdf::new(2, 0, 0), 0x0003_0302),
            (Bdf::new(2, 1, 0), 0x0004_0402),
        ]) {
            bench.write(bdf, 0x18, buses);
            bench.write(bdf, 0x20, 0xfff0_8000);
            bench.write(bdf, 0x04, 0x6);
        }
        for (bdf, pci) in [(LEFT_BDF, LEFT_PCI), (RIGHT_BDF, RIGHT_PCI)] {
            bench.write(bdf, 0x10, pci);
            bench.write(bdf, 0x04, 0x6);
        }
        bench.good();
    }

    fn write(&mut self, bdf: Bdf, at: u16, value: u32) {
        self.phb
            .cfg_write(bdf, CfgOffset::at(at), CfgWidth::Word, value)
            .expect("it is written");
    }

    /// Puts one device in an endpoint, with a window of 2 MiB.
    fn own(&mut self, bdf: Bdf, pe: PeNumber, table_real: u64) -> (DmaWindow, TceTable) {
        self.phb
            .assign_pe(RidSel::one(bdf), pe)
            .expect("it is free");
        let cells = leak(|| BeU64::new(0), 512);
        self.model.add_memory(table_real, Box::new(cells));
        let table = TceTable::new(cells, table_real, 12).expect("2 MiB");
        let window = self
            .phb
            .dma_create(pe, &table, None)
            .expect("there are two");
        (window, table)
    }

    /// Checks that the driver did nothing that it must not.
    fn good(&self) {
        assert_eq!(self.model.complaints(), Vec::<String>::new());
    }
}

const LEFT_BDF: Bdf = Bdf::new(3, 0, 0);
const RIGHT_BDF: Bdf = Bdf::new(4, 0, 0);
const LEFT_PCI: u32 = 0x8100_0000;
const RIGHT_PCI: u32 = 0x8180_0000;
