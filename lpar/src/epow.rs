//! Asking a partition to shut itself down: by an environmental and power warning (EPOW), action code SYSTEM_SHUTDOWN.
//!
//! The partition's source [`EPOW_IRQ`](crate::vio::EPOW_IRQ) is raised. Its operating system asks check-exception what it is
//! about, is told by an error log, and comes to power-off in its own time; or never does. get-sensor-state has the same.
//!
//! Source: LoPAR 2.9, "Environmental and Power Warnings"; "Platform Event Log Format, Version 6, EPOW Section".

use crate::Lpar;
use core::sync::atomic::{AtomicU8, Ordering::SeqCst};

/// EPOW action code 0: there is nothing to warn of.
const RESET: u32 = 0;
/// EPOW action code 3: the system is to be shut down.
pub(crate) const SYSTEM_SHUTDOWN: u8 = 3;

/// What a partition knows of being to shut itself down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Nobody asks for it.
    Unasked,
    /// It is asked, and has not taken the warning.
    Asked,
    /// It has taken the warning.
    Told,
}

/// The warning of a partition.
#[derive(Debug)]
pub(crate) struct Epow(AtomicU8);

const UNASKED: u8 = 0;
const ASKED: u8 = 1;
const TOLD: u8 = 2;

impl Epow {
    pub(crate) const fn new() -> Self {
        Self(AtomicU8::new(UNASKED))
    }

    fn get(&self) -> Shutdown {
        match self.0.load(SeqCst) {
            UNASKED => Shutdown::Unasked,
            ASKED => Shutdown::Asked,
            _ => Shutdown::Told,
        }
    }

    /// Takes the warning; returns whether there was one to take.
    pub(crate) fn take(&self) -> bool {
        let taken = self.0.compare_exchange(ASKED, TOLD, SeqCst, SeqCst);
        taken.is_ok()
    }

    /// Gives back what could not be told after all.
    pub(crate) fn put_back(&self) {
        let _ = self.0.compare_exchange(TOLD, ASKED, SeqCst, SeqCst);
    }

    /// The value of its sensor, an action code.
    pub(crate) fn sensor(&self) -> u32 {
        match self.get() {
            Shutdown::Unasked => RESET,
            Shutdown::Asked | Shutdown::Told => SYSTEM_SHUTDOWN.into(),
        }
    }

    pub(crate) fn reset(&self) {
        self.0.store(UNASKED, SeqCst);
    }
}

impl Lpar {
    /// Asks the partition to shut itself down; once more, if it was asked before. Nothing follows if it does not.
    pub fn ask_to_shut_down(&self) {
        self.epow.0.store(ASKED, SeqCst);
        self.warn_of_shutdown();
    }

    /// Returns whether it was asked to in this life of its.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.epow.get()
    }
}
