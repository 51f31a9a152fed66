//! The flattened device tree that a partition's kernel is given, and where in its memory things lie
//! when it starts.
//!
//! A kernel is entered as by kexec: r3 points to the tree, there is no Open Firmware, so the tree also
//! says what a client would have negotiated with it (`ibm,architecture-vec-5`: hashed page table,
//! XICS) and where RTAS already is. [`prepare`] does all of it.
//!
//! Sources: LoPAR 2.9, "PA OF Binding" and "RTAS" properties; Open Firmware's PCI binding; what Linux
//! 6.1 reads (`arch/powerpc/kernel/prom.c`, `pci_of_scan.c`, `platforms/pseries`).

mod cpu;
mod layout;
mod nodes;
mod pci;
mod writer;

pub use cpu::{Cache, CpuFacts, POWER8_FEATURES};
pub use layout::{Layout, NoRoom, REAL_MODE_LIMIT};

use crate::{Lpar, OutsideRam};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use papr_abi::{GuestRealAddr, rtas};
use writer::Tree;

/// What [`prepare`] needs besides the partition.
#[derive(Clone, Copy, Debug)]
pub struct BootFacts<'a> {
    /// The kernel's command line.
    pub bootargs: &'a str,
    /// One past the kernel's last byte, what it clears included; all below is left to it.
    pub kernel_end: u64,
    /// Bytes of the initial ramdisk; 0 for none.
    pub initrd_bytes: u64,
    /// How much memory from 0 on the partition reaches in real mode, bytes.
    pub rma_bytes: u64,
    /// The processors.
    pub cpu: &'a CpuFacts,
}

/// Why a partition cannot be given a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// Its memory is too small.
    NoRoom(NoRoom),
    /// A PCI function needs more than the three windows that a host bridge can have: its location.
    TooManyWindows(String),
    /// The text for a property has a zero byte in it: the property.
    ZeroByte(&'static str),
    /// The tree has 4 GiB or more.
    TooLarge,
    /// What was placed lies outside the partition's memory.
    OutsideRam,
}

impl From<NoRoom> for TreeError {
    fn from(error: NoRoom) -> Self {
        Self::NoRoom(error)
    }
}

impl From<OutsideRam> for TreeError {
    fn from(OutsideRam: OutsideRam) -> Self {
        Self::OutsideRam
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom(error) => error.fmt(f),
            Self::TooManyWindows(location) => {
                write!(f, "{location} needs more than three windows")
            }
            Self::ZeroByte(property) => write!(f, "the text for {property} has a zero byte in it"),
            Self::TooLarge => f.write_str("its device tree is too large"),
            Self::OutsideRam => f.write_str("its memory is smaller than its real mode area"),
        }
    }
}

/// Places tree, RTAS and initial ramdisk in the partition's memory, and writes all but the ramdisk
/// there. The caller copies that to `Layout::initrd`, and enters the kernel with r3 = `Layout::fdt`.
///
/// # Errors
/// See [`TreeError`].
pub fn prepare(lpar: &Lpar, facts: &BootFacts<'_>) -> Result<Layout, TreeError> {
    // The size does not depend on what the addresses are.
    let draft = build(lpar, facts, &Layout::new(facts, lpar.ram.bytes(), 0)?)?;
    let layout = Layout::new(facts, lpar.ram.bytes(), draft.len() as u64)?;
    lpar.ram.write(layout.fdt, &build(lpar, facts, &layout)?)?;
    for (at, instruction) in (layout.rtas.0..).step_by(4).zip(rtas::ENTRY_CODE) {
        lpar.ram.store(GuestRealAddr(at), 4, instruction.into())?;
    }
    Ok(layout)
}

/// Makes the partition's tree.
///
/// # Errors
/// See [`TreeError`].
pub fn build(lpar: &Lpar, facts: &BootFacts<'_>, layout: &Layout) -> Result<Vec<u8>, TreeError> {
    let mut tree = Tree::new(&layout.reserved());
    nodes::root(&mut tree, lpar);
    nodes::chosen(&mut tree, lpar, facts, layout);
    nodes::memory(&mut tree, lpar, facts);
    tree.node("cpus", |tree| {
        tree.cell("#address-cells", 1);
        tree.cell("#size-cells", 0);
        for vcpu in &lpar.vcpus {
            cpu::node(tree, facts.cpu, vcpu.server, lpar);
        }
    });
    nodes::rtas(&mut tree, lpar, layout);
    nodes::interrupt_controller(&mut tree, lpar);
    nodes::vdevice(&mut tree, lpar);
    nodes::event_sources(&mut tree);
    nodes::random(&mut tree, lpar);
    for (domain, function) in (0..).zip(&lpar.pci) {
        pci::host_bridge(&mut tree, domain, function);
    }
    tree.finish()
}

#[cfg(test)]
mod tests;
