//! H_ENTER, H_REMOVE, H_BULK_REMOVE, H_PROTECT, H_READ, H_CLEAR_REF and H_CLEAR_MOD by all processors on one group of the page
//! table.
//!
//! Each entry has a name, which says both its virtual page and its page of memory, and is entered again only when it was
//! removed. Who enters one counts its name up, who removes one counts it down: so an entry that two removed, or that two
//! entered in one slot, is out by one in the end.

use super::{SPARE, Team, Wrong};
use crate::attack::Dice;
use crate::console::println;
use crate::hcall::{Answer, hcall};
use crate::suite::{Outcome, cases, holds};
use crate::tree::Platform;
use core::sync::atomic::{AtomicI8, AtomicU64, Ordering::SeqCst};
use papr_abi::hpte::{bulk, flag, r, v};
use papr_abi::{HError, token};

cases!("race": one_group_of_the_page_table);

/// The group's first slot: nothing else uses it.
const GROUP: u64 = 8 * 0x155;
/// Names that each processor has.
const OWN: u64 = 2048;
const NAMES: usize = 4 * OWN as usize;
/// The bits of the first doubleword that are the same for all.
const HIGH: u64 = 0x0012_3400_0000_0000 | v::VALID;

/// How often each was entered more than removed: 0 or 1 once nobody is at it.
static COUNTS: [AtomicI8; NAMES] = [const { AtomicI8::new(0) }; NAMES];

const TEXTS: &[&str] = &[
    "status of H_ENTER",
    "slot of H_ENTER",
    "status of H_REMOVE",
    "first doubleword",
    "page of an entry (its first doubleword says another)",
    "H_REMOVE removes what it was asked for",
    "status of H_READ",
    "status of H_PROTECT, H_CLEAR_REF or H_CLEAR_MOD",
    "page of an entry whose R or C was cleared",
    "response of H_BULK_REMOVE",
    "an entry is in the table as often as it was entered and not removed",
];

fn high(name: u64) -> u64 {
    HIGH | name << 12
}
fn name_of(v: u64) -> u64 {
    v >> 12 & (NAMES as u64 - 1)
}
fn low(name: u64) -> u64 {
    SPARE + 4096 * name | r::M
}
fn count(name: u64) -> &'static AtomicI8 {
    &COUNTS[name as usize % NAMES]
}

struct Race<'a> {
    wrong: &'a Wrong,
    entered: AtomicU64,
    removed: AtomicU64,
    full: AtomicU64,
}

impl Race<'_> {
    /// Checks the two halves of a valid entry; its name.
    fn whole(&self, first: u64, second: u64) -> u64 {
        let name = name_of(first);
        self.wrong.same(3, first & !v::HV_SOFTWARE, high(name));
        self.wrong.same(4, second & r::RPN, SPARE + 4096 * name);
        name
    }

    /// Whether a call was served; otherwise it answered that the entry is not there.
    fn served(&self, which: usize, answer: &Answer) -> bool {
        if answer.status != HError::NotFound.code() {
            self.wrong.same(which, answer.status.cast_unsigned(), 0);
        }
        answer.status == 0
    }

    fn enter(&self, number: usize, dice: &mut Dice) {
        let name = OWN * number as u64 + dice.below(OWN);
        if count(name).load(SeqCst) != 0 {
            return;
        }
        let slot = GROUP + dice.below(8);
        let flags = if dice.below(2) == 0 { flag::EXACT } else { 0 };
        let bits = (r::R | r::C) * dice.below(2) | dice.below(4);
        let answer = hcall(token::H_ENTER, [flags, slot, high(name), low(name) | bits]);
        if answer.status == HError::PtegFull.code() {
            self.full.fetch_add(1, SeqCst);
            return;
        }
        self.wrong.same(0, answer.status.cast_unsigned(), 0);
        let place = answer.out[0];
        if flags == 0 {
            self.wrong.same(1, place & !7, GROUP);
        } else {
            self.wrong.same(1, place, slot);
        }
        count(name).fetch_add(1, SeqCst);
        self.entered.fetch_add(1, SeqCst);
    }

    /// The name of the entry in `slot`, if there is one.
    fn read(&self, slot: u64) -> Option<u64> {
        let answer = hcall(token::H_READ, [0, slot]);
        self.wrong.same(6, answer.status.cast_unsigned(), 0);
        let [first, second, ..] = answer.out;
        (first & v::VALID != 0).then(|| self.whole(first, second))
    }

    fn read_four(&self, slot: u64) {
        let answer = hcall(token::H_READ, [flag::READ_4, slot]);
        self.wrong.same(6, answer.status.cast_unsigned(), 0);
        for [first, second] in answer.out.as_chunks::<2>().0 {
            if first & v::VALID != 0 {
                self.whole(*first, *second);
            }
        }
    }

    fn counted_down(&self, name: u64) {
        count(name).fetch_sub(1, SeqCst);
        self.removed.fetch_add(1, SeqCst);
    }

    fn remove(&self, slot: u64, asked: Option<u64>) {
        let (flags, avpn) = asked.map_or((0, 0), |name| (flag::AVPN, high(name) & v::AVPN));
        let answer = hcall(token::H_REMOVE, [flags, slot, avpn]);
        if self.served(2, &answer) {
            let name = self.whole(answer.out[0], answer.out[1]);
            if let Some(asked) = asked {
                self.wrong.same(5, name, asked);
            }
            self.counted_down(name);
        }
    }

    /// Removes what is in the four slots from `first` on, if it is there still.
    fn remove_four(&self, first: u64) {
        let mut requests = [bulk::END; 9];
        let mut names = [0; 4];
        let mut used = 0;
        for slot in first..first + 4 {
            let Some(name) = self.read(slot) else {
                continue;
            };
            names[used] = name;
            requests[2 * used] = bulk::REQUEST | bulk::AVPN | slot;
            requests[2 * used + 1] = high(name) & v::AVPN;
            used += 1;
        }
        let answer = hcall(token::H_BULK_REMOVE, requests);
        self.wrong.same(9, answer.status.cast_unsigned(), 0);
        for (name, [response, _]) in names.iter().zip(answer.out.as_chunks::<2>().0).take(used) {
            match response & (bulk::TYPE | bulk::HARDWARE) {
                done if done == bulk::RESPONSE | bulk::SUCCESS => self.counted_down(*name),
                gone if gone == bulk::RESPONSE | bulk::NOT_FOUND => {}
                other => self.wrong.not(9, other),
            }
        }
    }

    fn protect(&self, slot: u64, dice: &mut Dice) {
        if let Some(name) = self.read(slot) {
            let flags = flag::AVPN | dice.below(4);
            let answer = hcall(token::H_PROTECT, [flags, slot, high(name) & v::AVPN]);
            self.served(7, &answer);
        }
    }

    fn clear(&self, token: u64, slot: u64) {
        let answer = hcall(token, [0, slot]);
        if self.served(7, &answer) {
            let at = answer.out[0] & r::RPN;
            if !(SPARE..SPARE + 4096 * NAMES as u64).contains(&at) {
                self.wrong.not(8, at);
            }
        }
    }

    fn one(&self, number: usize, dice: &mut Dice) {
        let slot = GROUP + dice.below(8);
        match dice.below(10) {
            0..=3 => self.enter(number, dice),
            4 => self.remove(slot, None),
            5 => {
                let asked = self.read(slot);
                self.remove(slot, asked);
            }
            6 => self.remove_four(slot & !3),
            7 => self.protect(slot, dice),
            8 => self.clear(
                [token::H_CLEAR_REF, token::H_CLEAR_MOD][dice.below(2) as usize],
                slot,
            ),
            _ => self.read_four(slot),
        }
    }
}

fn one_group_of_the_page_table(platform: &Platform) -> Outcome {
    let team = Team::new(platform, 2)?;
    for slot in GROUP..GROUP + 8 {
        let _ = hcall(token::H_REMOVE, [0, slot, 0]);
    }
    let wrong = Wrong::new(TEXTS);
    let race = Race {
        wrong: &wrong,
        entered: AtomicU64::new(0),
        removed: AtomicU64::new(0),
        full: AtomicU64::new(0),
    };
    team.race(&wrong, &|number, dice| race.one(number, dice));
    for slot in GROUP..GROUP + 8 {
        race.remove(slot, None);
    }
    for name in 0..NAMES as u64 {
        let left = i64::from(count(name).load(SeqCst));
        wrong.same(10, left.cast_unsigned(), 0);
    }
    team.end()?;
    let counts = [&race.entered, &race.removed, &race.full].map(|count| count.load(SeqCst));
    let [entered, removed, full] = counts;
    println!(
        "race: {} entered, {} removed, {} times full",
        entered, removed, full
    );
    wrong.outcome()?;
    holds(
        "entries are entered, and the group gets full",
        (entered > 8 && full > 0).then_some(()),
    )
}
