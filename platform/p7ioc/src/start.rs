//! Starting and resetting a bridge, one step at a time: [`Phase`].
//!
//! Source: skiboot as of 2018, `hw/p7ioc-phb.c`, its slot state machines.

use crate::Phb;
use crate::init::{LEM_MASK, PORT_IRQS, PORT_IRQS_NO_LINK};
use crate::regs::{self, DlpTrainCtl, RX_DISABLED, TX_DISABLE, fir};
use ioda::driver::Chip;
use ioda::driver::config::ROOT;
use ioda::driver::reset::{self, Phases};
use ioda::driver::root_port::{self, RECEIVER_ERROR};
use ioda::{CfgOffset, CfgWidth, RegIo, ResetError, ResetKind};

/// What a bridge is doing; the number is how many more looks it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not started yet.
    Off,
    /// Its tables were loaded again before a complete reset, so that what is on its way meets no garbage.
    Calming,
    /// What was on its way has gone.
    Calmed,
    /// Held in reset by the hub.
    Held { tries: u8 },
    /// Let go by the hub.
    Released,
    /// The link layer is in its own reset.
    LinkLayer { looks: u16 },
    /// The transmitter is off; until the receiver has seen that. Then this reset of what is below.
    LinkDown { below: Below, looks: u16 },
    /// The bus below is held in hot reset.
    HotHeld,
    /// PERST is held.
    PerstHeld,
    /// The reset below was ended.
    Settling,
    /// Is the link up?
    Link { looks: u16 },
    /// It is, and what is below gets the time that PCI Express gives it before it must answer.
    Rested,
    /// Running.
    Ready,
    /// Not usable.
    Failed(ResetError),
}

/// How what is below is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Below {
    Hot,
    Perst,
}

/// Waits, in milliseconds.
const RESET_MS: u32 = 1000;
const SETTLE_MS: u32 = 200;
const CALM_MS: u32 = 100;
const HOLD_MS: u32 = 1;
const POLL_MS: u32 = 10;

/// Looks, [`POLL_MS`] apart unless said.
const HOT_DOWN_LOOKS: u16 = 15;
const PERST_DOWN_LOOKS: u16 = 200;
const LINK_LOOKS: u16 = 100;
/// 1 ms apart.
const LINK_LAYER_LOOKS: u16 = 400;
/// Resets by the hub until the fence has to have lifted.
const TRIES: u8 = 5;

impl<R: RegIo> Phases for Phb<R> {
    fn ended(&self) -> Option<Result<(), ResetError>> {
        match self.phase {
            Phase::Ready => Some(Ok(())),
            Phase::Failed(error) => Some(Err(error)),
            _ => None,
        }
    }

    fn step(&mut self) -> u32 {
        let (next, ms) = self
            .next()
            .unwrap_or_else(|error| (Phase::Failed(error), 0));
        self.phase = next;
        ms
    }
}

impl<R: RegIo> Phb<R> {
    pub(crate) fn begin_reset(&mut self, kind: ResetKind) {
        self.injector.disarm(&self.port.io);
        self.phase = match (kind, self.phase) {
            (_, Phase::Off) => Phase::Off,
            (ResetKind::Complete, _) => self.begin_complete(),
            (_, Phase::Failed(error)) => Phase::Failed(error),
            _ if self.is_fenced() => Phase::Failed(ResetError::Fenced),
            (ResetKind::Hot, _) => self.begin_below(Below::Hot),
            (ResetKind::Fundamental, _) => self.begin_below(Below::Perst),
        };
    }

    /// Does what the phase asks for; gives the next one and the wait before it.
    fn next(&mut self) -> Result<(Phase, u32), ResetError> {
        match self.phase {
            Phase::Off => Ok((Phase::Released, 0)),
            Phase::Calming => {
                let ms = if self.is_fenced() { 0 } else { CALM_MS };
                Ok((Phase::Calmed, ms))
            }
            Phase::Calmed => {
                if self.is_fenced() {
                    // The bridge's own masks are out of reach, and go with the reset.
                    self.hub.mask_errors();
                } else {
                    self.ignore_link_errors();
                }
                self.hub.hold();
                Ok((Phase::Held { tries: TRIES }, HOLD_MS))
            }
            Phase::Held { tries } => self.release(tries),
            Phase::Released => {
                self.init_slow()?;
                self.init_core();
                let looks = LINK_LAYER_LOOKS;
                Ok((Phase::LinkLayer { looks }, 0))
            }
            Phase::LinkLayer { looks } => self.await_link_layer(looks),
            Phase::LinkDown { below, looks } => Ok(self.await_link_down(below, looks)),
            Phase::HotHeld => {
                root_port::end_hot_reset(self);
                Ok((Phase::Settling, SETTLE_MS))
            }
            Phase::PerstHeld => {
                reset::release_perst(&self.port.io);
                Ok((Phase::Settling, 0))
            }
            Phase::Settling => {
                self.change_training(|train| train & !TX_DISABLE);
                Ok((Phase::Link { looks: LINK_LOOKS }, POLL_MS))
            }
            Phase::Link { looks } => Ok(self.await_link(looks)),
            Phase::Rested => Ok((self.run(true), 0)),
            Phase::Ready | Phase::Failed(_) => Ok((self.phase, 0)),
        }
    }

    fn begin_complete(&mut self) -> Phase {
        if !self.is_fenced() {
            // The tables of what is frozen are loaded too, which is a thaw.
            self.clear_latched();
            self.replay();
        }
        Phase::Calming
    }

    /// Ends the hub's hold on the bridge, and starts it again if the fence is still up.
    fn release(&mut self, tries: u8) -> Result<(Phase, u32), ResetError> {
        self.hub.release();
        if !self.hub.is_fence_up() {
            self.fenced = false;
            return Ok((Phase::Released, CALM_MS));
        }
        match tries.checked_sub(1) {
            None | Some(0) => Err(ResetError::Fenced),
            Some(tries) => {
                self.hub.hold();
                Ok((Phase::Held { tries }, HOLD_MS))
            }
        }
    }

    fn await_link_layer(&mut self, looks: u16) -> Result<(Phase, u32), ResetError> {
        let train = self.port.io.read64(regs::PCIE_DLP_TRAIN_CTL);
        if DlpTrainCtl::PG_RESET.is_set(train) {
            return match looks.checked_sub(1) {
                None => Err(ResetError::TimeOut("the link layer's reset")),
                Some(looks) => Ok((Phase::LinkLayer { looks }, 1)),
            };
        }
        self.init_port()?;
        self.hub.clear_errors();
        self.hub.unmask_errors();
        self.hub.forget_fence();
        // What is below was left by somebody else, or has lost its bridge under it.
        Ok((self.begin_below(Below::Perst), 0))
    }

    fn begin_below(&mut self, below: Below) -> Phase {
        self.ignore_link_errors();
        self.change_training(|train| train | TX_DISABLE);
        let looks = match below {
            Below::Hot => HOT_DOWN_LOOKS,
            Below::Perst => PERST_DOWN_LOOKS,
        };
        Phase::LinkDown { below, looks }
    }

    /// The receiver may never notice, with an empty slot; the reset goes on then.
    fn await_link_down(&mut self, below: Below, looks: u16) -> (Phase, u32) {
        let train = self.port.io.read64(regs::PCIE_DLP_TRAIN_CTL);
        if let Some(looks) = looks.checked_sub(1).filter(|_| train & RX_DISABLED == 0) {
            return (Phase::LinkDown { below, looks }, POLL_MS);
        }
        match below {
            Below::Hot => {
                root_port::begin_hot_reset(self);
                (Phase::HotHeld, RESET_MS)
            }
            Below::Perst => {
                reset::hold_perst(&self.port.io);
                (Phase::PerstHeld, RESET_MS)
            }
        }
    }

    fn await_link(&mut self, looks: u16) -> (Phase, u32) {
        let train = self.port.io.read64(regs::PCIE_DLP_TRAIN_CTL);
        let is_up = DlpTrainCtl::LINK_ACTIVE.is_set(train);
        match looks.checked_sub(1) {
            _ if is_up => (Phase::Rested, CALM_MS),
            Some(looks) => (Phase::Link { looks }, POLL_MS),
            None => {
                let id = self.layout.id;
                log::info!("{id}: no link, the slot is taken for empty");
                (self.run(false), 0)
            }
        }
    }

    /// Clears what the reset has latched, lets errors count again, gives the root port its config space back.
    fn run(&mut self, is_up: bool) -> Phase {
        self.init_root_port();
        self.raw_write(ROOT, CfgOffset::at(0x04), CfgWidth::Half, 0x147);
        self.clear_latched();
        if !is_up {
            self.mask_receiver_errors();
        }
        self.hub.clear_errors();
        self.hub.unmask_errors();
        let irqs = if is_up { PORT_IRQS } else { PORT_IRQS_NO_LINK };
        self.port.io.write64(regs::UTL_PCIE_PORT_IRQ_EN, irqs);
        self.port.io.write64(regs::LEM_ERROR_MASK, LEM_MASK);
        Phase::Ready
    }

    /// What goes down with the link is no error while a reset takes it down: neither here nor at the hub.
    fn ignore_link_errors(&mut self) {
        self.port
            .io
            .write64(regs::UTL_PCIE_PORT_IRQ_EN, PORT_IRQS_NO_LINK);
        self.mask_receiver_errors();
        self.hub.mask_errors();
        self.port.io.write64(regs::LEM_ERROR_MASK, RESET_LEM_MASK);
    }

    /// Until the root port is set up the next time.
    fn mask_receiver_errors(&mut self) {
        let at = root_port::AER_CORRECTABLE_MASK;
        root_port::change(self, at, CfgWidth::Word, |mask| mask | RECEIVER_ERROR);
    }

    fn change_training(&self, change: fn(u64) -> u64) {
        let train = self.port.io.read64(regs::PCIE_DLP_TRAIN_CTL);
        self.port
            .io
            .write64(regs::PCIE_DLP_TRAIN_CTL, change(train));
    }
}

/// Errors that raise no interrupt while a reset takes the link down: all that fence but 30.
const RESET_LEM_MASK: u64 = 0xadb6_50c9_808d_d051;
const _: () = assert!(RESET_LEM_MASK == fir::FENCE & !regs::bit(30));
