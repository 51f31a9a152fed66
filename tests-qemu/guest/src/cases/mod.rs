//! The cases, one file per function set of LoPAR or part of the architecture.

mod basics;
mod capacity;
mod dma;
mod eeh;
mod frozen;
mod hostile;
mod hpt;
mod hpt_change;
mod interrupts;
mod llan;
mod logical;
mod mode;
pub(crate) mod msi;
mod pci;
mod registers;
mod rtas_calls;
mod rtas_xics;
mod sched;
mod smp_cases;
mod tce;
mod tce_many;
mod term;
mod translated;
mod vpa;
pub(crate) mod xics;

use crate::suite::Case;

/// Every table, in the order of running: what others rest on comes first.
pub(crate) const TABLES: &[&[Case]] = &[
    basics::CASES,
    term::CASES,
    registers::CASES,
    hpt::CASES,
    hpt_change::CASES,
    tce::CASES,
    tce_many::CASES,
    xics::CASES,
    mode::CASES,
    vpa::CASES,
    sched::CASES,
    capacity::CASES,
    logical::CASES,
    interrupts::CASES,
    hostile::CASES,
    translated::CASES,
    rtas_calls::CASES,
    rtas_xics::CASES,
    llan::CASES,
    smp_cases::CASES,
    pci::CASES,
    dma::CASES,
    msi::CASES,
    // The last of them gives a function up.
    eeh::CASES,
];

/// Cases for a machine that stops a function's endpoint.
pub(crate) static STOPPED: &[&[Case]] = &[eeh::STOPPED];

/// Cases for a machine whose bridge shuts itself off.
pub(crate) static FENCED: &[&[Case]] = &[eeh::FENCED];

/// Cases for a machine that injects an error.
pub(crate) static FROZEN: &[&[Case]] = &[frozen::CASES];
