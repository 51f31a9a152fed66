//! One PCI host bridge of the machine: brought up, enumerated, its BARs placed.

use crate::host::{self, Host, HostPort};
use crate::memory::{self, keep};
use alloc::vec::Vec;
use ioda::{Bdf, Ioda, MmioIo, MsiBlock, PhbId, ResetError, Step};
use lock::Mutex;
use lpar_pci::HostBridge;
use pci::{Plan, Topology};
use phb3::{Bases, Numbering, Pbcq, Phb3, Port, Tables};
use powernv::{MachineInfo, Xscom};
use ppc64::{power, spr::timebase};
use realio::{IO, Registers, SideBand};

/// A bridge that works.
pub(crate) struct Bridge {
    /// Its index in device locations.
    pub(crate) index: u8,
    /// What all threads use without a lock.
    pub(crate) port: &'static HostPort,
    /// The rest.
    pub(crate) host: Mutex<Host>,
    /// What is behind it.
    pub(crate) topology: Topology,
    /// Where that lies.
    pub(crate) plan: Plan,
}

impl lpar_pci::Bridge for Bridge {
    type Port = HostPort;

    fn index(&self) -> u8 {
        self.index
    }
    fn topology(&self) -> &Topology {
        &self.topology
    }
    fn plan(&self) -> &Plan {
        &self.plan
    }
    #[inline]
    fn port(&self) -> &'static HostPort {
        self.port
    }
    fn locked<T>(&self, act: impl FnOnce(&mut dyn HostBridge) -> T) -> T {
        act(&mut *self.host.lock())
    }
    fn registers(&self) -> &dyn MmioIo {
        &host::DEVICE_REGISTERS
    }
    fn message_block(&self, bdf: Bdf, block: MsiBlock) -> Option<MsiBlock> {
        host::message_block(self.port, bdf, block)
    }
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
pub(crate) enum StartError {
    Memory,
    Reset(ResetError),
    Scan(pci::ScanError),
    Plan(pci::PlanError),
    Apply(pci::ApplyError),
    #[cfg(feature = "p7ioc")]
    Unsupported(&'static str),
}

impl core::fmt::Display for StartError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Memory => f.write_str("no memory for its tables"),
            Self::Reset(error) => error.fmt(f),
            Self::Scan(error) => error.fmt(f),
            Self::Plan(error) => error.fmt(f),
            Self::Apply(error) => error.fmt(f),
            #[cfg(feature = "p7ioc")]
            Self::Unsupported(why) => f.write_str(why),
        }
    }
}

fn start(place: u8, id: PhbId, bases: Bases, side_band: SideBand) -> Result<Bridge, StartError> {
    let (port, mut host) = host::open(place, id, bases, side_band)?;
    poll(|| host.poll())?;
    let topology = pci::scan(place, &mut host).map_err(StartError::Scan)?;
    let plan = pci::plan(&topology, &host::plan_caps(&host)).map_err(StartError::Plan)?;
    plan.apply(&topology, &mut host)
        .map_err(StartError::Apply)?;
    host::report(place, &host, port);
    Ok(Bridge {
        index: place,
        port,
        host: Mutex::new(host),
        topology,
        plan,
    })
}

/// Carries a start on to its end, leaving the bridge alone as long as it asks to be.
pub(crate) fn poll(mut step: impl FnMut() -> Result<Step, ResetError>) -> Result<(), StartError> {
    while let Step::Pending { ms } = step().map_err(StartError::Reset)? {
        wait(ms);
    }
    Ok(())
}

/// Lets milliseconds pass, for who runs no partition.
pub(crate) fn wait(ms: u32) {
    let start = timebase();
    while timebase().wrapping_sub(start) < u64::from(ms) * 512_000 {
        power::relax();
    }
}

/// Starts a PHB3 of the machine, its interrupts numbered so.
pub(crate) fn start_phb3(
    id: PhbId,
    bases: Bases,
    side_band: SideBand,
    numbering: Numbering,
) -> Result<(&'static Port<Registers>, Phb3<Registers, SideBand>), StartError> {
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
    let pbcq = Pbcq::open_numbered(side_band, id, bases, numbering).map_err(StartError::Reset)?;
    let port = keep(Port::new(
        Registers::at(pbcq.layout().registers),
        pbcq.irq_base(),
        &tables,
    ));
    let phb = Phb3::new(pbcq, port, tables).map_err(StartError::Reset)?;
    Ok((port, phb))
}
