//! Where a partition's CPUs run: on CPUs of their own, or on those that are left, shared by entitlement and weight.

use bundle::{MAX_ENTITLEMENT_PER_CPU, MIN_ENTITLEMENT_PER_CPU, Processors};

use super::reader::{MachineFields, PartitionFields};
use super::report::Report;
use super::section::{Field, Section};

/// A partition's weight where the manifest gives none.
const DEFAULT_WEIGHT: u8 = 128;
const SHARED_ONLY: [&str; 3] = ["entitlement", "capped", "weight"];

/// Reads the keys of a partition with `cpus` CPUs; `None` goes with complaints in `report`. The place is that of the
/// entitlement, where there is one.
pub(super) fn read(
    report: &mut Report<'_>,
    section: &mut Section<'_>,
    cpus: Option<&Field<u32>>,
) -> Option<Field<Processors>> {
    let kind = section.string(report, "processors");
    let entitlement = section.integer(report, "entitlement", 1, u32::MAX.into());
    let capped = section.boolean(report, "capped");
    let weight = section.integer(report, "weight", 1, u8::MAX.into());
    match kind.as_ref().map(|kind| kind.value.as_str()) {
        None | Some("dedicated") => {
            for key in SHARED_ONLY {
                let Some(value) = section.get(key) else {
                    continue;
                };
                let remedy = "remove the key, or add processors = \"shared\"";
                let problem = "it is for shared processors, and these are dedicated";
                section.complain(report, key, value.span(), problem, remedy);
            }
            Some(Field {
                value: Processors::Dedicated,
                span: kind.map_or(0..0, |kind| kind.span),
            })
        }
        Some("shared") => {
            if let (Some(true), Some(weight)) =
                (capped.as_ref().map(|capped| capped.value), &weight)
            {
                let problem = "a capped partition gets nothing by weight";
                let remedy = "remove it, or write capped = false";
                section.complain(report, "weight", weight.span.clone(), problem, remedy);
            }
            if !section.has("entitlement") {
                let remedy =
                    "say what it is entitled to in hundredths of a CPU, like entitlement = 50";
                section.missing(report, "entitlement", remedy);
            }
            let entitlement = entitlement?;
            within_cpus(report, section, &entitlement, cpus?.value);
            let capped = capped.is_some_and(|capped| capped.value);
            let weight = weight.map_or(DEFAULT_WEIGHT, |weight| weight.value as u8);
            Some(Field {
                value: Processors::Shared {
                    entitlement: entitlement.value as u32,
                    weight: if capped { 0 } else { weight },
                },
                span: entitlement.span,
            })
        }
        Some(_) => {
            let span = kind.map_or(0..0, |kind| kind.span);
            let remedy = "write \"dedicated\" or \"shared\"";
            section.complain(report, "processors", span, "there is no such kind", remedy);
            None
        }
    }
}

/// Complains about an entitlement that so many CPUs cannot have.
fn within_cpus(
    report: &mut Report<'_>,
    section: &Section<'_>,
    entitlement: &Field<u64>,
    cpus: u32,
) {
    let [least, most] = [MIN_ENTITLEMENT_PER_CPU, MAX_ENTITLEMENT_PER_CPU]
        .map(|each| u64::from(each) * u64::from(cpus));
    if !(least..=most).contains(&entitlement.value) {
        let problem =
            format!("{cpus} CPUs can be entitled to {least} to {most} hundredths of a CPU");
        let remedy = "change it, or `cpus`";
        section.complain(
            report,
            "entitlement",
            entitlement.span.clone(),
            problem,
            remedy,
        );
    }
}

/// Complains about the first partition that the CPUs which are left to be shared do not suffice for.
pub(super) fn pool(
    report: &mut Report<'_>,
    machine: &MachineFields,
    partitions: &[PartitionFields],
) {
    let dedicated = partitions
        .iter()
        .filter(|partition| partition.processors.value == Processors::Dedicated);
    let dedicated: u32 = dedicated.map(|partition| partition.cpus.value).sum();
    let left = machine.cpus.saturating_sub(dedicated);
    let capacity = u64::from(left) * u64::from(MAX_ENTITLEMENT_PER_CPU);
    let mut promised = 0_u64;
    for partition in partitions {
        let Processors::Shared { entitlement, .. } = partition.processors.value else {
            continue;
        };
        promised += u64::from(entitlement);
        if promised > capacity {
            let problem = format!(
                "the partitions up to this one are entitled to {promised} hundredths of a CPU, and {left} of the machine's {} CPUs are left to share, {capacity} hundredths",
                machine.cpus
            );
            let remedy = "entitle them to less, or give the machine more (`cpus` in `[machine]`)";
            report.value(
                &partition.place(),
                "entitlement",
                partition.processors.span.clone(),
                problem,
                remedy,
            );
            return;
        }
    }
}
