//! The P7IOC's registers, as its driver sees them: [`RelayRegs`].

use crate::Relay;
use ioda::{Reg8, Reg16, Reg32, Reg64, RegIo, XscomIo};
use ioda_model::{P7iocBlock, P7iocRegs};

/// A block of registers of a P7IOC that is the model's. When an access returns, the real bridge is in line with it.
pub struct RelayRegs<R: 'static, X: 'static> {
    relay: &'static Relay<R, X>,
    regs: P7iocRegs,
}

/// What changes no table: a kill, which the model passes on itself, and the two registers before a table's data.
const PLAIN: [u16; 3] = [0x210, 0x220, 0x230];

/// `PAPR_ERR_INJ_CTL`.
const INJECT: u16 = 0x2b0;

impl<R: RegIo + Sync + Send, X: XscomIo + Send> RelayRegs<R, X> {
    pub(crate) const fn new(relay: &'static Relay<R, X>, block: P7iocBlock) -> Self {
        Self {
            relay,
            regs: relay.model.regs(block),
        }
    }
}

impl<R, X> Clone for RelayRegs<R, X> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R, X> Copy for RelayRegs<R, X> {}

impl<R: RegIo + Sync + Send, X: XscomIo + Send> RegIo for RelayRegs<R, X> {
    fn read64(&self, reg: Reg64) -> u64 {
        self.regs.read64(reg)
    }
    fn write64(&self, reg: Reg64, value: u64) {
        if PLAIN.contains(&reg.offset()) {
            self.regs.write64(reg, value);
        } else {
            self.relay.settled(|| {
                self.regs.write64(reg, value);
                if reg.offset() == INJECT && value != 0 {
                    self.relay.strike();
                }
            });
        }
    }
    // Less than eight bytes are config data.
    fn read32(&self, reg: Reg32) -> u32 {
        self.relay.settled(|| self.regs.read32(reg))
    }
    fn write32(&self, reg: Reg32, value: u32) {
        self.relay.settled(|| self.regs.write32(reg, value));
    }
    fn read16(&self, reg: Reg16) -> u16 {
        self.relay.settled(|| self.regs.read16(reg))
    }
    fn write16(&self, reg: Reg16, value: u16) {
        self.relay.settled(|| self.regs.write16(reg, value));
    }
    fn read8(&self, reg: Reg8) -> u8 {
        self.relay.settled(|| self.regs.read8(reg))
    }
    fn write8(&self, reg: Reg8, value: u8) {
        self.relay.settled(|| self.regs.write8(reg, value));
    }
    fn sync(&self) {
        self.relay.port_sync();
    }
    fn flush_line(&self, _real: u64) {}
}
