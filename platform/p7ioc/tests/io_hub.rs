//! From a machine's `io-hub` nodes, as firmware makes them, to the bridges of its hubs.

use ioda::PhbId;
use p7ioc::hub::{Facts, FactsError, Processor};
use powernv::{IoHub, TreeError, io_hubs};
use vm_fdt::FdtWriter;

/// A hub's node: chip, link, windows, sources, mask of bridges.
#[derive(Clone, Copy)]
struct Node {
    chip: u32,
    gx: u32,
    bars: [u64; 2],
    buid_ext: u32,
    presence: Option<u32>,
}

const FIRST: Node = Node {
    chip: 1,
    gx: 0,
    bars: [0x3e_0000_0000, 0x80_0000_0000],
    buid_ext: 0x21,
    presence: Some(0xa4),
};
const SECOND: Node = Node {
    chip: 1,
    gx: 1,
    bars: [0x3c_0000_0000, 0x100_0000_0000],
    buid_ext: 0x22,
    presence: None,
};

fn tree(nodes: &[Node]) -> Vec<u8> {
    let mut tree = FdtWriter::new().expect("a tree");
    let root = tree.begin_node("").expect("its root");
    for node in nodes {
        let [bar1, bar2] = node.bars;
        let name = format!("io-hub@{bar1:x}");
        let hub = tree.begin_node(&name).expect("a node");
        let compatible = ["ibm,p7ioc", "ibm,ioda-hub"].map(String::from).to_vec();
        tree.property_string_list("compatible", compatible)
            .expect("compatible");
        tree.property_array_u64("reg", &[bar1, 32 << 20])
            .expect("reg");
        for (name, value) in [
            ("ibm,chip-id", node.chip),
            ("ibm,gx-index", node.gx),
            ("ibm,buid-ext", node.buid_ext),
        ] {
            tree.property_u32(name, value).expect("a number");
        }
        tree.property_u64("ibm,gx-bar-1", bar1).expect("a window");
        tree.property_u64("ibm,gx-bar-2", bar2).expect("a window");
        if let Some(mask) = node.presence {
            tree.property_u32("ibm,br1-presence-detect", mask)
                .expect("a mask");
        }
        tree.end_node(hub).expect("its end");
    }
    tree.end_node(root).expect("its end");
    tree.finish().expect("the bytes")
}

fn facts(hub: &IoHub) -> Result<Facts, FactsError> {
    Facts::new(
        Processor::Power7Plus,
        hub.chip,
        hub.gx,
        [hub.gx_bar1, hub.gx_bar2],
        hub.buid_ext,
        hub.presence,
    )
}

fn facts_of(node: Node) -> Result<Facts, FactsError> {
    let hubs = io_hubs(&tree(&[node])).expect("each value is possible by itself");
    let [hub] = hubs.as_slice() else {
        panic!("one hub");
    };
    facts(hub)
}

#[test]
fn a_machine_s_hubs_have_their_bridges_where_the_tree_says() {
    let hubs = io_hubs(&tree(&[SECOND, FIRST])).expect("two good hubs");
    let [first, second] = [0, 1].map(|n| facts(&hubs[n]).expect("good facts"));
    let want = Facts {
        chip: 1,
        gx: 0,
        processor: Processor::Power7Plus,
        gx_bar1: 0x3e_0000_0000,
        gx_bar2: 0x80_0000_0000,
        buid_ext: 0x21,
        presence: Some(0xa4),
    };
    assert_eq!(first, want);
    let names: Vec<PhbId> = first
        .phbs()
        .chain(second.phbs())
        .map(|layout| layout.id)
        .collect();
    let indices = [0, 2, 5, 6, 7, 8, 9, 10, 11];
    assert_eq!(names, indices.map(|index| PhbId { chip: 1, index }));
    let third = first.phbs().nth(1).expect("the third is there");
    assert_eq!(third.asb, 0x3e_0002_0000);
    assert_eq!(third.m64, 0x80_0000_0000 + 3 * 0x8_0000_0000);
    assert_eq!(third.msi_irq, (0x21 << 9 | 0xe0) << 4);
    let last = second.phbs().last().expect("all six are there");
    assert_eq!(last.m32_real(), 0x105_c000_0000);
    assert_eq!(second.hub_irq(), (0x22 << 9 | 0x10) << 4);
}

#[test]
fn what_no_hub_can_have_is_refused_though_the_tree_is_good() {
    let [bar1, bar2] = FIRST.bars;
    for (bars, name, real) in [
        ([bar1 + (1 << 32), bar2], "ibm,gx-bar-1", bar1 + (1 << 32)),
        ([bar1, bar2 + (1 << 33)], "ibm,gx-bar-2", bar2 + (1 << 33)),
        ([bar2 + (8 << 30), bar2], "ibm,gx-bar-2", bar2),
        ([1 << 48, bar2], "ibm,gx-bar-1", 1 << 48),
    ] {
        let found = facts_of(Node { bars, ..FIRST });
        assert_eq!(found, Err(FactsError::Bar(name, real)), "{bars:x?}");
    }
    for mask in [0, 0x01, 0xfe] {
        let presence = Some(mask.into());
        let found = facts_of(Node { presence, ..FIRST });
        assert_eq!(found, Err(FactsError::Presence(mask)));
    }
}

#[test]
fn values_that_do_not_come_from_a_tree_are_checked_too() {
    let with = |gx, buid_ext| {
        Facts::new(
            Processor::Power7,
            0,
            gx,
            FIRST.bars,
            buid_ext,
            FIRST.presence.map(|mask| mask as u8),
        )
    };
    assert!(with(1, 0x7f).is_ok());
    assert_eq!(with(2, 0x7f), Err(FactsError::Gx(2)));
    assert_eq!(with(1, 0x80), Err(FactsError::BuidExt(0x80)));
    let absurd = io_hubs(&tree(&[Node { gx: 2, ..FIRST }]));
    assert!(matches!(absurd, Err(TreeError::Absurd { .. })));
}
