use super::*;
use ioda::{IodaError, M32Segment, M64Map, M64Window, MmioIo, TceFlush, TceRange, TceTree};
use ioda_model::Refusal;

const PE_LEFT: PeNumber = PeNumber(17);
const PE_RIGHT: PeNumber = PeNumber(200);
const SEGMENT: u64 = 8 << 20;

fn each_endpoint_reaches_its_own_pages_alone() {
    let mut bench = Bench::started(Kind::Chip);
    let (left, left_table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    let (right, _) = bench.own(RIGHT_BDF, PE_RIGHT, 0x20_1000);
    assert_eq!((left.bus_base, left.bytes, right.bus_base), (0, 2 << 20, 0));
    left_table.cells[1].store(0x4000_5000 | 3);
    bench
        .port
        .tce_flush(&left, TceRange::Pages { first: 1, count: 1 });
    assert_eq!(bench.model.dma_write(LEFT, 0x1004), Ok(0x4000_5004));
    assert_eq!(bench.model.dma_read(LEFT, 0x1ffc), Ok(0x4000_5ffc));
    // The same address under the other's id is the other's own space.
    assert_eq!(
        bench.model.dma_read(RIGHT, 0x1004),
        Err(Refusal::Permission)
    );
    assert_eq!(bench.phb.freeze_state(PE_LEFT), ioda::Freeze::empty());
    assert_eq!(bench.phb.freeze_state(PE_RIGHT), ioda::Freeze::all());
    bench.good();
}

fn permissions_and_bounds_of_a_window_are_exact() {
    for (address, writes) in [
        (0x1000, true),
        (0x20_0000, false),
        (1 << 59, false),
        (1 << 61, false),
    ] {
        let mut bench = Bench::started(Kind::Emulator);
        let (window, table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
        table.cells.iter().for_each(|cell| cell.store(0x4000_0001));
        bench.port.tce_flush(&window, TceRange::All);
        assert!(bench.model.dma_read(LEFT, 0x1f_f000).is_ok());
        let result = if writes {
            bench.model.dma_write(LEFT, address)
        } else {
            bench.model.dma_read(LEFT, address)
        };
        assert!(result.is_err(), "{address:#x}");
        bench.good();
    }
}

fn an_unmapped_page_is_out_of_reach_only_after_a_flush() {
    let mut bench = Bench::started(Kind::Chip);
    let (window, table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    table.cells[7].store(0x4000_0003);
    assert!(bench.model.dma_write(LEFT, 0x7000).is_ok());
    table.cells[7].store(0);
    assert!(
        bench.model.dma_write(LEFT, 0x7000).is_ok(),
        "the model keeps what it has"
    );
    bench
        .port
        .tce_flush(&window, TceRange::Pages { first: 7, count: 1 });
    bench.port.tce_wait().expect("DMA ends");
    assert_eq!(
        bench.model.dma_write(LEFT, 0x7000),
        Err(Refusal::Permission)
    );
    bench.good();
}

fn many_pages_are_flushed_at_once() {
    let mut bench = Bench::started(Kind::Chip);
    let (window, table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    for page in 100..200 {
        table.cells[page].store(0x4000_0003);
        assert!(bench.model.dma_write(LEFT, (page as u64) << 12).is_ok());
        table.cells[page].store(0x5000_0003);
    }
    bench.port.tce_flush(
        &window,
        TceRange::Pages {
            first: 100,
            count: 100,
        },
    );
    for page in 100..200 {
        assert_eq!(bench.model.dma_write(LEFT, page << 12), Ok(0x5000_0000));
    }
    bench.good();
}

fn the_second_window_is_flushed_at_its_own_addresses() {
    let mut bench = Bench::started(Kind::Chip);
    bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    let (second, table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_1000);
    assert_eq!(second.bus_base, 1 << 59);
    table.cells[2].store(0x4000_0003);
    assert_eq!(
        bench.model.dma_write(LEFT, second.bus_base | 0x2000),
        Ok(0x4000_0000)
    );
    table.cells[2].store(0);
    bench
        .port
        .tce_flush(&second, TceRange::Pages { first: 2, count: 1 });
    assert_eq!(
        bench.model.dma_write(LEFT, second.bus_base | 0x2000),
        Err(Refusal::Permission)
    );
    let cells = leak(|| BeU64::new(0), 512);
    let table = TceTable::new(cells, 0x30_0000, 12).expect("good");
    assert_eq!(
        bench.phb.dma_create(PE_LEFT, &table, None).err(),
        Some(IodaError::NoWindow)
    );
}

fn a_tree_reaches_what_has_entries_at_every_level_alone() {
    let mut bench = Bench::started(Kind::Chip);
    bench
        .phb
        .assign_pe(RidSel::one(LEFT_BDF), PE_LEFT)
        .expect("it is free");
    let [top, middle, leaf] = [0x20_0000, 0x20_1000, 0x20_2000].map(|real| {
        let cells = leak(|| BeU64::new(0), 512);
        bench.model.add_memory(real, Box::new(cells));
        TceTable::new(cells, real, 12).expect("4 KiB")
    });
    top.cells[2].store(middle.real | 3);
    middle.cells[9].store(leaf.real | 3);
    leaf.cells[5].store(0x4000_0003);
    let tree = TceTree::new(top, 3).expect("three levels");
    let window = bench.phb.dma_create_tree(PE_LEFT, &tree, None);
    let window = window.expect("there are two");
    assert_eq!((window.bus_base, window.bytes), (0, 1 << 39));
    let at = 2 << 30 | 9 << 21 | 5 << 12;
    assert_eq!(bench.model.dma_write(LEFT, at | 8), Ok(0x4000_0008));
    for beside in [5 << 12, at + 0x1000, at + (1 << 21), at + (1 << 30)] {
        bench.phb.thaw(PE_LEFT, ioda::Freeze::all()).expect("thaws");
        assert_eq!(
            bench.model.dma_write(LEFT, beside),
            Err(Refusal::Permission),
            "{beside:#x}"
        );
    }
    bench.phb.thaw(PE_LEFT, ioda::Freeze::all()).expect("thaws");
    assert_eq!(bench.model.dma_write(LEFT, 1 << 39), Err(Refusal::Bounds));
    bench.phb.thaw(PE_LEFT, ioda::Freeze::all()).expect("thaws");
    bench.phb.dma_destroy(&window).expect("it is open");
    assert_eq!(bench.model.dma_write(LEFT, at), Err(Refusal::NoWindow));
    bench.good();
}

fn a_closed_window_reaches_nothing_and_can_be_opened_again() {
    let mut bench = Bench::started(Kind::Chip);
    let (window, table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    table.cells[0].store(0x4000_0003);
    assert!(bench.model.dma_write(LEFT, 0).is_ok());
    let foreign = DmaWindow {
        pe: PE_RIGHT,
        ..window
    };
    assert_eq!(bench.phb.dma_destroy(&foreign), Err(IodaError::Window));
    bench.phb.dma_destroy(&window).expect("it is open");
    assert_eq!(bench.phb.dma_destroy(&window), Err(IodaError::Window));
    let cells = leak(|| BeU64::new(0x5000_0003), 512);
    bench.model.add_memory(0x20_1000, Box::new(cells));
    let other = TceTable::new(cells, 0x20_1000, 12).expect("2 MiB");
    let again = bench
        .phb
        .dma_create(PE_LEFT, &other, Some(window.tve))
        .expect("it is free");
    assert_eq!(
        again,
        DmaWindow {
            table_real: 0x20_1000,
            ..window
        }
    );
    assert_eq!(
        bench.model.dma_write(LEFT, 0),
        Ok(0x5000_0000),
        "nothing of the old table is left"
    );
    bench.phb.dma_destroy(&again).expect("it is open");
    assert_eq!(bench.model.dma_write(LEFT, 0), Err(Refusal::NoWindow));
    bench.good();
}

fn windows_refuse_what_the_chip_cannot_do() {
    let mut bench = Bench::started(Kind::Emulator);
    let cells = leak(|| BeU64::new(0), 512);
    let table = TceTable::new(cells, 0x20_0000, 21).expect("good for others");
    assert_eq!(
        bench.phb.dma_create(PE_LEFT, &table, None).err(),
        Some(IodaError::PageShift(21))
    );
    let bent = TceTable {
        cells,
        real: 0x20_0800,
        page_shift: 12,
    };
    assert_eq!(
        bench.phb.dma_create(PE_LEFT, &bent, None).err(),
        Some(IodaError::Table)
    );
    let good = TceTable::new(cells, 0x20_0000, 16).expect("64 KiB pages");
    assert_eq!(
        bench.phb.dma_create(PeNumber(256), &good, None).err(),
        Some(IodaError::Pe(PeNumber(256)))
    );
    assert_eq!(
        bench
            .phb
            .dma_create(PE_LEFT, &good, Some(ioda::TveIndex(0)))
            .err(),
        Some(IodaError::Window)
    );
    let own = Some(ioda::TveIndex(PE_LEFT.0 * 2));
    assert!(bench.phb.dma_create(PE_LEFT, &good, own).is_ok());
    assert_eq!(
        bench.phb.dma_create(PE_LEFT, &good, own).err(),
        Some(IodaError::WindowInUse)
    );
}

fn a_requester_that_moved_is_the_new_owners_at_once() {
    let mut bench = Bench::started(Kind::Chip);
    let (_, table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    table.cells[0].store(0x4000_0003);
    assert!(bench.model.dma_write(LEFT, 0).is_ok());
    let taken = bench.phb.assign_pe(RidSel::one(LEFT_BDF), PE_RIGHT);
    assert_eq!(taken, Err(IodaError::RidTaken(LEFT_BDF, PE_LEFT)));
    bench
        .phb
        .release_pe(RidSel::one(LEFT_BDF))
        .expect("a good set");
    assert_eq!(
        bench.model.dma_write(LEFT, 0),
        Err(Refusal::NoWindow),
        "the reserved endpoint has none"
    );
    bench
        .phb
        .assign_pe(RidSel::bus(3), PE_RIGHT)
        .expect("it is free");
    let (_, table) = bench.own(Bdf::new(3, 0, 1), PE_RIGHT, 0x20_1000);
    table.cells[0].store(0x6000_0003);
    assert_eq!(bench.model.dma_write(LEFT, 0), Ok(0x6000_0000));
    bench.good();
}

fn a_segment_belongs_to_one_endpoint_and_stops_with_it() {
    let mut bench = Bench::started(Kind::Emulator);
    bench
        .phb
        .map_m32(M32Segment(2), PE_LEFT)
        .expect("it is there");
    bench
        .phb
        .map_m32(M32Segment(3), PE_RIGHT)
        .expect("it is there");
    let left = Model::MMIO1 + 2 * SEGMENT;
    let right = Model::MMIO1 + 3 * SEGMENT;
    assert_eq!(bench.model.segment_pe(left), Some(PE_LEFT));
    assert_eq!(bench.model.segment_pe(right), Some(PE_RIGHT));
    assert_eq!(bench.model.segment_pe(Model::MMIO1), Some(crate::RESERVED));
    bench.model.write32(left + 8, 0x1234_5678);
    assert_eq!(bench.model.read32(left + 8), 0x1234_5678);
    bench
        .phb
        .freeze(PE_LEFT, ioda::Freeze::MMIO)
        .expect("it is there");
    assert_eq!(bench.model.read32(left + 8), u32::MAX);
    assert_eq!(bench.model.read32(right + 8), 0);
    assert_eq!(
        bench.phb.map_m32(M32Segment(256), PE_LEFT),
        Err(IodaError::Segment)
    );
    bench.good();
}

fn a_64_bit_window_is_one_endpoints_or_one_segment_each() {
    let mut bench = Bench::started(Kind::Chip);
    let base = Model::MMIO0 + (1 << 30);
    let single = M64Map::SinglePe {
        base,
        shift: 26,
        pe: PE_RIGHT,
    };
    bench
        .phb
        .set_m64(M64Window(3), Some(single))
        .expect("it fits");
    assert_eq!(bench.model.segment_pe(base), Some(PE_RIGHT));
    assert_eq!(
        bench.model.segment_pe(base + (64 << 20) - 1),
        Some(PE_RIGHT)
    );
    assert_eq!(bench.model.segment_pe(base + (64 << 20)), None);
    let segmented = M64Map::SegmentIsPe {
        base: Model::MMIO0,
        shift: 36,
    };
    bench
        .phb
        .set_m64(M64Window(3), Some(segmented))
        .expect("all of it");
    assert_eq!(
        bench.model.segment_pe(Model::MMIO0 + 17 * (256 << 20)),
        Some(PE_LEFT)
    );
    bench.phb.set_m64(M64Window(3), None).expect("it is there");
    assert_eq!(bench.model.segment_pe(base), None);
    for (base, shift) in [
        (base + (1 << 20), 26),
        (base, 24),
        (Model::MMIO0 - (1 << 26), 26),
        (base, 36),
        (base, 70),
    ] {
        let map = M64Map::SinglePe {
            base,
            shift,
            pe: PE_LEFT,
        };
        assert_eq!(
            bench.phb.set_m64(M64Window(0), Some(map)),
            Err(IodaError::M64Range)
        );
    }
    assert_eq!(
        bench.phb.set_m64(M64Window(16), None),
        Err(IodaError::M64Window)
    );
    bench.good();
}

fn nobodys_endpoint_gets_nothing_and_none_forgets_itself() {
    let mut bench = Bench::started(Kind::Chip);
    let nobody = bench.phb.caps().reserved_pe;
    let refused = Err(IodaError::Pe(nobody));
    assert_eq!(bench.phb.assign_pe(RidSel::one(LEFT_BDF), nobody), refused);
    let cells = leak(|| BeU64::new(0), TceTable::MIN_ENTRIES);
    let table = TceTable::new(cells, 0x20_0000, 12).expect("a good table");
    assert_eq!(
        bench.phb.dma_create(nobody, &table, None).map(|_| ()),
        refused
    );
    assert_eq!(
        ioda::MsiSource::msi_alloc(&mut bench.phb, nobody, 1).map(|_| ()),
        Err(ioda::MsiError::Pe(nobody))
    );
    assert_eq!(
        bench.phb.unlink_pe(PE_LEFT, PE_LEFT),
        Err(IodaError::Pe(PE_LEFT))
    );
    bench.good();
}

cases::cases!(
    nobodys_endpoint_gets_nothing_and_none_forgets_itself,
    each_endpoint_reaches_its_own_pages_alone,
    permissions_and_bounds_of_a_window_are_exact,
    an_unmapped_page_is_out_of_reach_only_after_a_flush,
    many_pages_are_flushed_at_once,
    the_second_window_is_flushed_at_its_own_addresses,
    a_tree_reaches_what_has_entries_at_every_level_alone,
    a_closed_window_reaches_nothing_and_can_be_opened_again,
    windows_refuse_what_the_chip_cannot_do,
    a_requester_that_moved_is_the_new_owners_at_once,
    a_segment_belongs_to_one_endpoint_and_stops_with_it,
    a_64_bit_window_is_one_endpoints_or_one_segment_each,
);
