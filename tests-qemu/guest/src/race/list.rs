//! H_PUT_TCE_INDIRECT while other processors write pages into its list that are not the partition's: what is in the window
//! is what was checked, and a device reaches nothing else.

use super::{SPARE, Team, Wrong, page};
use crate::attack::Dice;
use crate::console::println;
use crate::cpu;
use crate::hcall::{Page, hcall};
use crate::pci::Edu;
use crate::suite::{Outcome, cases, holds, ok};
use crate::tree::{Platform, Window};
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use papr_abi::{HError, token};

cases!("race": lists_change_while_they_are_read);

const ENTRIES: u64 = 512;
/// The pages that lists name, and what is in each word of theirs.
const PAGES: u64 = 1024;
const MARK: u64 = 0x6d61_726b_6d61_726b;
/// The first entries are never without a page, and the device reads by them.
const READABLE: u64 = 16;
/// What the device's buffer has before it reads.
const BLANK: u64 = 0x626c_616e_626c_616e;
/// Where in the window the entries are that lists are for, the blank page, and what the device has read.
const LISTED_AT: u64 = 0x40_0000;
const BLANK_AT: u64 = 0x30_0000;
const READ_AT: u64 = 0x30_1000;

static LIST: Page = Page::new();
static BLANKS: Page = Page::new();
static READ: Page = Page::new();
/// The entries of the window as they were after the last call.
static BEFORE: Page = Page::new();

const TEXTS: &[&str] = &[
    "status of H_PUT_TCE_INDIRECT",
    "status of H_GET_TCE",
    "an entry is one that may be in a list",
    "an entry after a call that was refused",
    "what the device has read",
];

struct Race<'a> {
    wrong: &'a Wrong,
    window: Window,
    foreign: u64,
    done: AtomicU64,
    refused: AtomicU64,
}

fn legal(at: u64, dice: &mut Dice) -> u64 {
    match dice.below(8) {
        0 if at >= READABLE => 0,
        _ => SPARE + 4096 * dice.below(PAGES) | 3,
    }
}

fn is_legal(tce: u64) -> bool {
    tce == 0 || tce & 0xfff == 3 && (SPARE..SPARE + 4096 * PAGES).contains(&(tce & !0xfff))
}

impl Race<'_> {
    /// Sets an entry of the list to a page that is not the partition's, and soon to another of its own.
    fn spoil(&self, dice: &mut Dice) {
        let few = [READABLE, ENTRIES][dice.below(2) as usize];
        let at = dice.below(few);
        let place = at as usize;
        if is_legal(LIST.get(place)) {
            let foreign = [
                self.foreign,
                self.foreign + 4096 * dice.below(4096),
                1 << 40,
            ];
            let foreign = foreign.get(dice.below(3) as usize).copied().unwrap_or(0);
            LIST.set(place, foreign | 3);
            cpu::spin(dice.below(200));
            LIST.set(place, legal(at, dice));
            cpu::spin(dice.below(4000));
        }
    }

    fn put(&self, dice: &mut Dice) {
        let count = match dice.below(4) {
            0 => ENTRIES,
            _ => 1 + dice.below(64),
        };
        let (liobn, from) = (u64::from(self.window.liobn), self.window.base + LISTED_AT);
        let answer = hcall(token::H_PUT_TCE_INDIRECT, [liobn, from, LIST.real(), count]);
        let refused = answer.status == HError::Parameter.code();
        if !refused {
            self.wrong.same(0, answer.status.cast_unsigned(), 0);
        }
        let counter = if refused { &self.refused } else { &self.done };
        counter.fetch_add(1, SeqCst);
        for n in 0..count {
            let answer = hcall(token::H_GET_TCE, [liobn, from + 4096 * n]);
            let (tce, place) = (answer.out[0], n as usize);
            self.wrong.same(1, answer.status.cast_unsigned(), 0);
            if refused {
                self.wrong.same(3, tce, BEFORE.get(place));
            } else if !is_legal(tce) {
                self.wrong.not(2, tce);
            }
            BEFORE.set(place, tce);
        }
    }

    /// Has the device read by one of the entries, and looks at what it has.
    fn read(&self, dice: &mut Dice, device: &Edu) -> Outcome {
        let base = self.window.base;
        device.dma_in(base + BLANK_AT, 4096)?;
        device.dma_in(base + LISTED_AT + 4096 * dice.below(READABLE), 4096)?;
        device.dma_out(base + READ_AT, 4096)?;
        (0..512).for_each(|n| self.wrong.same(4, READ.get(n), MARK));
        Ok(())
    }
}

fn lists_change_while_they_are_read(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    let team = Team::new(platform, 3)?;
    let window = device.function.bridge.window;
    let wrong = Wrong::new(TEXTS);
    let race = Race {
        wrong: &wrong,
        window,
        foreign: platform.memory_end,
        done: AtomicU64::new(0),
        refused: AtomicU64::new(0),
    };
    (0..PAGES).for_each(|n| page(SPARE + 4096 * n).fill(MARK));
    BLANKS.fill(BLANK);
    BEFORE.fill(SPARE | 3);
    LIST.fill(SPARE | 3);
    let liobn = u64::from(window.liobn);
    for (at, tce) in [(BLANK_AT, BLANKS.real() | 1), (READ_AT, READ.real() | 3)] {
        ok(
            "H_PUT_TCE",
            hcall(token::H_PUT_TCE, [liobn, window.base + at, tce]),
        )?;
    }
    let clear = || {
        let all = [liobn, window.base + LISTED_AT, 0, ENTRIES];
        ok("H_STUFF_TCE", hcall(token::H_STUFF_TCE, all))
    };
    let all = [liobn, window.base + LISTED_AT, LIST.real(), ENTRIES];
    ok("H_PUT_TCE_INDIRECT", hcall(token::H_PUT_TCE_INDIRECT, all))?;
    let (reads, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    team.race(&wrong, &|number, dice| match number {
        0 => match race.read(dice, &device) {
            Ok(()) => _ = reads.fetch_add(1, SeqCst),
            Err(_) => _ = failed.fetch_add(1, SeqCst),
        },
        1 => race.put(dice),
        _ => race.spoil(dice),
    });
    clear()?;
    team.end()?;
    let counts = [&race.done, &race.refused, &reads, &failed].map(|count| count.load(SeqCst));
    let [done, refused, reads, failed] = counts;
    println!(
        "race: {} lists taken, {} refused, {} transfers",
        done, refused, reads
    );
    wrong.outcome()?;
    let all = done > 0 && refused > 0 && reads > 0 && failed == 0;
    holds(
        "lists are taken and refused, and transfers end",
        all.then_some(()),
    )
}
