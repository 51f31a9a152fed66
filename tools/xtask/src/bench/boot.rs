//! Linux from reset to the shell: under Bulkhead, and with the same kernel and initramfs in QEMU's own partition.

use anyhow::Result;

use super::{Bench, Figure};
use crate::{pseries, run};
use qemu_run::Machine;

/// What is printed where the shell would start; the words make the init script do so.
const READY: &str = "^BH-READY";
const WORDS: &str = "bulkhead.test=boot";
/// Ticks of the time base are 512 to a microsecond, and an instruction takes a nanosecond.
pub(super) const INSTRUCTIONS_PER_TICK: f64 = 1000.0 / 512.0;
const PSERIES: &str = "QEMU's pseries";

/// Instructions from reset, and from the start of the kernel's clock: one CPU, no devices.
pub(super) fn instructions(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let machine = bench.machine(bench.linux(1, WORDS)?, &[])?;
    let here = counts(bench, machine, "boot-counted")?;
    let machine = pseries::machine(bench.workspace, bench.guest, WORDS).cpus(1);
    let there = counts(bench, machine, "boot-counted-pseries")?;
    let figure = |name, here: f64, there| {
        Figure::new(name, here, "million instructions").other(there, PSERIES)
    };
    Ok(vec![
        figure("Linux, reset to shell", here[0], there[0]),
        figure("Linux, kernel's clock at the shell", here[1], there[1]),
    ])
}

/// Millions of instructions since reset, and since the kernel's clock began.
fn counts(bench: &Bench<'_>, machine: Machine, name: &str) -> Result<[f64; 2]> {
    let log = bench.run_twice(&machine, name, READY)?;
    let ticks = log.hexadecimal("^BH-BENCH purr ([0-9a-f]+) ")?;
    let kernel = log.number(r"^BH-BENCH purr .* now (\d+)ns")?;
    Ok([ticks as f64 * INSTRUCTIONS_PER_TICK / 1e6, kernel / 1e6])
}

/// Seconds on this host: two CPUs, NVMe and network card, as examples/linux.toml has them.
pub(super) fn seconds(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let manifest = bench.workspace.root().join("examples/linux.toml");
    let machine = run::prepare(bench.workspace, &bench.workspace.image(), &manifest, WORDS)?;
    let (_, here) = bench.run(&machine, "boot", READY)?;
    let disk = bench.workspace.target().join("disks/linux.img");
    let machine = pseries::machine(bench.workspace, bench.guest, WORDS)
        .nvme("phb0/00.0/00.0", &disk)?
        .e1000e("phb1/00.0/00.0")?;
    let (_, there) = bench.run(&machine, "boot-pseries", READY)?;
    let figure = Figure::new(
        "Linux, reset to shell, two CPUs",
        here.as_secs_f64(),
        "s on this host",
    );
    Ok(vec![figure.other(there.as_secs_f64(), PSERIES)])
}
