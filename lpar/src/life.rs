//! The stages of a partition's life: [`Life`]. Nobody waits in it: whoever finds that a stage is complete does what
//! follows.

use core::sync::atomic::Ordering::{Relaxed, SeqCst};
#[cfg(not(feature = "loom"))]
use core::sync::atomic::{AtomicU8, AtomicU32, fence};
#[cfg(feature = "loom")]
use loom::sync::atomic::{AtomicU8, AtomicU32, fence};

/// How a life ends, or the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The partition begins anew.
    Restart,
    /// It is off: it asked for that itself.
    PowerOff,
    /// It is off: somebody else asked for that, or it has crashed.
    Stop,
    /// It was off, and begins anew.
    Start,
    /// It was off and stays so, but for a function of its that goes to another.
    HandOver,
}

impl End {
    const ALL: [Self; 5] = [
        Self::Restart,
        Self::PowerOff,
        Self::Stop,
        Self::Start,
        Self::HandOver,
    ];

    const fn code(self) -> u8 {
        FIRST_END.saturating_add(self as u8)
    }

    fn of(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.code() == code)
    }

    /// What it is while one looks whether this can be done. It shows as it did before.
    const fn claimed(self) -> u8 {
        match self {
            Self::Restart | Self::PowerOff | Self::Stop => ENDING,
            Self::Start => PREPARING,
            Self::HandOver => HELD,
        }
    }
}

/// Where a partition is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// One thread takes back what a former life set up, or loads it.
    Preparing,
    /// Its processors may run.
    Running,
    /// Its processors are to stop; or have, and what the life set up is taken back.
    Ending,
    /// None runs, until it is started.
    Off,
    /// The same, while what it owns is changed: it cannot be started.
    Held,
}

const PREPARING: u8 = 0;
const RUNNING: u8 = 1;
const ASKING: u8 = 2;
const OFF: u8 = 3;
const HELD: u8 = 4;
/// One looks whether all processors have stopped, or takes back what the life set up.
const ENDING: u8 = 5;
/// From here on: all processors were asked to stop, and then it ends so.
const FIRST_END: u8 = 6;

/// The stage of a partition, and which of its lives it is in.
#[derive(Debug)]
pub struct Life {
    stage: AtomicU8,
    number: AtomicU32,
}

impl Life {
    /// Makes one that is [`Stage::Preparing`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            stage: AtomicU8::new(PREPARING),
            number: AtomicU32::new(1),
        }
    }

    /// Returns the stage.
    #[must_use]
    pub fn stage(&self) -> Stage {
        let code = self.stage.load(SeqCst);
        match End::of(code).map_or(code, End::claimed) {
            PREPARING => Stage::Preparing,
            RUNNING => Stage::Running,
            OFF => Stage::Off,
            HELD => Stage::Held,
            _ => Stage::Ending,
        }
    }

    /// Returns whether its processors may run; those that do must stop when not.
    #[must_use]
    #[inline]
    pub fn runs(&self) -> bool {
        self.stage.load(SeqCst) == RUNNING
    }

    /// Returns which of its lives it is in, from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number.load(SeqCst)
    }

    /// Begins to end it: the caller then asks all processors to stop, and says so by [`Life::asked`]. No processor that
    /// is started from now on runs.
    ///
    /// # Errors
    /// The stage, when it does not run.
    pub fn end(&self) -> Result<(), Stage> {
        self.change(RUNNING, ASKING)
    }

    /// Says that all processors were asked to stop, after [`Life::end`] has succeeded. The caller or a processor that
    /// stops calls [`Life::conclude`] after that.
    pub fn asked(&self, end: End) {
        self.stage.store(end.code(), SeqCst);
    }

    /// Has it begin anew; somebody calls [`Life::conclude`] after that.
    ///
    /// # Errors
    /// The stage, when it is not off.
    pub fn start(&self) -> Result<(), Stage> {
        self.change(OFF, End::Start.code())
    }

    /// Keeps it off, as [`Stage::Held`], until [`Life::leave_off`]: what it owns is being changed. By
    /// [`Life::asked`] one of its threads can be had do that.
    ///
    /// # Errors
    /// The stage, when it is not off.
    pub fn hold(&self) -> Result<(), Stage> {
        self.change(OFF, HELD)
    }

    /// Returns how it ends, to one of those who ask after all processors have stopped, which `stopped` tells: that one
    /// takes back what the life set up. Then it is [`Stage::Preparing`] if it begins anew, [`Stage::Ending`] if it will be
    /// off, and [`Stage::Held`] if it stays so.
    pub fn conclude(&self, stopped: impl Fn() -> bool) -> Option<End> {
        // The caller's processor may have stopped right now; the other side of this is below.
        fence(SeqCst);
        loop {
            let code = self.stage.load(SeqCst);
            let end = End::of(code)?;
            // First claimed, then looked at: what was seen before might be of another life.
            self.change(code, end.claimed()).ok()?;
            if stopped() {
                if end != End::HandOver {
                    self.number.fetch_add(1, SeqCst);
                }
                if end == End::Restart {
                    self.stage.store(PREPARING, SeqCst);
                }
                return Some(end);
            }
            self.stage.store(code, SeqCst);
            fence(SeqCst);
            // The last processor may have stopped meanwhile and found it claimed. Each round takes one that stops.
            if !stopped() {
                return None;
            }
        }
    }

    /// Lets its processors run, after [`Stage::Preparing`].
    pub fn begin(&self) {
        self.stage.store(RUNNING, SeqCst);
    }

    /// Leaves it off, after [`Life::conclude`], [`Life::hold`], or [`Stage::Preparing`] in vain.
    pub fn leave_off(&self) {
        self.stage.store(OFF, SeqCst);
    }

    fn change(&self, from: u8, to: u8) -> Result<(), Stage> {
        self.stage
            .compare_exchange(from, to, SeqCst, Relaxed)
            .map(drop)
            .map_err(|_| self.stage())
    }
}

impl Default for Life {
    fn default() -> Self {
        Self::new()
    }
}

/// Processors that stop at once, in every order that the memory model allows.
#[cfg(all(test, feature = "loom"))]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicBool;
    use loom::thread;

    struct Ended {
        life: Life,
        stopped: [AtomicBool; 2],
        concluded: AtomicU32,
    }

    impl Ended {
        fn stop(&self, processor: usize) {
            self.stopped[processor].store(true, SeqCst);
            self.conclude();
        }

        fn conclude(&self) {
            let all = || self.stopped.iter().all(|one| one.load(SeqCst));
            if self.life.conclude(all).is_some() {
                self.concluded.fetch_add(1, SeqCst);
            }
        }
    }

    /// Two processors, and who ends the life: all three look whether it is over, and one must find that it is.
    #[test]
    fn exactly_one_concludes() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let ended = Arc::new(Ended {
                life: Life::new(),
                stopped: [false; 2].map(AtomicBool::new),
                concluded: AtomicU32::new(0),
            });
            ended.life.begin();
            ended.life.end().unwrap();
            let processors = [0, 1].map(|processor| {
                let ended = Arc::clone(&ended);
                thread::spawn(move || ended.stop(processor))
            });
            ended.life.asked(End::Restart);
            ended.conclude();
            for processor in processors {
                processor.join().unwrap();
            }
            assert_eq!(ended.concluded.load(SeqCst), 1);
            assert_eq!(ended.life.number(), 2);
        });
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicBool;

    fn running() -> Life {
        let life = Life::new();
        life.begin();
        life
    }

    #[test]
    fn a_life_ends_once_all_were_asked_and_have_stopped() {
        let life = running();
        assert!(life.runs());
        assert_eq!(life.conclude(|| true), None);
        assert_eq!(life.end(), Ok(()));
        assert!(!life.runs());
        assert_eq!(life.conclude(|| true), None, "not all were asked");
        life.asked(End::Restart);
        assert_eq!(life.conclude(|| false), None);
        assert_eq!((life.stage(), life.number()), (Stage::Ending, 1));
        assert_eq!(life.conclude(|| true), Some(End::Restart));
        assert_eq!((life.stage(), life.number()), (Stage::Preparing, 2));
        assert_eq!(life.conclude(|| true), None);
        life.begin();
        assert!(life.runs());
    }

    #[test]
    fn nothing_else_is_begun_meanwhile() {
        let life = Life::new();
        assert_eq!(life.end(), Err(Stage::Preparing));
        assert_eq!(life.start(), Err(Stage::Preparing));
        life.begin();
        assert_eq!(life.start(), Err(Stage::Running));
        life.end().unwrap();
        for step in [Life::end, Life::start] {
            assert_eq!(step(&life), Err(Stage::Ending));
        }
        life.asked(End::Stop);
        assert_eq!(life.end(), Err(Stage::Ending));
        assert_eq!(life.conclude(|| true), Some(End::Stop));
        assert_eq!(life.end(), Err(Stage::Ending));
        life.leave_off();
        assert_eq!(life.end(), Err(Stage::Off));
        assert_eq!(life.stage(), Stage::Off);
    }

    #[test]
    fn what_is_off_begins_anew_when_it_is_started() {
        let life = running();
        life.end().unwrap();
        life.asked(End::PowerOff);
        assert_eq!(life.conclude(|| true), Some(End::PowerOff));
        life.leave_off();
        assert_eq!(life.conclude(|| true), None);
        assert_eq!(life.start(), Ok(()));
        assert_eq!(life.start(), Err(Stage::Preparing));
        assert_eq!(life.conclude(|| true), Some(End::Start));
        life.begin();
        assert_eq!(life.number(), 3);
    }

    /// Whoever looks must not take one that goes off for one that begins, nor one that begins for one that ends.
    #[test]
    fn what_shows_meanwhile_is_where_it_goes() {
        let ends = [
            (End::Stop, Stage::Ending, Stage::Ending),
            (End::PowerOff, Stage::Ending, Stage::Ending),
            (End::Restart, Stage::Ending, Stage::Preparing),
            (End::Start, Stage::Preparing, Stage::Preparing),
            (End::HandOver, Stage::Held, Stage::Held),
        ];
        for (end, before, after) in ends {
            let life = running();
            life.end().unwrap();
            life.asked(end);
            assert_eq!(life.stage(), before, "{end:?}");
            let looked = core::cell::Cell::new(0);
            for stopped in [false, true] {
                let concluded = life.conclude(|| {
                    assert_eq!(life.stage(), before, "{end:?}");
                    looked.set(looked.get() + 1);
                    stopped
                });
                assert_eq!(concluded, stopped.then_some(end));
                let shown = if stopped { after } else { before };
                assert_eq!(life.stage(), shown, "{end:?}");
            }
            assert_eq!(looked.get(), 3);
        }
    }

    #[test]
    fn what_is_off_can_be_held_so_and_changed_but_not_twice() {
        let life = Life::new();
        for hands_over in [false, true] {
            assert_eq!(life.hold(), Err(Stage::Preparing));
            life.begin();
            assert_eq!(life.hold(), Err(Stage::Running));
            life.leave_off();
            assert_eq!(life.hold(), Ok(()));
            assert_eq!(life.stage(), Stage::Held);
            if hands_over {
                life.asked(End::HandOver);
            }
            for other in [Life::hold, Life::start, Life::end] {
                assert!(other(&life).is_err());
            }
            let end = hands_over.then_some(End::HandOver);
            assert_eq!(life.conclude(|| true), end);
            // It was no life.
            assert_eq!((life.stage(), life.number()), (Stage::Held, 1));
            life.leave_off();
            assert_eq!(life.stage(), Stage::Off);
            life.start().unwrap();
            assert_eq!(life.conclude(|| true), Some(End::Start));
            life.begin();
            life.leave_off();
            // As it was before.
            life.number.store(1, SeqCst);
            life.stage.store(PREPARING, SeqCst);
        }
    }

    #[test]
    fn one_that_stops_while_another_looks_is_not_missed() {
        let life = running();
        life.end().unwrap();
        life.asked(End::Stop);
        let looks = core::cell::Cell::new(0);
        let stopped = || {
            looks.set(looks.get() + 1);
            // Stops, and finds it claimed, between the first look and the second.
            if looks.get() == 1 {
                assert_eq!(life.conclude(|| true), None);
            }
            looks.get() > 1
        };
        assert_eq!(life.conclude(stopped), Some(End::Stop));
    }

    #[test]
    fn of_many_that_stop_at_once_exactly_one_concludes() {
        const THREADS: usize = 4;
        for _ in 0..2000 {
            let life = running();
            life.end().unwrap();
            life.asked(End::Restart);
            let stopped = [const { AtomicBool::new(false) }; THREADS];
            let concluded = AtomicU32::new(0);
            let all = || stopped.iter().all(|one| one.load(SeqCst));
            std::thread::scope(|scope| {
                for own in &stopped {
                    scope.spawn(|| {
                        own.store(true, SeqCst);
                        if life.conclude(all).is_some() {
                            concluded.fetch_add(1, SeqCst);
                        }
                    });
                }
            });
            assert_eq!(concluded.load(SeqCst), 1);
        }
    }
}
