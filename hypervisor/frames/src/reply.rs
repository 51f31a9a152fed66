//! What a program is told: [`Reply`].

use crate::frame::{Frame, VERSION, encode};
use crate::words::{Reader, Writer};

/// The source of output that stands for the monitor.
pub const MONITOR: u32 = 0;
/// The source of output that stands for the log; each is a line, without its end.
pub const LOG: u32 = u32::MAX;

/// What a partition does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// It is being loaded.
    Starting = 1,
    /// Its processors may run.
    Running = 2,
    /// They run; it is asked to shut itself down, and has not taken notice.
    Asked = 3,
    /// They run; it has taken notice of that.
    Told = 4,
    /// They are to stop, or have, and what it set up is taken back.
    Ending = 5,
    /// None of them runs.
    Off = 6,
}

impl State {
    const ALL: [Self; 6] = [
        Self::Starting,
        Self::Running,
        Self::Asked,
        Self::Told,
        Self::Ending,
        Self::Off,
    ];

    /// Returns its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Asked => "asked",
            Self::Told => "told",
            Self::Ending => "ending",
            Self::Off => "off",
        }
    }
}

/// A partition. Counts only rise while the machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition<'a> {
    /// Its logical partition id.
    pub lpid: u32,
    /// What it does.
    pub state: State,
    /// How many processors it has.
    pub cpus: u16,
    /// When this was so, by the time base.
    pub at: u64,
    /// How long its processors have run, all together, ticks.
    pub ran: u64,
    /// Hcalls that it has made while a program listened.
    pub hcalls: u64,
    /// Interrupts that it has taken meanwhile.
    pub interrupts: u64,
    /// How often a function of its was found stopped.
    pub freezes: u32,
    /// Requests of its that were refused.
    pub refusals: u32,
    /// Whether it has a console.
    pub has_console: bool,
    /// Its name.
    pub name: &'a str,
}

/// A function that has an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// Whose it is.
    pub lpid: u32,
    /// Its bridge.
    pub phb: u8,
    /// Its endpoint.
    pub pe: u16,
    /// What of it is stopped: 1 MMIO, 2 DMA, both, or nothing.
    pub stopped: u8,
    /// Where it is.
    pub location: &'a str,
}

/// Why a request was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Denial {
    /// It is of another version.
    Version = 1,
    /// There is no such request.
    Kind = 2,
    /// Its payload is too short or too long.
    Payload = 3,
    /// There is no such partition, or it has no console.
    NoConsole = 4,
    /// The one before is not done.
    Busy = 5,
}

impl Denial {
    const ALL: [Self; 5] = [
        Self::Version,
        Self::Kind,
        Self::Payload,
        Self::NoConsole,
        Self::Busy,
    ];
}

/// A reply. Those to a request have its tag; output comes by itself and has tag 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// To `Hello`.
    Hello {
        /// The request's.
        nonce: u64,
        /// Ticks of the time base in a second.
        hz: u64,
    },
    /// One of those that were asked for.
    Partition(Partition<'a>),
    /// One of those that were asked for.
    Endpoint(Endpoint<'a>),
    /// The request is done.
    Done {
        /// How many bytes were taken, or how many replies came before.
        count: u32,
    },
    /// It was not.
    Denied(Denial),
    /// What a partition's console, the [`MONITOR`] or the [`LOG`] has printed.
    Output {
        /// The partition's id, or one of the two.
        from: u32,
        /// What it has printed.
        bytes: &'a [u8],
    },
}

const HELLO: u8 = 0x81;
const PARTITION: u8 = 0x82;
const ENDPOINT: u8 = 0x83;
const DONE: u8 = 0x84;
const DENIED: u8 = 0x85;
const OUTPUT: u8 = 0x86;

impl<'a> Reply<'a> {
    /// Reads one; `None` when it is none of this version.
    #[must_use]
    pub fn parse(frame: &Frame<'a>) -> Option<Self> {
        if frame.version != VERSION {
            return None;
        }
        let mut words = Reader(frame.payload);
        let reply = match frame.kind {
            HELLO => Self::Hello {
                nonce: words.u64()?,
                hz: words.u64()?,
            },
            PARTITION => Self::Partition(Partition {
                lpid: words.u32()?,
                state: {
                    let code = words.u8()?;
                    let mut all = State::ALL.into_iter();
                    all.find(|state| *state as u8 == code)?
                },
                cpus: words.u16()?,
                at: words.u64()?,
                ran: words.u64()?,
                hcalls: words.u64()?,
                interrupts: words.u64()?,
                freezes: words.u32()?,
                refusals: words.u32()?,
                has_console: words.u8()? != 0,
                name: words.text()?,
            }),
            ENDPOINT => Self::Endpoint(Endpoint {
                lpid: words.u32()?,
                phb: words.u8()?,
                pe: words.u16()?,
                stopped: words.u8()?,
                location: words.text()?,
            }),
            DONE => Self::Done {
                count: words.u32()?,
            },
            DENIED => {
                let code = words.u8()?;
                let mut all = Denial::ALL.into_iter();
                Self::Denied(all.find(|denial| *denial as u8 == code)?)
            }
            OUTPUT => Self::Output {
                from: words.u32()?,
                bytes: words.rest(),
            },
            _ => return None,
        };
        words.end().map(|()| reply)
    }

    /// Gives the bytes of a frame with it to `put`. What does not fit of a text or of output is cut.
    pub fn encode(&self, tag: u8, put: &mut dyn FnMut(&[u8])) {
        let mut words = Writer::new();
        let kind = match *self {
            Self::Hello { nonce, hz } => {
                words.put(&nonce.to_be_bytes()).put(&hz.to_be_bytes());
                HELLO
            }
            Self::Partition(of) => {
                words
                    .put(&of.lpid.to_be_bytes())
                    .put(&[of.state as u8])
                    .put(&of.cpus.to_be_bytes());
                for word in [of.at, of.ran, of.hcalls, of.interrupts] {
                    words.put(&word.to_be_bytes());
                }
                words
                    .put(&of.freezes.to_be_bytes())
                    .put(&of.refusals.to_be_bytes())
                    .put(&[of.has_console.into()])
                    .put(of.name.as_bytes());
                PARTITION
            }
            Self::Endpoint(of) => {
                words
                    .put(&of.lpid.to_be_bytes())
                    .put(&[of.phb])
                    .put(&of.pe.to_be_bytes())
                    .put(&[of.stopped])
                    .put(of.location.as_bytes());
                ENDPOINT
            }
            Self::Done { count } => {
                words.put(&count.to_be_bytes());
                DONE
            }
            Self::Denied(denial) => {
                words.put(&[denial as u8]);
                DENIED
            }
            Self::Output { from, bytes } => {
                words.put(&from.to_be_bytes()).put(bytes);
                OUTPUT
            }
        };
        encode(kind, tag, words.bytes(), put);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_PAYLOAD;
    use crate::frame::tests::decoded;
    use proptest::prelude::*;

    const DB: Partition<'static> = Partition {
        lpid: 2,
        state: State::Running,
        cpus: 4,
        at: 1,
        ran: u64::MAX,
        hcalls: 3,
        interrupts: 4,
        freezes: 5,
        refusals: 6,
        has_console: true,
        name: "db",
    };

    /// What `reply` is after it has gone over a line.
    fn through<T>(reply: &Reply<'_>, see: impl FnOnce(Option<Reply<'_>>) -> T) -> T {
        let decoder = decoded(|put| reply.encode(7, put));
        let frame = decoder.frame().unwrap();
        assert_eq!(frame.tag, 7);
        see(Reply::parse(&frame))
    }

    #[test]
    fn every_reply_is_read_as_it_was_written() {
        let states = State::ALL
            .map(|state| Reply::Partition(Partition { state, ..DB }))
            .to_vec();
        let denials = Denial::ALL.map(Reply::Denied).to_vec();
        let others = vec![
            Reply::Hello {
                nonce: 1,
                hz: 512_000_000,
            },
            Reply::Endpoint(Endpoint {
                lpid: 1,
                phb: 2,
                pe: 0x1d1d,
                stopped: 3,
                location: "phb2/00.0/00.0",
            }),
            Reply::Done { count: 9 },
            Reply::Output {
                from: LOG,
                bytes: b"a line",
            },
        ];
        for reply in [states, denials, others].concat() {
            through(&reply, |read| assert_eq!(read, Some(reply)));
        }
    }

    #[test]
    fn output_that_does_not_fit_is_cut() {
        let bytes = [7; 2 * MAX_PAYLOAD];
        let reply = Reply::Output {
            from: 1,
            bytes: &bytes,
        };
        let cut = Reply::Output {
            from: 1,
            bytes: &bytes[..MAX_PAYLOAD - 4],
        };
        through(&reply, |read| assert_eq!(read, Some(cut)));
    }

    proptest! {
        #[test]
        fn any_payload_is_a_reply_or_none(version in 0u8..3, kind in 0x80u8..0x90, payload in proptest::collection::vec(any::<u8>(), 0..80)) {
            let frame = Frame { version, kind, tag: 0, payload: &payload };
            if let Some(reply) = Reply::parse(&frame) {
                through(&reply, |read| assert_eq!(read, Some(reply)));
            }
        }
    }
}
