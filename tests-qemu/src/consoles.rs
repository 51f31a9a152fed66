//! Several consoles over the one serial line: who is seen, who is typed to.

use anyhow::{Result, ensure};
use bundle::build::{PartitionSpec, pack};
use qemu_run::Session;

use crate::case::{Case, Outcome};
use crate::context::{Context, regex, stops_with};
use crate::monitor::Operator;
use crate::passed;

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "consoles/each-line-after-its-name",
        run: each_line_after_its_name,
    },
    Case {
        name: "consoles/attached-to-the-second",
        run: attached_to_the_second,
    },
    Case {
        name: "consoles/a-flood-starves-nobody",
        run: a_flood_starves_nobody,
    },
    Case {
        name: "consoles/the-only-one-is-raw",
        run: the_only_one_is_raw,
    },
];

/// Partitions on a processor each, with command lines, named `one`, `two`, ...
fn boot(context: &Context, words: &[&str]) -> Result<Session> {
    let partitions: Vec<PartitionSpec> = ["one", "two"]
        .into_iter()
        .zip(words)
        .map(|(name, words)| {
            Ok(PartitionSpec {
                name: name.to_owned(),
                cpus: 1,
                memory_bytes: 256 << 20,
                ..context.payload(words)?
            })
        })
        .collect::<Result<_>>()?;
    context.boot(context.machine(), &pack(&partitions)?)
}

/// Waits for two lines, whatever their order.
fn both(seen: &mut Operator<'_>, patterns: [&str; 2]) -> Result<()> {
    let [one, two] = patterns;
    let either = seen.line(&format!("{one}|{two}"))?;
    let other = if regex(one)?.is_match(&either) {
        two
    } else {
        one
    };
    seen.line(other).map(drop)
}

fn each_line_after_its_name(context: &Context) -> Outcome {
    let mut session = boot(context, &["only=term", "only=term"])?;
    stops_with(&mut session, "power-off", context.limit(60))?;
    let lines = session.stop();
    for name in ["one", "two"] {
        let wanted = format!("{name}: guest-test: 5 passed, 0 failed");
        ensure!(lines.contains(&wanted), "no line `{wanted}`");
        // What both print in pieces of 16 bytes is whole.
        let wanted = format!("{name}: test term::get_gives_up_to_16 ... ok");
        ensure!(lines.contains(&wanted), "no line `{wanted}`");
    }
    let form = regex(r"^(bulkhead\| |one: |two: )")?;
    // What is before the consoles begin, and after the last line end, is empty.
    let stray = lines
        .iter()
        .find(|line| !line.is_empty() && !form.is_match(line));
    ensure!(stray.is_none(), "whose is `{stray:?}`?");
    passed()
}

fn attached_to_the_second(context: &Context) -> Outcome {
    let mut session = boot(context, &["mode=echo", "mode=echo"])?;
    let mut seen = Operator::over(&mut session, context.limit(30));
    both(
        &mut seen,
        ["^one: guest-test: echo", "^two: guest-test: echo"],
    )?;
    // Typed to nobody.
    seen.types("x")?;
    seen.line(r"^bulkhead\| console: Ctrl-\] .*1: one, 2: two$")?;
    seen.types("\x1d2")?;
    seen.line(r"^bulkhead\| console: 2, two")?;
    // Its last lines, as it printed them.
    seen.line("^guest-test: entered")?;
    seen.line("^guest-test: echo$")?;
    seen.types("the quick brown fox\n")?;
    seen.line("^the quick brown fox$")?;
    // Nothing of that has reached the first.
    seen.types("\x1d1end\n")?;
    seen.line(r"^bulkhead\| console: 1, one")?;
    seen.line("^guest-test: echo$")?;
    seen.line("^end$")?;
    seen.line("^guest-test: echo ended")?;
    seen.line(r"^bulkhead\| .*partition one: is off")?;
    // The second is seen by its name again, whatever it prints in pieces.
    seen.types("\x1da")?;
    seen.line(r"^bulkhead\| console: all")?;
    seen.types("\x1d2end\n")?;
    seen.line("^guest-test: echo ended")?;
    stops_with(&mut session, "power-off", context.limit(20))?;
    let lines = session.stop();
    let quick = lines.iter().filter(|line| line.contains("quick")).count();
    // Its echo, and once more as one of the last lines when it was attached to again.
    ensure!(quick == 2, "the line was seen {quick} times");
    passed()
}

fn a_flood_starves_nobody(context: &Context) -> Outcome {
    let mut session = boot(context, &["mode=flood", "mode=echo"])?;
    let mut seen = Operator::over(&mut session, context.limit(60));
    seen.line("^one: guest-test: flood 100$")?;
    // What is typed arrives, and neither the other's line nor the log's is held up.
    seen.types("\x1d2end\n\x1da")?;
    both(
        &mut seen,
        [
            "^(two: )?guest-test: echo ended",
            r"^bulkhead\| .*partition two: is off",
        ],
    )?;
    seen.line("^one: guest-test: flood [0-9]+$")?;
    seen.types("\x1d1x")?;
    seen.line("^guest-test: flood ended after [0-9]+ lines")?;
    stops_with(&mut session, "power-off", context.limit(20))?;
    passed()
}

fn the_only_one_is_raw(context: &Context) -> Outcome {
    let mut session = boot(context, &["mode=echo"])?;
    let mut seen = Operator::over(&mut session, context.limit(30));
    seen.line("^guest-test: echo$")?;
    // An unfinished line is seen at once; the escape key twice is the key itself.
    seen.types("prompt> ")?;
    seen.prompt("^prompt> $")?;
    seen.types("\x1d\x1d\n")?;
    seen.line("\x1d$")?;
    seen.types("\x1da")?;
    seen.types("\x1d1end\n")?;
    seen.line("^guest-test: echo ended")?;
    stops_with(&mut session, "power-off", context.limit(20))?;
    passed()
}
