//! The tests notice mistakes: each of these, made at a driver's registers, is found by some program.

use ioda_proof::Action::{Change, Elsewhere, Keep, Lose};
use ioda_proof::{Action, Chip, Effort, Sabotage, Store, run_seed_with};

/// Programs tried before a mistake counts as unnoticed, and their steps.
const PROGRAMS: u64 = 60;
const STEPS: u64 = 100;

const DATA0: u16 = 0x228;
const DATA1: u16 = 0x230;
const TCE_KILL: u16 = 0x210;

/// Whether it is the word of an entry of `table` that takes the entry over.
const fn is(store: &Store, table: u64) -> bool {
    store.at == DATA0 && store.entry.0 == table
}

/// A mistake in what is done again and again, not at the start.
const fn when(condition: bool, action: Action) -> Action {
    if condition { action } else { Keep }
}

const fn p7ioc(name: &'static str, act: fn(&Store) -> Action) -> Sabotage {
    Sabotage {
        name,
        chip: Chip::P7ioc,
        act,
    }
}

const fn phb3(name: &'static str, act: fn(&Store) -> Action) -> Sabotage {
    Sabotage {
        name,
        chip: Chip::Phb3,
        act,
    }
}

/// What a driver of P7IOC could forget or mix up.
static P7IOC: [Sabotage; 19] = [
    p7ioc("translations are never killed", |s| {
        when(s.armed && (s.at == TCE_KILL || s.at == 0x160), Lose)
    }),
    p7ioc(
        "a window keeps the filter of its endpoint's old requesters",
        |s| {
            let same_table = s.value >> 16 == s.before >> 16 && s.value >> 16 != 0;
            when(s.armed && is(s, 9) && same_table, Lose)
        },
    ),
    p7ioc("a window is not closed", |s| {
        when(
            s.armed && !s.replays && is(s, 9) && s.value >> 16 == 0,
            Lose,
        )
    }),
    p7ioc("a window opens in its neighbour's slot", |s| {
        when(s.armed && !s.replays && is(s, 9), Elsewhere(s.entry.1 ^ 1))
    }),
    p7ioc("a message entry keeps the filter of old requesters", |s| {
        let both = s.value & s.before & 1 << 63 != 0;
        when(s.armed && is(s, 5) && both, Lose)
    }),
    p7ioc("a message entry stays valid", |s| {
        when(
            s.armed && !s.replays && is(s, 5) && s.value >> 63 == 0,
            Lose,
        )
    }),
    p7ioc("an interrupt's endpoint is not set", |s| {
        when(
            s.armed && !s.replays && is(s, 4),
            Change(s.value & !(0x7f << 16) | s.before & 0x7f << 16),
        )
    }),
    p7ioc("the low bits of the server are lost", |s| {
        when(
            s.armed && is(s, 4) && s.value >> 32 & 0xff != 0xff,
            Change(s.value & !(7 << 37)),
        )
    }),
    p7ioc("a segment is given that lies beside", |s| {
        when(s.armed && !s.replays && is(s, 18), Elsewhere(s.entry.1 ^ 1))
    }),
    p7ioc("segments of I/O space are forgotten", |s| {
        when(s.armed && !s.replays && is(s, 17), Lose)
    }),
    p7ioc("the segments of a 64-bit window are not mapped", |s| {
        when(s.armed && !s.replays && is(s, 19), Lose)
    }),
    p7ioc("a 64-bit window is not closed", |s| {
        when(s.armed && !s.replays && is(s, 16) && s.value == 0, Lose)
    }),
    p7ioc("errors are sorted by old requesters", |s| {
        when(s.armed && !s.replays && is(s, 6), Lose)
    }),
    p7ioc(
        "children are numbered by five bits of six, as skiboot does",
        |s| {
            let word = s.at == DATA0 || s.at == DATA1;
            let row = s.entry.0 == 12 && s.armed && !s.replays && word;
            when(row, Change(s.value | s.value << 16))
        },
    ),
    p7ioc("MMIO of a frozen endpoint goes on", |s| {
        when(s.armed && is(s, 7) && s.value >> 63 != 0, Lose)
    }),
    p7ioc("DMA is not thawed", |s| {
        when(s.armed && !s.replays && is(s, 8) && s.value == 0, Lose)
    }),
    p7ioc("latched errors stay while endpoints are thawed", |s| {
        when(s.armed && s.at == 0xc08, Lose)
    }),
    p7ioc("tables are loaded up to entry 125, as skiboot does", |s| {
        let is_short = matches!(s.entry.0, 6 | 9 | 12 | 17 | 18 | 19);
        when(
            s.replays && is_short && s.entry.1 >= 126 && s.at == DATA0,
            Lose,
        )
    }),
    p7ioc(
        "a complete reset does not bring message entries back",
        |s| when(s.armed && s.replays && is(s, 5), Change(0)),
    ),
];

/// And one of PHB3.
static PHB3: [Sabotage; 13] = [
    phb3("translations are never killed", |s| {
        when(s.armed && s.at == TCE_KILL, Lose)
    }),
    phb3("requesters are cached for ever", |s| {
        when(s.armed && s.at == 0x208, Lose)
    }),
    phb3("a window is not closed", |s| {
        when(s.armed && !s.replays && is(s, 9) && s.value == 0, Lose)
    }),
    phb3("the two windows of an endpoint are mixed up", |s| {
        when(s.armed && !s.replays && is(s, 9), Elsewhere(s.entry.1 ^ 1))
    }),
    phb3("a segment is given that lies beside", |s| {
        when(s.armed && !s.replays && is(s, 17), Elsewhere(s.entry.1 ^ 1))
    }),
    phb3("a 64-bit window is not closed", |s| {
        when(s.armed && !s.replays && is(s, 16) && s.value == 0, Lose)
    }),
    phb3("interrupts are cached for ever", |s| {
        when(s.armed && s.at == 0x2a0, Lose)
    }),
    phb3("the end of an interrupt stays in memory", |s| {
        when(s.armed && s.at == 0x2a8, Lose)
    }),
    phb3("an edge that waits is not sent again", |s| {
        when(s.armed && s.at == 0x238, Lose)
    }),
    phb3("level interrupts are not routed", |s| {
        when(s.armed && !s.replays && is(s, 2), Lose)
    }),
    phb3("MMIO of a frozen endpoint goes on", |s| {
        when(s.armed && is(s, 7) && s.value >> 63 != 0, Lose)
    }),
    phb3("DMA is not thawed", |s| {
        when(s.armed && !s.replays && is(s, 8) && s.value == 0, Lose)
    }),
    phb3("a complete reset does not bring windows back", |s| {
        when(s.armed && s.replays && is(s, 9), Change(0))
    }),
];

fn all_are_noticed(sabotages: &'static [Sabotage]) {
    let unnoticed: Vec<&str> = sabotages
        .iter()
        .filter(|sabotage| {
            (0..PROGRAMS).all(|seed| {
                run_seed_with(
                    sabotage.chip,
                    seed,
                    STEPS,
                    Effort::Sample(24),
                    Some(sabotage),
                )
                .is_ok()
            })
        })
        .map(|sabotage| sabotage.name)
        .collect();
    assert_eq!(unnoticed, Vec::<&str>::new());
}

#[test]
fn mistakes_of_a_p7ioc_driver_are_noticed() {
    all_are_noticed(&P7IOC);
}

#[test]
fn mistakes_of_a_phb3_driver_are_noticed() {
    all_are_noticed(&PHB3);
}
