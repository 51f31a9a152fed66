//! PCI configuration space and message-signalled interrupts. Source: LoPAR 2.9, "PCI Configuration
//! Space", "MSI Support", and "RTAS Access to Hypervisor Virtualized Resources", R1-8 to R1-10.
//!
//! A function is named by the unit id of its host bridge in two halves and a configuration address:
//! bits 0:3 the upper bits of the register, 8:15 bus, 16:20 device, 21:23 function, 24:31 the lower
//! bits of the register. A function that the partition does not own looks the same as one that is not
//! there.

use super::{Call, Failure, Inputs, Outputs, Row, RtasResult};
use crate::hcall::Caller;
use crate::pci::{Buid, CONFIG_ADDRESS, ConfigError, MsiAddress, MsiError, MsiKind, PciFunction};
use crate::xics::Trigger;
use papr_abi::rtas::Status;

const BUS_DEVICE_FUNCTION: u32 = 0x00ff_ff00;
const RESERVED: u32 = 0x0f00_0000;

/// A function as a caller names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FunctionName {
    buid: Buid,
    address: u32,
}

impl FunctionName {
    pub(super) fn new(address: u32, buid_high: u32, buid_low: u32) -> Self {
        Self {
            buid: Buid(u64::from(buid_high) << 32 | u64::from(buid_low)),
            address,
        }
    }

    fn find<'a>(&self, caller: &Caller<'a>) -> Option<&'a PciFunction> {
        let mut functions = caller.lpar.pci.iter();
        let function = functions.find(|function| function.buid == self.buid)?;
        let same = self.address & BUS_DEVICE_FUNCTION == CONFIG_ADDRESS & BUS_DEVICE_FUNCTION;
        same.then_some(function)
    }

    /// For calls about the function itself: the register part is zero and the function must be there.
    pub(super) fn function<'a>(&self, caller: &Caller<'a>) -> Result<&'a PciFunction, Failure> {
        if self.address & !BUS_DEVICE_FUNCTION != 0 {
            return Err(Failure::parameter("register part not zero"));
        }
        self.find(caller)
            .ok_or(Failure::parameter("no such function"))
    }
}

/// A place in configuration space.
#[derive(Clone, Copy, Debug)]
struct Place {
    function: FunctionName,
    offset: u16,
    bytes: u8,
}

impl Place {
    fn new(function: FunctionName, bytes: u32) -> Result<Self, Failure> {
        let offset = (function.address >> 28 << 8 | function.address & 0xff) as u16;
        let bytes = match bytes {
            1 | 2 | 4 => bytes as u8,
            _ => return Err(Failure::parameter("no such access size")),
        };
        if offset & (u16::from(bytes) - 1) != 0 {
            return Err(Failure::parameter("access not aligned"));
        }
        if function.address & RESERVED != 0 {
            return Err(Failure::parameter("reserved address bits"));
        }
        Ok(Self {
            function,
            offset,
            bytes,
        })
    }

    fn all_ones(&self) -> u32 {
        u32::MAX >> (32 - 8 * u32::from(self.bytes))
    }
}

/// `ibm,read-pci-config`: reads configuration space.
///
/// Source: LoPAR 2.9, "ibm,read-pci-config", R1-5: a function that is not there or not the
/// partition's reads as all ones, with success. Output: the value, as a number. Failures, in this
/// order:
/// - [`Status::Parameter`]: the size is not 1, 2 or 4; the register is not aligned to it; reserved
///   address bits are set.
/// - [`Status::Hardware`]: the machine failed.
#[doc(alias = "ibm,read-pci-config")]
#[derive(Debug)]
pub(super) struct ReadPciConfig(Place);

impl Call for ReadPciConfig {
    const ROW: Row = Row::new(0x16, "ibm,read-pci-config", 4, 2);

    /// Inputs: configuration address, upper and lower half of the unit id, size in bytes.
    fn decode(&[address, buid_high, buid_low, bytes, ..]: &Inputs) -> Result<Self, Failure> {
        let function = FunctionName::new(address, buid_high, buid_low);
        Ok(Self(Place::new(function, bytes)?))
    }

    fn run(self, caller: &mut Caller<'_>, outputs: &mut Outputs) -> RtasResult {
        let Self(place) = self;
        let value = match place.function.find(caller) {
            Some(function) => {
                function.carry_on(caller.lpar.machine.clock);
                match function.access.read(place.offset, place.bytes) {
                    Ok(value) => value & place.all_ones(),
                    Err(ConfigError::Absent) => place.all_ones(),
                    Err(ConfigError::Hardware) => {
                        return Err(Failure::new(Status::Hardware, "the bridge failed"));
                    }
                }
            }
            None => place.all_ones(),
        };
        outputs.set::<1>(value);
        Ok(Status::Success)
    }
}

/// `ibm,write-pci-config`: writes configuration space, as far as the partition may change it.
///
/// Source: LoPAR 2.9, "ibm,write-pci-config", R1-5: for a function that is not there or not the
/// partition's nothing happens, with success. Failures as [`ReadPciConfig`].
#[doc(alias = "ibm,write-pci-config")]
#[derive(Debug)]
pub(super) struct WritePciConfig {
    place: Place,
    value: u32,
}

impl Call for WritePciConfig {
    const ROW: Row = Row::new(0x17, "ibm,write-pci-config", 5, 1);

    /// Inputs: as [`ReadPciConfig`], then the value.
    fn decode(&[address, buid_high, buid_low, bytes, value, ..]: &Inputs) -> Result<Self, Failure> {
        let function = FunctionName::new(address, buid_high, buid_low);
        let place = Place::new(function, bytes)?;
        let value = value & place.all_ones();
        Ok(Self { place, value })
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        let Self { place, value } = self;
        if let Some(function) = place.function.find(caller) {
            function.carry_on(caller.lpar.machine.clock);
            match function.access.write(place.offset, place.bytes, value) {
                Ok(()) | Err(ConfigError::Absent) => {}
                Err(ConfigError::Hardware) => {
                    return Err(Failure::new(Status::Hardware, "the bridge failed"));
                }
            }
        }
        Ok(Status::Success)
    }
}

/// `ibm,query-interrupt-source-number`: returns the source number of a function's interrupt.
///
/// Source: LoPAR 2.9, "ibm,query-interrupt-source-number". Outputs: number; trigger, 0 level, 1 edge.
/// Returns [`Status::Nothing`] when the function has no such interrupt now. Failures:
/// - [`Status::Parameter`]: the register part of the address is not zero, or the partition has no
///   such function.
#[doc(alias = "ibm,query-interrupt-source-number")]
#[derive(Debug)]
pub(super) struct QueryInterruptSourceNumber {
    function: FunctionName,
    index: u32,
}

impl Call for QueryInterruptSourceNumber {
    const ROW: Row = Row::new(0x18, "ibm,query-interrupt-source-number", 4, 3);

    /// Inputs: configuration address, upper and lower half of the unit id, index of the interrupt.
    fn decode(&[address, buid_high, buid_low, index, ..]: &Inputs) -> Result<Self, Failure> {
        Ok(Self {
            function: FunctionName::new(address, buid_high, buid_low),
            index,
        })
    }

    fn run(self, caller: &mut Caller<'_>, outputs: &mut Outputs) -> RtasResult {
        let function = self.function.function(caller)?;
        let Some((irq, trigger)) = function.irq(self.index) else {
            return Ok(Status::Nothing);
        };
        outputs.set::<1>(irq.0);
        outputs.set::<2>(match trigger {
            Trigger::Level => 0,
            Trigger::Edge | Trigger::Virtual => 1,
        });
        Ok(Status::Success)
    }
}

/// What [`ChangeMsi`] is to do.
#[derive(Clone, Copy, Debug)]
enum Change {
    Query,
    Default,
    Msi(MsiAddress),
    MsiX,
    /// MSI when there are three outputs, which cannot tell the kind; else MSI-X where there is one.
    Platform,
}

/// `ibm,change-msi`: asks how many messages a function has, or gives it others.
///
/// Source: LoPAR 2.9, "ibm,change-msi". A function begins without messages, and that is its default
/// number: LoPAR's table wants some assigned from the start, but Linux takes them all back first.
///
/// Outputs: how many it has now, at most what `ibm,req#msi` or `ibm,req#msi-x` says; next sequence
/// number, unused as the call never is unfinished; in the form with four outputs their kind, 1 MSI, 2
/// MSI-X. The sources of messages that are taken are masked. Failures, in this order, nothing being
/// changed but for the last:
/// - [`Status::Parameter`]: no such change; the sequence number is not 1.
/// - [`Status::Parameter`]: the register part of the address is not zero, or the partition has no
///   such function.
/// - [`Status::Parameter`]: the function does not support that kind.
/// - [`Status::Hardware`]: the machine did not do it; the function then has no messages.
#[doc(alias = "ibm,change-msi")]
#[derive(Debug)]
pub(super) struct ChangeMsi {
    function: FunctionName,
    change: Change,
    count: u32,
}

impl Call for ChangeMsi {
    const ROW: Row = Row {
        outputs: (3, 4),
        ..Row::new(0x19, "ibm,change-msi", 6, 3)
    };

    /// Inputs: configuration address, upper and lower half of the unit id; the change: 0 none, 1 the
    /// platform's kind, 2 the default, 3 MSI, 4 MSI-X, 5 MSI of 32 bits; how many; sequence number.
    fn decode(
        &[address, buid_high, buid_low, change, count, sequence, ..]: &Inputs,
    ) -> Result<Self, Failure> {
        let change = match change {
            0 => Change::Query,
            1 => Change::Platform,
            2 => Change::Default,
            3 => Change::Msi(MsiAddress::Any),
            4 => Change::MsiX,
            5 => Change::Msi(MsiAddress::Bits32),
            _ => return Err(Failure::parameter("no such change of interrupts")),
        };
        if sequence != 1 {
            return Err(Failure::parameter("sequence number not 1"));
        }
        Ok(Self {
            function: FunctionName::new(address, buid_high, buid_low),
            change,
            count,
        })
    }

    fn run(self, caller: &mut Caller<'_>, outputs: &mut Outputs) -> RtasResult {
        let function = self.function.function(caller)?;
        let (kind, address) = match self.change {
            Change::Query => {
                report(function, outputs);
                return Ok(Status::Success);
            }
            Change::Msi(address) => (MsiKind::Msi, address),
            Change::MsiX => (MsiKind::MsiX, MsiAddress::Any),
            Change::Platform if outputs.asked() > 3 && function.most(MsiKind::MsiX) > 0 => {
                (MsiKind::MsiX, MsiAddress::Any)
            }
            Change::Platform | Change::Default => (MsiKind::Msi, MsiAddress::Any),
        };
        if matches!(self.change, Change::Default) {
            function.take_msis();
        } else if let Err(error) = function.give_msis(kind, address, self.count) {
            return Err(match error {
                MsiError::Unsupported => Failure::parameter("no such kind of interrupts"),
                MsiError::Hardware => {
                    mask_rest(caller, function);
                    Failure::new(Status::Hardware, "the function or bridge failed")
                }
            });
        }
        mask_rest(caller, function);
        report(function, outputs);
        Ok(Status::Success)
    }
}

/// Masks all messages that could be the function's and are not now: another processor may have given it others meanwhile, so
/// how many it had says nothing.
fn mask_rest(caller: &Caller<'_>, function: &PciFunction) {
    let has = function.msis().map_or(0, |msis| msis.count);
    for index in has..function.reserved_msis {
        caller
            .lpar
            .reset_source(papr_abi::Irq(function.first_msi.0.saturating_add(index)));
    }
}

fn report(function: &PciFunction, outputs: &mut Outputs) {
    let msis = function.msis();
    outputs.set::<1>(msis.map_or(0, |msis| msis.count));
    outputs.set::<2>(1);
    outputs.set::<3>(msis.map_or(0, |msis| msis.kind as u32));
}
