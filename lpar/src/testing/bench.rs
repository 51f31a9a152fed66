//! A ready-made partition with interrupts, a terminal, clocks and PCI functions, all of them fakes
//! that tests look into.

use super::{FakeCaches, FakeDevices, FakeTlb, RAM_BASE, RAM_BYTES, cells, leak};

use crate::dma::DmaWindows;
use crate::eeh::{Endpoint, Outage, Recovery, ResetBy};
use crate::hcall::cpu::CpuSecurity;
use crate::hcall::{self, After, Args};
use crate::hpt::Hpt;
use crate::machine::{
    Capacity, CivilTime, Clock, Failed, ForeignIrq, Machine, Observer, Presenter, Sources,
    Terminal, Threads,
};
use crate::mmio::Mmio;
use crate::pci::{
    BarSpace, Buid, ConfigError, MsiAddress, MsiKind, PciAccess, PciBar, PciFunction,
    PciFunctionConfig, PciIds,
};
use crate::{GuestRam, Lpar, LparConfig, Processors, Vcpu, VcpuState};
use ioda::{Freeze, Pest};
use papr_abi::{GuestRealAddr, Irq, Liobn, RealAddr, Server, xics};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, Once};

/// Threads of its two processors.
pub(crate) const PIRS: [u32; 2] = [0x28, 0x30];
/// Its functions' host bridges.
pub(crate) const BUIDS: [Buid; 2] = [Buid(0x8000_0000_2000_0001), Buid(0x8000_0000_2000_0002)];
/// The level-sensitive source of its first function.
pub(crate) const LSI: Irq = Irq(0xff8);
/// Where the messages of its first function begin; it has 16.
pub(crate) const MSI: Irq = Irq(0x820);

/// A presentation controller: per thread CPPR, MFRR and what is pending.
#[derive(Default)]
pub(crate) struct FakeIcp {
    threads: Mutex<BTreeMap<u32, IcpThread>>,
    before_set_mfrr: Mutex<Option<IcpEvent>>,
}

type IcpEvent = Box<dyn FnOnce(&FakeIcp) + Send>;

#[derive(Debug)]
struct IcpThread {
    cppr: u8,
    mfrr: u8,
    pending: BTreeSet<(u8, u32)>,
    ended: Vec<Irq>,
}

impl Default for IcpThread {
    fn default() -> Self {
        Self {
            cppr: 0,
            mfrr: 0xff,
            pending: BTreeSet::new(),
            ended: vec![],
        }
    }
}

impl IcpThread {
    fn best(&self) -> Option<(u8, u32)> {
        let ipi = (self.mfrr, Irq::IPI.0);
        let best = self.pending.first().copied().unwrap_or(ipi).min(ipi);
        (best.0 < self.cppr).then_some(best)
    }

    fn xirr(&self) -> u32 {
        xics::xirr(self.cppr, Irq(self.best().map_or(0, |(_, irq)| irq)))
    }
}

impl FakeIcp {
    fn with<T>(&self, pir: u32, act: impl FnOnce(&mut IcpThread) -> T) -> T {
        assert!(PIRS.contains(&pir), "foreign thread {pir:#x}");
        act(self.threads.lock().unwrap().entry(pir).or_default())
    }
    pub(crate) fn present(&self, pir: u32, irq: Irq, priority: u8) {
        self.with(pir, |t| t.pending.insert((priority, irq.0)));
    }
    /// As the hypervisor kicks a thread: sets its MFRR and nothing else.
    pub(crate) fn kick(&self, pir: u32, mfrr: u8) {
        self.with(pir, |t| t.mfrr = mfrr);
    }
    /// Has `event` happen just before the next change of an MFRR.
    pub(crate) fn before_set_mfrr(&self, event: impl FnOnce(&FakeIcp) + Send + 'static) {
        *self.before_set_mfrr.lock().unwrap() = Some(Box::new(event));
    }
    pub(crate) fn cppr(&self, pir: u32) -> u8 {
        self.with(pir, |t| t.cppr)
    }
    pub(crate) fn mfrr(&self, pir: u32) -> u8 {
        self.with(pir, |t| t.mfrr)
    }
    /// What was ended at `pir` since the last call.
    pub(crate) fn ended(&self, pir: u32) -> Vec<Irq> {
        self.with(pir, |t| std::mem::take(&mut t.ended))
    }
}

impl Presenter for FakeIcp {
    fn poll(&self, pir: u32) -> u32 {
        self.with(pir, |t| t.xirr())
    }
    fn accept(&self, pir: u32) -> u32 {
        self.with(pir, |t| {
            let xirr = t.xirr();
            if let Some((priority, irq)) = t.best() {
                t.cppr = priority;
                t.pending.remove(&(priority, irq));
            } else {
                // As QEMU 10.0's controller, against the architecture.
                t.cppr = 0xff;
            }
            xirr
        })
    }
    fn eoi(&self, pir: u32, xirr: u32) {
        self.with(pir, |t| {
            t.cppr = xics::cppr(xirr);
            t.ended.push(xics::source(xirr));
        });
    }
    fn set_cppr(&self, pir: u32, cppr: u8) {
        self.with(pir, |t| t.cppr = cppr);
    }
    fn set_mfrr(&self, pir: u32, mfrr: u8) {
        let event = self.before_set_mfrr.lock().unwrap().take();
        if let Some(event) = event {
            event(self);
        }
        self.with(pir, |t| t.mfrr = mfrr);
    }
}

/// Sources: where each was sent, which were ended or reset.
#[derive(Debug, Default)]
pub(crate) struct FakeSources {
    targets: Mutex<BTreeMap<u32, (u32, u8)>>,
    ended: Mutex<Vec<Irq>>,
    reset: Mutex<Vec<Irq>>,
    broken: Mutex<bool>,
}

impl FakeSources {
    pub(crate) fn target(&self, irq: Irq) -> Option<(u32, u8)> {
        self.targets.lock().unwrap().get(&irq.0).copied()
    }
    pub(crate) fn ended(&self) -> Vec<Irq> {
        std::mem::take(&mut self.ended.lock().unwrap())
    }
    pub(crate) fn was_reset(&self) -> Vec<Irq> {
        std::mem::take(&mut self.reset.lock().unwrap())
    }
    pub(crate) fn break_it(&self) {
        *self.broken.lock().unwrap() = true;
    }
}

/// A source that exists and is somebody else's.
pub(crate) const FOREIGN: Irq = Irq(0xfff);

impl Sources for FakeSources {
    fn set_target(&self, irq: Irq, pir: u32, priority: u8) -> Result<(), Failed> {
        if *self.broken.lock().unwrap() {
            return Err(Failed);
        }
        self.targets.lock().unwrap().insert(irq.0, (pir, priority));
        Ok(())
    }
    fn reset(&self, irq: Irq) {
        self.targets.lock().unwrap().remove(&irq.0);
        self.reset.lock().unwrap().push(irq);
    }
    fn eoi(&self, irq: Irq) {
        self.ended.lock().unwrap().push(irq);
    }
    fn exists(&self, irq: Irq) -> bool {
        (0x800..0x1000).contains(&irq.0)
    }
}

/// Remembers the foreign interrupts it was handed.
#[derive(Debug, Default)]
pub(crate) struct FakeForeign(Mutex<Vec<(Irq, u32)>>);

impl FakeForeign {
    pub(crate) fn handled(&self) -> Vec<(Irq, u32)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl ForeignIrq for FakeForeign {
    fn handle(&self, irq: Irq, pir: u32) {
        self.0.lock().unwrap().push((irq, pir));
    }
}

/// A terminal with as much room as it is told.
#[derive(Debug)]
pub(crate) struct FakeTerminal {
    room: Mutex<usize>,
    output: Mutex<Vec<u8>>,
    input: Mutex<Vec<u8>>,
}

impl FakeTerminal {
    pub(crate) fn set_room(&self, bytes: usize) {
        *self.room.lock().unwrap() = bytes;
    }
    pub(crate) fn output(&self) -> Vec<u8> {
        std::mem::take(&mut self.output.lock().unwrap())
    }
    pub(crate) fn type_in(&self, bytes: &[u8]) {
        self.input.lock().unwrap().extend(bytes);
    }
}

impl Terminal for FakeTerminal {
    fn put(&self, bytes: &[u8]) -> usize {
        let mut room = self.room.lock().unwrap();
        let taken = bytes.len().min(*room);
        *room -= taken;
        self.output.lock().unwrap().extend(&bytes[..taken]);
        taken
    }
    fn room(&self) -> usize {
        *self.room.lock().unwrap()
    }
    fn get(&self, to: &mut [u8]) -> usize {
        let mut input = self.input.lock().unwrap();
        let taken = to.len().min(input.len());
        for (to, from) in to.iter_mut().zip(input.drain(..taken)) {
            *to = from;
        }
        taken
    }
}

/// Clocks that stand still and random numbers that count.
#[derive(Debug)]
pub(crate) struct FakeClock {
    pub(crate) civil: Mutex<Result<CivilTime, Failed>>,
    random: Mutex<Result<u64, Failed>>,
    passed: AtomicU64,
}

impl FakeClock {
    /// Lets milliseconds pass.
    pub(crate) fn pass(&self, ms: u64) {
        self.passed.fetch_add(ms * 512_000, Relaxed);
    }
    pub(crate) fn break_random(&self) {
        *self.random.lock().unwrap() = Err(Failed);
    }
}

/// The time base of [`FakeClock`] at the start.
pub(crate) const TIMEBASE: u64 = 0x1234_5678_9abc;
/// What its caller has had of it.
pub(crate) const PURR: u64 = 0x1234_0000_0001;

impl Clock for FakeClock {
    fn timebase(&self) -> u64 {
        TIMEBASE + self.passed.load(Relaxed)
    }
    fn timebase_hz(&self) -> u64 {
        512_000_000
    }
    fn purr(&self) -> u64 {
        PURR
    }
    fn civil(&self) -> Result<CivilTime, Failed> {
        *self.civil.lock().unwrap()
    }
    fn random(&self) -> Result<u64, Failed> {
        let mut random = self.random.lock().unwrap();
        if let Ok(value) = &mut *random {
            *value = value.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
        }
        *random
    }
}

/// Remembers the threads that were kicked.
#[derive(Debug, Default)]
pub(crate) struct FakeThreads(Mutex<Vec<u32>>);

impl FakeThreads {
    pub(crate) fn kicked(&self) -> Vec<u32> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Threads for FakeThreads {
    fn capacity(&self) -> Capacity {
        Capacity {
            machine: 6,
            pool: 3,
            unallocated: 170,
        }
    }
    fn kick(&self, pir: u32) {
        self.0.lock().unwrap().push(pir);
    }
}

/// What was last programmed into a [`FakePci`].
pub(crate) type Programmed = Option<(MsiKind, MsiAddress, Irq, u32)>;

/// Configuration space that remembers.
#[derive(Debug)]
pub(crate) struct FakePci {
    pub(crate) bytes: Mutex<Vec<u8>>,
    pub(crate) error: Mutex<Option<ConfigError>>,
    pub(crate) programmed: Mutex<Programmed>,
}

impl PciAccess for FakePci {
    fn read(&self, offset: u16, bytes: u8) -> Result<u32, ConfigError> {
        assert!(offset.is_multiple_of(bytes.into()));
        if let Some(error) = *self.error.lock().unwrap() {
            return Err(error);
        }
        let space = self.bytes.lock().unwrap();
        let bytes = &space[offset.into()..][..bytes.into()];
        Ok(bytes.iter().rev().fold(0, |v, &b| v << 8 | u32::from(b)))
    }
    fn write(&self, offset: u16, bytes: u8, value: u32) -> Result<(), ConfigError> {
        assert!(offset.is_multiple_of(bytes.into()));
        if let Some(error) = *self.error.lock().unwrap() {
            return Err(error);
        }
        let mut space = self.bytes.lock().unwrap();
        for (to, from) in space[offset.into()..][..bytes.into()]
            .iter_mut()
            .zip(value.to_le_bytes())
        {
            *to = from;
        }
        Ok(())
    }
    fn program_msi(
        &self,
        kind: MsiKind,
        address: MsiAddress,
        first: Irq,
        count: u32,
    ) -> Result<(), Failed> {
        if self.error.lock().unwrap().is_some() {
            return Err(Failed);
        }
        *self.programmed.lock().unwrap() = Some((kind, address, first, count));
        Ok(())
    }
    fn release_msi(&self) {
        *self.programmed.lock().unwrap() = None;
    }
}

fn fake_pci() -> &'static FakePci {
    leak(FakePci {
        bytes: Mutex::new((0..4096).map(|i| ((i * 7) >> 3) as u8).collect()),
        error: Mutex::new(None),
        programmed: Mutex::new(None),
    })
}

/// An endpoint that does as it is told, or fails.
#[derive(Debug)]
pub(crate) struct FakeEndpoint(Mutex<FakePe>);

#[derive(Debug)]
pub(crate) struct FakePe {
    pub(crate) stopped: Freeze,
    pub(crate) held: bool,
    /// Milliseconds that each call of `settle` asks for.
    pub(crate) waits: Vec<u32>,
    pub(crate) takes: bool,
    pub(crate) fails: bool,
    pub(crate) outage: Option<Outage>,
    pub(crate) cause: Pest,
    /// What it was asked to do.
    pub(crate) did: Vec<&'static str>,
}

impl FakeEndpoint {
    fn new() -> &'static Self {
        leak(Self(Mutex::new(FakePe {
            stopped: Freeze::empty(),
            held: false,
            waits: vec![],
            takes: true,
            fails: false,
            outage: None,
            cause: Pest { a: 0, b: 0 },
            did: vec![],
        })))
    }
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut FakePe) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }
    /// What it did since the last call.
    pub(crate) fn did(&self) -> Vec<&'static str> {
        self.with(|pe| std::mem::take(&mut pe.did))
    }
    fn act<T>(&self, name: &'static str, act: impl FnOnce(&mut FakePe) -> T) -> Result<T, Failed> {
        self.with(|pe| {
            if pe.fails {
                return Err(Failed);
            }
            assert!(pe.outage.is_none() || name == "end", "its bridge is off");
            pe.did.push(name);
            Ok(act(pe))
        })
    }
}

impl Endpoint for FakeEndpoint {
    fn outage(&self) -> Option<Outage> {
        self.with(|pe| pe.outage)
    }
    fn stopped(&self) -> Freeze {
        self.with(|pe| pe.stopped)
    }
    fn stop(&self, what: Freeze) -> Result<(), Failed> {
        self.act("stop", |pe| pe.stopped |= what)
    }
    fn thaw(&self, what: Freeze) -> Result<(), Failed> {
        self.act("thaw", |pe| {
            assert!(!pe.held, "thawed while held in reset");
            pe.stopped -= what;
            pe.cause = Pest::default();
        })
    }
    fn begin_reset(&self) -> Result<(), Failed> {
        self.act("begin", |pe| pe.held = true)
    }
    fn end_reset(&self) -> Result<(), Failed> {
        self.act("end", |pe| pe.held = false)
    }
    fn settle(&self) -> Result<Option<u32>, Failed> {
        self.act("settle", |pe| {
            assert!(!pe.held, "settles while held in reset");
            pe.waits.pop()
        })
    }
    fn restore(&self) -> Result<bool, Failed> {
        self.act("restore", |pe| pe.takes)
    }
    fn cause(&self) -> Pest {
        self.with(|pe| pe.cause)
    }
}

/// What an observer was told: processor, token, input and status, or for a refusal only the code.
#[derive(Debug, Default)]
pub(crate) struct FakeObserver {
    pub(crate) told: Mutex<Vec<Told>>,
}
pub(crate) type Told = (u32, u64, Option<u32>, i64);

impl Observer for FakeObserver {
    fn rtas(&self, (_, vcpu): (u32, Server), token: u32, input: u32, status: i32, _: u64) {
        let told = (vcpu.0, token.into(), Some(input), status.into());
        self.told.lock().unwrap().push(told);
    }
    fn refused(&self, (_, vcpu): (u32, Server), token: u64, code: i64) {
        self.told.lock().unwrap().push((vcpu.0, token, None, code));
    }
}

/// A partition with two processors, two functions and 1 MiB of memory on a machine of fakes.
pub(crate) struct Bench {
    pub(crate) lpar: &'static Lpar,
    pub(crate) icp: &'static FakeIcp,
    pub(crate) sources: &'static FakeSources,
    pub(crate) foreign: &'static FakeForeign,
    pub(crate) clock: &'static FakeClock,
    pub(crate) threads: &'static FakeThreads,
    pub(crate) terminal: &'static FakeTerminal,
    pub(crate) pci: [&'static FakePci; 2],
    /// Of the first function; the second has none.
    pub(crate) endpoint: &'static FakeEndpoint,
    pub(crate) observer: &'static FakeObserver,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// Makes the bench with the partition's configuration changed by `change`.
    pub(crate) fn with(change: impl FnOnce(&mut LparConfig)) -> Self {
        let icp = leak(FakeIcp::default());
        let sources = leak(FakeSources::default());
        let foreign = leak(FakeForeign::default());
        let threads = leak(FakeThreads::default());
        let clock = leak(FakeClock {
            civil: Mutex::new(Ok(CivilTime {
                year: 2026,
                month: 11,
                day: 23,
                hour: 4,
                minute: 13,
                second: 56,
                nanosecond: 7,
            })),
            random: Mutex::new(Ok(1)),
            passed: AtomicU64::new(0),
        });
        let terminal = leak(FakeTerminal {
            room: Mutex::new(4096),
            output: Mutex::default(),
            input: Mutex::default(),
        });
        let pci = [fake_pci(), fake_pci()];
        let endpoint = FakeEndpoint::new();
        let observer = leak(FakeObserver::default());
        let mut config = LparConfig {
            name: "test".into(),
            lpid: 1,
            ram: GuestRam::new(cells(RAM_BYTES as usize / 8), RealAddr(RAM_BASE)),
            hpt: Hpt::new(cells(Hpt::MIN_BYTES as usize / 8)).unwrap(),
            mmio: Mmio::new(vec![], RAM_BYTES).unwrap(),
            dma: DmaWindows::default(),
            processors: Processors::Dedicated,
            vcpus: (0..)
                .zip(PIRS)
                .map(|(n, pir)| Vcpu::new(Server(n), pir))
                .collect(),
            terminal,
            machine: Machine {
                presenter: icp,
                sources,
                foreign,
                tlb: leak(FakeTlb::default()),
                clock,
                threads,
                device_memory: leak(FakeDevices::default()),
                caches: leak(FakeCaches::default()),
                observer,
            },
            pci: vec![first_function(pci[0], endpoint), second_function(pci[1])],
            ethernet: vec![],
            nvram_bytes: 8192,
            security: CpuSecurity::EMULATED,
            after_crash: Default::default(),
        };
        change(&mut config);
        let lpar: &'static Lpar = leak(Lpar::new(config));
        lpar.vcpus[0].set_state(VcpuState::Running);
        crate::vpa::dispatched(lpar, &lpar.vcpus[0]);
        Self {
            lpar,
            icp,
            sources,
            foreign,
            clock,
            threads,
            terminal,
            pci,
            endpoint,
            observer,
        }
    }

    pub(crate) fn read(&self, at: u64, bytes: u64) -> u64 {
        self.lpar.ram.load(GuestRealAddr(at), bytes).unwrap()
    }

    pub(crate) fn write(&self, at: u64, bytes: u64, value: u64) {
        self.lpar
            .ram
            .store(GuestRealAddr(at), bytes, value)
            .unwrap();
    }
}

/// A network card: MSI and MSI-X, a level-sensitive interrupt, one small 32-bit register space.
fn first_function(access: &'static FakePci, endpoint: &'static FakeEndpoint) -> PciFunction {
    PciFunction::new(PciFunctionConfig {
        buid: BUIDS[0],
        location: "phb0/00.0/00.0".into(),
        ids: PciIds {
            vendor: 0x8086,
            device: 0x10d3,
            class: 0x02_0000,
            revision: 0,
            subsystem_vendor: 0x8086,
            subsystem: 0xa01f,
        },
        bars: vec![
            PciBar {
                index: 0,
                bus: 0x8080_0000,
                real: RealAddr(0x3_ff80_0080_0000),
                bytes: 0x2_0000,
                space: BarSpace::Memory32,
                prefetchable: false,
            },
            PciBar {
                index: 3,
                bus: 0x8082_0000,
                real: RealAddr(0x3_ff80_0082_0000),
                bytes: 0x4000,
                space: BarSpace::Memory32,
                prefetchable: false,
            },
        ],
        lsi: Some(LSI),
        first_msi: MSI,
        reserved_msis: 16,
        msi_capability: 1,
        msix_capability: 5,
        liobn: Liobn(0x8000_0001),
        window_start: 0,
        window_bytes: 0x4000_0000,
        access,
        recovery: Some(Recovery {
            endpoint,
            by: ResetBy::Function,
        }),
    })
}

/// A disk: MSI alone, 16 of its 64 messages reserved and aligned to 8; a 64-bit register space.
fn second_function(access: &'static FakePci) -> PciFunction {
    PciFunction::new(PciFunctionConfig {
        buid: BUIDS[1],
        location: "phb1/00.0/00.0".into(),
        ids: PciIds {
            vendor: 0x1b36,
            device: 0x0010,
            class: 0x01_0802,
            revision: 2,
            subsystem_vendor: 0x1af4,
            subsystem: 0x1100,
        },
        bars: vec![PciBar {
            index: 0,
            bus: 0x3_d010_0000_0000,
            real: RealAddr(0x3_d010_0000_0000),
            bytes: 0x4000,
            space: BarSpace::Memory64,
            prefetchable: true,
        }],
        lsi: None,
        first_msi: Irq(0x848),
        reserved_msis: 16,
        msi_capability: 64,
        msix_capability: 0,
        liobn: Liobn(0x8000_0002),
        window_start: 0,
        window_bytes: 0x4000_0000,
        access,
        recovery: None,
    })
}

/// Makes hcall `token` with `words` in r4 and on, on the first processor; returns r3, r4 and on, and
/// what comes after.
pub(crate) fn call(bench: &Bench, token: u64, words: &[u64]) -> (i64, Args, After) {
    call_on(bench, 0, token, words)
}

/// As [`call`], on processor `server`.
pub(crate) fn call_on(
    bench: &Bench,
    server: usize,
    token: u64,
    words: &[u64],
) -> (i64, Args, After) {
    let mut regs = [0; 9];
    regs[..words.len()].copy_from_slice(words);
    let vcpu = &bench.lpar.vcpus[server];
    let (code, after) = hcall::serve(bench.lpar, vcpu, token, &mut regs);
    (code, regs, after)
}

thread_local! {
    static LOGGED: RefCell<Vec<String>> = const { RefCell::new(vec![]) };
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        let line = record.args().to_string();
        LOGGED.with_borrow_mut(|logged| logged.push(line));
    }
    fn flush(&self) {}
}

/// Returns what this test logged since the last call; the first one begins to record.
pub(crate) fn logged() -> Vec<String> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Logger).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
    LOGGED.take()
}
