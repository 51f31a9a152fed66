//! From a device's message to the first instruction of the partition's vector, alone and beside busy partitions.
//!
//! The test guest measures it (`tests-qemu/guest/src/bench/latency.rs`).

use anyhow::{Context, Result, bail, ensure};
use bundle::build::PartitionSpec;
use bundle::{Console, Processors};

use super::log::Log;
use super::machine::{device, repeatable, shared};
use super::{Bench, Figure, median};

const EDU: &str = "phb0/00.0/00.0";
/// How many messages the guest takes in each way.
const ROUNDS: usize = 20;
/// Fewer instructions than any way through the hypervisor takes.
const AT_ONCE: f64 = 20.0;
/// How many partitions use all that they are given.
const BUSY: u32 = 4;

/// A dedicated processor, a shared one that nobody else wants, and one that four others use up.
pub(super) fn latency(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (title, name, processors, busy) in [
        ("dedicated CPU", "dedicated", Processors::Dedicated, 0),
        ("shared CPU, alone", "shared", shared(50, 128), 0),
        (
            "shared CPU, 4 busy beside it",
            "busy",
            shared(50, 128),
            BUSY,
        ),
    ] {
        let log = run(bench, &format!("latency-{name}"), processors, busy)?;
        for how in ["waiting", "running"] {
            let told = told(&log, how)?;
            if (busy, processors, how) == (0, Processors::Dedicated, "running") {
                shares_a_clock(&told)?;
            }
            let latest = told.iter().copied().fold(0.0, f64::max);
            let median = median(told).context("no message")?;
            let title = format!("message to vector, {how}, {title}");
            figures.push(Figure::new(title.clone(), median, "instructions"));
            if busy > 0 {
                let title = format!("{title}: latest");
                figures.push(Figure::new(title, latest, "instructions"));
            }
        }
    }
    Ok(figures)
}

fn run(bench: &Bench<'_>, name: &str, processors: Processors, busy: u32) -> Result<Log> {
    let mut partitions = vec![PartitionSpec {
        processors,
        devices: vec![device(EDU)?],
        ..bench.small("measures", "mode=latency")?
    }];
    for number in 0..busy {
        partitions.push(PartitionSpec {
            processors: shared(10, 255),
            console: Console::None,
            ..bench.small(&format!("busy{number}"), "mode=share ms=3600000")?
        });
    }
    let machine = bench.machine_of(&partitions)?.device(EDU, "edu")?;
    // Once: what the host does about the console may come in the middle of one of the waits.
    let (log, _) = bench.run(&repeatable(machine), name, "^bench latency (done|failed)")?;
    Ok(log)
}

/// A processor of its own that runs takes the message at once: else the device's clock is not the time base, and the
/// numbers mean nothing.
fn shares_a_clock(told: &[f64]) -> Result<()> {
    ensure!(
        told.iter().all(|instructions| *instructions < AT_ONCE),
        "the device's clock and the machine's time base do not go together: {told:?}"
    );
    Ok(())
}

/// What the guest tells of the messages that it has met in such a way.
fn told(log: &Log, how: &str) -> Result<Vec<f64>> {
    if let Some(why) = log.with_prefix("bench latency failed: ").next() {
        bail!("the test guest could not measure its device: {why}");
    }
    let told = log.numbers(&format!(r"^bench latency {how} (\d+)$"))?;
    ensure!(
        told.len() == ROUNDS,
        "the test guest tells of {} messages, not {ROUNDS}",
        told.len()
    );
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_of_its_own_is_noticed() {
        assert!(shares_a_clock(&[0.0, 2.0]).is_ok());
        assert!(shares_a_clock(&[0.0, 400_000.0]).is_err());
    }

    #[test]
    fn all_messages_must_be_told_of() {
        let line = |n: usize| format!("bench latency waiting {}", n + 1);
        let mut lines: Vec<String> = (0..ROUNDS).map(line).collect();
        let found = told(&Log::new(lines.clone()), "waiting").expect("all");
        assert_eq!((found[0], found.len()), (1.0, ROUNDS));
        assert!(told(&Log::new(lines.clone()), "running").is_err());
        assert!(told(&Log::new(lines[1..].to_vec()), "waiting").is_err());
        lines.push("bench latency failed: no edu".to_owned());
        let error = told(&Log::new(lines), "waiting").expect_err("failed");
        assert!(error.to_string().ends_with("device: no edu"), "{error}");
    }
}
