//! What a case is, and how its outcome is counted and shown.

use crate::context::Context;

/// A row of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// Its name; its log file is named after it.
    pub(crate) name: &'static str,
    /// Runs it.
    pub(crate) run: fn(&Context) -> Outcome,
}

/// The parts of a case that came to an end, none when it is one thing; an error when it did not.
pub(crate) type Outcome = anyhow::Result<Vec<Part>>;

/// One part of a case: a trial that `guest-test` or a Linux guest made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its name.
    pub(crate) name: String,
    /// What came of it.
    pub(crate) verdict: Verdict,
}

/// What came of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It holds.
    Passed,
    /// It could not be tried, and why.
    Skipped(String),
    /// It does not hold, and why.
    Failed(String),
}

/// What has been counted so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Tally {
    /// Prints and counts the outcome of case `name`, part by part where it has parts.
    pub(crate) fn add(&mut self, name: &str, outcome: Outcome) {
        match outcome {
            Ok(parts) if parts.is_empty() => self.one(name, &Verdict::Passed),
            Ok(parts) => parts
                .iter()
                .for_each(|part| self.one(&format!("{name}/{}", part.name), &part.verdict)),
            Err(error) => self.one(name, &Verdict::Failed(format!("{error:#}"))),
        }
    }

    fn one(&mut self, name: &str, verdict: &Verdict) {
        match verdict {
            Verdict::Passed => {
                self.passed += 1;
                println!("test {name} ... ok");
            }
            Verdict::Skipped(why) => println!("test {name} ... skipped: {why}"),
            Verdict::Failed(why) => {
                self.failed += 1;
                println!("test {name} ... FAILED: {why}");
            }
        }
    }
}
