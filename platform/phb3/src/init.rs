//! What the registers are set to at a start: skiboot's `phb3_init_hw`, in its order.

use crate::regs::{
    self, IvcInvalidate, LsiSourceId, PhbConfig, RtcInvalidate, TableBar, TceKill, Version, bit,
    table,
};
use crate::{PES, Phb3, RESERVED};
use ioda::driver::Chip;
use ioda::driver::config::ROOT;
use ioda::driver::root_port::{self, Reporting};
use ioda::driver::traps::{self, TrapSet};
use ioda::{CfgOffset, CfgWidth, PeNumber, RegIo, ResetError, XscomIo};

/// `CONTROL` with entries of the interrupt vector table a cache line apart.
const CONTROL: u64 = 0xf3a8_0edb_0000_0000;
/// `RESET` with everything let go but PERST.
const RESET_ALL_BUT_PERST: u64 = 0xd000_0000_0000_0000;
/// The first revision (major and minor) whose requester table and rejects work as this driver has it: Murano DD2.0.
const MURANO_DD20: u32 = 0xa3_0003;
/// The first of Naples.
const NAPLES_DD10: u32 = 0xb3_0001;

/// Error traps of each block.
const TRAPS: [TrapSet; 4] = [
    TrapSet {
        lem: u64::MAX,
        freeze: 0x0000_0000_8080_0000,
        fence: 0xffff_ffdd_0c00_ffc0,
        irq: 0x0000_0022_80b8_0000,
        ignored: 0,
    },
    TrapSet {
        lem: 0xfdff_ffff_ffbf_ffff,
        freeze: 0x0000_4208_0000_0000,
        fence: 0x9cf3_bc00_f89c_700f,
        irq: 0x600c_42fc_0420_80f0,
        ignored: 0x0000_0000_0040_0000,
    },
    TrapSet {
        lem: u64::MAX,
        freeze: 0xc000_03a9_0100_6000,
        fence: 0x3fff_5452_fe01_9fde,
        irq: 0xc000_a3a9_0182_6020,
        ignored: 0,
    },
    TrapSet {
        lem: u64::MAX,
        freeze: 0x0000_6000_0000_0060,
        fence: 0xfcff_80fb_ff7f_f08c,
        irq: 0x0000_6000_0080_0070,
        ignored: 0,
    },
];
/// Errors that raise no interrupt.
const LEM_MASK: u64 = 0x4249_8e36_7f50_2eae;
/// Enables of the port's interrupts with a link, and without.
pub(crate) const PORT_IRQS: u64 = 0xad52_8000_0000_0000;
pub(crate) const PORT_IRQS_NO_LINK: u64 = 0xad42_8000_0000_0000;

impl<R: RegIo, X: XscomIo> Phb3<R, X> {
    /// From the release of the bridge's logic to the tables: everything that needs no link layer.
    pub(crate) fn init_core(&mut self) -> Result<(), ResetError> {
        let revision = self.revision()?;
        self.init_aib(revision)?;
        self.fill_tables();
        let io = &self.port.io;
        // The slot bit makes wrong power messages; all else keeps the implementation's defaults.
        io.write64(
            regs::PCIE_SYSTEM_CONFIG,
            io.read64(regs::PCIE_SYSTEM_CONFIG) & !bit(15),
        );
        if self.pbcq.id().index == 2 && revision < NAPLES_DD10 {
            io.write64(regs::PCIE_SYS_LINK_INIT, 0x9008_1333_3212_0000);
        }
        io.write64(regs::RESET, RESET_ALL_BUT_PERST);
        io.write64(
            regs::LSI_SOURCE_ID,
            LsiSourceId::ID.val(self.pbcq.lsi_id().into()).into(),
        );
        self.init_table_bars();
        self.init_m32();
        io.write64(regs::M64_UPPER_BITS, 0);
        let represent = if revision >= NAPLES_DD10 { 0x14 } else { 0x4 };
        io.write64(regs::INTREP_TIMER, represent << 48);
        // Alone first: that flushes the TCE cache.
        io.write64(regs::PHB_CONFIG, PhbConfig::TCE_64B::SET.into());
        io.write64(
            regs::PHB_CONFIG,
            (PhbConfig::M32::SET + PhbConfig::MSI32::SET + PhbConfig::MSI64::SET).into(),
        );
        // 512 ns must pass: a load from the bridge takes longer than a third of that.
        for _ in 0..4 {
            let _ = io.read64(regs::PHB_CONFIG);
        }
        self.replay();
        for log in regs::PCIE_ERRLOGS {
            self.port.io.write64(log, u64::MAX);
        }
        Ok(())
    }

    /// What follows once the link layer is out of its reset.
    pub(crate) fn init_port(&mut self) -> Result<(), ResetError> {
        self.port.io.write64(regs::UTL_PCIE_PORT_STATUS, u64::MAX);
        self.init_root_port();
        self.init_utl();
        self.port.io.write64(regs::CONTROL, CONTROL);
        traps::set_up(&self.port.io, &TRAPS, u64::MAX);
        let errors = self.port.io.read64(regs::ETU_ERR_SUMMARY);
        if errors != 0 {
            return Err(ResetError::Broken(errors));
        }
        // Memory, bus master, parity, SERR; then clear what the status says.
        self.raw_write(ROOT, CfgOffset::at(0x04), CfgWidth::Half, 0x146);
        self.raw_write(
            ROOT,
            CfgOffset::at(0x06),
            CfgWidth::Half,
            root_port::STATUS_ERRORS,
        );
        let io = &self.port.io;
        traps::enable_interrupts(io, &TRAPS, LEM_MASK);
        // DMA address speculation.
        io.write64(regs::TCE_SPEC_CTL, 0xf000 << 48);
        io.write64(regs::TIMEOUT_CTRL1, 0x1715_1520_1620_0000);
        io.write64(regs::TIMEOUT_CTRL2, 0x2320_d716_0000_0000);
        Ok(())
    }

    /// Loads all on-chip tables from their shadows and makes the bridge forget what it had cached.
    pub(crate) fn replay(&mut self) {
        let port = self.port;
        port.replay_lsis();
        port.write_entries(table::MRT, [0; 8].into_iter());
        port.write_entries(table::RBA, [0; 32].into_iter());
        port.write_entries(table::TVT, self.tvt.into_iter());
        port.write_entries(table::M32DT, self.m32dt.into_iter());
        port.write_entries(table::M64BT, self.m64bt.into_iter());
        port.write_entries(table::PEST_A, [0; PES as usize].into_iter());
        port.write_entries(table::PEST_B, [0; PES as usize].into_iter());
        port.write_entries(table::PEEV, [0; 4].into_iter());
        port.io.sync();
        port.io
            .write64(regs::RTC_INVALIDATE, RtcInvalidate::ALL::SET.into());
        port.io
            .write64(regs::IVC_INVALIDATE, IvcInvalidate::ALL::SET.into());
        port.io.write64(regs::TCE_KILL, TceKill::ALL::SET.into());
    }

    fn revision(&self) -> Result<u32, ResetError> {
        let version = self.pbcq.asb_read(regs::VERSION)?;
        let revision = (Version::MAJOR.read(version) << 16 | Version::MINOR.read(version)) as u32;
        if revision < MURANO_DD20 || !matches!(revision >> 16, 0xa3 | 0xb3) {
            return Err(ResetError::Version(version));
        }
        Ok(revision)
    }

    /// Credits and tags of the link to the PowerBus, which works only after this.
    fn init_aib(&self, revision: u32) -> Result<(), ResetError> {
        for (reg, value) in [
            (regs::AIB_TX_CHAN_MAPPING, 0x0211_2300_0000_0000),
            (regs::AIB_RX_CMD_CRED, 0x0020_0001_0002_0001),
            (regs::AIB_RX_DATA_CRED, 0x0020_0020_0001_0001),
            (regs::AIB_RX_CRED_INIT_TIMER, 0x0f00_0000_0000_0000),
            (regs::AIB_TAG_ENABLE, 0xffff_ffff_0000_0000),
            (regs::TCE_TAG_ENABLE, 0xffff_ffff_0000_0000),
        ] {
            self.pbcq.asb_write(reg, value)?;
        }
        if revision == MURANO_DD20 {
            // Errata 20131017: the TCE queue overflows.
            self.pbcq
                .asb_write(regs::TCE_WATERMARK, 0x0003_0000_0003_0302)?;
        }
        Ok(())
    }

    /// Gives the tables in memory their first content; a reset keeps what they have.
    fn fill_tables(&mut self) {
        if self.tables_filled {
            return;
        }
        self.tables_filled = true;
        // HW278969: no entry may be invalid, or a stray message upsets the chip.
        self.tables
            .rtt
            .cells
            .iter()
            .for_each(|entry| entry.store(RESERVED.0));
        self.tables.peltv.cells.iter().for_each(|row| row.store(0));
        self.tables.pest.cells.iter().for_each(|word| word.store(0));
        for pe in 0..PES {
            // An endpoint is frozen by its own errors.
            let pe = PeNumber(pe);
            let done = self.set_peltv(pe, pe, |row, bit| row | bit);
            debug_assert!(done.is_ok(), "they are all there");
        }
        for ive in self.tables.ivt.cells {
            ive.target.store(0xff);
            ive.gen_p.store(0, core::sync::atomic::Ordering::Relaxed);
            ive.q.store(0, core::sync::atomic::Ordering::Relaxed);
            ive.pe.store(RESERVED.0);
        }
    }

    fn init_table_bars(&self) {
        let io = &self.port.io;
        let enable = u64::from(TableBar::ENABLE::SET);
        let entries = u64::from(TableBar::ENTRIES.val(crate::Tables::IVT_ENTRIES as u64));
        io.sync();
        io.write64(regs::RTT_BAR, self.tables.rtt.real | enable);
        io.write64(regs::PELTV_BAR, self.tables.peltv.real | enable);
        io.write64(regs::IVT_BAR, self.tables.ivt.real | entries | enable);
        // Rejects are kept on the chip since DD2.0.
        io.write64(regs::RBA_BAR, 0);
        io.write64(regs::PEST_BAR, self.tables.pest.real | enable);
    }

    fn init_m32(&self) {
        let io = &self.port.io;
        let m32 = self.caps.m32;
        io.write64(regs::M32_BASE_ADDR, m32.real);
        io.write64(regs::M32_BASE_MASK, m32.bytes().wrapping_neg());
        io.write64(regs::M32_START_ADDR, m32.pci);
    }

    fn init_root_port(&mut self) {
        let word = |at| (CfgOffset::at(at), CfgWidth::Word);
        let half = |at| (CfgOffset::at(at), CfgWidth::Half);
        let write = |this: &mut Self, (at, width): (CfgOffset, CfgWidth), value| {
            this.raw_write(ROOT, at, width, value)
        };
        // Buses 0, 1, 255; the windows closed until they are planned (on the chip that means open).
        write(self, word(0x18), 0x00ff_0100);
        write(self, half(0x1c), 0x0010);
        write(self, word(0x20), 0x0000_0010);
        self.find_prefetch_fault();
        write(self, word(0x24), 0x0000_0010);
        write(self, half(0x3e), 0x0002);
        self.pcie_cap = root_port::find_pcie_cap(self);
        let reporting = Reporting {
            // Long completion time-out and ARI forwarding.
            device_control2: 0x2f,
            correctable_mask: 0x0000_2001,
        };
        root_port::report_errors(self, self.pcie_cap, &reporting);
    }

    /// Sees whether the upper half of the prefetch window's base keeps what it is given.
    fn find_prefetch_fault(&mut self) {
        const UPPER: CfgOffset = CfgOffset::at(0x28);
        self.prefetch.is_needed = false;
        let before = self.raw_read(ROOT, UPPER, CfgWidth::Word);
        self.raw_write(ROOT, UPPER, CfgWidth::Word, !before);
        let after = self.raw_read(ROOT, UPPER, CfgWidth::Word);
        self.raw_write(ROOT, UPPER, CfgWidth::Word, before);
        self.prefetch.is_needed = after == before;
    }

    fn init_utl(&self) {
        let io = &self.port.io;
        for (reg, value) in [
            (regs::UTL_SYS_BUS_AGENT_STATUS, u64::MAX),
            (regs::UTL_SYS_BUS_AGENT_ERR_SEVERITY, 0x5000 << 48),
            (regs::UTL_SYS_BUS_AGENT_IRQ_EN, 0xfcc0 << 48),
            (regs::UTL_PCIE_PORT_CONTROL, 0x8588_0070_0000_0000),
            (regs::UTL_PCIE_PORT_STATUS, 0xffdf_ffff_ffff_ffff),
            (regs::UTL_PCIE_PORT_ERROR_SEV, 0x5039 << 48),
            (regs::UTL_PCIE_PORT_IRQ_EN, PORT_IRQS_NO_LINK),
            (regs::UTL_RC_STATUS, u64::MAX),
        ] {
            io.write64(reg, value);
        }
    }
}
