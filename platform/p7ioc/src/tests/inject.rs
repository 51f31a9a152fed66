use super::*;
use ioda::{
    CfgError, Freeze, Inject, InjectAccess, InjectError, InjectRepeat, InjectTarget, Injection,
    IoSegment, IoSpace, M32Segment, MmioIo, TveIndex,
};

/// `PAPR_ERR_INJ_ADDR`: what accesses are compared with.
const ADDRESS: u16 = 0x2b8;
/// `PAPR_ERR_INJ_CTL`: control, and its bits for reads and writes.
const CONTROL: u16 = 0x2b0;
const READ: u64 = 1 << (63 - 4);
const WRITE: u64 = 1 << (63 - 5);

fn error(target: InjectTarget, access: InjectAccess, repeat: InjectRepeat) -> Injection {
    Injection {
        target,
        access,
        repeat,
    }
}

/// Both devices with a mapped first page, the left one's segments 2 and 3, the right one's 4.
fn furnished() -> (Bench, [DmaWindow; 2]) {
    let mut bench = Bench::started();
    let windows = [
        (LEFT_BDF, PE_LEFT, 0x20_0000),
        (RIGHT_BDF, PE_RIGHT, 0x30_0000),
    ]
    .map(|(bdf, pe, real)| {
        let (window, table) = bench.own(bdf, pe, real);
        table.cells[0].store(0x4000_0003 + real);
        window
    });
    for (segment, pe) in [(2, PE_LEFT), (3, PE_LEFT), (4, PE_RIGHT)] {
        bench.phb.map_m32(M32Segment(segment), pe).expect("there");
    }
    (bench, windows)
}

fn thawed(bench: &mut Bench) {
    bench.phb.thaw(PE_LEFT, Freeze::all()).expect("there");
    assert_eq!(bench.phb.freeze_state(PE_LEFT), Freeze::empty());
}

fn an_error_of_dma_stops_its_window_s_endpoint_the_way_it_says() {
    for (access, reads) in [(InjectAccess::Read, true), (InjectAccess::Write, false)] {
        let (mut bench, [left, right]) = furnished();
        let target = InjectTarget::Dma(left.tve);
        bench
            .phb
            .inject(PE_LEFT, error(target, access, InjectRepeat::Once))
            .expect("armed");
        let go = |bench: &Bench, index, base, reads| {
            if reads {
                bench.model.dma_read(index, base).is_ok()
            } else {
                bench.model.dma_write(index, base).is_ok()
            }
        };
        assert!(
            go(&bench, LEFT, left.bus_base, !reads),
            "the other way goes on"
        );
        assert!(
            go(&bench, RIGHT, right.bus_base, reads),
            "so does the other window"
        );
        assert!(!go(&bench, LEFT, left.bus_base, reads));
        assert_eq!(bench.phb.freeze_state(PE_LEFT), Freeze::all());
        assert_eq!(bench.phb.freeze_state(PE_RIGHT), Freeze::empty());
        thawed(&mut bench);
        assert!(go(&bench, LEFT, left.bus_base, reads), "once is once");
        bench.good();
    }
}

fn a_sticky_error_comes_again_until_it_is_cleared() {
    let (mut bench, [left, _]) = furnished();
    let target = InjectTarget::Dma(left.tve);
    bench
        .phb
        .inject(
            PE_LEFT,
            error(target, InjectAccess::Read, InjectRepeat::Sticky),
        )
        .expect("armed");
    for _ in 0..2 {
        assert!(bench.model.dma_read(LEFT, left.bus_base).is_err());
        thawed(&mut bench);
    }
    bench.phb.clear_injection();
    assert!(bench.model.dma_read(LEFT, left.bus_base).is_ok());
    bench.good();
}

fn an_error_of_mmio_stops_its_segment_s_endpoint() {
    let (mut bench, _) = furnished();
    let real = |segment: u64| bench.phb.caps().m32.real + segment * (8 << 20);
    let own = real(2);
    let target = InjectTarget::Mmio(own + 0x1000);
    bench
        .phb
        .inject(
            PE_LEFT,
            error(target, InjectAccess::Read, InjectRepeat::Once),
        )
        .expect("armed");
    bench.model.write32(own, 5);
    assert_eq!(bench.model.read32(own), u32::MAX);
    assert_eq!(bench.phb.freeze_state(PE_LEFT), Freeze::all());
    assert_eq!(bench.phb.freeze_state(PE_RIGHT), Freeze::empty());
    thawed(&mut bench);
    assert_eq!(bench.model.read32(own), 5);
    bench.good();
}

fn an_error_of_a_config_cycle_stops_its_bus_s_endpoint() {
    let (mut bench, _) = furnished();
    bench
        .phb
        .inject(
            PE_LEFT,
            error(InjectTarget::Config, InjectAccess::Read, InjectRepeat::Once),
        )
        .expect("armed");
    assert_eq!(bench.read(RIGHT_BDF, 0), 0x11e8_1234);
    assert_eq!(bench.read(LEFT_BDF, 0), u32::MAX);
    assert_eq!(bench.phb.freeze_state(PE_LEFT), Freeze::all());
    thawed(&mut bench);
    assert_eq!(bench.read(LEFT_BDF, 0), 0x11e8_1234);
    bench.good();
}

fn an_error_that_would_hit_another_is_refused_with_its_owner() {
    let (mut bench, [left, right]) = furnished();
    bench.phb.map_m32(M32Segment(5), PE_LEFT).expect("there");
    let segments = bench.phb.caps().m32.real;
    let mut inject = |pe, target| {
        let result = bench
            .phb
            .inject(pe, error(target, InjectAccess::Read, InjectRepeat::Once));
        (result, bench.model.register(CONTROL).unwrap_or(0))
    };
    // Memory is compared by 16 MiB: segments 4 and 5.
    let mmio = |segment: u64| InjectTarget::Mmio(segments + segment * (8 << 20));
    for (pe, target, why) in [
        (PE_RIGHT, mmio(4), InjectError::Shared(PE_LEFT)),
        (PE_RIGHT, mmio(2), InjectError::NotOwned),
        (PE_RIGHT, InjectTarget::Mmio(0x1000), InjectError::NotOwned),
        (PE_RIGHT, mmio(128), InjectError::NotOwned),
        (PE_RIGHT, InjectTarget::Dma(left.tve), InjectError::NotOwned),
        (
            PE_RIGHT,
            InjectTarget::Dma(TveIndex(99)),
            InjectError::NotOwned,
        ),
        (
            PeNumber(127),
            InjectTarget::Dma(right.tve),
            InjectError::Pe(PeNumber(127)),
        ),
        (
            PeNumber(128),
            InjectTarget::Config,
            InjectError::Pe(PeNumber(128)),
        ),
        (PeNumber(5), InjectTarget::Config, InjectError::NotOwned),
    ] {
        assert_eq!(inject(pe, target), (Err(why), 0), "{target:?}");
    }
    bench.good();
}

fn io_space_is_compared_by_its_segments() {
    let (mut bench, _) = furnished();
    let io = bench.phb.io_caps().real;
    bench.phb.map_io(IoSegment(7), PE_LEFT).expect("there");
    let once = |target| error(target, InjectAccess::Write, InjectRepeat::Once);
    let within = InjectTarget::Io(io + (7 << 16) + 0x123);
    assert_eq!(bench.phb.inject(PE_LEFT, once(within)), Ok(()));
    let unit = (io + (7 << 16)) & 0x0000_ffff_ffff_0000;
    assert_eq!(bench.model.register(ADDRESS), Some(unit));
    for real in [io + (8 << 16), io + (128 << 16), io - 1] {
        let result = bench.phb.inject(PE_LEFT, once(InjectTarget::Io(real)));
        assert_eq!(result, Err(InjectError::NotOwned), "{real:#x}");
    }
    bench.model.write32(io + (7 << 16), 1);
    assert_eq!(bench.phb.freeze_state(PE_LEFT), Freeze::all());
    bench.good();
}

fn the_first_revision_is_given_reads_and_writes_as_skiboot_meant_to() {
    for (version, want) in [
        (0x0000_00a2_0000_0001, READ | WRITE),
        (0x0000_00a2_0000_0002, READ),
    ] {
        let mut bench = Bench::new();
        bench.model.set_version(version);
        bench.run_hub();
        bench.run();
        bench.place();
        let (left, _) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
        let target = InjectTarget::Dma(left.tve);
        bench
            .phb
            .inject(
                PE_LEFT,
                error(target, InjectAccess::Read, InjectRepeat::Once),
            )
            .expect("armed");
        let control = bench.model.register(CONTROL).expect("written");
        assert_eq!(control & (READ | WRITE), want);
    }
}

fn resets_and_fences_leave_nothing_armed() {
    for kind in [ResetKind::Hot, ResetKind::Fundamental, ResetKind::Complete] {
        let (mut bench, [left, _]) = furnished();
        let target = InjectTarget::Dma(left.tve);
        let sticky = error(target, InjectAccess::Read, InjectRepeat::Sticky);
        bench.phb.inject(PE_LEFT, sticky).expect("armed");
        bench.reset(kind);
        assert_eq!(bench.model.register(CONTROL).unwrap_or(0), 0);
        bench.place();
        assert!(bench.model.dma_read(LEFT, left.bus_base).is_ok());
        bench.model.fence();
        assert_eq!(bench.phb.inject(PE_LEFT, sticky), Err(InjectError::Fenced));
        let read = bench
            .phb
            .cfg_read(LEFT_BDF, CfgOffset::at(0), CfgWidth::Word);
        assert_eq!(read, Err(CfgError::Fenced));
    }
}

cases::cases!(
    an_error_of_dma_stops_its_window_s_endpoint_the_way_it_says,
    a_sticky_error_comes_again_until_it_is_cleared,
    an_error_of_mmio_stops_its_segment_s_endpoint,
    an_error_of_a_config_cycle_stops_its_bus_s_endpoint,
    an_error_that_would_hit_another_is_refused_with_its_owner,
    io_space_is_compared_by_its_segments,
    the_first_revision_is_given_reads_and_writes_as_skiboot_meant_to,
    resets_and_fences_leave_nothing_armed,
);
