//! The PCI functions of a partition, as it sees them.
//!
//! Each function has a host bridge of its own, named by its [`Buid`], and is the only thing there: bus
//! 1, device 0, function 0 ([`CONFIG_ADDRESS`]), whatever its place in the machine is. So no partition
//! sees bridges or functions of others, and each function has a DMA window of its own.
//!
//! What reaches the function itself is behind [`PciAccess`], which the machine layer implements with
//! the filtering of configuration space. Here is the bookkeeping of its interrupts.

use crate::eeh::{Eeh, Recovery};
use crate::xics::{IrqBlock, Trigger};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use lock::Mutex;
use papr_abi::{Irq, Liobn, RealAddr};

/// A bus unit id: names one host bridge towards the partition. Not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Buid(pub u64);

/// Bus, device and function of every function below its own host bridge, as bits 8:31 of a
/// configuration address have them.
///
/// On bus 1, as Linux takes 0 for no endpoint and this is the PE configuration address too.
pub const CONFIG_ADDRESS: u32 = 1 << 16;

/// Kinds of message-signalled interrupts. The values are those of ibm,change-msi's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MsiKind {
    /// MSI: consecutive messages, a power of two of them, aligned to their number.
    Msi = 1,
    /// MSI-X: one table entry for each.
    MsiX = 2,
}

/// How wide the address that a function sends its messages to may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsiAddress {
    /// 32 bits, whatever the function could do.
    Bits32,
    /// As wide as the function can.
    Any,
}

/// An access to configuration space was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The function is not there now: reads give all ones, writes go nowhere.
    Absent,
    /// The machine failed.
    Hardware,
}

/// One function of the machine, for the one partition that owns it.
///
/// No method may wait for long, allocate, or call back. Accesses of several processors may come at
/// the same time.
pub trait PciAccess: Sync {
    /// Reads `bytes` (1, 2 or 4) of configuration space at `offset`, below 4096 and naturally
    /// aligned, as the partition may see it.
    ///
    /// # Errors
    /// See [`ConfigError`].
    fn read(&self, offset: u16, bytes: u8) -> Result<u32, ConfigError>;
    /// Writes the low `bytes` (1, 2 or 4) of `value` to configuration space at `offset`, below 4096
    /// and naturally aligned, as far as the partition may change it.
    ///
    /// # Errors
    /// See [`ConfigError`].
    fn write(&self, offset: u16, bytes: u8, value: u32) -> Result<(), ConfigError>;
    /// Programs the function to send interrupts `first` and the `count - 1` after it by `kind`, turns
    /// its other kinds of interrupts off, and lets it through at the bridge. Whether messages are
    /// enabled in the function stays the partition's to say.
    ///
    /// # Errors
    /// [`Failed`](crate::machine::Failed): the machine did not do it; the function then has none.
    fn program_msi(
        &self,
        kind: MsiKind,
        address: MsiAddress,
        first: Irq,
        count: u32,
    ) -> Result<(), crate::machine::Failed>;
    /// Turns all messages of the function off and its level-sensitive interrupt, if any, on.
    fn release_msi(&self);
}

/// What kind of function it is. Source: PCI Local Bus Specification 3.0, "Configuration Space".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct PciIds {
    pub vendor: u16,
    pub device: u16,
    /// Base class, sub-class and programming interface, 24 bits.
    pub class: u32,
    pub revision: u8,
    pub subsystem_vendor: u16,
    pub subsystem: u16,
}

/// Which addresses a base address register takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarSpace {
    /// Memory below 4 GiB.
    Memory32,
    /// Memory anywhere; the register is 64 bits wide.
    Memory64,
}

/// A base address register with its place, none of which ever changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciBar {
    /// Which register, 0 to 5.
    pub index: u8,
    /// Where it answers on the bus.
    pub bus: u64,
    /// Where a processor reaches it; the partition uses the same address.
    pub real: RealAddr,
    /// How much of it there is.
    pub bytes: u64,
    /// See [`BarSpace`].
    pub space: BarSpace,
    /// Whether it is prefetchable.
    pub prefetchable: bool,
}

/// What a [`PciFunction`] is made from.
pub struct PciFunctionConfig {
    /// The host bridge that the partition sees it below.
    pub buid: Buid,
    /// Its place in the machine, for people: `phb0/00.0/00.0`.
    pub location: String,
    /// What it is.
    pub ids: PciIds,
    /// Its registers that have a place.
    pub bars: Vec<PciBar>,
    /// Its level-sensitive interrupt, if it has one.
    pub lsi: Option<Irq>,
    /// The first of the message-signalled sources that are reserved for it.
    pub first_msi: Irq,
    /// How many are reserved.
    pub reserved_msis: u32,
    /// How many messages its MSI capability has; 0 without one.
    pub msi_capability: u32,
    /// How many entries its MSI-X table has; 0 without one.
    pub msix_capability: u32,
    /// Its DMA window.
    pub liobn: Liobn,
    /// First bus address of that window.
    pub window_start: u64,
    /// Bytes of that window.
    pub window_bytes: u64,
    /// The function itself.
    pub access: &'static dyn PciAccess,
    /// Its way back from errors; none if it cannot be reset without others.
    pub recovery: Option<Recovery>,
}

/// The messages that a function has been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Msis {
    /// Their kind.
    pub kind: MsiKind,
    /// How many; never 0.
    pub count: u32,
}

/// Why messages were not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsiError {
    /// The function has no such capability, or no source is reserved for it.
    Unsupported,
    /// The machine failed; the function has no messages now.
    Hardware,
}

/// A PCI function that a partition owns.
pub struct PciFunction {
    config: PciFunctionConfig,
    msis: Mutex<Option<Msis>>,
    pub(crate) eeh: Eeh,
}

impl fmt::Debug for PciFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PciFunction")
            .field(&self.config.location)
            .finish()
    }
}

impl core::ops::Deref for PciFunction {
    type Target = PciFunctionConfig;
    fn deref(&self) -> &PciFunctionConfig {
        &self.config
    }
}

impl PciFunction {
    /// Makes the function, without messages.
    #[must_use]
    pub const fn new(config: PciFunctionConfig) -> Self {
        Self {
            config,
            msis: Mutex::new(None),
            eeh: Eeh::new(),
        }
    }

    /// Returns the source of its wire, if it has one.
    pub(crate) fn lsi_block(&self) -> Option<IrqBlock> {
        self.config.lsi.map(|first| IrqBlock {
            first,
            count: 1,
            trigger: Trigger::Level,
        })
    }

    /// Returns the message interrupts that are reserved for it.
    pub(crate) fn msi_block(&self) -> IrqBlock {
        IrqBlock {
            first: self.config.first_msi,
            count: self.config.reserved_msis,
            trigger: Trigger::Edge,
        }
    }

    /// Returns the most messages of `kind` that it can be given; what `ibm,req#msi` and
    /// `ibm,req#msi-x` tell. 0 means that the kind is not supported.
    #[must_use]
    pub fn most(&self, kind: MsiKind) -> u32 {
        let reserved = self.config.reserved_msis;
        match kind {
            MsiKind::MsiX => self.config.msix_capability.min(reserved),
            // The function replaces the low bits of the first message's number, so as many as the
            // first number has zero bits there, and never more than the specification's 32.
            MsiKind::Msi => {
                let most = self.config.msi_capability.min(reserved).min(32);
                let aligned = 1 << self.config.first_msi.0.trailing_zeros().min(5);
                match most {
                    0 => 0,
                    _ => (1 << most.ilog2()).min(aligned),
                }
            }
        }
    }

    /// Returns the messages that it has now.
    #[must_use]
    pub fn msis(&self) -> Option<Msis> {
        *self.msis.lock()
    }

    /// Gives it messages of `kind`, `wanted` of them or as many as it can have, fewer if a power of
    /// two is needed; it loses those that it had. Of none there is no kind: then it just loses them.
    ///
    /// # Errors
    /// See [`MsiError`].
    pub fn give_msis(
        &self,
        kind: MsiKind,
        address: MsiAddress,
        wanted: u32,
    ) -> Result<(), MsiError> {
        let most = self.most(kind);
        let Some(log) = wanted.min(most).checked_ilog2() else {
            let any = [MsiKind::Msi, MsiKind::MsiX].map(|kind| self.most(kind));
            return if wanted == 0 && any != [0, 0] {
                self.take_msis();
                Ok(())
            } else {
                Err(MsiError::Unsupported)
            };
        };
        let count = match kind {
            MsiKind::MsiX => wanted.min(most),
            MsiKind::Msi => 1 << log,
        };
        let mut msis = self.msis.lock();
        *msis = None;
        let first = self.config.first_msi;
        let programmed = self.config.access.program_msi(kind, address, first, count);
        programmed.map_err(|_| MsiError::Hardware)?;
        *msis = Some(Msis { kind, count });
        Ok(())
    }

    /// Takes all its messages.
    pub fn take_msis(&self) {
        let mut msis = self.msis.lock();
        self.config.access.release_msi();
        *msis = None;
    }

    /// Returns its interrupt `index` as it is now: messages when it has any, else the
    /// level-sensitive one.
    #[must_use]
    pub fn irq(&self, index: u32) -> Option<(Irq, Trigger)> {
        match *self.msis.lock() {
            Some(msis) if index < msis.count => Some((self.msi_block().get(index)?, Trigger::Edge)),
            Some(_) => None,
            None if index == 0 => Some((self.config.lsi?, Trigger::Level)),
            None => None,
        }
    }

    /// Puts its messages back in the function's own table, which a reset has emptied; nothing if it has none there.
    pub(crate) fn restore_table(&self) {
        let mut msis = self.msis.lock();
        let Some(Msis {
            kind: kind @ MsiKind::MsiX,
            count,
        }) = *msis
        else {
            return;
        };
        let (access, first) = (self.config.access, self.config.first_msi);
        if access
            .program_msi(kind, MsiAddress::Any, first, count)
            .is_err()
        {
            *msis = None;
        }
    }

    /// Makes it as it was when the partition was built.
    pub(crate) fn reset(&self) {
        self.reset_eeh();
        self.take_msis();
    }
}
