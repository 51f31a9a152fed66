use super::*;
use crate::testing::bench::{Bench, FOREIGN, LSI, MSI, PIRS, TIMEBASE, call, call_on};
use crate::vcpu::attention;
use core::sync::atomic::Ordering::Relaxed;

const NORMAL: u8 = 5;

/// A bench whose first processor takes every interrupt.
fn open() -> Bench {
    let bench = Bench::new();
    assert_eq!(call(&bench, token::H_CPPR, &[0xff]).0, 0);
    bench
}

fn xirr(bench: &Bench) -> u64 {
    let (code, out, after) = call(bench, token::H_XIRR, &[]);
    assert_eq!((code, after), (0, After::Return));
    out[0]
}

#[test]
fn nothing_pending_is_source_zero_with_the_priority_unchanged() {
    let bench = open();
    assert_eq!(xirr(&bench), 0xff00_0000);
    assert_eq!(xirr(&bench), 0xff00_0000);
    assert_eq!(bench.icp.cppr(PIRS[0]), 0xff);
}

#[test]
fn an_interrupt_is_accepted_ended_at_both_ends_and_the_priority_restored() {
    let bench = open();
    bench.icp.present(PIRS[0], MSI, NORMAL);
    assert_eq!(xirr(&bench), 0xff00_0000 | u64::from(MSI.0));
    assert_eq!(bench.icp.cppr(PIRS[0]), NORMAL);
    assert_eq!(
        call(&bench, token::H_EOI, &[0xff00_0000 | u64::from(MSI.0)]).0,
        0
    );
    assert_eq!(bench.icp.ended(PIRS[0]), [MSI]);
    assert_eq!(bench.sources.ended(), [MSI]);
    assert_eq!(bench.icp.cppr(PIRS[0]), 0xff);
}

#[test]
fn the_end_of_a_level_sensitive_interrupt_is_the_processor_s_alone() {
    let bench = open();
    bench.icp.present(PIRS[0], LSI, NORMAL);
    assert_eq!(xirr(&bench), 0xff00_0000 | u64::from(LSI.0));
    assert_eq!(
        call(&bench, token::H_EOI, &[0xff00_0000 | u64::from(LSI.0)]).0,
        0
    );
    assert_eq!(bench.icp.ended(PIRS[0]), [LSI]);
    assert_eq!(bench.sources.ended(), []);
}

#[test]
fn a_processor_takes_only_what_is_more_favoured_than_its_priority() {
    let bench = open();
    bench.icp.present(PIRS[0], MSI, NORMAL);
    call(&bench, token::H_CPPR, &[u64::from(NORMAL)]);
    assert_eq!(xirr(&bench), 0x0500_0000);
    // Only the low byte of the argument counts.
    call(&bench, token::H_CPPR, &[0x1234_5606]);
    assert_eq!(xirr(&bench), 0x0600_0000 | u64::from(MSI.0));
}

#[test]
fn xirr_x_tells_the_time_too() {
    let bench = open();
    bench.icp.present(PIRS[0], MSI, NORMAL);
    let (code, out, _) = call(&bench, token::H_XIRR_X, &[0x77]);
    assert_eq!(code, 0);
    assert_eq!(out[..2], [0xff00_0000 | u64::from(MSI.0), TIMEBASE]);
}

#[test]
fn an_ipi_reaches_the_other_processor_and_is_cleared_there() {
    let bench = open();
    call_on(&bench, 1, token::H_CPPR, &[0xff]);
    assert_eq!(call(&bench, token::H_IPI, &[1, 4]).0, 0);
    assert_eq!(bench.icp.mfrr(PIRS[1]), 4);
    assert_eq!(xirr(&bench), 0xff00_0000);
    let (_, out, after) = call_on(&bench, 1, token::H_XIRR, &[]);
    assert_eq!((out[0], after), (0xff00_0002, After::Return));
    assert_eq!(call_on(&bench, 1, token::H_IPI, &[1, 0xff]).0, 0);
    assert_eq!(call_on(&bench, 1, token::H_EOI, &[0xff00_0002]).0, 0);
    assert_eq!(call_on(&bench, 1, token::H_XIRR, &[]).1[0], 0xff00_0000);
    assert_eq!(bench.sources.ended(), []);
    // Only the low byte of the priority counts.
    assert_eq!(call(&bench, token::H_IPI, &[0, 0xab04]).0, 0);
    assert_eq!(bench.icp.mfrr(PIRS[0]), 4);
}

#[test]
fn servers_that_the_partition_lacks_are_refused() {
    let bench = open();
    for server in [2, 3, u64::from(PIRS[0]), 1 << 32, u64::MAX] {
        assert_eq!(call(&bench, token::H_IPI, &[server, 4]).0, -4, "{server}");
        assert_eq!(call(&bench, token::H_IPOLL, &[server]).0, -4, "{server}");
    }
}

#[test]
fn the_end_of_what_is_not_owned_or_with_a_too_favoured_priority_is_refused() {
    let bench = open();
    for irq in [
        0,
        1,
        3,
        u64::from(FOREIGN.0),
        u64::from(MSI.0) - 1,
        0xff_ffff,
    ] {
        let words = [0xff00_0000 | irq];
        assert_eq!(call(&bench, token::H_EOI, &words).0, -4, "{irq:#x}");
    }
    bench.icp.present(PIRS[0], MSI, NORMAL);
    xirr(&bench);
    for cppr in [0, NORMAL - 1] {
        let words = [u64::from(cppr) << 24 | u64::from(MSI.0)];
        assert_eq!(call(&bench, token::H_EOI, &words).0, -4, "{cppr}");
    }
    assert_eq!(bench.icp.ended(PIRS[0]), []);
    assert_eq!(bench.sources.ended(), []);
    // The current priority itself is allowed, and the upper half of the register is not looked at.
    let words = [1 << 40 | u64::from(NORMAL) << 24 | u64::from(MSI.0)];
    assert_eq!(call(&bench, token::H_EOI, &words).0, 0);
}

#[test]
fn a_kick_is_never_shown_and_is_gone_afterwards() {
    let bench = open();
    bench.icp.kick(PIRS[0], 0);
    let (_, out, _) = call(&bench, token::H_IPOLL, &[0]);
    assert_eq!(out[..2], [0xff00_0000, 0xff]);
    assert_eq!(xirr(&bench), 0xff00_0000);
    assert_eq!(bench.icp.mfrr(PIRS[0]), 0xff);
    assert_eq!(bench.icp.ended(PIRS[0]), [Irq::IPI]);
    assert_eq!(bench.icp.cppr(PIRS[0]), 0xff);
}

#[test]
fn behind_a_kick_the_partition_s_own_interrupt_is_found() {
    let bench = open();
    bench.icp.kick(PIRS[0], 0);
    bench.icp.present(PIRS[0], MSI, NORMAL);
    assert_eq!(xirr(&bench), 0xff00_0000 | u64::from(MSI.0));
}

#[test]
fn a_kick_over_the_partition_s_own_ipi_does_not_lose_it() {
    let bench = open();
    call(&bench, token::H_IPI, &[0, 4]);
    bench.icp.kick(PIRS[0], 0);
    assert_eq!(xirr(&bench), 0xff00_0002);
    call(&bench, token::H_IPI, &[0, 0xff]);
    call(&bench, token::H_EOI, &[0xff00_0002]);
    assert_eq!(xirr(&bench), 0xff00_0000);
}

#[test]
fn an_ipi_that_comes_while_a_kick_is_taken_out_is_not_lost() {
    let bench = open();
    bench.icp.kick(PIRS[0], 0);
    // The other processor's H_IPI falls between the look at the shadow and the reset of the kick:
    // both shadow and controller have 4 before the controller gets what was seen in the shadow.
    let lpar = bench.lpar;
    bench.icp.before_set_mfrr(move |icp| {
        lpar.vcpus[0].mfrr.store(4, SeqCst);
        icp.kick(PIRS[0], 4);
    });
    assert_eq!(xirr(&bench), 0xff00_0002);
    assert_eq!(bench.icp.mfrr(PIRS[0]), 4);
}

#[test]
fn what_was_left_for_a_kicked_processor_is_looked_at() {
    let bench = open();
    bench.lpar.vcpus[0].request(attention::MODE);
    bench.icp.kick(PIRS[0], 0);
    let (code, out, after) = call(&bench, token::H_XIRR, &[]);
    assert_eq!((code, out[0], after), (0, 0xff00_0000, After::Attend));
}

#[test]
fn foreign_interrupts_are_handed_over_ended_and_never_shown() {
    let bench = open();
    bench.icp.present(PIRS[0], FOREIGN, 0);
    bench.icp.present(PIRS[0], MSI, NORMAL);
    let (_, out, _) = call(&bench, token::H_IPOLL, &[0]);
    assert_eq!(out[0], 0xff00_0000);
    assert_eq!(xirr(&bench), 0xff00_0000 | u64::from(MSI.0));
    assert_eq!(bench.foreign.handled(), [(FOREIGN, PIRS[0])]);
    assert_eq!(bench.icp.ended(PIRS[0]), [FOREIGN]);
    assert_eq!(bench.sources.ended(), []);
}

#[test]
fn a_storm_of_foreign_interrupts_ends_the_call_and_loses_nothing() {
    let bench = open();
    for priority in 0..32 {
        bench.icp.present(PIRS[0], FOREIGN, priority);
    }
    assert_eq!(xirr(&bench), 0xff00_0000);
    let first = bench.foreign.handled().len();
    assert!((8..16).contains(&first));
    assert_eq!(bench.icp.cppr(PIRS[0]), 0xff);
    bench.icp.present(PIRS[0], MSI, 99);
    let mut rounds = 0;
    while xirr(&bench) == 0xff00_0000 {
        rounds += 1;
        assert!(rounds < 10);
    }
    assert_eq!(first + bench.foreign.handled().len(), 32);
}

#[test]
fn polling_shows_the_pending_interrupt_and_changes_nothing() {
    let bench = open();
    bench.icp.present(PIRS[0], MSI, NORMAL);
    call(&bench, token::H_IPI, &[0, 6]);
    for _ in 0..2 {
        let (code, out, _) = call_on(&bench, 1, token::H_IPOLL, &[0]);
        assert_eq!(code, 0);
        assert_eq!(out[..2], [0xff00_0000 | u64::from(MSI.0), 6]);
    }
    call(&bench, token::H_IPI, &[0, 4]);
    let (_, out, _) = call_on(&bench, 1, token::H_IPOLL, &[0]);
    assert_eq!(out[..2], [0xff00_0002, 4]);
}

#[test]
fn a_reset_partition_has_every_source_masked_and_takes_nothing() {
    let bench = open();
    bench.icp.present(PIRS[0], LSI, NORMAL);
    xirr(&bench);
    call(&bench, token::H_IPI, &[1, 4]);
    bench.lpar.reset();
    let sources = bench.lpar.xics.sources();
    let of_bridges = sources.filter(|(_, trigger)| *trigger != Trigger::Virtual);
    let owned: Vec<Irq> = of_bridges.map(|(irq, _)| irq).collect();
    assert_eq!(owned.len(), 1 + 16 + 16);
    assert_eq!(bench.sources.was_reset(), owned);
    for pir in PIRS {
        assert_eq!((bench.icp.cppr(pir), bench.icp.mfrr(pir)), (0, 0xff));
    }
    // Else the source that was being served would never be heard again.
    assert_eq!(bench.icp.ended(PIRS[0]), [LSI]);
    assert!(
        bench
            .lpar
            .vcpus
            .iter()
            .all(|vcpu| vcpu.mfrr.load(Relaxed) == 0xff)
    );
}
