//! The PHB4's facts: registers, tables, traps. A big one has 512 endpoints, a small one 256.

use crate::bits::bit;
use crate::chip::ioda2::PAGE_FAULT;
use crate::chip::{Caching, Compared, Home, How, OneShot, Params, Span, Trap, Traps};
use crate::engine::tables::{Kind, PEEV, PESTA, PESTB, Shape, TVT};

pub(super) const LIST: u8 = 1;
pub(super) const MIST: u8 = 2;
pub(super) const MBT: u8 = 16;
pub(super) const MDT: u8 = 17;
pub(super) const PELTV_BAR: u16 = 0x188;
pub(super) const PEST_BAR: u16 = 0x1a8;

/// Four sources of endpoint 3, which fire.
const WILD_SOURCES: u64 = 0x0003_0003_0003_0003;

/// RCAM (5), TCAM (10) and TDR (11) are the chip's own.
const fn tables(pes: u16) -> [Shape; 12] {
    [
        Shape::plain(LIST, 8, 0),
        Shape::plain(MIST, pes * 2, WILD_SOURCES),
        Shape::plain(5, 1, 0).kind(Kind::Unknown),
        Shape::plain(6, pes / 32, 0).kind(Kind::Clearable),
        Shape::plain(PESTA, pes, 0).keeping(bit(0)),
        Shape::plain(PESTB, pes, 0).keeping(bit(0)),
        Shape::plain(TVT, pes * 2, 0xdead_b000_0000_0805),
        Shape::plain(10, 1, 0).kind(Kind::Unknown),
        Shape::plain(11, 1, 0).kind(Kind::Unknown),
        Shape::plain(MBT, pes / 8, 0),
        Shape::plain(MDT, pes, 0x0007_0007_0007_0007),
        Shape::plain(PEEV, pes / 64, 0).kind(Kind::Summary),
    ]
}

static BIG: [Shape; 12] = tables(512);
static SMALL: [Shape; 12] = tables(256);

static REGISTERS: [Span; 41] = [
    Span::one(0x100),
    Span::one(0x110).how(How::ReadOnly),
    Span::one(0x120).how(How::ReadOnly),
    Span::one(0x128),
    Span::one(0x140),
    Span::plain(0x160, 0x168),
    Span::one(0x188),
    Span::plain(0x1a0, 0x1a8),
    Span::one(0x1c0),
    Span::one(0x1f0),
    Span::plain(0x200, 0x228),
    // Two of the capabilities: their layout is not published.
    Span::plain(0x250, 0x258).how(How::Unknown),
    Span::plain(0x260, 0x268).how(How::ReadOnly),
    Span::plain(0x2b0, 0x2c0),
    Span::one(0x2c8).how(How::ReadOnly),
    Span::plain(0x300, 0x308),
    Span::one(0x800).how(How::ReadOnly),
    Span::plain(0x808, 0x888),
    Span::one(0xc00),
    Span::plain(0xc08, 0xc10),
    Span::plain(0xc18, 0xc40),
    Span::one(0xc80).how(How::OnesClear),
    Span::plain(0xc88, 0xcd8),
    Span::one(TXE).how(How::OnesClear),
    Span::plain(0xd08, 0xd58),
    Span::one(ARB).how(How::OnesClear),
    Span::plain(0xd88, 0xdd8),
    Span::one(0xe00).how(How::OnesClear),
    Span::plain(0xe08, 0xe58),
    Span::one(TCE).how(How::OnesClear),
    Span::plain(0xe88, 0xed8),
    Span::plain(0x1810, 0x1818),
    Span::one(0x1900).how(How::OnesClear),
    Span::plain(0x1908, 0x1958),
    Span::plain(0x1a00, 0x1a10),
    Span::one(0x1a20),
    Span::one(0x1a40),
    Span::one(0x1a78),
    Span::one(0x1b38),
    Span::one(0x1c00).how(How::OnesClear),
    Span::plain(0x1c08, 0x1c58),
];

/// MMIO and config, inbound requests, translations.
const TXE: u16 = 0xd00;
const ARB: u16 = 0xd80;
const TCE: u16 = 0xe80;

/// Which bits of the FIR stand for what is not published; a driver cannot tell.
pub(super) const fn params(pes: u16) -> Params {
    Params {
        pes,
        register_bytes: 0x2000,
        registers: &REGISTERS,
        reset: &[(0x800, 0x0000_00a4_0000_0002)],
        tables: if pes == 512 { &BIG } else { &SMALL },
        index_bits: 54,
        peltv: Home::Memory(PELTV_BAR),
        pest: Home::Memory(PEST_BAR),
        traps: Traps {
            blocks: &[0xc80, TXE, ARB, 0xe00, TCE, 0x1900, 0x1c00],
            mmio: trap(TXE, 28, 16),
            config: trap(TXE, 30, 17),
            dma: trap(TCE, 1, 18),
            message: trap(ARB, 24, 19),
            inbound: trap(ARB, 0, 20),
        },
        one_shot: OneShot::Clears,
        compared: Compared::Addresses,
        caching: Caching::Pages,
        no_window: PAGE_FAULT,
        link_registers: 0..0,
    }
}

const fn trap(block: u16, bit: u32, fir: u32) -> Trap {
    Trap { block, bit, fir }
}
