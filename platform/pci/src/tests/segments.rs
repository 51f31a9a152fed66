//! 64-bit windows whose segments are any endpoint's: plans alone, and on the model of a P7IOC.

use super::blocks::{Bench7, index_of};
use super::planner::{BRIDGE, above, bar, flat, function, trees};
use super::*;
use crate::{BarKind, M64Share, Place, PlanError, Role, SharedWindow};
use ioda::{Caps, DmaModel, Freeze, M32Caps, M64Caps, M64Kinds, PageShifts, PeNumber, RidRule};
use ioda_model::Refusal;
use proptest::collection::vec;
use proptest::prelude::*;

const AREA: u64 = 0x58_0000_0000;
const AREA_BYTES: u64 = 32 << 30;

/// A P7IOC's.
fn caps() -> Caps {
    Caps {
        pes: 128,
        reserved_pe: PeNumber(127),
        rids: RidRule::OneSelection { max_bus_shift: 5 },
        m32: M32Caps {
            real: 0x3_ff80_0000_0000,
            pci: 0xc000_0000,
            segment_shift: 23,
            segments: 128,
        },
        m64: Some(M64Caps {
            real: AREA,
            bytes: AREA_BYTES,
            windows: 16,
            kinds: M64Kinds::SINGLE_PE | M64Kinds::ANY_MAP,
            single_pe_shift: 24,
            segments: 8,
        }),
        dma: DmaModel::SharedSlots {
            count: 12,
            slot_shift: 28,
        },
        page_shifts: PageShifts::of(&[12]),
        tce_levels: 1,
        msis: 256,
    }
}

/// So many functions with a 64-bit BAR of 2^`shift` bytes each, beside those that fill the 32-bit window.
fn wide(shifts: impl IntoIterator<Item = u32>) -> Topology {
    let full = (23..30).map(|shift| (BarKind::Mem32, shift));
    let wide = shifts
        .into_iter()
        .map(|shift| (BarKind::Mem64Prefetch, shift));
    flat(full.chain(wide))
}

/// Where all BARs in 64-bit windows are, and the endpoint of each.
fn places(plan: &Plan) -> Vec<(PeNumber, u64, u64, M64Share)> {
    let functions = plan.functions.iter();
    functions
        .flat_map(|planned| {
            let shares = planned.bars.iter().zip(&planned.m64);
            shares.filter_map(|(bar, share)| {
                let bar = bar.as_ref()?;
                assert_eq!(matches!(bar.place, Place::M64(_)), share.is_some());
                Some((planned.pe, bar.pci, bar.bytes, (*share)?))
            })
        })
        .collect()
}

/// No segment has BARs of two endpoints, each BAR is in its window, windows are where the chip can have them.
fn check(plan: &Plan, caps: &Caps) {
    let m64 = caps.m64.expect("it has an area");
    assert!(plan.windows.len() <= m64.windows.into());
    for (index, one) in plan.windows.iter().enumerate() {
        let bytes = 1u64 << one.shift;
        assert_eq!(usize::from(one.window.0), index);
        assert!(
            one.shift >= m64.single_pe_shift && one.base % bytes == 0,
            "{one:x?}"
        );
        assert!(one.base >= m64.real && one.base + bytes <= m64.real + m64.bytes);
        for other in &plan.windows[..index] {
            assert!(
                other.base + (1 << other.shift) <= one.base,
                "{other:x?} {one:x?}"
            );
        }
    }
    let mut owners = [[None; 8]; 16];
    for (pe, pci, bytes, share) in places(plan) {
        let M64Share::Segments {
            window,
            first,
            last,
        } = share
        else {
            panic!("{share:?}");
        };
        let SharedWindow { base, shift, .. } = plan.windows[usize::from(window.0)];
        assert!(
            base <= pci && pci + bytes <= base + (1 << shift),
            "{pci:#x} in {base:#x}"
        );
        // Just those that it touches: by counting, not by the planner's arithmetic.
        let segment = (1u64 << shift) / 8;
        for number in 0..8 {
            let start = base + u64::from(number) * segment;
            let touches = start < pci + bytes && pci < start + segment;
            assert_eq!(touches, (first..=last).contains(&number));
            if touches {
                let owner = owners[usize::from(window.0)][usize::from(number)].replace(pe);
                assert!(owner.is_none_or(|owner| owner == pe), "{pe} and {owner:?}");
            }
        }
    }
    // Each window is for something, and no larger than that.
    for window in &plan.windows {
        let mut its: Vec<(u64, u64)> = places(plan)
            .into_iter()
            .filter(|(_, pci, ..)| window.base <= *pci && *pci < window.base + (1 << window.shift))
            .map(|(_, pci, bytes, _)| (pci, pci + bytes.max(crate::BAR_STEP)))
            .collect();
        its.sort_unstable();
        let half = window.base + (1 << window.shift) / 2;
        let (first, last) = (its[0].0, its[its.len() - 1].1);
        let is_tight = first < half && half < last;
        assert!(
            is_tight || window.shift == m64.single_pe_shift,
            "{window:x?}: {its:x?}"
        );
    }
}

proptest! {
    fn no_segment_is_of_two_endpoints_and_each_bar_is_in_its_window(
        shifts in vec(prop_oneof![3 => 12..26u32, 2 => 26..30u32, 1 => 30..34u32], 1..60),
    ) {
        let topology = wide(shifts);
        if let Ok(plan) = plan(&topology, &caps()) {
            prop_assert!(!places(&plan).is_empty());
            check(&plan, &caps());
        }
    }

    fn nor_are_they_in_trees(topology in trees()) {
        let Ok(plan) = plan(&topology, &caps()) else { return Ok(()) };
        check(&plan, &caps());
        for (index, planned) in plan.functions.iter().enumerate() {
            for bar in planned.bars.iter().flatten().filter(|bar| bar.place != Place::M32) {
                for bridge in above(&topology, index) {
                    let window = plan.functions[bridge].prefetch;
                    prop_assert!(window.base <= bar.pci && bar.pci + bar.bytes <= window.base + window.bytes);
                    prop_assert_eq!((window.base | window.bytes) % (1 << 20), 0);
                }
            }
        }
        // What a bridge forwards is below it.
        for (bridge, planned) in plan.functions.iter().enumerate() {
            let window = planned.prefetch;
            for (index, other) in plan.functions.iter().enumerate() {
                let is_below = above(&topology, index).contains(&bridge);
                for bar in other.bars.iter().flatten().filter(|bar| bar.place != Place::M32) {
                    let inside = window.base <= bar.pci && bar.pci < window.base + window.bytes;
                    prop_assert_eq!(inside, is_below);
                }
            }
        }
    }
}

fn functions_of_one_size_fit_to_the_last_segment() {
    for shift in (12..31).step_by(3) {
        // As many as there are segments, addresses, and endpoints.
        let most = (AREA_BYTES >> shift.max(21)).min(119) as usize;
        for count in [1, 8, 9, 17, most] {
            let count = count.min(most);
            let plan = plan(&wide(vec![shift; count]), &caps()).expect("it fits");
            assert_eq!(places(&plan).len(), count);
            assert_eq!(plan.windows.len(), count.div_ceil(8));
            check(&plan, &caps());
        }
    }
}

fn more_functions_than_windows_share_them() {
    // A machine that one window for each could not serve.
    let shifts = [
        33, 32, 30, 30, 28, 28, 28, 28, 28, 28, 26, 26, 24, 24, 24, 24, 20, 20, 20, 12,
    ];
    let plan = plan(&wide(shifts), &caps()).expect("it fits");
    check(&plan, &caps());
    assert_eq!(places(&plan).len(), shifts.len());
    assert!(plan.windows.len() <= 8, "{:x?}", plan.windows);
    let mut pes: Vec<u16> = places(&plan).into_iter().map(|(pe, ..)| pe.0).collect();
    pes.sort_unstable();
    pes.dedup();
    assert_eq!(pes.len(), shifts.len());
}

fn a_large_bar_has_segments_in_a_row_and_its_neighbour_the_next() {
    let plan = plan(&wide([32, 30]), &caps()).expect("it fits");
    assert_eq!(
        plan.windows,
        [SharedWindow {
            window: ioda::M64Window(0),
            base: AREA,
            shift: 33
        }]
    );
    let segments: Vec<_> = places(&plan).into_iter().map(|(.., share)| share).collect();
    let window = ioda::M64Window(0);
    let share = |first, last| M64Share::Segments {
        window,
        first,
        last,
    };
    assert_eq!(segments, [share(0, 3), share(4, 4)]);
    // Alone, a BAR has a window of its size; a tiny one the smallest there is, and of that one segment.
    for (shift, window, last) in [(30, 30, 7), (24, 24, 7), (22, 24, 1), (12, 24, 0)] {
        let plan = crate::plan(&wide([shift]), &caps()).expect("it fits");
        assert_eq!(plan.windows[0].shift, window);
        assert_eq!(places(&plan)[0].3, share(0, last));
    }
}

fn small_bars_share_a_window_with_larger_ones_where_windows_are_short() {
    // Each size in windows of its own would take 8, 2 and 7.
    let sizes = [(28, 57), (25, 9), (21, 53)];
    let shifts = sizes
        .into_iter()
        .flat_map(|(shift, count)| vec![shift; count]);
    let plan = plan(&wide(shifts), &caps()).expect("it fits");
    check(&plan, &caps());
    let places = places(&plan);
    assert_eq!(places.len(), 119);
    assert_eq!(plan.windows.len(), 16);
    let in_larger_segments = places.iter().filter(|(_, pci, bytes, _)| {
        let mut windows = plan.windows.iter();
        let window = windows.rfind(|window| window.base <= *pci);
        window.is_some_and(|window| *bytes == 1 << 21 && window.shift > 24)
    });
    assert_eq!(in_larger_segments.count(), 53);
}

fn what_64_bit_windows_cannot_hold_is_named() {
    // One byte more than there is.
    let error = plan(&wide([34, 33, 33, 12]), &caps()).expect_err("32 GiB");
    assert_eq!(area_error(error), (1 << 34, AREA_BYTES));
    assert!(
        error
            .to_string()
            .contains("0x400000000 bytes of 64-bit windows"),
        "{error}"
    );
    assert!(error.to_string().starts_with("phb0/"), "{error}");
    assert!(plan(&wide([34, 33, 33]), &caps()).is_ok());
    let error = plan(&wide([36]), &caps()).expect_err("32 GiB");
    assert_eq!(area_error(error), (1 << 36, AREA_BYTES));
    // Enough addresses and no windows: large and small ones cannot share.
    let mut shifts = vec![33, 32];
    shifts.extend([28; 57]);
    shifts.extend([21; 60]);
    let error = plan(&wide(shifts), &caps()).expect_err("16 windows");
    let PlanError::M64 { bytes, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(bytes, 1 << 21);
    assert!(
        error.to_string().contains("no 64-bit window left"),
        "{error}"
    );
    // Without the area nothing moves.
    let none = Caps {
        m64: None,
        ..caps()
    };
    assert!(matches!(
        plan(&wide([24]), &none),
        Err(PlanError::M32 { .. })
    ));
}

fn area_error(error: PlanError) -> (u64, u64) {
    match error {
        PlanError::M64Area {
            bytes, capacity, ..
        } => (bytes, capacity),
        other => panic!("{other}"),
    }
}

fn two_bars_of_a_function_may_have_one_segment() {
    let mut bars = [None; 6];
    bars[0] = bar(BarKind::Mem64Prefetch, 14);
    bars[2] = bar(BarKind::Mem64Prefetch, 12);
    bars[4] = bar(BarKind::Mem64Prefetch, 20);
    let mut topology = wide([24]);
    let functions = &mut topology.functions;
    functions.push(function(functions.len(), Some(0), Role::Endpoint, bars));
    assert_eq!(functions[0].role, BRIDGE);
    let plan = plan(&topology, &caps()).expect("it fits");
    check(&plan, &caps());
    let planned = plan.functions.last().expect("the last one");
    assert!(planned.m64[0].is_some());
    assert_eq!(
        [planned.m64[0], planned.m64[0]],
        [planned.m64[2], planned.m64[4]]
    );
}

/// A switch with so many ports, below each a device with a 32-bit BAR and a 64-bit one of 2^`shift` bytes.
fn devices(shifts: &[u32]) -> Fabric {
    let mut fabric = Fabric::new(root());
    let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
    for (port, shift) in (0u8..).zip(shifts) {
        let port = fabric.add(up, port << 3, Device::bridge(0x104c, 0x8233, 6));
        let device = Device::endpoint(0x10de, 1, 0x03_0000)
            .with_bar64(0, 1 << shift)
            .with_bar32(2, 1 << 16)
            .with_express(0, 0);
        fabric.add(port, 0, device);
    }
    fabric
}

/// On the chip's model: all answer in their own endpoint, whoever else comes, goes or is stopped.
fn devices_that_share_windows_come_and_go_by_themselves() {
    let shifts = [
        32, 30, 29, 28, 28, 28, 28, 28, 28, 27, 27, 26, 26, 26, 25, 25, 24, 24, 24, 24, 24, 24,
    ];
    let mut bench = Bench7::new(devices(&shifts));
    let topology = bench.scan();
    let plan = plan(&topology, bench.host.caps()).expect("it fits");
    check(&plan, bench.host.caps());
    plan.apply(&topology, &mut bench.host).expect("it is kept");
    let reserved = bench.host.caps().reserved_pe;
    let indices: Vec<usize> = (0..shifts.len())
        .map(|port| index_of(&topology, &format!("phb0/00.0/00.0/{port:02x}.0/00.0")))
        .collect();
    let in_windows = |index: &usize| plan.functions[*index].m64[0].is_some();
    let moved: Vec<usize> = indices.iter().copied().filter(in_windows).collect();
    let (moved_count, windows) = (moved.len(), plan.windows.len());
    assert!(windows < moved_count, "{moved_count} in {windows} windows");
    let ends = |index: usize| {
        let bar = plan.functions[index].bars[0].expect("it has a place");
        [bar.real, bar.real + bar.bytes - 4]
    };
    for index in &moved {
        for real in ends(*index) {
            assert_eq!(bench.model.segment_pe(real), Some(reserved));
        }
    }
    let answers = |bench: &Bench7, index: usize| {
        for (real, value) in ends(index).into_iter().zip([1, 2]) {
            let value = (index as u32) << 4 | value;
            assert_eq!(
                bench.model.segment_pe(real),
                Some(plan.functions[index].pe),
                "{index}"
            );
            bench.model.store(real, value).expect("it answers");
            assert_eq!(bench.model.load(real), Ok(value), "{index}");
        }
    };
    // Those that came before are where they were.
    for (number, index) in indices.iter().enumerate() {
        plan.activate(&topology, *index, &mut bench.host)
            .expect("it is free");
        for index in &indices[..=number] {
            answers(&bench, *index);
        }
    }
    // Two that share a window.
    let window = |index: usize| plan.functions[index].bars[0].map(|bar| bar.place);
    let stays = moved[moved.len() - 1];
    let mut neighbours = moved.iter().copied().rev().skip(1);
    let goes = neighbours
        .find(|index| window(*index) == window(stays))
        .expect("they share windows");
    let pe = plan.functions[goes].pe;
    bench.host.freeze(pe, Freeze::MMIO).expect("it is there");
    assert_eq!(bench.model.load(ends(goes)[0]), Err(Refusal::Frozen));
    answers(&bench, stays);
    bench.host.thaw(pe, Freeze::all()).expect("it is there");
    plan.deactivate(&topology, goes, &mut bench.host)
        .expect("taken back");
    for real in ends(goes) {
        assert_eq!(bench.model.segment_pe(real), Some(reserved));
    }
    answers(&bench, stays);
    plan.activate(&topology, goes, &mut bench.host)
        .expect("it is free");
    for index in indices {
        answers(&bench, index);
    }
    assert_eq!(bench.model.complaints(), Vec::<String>::new());
}

cases::cases!(
    no_segment_is_of_two_endpoints_and_each_bar_is_in_its_window,
    nor_are_they_in_trees,
    functions_of_one_size_fit_to_the_last_segment,
    more_functions_than_windows_share_them,
    a_large_bar_has_segments_in_a_row_and_its_neighbour_the_next,
    small_bars_share_a_window_with_larger_ones_where_windows_are_short,
    what_64_bit_windows_cannot_hold_is_named,
    two_bars_of_a_function_may_have_one_segment,
    devices_that_share_windows_come_and_go_by_themselves,
);
