//! Machines to draw: real drivers on the models of their chips, set up as the hypervisor sets them up, printed by the code
//! that prints there.

use driver_bench::Bridge;
use ioda::IrqKind;
use ioda_model::{Device, Fabric};
use map_dump::{BridgeView, Grant, Record};

/// A device of a fabric: below which of the switch's ports, and whose.
struct Card {
    device: Device,
    /// Partition, entries of the DMA table, messages.
    owner: Option<(u32, usize, u16)>,
}

fn card(device: Device, owner: Option<(u32, usize, u16)>) -> Card {
    Card { device, owner }
}

fn nvme() -> Device {
    Device::endpoint(0x144d, 0xa822, 0x01_0802)
        .with_bar32(0, 16 << 10)
        .with_msi(4)
        .with_express(0, 1 << 28)
        .with_intx(0)
}

fn ethernet() -> Device {
    Device::endpoint(0x8086, 0x10d3, 0x02_0000)
        .with_bar32(0, 128 << 10)
        .with_bar32(1, 128 << 10)
        .with_msi(2)
        .with_express(0, 1 << 28)
        .with_intx(0)
}

fn accelerator(bytes: u64) -> Device {
    Device::endpoint(0x10de, 0x15f8, 0x03_0200)
        .with_bar32(0, 16 << 20)
        .with_bar64(1, bytes)
        .with_msi(0)
        .with_express(0, 0)
}

/// A switch below `root`, with a port for each card.
fn fabric(root: Device, cards: &[Card]) -> Fabric {
    let mut fabric = Fabric::new(root);
    let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
    for (slot, card) in (0u8..).zip(cards) {
        let port = fabric.add(up, slot << 3, Device::bridge(0x104c, 0x8233, 6));
        fabric.add(port, 0, card.device.clone());
    }
    fabric
}

/// Gives the cards to their owners, and prints the bridge.
fn give(phb: u8, bridge: &mut Bridge, cards: &[Card], lines: &mut Vec<String>) {
    let topology = pci::scan(phb, &mut *bridge.host).expect("it answers");
    let plan = pci::plan(&topology, bridge.host.caps()).expect("it fits");
    plan.apply(&topology, &mut *bridge.host).expect("placed");
    let devices = topology.functions.iter().enumerate();
    let devices: Vec<usize> = devices
        .filter(|(_, function)| function.is_endpoint())
        .map(|(index, _)| index)
        .collect();
    assert_eq!(devices.len(), cards.len());
    let mut grants = Vec::new();
    for (index, card) in devices.into_iter().zip(cards) {
        let Some((lpid, entries, messages)) = card.owner else {
            continue;
        };
        let pe = plan.functions[index].pe;
        plan.activate(&topology, index, &mut *bridge.host)
            .expect("nobody's until now");
        let table = bridge.table(entries);
        let window = bridge.host.dma_create(pe, &table, None).expect("room");
        let msis = bridge.host.msi_alloc(pe, messages).expect("room");
        let is_free = |irq: &u32| grants.iter().all(|grant: &Grant| grant.lsi != Some(*irq));
        let wire = topology.functions[index].intx.and_then(|wire| {
            let mut irqs = bridge.port.irqs().filter(is_free);
            irqs.find(|irq| bridge.port.kind(ioda::Irq(*irq)) == Some(IrqKind::Lsi(wire)))
        });
        grants.push(Grant {
            index,
            lpid,
            window,
            msis: Some(msis),
            lsi: wire,
        });
    }
    assert_eq!(bridge.complaints(), Vec::<String>::new());
    let grant_of = |index| grants.iter().copied().find(|grant| grant.index == index);
    let view = BridgeView {
        phb,
        caps: bridge.host.caps(),
        first_msi: map_dump::first_msi(bridge.port),
        topology: &topology,
        plan: &plan,
    };
    map_dump::bridge(&view, &grant_of, &mut |record| {
        lines.push(record.to_string());
    });
}

/// A whole dump, as on a console.
fn dump(partitions: &[&str], bridges: impl FnOnce(&mut Vec<String>)) -> String {
    let mut lines = vec![Record::Begin.to_string()];
    for (lpid, name) in (1u32..).zip(partitions) {
        map_dump::partition(lpid, name, &mut |record| lines.push(record.to_string()));
    }
    bridges(&mut lines);
    let end = Record::End {
        lines: lines.len() as u32,
    };
    lines.push(end.to_string());
    lines
        .into_iter()
        .map(|line| format!("bulkhead| {line}\n"))
        .collect()
}

/// A PHB3 with a card of each of two partitions, an accelerator with a 64-bit window, and a card that is nobody's.
pub(crate) fn phb3() -> String {
    let cards = [
        card(nvme(), Some((1, 1 << 18, 16))),
        card(ethernet(), Some((2, 1 << 15, 4))),
        card(accelerator(16 << 30), Some((2, 1 << 19, 1))),
        card(nvme(), None),
    ];
    let mut bridge = driver_bench::start_phb3(fabric(driver_bench::phb3_root(), &cards));
    dump(&["linux", "db"], |lines| {
        give(0, &mut bridge, &cards, lines);
    })
}

/// A P7IOC bridge with cards of three partitions, two of which share a 64-bit window segment by segment; a card that is
/// nobody's has its place there too.
pub(crate) fn p7ioc() -> String {
    let cards = [
        card(nvme(), Some((1, 1 << 16, 16))),
        card(ethernet(), Some((2, 1 << 17, 4))),
        card(accelerator(4 << 30), Some((3, 1 << 15, 1))),
        card(accelerator(2 << 30), Some((1, 1 << 16, 4))),
        card(accelerator(1 << 30), None),
    ];
    let mut bridge = driver_bench::start_p7ioc(fabric(driver_bench::p7ioc_root(), &cards));
    dump(&["linux", "db", "batch"], |lines| {
        give(2, &mut bridge, &cards, lines);
    })
}
