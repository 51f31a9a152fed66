//! `soak`: the program of crate `soak`, optimised; or partitions under QEMU, which is the case `soak` of `tests-qemu`.

use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::Args;

use crate::toolchain::clean_environment;
use crate::workspace::Workspace;
use crate::{process, test};

/// Tries random programs over drivers and models: ten million transactions on each chip and layer, unless told otherwise.
/// With --qemu it has partitions work under QEMU instead.
#[derive(Debug, Args)]
pub(crate) struct SoakArguments {
    /// Has two Linux partitions, an attacker and one that starts anew again and again work for so long: `90s`, `5m`, `1h`.
    #[arg(long, value_name = "TIME", value_parser = seconds, conflicts_with = "options")]
    qemu: Option<u64>,
    /// What the program is told: --transactions N, --seed S, --chip p7ioc|phb3, --layer drivers|partitions, --steps N, --programs N.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "OPTION"
    )]
    options: Vec<String>,
}

pub(crate) fn soak(workspace: &Workspace, arguments: &SoakArguments) -> Result<ExitCode> {
    if let Some(seconds) = arguments.qemu {
        return test::soak(workspace, seconds);
    }
    let mut cargo = Command::new("cargo");
    clean_environment(&mut cargo);
    cargo
        .current_dir(workspace.root())
        .args(["run", "--release", "-p", "soak", "--"])
        .args(&arguments.options);
    process::run(&mut cargo)?;
    Ok(ExitCode::SUCCESS)
}

/// The seconds of `90s`, `5m` or `1h`: at least ten, at most a week.
fn seconds(text: &str) -> Result<u64, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600)];
    let found = units.iter().find_map(|(unit, seconds)| {
        Some((text.strip_suffix(*unit)?.parse::<u64>().ok()?, seconds))
    });
    found
        .and_then(|(count, seconds)| count.checked_mul(*seconds))
        .filter(|seconds| (10..=7 * 24 * 3600).contains(seconds))
        .ok_or_else(|| "a time is a number and s, m or h, at least 10s".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        soak: SoakArguments,
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("5m"), Ok(300));
        assert_eq!(seconds("1h"), Ok(3600));
        for bad in [
            "",
            "5",
            "h",
            "1d",
            "-1h",
            "9s",
            "99999999999999999999h",
            "8000000000000000h",
        ] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_program_gets_its_options_and_qemu_a_time() {
        let parse = |words: &[&str]| Line::try_parse_from([&["soak"], words].concat());
        let program = parse(&["--chip", "phb3", "--seed", "7"])
            .expect("options")
            .soak;
        assert_eq!(program.options, ["--chip", "phb3", "--seed", "7"]);
        let machine = parse(&["--qemu", "2m"]).expect("a time").soak;
        assert_eq!((machine.qemu, machine.options.len()), (Some(120), 0));
        assert!(parse(&["--qemu", "2m", "--seed", "7"]).is_err());
    }
}
