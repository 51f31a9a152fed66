use super::*;
use ioda::{
    CfgError, Freeze, Inject, InjectAccess, InjectError, InjectRepeat, InjectTarget, Injection,
    M32Segment, M64Map, M64Window, MmioIo, ResetKind, TveIndex,
};

/// `PAPR_ERR_INJ_CTL`.
const CONTROL: u16 = 0x2b0;
const PE_LEFT: PeNumber = PeNumber(17);
const PE_RIGHT: PeNumber = PeNumber(200);
const SEGMENT: u64 = 8 << 20;

fn error(target: InjectTarget, access: InjectAccess, repeat: InjectRepeat) -> Injection {
    Injection {
        target,
        access,
        repeat,
    }
}

fn once(target: InjectTarget, access: InjectAccess) -> Injection {
    error(target, access, InjectRepeat::Once)
}

/// The right device has a window at bit 59 alone, so that no address of it is the left one's. Both have a mapped first
/// page; segment 2 is the left one's, 3 the right one's.
fn furnished() -> (Bench, [DmaWindow; 2]) {
    let mut bench = Bench::started(Kind::Chip);
    let (left, left_table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    let (first, table) = bench.own(RIGHT_BDF, PE_RIGHT, 0x20_1000);
    let right = bench
        .phb
        .dma_create(PE_RIGHT, &table, None)
        .expect("the second");
    bench.phb.dma_destroy(&first).expect("closed");
    assert_eq!((left.bus_base, right.bus_base), (0, 1 << 59));
    left_table.cells[0].store(0x4000_0003);
    table.cells[0].store(0x5000_0003);
    for (segment, pe) in [(2, PE_LEFT), (3, PE_RIGHT)] {
        bench.phb.map_m32(M32Segment(segment), pe).expect("there");
    }
    (bench, [left, right])
}

/// The left endpoint is stopped, and no other; it goes on then.
fn struck(bench: &mut Bench) {
    for pe in (0..256).map(PeNumber) {
        let want = if pe == PE_LEFT {
            Freeze::all()
        } else {
            Freeze::empty()
        };
        assert_eq!(bench.phb.freeze_state(pe), want, "{pe}");
    }
    bench.phb.thaw(PE_LEFT, Freeze::all()).expect("there");
    assert_eq!(bench.phb.freeze_state(PE_LEFT), Freeze::empty());
}

fn read(bench: &mut Bench, bdf: Bdf) -> Result<u32, CfgError> {
    bench.phb.cfg_read(bdf, CfgOffset::at(0), CfgWidth::Word)
}

fn an_error_of_dma_stops_its_window_s_endpoint_the_way_it_says() {
    for (access, reads) in [(InjectAccess::Read, true), (InjectAccess::Write, false)] {
        let (mut bench, [left, right]) = furnished();
        let go = |bench: &Bench, index, base, reads| {
            if reads {
                bench.model.dma_read(index, base).is_ok()
            } else {
                bench.model.dma_write(index, base).is_ok()
            }
        };
        let target = InjectTarget::Dma(left.tve);
        bench
            .phb
            .inject(PE_LEFT, once(target, access))
            .expect("armed");
        assert!(go(&bench, LEFT, left.bus_base, !reads), "the other way");
        assert!(
            go(&bench, RIGHT, right.bus_base, reads),
            "the other's window"
        );
        assert!(!go(&bench, LEFT, left.bus_base + 0xff8, reads));
        struck(&mut bench);
        assert!(go(&bench, LEFT, left.bus_base, reads), "once is once");
        bench.good();
    }
}

fn an_error_of_mmio_stops_its_segment_s_endpoint() {
    let (mut bench, _) = furnished();
    let base = bench.phb.caps().m32.real;
    let (own, others) = (base + 2 * SEGMENT, base + 3 * SEGMENT);
    let target = InjectTarget::Mmio(own + 0x1000);
    bench
        .phb
        .inject(PE_LEFT, once(target, InjectAccess::Read))
        .expect("armed");
    bench.model.write32(own, 5);
    bench.model.write32(others, 6);
    assert_eq!(bench.model.read32(others), 6);
    assert_eq!(bench.model.read32(own), u32::MAX);
    struck(&mut bench);
    assert_eq!(bench.model.read32(own), 5);
    bench.good();
}

fn an_error_of_a_64_bit_window_is_for_whom_the_address_is() {
    let (mut bench, _) = furnished();
    let m64 = bench.phb.caps().m64.expect("there is one");
    // Segments of the second window are as large as the first one.
    const SHIFT: u8 = 25;
    let single = 1 << SHIFT;
    let real = m64.real + (single << 8);
    let maps = [
        M64Map::SinglePe {
            base: m64.real,
            shift: SHIFT,
            pe: PE_LEFT,
        },
        M64Map::SegmentIsPe {
            base: real,
            shift: SHIFT + 8,
        },
    ];
    for (window, map) in (0..).zip(maps) {
        bench
            .phb
            .set_m64(M64Window(window), Some(map))
            .expect("it fits");
    }
    let segment = |pe: PeNumber| real + u64::from(pe.0) * single;
    for (pe, at, want) in [
        (PE_LEFT, m64.real + single - 8, Ok(())),
        (PE_RIGHT, m64.real, Err(InjectError::NotOwned)),
        (PE_LEFT, m64.real + single, Err(InjectError::NotOwned)),
        (PE_LEFT, segment(PE_LEFT) + 8, Ok(())),
        (PE_LEFT, segment(PE_RIGHT), Err(InjectError::NotOwned)),
        (PE_RIGHT, segment(PE_RIGHT), Ok(())),
    ] {
        let what = once(InjectTarget::Mmio(at), InjectAccess::Write);
        assert_eq!(bench.phb.inject(pe, what), want, "{pe} {at:#x}");
    }
    // The last one is armed.
    bench.model.write32(segment(PE_LEFT), 1);
    assert_eq!(bench.phb.freeze_state(PE_RIGHT), Freeze::empty());
    bench.model.write32(segment(PE_RIGHT) + 0x10, 1);
    assert_eq!(bench.phb.freeze_state(PE_RIGHT), Freeze::all());
    bench.good();
}

fn an_error_of_a_config_cycle_stops_its_function_s_endpoint() {
    let (mut bench, _) = furnished();
    bench
        .phb
        .inject(PE_LEFT, once(InjectTarget::Config, InjectAccess::Read))
        .expect("armed");
    assert_eq!(read(&mut bench, RIGHT_BDF), Ok(0x11e8_1234));
    assert_eq!(read(&mut bench, LEFT_BDF), Ok(u32::MAX));
    struck(&mut bench);
    assert_eq!(read(&mut bench, LEFT_BDF), Ok(0x11e8_1234));
    bench.good();
}

fn a_sticky_error_comes_again_until_it_is_cleared() {
    let (mut bench, [left, _]) = furnished();
    let sticky = error(
        InjectTarget::Dma(left.tve),
        InjectAccess::Read,
        InjectRepeat::Sticky,
    );
    bench.phb.inject(PE_LEFT, sticky).expect("armed");
    for _ in 0..2 {
        assert!(bench.model.dma_read(LEFT, left.bus_base).is_err());
        struck(&mut bench);
    }
    bench.phb.clear_injection();
    assert!(bench.model.dma_read(LEFT, left.bus_base).is_ok());
    bench.good();
}

fn an_error_that_has_not_struck_ends_with_a_thaw_and_with_the_next_one() {
    let (mut bench, [left, _]) = furnished();
    let what = once(InjectTarget::Dma(left.tve), InjectAccess::Read);
    bench.phb.inject(PE_LEFT, what).expect("armed");
    bench.phb.freeze(PE_LEFT, Freeze::all()).expect("there");
    bench.phb.thaw(PE_LEFT, Freeze::all()).expect("there");
    assert!(bench.model.dma_read(LEFT, left.bus_base).is_ok());
    // One at a time.
    bench.phb.inject(PE_LEFT, what).expect("armed");
    let config = once(InjectTarget::Config, InjectAccess::Write);
    bench.phb.inject(PE_RIGHT, config).expect("armed");
    assert!(bench.model.dma_read(LEFT, left.bus_base).is_ok());
    bench.good();
}

fn an_error_that_would_hit_another_or_nobody_is_refused() {
    let (mut bench, [left, right]) = furnished();
    let base = bench.phb.caps().m32.real;
    let mmio = |segment: u64| InjectTarget::Mmio(base + segment * SEGMENT);
    let not_owned = InjectError::NotOwned;
    let reserved = PeNumber(255);
    for (pe, target, why) in [
        (PE_RIGHT, mmio(2), not_owned),
        (PE_RIGHT, mmio(4), not_owned),
        (PE_RIGHT, InjectTarget::Mmio(0x1000), not_owned),
        (PE_RIGHT, InjectTarget::Mmio(u64::MAX), not_owned),
        (PE_RIGHT, InjectTarget::Dma(left.tve), not_owned),
        (PE_LEFT, InjectTarget::Dma(TveIndex(35)), not_owned),
        (PE_RIGHT, InjectTarget::Dma(TveIndex(9999)), not_owned),
        (PE_LEFT, InjectTarget::Io(0), InjectError::Unsupported),
        (reserved, InjectTarget::Config, InjectError::Pe(reserved)),
        (
            PeNumber(256),
            InjectTarget::Dma(right.tve),
            InjectError::Pe(PeNumber(256)),
        ),
        (PeNumber(5), InjectTarget::Config, not_owned),
    ] {
        let result = bench.phb.inject(pe, once(target, InjectAccess::Read));
        let control = bench.model.register(CONTROL).unwrap_or(0);
        assert_eq!((result, control), (Err(why), 0), "{pe} {target:?}");
    }
    // DMA is compared by its address, which both have now.
    let (_, table) = bench.own(RIGHT_BDF, PE_RIGHT, 0x20_2000);
    let result = bench.phb.inject(
        PE_LEFT,
        once(InjectTarget::Dma(left.tve), InjectAccess::Read),
    );
    assert_eq!(result, Err(InjectError::Shared(PE_RIGHT)));
    table.cells[0].store(0x5000_0003);
    assert!(bench.model.dma_read(LEFT, left.bus_base).is_ok());
    assert!(bench.model.dma_read(RIGHT, left.bus_base).is_ok());
    bench.good();
}

fn resets_and_fences_leave_nothing_armed() {
    for kind in [ResetKind::Hot, ResetKind::Fundamental, ResetKind::Complete] {
        let (mut bench, [left, _]) = furnished();
        let sticky = error(
            InjectTarget::Dma(left.tve),
            InjectAccess::Read,
            InjectRepeat::Sticky,
        );
        bench.phb.inject(PE_LEFT, sticky).expect("armed");
        bench.phb.reset(kind);
        bench.run();
        assert_eq!(bench.model.register(CONTROL).unwrap_or(0), 0, "{kind:?}");
        bench.place();
        assert!(bench.model.dma_read(LEFT, left.bus_base).is_ok());
        bench.model.fence();
        assert_eq!(bench.phb.inject(PE_LEFT, sticky), Err(InjectError::Fenced));
        assert_eq!(read(&mut bench, LEFT_BDF), Err(CfgError::Fenced));
    }
}

cases::cases!(
    an_error_of_dma_stops_its_window_s_endpoint_the_way_it_says,
    an_error_of_mmio_stops_its_segment_s_endpoint,
    an_error_of_a_64_bit_window_is_for_whom_the_address_is,
    an_error_of_a_config_cycle_stops_its_function_s_endpoint,
    a_sticky_error_comes_again_until_it_is_cleared,
    an_error_that_has_not_struck_ends_with_a_thaw_and_with_the_next_one,
    an_error_that_would_hit_another_or_nobody_is_refused,
    resets_and_fences_leave_nothing_armed,
);
