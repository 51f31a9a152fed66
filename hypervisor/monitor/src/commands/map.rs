//! `map`.

use crate::command::{Problem, Request};
use crate::page::Page;
use map_dump::Record;

/// The block of lines that `cargo xtask map` reads (docs/map.md), as it is printed at boot.
pub(super) fn dump(request: &Request<'_>, page: &mut Page<'_>) -> Result<(), Problem> {
    let mut lines = 0u32;
    let mut print = |record: &Record<'_>| {
        page.line(format_args!("bulkhead| {record}"));
        lines = lines.saturating_add(1);
    };
    print(&Record::Begin);
    request.facts.partitions(&mut |partition| {
        print(&Record::Partition {
            lpid: partition.lpid,
            name: partition.name,
        });
    });
    request.facts.map(&mut print);
    page.line(format_args!("bulkhead| {}", Record::End { lines }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::answer;
    use map_dump::Record;

    #[test]
    fn every_line_is_a_record_and_the_last_counts_them() {
        let text = answer("map", "");
        let records: Vec<Record<'_>> = text
            .lines()
            .map(|line| line.strip_prefix("bulkhead| ").unwrap())
            .map(|line| Record::parse(line).unwrap().unwrap())
            .collect();
        assert_eq!(records[0], Record::Begin);
        let lines = records.len() as u32 - 1;
        assert_eq!(records.last(), Some(&Record::End { lines }));
        assert_eq!(records.len(), 3 + 12);
    }
}
