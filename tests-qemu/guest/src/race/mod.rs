//! `mode=race`: all processors at once at one object of the hypervisor's, by calls that are allowed; and what must hold
//! whatever their order is checked.
//!
//! A race lasts as long as `ms=N` says. Whatever does not hold ends it and is told ([`Wrong`]). [`list`] is about lists that
//! change while they are read, [`group`] about one group of the page table, [`messages`] about a function's, [`lives`] about
//! processors that start and stop, [`areas`] about what the hypervisor writes for them.
#![expect(
    unsafe_code,
    reason = "pages past the payload's own are reached by address"
)]

mod areas;
mod group;
mod list;
mod lives;
mod messages;

use crate::attack::Dice;
use crate::cpu::{self, TICKS_PER_MS};
use crate::hcall::Page;
use crate::smp;
use crate::suite::{Case, Fail, Outcome};
use crate::tree::Platform;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

/// Every race.
pub(crate) const TABLES: &[&[Case]] = &[
    list::CASES,
    group::CASES,
    messages::CASES,
    lives::CASES,
    areas::CASES,
];

/// Memory from here on is nobody's: the payload is below. The partition has 64 MiB.
const SPARE: u64 = 16 << 20;

/// The page at `address`, which is a multiple of 4096 from [`SPARE`] to below 60 MiB.
fn page(address: u64) -> &'static Page {
    let pointer = core::ptr::with_exposed_provenance::<Page>(address as usize);
    // SAFETY: a page is made of atomics; the memory is the partition's and nothing else's.
    unsafe { &*pointer }
}

/// What did not hold, if anything: the first alone is kept.
struct Wrong {
    texts: &'static [&'static str],
    which: AtomicUsize,
    got: AtomicU64,
    want: AtomicU64,
}

impl Wrong {
    /// Nothing yet; `texts` say what must hold.
    const fn new(texts: &'static [&'static str]) -> Self {
        Self {
            texts,
            which: AtomicUsize::new(usize::MAX),
            got: AtomicU64::new(0),
            want: AtomicU64::new(0),
        }
    }
    /// Checks that two numbers are the same: text `which` says of what.
    fn same(&self, which: usize, got: u64, want: u64) {
        let is_first = || {
            self.which
                .compare_exchange(usize::MAX, which, SeqCst, SeqCst)
                .is_ok()
        };
        if got != want && is_first() {
            self.got.store(got, SeqCst);
            self.want.store(want, SeqCst);
        }
    }
    /// Notes that `got` is none of what it may be.
    fn not(&self, which: usize, got: u64) {
        self.same(which, got, !got);
    }
    fn is_any(&self) -> bool {
        self.which.load(SeqCst) != usize::MAX
    }
    fn outcome(&self) -> Outcome {
        match self.texts.get(self.which.load(SeqCst)) {
            None => Ok(()),
            Some(what) => Err(Fail::Differs {
                what,
                got: self.got.load(SeqCst),
                want: self.want.load(SeqCst),
            }),
        }
    }
}

/// Processors of the partition, at work together.
struct Team<'a> {
    platform: &'a Platform,
    cpus: usize,
}

impl<'a> Team<'a> {
    /// Starts them all, which must be `least` at least.
    fn new(platform: &'a Platform, least: usize) -> Result<Self, Fail> {
        Self::some(platform, platform.cpus, least)
    }
    /// Starts `cpus` of them, of which there must be `least` at least.
    fn some(platform: &'a Platform, cpus: usize, least: usize) -> Result<Self, Fail> {
        if platform.cpus < least {
            return Err(Fail::Skip("too few processors"));
        }
        (1..cpus).try_for_each(|number| smp::start(platform, number))?;
        Ok(Self { platform, cpus })
    }
    /// Has each do `work`, which is given the processor's number and numbers by chance, again and again for as long as a race
    /// lasts, or until something is wrong.
    fn race(&self, wrong: &Wrong, work: &(dyn Fn(usize, &mut Dice) + Sync)) {
        self.race_for(self.platform.options.milliseconds, wrong, work);
    }
    /// As [`Team::race`], for `milliseconds`.
    fn race_for(&self, milliseconds: u64, wrong: &Wrong, work: &(dyn Fn(usize, &mut Dice) + Sync)) {
        let end = cpu::timebase() + milliseconds * TICKS_PER_MS;
        smp::together(self.cpus, &|number| {
            let mut dice = Dice::new(cpu::timebase() << 8 | number as u64);
            while cpu::timebase() < end && !wrong.is_any() {
                work(number, &mut dice);
            }
        });
    }
    /// Stops all but the one that asks.
    fn end(self) -> Outcome {
        (1..self.cpus).try_for_each(|number| smp::stop(self.platform, number))
    }
}
