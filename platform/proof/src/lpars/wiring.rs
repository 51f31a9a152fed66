//! What two partitions stand on: the bridge's driver behind a lock, and as much of a machine as calls need.

use super::Mistake;
use crate::machine::Machine;
use alloc::boxed::Box;
use ioda::{MsiBlock, TceRange};
use lpar::machine::{
    Caches, CivilTime, Clock, DeviceMemory, Failed, ForeignIrq, Presenter, Sources, TceInvalidate,
    Terminal, Threads, Tlb,
};
use lpar::pci::{ConfigError, MsiAddress, MsiKind, PciAccess};
use papr_abi::{Irq, RealAddr};
use pci::GuestFunction;
use spin::Mutex;

/// The bridge, shared.
pub(super) struct Shared {
    pub(super) machine: Mutex<Box<dyn Machine>>,
}

impl Sources for Shared {
    fn set_target(&self, irq: Irq, pir: u32, priority: u8) -> Result<(), Failed> {
        self.machine
            .lock()
            .irqs()
            .set_target(ioda::Irq(irq.0), pir, priority);
        Ok(())
    }
    fn reset(&self, irq: Irq) {
        self.machine.lock().irqs().reset(ioda::Irq(irq.0));
    }
    fn eoi(&self, irq: Irq) {
        self.machine.lock().irqs().eoi(ioda::Irq(irq.0));
    }
    fn exists(&self, irq: Irq) -> bool {
        self.machine.lock().irqs().kind(ioda::Irq(irq.0)).is_some()
    }
}

impl DeviceMemory for Shared {
    fn load(&self, at: RealAddr, bytes: u64) -> u64 {
        let word = self.machine.lock().model().load(at.0 & !3);
        u64::from(word)
            & u64::MAX
                .checked_shr(64 - 8 * bytes.min(8) as u32)
                .unwrap_or(0)
    }
    fn store(&self, at: RealAddr, _bytes: u64, value: u64) {
        self.machine.lock().model().store(at.0 & !3, value as u32);
    }
}

/// Translations of one window.
pub(super) struct Flush {
    pub(super) shared: &'static Shared,
    pub(super) window: ioda::DmaWindow,
    pub(super) mistake: Option<Mistake>,
}

impl TceInvalidate for Flush {
    fn invalidate(&self, first: u64, pages: u64) {
        if self.mistake == Some(Mistake::ForgetsInvalidations) {
            return;
        }
        let first = first.wrapping_sub(self.window.bus_base) >> self.window.page_shift;
        let machine = self.shared.machine.lock();
        machine.flush().tce_flush(
            &self.window,
            TceRange::Pages {
                first,
                count: pages,
            },
        );
        // What is compared is what holds once the bridge is through.
        let _ = machine.flush().tce_wait();
    }
}

/// The way to one function.
pub(super) struct Access {
    pub(super) shared: &'static Shared,
    pub(super) state: Mutex<GuestFunction>,
    pub(super) block: MsiBlock,
    /// The first of the messages that the partition was told of.
    pub(super) first: Irq,
}

fn refused(refusal: pci::Refusal) -> ConfigError {
    match refusal {
        pci::Refusal::Parameter => ConfigError::Absent,
        pci::Refusal::Busy | pci::Refusal::Hardware => ConfigError::Hardware,
    }
}

impl PciAccess for Access {
    fn read(&self, offset: u16, bytes: u8) -> Result<u32, ConfigError> {
        let mut machine = self.shared.machine.lock();
        let result = self
            .state
            .lock()
            .read(machine.ioda(), offset.into(), bytes.into());
        result.map_err(refused)
    }
    fn write(&self, offset: u16, bytes: u8, value: u32) -> Result<(), ConfigError> {
        let mut machine = self.shared.machine.lock();
        let result = self
            .state
            .lock()
            .write(machine.ioda(), offset.into(), bytes.into(), value);
        result.map_err(refused)
    }
    fn program_msi(
        &self,
        kind: MsiKind,
        address: MsiAddress,
        first: Irq,
        count: u32,
    ) -> Result<(), Failed> {
        let mut block = self.block;
        if kind != MsiKind::Msi || first != self.first || count > block.count.into() {
            return Err(Failed);
        }
        block.count = count as u16;
        let width = if address == MsiAddress::Bits32 {
            pci::MsiKind::Msi32
        } else {
            pci::MsiKind::Msi
        };
        let mut machine = self.shared.machine.lock();
        let done = self.state.lock().set_msi(machine.ioda(), &block, width);
        done.map_err(|_| Failed)
    }
    fn release_msi(&self) {
        let mut machine = self.shared.machine.lock();
        let _ = self.state.lock().clear_msi(machine.ioda());
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
    fn civil(&self) -> Result<CivilTime, Failed> {
        Err(Failed)
    }
    fn random(&self) -> Result<u64, Failed> {
        Err(Failed)
    }
}
impl Threads for Rest {
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
