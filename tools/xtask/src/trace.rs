//! `trace`: makes a table, or a file for a trace viewer, of what the monitor's `trace dump` has written (docs/trace.md).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use trace_view::Dump;

use crate::workspace::read_log;

/// Shows the trace in a console log: the last that `trace dump` has written there.
#[derive(Debug, Args)]
pub(crate) struct TraceArguments {
    /// The log; `-` is standard input.
    #[arg(value_name = "FILE")]
    log: PathBuf,
    /// Writes it for chrome://tracing or ui.perfetto.dev instead.
    #[arg(long, value_name = "JSON")]
    chrome: Option<PathBuf>,
}

/// Runs as `arguments` say.
pub(crate) fn trace(arguments: &TraceArguments) -> Result<()> {
    let log = read_log(&arguments.log)?;
    let dump = Dump::from_log(&log).with_context(|| arguments.log.display().to_string())?;
    match &arguments.chrome {
        Some(file) => write(file, &dump),
        None => {
            anstream::print!("{}", dump.table());
            Ok(())
        }
    }
}

fn write(file: &Path, dump: &Dump) -> Result<()> {
    std::fs::write(file, dump.chrome().to_string())
        .with_context(|| format!("{} cannot be written", file.display()))?;
    println!("{}: {} events", file.display(), dump.events.len());
    Ok(())
}
