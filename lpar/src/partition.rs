//! A logical partition: all that it owns.

use crate::devices::Devices;
use crate::dma::{DmaWindows, Scratch};
use crate::epow::Epow;
use crate::hcall::cpu::CpuSecurity;
use crate::hcall::mode::Modes;
use crate::hpt::Hpt;
use crate::lines::Lines;
use crate::machine::{Machine, Terminal};
use crate::mmio::Mmio;
use crate::nvram::Nvram;
use crate::pci::PciFunction;
use crate::refusal::Refusals;
use crate::rtas::{self, Panel};
use crate::{GuestRam, Refusal, Vcpu, vio};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed,
};
use llan::Adapter;
use papr_abi::{HError, RealAddr, Server};
use still::Still;

/// Where a partition's virtual processors run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processors {
    /// Each has a thread of the machine to itself.
    Dedicated,
    /// They share a pool of threads with those of other partitions.
    Shared(PoolShare),
}

/// What a partition has of the pool of threads that it shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShare {
    /// What it is entitled to, hundredths of a processor.
    pub entitlement: u32,
    /// Its weight among those who want what is left over; 0 when it is capped.
    pub weight: u8,
}

/// What follows when a partition tells that it has crashed (ibm,os-term).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterCrash {
    /// It goes on, and does what it is set up to do.
    #[default]
    GoOn,
    /// It begins anew.
    Restart,
    /// It is stopped.
    Stop,
}

/// What a partition is made from.
pub struct LparConfig {
    /// Its name, for people.
    pub name: String,
    /// Its logical partition id, 1 and up; 0 is the hypervisor's.
    pub lpid: u32,
    /// Its memory.
    pub ram: GuestRam,
    /// Its page table.
    pub hpt: Hpt,
    /// Its device memory.
    pub mmio: Mmio,
    /// Its DMA windows.
    pub dma: DmaWindows,
    /// Its virtual processors, by server number.
    pub vcpus: Vec<Vcpu>,
    /// Where these run.
    pub processors: Processors,
    /// Its terminal.
    pub terminal: &'static dyn Terminal,
    /// The machine.
    pub machine: Machine,
    /// Its PCI functions.
    pub pci: Vec<PciFunction>,
    /// Its virtual Ethernet adapters, made with [`vio::settings`](crate::vio::settings); their windows are among `dma`.
    pub ethernet: Vec<&'static Adapter>,
    /// Bytes of its non-volatile memory.
    pub nvram_bytes: usize,
    /// What H_GET_CPU_CHARACTERISTICS answers.
    pub security: CpuSecurity,
    /// What follows when it has crashed.
    pub after_crash: AfterCrash,
}

/// A logical partition: shared by all its processors, so all of it is atomics or behind small locks.
pub struct Lpar {
    /// Its name, for people.
    pub name: String,
    /// Its logical partition id.
    pub lpid: u32,
    /// Its memory.
    pub ram: GuestRam,
    /// Its page table.
    pub hpt: Hpt,
    /// Its devices, which are reached as its own fields. They change only while it is off.
    pub devices: Still<Devices>,
    /// Its virtual processors, by server number.
    pub vcpus: Vec<Vcpu>,
    /// Where these run.
    pub processors: Processors,
    /// Its terminal.
    pub terminal: &'static dyn Terminal,
    /// One caller at a time decides whether its bytes fit the terminal.
    pub(crate) terminal_turn: lock::Mutex<()>,
    /// The machine.
    pub machine: Machine,
    /// Its virtual Ethernet adapters.
    pub ethernet: Vec<&'static Adapter>,
    /// The state of each virtual interrupt: the warning's, then each adapter's.
    pub(crate) virtual_irqs: Box<[AtomicU8]>,
    /// Byte order and place of its interrupts.
    pub modes: Modes,
    /// What H_GET_CPU_CHARACTERISTICS answers.
    pub security: CpuSecurity,
    /// What follows when it has crashed.
    pub after_crash: AfterCrash,
    /// Its non-volatile memory.
    pub nvram: Nvram,
    /// Its operator panel.
    pub panel: Panel,
    /// The last event-scan has told of an event.
    pub(crate) scanned: AtomicBool,
    /// Whether it is to shut itself down.
    pub(crate) epow: Epow,
    /// Error logs that it was given.
    pub(crate) log_ids: AtomicU32,
    /// What its time of day is ahead of the machine's, nanoseconds.
    pub(crate) time_offset_ns: AtomicI64,
    /// One for each virtual processor.
    scratch: Vec<Scratch>,
    refusals: Refusals,
    lines: Lines,
    unknown_seen: AtomicU64,
}

impl fmt::Debug for Lpar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lpar")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl core::ops::Deref for Lpar {
    type Target = Devices;

    #[inline]
    fn deref(&self) -> &Devices {
        &self.devices
    }
}

impl Lpar {
    /// Builds the partition; the only place that allocates for it.
    #[must_use]
    pub fn new(config: LparConfig) -> Self {
        let LparConfig {
            name,
            lpid,
            ram,
            hpt,
            mmio,
            dma,
            vcpus,
            processors,
            terminal,
            machine,
            pci,
            ethernet,
            nvram_bytes,
            security,
            after_crash,
        } = config;
        let virtual_irqs = vio::irqs(ethernet.len());
        let units = match processors {
            Processors::Dedicated => 0,
            Processors::Shared(_) => vcpus.len(),
        };
        let pci = pci.into_iter().map(Arc::new).collect();
        let devices = Devices::new(pci, mmio, dma, virtual_irqs, units);
        Self {
            name,
            lpid,
            ram,
            hpt,
            devices: Still::new(devices),
            scratch: vcpus.iter().map(|_| Scratch::new()).collect(),
            vcpus,
            processors,
            terminal,
            terminal_turn: lock::Mutex::new(()),
            machine,
            virtual_irqs: virtual_irqs.iter().map(|_| AtomicU8::new(0)).collect(),
            ethernet,
            modes: Modes::new(),
            security,
            after_crash,
            nvram: Nvram::new(nvram_bytes),
            panel: Panel::new(),
            scanned: AtomicBool::new(false),
            epow: Epow::new(),
            log_ids: AtomicU32::new(0),
            time_offset_ns: AtomicI64::new(0),
            refusals: Refusals::new(),
            lines: Lines::new(),
            unknown_seen: AtomicU64::new(0),
        }
    }

    /// Returns the virtual processor `server`, if there is one.
    #[must_use]
    #[inline]
    pub fn vcpu(&self, server: Server) -> Option<&Vcpu> {
        self.vcpus.get(server.0 as usize)
    }

    /// Makes everything but memory, page table, devices' DMA windows, non-volatile memory and clock as it was
    /// before the partition first ran. All its processors must be stopped.
    pub fn reset(&self) {
        self.reset_ethernet();
        for function in &self.pci {
            function.reset();
        }
        for vcpu in &self.vcpus {
            vcpu.reset();
        }
        self.reset_interrupts();
        self.modes.reset();
        self.panel.reset();
        self.scanned.store(false, Relaxed);
        self.epow.reset();
    }

    /// Returns the function whose registers are at `at`, if there are any.
    pub(crate) fn function_at(&self, at: RealAddr) -> Option<&PciFunction> {
        self.pci.iter().map(Arc::as_ref).find(|function| {
            let mut bars = function.bars.iter();
            bars.any(|bar| {
                at.0.checked_sub(bar.real.0)
                    .is_some_and(|by| by < bar.bytes)
            })
        })
    }

    /// Returns the scratch of `vcpu`, which its own thread alone uses.
    #[inline]
    pub(crate) fn scratch(&self, vcpu: &Vcpu) -> &[AtomicU64] {
        self.scratch
            .get(vcpu.server.0 as usize)
            .map_or(&[], Scratch::cells)
    }

    /// Counts a refused request and logs it, repeated ones of the same call and cause ever more rarely: the first
    /// four, then each time that their number reaches a power of two.
    #[cold]
    pub fn note_refusal(&self, vcpu: &Vcpu, call: &str, refusal: Refusal) {
        self.note(
            vcpu,
            call,
            format_args!("{}", refusal.code.name()),
            refusal.cause,
        );
    }

    /// As [`Lpar::note_refusal`], for an RTAS call.
    #[cold]
    pub fn note_rtas_failure(&self, vcpu: &Vcpu, call: &str, failure: rtas::Failure) {
        self.note(
            vcpu,
            call,
            format_args!("status {}", failure.status as i32),
            failure.cause,
        );
    }

    /// Puts a line about the partition in the log; or leaves it out, when it has caused too many of late, which its next line
    /// tells. For what it can have come again and again.
    #[inline(never)]
    pub fn tell(&self, level: log::Level, line: fmt::Arguments<'_>) {
        if !self.try_tell(level, line) {
            self.lines.leave_out();
        }
    }

    /// Puts a line about the partition in the log, and counts it, if it may cause another just now; returns whether it may.
    pub(crate) fn try_tell(&self, level: log::Level, line: fmt::Arguments<'_>) -> bool {
        let clock = self.machine.clock;
        if !self.lines.take(clock.timebase(), clock.timebase_hz()) {
            return false;
        }
        let left_out = self.lines.left_out();
        if left_out > 0 {
            log::warn!("partition {}: {left_out} lines left out", self.name);
        }
        log::log!(level, "partition {}: {line}", self.name);
        true
    }

    fn note(&self, vcpu: &Vcpu, call: &str, code: fmt::Arguments<'_>, cause: &str) {
        if let Some(count) = self.refusals.add(call, cause) {
            log::warn!(
                "partition {}: vcpu {}: {call} refused with {code}: {cause} (refusal {count})",
                self.name,
                vcpu.server.0,
            );
        }
    }

    /// Returns how many requests were refused that [`Lpar::note_refusal`] and its like were told of.
    #[must_use]
    pub fn refusals(&self) -> u32 {
        self.refusals.count()
    }

    /// Notes an hcall that does not exist, and logs the first of each of 64 groups of tokens:
    /// guests probe for optional hcalls all the time.
    #[inline]
    pub fn note_unknown(&self, vcpu: &Vcpu, token: u64) {
        let bit = 1 << ((token >> 2) & 63);
        if self.unknown_seen.load(Relaxed) & bit == 0 {
            self.unknown_seen.fetch_or(bit, Relaxed);
            self.log_unknown(vcpu, token);
        }
    }

    #[cold]
    #[inline(never)]
    fn log_unknown(&self, vcpu: &Vcpu, token: u64) {
        log::info!(
            "partition {}: vcpu {}: unknown hcall {token:#x}",
            self.name,
            vcpu.server.0
        );
        let who = (self.lpid, vcpu.server);
        let observer = self.machine.observer;
        observer.refused(who, token, HError::Function.code());
    }
}
