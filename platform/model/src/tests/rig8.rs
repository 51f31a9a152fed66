//! A PHB3 set up by hand: [`Rig8`].

use super::{
    LEFT_BDF, LEFT_SEGMENT, LEFT_TABLE, Model, PE_LEFT, PE_RIGHT, RIGHT_BDF, RIGHT_SEGMENT,
    RIGHT_TABLE, Rig, bit, fabric, leak, place, tces,
};
use crate::{Kind, Phb3};
use cases::prelude::*;
use ioda::{Bdf, BeU16, BeU64, Reg32, Reg64, RegIo, XscomIo};

pub(super) const RTT: u64 = 0x40_0000;
const PELTV: u64 = 0x44_0000;
const PEST: u64 = 0x44_4000;
pub(super) const IVT: u64 = 0x48_0000;
pub(super) const NEST: u32 = 0x0201_2000;
const NOBODY: u16 = 255;

pub(crate) struct Rig8 {
    pub(crate) model: &'static Phb3,
    rtt: &'static [BeU16],
    pub(super) ivt: &'static [BeU64],
    peltv: &'static [BeU64],
    tces: [&'static [BeU64]; 2],
}

pub(crate) fn start() -> Rig8 {
    let model: &'static Phb3 = Box::leak(Box::new(Phb3::new(Kind::Chip, fabric())));
    let rtt = leak(|| BeU16::new(NOBODY), 0x1_0000);
    let peltv = leak(|| BeU64::new(0), 1024);
    let ivt = leak(|| BeU64::new(0xff << 32 | u64::from(NOBODY)), 2 * 0x800);
    model.add_memory(RTT, Box::new(rtt));
    model.add_memory(PELTV, Box::new(peltv));
    model.add_memory(PEST, Box::new(leak(|| BeU64::new(0), 512)));
    model.add_memory(IVT, Box::new(ivt));
    let rig = Rig8 {
        model,
        rtt,
        ivt,
        peltv,
        tces: [LEFT_TABLE, RIGHT_TABLE]
            .map(|real| tces(|at, piece| model.add_memory(at, piece), real)),
    };
    for (pcb, value) in [
        (NEST + 0x1a, 0x800 << 45),
        (NEST + 0x1b, 0xff << 56),
        (NEST + 0x1f, 0xff << 56),
        (NEST + 0x45, 0xf8 << 56),
    ] {
        model.write(pcb, value).expect("there");
    }
    model.read(0x0901_3c01).expect("there");
    model.write(0x0901_200a, 0).expect("there");
    rig.set(0x808, 0xe000 << 48);
    while rig.get(0x640) & bit(23) == 0 {}
    for (at, value) in [
        (0x100, 0xff << 51),
        (0x168, RTT | bit(0)),
        (0x188, PELTV | bit(0)),
        (0x1a8, PEST | bit(0)),
        (0x150, IVT | 0x800 | bit(0)),
        (0x190, Phb3::MMIO1),
        (0x198, (1u64 << 31).wrapping_neg()),
        (0x1a0, 0x8000_0000),
        (0x160, bit(8) | bit(14) | bit(16)),
        (0xd18, u64::MAX),
        (0xd98, u64::MAX),
        (0xe18, u64::MAX),
        (0xd28, 0x0000_4208_0000_0000),
        (0xda8, 0xc000_03a9_0100_6000),
        (0xe28, 0x0000_6000_0000_0060),
    ] {
        rig.set(at, value);
    }
    (0..512).for_each(|index| rig.entry(9, index, [0; 2]));
    (0..256).for_each(|index| rig.entry(17, index, [u64::from(NOBODY) << 48, 0]));
    for (pe, rid, table, segment) in [
        (PE_LEFT, LEFT_BDF, LEFT_TABLE, LEFT_SEGMENT),
        (PE_RIGHT, RIGHT_BDF, RIGHT_TABLE, RIGHT_SEGMENT),
    ] {
        rtt[usize::from(rid.0)].store(pe);
        rig.entry(17, segment, [u64::from(pe) << 48, 0]);
        // 128 MiB of 4 KiB: 256 KiB of table.
        rig.entry(9, 2 * u64::from(pe), [table << 4 | 7 << 8 | 1, 0]);
        ivt[2 * usize::from(pe)].store((9 << 2) << 40 | 5 << 32 | u64::from(pe));
    }
    rig.set(0x208, bit(0));
    place(&rig);
    super::good(&rig, "start");
    rig
}

impl Rig8 {
    /// The entry of the requester table.
    pub(super) fn owner(&self, rid: Bdf) -> &'static BeU16 {
        &self.rtt[usize::from(rid.0)]
    }
}

fn register(at: u16) -> Reg64 {
    Reg64::new(at).expect("aligned")
}

impl Rig for Rig8 {
    fn name(&self) -> &'static str {
        "PHB3"
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
        Phb3::MMIO1 + (segment << 23)
    }
    fn m32(&self) -> u64 {
        0x8000_0000
    }
    fn nobody(&self) -> u16 {
        NOBODY
    }
    fn kill_all(&self) {
        self.set(0x210, bit(0));
    }
    fn link(&self, parent: u16, child: u16) {
        let word = 4 * usize::from(parent) + usize::from(child / 64);
        let row = &self.peltv[word];
        row.store(row.load() | bit(u32::from(child % 64)));
    }
    fn four(&self, at: u16) {
        self.model.read32(Reg32::new(at).expect("aligned"));
    }
    fn no_window(&self) -> u64 {
        bit(18)
    }
}
