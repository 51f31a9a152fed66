//! Registers, on-chip tables and their fields. No logic.
//!
//! Those that P7IOC's bridges have too come from [`ioda::driver::regs`].
//!
//! Source: skiboot `include/phb3-regs.h`, whose names they keep without the prefix. Fields give the
//! bits as IBM numbers them, bit 0 the most significant.
#![expect(clippy::eq_op, reason = "63 - 63 is meant")]

use ioda::Reg64;
pub(crate) use ioda::driver::regs::*;
use tock_registers::register_bitfields;

/// Read/write: the number of the LSIs, as a multiple of 8.
pub(crate) const LSI_SOURCE_ID: Reg64 = Reg64::at(0x100);
pub(crate) const IVT_BAR: Reg64 = Reg64::at(0x150);
pub(crate) const RBA_BAR: Reg64 = Reg64::at(0x158);
pub(crate) const RTT_BAR: Reg64 = Reg64::at(0x168);
pub(crate) const PELTV_BAR: Reg64 = Reg64::at(0x188);
pub(crate) const PEST_BAR: Reg64 = Reg64::at(0x1a8);
pub(crate) const INTREP_TIMER: Reg64 = Reg64::at(0x1f8);
pub(crate) const DMARD_SYNC: Reg64 = Reg64::at(0x200);
pub(crate) const RTC_INVALIDATE: Reg64 = Reg64::at(0x208);
pub(crate) const TCE_SPEC_CTL: Reg64 = Reg64::at(0x218);
pub(crate) const FFI_REQUEST: Reg64 = Reg64::at(0x238);
pub(crate) const FFI_LOCK: Reg64 = Reg64::at(0x240);
pub(crate) const IVC_INVALIDATE: Reg64 = Reg64::at(0x2a0);
pub(crate) const IVC_UPDATE: Reg64 = Reg64::at(0x2a8);

pub(crate) const UTL_SYS_BUS_AGENT_ERR_SEVERITY: Reg64 = Reg64::at(0x418);
pub(crate) const UTL_SYS_BUS_AGENT_IRQ_EN: Reg64 = Reg64::at(0x420);
pub(crate) const UTL_PCIE_PORT_CONTROL: Reg64 = Reg64::at(0x540);
pub(crate) const UTL_PCIE_PORT_ERROR_SEV: Reg64 = Reg64::at(0x550);

pub(crate) const PCIE_SYS_LINK_INIT: Reg64 = Reg64::at(0x668);

pub(crate) const TCE_WATERMARK: Reg64 = Reg64::at(0x870);

/// `PCIE_DLP_TRAIN_CTL` 19: something is in the slot.
pub(crate) const INBAND_PRESENCE: u64 = bit(19);
pub(crate) const HOTPLUG_OVERRIDE: Reg64 = Reg64::at(0xfb0);
/// Both presence pins high: nothing is in the slot.
pub(crate) const HOTPLUG_EMPTY: u64 = bit(10) | bit(11);

/// The tables on the chip.
pub(crate) mod table {
    pub(crate) use ioda::driver::table::*;

    pub(crate) const RBA: Table = Table(4);
    pub(crate) const MRT: Table = Table(6);
    pub(crate) const M32DT: Table = Table(17);
}

register_bitfields![u64,
    pub(crate) LsiSourceId [
        /// 5:12: the number over 8.
        ID OFFSET(63 - 12) NUMBITS(8) []
    ],
    /// The base addresses of tables in memory; the address stands where it stands in an address.
    pub(crate) TableBar [
        /// 0
        ENABLE OFFSET(63) NUMBITS(1) [],
        /// 52:63, of `IVT_BAR` alone: how many entries.
        ENTRIES OFFSET(0) NUMBITS(12) [],
    ],
    /// `CONFIG_ADDRESS`, beside what both chips have in it.
    pub(crate) ConfigPe [
        /// 40:47: the endpoint to freeze if the access fails.
        PE OFFSET(63 - 47) NUMBITS(8) [],
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
