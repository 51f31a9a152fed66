//! What pictures of machines look like. `UPDATE_EXPECT=1 cargo test -p machine-map` draws them anew, those in
//! docs/pictures too.

mod machines;

use expect_test::{ExpectFile, expect_file};
use machine_map::{Generation, Ink, Map, Owner, PlannedPhb, Want};

/// Compares the dump of a machine and its pictures with what is kept.
fn check(dump: &str, kept: [ExpectFile; 3]) {
    let [kept_dump, text, svg] = kept;
    kept_dump.assert_eq(dump);
    let map = Map::from_dump(dump).expect("the hypervisor's own");
    text.assert_eq(&map.text(Ink::Plain));
    svg.assert_eq(&map.svg());
}

#[test]
fn a_phb3_of_two_partitions_is_drawn() {
    check(
        &machines::phb3(),
        [
            expect_file!["snapshots/phb3.dump"],
            expect_file!["snapshots/phb3.txt"],
            expect_file!["../../../docs/pictures/phb3.svg"],
        ],
    );
}

#[test]
fn a_p7ioc_with_slots_and_64_bit_windows_is_drawn() {
    check(
        &machines::p7ioc(),
        [
            expect_file!["snapshots/p7ioc.dump"],
            expect_file!["snapshots/p7ioc.txt"],
            expect_file!["../../../docs/pictures/p7ioc.svg"],
        ],
    );
}

#[test]
fn before_boot_what_is_unknown_is_shown_as_unknown() {
    let phb = |index, generation| PlannedPhb { index, generation };
    let mut map = Map::planned(
        &[phb(1, Generation::Ioda1), phb(0, Generation::Ioda2)],
        &["disk", "network"],
    );
    let mut want = |at: &str, owner, model: Option<&str>, dma_bytes, msi_quota| {
        let want = Want {
            model: model.map(str::to_owned),
            dma_bytes,
            msi_quota,
        };
        map.want(at.parse().expect("a path"), owner, want)
    };
    assert!(want(
        "phb0/00.0/00.0",
        Owner::Nobody,
        Some("nvme,x=1"),
        None,
        None
    ));
    assert!(want(
        "phb0/00.0/00.0",
        Owner::Partition(1),
        None,
        Some(1 << 30),
        Some(16)
    ));
    assert!(want(
        "phb1/00.0/00.0/03.1",
        Owner::Partition(2),
        None,
        Some(1 << 28),
        Some(4)
    ));
    assert!(want(
        "phb1/00.0/00.0",
        Owner::Nobody,
        Some("pcie-pci-bridge"),
        None,
        None
    ));
    assert!(want(
        "phb1/00.0/00.0/02.0",
        Owner::Nobody,
        Some("edu"),
        None,
        None
    ));
    assert!(!want("phb2/00.0/00.0", Owner::Nobody, None, None, None));
    let text = map.text(Ink::Plain);
    for address in ["0x", "MiB at", "segments of"] {
        assert!(
            !text.contains(address),
            "{address} cannot be known:\n{text}"
        );
    }
    expect_file!["snapshots/planned.txt"].assert_eq(&text);
    expect_file!["snapshots/planned.svg"].assert_eq(&map.svg());
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let map = Map::from_dump(&machines::p7ioc()).expect("the hypervisor's own");
    let colour = map.text(Ink::Colour);
    assert!(colour.contains("\u{1b}["));
    let mut plain = String::new();
    let mut rest = colour.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain += before;
        rest = after.split_once('m').expect("an escape ends").1;
    }
    plain += rest;
    assert_eq!(plain, map.text(Ink::Plain));
}

#[test]
fn one_bridge_can_be_drawn_alone() {
    let mut map = Map::from_dump(&machines::p7ioc()).expect("the hypervisor's own");
    assert!(map.keep_phb(2));
    assert_eq!(map.phbs.len(), 1);
    assert!(!map.keep_phb(0));
}

#[test]
fn the_numbers_known_before_boot_are_those_that_drivers_have() {
    for (generation, dump) in [
        (Generation::Ioda1, machines::p7ioc()),
        (Generation::Ioda2, machines::phb3()),
    ] {
        let running = Map::from_dump(&dump).expect("the hypervisor's own");
        let phb = &running.phbs[0];
        let planned = PlannedPhb {
            index: phb.index,
            generation,
        };
        let planned = &Map::planned(&[planned], &[]).phbs[0];
        assert_eq!(planned.generation, phb.generation);
        assert_eq!((planned.pes, planned.reserved), (phb.pes, phb.reserved));
        assert_eq!((planned.rids, planned.dma), (phb.rids, phb.dma));
        assert_eq!(
            (planned.msis, planned.m32_segments, planned.m64_windows),
            (phb.msis, phb.m32_segments, phb.m64_windows)
        );
    }
}
