//! Stopping and resetting the endpoint of one function: [`Access`] as `lpar`'s [`Endpoint`].
//!
//! The bridge is told to stop an endpoint. As one that is emulated may not enforce that, the function is stopped besides:
//! its requesters go to the endpoint of nobody, and it does not decode. What the bridge has stopped by itself it enforces
//! by itself.

use crate::{Access, Bridge, HostBridge};
use core::sync::atomic::Ordering::SeqCst;
use ioda::{Bdf, CfgError, CfgOffset, CfgWidth, Freeze, Ioda, Pest, ResetKind, Step};
use lpar::eeh::{Endpoint, Outage, Recovery, ResetBy};
use lpar::machine::Failed;
use pci::{GuestFunction, Topology};

/// The control register of a bridge, and its bit that holds the bus below in reset.
const CONTROL: CfgOffset = CfgOffset::at(0x3e);
const BUS_RESET: u32 = 0x40;
/// How long a function may take to be back from its own reset (PCI Express Base 3.1, 6.6.2), and from that of its bus (6.6.1).
const FUNCTION_MS: u32 = 100;
const BUS_MS: u32 = 1000;
/// Steps of a reset at the end of a partition: more than any bridge takes.
const MOST_STEPS: u32 = 10_000;

/// What resets a function and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Its own reset.
    Function,
    /// The bus below this port.
    Port(Bdf),
    /// The bus below the root port.
    Root,
}

impl Way {
    /// What resets function `index` alone, if anything does.
    pub(crate) fn of(topology: &Topology, index: usize) -> Option<Self> {
        let functions = &topology.functions;
        if functions.get(index)?.has_flr {
            return Some(Self::Function);
        }
        let port = functions.get(topology.lone_port(index)?)?;
        Some(match port.parent {
            Some(_) => Self::Port(port.bdf),
            None => Self::Root,
        })
    }
}

/// How far a reset is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is none.
    #[default]
    None,
    /// Begun.
    Held,
    /// Let go; the function is to be left in peace for so many milliseconds.
    Rests(u32),
    /// The bridge carries it on.
    Polled,
    /// Over, but for letting the endpoint go on.
    Over,
}

impl<B: Bridge> Access<B> {
    /// The way back from errors, for `lpar`.
    pub(crate) fn recovery(&'static self) -> Option<Recovery> {
        let by = match self.way? {
            Way::Function => ResetBy::Function,
            Way::Port(_) | Way::Root => ResetBy::Bus,
        };
        Some(Recovery { endpoint: self, by })
    }

    pub(crate) fn stop_locked(
        &self,
        state: &mut GuestFunction,
        host: &mut dyn HostBridge,
        what: Freeze,
    ) -> Result<(), Failed> {
        let mut done = true;
        if what.contains(Freeze::DMA) {
            let (topology, plan) = (self.bridge.topology(), self.bridge.plan());
            done &= self.note(state, "DMA", plan.detach(topology, self.index, host));
        }
        if what.contains(Freeze::MMIO) {
            let stopped = state.stop(host);
            done &= self.note(state, "MMIO", stopped);
        }
        self.add_stopped(what);
        done &= self.note(state, "its endpoint", host.freeze(self.pe, what));
        done.then_some(()).ok_or(Failed)
    }

    /// Does `act` while the bridge lets config cycles to the function through.
    fn reaching<T>(
        &self,
        host: &mut dyn HostBridge,
        act: impl FnOnce(&mut dyn HostBridge) -> T,
    ) -> Result<T, Failed> {
        host.thaw(self.pe, Freeze::MMIO).map_err(|_| Failed)?;
        let result = act(host);
        host.freeze(self.pe, Freeze::MMIO).map_err(|_| Failed)?;
        Ok(result)
    }

    fn begin(
        &self,
        way: Way,
        state: &mut GuestFunction,
        host: &mut dyn HostBridge,
    ) -> Result<(), Failed> {
        // Whoever does not answer or is half reset is asked nothing and asks nothing.
        self.stop_locked(state, host, Freeze::all())?;
        match way {
            Way::Function => {
                let begun = self.reaching(host, |host| state.start_flr(host))?;
                return self
                    .note(state, "its reset", begun.map(drop))
                    .then_some(())
                    .ok_or(Failed);
            }
            Way::Port(port) => hold(host, port, Hold::On).map_err(|_| Failed)?,
            Way::Root => host.reset(ResetKind::Hot),
        }
        state.note_bus_reset();
        Ok(())
    }

    /// Brings a reset to its end, if that comes; returns whether it has.
    pub(crate) fn finish_reset(&self, wait: &mut dyn FnMut(u32)) -> bool {
        let is_held = *self.progress.lock() == Progress::Held;
        if is_held && self.end_reset().is_err() {
            return false;
        }
        for _ in 0..MOST_STEPS {
            match self.settle() {
                Ok(Some(ms)) => wait(ms),
                Ok(None) => return true,
                Err(Failed) => return false,
            }
        }
        false
    }

    /// Whether a reset is under way, which stops it.
    pub fn is_resetting(&self) -> bool {
        *self.progress.lock() != Progress::None
    }
}

/// Holds the bus below `port` in reset, or lets it go.
fn hold(host: &mut dyn Ioda, port: Bdf, is_held: Hold) -> Result<(), CfgError> {
    let before = host.cfg_read(port, CONTROL, CfgWidth::Half)? & !BUS_RESET;
    let held = if is_held == Hold::On { BUS_RESET } else { 0 };
    host.cfg_write(port, CONTROL, CfgWidth::Half, before | held)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    On,
    Off,
}

impl<B: Bridge> Endpoint for Access<B> {
    fn outage(&self) -> Option<Outage> {
        self.power().outage()
    }

    fn stopped(&self) -> Freeze {
        // One in reset is not asked.
        if self.outage().is_some() {
            return Freeze::all();
        }
        self.stopped_here() | self.bridge.locked(|host| host.freeze_state(self.pe))
    }

    fn stop(&self, what: Freeze) -> Result<(), Failed> {
        let mut state = self.state.lock();
        self.bridge.locked(|host| {
            if self.outage().is_some() {
                return Err(Failed);
            }
            self.stop_locked(&mut state, host, what)
        })
    }

    fn thaw(&self, what: Freeze) -> Result<(), Failed> {
        let mut state = self.state.lock();
        let here = self.stopped_here() & what;
        self.bridge.locked(|host| {
            if self.outage().is_some() || self.must_be_reset.load(SeqCst) {
                return Err(Failed);
            }
            let mut done = self.note(&state, "its endpoint", host.thaw(self.pe, what));
            if here.contains(Freeze::DMA) {
                let (topology, plan) = (self.bridge.topology(), self.bridge.plan());
                done &= self.note(&state, "DMA", plan.attach(topology, self.index, host));
            }
            if here.contains(Freeze::MMIO) {
                let going = state.go_on(host);
                done &= self.note(&state, "MMIO", going);
            }
            self.remove_stopped(what);
            let mut progress = self.progress.lock();
            if *progress == Progress::Over {
                *progress = Progress::None;
            }
            done.then_some(()).ok_or(Failed)
        })
    }

    fn begin_reset(&self) -> Result<(), Failed> {
        let way = self.way.ok_or(Failed)?;
        let mut state = self.state.lock();
        self.bridge.locked(|host| {
            if self.outage().is_some() {
                return Err(Failed);
            }
            *self.progress.lock() = Progress::Held;
            let begun = self.begin(way, &mut state, host);
            if begun.is_err() {
                *self.progress.lock() = Progress::None;
            } else {
                self.must_be_reset.store(false, SeqCst);
            }
            begun
        })
    }

    fn end_reset(&self) -> Result<(), Failed> {
        let next = match self.way.ok_or(Failed)? {
            // The bridge's own reset has ended it.
            _ if self.outage().is_some() => Progress::Over,
            Way::Function => Progress::Rests(FUNCTION_MS),
            Way::Port(port) => {
                let held = self.bridge.locked(|host| hold(host, port, Hold::Off));
                held.map_err(|_| Failed)?;
                Progress::Rests(BUS_MS)
            }
            Way::Root => Progress::Polled,
        };
        *self.progress.lock() = next;
        Ok(())
    }

    fn settle(&self) -> Result<Option<u32>, Failed> {
        if let Some(Outage::Passing(ms)) = self.outage() {
            return Ok(Some(ms));
        }
        let progress = *self.progress.lock();
        let (next, wait) = match progress {
            Progress::None | Progress::Held | Progress::Over => (progress, None),
            Progress::Rests(ms) => (Progress::Over, Some(ms)),
            Progress::Polled => match self.bridge.locked(|host| host.poll()) {
                Ok(Step::Done) => (Progress::Over, None),
                Ok(Step::Pending { ms }) => (Progress::Polled, Some(ms)),
                Err(error) => {
                    log::error!("phb{}: {error}", self.bridge.index());
                    return Err(Failed);
                }
            },
        };
        *self.progress.lock() = next;
        Ok(wait)
    }

    fn restore(&self) -> Result<bool, Failed> {
        let mut state = self.state.lock();
        let restored = self.bridge.locked(|host| state.restore(host));
        restored.map_err(|_| Failed)
    }

    fn cause(&self) -> Pest {
        if self.outage().is_some() {
            return Pest::default();
        }
        self.bridge
            .locked(|host| host.pest(self.pe))
            .unwrap_or_default()
    }
}

/// Brings the resets of a partition's functions to their ends, none of its processors running, and lets those go that were
/// reset with their bridge and that nobody else lets go; `wait` lets that many milliseconds pass.
pub fn end_resets<B: Bridge>(accesses: &[&Access<B>], wait: &mut dyn FnMut(u32)) {
    for access in accesses {
        access.forget_outage();
    }
    for access in accesses.iter().filter(|access| access.is_resetting()) {
        access.finish_reset(wait);
    }
}
