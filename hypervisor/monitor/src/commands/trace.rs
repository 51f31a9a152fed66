//! `trace`, `trace dump`, `trace hcalls on`, `trace hcalls off`.

use crate::command::{Problem, Request};
use crate::page::Page;
use trace::{Event, Merged, Record, Told, in_units};

/// Events that are shown when no number is given, and at most.
const EVENTS: u32 = 20;
const MOST: u32 = 1000;

/// The last events of all CPUs.
pub(super) fn show(request: &Request<'_>, page: &mut Page<'_>) -> Result<(), Problem> {
    let count = request.number()?.unwrap_or(EVENTS).min(MOST);
    let facts = request.facts;
    for (cpu, event) in Merged::last(facts.trace(), count as usize) {
        if page.is_full() {
            break;
        }
        let Event { lpid, vcpu, .. } = event;
        let micros = in_units(event.at, facts.timebase_hz(), 1_000_000);
        let told = Told {
            event: &event,
            call: facts.call_name(event.kind, event.code),
        };
        page.line(format_args!(
            "{:5}.{:06} cpu{cpu} {lpid}/{vcpu} {told}",
            micros / 1_000_000,
            micros % 1_000_000,
        ));
    }
    end(request, page)
}

/// The block of lines that `cargo xtask trace` reads (docs/trace.md).
pub(super) fn dump(request: &Request<'_>, page: &mut Page<'_>) -> Result<(), Problem> {
    let facts = request.facts;
    let line =
        |page: &mut Page<'_>, record: Record<'_>| page.line(format_args!("bulkhead| {record}"));
    let rings = facts.trace();
    let hz = facts.timebase_hz();
    line(page, Record::Begin { hz });
    facts.partitions(&mut |partition| {
        let (lpid, name) = (partition.lpid, partition.name);
        line(page, Record::Partition { lpid, name });
    });
    let mut events = 0u32;
    for (cpu, ring) in (0..).zip(rings) {
        let numbers = ring.numbers();
        let count = numbers.end.saturating_sub(numbers.start);
        events = events.saturating_add(count as u32);
        let skipped = page.skip(count as u32);
        for number in numbers.skip(skipped as usize) {
            if page.is_full() {
                return Ok(());
            }
            if let Some(event) = ring.event(number) {
                line(page, Record::Event { cpu, event });
            }
        }
    }
    line(page, Record::End { events });
    end(request, page)
}

/// Lets the trace go on after the last page.
fn end(request: &Request<'_>, page: &Page<'_>) -> Result<(), Problem> {
    if !page.is_full() {
        request.facts.release_trace();
    }
    Ok(())
}

pub(super) fn on(request: &Request<'_>) -> Result<&'static str, Problem> {
    request.facts.trace_hcalls(true);
    Ok("all hcalls are traced")
}

pub(super) fn off(request: &Request<'_>) -> Result<&'static str, Problem> {
    request.facts.trace_hcalls(false);
    Ok("only refused hcalls are traced")
}

#[cfg(test)]
mod tests {
    use crate::testing::answer;
    use trace::Record;

    #[test]
    fn the_last_events_come_by_time_with_names() {
        let text = answer("trace", "3");
        assert_eq!(
            text,
            "    1.000002 cpu1 1/0 rtas event-scan = 1, 0x0, 51 ticks\n    \
             1.000003 cpu0 2/1 preempt cede, ran 512 ticks\n    \
             1.000004 cpu1 2/0 interrupt 0x1810\n"
        );
        assert_eq!(answer("trace", "").lines().count(), 4);
        assert_eq!(answer("trace", "0").lines().count(), 0);
    }

    #[test]
    fn a_dump_has_all_events_and_counts_them() {
        let text = answer("trace dump", "");
        let records: Vec<Record<'_>> = text
            .lines()
            .map(|line| line.strip_prefix("bulkhead| ").unwrap())
            .map(|line| Record::parse(line).unwrap().unwrap())
            .collect();
        assert_eq!(records[0], Record::Begin { hz: 512_000_000 });
        assert_eq!(records.last(), Some(&Record::End { events: 4 }));
        let events = records.iter();
        let events = events.filter(|record| matches!(record, Record::Event { .. }));
        assert_eq!(events.count(), 4);
    }
}
