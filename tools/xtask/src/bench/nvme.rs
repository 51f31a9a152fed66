//! What it costs to read an NVMe disk through a 32-bit DMA window.
//!
//! The guest reads with `dd`, 1 MiB at a time past its cache, once little and once much; the difference is free of what
//! starting `dd` costs. Time is instructions, but for the time that the kernel has spent idle, which is taken away.

use std::fmt::Display;

use anyhow::{Context, Result, bail};

use super::log::Log;
use super::machine::counted;
use super::{Bench, Figure, hcalls};

pub(super) const NVME: &str = "phb0/00.0/00.0";
/// A hole: the host's own disk takes no part.
pub(super) const DISK_BYTES: u64 = 256 << 20;
/// How much the guest reads, in MiB, as its init script has it.
pub(super) const LITTLE: u64 = 16;
pub(super) const MUCH: u64 = 144;
pub(super) const ROUNDS: u64 = 3;
/// Entries of a window in a MiB: pages of 4 KiB.
const ENTRIES: f64 = 256.0;

/// Instructions for each MiB read, of guest and hypervisor, and the hypervisor's part of them.
pub(super) fn nvme(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    // First, as its machine has a bundle in the same file.
    let costs = Costs::measured(bench)?;
    let disk = bench.workspace.target().join("disks/bench.img");
    qemu_run::disk::create(&disk, DISK_BYTES)
        .with_context(|| format!("the disk {} cannot be made", disk.display()))?;
    let machine = bench
        .machine(bench.linux(1, "bulkhead.test=bench")?, &[NVME])?
        .nvme(NVME, &disk)?;
    let (log, _) = bench.run(&counted(machine), "nvme", "^BH-BENCH end")?;
    if let Some(error) = log.with_prefix("BH-BENCH failed").next() {
        bail!("the guest could not read its disk:{error}");
    }
    let mut rounds = (1..=ROUNDS)
        .map(|round| {
            let took = Moment::difference(&log, &round.to_string(), [LITTLE, MUCH])?;
            Ok(took.per_mib(costs.cede))
        })
        .collect::<Result<Vec<f64>>>()?;
    rounds.sort_by(f64::total_cmp);
    let calls = Calls::read(&log)?;
    let figure = |name, value| Figure::new(name, value, "instructions per MiB");
    Ok(vec![
        figure("NVMe read, guest and hypervisor", rounds[rounds.len() / 2])
            .goal(200_000.0)
            .other(1_000_000.0, "KVM-HV, about"),
        figure(
            "NVMe read, spread of rounds",
            rounds[rounds.len() - 1] - rounds[0],
        ),
        figure("NVMe read, hcalls alone", calls.instructions(&costs)),
        Figure::new("NVMe read, hcalls", calls.all, "per MiB"),
    ])
}

/// What the kernel knows at one time, all since its start.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    /// Nanoseconds not spent idle.
    busy: f64,
    cedes: f64,
}

impl Moment {
    /// Reads the words of a `BH-BENCH at` line behind its title.
    fn parse(words: &str) -> Result<Self> {
        let mut now = None;
        let mut idle = None;
        let mut cedes = None;
        let words: Vec<&str> = words.split_whitespace().collect();
        for pair in words.chunks_exact(2) {
            let [name, value] = [pair[0], pair[1]];
            match name {
                "now" => now = Some(nanoseconds(value)?),
                // Waiting for a disk is counted apart, or as idle too: the kernels differ.
                "idle" | "iowait" => idle = Some(idle.unwrap_or(0.0) + nanoseconds(value)?),
                "cedes" => cedes = Some(value.parse()?),
                _ => {}
            }
        }
        let (Some(now), Some(idle), Some(cedes)) = (now, idle, cedes) else {
            bail!("the guest's line lacks a number: {}", words.join(" "));
        };
        Ok(Self {
            busy: now - idle,
            cedes,
        })
    }

    /// What `much` of a `round` took more than `little`, as the guest names them.
    pub(super) fn difference(
        log: &Log,
        round: &str,
        [little, much]: [impl Display; 2],
    ) -> Result<Self> {
        let at = |count: &dyn Display, when: &str| {
            let title = format!("BH-BENCH at {round} {count} {when} ");
            let words = log.with_prefix(&title).next();
            Self::parse(words.with_context(|| format!("the guest printed no `{title}`"))?)
        };
        let took = |count: &dyn Display| -> Result<Self> {
            let (before, after) = (at(count, "before")?, at(count, "after")?);
            Ok(after.minus(before))
        };
        Ok(took(&much)?.minus(took(&little)?))
    }

    fn minus(self, other: Self) -> Self {
        Self {
            busy: self.busy - other.busy,
            cedes: self.cedes - other.cedes,
        }
    }

    /// Instructions for each MiB read. To the kernel the hypervisor's part of H_CEDE is idle time too: it is added.
    fn per_mib(self, cede: f64) -> f64 {
        self.instructions(cede) / (MUCH - LITTLE) as f64
    }

    /// What was executed, if each H_CEDE takes `cede` of them.
    pub(super) fn instructions(self, cede: f64) -> f64 {
        self.busy + self.cedes * cede
    }
}

/// The nanoseconds of `123ns` or `0.000123ms`.
fn nanoseconds(text: &str) -> Result<f64> {
    let (digits, unit) = match (text.strip_suffix("ms"), text.strip_suffix("ns")) {
        (Some(digits), _) => (digits, 1e6),
        (_, Some(digits)) => (digits, 1.0),
        _ => bail!("`{text}` is no time"),
    };
    let number: f64 = digits
        .parse()
        .with_context(|| format!("`{text}` is no time"))?;
    Ok(number * unit)
}

/// Instructions of single hcalls.
#[derive(Debug)]
struct Costs {
    indirect: Line,
    stuff: Line,
    xirr_and_eoi: f64,
    cede: f64,
}

/// A cost of so much for the call and so much for each entry.
#[derive(Debug)]
struct Line {
    call: f64,
    entry: f64,
}

impl Line {
    fn through(one: f64, all: f64) -> Self {
        let entry = (all - one) / 511.0;
        Self {
            call: one - entry,
            entry,
        }
    }

    fn cost(&self, calls: f64, entries: f64) -> f64 {
        calls * self.call + entries * self.entry
    }
}

impl Costs {
    fn measured(bench: &Bench<'_>) -> Result<Self> {
        let of = |name| bench.measured(name);
        Ok(Self {
            indirect: Line::through(of(hcalls::INDIRECT_1)?, of(hcalls::INDIRECT_512)?),
            stuff: Line::through(of(hcalls::STUFF_1)?, of(hcalls::STUFF_512)?),
            xirr_and_eoi: of(hcalls::IPI_XIRR_IPI_EOI)? - of(hcalls::IPI_IPI)?,
            cede: of(hcalls::CEDE)?,
        })
    }
}

/// The guest's hcalls for each MiB, by its kernel's own count. The kernel does not count H_CEDE.
#[derive(Debug, PartialEq)]
struct Calls {
    indirect: f64,
    stuff: f64,
    eoi: f64,
    all: f64,
}

/// LoPAR's tokens, as the kernel's `hcall_entry` event has them: in decimal digits.
const H_EOI: u64 = 0x64;
const H_STUFF_TCE: u64 = 0x138;
const H_PUT_TCE_INDIRECT: u64 = 0x13C;

impl Calls {
    fn read(log: &Log) -> Result<Self> {
        let counted = |count: u64, token: Option<u64>| -> Result<f64> {
            let mut sum = 0.0;
            for line in log.with_prefix(&format!("BH-BENCH hcall {count} ")) {
                let (opcode, hits) = line
                    .split_once(' ')
                    .with_context(|| format!("`{line}` is no count of an hcall"))?;
                if token.is_none_or(|token| opcode == token.to_string()) {
                    sum += hits.trim().parse::<f64>()?;
                }
            }
            Ok(sum)
        };
        let per_mib = |token| -> Result<f64> {
            Ok((counted(MUCH, token)? - counted(LITTLE, token)?) / (MUCH - LITTLE) as f64)
        };
        let calls = Self {
            indirect: per_mib(Some(H_PUT_TCE_INDIRECT))?,
            stuff: per_mib(Some(H_STUFF_TCE))?,
            eoi: per_mib(Some(H_EOI))?,
            all: per_mib(None)?,
        };
        anyhow::ensure!(
            calls.indirect > 0.0 && calls.stuff > 0.0,
            "the guest's kernel counted no hcalls for its TCEs"
        );
        Ok(calls)
    }

    fn instructions(&self, costs: &Costs) -> f64 {
        costs.indirect.cost(self.indirect, ENTRIES)
            + costs.stuff.cost(self.stuff, ENTRIES)
            + self.eoi * costs.xirr_and_eoi
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs() -> Costs {
        Costs {
            indirect: Line::through(110.0, 5220.0),
            stuff: Line::through(101.0, 612.0),
            xirr_and_eoi: 300.0,
            cede: 400.0,
        }
    }

    fn log(lines: &[&str]) -> Log {
        Log::new(lines.iter().map(|line| (*line).to_owned()).collect())
    }

    #[test]
    fn starting_and_waiting_are_taken_away() {
        // Busy for 5 us and for 12,805 us; one wait and 129.
        let log = log(&[
            "BH-BENCH at 1 16 before now 1000ns idle 0ns iowait 0ns cedes 1 interrupts 1",
            "BH-BENCH at 1 16 after now 9000ns idle 2500ns iowait 500ns cedes 2 interrupts 2",
            "BH-BENCH at 1 144 before now 10000ns idle 0.003000ms iowait 0.001ms cedes 2 interrupts 2",
            "BH-BENCH at 1 144 after now 22815000ns idle 10.003ms iowait 0.001ms cedes 131 interrupts 9",
        ]);
        let took = Moment::difference(&log, "1", [LITTLE, MUCH]).expect("all lines");
        assert_eq!(took.cedes, 128.0);
        assert_eq!(took.per_mib(costs().cede), 100_000.0 + 400.0);
        assert!(Moment::difference(&log, "2", [LITTLE, MUCH]).is_err());
        assert!(Moment::parse("now 1ns cedes 3").is_err());
        assert!(nanoseconds("12").is_err());
    }

    #[test]
    fn hcalls_are_counted_and_priced() {
        let log = log(&[
            "BH-BENCH hcall 16 316 256",
            "BH-BENCH hcall 16 312 32",
            "BH-BENCH hcall 16 8 7",
            "BH-BENCH hcall 144 316 2304",
            "BH-BENCH hcall 144 312 288",
            "BH-BENCH hcall 144 100 128",
            "BH-BENCH hcall 144 8 7",
        ]);
        let calls = Calls::read(&log).expect("counts");
        let expected = Calls {
            indirect: 16.0,
            stuff: 2.0,
            eoi: 1.0,
            all: 19.0,
        };
        assert_eq!(calls, expected);
        // 16 calls of 100 and 256 entries of 10; 2 of 100 and 256 of 1; one interrupt.
        assert_eq!(
            calls.instructions(&costs()),
            1600.0 + 2560.0 + 200.0 + 256.0 + 300.0
        );
        assert!(Calls::read(&Log::new(Vec::new())).is_err());
    }

    #[test]
    fn the_init_script_reads_as_much_as_is_reckoned_with() {
        let script = include_str!("../../guest/init.sh");
        assert!(script.contains(&format!("for count in {LITTLE} {MUCH}; do")));
        assert!(script.contains("for round in 1 2 3; do"));
        const { assert!(MUCH << 20 <= DISK_BYTES) };
    }
}
