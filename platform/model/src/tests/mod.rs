//! The model by itself: each chip set up by hand through its registers, each check provoked.
//!
//! [`Rig`] is a chip with windows and messages for two endpoints; what all chips must do is tried on every one.

pub(crate) mod checks;
pub(crate) mod fabric;
pub(crate) mod injection;
pub(crate) mod p7ioc;
pub(crate) mod phb3;
pub(crate) mod phb4;
mod rig7;
mod rig8;
mod rig9;
pub(crate) mod storm;

use crate::chip::Chip;
use crate::{Act, Bridge, Device, Fabric, Outcome, Posing, Refusal, SharedMemory};
use cases::prelude::*;
use ioda::{Bdf, BeU64, Freeze, PeNumber, Pest, Rid};

/// The fabric's indices of two devices of one function and of what is above them.
pub(crate) const UP: usize = 1;
pub(crate) const LEFT_PORT: usize = 2;
pub(crate) const LEFT: usize = 4;
pub(crate) const RIGHT: usize = 5;
pub(crate) const LEFT_BDF: Bdf = Bdf::new(3, 0, 0);
pub(crate) const RIGHT_BDF: Bdf = Bdf::new(4, 0, 0);
pub(crate) const PE_LEFT: u16 = 17;
pub(crate) const PE_RIGHT: u16 = 101;
/// Where the devices' BARs are: in segments 2 and 3 of a window of 8 MiB each.
pub(crate) const LEFT_SEGMENT: u64 = 2;
pub(crate) const RIGHT_SEGMENT: u64 = 3;

/// Real addresses of the tables of two DMA windows of 128 MiB.
pub(crate) const LEFT_TABLE: u64 = 0x20_0000;
pub(crate) const RIGHT_TABLE: u64 = 0x30_0000;
pub(crate) const TCES: usize = 0x8000;

pub(crate) const fn bit(n: u32) -> u64 {
    1 << (63 - n)
}

/// What tests ask of a model, whichever it is.
pub(crate) trait Model {
    fn act(&self, index: usize, act: Act) -> Outcome;
    fn act_as(&self, index: usize, rid: Rid, act: Act) -> Outcome;
    fn forge(&self, rid: Rid, act: Act) -> Outcome;
    fn load(&self, real: u64) -> Result<u32, Refusal>;
    fn store(&self, real: u64, value: u32) -> Result<(), Refusal>;
    fn complaints(&self) -> Vec<String>;
    fn deliveries(&self) -> usize;
    fn frozen(&self, pe: u16) -> Freeze;
    fn pest(&self, pe: u16) -> Pest;
    fn fence(&self);
    fn segment_pe(&self, real: u64) -> Option<PeNumber>;
    fn edit(&self, edit: &mut dyn FnMut(&mut Fabric));
}

impl<C: Chip> Model for Bridge<C> {
    fn act(&self, index: usize, act: Act) -> Outcome {
        self.play(index, Posing::Truly, act)
    }
    fn act_as(&self, index: usize, rid: Rid, act: Act) -> Outcome {
        self.play(index, Posing::As(rid), act)
    }
    fn forge(&self, rid: Rid, act: Act) -> Outcome {
        self.forged(rid, act)
    }
    fn load(&self, real: u64) -> Result<u32, Refusal> {
        self.load(real)
    }
    fn store(&self, real: u64, value: u32) -> Result<(), Refusal> {
        self.store(real, value)
    }
    fn complaints(&self) -> Vec<String> {
        self.complaints()
    }
    fn deliveries(&self) -> usize {
        self.deliveries().len()
    }
    fn frozen(&self, pe: u16) -> Freeze {
        self.freeze_state(PeNumber(pe))
    }
    fn pest(&self, pe: u16) -> Pest {
        self.pest(PeNumber(pe))
    }
    fn fence(&self) {
        self.fence();
    }
    fn segment_pe(&self, real: u64) -> Option<PeNumber> {
        self.segment_pe(real)
    }
    fn edit(&self, edit: &mut dyn FnMut(&mut Fabric)) {
        self.with_fabric(edit);
    }
}

/// A chip that was set up: left and right have an endpoint, a segment, a DMA window and a message each.
pub(crate) trait Rig {
    fn name(&self) -> &'static str;
    fn model(&self) -> &dyn Model;
    fn set(&self, at: u16, value: u64);
    fn get(&self, at: u16) -> u64;
    /// Writes an entry of a table on the chip.
    fn entry(&self, table: u64, index: u64, entry: [u64; 2]);
    /// Reads the first word of one.
    fn entry_of(&self, table: u64, index: u64) -> u64;
    /// A config access of four bytes, by the two steps.
    fn config(&self, bdf: Bdf, at: u64, value: Option<u32>) -> u32;
    /// The cells of the tables of both windows.
    fn tces(&self) -> [&'static [BeU64]; 2];
    /// The bus address where the windows start.
    fn bus(&self, pe: u16) -> u64;
    /// Where a message of the endpoint goes: address and data.
    fn message(&self, pe: u16) -> (u64, u32);
    /// Real address of a segment of the 32-bit window.
    fn segment(&self, segment: u64) -> u64;
    /// The 32-bit window's base in PCI.
    fn m32(&self) -> u64;
    /// The endpoint of what is nobody's.
    fn nobody(&self) -> u16;
    fn kill_all(&self);
    /// Makes an error of `parent` stop `child` too.
    fn link(&self, parent: u16, child: u16);
    /// Ends the interrupt of errors, where that is the bridge's to know.
    fn end_of_errors(&self) {}
    /// Loads four bytes.
    fn four(&self, at: u16);
    /// PESTA of a DMA outside all windows.
    fn no_window(&self) -> u64;
}

pub(crate) fn rigs() -> [Box<dyn Rig>; 3] {
    [
        Box::new(rig7::start()),
        Box::new(rig8::start()),
        Box::new(rig9::start()),
    ]
}

pub(crate) fn leak<T>(make: impl Fn() -> T, count: usize) -> &'static [T] {
    Box::leak((0..count).map(|_| make()).collect())
}

/// A root port, a switch with two ports down, a device below each.
pub(crate) fn fabric() -> Fabric {
    let mut fabric = Fabric::new(Device::bridge(0x1014, 0x03b9, 4));
    let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
    let port = || Device::bridge(0x104c, 0x8233, 6).with_acs();
    let left = fabric.add(up, 0, port());
    let right = fabric.add(up, 0x08, port());
    let device = || {
        Device::endpoint(0x1234, 0x11e8, 0x00ff00)
            .with_bar32(0, 1 << 20)
            .with_msi(0)
            .with_express(0, 0)
    };
    assert_eq!((up, left), (UP, LEFT_PORT));
    assert_eq!(fabric.add(left, 0, device()), LEFT);
    assert_eq!(fabric.add(right, 0, device()), RIGHT);
    fabric
}

/// Numbers buses and places both devices in their segments.
pub(crate) fn place(rig: &dyn Rig) {
    for (bdf, buses) in [
        (Bdf::new(0, 0, 0), 0x0004_0100),
        (Bdf::new(1, 0, 0), 0x0004_0201),
        (Bdf::new(2, 0, 0), 0x0003_0302),
        (Bdf::new(2, 1, 0), 0x0004_0402),
    ] {
        rig.config(bdf, 0x18, Some(buses));
        rig.config(bdf, 0x20, Some(0xfff0_8000));
        rig.config(bdf, 0x04, Some(0x6));
    }
    for (bdf, segment) in [(LEFT_BDF, LEFT_SEGMENT), (RIGHT_BDF, RIGHT_SEGMENT)] {
        let pci = rig.m32() + (segment << 23);
        rig.config(bdf, 0x10, Some(pci as u32));
        rig.config(bdf, 0x04, Some(0x6));
    }
}

/// Clears what is latched, in the order that drivers must, and lets the endpoint go on.
pub(crate) fn recover(rig: &dyn Rig, pe: u16) {
    clear(rig);
    thaw(rig, pe);
}

pub(crate) fn clear(rig: &dyn Rig) {
    let fir = rig.get(0xc00);
    rig.config(Bdf::new(0, 0, 0), 0x104, Some(u32::MAX));
    let more: &[u16] = if rig.name() == "PHB4" {
        &[0xe80, 0x1900, 0x1c00]
    } else {
        &[]
    };
    for block in [0xc80, 0xd00, 0xd80, 0xe00].iter().chain(more) {
        let block = *block;
        rig.set(block, rig.get(block));
        for by in [0x08, 0x40, 0x48] {
            rig.set(block + by, 0);
        }
    }
    rig.set(0xc08, !fir);
    rig.set(0xc40, 0);
}

pub(crate) fn thaw(rig: &dyn Rig, pe: u16) {
    rig.entry(7, pe.into(), [0; 2]);
    rig.entry(8, pe.into(), [0; 2]);
}

/// Checks that there is nothing to complain of.
pub(crate) fn good(rig: &dyn Rig, what: &str) {
    let complaints = rig.model().complaints();
    assert!(
        complaints.is_empty(),
        "{} {what}: {complaints:?}",
        rig.name()
    );
}

/// Cells of a table of TCEs, which the model reaches at `real`.
pub(crate) fn tces(add: impl Fn(u64, Box<dyn SharedMemory>), real: u64) -> &'static [BeU64] {
    let cells = leak(|| BeU64::new(0), TCES);
    add(real, Box::new(cells));
    cells
}
