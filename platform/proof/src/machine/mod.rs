//! A bridge's driver on a model of the bridge, with a few devices below: [`Machine`], [`start`].
//!
//! All that programs touch of drivers and models goes through here.

mod fabric;
mod memory;
mod p7ioc;
mod phb3;
mod tap;

pub(crate) use fabric::{BARS, FUNCTIONS, bar_real, function_of, place};
pub(crate) use memory::Pool;
pub use tap::{Action, Sabotage, Store};

use crate::Chip;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use ioda::{Ioda, IodaError, IrqBackend, M64Window, MsiSource, PeNumber, Rid, TceFlush};
use ioda_model::{Delivery, Refusal};
use lpar_pci::HostBridge;

/// Driver and model.
pub(crate) trait Machine: Send {
    fn host(&mut self) -> &mut dyn HostBridge;
    fn ioda(&mut self) -> &mut dyn Ioda {
        self.host()
    }
    fn msis(&mut self) -> &mut dyn MsiSource {
        self.host()
    }
    fn flush(&self) -> &'static dyn TceFlush;
    fn irqs(&self) -> &'static dyn IrqBackend;
    fn model(&self) -> &'static dyn Model;
    /// From now on sabotage of what is done again and again counts.
    fn arm(&self);
    /// What only some bridges have.
    fn extras(&mut self) -> Option<&mut dyn Extras> {
        None
    }
}

/// What a P7IOC can do besides.
pub(crate) trait Extras {
    fn map_io(&mut self, segment: u16, pe: PeNumber) -> Result<(), IodaError>;
    fn move_m64(&mut self, window: M64Window, segment: u8, pe: PeNumber) -> Result<(), IodaError>;
    fn set_quota(&mut self, pe: PeNumber, most: u16);
}

/// What devices and processors can do to a model, and what it tells.
pub(crate) trait Model: Sync {
    /// A read of a device; under its own id if function `index` is given, else under `rid`.
    fn read(&self, rid: Rid, index: Option<usize>, address: u64) -> Result<u64, Refusal>;
    fn write(&self, rid: Rid, index: Option<usize>, address: u64) -> Result<u64, Refusal>;
    fn message(
        &self,
        rid: Rid,
        index: Option<usize>,
        address: u64,
        data: u32,
    ) -> Result<(), Refusal>;
    fn segment_pe(&self, real: u64) -> Option<PeNumber>;
    fn load(&self, real: u64) -> u32;
    fn store(&self, real: u64, value: u32);
    fn error(&self, rid: Rid);
    fn latch(&self, fir: u64);
    fn pull(&self, wire: u8);
    fn fence(&self);
    fn complaints(&self) -> Vec<String>;
    /// `bytes` bytes of config space of a function of the fabric, as they are.
    fn config(&self, index: usize, at: usize, bytes: usize) -> u32;
    fn deliveries(&self) -> Vec<Delivery>;
}

macro_rules! model {
    ($($model:ty),*) => {$(
        impl Model for $model {
            fn read(&self, rid: Rid, index: Option<usize>, address: u64) -> Result<u64, Refusal> {
                match index {
                    Some(index) => self.dma_read(index, address),
                    None => self.forged_read(rid, address),
                }
            }
            fn write(&self, rid: Rid, index: Option<usize>, address: u64) -> Result<u64, Refusal> {
                match index {
                    Some(index) => self.dma_write(index, address),
                    None => self.forged_write(rid, address),
                }
            }
            fn message(
                &self,
                rid: Rid,
                index: Option<usize>,
                address: u64,
                data: u32,
            ) -> Result<(), Refusal> {
                match index {
                    Some(index) => self.message(index, address, data),
                    None => self.forged_message(rid, address, data),
                }
            }
            fn segment_pe(&self, real: u64) -> Option<PeNumber> {
                self.segment_pe(real)
            }
            fn load(&self, real: u64) -> u32 {
                ioda::MmioIo::read32(self, real)
            }
            fn store(&self, real: u64, value: u32) {
                ioda::MmioIo::write32(self, real, value);
            }
            fn error(&self, rid: Rid) {
                self.error_message(rid);
            }
            fn latch(&self, fir: u64) {
                self.latch_errors(fir);
            }
            fn pull(&self, wire: u8) {
                self.pull_intx(wire);
            }
            fn fence(&self) {
                self.fence();
            }
            fn complaints(&self) -> Vec<String> {
                self.complaints()
            }
            fn config(&self, index: usize, at: usize, bytes: usize) -> u32 {
                self.with_fabric(|fabric| fabric.device(index).get(at, bytes))
            }
            fn deliveries(&self) -> Vec<Delivery> {
                self.deliveries()
            }
        }
    )*};
}

model!(ioda_model::P7ioc, ioda_model::Phb3);

/// A machine that runs, over the memory of `pool`; nothing below its root port is numbered or placed.
pub(crate) fn open(
    chip: Chip,
    pool: &Pool,
    sabotage: Option<&'static Sabotage>,
) -> Result<Box<dyn Machine>, String> {
    match chip {
        Chip::P7ioc => p7ioc::start(pool, sabotage),
        Chip::Phb3 => phb3::start(pool, sabotage),
    }
}

/// As [`open`], with its devices placed.
pub(crate) fn start(
    chip: Chip,
    pool: &Pool,
    sabotage: Option<&'static Sabotage>,
) -> Result<Box<dyn Machine>, String> {
    let mut machine = open(chip, pool, sabotage)?;
    place(chip, machine.ioda())?;
    machine.arm();
    Ok(machine)
}

/// Polls until it is done.
pub(crate) fn run(
    mut poll: impl FnMut() -> Result<ioda::Step, ioda::ResetError>,
) -> Result<(), ioda::ResetError> {
    for _ in 0..10_000 {
        if poll()? == ioda::Step::Done {
            return Ok(());
        }
    }
    Err(ioda::ResetError::TimeOut("a start that ends"))
}

pub(crate) fn keep<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}
