//! What the hypervisor writes into the areas that a partition registered for a processor: dispatch
//! counts and the dispatch trace log.
//!
//! The count is even while the processor runs and odd while it does not ([`dispatched`],
//! [`preempted`]). The hypervisor keeps its own and only ever stores it: what the partition writes
//! there is never read back.
//!
//! Source: LoPAR 2.9, "Per Virtual Processor Area", "Dispatch Trace Log Buffer".

use crate::{GuestRam, Lpar, Vcpu};
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use papr_abi::{GuestRealAddr, vpa};

/// Why a processor ceased to run; the value is the code in the trace log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Preempt {
    /// H_CEDE.
    Cede = 2,
    /// H_CONFER.
    Confer = 3,
    /// Its time slice ended.
    TimeSlice = 4,
}

/// Why a processor runs again; the value is the code in the trace log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Dispatch {
    /// An external interrupt.
    External = 0,
    /// Something of the hypervisor's own.
    Firmware = 1,
    /// H_PROD.
    Prod = 2,
    /// The decrementer.
    Decrementer = 3,
    /// Started, or by a system reset.
    Start = 4,
    /// Another processor conferred its time to it.
    Conferred = 6,
    /// Its turn came.
    TimeSlice = 7,
}

/// A wait that ended, for the trace log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Why it began.
    pub preempt: Preempt,
    /// Why it ended.
    pub dispatch: Dispatch,
    /// How long it was, time base ticks: to become ready, then for its partition's entitlement, then for a
    /// thread (the intervals 1, 2 and 3 of LoPAR).
    pub ticks: [u64; 3],
    /// The thread that it runs on now.
    pub processor: u16,
    /// Where the processor goes on (SRR0 of its hcall).
    pub srr0: u64,
    /// The MSR that it goes on with (SRR1 of its hcall).
    pub srr1: u64,
}

/// Notes that `vcpu` runs from now on. For the thread that runs it.
#[inline]
pub fn dispatched(lpar: &Lpar, vcpu: &Vcpu) {
    set_count(lpar, vcpu, |count| count.wrapping_add(1) & !1);
}

/// Notes that `vcpu` does not run from now on. For the thread that runs it.
#[inline]
pub fn preempted(lpar: &Lpar, vcpu: &Vcpu) {
    set_count(lpar, vcpu, |count| count | 1);
}

fn set_count(lpar: &Lpar, vcpu: &Vcpu, next: impl Fn(u32) -> u32) {
    let count = next(vcpu.dispatches.load(Relaxed));
    // SeqCst: a partition that sees a processor ceded must also see it so in H_CONFER.
    vcpu.dispatches.store(count, SeqCst);
    let _areas = vcpu.areas.lock();
    show_count(&lpar.ram, vcpu);
}

/// Notes that `vcpu` runs on another thread than before from its next [`dispatched`] on.
pub fn dispersed(vcpu: &Vcpu) {
    vcpu.dispersions.fetch_add(1, Relaxed);
}

/// Adds `wait` to what `vcpu` has waited, here and in its area. For the thread that runs it.
pub fn note_wait(lpar: &Lpar, vcpu: &Vcpu, wait: &Wait) {
    for (total, ticks) in vcpu.waited.iter().zip(wait.ticks) {
        total.store(total.load(Relaxed).wrapping_add(ticks), Relaxed);
    }
    let _areas = vcpu.areas.lock();
    show_waits(&lpar.ram, vcpu);
}

/// Stores what `vcpu` has waited in the area, if there is one; the caller has [`Vcpu::areas`].
pub(crate) fn show_waits(ram: &GuestRam, vcpu: &Vcpu) {
    let area = vcpu.vpa.load(Relaxed);
    if area == Vcpu::NONE {
        return;
    }
    // In the area the last interval comes first.
    let at = (area.wrapping_add(vpa::WAITS)..).step_by(8);
    for (at, total) in at.zip(vcpu.waited.iter().rev()) {
        // Checked when it was registered.
        let _ = ram.store(GuestRealAddr(at), 8, total.load(Relaxed));
    }
}

/// Stores the counts in the area, if there is one; the dispersion count is the second. The caller has [`Vcpu::areas`].
pub(crate) fn show_count(ram: &GuestRam, vcpu: &Vcpu) {
    let area = vcpu.vpa.load(Relaxed);
    if area == Vcpu::NONE {
        return;
    }
    let both =
        u64::from(vcpu.dispatches.load(Relaxed)) << 32 | u64::from(vcpu.dispersions.load(Relaxed));
    // Checked when it was registered.
    let _ = ram.store(GuestRealAddr(area.wrapping_add(vpa::YIELD_COUNT)), 8, both);
}

/// Enters `wait` in the trace log of `vcpu`, if it has one and wants such waits in it. For the
/// thread that runs it.
#[inline]
pub fn log_wait(lpar: &Lpar, vcpu: &Vcpu, wait: &Wait) {
    if vcpu.dispatch_log.load(Relaxed) != Vcpu::NONE {
        // The log is the partition's own memory: when it was registered wrongly, it has no log.
        let _ = write_log(lpar, vcpu, wait);
    }
}

#[cold]
fn write_log(lpar: &Lpar, vcpu: &Vcpu, wait: &Wait) -> Result<(), crate::OutsideRam> {
    let _areas = vcpu.areas.lock();
    let log = vcpu.dispatch_log.load(Relaxed);
    if log == Vcpu::NONE {
        return Ok(());
    }
    let ram = &lpar.ram;
    let area = vcpu.vpa.load(Relaxed);
    let at = |base: u64, offset: u64| GuestRealAddr(base.wrapping_add(offset));
    let enabled = ram.load(at(area, vpa::DTL_ENABLE), 1)?;
    let entries = u64::from(vcpu.dispatch_log_entries.load(Relaxed));
    let index = ram.load(at(area, vpa::DTL_INDEX), 8)?;
    let wanted = match wait.preempt {
        Preempt::Cede | Preempt::Confer => vpa::DTL_VOLUNTARY,
        Preempt::TimeSlice => vpa::DTL_PREEMPT,
    };
    if enabled & wanted == 0 || entries == 0 {
        return Ok(());
    }
    let offset = (index % entries).wrapping_mul(vpa::DTL_ENTRY_BYTES);
    let entry = at(log, offset);
    let codes = u64::from(wait.dispatch as u8) << 56 | u64::from(wait.preempt as u8) << 48;
    let [ready, entitled, dispatched] = wait.ticks.map(|ticks| ticks.min(u32::MAX.into()));
    let words = [
        codes | u64::from(wait.processor) << 32 | dispatched,
        entitled << 32 | ready,
        lpar.machine.clock.timebase(),
        0,
        wait.srr0,
        wait.srr1,
    ];
    let cells = ram.words(entry, words.len())?;
    for (cell, word) in cells.iter().zip(words) {
        cell.store(word);
    }
    ram.store(at(area, vpa::DTL_INDEX), 8, index.wrapping_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bench::{Bench, call};
    use papr_abi::token;

    const AREA: u64 = 0x2000;
    const LOG: u64 = 0x4000;

    const WAIT: Wait = Wait {
        preempt: Preempt::Cede,
        dispatch: Dispatch::Decrementer,
        ticks: [5, 0, 0],
        processor: 0x28,
        srr0: 0,
        srr1: 0,
    };

    fn with_area() -> Bench {
        let bench = Bench::new();
        bench.write(AREA + vpa::SIZE, 2, 640);
        let words = [1 << 45, 0, AREA];
        assert_eq!(call(&bench, token::H_REGISTER_VPA, &words).0, 0);
        bench
    }

    #[test]
    fn the_count_is_even_while_running_and_odd_otherwise_and_only_rises() {
        let bench = with_area();
        let vcpu = &bench.lpar.vcpus[0];
        let count = || bench.read(AREA + vpa::YIELD_COUNT, 4);
        assert_eq!(count() % 2, 0);
        let before = count();
        preempted(bench.lpar, vcpu);
        assert_eq!(count(), before + 1);
        preempted(bench.lpar, vcpu);
        assert_eq!(count(), before + 1);
        dispatched(bench.lpar, vcpu);
        assert_eq!(count(), before + 2);
        dispatched(bench.lpar, vcpu);
        assert_eq!(count(), before + 2);
        assert_eq!(bench.read(AREA + vpa::DISPERSION_COUNT, 4), 0);
    }

    #[test]
    fn the_count_wraps_and_ignores_what_the_partition_writes() {
        let bench = with_area();
        let vcpu = &bench.lpar.vcpus[0];
        vcpu.dispatches.store(u32::MAX - 1, Relaxed);
        preempted(bench.lpar, vcpu);
        bench.write(AREA + vpa::YIELD_COUNT, 4, 77);
        dispatched(bench.lpar, vcpu);
        assert_eq!(bench.read(AREA + vpa::YIELD_COUNT, 4), 0);
    }

    #[test]
    fn waits_are_logged_round_the_buffer_when_the_partition_enabled_it() {
        let bench = with_area();
        let vcpu = &bench.lpar.vcpus[0];
        bench.write(LOG + vpa::SIZE, 4, 2 * 48 + 47);
        let words = [2 << 45, 0, LOG];
        assert_eq!(call(&bench, token::H_REGISTER_VPA, &words).0, 0);
        let wait = Wait {
            srr0: 0xaaaa,
            srr1: 0xbbbb,
            ..WAIT
        };
        log_wait(bench.lpar, vcpu, &wait);
        assert_eq!(bench.read(AREA + vpa::DTL_INDEX, 8), 0);
        bench.write(AREA + vpa::DTL_ENABLE, 1, 1);
        for round in 0..3 {
            let wait = Wait {
                ticks: [round, 0, 0],
                ..wait
            };
            log_wait(bench.lpar, vcpu, &wait);
        }
        assert_eq!(bench.read(AREA + vpa::DTL_INDEX, 8), 3);
        assert_eq!(bench.read(LOG, 8), 0x0302_0028_0000_0000);
        assert_eq!(bench.read(LOG + 8, 8), 2);
        assert_eq!(bench.read(LOG + 48 + 8, 8), 1);
        assert_eq!(bench.read(LOG + 48 + 32, 8), 0xaaaa);
        assert_eq!(bench.read(LOG + 48 + 40, 8), 0xbbbb);
        assert_eq!(bench.read(LOG + 96, 8), 0);
    }

    #[test]
    fn waits_for_a_thread_are_logged_apart_and_by_their_own_bit() {
        let bench = with_area();
        let vcpu = &bench.lpar.vcpus[0];
        bench.write(LOG + vpa::SIZE, 4, 2 * 48);
        assert_eq!(call(&bench, token::H_REGISTER_VPA, &[2 << 45, 0, LOG]).0, 0);
        let wait = Wait {
            preempt: Preempt::TimeSlice,
            dispatch: Dispatch::TimeSlice,
            ticks: [1, 2, 1 << 40],
            processor: 0xabcd,
            srr0: 0,
            srr1: 0,
        };
        bench.write(AREA + vpa::DTL_ENABLE, 1, 1);
        log_wait(bench.lpar, vcpu, &wait);
        assert_eq!(bench.read(AREA + vpa::DTL_INDEX, 8), 0);
        bench.write(AREA + vpa::DTL_ENABLE, 1, 2);
        log_wait(bench.lpar, vcpu, &wait);
        assert_eq!(bench.read(AREA + vpa::DTL_INDEX, 8), 1);
        assert_eq!(bench.read(LOG, 8), 0x0704_abcd_ffff_ffff);
        assert_eq!(bench.read(LOG + 8, 8), 2 << 32 | 1);
    }

    #[test]
    fn waits_add_up_in_the_area_whatever_the_partition_writes_there() {
        let bench = with_area();
        let vcpu = &bench.lpar.vcpus[0];
        let wait = Wait {
            preempt: Preempt::Cede,
            dispatch: Dispatch::External,
            ticks: [100, 20, 3],
            processor: 0,
            srr0: 0,
            srr1: 0,
        };
        note_wait(bench.lpar, vcpu, &wait);
        bench.write(AREA + vpa::WAITS, 8, 0x7777);
        note_wait(bench.lpar, vcpu, &wait);
        let read = [0, 8, 16].map(|offset| bench.read(AREA + vpa::WAITS + offset, 8));
        assert_eq!(read, [6, 40, 200]);
        dispersed(vcpu);
        dispatched(bench.lpar, vcpu);
        assert_eq!(bench.read(AREA + vpa::DISPERSION_COUNT, 4), 1);
        vcpu.reset();
        assert_eq!(
            vcpu.waited.each_ref().map(|total| total.load(Relaxed)),
            [0; 3]
        );
    }

    #[test]
    fn a_log_is_written_neither_past_its_end_nor_once_it_was_taken_back() {
        use core::sync::atomic::AtomicBool;
        const SHORT: u64 = 0x8000;
        const CLEAN: u64 = 0x7070_7070_7070_7070;
        let bench = with_area();
        let (lpar, vcpu) = (bench.lpar, &bench.lpar.vcpus[0]);
        bench.write(AREA + vpa::DTL_ENABLE, 1, 1);
        let words = |from: u64| (from..from + 0x1000).step_by(8);
        let register = |function: u64, at: u64| {
            let args = [function << 45, 0, at];
            assert_eq!(call(&bench, token::H_REGISTER_VPA, &args).0, 0);
        };
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Relaxed) {
                    log_wait(lpar, vcpu, &WAIT);
                }
            });
            words(SHORT).for_each(|at| bench.write(at, 8, CLEAN));
            for _ in 0..10_000 {
                bench.write(LOG + vpa::SIZE, 4, 80 * 48);
                register(vpa::function::REGISTER_DTL, LOG);
                bench.write(SHORT + vpa::SIZE, 4, 48);
                register(vpa::function::REGISTER_DTL, SHORT);
                register(vpa::function::DEREGISTER_DTL, 0);
                // Its only entry may have been written; afterwards nothing is.
                words(SHORT)
                    .take(6)
                    .for_each(|at| bench.write(at, 8, CLEAN));
                let changed = words(SHORT)
                    .filter(|at| bench.read(*at, 8) != CLEAN)
                    .count();
                if changed > 0 {
                    is_done.store(true, Relaxed);
                }
                assert_eq!(changed, 0);
            }
            is_done.store(true, Relaxed);
        });
    }
}
