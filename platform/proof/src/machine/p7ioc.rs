//! The POWER7 hub's driver on its model.

use super::tap::{Tap, Wire};
use super::{Extras, Machine, Model, Pool, Sabotage, fabric, keep, run};
use crate::Chip;
use crate::spec::P7IOC_BRIDGE;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use ioda::{
    IoSegment, IoSpace, Ioda, IodaError, IrqBackend, M64Segments, M64Window, PeNumber, TceFlush,
};
use ioda_model::{P7ioc as Chip7, P7iocBlock as Block, P7iocRegs};
use lpar_pci::HostBridge;
use p7ioc::hub::{Facts, Hub, Processor, Units};
use p7ioc::{Phb, Port};

type Regs = Tap<P7iocRegs>;

struct P7iocMachine {
    model: &'static Chip7,
    wire: &'static Wire,
    port: &'static Port<Regs>,
    phb: Phb<Regs>,
}

const FACTS: Facts = Facts {
    chip: 0,
    gx: 0,
    processor: Processor::Power7,
    gx_bar1: Chip7::BAR1,
    gx_bar2: Chip7::BAR2,
    buid_ext: Chip7::BUID_EXT,
    presence: None,
};

pub(super) fn start(
    pool: &Pool,
    sabotage: Option<&'static Sabotage>,
) -> Result<Box<dyn Machine>, String> {
    let model = keep(Chip7::new(P7IOC_BRIDGE, fabric::fabric(Chip::P7ioc)));
    for table in pool.tables() {
        model.add_memory(table.real, Box::new(table.cells));
    }
    let wire = keep(Wire::new(sabotage));
    let regs = |block| Tap {
        inner: model.regs(block),
        wire,
    };
    let quiet = keep(Wire::new(None));
    let hub_regs = |block| Tap {
        inner: model.regs(block),
        wire: quiet,
    };
    let units = keep(Units::new(
        hub_regs(Block::Bus),
        hub_regs(Block::Crossbar),
        hub_regs(Block::Global),
    ));
    let mut hub = Hub::new(FACTS, units).map_err(|error| error.to_string())?;
    run(|| hub.poll()).map_err(|error| format!("the hub: {error}"))?;
    let layout = FACTS
        .phbs()
        .nth(P7IOC_BRIDGE.into())
        .ok_or("no such bridge")?;
    let port = keep(Port::new(regs(Block::Aib), &layout));
    let hub_port = hub.port(P7IOC_BRIDGE).ok_or("no such bridge")?;
    let mut phb = Phb::new(layout, regs(Block::Asb), port, hub_port);
    run(|| phb.poll()).map_err(|error| format!("the bridge: {error}"))?;
    Ok(Box::new(P7iocMachine {
        model,
        wire,
        port,
        phb,
    }))
}

impl Machine for P7iocMachine {
    fn host(&mut self) -> &mut dyn HostBridge {
        &mut self.phb
    }
    fn flush(&self) -> &'static dyn TceFlush {
        self.port
    }
    fn irqs(&self) -> &'static dyn IrqBackend {
        self.port
    }
    fn model(&self) -> &'static dyn Model {
        self.model
    }
    fn arm(&self) {
        self.wire.arm();
    }
    fn extras(&mut self) -> Option<&mut dyn Extras> {
        Some(&mut self.phb)
    }
}

impl Extras for Phb<Regs> {
    fn map_io(&mut self, segment: u16, pe: PeNumber) -> Result<(), IodaError> {
        IoSpace::map_io(self, IoSegment(segment), pe)
    }
    fn move_m64(&mut self, window: M64Window, segment: u8, pe: PeNumber) -> Result<(), IodaError> {
        M64Segments::map_m64(self, window, segment, pe)
    }
    fn set_quota(&mut self, pe: PeNumber, most: u16) {
        // Programs name endpoints that exist.
        let _ = self.set_msi_quota(pe, most);
    }
}
