//! Registers of a bridge, its on-chip tables, and their fields. No logic.
//!
//! Those that PHB3 has too come from [`ioda::driver::regs`].
//!
//! Source: skiboot as of 2018, `include/p7ioc-regs.h`, whose names they keep without the prefix. Fields
//! give the bits as IBM numbers them, bit 0 the most significant. The layouts of `*_CAP`, `QUIESCE_DMA`,
//! `XIVE_UPDATE` and of the tables LIST, MIST, TCAM and TDR are not known, so those are not here.
#![expect(clippy::eq_op, reason = "63 - 63 is meant")]

use ioda::Reg64;
pub(crate) use ioda::driver::regs::*;
use tock_registers::register_bitfields;

pub(crate) const BUID: Reg64 = Reg64::at(0x100);
pub(crate) const IO_BASE_ADDR: Reg64 = Reg64::at(0x170);
pub(crate) const IO_BASE_MASK: Reg64 = Reg64::at(0x178);
pub(crate) const IO_START_ADDR: Reg64 = Reg64::at(0x180);
pub(crate) const TCE_PREFETCH: Reg64 = Reg64::at(0x218);
/// The second word of an entry; written before the first.
pub(crate) const IODA_DATA1: Reg64 = Reg64::at(0x230);

/// `PHB_CONFIG` 12: the I/O window is on.
pub(crate) const CONFIG_IO: u64 = bit(12);
/// `PCIE_DLP_TRAIN_CTL` 1: the transmitter is off; ends the link.
pub(crate) const TX_DISABLE: u64 = bit(1);
/// 16: the receiver has seen that.
pub(crate) const RX_DISABLED: u64 = bit(16);
pub(crate) const LEGACY_CTRL: Reg64 = Reg64::at(0x850);

/// The tables on the chip.
pub(crate) mod table {
    pub(crate) use ioda::driver::table::*;

    /// Hub routing, 4.
    pub(crate) const HRT: Table = Table(0);
    /// Routing of message interrupts, 256; [`LXIVT`] has 8.
    pub(crate) const MXIVT: Table = Table(4);
    /// Who may send messages, 256.
    pub(crate) const MVT: Table = Table(5);
    /// Requester to endpoint, 128; [`PEST_A`] and [`PEST_B`] have as many, [`PEEV`] 2.
    pub(crate) const PELTM: Table = Table(6);
    /// Who freezes with whom, 128 of two words; so is [`TVT`].
    pub(crate) const PELTV: Table = Table(12);
    /// Segments of the I/O window, 128.
    pub(crate) const IODT: Table = Table(17);
    /// Segments of the 32-bit window, 128.
    pub(crate) const M32DT: Table = Table(18);
    /// Segments of the 64-bit windows, 16 times 8; [`M64BT`] has 16.
    pub(crate) const M64DT: Table = Table(19);
}

register_bitfields![u64,
    pub(crate) Buid [
        /// 7:15: the eight LSIs' number over 16.
        LSI OFFSET(63 - 15) NUMBITS(9) [],
        /// 23:31: that of the first message interrupt.
        MSI OFFSET(63 - 31) NUMBITS(9) [],
    ],
    pub(crate) TceKill [
        /// 0: forget the pair of entries at `ADDRESS`.
        PAIR OFFSET(63) NUMBITS(1) [],
        /// 16:59: real address of the pair, over 16.
        ADDRESS OFFSET(63 - 59) NUMBITS(44) [],
    ],
    /// Routing of an interrupt: LXIVT and MXIVT.
    pub(crate) Xivt [
        /// 8:23: server without its low three bits.
        SERVER OFFSET(63 - 23) NUMBITS(16) [],
        /// 24:31: the server's low three bits, then the priority over 8.
        PRIORITY OFFSET(63 - 31) NUMBITS(8) [],
        /// 41:47: whose messages count.
        PE OFFSET(63 - 47) NUMBITS(7) [],
    ],
    pub(crate) Mve [
        /// 0
        VALID OFFSET(63) NUMBITS(1) [],
        /// 21:23: how much of `BUS` is compared.
        BUS_VALID OFFSET(63 - 23) NUMBITS(3) [],
        /// 24:31
        BUS OFFSET(63 - 31) NUMBITS(8) [],
        /// 41:47
        PE OFFSET(63 - 47) NUMBITS(7) [],
        /// 50: whether `DEV` is compared.
        DEV_VALID OFFSET(63 - 50) NUMBITS(1) [],
        /// 51:55
        DEV OFFSET(63 - 55) NUMBITS(5) [],
        /// 60: whether `FUNC` is compared.
        FUNC_VALID OFFSET(63 - 60) NUMBITS(1) [],
        /// 61:63
        FUNC OFFSET(63 - 63) NUMBITS(3) [],
    ],
    pub(crate) Peltm [
        /// 0:7
        BUS OFFSET(63 - 7) NUMBITS(8) [],
        /// 8:12
        DEV OFFSET(63 - 12) NUMBITS(5) [],
        /// 13:15
        FUNC OFFSET(63 - 15) NUMBITS(3) [],
        /// 16:18: how much of `BUS` is compared.
        BUS_VALID OFFSET(63 - 18) NUMBITS(3) [],
        /// 19: whether `DEV` is compared.
        DEV_VALID OFFSET(63 - 19) NUMBITS(1) [],
        /// 20: whether `FUNC` is compared.
        FUNC_VALID OFFSET(63 - 20) NUMBITS(1) [],
    ],
    /// The first word of a DMA window.
    pub(crate) Tve0 [
        /// 0:47: real address of the table over 4096.
        TABLE OFFSET(63 - 47) NUMBITS(48) [],
        /// 48:50: how much of `BUS` is compared.
        BUS_VALID OFFSET(63 - 50) NUMBITS(3) [],
        /// 51:55: log2 of the window's bytes less 26; 0: closed.
        SIZE OFFSET(63 - 55) NUMBITS(5) [],
        /// 56:63
        BUS OFFSET(63 - 63) NUMBITS(8) [],
    ],
    /// Its second word.
    pub(crate) Tve1 [
        /// 2: whether `DEV` is compared.
        DEV_VALID OFFSET(63 - 2) NUMBITS(1) [],
        /// 3:7
        DEV OFFSET(63 - 7) NUMBITS(5) [],
        /// 12: whether `FUNC` is compared.
        FUNC_VALID OFFSET(63 - 12) NUMBITS(1) [],
        /// 13:15
        FUNC OFFSET(63 - 15) NUMBITS(3) [],
        /// 19:23: log2 of a page's bytes less 11.
        PAGE_SIZE OFFSET(63 - 23) NUMBITS(5) [],
        /// 57:63
        PE OFFSET(63 - 63) NUMBITS(7) [],
    ],
    pub(crate) M64bt [
        /// 0
        ENABLE OFFSET(63) NUMBITS(1) [],
        /// 8:31: address over 16 MiB.
        BASE OFFSET(63 - 31) NUMBITS(24) [],
        /// 40:63: 2^24 less the size over 16 MiB.
        MASK OFFSET(63 - 63) NUMBITS(24) [],
    ],
    /// A segment: IODT, M32DT, M64DT.
    pub(crate) Segment [
        /// 0:6
        PE OFFSET(63 - 6) NUMBITS(7) [],
    ],
];

/// FIR bits by what they mean for the bridge.
pub(crate) mod fir {
    pub(crate) const FENCE: u64 = 0xadb6_50cb_808d_d051;
    pub(crate) const FREEZE: u64 = 0x0000_a014_7f50_092c;
    pub(crate) const INFO: u64 = 0x5249_0f20_0022_2682;
    // Each bit is of one class.
    const _: () = assert!(FENCE ^ FREEZE ^ INFO == u64::MAX);
    const _: () = assert!(FENCE & FREEZE == 0 && FREEZE & INFO == 0 && INFO & FENCE == 0);
    /// 60: with a malformed packet at the root port, a freeze is a fence.
    pub(crate) const MALFORMED: u64 = super::bit(60);
}
