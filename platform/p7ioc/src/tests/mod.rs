//! The driver against `ioda-model`, which enforces what is known of the chip.

pub(crate) mod between;
pub(crate) mod clear;
pub(crate) mod dma;
pub(crate) mod eeh;
pub(crate) mod forgotten;
pub(crate) mod hub;
pub(crate) mod inject;
pub(crate) mod interrupts;
pub(crate) mod latched;
pub(crate) mod order;
pub(crate) mod published;
pub(crate) mod resets;
pub(crate) mod skiboot;
pub(crate) mod start;
pub(crate) mod waits;
pub(crate) mod windows;

use crate::hub::{Facts, Hub, Processor, Units};
use crate::{Phb, Port};
use cases::prelude::*;
use ioda::{
    Bdf, BeU64, CfgOffset, CfgWidth, DmaWindow, Ioda, PeNumber, ResetKind, RidSel, Step, TceTable,
};
use ioda_model::{Device, Fabric, P7ioc as Model, P7iocBlock as Block, P7iocRegs};

/// The bridge that is used.
const INDEX: u8 = 2;

/// Two devices of one function and their switch: the fabric's indices.
const LEFT: usize = 4;
const RIGHT: usize = 5;
const LEFT_BDF: Bdf = Bdf::new(3, 0, 0);
const RIGHT_BDF: Bdf = Bdf::new(4, 0, 0);
/// In segments 2 and 3 of the 32-bit window.
const LEFT_PCI: u32 = 0xc100_0000;
const RIGHT_PCI: u32 = 0xc180_0000;
/// One has bit 4 set, which skiboot drops, and they are in different words of a row.
const PE_LEFT: PeNumber = PeNumber(17);
const PE_RIGHT: PeNumber = PeNumber(101);

/// Entries of a window of 128 MiB, the smallest.
const SMALL: usize = 0x8000;
/// And of one that fills a slot.
const SLOT: usize = 0x1_0000;

const FACTS: Facts = Facts {
    chip: 0,
    gx: 0,
    processor: Processor::Power7,
    gx_bar1: Model::BAR1,
    gx_bar2: Model::BAR2,
    buid_ext: Model::BUID_EXT,
    presence: None,
};

fn leak<T>(make: impl Fn() -> T, count: usize) -> &'static [T] {
    Box::leak((0..count).map(|_| make()).collect())
}

struct Bench {
    model: &'static Model,
    hub: Hub<P7iocRegs>,
    port: &'static Port<P7iocRegs>,
    phb: Phb<P7iocRegs>,
}

/// A root port, a switch with two ports down, a device below each.
fn fabric() -> Fabric {
    // The chip says a wrong class.
    let root = Device::bridge(0x1014, 0x03b9, 4).with_config(0x08, 4, 0x1200_0001);
    let mut fabric = Fabric::new(root);
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
    fn new() -> Self {
        Self::with(FACTS)
    }

    fn with(facts: Facts) -> Self {
        Self::over(facts, fabric())
    }

    fn over(facts: Facts, fabric: Fabric) -> Self {
        let model: &'static Model = Box::leak(Box::new(Model::new(INDEX, fabric)));
        let units = Box::leak(Box::new(Units::new(
            model.regs(Block::Bus),
            model.regs(Block::Crossbar),
            model.regs(Block::Global),
        )));
        let hub = Hub::new(facts, units).expect("the facts are good");
        let layout = facts
            .phbs()
            .find(|layout| layout.bridge == INDEX)
            .expect("it is there");
        let port = Box::leak(Box::new(Port::new(model.regs(Block::Aib), &layout)));
        let phb = Phb::new(
            layout,
            model.regs(Block::Asb),
            port,
            hub.port(INDEX).expect("it is there"),
        );
        Self {
            model,
            hub,
            port,
            phb,
        }
    }

    /// Polls until the hub is done, and gives the milliseconds it asked for.
    fn run_hub(&mut self) -> u32 {
        run(|| self.hub.poll())
    }

    /// Polls until the bridge is done, and gives the milliseconds it asked for.
    fn run(&mut self) -> u32 {
        run(|| self.phb.poll())
    }

    fn reset(&mut self, kind: ResetKind) -> u32 {
        self.phb.reset(kind);
        self.run()
    }

    /// Started, with both devices placed.
    fn started() -> Self {
        let mut bench = Self::new();
        bench.run_hub();
        bench.run();
        bench.place();
        bench.good();
        bench
    }

    /// Numbers buses and places both devices in segments 2 and 3, decoding and mastering.
    fn place(&mut self) {
        for (bdf, buses) in [
            (Bdf::new(0, 0, 0), 0x0004_0100),
            (Bdf::new(1, 0, 0), 0x0004_0201),
            (Bdf::new(2, 0, 0), 0x0003_0302),
            (Bdf::new(2, 1, 0), 0x0004_0402),
        ] {
            self.write(bdf, 0x18, buses);
            self.write(bdf, 0x20, 0xfff0_8000);
            self.write(bdf, 0x04, 0x6);
        }
        for (bdf, pci) in [(LEFT_BDF, LEFT_PCI), (RIGHT_BDF, RIGHT_PCI)] {
            self.write(bdf, 0x10, pci);
            self.write(bdf, 0x04, 0x6);
        }
    }

    fn write(&mut self, bdf: Bdf, at: u16, value: u32) {
        self.phb
            .cfg_write(bdf, CfgOffset::at(at), CfgWidth::Word, value)
            .expect("it is written");
    }

    fn read(&mut self, bdf: Bdf, at: u16) -> u32 {
        self.phb
            .cfg_read(bdf, CfgOffset::at(at), CfgWidth::Word)
            .expect("it is read")
    }

    /// A table of `entries` that the bridge reaches at `real`.
    fn table(&self, real: u64, entries: usize) -> TceTable {
        let cells = leak(|| BeU64::new(0), entries);
        self.model.add_memory(real, Box::new(cells));
        TceTable::new(cells, real, 12).expect("a good table")
    }

    /// Puts one device in an endpoint, with a window of 128 MiB.
    fn own(&mut self, bdf: Bdf, pe: PeNumber, real: u64) -> (DmaWindow, TceTable) {
        self.phb
            .assign_pe(RidSel::one(bdf), pe)
            .expect("it is free");
        let table = self.table(real, SMALL);
        let window = self
            .phb
            .dma_create(pe, &table, None)
            .expect("there is a slot");
        (window, table)
    }

    /// All that the tables hold, but what is frozen.
    fn tables(&self) -> Vec<(u64, usize, [u64; 2])> {
        (0..20)
            .flat_map(|table| (0..256).map(move |index| (table, index)))
            .filter_map(|(table, index)| Some((table, index, self.model.entry(table, index)?)))
            .collect()
    }

    /// Checks that the driver did nothing that it must not.
    fn good(&self) {
        assert_eq!(self.model.complaints(), Vec::<String>::new());
    }
}

fn run(mut poll: impl FnMut() -> Result<Step, ioda::ResetError>) -> u32 {
    let mut waited = 0;
    for _ in 0..10_000 {
        match poll().expect("it starts") {
            Step::Done => return waited,
            Step::Pending { ms } => waited += ms,
        }
    }
    panic!("it never ends");
}
