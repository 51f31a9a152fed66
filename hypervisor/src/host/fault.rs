//! An error made on purpose while partitions run, for tests: the boot argument `bulkhead.inject=LOCATION` has the bridge
//! inject an error into the DMA of the function there some seconds after the partitions start, and thaws its MMIO, not
//! its DMA, some seconds later.

use crate::devices::{self, bridges};
use alloc::format;
use core::sync::atomic::{AtomicU8, Ordering::SeqCst};
use ioda::{
    Freeze, Inject, InjectAccess, InjectRepeat, InjectTarget, Injection, Ioda, PeNumber, TveIndex,
};
use ppc64::spr::timebase;
use spin::Once;

const ARGUMENT: &str = "bulkhead.inject=";
/// When, in ticks of the 512 MHz time base after the first tick: memory is scrubbed by then, which can take long.
const INJECT_AFTER: u64 = 6 * 512_000_000;
const THAW_AFTER: u64 = 12 * 512_000_000;

struct Fault {
    bridge: usize,
    pe: PeNumber,
    window: TveIndex,
    start: Once<u64>,
}

static FAULT: Once<Fault> = Once::new();
/// What is done next: 0 the error, 1 the thaw, 2 nothing.
static STEP: AtomicU8 = AtomicU8::new(0);

/// Notes what `bootargs` ask for. The devices have their owners.
pub(crate) fn arm(bootargs: &str) {
    let Some(location) = bootargs
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix(ARGUMENT))
    else {
        return;
    };
    for (number, bridge) in bridges().iter().enumerate() {
        for grant in devices::grants(number) {
            let function = bridge.topology.functions.get(grant.index);
            if function.is_some_and(|function| format!("{}", function.path) == location) {
                FAULT.call_once(|| Fault {
                    bridge: number,
                    pe: grant.window.pe,
                    window: grant.window.tve,
                    start: Once::new(),
                });
                return;
            }
        }
    }
    log::warn!("boot arguments: {ARGUMENT}{location}: no partition has a function there");
}

/// Does what is due; called now and then while partitions run, by threads that hold no lock.
pub(crate) fn tick() {
    let Some(fault) = FAULT.get() else { return };
    let start = *fault.start.call_once(timebase);
    let passed = timebase().wrapping_sub(start);
    let due = |after, step: u8| {
        passed >= after
            && STEP
                .compare_exchange(step, step.saturating_add(1), SeqCst, SeqCst)
                .is_ok()
    };
    let Some(bridge) = bridges().get(fault.bridge) else {
        return;
    };
    if due(INJECT_AFTER, 0) {
        let injection = Injection {
            target: InjectTarget::Dma(fault.window),
            access: InjectAccess::Write,
            repeat: InjectRepeat::Once,
        };
        let mut host = bridge.host.lock();
        match host.inject(fault.pe, injection) {
            Ok(()) => log::info!("{}: an error is injected into its DMA", fault.pe),
            Err(error) => log::error!("{}: {error}", fault.pe),
        }
        log::info!(
            "{}: stopped for {:?}",
            fault.pe,
            host.freeze_state(fault.pe)
        );
    }
    if due(THAW_AFTER, 1) {
        let mut host = bridge.host.lock();
        if let Err(error) = host.thaw(fault.pe, Freeze::MMIO) {
            log::error!("{}: {error}", fault.pe);
        }
        log::info!(
            "{}: stopped for {:?}",
            fault.pe,
            host.freeze_state(fault.pe)
        );
    }
}
