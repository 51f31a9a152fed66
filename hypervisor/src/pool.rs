//! The threads that virtual processors share: their loop, which runs whom the policy (`dispatch`) chooses,
//! and how they are told that it may choose anew.
//!
//! Locks: the policy's is held for one of its calls alone, and nothing is locked under it. The registers
//! of a virtual processor are locked by the thread that the policy gave it to.
#![expect(unsafe_code, reason = "enters guests")]

use self::thread::PoolThread;
use crate::idle::{Until, why_dispatched, why_preempted};
use crate::partition::Partition;
use crate::presenter::ICP;
use crate::shared::{self, Shared};
use crate::soft::{self, OPEN};
use crate::thread::{Leave, Thread, first_context, reset};
use crate::{probe, stop, trace};
use ::trace::Preempted;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use dispatch::{Choice, Dispatch, HUNDREDTHS, Share, Stop, Timing, VcpuId};
use lock::Mutex;
use lpar::icp::Line;
use lpar::machine::{Capacity, Presenter};
use lpar::vpa::{self, Preempt, Wait};
use lpar::{Processors, Vcpu, VcpuState, attention};
use papr_abi::xics::{self, LEAST_FAVORED};
use papr_abi::{Irq, Server};
use ppc64::context::GuestContext;
use ppc64::guest;
use ppc64::spr::timebase;
use ppc64::{PerCpu, power};
use spin::Once;

mod thread;

/// Virtual processors that share threads are known to the machine by numbers from here on: no thread has
/// one as large.
pub(crate) const FIRST_HANDLE: u32 = 1 << 16;
/// Interrupts that a thread takes in at one go; what is left comes again at once.
const ROUNDS: usize = 16;

/// The pool.
pub(crate) struct Pool {
    policy: Mutex<dispatch::Pool>,
    threads: Vec<PoolThread>,
    /// The partitions that share it; the policy knows them by their place.
    pub(crate) partitions: Vec<&'static Partition>,
    /// All their virtual processors, in the same order.
    vcpus: Vec<Thread>,
    /// Where each partition's begin.
    firsts: Vec<usize>,
    /// Hundredths of a thread that no partition is entitled to.
    unallocated: u32,
}

static POOL: Once<Pool> = Once::new();

/// Returns the pool, if partitions share one.
pub(crate) fn get() -> Option<&'static Pool> {
    POOL.get()
}

/// Returns how many threads there are, and what of the pool nobody was promised.
pub(crate) fn capacity() -> Capacity {
    let machine = probe::info().map_or(0, |info| info.threads().count());
    let (pool, unallocated) = get().map_or((0, 0), |pool| (pool.threads.len(), pool.unallocated));
    Capacity {
        machine: machine as u16,
        pool: pool as u16,
        unallocated,
    }
}

/// Makes the pool of `partitions`, on the threads with processor identifications `pirs`.
///
/// # Errors
/// What the policy finds wrong with what the partitions are promised.
pub(crate) fn start(
    pirs: &[u32],
    partitions: Vec<&'static Partition>,
    hz: u64,
) -> Result<(), dispatch::ShareError> {
    let mut shares = Vec::new();
    let (mut vcpus, mut firsts) = (Vec::new(), Vec::new());
    for (place, partition) in partitions.iter().enumerate() {
        let Processors::Shared(share) = partition.lpar.processors else {
            continue;
        };
        shares.push(Share {
            entitlement: share.entitlement,
            weight: share.weight,
            vcpus: partition.lpar.vcpus.len() as u32,
        });
        firsts.push(vcpus.len());
        for (number, vcpu) in partition.lpar.vcpus.iter().enumerate() {
            let id = VcpuId {
                partition: place,
                vcpu: number,
            };
            vcpus.push(Thread::new(partition, vcpu, Some(Shared::new(id))));
        }
    }
    let threads: Vec<_> = pirs
        .iter()
        .filter_map(|&pir| Some((pir, boot::thread_index(pir)?)))
        .map(|(pir, cpu)| PoolThread::new(pir, cpu as u64, partitions.len()))
        .collect();
    let policy = dispatch::Pool::new(threads.len(), &shares, Timing::standard(hz), timebase())?;
    let entitlement: u32 = shares.iter().map(|share| share.entitlement).sum();
    let capacity = threads.len() as u32 * HUNDREDTHS;
    log::info!(
        "pool: {} thread(s) for {} vcpu(s) of {} partition(s), {entitlement} of {capacity} hundredths promised",
        threads.len(),
        vcpus.len(),
        partitions.len()
    );
    POOL.call_once(|| Pool {
        policy: Mutex::new(policy),
        threads,
        partitions,
        vcpus,
        firsts,
        unallocated: capacity.saturating_sub(entitlement),
    });
    Ok(())
}

/// Processor identification of the calling thread, if it is the pool's.
pub(crate) fn own_pir() -> Option<u32> {
    Some(get()?.me()?.1.pir)
}

/// The hypervisor decrementer, while a shared virtual processor runs: the end of its slice, or sooner.
/// Returns what the guest leaves with, if it must.
pub(crate) fn tick(thread: &Thread) -> Option<Leave> {
    let pool = get()?;
    let (index, own) = pool.me()?;
    own.service_console();
    if own.raised.load(Relaxed) {
        // Behind the line that is held up other interrupts wait.
        own.set_line(Line::Quiet);
        pool.take_in(own);
        own.set_line(shared::line(thread));
    }
    let now = timebase();
    if now < own.until.load(Relaxed) {
        own.arm(now);
        return None;
    }
    pool.turn(index, own, thread)
}

/// An external interrupt, while a shared virtual processor runs. Returns what the guest leaves with, if
/// it must.
pub(crate) fn external(thread: &Thread) -> Option<Leave> {
    let pool = get()?;
    let (index, own) = pool.me()?;
    pool.take_in(own);
    own.kicked.store(false, SeqCst);
    own.set_line(shared::line(thread));
    if own.called.swap(false, SeqCst) {
        pool.turn(index, own, thread)
    } else {
        None
    }
}

/// Runs the pool's virtual processors on the calling thread for ever; parks one that is not the pool's.
pub(crate) fn run(cpu: &PerCpu) -> ! {
    let Some((pool, (index, own))) = get().and_then(|pool| Some((pool, pool.me()?))) else {
        power::park()
    };
    cpu.set_handlers(crate::traps::hcall, crate::traps::exception);
    ICP.set_cppr(own.pir, OPEN);
    loop {
        if stop::stopping() {
            power::park();
        }
        own.set_line(Line::Quiet);
        pool.take_in(own);
        own.service_console();
        own.kicked.store(false, SeqCst);
        let before = own.next.lock().take();
        let choice = before.unwrap_or_else(|| {
            own.called.store(false, SeqCst);
            pool.choose(index)
        });
        match choice {
            Choice::Idle { until } => own.sleep(until),
            Choice::Run(dispatch) => pool.dispatch(cpu, index, own, &dispatch),
        }
    }
}

impl Pool {
    /// The calling thread's place in the pool.
    fn me(&self) -> Option<(usize, &PoolThread)> {
        let cpu = PerCpu::current().index;
        let mut threads = self.threads.iter().enumerate();
        threads.find(|(_, thread)| thread.cpu == cpu)
    }

    /// The thread that interrupts for processors numbered `server` go to.
    pub(crate) fn pir_for(&self, server: Server) -> u32 {
        let index = server.0 as usize % self.threads.len().max(1);
        self.threads.get(index).map_or(0, |thread| thread.pir)
    }

    /// The virtual processor that the machine knows by `handle`.
    pub(crate) fn by_handle(&self, handle: u32) -> Option<&Thread> {
        let place = handle.checked_sub(FIRST_HANDLE)?;
        self.vcpus.get(place as usize)
    }

    fn place(&self, id: VcpuId) -> Option<usize> {
        self.firsts.get(id.partition)?.checked_add(id.vcpu)
    }

    /// The line to `record` is `line` now: shows it where it runs, or wakes it.
    pub(crate) fn line_is(&self, record: &Thread, line: Line) {
        let own = self.me().map(|(_, own)| own);
        let here = own.filter(|own| self.runs(own, record));
        match here {
            Some(own) => own.set_line(line),
            None if line == Line::Raised => self.poke(record),
            None => {}
        }
    }

    /// Whether `own` runs `record`.
    fn runs(&self, own: &PoolThread, record: &Thread) -> bool {
        let current = own.current.load(Relaxed).checked_sub(1);
        let current = current.and_then(|place| self.vcpus.get(place));
        current.is_some_and(|current| core::ptr::eq(current, record))
    }

    /// Makes `record` ready if it waits, and has it looked at where it runs.
    pub(crate) fn poke(&self, record: &Thread) {
        let Some(shared) = &record.shared else { return };
        let (called, running) = {
            let mut policy = self.policy.lock();
            let called = policy.wake(shared.id, timebase());
            (called, policy.thread_of(shared.id))
        };
        if let Some(thread) = called.and_then(|index| self.threads.get(index)) {
            thread.call();
        }
        if let Some(thread) = running.and_then(|index| self.threads.get(index)) {
            thread.kick();
        }
    }

    /// Accepts what is pending at the calling thread, and gives it to whom it belongs. Whoever runs here
    /// has to have its line looked at afterwards.
    fn take_in(&'static self, own: &PoolThread) {
        for _ in 0..ROUNDS {
            // Accepting nothing makes QEMU 10.0's controller forget its priority.
            if xics::source(ICP.poll(own.pir)) == xics::NONE {
                return;
            }
            let irq = xics::source(ICP.accept(own.pir));
            if irq == Irq::IPI {
                ICP.set_mfrr(own.pir, LEAST_FAVORED);
                ICP.eoi(own.pir, xics::xirr(OPEN, irq));
                continue;
            }
            // Its end is told when the partition has ended it; the priority must not wait for that.
            ICP.set_cppr(own.pir, OPEN);
            if irq == xics::NONE {
                return;
            }
            if let Some(record) = soft::arrive(self, irq, own.pir)
                && !self.runs(own, record)
            {
                self.poke(record);
            }
        }
    }

    fn choose(&self, index: usize) -> Choice {
        let (choice, idle) = {
            let mut policy = self.policy.lock();
            let choice = policy.choose(index, timebase());
            (choice, policy.call_idle())
        };
        if let Some(thread) = idle.and_then(|index| self.threads.get(index)) {
            thread.call();
        }
        choice
    }

    /// Ends the turn of `thread`, which runs on `own`. Returns what it leaves with, unless its next turn is
    /// now.
    fn turn(&self, index: usize, own: &PoolThread, thread: &Thread) -> Option<Leave> {
        let shared = thread.shared.as_ref()?;
        self.policy.lock().stop(index, timebase(), Stop::Ready);
        let choice = self.choose(index);
        match choice {
            Choice::Run(next) if next.id == shared.id => {
                own.until.store(next.until, Relaxed);
                own.arm(timebase());
                None
            }
            other => {
                *own.next.lock() = Some(other);
                shared.set_preempt(Preempt::TimeSlice);
                Some(Leave::Slice)
            }
        }
    }

    /// Runs whom the policy has chosen, until it leaves.
    fn dispatch(&'static self, cpu: &PerCpu, index: usize, own: &PoolThread, chosen: &Dispatch) {
        let Some((place, record, shared)) = self.place(chosen.id).and_then(|place| {
            let record = self.vcpus.get(place)?;
            Some((place, record, record.shared.as_ref()?))
        }) else {
            let why = Stop::Waiting { until: None };
            return self.policy.lock().stop(index, timebase(), why);
        };
        let mut context = record.context.lock();
        let reason = match prepare(record, shared, &mut context, chosen) {
            Ok(reason) => reason,
            Err(why) => {
                drop(context);
                self.policy.lock().stop(index, timebase(), why);
                return record.partition.conclude();
            }
        };
        let (lpar, vcpu) = (&record.partition.lpar, record.vcpu);
        if shared.moves_to(index).is_some_and(|before| before != index) {
            vpa::dispersed(vcpu);
            own.forget(chosen.id.partition);
        }
        vpa::dispatched(lpar, vcpu);
        if let Some(preempt) = shared.preempt() {
            let waited = chosen.waited;
            let wait = Wait {
                preempt,
                dispatch: reason,
                ticks: [
                    waited.until_ready,
                    waited.until_entitled,
                    waited.until_dispatched,
                ],
                processor: own.pir as u16,
                srr0: context.regs.pc,
                srr1: context.regs.msr,
            };
            vpa::note_wait(lpar, vcpu, &wait);
            vpa::log_wait(lpar, vcpu, &wait);
        }
        own.select(chosen.id.partition, record.partition);
        trace::dispatched(record, why_dispatched(reason));
        cpu.owner_data.set(core::ptr::from_ref(record) as u64);
        own.current.store(place + 1, Relaxed);
        own.set_line(shared::line(record));
        own.until.store(chosen.until, Relaxed);
        own.arm(timebase());
        // SAFETY: 1. selected above. 2. the calling thread's own; `run` set the handlers.
        let why = Leave::from_code(unsafe { guest::enter(cpu, &mut context) });
        own.current.store(0, Relaxed);
        vpa::preempted(lpar, vcpu);
        trace::preempted(record, preempted(why, shared));
        let timer = context.dec_expiry;
        drop(context);
        self.left(index, own, record, why, timer);
    }

    /// Does what follows once `record` has left its guest with `why`; its decrementer expires at `timer`.
    fn left(
        &self,
        index: usize,
        own: &PoolThread,
        record: &'static Thread,
        why: Leave,
        timer: u64,
    ) {
        let Some(shared) = &record.shared else { return };
        let vcpu = record.vcpu;
        let mut stops = false;
        let stop = match why {
            Leave::Stop | Leave::Restart | Leave::PowerOff | Leave::Crashed => {
                stops = true;
                Stop::Waiting { until: None }
            }
            Leave::Waits => waiting(shared, timer),
            Leave::Again | Leave::Slice | Leave::Yields | Leave::MachineStops => Stop::Ready,
        };
        if let Some(end) = why.end() {
            // Another may have asked before: then it ends as that one wants.
            let _ = record.partition.end(end, Some(vcpu.server));
        }
        if stops {
            shared.started.store(false, Relaxed);
            vcpu.set_state(VcpuState::Stopped);
        }
        // At the end of a slice the policy has taken it off the thread already, and chosen another.
        let moved_on = own.next.lock().is_some();
        if !moved_on && why == Leave::Yields {
            let to = vcpu.conferee.load(Relaxed);
            vcpu.yielding.store(to == Vcpu::NONE, SeqCst);
            let choice = match to {
                Vcpu::NONE => {
                    self.policy.lock().stop(index, timebase(), Stop::Yields);
                    self.choose(index)
                }
                server => self
                    .policy
                    .lock()
                    .confer(index, server as usize, timebase()),
            };
            *own.next.lock() = Some(choice);
        } else if !moved_on {
            self.policy.lock().stop(index, timebase(), stop);
        }
        if stops {
            record.partition.conclude();
        }
    }
}

/// Why a virtual processor that left with `why` ceases to run.
fn preempted(why: Leave, shared: &Shared) -> Preempted {
    match why {
        Leave::Stop | Leave::Restart | Leave::PowerOff | Leave::Crashed | Leave::MachineStops => {
            Preempted::Stop
        }
        Leave::Again => Preempted::Reset,
        Leave::Slice => Preempted::Slice,
        Leave::Yields => Preempted::Confer,
        Leave::Waits => shared.preempt().map_or(Preempted::Cede, why_preempted),
    }
}

/// How a virtual processor that waits is stopped: its decrementer may wake it at `timer`.
fn waiting(shared: &Shared, timer: u64) -> Stop {
    let until = match shared.waits() {
        Some(Until::InterruptOrProd) => Some(timer),
        Some(Until::Prod) | None => None,
    };
    Stop::Waiting { until }
}

/// Makes `record` ready to enter its guest; returns what it runs again for.
///
/// # Errors
/// How it is to be stopped instead, when it has nothing to run for.
fn prepare(
    record: &'static Thread,
    shared: &Shared,
    context: &mut GuestContext,
    chosen: &Dispatch,
) -> Result<vpa::Dispatch, Stop> {
    let vcpu = record.vcpu;
    if record.partition.is_loading() && shared.id.vcpu == 0 {
        record.partition.load(chosen.until);
        return Err(Stop::Ready);
    }
    if vcpu.state() != VcpuState::Running {
        return Err(Stop::Waiting { until: None });
    }
    let asked = &vcpu.attention;
    if !record.partition.life.runs() || asked.load(SeqCst) & attention::LEAVE != 0 {
        asked.fetch_and(!attention::LEAVE, SeqCst);
        shared.started.store(false, Relaxed);
        vcpu.set_state(VcpuState::Stopped);
        return Err(Stop::Waiting { until: None });
    }
    let mut reason = vpa::Dispatch::TimeSlice;
    if !shared.started.swap(true, Relaxed) {
        *context = first_context(record.partition, vcpu);
        shared.reset();
        reason = vpa::Dispatch::Start;
    } else if let Some(until) = shared.waits() {
        let left = context.dec_expiry.wrapping_sub(timebase()) as i64;
        let woken = shared::wakes(record, until, left);
        reason = woken.ok_or_else(|| waiting(shared, context.dec_expiry))?;
        shared.goes_on();
        vcpu.ceded.store(false, SeqCst);
    } else if chosen.conferred {
        reason = vpa::Dispatch::Conferred;
    }
    vcpu.yielding.store(false, SeqCst);
    let asked = asked.fetch_and(!(attention::SYSTEM_RESET | attention::MODE), SeqCst);
    if asked & attention::SYSTEM_RESET != 0 {
        reset(record.partition, context);
        reason = vpa::Dispatch::Start;
    }
    Ok(reason)
}
