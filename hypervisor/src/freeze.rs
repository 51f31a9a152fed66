//! Endpoints stopped on purpose while partitions run, for tests: the boot argument `bulkhead.freeze=LOCATION[,LOCATION]`
//! has the endpoint of each function there stop once, as by an error in its DMA, some seconds after its owner took
//! messages for it. Its owner alone gets it going again.

use crate::errors::{self, Owned};
use crate::host;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, Ordering::SeqCst};
use ioda::Freeze;
use lpar::eeh::Endpoint;
use ppc64::spr::timebase;
use spin::Once;

const ARGUMENT: &str = "bulkhead.freeze=";
/// How long the owner may work with its messages, in ticks of the 512 MHz time base.
const AFTER: u64 = 15 * 512_000_000;

struct Order {
    owned: &'static Owned,
    /// When its owner was first seen to have messages.
    since: Once<u64>,
    /// 0 until it is done.
    step: AtomicU8,
}

static ORDERS: Once<Vec<Order>> = Once::new();

/// Notes what `bootargs` ask for. The devices have their owners, and are watched.
pub(crate) fn arm(bootargs: &str) {
    let mut words = bootargs.split_ascii_whitespace();
    let Some(locations) = words.find_map(|word| word.strip_prefix(ARGUMENT)) else {
        return;
    };
    let mut orders = Vec::new();
    for location in locations.split(',') {
        match errors::find(location) {
            Some(owned) => orders.push(Order {
                owned,
                since: Once::new(),
                step: AtomicU8::new(0),
            }),
            None => {
                log::warn!(
                    "boot arguments: {ARGUMENT}{location}: no partition has a function there"
                );
            }
        }
    }
    ORDERS.call_once(|| orders);
}

/// Does what is due; called now and then while partitions run, by threads that hold no lock.
pub(crate) fn tick() {
    for order in ORDERS.get().map_or(&[][..], Vec::as_slice) {
        if order.step.load(SeqCst) != 0
            || order.since.get().is_none() && order.owned.function.msis().is_none()
        {
            continue;
        }
        let since = *order.since.call_once(timebase);
        if timebase().wrapping_sub(since) >= AFTER && order.step.swap(1, SeqCst) == 0 {
            stop(order.owned);
        }
    }
}

fn stop(owned: &Owned) {
    let is_injected = host::make_error(&mut owned.bridge().host.lock(), &owned.window);
    if !is_injected && owned.access.stop(Freeze::all()).is_err() {
        log::error!("{owned}: it cannot be stopped");
        return;
    }
    log::info!("{owned}: is stopped, as the boot arguments ask");
}
