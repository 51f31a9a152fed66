//! One table of a manifest: its keys by type, and those that nobody has asked for.

use std::ops::Range;
use std::path::{Path, PathBuf};

use bundle::DevicePath;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::Report;

pub(super) const SIZE_REMEDY: &str = "write a size with its unit, like \"512M\" or \"1G\"";
const PATH_REMEDY: &str =
    "write the path of device.function from the root port down, like \"phb0/00.0/00.0\"";

/// Where relative paths start, and what `${target}` stands for.
pub(crate) struct Places<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) target: &'a Path,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Field<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

/// One table of the file; remembers which keys were asked for, so that the others can be refused.
pub(crate) struct Section<'a> {
    pub(crate) place: String,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) fn new(place: String, table: &'a DeTable<'a>, span: Range<usize>) -> Self {
        Self {
            place,
            table,
            span,
            asked: Vec::new(),
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.keys().any(|other| other.get_ref() == key)
    }

    pub(super) fn get(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.table
            .iter()
            .find(|(other, _)| other.get_ref() == key)
            .map(|(_, value)| value)
    }

    /// Complains about the value of `key` at `span`.
    pub(crate) fn complain(
        &self,
        report: &mut Report<'_>,
        key: &str,
        span: Range<usize>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        report.value(&self.place, key, span, problem, remedy);
    }

    pub(super) fn missing(&self, report: &mut Report<'_>, key: &str, remedy: &str) {
        report.add(
            &self.place,
            key,
            self.span.clone(),
            "the key is missing",
            remedy,
        );
    }

    pub(super) fn string(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
    ) -> Option<Field<String>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Field {
                value: text.to_string(),
                span: value.span(),
            }),
            _ => {
                self.complain(
                    report,
                    key,
                    value.span(),
                    "it is no string",
                    "write it in quotes",
                );
                None
            }
        }
    }

    pub(super) fn required_string(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        remedy: &str,
    ) -> Option<Field<String>> {
        if !self.has(key) {
            self.missing(report, key, remedy);
        }
        self.string(report, key)
    }

    pub(super) fn integer(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        low: u64,
        high: u64,
    ) -> Option<Field<u64>> {
        let value = self.get(key)?;
        let DeValue::Integer(number) = value.get_ref() else {
            self.complain(
                report,
                key,
                value.span(),
                "it is no whole number",
                format!("write {key} = 2 or the like, without quotes"),
            );
            return None;
        };
        let digits = number.as_str().replace('_', "");
        let parsed = u64::from_str_radix(digits.trim_start_matches('+'), number.radix()).ok();
        match parsed.filter(|number| (low..=high).contains(number)) {
            Some(number) => Some(Field {
                value: number,
                span: value.span(),
            }),
            None => {
                let range = if high == i64::MAX as u64 {
                    format!("{low} or more")
                } else {
                    format!("{low} to {high}")
                };
                self.complain(
                    report,
                    key,
                    value.span(),
                    format!("it must be {range}"),
                    "write a number in that range",
                );
                None
            }
        }
    }

    pub(super) fn boolean(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
    ) -> Option<Field<bool>> {
        let value = self.get(key)?;
        if let DeValue::Boolean(truth) = value.get_ref() {
            return Some(Field {
                value: *truth,
                span: value.span(),
            });
        }
        let remedy = format!("write {key} = true or {key} = false");
        self.complain(
            report,
            key,
            value.span(),
            "it is neither true nor false",
            remedy,
        );
        None
    }

    /// A number of bytes, written with a unit.
    pub(super) fn size(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
    ) -> Option<Field<u64>> {
        let value = self.get(key)?;
        let bytes = match value.get_ref() {
            DeValue::String(text) => parse_size(text),
            _ => None,
        };
        if bytes.is_none() {
            self.complain(report, key, value.span(), "it is no size", SIZE_REMEDY);
        }
        Some(Field {
            value: bytes?,
            span: value.span(),
        })
    }

    /// The device path under the key `at`, which is required.
    pub(super) fn path(&mut self, report: &mut Report<'_>) -> Option<Field<DevicePath>> {
        let text = self.required_string(report, "at", PATH_REMEDY)?;
        match text.value.parse() {
            Ok(path) => {
                self.place = format!(
                    "{}device {path}",
                    self.place.strip_suffix("device").unwrap_or(&self.place)
                );
                Some(Field {
                    value: path,
                    span: text.span,
                })
            }
            Err(error) => {
                self.complain(
                    report,
                    "at",
                    text.span,
                    bundle::PathError::to_string(&error),
                    PATH_REMEDY,
                );
                None
            }
        }
    }

    /// A file's path, from the manifest's folder; `${target}` is the target folder.
    pub(super) fn file(
        &mut self,
        report: &mut Report<'_>,
        places: &Places<'_>,
        key: &'static str,
    ) -> Option<Field<PathBuf>> {
        let text = self.string(report, key)?;
        let path = match text.value.strip_prefix("${target}/") {
            Some(rest) => places.target.join(rest),
            None => places.folder.join(&text.value),
        };
        if text.value.is_empty() || text.value.contains('$') != text.value.starts_with("${target}/")
        {
            let remedy = "write a path from the manifest's folder, an absolute one, or one that begins with `${target}/`";
            self.complain(report, key, text.span.clone(), "it is no path", remedy);
            return None;
        }
        Some(Field {
            value: path,
            span: text.span,
        })
    }

    pub(super) fn table(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
    ) -> Option<Section<'a>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(key.to_owned(), table, value.span())),
            _ => {
                self.complain(
                    report,
                    key,
                    value.span(),
                    "it is no section",
                    format!("write it as `[{key}]`"),
                );
                None
            }
        }
    }

    /// The tables of the array `key`; none when it is not there.
    pub(super) fn tables(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
    ) -> Vec<Section<'a>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let place = if self.place.is_empty() {
            key.to_owned()
        } else {
            format!("{}: {key}", self.place)
        };
        let header = if self.table.is_empty() || self.place.is_empty() {
            key.to_owned()
        } else {
            format!("partition.{key}")
        };
        let array = match value.get_ref() {
            DeValue::Array(array) => array.iter().collect(),
            _ => Vec::from([value]),
        };
        let mut sections = Vec::new();
        for item in array {
            match (value.get_ref(), item.get_ref()) {
                (DeValue::Array(_), DeValue::Table(table)) => {
                    sections.push(Section::new(place.clone(), table, item.span()));
                }
                _ => {
                    let remedy = format!("write each as a section of its own, `[[{header}]]`");
                    self.complain(
                        report,
                        key,
                        item.span(),
                        "it is no list of sections",
                        remedy,
                    );
                }
            }
        }
        sections
    }

    /// Refuses the keys that nobody has asked for.
    pub(super) fn finish(&self, report: &mut Report<'_>) {
        for (key, value) in self.table {
            if self.asked.iter().any(|asked| asked == key.get_ref()) {
                continue;
            }
            let known = self.asked.join("`, `");
            let near = self
                .asked
                .iter()
                .min_by_key(|asked| distance(asked, key.get_ref()));
            let near = near.filter(|asked| distance(asked, key.get_ref()) <= 2);
            let remedy = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("remove it; here go `{known}`"),
            };
            let place = self.place.as_str();
            let entry = match value.get_ref() {
                DeValue::Table(_) | DeValue::Array(_) => key.get_ref().to_string(),
                _ => format!(
                    "{} = {}",
                    key.get_ref(),
                    report.text.get(value.span()).unwrap_or("")
                ),
            };
            report.add(place, entry, key.span(), "there is no such key", remedy);
        }
    }
}

/// Reads `512M` and the like: a whole number and a unit of 2^10, 2^20, 2^30 or 2^40 bytes.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let shift = match unit {
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| number.parse::<u64>().ok()?.checked_mul(1 << shift))
        .flatten()
}

/// How many letters must be changed, added or removed to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let best = (diagonal + usize::from(x != y))
                .min(row[j] + 1)
                .min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    row.last().copied().unwrap_or(0)
}
