//! A partition's memory before it starts: kernel, initial ramdisk, RTAS entry code, device tree.

use crate::partition::RealMode;
use core::fmt;
use lpar::Lpar;
use lpar::load::{self, LoadError};
use lpar::tree::{self, BootFacts, CpuFacts, TreeError};
use papr_abi::GuestRealAddr;
use powernv::CpuModel;

/// What was put into a partition's memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    /// Where the kernel begins.
    pub(crate) entry: u64,
    /// Where the device tree is: the kernel's r3.
    pub(crate) tree: u64,
    /// Bytes of the device tree.
    pub(crate) tree_bytes: u64,
    /// Bytes copied from the bundle.
    pub(crate) copied: u64,
}

/// Why a partition's images cannot be placed.
#[derive(Debug)]
pub(crate) enum PlaceError {
    /// The kernel.
    Kernel(LoadError),
    /// What goes with it.
    Tree(TreeError),
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(error) => write!(f, "kernel: {error}"),
            Self::Tree(error) => write!(f, "memory: {error}"),
        }
    }
}

impl From<LoadError> for PlaceError {
    fn from(error: LoadError) -> Self {
        Self::Kernel(error)
    }
}

impl From<TreeError> for PlaceError {
    fn from(error: TreeError) -> Self {
        Self::Tree(error)
    }
}

/// Fills the scrubbed memory of `lpar` from `image`.
///
/// # Errors
/// [`PlaceError`].
pub(crate) fn place(
    lpar: &Lpar,
    image: &bundle::Partition<'_>,
    real_mode: RealMode,
    cpu: &CpuModel<'_>,
) -> Result<Placed, PlaceError> {
    let kernel = match image.kernel {
        bundle::Kernel::Elf(bytes) => load::elf(&lpar.ram, bytes)?,
        bundle::Kernel::Raw {
            image,
            load_address,
            entry,
        } => load::raw(&lpar.ram, image, load_address, entry)?,
    };
    let initrd = image.initrd.unwrap_or_default();
    let facts = BootFacts {
        bootargs: image.command_line,
        kernel_end: kernel.end,
        initrd_bytes: initrd.len() as u64,
        rma_bytes: real_mode.bytes,
        cpu: &CpuFacts::power8(cpu.pvr, cpu.timebase_hz, cpu.clock_hz.into()),
    };
    let layout = tree::prepare(lpar, &facts)?;
    if let Some(range) = &layout.initrd {
        lpar.ram
            .write(GuestRealAddr(range.start), initrd)
            .map_err(TreeError::from)?;
    }
    Ok(Placed {
        entry: kernel.entry,
        tree: layout.fdt.0,
        tree_bytes: layout.fdt_bytes,
        copied: kernel.copied + initrd.len() as u64,
    })
}
