//! A function that goes from one partition to another, both being off: asked for by the operator, carried out by a thread of
//! the former owner's, so that nobody else waits for the function's reset.
//!
//! What a partition has of devices ([`lpar::devices::Devices`]) is looked at without a lock: by its own processors, which do
//! not run now, and by others, which lock it first ([`look`]).
#![expect(
    unsafe_code,
    reason = "changes what partitions that are off look at without a lock"
)]

use super::Partition;
use crate::errors::Owned;
use crate::{bridge, devices, memory};
use alloc::vec::Vec;
use lock::Mutex;
use lpar::End;
use lpar::devices::Devices;
use lpar::mmio::{Mmio, MmioError};
use monitor::Problem;
use spin::{RwLock, RwLockReadGuard};

/// What the heap must have left: lists of devices are made anew before the old ones go.
const HEAP_LEFT: u64 = 64 * 1024;

/// A function on its way, both partitions being held off.
struct Order {
    owned: &'static Owned,
    from: &'static Partition,
    to: &'static Partition,
    /// The registers that each has afterwards.
    kept: Mmio,
    all: Mmio,
}

static ORDER: Mutex<Option<Order>> = Mutex::new(None);
static LOOKED_AT: RwLock<()> = RwLock::new(());

/// Lets another's devices be looked at: none changes until what is returned is dropped. Nothing else is locked before.
pub(crate) fn look() -> RwLockReadGuard<'static, ()> {
    LOOKED_AT.read()
}

/// Has the function go to `to`: begins it, and returns.
///
/// # Errors
/// [`Problem`]; nothing is begun then.
#[inline(never)]
pub(crate) fn order(owned: &'static Owned, to: &'static Partition) -> Result<(), Problem> {
    let from = owned.owner().ok_or(Problem::NoOwner)?;
    if from.lpar.lpid == to.lpar.lpid {
        return Err(Problem::Same);
    }
    if owned.function.recovery.is_none() {
        return Err(Problem::NoReset);
    }
    let mut order = ORDER.lock();
    if order.is_some() {
        return Err(Problem::Moving);
    }
    from.life.hold().map_err(|_| Problem::NotOff)?;
    if to.life.hold().is_err() {
        from.life.leave_off();
        return Err(Problem::NotOff);
    }
    match room(owned, from, to) {
        Ok((kept, all)) => {
            *order = Some(Order {
                owned,
                from,
                to,
                kept,
                all,
            });
            drop(order);
            from.life.asked(End::HandOver);
            from.kick_first();
            Ok(())
        }
        Err(problem) => {
            to.life.leave_off();
            from.life.leave_off();
            Err(problem)
        }
    }
}

/// The registers that both have afterwards, or why `to` cannot have it.
fn room(owned: &Owned, from: &Partition, to: &Partition) -> Result<(Mmio, Mmio), Problem> {
    if memory::heap_left() < HEAP_LEFT {
        return Err(Problem::NoRoom(
            "lists, the hypervisor having no memory left",
        ));
    }
    let window = from.lpar.dma.find(owned.function.liobn);
    let window = window.ok_or(Problem::NoOwner)?;
    if to.lpar.dma.check(window, &to.lpar.ram).is_err() {
        return Err(Problem::NoRoom("DMA windows"));
    }
    // Nobody else changes what partitions have that are held off, so nothing is locked.
    let kept = registers(from, owned, false);
    let all = registers(to, owned, true);
    kept.and_then(|kept| Ok((kept, all?)))
        .map_err(|_| Problem::NoRoom("registers"))
}

/// The registers of a partition's functions without `owned`, or with it.
#[inline(never)]
fn registers(partition: &Partition, owned: &Owned, with: bool) -> Result<Mmio, MmioError> {
    let mut all = Vec::new();
    for own in partition.accesses.lock().iter() {
        if !core::ptr::eq(*own, owned.access) {
            own.add_registers(&mut all);
        }
    }
    if with {
        owned.access.add_registers(&mut all);
    }
    Mmio::new(all, partition.lpar.ram.bytes())
}

/// Carries out what was ordered of `from`, on a thread of its; none of its processors runs.
#[inline(never)]
pub(super) fn carry_out(from: &Partition) {
    let order = ORDER
        .lock()
        .take_if(|order| order.from.lpar.lpid == from.lpar.lpid);
    if let Some(order) = order {
        order.carry_out();
    }
}

impl Order {
    fn carry_out(self) {
        let (owned, to) = (self.owned, self.to);
        let location = &owned.function.location;
        if owned.access.renew(&mut bridge::wait).is_err() {
            log::error!("{location} does not come back from its reset: it stays where it was");
        } else {
            let given = devices::transfer(owned.access, to.lpar.lpid);
            let lists = self.change_lists(given.is_ok());
            match given {
                Ok(()) if lists.is_some() => {
                    log::info!("{location} is partition {}'s now", to.lpar.name);
                }
                Ok(()) => log::error!("{location} is nobody's from now on"),
                Err(error) => log::error!("{location} is nobody's from now on: {error:?}"),
            }
        }
        to.life.leave_off();
    }

    /// Takes the function out of its former owner's lists, and puts it in the other's if it `goes` there. `None` if they have
    /// not had it, or do not take it.
    fn change_lists(self, goes: bool) -> Option<()> {
        let Self {
            owned, from, to, ..
        } = self;
        let access = owned.access;
        from.accesses
            .lock()
            .retain(|own| !core::ptr::eq(*own, access));
        if goes {
            to.accesses.lock().push(access);
        }
        owned.belongs_to(goes.then_some(to));
        let _nobody_looks = LOOKED_AT.write();
        // SAFETY: no processor of the partition runs, as its life is held, and all others are excluded by the lock above.
        let removed = unsafe {
            let take = |had: &mut Devices| had.remove(&owned.function.location, self.kept);
            from.lpar.devices.change(take)
        }?;
        if !goes {
            return Some(());
        }
        // SAFETY: as above.
        unsafe {
            let give = |has: &mut Devices| has.insert(removed, self.all, &to.lpar.ram);
            to.lpar.devices.change(give).ok()
        }
    }
}
