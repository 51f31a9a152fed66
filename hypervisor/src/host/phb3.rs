//! The machine's PHB3s, as they are.

use crate::bridge::{Bridge, StartError, start_phb3};
use core::fmt;
use ioda::{Bdf, Caps, DmaWindow, Ioda, IrqBackend, MsiBlock, PeNumber, Pest, PhbId};
use lpar::eeh::EehError;
use lpar::machine::DeviceMemory;
use phb3::{Bases, Numbering, Phb3, Port};
use realio::{DeviceRegisters, IO, Io, Registers, SideBand};

/// A bridge, exclusively.
pub(crate) type Host = Phb3<Registers, SideBand>;
/// What all threads use of it without a lock.
pub(crate) type HostPort = Port<Registers>;

/// Registers of devices, for partitions' calls.
pub(crate) static DEVICE_MEMORY: &dyn DeviceMemory = {
    static REAL: &Io = &IO;
    REAL
};
/// And for the image itself.
pub(crate) static DEVICE_REGISTERS: DeviceRegisters = DeviceRegisters;

/// Opens a bridge; it is not started yet.
pub(crate) fn open(
    _place: u8,
    id: PhbId,
    bases: Bases,
    side_band: SideBand,
) -> Result<(&'static HostPort, Host), StartError> {
    start_phb3(id, bases, side_band, Numbering::of(id))
}

/// What a plan may count on.
pub(crate) fn plan_caps(host: &Host) -> Caps {
    *host.caps()
}

/// Says where a bridge is.
pub(crate) fn report(place: u8, host: &Host, port: &HostPort) {
    let (id, layout) = (host.pbcq().id(), host.pbcq().layout());
    log::info!(
        "phb{place}: chip {} bridge {}, registers {:#x}, 32-bit window {:#x}+{:#x}, interrupts {:#x}..{:#x}",
        id.chip,
        id.index,
        layout.registers,
        layout.m32.real,
        layout.m32.bytes,
        port.irqs().start,
        port.irqs().end
    );
}

/// What a function has to be given for messages of `block` to arrive.
pub(crate) fn message_block(_port: &HostPort, _bdf: Bdf, block: MsiBlock) -> Option<MsiBlock> {
    Some(block)
}

/// There is no hub above these bridges.
pub(crate) const fn watch_hubs() {}

/// Has `bridge` shut itself off.
pub(crate) fn shut_off(bridge: &Bridge) -> Result<(), EehError> {
    bridge
        .host
        .lock()
        .shut_off()
        .map_err(|_| EehError::Hardware)
}

/// Why an endpoint is stopped.
pub(crate) fn why(host: &mut Host, pe: PeNumber) -> impl fmt::Display + use<> {
    Why(host.pest(pe).unwrap_or_default())
}

/// Why a bridge is off, or what it has met otherwise.
pub(crate) const fn why_off(_host: &mut Host) -> &'static str {
    "what its errors are is not told"
}

/// The bridge's note of the error that stopped an endpoint.
struct Why(Pest);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Pest::default() {
            return f.write_str("the bridge has noted nothing");
        }
        write!(f, "PESTA {:#018x}, PESTB {:#018x}", self.0.a, self.0.b)
    }
}

/// Injects an error into DMA through `window`. QEMU's PHB3 stops nothing for it, so none is: the caller stops the endpoint.
pub(crate) const fn make_error(_host: &mut Host, _window: &DmaWindow) -> bool {
    false
}
