//! A partition of two processors on a machine of fakes, with a copy of all memory that calls may change.
//!
//! [`Bench`] is what programs of calls run against. Whoever makes a call tells the copy what it may have changed
//! ([`Bench::expect`], [`Bench::accept`], the shadows of page table and DMA windows); [`Bench::finish`] compares
//! all of it. [`Machine`] is strict: what no partition may ask of a machine makes it panic.

pub mod fakes;
mod function;
mod state;

pub use fakes::{LSIS, Machine, PIRS};
pub use state::Small;

use ioda::BeU64;
use lpar::dma::{DmaWindow, DmaWindows};
use lpar::hcall::cpu::CpuSecurity;
use lpar::hcall::{self, After, Args};
use lpar::hpt::Hpt;
use lpar::mmio::{Mmio, MmioRange};
use lpar::{GuestRam, Lpar, LparConfig, Processors, Vcpu, VcpuState};
use papr_abi::hpte::{HPTE_BYTES, r, v};
use papr_abi::tce::PERMISSIONS;
use papr_abi::{GuestRealAddr, HError, IoAddr, Liobn, RealAddr, Server};
use std::sync::atomic::Ordering::Relaxed;

/// Bytes of the partition's memory: two pages of 64 KiB.
pub const RAM_BYTES: u64 = 0x2_0000;
/// Where its memory lies in the machine.
pub const RAM_BASE: u64 = 0x4000_0000;
/// Bytes before and behind it that are not its own.
pub const GUARD_BYTES: u64 = 0x1000;
/// What they hold.
const GUARD: u64 = 0x6e6f_7420_796f_7572;
/// Its device memory.
pub const MMIO: MmioRange = MmioRange {
    start: GuestRealAddr(0x3fe0_0010_0000),
    bytes: 0x2_0000,
};
/// Its logical partition id.
pub const LPID: u32 = 7;
/// Entries of its page table.
pub const HPT_ENTRIES: u64 = Hpt::MIN_BYTES / HPTE_BYTES;
/// Bytes of its non-volatile memory.
pub const NVRAM_BYTES: u32 = 4096;

/// A DMA window: its number, first bus address, log2 of its pages' bytes, and how many pages.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Its number.
    pub liobn: u64,
    /// Its first bus address.
    pub first: u64,
    /// log2 of a page's bytes.
    pub shift: u8,
    /// How many pages it has.
    pub pages: u64,
}

/// Its DMA windows, one for each size of pages.
pub const WINDOWS: [Window; 2] = [
    Window {
        liobn: 0x8000_0001,
        first: 0x8000_0000,
        shift: 12,
        pages: 600,
    },
    Window {
        liobn: 0x8000_0002,
        first: 1 << 59,
        shift: 16,
        pages: 16,
    },
];

/// Memory that lives as long as its thread, as partitions have no other: made once, used by every bench.
#[derive(Clone, Copy)]
struct Memory {
    /// The partition's, with the guards around it.
    all: &'static [BeU64],
    hpt: &'static [BeU64],
    tces: [&'static [BeU64]; 2],
}

impl Memory {
    fn of_this_thread() -> Self {
        thread_local! {
            static MEMORY: Memory = Memory {
                all: cells((RAM_BYTES + 2 * GUARD_BYTES) / 8),
                hpt: cells(Hpt::MIN_BYTES / 8),
                tces: WINDOWS.map(|window| cells(window.pages)),
            };
        }
        MEMORY.with(|memory| *memory)
    }

    fn ram(self) -> &'static [BeU64] {
        let first = (GUARD_BYTES / 8) as usize;
        &self.all[first..first + (RAM_BYTES / 8) as usize]
    }
}

fn cells(count: u64) -> &'static [BeU64] {
    Vec::leak((0..count).map(|_| BeU64::new(0)).collect())
}

/// A partition, its machine, and copies of its memory.
pub struct Bench {
    /// The partition.
    pub lpar: Lpar,
    /// The machine.
    pub machine: &'static Machine,
    /// Its page table as it must be.
    pub hpt: Vec<[u64; 2]>,
    /// The tables of its DMA windows as they must be.
    pub tces: [Vec<u64>; 2],
    /// Its non-volatile memory as it must be.
    pub nvram: Vec<u8>,
    /// Its memory as it must be, by doublewords.
    ram: Vec<u64>,
    memory: Memory,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bench")
    }
}

impl Bench {
    /// Makes the partition, whose first processor runs. `broken` says by bits what of the machine fails; see
    /// [`Machine::break_parts`].
    #[must_use]
    pub fn new(broken: u8) -> Self {
        fakes::log_into_nothing();
        let machine = Machine::of_this_thread();
        machine.reset();
        machine.break_parts(broken);
        let memory = Memory::of_this_thread();
        let guard = (GUARD_BYTES / 8) as usize;
        let end = memory.all.len() - guard;
        memory.all[..guard]
            .iter()
            .for_each(|cell| cell.store(GUARD));
        memory.all[end..].iter().for_each(|cell| cell.store(GUARD));
        let ram = GuestRam::new(memory.ram(), RealAddr(RAM_BASE));
        let windows = WINDOWS.iter().zip(memory.tces).map(|(window, table)| {
            DmaWindow::new(
                Liobn(window.liobn as u32),
                IoAddr(window.first),
                window.shift,
                table,
                machine,
            )
            .expect("the constants are right")
        });
        let lpar = Lpar::new(LparConfig {
            name: "fuzz".into(),
            lpid: LPID,
            dma: DmaWindows::new(windows.collect(), &ram).expect("the constants are right"),
            ram,
            hpt: Hpt::new(memory.hpt).expect("the constant is right"),
            mmio: Mmio::new(vec![MMIO], RAM_BYTES).expect("the constant is right"),
            processors: Processors::Dedicated,
            vcpus: (0..)
                .zip(PIRS)
                .map(|(server, pir)| Vcpu::new(Server(server), pir))
                .collect(),
            terminal: machine,
            machine: machine.as_traits(),
            pci: machine.functions(),
            ethernet: Vec::new(),
            nvram_bytes: NVRAM_BYTES as usize,
            security: CpuSecurity::EMULATED,
            after_crash: Default::default(),
        });
        lpar.vcpus[0].set_state(VcpuState::Running);
        let mut bench = Self {
            lpar,
            machine,
            hpt: vec![[0; 2]; HPT_ENTRIES as usize],
            tces: WINDOWS.map(|window| vec![0; window.pages as usize]),
            nvram: vec![0; NVRAM_BYTES as usize],
            ram: vec![0; (RAM_BYTES / 8) as usize],
            memory,
        };
        bench.clear_ram();
        // What the windows had when they were made.
        let _ = machine.take_forgotten();
        bench
    }

    fn clear_ram(&mut self) {
        // What a bench before this one has left: its copies say nothing of it.
        self.memory.ram().iter().for_each(|cell| {
            if cell.load() != 0 {
                cell.store(0);
            }
        });
    }

    /// Makes an hcall of processor `server`; returns r3, what is in r4 and on, and what comes after.
    #[must_use]
    pub fn call(&self, server: usize, token: u64, args: &Args) -> (i64, Args, After) {
        let mut regs = *args;
        let (status, after) = hcall::serve(&self.lpar, &self.lpar.vcpus[server], token, &mut regs);
        (status, regs, after)
    }

    /// Does to the partition what the machine layer does after an hcall.
    pub fn follow(&mut self, server: usize, after: After) {
        let vcpu = &self.lpar.vcpus[server];
        match after {
            After::Cede | After::AwaitProd => vcpu.ceded.store(false, Relaxed),
            After::Attend | After::ReloadMode => vcpu.attention.store(0, Relaxed),
            After::StopSelf => vcpu.set_state(VcpuState::Stopped),
            After::Restart | After::PowerOff | After::Crashed => self.restart(),
            After::Return
            | After::EnableInterrupts
            | After::SetSprg0(_)
            | After::Yield
            | After::SystemReset => {}
        }
    }

    fn restart(&mut self) {
        for vcpu in &self.lpar.vcpus {
            vcpu.set_state(VcpuState::Stopped);
        }
        self.lpar.reset();
        self.machine.assert_quiet();
        self.lpar.vcpus[0].set_state(VcpuState::Running);
    }

    /// The partition's memory as a guest stores to it: 8 bytes at a multiple of 8, if that is memory.
    pub fn store(&mut self, at: u64, value: u64) {
        let at = at & !7;
        if self.lpar.ram.store(GuestRealAddr(at), 8, value).is_ok() {
            self.ram[(at / 8) as usize] = value;
        }
    }

    /// The same by 4 bytes at a multiple of 4.
    pub fn store_cell(&mut self, at: u64, value: u32) {
        if self
            .lpar
            .ram
            .store(GuestRealAddr(at), 4, value.into())
            .is_ok()
        {
            self.expect(at, 4, value.into());
        }
    }

    /// Reads `bytes` (1, 2, 4 or 8) of the copy of memory at `at`, aligned; `None` outside.
    #[must_use]
    pub fn peek(&self, at: u64, bytes: u64) -> Option<u64> {
        let inside = at < RAM_BYTES && at.is_multiple_of(bytes);
        let word = inside.then(|| self.ram[(at / 8) as usize])?;
        let shift = (8 - bytes - at % 8) * 8;
        Some(word >> shift & (u64::MAX >> (64 - 8 * bytes)))
    }

    /// From now on memory must hold the low `bytes` (1, 2, 4 or 8) of `value` at `at`, aligned and inside.
    pub fn expect(&mut self, at: u64, bytes: u64, value: u64) {
        let shift = (8 - bytes - at % 8) * 8;
        let mask = u64::MAX >> (64 - 8 * bytes) << shift;
        let word = &mut self.ram[(at / 8) as usize];
        *word = *word & !mask | value << shift & mask;
    }

    /// From now on memory must hold zeroes in `bytes` from `at`, both multiples of 8.
    pub fn expect_zero(&mut self, at: u64, bytes: u64) {
        self.ram[(at / 8) as usize..((at + bytes) / 8) as usize].fill(0);
    }

    /// From now on `to` must be a copy of the 4 KiB page at `from`.
    pub fn expect_copy(&mut self, to: u64, from: u64) {
        let from = (from / 8) as usize;
        self.ram.copy_within(from..from + 512, (to / 8) as usize);
    }

    /// Takes `bytes` from `at` as they are now for what they must be: outputs whose values are checked elsewhere.
    pub fn accept(&mut self, at: u64, bytes: u64) {
        for at in at..at + bytes {
            let value = self.lpar.ram.load(GuestRealAddr(at), 1);
            self.expect(at, 1, value.expect("the caller has seen that it is inside"));
        }
    }

    /// Changes the referenced and changed bits of a valid entry, as the hardware does.
    pub fn touch(&mut self, index: u64, bits: u64) {
        let index = index % HPT_ENTRIES;
        let [v_word, r_word] = &mut self.hpt[index as usize];
        if *v_word & v::VALID != 0 {
            *r_word |= bits & (r::R | r::C);
            self.memory.hpt[(index * 2 + 1) as usize].store(*r_word);
        }
    }

    /// The actual entry of the page table.
    #[must_use]
    pub fn entry(&self, index: u64) -> [u64; 2] {
        let at = (index * 2) as usize;
        [self.memory.hpt[at].load(), self.memory.hpt[at + 1].load()]
    }

    /// Compares all memory with its copies, and checks that nothing in the tables leads out of the partition.
    pub fn finish(&self) {
        let guard = (GUARD_BYTES / 8) as usize;
        let (before, rest) = self.memory.all.split_at(guard);
        let (ram, behind) = rest.split_at(rest.len() - guard);
        let intact = before.iter().chain(behind).all(|cell| cell.load() == GUARD);
        assert!(intact, "memory outside the partition was written");
        for (index, (cell, &expected)) in ram.iter().zip(&self.ram).enumerate() {
            let found = cell.load();
            assert!(
                found == expected,
                "memory at {:#x} holds {found:#x}, not {expected:#x}",
                index * 8
            );
        }
        for (index, expected) in (0..).zip(&self.hpt) {
            let found = self.entry(index);
            assert!(
                found == *expected,
                "entry {index:#x} is {found:x?}, not {expected:x?}"
            );
            if found != [0; 2] {
                assert_own(index, found);
            }
        }
        for (number, window) in WINDOWS.iter().enumerate() {
            let table = self.memory.tces[number].iter().zip(&self.tces[number]);
            for (index, (cell, &expected)) in table.enumerate() {
                let found = cell.load();
                assert!(
                    found == expected,
                    "TCE {index} of window {number} is {found:#x}, not {expected:#x}"
                );
                if found & PERMISSIONS != 0 {
                    assert_page_own(found, 1 << window.shift);
                }
            }
        }
        self.check_nvram();
    }

    fn check_nvram(&self) {
        let mut at = 0;
        for chunk in self.nvram.chunks(64) {
            let fetched = self
                .lpar
                .nvram
                .fetch(at, 64, &self.lpar.ram, GuestRealAddr(0));
            assert_eq!(fetched, Ok(()));
            let mut found = [0; 64];
            let read = self.lpar.ram.read(GuestRealAddr(0), &mut found);
            assert_eq!((read, &found[..]), (Ok(()), chunk), "NVRAM at {at:#x}");
            at += 64;
        }
    }
}

/// Panics unless an entry that permits something leads to one whole page of the partition's.
fn assert_page_own(tce: u64, page: u64) {
    let offset = (tce & !PERMISSIONS).wrapping_sub(RAM_BASE);
    let own = offset.is_multiple_of(page) && offset < RAM_BYTES && page <= RAM_BYTES - offset;
    assert!(own, "TCE {tce:#x} leads out");
}

/// Panics unless a valid entry maps the partition's own with the attributes that it must have.
fn assert_own(index: u64, [first, second]: [u64; 2]) {
    assert!(
        first & v::VALID != 0 && first & v::HV_LOCK == 0,
        "entry {index:#x} stays locked: {first:#x}"
    );
    let bytes: u64 = if first & v::LARGE == 0 {
        0x1000
    } else {
        0x1_0000
    };
    let real = second & r::RPN & !(bytes - 1);
    let inside = |start: u64, length: u64| real >= start && real + bytes <= start + length;
    let wimg = second & r::WIMG;
    let own = if inside(RAM_BASE, RAM_BYTES) {
        wimg == r::M
    } else {
        inside(MMIO.start.0, MMIO.bytes) && wimg & (r::W | r::I | r::M) == r::I
    };
    assert!(own, "entry {index:#x} leads out: {first:#x} {second:#x}");
}

/// The status that an error has in r3.
#[must_use]
pub const fn code(error: HError) -> i64 {
    error.code()
}
