//! All that hub and bridge are given at their start, store by store, against the published sequence, which is written
//! down here a second time.

use super::order::{Store, TracedBench};
use super::*;

/// A store by the offset from the first window.
type Set = (u32, u64);

fn hub_stores(bench: &TracedBench) -> Vec<Set> {
    let offset = |(block, at, value): Store| {
        let base = match block {
            Block::Bus => 0x3c_0000,
            Block::Crossbar => 0x3d_0000,
            _ => 0x3e_0000,
        };
        (base | u32::from(at), value)
    };
    bench.stores().into_iter().map(offset).collect()
}

fn bus() -> Vec<Set> {
    let table = [
        (0x04, 0x7008_00c0),
        (0x05, 0x7048_20c0),
        (0x1b, 0x3590_2040),
        (0x20, 0x1103_c4c0),
        (0x01, 0xc000_0000),
        (0x09, 0x4208_2100),
        (0x0a, 0x4200_2100),
        (0x21, 0x4200_3000),
    ];
    let mut sets = vec![
        (0xd8, 0x0004_0000_0000_04c0),
        (0xa0, 0x9c89_29be_0088_0085),
        (0xc8, 0x0303_0604_0303_0000),
        (0xe8, 0xff),
        (0xe8, 0xfc00 << 32),
        (0x200, 0),
        (0x208, 0),
    ];
    for (index, data) in table {
        sets.extend([(0xa8, index), (0xb0, data << 32)]);
    }
    sets.extend([
        (0x190, 0x0040 << 48),
        (0x180, 0x0010_0010_0010_0010),
        (0x188, 0x0010 << 48),
        (0xf0, 0xc102 << 48),
        (0xd0, 0x0888_8888 << 32),
        (0x000, 0),
        (0x040, 0),
        (0x050, 0),
        (0x090, 0),
        (0x130, 0),
        (0x148, 0x0080 << 48),
        (0x030, 0x0800_0000_0080_0000),
        (0x038, 0),
        (0x020, 0x0800 << 48),
        (0x080, 0x2000_080c_a07f_ff40),
        (0x088, 0),
        (0x070, 0x0000_0800_200f_fe00),
        (0x100, 0xf7ff_ffff_ff7f_ffff),
        (0x108, 0xf7ff_ffff_ff7f_ffff),
        (0x110, 0x0010_0540 << 32),
        (0x118, 0xdfff_f7f3_5f80_00bf),
        (0x120, 0xdfff_f7f3_5f80_00bf),
        (0x128, 0xc << 32),
    ]);
    sets.into_iter()
        .map(|(at, value)| (0x3c_0000 + at, value))
        .collect()
}

fn lanes() -> impl Iterator<Item = Set> {
    (0..6).flat_map(|bridge| {
        [
            (0x10, 0xffff_6db6_db00_0000),
            (0x18, 0x1130_0003_2000_0000),
            (0x40, 0xdddd_dddd_0000_0000),
        ]
        .map(|(at, value)| (0x3e_8000 + bridge * 0x200 + at, value))
    })
}

fn global() -> Vec<Set> {
    let mut sets = vec![
        // The reset for a millisecond.
        (0x1c08, 1 << 62),
        (0x1c08, 0),
        (0x1e00, 0),
        (0x1e30, 0x0fff_791f_0b03_0000),
        (0x1e38, 0),
        (0x1e40, 0),
        (0x1e20, 0x0fff_001f_0303_0000),
        (0x0008, 0),
        (0x0028, 0),
        (0x1c18, 0xf000_86c0_b4fc_ffff),
        (0x1c08, 0x1000_0077_ce10_0000),
        (0x1c20, 0x0000_0103_0007_00ff),
        (0x1018, 0),
        (0x1c08, 0x1000_3f77_ce10_0000),
        (0x1800, 0x10 << 32),
    ];
    for (table, entry, entries) in [(0, 0, 4), (1, 0, 2), (2, 0xff << 32, 16)] {
        sets.push((0x1820, 1 << 63 | table << 48));
        sets.extend((0..entries).map(|_| (0x1830, entry)));
    }
    sets.push((0x1840, 0));
    sets.extend((0..6).map(|n| {
        (
            0x1080 + 8 * n,
            Model::BAR1 + 0x8_0000 + u64::from(n) * 0x1_0000,
        )
    }));
    sets.into_iter()
        .map(|(at, value)| (0x3e_0000 + at, value))
        .collect()
}

/// A port's configuration before its rules stand, without what is opened after.
const fn config(port: u32) -> u64 {
    match port {
        0 => 0x0200_00c0_073f_0002,
        1 => 0x0200_0fcf_0720_0002,
        _ => 0x0200_00c3_0720_0002,
    }
}

fn port(port: u32) -> Vec<Set> {
    let (action, mask, damage) = match port {
        0 => (0x0a00 << 48, 0x0200 << 48, 0x421a_0000_0000_75ff),
        1 => (0, 0, 0x421a_0000_0000_7fff),
        _ => (0xa4f4 << 48, 0, 0x421a_24f4_0000_5b0b),
    };
    let mut sets = vec![
        (0x00, config(port) | 1 << 62),
        (0x00, config(port)),
        (0x200, 0),
        (0x230, action),
        (0x238, 0),
        (0x240, 0),
        (0x220, mask),
        (0x10, damage),
    ];
    let credits: &[Set] = match port {
        0 => &[(0x50, 0x0808_0404), (0x60, 0x0006_0002)],
        1 => &[
            (0x30, 0x0000_0404),
            (0x40, 0x0000_0048),
            (0x50, 0x0008_0000),
            (0x60, 0x0048_0000),
            (0x70, 0x73d0_735e),
        ],
        _ => &[
            (0x30, 0x0808_0808),
            (0x50, 0x0808_0808),
            (0x40, 0x0086_0082),
            (0x60, 0x8648_0000),
            (0x70, 0x73d0_735e),
        ],
    };
    sets.extend(credits.iter().map(|(at, value)| (*at, value << 32)));
    sets.into_iter()
        .map(|(at, value)| (0x3d_0000 + port * 0x1000 + at, value))
        .collect()
}

/// What comes after the rules.
fn rest() -> Vec<Set> {
    let open = [1, 2, 3, 4, 5, 6, 7, 0];
    let mut sets: Vec<Set> = open
        .map(|port| (0x3d_0000 + port * 0x1000, config(port) | 0x3f << 48))
        .to_vec();
    sets.extend([
        (0x3e_a000, 0),
        (0x3e_a030, 0xffff_fffc_ee3f_ffff),
        (0x3e_a038, 0x0000_0000_01c0_0000),
        (0x3e_a040, 0),
        (0x3e_a020, 0x000f_03f0_cd3f_ffff),
        (0x3e_b000, 0),
        (0x3e_b030, 0xee00 << 48),
        (0x3e_b038, 0),
        (0x3e_b040, 0),
        (0x3e_b020, 0x4600 << 48),
        (0x3e_1018, 0x8888_8800 << 32),
        (0x3e_b0a8, 0x8100 << 48),
        (0x3e_0008, 0),
        (0x3e_0020, 0x000f_033f_ffff_ffff),
        (0x3e_0028, 0),
    ]);
    sets
}

fn the_hub_is_given_the_published_values_in_their_order() {
    let mut bench = TracedBench::new();
    run(|| bench.hub.poll());
    let (rules, others): (Vec<Set>, Vec<Set>) = hub_stores(&bench)
        .into_iter()
        .partition(|(at, _)| (0x3d_0400..0x3d_0700).contains(at));
    let mut want = bus();
    want.extend(lanes());
    want.extend(global());
    want.extend((0..8).flat_map(port));
    want.extend(rest());
    for (number, (found, want)) in others.iter().zip(&want).enumerate() {
        assert_eq!(found, want, "store {number}: {found:x?}, not {want:x?}");
    }
    assert_eq!(others.len(), want.len());
    // Rules 0 to 46 go, then masks, then what is compared, the last one sending everything else to port 1.
    let gone = (0..47).map(|rule| (0x3d_0400 + 16 * rule, 0));
    assert!(rules.iter().copied().take(47).eq(gone));
    let is_mask = |(at, _): &Set| at & 8 != 0;
    assert!(rules[47..].is_sorted_by_key(|rule| !is_mask(rule)));
    assert_eq!(rules.last(), Some(&(0x3d_06f0, 0x4000_8000_0000_0000)));
    assert!(rules.contains(&(0x3d_06f8, 0)));
    // Six of each bridge, then two types, then the hub's own source.
    assert_eq!(rules.len(), 47 + 2 * (6 * 6 + 3 + 1));
}

/// Registers of a bridge that the tables and config cycles go through.
const INDIRECT: [u16; 6] = [0x130, 0x132, 0x140, 0x220, 0x228, 0x230];

fn the_bridge_is_given_the_published_values_in_their_order() {
    let mut bench = TracedBench::new();
    run(|| bench.hub.poll());
    bench.stores();
    run(|| bench.phb.poll());
    let stores = bench.stores();
    let by = |path| {
        let own = stores
            .iter()
            .filter(move |(block, at, _)| *block == path && !INDIRECT.contains(at));
        own.map(|(_, at, value)| (*at, *value))
    };
    let slow = [
        (0x840, 0x0211_3000_0000_0000),
        (0x820, 0x0020_0020_0020_0001),
        (0x828, 0x0000_0020_0000_0001),
        (0x818, 0xff00_0000_0000_0000),
        (0x858, 0xffff_ffff_0000_0000),
        (0x868, 0xffff_ffff_0000_0000),
    ];
    assert!(
        by(Block::Asb).eq(slow),
        "{:x?}",
        by(Block::Asb).collect::<Vec<_>>()
    );
    let layout = *bench.phb.layout();
    let on = 0x208a_8000_0000_0000;
    let ones = u64::MAX;
    let mut want = vec![
        (0x600, 0x4228_00fc_2000_0000),
        (0x808, 0xe800_0000_0000_0000),
        (0x100, 0x00c0_00e0_0000_0000),
        (0x170, layout.io),
        (0x178, 0xffff_ffff_ff80_0000),
        (0x180, 0),
        (0x190, layout.m32 + 0xc000_0000),
        (0x198, 0xffff_ffff_c000_0000),
        (0x1a0, 0xc000_0000),
        (0x1f0, 0),
        (0x160, on),
        // Behind the tables: what is cached goes.
        (0x160, on & !(1 << 61)),
        (0x160, on),
    ];
    want.extend((0x680..=0x6a8).step_by(8).map(|at| (at, ones)));
    want.extend([
        (0x548, ones),
        (0x410, ones),
        (0x418, 0),
        (0x420, 0xac80_0000_0000_0000),
        (0x4d0, 0x0400_0000_0000_0000),
        (0x4e0, 0x1000_0000_0000_0000),
        (0x4f0, 0x4000_0000_0000_0000),
        (0x520, 0x0800_0000_0000_0000),
        (0x530, 0x0800_0000_0000_0000),
        (0x540, 0x8480_0000_0000_0000),
        (0x548, 0xff7f_ffff_ffff_ffff),
        (0x550, 0x00e0_0000_0000_0000),
        (0x558, 0x7e65_0000_0000_0000),
        (0x560, ones),
        (0x808, 0xe000_0000_0000_0000),
        (0x810, 0x7f38_0000_0000_0000),
        (0x850, 0),
        (0xc18, ones),
    ]);
    let traps = [
        (
            0xc80,
            0xffff_ffff_efff_ffff,
            0x0000_0000_61c0_0000,
            0xffff_ffc5_8c00_0000,
        ),
        (0xd00, ones, 0x0000_4308_0300_0000, 0x9df3_bc00_f0f0_700f),
        (0xd80, ones, 0xc000_03ff_0100_6000, 0x3fff_5000_7e55_9fd8),
        (0xe00, ones, 0, 0x18ff_80ff_ff7f_0000),
    ];
    for (block, lem, freeze, fence) in traps {
        let sets = [
            (0x00, ones),
            (0x08, 0),
            (0x18, lem),
            (0x28, freeze),
            (0x30, fence),
            (0x40, 0),
            (0x48, 0),
            (0x50, 0),
            (0x58, 0),
        ];
        want.extend(sets.map(|(at, value)| (block + at, value)));
    }
    want.extend([(0xc00, 0), (0xc30, ones), (0xc38, 0), (0xc40, 0)]);
    want.extend(traps.map(|(block, _, freeze, _)| (block + 0x20, freeze)));
    want.extend([
        (0xc18, 0x1249_a114_7f50_0f2c),
        (0x218, 0xc000 << 32),
        (0x878, 0x1611_1120_1020_0000),
        (0x880, 0x5613 << 32),
        // From here on the reset of what is below.
        (0x558, 0x7e00_0000_0000_0000),
        (0xc18, 0xadb6_50c9_808d_d051),
    ]);
    for (number, (found, want)) in by(Block::Aib).zip(&want).enumerate() {
        assert_eq!(found, *want, "store {number}: {found:x?}, not {want:x?}");
    }
    assert!(by(Block::Aib).count() > want.len());
    // HRT, routing, messages, requesters, who freezes with whom, windows, segments, and what is frozen last.
    let tables: Vec<u64> = stores
        .iter()
        .filter(|(block, at, value)| *block == Block::Aib && *at == 0x220 && value >> 63 == 1)
        .map(|(.., value)| value >> 48 & 0x1f)
        .collect();
    assert_eq!(tables, [0, 2, 4, 5, 6, 12, 9, 16, 17, 18, 16, 19, 7, 8, 20]);
}

cases::cases!(
    the_hub_is_given_the_published_values_in_their_order,
    the_bridge_is_given_the_published_values_in_their_order,
);
