//! Where BARs and bridge windows go, and which endpoint each function has: [`plan`], [`Plan`].
//!
//! Each function's BARs lie together in segments that are only theirs, so that a segment's endpoint can be
//! theirs too. What is behind a bridge lies together as well, and the bridge's window covers just that.
//!
//! Everything goes to the 32-bit window as long as it fits: any segment there can belong to any endpoint.
//! Only when it is full do the largest 64-bit prefetchable BARs move: to segments of 64-bit windows, where any segment can
//! belong to any endpoint, else each to a 64-bit window of its own (docs/adr/0002-bar-placement.md).

mod layout;
mod segments;
mod windows;

use crate::{BarKind, Function, Isolation, Path, Topology};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use ioda::{Caps, M64Kinds, M64Map, M64Window, PeNumber};
use layout::{Area, Layout, Space};

/// A BAR: the index of its function, and its own.
type Slot = (usize, usize);

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
    /// This 64-bit one.
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

/// What a BAR has of the 64-bit windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum M64Share {
    /// A window of its own, opened like this.
    Whole(M64Window, M64Map),
    /// Segments of one of the plan's windows ([`Plan::windows`]); other functions may have others of that.
    Segments {
        /// The window.
        window: M64Window,
        /// The first segment.
        first: u8,
        /// The last one.
        last: u8,
    },
}

/// A 64-bit window of eight equal segments, each any endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedWindow {
    /// Its number.
    pub window: M64Window,
    /// Real and PCI address, a multiple of the size.
    pub base: u64,
    /// log2 of its bytes.
    pub shift: u8,
}

impl SharedWindow {
    /// log2 of how many segments there are ([`M64Map::AnyMap`]).
    pub(crate) const SEGMENTS_SHIFT: u8 = 3;

    /// The segment that holds an address; `None` outside the window.
    fn segment(&self, at: u64) -> Option<u8> {
        let offset = at.checked_sub(self.base)?;
        let segment = offset >> self.shift.saturating_sub(Self::SEGMENTS_SHIFT).min(63);
        u8::try_from(segment).ok().filter(|segment| *segment < 8)
    }
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
    /// Its shares of 64-bit windows, one for each BAR in one.
    pub m64: [Option<M64Share>; 6],
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
    /// The 64-bit windows that functions have segments of.
    pub windows: Vec<SharedWindow>,
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
    /// The area of the 64-bit windows is full; this function wants most of it.
    M64Area {
        /// The function.
        path: Path,
        /// What it wants there, in bytes.
        bytes: u64,
        /// What the area has, in bytes.
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
            Self::M64Area {
                path,
                bytes,
                capacity,
            } => write!(
                f,
                "{path}: its BARs need {bytes:#x} bytes of 64-bit windows, the bridge has {capacity:#x} for all"
            ),
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
    let area = Area::m32(caps);
    let movable = movable(functions, caps);
    let m32_without = |moved: &[Slot]| {
        Layout::of(functions, &area, |slot, kind| {
            kind != BarKind::Io && !moved.contains(&slot)
        })
    };
    let (m32, moved) = (0..=movable.len())
        .filter_map(|count| movable.get(..count))
        .map(|moved| (m32_without(moved), moved))
        .find(|(layout, _)| layout.total() <= area.bytes)
        .ok_or_else(|| overfull(functions, &m32_without(&movable), area.bytes))?;
    let is_moved = |slot, _| moved.contains(&slot);
    let (m64, shared) = match &caps.m64 {
        Some(m64) if m64.kinds.contains(M64Kinds::ANY_MAP) => {
            segments::lay_out(functions, m64, moved)?
        }
        Some(m64) => (Layout::of(functions, &Area::m64(m64), is_moved), Vec::new()),
        None => Default::default(),
    };
    let mut plans: Vec<FunctionPlan> = functions
        .iter()
        .map(|_| FunctionPlan::none(caps.reserved_pe))
        .collect();
    m32.fill(&mut plans, caps, Space::M32);
    m64.fill(&mut plans, caps, Space::M64);
    number_endpoints(functions, &mut plans, caps)?;
    match &caps.m64 {
        Some(m64) if !m64.kinds.contains(M64Kinds::ANY_MAP) => {
            windows::open(functions, &mut plans, m64)?;
        }
        _ => segments::share(&mut plans, &shared),
    }
    Ok(Plan {
        functions: plans,
        windows: shared,
    })
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

/// The BARs that can move to the 64-bit area, the largest first; none without such an area.
fn movable(functions: &[Function], caps: &Caps) -> Vec<Slot> {
    let has_area = caps.m64.is_some_and(|m64| {
        m64.kinds
            .intersects(M64Kinds::SINGLE_PE | M64Kinds::ANY_MAP)
    });
    let slots = functions.iter().enumerate().flat_map(|(index, function)| {
        let bars = function.bars.iter().enumerate();
        bars.filter_map(move |(bar, slot)| Some(((index, bar), (*slot)?)))
    });
    let mut movable: Vec<(u64, Slot)> = Vec::new();
    for (slot, bar) in slots {
        if has_area && bar.kind == BarKind::Mem64Prefetch {
            // Of those as large as each other, the one found last.
            let at = movable.partition_point(|(bytes, _)| *bytes > bar.bytes);
            movable.insert(at, (bar.bytes, slot));
        }
    }
    movable.into_iter().map(|(_, slot)| slot).collect()
}

fn overfull(functions: &[Function], layout: &Layout, capacity: u64) -> PlanError {
    let (path, bytes) = layout.largest(functions);
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
