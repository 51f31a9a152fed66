//! Frames as bytes: [`encode`], [`Decoder`].
//!
//! A frame is GS STX, its body, GS ETX; a GS of the body is sent as GS SOH. So GS STX is the beginning of a frame wherever it
//! stands, and whatever was lost before it. The body is version, kind, tag, payload, and the CRC-32 of those.

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

/// GS: the escape key, Ctrl-].
const GS: u8 = 0x1d;
const SOH: u8 = 0x01;
const STX: u8 = 0x02;
const ETX: u8 = 0x03;
/// What a frame begins with.
pub const START: [u8; 2] = [GS, STX];
/// What a frame ends with, and has nowhere else.
pub const END: [u8; 2] = [GS, ETX];
/// The version of all that is described here.
pub const VERSION: u8 = 1;
/// The most bytes of a payload.
pub const MAX_PAYLOAD: usize = 256;
/// Version, kind, tag.
const HEAD: usize = 3;
const CHECK: usize = 4;
const MAX_BODY: usize = HEAD + MAX_PAYLOAD + CHECK;
/// The most bytes of a frame on the line.
pub const MAX_ENCODED: usize = 2 * MAX_BODY + 4;

const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// A frame that came whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its version: the sender's.
    pub version: u8,
    /// What its payload is.
    pub kind: u8,
    /// A request's; its replies have the same.
    pub tag: u8,
    /// What it says.
    pub payload: &'a [u8],
}

/// Gives the bytes of a frame to `put`, part by part; of a payload that is too long the first [`MAX_PAYLOAD`] bytes.
#[inline(never)]
pub fn encode(kind: u8, tag: u8, payload: &[u8], put: &mut dyn FnMut(&[u8])) {
    let payload = payload.get(..MAX_PAYLOAD).unwrap_or(payload);
    let head = [VERSION, kind, tag];
    let mut digest = CRC.digest();
    digest.update(&head);
    digest.update(payload);
    let check = digest.finalize().to_be_bytes();
    put(&START);
    for part in [&head[..], payload, &check] {
        let mut runs = part.split(|byte| *byte == GS);
        put(runs.next().unwrap_or_default());
        for run in runs {
            put(&[GS, SOH]);
            put(run);
        }
    }
    put(&END);
}

/// What a byte did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is of no frame.
    Outside,
    /// It is of a frame that goes on.
    Inside,
    /// It ends a frame, which [`Decoder::frame`] returns.
    Whole,
    /// It ends one that is damaged or too long.
    Damaged,
    /// It goes on with no frame after a GS: what began is none, or ends here. A second GS may begin one.
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Outside,
    /// GS, outside.
    Escaped,
    Inside,
    /// GS, inside.
    InsideEscaped,
}

/// Finds frames in bytes.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    body: [u8; MAX_BODY],
    used: usize,
    is_too_long: bool,
}

impl Decoder {
    /// Makes one that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: State::Outside,
            body: [0; MAX_BODY],
            used: 0,
            is_too_long: false,
        }
    }

    /// Returns whether a frame has begun and not ended.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        matches!(self.state, State::Inside | State::InsideEscaped)
    }

    /// Begins a frame, as [`START`] does.
    pub const fn begin(&mut self) {
        self.state = State::Inside;
        self.used = 0;
        self.is_too_long = false;
    }

    /// Takes the next byte of the line.
    pub fn push(&mut self, byte: u8) -> Step {
        match (self.state, byte) {
            (State::Outside, GS) => {
                self.state = State::Escaped;
                Step::Inside
            }
            // The second one may begin a frame.
            (State::Escaped | State::InsideEscaped, GS) => {
                self.state = State::Escaped;
                Step::Broken
            }
            (State::Escaped | State::InsideEscaped, STX) => {
                self.begin();
                Step::Inside
            }
            (State::Outside, _) => Step::Outside,
            (State::Inside, GS) => {
                self.state = State::InsideEscaped;
                Step::Inside
            }
            (State::InsideEscaped, SOH) => {
                self.state = State::Inside;
                self.add(GS)
            }
            (State::Inside, _) => self.add(byte),
            (State::InsideEscaped, ETX) => {
                self.state = State::Outside;
                if self.frame().is_some() {
                    Step::Whole
                } else {
                    Step::Damaged
                }
            }
            (State::Escaped | State::InsideEscaped, _) => {
                self.state = State::Outside;
                Step::Broken
            }
        }
    }

    fn add(&mut self, byte: u8) -> Step {
        match self.body.get_mut(self.used) {
            Some(place) => {
                *place = byte;
                self.used = self.used.saturating_add(1);
            }
            None => self.is_too_long = true,
        }
        Step::Inside
    }

    /// Returns the frame that has come last, until the next begins; `None` when it was damaged.
    #[must_use]
    pub fn frame(&self) -> Option<Frame<'_>> {
        if self.is_too_long {
            return None;
        }
        let (body, check) = self.body.get(..self.used)?.split_last_chunk::<CHECK>()?;
        if CRC.checksum(body).to_be_bytes() != *check {
            return None;
        }
        let (&[version, kind, tag], payload) = body.split_first_chunk::<HEAD>()?;
        Some(Frame {
            version,
            kind,
            tag,
            payload,
        })
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a decoder has after one whole frame.
    pub(crate) fn decoded(encode: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Decoder {
        let mut decoder = Decoder::new();
        let mut last = Step::Outside;
        encode(&mut |part| {
            for byte in part {
                last = decoder.push(*byte);
            }
        });
        assert_eq!(last, Step::Whole);
        decoder
    }

    fn encoded(kind: u8, tag: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(kind, tag, payload, &mut |part| {
            bytes.extend_from_slice(part)
        });
        assert!(bytes.len() <= MAX_ENCODED);
        bytes
    }

    /// The frames in `bytes`: kind, tag, payload.
    fn frames(bytes: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
        let mut decoder = Decoder::new();
        let mut found = Vec::new();
        for &byte in bytes {
            if decoder.push(byte) == Step::Whole {
                let frame = decoder.frame().unwrap();
                found.push((frame.kind, frame.tag, frame.payload.to_vec()));
            }
        }
        found
    }

    #[test]
    fn the_bytes_of_a_frame_are_pinned() {
        let bytes = encoded(1, 2, &[0x1d, 0x41]);
        let crc = crc::Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(&[1, 1, 2, 0x1d, 0x41]);
        let mut wanted = vec![0x1d, 2, 1, 1, 2, 0x1d, 1, 0x41];
        for byte in crc.to_be_bytes() {
            wanted.push(byte);
            if byte == GS {
                wanted.push(SOH);
            }
        }
        wanted.extend([0x1d, 3]);
        assert_eq!(bytes, wanted);
    }

    #[test]
    fn what_is_too_long_is_no_frame_and_the_next_one_is() {
        let mut bytes = vec![GS, STX];
        bytes.extend([7; 10_000]);
        bytes.extend([GS, ETX]);
        let mut decoder = Decoder::new();
        let last = bytes.iter().map(|byte| decoder.push(*byte)).last();
        assert_eq!((last, decoder.frame()), (Some(Step::Damaged), None));
        bytes.extend(encoded(1, 1, b"x"));
        assert_eq!(frames(&bytes), [(1, 1, b"x".to_vec())]);
    }

    #[test]
    fn a_key_after_gs_ends_what_began() {
        let mut decoder = Decoder::new();
        let steps: Vec<Step> = [GS, STX, 9, GS, b'm', b'x', GS, b'a']
            .into_iter()
            .map(|byte| decoder.push(byte))
            .collect();
        use Step::{Broken, Inside, Outside};
        let wanted = [
            Inside, Inside, Inside, Inside, Broken, Outside, Inside, Broken,
        ];
        assert_eq!(steps, wanted);
    }

    proptest! {
        #[test]
        fn every_frame_comes_back_after_any_noise(
            noise in proptest::collection::vec(prop_oneof![Just(GS), Just(STX), Just(ETX), Just(SOH), any::<u8>()], 0..600),
            kind: u8, tag: u8,
            payload in proptest::collection::vec(prop_oneof![Just(GS), Just(STX), any::<u8>()], 0..MAX_PAYLOAD),
        ) {
            let mut bytes = noise;
            bytes.extend(encoded(kind, tag, &payload));
            let found = frames(&bytes);
            prop_assert_eq!(found.last(), Some(&(kind, tag, payload)));
        }

        #[test]
        fn a_payload_never_begins_a_frame(payload in proptest::collection::vec(prop_oneof![Just(GS), Just(STX), any::<u8>()], 0..MAX_PAYLOAD)) {
            let bytes = encoded(1, 1, &payload);
            prop_assert_eq!(bytes.windows(2).filter(|pair| *pair == START).count(), 1);
        }

        #[test]
        fn one_wrong_bit_is_seen(at in 2usize..40, bit in 0u8..8) {
            let mut bytes = encoded(3, 4, &[0x55; 40]);
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(frames(&bytes), []);
        }
    }
}
