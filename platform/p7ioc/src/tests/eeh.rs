use super::*;
use ioda::{CfgError, Event, Freeze, IodaError};

fn both_sides_freeze_and_thaw_by_themselves() {
    let mut bench = Bench::started();
    let phb = &mut bench.phb;
    for what in [Freeze::MMIO, Freeze::DMA, Freeze::all()] {
        assert_eq!(phb.freeze_state(PE_RIGHT), Freeze::empty());
        phb.freeze(PE_RIGHT, what).expect("there");
        assert_eq!(phb.freeze_state(PE_RIGHT), what);
        assert_eq!(phb.freeze_state(PE_LEFT), Freeze::empty());
        assert_eq!(phb.next_event(), Some(Event::Frozen(PE_RIGHT)));
        phb.thaw(PE_RIGHT, what).expect("there");
    }
    phb.freeze(PE_LEFT, Freeze::all()).expect("there");
    phb.thaw(PE_LEFT, Freeze::MMIO).expect("there");
    assert_eq!(phb.freeze_state(PE_LEFT), Freeze::DMA);
    let none = PeNumber(128);
    assert_eq!(phb.freeze(none, Freeze::DMA), Err(IodaError::Pe(none)));
    assert_eq!(phb.thaw(none, Freeze::DMA), Err(IodaError::Pe(none)));
    assert_eq!(phb.pest(none), Err(IodaError::Pe(none)));
    assert_eq!(phb.freeze_state(none), Freeze::all());
    bench.good();
}

fn the_detail_tells_who_did_what_and_freezing_again_keeps_it() {
    let mut bench = Bench::started();
    bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    assert!(bench.model.dma_read(LEFT, 0x1234_5000).is_err());
    let pest = bench.phb.pest(PE_LEFT).expect("there");
    assert_eq!(pest.a >> 16 & 0xffff, LEFT_BDF.0.into(), "the requester");
    assert_eq!(pest.a >> 56 & 7, 2, "a read by DMA");
    assert_eq!(pest.b, 1 << 63 | 0x1234_5000);
    assert_eq!(
        crate::Cause(pest).to_string(),
        "DMA read by 03:00.0 at 0x12345000: no such DMA window"
    );
    bench.phb.freeze(PE_LEFT, Freeze::all()).expect("there");
    assert_eq!(bench.phb.pest(PE_LEFT), Ok(pest));
    assert_ne!(bench.model.latched(), 0);
    bench.phb.thaw(PE_LEFT, Freeze::all()).expect("there");
    assert_eq!(bench.phb.pest(PE_LEFT), Ok(ioda::Pest::default()));
    assert_eq!(bench.model.latched(), 0, "else the next one is not told");
    assert_eq!(bench.phb.next_event(), None);
    bench.good();
}

fn looking_for_a_function_that_is_not_there_stops_nobody() {
    let mut bench = Bench::started();
    bench
        .phb
        .assign_pe(RidSel::one(LEFT_BDF), PE_LEFT)
        .expect("free");
    assert_eq!(bench.read(Bdf::new(3, 7, 0), 0), u32::MAX);
    assert_eq!(bench.phb.freeze_state(PeNumber(127)), Freeze::empty());
    assert_eq!(bench.phb.next_event(), None);
    bench.good();
}

fn a_register_of_ones_that_is_there_clears_no_errors() {
    let mut bench = Bench::started();
    bench.model.with_fabric(|fabric| {
        let device = fabric.device_mut(LEFT);
        *device = device.clone().with_config(0xf0, 4, u32::MAX);
    });
    bench.model.latch_errors(2);
    assert_eq!(bench.read(LEFT_BDF, 0xf0), u32::MAX);
    assert_eq!(bench.phb.next_event(), Some(Event::Info(2)));
    bench.good();
}

fn errors_that_stop_nothing_are_told_and_cleared() {
    let mut bench = Bench::started();
    bench.model.latch_errors(2);
    assert_eq!(bench.phb.next_event(), Some(Event::Info(2)));
    assert_eq!(bench.phb.next_event(), Some(Event::Info(2)));
    bench.phb.clear_errors();
    assert_eq!(bench.phb.next_event(), None);
    bench.good();
}

fn clearing_errors_clears_the_root_port_s_and_touches_nothing_else() {
    let root = Bdf::new(0, 0, 0);
    let mut bench = Bench::started();
    let space = |bench: &mut Bench| -> Vec<u32> {
        (0..0x140)
            .step_by(4)
            .map(|at| bench.read(root, at))
            .collect()
    };
    let clean = space(&mut bench);
    bench.model.with_fabric(|fabric| {
        let port = fabric.device_mut(0);
        let marked = port.clone().with_config(0x06, 2, 0xf910);
        *port = marked.with_config(0x1e, 2, 0xf900);
    });
    assert_eq!(bench.read(root, 0x04) >> 16 & 0xf900, 0xf900);
    bench.phb.clear_errors();
    assert_eq!(bench.read(root, 0x04) >> 16 & 0xf900, 0);
    assert_eq!(bench.read(root, 0x1c) >> 16 & 0xf900, 0);
    let now = space(&mut bench);
    for (index, (now, clean)) in now.into_iter().zip(clean).enumerate() {
        if index != 1 {
            assert_eq!(now, clean, "at {:#x}", 4 * index);
        }
    }
    bench.good();
}

fn a_fenced_bridge_is_known_as_such_until_it_was_reset() {
    let mut bench = Bench::started();
    bench.model.fence();
    assert_eq!(bench.phb.next_event(), Some(Event::Fenced));
    assert_eq!(bench.phb.freeze_state(PE_LEFT), Freeze::all());
    assert_eq!(
        bench.phb.thaw(PE_LEFT, Freeze::all()),
        Err(IodaError::Fenced)
    );
    assert_eq!(
        bench
            .phb
            .cfg_read(LEFT_BDF, CfgOffset::at(0), CfgWidth::Word),
        Err(CfgError::Fenced)
    );
    assert!(bench.model.dma_read(LEFT, 0).is_err());
    bench.reset(ResetKind::Complete);
    assert_eq!(bench.phb.next_event(), None);
    bench.good();
}

fn errors_of_the_fencing_class_count_as_a_fence() {
    let mut bench = Bench::started();
    bench.model.latch_errors(1);
    assert_eq!(bench.phb.next_event(), Some(Event::Fenced));
    bench.reset(ResetKind::Complete);
    assert_eq!(bench.phb.next_event(), None);
    bench.good();
}

fn a_freeze_with_a_malformed_packet_counts_as_a_fence() {
    // Both the bridge and the root port have to say so.
    for (errors, is_noted) in [(8, false), (2, true), (8, true)] {
        let mut bench = Bench::started();
        bench.phb.freeze(PE_LEFT, Freeze::all()).expect("there");
        bench.model.latch_errors(errors);
        if is_noted {
            bench.model.with_fabric(|fabric| {
                let root = fabric.device_mut(0);
                *root = root.clone().with_config(0x104, 4, 1 << 18);
            });
        }
        let want = if errors == 8 && is_noted {
            Event::Fenced
        } else {
            Event::Frozen(PE_LEFT)
        };
        assert_eq!(bench.phb.next_event(), Some(want));
    }
}

fn a_dead_hub_takes_the_bridge_with_it() {
    let mut bench = Bench::started();
    bench.model.kill_hub();
    assert_eq!(bench.phb.next_event(), Some(Event::Dead));
    assert_eq!(bench.phb.freeze_state(PE_LEFT), Freeze::all());
    bench.good();
}

fn a_complete_reset_thaws_nobody_while_errors_are_latched() {
    let mut bench = Bench::started();
    bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    assert!(bench.model.dma_read(LEFT, 0x1234_5000).is_err());
    bench.reset(ResetKind::Complete);
    assert_eq!(bench.phb.freeze_state(PE_LEFT), Freeze::empty());
    bench.good();
}

cases::cases!(
    a_complete_reset_thaws_nobody_while_errors_are_latched,
    both_sides_freeze_and_thaw_by_themselves,
    the_detail_tells_who_did_what_and_freezing_again_keeps_it,
    looking_for_a_function_that_is_not_there_stops_nobody,
    a_register_of_ones_that_is_there_clears_no_errors,
    errors_that_stop_nothing_are_told_and_cleared,
    clearing_errors_clears_the_root_port_s_and_touches_nothing_else,
    a_fenced_bridge_is_known_as_such_until_it_was_reset,
    errors_of_the_fencing_class_count_as_a_fence,
    a_freeze_with_a_malformed_packet_counts_as_a_fence,
    a_dead_hub_takes_the_bridge_with_it,
);
