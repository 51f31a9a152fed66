//! Every check of a bridge, on every chip: it refuses what it must, says that it was it, and stops who did it.

use super::*;
use crate::{Act, Reached, Severity};

/// Who does what, what becomes of it, whose endpoint is stopped, and bits of PESTA that say why.
struct Try {
    name: &'static str,
    index: usize,
    act: Act,
    result: Result<Reached, Refusal>,
    stopped: Option<u16>,
    detail: u64,
}

const PAGE: u64 = 0x1000;
const MEMORY: u64 = 0x4000_0000;

fn tries(rig: &dyn Rig) -> Vec<Try> {
    let left = rig.bus(PE_LEFT);
    let (address, data) = rig.message(PE_LEFT);
    let is_shared = rig.bus(PE_RIGHT) != left;
    let refused = |name, index, act, why, stopped, detail| Try {
        name,
        index,
        act,
        result: Err(why),
        stopped: Some(stopped),
        detail,
    };
    let fine = |name, act, reached| Try {
        name,
        index: LEFT,
        act,
        result: Ok(reached),
        stopped: None,
        detail: 0,
    };
    let message = Act::Message { address, data };
    let mut tries = vec![
        fine("a read", Act::Read(left + 4), Reached::Memory(MEMORY + 4)),
        fine("a write", Act::Write(left + 8), Reached::Memory(MEMORY + 8)),
        fine("a message", message, Reached::Interrupt),
        fine(
            "a correctable error",
            Act::Error(Severity::Correctable),
            Reached::Noted,
        ),
        refused(
            "a write to a page for reading",
            LEFT,
            Act::Write(left + PAGE),
            Refusal::Permission,
            PE_LEFT,
            bit(19),
        ),
        refused(
            "a read of a page for writing",
            LEFT,
            Act::Read(left + 2 * PAGE),
            Refusal::Permission,
            PE_LEFT,
            2 << 56 | bit(19),
        ),
        refused(
            "a page that is not mapped",
            LEFT,
            Act::Read(left + 3 * PAGE),
            Refusal::Permission,
            PE_LEFT,
            2 << 56 | bit(18),
        ),
        refused(
            "the first byte behind the window",
            LEFT,
            Act::Write(left + (128 << 20)),
            Refusal::Bounds,
            PE_LEFT,
            bit(18),
        ),
        refused(
            "no window",
            LEFT,
            Act::Write(1 << 61),
            Refusal::NoWindow,
            PE_LEFT,
            rig.no_window(),
        ),
        refused(
            "another's message",
            RIGHT,
            message,
            if is_shared {
                Refusal::ForeignEntry
            } else {
                Refusal::ForeignMessage
            },
            PE_RIGHT,
            1 << 56,
        ),
        refused(
            "a malformed packet",
            LEFT,
            Act::Malformed,
            Refusal::Malformed,
            PE_LEFT,
            7 << 56 | bit(11),
        ),
        refused(
            "an unsupported request",
            LEFT,
            Act::Unsupported,
            Refusal::Unsupported,
            PE_LEFT,
            7 << 56 | bit(9),
        ),
        refused(
            "a bad size",
            LEFT,
            Act::BadSize(left),
            Refusal::Size,
            PE_LEFT,
            7 << 56 | bit(21),
        ),
    ];
    tries.push(if is_shared {
        refused(
            "another's window",
            RIGHT,
            Act::Read(left),
            Refusal::ForeignWindow,
            PE_RIGHT,
            2 << 56,
        )
    } else {
        // The same address is its own there, with nothing mapped.
        refused(
            "the same address of another",
            RIGHT,
            Act::Read(left),
            Refusal::Permission,
            PE_RIGHT,
            2 << 56 | bit(18),
        )
    });
    for (name, severity, detail) in [
        ("a fatal error", Severity::Fatal, bit(11)),
        ("an error that is not fatal", Severity::NonFatal, bit(10)),
    ] {
        tries.push(Try {
            stopped: Some(PE_LEFT),
            detail: 7 << 56 | detail,
            ..fine(name, Act::Error(severity), Reached::Noted)
        });
    }
    tries
}

/// The traps of what comes in.
fn inbound_blocks(rig: &dyn Rig) -> &'static [u16] {
    if rig.name() == "PHB4" {
        &[0xd80, 0xe80]
    } else {
        &[0xd80, 0xe00]
    }
}

fn map(rig: &dyn Rig) {
    let [left, _] = rig.tces();
    left[0].store(MEMORY | 3);
    left[1].store(MEMORY | PAGE | 1);
    left[2].store((MEMORY + 2 * PAGE) | 2);
    rig.kill_all();
}

fn each_check_refuses_what_it_must_and_says_that_it_was_it() {
    for rig in rigs() {
        let rig = &*rig;
        map(rig);
        for one in tries(rig) {
            let name = format!("{}, {}", rig.name(), one.name);
            let outcome = rig.model().act(one.index, one.act);
            assert_eq!(outcome.result, one.result, "{name}: {outcome}");
            for pe in [PE_LEFT, PE_RIGHT] {
                let want = if one.stopped == Some(pe) {
                    Freeze::all()
                } else {
                    Freeze::empty()
                };
                assert_eq!(rig.model().frozen(pe), want, "{name}: PE#{pe:02x}");
            }
            let Some(pe) = one.stopped else {
                clear(rig);
                continue;
            };
            assert_eq!(outcome.pe, Some(PeNumber(pe)), "{name}");
            let rid = if pe == PE_LEFT { LEFT_BDF } else { RIGHT_BDF };
            let Pest { a, .. } = rig.model().pest(pe);
            assert_eq!(a & one.detail, one.detail, "{name}: {a:#x}");
            assert_eq!(a >> 16 & 0xffff, rid.0.into(), "{name}: who");
            assert_eq!(rig.entry_of(20, u64::from(pe) / 64).count_ones(), 1);
            assert_ne!(rig.get(0x2c8), 0, "{name}: the summary");
            assert_ne!(rig.get(0xc00) & bit((a >> 32 & 0x3f) as u32), 0, "{name}");
            // Stopped, it is refused for that, whatever it asks.
            let again = rig.model().act(one.index, Act::Write(rig.bus(pe)));
            assert_eq!(again.result, Err(Refusal::Frozen), "{name}");
            assert_eq!(rig.model().pest(pe).a, a, "{name}: the first is kept");
            recover(rig, pe);
            assert_eq!(rig.get(0x2c8), 0, "{name}");
            assert_eq!(rig.entry_of(20, u64::from(pe) / 64), 0);
            good(rig, one.name);
        }
        assert_eq!(rig.model().deliveries(), 1, "{}", rig.name());
    }
}

fn traps_keep_the_first_error_and_count_the_rest() {
    for rig in rigs() {
        let rig = &*rig;
        map(rig);
        let address = rig.bus(PE_LEFT) + 3 * PAGE;
        assert!(rig.model().act(LEFT, Act::Write(address)).result.is_err());
        let blocks = inbound_blocks(rig);
        let block = blocks.iter().copied().find(|at| rig.get(*at) != 0);
        let block = block.expect("it is trapped");
        let first = rig.get(block);
        assert_eq!(rig.get(block + 0x08), first, "{}", rig.name());
        assert_eq!(rig.get(block + 0x48) & !(7 << 61), address);
        let wof = rig.get(0xc40);
        assert_eq!(wof, rig.get(0xc00));
        let [message, _] = [rig.message(PE_LEFT), rig.message(PE_RIGHT)];
        let (address, data) = message;
        let act = Act::Message { address, data };
        assert!(rig.model().act(RIGHT, act).result.is_err());
        assert_eq!(rig.get(0xc40), wof, "{}: the first of all", rig.name());
        assert_ne!(rig.get(0xc00), wof);
        assert_eq!(rig.get(block + 0x08), first);
        // Ones clear the bits, nothing else does.
        rig.set(block, 0);
        assert_ne!(rig.get(block), 0);
        good(rig, "two errors");
        thaw(rig, PE_LEFT);
        let said = rig.model().complaints();
        assert!(said.iter().all(|what| what.contains("thawed")), "{said:?}");
        assert_eq!(said.len(), 2, "{}: both sides", rig.name());
        recover(rig, PE_RIGHT);
        good(rig, "recovered");
    }
}

fn errors_that_are_not_set_to_freeze_are_complained_of() {
    for rig in rigs() {
        for block in inbound_blocks(&*rig) {
            rig.set(block + 0x28, 0);
        }
        let outcome = rig.model().act(LEFT, Act::Write(rig.bus(PE_LEFT)));
        assert!(outcome.result.is_err());
        let said = rig.model().complaints();
        assert!(said[0].contains("not set to freeze"), "{said:?}");
    }
}

fn errors_that_are_set_to_fence_shut_the_bridge_off() {
    for rig in rigs() {
        for block in inbound_blocks(&*rig) {
            rig.set(block + 0x30, u64::MAX);
        }
        let outcome = rig.model().act(LEFT, Act::Write(rig.bus(PE_LEFT)));
        assert!(outcome.result.is_err());
        let other = rig.model().act(RIGHT, Act::Read(rig.bus(PE_RIGHT)));
        assert_eq!(other.result, Err(Refusal::Off), "{}", rig.name());
        let load = rig.model().load(rig.segment(RIGHT_SEGMENT));
        assert_eq!(load, Err(Refusal::Off), "{}", rig.name());
    }
}

fn the_fir_hears_of_what_the_traps_tell_it_alone() {
    /// The FIR, and what was noted first.
    const FIR: [u16; 2] = [0xc00, 0xc40];
    for rig in rigs() {
        for is_told in [false, true] {
            for block in inbound_blocks(&*rig) {
                rig.set(block + 0x18, if is_told { u64::MAX } else { 0 });
            }
            let outcome = rig.model().act(LEFT, Act::Write(rig.bus(PE_LEFT)));
            assert!(outcome.result.is_err());
            let noted = FIR.map(|at| rig.get(at) != 0);
            assert_eq!(noted, [is_told; 2], "{}", rig.name());
            recover(&*rig, PE_LEFT);
        }
        good(&*rig, "told");
    }
}

fn what_a_device_tells_of_spreads_and_what_it_does_does_not() {
    for rig in rigs() {
        let rig = &*rig;
        let children = [3, 64, PE_RIGHT];
        rig.link(PE_LEFT, PE_RIGHT);
        assert!(
            rig.model()
                .act(LEFT, Act::Read(rig.bus(PE_LEFT)))
                .result
                .is_err()
        );
        assert_eq!(rig.model().frozen(PE_RIGHT), Freeze::empty());
        recover(rig, PE_LEFT);
        let told = rig.model().act(LEFT, Act::Error(Severity::Fatal));
        assert_eq!(told.result, Ok(Reached::Noted));
        for pe in children {
            let want = if pe == PE_RIGHT {
                Freeze::all()
            } else {
                Freeze::empty()
            };
            assert_eq!(rig.model().frozen(pe), want, "{} {pe}", rig.name());
        }
        good(rig, "collateral");
    }
}

fn both_sides_stop_and_go_on_by_themselves() {
    for rig in rigs() {
        let rig = &*rig;
        map(rig);
        let real = rig.segment(LEFT_SEGMENT);
        rig.model().store(real, 7).expect("it decodes");
        let read = || rig.model().act(LEFT, Act::Read(rig.bus(PE_LEFT))).result;
        rig.entry(7, PE_LEFT.into(), [bit(0), 0]);
        assert_eq!(rig.model().load(real), Err(Refusal::Frozen));
        assert_eq!(rig.model().store(real, 8), Err(Refusal::Frozen));
        assert!(read().is_ok());
        rig.entry(7, PE_LEFT.into(), [0; 2]);
        rig.entry(8, PE_LEFT.into(), [bit(0), 0]);
        assert_eq!(rig.model().load(real), Ok(7));
        assert_eq!(read(), Err(Refusal::Frozen));
        rig.entry(8, PE_LEFT.into(), [0; 2]);
        assert!(read().is_ok());
        good(rig, "by halves");
    }
}

fn a_load_that_nobody_answers_stops_the_segment_s_endpoint() {
    for rig in rigs() {
        let rig = &*rig;
        let nowhere = rig.segment(LEFT_SEGMENT) + (2 << 20);
        assert_eq!(rig.model().segment_pe(nowhere), Some(PeNumber(PE_LEFT)));
        assert_eq!(rig.model().store(nowhere, 1), Err(Refusal::Unclaimed));
        let a = rig.model().pest(PE_LEFT).a;
        assert_eq!(a & (bit(2) | 7 << 56 | bit(9)), bit(2) | 5 << 56 | bit(9));
        assert_eq!(rig.model().frozen(PE_RIGHT), Freeze::empty());
        recover(rig, PE_LEFT);
        assert_eq!(rig.model().load(nowhere), Err(Refusal::Unclaimed));
        assert_eq!(rig.model().pest(PE_LEFT).a >> 56 & 7, 4);
        recover(rig, PE_LEFT);
        good(rig, "unclaimed");
        assert_eq!(rig.model().load(0x10), Err(Refusal::NoWindow));
        assert_eq!(rig.model().complaints().len(), 1);
    }
}

fn translations_are_kept_until_they_are_killed() {
    for rig in rigs() {
        let rig = &*rig;
        map(rig);
        let [left, _] = rig.tces();
        let read = || rig.model().act(LEFT, Act::Read(rig.bus(PE_LEFT))).result;
        assert_eq!(read(), Ok(Reached::Memory(MEMORY)));
        left[0].store(0);
        assert_eq!(read(), Ok(Reached::Memory(MEMORY)), "{}", rig.name());
        rig.kill_all();
        assert_eq!(read(), Err(Refusal::Permission));
    }
}

fn a_fenced_bridge_refuses_everything() {
    for rig in rigs() {
        let rig = &*rig;
        map(rig);
        rig.model().fence();
        let (address, data) = rig.message(PE_LEFT);
        for act in [
            Act::Read(rig.bus(PE_LEFT)),
            Act::Message { address, data },
            Act::Malformed,
            Act::Error(Severity::Fatal),
        ] {
            assert_eq!(rig.model().act(LEFT, act).result, Err(Refusal::Off));
        }
        let real = rig.segment(LEFT_SEGMENT);
        assert_eq!(rig.model().load(real), Err(Refusal::Off));
        assert_eq!(rig.model().deliveries(), 0);
    }
}

fn what_nobody_knows_and_what_is_not_there_is_complained_of() {
    type Mistake = (&'static str, fn(&dyn Rig));
    let mistakes: [Mistake; 9] = [
        ("an unknown register", |rig| {
            rig.get(0x250);
        }),
        ("a register that is not there", |rig| rig.set(0x5f8, 0)),
        ("a read-only register", |rig| rig.set(0x800, 0)),
        ("an unknown table", |rig| {
            rig.entry_of(10, 0);
        }),
        ("a table that is not there", |rig| {
            rig.entry_of(30, 0);
        }),
        ("an entry that is not there", |rig| {
            rig.entry(17, 1000, [0; 2])
        }),
        ("the summary set", |rig| rig.entry(20, 0, [1, 0])),
        ("a config cycle without its bit", |rig| {
            rig.set(0x140, 0);
            rig.four(0x130);
        }),
        ("four bytes of another register", |rig| rig.four(0x100)),
    ];
    for rig in rigs() {
        for (what, mistake) in mistakes {
            mistake(&*rig);
            let said = rig.model().complaints();
            assert_eq!(said.len(), 1, "{}, {what}: {said:?}", rig.name());
        }
    }
}

fn the_first_thing_noted_of_an_endpoint_stays() {
    for rig in rigs() {
        let rig = &*rig;
        let refused = rig.model().act(LEFT, Act::Read(rig.bus(PE_LEFT)));
        assert!(refused.result.is_err());
        let noted = rig.model().pest(PE_LEFT);
        // What it tells of still comes in, and is no reason to forget why it was stopped.
        let told = rig.model().act(LEFT, Act::Error(Severity::Fatal));
        assert_eq!(told.result, Ok(Reached::Noted));
        assert_eq!(rig.model().pest(PE_LEFT), noted, "{}", rig.name());
        // One side let go, the next error is noted there and not on the other.
        clear(rig);
        rig.entry(7, PE_LEFT.into(), [0; 2]);
        rig.model().act(LEFT, Act::Error(Severity::Fatal));
        let now = rig.model().pest(PE_LEFT);
        assert_eq!(now.a >> 56 & 7, 7, "{}", rig.name());
        assert_eq!(now.b, noted.b, "{}", rig.name());
        good(rig, "noted");
    }
}

fn an_error_raises_the_bridge_s_interrupt_unless_it_is_masked() {
    for rig in rigs() {
        let rig = &*rig;
        // Wire 7: to somebody, where the chip routes wires by a table.
        if rig.name() != "PHB4" {
            rig.entry(2, 7, [9 << 42 | 5 << 32, 0]);
        }
        for (enabled, mask, told) in [(u64::MAX, 0, 1), (0, 0, 0), (u64::MAX, u64::MAX, 0)] {
            for block in inbound_blocks(rig) {
                rig.set(block + 0x20, enabled);
            }
            rig.set(0xc18, mask);
            assert!(
                rig.model()
                    .act(LEFT, Act::Read(rig.bus(PE_LEFT)))
                    .result
                    .is_err()
            );
            assert_eq!(rig.model().deliveries(), told, "{}", rig.name());
            recover(rig, PE_LEFT);
            if rig.name() == "PHB4" {
                // The source's end.
                rig.end_of_errors();
            }
        }
        good(rig, "told");
    }
}

fn after_a_malformed_packet_nothing_goes_on() {
    for rig in rigs() {
        let rig = &*rig;
        rig.model().act(LEFT, Act::Malformed);
        assert_ne!(rig.config(Bdf::new(0, 0, 0), 0x104, None) & 1 << 18, 0);
        assert_ne!(rig.get(0xc00) & bit(60), 0);
        rig.entry(7, PE_LEFT.into(), [0; 2]);
        let said = rig.model().complaints();
        let is_said = said.iter().any(|what| what.contains("malformed"));
        assert!(is_said, "{}: {said:?}", rig.name());
    }
}

fn a_window_that_is_switched_off_leads_nowhere() {
    for rig in rigs() {
        let rig = &*rig;
        let real = rig.segment(LEFT_SEGMENT);
        if rig.name() == "PHB4" {
            rig.entry(16, 0, [0; 2]);
        } else {
            rig.set(0x160, rig.get(0x160) & !bit(16));
        }
        assert_eq!(rig.model().segment_pe(real), None, "{}", rig.name());
        assert_eq!(rig.model().load(real), Err(Refusal::NoWindow));
        assert_eq!(rig.model().complaints().len(), 1);
    }
}

fn a_config_cycle_to_what_bus_0_has_not_fences() {
    for rig in rigs() {
        let rig = &*rig;
        assert_eq!(rig.config(Bdf::new(0, 1, 0), 0, None), u32::MAX);
        assert!(!rig.model().complaints().is_empty());
        let outcome = rig.model().act(LEFT, Act::Read(0));
        assert_eq!(outcome.result, Err(Refusal::Off), "{}", rig.name());
    }
}

fn a_window_whose_table_is_nowhere_is_refused() {
    let rig = rig8::start();
    rig.entry(
        9,
        2 * u64::from(PE_LEFT),
        [0x7_0000_0000 << 4 | 7 << 8 | 1, 0],
    );
    let outcome = rig.model.act(LEFT, Act::Read(0));
    assert_eq!(outcome.result, Err(Refusal::NoTable));
    good(&rig, "no table");
}

cases::cases!(
    each_check_refuses_what_it_must_and_says_that_it_was_it,
    traps_keep_the_first_error_and_count_the_rest,
    errors_that_are_not_set_to_freeze_are_complained_of,
    errors_that_are_set_to_fence_shut_the_bridge_off,
    the_fir_hears_of_what_the_traps_tell_it_alone,
    what_a_device_tells_of_spreads_and_what_it_does_does_not,
    both_sides_stop_and_go_on_by_themselves,
    a_load_that_nobody_answers_stops_the_segment_s_endpoint,
    translations_are_kept_until_they_are_killed,
    a_fenced_bridge_refuses_everything,
    what_nobody_knows_and_what_is_not_there_is_complained_of,
    the_first_thing_noted_of_an_endpoint_stays,
    an_error_raises_the_bridge_s_interrupt_unless_it_is_masked,
    after_a_malformed_packet_nothing_goes_on,
    a_window_that_is_switched_off_leads_nowhere,
    a_config_cycle_to_what_bus_0_has_not_fences,
    a_window_whose_table_is_nowhere_is_refused,
);
