//! ibm,change-msi by all processors on one function, whose interrupts arrive meanwhile.

use super::{Team, Wrong};
use crate::attack::Dice;
use crate::cases::msi::{enable, one_message, pending, release, route};
use crate::cases::xics::{eoi, quiet, xirr};
use crate::console::println;
use crate::pci::{Edu, edu};
use crate::suite::{Fail, Outcome, cases, holds};
use crate::tree::Platform;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

cases!("race": messages_are_given_and_taken_back);

/// How often all pause, for what must hold then to be checked.
const ROUNDS: u64 = 8;
const PRIORITY: u32 = 5;
/// How long is waited for an interrupt that must not come.
const NONE_MS: u64 = 4;

const TEXTS: &[&str] = &[
    "status of ibm,change-msi",
    "messages that ibm,change-msi says there are",
    "a source number that is the function's",
    "an interrupt has a number of the function's",
    "an interrupt after the messages were taken back",
    "an interrupt of a message that nobody switched on",
    "the interrupt of a message that was given and switched on",
    "the function's interrupt once it has no messages",
];

struct Race<'a> {
    wrong: &'a Wrong,
    platform: &'a Platform,
    device: Edu,
    /// Its numbers: of the message, and of the line that it has without messages.
    message: u64,
    line: u64,
    arrived: AtomicU64,
    given: AtomicU64,
    taken: AtomicU64,
}

impl Race<'_> {
    /// ibm,change-msi; how many messages it says there are.
    fn change(&self, function: u32, count: u32) -> Result<u32, Fail> {
        let reply = self
            .device
            .function
            .change_msi(self.platform, function, count)?;
        self.wrong.same(0, reply.status.cast_unsigned(), 0);
        if reply.out[0] > 1 {
            self.wrong.not(1, reply.out[0].into());
        }
        Ok(reply.out[0])
    }

    fn storm(&self, dice: &mut Dice) -> Outcome {
        match dice.below(6) {
            0 | 1 => {
                self.change(3, 0)?;
                self.taken.fetch_add(1, SeqCst);
            }
            2 => _ = self.change(2, 0)?,
            3 => {
                let source = self.device.function.source(self.platform, 0)?;
                if source.status == 0 {
                    self.own(2, source.out[0].into());
                }
            }
            _ => {
                self.change(3, 1 << dice.below(6))?;
                self.given.fetch_add(1, SeqCst);
            }
        }
        Ok(())
    }

    fn own(&self, which: usize, number: u64) {
        if number != self.message && number != self.line {
            self.wrong.not(which, number);
        }
    }

    /// Ends the interrupt `word`, if it is one.
    fn end(&self, word: u64) -> Outcome {
        if word & 0xff_ffff == 0 {
            return Ok(());
        }
        self.own(3, word & 0xff_ffff);
        self.arrived.fetch_add(1, SeqCst);
        eoi(word)
    }

    /// Has the device interrupt, whatever it does that by just now.
    fn interrupt(&self) -> Outcome {
        route(self.platform, self.message as u32, PRIORITY)?;
        enable(self.platform, &self.device, 1)?;
        self.device.store(edu::IRQ_RAISE, 1)?;
        for _ in 0..8 {
            self.end(xirr()?)?;
        }
        self.device.store(edu::IRQ_ACK, 1)
    }

    /// What must hold when nobody else is at it.
    fn at_rest(&self) -> Outcome {
        let (platform, device) = (self.platform, &self.device);
        self.wrong.same(1, self.change(3, 0)?.into(), 0);
        // What was on its way.
        self.end(pending(NONE_MS)?)?;
        self.wrong.same(1, self.change(0, 0)?.into(), 0);
        let source = device.function.source(platform, 0)?;
        self.wrong.same(7, source.out[0].into(), self.line);
        enable(platform, device, 1)?;
        device.store(edu::IRQ_RAISE, 1)?;
        self.wrong.same(4, pending(NONE_MS)? & 0xff_ffff, 0);
        device.store(edu::IRQ_ACK, 1)?;
        // Nothing of what others routed and switched on is left of the source.
        self.wrong.same(1, self.change(3, 1)?.into(), 1);
        enable(platform, device, 1)?;
        device.store(edu::IRQ_RAISE, 1)?;
        self.wrong.same(5, pending(NONE_MS)? & 0xff_ffff, 0);
        device.store(edu::IRQ_ACK, 1)?;
        release(platform, device)?;
        one_message(platform, device)?;
        device.store(edu::IRQ_RAISE, 1)?;
        let word = pending(crate::cases::msi::PATIENCE_MS)?;
        device.store(edu::IRQ_ACK, 1)?;
        self.wrong.same(6, word & 0xff_ffff, self.message);
        self.end(word)?;
        release(platform, device)
    }
}

fn messages_are_given_and_taken_back(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    let team = Team::new(platform, 2)?;
    quiet(platform)?;
    let line = device.function.source(platform, 0)?.out[0];
    let message = one_message(platform, &device)?;
    release(platform, &device)?;
    let wrong = Wrong::new(TEXTS);
    let race = Race {
        wrong: &wrong,
        platform,
        device,
        message: message.into(),
        line: line.into(),
        arrived: AtomicU64::new(0),
        given: AtomicU64::new(0),
        taken: AtomicU64::new(0),
    };
    let failed = AtomicU64::new(0);
    let mut at_rest = Ok(());
    for _ in 0..ROUNDS {
        let milliseconds = platform.options.milliseconds / ROUNDS;
        team.race_for(milliseconds, &wrong, &|number, dice| {
            let done = match number {
                0 => race.interrupt(),
                _ => race.storm(dice),
            };
            failed.fetch_add(done.is_err().into(), SeqCst);
        });
        if at_rest.is_ok() && !wrong.is_any() {
            at_rest = race.at_rest();
        }
    }
    release(platform, &device)?;
    team.end()?;
    let counts = [&race.given, &race.taken, &race.arrived, &failed].map(|n| n.load(SeqCst));
    let [given, taken, arrived, failed] = counts;
    println!(
        "race: messages given {} times, taken {}; {} interrupts",
        given, taken, arrived
    );
    wrong.outcome()?;
    at_rest?;
    let all = given > 0 && taken > 0 && arrived >= ROUNDS && failed == 0;
    holds(
        "messages are given and taken, and interrupts arrive",
        all.then_some(()),
    )
}
