//! What a partition needs of the machine it runs on: small traits that the `hypervisor` crate
//! implements and tests fake. None of them may wait for a device, allocate, or call back.

use core::fmt;
use core::sync::atomic::{Ordering::SeqCst, fence};
use papr_abi::{Irq, RealAddr, Server};

/// The interrupt presentation of physical threads (XICS ICP), one unit per thread.
///
/// `pir` is a processor identification register value of a thread that a partition owns.
pub trait Presenter: Sync {
    /// Reads XIRR of `pir` without accepting: CPPR in bits 0:7, source in 8:31.
    fn poll(&self, pir: u32) -> u32;
    /// Accepts the pending interrupt of `pir`: returns XIRR, CPPR becomes its priority.
    fn accept(&self, pir: u32) -> u32;
    /// Ends an interrupt at `pir`: CPPR from bits 0:7 of `xirr`, source from 8:31.
    fn eoi(&self, pir: u32, xirr: u32);
    /// Sets CPPR of `pir`.
    fn set_cppr(&self, pir: u32, cppr: u8);
    /// Sets the priority of the inter-processor interrupt of `pir`; 0xff clears it.
    fn set_mfrr(&self, pir: u32, mfrr: u8);
}

/// The machine refused to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// The interrupt sources (PHB MSIs and LSIs) that partitions own.
pub trait Sources: Sync {
    /// Sends `irq` to thread `pir` at `priority`, 0 the most favoured; 0xff masks it.
    ///
    /// # Errors
    /// [`Failed`] when no bridge has this source.
    fn set_target(&self, irq: Irq, pir: u32, priority: u8) -> Result<(), Failed>;
    /// Masks `irq` and forgets whatever of it is pending or in service, as after a reset.
    fn reset(&self, irq: Irq);
    /// Does at the source what its end of interrupt needs (PHB3: the P and Q bits).
    fn eoi(&self, irq: Irq);
    /// Returns whether the machine has this source, whoever owns it.
    fn exists(&self, irq: Irq) -> bool;
}

/// Interrupts that reached a partition's thread without being the partition's: the hypervisor's own
/// sources, such as the error interrupts of a bridge.
pub trait ForeignIrq: Sync {
    /// Deals with `irq`, which was accepted at thread `pir` and is ended there after this returns; a
    /// level-sensitive one must be quiet by then, or be masked.
    fn handle(&self, irq: Irq, pir: u32);
}

/// Invalidation of cached translations of the processors (tlbie).
pub trait Tlb: Sync {
    /// Makes every thread of the machine forget the translation of one entry, and returns when
    /// they have.
    ///
    /// `v` and `r` are the entry's doublewords as they were, `index` its place in the table (for
    /// the hash bits that the abbreviated virtual page number lacks), `lpid` its partition.
    fn invalidate(&self, lpid: u32, index: u64, v: u64, r: u64);
    /// Begins a batch: as [`Tlb::invalidate`], but completion is only given by [`Tlb::complete`].
    fn invalidate_later(&self, lpid: u32, index: u64, v: u64, r: u64) {
        self.invalidate(lpid, index, v, r);
    }
    /// Returns when all that was begun by [`Tlb::invalidate_later`] on this thread is done. Always
    /// called after such a batch, and only then.
    fn complete(&self) {}
    /// Orders the stores that made an entry valid before any later search of the table (ptesync).
    /// The default does for memory only; a machine whose processors search tables has its own.
    fn publish(&self) {
        fence(SeqCst);
    }
}

/// Invalidation of the translations that a host bridge has cached of one DMA window.
pub trait TceInvalidate: Sync {
    /// Makes the bridge forget `pages` translations from bus address `first`, the page table being
    /// already changed in memory; orders that change before it.
    fn invalidate(&self, first: u64, pages: u64);
}

/// A partition's terminal.
pub trait Terminal: Sync {
    /// Takes as many of `bytes` as fit its buffer, in order, and returns how many.
    fn put(&self, bytes: &[u8]) -> usize;
    /// Returns the room left in its buffer, in bytes.
    fn room(&self) -> usize;
    /// Moves pending input into `to` and returns how many bytes.
    fn get(&self, to: &mut [u8]) -> usize;
}

/// A point in civil time, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CivilTime {
    pub year: u16,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub nanosecond: u32,
}

impl CivilTime {
    /// Returns the nanoseconds from the start of 1970 to this time; `None` for dates that do not exist
    /// or lie past 2199.
    #[must_use]
    pub fn to_nanos(&self) -> Option<i64> {
        crate::rtas::time::to_nanos(self)
    }

    /// The opposite of [`CivilTime::to_nanos`].
    #[must_use]
    pub fn from_nanos(nanos: i64) -> Option<Self> {
        crate::rtas::time::from_nanos(nanos)
    }
}

/// Clocks and randomness.
pub trait Clock: Sync {
    /// Returns the time base, in ticks.
    fn timebase(&self) -> u64;
    /// Returns the ticks of a second.
    fn timebase_hz(&self) -> u64;
    /// Returns how long the virtual processor that the calling thread runs has had a thread, ticks: its PURR.
    fn purr(&self) -> u64;
    /// Returns the machine's civil time.
    ///
    /// # Errors
    /// [`Failed`] when the machine has no clock or it does not answer.
    fn civil(&self) -> Result<CivilTime, Failed>;
    /// Returns 64 bits that no partition can foresee.
    ///
    /// # Errors
    /// [`Failed`] when the machine has no source of them.
    fn random(&self) -> Result<u64, Failed>;
}

/// How many threads there are, and what partitions were promised of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Threads of the machine.
    pub machine: u16,
    /// Those of them in the pool that shared virtual processors run on.
    pub pool: u16,
    /// Hundredths of a thread of the pool that no partition is entitled to.
    pub unallocated: u32,
}

/// The threads that run a partition's virtual processors.
pub trait Threads: Sync {
    /// Returns how many there are.
    fn capacity(&self) -> Capacity;
    /// Makes thread `pir` look at its processor's attention bits and state soon, wherever it is.
    fn kick(&self, pir: u32);
}

/// Cache-inhibited accesses to device registers by real address, for a partition that owns them. Its device may be
/// asleep or in reset, by its own doing: loads give all ones then, stores nothing, and the machine goes on.
pub trait DeviceMemory: Sync {
    /// Loads `bytes` (1, 2, 4 or 8) at `at`, naturally aligned, big-endian.
    fn load(&self, at: RealAddr, bytes: u64) -> u64;
    /// Stores the low `bytes` (1, 2, 4 or 8) of `value` at `at`, naturally aligned, big-endian.
    fn store(&self, at: RealAddr, bytes: u64, value: u64);
}

/// The processors' caches over memory of a partition.
pub trait Caches: Sync {
    /// Writes back and forgets the data cache lines of `bytes` from `at` (dcbf).
    fn flush(&self, at: RealAddr, bytes: u64);
    /// Makes what was stored to `bytes` from `at` be what is fetched from there (dcbst, icbi);
    /// only forgets old instructions (icbi) when the data caches are known to be clean.
    fn fetch_anew(&self, at: RealAddr, bytes: u64);
}

/// Whoever keeps a trace of what partitions ask for. Told of it afterwards; nothing comes of it.
pub trait Observer: Sync {
    /// RTAS call `token` with first input `input`, made by `vcpu` of partition `lpid` at time base `since`, got `status`.
    fn rtas(&self, who: (u32, Server), token: u32, input: u32, status: i32, since: u64) {
        let _ = (who, token, input, status, since);
    }
    /// Hcall `token` of `vcpu` of partition `lpid` got `code`: for a cause that the log tells, or because there is none such.
    fn refused(&self, who: (u32, Server), token: u64, code: i64) {
        let _ = (who, token, code);
    }
}

/// Nobody keeps one.
impl Observer for () {}

/// Everything of a machine that partitions use.
#[derive(Clone, Copy)]
#[expect(missing_docs, reason = "each is documented by its trait")]
pub struct Machine {
    pub presenter: &'static dyn Presenter,
    pub sources: &'static dyn Sources,
    pub foreign: &'static dyn ForeignIrq,
    pub tlb: &'static dyn Tlb,
    pub clock: &'static dyn Clock,
    pub threads: &'static dyn Threads,
    pub device_memory: &'static dyn DeviceMemory,
    pub caches: &'static dyn Caches,
    pub observer: &'static dyn Observer,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Machine")
    }
}
