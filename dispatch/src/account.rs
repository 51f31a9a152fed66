//! A partition's account: the credit that it earns by being entitled and pays for having threads.
//!
//! Credit is counted in ticks times hundredths of a processor: a tick of a thread costs
//! [`HUNDREDTHS`], and an entitlement of `e` earns `e` a tick. It can be negative, as an hcall or a slow
//! host may keep a thread longer than it was given.

use crate::share::{HUNDREDTHS, Share, Timing};

/// Of the extra time that a partition has had, a tick at weight 1.
const EXTRA_UNIT: u64 = 1 << 8;
/// How many windows of debt are remembered.
const DEBT_WINDOWS: u64 = 10;

/// A partition's account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) share: Share,
    credit: i64,
    /// When it was last brought up to date.
    at: u64,
    /// Ticks that it has lacked the credit to be dispatched.
    short: u64,
    /// What it has had besides its entitlement, divided by its weight.
    pub(crate) extra: u64,
    /// How many of its virtual processors wait for a thread.
    pub(crate) ready: u32,
}

/// Returns what `ticks` of a thread cost.
fn price(ticks: u64) -> i64 {
    i64::try_from(ticks.saturating_mul(HUNDREDTHS.into())).unwrap_or(i64::MAX)
}

impl Account {
    /// Opens the account, half full.
    pub(crate) fn new(share: Share, timing: &Timing, now: u64) -> Self {
        let mut account = Self {
            share,
            credit: 0,
            at: now,
            short: 0,
            extra: 0,
            ready: 0,
        };
        account.credit = account.most(timing) / 2;
        account
    }

    fn rate(&self) -> u64 {
        self.share.entitlement.max(1).into()
    }

    fn windows(&self, count: u64, timing: &Timing) -> i64 {
        let ticks = timing.window.saturating_mul(count);
        i64::try_from(ticks.saturating_mul(self.rate())).unwrap_or(i64::MAX)
    }

    /// The most credit that it keeps.
    fn most(&self, timing: &Timing) -> i64 {
        self.windows(timing.kept_windows, timing)
    }

    /// The credit with which one may be dispatched: that for a whole slice. With less, whoever asked when it was scarce
    /// would run in pieces, and the others in slices.
    fn needed(&self, timing: &Timing) -> i64 {
        price(self.slice(timing))
    }

    /// Ticks from its last date until it has the credit to be dispatched; 0 if it has.
    fn recovery(&self, timing: &Timing) -> u64 {
        let missing = self.needed(timing).saturating_sub(self.credit);
        u64::try_from(missing).unwrap_or(0).div_ceil(self.rate())
    }

    /// Brings it up to `now`. Times before its date count as its date.
    pub(crate) fn accrue(&mut self, timing: &Timing, now: u64) {
        let elapsed = now.saturating_sub(self.at);
        self.short = self
            .short
            .saturating_add(elapsed.min(self.recovery(timing)));
        let earned = i64::try_from(elapsed.saturating_mul(self.rate())).unwrap_or(i64::MAX);
        self.credit = self.credit.saturating_add(earned).min(self.most(timing));
        self.at = self.at.max(now);
    }

    /// Whether it has the credit to be dispatched.
    pub(crate) fn is_entitled(&self, timing: &Timing) -> bool {
        self.credit >= self.needed(timing)
    }

    /// When it will have it, were it to spend nothing.
    pub(crate) fn entitled_at(&self, timing: &Timing) -> u64 {
        self.at.saturating_add(self.recovery(timing))
    }

    /// The time that it is owed, ticks: how long its entitlement has not been had. Negative when it has
    /// had more.
    pub(crate) fn owed(&self) -> i64 {
        self.credit / i64::from(self.share.entitlement.max(1))
    }

    /// Ticks that it has lacked the credit to be dispatched, up to its date.
    pub(crate) fn short(&self) -> u64 {
        self.short
    }

    /// How long one of its virtual processors is given a thread for.
    pub(crate) fn slice(&self, timing: &Timing) -> u64 {
        // Its part of a window, in equal parts for its virtual processors.
        let part = timing.window.saturating_mul(self.rate())
            / u64::from(HUNDREDTHS)
            / u64::from(self.share.vcpus.max(1));
        part.clamp(timing.least_slice, timing.most_slice)
    }

    /// Sets aside what `ticks` cost; returns it.
    pub(crate) fn reserve(&mut self, ticks: u64) -> i64 {
        let reserved = price(ticks);
        self.credit = self.credit.saturating_sub(reserved);
        reserved
    }

    /// Pays for `ticks`, of which `reserved` was set aside.
    pub(crate) fn pay(&mut self, timing: &Timing, reserved: i64, ticks: u64) {
        let left = reserved.saturating_sub(price(ticks));
        let (least, most) = (self.windows(DEBT_WINDOWS, timing), self.most(timing));
        self.credit = self.credit.saturating_add(left).clamp(-least, most);
    }

    /// Notes `ticks` that it had besides its entitlement.
    pub(crate) fn note_extra(&mut self, ticks: u64) {
        let weight = u64::from(self.share.weight.max(1));
        let part = ticks.saturating_mul(EXTRA_UNIT) / weight;
        self.extra = self.extra.saturating_add(part);
    }

    /// What a window of extra time counts for at an ordinary weight: how far one may lag behind others.
    pub(crate) fn extra_lag(timing: &Timing) -> u64 {
        timing.window.saturating_mul(EXTRA_UNIT) / 128
    }
}
