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

/// A failure of QEMU's own, of 10.0.2 at least: while one processor changes the map of memory, as stopping a function does, a
/// translation of another's may be of a map that is gone (docs/proof.md).
const OF_THE_EMULATOR: &str =
    "iotlb_to_section: Assertion `section_index < d->map.sections_nb' failed";

impl Case {
    /// Runs it in `context`; once more when QEMU has ended by [`OF_THE_EMULATOR`], which says nothing of what it ran.
    pub(crate) fn outcome(&self, context: &Context) -> Outcome {
        twice_if_of_the_emulator(self.name, || (self.run)(context))
    }
}

fn twice_if_of_the_emulator(name: &str, mut run: impl FnMut() -> Outcome) -> Outcome {
    let outcome = run();
    if !is_of_the_emulator(&outcome) {
        return outcome;
    }
    println!("  {name}: QEMU failed by itself ({OF_THE_EMULATOR}); once more");
    run()
}

fn is_of_the_emulator(outcome: &Outcome) -> bool {
    match outcome {
        Ok(parts) => parts.iter().any(|part| match &part.verdict {
            Verdict::Failed(why) => why.contains(OF_THE_EMULATOR),
            Verdict::Passed | Verdict::Skipped(_) => false,
        }),
        Err(error) => format!("{error:#}").contains(OF_THE_EMULATOR),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_that_failure_of_the_emulator_is_its_own() {
        let ended = "QEMU ended (signal: 6 (SIGABRT)) before `x` appeared\n    qemu: qemu-system-ppc64: \
            system/physmem.c:2678: iotlb_to_section: Assertion `section_index < d->map.sections_nb' failed.";
        let part = |verdict| Part {
            name: "part".to_owned(),
            verdict,
        };
        assert!(is_of_the_emulator(&Err(
            anyhow::anyhow!("{ended}").context("while it boots")
        )));
        let parts = vec![
            part(Verdict::Passed),
            part(Verdict::Failed(ended.to_owned())),
        ];
        assert!(is_of_the_emulator(&Ok(parts)));
        // Others may be ours: an access of a width that QEMU's bridge does not expect aborts it as well.
        let other = "qemu: pnv_phb3_config_read: Assertion `size <= 4' failed";
        assert!(!is_of_the_emulator(&Err(anyhow::anyhow!(other))));
        assert!(!is_of_the_emulator(&Ok(vec![
            part(Verdict::Failed(other.to_owned())),
            part(Verdict::Skipped(ended.to_owned())),
        ])));
    }

    #[test]
    fn a_case_is_run_once_more_and_no_more() {
        let runs = |fails: &dyn Fn(usize) -> Option<&'static str>| {
            let mut count = 0;
            let outcome = twice_if_of_the_emulator("case", || {
                count += 1;
                match fails(count) {
                    Some(why) => Err(anyhow::anyhow!(why)),
                    None => Ok(Vec::new()),
                }
            });
            (count, outcome.is_ok())
        };
        assert_eq!(runs(&|_| None), (1, true));
        assert_eq!(runs(&|_| Some("something else")), (1, false));
        assert_eq!(
            runs(&|run| (run == 1).then_some(OF_THE_EMULATOR)),
            (2, true)
        );
        assert_eq!(runs(&|_| Some(OF_THE_EMULATOR)), (2, false));
    }
}
