//! Addresses and numbers that must not be mixed up, each a type of its own.

/// A real (physical) address of the machine, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RealAddr(pub u64);

/// A logical real address: where a partition believes its memory or MMIO to be, in bytes.
#[doc(alias = "logical real address")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestRealAddr(pub u64);

/// An address on a DMA window's I/O bus, in bytes.
#[doc(alias = "IOBA")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IoAddr(pub u64);

/// A logical I/O bus number: names one DMA window of one partition.
#[doc(alias = "LIOBN")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Liobn(pub u32);

/// An index into a hashed page table: PTEG number times eight plus the slot in the group.
#[doc(alias = "PTEX")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PteIndex(pub u64);

/// An interrupt server of a partition: the number of a virtual processor, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Server(pub u32);

/// An interrupt source number, 24 bits; 0 is none and 2 is the inter-processor interrupt.
#[doc(alias = "XISR")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Irq(pub u32);

impl Irq {
    /// The source number of an inter-processor interrupt, raised by MFRR.
    pub const IPI: Irq = Irq(2);
}
