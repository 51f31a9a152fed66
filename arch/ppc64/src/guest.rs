//! Entering a guest, and leaving it.
#![expect(unsafe_code, reason = "switches to a guest's registers, in assembly")]

use crate::context::{GuestContext, offset as regs};
use crate::percpu::{PerCpu, offset as cpu};
use crate::{msr, mtspr, spr::number};

core::arch::global_asm!(
    include_str!("vectors.S"),
    HSPRG0 = const number::HSPRG0,
    HSPRG1 = const number::HSPRG1,
    HSRR0 = const number::HSRR0,
    HSRR1 = const number::HSRR1,
    SCRATCH = const cpu::SCRATCH,
    GUEST_R1 = const cpu::GUEST_R1,
    HANDLER_SP = const cpu::HANDLER_SP,
    ENTER_SP = const cpu::ENTER_SP,
    NAP_SP = const cpu::NAP_SP,
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

/// Points the thread at `partition`: page table, real mode area, facilities.
///
/// # Safety
/// 1. The page table and the real mode area are the partition's own memory and stay so while the
///    thread runs it.
pub unsafe fn select(partition: &Partition) {
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
    crate::tlb::flush_local();
}

/// Changes LPCR of the partition that the thread runs.
///
/// # Safety
/// 1. Only interrupt modes (ILE, AIL) differ from what [`select`] set.
pub unsafe fn set_lpcr(lpcr: u64) {
    // SAFETY: the duty of this function.
    unsafe { mtspr!(LPCR, lpcr) };
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
pub fn nap() -> u64 {
    // SAFETY: the thread's own area; the assembly saves and restores all that Rust needs kept.
    unsafe { ppc64_nap(PerCpu::current()) }
}
