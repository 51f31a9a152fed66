//! A PHB4 of 512 endpoints set up by hand: [`Rig9`].

use super::{
    LEFT_BDF, LEFT_SEGMENT, LEFT_TABLE, Model, PE_LEFT, PE_RIGHT, RIGHT_BDF, RIGHT_SEGMENT,
    RIGHT_TABLE, Rig, bit, fabric, leak, place, tces,
};
use crate::Phb4;
use cases::prelude::*;
use ioda::{Bdf, BeU16, BeU64, Reg32, Reg64, RegIo, XscomIo};

const RTT: u64 = 0x40_0000;
const PELTV: u64 = 0x44_0000;
const PEST: u64 = 0x46_0000;
pub(super) const NEST: u32 = 0x0401_0c40;
pub(super) const PCI: u32 = 0x0d01_0840;
pub(super) const M64: u64 = 0x6_0000_0000_0000;
pub(super) const M32: u64 = 0x6_00c0_0000_0000;
pub(super) const SOURCES: u64 = 0x6_00c3_0000_0000;
const REGISTERS: u64 = 0x6_00c3_c000_0000;
const NOBODY: u16 = 511;
const FIELD: u64 = 0x00ff_ffff_ffff_ffff;

pub(crate) struct Rig9 {
    pub(crate) model: &'static Phb4,
    rtt: &'static [BeU16],
    peltv: &'static [BeU64],
    tces: [&'static [BeU64]; 2],
}

pub(crate) fn start() -> Rig9 {
    let model: &'static Phb4 = Box::leak(Box::new(Phb4::new(fabric())));
    let rtt = leak(|| BeU16::new(NOBODY), 0x1_0000);
    let peltv = leak(|| BeU64::new(0), 512 * 8);
    model.add_memory(RTT, Box::new(rtt));
    model.add_memory(PELTV, Box::new(peltv));
    model.add_memory(PEST, Box::new(leak(|| BeU64::new(0), 1024)));
    let rig = Rig9 {
        model,
        rtt,
        peltv,
        tces: [LEFT_TABLE, RIGHT_TABLE]
            .map(|real| tces(|at, piece| model.add_memory(at, piece), real)),
    };
    let mask = |bytes: u64| (bytes.wrapping_neg() & FIELD) << 8;
    for (pcb, value) in [
        (NEST + 0x0e, M64 << 8),
        (NEST + 0x0f, mask(1 << 38)),
        (NEST + 0x10, M32 << 8),
        (NEST + 0x11, mask(1 << 31)),
        (NEST + 0x12, REGISTERS << 8),
        (NEST + 0x13, SOURCES << 8),
        (NEST + 0x14, 0xf << 60),
        (PCI + 0x0a, 0),
    ] {
        model.write(pcb, value).expect("there");
    }
    rig.set(0x1a10, 0xf800 << 48);
    while rig.get(0x1a40) & bit(23) == 0 {}
    for (at, value) in [
        (0x100, (4095 >> 3) << 51),
        (0x168, RTT | bit(0)),
        (0x188, PELTV | bit(0)),
        (0x1a8, PEST | bit(0)),
        (0x1a0, 0x8000_0000),
        (0x160, bit(8) | bit(14)),
        (0x810, bit(11)),
        (0x300, 0x1000),
        (0x308, 1 << 28 | 0x3000),
        (0xd18, u64::MAX),
        (0xd98, u64::MAX),
        (0xe18, u64::MAX),
        (0xe98, u64::MAX),
        (0xd28, 0x0000_000a_0000_0000),
        (0xda8, 0xc000_18b8_0100_0060),
        (0xea8, 0x6000_0000_c000_0000),
    ] {
        rig.set(at, value);
    }
    rig.fill();
    place(&rig);
    super::good(&rig, "start");
    rig
}

impl Rig9 {
    fn fill(&self) {
        for (table, entries, entry) in [(9, 1024, 0), (16, 64, 0), (17, 512, 0)] {
            (0..entries).for_each(|index| self.entry(table, index, [entry, 0]));
        }
        (0..1024).for_each(|word| (0..4).for_each(|quad| self.source(4 * word + quad, NOBODY)));
        let nobody = u64::from(NOBODY) * 0x0001_0001_0001_0001;
        (0..512).for_each(|index| self.entry(17, index, [nobody, 0]));
        // The 32-bit window, by column A.
        self.entry(16, 0, [bit(0) | bit(1) | 1 << 60 | M32, 0]);
        self.entry(16, 1, [bit(0) | (1u64 << 31).wrapping_neg() & FIELD, 0]);
        for (pe, rid, table, segment) in [
            (PE_LEFT, LEFT_BDF, LEFT_TABLE, LEFT_SEGMENT),
            (PE_RIGHT, RIGHT_BDF, RIGHT_TABLE, RIGHT_SEGMENT),
        ] {
            self.rtt[usize::from(rid.0)].store(pe);
            // Segments are of 4 MiB here.
            for half in 0..2 {
                self.entry(17, 2 * segment + half, [u64::from(pe) << 48, 0]);
            }
            self.entry(9, 2 * u64::from(pe), [table << 4 | 7 << 8 | 1, 0]);
            self.source(pe.into(), pe);
        }
        self.set(0x208, bit(0));
    }

    /// Gives a source to an endpoint.
    pub(super) fn source(&self, source: u64, pe: u16) {
        let quad = source % 4;
        let named = 8 >> quad;
        self.set(0x220, 2 << 48 | named << 32 | (source / 4));
        self.set(0x228, u64::from(pe) << (48 - 16 * quad));
    }

    /// Reads or writes a word of the root port by its own registers.
    fn root(&self, at: u64, value: Option<u32>) -> u32 {
        let reg = Reg32::new(0x1000 + at as u16).expect("aligned");
        match value {
            Some(value) => self.model.write32(reg, value.swap_bytes()),
            None => return self.model.read32(reg).swap_bytes(),
        }
        0
    }
}

fn register(at: u16) -> Reg64 {
    Reg64::new(at).expect("aligned")
}

impl Rig for Rig9 {
    fn name(&self) -> &'static str {
        "PHB4"
    }
    fn model(&self) -> &dyn Model {
        self.model
    }
    fn set(&self, at: u16, value: u64) {
        self.model.write64(register(at), value);
    }
    fn get(&self, at: u16) -> u64 {
        self.model.read64(register(at))
    }
    fn entry(&self, table: u64, index: u64, entry: [u64; 2]) {
        self.set(0x220, table << 48 | index);
        self.set(0x228, entry[0]);
    }
    fn entry_of(&self, table: u64, index: u64) -> u64 {
        self.set(0x220, table << 48 | index);
        self.get(0x228)
    }
    fn config(&self, bdf: Bdf, at: u64, value: Option<u32>) -> u32 {
        if bdf.0 == 0 {
            return self.root(at, value);
        }
        let pe = u64::from(self.rtt[usize::from(bdf.0)].load());
        self.set(0x140, bit(0) | u64::from(bdf.0) << 44 | at << 32 | pe << 16);
        let data = Reg32::at(0x130);
        match value {
            Some(value) => self.model.write32(data, value.swap_bytes()),
            None => return self.model.read32(data).swap_bytes(),
        }
        0
    }
    fn tces(&self) -> [&'static [BeU64]; 2] {
        self.tces
    }
    fn bus(&self, _pe: u16) -> u64 {
        0
    }
    fn message(&self, pe: u16) -> (u64, u32) {
        let number = u32::from(pe);
        (1 << 60 | u64::from(number & !0x1f) << 4, number & 0x1f)
    }
    fn segment(&self, segment: u64) -> u64 {
        M32 + (segment << 23)
    }
    fn m32(&self) -> u64 {
        0x8000_0000
    }
    fn nobody(&self) -> u16 {
        NOBODY
    }
    fn kill_all(&self) {
        while self.get(0x210) != 0 {}
        self.set(0x210, bit(0));
        while self.get(0x888) & bit(7) != 0 {}
    }
    fn link(&self, parent: u16, child: u16) {
        let word = 8 * usize::from(parent) + usize::from(child / 64);
        let row = &self.peltv[word];
        row.store(row.load() | bit(u32::from(child % 64)));
    }
    fn end_of_errors(&self) {
        let _ = self.model.load_source(SOURCES + (4095 << 16));
    }
    fn four(&self, at: u16) {
        self.model.read32(Reg32::new(at).expect("aligned"));
    }
    fn no_window(&self) -> u64 {
        bit(18)
    }
}
