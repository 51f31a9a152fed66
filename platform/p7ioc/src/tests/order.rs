//! In which order the driver stores, and what it makes of a bridge that shuts itself off while it is asked.

use super::*;
use ioda::{Event, Reg8, Reg16, Reg32, Reg64, RegIo};
use lock::Mutex;

/// A store of 8 bytes, or of 2 to config space: the block, the offset in it, the value.
pub(super) type Store = (Block, u16, u64);

/// Registers whose stores are noted, and before one of whose loads the bridge shuts itself off.
pub(super) struct Traced {
    regs: P7iocRegs,
    block: Block,
    trace: &'static Trace,
}

pub(super) struct Trace {
    pub(super) model: &'static Model,
    stores: Mutex<Vec<Store>>,
    /// At which load of the fast path from now on.
    fence_at: Mutex<Option<u32>>,
}

impl RegIo for Traced {
    fn read64(&self, reg: Reg64) -> u64 {
        if self.block == Block::Aib
            && let Some(left) = self.trace.fence_at.lock().as_mut()
        {
            if *left == 0 {
                self.trace.model.fence();
            }
            *left = left.wrapping_sub(1);
        }
        self.regs.read64(reg)
    }
    fn write64(&self, reg: Reg64, value: u64) {
        self.trace
            .stores
            .lock()
            .push((self.block, reg.offset(), value));
        self.regs.write64(reg, value);
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
        let store = (self.block, reg.offset(), value.swap_bytes().into());
        self.trace.stores.lock().push(store);
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

pub(super) struct TracedBench {
    pub(super) trace: &'static Trace,
    pub(super) hub: Hub<Traced>,
    pub(super) phb: Phb<Traced>,
}

impl TracedBench {
    pub(super) fn new() -> Self {
        let model: &'static Model = Box::leak(Box::new(Model::new(INDEX, fabric())));
        let trace: &'static Trace = Box::leak(Box::new(Trace {
            model,
            stores: Mutex::new(Vec::new()),
            fence_at: Mutex::new(None),
        }));
        let regs = |block| Traced {
            regs: model.regs(block),
            block,
            trace,
        };
        let units = Box::leak(Box::new(Units::new(
            regs(Block::Bus),
            regs(Block::Crossbar),
            regs(Block::Global),
        )));
        let hub = Hub::new(FACTS, units).expect("good facts");
        let layout = FACTS.phbs().nth(INDEX.into()).expect("there");
        let port = Box::leak(Box::new(Port::new(regs(Block::Aib), &layout)));
        let place = hub.port(INDEX).expect("there");
        let phb = Phb::new(layout, regs(Block::Asb), port, place);
        Self { trace, hub, phb }
    }

    pub(super) fn started() -> Self {
        let mut bench = Self::new();
        run(|| bench.hub.poll());
        run(|| bench.phb.poll());
        bench
    }

    /// What was stored since it was last asked.
    pub(super) fn stores(&self) -> Vec<Store> {
        core::mem::take(&mut self.trace.stores.lock())
    }

    /// Where stores to these registers are, of all since it was last asked, each being stored to.
    fn places(&self, wanted: &[(Block, u16, u64)]) -> Vec<usize> {
        let stores = self.stores();
        wanted
            .iter()
            .map(|store| {
                stores
                    .iter()
                    .position(|other| other == store)
                    .unwrap_or_else(|| panic!("no store {store:x?}"))
            })
            .collect()
    }
}

fn a_bridge_that_shuts_itself_off_while_it_is_asked_is_fenced() {
    let mut tried = 0;
    for load in 0..8 {
        let mut bench = TracedBench::started();
        *bench.trace.fence_at.lock() = Some(load);
        let event = bench.phb.next_event();
        let is_fenced = bench.trace.fence_at.lock().is_some_and(|left| left > load);
        let want = is_fenced.then_some(Event::Fenced);
        assert_eq!(event, want, "at load {load}");
        tried += u32::from(is_fenced);
    }
    assert!(tried >= 3, "the errors and both words of what is frozen");
}

fn the_crossbar_opens_towards_the_bridges_before_it_opens_upwards() {
    let mut bench = TracedBench::new();
    run(|| bench.hub.poll());
    let open: Vec<u16> = bench
        .stores()
        .into_iter()
        .filter(|(block, at, value)| {
            *block == Block::Crossbar && at & 0xfff == 0 && value >> 48 == 0x023f
        })
        .map(|(_, at, _)| at >> 12)
        .collect();
    assert_eq!(open, [1, 2, 3, 4, 5, 6, 7, 0]);
}

fn errors_are_masked_from_the_link_inwards_before_it_goes_down() {
    let mut bench = TracedBench::started();
    let port = u16::from(INDEX + 2) << 12;
    for kind in [ResetKind::Hot, ResetKind::Fundamental] {
        bench.stores();
        bench.phb.reset(kind);
        let places = bench.places(&[
            (Block::Aib, 0x558, 0x7e00_0000_0000_0000),
            (Block::Aib, 0x140, 1 << 63 | 0x114 << 32),
            (Block::Crossbar, port | 0x218, 0xa4f4 << 48),
            (Block::Aib, 0xc18, 0xadb6_50c9_808d_d051),
            // The link was up until now.
            (Block::Aib, 0x640, 1 << 62 | 1 << 42 | 1 << 40),
        ]);
        assert!(places.is_sorted(), "{kind:?}: {places:?}");
        run(|| bench.phb.poll());
    }
}

cases::cases!(
    a_bridge_that_shuts_itself_off_while_it_is_asked_is_fenced,
    the_crossbar_opens_towards_the_bridges_before_it_opens_upwards,
    errors_are_masked_from_the_link_inwards_before_it_goes_down,
);
