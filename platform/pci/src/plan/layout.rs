//! Laying out one area of PCI addresses: [`Layout`], needs from the leaves up, then bases from the root down.

use super::{BAR_STEP, BarPlace, FunctionPlan, MESSAGES, Place, Slot, Window};
use crate::{Bar, BarKind, Function, Path};
use alloc::vec;
use alloc::vec::Vec;
use ioda::{Caps, M64Caps, M64Window};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    M32,
    M64,
}

/// Where BARs can go, in PCI addresses.
pub(super) struct Area {
    base: u64,
    pub(super) bytes: u64,
    /// What is given out at once: a segment, or a window.
    granule: u64,
    /// Whether each BAR gets granules of its own, a power of two of them.
    each_alone: bool,
}

impl Area {
    pub(super) fn m32(caps: &Caps) -> Self {
        let granule = 1u64 << caps.m32.segment_shift;
        let end = caps.m32.pci.saturating_add(caps.m32.bytes()).min(MESSAGES);
        // A segment with messages in it is of no use.
        let bytes = end.saturating_sub(caps.m32.pci) & granule.wrapping_neg();
        Self {
            base: caps.m32.pci,
            bytes,
            granule,
            each_alone: false,
        }
    }
    /// The 64-bit one, for BARs that each have a window.
    pub(super) fn m64(caps: &M64Caps) -> Self {
        Self {
            base: caps.real,
            bytes: caps.bytes,
            granule: 1 << caps.single_pe_shift,
            each_alone: true,
        }
    }
    /// The 64-bit one, for functions that each have segments of 2^`shift` bytes.
    pub(super) fn m64_segments(caps: &M64Caps, shift: u8) -> Self {
        Self {
            base: caps.real,
            bytes: caps.bytes,
            granule: 1u64.wrapping_shl(shift.into()),
            each_alone: false,
        }
    }
}

/// Bytes wanted, and their alignment.
#[derive(Clone, Copy, Default)]
struct Need {
    bytes: u64,
    align: u64,
}

/// What lies together: the BARs of a function, or all that is below a bridge.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Own(usize),
    Below(usize),
}

/// A BAR in an area.
#[derive(Clone, Copy)]
struct Taken {
    bar: usize,
    bytes: u64,
    /// With what is left free behind it.
    taken: u64,
}

#[derive(Default)]
struct Node {
    /// The BARs in this area, the largest first.
    bars: Vec<Taken>,
    own: Need,
    own_base: u64,
    below: Need,
    below_base: u64,
}

impl Node {
    /// Iterates over the BARs with the address of each.
    fn places(&self) -> impl Iterator<Item = (&Taken, u64)> {
        self.bars.iter().scan(self.own_base, |next, taken| {
            let at = *next;
            *next = at.saturating_add(taken.taken);
            Some((taken, at))
        })
    }
}

/// A BAR that has its place: what it takes from `base` on.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub(super) slot: Slot,
    pub(super) base: u64,
    pub(super) bytes: u64,
}

impl Piece {
    /// Its last address.
    pub(super) const fn last(&self) -> u64 {
        self.base.saturating_add(self.bytes).saturating_sub(1)
    }
}

/// A layout of one area: needs from the leaves up, then bases from the root down.
#[derive(Default)]
pub(super) struct Layout {
    nodes: Vec<Node>,
    root: Need,
}

impl Layout {
    pub(super) fn of(
        functions: &[Function],
        area: &Area,
        wants: impl Fn(Slot, BarKind) -> bool,
    ) -> Self {
        let mut this = Self {
            nodes: functions.iter().map(|_| Node::default()).collect(),
            root: Need::default(),
        };
        for (index, (function, node)) in functions.iter().zip(&mut this.nodes).enumerate() {
            let bars = function
                .bars
                .iter()
                .enumerate()
                .filter_map(|(bar, slot)| Some((bar, (*slot)?)));
            let wanted = bars.filter(|(bar, slot)| wants((index, *bar), slot.kind));
            let least = if area.each_alone {
                area.granule
            } else {
                BAR_STEP
            };
            let take = |(bar, slot): (usize, Bar)| Taken {
                bar,
                bytes: slot.bytes,
                taken: slot.bytes.max(least),
            };
            // From the largest down, powers of two follow each other without a gap.
            for bar in wanted.map(take) {
                let at = node.bars.partition_point(|other| other.taken >= bar.taken);
                node.bars.insert(at, bar);
            }
            let bytes = node
                .bars
                .iter()
                .fold(0u64, |sum, bar| sum.saturating_add(bar.taken));
            let largest = node.bars.first().map_or(0, |bar| bar.taken);
            node.own = Need {
                bytes: round_up(bytes, area.granule),
                align: largest.max(area.granule),
            };
        }
        let (children, roots) = children(functions);
        // Those below a bridge come after it.
        for index in (0..functions.len()).rev() {
            let (need, _) = this.pack(children.get(index).map_or(&[], Vec::as_slice), 0);
            if let Some(node) = this.nodes.get_mut(index) {
                node.below = need;
            }
        }
        let (need, places) = this.pack(&roots, area.base);
        this.root = need;
        this.settle(&places);
        for index in 0..functions.len() {
            let base = this.nodes.get(index).map_or(0, |node| node.below_base);
            let (_, places) = this.pack(children.get(index).map_or(&[], Vec::as_slice), base);
            this.settle(&places);
        }
        this
    }

    pub(super) fn total(&self) -> u64 {
        self.root.bytes
    }

    /// The function that wants most of the area for itself, and how many bytes.
    pub(super) fn largest(&self, functions: &[Function]) -> (Path, u64) {
        let wants = self.nodes.iter().zip(functions);
        wants
            .map(|(node, function)| (function.path, node.own.bytes))
            .max_by_key(|(_, bytes)| *bytes)
            .unwrap_or((Path::root(0), 0))
    }

    /// All BARs, by rising address.
    pub(super) fn pieces(&self) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            for (taken, base) in node.places() {
                let at = pieces.partition_point(|other| other.base <= base);
                let (slot, bytes) = ((index, taken.bar), taken.taken);
                pieces.insert(at, Piece { slot, base, bytes });
            }
        }
        pieces
    }

    /// Packs what `children` need from `base` on, the most aligned first.
    fn pack(&self, children: &[usize], base: u64) -> (Need, Vec<(Unit, u64)>) {
        let mut units: Vec<(Unit, Need)> = Vec::new();
        for index in children {
            let Some(node) = self.nodes.get(*index) else {
                continue;
            };
            for unit in [
                (Unit::Own(*index), node.own),
                (Unit::Below(*index), node.below),
            ] {
                if unit.1.bytes != 0 {
                    let at = units.partition_point(|(_, need)| need.align >= unit.1.align);
                    units.insert(at, unit);
                }
            }
        }
        let align = units.first().map_or(1, |(_, need)| need.align);
        let mut at = base;
        let mut places = Vec::new();
        for (unit, need) in units {
            at = round_up(at, need.align);
            places.push((unit, at));
            at = at.saturating_add(need.bytes);
        }
        (
            Need {
                bytes: at.saturating_sub(base),
                align,
            },
            places,
        )
    }

    fn settle(&mut self, places: &[(Unit, u64)]) {
        for (unit, base) in places {
            match unit {
                Unit::Own(index) => self
                    .nodes
                    .get_mut(*index)
                    .into_iter()
                    .for_each(|node| node.own_base = *base),
                Unit::Below(index) => self
                    .nodes
                    .get_mut(*index)
                    .into_iter()
                    .for_each(|node| node.below_base = *base),
            }
        }
    }

    /// Writes the layout into the plans.
    pub(super) fn fill(&self, plans: &mut [FunctionPlan], caps: &Caps, space: Space) {
        for (node, plan) in self.nodes.iter().zip(plans) {
            for (Taken { bar, bytes, .. }, at) in node.places() {
                let (place, real) = match space {
                    Space::M32 => (
                        Place::M32,
                        at.wrapping_sub(caps.m32.pci).wrapping_add(caps.m32.real),
                    ),
                    Space::M64 => (Place::M64(M64Window(0)), at),
                };
                if let Some(slot) = plan.bars.get_mut(*bar) {
                    *slot = Some(BarPlace {
                        place,
                        pci: at,
                        real,
                        bytes: *bytes,
                    });
                }
            }
            let below = Window {
                base: node.below_base,
                bytes: node.below.bytes,
            };
            match space {
                Space::M32 => {
                    plan.memory = below;
                    let segment = |pci: u64| {
                        (pci.saturating_sub(caps.m32.pci) >> caps.m32.segment_shift) as u16
                    };
                    if node.own.bytes != 0 {
                        plan.segments = segment(node.own_base)
                            ..segment(node.own_base.saturating_add(node.own.bytes));
                    }
                }
                Space::M64 => plan.prefetch = below,
            }
        }
    }
}

/// What is above a function: it comes first. Any other would make no tree, and is taken for none.
fn above(function: &Function, index: usize) -> Option<usize> {
    function.parent.filter(|parent| *parent < index)
}

/// The functions right below each, and those below none.
fn children(functions: &[Function]) -> (Vec<Vec<usize>>, Vec<usize>) {
    let mut children = vec![Vec::new(); functions.len()];
    let mut roots = Vec::new();
    for (index, function) in functions.iter().enumerate() {
        above(function, index)
            .and_then(|parent| children.get_mut(parent))
            .unwrap_or(&mut roots)
            .push(index);
    }
    (children, roots)
}

/// The next multiple of `to`, a power of two.
const fn round_up(value: u64, to: u64) -> u64 {
    let low = to.wrapping_sub(1);
    value.saturating_add(low) & !low
}
