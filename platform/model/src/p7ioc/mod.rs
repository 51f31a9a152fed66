//! A P7IOC with one bridge in use: [`P7ioc`]. Here its state and what a test may do to it; `registers` has what
//! a driver may do to the bridge, `hub` to the hub, `requests` what devices and processors send through.
//!
//! Nobody has an emulator or the specification of the chip, so this is its published driver read the other way
//! round. Where that does not tell, the model does not guess in the driver's favour: what would rest on it is a
//! complaint, or refused.

mod below;
mod hub;
mod registers;
mod requests;
mod tables;

use crate::memory::Memory;
use crate::{Delivery, Fabric, Refusal, SharedMemory};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use ioda::{PeNumber, Rid};
use spin::Mutex;

pub use below::{Below, Change};
use tables::Tables;

/// IBM bit `n` of a doubleword.
const fn bit(n: u32) -> u64 {
    1 << (63 - n)
}
/// IBM bits `first` to `last` of `value`, at the bottom.
const fn field(value: u64, first: u32, last: u32) -> u64 {
    value >> (63 - last) & (u64::MAX >> (63 - (last - first)))
}

/// A block of 64 KiB of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum P7iocBlock {
    /// The bridge by the slow path, which always works.
    Asb,
    /// The bridge by the fast path, which the hub has to route.
    Aib,
    /// The hub from 0x3c0000 on.
    Bus,
    /// The hub from 0x3d0000 on.
    Crossbar,
    /// The hub from 0x3e0000 on.
    Global,
}

/// A block of registers of a model, as a driver sees it.
#[derive(Clone, Copy)]
pub struct P7iocRegs {
    model: &'static P7ioc,
    block: P7iocBlock,
}

struct State {
    index: u8,
    hub: BTreeMap<u32, u64>,
    /// The index and the table that the hub's own port to its tables points to.
    hub_table: (u64, u64),
    regs: BTreeMap<u16, u64>,
    tables: Tables,
    /// The second word, written and not taken over yet.
    second: Option<u64>,
    memory: Memory,
    fabric: Fabric,
    /// What is behind the root port in place of the rest of the fabric.
    below: Option<&'static dyn Below>,
    /// By real address of a pair of entries.
    tce_cache: BTreeMap<u64, [u64; 2]>,
    /// Pairs whose kill was posted and has not arrived; `None` for all.
    posted: Vec<Option<u64>>,
    link: Link,
    fences: u32,
    fir: u64,
    deliveries: Vec<Delivery>,
    complaints: Vec<String>,
}

/// The link's looks: how many more say that it is not there yet.
struct Link {
    /// Nothing is at its other end.
    is_empty: bool,
    is_off: bool,
    off_looks: u32,
    up_looks: u32,
    layer_looks: u32,
}

/// A P7IOC with a fabric below one of its bridges.
pub struct P7ioc {
    state: Mutex<State>,
}

impl P7ioc {
    /// Real address of the first window.
    pub const BAR1: u64 = 0x3e_0000_0000;
    /// Real address of the second.
    pub const BAR2: u64 = 0x40_0000_0000;
    /// The bits above source numbers.
    pub const BUID_EXT: u8 = 0x21;

    /// Bridge `index` of a hub, with `fabric` below it.
    #[must_use]
    pub fn new(index: u8, mut fabric: Fabric) -> Self {
        fabric.root_is_open = true;
        let state = State {
            index,
            hub: BTreeMap::new(),
            hub_table: (0, 0),
            regs: registers::at_reset(),
            tables: Tables::garbage(),
            second: None,
            memory: Memory::default(),
            fabric,
            below: None,
            tce_cache: BTreeMap::new(),
            posted: Vec::new(),
            link: Link::at_reset(),
            fences: 0,
            fir: 0,
            deliveries: Vec::new(),
            complaints: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// A block of its registers.
    #[must_use]
    pub const fn regs(&'static self, block: P7iocBlock) -> P7iocRegs {
        P7iocRegs { model: self, block }
    }

    /// Lets the bridge reach `piece` at `real`.
    pub fn add_memory(&self, real: u64, piece: Box<dyn SharedMemory>) {
        self.state.lock().memory.add(real, piece);
    }

    /// Does something to the fabric.
    pub fn with_fabric<T>(&self, act: impl FnOnce(&mut Fabric) -> T) -> T {
        act(&mut self.state.lock().fabric)
    }

    /// What the driver did that it must not; empties the list.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        core::mem::take(&mut self.state.lock().complaints)
    }

    /// The interrupts presented since the last call.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        core::mem::take(&mut self.state.lock().deliveries)
    }

    /// Table entries that nobody wrote since they were lost: table and index.
    #[must_use]
    pub fn unwritten(&self) -> Vec<(u64, usize)> {
        self.state.lock().tables.unwritten()
    }

    /// The words of a table entry.
    #[must_use]
    pub fn entry(&self, table: u64, index: usize) -> Option<[u64; 2]> {
        self.state.lock().tables.get(table, index)
    }

    /// A register of the hub, by its offset from the first window; `None` if nobody wrote it.
    #[must_use]
    pub fn hub_register(&self, offset: u32) -> Option<u64> {
        self.state.lock().hub.get(&offset).copied()
    }

    /// A register of the bridge, as it was last written; `None` if nobody wrote it since it was lost.
    #[must_use]
    pub fn register(&self, at: u16) -> Option<u64> {
        self.state.lock().regs.get(&at).copied()
    }

    /// The crossbar's ports, as a set of IBM bits, that a broadcast of `kind` goes to.
    #[must_use]
    pub fn route_type(&self, kind: u64) -> u64 {
        self.state.lock().route(bit(18), kind)
    }

    /// The crossbar's ports, as a set of IBM bits, that real address `real` goes to.
    #[must_use]
    pub fn route_address(&self, real: u64) -> u64 {
        self.state.lock().route(bit(16), real >> 16)
    }

    /// Function `index` reads at PCI address `address`. Gives the real address that it reaches.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn dma_read(&self, index: usize, address: u64) -> Result<u64, Refusal> {
        self.request(index, |state, rid| state.dma(rid, address, 1))
    }

    /// Function `index` writes at PCI address `address`. Gives the real address that it reaches.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn dma_write(&self, index: usize, address: u64) -> Result<u64, Refusal> {
        self.request(index, |state, rid| state.dma(rid, address, 2))
    }

    /// Function `index` sends the message `data` to `address`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn message(&self, index: usize, address: u64, data: u32) -> Result<(), Refusal> {
        self.request(index, |state, rid| state.message(rid, address, data))
    }

    /// Something sends the message `data` to `address` under any requester id.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn forged_message(&self, rid: Rid, address: u64, data: u32) -> Result<(), Refusal> {
        self.state.lock().message(rid, address, data)
    }

    /// Something reads at `address` under any requester id.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn forged_read(&self, rid: Rid, address: u64) -> Result<u64, Refusal> {
        self.state.lock().dma(rid, address, 1)
    }

    /// Something writes at `address` under any requester id.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn forged_write(&self, rid: Rid, address: u64) -> Result<u64, Refusal> {
        self.state.lock().dma(rid, address, 2)
    }

    /// INTx wire `wire` is pulled.
    pub fn pull_intx(&self, wire: u8) {
        self.state.lock().level(wire);
    }

    /// Requester `rid` sends an error: its endpoint is frozen, and every endpoint that its row names.
    pub fn error_message(&self, rid: Rid) {
        self.state.lock().error_message(rid);
    }

    /// Error bits are latched.
    pub fn latch_errors(&self, fir: u64) {
        self.state.lock().fir |= fir;
    }

    /// The error bits that are latched.
    #[must_use]
    pub fn latched(&self) -> u64 {
        self.state.lock().fir
    }

    /// The bridge shuts itself off.
    pub fn fence(&self) {
        self.fence_for(1);
    }

    /// The bridge shuts itself off, and takes `tries` resets by the hub to come back.
    pub fn fence_for(&self, tries: u32) {
        self.state.lock().set_fence(tries);
    }

    /// The chip calls itself another version.
    pub fn set_version(&self, version: u64) {
        self.state.lock().regs.insert(0x800, version);
    }

    /// Nothing is in the slot: the link never comes up.
    pub fn take_link_down(&self) {
        self.state.lock().link.is_empty = true;
    }

    /// The hub dies.
    pub fn kill_hub(&self) {
        self.state.lock().hub.insert(0x3e_0008, u64::MAX);
    }

    /// The endpoint of the segment that holds real address `real`; `None` outside all windows.
    #[must_use]
    pub fn segment_pe(&self, real: u64) -> Option<PeNumber> {
        self.state
            .lock()
            .window(real)
            .map(|window| PeNumber(window.pe))
    }

    fn request<T>(
        &self,
        index: usize,
        act: impl FnOnce(&mut State, Rid) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut state = self.state.lock();
        if !state.fabric.masters(index) {
            return Err(Refusal::NotMaster);
        }
        let rid = state.fabric.bdf(index);
        act(&mut state, rid)
    }
}

impl Link {
    const fn at_reset() -> Self {
        Self {
            is_empty: false,
            is_off: false,
            off_looks: 0,
            up_looks: 3,
            layer_looks: 2,
        }
    }
}

impl State {
    fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    fn reg(&self, at: u16) -> u64 {
        self.regs.get(&at).copied().unwrap_or(0)
    }

    /// Freezes `pe` for MMIO and DMA, latching the cause.
    fn freeze(&mut self, pe: u16, a: u64, b: u64) {
        self.tables.stop(pe, a, b);
        self.tell_stopped(pe);
        // 58: a class that freezes.
        self.fir |= bit(58);
    }

    fn error_message(&mut self, rid: Rid) {
        let parent = self.tables.endpoint(rid);
        for child in self.tables.children(parent) {
            self.freeze(child, 7 << 56 | u64::from(rid.0) << 16, 0);
        }
    }
}
