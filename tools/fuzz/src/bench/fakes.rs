//! A machine that does little and checks much: every request of a partition that no partition may make panics.

use super::function::Function;
use super::{HPT_ENTRIES, LPID, MMIO, RAM_BASE, RAM_BYTES, WINDOWS};
use lpar::machine::{
    self, Caches, Capacity, CivilTime, Clock, DeviceMemory, Failed, ForeignIrq, Presenter, Sources,
    TceInvalidate, Terminal, Threads, Tlb,
};
use papr_abi::hpte::v;
use papr_abi::{Irq, RealAddr, xics};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, Once};

/// Threads of the partition's processors.
pub const PIRS: [u32; 2] = [0x28, 0x30];
/// Its functions' host bridges.
pub const BUIDS: [u64; 2] = [0x8000_0000_2000_0001, 0x8000_0000_2000_0002];
/// The level-sensitive source of its first function.
pub const LSIS: [u32; 1] = [0xff8];
/// Where the messages of its functions begin; each has [`MSIS`].
pub const FIRST_MSIS: [u32; 2] = [0x820, 0x848];
/// How many messages each function has.
pub const MSIS: u32 = 8;
/// All its sources.
pub const OWN_IRQS: [u32; 17] = [
    0x820, 0x821, 0x822, 0x823, 0x824, 0x825, 0x826, 0x827, 0x848, 0x849, 0x84a, 0x84b, 0x84c,
    0x84d, 0x84e, 0x84f, 0xff8,
];
/// A source that the machine has for somebody else.
pub const FOREIGN: u32 = 0xfff;

#[derive(Debug, Hash)]
struct Icp {
    cppr: u8,
    mfrr: u8,
    pending: Vec<(u8, u32)>,
}

impl Icp {
    const RESET: Self = Self {
        cppr: 0,
        mfrr: 0xff,
        pending: Vec::new(),
    };

    fn best(&self) -> Option<(u8, u32)> {
        let ipi = (self.mfrr, Irq::IPI.0);
        let best = self.pending.iter().copied().min().unwrap_or(ipi).min(ipi);
        (best.0 < self.cppr).then_some(best)
    }

    fn xirr(&self) -> u32 {
        xics::xirr(self.cppr, Irq(self.best().map_or(0, |(_, irq)| irq)))
    }
}

/// Translations that the machine was made to forget.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub struct Forgotten {
    /// Entries of the page table, by index.
    pub entries: Vec<u64>,
    /// Bus addresses, each the first of so many pages.
    pub pages: Vec<(u64, u64)>,
}

#[derive(Debug, Hash)]
pub(super) struct Inner {
    icps: [Icp; 2],
    targets: BTreeMap<u32, (u32, u8)>,
    registers: BTreeMap<u64, (u64, u64)>,
    input: Vec<u8>,
    room: usize,
    pub(super) programmed: [Option<(u32, u32, u32)>; 2],
    pub(super) config: BTreeMap<(usize, u16), u8>,
    batch: Vec<u64>,
    forgotten: Forgotten,
    broken: u8,
    /// Not part of [`Machine::fingerprint`].
    random: u64,
}

/// The machine: one for each thread that fuzzes, used by one bench after another.
#[derive(Debug)]
pub struct Machine {
    inner: Mutex<Inner>,
    pub(super) functions: [Function; 2],
}

/// What [`Machine::break_parts`] can break.
pub mod part {
    /// The source of random numbers.
    pub const RANDOM: u8 = 1;
    /// The clock.
    pub const CLOCK: u8 = 2;
    /// Where interrupts are sent.
    pub const SOURCES: u8 = 4;
    /// Configuration space and messages: the bridge does not answer.
    pub const BRIDGE: u8 = 8;
    /// Configuration space: the functions are gone.
    pub const FUNCTIONS: u8 = 16;
}

impl Machine {
    /// The machine of the calling thread.
    #[must_use]
    pub fn of_this_thread() -> &'static Self {
        thread_local! {
            static MACHINE: &'static Machine = {
                let machine: &'static Machine = Box::leak(Box::new(Machine {
                    inner: Mutex::new(Inner::new()),
                    functions: [0, 1].map(Function::new),
                }));
                for function in &machine.functions {
                    function.join(machine);
                }
                machine
            };
        }
        MACHINE.with(|machine| *machine)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // A bench that panicked has left it locked; the next one resets it.
        self.inner.lock().unwrap_or_else(|error| error.into_inner())
    }

    /// Makes it as it was at first.
    pub fn reset(&self) {
        *self.lock() = Inner::new();
    }

    /// Breaks the parts whose bits of [`part`] are set.
    pub fn break_parts(&self, parts: u8) {
        self.lock().broken = parts;
    }

    /// Presents an interrupt at one of the partition's threads.
    pub fn present(&self, thread: usize, irq: u32, priority: u8) {
        let mut inner = self.lock();
        let pending = &mut inner.icps[thread % 2].pending;
        if pending.len() < 8 {
            pending.push((priority, irq & 0x00ff_ffff));
        }
    }

    /// Kicks a thread as the hypervisor does: by its inter-processor interrupt.
    pub fn interrupt(&self, thread: usize, mfrr: u8) {
        self.lock().icps[thread % 2].mfrr = mfrr;
    }

    /// Returns what the machine was made to forget since the last call, and has forgotten.
    #[must_use]
    pub fn take_forgotten(&self) -> Forgotten {
        let mut inner = self.lock();
        assert!(inner.batch.is_empty(), "never completed");
        std::mem::take(&mut inner.forgotten)
    }

    /// Types into the terminal, and sets its room.
    pub fn terminal(&self, typed: &[u8], room: usize) {
        let mut inner = self.lock();
        inner.room = room;
        if inner.input.len() < 64 {
            inner.input.extend(typed);
        }
    }

    /// A number that changes with everything that a partition can change in the machine.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let inner = self.lock();
        (&inner.icps, &inner.targets, &inner.registers, &inner.input).hash(&mut hasher);
        (inner.room, &inner.programmed, &inner.config, &inner.batch).hash(&mut hasher);
        hasher.finish()
    }

    /// Panics unless no source of the partition can interrupt and no function has messages: as after a restart.
    pub fn assert_quiet(&self) {
        let inner = self.lock();
        assert!(inner.targets.is_empty(), "sources are on: {inner:?}");
        assert!(inner.programmed.iter().all(Option::is_none));
        for icp in &inner.icps {
            assert_eq!(icp.mfrr, 0xff);
        }
    }

    /// The machine as partitions know it.
    #[must_use]
    pub fn as_traits(&'static self) -> machine::Machine {
        machine::Machine {
            presenter: self,
            sources: self,
            foreign: self,
            tlb: self,
            clock: self,
            threads: self,
            device_memory: self,
            caches: self,
            observer: &(),
        }
    }
}

impl Inner {
    fn new() -> Self {
        Self {
            icps: [Icp::RESET, Icp::RESET],
            targets: BTreeMap::new(),
            registers: BTreeMap::new(),
            input: Vec::new(),
            room: 4096,
            programmed: [None; 2],
            config: BTreeMap::new(),
            batch: Vec::new(),
            forgotten: Forgotten::default(),
            broken: 0,
            random: 1,
        }
    }

    fn icp(&mut self, pir: u32) -> &mut Icp {
        let own = PIRS.iter().position(|&own| own == pir);
        &mut self.icps[own.unwrap_or_else(|| panic!("foreign thread {pir:#x}"))]
    }

    pub(super) fn is_broken(&self, part: u8) -> bool {
        self.broken & part != 0
    }
}

fn assert_own_irq(irq: Irq) {
    assert!(OWN_IRQS.contains(&irq.0), "foreign source {:#x}", irq.0);
}

impl Presenter for Machine {
    fn poll(&self, pir: u32) -> u32 {
        self.lock().icp(pir).xirr()
    }
    fn accept(&self, pir: u32) -> u32 {
        let mut inner = self.lock();
        let icp = inner.icp(pir);
        let xirr = icp.xirr();
        if let Some(best) = icp.best() {
            icp.cppr = best.0;
            icp.pending.retain(|one| *one != best);
        }
        xirr
    }
    fn eoi(&self, pir: u32, xirr: u32) {
        self.lock().icp(pir).cppr = xics::cppr(xirr);
    }
    fn set_cppr(&self, pir: u32, cppr: u8) {
        self.lock().icp(pir).cppr = cppr;
    }
    fn set_mfrr(&self, pir: u32, mfrr: u8) {
        self.lock().icp(pir).mfrr = mfrr;
    }
}

impl Sources for Machine {
    fn set_target(&self, irq: Irq, pir: u32, priority: u8) -> Result<(), Failed> {
        assert_own_irq(irq);
        let mut inner = self.lock();
        inner.icp(pir);
        if inner.is_broken(part::SOURCES) {
            return Err(Failed);
        }
        inner.targets.insert(irq.0, (pir, priority));
        Ok(())
    }
    fn reset(&self, irq: Irq) {
        assert_own_irq(irq);
        self.lock().targets.remove(&irq.0);
    }
    fn eoi(&self, irq: Irq) {
        assert_own_irq(irq);
        assert!(!LSIS.contains(&irq.0), "a level has no message to end");
    }
    fn exists(&self, irq: Irq) -> bool {
        (0x800..0x1000).contains(&irq.0)
    }
}

impl ForeignIrq for Machine {
    fn handle(&self, irq: Irq, pir: u32) {
        self.lock().icp(pir);
        let own = OWN_IRQS.contains(&irq.0) || irq == Irq::IPI || irq == xics::NONE;
        assert!(!own, "{:#x} is the partition's", irq.0);
    }
}

fn assert_own_entry(lpid: u32, index: u64, first: u64) {
    assert_eq!(lpid, LPID);
    assert!(index < HPT_ENTRIES && first & v::VALID != 0);
}

impl Tlb for Machine {
    fn invalidate(&self, lpid: u32, index: u64, first: u64, _: u64) {
        assert_own_entry(lpid, index, first);
        self.lock().forgotten.entries.push(index);
    }
    fn invalidate_later(&self, lpid: u32, index: u64, first: u64, _: u64) {
        assert_own_entry(lpid, index, first);
        self.lock().batch.push(index);
    }
    fn complete(&self) {
        let mut inner = self.lock();
        let begun = std::mem::take(&mut inner.batch);
        assert!(!begun.is_empty(), "completed what was never begun");
        inner.forgotten.entries.extend(begun);
    }
}

impl TceInvalidate for Machine {
    fn invalidate(&self, first: u64, pages: u64) {
        let own = WINDOWS.iter().any(|window| {
            let at = first.wrapping_sub(window.first) >> window.shift;
            let aligned = first.is_multiple_of(1 << window.shift);
            aligned && at < window.pages && pages <= window.pages - at
        });
        assert!(own, "{pages} pages at {first:#x} are in no window");
        self.lock().forgotten.pages.push((first, pages));
    }
}

impl DeviceMemory for Machine {
    fn load(&self, at: RealAddr, bytes: u64) -> u64 {
        assert_device(at, bytes);
        // Devices may drive more than was asked for.
        at.0 ^ 0xa5a5_a5a5_a5a5_a5a5
    }
    fn store(&self, at: RealAddr, bytes: u64, value: u64) {
        assert_device(at, bytes);
        assert!(
            bytes == 8 || value < 1 << (8 * bytes),
            "{value:#x} is wider"
        );
        self.lock().registers.insert(at.0, (value, bytes));
    }
}

fn assert_device(at: RealAddr, bytes: u64) {
    let offset = at.0.wrapping_sub(MMIO.start.0);
    assert!(matches!(bytes, 1 | 2 | 4 | 8) && at.0.is_multiple_of(bytes));
    assert!(
        offset < MMIO.bytes && bytes <= MMIO.bytes - offset,
        "foreign device at {:#x}",
        at.0
    );
}

impl Caches for Machine {
    fn flush(&self, at: RealAddr, bytes: u64) {
        let offset = at.0.wrapping_sub(RAM_BASE);
        assert!(offset < RAM_BYTES && bytes <= RAM_BYTES - offset);
    }
    fn fetch_anew(&self, at: RealAddr, bytes: u64) {
        self.flush(at, bytes);
    }
}

impl Clock for Machine {
    fn timebase(&self) -> u64 {
        0x1234_5678_9abc
    }
    fn timebase_hz(&self) -> u64 {
        512_000_000
    }
    fn purr(&self) -> u64 {
        0x1234_0000_0001
    }
    fn civil(&self) -> Result<CivilTime, Failed> {
        if self.lock().is_broken(part::CLOCK) {
            return Err(Failed);
        }
        Ok(CivilTime {
            year: 2199,
            month: 12,
            day: 31,
            hour: 23,
            minute: 59,
            second: 59,
            nanosecond: 999_999_999,
        })
    }
    fn random(&self) -> Result<u64, Failed> {
        let mut inner = self.lock();
        if inner.is_broken(part::RANDOM) {
            return Err(Failed);
        }
        inner.random = inner.random.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Ok(inner.random)
    }
}

impl Threads for Machine {
    fn capacity(&self) -> Capacity {
        Capacity {
            machine: u16::MAX,
            pool: u16::MAX,
            unallocated: u32::MAX,
        }
    }
    fn kick(&self, pir: u32) {
        self.lock().icp(pir);
    }
}

impl Terminal for Machine {
    fn put(&self, bytes: &[u8]) -> usize {
        let mut inner = self.lock();
        assert!(bytes.len() <= inner.room, "put without room");
        inner.room -= bytes.len();
        bytes.len()
    }
    fn room(&self) -> usize {
        self.lock().room
    }
    fn get(&self, to: &mut [u8]) -> usize {
        let mut inner = self.lock();
        let taken = to.len().min(inner.input.len());
        for (to, from) in to.iter_mut().zip(inner.input.drain(..taken)) {
            *to = from;
        }
        taken
    }
}

/// Has every log record written out and thrown away: what is in it is hostile too.
pub fn log_into_nothing() {
    struct Nothing;
    impl Write for Nothing {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            assert!(text.len() < 4096, "a record of {} bytes", text.len());
            Ok(())
        }
    }
    struct Logger;
    impl log::Log for Logger {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            write!(Nothing, "{}", record.args()).expect("it takes everything");
        }
        fn flush(&self) {}
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Refused when there is one already, which then formats them.
        if log::set_logger(&Logger).is_ok() {
            log::set_max_level(log::LevelFilter::Trace);
        }
    });
}
