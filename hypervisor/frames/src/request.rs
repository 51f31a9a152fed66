//! What a program asks for: [`Request`].

use crate::frame::encode;
use crate::reply::Denial;
use crate::words::{Reader, Writer};
use crate::{Frame, VERSION};

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Begins: from here on everything comes in frames. A [`Reply::Hello`](crate::Reply::Hello) with the same number answers.
    Hello {
        /// Any number that nobody can foresee: whose answer has it has read this.
        nonce: u64,
    },
    /// Asks for a [`Reply::Partition`](crate::Reply::Partition) of each partition, then a `Done`.
    Partitions,
    /// Asks for a [`Reply::Endpoint`](crate::Reply::Endpoint) of each function that has an owner, then a `Done`.
    Endpoints,
    /// Types `bytes` to the console of partition `to`, or to the monitor (0). `Done` tells how many were taken.
    Type {
        /// Its logical partition id.
        to: u32,
        /// What is typed.
        bytes: &'a [u8],
    },
    /// Ends: all consoles are shown again as for people.
    Bye,
}

const HELLO: u8 = 1;
const PARTITIONS: u8 = 2;
const ENDPOINTS: u8 = 3;
const TYPE: u8 = 4;
const BYE: u8 = 5;

impl<'a> Request<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// [`Denial::Version`], [`Denial::Kind`], [`Denial::Payload`].
    pub fn parse(frame: &Frame<'a>) -> Result<Self, Denial> {
        if frame.version != VERSION {
            return Err(Denial::Version);
        }
        let mut words = Reader(frame.payload);
        let request = match frame.kind {
            HELLO => words.u64().map(|nonce| Self::Hello { nonce }),
            PARTITIONS => Some(Self::Partitions),
            ENDPOINTS => Some(Self::Endpoints),
            TYPE => words.u32().map(|to| Self::Type {
                to,
                bytes: words.rest(),
            }),
            BYE => Some(Self::Bye),
            _ => return Err(Denial::Kind),
        };
        let request = request.ok_or(Denial::Payload)?;
        words.end().ok_or(Denial::Payload).map(|()| request)
    }

    /// Gives the bytes of a frame with it to `put`.
    pub fn encode(&self, tag: u8, put: &mut dyn FnMut(&[u8])) {
        let mut words = Writer::new();
        let kind = match *self {
            Self::Hello { nonce } => {
                words.put(&nonce.to_be_bytes());
                HELLO
            }
            Self::Partitions => PARTITIONS,
            Self::Endpoints => ENDPOINTS,
            Self::Type { to, bytes } => {
                words.put(&to.to_be_bytes()).put(bytes);
                TYPE
            }
            Self::Bye => BYE,
        };
        encode(kind, tag, words.bytes(), put);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::decoded;

    #[test]
    fn every_request_is_read_as_it_was_written() {
        for request in [
            Request::Hello { nonce: u64::MAX },
            Request::Partitions,
            Request::Endpoints,
            Request::Type {
                to: 3,
                bytes: b"ls\r\x1d",
            },
            Request::Type { to: 0, bytes: b"" },
            Request::Bye,
        ] {
            let decoder = decoded(|put| request.encode(9, put));
            let frame = decoder.frame().unwrap();
            assert_eq!(frame.tag, 9);
            assert_eq!(Request::parse(&frame), Ok(request));
        }
    }

    #[test]
    fn what_is_no_request_is_denied() {
        let parse = |version, kind, payload| {
            Request::parse(&Frame {
                version,
                kind,
                tag: 0,
                payload,
            })
        };
        assert_eq!(parse(2, BYE, b""), Err(Denial::Version));
        assert_eq!(parse(1, 0, b""), Err(Denial::Kind));
        assert_eq!(parse(1, 200, b""), Err(Denial::Kind));
        for (kind, payload) in [
            (HELLO, &b"1234567"[..]),
            (HELLO, b"123456789"),
            (PARTITIONS, b"x"),
            (TYPE, b"123"),
            (BYE, b"x"),
        ] {
            assert_eq!(parse(1, kind, payload), Err(Denial::Payload), "{kind}");
        }
    }
}
