//! Errors made on purpose: where they strike, and how often.

use super::*;
use crate::{Act, Reached};

const INBOUND: u64 = bit(0);
const OUTBOUND: u64 = bit(1);
const STICKY: u64 = bit(2);
const CONFIG: u64 = bit(3);
const READ: u64 = bit(4);
const WRITE: u64 = bit(5);

fn arm(rig: &dyn Rig, control: u64, address: u64, mask: u64) {
    rig.set(0x2b8, address);
    rig.set(0x2c0, mask);
    rig.set(0x2b0, control);
}

fn mapped(rig: &dyn Rig) {
    for cells in rig.tces() {
        cells[0].store(0x4000_0003);
    }
    rig.kill_all();
}

/// What an endpoint's DMA is compared by, and which of its bits: the number of its window, as far as four bits go, or the
/// page at its start.
fn window(rig: &dyn Rig, pe: u16) -> (u64, u64) {
    if rig.name() == "P7IOC" {
        (rig.bus(pe) >> 28, 0xf)
    } else {
        (rig.bus(pe), !0xfff)
    }
}

fn an_error_of_dma_strikes_its_window_and_direction_alone() {
    for rig in rigs() {
        let rig = &*rig;
        mapped(rig);
        let act = |index, act| rig.model().act(index, act).result;
        let at = |pe| rig.bus(pe);
        let (address, mask) = window(rig, PE_LEFT);
        arm(rig, INBOUND | READ | STICKY, address, mask);
        assert!(act(LEFT, Act::Write(at(PE_LEFT))).is_ok());
        // Where each has addresses of its own, the same one of another is struck too.
        if at(PE_RIGHT) != at(PE_LEFT) {
            assert!(act(RIGHT, Act::Read(at(PE_RIGHT))).is_ok());
        }
        for _ in 0..2 {
            let struck = act(LEFT, Act::Read(at(PE_LEFT)));
            assert_eq!(struck, Err(Refusal::Injected), "{}", rig.name());
            assert_eq!(rig.model().frozen(PE_LEFT), Freeze::all());
            assert_eq!(rig.model().frozen(PE_RIGHT), Freeze::empty());
            recover(rig, PE_LEFT);
        }
        rig.set(0x2b0, 0);
        assert_eq!(
            act(LEFT, Act::Read(at(PE_LEFT))),
            Ok(Reached::Memory(0x4000_0000))
        );
        good(rig, "sticky");
    }
}

fn an_error_of_mmio_strikes_16_mib_and_one_of_config_a_bus() {
    for rig in rigs() {
        let rig = &*rig;
        let real = rig.segment(LEFT_SEGMENT);
        let elsewhere = real + (16 << 20);
        arm(rig, OUTBOUND | WRITE | STICKY, real, 0xff_ffff << 24);
        assert_eq!(rig.model().load(real), Ok(0));
        assert_eq!(rig.model().load(elsewhere), Err(Refusal::Unclaimed));
        recover(rig, rig.nobody());
        assert_eq!(rig.model().store(real, 1), Err(Refusal::Injected));
        assert_ne!(rig.model().pest(PE_LEFT).a & bit(8), 0);
        recover(rig, PE_LEFT);
        arm(
            rig,
            OUTBOUND | CONFIG | READ | STICKY,
            u64::from(LEFT_BDF.bus()) << 52,
            0xff << 52,
        );
        assert_eq!(rig.model().store(real, 1), Ok(()));
        assert_ne!(rig.config(RIGHT_BDF, 0, None), u32::MAX);
        assert_eq!(rig.config(LEFT_BDF, 0, None), u32::MAX);
        assert_eq!(rig.model().frozen(PE_LEFT), Freeze::all(), "{}", rig.name());
        assert_ne!(rig.model().pest(PE_LEFT).a & bit(3), 0);
        recover(rig, PE_LEFT);
        good(rig, "outbound");
    }
}

fn an_address_is_compared_by_blocks_on_a_p7ioc_and_wholly_on_the_others() {
    for rig in rigs() {
        let rig = &*rig;
        let is_block = rig.name() == "P7IOC";
        mapped(rig);
        let bus = rig.bus(PE_LEFT);
        let (page, mask) = window(rig, PE_LEFT);
        arm(rig, INBOUND | READ | STICKY, page | 8, mask | 8);
        assert!(rig.model().act(LEFT, Act::Read(bus + 0x10)).result.is_ok());
        rig.set(0x2b0, 0);
        let real = rig.segment(LEFT_SEGMENT);
        arm(rig, OUTBOUND | READ | STICKY, real + 4, u64::MAX);
        assert_eq!(rig.model().load(real).is_err(), is_block, "{}", rig.name());
        rig.set(0x2b0, 0);
        if is_block {
            recover(rig, PE_LEFT);
        }
        let other = Bdf::new(LEFT_BDF.bus(), 1, 0);
        arm(
            rig,
            CONFIG | READ | STICKY,
            u64::from(other.0) << 44,
            0xffff << 44,
        );
        assert_eq!(
            rig.config(LEFT_BDF, 0, None) == u32::MAX,
            is_block,
            "{}",
            rig.name()
        );
        rig.set(0x2b0, 0);
        if is_block {
            recover(rig, PE_LEFT);
        }
        good(rig, "compared");
    }
}

fn once_is_once_on_a_phb3_and_until_it_is_cleared_on_a_p7ioc() {
    for rig in rigs() {
        let rig = &*rig;
        mapped(rig);
        let read = || rig.model().act(LEFT, Act::Read(rig.bus(PE_LEFT))).result;
        let (address, mask) = window(rig, PE_LEFT);
        arm(rig, INBOUND | READ, address, mask);
        assert_eq!(read(), Err(Refusal::Injected));
        let stays = rig.name() == "P7IOC";
        assert_eq!(rig.get(0x2b0) != 0, stays);
        clear(rig);
        thaw(rig, PE_LEFT);
        let said = rig.model().complaints();
        assert_eq!(said.len(), if stays { 2 } else { 0 }, "{said:?}");
        assert_eq!(read().is_err(), stays);
        rig.set(0x2b0, 0);
        recover(rig, PE_LEFT);
        assert!(read().is_ok());
        good(rig, "once");
    }
}

fn the_first_p7ioc_strikes_only_if_both_directions_are_set() {
    let rig = rig7::start();
    mapped(&rig);
    rig.model.set_version(0x0000_00a2_0000_0001);
    arm(&rig, INBOUND | READ | STICKY, 0, 0xf);
    assert_eq!(rig.model.complaints().len(), 1);
    assert!(rig.model.act(LEFT, Act::Read(0)).result.is_ok());
    arm(&rig, INBOUND | READ | WRITE | STICKY, 0, 0xf);
    assert!(rig.model.act(LEFT, Act::Read(0)).result.is_err());
    good(&rig, "both directions");
}

fn what_is_not_known_of_injection_is_complained_of() {
    for rig in rigs() {
        for control in [bit(6) | INBOUND | READ, INBOUND, OUTBOUND | STICKY, bit(20)] {
            rig.set(0x2b0, control);
            let said = rig.model().complaints();
            assert!(!said.is_empty(), "{} {control:#x}", rig.name());
        }
    }
}

cases::cases!(
    an_error_of_dma_strikes_its_window_and_direction_alone,
    an_error_of_mmio_strikes_16_mib_and_one_of_config_a_bus,
    an_address_is_compared_by_blocks_on_a_p7ioc_and_wholly_on_the_others,
    once_is_once_on_a_phb3_and_until_it_is_cleared_on_a_p7ioc,
    the_first_p7ioc_strikes_only_if_both_directions_are_set,
    what_is_not_known_of_injection_is_complained_of,
);
