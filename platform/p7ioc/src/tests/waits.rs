//! The three resets, store by store, and how long each step waits.

use super::order::TracedBench;
use super::*;

/// What is seen of a reset from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// The bridge's interrupts of the port, by whether the link counts.
    PortIrqs(u64),
    /// Which of its errors raise no interrupt.
    Masked(u64),
    /// The same of its port of the crossbar.
    HubMasked,
    HubCleared,
    HubHeard,
    /// The link's transmitter.
    TransmitterOff,
    TransmitterOn,
    /// The root port's bridge control.
    BridgeControl(u64),
    Perst,
    NoPerst,
    /// The hub's resets.
    Held(u64),
    /// What the hub has noted of a fence, at these places.
    Forgotten(u16),
    Wait(u32),
}
use Seen::*;

const DOWN: u64 = 0x7e00 << 48;
const UP: u64 = 0x7e65 << 48;
const RESET_MASK: u64 = 0xadb6_50c9_808d_d051;
const RUN_MASK: u64 = 0x1249_a114_7f50_0f2c;
/// IBM bit 9 and on, two for each of the crossbar's ports; 32 and on, one for each bridge.
const OWN: u64 = 1 << (63 - 9 - 2 * (INDEX as u32 + 2)) | 1 << (63 - 32 - INDEX as u32);

impl TracedBench {
    /// What a reset does, waits in a row as one.
    fn seen(&mut self, kind: ResetKind) -> Vec<Seen> {
        self.stores();
        self.phb.reset(kind);
        let mut seen = Vec::new();
        for _ in 0..10_000 {
            self.add(&mut seen);
            let step = self.phb.poll().expect("it comes back");
            self.add(&mut seen);
            match (step, seen.last_mut()) {
                (Step::Done, _) => return seen,
                (Step::Pending { ms }, Some(Wait(waited))) => *waited += ms,
                (Step::Pending { ms }, _) => seen.push(Wait(ms)),
            }
        }
        panic!("it never ends");
    }

    fn add(&self, seen: &mut Vec<Seen>) {
        let ci = u16::from(INDEX + 2) << 12;
        let mut config = 0;
        for store in self.stores() {
            let what = match store {
                (Block::Aib, 0x558, irqs) => PortIrqs(irqs),
                (Block::Aib, 0xc18, mask) => Masked(mask),
                (Block::Crossbar, at, mask) if at == ci | 0x218 => {
                    assert_eq!(mask, 0xa4f4 << 48);
                    HubMasked
                }
                (Block::Crossbar, at, 0) if at == ci | 0x220 => HubHeard,
                (Block::Crossbar, at, 0) if at == ci | 0x240 => HubCleared,
                (Block::Aib, 0x640, train) if train & 1 << 62 != 0 => TransmitterOff,
                (Block::Aib, 0x640, _) => TransmitterOn,
                (Block::Aib, 0x140, address) => {
                    config = address >> 32 & 0xfff;
                    continue;
                }
                (Block::Aib, 0x132, control) if config == 0x3c => BridgeControl(control),
                (Block::Aib, 0x808, cores) if cores & 1 << 61 != 0 => NoPerst,
                (Block::Aib, 0x808, _) => Perst,
                (Block::Global, 0x1c00, held) => Held(held),
                (Block::Global, at @ (0xc018 | 0x1e00 | 0x1e40), _) => Forgotten(at),
                _ => continue,
            };
            seen.push(what);
        }
    }
}

fn calm() -> [Seen; 3] {
    [PortIrqs(DOWN), HubMasked, Masked(RESET_MASK)]
}

/// From a link that came back on.
fn back() -> [Seen; 5] {
    [
        BridgeControl(2),
        HubCleared,
        HubHeard,
        PortIrqs(UP),
        Masked(RUN_MASK),
    ]
}

fn below() -> Vec<Seen> {
    let mut want = calm().to_vec();
    want.extend([
        TransmitterOff,
        Wait(10),
        Perst,
        Wait(1000),
        NoPerst,
        TransmitterOn,
        // Three looks of the model's link, then the rest that PCI Express gives what is below.
        Wait(130),
    ]);
    want.extend(back());
    want
}

fn a_hot_reset_takes_the_link_down_and_resets_the_bus_below() {
    let mut bench = TracedBench::started();
    let seen = bench.seen(ResetKind::Hot);
    let mut want = calm().to_vec();
    want.extend([
        TransmitterOff,
        Wait(10),
        BridgeControl(0x42),
        Wait(1000),
        BridgeControl(0x02),
        Wait(200),
        TransmitterOn,
        // Three looks of the model's link, then the rest that PCI Express gives what is below.
        Wait(130),
    ]);
    want.extend(back());
    assert_eq!(seen, want);
}

fn a_fundamental_reset_takes_the_link_down_and_holds_perst() {
    let mut bench = TracedBench::started();
    let seen = bench.seen(ResetKind::Fundamental);
    assert_eq!(seen, below());
}

fn a_complete_reset_is_the_hub_s_then_a_start_then_a_fundamental_one() {
    for is_fenced in [false, true] {
        let mut bench = TracedBench::started();
        if is_fenced {
            bench.trace.model.fence();
        }
        let seen = bench.seen(ResetKind::Complete);
        let mut want = Vec::new();
        if is_fenced {
            want.push(HubMasked);
        } else {
            want.push(Wait(100));
            want.extend(calm());
        }
        want.extend([
            Held(OWN),
            Wait(1),
            Held(0),
            Wait(100),
            // The cores are let go; the link layer takes its time.
            NoPerst,
            Wait(2),
            BridgeControl(2),
            PortIrqs(UP),
            NoPerst,
            Masked(u64::MAX),
            Masked(RUN_MASK),
            HubCleared,
            HubHeard,
            Forgotten(0xc018),
            Forgotten(0x1e00),
            Forgotten(0x1e40),
        ]);
        want.extend(below());
        assert_eq!(seen, want);
    }
}

cases::cases!(
    a_hot_reset_takes_the_link_down_and_resets_the_bus_below,
    a_fundamental_reset_takes_the_link_down_and_holds_perst,
    a_complete_reset_is_the_hub_s_then_a_start_then_a_fundamental_one,
);
