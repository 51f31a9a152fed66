//! From reset to the first instruction of a partition, on the machine of examples/linux.toml.

use anyhow::Result;

use super::{Bench, Figure};
use crate::run;

/// What `cargo xtask run` boots: two CPUs, 1 GiB, Linux, an NVMe disk and a network card.
const MANIFEST: &str = "examples/linux.toml";
/// The line that a virtual CPU begins with.
const FIRST: &str = "vcpu 0 starts at";

/// Instructions, seconds and memory until the partition begins.
pub(super) fn start(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let manifest = bench.workspace.root().join(MANIFEST);
    let machine = run::prepare(bench.workspace, &bench.workspace.image(), &manifest, "")?;
    let (_, elapsed) = bench.run(&machine, "start", FIRST)?;
    let log = bench.run_twice(&machine, "start-counted", FIRST)?;
    let instructions = |microseconds: f64| microseconds * 1000.0;
    let check = instructions(log.number(r"bundle: .* checked in (\d+) us")?);
    let scrub = instructions(log.number(r"partition \S+: scrubbed in (\d+) us")?);
    let copy = instructions(log.number(r"images copied and device tree made in (\d+) us")?);
    let all = log.time_of(FIRST)?.as_nanos() as f64;
    let figure = |name, value| Figure::new(name, value, "instructions");
    Ok(vec![
        figure(
            "reset to first guest instruction",
            all - check - scrub - copy,
        )
        .goal(10_000_000.0)
        .other(51_600_000.0, "skiboot to its payload"),
        figure("beside it: checking the images", check),
        figure("beside it: scrubbing the partition", scrub),
        figure("beside it: copying the images", copy),
        Figure::new(
            "reset to first guest instruction, everything",
            elapsed.as_secs_f64(),
            "s on this host",
        ),
        Figure::new(
            "memory used before the first guest",
            log.number(r"memory: (\d+) KiB of the hypervisor's")? / 1024.0,
            "MiB",
        )
        .goal(16.0)
        .other(232.0, "KVM-HV"),
    ])
}
