//! A partition's life: started, restarted, ended, by itself or by an operator. Nobody waits for a processor to stop: the
//! thread on which the last one does goes on.

use super::{Partition, handover};
use crate::stop::{self, Reason};
use crate::{devices, guest_image, memory};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use lpar::{End, Processors, Shutdown, Stage, VcpuState, attention};
use papr_abi::Server;
use ppc64::percpu::MAX_THREADS;
use ppc64::spr::timebase;

/// Ticks in a microsecond, for the messages.
const MICROSECOND: u64 = 512;

/// How far the memory of a new life is.
pub(super) struct Loading {
    /// Whether the pool goes on with it.
    active: AtomicBool,
    /// When it was begun, timebase.
    began: AtomicU64,
    /// Bytes scrubbed.
    scrubbed: AtomicU64,
}

impl Loading {
    pub(super) const fn new() -> Self {
        Self {
            active: AtomicBool::new(false),
            began: AtomicU64::new(0),
            scrubbed: AtomicU64::new(0),
        }
    }

    fn begin(&self) {
        self.began.store(timebase(), SeqCst);
        self.scrubbed.store(0, SeqCst);
    }
}

/// How many partitions are not off.
static LIVING: AtomicU32 = AtomicU32::new(0);

/// Says how many partitions are about to be launched.
pub(super) fn count(partitions: usize) {
    LIVING.store(partitions as u32, SeqCst);
}

impl Partition {
    /// Scrubs the partition's memory, loads its images, makes its device tree and starts its first
    /// processor. None of its processors runs.
    pub(super) fn launch(&'static self) {
        self.loading.begin();
        self.fill(u64::MAX);
    }

    /// Whether [`Partition::load`] is to be called.
    pub(crate) fn is_loading(&self) -> bool {
        self.loading.active.load(SeqCst)
    }

    /// Goes on with taking back what the last life set up, and then with what [`Partition::launch`] does, not for much
    /// longer than until `until`; for the thread that has its first processor.
    pub(crate) fn load(&'static self, until: u64) {
        if self.loading.scrubbed.load(SeqCst) == 0 {
            self.clean();
        }
        self.fill(until);
    }

    /// Scrubs until `until`, or all and then loads and starts.
    fn fill(&'static self, until: u64) {
        let Loading {
            active,
            began,
            scrubbed,
        } = &self.loading;
        let ram = &self.lpar.ram;
        let mut done = scrubbed.load(SeqCst);
        while done < ram.bytes() {
            done = memory::scrub(ram, done);
            scrubbed.store(done, SeqCst);
            if timebase() >= until {
                return;
            }
        }
        // From its start on the first processor runs.
        active.store(false, SeqCst);
        self.place(began.load(SeqCst));
    }

    /// Loads the images into memory that is scrubbed, which began at `start`, and starts the first processor.
    fn place(&'static self, start: u64) {
        let scrubbed = timebase();
        let loaded = guest_image::place(&self.lpar, &self.image, self.real_mode, self.cpu);
        let placed = timebase();
        match loaded {
            Ok(loaded) => {
                self.lpar.tell(
                    log::Level::Info,
                    format_args!(
                        "scrubbed in {} us, {} KiB of images copied and device tree made in {} us",
                        scrubbed.wrapping_sub(start) / MICROSECOND,
                        loaded.copied / 1024,
                        placed.wrapping_sub(scrubbed) / MICROSECOND
                    ),
                );
                self.lpar.tell(
                    log::Level::Info,
                    format_args!(
                        "device tree at {:#x}, {} bytes",
                        self.lpar.ram.base().0 + loaded.tree,
                        loaded.tree_bytes
                    ),
                );
                self.life.begin();
                if let Some(first) = self.lpar.vcpus.first() {
                    first.start(loaded.entry, loaded.tree);
                    self.lpar.machine.threads.kick(first.pir);
                }
            }
            Err(error) => {
                log::error!("partition {}: {error}", self.lpar.name);
                if self.life.number() == 1 {
                    stop::machine(Reason::BadBundle)
                }
                // With what it was given since, it does not fit. Others go on.
                self.life.leave_off();
                LIVING.fetch_sub(1, SeqCst);
            }
        }
    }

    /// Has all processors stop, so that the partition then ends as `end`: [`Partition::conclude`], which those call
    /// that stop, does the rest. `by`, if it is one of its processors that asks for it, is about to stop, and calls that too.
    ///
    /// # Errors
    /// The stage, when it does not run.
    pub(crate) fn end(&self, end: End, by: Option<Server>) -> Result<(), Stage> {
        self.life.end()?;
        for vcpu in &self.lpar.vcpus {
            if Some(vcpu.server) != by {
                vcpu.request(attention::LEAVE);
                self.lpar.machine.threads.kick(vcpu.pir);
            }
        }
        self.life.asked(self.kind_of(end));
        // Should all have stopped before that was said, one looks again.
        if by.is_none() {
            self.kick_first();
        }
        Ok(())
    }

    /// Asks it to shut itself down, which it does in its own time, or never.
    ///
    /// # Errors
    /// The stage, when it does not run.
    pub(crate) fn ask_to_shut_down(&self) -> Result<(), Stage> {
        match self.life.stage() {
            Stage::Running => {
                log::info!("partition {}: is asked to shut itself down", self.lpar.name);
                self.lpar.ask_to_shut_down();
                Ok(())
            }
            other => Err(other),
        }
    }

    /// What `end` is here: one that is off because it was asked to be was stopped.
    fn kind_of(&self, end: End) -> End {
        match (end, self.lpar.shutdown()) {
            (End::PowerOff, Shutdown::Asked | Shutdown::Told) => End::Stop,
            _ => end,
        }
    }

    /// Has it begin anew on its own threads.
    ///
    /// # Errors
    /// The stage, when it is not off.
    pub(crate) fn start(&self) -> Result<(), Stage> {
        self.life.start()?;
        LIVING.fetch_add(1, SeqCst);
        self.kick_first();
        Ok(())
    }

    pub(super) fn kick_first(&self) {
        if let Some(first) = self.lpar.vcpus.first() {
            self.lpar.machine.threads.kick(first.pir);
        }
    }

    /// Ends it as was asked, or begins it anew, if that was asked and none of its processors runs. For its own threads, or
    /// those of the pool that it shares: it takes a while.
    pub(crate) fn conclude(&'static self) {
        if self.life.runs() {
            return;
        }
        let vcpus = &self.lpar.vcpus;
        let stopped = || vcpus.iter().all(|vcpu| vcpu.state() == VcpuState::Stopped);
        let name = &self.lpar.name;
        match self.life.conclude(stopped) {
            None => {}
            Some(End::Restart) => {
                self.lpar.tell(log::Level::Info, format_args!("restarts"));
                self.begin_anew();
            }
            Some(End::Start) => {
                self.lpar.tell(log::Level::Info, format_args!("starts"));
                self.begin_anew();
            }
            Some(End::PowerOff) => {
                self.go_off();
                log::info!("partition {name}: is off");
                if LIVING.fetch_sub(1, SeqCst) == 1 {
                    power_off();
                }
            }
            Some(End::HandOver) => {
                handover::carry_out(self);
                self.life.leave_off();
            }
            Some(End::Stop) => {
                self.go_off();
                log::info!("partition {name}: is stopped");
                LIVING.fetch_sub(1, SeqCst);
            }
        }
    }

    /// Begins a new life. Where others wait for the thread, its first processor's time is what that takes: a partition
    /// that restarts all the time has no more than its part.
    fn begin_anew(&'static self) {
        match self.lpar.processors {
            Processors::Dedicated => {
                self.clean();
                self.launch();
            }
            Processors::Shared(_) => {
                self.loading.begin();
                self.loading.active.store(true, SeqCst);
                self.kick_first();
            }
        }
    }

    fn go_off(&self) {
        self.clean();
        self.life.leave_off();
    }

    /// Takes everything back that the partition set up in the machine.
    fn clean(&self) {
        // They change only while it is off, and no lock is held over a wait.
        let accesses = self.accesses.lock().clone();
        lpar_pci::end_resets(&accesses, &mut crate::bridge::wait);
        lpar_pci::quiesce(&self.lpar, &accesses, devices::bridges());
        self.lpar.reset();
        self.lpar.hpt.clear();
    }
}

/// The machine's end, with the last partition that went off by itself.
fn power_off() -> ! {
    let (used, room) = (0..MAX_THREADS)
        .map(boot::stack_use)
        .max()
        .unwrap_or_default();
    log::info!("stacks: {used} bytes of {room} used at most");
    stop::machine(Reason::PowerOff)
}
