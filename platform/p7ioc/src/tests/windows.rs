use super::*;
use crate::Overlap;
use ioda::{
    Freeze, IoCaps, IoSegment, IoSpace, IodaError, M32Segment, M64Map, M64Segments, M64Window,
    MmioIo, Rid,
};

const SEGMENT: u64 = 8 << 20;

fn segments_belong_to_endpoints_and_stop_with_them() {
    let mut bench = Bench::started();
    let m32 = bench.phb.caps().m32;
    assert_eq!(
        (m32.pci, m32.bytes(), m32.segment_shift),
        (0xc000_0000, 1 << 30, 23)
    );
    bench.phb.map_m32(M32Segment(2), PE_LEFT).expect("there");
    bench.phb.map_m32(M32Segment(3), PE_RIGHT).expect("there");
    let real = |segment: u64| m32.real + segment * SEGMENT;
    for (at, pe) in [
        (real(2) - 1, PeNumber(127)),
        (real(2), PE_LEFT),
        (real(3) - 1, PE_LEFT),
        (real(3), PE_RIGHT),
        (real(127), PeNumber(127)),
    ] {
        assert_eq!(bench.model.segment_pe(at), Some(pe), "{at:#x}");
    }
    bench.model.write32(real(2), 0x1234);
    bench.model.write32(real(3), 0x5678);
    bench.phb.freeze(PE_LEFT, Freeze::MMIO).expect("there");
    bench.model.write32(real(2), 0);
    assert_eq!(bench.model.read32(real(2)), u32::MAX);
    assert_eq!(bench.model.read32(real(3)), 0x5678);
    bench.phb.thaw(PE_LEFT, Freeze::MMIO).expect("there");
    assert_eq!(bench.model.read32(real(2)), 0x1234, "the store was dropped");
    assert_eq!(
        bench.phb.map_m32(M32Segment(128), PE_LEFT),
        Err(IodaError::Segment)
    );
    let none = PeNumber(128);
    assert_eq!(
        bench.phb.map_m32(M32Segment(0), none),
        Err(IodaError::Pe(none))
    );
    bench.good();
}

fn a_load_that_nothing_answers_stops_the_endpoint_of_its_segment() {
    let mut bench = Bench::started();
    bench.phb.map_m32(M32Segment(9), PE_LEFT).expect("there");
    let real = bench.phb.caps().m32.real + 9 * SEGMENT;
    assert_eq!(bench.model.read32(real), u32::MAX);
    assert_eq!(bench.phb.freeze_state(PE_LEFT), Freeze::all());
    assert_eq!(bench.phb.freeze_state(PE_RIGHT), Freeze::empty());
    bench.good();
}

fn io_segments_are_mapped_one_by_one() {
    let mut bench = Bench::started();
    bench.phb.map_io(IoSegment(5), PE_LEFT).expect("there");
    let io = bench.phb.layout().io;
    let caps = IoCaps {
        real: io,
        pci: 0,
        segment_shift: 16,
        segments: 128,
    };
    assert_eq!(bench.phb.io_caps(), caps);
    let at = |offset| bench.model.segment_pe(io + offset);
    assert_eq!(at(0x5_0000), Some(PE_LEFT));
    assert_eq!(at(0x5_ffff), Some(PE_LEFT));
    assert_eq!(at(0x6_0000), Some(PeNumber(127)));
    assert_eq!(
        bench.phb.map_io(IoSegment(128), PE_LEFT),
        Err(IodaError::Segment)
    );
    bench.good();
}

fn wide_windows_open_move_and_grow_beside_each_other() {
    let mut bench = Bench::started();
    let base = bench.phb.layout().m64;
    let pes: [PeNumber; 8] = core::array::from_fn(|n| PeNumber(n as u16 + 10));
    let phb = &mut bench.phb;
    let open = |phb: &mut Phb<_>, base, shift| {
        let map = M64Map::AnyMap { base, shift, pes };
        phb.set_m64(M64Window(0), Some(map))
    };
    open(phb, base, 24).expect("free");
    phb.set_m64(
        M64Window(1),
        Some(M64Map::SinglePe {
            base: base + (1 << 24),
            shift: 24,
            pe: PE_RIGHT,
        }),
    )
    .expect("free");
    let at = |offset: u64| bench.model.segment_pe(base + offset).map(|pe| pe.0);
    assert_eq!(
        (at(0), at(2 << 20), at((16 << 20) - 1)),
        (Some(10), Some(11), Some(17))
    );
    assert_eq!((at(16 << 20), at((32 << 20) - 1)), (Some(101), Some(101)));
    assert_eq!(at(32 << 20), None);
    let segments = phb.m64_segments().expect("of any endpoint each");
    segments.map_m64(M64Window(0), 1, PE_LEFT).expect("there");
    assert_eq!(at(2 << 20), Some(17));
    // Growing into the neighbour, out of the area, or crooked: nothing is changed.
    let area_end = base + (32 << 30);
    for (base, shift) in [
        (base, 25),
        (base + (1 << 24), 24),
        (base - (1 << 24), 24),
        (area_end, 24),
        (base + (1 << 24), 25),
        (base + (1 << 25), 23),
        (base, 64),
        (u64::MAX << 24, 24),
    ] {
        let refused = open(phb, base, shift);
        assert_eq!(refused, Err(IodaError::M64Range), "{base:#x} {shift}");
    }
    assert_eq!(at(2 << 20), Some(17));
    // Elsewhere it may be larger, and the other has not noticed.
    open(phb, area_end - (1 << 30), 30).expect("free");
    assert_eq!(
        (at(0), at(31 << 30), at((32 << 30) - 1)),
        (None, Some(10), Some(17))
    );
    assert_eq!(at(16 << 20), Some(101));
    phb.set_m64(M64Window(1), None).expect("there");
    assert_eq!(at(16 << 20), None);
    assert_eq!(phb.set_m64(M64Window(16), None), Err(IodaError::M64Window));
    assert_eq!(
        phb.map_m64(M64Window(0), 8, PE_LEFT),
        Err(IodaError::Segment)
    );
    for window in [1, 16] {
        let closed = phb.map_m64(M64Window(window), 0, PE_LEFT);
        assert_eq!(closed, Err(IodaError::M64Window), "{window}");
    }
    bench.good();
}

fn the_errors_of_a_parent_stop_its_children() {
    let mut bench = Bench::started();
    bench
        .phb
        .assign_pe(RidSel::one(LEFT_BDF), PE_LEFT)
        .expect("free");
    let children = [PeNumber(0), PeNumber(16), PeNumber(48), PE_RIGHT];
    for child in children {
        bench.phb.link_pe(PE_LEFT, child).expect("there");
    }
    bench.phb.unlink_pe(PE_LEFT, PeNumber(0)).expect("there");
    assert_eq!(
        bench.phb.unlink_pe(PE_LEFT, PE_LEFT),
        Err(IodaError::Pe(PE_LEFT))
    );
    bench.model.error_message(LEFT_BDF);
    let stopped: Vec<u16> = (0..128)
        .filter(|pe| bench.phb.freeze_state(PeNumber(*pe)) != Freeze::empty())
        .collect();
    assert_eq!(stopped, [16, 17, 48, 101]);
    bench.good();
}

fn an_endpoint_is_one_selection_and_no_two_overlap() {
    let mut bench = Bench::started();
    let buses = |bus, bus_shift| RidSel {
        bus,
        bus_shift,
        device: None,
        function: None,
    };
    let phb = &mut bench.phb;
    phb.assign_pe(buses(8, 3), PE_LEFT).expect("free");
    let card = RidSel::one(Rid::new(9, 3, 1));
    assert_eq!(
        phb.assign_pe(card, PE_RIGHT),
        Err(IodaError::RidTaken(Rid::new(9, 3, 1), PE_LEFT))
    );
    let overlap = phb.overlap(card, PE_RIGHT).expect("they meet");
    assert_eq!(
        overlap,
        Overlap {
            rid: Rid::new(9, 3, 1),
            owner: PE_LEFT,
            wanted: PE_RIGHT
        }
    );
    assert_eq!(
        overlap.to_string(),
        "09:03.1 is wanted for PE#65 and belongs to PE#11"
    );
    // A part adds nothing, a larger one replaces, another one can not be had.
    phb.assign_pe(card, PE_LEFT).expect("it has it");
    assert_eq!(
        phb.assign_pe(buses(16, 0), PE_LEFT),
        Err(IodaError::RidRule)
    );
    phb.assign_pe(buses(0, 4), PE_LEFT)
        .expect("it holds the old");
    assert_eq!(phb.pe_of(Rid::new(15, 31, 7)), PE_LEFT);
    assert_eq!(phb.pe_of(Rid::new(16, 0, 0)), PeNumber(127));
    assert_eq!(phb.release_pe(card), Err(IodaError::RidRule));
    phb.release_pe(buses(0, 8)).expect("all of it");
    assert_eq!(phb.pe_of(Rid::new(9, 3, 1)), PeNumber(127));
    // 64 buses: three bits at least are compared.
    assert_eq!(phb.assign_pe(buses(0, 6), PE_LEFT), Err(IodaError::RidRule));
    assert_eq!(phb.assign_pe(buses(1, 1), PE_LEFT), Err(IodaError::RidRule));
    let nobodys = PeNumber(127);
    assert_eq!(phb.assign_pe(card, nobodys), Err(IodaError::Pe(nobodys)));
    bench.good();
}

fn errors_are_sorted_by_the_selection() {
    for (rids, inside, outside) in [
        (RidSel::one(LEFT_BDF), LEFT_BDF, Rid::new(3, 0, 1)),
        (RidSel::bus(3), Rid::new(3, 31, 7), Rid::new(4, 0, 0)),
        (
            RidSel {
                bus: 32,
                bus_shift: 5,
                device: Some(2),
                function: None,
            },
            Rid::new(63, 2, 7),
            Rid::new(63, 3, 7),
        ),
        (
            RidSel {
                bus: 0,
                bus_shift: 8,
                device: None,
                function: Some(7),
            },
            Rid::new(255, 9, 7),
            Rid::new(255, 9, 6),
        ),
    ] {
        let mut bench = Bench::started();
        bench.phb.assign_pe(rids, PE_LEFT).expect("free");
        bench.model.error_message(outside);
        assert_eq!(bench.phb.freeze_state(PE_LEFT), Freeze::empty());
        assert_eq!(bench.phb.freeze_state(PeNumber(127)), Freeze::all());
        bench.model.error_message(inside);
        assert_eq!(bench.phb.freeze_state(PE_LEFT), Freeze::all());
        bench.good();
    }
}

cases::cases!(
    segments_belong_to_endpoints_and_stop_with_them,
    a_load_that_nothing_answers_stops_the_endpoint_of_its_segment,
    io_segments_are_mapped_one_by_one,
    wide_windows_open_move_and_grow_beside_each_other,
    the_errors_of_a_parent_stop_its_children,
    an_endpoint_is_one_selection_and_no_two_overlap,
    errors_are_sorted_by_the_selection,
);
