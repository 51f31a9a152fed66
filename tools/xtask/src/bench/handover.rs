//! A thread that goes from one partition to another: from an H_CEDE of the one to the first instruction of the other.
//!
//! Two partitions share a thread and tell when they gave it away and had it again
//! (`tests-qemu/guest/src/bench/handover.rs`); the machine's time base orders what both tell.

use anyhow::{Context, Result, ensure};
use bundle::build::PartitionSpec;

use super::boot::INSTRUCTIONS_PER_TICK;
use super::log::Log;
use super::machine::shared;
use super::{Bench, Figure, median};

/// Of the handovers of a run at least so many are as they should be.
const AT_LEAST: usize = 50;
pub(super) const SWITCH: &str = "H_CEDE of one partition to the first instruction of another";

/// The switch between two partitions that are alone.
pub(super) fn handover(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let machine = bench.machine_of(&pair(bench, 50)?)?;
    let log = bench.run_twice(&machine, "handover", END)?;
    let switch = switch(&log)?;
    Ok(vec![
        Figure::new(SWITCH, switch.median, "instructions"),
        Figure::new(
            "the same, longest less shortest",
            switch.spread,
            "instructions",
        ),
    ])
}

/// The line by which the second of [`pair`] ends.
pub(super) const END: &str = "^right: bench handover done";

/// Two partitions with such an entitlement that hand their thread to each other, once others have begun too.
pub(super) fn pair(bench: &Bench<'_>, entitlement: u32) -> Result<[PartitionSpec; 2]> {
    let side = |name| -> Result<PartitionSpec> {
        Ok(PartitionSpec {
            processors: shared(entitlement, 128),
            ..bench.small(name, "mode=handover after=1000")?
        })
    };
    Ok([side("left")?, side("right")?])
}

/// Instructions from the one's H_CEDE to the other's first instruction.
#[derive(Debug, PartialEq)]
pub(super) struct Switch {
    pub(super) median: f64,
    /// The longest less the shortest.
    pub(super) spread: f64,
}

/// Reads what the two partitions tell.
pub(super) fn switch(log: &Log) -> Result<Switch> {
    let [left, right] = [rounds(log, "left")?, rounds(log, "right")?];
    let mut ticks = handovers(&left, &right);
    ticks.extend(handovers(&right, &left));
    ensure!(
        ticks.len() >= AT_LEAST,
        "the partitions gave their thread to each other {} times only",
        ticks.len()
    );
    let instructions: Vec<f64> = ticks
        .into_iter()
        .map(|ticks| ticks as f64 * INSTRUCTIONS_PER_TICK)
        .collect();
    let longest = instructions.iter().copied().fold(0.0, f64::max);
    let shortest = instructions.iter().copied().fold(f64::MAX, f64::min);
    Ok(Switch {
        median: median(instructions).context("no handover")?,
        spread: longest - shortest,
    })
}

/// One H_CEDE: ticks of the time base.
#[derive(Debug, Clone, Copy)]
struct Round {
    /// When it was called.
    gave: u64,
    /// When the partition was ready to run again.
    due: u64,
    /// When the partition ran again.
    had: u64,
}

fn rounds(log: &Log, name: &str) -> Result<Vec<Round>> {
    let title = format!("{name}: bench handover ");
    let lines = log.with_prefix(&title).filter(|words| *words != "done");
    let round = |words: &str| -> Result<Round> {
        let numbers: Vec<u64> = words
            .split(' ')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .with_context(|| format!("`{title}{words}` is no round"))?;
        let [gave, due, had] = numbers[..] else {
            anyhow::bail!("`{title}{words}` is no round");
        };
        Ok(Round { gave, due, had })
    };
    lines.map(round).collect()
}

/// Ticks from each H_CEDE of `giver` to the first instruction of `taker`, which was ready by then and had given its thread
/// away before; other rounds do not count.
fn handovers(giver: &[Round], taker: &[Round]) -> Vec<u64> {
    let of = |given: &Round| {
        let next = taker.iter().find(|taken| taken.had > given.gave)?;
        let ready = next.gave < given.gave && next.due <= given.gave;
        (ready && next.had < given.had).then(|| next.had - given.gave)
    };
    giver.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(gave: u64, due: u64, had: u64) -> Round {
        Round { gave, due, had }
    }

    #[test]
    fn only_a_thread_that_was_waited_for_is_handed_over() {
        let left = [round(100, 150, 215), round(300, 350, 420)];
        // Gives at 205, so that the left one has it at 215, and is ready from 250 on; then it is not ready at 300 but for that.
        let right = [round(50, 90, 110), round(205, 250, 312)];
        assert_eq!(handovers(&left, &right), [10, 12]);
        assert_eq!(handovers(&right, &left), [10]);
        // Not ready: the thread had nothing to do meanwhile.
        assert!(handovers(&left, &[round(50, 101, 110)]).is_empty());
        // The giver had it again first.
        assert!(handovers(&[round(100, 105, 108)], &[round(50, 90, 110)]).is_empty());
        // Ran already.
        assert!(handovers(&left, &[round(120, 130, 140)]).is_empty());
    }

    #[test]
    fn few_handovers_are_an_error() {
        let lines = |count: u64| {
            let line = |name: &str, gave: u64| {
                format!("{name}: bench handover {gave} {} {}", gave + 1, gave + 2048)
            };
            let both = |n: u64| [line("left", n * 2000), line("right", n * 2000 + 1000)];
            Log::new((1..=count).flat_map(both).collect())
        };
        let error = switch(&lines(3)).expect_err("too few").to_string();
        assert!(error.ends_with("times only"), "{error}");
        assert!(switch(&Log::new(vec!["left: bench handover 1 2".into()])).is_err());
        let found = switch(&lines(200)).expect("enough");
        assert!(found.median > 0.0, "{found:?}");
    }
}
