//! A program at the other end of the serial line: what it asks for, and what it is told (crate `frames`, docs/console.md).
//!
//! What needs no more than a console is done where its request comes in; what tells of partitions and endpoints runs
//! as the monitor does, with none of the serial line's locks held.

use crate::clock::CLOCK;
use crate::thread::{self, Thread};
use crate::{console, errors, operator, partition, stop};
use ::console::Ring;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use frames::{Denial, Endpoint, MAX_ENCODED, MONITOR, Partition, Reply, Request, State};
use lock::Mutex;
use lpar::machine::Clock;
use monitor::PartitionState;
use ppc64::spr::timebase;

/// Bytes of replies that may wait.
const REPLIES: usize = 4096;

static REPLIES_TO: Mutex<Ring<[u8; REPLIES]>> = Mutex::new(Ring::new([0; REPLIES], 0));
static ASKED: Mutex<Option<List>> = Mutex::new(None);
static TURN: Mutex<()> = Mutex::new(());
static CALLED: AtomicBool = AtomicBool::new(false);

/// A list that was asked for.
#[derive(Clone, Copy)]
struct List {
    tag: u8,
    of_endpoints: bool,
    /// How many replies were given.
    given: u32,
}

/// Does what a program asks for, but for what begins and ends with it. Under the serial line's lock.
pub(crate) fn asked(tag: u8, request: Result<Request<'_>, Denial>) {
    match request {
        Ok(Request::Hello { nonce }) => {
            REPLIES_TO.lock().discard(usize::MAX);
            *ASKED.lock() = None;
            let hz = CLOCK.timebase_hz();
            reply(tag, &Reply::Hello { nonce, hz });
        }
        Ok(Request::Partitions) => list(tag, false),
        Ok(Request::Endpoints) => list(tag, true),
        Ok(Request::Type { to, bytes }) => typed(tag, to, bytes),
        Ok(Request::Bye) => {}
        Err(denial) => reply(tag, &Reply::Denied(denial)),
    }
}

fn list(tag: u8, of_endpoints: bool) {
    let mut asked = ASKED.lock();
    if asked.is_some() {
        return reply(tag, &Reply::Denied(Denial::Busy));
    }
    *asked = Some(List {
        tag,
        of_endpoints,
        given: 0,
    });
    CALLED.store(true, Relaxed);
}

fn typed(tag: u8, to: u32, bytes: &[u8]) {
    let taken = if to == MONITOR {
        bytes.iter().for_each(|byte| operator::typed(*byte));
        Some(bytes.len())
    } else {
        console::of(to).map(|console| console.type_in(bytes))
    };
    let answer = match taken {
        Some(taken) => Reply::Done {
            count: taken as u32,
        },
        None => Reply::Denied(Denial::NoConsole),
    };
    reply(tag, &answer);
}

/// Has `reply` sent. What does not fit is lost: the program has not read for a while.
fn reply(tag: u8, reply: &Reply<'_>) {
    let mut replies = REPLIES_TO.lock();
    if replies.room() >= MAX_ENCODED {
        reply.encode(tag, &mut |part| {
            replies.put(part);
        });
    }
}

/// Takes one whole frame.
pub(crate) fn take(to: &mut [u8; MAX_ENCODED]) -> usize {
    let mut replies = REPLIES_TO.lock();
    let there = replies.peek(to);
    let there = to.get(..there).unwrap_or_default();
    let end = there.windows(2).position(|pair| pair == frames::END);
    let count = end.map_or(0, |end| end.saturating_add(2));
    replies.discard(count);
    count
}

/// Takes the locks from whoever holds them: the machine is stopping.
pub(crate) fn seize() {
    stop::break_lock(&REPLIES_TO);
    stop::break_lock(&ASKED);
}

/// Goes on with a list, as far as there is room for it. Returns whether there is more to do.
#[inline]
pub(crate) fn work() -> bool {
    CALLED.load(Relaxed) && go_on()
}

#[inline(never)]
fn go_on() -> bool {
    // One thread at a time.
    let Some(_turn) = TURN.try_lock() else {
        return false;
    };
    let mut busy = false;
    loop {
        let Some(list) = *ASKED.lock() else {
            CALLED.store(false, Relaxed);
            return busy;
        };
        busy = true;
        if REPLIES_TO.lock().room() < MAX_ENCODED {
            return true;
        }
        let told = if list.of_endpoints {
            tell_endpoint(list)
        } else {
            tell_partition(list)
        };
        let mut asked = ASKED.lock();
        // A program that said hello meanwhile wants no more of it.
        if asked.is_some_and(|now| now.tag == list.tag && now.given == list.given) {
            *asked = told.map(|()| List {
                given: list.given.saturating_add(1),
                ..list
            });
        }
        drop(asked);
        if told.is_none() {
            reply(list.tag, &Reply::Done { count: list.given });
        }
    }
}

/// Tells of the next partition, if there is one more.
fn tell_partition(list: List) -> Option<()> {
    let partition = partition::all().get(list.given as usize)?;
    let lpar = &partition.lpar;
    let at = timebase();
    let (mut ran, mut hcalls, mut interrupts) = (0u64, 0u64, 0u64);
    for Thread { usage, .. } in lpar.vcpus.iter().filter_map(thread::of) {
        ran = ran.wrapping_add(usage.ran(at));
        hcalls = hcalls.wrapping_add(usage.hcalls());
        interrupts = interrupts.wrapping_add(usage.interrupts());
    }
    let told = Partition {
        lpid: lpar.lpid,
        state: match operator::state(partition) {
            PartitionState::Starting => State::Starting,
            PartitionState::Running => State::Running,
            PartitionState::Asked => State::Asked,
            PartitionState::Told => State::Told,
            PartitionState::Ending => State::Ending,
            PartitionState::Off => State::Off,
        },
        cpus: lpar.vcpus.len() as u16,
        at,
        ran,
        hcalls,
        interrupts,
        freezes: errors::freezes(lpar.lpid),
        refusals: lpar.refusals(),
        has_console: console::of(lpar.lpid).is_some(),
        name: &lpar.name,
    };
    reply(list.tag, &Reply::Partition(told));
    Some(())
}

/// Tells of the next function that has an owner, if there is one more.
fn tell_endpoint(list: List) -> Option<()> {
    let owned = errors::all().nth(list.given as usize)?;
    let (phb, pe) = owned.endpoint();
    let told = Endpoint {
        lpid: owned.lpid(),
        phb,
        pe: pe.0,
        stopped: owned.stopped().bits(),
        location: &owned.function.location,
    };
    reply(list.tag, &Reply::Endpoint(told));
    Some(())
}
