//! What a bridge's driver needs of the hub: [`HubPort`].

use super::Units;
use super::regs::{self, bit, lem};
use super::routing::bridge_port;
use super::scan::{GLOBAL_GEM, bridge_gem, port_gem};
use super::start::crossbar_errors;
use ioda::RegIo;

/// The global registers' note of a fenced bridge; while it stands, its interrupt stays silent.
const FENCE_NOTED: u64 = bit(18);

/// One bridge's place on the hub.
pub struct HubPort<R: 'static> {
    units: &'static Units<R>,
    index: u8,
}

impl<R: RegIo> HubPort<R> {
    pub(crate) const fn new(units: &'static Units<R>, index: u8) -> Self {
        Self { units, index }
    }

    /// Whether the hub is gone, and all its bridges with it.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.units.is_shut() || self.units.read(regs::GEM_XFIR) == u64::MAX
    }

    /// Whether the bridge has been shut off, by the chip or by what a scan has found.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.units.has_shut(self.index) || self.is_fence_up()
    }

    /// Whether the chip shuts the bridge off.
    pub(crate) fn is_fence_up(&self) -> bool {
        let bits = bit(self.fence_bit(14)) | bit(self.fence_bit(15));
        self.units.read(regs::FENCE) & bits != 0
    }

    /// The crossbar takes no error of the bridge for one: it is about to be reset.
    pub(crate) fn mask_errors(&self) {
        self.units.write(
            crossbar_errors(bridge_port(self.index)).plus(lem::MASK),
            regs::CI_FENCE_ERRORS,
        );
    }

    pub(crate) fn unmask_errors(&self) {
        self.units.write(
            crossbar_errors(bridge_port(self.index)).plus(lem::MASK_AND),
            0,
        );
    }

    /// Clears the errors of the crossbar's port.
    pub(crate) fn clear_errors(&self) {
        let port = bridge_port(self.index);
        let _shared_registers = self.units.resets.lock();
        self.units.write(crossbar_errors(port).plus(lem::FIR), 0);
        self.units.write(crossbar_errors(port).plus(lem::WOF), 0);
        self.units.forget(port_gem(port));
    }

    /// The bridge's own errors were cleared: the hub points to it no more, until the next one.
    pub(crate) fn forget_errors(&self) {
        let _shared_registers = self.units.resets.lock();
        self.units.forget(bridge_gem(self.index));
    }

    /// Holds the bridge and its crossbar port in reset.
    pub(crate) fn hold(&self) {
        self.change_resets(|resets, own| resets | own);
    }

    /// Lets them go.
    pub(crate) fn release(&self) {
        self.units.open(self.index);
        self.change_resets(|resets, own| resets & !own);
    }

    /// Forgets that the bridge was fenced, so that the hub tells of the next time.
    pub(crate) fn forget_fence(&self) {
        let _shared_registers = self.units.resets.lock();
        for (reg, noted) in [
            (regs::FENCE_WOF, bit(self.fence_bit(15))),
            (regs::RGC_LEM.plus(lem::FIR), FENCE_NOTED),
            (regs::RGC_LEM.plus(lem::WOF), FENCE_NOTED),
        ] {
            self.units.write(reg, self.units.read(reg) & !noted);
        }
        if self.units.read(regs::RGC_LEM.plus(lem::WOF)) == 0 {
            self.units.forget(GLOBAL_GEM);
        }
    }

    fn change_resets(&self, change: fn(u64, u64) -> u64) {
        let index = u32::from(self.index);
        let port = index.wrapping_add(2).wrapping_mul(2).wrapping_add(9);
        let own = bit(port) | bit(index.wrapping_add(32));
        let mut resets = self.units.resets.lock();
        *resets = change(*resets, own);
        self.units.write(regs::CCRR, *resets);
    }

    const fn fence_bit(&self, first: u32) -> u32 {
        first.wrapping_add((self.index as u32).wrapping_mul(4))
    }
}
