//! The machine's bridges and who owns what of them, as a picture.
//!
//! [`Map`] is the model: made of a dump that the running hypervisor printed ([`Map::from_dump`]), or before boot of what a
//! manifest and a device tree tell ([`Map::planned`], [`Map::want`]). [`Map::text`] draws it for a terminal, [`Map::svg`] as an
//! SVG file. No function here reads or writes anything.
#![forbid(unsafe_code)]

mod colour;
mod dump;
mod lists;
mod picture;
mod plan;
mod text;
mod words;

pub use dump::{DumpError, Problem};
pub use map_dump::{Generation, M64Owner, Owner};
pub use plan::{PlannedPhb, Want};

use ioda::{Bdf, DmaModel, M32Caps, PeNumber, RidRule};
use pci::{Path, Place, Window};

/// When the map was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before boot: addresses, sizes and numbers that firmware finds or chooses are unknown.
    Planned,
    /// As the hypervisor printed it.
    Running,
}

/// A machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// When it was made.
    pub stage: Stage,
    /// The partitions.
    pub partitions: Vec<Partition>,
    /// The bridges, by rising index.
    pub phbs: Vec<Phb>,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its logical partition id.
    pub lpid: u32,
    /// Its name.
    pub name: String,
}

/// A host bridge.
#[derive(Clone, Debug, PartialEq)]
pub struct Phb {
    /// Its index in locations.
    pub index: u8,
    /// Its IODA version.
    pub generation: Generation,
    /// How many endpoints it has.
    pub pes: u16,
    /// The endpoint of everything that nobody owns.
    pub reserved: PeNumber,
    /// Which requesters an endpoint can have.
    pub rids: RidRule,
    /// How DMA finds its window.
    pub dma: DmaModel,
    /// How many message interrupts it has.
    pub msis: u16,
    /// Segments of the 32-bit window.
    pub m32_segments: u16,
    /// How many 64-bit windows can be open.
    pub m64_windows: u8,
    /// The machine's number of its first message; unknown before boot, as the two below.
    pub first_msi: Option<u32>,
    /// The 32-bit window.
    pub m32: Option<M32Caps>,
    /// Base and bytes of the area of 64-bit windows.
    pub m64_area: Option<(u64, u64)>,
    /// What is behind it, each bridge before what is below it.
    pub functions: Vec<Function>,
    /// Segments of the 32-bit window that are somebody's.
    pub segments: Vec<Segments>,
    /// Open 64-bit windows.
    pub m64: Vec<M64>,
    /// Open DMA windows.
    pub windows: Vec<Dma>,
    /// Message interrupts that are somebody's.
    pub messages: Vec<Messages>,
    /// INTx wires that are somebody's: endpoint, and the machine's number of the interrupt.
    pub wires: Vec<(PeNumber, u32)>,
}

/// A PCI function.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Its place.
    pub path: Path,
    /// Who owns it.
    pub owner: Owner,
    /// What it is for.
    pub role: Role,
    /// What the hypervisor found; unknown before boot.
    pub found: Option<Found>,
    /// What the manifest says of it.
    pub want: Option<Want>,
}

/// What a function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A device.
    Device,
    /// A bridge.
    Bridge,
}

/// What the hypervisor found of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its number.
    pub bdf: Bdf,
    /// Vendor and device id.
    pub id: (u16, u16),
    /// Class, 24 bits.
    pub class: u32,
    /// Its endpoint.
    pub pe: PeNumber,
    /// Its base address registers.
    pub bars: Vec<Bar>,
    /// Of a bridge: first and last bus below, and what it forwards of the 32-bit and of 64-bit windows.
    pub below: Option<(u8, u8, Window, Window)>,
}

/// A base address register with a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Which, 0 to 5.
    pub index: u8,
    /// First PCI address.
    pub pci: u64,
    /// First real address.
    pub real: u64,
    /// Bytes.
    pub bytes: u64,
    /// The window that it is in.
    pub place: Place,
}

/// Segments of the 32-bit window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// The first.
    pub first: u16,
    /// How many.
    pub count: u16,
    /// Whose.
    pub pe: PeNumber,
}

/// An open 64-bit window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct M64 {
    /// Which.
    pub window: u8,
    /// First address.
    pub base: u64,
    /// Bytes.
    pub bytes: u64,
    /// Whose.
    pub owner: M64Owner,
}

/// An open DMA window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dma {
    /// Whose.
    pub pe: PeNumber,
    /// The index of its TVE.
    pub tve: u16,
    /// First PCI address.
    pub base: u64,
    /// Bytes.
    pub bytes: u64,
    /// log2 of a page's bytes.
    pub page_shift: u8,
}

/// Message interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages {
    /// Whose.
    pub pe: PeNumber,
    /// The machine's number of the first.
    pub first: u32,
    /// How many.
    pub count: u16,
}

/// How [`Map::text`] shows owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// By letters alone.
    Plain,
    /// By letters and colours, as ANSI escapes.
    Colour,
}

impl Map {
    /// Keeps the bridge `index` alone; whether there is one.
    pub fn keep_phb(&mut self, index: u8) -> bool {
        self.phbs.retain(|phb| phb.index == index);
        !self.phbs.is_empty()
    }

    /// What `owner` is called.
    fn name(&self, owner: Owner) -> String {
        match owner {
            Owner::Nobody => "nobody".into(),
            Owner::Hypervisor => "hypervisor".into(),
            Owner::Partition(lpid) => self
                .partitions
                .iter()
                .find(|partition| partition.lpid == lpid)
                .map_or_else(|| format!("partition {lpid}"), |found| found.name.clone()),
        }
    }
}

impl Phb {
    /// Who owns endpoint `pe`.
    #[must_use]
    pub fn owner_of(&self, pe: PeNumber) -> Owner {
        let owner = self.functions.iter().find_map(|function| {
            let is_its = function.found.as_ref()?.pe == pe;
            (is_its && pe != self.reserved).then_some(function.owner)
        });
        owner.unwrap_or(Owner::Nobody)
    }

    /// The owner of each segment of the 32-bit window, and its endpoint; `None` for nobody's.
    fn segment_pes(&self) -> Vec<Option<PeNumber>> {
        let mut pes = vec![None; self.m32_segments.into()];
        for run in &self.segments {
            let range = usize::from(run.first)..usize::from(run.first) + usize::from(run.count);
            if let Some(slots) = pes.get_mut(range) {
                slots.fill(Some(run.pe));
            }
        }
        pes
    }
}

impl Function {
    /// How many buses it is below the root port.
    fn depth(&self) -> usize {
        self.path.to_string().matches('/').count().saturating_sub(1)
    }
}
