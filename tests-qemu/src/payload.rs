//! `guest-test` as a partition: all of its cases, and the other ways it ends.

use std::path::Path;

use anyhow::{Result, ensure};
use bundle::Console;
use bundle::build::{EthernetSpec, PartitionSpec};
use qemu_run::{Machine, Source};

use crate::case::{Case, Outcome, Part, Verdict};
use crate::context::{Context, device, ethernet, regex, stops_with};
use crate::passed;

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "guest-test",
        run: whole,
    },
    Case {
        name: "guest-test-alone",
        run: without_devices,
    },
    Case {
        name: "guest-test-beside-another",
        run: beside_another,
    },
    Case {
        name: "guest-test-repeats",
        run: repeats,
    },
    Case {
        name: "reboot",
        run: reboot,
    },
    Case {
        name: "os-term",
        run: os_term,
    },
    Case {
        name: "echo",
        run: echo,
    },
];

/// An edu whose DMA engine can name every address, as far as the bridge lets it.
pub(crate) const EDU: &str = "edu,dma_mask=0xffffffffffffffff";
/// Where two functions of the partition and a foreign one sit: one card with three functions.
pub(crate) const OURS: [&str; 2] = ["phb0/00.0/00.0", "phb0/00.0/00.1"];
const FOREIGN: &str = "phb0/00.0/00.2";

pub(crate) fn machine_with_edus(context: &Context) -> Result<Machine> {
    let [first, second] = OURS;
    let machine = context
        .machine()
        .device(first, &format!("{EDU},multifunction=on"))?;
    Ok(machine.device(second, EDU)?.device(FOREIGN, EDU)?)
}

/// The payload's adapters: two on one VLAN, one on another.
pub(crate) fn network() -> Vec<EthernetSpec> {
    vec![ethernet(1, 1), ethernet(1, 2), ethernet(2, 3)]
}

/// Runs the payload with the functions at `paths` to its end; its cases as parts.
pub(crate) fn run(context: &Context, machine: Machine, paths: &[&str], words: &str) -> Outcome {
    run_and_tell(context, machine, paths, words).map(|(parts, _)| parts)
}

/// As [`run`]; the lines of the machine's console as well.
pub(crate) fn run_and_tell(
    context: &Context,
    machine: Machine,
    paths: &[&str],
    words: &str,
) -> Result<(Vec<Part>, Vec<String>)> {
    let mut partition = context.payload(words)?;
    partition.devices = paths
        .iter()
        .map(|path| device(path))
        .collect::<Result<_>>()?;
    partition.ethernets = network();
    run_first_and_tell(context, machine, &[partition])
}

/// Runs `partitions`, of which the first is the payload with the console, until all are off; its cases as parts.
pub(crate) fn run_first(
    context: &Context,
    machine: Machine,
    partitions: &[PartitionSpec],
) -> Outcome {
    run_first_and_tell(context, machine, partitions).map(|(parts, _)| parts)
}

/// As [`run_first`]; the lines of the machine's console as well.
fn run_first_and_tell(
    context: &Context,
    machine: Machine,
    partitions: &[PartitionSpec],
) -> Result<(Vec<Part>, Vec<String>)> {
    let bytes = bundle::build::pack(partitions).map_err(no_pack)?;
    let mut session = context.boot(machine, &bytes)?;
    let summary = regex(
        r"guest-test: (\d+ passed, \d+ failed)|guest-test: .*(Stopped|panic|unexpected interrupt)",
    )?;
    let line = session.wait_for_in(Source::Partitions, &summary, context.limit(240))?;
    stops_with(&mut session, "power-off", context.limit(20))?;
    let log = session.log().to_owned();
    let lines = session.stop();
    Ok((trials(&lines, &line, &log)?, lines))
}

/// The trials that `lines` tell of, which are as many as the payload's last line `summary` says.
pub(crate) fn trials(lines: &[String], summary: &str, log: &Path) -> Result<Vec<Part>> {
    let parts = parts(lines)?;
    ensure!(summary.contains("passed"), "{summary}; {}", log.display());
    // A line that the hypervisor's own text broke must not make a case vanish.
    let count =
        |wanted: fn(&Verdict) -> bool| parts.iter().filter(|part| wanted(&part.verdict)).count();
    let counted = format!(
        "guest-test: {} passed, {} failed",
        count(|verdict| *verdict == Verdict::Passed),
        count(|verdict| matches!(verdict, Verdict::Failed(_)))
    );
    ensure!(
        summary == counted,
        "the payload says `{summary}`, its lines say `{counted}`; {}",
        log.display()
    );
    ensure!(
        !parts.is_empty(),
        "the payload ran no case; {}",
        log.display()
    );
    Ok(parts)
}

/// The trials that `lines` of a console tell of.
pub(crate) fn parts(lines: &[String]) -> Result<Vec<Part>> {
    let form = regex(r"^test (\S+) \.\.\. .*?(ok|FAILED: .*|skipped: .*)$")?;
    let part = |line: &String| {
        let captures = form.captures(line)?;
        let (name, verdict) = (captures.get(1)?.as_str(), captures.get(2)?.as_str());
        let verdict = match (
            verdict.strip_prefix("FAILED: "),
            verdict.strip_prefix("skipped: "),
        ) {
            (Some(why), _) => Verdict::Failed(why.to_owned()),
            (_, Some(why)) => Verdict::Skipped(why.to_owned()),
            _ => Verdict::Passed,
        };
        Some(Part {
            name: name.to_owned(),
            verdict,
        })
    };
    Ok(lines.iter().filter_map(part).collect())
}

fn no_pack(error: bundle::BundleError) -> anyhow::Error {
    anyhow::anyhow!("the bundle cannot be packed: {error}")
}

pub(crate) fn whole(context: &Context) -> Outcome {
    // Besides, one that can be reset alone.
    const NVME: &str = "phb0/00.0/00.3";
    let [first, second] = OURS;
    run(
        context,
        machine_with_edus(context)?.device(NVME, "nvme,serial=bulkhead")?,
        &[first, second, NVME],
        &context.payload_words,
    )
}

fn without_devices(context: &Context) -> Outcome {
    // A machine without any bridge, on one CPU.
    let mut partition = context.payload("only=basics")?;
    partition.cpus = 1;

    let mut session = context.boot(
        context.machine().cpus(1),
        &bundle::build::pack(&[partition]).map_err(no_pack)?,
    )?;
    session.wait_for_in(
        Source::Partitions,
        &regex("guest-test: [1-9][0-9]* passed, 0 failed")?,
        context.limit(60),
    )?;
    stops_with(&mut session, "power-off", context.limit(20))?;
    passed()
}

/// A partition is not disturbed by another on the next CPU and the next function, which starts anew again
/// and again meanwhile.
fn beside_another(context: &Context) -> Outcome {
    let [ours, theirs] = OURS;
    let mut partition = context.payload("")?;
    partition.cpus = 1;
    partition.devices = vec![device(ours)?];
    let mut other = context.payload("mode=reboot")?;
    other.name = "other".to_owned();
    other.cpus = 1;
    other.console = Console::None;
    other.devices = vec![device(theirs)?];
    run_first(context, machine_with_edus(context)?, &[partition, other])
}

fn repeats(context: &Context) -> Outcome {
    // Under -icount the machine is deterministic: two runs tell the same, to the letter.
    let mut texts = Vec::new();
    for _ in 0..2 {
        let machine = machine_with_edus(context)?.icount("shift=0,sleep=off");
        let mut partition = context.payload("mode=bench")?;
        partition.devices = OURS.into_iter().map(device).collect::<Result<_>>()?;
        let bytes = bundle::build::pack(&[partition]).map_err(no_pack)?;
        let mut session = context.boot(machine, &bytes)?;
        session.wait_for_in(
            Source::Partitions,
            &regex("bench done")?,
            context.limit(120),
        )?;
        let lines = session.stop();
        texts.push(
            lines
                .into_iter()
                .filter(|line| line.starts_with("bench "))
                .collect::<Vec<_>>(),
        );
    }
    ensure!(
        texts.first() == texts.last(),
        "two runs measured different numbers: {texts:#?}"
    );
    passed()
}

fn reboot(context: &Context) -> Outcome {
    let bytes = bundle::build::pack(&[context.payload("mode=reboot")?]).map_err(no_pack)?;
    let mut session = context.boot(context.machine(), &bytes)?;
    for start in 1..=3 {
        let line = regex(&format!("guest-test: start number {start} "))?;
        session.wait_for_in(Source::Partitions, &line, context.limit(60))?;
    }
    stops_with(&mut session, "power-off", context.limit(20))?;
    let came_back = session
        .lines()
        .into_iter()
        .find(|line| line.contains("came back"));
    ensure!(came_back.is_none(), "{came_back:?}");
    passed()
}

fn os_term(context: &Context) -> Outcome {
    let bytes = bundle::build::pack(&[context.payload("mode=os-term")?]).map_err(no_pack)?;
    let mut session = context.boot(context.machine(), &bytes)?;
    let line = regex(r"^bulkhead\| .*partition payload: os-term: guest-test says good-bye")?;
    session.wait_for(&line, context.limit(60))?;
    stops_with(&mut session, "power-off", context.limit(20))?;
    passed()
}

fn echo(context: &Context) -> Outcome {
    let bytes = bundle::build::pack(&[context.payload("mode=echo")?]).map_err(no_pack)?;
    let mut session = context.boot(context.machine(), &bytes)?;
    session.wait_for_in(
        Source::Partitions,
        &regex("^guest-test: echo")?,
        context.limit(60),
    )?;
    // Longer than one H_GET_TERM_CHAR, in one go and by single bytes.
    session.send("the quick brown fox jumps over the lazy dog\n")?;
    session.wait_for_in(
        Source::Partitions,
        &regex("the quick brown fox jumps over the lazy dog")?,
        context.limit(20),
    )?;
    for byte in ["e", "n", "d", "\n"] {
        session.send(byte)?;
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    session.wait_for_in(
        Source::Partitions,
        &regex("guest-test: echo ended")?,
        context.limit(20),
    )?;
    stops_with(&mut session, "power-off", context.limit(20))?;
    passed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_payload_become_parts() {
        let lines = [
            "test a::b ... ok",
            "test term::put ... .... ok",
            "test c ... !FAILED: x: got -2, want -4",
            "noise ok",
        ];
        let lines: Vec<String> = lines
            .into_iter()
            .chain(["test d ... skipped: no edu"])
            .map(str::to_owned)
            .collect();
        let parts = parts(&lines).expect("the expression is fine");
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["a::b", "term::put", "c", "d"]);
        assert_eq!(parts[1].verdict, Verdict::Passed);
        assert_eq!(
            parts[2].verdict,
            Verdict::Failed("x: got -2, want -4".to_owned())
        );
        assert_eq!(parts[3].verdict, Verdict::Skipped("no edu".to_owned()));
    }
}
