//! Interrupts that stay in the partition, and those that must not disturb it.
#![expect(unsafe_code, reason = "instructions that are meant to fault")]

use super::xics;
use crate::cpu::{self, DEC_FAR, MSR_EE, TICKS_PER_MS};
use crate::suite::{Outcome, cases, holds, ok, same};
use crate::trap::{Trap, expecting};
use crate::tree::Platform;
use core::arch::asm;

cases!("interrupts":
    decrementer_comes_at_0x900_once_open,
    external_comes_at_0x500_once_open,
    external_waits_while_closed,
    illegal_instruction_comes_at_0x700,
    trap_instruction_comes_at_0x700,
    hypervisor_register_is_refused_at_0x700,
    floating_point_off_comes_at_0x800,
    misaligned_reservation_comes_at_0x600,
    system_call_stays_in_the_partition,
    nothing_is_disturbed_in_a_second_of_spinning,
);

fn decrementer_comes_at_0x900_once_open(platform: &Platform) -> Outcome {
    xics::quiet(platform)?;
    let (mut closed, mut vector_closed) = (0, 0);
    let (open, trap) = expecting(|| {
        cpu::set_dec(TICKS_PER_MS);
        cpu::spin(3 * TICKS_PER_MS);
        (closed, vector_closed) = crate::trap::so_far();
        cpu::set_ee(MSR_EE);
        let _ = cpu::until(|| crate::trap::so_far().0 > 0);
        cpu::set_ee(0);
    });
    cpu::set_dec(DEC_FAR);
    same("interrupts while MSR[EE] was off", closed, 0)?;
    same("vector while MSR[EE] was off", vector_closed, 0)?;
    same("interrupts", open, 1)?;
    same("vector", trap.vector, 0x900)?;
    same("MSR[IR, DR] in the handler", trap.msr & cpu::MSR_IR_DR, 0)?;
    same("MSR[EE] of SRR1", trap.srr1 & MSR_EE, MSR_EE)
}

fn external_comes_at_0x500_once_open(platform: &Platform) -> Outcome {
    xics::quiet(platform)?;
    let mut status = 0;
    let (count, trap) = expecting(|| {
        cpu::set_ee(MSR_EE);
        status = xics::ipi(platform, 4).status;
        let _ = cpu::until(|| crate::trap::so_far().0 > 0);
        cpu::set_ee(0);
    });
    let pending = xics::xirr()?;
    ok("H_IPI", xics::ipi(platform, 0xff))?;
    xics::eoi(pending)?;
    same("status", status.cast_unsigned(), 0)?;
    same("interrupts", count, 1)?;
    same("vector", trap.vector, 0x500)?;
    same("XIRR", pending, 0xff00_0002)
}

fn external_waits_while_closed(platform: &Platform) -> Outcome {
    xics::quiet(platform)?;
    let mut accepted = None;
    let (closed, _) = expecting(|| {
        let _ = xics::ipi(platform, 4);
        cpu::spin(3 * TICKS_PER_MS);
        accepted = xics::xirr().ok();
    });
    // Accepted, the line is down: opening MSR[EE] brings nothing.
    let (open, _) = expecting(|| {
        cpu::set_ee(MSR_EE);
        cpu::spin(TICKS_PER_MS);
        cpu::set_ee(0);
    });
    ok("H_IPI", xics::ipi(platform, 0xff))?;
    xics::eoi(0xff00_0002)?;
    same("interrupts while MSR[EE] was off", closed, 0)?;
    same("XIRR", accepted.unwrap_or(0), 0xff00_0002)?;
    same("interrupts after it was accepted", open, 0)
}

macro_rules! faulting {
    ($($instruction:tt)*) => {
        expecting(|| {
            // SAFETY: the instruction changes at most the registers named; the trap handler steps over it.
            unsafe { asm!($($instruction)*) };
        })
    };
}
fn program((count, trap): (u64, Trap), reason: u64) -> Outcome {
    same("interrupts", count, 1)?;
    same("vector", trap.vector, 0x700)?;
    // 0x80000 illegal, 0x40000 privileged, 0x20000 trap, 0x10000 SRR0 is past it.
    same("reason in SRR1", trap.srr1 & 0x001f_0000, reason)?;
    same(
        "MSR in SRR1",
        trap.srr1 & 0xffff_0000_0000_0000,
        cpu::msr() & 0xffff_0000_0000_0000,
    )
}

fn illegal_instruction_comes_at_0x700(_: &Platform) -> Outcome {
    program(faulting!(".long 0", options(nostack)), 0x8_0000)?;
    program(faulting!(".long 0x14000000", options(nostack)), 0x8_0000)
}

fn trap_instruction_comes_at_0x700(_: &Platform) -> Outcome {
    program(faulting!("trap", options(nostack)), 0x2_0000)
}

fn hypervisor_register_is_refused_at_0x700(_: &Platform) -> Outcome {
    // hrfid, and moves to HSPRG0 (304), LPCR (318), LPIDR (319), SDR1 (25): privileged or illegal, never done.
    for (count, trap) in [
        faulting!("hrfid", options(nostack)),
        faulting!("mtspr 304, {}", in(reg) 0u64, options(nostack)),
        faulting!("mtspr 318, {}", in(reg) 0u64, options(nostack)),
        faulting!("mtspr 319, {}", in(reg) 0u64, options(nostack)),
        faulting!("mtspr 25, {}", in(reg) 0u64, options(nostack)),
    ] {
        same("interrupts", count, 1)?;
        same("vector", trap.vector, 0x700)?;
        holds(
            "illegal or privileged",
            (trap.srr1 & 0xc_0000 != 0).then_some(()),
        )?;
    }
    Ok(())
}

fn floating_point_off_comes_at_0x800(_: &Platform) -> Outcome {
    let msr = cpu::msr();
    // SAFETY: MSR[FP] alone is cleared, and put back below.
    unsafe { cpu::set_msr(msr & !0x2000) };
    let (count, trap) = faulting!(".long 0xfc000090", options(nostack));
    // SAFETY: the MSR that the payload runs with.
    unsafe { cpu::set_msr(msr) };
    same("interrupts", count, 1)?;
    same("vector", trap.vector, 0x800)
}

fn misaligned_reservation_comes_at_0x600(_: &Platform) -> Outcome {
    let address = crate::hcall::PAGES[0].real() + 2;
    let (count, trap) = faulting!("lwarx {}, 0, {}", out(reg) _, in(reg) address, options(nostack));
    same("interrupts", count, 1)?;
    same("vector", trap.vector, 0x600)?;
    same("DAR", trap.dar, address)
}

fn system_call_stays_in_the_partition(_: &Platform) -> Outcome {
    let (count, trap) = faulting!("sc 0", options(nostack));
    same("interrupts", count, 1)?;
    same("vector", trap.vector, 0xc00)
}

fn nothing_is_disturbed_in_a_second_of_spinning(_: &Platform) -> Outcome {
    // The hypervisor's own decrementer ends time slices in between; the partition must not notice.
    let mut sums = [0u64; 2];
    let (count, _) = expecting(|| {
        for sum in &mut sums {
            let start = cpu::timebase();
            let (mut a, mut b, mut turns) = (1u64, 1u64, 0u64);
            while turns < 1_000_000 || cpu::timebase() - start < 500 * TICKS_PER_MS {
                if turns < 1_000_000 {
                    (a, b) = (
                        b,
                        a.wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(b.rotate_left(17)),
                    );
                    turns += 1;
                }
            }
            *sum = a ^ b;
        }
    });
    same("interrupts", count, 0)?;
    same("the same sum computed twice", sums[0], sums[1])?;
    same("MSR[EE]", cpu::msr() & MSR_EE, 0)
}
