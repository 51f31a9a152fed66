use super::*;
use crate::testing::RAM_BYTES;
use crate::testing::bench::{Bench, PIRS, call, call_on};

const AREA: u64 = 0x1_0000;
const OTHER: u64 = 0x1_1000;

/// A bench with room for areas at [`AREA`] (VPA) and [`OTHER`] (log, SLB shadow).
fn bench() -> Bench {
    let bench = Bench::new();
    bench.write(AREA + 4, 2, 640);
    bench.write(OTHER + 4, 4, 4096);
    bench
}

fn register(bench: &Bench, function: u64, processor: u64, address: u64) -> i64 {
    let words = [function << 45, processor, address];
    call(bench, token::H_REGISTER_VPA, &words).0
}

fn with_vpa() -> Bench {
    let bench = bench();
    assert_eq!(register(&bench, 1, 0, AREA), 0);
    bench
}

#[test]
fn a_registered_area_has_an_even_count_and_says_dedicated() {
    let bench = bench();
    bench.write(AREA + vpa::STATUS, 1, 0xff);
    bench.write(AREA + vpa::YIELD_COUNT, 4, 0x1234_5677);
    assert_eq!(register(&bench, 1, 0, AREA), 0);
    assert_eq!(bench.read(AREA + vpa::YIELD_COUNT, 4) % 2, 0);
    assert_eq!(bench.read(AREA + vpa::STATUS, 1), 0xfd);
    assert_eq!(bench.lpar.vcpus[0].vpa.load(Relaxed), AREA);
    assert_eq!(register(&bench, 5, 0, 0), 0);
    // LoPAR: no check is made that there was one.
    assert_eq!(register(&bench, 5, 0, 0), 0);
    assert_eq!(bench.lpar.vcpus[0].vpa.load(Relaxed), Vcpu::NONE);
}

#[test]
fn a_stopped_processor_s_area_shows_it_not_running() {
    let bench = bench();
    assert_eq!(register(&bench, 1, 1, AREA), 0);
    assert_eq!(bench.read(AREA + vpa::YIELD_COUNT, 4) % 2, 1);
    areas::dispatched(bench.lpar, &bench.lpar.vcpus[1]);
    assert_eq!(bench.read(AREA + vpa::YIELD_COUNT, 4) % 2, 0);
}

#[test]
fn only_the_six_functions_exist() {
    let bench = with_vpa();
    for function in [0, 4, 1 << 3 | 1] {
        let expected = if function == 9 { 0 } else { -4 };
        assert_eq!(register(&bench, function, 0, AREA), expected, "{function}");
    }
    for bit in 40..45 {
        let words = [1 << 45 | 1 << bit, 0, AREA];
        assert_eq!(call(&bench, token::H_REGISTER_VPA, &words).0, -4, "{bit}");
    }
    // Bits outside the field are not looked at.
    let words = [1 << 45 | 1 << 63 | 1, 0, AREA];
    assert_eq!(call(&bench, token::H_REGISTER_VPA, &words).0, 0);
}

#[test]
fn processors_that_do_not_exist_are_refused_by_every_function() {
    let bench = with_vpa();
    for function in [1, 2, 3, 5, 6, 7] {
        for processor in [2, 0xbadbad, 1 << 32, u64::MAX] {
            assert_eq!(register(&bench, function, processor, AREA), -4);
        }
    }
}

#[test]
fn another_processor_s_areas_are_changed_only_while_it_is_stopped() {
    let bench = bench();
    assert_eq!(register(&bench, 1, 1, AREA), 0);
    bench.lpar.vcpus[1].set_state(VcpuState::Running);
    for function in [1, 3, 5, 7] {
        assert_eq!(register(&bench, function, 1, AREA), -75, "{function}");
    }
    // The trace log is not among those that LoPAR names.
    assert_eq!(register(&bench, 2, 1, OTHER), 0);
    assert_eq!(register(&bench, 6, 1, OTHER), 0);
    bench.lpar.vcpus[1].set_state(VcpuState::Stopped);
    assert_eq!(register(&bench, 5, 1, 0), 0);
}

#[test]
fn areas_must_be_aligned_large_enough_and_inside_memory() {
    let bench = with_vpa();
    for function in 1..=3 {
        for address in [
            OTHER + 8,
            OTHER + 64,
            RAM_BYTES,
            1 << 40,
            u64::MAX - 127,
            u64::MAX,
        ] {
            assert_eq!(register(&bench, function, 0, address), -4, "{address:#x}");
        }
    }
    bench.write(AREA + 4, 2, 639);
    assert_eq!(register(&bench, 1, 0, AREA), -4);
    bench.write(OTHER + 4, 4, 47);
    assert_eq!(register(&bench, 2, 0, OTHER), -4);
    bench.write(OTHER + 4, 4, 48);
    assert_eq!(register(&bench, 2, 0, OTHER), 0);
    bench.write(OTHER + 4, 4, 7);
    assert_eq!(register(&bench, 3, 0, OTHER), -4);
    bench.write(OTHER + 4, 4, 8);
    assert_eq!(register(&bench, 3, 0, OTHER), 0);
}

#[test]
fn a_page_boundary_ends_a_vpa_and_an_slb_shadow_but_not_a_log() {
    let bench = with_vpa();
    bench.write(AREA + 4096 - 640 + 4, 2, 640);
    assert_eq!(register(&bench, 1, 0, AREA + 4096 - 640), 0);
    bench.write(AREA + 4096 - 640 + 4, 2, 641);
    assert_eq!(register(&bench, 1, 0, AREA + 4096 - 640), -4);
    bench.write(OTHER + 128 + 4, 4, 4096 - 128);
    assert_eq!(register(&bench, 3, 0, OTHER + 128), 0);
    bench.write(OTHER + 128 + 4, 4, 4096);
    assert_eq!(register(&bench, 3, 0, OTHER + 128), -4);
    assert_eq!(register(&bench, 2, 0, OTHER + 128), 0);
    let last = RAM_BYTES - 128;
    bench.write(last + 4, 4, 128);
    assert_eq!(register(&bench, 2, 0, last), 0);
    bench.write(last + 4, 4, 129);
    assert_eq!(register(&bench, 2, 0, last), -4);
}

#[test]
fn a_log_and_an_slb_shadow_need_a_vpa_which_then_stays() {
    let bench = bench();
    assert_eq!(register(&bench, 2, 0, OTHER), -16);
    assert_eq!(register(&bench, 3, 0, OTHER), -16);
    assert_eq!(register(&bench, 1, 0, AREA), 0);
    for (register_it, take_back) in [(2, 6), (3, 7)] {
        assert_eq!(register(&bench, register_it, 0, OTHER), 0);
        assert_eq!(register(&bench, 5, 0, 0), -16);
        assert_eq!(register(&bench, take_back, 0, 0), 0);
        assert_eq!(register(&bench, take_back, 0, 0), 0);
    }
    assert_eq!(register(&bench, 5, 0, 0), 0);
}

#[test]
fn cede_waits_unless_it_was_prodded() {
    let bench = Bench::new();
    let vcpu = &bench.lpar.vcpus[0];
    let (code, _, after) = call(&bench, token::H_CEDE, &[]);
    assert_eq!((code, after), (0, After::Cede));
    assert!(vcpu.ceded.load(SeqCst));
    vcpu.ceded.store(false, SeqCst);

    assert_eq!(call_on(&bench, 1, token::H_PROD, &[0]).0, 0);
    assert_eq!(bench.threads.kicked(), []);
    let (code, _, after) = call(&bench, token::H_CEDE, &[]);
    assert_eq!((code, after), (0, After::EnableInterrupts));
    assert!(!vcpu.ceded.load(SeqCst));
    // The prod is used up.
    assert_eq!(call(&bench, token::H_CEDE, &[]).2, After::Cede);
}

#[test]
fn prod_wakes_a_processor_that_waits() {
    let bench = Bench::new();
    call(&bench, token::H_CEDE, &[]);
    let (code, out, after) = call_on(&bench, 1, token::H_PROD, &[0, 11, 12]);
    assert_eq!((code, after), (0, After::Return));
    assert_eq!(out[..3], [0, 11, 12]);
    assert_eq!(bench.threads.kicked(), [PIRS[0]]);
    assert!(bench.lpar.vcpus[0].prodded.load(SeqCst));
    for processor in [2, u64::MAX, 1 << 32] {
        assert_eq!(call(&bench, token::H_PROD, &[processor]).0, -4);
    }
}

#[test]
fn confer_pauses_only_for_a_processor_that_still_does_not_run() {
    let bench = Bench::new();
    let target = &bench.lpar.vcpus[1];
    let confer = |count: u64| call(&bench, token::H_CONFER, &[1, count]);
    let stopped = u64::from(target.dispatches.load(SeqCst));
    assert_eq!(stopped % 2, 1);
    assert_eq!(confer(stopped).2, After::Yield);
    assert_eq!(bench.lpar.vcpus[0].conferee.load(SeqCst), 1);
    assert_eq!(confer(stopped + 2).2, After::Return);
    // It has itself conferred to all: each would wait for the other.
    target.yielding.store(true, SeqCst);
    assert_eq!(confer(stopped).2, After::Return);
    target.yielding.store(false, SeqCst);
    areas::dispatched(bench.lpar, target);
    let running = u64::from(target.dispatches.load(SeqCst));
    assert_eq!(confer(running).2, After::Return);
    assert_eq!(confer(stopped).2, After::Return);
    let (code, out, _) = confer(running);
    assert_eq!((code, out[1]), (0, running));
}

#[test]
fn confer_to_all_is_a_pause_and_to_oneself_a_wait() {
    let bench = Bench::new();
    for all in [u64::MAX, 0xffff_ffff] {
        let (code, _, after) = call(&bench, token::H_CONFER, &[all, 0]);
        assert_eq!((code, after), (0, After::Yield));
        assert_eq!(bench.lpar.vcpus[0].conferee.load(SeqCst), Vcpu::NONE);
    }
    let (code, _, after) = call(&bench, token::H_CONFER, &[0, 0]);
    assert_eq!((code, after), (0, After::AwaitProd));
    call_on(&bench, 1, token::H_PROD, &[0]);
    let (code, _, after) = call(&bench, token::H_CONFER, &[0, 0]);
    assert_eq!((code, after), (0, After::Return));
    for processor in [2, 1 << 32] {
        assert_eq!(call(&bench, token::H_CONFER, &[processor, 0]).0, -4);
    }
}

#[test]
fn a_system_reset_reaches_exactly_the_running_processors_named() {
    let bench = Bench::new();
    let other = &bench.lpar.vcpus[1];
    let reset = |target: i64| {
        let (code, _, after) = call(&bench, token::H_SIGNAL_SYS_RESET, &[target as u64]);
        let asked = other.attention.swap(0, SeqCst) & attention::SYSTEM_RESET != 0;
        assert_eq!(bench.threads.kicked().len(), usize::from(asked));
        (code, after == After::SystemReset, asked)
    };
    // A stopped processor takes none.
    assert_eq!(reset(-1), (0, true, false));
    assert_eq!(reset(1), (0, false, false));
    other.set_state(VcpuState::Running);
    assert_eq!(reset(-1), (0, true, true));
    assert_eq!(reset(-2), (0, false, true));
    assert_eq!(reset(1), (0, false, true));
    assert_eq!(reset(0), (0, true, false));
    assert_eq!(reset(2), (-4, false, false));
    assert_eq!(reset(-3), (-4, false, false));
}

#[test]
fn shared_processors_are_told_so_and_what_they_have_waited() {
    let share = crate::PoolShare {
        entitlement: 50,
        weight: 0,
    };
    let bench = Bench::with(|config| config.processors = Processors::Shared(share));
    bench.lpar.vcpus[0].waited[2].store(77, SeqCst);
    bench.write(0x2000 + vpa::SIZE, 2, 640);
    assert_eq!(
        call(&bench, token::H_REGISTER_VPA, &[1 << 45, 0, 0x2000]).0,
        0
    );
    assert_eq!(bench.read(0x2000 + vpa::STATUS, 1), vpa::STATUS_SHARED);
    assert_eq!(bench.read(0x2000 + vpa::WAITS, 8), 77);
    assert_eq!(bench.read(0x2000 + vpa::YIELD_COUNT, 4) % 2, 0);
}
