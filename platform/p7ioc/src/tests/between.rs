//! What others see between two stores of the driver: nothing that is not theirs before and after.

use super::*;
use core::cell::RefCell;
use ioda::{M64Map, M64Window, Reg8, Reg16, Reg32, Reg64, RegIo};

/// Registers with somebody who looks after each store.
struct Watched {
    regs: P7iocRegs,
    watch: &'static Watch,
}

/// What must hold, real address by real address.
struct Watch {
    model: &'static Model,
    wanted: lock::Mutex<RefCell<Vec<(u64, PeNumber)>>>,
    looks: core::sync::atomic::AtomicUsize,
}

impl Watch {
    fn look(&self) {
        let wanted = self.wanted.lock();
        for (real, pe) in wanted.borrow().iter() {
            assert_eq!(
                self.model.segment_pe(*real),
                Some(*pe),
                "{real:#x} in between"
            );
        }
        self.looks
            .fetch_add(1, core::sync::atomic::Ordering::Relaxed);
    }
}

impl RegIo for Watched {
    fn read64(&self, reg: Reg64) -> u64 {
        self.regs.read64(reg)
    }
    fn write64(&self, reg: Reg64, value: u64) {
        self.regs.write64(reg, value);
        self.watch.look();
    }
    fn read32(&self, reg: Reg32) -> u32 {
        self.regs.read32(reg)
    }
    fn write32(&self, reg: Reg32, value: u32) {
        self.regs.write32(reg, value);
    }
    fn read16(&self, reg: Reg16) -> u16 {
        self.regs.read16(reg)
    }
    fn write16(&self, reg: Reg16, value: u16) {
        self.regs.write16(reg, value);
    }
    fn read8(&self, reg: Reg8) -> u8 {
        self.regs.read8(reg)
    }
    fn write8(&self, reg: Reg8, value: u8) {
        self.regs.write8(reg, value);
    }
    fn sync(&self) {
        self.regs.sync();
    }
    fn flush_line(&self, real: u64) {
        self.regs.flush_line(real);
    }
}

fn windows_open_move_and_grow_while_others_run() {
    let model: &'static Model = Box::leak(Box::new(Model::new(INDEX, fabric())));
    let watch: &'static Watch = Box::leak(Box::new(Watch {
        model,
        wanted: lock::Mutex::new(RefCell::new(Vec::new())),
        looks: core::sync::atomic::AtomicUsize::new(0),
    }));
    let regs = |block| Watched {
        regs: model.regs(block),
        watch,
    };
    let units = Box::leak(Box::new(Units::new(
        regs(Block::Bus),
        regs(Block::Crossbar),
        regs(Block::Global),
    )));
    let mut hub = Hub::new(FACTS, units).expect("good facts");
    run(|| hub.poll());
    let layout = FACTS.phbs().nth(INDEX.into()).expect("there");
    let port = Box::leak(Box::new(Port::new(regs(Block::Aib), &layout)));
    let mut phb = Phb::new(
        layout,
        regs(Block::Asb),
        port,
        hub.port(INDEX).expect("there"),
    );
    run(|| phb.poll());
    let base = layout.m64;
    let mib = |count: u64| count << 20;
    let single = |base, shift, pe| Some(M64Map::SinglePe { base, shift, pe });
    // The neighbours: one endpoint's window, and one of eight.
    phb.set_m64(M64Window(3), single(base + mib(256), 28, PE_LEFT))
        .expect("free");
    let pes: [PeNumber; 8] = core::array::from_fn(|n| PeNumber(n as u16 + 40));
    let eight = Some(M64Map::AnyMap {
        base: base + mib(1024),
        shift: 28,
        pes,
    });
    phb.set_m64(M64Window(9), eight).expect("free");
    phb.map_m32(ioda::M32Segment(2), PE_RIGHT).expect("there");
    let mut wanted: Vec<(u64, PeNumber)> = pes
        .into_iter()
        .zip(0..)
        .map(|(pe, segment)| (base + mib(1024 + 32 * segment), pe))
        .collect();
    wanted.extend([
        (base + mib(256), PE_LEFT),
        (base + mib(512) - 4, PE_LEFT),
        (phb.caps().m32.real + mib(16), PE_RIGHT),
    ]);
    *watch.wanted.lock().borrow_mut() = wanted;
    let before = watch.looks.load(core::sync::atomic::Ordering::Relaxed);
    // An accordion: it opens beside them, grows, moves, shrinks, changes its segments, closes.
    for (place, shift) in [(0, 24), (0, 28), (512, 28), (2048, 31), (1280, 24), (0, 26)] {
        let map = single(base + mib(place), shift, PeNumber(99));
        phb.set_m64(M64Window(5), map).expect("there is room");
        assert_eq!(model.segment_pe(base + mib(place)), Some(PeNumber(99)));
        for segment in 0..8 {
            let pe = PeNumber(80 + u16::from(segment));
            ioda::M64Segments::map_m64(&mut phb, M64Window(5), segment, pe).expect("there");
        }
    }
    phb.set_m64(M64Window(5), None).expect("there");
    let looks = watch.looks.load(core::sync::atomic::Ordering::Relaxed) - before;
    assert!(looks > 200, "{looks} stores");
    assert_eq!(model.complaints(), Vec::<String>::new());
}

cases::cases!(windows_open_move_and_grow_while_others_run,);
