//! What a bridge's registers are set to at a start: skiboot's `p7ioc_phb_init`, in its order.

use crate::port::running_config;
use crate::regs::{self, Buid};
use crate::{Phb, hub};
use ioda::driver::Chip;
use ioda::driver::config::ROOT;
use ioda::driver::root_port::{self, Reporting};
use ioda::driver::traps::{self, TrapSet};
use ioda::{CfgOffset, CfgWidth, Reg64, RegIo, ResetError};

/// `PCIE_SYSTEM_CONFIG` out of reset: width of the link, largest payload.
const SYSTEM_CONFIG: u64 = 0x4228_00fc_2000_0000;
/// `RESET` with the cores let go, so that the link starts to train, and then with the rest.
const RESET_CORES: u64 = 0xe800_0000_0000_0000;
const RESET_NONE: u64 = 0xe000_0000_0000_0000;
/// `CONTROL`: ECC, all of the translation cache, failed reads of DMA end in a completer abort.
const CONTROL: u64 = 0x7f38_0000_0000_0000;

/// Error traps of each block: what is reported, freezes (and interrupts), fences.
pub(crate) const TRAPS: [TrapSet; 4] = [
    traps_of(
        0xffff_ffff_efff_ffff,
        0x0000_0000_61c0_0000,
        0xffff_ffc5_8c00_0000,
    ),
    traps_of(u64::MAX, 0x0000_4308_0300_0000, 0x9df3_bc00_f0f0_700f),
    traps_of(u64::MAX, 0xc000_03ff_0100_6000, 0x3fff_5000_7e55_9fd8),
    traps_of(u64::MAX, 0, 0x18ff_80ff_ff7f_0000),
];

const fn traps_of(lem: u64, freeze: u64, fence: u64) -> TrapSet {
    TrapSet {
        lem,
        freeze,
        fence,
        irq: freeze,
        ignored: 0,
    }
}

/// Errors that raise no interrupt.
pub(crate) const LEM_MASK: u64 = 0x1249_a114_7f50_0f2c;
/// Enables of the port's interrupts with a link, and while it goes down.
pub(crate) const PORT_IRQS: u64 = 0x7e65_0000_0000_0000;
pub(crate) const PORT_IRQS_NO_LINK: u64 = 0x7e00_0000_0000_0000;

/// `VERSION` 24:31.
const MAJOR: u64 = 0xa2;
/// 48:63: DD1.0; DD1.1 is the next.
const MINOR_DD10: u64 = 1;

impl<R: RegIo> Phb<R> {
    /// By the slow path: what the fast one needs.
    pub(crate) fn init_slow(&mut self) -> Result<(), ResetError> {
        let io = &self.asb;
        let version = io.read64(regs::VERSION);
        // 24:31; skiboot drops them and never finds DD1.0.
        if version >> 32 & 0xff != MAJOR {
            return Err(ResetError::Version(version));
        }
        self.is_dd10 = version & 0xffff == MINOR_DD10;
        for (reg, value) in [
            (regs::AIB_TX_CHAN_MAPPING, 0x0211_3000_0000_0000),
            (regs::AIB_RX_CMD_CRED, 0x0020_0020_0020_0001),
            (regs::AIB_RX_DATA_CRED, 0x0000_0020_0000_0001),
            (regs::AIB_RX_CRED_INIT_TIMER, 0xff00_0000_0000_0000),
            (regs::AIB_TAG_ENABLE, 0xffff_ffff_0000_0000),
            (regs::TCE_TAG_ENABLE, 0xffff_ffff_0000_0000),
        ] {
            io.write64(reg, value);
        }
        Ok(())
    }

    /// By the fast path from here on: windows and tables, everything that needs no link layer.
    pub(crate) fn init_core(&self) {
        let io = &self.port.io;
        let buids = Buid::LSI.val(self.layout.lsi_buid()) + Buid::MSI.val(self.layout.msi_buid());
        let m32 = self.caps.m32;
        for (reg, value) in [
            (regs::PCIE_SYSTEM_CONFIG, SYSTEM_CONFIG),
            (regs::RESET, RESET_CORES),
            (regs::BUID, buids.into()),
            (regs::IO_BASE_ADDR, self.layout.io),
            (regs::IO_BASE_MASK, hub::IO_BYTES.wrapping_neg()),
            (regs::IO_START_ADDR, 0),
            (regs::M32_BASE_ADDR, m32.real),
            (regs::M32_BASE_MASK, m32.bytes().wrapping_neg()),
            (regs::M32_START_ADDR, m32.pci),
            (regs::M64_UPPER_BITS, 0),
            (regs::PHB_CONFIG, running_config()),
        ] {
            io.write64(reg, value);
        }
        self.replay();
        for log in regs::PCIE_ERRLOGS {
            self.port.io.write64(log, u64::MAX);
        }
    }

    /// What follows once the link layer is out of its reset.
    pub(crate) fn init_port(&mut self) -> Result<(), ResetError> {
        self.port.io.write64(regs::UTL_PCIE_PORT_STATUS, u64::MAX);
        self.init_root_port();
        let io = &self.port.io;
        for (reg, value) in UTL {
            io.write64(reg, value);
        }
        io.write64(regs::RESET, RESET_NONE);
        io.write64(regs::CONTROL, CONTROL);
        // Translations are killed by register, not by broadcast.
        io.write64(regs::LEGACY_CTRL, 0);
        traps::set_up(io, &TRAPS, 0);
        let errors = self.port.io.read64(regs::ETU_ERR_SUMMARY);
        if errors != 0 {
            return Err(ResetError::Broken(errors));
        }
        // I/O, memory, bus master, parity, SERR.
        self.raw_write(ROOT, CfgOffset::at(0x04), CfgWidth::Half, 0x147);
        let io = &self.port.io;
        traps::enable_interrupts(io, &TRAPS, LEM_MASK);
        // Address speculation, for reads and writes.
        io.write64(regs::TCE_PREFETCH, 0xc000 << 32);
        io.write64(regs::TIMEOUT_CTRL1, 0x1611_1120_1020_0000);
        io.write64(regs::TIMEOUT_CTRL2, 0x0000_5613_0000_0000);
        Ok(())
    }

    /// The root port's config space, which every reset of it loses.
    pub(crate) fn init_root_port(&mut self) {
        let word = |at| (CfgOffset::at(at), CfgWidth::Word);
        let half = |at| (CfgOffset::at(at), CfgWidth::Half);
        let write = |this: &mut Self, (at, width): (CfgOffset, CfgWidth), value| {
            this.raw_write(ROOT, at, width, value)
        };
        write(self, word(0x18), self.buses);
        // Bases above limits: on this port that means that everything is forwarded.
        write(self, half(0x1c), 0x0010);
        write(self, word(0x20), 0x0000_0010);
        write(self, word(0x24), 0x0000_0010);
        write(self, half(0x3e), 0x0002);
        self.pcie_cap = root_port::find_pcie_cap(self);
        let reporting = Reporting {
            // The third completion time-out and ARI forwarding.
            device_control2: 0x22,
            correctable_mask: 0,
        };
        root_port::report_errors(self, self.pcie_cap, &reporting);
    }
}

/// The bus agent, the port and the root complex: status cleared, severities, enables.
const UTL: [(Reg64, u64); 13] = [
    (regs::UTL_SYS_BUS_AGENT_STATUS, u64::MAX),
    (Reg64::at(0x418), 0),
    (Reg64::at(0x420), 0xac80_0000_0000_0000),
    (Reg64::at(0x4d0), 0x0400_0000_0000_0000),
    (Reg64::at(0x4e0), 0x1000_0000_0000_0000),
    (Reg64::at(0x4f0), 0x4000_0000_0000_0000),
    (Reg64::at(0x520), 0x0800_0000_0000_0000),
    (Reg64::at(0x530), 0x0800_0000_0000_0000),
    (Reg64::at(0x540), 0x8480_0000_0000_0000),
    (regs::UTL_PCIE_PORT_STATUS, 0xff7f_ffff_ffff_ffff),
    (Reg64::at(0x550), 0x00e0_0000_0000_0000),
    (regs::UTL_PCIE_PORT_IRQ_EN, PORT_IRQS),
    (regs::UTL_RC_STATUS, u64::MAX),
];
