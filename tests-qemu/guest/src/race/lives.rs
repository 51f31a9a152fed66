//! start-cpu, stop-self, query-cpu-stopped-state and H_SIGNAL_SYS_RESET by several processors on others that live for
//! microseconds.
//!
//! The first two start, ask and signal; the others are started, say that they live, and stop themselves.

use super::{Team, Wrong};
use crate::attack::Dice;
use crate::console::println;
use crate::cpu::{self, MAX_CPUS};
use crate::hcall::hcall;
use crate::rtas;
use crate::smp;
use crate::suite::{Fail, Outcome, cases, holds};
use crate::trap;
use crate::tree::Platform;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use papr_abi::rtas::Status;
use papr_abi::token;

cases!("race":
    each_start_is_one_life,
    a_reset_comes_in_the_life_that_it_was_sent_to,
);

/// Who starts the others.
pub(super) const STARTERS: usize = 2;
/// The longest life, ticks.
const LONGEST: u64 = cpu::TICKS_PER_MS / 10;
/// The longest of those that wait for a system reset.
const PATIENT: u64 = 100 * cpu::TICKS_PER_MS;

pub(super) const TEXTS: &[&str] = &[
    "status of start-cpu",
    "status of query-cpu-stopped-state",
    "state that query-cpu-stopped-state tells",
    "state of a processor that lives",
    "a processor begins that has not stopped",
    "stop-self does not return",
    "lives, as many as starts",
    "state of a processor that has nothing more to do",
    "system resets before the first one was sent in this life",
    "system resets in a life that was sent one",
    "status of H_SIGNAL_SYS_RESET",
];

/// What is known of a processor that is started.
pub(super) struct Victim {
    started: AtomicU64,
    lives: AtomicU64,
    /// Whether it lives.
    inside: AtomicU64,
    /// The number of its life while it may be sent a reset, else 0; and of the last life that was sent one.
    open: AtomicU64,
    sent: AtomicU64,
    /// Taken while a reset is sent or it is started, so that no reset is sent to a life that began meanwhile.
    taken: AtomicU64,
    signals: AtomicU64,
}
static VICTIMS: [Victim; MAX_CPUS] = [const {
    Victim {
        started: AtomicU64::new(0),
        lives: AtomicU64::new(0),
        inside: AtomicU64::new(0),
        open: AtomicU64::new(0),
        sent: AtomicU64::new(0),
        taken: AtomicU64::new(0),
        signals: AtomicU64::new(0),
    }
}; MAX_CPUS];

pub(super) struct Race<'a> {
    wrong: &'a Wrong,
    platform: &'a Platform,
    start: u32,
    stop: u32,
    query: u32,
}

impl<'a> Race<'a> {
    pub(super) fn new(platform: &'a Platform, wrong: &'a Wrong) -> Result<Self, Fail> {
        let token = |name: &str| {
            let token = platform.rtas_token(name);
            token.ok_or(Fail::Because("the device tree offers calls for processors"))
        };
        for victim in &VICTIMS {
            let all = [&victim.started, &victim.lives, &victim.open, &victim.sent];
            all.iter().for_each(|count| count.store(0, SeqCst));
        }
        Ok(Self {
            wrong,
            platform,
            start: token("start-cpu")?,
            stop: token("stop-self")?,
            query: token("query-cpu-stopped-state")?,
        })
    }

    pub(super) fn any(&self, dice: &mut Dice) -> (usize, &'static Victim) {
        let number = STARTERS + dice.below((self.platform.cpus - STARTERS) as u64) as usize;
        (number, &VICTIMS[number % MAX_CPUS])
    }

    fn state(&self, number: usize) -> u64 {
        let reply = rtas::call(self.query, &[self.platform.servers[number]], 2);
        self.wrong.same(1, reply.status.cast_unsigned(), 0);
        reply.out[0].into()
    }

    pub(super) fn start(&self, number: usize, victim: &Victim) {
        let (entry, r3) = cpu::secondary_start(number);
        let args = [self.platform.servers[number], entry as u32, r3 as u32];
        let status = rtas::call(self.start, &args, 1).status;
        if status != i64::from(Status::Hardware as i32) {
            self.wrong.same(0, status.cast_unsigned(), 0);
        }
        if status == 0 {
            victim.started.fetch_add(1, SeqCst);
        }
    }

    /// Asks for a processor's state: one that lives before and after, and has not begun anew, runs.
    fn look(&self, number: usize, victim: &Victim) {
        let now = || [&victim.lives, &victim.inside].map(|count| count.load(SeqCst));
        let before = now();
        let state = self.state(number);
        if state > 2 {
            self.wrong.not(2, state);
        }
        if before == now() && before[1] == 1 {
            self.wrong.same(3, state, 2);
        }
    }

    pub(super) fn stop(&self) {
        let status = rtas::call(self.stop, &[], 1).status;
        self.wrong.not(5, status.cast_unsigned());
    }

    /// A life of a processor.
    fn live(&self, number: usize) {
        let victim = &VICTIMS[number % MAX_CPUS];
        self.wrong.same(4, victim.inside.swap(1, SeqCst), 0);
        victim.lives.fetch_add(1, SeqCst);
        self.wrong.same(3, self.state(number), 2);
        cpu::spin(cpu::timebase() / 16 % LONGEST);
        victim.inside.store(0, SeqCst);
        self.stop();
    }

    /// A life that a system reset may end.
    fn live_with_resets(&self, number: usize) {
        let victim = &VICTIMS[number % MAX_CPUS];
        let _ = trap::expecting(|| {
            // The hypervisor looks for what is to be delivered.
            let _ = self.state(number);
            cpu::spin(LONGEST / 16);
            let _ = self.state(number);
            self.wrong.same(8, trap::so_far().0, 0);
            let life = victim.lives.fetch_add(1, SeqCst) + 1;
            victim.open.store(life, SeqCst);
            let is_sent = || victim.sent.load(SeqCst) == life;
            let began = cpu::timebase();
            // Every other one waits for it: on a busy host the others are rarely met.
            let patience = [LONGEST, PATIENT][life as usize % 2];
            let patience = cpu::timebase() / 16 % patience;
            while !is_sent() && cpu::timebase() - began < patience {}
            if is_sent() {
                cpu::until(|| trap::so_far().0 > 0);
                self.wrong.same(9, trap::so_far().0, 1);
            }
            victim.open.store(0, SeqCst);
            self.stop();
        });
    }

    fn start_or_signal(&self, dice: &mut Dice) {
        let (number, victim) = self.any(dice);
        if victim.taken.swap(1, SeqCst) != 0 {
            return;
        }
        let life = victim.open.load(SeqCst);
        if life == 0 {
            self.start(number, victim);
        } else if dice.below(4) == 0 && victim.sent.swap(life, SeqCst) != life {
            let server = u64::from(self.platform.servers[number]);
            let status = hcall(token::H_SIGNAL_SYS_RESET, [server]).status;
            self.wrong.same(10, status.cast_unsigned(), 0);
            victim.signals.fetch_add(1, SeqCst);
        }
        victim.taken.store(0, SeqCst);
    }

    /// Waits for the last lives to end; as many were there as were started.
    fn ended(&self) -> [u64; 2] {
        let mut all = [0; 2];
        for number in STARTERS..self.platform.cpus {
            let victim = &VICTIMS[number % MAX_CPUS];
            let count = |count: &AtomicU64| count.load(SeqCst);
            let stopped =
                || count(&victim.lives) == count(&victim.started) && self.state(number) == 0;
            cpu::until(stopped);
            self.wrong
                .same(6, count(&victim.lives), count(&victim.started));
            self.wrong.same(7, self.state(number), 0);
            all[0] += count(&victim.lives);
            all[1] += count(&victim.signals);
        }
        all
    }
}

fn each_start_is_one_life(platform: &Platform) -> Outcome {
    let team = Team::some(platform, STARTERS, STARTERS + 1)?;
    let wrong = Wrong::new(TEXTS);
    let race = Race::new(platform, &wrong)?;
    let [lives, _] = smp::living(&|number| race.live(number), || {
        team.race(&wrong, &|_, dice| {
            let (number, victim) = race.any(dice);
            match dice.below(3) {
                0 => race.look(number, victim),
                _ => race.start(number, victim),
            }
        });
        race.ended()
    });
    team.end()?;
    println!("race: {} lives", lives);
    wrong.outcome()?;
    holds("processors are started", (lives > 2).then_some(()))
}

fn a_reset_comes_in_the_life_that_it_was_sent_to(platform: &Platform) -> Outcome {
    let team = Team::some(platform, STARTERS, STARTERS + 1)?;
    let wrong = Wrong::new(TEXTS);
    let race = Race::new(platform, &wrong)?;
    let [lives, signals] = smp::living(&|number| race.live_with_resets(number), || {
        team.race(&wrong, &|_, dice| race.start_or_signal(dice));
        race.ended()
    });
    team.end()?;
    println!("race: {} lives, {} system resets", lives, signals);
    wrong.outcome()?;
    holds("system resets are sent", (signals > 0).then_some(()))
}
