//! What a partition's calls do to one of its PCI functions: configuration space, messages, the
//! translations that its bridge has cached.

use crate::bridge::Bridge;
use crate::host::{self, HostPort};
use ioda::{Ioda, MsiBlock, TceFlush, TceRange};
use lpar::machine::{Failed, TceInvalidate};
use lpar::pci::{ConfigError, MsiAddress, MsiKind, PciAccess};
use papr_abi::Irq;
use pci::GuestFunction;
use spin::Mutex;

/// The way of a partition's calls to one of its functions.
pub(crate) struct Access {
    bridge: &'static Bridge,
    state: Mutex<GuestFunction>,
    block: Option<MsiBlock>,
}

impl Access {
    /// The way to the function of `bridge` that `guest` filters; `block` are the messages it may have.
    pub(crate) fn new(
        bridge: &'static Bridge,
        guest: GuestFunction,
        block: Option<MsiBlock>,
    ) -> Self {
        Self {
            bridge,
            state: Mutex::new(guest),
            block,
        }
    }
}

fn config_error(refusal: pci::Refusal) -> ConfigError {
    match refusal {
        // The caller checked offset and width, so the function has no such register: all ones.
        pci::Refusal::Parameter => ConfigError::Absent,
        pci::Refusal::Busy | pci::Refusal::Hardware => ConfigError::Hardware,
    }
}

impl PciAccess for Access {
    fn read(&self, offset: u16, bytes: u8) -> Result<u32, ConfigError> {
        let mut state = self.state.lock();
        let mut host = self.bridge.host.lock();
        state
            .read(&mut *host, offset.into(), bytes.into())
            .map_err(config_error)
    }

    fn write(&self, offset: u16, bytes: u8, value: u32) -> Result<(), ConfigError> {
        let mut state = self.state.lock();
        let mut host = self.bridge.host.lock();
        state
            .write(&mut *host, offset.into(), bytes.into(), value)
            .map_err(config_error)
    }

    fn program_msi(
        &self,
        kind: MsiKind,
        address: MsiAddress,
        first: Irq,
        count: u32,
    ) -> Result<(), Failed> {
        let block = self
            .block
            .filter(|block| block.first.0 == first.0 && count <= u32::from(block.count));
        let mut block = block.ok_or(Failed)?;
        block.count = u16::try_from(count).map_err(|_| Failed)?;
        let mut state = self.state.lock();
        let block = host::message_block(self.bridge.port, state.bdf(), block).ok_or(Failed)?;
        let mut host = self.bridge.host.lock();
        let done = match kind {
            MsiKind::Msi => {
                let width = if address == MsiAddress::Bits32 {
                    pci::MsiKind::Msi32
                } else {
                    pci::MsiKind::Msi
                };
                state
                    .clear_msix(&mut *host)
                    .and_then(|()| state.set_msi(&mut *host, &block, width))
            }
            MsiKind::MsiX => state
                .clear_msi(&mut *host)
                .and_then(|()| state.set_msix(&mut *host, &host::DEVICE_REGISTERS, &[block])),
        };
        done.map_err(|error| log::warn!("{}: messages: {error}", state.bdf()))
            .map_err(|()| Failed)?;
        set_wire(&mut state, &mut *host, Wire::Off).map_err(|_| Failed)
    }

    fn release_msi(&self) {
        let mut state = self.state.lock();
        let mut host = self.bridge.host.lock();
        let done = state
            .clear_msi(&mut *host)
            .and_then(|()| state.clear_msix(&mut *host));
        if let Err(error) = done {
            log::warn!("{}: messages: {error}", state.bdf());
        }
        if let Err(error) = set_wire(&mut state, &mut *host, Wire::On) {
            log::warn!("{}: INTx: {error}", state.bdf());
        }
    }
}

/// Whether a function may pull its INTx wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    On,
    Off,
}

/// Lets the function pull its INTx wire, or not, as its owner could; nothing when the wire is another
/// function's.
fn set_wire(
    state: &mut GuestFunction,
    host: &mut dyn Ioda,
    wire: Wire,
) -> Result<(), pci::Refusal> {
    /// The command register, and its bit that keeps the wire quiet.
    const COMMAND: u32 = 4;
    const INTX_OFF: u32 = 1 << 10;
    let command = state.read(host, COMMAND, 2)?;
    let off = if wire == Wire::Off { INTX_OFF } else { 0 };
    state.write(host, COMMAND, 2, (command & !INTX_OFF) | off)
}

impl Access {
    /// Silences the function: no DMA, no message comes from it afterwards.
    pub(crate) fn silence(&self) {
        let mut state = self.state.lock();
        let mut host = self.bridge.host.lock();
        if let Err(error) = state.restart(&mut *host) {
            log::warn!("{}: {error}", state.bdf());
        }
    }
}

/// Invalidation of one window's cached translations.
pub(crate) struct Flush {
    port: &'static HostPort,
    window: ioda::DmaWindow,
}

impl Flush {
    /// Of `window` at the bridge of `port`.
    pub(crate) fn new(port: &'static HostPort, window: ioda::DmaWindow) -> Self {
        Self { port, window }
    }
}

impl TceInvalidate for Flush {
    #[inline]
    fn invalidate(&self, first: u64, pages: u64) {
        if pages == 1 {
            host::flush_page(self.port, &self.window, first);
            return;
        }
        self.invalidate_many(first, pages);
    }
}

impl Flush {
    #[cold]
    fn invalidate_many(&self, first: u64, pages: u64) {
        let first = first.wrapping_sub(self.window.bus_base) >> self.window.page_shift;
        self.port.tce_flush(
            &self.window,
            TceRange::Pages {
                first,
                count: pages,
            },
        );
    }
}
