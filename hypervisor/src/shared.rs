//! A virtual processor that shares threads: what of it is kept while it has none, what it waits for, and
//! what wakes it.

use crate::idle::Until;
use crate::stop;
use crate::thread::{Leave, Thread};
use core::sync::atomic::{
    AtomicBool, AtomicU8, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use dispatch::VcpuId;
use lpar::icp::Line;
use lpar::vpa::{Dispatch, Preempt};
use ppc64::power;

/// What [`Thread`] has besides for a virtual processor that shares threads. Only the thread that runs it
/// changes any of it.
pub(crate) struct Shared {
    /// What the pool's policy knows it by.
    pub(crate) id: VcpuId,
    /// Whether its registers are those of a processor that was started.
    pub(crate) started: AtomicBool,
    waits: AtomicU8,
    preempt: AtomicU8,
    last_thread: AtomicUsize,
}

const NEVER: usize = usize::MAX;

const fn code(until: Option<Until>) -> u8 {
    match until {
        None => 0,
        Some(Until::InterruptOrProd) => 1,
        Some(Until::Prod) => 2,
    }
}

impl Shared {
    pub(crate) const fn new(id: VcpuId) -> Self {
        Self {
            id,
            started: AtomicBool::new(false),
            waits: AtomicU8::new(code(None)),
            preempt: AtomicU8::new(0),
            last_thread: AtomicUsize::new(NEVER),
        }
    }

    /// Notes why it gives up its thread.
    pub(crate) fn set_preempt(&self, why: Preempt) {
        self.preempt.store(why as u8, Relaxed);
    }

    /// Why it gave up its thread last; nothing for one that has not run yet.
    pub(crate) fn preempt(&self) -> Option<Preempt> {
        let known = [Preempt::Cede, Preempt::Confer, Preempt::TimeSlice];
        let code = self.preempt.load(Relaxed);
        known.into_iter().find(|&why| why as u8 == code)
    }

    /// Notes that it runs on thread `index` of the pool; returns the one that it ran on before.
    pub(crate) fn moves_to(&self, index: usize) -> Option<usize> {
        let before = self.last_thread.swap(index, Relaxed);
        (before != NEVER).then_some(before)
    }

    /// What it waits for, if it does.
    pub(crate) fn waits(&self) -> Option<Until> {
        let known = [Until::InterruptOrProd, Until::Prod];
        let now = self.waits.load(Relaxed);
        known.into_iter().find(|&until| code(Some(until)) == now)
    }

    /// Notes that it waits for nothing.
    pub(crate) fn goes_on(&self) {
        self.waits.store(code(None), Relaxed);
    }

    /// Forgets what it did in a former life.
    pub(crate) fn reset(&self) {
        self.goes_on();
        self.preempt.store(0, Relaxed);
    }

    /// Has it wait, in the middle of an hcall: it leaves, unless there is something to go on for already.
    pub(crate) fn wait_in_hcall(
        &self,
        thread: &Thread,
        preempt: Preempt,
        until: Until,
    ) -> Option<Leave> {
        let left = power::decrementer();
        if wakes(thread, until, left.into()).is_some() {
            thread.vcpu.ceded.store(false, SeqCst);
            if left < 0 {
                // As `idle::wait` does it, and for its reason.
                power::set_decrementer(left);
            }
            return None;
        }
        self.waits.store(code(Some(until)), Relaxed);
        self.set_preempt(preempt);
        Some(Leave::Waits)
    }
}

/// What there is for `thread`, which waits `until` something happens, to go on for; its decrementer has
/// `left` ticks to go. A prod is used up.
pub(crate) fn wakes(thread: &Thread, until: Until, left: i64) -> Option<Dispatch> {
    let vcpu = thread.vcpu;
    if vcpu.prodded.swap(false, SeqCst) {
        return Some(Dispatch::Prod);
    }
    if vcpu.attention.load(SeqCst) != 0 || stop::stopping() {
        return Some(Dispatch::Firmware);
    }
    if until == Until::Prod {
        return None;
    }
    if left < 0 {
        return Some(Dispatch::Decrementer);
    }
    (line(thread) == Line::Raised).then_some(Dispatch::External)
}

/// Whether an interrupt is presented to `thread` by its controller in software.
pub(crate) fn line(thread: &Thread) -> Line {
    let soft = &thread.partition.lpar.soft_xics;
    soft.line(thread.vcpu.server)
}
