//! Collects what is wrong with a manifest.

use std::fmt;
use std::ops::Range;

use anyhow::{Result, bail};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    line: usize,
    /// The section, like `partition linux`; empty for the whole file.
    place: String,
    /// Key and value as they stand there, or the key that is missing.
    entry: String,
    problem: String,
    remedy: String,
}

/// Everything that is wrong with one manifest.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    file: String,
    pub(crate) text: &'a str,
    complaints: Vec<Complaint>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: String, text: &'a str) -> Self {
        Self {
            file,
            text,
            complaints: Vec::new(),
        }
    }

    /// Adds a complaint about `key` at `span`, whose value is what stands at `value`.
    pub(crate) fn value(
        &mut self,
        place: &str,
        key: &str,
        value: Range<usize>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let written = self
            .text
            .get(value.clone())
            .unwrap_or("")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        self.add(place, format!("{key} = {written}"), value, problem, remedy);
    }

    /// Adds a complaint about what stands at `span`.
    pub(crate) fn add(
        &mut self,
        place: &str,
        entry: impl Into<String>,
        span: Range<usize>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let (place, entry) = (place.to_owned(), entry.into());
        self.complaints.push(Complaint {
            line,
            place,
            entry,
            problem: problem.into(),
            remedy: remedy.into(),
        });
    }

    /// Fails with all complaints, in the order of the file, unless there are none.
    pub(crate) fn finish(mut self) -> Result<()> {
        if self.complaints.is_empty() {
            return Ok(());
        }
        self.complaints.sort_by_key(|complaint| complaint.line);
        let lines: Vec<String> = self
            .complaints
            .iter()
            .map(|complaint| format!("{}:{complaint}", self.file))
            .collect();
        bail!("{}", lines.join("\n"))
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            place,
            entry,
            problem,
            remedy,
        } = self;
        let place = if place.is_empty() {
            String::new()
        } else {
            format!("{place}: ")
        };
        write!(f, "{line}: {place}`{entry}`: {problem}. Remedy: {remedy}")
    }
}
