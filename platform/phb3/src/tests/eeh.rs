use super::*;
use ioda::{CfgError, Event, Freeze, IodaError, M32Segment, ResetKind};

const PE: PeNumber = PeNumber(64);
const CHILD: PeNumber = PeNumber(130);

fn a_fault_freezes_its_endpoint_until_it_is_thawed() {
    let mut bench = Bench::started(Kind::Chip);
    let (_, table) = bench.own(LEFT_BDF, PE, 0x20_0000);
    assert_eq!(bench.phb.next_event(), None);
    assert!(bench.model.dma_read(LEFT, 0x5000).is_err());
    assert_eq!(bench.phb.next_event(), Some(Event::Frozen(PE)));
    assert_eq!(bench.phb.freeze_state(PE), Freeze::all());
    let pest = bench.phb.pest(PE).expect("it is there");
    assert_eq!(pest.a >> 63, 1);
    assert_eq!(pest.a >> 16 & 0xffff, LEFT_BDF.0.into(), "who");
    assert_eq!(pest.a >> 56 & 7, 2, "a DMA read");
    assert_eq!(pest.a >> 44 & 0xf, 2, "a page that is not mapped");
    assert_eq!(pest.b, 1 << 63 | 0x5000);
    table.cells[0].store(0x4000_0003);
    bench.phb.thaw(PE, Freeze::MMIO).expect("it answers");
    assert_eq!(bench.phb.freeze_state(PE), Freeze::DMA);
    assert!(
        bench.model.dma_read(LEFT, 0).is_err(),
        "DMA is stopped still"
    );
    bench.phb.thaw(PE, Freeze::DMA).expect("it answers");
    assert!(bench.model.dma_read(LEFT, 0).is_ok());
    assert_eq!(bench.phb.next_event(), None);
    bench.good();
}

fn an_error_freezes_who_is_linked_and_nobody_else() {
    let mut bench = Bench::started(Kind::Chip);
    bench
        .phb
        .assign_pe(RidSel::one(LEFT_BDF), PE)
        .expect("it is free");
    bench.phb.link_pe(PE, CHILD).expect("both are there");
    bench.model.error_message(LEFT_BDF);
    assert_eq!(bench.phb.freeze_state(PE), Freeze::all());
    assert_eq!(bench.phb.freeze_state(CHILD), Freeze::all());
    assert_eq!(
        (0..256)
            .filter(|pe| !bench.phb.freeze_state(PeNumber(*pe)).is_empty())
            .count(),
        2
    );
    bench.phb.thaw(PE, Freeze::all()).expect("it answers");
    bench.phb.thaw(CHILD, Freeze::all()).expect("it answers");
    bench.phb.unlink_pe(PE, CHILD).expect("both are there");
    bench.model.error_message(LEFT_BDF);
    assert!(bench.phb.freeze_state(CHILD).is_empty());
    assert_eq!(
        bench.phb.link_pe(PE, PeNumber(256)),
        Err(IodaError::Pe(PeNumber(256)))
    );
    bench.good();
}

fn a_fenced_bridge_says_so_and_is_left_alone() {
    let mut bench = Bench::started(Kind::Chip);
    bench.model.fence();
    let ones = bench
        .phb
        .cfg_read(LEFT_BDF, CfgOffset::at(0), CfgWidth::Word);
    assert_eq!(ones, Err(CfgError::Fenced));
    assert_eq!(bench.phb.next_event(), Some(Event::Fenced));
    assert_eq!(bench.phb.freeze_state(PE), Freeze::all());
    assert_eq!(bench.phb.thaw(PE, Freeze::all()), Err(IodaError::Fenced));
    bench.good();
}

/// Where nothing is fenced in truth nothing goes on either, and all that the reset would lose has to be brought back.
fn a_bridge_that_is_told_to_shut_itself_off_is_fenced_and_comes_back() {
    for kind in [Kind::Chip, Kind::Emulator] {
        let mut bench = Bench::started(kind);
        let (window, table) = bench.own(LEFT_BDF, PE, 0x20_0000);
        let phb = &mut bench.phb;
        phb.map_m32(M32Segment(2), PE).expect("it is there");
        table.cells[3].store(0x7000_0000 | 3);
        phb.shut_off().expect("it answers");
        assert_eq!(phb.next_event(), Some(Event::Fenced));
        assert_eq!(phb.freeze_state(PE), Freeze::all());
        let ones = phb.cfg_read(LEFT_BDF, CfgOffset::at(0), CfgWidth::Word);
        assert_eq!(ones, Err(CfgError::Fenced));
        let bus = window.bus_base + 0x3008;
        let model = bench.model;
        assert!(model.forged_write(LEFT_BDF, bus).is_err());
        let register = Model::MMIO1 + 2 * 0x80_0000;
        // The chip loses it with the reset.
        if kind == Kind::Emulator {
            assert_ne!(model.segment_pe(register), Some(PE));
        }
        bench.phb.reset(ResetKind::Complete);
        bench.run();
        assert!(model.with_fabric(|fabric| fabric.device(LEFT).resets) > 0);
        assert_eq!(model.segment_pe(register), Some(PE));
        assert_eq!(model.forged_write(LEFT_BDF, bus), Ok(0x7000_0008));
        assert_eq!(bench.phb.next_event(), None);
        bench.place();
    }
}

fn an_error_that_stops_nothing_is_told_until_it_is_cleared() {
    let mut bench = Bench::started(Kind::Chip);
    bench.model.latch_errors(2);
    assert_eq!(bench.phb.next_event(), Some(Event::Info(2)));
    assert_eq!(bench.phb.next_event(), Some(Event::Info(2)));
    bench.phb.clear_errors();
    assert_eq!(bench.phb.next_event(), None);
    bench.good();
}

cases::cases!(
    a_fault_freezes_its_endpoint_until_it_is_thawed,
    an_error_freezes_who_is_linked_and_nobody_else,
    a_fenced_bridge_says_so_and_is_left_alone,
    a_bridge_that_is_told_to_shut_itself_off_is_fenced_and_comes_back,
    an_error_that_stops_nothing_is_told_until_it_is_cleared,
);
