//! Errors of a function, seen and recovered by the partition that owns it: enhanced I/O error handling (EEH).
//!
//! An endpoint that errs is stopped: loads from it give all ones, stores and its DMA go nowhere. Its owner finds that
//! out, resets it, has its configuration put back and goes on. [`Endpoint`] is what the machine does for that; here is
//! what state an endpoint is in towards its owner, and which step may follow which. The RTAS calls are in `rtas::eeh`.
//!
//! Nothing waits: a reset goes on by itself, and how it gets on is looked at whenever the owner asks for the state.
//!
//! Source: LoPAR 2.9, "Enhanced I/O Error Handling (EEH) Option Requirements"; the calls' own sections.

use crate::machine::{Clock, Failed};
use crate::pci::PciFunction;
use core::fmt;
use ioda::{Freeze, Pest};
use lock::Mutex;

/// The endpoint (PE) that one function is alone in.
///
/// No method may wait, allocate, or call back. One call at a time.
pub trait Endpoint: Sync {
    /// Whether its bridge is off. Nothing else is asked for then but [`Self::end_reset`].
    fn outage(&self) -> Option<Outage>;
    /// What is stopped now.
    fn stopped(&self) -> Freeze;
    /// Stops `what`.
    ///
    /// # Errors
    /// [`Failed`]: the bridge did not do it.
    fn stop(&self, what: Freeze) -> Result<(), Failed>;
    /// Lets `what` go on; what was noted of errors is forgotten.
    ///
    /// # Errors
    /// [`Failed`]: the bridge did not do it.
    fn thaw(&self, what: Freeze) -> Result<(), Failed>;
    /// Begins to reset the function, and nothing but it. Until [`Self::settle`] says that the reset is over it neither
    /// answers nor sends.
    ///
    /// # Errors
    /// [`Failed`]: the bridge or the function did not do it.
    fn begin_reset(&self) -> Result<(), Failed>;
    /// Lets go of a function that is held in reset; nothing if its reset ends by itself.
    ///
    /// # Errors
    /// [`Failed`]: the bridge did not do it.
    fn end_reset(&self) -> Result<(), Failed>;
    /// Carries a reset on, once [`Self::end_reset`] was called: in how many milliseconds to ask again, or `None` when it is
    /// over and the function may be asked.
    ///
    /// # Errors
    /// [`Failed`]: the bridge did not come back.
    fn settle(&self) -> Result<Option<u32>, Failed>;
    /// Puts back what the hypervisor set up in the function and a reset has undone, but for its table of messages.
    /// Returns whether the function took it.
    ///
    /// # Errors
    /// [`Failed`]: the bridge did not do it.
    fn restore(&self) -> Result<bool, Failed>;
    /// What the bridge has noted of the error that stopped it.
    fn cause(&self) -> Pest;
}

/// Why a bridge does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// It is being reset, with all behind it: ask again in so many milliseconds.
    Passing(u32),
    /// It did not come back.
    Final,
}

/// How an endpoint is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetBy {
    /// By the function's own reset (FLR).
    Function,
    /// By the bus that it is alone on.
    Bus,
}

/// A function's way back from errors.
#[derive(Clone, Copy)]
pub struct Recovery {
    /// Its endpoint.
    pub endpoint: &'static dyn Endpoint,
    /// How that is reset.
    pub by: ResetBy,
}

impl core::fmt::Debug for Recovery {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Recovery").field(&self.by).finish()
    }
}

/// The state of an endpoint towards its owner: PE reset states 0, 1, 2, 4 and 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeState {
    /// 0: works.
    Works,
    /// 1: its reset is active.
    Reset,
    /// 2: MMIO and DMA are stopped.
    Stopped,
    /// 4: DMA alone is stopped.
    DmaStopped,
    /// 5: not available; for so many milliseconds, or for good.
    Unavailable(Option<u32>),
}

/// Why a step was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EehError {
    /// The function has no way back from errors.
    Unsupported,
    /// This step may not follow the state that it is in.
    State,
    /// The machine failed.
    Hardware,
    /// A reset is not over: ask again in so many milliseconds.
    Later(u32),
}

impl fmt::Display for EehError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsupported => "it has no way back from errors",
            Self::State => "not in this state",
            Self::Hardware => "the machine failed",
            Self::Later(_) => "its reset is not over",
        })
    }
}

impl From<Failed> for EehError {
    fn from(Failed: Failed) -> Self {
        Self::Hardware
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reset {
    #[default]
    None,
    Active,
    /// Let go; to be looked at again at this time, in ticks.
    Settling(u64),
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    reset: Reset,
    /// Given up by its owner, or by a machine that failed: until the partition starts anew.
    is_lost: bool,
    /// It was reset and its configuration not put back since.
    is_bare: bool,
}

impl State {
    fn at_rest(&self, endpoint: &dyn Endpoint) -> Result<(), EehError> {
        if self.is_lost || self.reset != Reset::None || endpoint.outage().is_some() {
            return Err(EehError::State);
        }
        Ok(())
    }
}

/// The error that stopped it last, as far as it was not told yet.
#[derive(Clone, Copy, Debug, Default)]
struct Noted {
    /// Until it is reset, or its DMA let go.
    cause: Option<Pest>,
    /// Until an event has told of it.
    news: Option<Pest>,
}

/// What is kept of a function's errors.
#[derive(Debug, Default)]
pub(crate) struct Eeh {
    state: Mutex<State>,
    /// Nothing else is locked by whoever has it.
    noted: Mutex<Noted>,
}

impl Eeh {
    pub(crate) const fn new() -> Self {
        Self {
            state: Mutex::new(State {
                reset: Reset::None,
                is_lost: false,
                is_bare: false,
            }),
            noted: Mutex::new(Noted {
                cause: None,
                news: None,
            }),
        }
    }
}

/// Ticks of a millisecond, at least 1.
fn per_ms(clock: &dyn Clock) -> u64 {
    (clock.timebase_hz() / 1000).max(1)
}

impl PciFunction {
    fn endpoint(&self) -> Result<&'static dyn Endpoint, EehError> {
        let recovery = self.recovery.ok_or(EehError::Unsupported)?;
        Ok(recovery.endpoint)
    }

    /// Remembers the error that has stopped it, for its owner's questions and for one event. For whoever watches the
    /// bridge; takes no lock that is held over anything else.
    pub fn note_error(&self, cause: Pest) {
        *self.eeh.noted.lock() = Noted {
            cause: Some(cause),
            news: Some(cause),
        };
    }

    /// Takes the error that no event has told of.
    pub(crate) fn take_news(&self) -> Option<Pest> {
        self.eeh.noted.lock().news.take()
    }

    /// Gives back what an event could not tell after all, unless there is something newer.
    pub(crate) fn put_news_back(&self, cause: Pest) {
        self.eeh.noted.lock().news.get_or_insert(cause);
    }

    /// The error to tell its owner of, if it is stopped or not available: the one that was noted, or what the bridge says
    /// now.
    pub(crate) fn error(&self, clock: &dyn Clock) -> Result<Option<Pest>, EehError> {
        let endpoint = self.endpoint()?;
        match self.pe_state(clock)? {
            PeState::Works | PeState::Reset => Ok(None),
            PeState::Stopped | PeState::DmaStopped | PeState::Unavailable(_) => {
                let noted = self.eeh.noted.lock().cause;
                Ok(Some(noted.unwrap_or_else(|| endpoint.cause())))
            }
        }
    }

    /// Returns the state it is in.
    ///
    /// # Errors
    /// [`EehError::Unsupported`].
    pub fn pe_state(&self, clock: &dyn Clock) -> Result<PeState, EehError> {
        let endpoint = self.endpoint()?;
        let mut state = self.eeh.state.lock();
        if state.is_lost {
            return Ok(PeState::Unavailable(None));
        }
        if state.reset == Reset::Active {
            return Ok(PeState::Reset);
        }
        match endpoint.outage() {
            Some(Outage::Passing(ms)) => return Ok(PeState::Unavailable(Some(ms))),
            Some(Outage::Final) => return Ok(PeState::Unavailable(None)),
            None => {}
        }
        match settle(&mut state, endpoint, clock) {
            Ok(None) => {}
            Ok(Some(ms)) => return Ok(PeState::Unavailable(Some(ms))),
            Err(Failed) => return Ok(PeState::Unavailable(None)),
        }
        let stopped = endpoint.stopped();
        Ok(if stopped.contains(Freeze::MMIO) {
            PeState::Stopped
        } else if stopped.contains(Freeze::DMA) {
            PeState::DmaStopped
        } else {
            PeState::Works
        })
    }

    /// Lets `what`, MMIO or DMA, go on without a reset: MMIO first.
    ///
    /// # Errors
    /// [`EehError::Unsupported`]; [`EehError::State`] in or after a reset, or for DMA while MMIO is stopped;
    /// [`EehError::Hardware`].
    pub(crate) fn release(&self, what: Freeze, clock: &dyn Clock) -> Result<(), EehError> {
        let endpoint = self.endpoint()?;
        match self.pe_state(clock)? {
            PeState::Works => return Ok(()),
            PeState::Stopped if what == Freeze::MMIO => {}
            PeState::DmaStopped if what == Freeze::MMIO => return Ok(()),
            PeState::DmaStopped => {}
            PeState::Stopped | PeState::Reset | PeState::Unavailable(_) => {
                return Err(EehError::State);
            }
        }
        endpoint.thaw(what)?;
        if what.contains(Freeze::DMA) {
            self.eeh.noted.lock().cause = None;
        }
        Ok(())
    }

    /// Begins its reset, or keeps it active.
    ///
    /// # Errors
    /// [`EehError::Unsupported`]; [`EehError::State`] if it is not available; [`EehError::Hardware`].
    pub(crate) fn activate_reset(&self) -> Result<(), EehError> {
        let endpoint = self.endpoint()?;
        let mut state = self.eeh.state.lock();
        if state.is_lost {
            return Err(EehError::State);
        }
        if state.reset != Reset::Active {
            if endpoint.outage().is_some() {
                return Err(EehError::State);
            }
            endpoint.begin_reset()?;
            state.reset = Reset::Active;
            state.is_bare = true;
            self.eeh.noted.lock().cause = None;
        }
        Ok(())
    }

    /// Ends its reset, and lets go what is stopped; that is over when [`Self::pe_state`] says so. Nothing if there is
    /// nothing to end.
    ///
    /// # Errors
    /// [`EehError::Unsupported`]; [`EehError::State`] if it is not available for good, or there is no reset to end while its
    /// bridge is off; [`EehError::Hardware`].
    pub(crate) fn deactivate_reset(&self, clock: &dyn Clock) -> Result<(), EehError> {
        let endpoint = self.endpoint()?;
        let mut state = self.eeh.state.lock();
        if state.is_lost {
            return Err(EehError::State);
        }
        if state.reset == Reset::Active {
            endpoint.end_reset()?;
            state.reset = Reset::Settling(clock.timebase());
        }
        if endpoint.outage().is_some() {
            return match state.reset {
                Reset::None => Err(EehError::State),
                Reset::Active | Reset::Settling(_) => Ok(()),
            };
        }
        if state.reset == Reset::None {
            let stopped = endpoint.stopped();
            if !stopped.is_empty() {
                endpoint.thaw(stopped)?;
                self.eeh.noted.lock().cause = None;
            }
            return Ok(());
        }
        settle(&mut state, endpoint, clock)?;
        Ok(())
    }

    /// Puts its configuration back as it was at the start, with the messages that it has now, if it was reset since that
    /// was done last. What the function does not take shows when it is used.
    ///
    /// # Errors
    /// [`EehError::Unsupported`]; [`EehError::Later`] while its reset is not over.
    pub(crate) fn configure(&self, clock: &dyn Clock) -> Result<(), EehError> {
        let endpoint = self.endpoint()?;
        let mut state = self.eeh.state.lock();
        if state.is_lost || state.reset == Reset::Active {
            return Ok(());
        }
        match endpoint.outage() {
            Some(Outage::Passing(ms)) => return Err(EehError::Later(ms)),
            Some(Outage::Final) => return Ok(()),
            None => {}
        }
        match settle(&mut state, endpoint, clock) {
            Ok(None) => {}
            Ok(Some(ms)) => return Err(EehError::Later(ms)),
            Err(Failed) => return Ok(()),
        }
        if state.is_bare && endpoint.restore() == Ok(true) {
            state.is_bare = false;
            self.restore_table();
        }
        Ok(())
    }

    /// Carries on a reset that its owner has ended. Before configuration space is asked for: Linux does that without
    /// having asked for the state.
    pub(crate) fn carry_on(&self, clock: &dyn Clock) {
        if let Ok(endpoint) = self.endpoint()
            && endpoint.outage().is_none()
        {
            // Whether the function answers then is seen by asking.
            let _ = settle(&mut self.eeh.state.lock(), endpoint, clock);
        }
    }

    /// Stops it, whatever its owner does now: for the operator.
    ///
    /// # Errors
    /// [`EehError::Unsupported`]; [`EehError::State`] in a reset, its own or its bridge's, or once it was given up;
    /// [`EehError::Hardware`].
    pub fn freeze(&self) -> Result<(), EehError> {
        let endpoint = self.endpoint()?;
        let state = self.eeh.state.lock();
        state.at_rest(endpoint)?;
        Ok(endpoint.stop(Freeze::all())?)
    }

    /// Lets `what` go on without asking its owner: for the operator.
    ///
    /// # Errors
    /// As [`Self::freeze`].
    pub fn thaw(&self, what: Freeze) -> Result<(), EehError> {
        let endpoint = self.endpoint()?;
        let state = self.eeh.state.lock();
        state.at_rest(endpoint)?;
        endpoint.thaw(what)?;
        if what.contains(Freeze::DMA) {
            self.eeh.noted.lock().cause = None;
        }
        Ok(())
    }

    /// Stops it, as a load of its registers was not answered; nothing if it is stopped, or reset.
    pub(crate) fn stop_unanswered(&self) {
        let Ok(endpoint) = self.endpoint() else {
            return;
        };
        let state = self.eeh.state.lock();
        if state.at_rest(endpoint).is_ok() && !endpoint.stopped().contains(Freeze::MMIO) {
            // The load gives ones all the same.
            let _ = endpoint.stop(Freeze::all());
        }
    }

    /// Makes it unavailable until the partition starts anew, and stops it.
    ///
    /// # Errors
    /// [`EehError::Unsupported`].
    pub(crate) fn give_up(&self) -> Result<(), EehError> {
        let endpoint = self.endpoint()?;
        let mut state = self.eeh.state.lock();
        state.is_lost = true;
        // A bridge that fails to stop it has stopped everything.
        let _ = endpoint.stop(Freeze::all());
        Ok(())
    }

    /// Makes it as it was when the partition was built, unless its bridge does not let go of it; its owner does not run. A
    /// reset that goes on by itself was brought to its end.
    pub(crate) fn reset_eeh(&self) {
        if let Ok(endpoint) = self.endpoint() {
            let mut state = self.eeh.state.lock();
            *state = if state.reset == Reset::Active && endpoint.end_reset().is_err() {
                State {
                    is_lost: true,
                    ..*state
                }
            } else {
                if !endpoint.stopped().is_empty() {
                    // What the bridge does not do now shows when the function is used.
                    let _ = endpoint.thaw(Freeze::all());
                }
                State::default()
            };
        }
        *self.eeh.noted.lock() = Noted::default();
    }
}

/// Carries a reset on if it is time to: the milliseconds until it has to be asked again, `None` if there is none.
fn settle(
    state: &mut State,
    endpoint: &dyn Endpoint,
    clock: &dyn Clock,
) -> Result<Option<u32>, Failed> {
    let Reset::Settling(until) = state.reset else {
        return Ok(None);
    };
    let (now, per_ms) = (clock.timebase(), per_ms(clock));
    let left = until.wrapping_sub(now).cast_signed();
    if left > 0 {
        let ms = left.cast_unsigned().div_ceil(per_ms);
        return Ok(Some(u32::try_from(ms).unwrap_or(u32::MAX)));
    }
    let done = endpoint.settle().and_then(|more| match more {
        Some(ms) => Ok(Some(ms.max(1))),
        None => endpoint.thaw(Freeze::all()).map(|()| None),
    });
    let done = match (done, endpoint.outage()) {
        // Its bridge has just gone off, and this is to be asked again afterwards.
        (Err(Failed), Some(Outage::Passing(ms))) => Ok(Some(ms.max(1))),
        (done, _) => done,
    };
    match done {
        Ok(Some(ms)) => {
            let ticks = u64::from(ms).wrapping_mul(per_ms);
            state.reset = Reset::Settling(now.wrapping_add(ticks));
        }
        Ok(None) => state.reset = Reset::None,
        Err(Failed) => state.is_lost = true,
    }
    done
}
