//! The interrupt sources of all bridges.

use crate::devices::bridges;
use crate::host::HostPort;
use ioda::IrqBackend;
use lpar::machine::{Failed, ForeignIrq, Sources};
use papr_abi::Irq;

/// The sources of all bridges.
#[derive(Debug)]
pub(crate) struct AllSources;

/// The machine's.
pub(crate) static SOURCES: AllSources = AllSources;

#[inline]
fn port_of(irq: Irq) -> Option<&'static HostPort> {
    bridges()
        .iter()
        .map(|bridge| bridge.port)
        .find(|port| port.irqs().contains(&irq.0))
}

impl Sources for AllSources {
    fn set_target(&self, irq: Irq, pir: u32, priority: u8) -> Result<(), Failed> {
        port_of(irq)
            .ok_or(Failed)?
            .set_target(ioda::Irq(irq.0), pir, priority);
        Ok(())
    }
    fn reset(&self, irq: Irq) {
        if let Some(port) = port_of(irq) {
            port.reset(ioda::Irq(irq.0));
        }
    }
    #[inline]
    fn eoi(&self, irq: Irq) {
        if let Some(port) = port_of(irq) {
            port.eoi(ioda::Irq(irq.0));
        }
    }
    fn exists(&self, irq: Irq) -> bool {
        port_of(irq).is_some()
    }
}

/// Interrupts that are no partition's.
#[derive(Debug)]
pub(crate) struct Strays;

/// The machine's.
pub(crate) static FOREIGN: Strays = Strays;

impl ForeignIrq for Strays {
    fn handle(&self, irq: Irq, pir: u32) {
        log::warn!(
            "interrupt {:#x} at thread {pir:#x} is no partition's: it is masked",
            irq.0
        );
        let _ = SOURCES.set_target(irq, pir, 0xff);
        SOURCES.eoi(irq);
    }
}
