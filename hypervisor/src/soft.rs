//! What partitions with shared processors have in place of the machine's interrupt presentation: software
//! controllers, and sources that are routed to them.

use crate::idle::KICK_PRIORITY;
use crate::partition::handover;
use crate::pool::{self, Pool};
use crate::presenter::ICP;
use crate::sources::{FOREIGN, SOURCES};
use crate::thread::Thread;
use crate::trace;
use lpar::icp::SoftXics;
use lpar::machine::{Capacity, Failed, ForeignIrq, Presenter, Sources, Threads};
use lpar::xics::Trigger;
use papr_abi::xics::{self, LEAST_FAVORED};
use papr_abi::{Irq, Server};

/// The priority of every device's interrupt at a thread of the pool: after a kick. Partitions' own
/// priorities count in software.
const DEVICE_PRIORITY: u8 = KICK_PRIORITY + 4;
/// A thread of the pool takes everything at once.
pub(crate) const OPEN: u8 = LEAST_FAVORED;

/// The presentation of virtual processors that share threads.
#[derive(Debug)]
pub(crate) struct SoftPresenter;
/// Their sources.
#[derive(Debug)]
pub(crate) struct SoftSources;
/// How they are kicked.
#[derive(Debug)]
pub(crate) struct SoftKicker;

fn find(handle: u32) -> Option<(&'static Pool, &'static Thread, &'static SoftXics, Server)> {
    let pool = pool::get()?;
    let record = pool.by_handle(handle)?;
    let soft = &record.partition.lpar.soft_xics;
    Some((pool, record, soft, record.vcpu.server))
}

impl Presenter for SoftPresenter {
    fn poll(&self, pir: u32) -> u32 {
        find(pir).map_or(0, |(_, _, soft, server)| soft.poll(server))
    }
    fn accept(&self, pir: u32) -> u32 {
        let Some((pool, record, soft, server)) = find(pir) else {
            return 0;
        };
        let (xirr, line) = soft.accept(server);
        pool.line_is(record, line);
        xirr
    }
    fn eoi(&self, pir: u32, xirr: u32) {
        let irq = xics::source(xirr);
        if irq != Irq::IPI && irq != xics::NONE {
            end(irq);
        }
        self.set_cppr(pir, xics::cppr(xirr));
    }
    fn set_cppr(&self, pir: u32, cppr: u8) {
        if let Some((pool, record, soft, server)) = find(pir) {
            pool.line_is(record, soft.set_cppr(server, cppr));
        }
    }
    fn set_mfrr(&self, pir: u32, mfrr: u8) {
        if let Some((pool, record, soft, server)) = find(pir) {
            pool.line_is(record, soft.set_mfrr(server, mfrr));
        }
    }
}

/// Ends `irq` at the calling thread's own controller, which tells its source.
fn end(irq: Irq) {
    if let Some(pir) = pool::own_pir() {
        ICP.eoi(pir, xics::xirr(OPEN, irq));
    }
}

/// Gives an interrupt that thread `pir` of the pool has accepted to whom it belongs. Returns who has it
/// presented to it now.
pub(crate) fn arrive(pool: &'static Pool, irq: Irq, pir: u32) -> Option<&'static Thread> {
    // Of partitions that are off too.
    let _looking = handover::look();
    let owner = pool.partitions.iter().find_map(|partition| {
        let place = partition.lpar.xics.place(irq)?;
        Some((partition, place))
    });
    let Some((partition, place)) = owner else {
        FOREIGN.handle(irq, pir);
        ICP.eoi(pir, xics::xirr(OPEN, irq));
        return None;
    };
    let server = partition.lpar.soft_xics.arrive(place)?;
    let receiver = pool.by_handle(partition.lpar.vcpu(server)?.pir)?;
    trace::interrupt(receiver, irq.0);
    Some(receiver)
}

impl Sources for SoftSources {
    fn set_target(&self, irq: Irq, pir: u32, priority: u8) -> Result<(), Failed> {
        let (pool, record, soft, server) = find(pir).ok_or(Failed)?;
        let place = record.partition.lpar.xics.place(irq).ok_or(Failed)?;
        let line = soft.route(place, server, priority);
        if record.partition.lpar.xics.trigger(irq) == Some(Trigger::Virtual) {
            // It comes from no bridge.
            pool.line_is(record, line);
            return Ok(());
        }
        // Masked, it need not disturb anybody; else any thread of the pool will do.
        let at = if priority == LEAST_FAVORED {
            LEAST_FAVORED
        } else {
            DEVICE_PRIORITY
        };
        SOURCES.set_target(irq, pool.pir_for(server), at)?;
        pool.line_is(record, line);
        Ok(())
    }
    fn reset(&self, irq: Irq) {
        SOURCES.reset(irq);
        let _looking = handover::look();
        let partitions = pool::get().map_or(&[][..], |pool| &pool.partitions);
        for partition in partitions {
            if let Some(place) = partition.lpar.xics.place(irq) {
                partition.lpar.soft_xics.reset_source(place);
            }
        }
    }
    fn eoi(&self, irq: Irq) {
        SOURCES.eoi(irq);
    }
    fn exists(&self, irq: Irq) -> bool {
        SOURCES.exists(irq)
    }
}

impl Threads for SoftKicker {
    fn capacity(&self) -> Capacity {
        crate::pool::capacity()
    }
    fn kick(&self, pir: u32) {
        if let Some((pool, record, ..)) = find(pir) {
            pool.poke(record);
        }
    }
}
