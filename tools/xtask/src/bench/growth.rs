//! How costs grow with the number of partitions: 1 to 16 small ones that share a CPU.

use anyhow::{Result, ensure};
use bundle::Console;
use bundle::build::PartitionSpec;

use super::log::Log;
use super::machine::shared;
use super::{Bench, Figure, handover};

/// So many partitions all together.
const COUNTS: [u32; 3] = [1, 4, 16];
/// The switch takes two.
const SWITCH_COUNTS: [u32; 3] = [2, 4, 16];
/// Hundredths of the CPU that each is promised: all that 16 can have.
const ENTITLEMENT: u32 = 6;
/// Lines of the test guest whose sum is the round of hcalls; none needs a device or a second CPU.
const ROUND: [&str; 4] = [
    "unknown_hcall",
    "enter_remove",
    "ipi_xirr_ipi_eoi",
    "put_term_char_0",
];

/// Boot, memory, hcalls and the switch, for each number of partitions; `other` is the least number.
pub(super) fn growth(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for count in COUNTS {
        let mut partitions = vec![PartitionSpec {
            processors: shared(ENTITLEMENT, 128),
            ..bench.small("measures", "mode=bench after=1000")?
        }];
        add_waiting(bench, &mut partitions, count)?;
        let machine = bench.machine_of(&partitions)?;
        let log = bench.run_twice(&machine, &format!("growth-{count}"), "^bench done")?;
        let of = |what: &str, value, unit| Figure::new(named(what, count), value, unit);
        let memory = log.number(r"memory: (\d+) KiB of the hypervisor's")?;
        figures.push(of(
            "reset to last partition's start",
            boot(&log, count)?,
            "instructions",
        ));
        figures.push(of("memory used before the first", memory, "KiB"));
        figures.push(of("a round of hcalls", round(&log)?, "instructions"));
    }
    for count in SWITCH_COUNTS {
        let mut partitions = handover::pair(bench, ENTITLEMENT)?.to_vec();
        add_waiting(bench, &mut partitions, count)?;
        let machine = bench.machine_of(&partitions)?;
        let log = bench.run_twice(&machine, &format!("growth-switch-{count}"), handover::END)?;
        let switch = handover::switch(&log)?;
        let name = named("H_CEDE to another's first instruction", count);
        figures.push(Figure::new(name, switch.median, "instructions"));
    }
    Ok(figures)
}

fn named(what: &str, count: u32) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} partition{plural}: {what}")
}

/// Adds partitions that wait in H_CEDE until there are `count`.
fn add_waiting(bench: &Bench<'_>, partitions: &mut Vec<PartitionSpec>, count: u32) -> Result<()> {
    for number in partitions.len()..count as usize {
        partitions.push(PartitionSpec {
            processors: shared(ENTITLEMENT, 128),
            console: Console::None,
            ..bench.small(&format!("waits{number}"), "mode=wait")?
        });
    }
    Ok(())
}

/// Instructions from reset to the first instruction of the last partition, without what grows with memory and images:
/// checking, scrubbing, copying.
fn boot(log: &Log, count: u32) -> Result<f64> {
    let starts = log.times_of("vcpu 0 starts at")?;
    ensure!(
        starts.len() == count as usize,
        "{} partitions have started, not {count}",
        starts.len()
    );
    let last = starts.iter().max().map_or(0, std::time::Duration::as_nanos);
    let mut beside = log.number(r"bundle: .* checked in (\d+) us")?;
    for pattern in [
        r"partition \S+: scrubbed in (\d+) us",
        r"images copied and device tree made in (\d+) us",
    ] {
        beside += log.numbers(pattern)?.iter().sum::<f64>();
    }
    let boot = last as f64 - beside * 1000.0;
    ensure!(
        boot > 0.0,
        "scrubbing and the like took longer than everything"
    );
    Ok(boot)
}

/// Instructions of one call of each kind.
fn round(log: &Log) -> Result<f64> {
    let mut sum = 0.0;
    for name in ROUND {
        let cost = log.number(&format!(r"^bench {name} (\d+) instructions$"))?;
        ensure!(cost > 0.0, "`{name}` took no instructions");
        sum += cost;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_all_its_calls() {
        let line = |name: &str| format!("bench {name} 10 instructions");
        let mut lines: Vec<String> = ROUND.into_iter().map(line).collect();
        assert_eq!(round(&Log::new(lines.clone())).expect("all"), 40.0);
        lines[2] = "bench ipi_xirr_ipi_eoi 0 instructions".to_owned();
        assert!(round(&Log::new(lines.clone())).is_err());
        lines.pop();
        assert!(round(&Log::new(lines)).is_err());
    }

    #[test]
    fn what_grows_with_memory_is_no_part_of_the_boot() {
        let lines = [
            "bulkhead|     0.000300 cpu0 INFO  bundle: 9 KiB, 2 partition(s), checked in 46 us",
            "bulkhead|     0.000500 cpu0 INFO  partition a: scrubbed in 100 us, 1 KiB of images copied and device tree made in 2 us",
            "bulkhead|     0.000600 cpu0 INFO  partition a: vcpu 0 starts at 0x1",
            "bulkhead|     0.000900 cpu0 INFO  partition b: scrubbed in 150 us, 1 KiB of images copied and device tree made in 2 us",
            "bulkhead|     0.001000 cpu0 INFO  partition b: vcpu 0 starts at 0x1",
        ];
        let log = Log::new(lines.map(str::to_owned).to_vec());
        assert_eq!(boot(&log, 2).expect("both"), 700_000.0);
        assert!(boot(&log, 3).is_err());
    }
}
