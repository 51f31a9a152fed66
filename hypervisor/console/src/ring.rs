//! Bytes between one who writes and one who reads, with what was read kept for a while: [`Ring`].

/// A ring of bytes in storage `B`.
///
/// Of what is written, bytes wait until they are taken; what was taken stays, as far as there is room, for
/// [`Ring::rewind`]. All zero is an empty ring, so that a static one needs no room in the image.
#[derive(Debug)]
pub struct Ring<B> {
    bytes: B,
    /// How many bytes of the storage are never taken by what waits.
    kept: usize,
    /// Bytes ever put.
    put: u64,
    /// Bytes ever taken, less those that [`Ring::rewind`] brought back.
    taken: u64,
}

impl<B> Ring<B> {
    /// Makes an empty ring; what waits leaves `kept` bytes of the storage to what was taken.
    #[must_use]
    pub const fn new(bytes: B, kept: usize) -> Self {
        Self {
            bytes,
            kept,
            put: 0,
            taken: 0,
        }
    }

    /// Returns how many bytes were ever put.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.put
    }

    /// Returns how many of those were taken.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Returns how many bytes wait.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.put.saturating_sub(self.taken) as usize
    }

    /// Drops the `count` oldest bytes that wait.
    pub fn discard(&mut self, count: usize) {
        let count = count.min(self.pending());
        self.taken = self.taken.saturating_add(count as u64);
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Ring<B> {
    /// Returns how many bytes can be put.
    #[must_use]
    pub fn room(&self) -> usize {
        let limit = self.bytes.as_ref().len().saturating_sub(self.kept);
        limit.saturating_sub(self.pending())
    }

    /// Puts as many of `from` as fit, in order; returns how many.
    pub fn put(&mut self, from: &[u8]) -> usize {
        let from = from.get(..self.room()).unwrap_or(from);
        put_at(self.bytes.as_mut(), self.put, from);
        self.put = self.put.saturating_add(from.len() as u64);
        from.len()
    }

    /// Copies the oldest bytes that wait into `to`, where they stay; returns how many.
    pub fn peek(&self, to: &mut [u8]) -> usize {
        let count = to.len().min(self.pending());
        let to = to.get_mut(..count).unwrap_or_default();
        peek_at(self.bytes.as_ref(), self.taken, to);
        count
    }

    /// Takes the oldest bytes that wait into `to`; returns how many.
    pub fn take(&mut self, to: &mut [u8]) -> usize {
        let count = self.peek(to);
        self.discard(count);
        count
    }

    /// Has the last `lines` lines, whole ones but for the last, wait again, at most `most` bytes.
    pub fn rewind(&mut self, lines: usize, most: usize) {
        let start = last_lines(self.bytes.as_ref(), self.put, lines, most);
        self.taken = self.taken.min(start);
    }
}

// Once for storage of all kinds.

/// Copies `from` to where the byte at `position` has its place, and on.
#[inline(never)]
fn put_at(bytes: &mut [u8], position: u64, from: &[u8]) {
    let at = place(bytes.len(), position);
    let (after, before) = bytes.split_at_mut_checked(at).map_or(
        (Default::default(), Default::default()),
        |(before, after)| (after, before),
    );
    copy(from, after);
    copy(from.get(after.len()..).unwrap_or_default(), before);
}

/// Fills `to` from where the byte at `position` has its place on.
#[inline(never)]
fn peek_at(bytes: &[u8], position: u64, to: &mut [u8]) {
    let at = place(bytes.len(), position);
    let (before, after) = bytes.split_at_checked(at).unwrap_or_default();
    copy(after, to);
    copy(before, to.get_mut(after.len()..).unwrap_or_default());
}

/// Returns where the last `lines` lines before position `put` begin, at most `most` bytes before it.
#[inline(never)]
fn last_lines(bytes: &[u8], put: u64, lines: usize, most: usize) -> u64 {
    let oldest = put.saturating_sub(bytes.len().min(most) as u64);
    let (mut start, mut ends) = (put, 0usize);
    while start > oldest {
        let before = start.saturating_sub(1);
        let byte = bytes.get(place(bytes.len(), before));
        // A line end right at the end begins no line yet.
        if byte == Some(&b'\n') && start != put {
            ends = ends.saturating_add(1);
            if ends == lines {
                break;
            }
        }
        start = before;
    }
    start
}

/// Returns where in storage of `length` bytes the byte at `position` is; 0 when there is no storage.
fn place(length: usize, position: u64) -> usize {
    position.checked_rem(length as u64).unwrap_or(0) as usize
}

/// Copies what both have room for.
fn copy(from: &[u8], to: &mut [u8]) {
    let count = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..count), to.get_mut(..count)) {
        to.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all<B: AsRef<[u8]> + AsMut<[u8]>>(ring: &mut Ring<B>) -> String {
        let mut bytes = vec![0; 100];
        let count = ring.take(&mut bytes);
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[test]
    fn output_past_the_end_is_not_taken_and_order_survives_wrapping() {
        let mut ring = Ring::new([0; 8], 0);
        assert_eq!(ring.put(b"0123456789"), 8);
        let mut one = [0];
        assert_eq!((ring.take(&mut one), one), (1, [b'0']));
        assert_eq!(ring.put(b"ab"), 1);
        assert_eq!(all(&mut ring), "1234567a");
        assert_eq!(all(&mut ring), "");
        assert_eq!((ring.position(), ring.taken()), (9, 9));
    }

    #[test]
    fn what_was_peeked_stays_until_it_is_discarded() {
        let mut ring = Ring::new([0; 8], 0);
        ring.put(b"abcdefgh");
        ring.discard(6);
        ring.put(b"ijk");
        let mut some = [0; 4];
        assert_eq!((ring.peek(&mut some), &some), (4, b"ghij"));
        ring.discard(2);
        assert_eq!(all(&mut ring), "ijk");
        ring.discard(9);
        assert_eq!(ring.pending(), 0);
    }

    #[test]
    fn what_waits_leaves_the_room_that_is_kept() {
        let mut ring = Ring::new([0; 16], 12);
        assert_eq!((ring.room(), ring.put(b"abcdef")), (4, 4));
        assert_eq!(all(&mut ring), "abcd");
        assert_eq!(ring.room(), 4);
    }

    #[test]
    fn the_last_lines_come_back_and_hold_up_who_writes() {
        let mut ring = Ring::new([0; 32], 16);
        for line in ["one\n", "two\n", "three\n", "pro"] {
            ring.put(line.as_bytes());
            ring.discard(100);
        }
        ring.rewind(2, 100);
        assert_eq!(all(&mut ring), "three\npro");
        ring.put(b"mpt\n");
        ring.discard(100);
        ring.rewind(2, 100);
        assert_eq!(all(&mut ring), "three\nprompt\n");
        ring.rewind(3, 7);
        assert_eq!(all(&mut ring), "prompt\n");
        ring.rewind(100, 100);
        assert_eq!((ring.pending(), ring.room()), (21, 0));
        assert_eq!(ring.put(b"x"), 0);
        ring.discard(6);
        assert_eq!(ring.room(), 1);
    }

    #[test]
    fn only_what_is_still_there_comes_back() {
        let mut ring = Ring::new([0; 8], 4);
        for text in [b"abc\n", b"def\n", b"ghi\n"] {
            ring.put(text);
            ring.discard(4);
        }
        ring.rewind(100, 100);
        assert_eq!(all(&mut ring), "def\nghi\n");
    }

    #[test]
    fn bytes_that_wait_stay_where_more_is_asked_back() {
        let mut ring = Ring::new([0; 16], 0);
        ring.put(b"a\nb\nc\nd\n");
        ring.rewind(1, 4);
        assert_eq!(all(&mut ring), "a\nb\nc\nd\n");
    }

    #[test]
    fn a_ring_of_nothing_takes_nothing() {
        let mut ring = Ring::new([0; 0], 0);
        assert_eq!((ring.put(b"a"), ring.room()), (0, 0));
        ring.rewind(1, 1);
        assert_eq!(all(&mut ring), "");
    }
}
