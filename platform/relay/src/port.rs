//! The shared half of the bridge: [`RelayPort`].

use crate::{Relay, RelayRegs};
use core::ops::Range;
use ioda::{
    DmaWindow, Irq, IrqBackend, IrqKind, M32Caps, RegIo, ResetError, TceFlush, TceRange, XscomIo,
};

/// What all threads use of the P7IOC without a lock of the bridge: its driver's port, and the real bridge's own end of
/// an interrupt, which the P7IOC has not.
pub struct RelayPort<R: 'static, X: 'static> {
    relay: &'static Relay<R, X>,
    port: &'static p7ioc::Port<RelayRegs<R, X>>,
    m32: M32Caps,
}

impl<R: RegIo + Sync + Send, X: XscomIo + Send> RelayPort<R, X> {
    /// The port of the P7IOC's driver over `relay`; `m32` is the bridge's 32-bit window.
    #[must_use]
    pub const fn new(
        relay: &'static Relay<R, X>,
        port: &'static p7ioc::Port<RelayRegs<R, X>>,
        m32: M32Caps,
    ) -> Self {
        Self { relay, port, m32 }
    }

    /// The 32-bit window.
    #[must_use]
    pub const fn m32(&self) -> M32Caps {
        self.m32
    }

    /// What is between the P7IOC and the real bridge.
    #[must_use]
    pub const fn relay(&self) -> &'static Relay<R, X> {
        self.relay
    }
}

impl<R: RegIo + Sync + Send, X: XscomIo + Send> IrqBackend for RelayPort<R, X> {
    fn irqs(&self) -> Range<u32> {
        self.port.irqs()
    }
    fn kind(&self, irq: Irq) -> Option<IrqKind> {
        self.port.kind(irq)
    }
    fn set_target(&self, irq: Irq, server: u32, priority: u8) {
        self.port.set_target(irq, server, priority);
    }
    fn reset(&self, irq: Irq) {
        self.port.reset(irq);
        if self.kind(irq) == Some(IrqKind::Msi) {
            self.relay.port.reset(irq);
        }
    }
    fn eoi(&self, irq: Irq) {
        if self.kind(irq) == Some(IrqKind::Msi) {
            self.relay.port.eoi(irq);
        }
    }
}

impl<R: RegIo + Sync + Send, X: XscomIo + Send> TceFlush for RelayPort<R, X> {
    fn tce_flush(&self, window: &DmaWindow, range: TceRange) {
        self.port.tce_flush(window, range);
    }
    fn tce_wait(&self) -> Result<(), ResetError> {
        self.port.tce_wait()?;
        self.relay.port.tce_wait()
    }
}
