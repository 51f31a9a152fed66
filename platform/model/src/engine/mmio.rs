//! What processors send through the windows.

use super::errors::Target;
use super::requests::UNSUPPORTED;
use super::tables::PESTA;
use super::{Error, Operation, State};
use crate::Refusal;
use crate::chip::{Chip, Place};
use crate::engine::requests::ABORT;
use crate::fabric::Address;
use alloc::format;
use ioda::Rid;

impl<C: Chip> State<C> {
    /// A load, or with a value a store, of a processor at real address `real`.
    pub(crate) fn mmio(&mut self, real: u64, value: Option<u32>) -> Result<u32, Refusal> {
        let place = if C::takes(self, real) {
            C::place(self, real)
        } else {
            None
        };
        let Some(Place { pe, pci }) = place else {
            self.complain(|| format!("nothing answers at {real:#x}"));
            return Err(Refusal::NoWindow);
        };
        if self.is_off() {
            return Err(Refusal::Off);
        }
        if self.tables.is_stopped(PESTA, pe) {
            return Err(Refusal::Frozen);
        }
        let is_read = value.is_none();
        let target = match pci {
            Address::Memory(_) => Target::Mmio(real),
            Address::Io(_) => Target::Io(real),
        };
        let (detail, why) = if self.injected(target, is_read) {
            (ABORT, Refusal::Injected)
        } else if !real.is_multiple_of(4) {
            self.complain(|| format!("an access at {real:#x}, which is not aligned"));
            return Err(Refusal::Size);
        } else {
            let answer = match value {
                Some(value) if C::has_link(self) => self.fabric.mmio_write(pci, value).map(|()| 0),
                None if C::has_link(self) => self.fabric.mmio_read(pci),
                _ => None,
            };
            match answer {
                Some(answer) => return Ok(answer),
                None => (UNSUPPORTED, Refusal::Unclaimed),
            }
        };
        self.fail(
            pe,
            &Error {
                operation: if is_read {
                    Operation::MmioLoad
                } else {
                    Operation::MmioStore
                },
                detail,
                rid: Rid(0),
                data: 0,
                address: pci.get(),
            },
        );
        Err(why)
    }
}
