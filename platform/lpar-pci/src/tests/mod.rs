//! Partitions' functions on `ioda-model`, through the `phb3` driver.

mod assigning;
mod calls;
mod endpoint;
mod revival;
mod transfer;

use crate::{AssignError, Bridge, Given, HostBridge, Owners, Wish};
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use ioda::{Bdf, BeU64, Ioda, MmioIo, MsiBlock, PhbId, Step};
use ioda_model::{Device, Fabric, Kind, Phb3 as Model};
use lock::Mutex;
use pci::{Plan, Topology};
use phb3::on_model::Memory;
use phb3::{Bases, Pbcq, Phb3, Port};

/// Devices' indices in the fabric, and where they are.
const CARD: usize = 5;
const CARD_B: usize = 6;
const DISK: usize = 7;
const OLD: [usize; 2] = [9, 10];
const CARD_PATH: &str = "phb0/00.0/00.0/00.0/00.0";
const CARD_B_PATH: &str = "phb0/00.0/00.0/00.0/00.1";
const DISK_PATH: &str = "phb0/00.0/00.0/01.0/00.0";
const OLD_PATHS: [&str; 2] = [
    "phb0/00.0/00.0/02.0/00.0/01.0",
    "phb0/00.0/00.0/02.0/00.0/02.0",
];
/// Where the card and the disk have their capabilities: MSI and, if at all, MSI-X.
const MSI: u16 = 0x7c;
const MSIX: u16 = 0x94;
const COMMAND: u16 = 4;

fn keep<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// A bridge that runs, with its devices placed.
struct Board {
    index: u8,
    model: &'static Model,
    host: Mutex<Phb3<&'static Model, &'static Model>>,
    port: &'static Port<&'static Model>,
    topology: Topology,
    plan: Plan,
    /// No message of a function can arrive.
    is_deaf: AtomicBool,
}

impl Bridge for Board {
    type Port = Port<&'static Model>;

    fn index(&self) -> u8 {
        self.index
    }
    fn topology(&self) -> &Topology {
        &self.topology
    }
    fn plan(&self) -> &Plan {
        &self.plan
    }
    fn port(&self) -> &'static Self::Port {
        self.port
    }
    fn locked<T>(&self, act: impl FnOnce(&mut dyn HostBridge) -> T) -> T {
        act(&mut *self.host.lock())
    }
    fn registers(&self) -> &dyn MmioIo {
        self.model
    }
    fn message_block(&self, _: Bdf, block: MsiBlock) -> Option<MsiBlock> {
        (!self.is_deaf.load(SeqCst)).then_some(block)
    }
}

/// A switch: a card with two functions that pull one wire, a disk, and two old devices behind a bridge to conventional PCI.
fn fabric() -> Fabric {
    let mut fabric = Fabric::new(Device::bridge(0x1014, 0x03dc, 4));
    let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
    let [first, second, third] =
        [0, 8, 16].map(|devfn| fabric.add(up, devfn, Device::bridge(0x104c, 0x8233, 6)));
    let device = |id| {
        Device::endpoint(0x1234, id, 0x02_0000)
            .with_bar32(0, 1 << 15)
            .with_bar64(2, 1 << 24)
            .with_express(0, 0)
            .with_intx(0)
    };
    let card = device(1).with_msi(3).multifunction();
    assert_eq!(fabric.add(first, 0, card.with_msix(16, 0, 0x4000)), CARD);
    // This one can be reset by itself.
    let second_half = Device::endpoint(0x1234, 2, 0x02_0000)
        .with_bar32(0, 1 << 15)
        .with_bar64(2, 1 << 24)
        .with_express(0, 1 << 28)
        .with_intx(0);
    assert_eq!(
        fabric.add(first, 1, second_half.with_msi(3).multifunction()),
        CARD_B
    );
    assert_eq!(fabric.add(second, 0, device(3).with_msi(5)), DISK);
    let old = fabric.add(third, 0, Device::bridge(0x10b5, 0x8112, 7));
    for (devfn, index) in [(8, OLD[0]), (16, OLD[1])] {
        let device = Device::endpoint(0x1234, 4, 0x01_0000).with_bar32(0, 4096);
        assert_eq!(fabric.add(old, devfn, device.with_intx(0)), index);
    }
    fabric
}

impl Board {
    fn new(index: u8) -> Self {
        Self::with(index, fabric())
    }

    fn with(index: u8, fabric: Fabric) -> Self {
        let model = keep(Model::new(Kind::Chip, fabric));
        let tables = Memory::leak().attach(model);
        let pbcq = Pbcq::open(model, PhbId { chip: 0, index }, Bases::of(0)).expect("it answers");
        model.number_interrupts(pbcq.irq_base());
        let port = keep(Port::new(model, pbcq.irq_base(), &tables));
        let mut host = Phb3::new(pbcq, port, tables).expect("the tables are good");
        while host.poll().expect("it starts") != Step::Done {}
        let topology = pci::scan(index, &mut host).expect("config space answers");
        let plan = pci::plan(&topology, host.caps()).expect("it fits");
        plan.apply(&topology, &mut host).expect("it is kept");
        Self {
            index,
            model,
            host: Mutex::new(host),
            port,
            topology,
            plan,
            is_deaf: AtomicBool::new(false),
        }
    }

    /// `bytes` bytes of config space of a device, as they are.
    fn config(&self, device: usize, at: u16, bytes: usize) -> u32 {
        self.model
            .with_fabric(|fabric| fabric.device(device).get(at.into(), bytes))
    }
}

/// One bridge and who owns what of it.
struct Bench {
    boards: &'static [Board],
    owners: Owners,
    /// Where the next table is.
    free: u64,
    /// The last table.
    table: &'static [BeU64],
}

const WISH: Wish = Wish {
    window_bytes: 2 << 20,
    msis: 8,
};

impl Bench {
    fn new() -> Self {
        Self::of(1)
    }

    fn of(bridges: u8) -> Self {
        Self::on((0..bridges).map(Board::new).collect())
    }

    fn on(boards: Vec<Board>) -> Self {
        Self {
            boards: Vec::leak(boards),
            owners: Owners::new(),
            free: 0x4000_0000,
            table: &[],
        }
    }

    fn board(&self) -> &'static Board {
        &self.boards[0]
    }

    fn assign(&mut self, path: &str, lpid: u32, wish: Wish) -> Result<Given<Board>, AssignError> {
        let (boards, free, table) = (self.boards, &mut self.free, &mut self.table);
        let path = path.parse().expect("a location");
        self.owners
            .assign(boards, &path, lpid, wish, |bytes, align| {
                let real = free.next_multiple_of(align);
                *free = real + bytes;
                let cells = (0..bytes / 8).map(|_| BeU64::new(0));
                let cells: &'static [BeU64] = Vec::leak(cells.collect());
                for board in boards {
                    board.model.add_memory(real, Box::new(cells));
                }
                *table = cells;
                Some((cells, real))
            })
    }

    fn give(&mut self, path: &str, lpid: u32) -> Given<Board> {
        self.assign(path, lpid, WISH).expect("it is free")
    }

    fn good(&self) {
        for board in self.boards {
            assert_eq!(board.model.complaints(), Vec::<String>::new());
        }
    }
}
