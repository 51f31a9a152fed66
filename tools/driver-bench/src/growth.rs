//! What it costs to create, move and destroy a window while other endpoints have theirs: [`measure`].

use crate::{Bridge, Chip, time};
use ioda::{
    DmaModel, DmaWindow, M32Segment, M64Map, M64Window, PeNumber, Rid, RidSel, TceTable, TveIndex,
};

/// Which kind of window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// For DMA.
    Dma,
    /// For loads and stores, 64 bits.
    M64,
}

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It opens.
    Create,
    /// It moves to another place.
    Move,
    /// It closes.
    Destroy,
}

/// What an act costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Registers loaded and stored, exactly.
    pub accesses: u64,
    /// Nanoseconds on this host, the model's work included.
    pub nanoseconds: f64,
}

/// Everything that is measured, in the order in which [`measure`] gives it.
pub const ACTS: [(Window, Act); 6] = [
    (Window::Dma, Act::Create),
    (Window::Dma, Act::Move),
    (Window::Dma, Act::Destroy),
    (Window::M64, Act::Create),
    (Window::M64, Act::Move),
    (Window::M64, Act::Destroy),
];

/// A bridge whose endpoints 0 to some number are all somebody's, with room for one more window of each kind.
struct Full {
    bridge: Bridge,
    pe: PeNumber,
    table: TceTable,
    /// Two free places for DMA windows of `pe`, and two for 64-bit windows.
    dma: [TveIndex; 2],
    m64: [u64; 2],
    window: M64Window,
}

impl Full {
    /// The last of `pes` endpoints is the one whose windows are measured.
    fn new(chip: Chip, pes: u16) -> Self {
        let mut bridge = chip.start();
        let caps = *bridge.host.caps();
        let m64 = caps.m64.expect("both chips have an area");
        let entries = match caps.dma {
            DmaModel::SharedSlots { .. } => 0x8000,
            DmaModel::PerPe { .. } => TceTable::MIN_ENTRIES,
        };
        let last = pes - 1;
        for number in 0..pes {
            let pe = PeNumber(number);
            let rid = Rid::new(number as u8 + 1, 0, 0);
            bridge.host.assign_pe(RidSel::one(rid), pe).expect("free");
            bridge
                .host
                .map_m32(M32Segment(number), pe)
                .expect("a segment for each");
            bridge.host.msi_alloc(pe, 1).expect("a message for each");
            if number == last {
                break;
            }
            // As many windows as leave two free places.
            let room = match caps.dma {
                DmaModel::SharedSlots { count, .. } => count - 2,
                DmaModel::PerPe { .. } => pes,
            };
            if number < room {
                let table = bridge.table(entries);
                bridge.host.dma_create(pe, &table, None).expect("room");
            }
            if number < u16::from(m64.windows) - 1 {
                let map = M64Map::SinglePe {
                    base: m64.real + (u64::from(number) << m64.single_pe_shift),
                    shift: m64.single_pe_shift,
                    pe,
                };
                let window = M64Window(number as u8);
                bridge.host.set_m64(window, Some(map)).expect("room");
            }
        }
        let free = match caps.dma {
            DmaModel::SharedSlots { count, .. } => count - 2,
            DmaModel::PerPe { windows } => last * u16::from(windows),
        };
        let place = |number: u64| m64.real + (number << m64.single_pe_shift);
        Self {
            pe: PeNumber(last),
            table: bridge.table(entries),
            dma: [TveIndex(free), TveIndex(free + 1)],
            m64: [place(40), place(41)],
            window: M64Window(m64.windows - 1),
            bridge,
        }
    }

    fn open(&mut self, place: usize) -> DmaWindow {
        let at = Some(self.dma[place]);
        let opened = self.bridge.host.dma_create(self.pe, &self.table, at);
        opened.expect("a free place")
    }

    fn close(&mut self, window: &DmaWindow) {
        self.bridge.host.dma_destroy(window).expect("it is open");
    }

    fn set_m64(&mut self, place: Option<usize>) {
        let shift = self
            .bridge
            .host
            .caps()
            .m64
            .map_or(0, |m64| m64.single_pe_shift);
        let map = place.map(|place| M64Map::SinglePe {
            base: self.m64[place],
            shift,
            pe: self.pe,
        });
        let set = self.bridge.host.set_m64(self.window, map);
        set.expect("a free place");
    }

    /// Does all acts once; `act` is told before and after each.
    fn round(&mut self, mut act: impl FnMut(&Bridge, usize, Moment)) {
        let mut step = |this: &mut Self, number, run: &mut dyn FnMut(&mut Self)| {
            act(&this.bridge, number, Moment::Before);
            run(this);
            act(&this.bridge, number, Moment::After);
        };
        let mut window = None;
        step(self, 0, &mut |this| window = Some(this.open(0)));
        step(self, 1, &mut |this| {
            let old = window.take().expect("opened before");
            this.close(&old);
            window = Some(this.open(1));
        });
        step(self, 2, &mut |this| {
            this.close(&window.take().expect("opened before"));
        });
        step(self, 3, &mut |this| this.set_m64(Some(0)));
        step(self, 4, &mut |this| this.set_m64(Some(1)));
        step(self, 5, &mut |this| this.set_m64(None));
    }
}

/// When [`Full::round`] tells of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Before,
    After,
}

/// What each of [`ACTS`] costs when `pes` endpoints (1 to 127) are somebody's.
///
/// # Panics
/// If a driver refuses what it should do, or a model complains.
#[must_use]
pub fn measure(chip: Chip, pes: u16) -> [Cost; ACTS.len()] {
    let mut full = Full::new(chip, pes);
    let accesses = count(&mut full);
    let mut watch = time::Watch::new();
    let mut rounds = [const { Vec::new() }; ACTS.len()];
    for _ in 0..time::ROUNDS {
        full.round(|_, number, moment| match moment {
            Moment::Before => watch.start(),
            Moment::After => rounds[number].push(watch.nanoseconds()),
        });
    }
    assert_eq!(full.bridge.complaints(), Vec::<String>::new());
    let mut rounds = rounds.into_iter();
    accesses.map(|accesses| Cost {
        accesses,
        nanoseconds: time::median(rounds.next().unwrap_or_default()),
    })
}

fn count(full: &mut Full) -> [u64; ACTS.len()] {
    let mut accesses = [0; ACTS.len()];
    full.round(|bridge, number, moment| {
        let now = bridge.counter.accesses();
        accesses[number] = match moment {
            Moment::Before => now,
            Moment::After => now - accesses[number],
        };
    });
    accesses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cost_as_many_accesses_among_127_endpoints_as_alone() {
        for chip in Chip::ALL {
            let alone = count(&mut Full::new(chip, 1));
            assert!(alone.iter().all(|count| *count > 0), "{alone:?}");
            for pes in [2, 3, 13, 64, 127] {
                let mut full = Full::new(chip, pes);
                assert_eq!(count(&mut full), alone, "{chip:?} with {pes}");
                // And again: nothing is left behind.
                assert_eq!(count(&mut full), alone, "{chip:?} with {pes}");
                assert_eq!(full.bridge.complaints(), Vec::<String>::new());
            }
        }
    }
}
