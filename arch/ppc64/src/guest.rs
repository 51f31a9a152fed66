//! Entering a guest, and leaving it.
#![expect(unsafe_code, reason = "switches to a guest's registers, in assembly")]

use crate::context::{FpRegs, GuestContext, offset as regs};
use crate::percpu::{PerCpu, offset as cpu};
use crate::spr::{lpcr, number};
use crate::{msr, mtspr};

core::arch::global_asm!(
    include_str!("vectors.S"),
    HSPRG0 = const number::HSPRG0,
    HSPRG1 = const number::HSPRG1,
    HSRR0 = const number::HSRR0,
    HSRR1 = const number::HSRR1,
    SCRATCH = const cpu::SCRATCH,
    GUEST_R1 = const cpu::GUEST_R1,
    GUEST_R13 = const cpu::GUEST_R13,
    HANDLER_SP = const cpu::HANDLER_SP,
    ENTER_SP = const cpu::ENTER_SP,
    NAP_SP = const cpu::NAP_SP,
    PROBING = const cpu::PROBING,
    EMERGENCY_SP = const cpu::EMERGENCY_SP,
    HCALL = const cpu::HCALL,
    EXCEPTION = const cpu::EXCEPTION,
    CONTEXT = const cpu::CONTEXT,
    CRASH = const cpu::CRASH,
    PC = const regs::PC,
    MSR = const regs::MSR,
    LR = const regs::LR,
    CTR = const regs::CTR,
    CR = const regs::CR,
    XER = const regs::XER,
);

unsafe extern "C" {
    fn ppc64_enter_guest(cpu: *const PerCpu) -> u64;
    fn ppc64_nap(cpu: *const PerCpu) -> u64;
}

/// The settings of a partition that a thread needs to run it.
#[derive(Clone, Copy, Debug)]
pub struct Partition {
    /// Logical partition id.
    pub lpid: u32,
    /// Storage description register: table address and size.
    pub sdr1: u64,
    /// Real mode offset.
    pub rmor: u64,
    /// Logical partition control register.
    pub lpcr: u64,
}

/// Points the thread at `partition`: page table, real mode area, facilities. It has no translation of the
/// partition's cached afterwards.
///
/// # Safety
/// 1. The page table and the real mode area are the partition's own memory and stay so while the
///    thread runs it.
pub unsafe fn select(partition: &Partition) {
    // SAFETY: the duty of this function.
    unsafe { switch(partition) };
    crate::tlb::flush_local();
}

/// As [`select`], but what translations of the partition's the thread has cached stay.
///
/// # Safety
/// 1. As for [`select`].
/// 2. The partition's table and memory are those that the thread last had with this partition's id, or
///    none of its translations is cached.
pub unsafe fn switch(partition: &Partition) {
    /// No partition has it, so nothing can be cached under it.
    const NOBODY: u64 = 0x3ff;
    // Source: Power ISA 2.07, Book III-S 11.3 (context switch of a partition): LPIDR goes over an
    // unused value so that no translation is ever cached with one's id and the other's table.
    // SAFETY: the hypervisor runs untranslated, so none of these registers affects it.
    unsafe {
        mtspr!(LPIDR, NOBODY);
        crate::spr::isync();
        mtspr!(SDR1, partition.sdr1);
        mtspr!(RMOR, partition.rmor);
        mtspr!(LPCR, partition.lpcr);
        crate::spr::isync();
        mtspr!(LPIDR, u64::from(partition.lpid));
        crate::spr::isync();
        mtspr!(HFSCR, crate::spr::hfscr::PARTITION);
        mtspr!(PCR, 0);
        // All of AMR, IAMR and UAMOR is the partition's.
        mtspr!(AMOR, u64::MAX);
    }
}

/// Loads the control register of `partition`, which the thread was pointed at before.
pub fn set_control(partition: &Partition) {
    // SAFETY: the hypervisor runs untranslated and takes no interrupts, so nothing in it affects it.
    unsafe { mtspr!(LPCR, partition.lpcr) };
    crate::spr::isync();
}

/// Who takes an external interrupt while a partition runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum External {
    /// The partition, at its 0x500, once its MSR\[EE\] is on.
    Partition,
    /// The hypervisor, at once.
    Hypervisor,
}

/// Says who takes external interrupts from now on.
pub fn set_external(to: External) {
    let now = crate::mfspr!(LPCR);
    let lpcr = match to {
        External::Partition => now | lpcr::LPES0,
        External::Hypervisor => now & !lpcr::LPES0,
    };
    // SAFETY: concerns interrupts while a partition runs.
    unsafe { mtspr!(LPCR, lpcr) };
    crate::spr::isync();
}

/// Takes over the interrupt modes (ILE, AIL) of `partition`, which the thread runs.
pub fn set_interrupt_modes(partition: &Partition) {
    const MODES: u64 = lpcr::ILE | 3 << lpcr::AIL_SHIFT;
    let now = crate::mfspr!(LPCR);
    // SAFETY: the modes concern interrupts that go to the partition.
    unsafe { mtspr!(LPCR, (now & !MODES) | (partition.lpcr & MODES)) };
    crate::spr::isync();
}

/// Runs the guest in `context` until a handler answers with another value than 0, and returns it.
///
/// # Safety
/// 1. [`select`] pointed the thread at the context's partition.
/// 2. `cpu` is the calling thread's own, with handlers set.
pub unsafe fn enter(cpu: &PerCpu, context: &mut GuestContext) -> u64 {
    context.regs.msr = guest_msr(context.regs.msr);
    // SAFETY: duty 1.
    unsafe { context.load() };
    cpu.set_context(context);
    // SAFETY: duties 1 and 2; the handlers run on this stack below the frame of the call.
    let why = unsafe { ppc64_enter_guest(cpu) };
    context.save();
    why
}

/// Returns `msr` as a guest may have it: never hypervisor state, machine checks always on.
#[must_use]
pub fn guest_msr(msr: u64) -> u64 {
    (msr & !msr::HV) | msr::ME
}

/// Sleeps until an interrupt is pending that LPCR lets wake the thread; returns SRR1, whose bits
/// 42:45 name the cause and 46:47 what was lost. Only external interrupts and the decrementer
/// wake it surely: the hypervisor decrementer does not under QEMU.
///
/// No guest has state in the thread.
pub fn nap() -> u64 {
    // SAFETY: the thread's own area; the assembly saves and restores all that Rust needs kept.
    unsafe { ppc64_nap(PerCpu::current()) }
}

/// As [`nap`], in the middle of an hcall: keeps what the guest has in the thread. SRR0 and SRR1
/// hold the wake-up afterwards; floating point and vectors may be lost.
pub fn nap_in_hcall() -> u64 {
    /// SRR1 46:47 holding 1: nothing was lost.
    const NOTHING_LOST: u64 = 1 << 16;
    const LOST: u64 = 3 << 16;
    let (srr0, srr1) = (crate::mfspr!(SRR0), crate::mfspr!(SRR1));
    let mut fp = FpRegs::ZERO;
    crate::fp::save(&mut fp);
    let woken = nap();
    if woken & LOST != NOTHING_LOST {
        crate::fp::load(&fp);
    }
    set_return(srr0, srr1);
    woken
}

/// Sets where the hcall being served returns to, and with which MSR.
pub fn set_return(pc: u64, msr: u64) {
    // SAFETY: `rfid` at the end of the hcall cannot gain hypervisor state: it ANDs HV.
    unsafe { mtspr!(SRR0, pc) };
    // SAFETY: as above, and HV is cleared.
    unsafe { mtspr!(SRR1, guest_msr(msr)) };
}

/// Returns where the hcall being served returns to, and with which MSR.
#[must_use]
pub fn hcall_return() -> (u64, u64) {
    (crate::mfspr!(SRR0), crate::mfspr!(SRR1))
}

/// Sets the SRR0 and SRR1 that the guest will see.
pub fn set_guest_srr(srr0: u64, srr1: u64) {
    // SAFETY: between an interrupt and the return to the guest these are the guest's registers,
    // except in an hcall, whose handler sets where it returns afterwards.
    unsafe { mtspr!(SRR0, srr0) };
    // SAFETY: as above.
    unsafe { mtspr!(SRR1, srr1) };
}

/// Sets the guest's SPRG0.
pub fn set_sprg0(value: u64) {
    // SAFETY: the hypervisor has no use for the register.
    unsafe { mtspr!(SPRG0, value) };
}
