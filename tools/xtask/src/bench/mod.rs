//! `bench`: measures, prints a table, writes target/bench.json.
//!
//! A case is one row of [`CASES`]: it measures what belongs together and returns a [`Figure`] for each number.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::build::{self, Built};
use crate::workspace::Workspace;
use crate::{setup, ui};

/// One number that was measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// What was measured: a stable name, as JSON has it.
    pub(crate) name: String,
    /// The number.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// At most so much is wanted.
    pub(crate) goal: Option<f64>,
    /// What another system takes, and which one.
    pub(crate) other: Option<(f64, &'static str)>,
}

impl Figure {
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
pub(crate) struct Bench<'a> {
    /// The checkout.
    pub(crate) workspace: &'a Workspace,
    /// The image that is measured.
    pub(crate) built: Built,
}

/// A row of the table of cases.
#[derive(Debug, Clone, Copy)]
struct Case {
    name: &'static str,
    run: fn(&Bench<'_>) -> Result<Vec<Figure>>,
}

/// Everything that is measured, in the order of the table.
const CASES: &[Case] = &[Case {
    name: "image",
    run: image,
}];

/// Runs all cases; a case that fails is an error after the others were shown.
pub(crate) fn bench(workspace: &Workspace) -> Result<()> {
    qemu_run::stop_all_on_interrupt(|| ());
    setup::tools()?;
    let bench = Bench {
        workspace,
        built: build::build(workspace)?,
    };
    let mut figures = Vec::new();
    let mut failure = Ok(());
    for case in CASES {
        ui::step(format!("measuring: {}", case.name));
        match (case.run)(&bench) {
            Ok(found) => figures.extend(found),
            Err(error) => {
                failure =
                    Err(error.context(format!("the case `{}` could not be measured", case.name)))
            }
        }
    }
    print!("{}", table(&figures));
    let file = bench.workspace.target().join("bench.json");
    let text = serde_json::to_string_pretty(&to_json(&figures))? + "\n";
    std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    ui::note(format!("also in {}", workspace.show(&file)));
    failure
}

fn image(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let figure = |name: &str, bytes: u64, goal| Figure {
        name: name.to_owned(),
        value: bytes as f64 / 1024.0,
        unit: "KiB",
        goal,
        other: None,
    };
    Ok(vec![
        figure("image size", bench.built.image_bytes, Some(512.0)),
        figure(
            "image size, of which symbol table",
            bench.built.symbol_bytes,
            None,
        ),
    ])
}

fn table(figures: &[Figure]) -> String {
    let width = figures
        .iter()
        .map(|figure| figure.name.len())
        .max()
        .unwrap_or(0)
        .max(4);
    let mut text = format!(
        "{:width$}  {:>14}  {:22}  {:>14}         other\n",
        "what", "measured", "unit", "goal"
    );
    for figure in figures {
        let goal = figure.goal.map_or(String::new(), number);
        let other = figure.other.map_or(String::new(), |(value, whose)| {
            format!("{} ({whose})", number(value))
        });
        // Infallible: a String takes everything.
        let _ = writeln!(
            text,
            "{:width$}  {:>14}  {:22}  {goal:>14} {:6}  {other}",
            figure.name,
            number(figure.value),
            figure.unit,
            figure.verdict()
        );
    }
    text.lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

/// Three digits that matter, thousands apart.
fn number(value: f64) -> String {
    if value < 100.0 && value.fract() != 0.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn to_json(figures: &[Figure]) -> Value {
    let figures: Vec<Value> = figures
        .iter()
        .map(|figure| {
            json!({
                "name": figure.name,
                "value": figure.value,
                "unit": figure.unit,
                "goal": figure.goal,
                "other": figure.other.map(|(value, whose)| json!({ "value": value, "system": whose })),
            })
        })
        .collect();
    json!({ "version": 1, "figures": figures })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Vec<Figure> {
        let hcall = Figure {
            name: "hcall, unknown".into(),
            value: 1234.0,
            unit: "instructions",
            goal: Some(100.0),
            other: Some((11609.0, "KVM-HV")),
        };
        let boot = Figure {
            name: "boot".into(),
            value: 8.25,
            unit: "s",
            goal: None,
            other: None,
        };
        vec![
            hcall.clone(),
            Figure {
                value: 99.0,
                ..hcall
            },
            boot,
        ]
    }

    #[test]
    fn the_table_shows_values_goals_and_others() {
        let text = table(&figures());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>(),
            [
                "hcall,",
                "unknown",
                "1,234",
                "instructions",
                "100",
                "missed",
                "11,609",
                "(KVM-HV)"
            ]
        );
        assert!(lines[2].contains(" met "));
        assert_eq!(
            lines[3].split_whitespace().collect::<Vec<_>>(),
            ["boot", "8.25", "s"]
        );
    }

    #[test]
    fn json_has_the_plain_numbers() {
        let value = to_json(&figures());
        assert_eq!(value["figures"][0]["value"], 1234.0);
        assert_eq!(value["figures"][0]["other"]["system"], "KVM-HV");
        assert_eq!(value["figures"][2]["goal"], Value::Null);
    }
}
