//! Virtual switches, and partitions' Ethernet adapters on them.

use bundle::build::EthernetSpec;
use bundle::{MAX_ETHERNETS, MAX_PARTITION_ETHERNETS, MAX_VLAN};

use super::check;
use super::reader::PartitionFields;
use super::report::Report;
use super::section::{Field, Section};

/// An adapter's VLAN where the manifest gives none.
const DEFAULT_VLAN: u16 = 1;
/// What made addresses begin with: locally administered, and of one adapter. The number of the partition and
/// that of the adapter follow.
const MADE: [u8; 4] = [0x02, 0x42, 0x48, 0x00];

/// An adapter with the places that later checks point at.
pub(crate) struct Fields {
    pub(crate) switch: Field<String>,
    pub(crate) vlan: u16,
    /// Where the manifest gives none, it is made once all are known.
    pub(crate) mac: Option<Field<[u8; 6]>>,
}

impl Fields {
    pub(super) fn into_spec(self) -> EthernetSpec {
        EthernetSpec {
            switch: self.switch.value,
            vlan: self.vlan,
            mac: self.mac.map_or([0; 6], |mac| mac.value),
        }
    }
}

/// Reads the sections `[[switch]]`; returns their names.
pub(super) fn read_switches(report: &mut Report<'_>, top: &mut Section<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for mut section in top.tables(report, "switch") {
        let remedy = "give the switch a name, like name = \"lan\"";
        if let Some(name) = section.required_string(report, "name", remedy) {
            check::name(report, &section, &name);
            if names.contains(&name.value) {
                let (problem, remedy) = ("another switch has this name", "give each its own");
                section.complain(report, "name", name.span.clone(), problem, remedy);
            }
            names.push(name.value);
        }
        section.finish(report);
    }
    names
}

/// Reads a section `[[partition.ethernet]]`; `None` goes with complaints in `report`.
pub(super) fn read(report: &mut Report<'_>, mut section: Section<'_>) -> Option<Fields> {
    let remedy = "name one of the sections `[[switch]]`, like switch = \"lan\"";
    let switch = section.required_string(report, "switch", remedy);
    let vlan = section.integer(report, "vlan", 1, MAX_VLAN.into());
    let mac = section.string(report, "mac").and_then(|text| {
        let value = parse_mac(&text.value);
        if value.is_none() {
            let problem = "it is no address of one adapter";
            let remedy =
                "write six bytes, the first of them even, like \"02:00:00:00:00:01\", or remove it";
            section.complain(report, "mac", text.span.clone(), problem, remedy);
        }
        let span = text.span;
        value.map(|value| Field { value, span })
    });
    section.finish(report);
    Some(Fields {
        switch: switch?,
        vlan: vlan.map_or(DEFAULT_VLAN, |vlan| vlan.value as u16),
        mac,
    })
}

/// Reads `02:42:48:00:00:01`: six bytes, not all zero, the first even.
fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let digits = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
        let part = parts.next().filter(digits)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    (parts.next().is_none() && mac[0] & 1 == 0 && mac != [0; 6]).then_some(mac)
}

/// Compares the adapters of all partitions with each other and with the `switches`, and makes the addresses that
/// the manifest does not give.
pub(super) fn together(
    report: &mut Report<'_>,
    switches: &[String],
    partitions: &mut [PartitionFields],
) {
    let given = |partition: &PartitionFields| {
        let macs = partition
            .ethernets
            .iter()
            .filter_map(|fields| fields.mac.as_ref());
        macs.map(|mac| mac.value).collect::<Vec<_>>()
    };
    let given: Vec<[u8; 6]> = partitions.iter().flat_map(given).collect();
    let mut taken: Vec<(String, u16, [u8; 6])> = Vec::new();
    let mut count = 0;
    for (number, partition) in (0_u8..).zip(partitions) {
        let place = format!("{}: ethernet", partition.place());
        for (index, fields) in (0_usize..).zip(&mut partition.ethernets) {
            count += 1;
            let complain = |report: &mut Report<'_>, problem: String, remedy: &str| {
                let span = fields.switch.span.clone();
                report.value(&place, "switch", span, problem, remedy);
            };
            if !switches.contains(&fields.switch.value) {
                let known = switches.join(", ");
                let remedy = if switches.is_empty() {
                    format!(
                        "add a section `[[switch]]` with name = \"{}\"",
                        fields.switch.value
                    )
                } else {
                    format!("add a section `[[switch]]`, or choose of {known}")
                };
                complain(report, "there is no such switch".into(), &remedy);
            }
            if index == MAX_PARTITION_ETHERNETS || count == MAX_ETHERNETS + 1 {
                let problem = format!(
                    "a partition has at most {MAX_PARTITION_ETHERNETS} adapters, all together {MAX_ETHERNETS}"
                );
                complain(report, problem, "remove some");
            }
            let mac = fields.mac.get_or_insert_with(|| {
                let [a, b, c, d] = MADE;
                // One that the manifest gives to another is passed over.
                let mut lasts = (index as u8)..=u8::MAX;
                let made = lasts.find_map(|last| {
                    let made = [a, b, c, d, number, last];
                    let free = !given.contains(&made) && !taken.iter().any(|other| other.2 == made);
                    free.then_some(made)
                });
                Field {
                    value: made.unwrap_or([a, b, c, d, number, index as u8]),
                    span: 0..0,
                }
            });
            let this = (fields.switch.value.clone(), fields.vlan, mac.value);
            if taken.contains(&this) {
                let problem = "another adapter on this VLAN of the switch has this address";
                let remedy = "give each its own, or remove it";
                report.value(&place, "mac", mac.span.clone(), problem, remedy);
            }
            taken.push(this);
        }
    }
}
