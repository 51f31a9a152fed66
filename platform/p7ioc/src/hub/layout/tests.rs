//! Where a hub puts its bridges, and which facts of it are refused.

use super::*;
use cases::prelude::*;

pub(crate) const FACTS: Facts = Facts {
    chip: 1,
    gx: 0,
    processor: Processor::Power7,
    gx_bar1: 0x3e_0000_0000,
    gx_bar2: 0x40_0000_0000,
    buid_ext: 0x21,
    presence: None,
};

fn bridges_lie_where_firmware_has_always_put_them() {
    let last = FACTS.phbs().last().expect("six");
    assert_eq!(last.id, PhbId { chip: 1, index: 5 });
    assert_eq!(last.asb, 0x3e_0005_0000);
    assert_eq!(last.aib, 0x3e_000d_0000);
    assert_eq!(last.io, 0x3e_0380_0000);
    assert_eq!(last.m32_real(), 0x45_c000_0000);
    assert_eq!(last.m64, 0x70_0000_0000);
    assert_eq!(last.lsi_irq, (0x21 << 9 | 0x180) << 4);
    assert_eq!(last.msi_irq, (0x21 << 9 | 0x1a0) << 4);
    assert_eq!((last.lsi_buid(), last.msi_buid()), (0x180, 0x1a0));
}

fn presence_is_a_mask_and_absent_means_all() {
    assert_eq!(FACTS.phbs().count(), 6);
    let some = Facts {
        presence: Some(0xa0),
        ..FACTS
    };
    let found: Vec<u8> = some.phbs().map(|layout| layout.bridge).collect();
    assert_eq!(found, [0, 2]);
    let unchecked = Facts {
        presence: Some(0xff),
        ..FACTS
    };
    assert!(unchecked.has(5));
    assert!(!unchecked.has(6), "there are six");
}

fn facts_that_are_refused_are_named() {
    for (error, said) in [
        (
            FactsError::Bar("ibm,gx-bar-1", 0x10),
            "ibm,gx-bar-1 is unusable: 0x10",
        ),
        (
            FactsError::Gx(2),
            "ibm,gx-index names no link of a processor: 2",
        ),
        (
            FactsError::BuidExt(0x80),
            "ibm,buid-ext has more than 7 bits: 0x80",
        ),
        (
            FactsError::Presence(1),
            "ibm,br1-presence-detect is no mask of six: 0x01",
        ),
    ] {
        assert_eq!(error.to_string(), said);
    }
}

fn bridges_of_two_hubs_of_a_chip_have_names_of_their_own() {
    let other = Facts { gx: 1, ..FACTS };
    let names: Vec<u8> = FACTS
        .phbs()
        .chain(other.phbs())
        .map(|layout| layout.id.index)
        .collect();
    assert_eq!(names, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(other.phbs().last().map(|layout| layout.bridge), Some(5));
}

fn absurd_facts_are_refused() {
    let largest = Facts {
        gx: 1,
        buid_ext: 0x7f,
        presence: Some(0xfc),
        ..FACTS
    };
    assert_eq!(largest.check(), Ok(()));
    assert_eq!(FACTS.check(), Ok(()));
    let with = |change: fn(&mut Facts)| {
        let mut facts = FACTS;
        change(&mut facts);
        facts.check().expect_err("absurd")
    };
    assert!(matches!(with(|f| f.gx_bar1 = 1 << 20), FactsError::Bar(..)));
    assert!(matches!(with(|f| f.gx_bar2 = 1 << 48), FactsError::Bar(..)));
    assert!(matches!(
        with(|f| f.gx_bar2 = u64::MAX),
        FactsError::Bar(..)
    ));
    assert!(matches!(
        with(|f| f.gx_bar1 = f.gx_bar2),
        FactsError::Bar(..)
    ));
    assert_eq!(with(|f| f.gx = 2), FactsError::Gx(2));
    assert_eq!(with(|f| f.buid_ext = 0x80), FactsError::BuidExt(0x80));
    for mask in [0, 1, 0x83] {
        let facts = Facts {
            presence: Some(mask),
            ..FACTS
        };
        assert_eq!(facts.check(), Err(FactsError::Presence(mask)));
    }
}

cases::cases!(
    bridges_lie_where_firmware_has_always_put_them,
    presence_is_a_mask_and_absent_means_all,
    bridges_of_two_hubs_of_a_chip_have_names_of_their_own,
    absurd_facts_are_refused,
    facts_that_are_refused_are_named,
);
