//! A P7IOC set up by hand, by the slow path: [`Rig7`].

use super::{
    LEFT_BDF, LEFT_SEGMENT, LEFT_TABLE, Model, PE_LEFT, PE_RIGHT, RIGHT_BDF, RIGHT_SEGMENT,
    RIGHT_TABLE, Rig, bit, fabric, place, tces,
};
use crate::{P7ioc, P7iocBlock, P7iocRegs};
use cases::prelude::*;
use ioda::{Bdf, BeU64, Reg32, Reg64, RegIo, Rid};

pub(super) const INDEX: u8 = 2;

pub(crate) struct Rig7 {
    pub(crate) model: &'static P7ioc,
    io: P7iocRegs,
    tces: [&'static [BeU64]; 2],
}

pub(crate) fn start() -> Rig7 {
    let model: &'static P7ioc = Box::leak(Box::new(P7ioc::new(INDEX, fabric())));
    // Everything goes to the bridge: addresses, sources, kinds.
    let crossbar = model.regs(P7iocBlock::Crossbar);
    crossbar.write64(Reg64::at(0x408), 0);
    let all = bit(16) | bit(17) | bit(18);
    crossbar.write64(Reg64::at(0x400), bit(2 + u32::from(INDEX)) | all);
    let rig = Rig7 {
        model,
        io: model.regs(P7iocBlock::Asb),
        tces: [LEFT_TABLE, RIGHT_TABLE]
            .map(|real| tces(|at, piece| model.add_memory(at, piece), real)),
    };
    rig.set(0x808, 0xe800 << 48);
    while rig.get(0x640) & bit(22) != 0 {}
    rig.set(0x100, 0x50 << 48 | 0x60 << 32);
    for (base, real, bytes, pci) in [
        (0x190, P7ioc::BAR2, 1u64 << 30, 0xc000_0000),
        (0x170, P7ioc::BAR1 + (1 << 24), 1 << 23, 0),
    ] {
        rig.set(base, real);
        rig.set(base + 8, bytes.wrapping_neg());
        rig.set(base + 16, pci);
    }
    rig.set(0x160, bit(2) | bit(8) | bit(12) | bit(14) | bit(16));
    (0xc98..=0xe18)
        .step_by(0x80)
        .for_each(|at| rig.set(at, u64::MAX));
    rig.set(0xd28, 0x0000_4308_0300_0000);
    rig.set(0xda8, 0xc000_03ff_0100_6000);
    rig.fill();
    place(&rig);
    super::good(&rig, "start");
    rig
}

/// A filter of one requester, as the requester table has it.
const fn one(rid: Rid) -> u64 {
    (rid.0 as u64) << 48 | 7 << 45 | bit(19) | bit(20)
}

impl Rig7 {
    /// All entries of all tables: nobody's, but for left and right.
    fn fill(&self) {
        for (table, entries, entry) in [
            (0, 4, [3, 0]),
            (2, 8, [0xff << 32, 0]),
            (4, 256, [0xff << 32 | 127 << 16, 0]),
            (5, 256, [0, 0]),
            (6, 127, [one(Rid(1)), 0]),
            (9, 128, [0, 0]),
            (12, 128, [0, 0]),
            (16, 16, [0, 0]),
            (17, 128, [127 << 57, 0]),
            (18, 128, [127 << 57, 0]),
            (19, 128, [127 << 57, 0]),
        ] {
            (0..entries).for_each(|index| self.entry(table, index, entry));
        }
        self.entry(6, 127, [0; 2]);
        for (slot, pe, rid, table, segment) in [
            (0, PE_LEFT, LEFT_BDF, LEFT_TABLE, LEFT_SEGMENT),
            (1, PE_RIGHT, RIGHT_BDF, RIGHT_TABLE, RIGHT_SEGMENT),
        ] {
            let (index, number) = (u64::from(pe), u64::from(pe));
            let (bus, rest) = (u64::from(rid.bus()), u64::from(rid.device()));
            self.entry(6, index, [one(rid), 0]);
            self.entry(18, segment, [number << 57, 0]);
            self.entry(17, segment, [number << 57, 0]);
            // Device 0, function 0, all of the bus; 128 MiB of 4 KiB.
            let first = (table >> 12) << 16 | 7 << 13 | 1 << 8 | bus;
            let second = bit(2) | rest << 56 | bit(12) | 1 << 40 | number;
            self.entry(9, slot, [first, second]);
            let mve = bit(0) | 7 << 40 | bus << 32 | number << 16 | bit(50) | bit(60);
            self.entry(5, index, [mve, 0]);
            // Server 9, priority 0x20; the message of an endpoint has its number.
            self.entry(4, index, [1 << 40 | (1 << 5 | 4) << 32 | number << 16, 0]);
        }
        for index in 0..128 {
            self.entry(7, index, [0; 2]);
            self.entry(8, index, [0; 2]);
        }
    }

    /// The bridge's registers by another path.
    pub(super) fn block(&self, block: P7iocBlock) -> P7iocRegs {
        self.model.regs(block)
    }

    pub(super) fn hub(&self, at: u32) -> u64 {
        self.hub_block(at).read64(register(at))
    }

    pub(super) fn set_hub(&self, at: u32, value: u64) {
        self.hub_block(at).write64(register(at), value);
    }

    fn hub_block(&self, at: u32) -> P7iocRegs {
        self.block(match at >> 16 {
            0x3c => P7iocBlock::Bus,
            0x3d => P7iocBlock::Crossbar,
            _ => P7iocBlock::Global,
        })
    }
}

fn register(at: u32) -> Reg64 {
    Reg64::new(at as u16).expect("aligned")
}

impl Rig for Rig7 {
    fn name(&self) -> &'static str {
        "P7IOC"
    }
    fn model(&self) -> &dyn Model {
        self.model
    }
    fn set(&self, at: u16, value: u64) {
        self.io.write64(register(at.into()), value);
    }
    fn get(&self, at: u16) -> u64 {
        self.io.read64(register(at.into()))
    }
    fn entry(&self, table: u64, index: u64, entry: [u64; 2]) {
        self.set(0x220, table << 48 | index);
        if matches!(table, 9 | 12) {
            self.set(0x230, entry[1]);
        }
        self.set(0x228, entry[0]);
    }
    fn entry_of(&self, table: u64, index: u64) -> u64 {
        self.set(0x220, table << 48 | index);
        self.get(0x228)
    }
    fn config(&self, bdf: Bdf, at: u64, value: Option<u32>) -> u32 {
        self.set(0x140, bit(0) | u64::from(bdf.0) << 44 | at << 32);
        let data = Reg32::at(0x130);
        match value {
            Some(value) => self.io.write32(data, value.swap_bytes()),
            None => return self.io.read32(data).swap_bytes(),
        }
        0
    }
    fn tces(&self) -> [&'static [BeU64]; 2] {
        self.tces
    }
    fn bus(&self, pe: u16) -> u64 {
        if pe == PE_LEFT { 0 } else { 1 << 28 }
    }
    fn message(&self, pe: u16) -> (u64, u32) {
        (9 << 60 | u64::from(pe) << 48, pe.into())
    }
    fn segment(&self, segment: u64) -> u64 {
        P7ioc::BAR2 + (segment << 23)
    }
    fn m32(&self) -> u64 {
        0xc000_0000
    }
    fn nobody(&self) -> u16 {
        127
    }
    fn kill_all(&self) {
        let config = self.get(0x160);
        self.set(0x160, config & !bit(2));
        self.set(0x160, config);
        self.get(0x160);
    }
    fn link(&self, parent: u16, child: u16) {
        let row = if child < 64 {
            [bit(child.into()), 0]
        } else {
            [0, bit(u32::from(child) - 64)]
        };
        self.entry(12, parent.into(), row);
    }
    fn four(&self, at: u16) {
        self.io.read32(Reg32::new(at).expect("aligned"));
    }
    fn no_window(&self) -> u64 {
        bit(17)
    }
}
