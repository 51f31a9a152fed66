//! Errors that a bridge has latched: what each of them makes of it, what is said of them, and that the hub forgets
//! them with the bridge.

use super::*;
use crate::hub::HubEvent;
use crate::{ErrorClass, ErrorLog, TrapBlock, TrapLog};
use ioda::{Event, Freeze};

const fn bit(n: u32) -> u64 {
    1 << (63 - n)
}

/// Those that shut the bridge off, as published.
const FENCE: u64 = 0xadb6_50cb_808d_d051;

impl Bench {
    fn said(&mut self) -> String {
        self.phb.error_log().expect("it runs").to_string()
    }
}

fn no_latched_error_is_silent() {
    let mut bench = Bench::started();
    for n in 0..64 {
        let error = bit(n);
        bench.model.latch_errors(error);
        let told = if FENCE & error != 0 {
            Event::Fenced
        } else {
            // Those that freeze as well: no endpoint is frozen here.
            Event::Info(error)
        };
        assert_eq!(bench.phb.next_event(), Some(told), "{n}");
        assert_eq!(bench.phb.next_event(), Some(told), "{n} again");
        if told == Event::Fenced {
            bench = Bench::started();
        } else {
            bench.phb.clear_errors();
        }
        assert_eq!(bench.model.latched(), 0, "{n}");
        assert_eq!(bench.phb.next_event(), None, "{n}");
        bench.good();
    }
}

fn a_frozen_endpoint_comes_before_the_errors_that_froze_nobody() {
    let mut bench = Bench::started();
    bench.phb.freeze(PE_RIGHT, Freeze::all()).expect("there");
    bench.model.latch_errors(bit(62) | bit(16));
    assert_eq!(bench.phb.next_event(), Some(Event::Frozen(PE_RIGHT)));
    bench.phb.thaw(PE_RIGHT, Freeze::all()).expect("there");
    assert_eq!(bench.phb.next_event(), None);
    bench.good();
}

fn the_hub_points_to_a_bridge_until_its_errors_were_cleared() {
    let mut bench = Bench::started();
    let flagged = |bench: &Bench| bench.model.hub_register(0x3e_0028).unwrap_or(0);
    let told = |bench: &Bench| bench.hub.scan().collect::<Vec<_>>();
    // Of those that stop nothing, the one that raises an interrupt.
    for _ in 0..2 {
        bench.model.latch_errors(bit(1));
        bench.model.latch_hub(ioda_model::HubUnit::I2c, bit(20));
        assert_eq!(told(&bench).first(), Some(&HubEvent::Bridge(INDEX)));
        assert_eq!(bench.phb.next_event(), Some(Event::Info(bit(1))));
        bench.phb.clear_errors();
        let [HubEvent::Info(left)] = told(&bench)[..] else {
            panic!("the other unit's alone");
        };
        bench.hub.clear(&left);
        assert_eq!(flagged(&bench), 0);
    }
    // One that shuts the bridge off, until its reset.
    bench.model.latch_errors(bit(0));
    assert_eq!(told(&bench), [HubEvent::Bridge(INDEX)]);
    bench.reset(ResetKind::Complete);
    assert_eq!((told(&bench), flagged(&bench)), (vec![], 0));
    bench.good();
}

fn a_reset_leaves_the_hub_nothing_to_point_to() {
    let mut bench = Bench::started();
    bench.model.fence();
    let port = ioda_model::HubUnit::Crossbar(2 + INDEX);
    bench.model.latch_hub(port, bit(0));
    assert_ne!(bench.model.hub_register(0x3e_0028), Some(0));
    bench.reset(ResetKind::Complete);
    assert_eq!(bench.hub.scan().next(), None);
    assert_eq!(bench.model.hub_register(0x3e_0028), Some(0));
    // The global registers' other errors are not the bridge's to forget.
    bench.model.latch_hub(ioda_model::HubUnit::Global, bit(17));
    bench.model.fence();
    bench.reset(ResetKind::Complete);
    let told: Vec<_> = bench.hub.scan().collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(bench.model.hub_register(0x3e_0028), Some(bit(1)));
    bench.good();
}

fn a_refused_dma_is_told_with_its_trap() {
    let mut bench = Bench::started();
    assert_eq!(bench.said(), "no error is latched");
    bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    assert!(bench.model.dma_read(LEFT, 0x1234_5000).is_err());
    let log = bench.phb.error_log().expect("it runs");
    assert_eq!(log.errors(ErrorClass::Freeze), log.fir);
    let traps = log.traps[2];
    assert_eq!((traps.block, traps.first), (TrapBlock::InboundA, bit(24)));
    // The model's numbers; that the first is noted in the two logs is the chip's.
    let [log0, log1] = traps.logs;
    assert_eq!(
        log.to_string(),
        format!(
            "error 58 freezes an endpoint; the inbound traps A have 24, which freezes an endpoint, \
             24 first, with {log0:#x} and {log1:#x} noted"
        )
    );
    assert_eq!(bench.phb.error_log(), Some(log), "reading changes nothing");
    bench.phb.thaw(PE_LEFT, Freeze::all()).expect("there");
    assert_eq!(bench.said(), "no error is latched");
    bench.good();
}

fn every_class_and_every_block_has_its_words() {
    let log = |block, status| TrapLog {
        block,
        status,
        first: 0,
        logs: [0; 2],
    };
    let quiet = ErrorLog {
        fir: 0,
        malformed: false,
        traps: [
            log(TrapBlock::Bridge, 0),
            log(TrapBlock::Outbound, 0),
            log(TrapBlock::InboundA, 0),
            log(TrapBlock::InboundB, 0),
        ],
    };
    assert_eq!(quiet.to_string(), "no error is latched");
    assert_eq!(
        quiet.traps[1].to_string(),
        "the outbound traps have nothing"
    );
    let mut loud = quiet;
    loud.fir = bit(0) | bit(2) | bit(16) | bit(1) | bit(62);
    for (traps, status) in loud.traps.iter_mut().zip([
        bit(33) | bit(34),
        bit(0) | bit(17),
        bit(2),
        bit(0) | bit(63),
    ]) {
        traps.status = status;
    }
    loud.traps[1].first = bit(17);
    loud.traps[1].logs = [0x1234, 0];
    assert_eq!(
        loud.to_string(),
        "errors 0, 2 shut the bridge off; error 16 freezes an endpoint; errors 1, 62 stop nothing; \
         the bridge's own traps have 33, 34, which freeze an endpoint; \
         the outbound traps have 0, which shuts the bridge off, 17, which freezes an endpoint, \
         17 first, with 0x1234 and 0x0 noted; \
         the inbound traps A have 2, which shuts the bridge off; \
         the inbound traps B have 0, 63, which stop nothing"
    );
}

fn a_fenced_bridge_still_tells_and_a_dead_one_says_that_it_does_not() {
    let mut bench = Bench::started();
    bench.model.latch_errors(bit(0));
    bench.model.fence();
    assert_eq!(bench.said(), "error 0 shuts the bridge off");
    bench.good();
    bench.model.kill_hub();
    assert_eq!(bench.said(), "the bridge does not answer");
}

fn a_malformed_packet_is_told() {
    let mut bench = Bench::started();
    bench.model.latch_errors(bit(60));
    let only = "error 60 freezes an endpoint";
    assert_eq!(bench.said(), only);
    bench.model.with_fabric(|fabric| {
        let root = fabric.device_mut(0);
        *root = root.clone().with_config(0x104, 4, 1 << 18);
    });
    assert_eq!(bench.said(), format!("{only}; a malformed packet came in"));
    bench.model.fence();
    assert_eq!(bench.said(), format!("{only}; a malformed packet came in"));
    bench.good();
}

fn there_is_no_log_while_a_reset_is_under_way() {
    let mut bench = Bench::new();
    assert_eq!(bench.phb.error_log(), None);
    bench.run_hub();
    bench.run();
    bench.phb.reset(ResetKind::Complete);
    assert_eq!(bench.phb.error_log(), None);
    bench.run();
    assert_eq!(bench.said(), "no error is latched");
    bench.good();
}

cases::cases!(
    no_latched_error_is_silent,
    a_frozen_endpoint_comes_before_the_errors_that_froze_nobody,
    the_hub_points_to_a_bridge_until_its_errors_were_cleared,
    a_reset_leaves_the_hub_nothing_to_point_to,
    a_refused_dma_is_told_with_its_trap,
    every_class_and_every_block_has_its_words,
    a_fenced_bridge_still_tells_and_a_dead_one_says_that_it_does_not,
    a_malformed_packet_is_told,
    there_is_no_log_while_a_reset_is_under_way,
);
