//! `soak`: builds the program of crate `soak`, optimised, and runs it.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::process;
use crate::toolchain::clean_environment;
use crate::workspace::Workspace;

/// Tries random programs over drivers and models: ten million transactions on each chip and layer, unless told otherwise.
#[derive(Debug, Args)]
pub(crate) struct SoakArguments {
    /// What the program is told: --transactions N, --seed S, --chip p7ioc|phb3, --layer drivers|partitions, --steps N, --programs N.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "OPTION"
    )]
    options: Vec<String>,
}

pub(crate) fn soak(workspace: &Workspace, arguments: &SoakArguments) -> Result<()> {
    let mut cargo = Command::new("cargo");
    clean_environment(&mut cargo);
    cargo
        .current_dir(workspace.root())
        .args(["run", "--release", "-p", "soak", "--"])
        .args(&arguments.options);
    process::run(&mut cargo)
}
