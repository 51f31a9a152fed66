//! The trace: what happened on each CPU, in its ring (crate `trace`), and what that took of a virtual processor's time.
//!
//! Hcalls are noted by a handler of their own, [`crate::traps::watched_hcall`], which a thread has for as long as somebody wants
//! that; the usual one knows nothing of it ([ADR 13](../../../docs/adr/0013-tracing.md)).

use crate::memory;
use crate::thread::Thread;
use crate::traps;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use ioda::{Freeze, PeNumber};
use lpar::machine::Observer;
use papr_abi::{Server, token, xics};
use ppc64::PerCpu;
use ppc64::spr::timebase;
use realmem::NoMemory;
use spin::Once;
use trace::{Dispatched, Event, Kind, Preempted, TraceRing, WORDS};

/// Events that each CPU keeps: 32 KiB.
const EVENTS: usize = 1024;
/// For how long a reader keeps the events: a second.
const HOLD: u64 = 512_000_000;

static RINGS: Once<Vec<TraceRing<'static>>> = Once::new();
/// Nothing is noted before this time: somebody reads.
static HELD_UNTIL: AtomicU64 = AtomicU64::new(0);
/// Whether hcalls are noted.
static HCALLS: AtomicBool = AtomicBool::new(false);
/// Whether they are counted.
static COUNTING: AtomicBool = AtomicBool::new(false);

/// Makes the rings of the threads numbered below `cpus`.
///
/// # Errors
/// [`NoMemory`].
pub(crate) fn start(cpus: usize) -> Result<(), NoMemory> {
    let words = || memory::take_words((EVENTS * WORDS) as u64);
    let rings: Result<Vec<_>, _> = (0..cpus).map(|_| words().map(TraceRing::new)).collect();
    let rings = rings?;
    RINGS.call_once(|| rings);
    Ok(())
}

/// Returns all rings, by the number of their CPU.
pub(crate) fn rings() -> &'static [TraceRing<'static>] {
    RINGS.get().map_or(&[], Vec::as_slice)
}

/// Keeps what is there for a while: nothing is noted meanwhile.
pub(crate) fn hold() {
    HELD_UNTIL.store(timebase().saturating_add(HOLD), Relaxed);
}

/// Lets events be noted again.
pub(crate) fn release() {
    HELD_UNTIL.store(0, Relaxed);
}

/// Says whether hcalls are noted; every thread learns of it within a tick.
pub(crate) fn set_hcalls(on: bool) {
    HCALLS.store(on, Relaxed);
}

/// Says whether hcalls are counted; every thread learns of it within a tick.
pub(crate) fn set_counting(on: bool) {
    COUNTING.store(on, Relaxed);
}

/// Gives the calling thread the handler of hcalls that is wanted.
pub(crate) fn follow(cpu: &PerCpu) {
    let handler = if HCALLS.load(Relaxed) || COUNTING.load(Relaxed) {
        traps::watched_hcall
    } else {
        traps::hcall
    };
    cpu.set_handlers(handler, traps::exception);
}

/// Notes an event of a processor (0, 0 for none) that ends at `at`.
fn note(at: u64, ticks: u64, kind: Kind, (lpid, vcpu): (u32, u32), code: u32, more: (i64, u64)) {
    if at < HELD_UNTIL.load(Relaxed) {
        return;
    }
    let Some(ring) = rings().get(PerCpu::current().index as usize) else {
        return;
    };
    ring.record(&Event {
        at,
        ticks: u32::try_from(ticks).unwrap_or(u32::MAX),
        kind,
        lpid: u16::try_from(lpid).unwrap_or(u16::MAX),
        vcpu: u16::try_from(vcpu).unwrap_or(u16::MAX),
        code,
        result: more.0 as i32,
        argument: more.1,
    });
}

/// Counts the hcall that `thread` has made since `since`, and notes it if that is wanted. It had `before` in r4, and has
/// `after` now.
pub(crate) fn hcall(thread: &Thread, token: u64, r3: i64, (before, after): (u64, u64), since: u64) {
    let accepts = matches!(token, token::H_XIRR | token::H_XIRR_X);
    let accepted = accepts && xics::source(after as u32) != xics::NONE;
    thread.usage.hcall(accepted.into());
    if !HCALLS.load(Relaxed) {
        return;
    }
    let now = timebase();
    let ticks = now.wrapping_sub(since);
    // What one has accepted tells more than what it was given.
    let told = if accepts { after } else { before };
    let (kind, code) = (Kind::Hcall, token as u32);
    note(now, ticks, kind, who(thread), code, (r3, told));
}

/// Notes that source `irq` was given to `thread`.
pub(crate) fn interrupt(thread: &Thread, irq: u32) {
    note(timebase(), 0, Kind::Interrupt, who(thread), irq, (0, 0));
}

/// Notes that `thread`'s processor begins to run.
pub(crate) fn dispatched(thread: &Thread, why: Dispatched) {
    let now = timebase();
    let rested = thread.usage.begin(now);
    note(now, rested, Kind::Dispatch, who(thread), why as u32, (0, 0));
}

/// Notes that `thread`'s processor ceases to run.
pub(crate) fn preempted(thread: &Thread, why: Preempted) {
    let now = timebase();
    let ran = thread.usage.end(now);
    note(now, ran, Kind::Preempt, who(thread), why as u32, (0, 0));
}

/// Notes what was found of endpoint `pe` of bridge `phb`, which is partition `lpid`'s, 0 for nobody's.
pub(crate) fn endpoint(kind: Kind, lpid: u32, (phb, pe): (u8, PeNumber), what: Freeze, pesta: u64) {
    let code = trace::endpoint(phb, pe.0);
    let more = (i64::from(what.bits()), pesta);
    note(timebase(), 0, kind, (lpid, 0), code, more);
}

fn who(thread: &Thread) -> (u32, u32) {
    (thread.partition.lpar.lpid, thread.vcpu.server.0)
}

/// What partitions' requests are told to.
#[derive(Debug)]
pub(crate) struct Tracer;

impl Observer for Tracer {
    fn rtas(
        &self,
        (lpid, Server(vcpu)): (u32, Server),
        token: u32,
        input: u32,
        status: i32,
        since: u64,
    ) {
        let now = timebase();
        let more = (i64::from(status), u64::from(input));
        note(
            now,
            now.wrapping_sub(since),
            Kind::Rtas,
            (lpid, vcpu),
            token,
            more,
        );
    }
    fn refused(&self, (lpid, Server(vcpu)): (u32, Server), token: u64, code: i64) {
        note(
            timebase(),
            0,
            Kind::Refused,
            (lpid, vcpu),
            token as u32,
            (code, 0),
        );
    }
}
