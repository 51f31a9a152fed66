//! Registers, on-chip tables and their fields. No logic.
//!
//! Source: skiboot `include/phb3-regs.h`, whose names they keep without the prefix. Fields give the
//! bits as IBM numbers them, bit 0 the most significant.
#![expect(clippy::eq_op, reason = "63 - 63 is meant")]

use ioda::Reg64;
use tock_registers::register_bitfields;

/// IBM bit `n` of a doubleword.
pub(crate) const fn bit(n: u32) -> u64 {
    1 << (63 - n)
}

/// Read/write: the number of the LSIs, as a multiple of 8.
pub(crate) const LSI_SOURCE_ID: Reg64 = Reg64::at(0x100);
/// Little-endian lanes of 1, 2 or 4 bytes, never 8.
pub(crate) const CONFIG_DATA: u16 = 0x130;
pub(crate) const CONFIG_ADDRESS: Reg64 = Reg64::at(0x140);
pub(crate) const IVT_BAR: Reg64 = Reg64::at(0x150);
pub(crate) const RBA_BAR: Reg64 = Reg64::at(0x158);
pub(crate) const PHB3_CONFIG: Reg64 = Reg64::at(0x160);
pub(crate) const RTT_BAR: Reg64 = Reg64::at(0x168);
pub(crate) const PELTV_BAR: Reg64 = Reg64::at(0x188);
pub(crate) const M32_BASE_ADDR: Reg64 = Reg64::at(0x190);
pub(crate) const M32_BASE_MASK: Reg64 = Reg64::at(0x198);
pub(crate) const M32_START_ADDR: Reg64 = Reg64::at(0x1a0);
pub(crate) const PEST_BAR: Reg64 = Reg64::at(0x1a8);
pub(crate) const M64_UPPER_BITS: Reg64 = Reg64::at(0x1f0);
pub(crate) const INTREP_TIMER: Reg64 = Reg64::at(0x1f8);
pub(crate) const DMARD_SYNC: Reg64 = Reg64::at(0x200);
pub(crate) const RTC_INVALIDATE: Reg64 = Reg64::at(0x208);
pub(crate) const TCE_KILL: Reg64 = Reg64::at(0x210);
pub(crate) const TCE_SPEC_CTL: Reg64 = Reg64::at(0x218);
pub(crate) const IODA_ADDR: Reg64 = Reg64::at(0x220);
pub(crate) const IODA_DATA0: Reg64 = Reg64::at(0x228);
pub(crate) const FFI_REQUEST: Reg64 = Reg64::at(0x238);
pub(crate) const FFI_LOCK: Reg64 = Reg64::at(0x240);
pub(crate) const IVC_INVALIDATE: Reg64 = Reg64::at(0x2a0);
pub(crate) const IVC_UPDATE: Reg64 = Reg64::at(0x2a8);
pub(crate) const PAPR_ERR_INJ_CTL: Reg64 = Reg64::at(0x2b0);
/// What is compared with what is accessed, and which of its bits.
pub(crate) const PAPR_ERR_INJ_ADDR: Reg64 = Reg64::at(0x2b8);
pub(crate) const PAPR_ERR_INJ_MASK: Reg64 = Reg64::at(0x2c0);
pub(crate) const ETU_ERR_SUMMARY: Reg64 = Reg64::at(0x2c8);

pub(crate) const UTL_SYS_BUS_AGENT_STATUS: Reg64 = Reg64::at(0x410);
pub(crate) const UTL_SYS_BUS_AGENT_ERR_SEVERITY: Reg64 = Reg64::at(0x418);
pub(crate) const UTL_SYS_BUS_AGENT_IRQ_EN: Reg64 = Reg64::at(0x420);
pub(crate) const UTL_PCIE_PORT_CONTROL: Reg64 = Reg64::at(0x540);
pub(crate) const UTL_PCIE_PORT_STATUS: Reg64 = Reg64::at(0x548);
pub(crate) const UTL_PCIE_PORT_ERROR_SEV: Reg64 = Reg64::at(0x550);
pub(crate) const UTL_PCIE_PORT_IRQ_EN: Reg64 = Reg64::at(0x558);
pub(crate) const UTL_RC_STATUS: Reg64 = Reg64::at(0x560);

pub(crate) const PCIE_SYSTEM_CONFIG: Reg64 = Reg64::at(0x600);
pub(crate) const PCIE_DLP_TRAIN_CTL: Reg64 = Reg64::at(0x640);
pub(crate) const PCIE_SYS_LINK_INIT: Reg64 = Reg64::at(0x668);
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
pub(crate) const AIB_TAG_ENABLE: Reg64 = Reg64::at(0x858);
pub(crate) const TCE_TAG_ENABLE: Reg64 = Reg64::at(0x868);
pub(crate) const TCE_WATERMARK: Reg64 = Reg64::at(0x870);
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

pub(crate) const HOTPLUG_OVERRIDE: Reg64 = Reg64::at(0xfb0);
/// Both presence pins high: nothing is in the slot.
pub(crate) const HOTPLUG_EMPTY: u64 = bit(10) | bit(11);

register_bitfields![u64,
    pub(crate) LsiSourceId [
        /// 5:12: the number over 8.
        ID OFFSET(63 - 12) NUMBITS(8) []
    ],
    pub(crate) ConfigAddress [
        /// 0
        ENABLE OFFSET(63) NUMBITS(1) [],
        /// 4:19: bus, device, function.
        BDF OFFSET(63 - 19) NUMBITS(16) [],
        /// 20:31: byte offset.
        REG OFFSET(63 - 31) NUMBITS(12) [],
        /// 40:47: the endpoint to freeze if the access fails.
        PE OFFSET(63 - 47) NUMBITS(8) [],
    ],
    pub(crate) Phb3Config [
        /// 2: fetch TCEs by 64 bytes.
        TCE_64B OFFSET(63 - 2) NUMBITS(1) [],
        /// 8
        MSI32 OFFSET(63 - 8) NUMBITS(1) [],
        /// 14
        MSI64 OFFSET(63 - 14) NUMBITS(1) [],
        /// 16
        M32 OFFSET(63 - 16) NUMBITS(1) [],
    ],
    /// The base addresses of tables in memory; the address stands where it stands in an address.
    pub(crate) TableBar [
        /// 0
        ENABLE OFFSET(63) NUMBITS(1) [],
        /// 52:63, of `IVT_BAR` alone: how many entries.
        ENTRIES OFFSET(0) NUMBITS(12) [],
    ],
    pub(crate) DmardSync [
        /// 0: start.
        START OFFSET(63) NUMBITS(1) [],
        /// 1: complete.
        COMPLETE OFFSET(63 - 1) NUMBITS(1) [],
    ],
    pub(crate) RtcInvalidate [
        /// 0
        ALL OFFSET(63) NUMBITS(1) [],
        /// 16:31
        RID OFFSET(63 - 31) NUMBITS(16) [],
    ],
    pub(crate) TceKill [
        /// 0: everything.
        ALL OFFSET(63) NUMBITS(1) [],
        /// 1: all of one endpoint.
        PE OFFSET(63 - 1) NUMBITS(1) [],
        /// 2: one page of one endpoint; the PCI address of the page stands in the middle.
        PAGE OFFSET(63 - 2) NUMBITS(1) [],
        /// 56:63: the endpoint.
        PE_NUMBER OFFSET(0) NUMBITS(8) [],
    ],
    pub(crate) IodaAddr [
        /// 0: step `TADR` after each access to `IODA_DATA0`.
        AUTOINC OFFSET(63) NUMBITS(1) [],
        /// 11:15: the table.
        TSEL OFFSET(63 - 15) NUMBITS(5) [
            Lxivt = 2, Rba = 4, Mrt = 6, PestA = 7, PestB = 8, Tvt = 9, M64bt = 16, M32dt = 17, Peev = 20
        ],
        /// 55:63: index of the entry.
        TADR OFFSET(63 - 63) NUMBITS(9) [],
    ],
    pub(crate) FfiRequest [
        /// 3: give the lock back.
        LOCK_CLEAR OFFSET(63 - 3) NUMBITS(1) [],
        /// 49:59: the source.
        ISN OFFSET(63 - 59) NUMBITS(11) [],
    ],
    pub(crate) IvcInvalidate [
        /// 0
        ALL OFFSET(63) NUMBITS(1) [],
        /// 16:31: the source.
        SID OFFSET(63 - 31) NUMBITS(16) [],
    ],
    pub(crate) IvcUpdate [
        /// 0
        ENABLE_P OFFSET(63) NUMBITS(1) [],
        /// 1
        ENABLE_Q OFFSET(63 - 1) NUMBITS(1) [],
        /// 2
        ENABLE_SERVER OFFSET(63 - 2) NUMBITS(1) [],
        /// 3
        ENABLE_PRIORITY OFFSET(63 - 3) NUMBITS(1) [],
        /// 4
        ENABLE_GEN OFFSET(63 - 4) NUMBITS(1) [],
        /// 5: only if the cached generation is `GEN_MATCH`.
        CONDITIONAL OFFSET(63 - 5) NUMBITS(1) [],
        /// 6:7
        GEN_MATCH OFFSET(63 - 7) NUMBITS(2) [],
        /// 8:23
        SERVER OFFSET(63 - 23) NUMBITS(16) [],
        /// 24:31
        PRIORITY OFFSET(63 - 31) NUMBITS(8) [],
        /// 32:33
        GEN OFFSET(63 - 33) NUMBITS(2) [],
        /// 48:63: the source.
        SID OFFSET(63 - 63) NUMBITS(16) [],
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
    pub(crate) Lxivt [
        /// 8:23: the server with two link bits below it.
        SERVER OFFSET(63 - 23) NUMBITS(16) [],
        /// 24:31
        PRIORITY OFFSET(63 - 31) NUMBITS(8) [],
    ],
    pub(crate) Tve [
        /// 0:47: real address of the table over 4096.
        TABLE OFFSET(63 - 47) NUMBITS(48) [],
        /// 48:50: levels less one.
        LEVELS OFFSET(63 - 50) NUMBITS(3) [],
        /// 51:55: log2 of the bytes of one table, less 11.
        TABLE_SIZE OFFSET(63 - 55) NUMBITS(5) [],
        /// 59:63: log2 of the bytes of a page, less 11.
        PAGE_SIZE OFFSET(63 - 63) NUMBITS(5) [],
    ],
    pub(crate) M32dt [
        /// 8:15
        PE OFFSET(63 - 15) NUMBITS(8) [],
    ],
    pub(crate) M64bt [
        /// 0
        ENABLE OFFSET(63) NUMBITS(1) [],
        /// 1: the whole window to one endpoint.
        SINGLE_PE OFFSET(63 - 1) NUMBITS(1) [],
        /// 2:31, segmented: address over 1 MiB.
        BASE OFFSET(63 - 31) NUMBITS(30) [],
        /// 34:63, segmented: minus the size over 1 MiB, as far as the field goes.
        MASK OFFSET(63 - 63) NUMBITS(30) [],
        /// 2:26, single: address over 32 MiB.
        SINGLE_BASE OFFSET(63 - 26) NUMBITS(25) [],
        /// 27:31, single: upper bits of the endpoint.
        PE_HIGH OFFSET(63 - 31) NUMBITS(5) [],
        /// 34:58, single: minus the size over 32 MiB, as far as the field goes.
        SINGLE_MASK OFFSET(63 - 58) NUMBITS(25) [],
        /// 59:63, single: lower bits of the endpoint.
        PE_LOW OFFSET(63 - 63) NUMBITS(5) [],
    ],
    pub(crate) DlpTrainCtl [
        /// 19: something is in the slot.
        INBAND_PRESENCE OFFSET(63 - 19) NUMBITS(1) [],
        /// 22: the link layer is being reset.
        PGRESET OFFSET(63 - 22) NUMBITS(1) [],
        /// 23
        LINK_ACTIVE OFFSET(63 - 23) NUMBITS(1) [],
    ],
    pub(crate) Reset [
        /// 2: 0 holds PERST.
        PERST_OFF OFFSET(63 - 2) NUMBITS(1) [],
    ],
    pub(crate) Version [
        /// 24:31: 0xa3.
        MAJOR OFFSET(63 - 31) NUMBITS(8) [],
        /// 48:63
        MINOR OFFSET(63 - 63) NUMBITS(16) [],
    ],
];

/// Registers of the PowerBus side, by offset from the bases in the device tree (XSCOM).
pub(crate) mod nest {
    /// Errors; AND and OR aliases follow it.
    pub(crate) const NFIR: u32 = 0x00;
    pub(crate) const NFIR_AND: u32 = 0x01;
    pub(crate) const NFIR_OR: u32 = 0x02;
    /// Error injection.
    pub(crate) const ERR_INJECT: u32 = 0x0a;
    /// 0:1: transactions are under way.
    pub(crate) const CQ_STATUS: u32 = 0x0f;
    pub(crate) const HW_CONFIG: u32 = 0x18;
    pub(crate) const IRSN_COMPARE: u32 = 0x1a;
    pub(crate) const IRSN_MASK: u32 = 0x1b;
    /// Read before `CQ_STATUS` after a reset of the ETU.
    pub(crate) const SETTLE: [u32; 3] = [0x1c, 0x1d, 0x1e];
    pub(crate) const LSI_SOURCE_ID: u32 = 0x1f;
    pub(crate) const MMIO_BAR0: u32 = 0x40;
    pub(crate) const MMIO_BAR1: u32 = 0x41;
    pub(crate) const PHB_BAR: u32 = 0x42;
    pub(crate) const MMIO_MASK0: u32 = 0x43;
    pub(crate) const MMIO_MASK1: u32 = 0x44;
    pub(crate) const BAR_ENABLE: u32 = 0x45;

    /// Addresses stand shifted by this much in the BARs.
    pub(crate) const BAR_SHIFT: u32 = 14;
    /// 0..4: both MMIO windows, the registers, interrupts in and out.
    pub(crate) const BAR_ENABLE_ALL: u64 = 0xf8 << 56;
    /// 16: the bridge has shut itself off.
    pub(crate) const NFIR_FENCED: u64 = super::bit(16);
    /// Errors that the bridge does not come back from.
    pub(crate) const NFIR_DEAD: u64 = 0x0180_00f8_0000_0000;
    /// Forces a fence.
    pub(crate) const NFIR_FORCE_FENCE: u64 = 0x0000_00f0_0000_0000;
    /// `CQ_STATUS` 0:1.
    pub(crate) const CQ_PENDING: u64 = super::bit(0) | super::bit(1);
    /// `HW_CONFIG`: the timer fields, and the value they get.
    pub(crate) const HW_TIMERS: u64 = 0xf0f0 << 48;
    pub(crate) const HW_TIMERS_VALUE: u64 = 0x1010 << 48;
    /// 2048 interrupt numbers.
    pub(crate) const IRSN_MASK_2048: u64 = 0xff00 << 48;
    /// An interrupt number stands shifted by this much in `IRSN_COMPARE`.
    pub(crate) const IRSN_SHIFT: u32 = 45;
    /// Which eight of them are the LSIs.
    pub(crate) const LSI_ID_SHIFT: u32 = 56;
}

/// Registers of the PCI side (XSCOM).
pub(crate) mod pci {
    /// 0: hold the bridge's logic in reset.
    pub(crate) const ETU_RESET: u32 = 0x0a;
    /// A copy of `nest::PHB_BAR`.
    pub(crate) const PHB_BAR: u32 = 0x0b;
}

/// Back door to the bridge's registers, which works while it is fenced (XSCOM).
pub(crate) mod spci {
    pub(crate) const ASB_ADDRESS: u32 = 0x00;
    pub(crate) const ASB_STATUS: u32 = 0x01;
    pub(crate) const ASB_DATA: u32 = 0x02;
}
