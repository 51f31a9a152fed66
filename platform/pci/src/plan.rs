//! Where BARs and bridge windows go, and which endpoint each function has: [`plan`], [`Plan`].
//!
//! Each function's BARs lie together in segments that are only theirs, so that a segment's endpoint can be
//! theirs too. What is behind a bridge lies together as well, and the bridge's window covers just that.
//!
//! Everything goes to the 32-bit window as long as it fits: any segment there can belong to any endpoint.
//! Only when it is full do the largest 64-bit prefetchable BARs move, each to a 64-bit window of its own
//! (docs/adr/0002-bar-placement.md).

use crate::{Bar, BarKind, Function, Isolation, Path, Topology};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use ioda::{Caps, M64Caps, M64Kinds, M64Map, M64Window, PeNumber};

/// PCI addresses from here to 4 GiB are message interrupts, not memory.
const MESSAGES: u64 = 0xffff_0000;
/// The first endpoint given; 0 is what errors without a requester may be blamed on.
const FIRST_PE: u16 = 1;
/// Endpoints with a 64-bit window get a number that is a multiple of this while there are any: QEMU (10.0,
/// `pnv_phb3_check_m64`) ends such a window that many MiB early as the low five bits of the number say.
const M64_PE_STEP: u16 = 32;

/// Each BAR starts at a multiple of this, so that no page a partition may map holds two.
pub const BAR_STEP: u64 = 0x1_0000;

/// Which window of the host bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The 32-bit one.
    M32,
    /// This 64-bit one, all of it.
    M64(M64Window),
}

/// Where a BAR goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarPlace {
    /// Which window.
    pub place: Place,
    /// Its first PCI address.
    pub pci: u64,
    /// The real address where processors see it.
    pub real: u64,
    /// Its bytes. Up to the next multiple of [`BAR_STEP`] nothing else lies behind it.
    pub bytes: u64,
}

/// A range of PCI addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The first.
    pub base: u64,
    /// How many; with none, the window is closed.
    pub bytes: u64,
}

/// What is planned for one function.
#[derive(Clone, Debug)]
pub struct FunctionPlan {
    /// Its endpoint; the reserved one for a bridge.
    pub pe: PeNumber,
    /// Its BARs. One whose address space the host bridge does not have gets no place.
    pub bars: [Option<BarPlace>; 6],
    /// Its segments of the 32-bit window.
    pub segments: Range<u16>,
    /// Its 64-bit windows, one for each BAR in one.
    pub m64: [Option<(M64Window, M64Map)>; 6],
    /// Of a bridge: what is below it of the 32-bit window.
    pub memory: Window,
    /// Of a bridge: what is below it of 64-bit windows.
    pub prefetch: Window,
}

/// A place for everything. Indices are those of the topology.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is planned for each function.
    pub functions: Vec<FunctionPlan>,
}

/// Not everything has a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The 32-bit window is full; this function wants most of it.
    M32 {
        /// The function.
        path: Path,
        /// What it wants there, in bytes.
        bytes: u64,
        /// What the window has, in bytes.
        capacity: u64,
    },
    /// There is no 64-bit window left for a BAR of this function.
    M64 {
        /// The function.
        path: Path,
        /// The BAR's bytes.
        bytes: u64,
    },
    /// There is no endpoint left for this function.
    Pe {
        /// The function.
        path: Path,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::M32 {
                path,
                bytes,
                capacity,
            } => {
                write!(
                    f,
                    "{path}: its BARs need {bytes:#x} bytes, the bridge has {capacity:#x} for all"
                )
            }
            Self::M64 { path, bytes } => write!(
                f,
                "{path}: no 64-bit window left for a BAR of {bytes:#x} bytes"
            ),
            Self::Pe { path } => write!(f, "{path}: the bridge has no endpoint left for it"),
        }
    }
}

/// Plans a place for every BAR of `topology` and an endpoint for every function, within `caps`.
///
/// # Errors
/// [`PlanError`], naming the function.
pub fn plan(topology: &Topology, caps: &Caps) -> Result<Plan, PlanError> {
    let functions = &topology.functions;
    let mut moved = vec![[false; 6]; functions.len()];
    let m32 = loop {
        let area = Area::m32(caps);
        let layout = Layout::of(functions, &area, |index, bar, kind| {
            kind != BarKind::Io && !is_moved(&moved, index, bar)
        });
        if layout.total() <= area.bytes {
            break layout;
        }
        move_largest(functions, &mut moved, caps)
            .ok_or_else(|| overfull(functions, &layout, area.bytes))?;
    };
    let m64 = match &caps.m64 {
        Some(m64) => Layout::of(functions, &Area::m64(m64), |index, bar, _| {
            is_moved(&moved, index, bar)
        }),
        None => Layout::default(),
    };
    let mut plans: Vec<FunctionPlan> = functions
        .iter()
        .map(|_| FunctionPlan::none(caps.reserved_pe))
        .collect();
    m32.fill(&mut plans, caps, Space::M32);
    m64.fill(&mut plans, caps, Space::M64);
    number_endpoints(functions, &mut plans, caps)?;
    open_windows(functions, &mut plans, caps)?;
    Ok(Plan { functions: plans })
}

impl FunctionPlan {
    const fn none(reserved: PeNumber) -> Self {
        Self {
            pe: reserved,
            bars: [None; 6],
            segments: 0..0,
            m64: [None; 6],
            memory: Window { base: 0, bytes: 0 },
            prefetch: Window { base: 0, bytes: 0 },
        }
    }
}

fn is_moved(moved: &[[bool; 6]], index: usize, bar: usize) -> bool {
    moved
        .get(index)
        .and_then(|bars| bars.get(bar))
        .copied()
        .unwrap_or(false)
}

/// Moves the largest BAR that can to the 64-bit area; `None` if there is none, or no area.
fn move_largest(functions: &[Function], moved: &mut [[bool; 6]], caps: &Caps) -> Option<()> {
    caps.m64
        .filter(|m64| m64.kinds.contains(M64Kinds::SINGLE_PE))?;
    let all = functions.iter().enumerate().flat_map(|(index, function)| {
        function
            .bars
            .iter()
            .enumerate()
            .filter_map(move |(bar, slot)| Some((index, bar, (*slot)?)))
    });
    let movable = all.filter(|(index, bar, slot)| {
        slot.kind == BarKind::Mem64Prefetch && !is_moved(moved, *index, *bar)
    });
    let (index, bar, _) = movable.max_by_key(|(_, _, slot)| slot.bytes)?;
    *moved.get_mut(index)?.get_mut(bar)? = true;
    Some(())
}

fn overfull(functions: &[Function], layout: &Layout, capacity: u64) -> PlanError {
    let wants = layout
        .nodes
        .iter()
        .zip(functions)
        .map(|(node, function)| (node.own.bytes, function.path));
    let (bytes, path) = wants
        .max_by_key(|(bytes, _)| *bytes)
        .unwrap_or((0, Path::root(0)));
    PlanError::M32 {
        path,
        bytes,
        capacity,
    }
}

/// Gives each device its endpoint; those behind one bridge to conventional PCI share one.
fn number_endpoints(
    functions: &[Function],
    plans: &mut [FunctionPlan],
    caps: &Caps,
) -> Result<(), PlanError> {
    let mut taken = vec![false; caps.pes.into()];
    let mut take = |mut candidates: core::iter::StepBy<Range<u16>>| {
        let pe = candidates
            .find(|pe| *pe != caps.reserved_pe.0 && taken.get(usize::from(*pe)) == Some(&false))?;
        if let Some(slot) = taken.get_mut(usize::from(pe)) {
            *slot = true;
        }
        Some(PeNumber(pe))
    };
    let mut shared: Vec<(u8, PeNumber)> = Vec::new();
    let needs_m64 = |plan: &FunctionPlan| {
        plan.bars
            .iter()
            .flatten()
            .any(|bar| matches!(bar.place, Place::M64(_)))
    };
    // Those with a 64-bit window first, since some numbers suit them better.
    for pass in [true, false] {
        for (function, plan) in functions.iter().zip(plans.iter_mut()) {
            if !function.is_endpoint() || needs_m64(plan) != pass {
                continue;
            }
            let group = match function.isolation {
                Isolation::Alone => None,
                Isolation::Behind { first, .. } => Some(first),
            };
            if let Some((_, pe)) = shared.iter().find(|(first, _)| Some(*first) == group) {
                plan.pe = *pe;
                continue;
            }
            let rounds = (M64_PE_STEP..caps.pes).step_by(M64_PE_STEP.into());
            let suited = if pass { take(rounds) } else { None };
            let pe = suited.or_else(|| take((FIRST_PE..caps.pes).step_by(1)));
            plan.pe = pe.ok_or(PlanError::Pe {
                path: function.path,
            })?;
            shared.extend(group.map(|first| (first, plan.pe)));
        }
    }
    Ok(())
}

/// Numbers the 64-bit windows, now that their endpoints are known.
fn open_windows(
    functions: &[Function],
    plans: &mut [FunctionPlan],
    caps: &Caps,
) -> Result<(), PlanError> {
    let Some(m64) = caps.m64 else { return Ok(()) };
    let end = m64.real.saturating_add(m64.bytes);
    let mut next = 0u8;
    for (function, plan) in functions.iter().zip(plans) {
        let pe = plan.pe;
        for (bar, slot) in plan.bars.iter_mut().zip(plan.m64.iter_mut()) {
            let Some(bar) = bar else { continue };
            let Place::M64(window) = &mut bar.place else {
                continue;
            };
            let bytes = bar.bytes.max(1 << m64.single_pe_shift);
            if next >= m64.windows || bar.pci.saturating_add(bytes) > end {
                return Err(PlanError::M64 {
                    path: function.path,
                    bytes: bar.bytes,
                });
            }
            *window = M64Window(next);
            next = next.saturating_add(1);
            *slot = Some((
                *window,
                M64Map::SinglePe {
                    base: bar.pci,
                    shift: bytes.trailing_zeros() as u8,
                    pe,
                },
            ));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Space {
    M32,
    M64,
}

/// Where BARs can go, in PCI addresses.
struct Area {
    base: u64,
    bytes: u64,
    /// What is given out at once: a segment, or a window.
    granule: u64,
    /// Whether each BAR gets granules of its own, a power of two of them.
    each_alone: bool,
}

impl Area {
    fn m32(caps: &Caps) -> Self {
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
    fn m64(caps: &M64Caps) -> Self {
        Self {
            base: caps.real,
            bytes: caps.bytes,
            granule: 1 << caps.single_pe_shift,
            each_alone: true,
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

#[derive(Clone, Default)]
struct Node {
    /// The BARs in this area, the largest first.
    bars: Vec<Taken>,
    own: Need,
    own_base: u64,
    below: Need,
    below_base: u64,
}

/// A layout of one area: needs from the leaves up, then bases from the root down.
#[derive(Default)]
struct Layout {
    nodes: Vec<Node>,
    root: Need,
}

impl Layout {
    fn of(
        functions: &[Function],
        area: &Area,
        wants: impl Fn(usize, usize, BarKind) -> bool,
    ) -> Self {
        let mut this = Self {
            nodes: vec![Node::default(); functions.len()],
            root: Need::default(),
        };
        for (index, (function, node)) in functions.iter().zip(&mut this.nodes).enumerate() {
            let bars = function
                .bars
                .iter()
                .enumerate()
                .filter_map(|(bar, slot)| Some((bar, (*slot)?)));
            let wanted = bars.filter(|(bar, slot)| wants(index, *bar, slot.kind));
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
            node.bars = wanted.map(take).collect();
            // From the largest down, powers of two follow each other without a gap.
            node.bars.sort_by_key(|bar| core::cmp::Reverse(bar.taken));
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
        let children = children(functions);
        // Those below a bridge come after it.
        for index in (0..functions.len()).rev() {
            let (need, _) = this.pack(children.get(index).map_or(&[], Vec::as_slice), 0);
            if let Some(node) = this.nodes.get_mut(index) {
                node.below = need;
            }
        }
        let roots: Vec<usize> = (0..functions.len())
            .filter(|index| is_root(functions, *index))
            .collect();
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

    fn total(&self) -> u64 {
        self.root.bytes
    }

    /// Packs what `children` need from `base` on, the most aligned first.
    fn pack(&self, children: &[usize], base: u64) -> (Need, Vec<(Unit, u64)>) {
        let mut units: Vec<(Unit, Need)> = Vec::new();
        for index in children {
            let Some(node) = self.nodes.get(*index) else {
                continue;
            };
            units.extend((node.own.bytes != 0).then_some((Unit::Own(*index), node.own)));
            units.extend((node.below.bytes != 0).then_some((Unit::Below(*index), node.below)));
        }
        units.sort_by_key(|(_, need)| core::cmp::Reverse(need.align));
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
    fn fill(&self, plans: &mut [FunctionPlan], caps: &Caps, space: Space) {
        for (node, plan) in self.nodes.iter().zip(plans) {
            let mut at = node.own_base;
            for Taken { bar, bytes, taken } in &node.bars {
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
                at = at.saturating_add(*taken);
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

/// Whether nothing is above the function.
fn is_root(functions: &[Function], index: usize) -> bool {
    functions
        .get(index)
        .is_some_and(|function| function.parent.is_none())
}

/// The functions right below each.
fn children(functions: &[Function]) -> Vec<Vec<usize>> {
    let mut children = vec![Vec::new(); functions.len()];
    for (index, function) in functions.iter().enumerate() {
        // A parent comes first; one that does not would be no tree.
        let parent = function.parent.filter(|parent| *parent < index);
        if let Some(list) = parent.and_then(|parent| children.get_mut(parent)) {
            list.push(index);
        }
    }
    children
}

/// The next multiple of `to`, a power of two.
const fn round_up(value: u64, to: u64) -> u64 {
    let low = to.wrapping_sub(1);
    value.saturating_add(low) & !low
}
