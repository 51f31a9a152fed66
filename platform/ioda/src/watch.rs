//! Watching a bridge's errors: what has changed between two looks ([`Watch`], [`EndpointWatch`], [`Seen`]), and how often that may be told
//! ([`Pace`]).

use crate::{Event, Freeze, PeNumber};

/// How often something may be told: so many at once, and one more each period.
///
/// Times are ticks of one clock that counts up and may wrap.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    burst: u32,
    period: u64,
    left: u32,
    since: u64,
    untold: u32,
}

impl Pace {
    /// `burst` at once, and one more each `period` ticks, at least 1.
    #[must_use]
    pub const fn new(burst: u32, period: u64) -> Self {
        Self {
            burst,
            period: if period == 0 { 1 } else { period },
            left: burst,
            since: 0,
            untold: 0,
        }
    }

    /// Whether one may be told at `now`, and how many were not since the last that was.
    pub fn admit(&mut self, now: u64) -> Option<u32> {
        let passed = now.wrapping_sub(self.since) / self.period;
        let more = u32::try_from(passed).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(more).min(self.burst);
        self.since = self.since.wrapping_add(passed.wrapping_mul(self.period));
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            return Some(core::mem::take(&mut self.untold));
        }
        self.untold = self.untold.saturating_add(1);
        None
    }
}

/// What a look at a bridge shows that the one before did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// More is stopped for the endpoint than before: this is, in all.
    Stopped(PeNumber, Freeze),
    /// Less is stopped for the endpoint than before: this still is.
    GoesOn(PeNumber, Freeze),
    /// The bridge has shut itself off.
    Fenced,
    /// The bridge is gone.
    Dead,
    /// The bridge works again.
    Back,
    /// Errors that stopped nothing: the error register.
    Info(u64),
}

/// Something new, and whether it is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub news: News,
    /// How many changes came too fast to be told since the last one that was; `None` if this one did too.
    pub untold: Option<u32>,
}

/// Told at once of one endpoint, and of errors of one bridge that stop nothing.
const BURST: u32 = 16;

/// A bridge's condition, without its endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Works,
    Fenced,
    Dead,
}

/// What was last seen of one bridge, but for its endpoints.
///
/// Of each look the bridge's [`Event`] comes first, then [`EndpointWatch::look`] for each endpoint that has an owner. While
/// a bridge is fenced or dead its endpoints are not looked at: all of them are stopped, and that is told by one word.
#[derive(Debug)]
pub struct Watch {
    condition: Condition,
    infos: Pace,
}

impl Watch {
    /// A bridge that works. `second` is how many ticks one has: 16 errors that stop nothing are told at once, then one each
    /// second.
    #[must_use]
    pub const fn new(second: u64) -> Self {
        Self {
            condition: Condition::Works,
            infos: Pace::new(BURST, second),
        }
    }

    /// Whether endpoints are worth a look.
    #[must_use]
    pub fn works(&self) -> bool {
        self.condition == Condition::Works
    }

    /// Takes what [`crate::Ioda::next_event`] says at `now`.
    pub fn event(&mut self, now: u64, event: Option<Event>) -> Option<Change> {
        let condition = match event {
            Some(Event::Fenced) => Condition::Fenced,
            Some(Event::Dead) => Condition::Dead,
            Some(Event::Frozen(_) | Event::Info(_)) | None => Condition::Works,
        };
        if condition != self.condition {
            self.condition = condition;
            let news = match condition {
                Condition::Works => News::Back,
                Condition::Fenced => News::Fenced,
                Condition::Dead => News::Dead,
            };
            // Rare and grave: always told.
            return Some(Change {
                news,
                untold: Some(0),
            });
        }
        match event {
            Some(Event::Info(fir)) => Some(Change {
                news: News::Info(fir),
                untold: self.infos.admit(now),
            }),
            _ => None,
        }
    }
}

/// What was last seen of one endpoint.
///
/// Each has its own pace: an owner who stops and thaws his all the time keeps nothing of others from being told.
#[derive(Debug)]
pub struct EndpointWatch {
    pe: PeNumber,
    stopped: Freeze,
    pace: Pace,
}

impl EndpointWatch {
    /// An endpoint with nothing stopped. `second` is how many ticks one has: 16 changes are told at once, then one each
    /// second.
    #[must_use]
    pub const fn new(pe: PeNumber, second: u64) -> Self {
        Self {
            pe,
            stopped: Freeze::empty(),
            pace: Pace::new(BURST, second),
        }
    }

    /// Takes what is stopped for it at `now`.
    pub fn look(&mut self, now: u64, stopped: Freeze) -> Option<Change> {
        let before = core::mem::replace(&mut self.stopped, stopped);
        if before == stopped {
            return None;
        }
        let news = if before.contains(stopped) {
            News::GoesOn(self.pe, stopped)
        } else {
            News::Stopped(self.pe, stopped)
        };
        Some(Change {
            news,
            untold: self.pace.admit(now),
        })
    }
}

/// Things that were there at the last look, at most `N`.
#[derive(Clone, Copy, Debug)]
pub struct Seen<T, const N: usize>([Option<T>; N]);

impl<T: Copy + PartialEq, const N: usize> Seen<T, N> {
    /// None were.
    #[must_use]
    pub const fn new() -> Self {
        Self([None; N])
    }

    /// Takes what is there now; calls `tell` with each that was not there at the last look. What is more than `N` is
    /// told each time.
    pub fn look(&mut self, now: impl Iterator<Item = T>, mut tell: impl FnMut(T)) {
        let before = core::mem::replace(&mut self.0, [None; N]);
        let mut places = self.0.iter_mut();
        for thing in now {
            if !before.contains(&Some(thing)) {
                tell(thing);
            }
            if let Some(place) = places.next() {
                *place = Some(thing);
            }
        }
    }
}

impl<T: Copy + PartialEq, const N: usize> Default for Seen<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;
    use cases::prelude::*;

    const SECOND: u64 = 1000;
    const PE: PeNumber = PeNumber(3);

    fn news(change: Option<Change>) -> Option<News> {
        change.map(|change| change.news)
    }

    fn is_told(change: Option<Change>) -> bool {
        change.is_some_and(|change| change.untold.is_some())
    }

    fn a_change_is_told_once() {
        let mut watch = EndpointWatch::new(PE, SECOND);
        let mut look = |stopped| news(watch.look(0, stopped));
        assert_eq!(look(Freeze::empty()), None);
        assert_eq!(look(Freeze::all()), Some(News::Stopped(PE, Freeze::all())));
        assert_eq!(look(Freeze::all()), None);
        assert_eq!(look(Freeze::DMA), Some(News::GoesOn(PE, Freeze::DMA)));
        // Stopped otherwise, and not less.
        assert_eq!(look(Freeze::MMIO), Some(News::Stopped(PE, Freeze::MMIO)));
        assert_eq!(
            look(Freeze::empty()),
            Some(News::GoesOn(PE, Freeze::empty()))
        );
        assert_eq!(look(Freeze::empty()), None);
    }

    fn a_bridge_that_fails_is_told_once_and_so_is_its_return() {
        let mut watch = Watch::new(SECOND);
        let mut look = |event| news(watch.event(0, event));
        assert_eq!(look(None), None);
        assert_eq!(look(Some(Event::Fenced)), Some(News::Fenced));
        assert_eq!(look(Some(Event::Fenced)), None);
        assert_eq!(look(Some(Event::Dead)), Some(News::Dead));
        assert_eq!(look(Some(Event::Dead)), None);
        assert_eq!(look(Some(Event::Frozen(PE))), Some(News::Back));
        assert_eq!(look(Some(Event::Frozen(PE))), None);
        assert!(watch.works());
        watch.event(0, Some(Event::Fenced));
        assert!(!watch.works());
    }

    fn errors_that_stop_nothing_are_told_as_long_as_they_come_slowly() {
        let mut watch = Watch::new(SECOND);
        let info = Some(Event::Info(5));
        let told = (0..100).filter(|_| is_told(watch.event(0, info)));
        assert_eq!(told.count(), 16);
        let later = watch.event(SECOND, info).unwrap();
        assert_eq!((later.news, later.untold), (News::Info(5), Some(84)));
        assert!(!is_told(watch.event(SECOND, info)));
        // What stops something is told all the same.
        assert!(is_told(watch.event(SECOND, Some(Event::Dead))));
    }

    fn an_owner_that_stops_and_thaws_all_the_time_does_not_fill_the_log() {
        let mut watch = EndpointWatch::new(PE, SECOND);
        let mut told = 0;
        for round in 0..10_000u64 {
            for stopped in [Freeze::all(), Freeze::empty()] {
                let change = watch.look(round, stopped);
                assert!(change.is_some());
                told += u32::from(is_told(change));
            }
        }
        // Ten seconds went by: the last of them has not quite.
        assert_eq!(told, 16 + 9);
    }

    fn a_pace_fills_up_to_its_burst_and_no_further() {
        let mut pace = Pace::new(2, 10);
        let mut at = |now| pace.admit(now);
        assert_eq!(at(1_000_000), Some(0));
        assert_eq!(at(1_000_000), Some(0));
        assert_eq!(at(1_000_000), None);
        assert_eq!(at(1_000_009), None);
        assert_eq!(at(1_000_010), Some(2));
        assert_eq!(at(1_000_019), None);
        assert_eq!(at(1_000_020), Some(1));
        // The clock wraps.
        assert_eq!(at(5), Some(0));
        assert_eq!(at(5), Some(0));
        assert_eq!(at(5), None);
        assert!(Pace::new(1, 0).admit(u64::MAX).is_some());
        assert_eq!(Pace::new(0, 1).admit(7), None);
    }

    fn what_is_still_there_is_not_told_again() {
        let mut seen = Seen::<u8, 3>::new();
        let mut look = |now: &[u8]| {
            let mut told = Vec::new();
            seen.look(now.iter().copied(), |thing| told.push(thing));
            told
        };
        assert_eq!(look(&[1, 2]), [1, 2]);
        assert_eq!(look(&[2, 1]), []);
        assert_eq!(look(&[2, 3]), [3]);
        assert_eq!(look(&[]), []);
        assert_eq!(look(&[2]), [2]);
        // More than there is room for.
        assert_eq!(look(&[1, 2, 3, 4]), [1, 3, 4]);
        assert_eq!(look(&[1, 2, 3, 4]), [4]);
    }

    cases::cases!(
        a_change_is_told_once,
        a_bridge_that_fails_is_told_once_and_so_is_its_return,
        errors_that_stop_nothing_are_told_as_long_as_they_come_slowly,
        an_owner_that_stops_and_thaws_all_the_time_does_not_fill_the_log,
        a_pace_fills_up_to_its_burst_and_no_further,
        what_is_still_there_is_not_told_again,
    );
}
