//! Instructions that a partition has no business with, written into a page and called: each must end
//! in the partition's own interrupt, and nothing else may come of it.

use crate::cpu;
use crate::hcall::PAGES;
use crate::mmu;
use crate::suite::{Outcome, cases, holds, same};
use crate::trap::{Trap, expecting};
use crate::tree::Platform;

cases!("hostile":
    hypervisor_registers_are_not_written,
    hypervisor_instructions_are_refused,
    hypervisor_state_is_not_entered,
    vector_facilities_off_have_their_interrupts,
    transactional_memory_and_doorbells_do_no_harm,
    little_endian_code_runs,
);

const BLR: u32 = 0x4e80_0020;

/// `mtspr N, r3`, N in its two swapped halves.
const fn mtspr(number: u32) -> u32 {
    0x7c60_03a6 | (number & 0x1f) << 16 | (number >> 5) << 11
}
/// `mfspr r3, N`.
const fn mfspr(number: u32) -> u32 {
    0x7c60_02a6 | (number & 0x1f) << 16 | (number >> 5) << 11
}
/// Runs `word`, then returns.
fn execute(word: u32) -> (u64, Trap) {
    PAGES[6].set32(0, word);
    PAGES[6].set32(1, BLR);
    cpu::sync_instructions(PAGES[6].real());
    expecting(|| mmu::call(PAGES[6].real()))
}
fn refused_at_0x700(word: u32) -> Outcome {
    let (count, trap) = execute(word);
    same(
        "interrupts of the instruction word",
        count << 32 | u64::from(word),
        1 << 32 | u64::from(word),
    )?;
    same("vector", trap.vector, 0x700)?;
    holds(
        "illegal or privileged",
        (trap.srr1 & 0xc_0000 != 0).then_some(()),
    )
}

fn hypervisor_registers_are_not_written(_: &Platform) -> Outcome {
    // SDR1, HSPRG0 and 1, HDEC, HRMOR, HSRR0, HSRR1, LPCR, LPIDR, AMOR, TBU40, HFSCR, PCR, HDSISR, HDAR.
    for number in [
        25, 304, 305, 310, 313, 314, 315, 318, 319, 349, 286, 190, 338, 306, 307,
    ] {
        refused_at_0x700(mtspr(number))?;
    }
    for number in [304, 313, 318] {
        refused_at_0x700(mfspr(number))?;
    }
    Ok(())
}

fn hypervisor_instructions_are_refused(_: &Platform) -> Outcome {
    // doze, nap, sleep, rvwinkle; hrfid; tlbie r3, r3; tlbiel all; ldcix, stdcix; msgsnd.
    for word in [
        0x4c00_0324,
        0x4c00_0364,
        0x4c00_03a4,
        0x4c00_03e4,
        0x4c00_0224,
        0x7c60_1a64,
        0x7c60_06ea,
        0x7c60_07ea,
        0x7c00_199c,
    ] {
        refused_at_0x700(word)?;
    }
    Ok(())
}

fn hypervisor_state_is_not_entered(_: &Platform) -> Outcome {
    const HV: u64 = 1 << 60;
    let msr = cpu::msr();
    // mtmsrd and rfid with HV set leave it off.
    mmu::set_msr_by_mtmsrd(msr | HV);
    same("MSR[HV] after mtmsrd", cpu::msr() & HV, 0)?;
    mmu::set_msr_by_rfid(msr | HV);
    same("MSR[HV] after rfid", cpu::msr() & HV, 0)?;
    same("MSR", cpu::msr(), msr)
}

fn vector_facilities_off_have_their_interrupts(_: &Platform) -> Outcome {
    let msr = cpu::msr();
    mmu::set_msr_by_mtmsrd(msr & !0x0280_2000);
    // vor v0, v0, v0; xxlor vs0, vs0, vs0.
    let (vector, scalar) = (execute(0x1000_0484), execute(0xf000_0490));
    mmu::set_msr_by_mtmsrd(msr);
    same("interrupts with VMX off", vector.0, 1)?;
    same("vector with VMX off", vector.1.vector, 0xf20)?;
    same("interrupts with VSX off", scalar.0, 1)?;
    same("vector with VSX off", scalar.1.vector, 0xf40)
}

fn transactional_memory_and_doorbells_do_no_harm(_: &Platform) -> Outcome {
    // tbegin., tend., msgsndp r3, msgclrp r3: done, ignored or refused; the partition goes on.
    for word in [0x7c00_051d, 0x7c00_055d, 0x7c00_195c, 0x7c00_191c] {
        let (count, trap) = execute(word);
        let own = count == 0 || [0x700, 0xf60].contains(&trap.vector);
        holds("it is done, or ends in 0x700 or 0xf60", own.then_some(()))?;
    }
    Ok(())
}

fn little_endian_code_runs(_: &Platform) -> Outcome {
    // rfid into two little-endian instructions that come back by themselves; hcalls in between are
    // the real operating systems' business.
    same(
        "what the little-endian code made",
        mmu::little_endian_sum(20, 22),
        42,
    )
}
