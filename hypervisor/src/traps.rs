//! The handlers of hcalls and of every other interrupt, called by the vectors.

use crate::idle::{self, Until};
use crate::thread::{self, Leave, Thread};
use crate::{pool, stop, trace};
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use lpar::hcall::After;
use lpar::unanswered::Unanswered;
use lpar::vpa::Preempt;
use lpar::{Refusal, attention, interrupt};
use papr_abi::HError;
use ppc64::PerCpu;
use ppc64::context::Regs;
use ppc64::percpu::Answer;
use ppc64::slb::Slb;
use ppc64::spr::timebase;
use ppc64::{guest, mfspr, msr, power};

/// Serves an hcall. See `ppc64::percpu::HcallFn`.
pub(crate) extern "C" fn hcall(cpu: &PerCpu, token: u64, regs: &mut [u64; 9]) -> Answer {
    let Some(thread) = thread::current(cpu) else {
        return Answer {
            r3: HError::Hardware.code(),
            leave: Leave::Stop as u64,
        };
    };
    let vcpu = thread.vcpu;
    let (r3, after) = lpar::hcall::serve(&thread.partition.lpar, vcpu, token, regs);
    let leave = if matches!(after, After::Return) && vcpu.attention.load(Relaxed) == 0 {
        0
    } else {
        follow_up(thread, after)
    };
    Answer { r3, leave }
}

/// As [`hcall`]; counts it, and notes it in the trace.
pub(crate) extern "C" fn watched_hcall(cpu: &PerCpu, token: u64, regs: &mut [u64; 9]) -> Answer {
    let since = timebase();
    let &mut [before, ..] = regs;
    let answer = hcall(cpu, token, regs);
    if let Some(thread) = thread::current(cpu) {
        let &mut [after, ..] = regs;
        trace::hcall(thread, token, answer.r3, (before, after), since);
    }
    answer
}

/// Does what follows an hcall's answer. Returns what the guest leaves with, or 0.
#[inline(never)]
fn follow_up(thread: &Thread, after: After) -> u64 {
    match after {
        After::Return | After::Attend => {}
        After::EnableInterrupts => enable_interrupts(),
        After::SetSprg0(value) => guest::set_sprg0(value),
        After::Cede => {
            enable_interrupts();
            if let Some(leave) = wait(thread, Preempt::Cede, Until::InterruptOrProd) {
                return leave as u64;
            }
        }
        After::AwaitProd => {
            let enabled = guest::hcall_return().1 & msr::EE != 0;
            let until = if enabled {
                Until::InterruptOrProd
            } else {
                Until::Prod
            };
            if let Some(leave) = wait(thread, Preempt::Confer, until) {
                return leave as u64;
            }
        }
        After::Yield => match &thread.shared {
            // There is nobody to give a dedicated thread to: a short pause is all.
            None => power::relax(),
            Some(shared) => {
                shared.set_preempt(Preempt::Confer);
                return Leave::Yields as u64;
            }
        },
        After::ReloadMode => reload_mode(thread),
        After::SystemReset => thread.vcpu.request(attention::SYSTEM_RESET),
        After::StopSelf => return Leave::Stop as u64,
        After::Restart => return Leave::Restart as u64,
        After::PowerOff => return Leave::PowerOff as u64,
        After::Crashed => return Leave::Crashed as u64,
    }
    // An interrupt for the guest needs SRR0 and SRR1, which the hcall returns by: go the long way.
    if thread.vcpu.attention.load(SeqCst) & attention::SYSTEM_RESET != 0 {
        return Leave::Again as u64;
    }
    attend(thread)
}

/// Has the virtual processor wait: in place, or by leaving with what is returned.
fn wait(thread: &Thread, preempt: Preempt, until: Until) -> Option<Leave> {
    match &thread.shared {
        None => {
            idle::wait(thread, preempt, until);
            None
        }
        Some(shared) => shared.wait_in_hcall(thread, preempt, until),
    }
}

fn enable_interrupts() {
    let (pc, msr) = guest::hcall_return();
    guest::set_return(pc, msr | msr::EE);
}

/// Does what other threads have asked of this one, but for a system reset. Returns what the guest
/// leaves with, or 0.
fn attend(thread: &Thread) -> u64 {
    if stop::stopping() {
        return Leave::MachineStops as u64;
    }
    let asked = &thread.vcpu.attention;
    if asked.fetch_and(!attention::LEAVE, SeqCst) & attention::LEAVE != 0 {
        return Leave::Stop as u64;
    }
    if asked.load(SeqCst) & attention::MODE != 0 {
        reload_mode(thread);
        // H_SET_MODE waits for this. Should the mode have changed once more since, the bit was set again
        // and the next look finds it: so it goes first, and the mode is loaded anew.
        asked.fetch_and(!attention::MODE, SeqCst);
        reload_mode(thread);
    }
    0
}

fn reload_mode(thread: &Thread) {
    guest::set_interrupt_modes(&thread.partition.registers());
}

/// Makes the guest take an interrupt instead of going on where it was interrupted.
fn interrupt_guest(thread: &Thread, vector: u64, cause: u64, regs: &mut Regs) {
    let mode = thread.partition.lpar.modes.get();
    let taken = interrupt::take(mode, vector, cause, regs.pc, regs.msr);
    guest::set_guest_srr(taken.srr0, taken.srr1);
    regs.pc = taken.pc;
    regs.msr = taken.msr;
}

/// Makes of a machine check that a load or store of the guest's met what a PAPR platform does. Returns whether the guest can
/// go on.
fn answer(thread: &Thread, regs: &mut Regs) -> bool {
    let mut slb = Slb::EMPTY;
    slb.save();
    let unanswered = Unanswered {
        pc: regs.pc,
        srr1: regs.msr,
        address: mfspr!(DAR),
        slb: slb.entries(),
    };
    let Some(pc) = unanswered.answer(&thread.partition.lpar, &mut regs.gpr) else {
        return false;
    };
    regs.pc = pc;
    regs.msr &= !interrupt::CAUSE;
    true
}

/// Handles every interrupt that is no hcall. See `ppc64::percpu::ExceptionFn`.
pub(crate) extern "C" fn exception(cpu: &PerCpu, vector: u64, regs: &mut Regs) -> u64 {
    if regs.msr & msr::HV != 0 {
        stop::crash(cpu, "interrupt in the hypervisor", vector, regs);
    }
    let Some(thread) = thread::current(cpu) else {
        stop::crash(cpu, "interrupt of nobody", vector, regs);
    };
    let mut left = None;
    match vector {
        // The tick, or the end of a slice.
        0x980 => match &thread.shared {
            None => idle::tick(),
            Some(_) => left = pool::tick(thread),
        },
        // An interrupt while a shared partition runs: whoever's it is.
        0x500 if thread.shared.is_some() => left = pool::external(thread),
        // A system reset or a machine check that hit the guest is the guest's; it has handlers.
        0x100 => interrupt_guest(thread, 0x100, regs.msr & interrupt::CAUSE, regs),
        0x200 if answer(thread, regs) => {}
        0x200 => {
            let refusal = Refusal::new(HError::Hardware, "machine check: nothing answered");
            thread
                .partition
                .lpar
                .note_refusal(thread.vcpu, "an access to its registers", refusal);
            interrupt_guest(thread, 0x200, regs.msr & interrupt::CAUSE, regs);
        }
        // sc 1 in problem state is answered, not served. Source: LoPAR 2.9, "Hypervisor Call Functions".
        0xc00 => {
            let refusal = Refusal::new(HError::Privilege, "in problem state");
            thread
                .partition
                .lpar
                .note_refusal(thread.vcpu, "an hcall", refusal);
            if let Some(r3) = regs.gpr.get_mut(3) {
                *r3 = HError::Privilege.code() as u64;
            }
        }
        // An instruction that the processor does not know, or a facility that no partition has.
        0xe40 | 0xf80 => interrupt_guest(thread, 0x700, interrupt::ILLEGAL, regs),
        // A doorbell has nothing to say yet.
        0xe80 => {}
        _ => stop::crash(cpu, "interrupt that a guest cannot cause", vector, regs),
    }
    if thread.vcpu.attention.load(Relaxed) == 0 && !stop::stopping() {
        return left.map_or(0, |leave: Leave| leave as u64);
    }
    let asked = thread
        .vcpu
        .attention
        .fetch_and(!attention::SYSTEM_RESET, SeqCst);
    if asked & attention::SYSTEM_RESET != 0 {
        interrupt_guest(thread, 0x100, 0, regs);
    }
    match attend(thread) {
        0 => left.map_or(0, |leave| leave as u64),
        leave => leave,
    }
}
