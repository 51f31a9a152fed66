//! Functions that are stopped on purpose while partitions run, for tests. Boot arguments name them by their locations:
//!
//! - `bulkhead.freeze=LOCATION[,LOCATION]`: each stops some seconds after its owner took messages for it. Its owner alone
//!   gets it going again.
//! - `bulkhead.inject=LOCATION[,LOCATION]`: each stops some seconds after the partitions start; some seconds later its MMIO
//!   goes on, and then its DMA.
//! - `bulkhead.fence=LOCATION`: its bridge shuts itself off some seconds after its owner took messages for it.
//!
//! A bridge that can is made to stop it by an error in its DMA.

use crate::errors::{self, Owned};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use ioda::Freeze;
use ppc64::spr::timebase;
use spin::Once;

#[derive(Clone, Copy)]
enum Act {
    Stop,
    GoesOn(Freeze),
    ShutOff,
}

/// What is done to a function, and from when on.
struct Script {
    argument: &'static str,
    /// It begins once the function's owner has messages for it.
    awaits_messages: bool,
    /// In seconds: memory is scrubbed by then, which can take long.
    acts: &'static [(u64, Act)],
}

const SCRIPTS: [Script; 3] = [
    Script {
        argument: "bulkhead.freeze=",
        awaits_messages: true,
        acts: &[(15, Act::Stop)],
    },
    Script {
        argument: "bulkhead.inject=",
        awaits_messages: false,
        acts: &[
            (6, Act::Stop),
            (12, Act::GoesOn(Freeze::MMIO)),
            (18, Act::GoesOn(Freeze::DMA)),
        ],
    },
    Script {
        argument: "bulkhead.fence=",
        awaits_messages: true,
        acts: &[(15, Act::ShutOff)],
    },
];

/// Of the time base.
const SECOND: u64 = 512_000_000;

struct Order {
    owned: &'static Owned,
    script: &'static Script,
    since: Once<u64>,
    /// How many acts were done.
    done: AtomicUsize,
}

static ORDERS: Once<Vec<Order>> = Once::new();

/// Notes what `bootargs` ask for. The devices have their owners, and are watched.
pub(crate) fn arm(bootargs: &str) {
    let mut orders = Vec::new();
    for word in bootargs.split_ascii_whitespace() {
        for script in &SCRIPTS {
            let locations = word.strip_prefix(script.argument);
            for location in locations.into_iter().flat_map(|list| list.split(',')) {
                match errors::find(location) {
                    Some(owned) => orders.push(Order {
                        owned,
                        script,
                        since: Once::new(),
                        done: AtomicUsize::new(0),
                    }),
                    None => {
                        let argument = script.argument;
                        log::warn!(
                            "boot arguments: {argument}{location}: no partition has a function there"
                        );
                    }
                }
            }
        }
    }
    ORDERS.call_once(|| orders);
}

/// Does what is due; called now and then while partitions run, by threads that hold no lock.
pub(crate) fn tick() {
    for order in ORDERS.get().map_or(&[][..], Vec::as_slice) {
        order.tick();
    }
}

impl Order {
    fn tick(&self) {
        let done = self.done.load(SeqCst);
        let Some(&(second, act)) = self.script.acts.get(done) else {
            return;
        };
        let has_begun = self.since.is_completed();
        if !has_begun && self.script.awaits_messages && self.owned.function.msis().is_none() {
            return;
        }
        let since = *self.since.call_once(timebase);
        let is_due = timebase().wrapping_sub(since) >= second * SECOND;
        let next = done.saturating_add(1);
        if !is_due
            || self
                .done
                .compare_exchange(done, next, SeqCst, SeqCst)
                .is_err()
        {
            return;
        }
        let owned = self.owned;
        let (result, what) = match act {
            Act::Stop => (owned.fail(), "is stopped"),
            Act::GoesOn(what) => (owned.thaw(what), "is let go"),
            Act::ShutOff => (owned.shut_off(), "its bridge is shut off"),
        };
        match result {
            Ok(()) => log::info!("{owned}: {what}, as the boot arguments ask"),
            Err(error) => log::error!("{owned}: not done, as the boot arguments ask: {error}"),
        }
    }
}
