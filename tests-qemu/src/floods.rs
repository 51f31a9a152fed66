//! A partition that floods console, panel, log and hypervisor, and that is interrupted and crashes again and again: nobody else
//! is held up.

use anyhow::{Context as _, Result, ensure};
use bundle::AfterCrash;
use bundle::build::PartitionSpec;

use crate::case::{Case, Outcome};
use crate::context::{Context, device, regex};
use crate::monitor::Operator;
use crate::passed;
use crate::payload::EDU;
use crate::shared::shared;

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[Case {
    name: "floods",
    run: floods,
}];

/// The flooder's device.
const PLACE: &str = "phb0/00.0/00.0";
/// How often the one that watches tells the time.
const TIMES: usize = 40;
/// The most that a line may come later than another that is as old, seconds. Time is counted in instructions.
const LATE: f64 = 0.25;
/// The lines of the log that a partition may cause at once, and in a second; and some for requests that are refused, of which
/// each kind is told ever more rarely.
const BURST: f64 = 128.0;
const PER_SECOND: f64 = 16.0;
const REFUSALS: f64 = 250.0;

/// Both share the only processor, and the one that floods may have all that is left.
fn floods(context: &Context) -> Outcome {
    let flooder = PartitionSpec {
        name: "flooder".to_owned(),
        memory_bytes: 32 << 20,
        cpus: 1,
        processors: shared(50, 255),
        after_crash: AfterCrash::Restart,
        devices: vec![device(PLACE)?],
        ..context.payload("mode=floods ms=150")?
    };
    let watcher = PartitionSpec {
        name: "watcher".to_owned(),
        memory_bytes: 32 << 20,
        cpus: 1,
        processors: shared(50, 0),
        ..context.payload("mode=watch")?
    };
    let machine = context.machine().cpus(1).icount("shift=4,sleep=off");
    let machine = machine.device(PLACE, EDU)?;
    let bytes = bundle::build::pack(&[flooder, watcher])?;
    let mut session = context.boot(machine, &bytes)?;
    let watched = regex("^watcher: guest-test: watched, [0-9]+ us at most$")?;
    let told = session.wait_for(&watched, context.limit(60))?;
    println!("  {told}");
    // The flood goes on: a command is answered, and what is typed is.
    let mut operator = Operator::begin(&mut session, context.limit(30))?;
    operator.asks("lpar list", &["^ +2 watcher +running "])?;
    operator.types("attach watcher\r")?;
    operator.line(r"^bulkhead\| console: 2, watcher")?;
    operator.types("end\n")?;
    operator.line("^guest-test: echo ended")?;
    operator.line(r"^bulkhead\| .*partition watcher: is off")?;
    let lines = session.stop();
    is_in_time(&lines)?;
    is_bounded(&lines)?;
    is_interrupted(&lines)?;
    passed()
}

/// The seconds that a line of the log says, if it is one.
fn stamp(line: &str) -> Option<f64> {
    let rest = line.strip_prefix("bulkhead| ")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Each line of the watcher's, on its console and in the log, comes when it is due: neither the log nor its console is behind.
fn is_in_time(lines: &[String]) -> Result<()> {
    let form = regex(r"^watcher: guest-test: watch (\d+) at (\d+)$")?;
    let (mut log, mut console) = (0.0f64, 0.0f64);
    let (mut seen, mut latest) = (0, 0.0f64);
    for line in lines {
        if let Some(time) = stamp(line) {
            latest = latest.max(console - time);
            log = log.max(time);
        } else if let Some(told) = form.captures(line) {
            let time = told[2].parse::<f64>()? / 1e6;
            latest = latest.max(log - time);
            console = console.max(time);
            seen += 1;
        }
    }
    println!("  {latest:.3} s late at most");
    ensure!(seen == TIMES, "{seen} of {TIMES} lines of the watcher's");
    ensure!(latest < LATE, "a line came {latest:.3} s late");
    for number in 1..=TIMES {
        let wanted = format!("partition watcher: panel: watch {number}");
        ensure!(
            lines.iter().any(|line| line.ends_with(&wanted)),
            "no line `{wanted}`"
        );
    }
    Ok(())
}

/// The flooder has crashed many times, and has caused no more lines of the log than it may.
fn is_bounded(lines: &[String]) -> Result<()> {
    let of_flooder = |line: &&String| line.contains(" partition flooder: ");
    let count = lines.iter().filter(of_flooder).count() as f64;
    let last = lines
        .iter()
        .filter_map(|line| stamp(line))
        .fold(0.0, f64::max);
    println!("  {count} lines of the log in {last:.1} s");
    ensure!(
        count < BURST + PER_SECOND * last + REFUSALS,
        "{count} lines of the log in {last:.1} s"
    );
    let lives = lines
        .iter()
        .filter(|line| line.starts_with("flooder: guest-test: entered with "));
    ensure!(
        lives.count() > 3,
        "the flooder did not crash again and again"
    );
    let left_out = lines.iter().find(|line| line.ends_with(" lines left out"));
    left_out.context("none of its lines was left out")?;
    let lost = lines
        .iter()
        .find(|line| line.starts_with("bulkhead|") && line.contains("lost"));
    ensure!(lost.is_none(), "{lost:?}");
    Ok(())
}

/// The flooder's device has interrupted in each of its lives.
fn is_interrupted(lines: &[String]) -> Result<()> {
    let form = regex(r"^flooder: guest-test: (\d+) messages of the device's$")?;
    let counts = lines
        .iter()
        .filter_map(|line| form.captures(line))
        .map(|told| Ok(told[1].parse()?))
        .collect::<Result<Vec<u64>>>()?;
    println!("  messages of its device in its lives: {counts:?}");
    ensure!(
        counts.len() > 3 && counts.iter().all(|&count| count > 50),
        "its device did not interrupt it: {counts:?}"
    );
    let failed = lines
        .iter()
        .any(|line| line.ends_with("guest-test: the storm failed"));
    ensure!(!failed, "the storm failed");
    Ok(())
}
