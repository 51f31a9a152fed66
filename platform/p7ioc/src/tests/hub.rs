use super::*;
use crate::hub::{Class, GxError, HubError, HubEvent, Reservation, Unit};
use ioda::{Event, Freeze, Irq, IrqBackend, IrqKind, RegIo, XscomError, XscomIo};

const fn bit(n: u32) -> u64 {
    1 << (63 - n)
}

impl Bench {
    /// Sets a register of the hub, as the chip would.
    fn set_hub(&self, offset: u32, value: u64) {
        let block = match offset >> 16 {
            0x3c => Block::Bus,
            0x3d => Block::Crossbar,
            _ => Block::Global,
        };
        let reg = ioda::Reg64::new(offset as u16).expect("aligned");
        self.model.regs(block).write64(reg, value);
    }

    /// The unit whose error registers are at `lem` latches `errors`, as bit `gem` tells.
    fn latch_hub(&self, gem: u32, lem: u32, errors: u64) {
        self.set_hub(lem, errors);
        self.set_hub(lem + 0x40, errors);
        let flagged = self.model.hub_register(0x3e_0028).unwrap_or(0);
        self.set_hub(0x3e_0028, flagged | bit(gem));
    }

    fn scan_hub(&self) -> Vec<HubEvent> {
        self.hub.scan().collect()
    }
}

fn a_quiet_hub_has_nothing_to_tell() {
    let bench = Bench::started();
    assert_eq!(bench.scan_hub(), []);
    bench.good();
}

fn errors_of_a_unit_that_the_hub_does_not_flag_are_not_told() {
    for (_, lem, unit, dead) in UNITS {
        // One that kills, one that fences on a bridge's port, and one that does neither.
        for errors in [dead, 0xa4f4 << 48, !dead & !(0xa4f4 << 48)] {
            let bench = Bench::started();
            bench.set_hub(lem, errors);
            bench.set_hub(lem + 0x40, errors);
            assert_eq!(bench.scan_hub(), [], "{unit:?} and {errors:#x}");
            bench.good();
        }
    }
}

/// Every unit: its bit in GEM, its registers, what is fatal to the hub.
const UNITS: [(u32, u32, Unit, u64); 13] = [
    (1, 0x3e_1e00, Unit::Global, 0xf000_87e0_f4fc_ffff),
    (2, 0x3c_0000, Unit::BusUp, 0xf7ff_ffff_ff7f_ffff),
    (3, 0x3c_0050, Unit::BusDown, 0xdfff_f7f3_5f80_00bf),
    (4, 0x3d_0200, Unit::Crossbar(0), 0xf5ff << 48),
    (5, 0x3d_1200, Unit::Crossbar(1), 0xffff << 48),
    (6, 0x3d_2200, Unit::Crossbar(2), 0x5b0b << 48),
    (7, 0x3d_3200, Unit::Crossbar(3), 0x5b0b << 48),
    (8, 0x3d_4200, Unit::Crossbar(4), 0x5b0b << 48),
    (9, 0x3d_5200, Unit::Crossbar(5), 0x5b0b << 48),
    (10, 0x3d_6200, Unit::Crossbar(6), 0x5b0b << 48),
    (11, 0x3d_7200, Unit::Crossbar(7), 0x5b0b << 48),
    (24, 0x3e_a000, Unit::Misc, 0x0000_0003_11c0_0000),
    (25, 0x3e_b000, Unit::I2c, 0x1100 << 48),
];

fn every_error_of_every_unit_has_its_class() {
    for (gem, lem, unit, dead) in UNITS {
        let (fence, chatter) = match unit {
            Unit::Crossbar(0) => (0, bit(4)),
            Unit::Crossbar(2..) => (0xa4f4 << 48, 0),
            Unit::Misc => (0, 0xaaa0_000c_0000_0000),
            _ => (0, 0),
        };
        // One of each class; all would take a bench each.
        for class in [dead, fence, chatter, !(dead | fence | chatter)] {
            let Some(n) = class.checked_ilog2() else {
                continue;
            };
            let mut bench = Bench::started();
            bench.latch_hub(gem, lem, 1 << n);
            let error = |class| HubError {
                unit,
                bit: (63 - n) as u8,
                class,
            };
            let want = match class {
                _ if class == dead => HubEvent::Dead(Some(error(Class::Dead))),
                _ if class == fence => {
                    let Unit::Crossbar(port) = unit else {
                        panic!("only ports of bridges fence")
                    };
                    HubEvent::Fenced(port - 2, Some(error(Class::Fence)))
                }
                _ if class == chatter => HubEvent::Info(error(Class::Chatter)),
                _ => HubEvent::Info(error(Class::Info)),
            };
            assert_eq!(bench.scan_hub(), [want], "{unit} {n}");
            assert_eq!(bench.scan_hub(), [want], "told again");
            let told = match want {
                HubEvent::Dead(_) => Some(Event::Dead),
                HubEvent::Fenced(INDEX, _) => Some(Event::Fenced),
                _ => None,
            };
            assert_eq!(bench.phb.next_event(), told, "{want}");
        }
    }
}

fn a_hub_that_does_not_answer_is_dead_with_all_its_bridges() {
    let mut bench = Bench::started();
    bench.model.kill_hub();
    assert_eq!(bench.scan_hub(), [HubEvent::Dead(None)]);
    assert_eq!(bench.phb.next_event(), Some(Event::Dead));
    // A unit that does not answer is as bad as a hub that does not.
    let mut bench = Bench::started();
    bench.latch_hub(24, 0x3e_a000, u64::MAX);
    assert_eq!(bench.scan_hub(), [HubEvent::Dead(None)]);
    assert_eq!(bench.phb.next_event(), Some(Event::Dead));
    assert_eq!(bench.phb.freeze_state(PE_LEFT), Freeze::all());
}

fn a_fence_is_told_of_the_bridge_it_is_about_until_that_was_reset() {
    let mut bench = Bench::started();
    bench.model.fence();
    assert_eq!(
        bench.scan_hub().first(),
        Some(&HubEvent::Fenced(INDEX, None))
    );
    bench.reset(ResetKind::Complete);
    let left = bench.scan_hub();
    assert!(
        !left
            .iter()
            .any(|event| matches!(event, HubEvent::Fenced(..)))
    );
    bench.good();
}

fn an_error_of_a_crossbar_port_shuts_its_bridge_until_that_was_reset() {
    let mut bench = Bench::started();
    let port = 2 + u32::from(INDEX);
    let lem = 0x3d_0200 + 0x1000 * port;
    bench.latch_hub(4 + port, lem, bit(0));
    assert!(bench.model.dma_read(LEFT, 0).is_err());
    assert_eq!(bench.scan_hub().len(), 1);
    assert_eq!(bench.phb.next_event(), Some(Event::Fenced));
    bench.reset(ResetKind::Complete);
    assert_eq!(bench.model.hub_register(lem), Some(0));
    assert_eq!(bench.model.hub_register(lem + 0x40), Some(0));
    assert_eq!(bench.phb.next_event(), None);
    assert_eq!(bench.scan_hub(), []);
    bench.good();
}

fn the_gravest_comes_first_and_death_comes_alone() {
    let bench = Bench::started();
    bench.latch_hub(25, 0x3e_b000, bit(63));
    bench.latch_hub(16 + 5, 0x3e_b080, 0);
    bench.model.fence();
    bench.latch_hub(6, 0x3d_2200, bit(0) | bit(20));
    let told = bench.scan_hub();
    let rank = |event: &HubEvent| match event {
        HubEvent::Dead(_) => 0,
        HubEvent::Fenced(..) => 1,
        HubEvent::Bridge(_) => 2,
        HubEvent::Info(_) => 3,
    };
    assert!(told.is_sorted_by_key(rank), "{told:?}");
    assert!(told.contains(&HubEvent::Bridge(5)));
    assert!(told.contains(&HubEvent::Fenced(INDEX, None)));
    bench.latch_hub(2, 0x3c_0000, bit(7) | bit(40));
    let told = bench.scan_hub();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        told[0].to_string(),
        "the bus to the processor has error 7, which the hub does not come back from"
    );
}

fn an_error_that_stopped_nothing_is_ended_alone() {
    let bench = Bench::started();
    let [misc, i2c] = [0x3e_a000, 0x3e_b000];
    let reg = |at| bench.model.hub_register(at).unwrap_or(0);
    let mask = reg(misc + 0x18);
    assert_eq!(mask & bit(28), 0);
    bench.latch_hub(24, misc, bit(20) | bit(21) | bit(28));
    bench.latch_hub(25, i2c, bit(20));
    let error = |unit, bit, class| HubError { unit, bit, class };
    let left = || {
        let noted = reg(misc + 0x40);
        assert_eq!(reg(misc), noted, "what is latched and what was noted");
        (noted, reg(misc + 0x18), reg(0x3e_0028))
    };
    let both = bit(24) | bit(25);
    bench.hub.clear(&error(Unit::Misc, 20, Class::Info));
    assert_eq!(left(), (bit(21) | bit(28), mask, both));
    // One that does not end by itself is not told again.
    bench.hub.clear(&error(Unit::Misc, 28, Class::Chatter));
    assert_eq!(left(), (bit(21), mask | bit(28), both));
    bench.hub.clear(&error(Unit::Misc, 21, Class::Info));
    assert_eq!(left(), (0, mask | bit(28), bit(25)));
    let other = error(Unit::I2c, 20, Class::Info);
    assert_eq!(bench.scan_hub(), [HubEvent::Info(other)]);
    bench.hub.clear(&other);
    assert_eq!(bench.scan_hub(), []);
    assert_eq!(reg(0x3e_0028), 0);
    bench.good();
}

fn an_error_that_stopped_something_is_not_ended() {
    for (gem, lem, unit, n, class) in [
        (24, 0x3e_a000, Unit::Misc, 30, Class::Dead),
        (8, 0x3d_4200, Unit::Crossbar(4), 0, Class::Fence),
    ] {
        let bench = Bench::started();
        bench.latch_hub(gem, lem, bit(n));
        let reg = |at| bench.model.hub_register(at).unwrap_or(0);
        let all = || [lem, lem + 0x18, lem + 0x40, 0x3e_0028].map(reg);
        let before = all();
        // Whatever class is claimed.
        for class in [class, Class::Info, Class::Chatter] {
            let bit = n as u8;
            bench.hub.clear(&HubError { unit, bit, class });
            assert_eq!(all(), before, "{unit:?}");
        }
        bench.good();
    }
}

fn all_is_told_however_much_there_is() {
    let bench = Bench::started();
    let fences = (0..6).fold(0, |all, index| all | bit(14 + 4 * index));
    bench.set_hub(0x3e_c010, fences);
    for (gem, lem, unit, dead) in UNITS {
        let others = match unit {
            Unit::Crossbar(0) => bit(4),
            Unit::Crossbar(2..) => 0xa4f4 << 48,
            Unit::Misc => 0xaaa0_000c_0000_0000,
            _ => 0,
        };
        bench.latch_hub(gem, lem, 1 << (!(dead | others)).ilog2());
    }
    let bridges = (0..6).fold(0, |all, index| all | bit(16 + index));
    let flagged = bench.model.hub_register(0x3e_0028).unwrap_or(0);
    bench.set_hub(0x3e_0028, flagged | bridges);
    let told = bench.scan_hub();
    let of = |is: fn(&HubEvent) -> bool| told.iter().filter(|event| is(event)).count();
    assert_eq!(of(|event| matches!(event, HubEvent::Fenced(..))), 6);
    assert_eq!(of(|event| matches!(event, HubEvent::Bridge(_))), 6);
    assert_eq!(of(|event| matches!(event, HubEvent::Info(_))), 13);
}

fn the_global_registers_are_held_in_reset_for_a_moment() {
    let config = 0x3e_1c08;
    for found in [bit(20), bit(1) | bit(20)] {
        let mut bench = Bench::new();
        bench.set_hub(config, found);
        for ms in [100, 1] {
            assert_eq!(bench.model.hub_register(config), Some(found));
            assert_eq!(bench.hub.poll(), Ok(Step::Pending { ms }));
        }
        let held = bench.model.hub_register(config);
        assert_eq!(held, Some(bit(1) | bit(20)));
        assert_eq!(bench.hub.poll(), Ok(Step::Done));
        let after = bench.model.hub_register(config).unwrap_or(0);
        assert_eq!(after & bit(1), 0);
    }
}

fn masked_errors_count_only_where_there_is_no_other() {
    let bench = Bench::started();
    // 23 ends the hub, 17 does not.
    bench.set_hub(0x3e_1e18, bit(23));
    bench.latch_hub(1, 0x3e_1e00, bit(23) | bit(17));
    let error = |bit, class| HubError {
        unit: Unit::Global,
        bit,
        class,
    };
    assert_eq!(bench.scan_hub(), [HubEvent::Info(error(17, Class::Info))]);
    bench.latch_hub(1, 0x3e_1e00, bit(23));
    let dead = HubEvent::Dead(Some(error(23, Class::Dead)));
    assert_eq!(bench.scan_hub(), [dead]);
}

fn the_hub_s_interrupt_is_routed_like_any_other() {
    let bench = Bench::started();
    let irq = bench.hub.irq();
    let number = Irq((0x21 << 9 | 0x10) << 4);
    assert_eq!(irq.irqs(), number.0..number.0 + 1);
    assert_eq!(irq.kind(number), Some(IrqKind::Bridge(0)));
    assert_eq!(irq.kind(Irq(number.0 + 1)), None);
    let entry = || bench.model.hub_register(0x100_0200);
    assert_eq!(entry(), Some(0xff << 32));
    irq.set_target(number, 0x25, 0x28);
    assert_eq!(entry(), Some(0x12 << 40 | 0x85 << 32));
    irq.set_target(Irq(number.0 + 1), 1, 1);
    assert_eq!(entry(), Some(0x12 << 40 | 0x85 << 32));
    irq.reset(number);
    assert_eq!(entry(), Some(0xff << 32));
    bench.good();
}

/// A register of the processor chip.
struct Gx(u32, core::cell::Cell<u64>);

impl XscomIo for Gx {
    fn read(&self, pcb: u32) -> Result<u64, XscomError> {
        (pcb == self.0)
            .then(|| self.1.get())
            .ok_or(XscomError { pcb })
    }
    fn write(&self, pcb: u32, value: u64) -> Result<(), XscomError> {
        self.read(pcb).map(|_| self.1.set(value))
    }
}

fn the_processor_is_told_which_sources_are_its_own() {
    let all = u64::MAX;
    let gx = Gx(0x0201_180a, all.into());
    assert_eq!(Reservation::PSI.apply(Processor::Power7, &gx), Ok(()));
    // 18:26 are 3, 27 is off.
    assert_eq!(gx.1.get(), all & !(0x1ff << 37) & !(1 << 36) | 3 << 37);
    let absent = Reservation::PSI.apply(Processor::Power7Plus, &gx);
    let pcb = 0x0201_1811;
    assert_eq!(absent, Err(GxError::Xscom(XscomError { pcb })));
    let gx = Gx(pcb, 0.into());
    let with_nx = Reservation {
        psi: 3,
        nx: Some((8, 0x1fc)),
    };
    assert_eq!(with_nx.apply(Processor::Power7Plus, &gx), Ok(()));
    assert_eq!(gx.1.get(), 1 << 63 | 8 << 54 | 0x1fc << 45 | 3 << 36);
    for (wrong, error) in [
        (Reservation { psi: 16, nx: None }, GxError::Buid(16)),
        (
            Reservation {
                psi: 3,
                nx: Some((16, 0)),
            },
            GxError::Buid(16),
        ),
        (
            Reservation {
                psi: 3,
                nx: Some((8, 0x200)),
            },
            GxError::Buid(0x200),
        ),
    ] {
        assert_eq!(wrong.apply(Processor::Power7Plus, &gx), Err(error));
    }
    let on_power7 = with_nx.apply(Processor::Power7, &gx);
    assert_eq!(on_power7, Err(GxError::NoNx));
    assert_eq!(gx.1.get(), 1 << 63 | 8 << 54 | 0x1fc << 45 | 3 << 36);
    let whole = Reservation {
        psi: 3,
        nx: Some((8, 0x1ff)),
    };
    assert_eq!(whole.apply(Processor::Power7Plus, &gx), Ok(()));
    assert_eq!(gx.1.get(), 1 << 63 | 8 << 54 | 0x1ff << 45 | 3 << 36);
}

fn what_was_not_reserved_is_told_with_its_reason() {
    let gone = XscomError { pcb: 0x0201_1811 };
    for (error, said) in [
        (
            GxError::Buid(16),
            "source 0x10 is not on the processor chip".into(),
        ),
        (GxError::NoNx, "this processor has no accelerators".into()),
        (GxError::Xscom(gone), gone.to_string()),
    ] {
        assert_eq!(error.to_string(), said);
        assert_ne!(said, "");
    }
}

cases::cases!(
    a_quiet_hub_has_nothing_to_tell,
    errors_of_a_unit_that_the_hub_does_not_flag_are_not_told,
    every_error_of_every_unit_has_its_class,
    a_hub_that_does_not_answer_is_dead_with_all_its_bridges,
    a_fence_is_told_of_the_bridge_it_is_about_until_that_was_reset,
    an_error_of_a_crossbar_port_shuts_its_bridge_until_that_was_reset,
    the_gravest_comes_first_and_death_comes_alone,
    an_error_that_stopped_nothing_is_ended_alone,
    an_error_that_stopped_something_is_not_ended,
    all_is_told_however_much_there_is,
    the_global_registers_are_held_in_reset_for_a_moment,
    masked_errors_count_only_where_there_is_no_other,
    the_hub_s_interrupt_is_routed_like_any_other,
    the_processor_is_told_which_sources_are_its_own,
    what_was_not_reserved_is_told_with_its_reason,
);
