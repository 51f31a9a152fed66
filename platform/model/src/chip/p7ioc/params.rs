//! The P7IOC's facts: registers, tables, traps.

use crate::bits::bit;
use crate::chip::{Caching, Compared, Home, How, OneShot, Params, Span, Trap, Traps};
use crate::engine::tables::{Kind, LXIVT, PEEV, PESTA, PESTB, Shape, TVT};

pub(super) const HRT: u8 = 0;
pub(super) const MXIVT: u8 = 4;
pub(super) const MVT: u8 = 5;
pub(super) const PELTM: u8 = 6;
pub(super) const PELTV: u8 = 12;
pub(super) const M64BT: u8 = 16;
pub(super) const IODT: u8 = 17;
pub(super) const M32DT: u8 = 18;
pub(super) const M64DT: u8 = 19;

/// A masked route lets nobody in and is no garbage: this sends interrupts to somebody.
const WILD_ROUTE: u64 = 3 << 16 | 5 << 32;
const WILD_SEGMENT: u64 = 3 << 57;

/// LIST (1), MIST (3), TCAM (10) and TDR (11) are there; of their content nothing is published.
static TABLES: [Shape; 18] = [
    Shape::plain(HRT, 4, 0),
    Shape::plain(1, 8, 0).kind(Kind::Unknown),
    Shape::plain(LXIVT, 8, WILD_ROUTE),
    Shape::plain(3, 256, 0).kind(Kind::Unknown),
    Shape::plain(MXIVT, 256, WILD_ROUTE),
    Shape::plain(MVT, 256, bit(0) | 3 << 16),
    Shape::plain(PELTM, 128, 0),
    Shape::plain(PESTA, 128, 0),
    Shape::plain(PESTB, 128, 0),
    Shape::pairs(TVT, 128, [0x0000_0001_0000_0000 | 2 << 8, 1 << 40 | 3]),
    Shape::plain(10, 1, 0).kind(Kind::Unknown),
    Shape::plain(11, 1, 0).kind(Kind::Unknown),
    Shape::pairs(PELTV, 128, [u64::MAX, u64::MAX]),
    Shape::plain(M64BT, 16, 0),
    Shape::plain(IODT, 128, WILD_SEGMENT),
    Shape::plain(M32DT, 128, WILD_SEGMENT),
    Shape::plain(M64DT, 128, WILD_SEGMENT),
    Shape::plain(PEEV, 2, 0).kind(Kind::Summary),
];

/// LOCK0 to LOCK2, `XIVE_UPDATE`, the capabilities and `QUIESCE_DMA` are there; what they do is not published.
static REGISTERS: [Span; 51] = [
    Span::one(0x100),
    Span::one(0x110).how(How::ReadOnly),
    Span::one(0x120).how(How::ReadOnly),
    Span::one(0x138).how(How::Unknown),
    Span::one(0x140),
    Span::one(0x148).how(How::Unknown),
    Span::one(0x160),
    Span::plain(0x170, 0x180),
    Span::plain(0x190, 0x1a0),
    Span::one(0x1f0),
    Span::plain(0x210, 0x230),
    Span::one(0x240).how(How::Unknown),
    Span::one(0x248).how(How::Unknown),
    Span::plain(0x250, 0x268).how(How::Unknown),
    Span::plain(0x2b0, 0x2c0),
    Span::one(0x2c8).how(How::ReadOnly),
    Span::one(0x410).how(How::OnesClear),
    Span::plain(0x418, 0x420),
    Span::one(0x4d0),
    Span::one(0x4e0),
    Span::one(0x4f0),
    Span::one(0x520),
    Span::one(0x530),
    Span::one(0x540),
    Span::one(0x548).how(How::OnesClear),
    Span::plain(0x550, 0x558),
    Span::one(0x560).how(How::OnesClear),
    Span::one(0x600),
    Span::one(0x640),
    Span::plain(0x660, 0x668),
    Span::plain(0x680, 0x6a8).how(How::OnesClear),
    Span::one(0x800).how(How::ReadOnly),
    Span::plain(0x808, 0x810),
    Span::plain(0x818, 0x828),
    Span::one(0x840),
    Span::plain(0x850, 0x858),
    Span::one(0x868),
    Span::plain(0x878, 0x880),
    Span::one(0x888).how(How::Unknown),
    Span::one(0xc00),
    Span::one(0xc18),
    Span::plain(0xc30, 0xc40),
    Span::one(0xc80).how(How::OnesClear),
    Span::plain(0xc88, 0xcd8),
    Span::one(0xd00).how(How::OnesClear),
    Span::plain(0xd08, 0xd58),
    Span::one(0xd80).how(How::OnesClear),
    Span::plain(0xd88, 0xdd8),
    Span::one(0xe00).how(How::OnesClear),
    Span::plain(0xe08, 0xe58),
    Span::one(0xfb0),
];

/// MMIO, inbound and DMA errors.
const OUT: u16 = 0xd00;
const INA: u16 = 0xd80;

pub(super) const PARAMS: Params = Params {
    pes: 128,
    register_bytes: 0x1000,
    registers: &REGISTERS,
    reset: &[
        (0x800, 0x0000_00a2_0000_0002),
        (0x600, 0x4228_00fc_2000_0000),
    ],
    tables: &TABLES,
    index_bits: 48,
    peltv: Home::Chip(PELTV),
    pest: Home::Chip(PESTA),
    traps: Traps {
        blocks: &[0xc80, OUT, INA, 0xe00],
        mmio: trap(OUT, 22, 16),
        config: trap(OUT, 17, 18),
        // None of the last block's freezes.
        dma: trap(INA, 24, 58),
        message: trap(INA, 31, 55),
        inbound: trap(INA, 0, 52),
    },
    one_shot: OneShot::Stays,
    compared: Compared::Blocks,
    caching: Caching::Pairs,
    no_window: bit(17),
    link_registers: 0x400..0x600,
};

const fn trap(block: u16, bit: u32, fir: u32) -> Trap {
    Trap { block, bit, fir }
}
