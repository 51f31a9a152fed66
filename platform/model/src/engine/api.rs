//! A model for whoever drives it: [`Bridge`]. Its registers are in [`crate::chip`].

use super::State;
use super::errors::FIR;
use super::tables::{PESTA, PESTB};
use crate::chip::Chip;
use crate::request::{Act, Outcome, Posing, Reached, Severity};
use crate::{Delivery, Fabric, Refusal, SharedMemory, Way};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use ioda::{Freeze, MmioIo, PeNumber, Pest, Rid};
use lock::Mutex;

/// A bridge of chip `C` with a fabric below it.
///
/// Everything goes by `&self`: a lock inside makes each access one step. Nothing waits, nothing panics whatever
/// is asked, and what is kept for the one who asks ([`Self::complaints`], [`Self::deliveries`]) has bounded room.
pub struct Bridge<C> {
    pub(crate) state: Mutex<State<C>>,
}

#[expect(private_bounds, reason = "nobody else makes a chip")]
impl<C: Chip> Bridge<C> {
    pub(crate) fn of(chip: C, fabric: Fabric) -> Self {
        Self {
            state: Mutex::new(State::new(chip, fabric)),
        }
    }

    /// Lets the bridge reach `piece` at `real`.
    pub fn add_memory(&self, real: u64, piece: Box<dyn SharedMemory>) {
        self.state.lock().memory.add(real, piece);
    }

    /// Does something to what is below.
    pub fn with_fabric<T>(&self, act: impl FnOnce(&mut Fabric) -> T) -> T {
        act(&mut self.state.lock().fabric)
    }

    /// What the driver did that it must not, in words; empties the list. The first 64, then how many more.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.state.lock().log.take_complaints()
    }

    /// The interrupts presented since the last call, up to 256; see [`Self::lost_deliveries`].
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.state.lock().log.take_deliveries()
    }

    /// How many interrupts were presented while 256 were waiting to be taken.
    #[must_use]
    pub fn lost_deliveries(&self) -> u64 {
        self.state.lock().log.lost()
    }

    /// Table entries that nobody wrote since they were lost: table and index.
    #[must_use]
    pub fn unwritten(&self) -> Vec<(u64, usize)> {
        self.state.lock().tables.unwritten()
    }

    /// The words of an entry of a table on the chip, the second 0 where there is one alone; `None` if there is no
    /// such entry.
    #[must_use]
    pub fn entry(&self, table: u64, index: usize) -> Option<[u64; 2]> {
        let (table, index) = (u8::try_from(table).ok()?, u16::try_from(index).ok()?);
        self.state.lock().tables.get(table, index)
    }

    /// A register of the bridge, as it is; `None` if nobody wrote it since it was lost.
    #[must_use]
    pub fn register(&self, at: u16) -> Option<u64> {
        self.state.lock().regs.stored(at)
    }

    /// What is stopped for `pe`; everything if there is no such endpoint.
    #[must_use]
    pub fn freeze_state(&self, pe: PeNumber) -> Freeze {
        let state = self.state.lock();
        let mut freeze = Freeze::empty();
        freeze.set(Freeze::MMIO, state.tables.is_stopped(PESTA, pe.0));
        freeze.set(Freeze::DMA, state.tables.is_stopped(PESTB, pe.0));
        freeze
    }

    /// What is noted of the error that stopped `pe`, wherever the chip keeps it; nothing if there is no such
    /// endpoint.
    #[must_use]
    pub fn pest(&self, pe: PeNumber) -> Pest {
        let state = self.state.lock();
        if pe.0 >= C::PARAMS.pes {
            return Pest::default();
        }
        let [a, b] = state.pest(pe.0);
        Pest { a, b }
    }

    /// A request comes to the bridge under any requester id.
    pub fn forged(&self, rid: Rid, act: Act) -> Outcome {
        self.state.lock().play(rid, act)
    }

    /// Something reads at `address` under any requester id. Gives the real address that it reaches.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn forged_read(&self, rid: Rid, address: u64) -> Result<u64, Refusal> {
        memory(self.forged(rid, Act::Read(address)))
    }

    /// Something writes at `address` under any requester id. Gives the real address that it reaches; 0 where the
    /// write was taken for a message.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn forged_write(&self, rid: Rid, address: u64) -> Result<u64, Refusal> {
        memory(self.forged(rid, Act::Write(address)))
    }

    /// Something sends the message `data` to `address` under any requester id.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn forged_message(&self, rid: Rid, address: u64, data: u32) -> Result<(), Refusal> {
        self.forged(rid, Act::Message { address, data })
            .result
            .map(|_| ())
    }

    /// INTx wire `wire`, 0 to 3, is pulled.
    pub fn pull_intx(&self, wire: u8) {
        C::level(&mut self.state.lock(), wire & 3);
    }

    /// Requester `rid` tells of a fatal error: its endpoint is frozen, and every endpoint that its row names.
    pub fn error_message(&self, rid: Rid) {
        self.forged(rid, Act::Error(Severity::Fatal));
    }

    /// Error bits are latched in the FIR.
    pub fn latch_errors(&self, fir: u64) {
        self.state.lock().latch_fir(fir);
    }

    /// The error bits that are latched in the FIR.
    #[must_use]
    pub fn latched(&self) -> u64 {
        self.state.lock().reg(FIR)
    }

    /// The bridge shuts itself off.
    pub fn fence(&self) {
        C::fence(&mut self.state.lock());
    }

    /// The chip calls itself another version.
    pub fn set_version(&self, version: u64) {
        self.state.lock().regs.set(0x800, version);
    }

    /// Nothing is in the slot: the link never comes up.
    pub fn take_link_down(&self) {
        self.state.lock().link.is_empty = true;
    }

    /// The endpoint of the segment that holds real address `real`; `None` outside all windows.
    #[must_use]
    pub fn segment_pe(&self, real: u64) -> Option<PeNumber> {
        C::place(&self.state.lock(), real).map(|place| PeNumber(place.pe))
    }

    /// A processor loads four bytes at real address `real`.
    ///
    /// # Errors
    /// [`Refusal`]; the processor sees all ones.
    pub fn load(&self, real: u64) -> Result<u32, Refusal> {
        self.state.lock().mmio(real, None)
    }

    /// A processor stores four bytes at real address `real`.
    ///
    /// # Errors
    /// [`Refusal`]; the store is dropped.
    pub fn store(&self, real: u64, value: u32) -> Result<(), Refusal> {
        self.state.lock().mmio(real, Some(value)).map(|_| ())
    }

    /// Function `index` of the fabric does something, under its own requester id or another. What is above it
    /// decides how it comes to the bridge, and whether.
    pub fn play(&self, index: usize, posing: Posing, act: Act) -> Outcome {
        let mut state = self.state.lock();
        match state.fabric.ascend(index, posing, act) {
            Way::Host(rid) => state.play(rid, act),
            Way::Ends(rid, refusal) => Outcome {
                rid,
                act,
                pe: None,
                result: Err(refusal),
            },
        }
    }

    /// Function `index` reads at PCI address `address`. Gives the real address that it reaches.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn dma_read(&self, index: usize, address: u64) -> Result<u64, Refusal> {
        memory(self.play(index, Posing::Truly, Act::Read(address)))
    }

    /// Function `index` writes at PCI address `address`. Gives the real address that it reaches; 0 where the
    /// write was taken for a message.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn dma_write(&self, index: usize, address: u64) -> Result<u64, Refusal> {
        memory(self.play(index, Posing::Truly, Act::Write(address)))
    }

    /// Function `index` sends the message `data` to `address`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn message(&self, index: usize, address: u64, data: u32) -> Result<(), Refusal> {
        self.play(index, Posing::Truly, Act::Message { address, data })
            .result
            .map(|_| ())
    }
}

/// The real address of an outcome.
fn memory(outcome: Outcome) -> Result<u64, Refusal> {
    outcome.result.map(|reached| match reached {
        Reached::Memory(real) => real,
        Reached::Interrupt | Reached::Noted => 0,
    })
}

impl<C: Chip> MmioIo for Bridge<C> {
    fn read32(&self, real: u64) -> u32 {
        self.load(real).unwrap_or(u32::MAX)
    }
    fn write32(&self, real: u64, value: u32) {
        // A processor does not hear that its store was dropped.
        let _ = self.store(real, value);
    }
}
