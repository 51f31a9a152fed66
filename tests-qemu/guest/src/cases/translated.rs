//! Translated mode: what H_ENTER, H_PROTECT and H_REMOVE do is what the processor sees.
#![expect(unsafe_code, reason = "problem state")]

use crate::cpu::{self, MSR_EE, MSR_IR_DR, MSR_PR};
use crate::hcall::{PAGES, Page, from_problem_state, hcall};
use crate::mmu::{self, Base, EA_4K, EA_64K, EA_NO_SEGMENT};
use crate::suite::{Fail, Outcome, cases, holds, ok, same};
use crate::trap::{Trap, expecting};
use crate::tree::Platform;
use papr_abi::hpte::{r, v};
use papr_abi::{HError, token};

cases!("translated":
    a_mapped_page_is_reached,
    a_64k_page_is_reached,
    a_page_never_mapped_faults_at_0x300,
    an_address_without_segment_faults_at_0x380,
    a_protected_page_refuses_stores,
    a_removed_page_faults,
    a_bulk_removed_page_faults,
    a_page_without_execution_faults_at_0x400,
    access_sets_r_and_change_sets_c,
    interrupts_follow_ail;
    beyond_qemu: an_hcall_from_problem_state_is_refused, clear_ref_and_mod_are_seen_by_the_processor,
);

const PP_RW: u64 = 2;
const PP_RO: u64 = 3;
const DSISR_NO_PAGE: u64 = 0x4000_0000;
const DSISR_PROTECTION: u64 = 0x0800_0000;
const DSISR_STORE: u64 = 0x0200_0000;

#[repr(C, align(65536))]
struct Large([Page; 16]);
static LARGE: Large = Large([const { Page::new() }; 16]);

fn low(real: u64) -> u64 {
    real | r::M | PP_RW
}
fn faults(
    what: &'static str,
    (count, trap): (u64, Trap),
    vector: u64,
    ea: u64,
    dsisr: u64,
) -> Outcome {
    same(what, count, 1)?;
    same("vector", trap.vector, vector)?;
    same("DAR", trap.dar, ea)?;
    same(
        "DSISR",
        trap.dsisr & (DSISR_NO_PAGE | DSISR_PROTECTION | DSISR_STORE),
        dsisr,
    )
}
fn reaches(what: &'static str, ea: u64, want: u64) -> Outcome {
    let mut got = 0;
    let (count, _) = expecting(|| got = mmu::load(ea, !want));
    same("interrupts", count, 0)?;
    same(what, got, want)
}

fn a_mapped_page_is_reached(platform: &Platform) -> Outcome {
    PAGES[0].fill(0x5151);
    PAGES[1].fill(0x5252);
    let index = mmu::map(platform, EA_4K, Base::K4, low(PAGES[0].real()))?;
    let outcome = mmu::translated(platform, || {
        reaches("the first doubleword", EA_4K, 0x5151)?;
        reaches("the last doubleword", EA_4K + 0xff8, 0x5151)?;
        let (count, _) = expecting(|| mmu::store(EA_4K + 8, 0x1234_5678_9abc_def0));
        same("interrupts of a store", count, 0)
    });
    mmu::unmap(index)?;
    outcome?;
    same("what was stored", PAGES[0].get(1), 0x1234_5678_9abc_def0)?;
    holds("the next page", PAGES[1].is_all(0x5252).then_some(()))
}

fn a_64k_page_is_reached(platform: &Platform) -> Outcome {
    LARGE
        .0
        .iter()
        .enumerate()
        .for_each(|(n, page)| page.fill(0x6400 + n as u64));
    let index = mmu::map(platform, EA_64K, Base::K64, low(LARGE.0[0].real()) | 0x1000)?;
    let outcome = mmu::translated(platform, || {
        (0..16).try_for_each(|n| {
            reaches(
                "a doubleword of the page",
                EA_64K + 0x1000 * n + 0x128,
                0x6400 + n,
            )
        })
    });
    mmu::unmap(index)?;
    outcome
}

fn a_page_never_mapped_faults_at_0x300(platform: &Platform) -> Outcome {
    mmu::translated(platform, || {
        let load = expecting(|| {
            let _ = mmu::load(EA_4K + 0x5008, 0);
        });
        faults(
            "interrupts of a load",
            load,
            0x300,
            EA_4K + 0x5008,
            DSISR_NO_PAGE,
        )?;
        let store = expecting(|| mmu::store(EA_4K + 0x5010, 0));
        faults(
            "interrupts of a store",
            store,
            0x300,
            EA_4K + 0x5010,
            DSISR_NO_PAGE | DSISR_STORE,
        )
    })
}

fn an_address_without_segment_faults_at_0x380(platform: &Platform) -> Outcome {
    mmu::translated(platform, || {
        let (count, trap) = expecting(|| {
            let _ = mmu::load(EA_NO_SEGMENT, 0);
        });
        same("interrupts", count, 1)?;
        same("vector", trap.vector, 0x380)?;
        same("DAR", trap.dar, EA_NO_SEGMENT)
    })
}

fn a_protected_page_refuses_stores(platform: &Platform) -> Outcome {
    PAGES[0].fill(0x7171);
    let index = mmu::map(platform, EA_4K, Base::K4, low(PAGES[0].real()))?;
    let outcome = mmu::translated(platform, || {
        let (count, _) = expecting(|| mmu::store(EA_4K, 0x7272));
        same("interrupts of a store before", count, 0)?;
        ok("H_PROTECT", hcall(token::H_PROTECT, [PP_RO, index, 0]))?;
        reaches("a load", EA_4K, 0x7272)?;
        let store = expecting(|| mmu::store(EA_4K, 0x7373));
        faults(
            "interrupts of a store",
            store,
            0x300,
            EA_4K,
            DSISR_PROTECTION | DSISR_STORE,
        )?;
        ok("H_PROTECT", hcall(token::H_PROTECT, [PP_RW, index, 0]))?;
        let (count, _) = expecting(|| mmu::store(EA_4K + 8, 0x7474));
        same("interrupts of a store after", count, 0)
    });
    mmu::unmap(index)?;
    outcome?;
    same("the protected doubleword", PAGES[0].get(0), 0x7272)?;
    same("the other", PAGES[0].get(1), 0x7474)
}

fn removed_by(platform: &Platform, remove: impl Fn(u64) -> Outcome) -> Outcome {
    PAGES[0].fill(0x8181);
    let index = mmu::map(platform, EA_4K, Base::K4, low(PAGES[0].real()))?;
    let outcome = mmu::translated(platform, || {
        reaches("a load before", EA_4K, 0x8181)?;
        remove(index)?;
        let load = expecting(|| {
            let _ = mmu::load(EA_4K, 0);
        });
        faults("interrupts of a load", load, 0x300, EA_4K, DSISR_NO_PAGE)
    });
    let _ = mmu::unmap(index);
    outcome
}

fn a_removed_page_faults(platform: &Platform) -> Outcome {
    removed_by(platform, mmu::unmap)
}

fn a_bulk_removed_page_faults(platform: &Platform) -> Outcome {
    removed_by(platform, |index| {
        let answer = ok(
            "H_BULK_REMOVE",
            hcall(token::H_BULK_REMOVE, [1 << 62 | index, 0, 3 << 62, 0]),
        )?;
        same("response", answer[0] >> 60, 8)
    })
}

fn a_page_without_execution_faults_at_0x400(platform: &Platform) -> Outcome {
    const BLR: u64 = 0x4e80_0020;
    PAGES[0].fill(BLR << 32 | BLR);
    let code = mmu::map(platform, EA_4K, Base::K4, low(PAGES[0].real()))?;
    let data = mmu::map(
        platform,
        EA_4K + 0x1000,
        Base::K4,
        low(PAGES[0].real()) | r::N,
    )?;
    let outcome = mmu::translated(platform, || {
        let (count, _) = expecting(|| mmu::call(EA_4K));
        same("interrupts where execution is allowed", count, 0)?;
        let (count, trap) = expecting(|| mmu::call(EA_4K + 0x1000));
        same("interrupts where it is not", count, 1)?;
        same("vector", trap.vector, 0x400)?;
        same("SRR0", trap.srr0, EA_4K + 0x1000)?;
        same("no execution in SRR1", trap.srr1 & 0x1000_0000, 0x1000_0000)?;
        let (count, trap) = expecting(|| mmu::call(EA_4K + 0x2000));
        same("interrupts where nothing is", count, 1)?;
        same("vector", trap.vector, 0x400)?;
        same("no page in SRR1", trap.srr1 & 0x4000_0000, 0x4000_0000)
    });
    mmu::unmap(code)?;
    mmu::unmap(data)?;
    outcome
}

fn bits(index: u64) -> Result<u64, Fail> {
    Ok(ok("H_READ", hcall(token::H_READ, [0, index]))?[1] & (r::R | r::C))
}

fn access_sets_r_and_change_sets_c(platform: &Platform) -> Outcome {
    let index = mmu::map(platform, EA_4K, Base::K4, low(PAGES[0].real()))?;
    let fresh = bits(index)?;
    let outcome = mmu::translated(platform, || {
        let _ = expecting(|| {
            let _ = mmu::load(EA_4K, 0);
        });
        same("R and C after a load", bits(index)?, r::R)?;
        let _ = expecting(|| mmu::store(EA_4K, 1));
        same("R and C after a store", bits(index)?, r::R | r::C)
    });
    let old = ok("H_REMOVE", hcall(token::H_REMOVE, [0, index, 0]))?;
    outcome?;
    same("R and C of a new entry", fresh, 0)?;
    same(
        "R and C of the removed entry",
        old[1] & (r::R | r::C),
        r::R | r::C,
    )?;
    same("V of the removed entry", old[0] & v::VALID, v::VALID)
}

fn clear_ref_and_mod_are_seen_by_the_processor(platform: &Platform) -> Outcome {
    let index = mmu::map(platform, EA_4K, Base::K4, low(PAGES[0].real()))?;
    let outcome = mmu::translated(platform, || {
        let _ = expecting(|| mmu::store(EA_4K, 1));
        ok("H_CLEAR_MOD", hcall(token::H_CLEAR_MOD, [0, index]))?;
        same("R and C", bits(index)?, r::R)?;
        let _ = expecting(|| mmu::store(EA_4K, 2));
        same("R and C after a store", bits(index)?, r::R | r::C)
    });
    mmu::unmap(index)?;
    outcome
}

fn interrupts_follow_ail(platform: &Platform) -> Outcome {
    // Not AIL 2: QEMU 10.0 takes it for reserved on POWER8, whose LPCR has RMLS where POWER10's has HAIL.
    for (ail, want) in [(0, 0), (3, MSR_IR_DR), (0, 0)] {
        let set = hcall(token::H_SET_MODE, [ail, 3, 0, 0]);
        let outcome = mmu::translated(platform, || {
            let (count, trap) = expecting(|| {
                let _ = mmu::load(EA_4K, 0);
            });
            same("interrupts", count, 1)?;
            same("vector", trap.vector, 0x300)?;
            same("MSR[IR, DR] in the handler", trap.msr & MSR_IR_DR, want)
        });
        let _ = hcall(token::H_SET_MODE, [0, 3, 0, 0]);
        ok("H_SET_MODE", set)?;
        outcome?;
    }
    Ok(())
}

fn an_hcall_from_problem_state_is_refused(platform: &Platform) -> Outcome {
    for (token, argument) in [
        (token::H_GET_CPU_CHARACTERISTICS, 0),
        (token::H_SET_SPRG0, 0xbad),
        (0xfff0, 0),
    ] {
        let _ = hcall(token::H_SET_SPRG0, [0x600d]);
        let mut status = 0;
        let mut came = (0, Trap::default());
        mmu::translated(platform, || {
            let msr = cpu::msr() | MSR_PR | MSR_EE | MSR_IR_DR;
            // SAFETY: `translated` maps the payload one to one with PP = 10, which opens it to problem state.
            came = expecting(|| status = unsafe { from_problem_state(token, argument, msr) });
            Ok(())
        })?;
        same("the way back", came.1.vector, 0xc00)?;
        same("SPRG0", cpu::sprg0(), 0x600d)?;
        // LoPAR 2.9, "Hypervisor Call Functions"; the one interrupt is the way back.
        same("interrupts", came.0, 1)?;
        let want = HError::Privilege.code().cast_unsigned();
        same("status", status.cast_unsigned(), want)?;
    }
    Ok(())
}
