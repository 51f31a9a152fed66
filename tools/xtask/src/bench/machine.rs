//! The machines that are measured, and running them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bundle::build::{Load, PartitionSpec};
use bundle::{AfterCrash, Console, Device, Processors};
use qemu_run::Machine;
use regex::Regex;

use super::Bench;
use super::log::Log;
use crate::run;

/// One instruction is one nanosecond of the machine's time; while all processors wait, time jumps to the next event.
const COUNT: &str = "shift=0,sleep=off";
/// As [`COUNT`], but while all processors wait, time passes as on the host.
const COUNT_AND_WAIT: &str = "shift=0";
/// Nothing here takes longer on a machine that has one processor to spare.
const TIMEOUT: Duration = Duration::from_secs(300);
/// DMA window of each device, in bytes.
const WINDOW_BYTES: u64 = 1 << 30;

impl Bench<'_> {
    /// A partition of 1 GiB with the Linux guest; `words` are added to its command line.
    pub(super) fn linux(&self, cpus: u32, words: &str) -> Result<PartitionSpec> {
        let folder = self.workspace.guests().join(self.guest.name);
        Ok(PartitionSpec {
            name: "linux".to_owned(),
            memory_bytes: 1 << 30,
            cpus,
            processors: Processors::Dedicated,
            console: Console::Vty,
            after_crash: AfterCrash::GoOn,
            kernel: read(folder.join("vmlinux"))?,
            load: Load::Elf,
            initrd: Some(read(folder.join("initramfs.gz"))?),
            command_line: format!("console=hvc0 quiet {words}"),
            devices: Vec::new(),
            ethernets: Vec::new(),
        })
    }

    /// A partition of 64 MiB and two CPUs with the test guest, which measures hcalls.
    pub(super) fn payload(&self) -> Result<PartitionSpec> {
        Ok(PartitionSpec {
            memory_bytes: 64 << 20,
            cpus: 2,
            ..self.small("payload", "mode=bench")?
        })
    }

    /// A partition of 32 MiB and one CPU with the test guest.
    pub(super) fn small(&self, name: &str, words: &str) -> Result<PartitionSpec> {
        Ok(PartitionSpec {
            name: name.to_owned(),
            memory_bytes: 32 << 20,
            cpus: 1,
            processors: Processors::Dedicated,
            console: Console::Vty,
            after_crash: AfterCrash::GoOn,
            kernel: read(self.workspace.test_guest())?,
            load: Load::Elf,
            initrd: None,
            command_line: words.to_owned(),
            devices: Vec::new(),
            ethernets: Vec::new(),
        })
    }

    /// The reference machine with `partition` alone, which gets the functions at `devices`.
    pub(super) fn machine(
        &self,
        mut partition: PartitionSpec,
        devices: &[&str],
    ) -> Result<Machine> {
        partition.devices = devices.iter().map(|at| device(at)).collect::<Result<_>>()?;
        let cpus = partition.cpus;
        Ok(self.machine_of(&[partition])?.cpus(cpus))
    }

    /// The reference machine with `partitions`, and one CPU.
    pub(super) fn machine_of(&self, partitions: &[PartitionSpec]) -> Result<Machine> {
        let file = self.workspace.products().join("bench.bundle");
        run::write_bundle(&file, &bundle::build::pack(partitions)?)?;
        Ok(Machine::new(self.workspace.image()).cpus(1).bundle(file))
    }

    /// Runs `machine` until a line matches `end`; its log is kept under `name`.
    pub(super) fn run(&self, machine: &Machine, name: &str, end: &str) -> Result<(Log, Duration)> {
        let file = self.workspace.logs().join(format!("bench-{name}.log"));
        let mut session = machine.spawn(&file)?;
        session.fail_on(Regex::new(run::PARTITION_PANIC)?);
        session.wait_for(&Regex::new(end)?, TIMEOUT)?;
        let elapsed = session.elapsed();
        Ok((Log::new(session.stop()), elapsed))
    }

    /// Runs `machine` twice, counting instructions; both runs must show the same lines.
    pub(super) fn run_twice(&self, machine: &Machine, name: &str, end: &str) -> Result<Log> {
        let machine = repeatable(machine.clone());
        let (first, _) = self.run(&machine, &format!("{name}-1"), end)?;
        let (second, _) = self.run(&machine, &format!("{name}-2"), end)?;
        compare(first.lines(), second.lines(), &Regex::new(end)?)?;
        Ok(first)
    }
}

/// Two runs must show the same lines, to the one that matches `end`. That one may have been read before it was finished.
fn compare(first: &[String], second: &[String], end: &Regex) -> Result<()> {
    for (one, other) in first.iter().zip(second) {
        let is_end = end.is_match(one) && end.is_match(other);
        let is_begun = one.starts_with(other) || other.starts_with(one);
        ensure!(
            one == other || (is_end && is_begun),
            "two runs differ, though instructions are counted:\n{one}\n{other}"
        );
        if is_end {
            break;
        }
    }
    Ok(())
}

/// A part of the machine's processors: so many hundredths of one, and what is left by `weight`.
pub(super) fn shared(entitlement: u32, weight: u8) -> Processors {
    Processors::Shared {
        entitlement,
        weight,
    }
}

/// Counts instructions, and gives the machine the same date and the same random numbers each time.
pub(super) fn repeatable(machine: Machine) -> Machine {
    same_each_time(machine.icount(COUNT))
}

/// As [`repeatable`] for a machine that waits for what the host does.
pub(super) fn counted(machine: Machine) -> Machine {
    same_each_time(machine.icount(COUNT_AND_WAIT))
}

fn same_each_time(machine: Machine) -> Machine {
    ["-seed", "1", "-rtc", "base=2026-01-01T00:00:00,clock=vm"]
        .into_iter()
        .fold(machine, Machine::arg)
}

/// The function at `at`, with a DMA window of 1 GiB and 16 messages.
pub(super) fn device(at: &str) -> Result<Device> {
    let path = at
        .parse()
        .map_err(|error| anyhow::anyhow!("{at}: {error:?}"))?;
    Ok(Device {
        path,
        dma_window_bytes: WINDOW_BYTES,
        msi_quota: 16,
    })
}

fn read(path: PathBuf) -> Result<Vec<u8>> {
    std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_must_be_alike_to_the_end_whose_line_may_be_unfinished() {
        let end = Regex::new("starts at").expect("a pattern");
        let differ = |first: &[&str], second: &[&str]| {
            let lines = |run: &[&str]| run.iter().map(ToString::to_string).collect::<Vec<_>>();
            compare(&lines(first), &lines(second), &end).is_err()
        };
        assert!(!differ(
            &["a", "starts at 0x0", "b"],
            &["a", "starts at 0x", "c"]
        ));
        assert!(!differ(&["a", "starts at "], &["a", "starts at 0x0", "b"]));
        assert!(differ(&["a", "starts at 0x1"], &["a", "starts at 0x0"]));
        assert!(differ(&["a", "starts at 0x0"], &["a 1", "starts at 0x0"]));
        assert!(differ(&["a", "starts"], &["a", "starts at 0x0"]));
    }
}
