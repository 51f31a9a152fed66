use super::*;
use crate::caps::CapSet;
use crate::{
    Bar, BarKind, BridgePort, Function, FunctionPlan, Isolation, M64Share, Path, Place, PlanError,
    Role,
};
use ioda::{
    Bdf, Caps, DmaModel, M32Caps, M64Caps, M64Kinds, M64Map, M64Window, MmioIo, PageShifts,
    PeNumber, RidRule,
};
use proptest::collection::vec;
use proptest::prelude::*;

const SEGMENT: u64 = 8 << 20;

fn caps() -> Caps {
    Caps {
        pes: 256,
        reserved_pe: PeNumber(255),
        rids: RidRule::AnySet,
        m32: M32Caps {
            real: 0x3_ff80_0000_0000,
            pci: 0x8000_0000,
            segment_shift: 23,
            segments: 256,
        },
        m64: Some(M64Caps {
            real: 0x3_d000_0000_0000,
            bytes: 64 << 30,
            windows: 16,
            kinds: M64Kinds::SINGLE_PE | M64Kinds::SEGMENT_IS_PE,
            single_pe_shift: 25,
            segments: 256,
        }),
        dma: DmaModel::PerPe { windows: 2 },
        page_shifts: PageShifts::of(&[12]),
        tce_levels: 5,
        msis: 0x7f8,
    }
}

pub(super) fn function(
    index: usize,
    parent: Option<usize>,
    role: Role,
    bars: [Option<Bar>; 6],
) -> Function {
    Function {
        bdf: Bdf::new(index as u8, 0, 0),
        path: Path::root(0).child(index as u8).expect("one step"),
        parent,
        vendor: 1,
        device: 2,
        subsystem: (0, 0),
        class: 0,
        revision: 0,
        role,
        isolation: Isolation::Alone,
        bars,
        intx: None,
        msi: None,
        msix: None,
        has_flr: false,
        caps: CapSet::default(),
    }
}

pub(super) fn bar(kind: BarKind, shift: u32) -> Option<Bar> {
    Some(Bar {
        kind,
        bytes: 1 << shift,
        flags: 0,
    })
}

pub(super) const BRIDGE: Role = Role::Bridge {
    port: BridgePort::Down,
    secondary: 1,
    subordinate: 9,
};

/// A tree: each function below the root port or an earlier bridge, with BARs of 16 bytes to 1 GiB.
pub(super) fn trees() -> impl Strategy<Value = Topology> {
    let kinds = prop_oneof![
        Just(BarKind::Io),
        Just(BarKind::Mem32),
        Just(BarKind::Mem64),
        Just(BarKind::Mem64Prefetch),
    ];
    let bars = vec((kinds, 4..28u32, 0..6usize), 0..4);
    let huge = (28..31u32, prop::bool::weighted(0.2));
    let node = (
        any::<prop::sample::Index>(),
        prop::bool::weighted(0.4),
        bars,
        huge,
    );
    vec(node, 1..24).prop_map(|nodes| {
        let mut functions = vec![function(0, None, BRIDGE, [None; 6])];
        for (above, is_bridge, list, (huge, has_huge)) in nodes {
            let bridges: Vec<usize> = (0..functions.len())
                .filter(|index| !functions[*index].is_endpoint())
                .collect();
            let mut bars = [None; 6];
            for (kind, shift, slot) in list {
                bars[if is_bridge { slot % 2 } else { slot }] = bar(kind, shift);
            }
            if has_huge && !is_bridge {
                bars[0] = bar(BarKind::Mem64Prefetch, huge);
            }
            let role = if is_bridge { BRIDGE } else { Role::Endpoint };
            functions.push(function(
                functions.len(),
                Some(bridges[above.index(bridges.len())]),
                role,
                bars,
            ));
        }
        Topology { functions }
    })
}

/// The functions from `index` up to the root port.
pub(super) fn above(topology: &Topology, index: usize) -> Vec<usize> {
    core::iter::successors(topology.functions[index].parent, |index| {
        topology.functions[*index].parent
    })
    .collect()
}

proptest! {
    fn a_plan_keeps_endpoints_apart_and_bridges_tight(topology in trees()) {
        let caps = caps();
        let Ok(plan) = plan(&topology, &caps) else { return Ok(()) };
        let mut owners = [None; 256];
        let mut places: Vec<(u64, u64)> = Vec::new();
        for (index, (function, planned)) in topology.functions.iter().zip(&plan.functions).enumerate() {
            let expected = if function.is_endpoint() { planned.pe != caps.reserved_pe } else { planned.pe == caps.reserved_pe };
            prop_assert!(expected);
            for segment in planned.segments.clone() {
                let before = owners[usize::from(segment)].replace(index);
                prop_assert_eq!(before, None, "segment {} twice", segment);
            }
            for (number, (bar, place)) in function.bars.iter().zip(&planned.bars).enumerate() {
                let Some(bar) = bar else { prop_assert_eq!(*place, None); continue };
                prop_assert_eq!(place.is_some(), bar.kind != BarKind::Io);
                let Some(place) = place else { continue };
                prop_assert_eq!(place.bytes, bar.bytes);
                prop_assert_eq!(place.pci % bar.bytes, 0);
                let end = place.pci + place.bytes;
                places.push((place.pci, end));
                match place.place {
                    Place::M32 => {
                        prop_assert!(place.pci >= caps.m32.pci && end <= 0xffff_0000);
                        prop_assert_eq!(place.real - caps.m32.real, place.pci - caps.m32.pci);
                        let segments = ((place.pci - caps.m32.pci) / SEGMENT) as u16..=((end - 1 - caps.m32.pci) / SEGMENT) as u16;
                        for segment in segments {
                            prop_assert_eq!(owners[usize::from(segment)], Some(index));
                        }
                    }
                    Place::M64(window) => {
                        prop_assert_eq!(bar.kind, BarKind::Mem64Prefetch);
                        prop_assert_eq!(place.real, place.pci);
                        let share = planned.m64[number].expect("it has a window");
                        let M64Share::Whole(number, M64Map::SinglePe { base, shift, pe }) = share else { panic!("{share:?}") };
                        prop_assert_eq!(number, window);
                        prop_assert_eq!((base, pe), (place.pci, planned.pe));
                        prop_assert!(1u64 << shift >= bar.bytes && base % (1 << shift) == 0);
                    }
                }
                for bridge in above(&topology, index) {
                    let windows = &plan.functions[bridge];
                    let window = if place.place == Place::M32 { windows.memory } else { windows.prefetch };
                    prop_assert!(window.base <= place.pci && end <= window.base + window.bytes);
                }
            }
        }
        places.sort_unstable();
        for pair in places.windows(2) {
            prop_assert!(pair[0].1 <= pair[1].0, "{:x?} overlap", pair);
        }
        // A bridge's window starts and ends with something of its own, and is a multiple of what it can hold.
        for (bridge, windows) in plan.functions.iter().enumerate() {
            let below = (0..topology.functions.len()).filter(|index| above(&topology, *index).contains(&bridge));
            let used: Vec<_> = below.flat_map(|index| plan.functions[index].segments.clone()).collect();
            let first = used.iter().min().map_or(0, |segment| caps.m32.pci + u64::from(*segment) * SEGMENT);
            let last = used.iter().max().map_or(0, |segment| caps.m32.pci + (u64::from(*segment) + 1) * SEGMENT);
            prop_assert_eq!(windows.memory.bytes, last - first);
            if !used.is_empty() {
                prop_assert_eq!(windows.memory.base, first);
            }
            for (index, planned) in plan.functions.iter().enumerate() {
                let is_below = above(&topology, index).contains(&bridge);
                for segment in planned.segments.clone() {
                    let pci = caps.m32.pci + u64::from(segment) * SEGMENT;
                    let inside = windows.memory.base <= pci && pci < windows.memory.base + windows.memory.bytes;
                    prop_assert_eq!(inside, is_below, "bridge {} forwards what is not below it", bridge);
                }
            }
            prop_assert_eq!(windows.prefetch.base % (1 << 20), 0);
        }
    }

    fn everything_small_fits(topology in vec(4..22u32, 1..60).prop_map(|shifts| {
        let mut functions = vec![function(0, None, BRIDGE, [None; 6])];
        for shift in shifts {
            let mut bars = [None; 6];
            bars[0] = bar(BarKind::Mem32, shift);
            functions.push(function(functions.len(), Some(0), Role::Endpoint, bars));
        }
        Topology { functions }
    })) {
        prop_assert!(plan(&topology, &caps()).is_ok());
    }
}

fn large_bars_go_to_64_bit_windows_only_when_the_others_would_not_fit() {
    let mut bars = [None; 6];
    bars[0] = bar(BarKind::Mem64Prefetch, 30);
    let gpu = |index| function(index, Some(0), Role::Endpoint, bars);
    let one = Topology {
        functions: vec![function(0, None, BRIDGE, [None; 6]), gpu(1)],
    };
    let planned = plan(&one, &caps()).expect("it fits");
    assert_eq!(
        planned.functions[1].bars[0].map(|bar| bar.place),
        Some(Place::M32)
    );
    assert_eq!(planned.functions[1].segments.len(), 128);
    let two = Topology {
        functions: vec![function(0, None, BRIDGE, [None; 6]), gpu(1), gpu(2)],
    };
    let planned = plan(&two, &caps()).expect("one of them moves");
    let moved = planned
        .functions
        .iter()
        .filter(|plan| plan.m64[0].is_some());
    assert!(
        moved.clone().all(|plan| plan.pe.0 % 32 == 0),
        "QEMU cuts other windows short"
    );
    assert_eq!(moved.count(), 1);
}

fn functions_in_no_tree_have_their_places_apart() {
    let mut bars = [None; 6];
    bars[0] = bar(BarKind::Mem32, 20);
    let parents = [None, Some(1), Some(3), Some(2), Some(usize::MAX)];
    let functions = parents.into_iter().enumerate();
    let functions = functions.map(|(index, parent)| function(index, parent, BRIDGE, bars));
    let topology = Topology {
        functions: functions.collect(),
    };
    let planned = plan(&topology, &caps()).expect("it fits");
    let m32 = caps().m32;
    let mut places: Vec<u64> = planned
        .functions
        .iter()
        .map(|plan| plan.bars[0].expect("placed").pci)
        .collect();
    places.sort_unstable();
    let segments = (0..5).map(|n| m32.pci + (n << m32.segment_shift));
    assert!(places.iter().copied().eq(segments), "{places:x?}");
}

fn what_does_not_fit_is_named() {
    let mut bars = [None; 6];
    bars[0] = bar(BarKind::Mem32, 30);
    let functions = vec![
        function(0, None, BRIDGE, [None; 6]),
        function(1, Some(0), Role::Endpoint, bars),
        function(2, Some(0), Role::Endpoint, bars),
    ];
    let error = plan(&Topology { functions }, &caps()).expect_err("2 GiB less the messages");
    assert!(matches!(error, PlanError::M32 { bytes, .. } if bytes == 1 << 30));
    assert!(error.to_string().starts_with("phb0/00."), "{error}");

    bars[0] = bar(BarKind::Mem64Prefetch, 31);
    let mut functions = vec![function(0, None, BRIDGE, [None; 6])];
    (0..17).for_each(|_| functions.push(function(functions.len(), Some(0), Role::Endpoint, bars)));
    let error = plan(&Topology { functions }, &caps()).expect_err("16 windows");
    assert!(matches!(error, PlanError::M64 { bytes, .. } if bytes == 1 << 31));

    let mut functions = vec![function(0, None, BRIDGE, [None; 6])];
    (0..255).for_each(|_| {
        functions.push(function(
            functions.len(),
            Some(0),
            Role::Endpoint,
            [None; 6],
        ))
    });
    let error = plan(&Topology { functions }, &caps()).expect_err("254 endpoints");
    assert!(matches!(error, PlanError::Pe { .. }));
}

/// A root port and below it one function for each BAR.
pub(super) fn flat(bars: impl IntoIterator<Item = (BarKind, u32)>) -> Topology {
    let mut functions = vec![function(0, None, BRIDGE, [None; 6])];
    for (kind, shift) in bars {
        let mut own = [None; 6];
        own[0] = bar(kind, shift);
        functions.push(function(functions.len(), Some(0), Role::Endpoint, own));
    }
    Topology { functions }
}

/// The window that is the first BAR's alone.
fn whole(plan: &FunctionPlan) -> Option<(M64Window, M64Map)> {
    match plan.m64[0]? {
        M64Share::Whole(window, map) => Some((window, map)),
        share => panic!("{share:?}"),
    }
}

fn the_64_bit_area_is_used_to_its_end_and_not_beyond() {
    for (shift, fits) in [(35, true), (36, true), (37, false)] {
        let planned = plan(&flat([(BarKind::Mem64Prefetch, shift)]), &caps());
        assert_eq!(planned.is_ok(), fits, "2^{shift} of 2^36 bytes");
    }
    for (count, fits) in [(15, true), (16, true), (17, false)] {
        let bars = (0..count).map(|_| (BarKind::Mem64Prefetch, 31));
        let planned = plan(&flat(bars), &caps());
        assert_eq!(planned.is_ok(), fits, "{count} of 16 windows");
        let planned = planned.map_or(Vec::new(), |planned| planned.functions);
        let mut windows: Vec<u8> = planned
            .iter()
            .filter_map(|plan| Some(whole(plan)?.0.0))
            .collect();
        windows.sort_unstable();
        assert!(windows.into_iter().eq(0..if fits { count } else { 0 }));
    }
}

fn a_small_bar_gets_the_smallest_64_bit_window_whole() {
    // The 32-bit window, full but for the messages' segment, and two BARs that can move.
    let full = (23..=30).map(|shift| (BarKind::Mem32, shift));
    let moved = [(BarKind::Mem64Prefetch, 24), (BarKind::Mem64Prefetch, 20)];
    let planned = plan(&flat(full.clone().chain(moved)), &caps()).expect("it fits");
    let area = caps().m64.expect("it has one").real;
    for (index, (plan, bytes)) in
        (0u64..).zip(planned.functions[9..].iter().zip([1 << 24, 1 << 20]))
    {
        let (window, map) = whole(plan).expect("it moved");
        assert_eq!(u64::from(window.0), index);
        let base = area + (index << 25);
        let pe = plan.pe;
        assert_eq!(
            map,
            M64Map::SinglePe {
                base,
                shift: 25,
                pe
            }
        );
        assert_eq!(
            plan.bars[0].map(|bar| (bar.pci, bar.bytes)),
            Some((base, bytes))
        );
    }
    // Without such windows, or without any, nothing can move.
    let mut segmented = caps();
    if let Some(m64) = &mut segmented.m64 {
        m64.kinds = M64Kinds::SEGMENT_IS_PE;
    }
    let none = Caps {
        m64: None,
        ..caps()
    };
    for caps in [segmented, none] {
        let error = plan(&flat(full.clone().chain(moved)), &caps).expect_err("full");
        assert!(matches!(error, PlanError::M32 { bytes, .. } if bytes == 1 << 30));
        assert!(plan(&flat(full.clone()), &caps).is_ok());
    }
    // Nor do others than prefetchable ones of 64 bits.
    for kind in [BarKind::Mem32, BarKind::Mem64] {
        assert!(plan(&flat(full.clone().chain([(kind, 20)])), &caps()).is_err());
    }
}

fn of_two_bars_of_a_size_the_one_found_last_moves() {
    // Room for one of them in the 32-bit window.
    let others = (24..=30).map(|shift| (BarKind::Mem32, shift));
    let equals = [(BarKind::Mem64Prefetch, 23); 2];
    let planned = plan(&flat(others.chain(equals)), &caps()).expect("it fits");
    let moved = planned.functions[8..]
        .iter()
        .map(|plan| plan.m64[0].is_some());
    assert!(moved.eq([false, true]));
}

fn functions_behind_a_bridge_to_conventional_pci_share_an_endpoint() {
    let mut functions = vec![function(0, None, BRIDGE, [None; 6])];
    for index in 1..4 {
        functions.push(function(index, Some(0), Role::Endpoint, [None; 6]));
    }
    for shared in &mut functions[2..] {
        shared.isolation = Isolation::Behind { first: 3, last: 3 };
    }
    let planned = plan(&Topology { functions }, &caps()).expect("it fits");
    let pes: Vec<PeNumber> = planned.functions.iter().map(|plan| plan.pe).collect();
    assert_eq!(pes[2], pes[3]);
    assert_ne!(pes[1], pes[2]);
}

fn disk(bars: usize) -> Device {
    let device = Device::endpoint(0x1b36, 0x0010, 0x01_0802)
        .with_bar64(0, 16 << 10)
        .with_express(0, 0);
    if bars > 1 {
        device.with_bar32(2, 16 << 20)
    } else {
        device
    }
}

fn a_programmed_plan_answers_where_it_says_and_in_its_own_endpoint() {
    for kind in [Kind::Emulator, Kind::Chip] {
        let mut fabric = Fabric::new(root());
        let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
        let ports = [0, 8].map(|devfn| fabric.add(up, devfn, Device::bridge(0x104c, 0x8233, 6)));
        fabric.add(ports[0], 0, disk(2));
        fabric.add(ports[1], 0, disk(1));
        let mut bench = Bench::of(kind, fabric);
        let (topology, plan) = bench.planned();
        let devices = [3, 5];
        for index in devices {
            assert!(topology.functions[index].is_endpoint());
            plan.activate(&topology, index, &mut bench.host)
                .expect("it is free");
        }
        for index in devices {
            let planned = &plan.functions[index];
            for place in planned.bars.iter().flatten() {
                assert_eq!(bench.model.segment_pe(place.real), Some(planned.pe));
                let last = place.real + place.bytes - 4;
                bench.model.write32(last, index as u32);
                assert_eq!(bench.model.read32(last), index as u32);
            }
            assert_eq!(bench.host.pe_of(topology.functions[index].bdf), planned.pe);
        }
        assert_ne!(plan.functions[3].pe, plan.functions[5].pe);
        bench
            .host
            .freeze(plan.functions[3].pe, ioda::Freeze::MMIO)
            .expect("it is there");
        let first = |index: usize| plan.functions[index].bars[0].expect("it has one").real;
        assert_eq!(bench.model.read32(first(3)), u32::MAX);
        assert_eq!(bench.model.read32(first(5)), 0);
        plan.deactivate(&topology, 5, &mut bench.host)
            .expect("it is there");
        assert_eq!(bench.model.segment_pe(first(5)), Some(PeNumber(255)));
        assert_eq!(bench.host.pe_of(topology.functions[5].bdf), PeNumber(255));
        bench.good();
    }
}

fn a_bar_in_a_64_bit_window_answers_there() {
    let mut fabric = Fabric::new(root());
    let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
    for devfn in [0, 8, 16] {
        let port = fabric.add(up, devfn, Device::bridge(0x104c, 0x8233, 6));
        fabric.add(
            port,
            0,
            Device::endpoint(0x10de, 1, 0x03_0000)
                .with_bar64(0, 2 << 30)
                .with_express(0, 0),
        );
    }
    let mut bench = Bench::new(fabric);
    let (topology, plan) = bench.planned();
    for index in [3, 5, 7] {
        plan.activate(&topology, index, &mut bench.host)
            .expect("it is free");
        let place = plan.functions[index].bars[0].expect("it has one");
        assert!(matches!(place.place, Place::M64(_)));
        let last = place.real + place.bytes - 4;
        bench.model.write32(last, 7);
        assert_eq!(bench.model.read32(last), 7);
        assert_eq!(bench.model.segment_pe(last), Some(plan.functions[index].pe));
    }
    bench.good();
}

cases::cases!(
    a_plan_keeps_endpoints_apart_and_bridges_tight,
    everything_small_fits,
    large_bars_go_to_64_bit_windows_only_when_the_others_would_not_fit,
    functions_in_no_tree_have_their_places_apart,
    what_does_not_fit_is_named,
    the_64_bit_area_is_used_to_its_end_and_not_beyond,
    a_small_bar_gets_the_smallest_64_bit_window_whole,
    of_two_bars_of_a_size_the_one_found_last_moves,
    functions_behind_a_bridge_to_conventional_pci_share_an_endpoint,
    a_programmed_plan_answers_where_it_says_and_in_its_own_endpoint,
    a_bar_in_a_64_bit_window_answers_there,
);
