//! Stopping and resetting one function and no other.

use super::*;
use crate::{Access, end_resets};
use ioda::{Freeze, Pest};
use lpar::eeh::{Endpoint, ResetBy};
use lpar::pci::{MsiAddress, MsiKind, PciAccess};

const MEMORY: u32 = 2;
const MASTER: u32 = 4;

/// Lets the function master the bus and maps page 0 of its window.
pub(super) fn work(given: &Given<Board>) {
    given
        .access
        .write(COMMAND, 2, MEMORY | MASTER)
        .expect("its own");
}

/// Whether device `index` of the fabric answers at its first BAR, at `real`.
pub(super) fn answers(board: &Board, real: u64) -> bool {
    board.model.load(real).is_ok()
}
/// Whether its message arrives.
pub(super) fn sends(board: &Board, index: usize, given: &Given<Board>) -> bool {
    let block = given.owner.block.expect("it sends messages");
    board
        .model
        .message(index, block.address64, block.data.into())
        .is_ok()
}
pub(super) fn bar(given: &Given<Board>) -> u64 {
    given.function.bars[0].real.0
}

/// Waits, in steps, until the reset is over.
pub(super) fn settle(access: &Access<Board>) -> Vec<u32> {
    let mut waits = vec![];
    while let Some(ms) = access.settle().expect("the bridge is fine") {
        waits.push(ms);
        assert!(waits.len() < 1000);
    }
    waits
}

#[test]
fn who_can_be_reset_alone_has_a_way_back_and_how_is_known() {
    let mut bench = Bench::new();
    let by = |bench: &mut Bench, path| {
        let recovery = bench.give(path, 1).function.recovery;
        recovery.map(|recovery| recovery.by)
    };
    // The other half of its card would be reset too.
    assert_eq!(by(&mut bench, CARD_PATH), None);
    assert_eq!(by(&mut bench, CARD_B_PATH), Some(ResetBy::Function));
    assert_eq!(by(&mut bench, DISK_PATH), Some(ResetBy::Bus));
    // Behind one bridge to conventional PCI.
    assert_eq!(by(&mut bench, OLD_PATHS[0]), None);
}

#[test]
fn what_is_stopped_neither_answers_nor_sends_and_others_do() {
    let mut bench = Bench::new();
    let board = bench.board();
    let [card, disk] = [CARD_PATH, DISK_PATH].map(|path| bench.give(path, 1));
    [&card, &disk].into_iter().for_each(work);
    let access = disk.access;
    for what in [Freeze::MMIO, Freeze::DMA, Freeze::all()] {
        assert!(answers(board, bar(&disk)) && sends(board, DISK, &disk));
        assert_eq!(access.stop(what), Ok(()));
        assert_eq!(access.stopped(), what);
        assert_eq!(access.stopped_here(), what);
        assert_eq!(answers(board, bar(&disk)), !what.contains(Freeze::MMIO));
        assert_eq!(sends(board, DISK, &disk), !what.contains(Freeze::DMA));
        assert!(answers(board, bar(&card)) && sends(board, CARD, &card));
        // By the function's own registers too, whatever the bridge does about it.
        assert_eq!(
            board.config(DISK, COMMAND, 2) & MEMORY != 0,
            !what.contains(Freeze::MMIO)
        );
        // Its owner cannot undo that.
        access.write(COMMAND, 2, MEMORY | MASTER).ok();
        assert_eq!(answers(board, bar(&disk)), !what.contains(Freeze::MMIO));
        assert_eq!(access.thaw(what), Ok(()));
        assert_eq!(access.stopped(), Freeze::empty());
    }
    assert!(answers(board, bar(&disk)) && sends(board, DISK, &disk));
}

#[test]
fn mmio_goes_on_before_dma() {
    let mut bench = Bench::new();
    let board = bench.board();
    let disk = bench.give(DISK_PATH, 1);
    work(&disk);
    let access = disk.access;
    access.stop(Freeze::all()).expect("it can");
    access.thaw(Freeze::MMIO).expect("it can");
    assert_eq!(access.stopped(), Freeze::DMA);
    assert!(answers(board, bar(&disk)) && !sends(board, DISK, &disk));
    access.thaw(Freeze::DMA).expect("it can");
    assert!(sends(board, DISK, &disk));
}

/// Resets device `index` and looks at `other` all the while.
fn resets(path: &str, index: usize, other_path: &str, other_index: usize, waits: &[u32]) {
    let mut bench = Bench::new();
    let board = bench.board();
    let [given, other] = [path, other_path].map(|path| bench.give(path, 1));
    [&given, &other].into_iter().for_each(work);
    let access = given.access;
    let first = given.function.first_msi;
    let program = |count| access.program_msi(MsiKind::Msi, MsiAddress::Any, first, count);
    program(4).expect("it can");
    let before = [0x10, 0x18, 0x1c, u32::from(MSI) + 4, u32::from(MSI) + 12]
        .map(|at| (at, board.config(index, at as u16, 4)));
    let is_undisturbed = || {
        assert!(answers(board, bar(&other)) && sends(board, other_index, &other));
        assert_eq!(other.access.stopped(), Freeze::empty());
    };

    assert_eq!(access.begin_reset(), Ok(()));
    assert!(access.is_resetting());
    assert!(!answers(board, bar(&given)) && !sends(board, index, &given));
    assert_eq!(access.settle(), Ok(None));
    is_undisturbed();
    assert_eq!(access.end_reset(), Ok(()));
    assert_eq!(settle(access), waits);
    assert!(!answers(board, bar(&given)) && !sends(board, index, &given));
    is_undisturbed();
    assert_eq!(board.config(index, 0x10, 4), 0, "it was reset");

    assert_eq!(access.thaw(Freeze::all()), Ok(()));
    assert!(!access.is_resetting());
    assert_eq!(access.stopped(), Freeze::empty());
    assert_eq!(access.restore(), Ok(true));
    for (at, value) in before {
        assert_eq!(board.config(index, at as u16, 4), value, "{at:#x}");
    }
    assert!(answers(board, bar(&given)));
    // Its owner lets it master the bus.
    work(&given);
    assert!(sends(board, index, &given));
    is_undisturbed();
}

#[test]
fn a_function_is_reset_by_itself_and_its_neighbour_goes_on() {
    resets(CARD_B_PATH, CARD_B, CARD_PATH, CARD, &[100]);
}

#[test]
fn a_function_alone_on_its_bus_is_reset_with_that_and_others_go_on() {
    resets(DISK_PATH, DISK, CARD_PATH, CARD, &[1000]);
}

#[test]
fn a_reset_takes_what_an_error_has_stopped() {
    let mut bench = Bench::new();
    let board = bench.board();
    let given = bench.give(CARD_B_PATH, 1);
    work(&given);
    let (access, pe) = (given.access, given.owner.window.pe);
    board
        .locked(|host| host.freeze(pe, Freeze::all()))
        .expect("the endpoint is there");
    assert_eq!(access.stopped(), Freeze::all());
    assert_eq!(access.stopped_here(), Freeze::empty());
    access.begin_reset().expect("it can");
    assert_eq!(board.config(CARD_B, 0x10, 4), 0, "it was reset");
    access.end_reset().expect("it can");
    settle(access);
    access.thaw(Freeze::all()).expect("it can");
    assert_eq!(access.restore(), Ok(true));
    assert!(answers(board, bar(&given)));
}

#[test]
fn dma_that_is_refused_stops_its_function_and_no_other_until_its_owner_resets_it() {
    let mut bench = Bench::new();
    let board = bench.board();
    let [half, disk] = [CARD_B_PATH, DISK_PATH].map(|path| bench.give(path, 1));
    [&half, &disk].into_iter().for_each(work);
    let bdf = board.topology.functions[half.owner.index].bdf;
    // A page of its window that its owner has not mapped.
    let refused = board
        .model
        .forged_write(bdf, half.owner.window.bus_base + 0x5000);
    assert!(refused.is_err());
    assert_eq!(half.access.stopped(), Freeze::all());
    assert_eq!(half.access.stopped_here(), Freeze::empty());
    assert_ne!(half.access.cause(), Pest::default());
    assert!(!answers(board, bar(&half)) && !sends(board, CARD_B, &half));
    assert_eq!(disk.access.stopped(), Freeze::empty());
    assert!(answers(board, bar(&disk)) && sends(board, DISK, &disk));
    half.access.begin_reset().expect("it can");
    half.access.end_reset().expect("it can");
    settle(half.access);
    half.access.thaw(Freeze::all()).expect("it can");
    assert_eq!(half.access.restore(), Ok(true));
    work(&half);
    assert!(answers(board, bar(&half)) && sends(board, CARD_B, &half));
}

#[test]
fn resets_under_way_come_to_an_end_with_their_partition() {
    let mut bench = Bench::new();
    let board = bench.board();
    let [held, rests, idle] = [CARD_B_PATH, DISK_PATH, CARD_PATH].map(|path| bench.give(path, 1));
    held.access.begin_reset().expect("it can");
    rests.access.begin_reset().expect("it can");
    rests.access.end_reset().expect("it can");
    let mut waited = 0;
    end_resets(&[held.access, rests.access, idle.access], &mut |ms| {
        waited += ms
    });
    assert_eq!(waited, 1100);
    for given in [&held, &rests] {
        given.access.thaw(Freeze::all()).expect("it can");
        assert!(!given.access.is_resetting());
        assert_eq!(given.access.restore(), Ok(true));
        assert!(answers(board, bar(given)));
    }
}

#[test]
fn a_fenced_bridge_resets_nothing() {
    let mut bench = Bench::new();
    let disk = bench.give(DISK_PATH, 1);
    bench.board().model.fence();
    assert_eq!(disk.access.stopped(), Freeze::all());
    assert!(disk.access.begin_reset().is_err());
    assert!(!disk.access.is_resetting());
    assert!(disk.access.thaw(Freeze::all()).is_err());
}

/// A bridge with one device and no switch.
#[test]
fn a_device_alone_below_the_root_port_is_reset_by_the_bridge() {
    let mut fabric = Fabric::new(Device::bridge(0x1014, 0x03dc, 4));
    let nic = Device::endpoint(0x8086, 0x10d3, 0x02_0000)
        .with_bar32(0, 1 << 17)
        .with_express(0, 0)
        .with_msi(0);
    assert_eq!(fabric.add(0, 0, nic), 1);
    let mut bench = Bench::on(vec![Board::with(0, fabric)]);
    let board = bench.board();
    let given = bench.give("phb0/00.0/00.0", 1);
    assert_eq!(
        given.function.recovery.map(|recovery| recovery.by),
        Some(ResetBy::Bus)
    );
    let access = given.access;
    access.begin_reset().expect("it can");
    access.end_reset().expect("it can");
    assert!(!settle(access).is_empty());
    assert_eq!(board.config(1, 0x10, 4), 0, "it was reset");
    access.thaw(Freeze::all()).expect("it can");
    assert_eq!(access.restore(), Ok(true));
    assert!(answers(board, bar(&given)));
}
