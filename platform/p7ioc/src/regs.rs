//! Registers of a bridge, its on-chip tables, and their fields. No logic.
//!
//! Source: skiboot as of 2018, `include/p7ioc-regs.h`, whose names they keep without the prefix. Fields
//! give the bits as IBM numbers them, bit 0 the most significant. The layouts of `*_CAP`, `QUIESCE_DMA`,
//! `XIVE_UPDATE` and of the tables LIST, MIST, TCAM and TDR are not known, so those are not here.
#![expect(clippy::eq_op, reason = "63 - 63 is meant")]

use ioda::Reg64;
use tock_registers::register_bitfields;

/// IBM bit `n` of a doubleword.
pub(crate) const fn bit(n: u32) -> u64 {
    1 << (63 - n)
}

pub(crate) const BUID: Reg64 = Reg64::at(0x100);
/// Little-endian lanes of 1, 2 or 4 bytes, never 8.
pub(crate) const CONFIG_DATA: u16 = 0x130;
pub(crate) const CONFIG_ADDRESS: Reg64 = Reg64::at(0x140);
pub(crate) const PHB2_CONFIG: Reg64 = Reg64::at(0x160);
pub(crate) const IO_BASE_ADDR: Reg64 = Reg64::at(0x170);
pub(crate) const IO_BASE_MASK: Reg64 = Reg64::at(0x178);
pub(crate) const IO_START_ADDR: Reg64 = Reg64::at(0x180);
pub(crate) const M32_BASE_ADDR: Reg64 = Reg64::at(0x190);
pub(crate) const M32_BASE_MASK: Reg64 = Reg64::at(0x198);
pub(crate) const M32_START_ADDR: Reg64 = Reg64::at(0x1a0);
pub(crate) const M64_UPPER_BITS: Reg64 = Reg64::at(0x1f0);
pub(crate) const TCE_KILL: Reg64 = Reg64::at(0x210);
pub(crate) const TCE_PREFETCH: Reg64 = Reg64::at(0x218);
pub(crate) const IODA_ADDR: Reg64 = Reg64::at(0x220);
/// The entry, or its first word; steps the index.
pub(crate) const IODA_DATA0: Reg64 = Reg64::at(0x228);
/// The second word of an entry; written before the first.
pub(crate) const IODA_DATA1: Reg64 = Reg64::at(0x230);
pub(crate) const PAPR_ERR_INJ_CTL: Reg64 = Reg64::at(0x2b0);
/// What is compared with what is accessed, and which of its bits.
pub(crate) const PAPR_ERR_INJ_ADDR: Reg64 = Reg64::at(0x2b8);
pub(crate) const PAPR_ERR_INJ_MASK: Reg64 = Reg64::at(0x2c0);
pub(crate) const ETU_ERR_SUMMARY: Reg64 = Reg64::at(0x2c8);

pub(crate) const UTL_SYS_BUS_AGENT_STATUS: Reg64 = Reg64::at(0x410);
pub(crate) const UTL_PCIE_PORT_STATUS: Reg64 = Reg64::at(0x548);
pub(crate) const UTL_PCIE_PORT_IRQ_EN: Reg64 = Reg64::at(0x558);
pub(crate) const UTL_RC_STATUS: Reg64 = Reg64::at(0x560);

pub(crate) const PCIE_SYSTEM_CONFIG: Reg64 = Reg64::at(0x600);
pub(crate) const PCIE_DLP_TRAIN_CTL: Reg64 = Reg64::at(0x640);
/// The first of six error logs of the UTL and the link layer; all ones clear them.
pub(crate) const PCIE_UTL_ERRLOG1: u16 = 0x680;
pub(crate) const PCIE_ERRLOGS: u16 = 6;

pub(crate) const VERSION: Reg64 = Reg64::at(0x800);
pub(crate) const RESET: Reg64 = Reg64::at(0x808);
pub(crate) const CONTROL: Reg64 = Reg64::at(0x810);
pub(crate) const AIB_RX_CRED_INIT_TIMER: Reg64 = Reg64::at(0x818);
pub(crate) const AIB_RX_CMD_CRED: Reg64 = Reg64::at(0x820);
pub(crate) const AIB_RX_DATA_CRED: Reg64 = Reg64::at(0x828);
pub(crate) const AIB_TX_CHAN_MAPPING: Reg64 = Reg64::at(0x840);
pub(crate) const LEGACY_CTRL: Reg64 = Reg64::at(0x850);
pub(crate) const AIB_TAG_ENABLE: Reg64 = Reg64::at(0x858);
pub(crate) const TCE_TAG_ENABLE: Reg64 = Reg64::at(0x868);
pub(crate) const TIMEOUT_CTRL1: Reg64 = Reg64::at(0x878);
pub(crate) const TIMEOUT_CTRL2: Reg64 = Reg64::at(0x880);

pub(crate) const LEM_FIR_ACCUM: Reg64 = Reg64::at(0xc00);
pub(crate) const LEM_FIR_AND_MASK: Reg64 = Reg64::at(0xc08);
pub(crate) const LEM_ERROR_MASK: Reg64 = Reg64::at(0xc18);
pub(crate) const LEM_ACTION0: Reg64 = Reg64::at(0xc30);
pub(crate) const LEM_ACTION1: Reg64 = Reg64::at(0xc38);
pub(crate) const LEM_WOF: Reg64 = Reg64::at(0xc40);

/// The four blocks of error traps: bridge, outbound, inbound A, inbound B.
pub(crate) const TRAPS: [u16; 4] = [0xc80, 0xd00, 0xd80, 0xe00];
/// Offsets in a block.
pub(crate) mod trap {
    pub(crate) const STATUS: u16 = 0x00;
    pub(crate) const FIRST: u16 = 0x08;
    pub(crate) const LEM_ENABLE: u16 = 0x18;
    pub(crate) const IRQ_ENABLE: u16 = 0x20;
    pub(crate) const FREEZE_ENABLE: u16 = 0x28;
    pub(crate) const FENCE_ENABLE: u16 = 0x30;
    pub(crate) const LOG0: u16 = 0x40;
    pub(crate) const LOG1: u16 = 0x48;
    pub(crate) const STATUS_MASK: u16 = 0x50;
    pub(crate) const FIRST_MASK: u16 = 0x58;
}

/// A table on the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// Hub routing, 4.
    Hrt = 0,
    /// Routing of LSIs, 8.
    Lxivt = 2,
    /// Routing of message interrupts, 256.
    Mxivt = 4,
    /// Who may send messages, 256.
    Mvt = 5,
    /// Requester to endpoint, 128.
    Peltm = 6,
    /// Why an endpoint's MMIO is stopped, 128.
    PestA = 7,
    /// Why its DMA is, 128.
    PestB = 8,
    /// DMA windows, 128 of two words.
    Tvt = 9,
    /// Who freezes with whom, 128 of two words.
    Peltv = 12,
    /// 64-bit windows, 16.
    M64bt = 16,
    /// Segments of the I/O window, 128.
    Iodt = 17,
    /// Segments of the 32-bit window, 128.
    M32dt = 18,
    /// Segments of the 64-bit windows, 16 times 8.
    M64dt = 19,
    /// Which endpoints are stopped, 2.
    Peev = 20,
}

register_bitfields![u64,
    pub(crate) Buid [
        /// 7:15: the eight LSIs' number over 16.
        LSI OFFSET(63 - 15) NUMBITS(9) [],
        /// 23:31: that of the first message interrupt.
        MSI OFFSET(63 - 31) NUMBITS(9) [],
    ],
    pub(crate) ConfigAddress [
        /// 0
        ENABLE OFFSET(63) NUMBITS(1) [],
        /// 4:19: bus, device, function.
        BDF OFFSET(63 - 19) NUMBITS(16) [],
        /// 20:31: byte offset.
        REG OFFSET(63 - 31) NUMBITS(12) [],
    ],
    pub(crate) Phb2Config [
        /// 2: fetch TCEs by 64 bytes; off and on again flushes all that are cached.
        TCE_64B OFFSET(63 - 2) NUMBITS(1) [],
        /// 8
        MSI32 OFFSET(63 - 8) NUMBITS(1) [],
        /// 12
        IO OFFSET(63 - 12) NUMBITS(1) [],
        /// 14
        MSI64 OFFSET(63 - 14) NUMBITS(1) [],
        /// 16
        M32 OFFSET(63 - 16) NUMBITS(1) [],
    ],
    pub(crate) TceKill [
        /// 0: forget the pair of entries at `ADDRESS`.
        PAIR OFFSET(63) NUMBITS(1) [],
        /// 16:59: real address of the pair, over 16.
        ADDRESS OFFSET(63 - 59) NUMBITS(44) [],
    ],
    pub(crate) IodaAddr [
        /// 0: step `TADR` after each access to `IODA_DATA0`.
        AUTOINC OFFSET(63) NUMBITS(1) [],
        /// 11:15: the table.
        TSEL OFFSET(63 - 15) NUMBITS(5) [],
        /// 48:63: index of the entry.
        TADR OFFSET(63 - 63) NUMBITS(16) [],
    ],
    pub(crate) DlpTrainCtl [
        /// 1: the transmitter is off; ends the link.
        TX_DISABLE OFFSET(63 - 1) NUMBITS(1) [],
        /// 16: the receiver has seen that.
        RX_DISABLED OFFSET(63 - 16) NUMBITS(1) [],
        /// 22: the link layer is in its own reset.
        PG_RESET OFFSET(63 - 22) NUMBITS(1) [],
        /// 23
        LINK_ACTIVE OFFSET(63 - 23) NUMBITS(1) [],
    ],
    pub(crate) Reset [
        /// 2: 0 asserts PERST.
        PERST_OFF OFFSET(63 - 2) NUMBITS(1) [],
    ],
    pub(crate) PaprErrInjCtl [
        /// 0: DMA.
        INBOUND OFFSET(63) NUMBITS(1) [],
        /// 1: loads and stores.
        OUTBOUND OFFSET(63 - 1) NUMBITS(1) [],
        /// 2: until it is cleared.
        STICKY OFFSET(63 - 2) NUMBITS(1) [],
        /// 3: config cycles.
        CONFIG OFFSET(63 - 3) NUMBITS(1) [],
        /// 4
        READ OFFSET(63 - 4) NUMBITS(1) [],
        /// 5
        WRITE OFFSET(63 - 5) NUMBITS(1) [],
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
