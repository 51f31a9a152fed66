//! Builds, runs, tests and measures Bulkhead: `cargo xtask --help`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod build;
mod guests;
mod image;
mod manifest;
mod process;
#[cfg(test)]
mod test_elf;
mod toolchain;
mod ui;
mod workspace;

use workspace::Workspace;

/// Builds, runs, tests and measures Bulkhead.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Builds the hypervisor's image and the test guest.
    Build,
    /// Makes everything ready that `run` and `test` need.
    Setup,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let workspace = Workspace::find();
    let result = match arguments.command {
        Command::Build => build::build(&workspace).map(|_| ExitCode::SUCCESS),
        Command::Setup => guests::provide(&workspace).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
