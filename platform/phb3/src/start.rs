//! Starting and resetting, one step at a time: [`Phase`].
//!
//! Source: skiboot `hw/phb3.c`, the `phb3_*_reset` state machines and the waits of `phb3_init_hw`.

use crate::Phb3;
use crate::init::{PORT_IRQS, PORT_IRQS_NO_LINK};
use crate::regs::{self, DlpTrainCtl};
use ioda::driver::reset::{self, Phases};
use ioda::driver::root_port::{self, AER_CORRECTABLE_MASK, AER_UNCORRECTABLE_MASK, RECEIVER_ERROR};
use ioda::{CfgOffset, CfgWidth, RegIo, ResetError, ResetKind, XscomIo};

/// What a bridge is doing; the number is how many more looks it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not started yet.
    Off,
    /// Shut off for a complete reset, with these PowerBus errors, until its transactions have ended.
    Draining { errors: u64, looks: u16 },
    /// Its errors being cleared.
    Cleared,
    /// Its logic was let go.
    Released,
    /// The link layer is in its own reset.
    LinkLayer { looks: u16 },
    /// The bus below is held in hot reset.
    HotHeld,
    /// PERST is held.
    PerstHeld,
    /// The reset below was ended.
    Settling,
    /// Is there anything in the slot?
    Presence { looks: u16 },
    /// Is the link up?
    Link { looks: u16 },
    /// Running.
    Ready,
    /// Not usable.
    Failed(ResetError),
}

/// Waits, in milliseconds.
const ETU_MS: u32 = 100;
const RESET_MS: u32 = 1000;
/// A hot reset's hold and rest, as PCI Express asks for, where there is no link.
const SHORT_MS: u32 = 2;
const POLL_MS: u32 = 10;

/// Looks, [`POLL_MS`] apart unless said.
const DRAIN_LOOKS: u16 = 500;
/// 1 ms apart.
const LINK_LAYER_LOOKS: u16 = 400;
const LINK_LOOKS: u16 = 200;

/// What goes wrong when a link goes down: the register that masks it, and its bit there.
const LINK_ERRORS: [(CfgOffset, u32); 2] = [
    (AER_UNCORRECTABLE_MASK, SURPRISE_DOWN),
    (AER_CORRECTABLE_MASK, RECEIVER_ERROR),
];
const SURPRISE_DOWN: u32 = 1 << 5;

impl<R: RegIo, X: XscomIo> Phases for Phb3<R, X> {
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

impl<R: RegIo, X: XscomIo> Phb3<R, X> {
    pub(crate) fn begin_reset(&mut self, kind: ResetKind) {
        self.injector.disarm(&self.port.io);
        let begun = match (kind, self.phase) {
            (_, Phase::Off) => Ok(Phase::Off),
            (ResetKind::Complete, _) => self.begin_complete(),
            (_, Phase::Failed(error)) => Err(error),
            (_, _) if self.fenced => Err(ResetError::Fenced),
            (ResetKind::Hot, _) => Ok(self.begin_hot()),
            (ResetKind::Fundamental, _) => Ok(self.begin_fundamental()),
        };
        self.phase = begun.unwrap_or_else(Phase::Failed);
    }

    /// Does what the phase asks for; gives the next one and the wait before it.
    fn next(&mut self) -> Result<(Phase, u32), ResetError> {
        match self.phase {
            Phase::Off => {
                self.has_link_logic = self.pbcq.set_timers()?;
                self.pbcq.release_etu()?;
                Ok((Phase::Released, self.wait(ETU_MS)))
            }
            Phase::Draining { errors, looks } => match (self.pbcq.is_busy()?, looks) {
                (true, 0) => Err(ResetError::TimeOut("the end of transactions")),
                (true, _) => Ok((
                    Phase::Draining {
                        errors,
                        looks: looks.saturating_sub(1),
                    },
                    POLL_MS,
                )),
                (false, _) => {
                    self.pbcq.clear_nfir(errors)?;
                    self.fenced = false;
                    self.forced = false;
                    Ok((Phase::Cleared, self.wait(ETU_MS)))
                }
            },
            Phase::Cleared => Ok((Phase::Off, 0)),
            Phase::Released => {
                self.init_core()?;
                Ok((
                    Phase::LinkLayer {
                        looks: LINK_LAYER_LOOKS,
                    },
                    0,
                ))
            }
            Phase::LinkLayer { looks } => self.await_link_layer(looks),
            Phase::HotHeld => {
                root_port::end_hot_reset(self);
                Ok((Phase::Settling, self.hot_wait()))
            }
            Phase::PerstHeld => {
                reset::release_perst(&self.port.io);
                Ok((Phase::Settling, self.wait(RESET_MS)))
            }
            Phase::Settling if self.has_link_logic => {
                Ok((Phase::Presence { looks: LINK_LOOKS }, 0))
            }
            Phase::Settling => Ok((self.run(Link::Up), 0)),
            Phase::Presence { looks } => Ok(self.await_presence(looks)),
            Phase::Link { looks } => Ok(self.await_link(looks)),
            Phase::Ready | Phase::Failed(_) => Ok((self.phase, 0)),
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
        // PERST has been held since the logic was let go.
        Ok((Phase::PerstHeld, self.wait(RESET_MS)))
    }

    fn await_presence(&mut self, looks: u16) -> (Phase, u32) {
        let empty = regs::HOTPLUG_EMPTY;
        let train = self.port.io.read64(regs::PCIE_DLP_TRAIN_CTL);
        if train & regs::INBAND_PRESENCE != 0 || DlpTrainCtl::LINK_ACTIVE.is_set(train) {
            return (Phase::Link { looks: LINK_LOOKS }, 0);
        }
        let is_empty = self.port.io.read64(regs::HOTPLUG_OVERRIDE) & empty == empty;
        match looks.checked_sub(1) {
            Some(looks) if !is_empty => (Phase::Presence { looks }, POLL_MS),
            _ => (self.run(Link::Down), 0),
        }
    }

    fn await_link(&mut self, looks: u16) -> (Phase, u32) {
        let train = self.port.io.read64(regs::PCIE_DLP_TRAIN_CTL);
        if DlpTrainCtl::LINK_ACTIVE.is_set(train) {
            return (self.run(Link::Up), 0);
        }
        match looks.checked_sub(1) {
            Some(looks) => (Phase::Link { looks }, POLL_MS),
            None => (self.run(Link::Down), 0),
        }
    }

    /// Clears what the reset has latched and lets errors of a link that is up count.
    fn run(&mut self, link: Link) -> Phase {
        if link == Link::Down {
            log::info!("{}: no link, the slot is taken for empty", self.pbcq.id());
        }
        root_port::clear_errors(self, self.pcie_cap);
        for (at, error) in LINK_ERRORS {
            root_port::change(self, at, CfgWidth::Word, |mask| match link {
                Link::Up => mask & !error,
                Link::Down => mask | error,
            });
        }
        let irqs = if link == Link::Up {
            PORT_IRQS
        } else {
            PORT_IRQS_NO_LINK
        };
        self.port.io.write64(regs::UTL_PCIE_PORT_STATUS, u64::MAX);
        self.port.io.write64(regs::UTL_PCIE_PORT_IRQ_EN, irqs);
        Phase::Ready
    }

    fn begin_hot(&mut self) -> Phase {
        self.ignore_link_errors();
        root_port::begin_hot_reset(self);
        Phase::HotHeld
    }

    fn begin_fundamental(&mut self) -> Phase {
        self.ignore_link_errors();
        reset::hold_perst(&self.port.io);
        Phase::PerstHeld
    }

    /// What goes down with the link is no error while a reset takes it down.
    fn ignore_link_errors(&mut self) {
        self.port
            .io
            .write64(regs::UTL_PCIE_PORT_IRQ_EN, PORT_IRQS_NO_LINK);
        for (at, error) in LINK_ERRORS {
            root_port::change(self, at, CfgWidth::Word, |mask| mask | error);
        }
    }

    fn begin_complete(&mut self) -> Result<Phase, ResetError> {
        self.pbcq.fence()?;
        let errors = self.pbcq.nfir()?;
        self.pbcq.hold_etu()?;
        Ok(Phase::Draining {
            errors,
            looks: DRAIN_LOOKS,
        })
    }

    /// The wait, where there is logic to wait for.
    const fn wait(&self, ms: u32) -> u32 {
        if self.has_link_logic { ms } else { 0 }
    }

    const fn hot_wait(&self) -> u32 {
        if self.has_link_logic {
            RESET_MS
        } else {
            SHORT_MS
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    Down,
}
