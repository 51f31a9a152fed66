//! The trace: what the monitor dumps of it while partitions run, read as `cargo xtask trace` reads it.

use anyhow::{Result, ensure};
use qemu_run::Session;
use trace_view::{Dump, Event, Kind};

use crate::case::{Case, Outcome};
use crate::context::{Context, stops_with};
use crate::monitor::{Operator, boot_two};
use crate::passed;

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[Case {
    name: "trace/tells-what-happened",
    run: tells_what_happened,
}];

/// Has the monitor dump the trace.
fn dump(session: &mut Session, context: &Context) -> Result<Dump> {
    let mut operator = Operator::begin(session, context.limit(20))?;
    operator.types("trace dump\r")?;
    operator.line(r"^bulkhead\| trace1 end events=[0-9]+$")?;
    operator.prompt("^monitor> $")?;
    Ok(Dump::from_log(&session.lines().join("\n"))?)
}

fn has(dump: &Dump, what: &str, is: impl Fn(&Event) -> bool) -> Result<()> {
    let found = dump.events.iter().any(|(_, event)| is(event));
    ensure!(found, "no {what} in\n{}", dump.table());
    Ok(())
}

fn tells_what_happened(context: &Context) -> Outcome {
    let mut session = boot_two(context)?;
    let mut operator = Operator::enter(&mut session, context.limit(30))?;
    operator.types("pe list\r")?;
    let line = operator.line("^0:[0-9]+ +1  goes on")?;
    let pe = line.split_whitespace().next().unwrap_or_default();
    operator.prompt("^monitor> $")?;
    operator.types(&format!("pe freeze {pe}\r"))?;
    operator.line(r"^bulkhead\| .* stopped")?;
    operator.types(&format!("pe thaw {pe}\r"))?;
    operator.line(r"^bulkhead\| .* goes on$")?;
    operator.asks(
        "trace",
        &[&format!(r"^ +[0-9]+\.[0-9]{{6}} cpu[01] 1/0 thaw pe {pe}$")],
    )?;
    let quiet = dump(&mut session, context)?;
    let names: Vec<&str> = quiet.partitions.values().map(String::as_str).collect();
    ensure!(names == ["one", "two"], "partitions {names:?}");
    for lpid in [1, 2] {
        has(&quiet, "start", |event| {
            event.kind == Kind::Dispatch && event.lpid == lpid
        })?;
    }
    let frozen = |event: &Event| event.kind == Kind::Freeze && event.lpid == 1 && event.result == 3;
    has(&quiet, "freeze", frozen)?;
    has(&quiet, "thaw", |event| {
        event.kind == Kind::Thaw && event.lpid == 1 && event.result == 0
    })?;
    let unwanted = quiet
        .events
        .iter()
        .filter(|(_, event)| event.kind == Kind::Hcall);
    ensure!(unwanted.count() == 0, "hcalls in\n{}", quiet.table());
    let mut operator = Operator::begin(&mut session, context.limit(20))?;
    operator.asks("trace hcalls on", &["^all hcalls are traced$"])?;
    // Each of them polls its terminal all the time.
    operator.types("\x1d2hello\n")?;
    operator.line("^hello$")?;
    let busy = dump(&mut session, context)?;
    for lpid in [1, 2] {
        has(&busy, "hcall", |event| {
            event.kind == Kind::Hcall && event.lpid == lpid && event.result == 0
        })?;
    }
    let by_time = busy.events.is_sorted_by_key(|(_, event)| event.at);
    ensure!(by_time, "out of order:\n{}", busy.table());
    let chrome = busy.chrome();
    let shown = chrome["traceEvents"].as_array().map_or(0, Vec::len);
    ensure!(shown > busy.events.len(), "{shown} for a viewer");
    for number in [1, 2] {
        session.send(&format!("\x1d{number}end\n"))?;
        Operator::over(&mut session, context.limit(20)).line("^guest-test: echo ended")?;
    }
    stops_with(&mut session, "power-off", context.limit(20))?;
    passed()
}
