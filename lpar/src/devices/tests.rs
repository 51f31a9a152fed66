use super::*;
use crate::mmio::MmioRange;
use crate::testing::bench::{Bench, LSI, MSI};
use crate::testing::{FakeBridge, RAM_BASE, RAM_BYTES, cells, leak};
use crate::vio;
use crate::xics::Trigger;
use papr_abi::{GuestRealAddr, IoAddr, Irq, Liobn, RealAddr};

const CARD: &str = "phb0/00.0/00.0";
const DISK: &str = "phb1/00.0/00.0";

fn ram(base: u64) -> GuestRam {
    GuestRam::new(cells(RAM_BYTES as usize / 8), RealAddr(base))
}

fn window(liobn: Liobn) -> DmaWindow {
    let bridge: &'static FakeBridge = leak(FakeBridge::default());
    DmaWindow::new(liobn, IoAddr(0), 12, cells(512), bridge).unwrap()
}

fn pages(start: u64) -> MmioRange {
    MmioRange {
        start: GuestRealAddr(start),
        bytes: 0x1_0000,
    }
}

const CARDS: u64 = 0x3_ff80_0080_0000;
const DISKS: u64 = 0x3_d010_0000_0000;

/// The devices of a partition with these of a card and a disk, its memory at `base`.
fn devices(functions: &[&Arc<PciFunction>], base: u64) -> (Devices, GuestRam) {
    let ram = ram(base);
    let windows = functions.iter().map(|function| window(function.liobn));
    let dma = DmaWindows::new(windows.collect(), &ram).unwrap();
    let at = |function: &&Arc<PciFunction>| {
        pages(if function.location == CARD {
            CARDS
        } else {
            DISKS
        })
    };
    let mmio = Mmio::new(functions.iter().map(at).collect(), RAM_BYTES).unwrap();
    let devices = Devices::new(
        functions.iter().copied().cloned().collect(),
        mmio,
        dma,
        vio::irqs(0),
        0,
    );
    (devices, ram)
}

fn pair() -> [Arc<PciFunction>; 2] {
    let bench = Bench::new();
    [0, 1].map(|n| Arc::clone(&bench.lpar.pci[n]))
}

fn registers(starts: &[u64]) -> Mmio {
    Mmio::new(starts.iter().copied().map(pages).collect(), RAM_BYTES).unwrap()
}

#[test]
fn a_function_goes_with_all_that_leads_to_it() {
    let [card, disk] = pair();
    let (mut from, _) = devices(&[&card, &disk], RAM_BASE);
    let (mut to, to_ram) = devices(&[], 0x8000_0000);
    // What its owner had mapped.
    from.dma
        .find(card.liobn)
        .unwrap()
        .entry(IoAddr(0))
        .unwrap()
        .store(RAM_BASE | 3);
    let removed = from.remove(CARD, registers(&[DISKS])).unwrap();
    assert!(from.dma.find(card.liobn).is_none() && from.dma.find(disk.liobn).is_some());
    assert_eq!([MSI, LSI].map(|irq| from.xics.trigger(irq)), [None, None]);
    assert_eq!(from.xics.trigger(Irq(0x848)), Some(Trigger::Edge));
    assert_eq!(from.xics.trigger(vio::EPOW_IRQ), Some(Trigger::Virtual));
    let at = GuestRealAddr(CARDS);
    assert_eq!(from.mmio.real(at, 4), None);
    assert_eq!(from.pci.len(), 1);

    to.insert(removed, registers(&[CARDS]), &to_ram).unwrap();
    assert_eq!(to.pci[0].location, CARD);
    assert_eq!(to.mmio.real(at, 4), Some(RealAddr(CARDS)));
    assert_eq!(to.xics.trigger(MSI), Some(Trigger::Edge));
    assert_eq!(to.xics.trigger(LSI), Some(Trigger::Level));
    let window = to.dma.find(card.liobn).unwrap();
    // Nothing of what was mapped is left, and entries are checked against the new owner's memory.
    assert_eq!(window.mapped().count(), 0);
    assert_eq!(window.map().host(0x1003).unwrap().bits(), 0x8000_1003);
    assert_eq!(window.map().host(RAM_BYTES | 3), None);
}

#[test]
fn a_window_that_is_nobodys_permits_nothing() {
    let [card, _] = pair();
    let (mut from, _) = devices(&[&card], RAM_BASE);
    let removed = from.remove(CARD, registers(&[])).unwrap();
    assert_eq!(removed.window.map().host(0x1003), None);
    assert_eq!(from.dma.iter().count(), 0);
}

#[test]
fn functions_go_there_and_back_any_number_of_times() {
    let [card, disk] = pair();
    let (mut one, one_ram) = devices(&[&card], RAM_BASE);
    let (mut two, two_ram) = devices(&[&disk], 0x8000_0000);
    for _ in 0..20 {
        let removed = one.remove(CARD, registers(&[])).unwrap();
        two.insert(removed, registers(&[CARDS, DISKS]), &two_ram)
            .unwrap();
        assert!(one.dma.find(card.liobn).is_none());
        assert_eq!(two.dma.iter().count(), 2);
        assert!(two.dma.find(card.liobn).is_some() && two.dma.find(disk.liobn).is_some());
        let removed = two.remove(CARD, registers(&[DISKS])).unwrap();
        one.insert(removed, registers(&[CARDS]), &one_ram).unwrap();
        assert!(two.dma.find(card.liobn).is_none() && two.dma.find(disk.liobn).is_some());
    }
    assert_eq!((one.pci.len(), two.pci.len()), (1, 1));
}

#[test]
fn what_a_partition_has_no_room_for_is_told_before() {
    let [card, disk] = pair();
    let (one, _) = devices(&[&card, &disk], RAM_BASE);
    let (two, two_ram) = devices(&[&disk], 0x8000_0000);
    let room = |liobn| two.dma.check(one.dma.find(liobn).unwrap(), &two_ram);
    assert_eq!(room(card.liobn), Ok(()));
    assert_eq!(room(disk.liobn), Err(DmaError::Twice(disk.liobn)));
}

#[test]
fn what_is_not_there_is_not_taken() {
    let [card, _] = pair();
    let (mut one, _) = devices(&[&card], RAM_BASE);
    assert!(one.remove(DISK, registers(&[])).is_none());
    assert_eq!((one.pci.len(), one.dma.iter().count()), (1, 1));
    assert_eq!(one.mmio.ranges(), [pages(CARDS)]);
}
