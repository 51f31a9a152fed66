//! What it costs to read from NVMe and to receive from the network, for the same kernel as a partition of Bulkhead's, in
//! QEMU's own partition (`pseries`), and on the machine alone with skiboot.
//!
//! The guest measures as in [`super::nvme`]; the network is e1000e on QEMU's user network, with web servers on this host's
//! loopback interface. Hypervisor and guest count where both take instructions.

use anyhow::{Context, Result, bail, ensure};
use qemu_run::{HttpFixture, Machine};

use super::log::Log;
use super::machine::counted;
use super::nvme::{DISK_BYTES, LITTLE, MUCH, Moment, NVME, ROUNDS};
use super::{Bench, Figure, hcalls, median};

const NIC: &str = "phb1/00.0/00.0";
/// What the two web servers have, in MiB, and the guest's words for them.
const PAGES: [usize; 2] = [1, 9];
const PORTS: [&str; 2] = ["port", "more"];
/// What QEMU says when it has no skiboot.
const NO_SKIBOOT: &str = "skiboot";

/// Three machines, one after the other.
pub(super) fn throughput(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    // First, as its machine has a bundle in the same file.
    let cede = bench.measured(hcalls::CEDE)?;
    let disk = bench.workspace.target().join("disks/bench.img");
    qemu_run::disk::create(&disk, DISK_BYTES)
        .with_context(|| format!("the disk {} cannot be made", disk.display()))?;
    let servers = [serve(PAGES[0])?, serve(PAGES[1])?];
    let words = format!(
        "bulkhead.test=rates bulkhead.port={} bulkhead.more={}",
        servers[0].port(),
        servers[1].port()
    );
    let folder = bench.workspace.guests().join(bench.guest.name);
    let (kernel, initrd) = (folder.join("vmlinux"), folder.join("initramfs.gz"));
    let line = format!("console=hvc0 quiet {words}");
    let partition = bench.machine(bench.linux(1, &words)?, &[NVME, NIC])?;
    let pseries = Machine::pseries(&kernel, &initrd, &line);
    let bare = Machine::bare(&kernel, &initrd, &line);
    let run = |machine: Machine, name: &str, cede| -> Result<Rates> {
        let machine = machine.cpus(1).nvme(NVME, &disk)?.e1000e(NIC)?;
        let (log, _) = bench.run(&counted(machine), name, "^BH-BENCH end")?;
        Rates::read(&log, cede)
    };
    let here = run(partition, "throughput", cede)?;
    let there = run(pseries.memory_mib(1024), "throughput-pseries", 0.0)?;
    let mut figures = here.figures("partition").to_vec();
    figures.extend(there.figures("QEMU's pseries"));
    match run(bare, "throughput-bare", 0.0) {
        Ok(alone) => figures.extend(alone.figures("bare powernv8")),
        Err(error) if format!("{error:#}").contains(NO_SKIBOOT) => {
            crate::ui::note("no row for bare powernv8: QEMU has no skiboot here");
        }
        Err(error) => return Err(error),
    }
    Ok(figures)
}

fn serve(mib: usize) -> Result<HttpFixture> {
    HttpFixture::serve(vec![b'x'; mib << 20]).context("no web server on the loopback interface")
}

/// Instructions for each MiB.
#[derive(Debug, PartialEq)]
struct Rates {
    nvme: f64,
    network: f64,
}

impl Rates {
    /// Reads what the guest printed; an H_CEDE takes `cede` instructions that its kernel takes for waiting.
    fn read(log: &Log, cede: f64) -> Result<Self> {
        if let Some(error) = log.with_prefix("BH-BENCH failed").next() {
            bail!("the guest could not read its disk:{error}");
        }
        for (port, mib) in PORTS.into_iter().zip(PAGES) {
            let fetched = log.numbers(&format!(r"^BH-BENCH fetched {port} (\d+)$"))?;
            ensure!(
                fetched.len() as u64 == ROUNDS
                    && fetched.iter().all(|bytes| *bytes > (mib << 20) as f64),
                "the guest has fetched {fetched:?} bytes, not {mib} MiB {ROUNDS} times"
            );
        }
        let rate = |took: &dyn Fn(u64) -> Result<Moment>, mib: f64| -> Result<f64> {
            let rounds: Vec<f64> = (1..=ROUNDS)
                .map(|round| Ok(took(round)?.instructions(cede) / mib))
                .collect::<Result<_>>()?;
            let rate = median(rounds).context("no round")?;
            ensure!(rate > 0.0, "more took no more than less");
            Ok(rate)
        };
        Ok(Self {
            nvme: rate(
                &|round| Moment::difference(log, &round.to_string(), [LITTLE, MUCH]),
                (MUCH - LITTLE) as f64,
            )?,
            network: rate(
                &|round| Moment::difference(log, &format!("net {round}"), PORTS),
                (PAGES[1] - PAGES[0]) as f64,
            )?,
        })
    }

    fn figures(&self, whose: &str) -> [Figure; 2] {
        [("NVMe read", self.nvme), ("network received", self.network)].map(|(what, value)| {
            Figure::new(format!("{what}, {whose}"), value, "instructions per MiB")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Vec<String> {
        let mut lines = Vec::new();
        let mut now = 0;
        let mut both = |title: String, busy: u64| {
            lines.push(format!(
                "BH-BENCH at {title} before now {now}ns idle 0ns cedes 0"
            ));
            now += busy;
            lines.push(format!(
                "BH-BENCH at {title} after now {now}ns idle 0ns cedes 2"
            ));
        };
        for round in 1..=ROUNDS {
            both(format!("{round} {LITTLE}"), 500 + LITTLE * 1000);
            both(format!("{round} {MUCH}"), 500 + MUCH * 1000);
            both(format!("net {round} port"), 700 + 2000);
            both(format!("net {round} more"), 700 + 9 * 2000);
        }
        for (port, mib) in PORTS.into_iter().zip(PAGES) {
            let line = format!("BH-BENCH fetched {port} {}", (mib << 20) + 90);
            lines.extend((0..ROUNDS).map(|_| line.clone()));
        }
        lines
    }

    #[test]
    fn what_each_mib_adds_counts() {
        let rates = Rates::read(&Log::new(log()), 10.0).expect("whole");
        let expected = Rates {
            nvme: 1000.0,
            network: 2000.0,
        };
        assert_eq!(rates, expected);
    }

    #[test]
    fn a_page_that_came_in_part_is_an_error() {
        let mut lines = log();
        lines.pop();
        assert!(Rates::read(&Log::new(lines.clone()), 0.0).is_err());
        lines.push("BH-BENCH fetched more 9000000".to_owned());
        let error = Rates::read(&Log::new(lines), 0.0).expect_err("too short");
        assert!(error.to_string().ends_with("not 9 MiB 3 times"), "{error}");
    }

    #[test]
    fn the_init_script_has_what_is_reckoned_with() {
        let script = include_str!("../../guest/init.sh");
        assert!(script.contains(&format!("for port in {}; do", PORTS.join(" "))));
    }
}
