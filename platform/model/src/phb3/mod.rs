//! The PHB3: [`Phb3`]. Here its state and what a test may do to it; `registers` has what a driver may do,
//! `requests` what devices and processors send through it.

mod registers;
mod requests;

use crate::memory::Memory;
use crate::{Delivery, Fabric, Refusal, SharedMemory};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use ioda::{PeNumber, Rid};
use spin::Mutex;

/// IBM bit `n` of a doubleword.
const fn bit(n: u32) -> u64 {
    1 << (63 - n)
}
/// IBM bits `first` to `last` of `value`, at the bottom.
const fn field(value: u64, first: u32, last: u32) -> u64 {
    value >> (63 - last) & (u64::MAX >> (63 - (last - first)))
}

const PES: usize = 256;
const MSIS: u64 = 0x7f8;
const MASKED: u8 = 0xff;

/// Which machine the bridge is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The chip: its logic starts held in reset, links train after PERST, timers keep what they are given.
    Chip,
    /// QEMU's `powernv8`: none of that.
    Emulator,
}

/// An entry of the interrupt vector table, as the bridge has cached it.
#[derive(Clone, Copy)]
struct CachedIve {
    server: u32,
    priority: u8,
    generation: u8,
    p: bool,
    q: bool,
    pe: u16,
}

/// The tables on the chip.
struct OnChip {
    lxivt: [u64; 8],
    tvt: [u64; 512],
    m32dt: [u64; 256],
    m64bt: [u64; 16],
    pest: [[bool; PES]; 2],
}

impl OnChip {
    /// Nothing in particular: a driver must write all of it.
    const fn garbage() -> Self {
        Self {
            lxivt: [0x0000_0102_0000_0000; 8],
            tvt: [0xdead_b000_0000_0805; 512],
            m32dt: [7 << 48; 256],
            m64bt: [0; 16],
            pest: [[false; PES]; 2],
        }
    }
}

struct State {
    kind: Kind,
    irq_base: u32,
    regs: BTreeMap<u16, u64>,
    nest: BTreeMap<u32, u64>,
    pci: BTreeMap<u32, u64>,
    asb_address: u16,
    asb_was_read: bool,
    on_chip: OnChip,
    memory: Memory,
    fabric: Fabric,
    rtt_cache: BTreeMap<u16, u16>,
    /// By endpoint and DMA address of the page.
    tce_cache: BTreeMap<(u16, u64), u64>,
    ivc: BTreeMap<u16, CachedIve>,
    ffi_locked: bool,
    sync_polls: u32,
    /// How many more looks at the link say that it is not up.
    link_looks: u32,
    /// How many more looks say that the link layer is in reset.
    layer_looks: u32,
    busy_looks: u32,
    nfir: u64,
    fir: u64,
    /// Done when the driver next updates the interrupt cache, before the update counts.
    ambush: Vec<Ambush>,
    deliveries: Vec<Delivery>,
    complaints: Vec<String>,
}

enum Ambush {
    Evict(u16),
    Message(Rid, u64, u32),
}

/// A PHB3 with a fabric below it.
pub struct Phb3 {
    state: Mutex<State>,
}

impl Phb3 {
    /// Real address of the 64-bit area, 64 GiB.
    pub const MMIO0: u64 = 0x3_d000_0000_0000;
    /// Real address of the 32-bit window, 2 GiB.
    pub const MMIO1: u64 = 0x3_ff80_0000_0000;
    /// Real address of the registers.
    pub const REGISTERS: u64 = 0x3_fffe_4000_0000;

    /// Bridge 0 of chip 0 in a machine of this kind, with `fabric` below it.
    #[must_use]
    pub fn new(kind: Kind, mut fabric: Fabric) -> Self {
        fabric.root_is_open = kind == Kind::Chip;
        fabric.device_mut(0).loses_prefetch = kind == Kind::Chip;
        let nest = [
            (0x40, Self::MMIO0 << 14),
            (0x41, Self::MMIO1 << 14),
            (0x42, Self::REGISTERS << 14),
            (0x43, 0x3_fff0_0000_0000 << 14),
            (0x44, 0x3_ffff_8000_0000 << 14),
        ];
        let held = if kind == Kind::Chip { bit(0) } else { 0 };
        let state = State {
            kind,
            irq_base: 0x800,
            regs: BTreeMap::new(),
            nest: nest.into_iter().collect(),
            pci: [(0x0a, held)].into_iter().collect(),
            asb_address: 0,
            asb_was_read: false,
            on_chip: OnChip::garbage(),
            memory: Memory::default(),
            fabric,
            rtt_cache: BTreeMap::new(),
            tce_cache: BTreeMap::new(),
            ivc: BTreeMap::new(),
            ffi_locked: false,
            sync_polls: 0,
            link_looks: 3,
            layer_looks: 2,
            busy_looks: 0,
            nfir: 0,
            fir: 0,
            ambush: Vec::new(),
            deliveries: Vec::new(),
            complaints: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Lets the bridge reach `piece` at `real`.
    pub fn add_memory(&self, real: u64, piece: Box<dyn SharedMemory>) {
        self.state.lock().memory.add(real, piece);
    }

    /// Does something to the fabric.
    pub fn with_fabric<T>(&self, act: impl FnOnce(&mut Fabric) -> T) -> T {
        act(&mut self.state.lock().fabric)
    }

    /// What the driver did that it must not; empties the list.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        core::mem::take(&mut self.state.lock().complaints)
    }

    /// The interrupts presented since the last call.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        core::mem::take(&mut self.state.lock().deliveries)
    }

    /// Function `index` reads (4 bytes, say) at PCI address `address`. Gives the real address that it reaches.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn dma_read(&self, index: usize, address: u64) -> Result<u64, Refusal> {
        self.request(index, |state, rid| state.dma(rid, address, 1))
    }

    /// Function `index` writes at PCI address `address`. Gives the real address that it reaches.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn dma_write(&self, index: usize, address: u64) -> Result<u64, Refusal> {
        self.request(index, |state, rid| state.dma(rid, address, 2))
    }

    /// Function `index` sends the message `data` to `address`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn message(&self, index: usize, address: u64, data: u32) -> Result<(), Refusal> {
        self.request(index, |state, rid| state.message(rid, address, data))
    }

    /// Something sends the message `data` to `address` under any requester id.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn forged_message(&self, rid: Rid, address: u64, data: u32) -> Result<(), Refusal> {
        self.state.lock().message(rid, address, data)
    }

    /// Something reads at `address` under any requester id.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn forged_read(&self, rid: Rid, address: u64) -> Result<u64, Refusal> {
        self.state.lock().dma(rid, address, 1)
    }

    /// Something writes at `address` under any requester id.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn forged_write(&self, rid: Rid, address: u64) -> Result<u64, Refusal> {
        self.state.lock().dma(rid, address, 2)
    }

    /// INTx wire `wire` is pulled.
    pub fn pull_intx(&self, wire: u8) {
        self.state.lock().level(wire);
    }

    /// The bridge drops its copy of interrupt `msi`, as it does when it needs the room.
    pub fn evict(&self, msi: u16) {
        self.state.lock().ivc.remove(&msi);
    }

    /// When the driver next updates the interrupt cache, just before that the bridge drops its copy of interrupt
    /// `msi` and takes this message.
    pub fn ambush(&self, msi: u16, rid: Rid, address: u64, data: u32) {
        self.state.lock().ambush =
            alloc::vec![Ambush::Evict(msi), Ambush::Message(rid, address, data)];
    }

    /// Requester `rid` sends an error: its endpoint is frozen, and every endpoint that its row names.
    pub fn error_message(&self, rid: Rid) {
        self.state.lock().error_message(rid);
    }

    /// Error bits are latched.
    pub fn latch_errors(&self, fir: u64) {
        self.state.lock().fir |= fir;
    }

    /// The error bits that are latched.
    #[must_use]
    pub fn latched(&self) -> u64 {
        self.state.lock().fir
    }

    /// The machine wants the bridge's interrupts numbered from `base` on, in place of 0x800.
    pub fn number_interrupts(&self, base: u32) {
        self.state.lock().irq_base = base;
    }

    /// The bridge shuts itself off.
    pub fn fence(&self) {
        self.state.lock().nfir |= bit(16);
    }

    /// The endpoint of the segment that holds real address `real`; `None` outside all windows.
    #[must_use]
    pub fn segment_pe(&self, real: u64) -> Option<PeNumber> {
        self.state.lock().window(real).map(|(_, pe)| PeNumber(pe))
    }

    fn request<T>(
        &self,
        index: usize,
        act: impl FnOnce(&mut State, Rid) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut state = self.state.lock();
        if !state.fabric.masters(index) {
            return Err(Refusal::NotMaster);
        }
        let rid = state.fabric.bdf(index);
        act(&mut state, rid)
    }
}

impl State {
    fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    fn reg(&self, at: u16) -> u64 {
        self.regs.get(&at).copied().unwrap_or(0)
    }

    fn is_fenced(&self) -> bool {
        self.nfir & bit(16) != 0
    }

    fn is_held(&self) -> bool {
        self.pci.get(&0x0a).is_some_and(|reset| reset & bit(0) != 0)
    }

    /// The base of a table in memory, if its register is enabled.
    fn table(&self, bar: u16) -> Option<u64> {
        let value = self.reg(bar);
        (value & bit(0) != 0).then_some(value & 0x0003_ffff_ffff_f000)
    }

    /// Freezes `pe` for MMIO and DMA, latching the cause.
    fn freeze(&mut self, pe: u16, a: u64, b: u64) {
        let pe_index = usize::from(pe) % PES;
        self.on_chip
            .pest
            .iter_mut()
            .for_each(|side| side[pe_index] = true);
        self.fir |= 1;
        if let Some(pest) = self.table(0x1a8) {
            self.memory
                .store(pest + 16 * pe_index as u64, 8, a & !bit(0));
            self.memory
                .store(pest + 16 * pe_index as u64 + 8, 8, b & !bit(0));
        }
    }

    fn error_message(&mut self, rid: Rid) {
        let Ok(pe) = self.endpoint(rid) else { return };
        let Some(peltv) = self.table(0x188) else {
            return;
        };
        for child in 0..PES as u16 {
            let word = peltv + u64::from(pe) * 32 + u64::from(child / 64) * 8;
            if self.memory.load(word, 8).unwrap_or(0) & bit(u32::from(child % 64)) != 0 {
                self.freeze(child, 0x7 << 56, 0);
            }
        }
    }

    fn flagged(&self, word: usize) -> u64 {
        (0..64)
            .filter(|pe| self.on_chip.pest.iter().any(|side| side[word * 64 + pe]))
            .map(|pe| bit(pe as u32))
            .sum()
    }
}
