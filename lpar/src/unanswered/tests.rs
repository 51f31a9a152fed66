use super::*;
use crate::eeh::PeState;
use crate::hpt::Placement;
use crate::mmio::{Mmio, MmioRange};
use crate::testing::bench::Bench;
use crate::testing::{FakeTlb, RAM_BASE};
use proptest::prelude::*;

/// Effective addresses, as Linux has them: where the kernel is, and where it maps registers.
const CODE: u64 = 0xc000_0000_0000_0000;
const REGISTERS: u64 = 0xd000_0800_8000_0000;
const DEVICE: u64 = 0x3_ff80_0080_0000;
const PC: u64 = CODE + 0x4_0120;
const SRR1: u64 = BY_DATA | msr::SF | msr::IR | msr::DR | msr::RI;

/// 1 TiB segments of 64 KiB pages for the code, 256 MiB ones of 4 KiB for the registers.
const SLB: [(u64, u64); 4] = [
    (0, 0),
    (CODE | 1 << 27, v::B_1T | 0x1234 << 24 | 0x500 | 0x110),
    (
        REGISTERS & !0xfff_ffff | 1 << 27 | 2,
        0xabc_def1 << 12 | 0x400,
    ),
    // Of the same addresses, but not valid.
    (REGISTERS & !0xfff_ffff, 0x77 << 12),
];

/// Enters a page as software that follows the ISA does.
fn map(lpar: &Lpar, va: u128, segment: u32, size: PageSize, real: u64, secondary: bool) {
    let id = (va >> segment) as u64;
    let page = ((va & ((1 << segment) - 1)) >> size.shift()) as u64;
    let hash = if segment == 40 {
        id ^ id << 25 ^ page
    } else {
        id ^ page
    };
    let hash = if secondary { !hash } else { hash };
    let mut first = ((va >> 23) as u64) << 7 & !v::B;
    let mut second = real;
    if segment == 40 {
        first |= v::B_1T;
    }
    if size == PageSize::K64 {
        first |= v::LARGE;
        second |= 0x1000;
    }
    if secondary {
        first |= v::SECONDARY;
    }
    let group = hash & (lpar.hpt.len() / 8 - 1);
    let entry = (first, second);
    lpar.hpt
        .enter(
            &FakeTlb::default(),
            PteIndex(group * 8),
            Placement::Group,
            entry,
            || (),
        )
        .unwrap();
}

fn bench() -> Bench {
    let bench = Bench::with(|config| {
        let range = MmioRange {
            start: GuestRealAddr(DEVICE),
            bytes: 0x1_0000,
        };
        config.mmio = Mmio::new(vec![range], 1 << 20).unwrap();
    });
    let code = 0x1234u128 << 40;
    map(bench.lpar, code, 40, PageSize::K64, RAM_BASE, false);
    map(
        bench.lpar,
        code | 0x4_0000,
        40,
        PageSize::K64,
        RAM_BASE + 0x4_0000,
        true,
    );
    let registers = 0xabc_def1u128 << 28;
    for page in 0..4 {
        let (va, real) = (registers | page << 12, DEVICE + (page as u64) * 4096);
        map(bench.lpar, va, 28, PageSize::K4, real, page & 1 == 1);
    }
    // The partition's memory, and memory of nobody.
    map(
        bench.lpar,
        registers | 0x10_0000,
        28,
        PageSize::K4,
        RAM_BASE,
        false,
    );
    bench
}

fn fault(address: u64) -> Unanswered<'static> {
    Unanswered {
        pc: PC,
        srr1: SRR1,
        address,
        slb: &SLB,
    }
}

/// Has the partition's processor execute `instruction`; r4 is the address, r5 zero.
fn run(bench: &Bench, fault: Unanswered<'_>, instruction: u32) -> Option<[u64; 32]> {
    let word = if fault.srr1 & msr::LE == 0 {
        instruction
    } else {
        instruction.swap_bytes()
    };
    bench.write(0x4_0120, 4, word.into());
    let mut gpr = [0x1111_1111_1111_1111; 32];
    gpr[4] = fault.address;
    gpr[5] = 0;
    let before = gpr;
    let next = fault.answer(bench.lpar, &mut gpr);
    match next {
        Some(next) => {
            assert_eq!(next, fault.pc + 4);
            Some(gpr)
        }
        None => {
            assert_eq!(gpr, before);
            None
        }
    }
}

/// lwz r3,0(r4)
const LWZ: u32 = 32 << 26 | 3 << 21 | 4 << 16;
/// 31: r3, r4 plus r5.
const fn indexed(opcode: u32) -> u32 {
    31 << 26 | 3 << 21 | 4 << 16 | 5 << 11 | opcode << 1
}

#[test]
fn a_load_gives_ones_of_its_width_and_the_next_instruction_follows() {
    let bench = bench();
    for (instruction, value) in [
        (LWZ, 0xffff_ffff),
        (34 << 26 | LWZ & 0x3ff_ffff, 0xff),
        (40 << 26 | LWZ & 0x3ff_ffff, 0xffff),
        (42 << 26 | LWZ & 0x3ff_ffff, u64::MAX),
        (58 << 26 | LWZ & 0x3ff_ffff, u64::MAX),
        (58 << 26 | LWZ & 0x3ff_ffff | 2, u64::MAX),
        (indexed(87), 0xff),
        (indexed(279), 0xffff),
        (indexed(790), 0xffff),
        (indexed(23), 0xffff_ffff),
        (indexed(534), 0xffff_ffff),
        (indexed(21), u64::MAX),
        (indexed(532), u64::MAX),
        (indexed(341), u64::MAX),
        (indexed(343), u64::MAX),
    ] {
        for srr1 in [SRR1, SRR1 | msr::LE] {
            let fault = Unanswered {
                srr1,
                ..fault(REGISTERS + 0x1008)
            };
            let gpr = run(&bench, fault, instruction).unwrap();
            assert_eq!(gpr[3], value, "{instruction:#x}");
            assert_eq!(gpr[4], REGISTERS + 0x1008);
        }
    }
}

#[test]
fn a_store_changes_nothing_but_the_register_that_it_updates() {
    let bench = bench();
    let at = REGISTERS + 0x2010;
    for opcode in [36u32, 38, 44] {
        let instruction = opcode << 26 | 3 << 21 | 4 << 16 | 0xfff0;
        // At 16 bytes below r4.
        let mut fault = fault(at);
        bench.write(0x4_0120, 4, instruction.into());
        let mut gpr = [0; 32];
        gpr[4] = at + 16;
        let before = gpr;
        assert_eq!(fault.answer(bench.lpar, &mut gpr), Some(PC + 4));
        assert_eq!(gpr, before);
        // With update.
        bench.write(0x4_0120, 4, (instruction + (1 << 26)).into());
        assert_eq!(fault.answer(bench.lpar, &mut gpr), Some(PC + 4));
        assert_eq!(gpr[4], at);
        fault.address += 1;
        assert_eq!(fault.answer(bench.lpar, &mut gpr), None);
    }
    for opcode in [149, 151, 215, 407, 660, 662, 918] {
        let gpr = run(&bench, fault(at), indexed(opcode)).unwrap();
        assert_eq!(gpr[3], 0x1111_1111_1111_1111);
    }
    for opcode in [181, 183, 247, 439] {
        assert!(run(&bench, fault(at), indexed(opcode)).is_some());
    }
}

#[test]
fn both_hashes_and_both_segment_sizes_are_searched() {
    let bench = bench();
    for page in 0..4 {
        assert!(run(&bench, fault(REGISTERS + page * 4096), LWZ).is_some());
    }
    assert_eq!(run(&bench, fault(REGISTERS + 4 * 4096), LWZ), None);
    assert_eq!(run(&bench, fault(REGISTERS + (1 << 28)), LWZ), None);
}

#[test]
fn only_the_partition_s_own_registers_are_answered_for() {
    let bench = bench();
    assert_eq!(run(&bench, fault(REGISTERS + 0x10_0000), LWZ), None);
    // The instruction meant another address.
    let fault = fault(REGISTERS);
    bench.write(0x4_0120, 4, LWZ.into());
    let mut gpr = [0; 32];
    gpr[4] = REGISTERS + 8;
    assert_eq!(fault.answer(bench.lpar, &mut gpr), None);
    assert_eq!(gpr[3], 0);
}

#[test]
fn what_cannot_be_gone_on_after_is_not_answered() {
    let bench = bench();
    for lacking in [BY_DATA, msr::SF, msr::DR, msr::RI] {
        let fault = Unanswered {
            srr1: SRR1 & !lacking,
            ..fault(REGISTERS)
        };
        assert_eq!(run(&bench, fault, LWZ), None, "{lacking:#x}");
    }
    let nowhere = Unanswered {
        pc: CODE + 0x8_0000,
        ..fault(REGISTERS)
    };
    assert_eq!(nowhere.answer(bench.lpar, &mut [0; 32]), None);
}

#[test]
fn code_in_real_mode_is_found_too() {
    let bench = bench();
    let fault = Unanswered {
        pc: 0xc000_0000_0004_0120 & !(0xf << 60),
        srr1: SRR1 & !msr::IR,
        ..fault(REGISTERS)
    };
    assert!(run(&bench, fault, LWZ).is_some());
}

#[test]
fn other_instructions_and_forms_are_none() {
    let bench = bench();
    for instruction in [
        // lmw, stmw, lfs, lq, lwarx, stwcx., lxvd2x, dcbz, nothing.
        46 << 26 | LWZ & 0x3ff_ffff,
        47 << 26 | LWZ & 0x3ff_ffff,
        48 << 26 | LWZ & 0x3ff_ffff,
        56 << 26 | LWZ & 0x3ff_ffff,
        58 << 26 | LWZ & 0x3ff_ffff | 3,
        62 << 26 | LWZ & 0x3ff_ffff | 2,
        indexed(20),
        indexed(150) | 1,
        indexed(844),
        indexed(1014),
        0,
        u32::MAX,
        // lwzu r4,0(r4) and lwzu r3,0(0)
        33 << 26 | 4 << 21 | 4 << 16,
        33 << 26 | 3 << 21,
    ] {
        assert_eq!(
            run(&bench, fault(REGISTERS), instruction),
            None,
            "{instruction:#x}"
        );
    }
}

proptest! {
    #[test]
    fn no_machine_check_of_a_partition_stops_the_hypervisor(
        instruction: u32, pc: u64, srr1: u64, address: u64, slb: Vec<(u64, u64)>, mut gpr: [u64; 32],
        near: bool,
    ) {
        let bench = bench();
        bench.write(0x4_0120, 4, instruction.into());
        let fault = if near {
            Unanswered { srr1: srr1 | SRR1, ..fault(REGISTERS | address & 0x3fff) }
        } else {
            Unanswered { pc, srr1, address, slb: &slb }
        };
        let _ = fault.answer(bench.lpar, &mut gpr);
    }
}

#[test]
fn a_load_that_is_not_answered_stops_the_endpoint_once_and_a_store_does_not() {
    let bench = bench();
    let at = REGISTERS + 0x1008;
    assert!(run(&bench, fault(at), indexed(151)).is_some());
    assert_eq!(bench.endpoint.did(), [""; 0]);
    assert!(run(&bench, fault(at), LWZ).is_some());
    assert_eq!(bench.endpoint.did(), ["stop"]);
    assert!(run(&bench, fault(at), LWZ).is_some());
    assert_eq!(bench.endpoint.did(), [""; 0]);
    assert_eq!(
        bench.lpar.pci[0].pe_state(bench.lpar.machine.clock),
        Ok(PeState::Stopped)
    );
}

#[test]
fn a_load_in_a_reset_stops_nothing() {
    let bench = bench();
    bench.lpar.pci[0].activate_reset().unwrap();
    bench.endpoint.did();
    assert!(run(&bench, fault(REGISTERS), LWZ).is_some());
    assert_eq!(bench.endpoint.did(), [""; 0]);
}
