//! What a thread does while its virtual processor has nothing to do, and the tick that comes now and
//! then when it has.

use crate::stop;
use crate::thread::Thread;
use crate::{console, presenter, trace};
use ::trace::{Dispatched, Preempted};
use core::sync::atomic::Ordering::SeqCst;
use lpar::machine::{Capacity, Presenter, Threads};
use lpar::vpa::{self, Dispatch, Preempt, Wait};
use lpar::xics::show_mfrr;
use papr_abi::Irq;
use ppc64::{guest, power, spr};

/// Ticks of the time base in a millisecond at the 512 MHz of every POWER machine.
const MILLISECOND: i32 = 512_000;
/// How often a running guest is interrupted for the console while output waits, and otherwise.
pub(crate) const TICK_BUSY: i32 = MILLISECOND;
pub(crate) const TICK: i32 = 10 * MILLISECOND;
/// Console bytes moved at one go.
pub(crate) const CONSOLE_BYTES: usize = 256;

/// Makes this thread's tick come.
pub(crate) fn arm_tick() {
    power::set_hypervisor_decrementer(TICK as u32);
}

/// What any thread does now and then that holds no lock.
pub(crate) fn keep_house() {
    crate::freeze::tick();
    crate::errors::tick();
    trace::follow(ppc64::PerCpu::current());
}

/// The tick: moves console bytes, comes again.
pub(crate) fn tick() {
    keep_house();
    let pending = console::service(CONSOLE_BYTES);
    power::set_hypervisor_decrementer(if pending { TICK_BUSY } else { TICK } as u32);
}

/// What ends a wait, besides something to attend to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// An interrupt for the guest, or a prod (H_CEDE).
    InterruptOrProd,
    /// A prod (H_CONFER to itself with interrupts disabled).
    Prod,
}

/// Lets the calling thread's virtual processor, which serves an hcall, wait.
pub(crate) fn wait(thread: &Thread, preempt: Preempt, until: Until) {
    let (lpar, vcpu) = (&thread.partition.lpar, thread.vcpu);
    let start = spr::timebase();
    vpa::preempted(lpar, vcpu);
    trace::preempted(thread, why_preempted(preempt));
    // The hcall set `ceded`: whoever prods from now on kicks this thread.
    let dispatch = loop {
        if vcpu.prodded.swap(false, SeqCst) {
            break Dispatch::Prod;
        }
        if vcpu.attention.load(SeqCst) != 0 || stop::stopping() {
            break Dispatch::Firmware;
        }
        if until == Until::InterruptOrProd {
            let left = power::decrementer();
            if left < 0 {
                // QEMU raises the exception from a timer that a busy host runs late; writing the value
                // back raises it at once, so that the guest takes it before its next instruction.
                power::set_decrementer(left);
                break Dispatch::Decrementer;
            }
            if interrupted(thread) {
                break Dispatch::External;
            }
        }
        sleep(thread, Guest::InHcall);
    };
    vcpu.ceded.store(false, SeqCst);
    // A hypervisor decrementer that runs out while the thread sleeps is discarded (QEMU's
    // `helper_pminsn` cites the architecture for it), and with it all ticks to come.
    arm_tick();
    // The kick has done its work; left standing, it would reach the guest as a spurious interrupt.
    if thread.kicked.swap(false, SeqCst) {
        restore_mfrr(thread);
    }
    vpa::dispatched(lpar, vcpu);
    trace::dispatched(thread, why_dispatched(dispatch));
    let (srr0, srr1) = guest::hcall_return();
    let ticks = spr::timebase().wrapping_sub(start);
    vpa::log_wait(
        lpar,
        vcpu,
        &Wait {
            preempt,
            dispatch,
            ticks: [ticks, 0, 0],
            processor: vcpu.pir as u16,
            srr0,
            srr1,
        },
    );
}

/// A reason to cease, as the trace has it.
pub(crate) const fn why_preempted(why: Preempt) -> Preempted {
    match why {
        Preempt::Cede => Preempted::Cede,
        Preempt::Confer => Preempted::Confer,
        Preempt::TimeSlice => Preempted::Slice,
    }
}

/// A reason to begin, as the trace has it.
pub(crate) const fn why_dispatched(why: Dispatch) -> Dispatched {
    match why {
        Dispatch::External => Dispatched::External,
        Dispatch::Firmware => Dispatched::Firmware,
        Dispatch::Prod => Dispatched::Prod,
        Dispatch::Decrementer => Dispatched::Decrementer,
        Dispatch::Start => Dispatched::Start,
        Dispatch::Conferred => Dispatched::Conferred,
        Dispatch::TimeSlice => Dispatched::Turn,
    }
}

/// Whether the guest would be interrupted; a mere kick is consumed.
fn interrupted(thread: &Thread) -> bool {
    let vcpu = thread.vcpu;
    let source = presenter::ICP.poll(vcpu.pir) & 0x00ff_ffff;
    if source == Irq::IPI.0 && thread.kicked.swap(false, SeqCst) {
        restore_mfrr(thread);
        return vcpu.wanted_mfrr() != 0xff;
    }
    source != 0
}

/// Puts back the MFRR that the guest has set or a virtual interrupt wants, over a kick's, and takes back the interrupt that the
/// kick may have left pending. For the thread itself.
pub(crate) fn restore_mfrr(thread: &Thread) {
    let vcpu = thread.vcpu;
    // An H_IPI that came in between has stored its value first.
    show_mfrr(&thread.partition.lpar.machine, vcpu);
    // An interrupt that is presented stays so whatever becomes of MFRR. A CPPR as favoured as it rejects
    // it; with the former CPPR back, whatever else is pending is presented again, a guest's own IPI too.
    let pending = presenter::ICP.poll(vcpu.pir);
    if pending & 0x00ff_ffff == Irq::IPI.0 {
        presenter::ICP.set_cppr(vcpu.pir, KICK_PRIORITY);
        presenter::ICP.set_cppr(vcpu.pir, (pending >> 24) as u8);
    }
}

/// Sleeps until something happens: an external interrupt, a kick, the guest's decrementer. Moves
/// console bytes first, and does not sleep long while any wait.
pub(crate) fn sleep(thread: &Thread, guest: Guest) {
    keep_house();
    let output = console::service(CONSOLE_BYTES);
    if thread.kicked.swap(false, SeqCst) {
        restore_mfrr(thread);
        return;
    }
    let limit = if output { TICK_BUSY } else { TICK };
    let start = spr::timebase();
    let left = power::decrementer();
    // A decrementer that has expired would wake the thread at once: it waits for something else.
    power::set_decrementer(if left < 0 { limit } else { left.min(limit) });
    match guest {
        Guest::InHcall => guest::nap_in_hcall(),
        Guest::None => guest::nap(),
    };
    let slept = spr::timebase().wrapping_sub(start);
    let left = i64::from(left).saturating_sub_unsigned(slept);
    power::set_decrementer(i32::try_from(left).unwrap_or(i32::MIN));
}

/// Whether a sleeping thread holds a guest's registers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Guest {
    /// It serves an hcall.
    InHcall,
    /// It runs none.
    None,
}

/// Kicks threads through their MFRR.
#[derive(Debug)]
pub(crate) struct Kicker;

/// The priority of a kick: more favoured than anything a guest masks short of everything.
pub(crate) const KICK_PRIORITY: u8 = 1;

impl Threads for Kicker {
    fn capacity(&self) -> Capacity {
        crate::pool::capacity()
    }
    fn kick(&self, pir: u32) {
        if let Some(thread) = crate::thread::by_pir(pir) {
            thread.kicked.store(true, SeqCst);
            presenter::ICP.set_mfrr(pir, KICK_PRIORITY);
        }
    }
}
