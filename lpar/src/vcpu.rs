//! A virtual processor, as the other processors of its partition may see and change it.
//!
//! What only its own thread touches (the register context) belongs to the machine layer. All
//! fields are atomics, and what is written for it in the partition's memory has a lock.

use core::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use lock::Mutex;
use papr_abi::Server;

/// Whether a virtual processor runs. Source: LoPAR 2.9, "query-cpu-stopped-state".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum VcpuState {
    /// In the hypervisor, waiting for start-cpu.
    Stopped = 0,
    /// On its way from running to stopped.
    Stopping = 1,
    /// Running, or about to.
    Running = 2,
}

/// What a thread has to look at before it goes on running its virtual processor.
pub mod attention {
    /// The partition is being stopped or restarted: leave the guest for good.
    pub const LEAVE: u32 = 1;
    /// A system reset (0x100) is to be delivered to the guest.
    pub const SYSTEM_RESET: u32 = 2;
    /// The partition's interrupt modes changed: load LPCR anew.
    pub const MODE: u32 = 4;
}

/// The part of a virtual processor that is shared.
#[derive(Debug)]
pub struct Vcpu {
    /// Its number in the partition, from 0.
    pub server: Server,
    /// What the machine knows it by: the processor identification of the thread that it is dedicated to, or
    /// a number of its own when it shares threads.
    pub pir: u32,
    state: AtomicU8,
    /// Set by H_PROD, consumed by the next H_CEDE or H_CONFER.
    pub prodded: AtomicBool,
    /// Whether it waits in H_CEDE.
    pub ceded: AtomicBool,
    /// The MFRR that the partition set, which a hypervisor kick may overlay for a moment.
    pub mfrr: AtomicU8,
    /// The most favoured priority of the virtual interrupts that wait for it to accept them, where its
    /// presentation controller is the machine's; 0xff without any.
    pub virtual_priority: AtomicU8,
    /// Has its areas: who writes to them, and who registers them or takes them back. What was taken back is not written any
    /// more, and a log is as long as it is where it is.
    pub areas: Mutex<()>,
    /// Logical address of its VPA; [`Vcpu::NONE`] without one.
    pub vpa: AtomicU64,
    /// Logical address of its SLB shadow buffer; [`Vcpu::NONE`] without one.
    pub slb_shadow: AtomicU64,
    /// Logical address of its dispatch trace log; [`Vcpu::NONE`] without one.
    pub dispatch_log: AtomicU64,
    /// How many entries that log holds.
    pub dispatch_log_entries: AtomicU32,
    /// How many times it began and ceased to run: even while it runs.
    pub dispatches: AtomicU32,
    /// How often it began to run on another thread than before.
    pub dispersions: AtomicU32,
    /// Time base ticks that it has not run, by what it waited for: [`Wait::ticks`](crate::vpa::Wait).
    pub waited: [AtomicU64; 3],
    /// Whether it has given its time to all other processors, which have not had it yet.
    pub yielding: AtomicBool,
    /// The server number of the processor that it gives its time to; [`Vcpu::NONE`] for all others.
    pub conferee: AtomicU64,
    /// See [`attention`].
    pub attention: AtomicU32,
    entry: AtomicU64,
    argument: AtomicU64,
}

impl Vcpu {
    /// Stands for "no address" where a logical address is kept.
    pub const NONE: u64 = u64::MAX;

    /// Makes a stopped virtual processor `server` that the machine knows by `pir`.
    #[must_use]
    pub const fn new(server: Server, pir: u32) -> Self {
        Self {
            server,
            pir,
            state: AtomicU8::new(VcpuState::Stopped as u8),
            prodded: AtomicBool::new(false),
            ceded: AtomicBool::new(false),
            mfrr: AtomicU8::new(0xff),
            virtual_priority: AtomicU8::new(0xff),
            areas: Mutex::new(()),
            vpa: AtomicU64::new(Self::NONE),
            slb_shadow: AtomicU64::new(Self::NONE),
            dispatch_log: AtomicU64::new(Self::NONE),
            dispatch_log_entries: AtomicU32::new(0),
            dispatches: AtomicU32::new(1),
            dispersions: AtomicU32::new(0),
            waited: [const { AtomicU64::new(0) }; 3],
            yielding: AtomicBool::new(false),
            conferee: AtomicU64::new(Self::NONE),
            attention: AtomicU32::new(0),
            entry: AtomicU64::new(0),
            argument: AtomicU64::new(0),
        }
    }

    /// Returns whether it runs.
    #[must_use]
    pub fn state(&self) -> VcpuState {
        match self.state.load(Acquire) {
            0 => VcpuState::Stopped,
            1 => VcpuState::Stopping,
            _ => VcpuState::Running,
        }
    }

    /// Returns what the MFRR of its presentation controller is to be, kicks aside: what the partition set, or
    /// more favoured when a virtual interrupt is.
    #[must_use]
    pub fn wanted_mfrr(&self) -> u8 {
        let own = self.mfrr.load(SeqCst);
        own.min(self.virtual_priority.load(SeqCst))
    }

    /// Says whether it runs; for the thread that runs it.
    pub fn set_state(&self, state: VcpuState) {
        self.state.store(state as u8, Release);
    }

    /// Has its thread run it from logical address `entry` with `argument` in r3, if it is stopped;
    /// returns whether it was. The caller kicks the thread.
    pub fn start(&self, entry: u64, argument: u64) -> bool {
        // Two starters may both see it stopped, so one of them claims it first.
        if self
            .state
            .compare_exchange(
                VcpuState::Stopped as u8,
                VcpuState::Stopping as u8,
                Acquire,
                Relaxed,
            )
            .is_err()
        {
            return false;
        }
        // One that was sent to the life before came too late for that.
        self.attention.fetch_and(!attention::SYSTEM_RESET, Relaxed);
        self.entry.store(entry, Relaxed);
        self.argument.store(argument, Relaxed);
        self.state.store(VcpuState::Running as u8, Release);
        true
    }

    /// Returns where to begin and r3, after [`Vcpu::start`].
    #[must_use]
    pub fn start_point(&self) -> (u64, u64) {
        (self.entry.load(Relaxed), self.argument.load(Relaxed))
    }

    /// Asks its thread to look at `bits` of [`attention`]; the caller kicks the thread.
    pub fn request(&self, bits: u32) {
        self.attention.fetch_or(bits, Release);
    }

    /// Forgets everything that a former life of the partition registered; it must be stopped.
    pub fn reset(&self) {
        self.prodded.store(false, Relaxed);
        self.ceded.store(false, Relaxed);
        self.mfrr.store(0xff, Relaxed);
        self.virtual_priority.store(0xff, Relaxed);
        self.vpa.store(Self::NONE, Relaxed);
        self.slb_shadow.store(Self::NONE, Relaxed);
        self.dispatch_log.store(Self::NONE, Relaxed);
        self.dispatches.store(1, Relaxed);
        self.dispersions.store(0, Relaxed);
        for waited in &self.waited {
            waited.store(0, Relaxed);
        }
        self.yielding.store(false, Relaxed);
        self.attention.store(0, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_starter_wins_and_a_running_processor_is_not_started() {
        let vcpu = Vcpu::new(Server(1), 0x10);
        assert!(vcpu.start(0x100, 7));
        assert_eq!(vcpu.state(), VcpuState::Running);
        assert!(!vcpu.start(0x200, 8));
        assert_eq!(vcpu.start_point(), (0x100, 7));
    }

    #[test]
    fn a_system_reset_that_came_too_late_is_not_for_the_next_life() {
        let vcpu = Vcpu::new(Server(1), 0x10);
        assert!(vcpu.start(0x100, 7));
        vcpu.request(attention::SYSTEM_RESET | attention::LEAVE);
        vcpu.set_state(VcpuState::Stopped);
        assert!(vcpu.start(0x100, 7));
        assert_eq!(vcpu.attention.load(Relaxed), attention::LEAVE);
    }
}
