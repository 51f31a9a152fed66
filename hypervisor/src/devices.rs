//! The machine's PCI functions and the bridges they sit behind.

use bundle::Partition as Image;
use lpar::Lpar;
use lpar::machine::{Failed, ForeignIrq, Sources};
use lpar::mmio::MmioRange;
use lpar::pci::PciFunction;
use alloc::vec::Vec;
use papr_abi::Irq;

pub(crate) struct AllSources;
pub(crate) static SOURCES: AllSources = AllSources;
impl Sources for AllSources {
    fn set_target(&self, _: Irq, _: u32, _: u8) -> Result<(), Failed> { Err(Failed) }
    fn reset(&self, _: Irq) {}
    fn eoi(&self, _: Irq) {}
    fn exists(&self, _: Irq) -> bool { false }
}
pub(crate) struct Foreign;
pub(crate) static FOREIGN: Foreign = Foreign;
impl ForeignIrq for Foreign {
    fn handle(&self, irq: Irq, pir: u32) { log::warn!("interrupt {:#x} at {pir:#x} is nobody's", irq.0); }
}
pub(crate) struct Owned { pub(crate) mmio: Vec<MmioRange>, pub(crate) functions: Vec<PciFunction> }
pub(crate) fn assign(_: u32, _: &Image<'_>) -> Owned { Owned { mmio: Vec::new(), functions: Vec::new() } }
pub(crate) fn report() {}
pub(crate) fn quiesce(_: &Lpar) {}
