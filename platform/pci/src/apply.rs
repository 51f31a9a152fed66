//! Programming a plan, and handing functions to their endpoints and back.

use crate::config::{COMMAND, ConfigSpace, bridge, command};
use crate::describe::bar_offset;
use crate::plan::FunctionPlan;
use crate::scan::reopen;
use crate::{
    BarKind, Function, Isolation, M64Share, Path, Plan, Role, SharedWindow, Topology, Window,
};
use core::fmt;
use ioda::{CfgError, Ioda, IodaError, M32Segment, M64Map, PeNumber, Rid, RidRule, RidSel};

/// A plan could not be programmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyError {
    /// Config space of this function cannot be reached.
    Config(Path, CfgError),
    /// This function's BAR does not keep what it is given.
    Bar(Path, u8),
    /// The host bridge refused.
    Host(Path, IodaError),
    /// A requester of this function belongs to another endpoint than the one it is to get.
    Taken {
        /// The function.
        path: Path,
        /// The requester.
        rid: Rid,
        /// The endpoint that was to get it.
        wanted: PeNumber,
        /// The endpoint that has it.
        owner: PeNumber,
    },
    /// There is no function of this index, or it is a bridge.
    Function,
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(path, error) => {
                write!(f, "{path}: config space cannot be reached: {error:?}")
            }
            Self::Bar(path, bar) => write!(f, "{path}: BAR {bar} does not keep its address"),
            Self::Host(path, error) => write!(f, "{path}: {error}"),
            Self::Taken {
                path,
                rid,
                wanted,
                owner,
            } => write!(
                f,
                "{path}: {rid} is wanted for {wanted} and belongs to {owner}"
            ),
            Self::Function => f.write_str("no such device"),
        }
    }
}

/// The windows of a bridge are multiples of this.
const MEMORY_CLOSED: u32 = 0x0000_fff0;
const PREFETCH_CLOSED: u32 = 0x0001_fff1;
const IO_CLOSED: u16 = 0x00f0;

impl Plan {
    /// Programs all BARs and bridge windows, and opens the 64-bit windows that functions have segments of, all of which are
    /// nobody's. Bridges forward from then on; devices stay silent.
    ///
    /// # Errors
    /// [`ApplyError::Host`], [`ApplyError::Config`], [`ApplyError::Bar`].
    pub fn apply(&self, topology: &Topology, host: &mut dyn Ioda) -> Result<(), ApplyError> {
        let root = topology.functions.first().map(|function| function.path);
        let pes = [host.caps().reserved_pe; 8];
        for SharedWindow {
            window,
            base,
            shift,
        } in self.windows.iter().copied()
        {
            host.set_m64(window, Some(M64Map::AnyMap { base, shift, pes }))
                .map_err(|error| ApplyError::Host(root.unwrap_or(Path::root(0)), error))?;
        }
        for (function, plan) in topology.functions.iter().zip(&self.functions) {
            place(function, plan, host)?;
        }
        Ok(())
    }

    /// Programs anew what a reset of the bridge and of all below has undone: bus numbers, what keeps devices apart, BARs and
    /// bridge windows. The bridge has loaded its own tables itself. A function that does not keep its BARs, or is gone,
    /// answers nowhere, and others do.
    ///
    /// # Errors
    /// [`ApplyError::Config`].
    pub fn restore(&self, topology: &Topology, host: &mut dyn Ioda) -> Result<(), ApplyError> {
        // Those above come first, and let config cycles through.
        for (function, plan) in topology.functions.iter().zip(&self.functions) {
            let mut config = ConfigSpace::new(host, function.bdf);
            reopen(&mut config, function)
                .map_err(|error| ApplyError::Config(function.path, error))?;
            match place(function, plan, host) {
                Err(lost @ ApplyError::Bar(..)) => log::warn!("{lost}"),
                done => done?,
            }
        }
        Ok(())
    }

    /// Hands device `index` to its endpoint: its requester id, segments and windows. It decodes memory then,
    /// and masters nothing; what its owner may switch on is [`crate::GuestFunction`]'s.
    ///
    /// # Errors
    /// [`ApplyError::Function`], [`ApplyError::Taken`], [`ApplyError::Host`], [`ApplyError::Config`].
    pub fn activate(
        &self,
        topology: &Topology,
        index: usize,
        host: &mut dyn Ioda,
    ) -> Result<(), ApplyError> {
        let (function, plan) = self.device(topology, index)?;
        give_requesters(function, plan, host)?;
        give_ranges(plan, host, Some(plan.pe))
            .map_err(|error| ApplyError::Host(function.path, error))?;
        let mut config = ConfigSpace::new(host, function.bdf);
        config
            .write16(COMMAND, decoding())
            .map_err(|error| ApplyError::Config(function.path, error))
    }

    /// Takes device `index` back: silent, and in the reserved endpoint with all that was its.
    ///
    /// The caller closes its DMA windows and frees its messages. A shared requester (behind a bridge to
    /// conventional PCI) is taken back with it: others behind that bridge keep their segments, and reach no memory
    /// until they are activated again.
    ///
    /// # Errors
    /// [`ApplyError::Function`], [`ApplyError::Config`], [`ApplyError::Host`].
    pub fn deactivate(
        &self,
        topology: &Topology,
        index: usize,
        host: &mut dyn Ioda,
    ) -> Result<(), ApplyError> {
        let (function, plan) = self.device(topology, index)?;
        let mut config = ConfigSpace::new(host, function.bdf);
        config
            .write16(COMMAND, 0)
            .map_err(|error| ApplyError::Config(function.path, error))?;
        give_ranges(plan, host, None).map_err(|error| ApplyError::Host(function.path, error))?;
        take_requesters(function, host)
    }

    /// Has device `index` reach no memory and raise no message, its requesters being in the reserved endpoint, until
    /// [`Self::attach`].
    ///
    /// # Errors
    /// [`ApplyError::Function`], [`ApplyError::Host`].
    pub fn detach(
        &self,
        topology: &Topology,
        index: usize,
        host: &mut dyn Ioda,
    ) -> Result<(), ApplyError> {
        take_requesters(self.device(topology, index)?.0, host)
    }

    /// Undoes [`Self::detach`].
    ///
    /// # Errors
    /// [`ApplyError::Function`], [`ApplyError::Taken`], [`ApplyError::Host`].
    pub fn attach(
        &self,
        topology: &Topology,
        index: usize,
        host: &mut dyn Ioda,
    ) -> Result<(), ApplyError> {
        let (function, plan) = self.device(topology, index)?;
        give_requesters(function, plan, host)
    }

    fn device<'a>(
        &'a self,
        topology: &'a Topology,
        index: usize,
    ) -> Result<(&'a Function, &'a FunctionPlan), ApplyError> {
        let both = topology.functions.get(index).zip(self.functions.get(index));
        both.filter(|(function, _)| function.is_endpoint())
            .ok_or(ApplyError::Function)
    }
}

/// Gives the segments and what its BARs have of 64-bit windows to `pe`, or takes them back.
#[inline(never)]
fn give_ranges(
    plan: &FunctionPlan,
    host: &mut dyn Ioda,
    pe: Option<PeNumber>,
) -> Result<(), IodaError> {
    for segment in plan.segments.clone() {
        let pe = pe.unwrap_or(host.caps().reserved_pe);
        host.map_m32(M32Segment(segment), pe)?;
    }
    for share in plan.m64.into_iter().flatten() {
        give_share(host, share, pe)?;
    }
    Ok(())
}

/// Gives what a BAR has of 64-bit windows to `pe`, or takes it back. Others' segments of the same window stay.
fn give_share(host: &mut dyn Ioda, share: M64Share, pe: Option<PeNumber>) -> Result<(), IodaError> {
    match share {
        M64Share::Whole(window, map) => host.set_m64(window, pe.map(|_| map)),
        M64Share::Segments {
            window,
            first,
            last,
        } => {
            let pe = pe.unwrap_or(host.caps().reserved_pe);
            let segments = host.m64_segments().ok_or(IodaError::M64Range)?;
            (first..=last).try_for_each(|segment| segments.map_m64(window, segment, pe))
        }
    }
}

/// Programs the BARs of a function and, of a bridge, its windows.
fn place(function: &Function, plan: &FunctionPlan, host: &mut dyn Ioda) -> Result<(), ApplyError> {
    let mut config = ConfigSpace::new(host, function.bdf);
    let wrap = |error| ApplyError::Config(function.path, error);
    write_bars(&mut config, function, plan)?;
    if let Role::Bridge { secondary, .. } = function.role {
        write_windows(&mut config, plan).map_err(wrap)?;
        if secondary != 0 {
            let before = config.read16(COMMAND).map_err(wrap)?;
            let on = (command::MEMORY | command::MASTER) as u16;
            config.write16(COMMAND, before | on).map_err(wrap)?;
        }
    }
    Ok(())
}

fn give_requesters(
    function: &Function,
    plan: &FunctionPlan,
    host: &mut dyn Ioda,
) -> Result<(), ApplyError> {
    for rids in requesters(function, host.caps().rids) {
        host.assign_pe(rids, plan.pe).map_err(|error| match error {
            IodaError::RidTaken(rid, owner) => ApplyError::Taken {
                path: function.path,
                rid,
                wanted: plan.pe,
                owner,
            },
            other => ApplyError::Host(function.path, other),
        })?;
    }
    Ok(())
}

fn take_requesters(function: &Function, host: &mut dyn Ioda) -> Result<(), ApplyError> {
    for rids in requesters(function, host.caps().rids) {
        host.release_pe(rids)
            .map_err(|error| ApplyError::Host(function.path, error))?;
    }
    Ok(())
}

/// The command register of a device that decodes memory and does nothing else.
pub(crate) const fn decoding() -> u16 {
    (command::MEMORY | command::INTX_OFF) as u16
}

/// Under which ids a function's requests reach the host.
fn requesters(function: &Function, rule: RidRule) -> impl Iterator<Item = RidSel> {
    let (own, alias) = match (function.isolation, rule) {
        (Isolation::Alone, _) => (function.rids(), None),
        // A bridge to conventional PCI answers for all below it as device 0 of its secondary bus, or passes their own
        // ids on. One selection holds both: the block of buses that the scan has aligned for that.
        (Isolation::Behind { first, last }, RidRule::OneSelection { .. }) => {
            let buses = u16::from(last.saturating_sub(first)).saturating_add(1);
            let block = RidSel {
                bus: first,
                bus_shift: buses.next_power_of_two().trailing_zeros() as u8,
                device: None,
                function: None,
            };
            (block, None)
        }
        (Isolation::Behind { first, .. }, RidRule::AnySet) => {
            (function.rids(), Some(RidSel::one(Rid::new(first, 0, 0))))
        }
    };
    [own].into_iter().chain(alias)
}

fn write_bars(
    config: &mut ConfigSpace<'_>,
    function: &Function,
    plan: &FunctionPlan,
) -> Result<(), ApplyError> {
    for (index, (bar, place)) in function.bars.iter().zip(&plan.bars).enumerate() {
        let (Some(bar), Some(place)) = (bar, place) else {
            continue;
        };
        let is_wide = matches!(bar.kind, BarKind::Mem64 | BarKind::Mem64Prefetch);
        if !write_bar(config, index as u16, place.pci, is_wide)
            .map_err(|error| ApplyError::Config(function.path, error))?
        {
            return Err(ApplyError::Bar(function.path, index as u8));
        }
    }
    Ok(())
}

/// Writes a BAR and tells whether it kept the address.
pub(crate) fn write_bar(
    config: &mut ConfigSpace<'_>,
    index: u16,
    pci: u64,
    is_wide: bool,
) -> Result<bool, CfgError> {
    let Some(low) = bar_offset(index) else {
        return Ok(false);
    };
    config.write32(low, pci as u32)?;
    let mut kept = u64::from(config.read32(low)? & !0xf);
    if is_wide {
        let Some(high) = low.plus(4) else {
            return Ok(false);
        };
        config.write32(high, (pci >> 32) as u32)?;
        kept |= u64::from(config.read32(high)?) << 32;
    }
    Ok(kept == pci)
}

/// Programs a bridge's windows: the registers hold bits 31:20 of the first and the last address.
fn write_windows(config: &mut ConfigSpace<'_>, plan: &FunctionPlan) -> Result<(), CfgError> {
    let pair = |window: &Window, closed: u32| {
        if window.bytes == 0 {
            return (closed, 0, 0);
        }
        let last = window.base.saturating_add(window.bytes).saturating_sub(1);
        let low = (window.base >> 16 & 0xfff0) as u32 | ((last >> 16 & 0xfff0) as u32) << 16;
        (low, (window.base >> 32) as u32, (last >> 32) as u32)
    };
    config.write16(bridge::IO, IO_CLOSED)?;
    config.write32(bridge::MEMORY, pair(&plan.memory, MEMORY_CLOSED).0)?;
    let (low, base, limit) = pair(&plan.prefetch, PREFETCH_CLOSED);
    config.write32(bridge::PREFETCH, low)?;
    config.write32(bridge::PREFETCH_BASE_UPPER, base)?;
    config.write32(bridge::PREFETCH_LIMIT_UPPER, limit)
}
