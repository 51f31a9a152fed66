//! The machine's PHB3s, as they are.

use crate::bridge::{StartError, start_phb3};
use ioda::{Bdf, Caps, Ioda, IrqBackend, MsiBlock, PhbId};
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
