//! The image `selftest`: the tests of bridges and drivers on the machine itself, the same as on the host.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use ioda_proof::{Chip, run_seed};
use qemu_run::Machine;

use crate::case::{Case, Outcome, Part, Verdict};
use crate::context::{Context, regex, stop_reason};
use crate::passed;
use crate::payload::{EDU, parts};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "selftest",
        run: same_as_the_host,
    },
    Case {
        name: "selftest-that-fails",
        run: failing,
    },
    Case {
        name: "phb3-model-against-qemu",
        run: against_qemu,
    },
];

/// The crates whose tests are cases.
const CRATES: [&str; 6] = ["ioda", "ioda-model", "ioda-proof", "p7ioc", "phb3", "pci"];

/// Every test that the host has passes on the machine, and there is no other but programs from seeds.
fn same_as_the_host(context: &Context) -> Outcome {
    let mut missing = host_tests()?;
    let context = context.with_selftest();
    let (mut parts, reason, lines) = run(&context, context.machine().cpus(1))?;
    ensure!(reason == "power-off", "the machine stopped with `{reason}`");
    let is_seed = |part: &Part| part.name.starts_with(SEEDS);
    let foreign: Vec<&Part> = parts
        .iter()
        .filter(|part| !is_seed(part) && !missing.remove(&part.name))
        .collect();
    ensure!(
        foreign.is_empty(),
        "run more than once, or no tests of the host's: {foreign:?}"
    );
    ensure!(
        missing.is_empty(),
        "the host's tests {missing:?} did not run: list them in `cases!` of their module"
    );
    let passed = |part: &&Part| is_seed(part) && part.verdict == Verdict::Passed;
    let passed = parts.iter().filter(passed).count();
    parts.extend(seeds(&lines, passed)?);
    Ok(parts)
}

/// What the cases with programs from seeds are named after.
const SEEDS: &str = "selftest::seeds::";

/// The programs from seeds that the machine ran, of which `passed` came to a good end: the same comes of them here.
fn seeds(lines: &[String], passed: usize) -> Result<Vec<Part>> {
    let form = regex(r"^  seed (\S+) (\d+), (\d+) steps: (.*)$")?;
    let mut parts = Vec::new();
    for line in lines {
        let Some(captures) = form.captures(line) else {
            continue;
        };
        let (_, [chip, seed, steps, machine]) = captures.extract();
        let found = Chip::ALL
            .into_iter()
            .find(|known| known.to_string() == chip);
        let found = found.with_context(|| format!("no chip is called {chip}"))?;
        let summary = run_seed(found, seed.parse()?, steps.parse()?);
        let host = match summary {
            Ok(summary) => format!(
                "{} transactions, {} granted; {} calls done, {} refused",
                summary.transactions, summary.granted, summary.done, summary.refused
            ),
            Err(failure) => failure.to_string(),
        };
        let verdict = if host == machine {
            Verdict::Passed
        } else {
            Verdict::Failed(format!("{machine} on the machine, {host} here"))
        };
        parts.push(Part {
            name: format!("same-on-the-host::{chip}_{seed}"),
            verdict,
        });
    }
    ensure!(
        parts.len() == passed && passed > 0,
        "{passed} programs from seeds passed, {} told what came of them",
        parts.len()
    );
    Ok(parts)
}

/// A case that panics is told with its place and counted, the next runs; one that faults ends the run.
fn failing(context: &Context) -> Outcome {
    let context = context.with_selftest();
    // QEMU hands boot arguments over only beside a kernel; nothing looks at one.
    let machine = ["-kernel", "/dev/null", "-append", "selftest=failing"]
        .into_iter()
        .fold(context.machine().cpus(1), Machine::arg);
    let (parts, reason, _) = run(&context, machine)?;
    ensure!(
        reason == "unexpected-interrupt",
        "the machine stopped with `{reason}`"
    );
    let verdicts: Vec<&Verdict> = parts.iter().map(|part| &part.verdict).collect();
    let [
        Verdict::Failed(panic),
        Verdict::Passed,
        Verdict::Failed(fault),
    ] = verdicts[..]
    else {
        anyhow::bail!("not a panic, a pass and a fault, but {parts:?}")
    };
    for part in [
        "one is not two",
        "left: 1",
        "right: 2",
        "selftest/src/failing.rs:",
    ] {
        ensure!(panic.contains(part), "a panic without `{part}`: {panic}");
    }
    ensure!(fault.contains("vector 0x700"), "a fault as: {fault}");
    passed()
}

/// The model of a PHB3 and QEMU's PHB3 see the same in the same programs, but for the disagreements that are listed.
fn against_qemu(context: &Context) -> Outcome {
    /// What the programs look at at least, so that they are not gone unnoticed.
    const STEPS: u32 = 200;
    let context = context.with_selftest();
    let machine = context
        .machine()
        .cpus(1)
        // The edu's transfers take 100 ms of virtual time, which this makes short.
        .icount("shift=7,sleep=off")
        .device("phb0/00.0/00.0", &format!("{EDU},multifunction=on"))?
        .device("phb0/00.0/00.1", "ivshmem-plain,memdev=shared")?
        .device("phb0/00.0/00.2", "pcie-pci-bridge")?
        .device("phb0/00.0/00.2/03.0", EDU)?;
    let machine = [
        "-object",
        "memory-backend-ram,id=shared,size=64M",
        "-kernel",
        "/dev/null",
        "-append",
        "selftest=against-qemu",
    ]
    .into_iter()
    .fold(machine, Machine::arg);
    let (parts, reason, lines) = run(&context, machine)?;
    ensure!(reason == "power-off", "the machine stopped with `{reason}`");
    let steps = regex(r"^  \S+: (\d+) steps$")?;
    let count = |line: &String| steps.captures(line)?[1].parse::<u32>().ok();
    let taken: u32 = lines.iter().filter_map(count).sum();
    ensure!(
        taken >= STEPS,
        "the programs looked at {taken} things, not at {STEPS}"
    );
    Ok(parts)
}

/// Runs `machine` to its end. Returns the cases that its lines tell of, checked against its own count, the
/// reason it gave for its end, and the lines.
fn run(context: &Context, machine: Machine) -> Result<(Vec<Part>, String, Vec<String>)> {
    let mut session = context.start(machine)?;
    let summary = regex(r"^\d+ passed, \d+ failed\b")?;
    let line = session.wait_for(&summary, context.limit(60))?;
    let reason = stop_reason(&mut session, context.limit(20))?;
    let log = session.log().to_owned();
    let lines = session.stop();
    let parts = parts(&lines)?;
    let count = |wanted: bool| {
        let is_wanted = |part: &&Part| (part.verdict == Verdict::Passed) == wanted;
        parts.iter().filter(is_wanted).count()
    };
    let counted = format!("{} passed, {} failed", count(true), count(false));
    ensure!(
        line == counted,
        "the image says `{line}`, its lines say `{counted}`; {}",
        log.display()
    );
    ensure!(
        !parts.is_empty(),
        "the image ran nothing; {}",
        log.display()
    );
    Ok((parts, reason, lines))
}

/// The names of the host's tests, as a table of cases has them.
fn host_tests() -> Result<BTreeSet<String>> {
    // All of the workspace's, as the tests of the host are built: by package each would be built again.
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new("cargo");
    command.current_dir(workspace);
    command.args([
        "test",
        "--quiet",
        "--lib",
        "--no-run",
        "--message-format=json",
    ]);
    let built = printed(&mut command)?;
    let mut names = BTreeSet::new();
    for package in CRATES {
        let root = package.replace('-', "_");
        let program = built.lines().find_map(|line| test_program(line, &root));
        let program = program.with_context(|| format!("{command:?} makes none of {package}"))?;
        let text = printed(Command::new(program).args(["--list", "--format", "terse"]))?;
        let listed = text.lines().filter_map(|line| line.strip_suffix(": test"));
        names.extend(listed.map(|test| format!("{root}::{}", test.replacen("::host::", "::", 1))));
    }
    ensure!(!names.is_empty(), "the host has no tests of {CRATES:?}");
    Ok(names)
}

/// What `command` prints.
fn printed(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("{command:?} cannot be run"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The program with the tests of library `name`, if cargo's message `line` tells of it.
fn test_program(line: &str, name: &str) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_it = message["reason"] == "compiler-artifact"
        && message["target"]["name"] == name
        && message["profile"]["test"] == true;
    let program = message["executable"].as_str().filter(|_| is_it);
    program.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_s_test_program_is_told_from_the_library() {
        let line = |name: &str, test: bool| {
            serde_json::json!({
                "reason": "compiler-artifact", "target": {"name": name}, "profile": {"test": test}, "executable": "/deps/it"
            })
            .to_string()
        };
        assert_eq!(
            test_program(&line("ioda", true), "ioda").as_deref(),
            Some("/deps/it")
        );
        for other in [line("ioda_model", true), line("ioda", false), String::new()] {
            assert_eq!(test_program(&other, "ioda"), None);
        }
    }
}
