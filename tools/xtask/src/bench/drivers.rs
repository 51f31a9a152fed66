//! What bridge drivers cost on the models of their chips: the program of the crate `driver-bench`, optimised.

use std::process::Command;

use anyhow::{Context, Result};

use super::{Bench, Figure};
use crate::process;
use crate::toolchain::clean_environment;

/// Runs the program and reads its lines.
pub(super) fn drivers(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let mut cargo = Command::new("cargo");
    clean_environment(&mut cargo);
    cargo.current_dir(bench.workspace.root()).args([
        "run",
        "--quiet",
        "--release",
        "-p",
        "driver-bench",
    ]);
    figures(&process::capture(&mut cargo)?)
}

/// A line about a window's cost among so many endpoints.
struct Growth<'a> {
    what: String,
    pes: &'a str,
    accesses: f64,
    nanoseconds: f64,
}

fn figures(text: &str) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut growth: Vec<Growth<'_>> = Vec::new();
    for line in text.lines() {
        let unknown = || format!("the program's line `{line}` is unknown");
        let number = |text: &str| text.parse::<f64>().with_context(unknown);
        match line.split('|').collect::<Vec<_>>()[..] {
            ["rate", chip, name, accesses, rate] => {
                let name = format!("{chip}, {name}");
                figures.push(Figure::new(
                    format!("{name}: accesses"),
                    number(accesses)?,
                    "registers",
                ));
                figures.push(Figure::new(name, number(rate)?, "operations/s"));
            }
            ["growth", chip, act, pes, accesses, nanoseconds] => growth.push(Growth {
                what: format!("{chip}, {act}"),
                pes,
                accesses: number(accesses)?,
                nanoseconds: number(nanoseconds)?,
            }),
            ["transactions", chip, rate] => figures.push(Figure::new(
                format!("{chip}, property test"),
                number(rate)?,
                "transactions/s",
            )),
            _ => anyhow::bail!(unknown()),
        }
    }
    for group in by_act(&growth) {
        // The first is alone; the last has the most others beside it.
        let (Some(alone), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        let most = group.iter().map(|cost| cost.accesses).fold(0.0, f64::max);
        let name = format!("{}, up to {} PEs", alone.what, last.pes);
        figures
            .push(Figure::new(format!("{name}: accesses"), most, "registers").goal(alone.accesses));
        figures.push(
            Figure::new(format!("{name}: time"), last.nanoseconds, "ns")
                .other(alone.nanoseconds, "1 PE"),
        );
    }
    let is_whole = !growth.is_empty()
        && ["operations/s", "transactions/s"]
            .iter()
            .all(|unit| figures.iter().any(|figure| figure.unit == *unit));
    anyhow::ensure!(is_whole, "the program has not measured everything");
    Ok(figures)
}

/// The lines about each act, in the order of the first.
fn by_act<'a>(growth: &'a [Growth<'a>]) -> Vec<Vec<&'a Growth<'a>>> {
    let mut groups: Vec<Vec<&Growth<'_>>> = Vec::new();
    for cost in growth {
        match groups.iter_mut().find(|group| group[0].what == cost.what) {
            Some(group) => group.push(cost),
            None => groups.push(vec![cost]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_that_grows_with_endpoints_misses_its_goal() {
        let text = "rate|P7IOC|config read|2|1000\n\
            growth|P7IOC|create a DMA window|1|3|900\n\
            growth|P7IOC|move a DMA window|1|9|900\n\
            growth|P7IOC|create a DMA window|16|4|950\n\
            growth|P7IOC|move a DMA window|16|9|900\n\
            growth|P7IOC|create a DMA window|127|3|990\n\
            growth|P7IOC|move a DMA window|127|9|900\n\
            transactions|P7IOC|5000\n";
        let figures = figures(text).expect("good lines");
        let find = |name: &str| {
            let found = figures.iter().find(|figure| figure.name == name);
            found.unwrap_or_else(|| panic!("{name} is not in {figures:?}"))
        };
        assert_eq!(find("P7IOC, config read").value, 1000.0);
        assert_eq!(find("P7IOC, config read: accesses").value, 2.0);
        let grown = find("P7IOC, create a DMA window, up to 127 PEs: accesses");
        assert_eq!((grown.value, grown.goal), (4.0, Some(3.0)));
        assert_eq!(grown.verdict(), "missed");
        let flat = find("P7IOC, move a DMA window, up to 127 PEs: accesses");
        assert_eq!(flat.verdict(), "met");
        let time = find("P7IOC, create a DMA window, up to 127 PEs: time");
        assert_eq!((time.value, time.other), (990.0, Some((900.0, "1 PE"))));
        assert_eq!(find("P7IOC, property test").value, 5000.0);
    }

    #[test]
    fn what_is_no_line_is_refused() {
        assert!(figures("").is_err());
        let only = figures("growth|P7IOC|x|1|1|1\nrate|P7IOC|y|1|1\n").expect_err("a part");
        assert_eq!(only.to_string(), "the program has not measured everything");
        let error = figures("rate|x\n").expect_err("too short").to_string();
        assert_eq!(error, "the program's line `rate|x` is unknown");
        assert!(figures("growth|P7IOC|x|1|many|1\n").is_err());
    }
}
