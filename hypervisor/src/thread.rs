//! A physical thread and the virtual processor that is dedicated to it: the loop that enters the
//! guest, and what the thread does when it comes out.
#![expect(unsafe_code, reason = "enters guests")]

use crate::partition::Partition;
use crate::{idle, presenter, stop};
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use lpar::machine::Presenter;
use lpar::{Vcpu, VcpuState, attention, interrupt, vpa};
use ppc64::PerCpu;
use ppc64::context::GuestContext;
use ppc64::percpu::MAX_THREADS;
use ppc64::{guest, msr, power};
use spin::{Mutex, Once};

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
}

impl Leave {
    fn from_code(code: u64) -> Self {
        match code {
            1 => Self::Stop,
            2 => Self::Restart,
            3 => Self::PowerOff,
            5 => Self::Again,
            _ => Self::MachineStops,
        }
    }
}

/// A thread with its work.
pub(crate) struct Thread {
    /// The partition.
    pub(crate) partition: &'static Partition,
    /// Its virtual processor.
    pub(crate) vcpu: &'static Vcpu,
    /// Set by another thread's kick, which used this thread's MFRR.
    pub(crate) kicked: AtomicBool,
    context: Mutex<GuestContext>,
}

static THREADS: [Once<Thread>; MAX_THREADS] = [const { Once::new() }; MAX_THREADS];

/// Returns the calling thread's work: in a handler it always has one.
#[inline]
pub(crate) fn current(cpu: &PerCpu) -> Option<&'static Thread> {
    let address = cpu.owner_data.get();
    // SAFETY: `run` stored the address of an element of THREADS, which lives for ever.
    unsafe { (address as *const Thread).as_ref() }
}

/// Returns the thread with processor identification `pir`, if it has work.
pub(crate) fn by_pir(pir: u32) -> Option<&'static Thread> {
    THREADS
        .iter()
        .filter_map(Once::get)
        .find(|thread| thread.vcpu.pir == pir)
}

/// Gives the thread numbered `index` by the boot code its work.
pub(crate) fn assign(index: usize, partition: &'static Partition, vcpu: &'static Vcpu) {
    if let Some(slot) = THREADS.get(index) {
        slot.call_once(|| Thread {
            partition,
            vcpu,
            kicked: AtomicBool::new(false),
            context: Mutex::new(GuestContext::new(0, 0)),
        });
    }
}

/// Runs the calling thread's work for ever; parks a thread that has none.
pub(crate) fn run(cpu: &PerCpu) -> ! {
    let Some(thread) = THREADS.get(cpu.index as usize).and_then(Once::get) else {
        power::park()
    };
    cpu.owner_data.set(core::ptr::from_ref(thread) as u64);
    cpu.set_handlers(crate::traps::hcall, crate::traps::exception);
    loop {
        wait_for_start(thread);
        match enter(cpu, thread) {
            Leave::Stop | Leave::Again => {}
            Leave::Restart => thread.partition.restart(thread.vcpu.server),
            Leave::PowerOff => thread.partition.power_off(thread.vcpu.server),
            Leave::MachineStops => power::park(),
        }
    }
}

/// Waits until another thread starts this thread's virtual processor.
fn wait_for_start(thread: &Thread) {
    let vcpu = thread.vcpu;
    loop {
        if stop::stopping() {
            power::park();
        }
        if vcpu.state() == VcpuState::Running {
            return;
        }
        vcpu.attention.fetch_and(!attention::LEAVE, SeqCst);
        idle::sleep(thread, idle::Guest::None);
    }
}

/// Runs the virtual processor until it leaves.
fn enter(cpu: &PerCpu, thread: &Thread) -> Leave {
    let vcpu = thread.vcpu;
    let partition = thread.partition;
    let (entry, argument) = vcpu.start_point();
    let mut context = thread.context.lock();
    *context = GuestContext::new(entry, msr::SF | msr::ME);
    if let Some(r3) = context.regs.gpr.get_mut(3) {
        *r3 = argument;
    }
    lpar::xics::reset_server(&partition.lpar.machine, vcpu);
    vpa::dispatched(&partition.lpar, vcpu);
    // SAFETY: the partition's table and memory are its own for good.
    unsafe { guest::select(&partition.registers()) };
    idle::arm_tick();
    log::info!(
        "partition {}: vcpu {} starts at {entry:#x}",
        partition.lpar.name,
        vcpu.server.0
    );
    let why = loop {
        // SAFETY: 1. selected above. 2. the calling thread's own; `run` set the handlers.
        let why = Leave::from_code(unsafe { guest::enter(cpu, &mut context) });
        if why != Leave::Again {
            break why;
        }
        let asked = vcpu.attention.fetch_and(!attention::SYSTEM_RESET, SeqCst);
        if asked & attention::SYSTEM_RESET != 0 {
            let mode = partition.lpar.modes.get();
            let taken = interrupt::take(mode, 0x100, 0, context.regs.pc, context.regs.msr);
            context.sprs.srr0 = taken.srr0;
            context.sprs.srr1 = taken.srr1;
            context.regs.pc = taken.pc;
            context.regs.msr = taken.msr;
        }
    };
    vpa::preempted(&partition.lpar, vcpu);
    // From here nobody translates by this partition's table.
    power::reset_thread();
    presenter::ICP.set_cppr(vcpu.pir, presenter::PARKED_CPPR);
    vcpu.set_state(VcpuState::Stopped);
    why
}
