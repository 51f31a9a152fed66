//! What is needed of the machine's bridges: [`Bridge`], [`Bridges`].

use ioda::{Bdf, Ioda, IrqBackend, MmioIo, MsiBlock, MsiSource, TceFlush};
use pci::{Plan, Topology};

/// A bridge, exclusively.
pub trait HostBridge: Ioda + MsiSource {}

impl<T: Ioda + MsiSource> HostBridge for T {}

/// A host bridge of the machine, its functions found and placed.
pub trait Bridge: Sync + 'static {
    /// What all threads use of it without its lock.
    type Port: IrqBackend + TceFlush;

    /// Returns its index in the locations of functions.
    fn index(&self) -> u8;

    /// Returns what is behind it.
    fn topology(&self) -> &Topology;

    /// Returns where that lies.
    fn plan(&self) -> &Plan;

    /// Returns what needs no lock.
    fn port(&self) -> &'static Self::Port;

    /// Does `act` with the bridge locked, and unlocks it. `act` calls nothing that locks the bridge again.
    fn locked<T>(&self, act: impl FnOnce(&mut dyn HostBridge) -> T) -> T;

    /// Returns the way to registers of the devices behind it. It may be used while the bridge is locked.
    fn registers(&self) -> &dyn MmioIo;

    /// Returns what function `bdf` has to be given so that its messages arrive as those of `block`: that itself, unless
    /// something stands between the bridge and the function. `None` if they cannot arrive; the cause is logged then.
    fn message_block(&self, bdf: Bdf, block: MsiBlock) -> Option<MsiBlock>;
}

/// All bridges of the machine. A type of no size, so that calls find them without a pointer.
pub trait Bridges: Sync + 'static {
    /// One of them.
    type Bridge: Bridge;

    /// Returns all that work.
    fn all(&self) -> &'static [Self::Bridge];
}
