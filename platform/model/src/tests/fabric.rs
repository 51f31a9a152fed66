//! The buses below: whose id a request has when it comes up, and what virtual functions are.

use super::*;
use crate::fabric::Address;
use crate::{Act, Posing, Sriov, Way};

const READ: Act = Act::Read(0x1000);

/// Writes a bridge's numbers and lets it forward everything from 2 GiB to 4 GiB.
fn open(fabric: &mut Fabric, index: usize, buses: u32) {
    let device = fabric.device_mut(index);
    device.write(0x18, 4, buses);
    device.write(0x20, 4, 0xfff0_8000);
    device.write(0x04, 2, 6);
}

fn opened() -> Fabric {
    let mut fabric = fabric();
    for (index, buses) in [(0, 0x040100), (1, 0x040201), (2, 0x030302), (3, 0x040402)] {
        open(&mut fabric, index, buses);
    }
    for (index, bar) in [(LEFT, 0x9000_0000), (RIGHT, 0xa000_0000)] {
        fabric.device_mut(index).write(0x10, 4, bar);
        fabric.device_mut(index).write(0x04, 2, 6);
    }
    fabric
}

fn acs(fabric: &mut Fabric, index: usize, control: u32) {
    // The second extended capability of a port, behind error reporting.
    fabric.device_mut(index).write(0x148 + 6, 2, control);
}

fn a_function_masters_only_with_all_bridges_above_it() {
    let mut fabric = opened();
    let way = |fabric: &Fabric| fabric.ascend(LEFT, Posing::Truly, READ);
    assert_eq!(way(&fabric), Way::Host(LEFT_BDF));
    for index in [LEFT, LEFT_PORT, UP, 0] {
        fabric.device_mut(index).write(0x04, 2, 2);
        let ends = Way::Ends(LEFT_BDF, Refusal::NotMaster);
        assert_eq!(way(&fabric), ends);
        let told = fabric.ascend(LEFT, Posing::Truly, Act::Error(crate::Severity::Fatal));
        assert_eq!(told, Way::Host(LEFT_BDF));
        fabric.device_mut(index).write(0x04, 2, 6);
    }
}

fn a_port_lets_any_id_up_unless_it_validates_sources() {
    let mut fabric = opened();
    let way = |fabric: &Fabric, rid| fabric.ascend(LEFT, Posing::As(rid), READ);
    assert_eq!(way(&fabric, RIGHT_BDF), Way::Host(RIGHT_BDF));
    acs(&mut fabric, LEFT_PORT, 0x1);
    let ends = Way::Ends(RIGHT_BDF, Refusal::Source);
    assert_eq!(way(&fabric, RIGHT_BDF), ends);
    // Only the bus is looked at: another function of its own bus it can be.
    let neighbour = Rid::new(3, 5, 1);
    assert_eq!(way(&fabric, neighbour), Way::Host(neighbour));
    acs(&mut fabric, LEFT_PORT, 0x4);
    assert_eq!(way(&fabric, RIGHT_BDF), Way::Host(RIGHT_BDF));
    // A port upward validates nothing.
    let up = fabric.device(UP).clone().with_acs();
    *fabric.device_mut(UP) = up;
    acs(&mut fabric, UP, 0x1);
    let outside = Rid::new(9, 0, 0);
    assert_eq!(way(&fabric, outside), Way::Host(outside));
}

fn a_switch_turns_requests_round_unless_its_port_sends_them_up() {
    let mut fabric = opened();
    let way = |fabric: &Fabric, address| fabric.ascend(LEFT, Posing::Truly, Act::Write(address));
    assert_eq!(
        way(&fabric, 0xa000_0010),
        Way::Ends(LEFT_BDF, Refusal::Peer)
    );
    assert_eq!(
        way(&fabric, 0xa010_0000),
        Way::Host(LEFT_BDF),
        "nobody has it"
    );
    acs(&mut fabric, LEFT_PORT, 0x4);
    assert_eq!(way(&fabric, 0xa000_0010), Way::Host(LEFT_BDF));
}

fn a_device_behind_a_conventional_bridge_can_only_be_the_bridge() {
    let mut fabric = opened();
    let bridge = fabric.add(LEFT_PORT, 0x08, Device::bridge(0x10b5, 0x8112, 7));
    let inner = fabric.add(bridge, 0x20, Device::conventional_bridge(0x104c, 0xac23));
    let shallow = fabric.add(bridge, 0x08, Device::endpoint(1, 2, 0));
    let deep = fabric.add(inner, 0x18, Device::endpoint(1, 2, 0).with_bar32(0, 4096));
    open(&mut fabric, LEFT_PORT, 0x06_0302);
    open(&mut fabric, bridge, 0x06_0503);
    open(&mut fabric, inner, 0x06_0605);
    fabric.device_mut(shallow).write(0x04, 2, 6);
    fabric.device_mut(deep).write(0x04, 2, 6);
    fabric.device_mut(deep).write(0x10, 4, 0xb000_0000);
    let alias = Rid::new(5, 0, 0);
    for (index, posing) in [
        (shallow, Posing::Truly),
        (deep, Posing::Truly),
        (shallow, Posing::As(LEFT_BDF)),
        (deep, Posing::As(RIGHT_BDF)),
    ] {
        assert_eq!(fabric.ascend(index, posing, READ), Way::Host(alias));
    }
    // Its own id is valid there for a port that validates sources.
    acs(&mut fabric, LEFT_PORT, 0x1);
    assert_eq!(fabric.ascend(deep, Posing::Truly, READ), Way::Host(alias));
    // On its bus everybody hears everything.
    let heard = fabric.ascend(shallow, Posing::Truly, Act::Write(0xb000_0000));
    assert_eq!(heard, Way::Ends(Rid::new(5, 1, 0), Refusal::Peer));
}

/// Two 64-bit BARs, of 16 KiB and of 4 KiB.
fn with_virtual() -> (Fabric, usize) {
    let mut fabric = Fabric::new(Device::bridge(0x1014, 0x03b9, 4));
    let facts = Sriov {
        total: 8,
        first_offset: 0x80,
        stride: 2,
        device: 0x10ca,
        bars: [Some(0x4000), Some(0x1000), None],
        page_sizes: 0x13,
    };
    let device = Device::endpoint(0x8086, 0x10c9, 0x02_0000)
        .with_express(0, 0)
        .with_sriov(facts);
    let physical = fabric.add(0, 0, device);
    open(&mut fabric, 0, 0x02_0100);
    fabric.device_mut(0).write(0x68, 2, 0x20);
    fabric.device_mut(physical).write(0x04, 2, 6);
    assert_eq!(fabric.functions(), 2 + 8);
    (fabric, physical)
}

const CAP: usize = 0x100;

fn virtual_functions_are_there_when_they_are_enabled() {
    let (mut fabric, physical) = with_virtual();
    let vf = |fabric: &Fabric, number| fabric.vf(physical, number).expect("there are eight");
    let second = vf(&fabric, 1);
    assert_eq!(fabric.vf(physical, 8), None);
    let bdf = Rid::new(1, 0x10, 2);
    assert_eq!(fabric.bdf(second), bdf);
    assert_eq!(fabric.config_read(bdf, 0, 4), None);
    let posed = fabric.ascend(second, Posing::Truly, READ);
    assert_eq!(posed, Way::Ends(bdf, Refusal::Absent));
    fabric.device_mut(physical).write(CAP + 0x10, 2, 2);
    fabric.device_mut(physical).write(CAP + 0x08, 2, 0x9);
    // Their ids are the physical function's to tell.
    assert_eq!(fabric.config_read(bdf, 0, 4), Some(u32::MAX));
    assert_eq!(fabric.device(physical).get(CAP + 0x1a, 2), 0x10ca);
    assert_eq!(fabric.config_read(Rid::new(1, 0x10, 4), 0, 4), None);
    let posed = fabric.ascend(second, Posing::Truly, READ);
    assert_eq!(posed, Way::Ends(bdf, Refusal::NotMaster));
    fabric.config_write(bdf, 4, 2, 0xffff);
    assert_eq!(
        fabric.config_read(bdf, 4, 2),
        Some(4),
        "it masters, no more"
    );
    assert_eq!(fabric.ascend(second, Posing::Truly, READ), Way::Host(bdf));
    // While they are there their number stays; more than there are it never is.
    fabric.device_mut(physical).write(CAP + 0x10, 2, 4);
    assert_eq!(fabric.device(physical).get(CAP + 0x10, 2), 2);
    fabric.device_mut(physical).write(CAP + 0x08, 2, 0);
    fabric.device_mut(physical).write(CAP + 0x10, 2, 9);
    assert_eq!(fabric.device(physical).get(CAP + 0x10, 2), 2);
    // Two function numbers of one bus: without ARI the port knows device 0 alone.
    fabric.device_mut(physical).write(CAP + 0x08, 2, 0x9);
    fabric.device_mut(0).write(0x68, 2, 0);
    assert_eq!(fabric.config_read(bdf, 0, 4), None);
    fabric.device_mut(physical).reset();
    assert!(!fabric.is_present(second));
}

fn a_virtual_function_s_bar_takes_a_page_at_least() {
    for (page, bytes) in [(1, 0x1000u64), (2, 0x2000), (0x10, 0x1_0000)] {
        let (mut fabric, physical) = with_virtual();
        let device = fabric.device_mut(physical);
        device.write(CAP + 0x20, 4, page);
        device.write(CAP + 0x10, 2, 3);
        for (at, base) in [(0x24, 0x9000_0000), (0x2c, 0x9800_0000)] {
            device.write(CAP + at, 4, base);
        }
        device.write(CAP + 0x2c, 4, u32::MAX);
        let sized = !device.get(CAP + 0x2c, 4) | 0xf;
        assert_eq!(u64::from(sized) + 1, bytes);
        device.write(CAP + 0x2c, 4, 0x9800_0000);
        device.write(CAP + 0x08, 2, 0x9);
        let vf = |number| fabric.vf(physical, number).expect("there");
        let claim = |pci| fabric.claim(Address::Memory(pci));
        assert_eq!(claim(0x9800_0000 + 2 * bytes + 4), Some((vf(2), 2, 4)));
        assert_eq!(claim(0x9800_0000 + 3 * bytes), None, "there are three");
        assert_eq!(
            claim(0x9800_0000 + 0x1000) == Some((vf(1), 2, 0)),
            bytes == 0x1000
        );
        let larger = bytes.max(0x4000);
        assert_eq!(claim(0x9000_0000 + larger + 8), Some((vf(1), 0, 8)));
    }
    let (mut fabric, physical) = with_virtual();
    let device = fabric.device_mut(physical);
    device.write(CAP + 0x20, 4, 4);
    assert_eq!(device.get(CAP + 0x20, 4), 1, "it has no such pages");
}

fn a_function_forgets_everything_in_a_reset_of_its_own() {
    let device = |flags| {
        let plain = Device::endpoint(1, 2, 0).with_power();
        plain.with_express(0, flags).with_bar32(0, 4096)
    };
    // Power management is at 0x40, PCI Express at 0x48.
    for (flags, bytes, value, is_reset) in [
        (1 << 28, 2, 0x8000, true),
        (1 << 28, 4, 0x8000, true),
        (1 << 28, 2, 0x4000, false),
        (0, 2, 0x8000, false),
    ] {
        let mut function = device(flags);
        function.write(0x10, 4, 0x9000_0000);
        function.write(0x50, bytes, value);
        assert_eq!(
            function.get(0x10, 4) == 0,
            is_reset,
            "{flags:#x} {value:#x}"
        );
        assert_eq!(function.resets, u32::from(is_reset));
    }
    let mut function = device(0);
    function.write(0x10, 4, 0x9000_0000);
    function.write(0x04, 2, 2);
    let claims = |function: &Device| function.claims(Address::Memory(0x9000_0004));
    assert_eq!(claims(&function), Some((0, 4)));
    function.write(0x44, 2, 3);
    assert_eq!(claims(&function), None, "asleep");
    assert_eq!(function.get(0x10, 4), 0x9000_0000);
    function.write(0x44, 2, 0);
    assert_eq!(
        (function.get(0x10, 4), function.resets),
        (0, 1),
        "on its way out"
    );
}

fn what_a_device_writes_behind_its_bars_stays_its_own() {
    let rig = rig8::start();
    let [left, right] = [LEFT_SEGMENT, RIGHT_SEGMENT].map(|n| rig.segment(n));
    rig.model.store(left + 8, 1).expect("it decodes");
    rig.model.store(right + 8, 2).expect("it decodes");
    assert_eq!(
        (
            Model::load(rig.model, left + 8),
            Model::load(rig.model, right + 8)
        ),
        (Ok(1), Ok(2))
    );
    // A processor stores more words than a model keeps: it stops growing.
    for n in 0..10_000u64 {
        let stored = rig.model.store(left + ((4 * n) & 0xf_fffc), 3);
        assert_eq!(stored, Ok(()));
    }
    assert_eq!(Model::load(rig.model, left + 8), Ok(3));
}

fn a_forger_is_judged_as_whom_it_poses() {
    for rig in rigs() {
        let rig = &*rig;
        let [left, right] = rig.tces();
        left[0].store(0x4000_0003);
        right[0].store(0x5000_0003);
        rig.kill_all();
        let act = Act::Read(rig.bus(PE_RIGHT));
        let posed = rig.model().act_as(LEFT, RIGHT_BDF, act);
        assert_eq!(posed.result, Ok(crate::Reached::Memory(0x5000_0000)));
        rig.model().edit(&mut |fabric| acs(fabric, LEFT_PORT, 0x5));
        let posed = rig.model().act_as(LEFT, RIGHT_BDF, act);
        assert_eq!(posed.result, Err(Refusal::Source), "{}", rig.name());
        assert_eq!(rig.model().frozen(PE_RIGHT), Freeze::empty());
        let forged = rig.model().forge(Rid::new(9, 0, 0), act);
        assert!(forged.result.is_err());
        assert_eq!(rig.model().frozen(PE_RIGHT), Freeze::empty());
    }
}

cases::cases!(
    a_function_masters_only_with_all_bridges_above_it,
    a_port_lets_any_id_up_unless_it_validates_sources,
    a_switch_turns_requests_round_unless_its_port_sends_them_up,
    a_device_behind_a_conventional_bridge_can_only_be_the_bridge,
    virtual_functions_are_there_when_they_are_enabled,
    a_virtual_function_s_bar_takes_a_page_at_least,
    a_function_forgets_everything_in_a_reset_of_its_own,
    what_a_device_writes_behind_its_bars_stays_its_own,
    a_forger_is_judged_as_whom_it_poses,
);
