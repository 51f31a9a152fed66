//! Two partitions on one bridge: random and malformed calls of theirs, and devices that try what they like.
//!
//! `lpar-pci` gives the functions to the partitions and carries out their calls, as in the hypervisor; `wiring` is what
//! that needs of a machine. Partition 0 owns the first and the third
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
use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use core::fmt::Debug;
use ioda::{BeU64, MsiBlock, PeNumber};
use lock::Mutex;
use lpar::dma::DmaWindows;
use lpar::hcall::cpu::CpuSecurity;
use lpar::hpt::Hpt;
use lpar::mmio::Mmio;
use lpar::pci::{Buid, PciFunction};
use lpar::{GuestRam, Lpar, LparConfig, Processors, Vcpu};
use lpar_pci::{Access, AllSources, Bridges, Given, Owners, Strays, Wish};
use papr_abi::{Liobn, RealAddr, Server};
use spin::Once;
use wiring::{One, Port, Registers, Rest, Shared};

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
    /// The functions of a partition that starts anew go on.
    LeavesFunctionsRunning,
}

impl Mistake {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::ForgetsInvalidations,
        Self::ShiftsMemory,
        Self::MixesFunctions,
        Self::MixesWindows,
        Self::MixesMessages,
        Self::SharesRegisters,
        Self::LeavesFunctionsRunning,
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

impl Owned {
    /// What partition `lpar` was told of a function that it has been given.
    fn of(lpar: usize, given: &Given<Shared>) -> Result<Self, String> {
        let owner = given.owner;
        Ok(Self {
            lpar,
            pe: owner.window.pe,
            window: owner.window,
            block: owner.block.ok_or("a function has no messages")?,
            liobn: given.function.liobn,
            buid: given.function.buid,
            pages: BTreeMap::new(),
        })
    }
}

struct Run {
    shared: &'static Shared,
    owners: Owners,
    lpars: Vec<Lpar>,
    /// The ways to the functions of each.
    accesses: [Vec<&'static Access<Shared>>; 2],
    functions: Vec<Owned>,
    /// Registers of each function that no partition may change: BARs, and bus numbers of the bridges.
    fixed: Vec<(usize, usize, u32)>,
    rng: ChaCha8Rng,
    summary: Summary,
    mistake: Option<Mistake>,
    _pool: Pool,
}

fn text(error: impl Debug) -> String {
    format!("{error:?}")
}

/// The bridge of `chip`, with its functions found and placed.
fn bridge(chip: Chip, pool: &Pool, mistake: Option<Mistake>) -> Result<&'static Shared, String> {
    let mut machine = machine::open(chip, pool, None)?;
    let topology = pci::scan(0, machine.ioda()).map_err(text)?;
    let caps = ioda::Caps {
        m64: None,
        ..*machine.ioda().caps()
    };
    let plan = pci::plan(&topology, &caps).map_err(|error| error.to_string())?;
    plan.apply(&topology, machine.ioda())
        .map_err(|error| error.to_string())?;
    let port = keep(Port {
        flush: machine.flush(),
        irqs: machine.irqs(),
        mistake,
    });
    Ok(keep(Shared {
        port,
        registers: Registers(machine.model()),
        machine: Mutex::new(machine),
        topology,
        plan,
        mixed: Once::new(),
    }))
}

/// Gives each function to its partition, with a window of one of the tables of `pool`.
fn assign(
    shared: &'static Shared,
    pool: &Pool,
    owners: &mut Owners,
) -> Result<Vec<Given<Shared>>, String> {
    let tables = FUNCTIONS.into_iter().zip(pool.tables()).enumerate();
    tables
        .map(|(number, (rid, table))| {
            let mut functions = shared.topology.functions.iter();
            let function = functions.find(|function| function.bdf == rid);
            let function = function.ok_or("a function is not where it was expected")?;
            let wish = Wish {
                window_bytes: (table.cells.len() as u64) << 12,
                msis: MSIS,
            };
            let take = |bytes, _| Some((table.cells.get(..bytes as usize / 8)?, table.real));
            let lpid = lpid(number % 2);
            owners
                .assign(One(shared).all(), &function.path, lpid, wish, take)
                .map_err(|error| error.to_string())
        })
        .collect()
}

/// The logical partition id of partition 0 or 1.
const fn lpid(lpar: usize) -> u32 {
    lpar as u32 + 1
}

/// Makes a mistake with what was given.
fn mix(shared: &Shared, given: &mut [Given<Shared>], mistake: Option<Mistake>) {
    let [first, second, third, ..] = given else {
        return;
    };
    match mistake {
        Some(Mistake::MixesFunctions) => {
            core::mem::swap(&mut first.function.access, &mut second.function.access);
        }
        Some(Mistake::MixesWindows) => {
            core::mem::swap(&mut first.function.liobn, &mut third.function.liobn);
        }
        Some(Mistake::MixesMessages) => {
            let block = second.owner.block;
            let mixed = block.map(|block| (FUNCTIONS[0], block));
            mixed.map(|mixed| shared.mixed.call_once(|| mixed));
        }
        Some(Mistake::SharesRegisters) => first.mmio.extend_from_slice(&second.mmio),
        Some(
            Mistake::ForgetsInvalidations | Mistake::ShiftsMemory | Mistake::LeavesFunctionsRunning,
        )
        | None => {}
    }
}

/// Partition 0 or 1, with what it was given.
fn partition(
    number: usize,
    shared: &'static Shared,
    given: Vec<Given<Shared>>,
    mistake: Option<Mistake>,
) -> Result<Lpar, String> {
    let is_shifted = mistake == Some(Mistake::ShiftsMemory);
    let base = RAM_BASES[number] + if is_shifted { 0x1000 } else { 0 };
    let ram = GuestRam::new(cells(RAM_BYTES as usize / 8), RealAddr(base));
    let (mut windows, mut mmio, mut pci) = (Vec::new(), Vec::new(), Vec::new());
    for function in given {
        windows.push(function.window);
        mmio.extend(function.mmio);
        pci.push(PciFunction::new(function.function));
    }
    Ok(Lpar::new(LparConfig {
        name: format!("p{number}"),
        lpid: lpid(number),
        dma: DmaWindows::new(windows, &ram).map_err(text)?,
        ram,
        hpt: Hpt::new(cells(Hpt::MIN_BYTES as usize / 8)).ok_or("no page table")?,
        mmio: Mmio::new(mmio, RAM_BYTES).map_err(text)?,
        vcpus: vec![Vcpu::new(Server(0), 8 + 8 * number as u32)],
        terminal: &Rest,
        machine: lpar::machine::Machine {
            presenter: &Rest,
            sources: keep(AllSources(One(shared))),
            foreign: keep(Strays(AllSources(One(shared)))),
            tlb: &Rest,
            clock: &Rest,
            threads: &Rest,
            device_memory: &shared.registers,
            caches: &Rest,
            observer: &(),
        },
        pci,
        ethernet: Vec::new(),
        nvram_bytes: 256,
        processors: Processors::Dedicated,
        security: CpuSecurity::EMULATED,
        after_crash: Default::default(),
    }))
}

impl Run {
    fn new(chip: Chip, seed: u64, mistake: Option<Mistake>) -> Result<Self, String> {
        let pool = Pool::take(chip);
        let shared = bridge(chip, &pool, mistake)?;
        let mut owners = Owners::new();
        let mut given = assign(shared, &pool, &mut owners)?;
        mix(shared, &mut given, mistake);
        let mut functions = Vec::new();
        let mut accesses = [Vec::new(), Vec::new()];
        let mut parts = [Vec::new(), Vec::new()];
        for (number, given) in given.into_iter().enumerate() {
            let lpar = number % 2;
            functions.push(Owned::of(lpar, &given)?);
            accesses[lpar].push(given.access);
            parts[lpar].push(given);
        }
        let lpars = parts.into_iter().enumerate();
        let lpars = lpars.map(|(number, given)| partition(number, shared, given, mistake));
        let mut run = Self {
            shared,
            owners,
            lpars: lpars.collect::<Result<_, _>>()?,
            accesses,
            functions,
            fixed: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            summary: Summary::default(),
            mistake,
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
            14 if self.below(4) == 0 => self.restart(lpar)?,
            // A mistake may be that functions are not what their owners hold them for.
            14 if self.mistake.is_none() && self.below(4) == 0 => self.move_one(lpar)?,
            _ => self.hostile()?,
        }
        self.check_all()
    }
}

fn cells(count: usize) -> &'static [BeU64] {
    Vec::leak((0..count).map(|_| BeU64::new(0)).collect())
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

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;
    use ioda::IrqBackend;
    use lpar_pci::Bridge;
    use papr_abi::Irq;

    fn numbers_between_the_sources_of_a_bridge_are_nobodys() {
        for (chip, has_gap) in [(Chip::P7ioc, true), (Chip::Phb3, false)] {
            let run = Run::new(chip, 0, None).expect("it starts");
            let port = run.shared.port();
            let sources = run.lpars[0].machine.sources;
            let mut gaps = port.irqs();
            let gap = gaps.find(|irq| !sources.exists(Irq(*irq)));
            assert_eq!(gap.is_some(), has_gap, "{chip}");
            for irq in port.irqs() {
                let is_source = port.kind(ioda::Irq(irq)).is_some();
                assert_eq!(sources.exists(Irq(irq)), is_source, "{chip} {irq:#x}");
            }
        }
    }

    fn functions_go_from_partition_to_partition() {
        for chip in [Chip::P7ioc, Chip::Phb3] {
            let mut run = Run::new(chip, 1, None).expect("it starts");
            for round in 0..12 {
                for _ in 0..30 {
                    run.step().expect("nothing crosses");
                }
                run.move_one(round % 2).expect("it goes");
                run.check_all().expect("nothing crosses");
            }
            assert!(run.summary.moves >= 8, "{chip}");
        }
    }

    cases::cases!(
        functions_go_from_partition_to_partition,
        numbers_between_the_sources_of_a_bridge_are_nobodys
    );
}
