//! Two partitions on one bridge: random and malformed calls of theirs, and devices that try what they like.
//!
//! `wiring` connects `lpar` and `pci` with a driver as the hypervisor does. Partition 0 owns the first and the third
//! function, partition 1 the second and the fourth; the first two are one device. `calls` makes hcalls and RTAS calls,
//! `checks` has what must hold after each one, by a specification of its own: which page of its owner each page of a
//! window leads to.

mod calls;
mod checks;
mod wiring;

use crate::Chip;
use crate::machine::{self, FUNCTIONS, Pool, keep};
use crate::run::{Failure, Summary};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Debug;
use ioda::{BeU64, MsiBlock, PeNumber, TceTable};
use lpar::dma::{DmaWindow, DmaWindows};
use lpar::hcall::cpu::CpuSecurity;
use lpar::hpt::Hpt;
use lpar::mmio::{Mmio, MmioRange};
use lpar::pci::{BarSpace, Buid, PciBar, PciFunction, PciFunctionConfig, PciIds};
use lpar::{GuestRam, Lpar, LparConfig, Processors, Vcpu};
use papr_abi::{GuestRealAddr, IoAddr, Irq, Liobn, RealAddr, Server};
use pci::{GuestFunction, Intx};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use spin::Mutex;
use wiring::{Access, Flush, Rest, Shared};

/// Bytes of a partition's memory, and where that of partition 0 and 1 is.
pub(crate) const RAM_BYTES: u64 = 1 << 20;
const RAM_BASES: [u64; 2] = [0x4_0000_0000, 0x5_0000_0000];
/// Messages of a function.
const MSIS: u16 = 4;

/// A mistake in what connects partitions with the bridge: the checks have to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// The bridge never hears of changed translations.
    ForgetsInvalidations,
    /// A partition's memory begins a page later than it is told.
    ShiftsMemory,
    /// The first function's way to config space leads to the second.
    MixesFunctions,
    /// Two functions have each other's windows.
    MixesWindows,
    /// The first function is told of the second one's messages.
    MixesMessages,
    /// A partition may map the other's device registers.
    SharesRegisters,
}

impl Mistake {
    /// All.
    pub const ALL: [Self; 6] = [
        Self::ForgetsInvalidations,
        Self::ShiftsMemory,
        Self::MixesFunctions,
        Self::MixesWindows,
        Self::MixesMessages,
        Self::SharesRegisters,
    ];
}

/// What belongs to one function.
struct Owned {
    /// 0 or 1.
    lpar: usize,
    pe: PeNumber,
    window: ioda::DmaWindow,
    block: MsiBlock,
    liobn: Liobn,
    buid: Buid,
    /// The pages that its owner has mapped: page of the partition, permissions.
    pages: BTreeMap<u64, (u64, u64)>,
}

struct Run {
    shared: &'static Shared,
    lpars: Vec<Lpar>,
    functions: Vec<Owned>,
    /// Registers of each function that no partition may change: BARs, and bus numbers of the bridges.
    fixed: Vec<(usize, usize, u32)>,
    rng: ChaCha8Rng,
    summary: Summary,
    _pool: Pool,
}

fn text(error: impl Debug) -> String {
    format!("{error:?}")
}

impl Run {
    fn new(chip: Chip, seed: u64, mistake: Option<Mistake>) -> Result<Self, String> {
        let pool = Pool::take(chip);
        let mut machine = machine::open(chip, &pool, None)?;
        let topology = pci::scan(0, machine.ioda()).map_err(text)?;
        let caps = ioda::Caps {
            m64: None,
            ..*machine.ioda().caps()
        };
        let plan = pci::plan(&topology, &caps).map_err(|error| error.to_string())?;
        plan.apply(&topology, machine.ioda())
            .map_err(|error| error.to_string())?;
        let shared = keep(Shared {
            machine: Mutex::new(machine),
        });
        let mut functions = Vec::new();
        let mut windows = [Vec::new(), Vec::new()];
        let mut mmio = [Vec::new(), Vec::new()];
        let mut accesses = Vec::new();
        let mut indices = Vec::new();
        for (number, rid) in FUNCTIONS.into_iter().enumerate() {
            let lpar = number % 2;
            let found = topology
                .functions
                .iter()
                .position(|function| function.bdf == rid);
            let index = found.ok_or("a function is not where it was expected")?;
            let (function, place) = (&topology.functions[index], &plan.functions[index]);
            let mut machine = shared.machine.lock();
            plan.activate(&topology, index, machine.ioda())
                .map_err(|error| error.to_string())?;
            let table = pool.tables()[number];
            let given =
                TceTable::new(table.cells, table.real, table.page_shift).ok_or("no table")?;
            let window = machine
                .ioda()
                .dma_create(place.pe, &given, None)
                .map_err(text)?;
            let block = machine.msis().msi_alloc(place.pe, MSIS).map_err(text)?;
            drop(machine);
            let guest = GuestFunction::new(function, place, Intx::Denied).ok_or("no function")?;
            let liobn = Liobn(0x8000_0000 | number as u32);
            windows[lpar].push((number, liobn, window, table.cells));
            let registers = place.bars.iter().flatten().map(|bar| MmioRange {
                start: GuestRealAddr(bar.real),
                bytes: bar.bytes.next_multiple_of(pci::BAR_STEP),
            });
            mmio[lpar].extend(registers);
            accesses.push((guest, block));
            indices.push(index);
            functions.push(Owned {
                lpar,
                pe: place.pe,
                window,
                block,
                liobn,
                buid: Buid(0x0800_0000_0000_0000 | u64::from(liobn.0)),
                pages: BTreeMap::new(),
            });
        }
        if mistake == Some(Mistake::SharesRegisters) {
            let theirs: Vec<MmioRange> = mmio[1].clone();
            mmio[0].extend(theirs);
        }
        if mistake == Some(Mistake::MixesMessages) {
            let (left, right) = accesses.split_at_mut(1);
            core::mem::swap(&mut left[0].1, &mut right[0].1);
        }
        if mistake == Some(Mistake::MixesFunctions) {
            let (left, right) = accesses.split_at_mut(1);
            core::mem::swap(&mut left[0].0, &mut right[0].0);
        }
        let ways: Vec<&'static Access> = accesses
            .into_iter()
            .zip(&functions)
            .map(|((guest, block), owned)| {
                keep(Access {
                    shared,
                    state: Mutex::new(guest),
                    block,
                    first: Irq(owned.block.first.0),
                })
            })
            .collect();
        let mut lpars = Vec::new();
        for (number, (windows, mmio)) in windows.into_iter().zip(mmio).enumerate() {
            let base = RAM_BASES[number]
                + if mistake == Some(Mistake::ShiftsMemory) {
                    0x1000
                } else {
                    0
                };
            let ram = GuestRam::new(cells(RAM_BYTES as usize / 8), RealAddr(base));
            let mut made = Vec::new();
            let mixed = mistake == Some(Mistake::MixesWindows);
            for (nth, (_, liobn, window, table)) in windows.iter().enumerate() {
                let liobn = if mixed { windows[1 - nth].1 } else { *liobn };
                let flush = keep(Flush {
                    shared,
                    window: *window,
                    mistake,
                });
                made.push(
                    DmaWindow::new(
                        liobn,
                        IoAddr(window.bus_base),
                        window.page_shift,
                        table,
                        flush,
                    )
                    .map_err(text)?,
                );
            }
            let pci = (0..FUNCTIONS.len())
                .filter(|index| index % 2 == number)
                .map(|index| {
                    let (owned, place) = (&functions[index], &plan.functions[indices[index]]);
                    PciFunction::new(PciFunctionConfig {
                        buid: owned.buid,
                        location: topology.functions[indices[index]].path.to_string(),
                        ids: PciIds::default(),
                        bars: bars(place),
                        lsi: None,
                        first_msi: Irq(owned.block.first.0),
                        reserved_msis: owned.block.count.into(),
                        msi_capability: 8,
                        msix_capability: 0,
                        liobn: owned.liobn,
                        window_start: owned.window.bus_base,
                        window_bytes: owned.window.bytes,
                        access: ways[index],
                    })
                });
            let pci: Vec<PciFunction> = pci.collect();
            lpars.push(Lpar::new(LparConfig {
                name: format!("p{number}"),
                lpid: number as u32 + 1,
                dma: DmaWindows::new(made, &ram).map_err(text)?,
                ram,
                hpt: Hpt::new(cells(Hpt::MIN_BYTES as usize / 8)).ok_or("no page table")?,
                mmio: Mmio::new(mmio, RAM_BYTES).map_err(text)?,
                vcpus: vec![Vcpu::new(Server(0), 8 + 8 * number as u32)],
                processors: Processors::Dedicated,
                terminal: &Rest,
                machine: lpar::machine::Machine {
                    presenter: &Rest,
                    sources: shared,
                    foreign: &Rest,
                    tlb: &Rest,
                    clock: &Rest,
                    threads: &Rest,
                    device_memory: shared,
                    caches: &Rest,
                },
                pci,
                nvram_bytes: 256,
                security: CpuSecurity::EMULATED,
            }));
        }
        let mut run = Self {
            shared,
            lpars,
            functions,
            fixed: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            summary: Summary::default(),
            _pool: pool,
        };
        run.note_fixed();
        run.check_all()?;
        Ok(run)
    }

    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.rng.next_u64() % end.max(1)
    }

    /// One of `choices`.
    fn choose<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let index = self.below(choices.len() as u64) as usize;
        choices.get(index).copied()
    }

    fn step(&mut self) -> Result<(), String> {
        self.summary.steps += 1;
        let lpar = self.below(2) as usize;
        match self.below(16) {
            0..=5 => self.translate(lpar)?,
            6 | 7 => self.map_page(lpar)?,
            8 | 9 => self.any_hcall(lpar),
            10..=13 => self.rtas_apart(lpar)?,
            _ => self.hostile()?,
        }
        self.check_all()
    }
}

fn cells(count: usize) -> &'static [BeU64] {
    Vec::leak((0..count).map(|_| BeU64::new(0)).collect())
}

fn bars(place: &pci::FunctionPlan) -> Vec<PciBar> {
    let placed = place.bars.iter().zip(0..);
    placed
        .filter_map(|(bar, index)| {
            let bar = bar.as_ref()?;
            Some(PciBar {
                index,
                bus: bar.pci,
                real: RealAddr(bar.real),
                bytes: bar.bytes,
                space: BarSpace::Memory32,
                prefetchable: false,
            })
        })
        .collect()
}

/// Runs a program of `steps` steps made from `seed`.
///
/// # Errors
/// What went wrong.
pub fn run_lpars_seed(chip: Chip, seed: u64, steps: u64) -> Result<Summary, Box<Failure>> {
    run_lpars_with(chip, seed, steps, None)
}

/// As [`run_lpars_seed`], with a mistake in what connects the partitions with the bridge.
///
/// # Errors
/// What went wrong.
pub fn run_lpars_with(
    chip: Chip,
    seed: u64,
    steps: u64,
    mistake: Option<Mistake>,
) -> Result<Summary, Box<Failure>> {
    let fail = |step: u64, what: String| {
        Box::new(Failure {
            chip,
            seed: Some(seed),
            program: Vec::new(),
            what: format!("partitions, step {step}: {what}"),
        })
    };
    let mut run = Run::new(chip, seed, mistake).map_err(|what| fail(0, what))?;
    for step in 1..=steps {
        run.step().map_err(|what| fail(step, what))?;
    }
    Ok(run.summary)
}
