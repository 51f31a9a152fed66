//! `fuzz`: runs the targets of `tools/fuzz`, coverage-guided by cargo-fuzz where it can be had.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use crate::toolchain::clean_environment;
use crate::workspace::Workspace;
use crate::{process, ui};

/// Fuzzes what reads hostile input; docs/fuzzing.md describes the targets.
#[derive(Debug, Args)]
pub(crate) struct FuzzArguments {
    /// The target; without one all of them, one after another.
    #[arg(value_name = "TARGET")]
    target: Option<String>,
    /// How long each runs.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u64,
    /// Takes the plain harness, which knows nothing of coverage, even where cargo-fuzz can be had.
    #[arg(long)]
    plain: bool,
}

/// The longest input, in bytes.
const MAX_BYTES: u32 = 1 << 14;

/// Where one target's inputs are.
struct Folders {
    /// Committed inputs, not written to.
    corpus: PathBuf,
    /// What fuzzing has found worth keeping.
    found: PathBuf,
    /// Inputs that made the target panic.
    artifacts: PathBuf,
}

/// Fuzzes as `arguments` say; a panic of a target is an error.
pub(crate) fn fuzz(workspace: &Workspace, arguments: &FuzzArguments) -> Result<()> {
    let chosen = choose(&targets(workspace)?, arguments.target.as_deref())?;
    let guided = !arguments.plain && guided_is_ready(workspace);
    for target in chosen {
        let folders = folders(workspace, &target)?;
        let how = if guided { "by cargo-fuzz" } else { "plainly" };
        ui::step(format!(
            "fuzzing {target} {how} for {} s",
            arguments.seconds
        ));
        let mut command = if guided {
            guided_command(workspace, &target, &folders, arguments.seconds)
        } else {
            plain_command(workspace, &target, &folders, arguments.seconds)
        };
        process::run(&mut command).with_context(|| {
            format!(
                "{target} has panicked or could not run.\nAn input that panics is in {}. Remedy: mend the cause, then \
                 copy the input to {}",
                folders.artifacts.display(),
                workspace.show(&folders.corpus)
            )
        })?;
    }
    Ok(())
}

/// The names of all targets, which are those of their corpora.
fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root().join("tools/fuzz/corpus");
    let entries = std::fs::read_dir(&folder)
        .with_context(|| format!("{} cannot be read", workspace.show(&folder)))?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let mut names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// The one named, or all.
fn choose(targets: &[String], name: Option<&str>) -> Result<Vec<String>> {
    let Some(name) = name else {
        return Ok(targets.to_vec());
    };
    if targets.iter().any(|target| target == name) {
        return Ok(vec![name.to_owned()]);
    }
    Err(anyhow!(
        "there is no fuzz target {name}. Remedy: name one of {}",
        targets.join(", ")
    ))
}

fn folders(workspace: &Workspace, target: &str) -> Result<Folders> {
    let working = workspace.target().join("fuzz");
    let folders = Folders {
        corpus: workspace.root().join("tools/fuzz/corpus").join(target),
        found: working.join("corpus").join(target),
        artifacts: working.join("artifacts").join(target),
    };
    for folder in [&folders.found, &folders.artifacts] {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    Ok(folders)
}

/// Installs cargo-fuzz if it is missing, and builds the targets with it; says why not when that fails.
fn guided_is_ready(workspace: &Workspace) -> bool {
    let ready = install().and_then(|()| {
        ui::step("building the fuzz targets with libFuzzer");
        process::run(&mut cargo_fuzz(workspace, "build"))
    });
    if let Err(error) = &ready {
        ui::note(format!("{error:#}"));
        ui::note(
            "cargo-fuzz cannot be used (it needs a C++ compiler, and a network the first time): taking the plain harness",
        );
    }
    ready.is_ok()
}

fn install() -> Result<()> {
    if process::capture(cargo(Path::new(".")).args(["fuzz", "--version"])).is_ok() {
        return Ok(());
    }
    ui::step("cargo-fuzz is missing: cargo install --locked cargo-fuzz");
    process::run(cargo(Path::new(".")).args(["install", "--locked", "cargo-fuzz"]))?;
    if process::find("cargo-fuzz").is_none() {
        bail!("it was installed, but its folder is not in PATH");
    }
    Ok(())
}

fn cargo(folder: &Path) -> Command {
    let mut command = Command::new("cargo");
    clean_environment(&mut command);
    command.current_dir(folder);
    command
}

/// A command of cargo-fuzz. Without a sanitizer: the targets have no unsafe code, and so no nightly compiler is needed.
fn cargo_fuzz(workspace: &Workspace, subcommand: &str) -> Command {
    let mut command = cargo(&workspace.root().join("tools/fuzz/libfuzzer"));
    command
        .args(["fuzz", subcommand, "--fuzz-dir", ".", "--sanitizer", "none"])
        .arg("--target-dir")
        .arg(workspace.target().join("fuzz/build"));
    command
}

fn guided_command(workspace: &Workspace, target: &str, folders: &Folders, seconds: u64) -> Command {
    let mut command = cargo_fuzz(workspace, "run");
    // What it finds goes to the first corpus.
    command.args([
        target.as_ref(),
        folders.found.as_os_str(),
        folders.corpus.as_os_str(),
    ]);
    command.args([
        "--".to_owned(),
        format!("-max_total_time={seconds}"),
        format!("-max_len={MAX_BYTES}"),
        format!("-artifact_prefix={}/", folders.artifacts.display()),
        "-timeout=10".to_owned(),
        // Programs of calls show more when they may be long from early on.
        "-len_control=20".to_owned(),
        "-print_final_stats=1".to_owned(),
    ]);
    command
}

fn plain_command(workspace: &Workspace, target: &str, folders: &Folders, seconds: u64) -> Command {
    let mut command = cargo(workspace.root());
    command
        .args([
            "run",
            "--quiet",
            "-p",
            "fuzz-targets",
            "--",
            "plain",
            target,
        ])
        .arg(seconds.to_string())
        .args([&folders.artifacts, &folders.corpus, &folders.found]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_folders_of_the_corpus_and_others_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let workspace = Workspace::at(folder.path());
        assert!(targets(&workspace).is_err());
        for name in ["rtas", "bundle"] {
            let corpus = folder.path().join("tools/fuzz/corpus").join(name);
            std::fs::create_dir_all(corpus).expect("made");
        }
        let all = targets(&workspace).expect("readable");
        assert_eq!(all, ["bundle", "rtas"]);
        assert_eq!(choose(&all, None).expect("all"), all);
        assert_eq!(choose(&all, Some("rtas")).expect("one"), ["rtas"]);
        let error = choose(&all, Some("x")).expect_err("none").to_string();
        assert!(error.ends_with("name one of bundle, rtas"), "{error}");
    }

    #[test]
    fn each_target_of_the_crate_has_a_program_for_libfuzzer_and_a_corpus() {
        let workspace = Workspace::find();
        let manifest = workspace.root().join("tools/fuzz/libfuzzer/Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).expect("there");
        let table: toml::Table = manifest.parse().expect("TOML");
        let bins = table["bin"].as_array().expect("programs");
        let mut names: Vec<&str> = bins.iter().filter_map(|bin| bin["name"].as_str()).collect();
        names.sort_unstable();
        assert_eq!(targets(&workspace).expect("readable"), names);
    }

    #[test]
    fn what_is_found_does_not_go_to_the_committed_corpus() {
        let folder = tempfile::tempdir().expect("a folder");
        let workspace = Workspace::at(folder.path());
        let folders = folders(&workspace, "rtas").expect("made");
        let shown = process::show(&guided_command(&workspace, "rtas", &folders, 7));
        let (found, committed) = shown.split_once("/tools/fuzz/corpus/rtas").expect("both");
        assert!(found.contains("/target/fuzz/corpus/rtas "), "{shown}");
        assert!(committed.contains("-max_total_time=7 "), "{shown}");
    }
}
