//! Giving functions to partitions: [`Owners`].

use crate::{Access, AssignError, Bridge, Flush, HostBridge, describe};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use ioda::{BeU64, Caps, DmaModel, MsiBlock, TceTable};
use lpar::dma::DmaWindow;
use lpar::mmio::MmioRange;
use lpar::pci::{Buid, PciAccess, PciFunctionConfig};
use papr_abi::{IoAddr, Irq, Liobn};
use pci::{Function, GuestFunction, Intx, Path};

/// The most messages a function is given: one block of the bridge, whose messages share an address.
const MOST_MSIS: u16 = 32;
/// log2 of the bytes of a page of a window.
const PAGE_SHIFT: u8 = 12;
/// Bytes that a table is aligned to at least.
const TABLE_ALIGN: u64 = 4096;

/// What a partition is to have of a function.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Bytes of its DMA window, a power of two. The window is larger where the bridge has no windows as small.
    pub window_bytes: u64,
    /// Message interrupts it may have; as many are reserved as one block has, a power of two, and 1 at least.
    pub msis: u16,
}

/// Who owns a function, and what else was given with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The bridge, by place among the machine's.
    pub bridge: usize,
    /// The function, by place in the bridge's topology.
    pub index: usize,
    /// The partition's logical partition id.
    pub lpid: u32,
    /// The machine's number of the source that its wire ends at, if that is all its own.
    pub lsi: Option<u32>,
    /// Its DMA window.
    pub window: ioda::DmaWindow,
    /// Its message interrupts.
    pub block: Option<MsiBlock>,
}

/// A function that was given, in the words of `lpar`.
pub struct Given<B: 'static> {
    /// Who has what of it now.
    pub owner: Owner,
    /// Its registers.
    pub mmio: Vec<MmioRange>,
    /// Its DMA window.
    pub window: DmaWindow,
    /// The function; its `access` is the one below.
    pub function: PciFunctionConfig,
    /// The way to it.
    pub access: &'static Access<B>,
}

/// Which functions belong to whom.
#[derive(Debug, Default)]
pub struct Owners {
    pub(crate) list: Vec<Owner>,
}

/// A function, where it was found.
struct Found<'a, B: 'static> {
    number: usize,
    bridge: &'static B,
    index: usize,
    function: &'a Function,
    plan: &'a pci::FunctionPlan,
}

impl Owners {
    /// Nothing is anybody's.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// Iterates over all that were given.
    pub fn iter(&self) -> core::slice::Iter<'_, Owner> {
        self.list.iter()
    }

    /// Gives the function at `path` to partition `lpid`: its endpoint with requester, segments and windows, a DMA window
    /// that translates nothing yet, messages, all masked, and its wire if no other function has that. It decodes memory
    /// then and masters nothing.
    ///
    /// `take` gives zeroed memory, for good: so many bytes, aligned to so many, with their real address.
    ///
    /// # Errors
    /// [`AssignError`], in the order of its variants up to [`AssignError::Table`]; then what the bridge refuses.
    pub fn assign<B: Bridge>(
        &mut self,
        bridges: &'static [B],
        path: &Path,
        lpid: u32,
        wish: Wish,
        take: impl FnOnce(u64, u64) -> Option<(&'static [BeU64], u64)>,
    ) -> Result<Given<B>, AssignError> {
        let found = find(bridges, path).ok_or(AssignError::NoFunction)?;
        if !found.function.is_endpoint() {
            return Err(AssignError::Bridge);
        }
        self.check_free(&found)?;
        let lsi = self.free_wire(&found);
        let guest =
            GuestFunction::new(found.function, found.plan, intx(lsi)).ok_or(AssignError::Bridge)?;
        let (window_bytes, msis) = found.bridge.locked(|host| {
            let bytes = window_bytes(host.caps(), wish.window_bytes);
            let has_messages = found.function.msi.is_some() || found.function.msix.is_some();
            let most = wish.msis.min(MOST_MSIS).min(host.msi_block_max());
            (bytes, has_messages.then_some(1 << most.max(1).ilog2()))
        });
        let table = table(window_bytes, take)?;
        let (window, block, translations) = hand_over(&found, &table, msis)?;
        if lsi.is_none() && found.function.intx.is_some() {
            log::warn!(
                "{}: its INTx wire is another function's: it has messages only",
                found.function
            );
        }
        let owner = Owner {
            bridge: found.number,
            index: found.index,
            lpid,
            lsi,
            window,
            block,
        };
        self.list.push(owner);
        let access: &'static Access<B> = keep(Access::new(
            found.bridge,
            found.index,
            found.plan.pe,
            guest,
            block,
            table,
        ));
        access.release_msi();
        Ok(Given {
            owner,
            mmio: describe::pages(found.plan),
            function: describe(&found, &owner, &translations, access),
            window: translations,
            access,
        })
    }

    /// Refuses what somebody has. Behind a bridge to conventional PCI several functions are one requester, so one endpoint.
    fn check_free<B: Bridge>(&self, found: &Found<'_, B>) -> Result<(), AssignError> {
        let mut here = self
            .list
            .iter()
            .filter(|owner| owner.bridge == found.number);
        let same = here.clone().find(|owner| owner.index == found.index);
        if let Some(owner) = same {
            return Err(AssignError::Owned(owner.lpid));
        }
        let plans = &found.bridge.plan().functions;
        let sharing = here.find(|owner| {
            plans
                .get(owner.index)
                .is_some_and(|other| other.pe == found.plan.pe)
        });
        match sharing {
            Some(owner) => Err(AssignError::Shared(owner.lpid)),
            None => Ok(()),
        }
    }

    /// The source of the function's wire, if nobody has it.
    fn free_wire<B: Bridge>(&self, found: &Found<'_, B>) -> Option<u32> {
        let irq = describe::wire(found.bridge, found.function)?;
        let is_taken = self.list.iter().any(|owner| owner.lsi == Some(irq));
        (!is_taken).then_some(irq)
    }
}

/// What a function with this source of its wire is told of that.
pub(crate) const fn intx(lsi: Option<u32>) -> Intx {
    match lsi {
        Some(_) => Intx::Granted,
        None => Intx::Denied,
    }
}

fn find<B: Bridge>(bridges: &'static [B], path: &Path) -> Option<Found<'static, B>> {
    let mut numbered = bridges.iter().enumerate();
    let (number, bridge) = numbered.find(|(_, bridge)| bridge.index() == path.phb())?;
    let (index, function) = bridge.topology().find(path)?;
    let plan = bridge.plan().functions.get(index)?;
    Some(Found {
        number,
        bridge,
        index,
        function,
        plan,
    })
}

/// The bytes of a DMA window for which `bytes` are asked: where windows lie in slots of one address space, half a slot is
/// the least.
pub(crate) fn window_bytes(caps: &Caps, bytes: u64) -> u64 {
    match caps.dma {
        DmaModel::SharedSlots { slot_shift, .. } => {
            bytes.max(1u64.wrapping_shl(u32::from(slot_shift).saturating_sub(1)))
        }
        DmaModel::PerPe { .. } => bytes,
    }
}

fn table(
    window_bytes: u64,
    take: impl FnOnce(u64, u64) -> Option<(&'static [BeU64], u64)>,
) -> Result<TceTable, AssignError> {
    let entries = window_bytes >> PAGE_SHIFT;
    let bytes = entries.checked_mul(8).ok_or(AssignError::Table)?;
    let (cells, real) = take(bytes, bytes.max(TABLE_ALIGN)).ok_or(AssignError::Memory(entries))?;
    TceTable::new(cells, real, PAGE_SHIFT).ok_or(AssignError::Table)
}

/// Has the bridge give the function to its endpoint, with a window and `msis` messages; takes it back if it cannot.
fn hand_over<B: Bridge>(
    found: &Found<'_, B>,
    table: &TceTable,
    msis: Option<u16>,
) -> Result<(ioda::DmaWindow, Option<MsiBlock>, DmaWindow), AssignError> {
    let (topology, plan) = (found.bridge.topology(), found.bridge.plan());
    found.bridge.locked(|host| {
        plan.activate(topology, found.index, host)
            .map_err(AssignError::Activate)?;
        let given = open(found, host, table, msis);
        if given.is_err()
            && let Err(error) = plan.deactivate(topology, found.index, host)
        {
            log::warn!("{}: it cannot be taken back: {error}", found.function);
        }
        given
    })
}

/// Opens its window and takes its messages, or neither.
fn open<B: Bridge>(
    found: &Found<'_, B>,
    host: &mut dyn HostBridge,
    table: &TceTable,
    msis: Option<u16>,
) -> Result<(ioda::DmaWindow, Option<MsiBlock>, DmaWindow), AssignError> {
    let pe = found.plan.pe;
    let window = host
        .dma_create(pe, table, None)
        .map_err(AssignError::Window)?;
    let flush = keep(Flush::new(found.bridge.port(), window));
    let first = IoAddr(window.bus_base);
    let made = DmaWindow::new(liobn(found), first, PAGE_SHIFT, table.cells, flush)
        .map_err(AssignError::Dma)
        .and_then(|made| {
            let block = msis.map(|count| host.msi_alloc(pe, count)).transpose();
            block
                .map(|block| (window, block, made))
                .map_err(AssignError::Messages)
        });
    if made.is_err()
        && let Err(error) = host.dma_destroy(&window)
    {
        log::warn!("{}: its window stays open: {error}", found.function);
    }
    made
}

/// The number of its window, which no other function of the machine's has: each endpoint has one.
fn liobn<B: Bridge>(found: &Found<'_, B>) -> Liobn {
    Liobn(0x8000_0000 | u32::from(found.bridge.index()) << 16 | u32::from(found.plan.pe.0))
}

fn describe<B: Bridge>(
    found: &Found<'_, B>,
    owner: &Owner,
    window: &DmaWindow,
    access: &'static Access<B>,
) -> PciFunctionConfig {
    let function = found.function;
    let liobn = window.liobn();
    PciFunctionConfig {
        buid: Buid(0x0800_0000_0000_0000 | u64::from(liobn.0)),
        location: format!("{}", function.path),
        ids: describe::ids(function),
        bars: describe::bars(function, found.plan),
        lsi: owner.lsi.map(Irq),
        first_msi: Irq(owner.block.map_or(0, |block| block.first.0)),
        reserved_msis: owner.block.map_or(0, |block| block.count.into()),
        msi_capability: function.msi.map_or(0, |cap| cap.vectors.into()),
        msix_capability: function.msix.map_or(0, |cap| cap.vectors.into()),
        liobn,
        window_start: window.first().0,
        window_bytes: window.bytes(),
        access,
        recovery: access.recovery(),
    }
}

fn keep<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}
