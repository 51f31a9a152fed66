use super::*;
use proptest::prelude::*;

const FIRST: u32 = 0x1000;
const S0: Server = Server(0);
const S1: Server = Server(1);

fn soft() -> SoftXics {
    let soft = SoftXics::new(2, (FIRST..FIRST + 130).map(Irq));
    soft.set_cppr(S0, 0xff);
    soft.set_cppr(S1, 0xff);
    soft
}

fn irq(source: usize) -> Irq {
    Irq(FIRST + source as u32)
}

#[test]
fn a_source_is_presented_accepted_and_ended() {
    let soft = soft();
    assert_eq!(soft.route(129, S1, 5), Line::Quiet);
    assert_eq!(soft.arrive(129), Some(S1));
    assert_eq!(soft.line(S0), Line::Quiet);
    assert_eq!(soft.poll(S1), xics::xirr(0xff, irq(129)));
    assert_eq!(soft.accept(S1), (xics::xirr(0xff, irq(129)), Line::Quiet));
    assert_eq!(soft.poll(S1), xics::xirr(5, xics::NONE));
    // Until it is ended another one as favoured waits.
    soft.route(3, S1, 5);
    assert_eq!(soft.arrive(3), None);
    assert!(soft.is_waiting(3));
    assert_eq!(soft.set_cppr(S1, 0xff), Line::Raised);
    assert_eq!(soft.poll(S1), xics::xirr(0xff, irq(3)));
    assert!(!soft.is_waiting(3));
}

#[test]
fn accepting_nothing_changes_nothing() {
    let soft = soft();
    soft.set_cppr(S0, 7);
    assert_eq!(soft.accept(S0), (0x0700_0000, Line::Quiet));
    assert_eq!(soft.poll(S0), 0x0700_0000);
}

#[test]
fn a_more_favoured_one_takes_the_place_of_what_is_presented() {
    let soft = soft();
    soft.route(0, S0, 6);
    soft.route(1, S0, 4);
    soft.arrive(0);
    soft.arrive(1);
    assert_eq!(soft.poll(S0), xics::xirr(0xff, irq(1)));
    assert!(soft.is_waiting(0));
    assert_eq!(soft.accept(S0).1, Line::Quiet);
    // The end of the one presents the other.
    assert_eq!(soft.set_cppr(S0, 0xff), Line::Raised);
    assert_eq!(soft.accept(S0).0, xics::xirr(0xff, irq(0)));
}

#[test]
fn one_as_favoured_does_not() {
    let soft = soft();
    for source in [1, 0] {
        soft.route(source, S0, 6);
        soft.arrive(source);
    }
    assert_eq!(soft.poll(S0), xics::xirr(0xff, irq(1)));
    assert_eq!(soft.set_mfrr(S0, 6), Line::Raised);
    assert_eq!(soft.poll(S0), xics::xirr(0xff, irq(1)));
    // Of those that wait the inter-processor interrupt comes first.
    soft.accept(S0);
    soft.set_cppr(S0, 0xff);
    assert_eq!(soft.poll(S0), xics::xirr(0xff, Irq::IPI));
}

#[test]
fn a_priority_that_shuts_it_out_rejects_what_is_presented() {
    let soft = soft();
    soft.route(2, S0, 5);
    soft.arrive(2);
    soft.set_mfrr(S1, 5);
    for server in [S0, S1] {
        assert_eq!(soft.set_cppr(server, 5), Line::Quiet);
        assert_eq!(soft.poll(server), 0x0500_0000);
        assert_eq!(soft.set_cppr(server, 6), Line::Raised);
    }
    assert_eq!(soft.poll(S0), xics::xirr(6, irq(2)));
    assert_eq!(soft.poll(S1), xics::xirr(6, Irq::IPI));
}

#[test]
fn an_inter_processor_interrupt_lasts_until_its_priority_is_taken_back() {
    let soft = soft();
    assert_eq!(soft.set_mfrr(S0, 4), Line::Raised);
    assert_eq!(soft.accept(S0), (0xff00_0002, Line::Quiet));
    // Not taken back, it comes again at the end.
    assert_eq!(soft.set_cppr(S0, 0xff), Line::Raised);
    assert_eq!(soft.accept(S0), (0xff00_0002, Line::Quiet));
    assert_eq!(soft.set_mfrr(S0, 0xff), Line::Quiet);
    assert_eq!(soft.set_cppr(S0, 0xff), Line::Quiet);
    // Taken back while it is presented, it stays so.
    soft.set_mfrr(S0, 4);
    assert_eq!(soft.set_mfrr(S0, 0xff), Line::Raised);
    assert_eq!(soft.accept(S0).0, 0xff00_0002);
    assert_eq!(soft.set_cppr(S0, 0xff), Line::Quiet);
}

#[test]
fn what_waits_follows_its_route_and_its_mask() {
    let soft = soft();
    // Masked when it arrives.
    assert_eq!(soft.arrive(7), None);
    assert!(soft.is_waiting(7));
    assert_eq!(soft.route(7, S0, 0xff), Line::Quiet);
    assert_eq!(soft.route(7, S1, 5), Line::Raised);
    assert_eq!(soft.poll(S1), xics::xirr(0xff, irq(7)));
    // Presented already, too.
    assert_eq!(soft.route(7, S0, 5), Line::Raised);
    assert_eq!(soft.line(S1), Line::Quiet);
    assert_eq!(soft.route(7, S0, 0xff), Line::Quiet);
    assert!(soft.is_waiting(7));
    assert_eq!(soft.route(7, S0, 3), Line::Raised);
    assert_eq!(soft.accept(S0).0, xics::xirr(0xff, irq(7)));
    assert_eq!(soft.poll(S0), xics::xirr(3, xics::NONE));
    // Who presented it presents what waited behind it.
    soft.set_cppr(S0, 0xff);
    soft.route(8, S0, 6);
    soft.arrive(8);
    soft.arrive(7);
    soft.route(7, S1, 5);
    assert_eq!(soft.poll(S0), xics::xirr(0xff, irq(8)));
}

#[test]
fn one_that_arrives_again_while_it_is_presented_comes_twice() {
    let soft = soft();
    soft.route(0, S0, 5);
    soft.arrive(0);
    assert_eq!(soft.arrive(0), Some(S0));
    for _ in 0..2 {
        assert_eq!(soft.accept(S0).0, xics::xirr(0xff, irq(0)));
        soft.set_cppr(S0, 0xff);
    }
    assert_eq!(soft.line(S0), Line::Quiet);
}

#[test]
fn a_reset_source_is_masked_and_nothing_of_it_is_left() {
    let soft = soft();
    soft.route(0, S0, 5);
    soft.route(1, S0, 6);
    soft.arrive(0);
    soft.arrive(1);
    soft.reset_source(0);
    assert_eq!(soft.poll(S0), xics::xirr(0xff, irq(1)));
    soft.reset_source(1);
    assert_eq!(soft.line(S0), Line::Quiet);
    assert_eq!(soft.arrive(0), None);
    soft.reset_source(0);
    assert_eq!(soft.route(0, S0, 5), Line::Quiet);
}

#[test]
fn processors_and_sources_that_do_not_exist_have_nothing() {
    let soft = soft();
    let nobody = Server(2);
    assert_eq!(soft.arrive(130), None);
    assert_eq!(soft.route(130, S0, 1), Line::Quiet);
    soft.reset_source(1000);
    assert_eq!(soft.poll(nobody), 0);
    assert_eq!(soft.accept(nobody), (0, Line::Quiet));
    assert_eq!(soft.set_cppr(nobody, 0xff), Line::Quiet);
    assert_eq!(soft.set_mfrr(nobody, 0), Line::Quiet);
    // Routed to nobody it waits.
    assert_eq!(soft.route(5, nobody, 1), Line::Quiet);
    assert_eq!(soft.arrive(5), None);
    assert!(soft.is_waiting(5));
    assert_eq!(soft.route(5, S0, 1), Line::Raised);
}

#[derive(Clone, Debug)]
enum Op {
    Arrive(usize),
    Route(usize, u32, u8),
    Accept(u32),
    Cppr(u32, u8),
    Mfrr(u32, u8),
}

fn op() -> impl Strategy<Value = Op> {
    let priority = || prop_oneof![0u8..8, Just(0xff)];
    prop_oneof![
        3 => (0usize..6).prop_map(Op::Arrive),
        2 => (0usize..6, 0u32..2, priority()).prop_map(|(a, b, c)| Op::Route(a, b, c)),
        3 => (0u32..2).prop_map(Op::Accept),
        3 => (0u32..2, priority()).prop_map(|(a, b)| Op::Cppr(a, b)),
        1 => (0u32..2, priority()).prop_map(|(a, b)| Op::Mfrr(a, b)),
    ]
}

proptest! {
    /// After every step: what is presented is more favoured than the priority, nothing that waits is more
    /// favoured than it, and what arrived is there until it is accepted, and not after.
    #[test]
    fn the_most_favoured_is_presented_and_nothing_is_lost(ops in proptest::collection::vec(op(), 1..200)) {
        let soft = SoftXics::new(2, (FIRST..FIRST + 6).map(Irq));
        let mut arrived = [false; 6];
        let is_presented = |state: &State, source| {
            let mut units = state.units.iter();
            units.any(|unit| unit.presented.is_some_and(|now| now.source == Some(source)))
        };
        for op in ops {
            match op {
                Op::Arrive(source) => {
                    arrived[source] = true;
                    soft.arrive(source);
                }
                Op::Route(source, server, priority) => {
                    soft.route(source, Server(server), priority);
                }
                Op::Accept(server) => {
                    let before = soft.poll(Server(server));
                    let (xirr, _) = soft.accept(Server(server));
                    prop_assert_eq!(before, xirr);
                    if let Some(source) = xics::source(xirr).0.checked_sub(FIRST) {
                        // It may have come again while it was presented.
                        let state = soft.0.lock();
                        let source = source as usize;
                        prop_assert!(arrived[source]);
                        arrived[source] = state.is_waiting(source) || is_presented(&state, source);
                    }
                }
                Op::Cppr(server, cppr) => {
                    soft.set_cppr(Server(server), cppr);
                }
                Op::Mfrr(server, mfrr) => {
                    soft.set_mfrr(Server(server), mfrr);
                }
            }
            let state = soft.0.lock();
            for (server, unit) in state.units.iter().enumerate() {
                let bar = unit.presented.map_or(unit.cppr, |now| now.priority);
                prop_assert!(bar <= unit.cppr && (unit.presented.is_none() || bar < unit.cppr));
                prop_assert!(unit.mfrr >= bar);
                let best = state.best_waiting(server);
                prop_assert!(best.is_none_or(|(_, route)| route.priority >= bar), "{:?}", state);
            }
            for (source, arrived) in arrived.iter().enumerate() {
                let there = state.is_waiting(source) || is_presented(&state, source);
                prop_assert_eq!(there, *arrived);
            }
        }
    }
}
