//! A partition of a table of pages, and adapters on a LAN.

mod calls;
mod hostile;
mod receiving;
mod sending;
mod together;

use crate::{Adapter, Host, Lan, Problem, Settings, Signals};
use ioda::BeU64;
use papr_abi::llan::{descriptor, entry};
use papr_abi::{HError, IoAddr, Irq, Liobn, tce};
use std::sync::Mutex;

/// I/O addresses of what a driver registers; each partition's window has [`PAGES`] pages from 0.
const LIST: u64 = 0;
const FILTERS: u64 = 0x1000;
const QUEUE: u64 = 0x2000;
const ENTRIES: u64 = 4;
/// Where receive buffers are.
const RX: u64 = 0x4000;
/// Where frames to send are.
const TX: u64 = 0x3_0000;
const PAGES: usize = 0x80;
const BOTH: u64 = tce::READ | tce::WRITE;
const BROADCAST: u64 = 0xffff_ffff_ffff;

type Event = Box<dyn FnOnce() + Send>;

/// A partition's memory behind a window, page by page with its permissions; its interrupts.
struct Partition {
    pages: Vec<&'static [BeU64]>,
    permitted: Mutex<Vec<u64>>,
    interrupts: Mutex<Vec<Irq>>,
    /// Runs, once, when so many more pages have been looked up.
    event: Mutex<Option<(usize, Event)>>,
}

impl Partition {
    fn new() -> &'static Self {
        let page = || -> &'static [BeU64] { Vec::leak((0..512).map(|_| BeU64::new(0)).collect()) };
        Box::leak(Box::new(Self {
            pages: (0..PAGES).map(|_| page()).collect(),
            permitted: Mutex::new(vec![BOTH; PAGES]),
            interrupts: Mutex::default(),
            event: Mutex::default(),
        }))
    }
    fn permit(&self, at: u64, access: u64) {
        self.permitted.lock().unwrap()[at as usize >> 12] = access;
    }
    fn after(&self, lookups: usize, event: impl FnOnce() + Send + 'static) {
        *self.event.lock().unwrap() = Some((lookups, Box::new(event)));
    }
    fn word(&self, at: u64) -> u64 {
        self.pages[at as usize >> 12][(at as usize & 0xfff) >> 3].load()
    }
    fn set_word(&self, at: u64, value: u64) {
        self.pages[at as usize >> 12][(at as usize & 0xfff) >> 3].store(value);
    }
    fn bytes(&self, at: u64, count: usize) -> Vec<u8> {
        let byte = |at: u64| self.word(at).to_be_bytes()[at as usize & 7];
        (at..).take(count).map(byte).collect()
    }
    fn set_bytes(&self, at: u64, bytes: &[u8]) {
        for (at, byte) in (at..).zip(bytes) {
            let mut word = self.word(at).to_be_bytes();
            word[at as usize & 7] = *byte;
            self.set_word(at, u64::from_be_bytes(word));
        }
    }
    fn interrupts(&self) -> usize {
        std::mem::take(&mut *self.interrupts.lock().unwrap()).len()
    }
    /// All of its memory.
    fn image(&self) -> Vec<u64> {
        let words = self.pages.iter().flat_map(|page| page.iter());
        words.map(BeU64::load).collect()
    }
}

impl Host for Partition {
    fn page(&self, liobn: Liobn, at: IoAddr, access: u64) -> Option<&'static [BeU64]> {
        assert_eq!(liobn, Liobn(7));
        let mut event = self.event.lock().unwrap();
        let due = event.as_mut().is_some_and(|(left, _)| {
            *left = left.saturating_sub(1);
            *left == 0
        });
        let event = due.then(|| event.take().unwrap().1);
        if let Some(event) = event {
            event();
        }
        let index = usize::try_from(at.0 >> 12).unwrap();
        let permitted = *self.permitted.lock().unwrap().get(index)?;
        (permitted & access == access).then(|| self.pages[index])
    }
    fn interrupt(&self, irq: Irq) {
        self.interrupts.lock().unwrap().push(irq);
    }
}

/// A partition with an adapter.
#[derive(Clone, Copy)]
struct Station {
    partition: &'static Partition,
    adapter: &'static Adapter,
}

const fn mac(number: usize) -> u64 {
    0x0242_4800_0000 | number as u64
}

/// Makes `count` partitions, each with an adapter on the same LAN; none is registered.
fn lan(count: usize) -> Vec<Station> {
    let station = |number| Station {
        partition: Partition::new(),
        adapter: Box::leak(Box::new(Adapter::new(
            Settings {
                liobn: Liobn(7),
                irq: Irq(0xff_f000),
                mac: mac(number),
            },
            Vec::leak((0..64).map(|_| BeU64::new(0)).collect()),
        ))),
    };
    let stations: Vec<Station> = (0..count).map(station).collect();
    let adapters = stations.iter().map(|station| station.adapter).collect();
    let lan: &'static Lan = Box::leak(Box::new(Lan::new(adapters)));
    for station in &stations {
        station.adapter.connect(station.partition, lan);
    }
    stations
}

/// As [`lan`], all registered, with interrupts and no buffers.
fn open_lan(count: usize) -> Vec<Station> {
    let stations = lan(count);
    for station in &stations {
        station.open().unwrap();
        station.adapter.signal(Signals::Enabled);
    }
    stations
}

const fn describe(at: u64, bytes: u64) -> u64 {
    descriptor::VALID | bytes << descriptor::LENGTH_SHIFT | at
}

impl Station {
    fn open(&self) -> Result<(), Problem> {
        let queue = describe(QUEUE, ENTRIES * entry::BYTES);
        self.adapter
            .register(LIST, queue, FILTERS, self.adapter.mac())
    }
    /// Lends a buffer, whose handle is its address.
    fn lend(&self, at: u64, bytes: u64) {
        self.partition
            .set_bytes(at, &(at | 0xabcd << 48).to_be_bytes());
        self.adapter.add_buffer(describe(at, bytes)).unwrap();
    }
    /// Sends a frame of `bytes` to `to`, from [`TX`].
    fn send(&self, to: u64, bytes: usize) -> Result<crate::Sent, Problem> {
        self.partition.set_bytes(TX, &frame(to, bytes));
        let mut descriptors = [0; 6];
        descriptors[0] = describe(TX, bytes as u64);
        self.adapter.send(&descriptors, 0)
    }
    /// Entry `index` of the receive queue: head and handle.
    fn entry(&self, index: u64) -> (u64, u64) {
        let at = QUEUE + index * 16;
        (self.partition.word(at), self.partition.word(at + 8))
    }
}

/// A frame of `bytes` to `to`.
fn frame(to: u64, bytes: usize) -> Vec<u8> {
    let address = to.to_be_bytes()[2..].to_vec();
    let rest = (0..).map(|n: usize| (n * 31 + bytes) as u8);
    address.into_iter().chain(rest).take(bytes).collect()
}

/// Head of an entry for a message of `bytes`, in the first round.
const fn head(bytes: u64) -> u64 {
    entry::VALID | entry::MESSAGE | 8 << entry::OFFSET_SHIFT | bytes
}

fn code<T>(result: Result<T, Problem>) -> Option<HError> {
    result.err().map(|problem| problem.code)
}
