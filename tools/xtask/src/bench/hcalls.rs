//! What hcalls cost: the test guest measures them itself (`tests-qemu/guest/src/bench.rs`).

use anyhow::{Context, Result};

use super::{Bench, Figure};

/// A line of the test guest and what is known about it.
struct Known {
    name: &'static str,
    title: &'static str,
    goal: Option<f64>,
    kvm: Option<f64>,
}

const fn known(
    name: &'static str,
    title: &'static str,
    goal: Option<f64>,
    kvm: Option<f64>,
) -> Known {
    Known {
        name,
        title,
        goal,
        kvm,
    }
}

/// The lines that must come, in the order of the table.
const KNOWN: [Known; 12] = [
    known(
        "unknown_hcall",
        "unknown hcall",
        Some(100.0),
        Some(11_609.0),
    ),
    known("put_tce", "H_PUT_TCE", Some(200.0), Some(6_968.0)),
    known(
        "put_tce_indirect_512",
        INDIRECT_512,
        Some(10_000.0),
        Some(485_875.0),
    ),
    known("put_tce_indirect_1", INDIRECT_1, None, None),
    known("stuff_tce_512", STUFF_512, Some(4_500.0), Some(314_927.0)),
    known("stuff_tce_1", STUFF_1, None, None),
    known("enter_remove", "H_ENTER, H_REMOVE", None, None),
    known(
        "ipi_xirr_ipi_eoi",
        IPI_XIRR_IPI_EOI,
        Some(800.0),
        Some(3_928.0),
    ),
    known("ipi_ipi", IPI_IPI, None, None),
    known("put_term_char_0", "H_PUT_TERM_CHAR of nothing", None, None),
    known("cede_wake_self", CEDE, None, None),
    known(
        "cede_wake_cross",
        "wake from H_CEDE by another CPU's H_IPI",
        Some(1_000.0),
        Some(7_954.0),
    ),
];
/// What other cases look up.
pub(super) const INDIRECT_512: &str = "H_PUT_TCE_INDIRECT of 512";
pub(super) const INDIRECT_1: &str = "H_PUT_TCE_INDIRECT of 1";
pub(super) const STUFF_512: &str = "H_STUFF_TCE of 512";
pub(super) const STUFF_1: &str = "H_STUFF_TCE of 1";
pub(super) const IPI_XIRR_IPI_EOI: &str = "H_IPI, H_XIRR, H_IPI, H_EOI";
pub(super) const IPI_IPI: &str = "H_IPI, H_IPI";
pub(super) const CEDE: &str = "H_CEDE with an interrupt waiting";

/// Where the device is whose DMA window the TCE hcalls fill.
const EDU: &str = "phb0/00.0/00.0";

/// Runs the test guest twice.
pub(super) fn measure(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let machine = bench
        .machine(bench.payload()?, &[EDU])?
        .device(EDU, "edu")?;
    let log = bench.run_twice(&machine, "hcalls", "^bench done")?;
    figures(&log.with_prefix("bench ").collect::<Vec<_>>())
}

fn figures(lines: &[&str]) -> Result<Vec<Figure>> {
    let value = |name: &str| -> Option<f64> {
        let line = lines
            .iter()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.strip_suffix(" instructions")?.parse().ok()
    };
    KNOWN
        .iter()
        .map(|known| {
            let value = value(known.name)
                .with_context(|| format!("the test guest has not measured `{}`", known.name))?;
            Ok(Figure {
                goal: known.goal,
                other: known.kvm.map(|value| (value, "KVM-HV")),
                ..Figure::new(known.title, value, "instructions")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_becomes_a_figure() {
        let lines: Vec<String> = KNOWN
            .iter()
            .enumerate()
            .map(|(n, known)| format!("{} {n} instructions", known.name))
            .collect();
        let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let found = figures(&lines).expect("all there");
        assert_eq!(found[1].name, "H_PUT_TCE");
        assert_eq!((found[1].value, found[1].goal), (1.0, Some(200.0)));
        assert_eq!(found[1].other, Some((6968.0, "KVM-HV")));
        lines[1] = "put_tce skipped: no DMA window";
        let error = figures(&lines).expect_err("one is missing").to_string();
        assert_eq!(error, "the test guest has not measured `put_tce`");
    }
}
