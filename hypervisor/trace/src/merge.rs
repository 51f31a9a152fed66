//! Several rings read by time: [`Merged`].

use crate::event::Event;
use crate::ring::TraceRing;

/// The most rings that are merged; those beyond are left out.
pub const MAX_CPUS: usize = 32;

/// The next event of each ring.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    next: u64,
    end: u64,
}

/// The events of several rings, the oldest first, each with its ring's place. Events that are overwritten meanwhile are left out.
#[derive(Debug)]
pub struct Merged<'a> {
    rings: &'a [TraceRing<'a>],
    cursors: [Cursor; MAX_CPUS],
}

impl<'a> Merged<'a> {
    /// Reads the last `count` events of all `rings`.
    #[must_use]
    pub fn last(rings: &'a [TraceRing<'a>], count: usize) -> Self {
        let mut cursors = [Cursor::default(); MAX_CPUS];
        for (cursor, ring) in cursors.iter_mut().zip(rings) {
            let end = ring.numbers().end;
            *cursor = Cursor { next: end, end };
        }
        for _ in 0..count {
            let before = |ring: &TraceRing<'_>, cursor: &Cursor| {
                Some(ring.event(cursor.next.checked_sub(1)?)?.at)
            };
            let at = |(place, (cursor, ring)): (usize, (&Cursor, _))| {
                before(ring, cursor).map(|at| (at, place))
            };
            let latest = cursors.iter().zip(rings).enumerate().filter_map(at).max();
            match latest.and_then(|(_, place)| cursors.get_mut(place)) {
                Some(cursor) => cursor.next = cursor.next.saturating_sub(1),
                None => break,
            }
        }
        Self { rings, cursors }
    }
}

impl Iterator for Merged<'_> {
    type Item = (usize, Event);

    fn next(&mut self) -> Option<Self::Item> {
        let mut first: Option<(usize, Event)> = None;
        for (place, (cursor, ring)) in self.cursors.iter_mut().zip(self.rings).enumerate() {
            cursor.next = cursor.next.max(ring.numbers().start);
            if cursor.next >= cursor.end {
                continue;
            }
            if let Some(event) = ring.event(cursor.next)
                && first.is_none_or(|(_, found)| event.at < found.at)
            {
                first = Some((place, event));
            }
        }
        let (place, _) = first?;
        if let Some(cursor) = self.cursors.get_mut(place) {
            cursor.next = cursor.next.saturating_add(1);
        }
        first
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::event::WORDS;
    use crate::ring::tests::{event, ring};

    #[test]
    fn the_last_events_of_all_come_by_time() {
        let rings = [ring(8 * WORDS), ring(8 * WORDS), ring(0)];
        for at in [1, 4, 5, 9] {
            rings[0].record(&event(at));
        }
        for at in [2, 3, 7, 8, 10] {
            rings[1].record(&event(at));
        }
        let last = |count| -> Vec<(usize, u64)> {
            Merged::last(&rings, count)
                .map(|(cpu, event)| (cpu, event.at))
                .collect()
        };
        assert_eq!(last(4), [(1, 7), (1, 8), (0, 9), (1, 10)]);
        assert_eq!(last(0), []);
        let all: Vec<u64> = last(99).into_iter().map(|(_, at)| at).collect();
        assert_eq!(all, [1, 2, 3, 4, 5, 7, 8, 9, 10]);
    }

    #[test]
    fn what_was_overwritten_meanwhile_is_left_out() {
        let rings = [ring(8 * WORDS), ring(8 * WORDS)];
        (0..6).for_each(|at| rings[0].record(&event(at)));
        rings[1].record(&event(3));
        let merged = Merged::last(&rings, 99);
        (6..10).for_each(|at| rings[0].record(&event(at)));
        let all: Vec<u64> = merged.map(|(_, event)| event.at).collect();
        assert_eq!(all, [3, 4, 5]);
    }
}
