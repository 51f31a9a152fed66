//! The machine out of its device tree: [`MachineInfo`], with memory and what the loader left in it.

use arrayvec::ArrayVec;

use crate::blob;
use crate::chip::{Chip, Chips, Lpc, MAX_CHIPS, MAX_PHBS, Phb};
use crate::cpu::{self, Core, CpuModel, MAX_CORES, Thread};
use crate::error::TreeError;
use crate::node::{CellSizes, Node};

const MAX_MEMORY: usize = 64;
const MAX_RESERVED: usize = 32;
/// POWER8 forms 50-bit real addresses.
const REAL_ADDRESS_END: u64 = 1 << 50;
/// Memory comes in pages of 64 KiB at least.
const MEMORY_GRANULE: u64 = 0x1_0000;

/// A range of real addresses that is not empty and ends inside the real address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealRange {
    /// First real address.
    pub base: u64,
    /// Length in bytes; not zero.
    pub size: u64,
}

impl RealRange {
    /// The range, unless it is empty or leaves the 50 bits of real address space.
    pub fn new(base: u64, size: u64) -> Option<Self> {
        let end = base.checked_add(size)?;
        (size > 0 && end <= REAL_ADDRESS_END).then_some(Self { base, size })
    }

    /// The real address past the last one.
    pub fn end(&self) -> u64 {
        // `new` has seen that it does not overflow; the fields are public, so saturate all the same.
        self.base.saturating_add(self.size)
    }

    /// Whether the two have an address in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.base < other.end() && other.base < self.end()
    }

    /// Whether all of `other` is inside.
    pub fn contains(&self, other: &Self) -> bool {
        self.base <= other.base && other.end() <= self.end()
    }
}

/// Memory of one chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryRange {
    /// Where it is.
    pub range: RealRange,
    /// Chip that it is attached to.
    pub chip: u32,
}

/// What the device tree says about the machine, checked.
///
/// Some fields borrow from the tree (`'t`), which has to stay where it is as long as this is used. The structure is
/// below 13 KiB: keep it in a static or a box, not on a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineInfo<'t> {
    /// `model` of the root node; for the banner.
    pub model: &'t str,
    /// Whether the tree bears QEMU's mark. For the banner alone: what a machine can do is found out feature by feature.
    pub qemu: bool,
    /// What all processors have in common.
    pub cpu: CpuModel<'t>,
    /// Usable cores by rising PIR; at least one.
    pub cores: ArrayVec<Core, MAX_CORES>,
    /// Memory by rising address, without overlap; starts at 0.
    pub memory: ArrayVec<MemoryRange, MAX_MEMORY>,
    /// Chips by rising id; at least one.
    pub chips: ArrayVec<Chip, MAX_CHIPS>,
    /// Host bridges by rising chip and index.
    pub phbs: ArrayVec<Phb, MAX_PHBS>,
    /// The LPC bus that the machine's own devices are on.
    pub lpc: Option<Lpc>,
    /// Where the loader put its second image (`linux,initrd-start` and `-end` in `/chosen`); inside `memory`.
    pub initrd: Option<RealRange>,
    /// `bootargs` in `/chosen`; empty if there are none.
    pub bootargs: &'t str,
    /// Memory that is not ours to use, from the tree's reservation block and `/reserved-memory`. The tree itself and the
    /// initrd are not among them.
    pub reserved: ArrayVec<RealRange, MAX_RESERVED>,
}

impl<'t> MachineInfo<'t> {
    /// Reads the flattened device tree at the start of `blob`; bytes after it are not looked at.
    ///
    /// # Errors
    /// [`TreeError`] for the first thing found that is missing, malformed, impossible, or more than is kept account of.
    /// Unknown nodes and properties are passed over.
    pub fn from_fdt(blob: &'t [u8]) -> Result<Self, TreeError> {
        let (root, tree) = Node::root(blob)?;
        let cells = root.child_cells()?;
        let cpus = root
            .child("cpus", "cpus")?
            .ok_or(TreeError::NoNode("/cpus"))?;
        let (mut cores, cpu) = cpu::read_cores(&cpus)?;
        let mut memory = ArrayVec::new();
        let mut chips = Chips::default();
        let mut reserved = ArrayVec::new();
        for entry in blob::reservations(tree) {
            let (base, size) = entry?;
            reserve(&mut reserved, base, size)?;
        }
        for node in root.children()? {
            let node = node?;
            if node.text("device_type")? == Some("memory") {
                read_memory(&node.called("memory"), cells, &mut memory)?;
            } else if node.is("IBM,ppc-xicp")? {
                cpu::read_icp(&node.called("interrupt presentation"), cells, &mut cores)?;
            } else if node.is("ibm,power8-xscom")? {
                chips.add(&node.called("xscom"), cells)?;
            }
        }
        if let Some(node) = root.child("reserved-memory", "reserved-memory")? {
            read_reserved(&node, &mut reserved)?;
        }
        memory.sort_unstable_by_key(|memory: &MemoryRange| memory.range.base);
        chips.chips.sort_unstable_by_key(|chip| chip.id);
        chips.phbs.sort_unstable_by_key(|phb| (phb.chip, phb.index));
        let chosen = root.child("chosen", "chosen")?;
        let machine = Self {
            model: root.text("model")?.unwrap_or("unnamed"),
            qemu: root.child("qemu", "qemu")?.is_some(),
            cpu,
            cores,
            memory,
            chips: chips.chips,
            phbs: chips.phbs,
            lpc: chips.lpc,
            initrd: chosen.as_ref().map(read_initrd).transpose()?.flatten(),
            bootargs: chosen
                .map(|node| node.text("bootargs"))
                .transpose()?
                .flatten()
                .unwrap_or(""),
            reserved,
        };
        machine.check()?;
        Ok(machine)
    }

    /// All usable threads by rising PIR.
    pub fn threads(&self) -> impl Iterator<Item = &Thread> + Clone {
        self.cores.iter().flat_map(|core| &core.threads)
    }

    /// Real address of the registers of the presentation controller of the thread `pir`, for [`crate::Icp::new`].
    pub fn icp(&self, pir: u32) -> Option<u64> {
        self.threads()
            .find(|thread| thread.pir == pir)
            .map(|thread| thread.icp)
    }

    /// The chip of that id.
    pub fn chip(&self, id: u32) -> Option<&Chip> {
        self.chips.iter().find(|chip| chip.id == id)
    }

    /// Bytes of memory, all ranges together.
    pub fn memory_bytes(&self) -> u64 {
        self.memory
            .iter()
            .fold(0, |sum, memory| sum.saturating_add(memory.range.size))
    }

    /// What must hold between nodes.
    fn check(&self) -> Result<(), TreeError> {
        let first = self.memory.first().ok_or(TreeError::NoNode("memory"))?;
        // The firmware and its vectors were loaded there.
        if first.range.base != 0 {
            return Err(TreeError::NoNode("memory at address 0"));
        }
        if self.chips.is_empty() {
            return Err(TreeError::NoNode("XSCOM of a POWER8 chip"));
        }
        let windows = self.chips.iter().map(|chip| chip.xscom);
        let icps = self.threads().map(|thread| RealRange {
            base: thread.icp,
            size: 0x1000,
        });
        if icps.clone().any(|icp| icp.base == 0) {
            return Err(TreeError::NoNode("interrupt presentation for a thread"));
        }
        check_overlaps("memory", self.memory.iter().map(|memory| memory.range))?;
        check_overlaps("XSCOM windows", windows.clone())?;
        check_overlaps("interrupt presentation pages", icps.clone())?;
        for device in windows.chain(icps) {
            if let Some(memory) = self
                .memory
                .iter()
                .find(|memory| memory.range.overlaps(&device))
            {
                let (first, second) = (memory.range.base, device.base);
                return Err(TreeError::Overlap {
                    what: "memory and registers",
                    first,
                    second,
                });
            }
            if device.end() > REAL_ADDRESS_END {
                return Err(TreeError::Absurd {
                    node: "registers",
                    property: "reg",
                    value: device.base,
                });
            }
        }
        let chips = self
            .cores
            .iter()
            .map(|core| core.chip)
            .chain(self.memory.iter().map(|memory| memory.chip));
        for chip in chips {
            if self.chip(chip).is_none() {
                return Err(TreeError::Absurd {
                    node: "cpu or memory",
                    property: "ibm,chip-id",
                    value: chip.into(),
                });
            }
        }
        match self.initrd {
            Some(initrd)
                if !self
                    .memory
                    .iter()
                    .any(|memory| memory.range.contains(&initrd)) =>
            {
                Err(TreeError::Absurd {
                    node: "chosen",
                    property: "linux,initrd-start",
                    value: initrd.base,
                })
            }
            _ => Ok(()),
        }
    }
}

/// Refuses ranges that overlap.
fn check_overlaps(
    what: &'static str,
    ranges: impl Iterator<Item = RealRange> + Clone,
) -> Result<(), TreeError> {
    let mut rest = ranges.clone();
    for range in ranges {
        rest.next();
        if let Some(other) = rest.clone().find(|other| other.overlaps(&range)) {
            return Err(TreeError::Overlap {
                what,
                first: range.base,
                second: other.base,
            });
        }
    }
    Ok(())
}

fn read_memory(
    node: &Node<'_>,
    cells: CellSizes,
    memory: &mut ArrayVec<MemoryRange, MAX_MEMORY>,
) -> Result<(), TreeError> {
    if !node.usable()? {
        return Ok(());
    }
    let chip = node.need_cell("ibm,chip-id")?;
    for entry in node.reg(cells)? {
        let (base, size) = entry?;
        let range = RealRange::new(base, size).ok_or_else(|| node.absurd("reg", base))?;
        if !base.is_multiple_of(MEMORY_GRANULE) || !size.is_multiple_of(MEMORY_GRANULE) {
            return Err(node.absurd("reg", base));
        }
        memory
            .try_push(MemoryRange { range, chip })
            .map_err(|_| TreeError::TooMany("memory ranges"))?;
    }
    Ok(())
}

/// The children of `/reserved-memory` that say where they are; those that leave the choice to us need no memory yet.
fn read_reserved(
    node: &Node<'_>,
    reserved: &mut ArrayVec<RealRange, MAX_RESERVED>,
) -> Result<(), TreeError> {
    let cells = node.child_cells()?;
    for child in node.children()? {
        let child = child?.called("reserved memory");
        if child.raw("reg")?.is_some() {
            for entry in child.reg(cells)? {
                let (base, size) = entry?;
                reserve(reserved, base, size)?;
            }
        }
    }
    Ok(())
}

fn reserve(
    reserved: &mut ArrayVec<RealRange, MAX_RESERVED>,
    base: u64,
    size: u64,
) -> Result<(), TreeError> {
    if size == 0 {
        return Ok(());
    }
    let absurd = TreeError::Absurd {
        node: "memory reservation",
        property: "range",
        value: base,
    };
    let range = RealRange::new(base, size).ok_or(absurd)?;
    reserved
        .try_push(range)
        .map_err(|_| TreeError::TooMany("memory reservations"))
}

fn read_initrd(chosen: &Node<'_>) -> Result<Option<RealRange>, TreeError> {
    const START: &str = "linux,initrd-start";
    const END: &str = "linux,initrd-end";
    match (chosen.address(START)?, chosen.address(END)?) {
        (None, None) => Ok(None),
        (Some(start), Some(end)) => {
            let range = end
                .checked_sub(start)
                .and_then(|size| RealRange::new(start, size));
            range.map(Some).ok_or_else(|| chosen.absurd(START, start))
        }
        (None, _) => Err(TreeError::Missing {
            node: "chosen",
            property: START,
        }),
        (_, None) => Err(TreeError::Missing {
            node: "chosen",
            property: END,
        }),
    }
}

#[cfg(test)]
mod tests;
