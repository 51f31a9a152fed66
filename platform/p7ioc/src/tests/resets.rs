//! What a bridge is told between the steps of a reset, and the root port's own registers.

use super::*;
use ioda::{M64Kinds, ResetError};

const ROOT: usize = 0;
const ROOT_BDF: Bdf = Bdf::new(0, 0, 0);
const BRIDGE_CONTROL: usize = 0x3e;
const BUS_RESET: u32 = 0x40;
/// Correctable errors that the root port keeps to itself; bit 0 is the receiver's.
const AER_MASK: usize = 0x114;

impl Bench {
    fn root(&self, at: usize, bytes: usize) -> u32 {
        self.model
            .with_fabric(|fabric| fabric.device(ROOT).get(at, bytes))
    }

    /// Polls until the root port's bus reset is on or off.
    fn run_to_bus_reset(&mut self, want: u32) {
        for _ in 0..1000 {
            if self.root(BRIDGE_CONTROL, 2) & BUS_RESET == want {
                return;
            }
            assert!(matches!(self.phb.poll(), Ok(Step::Pending { .. })));
        }
        panic!("it never comes");
    }
}

fn the_root_port_s_express_capability_is_found_wherever_it_is() {
    // Where the capabilities begin, with the reserved bits set; one in front.
    for (first, in_front) in [(0x40, 0), (0x43, 0), (0x83, 0x4305)] {
        let mut fabric = fabric();
        let root = fabric.device_mut(ROOT);
        *root = root
            .clone()
            .with_config(0x34, 1, first)
            .with_config(0x80, 2, in_front);
        let mut bench = Bench::over(FACTS, fabric);
        bench.run_hub();
        bench.run();
        assert_eq!(bench.phb.pcie_cap, CfgOffset::new(0x40));
        // All errors are reported, by the root port too; the third time-out and ARI forwarding.
        assert_eq!(bench.root(0x48, 2), 0xf);
        assert_eq!(bench.root(0x5c, 2), 0x17);
        assert_eq!(bench.root(0x68, 2), 0x22);
        bench.good();
    }
}

fn a_chain_of_capabilities_that_leads_nowhere_ends() {
    for (first, at_80) in [(0, 0), (0x3c, 0), (0x80, 0x0005), (0x80, 0x8005)] {
        let mut fabric = fabric();
        let root = fabric.device_mut(ROOT);
        *root = root
            .clone()
            .with_config(0x34, 1, first)
            .with_config(0x80, 2, at_80);
        let mut bench = Bench::over(FACTS, fabric);
        bench.run_hub();
        bench.run();
        assert_eq!(bench.phb.pcie_cap, None);
        bench.good();
    }
}

fn a_reset_before_the_start_is_the_start() {
    for kind in [ResetKind::Hot, ResetKind::Fundamental, ResetKind::Complete] {
        let mut bench = Bench::new();
        bench.phb.reset(kind);
        bench.good();
        bench.run_hub();
        bench.run();
        bench.place();
        assert_eq!(bench.read(LEFT_BDF, 0), 0x11e8_1234);
        bench.good();
    }
}

fn lesser_resets_leave_a_failure_what_it_is() {
    let mut bench = Bench::new();
    bench.run_hub();
    let version = 0x0000_00a3_0000_0002;
    bench.model.set_version(version);
    assert!(bench.phb.poll().is_err());
    for kind in [ResetKind::Hot, ResetKind::Fundamental] {
        bench.phb.reset(kind);
        assert_eq!(bench.phb.poll(), Err(ResetError::Version(version)));
    }
}

fn a_hot_reset_holds_the_bus_for_a_second_and_lets_it_go() {
    let mut bench = Bench::started();
    bench.phb.reset(ResetKind::Hot);
    bench.run_to_bus_reset(BUS_RESET);
    // SERR is forwarded all the while.
    assert_eq!(bench.root(BRIDGE_CONTROL, 2), 0x42);
    let step = bench.phb.poll();
    assert!(matches!(step, Ok(Step::Pending { .. })), "the link is down");
    assert_eq!(bench.root(BRIDGE_CONTROL, 2), 0x02);
    bench.run();
    bench.good();
}

fn a_reset_that_begins_within_another_is_a_whole_one() {
    let mut bench = Bench::started();
    bench.phb.reset(ResetKind::Hot);
    bench.run_to_bus_reset(BUS_RESET);
    bench.phb.reset(ResetKind::Hot);
    let errors = |bench: &Bench| bench.root(AER_MASK, 4);
    assert_eq!(errors(&bench), 1, "masked still");
    // The link is down as it was, so the first look is the last.
    assert_eq!(bench.phb.poll(), Ok(Step::Pending { ms: 1000 }));
    assert_eq!(bench.root(BRIDGE_CONTROL, 2), 0x42);
    bench.run();
    assert_eq!(errors(&bench), 0);
    bench.place();
    assert_eq!(bench.read(LEFT_BDF, 0), 0x11e8_1234);
    bench.good();
}

fn a_complete_reset_that_begins_again_holds_the_bridge_again() {
    // Of bridge 2, its port of the crossbar and itself.
    let held = 1 << (63 - 17) | 1 << (63 - 34);
    let mut bench = Bench::started();
    let resets = |bench: &Bench| bench.model.hub_register(0x3e_1c00).unwrap_or(0);
    for _ in 0..2 {
        bench.phb.reset(ResetKind::Complete);
        // What was on its way goes first; then the hold.
        assert_eq!(bench.phb.poll(), Ok(Step::Pending { ms: 100 }));
        assert_eq!(bench.phb.poll(), Ok(Step::Pending { ms: 1 }));
        assert_eq!(resets(&bench), held);
    }
    bench.run();
    assert_eq!(resets(&bench), 0);
    bench.place();
    assert_eq!(bench.read(LEFT_BDF, 0), 0x11e8_1234);
}

fn errors_of_the_link_count_again_only_after_the_reset() {
    for kind in [ResetKind::Hot, ResetKind::Fundamental] {
        let mut bench = Bench::started();
        let crossbar = |bench: &Bench| bench.model.hub_register(0x3d_4218).unwrap_or(0);
        let told = |bench: &Bench| {
            let reg = |at| bench.model.register(at).unwrap_or(0);
            (reg(0x558), reg(0xc18), bench.root(AER_MASK, 4))
        };
        let running = (0x7e65_0000_0000_0000, 0x1249_a114_7f50_0f2c, 0);
        assert_eq!(told(&bench), running);
        assert_eq!(crossbar(&bench), 0);
        // What somebody else has masked is masked still.
        bench.write(ROOT_BDF, AER_MASK as u16, 0x1000);
        bench.phb.reset(kind);
        assert_eq!(
            told(&bench),
            (0x7e00_0000_0000_0000, 0xadb6_50c9_808d_d051, 0x1001)
        );
        assert_eq!(crossbar(&bench), 0xa4f4_0000_0000_0000);
        bench.run();
        assert_eq!(told(&bench), running);
        assert_eq!(crossbar(&bench), 0);
        bench.good();
    }
}

fn an_empty_slot_s_receiver_is_not_heard() {
    let mut bench = Bench::new();
    bench.run_hub();
    bench.model.take_link_down();
    bench.run();
    assert_eq!(bench.root(AER_MASK, 4), 1);
    bench.good();
}

fn a_bridge_says_what_its_windows_can_be() {
    let bench = Bench::new();
    let m64 = bench.phb.caps().m64.expect("it has them");
    assert_eq!(m64.kinds, M64Kinds::SINGLE_PE | M64Kinds::ANY_MAP);
    assert_eq!(m64.windows, 16);
}

cases::cases!(
    the_root_port_s_express_capability_is_found_wherever_it_is,
    a_chain_of_capabilities_that_leads_nowhere_ends,
    a_reset_before_the_start_is_the_start,
    lesser_resets_leave_a_failure_what_it_is,
    a_hot_reset_holds_the_bus_for_a_second_and_lets_it_go,
    a_reset_that_begins_within_another_is_a_whole_one,
    a_complete_reset_that_begins_again_holds_the_bridge_again,
    errors_of_the_link_count_again_only_after_the_reset,
    an_empty_slot_s_receiver_is_not_heard,
    a_bridge_says_what_its_windows_can_be,
);
