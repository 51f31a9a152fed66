//! A bridge that shuts itself off and is brought back, and what its functions' owners find.

use super::endpoint::{answers, bar, sends, settle, work};
use super::*;
use crate::{Access, Lost, Revival, Revived, end_resets};
use ioda::{Event, Freeze, ResetError, TceFlush};
use lpar::eeh::{Endpoint, Outage};
use lpar::machine::Failed;
use lpar::pci::{MsiAddress, MsiKind, PciAccess};

/// One tick each millisecond.
const SECOND: u64 = 1000;

/// Shuts the bridge off and brings it back as whoever looks at it ten times a second does; `meanwhile` is called at each
/// look.
fn revive(
    revival: &mut Revival,
    board: &'static Board,
    accesses: &[&Access<Board>],
    meanwhile: impl Fn(),
) -> Revived {
    board.model.fence();
    assert_eq!(board.locked(|host| host.next_event()), Some(Event::Fenced));
    let all = || accesses.iter().copied();
    let start = 5u64.wrapping_neg();
    let mut now = start;
    let mut revived = revival.begin(now, board, all());
    while revived == Revived::Pending {
        assert!(revival.is_off());
        meanwhile();
        now = now.wrapping_add(100);
        revived = revival.carry_on(now, board, all());
        assert!(now.wrapping_sub(start) < 120 * SECOND, "it ends");
    }
    revived
}

/// What the owner does about it.
fn recover(given: &Given<Board>) {
    let access = given.access;
    access.begin_reset().expect("it can");
    access.end_reset().expect("it can");
    settle(access);
    access.thaw(Freeze::all()).expect("it can");
    assert_eq!(access.restore(), Ok(true));
    work(given);
}

#[test]
fn functions_are_stopped_and_recover_one_by_one_when_their_bridge_is_back() {
    let mut bench = Bench::new();
    let board = bench.board();
    let half = bench.give(CARD_B_PATH, 1);
    let disk = bench.give(DISK_PATH, 2);
    [&half, &disk].into_iter().for_each(work);
    let first = disk.function.first_msi;
    let messages = disk
        .access
        .program_msi(MsiKind::Msi, MsiAddress::Any, first, 4);
    messages.expect("it can");
    let before = [0x10, 0x18, 0x1c, u32::from(MSI) + 4, u32::from(MSI) + 12]
        .map(|at| (at, board.config(DISK, at as u16, 4)));
    let accesses = [half.access, disk.access];

    let mut revival = Revival::new(SECOND);
    let revived = revive(&mut revival, board, &accesses, || {
        for access in accesses {
            assert!(matches!(access.outage(), Some(Outage::Passing(1..))));
            assert_eq!(access.stopped(), Freeze::all());
            assert_eq!(access.begin_reset(), Err(Failed));
            assert_eq!(access.stop(Freeze::all()), Err(Failed));
            assert_eq!(access.thaw(Freeze::all()), Err(Failed));
            assert!(access.read(0, 4).is_err());
        }
    });
    assert_eq!(revived, Revived::Back);
    assert!(!revival.is_off());
    let event = board.locked(|host| host.next_event());
    assert!(matches!(event, Some(Event::Frozen(_))), "{event:?}");
    assert_eq!(board.config(DISK, COMMAND, 2) & 6, 0, "it was reset");
    for (given, index) in [(&half, CARD_B), (&disk, DISK)] {
        assert_eq!(given.access.outage(), None);
        assert_eq!(given.access.stopped(), Freeze::all());
        // Its driver cannot go on as if nothing had been.
        assert_eq!(given.access.thaw(Freeze::MMIO), Err(Failed));
        work(given);
        assert!(!answers(board, bar(given)) && !sends(board, index, given));
    }

    recover(&half);
    assert!(answers(board, bar(&half)) && sends(board, CARD_B, &half));
    assert_eq!(disk.access.stopped(), Freeze::all());
    assert!(!answers(board, bar(&disk)) && !sends(board, DISK, &disk));

    recover(&disk);
    assert!(answers(board, bar(&disk)) && sends(board, DISK, &disk));
    for (at, value) in before {
        assert_eq!(board.config(DISK, at as u16, 4), value, "{at:#x}");
    }
    assert_eq!(half.access.stopped(), Freeze::empty());
}

#[test]
fn windows_translate_as_before_once_their_function_has_recovered() {
    let mut bench = Bench::new();
    let board = bench.board();
    let disk = bench.give(DISK_PATH, 1);
    work(&disk);
    let window = disk.owner.window;
    let rid = board.topology.functions[disk.owner.index].bdf;
    let dma = || board.model.forged_write(rid, window.bus_base + 0x3008);
    bench.table[3].store(0x7000_0000 | 3);
    board.port.tce_flush_page(&window, window.bus_base + 0x3000);
    assert_eq!(dma(), Ok(0x7000_0008));
    let mut revival = Revival::new(SECOND);
    let revived = revive(&mut revival, board, &[disk.access], || ());
    assert_eq!(revived, Revived::Back);
    assert!(dma().is_err());
    recover(&disk);
    assert_eq!(dma(), Ok(0x7000_0008));
}

#[test]
fn a_reset_that_was_overtaken_is_over() {
    let mut bench = Bench::new();
    let board = bench.board();
    let given = [CARD_B_PATH, DISK_PATH].map(|path| bench.give(path, 1));
    let accesses = given.each_ref().map(|given| given.access);
    for access in accesses {
        access.begin_reset().expect("it can");
    }
    let mut revival = Revival::new(SECOND);
    let revived = revive(&mut revival, board, &accesses, || {
        // One owner ends its reset meanwhile.
        accesses[1].end_reset().expect("there is nothing to do");
        assert!(matches!(accesses[1].settle(), Ok(Some(_))));
    });
    assert_eq!(revived, Revived::Back);
    accesses[0].end_reset().expect("it can");
    for given in &given {
        settle(given.access);
        given.access.thaw(Freeze::all()).expect("it can");
        assert_eq!(given.access.restore(), Ok(true));
        assert!(answers(board, bar(given)));
    }
}

#[test]
fn who_cannot_recover_is_stopped_until_its_partition_starts_anew() {
    let mut bench = Bench::new();
    let board = bench.board();
    let card = bench.give(CARD_PATH, 1);
    work(&card);
    let mut revival = Revival::new(SECOND);
    let revived = revive(&mut revival, board, &[card.access], || ());
    assert_eq!(revived, Revived::Back);
    assert_eq!(card.access.stopped(), Freeze::all());
    assert!(card.access.begin_reset().is_err());
    assert!(!answers(board, bar(&card)) && !sends(board, CARD, &card));
    end_resets(&[card.access], &mut |_| ());
    assert_eq!(card.access.stopped(), Freeze::empty());
    work(&card);
    assert!(answers(board, bar(&card)) && sends(board, CARD, &card));
    // What the operator has stopped stays so.
    card.access.stop(Freeze::all()).expect("it can");
    end_resets(&[card.access], &mut |_| ());
    assert_eq!(card.access.stopped(), Freeze::all());
}

#[test]
fn a_bridge_that_shuts_itself_off_again_and_again_is_left_off() {
    let mut bench = Bench::new();
    let board = bench.board();
    let disk = bench.give(DISK_PATH, 1);
    let mut revival = Revival::new(SECOND);
    for _ in 0..5 {
        let revived = revive(&mut revival, board, &[disk.access], || ());
        assert_eq!(revived, Revived::Back);
        recover(&disk);
        assert!(answers(board, bar(&disk)));
    }
    let revived = revive(&mut revival, board, &[disk.access], || ());
    assert_eq!(revived, Revived::Lost(Lost::TooOften));
    assert!(revival.is_off());
    assert_eq!(disk.access.outage(), Some(Outage::Final));
    assert_eq!(disk.access.begin_reset(), Err(Failed));
    let all = [disk.access].into_iter();
    assert_eq!(revival.carry_on(1, board, all), Revived::Pending);
    assert!(
        Lost::Reset(ResetError::Fenced).to_string().len() > 5
            && Lost::Endless.to_string() != Lost::TooOften.to_string()
    );
}
