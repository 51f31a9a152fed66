//! What the hub's registers are set to, in order. Source: skiboot as of 2018, `hw/p7ioc-inits.c`; the set-up of
//! trace arrays is left out.

use super::Processor;
use super::regs::HubReg;

/// A register by its offset from the first window, and its value.
pub(crate) type Set = (HubReg, u64);

const fn set(offset: u32, value: u64) -> Set {
    (HubReg::at(offset), value)
}

/// The bus interface's first two values, 100 ms before the rest.
pub(crate) const fn bus_timing(processor: Processor) -> [Set; 2] {
    let (limits, link) = match processor {
        Processor::Power7 => (0x0004_0000_0000_04c0, 0x9c89_29be_0088_0085),
        Processor::Power7Plus => (0x0004_0000_0000_0600, 0x9f89_29be_0088_0085),
    };
    [set(0x3c_00d8, limits), set(0x3c_00a0, link)]
}

pub(crate) const BUS: [Set; 44] = [
    set(0x3c_00c8, 0x0303_0604_0303_0000),
    set(0x3c_00e8, 0xff),
    set(0x3c_00e8, 0x0000_fc00_0000_0000),
    set(0x3c_0200, 0),
    set(0x3c_0208, 0),
    // The transaction table: index, then data.
    set(0x3c_00a8, 0x04),
    set(0x3c_00b0, 0x7008_00c0_0000_0000),
    set(0x3c_00a8, 0x05),
    set(0x3c_00b0, 0x7048_20c0_0000_0000),
    set(0x3c_00a8, 0x1b),
    set(0x3c_00b0, 0x3590_2040_0000_0000),
    set(0x3c_00a8, 0x20),
    set(0x3c_00b0, 0x1103_c4c0_0000_0000),
    set(0x3c_00a8, 0x01),
    set(0x3c_00b0, 0xc000_0000_0000_0000),
    set(0x3c_00a8, 0x09),
    set(0x3c_00b0, 0x4208_2100_0000_0000),
    set(0x3c_00a8, 0x0a),
    set(0x3c_00b0, 0x4200_2100_0000_0000),
    set(0x3c_00a8, 0x21),
    set(0x3c_00b0, 0x4200_3000_0000_0000),
    // Timers, then which ports there are.
    set(0x3c_0190, 0x0040_0000_0000_0000),
    set(0x3c_0180, 0x0010_0010_0010_0010),
    set(0x3c_0188, 0x0010_0000_0000_0000),
    set(0x3c_00f0, 0xc102_0000_0000_0000),
    set(0x3c_00d0, 0x0888_8888_0000_0000),
    // Errors: cleared, what they do, which count.
    set(0x3c_0000, 0),
    set(0x3c_0040, 0),
    set(0x3c_0050, 0),
    set(0x3c_0090, 0),
    set(0x3c_0130, 0),
    set(0x3c_0148, 0x0080_0000_0000_0000),
    set(0x3c_0030, 0x0800_0000_0080_0000),
    set(0x3c_0038, 0),
    set(0x3c_0020, 0x0800_0000_0000_0000),
    set(0x3c_0080, 0x2000_080c_a07f_ff40),
    set(0x3c_0088, 0),
    set(0x3c_0070, 0x0000_0800_200f_fe00),
    set(0x3c_0100, 0xf7ff_ffff_ff7f_ffff),
    set(0x3c_0108, 0xf7ff_ffff_ff7f_ffff),
    set(0x3c_0110, 0x0010_0540_0000_0000),
    set(0x3c_0118, 0xdfff_f7f3_5f80_00bf),
    set(0x3c_0120, 0xdfff_f7f3_5f80_00bf),
    set(0x3c_0128, 0x0000_000c_0000_0000),
];

/// The lanes of one bridge, by offset from its own; the rest is the service processor's.
pub(crate) const LANES: [(u16, u64); 3] = [
    (0x10, 0xffff_6db6_db00_0000),
    (0x18, 0x1130_0003_2000_0000),
    (0x40, 0xdddd_dddd_0000_0000),
];

/// The global registers, before their tables.
pub(crate) const GLOBAL: [Set; 11] = [
    set(0x3e_1e00, 0),
    set(0x3e_1e30, 0x0fff_791f_0b03_0000),
    set(0x3e_1e38, 0),
    set(0x3e_1e40, 0),
    set(0x3e_1e20, 0x0fff_001f_0303_0000),
    set(0x3e_0008, 0),
    set(0x3e_0028, 0),
    set(0x3e_1c18, 0xf000_86c0_b4fc_ffff),
    set(0x3e_1c08, GLOBAL_CONFIG),
    set(0x3e_1c20, 0x0000_0103_0007_00ff),
    set(0x3e_1018, 0),
];
const GLOBAL_CONFIG: u64 = 0x1000_0077_ce10_0000;
/// The configuration with the bridges let in.
pub(crate) const GLOBAL_CONFIG_OPEN: u64 = GLOBAL_CONFIG | 0x0000_3f00_0000_0000;

/// A port of the crossbar.
pub(crate) struct CrossbarPort {
    pub(crate) config: u64,
    /// The configuration once the rules stand.
    pub(crate) open: u64,
    pub(crate) action0: u64,
    pub(crate) mask_and: u64,
    pub(crate) damage: u64,
    pub(crate) credits: &'static [(u16, u64)],
}

/// The port upwards.
const UPSTREAM: CrossbarPort = CrossbarPort {
    config: 0x0200_00c0_073f_0002,
    open: 0x023f_00c0_073f_0002,
    action0: 0x0a00_0000_0000_0000,
    mask_and: 0x0200_0000_0000_0000,
    damage: 0x421a_0000_0000_75ff,
    credits: &[(0x50, 0x0808_0404_0000_0000), (0x60, 0x0006_0002_0000_0000)],
};
/// The port of the global registers.
const RGC: CrossbarPort = CrossbarPort {
    config: 0x0200_0fcf_0720_0002,
    open: 0x023f_0fcf_0720_0002,
    action0: 0,
    mask_and: 0,
    damage: 0x421a_0000_0000_7fff,
    credits: &[
        (0x30, 0x0000_0404_0000_0000),
        (0x40, 0x0000_0048_0000_0000),
        (0x50, 0x0008_0000_0000_0000),
        (0x60, 0x0048_0000_0000_0000),
        ORDERING,
    ],
};
/// The port of a bridge.
const BRIDGE: CrossbarPort = CrossbarPort {
    config: 0x0200_00c3_0720_0002,
    open: 0x023f_00c3_0720_0002,
    action0: 0xa4f4_0000_0000_0000,
    mask_and: 0,
    damage: 0x421a_24f4_0000_5b0b,
    credits: &[
        (0x30, 0x0808_0808_0000_0000),
        (0x50, 0x0808_0808_0000_0000),
        (0x40, 0x0086_0082_0000_0000),
        (0x60, 0x8648_0000_0000_0000),
        ORDERING,
    ],
};
const ORDERING: (u16, u64) = (0x70, 0x73d0_735e_0000_0000);

/// The eight ports of the crossbar.
pub(crate) const PORTS: [&CrossbarPort; 8] = [
    &UPSTREAM, &RGC, &BRIDGE, &BRIDGE, &BRIDGE, &BRIDGE, &BRIDGE, &BRIDGE,
];

pub(crate) const MISC: [Set; 12] = [
    set(0x3e_a000, 0),
    set(0x3e_a030, 0xffff_fffc_ee3f_ffff),
    set(0x3e_a038, 0x0000_0000_01c0_0000),
    set(0x3e_a040, 0),
    set(0x3e_a020, 0x000f_03f0_cd3f_ffff),
    set(0x3e_b000, 0),
    set(0x3e_b030, 0xee00_0000_0000_0000),
    set(0x3e_b038, 0),
    set(0x3e_b040, 0),
    set(0x3e_b020, 0x4600_0000_0000_0000),
    set(0x3e_1018, 0x8888_8800_0000_0000),
    set(0x3e_b0a8, 0x8100_0000_0000_0000),
];

/// Which units' errors are heard, all bridges being there.
pub(crate) const GEM_MASK: u64 = 0x000f_033f_ffff_ffff;
