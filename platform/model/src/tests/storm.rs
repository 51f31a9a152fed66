//! Anything at all, from drivers and devices: nothing panics, and what is kept stays bounded.

use super::*;
use crate::{Act, HubUnit, P7iocBlock, Severity};
use ioda::{Reg8, Reg16, Reg32, Reg64, RegIo, XscomIo};

/// How often something is done to each model; few enough for firmware under an emulator.
const ROUNDS: u32 = 20_000;

/// Numbers that look like nothing in particular (xorshift64*), the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }
    /// Mostly numbers with few bits, all ones, or something with its upper half only.
    fn value(&mut self) -> u64 {
        match self.below(5) {
            0 => 1 << self.below(64) | 1 << self.below(64),
            1 => u64::MAX,
            2 => self.roll() << 32,
            3 => self.roll() >> self.below(64),
            _ => self.roll(),
        }
    }
    fn act(&mut self) -> Act {
        let address = self.value();
        match self.below(8) {
            0 => Act::Read(address),
            1 => Act::Write(address),
            2 | 3 => Act::Message {
                address: [address, 0xffff_0000 | address & 0xffff, 1 << 60, 9 << 60]
                    [self.below(4) as usize],
                data: self.value() as u32,
            },
            4 => Act::Malformed,
            5 => Act::BadSize(address),
            6 => Act::Unsupported,
            _ => Act::Error(Severity::NonFatal),
        }
    }
}

/// Registers that do the most, and tables behind an index.
const BUSY: [u16; 16] = [
    0x100, 0x150, 0x160, 0x190, 0x198, 0x1a0, 0x210, 0x220, 0x228, 0x230, 0x2a8, 0x2b0, 0x208,
    0x240, 0x238, 0x140,
];

fn access(io: &dyn RegIo, dice: &mut Dice) {
    let at = match dice.below(3) {
        0 => BUSY[dice.below(16) as usize],
        1 => dice.below(0x200) as u16 * 8,
        _ => dice.roll() as u16 & !7,
    };
    let lane = if dice.below(2) == 0 { 0x130 } else { at };
    let value = dice.value();
    match dice.below(10) {
        0 => drop((io.read32(Reg32::new(lane).expect("aligned")), 0)),
        1 => io.write32(Reg32::new(lane).expect("aligned"), value as u32),
        2 => drop((io.read16(Reg16::new(lane | 2).expect("aligned")), 0)),
        3 => io.write8(Reg8::new(lane | 3).expect("aligned"), value as u8),
        4 | 5 => drop((io.read64(Reg64::new(at).expect("aligned")), 0)),
        _ => io.write64(Reg64::new(at).expect("aligned"), value),
    }
}

fn requests(model: &dyn Model, dice: &mut Dice) {
    let rid = Rid(dice.roll() as u16);
    let act = dice.act();
    match dice.below(5) {
        0 => drop((model.forge(rid, act), 0)),
        1 => drop((model.act_as(dice.below(7) as usize, rid, act), 0)),
        2 => drop((model.load(dice.value()), 0)),
        3 => drop((model.store(dice.value(), 5), 0)),
        _ => drop((model.act(dice.below(7) as usize, act), 0)),
    }
}

fn nothing_that_is_done_to_a_p7ioc_panics() {
    let rig = rig7::start();
    let mut dice = Dice(0x1234_5678);
    let blocks = [
        P7iocBlock::Asb,
        P7iocBlock::Asb,
        P7iocBlock::Asb,
        P7iocBlock::Aib,
        P7iocBlock::Bus,
        P7iocBlock::Crossbar,
        P7iocBlock::Global,
    ];
    for round in 0..ROUNDS {
        let block = blocks[dice.below(7) as usize];
        access(&rig.block(block), &mut dice);
        requests(rig.model, &mut dice);
        if round % 64 == 0 {
            // Whatever shut it off is taken back, so that there is something left to hit.
            rig.set_hub(0x3e_1c00, 0);
            rig.set_hub(0x3e_c010, 0);
            rig.model.latch_hub(HubUnit::Misc, dice.value());
            rig.model.pull_intx(dice.roll() as u8);
        }
    }
    assert!(rig.model.complaints().len() <= 65);
    assert!(rig.model.deliveries().len() <= 256);
}

fn nothing_that_is_done_to_a_phb3_panics() {
    let rig = rig8::start();
    let mut dice = Dice(0x8765_4321);
    for round in 0..ROUNDS {
        access(&rig.model, &mut dice);
        requests(rig.model, &mut dice);
        if round % 64 == 0 {
            let pcb = [0x0201_2000, 0x0901_2000, 0x0901_3c00][dice.below(3) as usize]
                + dice.below(0x48) as u32;
            let _ = rig.model.write(pcb, dice.value());
            let _ = rig.model.read(pcb);
            let _ = rig.model.write(0x0901_200a, 0);
            let _ = rig.model.write(0x0201_2000, 0);
            let _ = rig.model.write(0x0201_2045, 0xf8 << 56);
            rig.model.pull_intx(dice.roll() as u8);
        }
    }
    assert!(rig.model.complaints().len() <= 65);
    assert!(rig.model.deliveries().len() <= 256);
}

fn nothing_that_is_done_to_a_phb4_panics() {
    let rig = rig9::start();
    let mut dice = Dice(0x0f1e_2d3c);
    for round in 0..ROUNDS {
        access(&rig.model, &mut dice);
        requests(rig.model, &mut dice);
        let source = rig9::SOURCES + (dice.below(4100) << 16) + dice.below(0x1000);
        let _ = rig.model.load_source(source);
        rig.model.store_source(dice.value());
        if round % 64 == 0 {
            let base = [rig9::NEST - 0x40, rig9::NEST, rig9::PCI, rig9::PCI + 0xc0];
            let pcb = base[dice.below(4) as usize] + dice.below(0x18) as u32;
            let _ = rig.model.write(pcb, dice.value());
            let _ = rig.model.read(pcb);
            for (pcb, value) in [
                (rig9::NEST, 0),
                (rig9::PCI, 0),
                (rig9::PCI + 0x0a, bit(0)),
                (rig9::PCI + 0x0a, 0),
                (rig9::NEST + 0x13, rig9::SOURCES << 8),
                (rig9::NEST + 0x14, 0xf << 60),
            ] {
                // Seldom whole: a reset loses what the storm has built up.
                if round % 1024 == 0 || (rig9::NEST + 0x13..rig9::PCI).contains(&pcb) {
                    let _ = rig.model.write(pcb, value);
                }
            }
            rig.model.pull_intx(dice.roll() as u8);
        }
    }
    assert!(rig.model.complaints().len() <= 65);
    assert!(rig.model.deliveries().len() <= 256);
}

fn no_entry_of_a_table_makes_a_request_panic() {
    let mut dice = Dice(0x1f2e_3d4c);
    for rig in rigs() {
        let rig = &*rig;
        let is_shared = rig.bus(PE_RIGHT) != rig.bus(PE_LEFT);
        let window = if is_shared { 0 } else { 2 * u64::from(PE_LEFT) };
        for round in 0..2000 {
            // The endpoint and the filter stay its own, where the entry has them.
            let [first, second] = [dice.value(), dice.value()];
            let entry = if is_shared {
                [first & !0xe0ff, second & !0x7f & !bit(2) & !bit(12) | 17]
            } else {
                [first | 1, 0]
            };
            rig.entry(9, window, entry);
            rig.entry(16, dice.below(16), [dice.value() | bit(0), 0]);
            let address = dice.value() & 0x0fff_ffff_ffff_ffff;
            let address = if is_shared {
                address & 0xfff_ffff
            } else {
                address
            };
            let outcome = rig.model().act(LEFT, Act::Read(address));
            let _ = rig.model().load(dice.value() & !3);
            assert!(outcome.pe.is_some(), "{round}: {outcome}");
            recover(rig, PE_LEFT);
        }
    }
}

cases::cases!(
    no_entry_of_a_table_makes_a_request_panic,
    nothing_that_is_done_to_a_p7ioc_panics,
    nothing_that_is_done_to_a_phb3_panics,
    nothing_that_is_done_to_a_phb4_panics,
);
