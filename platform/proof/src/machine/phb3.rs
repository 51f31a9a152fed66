//! The POWER8 bridge's driver on its model.

use super::tap::{Tap, Wire};
use super::{Machine, Model, Pool, Sabotage, fabric, keep, run};
use crate::Chip;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use ioda::{Ioda, IrqBackend, PhbId, TceFlush};
use ioda_model::{Kind, Phb3 as Chip8};
use lpar_pci::HostBridge;
use phb3::{Bases, Pbcq, Phb3, Port};

type Regs = Tap<&'static Chip8>;

struct Phb3Machine {
    model: &'static Chip8,
    wire: &'static Wire,
    port: &'static Port<Regs>,
    phb: Phb3<Regs, &'static Chip8>,
}

pub(super) fn start(
    pool: &Pool,
    sabotage: Option<&'static Sabotage>,
) -> Result<Box<dyn Machine>, String> {
    let model = keep(Chip8::new(Kind::Chip, fabric::fabric(Chip::Phb3)));
    for table in pool.tables() {
        model.add_memory(table.real, Box::new(table.cells));
    }
    let memory = pool.in_memory().ok_or("no memory for a PHB3")?;
    let tables = memory.attach(model);
    let wire = keep(Wire::new(sabotage));
    let regs = Tap { inner: model, wire };
    let pbcq = Pbcq::open(model, PhbId { chip: 0, index: 0 }, Bases::of(0))
        .map_err(|error| format!("the PowerBus side: {error}"))?;
    let port = keep(Port::new(regs, pbcq.irq_base(), &tables));
    let mut phb = Phb3::new(pbcq, port, tables).map_err(|error| format!("the bridge: {error}"))?;
    run(|| phb.poll()).map_err(|error| format!("the bridge: {error}"))?;
    Ok(Box::new(Phb3Machine {
        model,
        wire,
        port,
        phb,
    }))
}

impl Machine for Phb3Machine {
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
}
