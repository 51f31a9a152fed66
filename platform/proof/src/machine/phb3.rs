//! The POWER8 bridge's driver on its model.

use super::tap::{Tap, Wire};
use super::{Machine, Model, Pool, Sabotage, fabric, keep, run};
use crate::Chip;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use ioda::{DmaTable, Ioda, IrqBackend, MsiSource, PhbId, TceFlush};
use ioda_model::{Kind, Phb3 as Chip8, SharedMemory};
use phb3::{Bases, Ive, Pbcq, Phb3, Port, Tables};

type Regs = Tap<&'static Chip8>;

struct Phb3Machine {
    model: &'static Chip8,
    wire: &'static Wire,
    port: &'static Port<Regs>,
    phb: Phb3<Regs, &'static Chip8>,
}

const RTT: u64 = 0x10_0000;
const PELTV: u64 = 0x14_0000;
const PEST: u64 = 0x14_4000;
const IVT: u64 = 0x18_0000;

struct IvtBytes(&'static [Ive]);

impl SharedMemory for IvtBytes {
    fn bytes(&self) -> u64 {
        (self.0.len() * Tables::IVE_BYTES) as u64
    }
    fn load(&self, offset: u64) -> u8 {
        let bytes = Tables::IVE_BYTES as u64;
        self.0[(offset / bytes) as usize].byte((offset % bytes) as usize)
    }
    fn store(&self, offset: u64, value: u8) {
        let bytes = Tables::IVE_BYTES as u64;
        let done = self.0[(offset / bytes) as usize].set_byte((offset % bytes) as usize, value);
        assert!(done.is_some(), "the bridge writes P and Q alone");
    }
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
    model.add_memory(RTT, Box::new(memory.rtt));
    model.add_memory(PELTV, Box::new(memory.peltv));
    model.add_memory(PEST, Box::new(memory.pest));
    model.add_memory(IVT, Box::new(IvtBytes(memory.ivt)));
    let tables = Tables {
        rtt: table(memory.rtt, RTT),
        peltv: table(memory.peltv, PELTV),
        pest: table(memory.pest, PEST),
        ivt: table(memory.ivt, IVT),
    };
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

const fn table<T>(cells: &'static [T], real: u64) -> DmaTable<T> {
    DmaTable { cells, real }
}

impl Machine for Phb3Machine {
    fn ioda(&mut self) -> &mut dyn Ioda {
        &mut self.phb
    }
    fn msis(&mut self) -> &mut dyn MsiSource {
        &mut self.phb
    }
    fn flush(&self) -> &dyn TceFlush {
        self.port
    }
    fn irqs(&self) -> &dyn IrqBackend {
        self.port
    }
    fn model(&self) -> &dyn Model {
        self.model
    }
    fn arm(&self) {
        self.wire.arm();
    }
}
