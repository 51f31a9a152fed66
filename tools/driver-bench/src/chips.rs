//! A driver started on the model of its chip: [`start_p7ioc`], [`start_phb3`].

use crate::count::{Counted, Counter};
use ioda::{BeU64, Ioda, IrqBackend, MsiSource, PhbId, ResetError, Step, TceFlush, TceTable};
use ioda_model::{Device, Fabric, Kind, P7ioc, P7iocBlock, Phb3, SharedMemory};
use phb3::on_model::Memory;
use phb3::{Bases, Pbcq};

/// A bridge as its owner uses it.
pub trait Host: Ioda + MsiSource {}
impl<T: Ioda + MsiSource> Host for T {}

/// What all processors share of a bridge.
pub trait SharedPort: TceFlush + IrqBackend {}
impl<T: TceFlush + IrqBackend> SharedPort for T {}

/// The model, whichever it is.
#[derive(Clone, Copy)]
enum Model {
    P7ioc(&'static P7ioc),
    Phb3(&'static Phb3),
}

/// A started bridge. It is never freed: drivers keep what they are given for ever.
pub struct Bridge {
    /// The driver.
    pub host: Box<dyn Host>,
    /// What it shares.
    pub port: &'static dyn SharedPort,
    /// Its accesses to registers of the bridge.
    pub counter: Counter,
    model: Model,
    next_table: u64,
}

/// Where tables begin that [`Bridge::table`] makes.
const TABLES: u64 = 0x2000_0000;

impl Bridge {
    /// A translation table of `entries` (a power of two) that the bridge reaches, each at another place.
    ///
    /// # Panics
    /// If no table can have so many entries.
    #[must_use]
    pub fn table(&mut self, entries: usize) -> TceTable {
        let cells: &'static [BeU64] = leak(|| BeU64::new(0), entries);
        let bytes = (entries * 8) as u64;
        let real = self.next_table.next_multiple_of(bytes);
        self.next_table = real + bytes;
        self.add_memory(real, Box::new(cells));
        TceTable::new(cells, real, 12).expect("a table of a power of two of entries")
    }

    fn add_memory(&self, real: u64, piece: Box<dyn SharedMemory>) {
        match self.model {
            Model::P7ioc(model) => model.add_memory(real, piece),
            Model::Phb3(model) => model.add_memory(real, piece),
        }
    }

    /// What the driver did that it must not.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        match self.model {
            Model::P7ioc(model) => model.complaints(),
            Model::Phb3(model) => model.complaints(),
        }
    }

    /// Carries the start on until it is done.
    fn start(&mut self) {
        finish(|| self.host.poll());
    }
}

fn leak<T>(make: impl Fn() -> T, count: usize) -> &'static [T] {
    Box::leak((0..count).map(|_| make()).collect())
}

/// Polls until it is done. What it waits for passes at once: a model has no clock.
fn finish(mut poll: impl FnMut() -> Result<Step, ResetError>) {
    while let Step::Pending { .. } = poll().expect("the model starts") {}
}

/// The root port of a bridge, to build a fabric on.
#[must_use]
pub fn p7ioc_root() -> Device {
    // The chip says a wrong class.
    Device::bridge(0x1014, 0x03b9, 4).with_config(0x08, 4, 0x1200_0001)
}

/// Starts bridge 2 of a P7IOC with `fabric` below it.
///
/// # Panics
/// If the driver does not start it.
#[must_use]
pub fn start_p7ioc(fabric: Fabric) -> Bridge {
    use p7ioc::hub::{Facts, Hub, Processor, Units};
    const INDEX: u8 = 2;
    let facts = Facts {
        chip: 0,
        gx: 0,
        processor: Processor::Power7,
        gx_bar1: P7ioc::BAR1,
        gx_bar2: P7ioc::BAR2,
        buid_ext: P7ioc::BUID_EXT,
        presence: None,
    };
    let counter = Counter::default();
    let model: &'static P7ioc = Box::leak(Box::new(P7ioc::new(INDEX, fabric)));
    let regs = |block| Counted::new(model.regs(block), counter.clone());
    let units = Box::leak(Box::new(Units::new(
        regs(P7iocBlock::Bus),
        regs(P7iocBlock::Crossbar),
        regs(P7iocBlock::Global),
    )));
    let mut hub = Hub::new(facts, units).expect("good facts");
    let layout = facts
        .phbs()
        .find(|layout| layout.id.index == INDEX)
        .expect("a hub with all bridges");
    let port = Box::leak(Box::new(p7ioc::Port::new(regs(P7iocBlock::Aib), &layout)));
    let hub_port = hub.port(INDEX).expect("a hub with all bridges");
    let host = p7ioc::Phb::new(layout, regs(P7iocBlock::Asb), port, hub_port);
    finish(|| hub.poll());
    let mut bridge = Bridge {
        host: Box::new(host),
        port,
        counter,
        model: Model::P7ioc(model),
        next_table: TABLES,
    };
    bridge.start();
    bridge
}

/// The root port of a bridge, to build a fabric on.
#[must_use]
pub fn phb3_root() -> Device {
    Device::bridge(0x1014, 0x03dc, 4)
}

/// Starts bridge 0 of a POWER8 chip with `fabric` below it.
///
/// # Panics
/// If the driver does not start it.
#[must_use]
pub fn start_phb3(fabric: Fabric) -> Bridge {
    let counter = Counter::default();
    let model: &'static Phb3 = Box::leak(Box::new(Phb3::new(Kind::Chip, fabric)));
    let tables = Memory::leak().attach(model);
    let id = PhbId { chip: 0, index: 0 };
    let pbcq = Pbcq::open(model, id, Bases::of(0)).expect("the model answers");
    let registers = Counted::new(model, counter.clone());
    let port = Box::leak(Box::new(phb3::Port::new(
        registers,
        pbcq.irq_base(),
        &tables,
    )));
    let host = phb3::Phb3::new(pbcq, port, tables).expect("good tables");
    let mut bridge = Bridge {
        host: Box::new(host),
        port,
        counter,
        model: Model::Phb3(model),
        next_table: TABLES,
    };
    bridge.start();
    bridge
}
