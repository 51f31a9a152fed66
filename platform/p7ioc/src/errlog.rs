//! What a bridge has latched of errors, in words: [`ErrorLog`].
//!
//! What a bit of the error register or of a block of traps stands for is not published; what it does is: the error
//! register's by class, a trap's by what it is set up to do.

use crate::init::TRAPS;
use crate::regs::{self, fir};
use crate::{Phase, Phb};
use core::fmt;
use ioda::RegIo;
use ioda::driver::Chip;

/// What an error of a bridge does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The bridge shuts itself off.
    Fence,
    /// An endpoint is frozen.
    Freeze,
    /// Nothing is stopped.
    Info,
}

/// A block of error traps: where in the bridge an error was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias("PHB", "OUT", "INA", "INB"))]
pub enum TrapBlock {
    /// PHB: the bridge itself.
    Bridge,
    /// OUT: outbound, MMIO.
    Outbound,
    /// INA: inbound.
    InboundA,
    /// INB: inbound, DMA.
    InboundB,
}

/// What a block of traps has latched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapLog {
    /// Which block.
    pub block: TrapBlock,
    /// Its errors.
    pub status: u64,
    /// Those that came first.
    pub first: u64,
    /// What was noted of the first one.
    pub logs: [u64; 2],
}

/// What a bridge has latched of errors; to be read before they are cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorLog {
    /// The error register, which sums up the traps; all ones if the bridge does not answer.
    #[doc(alias = "LEM_FIR_ACCUM")]
    pub fir: u64,
    /// Whether a malformed packet came in at the root port; with it a freeze counts as a fence.
    pub malformed: bool,
    /// The four blocks of traps.
    pub traps: [TrapLog; 4],
}

const BLOCKS: [TrapBlock; 4] = [
    TrapBlock::Bridge,
    TrapBlock::Outbound,
    TrapBlock::InboundA,
    TrapBlock::InboundB,
];

const CLASSES: [ErrorClass; 3] = [ErrorClass::Fence, ErrorClass::Freeze, ErrorClass::Info];

impl<R: RegIo> Phb<R> {
    /// What it has latched of errors; `None` while it is being started or reset. Changes nothing.
    ///
    /// Reading it does not need the fast path, so a fenced bridge tells too.
    pub fn error_log(&mut self) -> Option<ErrorLog> {
        let is_ready = self.phase == Phase::Ready;
        if !is_ready && !matches!(self.phase, Phase::Failed(_)) {
            return None;
        }
        let is_fast = is_ready && !self.is_fenced();
        let io = if is_fast { &self.port.io } else { &self.asb };
        let fir = io.read64(regs::LEM_FIR_ACCUM);
        let mut traps = BLOCKS.map(TrapLog::none);
        for (log, block) in traps.iter_mut().zip(&regs::TRAPS) {
            log.status = io.read64(block.status);
            log.first = io.read64(block.first);
            log.logs = block.logs.map(|reg| io.read64(reg));
        }
        Some(ErrorLog {
            fir,
            malformed: is_ready && self.has_malformed(fir),
            traps,
        })
    }
}

impl ErrorLog {
    /// The bits of the error register of this class.
    #[must_use]
    pub const fn errors(&self, class: ErrorClass) -> u64 {
        let bits = match class {
            ErrorClass::Fence => fir::FENCE,
            ErrorClass::Freeze => fir::FREEZE,
            ErrorClass::Info => fir::INFO,
        };
        self.fir & bits
    }
}

impl TrapLog {
    const fn none(block: TrapBlock) -> Self {
        Self {
            block,
            status: 0,
            first: 0,
            logs: [0; 2],
        }
    }

    /// The errors that the block was set up to treat like this.
    #[must_use]
    pub fn errors(&self, class: ErrorClass) -> u64 {
        let [fence, freeze] = BLOCKS
            .iter()
            .zip(&TRAPS)
            .find(|(block, _)| **block == self.block)
            .map_or([0; 2], |(_, traps)| [traps.fence, traps.freeze]);
        let bits = match class {
            ErrorClass::Fence => fence,
            ErrorClass::Freeze => freeze & !fence,
            ErrorClass::Info => !fence & !freeze,
        };
        self.status & bits
    }
}

/// The numbers of the bits that are set, bit 0 the most significant.
struct Bits(u64);

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut mark = "";
        for n in (0..u64::BITS).filter(|n| self.0 & regs::bit(*n) != 0) {
            write!(f, "{mark}{n}")?;
            mark = ", ";
        }
        Ok(())
    }
}

impl Bits {
    const fn plural(&self) -> &'static str {
        if self.0.count_ones() > 1 { "s" } else { "" }
    }
}

impl ErrorClass {
    /// What one error does, or several.
    const fn verb(self, errors: u64) -> &'static str {
        match (self, errors.count_ones()) {
            (Self::Fence, 0 | 1) => "shuts the bridge off",
            (Self::Fence, _) => "shut the bridge off",
            (Self::Freeze, 0 | 1) => "freezes an endpoint",
            (Self::Freeze, _) => "freeze an endpoint",
            (Self::Info, 0 | 1) => "stops nothing",
            (Self::Info, _) => "stop nothing",
        }
    }
}

impl fmt::Display for TrapBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bridge => "the bridge's own traps",
            Self::Outbound => "the outbound traps",
            Self::InboundA => "the inbound traps A",
            Self::InboundB => "the inbound traps B",
        })
    }
}

impl fmt::Display for TrapLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} have", self.block)?;
        let mut mark = " ";
        for class in CLASSES {
            let errors = self.errors(class);
            if errors != 0 {
                write!(f, "{mark}{}, which {}", Bits(errors), class.verb(errors))?;
                mark = ", ";
            }
        }
        if self.first != 0 {
            let [log0, log1] = self.logs;
            let first = Bits(self.first);
            write!(f, "{mark}{first} first, with {log0:#x} and {log1:#x} noted")?;
            mark = "";
        }
        if mark == " " {
            f.write_str(" nothing")?;
        }
        Ok(())
    }
}

impl fmt::Display for ErrorLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.fir == u64::MAX {
            return f.write_str("the bridge does not answer");
        }
        let mut mark = "";
        for class in CLASSES {
            let errors = self.errors(class);
            if errors != 0 {
                let bits = Bits(errors);
                let plural = bits.plural();
                write!(f, "{mark}error{plural} {bits} {}", class.verb(errors))?;
                mark = "; ";
            }
        }
        if self.malformed {
            write!(f, "{mark}a malformed packet came in")?;
            mark = "; ";
        }
        for log in &self.traps {
            if (log.status | log.first) != 0 {
                write!(f, "{mark}{log}")?;
                mark = "; ";
            }
        }
        if mark.is_empty() {
            f.write_str("no error is latched")?;
        }
        Ok(())
    }
}
