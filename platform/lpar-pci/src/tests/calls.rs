use super::*;
use crate::{AllSources, Bridges, Strays};
use ioda::IrqBackend;
use lpar::machine::{Failed, ForeignIrq, Sources};
use lpar::pci::{ConfigError, MsiAddress, MsiKind, PciAccess};
use papr_abi::Irq;

/// The messages that a device is told to send first: address and data; none if it is not enabled for any.
fn told(board: &Board, device: usize) -> (u64, u32) {
    let get = |at, bytes| board.config(device, MSI + at, bytes);
    (
        u64::from(get(8, 4)) << 32 | u64::from(get(4, 4)),
        get(12, 2),
    )
}

fn intx_is_off(board: &Board, device: usize) -> bool {
    board.config(device, COMMAND, 2) & 0x400 != 0
}

#[test]
fn messages_are_those_of_the_functions_own_block() {
    let mut bench = Bench::new();
    let board = bench.board();
    let given = bench.give(CARD_PATH, 1);
    let block = given.owner.block.expect("it sends messages");
    let first = given.function.first_msi;
    let access = given.access;
    assert!(!intx_is_off(board, CARD));

    assert_eq!(
        access.program_msi(MsiKind::Msi, MsiAddress::Any, first, 4),
        Ok(())
    );
    assert_eq!(told(board, CARD), (block.address64, block.data.into()));
    assert_eq!(board.config(CARD, MSI + 2, 2) & 0x70, 2 << 4);
    assert!(intx_is_off(board, CARD));
    // Enabling them is the owner's.
    assert_eq!(board.config(CARD, MSI + 2, 2) & 1, 0);

    access
        .program_msi(MsiKind::Msi, MsiAddress::Bits32, first, 1)
        .expect("it can");
    assert_eq!(
        told(board, CARD),
        (block.address32.into(), block.data.into())
    );

    access.release_msi();
    assert_eq!(told(board, CARD), (0, 0));
    assert!(!intx_is_off(board, CARD));
    bench.good();
}

#[test]
fn messages_of_a_table_are_written_to_it_one_by_one() {
    let mut bench = Bench::new();
    let board = bench.board();
    let given = bench.give(CARD_PATH, 1);
    let block = given.owner.block.expect("it sends messages");
    let first = given.function.first_msi;
    let access = given.access;
    access
        .program_msi(MsiKind::Msi, MsiAddress::Any, first, 2)
        .expect("it can");
    access
        .program_msi(MsiKind::MsiX, MsiAddress::Any, first, 3)
        .expect("it can");
    // Of two kinds there is one at a time.
    assert_eq!(told(board, CARD), (0, 0));
    let table = given.function.bars[0].real.0 + 0x4000;
    for entry in 0..3 {
        let at = table + 16 * entry;
        let word = |by| board.model.load(at + by).expect("it answers");
        let address = u64::from(word(4)) << 32 | u64::from(word(0));
        let data = u64::from(word(8));
        assert_eq!(
            (address, data),
            (block.address64, u64::from(block.data) + entry)
        );
    }
    assert_eq!(board.model.load(table + 48).expect("it answers"), 0);
    assert!(intx_is_off(board, CARD));
    // The owner enables them; releasing them does the opposite.
    access.write(MSIX + 2, 2, 0x8000).expect("its own");
    access.release_msi();
    assert_eq!(board.config(CARD, MSIX + 2, 2) & 0x8000, 0);
    assert!(!intx_is_off(board, CARD));
    bench.good();
}

#[test]
fn other_messages_than_its_own_are_refused_and_change_nothing() {
    let mut bench = Bench::new();
    let board = bench.board();
    let given = bench.give(CARD_PATH, 1);
    let other = bench.give(DISK_PATH, 2);
    let first = given.function.first_msi;
    let access = given.access;
    access
        .program_msi(MsiKind::Msi, MsiAddress::Any, first, 4)
        .expect("it can");
    let before = told(board, CARD);
    for (first, count) in [
        (other.function.first_msi, 1),
        (Irq(first.0 + 1), 1),
        (Irq(first.0.wrapping_sub(1)), 1),
        (first, 9),
        (first, u32::MAX),
        (first, 1 << 16),
    ] {
        for kind in [MsiKind::Msi, MsiKind::MsiX] {
            let done = access.program_msi(kind, MsiAddress::Any, first, count);
            assert_eq!(done, Err(Failed), "{first:?} {count}");
            assert_eq!(told(board, CARD), before);
        }
    }
    // One that has no messages at all.
    let old = bench.give(OLD_PATHS[0], 1);
    let done = old
        .access
        .program_msi(MsiKind::Msi, MsiAddress::Any, Irq(0), 1);
    assert_eq!(done, Err(Failed));
    bench.good();
}

#[test]
fn who_cannot_have_messages_has_none_and_its_wire() {
    let mut bench = Bench::new();
    let board = bench.board();
    let given = bench.give(CARD_PATH, 1);
    let first = given.function.first_msi;
    let access = given.access;
    let program = |kind, count| {
        access
            .program_msi(MsiKind::Msi, MsiAddress::Any, first, 4)
            .expect("it can");
        assert!(intx_is_off(board, CARD));
        let done = access.program_msi(kind, MsiAddress::Any, first, count);
        assert_eq!(done, Err(Failed));
        assert_eq!(told(board, CARD), (0, 0));
        assert_eq!(board.config(CARD, MSI + 2, 2) & 1, 0);
        assert!(!intx_is_off(board, CARD));
    };
    // Three are no power of two.
    program(MsiKind::Msi, 3);
    // They would not arrive.
    board.is_deaf.store(true, SeqCst);
    for kind in [MsiKind::Msi, MsiKind::MsiX] {
        board.is_deaf.store(false, SeqCst);
        access
            .program_msi(MsiKind::Msi, MsiAddress::Any, first, 4)
            .expect("it can");
        board.is_deaf.store(true, SeqCst);
        assert_eq!(
            access.program_msi(kind, MsiAddress::Any, first, 1),
            Err(Failed)
        );
        assert_eq!(told(board, CARD), (0, 0));
        assert!(!intx_is_off(board, CARD));
    }
    board.is_deaf.store(false, SeqCst);
    // Without such a capability.
    let disk = bench.give(DISK_PATH, 1);
    let first = disk.function.first_msi;
    let done = disk
        .access
        .program_msi(MsiKind::MsiX, MsiAddress::Any, first, 1);
    assert_eq!(done, Err(Failed));
    assert!(!intx_is_off(board, DISK));
    bench.good();
}

#[test]
fn config_space_answers_as_rtas_wants_it() {
    let mut bench = Bench::new();
    let board = bench.board();
    let given = bench.give(CARD_PATH, 1);
    let access = given.access;
    assert_eq!(access.read(0, 4), Ok(0x0001_1234));
    access.write(COMMAND, 2, 6).expect("its own");
    assert_eq!(board.config(CARD, COMMAND, 2), 6);
    // Offsets and widths that do not go together are those of no register.
    assert_eq!(access.read(1, 2), Err(ConfigError::Absent));
    assert_eq!(access.write(2, 4, 0), Err(ConfigError::Absent));
    board.model.fence();
    assert_eq!(access.read(0, 4), Err(ConfigError::Hardware));
    assert_eq!(access.write(COMMAND, 2, 0), Err(ConfigError::Hardware));
    let first = given.function.first_msi;
    let done = access.program_msi(MsiKind::Msi, MsiAddress::Any, first, 1);
    assert_eq!(done, Err(Failed));
}

/// The boards of a bench, as the machine has its bridges.
struct All(&'static [Board]);

impl Bridges for All {
    type Bridge = Board;
    fn all(&self) -> &'static [Board] {
        self.0
    }
}

#[test]
fn sources_are_those_of_their_bridge() {
    let mut bench = Bench::of(2);
    let given = [
        bench.give(CARD_PATH, 1),
        bench.give("phb1/00.0/00.0/00.0/00.0", 2),
    ];
    let sources = AllSources(All(bench.boards));
    for (number, function) in given.iter().enumerate() {
        let irq = function.function.first_msi;
        let block = function.owner.block.expect("it sends messages");
        let send = || {
            for (index, board) in bench.boards.iter().enumerate() {
                if index == number {
                    let sent = board
                        .model
                        .message(CARD, block.address64, block.data.into());
                    assert_eq!(sent, Ok(()));
                }
            }
        };
        let came = || {
            let boards = bench.boards.iter().map(|board| board.model.deliveries());
            let came = boards.map(|list| list.iter().map(|one| (one.irq, one.server)).collect());
            came.collect::<Vec<Vec<_>>>()
        };
        function.access.write(COMMAND, 2, 6).expect("its own");
        assert!(sources.exists(irq));
        assert_eq!(sources.set_target(irq, 8, 5), Ok(()));
        send();
        let mut want = [vec![], vec![]];
        want[number] = vec![(irq.0, 8)];
        assert_eq!(came(), want);
        // In service, until its end.
        send();
        assert_eq!(came(), [vec![], vec![]]);
        sources.eoi(irq);
        assert_eq!(came(), want);
        sources.eoi(irq);
        sources.reset(irq);
        send();
        assert_eq!(came(), [vec![], vec![]]);
        // An interrupt that is no partition's is masked where it came from.
        sources.reset(irq);
        sources.set_target(irq, 8, 5).expect("it exists");
        Strays(AllSources(All(bench.boards))).handle(irq, 8);
        send();
        assert_eq!(came(), [vec![], vec![]]);
    }
    let ports = bench.boards.iter().map(|board| board.port.irqs());
    let past = ports.map(|irqs| irqs.end).max().expect("two bridges");
    for irq in [0, past, u32::MAX] {
        assert!(!sources.exists(Irq(irq)), "{irq:#x}");
        assert_eq!(sources.set_target(Irq(irq), 8, 5), Err(Failed));
        sources.reset(Irq(irq));
        sources.eoi(Irq(irq));
    }
    bench.good();
}
