//! Threads and virtual processors in virtual time: what the tests run a [`Pool`] with.

use crate::{Choice, Pool, Share, Stop, Timing, VcpuId, Waited};

/// Ticks of a second here: small numbers are easier to read.
pub(crate) const HZ: u64 = 1_000_000;
/// Ticks of a millisecond.
pub(crate) const MS: u64 = HZ / 1000;
/// The lengths of time used.
pub(crate) const TIMING: Timing = Timing::standard(HZ);

/// What a virtual processor does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Habit {
    /// It never waits.
    Busy,
    /// It runs so long, then waits so long, again and again.
    Naps { run: u64, wait: u64 },
    /// It waits until somebody wakes it.
    Asleep,
}

#[derive(Clone, Debug)]
pub(crate) struct Vcpu {
    habit: Habit,
    /// What is left of its work before it waits.
    left: u64,
    /// Ticks that it had a thread.
    pub(crate) ran: u64,
    pub(crate) waited: Vec<Waited>,
}

#[derive(Clone, Copy, Debug)]
enum Busy {
    Run { id: VcpuId, since: u64, until: u64 },
    Idle { until: u64 },
}

pub(crate) struct Simulation {
    pub(crate) pool: Pool,
    pub(crate) now: u64,
    threads: Vec<Busy>,
    pub(crate) partitions: Vec<Vec<Vcpu>>,
    shares: Vec<Share>,
}

impl Simulation {
    pub(crate) fn new(threads: usize, members: &[(Share, Vec<Habit>)]) -> Self {
        let shares: Vec<Share> = members.iter().map(|(share, _)| *share).collect();
        let pool = Pool::new(threads, &shares, TIMING, 0).expect("a pool that can be");
        let vcpu = |habit: &Habit| Vcpu {
            habit: *habit,
            left: match habit {
                Habit::Naps { run, .. } => *run,
                Habit::Busy | Habit::Asleep => u64::MAX,
            },
            ran: 0,
            waited: vec![],
        };
        let mut simulation = Self {
            pool,
            now: 0,
            threads: vec![Busy::Idle { until: 0 }; threads],
            partitions: members
                .iter()
                .map(|(_, habits)| habits.iter().map(vcpu).collect())
                .collect(),
            shares,
        };
        for (partition, (_, habits)) in members.iter().enumerate() {
            for (vcpu, habit) in habits.iter().enumerate() {
                if !matches!(habit, Habit::Asleep) {
                    simulation.wake(VcpuId { partition, vcpu });
                }
            }
        }
        simulation
    }

    pub(crate) fn wake(&mut self, id: VcpuId) {
        let called = self.pool.wake(id, self.now);
        self.call(called);
    }

    fn call(&mut self, thread: Option<usize>) {
        if let Some(thread) = thread {
            match &mut self.threads[thread] {
                Busy::Run { until, .. } | Busy::Idle { until } => *until = self.now,
            }
        }
    }

    /// Ticks that partition `index` had.
    pub(crate) fn ran(&self, index: usize) -> u64 {
        self.partitions[index].iter().map(|vcpu| vcpu.ran).sum()
    }

    /// Lets `ticks` go by.
    pub(crate) fn run(&mut self, ticks: u64) {
        let end = self.now + ticks;
        loop {
            let due = |busy: &Busy| match *busy {
                Busy::Run { until, .. } | Busy::Idle { until } => until,
            };
            let (thread, at) = (0..self.threads.len())
                .map(|thread| (thread, due(&self.threads[thread])))
                .min_by_key(|&(thread, at)| (at, thread))
                .expect("a thread");
            if at > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(at);
            self.ask(thread);
        }
    }

    /// Ends what `thread` does, and begins what it does next.
    fn ask(&mut self, thread: usize) {
        if let Busy::Run { id, since, .. } = self.threads[thread] {
            let vcpu = &mut self.partitions[id.partition][id.vcpu];
            let ticks = self.now - since;
            vcpu.ran += ticks;
            vcpu.left = vcpu.left.saturating_sub(ticks);
            let why = match vcpu.habit {
                Habit::Naps { run, wait } if vcpu.left == 0 => {
                    vcpu.left = run;
                    Stop::Waiting {
                        until: Some(self.now + wait),
                    }
                }
                Habit::Asleep => Stop::Waiting { until: None },
                Habit::Busy | Habit::Naps { .. } => Stop::Ready,
            };
            self.pool.stop(thread, self.now, why);
        }
        let choice = self.pool.choose(thread, self.now);
        self.threads[thread] = match choice {
            Choice::Run(dispatch) => {
                let elsewhere = self.threads.iter().enumerate().any(|(other, busy)| {
                    other != thread && matches!(busy, Busy::Run { id, .. } if *id == dispatch.id)
                });
                assert!(!elsewhere, "{:?} runs on two threads", dispatch.id);
                assert!(dispatch.until > self.now, "no time is given");
                let vcpu = &mut self.partitions[dispatch.id.partition][dispatch.id.vcpu];
                vcpu.waited.push(dispatch.waited);
                let work = match vcpu.habit {
                    Habit::Asleep => MS / 10,
                    Habit::Busy | Habit::Naps { .. } => vcpu.left,
                };
                Busy::Run {
                    id: dispatch.id,
                    since: self.now,
                    until: dispatch.until.min(self.now.saturating_add(work)),
                }
            }
            Choice::Idle { until } => {
                self.nobody_could_run();
                Busy::Idle {
                    until: until.map_or(u64::MAX, |until| until.max(self.now + 1)),
                }
            }
        };
        let called = self.pool.call_idle();
        self.call(called);
    }

    /// Checks that a thread is idle for want of work alone: whoever is not capped and never waits runs.
    fn nobody_could_run(&self) {
        for (partition, vcpus) in self.partitions.iter().enumerate() {
            for (vcpu, state) in vcpus.iter().enumerate() {
                let id = VcpuId { partition, vcpu };
                let could = self.shares[partition].weight > 0 && matches!(state.habit, Habit::Busy);
                assert!(
                    !could || self.pool.thread_of(id).is_some(),
                    "{id:?} waits while a thread is idle"
                );
            }
        }
    }
}
