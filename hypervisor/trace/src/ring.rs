//! The events of one CPU: [`TraceRing`].

use crate::event::{Event, WORDS};
use core::ops::Range;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
#[cfg(not(feature = "loom"))]
use core::sync::atomic::{AtomicU64, fence};
#[cfg(feature = "loom")]
use loom::sync::atomic::{AtomicU64, fence};

/// Places that no event is read from: those of the event that is being written and of the one before, since a reader may see
/// words of an event before it sees that the one before it is done.
const UNREAD: u64 = 2;

/// The last events of one CPU, in memory that it is given. Only that CPU writes; all may read.
#[derive(Debug)]
pub struct TraceRing<'a> {
    words: &'a [AtomicU64],
    /// How many events it has room for, less one.
    mask: u64,
    /// Events ever written.
    next: AtomicU64,
}

impl<'a> TraceRing<'a> {
    /// Makes a ring of as many events as `words` have room for, cut to a power of two; of none without room.
    #[must_use]
    #[cfg(not(feature = "loom"))]
    pub const fn new(words: &'a [AtomicU64]) -> Self {
        Self {
            words,
            mask: mask(words.len()),
            next: AtomicU64::new(0),
        }
    }

    /// Writes an event over the oldest. For the ring's own CPU.
    #[inline]
    pub fn record(&self, event: &Event) {
        let number = self.next.load(Relaxed);
        if let Some(slot) = self.slot(number) {
            for (cell, word) in slot.iter().zip(event.to_words()) {
                cell.store(word, Relaxed);
            }
        }
        // Who sees this count sees the event; and who sees a word of the next one sees this fence, so the count before.
        fence(Release);
        self.next.store(number.wrapping_add(1), Relaxed);
    }

    /// Returns the numbers of the events that are there.
    #[must_use]
    pub fn numbers(&self) -> Range<u64> {
        let next = self.next.load(Relaxed);
        fence(Acquire);
        let kept = self.mask.saturating_sub(UNREAD.saturating_sub(1));
        next.saturating_sub(kept)..next
    }

    /// Returns event `number`; `None` when it is gone.
    #[must_use]
    pub fn event(&self, number: u64) -> Option<Event> {
        if !self.numbers().contains(&number) {
            return None;
        }
        let slot = self.slot(number)?;
        let mut words = [0; WORDS];
        for (word, cell) in words.iter_mut().zip(slot) {
            *word = cell.load(Relaxed);
        }
        // Had one of them been overwritten, the count would have moved on.
        fence(Acquire);
        let there = self.numbers().contains(&number);
        there.then(|| Event::from_words(words))?
    }

    fn slot(&self, number: u64) -> Option<&'a [AtomicU64]> {
        let first = usize::try_from(number & self.mask)
            .ok()?
            .checked_mul(WORDS)?;
        self.words.get(first..first.checked_add(WORDS)?)
    }
}

/// How many events there is room for in `words`, less one.
#[cfg(any(test, not(feature = "loom")))]
const fn mask(words: usize) -> u64 {
    match words.checked_div(WORDS) {
        Some(0) | None => 0,
        Some(events) => (1u64 << events.ilog2()).saturating_sub(1),
    }
}

/// A CPU that notes events and another that reads them, in every order that the memory model allows.
#[cfg(all(test, feature = "loom"))]
mod models {
    use super::*;
    use crate::event::tests::PUT_TCE;
    use loom::thread;

    const EVENTS: usize = 4;

    fn event(at: u64) -> Event {
        Event {
            at,
            argument: at,
            ..PUT_TCE
        }
    }

    /// Has a CPU note `more` events after the first `before`, while another asks for event `wanted`.
    fn race(before: u64, more: u64, wanted: u64) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(move || {
            let words = (0..EVENTS * WORDS).map(|_| AtomicU64::new(0));
            let ring: &'static TraceRing<'_> = Box::leak(Box::new(TraceRing {
                words: Box::leak(words.collect()),
                mask: mask(EVENTS * WORDS),
                next: AtomicU64::new(0),
            }));
            (0..before).for_each(|at| ring.record(&event(at)));
            let writer = thread::spawn(move || {
                (before..before + more).for_each(|at| ring.record(&event(at)));
            });
            if let Some(found) = ring.event(wanted) {
                assert_eq!(found, event(wanted));
            }
            writer.join().unwrap();
            let last = before + more - 1;
            assert_eq!(ring.event(last), Some(event(last)));
        });
    }

    #[test]
    fn an_event_is_whole_or_gone_while_others_overwrite_it() {
        // The reader wants the oldest that is left. The third event from there goes to its place; before that one, the
        // reader may learn that it is too late.
        for more in 2..=3 {
            race(4, more, 2);
        }
    }

    #[test]
    fn an_event_is_whole_or_not_there_yet_while_it_is_written() {
        race(0, 1, 0);
        race(4, 1, 4);
    }
}

#[cfg(all(test, not(feature = "loom")))]
pub(crate) mod tests {
    use super::*;
    use crate::event::tests::PUT_TCE;

    pub(crate) fn event(at: u64) -> Event {
        Event { at, ..PUT_TCE }
    }

    pub(crate) fn ring(words: usize) -> TraceRing<'static> {
        TraceRing::new(Box::leak((0..words).map(|_| AtomicU64::new(0)).collect()))
    }

    #[test]
    fn the_last_events_are_there_in_order() {
        let ring = ring(8 * WORDS + 3);
        assert_eq!(ring.numbers(), 0..0);
        assert_eq!(ring.event(0), None);
        for at in 0..20 {
            ring.record(&event(at));
        }
        // Two places are left to the events that may be half written.
        assert_eq!(ring.numbers(), 14..20);
        let events: Vec<u64> = ring.numbers().map(|n| ring.event(n).unwrap().at).collect();
        assert_eq!(events, (14..20).collect::<Vec<_>>());
        assert_eq!((ring.event(13), ring.event(20)), (None, None));
    }

    #[test]
    fn a_ring_without_room_takes_nothing() {
        for events in [0, 1, 2] {
            let ring = ring(events * WORDS + 1);
            (0..9).for_each(|at| ring.record(&event(at)));
            assert!(ring.numbers().is_empty(), "{:?}", ring.numbers());
            assert_eq!(ring.event(8), None);
        }
    }

    #[test]
    fn a_reader_never_sees_parts_of_two_events_nor_another_than_it_asked_for() {
        let ring = ring(8 * WORDS);
        let same = |n: u64| Event {
            argument: n,
            code: n as u32,
            ..event(n)
        };
        let mut seen = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| (0..400_000).for_each(|n| ring.record(&same(n))));
            while ring.numbers().end < 400_000 {
                for number in ring.numbers() {
                    if let Some(event) = ring.event(number) {
                        assert_eq!(event, same(number));
                        seen += 1;
                    }
                }
            }
        });
        assert!(seen > 0);
    }
}
