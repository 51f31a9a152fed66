//! What two partitions stand on: the bridge's driver behind a lock, and as much of a machine as calls need. What is between
//! calls and driver is `lpar-pci`, as in the hypervisor.

use super::Mistake;
use crate::machine::{Machine, Model};
use alloc::boxed::Box;
use core::ops::Range;
use ioda::{Bdf, DmaWindow, IrqBackend, IrqKind, MmioIo, MsiBlock, ResetError, TceFlush, TceRange};
use lock::Mutex;
use lpar::machine::{
    Caches, Capacity, CivilTime, Clock, DeviceMemory, Failed, ForeignIrq, Presenter, Terminal,
    Threads, Tlb,
};
use lpar_pci::{Bridge, Bridges, HostBridge};
use papr_abi::{Irq, RealAddr};
use pci::{Plan, Topology};
use spin::Once;

/// The bridge, shared.
pub(super) struct Shared {
    pub(super) machine: Mutex<Box<dyn Machine>>,
    pub(super) topology: Topology,
    pub(super) plan: Plan,
    pub(super) port: &'static Port,
    pub(super) registers: Registers,
    /// A function that is given these messages in place of its own.
    pub(super) mixed: Once<(Bdf, MsiBlock)>,
}

impl Bridge for Shared {
    type Port = Port;

    fn index(&self) -> u8 {
        0
    }
    fn topology(&self) -> &Topology {
        &self.topology
    }
    fn plan(&self) -> &Plan {
        &self.plan
    }
    fn port(&self) -> &'static Port {
        self.port
    }
    fn locked<T>(&self, act: impl FnOnce(&mut dyn HostBridge) -> T) -> T {
        act(self.machine.lock().host())
    }
    fn registers(&self) -> &dyn MmioIo {
        &self.registers
    }
    fn message_block(&self, bdf: Bdf, block: MsiBlock) -> Option<MsiBlock> {
        let count = block.count;
        let mixed = self.mixed.get().filter(|(of, _)| *of == bdf);
        Some(mixed.map_or(block, |(_, other)| MsiBlock { count, ..*other }))
    }
}

/// All bridges there are: one.
#[derive(Clone, Copy)]
pub(super) struct One(pub(super) &'static Shared);

impl Bridges for One {
    type Bridge = Shared;

    fn all(&self) -> &'static [Shared] {
        core::slice::from_ref(self.0)
    }
}

/// The half of the driver that needs no lock.
pub(super) struct Port {
    pub(super) flush: &'static dyn TceFlush,
    pub(super) irqs: &'static dyn IrqBackend,
    pub(super) mistake: Option<Mistake>,
}

impl TceFlush for Port {
    fn tce_flush(&self, window: &DmaWindow, range: TceRange) {
        if self.mistake != Some(Mistake::ForgetsInvalidations) {
            self.flush.tce_flush(window, range);
            // What is compared is what holds once the bridge is through.
            let _ = self.flush.tce_wait();
        }
    }
    fn tce_flush_page(&self, window: &DmaWindow, bus: u64) {
        if self.mistake != Some(Mistake::ForgetsInvalidations) {
            self.flush.tce_flush_page(window, bus);
            let _ = self.flush.tce_wait();
        }
    }
    fn tce_wait(&self) -> Result<(), ResetError> {
        self.flush.tce_wait()
    }
}

impl IrqBackend for Port {
    fn irqs(&self) -> Range<u32> {
        self.irqs.irqs()
    }
    fn kind(&self, irq: ioda::Irq) -> Option<IrqKind> {
        self.irqs.kind(irq)
    }
    fn set_target(&self, irq: ioda::Irq, server: u32, priority: u8) {
        self.irqs.set_target(irq, server, priority);
    }
    fn reset(&self, irq: ioda::Irq) {
        self.irqs.reset(irq);
    }
    fn eoi(&self, irq: ioda::Irq) {
        self.irqs.eoi(irq);
    }
}

/// Registers of devices.
pub(super) struct Registers(pub(super) &'static dyn Model);

impl MmioIo for Registers {
    fn read32(&self, real: u64) -> u32 {
        self.0.load(real)
    }
    fn write32(&self, real: u64, value: u32) {
        self.0.store(real, value);
    }
}

impl DeviceMemory for Registers {
    fn load(&self, at: RealAddr, bytes: u64) -> u64 {
        let word = self.0.load(at.0 & !3);
        u64::from(word)
            & u64::MAX
                .checked_shr(64 - 8 * bytes.min(8) as u32)
                .unwrap_or(0)
    }
    fn store(&self, at: RealAddr, _bytes: u64, value: u64) {
        self.0.store(at.0 & !3, value as u32);
    }
}

/// The rest of the machine, which these programs have nothing to ask of.
pub(super) struct Rest;

impl Presenter for Rest {
    fn poll(&self, _: u32) -> u32 {
        0
    }
    fn accept(&self, _: u32) -> u32 {
        0
    }
    fn eoi(&self, _: u32, _: u32) {}
    fn set_cppr(&self, _: u32, _: u8) {}
    fn set_mfrr(&self, _: u32, _: u8) {}
}
impl ForeignIrq for Rest {
    fn handle(&self, _: Irq, _: u32) {}
}
impl Tlb for Rest {
    fn invalidate(&self, _: u32, _: u64, _: u64, _: u64) {}
}
impl Clock for Rest {
    fn timebase(&self) -> u64 {
        1
    }
    fn timebase_hz(&self) -> u64 {
        512_000_000
    }
    fn purr(&self) -> u64 {
        1
    }
    fn civil(&self) -> Result<CivilTime, Failed> {
        Err(Failed)
    }
    fn random(&self) -> Result<u64, Failed> {
        Err(Failed)
    }
}
impl Threads for Rest {
    fn capacity(&self) -> Capacity {
        Capacity {
            machine: 1,
            pool: 0,
            unallocated: 0,
        }
    }
    fn kick(&self, _: u32) {}
}
impl Caches for Rest {
    fn flush(&self, _: RealAddr, _: u64) {}
    fn fetch_anew(&self, _: RealAddr, _: u64) {}
}
impl Terminal for Rest {
    fn put(&self, bytes: &[u8]) -> usize {
        bytes.len()
    }
    fn room(&self) -> usize {
        4096
    }
    fn get(&self, _: &mut [u8]) -> usize {
        0
    }
}
