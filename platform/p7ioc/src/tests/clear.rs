//! Ending errors of the hub's units that stopped nothing: what is taken out of which register, and what stays.

use super::*;
use crate::hub::{Class, HubError, HubEvent, Unit};
use ioda_model::HubUnit;

const fn bit(n: u32) -> u64 {
    1 << (63 - n)
}

/// A unit with error registers: the model's name of it, the driver's, where they are, its bit in GEM.
type Place = (HubUnit, Unit, u32, u32);

const GLOBAL: Place = (HubUnit::Global, Unit::Global, 0x3e_1e00, 1);
const MISC: Place = (HubUnit::Misc, Unit::Misc, 0x3e_a000, 24);
const I2C: Place = (HubUnit::I2c, Unit::I2c, 0x3e_b000, 25);
const BUS_PORT: Place = (HubUnit::Crossbar(0), Unit::Crossbar(0), 0x3d_0200, 4);
const BRIDGE_PORT: Place = (HubUnit::Crossbar(5), Unit::Crossbar(5), 0x3d_5200, 9);

/// What the error registers of a unit hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Errors {
    fir: u64,
    noted: u64,
    mask: u64,
    is_flagged: bool,
}

impl Bench {
    fn errors(&self, (_, _, base, gem): Place) -> Errors {
        let read = |at| self.model.hub_register(at).unwrap_or(0);
        Errors {
            fir: read(base),
            noted: read(base + 0x40),
            mask: read(base + 0x18),
            is_flagged: read(0x3e_0028) & bit(gem) != 0,
        }
    }

    fn told(&self) -> Vec<HubEvent> {
        self.hub.scan().collect()
    }
}

fn error((_, unit, ..): Place, bit: u8, class: Class) -> HubError {
    HubError { unit, bit, class }
}

fn an_error_is_ended_alone_and_the_next_one_is_told_then() {
    let bench = Bench::started();
    let quiet = bench.errors(GLOBAL);
    bench.model.latch_hub(HubUnit::Global, bit(17) | bit(20));
    let [first, second] = [17, 20].map(|n| error(GLOBAL, n, Class::Info));
    assert_eq!(bench.told(), [HubEvent::Info(first)]);
    bench.hub.clear(&first);
    let left = Errors {
        fir: bit(20),
        noted: bit(20),
        is_flagged: true,
        ..quiet
    };
    assert_eq!(bench.errors(GLOBAL), left);
    assert_eq!(bench.told(), [HubEvent::Info(second)]);
    bench.hub.clear(&second);
    assert_eq!(bench.errors(GLOBAL), quiet);
    assert_eq!(bench.told(), []);
    // It is not masked: it is told when it comes again.
    bench.model.latch_hub(HubUnit::Global, bit(17));
    assert_eq!(bench.told(), [HubEvent::Info(first)]);
    bench.good();
}

fn an_error_that_does_not_end_is_masked_and_no_other_is() {
    for (place, chatter, other) in [(MISC, 0, 2), (MISC, 29, 28), (BUS_PORT, 4, 16)] {
        let bench = Bench::started();
        let quiet = bench.errors(place);
        bench.model.latch_hub(place.0, bit(chatter));
        let told = error(place, chatter as u8, Class::Chatter);
        assert_eq!(bench.told(), [HubEvent::Info(told)]);
        bench.hub.clear(&told);
        let masked = Errors {
            mask: quiet.mask | bit(chatter),
            ..quiet
        };
        assert_ne!(masked, quiet, "it was heard before");
        assert_eq!(bench.errors(place), masked);
        bench.model.latch_hub(place.0, bit(chatter));
        assert!(!bench.errors(place).is_flagged, "nobody is told again");
        assert_eq!(bench.told(), []);
        bench.model.latch_hub(place.0, bit(other));
        let events = bench.told();
        let [HubEvent::Info(next)] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert_eq!(u32::from(next.bit), other);
        bench.good();
    }
}

fn the_other_units_errors_stay() {
    let bench = Bench::started();
    bench.model.latch_hub(HubUnit::Misc, bit(34));
    bench.model.latch_hub(HubUnit::I2c, bit(20));
    let before = bench.errors(I2C);
    let misc = error(MISC, 34, Class::Info);
    let i2c = HubEvent::Info(error(I2C, 20, Class::Info));
    assert_eq!(bench.told(), [HubEvent::Info(misc), i2c]);
    bench.hub.clear(&misc);
    assert_eq!(bench.errors(I2C), before);
    assert_eq!(bench.told(), [i2c]);
    bench.good();
}

fn what_has_stopped_something_is_not_ended_here_whatever_it_is_called() {
    for (place, n) in [(BRIDGE_PORT, 0), (BRIDGE_PORT, 1), (GLOBAL, 0), (I2C, 7)] {
        for class in [Class::Dead, Class::Fence, Class::Info, Class::Chatter] {
            let bench = Bench::started();
            bench.model.latch_hub(place.0, bit(n));
            let before = bench.errors(place);
            let told = bench.told();
            bench.hub.clear(&error(place, n as u8, class));
            assert_eq!(
                bench.errors(place),
                before,
                "{:?} {n} as {class:?}",
                place.1
            );
            assert_eq!(bench.told(), told);
        }
    }
}

fn errors_of_a_port_that_is_not_there_end_nothing() {
    let bench = Bench::started();
    bench.model.latch_hub(HubUnit::Misc, bit(34));
    let told = bench.told();
    assert_eq!(told.len(), 1);
    for unit in [Unit::Crossbar(8), Unit::Crossbar(u8::MAX)] {
        let class = Class::Info;
        bench.hub.clear(&HubError {
            unit,
            bit: 34,
            class,
        });
    }
    assert_eq!(bench.told(), told);
    bench.good();
}

cases::cases!(
    an_error_is_ended_alone_and_the_next_one_is_told_then,
    an_error_that_does_not_end_is_masked_and_no_other_is,
    the_other_units_errors_stay,
    what_has_stopped_something_is_not_ended_here_whatever_it_is_called,
    errors_of_a_port_that_is_not_there_end_nothing,
);
