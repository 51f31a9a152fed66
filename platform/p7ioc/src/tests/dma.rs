use super::*;
use crate::regs::table;
use crate::rids::Filter;
use ioda::{DmaModel, Freeze, IodaError, TceFlush, TceRange, TveIndex};
use ioda_model::Refusal as Fault;

fn each_endpoint_reaches_its_own_slot_alone() {
    let mut bench = Bench::started();
    let (left, left_table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    let (right, right_table) = bench.own(RIGHT_BDF, PE_RIGHT, 0x30_0000);
    assert_eq!((left.bus_base, right.bus_base), (0, 1 << 28));
    left_table.cells[1].store(0x4000_5003);
    right_table.cells[1].store(0x5000_5003);
    let at = |window: &DmaWindow| window.bus_base | 0x1004;
    assert_eq!(bench.model.dma_write(LEFT, at(&left)), Ok(0x4000_5004));
    assert_eq!(bench.model.dma_read(RIGHT, at(&right)), Ok(0x5000_5004));
    assert_eq!(
        bench.model.dma_read(RIGHT, at(&left)),
        Err(Fault::ForeignWindow)
    );
    // Who was refused is stopped, not whose window it is.
    assert_eq!(bench.phb.freeze_state(PE_LEFT), Freeze::empty());
    assert_eq!(bench.phb.freeze_state(PE_RIGHT), Freeze::all());
    assert_eq!(bench.model.dma_write(LEFT, at(&left)), Ok(0x4000_5004));
    assert_eq!(bench.model.dma_read(RIGHT, at(&right)), Err(Fault::Frozen));
    bench.good();
}

fn permissions_and_bounds_of_a_window_are_exact() {
    let cases = [
        (0x1000, Fault::Permission),
        (128 << 20, Fault::Bounds),
        (1 << 28, Fault::NoWindow),
        (0xc000_0000, Fault::NoWindow),
        (1 << 32, Fault::NoWindow),
        (1 << 59, Fault::NoWindow),
    ];
    for (address, fault) in cases {
        let mut bench = Bench::started();
        let (_, table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
        table.cells.iter().for_each(|cell| cell.store(0x4000_0001));
        assert!(bench.model.dma_read(LEFT, (128 << 20) - 4).is_ok());
        assert_eq!(bench.model.dma_write(LEFT, address), Err(fault));
        bench.good();
    }
}

fn a_page_is_out_of_reach_only_after_its_pair_was_killed() {
    let mut bench = Bench::started();
    let (window, table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    table.cells[6..9]
        .iter()
        .for_each(|cell| cell.store(0x4000_0003));
    for page in 6..9 {
        assert!(bench.model.dma_write(LEFT, page << 12).is_ok());
    }
    table.cells[6..9]
        .iter()
        .for_each(|cell| cell.store(0x5000_0003));
    let reached = |page: u64| bench.model.dma_write(LEFT, page << 12);
    assert_eq!(reached(7), Ok(0x4000_0000), "the model keeps what it has");
    let range = TceRange::Pages { first: 7, count: 1 };
    bench.port.tce_flush(&window, range);
    // Kills are posted: only a load from the bridge tells that they have arrived.
    assert_eq!(reached(7), Ok(0x4000_0000));
    let _ = ioda::RegIo::read64(&bench.port.io, ioda::Reg64::at(0x160));
    assert_eq!(reached(7), Ok(0x5000_0000));
    assert_eq!(reached(6), Ok(0x5000_0000), "the same pair");
    assert_eq!(reached(8), Ok(0x4000_0000), "another pair");
    bench.port.tce_wait().expect("DMA ends");
    assert_eq!(reached(8), Ok(0x5000_0000));
    bench.good();
}

fn a_page_that_was_mapped_beside_one_in_use_needs_a_kill_too() {
    let mut bench = Bench::started();
    let (window, table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    table.cells[6].store(0x4000_0003);
    assert!(bench.model.dma_write(LEFT, 0x6000).is_ok());
    table.cells[7].store(0x5000_0003);
    // The pair was fetched whole.
    let range = TceRange::Pages { first: 7, count: 1 };
    bench.port.tce_flush(&window, range);
    bench.port.tce_wait().expect("DMA ends");
    assert_eq!(bench.model.dma_write(LEFT, 0x7000), Ok(0x5000_0000));
    bench.good();
}

fn ranges_are_flushed_whole() {
    for (first, count) in [(0, 1), (3, 2), (101, 60), (100, 64), (1, 66), (5, 500)] {
        let mut bench = Bench::started();
        bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
        let (window, table) = bench.own(RIGHT_BDF, PE_RIGHT, 0x30_0000);
        let pages = first..first + count;
        let cells = &table.cells[first as usize..(first + count) as usize];
        cells.iter().for_each(|cell| cell.store(0x4000_0003));
        for page in pages.clone() {
            let address = window.bus_base | page << 12;
            assert!(bench.model.dma_write(RIGHT, address).is_ok());
        }
        cells.iter().for_each(|cell| cell.store(0));
        bench
            .port
            .tce_flush(&window, TceRange::Pages { first, count });
        let _ = ioda::RegIo::read64(&bench.port.io, ioda::Reg64::at(0x160));
        for page in pages {
            assert_eq!(
                bench.model.dma_write(RIGHT, window.bus_base | page << 12),
                Err(Fault::Permission),
                "{page} of {first} and {count}"
            );
            bench.phb.thaw(PE_RIGHT, Freeze::all()).expect("it runs");
        }
        bench.good();
    }
}

fn a_closed_window_is_closed_for_good() {
    let mut bench = Bench::started();
    let (window, table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    table.cells[0].store(0x4000_0003);
    assert!(bench.model.dma_write(LEFT, 0).is_ok());
    let other = DmaWindow {
        pe: PE_RIGHT,
        ..window
    };
    assert_eq!(bench.phb.dma_destroy(&other), Err(IodaError::Window));
    bench.phb.dma_destroy(&window).expect("it is open");
    assert_eq!(bench.phb.dma_destroy(&window), Err(IodaError::Window));
    assert_eq!(bench.model.dma_write(LEFT, 0), Err(Fault::NoWindow));
    // The same memory as a table of somebody else: nothing of the old one is left in the chip.
    table.cells[0].store(0x5000_0003);
    bench
        .phb
        .assign_pe(RidSel::one(RIGHT_BDF), PE_RIGHT)
        .expect("free");
    let window = bench.phb.dma_create(PE_RIGHT, &table, None).expect("free");
    assert_eq!(window.bus_base, 0);
    assert_eq!(bench.model.dma_write(RIGHT, 0), Ok(0x5000_0000));
    assert!(bench.model.dma_write(LEFT, 0).is_err());
    bench.good();
}

fn slots_are_handed_out_until_there_are_none() {
    let mut bench = Bench::started();
    bench
        .phb
        .assign_pe(RidSel::one(LEFT_BDF), PE_LEFT)
        .expect("free");
    let DmaModel::SharedSlots { count, slot_shift } = bench.phb.caps().dma else {
        panic!("slots are shared");
    };
    assert_eq!((count, slot_shift), (12, 28));
    let table = bench.table(0x100_0000, SLOT);
    let at = |slot| Some(TveIndex(slot));
    let mut create = |pe, at| {
        let window = bench.phb.dma_create(pe, &table, at)?;
        Ok(window.bus_base >> 28)
    };
    assert_eq!(create(PE_LEFT, at(12)), Err(IodaError::Window));
    assert_eq!(create(PE_LEFT, at(3)), Ok(3));
    assert_eq!(create(PE_LEFT, at(3)), Err(IodaError::WindowInUse));
    let rest: Vec<u64> = (0..11)
        .map(|_| create(PE_LEFT, None).expect("free"))
        .collect();
    assert_eq!(rest, [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(create(PE_LEFT, None), Err(IodaError::NoWindow));
    assert_eq!(create(PE_LEFT, at(0)), Err(IodaError::WindowInUse));
    let nobodys = PeNumber(127);
    assert_eq!(create(nobodys, None), Err(IodaError::Pe(nobodys)));
    bench.good();
}

fn a_large_window_takes_slots_in_a_row_each_with_its_piece_of_the_table() {
    let mut bench = Bench::started();
    let (small, _) = bench.own(RIGHT_BDF, PE_RIGHT, 0x20_0000);
    bench.phb.dma_destroy(&small).expect("open");
    let table = bench.table(0x100_0000, 2 * SLOT);
    let filler = bench.table(0x400_0000, SLOT);
    bench
        .phb
        .dma_create(PE_RIGHT, &filler, Some(TveIndex(1)))
        .expect("free");
    bench
        .phb
        .assign_pe(RidSel::one(LEFT_BDF), PE_LEFT)
        .expect("free");
    let window = bench.phb.dma_create(PE_LEFT, &table, None).expect("free");
    assert_eq!((window.bus_base, window.bytes), (2 << 28, 512 << 20));
    table.cells[SLOT + 5].store(0x4000_0003);
    let address = window.bus_base + ((SLOT as u64 + 5) << 12);
    assert_eq!(bench.model.dma_write(LEFT, address), Ok(0x4000_0000));
    bench.phb.dma_destroy(&window).expect("open");
    assert_eq!(bench.model.dma_write(LEFT, address), Err(Fault::NoWindow));
    bench.good();
}

fn tables_that_the_chip_is_not_known_to_take_are_refused() {
    let mut bench = Bench::started();
    let cells = leak(|| BeU64::new(0), SMALL);
    let small = TceTable::new(&cells[..SMALL / 2], 0x20_0000, 12).expect("64 MiB");
    assert_eq!(
        bench.phb.dma_create(PE_LEFT, &small, None),
        Err(IodaError::Table)
    );
    let coarse = TceTable::new(cells, 0x20_0000, 16).expect("64 KiB pages");
    assert_eq!(
        bench.phb.dma_create(PE_LEFT, &coarse, None),
        Err(IodaError::PageShift(16))
    );
    let mut crooked = TceTable::new(cells, 0x20_0000, 12).expect("good");
    crooked.real = 0x20_1000;
    assert_eq!(
        bench.phb.dma_create(PE_LEFT, &crooked, None),
        Err(IodaError::Table)
    );
    let beyond = TceTable::new(cells, 1 << 48, 12).expect("for other bridges");
    assert_eq!(
        bench.phb.dma_create(PE_LEFT, &beyond, None),
        Err(IodaError::Table)
    );
    // 4 GiB, of which 3 are there.
    let cells = leak(|| BeU64::new(0), 16 * SLOT);
    let large = TceTable::new(cells, 0x800_0000, 12).expect("good");
    for at in [None, Some(TveIndex(0))] {
        assert_eq!(
            bench.phb.dma_create(PE_LEFT, &large, at),
            Err(IodaError::NoWindow)
        );
    }
    bench.good();
}

fn the_last_slots_are_as_good_as_any() {
    let mut bench = Bench::started();
    bench
        .phb
        .assign_pe(RidSel::one(LEFT_BDF), PE_LEFT)
        .expect("free");
    let table = bench.table(0x100_0000, 2 * SLOT);
    assert_eq!(
        bench.phb.dma_create(PE_LEFT, &table, Some(TveIndex(11))),
        Err(IodaError::Window)
    );
    let window = bench.phb.dma_create(PE_LEFT, &table, Some(TveIndex(10)));
    let window = window.expect("free");
    assert_eq!((window.tve, window.bus_base), (TveIndex(10), 10 << 28));
    // To the end of each.
    for page in [SLOT - 1, 2 * SLOT - 1] {
        table.cells[page].store(0x4000_0003);
        let address = window.bus_base + ((page as u64) << 12);
        assert_eq!(bench.model.dma_write(LEFT, address), Ok(0x4000_0000));
    }
    bench.good();
}

fn a_few_pages_are_flushed_and_no_others() {
    let mut bench = Bench::started();
    let (window, table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    for page in [0x7000, 0x7f00] {
        table.cells[page].store(0x4000_0003);
        assert!(bench.model.dma_write(LEFT, (page as u64) << 12).is_ok());
        table.cells[page].store(0x5000_0003);
    }
    // 32 pairs.
    let range = TceRange::Pages {
        first: 0x7000,
        count: 64,
    };
    bench.port.tce_flush(&window, range);
    let _ = ioda::RegIo::read64(&bench.port.io, ioda::Reg64::at(0x160));
    let reached = |page: u64| bench.model.dma_write(LEFT, page << 12);
    assert_eq!(reached(0x7000), Ok(0x5000_0000));
    assert_eq!(reached(0x7f00), Ok(0x4000_0000), "not asked for");
    bench.good();
}

fn windows_follow_their_endpoint_to_other_requesters() {
    let mut bench = Bench::started();
    let (window, table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    table.cells[0].store(0x4000_0003);
    let address = window.bus_base;
    assert!(bench.model.dma_write(LEFT, address).is_ok());
    bench
        .phb
        .release_pe(RidSel::one(LEFT_BDF))
        .expect("it has it");
    assert_eq!(
        bench.model.dma_write(LEFT, address),
        Err(Fault::ForeignWindow)
    );
    bench.phb.assign_pe(RidSel::bus(4), PE_LEFT).expect("free");
    assert_eq!(bench.model.dma_write(RIGHT, address), Ok(0x4000_0000));
    assert_eq!(
        bench.model.dma_write(LEFT, address),
        Err(Fault::ForeignWindow)
    );
    bench.good();
}

fn a_window_goes_by_its_own_copy_of_the_filter() {
    let mut bench = Bench::started();
    let (window, table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    table.cells[0].store(0x4000_0003);
    // What a driver would do that forgets the copies.
    let nobody = Filter::NOBODY.peltm();
    bench.port.write_entry(table::PELTM, PE_LEFT.0, nobody);
    assert!(bench.model.dma_write(LEFT, window.bus_base).is_ok());
}

cases::cases!(
    each_endpoint_reaches_its_own_slot_alone,
    permissions_and_bounds_of_a_window_are_exact,
    a_page_is_out_of_reach_only_after_its_pair_was_killed,
    a_page_that_was_mapped_beside_one_in_use_needs_a_kill_too,
    ranges_are_flushed_whole,
    a_closed_window_is_closed_for_good,
    slots_are_handed_out_until_there_are_none,
    a_large_window_takes_slots_in_a_row_each_with_its_piece_of_the_table,
    tables_that_the_chip_is_not_known_to_take_are_refused,
    the_last_slots_are_as_good_as_any,
    a_few_pages_are_flushed_and_no_others,
    windows_follow_their_endpoint_to_other_requesters,
    a_window_goes_by_its_own_copy_of_the_filter,
);
