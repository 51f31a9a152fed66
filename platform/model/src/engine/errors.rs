//! Errors: what is noted of them, who is stopped for them, and making them on purpose.

use super::tables::{PESTA, PESTB};
use super::{Change, State};
use crate::bits::{bit, place};
use crate::chip::{Chip, Compared, Home, OneShot, Trap};
use alloc::format;
use ioda::Rid;

pub(crate) const FIR: u16 = 0xc00;
pub(crate) const FIR_AND: u16 = 0xc08;
pub(crate) const FIR_OR: u16 = 0xc10;
pub(crate) const FIR_MASK: u16 = 0xc18;
pub(crate) const WOF: u16 = 0xc40;
/// In a block of traps.
const FIRST: u16 = 0x08;
const LEM_ENABLE: u16 = 0x18;
const IRQ_ENABLE: u16 = 0x20;
const FREEZE_ENABLE: u16 = 0x28;
const FENCE_ENABLE: u16 = 0x30;
const LOG0: u16 = 0x40;
const LOG1: u16 = 0x48;
/// FIR: a malformed packet came in, if the root port says so too.
pub(crate) const FIR_MALFORMED: u64 = bit(60);
/// FIR: of the class that only informs, on every chip.
pub(crate) const FIR_INFO: u32 = 62;
/// The bridge's interrupt for errors.
const ERROR_WIRE: u8 = 7;

pub(crate) const INJECT: u16 = 0x2b0;
const INJECT_ADDRESS: u16 = 0x2b8;
const INJECT_MASK: u16 = 0x2c0;

/// What went wrong, for PESTA 5:7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    DmaWrite,
    Message,
    DmaRead,
    MmioLoad,
    MmioStore,
    ConfigRead,
    ConfigWrite,
    Inbound,
}

impl Operation {
    /// What PESTA says it was.
    pub(super) const fn of(a: u64) -> Self {
        match (a & bit(3) != 0, a & bit(4) != 0, a >> 56 & 7) {
            (true, ..) => Self::ConfigRead,
            (_, true, _) => Self::ConfigWrite,
            (.., 0) => Self::DmaWrite,
            (.., 1) => Self::Message,
            (.., 2 | 3) => Self::DmaRead,
            (.., 4) => Self::MmioLoad,
            (.., 5) => Self::MmioStore,
            _ => Self::Inbound,
        }
    }

    /// Its bits of PESTA.
    const fn bits(self) -> u64 {
        match self {
            Self::DmaWrite => 0,
            Self::Message => 1 << 56,
            Self::DmaRead => 2 << 56,
            Self::MmioLoad => bit(2) | 4 << 56,
            Self::MmioStore => bit(2) | 5 << 56,
            Self::ConfigRead => bit(3) | 7 << 56,
            Self::ConfigWrite => bit(4) | 7 << 56,
            Self::Inbound => 7 << 56,
        }
    }
}

/// An error of an endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Error {
    pub(crate) operation: Operation,
    /// Bits of PESTA that say what is wrong.
    pub(crate) detail: u64,
    pub(crate) rid: Rid,
    pub(crate) data: u32,
    pub(crate) address: u64,
}

/// Something that injection can be aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Config(Rid),
    Mmio(u64),
    Io(u64),
    /// The window's number, and the address.
    Dma(u64, u64),
}

impl<C: Chip> State<C> {
    /// Stops `pe` for an error, and whoever goes with it, and notes what it was.
    pub(crate) fn fail(&mut self, pe: u16, error: &Error) {
        let traps = C::PARAMS.traps;
        let trap = match error.operation {
            Operation::MmioLoad | Operation::MmioStore => traps.mmio,
            Operation::ConfigRead | Operation::ConfigWrite => traps.config,
            Operation::DmaRead | Operation::DmaWrite => traps.dma,
            Operation::Message => traps.message,
            Operation::Inbound => traps.inbound,
        };
        let a = error.operation.bits()
            | error.detail
            | place(trap.fir.into(), 26, 31)
            | place(error.rid.0.into(), 32, 47)
            | place(error.data.into(), 48, 63);
        let b = place(error.address, 3, 63);
        if !self.is_set(trap, FREEZE_ENABLE) {
            self.complain(|| {
                format!(
                    "an error of PE#{pe:02x} is not set to freeze in traps {:#x}",
                    trap.block
                )
            });
        }
        self.latch(trap, a, b);
        self.stop(pe, a, b);
        let told = matches!(error.operation, Operation::Inbound);
        // Only what a device tells of spreads.
        if told {
            for (word, children) in (0u16..).zip(self.children(pe)) {
                for at in 0..64u16 {
                    let child = word.wrapping_mul(64).wrapping_add(at);
                    if children & bit(at.into()) != 0 && child != pe {
                        self.stop(child, a, b);
                    }
                }
            }
        }
        self.tell(trap);
        // Whether it freezes besides is not published; a bridge that is off hides it.
        if self.is_set(trap, FENCE_ENABLE) {
            C::fence(self);
        }
    }

    /// Whether a block of traps is set up to do something about an error.
    fn is_set(&self, trap: Trap, what: u16) -> bool {
        self.reg(trap.block | what) & bit(trap.bit) != 0
    }

    /// Freezes `pe` for MMIO and DMA. What was noted of an error before stays.
    fn stop(&mut self, pe: u16, a: u64, b: u64) {
        if pe >= C::PARAMS.pes {
            return;
        }
        for (side, offset, detail) in [(PESTA, 0, a), (PESTB, 8, b)] {
            if self.tables.is_stopped(side, pe) {
                continue;
            }
            self.tables.set(side, pe, [detail | bit(0), 0]);
            self.tell_below(Change::Entry(side.into(), pe.into()));
            if let Home::Memory(bar) = C::PARAMS.pest
                && let Some(base) = self.table(bar)
            {
                let at = base.wrapping_add(16 * u64::from(pe)).wrapping_add(offset);
                self.memory.store(at, 8, detail & !bit(0));
            }
        }
    }

    /// Notes an error in its traps: the first one in full, later ones as bits; and in the FIR, which the traps tell.
    pub(crate) fn latch(&mut self, trap: Trap, log0: u64, log1: u64) {
        self.regs.or(trap.block, bit(trap.bit));
        if self.reg(trap.block | FIRST) == 0 {
            self.regs.set(trap.block | FIRST, bit(trap.bit));
            self.regs.set(trap.block | LOG0, log0);
            self.regs.set(trap.block | LOG1, log1);
        }
        if self.is_set(trap, LEM_ENABLE) {
            self.latch_fir(bit(trap.fir));
        }
    }

    pub(crate) fn latch_fir(&mut self, fir: u64) {
        self.regs.or(FIR, fir);
        if self.reg(WOF) == 0 {
            self.regs.set(WOF, fir);
        }
        C::latched(self, fir);
    }

    /// Raises the bridge's own interrupt for an error, unless it is masked somewhere.
    fn tell(&mut self, trap: Trap) {
        let is_heard = self.reg(FIR_MASK) & bit(trap.fir) == 0;
        if is_heard && self.is_set(trap, IRQ_ENABLE) {
            C::level(self, ERROR_WIRE);
        }
    }

    /// `ETU_ERR_SUMMARY`: whether any error is latched.
    pub(crate) fn error_summary(&self) -> u64 {
        let traps = C::PARAMS.traps.blocks.iter();
        let latched = traps.fold(self.reg(FIR), |all, block| all | self.reg(*block));
        u64::from(latched != 0)
    }

    /// What a driver forgot before it let an endpoint go on.
    pub(crate) fn check_thaw(&mut self, pe: u16) {
        if self.error_summary() != 0 {
            self.complain(|| format!("PE#{pe:02x} is thawed while errors are latched"));
        }
        let is_armed = self.reg(INJECT) & (bit(0) | bit(1)) != 0;
        let is_sticky = self.reg(INJECT) & bit(2) != 0;
        if is_armed && !is_sticky && C::PARAMS.one_shot == OneShot::Stays {
            self.complain(|| format!("PE#{pe:02x} is thawed while an injection is armed"));
        }
        if self.reg(FIR) & FIR_MALFORMED != 0 && self.fabric.root_is_malformed() {
            self.complain(|| format!("PE#{pe:02x} is thawed after a malformed packet"));
        }
    }

    /// A store to the control register of injections.
    pub(crate) fn arm(&mut self, value: u64) {
        if value & !place(0x3f, 0, 5) != 0 {
            self.complain(|| format!("nobody knows what injection {value:#x} does"));
        }
        let half = value & (bit(4) | bit(5));
        let both = bit(4) | bit(5);
        if value & (bit(0) | bit(1)) != 0 && (half == 0 || half != both && !C::injects_halves(self))
        {
            self.complain(|| format!("injection {value:#x} never strikes"));
        }
        self.regs.set(INJECT, value);
    }

    /// Whether an injection strikes here.
    pub(crate) fn injected(&mut self, target: Target, is_read: bool) -> bool {
        let control = self.reg(INJECT);
        let direction = if matches!(target, Target::Dma(..)) {
            bit(0)
        } else {
            bit(1)
        };
        let both = bit(4) | bit(5);
        let wanted = if is_read { bit(4) } else { bit(5) };
        let is_config = matches!(target, Target::Config(_));
        // Published drivers give config cycles no direction.
        if !is_config && control & direction == 0
            || control & wanted == 0
            || control & both != both && !C::injects_halves(self)
            || (control & bit(3) != 0) != is_config
        {
            return false;
        }
        let (seen, compared) = match (C::PARAMS.compared, target) {
            (Compared::Blocks, Target::Config(rid)) => {
                (place(rid.bus().into(), 4, 11), place(0xff, 4, 11))
            }
            (Compared::Blocks, Target::Mmio(real)) => (real, place(u64::MAX, 16, 39)),
            (Compared::Blocks, Target::Io(real)) => (real, place(u64::MAX, 16, 47)),
            (Compared::Blocks, Target::Dma(window, _)) => (window, place(0xf, 60, 63)),
            (Compared::Addresses, Target::Config(rid)) => {
                (place(rid.0.into(), 4, 19), place(0xffff, 4, 19))
            }
            (Compared::Addresses, Target::Mmio(real) | Target::Io(real)) => {
                (real, place(u64::MAX, 16, 63))
            }
            (Compared::Addresses, Target::Dma(_, address)) => (address, u64::MAX),
        };
        let differs = (seen ^ self.reg(INJECT_ADDRESS)) & self.reg(INJECT_MASK) & compared;
        let strikes = differs == 0;
        if strikes && control & bit(2) == 0 && C::PARAMS.one_shot == OneShot::Clears {
            self.regs.set(INJECT, 0);
        }
        strikes
    }

    /// The endpoint's number and what is noted of it: where the chip keeps it.
    pub(crate) fn pest(&self, pe: u16) -> [u64; 2] {
        let on_chip = [PESTA, PESTB].map(|side| self.tables.word(side, pe));
        match C::PARAMS.pest {
            Home::Chip(_) => on_chip,
            Home::Memory(bar) => {
                let base = self.table(bar);
                let word = |offset: u64| {
                    let at = base?.wrapping_add(16 * u64::from(pe) + offset);
                    self.memory.load64(at)
                };
                let [a, b] = on_chip;
                [a | word(0).unwrap_or(0), b | word(8).unwrap_or(0)]
            }
        }
    }
}
