//! What a bridge has handed out, in words, for both kinds of picture: [`Part`].

use crate::words::{bytes, rids};
use crate::{M64Owner, Map, Owner, Phb};
use ioda::{DmaModel, PeNumber};
use std::collections::BTreeMap;

/// What one drawing shows.
pub(crate) struct Part {
    /// What it is and how large.
    pub(crate) heading: String,
    /// Where it is.
    pub(crate) note: String,
    /// What was handed out.
    pub(crate) items: Vec<Item>,
}

/// Something that was handed out.
pub(crate) struct Item {
    pub(crate) owner: Owner,
    pub(crate) text: String,
}

/// In place of what is unknown before boot.
const LATER: &str = "place and size: at boot";

impl Map {
    /// `PE 3 linux`.
    fn whose(&self, phb: &Phb, pe: PeNumber) -> String {
        match phb.owner_of(pe) {
            Owner::Nobody => format!("PE {} nobody's", pe.0),
            owner => format!("PE {} {}", pe.0, self.name(owner)),
        }
    }

    fn item(&self, phb: &Phb, pe: PeNumber, what: String) -> Item {
        Item {
            owner: phb.owner_of(pe),
            text: format!("{what}: {}", self.whose(phb, pe)),
        }
    }

    /// The bridge in a line.
    pub(crate) fn facts(&self, phb: &Phb) -> String {
        format!(
            "{} PEs, PE {} for what nobody owns; a PE's requesters: {}",
            phb.pes,
            phb.reserved.0,
            rids(phb.rids)
        )
    }

    pub(crate) fn m32(&self, phb: &Phb) -> Part {
        let (heading, note) = match phb.m32 {
            Some(m32) => (
                format!(
                    "M32 window: {}, {} segments of {}",
                    bytes(m32.bytes()),
                    m32.segments,
                    bytes(1 << m32.segment_shift)
                ),
                format!("bus {:#x}, real {:#x}", m32.pci, m32.real),
            ),
            None => (
                format!("M32 window: {} segments", phb.m32_segments),
                LATER.into(),
            ),
        };
        let mut runs = phb.segments.clone();
        runs.sort_by_key(|run| run.first);
        let items = runs.iter().map(|run| {
            let what = match run.count {
                1 => format!("segment {}", run.first),
                count => format!("segments {} to {}", run.first, run.first + (count - 1)),
            };
            self.item(phb, run.pe, what)
        });
        Part {
            heading,
            note,
            items: items.collect(),
        }
    }

    pub(crate) fn m64(&self, phb: &Phb) -> Part {
        let kinds = match phb.dma {
            DmaModel::SharedSlots { .. } => "of 8 segments, any PE's",
            DmaModel::PerPe { .. } => "of one PE, or with a segment for each PE",
        };
        let note = match phb.m64_area {
            Some((base, length)) => format!("{} from {base:#x}, bus = real", bytes(length)),
            None if phb.m32.is_some() => "the machine gives the bridge no area".into(),
            None => LATER.into(),
        };
        let mut items = Vec::new();
        let mut windows = phb.m64.clone();
        windows.sort_by_key(|window| window.window);
        for window in &windows {
            let what = format!(
                "window {}: {} at {:#x}",
                window.window,
                bytes(window.bytes),
                window.base
            );
            match window.owner {
                M64Owner::Single(pe) => items.push(self.item(phb, pe, what)),
                M64Owner::SegmentIsPe => items.push(Item {
                    owner: Owner::Nobody,
                    text: format!("{what}: segment n is PE n's"),
                }),
                M64Owner::Segments(pes) => {
                    let mut by_pe: BTreeMap<PeNumber, Vec<String>> = BTreeMap::new();
                    for (segment, pe) in pes.into_iter().enumerate() {
                        by_pe.entry(pe).or_default().push(segment.to_string());
                    }
                    for (pe, segments) in by_pe {
                        let what = format!("{what}, segment {}", segments.join(" "));
                        items.push(self.item(phb, pe, what));
                    }
                }
            }
        }
        Part {
            heading: format!("M64: {} windows, {kinds}", phb.m64_windows),
            note,
            items,
        }
    }

    pub(crate) fn dma(&self, phb: &Phb) -> Part {
        let (heading, note) = match phb.dma {
            DmaModel::SharedSlots { count, slot_shift } => (
                format!(
                    "DMA: one space for all PEs, {count} slots of {}",
                    bytes(1u64.checked_shl(slot_shift.into()).unwrap_or(0))
                ),
                "a slot answers its owner's requesters alone",
            ),
            DmaModel::PerPe { windows } => (
                format!("DMA: a space for each PE, {windows} windows in it"),
                "the same bus address is another page in each space",
            ),
        };
        let windows = phb.windows.iter().map(|window| {
            let pages = bytes(1u64.checked_shl(window.page_shift.into()).unwrap_or(0));
            let what = format!(
                "{} at bus {:#x}, pages of {pages}, TVE {}",
                bytes(window.bytes),
                window.base,
                window.tve
            );
            self.item(phb, window.pe, what)
        });
        let wants = phb.functions.iter().filter_map(|function| {
            let length = function.want.as_ref()?.dma_bytes?;
            Some(Item {
                owner: function.owner,
                text: format!("{} for {}, address at boot", bytes(length), function.path),
            })
        });
        Part {
            heading,
            note: note.into(),
            items: windows.chain(wants).collect(),
        }
    }

    pub(crate) fn interrupts(&self, phb: &Phb) -> Part {
        let messages = phb.messages.iter().map(|block| {
            let last = u64::from(block.first) + u64::from(block.count) - 1;
            let what = match block.count {
                1 => format!("{last:#x}"),
                _ => format!("{:#x} to {last:#x}", block.first),
            };
            self.item(phb, block.pe, what)
        });
        let wires = phb
            .wires
            .iter()
            .map(|(pe, irq)| self.item(phb, *pe, format!("INTx {irq:#x}")));
        let wants = phb.functions.iter().filter_map(|function| {
            let quota = function.want.as_ref()?.msi_quota?;
            Some(Item {
                owner: function.owner,
                text: format!("up to {quota} for {}", function.path),
            })
        });
        Part {
            heading: format!("MSI: {} messages", phb.msis),
            note: match phb.first_msi {
                Some(first) => format!("from interrupt {first:#x}"),
                None => "numbers: at boot".into(),
            },
            items: messages.chain(wires).chain(wants).collect(),
        }
    }
}
