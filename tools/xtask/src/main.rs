//! Builds, runs, tests and measures Bulkhead: `cargo xtask --help`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

mod bench;
mod build;
mod check;
mod console;
mod fdt;
mod fuzz;
mod guests;
mod image;
mod manifest;
mod map;
mod mutants;
mod named_tests;
mod process;
mod pseries;
mod run;
mod setup;
mod soak;
mod symbols;
mod test;
#[cfg(test)]
mod test_elf;
mod toolchain;
mod trace;
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
    /// Installs and downloads what the other commands need.
    Setup,
    /// Builds the images of the firmware, or those that are named.
    Build {
        /// `bulkhead` with the test guest, `selftest`, `bulkhead-p7ioc`; all of them when none is named.
        #[arg(value_enum)]
        images: Vec<build::Target>,
    },
    /// Packs a manifest into a bundle.
    Bundle(BundleArguments),
    Run(run::RunArguments),
    Console(console::ConsoleArguments),
    Fdt(fdt::FdtArguments),
    Map(map::MapArguments),
    Trace(trace::TraceArguments),
    /// Formatting, lints, documentation, ARCHITECTURE.md, and the tests that need no emulator.
    Check,
    /// Everything that `check` does, and all that boots.
    Test,
    Fuzz(fuzz::FuzzArguments),
    Bench(bench::BenchArguments),
    Soak(soak::SoakArguments),
    /// Boots Linux beside a partition that attacks it, again and again, until that has made so many calls
    Attack {
        /// How many hcalls and RTAS calls, with random and boundary arguments.
        #[arg(long, default_value_t = 10_000_000)]
        calls: u64,
    },
    Mutants(mutants::MutantsArguments),
}

/// What `bundle` is told.
#[derive(Debug, Args)]
struct BundleArguments {
    /// The manifest.
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// The bundle to write.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Text to add to every partition's command line.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    append: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let workspace = Workspace::find();
    let result = match &arguments.command {
        Command::Setup => setup::all(&workspace).map(|()| ExitCode::SUCCESS),
        Command::Build { images } => setup::tools()
            .and_then(|()| build::images(&workspace, images))
            .map(|()| ExitCode::SUCCESS),
        Command::Bundle(arguments) => bundle(&workspace, arguments).map(|()| ExitCode::SUCCESS),
        Command::Run(arguments) => run::run(&workspace, arguments),
        Command::Console(arguments) => console::console(&workspace, arguments),
        Command::Fdt(arguments) => fdt::fdt(&workspace, arguments).map(|()| ExitCode::SUCCESS),
        Command::Map(arguments) => map::map(&workspace, arguments).map(|()| ExitCode::SUCCESS),
        Command::Trace(arguments) => trace::trace(arguments).map(|()| ExitCode::SUCCESS),
        Command::Check => check::check(&workspace).map(check::Tally::print),
        Command::Test => test::test(&workspace),
        Command::Fuzz(arguments) => fuzz::fuzz(&workspace, arguments).map(|()| ExitCode::SUCCESS),
        Command::Bench(arguments) => {
            bench::bench(&workspace, arguments).map(|()| ExitCode::SUCCESS)
        }
        Command::Attack { calls } => test::attack(&workspace, *calls),
        Command::Soak(arguments) => soak::soak(&workspace, arguments),
        Command::Mutants(arguments) => {
            mutants::mutants(&workspace, arguments).map(|()| ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn bundle(workspace: &Workspace, arguments: &BundleArguments) -> Result<()> {
    let bytes =
        manifest::Manifest::load(workspace, &arguments.manifest)?.pack(&arguments.append)?;
    run::write_bundle(&arguments.output, &bytes)?;
    println!(
        "{}: {} KiB",
        arguments.output.display(),
        bytes.len().div_ceil(1024)
    );
    Ok(())
}
