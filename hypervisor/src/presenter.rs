//! The interrupt presentation units of the threads, and broadcast TLB invalidation: what partitions
//! need of the processor side of the machine.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use lock::Mutex;
use lpar::hpt::tlbie_rb;
use lpar::machine::{Caches, Presenter, Tlb};
use papr_abi::{PteIndex, RealAddr};
use powernv::{Icp, Xirr};
use ppc64::tlb;
use realio::{IO, Io};

/// Processor identifications are below this on POWER7 and POWER8: 6 bits of chip, 4 of core, 3 of thread.
const PIRS: usize = 1 << 13;

/// All presentation units: for every processor identification the real address of its page, or 0.
#[derive(Debug)]
pub(crate) struct Icps([AtomicU64; PIRS]);

/// The machine's presentation units.
pub(crate) static ICP: Icps = Icps([const { AtomicU64::new(0) }; PIRS]);

impl Icps {
    /// Takes over the units at the given (PIR, real address) pairs: every one lets only kicks through.
    pub(crate) fn start(&self, units: impl Iterator<Item = (u32, u64)>) {
        for (pir, base) in units {
            if let Some(page) = self.0.get(pir as usize) {
                page.store(base, Relaxed);
                self.set_mfrr(pir, 0xff);
                self.set_cppr(pir, PARKED_CPPR);
            }
        }
    }

    #[inline]
    fn unit(&self, pir: u32) -> Option<Icp<Io>> {
        match self.0.get(pir as usize)?.load(Relaxed) {
            0 => None,
            base => Some(Icp::new(IO, base)),
        }
    }
}

/// CPPR of a thread that runs no guest: kicks get through, devices do not.
pub(crate) const PARKED_CPPR: u8 = 2;

impl Presenter for Icps {
    #[inline]
    fn poll(&self, pir: u32) -> u32 {
        self.unit(pir).map_or(0, |icp| icp.poll().0)
    }
    #[inline]
    fn accept(&self, pir: u32) -> u32 {
        self.unit(pir).map_or(0, |icp| icp.accept().0)
    }
    #[inline]
    fn eoi(&self, pir: u32, xirr: u32) {
        if let Some(icp) = self.unit(pir) {
            icp.end(Xirr(xirr));
        }
    }
    #[inline]
    fn set_cppr(&self, pir: u32, cppr: u8) {
        if let Some(icp) = self.unit(pir) {
            icp.set_priority(cppr);
        }
    }
    #[inline]
    fn set_mfrr(&self, pir: u32, mfrr: u8) {
        if let Some(icp) = self.unit(pir) {
            icp.set_mfrr(mfrr);
        }
    }
}

/// Broadcast invalidation: one at a time on the whole machine.
#[derive(Debug)]
pub(crate) struct Broadcast(Mutex<()>);

/// The machine's.
pub(crate) static TLB: Broadcast = Broadcast(Mutex::new(()));

impl Tlb for Broadcast {
    fn invalidate(&self, lpid: u32, index: u64, v: u64, r: u64) {
        let rb = tlbie_rb(PteIndex(index), v, r);
        let _turn = self.0.lock();
        tlb::invalidate(rb, lpid);
        tlb::complete();
    }
    fn invalidate_later(&self, lpid: u32, index: u64, v: u64, r: u64) {
        let rb = tlbie_rb(PteIndex(index), v, r);
        let _turn = self.0.lock();
        tlb::invalidate(rb, lpid);
    }
    fn complete(&self) {
        let _turn = self.0.lock();
        tlb::complete();
    }
    fn publish(&self) {
        tlb::publish();
    }
}

/// The processors' caches.
#[derive(Debug)]
pub(crate) struct CacheLines;

/// The machine's.
pub(crate) static CACHES: CacheLines = CacheLines;

impl Caches for CacheLines {
    fn flush(&self, at: RealAddr, bytes: u64) {
        ppc64::cache::flush(at.0, bytes);
    }
    fn fetch_anew(&self, at: RealAddr, bytes: u64) {
        ppc64::cache::fetch_anew(at.0, bytes);
    }
}
