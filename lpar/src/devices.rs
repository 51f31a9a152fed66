//! What a partition has of the machine's devices: [`Devices`]. It is fixed while the partition runs, and changes only when a
//! function goes to another partition, both being off: [`Devices::remove`], [`Devices::insert`].

use crate::GuestRam;
use crate::dma::{DmaError, DmaWindow, DmaWindows};
use crate::icp::SoftXics;
use crate::mmio::Mmio;
use crate::pci::PciFunction;
use crate::xics::{IrqBlock, Xics};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A partition's functions, and what it reaches them by.
#[derive(Debug)]
pub struct Devices {
    /// Its PCI functions.
    pub pci: Vec<Arc<PciFunction>>,
    /// Its device memory.
    pub mmio: Mmio,
    /// Its DMA windows.
    pub dma: DmaWindows,
    /// Its interrupt sources.
    pub xics: Xics,
    /// What presents interrupts to its processors, when these have no threads of their own; else, what keeps
    /// its virtual ones.
    pub soft_xics: SoftXics,
    /// Its sources that no bridge has, and for how many processors interrupts are presented in software.
    virtual_irqs: IrqBlock,
    units: usize,
}

/// A function that is nobody's now, with its window, which is closed.
#[derive(Debug)]
pub struct Removed {
    function: Arc<PciFunction>,
    window: DmaWindow,
}

impl Devices {
    pub(crate) fn new(
        pci: Vec<Arc<PciFunction>>,
        mmio: Mmio,
        dma: DmaWindows,
        virtual_irqs: IrqBlock,
        units: usize,
    ) -> Self {
        let (xics, soft_xics) = interrupts(&pci, virtual_irqs, units);
        Self {
            pci,
            mmio,
            dma,
            xics,
            soft_xics,
            virtual_irqs,
            units,
        }
    }

    /// Takes the function at `location` away, with its window, closed, and its interrupts; `registers` are what is left.
    /// Nothing that was set up of interrupts stays. `None` if there is no such function.
    pub fn remove(&mut self, location: &str, registers: Mmio) -> Option<Removed> {
        let index = self.pci.iter().position(|f| f.location == location)?;
        let window = self.dma.remove(self.pci.get(index)?.liobn)?;
        let function = self.pci.remove(index);
        self.mmio = registers;
        self.renew_interrupts();
        Some(Removed { function, window })
    }

    /// Adds a function to those of the partition with memory `ram`; `registers` are all it has then. Nothing that was set up
    /// of interrupts stays.
    ///
    /// # Errors
    /// [`DmaError`]; nothing is changed then, and the function is lost.
    pub fn insert(
        &mut self,
        removed: Removed,
        registers: Mmio,
        ram: &GuestRam,
    ) -> Result<(), DmaError> {
        let Removed { function, window } = removed;
        self.dma.insert(window, ram)?;
        self.pci.push(function);
        self.mmio = registers;
        self.renew_interrupts();
        Ok(())
    }

    fn renew_interrupts(&mut self) {
        (self.xics, self.soft_xics) = interrupts(&self.pci, self.virtual_irqs, self.units);
    }
}

#[inline(never)]
fn interrupts(pci: &[Arc<PciFunction>], virtual_irqs: IrqBlock, units: usize) -> (Xics, SoftXics) {
    let mut blocks = Vec::new();
    for function in pci {
        blocks.extend(function.lsi_block());
        blocks.push(function.msi_block());
    }
    blocks.push(virtual_irqs);
    let xics = Xics::new(&blocks);
    let soft_xics = SoftXics::new(units, xics.sources().map(|(irq, _)| irq));
    (xics, soft_xics)
}

#[cfg(test)]
mod tests;
