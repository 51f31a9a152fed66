use super::*;
use ioda::{Freeze, IodaError, PeNumber};
use lpar::machine::TceInvalidate;
use lpar::pci::BarSpace;
use papr_abi::{Irq, Liobn};
use std::sync::Mutex as Lock;

/// The machine's number of the first bridge's INTx wire `wire`.
fn lsi(board: &Board, wire: u8) -> Option<u32> {
    use ioda::{IrqBackend, IrqKind};
    let mut irqs = board.port.irqs();
    irqs.find(|irq| board.port.kind(ioda::Irq(*irq)) == Some(IrqKind::Lsi(wire)))
}

/// The endpoint that a requester is in.
fn pe_of(board: &Board, device: usize) -> PeNumber {
    let bdf = board.model.with_fabric(|fabric| fabric.bdf(device));
    // Reads of nowhere are refused, which stops whoever asked.
    assert!(board.model.forged_read(bdf, 1 << 40).is_err());
    let mut host = board.host.lock();
    let stopped = (0..host.caps().pes).map(PeNumber);
    let stopped: Vec<_> = stopped
        .filter(|pe| host.freeze_state(*pe) != Freeze::empty())
        .collect();
    for pe in &stopped {
        host.thaw(*pe, Freeze::all()).expect("thawed");
    }
    assert_eq!(stopped.len(), 1);
    stopped[0]
}

#[test]
fn a_function_is_given_with_all_that_is_its() {
    let mut bench = Bench::new();
    let board = bench.board();
    let given = bench.give(CARD_PATH, 3);
    let index = given.owner.index;
    let place = &board.plan.functions[index];
    assert_eq!((given.owner.bridge, given.owner.lpid), (0, 3));
    assert_eq!(pe_of(board, CARD), place.pe);
    assert_eq!(given.owner.window.pe, place.pe);
    assert_eq!(given.owner.window.bytes, 2 << 20);
    let block = given.owner.block.expect("it sends messages");
    assert_eq!(block.count, 8);
    assert_eq!(given.owner.lsi, lsi(board, 0));

    let function = &given.function;
    assert_eq!(function.location, CARD_PATH);
    assert_eq!(function.liobn, Liobn(0x8000_0000 | u32::from(place.pe.0)));
    assert_eq!(
        function.buid.0,
        0x0800_0000_0000_0000 | u64::from(function.liobn.0)
    );
    assert_eq!((function.ids.vendor, function.ids.device), (0x1234, 1));
    assert_eq!(function.lsi, given.owner.lsi.map(Irq));
    assert_eq!(function.first_msi.0, block.first.0);
    assert_eq!(function.reserved_msis, 8);
    assert_eq!((function.msi_capability, function.msix_capability), (8, 16));
    assert_eq!(function.window_start, given.owner.window.bus_base);
    assert_eq!(function.window_bytes, 2 << 20);
    assert_eq!(given.window.liobn(), function.liobn);
    assert_eq!(given.window.bytes(), 2 << 20);

    let bars = &function.bars;
    assert_eq!([bars[0].index, bars[1].index], [0, 2]);
    assert_eq!([bars[0].bytes, bars[1].bytes], [1 << 15, 1 << 24]);
    assert_eq!(
        [bars[0].space, bars[1].space],
        [BarSpace::Memory32, BarSpace::Memory64]
    );
    assert_eq!([bars[0].prefetchable, bars[1].prefetchable], [false, true]);
    // Whole pages of 64 KiB, and no page of anybody else's.
    let pages: Vec<_> = given.mmio.iter().map(|range| range.bytes).collect();
    assert_eq!(pages, [1 << 16, 1 << 24]);
    for (range, bar) in given.mmio.iter().zip(bars) {
        assert_eq!(range.start.0, bar.real.0);
        assert_eq!(board.model.segment_pe(range.start.0), Some(place.pe));
    }
    // It decodes memory, and neither masters nor pulls its wire; it has no messages.
    assert_eq!(board.config(CARD, COMMAND, 2), 2);
    assert_eq!(board.config(CARD, MSI + 2, 2) & 1, 0);
    bench.good();
}

#[test]
fn what_is_given_already_is_refused_with_its_owner() {
    let mut bench = Bench::new();
    bench.give(CARD_PATH, 1);
    bench.give(OLD_PATHS[0], 2);
    let mut refused = |path, lpid| bench.assign(path, lpid, WISH).err();
    assert_eq!(refused(CARD_PATH, 1), Some(AssignError::Owned(1)));
    assert_eq!(refused(CARD_PATH, 2), Some(AssignError::Owned(1)));
    assert_eq!(refused(OLD_PATHS[0], 1), Some(AssignError::Owned(2)));
    // One requester with the first, whoever asks for it.
    assert_eq!(refused(OLD_PATHS[1], 1), Some(AssignError::Shared(2)));
    assert_eq!(refused(OLD_PATHS[1], 2), Some(AssignError::Shared(2)));
    assert_eq!(bench.owners.iter().count(), 2);
    // Its neighbour on the same device is another requester.
    bench.give(CARD_B_PATH, 2);
    bench.good();
}

#[test]
fn bridges_and_what_is_not_there_are_refused() {
    let mut bench = Bench::new();
    let mut refused = |path| bench.assign(path, 1, WISH).err();
    for path in ["phb0/00.0", "phb0/00.0/00.0", "phb0/00.0/00.0/02.0/00.0"] {
        assert_eq!(refused(path), Some(AssignError::Bridge), "{path}");
    }
    for path in [
        "phb1/00.0/00.0/00.0/00.0",
        "phb0/00.0/00.0/00.0/01.0",
        "phb0/00.0/00.0/00.0/00.0/00.0",
    ] {
        assert_eq!(refused(path), Some(AssignError::NoFunction), "{path}");
    }
    assert_eq!(bench.owners.iter().count(), 0);
}

#[test]
fn the_same_place_on_another_bridge_is_another_function() {
    let mut bench = Bench::of(2);
    let first = bench.give(CARD_PATH, 1);
    let second = bench.give("phb1/00.0/00.0/00.0/00.0", 2);
    assert_eq!([first.owner.bridge, second.owner.bridge], [0, 1]);
    assert_eq!(first.owner.window.pe, second.owner.window.pe);
    assert_ne!(first.function.liobn, second.function.liobn);
    assert_ne!(first.function.buid, second.function.buid);
    assert_ne!(first.function.first_msi, second.function.first_msi);
    assert!(second.owner.lsi.is_some());
    assert_ne!(first.owner.lsi, second.owner.lsi);
    bench.good();
}

#[test]
fn wires_turn_at_each_bridge_and_have_one_owner() {
    let mut bench = Bench::new();
    let board = bench.board();
    // The port's number, and behind the bridge to conventional PCI the device's as well.
    for (path, wire) in [(CARD_PATH, 0), (DISK_PATH, 1), (OLD_PATHS[0], 3)] {
        let given = bench.give(path, 1);
        assert!(given.owner.lsi.is_some(), "{path}");
        assert_eq!(given.owner.lsi, lsi(board, wire), "{path}");
    }
    // The card's other function pulls the first one's wire: it has messages only, and shows no pin.
    let other = bench.give(CARD_B_PATH, 1);
    assert_eq!((other.owner.lsi, other.function.lsi), (None, None));
    assert_eq!(board.config(CARD_B, 0x3d, 1), 1);
    assert_eq!(other.function.access.read(0x3d, 1), Ok(0));
    assert_eq!(board.config(CARD_B, COMMAND, 2) & 0x400, 0x400);
}

#[test]
fn messages_are_a_power_of_two_up_to_a_block_and_one_at_least() {
    for (wanted, count) in [
        (0, 1),
        (1, 1),
        (3, 2),
        (8, 8),
        (31, 16),
        (33, 32),
        (2048, 32),
    ] {
        let mut bench = Bench::new();
        let wish = Wish {
            msis: wanted,
            ..WISH
        };
        let given = bench.assign(DISK_PATH, 1, wish).expect("it is free");
        let block = given.owner.block.expect("it sends messages");
        assert_eq!(block.count, count, "{wanted}");
        assert_eq!(given.function.reserved_msis, count.into());
        bench.good();
    }
    let mut bench = Bench::new();
    let old = bench.give(OLD_PATHS[0], 1);
    assert_eq!(old.owner.block, None);
    assert_eq!(
        (old.function.first_msi, old.function.reserved_msis),
        (Irq(0), 0)
    );
}

#[test]
fn what_cannot_be_given_is_nobodys_as_before_and_can_be_given_again() {
    let mut bench = Bench::new();
    let board = bench.board();
    let reserved = board.host.lock().caps().reserved_pe;
    let silent = |bench: &Bench| {
        assert_eq!(bench.owners.iter().count(), 0);
        assert_eq!(board.config(DISK, COMMAND, 2), 0);
        assert_eq!(pe_of(board, DISK), reserved);
    };
    let path = DISK_PATH.parse().expect("a location");
    let none = bench
        .owners
        .assign(bench.boards, &path, 1, WISH, |bytes, align| {
            assert_eq!((bytes, align), (4096, 4096));
            None
        });
    assert_eq!(none.err(), Some(AssignError::Memory(512)));
    silent(&bench);
    // Less than the smallest table; and memory at a place that no table of that size may have.
    let wish = Wish {
        window_bytes: 1 << 20,
        ..WISH
    };
    let small = bench.assign(DISK_PATH, 1, wish);
    assert_eq!(small.err(), Some(AssignError::Table));
    silent(&bench);
    // All messages are somebody's.
    let pe = PeNumber(200);
    let mut taken = Vec::new();
    board.locked(|host| {
        while let Ok(block) = host.msi_alloc(pe, 1) {
            taken.push(block);
        }
    });
    let deaf = bench.assign(DISK_PATH, 1, WISH);
    assert_eq!(
        deaf.err(),
        Some(AssignError::Messages(ioda::MsiError::NoVector))
    );
    silent(&bench);
    board.locked(|host| {
        for block in &taken {
            host.msi_free(block).expect("it was handed out");
        }
    });
    // The endpoint has no window left.
    let pe = board.plan.functions[board
        .topology
        .find(&path)
        .map(|(index, _)| index)
        .expect("it is there")]
    .pe;
    let cells: &'static [BeU64] = Vec::leak((0..512).map(|_| BeU64::new(0)).collect());
    let table = ioda::TceTable::new(cells, 0x7000_0000, 12).expect("a table");
    let windows: Vec<_> = board
        .locked(|host| core::iter::from_fn(|| host.dma_create(pe, &table, None).ok()).collect());
    let closed = bench.assign(DISK_PATH, 1, WISH);
    assert_eq!(closed.err(), Some(AssignError::Window(IodaError::NoWindow)));
    silent(&bench);
    board.locked(|host| {
        for window in &windows {
            host.dma_destroy(window).expect("it is open");
        }
    });
    bench.give(DISK_PATH, 1);
    assert_ne!(pe_of(board, DISK), reserved);
    bench.good();
}

#[test]
fn windows_in_slots_have_half_a_slot_at_least() {
    use crate::assign::window_bytes;
    use ioda::DmaModel;
    let board = Board::new(0);
    let own = *board.host.lock().caps();
    let slots = ioda::Caps {
        dma: DmaModel::SharedSlots {
            count: 12,
            slot_shift: 28,
        },
        ..own
    };
    assert_eq!(window_bytes(&own, 1 << 21), 1 << 21);
    assert_eq!(window_bytes(&slots, 1 << 21), 1 << 27);
    assert_eq!(window_bytes(&slots, 1 << 27), 1 << 27);
    assert_eq!(window_bytes(&slots, 1 << 30), 1 << 30);
}

#[test]
fn refusals_say_what_to_change() {
    let said = |error: AssignError| error.to_string();
    assert!(said(AssignError::NoFunction).contains("the log lists"));
    assert!(said(AssignError::Bridge).contains("behind it"));
    assert_eq!(
        said(AssignError::Owned(4)),
        "it belongs to partition 4 already"
    );
    assert!(said(AssignError::Shared(4)).contains("partition 4"));
    assert!(said(AssignError::Memory(512)).contains("512 entries"));
    for error in [
        AssignError::Table,
        AssignError::Window(IodaError::NoWindow),
        AssignError::Dma(lpar::dma::DmaError::Empty(Liobn(1))),
    ] {
        assert!(said(error).starts_with("dma_window: "), "{error:?}");
    }
    assert!(said(AssignError::Messages(ioda::MsiError::NoVector)).starts_with("msi_quota: "));
    let apply = pci::ApplyError::Function;
    assert_eq!(said(AssignError::Activate(apply)), apply.to_string());
}

/// Notes what a bridge is told to forget.
#[derive(Default)]
struct Told(Lock<Vec<(bool, u64, u64)>>);

impl ioda::TceFlush for Told {
    fn tce_flush(&self, _: &ioda::DmaWindow, range: ioda::TceRange) {
        let ioda::TceRange::Pages { first, count } = range else {
            panic!("all of it");
        };
        self.0
            .lock()
            .expect("one thread")
            .push((false, first, count));
    }
    fn tce_flush_page(&self, _: &ioda::DmaWindow, bus: u64) {
        self.0.lock().expect("one thread").push((true, bus, 1));
    }
    fn tce_wait(&self) -> Result<(), ioda::ResetError> {
        Ok(())
    }
}

#[test]
fn one_page_is_forgotten_by_address_and_more_by_index() {
    let told = keep(Told::default());
    let window = ioda::DmaWindow {
        tve: ioda::TveIndex(1),
        pe: PeNumber(1),
        bus_base: 0x1000_0000,
        bytes: 1 << 21,
        page_shift: 12,
        table_real: 0,
    };
    let flush = crate::Flush::new(told, window);
    flush.invalidate(0x1000_3000, 1);
    flush.invalidate(0x1000_3000, 2);
    flush.invalidate(0x1000_0000, 512);
    assert_eq!(
        *told.0.lock().expect("one thread"),
        [(true, 0x1000_3000, 1), (false, 3, 2), (false, 0, 512)]
    );
}
