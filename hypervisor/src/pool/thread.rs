//! A thread of the pool by itself: its interrupt line, its kicks, its clock, and whose translations it has.
#![expect(unsafe_code, reason = "points the thread at partitions")]

use crate::console;
use crate::idle::{self, CONSOLE_BYTES, KICK_PRIORITY};
use crate::partition::Partition;
use crate::presenter::ICP;
use crate::soft::OPEN;
use alloc::vec::Vec;
use core::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use dispatch::Choice;
use lock::Mutex;
use lpar::icp::Line;
use lpar::machine::Presenter;
use papr_abi::xics::LEAST_FAVORED;
use ppc64::guest::{self, External};
use ppc64::power;
use ppc64::spr::timebase;

/// A thread of the pool.
pub(super) struct PoolThread {
    pub(super) pir: u32,
    /// The boot code's number of it.
    pub(super) cpu: u64,
    /// Set by a kick, which uses the thread's MFRR.
    pub(super) kicked: AtomicBool,
    /// Set with a kick: the policy is to be asked.
    pub(super) called: AtomicBool,
    /// Whether the thread's own interrupt line is held up for the guest that runs.
    pub(super) raised: AtomicBool,
    /// When the slice ends.
    pub(super) until: AtomicU64,
    /// Place of the virtual processor that runs, counted from 1; 0 for none.
    pub(super) current: AtomicUsize,
    /// Place of the partition that the thread is pointed at, counted from 1.
    pub(super) selected: AtomicUsize,
    /// For each partition the life whose translations the thread may have cached.
    pub(super) lives: Vec<AtomicU32>,
    /// What the policy has chosen already.
    pub(super) next: Mutex<Option<Choice>>,
    /// When the console is to be looked at.
    pub(super) console: AtomicU64,
}

impl PoolThread {
    pub(super) fn new(pir: u32, cpu: u64, partitions: usize) -> Self {
        Self {
            pir,
            cpu,
            kicked: AtomicBool::new(false),
            called: AtomicBool::new(false),
            raised: AtomicBool::new(false),
            until: AtomicU64::new(0),
            current: AtomicUsize::new(0),
            selected: AtomicUsize::new(0),
            lives: (0..partitions).map(|_| AtomicU32::new(0)).collect(),
            next: Mutex::new(None),
            console: AtomicU64::new(0),
        }
    }

    /// Has the thread look at what it does.
    pub(super) fn kick(&self) {
        self.kicked.store(true, SeqCst);
        ICP.set_mfrr(self.pir, KICK_PRIORITY);
    }

    /// Has the thread ask the policy.
    pub(super) fn call(&self) {
        self.called.store(true, SeqCst);
        self.kick();
    }

    /// Makes the thread's own interrupt line to the guest as the line of its software controller. For the
    /// thread itself.
    ///
    /// Held up, it is the guest that takes it, at its 0x500, as soon as it may; and nothing else comes.
    pub(super) fn set_line(&self, line: Line) {
        let raised = line == Line::Raised;
        if self.raised.swap(raised, Relaxed) == raised {
            return;
        }
        if raised {
            guest::set_external(External::Partition);
            ICP.set_mfrr(self.pir, KICK_PRIORITY);
            return;
        }
        self.take_back_kick();
        guest::set_external(External::Hypervisor);
        // A kick that came meanwhile went down with it.
        if self.kicked.load(SeqCst) {
            ICP.set_mfrr(self.pir, KICK_PRIORITY);
        }
    }

    /// Takes back the inter-processor interrupt of the thread. An interrupt that is presented stays so
    /// whatever becomes of MFRR; a priority as favoured rejects it, and with the former one back whatever
    /// else is pending is presented.
    pub(super) fn take_back_kick(&self) {
        ICP.set_mfrr(self.pir, LEAST_FAVORED);
        ICP.set_cppr(self.pir, KICK_PRIORITY);
        ICP.set_cppr(self.pir, OPEN);
    }

    pub(super) fn service_console(&self) {
        let now = timebase();
        if now >= self.console.load(Relaxed) {
            idle::keep_house();
            let output = console::service(CONSOLE_BYTES);
            let pause = if output { idle::TICK_BUSY } else { idle::TICK };
            self.console
                .store(now.saturating_add_signed(pause.into()), Relaxed);
        }
    }

    /// Arms the hypervisor decrementer for the end of the slice.
    pub(super) fn arm(&self, now: u64) {
        let left = self.until.load(Relaxed).saturating_sub(now).max(1);
        power::set_hypervisor_decrementer(u32::try_from(left).unwrap_or(u32::MAX >> 1));
    }

    /// Sleeps until `until`, a kick or an interrupt, and not long while the console has something to say.
    pub(super) fn sleep(&self, until: Option<u64>) {
        let output = console::service(CONSOLE_BYTES);
        let limit = if output { idle::TICK_BUSY } else { idle::TICK };
        let left = until.map_or(i64::MAX, |until| {
            i64::try_from(until.saturating_sub(timebase())).unwrap_or(i64::MAX)
        });
        let ticks = i32::try_from(left).map_or(limit, |left| left.min(limit));
        if self.kicked.load(SeqCst) {
            return;
        }
        // No guest has the decrementer now, and it wakes the thread.
        power::set_decrementer(ticks);
        guest::nap();
    }

    /// Makes sure that nothing cached of the translations of the partition at `place` counts.
    pub(super) fn forget(&self, place: usize) {
        if let Some(life) = self.lives.get(place) {
            life.store(0, Relaxed);
        }
    }

    /// Points the thread at `partition`, the pool's at `place`.
    pub(super) fn select(&self, place: usize, partition: &Partition) {
        let registers = partition.registers();
        let life = partition.life.number();
        let known = self.lives.get(place).map(|known| known.swap(life, Relaxed)) == Some(life);
        let here = self.selected.swap(place + 1, Relaxed) == place + 1;
        if known && here {
            guest::set_control(&registers);
        } else if known {
            // SAFETY: 1. the partition's table and memory are its own for good. 2. the thread has had this
            // life of it before.
            unsafe { guest::switch(&registers) };
        } else {
            // SAFETY: the partition's table and memory are its own for good.
            unsafe { guest::select(&registers) };
        }
    }
}
