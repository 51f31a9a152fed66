//! What the hub is told to forget of its units' errors.

use super::order::TracedBench;
use super::*;
use ioda::Event;

/// Which units had errors.
const FLAGGED: (Block, u16) = (Block::Global, 0x28);

fn bit(n: u32) -> u64 {
    1 << (63 - n)
}

impl TracedBench {
    /// What was stored to the hub's list of units with errors since it was last asked.
    fn flagged(&self) -> Vec<u64> {
        let stores = self.stores().into_iter();
        stores
            .filter(|(block, at, _)| (*block, *at) == FLAGGED)
            .map(|(_, _, flagged)| flagged)
            .collect()
    }
}

fn what_the_hub_does_not_say_is_not_taken_back() {
    let mut bench = TracedBench::started();
    bench.flagged();
    bench.phb.clear_errors();
    for kind in [ResetKind::Hot, ResetKind::Fundamental, ResetKind::Complete] {
        bench.phb.reset(kind);
        run(|| bench.phb.poll());
    }
    // A store of what was read loses what another unit says in between.
    assert_eq!(bench.flagged(), []);
}

fn what_the_hub_says_of_a_bridge_is_taken_back_alone() {
    let mut bench = TracedBench::started();
    bench.trace.model.latch_errors(bit(1));
    let i2c = ioda_model::HubUnit::I2c;
    bench.trace.model.latch_hub(i2c, bit(20));
    assert_eq!(bench.phb.next_event(), Some(Event::Info(bit(1))));
    bench.flagged();
    bench.phb.clear_errors();
    bench.phb.clear_errors();
    assert_eq!(bench.flagged(), [bit(25)], "once, and the other is left");
}

cases::cases!(
    what_the_hub_does_not_say_is_not_taken_back,
    what_the_hub_says_of_a_bridge_is_taken_back_alone,
);
