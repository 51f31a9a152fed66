//! Registers that P7IOC's bridges and PHB3 have at the same offset, and fields that both have at the same bits. No
//! logic.
//!
//! Sources: skiboot `include/p7ioc-regs.h` as of 2018 and `include/phb3-regs.h`, whose names they keep without the
//! prefix. Fields give the bits as IBM numbers them, bit 0 the most significant. A register is here even where some
//! of its fields are of one chip alone: those are with that chip's driver.
#![expect(
    missing_docs,
    clippy::eq_op,
    reason = "the names are the headers'; 63 - 63 is meant"
)]

use crate::Reg64;
use tock_registers::register_bitfields;

/// IBM bit `n` of a doubleword.
#[must_use]
pub const fn bit(n: u32) -> u64 {
    1 << (63 - n)
}

/// Little-endian lanes of 1, 2 or 4 bytes, never 8.
pub const CONFIG_DATA: u16 = 0x130;
pub const CONFIG_ADDRESS: Reg64 = Reg64::at(0x140);
/// `PHB2_CONFIG` and `PHB3_CONFIG`.
pub const PHB_CONFIG: Reg64 = Reg64::at(0x160);
pub const M32_BASE_ADDR: Reg64 = Reg64::at(0x190);
pub const M32_BASE_MASK: Reg64 = Reg64::at(0x198);
pub const M32_START_ADDR: Reg64 = Reg64::at(0x1a0);
pub const M64_UPPER_BITS: Reg64 = Reg64::at(0x1f0);
/// Its fields are each chip's own.
pub const TCE_KILL: Reg64 = Reg64::at(0x210);
pub const IODA_ADDR: Reg64 = Reg64::at(0x220);
/// The entry, or its first word; steps the index.
pub const IODA_DATA0: Reg64 = Reg64::at(0x228);
pub const PAPR_ERR_INJ_CTL: Reg64 = Reg64::at(0x2b0);
/// What is compared with what is accessed, and which of its bits: each chip's own.
pub const PAPR_ERR_INJ_ADDR: Reg64 = Reg64::at(0x2b8);
pub const PAPR_ERR_INJ_MASK: Reg64 = Reg64::at(0x2c0);
pub const ETU_ERR_SUMMARY: Reg64 = Reg64::at(0x2c8);

pub const UTL_SYS_BUS_AGENT_STATUS: Reg64 = Reg64::at(0x410);
pub const UTL_PCIE_PORT_STATUS: Reg64 = Reg64::at(0x548);
pub const UTL_PCIE_PORT_IRQ_EN: Reg64 = Reg64::at(0x558);
pub const UTL_RC_STATUS: Reg64 = Reg64::at(0x560);

pub const PCIE_SYSTEM_CONFIG: Reg64 = Reg64::at(0x600);
pub const PCIE_DLP_TRAIN_CTL: Reg64 = Reg64::at(0x640);
/// Error logs of the UTL and the link layer; all ones clear them.
pub const PCIE_ERRLOGS: [Reg64; 6] = [
    Reg64::at(0x680),
    Reg64::at(0x688),
    Reg64::at(0x690),
    Reg64::at(0x698),
    Reg64::at(0x6a0),
    Reg64::at(0x6a8),
];

pub const VERSION: Reg64 = Reg64::at(0x800);
pub const RESET: Reg64 = Reg64::at(0x808);
pub const CONTROL: Reg64 = Reg64::at(0x810);
pub const AIB_RX_CRED_INIT_TIMER: Reg64 = Reg64::at(0x818);
pub const AIB_RX_CMD_CRED: Reg64 = Reg64::at(0x820);
pub const AIB_RX_DATA_CRED: Reg64 = Reg64::at(0x828);
pub const AIB_TX_CHAN_MAPPING: Reg64 = Reg64::at(0x840);
pub const AIB_TAG_ENABLE: Reg64 = Reg64::at(0x858);
pub const TCE_TAG_ENABLE: Reg64 = Reg64::at(0x868);
pub const TIMEOUT_CTRL1: Reg64 = Reg64::at(0x878);
pub const TIMEOUT_CTRL2: Reg64 = Reg64::at(0x880);

pub const LEM_FIR_ACCUM: Reg64 = Reg64::at(0xc00);
pub const LEM_FIR_AND_MASK: Reg64 = Reg64::at(0xc08);
pub const LEM_ERROR_MASK: Reg64 = Reg64::at(0xc18);
pub const LEM_ACTION0: Reg64 = Reg64::at(0xc30);
pub const LEM_ACTION1: Reg64 = Reg64::at(0xc38);
pub const LEM_WOF: Reg64 = Reg64::at(0xc40);

/// The four blocks of error traps: bridge, outbound, inbound A, inbound B.
pub const TRAPS: [TrapRegs; 4] = [
    TrapRegs::at(0xc80),
    TrapRegs::at(0xd00),
    TrapRegs::at(0xd80),
    TrapRegs::at(0xe00),
];

/// The registers of a block of error traps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapRegs {
    pub status: Reg64,
    /// The first of what is in `status`.
    pub first: Reg64,
    /// Which errors the LEM is told.
    pub lem_enable: Reg64,
    pub irq_enable: Reg64,
    pub freeze_enable: Reg64,
    pub fence_enable: Reg64,
    /// Where the first error came from.
    pub logs: [Reg64; 2],
    pub status_mask: Reg64,
    pub first_mask: Reg64,
}

impl TrapRegs {
    const fn at(base: u16) -> Self {
        Self {
            status: Reg64::at(base),
            first: Reg64::at(base + 0x08),
            lem_enable: Reg64::at(base + 0x18),
            irq_enable: Reg64::at(base + 0x20),
            freeze_enable: Reg64::at(base + 0x28),
            fence_enable: Reg64::at(base + 0x30),
            logs: [Reg64::at(base + 0x40), Reg64::at(base + 0x48)],
            status_mask: Reg64::at(base + 0x50),
            first_mask: Reg64::at(base + 0x58),
        }
    }
}

register_bitfields![u64,
    pub ConfigAddress [
        /// 0
        ENABLE OFFSET(63) NUMBITS(1) [],
        /// 4:19: bus, device, function.
        BDF OFFSET(63 - 19) NUMBITS(16) [],
        /// 20:31: byte offset.
        REG OFFSET(63 - 31) NUMBITS(12) [],
    ],
    pub PhbConfig [
        /// 2: fetch TCEs by 64 bytes; a change flushes all that are cached.
        TCE_64B OFFSET(63 - 2) NUMBITS(1) [],
        /// 8
        MSI32 OFFSET(63 - 8) NUMBITS(1) [],
        /// 14
        MSI64 OFFSET(63 - 14) NUMBITS(1) [],
        /// 16
        M32 OFFSET(63 - 16) NUMBITS(1) [],
    ],
    pub IodaAddr [
        /// 0: step `TADR` after each access to `IODA_DATA0`.
        AUTOINC OFFSET(63) NUMBITS(1) [],
        /// 11:15: the table.
        TSEL OFFSET(63 - 15) NUMBITS(5) [],
        /// 55:63: index of the entry. P7IOC's field is wider, its tables are not longer.
        TADR OFFSET(63 - 63) NUMBITS(9) [],
    ],
    pub PaprErrInjCtl [
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
    pub DlpTrainCtl [
        /// 22: the link layer is in its own reset.
        PG_RESET OFFSET(63 - 22) NUMBITS(1) [],
        /// 23
        LINK_ACTIVE OFFSET(63 - 23) NUMBITS(1) [],
    ],
    pub Reset [
        /// 2: 0 holds PERST.
        PERST_OFF OFFSET(63 - 2) NUMBITS(1) [],
    ],
];
