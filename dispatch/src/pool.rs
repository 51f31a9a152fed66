//! The pool: threads, and the virtual processors that wait for them.

use crate::account::Account;
use crate::share::{Share, ShareError, Timing, check};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A virtual processor: its partition's place in the pool, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VcpuId {
    /// Place of the partition in the list that the pool was made from.
    pub partition: usize,
    /// Its number in the partition, from 0.
    pub vcpu: usize,
}

/// Why a virtual processor gives up its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It could go on, and waits for its next turn.
    Ready,
    /// It could go on, and lets another one of its partition run first.
    Yields,
    /// It has nothing to do until [`Pool::wake`], or until the given time.
    Waiting {
        /// When it wakes by itself, if it does.
        until: Option<u64>,
    },
}

/// How long a virtual processor did not run, ticks, by what it waited for. Source: LoPAR 2.9, "Shared
/// Processor LPAR Option", the intervals 1 to 3 of a wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// For something to do.
    pub until_ready: u64,
    /// For its partition's entitlement, which was used up.
    pub until_entitled: u64,
    /// For a thread.
    pub until_dispatched: u64,
}

/// A virtual processor that a thread is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// Which one.
    pub id: VcpuId,
    /// When to ask again at the latest.
    pub until: u64,
    /// What it waited for since it last ran.
    pub waited: Waited,
    /// Whether it runs on time that another one of its partition gave it.
    pub conferred: bool,
}

/// What a thread is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Run this one; then call [`Pool::stop`].
    Run(Dispatch),
    /// Nothing, until it is called or the given time comes.
    Idle {
        /// When to ask again, if time alone can change the answer.
        until: Option<u64>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting { until: Option<u64> },
    Ready,
    Running,
}

#[derive(Clone, Debug)]
struct Vcpu {
    phase: Phase,
    /// Woken while it ran: it does not wait then.
    woken: bool,
    /// Its place among those of its partition that are ready and have had as much: who has the lowest runs first.
    turn: u64,
    /// Ticks that it had a thread, or counts as if: who has had least runs first.
    had: u64,
    stopped_at: u64,
    ready_at: u64,
    /// The account's short time when it became ready.
    short_before: u64,
    /// Where it ran last.
    thread: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Work {
    /// It has been called, or has just given up what it ran: it will ask.
    Asks {
        idle_since: Option<u64>,
    },
    Idle {
        since: u64,
    },
    Run {
        id: VcpuId,
        since: u64,
        until: u64,
        /// Credit set aside for it; none when it runs on what is left over.
        reserved: Option<i64>,
        /// It has been called already.
        called: bool,
    },
}

#[derive(Clone, Debug)]
struct Member {
    account: Account,
    vcpus: Box<[Vcpu]>,
    /// The most that a virtual processor of it had had by when it was chosen.
    floor: u64,
}

/// A pool of threads and the partitions that share it.
#[derive(Debug)]
pub struct Pool {
    timing: Timing,
    threads: Box<[Work]>,
    members: Box<[Member]>,
    next_turn: u64,
    /// No virtual processor wakes by itself before this.
    next_timer: u64,
    /// What the last partition that got extra time had had of it by then.
    extra_floor: u64,
    idle: u64,
}

impl Pool {
    /// Makes a pool of `threads` that all ask at once, and of partitions with `shares` all of whose virtual
    /// processors wait. The only function that allocates.
    ///
    /// # Errors
    /// [`ShareError`] when the pool cannot keep what they are promised.
    pub fn new(
        threads: usize,
        shares: &[Share],
        timing: Timing,
        now: u64,
    ) -> Result<Self, ShareError> {
        check(threads, shares)?;
        let vcpu = Vcpu {
            phase: Phase::Waiting { until: None },
            woken: false,
            turn: 0,
            had: 0,
            stopped_at: now,
            ready_at: now,
            short_before: 0,
            thread: None,
        };
        let member = |share: &Share| Member {
            account: Account::new(*share, &timing, now),
            vcpus: (0..share.vcpus).map(|_| vcpu.clone()).collect(),
            floor: 0,
        };
        Ok(Self {
            timing,
            threads: (0..threads)
                .map(|_| Work::Asks { idle_since: None })
                .collect(),
            members: shares.iter().map(member).collect::<Vec<_>>().into(),
            next_turn: 0,
            next_timer: u64::MAX,
            extra_floor: 0,
            idle: 0,
        })
    }

    /// How many threads it has.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Ticks that threads have had nothing to do, all together.
    #[must_use]
    pub fn idle_ticks(&self, now: u64) -> u64 {
        let current = self.threads.iter().map(|work| match work {
            Work::Idle { since }
            | Work::Asks {
                idle_since: Some(since),
            } => now.saturating_sub(*since),
            Work::Asks { idle_since: None } | Work::Run { .. } => 0,
        });
        self.idle.saturating_add(current.sum())
    }

    /// The thread that `id` runs on.
    #[must_use]
    pub fn thread_of(&self, id: VcpuId) -> Option<usize> {
        self.threads
            .iter()
            .position(|work| matches!(work, Work::Run { id: other, .. } if *other == id))
    }

    /// Makes `id` ready. Returns the thread that is to ask anew, if one should: it is to be called. One that
    /// runs stays so when it next waits.
    pub fn wake(&mut self, id: VcpuId, now: u64) -> Option<usize> {
        let vcpu = self.vcpu_mut(id)?;
        match vcpu.phase {
            Phase::Running => {
                vcpu.woken = true;
                None
            }
            Phase::Ready => None,
            Phase::Waiting { .. } => {
                self.make_ready(id, now);
                self.call_for(id)
            }
        }
    }

    /// Chooses what `thread`, which runs nothing, does from `now` on.
    pub fn choose(&mut self, thread: usize, now: u64) -> Choice {
        if let Some(
            Work::Idle { since }
            | Work::Asks {
                idle_since: Some(since),
            },
        ) = self.threads.get(thread)
        {
            self.idle = self.idle.saturating_add(now.saturating_sub(*since));
        }
        self.expire_timers(now);
        for member in &mut self.members {
            if member.account.ready > 0 {
                member.account.accrue(&self.timing, now);
            }
        }
        let entitled = self.most_owed(thread);
        let chosen = entitled.or_else(|| self.least_extra());
        let Some(id) = chosen.and_then(|partition| self.next_of(partition)) else {
            if let Some(work) = self.threads.get_mut(thread) {
                *work = Work::Idle { since: now };
            }
            return Choice::Idle {
                until: self.next_event(),
            };
        };
        let slice = match entitled {
            Some(_) => self.account(id).map_or(0, |a| a.slice(&self.timing)),
            None => self.timing.most_slice,
        };
        Choice::Run(self.dispatch(thread, id, now, slice, entitled.is_some()))
    }

    /// Takes the virtual processor that `thread` runs off it.
    pub fn stop(&mut self, thread: usize, now: u64, why: Stop) {
        let Some(work) = self.threads.get_mut(thread) else {
            return;
        };
        let Work::Run {
            id,
            since,
            reserved,
            ..
        } = core::mem::replace(work, Work::Asks { idle_since: None })
        else {
            return;
        };
        let timing = self.timing;
        let ticks = now.saturating_sub(since).max(timing.least_charge);
        let Some(member) = self.members.get_mut(id.partition) else {
            return;
        };
        // First what it spent: earned in the same time, it must not be lost for being too much to keep.
        match reserved {
            Some(reserved) => member.account.pay(&timing, reserved, ticks),
            None => member.account.note_extra(ticks),
        }
        member.account.accrue(&timing, now);
        let Some(vcpu) = member.vcpus.get_mut(id.vcpu) else {
            return;
        };
        vcpu.stopped_at = now;
        vcpu.had = vcpu.had.saturating_add(ticks);
        match why {
            Stop::Waiting { until } if !vcpu.woken => {
                vcpu.phase = Phase::Waiting { until };
                self.next_timer = self.next_timer.min(until.unwrap_or(u64::MAX));
            }
            Stop::Yields => {
                let ready = member.vcpus.iter().filter(|v| v.phase == Phase::Ready);
                let next = ready.map(|vcpu| vcpu.had).min().unwrap_or(0);
                if let Some(vcpu) = member.vcpus.get_mut(id.vcpu) {
                    vcpu.had = vcpu.had.max(next);
                }
                self.make_ready(id, now);
            }
            Stop::Waiting { .. } | Stop::Ready => self.make_ready(id, now),
        }
    }

    /// Takes the virtual processor off `thread`, as [`Pool::stop`] with [`Stop::Yields`], and gives what is
    /// left of its time to `to`, another one of its partition, if that is ready; else chooses.
    pub fn confer(&mut self, thread: usize, to: usize, now: u64) -> Choice {
        let run = match self.threads.get(thread) {
            Some(Work::Run {
                id,
                until,
                reserved,
                ..
            }) => Some((*id, *until, reserved.is_some())),
            _ => None,
        };
        self.stop(thread, now, Stop::Yields);
        if let Some((from, until, entitled)) = run {
            let id = VcpuId { vcpu: to, ..from };
            if to != from.vcpu && self.vcpu(id).is_some_and(|v| v.phase == Phase::Ready) {
                let left = until.saturating_sub(now).max(self.timing.least_charge);
                let dispatch = self.dispatch(thread, id, now, left, entitled);
                return Choice::Run(Dispatch {
                    conferred: true,
                    ..dispatch
                });
            }
        }
        self.choose(thread, now)
    }

    /// A thread that has nothing to do although a virtual processor could run, if there is one: it is to be
    /// called. To be asked after [`Pool::choose`].
    pub fn call_idle(&mut self) -> Option<usize> {
        let timing = &self.timing;
        let could_run = self.members.iter().any(|member| {
            let account = &member.account;
            account.ready > 0 && (account.share.weight > 0 || account.is_entitled(timing))
        });
        if could_run { self.call(None) } else { None }
    }
}

impl Pool {
    fn vcpu(&self, id: VcpuId) -> Option<&Vcpu> {
        self.members.get(id.partition)?.vcpus.get(id.vcpu)
    }

    fn vcpu_mut(&mut self, id: VcpuId) -> Option<&mut Vcpu> {
        self.members.get_mut(id.partition)?.vcpus.get_mut(id.vcpu)
    }

    fn account(&self, id: VcpuId) -> Option<&Account> {
        self.members.get(id.partition).map(|member| &member.account)
    }

    fn make_ready(&mut self, id: VcpuId, now: u64) {
        let turn = self.next_turn;
        self.next_turn = turn.wrapping_add(1);
        let Some(member) = self.members.get_mut(id.partition) else {
            return;
        };
        member.account.accrue(&self.timing, now);
        let Some(vcpu) = member.vcpus.get_mut(id.vcpu) else {
            return;
        };
        vcpu.turn = turn;
        if let Phase::Waiting { .. } = vcpu.phase {
            // Who wanted none for a while may not make up for all of it now.
            let lag = self.timing.most_slice;
            vcpu.had = vcpu.had.max(member.floor.saturating_sub(lag));
        }
        vcpu.phase = Phase::Ready;
        vcpu.ready_at = now;
        vcpu.short_before = member.account.short();
        member.account.ready = member.account.ready.saturating_add(1);
    }

    fn expire_timers(&mut self, now: u64) {
        if now < self.next_timer {
            return;
        }
        self.next_timer = u64::MAX;
        for partition in 0..self.members.len() {
            let vcpus = self.members.get(partition).map_or(0, |m| m.vcpus.len());
            for vcpu in 0..vcpus {
                let id = VcpuId { partition, vcpu };
                match self.vcpu(id).map(|vcpu| vcpu.phase) {
                    Some(Phase::Waiting { until: Some(until) }) if until <= now => {
                        self.make_ready(id, now);
                    }
                    Some(Phase::Waiting { until: Some(until) }) => {
                        self.next_timer = self.next_timer.min(until);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Of the partitions that are ready and have credit, the one that is owed most time; or nearly as much, if it
    /// ran on `thread` last, where less is to be fetched anew.
    fn most_owed(&self, thread: usize) -> Option<usize> {
        let able = || {
            let members = self.members.iter().enumerate();
            members.filter(|(_, member)| {
                member.account.ready > 0 && member.account.is_entitled(&self.timing)
            })
        };
        // Of equals the last would win: turned round, so that it is the first.
        let (partition, most) = able()
            .rev()
            .max_by_key(|(_, member)| member.account.owed())?;
        let margin = i64::try_from(self.timing.most_slice).unwrap_or(i64::MAX);
        let nearly = most.account.owed().saturating_sub(margin);
        let at_home = able().rev().filter(|(partition, member)| {
            let first = self.next_of(*partition).and_then(|id| self.vcpu(id));
            member.account.owed() >= nearly && first.is_some_and(|v| v.thread == Some(thread))
        });
        let at_home = at_home.max_by_key(|(_, member)| member.account.owed());
        Some(at_home.map_or(partition, |(partition, _)| partition))
    }

    /// Of the partitions that are ready and not capped, the one that had least extra time for its weight.
    fn least_extra(&mut self) -> Option<usize> {
        // Who did not want any for a while may not make up for all of it now.
        let lag = Account::extra_lag(&self.timing);
        let floor = self.extra_floor.saturating_sub(lag);
        let members = self.members.iter_mut().enumerate();
        let able = members
            .filter(|(_, member)| member.account.ready > 0 && member.account.share.weight > 0);
        let (partition, member) = able.min_by_key(|(_, member)| member.account.extra)?;
        member.account.extra = member.account.extra.max(floor);
        self.extra_floor = self.extra_floor.max(member.account.extra);
        Some(partition)
    }

    fn next_of(&self, partition: usize) -> Option<VcpuId> {
        let vcpus = self.members.get(partition)?.vcpus.iter().enumerate();
        let ready = vcpus.filter(|(_, vcpu)| vcpu.phase == Phase::Ready);
        let (vcpu, _) = ready.min_by_key(|(_, vcpu)| (vcpu.had, vcpu.turn))?;
        Some(VcpuId { partition, vcpu })
    }

    fn dispatch(
        &mut self,
        thread: usize,
        id: VcpuId,
        now: u64,
        slice: u64,
        entitled: bool,
    ) -> Dispatch {
        let slice = slice.max(self.timing.least_charge);
        // Who wakes by itself meanwhile may be owed more; but not so soon that nothing gets done.
        let soon = now.saturating_add(self.timing.least_slice);
        let until = now.saturating_add(slice).min(self.next_timer.max(soon));
        let mut waited = Waited::default();
        let mut reserved = None;
        if let Some(member) = self.members.get_mut(id.partition) {
            member.account.accrue(&self.timing, now);
            member.account.ready = member.account.ready.saturating_sub(1);
            reserved = entitled.then(|| member.account.reserve(slice));
            let short = member.account.short();
            if let Some(vcpu) = member.vcpus.get_mut(id.vcpu) {
                let ready = now.saturating_sub(vcpu.ready_at);
                let short = short.saturating_sub(vcpu.short_before).min(ready);
                waited = Waited {
                    until_ready: vcpu.ready_at.saturating_sub(vcpu.stopped_at),
                    until_entitled: short,
                    until_dispatched: ready.saturating_sub(short),
                };
                member.floor = member.floor.max(vcpu.had);
                vcpu.phase = Phase::Running;
                vcpu.woken = false;
                vcpu.thread = Some(thread);
            }
        }
        if let Some(work) = self.threads.get_mut(thread) {
            *work = Work::Run {
                id,
                since: now,
                until,
                reserved,
                called: false,
            };
        }
        Dispatch {
            id,
            until,
            waited,
            conferred: false,
        }
    }

    /// When an idle thread may find something to do though nobody calls it.
    fn next_event(&self) -> Option<u64> {
        let recoveries = self
            .members
            .iter()
            .filter(|member| member.account.ready > 0);
        let recoveries = recoveries.map(|member| member.account.entitled_at(&self.timing));
        let next = recoveries.min().unwrap_or(u64::MAX).min(self.next_timer);
        (next != u64::MAX).then_some(next)
    }

    /// The thread to call for `id`, which has just become ready: an idle one, or one whose virtual
    /// processor has a lesser claim.
    fn call_for(&mut self, id: VcpuId) -> Option<usize> {
        let account = self.account(id)?;
        let entitled = account.is_entitled(&self.timing);
        if !entitled && account.share.weight == 0 {
            return None;
        }
        let owed = account.owed();
        let before = self.vcpu(id)?.thread;
        if let Some(thread) = self.call(before) {
            return Some(thread);
        }
        if !entitled {
            return None;
        }
        let margin = i64::try_from(self.timing.most_slice).unwrap_or(i64::MAX);
        let mut weakest: Option<(i64, usize)> = None;
        for (thread, work) in self.threads.iter().enumerate() {
            let Work::Run {
                id,
                reserved,
                called: false,
                ..
            } = work
            else {
                continue;
            };
            let claim = match reserved {
                Some(_) => self.account(*id).map_or(i64::MAX, Account::owed),
                None => i64::MIN,
            };
            if claim.saturating_add(margin) < owed && weakest.is_none_or(|(least, _)| claim < least)
            {
                weakest = Some((claim, thread));
            }
        }
        let (_, thread) = weakest?;
        if let Some(Work::Run { called, .. }) = self.threads.get_mut(thread) {
            *called = true;
        }
        Some(thread)
    }

    /// Calls an idle thread, `first` if it is one.
    fn call(&mut self, first: Option<usize>) -> Option<usize> {
        let is_idle = |work: &Work| matches!(work, Work::Idle { .. });
        let first = first.filter(|&thread| self.threads.get(thread).is_some_and(is_idle));
        let thread = first.or_else(|| self.threads.iter().position(is_idle))?;
        let work = self.threads.get_mut(thread)?;
        if let Work::Idle { since } = *work {
            *work = Work::Asks {
                idle_since: Some(since),
            };
        }
        Some(thread)
    }
}
