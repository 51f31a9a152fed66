//! What an interrupt of the payload means: expected ones are noted, others end the run.

use crate::console::println;
use crate::cpu::{self, DEC_FAR, MAX_CPUS, MSR_EE, MSR_PR, PerCpu};
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// One interrupt, as the handler found it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trap {
    /// The vector's offset; 0 when there was none.
    pub(crate) vector: u64,
    pub(crate) srr0: u64,
    pub(crate) srr1: u64,
    pub(crate) dar: u64,
    pub(crate) dsisr: u64,
    /// The MSR that the vector began with.
    pub(crate) msr: u64,
}

struct Log {
    armed: AtomicU64,
    count: AtomicU64,
    last: [AtomicU64; 6],
}
static LOGS: [Log; MAX_CPUS] = [const {
    Log {
        armed: AtomicU64::new(0),
        count: AtomicU64::new(0),
        last: [const { AtomicU64::new(0) }; 6],
    }
}; MAX_CPUS];

/// Runs `act` with interrupts expected; gives how many came and what the last one was.
///
/// An interrupt for a fault goes on after the instruction, one of 0x400 or 0x480 at the caller
/// (LR); 0x500 and 0x900 go on with MSR[EE] off and the decrementer far away.
pub(crate) fn expecting(act: impl FnOnce()) -> (u64, Trap) {
    let log = &LOGS[cpu::this_cpu() % MAX_CPUS];
    log.count.store(0, SeqCst);
    log.last[0].store(0, SeqCst);
    // The decrementer runs out every 4 s, and would be taken once MSR[EE] is on.
    cpu::set_dec(DEC_FAR);
    log.armed.store(1, SeqCst);
    act();
    log.armed.store(0, SeqCst);
    let [vector, srr0, srr1, dar, dsisr, msr] = core::array::from_fn(|i| log.last[i].load(SeqCst));
    (
        log.count.load(SeqCst),
        Trap {
            vector,
            srr0,
            srr1,
            dar,
            dsisr,
            msr,
        },
    )
}

/// How many interrupts came since [`expecting`] began, and the vector of the last.
pub(crate) fn so_far() -> (u64, u64) {
    let log = &LOGS[cpu::this_cpu() % MAX_CPUS];
    (log.count.load(SeqCst), log.last[0].load(SeqCst))
}

/// Called by the vectors on a stack of their own.
pub(crate) extern "C" fn trap(area: &mut PerCpu) {
    let log = &LOGS[area.number % MAX_CPUS];
    if log.armed.load(SeqCst) == 0 {
        fatal(area);
    }
    let words = [
        area.vector,
        area.srr0,
        area.srr1,
        area.dar,
        area.dsisr,
        area.msr,
    ];
    for (slot, word) in log.last.iter().zip(words) {
        slot.store(word, SeqCst);
    }
    log.count.fetch_add(1, SeqCst);
    match area.vector {
        0x100 => {}
        0x300 | 0x380 | 0x600 | 0x700 | 0x800 | 0xf20 | 0xf40 | 0xf60 => area.srr0 += 4,
        0x400 | 0x480 => area.srr0 = area.lr,
        0x500 => area.srr1 &= !MSR_EE,
        0x900 => {
            area.srr1 &= !MSR_EE;
            cpu::set_dec(DEC_FAR);
        }
        // `sc 0`: how problem state is left.
        0xc00 => area.srr1 &= !(MSR_PR | MSR_EE),
        _ => fatal(area),
    }
}

fn fatal(area: &PerCpu) -> ! {
    println!(
        "guest-test: cpu {} took an unexpected interrupt 0x{:x}: srr0 0x{:x} srr1 0x{:x} dar 0x{:x} dsisr 0x{:x} lr 0x{:x} msr 0x{:x}",
        area.number, area.vector, area.srr0, area.srr1, area.dar, area.dsisr, area.lr, area.msr
    );
    for (n, row) in area.gpr.chunks(4).enumerate() {
        println!(
            "  r{:<2} {:016x} {:016x} {:016x} {:016x}",
            4 * n,
            row[0],
            row[1],
            row[2],
            row[3]
        );
    }
    crate::power_off()
}
