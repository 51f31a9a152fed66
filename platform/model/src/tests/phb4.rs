//! What only the PHB4 has: sources with P and Q on the chip, windows of several kinds, kills that take time.

use super::rig9::{M64, NEST, PCI, Rig9, SOURCES, start};
use super::*;
use crate::{Act, Phb4Small, Reached};
use ioda::{Reg32, Reg64, RegIo, XscomIo};

/// In the page of a source.
const EOI: u64 = 0x000;
const GET: u64 = 0x800;
const OFF: u64 = 0xd00;

fn page(source: u64, at: u64) -> u64 {
    SOURCES + (source << 16) + at
}

fn send(rig: &Rig9, index: usize, pe: u16) -> Result<Reached, Refusal> {
    let (address, data) = rig.message(pe);
    rig.model.act(index, Act::Message { address, data }).result
}

fn a_source_fires_once_until_it_ends_and_keeps_one_more() {
    let rig = start();
    let source = u64::from(PE_LEFT);
    let irqs = || -> Vec<u32> { rig.model.deliveries().iter().map(|one| one.irq).collect() };
    let number = 1 << 28 | 0x3000 | u32::from(PE_LEFT);
    for _ in 0..3 {
        assert_eq!(send(&rig, LEFT, PE_LEFT), Ok(Reached::Interrupt));
    }
    assert_eq!(irqs(), [number]);
    assert_eq!(rig.model.load_source(page(source, GET)), 0b11);
    assert_eq!(rig.model.load_source(page(source, EOI)), 0b11);
    assert_eq!(irqs(), [number], "the one that was kept");
    assert_eq!(rig.model.load_source(page(source, EOI)), 0b10);
    assert_eq!(irqs(), []);
    assert_eq!(rig.model.load_source(page(source, OFF)), 0b00);
    assert_eq!(send(&rig, LEFT, PE_LEFT), Ok(Reached::Interrupt));
    assert_eq!(
        (irqs(), rig.model.load_source(page(source, GET))),
        (vec![], 0b01)
    );
    good(&rig, "P and Q");
    // An end by a store only where that is switched on.
    rig.model.store_source(page(source, 0x400));
    assert_eq!(rig.model.complaints().len(), 1);
    rig.set(0x810, bit(11) | bit(12));
    rig.model.store_source(page(source, 0x400));
    rig.model.store_source(page(source, 0xc00));
    rig.model.store_source(page(source, EOI));
    assert_eq!(irqs(), [number], "a store fires");
    good(&rig, "stores");
}

fn a_source_is_its_endpoint_s_and_the_wires_are_nobody_s() {
    let rig = start();
    assert_eq!(send(&rig, RIGHT, PE_LEFT), Err(Refusal::ForeignMessage));
    assert_eq!(rig.model.frozen(PE_RIGHT), Freeze::all());
    recover(&rig, PE_RIGHT);
    // The last eight are the wires.
    let wire = Act::Message {
        address: 1 << 60 | 4088 << 4,
        data: 24,
    };
    assert_eq!(rig.model.act(LEFT, wire).result, Err(Refusal::NoMessage));
    recover(&rig, PE_LEFT);
    rig.model.pull_intx(2);
    rig.model.pull_intx(2);
    let irqs: Vec<u32> = rig.model.deliveries().iter().map(|one| one.irq).collect();
    assert_eq!(irqs, [1 << 28 | 0x3000 | 4090]);
    good(&rig, "wires");
    rig.set(0x100, 0);
    rig.model.pull_intx(1);
    assert_eq!(rig.model.complaints().len(), 1);
}

fn only_the_named_sources_of_an_entry_are_written() {
    let rig = start();
    rig.source(PE_LEFT.into(), PE_LEFT);
    assert_eq!(send(&rig, LEFT, PE_LEFT), Ok(Reached::Interrupt));
    let entry = u64::from(PE_LEFT) / 4;
    let before = rig.entry_of(2, entry);
    // Another quad of the same entry; then none.
    rig.source(u64::from(PE_LEFT) + 1, 5);
    rig.set(0x220, 2 << 48 | entry);
    rig.set(0x228, u64::MAX);
    assert_eq!(rig.entry_of(2, entry), before & !0xffff_0000 | 5 << 16);
    // Written itself, P and Q are gone.
    rig.source(PE_LEFT.into(), PE_LEFT);
    let source = page(PE_LEFT.into(), GET);
    assert_eq!(rig.model.load_source(source), 0);
    // P and Q are not for writing here.
    rig.set(0x220, 2 << 48 | 8 << 32 | entry);
    rig.set(0x228, 0xc000 << 48 | u64::from(PE_LEFT) << 48);
    let first = 4 * entry;
    assert_eq!(rig.model.load_source(page(first, GET)), 0);
    good(&rig, "sources");
}

fn a_kill_needs_room_and_counts_when_it_is_done() {
    let rig = start();
    let [left, _] = rig.tces();
    left[0].store(0x4000_0003);
    let read = || rig.model.act(LEFT, Act::Read(0)).result;
    assert!(read().is_ok());
    left[0].store(0x5000_0003);
    rig.set(0x210, bit(1) | u64::from(PE_LEFT));
    assert_eq!(read(), Ok(Reached::Memory(0x4000_0000)));
    assert_ne!(rig.get(0x888) & bit(7), 0);
    assert_eq!(rig.get(0x888) & bit(7), 0);
    assert_eq!(read(), Ok(Reached::Memory(0x5000_0000)));
    good(&rig, "a kill");
    rig.set(0x210, bit(0));
    assert_eq!(rig.model.complaints().len(), 1, "no room");
    while rig.get(0x210) != 0 {}
    rig.set(0x210, bit(2) | u64::from(PE_LEFT));
    assert_eq!(rig.model.complaints().len(), 1, "of a page");
}

fn windows_are_by_segment_by_column_or_one_endpoint_s() {
    let rig = start();
    let mask = |bytes: u64| bit(0) | bytes.wrapping_neg() & 0x00ff_ffff_ffff_ffff;
    let at = |real: u64| rig.model.segment_pe(real).map(|pe| pe.0);
    let open = |window: u64, first: u64, second: u64| {
        rig.entry(16, 2 * window, [first, 0]);
        rig.entry(16, 2 * window + 1, [second, 0]);
    };
    // 512 segments of 1 MiB, segment is endpoint.
    open(1, bit(0) | M64, mask(1 << 29));
    assert_eq!(
        (at(M64 + (17 << 20)), at(M64 + (511 << 20))),
        (Some(17), Some(511))
    );
    // Eight segments from endpoint 40 on.
    let base = M64 + (1 << 30);
    open(2, bit(0) | 3 << 58 | base, mask(1 << 23) | 40);
    assert_eq!(
        (at(base), at(base + (7 << 20)), at(base + (8 << 20))),
        (Some(40), Some(47), None)
    );
    // By column C.
    let base = M64 + (2 << 30);
    open(3, bit(0) | 1 << 60 | 2 << 58 | base, mask(1 << 30));
    rig.entry(17, 9, [77 << 16, 0]);
    assert_eq!(at(base + (9 << 21)), Some(77));
    // One endpoint's, of 4 KiB.
    let base = M64 + (5 << 30);
    open(4, bit(0) | 2 << 60 | base, mask(4096) | 300);
    assert_eq!((at(base + 4095), at(base + 4096)), (Some(300), None));
    // Both words have to be enabled.
    rig.entry(16, 9, [mask(4096) & !bit(0) | 300, 0]);
    assert_eq!(at(base), None);
    good(&rig, "windows");
}

fn config_cycles_have_a_status_and_the_root_port_a_place_of_its_own() {
    let rig = start();
    let status = |rig: &Rig9| rig.get(0x140) >> 60 & 7;
    assert_eq!(rig.config(LEFT_BDF, 0, None), 0x11e8_1234);
    assert_eq!(status(&rig), 0);
    assert_eq!(rig.config(Bdf::new(3, 9, 0), 0, None), u32::MAX);
    assert_eq!(status(&rig), 1);
    assert_eq!(rig.model.frozen(511), Freeze::all());
    recover(&rig, 511);
    good(&rig, "status");
    assert_eq!(rig.config(Bdf::new(0, 0, 0), 0, None), 0x03b9_1014);
    rig.set(0x140, bit(0) | 511 << 16);
    assert_eq!(rig.model.read32(Reg32::at(0x130)), u32::MAX);
    assert_eq!(rig.get(0x1000), u64::MAX);
    assert_eq!(rig.model.read16(ioda::Reg16::at(0x1000)), 0xffff);
    assert_eq!(rig.model.complaints().len(), 3);
}

fn a_fence_ends_with_a_reset_of_the_logic_once_its_faults_are_cleared() {
    let rig = start();
    let put = |pcb, value| rig.model.write(pcb, value).expect("there");
    put(NEST + 0x02, 0x20 << 32);
    assert_eq!(rig.get(0x120), u64::MAX, "all ones tells of a fence");
    assert_eq!(rig.model.act(LEFT, Act::Read(0)).result, Err(Refusal::Off));
    // The back door still works.
    put(PCI + 0xc0, bit(0) | 0x800);
    assert_eq!(rig.model.read(PCI + 0xc1), Ok(0xa4_0000_0002));
    put(PCI + 0x0a, bit(0));
    put(PCI + 0x0a, 0);
    assert!(!rig.model.is_open(), "its faults are still there");
    put(PCI + 0x0a, bit(0));
    put(NEST + 0x01, 0);
    put(PCI + 0x02, 1);
    put(PCI + 0x0a, 0);
    assert!(
        !rig.model.is_open(),
        "nor are those of the other side cleared"
    );
    put(PCI + 0x0a, bit(0));
    put(PCI + 0x01, 0);
    put(PCI + 0x0a, 0);
    assert!(rig.model.is_open());
    assert_eq!(rig.get(0x160), 0, "all is lost");
    assert_eq!(
        rig.entry_of(9, 2 * u64::from(PE_LEFT)),
        0xdead_b000_0000_0805
    );
    good(&rig, "fence");
}

fn both_sizes_say_how_large_they_are() {
    let rig = start();
    assert_eq!((rig.get(0x268) >> 52, rig.get(0x260)), (512, 4096));
    let small: &'static Phb4Small = Box::leak(Box::new(Phb4Small::new(fabric())));
    small.write(NEST + 0x14, 0xf << 60).expect("there");
    small.write(PCI + 0x0a, 0).expect("there");
    assert_eq!(small.read64(Reg64::at(0x268)) >> 52, 256);
    assert_eq!(small.read64(Reg64::at(0x260)), 2048);
    assert_eq!(small.freeze_state(PeNumber(256)), Freeze::all());
    assert_eq!(small.entry(16, 31), Some([0, 0]));
    assert_eq!(small.entry(16, 32), None);
    for control in [bit(9), bit(10), bit(19), bit(24)] {
        small.write64(Reg64::at(0x810), control);
        assert_eq!(small.complaints().len(), 1, "{control:#x}");
    }
}

cases::cases!(
    a_source_fires_once_until_it_ends_and_keeps_one_more,
    a_source_is_its_endpoint_s_and_the_wires_are_nobody_s,
    only_the_named_sources_of_an_entry_are_written,
    a_kill_needs_room_and_counts_when_it_is_done,
    windows_are_by_segment_by_column_or_one_endpoint_s,
    config_cycles_have_a_status_and_the_root_port_a_place_of_its_own,
    a_fence_ends_with_a_reset_of_the_logic_once_its_faults_are_cleared,
    both_sizes_say_how_large_they_are,
);
