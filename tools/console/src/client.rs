//! Requests and their replies over any pair of byte streams: [`Client`].

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use frames::{Decoder, Denial, MAX_PAYLOAD, Reply, Request, Step};

use crate::sample::{Endpoint, Partition, Sample};

/// How long a hello is waited for before another is sent: the hypervisor may not have started yet.
const HELLO_AGAIN: Duration = Duration::from_millis(500);
/// How long any other answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most bytes that one request types: less than a console's input takes.
const TYPED: usize = 128;
const _: () = assert!(TYPED + 4 <= MAX_PAYLOAD);

/// What comes unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A console (by its partition), the monitor or the log has printed something; the log whole lines.
    Output {
        /// The partition, [`MONITOR`](crate::MONITOR) or [`LOG`](crate::LOG).
        from: u32,
        /// What.
        bytes: Vec<u8>,
    },
    /// Bytes outside frames: whatever was printed before the hello, and the machine's last words.
    Plain(Vec<u8>),
    /// There is nobody at the other end any more.
    Closed,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The line cannot be written.
    #[error("the serial line cannot be written: {0}")]
    Write(#[from] io::Error),
    /// The other end is closed.
    #[error("the serial line was closed: the machine has ended")]
    Closed,
    /// No answer came.
    #[error(
        "no answer within {0} s. Remedy: see that Bulkhead runs, and that nothing else reads the line"
    )]
    Silence(u64),
    /// It was refused.
    #[error("the hypervisor refuses: {0:?}")]
    Denied(Denial),
}

/// What the reader has found.
enum Found {
    Frame(u8, Answer),
    Event(Event),
}

/// A reply that was asked for.
enum Answer {
    Hello { nonce: u64, hz: u64 },
    Partition(Partition),
    Endpoint(Endpoint),
    Done { count: u32 },
    Denied(Denial),
}

/// A program's end of the serial line.
pub struct Client {
    to: Box<dyn Write + Send>,
    found: Receiver<Found>,
    /// What came unasked while an answer was waited for.
    events: VecDeque<Event>,
    tag: u8,
    hz: u64,
}

impl Client {
    /// Begins to read `from` on a thread of its own, and writes to `to`.
    pub fn new(from: impl Read + Send + 'static, to: impl Write + Send + 'static) -> Self {
        let (sender, found) = channel();
        std::thread::spawn(move || {
            // Fails when the client is gone.
            read(from, &mut |found| sender.send(found).is_ok());
            let _ = sender.send(Found::Event(Event::Closed));
        });
        Self {
            to: Box::new(to),
            found,
            events: VecDeque::new(),
            tag: 0,
            hz: 0,
        }
    }

    /// Begins the conversation, however long the hypervisor takes to start, within `patience`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn hello(&mut self, nonce: u64, patience: Duration) -> Result<(), ClientError> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            let tag = self.send(&Request::Hello { nonce })?;
            let until = deadline.min(Instant::now() + HELLO_AGAIN);
            while let Some((its, answer)) = self.answer(until)? {
                if let Answer::Hello {
                    nonce: its_nonce,
                    hz,
                } = answer
                    && (its, its_nonce) == (tag, nonce)
                {
                    self.hz = hz.max(1);
                    return Ok(());
                }
            }
        }
        Err(ClientError::Silence(patience.as_secs()))
    }

    /// Asks for everything that is known of the machine now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn sample(&mut self) -> Result<Sample, ClientError> {
        let mut sample = Sample {
            hz: self.hz,
            partitions: Vec::new(),
            endpoints: Vec::new(),
        };
        for request in [Request::Partitions, Request::Endpoints] {
            self.ask(&request, &mut |answer| match answer {
                Answer::Partition(partition) => sample.partitions.push(partition),
                Answer::Endpoint(endpoint) => sample.endpoints.push(endpoint),
                _ => {}
            })?;
        }
        Ok(sample)
    }

    /// Types `bytes` to the console of partition `to`, or to the monitor. Returns how many of them were taken: the rest
    /// waits until the partition has read.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn type_in(&mut self, to: u32, bytes: &[u8]) -> Result<usize, ClientError> {
        let mut taken = 0;
        for bytes in bytes.chunks(TYPED) {
            let now = self.ask(&Request::Type { to, bytes }, &mut |_| ())? as usize;
            taken += now;
            if now < bytes.len() {
                break;
            }
        }
        Ok(taken)
    }

    /// Ends the conversation: all consoles are shown as for people.
    ///
    /// # Errors
    /// [`ClientError::Write`].
    pub fn bye(&mut self) -> Result<(), ClientError> {
        self.send(&Request::Bye).map(drop)
    }

    /// Returns what has come unasked, waiting for it at most `patience`.
    pub fn event(&mut self, patience: Duration) -> Option<Event> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            // An answer here is one that came too late for whoever asked.
            let left = deadline.saturating_duration_since(Instant::now());
            match self.found.recv_timeout(left) {
                Ok(Found::Event(event)) => return Some(event),
                Ok(Found::Frame(..)) => {}
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => return Some(Event::Closed),
            }
        }
    }

    fn send(&mut self, request: &Request<'_>) -> Result<u8, ClientError> {
        // 0 is the tag of what comes unasked.
        self.tag = self.tag % u8::MAX + 1;
        let mut bytes = Vec::new();
        request.encode(self.tag, &mut |part| bytes.extend_from_slice(part));
        self.to.write_all(&bytes)?;
        self.to.flush()?;
        Ok(self.tag)
    }

    /// Sends `request`, gives `each` of its replies, and returns the count of its `Done`.
    fn ask(
        &mut self,
        request: &Request<'_>,
        each: &mut dyn FnMut(Answer),
    ) -> Result<u32, ClientError> {
        let tag = self.send(request)?;
        let deadline = Instant::now() + PATIENCE;
        while let Some((its, answer)) = self.answer(deadline)? {
            if its != tag {
                continue;
            }
            match answer {
                Answer::Done { count } => return Ok(count),
                Answer::Denied(denial) => return Err(ClientError::Denied(denial)),
                answer => each(answer),
            }
        }
        Err(ClientError::Silence(PATIENCE.as_secs()))
    }

    /// Returns the next answer with its tag, if one comes before `deadline`.
    fn answer(&mut self, deadline: Instant) -> Result<Option<(u8, Answer)>, ClientError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.found.recv_timeout(left) {
                Ok(Found::Frame(tag, answer)) => return Ok(Some((tag, answer))),
                Ok(Found::Event(event)) => {
                    let is_closed = event == Event::Closed;
                    self.events.push_back(event);
                    if is_closed {
                        return Err(ClientError::Closed);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => return Err(ClientError::Closed),
            }
        }
    }
}

/// Gives `put` what is found in `from`, until that ends or `put` wants no more.
fn read(mut from: impl Read, put: &mut dyn FnMut(Found) -> bool) {
    let mut decoder = Decoder::new();
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        let mut plain = Vec::new();
        for &byte in chunk.iter().take(length) {
            match decoder.push(byte) {
                Step::Outside => plain.push(byte),
                Step::Inside | Step::Damaged | Step::Broken => {}
                Step::Whole => {
                    let found = decoder.frame().and_then(|frame| {
                        let reply = Reply::parse(&frame)?;
                        Some(found(frame.tag, &reply))
                    });
                    if found.is_some_and(|found| !put(found)) {
                        return;
                    }
                }
            }
        }
        if !plain.is_empty() && !put(Found::Event(Event::Plain(plain))) {
            return;
        }
    }
}

fn found(tag: u8, reply: &Reply<'_>) -> Found {
    let answer = match *reply {
        Reply::Output { from, bytes } => {
            let bytes = bytes.to_vec();
            return Found::Event(Event::Output { from, bytes });
        }
        Reply::Hello { nonce, hz } => Answer::Hello { nonce, hz },
        Reply::Partition(partition) => Answer::Partition(Partition::of(&partition)),
        Reply::Endpoint(endpoint) => Answer::Endpoint(Endpoint::of(&endpoint)),
        Reply::Done { count } => Answer::Done { count },
        Reply::Denied(denial) => Answer::Denied(denial),
    };
    Found::Frame(tag, answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    const SHORT: Duration = Duration::from_secs(5);

    /// A hypervisor that answers `requests` requests by what `serve` returns, after some bytes that are no frame.
    fn hypervisor(
        requests: usize,
        serve: impl Fn(&Request<'_>) -> Vec<Reply<'static>> + Send + 'static,
    ) -> Client {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        std::thread::spawn(move || {
            theirs.write_all(b"boot\r\n").expect("written");
            let mut decoder = Decoder::new();
            let mut left = requests;
            let mut byte = [0];
            while left > 0 && theirs.read_exact(&mut byte).is_ok() {
                if decoder.push(byte[0]) != Step::Whole {
                    continue;
                }
                left -= 1;
                let frame = decoder.frame().expect("whole");
                let request = Request::parse(&frame).expect("a request");
                for reply in serve(&request) {
                    let unasked = matches!(reply, Reply::Output { .. });
                    let tag = if unasked { 0 } else { frame.tag };
                    reply.encode(tag, &mut |part| theirs.write_all(part).expect("written"));
                }
            }
        });
        Client::new(ours.try_clone().expect("cloned"), ours)
    }

    const fn hello(nonce: u64) -> Reply<'static> {
        let hz = 512_000_000;
        Reply::Hello { nonce, hz }
    }

    fn serve(request: &Request<'_>) -> Vec<Reply<'static>> {
        match *request {
            Request::Hello { nonce } => vec![hello(nonce)],
            Request::Partitions => vec![
                Reply::Partition(frames::Partition {
                    lpid: 1,
                    state: frames::State::Running,
                    cpus: 2,
                    at: 512,
                    ran: 3,
                    hcalls: 4,
                    interrupts: 5,
                    freezes: 6,
                    refusals: 7,
                    has_console: true,
                    name: "db",
                }),
                Reply::Output {
                    from: 1,
                    bytes: b"between",
                },
                Reply::Done { count: 1 },
            ],
            Request::Type { to: 9, .. } => vec![Reply::Denied(Denial::NoConsole)],
            Request::Type { bytes, .. } => vec![Reply::Done {
                count: bytes.len().min(100) as u32,
            }],
            Request::Endpoints => vec![Reply::Done { count: 0 }],
            Request::Bye => vec![],
        }
    }

    #[test]
    fn a_conversation() {
        let mut client = hypervisor(5, serve);
        client.hello(77, SHORT).expect("hello");
        let sample = client.sample().expect("a sample");
        assert_eq!(sample.hz, 512_000_000);
        assert_eq!((sample.partitions.len(), sample.endpoints.len()), (1, 0));
        assert_eq!(sample.partitions[0].name, "db");
        assert_eq!(client.type_in(1, &[7; 200]).expect("typed"), 100);
        let denied = client.type_in(9, b"x");
        assert!(matches!(
            denied,
            Err(ClientError::Denied(Denial::NoConsole))
        ));
        let mut events = Vec::new();
        while let Some(event) = client.event(SHORT) {
            let is_last = event == Event::Closed;
            events.push(event);
            if is_last {
                break;
            }
        }
        let output = Event::Output {
            from: 1,
            bytes: b"between".to_vec(),
        };
        let plain = Event::Plain(b"boot\r\n".to_vec());
        assert_eq!(events, [plain, output, Event::Closed]);
    }

    #[test]
    fn an_answer_to_another_hello_is_none() {
        let mut client = hypervisor(100, |_| vec![hello(1)]);
        let answer = client.hello(2, Duration::from_millis(700));
        assert!(matches!(answer, Err(ClientError::Silence(0))), "{answer:?}");
    }

    #[test]
    fn a_machine_that_is_gone_is_told() {
        let mut client = hypervisor(0, |_| vec![]);
        let answer = client.hello(2, SHORT);
        assert!(
            matches!(answer, Err(ClientError::Closed | ClientError::Write(_))),
            "{answer:?}"
        );
    }
}
