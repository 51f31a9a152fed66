//! Where in a partition's memory RTAS, the tree and the initial ramdisk lie.

use super::BootFacts;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use papr_abi::GuestRealAddr;

/// Nothing that a kernel needs before its own memory management may lie above: Linux's early code
/// looks no further on any machine, 768 MiB.
pub const REAL_MODE_LIMIT: u64 = 768 << 20;

/// What everything is aligned to: the largest page that kernels give memory back in.
const ALIGN: u64 = 64 << 10;

/// Bytes of RTAS. LoPAR 2.9, "Resource Allocation and Use", wants it aligned to 4 KiB.
pub(super) const RTAS_BYTES: u64 = 4096;

/// Where things lie. All logical real addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// RTAS, and its entry.
    pub rtas: GuestRealAddr,
    /// The tree.
    pub fdt: GuestRealAddr,
    /// Bytes of the tree.
    pub fdt_bytes: u64,
    /// The initial ramdisk.
    pub initrd: Option<Range<u64>>,
}

/// The partition's memory is too small for what it is to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// Bytes that its kernel, ramdisk, tree and RTAS need, all in the real mode area.
    pub needed: u64,
    /// Bytes that it has there.
    pub available: u64,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "kernel, ramdisk and device tree need {} KiB, of which {} KiB are within reach",
            self.needed.div_ceil(1024),
            self.available / 1024
        )
    }
}

impl Layout {
    /// Places what `facts` names, and a tree of `fdt_bytes`, in a partition of `ram_bytes`: from the
    /// highest place within reach downwards, so that the kernel has all room above it to grow.
    ///
    /// # Errors
    /// [`NoRoom`]: something would reach down into the kernel.
    pub fn new(facts: &BootFacts<'_>, ram_bytes: u64, fdt_bytes: u64) -> Result<Self, NoRoom> {
        let available = ram_bytes.min(facts.rma_bytes).min(REAL_MODE_LIMIT);
        let sizes = [facts.initrd_bytes, fdt_bytes.max(1), RTAS_BYTES];
        let rounded = sizes.map(|bytes| bytes.div_ceil(ALIGN).saturating_mul(ALIGN));
        let no_room = NoRoom {
            needed: rounded
                .iter()
                .fold(facts.kernel_end, |sum, &bytes| sum.saturating_add(bytes)),
            available,
        };
        let mut top = available / ALIGN * ALIGN;
        let mut place = |bytes: u64| {
            let at = top.checked_sub(bytes).ok_or(no_room)?;
            if at < facts.kernel_end {
                return Err(no_room);
            }
            top = at;
            Ok(at)
        };
        let [initrd_room, fdt_room, rtas_room] = rounded;
        let initrd = place(initrd_room)?;
        Ok(Self {
            fdt: GuestRealAddr(place(fdt_room)?),
            fdt_bytes,
            rtas: GuestRealAddr(place(rtas_room)?),
            initrd: (facts.initrd_bytes > 0).then(|| initrd..initrd + facts.initrd_bytes),
        })
    }

    /// Returns what the tree reserves of memory.
    pub(super) fn reserved(&self) -> Vec<Range<u64>> {
        let rtas = self.rtas.0..self.rtas.0 + RTAS_BYTES;
        // Never empty, as an empty entry ends the list.
        let fdt = self.fdt.0..self.fdt.0 + self.fdt_bytes.max(1);
        [Some(rtas), Some(fdt), self.initrd.clone()]
            .into_iter()
            .flatten()
            .collect()
    }
}
