//! The PHB3: [`Phb3`]. `codec` has its tables, `messages` its interrupts, `regs` its registers.

mod codec;
mod messages;
mod params;
mod regs;

use crate::Fabric;
use crate::bits::bit;
use crate::engine::cache::RidCache;
use crate::engine::{Bridge, State};
use crate::fabric::RootQuirks;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use ioda::Rid;
use messages::{Ambush, Entries};

/// Which machine the bridge is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The chip: its logic starts held in reset, links train after PERST, timers keep what they are given.
    Chip,
    /// QEMU's `powernv8`: none of that.
    Emulator,
}

/// What only this chip has.
pub struct Phb3Chip {
    kind: Kind,
    irq_base: u32,
    /// XSCOM registers: of the PowerBus side, of the PCI side. Only what there is.
    nest: BTreeMap<u32, u64>,
    pci: BTreeMap<u32, u64>,
    asb_address: u16,
    asb_was_read: bool,
    rids: RidCache,
    entries: Entries,
    ffi_locked: bool,
    sync_polls: u32,
    busy_looks: u32,
    nfir: u64,
    /// Done when the driver next updates the interrupt cache, before the update counts.
    ambush: Vec<Ambush>,
}

/// A PHB3 with a fabric below it.
pub type Phb3 = Bridge<Phb3Chip>;

impl Phb3 {
    /// Real address of the 64-bit area, 64 GiB.
    pub const MMIO0: u64 = 0x3_d000_0000_0000;
    /// Real address of the 32-bit window, 2 GiB.
    pub const MMIO1: u64 = 0x3_ff80_0000_0000;
    /// Real address of the registers.
    pub const REGISTERS: u64 = 0x3_fffe_4000_0000;

    /// Bridge 0 of chip 0 in a machine of this kind, with `fabric` below it.
    #[must_use]
    pub fn new(kind: Kind, mut fabric: Fabric) -> Self {
        let is_chip = kind == Kind::Chip;
        fabric.set_quirks(RootQuirks {
            closed_is_open: is_chip,
            loses_prefetch: is_chip,
        });
        let nest = [
            (0x40, Self::MMIO0 << 14),
            (0x41, Self::MMIO1 << 14),
            (0x42, Self::REGISTERS << 14),
            (0x43, 0x3_fff0_0000_0000 << 14),
            (0x44, 0x3_ffff_8000_0000 << 14),
        ];
        let held = if is_chip { bit(0) } else { 0 };
        let chip = Phb3Chip {
            kind,
            irq_base: 0x800,
            nest: nest.into_iter().collect(),
            pci: [(0x0a, held)].into_iter().collect(),
            asb_address: 0,
            asb_was_read: false,
            rids: RidCache::new(),
            entries: Entries::new(),
            ffi_locked: false,
            sync_polls: 0,
            busy_looks: 0,
            nfir: 0,
            ambush: Vec::new(),
        };
        let this = Self::of(chip, fabric);
        if !is_chip {
            this.state.lock().link.layer_looks = 0;
        }
        this
    }

    /// The machine wants the bridge's interrupts numbered from `base` on, in place of 0x800.
    pub fn number_interrupts(&self, base: u32) {
        self.state.lock().chip.irq_base = base;
    }

    /// The bridge drops its copy of interrupt `msi`, as it does when it needs the room.
    pub fn evict(&self, msi: u16) {
        self.state.lock().chip.entries.remove(msi);
    }

    /// When the driver next updates the interrupt cache, just before that the bridge drops its copy of interrupt
    /// `msi` and takes this message.
    pub fn ambush(&self, msi: u16, rid: Rid, address: u64, data: u32) {
        self.state.lock().chip.ambush =
            alloc::vec![Ambush::Evict(msi), Ambush::Message(rid, address, data)];
    }

    /// The PowerBus side latches errors: of the classes that end the bridge (0x018000f800000000) or shut it off
    /// (0x7e7dc70000000000), or others.
    pub fn latch_nest(&self, errors: u64) {
        self.state.lock().chip.nfir |= errors;
    }
}

impl State<Phb3Chip> {
    fn is_fenced(&self) -> bool {
        self.chip.nfir & bit(16) != 0
    }

    fn is_held(&self) -> bool {
        self.chip
            .pci
            .get(&0x0a)
            .is_some_and(|reset| reset & bit(0) != 0)
    }

    /// Holding the logic in reset loses all that is on the chip.
    fn hold(&mut self) {
        self.chip.rids.clear();
        self.chip.entries.clear();
        self.chip.ffi_locked = false;
        self.chip.busy_looks = 2;
        self.lose();
    }
}
