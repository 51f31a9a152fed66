//! How many operations a driver does in a second: [`rates`].

use crate::{Bridge, Chip, time};
use ioda::{
    Bdf, CfgOffset, CfgWidth, DmaWindow, Freeze, M32Segment, M64Map, M64Window, MsiBlock, PeNumber,
    RidSel, TceRange, TceTable,
};

/// How fast one kind of operation is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// What is done.
    pub name: &'static str,
    /// Registers loaded and stored for one, exactly.
    pub accesses: u64,
    /// How many in a second on this host, the model's work included.
    pub per_second: f64,
}

/// A bridge with one endpoint in use.
struct Bench {
    bridge: Bridge,
    table: TceTable,
    open: DmaWindow,
    block: Option<MsiBlock>,
    window: Option<DmaWindow>,
    turn: u16,
}

const PE: PeNumber = PeNumber(5);
/// The root port, which every fabric has.
const ROOT: Bdf = Bdf::new(0, 0, 0);

impl Bench {
    fn new(chip: Chip) -> Self {
        let mut bridge = chip.start();
        let entries = match chip {
            Chip::P7ioc => 0x8000,
            Chip::Phb3 => TceTable::MIN_ENTRIES,
        };
        let table = bridge.table(entries);
        let open = bridge.host.dma_create(PE, &table, None).expect("room");
        Self {
            table: bridge.table(entries),
            bridge,
            open,
            block: None,
            window: None,
            turn: 0,
        }
    }

    fn set_m64(&mut self, open: Option<PeNumber>) {
        let m64 = self.bridge.host.caps().m64.expect("both have an area");
        let map = open.map(|pe| M64Map::SinglePe {
            base: m64.real,
            shift: m64.single_pe_shift,
            pe,
        });
        self.bridge
            .host
            .set_m64(M64Window(0), map)
            .expect("nothing is there");
    }
}

/// How often an operation is done for one look at the clock.
const BATCH: usize = 16;

/// What is measured, and how many operations of a driver it is.
type Row = (&'static str, u32, fn(&mut Bench));

const ROWS: [Row; 9] = [
    ("config read", 1, |bench| {
        let read = bench
            .bridge
            .host
            .cfg_read(ROOT, CfgOffset::at(0), CfgWidth::Word);
        read.expect("it is there");
    }),
    ("config write", 1, |bench| {
        let wrote = bench
            .bridge
            .host
            .cfg_write(ROOT, CfgOffset::at(0x3c), CfgWidth::Byte, 0);
        wrote.expect("it is there");
    }),
    ("segment to an endpoint", 1, |bench| {
        bench.turn = (bench.turn + 1) % 100;
        let mapped = bench.bridge.host.map_m32(M32Segment(bench.turn), PE);
        mapped.expect("there are as many");
    }),
    ("requester to an endpoint and back", 2, |bench| {
        let rids = RidSel::one(Bdf::new(7, 0, 0));
        bench.bridge.host.assign_pe(rids, PE).expect("free");
        bench.bridge.host.release_pe(rids).expect("taken");
    }),
    ("DMA window, create and destroy", 2, |bench| {
        let window = bench.bridge.host.dma_create(PE, &bench.table, None);
        bench.window = Some(window.expect("room"));
        let window = bench.window.take().expect("just made");
        bench.bridge.host.dma_destroy(&window).expect("open");
    }),
    ("64-bit window, create and destroy", 2, |bench| {
        bench.set_m64(Some(PE));
        bench.set_m64(None);
    }),
    ("messages, take and give back", 2, |bench| {
        bench.block = Some(bench.bridge.host.msi_alloc(PE, 4).expect("room"));
        let block = bench.block.take().expect("just taken");
        bench.bridge.host.msi_free(&block).expect("taken");
    }),
    ("endpoint, freeze and thaw", 2, |bench| {
        bench.bridge.host.freeze(PE, Freeze::all()).expect("there");
        bench.bridge.host.thaw(PE, Freeze::all()).expect("there");
    }),
    ("forget a translation", 1, |bench| {
        let page = TceRange::Pages { first: 3, count: 1 };
        bench.bridge.port.tce_flush(&bench.open, page);
    }),
];

/// How fast each kind of operation is.
///
/// # Panics
/// If a driver refuses what it should do, or a model complains.
#[must_use]
pub fn rates(chip: Chip) -> Vec<Rate> {
    let mut bench = Bench::new(chip);
    let mut found = Vec::new();
    for (name, operations, run) in ROWS {
        run(&mut bench);
        let before = bench.bridge.counter.accesses();
        run(&mut bench);
        let accesses = bench.bridge.counter.accesses() - before;
        let mut watch = time::Watch::new();
        // Many at a time: some take hardly longer than the clock's step.
        let rounds = (0..time::ROUNDS / BATCH).map(|_| {
            watch.start();
            (0..BATCH).for_each(|_| run(&mut bench));
            watch.nanoseconds() / BATCH as f64
        });
        let nanoseconds = time::median(rounds.collect());
        found.push(Rate {
            name,
            accesses,
            per_second: f64::from(operations) * 1e9 / nanoseconds.max(1.0),
        });
    }
    assert_eq!(bench.bridge.complaints(), Vec::<String>::new());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_reaches_the_bridge() {
        for chip in Chip::ALL {
            let rates = rates(chip);
            assert_eq!(rates.len(), ROWS.len());
            for rate in rates {
                assert!(rate.accesses > 0 && rate.per_second > 0.0, "{rate:?}");
            }
        }
    }
}
