//! What it takes to start a partition, and to start it anew, by how much memory it has.

use anyhow::{Result, ensure};
use bundle::build::PartitionSpec;

use super::log::Log;
use super::{Bench, Figure};

const SIZES_MIB: [u32; 3] = [64, 256, 1024];
/// How often the guest starts itself anew.
const RESTARTS: usize = 2;
/// What the guest says when it has been started anew so often.
const END: &str = r"^guest-test: start number 3 ";

/// Each size; and what each MiB adds.
pub(super) fn memory(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut all = Vec::new();
    for mib in SIZES_MIB {
        let partition = PartitionSpec {
            memory_bytes: u64::from(mib) << 20,
            ..bench.small("payload", "mode=reboot")?
        };
        let machine = bench.machine(partition, &[])?;
        let log = bench.run_twice(&machine, &format!("restart-{mib}"), END)?;
        let took = Took::read(&log)?;
        let figure =
            |what: &str, value| Figure::new(format!("{what}, {mib} MiB"), value, "instructions");
        figures.push(figure("start of a partition", took.start));
        figures.push(figure("restart of a partition", took.restart));
        all.push((f64::from(mib), took));
    }
    let slope = |of: fn(&Took) -> f64| slope(&all, of);
    for (name, value) in [
        ("start of a partition, each MiB", slope(|took| took.start)?),
        (
            "restart of a partition, each MiB",
            slope(|took| took.restart)?,
        ),
    ] {
        figures.push(Figure::new(name, value, "instructions per MiB"));
    }
    Ok(figures)
}

/// Instructions, to a thousand.
#[derive(Debug, PartialEq)]
struct Took {
    /// Scrubbing, images, device tree.
    start: f64,
    /// From when all its processors have stopped to the first instruction.
    restart: f64,
}

impl Took {
    fn read(log: &Log) -> Result<Self> {
        let microseconds = |pattern| log.number(pattern);
        let scrub = microseconds(r"partition \S+: scrubbed in (\d+) us")?;
        let place = microseconds(r"images copied and device tree made in (\d+) us")?;
        let ends = log.times_of("partition payload: restarts")?;
        let starts = log.times_of("vcpu 0 starts at")?;
        ensure!(
            ends.len() == RESTARTS && starts.len() == RESTARTS + 1,
            "the log tells of {} restarts and {} starts",
            ends.len(),
            starts.len()
        );
        let last = starts[RESTARTS].saturating_sub(ends[RESTARTS - 1]);
        let took = Self {
            start: (scrub + place) * 1000.0,
            restart: last.as_nanos() as f64,
        };
        ensure!(
            took.start > 0.0 && took.restart > 0.0,
            "the log tells that nothing took any time"
        );
        Ok(took)
    }
}

/// What one MiB adds, from the least to the most.
fn slope(all: &[(f64, Took)], of: fn(&Took) -> f64) -> Result<f64> {
    let (Some((least, less)), Some((most, more))) = (all.first(), all.last()) else {
        anyhow::bail!("nothing was measured");
    };
    Ok((of(more) - of(less)) / (most - least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_restart_counts_and_none_may_be_missing() {
        let line =
            |micros: u32, text: &str| format!("bulkhead|     0.{micros:06} cpu0 INFO  {text}");
        let mut lines = vec![
            line(
                900,
                "partition payload: scrubbed in 40 us, 9 KiB of images copied and device tree made in 2 us",
            ),
            line(1000, "partition payload: vcpu 0 starts at 0x1"),
            line(2000, "partition payload: restarts"),
            line(2050, "partition payload: vcpu 0 starts at 0x1"),
            line(3000, "partition payload: restarts"),
            line(3060, "partition payload: vcpu 0 starts at 0x1"),
        ];
        let took = Took::read(&Log::new(lines.clone())).expect("whole");
        let expected = Took {
            start: 42_000.0,
            restart: 60_000.0,
        };
        assert_eq!(took, expected);
        lines.pop();
        assert!(Took::read(&Log::new(lines)).is_err());
    }

    #[test]
    fn the_slope_is_from_the_least_to_the_most() {
        let took = |start| Took {
            start,
            restart: 0.0,
        };
        let all = [
            (64.0, took(640.0)),
            (256.0, took(9.0)),
            (1024.0, took(10_240.0)),
        ];
        assert_eq!(slope(&all, |took| took.start).expect("two"), 10.0);
        assert!(slope(&[], |took| took.start).is_err());
    }
}
