//! H_REGISTER_VPA by all processors, on themselves and on each other, while they wait and run: what is not registered is not
//! written.
//!
//! A trace log lies anywhere in its processor's four pages, a VPA in one half of a page. What is registered nowhere has one
//! pattern in all its words; that is looked at before and after each change.

use super::lives::{self, STARTERS};
use super::{SPARE, Team, Wrong, page};
use crate::attack::Dice;
use crate::console::println;
use crate::cpu::{self, MAX_CPUS};
use crate::hcall::{Answer, hcall};
use crate::suite::{Outcome, cases, holds};
use crate::tree::Platform;
use crate::{mmu, smp, trap};
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use papr_abi::vpa::{DTL_ENABLE, DTL_ENTRY_BYTES, MIN_BYTES, function};
use papr_abi::{HError, token};

cases!("race":
    areas_move_while_they_are_written,
    areas_of_a_processor_that_starts_are_taken_back,
);

const CLEAN: u64 = 0x636c_6561_6e21_2121;
/// Where trace logs lie, those of each processor apart.
const LOGS: u64 = SPARE;
const LOG_BYTES: u64 = 0x4000;
/// Where VPAs and SLB shadows lie, and how far apart.
const AREAS: u64 = SPARE + 0x10_0000;
const AREA_BYTES: u64 = 0x400;
/// The third of a processor's page: its SLB shadow.
const SHADOW: u64 = 2;
/// A processor waits as long, ticks.
const SHORT: u64 = 512;
/// What a VPA that is at no address would have where those of memory's end have theirs: the byte that turns the log on, and
/// the word that counts its entries.
const NOWHERE_ENABLE: u64 = 0xb0;
const NOWHERE_INDEX: u64 = 0x218;

const TEXTS: &[&str] = &[
    "status when a trace log is registered",
    "status when a trace log is taken back",
    "a word that is in no trace log",
    "a word of a trace log that was taken back",
    "status when a VPA is registered",
    "status when a VPA is taken back",
    "a word past a VPA",
    "a word of a VPA that was taken back",
    "a word of an SLB shadow",
    "memory at the place of no VPA",
    "status when an SLB shadow is registered or taken back",
];

/// A processor's trace log: who changes it, where it is, how long.
struct Log {
    taken: AtomicU64,
    at: AtomicU64,
    bytes: AtomicU64,
}
static TRACE: [Log; MAX_CPUS] = [const {
    Log {
        taken: AtomicU64::new(0),
        at: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    }
}; MAX_CPUS];

/// Each word at an address from `from` on for `bytes`.
fn words(from: u64, bytes: u64) -> impl Iterator<Item = (u64, u64)> {
    let addresses = (from..from + bytes).step_by(8);
    addresses.map(|at| (at, page(at & !0xfff).get((at & 0xfff) as usize / 8)))
}
fn set(address: u64, value: u64) {
    page(address & !0xfff).set((address & 0xfff) as usize / 8, value);
}
fn clean(from: u64, bytes: u64) {
    (from..from + bytes)
        .step_by(8)
        .for_each(|at| set(at, CLEAN));
}

struct Race<'a> {
    wrong: &'a Wrong,
    platform: &'a Platform,
    moved: AtomicU64,
    taken_back: AtomicU64,
}

impl<'a> Race<'a> {
    fn new(platform: &'a Platform, wrong: &'a Wrong) -> Self {
        clean(LOGS, LOG_BYTES * MAX_CPUS as u64);
        clean(AREAS, 0x1000 * MAX_CPUS as u64);
        for log in &TRACE {
            for word in [&log.taken, &log.at, &log.bytes] {
                word.store(0, SeqCst);
            }
        }
        Self {
            wrong,
            platform,
            moved: AtomicU64::new(0),
            taken_back: AtomicU64::new(0),
        }
    }

    fn call(&self, function: u64, number: usize, address: u64) -> Answer {
        let server = u64::from(self.platform.servers[number]);
        hcall(token::H_REGISTER_VPA, [function << 45, server, address])
    }

    /// Whether a call was served; otherwise it must have answered `error`.
    fn served(&self, which: usize, answer: &Answer, error: HError) -> bool {
        if answer.status != error.code() {
            self.wrong.same(which, answer.status.cast_unsigned(), 0);
        }
        answer.status == 0
    }

    fn are_clean(&self, which: usize, from: u64, bytes: u64) {
        for (_, word) in words(from, bytes) {
            self.wrong.same(which, word, CLEAN);
        }
    }

    /// Registers a processor's trace log, takes it back, or moves it.
    fn change_log(&self, number: usize, dice: &mut Dice) {
        let log = &TRACE[number % MAX_CPUS];
        if log.taken.swap(1, SeqCst) != 0 {
            return;
        }
        let all = LOGS + LOG_BYTES * number as u64;
        let (at, bytes) = (log.at.load(SeqCst), log.bytes.load(SeqCst));
        for (place, word) in words(all, LOG_BYTES) {
            if !(at..at + bytes).contains(&place) {
                self.wrong.same(2, word, CLEAN);
            }
        }
        let (mut new_at, mut new_bytes) = (0, 0);
        if bytes == 0 || dice.below(2) == 0 {
            let entries = [1, 2, 21, 100][dice.below(4) as usize];
            // Not over the one that is being written.
            let half = if at < all + LOG_BYTES / 2 {
                LOG_BYTES / 2
            } else {
                0
            };
            let room = (LOG_BYTES / 2 - entries * DTL_ENTRY_BYTES) / 128;
            (new_at, new_bytes) = (
                all + half + 128 * dice.below(room),
                entries * DTL_ENTRY_BYTES,
            );
            // Its size, which may be a part of an entry more than whole ones have.
            set(new_at, new_bytes + dice.below(DTL_ENTRY_BYTES));
            let answer = self.call(function::REGISTER_DTL, number, new_at);
            if !self.served(0, &answer, HError::Resource) {
                // There is no VPA, and so no other log.
                set(new_at, CLEAN);
                (new_at, new_bytes) = (0, 0);
            }
        } else {
            let answer = self.call(function::DEREGISTER_DTL, number, 0);
            self.wrong.same(1, answer.status.cast_unsigned(), 0);
            self.taken_back.fetch_add(1, SeqCst);
        }
        clean(at, bytes);
        cpu::spin(dice.below(20_000));
        self.are_clean(3, at, bytes);
        log.at.store(new_at, SeqCst);
        log.bytes.store(new_bytes, SeqCst);
        log.taken.store(0, SeqCst);
    }

    /// Waits until the decrementer ends it, so that there is something to count and to log.
    fn cede() {
        let _ = trap::expecting(|| {
            cpu::set_dec(SHORT);
            let _ = hcall(token::H_CEDE, []);
            cpu::set_ee(0);
        });
    }

    /// Has the calling processor's VPA in one place, then in another, then nowhere.
    fn move_own(&self, number: usize, dice: &mut Dice) {
        let own = AREAS + 0x1000 * number as u64;
        let [first, second] = [own, own + AREA_BYTES];
        for (to, from) in [(first, second), (second, first)] {
            set(to, MIN_BYTES << 16);
            let answer = self.call(function::REGISTER_VPA, number, to);
            self.wrong.same(4, answer.status.cast_unsigned(), 0);
            clean(from, AREA_BYTES);
            set(to + DTL_ENABLE, 7 << 56);
            for _ in 0..=dice.below(3) {
                Self::cede();
                self.are_clean(7, from, AREA_BYTES);
                self.are_clean(6, to + MIN_BYTES, AREA_BYTES - MIN_BYTES);
            }
            self.moved.fetch_add(1, SeqCst);
        }
        let shadow = own + SHADOW * AREA_BYTES;
        set(shadow, 128);
        let answer = self.call(function::REGISTER_SLB_SHADOW, number, shadow);
        self.wrong.same(10, answer.status.cast_unsigned(), 0);
        Self::cede();
        self.are_clean(8, shadow + 8, AREA_BYTES - 8);
        let answer = self.call(function::DEREGISTER_SLB_SHADOW, number, 0);
        self.wrong.same(10, answer.status.cast_unsigned(), 0);
        let answer = self.call(function::DEREGISTER_VPA, number, 0);
        if self.served(5, &answer, HError::Resource) {
            clean(second, AREA_BYTES);
            Self::cede();
            self.are_clean(7, own, 2 * AREA_BYTES);
        }
        self.wrong.same(9, mmu::load(NOWHERE_INDEX, 1), 0);
    }

    /// Registers the VPA of one that starts and stops all the time, and takes it back.
    fn lend(&self, number: usize, dice: &mut Dice) {
        let at = AREAS + 0x1000 * number as u64;
        set(at, MIN_BYTES << 16);
        let answer = self.call(function::REGISTER_VPA, number, at);
        if !self.served(4, &answer, HError::State) {
            return;
        }
        self.moved.fetch_add(1, SeqCst);
        cpu::spin(dice.below(20_000));
        self.are_clean(6, at + MIN_BYTES, AREA_BYTES - MIN_BYTES);
        let taken_back = cpu::until(|| {
            let answer = self.call(function::DEREGISTER_VPA, number, 0);
            self.served(5, &answer, HError::State) || self.wrong.is_any()
        });
        if taken_back {
            clean(at, AREA_BYTES);
            cpu::spin(dice.below(40_000));
            self.are_clean(7, at, AREA_BYTES);
            self.taken_back.fetch_add(1, SeqCst);
        }
    }

    fn finish(&self) -> Outcome {
        let [moved, taken_back] = [&self.moved, &self.taken_back].map(|n| n.load(SeqCst));
        println!(
            "race: VPAs moved {} times, areas taken back {} times",
            moved, taken_back
        );
        self.wrong.outcome()?;
        let all = moved > 0 && taken_back > 0;
        holds("areas move and are taken back", all.then_some(()))
    }
}

fn areas_move_while_they_are_written(platform: &Platform) -> Outcome {
    let team = Team::new(platform, 2)?;
    let wrong = Wrong::new(TEXTS);
    let race = Race::new(platform, &wrong);
    mmu::store(NOWHERE_ENABLE, 7);
    mmu::store(NOWHERE_INDEX, 0);
    team.race(&wrong, &|number, dice| {
        if dice.below(4) == 0 {
            race.move_own(number, dice);
        } else {
            race.change_log(dice.below(platform.cpus as u64) as usize, dice);
        }
    });
    mmu::store(NOWHERE_ENABLE, 0);
    smp::together(platform.cpus, &|number| {
        for function in [function::DEREGISTER_DTL, function::DEREGISTER_VPA] {
            let _ = race.call(function, number, 0);
        }
    });
    team.end()?;
    race.finish()
}

fn areas_of_a_processor_that_starts_are_taken_back(platform: &Platform) -> Outcome {
    let team = Team::some(platform, STARTERS, STARTERS + 1)?;
    let wrong = Wrong::new(TEXTS);
    let race = Race::new(platform, &wrong);
    let others = Wrong::new(lives::TEXTS);
    let lives = lives::Race::new(platform, &others)?;
    smp::living(&|_| lives.stop(), || {
        team.race(&wrong, &|number, dice| {
            let (victim, counts) = lives.any(dice);
            match number {
                0 => race.lend(victim, dice),
                _ => lives.start(victim, counts),
            }
        });
        for victim in STARTERS..platform.cpus {
            cpu::until(|| smp::state(platform, victim) == Some(0));
            let _ = race.call(function::DEREGISTER_VPA, victim, 0);
        }
    });
    team.end()?;
    others.outcome()?;
    race.finish()
}
