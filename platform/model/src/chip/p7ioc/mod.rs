//! The POWER7 hub with one bridge in use: [`P7ioc`]. `codec` has its tables, `regs` its registers, `hub` what is
//! around the bridge.
//!
//! Nobody has an emulator or the specification of the chip, so this is its published driver read the other way
//! round. Where that does not tell, the model does not guess in the driver's favour: what would rest on it is a
//! complaint, or refused.

mod codec;
mod hub;
mod params;
mod regs;

pub use hub::HubUnit;
pub use regs::{P7iocBlock, P7iocRegs};

use crate::bits::bit;
use crate::engine::{Bridge, State};
use crate::fabric::RootQuirks;
use crate::{Fabric, Refusal};
use arrayvec::ArrayVec;
use hub::Hub;
use ioda::{PeNumber, Rid};

/// Kills on their way.
const POSTED: usize = 64;

/// What only this chip has.
pub struct P7iocChip {
    index: u8,
    hub: Hub,
    /// Pairs whose kill was posted and has not arrived; `None` for all.
    posted: ArrayVec<Option<u64>, POSTED>,
}

/// A P7IOC with a fabric below one of its bridges.
pub type P7ioc = Bridge<P7iocChip>;

impl P7ioc {
    /// Real address of the first window.
    pub const BAR1: u64 = 0x3e_0000_0000;
    /// Real address of the second.
    pub const BAR2: u64 = 0x40_0000_0000;
    /// The bits above source numbers.
    pub const BUID_EXT: u8 = 0x21;

    /// Bridge `index`, 0 to 5, of a hub, with `fabric` below it.
    #[must_use]
    pub fn new(index: u8, mut fabric: Fabric) -> Self {
        fabric.set_quirks(RootQuirks {
            closed_is_open: true,
            loses_prefetch: false,
        });
        let chip = P7iocChip {
            index,
            hub: Hub::new(),
            posted: ArrayVec::new(),
        };
        Self::of(chip, fabric)
    }

    /// A block of its registers.
    #[must_use]
    pub const fn regs(&'static self, block: P7iocBlock) -> P7iocRegs {
        P7iocRegs::new(self, block)
    }

    /// A register of the hub, by its offset from the first window; `None` if nobody wrote it. Entries of the hub's
    /// own tables are at 0x100_0000, the table in bits 15:8, the index in 7:0.
    #[must_use]
    pub fn hub_register(&self, offset: u32) -> Option<u64> {
        self.state.lock().chip.hub.stored(offset)
    }

    /// The crossbar's ports, as a set of IBM bits, that a broadcast of `kind` goes to.
    #[must_use]
    pub fn route_type(&self, kind: u64) -> u64 {
        self.state.lock().chip.hub.route(bit(18), kind)
    }

    /// The crossbar's ports, as a set of IBM bits, that real address `real` goes to.
    #[must_use]
    pub fn route_address(&self, real: u64) -> u64 {
        self.state.lock().chip.hub.route(bit(16), real >> 16)
    }

    /// The bridge shuts itself off, and takes `tries` resets by the hub to come back.
    pub fn fence_for(&self, tries: u32) {
        self.state.lock().set_fence(tries);
    }

    /// The hub dies: none of its registers answers any more.
    pub fn kill_hub(&self) {
        self.state.lock().chip.hub.kill();
    }

    /// A unit of the hub latches errors, and GEM that it has, unless they are masked.
    pub fn latch_hub(&self, unit: HubUnit, errors: u64) {
        self.state.lock().latch_hub(unit, errors);
    }

    /// The endpoint that requester `rid` is sorted to.
    #[must_use]
    pub fn endpoint(&self, rid: Rid) -> PeNumber {
        PeNumber(self.state.lock().sorted(rid))
    }

    /// What would become of the message `data` that `rid` sends to `address`: the endpoint that it counts for.
    /// Nothing happens.
    ///
    /// # Errors
    /// [`Refusal`]; [`Refusal::NoEntry`] also for what is no message.
    pub fn check_message(&self, rid: Rid, address: u64, data: u32) -> Result<PeNumber, Refusal> {
        let state = self.state.lock();
        if state.is_off() {
            return Err(Refusal::Off);
        }
        let entry = state.message_entry(address).ok_or(Refusal::NoEntry)?;
        let sorted = state.sort_message(rid, entry, data);
        sorted
            .map(|(pe, _)| PeNumber(pe))
            .map_err(|refused| refused.why)
    }
}

impl State<P7iocChip> {
    pub(super) fn set_fence(&mut self, tries: u32) {
        self.chip.hub.set_fence(self.chip.index, tries);
        self.tell_below(crate::Change::Lost);
    }
}
