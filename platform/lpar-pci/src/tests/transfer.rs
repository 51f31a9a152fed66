//! Functions that go from one partition to another.

use super::endpoint::{answers, bar, sends, work};
use super::*;
use crate::TransferError;
use ioda::Freeze;
use lpar::eeh::Endpoint;
use lpar::pci::{MsiAddress, MsiKind, PciAccess};

const READ_WRITE: u64 = 3;

/// Gives the function to partition `to`.
fn goes(bench: &mut Bench, given: &Given<Board>, to: u32) -> Result<(), TransferError> {
    let boards = bench.boards;
    bench.owners.transfer(boards, given.access, to)
}

/// What of its window the device reaches, for reading.
fn reaches(board: &Board, device: usize, at: u64) -> bool {
    let bdf = board.model.with_fabric(|fabric| fabric.bdf(device));
    let reached = board.model.forged_read(bdf, at).is_ok();
    let mut host = board.host.lock();
    for pe in (0..host.caps().pes).map(ioda::PeNumber) {
        if host.freeze_state(pe) != Freeze::empty() {
            host.thaw(pe, Freeze::all()).expect("thawed");
        }
    }
    reached
}

#[test]
fn a_function_that_went_has_its_numbers_and_nothing_of_its_former_owner() {
    let mut bench = Bench::new();
    let board = bench.board();
    let given = bench.give(DISK_PATH, 1);
    let other = bench.give(CARD_PATH, 3);
    [&given, &other].into_iter().for_each(work);
    let (window, block) = (given.owner.window, given.owner.block.expect("it has"));
    given.access.table.cells[0].store(0x9000_0000 | READ_WRITE);
    let first = given.function.first_msi;
    let program = |count| {
        given
            .access
            .program_msi(MsiKind::Msi, MsiAddress::Any, first, count)
    };
    program(4).expect("it can");
    assert!(reaches(board, DISK, window.bus_base));
    // What its owner has set of its own registers, and is in the middle of.
    given.access.write(0x10, 4, u32::MAX).expect("its own");
    given.access.write(0x0c, 1, 0x10).expect("its own");

    given.access.renew(&mut |_| ()).expect("it comes back");
    goes(&mut bench, &given, 2).expect("it goes");
    let owner = *bench.owners.iter().next().expect("it has an owner");
    assert_eq!(
        (owner.lpid, owner.window, owner.block),
        (2, window, Some(block))
    );
    assert!(!reaches(board, DISK, window.bus_base));
    assert!(given.access.table.cells.iter().all(|cell| cell.load() == 0));
    // It decodes memory and masters nothing; its message is not set up; its registers are no address of sizes.
    assert_eq!(board.config(DISK, COMMAND, 2) & 6, 2);
    assert_eq!(board.config(DISK, MSI + 2, 2) & 1, 0);
    assert_eq!(board.config(DISK, MSI + 4, 4), 0);
    assert_eq!(board.config(DISK, 0x0c, 1), 0);
    assert_eq!(
        u64::from(given.access.read(0x10, 4).expect("read")) & !0xf,
        given.function.bars[0].bus
    );
    assert!(answers(board, bar(&given)));
    assert_eq!(given.access.stopped(), Freeze::empty());
    // Others went on all the while.
    assert!(answers(board, bar(&other)) && sends(board, CARD, &other));

    // Its new owner uses it as the first one did.
    work(&given);
    program(2).expect("it can");
    given.access.table.cells[1].store(0x9000_0000 | READ_WRITE);
    assert!(reaches(board, DISK, window.bus_base + 0x1000));
    assert!(sends(board, DISK, &given));
    bench.good();
}

#[test]
fn it_goes_any_number_of_times() {
    let mut bench = Bench::new();
    let given = bench.give(CARD_B_PATH, 1);
    for to in 0..40 {
        given.access.renew(&mut |_| ()).expect("it comes back");
        goes(&mut bench, &given, 1 + to % 3).expect("it goes");
        assert_eq!(bench.owners.iter().count(), 1);
    }
    bench.good();
}

#[test]
fn what_nothing_resets_alone_is_not_renewed_and_what_is_nobodys_does_not_go() {
    let mut bench = Bench::new();
    let given = bench.give(CARD_PATH, 1);
    assert!(
        given
            .access
            .renew(&mut |_| panic!("nothing to wait for"))
            .is_err()
    );
    let boards = bench.boards;
    bench.owners = Owners::new();
    let gone = bench.owners.transfer(boards, given.access, 2);
    assert_eq!(gone, Err(TransferError::NotOwned));
}

#[test]
fn a_function_whose_bridge_is_gone_stays_where_it_is_or_is_nobodys() {
    let mut bench = Bench::new();
    let given = bench.give(DISK_PATH, 1);
    bench.board().model.fence();
    assert!(given.access.renew(&mut |_| ()).is_err());
    assert!(goes(&mut bench, &given, 2).is_err());
    assert_eq!(bench.owners.iter().count(), 0);
}
