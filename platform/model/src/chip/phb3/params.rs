//! The PHB3's facts: registers, tables, traps.

use crate::bits::bit;
use crate::chip::{Caching, Compared, Home, How, OneShot, Params, Span, Trap, Traps};
use crate::engine::tables::{Kind, LXIVT, PEEV, PESTA, PESTB, Shape, TVT};

pub(super) const M64BT: u8 = 16;
pub(super) const M32DT: u8 = 17;
pub(super) const PEST_BAR: u16 = 0x1a8;
pub(super) const PELTV_BAR: u16 = 0x188;

/// LIST (1), `IVC_CAM` (3), RCAM (5), TCAM (10) and TDR (11) are the chip's own.
static TABLES: [Shape; 13] = [
    Shape::plain(1, 8, 0).kind(Kind::Unknown),
    Shape::plain(LXIVT, 8, 0x0000_0102_0000_0000),
    Shape::plain(3, 32, 0).kind(Kind::Unknown),
    Shape::plain(4, 32, 0).kind(Kind::Clearable),
    Shape::plain(5, 64, 0).kind(Kind::Unknown),
    Shape::plain(6, 8, 0).kind(Kind::Clearable),
    // The rest of an endpoint's state is in memory.
    Shape::plain(PESTA, 256, 0).keeping(bit(0)),
    Shape::plain(PESTB, 256, 0).keeping(bit(0)),
    Shape::plain(TVT, 512, 0xdead_b000_0000_0805),
    Shape::plain(10, 64, 0).kind(Kind::Unknown),
    Shape::plain(M64BT, 16, 0),
    Shape::plain(M32DT, 256, 7 << 48),
    Shape::plain(PEEV, 4, 0).kind(Kind::Summary),
];

static REGISTERS: [Span; 39] = [
    Span::one(0x100),
    Span::one(0x110).how(How::ReadOnly),
    Span::one(0x120).how(How::ReadOnly),
    Span::one(0x128),
    Span::one(0x140),
    Span::plain(0x150, 0x168),
    Span::plain(0x188, 0x1a8),
    Span::plain(0x1f0, 0x228),
    Span::plain(0x238, 0x240),
    // The capabilities: their layout is not published.
    Span::plain(0x250, 0x268).how(How::Unknown),
    Span::plain(0x2a0, 0x2a8),
    Span::plain(0x2b0, 0x2c0),
    Span::one(0x2c8).how(How::ReadOnly),
    Span::plain(0x400, 0x408),
    Span::one(0x410).how(How::OnesClear),
    Span::plain(0x418, 0x540),
    Span::one(0x548).how(How::OnesClear),
    Span::plain(0x550, 0x558),
    Span::one(0x560).how(How::OnesClear),
    Span::plain(0x568, 0x5c8),
    Span::plain(0x600, 0x608),
    Span::plain(0x630, 0x678),
    Span::plain(0x680, 0x6a8).how(How::OnesClear),
    Span::plain(0x6b0, 0x6e8),
    Span::one(0x800).how(How::ReadOnly),
    Span::plain(0x808, 0x888),
    Span::one(0xc00),
    Span::plain(0xc08, 0xc10),
    Span::one(0xc18),
    Span::plain(0xc20, 0xc40),
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
const INB: u16 = 0xe00;

pub(super) const PARAMS: Params = Params {
    pes: 256,
    register_bytes: 0x1000,
    registers: &REGISTERS,
    reset: &[(0x800, 0x0000_00a3_0000_0005)],
    tables: &TABLES,
    index_bits: 55,
    peltv: Home::Memory(PELTV_BAR),
    pest: Home::Memory(PEST_BAR),
    traps: Traps {
        blocks: &[0xc80, OUT, INA, INB],
        mmio: trap(OUT, 22, 27),
        config: trap(OUT, 17, 33),
        dma: trap(INB, 17, 52),
        message: trap(INA, 31, 54),
        inbound: trap(INA, 0, 58),
    },
    one_shot: OneShot::Clears,
    compared: Compared::Addresses,
    caching: Caching::Pages,
    no_window: super::super::ioda2::PAGE_FAULT,
    link_registers: 0x400..0x600,
};

const fn trap(block: u16, bit: u32, fir: u32) -> Trap {
    Trap { block, bit, fir }
}
