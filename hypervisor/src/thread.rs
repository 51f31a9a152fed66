//! A virtual processor with what the machine layer keeps for it; and the loop of a thread that is
//! dedicated to one: it enters the guest, and does what is to be done when it comes out. [`crate::pool`] is
//! the loop of a thread that several share.
#![expect(unsafe_code, reason = "enters guests")]

use crate::partition::Partition;
use crate::shared::Shared;
use crate::usage::Usage;
use crate::{idle, presenter, stop, trace};
use ::trace::{Dispatched, Preempted};
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use lock::Mutex;
use lpar::machine::Presenter;
use lpar::{End, Vcpu, VcpuState, attention, interrupt, vpa};
use ppc64::PerCpu;
use ppc64::context::GuestContext;
use ppc64::percpu::MAX_THREADS;
use ppc64::{guest, msr, power};
use spin::Once;

/// How a thread comes out of its guest: what [`guest::enter`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Leave {
    /// The virtual processor stops (stop-self), or must stop (its partition ends or restarts).
    Stop = 1,
    /// The partition asked to start anew.
    Restart = 2,
    /// The partition asked to be off.
    PowerOff = 3,
    /// The machine stops.
    MachineStops = 4,
    /// The guest goes on, with an interrupt that was asked for.
    Again = 5,
    /// The virtual processor waits (H_CEDE, H_CONFER to itself).
    Waits = 6,
    /// Its time slice is over.
    Slice = 7,
    /// It gives its time to others of its partition.
    Yields = 8,
    /// The partition has crashed, and is to stay so.
    Crashed = 9,
}

impl Leave {
    pub(crate) fn from_code(code: u64) -> Self {
        match code {
            1 => Self::Stop,
            2 => Self::Restart,
            3 => Self::PowerOff,
            5 => Self::Again,
            6 => Self::Waits,
            7 => Self::Slice,
            8 => Self::Yields,
            9 => Self::Crashed,
            _ => Self::MachineStops,
        }
    }

    /// Returns how the partition is to end, if it asked for that.
    pub(crate) const fn end(self) -> Option<End> {
        match self {
            Self::Restart => Some(End::Restart),
            Self::PowerOff => Some(End::PowerOff),
            Self::Crashed => Some(End::Stop),
            _ => None,
        }
    }
}

/// A virtual processor: what a thread works for.
pub(crate) struct Thread {
    /// The partition.
    pub(crate) partition: &'static Partition,
    /// Its virtual processor.
    pub(crate) vcpu: &'static Vcpu,
    /// Set by another thread's kick, which used this thread's MFRR.
    pub(crate) kicked: AtomicBool,
    /// What it has besides when it shares threads.
    pub(crate) shared: Option<Shared>,
    /// Its registers. Only the thread that runs it holds this.
    pub(crate) context: Mutex<GuestContext>,
    /// What it has used.
    pub(crate) usage: Usage,
}

impl Thread {
    /// Makes one that has not begun.
    pub(crate) fn new(
        partition: &'static Partition,
        vcpu: &'static Vcpu,
        shared: Option<Shared>,
    ) -> Self {
        Self {
            partition,
            vcpu,
            kicked: AtomicBool::new(false),
            shared,
            context: Mutex::new(GuestContext::new(0, 0)),
            usage: Usage::new(),
        }
    }
}

static THREADS: [Once<Thread>; MAX_THREADS] = [const { Once::new() }; MAX_THREADS];

/// Returns the calling thread's work: in a handler it always has one.
#[inline]
pub(crate) fn current(cpu: &PerCpu) -> Option<&'static Thread> {
    let address = cpu.owner_data.get();
    // SAFETY: `run` stored the address of an element of THREADS, or the pool's loop that of one of its own:
    // they live for ever.
    unsafe { (address as *const Thread).as_ref() }
}

/// Returns the thread with processor identification `pir`, if it has work.
pub(crate) fn by_pir(pir: u32) -> Option<&'static Thread> {
    THREADS
        .iter()
        .filter_map(Once::get)
        .find(|thread| thread.vcpu.pir == pir)
}

/// Returns what runs `vcpu`, if something does.
#[inline(never)]
pub(crate) fn of(vcpu: &Vcpu) -> Option<&'static Thread> {
    let shared = || crate::pool::get()?.by_handle(vcpu.pir);
    by_pir(vcpu.pir).or_else(shared)
}

/// Gives the thread numbered `index` by the boot code its work.
pub(crate) fn assign(index: usize, partition: &'static Partition, vcpu: &'static Vcpu) {
    if let Some(slot) = THREADS.get(index) {
        slot.call_once(|| Thread::new(partition, vcpu, None));
    }
}

/// Runs the calling thread's work for ever: its own virtual processor, or the pool's.
pub(crate) fn run(cpu: &PerCpu) -> ! {
    let Some(thread) = THREADS.get(cpu.index as usize).and_then(Once::get) else {
        crate::pool::run(cpu)
    };
    cpu.owner_data.set(core::ptr::from_ref(thread) as u64);
    cpu.set_handlers(crate::traps::hcall, crate::traps::exception);
    loop {
        wait_for_start(thread);
        if enter(cpu, thread) == Leave::MachineStops {
            power::park();
        }
    }
}

/// Has a virtual processor that is out of its guest take a system reset when it goes on.
pub(crate) fn reset(partition: &Partition, context: &mut GuestContext) {
    let mode = partition.lpar.modes.get();
    let taken = interrupt::take(mode, 0x100, 0, context.regs.pc, context.regs.msr);
    context.sprs.srr0 = taken.srr0;
    context.sprs.srr1 = taken.srr1;
    context.regs.pc = taken.pc;
    context.regs.msr = taken.msr;
}

/// The registers that `vcpu` starts with.
pub(crate) fn first_context(partition: &Partition, vcpu: &Vcpu) -> GuestContext {
    let (entry, argument) = vcpu.start_point();
    let mut context = GuestContext::new(entry, msr::SF | msr::ME);
    if let Some(r3) = context.regs.gpr.get_mut(3) {
        *r3 = argument;
    }
    lpar::xics::reset_server(&partition.lpar.machine, vcpu);
    partition.lpar.tell(
        log::Level::Info,
        format_args!("vcpu {} starts at {entry:#x}", vcpu.server.0),
    );
    context
}

/// Waits until another thread starts this thread's virtual processor.
fn wait_for_start(thread: &Thread) {
    let vcpu = thread.vcpu;
    loop {
        if stop::stopping() {
            power::park();
        }
        if vcpu.state() == VcpuState::Running {
            if thread.partition.life.runs() {
                return;
            }
            // Started while all are to stop.
            vcpu.set_state(VcpuState::Stopped);
        }
        thread.partition.conclude();
        vcpu.attention.fetch_and(!attention::LEAVE, SeqCst);
        idle::sleep(thread, idle::Guest::None);
    }
}

/// Runs the virtual processor until it leaves.
fn enter(cpu: &PerCpu, thread: &Thread) -> Leave {
    let vcpu = thread.vcpu;
    let partition = thread.partition;
    let mut context = thread.context.lock();
    *context = first_context(partition, vcpu);
    vpa::dispatched(&partition.lpar, vcpu);
    trace::dispatched(thread, Dispatched::Start);
    // SAFETY: the partition's table and memory are its own for good.
    unsafe { guest::select(&partition.registers()) };
    idle::arm_tick();
    let why = loop {
        // SAFETY: 1. selected above. 2. the calling thread's own; `run` set the handlers.
        let why = Leave::from_code(unsafe { guest::enter(cpu, &mut context) });
        if why != Leave::Again {
            break why;
        }
        let asked = vcpu.attention.fetch_and(!attention::SYSTEM_RESET, SeqCst);
        if asked & attention::SYSTEM_RESET != 0 {
            reset(partition, &mut context);
        }
    };
    vpa::preempted(&partition.lpar, vcpu);
    trace::preempted(thread, Preempted::Stop);
    // From here nobody translates by this partition's table.
    power::reset_thread();
    presenter::ICP.set_cppr(vcpu.pir, presenter::PARKED_CPPR);
    if let Some(end) = why.end() {
        // Another may have asked before: then it ends as that one wants.
        let _ = partition.end(end, Some(vcpu.server));
    }
    vcpu.set_state(VcpuState::Stopped);
    why
}
