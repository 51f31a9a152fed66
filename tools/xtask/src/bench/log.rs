//! Reading the hypervisor's log: what happened when.

use std::time::Duration;

use anyhow::{Context, Result};
use regex::{Captures, Regex};

/// The lines of a console.
#[derive(Debug)]
pub(super) struct Log(Vec<String>);

impl Log {
    pub(super) fn new(lines: Vec<String>) -> Self {
        Self(lines)
    }

    /// The first line that matches `pattern`; none is an error that names the pattern.
    fn find(&self, pattern: &str) -> Result<Captures<'_>> {
        let regex = Regex::new(pattern)?;
        let found = self.0.iter().find_map(|line| regex.captures(line));
        found.with_context(|| format!("the log has no line with `{pattern}`"))
    }

    /// The number in the first group of `pattern`.
    pub(super) fn number(&self, pattern: &str) -> Result<f64> {
        let found = self.find(pattern)?;
        let text = found.get(1).map_or("", |group| group.as_str());
        text.parse()
            .with_context(|| format!("`{text}` is no number"))
    }

    /// The number in hexadecimal digits in the first group of `pattern`.
    pub(super) fn hexadecimal(&self, pattern: &str) -> Result<u64> {
        let found = self.find(pattern)?;
        let text = found.get(1).map_or("", |group| group.as_str());
        u64::from_str_radix(text, 16).with_context(|| format!("`{text}` is no hexadecimal number"))
    }

    /// The numbers in the first group of `pattern`, of all lines that match.
    pub(super) fn numbers(&self, pattern: &str) -> Result<Vec<f64>> {
        let regex = Regex::new(pattern)?;
        let found = self
            .0
            .iter()
            .filter_map(|line| regex.captures(line)?.get(1));
        found
            .map(|group| {
                let text = group.as_str();
                text.parse()
                    .with_context(|| format!("`{text}` is no number"))
            })
            .collect()
    }

    /// The machine's time of the hypervisor's first line that has `text`, since reset.
    pub(super) fn time_of(&self, text: &str) -> Result<Duration> {
        let times = self.times_of(text)?;
        let first = times.first().copied();
        first.with_context(|| format!("the hypervisor's log has no line with `{text}`"))
    }

    /// The machine's time of each of the hypervisor's lines that have `text`, since reset.
    pub(super) fn times_of(&self, text: &str) -> Result<Vec<Duration>> {
        let seconds = self.numbers(&format!(r"^bulkhead\|\s+(\d+\.\d+) .*{text}"))?;
        Ok(seconds.into_iter().map(Duration::from_secs_f64).collect())
    }

    /// The lines that begin with `prefix`, without it.
    pub(super) fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter_map(move |line| line.strip_prefix(prefix))
    }

    /// What must be alike when the same machine runs twice.
    pub(super) fn lines(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_found() {
        let line = "bulkhead|     0.353673 cpu0 INFO  partition linux: vcpu 0 starts at 0x0";
        let log = Log::new(vec!["bench done".into(), line.into()]);
        let time = log.time_of("vcpu 0 starts at").expect("there");
        assert_eq!(time, Duration::from_micros(353_673));
        assert_eq!(
            log.hexadecimal("starts at 0x([0-9a-f]+)").expect("there"),
            0
        );
        assert_eq!(log.with_prefix("bench ").collect::<Vec<_>>(), ["done"]);
        let error = log.number("vcpu 1 starts").expect_err("not there");
        assert!(error.to_string().contains("vcpu 1 starts"), "{error}");
    }
}
