//! Fakes of the machine traits and a ready-made partition, for the tests of this crate.
//!
//! [`Rig`] is a partition of two processors with every fake within reach; [`Rig::call`] makes an
//! hcall as its first processor would. Everything is leaked: partitions live for ever.

pub(crate) mod bench;

use crate::dma::{DmaWindow, DmaWindows};
use crate::hcall::cpu::CpuSecurity;
use crate::hcall::{self, Args};
use crate::hpt::Hpt;
use crate::machine::{
    Caches, Capacity, CivilTime, Clock, DeviceMemory, Failed, ForeignIrq, Machine, Presenter,
    Sources, TceInvalidate, Terminal, Threads, Tlb,
};
use crate::mmio::{Mmio, MmioRange};
use crate::{GuestRam, Lpar, LparConfig, Processors, Vcpu};
use ioda::BeU64;
use papr_abi::{GuestRealAddr, IoAddr, Irq, Liobn, RealAddr, Server};
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::thread::{self, ThreadId};

/// Bytes of the partition's memory.
pub(crate) const RAM_BYTES: u64 = 1 << 20;
/// Where its memory lies in the machine.
pub(crate) const RAM_BASE: u64 = 0x4000_0000;
/// Its device memory.
pub(crate) const MMIO: MmioRange = MmioRange {
    start: GuestRealAddr(0x3fe0_0010_0000),
    bytes: 0x2_0000,
};
/// Its logical partition id.
pub(crate) const LPID: u32 = 7;

/// Keeps a value for ever.
pub(crate) fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Makes `count` doublewords of memory.
pub(crate) fn cells(count: usize) -> &'static [BeU64] {
    Vec::leak((0..count).map(|_| BeU64::new(0)).collect())
}

/// An invalidation as the TLB got it: partition, index, both doublewords.
pub(crate) type Invalidated = (u32, u64, u64, u64);

/// A TLB that notes what it is told to forget.
#[derive(Default)]
pub(crate) struct FakeTlb {
    pub(crate) log: Mutex<Vec<Invalidated>>,
    /// Invalidations that each thread began and did not wait for.
    pub(crate) begun: Mutex<HashMap<ThreadId, Vec<Invalidated>>>,
    /// How often `publish` was called.
    pub(crate) published: Mutex<usize>,
    /// Runs before an invalidation ends: what the hardware or another processor does just then.
    pub(crate) meanwhile: Mutex<Option<Box<dyn Fn() + Send>>>,
}

impl FakeTlb {
    /// Returns what was invalidated since the last time.
    pub(crate) fn take(&self) -> Vec<Invalidated> {
        assert!(self.begun.lock().unwrap().is_empty(), "never completed");
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

impl Tlb for FakeTlb {
    fn invalidate(&self, lpid: u32, index: u64, v: u64, r: u64) {
        if let Some(event) = &*self.meanwhile.lock().unwrap() {
            event();
        }
        self.log.lock().unwrap().push((lpid, index, v, r));
    }
    fn invalidate_later(&self, lpid: u32, index: u64, v: u64, r: u64) {
        let mut begun = self.begun.lock().unwrap();
        let own = begun.entry(thread::current().id()).or_default();
        own.push((lpid, index, v, r));
    }
    fn complete(&self) {
        let own = self.begun.lock().unwrap().remove(&thread::current().id());
        let mut own = own.expect("completed what was never begun");
        if let Some(event) = &*self.meanwhile.lock().unwrap() {
            event();
        }
        self.log.lock().unwrap().append(&mut own);
    }
    fn publish(&self) {
        *self.published.lock().unwrap() += 1;
    }
}

/// A bridge that notes which translations it is told to forget: bus address and pages.
#[derive(Default)]
pub(crate) struct FakeBridge {
    pub(crate) log: Mutex<Vec<(u64, u64)>>,
}

impl FakeBridge {
    /// Returns what was invalidated since the last time.
    pub(crate) fn take(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

impl TceInvalidate for FakeBridge {
    fn invalidate(&self, first: u64, pages: u64) {
        self.log.lock().unwrap().push((first, pages));
    }
}

/// Device registers, all zero until written: value and size by address.
#[derive(Default)]
pub(crate) struct FakeDevices {
    pub(crate) registers: Mutex<BTreeMap<u64, (u64, u64)>>,
}

impl DeviceMemory for FakeDevices {
    fn load(&self, at: RealAddr, bytes: u64) -> u64 {
        let registers = self.registers.lock().unwrap();
        let (value, stored) = registers.get(&at.0).copied().unwrap_or((0, bytes));
        assert_eq!(stored, bytes);
        value
    }
    fn store(&self, at: RealAddr, bytes: u64, value: u64) {
        self.registers.lock().unwrap().insert(at.0, (value, bytes));
    }
}

/// What was done to the caches: address and bytes.
#[derive(Default)]
pub(crate) struct FakeCaches {
    pub(crate) flushed: Mutex<Vec<(u64, u64)>>,
    pub(crate) fetched_anew: Mutex<Vec<(u64, u64)>>,
}

impl Caches for FakeCaches {
    fn flush(&self, at: RealAddr, bytes: u64) {
        self.flushed.lock().unwrap().push((at.0, bytes));
    }
    fn fetch_anew(&self, at: RealAddr, bytes: u64) {
        self.fetched_anew.lock().unwrap().push((at.0, bytes));
    }
}

/// Stands for parts of the machine that a test does not expect to be used.
pub(crate) struct Absent;

impl Presenter for Absent {
    fn poll(&self, _: u32) -> u32 {
        unreachable!()
    }
    fn accept(&self, _: u32) -> u32 {
        unreachable!()
    }
    fn eoi(&self, _: u32, _: u32) {
        unreachable!()
    }
    fn set_cppr(&self, _: u32, _: u8) {
        unreachable!()
    }
    fn set_mfrr(&self, _: u32, _: u8) {
        unreachable!()
    }
}

impl Sources for Absent {
    fn set_target(&self, _: Irq, _: u32, _: u8) -> Result<(), Failed> {
        unreachable!()
    }
    fn eoi(&self, _: Irq) {
        unreachable!()
    }
    fn reset(&self, _: Irq) {
        unreachable!()
    }
    fn exists(&self, _: Irq) -> bool {
        unreachable!()
    }
}

impl ForeignIrq for Absent {
    fn handle(&self, _: Irq, _: u32) {
        unreachable!()
    }
}

impl Clock for Absent {
    fn timebase(&self) -> u64 {
        unreachable!()
    }
    fn timebase_hz(&self) -> u64 {
        unreachable!()
    }
    fn purr(&self) -> u64 {
        unreachable!()
    }
    fn civil(&self) -> Result<CivilTime, Failed> {
        unreachable!()
    }
    fn random(&self) -> Result<u64, Failed> {
        unreachable!()
    }
}

impl Threads for Absent {
    fn capacity(&self) -> Capacity {
        unreachable!()
    }
    fn kick(&self, _: u32) {
        unreachable!()
    }
}

impl Terminal for Absent {
    fn put(&self, _: &[u8]) -> usize {
        unreachable!()
    }
    fn room(&self) -> usize {
        unreachable!()
    }
    fn get(&self, _: &mut [u8]) -> usize {
        unreachable!()
    }
}

/// The rig's first DMA window: 1024 pages of 4 KiB.
pub(crate) const WINDOW: (Liobn, IoAddr) = (Liobn(0x8000_0000), IoAddr(0x8000_0000));
/// Its second: 16 pages of 64 KiB.
pub(crate) const LARGE_WINDOW: (Liobn, IoAddr) = (Liobn(0x8000_0001), IoAddr(1 << 59));

/// A partition and all that it stands on.
pub(crate) struct Rig {
    pub(crate) lpar: Lpar,
    pub(crate) hpt: &'static [BeU64],
    pub(crate) tlb: &'static FakeTlb,
    pub(crate) devices: &'static FakeDevices,
    pub(crate) caches: &'static FakeCaches,
    /// The tables of both windows.
    pub(crate) tces: [&'static [BeU64]; 2],
    /// What both windows' translations are cached by.
    pub(crate) bridge: &'static FakeBridge,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with_ram(RAM_BYTES)
    }

    pub(crate) fn with_ram(ram_bytes: u64) -> Self {
        let hpt = cells(Hpt::MIN_BYTES as usize / 8);
        let tlb: &'static FakeTlb = leak(FakeTlb::default());
        let devices: &'static FakeDevices = leak(FakeDevices::default());
        let caches: &'static FakeCaches = leak(FakeCaches::default());
        let bridge: &'static FakeBridge = leak(FakeBridge::default());
        let tces = [cells(1024), cells(16)];
        let windows = vec![
            DmaWindow::new(WINDOW.0, WINDOW.1, 12, tces[0], bridge).unwrap(),
            DmaWindow::new(LARGE_WINDOW.0, LARGE_WINDOW.1, 16, tces[1], bridge).unwrap(),
        ];
        bridge.take();
        let ram = GuestRam::new(cells(ram_bytes as usize / 8), RealAddr(RAM_BASE));
        let lpar = Lpar::new(LparConfig {
            name: "rig".into(),
            lpid: LPID,
            dma: DmaWindows::new(windows, &ram).unwrap(),
            ram,
            hpt: Hpt::new(hpt).unwrap(),
            mmio: Mmio::new(vec![MMIO], ram_bytes).unwrap(),
            vcpus: vec![Vcpu::new(Server(0), 0x8), Vcpu::new(Server(1), 0x10)],
            processors: Processors::Dedicated,
            terminal: &Absent,
            machine: Machine {
                presenter: &Absent,
                sources: &Absent,
                foreign: &Absent,
                tlb,
                clock: &Absent,
                threads: &Absent,
                device_memory: devices,
                caches,
                observer: &(),
            },
            pci: vec![],
            ethernet: vec![],
            nvram_bytes: 0,
            security: CpuSecurity::EMULATED,
            after_crash: Default::default(),
        });
        Self {
            lpar,
            hpt,
            tlb,
            devices,
            caches,
            tces,
            bridge,
        }
    }

    /// Makes hcall `token` as processor 0: r3, and r4 to r12 afterwards.
    pub(crate) fn call(&self, token: u64, args: &[u64]) -> (i64, Args) {
        let mut regs: Args = [0; 9];
        regs[..args.len()].copy_from_slice(args);
        let (status, _) = hcall::serve(&self.lpar, &self.lpar.vcpus[0], token, &mut regs);
        (status, regs)
    }
}
