//! What of a partition is neither memory nor a table, for comparison before and after.

use super::{Bench, fakes::OWN_IRQS};
use lpar::hcall::mode::InterruptMode;
use lpar::pci::Msis;
use lpar::xics::Xive;
use papr_abi::Irq;
use std::sync::atomic::Ordering::Relaxed;

/// State of processors, interrupts and functions.
#[derive(Debug, PartialEq, Eq)]
pub struct Small {
    modes: InterruptMode,
    vcpus: Vec<[u64; 10]>,
    xives: Vec<Option<Xive>>,
    msis: Vec<Option<Msis>>,
    machine: u64,
}

impl Small {
    /// The state of `bench`.
    #[must_use]
    pub fn of(bench: &Bench) -> Self {
        let lpar = &bench.lpar;
        let vcpus = lpar.vcpus.iter().map(|vcpu| {
            [
                vcpu.state() as u64,
                vcpu.prodded.load(Relaxed).into(),
                vcpu.ceded.load(Relaxed).into(),
                vcpu.mfrr.load(Relaxed).into(),
                vcpu.vpa.load(Relaxed),
                vcpu.slb_shadow.load(Relaxed),
                vcpu.dispatch_log.load(Relaxed),
                vcpu.dispatch_log_entries.load(Relaxed).into(),
                vcpu.dispatches.load(Relaxed).into(),
                vcpu.attention.load(Relaxed).into(),
            ]
        });
        Self {
            modes: lpar.modes.get(),
            vcpus: vcpus.collect(),
            xives: OWN_IRQS
                .iter()
                .map(|&irq| lpar.xive(Irq(irq)).ok())
                .collect(),
            msis: lpar.pci.iter().map(|function| function.msis()).collect(),
            machine: bench.machine.fingerprint(),
        }
    }
}
