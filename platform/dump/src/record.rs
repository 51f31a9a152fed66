//! One line of a dump: [`Record`].

use crate::field::{Fields, ParseError};
use ioda::{Bdf, DmaModel, M32Caps, M64Window, PeNumber, RidRule};
use pci::{Path, Place, Window};

/// What every line begins with: the format's name and version.
pub const PREFIX: &str = "map1";

/// Which version of IODA a bridge speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// One filter for each endpoint, one DMA space for all of them (P7IOC).
    Ioda1,
    /// Requesters by table, a DMA space for each endpoint (PHB3).
    Ioda2,
}

/// Who owns a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// No partition; it is silent.
    Nobody,
    /// The hypervisor.
    Hypervisor,
    /// The partition with this logical partition id.
    Partition(u32),
}

/// What a function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionRole {
    /// A device.
    Device,
    /// A bridge to the buses `first` to `last`.
    Bridge {
        /// The bus right below.
        first: u8,
        /// The last bus below.
        last: u8,
        /// What it forwards of the 32-bit window.
        memory: Window,
        /// What it forwards of 64-bit windows.
        prefetch: Window,
    },
}

/// Whose a 64-bit window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum M64Owner {
    /// All of it one endpoint's.
    Single(PeNumber),
    /// Segment n is endpoint n's.
    SegmentIsPe,
    /// Eight segments, each some endpoint's.
    Segments([PeNumber; 8]),
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Record<'a> {
    /// The first line.
    Begin,
    /// A partition.
    Partition {
        /// Its logical partition id.
        lpid: u32,
        /// Its name.
        name: &'a str,
    },
    /// A bridge; all other lines that name it come later.
    Phb {
        /// Its index in locations.
        phb: u8,
        /// Its IODA version.
        generation: Generation,
        /// How many endpoints it has.
        pes: u16,
        /// The endpoint of everything that nobody owns.
        reserved: PeNumber,
        /// Which requesters an endpoint can have.
        rids: RidRule,
        /// How DMA finds its window.
        dma: DmaModel,
        /// How many message interrupts it has.
        msis: u16,
        /// The machine's number of the first of them.
        first_msi: u32,
        /// Its 32-bit MMIO window.
        m32: M32Caps,
    },
    /// The area of a bridge's 64-bit windows.
    M64Area {
        /// The bridge.
        phb: u8,
        /// First address, real and PCI.
        real: u64,
        /// Bytes.
        bytes: u64,
        /// How many windows can be open.
        windows: u8,
    },
    /// A function.
    Function {
        /// Its bridge and place.
        path: Path,
        /// Its number on this boot.
        bdf: Bdf,
        /// Vendor and device id.
        id: (u16, u16),
        /// Class, 24 bits.
        class: u32,
        /// Its endpoint.
        pe: PeNumber,
        /// Its owner.
        owner: Owner,
        /// What it is for.
        role: FunctionRole,
    },
    /// A base address register of a function.
    Bar {
        /// The bridge.
        phb: u8,
        /// The function.
        bdf: Bdf,
        /// Which, 0 to 5.
        bar: u8,
        /// First PCI address.
        pci: u64,
        /// First real address.
        real: u64,
        /// Bytes.
        bytes: u64,
        /// The window that it is in.
        place: Place,
    },
    /// Segments of a bridge's 32-bit window that are an endpoint's.
    Segments {
        /// The bridge.
        phb: u8,
        /// The first.
        first: u16,
        /// How many.
        count: u16,
        /// Whose.
        pe: PeNumber,
    },
    /// An open 64-bit window.
    M64 {
        /// The bridge.
        phb: u8,
        /// Which.
        window: M64Window,
        /// First address, real and PCI.
        base: u64,
        /// Bytes.
        bytes: u64,
        /// Whose.
        owner: M64Owner,
    },
    /// An open DMA window.
    Dma {
        /// The bridge.
        phb: u8,
        /// The endpoint whose DMA it translates.
        pe: PeNumber,
        /// The index of its TVE.
        tve: u16,
        /// First PCI address.
        base: u64,
        /// Bytes.
        bytes: u64,
        /// log2 of a page's bytes.
        page_shift: u8,
    },
    /// Message interrupts of an endpoint.
    Msi {
        /// The bridge.
        phb: u8,
        /// Whose.
        pe: PeNumber,
        /// The machine's number of the first.
        first: u32,
        /// How many.
        count: u16,
    },
    /// An INTx wire of an endpoint.
    Lsi {
        /// The bridge.
        phb: u8,
        /// Whose.
        pe: PeNumber,
        /// The machine's number of the source that it ends at.
        irq: u32,
    },
    /// The last line.
    End {
        /// How many lines there were before it, the first included.
        lines: u32,
    },
}

impl<'a> Record<'a> {
    /// Reads the line `text`, from [`PREFIX`] on.
    ///
    /// `None` if it does not begin with [`PREFIX`] and a space, so is no line of a dump.
    ///
    /// # Errors
    /// [`ParseError`] for the first field that is missing, out of range or too many.
    pub fn parse(text: &'a str) -> Option<Result<Self, ParseError<'a>>> {
        let rest = text.strip_prefix(PREFIX)?.strip_prefix(' ')?;
        Some(Self::fields(rest))
    }

    fn fields(text: &'a str) -> Result<Self, ParseError<'a>> {
        let mut f = Fields::new(text);
        let record = match f.kind()? {
            "begin" => Self::Begin,
            "partition" => Self::Partition {
                lpid: f.number("lpid")?,
                name: f.name("name")?,
            },
            "phb" => Self::Phb {
                phb: f.number("phb")?,
                generation: f.generation("kind")?,
                pes: f.number("pes")?,
                reserved: f.pe("reserved")?,
                rids: f.rids("rids")?,
                dma: f.dma("dma")?,
                msis: f.number("msis")?,
                first_msi: f.number("first-msi")?,
                m32: f.m32()?,
            },
            "m64-area" => Self::M64Area {
                phb: f.number("phb")?,
                real: f.number("real")?,
                bytes: f.number("bytes")?,
                windows: f.number("windows")?,
            },
            "function" => Self::function(&mut f, |_| Ok(FunctionRole::Device))?,
            "bridge" => Self::function(&mut f, bridge_role)?,
            "bar" => Self::Bar {
                phb: f.number("phb")?,
                bdf: f.bdf("bdf")?,
                bar: f.number("bar")?,
                pci: f.number("pci")?,
                real: f.number("real")?,
                bytes: f.number("bytes")?,
                place: f.place("place")?,
            },
            "segments" => Self::Segments {
                phb: f.number("phb")?,
                first: f.number("first")?,
                count: f.number("count")?,
                pe: f.pe("pe")?,
            },
            "m64" => Self::M64 {
                phb: f.number("phb")?,
                window: M64Window(f.number("window")?),
                base: f.number("base")?,
                bytes: f.number("bytes")?,
                owner: f.m64_owner("map")?,
            },
            "dma" => Self::Dma {
                phb: f.number("phb")?,
                pe: f.pe("pe")?,
                tve: f.number("tve")?,
                base: f.number("base")?,
                bytes: f.number("bytes")?,
                page_shift: f.number("page-shift")?,
            },
            "msi" => Self::Msi {
                phb: f.number("phb")?,
                pe: f.pe("pe")?,
                first: f.number("first")?,
                count: f.number("count")?,
            },
            "lsi" => Self::Lsi {
                phb: f.number("phb")?,
                pe: f.pe("pe")?,
                irq: f.number("irq")?,
            },
            "end" => Self::End {
                lines: f.number("lines")?,
            },
            other => return Err(ParseError::Kind(other)),
        };
        f.finish()?;
        Ok(record)
    }

    fn function(
        f: &mut Fields<'a>,
        role: impl FnOnce(&mut Fields<'a>) -> Result<FunctionRole, ParseError<'a>>,
    ) -> Result<Self, ParseError<'a>> {
        Ok(Self::Function {
            path: f.path("path")?,
            bdf: f.bdf("bdf")?,
            id: f.id("id")?,
            class: f.class("class")?,
            pe: f.pe("pe")?,
            owner: f.owner("owner")?,
            role: role(f)?,
        })
    }
}

fn bridge_role<'a>(f: &mut Fields<'a>) -> Result<FunctionRole, ParseError<'a>> {
    let (first, last) = f.buses("buses")?;
    Ok(FunctionRole::Bridge {
        first,
        last,
        memory: f.window("memory")?,
        prefetch: f.window("prefetch")?,
    })
}
