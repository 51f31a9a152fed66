//! One PCI host bridge of the machine: brought up, enumerated, its BARs placed.

use crate::memory::{self, keep};
use alloc::vec::Vec;
use ioda::{Ioda, IrqBackend, PhbId, ResetError, Step};
use pci::{Plan, Topology};
use phb3::{Bases, Pbcq, Phb3, Port, Tables};
use powernv::{MachineInfo, Xscom};
use ppc64::{power, spr::timebase};
use realio::{IO, Registers, SideBand};
use spin::Mutex;

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
        match start(
            place,
            id,
            bases,
            SideBand::new(Xscom::new(IO, chip.xscom.base)),
        ) {
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
        Registers::at(pbcq.layout().registers),
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
