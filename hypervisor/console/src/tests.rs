//! [`Mux`] between rings and a line.

use crate::mux::Output;
use crate::{LogLine, LogRing, Mark, Mux, Ring, Routed, Sources, View};
use frames::{Decoder, Denial, MAX_ENCODED, Reply, Request, Step};
use std::cell::{Cell, RefCell};

/// Ticks that an unfinished line waits.
const PATIENCE: u64 = 100;

struct Fake {
    names: Vec<&'static str>,
    rings: Vec<RefCell<Ring<Vec<u8>>>>,
    log: RefCell<LogRing<8>>,
    monitor: RefCell<Ring<Vec<u8>>>,
    composing: Cell<bool>,
    replies: RefCell<Vec<Vec<u8>>>,
}

impl Fake {
    fn new(names: &[&'static str]) -> (Self, Mux) {
        let ring = |_| RefCell::new(Ring::new(vec![0; 8192], 4096));
        let fake = Self {
            names: names.to_vec(),
            rings: names.iter().map(ring).collect(),
            log: RefCell::default(),
            monitor: RefCell::new(Ring::new(vec![0; 256], 0)),
            composing: Cell::new(false),
            replies: RefCell::default(),
        };
        let mut mux = Mux::new();
        mux.set_patience(PATIENCE);
        mux.begin(&fake);
        (fake, mux)
    }

    fn put(&self, console: usize, text: &str) {
        let count = self.rings[console].borrow_mut().put(text.as_bytes());
        assert_eq!(count, text.len(), "no room");
    }

    fn log(&self, text: &str, console: usize) {
        let position = self.rings.get(console).map(|ring| ring.borrow().position());
        let mark = position.map_or(Mark::default(), |at| Mark::new(console, at));
        self.log.borrow_mut().put(text, mark);
    }
}

impl Sources for Fake {
    fn consoles(&self) -> usize {
        self.names.len()
    }
    fn partition(&self, console: usize) -> (u32, &str) {
        (console as u32 + 1, self.names[console])
    }
    fn output(&self, console: usize, see: &mut dyn FnMut(&mut dyn Output)) {
        see(&mut *self.rings[console].borrow_mut());
    }
    fn log_mark(&self) -> Option<Mark> {
        self.log.borrow().first().map(LogLine::mark)
    }
    fn log_line(&self) -> Option<LogLine> {
        self.log.borrow_mut().take()
    }
    fn lost_lines(&self) -> Option<u32> {
        self.log.borrow_mut().lost()
    }
    fn monitor(&self, to: &mut [u8]) -> usize {
        self.monitor.borrow_mut().take(to)
    }
    fn is_monitor_busy(&self) -> bool {
        self.composing.get() || self.monitor.borrow().pending() > 0
    }
    fn reply(&self, to: &mut [u8; MAX_ENCODED]) -> usize {
        let Some(frame) = self.replies.borrow_mut().pop() else {
            return 0;
        };
        to[..frame.len()].copy_from_slice(&frame);
        frame.len()
    }
}

/// All that goes over the line, as text.
fn out(mux: &mut Mux, fake: &Fake, now: u64) -> String {
    let mut bytes = Vec::new();
    loop {
        mux.fill(fake, now);
        let mut some = [0; 16];
        let count = mux.peek(&mut some);
        if count == 0 && mux.is_idle() {
            return String::from_utf8_lossy(&bytes).replace('\r', "");
        }
        mux.discard(count);
        bytes.extend_from_slice(&some[..count]);
    }
}

fn type_in(mux: &mut Mux, fake: &Fake, bytes: &[u8]) -> Vec<Routed> {
    bytes.iter().map(|byte| mux.input(*byte, fake)).collect()
}

#[test]
fn the_only_console_passes_as_it_is_and_log_lines_wait_for_its_line_to_end() {
    let (fake, mut mux) = Fake::new(&["linux"]);
    assert_eq!(mux.view(), View::Console(0));
    fake.put(0, "\x1b[1mlogin: ");
    fake.log("hello", 0);
    fake.put(0, "x");
    assert_eq!(out(&mut mux, &fake, 0), "\x1b[1mlogin: x");
    fake.put(0, "y\nz\n");
    let text = out(&mut mux, &fake, PATIENCE - 1);
    assert_eq!(text, "y\nbulkhead| hello\nz\n");
    assert_eq!(mux.input(b'r', &fake), Routed::Console(0, b'r'));
}

/// A partition that never ends its line delays the log once, and by no more, whatever it prints.
#[test]
fn the_log_does_not_wait_for_ever_for_a_line_to_end() {
    let (fake, mut mux) = Fake::new(&["linux"]);
    fake.put(0, "# ");
    fake.log("one", 0);
    fake.log("two", 0);
    assert_eq!(out(&mut mux, &fake, 0), "# ");
    assert_eq!(out(&mut mux, &fake, PATIENCE - 1), "");
    // An end and a beginning: the first of the two has its place, the other waits on for what is left.
    fake.put(0, "\n# ");
    let text = out(&mut mux, &fake, PATIENCE - 1);
    assert_eq!(text, "\nbulkhead| one\nbulkhead| two\n# ");
    fake.log("three", 1);
    fake.put(0, "x");
    assert_eq!(out(&mut mux, &fake, PATIENCE - 1), "x");
    for later in [2, 3, 4] {
        fake.put(0, "y");
        assert_eq!(out(&mut mux, &fake, PATIENCE + later), "y");
    }
    let text = out(&mut mux, &fake, 2 * PATIENCE - 1);
    assert_eq!(text, "\nbulkhead| three\n");
    fake.put(0, "# ");
    // Nothing was left of the log: the next may wait again.
    assert_eq!(out(&mut mux, &fake, PATIENCE), "# ");
    fake.log("four", 1);
    assert_eq!(out(&mut mux, &fake, 2 * PATIENCE), "");
    mux.show(View::Monitor, &fake);
    assert!(out(&mut mux, &fake, 2 * PATIENCE).contains("bulkhead| four\n"));
}

/// Ends and beginnings do not help it either: all that waits together waits so long, and no longer.
#[test]
fn the_log_is_not_held_up_line_by_line() {
    let (fake, mut mux) = Fake::new(&["linux"]);
    fake.put(0, "x");
    let mut shown = 0;
    for now in 0..4 * PATIENCE {
        fake.log("logged", 1);
        fake.log("logged", 0);
        // Always in the midst of a line when it is looked at.
        fake.put(0, "x\nx");
        shown += out(&mut mux, &fake, now)
            .matches("bulkhead| logged\n")
            .count();
    }
    assert_eq!(fake.log.borrow().pending(), 0);
    assert!(shown as u64 >= 8 * PATIENCE - 2, "{shown}");
}

/// Linux prints 16 bytes with each call; what the log has to say comes between two lines of it and not within one.
#[test]
fn many_log_lines_break_no_line_that_is_printed_in_pieces() {
    let (fake, mut mux) = Fake::new(&["linux"]);
    let line = "[    0.000000] Linux version 6.1.0, as it prints it\n";
    let mut text = String::new();
    for (number, piece) in line.repeat(6).as_bytes().chunks(16).enumerate() {
        fake.put(0, std::str::from_utf8(piece).unwrap());
        fake.log("refused", number % 2);
        text += &out(&mut mux, &fake, number as u64);
    }
    text += &out(&mut mux, &fake, 19);
    assert_eq!(text.matches(line).count(), 6, "{text}");
    assert_eq!(text.matches("bulkhead| refused\n").count(), 20, "{text}");
}

#[test]
fn a_log_line_comes_after_what_was_printed_before_it() {
    let (fake, mut mux) = Fake::new(&["linux"]);
    let long = format!("{}\n", "x".repeat(150)).repeat(20);
    fake.put(0, &long);
    fake.log("between", 0);
    fake.log("two", 0);
    fake.put(0, "after\n");
    let text = out(&mut mux, &fake, 0);
    let lines = "bulkhead| between\nbulkhead| two\nafter\n";
    assert_eq!(text, format!("{long}{lines}"));
}

#[test]
fn several_consoles_are_shown_line_by_line_after_their_names() {
    let (fake, mut mux) = Fake::new(&["one", "two"]);
    assert_eq!(mux.view(), View::All);
    fake.put(0, "a\r\nb\r\nhalf");
    fake.put(1, "\x1b[31mc\x1b[0m\nd\n");
    fake.log("logged", 0);
    let text = out(&mut mux, &fake, 0);
    assert_eq!(text, "bulkhead| logged\none: a\ntwo: c\none: b\ntwo: d\n");
    // What is not finished waits, then goes.
    assert_eq!(out(&mut mux, &fake, PATIENCE - 1), "");
    assert_eq!(out(&mut mux, &fake, PATIENCE), "one: half\n");
    fake.put(0, " more\n");
    assert_eq!(out(&mut mux, &fake, PATIENCE), "one:  more\n");
}

#[test]
fn no_partition_looks_like_another_or_like_the_hypervisor() {
    let (fake, mut mux) = Fake::new(&["one", "two"]);
    fake.put(0, "x\rtwo: y\nbulkhead| STOP panic\n\x1b[2J\x1b[Htwo: z\n");
    for line in out(&mut mux, &fake, 0).lines() {
        assert!(line.starts_with("one: "), "{line}");
    }
}

#[test]
fn the_only_console_cannot_forge_or_swallow_a_line_of_the_hypervisors() {
    let (fake, mut mux) = Fake::new(&["linux"]);
    fake.put(0, "bulkhead| STOP panic\nx\x1b]0;no end");
    fake.log("logged", 0);
    assert_eq!(
        out(&mut mux, &fake, 0),
        "bulkhead?| STOP panic\nx\x1b]0;no end"
    );
    let text = out(&mut mux, &fake, PATIENCE);
    assert_eq!(text, "\x18\nbulkhead| logged\n");
    fake.put(0, "bulkhead| again\n\x1bP\n");
    fake.log("once more", 0);
    assert_eq!(
        out(&mut mux, &fake, PATIENCE),
        "bulkhead?| again\n\x1bP\n\x18\nbulkhead| once more\n"
    );
}

#[test]
fn bytes_that_are_no_text_do_not_reach_the_terminal_among_all_consoles() {
    let (fake, mut mux) = Fake::new(&["one", "two"]);
    let count = fake.rings[0].borrow_mut().put(b"a\x9b2Jb\xc2\x9bc\xff\n");
    assert_eq!(count, 10);
    assert_eq!(out(&mut mux, &fake, 0), "one: a?2Jb?c?\n");
}

#[test]
fn who_floods_starves_neither_another_nor_the_log() {
    let (fake, mut mux) = Fake::new(&["flood", "quiet"]);
    let mut bytes = Vec::new();
    fake.put(0, &"spam spam spam\n".repeat(200));
    fake.put(1, "hello\n");
    fake.log("logged", 0);
    // The line takes 16 bytes at a time; the flood fills its ring again each time.
    for _ in 0..20 {
        fake.rings[0].borrow_mut().put(&[b'\n'; 64]);
        mux.fill(&fake, 0);
        let mut some = [0; 16];
        let count = mux.peek(&mut some);
        mux.discard(count);
        bytes.extend_from_slice(&some[..count]);
    }
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("quiet: hello\r\n"), "{text}");
    assert!(text.contains("bulkhead| logged\r\n"), "{text}");
    assert!(!mux.is_idle());
}

#[test]
fn control_sequences_alone_do_not_hold_a_call_up() {
    let (fake, mut mux) = Fake::new(&["one", "two"]);
    fake.put(0, &"\x1b[m".repeat(1000));
    mux.fill(&fake, 0);
    assert!(!mux.is_idle());
    assert!(fake.rings[0].borrow().pending() >= 3000 - 1024);
}

#[test]
fn attaching_shows_the_last_lines_and_then_everything_raw() {
    let (fake, mut mux) = Fake::new(&["one", "two"]);
    for line in 0..40 {
        fake.put(1, &format!("line {line}\n"));
    }
    fake.put(1, "login: ");
    out(&mut mux, &fake, 0);
    assert_eq!(type_in(&mut mux, &fake, b"\x1d2")[1], Routed::Nobody);
    let text = out(&mut mux, &fake, 0);
    assert!(
        text.starts_with("bulkhead| console: 2, two; Ctrl-] ? helps\nline 17\n"),
        "{text}"
    );
    assert!(text.ends_with("line 39\nlogin: "), "{text}");
    assert_eq!(mux.input(b'x', &fake), Routed::Console(1, b'x'));
    // The other's output is not shown, does not wait, and is there later.
    fake.put(0, "unseen\n");
    fake.put(1, "x");
    assert_eq!(out(&mut mux, &fake, 0), "x");
    assert_eq!(fake.rings[0].borrow().pending(), 0);
    type_in(&mut mux, &fake, b"\x1d1");
    let text = out(&mut mux, &fake, 0);
    assert!(text.starts_with("\nbulkhead| console: 1, one"), "{text}");
    assert!(text.ends_with("unseen\n"), "{text}");
}

#[test]
fn a_log_line_that_belongs_to_another_console_does_not_wait_for_it() {
    let (fake, mut mux) = Fake::new(&["one", "two"]);
    type_in(&mut mux, &fake, b"\x1d1");
    fake.put(1, "unseen");
    fake.log("logged", 1);
    assert!(out(&mut mux, &fake, 0).ends_with("bulkhead| logged\n"));
}

#[test]
fn who_types_to_nobody_is_told_once_how_to_attach() {
    let (fake, mut mux) = Fake::new(&["one", "two"]);
    assert_eq!(type_in(&mut mux, &fake, b"ls\r"), [Routed::Nobody; 3]);
    let text = out(&mut mux, &fake, 0);
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("1: one, 2: two"), "{text}");
    type_in(&mut mux, &fake, b"\x1d7");
    let text = out(&mut mux, &fake, 0);
    assert_eq!(text, "bulkhead| console: partition 7 has none\n");
    type_in(&mut mux, &fake, b"\x1d?");
    assert!(out(&mut mux, &fake, 0).contains("m: monitor"));
}

#[test]
fn the_monitor_has_the_line_and_gets_its_prompt_back_after_a_log_line() {
    let (fake, mut mux) = Fake::new(&["one"]);
    fake.put(0, "login: ");
    assert_eq!(out(&mut mux, &fake, 0), "login: ");
    assert_eq!(
        type_in(&mut mux, &fake, b"\x1dmx"),
        [Routed::Nobody, Routed::EnterMonitor, Routed::Monitor(b'x')]
    );
    fake.monitor.borrow_mut().put(b"> lp");
    fake.put(0, "unseen\n");
    let text = out(&mut mux, &fake, 0);
    assert!(
        text.starts_with("\nbulkhead| console: the monitor"),
        "{text}"
    );
    assert!(text.ends_with("\n> lp"), "{text}");
    assert!(!mux.broken());
    fake.log("logged", 0);
    assert_eq!(out(&mut mux, &fake, 0), "\nbulkhead| logged\n");
    assert!(mux.broken() && !mux.broken());
    // Back: what was missed is shown.
    type_in(&mut mux, &fake, b"\x1d1");
    assert!(out(&mut mux, &fake, 0).ends_with("login: unseen\n"));
}

#[test]
fn a_line_of_the_log_waits_for_the_end_of_an_answers_line() {
    let (fake, mut mux) = Fake::new(&["one"]);
    type_in(&mut mux, &fake, b"\x1dm");
    out(&mut mux, &fake, 0);
    let line = "x".repeat(100);
    fake.monitor.borrow_mut().put(line.as_bytes());
    mux.fill(&fake, 0);
    fake.composing.set(true);
    fake.log("logged", 0);
    assert_eq!(out(&mut mux, &fake, 0), line);
    fake.monitor.borrow_mut().put(b"y\n> ");
    fake.composing.set(false);
    assert_eq!(out(&mut mux, &fake, 0), "y\n> \nbulkhead| logged\n");
    assert!(mux.broken());
}

#[test]
fn lost_lines_are_told_after_those_that_were_kept() {
    let (fake, mut mux) = Fake::new(&[]);
    for n in 0..11 {
        fake.log(&format!("line {n}"), 0);
    }
    let text = out(&mut mux, &fake, 0);
    assert!(
        text.ends_with("line 7\nbulkhead| 3 lines were lost, the console being full\n"),
        "{text}"
    );
}

#[test]
fn more_consoles_than_there_can_be_do_no_harm() {
    let (fake, mut mux) = Fake::new(&["x"; 70]);
    fake.put(63, "last\n");
    fake.put(64, "beyond\n");
    assert_eq!(out(&mut mux, &fake, 0), "x: last\n");
}

#[test]
fn nothing_is_cut_while_the_line_takes_little_at_a_time() {
    for least in [1, 37, 100, 333] {
        let (fake, mut mux) = Fake::new(&["one", "two"]);
        let text = format!("{}\n", "x".repeat(150));
        fake.put(0, &text.repeat(20));
        (0..8).for_each(|_| fake.log(&"y".repeat(240), 0));
        let mut bytes = Vec::new();
        while bytes.is_empty() || !mux.is_idle() {
            mux.fill(&fake, 0);
            let mut some = vec![0; least];
            let count = mux.peek(&mut some);
            mux.discard(count);
            bytes.extend_from_slice(&some[..count]);
        }
        let all = String::from_utf8(bytes).unwrap().replace('\r', "");
        let (own, ones): (Vec<_>, Vec<_>) = all.lines().partition(|line| line.starts_with("bulk"));
        assert_eq!((own.len(), ones.len()), (8, 20), "{all}");
        assert!(own.iter().all(|line| line.len() == 250), "{all}");
        assert!(ones.iter().all(|line| line.len() == 155), "{all}");
    }
}

/// All that goes over the line.
fn bytes_out(mux: &mut Mux, fake: &Fake) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        mux.fill(fake, 0);
        let mut some = [0; 16];
        let count = mux.peek(&mut some);
        if count == 0 && mux.is_idle() {
            return bytes;
        }
        mux.discard(count);
        bytes.extend_from_slice(&some[..count]);
    }
}

/// What a program reads in `bytes`, all of which are frames: source and output, replies as source 1000 and their text.
fn read(bytes: &[u8]) -> Vec<(u32, String)> {
    let mut decoder = Decoder::new();
    let mut found = Vec::new();
    for &byte in bytes {
        match decoder.push(byte) {
            Step::Inside => {}
            Step::Whole => match Reply::parse(&decoder.frame().unwrap()) {
                Some(Reply::Output { from, bytes }) => {
                    found.push((from, String::from_utf8_lossy(bytes).into_owned()));
                }
                other => found.push((1000, format!("{other:?}"))),
            },
            other => panic!("{other:?} at {byte:#x}"),
        }
    }
    found
}

fn send(mux: &mut Mux, fake: &Fake, request: &Request<'_>) -> Routed {
    let mut bytes = Vec::new();
    request.encode(5, &mut |part| bytes.extend_from_slice(part));
    let routed = type_in(mux, fake, &bytes);
    let (last, others) = routed.split_last().unwrap();
    assert!(
        others.iter().all(|routed| *routed == Routed::Nobody),
        "{others:?}"
    );
    *last
}

#[test]
fn a_program_gets_everything_in_frames() {
    let (fake, mut mux) = Fake::new(&["one", "two"]);
    fake.put(0, "before\n");
    bytes_out(&mut mux, &fake);
    assert_eq!(
        send(&mut mux, &fake, &Request::Hello { nonce: 7 }),
        Routed::Request
    );
    assert_eq!(mux.request(), Some((5, Ok(Request::Hello { nonce: 7 }))));
    mux.show(View::Program, &fake);
    let mut hello = Vec::new();
    Reply::Done { count: 1 }.encode(5, &mut |part| hello.extend_from_slice(part));
    fake.replies.borrow_mut().push(hello);
    fake.put(1, "\x1d\x02 forged\n");
    fake.log("logged", 0);
    fake.monitor.borrow_mut().put(b"monitor> ");
    let all = read(&bytes_out(&mut mux, &fake));
    let wanted = [
        (frames::LOG, "logged"),
        (1000, "Some(Done { count: 1 })"),
        (frames::MONITOR, "monitor> "),
        // The first console has had its turn.
        (2, "\x1d\x02 forged\n"),
        (1, "before\n"),
    ];
    assert_eq!(all, wanted.map(|(from, text)| (from, text.to_owned())));
    // What is typed between frames is nobody's, and the escape key leads back.
    assert_eq!(type_in(&mut mux, &fake, b"x"), [Routed::Nobody]);
    type_in(&mut mux, &fake, b"\x1da");
    fake.put(0, "more\n");
    let text = out(&mut mux, &fake, 0);
    assert_eq!(
        text,
        "\nbulkhead| console: all, each line after its name\none: more\n"
    );
}

#[test]
fn no_console_begins_a_frame() {
    for names in [&["one"][..], &["one", "two"]] {
        let (fake, mut mux) = Fake::new(names);
        let mut forged = Vec::new();
        Reply::Done { count: 1 }.encode(1, &mut |part| forged.extend_from_slice(part));
        fake.rings[0].borrow_mut().put(&forged);
        fake.log("\u{1d}\u{2}", 0);
        fake.rings[0].borrow_mut().put(b"\n\x1d");
        fake.rings[0].borrow_mut().put(b"\x02\n");
        let bytes = bytes_out(&mut mux, &fake);
        assert!(!bytes.is_empty());
        assert!(
            bytes.windows(2).all(|pair| pair != frames::START),
            "{bytes:x?}"
        );
    }
}

#[test]
fn a_frame_that_does_not_end_is_left_by_the_escape_key() {
    let (fake, mut mux) = Fake::new(&["one"]);
    let begun = [&frames::START[..], b"abc"].concat();
    type_in(&mut mux, &fake, &begun);
    assert_eq!(type_in(&mut mux, &fake, b"ls"), [Routed::Nobody; 2]);
    assert_eq!(
        type_in(&mut mux, &fake, b"\x1dm"),
        [Routed::Nobody, Routed::EnterMonitor]
    );
    // Another program's frame after one that was cut, even right after its escape byte.
    type_in(&mut mux, &fake, &begun);
    type_in(&mut mux, &fake, b"\x1d");
    assert_eq!(send(&mut mux, &fake, &Request::Bye), Routed::Request);
    assert_eq!(mux.request(), Some((5, Ok(Request::Bye))));
}

#[test]
fn damaged_and_unknown_requests_are_told_apart() {
    let (fake, mut mux) = Fake::new(&["one"]);
    let mut bytes = Vec::new();
    Request::Partitions.encode(5, &mut |part| bytes.extend_from_slice(part));
    bytes[4] ^= 1;
    assert_eq!(
        type_in(&mut mux, &fake, &bytes).last(),
        Some(&Routed::Request)
    );
    assert_eq!(mux.request(), None);
    let mut bytes = Vec::new();
    frames::encode(99, 5, b"", &mut |part| bytes.extend_from_slice(part));
    type_in(&mut mux, &fake, &bytes);
    assert_eq!(mux.request(), Some((5, Err(Denial::Kind))));
}
