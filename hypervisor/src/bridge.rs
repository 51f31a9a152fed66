//! One PCI host bridge of the machine: brought up, enumerated, its BARs placed.

use crate::machine_io::{IO, Io};
use crate::memory::{self, keep};
use alloc::vec::Vec;
use ioda::{
    Ioda, IrqBackend, MmioIo, PhbId, Reg8, Reg16, Reg32, Reg64, RegIo, ResetError, Step,
    XscomError, XscomIo,
};
use pci::{Plan, Topology};
use phb3::{Bases, Pbcq, Phb3, Port, Tables};
use powernv::{MachineInfo, Pcb, PhysIo, Xscom};
use ppc64::{power, spr::timebase};
use spin::Mutex;

/// A bridge's registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers(u64);

impl Registers {
    fn at<T>(self, reg: ioda::Reg<T>) -> u64 {
        // The registers' page was checked not to wrap when the bridge was opened.
        self.0.wrapping_add(reg.offset().into())
    }
}

impl RegIo for Registers {
    fn read64(&self, reg: Reg64) -> u64 {
        IO.read64(self.at(reg))
    }
    fn write64(&self, reg: Reg64, value: u64) {
        IO.write64(self.at(reg), value);
    }
    fn read32(&self, reg: Reg32) -> u32 {
        IO.read32(self.at(reg))
    }
    fn write32(&self, reg: Reg32, value: u32) {
        IO.write32(self.at(reg), value);
    }
    fn read16(&self, reg: Reg16) -> u16 {
        IO.read16(self.at(reg))
    }
    fn write16(&self, reg: Reg16, value: u16) {
        IO.write16(self.at(reg), value);
    }
    fn read8(&self, reg: Reg8) -> u8 {
        IO.read8(self.at(reg))
    }
    fn write8(&self, reg: Reg8, value: u8) {
        IO.write8(self.at(reg), value);
    }
    fn sync(&self) {
        ppc64::spr::sync();
    }
    fn flush_line(&self, real: u64) {
        ppc64::cache::flush(real, 1);
    }
}

/// The side band of the bridge's chip. The threads of one core share the register that tells how an
/// access went; no two of them run the hypervisor's bridge code at a time while cores have one thread each.
#[derive(Debug)]
pub(crate) struct SideBand(Xscom<Io>);

impl XscomIo for SideBand {
    fn read(&self, pcb: u32) -> Result<u64, XscomError> {
        self.0.read(Pcb(pcb)).map_err(|_| XscomError { pcb })
    }
    fn write(&self, pcb: u32, value: u64) -> Result<(), XscomError> {
        self.0
            .write(Pcb(pcb), value)
            .map_err(|_| XscomError { pcb })
    }
}

/// Registers of devices behind bridges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceRegisters;

impl MmioIo for DeviceRegisters {
    fn read32(&self, real: u64) -> u32 {
        IO.read32(real).swap_bytes()
    }
    fn write32(&self, real: u64, value: u32) {
        IO.write32(real, value.swap_bytes());
    }
}

/// A bridge that works.
pub(crate) struct Bridge {
    /// Its index in device locations.
    pub(crate) index: u8,
    /// What all threads use without a lock.
    pub(crate) port: &'static Port<Registers>,
    /// The rest.
    pub(crate) host: Mutex<Phb3<Registers, SideBand>>,
    /// What is behind it.
    pub(crate) topology: Topology,
    /// Where that lies.
    pub(crate) plan: Plan,
}

/// Brings up every bridge of the machine. One that fails is logged and left alone: its devices do not
/// exist for any partition.
pub(crate) fn start_all(info: &MachineInfo<'_>) -> Vec<Bridge> {
    let mut bridges = Vec::new();
    for found in &info.phbs {
        let Some(chip) = info.chip(found.chip) else {
            continue;
        };
        let (Ok(chip_id), Ok(index)) = (u8::try_from(found.chip), u8::try_from(found.index)) else {
            continue;
        };
        // Locations number bridges over all chips, in the order of the device tree's chips.
        let Ok(place) = u8::try_from(if found.chip == 0 {
            usize::from(index)
        } else {
            bridges.len()
        }) else {
            continue;
        };
        let id = PhbId {
            chip: chip_id,
            index,
        };
        let bases = Bases {
            nest: found.nest.0,
            pci: found.pci.0,
            spci: found.spci.0,
        };
        match start(place, id, bases, SideBand(Xscom::new(IO, chip.xscom.base))) {
            Ok(bridge) => bridges.push(bridge),
            Err(error) => log::error!("phb{place}: {error}: it is left alone"),
        }
    }
    bridges
}

/// What kept a bridge from working.
#[derive(Debug)]
enum StartError {
    Memory,
    Reset(ResetError),
    Scan(pci::ScanError),
    Plan(pci::PlanError),
    Apply(pci::ApplyError),
}

impl core::fmt::Display for StartError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Memory => f.write_str("no memory for its tables"),
            Self::Reset(error) => error.fmt(f),
            Self::Scan(error) => error.fmt(f),
            Self::Plan(error) => error.fmt(f),
            Self::Apply(error) => error.fmt(f),
        }
    }
}

fn start(place: u8, id: PhbId, bases: Bases, side_band: SideBand) -> Result<Bridge, StartError> {
    let tables = Tables {
        rtt: memory::take_table(Tables::RTT_ENTRIES, Tables::RTT_ALIGN)
            .ok_or(StartError::Memory)?,
        peltv: memory::take_table(Tables::PELTV_ENTRIES, Tables::PELTV_ALIGN)
            .ok_or(StartError::Memory)?,
        pest: memory::take_table(Tables::PEST_ENTRIES, Tables::PEST_ALIGN)
            .ok_or(StartError::Memory)?,
        ivt: memory::take_table(Tables::IVT_ENTRIES, Tables::IVT_ALIGN)
            .ok_or(StartError::Memory)?,
    };
    let pbcq = Pbcq::open(side_band, id, bases).map_err(StartError::Reset)?;
    let port = keep(Port::new(
        Registers(pbcq.layout().registers),
        pbcq.irq_base(),
        &tables,
    ));
    let mut host = Phb3::new(pbcq, port, tables).map_err(StartError::Reset)?;
    while let Step::Pending { ms } = host.poll().map_err(StartError::Reset)? {
        let start = timebase();
        while timebase().wrapping_sub(start) < u64::from(ms) * 512_000 {
            power::relax();
        }
    }
    let topology = pci::scan(place, &mut host).map_err(StartError::Scan)?;
    let plan = pci::plan(&topology, host.caps()).map_err(StartError::Plan)?;
    plan.apply(&topology, &mut host)
        .map_err(StartError::Apply)?;
    let layout = *host.pbcq().layout();
    log::info!(
        "phb{place}: chip {} bridge {}, registers {:#x}, 32-bit window {:#x}+{:#x}, interrupts {:#x}..{:#x}",
        id.chip,
        id.index,
        layout.registers,
        layout.m32.real,
        layout.m32.bytes,
        port.irqs().start,
        port.irqs().end
    );
    Ok(Bridge {
        index: place,
        port,
        host: Mutex::new(host),
        topology,
        plan,
    })
}
