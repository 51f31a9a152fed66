//! Races: all processors of a partition at one object of the hypervisor's, and what must hold whatever their order is.

use anyhow::ensure;
use bundle::build::PartitionSpec;
use bundle::{Console, Processors};
use qemu_run::Source;

use crate::case::{Case, Outcome};
use crate::context::{Context, device, regex};
use crate::payload::{OURS, machine_with_edus, trials};
use crate::shared::shared;

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "races-dedicated",
        run: dedicated,
    },
    Case {
        name: "races-shared",
        run: in_a_pool,
    },
];

/// How long each race lasts, milliseconds.
const MILLISECONDS: u32 = 1000;

/// Each of the four has a thread; the neighbour has the fifth.
fn dedicated(context: &Context) -> Outcome {
    beside_restarts(context, 5, Processors::Dedicated, Processors::Dedicated)
}

/// Two threads for all: the one that has what another wants may not run.
fn in_a_pool(context: &Context) -> Outcome {
    beside_restarts(context, 2, shared(150, 128), shared(30, 128))
}

/// The races of one with four processors, beside one that makes random calls and restarts all the time.
fn beside_restarts(
    context: &Context,
    cpus: u32,
    processors: Processors,
    theirs: Processors,
) -> Outcome {
    let [ours, other] = OURS;
    let racer = PartitionSpec {
        name: "racer".to_owned(),
        memory_bytes: 64 << 20,
        cpus: 4,
        processors,
        devices: vec![device(ours)?],
        ..context.payload(&format!(
            "mode=race ms={MILLISECONDS} {}",
            context.payload_words
        ))?
    };
    let neighbour = PartitionSpec {
        name: "neighbour".to_owned(),
        memory_bytes: 32 << 20,
        cpus: 1,
        processors: theirs,
        console: Console::None,
        devices: vec![device(other)?],
        ..context.payload("mode=attack calls=50 again=1")?
    };
    let machine = machine_with_edus(context)?.cpus(cpus);
    let bytes = bundle::build::pack(&[racer, neighbour])?;
    let mut session = context.boot(machine, &bytes)?;
    let summary = regex(
        r"guest-test: \d+ passed, \d+ failed|guest-test: .*(Stopped|panic|unexpected interrupt)",
    )?;
    let line = session.wait_for_in(Source::Partitions, &summary, context.limit(60))?;
    let log = session.log().to_owned();
    let lines = session.stop();
    let restarts = lines
        .iter()
        .filter(|line| line.ends_with("partition neighbour: restarts"))
        .count();
    println!("  {restarts} restarts beside it");
    ensure!(restarts > 0, "none beside it; {}", log.display());
    trials(&lines, &line, &log)
}
