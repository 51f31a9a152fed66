//! What is known of a function: [`Function`] and its parts.

use crate::Path;
use crate::caps::CapSet;
use core::fmt;
use ioda::{Bdf, CfgOffset, RidSel};

/// What kind of address space a BAR is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// I/O ports. No bridge of these machines has them: such a BAR is never given a place.
    Io,
    /// Memory below 4 GiB.
    Mem32,
    /// Memory anywhere, reads having side effects.
    Mem64,
    /// Memory anywhere, prefetchable.
    Mem64Prefetch,
}

/// A base address register that the device implements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its address space.
    pub kind: BarKind,
    /// Its bytes, a power of two.
    pub bytes: u64,
    /// The low bits that the device has hard-wired.
    pub flags: u32,
}

/// A message interrupt capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsiCap {
    /// Where it is.
    pub at: CfgOffset,
    /// How many messages the function can send, 1 to 32.
    pub vectors: u16,
    /// Whether addresses of 64 bits can be set.
    pub has_64bit: bool,
    /// Whether it has mask bits.
    pub has_mask: bool,
}

/// Where an MSI-X table (or its pending bits) lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsixTable {
    /// The BAR.
    pub bar: u8,
    /// Offset in it, a multiple of 8.
    pub offset: u32,
}

/// An MSI-X capability whose table lies inside one of the function's BARs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsixCap {
    /// Where it is.
    pub at: CfgOffset,
    /// Entries of the table, 1 to 2048.
    pub vectors: u16,
    /// Where the table is.
    pub table: MsixTable,
}

/// What stands between a bridge's two buses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BridgePort {
    /// A PCI Express root port or switch port down: one device below it.
    Down,
    /// A PCI Express switch's port up: its ports down are the devices below it.
    Up,
    /// A bridge to conventional PCI, or from it: it takes ownership of what comes from below, so that all
    /// functions there look like one requester.
    Conventional,
}

/// What a function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A device.
    Endpoint,
    /// A bridge to buses `secondary` to `subordinate`. Always the hypervisor's.
    Bridge {
        /// What stands between its buses.
        port: BridgePort,
        /// The bus right below.
        secondary: u8,
        /// The last bus below.
        subordinate: u8,
    },
}

/// Which other functions cannot be told from this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// It sends under its own requester id.
    Alone,
    /// It is behind a bridge to conventional PCI: everything on buses `first` to `last` is one requester
    /// to the host, so one endpoint and one owner.
    Behind {
        /// The bus right below that bridge.
        first: u8,
        /// The last one.
        last: u8,
    },
}

/// A function found on a bridge.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its number on this boot.
    pub bdf: Bdf,
    /// Its place, which stays.
    pub path: Path,
    /// Index of the bridge above it in its topology; `None` for the root port.
    pub parent: Option<usize>,
    /// Vendor id.
    pub vendor: u16,
    /// Device id.
    pub device: u16,
    /// Subsystem vendor and device id; zero for a bridge.
    pub subsystem: (u16, u16),
    /// Class, subclass and programming interface: 24 bits.
    pub class: u32,
    /// Revision.
    pub revision: u8,
    /// What it is for.
    pub role: Role,
    /// Who it cannot be told from.
    pub isolation: Isolation,
    /// Its base address registers.
    pub bars: [Option<Bar>; 6],
    /// The INTx wire it pulls: 0 for INTA.
    pub intx: Option<u8>,
    /// Message interrupts.
    pub msi: Option<MsiCap>,
    /// MSI-X.
    pub msix: Option<MsixCap>,
    /// Whether it can be reset by itself.
    pub has_flr: bool,
    pub(crate) caps: CapSet,
}

impl Function {
    /// The requesters that its endpoint has.
    #[must_use]
    pub const fn rids(&self) -> RidSel {
        RidSel::one(self.bdf)
    }

    /// Whether it is a device, which can be given to a partition.
    #[must_use]
    pub const fn is_endpoint(&self) -> bool {
        matches!(self.role, Role::Endpoint)
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:04x}:{:04x}", self.path, self.vendor, self.device)
    }
}
