//! Partitions of this machine: made from the bundle. [`life`] starts, restarts and ends them;
//! [`handover`] moves a function from one to another.

use crate::bridge::Bridge;
use crate::stop::{self, Reason};
use crate::{
    clock, console, devices, ethernet, idle, memory, pool, presenter, soft, sources, thread, trace,
};
use alloc::vec::Vec;
use bundle::{Bundle, Console};
use lock::Mutex;
use lpar::dma::DmaWindows;
use lpar::hcall::cpu::CpuSecurity;
use lpar::hpt::Hpt;
use lpar::machine::{Machine, Terminal};
use lpar::mmio::Mmio;
use lpar::{AfterCrash, GuestRam, Life, Lpar, LparConfig, PoolShare, Processors, Vcpu};
use lpar_pci::Access;
use papr_abi::{RealAddr, Server};
use powernv::{CpuModel, MachineInfo};
use ppc64::spr::{lpcr, timebase};
use ppc64::{guest, power};
use spin::Once;

pub(crate) mod handover;
mod life;

/// Bytes of a partition's non-volatile memory.
const NVRAM_BYTES: usize = 8 * 1024;
/// Ticks in a microsecond, for the messages.
const MICROSECOND: u64 = 512;

/// A partition with what the machine layer needs to run it.
pub(crate) struct Partition {
    /// The partition itself.
    pub(crate) lpar: Lpar,
    pub(crate) image: bundle::Partition<'static>,
    cpu: &'static CpuModel<'static>,
    /// The way to each of its functions.
    pub(crate) accesses: Mutex<Vec<&'static Access<Bridge>>>,
    real_mode: RealMode,
    sdr1: u64,
    /// The stage of its life, and which of its lives it is in.
    pub(crate) life: Life,
    loading: life::Loading,
}

static PARTITIONS: Once<Vec<Partition>> = Once::new();
/// Returns all partitions, by rising id.
pub(crate) fn all() -> &'static [Partition] {
    PARTITIONS.get().map_or(&[], Vec::as_slice)
}

/// Returns the partition with logical partition id `lpid`.
#[inline(never)]
pub(crate) fn find(lpid: u32) -> Option<&'static Partition> {
    all().iter().find(|partition| partition.lpar.lpid == lpid)
}

/// The real mode area of a partition: what its processors reach without translation.
/// Source: Power ISA 2.07, Book III-S 5.7.3.3 (RMOR, LPCR RMLS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RealMode {
    /// Its size.
    pub(crate) bytes: u64,
    /// LPCR field RMLS.
    selector: u64,
}

/// The real mode limits used, largest first: those whose selector is even. QEMU 10.0 takes the low
/// bit of the field on POWER8 for POWER10's HAIL, and would deliver every interrupt of the
/// hypervisor's with translation on.
const LIMITS: [RealMode; 4] = [
    RealMode {
        bytes: 256 << 30,
        selector: 0,
    },
    RealMode {
        bytes: 1 << 30,
        selector: 2,
    },
    RealMode {
        bytes: 256 << 20,
        selector: 4,
    },
    RealMode {
        bytes: 32 << 20,
        selector: 8,
    },
];

impl RealMode {
    /// Returns the largest that is no larger than the partition, and than what Linux uses on POWER8.
    fn of(memory_bytes: u64) -> Option<Self> {
        /// Linux takes no more on POWER8; larger ones would only need larger alignment.
        const MOST: u64 = 1 << 30;
        LIMITS
            .into_iter()
            .find(|limit| limit.bytes <= memory_bytes.min(MOST))
    }
}

macro_rules! refuse {
    ($($message:tt)*) => {{
        log::error!($($message)*);
        stop::machine(Reason::BadBundle)
    }};
}

/// Makes all partitions of the bundle and starts their first processors; they run once their threads
/// do. Stops the machine when the bundle is bad or asks for what the machine does not have.
pub(crate) fn start_all(info: &'static MachineInfo<'static>) {
    let Some(range) = info.initrd.as_ref() else {
        refuse!(
            "no bundle: the machine was given no initrd; make one with `cargo xtask bundle` and pass it there"
        )
    };
    let bytes = memory::reserved_bytes(crate::probe::range(range));
    let start = timebase();
    if let Err(error) = Bundle::check_crc(bytes) {
        refuse!("bundle: {error}")
    }
    let bundle = match Bundle::parse(bytes) {
        Ok(bundle) => bundle,
        Err(error) => refuse!("bundle: {error}"),
    };
    log::info!(
        "bundle: {} KiB, {} partition(s), checked in {} us",
        bundle.total_bytes() / 1024,
        bundle.partitions().count(),
        timebase().wrapping_sub(start) / MICROSECOND
    );
    wait_for_threads(info);
    let threads = info.threads();
    let last = threads.filter_map(|thread| boot::thread_index(thread.pir));
    if trace::start(last.max().map_or(0, |last| last + 1)).is_err() {
        refuse!("memory: none is left for the trace")
    }
    let mut pirs = info
        .threads()
        .map(|thread| thread.pir)
        .filter(|&pir| boot::thread_index(pir).is_some());
    let have = pirs.clone().count();
    let wanted: u64 = bundle
        .partitions()
        .filter(|partition| partition.processors == bundle::Processors::Dedicated)
        .map(|partition| u64::from(partition.cpus))
        .sum();
    if wanted > have as u64 {
        refuse!(
            "bundle: the partitions want {wanted} cpus, the machine has {have}: lower `cpus` or add some"
        )
    }
    let numbered = || (1..).zip(bundle.partitions());
    let with_console = numbered().filter(|(_, image)| image.console == Console::Vty);
    if console::open(with_console.map(|(lpid, image)| (lpid, image.name))).is_err() {
        refuse!("memory: none is left for the consoles")
    }
    let mut handles = pool::FIRST_HANDLE..;
    let mut partitions = Vec::new();
    for (lpid, image) in numbered() {
        partitions.push(make(
            lpid,
            image,
            &info.cpu,
            &mut pirs,
            &mut handles,
            terminal(lpid),
        ));
    }
    life::count(partitions.len());
    let partitions = PARTITIONS.call_once(|| partitions);
    ethernet::connect(partitions);
    devices::report();
    let names = partitions
        .iter()
        .map(|partition| (partition.lpar.lpid, partition.image.name));
    crate::map::print_if_asked(info.bootargs, names);
    crate::errors::start(partitions);
    crate::freeze::arm(info.bootargs);
    let memory = memory_use();
    log::info!(
        "memory: {} KiB of the hypervisor's, {} MiB lent to partitions, {} MiB free, {} KiB of heap used",
        memory.own / 1024,
        memory.lent >> 20,
        memory.free >> 20,
        memory.heap / 1024
    );
    make_pool(info, partitions, &pirs.collect::<Vec<u32>>());
    for partition in partitions {
        for vcpu in &partition.lpar.vcpus {
            if let Some(index) = boot::thread_index(vcpu.pir) {
                thread::assign(index, partition, vcpu);
            }
        }
        partition.launch();
    }
}

/// Returns how the machine's memory is used.
pub(crate) fn memory_use() -> monitor::Memory {
    let (taken, free, heap) = memory::usage();
    let lent = all()
        .iter()
        .map(|partition| partition.lpar.ram.bytes())
        .sum();
    monitor::Memory {
        own: taken.saturating_sub(lent) + crate::image_end(),
        lent,
        free,
        heap,
    }
}

/// Makes the pool of those of `partitions` whose processors are shared, on the threads in `left`.
fn make_pool(info: &MachineInfo<'_>, partitions: &'static [Partition], left: &[u32]) {
    let shared =
        |partition: &&'static Partition| partition.lpar.processors != Processors::Dedicated;
    let shared: Vec<&'static Partition> = partitions.iter().filter(shared).collect();
    if shared.is_empty() {
        return;
    }
    // The threads of a core are of one partition at a time: one of them, if all are left.
    let threads = info.cores.iter().filter_map(|core| {
        let all_left = core.threads.iter().all(|thread| left.contains(&thread.pir));
        core.threads.first().filter(|_| all_left)
    });
    let threads: Vec<u32> = threads.map(|thread| thread.pir).collect();
    if let Err(error) = pool::start(&threads, shared, info.cpu.timebase_hz.into()) {
        refuse!("bundle: {error}: lower `entitlement` or `cpus`, or add some")
    }
}

/// Waits until all threads that the device tree names have come in from reset, or for some time.
fn wait_for_threads(info: &MachineInfo<'_>) {
    /// A tenth of a second: threads start together.
    const PATIENCE: u64 = 51_200_000;
    let start = timebase();
    for thread in info.threads() {
        while boot::thread_index(thread.pir).is_none() {
            if timebase().wrapping_sub(start) > PATIENCE {
                log::warn!(
                    "thread {:#x} has not come in from reset: it is not used",
                    thread.pir
                );
                break;
            }
            power::relax();
        }
    }
}

/// The terminal of a partition without a console: takes everything, gives nothing.
struct Nowhere;

impl Terminal for Nowhere {
    fn put(&self, bytes: &[u8]) -> usize {
        bytes.len()
    }
    fn room(&self) -> usize {
        usize::MAX
    }
    fn get(&self, _: &mut [u8]) -> usize {
        0
    }
}

fn terminal(lpid: u32) -> &'static dyn Terminal {
    match console::of(lpid) {
        Some(console) => console,
        None => &Nowhere,
    }
}

/// Makes one partition: memory, page table, devices, processors.
fn make(
    lpid: u32,
    image: bundle::Partition<'static>,
    cpu: &'static CpuModel<'static>,
    pirs: &mut impl Iterator<Item = u32>,
    handles: &mut impl Iterator<Item = u32>,
    terminal: &'static dyn Terminal,
) -> Partition {
    let name = image.name;
    let Some(real_mode) = RealMode::of(image.memory_bytes) else {
        refuse!(
            "partition {name}: memory: {} MiB is too little: 32 MiB at least",
            image.memory_bytes >> 20
        )
    };
    let (cells, base) = match memory::take(image.memory_bytes, real_mode.bytes) {
        Ok(memory) => memory,
        Err(_) => {
            let (_, free, _) = memory::usage();
            refuse!(
                "partition {name}: memory: the machine has no {} MiB in one piece at a multiple of {} MiB ({} MiB free)",
                image.memory_bytes >> 20,
                real_mode.bytes >> 20,
                free >> 20
            )
        }
    };
    let ram = GuestRam::new(cells, RealAddr(base));
    // 1/128 of memory, as LoPAR advises for 4 KiB pages.
    let hpt_bytes = (image.memory_bytes / 128)
        .next_power_of_two()
        .max(Hpt::MIN_BYTES);
    let table = memory::take(hpt_bytes, hpt_bytes).ok();
    let Some((hpt, sdr1)) = table.and_then(|(cells, real)| {
        let hpt = Hpt::new(cells)?;
        // SDR1: address of the table, and log2 of its size in units of 2^18.
        let sdr1 = real | u64::from(hpt.log2_bytes() - 18);
        Some((hpt, sdr1))
    }) else {
        refuse!("partition {name}: memory: no {hpt_bytes} bytes are left for its page table")
    };
    let owned = devices::assign(lpid, &image);
    let mmio = match Mmio::new(owned.mmio, image.memory_bytes) {
        Ok(mmio) => mmio,
        Err(error) => {
            refuse!("partition {name}: devices: their registers cannot be given: {error}")
        }
    };
    let vcpus = |known_by: &mut dyn Iterator<Item = u32>| {
        let numbered = (0..image.cpus).zip(known_by);
        numbered
            .map(|(server, pir)| Vcpu::new(Server(server), pir))
            .collect()
    };
    let (processors, vcpus, machine) = match image.processors {
        bundle::Processors::Dedicated => (Processors::Dedicated, vcpus(pirs), machine()),
        bundle::Processors::Shared {
            entitlement,
            weight,
        } => {
            let share = PoolShare {
                entitlement,
                weight,
            };
            let machine = Machine {
                presenter: &soft::SoftPresenter,
                sources: &soft::SoftSources,
                threads: &soft::SoftKicker,
                ..machine()
            };
            (Processors::Shared(share), vcpus(handles), machine)
        }
    };
    let mut windows = owned.windows;
    let ethernet = match ethernet::make(&image) {
        Ok((adapters, more)) => {
            windows.extend(more);
            adapters
        }
        Err(problem) => {
            refuse!("partition {name}: ethernet: an adapter cannot be made: {problem}")
        }
    };
    let dma = match DmaWindows::new(windows, &ram) {
        Ok(dma) => dma,
        Err(error) => {
            refuse!("partition {name}: devices: their DMA windows cannot be given: {error}")
        }
    };
    let lpar = Lpar::new(LparConfig {
        name: name.into(),
        lpid,
        ram,
        hpt,
        mmio,
        vcpus,
        processors,
        terminal,
        machine,
        dma,
        pci: owned.functions,
        ethernet,
        nvram_bytes: NVRAM_BYTES,
        security: CpuSecurity::CAUTIOUS,
        after_crash: match image.after_crash {
            bundle::AfterCrash::GoOn => AfterCrash::GoOn,
            bundle::AfterCrash::Restart => AfterCrash::Restart,
            bundle::AfterCrash::Stop => AfterCrash::Stop,
        },
    });
    log::info!(
        "partition {name}: {} MiB at {base:#x}, real mode area {} MiB, page table {} KiB, {} cpu(s)",
        image.memory_bytes >> 20,
        real_mode.bytes >> 20,
        hpt_bytes >> 10,
        image.cpus
    );
    Partition {
        lpar,
        image,
        cpu,
        accesses: Mutex::new(owned.accesses),
        real_mode,
        sdr1,
        life: Life::new(),
        loading: life::Loading::new(),
    }
}

fn machine() -> Machine {
    Machine {
        presenter: &presenter::ICP,
        sources: &sources::SOURCES,
        foreign: &sources::FOREIGN,
        tlb: &presenter::TLB,
        clock: &clock::CLOCK,
        threads: &idle::Kicker,
        device_memory: crate::host::DEVICE_MEMORY,
        caches: &presenter::CACHES,
        observer: &crate::trace::Tracer,
    }
}

impl Partition {
    /// Returns how many bytes its processors reach without translation.
    pub(crate) const fn real_mode_bytes(&self) -> u64 {
        self.real_mode.bytes
    }

    /// Returns the registers that make a thread this partition's.
    pub(crate) fn registers(&self) -> guest::Partition {
        let mode = self.lpar.modes.get();
        let external = match self.lpar.processors {
            Processors::Dedicated => lpcr::LPES,
            // The hypervisor takes them, but for a time: see `pool`.
            Processors::Shared(_) => lpcr::LPES & !lpcr::LPES0,
        };
        let mut lpcr = self.real_mode.selector << lpcr::RMLS_SHIFT
            | (mode.ail as u64) << lpcr::AIL_SHIFT
            | 4 << lpcr::DPFD_SHIFT
            | lpcr::ONL
            | lpcr::WAKE
            | external
            | lpcr::HDICE;
        if mode.little_endian {
            lpcr |= lpcr::ILE;
        }
        guest::Partition {
            lpid: self.lpar.lpid,
            sdr1: self.sdr1,
            rmor: self.lpar.ram.base().0,
            lpcr,
        }
    }
}
