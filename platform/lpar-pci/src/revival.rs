//! Bringing back a bridge that has shut itself off ("fenced"), with all that is behind it: [`Revival`].
//!
//! The bridge is reset and loads its tables again, buses and BARs are programmed as they were, and each function that has an
//! owner is stopped: its owner finds it so, resets it, has it configured and goes on, one after the other. Nothing waits.

use crate::endpoint::Progress;
use crate::{Access, Bridge};
use core::fmt;
use core::sync::atomic::Ordering::SeqCst;
use ioda::{Freeze, Pace, ResetError, ResetKind, Step};
use lpar::eeh::{Endpoint, Outage};
use lpar::machine::Failed;
use pci::ApplyError;

/// Resets that a bridge gets at once, and the seconds until it gets one more: five an hour, as Linux has it for endpoints.
const BURST: u32 = 5;
const SECONDS: u64 = 720;
/// Steps of one reset: more than any bridge takes.
const MOST_STEPS: u32 = 10_000;
/// What owners are told to wait before they ask again.
const ASK_MS: u32 = 250;

/// What a bridge does, as its functions are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Power {
    On = 0,
    Resets = 1,
    Gone = 2,
}

impl Power {
    pub(crate) const fn outage(self) -> Option<Outage> {
        match self {
            Self::On => None,
            Self::Resets => Some(Outage::Passing(ASK_MS)),
            Self::Gone => Some(Outage::Final),
        }
    }
}

impl<B: Bridge> Access<B> {
    pub(crate) fn power(&self) -> Power {
        match self.power.load(SeqCst) {
            0 => Power::On,
            1 => Power::Resets,
            _ => Power::Gone,
        }
    }

    fn set_power(&self, power: Power) {
        self.power.store(power as u8, SeqCst);
    }

    /// Stops the function, which was reset with its bridge, until its owner has dealt with that.
    fn come_back(&self) {
        let mut state = self.state.lock();
        self.bridge.locked(|host| {
            state.note_bus_reset();
            // What does not stop answers nowhere: it has lost its BARs.
            let _ = self.stop_locked(&mut state, host, Freeze::all());
            let mut progress = self.progress.lock();
            match *progress {
                Progress::None => self.must_be_reset.store(true, SeqCst),
                // Its owner's reset was overtaken.
                _ => *progress = Progress::Over,
            }
            self.set_power(Power::On);
        });
    }

    /// Lets the function go on that was reset with its bridge, its partition starting anew.
    pub(crate) fn forget_outage(&self) {
        let must_be_reset = self.must_be_reset.swap(false, SeqCst);
        // With a way back from errors `lpar` does the rest.
        if self.way.is_some() || !must_be_reset {
            return;
        }
        // What the function does not take now it is given at the next access to its configuration space.
        let restored = self.restore();
        if self.thaw(Freeze::all()).is_err() || restored == Err(Failed) {
            log::warn!("{}: it stays stopped", self.state.lock().bdf());
        }
    }
}

/// What has come of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revived {
    /// It is not over.
    Pending,
    /// The bridge works, and its functions are stopped.
    Back,
    /// The bridge is off for good.
    Lost(Lost),
}

/// Why a bridge stays off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It was reset too often.
    TooOften,
    /// Its reset failed.
    Reset(ResetError),
    /// It asked for more steps than any bridge takes.
    Endless,
    /// What is behind it could not be programmed.
    Apply(ApplyError),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooOften => f.write_str("it was reset too often"),
            Self::Reset(error) => error.fmt(f),
            Self::Endless => f.write_str("its reset does not end"),
            Self::Apply(error) => error.fmt(f),
        }
    }
}

/// How far a bridge is on its way back. Times are ticks of one clock that counts up and may wrap.
#[derive(Debug)]
pub struct Revival {
    per_ms: u64,
    pace: Pace,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    None,
    /// To be carried on at this time, so many steps having been done.
    Resets {
        due: u64,
        steps: u32,
    },
    Lost,
}

impl Revival {
    /// A bridge that works. `second` is how many ticks one has.
    #[must_use]
    pub const fn new(second: u64) -> Self {
        Self {
            per_ms: second / 1000,
            pace: Pace::new(BURST, second.saturating_mul(SECONDS)),
            stage: Stage::None,
        }
    }

    /// Whether the bridge is being reset, or is off for good: it is to be asked nothing then.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.stage != Stage::None
    }

    /// Begins to reset `bridge`, which has shut itself off at `now`; `accesses` are all functions behind it that have owners.
    pub fn begin<'a, B: Bridge>(
        &mut self,
        now: u64,
        bridge: &B,
        accesses: impl Iterator<Item = &'a Access<B>>,
    ) -> Revived {
        if self.pace.admit(now).is_none() {
            return self.lose(accesses, Lost::TooOften);
        }
        bridge.locked(|host| {
            // From now on nobody else steps in.
            accesses.for_each(|access| access.set_power(Power::Resets));
            host.reset(ResetKind::Complete);
        });
        self.stage = Stage::Resets { due: now, steps: 0 };
        Revived::Pending
    }

    /// Carries the reset on if it is time to; [`Revived::Pending`] too if there is none.
    pub fn carry_on<'a, B: Bridge>(
        &mut self,
        now: u64,
        bridge: &B,
        accesses: impl Iterator<Item = &'a Access<B>>,
    ) -> Revived {
        let Stage::Resets { due, steps } = self.stage else {
            return Revived::Pending;
        };
        if now.wrapping_sub(due).cast_signed() < 0 {
            return Revived::Pending;
        }
        if steps >= MOST_STEPS {
            return self.lose(accesses, Lost::Endless);
        }
        let (topology, plan) = (bridge.topology(), bridge.plan());
        let restored = match bridge.locked(|host| host.poll()) {
            Ok(Step::Done) => bridge.locked(|host| plan.restore(topology, host)),
            Ok(Step::Pending { ms }) => {
                let ticks = u64::from(ms).wrapping_mul(self.per_ms);
                self.stage = Stage::Resets {
                    due: now.wrapping_add(ticks),
                    steps: steps.saturating_add(1),
                };
                return Revived::Pending;
            }
            Err(error) => return self.lose(accesses, Lost::Reset(error)),
        };
        if let Err(error) = restored {
            return self.lose(accesses, Lost::Apply(error));
        }
        accesses.for_each(Access::come_back);
        self.stage = Stage::None;
        Revived::Back
    }

    fn lose<'a, B: Bridge>(
        &mut self,
        accesses: impl Iterator<Item = &'a Access<B>>,
        why: Lost,
    ) -> Revived {
        accesses.for_each(|access| access.set_power(Power::Gone));
        self.stage = Stage::Lost;
        Revived::Lost(why)
    }
}
