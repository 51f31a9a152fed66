//! `test`: the checks, then everything that boots.

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use regex::Regex;

use crate::check::{self, Tally};
use crate::guests::{self, GUESTS};
use crate::toolchain::clean_environment;
use crate::workspace::Workspace;
use crate::{build, process, pseries, run, setup, ui};

/// A manifest of examples/.
struct Example {
    manifest: &'static str,
    /// The line of a partition that shows that it works.
    line: &'static str,
    /// What is typed then, and the line that comes of it.
    typed: Option<(&'static str, &'static str)>,
}

impl Example {
    const fn boots(manifest: &'static str) -> Self {
        Self {
            manifest,
            line: "BH-READY",
            typed: None,
        }
    }
}

const EXAMPLES: [Example; 6] = [
    Example {
        line: r"^guest-test: [1-9]\d* passed, 0 failed",
        ..Example::boots("examples/selftest.toml")
    },
    Example::boots("examples/linux.toml"),
    Example::boots("examples/linux-6.12.toml"),
    Example::boots("examples/two-linux.toml"),
    Example::boots("examples/attacker.toml"),
    Example {
        typed: Some((
            "n=1; for i in 2 3 4 5 6 7 8; do until ping -c 1 -W 5 10.9.0.$i >/dev/null; do sleep 1; done; n=$((n+1)); done; echo $n-are-there\n",
            "^8-are-there",
        )),
        ..Example::boots("examples/eight-linux.toml")
    },
];
const EXAMPLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Runs all tests; the last line is `N passed, N failed`.
pub(crate) fn test(workspace: &Workspace) -> Result<ExitCode> {
    qemu_run::stop_all_on_interrupt(|| ());
    let mut tally = check::check(workspace)?;
    let mut ready = true;
    tally.step("guests", || {
        guests::provide(workspace, &GUESTS).inspect_err(|_| ready = false)
    });
    let mut built = true;
    tally.step("firmware", || {
        build::images(workspace, &[]).inspect_err(|_| built = false)
    });
    for guest in GUESTS.iter().filter(|_| ready) {
        tally.step(&format!("{} on pseries", guest.name), || {
            pseries::spine(workspace, *guest)
        });
    }
    if built {
        for example in &EXAMPLES {
            tally.step(example.manifest, || boot_example(workspace, example));
        }
        let mut cases = Tally::default();
        tally.step("cases under QEMU", || {
            cases = qemu_cases(workspace, &[])?;
            if cases.failed == 0 {
                Ok(())
            } else {
                bail!("{} cases failed", cases.failed)
            }
        });
        tally.add(cases);
    }
    Ok(tally.print())
}

/// Boots a manifest as `run` does, with a disk that no earlier run has changed.
fn boot_example(workspace: &Workspace, example: &Example) -> Result<()> {
    let manifest = workspace.root().join(example.manifest);
    let name = manifest.file_stem().unwrap_or_default().to_string_lossy();
    let machine = run::prepare(workspace, &workspace.image(), &manifest, "")?;
    let mut session = machine.spawn(&workspace.logs().join(format!("test-{name}.log")))?;
    run::wait(&mut session, &Regex::new(example.line)?, EXAMPLE_TIMEOUT)?;
    if let Some((text, line)) = example.typed {
        session.send(text)?;
        run::wait(&mut session, &Regex::new(line)?, EXAMPLE_TIMEOUT)?;
    }
    Ok(())
}

/// Has an attacker make `calls` calls beside Linux, which is booted again and again.
pub(crate) fn attack(workspace: &Workspace, calls: u64) -> Result<ExitCode> {
    qemu_run::stop_all_on_interrupt(|| ());
    setup::all(workspace)?;
    build::images(workspace, &[build::Target::Bulkhead])?;
    let calls = calls.to_string();
    let options = ["--filter", "attack", "--attack-calls", &calls];
    let tally = qemu_cases(workspace, &options)?;
    Ok(tally.print())
}

/// Has partitions work under QEMU for so many `seconds`, and shows how far that is.
pub(crate) fn soak(workspace: &Workspace, seconds: u64) -> Result<ExitCode> {
    qemu_run::stop_all_on_interrupt(|| ());
    setup::all(workspace)?;
    build::images(workspace, &[build::Target::Bulkhead])?;
    let bar = ui::seconds_bar(seconds, "Linux boots");
    let seconds = seconds.to_string();
    let options = ["--filter", "soak", "--soak-seconds", &seconds];
    let tally = qemu_cases_to(workspace, &options, |line| match soak_progress(line) {
        Some((at, of, rounds)) if !bar.is_hidden() => {
            bar.set_length(of);
            bar.set_position(at);
            bar.set_message(rounds.to_owned());
        }
        _ => bar.suspend(|| println!("{line}")),
    })?;
    bar.finish_and_clear();
    if tally.failed > 0 {
        ui::note(format!(
            "the log is in {}",
            workspace.show(&workspace.logs().join("tests-qemu"))
        ));
    }
    Ok(tally.print())
}

/// How many seconds of how many are over, and how many rounds were made, if `line` tells.
fn soak_progress(line: &str) -> Option<(u64, u64, &str)> {
    let (time, rounds) = line.strip_prefix("soak: at ")?.split_once(" s, ")?;
    let (at, of) = time.split_once(" of ")?;
    Some((at.parse().ok()?, of.parse().ok()?, rounds))
}

/// Runs the crate `tests-qemu` with `arguments` and reads its summary.
fn qemu_cases(workspace: &Workspace, arguments: &[&str]) -> Result<Tally> {
    qemu_cases_to(workspace, arguments, |line| println!("{line}"))
}

/// The same; each of its lines is given to `show`.
fn qemu_cases_to(
    workspace: &Workspace,
    arguments: &[&str],
    show: impl FnMut(&str),
) -> Result<Tally> {
    let mut command = Command::new("cargo");
    clean_environment(&mut command);
    // By its name and not its package's: with the features that the host's tests have built its dependencies with.
    command.current_dir(workspace.root()).args([
        "run",
        "--bin",
        "tests-qemu",
        "--",
        "--require-guests",
        "--image",
    ]);
    command
        .arg(workspace.image())
        .arg("--guest-test")
        .arg(workspace.test_guest())
        .arg("--selftest-image")
        .arg(workspace.selftest_image())
        .arg("--p7ioc-image")
        .arg(workspace.p7ioc_image());
    command
        .arg("--guests")
        .arg(workspace.guests())
        .arg("--logs")
        .arg(workspace.logs().join("tests-qemu"));
    command.args(arguments);
    let output = check::stream_to(&mut command, show)?;
    let tally = summary(&output.text)
        .with_context(|| format!("`{}` ended without a summary line", process::show(&command)))?;
    if !output.success && tally.failed == 0 {
        bail!("`{}` failed, though no case did", process::show(&command));
    }
    Ok(tally)
}

/// Reads the last line of the form `N passed, N failed`.
fn summary(output: &str) -> Option<Tally> {
    let regex = Regex::new(r"^(\d+) passed, (\d+) failed").expect("a constant that the tests use");
    let captures = output.lines().rev().find_map(|line| regex.captures(line))?;
    let (_, [passed, failed]) = captures.extract();
    Some(Tally {
        passed: passed.parse().ok()?,
        failed: failed.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_summary_counts() {
        let output = "guest-test: 9 passed, 9 failed\n1 passed, 1 failed\ntest x ... ok\n120 passed, 2 failed\n";
        assert_eq!(
            summary(output),
            Some(Tally {
                passed: 120,
                failed: 2
            })
        );
        assert_eq!(summary("guest-test: 9 passed, 9 failed\n"), None);
    }

    #[test]
    fn a_soak_tells_how_far_it_is() {
        let told = soak_progress("soak: at 12 of 70 s, 3 rounds");
        assert_eq!(told, Some((12, 70, "3 rounds")));
        assert_eq!(soak_progress("soak: 60 s, 3 rounds of restarts"), None);
    }
}
