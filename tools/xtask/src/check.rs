//! `check`: everything that needs no emulator.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use regex::Regex;

use crate::build::FIRMWARE;
use crate::toolchain::{Toolchain, clean_environment};
use crate::workspace::Workspace;
use crate::{named_tests, process, setup, ui};

/// The crates with loom models of what several threads do at once; each is built for them alone, by its feature `loom`.
const MODELLED: [&str; 3] = ["lock", "lpar", "trace"];

/// How many tests and steps passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// Announces and runs a step, and counts and reports its outcome.
    pub(crate) fn step(&mut self, name: &str, run: impl FnOnce() -> Result<()>) {
        ui::step(name);
        match run() {
            Ok(()) => {
                self.passed += 1;
                println!("step {name} ... ok");
            }
            Err(error) => {
                self.failed += 1;
                println!("step {name} ... FAILED: {error:#}");
            }
        }
    }

    /// Adds what a program has counted itself.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Prints the summary line, and returns what the program ends with.
    pub(crate) fn print(self) -> ExitCode {
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Runs every check; all run, whatever fails before them.
pub(crate) fn check(workspace: &Workspace) -> Result<Tally> {
    setup::tools()?;
    setup::components()?;
    let toolchain = Toolchain::find()?;
    let root = workspace.root();
    let mut tally = Tally::default();
    tally.step("formatting", || {
        process::run(cargo(root).args(["fmt", "--all", "--", "--check"]))
    });
    tally.step("clippy, host crates", || {
        process::run(cargo(root).args(["clippy", "--all-targets", "--", "-D", "warnings"]))
    });
    tally.step("lints, firmware crates", || {
        lint_firmware(workspace, &toolchain)
    });
    tally.step("documentation", || {
        let mut doc = cargo(root);
        process::run(
            doc.args(["doc", "--no-deps"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        )
    });
    tally.step("ARCHITECTURE.md against the tree", || architecture(root));
    tally.step("tests that docs/isolation.md names", || isolation(root));
    let mut counted = Tally::default();
    let mut step = |name: &str, arguments: &[&str]| {
        tally.step(name, || {
            let tests = tests(root, arguments)?;
            counted.add(tests);
            if tests.failed == 0 {
                Ok(())
            } else {
                bail!("{} tests failed", tests.failed)
            }
        });
    };
    step("host tests", &["--no-fail-fast"]);
    for package in MODELLED {
        let name = format!("models of memory order, {package}");
        step(
            &name,
            &["-p", package, "--lib", "--features", "loom", "models"],
        );
    }
    tally.add(counted);
    Ok(tally)
}

/// Cargo with the toolchain of the host.
fn cargo(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    clean_environment(&mut command);
    command.current_dir(root);
    command
}

/// Clippy where the firmware's compiler has one, else that compiler's own lints; warnings are errors.
fn lint_firmware(workspace: &Workspace, toolchain: &Toolchain) -> Result<()> {
    let subcommand = if toolchain.has_clippy() {
        "clippy"
    } else {
        "check"
    };
    // Flags of its own would otherwise have the release build start over each time.
    let target_dir = workspace.target().join("firmware-check");
    for group in FIRMWARE {
        let mut command = toolchain.cargo(subcommand, workspace.root(), &target_dir);
        for package in group.packages {
            command.args(["-p", package]);
        }
        for feature in group.features {
            command.args(["--features", feature]);
        }
        process::run(command.env("CARGO_ENCODED_RUSTFLAGS", "-Dwarnings"))?;
    }
    Ok(())
}

/// Runs tests on the host, shows their output, and counts them.
fn tests(root: &Path, arguments: &[&str]) -> Result<Tally> {
    let mut command = cargo(root);
    command.arg("test").args(arguments);
    let output = stream(&mut command)?;
    let tally = count(&output.text);
    if !output.success && tally.failed == 0 {
        bail!(
            "`{}` failed before or between the tests",
            process::show(&command)
        );
    }
    if tally.passed == 0 {
        bail!("no test has run");
    }
    Ok(tally)
}

/// What a program printed, and whether it succeeded.
pub(crate) struct Output {
    pub(crate) text: String,
    pub(crate) success: bool,
}

/// Runs `command`, showing its standard output while keeping it.
pub(crate) fn stream(command: &mut Command) -> Result<Output> {
    stream_to(command, |line| println!("{line}"))
}

/// Runs `command`, gives each line that it prints to `show`, and keeps it.
pub(crate) fn stream_to(command: &mut Command, mut show: impl FnMut(&str)) -> Result<Output> {
    use std::io::{BufRead, BufReader};
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{}` could not be started", process::show(command)))?;
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            show(&line);
            text += &line;
            text.push('\n');
        }
    }
    Ok(Output {
        text,
        success: child.wait()?.success(),
    })
}

/// Adds up the lines `test result: …` of cargo's test runner.
fn count(output: &str) -> Tally {
    let regex = Regex::new(r"(?m)^test result: \S+\. (\d+) passed; (\d+) failed;")
        .expect("a constant that the tests use");
    regex
        .captures_iter(output)
        .fold(Tally::default(), |mut tally, captures| {
            let (_, [passed, failed]) = captures.extract();
            tally.add(Tally {
                passed: passed.parse().unwrap_or(0),
                failed: failed.parse().unwrap_or(0),
            });
            tally
        })
}

/// Requires that ARCHITECTURE.md names every crate, and that every path in it exists.
fn architecture(root: &Path) -> Result<()> {
    let read = |name: &str| {
        std::fs::read_to_string(root.join(name)).with_context(|| format!("{name} cannot be read"))
    };
    let text = read("ARCHITECTURE.md")?;
    let members = members(&read("Cargo.toml")?)?;
    let mut problems = Vec::new();
    for member in &members {
        let name = package_name(&read(&format!("{member}/Cargo.toml"))?)?;
        if !text.contains(&format!("`{name}`")) {
            problems.push(format!("the crate `{name}` ({member}/) is not named in it"));
        }
    }
    for path in paths(&text) {
        if !root.join(&path).exists() {
            problems.push(format!("it names `{path}`, which does not exist"));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!(
        "ARCHITECTURE.md and the tree differ. Remedy: correct the page.\n{}",
        problems.join("\n")
    )
}

/// Requires that the tests exist that the page about isolation names.
fn isolation(root: &Path) -> Result<()> {
    let read = |name: &str| {
        std::fs::read_to_string(root.join(name)).with_context(|| format!("{name} cannot be read"))
    };
    let crates = members(&read("Cargo.toml")?)?
        .into_iter()
        .map(|member| {
            let name = package_name(&read(&format!("{member}/Cargo.toml"))?)?;
            Ok((name, root.join(member)))
        })
        .collect::<Result<Vec<_>>>()?;
    named_tests::check(&read("docs/isolation.md")?, &crates)
        .context("docs/isolation.md names tests that are not there. Remedy: correct the page")
}

fn members(manifest: &str) -> Result<Vec<String>> {
    let table: toml::Table = manifest.parse()?;
    let members = table
        .get("workspace")
        .and_then(|workspace| workspace.get("members"))
        .and_then(|list| list.as_array());
    let members = members.context("Cargo.toml has no workspace.members")?;
    Ok(members
        .iter()
        .filter_map(|member| member.as_str())
        .map(str::to_owned)
        .collect())
}

fn package_name(manifest: &str) -> Result<String> {
    let table: toml::Table = manifest.parse()?;
    let name = table
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(|name| name.as_str());
    Ok(name
        .context("a member's Cargo.toml has no package.name")?
        .to_owned())
}

/// The paths that a page names: words in backquotes with a slash, documents, and the targets of its links.
fn paths(text: &str) -> Vec<String> {
    let quoted =
        Regex::new(r"`([A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]*)+|[A-Za-z0-9_-]+\.(?:md|toml))`");
    let links = Regex::new(r"\]\(([^)#:]+)\)");
    [quoted, links]
        .into_iter()
        .flatten()
        .flat_map(|regex| {
            regex
                .captures_iter(text)
                .map(|found| found[1].to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_test_programs_are_added_up() {
        let output = "test result: ok. 18 passed; 0 failed; 0 ignored\nx\ntest result: FAILED. 2 passed; 1 failed; 0 ignored\n";
        assert_eq!(
            count(output),
            Tally {
                passed: 20,
                failed: 1
            }
        );
        assert_eq!(count("nothing"), Tally::default());
    }

    #[test]
    fn the_page_about_isolation_names_tests_that_exist() {
        isolation(Workspace::find().root()).expect("they all exist");
    }

    #[test]
    fn paths_of_a_page_are_found() {
        let text = "`abi/` and `boot/src/entry.S`, `rfid`, `lpar::hcall`, [ADR](docs/adr), `Cargo.toml`, [x](https://y.example)";
        assert_eq!(
            paths(text),
            ["abi/", "boot/src/entry.S", "Cargo.toml", "docs/adr"]
        );
    }

    #[test]
    fn a_page_that_lacks_a_crate_or_names_a_lost_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(root.join(name).parent().expect("a parent")).expect("made");
            std::fs::write(root.join(name), text).expect("written");
        };
        write("Cargo.toml", "[workspace]\nmembers = [\"a\", \"deep/b\"]\n");
        write("a/Cargo.toml", "[package]\nname = \"crate-a\"\n");
        write("deep/b/Cargo.toml", "[package]\nname = \"crate-b\"\n");
        write(
            "ARCHITECTURE.md",
            "`crate-a` in `a/`, `crate-b` in `deep/b/`",
        );
        architecture(root).expect("they agree");
        write("ARCHITECTURE.md", "`crate-a` in `a/` and `a/src/lost.rs`");
        let error = architecture(root).expect_err("they differ").to_string();
        assert!(
            error.contains("the crate `crate-b` (deep/b/) is not named in it"),
            "{error}"
        );
        assert!(
            error.contains("it names `a/src/lost.rs`, which does not exist"),
            "{error}"
        );
    }
}
