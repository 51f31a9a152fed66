//! The interrupt sources of all bridges: [`AllSources`], [`Strays`].

use crate::{Bridge, Bridges};
use ioda::IrqBackend;
use lpar::machine::{Failed, ForeignIrq, Sources};
use papr_abi::Irq;

/// The sources of the bridges, for the calls of their owners.
#[derive(Clone, Copy, Debug)]
pub struct AllSources<T>(pub T);

impl<T: Bridges> AllSources<T> {
    /// The bridge whose numbers `irq` is among.
    #[inline]
    fn port(&self, irq: Irq) -> Option<&'static <T::Bridge as Bridge>::Port> {
        let mut ports = self.0.all().iter().map(Bridge::port);
        ports.find(|port| port.irqs().contains(&irq.0))
    }
}

impl<T: Bridges> Sources for AllSources<T> {
    fn set_target(&self, irq: Irq, pir: u32, priority: u8) -> Result<(), Failed> {
        let port = self.port(irq).ok_or(Failed)?;
        port.set_target(ioda::Irq(irq.0), pir, priority);
        Ok(())
    }

    fn reset(&self, irq: Irq) {
        if let Some(port) = self.port(irq) {
            port.reset(ioda::Irq(irq.0));
        }
    }

    #[inline]
    fn eoi(&self, irq: Irq) {
        if let Some(port) = self.port(irq) {
            port.eoi(ioda::Irq(irq.0));
        }
    }

    /// A bridge's numbers may have gaps, which are nobody's.
    fn exists(&self, irq: Irq) -> bool {
        let kind = |port: &<T::Bridge as Bridge>::Port| port.kind(ioda::Irq(irq.0));
        self.port(irq).and_then(kind).is_some()
    }
}

/// Interrupts that are no partition's: each is masked when it comes.
#[derive(Clone, Copy, Debug)]
pub struct Strays<T>(pub AllSources<T>);

impl<T: Bridges> ForeignIrq for Strays<T> {
    fn handle(&self, irq: Irq, pir: u32) {
        log::warn!(
            "interrupt {:#x} at thread {pir:#x} is no partition's: it is masked",
            irq.0
        );
        // One that no bridge has cannot be masked.
        let _ = self.0.set_target(irq, pir, 0xff);
        self.0.eoi(irq);
    }
}
