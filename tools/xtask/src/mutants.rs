//! `mutants`: changes the drivers in small ways and looks whether a test sees it, by cargo-mutants.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::toolchain::clean_environment;
use crate::workspace::Workspace;
use crate::{process, ui};

/// Tests the tests of what isolates partitions: changes the code in small ways and looks whether a test fails.
///
/// docs/mutants.md explains the changes that no test can see. All of them take about an hour on two processors.
#[derive(Debug, Args)]
pub(crate) struct MutantsArguments {
    /// The packages: p7ioc, ioda, lpar, pci; without any all of them, one after another.
    #[arg(value_name = "PACKAGE")]
    packages: Vec<String>,
    /// What cargo-mutants is told as well, such as --jobs N, --file GLOB or --iterate.
    #[arg(last = true, value_name = "OPTION")]
    options: Vec<String>,
}

/// A package, and which of its files decide who may reach what; none: all.
struct Subject {
    package: &'static str,
    files: &'static [&'static str],
}

const SUBJECTS: [Subject; 4] = [
    Subject {
        package: "p7ioc",
        files: &[],
    },
    Subject {
        package: "ioda",
        files: &[],
    },
    Subject {
        package: "lpar",
        files: &["lpar/src/dma.rs", "lpar/src/hcall/tce.rs"],
    },
    Subject {
        package: "pci",
        files: &["platform/pci/src/plan/*.rs"],
    },
];

/// Of the mutants that compile, so many in a hundred are to be caught.
const GOAL: usize = 95;
/// Exit codes of cargo-mutants that say that it ran: all caught, some missed, some timed out.
const RAN: [i32; 3] = [0, 2, 3];

/// What became of a package's mutants.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    caught: usize,
    missed: usize,
    /// It may never end, or the machine was busy: nobody has seen a test fail.
    timed_out: usize,
    unviable: usize,
    /// With --iterate: caught or not viable in earlier runs; cargo-mutants does not keep the two apart.
    earlier: usize,
}

impl Tally {
    /// Counts the lines of what cargo-mutants has written to `folder`.
    fn read(folder: &Path) -> Result<Self> {
        let lines = |name: &str| -> Result<usize> {
            let file = folder.join(name);
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            Ok(text.lines().filter(|line| !line.trim().is_empty()).count())
        };
        Ok(Self {
            caught: lines("caught.txt")?,
            missed: lines("missed.txt")?,
            timed_out: lines("timeout.txt")?,
            unviable: lines("unviable.txt")?,
            earlier: lines("previously_caught.txt").unwrap_or(0),
        })
    }

    /// Whether enough are caught.
    const fn is_good(&self) -> bool {
        let viable = self.caught + self.missed + self.timed_out;
        self.caught * 100 >= viable * GOAL
    }
}

/// Makes and tests the mutants; an error if too few are caught.
pub(crate) fn mutants(workspace: &Workspace, arguments: &MutantsArguments) -> Result<()> {
    let chosen = choose(&arguments.packages)?;
    install()?;
    let mut poor = Vec::new();
    for subject in chosen {
        let package = subject.package;
        ui::step(format!("mutants of {package}"));
        let folder = workspace.target().join("mutants").join(package);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        let results = folder.join("mutants.out");
        let earlier = start(&results);
        let mut command = command(workspace, subject, &folder, &arguments.options);
        let status = command
            .status()
            .with_context(|| format!("`{}` could not be started", process::show(&command)))?;
        if !status.code().is_some_and(|code| RAN.contains(&code)) {
            bail!("`{}` failed ({status})", process::show(&command));
        }
        if start(&results) == earlier {
            // It was told to list what there is, or to look at a change that touches nothing of this package.
            continue;
        }
        let tally = Tally::read(&results)?;
        println!(
            "{package}: {} caught, {} missed, {} timed out, {} not viable{}; see {}",
            tally.caught,
            tally.missed,
            tally.timed_out,
            tally.unviable,
            match tally.earlier {
                0 => String::new(),
                earlier => format!(", {earlier} caught or not viable before"),
            },
            workspace.show(&results)
        );
        if tally.earlier > 0 {
            println!("{package}: only a run without --iterate tells the share that is caught");
        } else if !tally.is_good() {
            poor.push(package);
        }
    }
    if !poor.is_empty() {
        bail!(
            "less than {GOAL} % caught: {}. Remedy: a test for what missed.txt lists",
            poor.join(", ")
        );
    }
    Ok(())
}

/// What tells the run whose results are in `folder` from every other: its start, to the nanosecond; `None` without one.
fn start(folder: &Path) -> Option<Vec<u8>> {
    std::fs::read(folder.join("lock.json")).ok()
}

fn choose(packages: &[String]) -> Result<Vec<&'static Subject>> {
    if packages.is_empty() {
        return Ok(SUBJECTS.iter().collect());
    }
    let find = |package: &String| {
        SUBJECTS
            .iter()
            .find(|subject| subject.package == package)
            .with_context(|| {
                let known = SUBJECTS.map(|subject| subject.package).join(", ");
                format!("{package} is not among the packages: {known}")
            })
    };
    packages.iter().map(find).collect()
}

fn install() -> Result<()> {
    if process::capture(cargo().args(["mutants", "--version"])).is_ok() {
        return Ok(());
    }
    ui::step("cargo-mutants is missing: cargo install --locked cargo-mutants");
    process::run(cargo().args(["install", "--locked", "cargo-mutants"]))?;
    if process::find("cargo-mutants").is_none() {
        bail!("it was installed, but its folder is not in PATH");
    }
    Ok(())
}

fn cargo() -> Command {
    let mut command = Command::new("cargo");
    clean_environment(&mut command);
    command
}

fn command(workspace: &Workspace, subject: &Subject, folder: &Path, options: &[String]) -> Command {
    let mut command = cargo();
    command
        .current_dir(workspace.root())
        // Nobody debugs a mutant, and one that fails a hundred tests is not to be taken for one that never ends.
        .envs([
            ("CARGO_PROFILE_DEV_DEBUG", "0"),
            ("CARGO_PROFILE_TEST_DEBUG", "0"),
            ("RUST_BACKTRACE", "0"),
        ])
        .args(["mutants", "--package", subject.package, "--output"])
        .arg(folder);
    for file in subject.files {
        command.args(["--file", file]);
    }
    command.args(options);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> Vec<String> {
        let words = command.get_args();
        words.map(|word| word.to_string_lossy().into()).collect()
    }

    #[test]
    fn packages_are_chosen_by_name_and_others_are_refused() {
        let names = |packages: &[&str]| {
            let packages: Vec<String> = packages.iter().map(|name| (*name).into()).collect();
            choose(&packages).map(|all| all.iter().map(|one| one.package).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).expect("all"), ["p7ioc", "ioda", "lpar", "pci"]);
        assert_eq!(names(&["pci", "ioda"]).expect("both"), ["pci", "ioda"]);
        let error = names(&["ppc64"]).expect_err("not one of them").to_string();
        assert!(error.contains("ppc64") && error.contains("p7ioc"));
    }

    #[test]
    fn every_file_that_is_named_is_there() {
        let workspace = Workspace::find();
        for file in SUBJECTS.iter().flat_map(|subject| subject.files) {
            let path = workspace.root().join(file.trim_end_matches("*.rs"));
            assert!(path.exists(), "{file}");
        }
    }

    #[test]
    fn options_are_passed_on_behind_what_is_run() {
        let workspace = Workspace::at(Path::new("/somewhere"));
        let options = ["--jobs".to_owned(), "2".to_owned()];
        let command = command(&workspace, &SUBJECTS[3], Path::new("out"), &options);
        assert_eq!(
            words(&command),
            [
                "mutants",
                "--package",
                "pci",
                "--output",
                "out",
                "--file",
                "platform/pci/src/plan/*.rs",
                "--jobs",
                "2"
            ]
        );
    }

    #[test]
    fn a_list_is_told_from_a_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let lock = |started| {
            let text = format!("{{ \"start_time\": \"2026-01-02T03:04:05.{started}Z\" }}");
            std::fs::write(folder.path().join("lock.json"), text).expect("written");
        };
        let before = start(folder.path());
        assert_eq!(before, None);
        assert_eq!(start(folder.path()), before, "a list leaves nothing");
        lock(6);
        let first = start(folder.path());
        assert_ne!(first, before);
        assert_eq!(start(folder.path()), first, "nor does it after a run");
        lock(7);
        assert_ne!(start(folder.path()), first);
    }

    #[test]
    fn a_tally_counts_lines_and_knows_the_goal() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Tally::read(folder.path()).is_err(), "nothing was written");
        for (name, text) in [
            ("caught.txt", "a\nb\n"),
            ("timeout.txt", "c\n"),
            ("missed.txt", "d\n"),
            ("unviable.txt", ""),
            ("previously_caught.txt", "e\n"),
        ] {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        let want = Tally {
            caught: 2,
            missed: 1,
            timed_out: 1,
            unviable: 0,
            earlier: 1,
        };
        assert_eq!(Tally::read(folder.path()).expect("it is there"), want);
        assert!(!want.is_good());
        let tally = |caught, missed, timed_out| Tally {
            caught,
            missed,
            timed_out,
            unviable: 9,
            earlier: 0,
        };
        assert!(tally(95, 5, 0).is_good());
        assert!(tally(95, 4, 1).is_good());
        assert!(!tally(94, 5, 0).is_good());
        assert!(!tally(94, 0, 5).is_good());
    }
}
