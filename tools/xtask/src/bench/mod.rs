//! `bench`: measures, prints a table, writes target/bench.json. docs/bench.md says what each number is.
//!
//! A case is one row of [`CASES`]: it measures what belongs together and returns a [`Figure`] for each number.

use std::cell::OnceCell;

use anyhow::{Context, Result};
use clap::Args;

use crate::build::{self, Built};
use crate::guests::{self, GUESTS, Guest};
use crate::workspace::Workspace;
use crate::{setup, ui};

mod boot;
mod drivers;
mod growth;
mod handover;
mod hcalls;
mod latency;
mod log;
mod machine;
mod memory;
mod nvme;
mod start;
mod table;
mod throughput;

/// One number that was measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// What was measured: a stable name, as JSON has it.
    name: String,
    /// The number.
    value: f64,
    /// Its unit.
    unit: &'static str,
    /// At most so much is wanted.
    goal: Option<f64>,
    /// What another system takes, and which one.
    other: Option<(f64, &'static str)>,
}

impl Figure {
    /// A number with nothing to compare it with.
    fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            goal: None,
            other: None,
        }
    }

    /// At most `goal` is wanted.
    fn goal(self, goal: f64) -> Self {
        Self {
            goal: Some(goal),
            ..self
        }
    }

    /// Another `system` takes `value`.
    fn other(self, value: f64, system: &'static str) -> Self {
        Self {
            other: Some((value, system)),
            ..self
        }
    }

    fn verdict(&self) -> &'static str {
        match self.goal {
            None => "",
            Some(goal) if self.value <= goal => "met",
            Some(_) => "missed",
        }
    }
}

/// What a case may use.
#[derive(Debug)]
struct Bench<'a> {
    /// The checkout.
    workspace: &'a Workspace,
    /// The image that is measured.
    built: Built,
    /// The Linux guest.
    guest: Guest,
    /// What hcalls cost, once somebody has asked.
    hcalls: OnceCell<Vec<Figure>>,
}

impl Bench<'_> {
    /// What hcalls cost; measured now if it was not before. The bundle of a machine that was made before is then another's.
    fn hcalls(&self) -> Result<&[Figure]> {
        if let Some(known) = self.hcalls.get() {
            return Ok(known);
        }
        let figures = hcalls::measure(self)?;
        Ok(self.hcalls.get_or_init(|| figures))
    }

    /// The figure `name` of [`Bench::hcalls`].
    fn measured(&self, name: &str) -> Result<f64> {
        let figure = self.hcalls()?.iter().find(|figure| figure.name == name);
        Ok(figure
            .with_context(|| format!("`{name}` was not measured"))?
            .value)
    }
}

/// A row of the table of cases.
#[derive(Debug, Clone, Copy)]
struct Case {
    name: &'static str,
    run: fn(&Bench<'_>) -> Result<Vec<Figure>>,
}

/// Everything that is measured, in the order of the table.
const CASES: &[Case] = &[
    Case {
        name: "image",
        run: image,
    },
    Case {
        name: "bridge drivers",
        run: drivers::drivers,
    },
    Case {
        name: "start of a partition",
        run: start::start,
    },
    Case {
        name: "hcalls",
        run: |bench| Ok(bench.hcalls()?.to_vec()),
    },
    Case {
        name: "switch of partitions",
        run: handover::handover,
    },
    Case {
        name: "interrupts of a device",
        run: latency::latency,
    },
    Case {
        name: "partitions by memory",
        run: memory::memory,
    },
    Case {
        name: "partitions by number",
        run: growth::growth,
    },
    Case {
        name: "reads from NVMe",
        run: nvme::nvme,
    },
    Case {
        name: "throughput",
        run: throughput::throughput,
    },
    Case {
        name: "Linux, in instructions",
        run: boot::instructions,
    },
    Case {
        name: "Linux, in seconds",
        run: boot::seconds,
    },
];

/// Measures, prints a table, and writes target/bench.json.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// Runs this case alone, by its name (`bridge drivers`), and writes no file.
    #[arg(long, value_name = "CASE")]
    only: Option<String>,
}

/// Runs all cases, or one; a case that fails is an error after the others were shown.
pub(crate) fn bench(workspace: &Workspace, arguments: &BenchArguments) -> Result<()> {
    let is_wanted = |case: &&Case| arguments.only.as_ref().is_none_or(|only| only == case.name);
    let cases: Vec<&Case> = CASES.iter().filter(is_wanted).collect();
    let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    anyhow::ensure!(
        !cases.is_empty(),
        "there is no such case. Remedy: one of `{}`",
        names.join("`, `")
    );
    qemu_run::stop_all_on_interrupt(|| ());
    setup::tools()?;
    let guest = GUESTS[0];
    // What needs no Linux can be measured all the same.
    if let Err(error) = guests::provide(workspace, &[guest]) {
        ui::note(format!("no Linux guest: {error:#}"));
    }
    let bench = Bench {
        workspace,
        built: build::build(workspace)?,
        guest,
        hcalls: OnceCell::new(),
    };
    let mut figures = Vec::new();
    let mut failed = Vec::new();
    for case in cases {
        ui::step(format!("measuring: {}", case.name));
        match (case.run)(&bench) {
            Ok(found) => figures.extend(found),
            Err(error) => {
                ui::note(format!("failed: {error:#}"));
                failed.push(case.name);
            }
        }
    }
    print!("{}", table::table(&figures));
    if arguments.only.is_none() {
        let file = workspace.target().join("bench.json");
        let text = serde_json::to_string_pretty(&table::to_json(&figures))? + "\n";
        std::fs::write(&file, text)
            .with_context(|| format!("{} cannot be written", file.display()))?;
        ui::note(format!("also in {}", workspace.show(&file)));
    }
    anyhow::ensure!(
        failed.is_empty(),
        "not measured, as told above: {}",
        failed.join(", ")
    );
    Ok(())
}

/// The middle one of `values`, the upper of two; none has none.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn image(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let figure = |name, bytes: u64| Figure::new(name, bytes as f64 / 1024.0, "KiB");
    Ok(vec![
        figure("image", bench.built.image_bytes).goal(512.0),
        figure("image, of which symbol table", bench.built.symbol_bytes),
    ])
}
