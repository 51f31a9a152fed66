//! What a partition's calls do to one of its functions: [`Access`]; and [`quiesce`], when they have ended.

use crate::endpoint::{Progress, Way};
use crate::{Bridge, HostBridge, describe};
use alloc::vec::Vec;
use core::fmt::Display;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};
use ioda::{Freeze, Ioda, MmioIo, MsiBlock, PeNumber, TceFlush, TceTable};
use lock::Mutex;
use lpar::machine::Failed;
use lpar::mmio::MmioRange;
use lpar::pci::{ConfigError, MsiAddress, MsiKind, PciAccess};
use lpar::{Lpar, Rarely};
use papr_abi::Irq;
use pci::{GuestFunction, MsiSetupError, Refusal};

/// The way of a partition's calls to one of its functions. The function's state is locked first, then its bridge.
pub struct Access<B: 'static> {
    pub(crate) bridge: &'static B,
    pub(crate) state: Mutex<GuestFunction>,
    pub(crate) block: Option<MsiBlock>,
    /// What translates for it.
    pub(crate) table: TceTable,
    /// Its place in the bridge's topology, and its endpoint.
    pub(crate) index: usize,
    pub(crate) pe: PeNumber,
    /// What resets it alone.
    pub(crate) way: Option<Way>,
    /// What is stopped besides by the bridge; changed by who has `state` locked.
    stopped: AtomicU8,
    /// Locked for no longer than it takes to look at it.
    pub(crate) progress: Mutex<Progress>,
    /// What its bridge does; changed with the bridge locked.
    pub(crate) power: AtomicU8,
    /// It was reset with its bridge, and is of no use before its owner has reset it.
    pub(crate) must_be_reset: AtomicBool,
    /// How often something did not work.
    failures: Rarely,
}

impl<B: Bridge> Access<B> {
    /// The way to function `index` of `bridge`, in endpoint `pe`, that `guest` filters; `block` are the messages it may
    /// have, `table` translates for it.
    pub(crate) fn new(
        bridge: &'static B,
        index: usize,
        pe: PeNumber,
        guest: GuestFunction,
        block: Option<MsiBlock>,
        table: TceTable,
    ) -> Self {
        Self {
            bridge,
            state: Mutex::new(guest),
            block,
            table,
            index,
            pe,
            way: Way::of(bridge.topology(), index),
            stopped: AtomicU8::new(0),
            progress: Mutex::new(Progress::None),
            power: AtomicU8::new(0),
            must_be_reset: AtomicBool::new(false),
            failures: Rarely::new(),
        }
    }

    /// Adds its registers, whole pages that its owner may map, to `all`.
    pub fn add_registers(&self, all: &mut Vec<MmioRange>) {
        if let Some(plan) = self.bridge.plan().functions.get(self.index) {
            all.extend(describe::pages(plan));
        }
    }

    /// What is stopped of it, whatever the bridge says.
    pub fn stopped_here(&self) -> Freeze {
        Freeze::from_bits_truncate(self.stopped.load(SeqCst))
    }
    pub(crate) fn add_stopped(&self, what: Freeze) {
        self.stopped.fetch_or(what.bits(), SeqCst);
    }
    pub(crate) fn remove_stopped(&self, what: Freeze) {
        self.stopped.fetch_and(!what.bits(), SeqCst);
    }

    /// Silences the function: no DMA, no message comes from it afterwards, until its owner lets it again.
    fn silence(&self) {
        let mut state = self.state.lock();
        let done = self.bridge.locked(|host| state.restart(host));
        self.note(&state, "is not silent", done);
    }

    /// Takes all messages away, as far as the function answers, and lets it pull its wire.
    fn release(&self, state: &mut GuestFunction, host: &mut dyn HostBridge) {
        let msi = state.clear_msi(host);
        self.note(state, "messages", msi);
        let msix = state.clear_msix(host);
        self.note(state, "messages", msix);
        self.set_wire(state, host, Wire::On);
    }

    /// Lets the function pull its INTx wire, or not, as its owner could; nothing when the wire is another
    /// function's. Returns whether that was done.
    fn set_wire(&self, state: &mut GuestFunction, host: &mut dyn Ioda, wire: Wire) -> bool {
        /// The upper byte of the command register, and its bit that keeps the wire quiet. Below is what decodes.
        const COMMAND: u32 = 5;
        const INTX_OFF: u32 = 1 << 2;
        let off = if wire == Wire::Off { INTX_OFF } else { 0 };
        let done = state
            .read(host, COMMAND, 1)
            .and_then(|command| state.write(host, COMMAND, 1, (command & !INTX_OFF) | off));
        self.note(state, "INTx", done)
    }

    /// Logs what went wrong, [`Rarely`], as a partition can make it happen at will. Returns whether nothing
    /// did.
    pub(crate) fn note(
        &self,
        state: &GuestFunction,
        what: &str,
        done: Result<(), impl Display>,
    ) -> bool {
        let Err(error) = done else { return true };
        if let Some(number) = self.failures.count() {
            let (bridge, bdf) = (self.bridge.index(), state.bdf());
            log::warn!("phb{bridge}: {bdf}: {what}: {error} (failure {number})");
        }
        false
    }
}

impl<B: Bridge> PciAccess for Access<B> {
    fn read(&self, offset: u16, bytes: u8) -> Result<u32, ConfigError> {
        let mut state = self.state.lock();
        let read = self
            .bridge
            .locked(|host| state.read(host, offset.into(), bytes.into()));
        read.map_err(config_error)
    }

    fn write(&self, offset: u16, bytes: u8, value: u32) -> Result<(), ConfigError> {
        let mut state = self.state.lock();
        let written = self
            .bridge
            .locked(|host| state.write(host, offset.into(), bytes.into(), value));
        written.map_err(config_error)
    }

    fn program_msi(
        &self,
        kind: MsiKind,
        address: MsiAddress,
        first: Irq,
        count: u32,
    ) -> Result<(), Failed> {
        let own = self.block.ok_or(Failed)?;
        let count = u16::try_from(count).map_err(|_| Failed)?;
        if own.first.0 != first.0 || count > own.count {
            return Err(Failed);
        }
        let mut state = self.state.lock();
        let block = MsiBlock { count, ..own };
        let block = self.bridge.message_block(state.bdf(), block);
        let registers = self.bridge.registers();
        self.bridge.locked(|host| {
            let done = block.map(|block| match kind {
                MsiKind::Msi => use_msi(&mut state, host, address, &block),
                MsiKind::MsiX => use_msix(&mut state, host, registers, &block),
            });
            let has_messages = done.is_some_and(|done| self.note(&state, "messages", done));
            if has_messages && self.set_wire(&mut state, host, Wire::Off) {
                return Ok(());
            }
            self.release(&mut state, host);
            Err(Failed)
        })
    }

    fn release_msi(&self) {
        let mut state = self.state.lock();
        self.bridge.locked(|host| self.release(&mut state, host));
    }
}

fn config_error(refusal: Refusal) -> ConfigError {
    match refusal {
        // The caller checked offset and width, so the function has no such register: all ones.
        Refusal::Parameter => ConfigError::Absent,
        Refusal::Busy | Refusal::Hardware => ConfigError::Hardware,
    }
}

fn use_msi(
    state: &mut GuestFunction,
    host: &mut dyn HostBridge,
    address: MsiAddress,
    block: &MsiBlock,
) -> Result<(), MsiSetupError> {
    let width = match address {
        MsiAddress::Bits32 => pci::MsiKind::Msi32,
        MsiAddress::Any => pci::MsiKind::Msi,
    };
    state.clear_msix(host)?;
    state.set_msi(host, block, width)
}

fn use_msix(
    state: &mut GuestFunction,
    host: &mut dyn HostBridge,
    registers: &dyn MmioIo,
    block: &MsiBlock,
) -> Result<(), MsiSetupError> {
    state.clear_msi(host)?;
    state.set_msix(host, registers, core::slice::from_ref(block))
}

/// Whether a function may pull its INTx wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    On,
    Off,
}

/// Takes back all that a partition set up in its functions, none of its processors running: no DMA and no message comes
/// from them afterwards, its windows translate nothing, and what `bridges` had under way has ended.
pub fn quiesce<B: Bridge>(lpar: &Lpar, accesses: &[&Access<B>], bridges: &[B]) {
    for access in accesses {
        access.silence();
    }
    for window in lpar.dma.iter() {
        window.clear_all();
    }
    for bridge in bridges {
        if bridge.port().tce_wait().is_err() {
            log::warn!("phb{}: DMA does not end", bridge.index());
        }
    }
}
