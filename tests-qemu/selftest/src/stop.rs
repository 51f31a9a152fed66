//! The ends: of a case that panics or faults, and of the machine. A load that may fault: [`try_load`].
#![expect(unsafe_code, reason = "goes on after a machine check")]

use crate::print::{self, println};
use crate::suite;
use core::mem::offset_of;
use core::panic::PanicInfo;
use powernv::{ChassisControl, IpmiBt, IsaDevice};
use ppc64::context::Regs;
use ppc64::percpu::Answer;
use ppc64::{PerCpu, msr, spr::timebase};

/// The service processor's port on every machine with one.
const IPMI_BT: IsaDevice = IsaDevice {
    port: 0xe4,
    irq: Some(10),
    clock_hz: None,
};

core::arch::global_asm!(
    "# Loads the word at real address r3 without the cache. out: r3 = the word, r4 = 0; r4 = 1 if that faulted.",
    ".global selftest_try_load",
    "selftest_try_load:",
    "lwzcix %r3, 0, %r3",
    "sync",
    "li %r4, 0",
    "blr",
    ".global selftest_load_failed",
    "selftest_load_failed:",
    "li %r4, 1",
    "blr",
    "# Goes on at r4 with MSR r5 and those registers of r3 (Regs) that a function keeps.",
    ".global selftest_resume",
    "selftest_resume:",
    "mtsrr0 %r4",
    "mtsrr1 %r5",
    "ld %r0, {LR}(%r3)",
    "mtlr %r0",
    "ld %r0, {CR}(%r3)",
    "mtcrf 0x38, %r0",
    ".set i, 14",
    ".rept 18",
    "ld i, {GPR} + i * 8(%r3)",
    ".set i, i + 1",
    ".endr",
    "ld %r1, {GPR} + 8(%r3)",
    "ld %r2, {GPR} + 16(%r3)",
    "rfid",
    LR = const offset_of!(Regs, lr),
    CR = const offset_of!(Regs, cr),
    GPR = const offset_of!(Regs, gpr),
);

/// What a load came to.
#[repr(C)]
struct Loaded {
    value: u64,
    failed: u64,
}

unsafe extern "C" {
    fn selftest_try_load(real: u64) -> Loaded;
    static selftest_load_failed: u8;
    /// # Safety
    /// 1. `regs` are those of an interrupt that hit `selftest_try_load`, and `pc` is in it.
    fn selftest_resume(regs: &Regs, pc: u64, msr: u64) -> !;
}

/// Loads the word at real address `real` of a bridge's window; `None` if it takes a machine check.
pub(crate) fn try_load(real: u64) -> Option<u32> {
    // SAFETY: device registers in real mode; a machine check comes back at `selftest_load_failed`.
    let loaded = unsafe { selftest_try_load(real) };
    (loaded.failed == 0).then_some(loaded.value as u32)
}

/// Goes on after [`try_load`]'s load if that is what the interrupt hit.
fn resume_load(vector: u64, regs: &Regs) {
    let (start, end) = (
        selftest_try_load as *const () as u64,
        &raw const selftest_load_failed as u64,
    );
    if vector != 0x200 || !(start..end).contains(&regs.pc) {
        return;
    }
    // The interrupt has cleared what lets another come; the rest is as it was.
    let msr = regs.msr & !SRR1_CAUSES | msr::ME | msr::RI;
    // SAFETY: the registers are the load's, which has no frame and changed none that a function keeps.
    unsafe { selftest_resume(regs, end, msr) }
}

/// Bits of SRR1 that tell why a machine check came, and are no MSR bits of use here: 33 to 36, 42 to 47.
const SRR1_CAUSES: u64 = 0x783f_0000;

/// Says why, turns the machine off where that can be done, and parks the thread.
pub(crate) fn machine(reason: &str) -> ! {
    println!("bulkhead| STOP {reason}");
    let start = timebase();
    let mut bt = IpmiBt::new(print::lpc(), &IPMI_BT);
    // A second for the service processor to take the request; without one the thread waits for its end.
    let _ = bt.chassis(ChassisControl::PowerDown, || {
        timebase().wrapping_sub(start) > 512_000_000
    });
    ppc64::power::park()
}

/// No case makes hcalls.
pub(crate) extern "C" fn hcall(_cpu: &PerCpu, _token: u64, _regs: &mut [u64; 9]) -> Answer {
    suite::fail_for_good(format_args!("an hcall"), "unexpected-interrupt")
}

/// An interrupt: the state it left is not one to run on in.
pub(crate) extern "C" fn exception(_cpu: &PerCpu, vector: u64, regs: &mut Regs) -> u64 {
    resume_load(vector, regs);
    let why = format_args!(
        "vector {vector:#x} at {:#x}, DAR {:#x}",
        regs.pc,
        ppc64::mfspr!(DAR)
    );
    let reason = if vector == 0x200 {
        "machine-check"
    } else {
        "unexpected-interrupt"
    };
    suite::fail_for_good(why, reason)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    match info.location() {
        Some(at) => suite::fail(format_args!(
            "{} at {}:{}",
            info.message(),
            at.file(),
            at.line()
        )),
        None => suite::fail(format_args!("{}", info.message())),
    }
    println!("panic: {}", info.message());
    machine("panic")
}
